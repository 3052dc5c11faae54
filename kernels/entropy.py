"""Count words, and words by the word before them."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def count(words, left, times, pairs):
    """Count words.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
        In word order, each below ``times.size``.
    left : int
        The word before the first one; -1 if there is none.
    times : ndarray of int64, shape (values,)
        How often each value occurs is added here.
    pairs : ndarray of int64, shape (values, values)
        How often each value (column) occurs behind each (row) is added here; or empty: then
        these are not counted.

    Returns
    -------
    left : int
        The last word.
    """
    for i in range(words.size):
        word = np.int64(words[i])
        times[word] += 1
        if left >= 0 and pairs.size > 0:
            pairs[left, word] += 1
        left = word
    return left
