"""Relative indices: each word that is not zero, behind the number of zeros before it.

The format is docs/CODECS.md.
"""

from numba import njit

from fmcompress.kernels.bits import (
    OK,
    RUN_TOO_LONG,
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
def encode(words, word_bits, index_bits, stream):
    """Encode one transmission.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
    word_bits, index_bits : int
        w; d, bits of an index.
    stream : ndarray of uint8
        Receives the stream; or empty.

    Returns
    -------
    bits : int
        Of the stream before padding.
    """
    at = 0
    distance = 1 << index_bits
    zeros = 0
    for i in range(words.size):
        if words[i] == 0:
            zeros += 1
            continue
        while zeros >= distance:
            at = put(stream, at, distance - 1, index_bits)
            at = put(stream, at, 0, word_bits)
            zeros -= distance
        at = put(stream, at, zeros, index_bits)
        at = put(stream, at, words[i], word_bits)
        zeros = 0
    return at


@njit(cache=True, nogil=True)
def decode(stream, word_bits, index_bits, words):
    """Decode one transmission, strictly.

    Parameters
    ----------
    stream : ndarray of uint8
        And 8 bytes behind.
    word_bits, index_bits : int
        As of `encode`.
    words : ndarray of uint32, shape (count,)
        Receives the words.

    Returns
    -------
    status, word, bit : int
        What is wrong, and where, as kernels/bits.py has it.
    """
    end = end_of(stream)
    length = index_bits + word_bits
    at = 0
    word = 0
    filled = False  # whether the last pair was a filler
    while take(stream, at, length) != 0 or not _nothing_follows(stream, at, end):
        if at + length > end:
            return TRUNCATED, word, at
        index = take(stream, at, index_bits)
        value = take(stream, at + index_bits, word_bits)
        filled = value == 0
        if filled and index + 1 != 1 << index_bits:
            return SYMBOL, word, at
        if index >= words.size - word:
            return RUN_TOO_LONG, word, at
        for i in range(word, word + index):
            words[i] = 0
        words[word + index] = value
        word += index + 1
        at += length
    if filled:
        return SYMBOL, word, at - length
    status, at = at_end(stream, at)
    # Only now: a stream that is refused costs nothing, whatever number of words it claims.
    if status == OK:
        for i in range(word, words.size):
            words[i] = 0
    return status, words.size, at


@njit(cache=True, nogil=True)
def _nothing_follows(stream, at, end):
    """Tell whether only zeros follow: no pair has none but zeros, so these are no pairs."""
    for bit in range(at, end):
        if take(stream, bit, 1) == 1:
            return False
    return True
