"""ShapeShifter: of each group of words a mask, a width, and magnitudes of this width.

The format is docs/CODECS.md.
"""

import numpy as np
from numba import njit

from fmcompress.kernels.bits import (
    OK,
    SYMBOL,
    TRUNCATED,
    at_end,
    ceil_log2,
    end_of,
    expect,
    put,
    take,
)

expect("87562f5f131bbbf5")


@njit(cache=True, nogil=True)
def magnitude_of(number, word_bits, signed):
    """Return a word's magnitude, and whether it is negative."""
    negative = 0
    if signed and number >> (word_bits - 1) == 1:
        negative = 1
        number = (1 << word_bits) - number
    return number, negative


@njit(cache=True, nogil=True)
def encode(words, word_bits, field_bits, group, signed, stream):
    """Encode one transmission.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
    word_bits, field_bits, group : int
        w; bits of the width field; words of a group.
    signed : bool
        Whether words are two's complement numbers.
    stream : ndarray of uint8
        Receives the stream; or empty.

    Returns
    -------
    bits : int
        Of the stream before padding.
    """
    at = 0
    for start in range(0, words.size, group):
        end = min(start + group, words.size)
        together = 0  # as wide as the greatest magnitude
        for i in range(start, end):
            magnitude, _ = magnitude_of(np.int64(words[i]), word_bits, signed)
            together |= magnitude
            at = put(stream, at, np.int64(magnitude != 0), 1)
        if together == 0:
            continue
        width = ceil_log2(together + 1)
        at = put(stream, at, np.int64(width - 1), field_bits)
        for i in range(start, end):
            magnitude, negative = magnitude_of(np.int64(words[i]), word_bits, signed)
            if magnitude != 0:
                if signed:
                    at = put(stream, at, np.int64(negative), 1)
                at = put(stream, at, magnitude, width)
    return at


@njit(cache=True, nogil=True)
def decode_word(stream, at, end, width, word_bits, signed):
    """Decode a word that is not zero: a status, its magnitude, and whether it is negative."""
    if at + signed + width > end:
        return TRUNCATED, 0, 0
    negative = 0
    most = (1 << word_bits) - 1
    if signed:
        negative = take(stream, at, 1)
        most = (1 << (word_bits - 1)) - 1 + negative
        at += 1
    magnitude = take(stream, at, width)
    if magnitude == 0 or magnitude > most:
        return SYMBOL, 0, 0
    return OK, magnitude, negative


@njit(cache=True, nogil=True)
def decode_group(stream, start, stop, mask, word_bits, field_bits, signed, words):
    """Decode the words of one group, whose mask lies at a position.

    Returns
    -------
    status, word, at : int
        `at` is behind the group, or where it is at fault.
    """
    end = end_of(stream)
    at = mask + stop - start
    if at > end:
        return TRUNCATED, start, mask
    field = at
    width = 0
    together = 0
    for i in range(start, stop):
        words[i] = 0
        if take(stream, mask + i - start, 1) == 0:
            continue
        if width == 0:
            if field + field_bits > end:
                return TRUNCATED, i, field
            width = take(stream, field, field_bits) + 1
            if width > word_bits:
                return SYMBOL, i, field
            at += field_bits
        status, magnitude, negative = decode_word(stream, at, end, width, word_bits, signed)
        if status != OK:
            return status, i, at
        words[i] = (1 << word_bits) - magnitude if negative == 1 else magnitude
        together |= magnitude
        at += signed + width
    if ceil_log2(together + 1) != width:
        return SYMBOL, start, field
    return OK, stop, at


@njit(cache=True, nogil=True)
def decode(stream, word_bits, field_bits, group, signed, words):
    """Decode one transmission, strictly.

    Parameters
    ----------
    stream : ndarray of uint8
        And 8 bytes behind.
    word_bits, field_bits, group, signed
        As of `encode`.
    words : ndarray of uint32, shape (count,)
        Receives the words.

    Returns
    -------
    status, word, bit : int
        What is wrong, and where, as kernels/bits.py has it.
    """
    at = 0
    for start in range(0, words.size, group):
        stop = min(start + group, words.size)
        status, word, at = decode_group(
            stream, start, stop, at, word_bits, field_bits, signed, words
        )
        if status != OK:
            return status, word, at
    status, at = at_end(stream, at)
    return status, words.size, at
