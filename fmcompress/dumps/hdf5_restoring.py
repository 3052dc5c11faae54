"""Put HDF5 files back: contiguous data byte for byte, chunks through the library's filters."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5f, h5p, h5s
from numpy.typing import NDArray

from fmcompress.contents import LayerInfo
from fmcompress.dumps.base import Restorer as BaseRestorer
from fmcompress.dumps.base import is_mostly_unwritten
from fmcompress.dumps.hdf5_chunks import (
    AllocatedChunks,
    is_large,
    read_box,
    rows,
)
from fmcompress.dumps.hdf5_objects import filters, find, library_errors
from fmcompress.dumps.hdf5_types import bits_dtype, element_kind
from fmcompress.errors import DamagedError, UnsupportedError, error_context
from fmcompress.spool import Box, Spool, extents, inside


class Restorer(BaseRestorer):
    """Put an HDF5 file back."""

    def __init__(self, path: Path, description: Mapping[str, Any]) -> None:
        super().__init__(path, description)
        self._hdf5: h5py.File | None = None
        self._rows: _ChunkRows | None = None
        self._layer = ""
        self._tail = b""

    def begin(self, layer: LayerInfo, dtype: np.dtype[Any]) -> None:
        """Start with a coded layer."""
        if "chunks" not in layer.place:
            super().begin(layer, dtype)
            return
        self._file.flush()
        if self._hdf5 is None:
            self._file.seek(max(0, self.nbytes - _TAIL_BYTES))
            self._tail = self._file.read()
            try:
                self._hdf5 = h5py.File(self.path, "r+")
            except OSError as error:
                raise DamagedError(f"the template is no HDF5 file ({error})") from error
        self._layer = layer.name
        with error_context(layer=layer.name):
            if is_mostly_unwritten(layer.size * dtype.itemsize, layer.place["bytes"]):
                raise DamagedError("it is larger than its place in the dump can be")
            self._rows = _ChunkRows(_dataset_of(self._hdf5, layer, dtype))

    def write(self, elements: NDArray[Any]) -> None:
        """Take the next elements of the layer."""
        if self._rows is None:
            super().write(elements)
        else:
            self._rows.write(elements)

    def end(self) -> None:
        """End the layer."""
        if self._rows is not None:
            with error_context(layer=self._layer):
                self._rows.check()
        self._end_rows()

    def _end_rows(self) -> None:
        if self._rows is not None:
            self._rows.close()
            self._rows = None

    def finish(self, picked: list[str] | None = None) -> None:
        """Complete the file, or make one of the picked datasets and their groups only."""
        self.close()
        if picked is not None:
            whole = self.path.with_name(self.path.name + ".whole")
            self.path.rename(whole)
            try:
                with h5py.File(whole, "r") as old, h5py.File(self.path, "w") as new:
                    _copy_picked(old, new, picked)
            finally:
                whole.unlink()

    def _put_tail_back(self) -> None:
        """Write anew what stood behind the end of HDF5's own data: the library cuts it off."""
        size = self._file.seek(0, 2)
        if size < self.nbytes:
            missing = self.nbytes - size
            if missing > len(self._tail):
                raise UnsupportedError(f"{missing} bytes stand behind the end of its HDF5 data")
            self._file.write(self._tail[-missing:])

    def close(self) -> None:
        """Close the file, complete or not."""
        self._end_rows()
        if self._hdf5 is not None:
            hdf5, self._hdf5 = self._hdf5, None
            with _system_errors():
                hdf5.close()
            self._put_tail_back()
        super().close()


def _dataset_of(file: h5py.File, layer: LayerInfo, dtype: np.dtype[Any]) -> h5py.Dataset:
    """Return the template's dataset of a layer, once it is sure that it fits."""
    dataset = find(file, layer.name)
    try:
        fits = (
            isinstance(dataset, h5py.Dataset)
            and dataset.shape == layer.shape
            and dataset.chunks is not None
            and _same_bits(element_kind(dataset.id.get_type()).dtype, dtype)
        )
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise DamagedError("the template's object is no chunked dataset of its shape and type")
    return dataset


def _same_bits(found: np.dtype[Any] | None, dtype: np.dtype[Any]) -> bool:
    """Tell whether elements of a layer can lie in a dataset: it may call integers otherwise."""
    if found is None or found.itemsize != dtype.itemsize:
        return False
    loose = found.kind in "iuV" and dtype.kind in "iuV"
    return found == dtype or (loose and found.fields is None and dtype.fields is None)


class _ChunkRows:
    """Collect elements to whole rows of HDF5 chunks and write these chunks, filtered."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self._dtype = bits_dtype(dataset.id.get_type().get_size())
        self._rows = rows(dataset.shape, dataset.chunks, self._dtype.itemsize)
        self._row: Box = ()
        self._room = 0  # elements that its row still lacks
        # Grows with what comes, not with what the shape promises.
        self._parts: list[NDArray[Any]] = []
        self._spool: Spool | None = None
        self._filter = Filter(dataset)
        self._chunks = AllocatedChunks(dataset)

    def write(self, elements: NDArray[Any]) -> None:
        bits = elements.view(self._dtype)
        taken = 0
        while taken < bits.size:
            if not self._room:
                self._begin_row()
            part = bits[taken : taken + self._room]
            if self._spool is not None:
                self._spool.append(part)
            else:
                self._parts.append(part)
            self._room -= part.size
            taken += part.size
            if not self._room:
                self._end_row()

    def _begin_row(self) -> None:
        self._row = next(self._rows)
        self._room = math.prod(extents(self._row))
        if is_large(self._row, self._dtype.itemsize):
            self._spool = Spool(extents(self._row), self._dtype)

    def _end_row(self) -> None:
        block: NDArray[Any] | Spool
        if self._spool is not None:
            block = self._spool
        else:
            block = np.concatenate(self._parts).reshape(extents(self._row))
        sizes = (self._dataset.chunks, self._dataset.shape)
        for offset, mask in self._chunks.within(self._row):
            sides = zip(offset, *sizes, strict=True)
            box = tuple(slice(at, min(at + side, length)) for at, side, length in sides)
            mask, data = self._filter.apply(block[inside(box, self._row)], mask)
            with _system_errors():
                self._dataset.id.write_direct_chunk(offset, data, mask)
        self.close()

    def check(self) -> None:
        """Refuse a dataset in which a chunk was not found again, and went beside the old one."""
        with _system_errors():
            count = self._dataset.id.get_num_chunks()
        if count != len(self._chunks):
            raise DamagedError(f"it has {count} HDF5 chunks instead of {len(self._chunks)}")

    def close(self) -> None:
        """Let go of what was collected."""
        self._parts = []
        if self._spool is not None:
            self._spool.close()
            self._spool = None


@contextlib.contextmanager
def _system_errors() -> Iterator[None]:
    """Turn the library's long story of a failed system call into the system's short one."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = re.search(r"errno = (\d+)", str(error))
        if number is None:
            raise DamagedError(
                "the dump was damaged before it was compressed, or its template is: "
                f"the HDF5 library cannot write to it ({error})"
            ) from error
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


MAX_CHUNK_BYTES = 1 << 27
_TAIL_BYTES = 1 << 20
_numbers = itertools.count()  # the library knows files in memory by their names


class Filter:
    """Run a dataset's filters over single chunks, by writing them to a file in memory.

    Writing through the restored file itself would make the library read the chunks that the
    template left out.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        access = h5p.create(h5p.FILE_ACCESS)
        access.set_fapl_core(1 << 16, False)
        self._file = h5f.create(b"filter%d" % next(_numbers), h5f.ACC_TRUNC, fapl=access)
        self._type = dataset.id.get_type()
        self._dtype = bits_dtype(self._type.get_size())
        plist = dataset.id.get_create_plist()
        self._chunk = dataset.chunks
        # Chunks may be larger than their dataset, but not take all memory: it takes several times
        # theirs to filter one.
        nbytes = dataset.size * self._dtype.itemsize
        most_bytes = min(MAX_CHUNK_BYTES, max(MAX_CHUNK_BYTES // 2, 16 * nbytes))
        if math.prod(self._chunk) * self._dtype.itemsize > most_bytes:
            raise UnsupportedError(f"its HDF5 chunks are larger than {most_bytes} bytes")
        self._all_filters = (1 << len([*filters(plist)])) - 1  # a bit each, as in masks
        try:
            space = h5s.create_simple(self._chunk)
            self._scratch = h5d.create(self._file, b"chunk", self._type, space, plist)
        except (ValueError, OSError, RuntimeError) as error:
            raise UnsupportedError(f"its filters cannot be applied here ({error})") from error
        # What was never written reads as fill value; where that is undefined, not at all: as 0.
        self._fill = read_box(
            h5py.Dataset(self._scratch), (slice(0, 1),) * len(self._chunk), self._dtype
        )

    def undo(self, mask: int, data: bytes) -> NDArray[Any]:
        """Return the elements of a whole chunk from its filter mask and bytes.

        Raises
        ------
        DamagedError
            If the filters cannot be undone.
        """
        with library_errors():
            self._scratch.write_direct_chunk((0,) * len(self._chunk), data, mask)
            chunk = np.empty(self._chunk, self._dtype)
            self._scratch.read(h5s.ALL, h5s.ALL, chunk, self._type)
        return chunk

    def apply(self, elements: NDArray[Any], mask: int) -> tuple[int, Any]:
        """Return filter mask and bytes of a chunk; what is outside the dataset is fill value.

        A chunk whose mask says that it skipped all filters does so again.
        """
        if elements.shape == self._chunk:
            chunk = np.ascontiguousarray(elements)
        else:
            chunk = np.full(self._chunk, self._fill.reshape(()), self._dtype)
            chunk[tuple(slice(0, n) for n in elements.shape)] = elements
        if mask & self._all_filters == self._all_filters:
            return mask, chunk.reshape(-1).view("u1").data
        self._scratch.write(h5s.ALL, h5s.ALL, chunk, self._type)
        h5f.flush(self._file)
        applied, data = self._scratch.read_direct_chunk((0,) * len(self._chunk))
        return int(applied), data


def _copy_picked(old: h5py.File, new: h5py.File, picked: list[str]) -> None:
    _copy_attributes(old, new)
    for name in picked:
        *groups, _ = name.split("/")
        for depth in range(1, len(groups) + 1):
            path = "/".join(groups[:depth])
            if path not in new:
                _copy_attributes(find(old, path), new.create_group(path))
        old.copy(find(old, name), new, name)


def _copy_attributes(old: h5py.Group, new: h5py.Group) -> None:
    for key in old.attrs:
        with contextlib.suppress(TypeError):  # references mean nothing in another file
            value = old.attrs[key]
            new.attrs.create(key, value, dtype=getattr(value, "dtype", None))
