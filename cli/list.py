"""``fmc list``."""

from __future__ import annotations

import sys
from typing import Any

import click

from fmcompress.cli import options
from fmcompress.cli.main import State


@click.command("list", epilog="Example: fmc list --layers 'conv*' maps.bin", no_args_is_help=True)
@click.argument("in_", metavar="IN")
@options.dtype
@options.raw
@options.layers("List these layers only. Repeatable.")
@options.json
@options.common
@click.pass_obj
def command(state: State, /, in_: str, layers: tuple[str, ...], as_json: bool, **raw: Any) -> None:
    """List the layers of IN, a dump or a compressed file, in file order."""
    from fmcompress.cli import render
    from fmcompress.listing import list_layers

    listing = list_layers(options.source(in_), layers, options.raw_arguments(raw))
    if as_json:
        render.print_json(listing.to_json())
    else:
        click.echo(render.listing_text(listing, render.width_of(sys.stdout)))
