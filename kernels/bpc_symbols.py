"""Count the symbols of BPC streams: which there are, and how many bits each kind takes.

The format is docs/EBPC.md, section 4. No stream is made.
"""

import numpy as np
from numba import njit

from fmcompress.kernels.bits import MODULAR, SIGNED, ceil_log2, expect

expect("87562f5f131bbbf5")

# Kinds of symbols, in the order of docs/EBPC.md: the base is one, too.
KINDS = 8
BASE, ZERO, ZERO_RUN, ALL_ONES, PLANE_ZERO, TWO_ONES, SINGLE_ONE, RAW = range(KINDS)


@njit(cache=True, nogil=True)
def count(words, transmission_words, word_bits, block_size, difference, counts, bits):
    """Count the symbols of the BPC streams that EBPC makes of transmissions.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
        Zeros among them.
    transmission_words : int
        Words of each transmission but the last, which may have fewer.
    word_bits, block_size, difference : int
        w, n and one of `SIGNED`, `UNSIGNED`, `MODULAR`.
    counts, bits : ndarray of int64, shape (KINDS,)
        Symbols, and their bits, are added here.
    """
    if word_bits == 1:
        return  # all is in the ZNZ streams
    planes = np.zeros(word_bits + 1, np.int64)
    sign = np.int64(1) << (word_bits - 1)
    flip = sign if difference == SIGNED else np.int64(0)
    for start in range(0, words.size, transmission_words):
        end = min(start + transmission_words, words.size)
        filled = 0
        previous = np.int64(0)
        for i in range(start, end):
            word = np.int64(words[i])
            if word == 0:
                continue
            if filled > 0:
                _shift_in(planes, word ^ flip, previous ^ flip, sign, difference)
            previous = word
            filled += 1
            if filled == block_size:
                _count_block(planes, block_size, counts, bits)
                filled = 0
        if filled > 0:
            while filled < block_size:
                _shift_in(planes, flip, previous ^ flip, sign, difference)
                previous = np.int64(0)
                filled += 1
            _count_block(planes, block_size, counts, bits)


@njit(cache=True, nogil=True, inline="always")
def _shift_in(planes, word, previous, sign, difference):
    """Shift one difference into the delta bit-planes."""
    delta = word - previous
    if difference == MODULAR:
        delta = ((delta & (2 * sign - 1)) ^ sign) - sign
    for j in range(planes.size):
        planes[j] = planes[j] << 1 | (delta >> j & 1)


@njit(cache=True, nogil=True)
def _count_block(planes, block_size, counts, bits):
    """Count the symbols of a block, and clear the planes."""
    word_bits = planes.size - 1
    ones = (np.int64(1) << (block_size - 1)) - 1
    position_bits = ceil_log2(block_size)
    counts[BASE] += 1
    bits[BASE] += word_bits
    below = np.int64(0)
    run = 0  # zero planes that are not counted yet
    for j in range(word_bits + 1):
        plane = planes[j]
        dbx = plane ^ below
        below = plane
        planes[j] = 0
        if dbx == 0:
            run += 1
            continue
        _count_run(run, word_bits, counts, bits)
        run = 0
        lowest = dbx & -dbx
        if dbx == ones:
            kind, size = ALL_ONES, 5
        elif plane == 0:
            kind, size = PLANE_ZERO, 5
        elif dbx == lowest:
            kind, size = SINGLE_ONE, 5 + position_bits
        elif dbx == 3 * lowest:
            kind, size = TWO_ONES, 5 + position_bits
        else:
            kind, size = RAW, block_size
        counts[kind] += 1
        bits[kind] += size
    _count_run(run, word_bits, counts, bits)


@njit(cache=True, nogil=True)
def _count_run(run, word_bits, counts, bits):
    """Count the code of a run of zero planes, if there is any."""
    if run == 1:
        counts[ZERO] += 1
        bits[ZERO] += 2
    elif run > 1:
        counts[ZERO_RUN] += 1
        bits[ZERO_RUN] += 3 + ceil_log2(word_bits)
