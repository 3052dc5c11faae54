"""Words of a port as text: `$readmemh` hex and plain bit text (docs/VECTORS.md, "Files")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import numpy as np

from fmcompress.errors import DamagedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Suffixes of the two forms, and bits that a character of a word stands for.
HEX, BITS = ".hex", ".bits"
_BITS_PER_CHARACTER = {HEX: 4, BITS: 1}
# What a character stands for: its value, or that a simulator does not know it.
_UNKNOWN, _INVALID = 254, 255
_BLOCK_BYTES = 1 << 20
_MOST_LINE_BYTES = 1 << 24
_SHOWN_CHARACTERS = 40


def _table(digits: str, unknown: str) -> NDArray[np.uint8]:
    table = np.full(256, _INVALID, np.uint8)
    for value, digit in enumerate(digits):
        table[ord(digit)] = table[ord(digit.upper())] = value
    for character in unknown:
        table[ord(character)] = table[ord(character.upper())] = _UNKNOWN
    return table


# Verilog's unknown digits, and VHDL's states of std_logic but 0 and 1.
_TABLES = {HEX: _table("0123456789abcdef", "xz?"), BITS: _table("01", "xzuwlh-")}
_DIGITS = {HEX: np.frombuffer(b"0123456789abcdef", np.uint8), BITS: np.frombuffer(b"01", np.uint8)}


@dataclass(slots=True)
class PortWords:
    """Words that passed a port, in order.

    Attributes
    ----------
    words : ndarray of uint32, shape (kept,)
        Bit patterns; 0 where unknown.
    last : ndarray of bool, shape (kept,), or None
        The last flags; None where the file has none.
    unknown : dict
        Positions of words that hold ``x`` or ``z``, with what the file says.
    count : int
        Words in the file: more than are kept where it is longer than expected.
    """

    words: NDArray[np.uint32]
    last: NDArray[np.bool_] | None
    unknown: dict[int, str]
    count: int


# --- Writing ------------------------------------------------------------------------------------


def hex_lines(words: NDArray[np.uint32], last: NDArray[np.bool_] | None, word_bits: int) -> bytes:
    """Write words as hex, a line each: a digit for the last flag, if there are any, and the word.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
        Bit patterns below ``2**word_bits``.
    last : ndarray of bool, shape (count,), or None
    word_bits : int
        A multiple of 4.

    Returns
    -------
    bytes
        ASCII.
    """
    columns = [] if last is None else [_DIGITS[HEX][last.astype(np.uint8)]]
    for low in range(word_bits - 4, -4, -4):
        columns.append(_DIGITS[HEX][words >> np.uint32(low) & np.uint32(15)])
    return _lines(columns, words.size)


def bit_lines(words: NDArray[np.uint32], last: NDArray[np.bool_] | None, word_bits: int) -> bytes:
    """Write words as bits, a line each: the word, and the last flag, if there are any, behind it.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
        Bit patterns below ``2**word_bits``.
    last : ndarray of bool, shape (count,), or None
    word_bits : int

    Returns
    -------
    bytes
        ASCII.
    """
    columns = [
        _DIGITS[BITS][words >> np.uint32(place) & np.uint32(1)]
        for place in range(word_bits - 1, -1, -1)
    ]
    if last is not None:
        columns += [np.full(words.size, ord(" "), np.uint8), _DIGITS[BITS][last.astype(np.uint8)]]
    return _lines(columns, words.size)


def _lines(columns: list[NDArray[np.uint8]], count: int) -> bytes:
    return np.column_stack([*columns, np.full(count, ord("\n"), np.uint8)]).tobytes()


# --- Reading ------------------------------------------------------------------------------------


def read_port(path: Path, word_bits: int, most: int) -> PortWords:
    """Read a file of words, as `hex_lines` or `bit_lines` or a simulator wrote it.

    Hex may hold what `$readmemh` allows: comments, ``_``, addresses that do not go back. A last flag
    is one more digit in front of the word, or stands by itself behind it.

    Parameters
    ----------
    path : Path
        Its suffix tells the form.
    word_bits : int
        A multiple of 4.
    most : int
        Words to keep; those behind are only counted.

    Returns
    -------
    PortWords

    Raises
    ------
    DamagedError
        If it cannot be understood; the error names the line.
    OSError
        If it cannot be read.
    """
    return _PortReader(path, word_bits, most).read()


class _Columns(NamedTuple):
    """Where words and last flags stand: tokens a word, characters of a token, a flag in front."""

    tokens: int
    characters: int
    flag_in_front: bool


class _PortReader:
    """One pass over a file."""

    def __init__(self, path: Path, word_bits: int, most: int) -> None:
        self._path = path
        self._form = path.suffix
        self._word_bits = word_bits
        self._digits = word_bits // _BITS_PER_CHARACTER[self._form]
        self._most = most
        self._columns: _Columns | None = None
        self._found = PortWords(np.empty(0, np.uint32), None, {}, 0)
        self._words: list[NDArray[np.uint32]] = []
        self._last: list[NDArray[np.bool_]] = []
        self._passed = 0  # tokens of the pieces before

    def read(self) -> PortWords:
        """Read it all."""
        pending: list[bytes] = []
        for piece in _pieces(self._path, self._form):
            tokens = [*pending, *piece.split()]
            if self._columns is None and len(tokens) > 1:
                self._columns = self._settle(tokens)
            step = self._columns.tokens if self._columns else 2
            whole = len(tokens) // step * step
            self._take(tokens[:whole])
            pending = tokens[whole:]
        if pending:
            if self._columns is not None:
                self._refuse(pending, 0, "a word without its last flag")
            self._columns = self._settle(pending)
            self._take(pending)
        self._found.words = np.concatenate([self._found.words, *self._words])
        if self._columns is None or self._columns.flag_in_front or self._columns.tokens == 2:
            self._found.last = np.concatenate([np.empty(0, np.bool_), *self._last])
        return self._found

    def _settle(self, tokens: list[bytes]) -> _Columns:
        """Tell from the first tokens how words stand in the file."""
        at = next((i for i, t in enumerate(tokens) if not t.startswith(b"@")), None)
        if at is None:
            return _Columns(1, self._digits, False)
        length = len(tokens[at])
        if length == self._digits + 1 and self._form == HEX:
            return _Columns(1, length, True)
        if length != self._digits:
            self._refuse(tokens, at, f"no word of {self._digits} {self._unit}")
        behind = len(tokens[at + 1]) == 1 if at + 1 < len(tokens) else False
        return _Columns(2 if behind else 1, length, False)

    @property
    def _unit(self) -> str:
        return "hex digits" if self._form == HEX else "bits"

    def _take(self, tokens: list[bytes]) -> None:
        """Take whole words; an address stands before them."""
        addresses = self._form == HEX and any(token.startswith(b"@") for token in tokens)
        if addresses:
            start = 0
            for at, token in enumerate(tokens):
                if token.startswith(b"@"):
                    if self._columns is not None and self._columns.tokens == 2:
                        self._refuse(tokens, at, "an address among words with flags behind them")
                    self._convert(tokens[start:at], start)
                    self._skip_to(tokens, at)
                    start = at + 1
            self._convert(tokens[start:], start)
        else:
            self._convert(tokens, 0)
        self._passed += len(tokens)

    def _skip_to(self, tokens: list[bytes], at: int) -> None:
        """Go on at an address; what lies between was never written."""
        try:
            address = int(tokens[at][1:], 16)
        except ValueError:
            self._refuse(tokens, at, "no hex address")
        gap = address - self._found.count
        if gap < 0:
            self._refuse(tokens, at, "an address that goes back")
        kept = max(0, min(address, self._most) - self._found.count)
        self._words.append(np.zeros(kept, np.uint32))
        self._last.append(np.zeros(kept, np.bool_))
        for position in range(self._found.count, self._found.count + kept):
            self._found.unknown[position] = "nothing"
        self._found.count = address

    def _convert(self, tokens: list[bytes], start: int) -> None:
        """Turn tokens to words; `start` is where in the piece they stand, for errors."""
        if not tokens:
            return
        columns = self._columns
        assert columns is not None
        self._check_lengths(tokens, start, columns)
        count = len(tokens) // columns.tokens
        kept = max(0, min(count, self._most - self._found.count))
        characters = np.frombuffer(b"".join(tokens), np.uint8).reshape(count, -1)
        values = _TABLES[self._form][characters]
        if columns.tokens == 2:
            values = np.roll(values, 1, axis=1)  # the flag in front
        has_flag = columns.flag_in_front or columns.tokens == 2
        wrong = (values == _INVALID).any(axis=1)
        if has_flag:
            wrong |= (values[:, 0] > 1) & (values[:, 0] != _UNKNOWN)
        if wrong.any():
            row = int(wrong.argmax())
            at = row * columns.tokens
            if columns.tokens == 2 and not (values[row, 1:] == _INVALID).any():
                self._refuse(tokens, at + 1, "no last flag", start)
            self._refuse(tokens, at, f"no word of {self._word_bits} bits", start)
        values = values[:kept]
        unknown = np.flatnonzero((values == _UNKNOWN).any(axis=1))
        for at in unknown.tolist():
            said = b" ".join(tokens[at * columns.tokens : (at + 1) * columns.tokens])
            self._found.unknown[self._found.count + at] = said.decode("ascii").lower()
        values[unknown] = 0
        if has_flag:
            self._last.append(values[:, 0] == 1)
            values = values[:, 1:]
        words = np.zeros(kept, np.uint32)
        for column in values.T:
            words = words << np.uint32(_BITS_PER_CHARACTER[self._form]) | column
        self._words.append(words)
        self._found.count += count

    def _check_lengths(self, tokens: list[bytes], start: int, columns: _Columns) -> None:
        lengths = [columns.characters, 1]
        for place in range(columns.tokens):
            if {*map(len, tokens[place :: columns.tokens])} == {lengths[place]}:
                continue
            for at in range(place, len(tokens), columns.tokens):
                if len(tokens[at]) != lengths[place]:
                    what = "no last flag" if place else "no word as those before it"
                    self._refuse(tokens, at, what, start)

    def _refuse(self, tokens: list[bytes], at: int, what: str, start: int = 0) -> NoReturn:
        """Say which line is wrong: found in a second pass, as lines are not counted in the first."""
        number = self._passed + start + at
        shown = tokens[at][:_SHOWN_CHARACTERS].decode("ascii", "backslashreplace")
        line = 0
        for text in (p for piece in _pieces(self._path, self._form) for p in piece.splitlines()):
            line += 1
            number -= len(text.split())
            if number < 0:
                break
        raise DamagedError(
            f"line {line}: {shown!r} is {what}",
            file=str(self._path),
            hint="docs/VECTORS.md tells how a simulator is to write it",
        )


def _pieces(path: Path, form: str) -> Iterator[bytes]:
    """Yield a file in pieces of whole lines, without comments."""
    in_comment = False
    rest = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            rest += block
            end = rest.rfind(b"\n") + 1
            if not end and len(rest) > _MOST_LINE_BYTES:
                raise DamagedError(
                    f"has lines of more than {_MOST_LINE_BYTES:,} bytes", file=str(path)
                )
            piece, rest = rest[:end], rest[end:]
            if form == HEX:
                piece, in_comment = _without_comments(piece, in_comment)
            yield piece
    if form == HEX:
        rest, in_comment = _without_comments(rest, in_comment)
    yield rest


_COMMENT = re.compile(rb"//[^\n]*|/\*.*?\*/|/\*.*\Z|_", re.DOTALL)


def _without_comments(piece: bytes, in_comment: bool) -> tuple[bytes, bool]:
    """Take comments and underscores out; newlines stay. Tell whether a comment is still open."""
    if in_comment:
        piece = b"/*" + piece
    elif b"/" not in piece and b"_" not in piece:
        return piece, False
    still_open = False

    def blank(match: re.Match[bytes]) -> bytes:
        nonlocal still_open
        text = match.group()
        if text == b"_":
            return b""
        still_open = text.startswith(b"/*") and (len(text) < 4 or not text.endswith(b"*/"))
        return b" " + b"\n" * text.count(b"\n")

    return _COMMENT.sub(blank, piece), still_open
