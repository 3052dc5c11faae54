"""HDF5: the template is the file itself, so that groups, links, types and attributes stay as is.

The data of a contiguous dataset is one stretch of the file and is put back byte for byte. The
chunks of a chunked dataset go back through the library, each with its filters.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from h5py import h5d, h5f, h5p, h5s, h5t, h5z
from numpy.typing import NDArray

from fmcompress.contents import LayerInfo
from fmcompress.dumps.base import BLOCK_BYTES, Dump, Tensor
from fmcompress.dumps.base import Restorer as BaseRestorer
from fmcompress.errors import DamagedError, FmcError, UnsupportedError, error_context

# Filters that people meet, by registered number; the library names only those that it has.
_FILTER_NAMES = {
    4: "szip",
    305: "LZO",
    307: "bzip2",
    32000: "LZF",
    32001: "Blosc",
    32004: "LZ4",
    32008: "bitshuffle",
    32013: "ZFP",
    32015: "Zstandard",
    32026: "Blosc2",
}


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
            return "virtual dataset"
        if self._plist.get_layout() == h5d.COMPACT:
            return "compact layout"
        if self._plist.get_external_count():
            return "data in external files"
        if not self.stored_bytes:
            return "no data allocated"
        return "type has no plain NumPy dtype" if self.dtype is None else ""

    def check(self) -> None:
        """Refuse a dataset that cannot be read; carry one that could not be written again.

        Raises
        ------
        UnsupportedError
            If a filter is missing.
        """
        for index in range(self._plist.get_nfilters()):
            number, _, _, name = self._plist.get_filter(index)
            name = _FILTER_NAMES.get(number) or name.decode("utf-8", "replace") or "unknown"
            if not h5z.filter_avail(number):
                raise UnsupportedError(
                    f"filter {number} ({name}) is not installed",
                    layer=self.name,
                    hint="'pip install hdf5plugin' and set HDF5_PLUGIN_PATH to its plugins, or "
                    "pick other layers with --layers: those not picked are carried unchanged",
                )
            if not h5z.get_filter_info(number) & h5z.FILTER_CONFIG_ENCODE_ENABLED:
                self.carried = f"filter {name} can only be read"

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The dataset's attributes, read on access."""
        attributes: Mapping[str, Any] = self._dataset.attrs
        return attributes

    def holes(self) -> list[tuple[int, int]]:
        """Return the data of a contiguous dataset, or all its chunks."""
        if self._dataset.chunks is None:
            return [(self._dataset.id.get_offset(), self.stored_bytes)]
        found: list[tuple[int, int]] = []
        self._dataset.id.chunk_iter(lambda chunk: found.append((chunk.byte_offset, chunk.size)))
        return found

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the elements, in C order, in whole rows of HDF5 chunks."""
        rows = self._dataset.chunks[0] if self._dataset.chunks else 1
        row_bytes = max(1, self._dataset.nbytes // self.shape[0])
        step = max(1, BLOCK_BYTES // (rows * row_bytes)) * rows
        for start in range(0, self.shape[0], step):
            try:
                block = self._dataset[start : start + step]
            except (OSError, RuntimeError) as error:
                raise DamagedError(f"cannot be read ({error})", layer=self.name) from error
            yield block.reshape(-1)

    def read(self) -> Any:
        """Return the data as h5py does."""
        try:
            return self._dataset[()]
        except (OSError, RuntimeError) as error:
            raise FmcError(f"cannot be read ({error})", layer=self.name) from error


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
            self.tensors = list(_walk(self.file))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _why_not_open(source: Path | BinaryIO, error: OSError) -> Exception:
    if error.errno is not None or (isinstance(source, Path) and not source.exists()):
        return error
    return DamagedError(
        f"the HDF5 library cannot read it ({error})", hint="it is cut or damaged: copy it again"
    )


def _walk(group: h5py.Group, prefix: str = "", seen: set[Any] | None = None) -> Iterator[_Dataset]:
    """Yield every dataset once, in the groups' own order, following hard links only."""
    seen = set() if seen is None else seen
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        path = f"{prefix}/{name}" if prefix else name
        with error_context(layer=path):
            try:
                item = group[name]
            except (OSError, KeyError, RuntimeError, ValueError) as error:
                raise DamagedError(f"cannot be opened ({error})") from error
        info = h5py.h5o.get_info(item.id)
        if (info.fileno, info.addr) in seen:
            continue
        seen.add((info.fileno, info.addr))
        if isinstance(item, h5py.Dataset):
            yield _Dataset(path, item)
        elif isinstance(item, h5py.Group):
            yield from _walk(item, path, seen)


class Restorer(BaseRestorer):
    """Put an HDF5 file back."""

    def __init__(self, path: Path, nbytes: int) -> None:
        super().__init__(path, nbytes)
        self._hdf5: h5py.File | None = None
        self._rows: _ChunkRows | None = None

    def begin(self, layer: LayerInfo, dtype: np.dtype[Any]) -> None:
        """Start with a coded layer."""
        if "chunks" not in layer.place:
            super().begin(layer, dtype)
            return
        self._file.flush()
        if self._hdf5 is None:
            try:
                self._hdf5 = h5py.File(self.path, "r+")
            except OSError as error:
                raise DamagedError(f"the template is no HDF5 file ({error})") from error
        with error_context(layer=layer.name):
            try:
                dataset = self._hdf5[layer.name]
                fits = dataset.shape == layer.shape and dataset.dtype == dtype and dataset.chunks
            except (
                KeyError,
                OSError,
                RuntimeError,
                ValueError,
                TypeError,
                AttributeError,
            ) as error:
                raise DamagedError("the template has no such dataset") from error
            if not fits:
                raise DamagedError("the template's dataset has another shape or type")
            self._rows = _ChunkRows(dataset)

    def write(self, elements: NDArray[Any]) -> None:
        """Take the next elements of the layer."""
        if self._rows is None:
            super().write(elements)
        else:
            self._rows.write(elements)

    def end(self) -> None:
        """End the layer."""
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

    def close(self) -> None:
        """Close the file, complete or not."""
        self._rows = None
        if self._hdf5 is not None:
            hdf5, self._hdf5 = self._hdf5, None
            with _system_errors():
                hdf5.close()
        super().close()


class _ChunkRows:
    """Collect elements to whole rows of HDF5 chunks and write these chunks, filtered."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self._chunk = dataset.chunks
        self._row = 0
        rows = min(self._chunk[0], dataset.shape[0])
        self._buffer = np.empty((rows, *dataset.shape[1:]), dataset.dtype)
        self._filled = 0
        self._filter = _Filter(dataset)
        self._allocated: set[tuple[int, ...]] = set()
        dataset.id.chunk_iter(lambda chunk: self._allocated.add(chunk.chunk_offset))

    def write(self, elements: NDArray[Any]) -> None:
        taken = 0
        while taken < elements.size:
            rows = min(self._buffer.shape[0], self._dataset.shape[0] - self._row)
            room = rows * (self._buffer.size // self._buffer.shape[0])
            part = elements[taken : taken + room - self._filled]
            self._buffer.reshape(-1)[self._filled : self._filled + part.size] = part
            self._filled += part.size
            taken += part.size
            if self._filled == room:
                self._write_row(rows)
                self._row += rows
                self._filled = 0

    def _write_row(self, rows: int) -> None:
        grid = (
            range(0, n, c) for n, c in zip(self._dataset.shape[1:], self._chunk[1:], strict=True)
        )
        for rest in _product([*grid]):
            offset = (self._row, *rest)
            if offset not in self._allocated:
                continue  # it was never written: what it reads as is the fill value
            inner = tuple(slice(at, at + c) for at, c in zip(rest, self._chunk[1:], strict=True))
            mask, data = self._filter.apply(self._buffer[(slice(0, rows), *inner)])
            with _system_errors():
                self._dataset.id.write_direct_chunk(offset, data, mask)


@contextlib.contextmanager
def _system_errors() -> Iterator[None]:
    """Turn the library's long story of a failed system call into the system's short one."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = re.search(r"errno = (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def _product(ranges: list[range]) -> Iterator[tuple[int, ...]]:
    import itertools

    return itertools.product(*ranges)


class _Filter:
    """Run a dataset's filters over single chunks, by writing them to a file in memory.

    Writing through the restored file itself would make the library read the chunks that the
    template left out.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        access = h5p.create(h5p.FILE_ACCESS)
        access.set_fapl_core(1 << 16, False)
        self._file = h5f.create(b"filter", h5f.ACC_TRUNC, fapl=access)
        plist = dataset.id.get_create_plist()
        self._chunk = dataset.chunks
        space = h5s.create_simple(self._chunk)
        self._scratch = h5d.create(self._file, b"chunk", dataset.id.get_type(), space, plist)
        self._dtype = dataset.dtype
        self._fill = dataset.fillvalue
        self._type = dataset.id.get_type()

    def apply(self, elements: NDArray[Any]) -> tuple[int, bytes]:
        """Return filter mask and bytes of a chunk; what is outside the dataset is fill value."""
        chunk = np.full(self._chunk, self._fill, self._dtype)
        chunk[tuple(slice(0, n) for n in elements.shape)] = elements
        self._scratch.write(h5s.ALL, h5s.ALL, chunk, self._type)
        h5f.flush(self._file)
        mask, data = self._scratch.read_direct_chunk((0,) * len(self._chunk))
        return mask, bytes(data)


def _copy_picked(old: h5py.File, new: h5py.File, picked: list[str]) -> None:
    _copy_attributes(old, new)
    for name in picked:
        *groups, _ = name.split("/")
        for depth in range(1, len(groups) + 1):
            path = "/".join(groups[:depth])
            if path not in new:
                _copy_attributes(old[path], new.create_group(path))
        old.copy(old[name], new, name)


def _copy_attributes(old: h5py.Group, new: h5py.Group) -> None:
    for key in old.attrs:
        with contextlib.suppress(TypeError):  # references mean nothing in another file
            value = old.attrs[key]
            new.attrs.create(key, value, dtype=getattr(value, "dtype", None))


def open(source: Path | BinaryIO) -> Dump:
    """Open an HDF5 file.

    Raises
    ------
    OSError
        If the system does not let us.
    DamagedError
        If the HDF5 library cannot read it.
    """
    return _Hdf5Dump(source)
