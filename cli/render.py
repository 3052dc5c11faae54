"""Tables from the library's dataclasses; no arithmetic beyond formatting."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import click

from fmcompress.numbers import counted
from fmcompress.printable import printable, write_csv

if TYPE_CHECKING:
    from fmcompress.compared import Comparison
    from fmcompress.distributions import Distribution
    from fmcompress.listing import Entry, Listing
    from fmcompress.reporting.making import Report
    from fmcompress.statistics import LayerStats, Sizes, Stats
    from fmcompress.tile_traffic import Traffic
    from fmcompress.vector_check import VectorCheck
    from fmcompress.vector_set import VectorSet


class Remarkable(Protocol):
    """What the library returns, with something to say besides numbers."""

    @property
    def notes(self) -> Sequence[str]:
        """What was decided on the way."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What a reader of numbers should know."""
        ...


# Below this, tables put several columns into one.
NARROW = 100
# Text is folded to no less.
FOLDED = 10
UNCHANGED = "stored unchanged"
RATIO_NOTE = (
    "ratio = bits of the words / bits of both streams, stored chunks at their size\n"
    "file ratio = bytes of the dump / bytes of the compressed file"
)


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=True))


def print_csv(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows on stdout as CSV, their keys as the first line."""
    write_csv(sys.stdout, rows)


def print_remarks(found: Remarkable) -> None:
    """Print notes and warnings on stderr."""
    for note in found.notes:
        click.echo(f"fmc: {printable(note)}", err=True)
    print_warnings(found)


def print_left_out(found: Comparison | Distribution | Traffic) -> None:
    """Say on stderr which layers have no words, and so are in no number."""
    from fmcompress.surveying import left_out_texts

    for text in left_out_texts(found.left_out):
        click.echo(f"fmc: {printable(text)}", err=True)


def print_warnings(found: Remarkable) -> None:
    """Print warnings on stderr."""
    for warning in found.warnings:
        click.echo(f"fmc: warning: {printable(warning)}", err=True)


def stats_text(stats: Stats, per_layer: bool, width: int | None) -> str:
    """Render statistics: the table if wanted, totals, notes.

    Parameters
    ----------
    width : int or None
        Of the terminal; None where the text goes to a file or a pipe, and is not folded.
    """
    parts = [_layer_table(stats, width)] if per_layer and stats.layers else []
    parts.append(_totals(stats))
    return "\n\n".join(parts[:1]) + ("\n\n" if len(parts) > 1 else "") + "\n".join(parts[1:])


def summary_line(stats: Stats, target: str) -> str:
    """Say in one line what was compressed."""
    total = stats.total
    coded = sum(not layer.carried for layer in stats.layers)
    ratio = f", ratio {total.ratio:.3f}" if total.ratio is not None else ""
    return (
        f"{printable(stats.file)} -> {printable(target)}: {layers_count(coded)} coded{ratio}; "
        f"{stats.dump_bytes:,} -> {stats.compressed_bytes:,} bytes, "
        f"file ratio {stats.file_ratio or 0:.3f}"
    )


def report_line(made: Report, target: str, svg: str | None) -> str:
    """Say in one line what was written."""
    drawn = "" if svg is None else f"; {counted(made.figures, 'figure')} -> {printable(svg)}"
    return (
        f"{printable(made.file)} -> {printable(target)}: {layers_count(made.layers)}, "
        f"{made.report_bytes:,} bytes{drawn}"
    )


def listing_text(listing: Listing, width: int | None) -> str:
    """Render a list of layers."""
    columns = [("layer", "left"), ("shape", "left"), ("dtype", "left"), ("words", "left")]
    columns += [("bytes", "right"), ("compressed", "right"), ("chunks", "right")]
    rows: list[tuple[str, ...]] = [
        (
            printable(entry.name),
            shape_text(entry.shape),
            printable(entry.dtype),
            f"{UNCHANGED}: {entry.carried}" if entry.carried else _coding(entry),
            _count(entry.nbytes),
            _count(entry.compressed_nbytes),
            _count(entry.chunks),
        )
        for entry in listing.layers
    ]
    if width is not None and width < NARROW:  # words move under the name
        columns = [("layer,\nwords", "left"), *columns[1:3], *columns[4:]]
        rows = [(f"{row[0]}\n{row[3]}".strip(), *row[1:3], *row[4:]) for row in rows]
    return table(columns, rows, width) + f"\n\n{layers_count(len(rows))}, {listing.kind}"


def vectors_line(made: VectorSet, target: str) -> str:
    """Say in one line what vectors were written."""
    transmissions = [one for layer in made.layers for one in layer.transmissions]
    words = sum(one.words for one in transmissions)
    return (
        f"{printable(made.source)} -> {printable(target)}: {layers_count(len(made.layers))}, "
        f"{counted(len(transmissions), 'transmission')}, {counted(words, 'word')}, "
        f"{len(made.files) + 1} files"
    )


def check_text(found: VectorCheck, width: int | None) -> str:
    """Render what a simulator's outputs are like."""
    columns = [("output", "left"), ("port", "left"), ("expected", "right"), ("found", "right")]
    columns += [("differing", "right"), ("last flags", "left"), ("first difference", "left")]
    rows = [
        (
            printable(os.path.basename(output.file)),
            output.port,
            _count(output.words_expected),
            _count(output.words_found),
            _count(output.differing),
            "checked" if output.last_checked else "not there",
            "-" if output.ok else printable(output.unreadable or str(output.difference)),
        )
        for output in found.outputs
    ]
    lines = [table(columns, rows, width), ""]
    if found.not_simulated:
        lines.append(f"not simulated: {printable(', '.join(found.not_simulated))}")
    same = sum(output.ok for output in found.outputs)
    lines.append(f"{printable(found.folder)}: {same} of {len(found.outputs)} outputs agree")
    return "\n".join(lines)


def width_of(file: TextIO) -> int | None:
    """Columns of the terminal that a file is; None where it is none."""
    if not file.isatty():
        return None
    try:
        return int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        return os.get_terminal_size(file.fileno()).columns


def layers_count(count: int) -> str:
    """Say how many layers."""
    return counted(count, "layer")


def _layer_table(stats: Stats, width: int | None) -> str:
    narrow = width is not None and width < NARROW
    columns = [("layer", "left"), ("shape", "left"), ("words", "left"), ("count", "right")]
    columns += [("zero\n%", "right"), ("ZNZ\nbit/word", "right"), ("BPC\nbit/nz", "right")]
    columns += [("ratio", "right"), ("stored\nchunks", "right")]
    rows = [
        (
            printable(layer.name),
            shape_text(layer.shape),
            _layer_words(layer),
            *_size_cells(layer.sizes),
        )
        for layer in stats.layers
    ]
    rows.append(("total", "", "", *_size_cells(stats.total)))
    if any(layer.codec.get("name", "ebpc") != "ebpc" for layer in stats.layers):
        columns += [("bit/\nword", "right"), ("chunks\nby codec", "left")]
        coded = [(number(layer.sizes.bits_per_word, 3), _codecs(layer)) for layer in stats.layers]
        coded.append((number(stats.total.bits_per_word, 3), ""))
        rows = [(*row, *more) for row, more in zip(rows, coded, strict=True)]
    if any(layer.recommended for layer in stats.layers):
        columns.append(("smallest\nwith", "left"))
        smallest = [layer.recommended or "-" for layer in stats.layers]
        rows = [(*row, cell) for row, cell in zip(rows, [*smallest, ""], strict=True)]
    if any(layer.quantized for layer in stats.layers):
        columns += [("ratio of\noriginal", "right"), ("largest\nerror", "right")]
        columns += [("rms\nerror", "right")]
        cells = [_loss_cells(layer.sizes, layer.quantized) for layer in stats.layers]
        cells.append(_loss_cells(stats.total, {}))
        rows = [(*row, *more) for row, more in zip(rows, cells, strict=True)]
    if narrow:  # shape and words move under the name
        columns = [("layer, shape,\nwords", "left"), *columns[3:]]
        rows = [(f"{a}\n{b}\n{c}".strip(), *rest) for a, b, c, *rest in rows]
    elif width is None:
        columns = [(title.replace("\n", " "), align) for title, align in columns]
    return table(columns, rows, width)


def _codecs(layer: LayerStats) -> str:
    return ", ".join(f"{name} {count}" for name, count in layer.chunks_by_codec.items()) or "-"


def _size_cells(sizes: Sizes) -> tuple[str, ...]:
    sparsity = None if sizes.sparsity is None else 100 * sizes.sparsity
    return (
        _count(sizes.words) if sizes.words else "-",
        number(sparsity, 1),
        number(sizes.znz_bits_per_word, 3),
        number(sizes.bpc_bits_per_nonzero_word, 3),
        number(sizes.ratio, 3),
        f"{sizes.stored_chunks}/{sizes.chunks}" if sizes.chunks else "-",
    )


def _loss_cells(sizes: Sizes, quantized: dict[str, Any]) -> tuple[str, ...]:
    errors = (quantized.get(key) for key in ("largest_error", "rms_error"))
    shown = ("-" if error is None else f"{error:.3g}" for error in errors)
    return (number(sizes.original_ratio, 3), *shown)


def _layer_words(layer: LayerStats) -> str:
    return f"{layer.dtype} {UNCHANGED}: {layer.carried}" if layer.carried else _coding(layer)


def _coding(layer: LayerStats | Entry) -> str:
    """Say how elements became words: quantised or not, in what format, in what order."""
    how = layer.quantized
    parts = [f"LOSSY {how['target']} of {how['source']}"] if how else []
    if not how:
        parts += filter(None, [_words(layer.words)])
    elif layer.words.get("mapping", "bits") != "bits":
        parts.append(layer.words["mapping"])
    if layer.axes != tuple(range(len(layer.shape))) and layer.axes:
        parts.append(f"order {','.join(map(str, layer.axes))}")
    if layer.serpentine:
        parts.append("serpentine")
    return ", ".join(parts)


def _words(words: dict[str, Any]) -> str:
    """Name a word format: the dtype, and the zero point with who said so."""
    text = str(words.get("format", ""))
    if words.get("packed"):
        text += " packed"
    if "word_bits" in words:
        text += f" {words['word_bits']} bits"
    if words.get("mapping", "bits") != "bits":
        text += f" {words['mapping']}"
    if words.get("zero_point_from", "none") != "none":
        points = words["zero_point"]
        shown = f"of axis {words['axis']}" if isinstance(points, list) else points
        text += f" zp {shown} ({words['zero_point_from']})"
    return text


def shape_text(shape: Sequence[int]) -> str:
    """Show a shape."""
    return "x".join(map(str, shape)) or "scalar"


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def number(value: float | None, digits: int) -> str:
    """Show a number, or that there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def _totals(stats: Stats) -> str:
    total = stats.total
    carried = [layer for layer in stats.layers if layer.carried]
    coded = layers_count(len(stats.layers) - len(carried))
    lines = [f"{printable(stats.file)}: {coded} coded, {len(carried)} {UNCHANGED}"]
    if total.words:
        lines.append(
            f"ratio      {number(total.ratio, 3)}   {_count(total.word_bits // 8)} bytes of words"
            f" -> {_count(total.compressed_bits // 8)} bytes of streams"
        )
    if total.original_bits != total.word_bits:
        lines.append(
            f"original   {number(total.original_ratio, 3)}   "
            f"{_count(total.original_bits // 8)} bytes of elements in the dump"
            f" -> {_count(total.compressed_bits // 8)} bytes of streams"
        )
    if stats.auto_ratio is not None and stats.auto_ratio > (total.ratio or 0):
        lines.append(f"auto       {number(stats.auto_ratio, 3)}   with --codec auto")
    lossy = sum(bool(layer.quantized) for layer in stats.layers)
    if lossy:
        lines.append(f"LOSSY      {layers_count(lossy)} quantised: what comes back is not the dump")
    if carried:
        size = sum(layer.carried_bytes for layer in carried)
        lines.append(f"unchanged  {_count(size)} bytes, in no ratio of words")
    lines.append(
        f"file ratio {number(stats.file_ratio, 3)}   {_count(stats.dump_bytes)} bytes of dump"
        f" -> {_count(stats.compressed_bytes)} bytes of compressed file"
    )
    return "\n".join([*lines, RATIO_NOTE])


def table(
    columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]], width: int | None
) -> str:
    """Lay out a table; folded to a terminal's width, or as wide as it needs to be."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD if width is not None else None, padding=(0, 1), pad_edge=False
    )
    for title, align in columns:
        left = align == "left"
        table.add_column(
            title,
            justify="left" if left else "right",
            overflow="fold",
            no_wrap=width is None or not left,
            min_width=None if not left else min(FOLDED, max(map(len, title.split("\n")))),
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(
        file=io.StringIO(), width=width or 100_000, color_system=None, legacy_windows=False
    )
    # Too narrow a terminal wraps lines; it must not lose digits or columns.
    console.width = max(console.width, _least_width(columns, rows))
    console.print(table)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())


def _least_width(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> int:
    """Return the columns of a terminal in which no number is cut, and text is folded to a few."""
    widths = []
    for number, (title, align) in enumerate(columns):
        cells = [title, *(row[number] for row in rows)]
        longest = max(len(line) for cell in cells for line in cell.split("\n"))
        widths.append(min(longest, FOLDED) if align == "left" else longest)
    return sum(widths) + 2 * len(widths) + 2
