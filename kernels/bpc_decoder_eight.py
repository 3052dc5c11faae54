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
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

SIDE_BY_SIDE = 4
BATCH_BLOCKS = 256

# Columns of `state`.
POSITION, LEFT, BLOCK, LAST, END, FAULT = range(6)
STATE = 6

_1, _6, _8, _56, _63, _64 = np.array([1, 6, 8, 56, 63, 64], np.uint64)


def _octets(value):
    return np.uint64(value * 0x0101010101010101)


_01, _07, _08, _10, _1F, _3F, _60, _70, _7F, _80 = map(
    _octets, (0x01, 0x07, 0x08, 0x10, 0x1F, 0x3F, 0x60, 0x70, 0x7F, 0x80)
)

# Lanes that stand for short symbols; DBX of zeros and of ones are raw ones.
ZERO_LANE, ONES_LANE, PLANE_ZERO_LANE = 0x80, 0xFF, 0x08
BAD_LANE = 0x1F  # a single one at position 7


@njit(cache=True, nogil=True, inline="always")
def _window(stream, position):
    """Return the 64 bits from a position on."""
    at = position >> _6
    fill = position & _63
    return stream[at] << fill | (stream[at + _1] >> _1) >> (_63 - fill)


@njit(cache=True, nogil=True)
def _to_words(stream):
    """Turn bytes to words, in place: a word's first byte becomes its highest."""
    for i in range(stream.size):
        stream[i] = _reversed(stream[i])


@njit(cache=True, nogil=True)
def _ends_well(stream, position, end, unit):
    """Tell whether a stream has nothing but its last word's padding from a position on."""
    if position > end or end - position >= np.uint64(unit):
        return False
    for bit in range(np.int64(position), np.int64(end)):
        if stream[bit >> 6] >> np.uint64(63 - (bit & 63)) & _1:
            return False
    return True


@njit(cache=True, nogil=True)
def decode(bpc, places, sizes, blocks, order, word_bits, unit, value_places, values, valid):
    """Decode transmissions of blocks of eight words.

    Parameters
    ----------
    bpc : ndarray of uint64
        The streams' bytes, each from a new word on, 32 words or more behind the last; they are
        turned to words whose first bit is the highest.
    places, sizes, blocks : ndarray of int64, shape (transmissions,)
        Where each begins, in words; its bytes; its blocks.
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
    _to_words(bpc)
    planes = word_bits + 1
    stride = max(16, word_bits // 8 * 8 + 8)
    table = np.zeros(256, np.int64)
    _fill_symbols(word_bits, table)
    room = 2
    for t in order:
        room = max(room, blocks[t] + 2)
    slots = min(SIDE_BY_SIDE, order.size)
    starts = np.empty(slots * room, np.uint64)
    lanes = np.empty((slots * room + 1) * stride, np.uint8)
    going = np.zeros(SIDE_BY_SIDE, np.int64)
    state = np.zeros((SIDE_BY_SIDE, STATE), np.int64)
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
                s = state[slot]
                s[POSITION], s[END] = 64 * places[t], 64 * places[t] + 8 * sizes[t]
                s[BLOCK], s[LAST] = slot * room, slot * room + blocks[t]
                s[LEFT], s[FAULT] = 0, 0
                lanes[slot * room * stride : (slot * room + blocks[t] + 1) * stride] = ZERO_LANE
        safe = 0
        if many == SIDE_BY_SIDE:
            safe = min(
                min(_safe_steps(state[0], word_bits), _safe_steps(state[1], word_bits)),
                min(_safe_steps(state[2], word_bits), _safe_steps(state[3], word_bits)),
            )
        if safe > 0:
            _read_four(bpc, table, starts, lanes, word_bits, planes, stride, state, safe)
            continue
        for slot in range(SIDE_BY_SIDE):
            t = going[slot]
            if t < 0 or (many == SIDE_BY_SIDE and _safe_steps(state[slot], word_bits) > 0):
                continue
            first = slot * room
            valid[t] = _finish(
                bpc, table, starts, lanes, word_bits, planes, stride, state[slot], unit
            ) and _to_values(
                bpc,
                starts[first:],
                lanes[first * stride :],
                stride,
                blocks[t],
                word_bits,
                values[value_places[t] : value_places[t] + 8 * blocks[t]],
            )
            going[slot] = -1
        many = 0
        for slot in range(SIDE_BY_SIDE):
            many += going[slot] >= 0


@njit(cache=True, nogil=True)
def _fill_symbols(word_bits, table):
    """Write the short symbols, by eight bits that begin with one: planes, bits << 8, lane << 16."""
    field_bits = 0
    while 1 << field_bits < word_bits:
        field_bits += 1
    for head in range(128):
        if head >> 6:
            table[head] = 1 | 2 << 8 | ZERO_LANE << 16
        elif head >> 5:
            planes = (head >> (5 - field_bits) & (1 << field_bits) - 1) + 2
            lane = ZERO_LANE if planes <= word_bits + 1 else BAD_LANE
            table[head] = min(planes, word_bits + 1) | 3 + field_bits << 8 | lane << 16
        elif head >> 3 == 0:
            table[head] = 1 | 5 << 8 | ONES_LANE << 16
        elif head >> 3 == 1:
            table[head] = 1 | 5 << 8 | PLANE_ZERO_LANE << 16


@njit(cache=True, nogil=True)
def _safe_steps(state, word_bits):
    """Return how many steps can be taken with no look at the end of blocks or stream."""
    bits = (state[END] - state[POSITION]) // (word_bits + 64)
    return min(state[LAST] - state[BLOCK], bits)


@njit(cache=True, nogil=True, inline="always")
def _step(bpc, table, starts, lanes, word_bits, planes, stride, position, left, block, fault):
    """Take long symbols and the short one behind them; `left` planes of the block are to come."""
    fresh = (left - 1) >> 63  # all bits set where a block begins
    starts[np.uint64(block)] = position
    block -= fresh
    position += np.uint64(word_bits & fresh)
    left += planes & fresh
    window = _window(bpc, position)
    # The highest bit of each byte that is no long symbol; of the last one, at any rate.
    short = ((window ^ _10) & _70) + _70 & ~window & _80 | np.uint64(0x80)
    long = min(leading_zeros(short) >> 3, left)
    head = (window << np.uint64(8 * long)) >> _56
    entry = table[head] & (long - left) >> 63  # none where the block is complete
    place = np.uint64(block * stride - stride + planes - left)
    store_big(lanes, place, window)
    store_little(lanes, place + np.uint64(long), np.uint64(entry >> 16) * _01)
    left -= long + (entry & 0xFF)
    position += np.uint64(8 * long + (entry >> 8 & 0xFF))
    return position, left, block, fault | left


@njit(cache=True, nogil=True)
def _read_four(bpc, table, starts, lanes, word_bits, planes, stride, state, safe):
    """Take `safe` steps of each of four transmissions."""
    a, b, c, d = state[0], state[1], state[2], state[3]
    a_position, b_position = np.uint64(a[POSITION]), np.uint64(b[POSITION])
    c_position, d_position = np.uint64(c[POSITION]), np.uint64(d[POSITION])
    a_left, b_left, c_left, d_left = a[LEFT], b[LEFT], c[LEFT], d[LEFT]
    a_block, b_block, c_block, d_block = a[BLOCK], b[BLOCK], c[BLOCK], d[BLOCK]
    fault = 0  # of any: then all four are looked at again
    for _ in range(safe):
        a_position, a_left, a_block, fault = _step(
            bpc, table, starts, lanes, word_bits, planes, stride, a_position, a_left, a_block, fault
        )
        b_position, b_left, b_block, fault = _step(
            bpc, table, starts, lanes, word_bits, planes, stride, b_position, b_left, b_block, fault
        )
        c_position, c_left, c_block, fault = _step(
            bpc, table, starts, lanes, word_bits, planes, stride, c_position, c_left, c_block, fault
        )
        d_position, d_left, d_block, fault = _step(
            bpc, table, starts, lanes, word_bits, planes, stride, d_position, d_left, d_block, fault
        )
    a[POSITION], a[LEFT], a[BLOCK] = a_position, a_left, a_block
    b[POSITION], b[LEFT], b[BLOCK] = b_position, b_left, b_block
    c[POSITION], c[LEFT], c[BLOCK] = c_position, c_left, c_block
    d[POSITION], d[LEFT], d[BLOCK] = d_position, d_left, d_block
    state[:, FAULT] |= fault


@njit(cache=True, nogil=True)
def _finish(bpc, table, starts, lanes, word_bits, planes, stride, state, unit):
    """Read one transmission to its end; return whether all of it is valid."""
    position, end = np.uint64(state[POSITION]), np.uint64(state[END])
    left, block, fault = state[LEFT], state[BLOCK], state[FAULT]
    while (block < state[LAST] or left > 0) and position <= end and fault >= 0:
        position, left, block, fault = _step(
            bpc, table, starts, lanes, word_bits, planes, stride, position, left, block, fault
        )
    return (
        fault >= 0 and block == state[LAST] and left == 0 and _ends_well(bpc, position, end, unit)
    )


@njit(cache=True, nogil=True)
def _to_values(bpc, starts, lanes, stride, blocks, word_bits, values):
    """Turn lanes to words; return whether all lanes are valid."""
    squares = lanes[: (blocks + 1) * stride].view(np.uint64)
    step = stride // 8
    back = _64 - np.uint64(word_bits)
    bases = np.empty(blocks, np.uint64)
    for b in range(blocks):
        bases[b] = _window(bpc, starts[b]) >> back
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
    values[:] = 0
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


def leading_zeros(word):
    """Return how many of 64 bits, from the highest on, are 0."""
    return 64 - int(word).bit_length()


@overload(leading_zeros, inline="always")
def _leading_zeros(word):  # pragma: no cover - compiled
    return lambda word: _count_leading_zeros(word)


@intrinsic
def _count_leading_zeros(_, word):  # pragma: no cover - compiled
    def build(context, builder, signature, arguments):
        return builder.ctlz(arguments[0], ir.IntType(1)(0))

    return types.int64(types.uint64), build


def store_big(octets, at, word):
    """Store a word as eight bytes, the highest first."""
    octets[at : at + np.uint64(8)] = np.frombuffer(int(word).to_bytes(8, "big"), np.uint8)


@overload(store_big, inline="always")
def _store_big(octets, at, word):  # pragma: no cover - compiled
    def store(octets, at, word):
        _ = octets[at + np.uint64(7)]
        _store_word(octets, at, word, True)

    return store


def store_little(octets, at, word):
    """Store a word as eight bytes, the lowest first."""
    octets[at : at + np.uint64(8)] = np.frombuffer(int(word).to_bytes(8, "little"), np.uint8)


@overload(store_little, inline="always")
def _store_little(octets, at, word):  # pragma: no cover - compiled
    def store(octets, at, word):
        _ = octets[at + np.uint64(7)]
        _store_word(octets, at, word, False)

    return store


@intrinsic(prefer_literal=True)
def _store_word(_, octets, at, word, big):  # pragma: no cover - compiled
    def build(context, builder, signature, arguments):
        place = _pointer(context, builder, octets, arguments[0], arguments[1], ir.IntType(64))
        value = builder.bswap(arguments[2]) if big.literal_value else arguments[2]
        builder.store(value, place, align=1)
        return context.get_dummy_value()

    return types.void(octets, types.uint64, types.uint64, big), build


def _pointer(context, builder, array_type, array, at, pointee):  # pragma: no cover - compiled
    """Point at an array's element, as at something else."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), pointee.as_pointer())
