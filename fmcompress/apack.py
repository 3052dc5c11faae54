"""How large APack makes a layer: a model of its size, and no encoder.

APack (Lascorz, Mahmoud and Moshovos, 2022, https://arxiv.org/abs/2201.08830) divides the values of
quantised words into ranges. A word's range is coded arithmetically, and its offset in that range
stands beside as it is. The method is patented (US 11,928,566): nothing here writes or reads such
streams. What is said of it is our reading: the paper searches for a good division, and here is the
best one there is; the arithmetic coder is an ideal one.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fmcompress.errors import ParameterError
from fmcompress.kernel_loading import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_WORD_BITS = 8
RANGES = 16  # rows of the table
PROBABILITY_BITS = 10  # the counts of all ranges add up to 1024


class Range(NamedTuple):
    """A range of values.

    Attributes
    ----------
    start, size : int
        Its first value; how many there are.
    words : int
        How many words lie in it.
    probability : int
        Of 1024; 0 where no words lie in it.
    """

    start: int
    size: int
    words: int
    probability: int

    @property
    def offset_bits(self) -> int:
        """Bits that tell its values apart."""
        return (self.size - 1).bit_length()


class ApackSize(NamedTuple):
    """What a layer takes.

    Attributes
    ----------
    ranges : tuple of Range
    code_bits : int
        Of the arithmetic code of all words' ranges.
    offset_bits : int
        Of the offsets of all words.
    table_bits : int
        Of the table: of each row the first value, the last one and the probability.
    """

    ranges: tuple[Range, ...]
    code_bits: int
    offset_bits: int
    table_bits: int

    @property
    def bits(self) -> int:
        """All together."""
        return self.code_bits + self.offset_bits + self.table_bits


def apack_size(times: NDArray[Any], word_bits: int) -> ApackSize:
    """Return what a layer's words take.

    Parameters
    ----------
    times : ndarray of int64, shape (2**w,)
        How often each value occurs, as `Bounds.times`.
    word_bits : int
        w, 1 to 8.

    Raises
    ------
    ParameterError
        If the word width is another, or not that of the counts.
    """
    import numpy as np

    if not 1 <= word_bits <= MOST_WORD_BITS or times.shape != (1 << word_bits,):
        raise ParameterError(
            f"{times.size} counts for words of {word_bits} bits, not 2^w for 1 to {MOST_WORD_BITS}"
        )
    table_bits = RANGES * (2 * word_bits + PROBABILITY_BITS)
    if not times.any():
        return ApackSize((), 0, 0, table_bits)
    counts = np.ascontiguousarray(times, np.int64)
    starts = kernel("value_ranges", "divide")(counts, RANGES).tolist()
    words = np.add.reduceat(counts, starts).tolist()
    sizes = [end - start for start, end in zip(starts, [*starts[1:], times.size], strict=True)]
    ranges = tuple(map(Range, starts, sizes, words, probabilities(words)))
    code_bits = sum(
        each.words * (PROBABILITY_BITS - math.log2(each.probability))
        for each in ranges
        if each.words
    )
    offset_bits = sum(each.words * each.offset_bits for each in ranges)
    return ApackSize(ranges, math.ceil(code_bits), offset_bits, table_bits)


def probabilities(words: Sequence[int]) -> list[int]:
    """Return the whole numbers with a sum of 1024 with which the words' ranges take the fewest bits.

    Each that has words gets 1, and each further one goes where it saves most: less with each one
    there, so that no other way is better.

    Parameters
    ----------
    words : sequence of int
        Of each range; at most 1024 have words, and one does.
    """
    found = [int(count > 0) for count in words]
    queue = [(-float(count), number) for number, count in enumerate(words) if count]
    heapq.heapify(queue)
    for _ in range((1 << PROBABILITY_BITS) - sum(found)):
        _, number = queue[0]
        found[number] += 1
        saved = words[number] * math.log2(1 + 1 / found[number])
        heapq.heapreplace(queue, (-saved, number))
    return found
