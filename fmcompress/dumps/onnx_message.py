"""The top level of an ONNX tensor's file, walked without reading the data.

onnx.proto names the fields: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

from fmcompress.contents import MAX_AXES
from fmcompress.dumps.protobuf import BYTES, FIXED32, FIXED64, VARINT, Field, varints, walk
from fmcompress.errors import DamagedError

# Fields of a TensorProto, and what they may be on the wire.
DIMS, TYPE, _SEGMENT, NAME, RAW, DOC, _EXTERNAL, _LOCATION = 1, 2, 3, 8, 9, 12, 13, 14
_FLOATS, _INT32S, STRINGS, _INT64S, _DOUBLES, _UINT64S = 4, 5, 6, 7, 10, 11
VARINTS = (_INT32S, _INT64S, _UINT64S)
_DATA = (RAW, _FLOATS, _DOUBLES, STRINGS, *VARINTS)
_WIRES = {
    **{field: {BYTES} for field in (_SEGMENT, STRINGS, NAME, RAW, DOC, _EXTERNAL, 16)},
    **{field: {VARINT, BYTES} for field in (DIMS, *VARINTS)},
    **{field: {VARINT} for field in (TYPE, _LOCATION)},
    _FLOATS: {FIXED32, BYTES},
    _DOUBLES: {FIXED64, BYTES},
}
# Of a ModelProto: versions are numbers, graph and operator sets are messages.
_GRAPH = 7
_MODEL_WIRES = {
    **{field: {VARINT} for field in (1, 5)},
    **{field: {BYTES} for field in (2, 3, 4, 6, _GRAPH, 8, 14, 20, 25, 26)},
}
# Elements that are not packed have a field each.
MAX_FIELDS = 1 << 16
_MAX_TEXT_BYTES = 1 << 16


class ElementType(NamedTuple):
    """An element type: its label, how it lies in the file, and its field beside raw_data."""

    label: str
    code: str
    field: int
    bits: int


# Code -> type. Where NumPy has no dtype, the code is that of the integer that holds the bits.
TYPES = {
    1: ElementType("float32", "<f4", _FLOATS, 32),
    2: ElementType("uint8", "|u1", _INT32S, 8),
    3: ElementType("int8", "|i1", _INT32S, 8),
    4: ElementType("uint16", "<u2", _INT32S, 16),
    5: ElementType("int16", "<i2", _INT32S, 16),
    6: ElementType("int32", "<i4", _INT32S, 32),
    7: ElementType("int64", "<i8", _INT64S, 64),
    8: ElementType("string", "", STRINGS, 0),
    9: ElementType("bool", "|b1", _INT32S, 8),
    10: ElementType("float16", "<f2", _INT32S, 16),
    11: ElementType("float64", "<f8", _DOUBLES, 64),
    12: ElementType("uint32", "<u4", _UINT64S, 32),
    13: ElementType("uint64", "<u8", _UINT64S, 64),
    14: ElementType("complex64", "<c8", _FLOATS, 64),
    15: ElementType("complex128", "<c16", _DOUBLES, 128),
    16: ElementType("bfloat16", "<u2", _INT32S, 16),
    17: ElementType("float8_e4m3fn", "|u1", _INT32S, 8),
    18: ElementType("float8_e4m3fnuz", "|V1", _INT32S, 8),
    19: ElementType("float8_e5m2", "|u1", _INT32S, 8),
    20: ElementType("float8_e5m2fnuz", "|V1", _INT32S, 8),
    21: ElementType("uint4", "|u1", _INT32S, 4),
    22: ElementType("int4", "|u1", _INT32S, 4),
    23: ElementType("float4_e2m1", "|V1", _INT32S, 4),
    24: ElementType("float8_e8m0", "|V1", _INT32S, 8),
    25: ElementType("uint2", "|V1", _INT32S, 2),
    26: ElementType("int2", "|V1", _INT32S, 2),
}


class Message:
    """The top level of a file that may be a TensorProto, walked once; data is skipped.

    Attributes
    ----------
    end : int
        Size of the file.
    dims : list of int
    type : ElementType or None
        None where there is none that we know.
    texts : dict
        Name and documentation string, by field; None where it cannot be read.
    data : dict
        The fields that hold elements, by number; without those that hold nothing.
    external, segment, cut, crowded : bool
        Whether its data is in another file, is a part only, is cut, or lies in very many fields.
    is_tensor, is_model : bool
        Whether it is a TensorProto, its shape and data fit; whether it is a whole model.

    Raises
    ------
    DamagedError
        If it is no protobuf message at all.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.end = file.seek(0, 2)
        self.dims: list[int] = []
        self.type: ElementType | None = None
        self.texts: dict[int, str | None] = {}
        self.data: dict[int, list[Field]] = {}
        self.external = False
        self.cut = self.crowded = False
        wires: set[tuple[int, int]] = set()
        for count, field in enumerate(walk(file, 0, self.end)):
            wires.add((field.number, field.wire))
            self.cut = field.offset + field.size > self.end
            self.crowded = count == MAX_FIELDS
            if self.crowded or not (_fits(field, _WIRES) or _fits(field, _MODEL_WIRES)):
                break
            self._take(file, field)
        numbers = {number for number, _ in wires}
        self.segment = _SEGMENT in numbers
        fields = all(wire in _WIRES.get(number, ()) for number, wire in wires)
        self.is_tensor = fields and self.type is not None and self._has_its_elements()
        self.is_model = {1, _GRAPH} <= numbers and all(
            wire in _MODEL_WIRES.get(number, ()) for number, wire in wires
        )

    def _take(self, file: BinaryIO, field: Field) -> None:
        if field.number == DIMS and len(self.dims) <= MAX_AXES:
            if field.wire == VARINT:
                self.dims.append(field.value)
            elif field.size <= 10 * MAX_AXES and not self.cut:
                file.seek(field.offset)
                self.dims += varints(file.read(field.size)).tolist()
            else:
                raise DamagedError("its shape is damaged")
        elif field.number == TYPE and field.wire == VARINT:
            self.type = TYPES.get(field.value)
        elif field.number in (NAME, DOC) and not self.cut:
            self.texts[field.number] = None
            if field.size <= _MAX_TEXT_BYTES:
                file.seek(field.offset)
                self.texts[field.number] = _text(file.read(field.size))
        elif field.number == _LOCATION:
            self.external = field.value == 1
        elif field.number in _DATA and (field.size or field.number == STRINGS):
            self.data.setdefault(field.number, []).append(field)

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.dims)

    @property
    def data_bytes(self) -> int:
        """Bytes of all elements as they lie in raw_data."""
        assert self.type is not None
        return -(-self.elements * self.type.bits // 8)

    def _has_its_elements(self) -> bool:
        """Whether shape, type and size of the data fit; what cannot be told counts as fitting."""
        assert self.type is not None
        if len(self.dims) > MAX_AXES or self.elements >= 1 << 63 or len(self.data) > 1:
            return False
        if self.crowded or self.segment or self.external:
            return True
        number, fields = next(iter(self.data.items()), (self.type.field, []))
        if number not in (RAW, self.type.field):
            return False
        size = sum(field.size for field in fields)
        if number == STRINGS:
            return len(fields) == self.elements or self.cut
        if number in VARINTS:
            return self.varints <= size <= 10 * self.varints
        return size == self.data_bytes and not (number == RAW and len(fields) > 1)

    @property
    def varints(self) -> int:
        """Number of its varints: one an element, or one for so many as share a byte."""
        assert self.type is not None
        return self.data_bytes if self.type.bits < 8 else self.elements


def _fits(field: Field, wires: Mapping[int, set[int]]) -> bool:
    return field.wire in wires.get(field.number, ())


def _text(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None
