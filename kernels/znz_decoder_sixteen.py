"""Read most of ZNZ streams, sixteen transmissions at once, with AVX-512.

The format is docs/EBPC.md, section 3. Steps are those of kernels/znz_decoder.py, which reads what
is left here: the ends, and what is not the stream of an encoder's. Eight transmissions take a step
together, each in 64 bits of a vector, and eight others meanwhile: what a step costs is waiting.
"""

import numpy as np
from numba import njit

from fmcompress.kernels.bits import expect
from fmcompress.kernels.eight_words import (
    leading_zeros,
    load_big,
    load_eight,
    smaller,
    store_eight,
    store_word,
    where_less,
)

expect("87562f5f131bbbf5")

SIDE_BY_SIDE = 16
MOST_ONES = 48  # as kernels/znz_decoder.py has it, and columns of `state`, too
POSITION, END, COUNT, DONE, ONES, STEP, STEPS_AT = range(7)
# Four steps of 16 bits are a word; so many words are written at a time.
GROUP = 4
BATCH_GROUPS = 64

_0, _1, _3, _7, _8, _16, _48, _63 = np.array([0, 1, 3, 7, 8, 16, 48, 63], np.uint64)


@njit(cache=True, nogil=True)
def read(znz, order, run_bits, steps, state):
    """Read streams as far as steps need no look at the end of words or stream.

    Parameters
    ----------
    znz : ndarray of uint8
        The streams, and eight bytes or more behind the last.
    order : ndarray of int64, shape (transmissions,)
        The transmissions, best the long ones first.
    run_bits : int
        z.
    steps : ndarray of uint16
        Receives the steps, ``ones | zeros << 8``.
    state : ndarray of int64, shape (transmissions, 7)
        Of each transmission, as kernels/znz_decoder.py has it: where to begin; receives how far it
        came.
    """
    octets = steps.view(np.uint8)
    going = np.empty(SIDE_BY_SIDE, np.int64)
    # Positions, words and ones: what goes on in registers.
    columns = np.zeros((3, SIDE_BY_SIDE), np.uint64)
    pending = np.empty(SIDE_BY_SIDE * BATCH_GROUPS, np.uint64)
    following = 0
    many = 0
    while True:
        while following < order.size and many < SIDE_BY_SIDE:
            t = order[following]
            following += 1
            if _safe_groups(state[t], run_bits) > 0:
                going[many] = t
                many += 1
        if many == 0:
            return
        safe = 1 << 62
        for i in range(many):
            safe = min(safe, _safe_groups(state[going[i]], run_bits))
        if safe == 0:
            for i in range(many - 1, -1, -1):
                if _safe_groups(state[going[i]], run_bits) == 0:
                    many -= 1
                    going[i] = going[many]
            continue
        safe = min(safe, BATCH_GROUPS)
        for i in range(SIDE_BY_SIDE):
            # Where there is none, a stream's start is read, for nothing: no more of it than is left
            # of any other.
            columns[0, i] = state[going[i], POSITION] if i < many else 0
            columns[1, i] = columns[2, i] = 0
        _read(znz, run_bits, safe, columns, pending)
        for i in range(many):
            own = state[going[i]]
            place = np.uint64(2 * (own[STEPS_AT] + own[STEP]))
            for group in range(safe):
                store_word(octets, place + np.uint64(8 * group), pending[16 * group + i])
            own[POSITION] = np.int64(columns[0, i])
            own[DONE] += np.int64(columns[1, i])
            own[ONES] += np.int64(columns[2, i])
            own[STEP] += GROUP * safe


@njit(cache=True, nogil=True)
def _safe_groups(state, run_bits):
    """Return how many groups of steps can be taken with no look at the end of words or stream."""
    words = (state[COUNT] - state[DONE]) // (GROUP * (MOST_ONES + (1 << run_bits)))
    bits = (state[END] - state[POSITION]) // (GROUP * (MOST_ONES + 1 + run_bits))
    return max(min(words, bits), 0)


@njit(inline="always")
def _step(znz, position, run_bits):
    """Take ones, and the zero run behind them, of eight transmissions; return both, and positions."""
    window = load_big(znz, position >> _3) << (position & _7)  # of 57 bits or more
    ones = smaller(leading_zeros(~window), _48)
    field = window << ones >> (_63 - run_bits)
    zeros = where_less(ones, _48, field + _1, window & _0)
    symbol = where_less(ones, _48, (window & _0) + (run_bits + _1), window & _0)
    return ones, zeros, position + ones + symbol


@njit(cache=True, nogil=True)
def _read(znz, run_bits, groups, columns, pending):
    """Take groups of steps of each transmission."""
    z = np.uint64(run_bits)
    a_position, b_position = load_eight(columns[0], 0), load_eight(columns[0], 8)
    a_words, b_words = load_eight(columns[1], 0), load_eight(columns[1], 8)
    a_total, b_total = load_eight(columns[2], 0), load_eight(columns[2], 8)
    a_group, b_group = a_words, b_words
    for i in range(groups):
        for _ in range(GROUP):
            ones, zeros, a_position = _step(znz, a_position, z)
            a_total, a_words = a_total + ones, a_words + (ones + zeros)
            a_group = a_group >> _16 | (ones | zeros << _8) << _48
            ones, zeros, b_position = _step(znz, b_position, z)
            b_total, b_words = b_total + ones, b_words + (ones + zeros)
            b_group = b_group >> _16 | (ones | zeros << _8) << _48
        store_eight(pending, 16 * i, a_group)
        store_eight(pending, 16 * i + 8, b_group)
    store_eight(columns[0], 0, a_position)
    store_eight(columns[0], 8, b_position)
    store_eight(columns[1], 0, a_words)
    store_eight(columns[1], 8, b_words)
    store_eight(columns[2], 0, a_total)
    store_eight(columns[2], 8, b_total)
