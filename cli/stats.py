"""``fmc stats``."""

from __future__ import annotations

import sys
from typing import Any

import click

from fmcompress.cli import options
from fmcompress.cli.main import State
from fmcompress.cli.progress import ProgressBar


@click.command("stats", epilog="Example: fmc stats --per-layer maps.h5", no_args_is_help=True)
@click.argument("in_", metavar="IN...", nargs=-1, required=True)
@click.option("--per-layer", is_flag=True, help="Show a line for every layer.")
@options.coding
@options.raw
@options.layers("Show these layers only. Repeatable.")
@options.threads
@options.json
@options.common
@click.pass_obj
def command(
    state: State,
    /,
    in_: tuple[str, ...],
    per_layer: bool,
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
    from fmcompress.cli import render

    with ProgressBar(state) as progress:
        stats = fmcompress.stats(
            options.sources(in_),
            layers=layers,
            threads=threads,
            progress=progress,
            **options.coding_arguments(coding),
        )
    if not state.quiet and not as_json:
        render.print_remarks(stats)
    if as_json:
        render.print_json(stats.to_json())
    else:
        click.echo(
            render.stats_text(stats, per_layer or state.verbose, render.width_of(sys.stdout))
        )
