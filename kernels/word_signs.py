"""Whether words are shorter as two's complement numbers, or as unsigned ones."""

import numpy as np
from numba import njit

from fmcompress.kernels.bits import expect, leading_zeros

expect("87562f5f131bbbf5")


@njit(cache=True, nogil=True)
def count(words, word_bits):
    """Count the bits of all numbers, without leading zeros.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
    word_bits : int
        w.

    Returns
    -------
    unsigned_bits, signed_bits : int
        Of unsigned numbers; and of signed ones, whose sign is one more bit where they are not 0.
    """
    unsigned_bits = 0
    signed_bits = 0
    for i in range(words.size):
        word = np.int64(words[i])
        if word == 0:
            continue
        unsigned_bits += 64 - leading_zeros(np.uint64(word))
        magnitude = (1 << word_bits) - word if word >> (word_bits - 1) else word
        signed_bits += 65 - leading_zeros(np.uint64(magnitude))
    return unsigned_bits, signed_bits
