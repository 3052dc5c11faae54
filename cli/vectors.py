"""``fmc vectors``."""

from __future__ import annotations

import sys
from typing import Any

import click

from fmcompress.cli import idle_options, options
from fmcompress.cli.main import State
from fmcompress.cli.progress import ProgressBar
from fmcompress.errors import DamagedError
from fmcompress.printable import printable

# Options that go with --check; of IN more can be said.
_OF_CHECK = {"in_", "check", "outputs", "as_json"}


@click.command(
    "vectors",
    epilog="Example: fmc vectors --chunks 0 --max-words 512 maps.h5 vectors",
    no_args_is_help=True,
)
@click.argument("in_", metavar="[IN... OUTDIR]", nargs=-1)
@click.option(
    "--chunks",
    metavar="LIST",
    help="Take these chunks of each layer: 0,3,10:12 (10 and 11), or random:4.  [default: all]",
)
@click.option(
    "--max-words",
    type=click.IntRange(1),
    help="Cut each to its first words; with --seed, to words from a place that is drawn.",
)
@click.option(
    "--seed", type=click.IntRange(0), help="Of what is drawn: windows, chunks, stall patterns."
)
@click.option(
    "--rtl-quirks", is_flag=True, help="Record runs as the RTL's, where it is wrong, too."
)
@click.option("--check", metavar="DIR", help="Compare a simulator's output with the vectors there.")
@click.option("--outputs", metavar="DIR", help="Where that output is, if not beside the vectors.")
@options.hardware_coding
@options.raw
@options.layers("Take these layers only. Repeatable.")
@options.force
@options.json
@options.common
@click.pass_context
def command(
    ctx: click.Context,
    /,
    in_: tuple[str, ...],
    chunks: str | None,
    max_words: int | None,
    seed: int | None,
    rtl_quirks: bool,
    check: str | None,
    outputs: str | None,
    layers: tuple[str, ...],
    force: bool,
    as_json: bool,
    **coding: Any,
) -> int:
    """Write test vectors of the hardware for IN to the folder OUTDIR; check what a simulator made.

    Each chunk of a layer is a transmission: input words, expected ZNZ and BPC words with last
    flags, and the number of words, as hex for $readmemh, as plain bits, and as JSON Lines.
    IN is a dump, several, or a compressed file, whose own block size and longest burst are the
    default. docs/VECTORS.md tells more.

    With --check, the outputs ID.znz.out.hex, ID.bpc.out.hex and ID.data.out.hex are compared word
    by word; the exit code is 3 where one differs.
    """
    state = ctx.find_object(State) or State()
    if check is not None:
        _refuse_others(ctx, in_)
        return _check(state, check, outputs, as_json)
    if outputs is not None:
        raise click.UsageError("--outputs is for --check.")
    if len(in_) < 2:
        raise click.UsageError("Name the input and the folder to be made: IN OUTDIR.")
    import fmcompress
    from fmcompress.cli import render

    with ProgressBar(state) as progress:
        made = fmcompress.write_vectors(
            options.sources(in_[:-1]),
            in_[-1],
            layers=layers,
            chunks=chunks,
            max_words=max_words,
            seed=seed,
            rtl_quirks=rtl_quirks,
            overwrite=force,
            progress=progress,
            **options.coding_arguments(coding),
        )
    if as_json:
        render.print_json(made.to_json())
    elif not state.quiet:
        render.print_remarks(made)
        click.echo(render.vectors_line(made, in_[-1]), err=True)
    return 0


def _refuse_others(ctx: click.Context, in_: tuple[str, ...]) -> None:
    """Refuse what --check would not look at."""
    why = "--check reads vectors"
    idle_options.only(ctx, _OF_CHECK, why)
    if in_:
        raise click.UsageError(f"{in_[0]!r} has no effect: {why}.")


def _check(state: State, folder: str, outputs: str | None, as_json: bool) -> int:
    """Compare, and print what came out."""
    import fmcompress
    from fmcompress.cli import render

    with ProgressBar(state) as progress:
        found = fmcompress.check_vectors(folder, outputs, progress=progress)
    if as_json:
        render.print_json(found.to_json())
    else:
        for output in found.outputs:
            if not output.ok:
                click.echo(f"fmc: {printable(str(output))}", err=True)
                break
        if not state.quiet:
            click.echo(render.check_text(found, render.width_of(sys.stdout)))
    return 0 if found.ok else DamagedError.exit_code
