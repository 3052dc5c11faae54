"""Read BPC streams of any n: as kernels/ebpc.py does, faster.

The format is docs/EBPC.md, section 4. A step is one symbol, without a branch on what it is. Planes
of a batch of blocks stand in rows, one element for each block, and become words together.

Anything that is not the stream of an encoder's is only noticed here; what is wrong, and where, is
for kernels/ebpc.py to say.
"""

import numpy as np
from numba import njit

from fmcompress.kernels.bits import ceil_log2, ends_well, expect, fill_with, window_at

expect("87562f5f131bbbf5")

BATCH_BLOCKS = 256
PLANE_ZERO = 1 << 31  # in place of DBX, which has at most 31 bits

# Columns of the table of symbols.
PLANES, BITS, RAW, SHAPE, POSITION, MOST = range(6)
COLUMNS = 6

_1, _56, _64 = np.array([1, 56, 64], np.uint64)


@njit(cache=True, nogil=True)
def decode(bpc, places, sizes, blocks, word_bits, block_size, unit, value_places, values, valid):
    """Decode transmissions.

    Parameters
    ----------
    bpc : ndarray of uint8
        The streams, and 512 bytes or more behind the last.
    places, sizes, blocks : ndarray of int64, shape (transmissions,)
        Where each begins; its bytes; its blocks.
    word_bits, block_size, unit : int
        w, 2 to 32; n; bits of a stream word.
    value_places : ndarray of int64, shape (transmissions,)
        Where each transmission's values go.
    values : ndarray of uint8, uint16 or uint32
        Receives the words of whole blocks.
    valid : ndarray of bool, shape (transmissions,)
        Receives whether the stream is valid.
    """
    table = np.zeros((256, COLUMNS), np.int64)
    _fill_symbols(word_bits, block_size, table)
    planes = np.empty((word_bits + 1, BATCH_BLOCKS), np.uint32)
    bases = np.empty(BATCH_BLOCKS, np.int64)
    for t in range(blocks.size):
        position = np.uint64(8 * places[t])
        end = position + np.uint64(8 * sizes[t])
        fault = 0
        for first in range(0, blocks[t], BATCH_BLOCKS):
            here = min(BATCH_BLOCKS, blocks[t] - first)
            for j in range(word_bits + 1):
                fill_with(planes[j], 0)
            position, fault = _read_blocks(
                bpc, position, end, table, word_bits, block_size, here, planes, bases
            )
            if fault < 0:
                break
            place = value_places[t] + first * block_size
            batch = values[place : place + here * block_size]
            _to_values(planes, bases, word_bits, block_size, here, batch)
        valid[t] = fault >= 0 and ends_well(bpc, position, end, unit)


@njit(cache=True, nogil=True)
def _fill_symbols(word_bits, block_size, table):
    """Write what the symbol is that begins with eight bits.

    Its planes and bits; the mask of DBX in a raw one; what else DBX is, to be moved right by the
    position; the mask of a position; the greatest legal one.
    """
    field_bits, position_bits = ceil_log2(word_bits), ceil_log2(block_size)
    ones = (1 << (block_size - 1)) - 1
    for head in range(256):
        symbol = table[head]
        symbol[PLANES] = 1
        symbol[MOST] = block_size
        if head >> 7:
            symbol[BITS], symbol[RAW] = block_size, ones
        elif head >> 6:
            symbol[BITS] = 2
        elif head >> 5:
            symbol[BITS] = 3 + field_bits
            symbol[PLANES] = (head >> (5 - field_bits) & (1 << field_bits) - 1) + 2
        elif head >> 3 == 0:
            symbol[BITS], symbol[SHAPE] = 5, ones
        elif head >> 3 == 1:
            symbol[BITS], symbol[SHAPE] = 5, PLANE_ZERO
        else:
            symbol[BITS], symbol[POSITION] = 5 + position_bits, block_size - 1
            width = 1 if head >> 3 == 3 else 2
            symbol[SHAPE] = (1 + width) << (block_size - 3)
            symbol[MOST] = block_size - 1 - width


@njit(cache=True, nogil=True)
def _read_blocks(bpc, position, end, table, word_bits, block_size, blocks, planes, bases):
    """Read DBX of every plane, and the bases; return the position, and a negative fault or 0."""
    raw_shift = np.uint64(65 - block_size)
    position_shift = np.uint64(64 - ceil_log2(block_size))
    fault = 0
    for b in range(blocks):
        if position > end:
            return position, -1
        bases[b] = np.int64(window_at(bpc, position) >> (_64 - np.uint64(word_bits)))
        position += np.uint64(word_bits)
        j = 0
        while j <= word_bits:
            window = window_at(bpc, position)
            symbol = table[window >> _56]
            place = np.int64(window << np.uint64(5) >> position_shift) & symbol[POSITION]
            fault |= symbol[MOST] - place
            raw = np.int64(window << _1 >> raw_shift) & symbol[RAW]
            planes[j, b] = raw | symbol[SHAPE] >> place
            j += symbol[PLANES]
            position += np.uint64(symbol[BITS])
        fault |= word_bits + 1 - j
    return position, fault


@njit(cache=True, nogil=True)
def _to_values(planes, bases, word_bits, block_size, blocks, values):
    """Turn DBX to planes, in place, and these to words."""
    row = planes[0]
    for b in range(blocks):
        row[b] = row[b] & (PLANE_ZERO - 1)
    for j in range(1, word_bits):
        row, below = planes[j], planes[j - 1]
        for b in range(blocks):
            row[b] = np.uint32(0) if row[b] == PLANE_ZERO else row[b] ^ below[b]
    mask = np.int64((1 << word_bits) - 1)
    totals = np.empty(blocks, np.int64)
    deltas = np.empty(blocks, np.uint32)
    for b in range(blocks):
        totals[b] = bases[b]
        values[b * block_size] = bases[b]
    for k in range(1, block_size):
        fill_with(deltas, 0)
        place = np.uint32(block_size - 1 - k)
        for j in range(word_bits):
            row, up = planes[j], np.uint32(j)
            for b in range(blocks):
                deltas[b] |= np.uint32(row[b] >> place & np.uint32(1)) << up
        for b in range(blocks):
            totals[b] = totals[b] + deltas[b] & mask
            values[b * block_size + k] = totals[b]


# --- Instructions that no operator stands for ---------------------------------------------
#
# As Python, and as what Numba compiles instead. Each looks at the last element that it touches:
# free, unless Numba checks bounds.
