"""Zarr stores, version 2 and 3: folders in which every chunk of an array is a file of its own.

The files of coded arrays' chunks are left out of the template, whole; all other files are in it.
They are written anew by the zarr library, an optional one, with the codecs of the array.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from fmcompress.dumps.base import Dump, Tensor
from fmcompress.dumps.file_dtypes import held_types
from fmcompress.dumps.file_list import FileList, check_list
from fmcompress.dumps.layout import Layout as BaseLayout
from fmcompress.dumps.tree import Found, JoinedFile, TreeReader, find_files, notes_of_links
from fmcompress.dumps.zarr_restoring import Restorer
from fmcompress.dumps.zarr_store import ArrayFiles, JsonAttributes, find_nodes
from fmcompress.dumps.zarr_writing import Writer
from fmcompress.element_types import holding_dtype
from fmcompress.errors import DamagedError, UnsupportedError, error_context
from fmcompress.spool import Spool, extents, inside

__all__ = ["Layout", "Restorer", "Writer", "open"]

_MOST_READ_TIMES = 1 << 12


class _Array(Tensor):
    def __init__(self, reader: TreeReader, array: ArrayFiles) -> None:
        self._reader = reader
        self._array = array
        self.name = array.name
        self.shape = array.info.shape
        self.dtype = array.info.dtype
        self.order = "C"
        self.carried = array.carried
        self.stored_bytes = array.stored_bytes
        self.place = {
            "array": array.path,
            "bytes": array.stored_bytes,
            "chunks": list(array.info.chunks),
        }
        self.element_type = self._held_type()
        self.label = self.element_type or array.info.label

    def _held_type(self) -> str:
        """Return what unsigned integers hold, where an attribute says so."""
        if self.dtype is None or self.dtype.kind not in "iu":
            return ""
        for name in held_types(self.attributes.read()):
            held = holding_dtype(name)
            if (held.kind, held.itemsize) == (self.dtype.kind, self.dtype.itemsize):
                return name
        return ""

    @property
    def attributes(self) -> JsonAttributes:
        """The array's attributes, read on access."""
        return JsonAttributes(self._reader, self._array.document)

    def check(self) -> None:
        """Carry an array that could not be written again; refuse one that cannot be read.

        Raises
        ------
        UnsupportedError
            If the zarr library is missing, or cannot read this version.
        """
        if not self.carried:
            with error_context(layer=self.name):
                self.carried = self._array.why_not_encoded(self._reader)
                if not self.carried:
                    self._array.coder(self._reader)

    def holes(self) -> list[tuple[int, int]]:
        """Return where its chunks' files lie."""
        entries = (self._reader.files.entries[index] for index in self._array.chunks.values())
        return [(entry.start, entry.nbytes) for entry in entries if entry.nbytes]

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the elements, in C order, in whole rows of chunks."""
        assert self.dtype is not None
        with error_context(layer=self.name):
            coder = self._array.coder(self._reader)
            for row, parts in self._array.rows():
                if len(parts) == 1:
                    yield coder.decode(row, self._chunk).reshape(-1)
                    continue
                with Spool(extents(row), self.dtype) as spool:
                    for part in parts:
                        spool[inside(part, row)] = coder.decode(part, self._chunk)
                    yield from spool.blocks()

    def read(self) -> Any:
        """Return the array.

        Raises
        ------
        UnsupportedError
            If its type or codecs are none that can be read here.
        """
        info = self._array.info
        with error_context(layer=self.name):
            if not info.readable:
                raise UnsupportedError(f"cannot be read here ({info.carried})")
            most_bytes = _MOST_READ_TIMES * (self.stored_bytes + (1 << 16))
            if max(info.nbytes, info.chunk_bytes) > most_bytes or self._array.is_sparse:
                raise UnsupportedError("cannot be read whole: it is mostly unwritten")
            whole = tuple(slice(0, length) for length in info.shape)
            return self._array.coder(self._reader).decode(whole, self._chunk)

    def _chunk(self, key: str) -> bytes | None:
        index = self._array.chunks.get(key)
        if index is None:
            return None
        return self._reader.read(index, 2 * self._array.info.chunk_bytes + (1 << 16))


class _ZarrDump(Dump):
    format = "zarr"

    def __init__(self, source: Path | BinaryIO, description: Mapping[str, Any]) -> None:
        if isinstance(source, Path):
            self.path = source
            self._found: list[Found] = find_files(source, stores=False)
            self.files = [found.row() for found in self._found]
            self.nbytes = sum(found.nbytes for found in self._found)
            self.notes = notes_of_links(self._found)
            check_list(self.describe())
            reader = TreeReader(FileList(self.describe()), self._found)
        else:
            self.path = None
            self.files = description.get("files", [])
            self.nbytes = description["bytes"]
            reader = TreeReader(FileList(description), source)
        nodes = find_nodes(reader)
        self.tensors = [_Array(reader, array) for array in nodes.arrays.values()]
        self.groups = {path: JsonAttributes(reader, at) for path, at in nodes.groups.items()}

    def open_bytes(self) -> BinaryIO:
        """Open the bytes of all files, one behind the other."""
        return io.BufferedReader(JoinedFile(self._found), 1 << 16)


class Layout(BaseLayout):
    """Where a store's bytes come from: a file is in the template, whole, or a coded array's chunk.

    Parameters
    ----------
    description : mapping
        Of the store.
    places : sequence of set of str

    Raises
    ------
    DamagedError, UnsupportedError
        If its list of files is not valid.
    """

    def __init__(self, description: Mapping[str, Any], places: Sequence[frozenset[str]]) -> None:
        files = FileList(description)
        if any(entry.description for entry in files.entries):
            raise DamagedError("a file in a Zarr store is no dump of its own")
        super().__init__(description, places)
        self._borders = {0, *(entry.start + entry.nbytes for entry in files.entries)}

    def check_whole(self) -> None:
        """Check that template and layers make up the store, and that no file is in both."""
        super().check_whole()
        if not self._borders.issuperset(at for gap in self.gaps for at in gap):
            raise DamagedError("the template holds a part of a file")


def open(source: Path | BinaryIO, absent: Collection[str], description: Mapping[str, Any]) -> Dump:
    """Open a Zarr store, or the bytes of all its files.

    Raises
    ------
    OSError
        If something cannot be read.
    DamagedError, UnsupportedError
        If metadata cannot be understood.
    """
    return _ZarrDump(source, description)
