"""One layer through the hardware's models: all its chunks or a sample, over one unit or several."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fmcompress.contents import LayerInfo
from fmcompress.errors import ParameterError
from fmcompress.hardware import Decoder, Encoder, Parameters, Run
from fmcompress.hardware.settings import Settings
from fmcompress.layer_words import LayerWords
from fmcompress.progress import Progress, Step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmcompress.hardware.trace import Trace

# Student's t: 95 % of means are within so many standard errors, by degrees of freedom from 1 on.
_FEW_DEVIATIONS = (12.706, 4.303, 3.182, 2.776)
# The same of a normal distribution.
_DEVIATIONS = 1.96


@dataclass(frozen=True, slots=True)
class SideResult:
    """What encoder or decoder took for a layer, or for all.

    Attributes
    ----------
    run : Run
        Of the slowest unit, as it was simulated.
    words, znz_words, bpc_words, word_bits, stream_bits : int
        Of all units: words, those of both streams, and bits of these; estimated like `cycles`.
    cycles : float
        Of the slowest unit: as simulated, or estimated where it was a sample.
    cycles_error : float
        Half of the 95 % confidence interval of that estimate; 0 where everything was simulated.
    """

    run: Run
    words: int
    znz_words: int
    bpc_words: int
    word_bits: int
    stream_bits: int
    cycles: float
    cycles_error: float = 0.0

    def __add__(self, other: SideResult) -> SideResult:
        return SideResult(
            self.run + other.run,
            self.words + other.words,
            self.znz_words + other.znz_words,
            self.bpc_words + other.bpc_words,
            self.word_bits + other.word_bits,
            self.stream_bits + other.stream_bits,
            self.cycles + other.cycles,
            math.hypot(self.cycles_error, other.cycles_error),
        )

    @property
    def words_per_cycle(self) -> float | None:
        """Throughput; None without cycles."""
        return self.words / self.cycles if self.cycles else None

    @property
    def ratio(self) -> float | None:
        """Bits of the words ÷ bits of both streams; None without these."""
        return self.word_bits / self.stream_bits if self.stream_bits else None

    def seconds(self, clock_mhz: float) -> float:
        """Return the time that the slowest unit takes."""
        return self.cycles / clock_mhz / 1e6

    def mb_per_s(self, clock_mhz: float) -> tuple[float | None, float | None]:
        """Return 10^6 bytes a second of words, and of both streams; None without cycles."""
        seconds = self.seconds(clock_mhz)
        if not seconds:
            return None, None
        return self.word_bits / 8e6 / seconds, self.stream_bits / 8e6 / seconds


@dataclass(frozen=True, slots=True)
class LayerResult:
    """One layer's simulation.

    Attributes
    ----------
    name, shape
        As in the dump.
    parameters : Parameters
    frames : int
        Over which the layer's time is shared: its first axis, where it has two, or four or more.
    units : int
        That have work: as many as there are channels, at most.
    words, chunks, simulated_chunks : int
    sides : dict
        A `SideResult` for each side.
    """

    name: str
    shape: tuple[int, ...]
    parameters: Parameters
    frames: int
    units: int
    words: int
    chunks: int
    simulated_chunks: int
    sides: Mapping[str, SideResult]


def with_worst_block(layers: Sequence[LayerResult], side: str) -> LayerResult:
    """Return the one of some layers with the block that took a side longest."""
    return max(layers, key=lambda layer: layer.sides[side].run.worst_block_cycles)


def simulate_layer(
    layer: LayerWords,
    parameters: Parameters,
    settings: Settings,
    traces: list[Trace] | None,
    progress: Progress,
) -> LayerResult:
    """Simulate one layer, which has words; its traces are added to `traces`, where wanted."""
    info = layer.info
    picked = _sampled(info.chunks, settings)
    split = _Split(info, settings)
    window = settings.trace if traces is not None else None
    sides = {
        side: _Side(side, parameters, settings, split.units, window) for side in settings.sides
    }
    unit_words = np.zeros(split.units, np.int64)
    done = 0
    for number, chunk in enumerate(layer.chunks()):
        parts = split.parts(chunk, done)
        unit_words += [part.size for part in parts]
        if number in picked:
            for side in sides.values():
                side.feed(parts)
        done += chunk.size
        progress(Step(info.name, done, info.word_count))
        if settings.trace_only and all(side.is_traced for side in sides.values()):
            break
    results = {}
    for name, side in sides.items():
        results[name], trace = side.finish(unit_words.tolist(), len(picked) / info.chunks)
        if trace is not None and traces is not None:
            traces.append(trace)
    rank = len(info.shape)
    return LayerResult(
        name=info.name,
        shape=info.shape,
        parameters=parameters,
        frames=info.shape[0] if rank == 2 or rank >= 4 else 1,
        units=split.units,
        words=info.word_count,
        chunks=info.chunks,
        simulated_chunks=len(picked),
        sides=results,
    )


def _sampled(chunks: int, settings: Settings) -> set[int]:
    """Choose the chunks that are simulated: two at least, for an error to be known."""
    if settings.sample >= 1:
        return set(range(chunks))
    count = min(chunks, max(2, math.ceil(settings.sample * chunks)))
    return set(random.Random(settings.seed).sample(range(chunks), count))


def _deviations(count: int) -> float:
    """Return in how many standard errors 95 % of the means of so many chunks lie, two at least."""
    freedom = count - 1
    if freedom <= len(_FEW_DEVIATIONS):
        return _FEW_DEVIATIONS[freedom - 1]
    z = _DEVIATIONS
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


class _Split:
    """Deals words out to units, by channels in turn; `units` of them get any."""

    def __init__(self, info: LayerInfo, settings: Settings) -> None:
        self.units = settings.units
        rank = len(info.shape)
        axis = settings.channel_axis
        if axis is None:
            axis = 0 if rank in (1, 3) else 1
        if self.units > 1 and not -rank <= axis < rank:
            raise ParameterError(
                f"its shape {info.shape} has no axis {axis}", hint="give another --channel-axis"
            )
        if self.units > 1:
            axes = info.word_axes
            place = axes.index(axis % rank)
            inner = math.prod(info.shape[each] for each in axes[place + 1 :])
            self._inner = inner * info.words_per_element
            self._channels = info.shape[axis]
            self.units = min(self.units, self._channels)

    def parts(self, words: NDArray[np.uint32], start: int) -> list[NDArray[np.uint32]]:
        """Return each unit's share of words, the first of which is the layer's word `start`."""
        if self.units == 1:
            return [words]
        at = np.arange(start, start + words.size)
        owner = at // self._inner % self._channels % self.units
        return [words[owner == unit] for unit in range(self.units)]


class _Side:
    """The units of one side."""

    def __init__(
        self,
        side: str,
        parameters: Parameters,
        settings: Settings,
        units: int,
        window: range | None,
    ) -> None:
        self._window = window
        rate = settings.rate(parameters.word_bits, units)
        self._units = [
            _Unit(side, parameters, settings, rate, window if number == 0 else None)
            for number in range(units)
        ]

    def feed(self, parts: Sequence[NDArray[np.uint32]]) -> None:
        """Give each unit its share of a chunk."""
        for unit, words in zip(self._units, parts, strict=True):
            if words.size:
                unit.feed(words)

    @property
    def is_traced(self) -> bool:
        """Whether all cycles of which a trace is wanted are over."""
        return self._units[0].cycle >= self._window.stop if self._window else True

    def finish(self, unit_words: Sequence[int], share: float) -> tuple[SideResult, Trace | None]:
        """Step until all is out.

        Parameters
        ----------
        unit_words : sequence of int
            Of each unit, in the whole layer.
        share : float
            Of the chunks that were simulated.
        """
        results = [
            unit.finish(words, share) for unit, words in zip(self._units, unit_words, strict=True)
        ]
        slowest = max(results, key=lambda result: result.cycles)
        names = ("words", "znz_words", "bpc_words", "word_bits", "stream_bits")
        sums = {name: sum(getattr(result, name) for result in results) for name in names}
        return replace(slowest, **sums), self._units[0].trace


class _Unit:
    """One encoder or decoder, and how many cycles each transmission took it."""

    def __init__(
        self,
        side: str,
        parameters: Parameters,
        settings: Settings,
        rate: float,
        window: range | None,
    ) -> None:
        stalls = settings.stalls_of(side)
        quirks = settings.rtl_quirks
        self._model: Encoder | Decoder
        if side == "encoder":
            self._model = Encoder(
                parameters,
                stalls=stalls,
                rate=rate,
                wait_idle=settings.wait_idle,
                rtl_quirks=quirks,
                trace=window,
            )
        else:
            self._model = Decoder(
                parameters, stalls=stalls, rate=rate, rtl_quirks=quirks, trace=window
            )
        self._word_bits = parameters.word_bits
        self._marks: list[int] = []
        self._words: list[int] = []
        self.trace: Trace | None = None

    def feed(self, words: NDArray[np.uint32]) -> None:
        """Give it a transmission."""
        if isinstance(self._model, Encoder):
            self._model.feed(words)
        else:
            self._model.feed_words(words)
        self._marks.append(self._model.cycle)
        self._words.append(words.size)

    @property
    def cycle(self) -> int:
        """Cycles up to the last word that was fed."""
        return self._model.cycle

    def finish(self, words: int, share: float) -> SideResult:
        """Step until all is out; estimate for all words where they are a sample."""
        run, output = self._model.finish()
        self.trace = output.trace
        if share >= 1 or not self._words:
            return self._result(run, words, 1.0, run.cycles)
        # What a decoder's mark tells is that the transmission before is out.
        marks = self._marks[:-1] if isinstance(self._model, Encoder) else self._marks[1:]
        taken = np.diff([0, *marks, run.cycles]).astype(float)
        sizes = np.array(self._words, float)
        rate = taken.sum() / sizes.sum()
        count = len(sizes)
        error = 0.0
        if count > 1:
            spread = np.sum((taken - rate * sizes) ** 2) * (1 - share) / (count * (count - 1))
            error = _deviations(count) * math.sqrt(spread) / sizes.mean() * words
        return self._result(run, words, words / sizes.sum(), rate * words, error)

    def _result(
        self, run: Run, words: int, scale: float, cycles: float, error: float = 0.0
    ) -> SideResult:
        znz, bpc = round(run.znz_words * scale), round(run.bpc_words * scale)
        bits = self._word_bits
        return SideResult(run, words, znz, bpc, bits * words, bits * (znz + bpc), cycles, error)
