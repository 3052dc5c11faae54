"""ShapeShifter: a width of its own for each group of words (docs/CODECS.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fmcompress.codecs.choices import check_choice
from fmcompress.codecs.signed_words import SignedWords
from fmcompress.stream_words import position_bits

GROUPS = (8, 16, 32, 64, 128, 256)


@dataclass(frozen=True, slots=True)
class ShapeShifter(SignedWords):
    """Parameters of ShapeShifter.

    Parameters
    ----------
    group : {16, 8, 32, 64, 128, 256}
        Words that share a mask and a width.
    signed : bool, optional
        Whether words are two's complement numbers; by default, `fitted` finds what makes a layer
        shorter, and until then they are.

    Raises
    ------
    ParameterError
        If a parameter is none of these.
    """

    name: ClassVar[str] = "shapeshifter"
    number: ClassVar[int] = 7
    title: ClassVar[str] = "ShapeShifter, a width for each group (Lascorz et al., 2019)"
    kernels: ClassVar[str] = "shapeshifter"
    streams: ClassVar[tuple[str, ...]] = ("group",)

    group: int = 16
    signed: bool | None = None

    def __post_init__(self) -> None:
        check_choice(self, "group", GROUPS)
        SignedWords.__post_init__(self)

    def numbers(self, word_bits: int) -> tuple[int, ...]:
        """Return w, the bits of the width field, the group, and whether words are signed."""
        return word_bits, position_bits(word_bits), self.group, self.is_signed

    def most_bits(self, count: int, word_bits: int) -> tuple[int, int]:
        """Return the bits where every word takes the full width."""
        groups = -(-count // self.group)
        return 0, groups * position_bits(word_bits) + count * (1 + self.is_signed + word_bits)

    def most_words(self, first_bits: int, second_bits: int, word_bits: int) -> int:
        """Return the words where all are zero."""
        return second_bits
