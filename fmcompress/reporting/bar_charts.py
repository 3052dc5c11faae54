"""Bars: stacked, nested and lying ones, from plain numbers; nothing of layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fmcompress.reporting.charts import FONT, Categories, draw_legend
from fmcompress.reporting.short_names import shortened
from fmcompress.reporting.vector_graphics import (
    Picture,
    Scale,
    filled,
    nice_ticks,
    place,
    slab,
    text_width,
    tick_numbers,
    told,
)


class Stack(NamedTuple):
    """A bar of parts, one upon the other.

    Attributes
    ----------
    parts : sequence of float
    text : str
        What it says when it is pointed at.
    """

    parts: Sequence[float]
    text: str


def stacked_bars(
    title: str,
    names: Sequence[str],
    parts: Sequence[str],
    stacks: Sequence[Stack],
    axis: str,
    reference: float | None = None,
) -> Picture:
    """Draw a bar for each category, of parts one upon the other, and a value that is marked."""
    ticks = nice_ticks(0, max(*(sum(stack.parts) for stack in stacks), reference or 0))
    kinds = [f"s{i}" for i in range(len(parts))]
    chart = Categories(title, names, ticks, axis, list(zip(parts, kinds, strict=True)))
    width = min(chart.slot - 3, 40)
    outlines = [""] * len(parts)
    for i, stack in enumerate(stacks):
        total = 0.0
        for number, part in enumerate(stack.parts):
            top, bottom = chart.scale(total + part), chart.scale(total)
            total += part
            if bottom - top > 0.05:
                outlines[number] += f"M{place(chart.middle(i))} {place(bottom)}V{place(top)}"
        chart.touch(i, stack.text)
    chart.bars([(lines, kind, width) for lines, kind in zip(outlines, kinds, strict=True)])
    if reference is not None:
        chart.reference(reference)
    return chart.picture


def nested_bars(
    title: str,
    names: Sequence[str],
    parts: tuple[str, str],
    pairs: Sequence[tuple[float, float]],
    texts: Sequence[str],
    axis: str,
) -> Picture:
    """Draw for each category a wide bar, and a narrow one of another number upon it."""
    ticks = nice_ticks(0, max(max(pair) for pair in pairs))
    legend = list(zip(parts, ("raw", "s0"), strict=True))
    chart = Categories(title, names, ticks, axis, legend)
    lines = ["", ""]
    for i, (pair, text) in enumerate(zip(pairs, texts, strict=True)):
        for number, value in enumerate(pair):
            x, y = chart.middle(i), chart.scale(value)
            lines[number] += f"M{place(x)} {place(chart.bottom)}V{place(y)}"
        chart.touch(i, text)
    room = min(chart.slot, 50)
    chart.bars([(lines[0], "raw", 0.8 * room), (lines[1], "s0", 0.45 * room)])
    return chart.picture


class Bar(NamedTuple):
    """A bar that lies.

    Attributes
    ----------
    name : str
    value : float
    kind : str
        Class of its colour.
    label : str
        Its value, written between name and bar.
    note : str
        What is written behind it.
    text : str
        What it says when it is pointed at.
    """

    name: str
    value: float
    kind: str
    label: str
    note: str
    text: str


# So wide that a phone shows names, values and bars; notes are behind them.
_VALUES, _BARS, _BARS_END = 166, 174, 350


def lying_bars(
    title: str,
    bars: Sequence[Bar],
    axis: str,
    legend: Sequence[tuple[str, str]],
    reference: tuple[float, str] | None = None,
) -> Picture:
    """Draw bars one below the other, with a value that is marked and named."""
    left, right, step, top = _BARS, _BARS_END, 22, 54 if reference else 32
    values = [bar.value for bar in bars] + ([reference[0]] if reference else [])
    ticks = nice_ticks(0, max(values), 5)
    bottom = top + step * len(bars) + 4
    picture = Picture(right + 84, bottom + 40, title)
    draw_legend(picture, legend, 8)
    scale = Scale(ticks, left, right)
    for tick, text in zip(ticks, tick_numbers(ticks), strict=True):
        picture.line(scale(tick), top - 4, scale(tick), bottom, "grid")
        picture.text(scale(tick), bottom + 16, text, "number", "middle")
    picture.text((left + right) / 2, bottom + 34, axis, "axis", "middle")
    for i, bar in enumerate(bars):
        y = top + step * i
        box = slab(left, y + 2, max(scale(bar.value) - left, 0.5), step - 6)
        picture.text(_VALUES - 46, y + 14, shortened(bar.name, 18), "", "end")
        picture.text(_VALUES, y + 14, bar.label, "number", "end")
        picture.add(told(filled(box, f"{bar.kind} fill"), bar.text))
    if reference:
        x = scale(reference[0])
        picture.add(filled(_off_notes(x, top, bottom, step, bars, scale), "reference"))
        picture.text(x, top - 11, reference[1], "", "middle")
    for i, bar in enumerate(bars):
        if bar.note:
            picture.text(scale(bar.value) + 6, top + step * i + 14, bar.note, "halo")
    return picture


def _off_notes(
    x: float, top: float, bottom: float, step: float, bars: Sequence[Bar], scale: Scale
) -> str:
    """Return a line from top to bottom that leaves out the rows where a note would be crossed."""
    outline, down = f"M{place(x)} {place(top - 6)}", True
    for i, bar in enumerate(bars):
        start = scale(bar.value) + 6
        crossed = bool(bar.note) and start - 4 < x < start + text_width(bar.note, FONT) + 4
        if crossed == down:
            outline += (
                f"V{place(top + step * i)}" if down else f"M{place(x)} {place(top + step * i)}"
            )
            down = not crossed
    return outline + f"V{place(bottom)}" * down
