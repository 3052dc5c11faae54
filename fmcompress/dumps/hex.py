"""Hex text, a word a line, as hardware testbenches read it with ``$readmemh``.

The lines that hold a word and nothing else are the tensor's data. Comments, addresses and blank
lines are template.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fmcompress.dumps.base import BLOCK_BYTES, Dump, Tensor
from fmcompress.dumps.hex_restoring import Layout, Restorer, Writer
from fmcompress.dumps.hex_text import (
    Piece,
    letters,
    looks_like_words,
    parse_lines,
    pieces,
    word_dtype,
)
from fmcompress.dumps.uncoded import AbsentTensor
from fmcompress.errors import DamagedError
from fmcompress.files import open_source

__all__ = ["Layout", "Restorer", "Writer", "open", "recognise"]

# What the tensor is called: the file gives it no name.
NAME = "words"
# Words scattered more widely among comments are carried.
_MAX_RUNS = 1 << 16

recognise = looks_like_words


class _Survey:
    """What a text holds: its words, how they are written, and where the lines of words lie."""

    def __init__(self) -> None:
        self.words = 0
        self.most_digits = 1
        self.digits = 0  # of the first word, and how it is written
        self.newline = "\n"
        self.upper: bool | None = None  # known from the first letter on
        self.odd = ""  # why not all are written alike
        self.runs: list[tuple[int, int]] = []
        self._before = ord("\n")  # the byte before the piece

    def take(self, piece: Piece) -> None:
        """Look at the next piece of text."""
        if piece.starts.size:
            self.words += piece.starts.size
            self.most_digits = max(self.most_digits, int(piece.digits.max()))
            if not self.odd:
                self._compare(piece)
        if piece.text.size:
            self._before = int(piece.text[-1])

    def _compare(self, piece: Piece) -> None:
        """Check that words stand alone on lines that are written as the first one."""
        text = np.concatenate((np.array([self._before], "u1"), piece.text, np.zeros(2, "u1")))
        starts, ends = piece.starts + 1, piece.ends + 1  # in `text`
        if not self.digits:
            self.digits = int(piece.digits[0])
            self.newline = "\r\n" if text[ends[0]] == ord("\r") else "\n"
        alike = (ends - starts == self.digits) & (piece.digits == self.digits)
        alike &= text[starts - 1] == ord("\n")
        ended = text[ends] == ord(self.newline[0])
        if self.newline == "\r\n":
            ended &= text[ends + 1] == ord("\n")
        # At the file's end a newline may be missing.
        ended[-1] |= piece.ends[-1] == piece.text.size
        alike &= ended & self._case(piece)
        if not np.all(alike):
            line = piece.line_of(int(piece.starts[np.argmin(alike)]))
            self.odd = f"its words are not all written alike (line {line})"
            return
        self._add_runs(piece)

    def _case(self, piece: Piece) -> NDArray[np.bool_]:
        upper, lower = letters(piece)
        if self.upper is None and (upper.any() or lower.any()):
            self.upper = bool(upper[np.argmax(upper | lower)])
        return ~lower if self.upper else ~upper

    def _add_runs(self, piece: Piece) -> None:
        line_bytes = self.digits + len(self.newline)
        breaks = np.flatnonzero(np.diff(piece.starts) != line_bytes) + 1
        if len(self.runs) + breaks.size >= _MAX_RUNS:
            self.odd = f"its words lie in more than {_MAX_RUNS} places"
            return
        edges = [0, *breaks.tolist(), piece.starts.size]
        for first, last in itertools.pairwise(edges):
            start = piece.offset + int(piece.starts[first])
            size = (last - first) * line_bytes
            if self.runs and sum(self.runs[-1]) == start:
                start, before = self.runs.pop()
                size += before
            self.runs.append((start, size))
        end = piece.offset + piece.text.size
        start, size = self.runs[-1]
        self.runs[-1] = (start, min(size, end - start))  # without the newline that is missing


class _Words(Tensor):
    """The words of a text."""

    name = NAME
    order = "C"

    def __init__(self, source: Path | BinaryIO, survey: _Survey) -> None:
        self._source = source
        self._survey = survey
        digits = survey.most_digits
        self.shape = (survey.words,)
        self.dtype = word_dtype(digits)
        self.label = f"hex {digits} digit{'s' if digits > 1 else ''}"
        self.word_bits = 4 * digits if 4 * digits < 8 * self.dtype.itemsize else 0
        self.carried = survey.odd or ("" if survey.words else "scalar or empty")
        self.stored_bytes = sum(size for _, size in survey.runs)
        self.place = {
            "digits": digits,
            "upper": bool(survey.upper),
            "newline": survey.newline,
            "bytes": self.stored_bytes,
        }

    def holes(self) -> list[tuple[int, int]]:
        """Return the runs of lines of words."""
        return self._survey.runs

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the words in order."""
        digits, newline = self._survey.digits, self._survey.newline
        line_bytes = digits + len(newline)
        step = BLOCK_BYTES // 4 // line_bytes * line_bytes
        waiting, have = [], 0
        with open_source(self._source) as file:
            for start, size in self._survey.runs:
                for at in range(start, start + size, step):
                    file.seek(at)
                    waiting.append(file.read(min(step, start + size - at)))
                    have += len(waiting[-1])
                    if have >= step:
                        yield self._parsed(b"".join(waiting))
                        waiting, have = [], 0
        if waiting:
            yield self._parsed(b"".join(waiting))

    def _parsed(self, data: bytes) -> NDArray[Any]:
        digits, newline = self._survey.digits, self._survey.newline
        if len(data) % (digits + len(newline)) == digits:
            data += newline.encode("ascii")
        words = None
        if len(data) % (digits + len(newline)) == 0:
            words = parse_lines(data, digits, newline)
        if words is None:
            raise DamagedError("the file changed while it was read", layer=self.name)
        assert self.dtype is not None
        return words.astype(self.dtype)

    def read(self) -> NDArray[Any]:
        """Return all words, however they are written."""
        assert self.dtype is not None
        found = np.zeros(self.shape, self.dtype)
        at = 0
        with open_source(self._source) as file:
            for piece in pieces(file):
                values = piece.values()
                if at + values.size > found.size:
                    raise DamagedError("the file changed while it was read", layer=self.name)
                found[at : at + values.size] = values
                at += values.size
        return found


class _HexDump(Dump):
    format = "hex"

    def __init__(self, source: Path | BinaryIO, absent: Collection[str]) -> None:
        self.path = source if isinstance(source, Path) else None
        with open_source(source) as file:
            self.nbytes = file.seek(0, 2)
            if NAME in absent:
                self.tensors = [AbsentTensor(NAME)]
                return
            survey = _Survey()
            for piece in pieces(file):
                survey.take(piece)
        if survey.odd:
            survey.runs = [(0, self.nbytes)]
        self.tensors = [_Words(source, survey)]


def open(source: Path | BinaryIO, absent: Collection[str], description: Mapping[str, Any]) -> Dump:
    """Open a text of hex words.

    Raises
    ------
    DamagedError
        If something in it is none.
    UnsupportedError
        If a word has unknown digits, or more than 8.
    """
    return _HexDump(source, absent)
