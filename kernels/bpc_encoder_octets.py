"""Write BPC streams of n = 8 and w = 8, 64 words at once, with AVX-512 and GFNI.

The format is docs/EBPC.md, section 4. A block is one word of 64 bits of eight: its words, then its
planes, then their codes, an octet for each but the ninth plane, that of signs. The octet of plane j
is the j-th from the highest on, as streams have it. What of an octet is code, a mask tells, and one
instruction brings all codes of a word together.
"""

import numpy as np
from numba import njit

from fmcompress.kernels.bits import (
    GAP,
    MODULAR,
    SIGNED,
    append_two,
    expect,
    extract_bits,
    fill_with,
    ones_of,
    repeated_octet,
    to_bytes,
)
from fmcompress.kernels.eight_words import (
    in_registers,
    load_eight,
    look_up,
    octets_above,
    store_eight,
    sub_octets,
    turned,
    where_high,
    where_octet_zero,
)

expect("87562f5f131bbbf5")

BATCH_BLOCKS = 512


_0, _1, _6, _7, _8, _16, _24, _32, _56, _63, _64 = np.array(
    [0, 1, 6, 7, 8, 16, 24, 32, 56, 63, 64], np.uint64
)
_01, _1F, _7F, _80, _EVERY = map(repeated_octet, (0x01, 0x1F, 0x7F, 0x80, 0xFF))
_OCTET, _SEVEN_BITS = np.uint64(0xFF), np.uint64(0x7F)
# The bit of each plane in a word; and the lowest bit, for the last octet alone.
_PLANES, _LOWEST = np.uint64(0x0102040810204080), _1


@njit(cache=True, nogil=True)
def encode(values, sizes, difference, bpc, bits):
    """Write the BPC streams of transmissions.

    Parameters
    ----------
    values : ndarray of uint8
        The words that are not zero, each transmission's behind the last one's and `GAP` words,
        which are written to; and `GAP` words behind the last.
    sizes : ndarray of int64, shape (transmissions, 2)
        Of each transmission the number of these words, and something else.
    difference : int
        One of `SIGNED`, `UNSIGNED`, `MODULAR`.
    bpc : ndarray of uint64
        Receives the streams, as bytes, each from a new word on; with room for the longest ones,
        and three words more for each transmission.
    bits : ndarray of int64, shape (transmissions,)
        Receives the bits of each stream before padding.
    """
    tables = _tables()
    rows = np.empty((4, BATCH_BLOCKS), np.uint64)
    at = _0
    place = 0
    for chunk in range(bits.size):
        count = sizes[chunk, 0]
        bits[chunk] = 0
        if count > 0:
            blocks = (count + 7) // 8
            fill_with(values[place + count : place + 8 * blocks], 0)
            whole = values[place : place + (blocks + 7) // 8 * 64].view(np.uint64)
            used = _code(whole, blocks, difference, tables, rows, bpc, at)
            bits[chunk] = used
            at += (used + _63) >> _6
        place += count + GAP
    to_bytes(bpc, at)


@njit(cache=True, nogil=True)
def _tables():
    """Return codes and their masks: by DBX, without those of zeros; and by length of a zero run."""
    codes, masks = np.zeros(128, np.uint8), np.zeros(128, np.uint8)
    for dbx in range(1, 127):
        codes[dbx], masks[dbx] = 0x80 | dbx, 0xFF
    for position in range(7):
        codes[0x40 >> position] = 0b00011 << 3 | position
    for position in range(6):
        codes[0x60 >> position] = 0b00010 << 3 | position
    masks[127] = 0x1F
    run_codes, run_masks = np.zeros(128, np.uint8), np.zeros(128, np.uint8)
    run_codes[1], run_masks[1] = 0b01, 0b11
    for run in range(2, 10):
        run_codes[run], run_masks[run] = 0b001 << 3 | run - 2, 0x3F
    return codes, masks, run_codes, run_masks


@njit(cache=True, nogil=True)
def _code(words, blocks, difference, tables, rows, bpc, at):
    """Write the BPC stream of blocks; return its bits."""
    first, register, fill = at, _0, _0
    bpc[at] = 0
    for start in range(0, blocks, BATCH_BLOCKS):
        here = min(blocks - start, BATCH_BLOCKS)
        _symbols(words[start : start + (here + 7) // 8 * 8], difference, tables, rows)
        codes, masks, last_codes, last_masks = rows[0], rows[1], rows[2], rows[3]
        for b in range(here):
            length, last_length = ones_of(masks[b]), ones_of(last_masks[b])
            code = extract_bits(codes[b], masks[b]) << (_64 - length)
            last = (extract_bits(last_codes[b], last_masks[b]) << _1) << (_63 - last_length)
            code |= (last >> _1) >> (length - _1)
            last <<= _64 - length
            at, register, fill = append_two(
                bpc, at, register, fill, code, last, length + last_length
            )
    return (at - first << _6) + fill


@njit(cache=True, nogil=True)
def _symbols(words, difference, tables, rows):
    """Turn blocks to codes and their masks: of base and planes 0 to 6; of planes 7 and 8.

    The first of these have eight bits at least, the second may have none.
    """
    codes_of, masks_of = in_registers(tables[0]), in_registers(tables[1])
    run_codes_of, run_masks_of = in_registers(tables[2]), in_registers(tables[3])
    flip = _80 if difference == SIGNED else _0
    for b in range(0, words.size, 8):
        word = load_eight(words, b)
        before = word << _8
        delta = sub_octets(word, before)
        if difference == MODULAR:
            sign = where_high(delta, delta | _EVERY, delta & _0)
        else:
            sign = octets_above(before ^ flip, word ^ flip)
        planes = turned(delta, _PLANES) & _7F
        signs = turned(sign, _LOWEST) & _SEVEN_BITS
        dbx = planes ^ planes >> _8
        signs_dbx = (signs ^ planes) & _OCTET
        # Zero runs, which the plane of signs may end.
        zeros = where_octet_zero(dbx, dbx | _EVERY, dbx & _0)
        signs_zero = where_octet_zero(signs_dbx, dbx | _OCTET, dbx & _0) & _OCTET
        runs, ended = zeros & _01, signs_zero & _1
        behind = zeros << _8 | signs_zero
        runs = runs + ((runs << _8 | ended) & zeros)
        zeros_two = zeros & behind
        runs = runs + ((runs << _16 | ended << _8) & zeros_two)
        zeros_four = zeros_two & zeros_two << _16
        runs = runs + ((runs << _32 | ended << _24) & zeros_four)
        runs = runs + ((ended << _56) & zeros_four & zeros_four << _32)
        begins = zeros & ~(zeros >> _8)
        signs_begins = signs_zero & ~zeros
        code, mask = look_up(codes_of, dbx), look_up(masks_of, dbx)
        # "Plane zero", but for where DBX is zeros or ones.
        code = where_octet_zero(planes, mask >> _7 & _01, code)
        mask = where_octet_zero(planes, mask & _1F, mask)
        code |= look_up(run_codes_of, runs) & begins
        mask |= look_up(run_masks_of, runs) & begins
        last_code, last_mask = look_up(codes_of, signs_dbx), look_up(masks_of, signs_dbx)
        last_code = where_octet_zero(signs, last_mask >> _7 & _01, last_code)
        last_mask = where_octet_zero(signs, last_mask & _1F, last_mask)
        last_code |= signs_begins & _1
        last_mask |= signs_begins & np.uint64(3)
        store_eight(rows[0], b, word << _56 | code >> _8)
        store_eight(rows[1], b, mask >> _8 | _OCTET << _56)
        store_eight(rows[2], b, (code & _OCTET) << _8 | last_code & _OCTET)
        store_eight(rows[3], b, (mask & _OCTET) << _8 | last_mask & _OCTET)
