"""What a run of encoder or decoder took: cycles, words, and who waited for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import add
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmcompress.hardware.trace import Trace

# Why the control did not go on with a word, in the order in which people ask.
ENCODER_REASONS = ("producer", "znz port", "plane coder", "bpc port", "end")
DECODER_REASONS = ("number of words", "consumer", "znz port", "symbol decoder", "bpc port")


@dataclass(frozen=True, slots=True)
class Unit:
    """Cycles of one unit; they add up to those of the run.

    Attributes
    ----------
    name : str
    works : int
        In which it took a word, a flag or a code, or sent one (docs/HARDWARE.md, "Stalls").
    waits_for_input, waits_for_output : int
        In which it had nothing to do; in which it had, and whoever takes it was not ready.
    """

    name: str
    works: int
    waits_for_input: int
    waits_for_output: int

    def __add__(self, other: Unit) -> Unit:
        return Unit(
            self.name,
            self.works + other.works,
            self.waits_for_input + other.waits_for_input,
            self.waits_for_output + other.waits_for_output,
        )


@dataclass(frozen=True, slots=True)
class Run:
    """What encoder or decoder did from its reset until all was out.

    Attributes
    ----------
    side : str
        ``"encoder"`` or ``"decoder"``.
    cycles : int
        From cycle 0 up to, and with, that of the last handshake or of the control's return to its
        idle state, whichever is later.
    words, znz_words, bpc_words : int
        Words of the layer, and of both streams.
    waits : dict
        Cycles in which the control did not go on with a word, by reason.
    units : tuple of Unit
    blocks : int
    worst_block, worst_block_cycles : int
        Number of the block that plane coder or symbol decoder had longest, and how long.
    last_handshakes : dict
        Cycle of the last handshake of each port; of one without any, -1.
    buffer_cycles : int
        Encoder: cycles in which the output buffer held a word.
    """

    side: str
    cycles: int
    words: int
    znz_words: int
    bpc_words: int
    waits: Mapping[str, int]
    units: tuple[Unit, ...]
    blocks: int
    worst_block: int
    worst_block_cycles: int
    last_handshakes: Mapping[str, int]
    buffer_cycles: int = 0

    @property
    def works(self) -> int:
        """Cycles in which the control went on with a word."""
        return self.cycles - sum(self.waits.values())

    @property
    def words_per_cycle(self) -> float | None:
        """Throughput; None without cycles."""
        return self.words / self.cycles if self.cycles else None

    def __add__(self, other: Run) -> Run:
        """Add a run that comes behind this one, or before: cycles add up."""
        worse = other.worst_block_cycles > self.worst_block_cycles
        return Run(
            side=self.side,
            cycles=self.cycles + other.cycles,
            words=self.words + other.words,
            znz_words=self.znz_words + other.znz_words,
            bpc_words=self.bpc_words + other.bpc_words,
            waits={reason: self.waits[reason] + other.waits[reason] for reason in self.waits},
            units=tuple(map(add, self.units, other.units)),
            blocks=self.blocks + other.blocks,
            worst_block=self.blocks + other.worst_block if worse else self.worst_block,
            worst_block_cycles=max(self.worst_block_cycles, other.worst_block_cycles),
            last_handshakes={
                port: self.cycles + last if last >= 0 else self.last_handshakes[port]
                for port, last in other.last_handshakes.items()
            },
            buffer_cycles=self.buffer_cycles + other.buffer_cycles,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """What came out besides, where it was wanted.

    Attributes
    ----------
    streams : dict
        By port, the words that left through it, arrays of uint32.
    trace : Trace or None
    """

    streams: Mapping[str, NDArray[np.uint32]] = field(default_factory=dict)
    trace: Trace | None = None


def cycles_in_all(names: Sequence[str], profile: NDArray[np.int64]) -> dict[str, int]:
    """Return in how many cycles each of what a stepping kernel tells apart held.

    Parameters
    ----------
    names : sequence of str
        What the bits of a row's number stand for.
    profile : ndarray of int64, shape (2**len(names),)
        Cycles by what held in them.
    """
    rows = np.flatnonzero(profile)
    return {name: int(profile[rows[rows >> bit & 1 == 1]].sum()) for bit, name in enumerate(names)}
