"""The encoder: words in, both streams out, and what that took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fmcompress.hardware.checks import checked_words
from fmcompress.hardware.parameters import Parameters
from fmcompress.hardware.patterns import Pattern
from fmcompress.hardware.run import ENCODER_REASONS, Run, Unit
from fmcompress.hardware.session import Session, padded
from fmcompress.hardware.timing import EncoderTiming, measure
from fmcompress.kernel_loading import kernel, kernels
from fmcompress.numbers import switch

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

module = kernels("hardware_encoder")
done_module = kernels("hardware_done")

# Where the test bench is before the first of the transmissions that it is given.
_START = {"at": 0, "transmission": 0}


class Encoder(Session):
    """The encoder and its test bench, from reset on.

    Parameters
    ----------
    parameters : Parameters
    stalls : mapping, optional
        Stall patterns, or their texts, of the ports ``in``, ``znz`` and ``bpc``.
    rate : float
        Words of both streams together that may leave in a cycle; 0 for no limit, else from 2^-28
        on.
    wait_idle : bool
        Whether the producer offers the next transmission only behind idle_o.
    rtl_quirks : bool
        Whether to do what the RTL does where it is wrong.
    keep_streams : bool
        Whether the streams are wanted.
    trace : range, optional
        Cycles of which a trace is wanted, 2^20 at most.

    Raises
    ------
    ParameterError
        If there is no such port or pattern, the rate cannot be, or the trace; or a switch is
        neither True nor False.
    DamagedError, OSError
        If the file that a pattern names cannot be read, or holds anything else.
    """

    _more_columns = ("blk_done",)

    def __init__(
        self,
        parameters: Parameters,
        *,
        stalls: Mapping[str, Pattern | str] | None = None,
        rate: float = 0,
        wait_idle: bool = False,
        rtl_quirks: bool = False,
        keep_streams: bool = False,
        trace: range | None = None,
    ) -> None:
        super().__init__(
            "encoder",
            parameters,
            stalls=stalls,
            rate=rate,
            switches={
                "wait_idle": switch("wait_idle", wait_idle),
                "quirks": switch("rtl_quirks", rtl_quirks),
            },
            scratch=lambda p: (
                np.zeros(p.block_size + 1, np.int64),
                np.zeros((2 * p.word_bits + 3, 2), np.int64),
                np.zeros(p.word_bits + 1, np.int64),
            ),
            outputs={"znz": "znz_words", "bpc": "bpc_words"},
            keep=switch("keep_streams", keep_streams),
            trace=trace,
        )
        self._done = np.zeros(len(done_module.Done._fields), np.int64)
        self._words = self._last_in = 0
        self._timing = EncoderTiming(self._setup) if self._is_timed else None

    def feed(self, *transmissions: ArrayLike) -> None:
        """Offer transmissions, and step until all their words are accepted.

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
        bits = self._parameters.word_bits
        given = [words for each in transmissions if (words := checked_words(each, bits)).size]
        if not given:
            return
        words = np.concatenate(given)
        ends = np.cumsum([part.size for part in given], dtype=np.int64)
        if self._timing is not None:
            self._timing.feed(measure(words, ends, self._parameters))
        else:
            self._step((padded(words), padded(ends)), module.ALL_ACCEPTED, _START)
            self._last_in = int(self._units.bench.cycle)
        self._words += words.size

    @property
    def cycle(self) -> int:
        """Cycles up to the last word that was fed."""
        bench = self._units.bench
        return int(bench.cycle if self._timing is None else self._timing.state.in_end)

    def _drain(self) -> None:
        nothing = np.zeros(1, np.uint32)
        self._step((nothing, nothing.astype(np.int64)), module.ALL_OUT, _START)

    def _keep_rows(self, first: int, rows: NDArray[np.int64]) -> None:
        pulses = np.zeros(len(rows), np.int64)
        looked = np.ascontiguousarray(
            rows[:, [module.COLUMNS.index(name) for name in done_module.COLUMNS]]
        )
        kernel("hardware_done", "blk_done")(looked, self._done, self._setup.quirks, pulses)
        super()._keep_rows(first, np.column_stack([rows, pulses]))

    def _handshakes(self) -> int:
        bench = self._units.bench
        return int(self._words + bench.at + bench.znz_words + bench.bpc_words)

    def _waits(self) -> str:
        u = self._units
        if u.znz.valid:
            return "the control waits for the ZNZ coder, and that for the port znz"
        if u.packer.valid and u.buffer.full:
            return (
                "the control waits for the plane coder, that for the output buffer, and that for "
                "the port bpc"
            )
        if u.buffer.full:
            return "the output buffer waits for the port bpc"
        return "the control waits for the port in"

    def _run(self, cycles_of: Mapping[str, int], counts: Sequence[int], timed: Any) -> Run:
        state = self._units.bench if timed is None else timed
        return _run(
            cycles_of,
            cycles=int(state.cycle),
            words=self._words,
            streams=(int(state.znz_words), int(state.bpc_words)),
            counts=counts,
            last_in=(self._last_in if timed is None else int(timed.in_end)) - 1,
            block_size=self._parameters.block_size,
        )


def _run(
    cycles_of: Mapping[str, int],
    *,
    cycles: int,
    words: int,
    streams: tuple[int, int],
    counts: Sequence[int],
    last_in: int,
    block_size: int,
) -> Run:
    """Make a run of what was counted.

    Parameters
    ----------
    cycles_of : mapping
        Cycles in which each of the kernel's `PROFILE` held. Of those in which the control waits
        for the BPC side with a word, or at the end, `waits_port` and `END_AT_PORT` are charged to
        the port, which has made the plane coder late.
    """
    t = cycles_of
    end_at_port, coder_works = counts[module.END_AT_PORT], counts[module.CODER_WORKS]
    waits = {
        "producer": t["waits_producer"],
        "znz port": t["waits_znz"],
        "plane coder": t["waits_bpc"] - t["waits_port"],
        "bpc port": t["waits_port"] + end_at_port,
        "end": counts[module.WAITS_END] - end_at_port,
    }
    works = cycles - sum(waits.values())
    blocks = counts[module.BLOCKS]

    def unit(name: str, works: int, blocked: int) -> Unit:
        return Unit(name, works, cycles - works - blocked, blocked)

    return Run(
        side="encoder",
        cycles=cycles,
        words=words,
        znz_words=streams[0],
        bpc_words=streams[1],
        waits={reason: waits[reason] for reason in ENCODER_REASONS},
        units=(
            unit("control", works, cycles - works - waits["producer"]),
            unit("ZNZ coder", words, t["znz_blocked"]),
            unit("difference block", blocks * block_size, t["difference_blocked"]),
            unit("plane coder", coder_works, counts[module.CODER_FULL] - coder_works),
            unit("bit packer", t["packer_takes"], t["packer_blocked"]),
            unit("output buffer", streams[1], t["buffer_blocked"]),
        ),
        blocks=blocks,
        worst_block=counts[module.WORST_BLOCK],
        worst_block_cycles=counts[module.WORST_BLOCK_CYCLES],
        last_handshakes={
            "in": last_in,
            "znz": counts[module.ZNZ_END] - 1,
            "bpc": counts[module.BPC_END] - 1,
        },
        buffer_cycles=t["buffer_full"],
    )
