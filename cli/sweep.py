"""``fmc sweep``."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from fmcompress.cli import idle_options, options
from fmcompress.cli.main import State
from fmcompress.cli.progress import ProgressBar

# Where rows are kept until a sweep is complete.
PART = ".part"


@click.command(
    "sweep",
    epilog="Example: fmc sweep --format native,fixed8 -o sweep.csv maps.h5",
    no_args_is_help=True,
)
@click.argument("in_", metavar="IN...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    help="Write all rows to OUT: CSV, or JSON where it ends in .json. While the sweep runs they are "
    "kept in OUT.part, and taken from there if it is interrupted and started again.",
)
@click.option(
    "--codec",
    "codecs",
    metavar="NAME",
    multiple=True,
    help="Sweep these codecs. Repeatable.  [default: ebpc, bpc, zrle, zvc]",
)
@click.option(
    "--block-size",
    "block_sizes",
    type=options.Integers(),
    metavar="INT[,INT...]",
    help="Words per block, for the codecs that have blocks.  [default: 4,8,16,32]",
)
@click.option(
    "--max-burst",
    "max_bursts",
    type=options.Integers(),
    metavar="INT[,INT...]",
    help="Longest zero runs, for the codecs that have such.  [default: 2,4,8,16,32,64]",
)
@click.option(
    "--format",
    "formats",
    type=options.Names(),
    metavar="NAME[,NAME...]",
    help="Number formats: native (as in IN), and what --quantize has elsewhere. Those LOSE.  "
    "[default: native]",
)
@click.option(
    "--order",
    "orders",
    metavar="AXES",
    multiple=True,
    help="Orders of the axes: file, nhwc:nchw, 0,3,1,2, auto. Repeatable.  [default: file]",
)
@options.frame_axis
@options.word_coding
@options.raw
@options.layers("Sweep these layers only. Repeatable.")
@options.threads
@options.force
@options.csv
@options.json
@options.common
@click.pass_context
def command(ctx: click.Context, /, in_: tuple[str, ...], **given: Any) -> None:
    """Sweep block sizes, zero bursts, number formats and orders on IN, and show the best.

    Each frame of a layer is one transmission; bits are counted, no stream is made. A row of the
    result is one frame of one layer in one configuration.
    """
    import fmcompress
    from fmcompress.cli import render, render_sweep
    from fmcompress.configurations import Space
    from fmcompress.files import keep_apart
    from fmcompress.targets import replacing

    state = ctx.find_object(State) or State()
    output, force = given.pop("output"), given.pop("force")
    if output is None:
        idle_options.without_effect(ctx, {"force": "it is for -o"})
    as_csv, as_json = given.pop("as_csv"), given.pop("as_json")
    options.one_of(json=as_json, csv=as_csv)
    swept = {
        name: values
        for name in ("codecs", "block_sizes", "max_bursts", "formats", "orders")
        if (values := given.pop(name))
    }
    arguments = {name: given.pop(name) for name in ("layers", "threads", "frame_axis")}
    sources = options.sources(in_)
    if output == "-":
        raise click.UsageError("-o needs the name of a file: --csv and --json print.")
    if output is not None:
        keep_apart(sources, output)
    checkpoint = None if output is None else Path(output + PART)
    with replacing(output, overwrite=force) if output else nullcontext() as place:
        try:
            with ProgressBar(state) as progress:
                found = fmcompress.sweep(
                    sources,
                    space=Space(**swept),
                    checkpoint=checkpoint,
                    overwrite=force,
                    progress=progress,
                    **arguments,
                    **options.coding_arguments(given),
                )
        except KeyboardInterrupt:
            if checkpoint is not None and checkpoint.exists() and not state.quiet:
                click.echo(f"fmc: the rows so far are kept in {checkpoint}", err=True)
            raise
        if place is not None:
            found.write(place, as_json=output.endswith(".json"))
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    if not state.quiet and not as_json:
        render.print_remarks(found)
    if as_json:
        render.print_json(found.to_json())
    elif as_csv:
        render.print_csv(found.csv_rows())
    else:
        click.echo(render_sweep.sweep_text(found, render.width_of(sys.stdout)))
