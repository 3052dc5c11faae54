"""``fmc decompress``."""

from __future__ import annotations

import sys

import click

from fmcompress.cli import options
from fmcompress.cli.main import State
from fmcompress.cli.progress import ProgressBar
from fmcompress.errors import ParameterError


@click.command(
    "decompress", epilog="Example: fmc decompress maps.bin back.h5", no_args_is_help=True
)
@click.argument("in_", metavar="IN")
@click.argument("out", metavar="[OUT]", required=False)
@options.layers("Give back these layers only. Repeatable.")
@click.option(
    "--to",
    metavar="FORMAT",
    help="Write another format: hdf5, npy, npz, safetensors, onnx, zarr, raw or hex.  [default: that "
    "of OUT's suffix, else the dump's own]",
)
@click.option("--dequantize", is_flag=True, help="Give floats for quantised layers.")
@options.threads
@options.force
@options.common
@click.pass_obj
def command(
    state: State,
    /,
    in_: str,
    out: str | None,
    force: bool,
    threads: int,
    layers: tuple[str, ...],
    to: str | None,
    dequantize: bool,
) -> None:
    """Give back the dump in IN as OUT, in its own format, bit for bit; IN is kept.

    With --to, or a name whose suffix is that of another format, a new dump is written; so it is
    where layers were quantised, as these come back quantised.

    OUT is by default IN without .fmc. Damage is found and said, and leaves no OUT behind.
    """
    import fmcompress
    from fmcompress.cli import render

    target = out or options.stem_name(in_, ".fmc")
    if target is None:
        raise ParameterError("its name does not end in .fmc", file=in_, hint="name an output")
    with ProgressBar(state) as progress:
        stats = fmcompress.decompress(
            options.source(in_),
            options.target(target, force),
            layers=layers,
            to=to,
            dequantize=dequantize,
            overwrite=force,
            threads=threads,
            progress=progress,
        )
    if state.quiet:
        return
    render.print_warnings(stats)
    if state.verbose:
        click.echo(render.stats_text(stats, True, render.width_of(sys.stderr)), err=True)
    what = "these layers only" if layers else "the whole dump"
    if stats.notes:  # it was not put back but written anew
        what = ", ".join(stats.notes)
    shown = "(stdout)" if target == "-" else target
    count = render.layers_count(len(stats.layers))
    click.echo(f"{stats.file} -> {shown}: {count}, {what}", err=True)
