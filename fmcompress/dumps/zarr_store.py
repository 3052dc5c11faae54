"""Arrays and groups of a Zarr store, found among its files, and which files are whose chunks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fmcompress.contents import parse_json
from fmcompress.dumps.base import BLOCK_BYTES, UNNAMED, is_mostly_unwritten
from fmcompress.dumps.file_list import prefixes
from fmcompress.dumps.tree import NODE_NAMES, TreeReader
from fmcompress.dumps.zarr_chunks import ChunkCoder, why_not_encoded
from fmcompress.dumps.zarr_metadata import (
    MAX_METADATA_BYTES,
    ArrayInfo,
    parse_node,
)
from fmcompress.errors import DamagedError, error_context
from fmcompress.spool import Box, grid

# Larger rows of chunks go through a temporary file.
MOST_ROW_BYTES = 1 << 26


@dataclass(slots=True)
class ArrayFiles:
    """An array of a store, and its files.

    Attributes
    ----------
    path : str
        Of its folder; empty where it is the whole store.
    info : ArrayInfo
    document : int
        Index of the file that says `info`.
    chunks : dict of str to int
        Indices of the files of its chunks, by their path in the array's folder.
    stored_bytes : int
        Of all chunks.
    carried : str
        Why it cannot be coded; empty where it can.
    """

    path: str
    info: ArrayInfo
    document: int
    chunks: dict[str, int] = field(default_factory=dict)
    stored_bytes: int = 0
    carried: str = ""

    @property
    def name(self) -> str:
        """Name of the tensor."""
        return self.path or UNNAMED

    @property
    def is_sparse(self) -> bool:
        """Whether most of very many chunks are not there."""
        return math.prod(self.info.grid) > 16 * len(self.chunks) + (1 << 16)

    def coder(self, reader: TreeReader) -> ChunkCoder:
        """Prepare to decode or encode its chunks."""
        return ChunkCoder(self.info, reader.read(self.document, MAX_METADATA_BYTES))

    def why_not_encoded(self, reader: TreeReader) -> str:
        """Say why its codecs cannot encode; empty where they can."""
        return why_not_encoded(self.info, reader.read(self.document, MAX_METADATA_BYTES))

    def rows(self) -> Iterator[tuple[Box, list[Box]]]:
        """Yield boxes of whole rows of chunks, of about `BLOCK_BYTES`, and what to take at a time.

        That is all of it, or its chunks one by one where a single row is too large.
        """
        shape, chunks = self.info.shape, self.info.chunks
        rows = min(chunks[0], shape[0])
        row_bytes = self.info.nbytes // shape[0] * rows
        whole = tuple(slice(0, length) for length in shape[1:])
        step = max(1, BLOCK_BYTES // max(1, row_bytes)) * chunks[0]
        for start in range(0, shape[0], step):
            box = (slice(start, min(start + step, shape[0])), *whole)
            if row_bytes <= MOST_ROW_BYTES:
                yield box, [box]
            else:
                yield box, [(box[0], *rest) for rest in grid(whole, chunks[1:])]


@dataclass(frozen=True, slots=True)
class Nodes:
    """What a store holds: arrays by path; groups by path, with the index of their metadata."""

    arrays: dict[str, ArrayFiles]
    groups: dict[str, int]


def find_nodes(reader: TreeReader) -> Nodes:
    """Find arrays and groups, and each array's chunks.

    Raises
    ------
    DamagedError, UnsupportedError
        If metadata cannot be understood.
    """
    documents: dict[str, tuple[int, int]] = {}  # path -> place in NODE_NAMES, index of the file
    entries = reader.files.entries
    for index, entry in enumerate(entries):
        folder, _, name = entry.path.rpartition("/")
        if name in NODE_NAMES:
            found = (NODE_NAMES.index(name), index)
            documents[folder] = min(found, documents.get(folder, found))
    nodes = Nodes({}, {})
    for path, (kind, index) in documents.items():
        with error_context(layer=path or None):
            info = parse_node(NODE_NAMES[kind], reader.read(index, MAX_METADATA_BYTES))
        if info is None:
            nodes.groups[path] = index
        else:
            nodes.arrays[path] = ArrayFiles(path, info, index)
    for index, entry in enumerate(entries):
        _give_to_array(nodes.arrays, entry.path, index, entry.nbytes)
    for array in nodes.arrays.values():
        array.carried = _why_carried(array, reader)
    return nodes


def _give_to_array(arrays: Mapping[str, ArrayFiles], path: str, index: int, nbytes: int) -> None:
    """Note a file as a chunk of the array that it is one of."""
    for folder in ("", *prefixes(path)):
        array = arrays.get(folder)
        if array is not None:
            key = path[len(folder) + 1 :] if folder else path
            if array.info.numbers(key) is not None:
                array.chunks[key] = index
                array.stored_bytes += nbytes
                return


def _why_carried(array: ArrayFiles, reader: TreeReader) -> str:
    info = array.info
    if info.carried:
        return info.carried
    if not array.chunks:
        return "no data allocated"
    if is_mostly_unwritten(info.nbytes, array.stored_bytes) or array.is_sparse:
        return "mostly unwritten"
    if info.chunk_bytes > max(MOST_ROW_BYTES, 16 * info.nbytes):
        return "its chunks are far larger than it is"
    largest = max(reader.files.entries[index].nbytes for index in array.chunks.values())
    if largest > 2 * info.chunk_bytes + (1 << 16):
        return "a chunk is larger than its elements"
    return ""


class JsonAttributes(Mapping[str, Any]):
    """Attributes of an array or a group, read from its files on access.

    Parameters
    ----------
    reader : TreeReader
    document : int
        Index of the metadata file.
    """

    def __init__(self, reader: TreeReader, document: int) -> None:
        self._reader = reader
        self._document = document
        folder, slash, self._name = reader.files.entries[document].path.rpartition("/")
        self._path = f"{folder}{slash}.zattrs"

    def read(self) -> dict[str, Any]:
        """Return all of them: each look at a single one reads the file anew."""
        if self._name == "zarr.json":
            value = parse_json(self._reader.read(self._document, MAX_METADATA_BYTES))
            value = value.get("attributes", {}) if isinstance(value, dict) else None
        else:
            owner = self._reader.files.owner(self._path)
            if owner is None or owner[1]:
                return {}
            value = parse_json(self._reader.read(owner[0], MAX_METADATA_BYTES))
        if not isinstance(value, dict):
            raise DamagedError("its attributes cannot be understood")
        return value

    def __getitem__(self, name: str) -> Any:
        return self.read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.read())

    def __len__(self) -> int:
        return len(self.read())
