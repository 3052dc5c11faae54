"""Stall patterns: in which cycles a port may take or offer a word (docs/HARDWARE.md, "Gates").

To add one, write a class with the methods of `Pattern`, and a line in `PATTERNS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import numpy as np

from fmcompress.errors import DamagedError, ParameterError
from fmcompress.hardware.listed import Listed
from fmcompress.numbers import is_digits, whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MASK = 0xFFFFFFFF
_MULTIPLIER, _INCREMENT = 1664525, 1013904223
_STEPS = 1 << 16  # of the generator that are done at once
# Of 256 times open once: the longest wait among all states of the generator, counted.
_LONGEST_RANDOM = 4135
MOST_CLOSED_CYCLES = 1 << 28
_MOST_PERIOD = (1 << 40) - 1


@runtime_checkable
class Pattern(Protocol):
    """When a port's gate is open; its `str` is a text of which `pattern` makes the same again."""

    @property
    def longest_closed(self) -> int | None:
        """Cycles one behind the other in which it may be closed at most, None for ever.

        None where it opens for the last time, or never.
        """
        ...

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

    def __str__(self) -> str:
        return "always"

    @property
    def longest_closed(self) -> int:
        """None at all."""
        return 0

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
    seed : int, optional
        First state of the generator, 32 bits. By default each port has its own
        (docs/HARDWARE.md, "Gates"); without a port, it is 1.
    """

    threshold: int
    seed: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", whole("threshold", self.threshold, 0, 256))
        if self.seed is not None:
            object.__setattr__(self, "seed", whole("seed", self.seed, 0, _MASK))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``SHARE[:SEED]``, the share of open cycles from 0 to 1, or as ``128/256``.

        It is rounded to 256ths, but never to 0 or 1.
        """
        if not text.isascii():  # digits of other scripts are numbers to Python
            raise ValueError("SHARE[:SEED], as 0.5:7 or 128/256:7")
        share, _, seed = text.partition(":")
        above, slash, below = share.partition("/")
        try:
            value = float(above) / (float(below) if slash else 1)
            number = int(seed, 0) if seed else None
        except (ValueError, ZeroDivisionError):
            raise ValueError("SHARE[:SEED], as 0.5:7 or 128/256:7") from None
        if not 0 <= value <= 1 or not 0 <= (number or 0) <= _MASK:
            raise ValueError("a share from 0 to 1 and a seed of 32 bits")
        threshold = round(256 * value)
        if threshold in (0, 256) and threshold != 256 * value:
            raise ValueError("a share in 256ths: 0, 1/256 (0.0039), 2/256 to 255/256 (0.9961), 1")
        return cls(threshold, number)

    def __str__(self) -> str:
        return f"random:{self.threshold}/256" + ("" if self.seed is None else f":{self.seed}")

    @property
    def longest_closed(self) -> int | None:
        """What the smallest share has, for all that ever open."""
        if self.threshold in (0, 256):
            return 0 if self.threshold else None
        return _LONGEST_RANDOM

    def gates(self, first: int, count: int) -> NDArray[np.uint8]:
        """Step the generator once a cycle: the state's highest 8 bits are below the threshold."""
        if self.threshold > 255:
            return np.ones(count, np.uint8)
        opened = np.empty(count, np.uint8)
        limit = np.uint32(self.threshold << 24)
        multipliers, increments = _steps()
        seed = 1 if self.seed is None else self.seed
        for at in range(0, count, _STEPS):
            multiplier, increment = _jump(first + at)
            state = np.uint32((seed * multiplier + increment) & _MASK)
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

    def __post_init__(self) -> None:
        _check_part(self, "opened", "period")
        object.__setattr__(self, "offset", whole("offset", self.offset, 0))
        _check_closed(self.offset)
        _check_closed(self.longest_closed)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``OPEN/PERIOD[:OFFSET]``."""
        share, _, offset = text.partition(":")
        opened, period = _ratio(share, "OPEN/PERIOD[:OFFSET] in cycles, as 1/4 or 1/4:2")
        if offset and not is_digits(offset):
            raise ValueError("OPEN/PERIOD[:OFFSET] in cycles, as 1/4 or 1/4:2")
        return cls(opened, period, int(offset or 0))

    def __str__(self) -> str:
        return f"periodic:{self.opened}/{self.period}" + (f":{self.offset}" if self.offset else "")

    @property
    def longest_closed(self) -> int | None:
        """The rest of a period, or what comes before the first."""
        return max(self.offset, self.period - self.opened) if self.opened else None

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

    def __post_init__(self) -> None:
        _check_part(self, "burst", "period")
        _check_part(self, "refresh", "interval")
        _check_closed(self.longest_closed)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``BURST/PERIOD:REFRESH/INTERVAL``."""
        wanted = "BURST/PERIOD:REFRESH/INTERVAL in cycles, as 8/10:210/4680"
        bursts, _, refreshes = text.partition(":")
        return cls(*_ratio(bursts, wanted), *_ratio(refreshes, wanted))

    def __str__(self) -> str:
        return f"dram:{self.burst}/{self.period}:{self.refresh}/{self.interval}"

    @property
    def longest_closed(self) -> int | None:
        """A refresh, with what is left behind the last burst before it; or between bursts."""
        free = self.interval - self.refresh
        if not (self.burst and free):
            return None
        left = free % self.period or min(free, self.period)
        between = self.period - self.burst if free > self.period else 0
        return max(between, self.refresh + max(0, left - self.burst))

    def gates(self, first: int, count: int) -> NDArray[np.uint8]:
        """Count bursts from the end of each refresh."""
        at = np.arange(first, first + count) % self.interval - self.refresh
        return ((at >= 0) & (at % self.period < self.burst)).astype(np.uint8)


def _check_part(given: Periodic | Dram, part: str, period: str) -> None:
    """Check two fields, cycles of which the first are some of the second."""
    cycles = whole(period, getattr(given, period), 1, _MOST_PERIOD)
    object.__setattr__(given, period, cycles)
    object.__setattr__(given, part, whole(part, getattr(given, part), 0, cycles))


def _check_closed(cycles: int | None) -> None:
    """Refuse to wait nearly for ever."""
    if cycles is not None and cycles > MOST_CLOSED_CYCLES:
        raise ParameterError(
            f"it may be closed for {cycles:,} cycles",
            hint=f"give one that opens after at most {MOST_CLOSED_CYCLES:,} cycles",
        )


def _ratio(text: str, wanted: str) -> tuple[int, int]:
    """Read two numbers, the first at most as large as the second."""
    part, _, period = text.partition("/")
    if not (is_digits(part) and is_digits(period)) or not 0 < int(period) <= _MOST_PERIOD:
        raise ValueError(wanted)
    if int(part) > int(period):
        raise ValueError(f"{wanted}: the first number is at most the second")
    return int(part), int(period)


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
    if not isinstance(text, str):
        raise ParameterError(f"stall pattern is {text!r}", hint="give its text, as 'random:0.5'")
    name, _, rest = text.partition(":")
    if name not in PATTERNS:
        raise ParameterError(
            f"there is no stall pattern {name!r}", hint=f"choose from {', '.join(PATTERNS)}"
        )
    try:
        return PATTERNS[name].parse(rest)
    except DamagedError:
        raise
    except ParameterError as error:
        raise ParameterError(f"stall pattern {text!r}: {error.cause}", hint=error.hint) from None
    except ValueError as error:
        raise ParameterError(f"stall pattern {text!r}", hint=f"{name} needs {error}") from None
