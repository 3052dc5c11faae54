"""Put a Zarr store back: metadata and other files as they were, chunks through their codecs."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmcompress.contents import LayerInfo, parse_json
from fmcompress.dumps.base import UNNAMED
from fmcompress.dumps.base import Restorer as BaseRestorer
from fmcompress.dumps.file_list import FileList, prefixes
from fmcompress.dumps.tree import Found, TreeReader, TreeWriter, remove_empty_folders
from fmcompress.dumps.zarr_metadata import MAX_METADATA_BYTES
from fmcompress.dumps.zarr_store import ArrayFiles, Nodes, find_nodes
from fmcompress.errors import DamagedError, error_context
from fmcompress.records import Piece
from fmcompress.spool import Box, Spool, extents, inside


class Restorer(BaseRestorer):
    """Put a Zarr store back.

    Parameters
    ----------
    path : Path
        An empty folder, or one in which the files of the template are already.
    description : mapping
        Of the store.
    """

    def __init__(self, path: Path, description: Mapping[str, Any]) -> None:
        self.path = path
        self.nbytes = description["bytes"]
        self._files = FileList(description)
        found = [Found(e.path, path / e.path, e.nbytes) for e in self._files.entries]
        self._reader = TreeReader(self._files, found)
        self._writer: TreeWriter | None = None
        self._nodes: Nodes | None = None
        self._rows: _ChunkFiles | None = None
        self._some_missing = False

    def template(self, piece: Piece) -> None:
        """Write a piece of the template."""
        if self._writer is None:
            self._writer = TreeWriter(self.path, self._files)
        self._writer.template(piece)

    def announce(self, layer: LayerInfo, wanted: bool) -> None:
        """Take notice of a coded layer; the files of one that is not wanted will not be there."""
        self._some_missing = self._some_missing or not wanted

    def begin(self, layer: LayerInfo, dtype: np.dtype[Any]) -> None:
        """Start with a coded layer."""
        self._close_writer()
        with error_context(layer=layer.name), _from_template():
            if self._nodes is None:
                self._nodes = find_nodes(self._reader)
            array = self._nodes.arrays.get(str(layer.place.get("array")))
            if (
                array is None
                or (array.name, array.info.shape) != (layer.name, layer.shape)
                or array.info.dtype != dtype
            ):
                raise DamagedError("the template has no such array of its shape and type")
            if array.carried:
                raise DamagedError(f"the template's array cannot be coded ({array.carried})")
            self._rows = _ChunkFiles(self.path, array, self._reader)

    def write(self, elements: NDArray[Any]) -> None:
        """Take the next elements of the layer."""
        assert self._rows is not None
        self._rows.write(elements)

    def end(self) -> None:
        """End the layer."""
        assert self._rows is not None
        self._rows.close()
        self._rows = None

    def finish(self, picked: list[str] | None = None) -> None:
        """Make the empty files; keep only the picked arrays and the groups that hold them."""
        self.close()
        if picked is not None:
            self._keep(picked)
            return
        for entry in self._files.entries:
            path = self.path / entry.path
            if entry.path.endswith("/"):
                path.mkdir(parents=True, exist_ok=True)
            elif not path.exists():
                if entry.nbytes and not self._some_missing:
                    raise DamagedError(f"its file {entry.path[:80]!r} is not there")
                if not entry.nbytes:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.touch()

    def close(self) -> None:
        """Close what is open."""
        self._close_writer()
        if self._rows is not None:
            self._rows.close()
        self._rows = None

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _keep(self, picked: list[str]) -> None:
        """Remove all but the picked arrays and their groups' metadata."""
        with _from_template():
            arrays = find_nodes(self._reader).arrays
        kept = {"" if name == UNNAMED and "" in arrays else name for name in picked}
        groups = {""} | {folder for path in kept for folder in prefixes(path)}
        for entry in self._files.entries:
            folder, _, name = entry.path.rpartition("/")
            inside = any(start in kept for start in ("", *prefixes(entry.path)))
            if inside or (folder in groups and name in (".zgroup", ".zattrs", "zarr.json")):
                if name == "zarr.json":
                    _forget_consolidated(self.path / entry.path)
                continue
            path = self.path / entry.path
            if path.is_dir():
                continue
            path.unlink(missing_ok=True)
        remove_empty_folders(self.path)


@contextlib.contextmanager
def _from_template() -> Iterator[None]:
    """Say what it means where a file cannot be read that the template should have given."""
    try:
        yield
    except FileNotFoundError as error:
        raise DamagedError("the template lacks a metadata file") from error


def _forget_consolidated(path: Path) -> None:
    """Take the copy of all metadata, which tells of arrays that are gone, out of a group's."""
    if path.stat().st_size > MAX_METADATA_BYTES:
        return
    value = parse_json(path.read_bytes())
    if isinstance(value, dict) and value.pop("consolidated_metadata", None) is not None:
        path.write_text(json.dumps(value, indent=2), encoding="utf-8")


class _ChunkFiles:
    """Collect elements to whole rows of chunks, and write the files of those that were there."""

    def __init__(self, root: Path, array: ArrayFiles, reader: TreeReader) -> None:
        assert array.info.dtype is not None
        self._root = root
        self._array = array
        self._files = reader.files
        self._dtype = array.info.dtype
        self._coder = array.coder(reader)
        self._rows = array.rows()
        self._parts: list[NDArray[Any]] = []
        self._spool: Spool | None = None
        self._next_row()

    def _next_row(self) -> None:
        self._close_spool()
        self._row, self._boxes = next(self._rows, ((), []))
        self._shape = extents(self._row)
        self._room = math.prod(self._shape) if self._row else 0
        self._parts = []
        if len(self._boxes) > 1:
            self._spool = Spool(self._shape, self._dtype)

    def write(self, elements: NDArray[Any]) -> None:
        while elements.size:
            part, elements = elements[: self._room], elements[self._room :]
            if not part.size:
                raise DamagedError("there are more elements than its shape has")
            self._room -= part.size
            if self._spool is not None:
                self._spool.append(part)
            else:
                self._parts.append(part)
            if not self._room:
                self._write_row()
                self._next_row()

    def _write_row(self) -> None:
        if self._spool is None:
            elements = np.concatenate(self._parts).reshape(self._shape)
            self._write_box(self._row, elements)
            return
        for box in self._boxes:
            if any(key in self._array.chunks for key in self._coder.keys(box)):
                self._write_box(box, self._spool[inside(box, self._row)])

    def _write_box(self, box: Box, elements: NDArray[Any]) -> None:
        for key, data in self._coder.encode(box, elements).items():
            index = self._array.chunks.get(key)
            if index is not None:  # else it was never written: what it reads as is the fill value
                path = self._root / self._files.entries[index].path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)

    def _close_spool(self) -> None:
        if self._spool is not None:
            self._spool.close()
        self._spool = None

    def close(self) -> None:
        self._close_spool()
