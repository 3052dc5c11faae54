"""EBPC word by word, as the hardware codes it: a word in, symbols out through a streaming register.

The format is docs/EBPC.md; the names are the hardware's. Both streams go through a register of
whole bits (`register` holds the `fill` newest ones, right-aligned) from which full bytes leave.
Words are unsigned bit patterns of `word_bits` bits in ``uint32`` arrays.
"""

import numpy as np
from numba import njit

# How the encoder forms a difference (docs/EBPC.md, "Differences").
SIGNED = 0
UNSIGNED = 1
MODULAR = 2

# Status of `decode`; the same numbers as fmcompress.errors.StreamFault.
OK = 0
ZNZ_TRUNCATED = 1
ZNZ_LEFT_OVER = 2
ZNZ_PADDING = 3
ZNZ_RUN_TOO_LONG = 4
BPC_TRUNCATED = 5
BPC_LEFT_OVER = 6
BPC_PADDING = 7
BPC_RUN_TOO_LONG = 8
BPC_POSITION = 9


@njit(cache=True, nogil=True)
def encode(words, word_bits, block_size, run_bits, difference, znz, bpc):
    """Encode one transmission.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
        Bit patterns, each below ``2**word_bits``.
    word_bits, block_size, run_bits, difference : int
        w, n, z and one of `SIGNED`, `UNSIGNED`, `MODULAR`.
    znz, bpc : ndarray of uint8
        Receive the streams, the last byte padded with zeros; long enough for the worst case.

    Returns
    -------
    znz_bits, bpc_bits : int
        Bits of each stream before padding.
    """
    max_burst = 1 << run_bits
    planes = np.zeros(word_bits + 1, np.int64)
    zeros = 0  # pending zero words
    filled = 0  # words in the current block
    base = np.int64(0)
    previous = np.int64(0)
    znz_at, znz_register, znz_fill = 0, 0, 0
    bpc_at, bpc_register, bpc_fill = 0, 0, 0
    for i in range(words.size):
        word = np.int64(words[i])
        if word == 0:
            zeros += 1
            if zeros == max_burst:
                znz_at, znz_register, znz_fill = _put(
                    znz, znz_at, znz_register, znz_fill, zeros - 1, 1 + run_bits
                )
                zeros = 0
            continue
        if zeros > 0:
            znz_at, znz_register, znz_fill = _put(
                znz, znz_at, znz_register, znz_fill, zeros - 1, 1 + run_bits
            )
            zeros = 0
        znz_at, znz_register, znz_fill = _put(znz, znz_at, znz_register, znz_fill, 1, 1)
        if word_bits == 1:
            continue  # the flag says it all
        if filled == 0:
            base = word
        else:
            _shift_in(planes, _difference(word, previous, word_bits, difference))
        previous = word
        filled += 1
        if filled == block_size:
            bpc_at, bpc_register, bpc_fill = _put_block(
                bpc, bpc_at, bpc_register, bpc_fill, base, planes, block_size
            )
            filled = 0
    if zeros > 0:
        znz_at, znz_register, znz_fill = _put(
            znz, znz_at, znz_register, znz_fill, zeros - 1, 1 + run_bits
        )
    if filled > 0:
        while filled < block_size:
            _shift_in(planes, _difference(np.int64(0), previous, word_bits, difference))
            previous = np.int64(0)
            filled += 1
        bpc_at, bpc_register, bpc_fill = _put_block(
            bpc, bpc_at, bpc_register, bpc_fill, base, planes, block_size
        )
    znz_bits = 8 * znz_at + znz_fill
    bpc_bits = 8 * bpc_at + bpc_fill
    _put(znz, znz_at, znz_register, znz_fill, 0, -znz_bits & 7)
    _put(bpc, bpc_at, bpc_register, bpc_fill, 0, -bpc_bits & 7)
    return znz_bits, bpc_bits


@njit(cache=True, nogil=True)
def encode_blocks(words, word_bits, block_size, difference, bpc):
    """Encode all words of one transmission, zeros too, as a BPC stream.

    Parameters
    ----------
    words, word_bits, block_size, difference
        As of `encode`.
    bpc : ndarray of uint8
        Receives the stream, the last byte padded with zeros; long enough for the worst case.

    Returns
    -------
    bits : int
        Of the stream before padding.
    """
    planes = np.zeros(word_bits + 1, np.int64)
    at, register, fill = 0, 0, 0
    for first in range(0, words.size, block_size):
        base = np.int64(words[first])
        previous = base
        for k in range(1, block_size):
            word = np.int64(words[first + k]) if first + k < words.size else np.int64(0)
            _shift_in(planes, _difference(word, previous, word_bits, difference))
            previous = word
        at, register, fill = _put_block(bpc, at, register, fill, base, planes, block_size)
    bits = 8 * at + fill
    _put(bpc, at, register, fill, 0, -bits & 7)
    return bits


# Inlined before compilation: called as a function it costs a third of the encoder's speed.
@njit(cache=True, nogil=True, inline="always")
def _put(stream, at, register, fill, code, length):
    """Append a code to the streaming register and let full bytes leave it."""
    register = register << length | code
    fill += length
    while fill >= 8:
        fill -= 8
        stream[at] = register >> fill & 0xFF
        at += 1
    return at, register & ((1 << fill) - 1), fill


@njit(cache=True, nogil=True)
def _difference(word, previous, word_bits, difference):
    """Form the (word_bits + 1)-bit difference, as a signed integer."""
    if difference == UNSIGNED:
        return word - previous
    sign = np.int64(1) << (word_bits - 1)
    if difference == SIGNED:
        return (word ^ sign) - (previous ^ sign)
    wrapped = (word - previous) & (2 * sign - 1)
    return (wrapped ^ sign) - sign


@njit(cache=True, nogil=True)
def _shift_in(planes, delta):
    """Shift one difference into the delta bit-planes; the first one ends up leftmost."""
    for j in range(planes.size):
        planes[j] = planes[j] << 1 | (delta >> j & 1)


@njit(cache=True, nogil=True)
def _put_block(stream, at, register, fill, base, planes, block_size):
    """Append a block, base then planes (least significant first), and clear the planes."""
    word_bits = planes.size - 1
    ones = (np.int64(1) << (block_size - 1)) - 1
    position_bits = _ceil_log2(block_size)
    run_field_bits = _ceil_log2(word_bits)
    at, register, fill = _put(stream, at, register, fill, base, word_bits)
    previous = np.int64(0)
    run = 0  # pending zero planes
    for j in range(word_bits + 1):
        plane = planes[j]
        dbx = plane ^ previous
        previous = plane
        planes[j] = 0
        if dbx == 0:
            run += 1
            continue
        if run > 0:
            at, register, fill = _put_zero_planes(stream, at, register, fill, run, run_field_bits)
            run = 0
        lowest = dbx & -dbx
        if dbx == ones:
            at, register, fill = _put(stream, at, register, fill, 0b00000, 5)
        elif plane == 0:
            at, register, fill = _put(stream, at, register, fill, 0b00001, 5)
        elif dbx == lowest or dbx == 3 * lowest:
            kind = 0b00011 if dbx == lowest else 0b00010
            position = block_size - 2 - _floor_log2(dbx)
            code = kind << position_bits | position
            at, register, fill = _put(stream, at, register, fill, code, 5 + position_bits)
        else:
            code = 1 << (block_size - 1) | dbx
            at, register, fill = _put(stream, at, register, fill, code, block_size)
    if run > 0:
        at, register, fill = _put_zero_planes(stream, at, register, fill, run, run_field_bits)
    return at, register, fill


@njit(cache=True, nogil=True, inline="always")
def _put_zero_planes(stream, at, register, fill, run, run_field_bits):
    """Append the code of a run of zero DBX planes."""
    if run == 1:
        return _put(stream, at, register, fill, 0b01, 2)
    code = 0b001 << run_field_bits | (run - 2)
    return _put(stream, at, register, fill, code, 3 + run_field_bits)


@njit(cache=True, nogil=True)
def _floor_log2(value):
    """Place of the highest one among 32 bits, found in five steps without a branch."""
    place = 0
    for step in (16, 8, 4, 2, 1):
        place += step if value >> (place + step) != 0 else 0
    return place


@njit(cache=True, nogil=True)
def _ceil_log2(value):
    """Smallest k with ``2**k >= value``."""
    k = 0
    while 1 << k < value:
        k += 1
    return k


@njit(cache=True, nogil=True)
def decode(znz, bpc, word_bits, block_size, run_bits, words):
    """Decode one transmission, strictly.

    Parameters
    ----------
    znz, bpc : ndarray of uint8
        The streams.
    word_bits, block_size, run_bits : int
        w, n and z.
    words : ndarray of uint32, shape (count,)
        Receives the words.

    Returns
    -------
    status : int
        `OK`, or the number of the fault.
    word, bit : int
        Where the fault is: index of the word being decoded, position in the stream in bits.
    """
    block = np.zeros(block_size, np.int64)
    left = 0  # words of the block that are still to come
    zeros = 0  # words left of the current zero run
    unpacker = np.zeros(3, np.int64)  # of the BPC stream: at, register, fill
    at, register, fill = 0, 0, 0
    for i in range(words.size):
        if zeros > 0:
            zeros -= 1
            words[i] = 0
            continue
        if fill < 8:
            at, register, fill = _refill(znz, at, register, fill)
            if fill == 0:
                return ZNZ_TRUNCATED, i, 8 * at
        if register >> (fill - 1) == 0:
            if fill < 1 + run_bits:
                return ZNZ_TRUNCATED, i, 8 * at - fill
            run = (register >> (fill - 1 - run_bits)) + 1
            if run > words.size - i:
                return ZNZ_RUN_TOO_LONG, i, 8 * at - fill
            fill -= 1 + run_bits
            register &= (1 << fill) - 1
            zeros = run - 1
            words[i] = 0
            continue
        fill -= 1
        register &= (1 << fill) - 1
        if word_bits == 1:
            words[i] = 1
            continue
        if left == 0:
            status, bit = _take_block(bpc, unpacker, word_bits, block)
            if status != OK:
                return status, i, bit
            left = block_size
        words[i] = block[block_size - left]
        left -= 1
    status, bit = _check_end(znz, 8 * at - fill, word_bits)
    if status != OK:
        return status - BPC_TRUNCATED + ZNZ_TRUNCATED, words.size, bit
    status, bit = _check_end(bpc, 8 * unpacker[0] - unpacker[2], word_bits)
    return status, words.size, bit


@njit(cache=True, nogil=True)
def decode_blocks(bpc, word_bits, block_size, words):
    """Decode what `encode_blocks` encoded, strictly; parameters and results are as of `decode`."""
    block = np.zeros(block_size, np.int64)
    unpacker = np.zeros(3, np.int64)
    for i in range(words.size):
        if i % block_size == 0:
            status, bit = _take_block(bpc, unpacker, word_bits, block)
            if status != OK:
                return status, i, bit
        words[i] = block[i % block_size]
    status, bit = _check_end(bpc, 8 * unpacker[0] - unpacker[2], word_bits)
    return status, words.size, bit


@njit(cache=True, nogil=True)
def _refill(stream, at, register, fill):
    """Top the register up to at least 48 bits, or to the end of the stream."""
    while fill <= 48 and at < stream.size:
        register = register << 8 | np.int64(stream[at])
        at += 1
        fill += 8
    return at, register, fill


@njit(cache=True, nogil=True)
def _take_block(stream, unpacker, word_bits, block):
    """Decode the next block; return the status and the bit position of a fault."""
    block_size = block.size
    ones = (np.int64(1) << (block_size - 1)) - 1
    position_bits = _ceil_log2(block_size)
    run_field_bits = _ceil_log2(word_bits)
    at, register, fill = _refill(stream, unpacker[0], unpacker[1], unpacker[2])
    if fill < word_bits:
        return BPC_TRUNCATED, 8 * at - fill
    fill -= word_bits
    block[:] = 0
    block[0] = register >> fill
    register &= (1 << fill) - 1
    plane = np.int64(0)
    j = 0
    while j <= word_bits:
        if fill < 48:
            at, register, fill = _refill(stream, at, register, fill)
        head = _head(register, fill)
        run = 1
        if head >= 0b10000:
            length = block_size
        elif head >= 0b01000:
            length = 2
        elif head >= 0b00100:
            length = 3 + run_field_bits
        elif head >= 0b00010:
            length = 5 + position_bits
        else:
            length = 5
        if fill < length:
            return BPC_TRUNCATED, 8 * at - fill
        symbol = register >> (fill - length)
        if head >= 0b10000:
            plane ^= symbol & ones
        elif head >= 0b01000:
            pass  # the plane is the one before
        elif head >= 0b00100:
            run = (symbol & ((1 << run_field_bits) - 1)) + 2
            if j + run > word_bits + 1:
                return BPC_RUN_TOO_LONG, 8 * at - fill
        elif head >= 0b00010:
            position = symbol & ((1 << position_bits) - 1)
            width = 1 if head == 0b00011 else 2
            if position > block_size - 1 - width:
                return BPC_POSITION, 8 * at - fill
            plane ^= np.int64(2 * width - 1) << (block_size - 1 - width - position)
        elif head == 0b00001:
            plane = np.int64(0)
        else:
            plane ^= ones
        fill -= length
        register &= (1 << fill) - 1
        if plane != 0:
            _add_planes(block, plane, j, run)
        j += run
    for k in range(1, block_size):
        block[k] = (block[k - 1] + block[k]) & ((np.int64(1) << word_bits) - 1)
    unpacker[0] = at
    unpacker[1] = register
    unpacker[2] = fill
    return OK, 0


@njit(cache=True, nogil=True)
def _head(register, fill):
    """Look at the next five bits; past the end they read as 0, which makes no symbol shorter."""
    return register >> (fill - 5) if fill >= 5 else register << (5 - fill)


@njit(cache=True, nogil=True, inline="always")
def _add_planes(block, plane, first, run):
    """Put one plane, `run` times from bit `first` on, into the differences."""
    for j in range(first, first + run):
        for k in range(1, block.size):
            block[k] |= (plane >> (block.size - 1 - k) & 1) << j


@njit(cache=True, nogil=True)
def _check_end(stream, used, word_bits):
    """Check that nothing but zero padding follows the last symbol, in the BPC stream's faults."""
    unit = word_bits if word_bits == 16 or word_bits == 32 else 8
    end = (used + unit - 1) // unit * unit
    if 8 * stream.size < end:
        return BPC_TRUNCATED, used
    if 8 * stream.size > end:
        return BPC_LEFT_OVER, end
    for bit in range(used, end):
        if np.int64(stream[bit >> 3]) >> (7 - (bit & 7)) & 1:
            return BPC_PADDING, bit
    return OK, 0
