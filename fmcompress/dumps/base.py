"""What every dump format offers: tensors to code, a template, and the way back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from fmcompress.contents import LayerInfo
from fmcompress.errors import DamagedError, UnsupportedError
from fmcompress.files import reserve
from fmcompress.records import TEMPLATE_PIECE_BYTES, TEMPLATE_PIECE_SEGMENTS, Piece

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Elements are handed on in blocks of about this size.
BLOCK_BYTES = 1 << 24


class Tensor(ABC):
    """One tensor of a dump.

    Attributes
    ----------
    name : str
        Unique in the dump.
    shape : tuple of int
    dtype : dtype or None
        With byte order; None where NumPy has none for it.
    label : str
        The dtype for people, as ``int8`` or ``string``.
    order : {"C", "F"}
        Which index runs fastest in the file: the last (C) or the first (F).
    carried : str
        Why its data must stay in the template; empty where it can be coded.
    stored_bytes : int
        Bytes that its data takes in the file.
    place : dict
        What the format's `Restorer` needs to put the data back.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    label: str
    order: str
    carried: str
    stored_bytes: int
    place: dict[str, Any]

    @property
    def nbytes(self) -> int:
        """Bytes of its elements; where NumPy has no dtype for them, as they lie in the file."""
        if self.dtype is None:
            return self.stored_bytes
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    @abstractmethod
    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the tensor; empty where the format has none."""

    def check(self) -> None:
        """Refuse a tensor that cannot be read; set `carried` if it could not be put back.

        Raises
        ------
        UnsupportedError
            If it cannot be read.
        """
        return

    @abstractmethod
    def holes(self) -> list[tuple[int, int]]:
        """Offset and size of every stretch of the file that holds nothing but its data."""

    @abstractmethod
    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield its elements in the file's order, as 1-D arrays of about `BLOCK_BYTES`.

        What cannot be read in smaller pieces (a row of HDF5 chunks) comes as one.
        """

    @abstractmethod
    def read(self) -> Any:
        """Return the whole tensor, as the format's usual library would."""


class Dump(ABC):
    """An open dump.

    Attributes
    ----------
    format : str
        Name in the registry.
    path : Path or None
        None where it is read from a file object.
    nbytes : int
        Size of the file.
    tensors : list of Tensor
        In file order.
    """

    format: str
    path: Path | None
    nbytes: int
    tensors: list[Tensor]

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def template_pieces(dump: Dump, coded: list[Tensor], file: BinaryIO) -> Iterator[Piece]:
    """Yield every byte of the dump's `file` that is not data of the `coded` tensors.

    Raises
    ------
    DamagedError
        If data of two tensors overlaps.
    """
    segments: list[tuple[int, int]] = []
    parts: list[bytes] = []
    room = TEMPLATE_PIECE_BYTES
    for start, end in _gaps(dump, coded):
        at = start
        while at < end:
            file.seek(at)
            part = file.read(min(end - at, room))
            if not part:
                raise DamagedError("the file became shorter while it was read")
            segments.append((at, len(part)))
            parts.append(part)
            at += len(part)
            room -= len(part)
            if room == 0 or len(segments) == TEMPLATE_PIECE_SEGMENTS:
                yield Piece(tuple(segments), b"".join(parts))
                segments, parts, room = [], [], TEMPLATE_PIECE_BYTES
    if segments:
        yield Piece(tuple(segments), b"".join(parts))


def _gaps(dump: Dump, coded: list[Tensor]) -> Iterator[tuple[int, int]]:
    at = 0
    for offset, size in sorted(hole for tensor in coded for hole in tensor.holes()):
        if offset < at or offset + size > dump.nbytes:
            raise DamagedError("the data of two tensors overlaps, or reaches past the file's end")
        if offset > at:
            yield at, offset
        at = offset + size
    if at < dump.nbytes:
        yield at, dump.nbytes


class Layout:
    """Where a dump's bytes come from: checks that template and layers make it up, each byte once.

    Parameters
    ----------
    nbytes : int
        Size of the dump.
    places : sequence of set of str
        The keys that a layer's place may have in a dump of this format.
    """

    def __init__(self, nbytes: int, places: Sequence[frozenset[str]]) -> None:
        self._nbytes = nbytes
        self._places = places
        self._template_end = 0
        self._gaps: list[tuple[int, int]] = []  # start and end of what the template leaves out
        self._stretches: list[tuple[int, int]] = []  # start and end of layers' data
        self._packed_bytes = 0  # data of layers that have no stretch of their own

    def template(self, piece: Piece) -> None:
        """Take notice of a piece of the template.

        Raises
        ------
        DamagedError
            If it overlaps an earlier one, or reaches past the end of the dump.
        """
        for offset, size in piece.segments:
            if offset < self._template_end or offset + size > self._nbytes:
                raise DamagedError("the template overlaps itself or reaches past the dump's end")
            if offset > self._template_end:
                self._gaps.append((self._template_end, offset))
            self._template_end = offset + size

    def layer(self, layer: LayerInfo, nbytes: int) -> None:
        """Take notice of a coded layer of `nbytes` bytes.

        Raises
        ------
        DamagedError
            If its place is not valid.
        UnsupportedError
            If this version knows no place of this kind.
        """
        if unknown := set(layer.place).difference(*self._places):
            raise UnsupportedError(
                f"its place in the dump has unknown keys {sorted(unknown)}",
                layer=layer.name,
                hint="written by a newer version: upgrade fmcompress",
            )
        if not nbytes:
            return
        if frozenset(layer.place) not in self._places:
            raise DamagedError("its place in the dump is not valid", layer=layer.name)
        offset, packed = layer.place.get("offset"), layer.place.get("bytes")
        if type(offset) is int and 0 <= offset <= self._nbytes - nbytes:
            self._stretches.append((offset, offset + nbytes))
        elif type(packed) is int and 0 <= packed <= self._nbytes:
            self._packed_bytes += packed
        else:
            raise DamagedError("its place in the dump is not valid", layer=layer.name)

    def check_whole(self) -> None:
        """Check that template and layers together make up the dump, each byte once.

        Raises
        ------
        DamagedError
            If they do not.
        """
        gaps = [*self._gaps, (self._template_end, self._nbytes)]
        left = sum(end - start for start, end in gaps)
        index, at = 0, 0
        for start, end in sorted(self._stretches):
            while index < len(gaps) and gaps[index][1] <= start:
                index += 1
            if index == len(gaps) or start < max(at, gaps[index][0]) or end > gaps[index][1]:
                raise DamagedError(
                    "the data of two layers, or of a layer and the template, overlap"
                )
            at = end
            left -= end - start
        if left != self._packed_bytes:
            raise DamagedError("template and layers do not make up the whole dump")


class Restorer:
    """Put a dump back: `template` for every piece, `announce` and write each layer, then `finish`.

    This base writes the template, and the data of layers whose place is one stretch of the file
    (``{"offset": ...}``); formats add what they need. That pieces and places are valid is for
    `Layout` to check, before.

    Parameters
    ----------
    path : Path
        An empty file, to be filled.
    nbytes : int
        Size of the dump.
    """

    def __init__(self, path: Path, nbytes: int) -> None:
        self.path = path
        self.nbytes = nbytes
        self._file = path.open("r+b")
        try:
            reserve(self._file, nbytes)
        except BaseException:
            self._file.close()
            raise
        self._at = 0

    def template(self, piece: Piece) -> None:
        """Write a piece of the template."""
        for offset, data in piece:
            self._file.seek(offset)
            self._file.write(data)

    def announce(self, layer: LayerInfo, wanted: bool) -> None:
        """Take notice of a coded layer, whether or not it will be put back."""
        return

    def begin(self, layer: LayerInfo, dtype: np.dtype[Any]) -> None:
        """Start with the data of a layer that was announced.

        Raises
        ------
        DamagedError
            If there is no such place in a dump of this format.
        """
        if "offset" not in layer.place:
            raise DamagedError("its place in the dump is not valid", layer=layer.name)
        self._at = layer.place["offset"]

    def write(self, elements: NDArray[Any]) -> None:
        """Take the next elements of the layer, in its order, as a 1-D array of its dtype."""
        self._file.seek(self._at)
        data = elements.data.cast("B")
        self._file.write(data)
        self._at += len(data)

    def end(self) -> None:
        """End the layer."""
        return

    def finish(self, picked: list[str] | None = None) -> None:
        """Complete the file; keep only the tensors that are `picked`, where that is not None."""
        self.close()

    def close(self) -> None:
        """Close the file, complete or not."""
        self._file.close()
