"""``fmc stats``."""

from __future__ import annotations

import sys
from typing import Any

import click

from fmcompress.cli import idle_options, options
from fmcompress.cli.main import State
from fmcompress.cli.progress import ProgressBar

_FOR_PIECES = "it is for --by frame or channel"
_OF_AXES = dict.fromkeys(("frame_axis", "channel_axis"), _FOR_PIECES)
_ALL_SHOWN = {"per_layer": "--by frame, channel and layer show all layers"}
# What counts for nothing, and why, by what --by says.
_WITHOUT_EFFECT: dict[str | None, dict[str, str]] = {
    None: _OF_AXES,
    "epoch": _OF_AXES,
    "layer": _OF_AXES | _ALL_SHOWN,
    "frame": _ALL_SHOWN
    | {
        "channel_axis": "it is for --by channel",
        "chunk_words": "by frame, each frame is one transmission",
    },
    "channel": _ALL_SHOWN
    | {"chunk_words": "by channel, each channel of a frame is one transmission"},
}


@click.command("stats", epilog="Example: fmc stats --per-layer maps.h5", no_args_is_help=True)
@click.argument("in_", metavar="IN...", nargs=-1, required=True)
@click.option(
    "--per-layer",
    is_flag=True,
    help="Show a line for every layer, and the codec that makes it smallest.",
)
@click.option(
    "--by",
    type=click.Choice(["frame", "channel", "layer", "epoch"]),
    help="Show how ratio and sparsity vary: median, 1st and 99th percentile. A frame, or a channel "
    "of one, is one transmission. By epoch: IN are dumps with an attribute epoch.",
)
@options.frame_axis
@options.channel_axis
@options.coding
@options.raw
@options.layers("Show these layers only. Repeatable.")
@options.threads
@options.json
@options.common
@click.pass_context
def command(
    ctx: click.Context,
    /,
    in_: tuple[str, ...],
    per_layer: bool,
    by: str | None,
    frame_axis: int | None,
    channel_axis: int | None,
    threads: int,
    layers: tuple[str, ...],
    as_json: bool,
    **coding: Any,
) -> None:
    """Show compression ratio, sparsity and stream sizes of IN.

    IN is a dump, or several (a dry run of compress, nothing is written), or a compressed file (its
    index is read, nothing is decoded, and coding options do not count).

    The ratio is bits of the words / bits of both streams, where a stored chunk counts at its
    size. The file ratio is bytes of the dump / bytes of the compressed file.
    """
    import fmcompress
    from fmcompress.cli import render, render_distribution

    state = ctx.find_object(State) or State()
    idle_options.without_effect(ctx, _WITHOUT_EFFECT[by])
    arguments = {
        **options.coding_arguments(coding),
        "layers": layers,
        "threads": threads,
    }
    axes: dict[str, Any] = {"frame_axis": frame_axis, "channel_axis": channel_axis}
    found: Any
    with ProgressBar(state) as progress:
        arguments["progress"] = progress
        if by is None:
            recommend = per_layer or state.verbose
            found = fmcompress.stats(options.sources(in_), recommend=recommend, **arguments)
        elif by == "epoch":
            found = fmcompress.epochs(options.sources(in_), **arguments)
        else:
            found = fmcompress.distribution(options.sources(in_), by=by, **axes, **arguments)
    if not state.quiet and not as_json:
        render.print_remarks(found)
        if by not in (None, "epoch"):
            render.print_left_out(found)
    per_layer, width = per_layer or state.verbose, render.width_of(sys.stdout)
    if as_json:
        render.print_json(found.to_json())
    elif by is None:
        click.echo(render.stats_text(found, per_layer, width))
    elif by == "epoch":
        click.echo(render_distribution.epochs_text(found, per_layer, width))
    else:
        click.echo(render_distribution.distribution_text(found, width))
