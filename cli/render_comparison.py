"""Tables of ``fmc compare``; no arithmetic beyond formatting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fmcompress.cli.render import layers_count, number, shape_text, table
from fmcompress.compared import ebpc_among
from fmcompress.printable import printable

if TYPE_CHECKING:
    from fmcompress.compared import Comparison, LayerComparison, Method, Sums

BEST = "*"
NOTE = (
    "ratio = bits of the words / bits of the streams{table}\n"
    "* the best of a row, unless all are alike; auto, a choice among codecs, is none\n"
    "over H0: how much longer than the order-0 entropy, the bound of any code of single words"
)
WITH_A_TABLE = "huffman"


def comparison_text(found: Comparison, width: int | None) -> str:
    """Render a comparison: ratios by layer and method, the total by method, advice.

    Parameters
    ----------
    width : int or None
        Of the terminal; None where the text goes to a file or a pipe, and is not folded.
    """
    parts = [_layers(found, methods, width) for methods in _fitting(found, width)]
    parts += [_totals(found, width), _summary(found), _note(found)]
    return "\n\n".join(parts)


def _fitting(found: Comparison, width: int | None) -> list[Sequence[Method]]:
    """Cut the methods to groups whose columns fit beside each other."""
    if width is None:
        return [found.methods]
    columns = 8 + max(6, *(len(method.name) for method in found.methods))
    each = max(1, (width - 30) // min(columns, 16))
    return [found.methods[at : at + each] for at in range(0, len(found.methods), each)]


def _layers(found: Comparison, methods: Sequence[Method], width: int | None) -> str:
    columns = [("layer", "left"), ("zero\n%", "right")]
    columns += [(method.name.replace(":", ":\n"), "right") for method in methods]
    last = methods[-1] is found.methods[-1]
    if last:
        columns += [
            ("H0\nbit/word", "right"),
            ("H|left\nbit/word", "right"),
            ("ebpc\ngain %", "right"),
        ]
    rows = []
    for layer in found.layers:
        rows.append((_name(layer), *_cells(found, layer.sums, methods, last)))
    rows.append(("total", *_cells(found, found.total, methods, last)))
    if width is None:
        columns = [(title.replace("\n", " ").replace(": ", ":"), align) for title, align in columns]
    return table(columns, rows, width)


def _name(layer: LayerComparison) -> str:
    lossy = f" LOSSY {layer.quantized['target']}" if layer.quantized else ""
    return f"{printable(layer.name)} {shape_text(layer.shape)}{lossy}"


def _cells(found: Comparison, sums: Sums, methods: Sequence[Method], last: bool) -> tuple[str, ...]:
    best = sums.outstanding(found.methods)
    ratios = [
        number(sums.ratio(method.name), 3) + (BEST if method.name in best else " ")
        for method in methods
    ]
    cells = [number(100 * sums.sparsity, 1), *ratios]
    if last:
        per_word = [
            None if bits is None else bits / sums.words
            for bits in (sums.entropy_bits, sums.conditional_entropy_bits)
        ]
        cells += [number(bits, 3) for bits in per_word]
        cells.append(_percent(sums.ebpc_gain(found.methods)))
    return tuple(cells)


def _totals(found: Comparison, width: int | None) -> str:
    total = found.total
    best = total.outstanding(found.methods)
    columns = [("method", "left"), ("ratio", "right"), ("bit/\nword", "right")]
    columns += [("over\nH0 %", "right"), ("larger\nchunks", "right"), ("what it is", "left")]
    rows = []
    for method in found.methods:
        sizes = total.methods[method.name]
        rows.append(
            (
                method.name,
                number(total.ratio(method.name), 3) + (BEST if method.name in best else " "),
                number(total.bits_per_word(method.name), 3),
                _percent(total.over_entropy(method.name)),
                "-" if sizes is None else f"{sizes.larger_chunks}/{total.chunks}",
                method.title,
            )
        )
    if width is None:
        columns = [(title.replace("\n", " "), align) for title, align in columns]
    return table(columns, rows, width)


def _summary(found: Comparison) -> str:
    total = found.total
    compared = f"{layers_count(len(found.layers))} compared, {total.words:,} words"
    lines = [f"{printable(found.file)}: {compared}, chunks of {found.chunk_words:,}"]
    gain, existing = total.ebpc_gain(found.methods), total.best_existing(found.methods)
    ebpc = ebpc_among(found.methods)
    if ebpc is not None and gain is not None and existing is not None:
        lines.append(
            f"{ebpc} has a ratio of {number(total.ratio(ebpc), 3)}, {_percent(gain)} % against the best "
            f"existing method, {existing}, with {number(total.ratio(existing), 3)}"
        )
    if found.never_store:
        lines.append("chunks count as they are coded, even where that is larger than their words")
    lines += [f"advice: {printable(line)}" for line in found.advice]
    return "\n".join(lines)


def _note(found: Comparison) -> str:
    names = {method.name.partition(":")[0] for method in found.methods}
    counts = f"; {WITH_A_TABLE}'s table of a layer counts, too" if WITH_A_TABLE in names else ""
    return NOTE.format(table=counts)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:+.1f}"
