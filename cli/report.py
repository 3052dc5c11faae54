"""``fmc report``."""

from __future__ import annotations

from typing import Any

import click

from fmcompress.cli import memory_options, options
from fmcompress.cli.main import State
from fmcompress.cli.progress import ProgressBar


@click.command("report", epilog="Example: fmc report maps.h5 -o report.html", no_args_is_help=True)
@click.argument("in_", metavar="IN...", nargs=-1, required=True)
@click.option("-o", "--output", "out", metavar="OUT", help="Where to.  [default: IN.html]")
@click.option(
    "--svg", metavar="DIR", help="Write each figure as a file of its own, too: DIR is made."
)
@click.option(
    "--format",
    "formats",
    type=options.Names(),
    metavar="NAME[,NAME...]",
    help="Number formats: native (as in IN), and what --quantize has elsewhere. Those LOSE.  "
    "[default: native; of floats of 32 bits or more also fixed8, fixed16, float16]",
)
@click.option(
    "--codec",
    "codecs",
    metavar="NAME",
    multiple=True,
    help="Show these codecs frame by frame; tables have all. Repeatable.  [default: ebpc, bpc, zrle, "
    "zvc]",
)
@memory_options.memory
@options.frame_axis
@options.report_coding
@options.raw
@options.layers("Report on these layers only. Repeatable.")
@options.threads
@options.force
@options.common
@click.pass_obj
def command(
    state: State,
    /,
    in_: tuple[str, ...],
    out: str | None,
    svg: str | None,
    formats: tuple[str, ...] | None,
    codecs: tuple[str, ...],
    no_index: bool,
    force: bool,
    **given: Any,
) -> None:
    """Write a report on IN as one HTML file: figures and tables, offline, nothing else needed.

    IN is a dump, or several, or a compressed file, whose words are taken as they are. The report has
    the numbers of compare, sweep and traffic, histograms of values and differences, and what BPC
    streams spend their bits on. docs/STUDY.md says more.
    """
    import fmcompress
    from fmcompress.cli import render

    memory_options.one_energy(given)
    target = out if out is not None else options.default_name(in_[0], ".html")
    with ProgressBar(state) as progress:
        made = fmcompress.report(
            options.sources(in_),
            options.target(target, force),
            svg=svg,
            formats=formats,
            codecs=codecs,
            index=not no_index,
            overwrite=force,
            progress=progress,
            **options.coding_arguments(given),
        )
    if state.quiet:
        return
    render.print_remarks(made)
    click.echo(render.report_line(made, "(stdout)" if target == "-" else target, svg), err=True)
