"""Tables of ``fmc sweep``; no arithmetic beyond formatting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmcompress.cli.render import number, table
from fmcompress.numbers import counted
from fmcompress.printable import printable

if TYPE_CHECKING:
    from fmcompress.sweep_rows import Sweep

BEST = "*"


def sweep_text(found: Sweep, width: int | None) -> str:
    """Render the best configuration of each codec, by number format and order.

    Parameters
    ----------
    width : int or None
        Of the terminal; None where the text goes to a file or a pipe, and is not folded.
    """
    columns = [("format", "left"), ("order", "left"), ("codec", "left"), ("block\nsize", "right")]
    columns += [("max\nburst", "right"), ("ratio", "right"), ("bit/\nword", "right")]
    outstanding = found.outstanding()
    rows = [
        (
            one.format,
            one.order,
            printable(one.codec),
            "-" if one.block_size is None else str(one.block_size),
            "-" if one.max_burst is None else str(one.max_burst),
            number(one.ratio, 3) + (BEST if one in outstanding else " "),
            number(one.bits_per_word, 3),
        )
        for one in found.best
    ]
    if width is None:
        columns = [(title.replace("\n", " "), align) for title, align in columns]
    lines = [table(columns, rows, width), "", f"{printable(found.file)}: {_counts(found)}"]
    lines.append(
        "the best block size and burst of each codec, over all layers and frames; "
        "ratio = bits of the words / bits of the streams; "
        "* the best of its format and order, unless all are alike"
    )
    return "\n".join(lines)


def _counts(found: Sweep) -> str:
    layers = len({row.layer for row in found.rows})
    configurations = len(found.totals)
    parts = [counted(layers, "layer"), counted(configurations, "configuration")]
    parts.append(counted(len(found.rows), "row"))
    if found.resumed_rows:
        parts.append(f"{found.resumed_rows:,} of them from before")
    return ", ".join(parts)
