"""From an NPY file to a compressed one and back, through the command line, start-up and disk apart."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from inputs import MB, Layer, of_size
from rich.table import Table
from timing import DIRECTIONS, Run, medians

FMC = (sys.executable, "-m", "fmcompress.cli")
# That of the user, whatever codecs set there while they are measured.
ENVIRONMENT = dict(os.environ)
THREADS = (1, 2)
BLOCK_BYTES = 1 << 20
# Of a tiny file: compressible, so that decoding it needs the kernels, too.
TINY = np.array([0, 0, 0, 1])


class EndToEndError(Exception):
    """A command failed, or did not give the file back."""


@dataclass(frozen=True, slots=True)
class Files:
    """A dump, what it is compressed to, and what comes back; and a tiny one."""

    folder: Path

    def of(self, direction: str, tiny: bool, threads: int) -> tuple[Path, Path]:
        """Return input and output of a command."""
        stem = "tiny" if tiny else "maps"
        dump, packed = self.folder / f"{stem}.npy", self.folder / f"{stem}-{threads}.fmc"
        back = self.folder / f"{stem}-{threads}-back.npy"
        return (dump, packed) if direction == "compress" else (packed, back)


def has_threads() -> bool:
    """Tell whether the command has the option ``--threads``."""
    return all(
        "--threads" in run([*FMC, direction, "--help"]).stdout.decode() for direction in DIRECTIONS
    )


def run(command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    """Run a command of `FMC`.

    Raises
    ------
    EndToEndError
        If its exit code is not 0.
    """
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise EndToEndError(f"{' '.join(command[len(FMC) :])}: {done.stderr.decode().strip()}")
    return done


def copy_file(source: Path, sizes: Path, target: Path, synced: bool) -> None:
    """Read `source`, and write as many bytes as `sizes` has to `target`."""
    block = b""
    with source.open("rb", buffering=0) as file:
        while part := file.read(BLOCK_BYTES):
            block = part if len(part) == BLOCK_BYTES else block or part
    left = sizes.stat().st_size
    with target.open("wb", buffering=0) as file:
        while left:
            left -= file.write(block[:left])
        if synced:
            os.fsync(file.fileno())


def end_to_end_table(
    name: str, layers: Sequence[Layer], size: int, rounds: int, folder: Path | None = None
) -> Table:
    """Measure both commands on `size` MB of words, with every number of threads that they know.

    Parameters
    ----------
    name : str
        Of the dump.
    layers : sequence of Layer
        What is repeated to that size, as one flat array: those of the first layer's dtype.
    size : int
    rounds : int
    folder : Path, optional
        Where files are written: the disk is part of the measurement.

    Raises
    ------
    EndToEndError
        If a command fails, or does not give the file back.
    """
    option = has_threads()
    threads = THREADS if option else (1,)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        files = Files(Path(place))
        dtype = layers[0].words.dtype
        alike = [layer for layer in layers if layer.words.dtype == dtype]
        words = of_size(name, alike, size * MB).buffers[0]
        np.save(files.folder / "maps.npy", words)
        np.save(files.folder / "tiny.npy", np.resize(TINY.astype(dtype), 4096))
        del words
        runs = _runs(files, threads, option)
        for one in runs.values():
            one()
        compare(files, threads)
        seconds = medians(runs, rounds)
        compare(files, threads)
        nbytes = (files.folder / "maps.npy").stat().st_size
        packed = files.of("compress", False, threads[0])[1].stat().st_size
    about = f"{nbytes:,} bytes of NPY, {packed:,} compressed; medians of {rounds}"
    return table_of(f"{name}, end to end: {about}", nbytes / MB, threads, seconds)


Key = tuple[str, str, int]


def _runs(files: Files, threads: Sequence[int], option: bool) -> dict[Key, Run]:
    """Return all that is timed, in the order of a round."""
    runs: dict[Key, Run] = {}
    for direction in DIRECTIONS:
        for number in threads:
            for kind in ("tiny", "maps"):
                source, target = files.of(direction, kind == "tiny", number)
                command = [*FMC, direction, "--quiet", "--force", str(source), str(target)]
                command += ["--threads", str(number)] if option else []
                runs[direction, kind, number] = partial(run, command)
        source, target = files.of(direction, False, threads[0])
        scratch = files.folder / "scratch"
        for kind, synced in (("disk", False), ("fsync", True)):
            runs[direction, kind, 0] = partial(copy_file, source, target, scratch, synced)
    return runs


def compare(files: Files, threads: Sequence[int]) -> None:
    """See that every file came back, and that the compressed one does not depend on threads."""
    dump = files.of("compress", False, threads[0])[0]
    first = files.of("compress", False, threads[0])[1]
    for number in threads:
        if not _are_same(dump, files.of("decompress", False, number)[1]):
            raise EndToEndError(f"--threads {number} does not give the file back")
        if not _are_same(first, files.of("compress", False, number)[1]):
            raise EndToEndError(f"--threads {number} writes another file than --threads 1")


def _are_same(one: Path, other: Path) -> bool:
    with one.open("rb") as a, other.open("rb") as b:
        while block := a.read(BLOCK_BYTES):
            if block != b.read(BLOCK_BYTES):
                return False
        return not b.read(1)


def table_of(title: str, size: float, threads: Sequence[int], seconds: dict[Key, float]) -> Table:
    """Return a line for each direction and number of threads; `size` is in MB."""
    table = Table(title=title, title_justify="left")
    table.add_column("direction")
    for heading in (
        "threads",
        "s",
        "MB/s",
        "start-up\ns",
        "disk\ns",
        "disk, fsync\ns",
        "MB/s but\nstart-up",
    ):
        table.add_column(heading, justify="right")
    table.add_column("times\n1 thread", justify="right")
    for direction in DIRECTIONS:
        one = seconds[direction, "maps", threads[0]]
        for number in threads:
            taken, start = (seconds[direction, kind, number] for kind in ("maps", "tiny"))
            disk, synced = (seconds[direction, kind, 0] for kind in ("disk", "fsync"))
            cells = (f"{taken:.2f}", f"{size / taken:,.1f}", f"{start:.2f}", f"{disk:.2f}")
            but = f"{size / (taken - start):,.1f}" if taken > start else ""
            times = f"{one / taken:.2f}"
            table.add_row(direction, str(number), *cells, f"{synced:.2f}", but, times)
    return table
