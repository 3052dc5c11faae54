"""Protocol Buffers on the wire: walk through a message's fields, without reading what they hold.

https://protobuf.dev/programming-guides/encoding/ documents it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmcompress.errors import DamagedError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# A varint holds 64 bits, 7 a byte.
_MAX_VARINT_BYTES = 10
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}


class Field(NamedTuple):
    """A field of a message.

    Attributes
    ----------
    number, wire : int
        What it is, and how it is written: `VARINT`, `FIXED64`, `BYTES` or `FIXED32`.
    offset, size : int
        Where its value lies in the file, and how many bytes it has.
    value : int
        Of a `VARINT`; of others 0.
    """

    number: int
    wire: int
    offset: int
    size: int
    value: int


def walk(file: BinaryIO, start: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message that lies from byte `start` to byte `end`.

    The value of the last field may reach past `end`, in a file that is cut: that is for the caller
    to see.

    Raises
    ------
    DamagedError
        If the bytes cannot be a message.
    """
    at = start
    while at < end:
        file.seek(at)
        head = file.read(min(2 * _MAX_VARINT_BYTES, end - at))
        tag, read = _varint(head, 0, at)
        number, wire = tag >> 3, tag & 7
        if not 1 <= number < 1 << 29:
            raise DamagedError(f"no protobuf field has number {number} (at byte {at})")
        value, size = 0, _FIXED_BYTES.get(wire, 0)
        if wire == VARINT:
            value, read_value = _varint(head, read, at)
            size = read_value - read
        elif wire == BYTES:
            size, read = _varint(head, read, at)
        elif not size:
            raise DamagedError(f"no protobuf field is of wire type {wire} (at byte {at})")
        yield Field(number, wire, at + read, size, value)
        at += read + size


def _varint(data: bytes, at: int, offset: int) -> tuple[int, int]:
    """Return a varint's value, and where it ends in `data`."""
    value = 0
    for index, byte in enumerate(data[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value & (1 << 64) - 1, at + index + 1
    raise DamagedError(f"a protobuf field is cut or damaged (at byte {offset})")


def varints(data: bytes) -> NDArray[np.uint64]:
    """Return the values of varints that follow each other.

    Raises
    ------
    DamagedError
        If the last one is cut, or one is too long.
    """
    encoded = np.frombuffer(data, "u1")
    ends = np.flatnonzero(encoded < 0x80)
    if encoded.size and encoded[-1] >= 0x80:
        raise DamagedError("its last varint is cut")
    starts = np.concatenate((np.zeros(min(1, ends.size), ends.dtype), ends[:-1] + 1))
    lengths = ends - starts + 1
    longest = int(lengths.max(initial=0))
    if longest > _MAX_VARINT_BYTES:
        raise DamagedError("a varint is too long")
    values = np.zeros(ends.size, np.uint64)
    for index in range(longest):
        longer = np.flatnonzero(lengths > index)
        bits = (encoded[starts[longer] + index] & 0x7F).astype(np.uint64)
        values[longer] |= bits << np.uint64(7 * index)
    return values


def varint(value: int) -> bytes:
    """Write a number from 0 to 2**64 - 1 as a varint."""
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def number_field(number: int, value: int) -> bytes:
    """Write a field that holds a number."""
    return varint(number << 3 | VARINT) + varint(value)


def bytes_head(number: int, size: int) -> bytes:
    """Write what stands before the `size` bytes of a field."""
    return varint(number << 3 | BYTES) + varint(size)
