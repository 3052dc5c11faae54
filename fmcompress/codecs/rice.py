"""Adaptive Golomb-Rice coding, of all words (docs/CODECS.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fmcompress.codecs.choices import check_choice
from fmcompress.codecs.signed_words import SignedWords
from fmcompress.stream_words import position_bits

BLOCKS = (8, 16, 32, 64, 128)


@dataclass(frozen=True, slots=True)
class Rice(SignedWords):
    """Parameters of adaptive Golomb-Rice coding.

    Parameters
    ----------
    block : {32, 8, 16, 64, 128}
        Words that share a k.
    signed : bool, optional
        Whether words are two's complement numbers; by default, `fitted` finds what makes a layer
        shorter, and until then they are.

    Raises
    ------
    ParameterError
        If a parameter is none of these.
    """

    name: ClassVar[str] = "rice"
    number: ClassVar[int] = 8
    title: ClassVar[str] = "adaptive Golomb-Rice coding"
    kernels: ClassVar[str] = "rice"
    streams: ClassVar[tuple[str, ...]] = ("Rice",)

    block: int = 32
    signed: bool | None = None

    def __post_init__(self) -> None:
        check_choice(self, "block", BLOCKS)
        SignedWords.__post_init__(self)

    def numbers(self, word_bits: int) -> tuple[int, ...]:
        """Return w, the bits of the field for k, the block, and whether words are signed."""
        return word_bits, position_bits(word_bits), self.block, self.is_signed

    def most_bits(self, count: int, word_bits: int) -> tuple[int, int]:
        """Return the bits with k = w - 1, where no code has more than w + 1; others are better."""
        blocks = -(-count // self.block)
        return 0, blocks * position_bits(word_bits) + count * (word_bits + 1)

    def most_words(self, first_bits: int, second_bits: int, word_bits: int) -> int:
        """Return the words where each takes one bit."""
        return second_bits
