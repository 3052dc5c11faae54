"""Eight words of 64 bits in one register: what AVX-512 and GFNI do, for kernels to be written with.

In Python such words are an array of eight, and operators are those of arrays; Numba compiles them
to a vector of LLVM's. Kernel files that import this one need `expect` of bits.py.
"""

import operator

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.imputils import lower_builtin, lower_cast
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, overload, register_model

from fmcompress.kernels.bits import pointer

_7 = np.uint64(7)


# --- Registers, in Python -----------------------------------------------------------------


def where_zero(words, then, otherwise):
    """Choose by whether words are 0."""
    return np.where(words == 0, then, otherwise)


def where_less(left, right, then, otherwise):
    """Choose by whether words are less than others."""
    return np.where(left < right, then, otherwise)


def smaller(left, right):
    """Return the smaller words."""
    return np.minimum(left, right)


def leading_zeros(words):
    """Return how many of each word's bits, from the highest on, are 0."""
    return np.array([64 - int(word).bit_length() for word in words], np.uint64)


def octets_of(words):
    """Return the octets of words: the lowest of each first."""
    return words.view(np.uint8)


def reversed_octets(words):
    """Reverse the octets of each word."""
    return words.byteswap()


def in_every_octet(words):
    """Repeat the lowest octet of each word in all others."""
    return octets_of(words)[::8].repeat(8).view(np.uint64)


def even(first, second):
    """Return every second of sixteen words, from the first on."""
    return np.concatenate([first, second])[::2].copy()


def odd_reversed(first, second):
    """Return the others, with their octets reversed."""
    return np.concatenate([first, second])[1::2].byteswap()


def octets_above(words, limits):
    """Fill those octets that are above the limits' with ones, the others with zeros."""
    limits = octets_of(np.broadcast_to(limits, 8).copy())
    return np.where(octets_of(words) > limits, np.uint8(0xFF), np.uint8(0)).view(np.uint64)


def where_high(words, then, otherwise):
    """Choose octet by octet, by their highest bits."""
    is_high = octets_of(words) > 0x7F
    return np.where(is_high, octets_of(then), octets_of(otherwise)).view(np.uint64)


def add_octets(left, right):
    """Add octet by octet."""
    return (octets_of(left) + octets_of(right)).view(np.uint64)


def sub_octets(left, right):
    """Subtract octet by octet."""
    return (octets_of(left) - octets_of(right)).view(np.uint64)


def where_octet_zero(words, then, otherwise):
    """Choose octet by octet, by whether they are 0."""
    is_zero = octets_of(words) == 0
    return np.where(is_zero, octets_of(then), octets_of(otherwise)).view(np.uint64)


def turned(squares, wanted):
    """Turn 8 x 8 bits.

    Bit i of octet j of a square, its highest octet being j = 0, becomes bit j of all octets of the
    result whose octet of `wanted` is ``1 << i``; where that is 0, the octet is, too.
    """
    wanted = octets_of(np.broadcast_to(wanted, 8).copy()).reshape(8, 8)
    squares = octets_of(squares).reshape(8, 8)[:, ::-1]
    bits = (squares[:, None, :] & wanted[:, :, None]) != 0
    return np.packbits(bits, axis=2, bitorder="little").reshape(64).view(np.uint64)


def any_high(words):
    """Tell whether the highest bit of an octet is set."""
    return bool((octets_of(words) > 0x7F).any())


def look_up(table, words):
    """Look every octet up in a table of 128, without its highest bit."""
    return table[octets_of(words) & 0x7F].view(np.uint64)


# --- Memory, in Python --------------------------------------------------------------------


def load_eight(words, at):
    """Load eight words from an index on."""
    return words[at : at + 8].copy()


def store_eight(words, at, values):
    """Store eight words from an index on."""
    words[at : at + 8] = values


def load_big(octets, at):
    """Load eight octets from each of eight indices on, the highest of a word first."""
    parts = [octets[place : place + np.uint64(8)] for place in at]
    return np.concatenate(parts).view(">u8").astype(np.uint64)


def store_word(octets, at, word):
    """Store one word as eight octets, the lowest first."""
    octets[at : at + np.uint64(8)] = np.frombuffer(int(word).to_bytes(8, "little"), np.uint8)


def in_registers(table):
    """Return a table of 128 octets for `look_up`: compiled, it is kept in two registers."""
    return table


# --- What Numba compiles instead ----------------------------------------------------------


class Eight(types.Type):
    """Eight words."""

    def __init__(self):
        super().__init__(name="eight words")


eight = Eight()
WORD, INDEX = ir.IntType(64), ir.IntType(32)
WORDS, OCTETS = ir.VectorType(WORD, 8), ir.VectorType(ir.IntType(8), 64)


@register_model(Eight)
class EightModel(models.PrimitiveModel):
    """What they are to LLVM."""

    def __init__(self, manager, kind):  # pragma: no cover - compiled
        super().__init__(manager, kind, WORDS)


@lower_cast(types.Integer, Eight)
def _repeated(context, builder, given, _, value):  # pragma: no cover - compiled
    word = context.cast(builder, value, given, types.uint64)
    first = builder.insert_element(WORDS(ir.Undefined), word, INDEX(0))
    return builder.shuffle_vector(first, first, ir.VectorType(INDEX, 8)([0] * 8))


def _call(builder, name, result, *arguments):  # pragma: no cover - compiled
    """Call an instruction by LLVM's name of it."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    module = builder.module
    return builder.call(module.globals.get(name) or ir.Function(module, kind, name), arguments)


def _of_octets(build):
    """Let an instruction of words be one of octets."""

    def built(builder, *arguments):  # pragma: no cover - compiled
        octets = build(builder, *[builder.bitcast(argument, OCTETS) for argument in arguments])
        return builder.bitcast(octets, WORDS)

    return built


def _shuffle(order):
    """Take octets of one word, or of two, in a constant order."""
    every = ir.VectorType(INDEX, 64)(order)
    return _of_octets(lambda builder, *two: builder.shuffle_vector(two[0], two[-1], every))


def _is_high(builder, octets):  # pragma: no cover - compiled
    return builder.icmp_signed("<", octets, OCTETS([0] * 64))


def _any_high(builder, words):  # pragma: no cover - compiled
    bits = builder.bitcast(_is_high(builder, builder.bitcast(words, OCTETS)), WORD)
    return builder.icmp_unsigned("!=", bits, WORD(0))


INSTRUCTIONS = {
    operator.add: lambda builder, *two: builder.add(*two),
    operator.sub: lambda builder, *two: builder.sub(*two),
    operator.and_: lambda builder, *two: builder.and_(*two),
    operator.iand: lambda builder, *two: builder.and_(*two),
    operator.or_: lambda builder, *two: builder.or_(*two),
    operator.ior: lambda builder, *two: builder.or_(*two),
    operator.xor: lambda builder, *two: builder.xor(*two),
    operator.ixor: lambda builder, *two: builder.xor(*two),
    operator.lshift: lambda builder, *two: builder.shl(*two),
    operator.rshift: lambda builder, *two: builder.lshr(*two),
    operator.invert: lambda builder, words: builder.not_(words),
    where_zero: lambda builder, words, *two: builder.select(
        builder.icmp_unsigned("==", words, WORDS([0] * 8)), *two
    ),
    where_less: lambda builder, left, right, *two: builder.select(
        builder.icmp_unsigned("<", left, right), *two
    ),
    smaller: lambda builder, *two: _call(builder, "llvm.umin.v8i64", WORDS, *two),
    leading_zeros: lambda builder, words: _call(
        builder, "llvm.ctlz.v8i64", WORDS, words, ir.IntType(1)(0)
    ),
    reversed_octets: lambda builder, words: _call(builder, "llvm.bswap.v8i64", WORDS, words),
    in_every_octet: _shuffle([i // 8 * 8 for i in range(64)]),
    even: _shuffle([i // 8 * 16 + i % 8 for i in range(64)]),
    odd_reversed: _shuffle([i // 8 * 16 + 15 - i % 8 for i in range(64)]),
    octets_above: _of_octets(
        lambda builder, *two: builder.sext(builder.icmp_unsigned(">", *two), OCTETS)
    ),
    where_high: _of_octets(
        lambda builder, octets, *two: builder.select(_is_high(builder, octets), *two)
    ),
    where_octet_zero: _of_octets(
        lambda builder, octets, *two: builder.select(
            builder.icmp_unsigned("==", octets, OCTETS([0] * 64)), *two
        )
    ),
    add_octets: _of_octets(lambda builder, *two: builder.add(*two)),
    sub_octets: _of_octets(lambda builder, *two: builder.sub(*two)),
    turned: _of_octets(
        lambda builder, squares, wanted: _call(
            builder, "llvm.x86.vgf2p8affineqb.512", OCTETS, wanted, squares, ir.IntType(8)(0)
        )
    ),
    any_high: _any_high,
}


def _compile_as(function, build, result=eight):
    @infer_global(function)
    class _Template(AbstractTemplate):
        def generic(self, arguments, _):  # pragma: no cover - compiled
            if eight in arguments:
                return signature(result, *[eight for _ in arguments])
            return None

    @lower_builtin(function, types.VarArg(Eight))
    def _lower(_, builder, __, arguments):  # pragma: no cover - compiled
        return build(builder, *arguments)


for _function, _build in INSTRUCTIONS.items():
    _compile_as(_function, _build, types.boolean if _function is any_high else eight)


# Memory: each looks at the last element that it touches: free, unless Numba checks bounds.


@overload(load_eight)
def _load_eight(words, at):  # pragma: no cover - compiled
    def load(words, at):
        _ = words[at + 7]
        return _load_words(words, at)

    return load


@intrinsic
def _load_words(_, words, at):  # pragma: no cover - compiled
    def build(context, builder, signature, arguments):
        return builder.load(pointer(context, builder, words, *arguments, WORDS), align=1)

    return eight(words, types.uint64), build


@overload(store_eight)
def _store_eight(words, at, values):  # pragma: no cover - compiled
    def store(words, at, values):
        _ = words[at + 7]
        _store_any(words, at, values)

    return store


@overload(store_word)
def _store_word(octets, at, word):  # pragma: no cover - compiled
    def store(octets, at, word):
        _ = octets[at + _7]
        _store_any(octets, at, word)

    return store


@intrinsic
def _store_any(_, array, at, value):  # pragma: no cover - compiled
    def build(context, builder, signature, arguments):
        kind = arguments[2].type
        place = pointer(context, builder, array, arguments[0], arguments[1], kind)
        builder.store(arguments[2], place, align=1)
        return context.get_dummy_value()

    return types.void(array, types.uint64, value), build


@overload(load_big)
def _load_big(octets, at):  # pragma: no cover - compiled
    def load(octets, at):
        for i in range(8):
            _ = octets[_element(at, i) + _7]
        return reversed_octets(_gather(octets, at))

    return load


@intrinsic
def _element(_, words, i):  # pragma: no cover - compiled
    def build(context, builder, signature, arguments):
        return builder.extract_element(*arguments)

    return types.uint64(eight, types.int64), build


@intrinsic
def _gather(_, octets, at):  # pragma: no cover - compiled
    def build(context, builder, signature, arguments):
        # Word by word: no slower than the instruction for it, where that is fast, too.
        words = WORDS(ir.Undefined)
        for i in range(8):
            place = builder.extract_element(arguments[1], INDEX(i))
            place = pointer(context, builder, octets, arguments[0], place, WORD)
            words = builder.insert_element(words, builder.load(place, align=1), INDEX(i))
        return words

    return eight(octets, eight), build


@overload(in_registers)
def _in_registers(table):  # pragma: no cover - compiled
    def halves(table):
        words = table.view(np.uint64)
        return load_eight(words, 0), load_eight(words, 8)

    return halves


@overload(look_up)
def _look_up(table, words):  # pragma: no cover - compiled
    return lambda table, words: _permuted(table[0], words, table[1])


@intrinsic
def _permuted(_, low, words, high):  # pragma: no cover - compiled
    def build(context, builder, signature, arguments):
        name = "llvm.x86.avx512.vpermi2var.qi.512"
        parts = [builder.bitcast(argument, OCTETS) for argument in arguments]
        return builder.bitcast(_call(builder, name, OCTETS, *parts), WORDS)

    return eight(eight, eight, eight), build
