"""Charts with categories side by side, box plots and heat maps, from plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fmcompress.reporting.short_names import short_names
from fmcompress.reporting.vector_graphics import (
    Picture,
    Scale,
    filled,
    logarithmic_ticks,
    nice_ticks,
    place,
    safe,
    slab,
    text_width,
    tick_numbers,
    told,
    visible,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH = 1140  # of a chart that fills a page
LEFT, RIGHT, TOP = 64, 12, 14
PLOT_HEIGHT = 280
LEAST_SLOT, MOST_SLOT = 15, 110
NUMBERED_SLOT = 36  # of a box with a number above it
FONT = 11
MOST_LABEL, MOST_FORMAT = 26, 40  # characters, of a layer's name and of a number format's
_TURNED = 65  # degrees of a long label
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
    colour : str
        Its class.
    """

    name: str
    boxes: Mapping[str, Box]
    texts: Mapping[str, str]
    colour: str = "s0"


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
    most_label : int
        Characters of its name at most.
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
        most_label: int = MOST_LABEL,
    ) -> None:
        room = (WIDTH - LEFT - RIGHT) / max(len(names), 1)
        self.slot = min(max(room, LEAST_SLOT), most_slot)
        whole = [visible(name) for name in names]
        labels = short_names(whole, most_label)
        longest = max((text_width(label, FONT) for label in labels), default=0)
        flat = longest < self.slot - 6
        below = 26 if flat else 0.91 * longest + 34
        top = TOP + (26 if legend else 0)
        width = max(LEFT + self.slot * len(names) + RIGHT, 420, legend_end(legend))
        self.bottom = top + PLOT_HEIGHT
        self.right = LEFT + self.slot * len(names)
        self.picture = Picture(width, self.bottom + below, title)
        self.picture.has_cut = labels != whole
        self.scale = Scale(ticks, self.bottom, top, logarithmic)
        self._stripes(top)
        self._axis(f"{axis}, logarithmic" if logarithmic else axis, top)
        draw_legend(self.picture, legend)
        places = [(self.middle(i), label) for i, label in enumerate(labels)]
        if flat:
            for x, label in places:
                self.picture.text(x, self.bottom + 18, label, anchor="middle")
        else:
            leaning = [(x + 4, self.bottom + 13, label) for x, label in places]
            self.picture.leaning_texts(leaning, _TURNED)

    def middle(self, number: int) -> float:
        """Return where a category's middle is."""
        return LEFT + self.slot * (number + 0.5)

    def touch(self, number: int, text: str) -> None:
        """Have a category say something when it is pointed at."""
        left, height = LEFT + self.slot * number, self.bottom - self.scale.end
        self.picture.add(told(filled(slab(left, self.scale.end, self.slot, height), "touch"), text))

    def bars(self, outlines: Sequence[tuple[str, str, float]]) -> None:
        """Draw bars, those of a colour as one path; behind them one can point at categories.

        Each is of lines upwards, a class, and how wide bars are: lines take less than outlines.
        """
        for lines, kind, width in outlines:
            if lines:
                wide = f'stroke-width="{place(width)}"'
                self.picture.add(f'<path class="{kind} mute" {wide} d="{lines}"/>')

    def _stripes(self, top: float) -> None:
        """Shade every other category: one line, as wide as the plot is high, with gaps."""
        y = place((top + self.bottom) / 2)
        slot = f"{self.slot:.5g}"
        self.picture.add(
            f'<path class="stripe" stroke-width="{PLOT_HEIGHT}" stroke-dasharray="{slot}" '
            f'stroke-dashoffset="{slot}" d="M{LEFT} {y}H{place(self.right)}"/>'
        )

    def _axis(self, axis: str, top: float) -> None:
        ticks = self.scale.ticks
        for tick, text in zip(ticks, tick_numbers(ticks), strict=True):
            y = self.scale(tick)
            self.picture.line(LEFT, y, self.right, y, "grid")
            self.picture.text(LEFT - 8, y + 4, text, "number", "end")
        middle = (top + self.bottom) / 2
        self.picture.text(14, middle, axis, "axis", "middle", -90)

    def reference(self, value: float) -> None:
        """Mark a value along the whole chart."""
        y = self.scale(value)
        self.picture.line(LEFT, y, self.right, y, "reference")


def draw_legend(picture: Picture, names: Sequence[tuple[str, str]], left: float = LEFT) -> None:
    """Draw names behind their colours, at the top."""
    for number, (name, kind) in enumerate(names):
        x = legend_end(names[:number], left)
        picture.add(f'<g data-codec="{safe(name)}">')
        picture.add(filled(slab(x, 6, 11, 11), f"key {kind} fill"))
        picture.text(x + 17, 15.5, name)
        picture.add("</g>")


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
    legend = [(one.name, one.colour) for one in series] if len(series) > 1 else []
    most_slot: float = MOST_SLOT
    if numbers:
        longest = max(text_width(name, FONT) for name in names)
        most_slot = max(MOST_SLOT, NUMBERED_SLOT * len(series) + 24, longest + 8)
    most_label = MOST_FORMAT if numbers else MOST_LABEL
    chart = Categories(title, names, ticks, axis, legend, wide, most_slot, most_label)
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
        named = f'data-codec="{safe(one.name)}"'
        chart.picture.add(f'<g class="{one.colour}" {named}>{"".join(elements)}</g>')
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
        if low - high > 0.5:
            whiskers += f"M{place(x)} {place(low)}V{place(high)}"
        if q1 - q3 > 0.5:
            boxes += f"M{place(x)} {place(q1)}V{place(q3)}"
        medians += f"M{place(x - width / 2)} {place(median)}h{place(width)}"
    # Boxes are wide lines: these take less than outlines.
    drawn = (
        (whiskers, 'class="whisker"'),
        (boxes, f'class="box" stroke-width="{place(width)}"'),
        (medians, f'class="median{" narrow" if narrow else ""}"'),
    )
    return [f'<path {more} d="{lines}"/>' for lines, more in drawn if lines]


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
            kind = "heat best" if least < value == greatest else "heat"
            outline = slab(x + 1, y + 1, width - 2, height - 2)
            shade = f"{0.06 + 0.5 * share:.2f}"
            cell = f'<path class="{kind}" fill-opacity="{shade}" d="{outline}"/>'
            text = f"{names[0]} {row}, {names[1]} {column}: {value:.4f}"
            picture.add(told(cell, text))
            picture.text(x + width / 2, y + height / 2 + 4, f"{value:.3f}", "", "middle")
    return picture
