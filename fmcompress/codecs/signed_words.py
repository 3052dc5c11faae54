"""Codecs to which it makes a difference whether words are signed numbers (docs/CODECS.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from fmcompress.codecs.by_transmission import ByTransmission
from fmcompress.codecs.choices import check_choice
from fmcompress.codecs.codec import Codec
from fmcompress.kernel_loading import kernel, kernel_words

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SignedWords(ByTransmission):
    """A codec with a parameter `signed`.

    Attributes
    ----------
    signed : bool or None
        Whether words are two's complement numbers; None before `fitted`, where nobody said it.
    """

    __slots__ = ()

    signed: bool | None

    def __post_init__(self) -> None:
        if self.signed is not None:
            check_choice(self, "signed", (False, True))

    @property
    def is_signed(self) -> bool:
        """Whether words are two's complement numbers; they are, until `fitted` finds otherwise."""
        return self.signed is not False

    def fitted(self, words: Callable[[], Iterable[NDArray[Any]]], word_bits: int) -> Self:
        """Return the codec with the sign that suits a layer's words, unless one was given."""
        return self if self.signed is not None else self.with_sign(are_signed(words, word_bits))

    def with_sign(self, signed: bool) -> Self:
        """Return the codec for such words."""
        return replace(self, signed=signed)  # type: ignore[type-var]


def are_signed(words: Callable[[], Iterable[NDArray[Any]]], word_bits: int) -> bool:
    """Tell whether a layer's words are shorter as two's complement numbers.

    What elements were does not tell: with ReLU's zero point subtracted, no word is negative, and
    unsigned elements around a zero point become words around 0.

    Parameters
    ----------
    words : callable
        Returns an iterator over them, as arrays.
    word_bits : int
        w, 1 to 32.
    """
    unsigned_bits = signed_bits = 0
    for part in words():
        unsigned, signed = kernel("word_signs", "count")(kernel_words(part), word_bits)
        unsigned_bits += int(unsigned)
        signed_bits += int(signed)
    return signed_bits < unsigned_bits


def all_fitted(
    codecs: Sequence[Codec], words: Callable[[], Iterable[NDArray[Any]]], word_bits: int
) -> list[Codec]:
    """Return codecs fitted to a layer, whose words are looked through for their sign once.

    Parameters
    ----------
    codecs : sequence of Codec
    words, word_bits
        As of `Codec.fitted`.
    """
    signed = cache(lambda: are_signed(words, word_bits))
    told = [
        codec.with_sign(signed())
        if isinstance(codec, SignedWords) and codec.signed is None
        else codec
        for codec in codecs
    ]
    return [codec.fitted(words, word_bits) for codec in told]
