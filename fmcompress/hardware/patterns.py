"""Stall patterns: in which cycles a port may take or offer a word (docs/HARDWARE.md, "Gates").

To add one, write a class with `parse` and `gates`, and a line in `PATTERNS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from fmcompress.errors import DamagedError, ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MASK = 0xFFFFFFFF
_MULTIPLIER, _INCREMENT = 1664525, 1013904223
_STEPS = 1 << 16  # of the generator that are done at once
MOST_FILE_CYCLES = 1 << 28
_MOST_LINE_BYTES = 1 << 20


class Pattern(Protocol):
    """When a port's gate is open."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what stands behind the pattern's name; ValueError says what should."""
        ...

    def gates(self, first: int, count: int) -> NDArray[np.uint8]:
        """Return 1 for every cycle from `first` on in which the gate is open, else 0.

        Returns
        -------
        gates : ndarray of uint8, shape (count,)
        """
        ...


@dataclass(frozen=True, slots=True)
class Always:
    """A gate that is always open."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read nothing."""
        if text:
            raise ValueError("nothing")
        return cls()

    def gates(self, first: int, count: int) -> NDArray[np.uint8]:
        """Return ones."""
        return np.ones(count, np.uint8)


@dataclass(frozen=True, slots=True)
class Random:
    """A gate that is open at random, as those of the recorded vectors are.

    Parameters
    ----------
    threshold : int
        0 to 256: how often of 256 times it is open.
    seed : int
        First state of the generator, 32 bits.
    """

    threshold: int
    seed: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``SHARE[:SEED]``, the share of open cycles from 0 to 1, or as ``128/256``."""
        share, _, seed = text.partition(":")
        above, slash, below = share.partition("/")
        try:
            value = float(above) / (float(below) if slash else 1)
            number = int(seed, 0) if seed else 1
        except (ValueError, ZeroDivisionError):
            raise ValueError("SHARE[:SEED], as 0.5:7 or 128/256:7") from None
        if not 0 <= value <= 1 or not 0 <= number <= _MASK:
            raise ValueError("a share from 0 to 1 and a seed of 32 bits")
        return cls(round(256 * value), number)

    def gates(self, first: int, count: int) -> NDArray[np.uint8]:
        """Step the generator once a cycle: the state's highest 8 bits are below the threshold."""
        if self.threshold > 255:
            return np.ones(count, np.uint8)
        opened = np.empty(count, np.uint8)
        limit = np.uint32(self.threshold << 24)
        multipliers, increments = _steps()
        for at in range(0, count, _STEPS):
            multiplier, increment = _jump(first + at)
            state = np.uint32((self.seed * multiplier + increment) & _MASK)
            part = opened[at : at + _STEPS]
            states = multipliers[: part.size] * state
            states += increments[: part.size]
            np.less(states, limit, out=part.view(np.bool_))
        return opened


@cache
def _steps() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return multiplier and increment that do one step of the generator at once, two, three, …."""
    multipliers = np.array([_MULTIPLIER], np.uint32)
    increments = np.array([_INCREMENT], np.uint32)
    while multipliers.size < _STEPS:  # as many steps again, behind all of these
        multipliers, increments = (
            np.append(multipliers, multipliers * multipliers[-1]),
            np.append(increments, multipliers * increments[-1] + increments),
        )
    return multipliers, increments


def _jump(steps: int) -> tuple[int, int]:
    """Return multiplier and increment that do a number of the generator's steps at once."""
    multiplier, increment = 1, 0
    base, added = _MULTIPLIER, _INCREMENT
    while steps:
        if steps & 1:
            multiplier, increment = multiplier * base & _MASK, (increment * base + added) & _MASK
        base, added = base * base & _MASK, (added * base + added) & _MASK
        steps >>= 1
    return multiplier, increment


@dataclass(frozen=True, slots=True)
class Periodic:
    """A gate that is open for the first cycles of every period.

    Parameters
    ----------
    opened, period : int
        Cycles; of these it is open, of all.
    offset : int
        By which the first period is late: the gate is closed before.
    """

    opened: int
    period: int
    offset: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``OPEN/PERIOD[:OFFSET]``."""
        share, _, offset = text.partition(":")
        opened, period = _ratio(share, "OPEN/PERIOD[:OFFSET] in cycles, as 1/4 or 1/4:2")
        if offset and not offset.isdecimal():
            raise ValueError("OPEN/PERIOD[:OFFSET] in cycles, as 1/4 or 1/4:2")
        return cls(opened, period, int(offset or 0))

    def gates(self, first: int, count: int) -> NDArray[np.uint8]:
        """Tell where each cycle lies in its period."""
        cycles = np.arange(first - self.offset, first - self.offset + count)
        return ((cycles >= 0) & (cycles % self.period < self.opened)).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Dram:
    """A memory that gives bursts of cycles, and none while it refreshes.

    Parameters
    ----------
    burst, period : int
        Of every so many cycles, so many are open.
    refresh, interval : int
        Every so many cycles the gate is closed for so many.
    """

    burst: int
    period: int
    refresh: int
    interval: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``BURST/PERIOD:REFRESH/INTERVAL``."""
        wanted = "BURST/PERIOD:REFRESH/INTERVAL in cycles, as 8/10:210/4680"
        bursts, _, refreshes = text.partition(":")
        return cls(*_ratio(bursts, wanted), *_ratio(refreshes, wanted))

    def gates(self, first: int, count: int) -> NDArray[np.uint8]:
        """Count bursts from the end of each refresh."""
        at = np.arange(first, first + count) % self.interval - self.refresh
        return ((at >= 0) & (at % self.period < self.burst)).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Listed:
    """A gate that is open as a list says, which is repeated.

    Parameters
    ----------
    listed : bytes
        0 or 1 for each cycle.
    """

    listed: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a file of 0 and 1; white space, and what stands behind ``#``, does not count."""
        if not text:
            raise ValueError("the name of a file")
        found = bytearray()
        number = 1
        with Path(text).open("rb") as file:
            while line := file.readline(_MOST_LINE_BYTES):
                digits = b"".join(line.partition(b"#")[0].split())
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
                number += line.endswith(b"\n")
        if not found:
            raise DamagedError("has no cycle", file=text, hint="give 0 or 1 for each cycle")
        return cls(bytes(found))

    def gates(self, first: int, count: int) -> NDArray[np.uint8]:
        """Repeat the list."""
        listed = np.frombuffer(self.listed, np.uint8)
        return listed.take(np.arange(first, first + count), mode="wrap")


def _ratio(text: str, wanted: str) -> tuple[int, int]:
    """Read two numbers, the first at most as large as the second."""
    part, _, whole = text.partition("/")
    if not (part.isdecimal() and whole.isdecimal()) or not 0 < int(whole) < 1 << 40:
        raise ValueError(wanted)
    if int(part) > int(whole):
        raise ValueError(f"{wanted}: the first number is at most the second")
    return int(part), int(whole)


ALWAYS = Always()
PATTERNS: dict[str, type[Pattern]] = {
    "always": Always,
    "random": Random,
    "periodic": Periodic,
    "dram": Dram,
    "file": Listed,
}


def pattern(text: str) -> Pattern:
    """Make a stall pattern of its text, as ``random:0.5`` or ``periodic:1/4``.

    Parameters
    ----------
    text : str
        The name of a pattern, and what it needs behind a colon.

    Raises
    ------
    ParameterError
        If there is no such pattern, or it needs something else.
    DamagedError, OSError
        If the file that it names cannot be read, or holds anything else.
    """
    name, _, rest = text.partition(":")
    if name not in PATTERNS:
        raise ParameterError(
            f"there is no stall pattern {name!r}", hint=f"choose from {', '.join(PATTERNS)}"
        )
    try:
        return PATTERNS[name].parse(rest)
    except ValueError as error:
        if isinstance(error, DamagedError):
            raise
        raise ParameterError(f"stall pattern {text!r}", hint=f"{name} needs {error}") from None
