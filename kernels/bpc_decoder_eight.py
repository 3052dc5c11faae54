"""Read BPC streams of n = 8 many symbols at a time: as kernels/ebpc.py does, much faster.

The format is docs/EBPC.md, section 4. For n = 8 the symbols "raw", "single one" and "two ones" have
eight bits: they are *long*. A step takes all long symbols up to the next short one as they lie, a
byte (a *lane*) for each plane, and the short symbol behind them. What a step costs is waiting for
the position of the next, so four transmissions go side by side. Lanes become planes, and planes
words, eight in 64 bits.

Anything that is not the stream of an encoder's is only noticed here; what is wrong, and where, is
for kernels/ebpc.py to say.
"""

import numpy as np
from numba import njit

from fmcompress.kernels.bits import (
    ends_well,
    expect,
    fill_with,
    leading_zeros,
    repeated_octet,
    store_big,
    window_at,
)

expect("87562f5f131bbbf5")

SIDE_BY_SIDE = 4
WINDOW_LONGS = 7  # with 7 long symbols there is no room for a short one
BATCH_BLOCKS = 256

# Columns of `state`.
POSITION, LEFT, ROW, LAST, END, FAULT = range(6)
STATE = 6

_0, _3, _8, _56, _63, _64 = np.array([0, 3, 8, 56, 63, 64], np.uint64)
_BYTE = np.uint64(0xFF)


_01, _07, _08, _10, _1F, _3F, _60, _70, _7F, _80 = map(
    repeated_octet, (0x01, 0x07, 0x08, 0x10, 0x1F, 0x3F, 0x60, 0x70, 0x7F, 0x80)
)

# Eight lanes that stand for a short symbol; DBX of zeros and of ones are raw ones, and a "single
# one" at position 7 is none.
ZERO_LANES, ONES_LANES, PLANE_ZERO_LANES, BAD_LANES = map(repeated_octet, (0x80, 0xFF, 0x08, 0x1F))

# The table of steps: first what they begin with, by the planes to come, then symbols.
HEADS = 64
OPENS, BITS, PLANES, MARK = range(4)
LANES = MARK
COLUMNS = 4


@njit(cache=True, nogil=True)
def decode(bpc, places, sizes, blocks, order, word_bits, unit, value_places, values, valid):
    """Decode transmissions of blocks of eight words.

    Parameters
    ----------
    bpc : ndarray of uint8
        The streams, and 64 bytes or more behind the last.
    places, sizes, blocks : ndarray of int64, shape (transmissions,)
        Where each begins; its bytes; its blocks.
    order : ndarray of int64, shape (transmissions,)
        The transmissions, best the long ones first.
    word_bits, unit : int
        w, 2 to 32; bits of a stream word.
    value_places : ndarray of int64, shape (transmissions,)
        Where each transmission's values go: multiples of 8.
    values : ndarray of uint8, uint16 or uint32
        Receives the words of whole blocks.
    valid : ndarray of bool, shape (transmissions,)
        Receives whether the stream is valid.
    """
    stride = max(16, word_bits // 8 * 8 + 8)
    table = np.zeros((HEADS + 256) * COLUMNS, np.uint64)
    _fill_openings(word_bits, stride, table)
    _fill_symbols(word_bits, table[HEADS * COLUMNS :])
    room = 2
    for t in order:
        room = max(room, blocks[t] + 2)
    slots = min(SIDE_BY_SIDE, order.size)
    lanes = np.empty((slots * room + 2) * stride, np.uint8)
    starts = np.empty(lanes.size // 8, np.uint64)
    going = np.zeros(SIDE_BY_SIDE, np.int64)
    state = np.zeros((SIDE_BY_SIDE, STATE), np.uint64)
    for slot in range(SIDE_BY_SIDE):
        going[slot] = -1
    following = 0
    many = 0
    while following < order.size or many > 0:
        for slot in range(SIDE_BY_SIDE):
            if going[slot] < 0 and following < order.size:
                t = order[following]
                following += 1
                going[slot] = t
                many += 1
                origin = slot * room * stride
                _begin(state[slot], origin, places[t], sizes[t], blocks[t], word_bits, stride)
                # Where nothing is stored, planes are zero.
                fill_with(lanes[origin + stride : origin + (blocks[t] + 1) * stride], 0x80)
        safe = 0
        if many == SIDE_BY_SIDE:
            safe = _safe_steps(state[0], word_bits, stride)
            for slot in range(1, SIDE_BY_SIDE):
                safe = min(safe, _safe_steps(state[slot], word_bits, stride))
        if safe > 0:
            _read_four(bpc, table, starts, lanes, state, safe)
            continue
        full = many == SIDE_BY_SIDE
        for slot in range(SIDE_BY_SIDE):
            t = going[slot]
            if t < 0 or (full and _safe_steps(state[slot], word_bits, stride) > 0):
                continue
            origin = slot * room * stride
            valid[t] = _finish(
                bpc, table, starts, lanes, state[slot], word_bits, unit
            ) and _to_values(
                bpc,
                starts[(origin + word_bits + 1) // 8 :],
                lanes[origin + stride :],
                stride,
                blocks[t],
                word_bits,
                values[value_places[t] : value_places[t] + 8 * blocks[t]],
            )
            going[slot] = -1
            many -= 1


@njit(cache=True, nogil=True)
def _fill_openings(word_bits, stride, table):
    """Write what a step begins with, by the planes of the block that are still to come.

    How far it is to the row of lanes, none where no block begins; the bits of the base, likewise;
    the planes that are to come; and the byte of the window at which no symbol is taken any more.
    What is no number of planes is that of a faulty stream, and begins a block.
    """
    for left in range(HEADS):
        opens = left == 0 or left > word_bits
        row = table[left * COLUMNS : (left + 1) * COLUMNS]
        row[OPENS] = stride if opens else 0
        row[BITS] = word_bits if opens else 0
        planes = word_bits + 1 if opens else left
        row[PLANES] = planes
        row[MARK] = _BYTE << np.uint64(56 - 8 * min(planes, WINDOW_LONGS))


@njit(cache=True, nogil=True)
def _fill_symbols(word_bits, table):
    """Write the short symbols, by eight bits that begin with one: planes, bits, lanes."""
    field_bits = 0
    while 1 << field_bits < word_bits:
        field_bits += 1
    for head in range(128):
        row = table[head * COLUMNS : (head + 1) * COLUMNS]
        row[PLANES] = 1
        if head >> 6:
            row[BITS], row[LANES] = 2, ZERO_LANES
        elif head >> 5:
            planes = (head >> (5 - field_bits) & (1 << field_bits) - 1) + 2
            row[BITS] = 3 + field_bits
            row[PLANES] = min(planes, word_bits + 1)
            row[LANES] = ZERO_LANES if planes <= word_bits + 1 else BAD_LANES
        elif head >> 3 == 0:
            row[BITS], row[LANES] = 5, ONES_LANES
        elif head >> 3 == 1:
            row[BITS], row[LANES] = 5, PLANE_ZERO_LANES
        else:
            row[PLANES] = 0


@njit(cache=True, nogil=True)
def _begin(state, origin, place, size, blocks, word_bits, stride):
    """Set the state to the start of a transmission; its rows of lanes begin behind an empty one."""
    state[POSITION], state[END] = 8 * place, 8 * (place + size)
    state[ROW] = origin + word_bits + 1
    state[LAST] = origin + word_bits + 1 + blocks * stride
    state[LEFT], state[FAULT] = 0, 0


@njit(cache=True, nogil=True)
def _safe_steps(state, word_bits, stride):
    """Return how many steps can be taken with no look at the end of blocks or stream."""
    bits = np.int64(state[END]) - np.int64(state[POSITION])
    return min(np.int64(state[LAST] - state[ROW]) // stride, bits // (word_bits + 64))


@njit(cache=True, nogil=True, inline="always")
def _step(bpc, table, starts, lanes, position, left, row, fault):
    """Take long symbols and the short one behind them; `left` planes of the block are to come.

    `row` is where the block's lanes end. All that depends on whether a block begins is looked up,
    without a branch.
    """
    opening = (left & np.uint64(HEADS - 1)) * np.uint64(COLUMNS)
    starts[row >> _3] = position
    row += table[opening + np.uint64(OPENS)]
    position += table[opening + np.uint64(BITS)]
    left = table[opening + np.uint64(PLANES)]
    mark = table[opening + np.uint64(MARK)]
    window = window_at(bpc, position) | mark
    # The highest bit of each byte that is no long symbol.
    short = ((window ^ _10) & _70) + _70 & ~window & _80
    long = np.uint64(leading_zeros(short | mark)) & _56
    symbol = (np.uint64(HEADS) + (window << long >> _56)) * np.uint64(COLUMNS)
    place = row - left
    store_big(lanes, place, window)
    store_big(lanes, place + (long >> _3), table[symbol + np.uint64(LANES)])
    left -= (long >> _3) + table[symbol + np.uint64(PLANES)]
    position += long + table[symbol + np.uint64(BITS)]
    return position, left, row, fault | left


@njit(cache=True, nogil=True)
def _read_four(bpc, table, starts, lanes, state, safe):
    """Take `safe` steps of each of four transmissions."""
    a, b, c, d = state[0], state[1], state[2], state[3]
    a_position, a_left, a_row = a[POSITION], a[LEFT], a[ROW]
    b_position, b_left, b_row = b[POSITION], b[LEFT], b[ROW]
    c_position, c_left, c_row = c[POSITION], c[LEFT], c[ROW]
    d_position, d_left, d_row = d[POSITION], d[LEFT], d[ROW]
    fault = np.uint64(0)  # of any: then all four are looked at again
    for _ in range(safe):
        a_position, a_left, a_row, fault = _step(
            bpc, table, starts, lanes, a_position, a_left, a_row, fault
        )
        b_position, b_left, b_row, fault = _step(
            bpc, table, starts, lanes, b_position, b_left, b_row, fault
        )
        c_position, c_left, c_row, fault = _step(
            bpc, table, starts, lanes, c_position, c_left, c_row, fault
        )
        d_position, d_left, d_row, fault = _step(
            bpc, table, starts, lanes, d_position, d_left, d_row, fault
        )
    a[POSITION], a[LEFT], a[ROW] = a_position, a_left, a_row
    b[POSITION], b[LEFT], b[ROW] = b_position, b_left, b_row
    c[POSITION], c[LEFT], c[ROW] = c_position, c_left, c_row
    d[POSITION], d[LEFT], d[ROW] = d_position, d_left, d_row
    for slot in range(SIDE_BY_SIDE):
        state[slot, FAULT] |= fault


@njit(cache=True, nogil=True)
def _finish(bpc, table, starts, lanes, state, word_bits, unit):
    """Read one transmission to its end; return whether all of it is valid."""
    position, left, row, fault = state[POSITION], state[LEFT], state[ROW], state[FAULT]
    while (row < state[LAST] or left > _0) and position <= state[END] and fault >> _63 == _0:
        position, left, row, fault = _step(bpc, table, starts, lanes, position, left, row, fault)
    complete = fault >> _63 == _0 and row == state[LAST] and left == _0
    return complete and ends_well(bpc, position, state[END], unit)


@njit(cache=True, nogil=True)
def _to_values(bpc, starts, lanes, stride, blocks, word_bits, values):
    """Turn lanes to words; return whether all lanes are valid."""
    squares = lanes[: (blocks + 1) * stride].view(np.uint64)
    step = stride // 8
    back = _64 - np.uint64(word_bits)
    bases = np.empty(blocks, np.uint64)
    for b in range(blocks):
        bases[b] = window_at(bpc, starts[b * step]) >> back
    bad = np.uint64(0)
    for i in range(blocks * step):
        bad |= _bad_positions(squares[i])
    if bad:
        return False
    if word_bits <= 8:
        _to_octets(squares, bases, word_bits, values.view(np.uint64))
    else:
        for first in range(0, blocks, BATCH_BLOCKS):
            last = min(first + BATCH_BLOCKS, blocks)
            _to_wide(
                squares[first * step :], step, bases[first:last], word_bits, values[8 * first :]
            )
    return True


@njit(cache=True, nogil=True)
def _to_octets(squares, bases, word_bits, values):
    """Turn lanes to words of up to 8 bits, eight in one."""
    mask = np.uint64((1 << word_bits) - 1) * _01
    for b in range(bases.size):
        planes = _planes(squares[2 * b], np.uint64(0))
        sums = _turned(planes) | bases[b] << _56
        sums = _add_octets(sums, sums >> _8)
        sums = _add_octets(sums, sums >> np.uint64(16))
        sums = _add_octets(sums, sums >> np.uint64(32))
        values[b] = _reversed(sums & mask)


@njit(cache=True, nogil=True)
def _to_wide(squares, step, bases, word_bits, values):
    """Turn lanes to words of more than 8 bits."""
    mask = np.int64((1 << word_bits) - 1)
    below = np.zeros(bases.size, np.uint64)
    turned = np.empty(bases.size, np.uint64)
    octets = turned.view(np.uint8)
    values = values[: 8 * bases.size]
    fill_with(values, 0)
    for low in range(0, word_bits, 8):
        for b in range(bases.size):
            planes = _planes(squares[step * b + low // 8], below[b])
            below[b] = planes >> _56
            turned[b] = _reversed(_turned(planes))
        for i in range(values.size):
            values[i] |= np.int64(octets[i]) << low & mask
    for b in range(bases.size):
        total = np.int64(bases[b])
        values[8 * b] = total
        for k in range(8 * b + 1, 8 * b + 8):
            total = total + values[k] & mask
            values[k] = total


@njit(cache=True, nogil=True, inline="always")
def _filled(flags):
    """Fill each byte whose highest bit, the only one, is set."""
    return flags - (flags >> np.uint64(7)) | flags


@njit(cache=True, nogil=True, inline="always")
def _bad_positions(lanes):
    """Tell of "single one" 00011ppp whether p is 7, of "two ones" 00010ppp whether it is 6 or 7."""
    two, four = lanes << np.uint64(6), lanes << np.uint64(5)
    most = two & four & (lanes << np.uint64(7) | ~(lanes << np.uint64(4)))
    return ~lanes & lanes << np.uint64(3) & most & _80


@njit(cache=True, nogil=True, inline="always")
def _planes(lanes, below):
    """Turn eight lanes to planes; `below` is the plane below the first."""
    ones = _60 ^ (lanes & _08) << np.uint64(2)  # two, or one, at position 0
    moved = _filled(lanes << np.uint64(5) & _80)
    ones ^= (ones ^ ones >> np.uint64(4) & _07) & moved
    moved = _filled(lanes << np.uint64(6) & _80)
    ones ^= (ones ^ ones >> np.uint64(2) & _1F) & moved
    moved = _filled(lanes << np.uint64(7) & _80)
    ones ^= (ones ^ ones >> np.uint64(1) & _3F) & moved
    raw = _filled(lanes & _80)
    going_on = _filled((lanes | lanes << np.uint64(3)) & _80)  # not where "plane zero" is
    planes = (raw & lanes & _7F | ~raw & ones) & going_on
    planes ^= below & going_on
    planes ^= planes << np.uint64(8) & going_on
    going_on &= going_on << np.uint64(8)
    planes ^= planes << np.uint64(16) & going_on
    going_on &= going_on << np.uint64(16)
    return planes ^ planes << np.uint64(32) & going_on


@njit(cache=True, nogil=True, inline="always")
def _turned(square):
    """Turn 8 × 8 bits: the lowest bits of all bytes become the first byte."""
    moved = (square ^ square >> np.uint64(7)) & np.uint64(0x00AA00AA00AA00AA)
    square ^= moved ^ moved << np.uint64(7)
    moved = (square ^ square >> np.uint64(14)) & np.uint64(0x0000CCCC0000CCCC)
    square ^= moved ^ moved << np.uint64(14)
    moved = (square ^ square >> np.uint64(28)) & np.uint64(0x00000000F0F0F0F0)
    return square ^ moved ^ moved << np.uint64(28)


@njit(cache=True, nogil=True, inline="always")
def _add_octets(left, right):
    """Add byte by byte."""
    return (left & _7F) + (right & _7F) ^ (left ^ right) & _80


@njit(cache=True, nogil=True, inline="always")
def _reversed(word):
    """Reverse the bytes of a word."""
    octets, pairs = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
    word = word >> np.uint64(8) & octets | (word & octets) << np.uint64(8)
    word = word >> np.uint64(16) & pairs | (word & pairs) << np.uint64(16)
    return word >> np.uint64(32) | word << np.uint64(32)


# --- Instructions that no operator stands for ---------------------------------------------
#
# As Python, and as what Numba compiles instead. Each looks at the last element that it touches:
# free, unless Numba checks bounds.
