"""Text as ``$readmemh`` reads it: words in hex, ``@`` addresses, comments; vectorised.

IEEE 1800-2017, section 21.4, defines it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fmcompress.errors import DamagedError, UnsupportedError

MAX_DIGITS = 8
NEWLINES = ("\n", "\r\n")
# Text is looked at in pieces of about this size, and a line may not be much longer.
_PIECE_BYTES = 1 << 20
_SAMPLE_BYTES = 1 << 16

# What a byte is.
_BAD, _SPACE, _DECIMAL, _UPPER, _LOWER, _UNDERSCORE, _AT, _UNKNOWN = range(8)
_HEX = {_DECIMAL, _UPPER, _LOWER}
_KINDS = np.zeros(256, "u1")
for _letters, _kind in (
    (b" \t\n\r\f\v", _SPACE),
    (b"0123456789", _DECIMAL),
    (b"ABCDEF", _UPPER),
    (b"abcdef", _LOWER),
    (b"_", _UNDERSCORE),
    (b"@", _AT),
    (b"xXzZ?", _UNKNOWN),
):
    _KINDS[np.frombuffer(_letters, "u1")] = _kind
_VALUES = np.zeros(256, "u1")
for _letters in (b"0123456789abcdef", b"0123456789ABCDEF"):
    _VALUES[np.frombuffer(_letters, "u1")] = np.arange(16)
_DIGITS = {
    False: np.frombuffer(b"0123456789abcdef", "u1"),
    True: np.frombuffer(b"0123456789ABCDEF", "u1"),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text: whole lines, or at least whole words.

    Attributes
    ----------
    offset : int
        Of its first byte in the file.
    text : ndarray of uint8
        Its bytes, comments made spaces.
    kinds : ndarray of uint8
        What each byte is.
    starts, ends : ndarray of int64
        Where its words lie in `text`.
    digits : ndarray of int64
        Digits of every word.
    line : int
        Number of its first line, from 1 on.
    source : bytes
        As it stands in the file.
    """

    offset: int
    text: NDArray[np.uint8]
    kinds: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    digits: NDArray[np.int64]
    line: int
    source: bytes

    def line_of(self, at: int) -> int:
        """Return the number of the line that holds byte `at`."""
        return self.line + self.source.count(b"\n", 0, at)

    def values(self) -> NDArray[np.uint32]:
        """Return the words' values."""
        text, ends, digits = self.text, self.ends, self.digits
        if np.any(self.kinds == _UNDERSCORE):
            kept = self.kinds != _UNDERSCORE
            ends = np.cumsum(kept)[ends - 1]
            text = text[kept]
        values = np.zeros(ends.size, np.uint32)
        for place in range(int(digits.max(initial=0))):
            long = digits > place
            nibbles = np.where(long, _VALUES[text[ends - 1 - np.where(long, place, 0)]], 0)
            values |= nibbles.astype(np.uint32) << np.uint32(4 * place)
        return values


def word_dtype(digits: int) -> np.dtype[Any]:
    """Return the dtype that holds words of so many digits."""
    return np.dtype("|u1" if digits <= 2 else "<u2" if digits <= 4 else "<u4")


def pieces(file: BinaryIO) -> Iterator[Piece]:
    """Yield a file's text, from its start.

    Raises
    ------
    DamagedError
        If something in it is neither a word, an address, a comment nor space.
    UnsupportedError
        If a word has unknown digits (x, z) or more than `MAX_DIGITS`, or a line is very long.
    """
    file.seek(0)
    state, offset, line, rest = "", 0, 1, b""
    while True:
        data = file.read(_PIECE_BYTES)
        source = rest + data
        if not source:
            break
        cut = _cut(source) if data else len(source)
        source, rest = source[:cut], source[cut:]
        if not cut:
            if len(rest) > 4 * _PIECE_BYTES:
                raise UnsupportedError(f"line {line} is too long", hint="write one word a line")
            continue
        text, state = _without_comments(source, state)
        yield _piece(offset, np.frombuffer(text, "u1"), line, source)
        offset += cut
        line += source.count(b"\n")
    if state == "/*":
        raise DamagedError("the file ends within a comment", hint="it is cut: copy it again")


def _cut(data: bytes) -> int:
    """Say where data may be cut: behind a line, else behind a space; 0 where it may nowhere."""
    return data.rfind(b"\n") + 1 or max(data.rfind(b" "), data.rfind(b"\t")) + 1


def _without_comments(data: bytes, state: str) -> tuple[bytes, str]:
    """Make comments spaces; `state` tells in what comment the data starts, and ends."""
    if not state and b"/" not in data:
        return data, state
    text, at = bytearray(data), 0
    while at < len(data):
        if state:
            mark = b"\n" if state == "//" else b"*/"
            found = data.find(mark, at)
            end = len(data) if found < 0 else found + (2 if state == "/*" else 0)
            text[at:end] = b" " * (end - at)
            at = end
            if found < 0:
                break
            state = ""
        start = data.find(b"/", at)
        if start < 0:
            break
        opening = data[start : start + 2]
        at = start + 2
        if opening in (b"//", b"/*"):
            state = opening.decode("ascii")
            text[start:at] = b"  "
    return bytes(text), state


def _piece(offset: int, text: NDArray[np.uint8], line: int, source: bytes) -> Piece:
    """Find the words of a piece, and refuse what is none."""
    kinds = _KINDS[text]
    word = np.zeros(text.size + 2, np.int8)
    word[1:-1] = kinds != _SPACE
    edges = np.flatnonzero(np.diff(word))
    starts, ends = edges[::2], edges[1::2]
    digits = ends - starts
    if np.any(kinds == _UNDERSCORE):
        underscores = np.concatenate(([0], np.cumsum(kinds == _UNDERSCORE)))
        digits = digits - (underscores[ends] - underscores[starts])
    address = kinds[starts] == _AT
    piece = Piece(
        offset, text, kinds, starts[~address], ends[~address], digits[~address], line, source
    )
    _refuse(piece, kinds == _BAD, DamagedError, "is no text of hex words")
    inner = kinds == _AT
    inner[starts[address & (digits > 1)]] = False
    inner[starts[kinds[starts] == _UNDERSCORE]] = True
    _refuse(piece, inner, DamagedError, "is no text of hex words")
    if np.any(kinds == _UNKNOWN):
        _refuse(piece, kinds == _UNKNOWN, UnsupportedError, "a word has unknown digits (x or z)")
    if int(piece.digits.max(initial=0)) > MAX_DIGITS:
        at = int(piece.starts[np.argmax(piece.digits > MAX_DIGITS)])
        most = int(piece.digits[np.argmax(piece.digits > MAX_DIGITS)])
        raise UnsupportedError(
            f"line {piece.line_of(at)}: a word has {most} digits, more than {MAX_DIGITS}",
            hint="words of up to 32 bits can be read",
        )
    return piece


def _refuse(
    piece: Piece,
    wrong: NDArray[np.bool_],
    error: type[DamagedError | UnsupportedError],
    cause: str,
) -> None:
    if np.any(wrong):
        number = piece.line_of(int(np.argmax(wrong)))
        raise error(f"line {number}: {cause}", hint="look at the line with a text editor")


def letters(piece: Piece) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell of every word whether it has upper-case, and lower-case letters."""
    found = []
    for kind in (_UPPER, _LOWER):
        is_kind = piece.kinds == kind
        if np.any(is_kind):
            before = np.concatenate(([0], np.cumsum(is_kind)))
            found.append(before[piece.ends] > before[piece.starts])
        else:
            found.append(np.zeros(piece.starts.size, bool))
    return found[0], found[1]


def parse_lines(data: bytes, digits: int, newline: str) -> NDArray[np.uint32] | None:
    """Return the words of lines of `digits` hex digits each; None where there are others."""
    lines = np.frombuffer(data, "u1").reshape(-1, digits + len(newline))
    ending = np.frombuffer(newline.encode("ascii"), "u1")
    kinds = _KINDS[lines[:, :digits]]
    if not np.all(lines[:, digits:] == ending) or not np.all(
        (kinds >= _DECIMAL) & (kinds <= _LOWER)
    ):
        return None
    words = np.zeros(len(lines), np.uint32)
    for column in range(digits):
        words <<= np.uint32(4)
        words |= _VALUES[lines[:, column]]
    return words


def format_lines(
    words: NDArray[np.uint32], digits: int, *, upper: bool, newline: str
) -> NDArray[np.uint8]:
    """Write words of at most 4 `digits` bits as lines, the bytes of which are returned."""
    lines = np.empty((words.size, digits + len(newline)), "u1")
    lines[:, digits:] = np.frombuffer(newline.encode("ascii"), "u1")
    for column in range(digits):
        shift = np.uint32(4 * (digits - 1 - column))
        lines[:, column] = _DIGITS[upper][(words >> shift) & np.uint32(15)]
    return lines.reshape(-1)


def _used(text: bytes) -> set[int]:
    """Return the kinds of bytes that occur."""
    return set(_KINDS[np.frombuffer(text, "u1")].tolist())


def looks_like_words(file: BinaryIO) -> bool:
    """Tell from its start whether a file is such text: words, most on lines of their own.

    They must have one width; and words of letters alone, unless all are the same, may be just
    that.
    """
    file.seek(0)
    data = file.read(_SAMPLE_BYTES)
    if b"\0" in data:
        return False
    text, state = _without_comments(data, "")
    if len(data) == _SAMPLE_BYTES:
        text = text[: max(map(text.rfind, (b"\n", b" ", b"\t"))) + 1]
    elif state == "/*":
        return False
    tokens = text.split()
    words = [token.replace(b"_", b"") for token in tokens if not token.startswith(b"@")]
    together = b"".join(words)
    addresses = [token[1:].replace(b"_", b"") for token in tokens if token.startswith(b"@")]
    used = _used(together)
    if not used or used & {_BAD, _AT} or _used(b"".join(addresses)) - _HEX:
        return False
    lines = [line for line in text.split(b"\n") if line.strip() and b"@" not in line]
    return (
        len({len(word) for word in words}) == 1
        and (len(words) < 2 * len(lines) or bool(addresses))
        and (_DECIMAL in used or len(set(words)) == 1)
    )
