"""A reader of containers written from docs/FORMAT.md alone: standard library and XXH3.

It shares no code with the product but the reference codec, which is written from docs/EBPC.md.
"""

from __future__ import annotations

import bz2
import itertools
import json
import math
from dataclasses import dataclass, field
from typing import Any

import minimal_codecs
import xxhash

from fmcompress import reference


@dataclass
class Container:
    dump: dict[str, Any] = field(default_factory=dict)
    template: bytearray = field(default_factory=bytearray)
    layers: dict[str, dict[str, Any]] = field(default_factory=dict)
    words: dict[str, list[int]] = field(default_factory=dict)


def number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def read(data: bytes) -> Container:
    # 1. The file
    assert data[:8] == bytes.fromhex("89464d430d0a1a0a")
    assert number(data[8:10]) == 1
    assert data[10:16] == bytes(6)
    assert number(data[16:24]) == xxhash.xxh3_64_intdigest(data[:16])
    trailer = data[-32:]
    assert trailer[16:24] == b"FMC.END\n"
    assert number(trailer[8:16]) == len(data)
    assert number(trailer[24:]) == xxhash.xxh3_64_intdigest(trailer[:24])
    container = Container()
    index = b""
    pending: list[dict[str, Any]] = []
    at = 24
    while True:
        head, size = data[at : at + 16], number(data[at + 4 : at + 8])
        payload = data[at + 16 : at + 16 + size]
        assert number(head[8:]) == xxhash.xxh3_64_intdigest(head[:8] + payload, seed=at)
        kind, code = head[0], head[1]
        if kind == 5:
            break
        index += head[:8] + (payload[:12] if kind == 4 else b"")
        if kind == 1:
            container.dump = json.loads(payload)
            container.template = bytearray(container.dump["bytes"])
        elif kind == 2:
            _template(container, code, payload)
        elif kind == 3:
            assert not pending
            table = json.loads(bz2.decompress(payload) if code else payload)
            for row in table["layers"]:
                layer = {**table.get("defaults", {}), **row}
                container.layers[layer["name"]] = layer
                container.words[layer["name"]] = []
                if "carried" not in layer:
                    pending.append(layer)
        elif kind == 4:
            words = container.words[pending[0]["name"]]
            words += _chunk(pending[0], code, payload)
            if len(words) == _size(pending[0]):
                pending.pop(0)
        at += 16 + size
    assert payload == index
    assert number(trailer[:8]) == at
    assert not pending
    return container


def _template(container: Container, code: int, payload: bytes) -> None:
    segments = number(payload[:4])
    start = 4 + 16 * segments
    text = bz2.decompress(payload[start:]) if code else payload[start:]
    for i in range(segments):
        entry = payload[4 + 16 * i :]
        offset, size = number(entry[:8]), number(entry[8:16])
        container.template[offset : offset + size] = text[:size]
        text = text[size:]
    assert not text


def _chunk(layer: dict[str, Any], code: int, payload: bytes) -> list[int]:
    count, zeros, znz_bytes = (number(payload[i : i + 4]) for i in (0, 4, 8))
    znz, bpc = payload[12 : 12 + znz_bytes], payload[12 + znz_bytes :]
    bits = word_bits(layer)
    if code == 0:
        text = "".join(f"{byte:08b}" for byte in bpc)
        words = [int(text[bits * i : bits * (i + 1)], 2) for i in range(count)]
        assert not znz
        assert len(bpc) == (count * bits + 7) // 8
    elif code == 1:
        codec = layer["codec"]
        words = reference.decode(znz, bpc, count, bits, codec["block_size"], codec["max_burst"])
    else:
        words = minimal_codecs.chunk(layer["codec"], code, znz, bpc, count, bits)
    assert words.count(0) == zeros
    return words


# 5. Word formats and quantising


def word_bits(layer: dict[str, Any]) -> int:
    """w."""
    name = layer["words"]["format"]
    floats = {"float8_e4m3fn": 8, "float8_e5m2": 8, "float16": 16, "bfloat16": 16, "float32": 32}
    if name == "bool":
        return 1
    return floats.get(name) or layer["words"].get("word_bits") or int(name.lstrip("uint"))


def _element(layer: dict[str, Any], words: list[int], index: list[int]) -> int:
    """The pattern of one element, of its word or words."""
    how, w = layer["words"], word_bits(layer)
    if "mapping" in how:
        word = words[0]
        return (word >> 1 | word << (w - 1)) & (2**w - 1) if how["mapping"] == "rotate" else word
    if how["format"] == "bool":
        return words[0]
    zero_point = how["zero_point"]
    if "axis" in how:
        zero_point = zero_point[index[how["axis"]]]
    values = [(word + zero_point) % 2**w for word in words]
    if how.get("packed"):
        return values[0] | values[1] << 4
    if not how["format"].startswith("u") and not how.get("zero_extended") and values[0] >> (w - 1):
        return values[0] - 2**w
    return values[0]


# 6. Chunks and codecs: the order of words


def _indices(lengths: list[int], serpentine: bool) -> list[list[int]]:
    """Indices along the axes as they run, the last one fastest, in the order of words."""
    found = [list(index) for index in itertools.product(*map(range, lengths))]
    if serpentine and len(lengths) > 1:
        for index in found:
            if index[-2] % 2:
                index[-1] = lengths[-1] - 1 - index[-1]
    return found


def _axes(layer: dict[str, Any]) -> tuple[list[int], list[int]]:
    """The axes as they run in the dump, and in the words."""
    axes = [*range(len(layer["shape"]))]
    order = layer.get("order", "C")
    in_dump = axes if order == "C" else axes[::-1] if order == "F" else order
    return in_dump, layer.get("axes", in_dump)


def _size(layer: dict[str, Any]) -> int:
    """Words of a layer."""
    return math.prod(layer["shape"]) * (2 if layer["words"].get("packed") else 1)


def elements(layer: dict[str, Any], words: list[int]) -> bytes:
    """The layer's data as it lies in the dump."""
    width = int(layer["dtype"][2:])
    big = "big" if layer["dtype"][0] == ">" else "little"
    in_dump, in_words = _axes(layer)
    each = len(words) // max(math.prod(layer["shape"]), 1)
    lengths = [layer["shape"][axis] for axis in in_words]
    found = {}
    for number, running in enumerate(_indices(lengths, layer.get("serpentine", False))):
        index = [running[in_words.index(axis)] for axis in range(len(running))]
        value = _element(layer, words[each * number : each * (number + 1)], index)
        found[tuple(index[axis] for axis in in_dump)] = value % 2 ** (8 * width)
    return b"".join(found[index].to_bytes(width, big) for index in sorted(found))


def restore(container: Container) -> bytes:
    """The dump, of layers whose place is an offset."""
    dump = bytearray(container.template)
    for name, layer in container.layers.items():
        if "carried" not in layer:
            data = elements(layer, container.words[name])
            offset = layer["place"]["offset"]
            dump[offset : offset + len(data)] = data
    return bytes(dump)
