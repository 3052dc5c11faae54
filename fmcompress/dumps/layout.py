"""Where a dump's bytes come from: taken apart into a template, and checked to make it up again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from fmcompress.contents import LayerInfo
from fmcompress.dumps.base import Dump, Tensor
from fmcompress.errors import DamagedError, UnsupportedError
from fmcompress.records import TEMPLATE_PIECE_BYTES, TEMPLATE_PIECE_SEGMENTS, Piece


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
    description : mapping
        Of the dump, as the container has it.
    places : sequence of set of str
        The keys that a layer's place may have in a dump of this format.
    """

    def __init__(self, description: Mapping[str, Any], places: Sequence[frozenset[str]]) -> None:
        self._nbytes: int = description["bytes"]
        self._places = places
        self._template_end = 0
        self._gaps: list[tuple[int, int]] = []  # before pieces of the template
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

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """Start and end of what the template leaves out; the last one may be empty."""
        return [*self._gaps, (self._template_end, self._nbytes)]

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
        gaps = self.gaps
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
