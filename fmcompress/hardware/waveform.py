"""Waveforms: a trace as a Value Change Dump (IEEE 1364, clause 21.7), which GTKWave shows."""

from __future__ import annotations

import math
from collections.abc import Iterator
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
    trace: Trace,
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
    trace : Trace
        Its cycles are written.
    file : text file
        Receives the text.
    clock_mhz : float
        The clock. Its period is rounded to picoseconds: 1667 for 600 MHz.
    date, comment : str, optional
        For the header.

    Raises
    ------
    ParameterError
        If the clock has no period of at least 2 picoseconds, or the trace has no cycles.
    """
    from vcd import VCDWriter

    from fmcompress import __version__

    period = clock_period(clock_mhz)
    if not len(trace):
        raise ParameterError(
            f"the run was over before cycle {trace.first_cycle:,}", hint="give earlier cycles"
        )
    start = trace.first_cycle * period
    comment = comment.replace("$end", "$ end")
    about = (
        f"{trace.side}, w = {trace.word_bits}, n = {trace.block_size}, z = {trace.burst_bits}; "
        f"cycle c begins at c * {period} ps"
    )
    with VCDWriter(
        file,
        timescale="1 ps",
        date=date,
        comment=f"{about}; {comment}" if comment else about,
        version=f"fmcompress {__version__}",
        init_timestamp=start,
    ) as writer:
        _write(trace, writer, period)
        writer.close((trace.first_cycle + len(trace)) * period)


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


def _write(trace: Trace, writer: VCDWriter, period: int) -> None:
    top = trace.side
    signals = [Signal("cycle", 64, np.array(trace.cycles, np.int64))]
    scopes = [top]
    for name in ("idle", "blk_done"):
        if name in trace.columns:
            signals.append(Signal(f"{name}_o", 1, trace.column(name)))
            scopes.append(top)
    for unit in scopes_of(trace).values():
        signals += unit.signals
        scopes += [f"{top}.{unit.name}"] * len(unit.signals)
    clock = writer.register_var(top, "clk_i", "wire", 1, init=1)
    reset = writer.register_var(top, "rst_ni", "wire", 1, init=int(trace.first_cycle > 0))
    variables = [
        writer.register_var(scope, signal.name, *_type(signal), init=_value(signal, 0))
        for scope, signal in zip(scopes, signals, strict=True)
    ]
    time = trace.first_cycle * period
    for changes in _changes(signals, len(trace)):
        writer.change(clock, time, 1)
        for place, value in changes:
            writer.change(variables[place], time, value)
        writer.change(clock, time + period // 2, 0)
        writer.change(reset, time + period // 2, 1)
        time += period
    writer.change(clock, time, 1)


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
