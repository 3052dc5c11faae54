"""The teaching view in a terminal: a chart of who works when, then a line a cycle and unit."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.text import Text

    from fmcompress.hardware.trace_line import TraceLine

# Of each kind: its mark, its colours in the lines, and in the chart.
KINDS = {
    "handshake": ("*", "bold green", "bold black on green"),
    "works": ("=", "default", "black on cyan"),
    "waits": ("!", "yellow", "black on yellow"),
    "holds": ("-", "blue", "white on blue"),
    "idle": (".", "bright_black", "bright_black"),
}
LEGEND = {
    "handshake": "a word passes",
    "works": "works",
    "waits": "waits for another",
    "holds": "keeps its word",
    "idle": "nothing to do",
}
CYCLE, UNIT, STATE = 6, 15, 8
NARROW = 72
TICKS = 10
# Cycles of which there is one chart, in pieces as wide as the terminal.
PIECE = 1000


def print_trace(
    lines: Iterable[TraceLine], file: TextIO, width: int | None, *, idle: bool = False
) -> None:
    """Print chart and lines, with colours where the file is a terminal that has them.

    Parameters
    ----------
    lines : iterable of TraceLine
        Of some tens of cycles, or of many: a piece of them is kept at a time.
    file : text file
    width : int or None
        Of the terminal; None: lines are not folded.
    idle : bool
        Whether units with nothing to do get a line, too.
    """
    from rich.console import Console

    class Printer(Console):
        """A console that does not leave by itself where nobody reads on."""

        def on_broken_pipe(self) -> None:
            """Leave it to main, which has an exit code for it."""
            raise BrokenPipeError

    cycles = (list(group) for _, group in groupby(lines, key=lambda line: line.cycle))
    console = Printer(
        file=file, width=width or 10_000, highlight=False, emoji=False, soft_wrap=True
    )
    begins = True
    while piece := list(islice(cycles, PIECE)):
        above = (*chart(piece, width), *(_legend() if begins else ()))
        for text in (*above, *_details(piece, width, idle)):
            console.print(text, soft_wrap=True)
        begins = False


def chart(cycles: list[list[TraceLine]], width: int | None) -> Iterator[Text]:
    """Draw a row a unit and a column a cycle, in pieces as wide as the terminal.

    Parameters
    ----------
    cycles : list of list of TraceLine
        Lines of each cycle.
    width : int or None
        Of the terminal; None: 100.

    Yields
    ------
    rich.text.Text
        A line of text.
    """
    from rich.text import Text

    units = list(dict.fromkeys(line.unit for lines in cycles for line in lines))
    busy = [i for i, lines in enumerate(cycles) if any(line.kind != "idle" for line in lines)]
    end = busy[-1] + 1 if busy else min(len(cycles), 1)
    fits = max(((width or 100) - UNIT) // TICKS * TICKS, TICKS)
    for first in range(0, end, fits):
        piece = cycles[first : min(first + fits, end)]
        yield Text(_ruler(piece[0][0].cycle, len(piece)), style="bold")
        for unit in units:
            row = Text(f"{unit:{UNIT}}")
            for lines in piece:
                kind = next((line.kind for line in lines if line.unit == unit), "idle")
                mark, _, style = KINDS[kind]
                row.append(mark, style=style)
            yield row
        yield Text()


def _legend() -> Iterator[Text]:
    """Say what the marks mean."""
    from rich.text import Text

    legend = Text()
    for kind, meaning in LEGEND.items():
        legend.append(f" {KINDS[kind][0]} ", style=KINDS[kind][2])
        legend.append(f" {meaning}   ")
    legend.rstrip()
    yield legend
    yield Text()


def _ruler(first: int, count: int) -> str:
    """Return a line with the number of every tenth cycle, where there is room for it."""
    text = f"{'cycle':{UNIT}}"
    for cycle in range(first, first + count):
        if cycle % TICKS == 0 or cycle == first:
            at = UNIT + cycle - first
            if len(text) <= at:
                text = f"{text:{at}}{cycle}"
    return text


def _details(cycles: list[list[TraceLine]], width: int | None, idle: bool) -> Iterator[Text]:
    """Write out every cycle, but cycles in a row that read the same get one line."""
    digits = max(CYCLE, 2 * len(str(cycles[-1][0].cycle)) + 1) if cycles else CYCLE
    before: dict[str, TraceLine] = {}
    alike: list[int] = []
    meaning = ""
    for all_lines in cycles:
        lines = {line.unit: line for line in all_lines if idle or line.kind != "idle"}
        again = {unit for unit, line in lines.items() if _reads_the_same(line, before.get(unit))}
        same = "" if lines else "nothing to do"
        if lines and len(again) == len(lines) == len(before):
            same = "as before"
        if alike and same != meaning:
            yield _alike(alike, meaning, digits)
            alike = []
        if same:
            alike.append(all_lines[0].cycle)
            meaning = same
        else:
            for place, line in enumerate(lines.values()):
                number = str(line.cycle) if place == 0 else ""
                yield from _line(line, f"{number:>{digits}}", width, line.unit in again)
        before = lines
    if alike:
        yield _alike(alike, meaning, digits)


def _reads_the_same(line: TraceLine, before: TraceLine | None) -> bool:
    """Tell whether a unit goes on doing nothing: work that reads the same is done again."""
    if before is None or line.kind in ("works", "handshake"):
        return False
    return (line.state, line.action) == (before.state, before.action)


def _alike(cycles: list[int], meaning: str, digits: int) -> Text:
    """Say of cycles in a row that they bring nothing new."""
    from rich.text import Text

    span = str(cycles[0]) if len(cycles) == 1 else f"{cycles[0]}-{cycles[-1]}"
    return Text(f"{span:>{digits}}  {meaning}", "bright_black")


def _line(line: TraceLine, number: str, width: int | None, dim: bool) -> Iterator[Text]:
    """Write a line, folded with its action indented; below the unit where there is little room."""
    from rich.text import Text

    mark, style, _ = KINDS[line.kind]
    dim = dim or line.kind == "idle"
    head = Text()
    head.append(f"{number}  ", style="bold")
    head.append(f"{line.unit:{UNIT}}", style="bright_black" if dim else "bold")
    head.append(f"{line.state:{STATE}}", style="bright_black" if dim else "cyan")
    mark = " " if line.kind == "works" else mark
    indent = len(head) + len(mark) + 1
    if width is not None and width < NARROW:
        yield head
        indent = len(number) + 4
        head = Text(" " * (indent - 2))
    pieces = [line.action] if width is None else textwrap.wrap(line.action, max(width - indent, 20))
    for place, piece in enumerate(pieces):
        text = head if place == 0 else Text(" " * (indent - 2))
        text.append(f"{mark if place == 0 else ' '} {piece}", "bright_black" if dim else style)
        yield text
