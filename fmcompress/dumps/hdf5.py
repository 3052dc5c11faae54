"""HDF5: the template is the file itself, so that groups, links, types and attributes stay as is.

The data of a contiguous dataset is one stretch of the file and is put back byte for byte. The
chunks of a chunked dataset go back through the library, each with its filters.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from h5py import h5d, h5z
from numpy.typing import NDArray

from fmcompress.dumps.base import BLOCK_BYTES, Dump, Tensor, is_mostly_unwritten
from fmcompress.dumps.hdf5_chunks import (
    are_listed_wrongly,
    bricks,
    is_large,
    is_one_brick,
    read_box,
    rows,
    stretches,
)
from fmcompress.dumps.hdf5_objects import filters, find, library_errors, walk
from fmcompress.dumps.hdf5_restoring import Filter, Restorer
from fmcompress.dumps.hdf5_types import bits_dtype, element_kind, kind_by_attribute
from fmcompress.dumps.hdf5_writing import Writer
from fmcompress.errors import DamagedError, FmcError, UnsupportedError, error_context
from fmcompress.spool import Box, Spool, extents, inside, pieces

__all__ = ["Restorer", "Writer", "open"]

_VIRTUAL, _EXTERNAL = "virtual dataset", "data in external files"


class _Dataset(Tensor):
    def __init__(self, name: str, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self._plist = dataset.id.get_create_plist()
        self.name = name
        self.shape = dataset.shape if dataset.shape is not None else ()
        kind = kind_by_attribute(element_kind(dataset.id.get_type()), self.attributes)
        self.dtype, self.element_type, self.label = kind
        self.order = "C"
        with library_errors(name):
            self.stored_bytes = dataset.id.get_storage_size()
        self.carried = self._why_carried()
        self._stretches: list[tuple[int, int]] | None = None  # once they are known
        if dataset.chunks is None:
            self.place = {"offset": dataset.id.get_offset()}
        else:
            self.place = {"chunks": list(dataset.chunks), "bytes": self.stored_bytes}

    def _why_carried(self) -> str:
        if self._dataset.shape is None:
            return "null dataspace"
        if not self.shape or 0 in self.shape:
            return "scalar or empty"
        if self._plist.get_layout() == h5d.VIRTUAL:
            return _VIRTUAL
        if self._plist.get_layout() == h5d.COMPACT:
            return "compact layout"
        if self._plist.get_external_count():
            return _EXTERNAL
        if not self.stored_bytes:
            return "no data allocated"
        if is_mostly_unwritten(self.nbytes, self.stored_bytes):
            return "mostly unwritten"
        return "type has no plain NumPy dtype" if self.dtype is None else ""

    def check(self) -> None:
        """Refuse a dataset that cannot be read; carry one that could not be written again.

        Raises
        ------
        UnsupportedError
            If a filter is missing.
        DamagedError
            If its chunks cannot be those of such a dataset.
        """
        with error_context(layer=self.name):
            for number, name in filters(self._plist):
                if not h5z.get_filter_info(number) & h5z.FILTER_CONFIG_ENCODE_ENABLED:
                    self.carried = f"filter {name} can only be read"
            if self._dataset.chunks is None or self.carried:
                return
            if are_listed_wrongly(self._dataset):
                self.carried = "the HDF5 library does not tell where its chunks belong"
            else:
                self._stretches = stretches(self._dataset)
                try:
                    if not self._edges_are_filtered(Filter(self._dataset)):
                        self.carried = "its partial edge chunks are not filtered"
                except UnsupportedError as error:
                    self.carried = error.cause

    def _edges_are_filtered(self, filter_: Filter) -> bool:
        """Tell whether chunks that reach past the dataset went through the filters, as others do.

        A property that h5py does not show says so; one such chunk, read both ways, shows it.
        """
        sizes = (self.shape, self._dataset.chunks)
        if not any(length % size for length, size in zip(*sizes, strict=True)):
            return True  # none reaches past it
        edge: list[tuple[int, ...]] = []

        def look(chunk: Any) -> Any:
            ends = zip(chunk.chunk_offset, *sizes, strict=True)
            if any(start + size > length for start, length, size in ends):
                edge.append(chunk.chunk_offset)
            return edge or None  # anything but None ends the search

        with library_errors(self.name):
            self._dataset.id.chunk_iter(look)
            if not edge:
                return True
            mask, data = self._dataset.id.read_direct_chunk(edge[0])
        ends = zip(edge[0], *sizes, strict=True)
        box = tuple(slice(at, min(at + size, length)) for at, length, size in ends)
        expected = self._read(box)
        try:
            found = filter_.undo(mask, data)
        except DamagedError:
            return False
        part = tuple(slice(0, length) for length in expected.shape)
        return found[part].tobytes() == expected.tobytes()

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The dataset's attributes, read on access."""
        return _Attributes(self._dataset)

    def holes(self) -> list[tuple[int, int]]:
        """Return the data of a contiguous dataset, or all its chunks."""
        if self._dataset.chunks is None:
            return [(self._dataset.id.get_offset(), self.stored_bytes)]
        with error_context(layer=self.name):
            return self._stretches or stretches(self._dataset)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the elements, in C order, bits as they lie in the file."""
        assert self.dtype is not None
        for bits in self._bits():
            yield bits.reshape(-1).view(self.dtype)

    def _bits(self) -> Iterator[NDArray[Any]]:
        assert self.dtype is not None
        itemsize = self.dtype.itemsize
        chunk = self._dataset.chunks
        if chunk is None:
            for box in pieces(self.shape, max(1, BLOCK_BYTES // itemsize)):
                yield self._read(box)
            return
        for row in rows(self.shape, chunk, itemsize):
            if is_large(row, itemsize):
                with Spool(extents(row), bits_dtype(itemsize)) as spool:
                    for box in bricks(row, chunk, itemsize):
                        spool[inside(box, row)] = self._read(box)
                    yield from spool.blocks()
            elif is_one_brick(row, chunk):
                yield self._read(row)
            else:
                block = np.empty(extents(row), bits_dtype(itemsize))
                for box in bricks(row, chunk, itemsize):
                    block[inside(box, row)] = self._read(box)
                yield block

    def _read(self, box: Box) -> NDArray[Any]:
        assert self.dtype is not None
        with error_context(layer=self.name):
            return read_box(self._dataset, box, bits_dtype(self.dtype.itemsize))

    def read(self) -> Any:
        """Return the data as h5py does.

        Raises
        ------
        UnsupportedError
            If the data lies in other files.
        """
        if self.carried in (_VIRTUAL, _EXTERNAL):
            raise UnsupportedError(
                f"its data lies in other files ({self.carried})", layer=self.name
            )
        try:
            return self._dataset[()]
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            raise FmcError(f"cannot be read ({error})", layer=self.name) from error


class _Attributes(Mapping[str, Any]):
    """Attributes of an object, read on access."""

    def __init__(self, item: h5py.HLObject) -> None:
        self._item = item

    def __getitem__(self, name: str) -> Any:
        with library_errors(self._item.name):
            if name in self._item.attrs:
                return self._item.attrs[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        with library_errors(self._item.name):
            names = [*self._item.attrs]
        # One that is not UTF-8 comes as bytes, and cannot be asked for.
        return iter([name for name in names if isinstance(name, str)])

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Groups(Mapping[str, Mapping[str, Any]]):
    """Attributes of the groups that lead to datasets, looked for on access."""

    def __init__(self, file: h5py.File, names: list[str]) -> None:
        self._file = file
        self._names = names

    def __getitem__(self, path: str) -> Mapping[str, Any]:
        item = find(self._file, path) if path else self._file
        if not isinstance(item, h5py.Group):
            raise KeyError(path)
        return _Attributes(item)

    def __iter__(self) -> Iterator[str]:
        seen = {""}
        yield ""
        for name in self._names:
            for end in (at for at, letter in enumerate(name) if letter == "/"):
                if name[:end] not in seen:
                    seen.add(name[:end])
                    yield name[:end]

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Hdf5Dump(Dump):
    format = "hdf5"

    def __init__(self, source: Path | BinaryIO) -> None:
        self.path = source if isinstance(source, Path) else None
        try:
            self.file = h5py.File(source, "r")
        except OSError as error:
            raise _why_not_open(source, error) from error
        try:
            self.nbytes = source.stat().st_size if isinstance(source, Path) else source.seek(0, 2)
            with library_errors():
                self.tensors = [_Dataset(path, dataset) for path, dataset in walk(self.file)]
                self.groups = _Groups(self.file, [tensor.name for tensor in self.tensors])
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _why_not_open(source: Path | BinaryIO, error: OSError) -> Exception:
    if error.errno in (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK) and "lock" in str(error):
        return FmcError(
            "another program has it open for writing",
            hint="close that program (or set HDF5_USE_FILE_LOCKING=FALSE, at your own risk)",
        )
    if error.errno is not None:
        return OSError(error.errno, os.strerror(error.errno), str(source))
    return DamagedError(
        f"the HDF5 library cannot read it ({error})", hint="it is cut or damaged: copy it again"
    )


def open(source: Path | BinaryIO, absent: Collection[str], description: Mapping[str, Any]) -> Dump:
    """Open an HDF5 file.

    Raises
    ------
    OSError
        If the system does not let us.
    DamagedError
        If the HDF5 library cannot read it.
    """
    return _Hdf5Dump(source)
