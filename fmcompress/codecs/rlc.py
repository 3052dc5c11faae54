"""Run-length coding, as Eyeriss does it (docs/CODECS.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fmcompress.codecs.by_transmission import ByTransmission
from fmcompress.codecs.choices import check_choice

RUN_BITS = (2, 3, 4, 5, 6, 8)
BUS_WORD_BITS = 64


@dataclass(frozen=True, slots=True)
class Rlc(ByTransmission):
    """Parameters of the run-length coding of Eyeriss.

    Parameters
    ----------
    run_bits : {5, 2, 3, 4, 6, 8}
        r, the bits of a run of zeros.

    Raises
    ------
    ParameterError
        If it is none of these.
    """

    name: ClassVar[str] = "rlc"
    number: ClassVar[int] = 6
    title: ClassVar[str] = "run-length coding of Eyeriss (Chen et al., 2016)"
    kernels: ClassVar[str] = "rlc"
    streams: ClassVar[tuple[str, ...]] = ("run and level",)

    run_bits: int = 5

    def __post_init__(self) -> None:
        check_choice(self, "run_bits", RUN_BITS)

    def numbers(self, word_bits: int) -> tuple[int, ...]:
        """Return w and r."""
        return word_bits, self.run_bits

    def most_bits(self, count: int, word_bits: int) -> tuple[int, int]:
        """Return the bits where no word is zero."""
        return 0, -(-count // self._pairs(word_bits)) * BUS_WORD_BITS

    def most_words(self, first_bits: int, second_bits: int, word_bits: int) -> int:
        """Return the words where all are zero."""
        return (second_bits // BUS_WORD_BITS * self._pairs(word_bits)) << self.run_bits

    def _pairs(self, word_bits: int) -> int:
        """Return how many pairs a bus word holds; its last bit belongs to none."""
        return (BUS_WORD_BITS - 1) // (self.run_bits + word_bits)
