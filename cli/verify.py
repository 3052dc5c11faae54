"""``fmc verify``."""

from __future__ import annotations

import click

from fmcompress.cli import options
from fmcompress.cli.main import State
from fmcompress.cli.progress import ProgressBar
from fmcompress.errors import DamagedError


@click.command("verify", epilog="Example: fmc verify maps.bin", no_args_is_help=True)
@click.argument("in_", metavar="IN")
@options.layers("Decode these layers only; every checksum is checked. Repeatable.")
@options.threads
@options.json
@options.common
@click.pass_obj
def command(state: State, /, in_: str, layers: tuple[str, ...], threads: int, as_json: bool) -> int:
    """Check every checksum of the compressed file IN and decode everything; write nothing.

    Names every damaged layer and chunk; the exit code is 3 then.
    """
    import fmcompress
    from fmcompress.cli import render

    with ProgressBar(state) as progress:
        result = fmcompress.verify(
            options.source(in_), layers=layers, threads=threads, progress=progress
        )
    if as_json:
        render.print_json(result.to_json())
    else:
        for damage in result.damages:
            click.echo(f"fmc: {result.file}: {damage}", err=True)
        if result.ok and not state.quiet:
            click.echo(
                f"{result.file}: ok, {render.layers_count(result.layers)}, {result.chunks} chunks, "
                f"{result.words:,} words"
            )
    return 0 if result.ok else DamagedError.exit_code
