"""Compare EBPC with other codecs, in memory, on the feature maps of dumps.

Run as ``python benchmarks/compare.py [DUMP ...]``; without dumps it takes those of real networks
where they are, else the samples. benchmarks/README.md says what is measured, and how to read it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from subprocess import CalledProcessError

from codec import Codec
from end_to_end import EndToEndError, end_to_end_table
from growth import SIZES, growth_table
from inputs import LEAST_BYTES, MB, Layer, choose, repeated
from loading import QUANTIZE, default_dumps, load
from memory import peaks
from rich.console import Console
from rich.table import Table
from rivals import codecs, versions
from tables import codec_table, console, machine, put_between_markers
from timing import CLOCKS, ROUNDS, measure, processors

from fmcompress.errors import FmcError


def whole(text: str) -> int:
    """Read a number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"give a whole number above 0, not {text!r}")
    return int(text)


def sizes(text: str) -> list[int]:
    """Read sizes in MB: ``1,10,100``."""
    try:
        return [whole(part) for part in text.split(",")]
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"give MB as 1,10,100, not {text!r}") from error


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    made = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = made.add_argument
    add("dumps", metavar="DUMP", nargs="*", type=Path)
    add("--quantize", choices=QUANTIZE, default="fixed8", help="what floats become")
    add("--layers", choices=("relu", "all"), default="relu", help="relu: without negative values")
    add("--codecs", metavar="GLOB", default="*", help="those to measure, as 'EBPC*'")
    add("--rounds", type=whole, default=ROUNDS, help="alternating runs that medians are of")
    add("--mb", type=whole, default=LEAST_BYTES // MB, help="repeat smaller inputs to this size")
    add("--threads", type=whole, default=processors(), help="of the second pair of columns")
    add("--clock", choices=[*CLOCKS], default="wall", help="cpu: processor time, of one thread")
    add("--no-memory", action="store_true", help="leave peak memory out")
    add("--no-table", action="store_true", help="leave the table of codecs out")
    add("--growth", metavar="MB,...", type=sizes, nargs="?", const=[*SIZES], help="growth of cost")
    add("--end-to-end", metavar="MB", type=whole, nargs="?", const=500, help="the command line")
    add("--folder", type=Path, help="where --end-to-end writes its files")
    add("--write", metavar="FILE", type=Path, help="put what is printed into a document, too")
    return made


def table(
    path: Path,
    layers: Sequence[Layer],
    about: str,
    chosen: Sequence[Codec],
    options: argparse.Namespace,
) -> Table:
    """Measure a dump's layers by every codec."""
    given = repeated(path.name, layers, about, options.mb * MB)
    threads = [1] if options.clock == "cpu" else sorted({1, options.threads})
    speeds = measure(chosen, given, threads, options.rounds, options.clock)
    if not options.no_memory:
        needed = peaks(chosen, given)
        speeds = {
            name: replace(measured, peak_bytes=needed[name]) for name, measured in speeds.items()
        }
    return codec_table(given, chosen, speeds, threads)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return the exit code."""
    options = parser().parse_args(arguments)
    out = console()
    try:
        run(options, out)
        if options.write:
            before = options.write.read_text(encoding="utf-8")
            after = put_between_markers(before, out.export_text())
            options.write.write_text(after, encoding="utf-8")
    except (FmcError, EndToEndError, CalledProcessError, OSError, ValueError) as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, FmcError) else 1
    return 0


def run(options: argparse.Namespace, out: Console) -> None:
    """Print machine and versions, and the tables that were asked for, of every dump."""
    found, missing = codecs()
    chosen = [codec for codec in found if fnmatchcase(codec.name, options.codecs)]
    if not chosen:
        names = ", ".join(codec.name for codec in found)
        raise ValueError(f"no codec is named {options.codecs!r}: there are {names}")
    out.print(*machine(), ", ".join(versions()), sep="\n")
    out.print(f"Alternating rounds: {options.rounds}, medians of them; MB are 10^6 bytes of words.")
    out.print(
        "The table has processor time, not the time that went by."
        if options.clock == "cpu"
        else "cores: a pool of threads, the GIL released, or the codec's own threads."
    )
    for line in missing:
        out.print(line)
    for path in options.dumps or default_dumps():
        layers, about = choose(load(path, options.quantize), options.layers)
        if not layers:
            out.print(f"{path.name}: nothing in it is coded")
            continue
        if not options.no_table:
            out.print(table(path, layers, about, chosen, options))
        best = [codec for codec in chosen if codec.name.startswith("EBPC")][-1:] or chosen[:1]
        if options.growth is not None:
            out.print(growth_table(path.name, best[0], layers, options.growth, options.rounds))
        if options.end_to_end is not None:
            out.print(
                end_to_end_table(
                    path.name, layers, options.end_to_end, options.rounds, options.folder
                )
            )


if __name__ == "__main__":
    sys.exit(main())
