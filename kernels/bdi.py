"""Base-delta-immediate compression: lines of 64 bytes, each by the scheme that makes it smallest.

The format is docs/CODECS.md. Elements are words of 64 bits, whatever their size.
"""

import numpy as np
from numba import njit

from fmcompress.kernels.bits import (
    OK,
    PADDING,
    SYMBOL,
    TRUNCATED,
    at_end,
    end_of,
    expect,
    put,
    take,
)

expect("87562f5f131bbbf5")

LINE_BYTES = 64
SCHEME_BITS = 4
# Between those named, the schemes with a base.
ZEROS, REPEATED, LAST_BASED, PLAIN = 0, 1, 7, 15
REPEATED_BYTES = 8
# By scheme, where it has a base.
ELEMENT_BYTES = np.array([0, 0, 8, 8, 8, 4, 4, 2])
DELTA_BYTES = np.array([0, 0, 1, 2, 4, 1, 2, 1])

_0, _1, _8, _64, _255 = np.array([0, 1, 8, 64, 255], np.uint64)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


# --- Elements -----------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def load(octets, at, size):
    """Return the element of `size` bytes at a position."""
    element = _0
    for i in range(size):
        element = element << _8 | np.uint64(octets[at + i])
    return element


@njit(cache=True, nogil=True)
def store(octets, at, size, element):
    """Undo `load`."""
    for i in range(size):
        octets[at + size - 1 - i] = element & _255
        element >>= _8


@njit(cache=True, nogil=True)
def fits(difference, element_bytes, delta_bytes):
    """Tell whether a difference of elements is a signed number of so many bytes."""
    half = _1 << np.uint64(8 * delta_bytes - 1)
    mask = _ALL >> (_64 - np.uint64(8 * element_bytes))
    return (difference + half & mask) < half + half


@njit(cache=True, nogil=True)
def bits_of(scheme):
    """Return the bits of a line."""
    if scheme == ZEROS:
        return SCHEME_BITS + 8
    if scheme == REPEATED:
        return SCHEME_BITS + 8 * REPEATED_BYTES
    if scheme == PLAIN:
        return SCHEME_BITS + 8 * LINE_BYTES
    elements = LINE_BYTES // ELEMENT_BYTES[scheme]
    deltas = 8 * elements * DELTA_BYTES[scheme]
    return SCHEME_BITS + elements + 8 * ELEMENT_BYTES[scheme] + deltas


# --- Encoding -----------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def base_of(octets, start, element_bytes, delta_bytes):
    """Return a line's base: the first element that is not small itself; 0 if there is none."""
    for at in range(start, start + LINE_BYTES, element_bytes):
        element = load(octets, at, element_bytes)
        if not fits(element, element_bytes, delta_bytes):
            return element
    return _0


@njit(cache=True, nogil=True)
def can_be(scheme, octets, start):
    """Tell whether a scheme has the line at a position."""
    if scheme <= REPEATED:
        value = load(octets, start, REPEATED_BYTES)
        for at in range(start, start + LINE_BYTES, REPEATED_BYTES):
            if load(octets, at, REPEATED_BYTES) != value:
                return False
        return scheme == REPEATED or value == _0
    size, delta_bytes = ELEMENT_BYTES[scheme], DELTA_BYTES[scheme]
    base = base_of(octets, start, size, delta_bytes)
    for at in range(start, start + LINE_BYTES, size):
        element = load(octets, at, size)
        if not fits(element, size, delta_bytes) and not fits(element - base, size, delta_bytes):
            return False
    return True


@njit(cache=True, nogil=True)
def put_octets(stream, at, octets, start, size):
    """Append bytes as they are."""
    for i in range(size):
        at = put(stream, at, np.uint64(octets[start + i]), 8)
    return at


@njit(cache=True, nogil=True)
def put_based(stream, at, octets, start, scheme):
    """Append a mask, a base and deltas."""
    size, delta_bytes = ELEMENT_BYTES[scheme], DELTA_BYTES[scheme]
    base = base_of(octets, start, size, delta_bytes)
    for place in range(start, start + LINE_BYTES, size):
        small = fits(load(octets, place, size), size, delta_bytes)
        at = put(stream, at, np.uint64(not small), 1)
    for i in range(size):
        at = put(stream, at, base >> np.uint64(8 * (size - 1 - i)) & _255, 8)
    mask = (_1 << np.uint64(8 * delta_bytes)) - _1
    for place in range(start, start + LINE_BYTES, size):
        element = load(octets, place, size)
        delta = element if fits(element, size, delta_bytes) else element - base
        at = put(stream, at, delta & mask, 8 * delta_bytes)
    return at


@njit(cache=True, nogil=True)
def encode(octets, stream):
    """Encode one transmission.

    Parameters
    ----------
    octets : ndarray of uint8, shape (64 * lines,)
        Words without gaps.
    stream : ndarray of uint8
        Receives the stream; or empty.

    Returns
    -------
    bits : int
        Of the stream before padding.
    """
    at = 0
    for start in range(0, octets.size, LINE_BYTES):
        best = PLAIN
        for scheme in range(LAST_BASED + 1):
            if bits_of(scheme) < bits_of(best) and can_be(scheme, octets, start):
                best = scheme
        at = put(stream, at, np.uint64(best), SCHEME_BITS)
        if best == ZEROS:
            at = put(stream, at, _0, 8)
        elif best == REPEATED:
            at = put_octets(stream, at, octets, start, REPEATED_BYTES)
        elif best == PLAIN:
            at = put_octets(stream, at, octets, start, LINE_BYTES)
        else:
            at = put_based(stream, at, octets, start, best)
    return at


# --- Decoding -----------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def take_octets(stream, at, octets, start, size):
    """Read bytes as they are."""
    for i in range(size):
        octets[start + i] = take(stream, at + 8 * i, 8)


@njit(cache=True, nogil=True)
def take_based(stream, at, octets, start, scheme):
    """Read a mask, a base and deltas."""
    size, delta_bytes = ELEMENT_BYTES[scheme], DELTA_BYTES[scheme]
    mask = at
    at += LINE_BYTES // size
    take_octets(stream, at, octets, start, size)  # only for now: the first element comes there
    base = load(octets, start, size)
    at += 8 * size
    sign = _1 << np.uint64(8 * delta_bytes - 1)
    for place in range(start, start + LINE_BYTES, size):
        delta = (np.uint64(take(stream, at, 8 * delta_bytes)) ^ sign) - sign
        element = delta + base if take(stream, mask, 1) == 1 else delta
        store(octets, place, size, element)
        mask += 1
        at += 8 * delta_bytes


@njit(cache=True, nogil=True)
def decode_line(stream, at, octets, start):
    """Read a line: a status, and where the next one is or this one is at fault."""
    end = end_of(stream)
    if at + SCHEME_BITS > end:
        return TRUNCATED, at
    scheme = take(stream, at, SCHEME_BITS)
    if LAST_BASED < scheme < PLAIN:
        return SYMBOL, at
    behind = at + bits_of(scheme)
    if behind > end:
        return TRUNCATED, at
    at += SCHEME_BITS
    if scheme == ZEROS:
        if take(stream, at, 8) != 0:
            return SYMBOL, at
        for place in range(start, start + LINE_BYTES):
            octets[place] = 0
    elif scheme == REPEATED:
        for place in range(start, start + LINE_BYTES, REPEATED_BYTES):
            take_octets(stream, at, octets, place, REPEATED_BYTES)
    elif scheme == PLAIN:
        take_octets(stream, at, octets, start, LINE_BYTES)
    else:
        take_based(stream, at, octets, start, scheme)
    return OK, behind


@njit(cache=True, nogil=True)
def decode(stream, count, word_bits, octets):
    """Decode one transmission, strictly.

    Parameters
    ----------
    stream : ndarray of uint8
        And 8 bytes behind.
    count, word_bits : int
        How many words there are; w.
    octets : ndarray of uint8, shape (64 * lines,)
        Receives the words without gaps.

    Returns
    -------
    status, word, bit : int
        What is wrong, and where, as kernels/bits.py has it; the word is a line's first one.
    """
    at = 0
    line = 0
    for start in range(0, octets.size, LINE_BYTES):
        line = at
        status, at = decode_line(stream, at, octets, start)
        if status != OK:
            return status, 8 * start // word_bits, at
    for bit in range(count * word_bits, 8 * octets.size):
        if octets[bit >> 3] >> (7 - (bit & 7)) & 1 == 1:
            return PADDING, count, line
    status, at = at_end(stream, at)
    return status, count, at
