"""Tables of ``fmc stats --by``; no arithmetic beyond formatting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmcompress.cli.render import number, shape_text, table
from fmcompress.numbers import shortest
from fmcompress.printable import printable

if TYPE_CHECKING:
    from fmcompress.distributions import Distribution, Pieces
    from fmcompress.over_epochs import Epochs
    from fmcompress.statistics import Sizes

# What the last row is.
_TOGETHER = {"frame": "total", "channel": "all channels", "layer": "all layers"}


def distribution_text(found: Distribution, width: int | None) -> str:
    """Render where ratios and sparsities lie, layer by layer and in total.

    Parameters
    ----------
    width : int or None
        Of the terminal; None where the text goes to a file or a pipe, and is not folded.
    """
    columns = [("layer", "left"), (f"{found.by}s", "right"), ("ratio\nmedian", "right")]
    columns += [("ratio\n1 %", "right"), ("ratio\n99 %", "right"), ("zero %\nmedian", "right")]
    columns += [("zero %\n1 %", "right"), ("zero %\n99 %", "right")]
    rows = [
        (
            f"{printable(layer.name)} {shape_text(layer.shape)}{' LOSSY' if layer.lossy else ''}",
            *_cells(layer.pieces),
        )
        for layer in found.layers
    ]
    rows.append((_TOGETHER[found.by], *_cells(found.total)))
    if width is None:
        columns = [(title.replace("\n", " "), align) for title, align in columns]
    lines = [
        table(columns, rows, width),
        "",
        f"{printable(found.file)}: by {found.by}, {found.codec}",
    ]
    if found.total is None:
        lines.append("no total: layers have different numbers of frames")
    elif found.by == "frame":
        lines.append("total: each frame of all layers together")
    else:
        lines.append(f"{_TOGETHER[found.by]}: each {found.by} counts alike, however long it is")
    return "\n".join(lines)


def _cells(pieces: Pieces | None) -> tuple[str, ...]:
    if pieces is None:
        return ("-",) * 7
    ratio, sparsity = pieces.ratio, pieces.sparsity
    shown = [ratio.median, ratio.percentile_1, ratio.percentile_99] if ratio else [None] * 3
    shares = [sparsity.median, sparsity.percentile_1, sparsity.percentile_99]
    return (
        f"{pieces.bits.size:,}",
        *(number(value, 3) for value in shown),
        *(number(100 * share, 1) for share in shares),
    )


def epochs_text(found: Epochs, per_layer: bool, width: int | None) -> str:
    """Render ratio and sparsity over epochs; of each layer, too, where wanted."""
    titles = [shortest(one.epoch) for one in found.epochs]
    columns = [("", "left"), *((f"epoch\n{title}", "right") for title in titles)]
    totals: list[Sizes | None] = [one.stats.total for one in found.epochs]
    listed = {**(found.layers if per_layer else {}), "total": totals}
    rows = []
    for name, sizes in listed.items():
        shown = printable(name)
        rows.append((f"{shown}, ratio", *(number(s.ratio if s else None, 3) for s in sizes)))
        shares = [s.sparsity if s else None for s in sizes]
        percents = [None if share is None else 100 * share for share in shares]
        rows.append((f"{shown}, zero %", *(number(percent, 1) for percent in percents)))
    if width is None:
        columns = [(title.replace("\n", " "), align) for title, align in columns]
    return table(columns, rows, width)
