"""Tables of ``fmc traffic``; no arithmetic beyond formatting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmcompress.cli.render import layers_count, number, shape_text, table
from fmcompress.hardware_costs import hardware_costs
from fmcompress.printable import printable

if TYPE_CHECKING:
    from fmcompress.tile_traffic import FrameBytes, LayerTraffic, Traffic

NOTHING_PUBLISHED = "n/a"
NOTE = (
    "B/frame: moved once, mean over frames; raw and total in whole bursts, total with the index\n"
    "nominal ratio = bytes of the words / bytes of the streams; ratio = raw / total"
)
TILES_NOTE = (
    "bytes of a tile in whole bursts; bound: the most it takes, stored then; coded: the most that its\n"
    "streams could take if no tile were stored"
)


def traffic_text(found: Traffic, per_layer: bool, hardware: bool, width: int | None) -> str:
    """Render off-chip traffic: layers and their tiles, if wanted, totals, the codecs' hardware.

    Parameters
    ----------
    width : int or None
        Of the terminal; None where the text goes to a file or a pipe, and is not folded.
    """
    parts = [_bytes_table(found, per_layer, width)]
    if per_layer:
        parts.append(_tiles_table(found, width))
    parts.append("\n".join([*_totals(found), NOTE, *([TILES_NOTE] if per_layer else [])]))
    if hardware:
        parts.append(hardware_table(width))
    return "\n\n".join(parts)


def _bytes_table(found: Traffic, per_layer: bool, width: int | None) -> str:
    columns = [("layer", "left"), ("raw\nB/frame", "right"), ("streams\nB/frame", "right")]
    columns += [("index\nB/frame", "right"), ("total\nB/frame", "right")]
    columns += [("nominal\nratio", "right"), ("ratio", "right")]
    rows = [
        (_name(layer), *_byte_cells(layer.mean)) for layer in (found.layers if per_layer else [])
    ]
    rows.append(("total", *_byte_cells(found.total)))
    return table(_folded(columns, width), rows, width)


def _byte_cells(frame: FrameBytes) -> tuple[str, ...]:
    sizes = (frame.raw_memory_bytes, frame.stream_bytes)
    shown = (*sizes, frame.index_bytes + frame.table_bytes, frame.total_bytes)
    return (
        *(f"{size:,.0f}" for size in shown),
        number(frame.nominal_ratio, 3),
        number(frame.ratio, 3),
    )


def _tiles_table(found: Traffic, width: int | None) -> str:
    columns = [("layer", "left"), ("tile", "left"), ("tiles/\nframe", "right")]
    columns += [("stored\n%", "right"), ("median\nB", "right"), ("99 %\nB", "right")]
    columns += [("max\nB", "right"), ("bound\nB", "right"), ("coded\nB", "right")]
    rows = [
        (
            printable(layer.name),
            shape_text(layer.tile),
            f"{layer.tiles_per_frame:,}",
            number(100 * layer.stored_share, 1),
            *(f"{size:,}" for size in layer.tile_memory_bytes),
            f"{layer.most_tile_bytes:,}",
            f"{sum(layer.most_coded_bytes):,}",
        )
        for layer in found.layers
    ]
    return table(_folded(columns, width), rows, width)


def _totals(found: Traffic) -> list[str]:
    tiles = f"tiles of {shape_text(found.tile)}" if found.tile else "a tile is a frame"
    index = "" if found.index else ", no index"
    count = layers_count(len(found.layers))
    bursts = f"bursts of {found.burst_bytes} bytes{index}"
    lines = [f"{printable(found.file)}: {count}, {found.codec}, {tiles}, {bursts}"]
    raw, compressed = found.moved_bytes
    lines.append(
        f"moved      {raw:,.0f} -> {compressed:,.0f} bytes a frame, each layer {found.times}"
    )
    if found.megabytes_per_second:
        raw, compressed = found.megabytes_per_second
        rate = f"{found.frames_per_second:g} frames/s"
        lines.append(f"bandwidth  {raw:,.3f} -> {compressed:,.3f} MB/s at {rate}")
    if found.energy and found.microjoules:
        raw, compressed = found.microjoules
        lines.append(f"energy     {raw:,.3f} -> {compressed:,.3f} µJ a frame")
        if found.milliwatts:
            raw, compressed = found.milliwatts
            lines.append(f"power      {raw:,.3f} -> {compressed:,.3f} mW")
        energy = found.energy
        lines.append(f"           {energy.pj_per_bit:g} pJ/bit, {energy.title}")
        lines += [f"           {line}" for line in (energy.note, energy.source) if line]
    return lines


def hardware_table(width: int | None) -> str:
    """Render what was published of the codecs' hardware; `width` as of `traffic_text`."""
    columns = [("codec", "left"), ("encoder\nkGE", "right"), ("decoder\nkGE", "right")]
    columns += [("clock\nMHz", "right"), ("nm", "right"), ("words/\ncycle", "right")]
    columns.append(("published in", "left"))
    rows = []
    for cost in hardware_costs():
        rest = (cost.clock_mhz, cost.technology_nm, cost.words_per_cycle)
        shown = [_figure(area, ".1f") for area in (cost.encoder_kge, cost.decoder_kge)]
        shown += [_figure(figure, "g") for figure in rest]
        rows.append((cost.codec, *shown, cost.source or NOTHING_PUBLISHED))
    return table(_folded(columns, width), rows, width)


def _figure(value: float | None, form: str) -> str:
    return NOTHING_PUBLISHED if value is None else format(value, form)


def _folded(columns: list[tuple[str, str]], width: int | None) -> list[tuple[str, str]]:
    """Put a title into one line where a line may be as long as it likes."""
    if width is not None:
        return columns
    return [(title.replace("/\n", "/").replace("\n", " "), align) for title, align in columns]


def _name(layer: LayerTraffic) -> str:
    lossy = " LOSSY" if layer.lossy else ""
    return f"{printable(layer.name)} {shape_text(layer.shape)}{lossy}"
