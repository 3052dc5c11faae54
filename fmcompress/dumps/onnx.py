"""ONNX tensors: a TensorProto a file, as ``test_data_set_0/input_0.pb``."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fmcompress.dumps.base import Dump, GroupAttributes, Restorer, TensorSpec, little_endian
from fmcompress.dumps.onnx_message import (
    DIMS,
    DOC,
    MAX_FIELDS,
    NAME,
    RAW,
    STRINGS,
    TYPE,
    TYPES,
    VARINTS,
    ElementType,
    Message,
)
from fmcompress.dumps.protobuf import BYTES, bytes_head, number_field, varints
from fmcompress.dumps.single import SingleWriter
from fmcompress.dumps.stored_array import ArrayHeader, StoredArray, read_stretch
from fmcompress.element_types import ELEMENT_TYPES, FOUR_BIT, is_held
from fmcompress.errors import DamagedError, FmcError, UnsupportedError
from fmcompress.files import open_source

__all__ = ["Restorer", "Writer", "open", "recognise"]

_CODES = {type_.label: code for code, type_ in TYPES.items() if type_.label in ELEMENT_TYPES}
_EXTERNAL = "its data is in another file"
_MAX_NAME_LETTERS = 1 << 10
_STEP = 1 << 20


def recognise(file: BinaryIO) -> bool:
    """Tell whether a file is a TensorProto, or a ModelProto, which `open` refuses with a hint."""
    try:
        message = Message(file)
    except FmcError:
        return False
    return message.is_tensor or message.is_model


class _OnnxTensor(StoredArray):
    """The tensor of a file."""

    def __init__(self, source: Path | BinaryIO, message: Message) -> None:
        type_ = message.type
        assert type_ is not None
        number, fields = next(iter(message.data.items()), (RAW, []))
        dtype = np.dtype(type_.code) if type_.code else None
        self._type, self._number, self._fields = type_, number, fields
        per_byte = 8 // type_.bits if 0 < type_.bits < 8 else 1
        shape = tuple(message.dims)
        if per_byte > 1:
            shape = _packed_shape(shape, per_byte)
        plain = dtype if dtype is None or dtype.kind != "V" else None
        header = ArrayHeader(shape, plain, type_.label, dtype.itemsize if dtype else 0, "C", 0)
        name = message.texts.get(NAME) or ""
        usable = name.isprintable() and 0 < len(name) <= _MAX_NAME_LETTERS
        start = fields[0].offset if fields else message.end
        super().__init__(source, name if usable else "tensor", header, start)
        self.element_type = type_.label if type_.label in _CODES and is_held(type_.label) else ""
        self.packed = type_.label in FOUR_BIT
        self.unpacked_shape = tuple(message.dims) if self.packed else None
        self.label += " packed" if self.packed else ""
        self.stored_bytes = sum(field.size for field in fields)
        self.carried = self._why_carried(message) or self.carried
        self._doc = message.texts.get(DOC)

    def _why_carried(self, message: Message) -> str:
        if message.external:
            return _EXTERNAL
        if self._number in VARINTS:
            return "its elements are varints"
        if self._number == STRINGS:
            return "its elements are strings"
        if len(self._fields) > 1 or any(field.wire != BYTES for field in self._fields):
            return "its elements are not in one stretch"
        return ""

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The documentation string, where there is one."""
        return {} if self._doc is None else {"doc_string": self._doc}

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the elements in C order; as one block where they are not plain bytes."""
        if self.carried:
            yield self.read().reshape(-1)
        else:
            yield from super().blocks()

    def read(self) -> NDArray[Any]:
        """Return the array: packed elements as bytes, types that NumPy has not as opaque items.

        Raises
        ------
        UnsupportedError
            If the data lies in another file.
        """
        if self.carried == _EXTERNAL:
            raise UnsupportedError(self.carried, layer=self.name)
        parts = [*self._parts()]
        if self._number == STRINGS:
            strings = np.empty(len(parts), object)
            strings[:] = [*map(bytes, parts)]
            return strings.reshape(self.shape)
        dtype = np.dtype(self._type.code)
        data = b"".join(parts)
        if self._number not in VARINTS:
            return np.frombuffer(bytearray(data), dtype).reshape(self.shape)
        return _from_varints(data, self._type, dtype).reshape(self.shape)

    def _parts(self) -> Iterator[bytearray]:
        with open_source(self._source) as file:
            for field in self._fields:
                yield read_stretch(file, field.offset, field.size, self.name)


def _packed_shape(shape: tuple[int, ...], per_byte: int) -> tuple[int, ...]:
    """Shape of the bytes of packed elements: flat, where a byte crosses the end of a row."""
    if shape and shape[-1] % per_byte == 0:
        return (*shape[:-1], shape[-1] // per_byte)
    return (-(-math.prod(shape) // per_byte),)


def _from_varints(data: bytes, type_: ElementType, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Decode elements, a bounded number of bytes at a time."""
    found: list[NDArray[Any]] = []
    at = 0
    while at < len(data):
        end = min(at + _STEP, len(data))
        while end < len(data) and data[end - 1] >= 0x80:
            end += 1
        values = varints(data[at:end])
        if type_.label == "bool":
            found.append(values != 0)
        else:
            found.append(values.astype(f"<u{dtype.itemsize}").view(dtype))
        at = end
    return np.concatenate(found) if found else np.zeros(0, dtype)


class _OnnxDump(Dump):
    format = "onnx"

    def __init__(self, source: Path | BinaryIO) -> None:
        self.path = source if isinstance(source, Path) else None
        with open_source(source) as file:
            message = Message(file)
            self.nbytes = message.end
            _check(message)
            if message.data and next(iter(message.data)) in VARINTS:
                _count_varints(file, message)
        self.tensors = [_OnnxTensor(source, message)]


def _check(message: Message) -> None:
    """Refuse what is no whole tensor."""
    if message.is_model:
        raise UnsupportedError(
            "is a whole ONNX model", hint="dump tensors as TensorProto, one a file"
        )
    if not message.is_tensor:
        raise DamagedError("its fields contradict each other, or are none of an ONNX tensor")
    if message.cut:
        raise DamagedError("the file ends within its data", hint="it is cut: copy it again")
    if message.segment:
        raise UnsupportedError("holds a segment of a tensor", hint="save the whole tensor")
    if message.crowded:
        raise UnsupportedError(
            f"its elements lie in more than {MAX_FIELDS} fields", hint="save them as raw_data"
        )


def _count_varints(file: BinaryIO, message: Message) -> None:
    """Check that there are as many varints as elements; only all of the data tells."""
    count, last = 0, 0
    for field in next(iter(message.data.values())):
        file.seek(field.offset)
        left = field.size
        while left:
            data = np.frombuffer(file.read(min(left, _STEP)), "u1")
            if not data.size:
                raise DamagedError("the file became shorter while it was read")
            count += int(np.count_nonzero(data < 0x80))
            last = int(data[-1])
            left -= data.size
    if count != message.varints or last >= 0x80:
        raise DamagedError(f"holds {count} varints for {message.elements} elements")


class Writer(SingleWriter):
    """Write one tensor as a TensorProto, its elements as raw_data."""

    title = "an ONNX tensor file"
    keeps = ("name", "dtype", "shape")
    keeps_attributes = ("doc_string",)

    def __init__(self, path: Path, tensors: Sequence[TensorSpec], groups: GroupAttributes) -> None:
        for tensor in tensors:
            if tensor.element_type not in _CODES:
                raise UnsupportedError(
                    f"ONNX has no type for {tensor.element_type}", layer=tensor.name
                )
        super().__init__(path, tensors, groups)
        if not isinstance(tensors[0].attributes.get("doc_string", ""), str):
            self.losses.attributes(["doc_string"], tensors[0].name)
        self._nibble: NDArray[Any] = np.zeros(0, "u1")

    def begin(self, tensor: TensorSpec) -> None:
        """Write all that stands before the elements."""
        self._type = TYPES[_CODES[tensor.element_type]]
        size = -(-math.prod(tensor.shape) * self._type.bits // 8)
        if size >= 1 << 31:
            raise UnsupportedError(
                f"{size} bytes are more than a protobuf message holds",
                layer=tensor.name,
                hint="write it as NPY",
            )
        self._left = math.prod(tensor.shape)
        name = tensor.name.encode("utf-8", "replace")
        for length in tensor.shape:
            self._file.write(number_field(DIMS, length))
        self._file.write(number_field(TYPE, _CODES[tensor.element_type]))
        self._file.write(bytes_head(NAME, len(name)) + name + bytes_head(RAW, size))

    def write(self, elements: NDArray[Any]) -> None:
        """Take its next elements; 4-bit ones come one a byte."""
        self._left -= elements.size
        if self._type.bits == 4:
            nibbles = np.concatenate((self._nibble, elements.view("u1") & 15))
            even = nibbles.size // 2 * 2
            self._nibble = nibbles[even:]
            elements = nibbles[0:even:2] | nibbles[1:even:2] << 4
        self._file.write(little_endian(elements))

    def end(self) -> None:
        """Write what is left of the elements, and the documentation string.

        Raises
        ------
        DamagedError
            If they were not as many as the shape says: the file's sizes would be wrong.
        """
        if self._left:
            raise DamagedError("its elements do not fill its shape")
        self._file.write(self._nibble.data)
        (tensor,) = self.tensors
        text = tensor.attributes.get("doc_string")
        if isinstance(text, str):
            doc = text.encode("utf-8", "replace")
            self._file.write(bytes_head(DOC, len(doc)) + doc)


def open(source: Path | BinaryIO, absent: Collection[str], description: Mapping[str, Any]) -> Dump:
    """Open an ONNX tensor.

    Raises
    ------
    DamagedError
        If it is cut, or contradicts itself.
    UnsupportedError
        If it is a whole model, a part of a tensor, or has a field for every element of very many.
    """
    return _OnnxDump(source)
