"""Readers of the codecs' streams written from docs/CODECS.md alone, slow and strict.

They share no code with the product but the reference of EBPC, which is written from docs/EBPC.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fmcompress import reference
from fmcompress.errors import StreamError


class Invalid(Exception):
    """No encoder writes such a stream."""


class Bits:
    """A stream, bit by bit."""

    def __init__(self, stream: bytes) -> None:
        self._text = "".join(f"{byte:08b}" for byte in stream)
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._text) - self._at

    def take(self, count: int) -> int:
        if count > self.left:
            raise Invalid
        text = self._text[self._at : self._at + count]
        self._at += count
        return int("0" + text, 2)

    @property
    def at_padding(self) -> bool:
        """Nothing but padding to a whole byte is left."""
        return self.left < 8 and "1" not in self._text[self._at :]

    def finish(self) -> None:
        if not self.at_padding:
            raise Invalid


def bits_for(values: int) -> int:
    """Bits that tell so many values apart."""
    return (values - 1).bit_length()


# Description of the codec, both streams, number of words, w.
Decoder = Callable[[dict[str, Any], bytes, bytes, int, int], list[int]]


def single(decode: Callable[[dict[str, Any], Bits, int, int], list[int]]) -> Decoder:
    """Read a method of one stream."""

    def read(codec: dict[str, Any], first: bytes, second: bytes, count: int, w: int) -> list[int]:
        if first:
            raise Invalid
        stream = Bits(second)
        words = decode(codec, stream, count, w)
        stream.finish()
        assert len(words) == count
        return words

    return read


@single
def zrle(codec: dict[str, Any], stream: Bits, count: int, w: int) -> list[int]:
    words: list[int] = []
    while len(words) < count:
        if stream.take(1):
            words.append(stream.take(w))
            if words[-1] == 0:
                raise Invalid
        else:
            words += [0] * (stream.take(bits_for(codec["max_burst"])) + 1)
            if len(words) > count:
                raise Invalid
    return words


@single
def zvc(codec: dict[str, Any], stream: Bits, count: int, w: int) -> list[int]:
    words: list[int] = []
    while len(words) < count:
        mask = [stream.take(1) for _ in range(min(codec["group"], count - len(words)))]
        group = [stream.take(w) if flag else 0 for flag in mask]
        if sum(mask) != sum(word > 0 for word in group):
            raise Invalid
        words += group
    return words


@single
def huffman(codec: dict[str, Any], stream: Bits, count: int, w: int) -> list[int]:
    lengths = [int(digit, 16) for digit in codec["lengths"]]
    assert len(lengths) == (2**w if w <= 8 else w + 1)
    symbols: dict[str, int] = {}
    code = ""
    for length, symbol in sorted((length, s) for s, length in enumerate(lengths) if length):
        following = f"{int(code, 2) + 1:0{len(code)}b}" if code else ""
        code = following.ljust(length, "0")
        symbols[code] = symbol
    words = []
    for _ in range(count):
        code = ""
        while code not in symbols and len(code) < 16:
            code += str(stream.take(1))
        if code not in symbols:
            raise Invalid
        words.append(symbols[code] if w <= 8 else category(stream, symbols[code], codec, w))
    return words


def category(stream: Bits, c: int, codec: dict[str, Any], w: int) -> int:
    """Read which word of category c it is."""
    bits = stream.take(c)
    v = bits if c == 0 or bits >> (c - 1) else bits - 2**c + 1
    least, most = (
        (-(2 ** (w - 1)), 2 ** (w - 1) - 1) if codec.get("signed", True) else (0, 2**w - 1)
    )
    if not least <= v <= most:
        raise Invalid
    return v % 2**w


@single
def csc(codec: dict[str, Any], stream: Bits, count: int, w: int) -> list[int]:
    words: list[int] = []
    filler = False
    while not stream.at_padding:
        index, value = stream.take(bits_for(codec["distance"])), stream.take(w)
        filler = value == 0
        words += [0] * index + [value]
        if (filler and index != codec["distance"] - 1) or len(words) > count:
            raise Invalid
    if filler:
        raise Invalid
    return words + [0] * (count - len(words))


@single
def rlc(codec: dict[str, Any], stream: Bits, count: int, w: int) -> list[int]:
    r, words = codec["run_bits"], list[int]()
    pair_count = 63 // (r + w)
    while len(words) < count:
        pairs = [(stream.take(r), stream.take(w)) for _ in range(pair_count)]
        unused = stream.take(63 - pair_count * (r + w))
        while pairs and len(words) < count:
            run, level = pairs.pop(0)
            words += [0] * run + [level]
            if level == 0 and run != 2**r - 1 and len(words) != count:
                raise Invalid
        if unused or any(map(any, pairs)) or len(words) > count:
            raise Invalid
        if stream.take(1) != (len(words) == count):
            raise Invalid
    if stream.left:
        raise Invalid
    return words


def bpc(codec: dict[str, Any], first: bytes, second: bytes, count: int, w: int) -> list[int]:
    """The blocks of EBPC's second stream, one behind the other, and its end."""
    if first:
        raise Invalid
    parameters = reference._parameters(w, codec["block_size"], 16)
    reader = reference._Reader("BPC", second)
    words: list[int] = []
    try:
        while len(words) < count:
            words += reference._read_block(reader, len(words), parameters)
        reader.check_end(count, w)
    except StreamError as error:
        raise Invalid from error
    return words[:count]


@single
def shapeshifter(codec: dict[str, Any], stream: Bits, count: int, w: int) -> list[int]:
    words: list[int] = []
    signed = codec.get("signed", True)
    while len(words) < count:
        mask = [stream.take(1) for _ in range(min(codec["group"], count - len(words)))]
        width = stream.take(bits_for(w)) + 1 if any(mask) else 0
        group = []
        for flag in mask:
            negative = stream.take(1) if flag and signed else 0
            magnitude = stream.take(width) if flag else 0
            most = 2 ** (w - 1) - 1 + negative if signed else 2**w - 1
            if magnitude > most or bool(flag) != (magnitude > 0):
                raise Invalid
            group.append(-magnitude if negative else magnitude)
        if max(map(abs, group)).bit_length() != width or width > w:
            raise Invalid
        words += [number % 2**w for number in group]
    return words


def rice_numbers(codec: dict[str, Any], stream: Bits, count: int, w: int) -> Iterator[int]:
    """The numbers of a Rice stream."""
    k = 0
    for index in range(count):
        if index % codec["block"] == 0:
            k = stream.take(bits_for(w))
        ones = 0
        while ones < 24 and stream.take(1):
            ones += 1
        number = stream.take(w) if ones == 24 else ones << k | stream.take(k)
        if k >= w or ones != min(number >> k, 24):
            raise Invalid
        yield number


def rice_word(codec: dict[str, Any], u: int, w: int) -> int:
    """The pattern that u stands for."""
    if u >= 2**w:
        raise Invalid
    if not codec.get("signed", True):
        return u
    return (-(u + 1) // 2 if u % 2 else u // 2) % 2**w


@single
def rice(codec: dict[str, Any], stream: Bits, count: int, w: int) -> list[int]:
    return [rice_word(codec, u, w) for u in rice_numbers(codec, stream, count, w)]


def mask_rice(codec: dict[str, Any], first: bytes, second: bytes, count: int, w: int) -> list[int]:
    masks, stream = Bits(first), Bits(second)
    mask = [masks.take(1) for _ in range(count)]
    numbers = rice_numbers(codec, stream, sum(mask), w)
    words = [rice_word(codec, next(numbers) + 1, w) if flag else 0 for flag in mask]
    masks.finish()
    stream.finish()
    return words


# Bytes of an element and of its delta.
BDI_SCHEMES = {2: (8, 1), 3: (8, 2), 4: (8, 4), 5: (4, 1), 6: (4, 2), 7: (2, 1)}


def bdi_line(stream: Bits) -> str:
    """The 512 bits of a line."""
    scheme = stream.take(4)
    if scheme == 0 and stream.take(8) == 0:
        return "0" * 512
    if scheme == 1:
        return f"{stream.take(64):064b}" * 8
    if scheme == 15:
        return f"{stream.take(512):0512b}"
    if scheme not in BDI_SCHEMES:
        raise Invalid
    size, delta_size = BDI_SCHEMES[scheme]
    mask = [stream.take(1) for _ in range(64 // size)]
    base = stream.take(8 * size)
    line = ""
    for flag in mask:
        delta = stream.take(8 * delta_size)
        delta -= 256**delta_size if delta >= 256**delta_size // 2 else 0
        line += f"{(delta + flag * base) % 256**size:0{8 * size}b}"
    return line


@single
def bdi(codec: dict[str, Any], stream: Bits, count: int, w: int) -> list[int]:
    text = "".join(bdi_line(stream) for _ in range(-(-count * w // 512)))
    if "1" in text[count * w :]:
        raise Invalid
    return [int(text[at : at + w], 2) for at in range(0, count * w, w)]


DECODERS: dict[str, Decoder] = {
    "bpc": bpc,
    "zrle": zrle,
    "zvc": zvc,
    "csc": csc,
    "rlc": rlc,
    "shapeshifter": shapeshifter,
    "rice": rice,
    "mask-rice": mask_rice,
    "huffman": huffman,
    "bdi": bdi,
}
NUMBERS = {
    2: "bpc",
    3: "zvc",
    4: "zrle",
    5: "csc",
    6: "rlc",
    7: "shapeshifter",
    8: "rice",
    9: "mask-rice",
    10: "huffman",
    11: "bdi",
}


def chunk(
    codec: dict[str, Any], number: int, first: bytes, second: bytes, count: int, w: int
) -> list[int]:
    """Read a chunk of a container, whose layer's codec may be `auto`."""
    name = NUMBERS[number]
    described = {**codec, "group": 32} if codec["name"] == "auto" else codec
    assert codec["name"] in (name, "auto")
    return DECODERS[name](described, first, second, count, w)
