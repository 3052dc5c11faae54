"""Write ZNZ streams many words at a time: those of kernels/ebpc.py, bit for bit, much faster.

The format is docs/EBPC.md, section 3. Words become masks of 64 flags, whose bytes are looked up
together with the zero run that is open; the words that are not zero are packed. Nothing branches
on data.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from fmcompress.kernels.bits import GAP, append, expect, leading_zeros, pointer, to_bytes

expect("87562f5f131bbbf5")

MASK_WORDS = 64

_0, _1, _6, _8, _63, _64 = np.array([0, 1, 6, 8, 63, 64], np.uint64)
_BYTE = np.uint64(0xFF)
PART, PART_END = np.array([0xFFFF, 1 << 47], np.uint64)
# Of an entry of `zero_codes`.
BITS, RUN, CODE = np.array([0x3F, 0x3F00, 0xFFFFFFFFFFFFC000], np.uint64)


@njit(cache=True, nogil=True)
def encode(words, chunk_words, run_bits, zero_codes, vector, values, znz, sizes):
    """Write the ZNZ streams of transmissions of `chunk_words` words each, and pack their values.

    Parameters
    ----------
    words : ndarray of uint8, uint16 or uint32, shape (count,)
    chunk_words, run_bits : int
        Words of a transmission; z.
    zero_codes : ndarray of uint64, shape (256 << run_bits,)
        What `fill_zero_codes` wrote for these `run_bits`.
    vector : bool or None
        Not None where the processor has AVX-512 VBMI2.
    values : ndarray of the words' dtype
        Receives the words that are not zero, each transmission's behind `GAP` words of room; as
        long as the words, and ``(transmissions + 2) * GAP`` more.
    znz : ndarray of uint64
        Receives the streams, as bytes, each from a new word on; with room for the longest ones,
        and two words more for each transmission.
    sizes : ndarray of int64, shape (transmissions, 2)
        Receives of each transmission the words that are not zero, and the stream's bits before
        padding.
    """
    at = _0
    place = 0
    for chunk in range(sizes.shape[0]):
        start = chunk * chunk_words
        end = min(start + chunk_words, words.size)
        count, bits = _code(
            words, start, end, run_bits, zero_codes, vector, values[place:], znz, at
        )
        sizes[chunk, 0] = count
        sizes[chunk, 1] = bits
        place += count + GAP
        at += (bits + _63) >> _6
    to_bytes(znz, at)


@njit(cache=True, nogil=True)
def fill_zero_codes(run_bits, zero_codes):
    """Write the codes of eight words, by the zero run that is open and by their flags.

    Entry ``run << 8 | flags`` holds the code, left-aligned, the zero run that is open behind it
    (`RUN`), and the code's bits (`BITS`). Bit k of the flags is that of word k. Of runs, those that
    end or are full are in the code.
    """
    for run in range(1 << run_bits):
        for flags in range(256):
            zeros = run
            code = np.uint64(0)
            length = 0
            for k in range(9):
                one = k < 8 and flags >> k & 1 == 1
                if zeros == 1 << run_bits or (one and zeros > 0):
                    code = code << np.uint64(1 + run_bits) | np.uint64(zeros - 1)
                    length += 1 + run_bits
                    zeros = 0
                if one:
                    code = code << _1 | _1
                    length += 1
                else:
                    zeros += 1
            # One zero too many was counted. A code has at most 33 bits.
            rest = np.uint64(zeros - 1 << 8 | length)
            zero_codes[run << 8 | flags] = code << (_64 - np.uint64(length) & _63) | rest


@njit(cache=True, nogil=True)
def _code(words, start, end, run_bits, zero_codes, vector, values, znz, at):
    """Write the ZNZ stream of words and pack those that are not zero; return their number, bits."""
    full_run = np.uint64((1 << run_bits) - 1 << 8)
    first, register, fill, run = at, _0, _0, _0
    znz[at] = 0
    count = 0
    full = end - (end - start) % MASK_WORDS
    for i in range(start, full, MASK_WORDS):
        mask = nonzero_mask(words, i)
        if vector is None:
            for k in range(MASK_WORDS):
                word = words[i + k]
                values[count] = word
                count += word != 0
        else:
            count += compress(words, i, mask, values, count)
        for _ in range(4):
            part = mask & PART
            mask >>= np.uint64(16)
            entry = zero_codes[run | part & _BYTE]
            second = zero_codes[entry & RUN | part >> _8]
            # The run behind 16 words is known at once: no need to wait for two look-ups.
            behind = np.uint64(leading_zeros(part << np.uint64(48) | PART_END))
            run = (run if part == _0 else _0) + (behind << _8) & full_run
            code, length = entry & CODE, entry & BITS
            if run_bits > 5:  # both could have 65 bits
                at, register, fill = append(znz, at, register, fill, code, length)
                code, length = _0, _0
            code |= (second & CODE) >> length
            length += second & BITS
            at, register, fill = append(znz, at, register, fill, code, length)
    zeros = int(run >> _8)
    symbol = np.uint64(1 + run_bits)
    for i in range(full, end + 1):
        one = i < end and words[i] != 0
        if zeros == 1 << run_bits or (zeros > 0 and (one or i == end)):
            code = np.uint64(zeros - 1) << (_64 - symbol)
            at, register, fill = append(znz, at, register, fill, code, symbol)
            zeros = 0
        if one:
            values[count] = words[i]
            count += 1
            at, register, fill = append(znz, at, register, fill, _1 << _63, _1)
        else:
            zeros += 1
    return count, (at - first << _6) + fill


# --- Instructions that no operator stands for ---------------------------------------------
#
# As Python, and as what Numba compiles instead. Each looks at the last element that it touches:
# free, unless Numba checks bounds.


def nonzero_mask(words, start):
    """Return 64 flags: bit k tells whether ``words[start + k]`` is not zero."""
    octets = np.packbits(words[start : start + MASK_WORDS] != 0, bitorder="little")
    return octets.view(np.uint64)[0]


@overload(nonzero_mask)
def _nonzero_mask(words, start):  # pragma: no cover - compiled
    def mask(words, start):
        _ = words[start + MASK_WORDS - 1]
        return _nonzero_flags(words, start)

    return mask


@intrinsic
def _nonzero_flags(_, words, start):  # pragma: no cover - compiled
    def build(context, builder, signature, arguments):
        vector = ir.VectorType(ir.IntType(words.dtype.bitwidth), MASK_WORDS)
        place = pointer(context, builder, words, *arguments, vector)
        loaded = builder.load(place, align=words.dtype.bitwidth // 8)
        flags = builder.icmp_unsigned("!=", loaded, ir.Constant(vector, [0] * MASK_WORDS))
        return builder.bitcast(flags, ir.IntType(MASK_WORDS))

    return types.uint64(words, types.int64), build


def compress(words, start, mask, values, at):
    """Pack the words whose flag is set to ``values[at:]``, spoil the rest of 64; return how many."""
    chosen = words[start : start + MASK_WORDS][words[start : start + MASK_WORDS] != 0]
    values[at : at + chosen.size] = chosen
    return chosen.size


@overload(compress)
def _compress(words, start, mask, values, at):  # pragma: no cover - compiled
    def packed(words, start, mask, values, at):
        _ = words[start + MASK_WORDS - 1]
        _ = values[at + MASK_WORDS - 1]
        return _compress_words(words, start, mask, values, at)

    return packed


@intrinsic
def _compress_words(_, words, start, mask, values, at):  # pragma: no cover - compiled
    def build(context, builder, signature, arguments):
        _, first, flags, _, place = arguments
        width = words.dtype.bitwidth
        lanes = 512 // width
        vector = ir.VectorType(ir.IntType(width), lanes)
        some = ir.VectorType(ir.IntType(1), lanes)
        pack = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(vector, [vector, vector, some]),
            f"llvm.x86.avx512.mask.compress.v{lanes}i{width}",
        )
        word = ir.IntType(64)
        for part in range(0, MASK_WORDS, lanes):
            here = builder.lshr(flags, word(part))
            here = builder.and_(here, word((1 << lanes) - 1))
            source = builder.add(first, word(part))
            loaded = builder.load(
                pointer(context, builder, words, arguments[0], source, vector), align=width // 8
            )
            chosen = builder.bitcast(builder.trunc(here, ir.IntType(lanes)), some)
            packed = builder.call(pack, [loaded, vector([0] * lanes), chosen])
            target = pointer(context, builder, values, arguments[3], place, vector)
            builder.store(packed, target, align=width // 8)
            place = builder.add(place, builder.ctpop(here))
        return builder.sub(place, arguments[4])

    return types.int64(words, types.int64, types.uint64, values, types.int64), build
