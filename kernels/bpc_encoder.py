"""Write BPC streams a batch of blocks at a time: those of kernels/ebpc.py, bit for bit, much faster.

The format is docs/EBPC.md, section 4. Planes of a batch of blocks stand in rows, one lane for each
block, so that the compiler makes vector instructions of every loop over lanes; nothing branches on
data, and only appending to the stream goes block by block.
"""

import numpy as np
from numba import njit

from fmcompress.kernels.bits import (
    GAP,
    MODULAR,
    SIGNED,
    append_two,
    ceil_log2,
    expect,
    fill_with,
    to_bytes,
)

expect("87562f5f131bbbf5")

BATCH_BLOCKS = 512  # their rows lie in the first level of the cache, and loops over them pay

_0, _6, _7, _8, _63, _64 = np.array([0, 6, 7, 8, 63, 64], np.uint64)
_BYTE = np.uint64(0xFF)


@njit(cache=True, nogil=True)
def encode(values, sizes, word_bits, block_size, difference, lane, lane16, lane32, wide, bpc, bits):
    """Write the BPC streams of transmissions of any w and n.

    Parameters
    ----------
    values : ndarray of uint8, uint16 or uint32
        The words that are not zero, each transmission's behind the last one's and `GAP` words,
        which are written to.
    sizes : ndarray of int64, shape (transmissions, 2)
        Of each transmission the number of these words, and something else.
    word_bits, block_size, difference : int
        w of 2 or more, n, and one of `SIGNED`, `UNSIGNED`, `MODULAR`.
    lane : ndarray of uint8, uint16 or uint32
        Empty; of the type that holds the longest symbol of a plane: uint8 for n up to 8, uint16 for
        16, uint32 for 32.
    lane16, lane32 : bool or None
        Not None where 16 and 32 bits are more than that: codes are joined by way of such.
    wide : ndarray of uint16, uint32 or uint64
        Empty; of twice the words' width.
    bpc : ndarray of uint64
        Receives the streams, as bytes, each from a new word on; with room for the longest ones,
        and three words more for each transmission.
    bits : ndarray of int64, shape (transmissions,)
        Receives the bits of each stream before padding.
    """
    _encode(values, sizes, word_bits, block_size, difference, lane, lane16, lane32, wide, bpc, bits)


@njit(cache=True, nogil=True)
def encode_eight(values, sizes, difference, lane, lane16, lane32, wide, bpc, bits):
    """Write the BPC streams of w = n = 8: as `encode`, a third faster, as both are constants."""
    _encode(values, sizes, 8, 8, difference, lane, lane16, lane32, wide, bpc, bits)


@njit(cache=True, nogil=True, inline="always")
def _encode(
    values, sizes, word_bits, block_size, difference, lane, lane16, lane32, wide, bpc, bits
):
    lane_bits = 8 * lane.itemsize
    pieces = ((_base_rows(word_bits, lane_bits) + word_bits + 1) * lane_bits + 63) // 64
    # Rows that no plane has stay zero: they join nothing to the code before.
    codes = np.zeros((pieces * 64 // lane_bits, BATCH_BLOCKS), lane.dtype)
    codes16 = np.zeros((4 * pieces, BATCH_BLOCKS), np.uint16)
    codes32 = np.zeros((2 * pieces, BATCH_BLOCKS), np.uint32)
    high = np.zeros((pieces + 1, BATCH_BLOCKS), np.uint64)
    rows = (
        np.empty(BATCH_BLOCKS * block_size, wide.dtype),
        np.empty(BATCH_BLOCKS * block_size, np.uint8),
        np.empty((word_bits + 1, BATCH_BLOCKS), lane.dtype),
        (codes, np.zeros(codes.shape, lane.dtype)),
        (codes16, np.zeros(codes16.shape, np.uint16)),
        (codes32, np.zeros(codes32.shape, np.uint32)),
        (high, np.zeros(high.shape, np.uint64)),
    )
    at = _0
    place = 0
    for chunk in range(bits.size):
        count = sizes[chunk, 0]
        bits[chunk] = 0
        if count > 0:
            blocks = (count + block_size - 1) // block_size
            fill_with(values[place + count : place + blocks * block_size], 0)
            used = _code(
                values[place : place + blocks * block_size],
                word_bits,
                block_size,
                difference,
                lane16,
                lane32,
                rows,
                bpc,
                at,
            )
            bits[chunk] = used
            at += (used + _63) >> _6
        place += count + GAP
    to_bytes(bpc, at)


@njit(cache=True, nogil=True)
def _code(values, word_bits, block_size, difference, lane16, lane32, rows, bpc, at):
    """Write the BPC stream of whole blocks; return its bits."""
    deltas, octets, planes, (codes, lengths), (codes16, lengths16), (codes32, lengths32), last = (
        rows
    )
    high, total = last
    base_rows = _base_rows(word_bits, 8 * codes.itemsize)
    used = base_rows + word_bits + 1
    pieces = (used * codes.itemsize + 7) // 8
    first, register, fill = at, _0, _0
    bpc[at] = 0
    for origin in range(0, values.size, BATCH_BLOCKS * block_size):
        batch = values[origin : min(origin + BATCH_BLOCKS * block_size, values.size)]
        here = batch.size // block_size
        _subtract(batch, word_bits, difference, deltas)
        _turn(deltas[: batch.size], word_bits, block_size, octets, planes)
        _code_bases(batch, word_bits, block_size, codes, lengths)
        _code_planes(planes, word_bits, block_size, here, codes[base_rows:], lengths[base_rows:])
        if lane16 is not None:
            _join(codes, lengths, (used + 1) // 2, here, codes16, lengths16)
            _join(codes16, lengths16, (used + 3) // 4, here, codes32, lengths32)
            _join(codes32, lengths32, pieces, here, high, total)
        elif lane32 is not None:
            _join(codes, lengths, (used + 1) // 2, here, codes32, lengths32)
            _join(codes32, lengths32, pieces, here, high, total)
        else:
            _join(codes, lengths, pieces, here, high, total)
        for p in range(0, pieces, 2):
            _align(high[p], total[p], high[p + 1], total[p + 1], p + 1 < pieces, here)
        at, register, fill = _append_blocks(high, total, pieces, here, bpc, at, register, fill)
    return (at - first << _6) + fill


@njit(cache=True, nogil=True)
def _subtract(values, word_bits, difference, deltas):
    """Form the differences of neighbours, w + 1 bits of them; those of bases are never looked at."""
    sign = np.int64(1) << (word_bits - 1)
    if difference == MODULAR:
        for i in range(1, values.size):
            wrapped = np.int64(values[i]) - np.int64(values[i - 1]) & 2 * sign - 1
            deltas[i] = (wrapped ^ sign) - sign & 4 * sign - 1
    else:
        flip = sign if difference == SIGNED else np.int64(0)
        for i in range(1, values.size):
            delta = (np.int64(values[i]) ^ flip) - (np.int64(values[i - 1]) ^ flip)
            deltas[i] = delta & 4 * sign - 1


@njit(cache=True, nogil=True)
def _turn(deltas, word_bits, block_size, octets, planes):
    """Turn differences to rows of planes, eight at a time."""
    squares = octets.view(np.uint64)
    for low in range(0, word_bits + 1, 8):
        for i in range(deltas.size):
            octets[i] = deltas[i] >> low & 0xFF
        for i in range((deltas.size + 7) // 8):
            squares[i] = _turned(squares[i])
        for j in range(low, min(low + 8, word_bits + 1)):
            _pick(squares, np.uint64(8 * (low + 7 - j)), block_size, planes[j])


@njit(cache=True, nogil=True, inline="always")
def _turned(square):
    """Turn 8 × 8 bits about the diagonal that swaps the first word's and the highest plane's."""
    moved = (square ^ square >> np.uint64(9)) & np.uint64(0x0055005500550055)
    square ^= moved ^ moved << np.uint64(9)
    moved = (square ^ square >> np.uint64(18)) & np.uint64(0x0000333300003333)
    square ^= moved ^ moved << np.uint64(18)
    moved = (square ^ square >> np.uint64(36)) & np.uint64(0x000000000F0F0F0F)
    return square ^ moved ^ moved << np.uint64(36)


@njit(cache=True, nogil=True)
def _pick(squares, place, block_size, plane):
    """Take one plane of every block; n - 1 bits, as that of the base is none."""
    base = np.uint64(0x7F)
    if block_size == 8:
        for b in range(min(plane.size, squares.size)):
            plane[b] = squares[b] >> place & base
    elif block_size == 16:
        for b in range(min(plane.size, squares.size // 2)):
            left = squares[2 * b] >> place & base
            plane[b] = left << _8 | squares[2 * b + 1] >> place & _BYTE
    elif block_size == 32:
        for b in range(min(plane.size, squares.size // 4)):
            left = squares[4 * b] >> place & base
            left = left << _8 | squares[4 * b + 1] >> place & _BYTE
            left = left << _8 | squares[4 * b + 2] >> place & _BYTE
            plane[b] = left << _8 | squares[4 * b + 3] >> place & _BYTE
    else:
        for b in range(min(plane.size, squares.size * 2)):
            half = np.uint64(4 - 4 * (b & 1))
            plane[b] = squares[b >> 1] >> place >> half & _7


@njit(cache=True, nogil=True, inline="always")
def _base_rows(word_bits, lane_bits):
    """Return how many rows of lanes a base takes."""
    return (word_bits + lane_bits - 1) // lane_bits


@njit(cache=True, nogil=True)
def _code_bases(values, word_bits, block_size, codes, lengths):
    """Write bases to the first rows, their highest bits first."""
    lane_bits = 8 * codes.itemsize
    rows = _base_rows(word_bits, lane_bits)
    for r in range(rows):
        low = lane_bits * (rows - 1 - r)
        code = codes[r]
        if block_size == 8:  # the compiler knows what to do with a constant
            for b in range(values.size // 8):
                code[b] = values[8 * b] >> low
        else:
            for b in range(values.size // block_size):
                code[b] = values[block_size * b] >> low
        fill_with(lengths[r], min(word_bits - low, lane_bits))


@njit(cache=True, nogil=True)
def _code_planes(planes, word_bits, block_size, blocks, codes, lengths):
    """Write the symbols of every plane to its row (docs/EBPC.md, section 4.4)."""
    position_bits = ceil_log2(block_size)
    run_field_bits = ceil_log2(word_bits)
    for j in range(word_bits, 0, -1):
        dbx = codes[j]  # until its symbol takes its place
        for b in range(blocks):
            dbx[b] = planes[j, b] ^ planes[j - 1, b]
    for b in range(blocks):
        codes[0, b] = planes[0, b]
    runs = np.zeros(blocks, planes.dtype)
    for j in range(word_bits, -1, -1):
        _code_plane(
            planes[j],
            codes[j - 1] if j > 0 else codes[1],  # never looked at, but no row written to
            j == 0,
            block_size,
            position_bits,
            run_field_bits,
            runs,
            codes[j],
            lengths[j],
        )


@njit(cache=True, nogil=True)
def _code_plane(
    plane, below, lowest, block_size, position_bits, run_field_bits, runs, codes, lengths
):
    """Replace the DBX of one plane by symbols; `runs` are the zero planes from here on up.

    All is computed in the lanes' own type: Numba would go on in 64 bits, and so would the lanes.
    """
    lane = codes.dtype
    zero, one, two = lane.type(0), lane.type(1), lane.type(2)
    four, eight, sixteen = lane.type(4), lane.type(8), lane.type(16)
    every = np.iinfo(lane).max
    odd, second, fourth = every // 3 * 2, every // 5 * 4, every // 17 * 16
    eighth, sixteenth = every // 257 * 256, every // 65537 * 65536
    ones = lane.type((1 << (block_size - 1)) - 1)
    raw = lane.type(1 << (block_size - 1))
    single_code = lane.type(0b00011 << position_bits | block_size - 2)
    pair_code = lane.type(0b00010 << position_bits | block_size - 3)
    run_code = lane.type(1 << run_field_bits)
    run_length = lane.type(3 + run_field_bits)
    position_length = lane.type(5 + position_bits)
    raw_length, five = lane.type(block_size), lane.type(5)
    for b in range(runs.size):
        dbx = codes[b]
        run = lane.type(runs[b] + one) if dbx == zero else zero
        runs[b] = run
        rest = lane.type(dbx & lane.type(dbx - one))
        lowest_one = lane.type(dbx ^ rest)
        place = one if lane.type(lowest_one & lane.type(odd)) != zero else zero
        more = two if lane.type(lowest_one & lane.type(second)) != zero else zero
        place = lane.type(place | more)
        more = four if lane.type(lowest_one & lane.type(fourth)) != zero else zero
        place = lane.type(place | more)
        more = eight if lane.type(lowest_one & lane.type(eighth)) != zero else zero
        place = lane.type(place | more)
        more = sixteen if lane.type(lowest_one & lane.type(sixteenth)) != zero else zero
        place = lane.type(place | more)
        single = rest == zero
        pair = rest == lane.type(lowest_one + lowest_one)
        code = lane.type(raw | dbx)
        code = lane.type(pair_code - place) if pair else code
        code = lane.type(single_code - place) if single else code
        length = position_length if single or pair else raw_length
        code = one if plane[b] == zero else code
        length = five if plane[b] == zero else length
        code = zero if dbx == ones else code
        length = five if dbx == ones else length
        run_here = one if run == one else lane.type(run_code + lane.type(run - two))
        code = run_here if dbx == zero else code
        length = (two if run == one else run_length) if dbx == zero else length
        within = dbx == zero and below[b] == zero and not lowest
        codes[b] = zero if within else code
        lengths[b] = zero if within else length


@njit(cache=True, nogil=True)
def _join(codes, lengths, rows, blocks, wide_codes, wide_lengths):
    """Join right-aligned codes of two rows each."""
    wide = wide_codes.dtype
    most = wide.type(np.iinfo(wide).bits - 1)  # tells the compiler that shifts are short
    for r in range(rows):
        left, right = codes[2 * r], codes[2 * r + 1]
        left_length, right_length = lengths[2 * r], lengths[2 * r + 1]
        code, length = wide_codes[r], wide_lengths[r]
        for b in range(blocks):
            shift = wide.type(right_length[b])
            moved = wide.type(wide.type(left[b]) << wide.type(shift & most))
            code[b] = wide.type(moved | wide.type(right[b]))
            length[b] = wide.type(wide.type(left_length[b]) + shift)


@njit(cache=True, nogil=True)
def _align(high, total, low, low_length, both, blocks):
    """Join right-aligned codes of 64 bits to left-aligned ones of 128."""
    for b in range(blocks):
        length = total[b]
        back = _64 - length & _63
        code = low[b] << (_64 - low_length[b] & _63) if both else _0
        high[b] = high[b] << back | (code >> length if length < _64 else _0)
        low[b] = (code if length == _64 else code << back) if length > _0 else _0
        total[b] = length + (low_length[b] if both else _0)


@njit(cache=True, nogil=True)
def _append_blocks(high, total, pieces, blocks, bpc, at, register, fill):
    """Append every block, two words of 64 bits at a time."""
    if pieces <= 2:
        first, second, length = high[0], high[1], total[0]
        for b in range(blocks):
            at, register, fill = append_two(bpc, at, register, fill, first[b], second[b], length[b])
    else:
        for b in range(blocks):
            for p in range(0, pieces, 2):
                at, register, fill = append_two(
                    bpc, at, register, fill, high[p, b], high[p + 1, b], total[p, b]
                )
    return at, register, fill
