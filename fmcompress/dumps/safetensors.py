"""Safetensors: a JSON header, then the tensors' data, one behind the other.

Read and written without the library of that name, whose NumPy side refuses bfloat16 and float8.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fmcompress.dumps.base import Dump, GroupAttributes, TensorSpec, little_endian
from fmcompress.dumps.base import Restorer as BaseRestorer
from fmcompress.dumps.base import Writer as BaseWriter
from fmcompress.dumps.safetensors_header import (
    MAX_HEADER_BYTES,
    METADATA,
    TYPE_NAMES,
    TYPES,
    Entry,
    arrange,
    check_offsets,
    format_header,
    read_header,
)
from fmcompress.dumps.stored_array import ArrayHeader, StoredArray, read_stretch
from fmcompress.errors import DamagedError, UnsupportedError
from fmcompress.files import open_source
from fmcompress.targets import reserve

# Longer text of an attribute is not taken for JSON, and not written.
_MAX_ATTRIBUTE_BYTES = 1 << 20
# An attribute's name may have so many dots, not more: a key is looked up at each of its last ones.
_MAX_DOTS = 16
# Elements that the format cannot hold as they are, and what holds them, one by one.
_WIDENED = {"int4": "I8", "uint4": "U8"}
_MOST_BRACKETS = 900  # in the JSON of one attribute


# --- Attributes in the metadata, as NAME.key ------------------------------------------------


def _owner(key: str, names: Collection[str]) -> str | None:
    """Return the tensor to which a key of the metadata belongs: of several, the longest name."""
    at = len(key)
    for _ in range(_MAX_DOTS):
        at = key.rfind(".", 0, at)
        if at < 0:
            return None
        if key[:at] in names and at + 1 < len(key):
            return key[:at]
    return None


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _value(text: str) -> Any:
    """Read an attribute: JSON if it is, else the text itself."""
    if len(text) > _MAX_ATTRIBUTE_BYTES:
        return text
    try:
        # How deep JSON may nest, Python's own limits say, differently in each version.
        if text.count("[") + text.count("{") > _MOST_BRACKETS:
            return text
        return json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return text


def _text(value: Any) -> str | None:
    """Write an attribute so that `_value` reads it; None where JSON cannot express it."""
    if isinstance(value, np.ndarray | np.generic):
        if value.nbytes > _MAX_ATTRIBUTE_BYTES:
            return None
        value = value.tolist()
    try:
        if isinstance(value, bytes):
            value = value.decode("utf-8")
        plain = isinstance(value, str) and _value(value) == value
        text = value if plain else json.dumps(value, allow_nan=False, ensure_ascii=False)
        return text if len(text.encode("utf-8")) <= _MAX_ATTRIBUTE_BYTES else None
    except (TypeError, ValueError, RecursionError):
        return None


# --- Reading --------------------------------------------------------------------------------


class _Tensor(StoredArray):
    def __init__(
        self, source: Path | BinaryIO, entry: Entry, base: int, noted: Mapping[str, str]
    ) -> None:
        kind = entry.kind
        dtype = np.dtype(kind.code).newbyteorder("<") if kind.code else None
        header = ArrayHeader(entry.shape, dtype, kind.label, max(kind.bits // 8, 1), "C", 0)
        super().__init__(source, entry.name, header, base + entry.start)
        self.stored_bytes = entry.end - entry.start
        self.element_type = kind.element_type
        self.carried = kind.carried or self.carried
        self._noted = noted

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What the file's metadata says of it, as ``NAME.key``: JSON where it is, else text."""
        return {key: _value(text) for key, text in self._noted.items()}

    def read(self) -> NDArray[Any]:
        """Return the array; its bytes, in one row, where NumPy has no dtype for the elements."""
        if self.dtype is not None:
            return super().read()
        with open_source(self._source) as file:
            data = read_stretch(file, self._offset, self.stored_bytes, self.name)
        return np.frombuffer(data, "u1")


class _SafetensorsDump(Dump):
    format = "safetensors"

    def __init__(self, source: Path | BinaryIO) -> None:
        self.path = source if isinstance(source, Path) else None
        with open_source(source) as file:
            self.nbytes = file.seek(0, 2)
            entries, metadata, base = read_header(file, self.nbytes)
        check_offsets(entries, self.nbytes - base)
        noted: dict[str, dict[str, str]] = {entry.name: {} for entry in entries}
        rest: dict[str, str] = {}
        for key, text in metadata.items():
            owner = _owner(key, noted)
            if owner is None:
                rest[key] = text
            else:
                noted[owner][key[len(owner) + 1 :]] = text
        self.tensors = [_Tensor(source, entry, base, noted[entry.name]) for entry in entries]
        self.groups = {"": rest} if rest else {}


def recognise(file: BinaryIO) -> bool:
    """Look for a header's length within the format's limit, and JSON behind it."""
    file.seek(0)
    start = file.read(9)
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") <= MAX_HEADER_BYTES


def open(source: Path | BinaryIO, absent: Collection[str], description: Mapping[str, Any]) -> Dump:
    """Open a safetensors file.

    Raises
    ------
    DamagedError
        If it is cut, or its header is no JSON, or contradicts itself or the file's size.
    UnsupportedError
        If its header has more, or other things, than this version knows.
    """
    return _SafetensorsDump(source)


# --- Writing --------------------------------------------------------------------------------


class Restorer(BaseRestorer):
    """Put the file back byte for byte; where tensors were picked, write a file of these alone."""

    def finish(self, picked: list[str] | None = None) -> None:
        """Complete the file; keep only the tensors that are picked."""
        super().finish()
        if picked is not None:
            whole = self.path.rename(self.path.with_name(self.path.name + ".whole"))
            try:
                self._pick(whole, {*picked})
            finally:
                whole.unlink()

    def _pick(self, whole: Path, picked: set[str]) -> None:
        with whole.open("rb") as old, self.path.open("wb") as new:
            entries, metadata, base = read_header(old, self.nbytes)
            check_offsets(entries, self.nbytes - base)
            names = {entry.name for entry in entries}
            kept = sorted(
                (entry for entry in entries if entry.name in picked),
                key=lambda entry: (entry.start, entry.end),
            )
            moved, at = [], 0
            for entry in kept:
                moved.append(entry._replace(start=at, end=at + entry.end - entry.start))
                at = moved[-1].end
            metadata = {
                key: text
                for key, text in metadata.items()
                if (owner := _owner(key, names)) is None or owner in picked
            }
            new.write(format_header(moved, metadata))
            for entry in kept:
                old.seek(base + entry.start)
                left = entry.end - entry.start
                while left:
                    data = old.read(min(left, 1 << 20))
                    new.write(data)
                    left -= len(data)


class Writer(BaseWriter):
    """Write a new safetensors file.

    Attributes go to its metadata, as ``NAME.key``, in JSON; those of the file itself under their
    own keys. 4-bit integers are held one a byte.
    """

    def __init__(self, path: Path, tensors: Sequence[TensorSpec], groups: GroupAttributes) -> None:
        super().__init__(path, tensors, groups)
        entries = arrange([(spec.name, self._type_name(spec), spec.shape) for spec in tensors])
        header = format_header(entries, self._metadata())
        self._starts = {entry.name: len(header) + entry.start for entry in entries}
        self._name, self._left = "", 0  # bytes of the tensor at hand that are still to come
        self._file = path.open("wb")
        try:
            reserve(self._file, len(header) + sum(entry.end - entry.start for entry in entries))
            self._file.write(header)
        except BaseException:
            self.close()
            raise

    def _type_name(self, spec: TensorSpec) -> str:
        name = spec.element_type
        if name in _WIDENED:
            self.losses.note(f"the dtype {name} (held one a byte)", spec.name)
            return _WIDENED[name]
        kind = TYPES.get(TYPE_NAMES.get(name, ""))
        if kind is None or not kind.code or spec.name == METADATA:
            raise UnsupportedError(
                f"a safetensors file holds no tensor of type {name}"
                if spec.name != METADATA
                else "a safetensors file holds no tensor of this name",
                layer=spec.name,
                hint="choose another format, or leave this layer out",
            )
        return TYPE_NAMES[name]

    def _metadata(self) -> dict[str, str]:
        names = {spec.name for spec in self.tensors}
        found: dict[str, str] = {}

        def note(name: str, owner: str | None, values: Mapping[str, Any]) -> None:
            for key in values:
                value, full = values[key], f"{name}.{key}" if name or owner is not None else key
                # Of the file itself, text stays as it is: so the library's own users have it.
                text = value if owner is None and isinstance(value, str) else _text(value)
                # A reader must find it where it was, and find one value only.
                if text is None or full in found or _owner(full, names) != owner:
                    self.losses.attributes([key], name)
                else:
                    found[full] = text

        for path, values in self.groups.items():
            note(path, None, values)
        for spec in self.tensors:
            note(spec.name, spec.name, spec.attributes)
        return found

    def begin(self, tensor: TensorSpec) -> None:
        """Start with the next tensor."""
        self._name, self._left = tensor.name, tensor.nbytes
        self._file.seek(self._starts[tensor.name])

    def write(self, elements: NDArray[Any]) -> None:
        """Take its next elements, in C order."""
        data = little_endian(elements)
        self._left -= len(data)
        self._file.write(data)

    def end(self) -> None:
        """End the tensor.

        Raises
        ------
        DamagedError
            If it had more or fewer elements than its shape says.
        """
        if self._left:
            raise DamagedError("its elements do not fill its shape", layer=self._name)

    def close(self) -> None:
        """Close the file, complete or not."""
        self._file.close()
