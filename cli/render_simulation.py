"""Tables of a simulation; no arithmetic beyond formatting."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from fmcompress.cli.render import NARROW, layers_count, shape_text, table
from fmcompress.numbers import counted
from fmcompress.printable import printable

if TYPE_CHECKING:
    from fmcompress.hardware import Run
    from fmcompress.hardware.trace import Trace
    from fmcompress.layer_simulation import LayerResult, SideResult
    from fmcompress.simulation import Simulation

# Words per cycle from which on a coder keeps up.
KEEPS_UP = 0.99
# Below this, a layer's time is left out; that of all stands below the table.
NO_TIMES = 76


def simulation_text(found: Simulation, width: int | None, verbose: bool) -> str:
    """Render a simulation: a line a layer, then totals and stalls of each side.

    Parameters
    ----------
    width : int or None
        Of the terminal; None where the text goes to a file or a pipe, and is not folded.
    verbose : bool
        Show the stalls of every layer, too.
    """
    parts = [_layer_table(found, width)]
    for side in found.settings.sides:
        if verbose:
            for layer in found.layers:
                result = layer.sides[side]
                parts.append(_side_text(f"{side}, {layer.name}", result, found, [layer]))
        total = found.total(side)
        if total is not None:
            title = f"{side}, {layers_count(len(found.layers))}"
            parts.append(_side_text(title, total, found, found.layers))
    return "\n\n".join(parts)


def _layer_table(found: Simulation, width: int | None) -> str:
    """Render a line for each layer and side, under each other."""
    narrow = width is not None and width < NARROW
    columns = [("layer", "left"), ("shape", "left"), ("ratio", "right"), ("", "left")]
    columns += [("cycles", "right"), ("words\n/cycle", "right"), ("keeps\nup", "left")]
    columns += [("waits most for", "left"), ("ms", "right"), ("ms\n/frame", "right")]
    clock = found.settings.clock_mhz
    rows: list[list[str]] = []
    for layer in found.layers:
        names = (printable(layer.name), shape_text(layer.shape))
        rows += _rows(names, layer.sides, clock, layer.frames)
    totals = {side: found.total(side) for side in found.settings.sides}
    rows += _rows(("total", ""), totals, clock, None)
    if narrow:  # the shape moves under the name; who waits for whom stands below the table
        columns = [("layer, shape", "left"), *columns[2:7], *columns[8:]]
        single = len(found.settings.sides) == 1
        rows = [
            [f"{row[0]}\n{row[1]}".strip() if single else row[0] or row[1], *row[2:7], *row[8:]]
            for row in rows
        ]
        if width is not None and width < NO_TIMES:
            columns, rows = columns[:-2], [row[:-2] for row in rows]
    elif width is None:
        columns = [(title.replace("\n", " "), align) for title, align in columns]
    return table(columns, rows, width)


def _rows(
    names: tuple[str, str],
    sides: Mapping[str, SideResult | None],
    clock_mhz: float,
    frames: int | None,
) -> list[list[str]]:
    rows: list[list[str]] = []
    for side, result in sides.items():
        if result is None:
            continue
        speed, milliseconds = result.words_per_cycle, 1e3 * result.seconds(clock_mhz)
        error = f" ± {result.cycles_error:,.0f}" if result.cycles_error else ""
        row = [
            side,
            f"{result.cycles:,.0f}{error}",
            _number(speed, 3),
            "-" if speed is None else ("yes" if speed >= KEEPS_UP else "no"),
            _worst_wait(result.run),
            _number(milliseconds, 3),
            "" if frames is None else _number(milliseconds / frames, 3),
        ]
        # A second line has the shape where the first one has the name: what is narrow needs both.
        first = [*names, _number(result.ratio, 3)] if not rows else ["", names[1], ""]
        rows.append([*first, *row])
    return rows


def _worst_wait(run: Run) -> str:
    reason, cycles = max(run.waits.items(), key=lambda wait: wait[1])
    return f"{reason} {_share(cycles, run.cycles)}" if cycles else "-"


def _side_text(
    title: str, result: SideResult, found: Simulation, layers: Sequence[LayerResult]
) -> str:
    """Say what one side took for some layers, and who waited for whom."""
    from fmcompress.layer_simulation import with_worst_block

    run, clock = result.run, found.settings.clock_mhz
    raw, compressed = result.mb_per_s(clock)
    error = f" ± {result.cycles_error:,.0f}" if result.cycles_error else ""
    head = (
        f"{printable(title)}: {counted(result.words, 'word')} in {result.cycles:,.0f}{error} cycles, "
        f"{_number(result.words_per_cycle, 3)} words per cycle\n"
        f"  at {clock:g} MHz: {_time(1e3 * result.seconds(clock))} ms, {_number(raw, 0)} MB/s of words, "
        f"{_number(compressed, 0)} MB/s of streams"
    )
    lines = [head]
    chunks = sum(layer.chunks for layer in layers)
    simulated = sum(layer.simulated_chunks for layer in layers)
    if simulated < chunks:
        lines.append(
            f"  {simulated:,} of {chunks:,} chunks were simulated, of which the lines below tell; the "
            "rest is\n  estimated: ± half of a 95 % confidence interval"
        )
    if found.settings.units > 1:
        lines.append(f"of {found.settings.units} units, the slowest:")
    waits = [("works", run.works), *((f"waits for {why}", n) for why, n in run.waits.items())]
    longest = max(len(what) for what, _ in waits)
    lines += [
        f"  {what:<{longest}}  {cycles:>15,}  {_share(cycles, run.cycles):>7}"
        for what, cycles in waits
    ]
    columns = [("  unit", "left"), ("works", "right"), ("waits for input", "right")]
    columns += [("waits for output", "right")]
    rows = [
        (
            f"  {unit.name}",
            _share(unit.works, run.cycles),
            _share(unit.waits_for_input, run.cycles),
            _share(unit.waits_for_output, run.cycles),
        )
        for unit in run.units
    ]
    lines.append(table(columns, rows, None))
    coder = "plane coder" if run.side == "encoder" else "symbol decoder"
    last = f"  no block in the {coder}"
    if run.blocks:
        worst = with_worst_block(layers, run.side)
        own = worst.sides[run.side].run
        last = (
            f"  longest block in the {coder}: {own.worst_block_cycles:,} cycles, "
            f"number {own.worst_block:,} of {own.blocks:,} in {printable(worst.name)}"
        )
    if run.side == "encoder":
        last += f"\n  output buffer holds a word in {_share(run.buffer_cycles, run.cycles)} of the cycles"
    return "\n".join([*lines, last])


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _time(milliseconds: float) -> str:
    """Write a time: three decimals, more where it is short."""
    digits = 2 - math.floor(math.log10(milliseconds)) if milliseconds else 3
    return f"{milliseconds:,.{max(digits, 3)}f}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def print_traces(traces: Sequence[Trace], window: range, width: int | None) -> None:
    """Print what each unit does in each cycle, of the cycles that are traced."""
    from fmcompress.cli.trace_render import print_trace
    from fmcompress.hardware import trace_lines

    for trace in traces:
        if not len(trace):
            click.echo(f"{trace.side}: the run was over before cycle {trace.first_cycle:,}")
            continue
        click.echo(f"{trace.side}, cycles {trace.first_cycle:,} to {trace.cycles.stop - 1:,}")
        lines = (line for line in trace_lines(trace) if line.cycle in window)
        print_trace(lines, sys.stdout, width)
