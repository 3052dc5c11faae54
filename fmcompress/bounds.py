"""How few bits a layer's words could take: their entropy, alone and given the word before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fmcompress.errors import ParameterError
from fmcompress.kernel_loading import kernel, kernel_words
from fmcompress.stream_words import check_word_bits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Of wider words there are too many values to count, and too few words to tell how often each pair
# of values occurs.
MOST_WORD_BITS, MOST_PAIR_BITS = 16, 8


class Bounds:
    """The entropy of one layer's words, as often as each value occurs in this very layer.

    No code that codes each word by itself can take fewer bits than the order-0 entropy, nor one
    that knows the left neighbour fewer than the entropy given that. The left neighbour is the word
    before, in word order; the first word has none and is left out of that sum, so that it is
    never the larger of both.

    Parameters
    ----------
    word_bits : int
        w, 1 to 32.

    Attributes
    ----------
    words : int
        How many there were.
    times : ndarray of int64, shape (2**w,), or None
        How often each value occurred; None where w > 16.

    Raises
    ------
    ParameterError
        If the word width is another.
    """

    def __init__(self, word_bits: int) -> None:
        import numpy as np

        check_word_bits(word_bits)
        self.words = 0
        self.times: NDArray[np.int64] | None = None
        self._word_bits = word_bits
        self._left = -1
        if word_bits <= MOST_WORD_BITS:
            values = 1 << word_bits
            paired = values if word_bits <= MOST_PAIR_BITS else 0
            self.times = np.zeros(values, np.int64)
            self._pairs = np.zeros((paired, paired), np.int64)

    def add(self, words: NDArray[Any]) -> None:
        """Count the layer's next words.

        Parameters
        ----------
        words : ndarray of unsigned integers, shape (count,)
            Bit patterns, in word order.

        Raises
        ------
        ParameterError
            If one has more than w bits.
        """
        if words.size and int(words.max()) >> self._word_bits:
            raise ParameterError(f"word {words.max()} has more than {self._word_bits} bits")
        self.words += words.size
        if self.times is not None:
            wide = kernel_words(words)
            left = kernel("entropy", "count")(wide, self._left, self.times, self._pairs)
            self._left = int(left)

    @property
    def order0_bits(self) -> float | None:
        """Order-0 entropy, bits of all words together; None where w > 16."""
        return None if self.times is None else _entropy_bits(self.times[None, :])

    @property
    def order0_bits_per_word(self) -> float | None:
        """Order-0 entropy, bits per word; None where w > 16, or without words."""
        return self._per_word(self.order0_bits)

    @property
    def given_left_bits(self) -> float | None:
        """Entropy given the left neighbour, bits of all words but the first; None where w > 8."""
        return None if self._word_bits > MOST_PAIR_BITS else _entropy_bits(self._pairs)

    @property
    def given_left_bits_per_word(self) -> float | None:
        """Entropy given the left neighbour, `given_left_bits` ÷ words; None where w > 8, or without words."""
        return self._per_word(self.given_left_bits)

    def _per_word(self, bits: float | None) -> float | None:
        return bits / self.words if bits is not None and self.words else None


def _entropy_bits(times: NDArray[np.int64]) -> float:
    """Return the bits of words that occur so often, each row with a code of its own."""
    import numpy as np

    rows, columns = np.nonzero(times)
    found = times[rows, columns]
    return float((found * np.log2(times.sum(axis=1)[rows] / found)).sum())
