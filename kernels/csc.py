"""Relative indices: each word that is not zero, behind the number of zeros before it.

The format is docs/CODECS.md.
"""

from numba import njit

from fmcompress.kernels.bits import (
    OK,
    RUN_TOO_LONG,
    SECOND,
    SYMBOL,
    TRUNCATED,
    at_end,
    end_of,
    expect,
    put,
    take,
)

expect("87562f5f131bbbf5")


@njit(cache=True, nogil=True)
def encode(words, word_bits, index_bits, first, second):
    """Encode one transmission.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
    word_bits, index_bits : int
        w; d, bits of an index.
    first : ndarray of uint8
        Stays empty.
    second : ndarray of uint8
        Receives the stream; or empty.

    Returns
    -------
    first_bits, second_bits : int
        Of each stream before padding.
    """
    at = 0
    distance = 1 << index_bits
    zeros = 0
    for i in range(words.size):
        if words[i] == 0:
            zeros += 1
            continue
        while zeros >= distance:
            at = put(second, at, distance - 1, index_bits)
            at = put(second, at, 0, word_bits)
            zeros -= distance
        at = put(second, at, zeros, index_bits)
        at = put(second, at, words[i], word_bits)
        zeros = 0
    return 0, at


@njit(cache=True, nogil=True)
def decode(first, second, word_bits, index_bits, words):
    """Decode one transmission, strictly.

    Parameters
    ----------
    first, second : ndarray of uint8
        The streams, and 8 bytes behind.
    word_bits, index_bits : int
        As of `encode`.
    words : ndarray of uint32, shape (count,)
        Receives the words.

    Returns
    -------
    status, word, bit : int
        What is wrong, and where, as kernels/bits.py has it.
    """
    status, at = at_end(first, 0)
    if status != OK:
        return status, 0, at
    end = end_of(second)
    length = index_bits + word_bits
    at = 0
    word = 0
    filled = False  # whether the last pair was a filler
    while take(second, at, length) != 0 or not _nothing_follows(second, at, end):
        if at + length > end:
            return SECOND + TRUNCATED, word, at
        index = take(second, at, index_bits)
        value = take(second, at + index_bits, word_bits)
        filled = value == 0
        if filled and index + 1 != 1 << index_bits:
            return SECOND + SYMBOL, word, at
        if index >= words.size - word:
            return SECOND + RUN_TOO_LONG, word, at
        for i in range(word, word + index):
            words[i] = 0
        words[word + index] = value
        word += index + 1
        at += length
    if filled:
        return SECOND + SYMBOL, word, at - length
    status, at = at_end(second, at)
    # Only now: a stream that is refused costs nothing, whatever number of words it claims.
    if status == OK:
        for i in range(word, words.size):
            words[i] = 0
    return (SECOND + status if status != OK else OK), words.size, at


@njit(cache=True, nogil=True)
def _nothing_follows(stream, at, end):
    """Tell whether only zeros follow: no pair has none but zeros, so these are no pairs."""
    for bit in range(at, end):
        if take(stream, bit, 1) == 1:
            return False
    return True
