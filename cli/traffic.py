"""``fmc traffic``."""

from __future__ import annotations

import sys
from typing import Any

import click

from fmcompress.cli import options
from fmcompress.cli.main import State
from fmcompress.cli.progress import ProgressBar
from fmcompress.energy import PRESETS


@click.command(
    "traffic",
    epilog="Example: fmc traffic --tile 16x8x8 --fps 30 --energy lpddr2 maps.h5",
    no_args_is_help=True,
)
@click.argument("in_", metavar="IN...", nargs=-1, required=True)
@click.option("--per-layer", is_flag=True, help="Show a line for every layer, and its tiles.")
@click.option(
    "--tile",
    metavar="CxHxW",
    help="Lengths of a tile along the last axes of a frame, as the words run; axes before these are "
    "whole.  [default: a frame]",
)
@click.option(
    "--burst",
    "burst_bytes",
    type=click.IntRange(1),
    metavar="BYTES",
    default=64,
    show_default=True,
    help="Bytes of a memory access, as 32 or 64: every stream of every tile begins with a new one.",
)
@click.option(
    "--no-index",
    is_flag=True,
    help="Leave out the index that says how many bursts each tile takes.",
)
@click.option(
    "--passes",
    type=click.IntRange(1),
    metavar="INT",
    default=2,
    show_default=True,
    help="How often each frame of each layer moves: written once and read once are 2.",
)
@click.option(
    "--fps",
    type=float,
    metavar="FLOAT",
    help="Frames a second, for bandwidth and power.  [default: none are given]",
)
@click.option(
    "--energy",
    type=click.Choice(list(PRESETS)),
    help="What a bit takes that moves, by a published figure.  [default: no energy is given]",
)
@click.option("--pj-per-bit", type=float, metavar="FLOAT", help="The same, as a number, in pJ.")
@click.option(
    "--hardware", is_flag=True, help="Show published area and clock of the codecs' hardware."
)
@options.frame_axis
@options.coding
@options.raw
@options.layers("Measure these layers only. Repeatable.")
@options.threads
@options.csv
@options.json
@options.common
@click.pass_obj
def command(
    state: State,
    /,
    in_: tuple[str, ...],
    per_layer: bool,
    tile: str | None,
    burst_bytes: int,
    no_index: bool,
    passes: int,
    fps: float | None,
    energy: str | None,
    pj_per_bit: float | None,
    hardware: bool,
    frame_axis: int | None,
    layers: tuple[str, ...],
    threads: int,
    as_csv: bool,
    as_json: bool,
    **coding: Any,
) -> None:
    """Show what IN moves to and from off-chip memory: bytes a frame, raw and compressed.

    IN is a dump, or several, or a compressed file, whose words are coded anew. Each tile of a frame
    is a transmission of its own, and takes whole bursts; it is stored where coding it would
    take more. docs/STUDY.md says what counts.
    """
    import fmcompress
    from fmcompress.cli import render, render_traffic

    options.one_of(json=as_json, csv=as_csv)
    if energy is not None and pj_per_bit is not None:
        raise click.UsageError("--energy and --pj-per-bit exclude each other.")
    with ProgressBar(state) as progress:
        found = fmcompress.traffic(
            options.sources(in_),
            tile=tile,
            burst_bytes=burst_bytes,
            index=not no_index,
            passes=passes,
            frames_per_second=fps,
            energy=energy,
            pj_per_bit=pj_per_bit,
            frame_axis=frame_axis,
            layers=layers,
            threads=threads,
            progress=progress,
            **options.coding_arguments(coding),
        )
    if not state.quiet and not as_json:
        render.print_remarks(found)
    if as_json:
        render.print_json(found.to_json())
    elif as_csv:
        render.print_csv(found.rows())
    else:
        shown = render_traffic.traffic_text(
            found, per_layer or state.verbose, hardware, render.width_of(sys.stdout)
        )
        click.echo(shown)
