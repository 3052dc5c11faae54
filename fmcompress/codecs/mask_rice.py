"""Adaptive Golomb-Rice coding of the words that are not zero, behind a mask (docs/CODECS.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fmcompress.codecs.rice import Rice


@dataclass(frozen=True, slots=True)
class MaskRice(Rice):
    """Parameters of adaptive Golomb-Rice coding behind a mask: as of `Rice`.

    A block's words are those that are not zero.
    """

    name: ClassVar[str] = "mask-rice"
    number: ClassVar[int] = 9
    title: ClassVar[str] = "a mask, and adaptive Golomb-Rice coding of words that are not zero"
    encoder: ClassVar[str] = "encode_masked"
    decoder: ClassVar[str] = "decode_masked"
    streams: ClassVar[tuple[str, ...]] = ("mask", "Rice")

    def most_bits(self, count: int, word_bits: int) -> tuple[int, int]:
        """Return the bits of the mask, and those where no word is zero."""
        _, second_bits = Rice.most_bits(self, count, word_bits)
        return count, second_bits

    def most_words(self, first_bits: int, second_bits: int, word_bits: int) -> int:
        """Return the words of such a mask."""
        return first_bits
