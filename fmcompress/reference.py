"""EBPC encoder and decoder: slow, obvious, and in the order of docs/EBPC.md.

This module is not written for speed. It is the format document said again in Python, to
be read beside it: each comment ``§4.1 "..."`` quotes the words that the lines below it obey.
Bit streams are strings of ``0`` and ``1``. The kernels are tested against it, fault by fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as as_int
from typing import NamedTuple

from fmcompress.errors import ParameterError, StreamError, StreamFault

# --- §1 Parameters ------------------------------------------------------------------------

WORD_BITS = tuple(range(1, 33))
BLOCK_SIZES = (4, 8, 16, 32)
MAX_BURSTS = (2, 4, 8, 16, 32, 64)
DIFFERENCES = ("signed", "unsigned", "modular")


class _Parameters(NamedTuple):
    """The names that §1 gives them."""

    w: int
    n: int
    z: int
    lw: int
    ln: int


def _parameters(word_bits: int, block_size: int, max_burst: int) -> _Parameters:
    """Check the parameters that both directions need, and derive the field widths."""
    for name, value, legal in (
        ("word_bits", word_bits, WORD_BITS),
        ("block_size", block_size, BLOCK_SIZES),
        ("max_burst", max_burst, MAX_BURSTS),
    ):
        # The type counts too: 8.0 is in the range, but cannot be the width of a field.
        if not isinstance(value, int) or value not in legal:
            hint = f"choose from {', '.join(map(str, legal))}"
            raise ParameterError(f"{name} is {value!r}", hint=hint)
    # §1 "z = log2 R" "lw = ceil(log2 w)" "ln = log2 n"
    # The bit length of x - 1 is ceil(log2 x).
    z, lw, ln = ((x - 1).bit_length() for x in (max_burst, word_bits, block_size))
    return _Parameters(word_bits, block_size, z, lw, ln)


def _checked_words(words: Sequence[int], w: int) -> list[int]:
    """Words as Python integers, which unlike NumPy's cannot overflow."""
    checked = [as_int(word) for word in words]
    for i, word in enumerate(checked):
        if not 0 <= word < 2**w:
            raise ParameterError(f"word {i} is {word}", hint=f"give patterns from 0 to 2^{w} - 1")
    return checked


# --- §2 Bits, stream words and padding ----------------------------------------------------


def _stream_word_bits(w: int) -> int:
    # §2 "u = w for w = 8, 16 and 32, and u = 8 for every other w"
    return w if w in (8, 16, 32) else 8


def _field(value: int, bits: int) -> str:
    # §2 "Every field is written most significant bit first."
    return format(value, f"0{bits}b")


def _to_bytes(bits: str, w: int) -> bytes:
    # §2 "The last stream word is filled up with 0 bits on the right. If the codes fill the
    # last stream word exactly, none is added."
    bits += "0" * (-len(bits) % _stream_word_bits(w))
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


# --- §3 The ZNZ stream --------------------------------------------------------------------


def _znz_bits(words: list[int], z: int) -> str:
    codes = []
    zeros = 0
    for i, word in enumerate(words):
        if word != 0:
            # §3 "a word that is not zero"
            codes.append("1")
            continue
        zeros += 1
        # §3 "A run of more than R zeros is cut from the front into codes of R; what remains
        # gets a code of its own." §3 "A run ends with the sequence."
        if zeros == 2**z or i + 1 == len(words) or words[i + 1] != 0:
            codes.append("0" + _field(zeros - 1, z))
            zeros = 0
    return "".join(codes)


# --- §4 The BPC stream --------------------------------------------------------------------


def _bpc_bits(words: list[int], p: _Parameters, difference: str) -> str:
    # §4 "For w = 1 a word that is not zero can only be 1, so the BPC stream is always empty."
    # §4.1 "The non-zero words, in order, are cut into blocks of n."
    values = [word for word in words if word != 0 and p.w > 1]
    # §4.1 "The last block is filled up with words of value 0."
    values += [0] * (-len(values) % p.n)
    # §4.1 "A block depends on no other block."
    return "".join(
        _block_bits(values[i : i + p.n], p, difference) for i in range(0, len(values), p.n)
    )


def _block_bits(block: list[int], p: _Parameters, difference: str) -> str:
    # §4.2 "d_k = v_k - v_(k-1) for k = 1 ... n-1"
    d = [_subtract(block[k], block[k - 1], p.w, difference) for k in range(1, p.n)]
    # §4.3 "bit j of d_1, then bit j of d_2, and so on to d_(n-1)"
    # Shifting a negative Python integer extends its sign, so no mask to w + 1 bits is needed.
    planes = ["".join(str(d_k >> j & 1) for d_k in d) for j in range(p.w + 1)]
    # §4.3 "X_j = P_j xor P_(j-1)"
    below = ["0" * (p.n - 1), *planes]
    changes = [_xor(planes[j], below[j]) for j in range(p.w + 1)]
    # §4.1 "A block v_0 ... v_(n-1) is coded as its base, then its planes"
    return _field(block[0], p.w) + _plane_bits(planes, changes, p)


def _xor(a: str, b: str) -> str:
    return "".join("1" if x != y else "0" for x, y in zip(a, b, strict=True))


def _plane_bits(planes: list[str], changes: list[str], p: _Parameters) -> str:
    codes = []
    j = 0
    while j < len(planes):
        # §4.4 "A run is as long as it can be, and never leaves its block."
        run = 0
        while j + run < len(planes) and "1" not in changes[j + run]:
            run += 1
        if run == 1:
            codes.append("01")
        elif run > 1:
            # §4.4 "`001`, then r - 2 in lw bits"
            codes.append("001" + _field(run - 2, p.lw))
        else:
            codes.append(_symbol(planes[j], changes[j], p.ln))
        j += max(run, 1)
    return "".join(codes)


def _symbol(plane: str, change: str, ln: int) -> str:
    # §4.4 "A plane is coded by the first row of this table that fits"
    # §4.4 "The position p counts from the left: 0 is the bit of d_1. For two ones it is that
    # of the left one."
    position = change.index("1")
    if "0" not in change:
        return "00000"
    if "1" not in plane:
        return "00001"
    if change.count("1") == 2 and change[position + 1] == "1":
        return "00010" + _field(position, ln)
    if change.count("1") == 1:
        return "00011" + _field(position, ln)
    return "1" + change


# --- §5 The three differences -------------------------------------------------------------


def _subtract(v: int, before: int, w: int, difference: str) -> int:
    # §5 "words as two's complement numbers, subtracted in w + 1 bits"
    if difference == "signed":
        return _signed(v, w) - _signed(before, w)
    # §5 "words as numbers 0 ... 2^w - 1, subtracted in w + 1 bits"
    if difference == "unsigned":
        return v - before
    # §5 "equal to P_(w-1), so X_w = 0": the sign extension of a w-bit number.
    return _signed((v - before) % 2**w, w)


def _signed(pattern: int, w: int) -> int:
    return pattern - 2**w if pattern >= 2 ** (w - 1) else pattern


# --- The encoder --------------------------------------------------------------------------


def encode_bits(
    words: Sequence[int],
    word_bits: int,
    block_size: int = 8,
    max_burst: int = 16,
    difference: str = "signed",
) -> tuple[str, str]:
    """Encode words like `encode`, but as two strings of ``0`` and ``1``, before padding."""
    p = _parameters(word_bits, block_size, max_burst)
    if difference not in DIFFERENCES:
        hint = f"choose from {', '.join(DIFFERENCES)}"
        raise ParameterError(f"difference is {difference!r}", hint=hint)
    patterns = _checked_words(words, p.w)
    return _znz_bits(patterns, p.z), _bpc_bits(patterns, p, difference)


def encode(
    words: Sequence[int],
    word_bits: int,
    block_size: int = 8,
    max_burst: int = 16,
    difference: str = "signed",
) -> tuple[bytes, bytes]:
    """Encode words, given as bit patterns from 0 to 2^w - 1; return the ZNZ and BPC streams.

    >>> znz, bpc = encode([0x05, 0x07, 0x00, 0x09, 0xFF], word_bits=8)
    >>> znz.hex(" "), bpc.hex(" ")
    ('c1 80', '05 1b f8 10 08 d1 40')
    """
    znz, bpc = encode_bits(words, word_bits, block_size, max_burst, difference)
    return _to_bytes(znz, word_bits), _to_bytes(bpc, word_bits)


# --- §8 A strict decoder ------------------------------------------------------------------


class _Reader:
    """A stream as a string of bits, with the place that a fault would name."""

    def __init__(self, name: str, stream: bytes) -> None:
        self.name = name
        self.bits = "".join(_field(byte, 8) for byte in stream)
        self.used = self.bit = self.word = 0

    def begin_symbol(self, word: int) -> None:
        # §8 "The bit reported is the first bit of the symbol."
        self.bit, self.word = self.used, word

    def take(self, bits: int) -> str:
        # §8 "the number of bits is checked first, then what the field says"
        if self.used + bits > len(self.bits):
            raise self.error("TRUNCATED")
        self.used += bits
        return self.bits[self.used - bits : self.used]

    def error(self, fault: str) -> StreamError:
        return StreamError(StreamFault[f"{self.name}_{fault}"], self.word, self.bit)

    def check_end(self, words: int, w: int) -> None:
        # §8 "let `used` be the bits read, and `end` the same rounded up to a multiple of u.
        # The word reported is L. The first row that fits counts"
        end = self.used + -self.used % _stream_word_bits(w)
        self.bit, self.word = self.used, words
        if len(self.bits) > end:
            self.bit = end
            raise self.error("LEFT_OVER")
        if len(self.bits) < end:
            raise self.error("TRUNCATED")
        if "1" in self.bits[self.used :]:
            self.bit = self.bits.index("1", self.used)
            raise self.error("PADDING")


def _read_znz(znz: _Reader, word: int, count: int, z: int) -> int:
    """Read one ZNZ symbol: the length of a zero run, or 0 for a non-zero word."""
    znz.begin_symbol(word)
    if znz.take(1) == "1":
        return 0
    # §3 "`0`, then r - 1 in z bits"
    run = int(znz.take(z), 2) + 1
    # §8 "a zero run is longer than the words left, its own first word included"
    if run > count - word:
        raise znz.error("RUN_TOO_LONG")
    return run


def _read_block(bpc: _Reader, word: int, p: _Parameters) -> list[int]:
    # §8 "the base counts as a symbol"
    bpc.begin_symbol(word)
    block = [int(bpc.take(p.w), 2)]
    # §4.5 "Read the base, then symbols until planes 0 ... w are known. With P_(-1) = 0"
    planes = ["0" * (p.n - 1)]
    while len(planes) <= p.w + 1:
        planes += _read_symbol(bpc, word, planes[-1], p.w + 2 - len(planes), p)
    for k in range(p.n - 1):
        # §4.5 "v_k = v_(k-1) + d_k modulo 2^w"
        d_k = sum(int(plane[k]) << j for j, plane in enumerate(planes[1:]))
        block.append((block[-1] + d_k) % 2**p.w)
    return block


def _read_symbol(bpc: _Reader, word: int, below: str, left: int, p: _Parameters) -> list[str]:
    """Read one symbol: the planes it stands for, `left` at most, above the plane `below`."""
    bpc.begin_symbol(word)
    # §4.4 "No code is the beginning of another: `1`, `01`, `001`, and four of five bits."
    code = bpc.take(1)
    while code not in ("1", "01", "001", "00000", "00001", "00010", "00011"):
        code += bpc.take(1)
    # §4.5 "give P_j = P_(j-1), for one plane or for r"
    if code == "01":
        return [below]
    if code == "001":
        run = int("0" + bpc.take(p.lw), 2) + 2
        if run > left:
            raise bpc.error("RUN_TOO_LONG")
        return [below] * run
    # §4.5 "gives P_j = 0, whatever P_(j-1) was"
    if code == "00001":
        return ["0" * (p.n - 1)]
    # §4.5 "every other symbol gives X_j, and P_j = X_j xor P_(j-1)"
    return [_xor(_read_change(bpc, code, p), below)]


def _read_change(bpc: _Reader, code: str, p: _Parameters) -> str:
    if code == "1":
        return bpc.take(p.n - 1)
    if code == "00000":
        return "1" * (p.n - 1)
    ones = "11" if code == "00010" else "1"
    position = int(bpc.take(p.ln), 2)
    # §8 "a position is greater than n - 2 (single one) or n - 3 (two ones)"
    if position + len(ones) > p.n - 1:
        raise bpc.error("POSITION")
    return ("0" * position + ones).ljust(p.n - 1, "0")


def decode(
    znz: bytes, bpc: bytes, count: int, word_bits: int, block_size: int = 8, max_burst: int = 16
) -> list[int]:
    """Decode `count` words, as bit patterns; raise `StreamError` unless all of it is valid.

    >>> decode(bytes.fromhex("c180"), bytes.fromhex("051bf81008d140"), 5, word_bits=8)
    [5, 7, 0, 9, 255]
    """
    p = _parameters(word_bits, block_size, max_burst)
    if not isinstance(count, int) or count < 0:
        raise ParameterError(f"count is {count!r}", hint="give the number of words, from 0")
    znz_reader, bpc_reader = _Reader("ZNZ", znz), _Reader("BPC", bpc)
    words: list[int] = []
    block: list[int] = []
    while len(words) < count:
        zeros = _read_znz(znz_reader, len(words), count, p.z)
        if zeros > 0:
            words += [0] * zeros
            continue
        # §8 "take the next word of the current block"
        if not block:  # §4 "For w = 1 a word that is not zero can only be 1"
            block = _read_block(bpc_reader, len(words), p) if p.w > 1 else [1]
        words.append(block.pop(0))
    # §8 "After the last word, check the end of the ZNZ stream."
    znz_reader.check_end(count, p.w)
    bpc_reader.check_end(count, p.w)
    return words
