"""The click group, and the one place where errors become a line on stderr and an exit code."""

from __future__ import annotations

import atexit
import errno
import gc
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

import click

from fmcompress import __version__
from fmcompress.errors import DamagedError, FmcError
from fmcompress.printable import printable

INTERRUPTED, BROKEN_PIPE, TERMINATED = 130, 141, 143
# Numba makes a great many objects that stay. Looking for garbage among them, every 700 objects and
# once more at the end, takes longer than a small file.
GARBAGE_OBJECTS = 50_000

# Command -> its module and its line in `fmc --help`; modules are loaded when a command runs.
COMMANDS = {
    "compress": ("compress", "Compress a dump of feature maps."),
    "decompress": ("decompress", "Give a compressed dump back, bit for bit."),
    "stats": ("stats", "Show ratio, sparsity and stream sizes, per layer and in total."),
    "compare": ("compare", "Compare EBPC with existing methods, layer by layer."),
    "sweep": ("sweep", "Sweep block sizes, zero bursts, number formats and orders."),
    "traffic": ("traffic", "Show off-chip bytes, bandwidth and energy, raw and compressed."),
    "report": ("report", "Write all of this as one HTML file, with figures."),
    "list": ("list", "List the layers of a dump or a compressed file."),
    "verify": ("verify", "Check every checksum and decode everything."),
    "simulate": ("simulate", "Run layers through the hardware: cycles, stalls, time."),
    "vectors": ("vectors", "Write test vectors for the hardware, check a simulator's output."),
    "warmup": ("warmup", "Compile all kernels ahead, and keep them."),
}

DAMAGED = "it is damaged: get or make it again ('fmc verify' names all damage of a compressed file)"
_ROOM = "free some space, or name another output"
REMEDIES = {
    errno.ENOENT: "check the name",
    errno.ENOTDIR: "check the name",
    errno.ENAMETOOLONG: "check the name",
    errno.ELOOP: "check the name",
    errno.EISDIR: "name a file in it",
    errno.EIO: "check the disk, or copy the file elsewhere",
    errno.EACCES: "check the permissions",
    errno.EPERM: "check the permissions",
    errno.EROFS: "name another output",
    errno.ENOSPC: _ROOM,
    errno.EFBIG: _ROOM,
    errno.EDQUOT: _ROOM,
}

EPILOG = """\b
Exit codes: 0 fine, 1 error, 2 wrong usage, 3 damaged data,
4 not supported, 130 interrupted, 141 broken pipe, 143 terminated.

\b
Example: fmc compress maps.h5 maps.bin && fmc stats --per-layer maps.bin"""


@dataclass
class State:
    """What every command's common options set."""

    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    interrupted: bool = False  # also where Python let nobody know: see `_interrupting`


class _ReaderGone(Exception):
    """Whoever read our stdout has gone."""


class LazyGroup(click.Group):
    """A group that knows its commands' help lines without loading them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names, in the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"fmcompress.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; click's own ``main`` would turn a broken pipe into exit code 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderGone from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' help lines from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fmc", message="%(prog)s %(version)s")
def cli() -> None:
    """Compress neural-network feature maps losslessly with EBPC, as the hardware does it.

    Dumps are HDF5, NPY, NPZ, safetensors, PyTorch, ONNX tensor or hex files, Zarr or other
    folders, recognised by content; or raw words. "-" is stdin or stdout.
    """


class _Messages(logging.Handler):
    """Show the library's messages on stderr, if the user wants any."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state

    def emit(self, record: logging.LogRecord) -> None:
        if not self._state.quiet:
            _say(record.getMessage())


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command and exit.

    Parameters
    ----------
    arguments : list of str, optional
        Instead of those of the process.
    """
    state = State()
    thresholds = gc.get_threshold()
    gc.set_threshold(GARBAGE_OBJECTS)
    atexit.register(gc.freeze)
    logger = logging.getLogger("fmcompress")
    messages = _Messages(state)
    logger.addHandler(messages)
    logger.setLevel(logging.INFO)
    for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
        if stream is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - for the process's life
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupting(state))
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminate)
    try:
        result = cli.main(arguments, prog_name="fmc", standalone_mode=False, obj=state)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - every way out has its exit code
        if state.debug and not isinstance(error, SystemExit | click.ClickException):
            traceback.print_exc()
        sys.exit(_report(error))
    finally:
        logger.removeHandler(messages)
        sys.unraisablehook = sys.__unraisablehook__
        if before is signal.default_int_handler:
            signal.signal(signal.SIGINT, before)
        gc.set_threshold(*thresholds)
    sys.exit(result if isinstance(result, int) else 0)


def _interrupting(state: State) -> Callable[..., NoReturn]:
    """Return what Ctrl-C does.

    An exception that is raised while Python drops an object goes nowhere: it prints a traceback,
    and goes on. So it is noted, too, and what shows progress raises it again.
    """
    show = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if unraisable.exc_type is not KeyboardInterrupt:
            show(unraisable)

    def interrupt(*_: Any) -> NoReturn:
        state.interrupted = True
        raise KeyboardInterrupt

    sys.unraisablehook = hook
    return interrupt


def _terminate(*_: Any) -> NoReturn:
    """Leave by an exception, so that temporary files are removed."""
    raise SystemExit(TERMINATED)


def _report(error: BaseException) -> int:
    """Say what went wrong in one line, and return the exit code."""
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else 1
        case click.exceptions.Exit():
            return error.exit_code
        case KeyboardInterrupt() | click.Abort():
            _say("interrupted")
            return INTERRUPTED
        case BrokenPipeError() | _ReaderGone():
            # The reader has gone: nothing more can be said on stdout, not even at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
        case click.ClickException():
            error.show()
            return error.exit_code
        case FmcError():
            damaged = error.exit_code == DamagedError.exit_code and error.hint is None
            _say(f"{error}; {DAMAGED}" if damaged else str(error))
            return error.exit_code
        case OSError():
            place = f"{os.fsdecode(error.filename)}: " if error.filename is not None else ""
            remedy = REMEDIES.get(error.errno or 0)
            _say(f"{place}{error.strerror or error}{f'; {remedy}' if remedy else ''}")
            return 1
        case MemoryError():
            _say("out of memory; try a smaller --chunk-words, or fewer --layers")
            return 1
        case _:
            _say(f"internal error ({type(error).__name__}: {error}); --debug shows where")
            return 1


def _say(message: str) -> None:
    """Write one line to stderr, whatever the message holds."""
    click.echo(f"fmc: {printable(message)}", err=True)
