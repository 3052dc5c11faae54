"""Zero-value coding: a mask for each group of words, and the words that are not zero.

The format is docs/CODECS.md.
"""

from numba import njit

from fmcompress.kernels.bits import OK, SECOND, SYMBOL, TRUNCATED, at_end, end_of, expect, put, take

expect("87562f5f131bbbf5")


@njit(cache=True, nogil=True)
def encode(words, word_bits, group, first, second):
    """Encode one transmission.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
    word_bits, group : int
        w; words of a group.
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
    for start in range(0, words.size, group):
        end = min(start + group, words.size)
        for i in range(start, end):
            at = put(second, at, words[i] != 0, 1)
        for i in range(start, end):
            if words[i] != 0:
                at = put(second, at, words[i], word_bits)
    return 0, at


@njit(cache=True, nogil=True)
def decode(first, second, word_bits, group, words):
    """Decode one transmission, strictly.

    Parameters
    ----------
    first, second : ndarray of uint8
        The streams, and 8 bytes behind.
    word_bits, group : int
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
    at = 0
    for start in range(0, words.size, group):
        stop = min(start + group, words.size)
        mask = at
        at += stop - start
        if at > end:
            return SECOND + TRUNCATED, start, mask
        for i in range(start, stop):
            words[i] = 0
            if take(second, mask + i - start, 1) == 1:
                if at + word_bits > end:
                    return SECOND + TRUNCATED, i, at
                words[i] = take(second, at, word_bits)
                if words[i] == 0:
                    return SECOND + SYMBOL, i, at
                at += word_bits
    status, at = at_end(second, at)
    return (SECOND + status if status != OK else OK), words.size, at
