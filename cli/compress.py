"""``fmc compress``."""

from __future__ import annotations

import sys
from typing import Any

import click

from fmcompress.cli import options
from fmcompress.cli.main import State
from fmcompress.cli.progress import ProgressBar


@click.command(
    "compress",
    epilog="Example: fmc compress --block-size 16 maps.h5 maps.bin",
    no_args_is_help=True,
)
@click.argument("in_", metavar="IN... [OUT]", nargs=-1, required=True)
@click.option("-o", "--output", "out", metavar="OUT", help="Where to; then all else is IN.")
@options.coding
@options.raw
@options.layers("Code these layers; the others are carried unchanged. Repeatable.")
@options.threads
@options.force
@options.common
@click.pass_obj
def command(
    state: State,
    /,
    in_: tuple[str, ...],
    out: str | None,
    force: bool,
    threads: int,
    layers: tuple[str, ...],
    **coding: Any,
) -> None:
    """Compress the dump IN to OUT, by default IN.fmc; IN is kept.

    Several files and folders become one OUT, the last name given.

    Every layer of integers, floats or booleans of up to 32 bits is coded with EBPC, chunk by chunk;
    a chunk that would grow is stored. All else in the file is carried unchanged, and the whole file
    comes back. docs/TENSORS.md tells more of dtypes, quantising and order.
    """
    import fmcompress
    from fmcompress.cli import render

    names, target = options.names(in_, out, ".fmc")
    with ProgressBar(state) as progress:
        stats = fmcompress.compress(
            options.sources(names),
            options.target(target, force),
            layers=layers,
            overwrite=force,
            threads=threads,
            progress=progress,
            **options.coding_arguments(coding),
        )
    if state.quiet:
        return
    render.print_remarks(stats)
    if state.verbose:
        click.echo(render.stats_text(stats, True, render.width_of(sys.stderr)), err=True)
    click.echo(render.summary_line(stats, "(stdout)" if target == "-" else target), err=True)
