"""Divide values into ranges, so that range and offset take the fewest bits."""

import numpy as np
from numba import njit

from fmcompress.kernels.bits import ceil_log2, expect

expect("87562f5f131bbbf5")


@njit(cache=True, nogil=True)
def divide(times, most_ranges):
    """Divide the values 0, 1, ... into contiguous ranges, the best of all divisions.

    A word takes as many bits as its range is rare, and an offset of as many bits as tell the
    range's values apart.

    Parameters
    ----------
    times : ndarray of int64, shape (values,)
        How often each value occurs; at least one does.
    most_ranges : int

    Returns
    -------
    starts : ndarray of int64
        The first value of each range; the fewest ranges of those that are equally good.
    """
    values = times.size
    bits = _bits_of_ranges(times)
    # Of the values below `end` in so many ranges: the fewest bits, and where the last range starts.
    fewest = np.full((most_ranges + 1, values + 1), np.inf)
    fewest[0, 0] = 0
    last = np.zeros((most_ranges + 1, values + 1), np.int64)
    best = 1
    for ranges in range(1, most_ranges + 1):
        for end in range(1, values + 1):
            for start in range(end):
                sum_bits = fewest[ranges - 1, start] + bits[start, end]
                if sum_bits < fewest[ranges, end]:
                    fewest[ranges, end] = sum_bits
                    last[ranges, end] = start
        if fewest[ranges, values] < fewest[best, values]:
            best = ranges
    starts = np.zeros(best, np.int64)
    end = values
    for ranges in range(best, 0, -1):
        end = last[ranges, end]
        starts[ranges - 1] = end
    return starts


@njit(cache=True, nogil=True)
def _bits_of_ranges(times):
    """Return the bits of the words of each range, by its first value and the one behind it."""
    values = times.size
    words = 0
    for value in range(values):
        words += times[value]
    bits = np.zeros((values, values + 1))
    for start in range(values):
        inside = 0
        for end in range(start + 1, values + 1):
            inside += times[end - 1]
            if inside > 0:
                each = np.log2(words / inside) + ceil_log2(end - start)
                bits[start, end] = inside * each
    return bits
