"""Zero-run-length coding: runs of zeros, and the words that are not zero.

The format is docs/CODECS.md.
"""

from numba import njit

from fmcompress.kernels.bits import (
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
def encode(words, word_bits, run_bits, stream):
    """Encode one transmission.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
    word_bits, run_bits : int
        w; z, bits of a run's length less 1.
    stream : ndarray of uint8
        Receives the stream; or empty.

    Returns
    -------
    bits : int
        Of the stream before padding.
    """
    at = 0
    longest = 1 << run_bits
    run = 0
    for i in range(words.size):
        if words[i] != 0:
            at = put(stream, at, 1, 1)
            at = put(stream, at, words[i], word_bits)
            continue
        run += 1
        if run == longest or i + 1 == words.size or words[i + 1] != 0:
            at = put(stream, at, run - 1, 1 + run_bits)
            run = 0
    return at


@njit(cache=True, nogil=True)
def decode(stream, word_bits, run_bits, words):
    """Decode one transmission, strictly.

    Parameters
    ----------
    stream : ndarray of uint8
        And 8 bytes behind.
    word_bits, run_bits : int
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
    word = 0
    while word < words.size:
        is_run = take(stream, at, 1) == 0
        length = 1 + (run_bits if is_run else word_bits)
        if at + length > end:
            return TRUNCATED, word, at
        value = take(stream, at + 1, length - 1)
        if is_run:
            if value >= words.size - word:
                return RUN_TOO_LONG, word, at
            for i in range(word, word + value + 1):
                words[i] = 0
            word += value + 1
        else:
            if value == 0:
                return SYMBOL, word, at
            words[word] = value
            word += 1
        at += length
    status, at = at_end(stream, at)
    return status, words.size, at
