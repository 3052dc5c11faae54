"""A static Huffman code: words, or their categories, by the code of their layer.

The format is docs/CODECS.md. The tables are those of fmcompress/codecs/prefix_codes.py.
"""

import numpy as np
from numba import njit

from fmcompress.kernels.bits import (
    SYMBOL,
    TRUNCATED,
    at_end,
    end_of,
    expect,
    leading_zeros,
    put,
    take,
)

expect("87562f5f131bbbf5")

MOST_SYMBOL_BITS = 8  # of words that are symbols themselves
LONGEST, FIRST = 15, 11  # bits of a code; of the first look
REST = (1 << LONGEST - FIRST) - 1


@njit(cache=True, nogil=True)
def _category(word, word_bits, signed):
    """Return how many bits a word's magnitude has, and what is written of it in as many."""
    value = np.int64(word)
    if signed and value >> (word_bits - 1):
        value -= 1 << word_bits
    category = 64 - leading_zeros(np.uint64(abs(value)))
    if value < 0:
        value += (1 << category) - 1
    return category, value


@njit(cache=True, nogil=True)
def _symbol(word, word_bits, signed):
    """Return a word's symbol, the number of bits behind its code, and these bits."""
    if word_bits <= MOST_SYMBOL_BITS:
        return np.int64(word), 0, 0
    category, rest = _category(word, word_bits, signed)
    return category, category, rest


@njit(cache=True, nogil=True)
def count(words, word_bits, signed, times):
    """Count symbols.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
    word_bits : int
    signed : bool
        Whether words are two's complement numbers.
    times : ndarray of int64, shape (symbols,)
        How often each occurs is added here.

    Returns
    -------
    index : int
        Of the first word that is too wide, where counting ends; -1 if none is.
    """
    for i in range(words.size):
        symbol, _, _ = _symbol(words[i], word_bits, signed)
        if symbol >= times.size:
            return i
        times[symbol] += 1
    return -1


@njit(cache=True, nogil=True)
def without_code(words, word_bits, signed, codes):
    """Return the index of the first word that has no code; -1 if each has one."""
    for i in range(words.size):
        symbol, _, _ = _symbol(words[i], word_bits, signed)
        if symbol >= codes.size or codes[symbol] == 0:
            return i
    return -1


@njit(cache=True, nogil=True)
def encode(words, word_bits, signed, codes, stream):
    """Encode one transmission.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
        Each with a code.
    word_bits : int
        w.
    signed : bool
        Whether words are two's complement numbers.
    codes : ndarray of int64, shape (symbols,)
        Of each symbol its code, and its length in the four lowest bits.
    stream : ndarray of uint8
        Receives the stream; or empty.

    Returns
    -------
    bits : int
        Of the stream before padding.
    """
    at = 0
    for i in range(words.size):
        symbol, rest_bits, rest = _symbol(words[i], word_bits, signed)
        code = codes[symbol]
        at = put(stream, at, code >> 4 << rest_bits | rest, (code & 15) + rest_bits)
    return at


@njit(cache=True, nogil=True)
def decode(stream, word_bits, signed, entries, words):
    """Decode one transmission, strictly.

    Parameters
    ----------
    stream : ndarray of uint8
        And 8 bytes behind.
    word_bits, signed
        As of `encode`.
    entries : ndarray of uint16
        At the first bits of a code its symbol, and its length in the four lowest bits; where
        these are 0, another entry has to be looked at, further on by that number and by the bits
        that follow. 0 there, too: there is no such code.
    words : ndarray of uint32, shape (count,)
        Receives the words.

    Returns
    -------
    status, word, bit : int
        What is wrong, and where, as kernels/bits.py has it.
    """
    end = end_of(stream)
    at = np.int64(0)
    for i in range(words.size):
        window = take(stream, at, LONGEST)
        entry = np.int64(entries[window >> LONGEST - FIRST])
        if entry & 15 == 0:
            entry = np.int64(entries[(1 << FIRST) + entry + (window & REST)])
            if entry & 15 == 0:
                return SYMBOL, i, at
        rest_at = at + (entry & 15)
        word = entry >> 4
        rest_bits = 0 if word_bits <= MOST_SYMBOL_BITS else word
        if rest_at + rest_bits > end:
            return TRUNCATED, i, at
        if word_bits > MOST_SYMBOL_BITS:
            rest = take(stream, rest_at, rest_bits)
            word = rest
            if rest_bits > 0 and rest >> (rest_bits - 1) == 0:
                word -= (1 << rest_bits) - 1
            word &= (1 << word_bits) - 1
            if _category(word, word_bits, signed) != (rest_bits, rest):
                return SYMBOL, i, rest_at
        words[i] = word
        at = rest_at + rest_bits
    status, at = at_end(stream, at)
    return status, words.size, at
