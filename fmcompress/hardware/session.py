"""What encoder and decoder have in common: gates, the watch for a deadlock, and the trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fmcompress.errors import FmcError, ParameterError
from fmcompress.hardware.patterns import ALWAYS, Pattern
from fmcompress.hardware.trace import Trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmcompress.hardware.parameters import Parameters

# Cycles stepped at a time; with a trace.
GATE_CYCLES = 1 << 16
TRACE_CYCLES = 1 << 12
# Without any handshake in so many cycles, none will come.
DEADLOCK_CYCLES = 1 << 21
MOST_TRACE_CYCLES = 1 << 20
CREDIT_UNIT = 1 << 32
MOST_CREDIT_WORDS = 16


class DeadlockError(FmcError):
    """No port can go on: whoever is awaited never comes."""


class Gates:
    """The gates of all ports, block by block.

    Parameters
    ----------
    patterns : sequence of Pattern
        Of the ports, in the kernel's order.
    """

    def __init__(self, patterns: tuple[Pattern, ...]) -> None:
        self._patterns = patterns
        self._first = self._end = 0
        self._blocks: tuple[NDArray[np.uint8], ...] = ()

    def at(self, cycle: int, most: int) -> tuple[NDArray[np.uint8], ...]:
        """Return gates from a cycle on, of so many cycles at most; cycles never go back."""
        if cycle >= self._end:
            self._first, self._end = cycle, cycle + GATE_CYCLES
            made = {p: p.gates(cycle, GATE_CYCLES) for p in set(self._patterns)}
            self._blocks = tuple(made[p] for p in self._patterns)
        low = cycle - self._first
        return tuple(block[low : low + most] for block in self._blocks)


class Watch:
    """Tells when nothing has happened for too long."""

    def __init__(self) -> None:
        self._seen = -1
        self._since = 0

    def look(self, cycle: int, handshakes: int, waits: Callable[[], str]) -> None:
        """Look at the number of handshakes that there have been.

        Raises
        ------
        DeadlockError
            If it has not changed for `DEADLOCK_CYCLES`.
        """
        if handshakes != self._seen:
            self._seen, self._since = handshakes, cycle
        elif cycle - self._since >= DEADLOCK_CYCLES:
            raise DeadlockError(
                f"no handshake for {cycle - self._since:,} cycles: {waits()}",
                hint="give a stall pattern, or a memory, that lets this port go",
            )


def port_patterns(ports: Mapping[str, str], stalls: Mapping[str, Pattern]) -> tuple[Pattern, ...]:
    """Return the patterns of ports in their order; those not named are always open.

    Parameters
    ----------
    ports : mapping
        What each port is, by name.
    stalls : mapping
        Patterns by port.

    Raises
    ------
    ParameterError
        If there is no such port.
    """
    for name in stalls:
        if name not in ports:
            raise ParameterError(
                f"there is no port {name!r}", hint=f"choose from {', '.join(ports)}"
            )
    return tuple(stalls.get(name, ALWAYS) for name in ports)


def credit_of(rate: float) -> int:
    """Return the credit that a memory gains in a cycle; 0 for one that never limits.

    Parameters
    ----------
    rate : float
        Words that it moves in a cycle. More than the credit may ever be count as that.
    """
    return max(round(min(rate, MOST_CREDIT_WORDS) * CREDIT_UNIT), int(rate > 0))


def zeros(kind: Any) -> Any:
    """Return a kernel's tuple of integers, all 0."""
    return kind(*(np.int64(0) for _ in kind._fields))


def padded(values: NDArray[Any]) -> NDArray[Any]:
    """Return an array with one more element, which kernels do not look at."""
    return np.append(values, values.dtype.type(0))


class Window:
    """Collects the rows of a trace.

    Parameters
    ----------
    side : str
    columns : tuple of str
        Of the kernel.
    cycles : range or None
        Those wanted; None for no trace.

    Raises
    ------
    ParameterError
        If these are too many.
    """

    def __init__(self, side: str, columns: tuple[str, ...], cycles: range | None) -> None:
        # Not its `len`, which is none beyond 2^63.
        count = cycles.stop - cycles.start if cycles is not None else 0
        if count > MOST_TRACE_CYCLES:
            raise ParameterError(
                f"a trace of {count:,} cycles", hint=f"give at most {MOST_TRACE_CYCLES:,}"
            )
        self._side = side
        self._columns = columns
        self.cycles = range(0) if cycles is None else cycles
        self._wanted = cycles is not None
        self._kept: list[NDArray[np.int64]] = []

    def open_at(self, cycle: int) -> bool:
        """Whether rows are still to come at this cycle, or before the window: some look back."""
        return self._wanted and cycle < self.cycles.stop

    def room(self) -> NDArray[np.int64]:
        """Return rows for a block of cycles."""
        return np.zeros((TRACE_CYCLES, len(self._columns)), np.int64)

    def keep(self, first: int, rows: NDArray[np.int64]) -> None:
        """Keep those rows of a block that lie in the window."""
        low, high = self.cycles.start - first, self.cycles.stop - first
        kept = rows[max(low, 0) : max(high, 0)]
        if len(kept):
            self._kept.append(kept.copy())

    def trace(self, parameters: Parameters, more: tuple[str, ...] = ()) -> Trace | None:
        """Return the trace, None where none was wanted.

        Parameters
        ----------
        parameters : Parameters
        more : tuple of str
            Names of further columns that the kept rows have.
        """
        if not self._wanted:
            return None
        columns = (*self._columns, *more)
        empty = np.zeros((0, len(columns)), np.int64)
        return Trace(
            side=self._side,
            first_cycle=self.cycles.start,
            word_bits=parameters.word_bits,
            block_size=parameters.block_size,
            burst_bits=parameters.burst_bits,
            columns=columns,
            rows=np.concatenate([empty, *self._kept]),
        )
