"""Read BPC streams of n = 8 and w = 8, sixteen transmissions at once, with AVX-512 and GFNI.

The format is docs/EBPC.md, section 4. Of such blocks the base has eight bits, and so have the
symbols "raw", "single one" and "two ones": they are *long*. A step takes all long symbols up to the
next short one as they lie, a byte (a *lane*) for the base and for each plane, and the short symbol
behind them. Eight transmissions take a step together, each in 64 bits of a vector, and eight others
meanwhile: what a step costs is waiting. Lanes become planes, and planes words, 64 of them at once.

Anything that is not the stream of an encoder's is only noticed here; what is wrong, and where, is
for kernels/ebpc.py to say.
"""

import numpy as np
from numba import njit

from fmcompress.kernels.bits import ends_well, expect, fill_with, repeated_octet
from fmcompress.kernels.eight_words import (
    add_octets,
    any_high,
    even,
    in_every_octet,
    in_registers,
    leading_zeros,
    load_big,
    load_eight,
    look_up,
    octets_above,
    odd_reversed,
    reversed_octets,
    smaller,
    store_eight,
    store_word,
    turned,
    where_high,
    where_less,
    where_zero,
)

expect("87562f5f131bbbf5")

SIDE_BY_SIDE = 16
UNIT_BITS = 8
BATCH_STEPS = 32
# With fewer steps that need no look at the end, going on alone is faster.
LEAST_STEPS = 4

# Rows of `state`; a column is a transmission's.
POSITION, LEFT, PLACE, LAST, END, NUMBER, AREA = range(7)
STATE = 7

# A block's lanes: its base and nine planes. Planes 0 to 7 are a word of 64 bits; the ninth lies
# where the next block's lanes begin, in front of that one's base.
SLOTS, STRIDE, BASE_AT = 10, 16, 7
BETWEEN = STRIDE - SLOTS
# `left` where there is no transmission: a step takes nothing then, as where it is below 0.
IDLE = 32
WINDOW_SLOTS = 7

# Lanes that stand for short symbols; DBX of zeros and of ones are raw ones.
ZERO_LANE, ONES_LANE, PLANE_ZERO_LANE = 0x80, 0xFF, 0x08
BAD = 0x80  # in place of a plane


_0, _3, _7, _8, _16, _32, _56, _78 = np.array([0, 3, 7, 8, 16, 32, 56, 0x78], np.uint64)
_SLOTS, _BETWEEN = np.uint64(SLOTS), np.uint64(BETWEEN)
_EVERY, _0F, _10, _70, _80 = map(repeated_octet, (0xFF, 0x0F, 0x10, 0x70, 0x80))
_80_BEHIND_BASE, _80_FIRST = np.uint64(0x0080808080808080), np.uint64(0x80)
# The bit of each word in a plane; the first has none.
_WORDS = np.uint64(0x0102040810204000)


@njit(cache=True, nogil=True)
def decode(bpc, places, sizes, blocks, order, value_places, values, valid):
    """Decode transmissions of blocks of eight 8-bit words.

    Parameters
    ----------
    bpc : ndarray of uint8
        The streams, and 64 bytes or more behind the last.
    places, sizes, blocks : ndarray of int64, shape (transmissions,)
        Where each begins; its bytes; its blocks.
    order : ndarray of int64, shape (transmissions,)
        The transmissions, best the long ones first.
    value_places : ndarray of int64, shape (transmissions,)
        Where each transmission's values go.
    values : ndarray of uint8
        Receives the words of whole blocks, and anything in the 64 behind those of each
        transmission.
    valid : ndarray of bool, shape (transmissions,)
        Receives whether the stream is valid.
    """
    tables = _tables()
    room = 0
    for t in order:
        room = max(room, STRIDE * _rows(blocks[t]))
    nowhere = min(SIDE_BY_SIDE, order.size) * room
    lanes = np.empty(nowhere + 8, np.uint8)
    pending = np.empty((2, SIDE_BY_SIDE * BATCH_STEPS), np.uint64)
    state = np.empty((STATE, SIDE_BY_SIDE), np.uint64)
    alone = np.empty((STATE, SIDE_BY_SIDE), np.uint64)
    for column in range(SIDE_BY_SIDE):
        _rest(state[:, column], nowhere)
        _rest(alone[:, column], nowhere)
        state[AREA, column] = column * room
    following = 0
    many = 0
    while following < order.size or many > 0:
        while following < order.size and many < SIDE_BY_SIDE:
            t = order[following]
            _begin(state[:, many], t, places[t], sizes[t], blocks[t], lanes)
            following += 1
            many += 1
        safe = _safe_steps(state[:, 0])
        for column in range(1, many):
            safe = min(safe, _safe_steps(state[:, column]))
        if safe >= LEAST_STEPS:
            _read(bpc, tables, lanes, state, safe, pending)
            continue
        for column in range(many - 1, -1, -1):
            own = state[:, column]
            if _safe_steps(own) < LEAST_STEPS:
                alone[:, 0] = own
                t = np.int64(own[NUMBER])
                area = lanes[own[AREA] : own[AREA] + np.uint64(STRIDE * _rows(blocks[t]))]
                valid[t] = _finish(bpc, tables, lanes, alone, pending) and _to_words(
                    area, tables[3], values[value_places[t] :]
                )
                _rest(own, nowhere)
                many -= 1
                _swap(own, state[:, many])


@njit(cache=True, nogil=True)
def _tables():
    """Return what `look_up` looks up.

    By the lanes that are to come, how many bits of a window may be taken; by eight bits that begin
    with a short symbol, its bits and planes (``bits | planes << 3``), and its lane; by a lane that
    is not raw, the ones of its DBX or DBP.
    """
    limits = np.zeros(128, np.uint8)
    for left in range(1, SLOTS + 1):
        limits[left] = 8 * min(left, WINDOW_SLOTS)
    moves = np.zeros(128, np.uint8)
    fills = np.zeros(128, np.uint8)
    planes = np.zeros(128, np.uint8)
    for head in range(128):
        fills[head] = ZERO_LANE
        if head >> 6:
            moves[head] = 2 | 1 << 3
        elif head >> 5:
            moves[head] = 6 | (head >> 2 & 7) + 2 << 3
        elif head >> 4 == 0:
            moves[head] = 5 | 1 << 3
            fills[head] = PLANE_ZERO_LANE if head >> 3 else ONES_LANE
        elif head >> 3 == 3:
            planes[head] = 0x40 >> (head & 7) if head & 7 < 7 else BAD
        else:
            planes[head] = 0x60 >> (head & 7) if head & 7 < 6 else BAD
    return limits, moves, fills, planes


@njit(cache=True, nogil=True)
def _rows(blocks):
    """Return for how many blocks there are lanes.

    There is one behind the last, where that one's ninth plane lies; and eight become words at once.
    """
    return (blocks + 8) // 8 * 8


@njit(cache=True, nogil=True)
def _begin(state, number, place, size, blocks, lanes):
    """Set the state to the start of a transmission, and its lanes to zero planes."""
    area = np.int64(state[AREA])
    state[NUMBER] = number
    state[POSITION], state[END] = 8 * place, 8 * (place + size)
    state[PLACE] = area + BASE_AT - BETWEEN
    state[LAST] = area + BASE_AT - BETWEEN + STRIDE * blocks
    state[LEFT] = 0
    fill_with(lanes[area : area + STRIDE * _rows(blocks)], ZERO_LANE)


@njit(cache=True, nogil=True)
def _rest(state, nowhere):
    """Set the state to that of no transmission."""
    state[LEFT], state[POSITION], state[PLACE] = IDLE, 0, nowhere


@njit(cache=True, nogil=True)
def _swap(left, right):
    for i in range(STATE):
        left[i], right[i] = right[i], left[i]


@njit(cache=True, nogil=True)
def _safe_steps(state):
    """Return how many steps can be taken with no look at the end of blocks or stream."""
    if state[LEFT] > _SLOTS:
        return 0
    bits = np.int64(state[END]) - np.int64(state[POSITION])
    return min(np.int64(state[LAST] - state[PLACE]) // STRIDE, bits // 64)


@njit(inline="always")
def _step(bpc, limits, moves, fills, position, left, place):
    """Take long symbols and the short one behind them, of eight transmissions.

    Parameters
    ----------
    position, left, place : eight words
        Where the streams go on; the lanes of their blocks that are still to come; where they go.
    limits, moves, fills
        `_tables`, in registers.

    Returns
    -------
    lanes, at
        Eight lanes each, and where they go; what is behind those of the step does not matter.
    position, left, place
        Behind the step. `left` is below 0 where the symbols are more than the block's planes.
    """
    tested = where_zero(left, _80_BEHIND_BASE, _80)
    at = place + where_zero(left, _BETWEEN, _0)
    left = where_zero(left, _SLOTS, left)
    window = load_big(bpc, position >> _3) << (position & _7)
    # The highest bit of each byte that is no long symbol.
    short = ((window ^ _10) & _70) + _70 & ~window & tested
    limit = look_up(limits, left)
    long = smaller(leading_zeros(short), limit)
    symbol = window << long >> _56
    move = where_less(long, limit, look_up(moves, symbol), _0)
    taken = (long + (move & _78)) >> _3
    fill = in_every_octet(look_up(fills, symbol))
    lanes = reversed_octets(window ^ ((window ^ fill) & _EVERY >> long))
    return lanes, at, position + long + (move & _7), left - taken, at + taken


@njit(cache=True, nogil=True)
def _read(bpc, tables, lanes, state, steps, pending):
    """Take `steps` steps of each transmission."""
    limits, moves, fills = in_registers(tables[0]), in_registers(tables[1]), in_registers(tables[2])
    windows, places = pending[0], pending[1]
    a_position, b_position = load_eight(state[POSITION], 0), load_eight(state[POSITION], 8)
    a_left, b_left = load_eight(state[LEFT], 0), load_eight(state[LEFT], 8)
    a_place, b_place = load_eight(state[PLACE], 0), load_eight(state[PLACE], 8)
    while steps > 0:
        some = min(steps, BATCH_STEPS)
        steps -= some
        for i in range(some):
            window, at, a_position, a_left, a_place = _step(
                bpc, limits, moves, fills, a_position, a_left, a_place
            )
            store_eight(windows, 16 * i, window)
            store_eight(places, 16 * i, at)
            window, at, b_position, b_left, b_place = _step(
                bpc, limits, moves, fills, b_position, b_left, b_place
            )
            store_eight(windows, 16 * i + 8, window)
            store_eight(places, 16 * i + 8, at)
        for i in range(16 * some):
            store_word(lanes, places[i], windows[i])
    store_eight(state[POSITION], 0, a_position)
    store_eight(state[POSITION], 8, b_position)
    store_eight(state[LEFT], 0, a_left)
    store_eight(state[LEFT], 8, b_left)
    store_eight(state[PLACE], 0, a_place)
    store_eight(state[PLACE], 8, b_place)


@njit(cache=True, nogil=True)
def _finish(bpc, tables, lanes, alone, pending):
    """Read the first transmission to its end, the others being none; return whether it is valid."""
    own = alone[:, 0]
    while (own[PLACE] < own[LAST] or own[LEFT] > _0) and own[POSITION] <= own[END]:
        if own[LEFT] > _SLOTS:
            return False
        _read(bpc, tables, lanes, alone, max(_safe_steps(own), 1), pending)
    complete = own[LEFT] == _0 and own[PLACE] == own[LAST]
    return complete and ends_well(bpc, own[POSITION], own[END], UNIT_BITS)


@njit(cache=True, nogil=True)
def _to_words(lanes, planes, words):
    """Turn lanes to words, eight blocks at a time; return whether all lanes are valid."""
    squares = lanes.view(np.uint64)
    octets = words[: lanes.size // 2].view(np.uint64)
    planes = in_registers(planes)
    bad = load_eight(squares, 0) & _0
    for b in range(0, octets.size, 8):
        first, second = load_eight(squares, 2 * b), load_eight(squares, 2 * b + 8)
        begin = even(first, second)
        bad |= look_up(planes, begin) & ~begin & _80_FIRST
        begin = begin >> _56
        square = odd_reversed(first, second)
        ones = look_up(planes, square)
        bad |= ones & ~square
        going_on = octets_above(square, _0F)  # not where "plane zero" is
        square = where_high(square, square, ones)
        square ^= square >> _8 & going_on
        going_on &= going_on >> _8
        square ^= square >> _16 & going_on
        going_on &= going_on >> _16
        square ^= square >> _32 & going_on
        sums = turned(square, _WORDS) | begin
        sums = add_octets(sums, sums << _8)
        sums = add_octets(sums, sums << _16)
        store_eight(octets, b, add_octets(sums, sums << _32))
    return not any_high(bad)
