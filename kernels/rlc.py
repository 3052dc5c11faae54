"""Run-length coding of Eyeriss: pairs of a run of zeros and a word, packed to words of a bus.

The format is docs/CODECS.md.
"""

from numba import njit

from fmcompress.kernels.bits import (
    LEFT_OVER,
    OK,
    PADDING,
    RUN_TOO_LONG,
    SYMBOL,
    TRUNCATED,
    end_of,
    expect,
    put,
    take,
)

expect("87562f5f131bbbf5")

BUS_WORD_BITS = 64  # the lowest of them tells the last bus word


@njit(cache=True, nogil=True)
def encode(words, word_bits, run_bits, stream):
    """Encode one transmission.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
    word_bits, run_bits : int
        w; r, bits of a run.
    stream : ndarray of uint8
        Receives the stream; or empty.

    Returns
    -------
    bits : int
        Of the stream before padding.
    """
    length = run_bits + word_bits
    longest = (1 << run_bits) - 1
    at = end = 0  # of the next pair; of the bus words so far
    run = 0
    for i in range(words.size):
        if words[i] == 0 and run < longest and i + 1 < words.size:
            run += 1
            continue
        if at + length >= end:
            at = end
            end += BUS_WORD_BITS
        at = put(stream, at, run, run_bits)
        at = put(stream, at, words[i], word_bits)
        run = 0
        if i + 1 == words.size:
            put(stream, end - 1, 1, 1)
    return end


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
        if at + BUS_WORD_BITS > end:
            return TRUNCATED, word, at
        last = at + BUS_WORD_BITS - 1
        status, word, at = _decode_pairs(stream, at, last, word_bits, run_bits, words, word)
        if status != OK:
            return status, word, at
        for bit in range(at, last):
            if take(stream, bit, 1) == 1:
                return PADDING, word, bit
        if take(stream, last, 1) != (word == words.size):
            return SYMBOL, word, last
        at = last + 1
    return (LEFT_OVER if at < end else OK), words.size, at


@njit(cache=True, nogil=True)
def _decode_pairs(stream, at, last, word_bits, run_bits, words, word):
    """Decode the pairs of a bus word, which lie in front of its last bit, to words from one on."""
    length = run_bits + word_bits
    while at + length <= last and word < words.size:
        run = take(stream, at, run_bits)
        level = take(stream, at + run_bits, word_bits)
        if run >= words.size - word:
            return RUN_TOO_LONG, word, at
        end = word + run
        if level == 0 and run + 1 != 1 << run_bits and end + 1 != words.size:
            return SYMBOL, word, at
        for i in range(word, end):
            words[i] = 0
        words[end] = level
        word = end + 1
        at += length
    return OK, word, at
