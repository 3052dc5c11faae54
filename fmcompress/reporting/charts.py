"""Charts: box plots, bars, histograms and heat maps, from plain numbers; nothing of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fmcompress.reporting.vector_graphics import (
    Picture,
    Scale,
    filled,
    logarithmic_ticks,
    nice_ticks,
    place,
    plain_number,
    shortened,
    slab,
    text_width,
    told,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH = 1140  # of a chart that fills a page
LEFT, RIGHT, TOP = 64, 12, 14
PLOT_HEIGHT = 280
LEAST_SLOT, MOST_SLOT = 15, 110
NUMBERED_SLOT = 36  # of a box with a number above it
FONT = 11
MOST_LABEL = 22  # characters
SERIES = 8  # colours
# A ratio's axis is logarithmic where the greatest is so many times the least.
_WIDE = 15


class Box(NamedTuple):
    """Where values lie: percentiles, interpolated linearly."""

    percentile_1: float
    quartile_1: float
    median: float
    quartile_3: float
    percentile_99: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Box:
        """Return those of some values."""
        return cls(*np.percentile(values, [1, 25, 50, 75, 99]).tolist())

    def times(self, factor: float) -> Box:
        """Return it in another unit."""
        return Box(*(factor * value for value in self))


class Series(NamedTuple):
    """Boxes of one colour.

    Attributes
    ----------
    name : str
    boxes : mapping
        By category; some may be missing.
    texts : mapping
        What is said of each box when its category is pointed at.
    """

    name: str
    boxes: Mapping[str, Box]
    texts: Mapping[str, str]


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


class Categories:
    """A chart with categories side by side, and an axis to the left.

    Parameters
    ----------
    title : str
    names : sequence of str
        Of the categories.
    ticks : sequence of float
        Of the axis.
    axis : str
        What it measures.
    legend : sequence of (str, str)
        Names and classes of colours; none where there is one.
    logarithmic : bool
    most_slot : float
        Pixels of a category at most.
    """

    def __init__(
        self,
        title: str,
        names: Sequence[str],
        ticks: Sequence[float],
        axis: str,
        legend: Sequence[tuple[str, str]] = (),
        logarithmic: bool = False,
        most_slot: float = MOST_SLOT,
    ) -> None:
        room = (WIDTH - LEFT - RIGHT) / max(len(names), 1)
        self.slot = min(max(room, LEAST_SLOT), most_slot)
        labels = [shortened(name, MOST_LABEL) for name in names]
        longest = max((text_width(label, FONT) for label in labels), default=0)
        flat = longest < self.slot - 6
        below = 26 if flat else 0.87 * longest + 22
        top = TOP + (26 if legend else 0)
        width = max(LEFT + self.slot * len(names) + RIGHT, 420, legend_end(legend))
        self.bottom = top + PLOT_HEIGHT
        self.right = LEFT + self.slot * len(names)
        self.picture = Picture(width, self.bottom + below, title)
        self.scale = Scale(ticks, self.bottom, top, logarithmic)
        self._stripes(names, top)
        self._axis(f"{axis}, logarithmic" if logarithmic else axis, top)
        draw_legend(self.picture, legend)
        for i, label in enumerate(labels):
            x = self.middle(i)
            if flat:
                self.picture.text(x, self.bottom + 18, label, anchor="middle")
            else:
                self.picture.text(x + 4, self.bottom + 13, label, "", "end", -60)

    def middle(self, number: int) -> float:
        """Return where a category's middle is."""
        return LEFT + self.slot * (number + 0.5)

    def touch(self, number: int, text: str) -> None:
        """Have a category say something when it is pointed at."""
        left, height = LEFT + self.slot * number, self.bottom - self.scale.end
        self.picture.add(told(filled(slab(left, self.scale.end, self.slot, height), "touch"), text))

    def bars(self, outlines: Sequence[tuple[str, str]]) -> None:
        """Draw bars, those of a colour as one path; behind them one can point at categories."""
        for outline, kind in outlines:
            if outline:
                self.picture.add(filled(outline, f"{kind} fill mute"))

    def _stripes(self, names: Sequence[str], top: float) -> None:
        lefts = (LEFT + self.slot * i for i in range(1, len(names), 2))
        stripes = "".join(slab(left, top, self.slot, PLOT_HEIGHT) for left in lefts)
        self.picture.add(filled(stripes, "stripe"))

    def _axis(self, axis: str, top: float) -> None:
        for tick in self.scale.ticks:
            y = self.scale(tick)
            self.picture.line(LEFT, y, self.right, y, "grid")
            self.picture.text(LEFT - 8, y + 4, plain_number(tick), "number", "end")
        middle = (top + self.bottom) / 2
        self.picture.text(14, middle, axis, "axis", "middle", -90)

    def reference(self, value: float) -> None:
        """Mark a value along the whole chart."""
        y = self.scale(value)
        self.picture.line(LEFT, y, self.right, y, "reference")


def series_legend(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return names with the classes of their colours; none where one name needs none."""
    return [(name, f"s{i % SERIES}") for i, name in enumerate(names)] if len(names) > 1 else []


def draw_legend(picture: Picture, names: Sequence[tuple[str, str]], left: float = LEFT) -> None:
    """Draw names behind their colours, at the top."""
    for number, (name, kind) in enumerate(names):
        x = legend_end(names[:number], left)
        picture.add(filled(slab(x, 6, 11, 11), f"key {kind} fill"))
        picture.text(x + 17, 15.5, name)


def legend_end(names: Sequence[tuple[str, str]], left: float = LEFT) -> float:
    """Return where a legend ends."""
    return left + sum(text_width(name, FONT) + 36 for name, _ in names)


def box_plot(
    title: str,
    names: Sequence[str],
    series: Sequence[Series],
    axis: str,
    *,
    most: float | None = None,
    reference: float | None = None,
    numbers: bool = False,
) -> Picture:
    """Draw boxes of quantiles, for each category those of all series side by side.

    Parameters
    ----------
    most : float, optional
        Where the axis ends, if not at the greatest value.
    reference : float, optional
        A value to be marked.
    numbers : bool
        Write medians above their boxes, and leave out the lines between them.
    """
    values = [value for one in series for box in one.boxes.values() for value in box]
    greatest, least = max(values), min(values)
    wide = most is None and least > 0 and greatest / least > _WIDE
    ticks = logarithmic_ticks(least, greatest) if wide else nice_ticks(0, most or greatest)
    legend = series_legend([one.name for one in series])
    most_slot = max(MOST_SLOT, NUMBERED_SLOT * len(series) + 24) if numbers else MOST_SLOT
    chart = Categories(title, names, ticks, axis, legend, wide, most_slot)
    if reference is not None:
        chart.reference(reference)
    each = min((chart.slot - 3) / len(series), NUMBERED_SLOT if numbers else 22)
    for number, one in enumerate(series):
        shift = (number - (len(series) - 1) / 2) * each
        drawn = [(i, one.boxes[name]) for i, name in enumerate(names) if name in one.boxes]
        places = [(chart.middle(i) + shift, box) for i, box in drawn]
        elements = []
        if not numbers and len(names) > 1:
            points = "L".join(f"{place(x)} {place(chart.scale(b.median))}" for x, b in places)
            kind = "profile" if len(series) == 1 else "profile alone"
            elements.append(filled(f"M{points}", kind))
        elements += _boxes(places, chart.scale, each)
        chart.picture.add(f'<g class="s{number % SERIES}">{"".join(elements)}</g>')
        if numbers:
            for x, box in places:
                y = chart.scale(box.percentile_99) - 5
                chart.picture.text(x, y, f"{box.median:.2f}", "number small", "middle")
    for i, name in enumerate(names):
        lines = [one.texts[name] for one in series if name in one.texts]
        chart.touch(i, "\n".join([name, *lines]))
    return chart.picture


def _boxes(places: Sequence[tuple[float, Box]], scale: Scale, room: float) -> list[str]:
    """Return boxes as few paths, each of what looks the same; places are of their middles."""
    narrow = room < 8
    width = max(room - 1, 2.5) if narrow else room - min(4, room / 5)
    whiskers, boxes, medians = "", "", ""
    for x, box in places:
        low, q1, median, q3, high = (scale(value) for value in box)
        left = x - width / 2
        if low - high > 0.5:
            whiskers += f"M{place(x)} {place(low)}V{place(high)}"
        if q1 - q3 > 0.5:
            boxes += slab(left, q3, width, q1 - q3)
        medians += f"M{place(left)} {place(median)}h{place(width)}"
    kinds = ("whisker", "box", "median narrow" if narrow else "median")
    pairs = zip((whiskers, boxes, medians), kinds, strict=True)
    return [filled(outline, kind) for outline, kind in pairs if outline]


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
    chart = Categories(title, names, ticks, axis, series_legend(parts))
    width = min(chart.slot - 3, 40)
    outlines = [""] * len(parts)
    for i, stack in enumerate(stacks):
        total = 0.0
        for kind, part in enumerate(stack.parts):
            top, bottom = chart.scale(total + part), chart.scale(total)
            total += part
            if bottom - top > 0.05:
                outlines[kind] += slab(chart.middle(i) - width / 2, top, width, bottom - top)
        chart.touch(i, stack.text)
    chart.bars([(outline, f"s{i % SERIES}") for i, outline in enumerate(outlines)])
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
    outlines = ["", ""]
    for i, (pair, text) in enumerate(zip(pairs, texts, strict=True)):
        for number, (value, share) in enumerate(zip(pair, (0.8, 0.45), strict=True)):
            width = min(chart.slot, 50) * share
            y = chart.scale(value)
            outlines[number] += slab(chart.middle(i) - width / 2, y, width, chart.bottom - y)
        chart.touch(i, text)
    chart.bars(list(zip(outlines, ("raw", "s0"), strict=True)))
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
        What is written behind it.
    text : str
        What it says when it is pointed at.
    """

    name: str
    value: float
    kind: str
    label: str
    text: str


def lying_bars(
    title: str,
    bars: Sequence[Bar],
    axis: str,
    legend: Sequence[tuple[str, str]],
    reference: tuple[float, str] | None = None,
) -> Picture:
    """Draw bars one below the other, with a value that is marked and named."""
    left, right, step, top = 120, 640, 22, 54 if reference else 32
    values = [bar.value for bar in bars] + ([reference[0]] if reference else [])
    ticks = nice_ticks(0, max(values))
    bottom = top + step * len(bars) + 4
    picture = Picture(right + 120, bottom + 40, title)
    draw_legend(picture, legend, left)
    scale = Scale(ticks, left, right)
    for tick in ticks:
        picture.line(scale(tick), top - 4, scale(tick), bottom, "grid")
        picture.text(scale(tick), bottom + 16, plain_number(tick), "number", "middle")
    picture.text((left + right) / 2, bottom + 34, axis, "axis", "middle")
    for i, bar in enumerate(bars):
        y = top + step * i
        box = slab(left, y + 2, max(scale(bar.value) - left, 0.5), step - 6)
        picture.text(left - 8, y + 14, shortened(bar.name, 18), "", "end")
        picture.add(told(filled(box, f"{bar.kind} fill"), bar.text))
    if reference:
        x = scale(reference[0])
        picture.line(x, top - 6, x, bottom, "reference")
        picture.text(x, top - 11, reference[1], "", "middle")
    for i, bar in enumerate(bars):
        picture.text(scale(bar.value) + 6, top + step * i + 14, bar.label, "halo")
    return picture


def heat_map(
    title: str,
    rows: Sequence[int],
    columns: Sequence[int],
    cells: Mapping[tuple[int, int], float],
    names: tuple[str, str],
) -> Picture:
    """Draw numbers as a table whose cells are the darker the greater they are."""
    left, top, width, height = 84, 48, 84, 40
    picture = Picture(left + width * len(columns) + 8, top + height * len(rows) + 8, title)
    least, greatest = min(cells.values()), max(cells.values())
    picture.text(left + width * len(columns) / 2, 16, names[1], "axis", "middle")
    picture.text(14, top + height * len(rows) / 2, names[0], "axis", "middle", -90)
    for i, row in enumerate(rows):
        y = top + height * i
        picture.text(left - 10, y + height / 2 + 4, str(row), "number", "end")
        for j, column in enumerate(columns):
            x = left + width * j
            if i == 0:
                picture.text(x + width / 2, top - 10, str(column), "number", "middle")
            value = cells[row, column]
            share = (value - least) / (greatest - least or 1)
            kind = "heat best" if value == greatest else "heat"
            outline = slab(x + 1, y + 1, width - 2, height - 2)
            shade = f"{0.06 + 0.5 * share:.2f}"
            cell = f'<path class="{kind}" fill-opacity="{shade}" d="{outline}"/>'
            text = f"{names[0]} {row}, {names[1]} {column}: {value:.4f}"
            picture.add(told(cell, text))
            picture.text(x + width / 2, y + height / 2 + 4, f"{value:.3f}", "", "middle")
    return picture
