"""Readers of the codecs' streams written from docs/CODECS.md alone, slow and strict.

They share no code with the product but the reference of EBPC, which is written from docs/EBPC.md.
"""

from __future__ import annotations

from collections.abc import Callable
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


DECODERS: dict[str, Decoder] = {"zrle": zrle, "zvc": zvc, "csc": csc, "rlc": rlc, "bpc": bpc}
NUMBERS = {2: "bpc", 3: "zvc", 4: "zrle", 5: "csc", 6: "rlc"}


def chunk(
    codec: dict[str, Any], number: int, first: bytes, second: bytes, count: int, w: int
) -> list[int]:
    """Read a chunk of a container, whose layer's codec may be `auto`."""
    name = NUMBERS[number]
    described = {**codec, "group": 32} if codec["name"] == "auto" else codec
    assert codec["name"] in (name, "auto")
    return DECODERS[name](described, first, second, count, w)
