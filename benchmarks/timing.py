"""Alternating runs in one process: every round runs everything once, and medians are taken."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from codec import OWN_THREADS, Codec
from inputs import MB, Input

ROUNDS = 5
DIRECTIONS = ("compress", "decompress")
Run = Callable[[], object]
Pools = Mapping[int, ThreadPoolExecutor]
Clock = Callable[[], float]
# Processor time leaves out when others had the processor: for one thread only.
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True, slots=True)
class Speeds:
    """What was measured of a codec.

    Attributes
    ----------
    ratio : float
        Bytes of words in memory / bytes of all pieces, compressed.
    compress, decompress : mapping of int to float
        MB of words per second, by number of threads.
    peak_bytes : int or None
        Memory that it needed beside its input, where that was measured.
    """

    ratio: float
    compress: Mapping[int, float]
    decompress: Mapping[int, float]
    peak_bytes: int | None = None


def processors() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def medians(
    runs: Mapping[Any, Run],
    rounds: int,
    prepare: Mapping[Any, Run] | None = None,
    clock: str = "wall",
) -> dict[Any, float]:
    """Time every run once a round, in turn; return the median of each, in seconds.

    Parameters
    ----------
    runs : mapping
        What is timed, by any key.
    rounds : int
    prepare : mapping, optional
        What is to be called before a run, untimed, by the same keys.
    clock : {"wall", "cpu"}
        One of `CLOCKS`.
    """
    now = CLOCKS[clock]
    taken: dict[Any, list[float]] = {key: [] for key in runs}
    for _ in range(rounds):
        for key, run in runs.items():
            if prepare is not None and key in prepare:
                prepare[key]()
            start = now()
            run()
            taken[key].append(now() - start)
    return {key: statistics.median(seconds) for key, seconds in taken.items()}


def packed_and_checked(codec: Codec, pieces: Sequence[Any]) -> list[Any]:
    """Compress all pieces; refuse a codec that does not give each of them back.

    Raises
    ------
    ValueError
        If what came back is not what was compressed.
    """
    codec.prepare(1)
    packed = [codec.compress(piece) for piece in pieces]
    for number, (piece, one) in enumerate(zip(pieces, packed, strict=True)):
        if not codec.is_same(piece, codec.decompress(one)):
            raise ValueError(f"{codec.name} does not give piece {number} back")
    return packed


@dataclass(frozen=True, slots=True)
class Work:
    """What is timed of a codec on one input: both directions, with each number of threads.

    Attributes
    ----------
    codec : Codec
    nbytes : int
        Of the input's words.
    ratio : float
        As in `Speeds`.
    runs : mapping
        By direction and number of threads.
    """

    codec: Codec
    nbytes: int
    ratio: float
    runs: Mapping[tuple[str, int], Run]

    def speeds(self, seconds: Mapping[tuple[str, int], float], threads: Sequence[int]) -> Speeds:
        """Return speeds, of the seconds that each run took."""
        compress, decompress = (
            {number: self.nbytes / MB / seconds[direction, number] for number in threads}
            for direction in DIRECTIONS
        )
        return Speeds(self.ratio, compress, decompress)


def work_of(codec: Codec, given: Input, threads: Sequence[int], pools: Pools) -> Work:
    """Compress an input, check that it comes back, and return what is to be timed.

    Raises
    ------
    ValueError
        If it does not come back.
    """
    pieces = codec.cut(given)
    packed = packed_and_checked(codec, pieces)
    runs = {}
    for number in threads:
        pool = None if codec.threading == OWN_THREADS else pools.get(number)
        runs["compress", number] = _run(codec.compress, pieces, pool)
        runs["decompress", number] = _run(codec.decompress, packed, pool)
    ratio = given.nbytes / sum(map(codec.packed_bytes, packed))
    return Work(codec, given.nbytes, ratio, runs)


@contextmanager
def thread_pools(threads: Iterable[int]) -> Iterator[Pools]:
    """Give a pool for every number of threads above 1."""
    with ExitStack() as stack:
        yield {n: stack.enter_context(ThreadPoolExecutor(n)) for n in threads if n > 1}


def measure(
    codecs: Iterable[Codec],
    given: Input,
    threads: Sequence[int],
    rounds: int,
    clock: str = "wall",
) -> dict[str, Speeds]:
    """Measure codecs in alternating runs, each of them behind a checked round trip.

    Parameters
    ----------
    codecs : iterable of Codec
    given : Input
    threads : sequence of int
        Numbers of threads to measure with.
    rounds : int
    clock : {"wall", "cpu"}
        One of `CLOCKS`.

    Returns
    -------
    dict
        By the codecs' names.

    Raises
    ------
    ValueError
        If a codec does not give its input back.
    """
    with thread_pools(threads) as pools:
        works = {codec.name: work_of(codec, given, threads, pools) for codec in codecs}
        return measured(works, threads, rounds, clock=clock)


def measured(
    works: Mapping[Any, Work],
    threads: Sequence[int],
    rounds: int,
    least_bytes: int = 0,
    clock: str = "wall",
) -> dict[Any, Speeds]:
    """Time all works in alternating runs.

    Parameters
    ----------
    works : mapping
        By any key.
    threads : sequence of int
    rounds : int
    least_bytes : int
        A run over less than that is one of several such runs in turn: too short to be timed alone.
    clock : {"wall", "cpu"}
        One of `CLOCKS`.
    """
    runs: dict[tuple[Any, tuple[str, int]], Run] = {}
    prepare: dict[tuple[Any, tuple[str, int]], Run] = {}
    times = {key: max(least_bytes // work.nbytes, 1) for key, work in works.items()}
    for key, work in works.items():
        for which, run in work.runs.items():
            runs[key, which] = _again(run, times[key])
            prepare[key, which] = partial(work.codec.prepare, which[1])
    seconds = medians(runs, rounds, prepare, clock)
    return {
        key: work.speeds({w: seconds[key, w] / times[key] for w in work.runs}, threads)
        for key, work in works.items()
    }


def _again(run: Run, times: int) -> Run:
    def several() -> None:
        for _ in range(times):
            run()

    return run if times == 1 else several


def _run(work: Callable[[Any], Any], over: Sequence[Any], pool: ThreadPoolExecutor | None) -> Run:
    """Return a run over all pieces; what a piece gives is dropped at once, as if passed on."""

    def drop(piece: Any) -> None:
        work(piece)

    def alone() -> None:
        for piece in over:
            drop(piece)

    def together() -> None:
        assert pool is not None
        for _ in pool.map(drop, over):
            pass

    return alone if pool is None else together
