"""Transmissions as JSON Lines, in the layout of the recorded vectors (docs/VECTORS.md)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fmcompress.errors import DamagedError
from fmcompress.stream_words import stream_of, words_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}


@dataclass(slots=True)
class Case:
    """Transmissions of one set of parameters, and how they run.

    Attributes
    ----------
    id, kind, note : str
        A label, where they come from, and more of that.
    word_bits, block_size, burst_bits : int
        w, n and z.
    words : list of ndarray of uint32
        Of each transmission: bit patterns.
    znz, bpc : list of bytes
        Streams of each transmission.
    enc, dec : dict
        Runs of the encoder and the decoder, as they stand in the file, by mode.
    """

    id: str
    kind: str
    word_bits: int
    block_size: int
    burst_bits: int
    words: list[NDArray[np.uint32]]
    znz: list[bytes]
    bpc: list[bytes]
    note: str = ""
    enc: dict[str, Any] = field(default_factory=dict)
    dec: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the case as it stands in the file."""
        unit = self.word_bits // 8
        return {
            "id": self.id,
            "kind": self.kind,
            "w": self.word_bits,
            "n": self.block_size,
            "lz": self.burst_bits,
            "tx_lens": [words.size for words in self.words],
            "znz_lens": [len(stream) // unit for stream in self.znz],
            "bpc_lens": [len(stream) // unit for stream in self.bpc],
            "words": "".join(stream_of(words, self.word_bits).hex() for words in self.words),
            "znz": b"".join(self.znz).hex(),
            "bpc": b"".join(self.bpc).hex(),
            **({"note": self.note} if self.note else {}),
            **({"enc": self.enc} if self.enc else {}),
            **({"dec": self.dec} if self.dec else {}),
        }

    @classmethod
    def from_json(cls, fields: Any) -> Case:
        """Read a case.

        Raises
        ------
        DamagedError
            If a field is missing, or contradicts another.
        """
        w = _number(fields, "w")
        if w not in (8, 16, 32):
            raise DamagedError(f"w is {w}, not 8, 16 or 32")
        words, znz, bpc = (
            _streams(fields, *names, w // 8)
            for names in (("words", "tx_lens"), ("znz", "znz_lens"), ("bpc", "bpc_lens"))
        )
        return cls(
            id=_text(fields, "id"),
            kind=_text(fields, "kind"),
            word_bits=w,
            block_size=_number(fields, "n"),
            burst_bits=_number(fields, "lz"),
            words=[words_of(stream, w) for stream in words],
            znz=znz,
            bpc=bpc,
            note=_text(fields, "note") if "note" in fields else "",
            enc=_object(fields, "enc"),
            dec=_object(fields, "dec"),
        )


def case_line(case: Case) -> bytes:
    """Return a case as a line of the file."""
    return json.dumps(case.to_json(), separators=(",", ":")).encode("ascii") + b"\n"


def read_cases(path: Path) -> Iterator[Case]:
    """Read the cases of a file, one after another.

    Raises
    ------
    DamagedError
        If it cannot be understood; the error names the line.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield Case.from_json(json.loads(line))
            except DamagedError as error:
                raise DamagedError(f"line {number}: {error.cause}", file=str(path)) from error
            except (ValueError, RecursionError) as error:
                raise DamagedError(f"line {number}: is no JSON", file=str(path)) from error


# --- Handshake cycles -----------------------------------------------------------------------------


def delta_string(cycles: Iterable[int]) -> str:
    """Encode cycles, in order, as distances from the one before, the first from 0.

    Parameters
    ----------
    cycles : iterable of int
        Not falling.
    """
    parts = []
    before = 0
    for cycle in cycles:
        delta = cycle - before
        before = cycle
        parts.append(_DIGITS[delta] if delta < len(_DIGITS) else f"({delta})")
    return "".join(parts)


def delta_cycles(text: str) -> list[int]:
    """Undo `delta_string`.

    Raises
    ------
    DamagedError
        If it is none.
    """
    deltas = []
    at = 0
    while at < len(text):
        end = text.find(")", at) if text[at] == "(" else at
        inner = text[at + 1 : end]
        if text[at] == "(" and end > 0 and inner.isascii() and inner.isdecimal() and end - at < 20:
            deltas.append(int(inner))
        elif text[at] in _VALUES:
            deltas.append(_VALUES[text[at]])
        else:
            raise DamagedError(
                f"character {at} of the cycles is {text[at]!r}, which is no distance"
            )
        at = end + 1
    return list(accumulate(deltas))


# --- Fields ---------------------------------------------------------------------------------------


def _field(fields: Any, name: str, kind: type) -> Any:
    value = fields.get(name) if isinstance(fields, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DamagedError(f"the case has no field {name!r} as it should be")
    return value


def _number(fields: Any, name: str) -> int:
    number: int = _field(fields, name, int)
    return number


def _text(fields: Any, name: str) -> str:
    text: str = _field(fields, name, str)
    return text


def _object(fields: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = _field(fields, name, dict) if name in fields else {}
    return found


def _streams(fields: Any, name: str, lengths_name: str, unit: int) -> list[bytes]:
    """Cut the words of all transmissions into one stream for each."""
    lengths: Sequence[Any] = _field(fields, lengths_name, list)
    if not all(type(length) is int and length >= 0 for length in lengths):
        raise DamagedError(f"{lengths_name!r} are no lengths")
    try:
        stream = bytes.fromhex(_text(fields, name))
    except ValueError as error:
        raise DamagedError(f"{name!r} is no hex") from error
    ends = [unit * end for end in accumulate(lengths, initial=0)]
    if ends[-1] != len(stream):
        raise DamagedError(f"{lengths_name!r} do not add up to the words in {name!r}")
    return [stream[start:end] for start, end in pairwise(ends)]
