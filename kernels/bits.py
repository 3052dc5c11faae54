"""What the fast kernels share: streams of bits, single instructions; and how that stays safe.

Numba's cache looks at the file that defines a kernel, and at no other. So a kernel file that
imports this one, or eight_words.py, has to change when one of these does: it names their digest,
and `expect` refuses an old one.
"""

from hashlib import sha256
from pathlib import Path

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

SHARED = ("bits.py", "eight_words.py")
_texts = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in SHARED]
DIGEST = sha256("".join(_texts).encode()).hexdigest()[:16]

# How differences are formed (docs/EBPC.md, "Differences"); as in kernels/ebpc.py.
SIGNED, UNSIGNED, MODULAR = range(3)

GAP = 64  # between packed values: room for whole blocks and vectors

_1, _3, _6, _7, _63 = np.array([1, 3, 6, 7, 63], np.uint64)


def expect(digest):
    """Refuse to go on for a kernel file that does not know these files' digest.

    Raises
    ------
    ImportError
        If it knows another one.
    """
    if digest != DIGEST:
        raise ImportError(f"the digest of {' and '.join(SHARED)} is {DIGEST}, not {digest}")


# --- Writing ------------------------------------------------------------------------------
#
# A stream is written as 64-bit words, its first bit the highest of the first word, and turned to
# bytes at the end. `register` is the word at `at`, of which `fill` bits are set.


@njit(cache=True, nogil=True, inline="always")
def append(stream, at, register, fill, code, length):
    """Append a left-aligned code of up to 64 bits."""
    # Whole words are stored, and read back: that is faster than choosing which one to go on with.
    stream[at] = register | code >> fill
    stream[at + _1] = (code << _1) << (_63 - fill)
    fill += length
    at += fill >> _6
    return at, stream[at], fill & _63


@njit(cache=True, nogil=True, inline="always")
def append_two(stream, at, register, fill, high, low, length):
    """Append a left-aligned code of up to 128 bits, in two words."""
    back = _63 - fill
    stream[at] = register | high >> fill
    stream[at + _1] = (high << _1) << back | low >> fill
    stream[at + _1 + _1] = (low << _1) << back
    fill += length
    at += fill >> _6
    return at, stream[at], fill & _63


@njit(cache=True, nogil=True)
def to_bytes(stream, size):
    """Turn words to bytes, in place: the highest byte of a word comes first."""
    octets, pairs = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
    for i in range(size):
        word = stream[i]
        word = word >> np.uint64(8) & octets | (word & octets) << np.uint64(8)
        word = word >> np.uint64(16) & pairs | (word & pairs) << np.uint64(16)
        stream[i] = word >> np.uint64(32) | word << np.uint64(32)


# --- Reading ------------------------------------------------------------------------------


@njit(cache=True, nogil=True, inline="always")
def window_at(stream, position):
    """Return the bits from a position on, 57 of them or more; zeros behind."""
    return load_big(stream, position >> _3) << (position & _7)


@njit(cache=True, nogil=True)
def ends_well(stream, position, end, unit):
    """Tell whether a stream has nothing but its last word's padding from a position on."""
    if position > end or end - position >= np.uint64(unit):
        return False
    for bit in range(np.int64(position), np.int64(end)):
        if stream[bit >> 3] >> (7 - (bit & 7)) & 1:
            return False
    return True


# --- Code by code -------------------------------------------------------------------------
#
# For codecs whose speed is not the point: the position, in bits, is all the state there is. Streams
# are bytes, zeros at first where one is written; eight more lie behind, so that whole words can be
# read and written. What a kernel that decodes returns as its status is one of these, and with
# `SECOND` added where the second of two streams is at fault; as fmcompress.errors.CodeFault.

OK, TRUNCATED, LEFT_OVER, PADDING, RUN_TOO_LONG, SYMBOL = range(6)
SECOND = 8
BEHIND = 8


@njit(cache=True, nogil=True)
def put(stream, at, code, length):
    """Append a code of up to 57 bits, and return where the next one goes.

    A stream without room is left as it is: so the bits of one that is not wanted are counted.
    """
    if length > 0 and (at >> 3) + BEHIND <= stream.size:
        place = np.uint64(at >> 3)
        shift = np.uint64(64 - length - (at & 7))
        store_big(stream, place, load_big(stream, place) | np.uint64(code) << shift)
    return at + length


@njit(cache=True, nogil=True)
def take(stream, at, length):
    """Return a code of up to 57 bits, zeros behind the end; `at` is not behind the end itself."""
    if length == 0:
        return 0
    window = load_big(stream, np.uint64(at >> 3)) << np.uint64(at & 7)
    return np.int64(window >> np.uint64(64 - length))


@njit(cache=True, nogil=True)
def end_of(stream):
    """Return the bits of a stream that is read."""
    return 8 * (stream.size - BEHIND)


@njit(cache=True, nogil=True)
def at_end(stream, at):
    """Check that nothing but padding to a byte lies behind a position: a status, and a place."""
    end = end_of(stream)
    if at > end:
        return TRUNCATED, end
    if end - at >= 8:
        return LEFT_OVER, at + (-at & 7)
    for bit in range(at, end):
        if stream[bit >> 3] >> (7 - (bit & 7)) & 1:
            return PADDING, bit
    return OK, at


# --- Numbers and arrays -------------------------------------------------------------------


def repeated_octet(value):
    """Return a constant for kernels: a word of which each octet is a value."""
    return np.uint64(value * 0x0101010101010101)


@njit(cache=True, nogil=True)
def ceil_log2(value):
    """Smallest k with ``2**k >= value``."""
    k = 0
    while 1 << k < value:
        k += 1
    return k


@njit(cache=True, nogil=True)
def fill_with(array, value):
    """Fill an array; with an assignment to a slice, Numba would take a second more to compile."""
    for i in range(array.size):
        array[i] = value


# --- Instructions that no operator stands for ---------------------------------------------
#
# As Python, and as what Numba compiles instead. Each looks at the last element that it touches:
# free, unless Numba checks bounds. (An overload that is inlined loses that look: Numba takes it for
# dead code.)


def leading_zeros(word):
    """Return how many of 64 bits, from the highest on, are 0."""
    return 64 - int(word).bit_length()


@overload(leading_zeros)
def _leading_zeros(word):  # pragma: no cover - compiled
    return lambda word: _count_leading_zeros(word)


@intrinsic
def _count_leading_zeros(_, word):  # pragma: no cover - compiled
    def build(context, builder, signature, arguments):
        return builder.ctlz(arguments[0], ir.IntType(1)(0))

    return types.int64(types.uint64), build


def ones_of(word):
    """Return how many bits of a word are set."""
    return np.uint64(int(word).bit_count())


@overload(ones_of)
def _ones_of(word):  # pragma: no cover - compiled
    return lambda word: _count_ones(word)


@intrinsic
def _count_ones(_, word):  # pragma: no cover - compiled
    def build(context, builder, signature, arguments):
        return builder.ctpop(*arguments)

    return types.uint64(types.uint64), build


def extract_bits(word, mask):
    """Bring the bits of a word that a mask chooses together, at the low end."""
    found = 0
    for bit in range(63, -1, -1):
        if int(mask) >> bit & 1:
            found = found << 1 | int(word) >> bit & 1
    return np.uint64(found)


@overload(extract_bits)
def _extract_bits(word, mask):  # pragma: no cover - compiled
    return lambda word, mask: _extract(word, mask)


@intrinsic
def _extract(_, word, mask):  # pragma: no cover - compiled
    def build(context, builder, signature, arguments):
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word, word])
        pext = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.bmi.pext.64")
        return builder.call(pext, arguments)

    return types.uint64(types.uint64, types.uint64), build


def load_big(octets, at):
    """Load eight bytes, the highest first."""
    return np.uint64(int.from_bytes(octets[at : at + np.uint64(8)].tobytes(), "big"))


@overload(load_big)
def _load_big(octets, at):  # pragma: no cover - compiled
    def load(octets, at):
        _ = octets[at + np.uint64(7)]
        return _load_word(octets, at)

    return load


@intrinsic
def _load_word(_, octets, at):  # pragma: no cover - compiled
    def build(context, builder, signature, arguments):
        place = pointer(context, builder, octets, *arguments, ir.IntType(64))
        return builder.bswap(builder.load(place, align=1))

    return types.uint64(octets, types.uint64), build


def store_big(octets, at, word):
    """Store a word as eight bytes, the highest first."""
    octets[at : at + np.uint64(8)] = np.frombuffer(int(word).to_bytes(8, "big"), np.uint8)


@overload(store_big)
def _store_big(octets, at, word):  # pragma: no cover - compiled
    def store(octets, at, word):
        _ = octets[at + np.uint64(7)]
        _store_word(octets, at, word)

    return store


@intrinsic
def _store_word(_, octets, at, word):  # pragma: no cover - compiled
    def build(context, builder, signature, arguments):
        place = pointer(context, builder, octets, arguments[0], arguments[1], ir.IntType(64))
        builder.store(builder.bswap(arguments[2]), place, align=1)
        return context.get_dummy_value()

    return types.void(octets, types.uint64, types.uint64), build


def pointer(context, builder, array_type, array, at, pointee):  # pragma: no cover - compiled
    """Point at an array's element, as at something else."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), pointee.as_pointer())
