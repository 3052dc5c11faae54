"""Arrays whose data is one stretch of a file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmcompress.dumps.base import Tensor
from fmcompress.errors import DamagedError
from fmcompress.files import open_source

# Elements are handed on in blocks of this size: from file to streams they stay in a cache, and
# threads that code do not wait long for the next one.
BLOCK_BYTES = 1 << 21


class ArrayHeader(NamedTuple):
    """What a file says of an array; `size` is that of an NPY header itself, in bytes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    label: str
    itemsize: int
    order: str | tuple[int, ...]
    size: int
    element_type: str = ""

    @property
    def data_bytes(self) -> int:
        """Bytes of its elements."""
        return math.prod(self.shape) * self.itemsize


def read_stretch(file: BinaryIO, start: int, size: int, layer: str) -> bytearray:
    """Return a stretch of a file, in memory that may be written to.

    Raises
    ------
    DamagedError
        If the file ends within it.
    """
    data = bytearray(size)
    view, done = memoryview(data), 0
    file.seek(start)
    while done < size:
        count = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise DamagedError("its data is cut", layer=layer)
        done += count
    return data


class StoredArray(Tensor):
    """An array whose data is one stretch of the file, from `offset` on."""

    def __init__(
        self, source: Path | BinaryIO, name: str, header: ArrayHeader, offset: int
    ) -> None:
        self.name = name
        self.shape = header.shape
        self.dtype = header.dtype
        self.element_type = header.element_type
        self.label = header.label
        self.order = header.order
        self.stored_bytes = header.data_bytes
        self.place = {"offset": offset}
        self.carried = "" if self.shape and self.stored_bytes else "scalar or empty"
        self._source = source
        self._offset = offset
        self._itemsize = header.itemsize

    def holes(self) -> list[tuple[int, int]]:
        """One stretch, the data."""
        return [(self._offset, self.stored_bytes)]

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the elements in the file's order."""
        assert self.dtype is not None
        left = self.stored_bytes
        step = max(1, BLOCK_BYTES // self._itemsize) * self._itemsize
        with open_source(self._source) as file:
            file.seek(self._offset)
            while left:
                data = file.read(min(step, left))
                if len(data) < min(step, left):
                    raise DamagedError("the file became shorter while it was read", layer=self.name)
                left -= len(data)
                yield np.frombuffer(data, self.dtype)

    def read(self) -> NDArray[Any]:
        """Return the array; of opaque items where NumPy does not know the dtype."""
        dtype = self.dtype or np.dtype(f"V{self._itemsize}")
        with open_source(self._source) as file:
            data = read_stretch(file, self._offset, self.stored_bytes, self.name)
        return np.ndarray(self.shape, dtype, data, order="F" if self.order == "F" else "C")
