"""Measure how fast layers are coded and decoded in memory, on one thread.

Run as ``python benchmarks/throughput.py [DUMP ...]``; without arguments it takes the samples.
Every dump's round trip is checked before it is timed; figures are medians of alternating runs,
in MB of elements per second. zlib at level 1 and a plain copy run beside, to compare with: these
figures depend on the machine and on what else it does, their ratios much less.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from fmcompress import dumps
from fmcompress.chunks import code_chunks
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.contents import DEFAULT_CHUNK_WORDS
from fmcompress.words import WordFormat, format_for

RUNS = 5
Chunk = tuple[NDArray[Any], WordFormat]


def load(path: Path) -> list[Chunk]:
    """Read every codable layer of a dump, cut to chunks, each with its word format."""
    chunks: list[Chunk] = []
    with dumps.open_dump(path) as dump:
        for tensor in dump.tensors:
            format_ = None if tensor.dtype is None else format_for(tensor.dtype)
            if tensor.carried or format_ is None or tensor.dtype is None:
                continue
            blocks = [*tensor.blocks()]
            words = format_.choose(tensor.dtype, None, tensor.attributes, blocks)
            elements = np.concatenate(blocks)
            cuts = range(DEFAULT_CHUNK_WORDS, elements.size, DEFAULT_CHUNK_WORDS)
            chunks.extend((chunk, words) for chunk in np.split(elements, cuts))
    return chunks


def encode(chunks: list[Chunk]) -> list[tuple[int, int, int, bytes, bytes]]:
    """Code every chunk as `fmcompress.compress` does."""
    return [
        code_chunks(
            words.to_words(chunk), words.bits, Ebpc(difference=words.difference), chunk.size
        )[0]
        for chunk, words in chunks
    ]


def decode(chunks: list[Chunk], coded: list[tuple[int, int, int, bytes, bytes]]) -> list[Any]:
    """Decode every chunk that was not stored, strictly; give the stored ones as they are."""
    codec = Ebpc()
    return [
        words.to_elements(codec.decode(znz, bpc, count, words.bits), chunk.dtype)
        if number == codec.number
        else chunk
        for (chunk, words), (number, count, _, znz, bpc) in zip(chunks, coded, strict=True)
    ]


def measure(path: Path) -> None:
    """Print one line for a dump."""
    chunks = load(path)
    size = sum(chunk.nbytes for chunk, _ in chunks)
    if not size:
        return
    coded = encode(chunks)
    for (chunk, _), back in zip(chunks, decode(chunks, coded), strict=True):
        assert np.array_equal(chunk, back)
    packed = [zlib.compress(chunk.tobytes(), 1) for chunk, _ in chunks]
    work: dict[str, Callable[[], object]] = {
        "encode": lambda: encode(chunks),
        "decode": lambda: decode(chunks, coded),
        "zlib-1": lambda: [zlib.compress(chunk.tobytes(), 1) for chunk, _ in chunks],
        "unzlib": lambda: [zlib.decompress(data) for data in packed],
        "copy": lambda: [chunk.copy() for chunk, _ in chunks],
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(RUNS):
        for name, run in work.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    speeds = {name: size / statistics.median(taken) / 1e6 for name, taken in times.items()}
    ratio = size / sum(len(znz) + len(bpc) for *_, znz, bpc in coded)
    print(
        f"{path.name:28} {size / 1e6:7.1f} {ratio:6.3f} "
        + " ".join(f"{speed:8.1f}" for speed in speeds.values())
    )


def main() -> None:
    """Measure the dumps named on the command line, or the samples."""
    samples = Path(__file__).parents[1] / "samples"
    paths = [Path(name) for name in sys.argv[1:]] or sorted(samples.glob("*.[hn]*"))
    print(
        f"Python {platform.python_version()}, Numba {numba.__version__}, NumPy {np.__version__}, "
        f"{platform.machine()}, one thread, MB/s, medians of {RUNS}"
    )
    print(f"{'dump':28} {'MB':>7} {'ratio':>6}   encode   decode   zlib-1   unzlib     copy")
    for path in paths:
        measure(path)


if __name__ == "__main__":
    main()
