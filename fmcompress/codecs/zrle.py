"""Zero-run-length coding (docs/CODECS.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fmcompress.codecs.by_transmission import ByTransmission
from fmcompress.codecs.choices import check_choice
from fmcompress.codecs.ebpc import MAX_BURSTS


@dataclass(frozen=True, slots=True)
class Zrle(ByTransmission):
    """Parameters of zero-run-length coding.

    Parameters
    ----------
    max_burst : {16, 2, 4, 8, 32, 64}
        R, the longest zero run that one symbol holds.

    Raises
    ------
    ParameterError
        If it is none of these.
    """

    name: ClassVar[str] = "zrle"
    number: ClassVar[int] = 4
    title: ClassVar[str] = "zero-run-length coding"
    kernels: ClassVar[str] = "zrle"
    streams: ClassVar[tuple[str, ...]] = ("run and word",)

    max_burst: int = 16

    def __post_init__(self) -> None:
        check_choice(self, "max_burst", MAX_BURSTS)

    @property
    def run_bits(self) -> int:
        """z, the bits of a run's length."""
        return self.max_burst.bit_length() - 1

    def numbers(self, word_bits: int) -> tuple[int, ...]:
        """Return w and z."""
        return word_bits, self.run_bits

    def most_bits(self, count: int, word_bits: int) -> tuple[int, int]:
        """Return a bound: each word takes no more than one that is not zero, or a run of one."""
        return 0, count * (1 + max(word_bits, self.run_bits))

    def most_words(self, first_bits: int, second_bits: int, word_bits: int) -> int:
        """Return the words where all are zero."""
        return second_bits * self.max_burst // (1 + self.run_bits)
