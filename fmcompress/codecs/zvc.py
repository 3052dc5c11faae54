"""Zero-value coding, as cDMA does it (docs/CODECS.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fmcompress.codecs.by_transmission import ByTransmission
from fmcompress.codecs.choices import check_choice

GROUPS = (8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Zvc(ByTransmission):
    """Parameters of zero-value coding.

    Parameters
    ----------
    group : {32, 8, 16, 64}
        Words that share a mask.

    Raises
    ------
    ParameterError
        If it is none of these.
    """

    name: ClassVar[str] = "zvc"
    number: ClassVar[int] = 3
    title: ClassVar[str] = "zero-value coding (Rhu et al., 2018)"
    kernels: ClassVar[str] = "zvc"
    streams: ClassVar[tuple[str, ...]] = ("mask and word",)

    group: int = 32

    def __post_init__(self) -> None:
        check_choice(self, "group", GROUPS)

    def numbers(self, word_bits: int) -> tuple[int, ...]:
        """Return w and the group."""
        return word_bits, self.group

    def most_bits(self, count: int, word_bits: int) -> tuple[int, int]:
        """Return the bits where no word is zero."""
        return 0, count * (1 + word_bits)

    def most_words(self, first_bits: int, second_bits: int, word_bits: int) -> int:
        """Return the words where all are zero."""
        return second_bits
