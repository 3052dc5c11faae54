"""Whether a layer's words are signed numbers, for codecs to which that makes a difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from fmcompress.kernel_loading import kernel, kernel_words

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
