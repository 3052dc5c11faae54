"""Waveforms: a trace as a Value Change Dump (IEEE 1364, clause 21.7), which GTKWave shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from fmcompress.errors import ParameterError
from fmcompress.hardware.scopes import scopes_of
from fmcompress.hardware.trace import UNKNOWN, Signal, Trace

if TYPE_CHECKING:
    from vcd import VCDWriter

# Rows that are compared with their successors at a time.
ROWS = 1 << 14
PICOSECONDS = 1_000_000  # of 1 MHz


def write_vcd(
    traces: Trace | Sequence[Trace],
    file: TextIO,
    clock_mhz: float = 600,
    *,
    date: str = "",
    comment: str = "",
) -> None:
    """Write a waveform.

    Cycle c begins at c times the clock's period, with the rising edge before it; what is shown from
    then on holds until the edge that ends the cycle, and is what that edge sees. Reset is active
    until the clock falls in cycle 0. Same trace, same text.

    Parameters
    ----------
    traces : Trace or sequence of Trace
        Encoder, decoder, or both, each of which is a scope of its own. Their cycles are written.
    file : text file
        Receives the text.
    clock_mhz : float
        The clock. Its period is rounded to picoseconds: 1667 for 600 MHz.
    date, comment : str, optional
        For the header.

    Raises
    ------
    ParameterError
        If the clock has no period of at least 2 picoseconds, no trace has cycles, or they do not
        begin at the same one.
    """
    from vcd import VCDWriter

    from fmcompress import __version__

    period = clock_period(clock_mhz)
    given = [traces] if isinstance(traces, Trace) else list(traces)
    first = min((trace.first_cycle for trace in given), default=0)
    if any(trace.first_cycle != first for trace in given):
        raise ParameterError("traces of different cycles", hint="give them the same first cycle")
    shown = [trace for trace in given if len(trace)]
    if not shown:
        raise ParameterError(f"the run was over before cycle {first:,}", hint="give earlier cycles")
    comment = comment.replace("$end", "$ end")
    sides = " and ".join(trace.side for trace in shown)
    one = shown[0]
    about = (
        f"{sides}, w = {one.word_bits}, n = {one.block_size}, z = {one.burst_bits}; "
        f"cycle c begins at c * {period} ps"
    )
    with VCDWriter(
        file,
        timescale="1 ps",
        date=date,
        comment=f"{about}; {comment}" if comment else about,
        version=f"fmcompress {__version__}",
        init_timestamp=first * period,
    ) as writer:
        _Waveform(shown, writer).write(first, period)
        writer.close((first + max(map(len, shown))) * period)


def clock_period(clock_mhz: float) -> int:
    """Return a clock's period.

    Parameters
    ----------
    clock_mhz : float

    Returns
    -------
    int
        In picoseconds, 2 or more.

    Raises
    ------
    ParameterError
        If there is none.
    """
    if not (math.isfinite(clock_mhz) and 0 < clock_mhz <= PICOSECONDS / 2):
        raise ParameterError(
            f"a clock of {clock_mhz:g} MHz cannot be drawn",
            hint=f"give more than 0 and at most {PICOSECONDS // 2} MHz",
        )
    return round(PICOSECONDS / clock_mhz)


class _Waveform:
    """The variables of a file, and where their values come from."""

    def __init__(self, traces: Sequence[Trace], writer: VCDWriter) -> None:
        self._writer = writer
        self._cycles = max(map(len, traces))
        self._signals: list[Signal] = []
        self._variables: list[Any] = []
        self._clocks, self._resets = [], []
        for trace in traces:
            top, is_running = trace.side, trace.first_cycle > 0
            self._clocks.append(writer.register_var(top, "clk_i", "wire", 1, init=1))
            self._resets.append(writer.register_var(top, "rst_ni", "wire", 1, init=int(is_running)))
            self._add(top, Signal("cycle", 64, np.array(trace.cycles, np.int64)))
            for name in ("idle", "blk_done"):
                if name in trace.columns:
                    self._add(top, Signal(f"{name}_o", 1, trace.column(name)))
            for unit in scopes_of(trace).values():
                for signal in unit.signals:
                    self._add(f"{top}.{unit.name}", signal)

    def _add(self, scope: str, signal: Signal) -> None:
        variable = self._writer.register_var(
            scope, signal.name, *_type(signal), init=_value(signal, 0)
        )
        self._signals.append(signal)
        self._variables.append(variable)

    def write(self, first_cycle: int, period: int) -> None:
        """Write what changes, cycle by cycle; a side that is through keeps its last values."""
        time = first_cycle * period
        for changes in _changes(self._signals, self._cycles):
            self._change(self._clocks, time, 1)
            for place, value in changes:
                self._writer.change(self._variables[place], time, value)
            self._change(self._clocks, time + period // 2, 0)
            self._change(self._resets, time + period // 2, 1)
            time += period
        self._change(self._clocks, time, 1)

    def _change(self, variables: Sequence[Any], time: int, value: int) -> None:
        for variable in variables:
            self._writer.change(variable, time, value)


def _type(signal: Signal) -> tuple[str, int]:
    """Return type and width of a variable."""
    if signal.words is not None:
        return "string", 1
    return ("integer" if signal.name == "cycle" else "wire"), signal.bits


def _value(signal: Signal, row: int) -> Any:
    """Return what pyvcd writes for one value."""
    return _values(signal, signal.values[row : row + 1])[0]


def _values(signal: Signal, values: Any) -> list[Any]:
    """Return what pyvcd writes."""
    plain = values.tolist()
    if signal.words is not None:
        return [signal.words[place] for place in plain]
    return ["x" if value == UNKNOWN else value for value in plain]


def _changes(signals: list[Signal], rows: int) -> Iterator[list[tuple[int, Any]]]:
    """Give, row by row, which signals change at its beginning, and to what."""
    for first in range(0, rows, ROWS):
        # One row more in front: what the first row is compared with.
        before = max(first - 1, 0)
        changes: list[list[tuple[int, Any]]] = [[] for _ in range(min(ROWS, rows - first))]
        for place, signal in enumerate(signals):
            values = signal.values[before : first + ROWS]
            changed = np.flatnonzero(values[1:] != values[:-1]) + 1
            new = _values(signal, values[changed])
            for row, value in zip((changed + before - first).tolist(), new, strict=True):
                changes[row].append((place, value))
        yield from changes
