"""Zero-run-length coding: runs of zeros, and the words that are not zero.

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
def encode(words, word_bits, run_bits, first, second):
    """Encode one transmission.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
    word_bits, run_bits : int
        w; z, bits of a run's length less 1.
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
    longest = 1 << run_bits
    run = 0
    for i in range(words.size):
        if words[i] != 0:
            at = put(second, at, 1, 1)
            at = put(second, at, words[i], word_bits)
            continue
        run += 1
        if run == longest or i + 1 == words.size or words[i + 1] != 0:
            at = put(second, at, run - 1, 1 + run_bits)
            run = 0
    return 0, at


@njit(cache=True, nogil=True)
def decode(first, second, word_bits, run_bits, words):
    """Decode one transmission, strictly.

    Parameters
    ----------
    first, second : ndarray of uint8
        The streams, and 8 bytes behind.
    word_bits, run_bits : int
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
    word = 0
    while word < words.size:
        is_run = take(second, at, 1) == 0
        length = 1 + (run_bits if is_run else word_bits)
        if at + length > end:
            return SECOND + TRUNCATED, word, at
        value = take(second, at + 1, length - 1)
        if is_run:
            if value >= words.size - word:
                return SECOND + RUN_TOO_LONG, word, at
            for i in range(word, word + value + 1):
                words[i] = 0
            word += value + 1
        else:
            if value == 0:
                return SECOND + SYMBOL, word, at
            words[word] = value
            word += 1
        at += length
    status, at = at_end(second, at)
    return (SECOND + status if status != OK else OK), words.size, at
