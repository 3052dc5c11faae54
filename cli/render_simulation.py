"""Tables of a simulation; no arithmetic beyond formatting."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from fmcompress.cli.render import NARROW, layers_count, printable, shape_text, table

if TYPE_CHECKING:
    from fmcompress.hardware import Run
    from fmcompress.hardware.trace import Trace
    from fmcompress.layer_simulation import LayerResult, SideResult
    from fmcompress.simulation import Simulation

# Words per cycle from which on a coder keeps up.
KEEPS_UP = 0.99


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
                parts.append(_side_text(f"{side}, {layer.name}", layer.sides[side], found))
        total = found.total(side)
        if total is not None:
            parts.append(_side_text(f"{side}, {layers_count(len(found.layers))}", total, found))
    return "\n\n".join(parts)


def _layer_table(found: Simulation, width: int | None) -> str:
    narrow = width is not None and width < NARROW
    clock = found.settings.clock_mhz
    columns = [("layer", "left"), ("shape", "left"), ("ratio", "right")]
    for side in found.settings.sides:
        columns += [(f"{side}\ncycles", "right"), ("words\n/cycle", "right"), ("keeps\nup", "left")]
        columns += [("waits\nmost for", "left"), ("ms", "right")]
    rows = []
    for layer in found.layers:
        rows.append([printable(layer.name), shape_text(layer.shape), *_cells(layer, clock)])
    total = {side: found.total(side) for side in found.settings.sides}
    cells = [cell for result in total.values() if result for cell in _side_cells(result, clock)]
    first = next(iter(total.values()))
    rows.append(["total", "", _number(first.ratio if first else None, 3), *cells])
    if narrow:  # the shape moves under the name
        columns = [("layer, shape", "left"), *columns[2:]]
        rows = [[f"{a}\n{b}".strip(), *rest] for a, b, *rest in rows]
    elif width is None:
        columns = [(title.replace("\n", " "), align) for title, align in columns]
    return table(columns, rows, width)


def _cells(layer: LayerResult, clock_mhz: float) -> list[str]:
    cells = [_number(next(iter(layer.sides.values())).ratio, 3)]
    for result in layer.sides.values():
        cells += _side_cells(result, clock_mhz)
    return cells


def _side_cells(result: SideResult, clock_mhz: float) -> list[str]:
    speed = result.words_per_cycle
    error = f" ± {result.cycles_error:,.0f}" if result.cycles_error else ""
    return [
        f"{result.cycles:,.0f}{error}",
        _number(speed, 3),
        "-" if speed is None else ("yes" if speed >= KEEPS_UP else "no"),
        _worst_wait(result.run),
        _number(1e3 * result.seconds(clock_mhz), 3),
    ]


def _worst_wait(run: Run) -> str:
    reason, cycles = max(run.waits.items(), key=lambda wait: wait[1])
    return f"{reason} {_share(cycles, run.cycles)}" if cycles else "-"


def _side_text(title: str, result: SideResult, found: Simulation) -> str:
    """Say what one side took, and who waited for whom."""
    run, clock = result.run, found.settings.clock_mhz
    raw, compressed = result.mb_per_s(clock)
    error = f" ± {result.cycles_error:,.0f}" if result.cycles_error else ""
    head = (
        f"{printable(title)}: {result.words:,} words in {result.cycles:,.0f}{error} cycles, "
        f"{_number(result.words_per_cycle, 3)} words per cycle; at {clock:g} MHz "
        f"{1e3 * result.seconds(clock):.3f} ms, {_number(raw, 0)} MB/s of words, "
        f"{_number(compressed, 0)} MB/s of streams"
    )
    lines = [head]
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
    last = f"  longest block in the {coder}: number {run.worst_block:,} of {run.blocks:,}, "
    last += f"{run.worst_block_cycles:,} cycles"
    if run.side == "encoder":
        last += f"; output buffer full in {_share(run.buffer_cycles, run.cycles)} of the cycles"
    return "\n".join([*lines, last])


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def print_traces(traces: Sequence[Trace], window: range, width: int | None) -> None:
    """Print what each unit does in each cycle, of the cycles that are traced."""
    from fmcompress.cli.trace_render import print_trace
    from fmcompress.hardware import trace_lines

    for trace in traces:
        click.echo(f"{trace.side}, cycles {trace.first_cycle:,} to {trace.cycles.stop - 1:,}")
        lines = (line for line in trace_lines(trace) if line.cycle in window)
        print_trace(lines, sys.stdout, width)
