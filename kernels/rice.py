"""Adaptive Golomb-Rice coding: of all words, or of those that a mask shows.

The format is docs/CODECS.md. Signed words become numbers u from 0 on: 0, -1, 1, -2, 2 and so on.
"""

import numpy as np
from numba import njit

from fmcompress.kernels.bits import OK, SECOND, SYMBOL, TRUNCATED, at_end, end_of, expect, put, take

expect("87562f5f131bbbf5")

MOST_ONES = 24  # from so many on, the number follows as it is
ALL_ONES = (1 << MOST_ONES) - 1


# --- One block ----------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def number_of(word, word_bits, signed):
    """Turn a word to u."""
    if not signed:
        return word
    if word >> (word_bits - 1) == 1:
        return 2 * ((1 << word_bits) - word) - 1
    return 2 * word


@njit(cache=True, nogil=True)
def word_of(number, word_bits, signed):
    """Undo `number_of`."""
    if not signed:
        return number
    if number & 1 == 1:
        return (1 << word_bits) - (number + 1 >> 1)
    return number >> 1


@njit(cache=True, nogil=True)
def best_parameter(numbers, held, word_bits):
    """Return the k with which a block takes the fewest bits; of several, the smallest."""
    best = 0
    fewest = held * (MOST_ONES + word_bits) + 1
    for k in range(word_bits):
        bits = 0
        for i in range(held):
            ones = numbers[i] >> k
            bits += ones + 1 + k if ones < MOST_ONES else MOST_ONES + word_bits
        if bits < fewest:
            best, fewest = k, bits
    return best


@njit(cache=True, nogil=True)
def put_block(stream, at, numbers, held, word_bits, field_bits):
    """Append the first numbers of an array as a block; nothing if there are none."""
    if held == 0:
        return at
    k = best_parameter(numbers, held, word_bits)
    at = put(stream, at, np.int64(k), field_bits)
    for i in range(held):
        ones = numbers[i] >> k
        if ones < MOST_ONES:
            at = put(stream, at, np.int64((1 << (ones + 1)) - 2), ones + 1)
            at = put(stream, at, numbers[i] & ((1 << k) - 1), k)
        else:
            at = put(stream, at, np.int64(ALL_ONES), MOST_ONES)
            at = put(stream, at, numbers[i], word_bits)
    return at


@njit(cache=True, nogil=True)
def take_number(stream, at, end, k, word_bits, most):
    """Read a number up to a greatest one: a status, the number, and where the next one is or this one is at fault."""
    window = take(stream, at, MOST_ONES)  # zeros behind the end
    ones = 0
    while ones < MOST_ONES and window >> (MOST_ONES - 1 - ones) & 1 == 1:
        ones += 1
    bits = ones + 1 + k if ones < MOST_ONES else MOST_ONES + word_bits
    if at + bits > end:
        return TRUNCATED, 0, at
    if ones < MOST_ONES:
        number = ones << k | take(stream, at + ones + 1, k)
    else:
        number = take(stream, at + MOST_ONES, word_bits)
        if number >> k < MOST_ONES:
            return SYMBOL, 0, at
    return (OK, number, at + bits) if number <= most else (SYMBOL, 0, at)


@njit(cache=True, nogil=True)
def take_parameter(stream, at, end, word_bits, field_bits):
    """Read a block's k: a status, k, and where its first code is or the field is at fault."""
    if at + field_bits > end:
        return TRUNCATED, 0, at
    k = take(stream, at, field_bits)
    return (OK, k, at + field_bits) if k < word_bits else (SYMBOL, 0, at)


# --- All words ----------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def encode(words, word_bits, field_bits, block, signed, stream):
    """Encode one transmission.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
    word_bits, field_bits, block : int
        w; bits of the field for k; words of a block.
    signed : bool
        Whether words are two's complement numbers.
    stream : ndarray of uint8
        Receives the stream; or empty.

    Returns
    -------
    bits : int
        Of the stream before padding.
    """
    numbers = np.empty(block, np.int64)
    at = 0
    for start in range(0, words.size, block):
        held = min(block, words.size - start)
        for i in range(held):
            numbers[i] = number_of(np.int64(words[start + i]), word_bits, signed)
        at = put_block(stream, at, numbers, held, word_bits, field_bits)
    return at


@njit(cache=True, nogil=True)
def decode(stream, word_bits, field_bits, block, signed, words):
    """Decode one transmission, strictly.

    Parameters
    ----------
    stream : ndarray of uint8
        And 8 bytes behind.
    word_bits, field_bits, block, signed
        As of `encode`.
    words : ndarray of uint32, shape (count,)
        Receives the words.

    Returns
    -------
    status, word, bit : int
        What is wrong, and where, as kernels/bits.py has it.
    """
    end = end_of(stream)
    most = (1 << word_bits) - 1
    at = 0
    k = 0
    for i in range(words.size):
        if i % block == 0:
            status, k, at = take_parameter(stream, at, end, word_bits, field_bits)
            if status != OK:
                return status, i, at
        status, number, at = take_number(stream, at, end, k, word_bits, most)
        if status != OK:
            return status, i, at
        words[i] = word_of(number, word_bits, signed)
    status, at = at_end(stream, at)
    return status, words.size, at


# --- Behind a mask ------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def encode_masked(words, word_bits, field_bits, block, signed, first, second):
    """Encode one transmission: in the first stream a mask, in the second u - 1 where it is 1.

    Parameters are those of `encode`, with two streams; the bits of both are returned.
    """
    numbers = np.empty(block, np.int64)
    held = 0
    at = 0
    for i in range(words.size):
        number = number_of(np.int64(words[i]), word_bits, signed)
        put(first, np.int64(i), np.int64(number != 0), 1)
        if number != 0:
            numbers[held] = number - 1
            held += 1
        if held == block:
            at = put_block(second, at, numbers, held, word_bits, field_bits)
            held = 0
    return words.size, put_block(second, at, numbers, held, word_bits, field_bits)


@njit(cache=True, nogil=True)
def decode_masked(first, second, word_bits, field_bits, block, signed, words):
    """Decode one transmission, strictly.

    Parameters and what is returned are those of `decode`, with two streams.
    """
    status, at = at_end(first, words.size)
    if status != OK:
        return status, min(at, words.size), at
    end = end_of(second)
    most = (1 << word_bits) - 2
    at = 0
    k = 0
    found = 0
    for i in range(words.size):
        words[i] = 0
        if take(first, i, 1) == 0:
            continue
        if found % block == 0:
            status, k, at = take_parameter(second, at, end, word_bits, field_bits)
            if status != OK:
                return SECOND + status, i, at
        found += 1
        status, number, at = take_number(second, at, end, k, word_bits, most)
        if status != OK:
            return SECOND + status, i, at
        words[i] = word_of(number + 1, word_bits, signed)
    status, at = at_end(second, at)
    return (SECOND + status if status != OK else OK), words.size, at
