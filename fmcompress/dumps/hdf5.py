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
from h5py import h5d, h5t, h5z
from numpy.typing import NDArray

from fmcompress.dumps.base import BLOCK_BYTES, Dump, Tensor
from fmcompress.dumps.hdf5_objects import filters, library_errors, walk
from fmcompress.dumps.hdf5_restoring import Filter, Restorer
from fmcompress.errors import DamagedError, FmcError, UnsupportedError, error_context

__all__ = ["Restorer", "open"]

_TIGHTEST = 1 << 12
_VIRTUAL, _EXTERNAL = "virtual dataset", "data in external files"


class _Dataset(Tensor):
    def __init__(self, name: str, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self._plist = dataset.id.get_create_plist()
        self.name = name
        self.shape = dataset.shape if dataset.shape is not None else ()
        self.dtype = self._numpy_dtype()
        self.label = _label(dataset)
        self.order = "C"
        self.stored_bytes = dataset.id.get_storage_size()
        self.carried = self._why_carried()
        if dataset.chunks is None:
            self.place = {"offset": dataset.id.get_offset()}
        else:
            self.place = {"chunks": list(dataset.chunks), "bytes": self.stored_bytes}

    def _numpy_dtype(self) -> np.dtype[Any] | None:
        """Return the dtype if elements are read without any conversion."""
        try:
            dtype = self._dataset.dtype
            plain = h5t.py_create(dtype) == self._dataset.id.get_type()
        except (TypeError, ValueError):
            return None
        return dtype if plain and dtype.metadata is None else None

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
        # No filter packs so tightly: most chunks were never written, and read as fill value.
        if self.nbytes > _TIGHTEST * (self.stored_bytes + BLOCK_BYTES):
            return "mostly unwritten"
        return "type has no plain NumPy dtype" if self.dtype is None else ""

    def check(self) -> None:
        """Refuse a dataset that cannot be read; carry one that could not be written again.

        Raises
        ------
        UnsupportedError
            If a filter is missing.
        """
        with error_context(layer=self.name):
            for number, name in filters(self._plist):
                if not h5z.get_filter_info(number) & h5z.FILTER_CONFIG_ENCODE_ENABLED:
                    self.carried = f"filter {name} can only be read"
            if self._dataset.chunks is not None and not self.carried:
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
            ends_ = zip(edge[0], self._dataset.chunks, strict=True)
            expected = self._dataset[tuple(slice(at, at + size) for at, size in ends_)]
        try:
            found = filter_.undo(mask, data)
        except DamagedError:
            return False
        inside = tuple(slice(0, length) for length in expected.shape)
        return bool((found[inside] == expected).all())

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The dataset's attributes, read on access."""
        return _Attributes(self._dataset)

    def holes(self) -> list[tuple[int, int]]:
        """Return the data of a contiguous dataset, or all its chunks."""
        if self._dataset.chunks is None:
            return [(self._dataset.id.get_offset(), self.stored_bytes)]
        found: list[tuple[int, int]] = []
        with library_errors(self.name):
            self._dataset.id.chunk_iter(lambda chunk: found.append((chunk.byte_offset, chunk.size)))
        return found

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the elements, in C order, in whole rows of HDF5 chunks."""
        rows = self._dataset.chunks[0] if self._dataset.chunks else 1
        row_bytes = max(1, self._dataset.nbytes // self.shape[0])
        step = max(1, BLOCK_BYTES // (rows * row_bytes)) * rows
        for start in range(0, self.shape[0], step):
            with library_errors(self.name):
                block = self._dataset[start : start + step]
            yield block.reshape(-1)

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
        return iter(names)

    def __len__(self) -> int:
        with library_errors(self._item.name):
            return len(self._item.attrs)


def _label(dataset: h5py.Dataset) -> str:
    try:
        dtype = dataset.dtype
    except (TypeError, ValueError):
        return "unknown"
    if h5py.check_string_dtype(dtype) is not None:
        return "string"
    if h5py.check_vlen_dtype(dtype) is not None:
        return "vlen"
    if h5py.check_ref_dtype(dtype) is not None:
        return "reference"
    if h5py.check_enum_dtype(dtype) is not None:
        return "enum"
    if dtype.fields is not None:
        return "compound"
    return str(dtype.name)


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


def open(
    source: Path | BinaryIO,
    absent: Collection[str] = (),
    description: Mapping[str, Any] | None = None,
) -> Dump:
    """Open an HDF5 file.

    Raises
    ------
    OSError
        If the system does not let us.
    DamagedError
        If the HDF5 library cannot read it.
    """
    return _Hdf5Dump(source)
