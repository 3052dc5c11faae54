"""Relative indices, as EIE has them in its columns (docs/CODECS.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fmcompress.codecs.by_transmission import ByTransmission
from fmcompress.codecs.choices import check_choice
from fmcompress.stream_words import MOST_TRANSMISSION_WORDS

DISTANCES = (2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True, slots=True)
class Csc(ByTransmission):
    """Parameters of relative indices.

    Parameters
    ----------
    distance : {16, 2, 4, 8, 32, 64, 128, 256}
        D, the words that one pair of an index and a word can stand for at most.

    Raises
    ------
    ParameterError
        If it is none of these.
    """

    name: ClassVar[str] = "csc"
    number: ClassVar[int] = 5
    title: ClassVar[str] = "relative indices, as in the CSC of EIE (Han et al., 2016)"
    kernels: ClassVar[str] = "csc"
    streams: ClassVar[tuple[str, ...]] = ("index and word",)

    distance: int = 16

    def __post_init__(self) -> None:
        check_choice(self, "distance", DISTANCES)

    @property
    def index_bits(self) -> int:
        """d, the bits of an index."""
        return self.distance.bit_length() - 1

    def numbers(self, word_bits: int) -> tuple[int, ...]:
        """Return w and d."""
        return word_bits, self.index_bits

    def most_bits(self, count: int, word_bits: int) -> tuple[int, int]:
        """Return the bits where no word is zero."""
        return 0, count * (self.index_bits + word_bits)

    def most_words(self, first_bits: int, second_bits: int, word_bits: int) -> int:
        """Return the limit of all codecs: zeros at the end take no bits."""
        return MOST_TRANSMISSION_WORDS
