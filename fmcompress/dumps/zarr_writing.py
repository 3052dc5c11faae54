"""Write a new Zarr group: one array a tensor, chunks of about 1 MiB."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmcompress.dumps.base import GroupAttributes, TensorSpec
from fmcompress.dumps.base import Writer as BaseWriter
from fmcompress.dumps.file_dtypes import TYPE_ATTRIBUTES
from fmcompress.dumps.losses import Losses
from fmcompress.dumps.zarr_chunks import is_version_3, library, quiet
from fmcompress.element_types import is_held
from fmcompress.errors import UnsupportedError
from fmcompress.spool import Box, extents, pieces

_CHUNK_BYTES = 1 << 20
_RESERVED = ("", ".", "..", "zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")
# Of a file's name, on most systems.
_MOST_PART_BYTES = 255
# What a number to tell names apart may take of that.
_MOST_NUMBER_BYTES = 20


class Writer(BaseWriter):
    """Write tensors to a new Zarr group, of version 3 where the library knows it.

    What NumPy has no type for is written as the unsigned integers that hold it, with an attribute
    ``dtype`` that says what it is.

    Parameters
    ----------
    path : Path
        An empty folder.
    tensors : sequence of TensorSpec
    groups : mapping of str to mapping

    Raises
    ------
    UnsupportedError
        If the zarr library is not there.
    """

    def __init__(self, path: Path, tensors: Sequence[TensorSpec], groups: GroupAttributes) -> None:
        super().__init__(path, tensors, groups)
        zarr = library()
        self._new = is_version_3(zarr)
        self._names = _names([tensor.name for tensor in tensors], self.losses)
        with quiet():
            version = {"zarr_format": 3} if self._new else {}
            self._root = zarr.open_group(str(path), mode="w", **version)
            taken, made = set(self._names.values()), set()
            for name, attributes in groups.items():
                folder = "/".join(_part(part) for part in name.split("/")) if name else ""
                if folder in made or any(above in taken for above in _folders(folder)):
                    self.losses.attributes(attributes, name)
                elif folder not in taken:
                    made.add(folder)
                    group = self._root.require_group(folder) if folder else self._root
                    self._attach(group, name, attributes)
        self._array: Any = None
        self._boxes: Iterator[Box] = iter(())
        self._box: Box | None = None
        self._parts: list[NDArray[Any]] = []
        self._room = 0

    def begin(self, tensor: TensorSpec) -> None:
        """Start with the next tensor."""
        name = self._names[tensor.name]
        most = max(1, _CHUNK_BYTES // tensor.dtype.itemsize)
        cut = [()] if not tensor.shape else [] if 0 in tensor.shape else None
        self._boxes = iter(pieces(tensor.shape, most) if cut is None else cut)
        self._next_box()
        # Chunks are the boxes, so that each one is written once, from one stretch of elements.
        chunks = extents(self._box or ())
        try:
            with quiet():
                *folders, last = name.split("/")
                group = self._root.require_group("/".join(folders)) if folders else self._root
                create = group.create_array if self._new else group.create_dataset
                self._array = create(
                    last,
                    shape=tensor.shape,
                    dtype=tensor.dtype,
                    chunks=chunks or tuple(max(1, length) for length in tensor.shape),
                    fill_value=0,
                )
        except (TypeError, ValueError, KeyError) as error:
            raise UnsupportedError(
                f"Zarr cannot hold it ({error})", layer=tensor.name, hint="pick other layers"
            ) from error
        attributes = dict(tensor.attributes)
        if is_held(tensor.element_type):
            attributes[TYPE_ATTRIBUTES[0]] = tensor.element_type
        self._attach(self._array, tensor.name, attributes)

    def _next_box(self) -> None:
        self._box = next(self._boxes, None)
        self._parts = []
        self._room = math.prod(extents(self._box or ()))

    def write(self, elements: NDArray[Any]) -> None:
        """Take its next elements; every box that they fill is a chunk."""
        while elements.size and self._box is not None:
            part, elements = elements[: self._room], elements[self._room :]
            self._parts.append(part)
            self._room -= part.size
            if not self._room:
                whole = np.concatenate(self._parts)
                with quiet():
                    if self._box:
                        self._array[self._box] = whole.reshape(extents(self._box))
                    else:
                        self._array[...] = whole[0]
                self._next_box()

    def close(self) -> None:
        """Let go of the array."""
        self._array = None
        self._parts = []

    def _attach(self, item: Any, name: str, attributes: Mapping[str, Any]) -> None:
        """Write attributes as JSON, which cannot hold all."""
        plain = {}
        for key, value in attributes.items():
            try:
                plain[key] = _plain(value)
                json.dumps({key: plain[key]}).encode("utf-8")
            except (TypeError, ValueError, UnicodeError, RecursionError):
                plain.pop(key, None)
                self.losses.attributes([key], name)
        if plain:
            with quiet():
                item.attrs.update(plain)


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold, where there is one."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return value.decode("utf-8") if isinstance(value, bytes) else value


def _part(part: str) -> str:
    """Return a part of a path that Zarr and file systems allow, and that is no file of Zarr's."""
    part = part.replace("\\", "_").replace("\0", "_")
    if part in _RESERVED or part.startswith("__"):
        part = f"_{part}"
    return _cut(part, _MOST_PART_BYTES)


def _cut(part: str, most_bytes: int) -> str:
    """Return as much of a text as so many bytes hold."""
    encoded = part.encode("utf-8", "surrogatepass")
    if len(encoded) <= most_bytes:
        return part
    return encoded[:most_bytes].decode("utf-8", "ignore")


def _names(names: Sequence[str], losses: Losses) -> dict[str, str]:
    """Give every tensor a path that Zarr allows and that is no folder of another's."""
    given: dict[str, str] = {}
    taken: set[str] = set()
    folders: set[str] = set()
    for name in names:
        parts = [_part(part) for part in name.split("/")]
        plain = "/".join(parts)
        fresh, number = plain, 2
        while fresh in taken or fresh in folders or any(p in taken for p in _folders(fresh)):
            start = _cut(plain.replace("/", "."), _MOST_PART_BYTES - _MOST_NUMBER_BYTES)
            fresh = f"{start}_{number}"
            number += 1
        taken.add(fresh)
        folders.update(_folders(fresh))
        given[name] = fresh
        if fresh != name:
            losses.note(f"the name of {name!r}: it is {fresh!r} now")
    return given


def _folders(path: str) -> Iterator[str]:
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)
