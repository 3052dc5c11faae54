"""Options and arguments that several commands share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

import click

from fmcompress.cli.main import State
from fmcompress.errors import FmcError

F = TypeVar("F", bound=Callable[..., Any])


def _store(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        setattr(ctx.ensure_object(State), str(param.name), True)


def common(command: F) -> F:
    """Add -q, -v and --debug."""
    for flags, text in (
        (("--debug",), "Show the traceback of an error."),
        (("-v", "--verbose"), "Say more."),
        (("-q", "--quiet"), "Say nothing but errors."),
    ):
        option = click.option(
            *flags, is_flag=True, expose_value=False, is_eager=True, callback=_store, help=text
        )
        command = option(command)
    return command


def layers(text: str) -> Callable[[F], F]:
    """Add --layers."""
    return click.option("--layers", metavar="GLOB", multiple=True, help=text)


def json(command: F) -> F:
    """Add --json."""
    text = "Print one JSON document (docs/JSON.md) and nothing else."
    return click.option("--json", "as_json", is_flag=True, help=text)(command)


def force(command: F) -> F:
    """Add --force."""
    text = "Overwrite an existing output; write binary data to a terminal."
    return click.option("-f", "--force", is_flag=True, help=text)(command)


def coding(command: F) -> F:
    """Add the options of the codec."""
    for option in (
        click.option(
            "--chunk-words",
            type=click.IntRange(1, 1 << 24),
            default=1 << 16,
            show_default=True,
            help="Words per chunk; each chunk is a transmission of its own.",
        ),
        click.option(
            "--zero-point",
            type=int,
            metavar="INT",
            help="Value that becomes the word 0.  [default: the layer's attribute, else the most "
            "frequent value]",
        ),
        click.option(
            "--difference",
            type=click.Choice(["signed", "unsigned", "modular"]),
            help="How the encoder forms differences; the RTL's is signed.  [default: as the dtype]",
        ),
        click.option(
            "--max-burst",
            type=click.Choice(["2", "4", "8", "16", "32", "64"]),
            default="16",
            show_default=True,
            help="Longest zero run in one ZNZ symbol.",
        ),
        click.option(
            "--block-size",
            type=click.Choice(["4", "8", "16", "32"]),
            default="8",
            show_default=True,
            help="Non-zero words per BPC block.",
        ),
    ):
        command = option(command)
    return command


def coding_arguments(options: dict[str, Any]) -> dict[str, Any]:
    """Turn what `coding` collected into keyword arguments of the library."""
    return {
        **options,
        "block_size": int(options["block_size"]),
        "max_burst": int(options["max_burst"]),
    }


def source(name: str) -> str | BinaryIO:
    """Return a path, or stdin for ``-``."""
    if name != "-":
        return name
    if sys.stdin is None:
        raise FmcError("stdin is closed", hint="name a file, or pipe one in")
    if sys.stdin.isatty():
        raise FmcError("stdin is a terminal", hint="name a file, or pipe one in")
    return sys.stdin.buffer


def target(name: str, force: bool) -> str | BinaryIO:
    """Return a path, or stdout for ``-``, but no terminal."""
    if name != "-":
        return name
    if sys.stdout.isatty() and not force:
        raise FmcError(
            "binary data is not written to a terminal", hint="name an output, or use --force"
        )
    return sys.stdout.buffer


def default_name(name: str, suffix: str) -> str:
    """Name a compressed file after its dump: ``maps.h5`` gives ``maps.h5.fmc``."""
    stem = name.rstrip("/" + os.sep) or name  # of a folder
    return "-" if name == "-" else f"{stem}{suffix}"


def stem_name(name: str, suffix: str) -> str | None:
    """Undo `default_name`; None where the name does not end so."""
    if name == "-":
        return "-"
    stem, end = os.path.splitext(name)
    return stem if end == suffix and os.path.basename(stem) else None
