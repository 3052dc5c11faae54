"""The tables of a report, as HTML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fmcompress.compared import LayerComparison, Sums
from fmcompress.reporting.charts import Box
from fmcompress.reporting.collecting import FormatNumbers, Numbers
from fmcompress.reporting.vector_graphics import safe
from fmcompress.reporting.word_details import SYMBOLS
from fmcompress.sweep_rows import Best
from fmcompress.tile_traffic import Traffic

MISSING = "–"


class Column(NamedTuple):
    """A column of a table.

    Attributes
    ----------
    title : str
    kind : str
        Classes of its cells: ``left`` for text.
    """

    title: str
    kind: str = ""


class Cell(NamedTuple):
    """A cell that is marked.

    Attributes
    ----------
    text : str
    kind : str
        Classes of its own.
    """

    text: str
    kind: str


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str | Cell]],
    total: Sequence[str | Cell] = (),
    kind: str = "",
) -> str:
    """Return a table that scrolls within its frame; the first column names the rows."""
    heads = "".join(_cell("th", column.title, column.kind, 'scope="col"') for column in columns)
    body = "\n".join(_row(columns, row) for row in rows)
    foot = f"\n<tfoot>{_row(columns, total)}</tfoot>" if total else ""
    classes = f' class="{kind}"' if kind else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{safe(caption)}">'
        f"<table{classes}>\n<caption>{safe(caption)}</caption>\n"
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>{foot}\n</table></div>"
    )


def _row(columns: Sequence[Column], cells: Sequence[str | Cell]) -> str:
    head, *others = cells
    assert isinstance(head, str)
    parts = [_cell("th", head, "", 'scope="row"')]
    for column, cell in zip(columns[1:], others, strict=True):
        text, kind = cell if isinstance(cell, Cell) else (cell, "")
        parts.append(_cell("td", text, " ".join(filter(None, (column.kind, kind)))))
    return f"<tr>{''.join(parts)}</tr>"


def _cell(tag: str, text: str, kind: str, more: str = "") -> str:
    classes = f' class="{kind}"' if kind else ""
    return f"<{tag}{classes}{' ' * bool(more)}{more}>{safe(text)}</{tag}>"


def number(value: float | None, form: str = ".3f") -> str:
    """Write a number, or that there is none."""
    return MISSING if value is None else format(value, form)


def percent(share: float | None) -> str:
    """Write a share that is more or less than before."""
    return MISSING if share is None else f"{100 * share:+.1f}"


def folded(title: str, inner: str) -> str:
    """Return what is shown when its title is pressed, and always on paper."""
    return f"<details>\n<summary>{safe(title)}</summary>\n{inner}\n</details>"


def boxes_table(
    caption: str, columns: Mapping[str, Mapping[str, Box]], form: str = ".3f", head: str = "layer"
) -> str:
    """Return medians, and percentiles 1 and 99 where there is a spread, by row and column."""
    names = dict.fromkeys(name for boxes in columns.values() for name in boxes)
    rows = [(name, *(_box(boxes.get(name), form) for boxes in columns.values())) for name in names]
    heads = [Column(head, "left"), *map(Column, columns)]
    return table(f"{caption}; median (1st to 99th percentile)", heads, rows)


def _box(box: Box | None, form: str) -> str:
    if box is None:
        return MISSING
    low, _, median, _, high = (format(value, form) for value in box)
    return median if low == high else f"{median} ({low} to {high})"


def layers_table(one: FormatNumbers) -> str:
    """Return all layers by all methods."""
    found = one.comparison
    columns = [Column("layer", "left"), Column("shape", "left"), Column("words", "left")]
    columns += [Column("count"), Column("zero %")]
    columns += [Column(method.name) for method in found.methods]
    columns += [Column("H0 bit/word"), Column("H|left bit/word"), Column("ebpc gain %")]
    rows = [(layer.name, *_what(layer), *_ratio_cells(one, layer.sums)) for layer in found.layers]
    total = ("total", "", "", *_ratio_cells(one, found.total))
    return table(
        "Ratio of each layer by method; bold is the best codec of a row. H0 is the order-0 entropy: no "
        "code of single words takes fewer bits for a word. H|left is the entropy of a word where the one "
        "before it is known. The gain is by how much EBPC's ratio exceeds that of the best existing codec "
        "of the row",
        columns,
        rows,
        total,
        "sortable",
    )


def _what(layer: LayerComparison) -> tuple[str, str]:
    lossy = " LOSSY" if layer.quantized else ""
    zero = ", all zero" if layer.sums.zero_words == layer.sums.words else ""
    return "x".join(map(str, layer.shape)), f"{layer.words['format']}{lossy}{zero}"


def _ratio_cells(one: FormatNumbers, sums: Sums) -> Iterator[str | Cell]:
    methods = one.comparison.methods
    best = sums.outstanding(methods)
    yield f"{sums.words:,}"
    yield number(100 * sums.sparsity, ".1f")
    for method in methods:
        text = number(sums.ratio(method.name))
        yield Cell(text, "best") if method.name in best else text
    for bits in (sums.entropy_bits, sums.conditional_entropy_bits):
        yield number(None if bits is None else bits / max(sums.words, 1))
    yield percent(sums.ebpc_gain(methods))


def methods_table(one: FormatNumbers) -> str:
    """Return all methods, over all layers."""
    found, total = one.comparison, one.comparison.total
    best = total.outstanding(found.methods)
    columns = [Column("method", "left"), Column("ratio"), Column("bit/word"), Column("over H0 %")]
    columns += [Column("larger chunks"), Column("kind", "left"), Column("what it is", "left")]
    rows: list[tuple[str | Cell, ...]] = []
    for method in found.methods:
        sizes = total.methods[method.name]
        larger = MISSING if sizes is None else f"{sizes.larger_chunks:,}/{total.chunks:,}"
        ratio = number(total.ratio(method.name))
        rows.append(
            (
                method.name,
                Cell(ratio, "best") if method.name in best else ratio,
                number(total.bits_per_word(method.name)),
                percent(total.over_entropy(method.name)),
                larger,
                method.kind,
                method.title,
            )
        )
    return table(
        "All layers by method; over H0: how much longer than the order-0 entropy; larger chunks: those "
        "that it would make larger, and that are stored",
        columns,
        rows,
        kind="sortable",
    )


def symbols_table(one: FormatNumbers) -> str:
    """Return the symbols of BPC streams, over all layers."""
    counts = np.sum([layer.symbol_counts for layer in one.details], axis=0)
    bits = np.sum([layer.symbol_bits for layer in one.details], axis=0)
    if not bits.any():
        return ""
    columns = [Column("symbol", "left"), Column("count"), Column("bits"), Column("share of bits %")]
    whole = int(bits.sum())
    rows = [
        (name, f"{count:,}", f"{size:,}", f"{100 * size / whole:.1f}")
        for name, count, size in zip(SYMBOLS, counts.tolist(), bits.tolist(), strict=True)
    ]
    total = ("total", f"{counts.sum():,}", f"{bits.sum():,}", "100.0")
    return table("Symbols of the BPC streams of all layers", columns, rows, total)


def sweep_table(numbers: Numbers, one: FormatNumbers) -> str:
    """Return the best configuration of each codec."""
    columns = [Column("codec", "left"), Column("block size"), Column("longest burst")]
    columns += [Column("ratio"), Column("bit/word")]
    best: list[Best] = [row for row in numbers.sweep.best if row.format == one.name]
    outstanding = numbers.sweep.outstanding()
    rows = [
        (
            row.codec,
            number(row.block_size, "d"),
            number(row.max_burst, "d"),
            Cell(number(row.ratio), "best") if row in outstanding else number(row.ratio),
            number(row.bits_per_word),
        )
        for row in best
    ]
    return table("The best block size and burst of each codec, over all frames", columns, rows)


def traffic_table(one: FormatNumbers) -> str:
    """Return what moves of a frame, in total."""
    found = one.traffic
    total = found.total
    columns = [
        Column("of all layers", "left"),
        Column("raw"),
        Column("compressed"),
        Column("ratio"),
    ]
    pairs: list[tuple[str, tuple[float, float] | None, str]] = [
        ("bytes a frame, nominal", (total.raw_bytes, total.stream_bytes), ",.0f"),
        ("bytes a frame, moved once", (total.raw_memory_bytes, total.total_bytes), ",.0f"),
        (f"bytes a frame, {found.times}", found.moved_bytes, ",.0f"),
        (f"MB/s at {found.frames_per_second or 0:g} frames/s", found.megabytes_per_second, ",.3f"),
        ("energy a frame, µJ", found.microjoules, ",.3f"),
        ("power, mW", found.milliwatts, ",.3f"),
    ]
    rows = [
        (name, format(pair[0], form), format(pair[1], form), number(pair[0] / pair[1]))
        for name, pair, form in pairs
        if pair is not None
    ]
    return table("What moves; nominal: nothing rounded up to bursts, and no index", columns, rows)


def tiles_table(found: Traffic) -> str:
    """Return how large the tiles of each layer are: what buffers have to hold."""
    columns = [Column("layer", "left"), Column("tile"), Column("tiles/frame")]
    columns += [Column("stored %"), Column("median B"), Column("99 % B"), Column("max B")]
    columns += [Column("bound B")]
    rows = [
        (
            layer.name,
            "x".join(map(str, layer.tile)),
            f"{layer.tiles_per_frame:,}",
            f"{100 * layer.stored_share:.1f}",
            *(f"{size:,}" for size in (*layer.tile_memory_bytes, layer.most_tile_bytes)),
        )
        for layer in found.layers
    ]
    return table(
        "Bytes of a compressed tile in whole bursts: half of the tiles, 99 % and all take no more; bound: "
        "what a tile takes at most, as it is stored then",
        columns,
        rows,
    )
