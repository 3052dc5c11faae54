"""``fmc compare``."""

from __future__ import annotations

import sys
from typing import Any

import click

from fmcompress.cli import options
from fmcompress.cli.main import State
from fmcompress.cli.progress import ProgressBar


@click.command("compare", epilog="Example: fmc compare maps.h5", no_args_is_help=True)
@click.argument("in_", metavar="IN...", nargs=-1, required=True)
@click.option(
    "--codec",
    "codecs",
    metavar="NAME",
    multiple=True,
    help="Compare these codecs only, as zvc or zvc:group=64. Repeatable.  [default: all, and "
    "general compressors that are installed]",
)
@click.option(
    "--never-store",
    is_flag=True,
    help="Count every chunk as its codec codes it, even where that is larger than its words, as "
    "hardware without an escape does.",
)
@options.hardware_coding
@options.raw
@options.layers("Compare these layers only. Repeatable.")
@options.threads
@options.csv
@options.json
@options.common
@click.pass_obj
def command(
    state: State,
    /,
    in_: tuple[str, ...],
    codecs: tuple[str, ...],
    layers: tuple[str, ...],
    threads: int,
    never_store: bool,
    as_csv: bool,
    as_json: bool,
    **coding: Any,
) -> None:
    """Compare codecs on IN, layer by layer: ratio, bits per word, distance to the entropy.

    IN is a dump, or several, or a compressed file, whose words are taken as they are. Sizes are those
    of the streams that compress --codec would write. docs/CODECS.md describes the codecs; general
    compressors are given each chunk by itself, too.
    """
    import fmcompress
    from fmcompress.cli import render, render_comparison

    options.one_of(json=as_json, csv=as_csv)
    with ProgressBar(state) as progress:
        found = fmcompress.compare(
            options.sources(in_),
            codecs=codecs,
            layers=layers,
            never_store=never_store,
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
        click.echo(render_comparison.comparison_text(found, render.width_of(sys.stdout)))
