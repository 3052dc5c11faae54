"""A stall pattern that a file lists (docs/HARDWARE.md, "Gates")."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from fmcompress.errors import DamagedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# No longer than a gate may be closed.
MOST_FILE_CYCLES = 1 << 28
_MOST_LINE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Listed:
    """A gate that is open as a list says, which is repeated.

    Parameters
    ----------
    listed : bytes
        0 or 1 for each cycle.
    name : str
        Of the file.
    """

    listed: bytes = field(repr=False)
    name: str = field(compare=False)
    longest_closed: int | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "longest_closed", _longest_zeros(self.listed))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a file of 0 and 1; white space, and what stands behind ``#``, does not count."""
        if not text or "\0" in text:
            raise ValueError("the name of a file")
        found = bytearray()
        for number, line in _lines(text):
            digits = b"".join(line.split())
            if digits.strip(b"01"):
                raise DamagedError(
                    f"line {number} has other characters than 0 and 1",
                    file=text,
                    hint="give 1 for each cycle in which the port may go, else 0",
                )
            found += digits.translate(bytes.maketrans(b"01", b"\0\1"))
            if len(found) > MOST_FILE_CYCLES:
                raise DamagedError(
                    f"line {number}: more than {MOST_FILE_CYCLES:,} cycles",
                    file=text,
                    hint="give a shorter list: it is repeated",
                )
        if not found:
            raise DamagedError("has no cycle", file=text, hint="give 0 or 1 for each cycle")
        return cls(bytes(found), text)

    def __str__(self) -> str:
        return f"file:{self.name}"

    def gates(self, first: int, count: int) -> NDArray[np.uint8]:
        """Repeat the list."""
        listed = np.frombuffer(self.listed, np.uint8)
        return listed.take(np.arange(first, first + count), mode="wrap")


def _lines(name: str) -> Iterator[tuple[int, bytes]]:
    """Read a file's lines with their numbers and without comments, long ones in parts."""
    number, in_comment = 1, False
    try:
        with Path(name).open("rb") as file:
            while line := file.readline(_MOST_LINE_BYTES):
                before, mark, _ = line.partition(b"#")
                yield number, b"" if in_comment else before
                ends = line.endswith(b"\n")
                in_comment = not ends and (in_comment or bool(mark))
                number += ends
    except OSError as error:
        error.filename = name if error.filename is None else error.filename
        raise


def _longest_zeros(listed: bytes) -> int | None:
    """Return the most zeros one behind the other in a list that is repeated; None of nothing else.

    As the list is long, places of ones are not kept.
    """
    values = np.frombuffer(listed, np.uint8)
    first, last, longest = -1, -1, 0
    for start in range(0, values.size, 1 << 20):
        ones = start + np.flatnonzero(values[start : start + (1 << 20)])
        if ones.size:
            first = int(ones[0]) if first < 0 else first
            apart = np.diff(ones, prepend=last) if last >= 0 else np.diff(ones)
            longest = max(longest, int(apart.max(initial=1)) - 1)
            last = int(ones[-1])
    return max(longest, values.size - 1 - last + first) if last >= 0 else None
