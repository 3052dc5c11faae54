"""``fmc warmup``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fmcompress.cli import options
from fmcompress.cli.main import State

if TYPE_CHECKING:
    from fmcompress.kernel_loading import Compiled


@click.command("warmup", epilog="Example: fmc warmup")
@options.common
@click.pass_obj
def command(state: State, /) -> None:
    """Compile all kernels now, so that no later command has to, and say where they are kept.

    Kernels that are there already are left as they are. They are kept in NUMBA_CACHE_DIR, else
    beside the program, else in your own cache folder.
    """
    from fmcompress.warmup import warm_up

    def say(kernel: Compiled) -> None:
        if not state.quiet:
            click.echo(f"{kernel.name}: compiled in {kernel.seconds:.1f} s")

    done = warm_up(say)
    if state.quiet:
        return
    if done.compiled:
        click.echo(f"all kernels are compiled, in {done.seconds:.1f} s; kept in {done.folder}")
    else:
        click.echo(f"all kernels were compiled already; kept in {done.folder}")
