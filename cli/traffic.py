"""``fmc traffic``."""

from __future__ import annotations

import sys
from typing import Any

import click

from fmcompress.cli import idle_options, memory_options, options
from fmcompress.cli.main import State
from fmcompress.cli.progress import ProgressBar

# Options that go with --hardware where there is no input.
_OF_HARDWARE = {"hardware", "as_json", "as_csv"}
_NOT_IN_CSV = ("frames_per_second", "energy", "pj_per_bit", "hardware", "per_layer")


@click.command(
    "traffic",
    epilog="Example: fmc traffic --tile 16x8x8 --fps 30 --energy lpddr2 maps.h5",
    no_args_is_help=True,
)
@click.argument("in_", metavar="[IN...]", nargs=-1)
@click.option("--per-layer", is_flag=True, help="Show a line for every layer, and its tiles.")
@memory_options.memory
@click.option(
    "--hardware",
    is_flag=True,
    help="Show published area and clock of the codecs' hardware; without IN nothing else.",
)
@options.frame_axis
@options.tile_coding
@options.raw
@options.layers("Measure these layers only. Repeatable.")
@options.threads
@options.csv
@options.json
@options.common
@click.pass_context
def command(
    ctx: click.Context,
    /,
    in_: tuple[str, ...],
    per_layer: bool,
    no_index: bool,
    passes: int,
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

    state = ctx.find_object(State) or State()
    options.one_of(json=as_json, csv=as_csv)
    memory_options.one_energy(coding)
    if as_csv and in_:
        idle_options.without_effect(ctx, dict.fromkeys(_NOT_IN_CSV, "--csv has bytes alone"))
    if not in_:
        if not hardware:
            raise click.UsageError("Name the input: IN.")
        idle_options.only(ctx, _OF_HARDWARE, "without IN, --hardware shows its table alone")
        _print_hardware(as_json, as_csv)
        return
    with ProgressBar(state) as progress:
        found = fmcompress.traffic(
            options.sources(in_),
            index=not no_index,
            passes=passes,
            frame_axis=frame_axis,
            layers=layers,
            threads=threads,
            progress=progress,
            **options.coding_arguments(coding),
        )
    if not state.quiet and not as_json:
        render.print_remarks(found)
        render.print_left_out(found)
    if as_json:
        render.print_json(found.to_json())
    elif as_csv:
        render.print_csv(found.rows())
    else:
        shown = render_traffic.traffic_text(
            found, per_layer or state.verbose, hardware, render.width_of(sys.stdout)
        )
        click.echo(shown)


def _print_hardware(as_json: bool, as_csv: bool) -> None:
    """Print what was published of the codecs' hardware, and nothing that needs an input."""
    from fmcompress.cli import render, render_traffic
    from fmcompress.hardware_costs import hardware_costs, hardware_to_json

    if as_json:
        render.print_json(hardware_to_json())
    elif as_csv:
        render.print_csv(cost.to_json() for cost in hardware_costs())
    else:
        click.echo(render_traffic.hardware_table(render.width_of(sys.stdout)))
