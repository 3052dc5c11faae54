"""Options and arguments that several commands share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, TypeVar

import click

from fmcompress.cli.main import State
from fmcompress.errors import FmcError
from fmcompress.numbers import from_digits

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


def csv(command: F) -> F:
    """Add --csv."""
    text = "Print CSV, a row for each combination (docs/JSON.md), and nothing else."
    return click.option("--csv", "as_csv", is_flag=True, help=text)(command)


def one_of(**given: bool) -> None:
    """Refuse two flags that exclude each other."""
    names = [f"--{name}" for name, value in given.items() if value]
    if len(names) > 1:
        raise click.UsageError(f"{' and '.join(names)} exclude each other.")


def threads(command: F) -> F:
    """Add --threads."""
    return click.option(
        "-T",
        "--threads",
        type=click.IntRange(0),
        metavar="INT",
        default=0,
        show_default=True,
        help="Threads that code; 0 for all processors. The result does not depend on it.",
    )(command)


def force(command: F) -> F:
    """Add --force."""
    text = "Overwrite an existing output; write binary data to a terminal."
    return click.option("-f", "--force", is_flag=True, help=text)(command)


class Integers(click.ParamType[Any]):
    """One whole number, or several with commas between."""

    name = "INT[,INT...]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | tuple[int, ...]:
        """Read the numbers."""
        try:
            numbers = tuple(from_digits(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not a whole number, nor some with commas between", param, ctx)
        return numbers[0] if len(numbers) == 1 else numbers


def frame_axis(command: F) -> F:
    """Add --frame-axis."""
    text = (
        "The axis of frames, from 0, or from -1.  [default: an attribute tells, else the first of 2, "
        "4 or more axes]"
    )
    return click.option("--frame-axis", type=int, metavar="AXIS", help=text)(command)


def channel_axis(command: F) -> F:
    """Add --channel-axis."""
    text = "The axis of channels.  [default: an attribute tells, else the one behind the frames]"
    return click.option("--channel-axis", type=int, metavar="AXIS", help=text)(command)


class Names(click.ParamType[Any]):
    """Names with commas between."""

    name = "NAME[,NAME...]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Read the names."""
        return tuple(part.strip() for part in str(value).split(","))


def dtype(command: F) -> F:
    """Add --dtype."""
    text = (
        "What elements are that lie in IN as opaque bytes or integers of their size: bfloat16, "
        "float8_e4m3fn, float8_e5m2, int4, …"
    )
    return click.option("--dtype", metavar="NAME", help=text)(command)


_CODEC = click.option(
    "--codec",
    metavar="NAME",
    default="ebpc",
    show_default=True,
    help="How words are coded: ebpc, or auto (for each chunk the smallest of ebpc, bpc, zvc), or one "
    "of those that docs/CODECS.md describes, as zvc or zvc:group=64.",
)
_CHUNK_WORDS = click.option(
    "--chunk-words",
    type=click.IntRange(1, 1 << 24),
    default=1 << 16,
    show_default=True,
    help="Words per chunk; each chunk is a transmission of its own.",
)
_SIZES = (
    click.option(
        "--block-size",
        type=click.Choice(["4", "8", "16", "32"]),
        help="Non-zero words per BPC block.  [default: 8]",
    ),
    click.option(
        "--max-burst",
        type=click.Choice(["2", "4", "8", "16", "32", "64"]),
        help="Longest zero run in one ZNZ symbol.  [default: 16]",
    ),
    _CHUNK_WORDS,
)
_QUANTIZE = click.option(
    "--quantize",
    type=click.Choice(
        [
            "fixed8",
            "fixed12",
            "fixed16",
            "ufixed8",
            "float16",
            "bfloat16",
            "float8_e4m3fn",
            "float8_e5m2",
        ]
    ),
    help="Quantise floats first. THIS LOSES.",
)
_ORDER = click.option(
    "--order",
    metavar="AXES",
    help="Order of the axes in the words, as nhwc:nchw or 0,3,1,2; auto tries some on a sample.",
)
_SWEPT = (*_SIZES, _QUANTIZE, _ORDER)
_CODING = (
    *_SIZES,
    click.option(
        "--difference",
        type=click.Choice(["signed", "unsigned", "modular"]),
        help="How the encoder forms differences; the RTL's is signed.  [default: as the words]",
    ),
    dtype,
    click.option(
        "--word-bits",
        type=click.IntRange(2, 32),
        metavar="2..32",
        help="Width of integers that are narrower than their dtype, as 12-bit values in int16.",
    ),
    click.option(
        "--packed", is_flag=True, help="With --dtype int4 or uint4: two in a byte, low half first."
    ),
    click.option(
        "--zero-point",
        type=Integers(),
        metavar="INT[,INT...]",
        help="Value that becomes the word 0, or one for every channel.  [default: the layer's "
        "attribute, else the most frequent value]",
    ),
    click.option(
        "--zero-point-axis",
        type=int,
        metavar="AXIS",
        help="The axis of channels, from 0, or from -1.",
    ),
    click.option(
        "--mapping",
        type=click.Choice(["bits", "rotate"]),
        help="How floats become words: as they are, or with the sign in the lowest place.  "
        "[default: rotate where any sign bit is set]",
    ),
    _QUANTIZE,
    click.option(
        "--headroom",
        type=float,
        metavar="0..1",
        help="Share of the full scale that a layer's largest magnitude becomes.  [default: 0.75 "
        "for fixed point; floats are scaled only if it is given]",
    ),
    click.option(
        "--headroom-axis",
        type=int,
        metavar="AXIS",
        help="Scale every index along this axis on its own: 0, mostly, for every frame.",
    ),
    click.option(
        "--rounding",
        type=click.Choice(["truncate", "nearest"]),
        default="truncate",
        show_default=True,
        help="How to round when quantising.",
    ),
    _ORDER,
    click.option("--serpentine", is_flag=True, help="Let every other row of words run backwards."),
)


def coding(command: F) -> F:
    """Add the options of the codec, of words and of their order."""
    return _CODEC(hardware_coding(command))


def hardware_coding(command: F) -> F:
    """Add those options where there is no choice of a codec."""
    return _added(_CODING, command)


def tile_coding(command: F) -> F:
    """Add those options, and the codec, where tiles are transmissions, and there are no chunks."""
    return _CODEC(_added([option for option in _CODING if option is not _CHUNK_WORDS], command))


def report_coding(command: F) -> F:
    """Add those options where there is no choice of a codec, nor of one number format."""
    return _added([option for option in _CODING if option is not _QUANTIZE], command)


def word_coding(command: F) -> F:
    """Add those of words alone, where all else is swept."""
    return _added([option for option in _CODING if option not in _SWEPT], command)


def _added(options: Sequence[Callable[[F], F]], command: F) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def coding_arguments(options: dict[str, Any]) -> dict[str, Any]:
    """Turn what `coding` and `raw` collected into keyword arguments of the library."""
    arguments = {**options, "raw": raw_arguments(options)}
    for name in ("shape", "endian"):
        del arguments[name]
    for name in ("block_size", "max_burst"):
        given = arguments.pop(name, None)
        if given is not None:
            arguments[name] = int(given)
    if arguments["raw"] is not None and not options["packed"]:
        arguments["dtype"] = None
    return arguments


def raw(command: F) -> F:
    """Add the options of raw files."""
    for option in (
        click.option(
            "--endian",
            type=click.Choice(["little", "big"]),
            help="Byte order of a raw file.  [default: little]",
        ),
        click.option(
            "--shape",
            type=Integers(),
            metavar="INT[,INT...]",
            help="Shape of a raw file; one length may be -1.  [default: one axis]",
        ),
        click.option(
            "--raw",
            is_flag=True,
            help="IN is nothing but words: of --dtype, of --shape, of --endian.",
        ),
    ):
        command = option(command)
    return command


def raw_arguments(options: dict[str, Any]) -> dict[str, Any] | None:
    """Return what is known of a raw file; None of any other."""
    if not options["raw"]:
        for name in ("shape", "endian"):
            if options[name] is not None:
                raise click.UsageError(f"--{name} is for raw files: give --raw, too.")
        return None
    if options["dtype"] is None:
        raise click.UsageError("--raw needs --dtype: what are the words?")
    shape = options["shape"]
    found = {"dtype": "uint8" if options.get("packed") else options["dtype"]}
    if options["endian"] is not None:
        found["endian"] = options["endian"]
    if shape is not None:
        found["shape"] = list(shape) if isinstance(shape, tuple) else [shape]
    return found


def source(name: str) -> str | BinaryIO:
    """Return a path, or stdin for ``-``."""
    if name != "-":
        return name
    if sys.stdin is None:
        raise FmcError("stdin is closed", hint="name a file, or pipe one in")
    if sys.stdin.isatty():
        raise FmcError("stdin is a terminal", hint="name a file, or pipe one in")
    return sys.stdin.buffer


def sources(names: Sequence[str]) -> str | BinaryIO | list[str]:
    """Return one source, or several paths."""
    if len(names) == 1:
        return source(names[0])
    if "-" in names:
        raise click.UsageError("'-' can only be the single input.")
    return list(names)


def names(given: tuple[str, ...], out: str | None, suffix: str) -> tuple[tuple[str, ...], str]:
    """Tell inputs from the output: named by an option, the last of several names, or by default."""
    if out is not None:
        return given, out
    if len(given) > 1:
        return given[:-1], given[-1]
    return given, default_name(given[0], suffix)


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
