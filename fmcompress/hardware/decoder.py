"""The decoder: both streams in, words out, and what that took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fmcompress.codecs.ebpc import MAX_BURSTS, Ebpc
from fmcompress.errors import ParameterError
from fmcompress.hardware.checks import check_streams, checked_words
from fmcompress.hardware.encoder import Encoder
from fmcompress.hardware.parameters import Parameters
from fmcompress.hardware.patterns import Pattern
from fmcompress.hardware.run import DECODER_REASONS, Output, Run, Unit
from fmcompress.hardware.session import Session, padded
from fmcompress.hardware.timing import DecoderTiming, measure
from fmcompress.kernel_loading import kernels
from fmcompress.numbers import switch, whole
from fmcompress.stream_words import words_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

module = kernels("hardware_decoder")

# There are never so many numbers of words.
_NEVER = 1 << 29


class Transmission(NamedTuple):
    """What the decoder is given for one transmission.

    Attributes
    ----------
    words : int
        Number of words, at least 1.
    znz, bpc : ndarray of uint32, shape (count,)
        Stream words.
    """

    words: int
    znz: NDArray[np.uint32]
    bpc: NDArray[np.uint32]

    @classmethod
    def of(cls, given: ArrayLike, parameters: Parameters) -> Transmission:
        """Encode words, as the hardware does.

        Raises
        ------
        ParameterError
            If it is given anything but words.
        """
        bits = parameters.word_bits
        words = checked_words(given, bits)
        if parameters.max_burst not in MAX_BURSTS:  # the hardware's may be longer than the codec's
            encoder = Encoder(parameters, keep_streams=True)
            encoder.feed(words)
            streams = encoder.finish()[1].streams
            return cls(words.size, streams["znz"], streams["bpc"])
        coded = Ebpc(parameters.block_size, parameters.max_burst).encode(words, bits)
        return cls(words.size, *(words_of(stream, bits) for stream in coded))

    def checked(self, parameters: Parameters) -> Transmission:
        """Return the same as the kernels take it.

        Raises
        ------
        ParameterError
            If these are no words of such streams, of whatever size.
        """
        bits = parameters.word_bits
        count = whole("the number of words", self.words, 1)
        znz = checked_words(self.znz, bits, "ZNZ words")
        bpc = checked_words(self.bpc, bits, "BPC words")
        return Transmission(count, znz, bpc)


class Decoder(Session):
    """The decoder and its test bench, from reset on.

    Parameters
    ----------
    parameters : Parameters
    stalls : mapping, optional
        Stall patterns, or their texts, of the ports ``number``, ``znz``, ``bpc`` and ``out``.
    rate : float
        Words of both streams together that may come in a cycle; 0 for no limit, else from 2^-28
        on.
    rtl_quirks : bool
        Whether to do what the RTL does where it is wrong.
    keep_words : bool
        Whether the words are wanted.
    trace : range, optional
        Cycles of which a trace is wanted, 2^20 at most.

    Raises
    ------
    ParameterError
        If there is no such port or pattern, the rate cannot be, or the trace.
    DamagedError, OSError
        If the file that a pattern names cannot be read, or holds anything else.
    """

    def __init__(
        self,
        parameters: Parameters,
        *,
        stalls: Mapping[str, Pattern | str] | None = None,
        rate: float = 0,
        rtl_quirks: bool = False,
        keep_words: bool = False,
        trace: range | None = None,
    ) -> None:
        super().__init__(
            "decoder",
            parameters,
            stalls=stalls,
            rate=rate,
            switches={"quirks": switch("rtl_quirks", rtl_quirks)},
            scratch=lambda p: (
                np.zeros(p.word_bits + 3, np.int64),
                np.zeros(p.block_size, np.int64),
            ),
            outputs={"out": "out_words"},
            keep=switch("keep_words", keep_words),
            trace=trace,
        )
        self._next: list[Transmission] = []
        self._accepted = False  # the number of words of the next one
        self._coupled = True
        self._streams = [0, 0]
        self._mark = 0
        self._timing = DecoderTiming(self._setup) if self._is_timed else None

    def feed(self, *transmissions: Transmission) -> None:
        """Offer transmissions, and step until the last one's number of words is accepted.

        The words of a transmission are offered only behind its number of words. The RTL swallows
        words that come earlier; `run_uncoupled` shows that.

        Raises
        ------
        ParameterError
            If it has finished, or is given anything but streams of a size that there is.
        DeadlockError
            If a port never goes.
        """
        self._check_open()
        given = self._checked(transmissions)
        for words, znz, bpc in given:
            check_streams(words, znz.size, bpc.size, self._parameters)
        if self._timing is not None and self._timing.state.cycle:
            raise ParameterError("streams behind words", hint="feed one kind")
        self._timing = None
        self._feed(given)

    def _checked(self, transmissions: Sequence[Transmission]) -> list[Transmission]:
        for each in transmissions:
            if not isinstance(each, Transmission):
                raise ParameterError(
                    f"{type(each).__name__} is no Transmission",
                    hint="give number of words and both streams, or feed_words words",
                )
        return [each.checked(self._parameters) for each in transmissions]

    def _feed(self, transmissions: Sequence[Transmission]) -> None:
        self._next += transmissions
        if len(self._next) > 1:
            self._offer(self._next[:-1], self._next[-1].words)
            del self._next[:-1]
            self._accepted = True

    @property
    def cycle(self) -> int:
        """Cycles up to the last number of words that was accepted."""
        return int(self._units.bench.cycle) if self._timing is None else self._mark

    def feed_words(self, *transmissions: ArrayLike) -> None:
        """Offer the streams of these words, as `feed` does.

        Where no port ever stalls, they are not even made: time follows from the words.

        Parameters
        ----------
        transmissions : array_like of integers, shape (count,)
            Words as bit patterns. One without words is left out: the hardware cannot have it.

        Raises
        ------
        ParameterError
            If it has finished, or is given anything but words.
        DeadlockError
            If a port never goes.
        """
        self._check_open()
        p = self._parameters
        for words in [checked_words(each, p.word_bits) for each in transmissions]:
            if not words.size:
                continue
            if self._timing is None:
                self._feed([Transmission.of(words, p)])
            else:
                ends = np.array([words.size], np.int64)
                before = int(self._timing.state.cycle)
                self._mark = before + 1 if before else 0
                self._timing.feed(measure(words, ends, p))

    def _drain(self) -> None:
        if self._next:
            self._offer(self._next, None)
            self._next = []

    def run_uncoupled(self, *transmissions: Transmission, cycles: int) -> tuple[Run, Output]:
        """Offer everything from the first cycle on, for so many cycles at most.

        Only then does the RTL show what it does wrong with words that come too early. Streams may
        be of any size.

        Raises
        ------
        ParameterError
            If it has been fed or has finished, or is given anything but transmissions.
        """
        self._check_open()
        given, last = self._checked(transmissions), whole("cycles", cycles, 1)
        if self._next or (self._timing is not None and self._timing.state.cycle):
            raise ParameterError("the decoder has been fed before", hint="make another one")
        self._timing = None
        self._coupled = False
        self._offer(given, None, last)
        return self.finish()

    def _offer(
        self, given: Sequence[Transmission], following: int | None, last_cycle: int = 1 << 62
    ) -> None:
        """Offer transmissions, and step until the number of words that follows is accepted.

        Without one, until all is out.
        """
        numbers = [part.words for part in given] + ([] if following is None else [following])
        inputs = (
            padded(np.array(numbers, np.int64)),
            _stream([part.znz for part in given], self._coupled),
            _stream([part.bpc for part in given], self._coupled),
        )
        places = {"number_at": int(self._accepted), "znz_at": 0, "bpc_at": 0}
        until = module.ALL_OUT if following is None else module.ALL_ACCEPTED
        self._step(inputs, until, places, last_cycle)
        bench = self._units.bench
        self._streams[0] += int(bench.znz_at)
        self._streams[1] += int(bench.bpc_at)

    def _handshakes(self) -> int:
        bench = self._units.bench
        return int(
            sum(self._streams) + bench.out_words + bench.number_at + bench.znz_at + bench.bpc_at
        )

    def _waits(self) -> str:
        u, z = self._units, int(self._setup.burst_bits)
        if not u.control.running:
            return "the control waits for the port number"
        top = u.znz.held > 0 and u.znz.bits >> (u.znz.held - 1) == 1
        if not (u.znz.run > 0 or top or u.znz.held > z):
            return "the control waits for the ZNZ decoder, and that for the port znz"
        if u.slice.full or u.znz.run > 0 or not top:
            return "the control waits for the port out"
        return "the control waits for the symbol decoder, and that for the port bpc"

    def _run(self, cycles_of: Mapping[str, int], counts: Sequence[int], timed: Any) -> Run:
        state = self._units.bench if timed is None else timed
        streams = self._streams if timed is None else (int(timed.znz_at), int(timed.bpc_at))
        return _run(
            cycles_of,
            cycles=int(state.cycle),
            words=int(state.out_words),
            streams=(streams[0], streams[1]),
            counts=counts,
        )


def _stream(parts: Sequence[NDArray[np.uint32]], coupled: bool) -> NDArray[np.int64]:
    """Put the words of transmissions one behind the other, as the kernel takes them.

    Parameters
    ----------
    parts : sequence of ndarray of uint32
        By transmission.
    coupled : bool
        Whether they are offered only behind the transmission's number of words.
    """
    words = np.concatenate([np.zeros(0, np.uint32), *parts]).astype(np.uint32)
    sizes = np.array([part.size for part in parts], np.int64)
    needed = np.arange(1, len(parts) + 1) * coupled
    elements = words | np.repeat(needed, sizes) << module.NEEDED
    elements[np.cumsum(sizes[sizes > 0]) - 1] |= 1 << module.LAST
    return np.append(elements, _NEVER << module.NEEDED)


def _run(
    cycles_of: Mapping[str, int],
    *,
    cycles: int,
    words: int,
    streams: tuple[int, int],
    counts: Sequence[int],
) -> Run:
    """Make a run of what was counted.

    Parameters
    ----------
    cycles_of : mapping
        Cycles in which each of the kernel's `PROFILE` held. Of those in which the control waits
        for a word, `waits_port` are charged to the port, which has made the symbol decoder late.
    """
    t = cycles_of
    waits = {
        "consumer": t["waits_consumer"],
        "znz port": t["waits_znz"],
        "symbol decoder": t["waits_word"] - t["waits_port"],
        "bpc port": t["waits_port"],
    }
    waits["number of words"] = cycles - words - sum(waits.values())
    starved = cycles - t["symbol_pushes"] - t["symbol_blocked"]

    def unit(name: str, works: int, waits_for_input: int) -> Unit:
        return Unit(name, works, waits_for_input, cycles - works - waits_for_input)

    return Run(
        side="decoder",
        cycles=cycles,
        words=words,
        znz_words=streams[0],
        bpc_words=streams[1],
        waits={reason: waits[reason] for reason in DECODER_REASONS},
        units=(
            unit("control", words, cycles - words - waits["consumer"]),
            unit("ZNZ decoder", words, cycles - words - t["znz_blocked"]),
            unit("unpacker", t["unpacker_gives"], starved),
            unit("symbol decoder", t["symbol_pushes"], starved),
            unit("delta integrator", t["slice_gives"], cycles - t["slice_full"]),
        ),
        blocks=counts[module.BLOCKS],
        worst_block=counts[module.WORST_BLOCK],
        worst_block_cycles=counts[module.WORST_BLOCK_CYCLES],
        last_handshakes={
            "number": counts[module.NUMBER_END] - 1,
            "znz": counts[module.ZNZ_END] - 1,
            "bpc": counts[module.BPC_END] - 1,
            "out": counts[module.OUT_END] - 1,
        },
    )
