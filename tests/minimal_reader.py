"""A reader of containers written from docs/FORMAT.md alone: standard library and XXH3.

It shares no code with the product but the reference codec, which is written from docs/EBPC.md.
"""

from __future__ import annotations

import bz2
import json
from dataclasses import dataclass, field
from typing import Any

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
    bits = int(layer["words"]["format"].lstrip("uint"))
    if code == 0:
        width = bits // 8
        words = [int.from_bytes(bpc[i : i + width]) for i in range(0, len(bpc), width)]
        assert not znz
        assert len(words) == count
    else:
        codec = layer["codec"]
        words = reference.decode(znz, bpc, count, bits, codec["block_size"], codec["max_burst"])
    assert words.count(0) == zeros
    return words


def _size(layer: dict[str, Any]) -> int:
    size = 1
    for length in layer["shape"]:
        size *= length
    return size


def elements(layer: dict[str, Any], words: list[int]) -> bytes:
    """The layer's data as it lies in the dump."""
    bits = int(layer["words"]["format"].lstrip("uint"))
    order = "big" if layer["dtype"][0] == ">" else "little"
    zero_point = layer["words"]["zero_point"]
    return b"".join(((word + zero_point) % 2**bits).to_bytes(bits // 8, order) for word in words)


def restore(container: Container) -> bytes:
    """The dump, of layers whose place is an offset."""
    dump = bytearray(container.template)
    for name, layer in container.layers.items():
        if "carried" not in layer:
            data = elements(layer, container.words[name])
            offset = layer["place"]["offset"]
            dump[offset : offset + len(data)] = data
    return bytes(dump)
