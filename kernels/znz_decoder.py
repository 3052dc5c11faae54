"""Read ZNZ streams many words at a time: as kernels/ebpc.py does, much faster.

The format is docs/EBPC.md, section 3. A step takes all ones up to the next zero run, and that run;
what it costs is waiting for the position of the next step, so four transmissions go side by side.

Anything that is not the stream of an encoder's is only noticed here; what is wrong, and where, is
for kernels/ebpc.py to say.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

from fmcompress.kernels.bits import ends_well, expect, leading_zeros, pointer, window_at

expect("87562f5f131bbbf5")

SPAN = 64  # words that are moved at once
MOST_ONES = 48  # of a step: with the longest run of 16 they fit into a span
SIDE_BY_SIDE = 4

# Columns of `state`.
POSITION, END, COUNT, DONE, ONES, STEP, STEPS_AT = range(7)
STATE = 7

_63 = np.uint64(63)


@njit(cache=True, nogil=True)
def begin(places, sizes, counts, step_places):
    """Return the states of transmissions of which nothing has been read.

    Parameters
    ----------
    places, sizes : ndarray of int64, shape (transmissions,)
        Where each begins, and its bytes.
    counts : ndarray of int64, shape (transmissions,)
        The words of each; none is more than its stream can hold.
    step_places : ndarray of int64
        Where each transmission's steps go: it has no more of them than words, or bits.

    Returns
    -------
    ndarray of int64, shape (transmissions, 7)
    """
    state = np.zeros((counts.size, STATE), np.int64)
    for t in range(counts.size):
        state[t, POSITION] = 8 * places[t]
        state[t, END] = 8 * (places[t] + sizes[t])
        state[t, COUNT] = counts[t]
        state[t, STEPS_AT] = step_places[t]
    return state


@njit(cache=True, nogil=True)
def read(znz, order, unit, run_bits, steps, state, results):
    """Read the ZNZ streams of transmissions to steps, to their ends.

    Parameters
    ----------
    znz : ndarray of uint8
        The streams, and eight bytes or more behind the last.
    order : ndarray of int64, shape (transmissions,)
        The transmissions, best the long ones first.
    unit, run_bits : int
        Bits of a stream word; z.
    steps : ndarray of uint16
        Receives the steps, ``ones | zeros << 8``.
    state : ndarray of int64, shape (transmissions, 7)
        How far each has been read; is written to.
    results : ndarray of int64, shape (transmissions, 2)
        Receives steps and ones of each; steps are -1 where the stream is not valid.
    """
    going = np.zeros(SIDE_BY_SIDE, np.int64)
    many = 0
    for t in order:
        going[many] = t
        many += 1
        while many == SIDE_BY_SIDE:
            safe = _safe_steps(state, going, run_bits)
            if safe > 0:
                _read_four(znz, state, going, run_bits, safe, steps)
                continue
            for i in range(SIDE_BY_SIDE - 1, -1, -1):
                if _safe_steps(state, going[i : i + 1], run_bits) <= 0:
                    _finish(znz, state[going[i]], unit, run_bits, steps, results[going[i]])
                    many -= 1
                    going[i] = going[many]
    for i in range(many):
        _finish(znz, state[going[i]], unit, run_bits, steps, results[going[i]])


@njit(cache=True, nogil=True)
def _safe_steps(state, going, run_bits):
    """Return how many steps can be taken with no look at the end of words or stream."""
    safe = 1 << 62
    for t in going:
        words = (state[t, COUNT] - state[t, DONE]) // (MOST_ONES + (1 << run_bits))
        bits = (state[t, END] - state[t, POSITION]) // (MOST_ONES + 1 + run_bits)
        safe = min(safe, words, bits)
    return safe


@njit(cache=True, nogil=True, inline="always")
def _step(znz, position, run_bits):
    """Take ones, and the zero run behind them; return both, and the next position."""
    window = window_at(znz, position)
    ones = min(leading_zeros(~window), MOST_ONES)
    run = (ones - MOST_ONES) >> 63  # all bits set where a run follows
    field = (window << np.uint64(ones)) >> np.uint64(63 - run_bits)
    zeros = np.int64(field) + 1 & run
    return ones, zeros, position + np.uint64(ones + (1 + run_bits & run))


@njit(cache=True, nogil=True)
def _read_four(znz, state, going, run_bits, safe, steps):
    """Take `safe` steps of each of four transmissions."""
    a, b, c, d = state[going[0]], state[going[1]], state[going[2]], state[going[3]]
    a_position, b_position = np.uint64(a[POSITION]), np.uint64(b[POSITION])
    c_position, d_position = np.uint64(c[POSITION]), np.uint64(d[POSITION])
    a_ones, b_ones, c_ones, d_ones = a[ONES], b[ONES], c[ONES], d[ONES]
    a_zeros = b_zeros = c_zeros = d_zeros = 0
    a_steps = steps[a[STEPS_AT] + a[STEP] :]
    b_steps = steps[b[STEPS_AT] + b[STEP] :]
    c_steps = steps[c[STEPS_AT] + c[STEP] :]
    d_steps = steps[d[STEPS_AT] + d[STEP] :]
    for i in range(safe):
        ones, zeros, a_position = _step(znz, a_position, run_bits)
        a_steps[i] = ones | zeros << 8
        a_ones += ones
        a_zeros += zeros
        ones, zeros, b_position = _step(znz, b_position, run_bits)
        b_steps[i] = ones | zeros << 8
        b_ones += ones
        b_zeros += zeros
        ones, zeros, c_position = _step(znz, c_position, run_bits)
        c_steps[i] = ones | zeros << 8
        c_ones += ones
        c_zeros += zeros
        ones, zeros, d_position = _step(znz, d_position, run_bits)
        d_steps[i] = ones | zeros << 8
        d_ones += ones
        d_zeros += zeros
    _keep(a, a_position, a_ones, a_zeros, safe)
    _keep(b, b_position, b_ones, b_zeros, safe)
    _keep(c, c_position, c_ones, c_zeros, safe)
    _keep(d, d_position, d_ones, d_zeros, safe)


@njit(cache=True, nogil=True)
def _keep(state, position, ones, zeros, steps):
    state[POSITION] = position
    state[DONE] += ones - state[ONES] + zeros
    state[ONES] = ones
    state[STEP] += steps


@njit(cache=True, nogil=True)
def _finish(znz, state, unit, run_bits, steps, result):
    """Read one transmission to its end, and check that."""
    position, end = np.uint64(state[POSITION]), np.uint64(state[END])
    left, total, step = state[COUNT] - state[DONE], state[ONES], state[STEPS_AT] + state[STEP]
    result[0] = -1
    while left > 0:
        if position >= end:
            return
        ones, zeros, behind = _step(znz, position, run_bits)
        if ones >= left:
            ones, zeros, behind = left, 0, position + np.uint64(left)
        if zeros > left - ones:
            return
        steps[step] = ones | zeros << 8
        step += 1
        left -= ones + zeros
        total += ones
        position = behind
    if ends_well(znz, position, end, unit):
        result[0] = step - state[STEPS_AT]
        result[1] = total


@njit(cache=True, nogil=True)
def spread(values, value_places, step_places, steps, results, counts, run_bits, words):
    """Put values where words are not zero.

    Parameters
    ----------
    values : ndarray of uint8, uint16 or uint32
        At least `SPAN` of them behind the last one.
    value_places : ndarray of int64, shape (transmissions,)
        Where each transmission's values begin.
    step_places, steps, results, counts, run_bits
        As `read` was given them and wrote them.
    words : ndarray of the values' dtype
        Receives each transmission's words behind those of the one before, and whatever else behind
        the last: at least two spans long beyond the words. Where steps are -1, they are untouched.
    """
    start = 0
    for t in range(counts.size):
        value, word = np.uint64(value_places[t]), np.uint64(start)
        for i in range(step_places[t], step_places[t] + results[t, 0]):
            ones = np.uint64(steps[i] & 0xFF)
            zeros = np.uint64(steps[i] >> 8)
            copy_span(words, word, values, value, ones)
            value += ones
            word += ones
            if run_bits > 4:
                clear_span(words, word)
            word += zeros
        start += counts[t]


# --- Instructions that no operator stands for ---------------------------------------------
#
# As Python, and as what Numba compiles instead. Each looks at the last element that it touches:
# free, unless Numba checks bounds.


def copy_span(words, at, values, start, count):
    """Copy `count` values, and zeros behind them up to a whole span."""
    words[at : at + np.uint64(SPAN)] = 0
    words[at : at + count] = values[start : start + count]


@overload(copy_span)
def _copy_span(words, at, values, start, count):  # pragma: no cover - compiled
    def copy(words, at, values, start, count):
        _ = words[at + _63]
        _ = values[start + _63]
        _copy_some(words, at, values, start, count)

    return copy


@intrinsic
def _copy_some(_, words, at, values, start, count):  # pragma: no cover - compiled
    def build(context, builder, signature, arguments):
        lane = ir.IntType(words.dtype.bitwidth)
        span, every = ir.VectorType(lane, SPAN), ir.VectorType(ir.IntType(32), SPAN)
        number = builder.insert_element(
            span(ir.Undefined), builder.trunc(arguments[4], lane), ir.IntType(32)(0)
        )
        number = builder.shuffle_vector(number, number, every([0] * SPAN))
        kept = builder.icmp_unsigned("<", span(list(range(SPAN))), number)
        source = pointer(context, builder, values, arguments[2], arguments[3], span)
        target = pointer(context, builder, words, arguments[0], arguments[1], span)
        loaded = builder.load(source, align=words.dtype.bitwidth // 8)
        kept_words = builder.select(kept, loaded, span([0] * SPAN))
        builder.store(kept_words, target, align=words.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(words, types.uint64, values, types.uint64, types.uint64), build


def clear_span(words, at):
    """Write zeros over a span."""
    words[at : at + np.uint64(SPAN)] = 0


@overload(clear_span)
def _clear_span(words, at):  # pragma: no cover - compiled
    def clear(words, at):
        _ = words[at + _63]
        _write_zeros(words, at)

    return clear


@intrinsic
def _write_zeros(_, words, at):  # pragma: no cover - compiled
    def build(context, builder, signature, arguments):
        span = ir.VectorType(ir.IntType(words.dtype.bitwidth), SPAN)
        target = pointer(context, builder, words, *arguments, span)
        builder.store(span([0] * SPAN), target, align=words.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(words, types.uint64), build
