"""Hex text, written: put back where a template leaves gaps, or anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmcompress.contents import LayerInfo
from fmcompress.dumps.base import GroupAttributes, TensorSpec
from fmcompress.dumps.base import Restorer as BaseRestorer
from fmcompress.dumps.hex_text import MAX_DIGITS, NEWLINES, format_lines, word_dtype
from fmcompress.dumps.layout import Layout as BaseLayout
from fmcompress.dumps.single import SingleWriter
from fmcompress.element_types import FOUR_BIT
from fmcompress.errors import DamagedError, UnsupportedError
from fmcompress.records import Piece

# Words are written in blocks of so many.
_STEP = 1 << 18


class Layout(BaseLayout):
    """As for any format, and the gaps in the template must have room for just the lines."""

    def __init__(self, description: Mapping[str, Any], places: Sequence[frozenset[str]]) -> None:
        super().__init__(description, places)
        self._lines: list[tuple[int, int, int]] = []

    def layer(self, layer: LayerInfo, nbytes: int) -> None:
        """Take notice of the words.

        Raises
        ------
        DamagedError, UnsupportedError
            As that of any format; if their place is not valid.
        """
        super().layer(layer, nbytes)
        if nbytes:
            self._lines.append(_check_place(layer))

    def check_whole(self) -> None:
        """Check that lines fit the gaps.

        Raises
        ------
        DamagedError
            If they do not.
        """
        super().check_whole()
        gaps = self.gaps
        if len(self._lines) > 1:
            raise DamagedError("a text of words holds one layer")
        for count, line_bytes, ending in self._lines:
            missing = count * line_bytes - sum(end - start for start, end in gaps)
            sizes = [end - start for start, end in gaps]
            sizes[-1] += missing
            if missing not in (0, ending) or any(size % line_bytes for size in sizes):
                raise DamagedError("lines of words do not fit the gaps in the template")


def _check_place(layer: LayerInfo) -> tuple[int, int, int]:
    """Check where words belong; return their number, the bytes of a line and of its newline.

    Raises
    ------
    DamagedError
        If it is not valid.
    """
    place = layer.place
    digits, upper, newline = (place.get(key) for key in ("digits", "upper", "newline"))
    if (
        type(digits) is int
        and 1 <= digits <= MAX_DIGITS
        and type(upper) is bool
        and isinstance(newline, str)
        and newline in NEWLINES
    ):
        line_bytes = digits + len(newline)
        missing = layer.size * line_bytes - place.get("bytes", -1)
        if missing in (0, len(newline)) and layer.dtype == word_dtype(digits).str:
            return layer.size, line_bytes, len(newline)
    raise DamagedError("its place in the dump is not valid", layer=layer.name)


class Restorer(BaseRestorer):
    """Put a text back: lines of words go where the template leaves gaps."""

    def __init__(self, path: Path, description: Mapping[str, Any]) -> None:
        super().__init__(path, description)
        self._template_end = 0
        self._gaps: list[tuple[int, int]] = []  # start and end
        self._room: Iterator[tuple[int, int]] = iter(())
        self._gap = (0, 0)
        self._digits, self._upper, self._newline = 1, False, "\n"

    def template(self, piece: Piece) -> None:
        """Write a piece of the template, and note what it leaves out."""
        super().template(piece)
        for offset, size in piece.segments:
            if offset > self._template_end:
                self._gaps.append((self._template_end, offset))
            self._template_end = offset + size

    def begin(self, layer: LayerInfo, dtype: np.dtype[Any]) -> None:
        """Start with the words."""
        _check_place(layer)
        self._digits, self._upper = layer.place["digits"], layer.place["upper"]
        self._newline = layer.place["newline"]
        self._room = iter([*self._gaps, (self._template_end, self.nbytes)])
        self._gap = (0, 0)

    def write(self, elements: NDArray[Any]) -> None:
        """Take the next words."""
        words = elements.astype(np.uint32, copy=False)
        if int(words.max(initial=0)) >> 4 * self._digits:
            raise DamagedError(f"a word has more than {self._digits} digits")
        for first in range(0, words.size, _STEP):
            lines = format_lines(
                words[first : first + _STEP],
                self._digits,
                upper=self._upper,
                newline=self._newline,
            )
            self._put(lines)

    def _put(self, lines: NDArray[np.uint8]) -> None:
        at = 0
        while at < lines.size:
            start, end = self._gap
            while start == end:
                start, end = next(self._room, (-1, -2))
            if start < 0:
                # The newline of the last line may be missing; `Layout` checks the rest.
                return
            size = min(end - start, lines.size - at)
            self._file.seek(start)
            self._file.write(lines[at : at + size].data)
            self._gap = (start + size, end)
            at += size


class Writer(SingleWriter):
    """Write the elements of one tensor as bit patterns, a lower-case word a line."""

    title = "a hex text"

    def __init__(self, path: Path, tensors: Sequence[TensorSpec], groups: GroupAttributes) -> None:
        for tensor in tensors:
            if tensor.dtype.itemsize > 4:
                raise UnsupportedError(
                    f"a word of {8 * tensor.dtype.itemsize} bits has more than {MAX_DIGITS} digits",
                    layer=tensor.name,
                    hint="write it as NPY",
                )
            if not tensor.nbytes:
                raise UnsupportedError(
                    "a hex text of no words would not be taken for one",
                    layer=tensor.name,
                    hint="write it as NPY",
                )
        super().__init__(path, tensors, groups)
        self._digits = 1

    def begin(self, tensor: TensorSpec) -> None:
        """Start with the tensor."""
        self._digits = 1 if tensor.element_type in FOUR_BIT else 2 * tensor.dtype.itemsize

    def write(self, elements: NDArray[Any]) -> None:
        """Take its next elements."""
        native = elements.astype(elements.dtype.newbyteorder("="), copy=False)
        words = native.view(f"u{native.itemsize}")
        if self._digits == 1:
            words = words & 15
        for first in range(0, words.size, _STEP):
            part = words[first : first + _STEP].astype(np.uint32)
            self._file.write(format_lines(part, self._digits, upper=False, newline="\n").data)
