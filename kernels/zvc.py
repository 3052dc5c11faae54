"""Zero-value coding: a mask for each group of words, and the words that are not zero.

The format is docs/CODECS.md.
"""

from numba import njit

from fmcompress.kernels.bits import SYMBOL, TRUNCATED, at_end, end_of, expect, put, take

expect("87562f5f131bbbf5")


@njit(cache=True, nogil=True)
def encode(words, word_bits, group, stream):
    """Encode one transmission.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
    word_bits, group : int
        w; words of a group.
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
        for i in range(start, end):
            at = put(stream, at, words[i] != 0, 1)
        for i in range(start, end):
            if words[i] != 0:
                at = put(stream, at, words[i], word_bits)
    return at


@njit(cache=True, nogil=True)
def decode(stream, word_bits, group, words):
    """Decode one transmission, strictly.

    Parameters
    ----------
    stream : ndarray of uint8
        And 8 bytes behind.
    word_bits, group : int
        As of `encode`.
    words : ndarray of uint32, shape (count,)
        Receives the words.

    Returns
    -------
    status, word, bit : int
        What is wrong, and where, as kernels/bits.py has it.
    """
    end = end_of(stream)
    at = 0
    for start in range(0, words.size, group):
        stop = min(start + group, words.size)
        mask = at
        at += stop - start
        if at > end:
            return TRUNCATED, start, mask
        for i in range(start, stop):
            words[i] = 0
            if take(stream, mask + i - start, 1) == 1:
                if at + word_bits > end:
                    return TRUNCATED, i, at
                words[i] = take(stream, at, word_bits)
                if words[i] == 0:
                    return SYMBOL, i, at
                at += word_bits
    status, at = at_end(stream, at)
    return status, words.size, at
