"""Measure how fast the hardware's models are, on one thread.

Run as ``python benchmarks/hardware.py``; ``--help`` lists what can be changed. Encoder and decoder
each: stepping every cycle, with random stalls at all ports, in million cycles a second; and timing
where no port stalls, in million words a second. Words are a walk with random zeros between, in
transmissions of 64 Ki words; figures are medians, and depend on the machine and on what else it
does.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Sequence

import numba
import numpy as np
from numpy.typing import NDArray

from fmcompress.contents import DEFAULT_CHUNK_WORDS
from fmcompress.hardware import Decoder, Encoder, Parameters, pattern
from fmcompress.hardware.decoder import Transmission
from fmcompress.hardware.run import Run

Words = Sequence[NDArray[np.uint32]]


def walk(count: int, word_bits: int, sparsity: float, seed: int) -> Words:
    """Draw words, cut to transmissions."""
    rng = np.random.default_rng(seed)
    words = np.abs(np.cumsum(rng.integers(-3, 4, count))) % (2**word_bits - 1) + 1
    words[rng.random(count) < sparsity] = 0
    cuts = range(DEFAULT_CHUNK_WORDS, count, DEFAULT_CHUNK_WORDS)
    return np.split(words.astype(np.uint32), cuts)


def works(words: Words, parameters: Parameters, text: str) -> dict[str, Callable[[], Run]]:
    """Return what is measured, by name."""
    given = [Transmission.of(part, parameters) for part in words]
    stall_in, stall_out = pattern(text + ":1"), pattern(text + ":2")

    def step_encoder() -> Run:
        encoder = Encoder(parameters, stalls={"in": stall_in, "znz": stall_out, "bpc": stall_out})
        encoder.feed(*words)
        return encoder.finish()[0]

    def step_decoder() -> Run:
        stalls = {"number": stall_in, "znz": stall_in, "bpc": stall_in, "out": stall_out}
        decoder = Decoder(parameters, stalls=stalls)
        decoder.feed(*given)
        return decoder.finish()[0]

    def time_encoder() -> Run:
        encoder = Encoder(parameters)
        for part in words:
            encoder.feed(part)
        return encoder.finish()[0]

    def time_decoder() -> Run:
        decoder = Decoder(parameters)
        decoder.feed_words(*words)
        return decoder.finish()[0]

    return {
        "encoder, stepping": step_encoder,
        "decoder, stepping": step_decoder,
        "encoder, timing": time_encoder,
        "decoder, timing": time_decoder,
    }


def measure(work: Callable[[], Run], runs: int) -> tuple[Run, float]:
    """Return what a run gives, and how many seconds it takes: the median of some behind a first."""
    run = work()
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return run, statistics.median(taken)


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--words", type=int, default=1_000_000, help="how many words")
    parser.add_argument("--sparsity", type=float, default=0.3, help="share of zeros")
    parser.add_argument("--word-bits", type=int, default=8, help="w")
    parser.add_argument("--block-size", type=int, default=8, help="n")
    parser.add_argument("--burst-bits", type=int, default=4, help="z")
    parser.add_argument(
        "--open", type=float, default=0.5, help="share of cycles that a port is open"
    )
    parser.add_argument("--runs", type=int, default=5, help="of which the median is taken")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    parameters = Parameters(options.word_bits, options.block_size, options.burst_bits)
    words = walk(options.words, options.word_bits, options.sparsity, options.seed)
    print(
        f"Python {platform.python_version()}, Numba {numba.__version__}, NumPy {np.__version__}, "
        f"{platform.machine()}, one thread, medians of {options.runs}"
    )
    print(
        f"{options.words:,} words, {options.sparsity:.0%} zeros, (w, n, z) = "
        f"({options.word_bits}, {options.block_size}, {options.burst_bits})"
    )
    for name, work in works(words, parameters, f"random:{options.open}").items():
        run, seconds = measure(work, options.runs)
        steps = name.endswith("stepping")
        speed = (run.cycles if steps else run.words) / seconds / 1e6
        unit = "M cycles/s" if steps else "M words/s"
        print(f"{name:18} {run.cycles:10,} cycles {speed:8.1f} {unit}")


if __name__ == "__main__":
    main()
