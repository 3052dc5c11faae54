"""Histograms: one that fills a page, or many small ones side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from fmcompress.reporting.charts import FONT, LEFT, PLOT_HEIGHT, RIGHT, TOP, WIDTH
from fmcompress.reporting.counting import MOST_BINS, Histogram
from fmcompress.reporting.float_axis import FloatAxis
from fmcompress.reporting.short_names import short_names
from fmcompress.reporting.vector_graphics import (
    Picture,
    Scale,
    filled,
    logarithmic_ticks,
    nice_ticks,
    place,
    plain_number,
    safe,
    slab,
    text_width,
    tick_numbers,
    told,
    visible,
    whole_number,
)

# A bar of zeros that is apart, and what it keeps free, in pixels.
_ZEROS, _GAP = 9, 26
_CELL_WIDTH, _CELL_HEIGHT, _CELL_BINS = 134, 66, 48
_SMALL_ZEROS, _SMALL_GAP, _SMALL_FONT = 4, 10, 10
_HEAD, _FOOT = 16, 24  # of a cell: its name, the ends of its axis
_CELLS = 8  # in a row
# Where fewer values occur, the axis is so many bins long.
_LEAST_BINS = 16
# Where scales of counts begin, so that a bar of one has a height.
_LEAST_COUNT = 0.5


class Small(NamedTuple):
    """One of many histograms.

    Attributes
    ----------
    name : str
    histogram : Histogram
    text : str
        What it says when it is pointed at.
    floats : FloatAxis or None
        Where values are bit patterns.
    """

    name: str
    histogram: Histogram
    text: str
    floats: FloatAxis | None = None


def histogram_chart(
    title: str, histogram: Histogram, axis: str, floats: FloatAxis | None = None
) -> Picture:
    """Draw how often values occur, on a logarithmic scale, from the least to the greatest of them.

    Parameters
    ----------
    floats : FloatAxis, optional
        Where values are bit patterns: the axis has the values that these stand for.
    """
    shown = histogram.joined(MOST_BINS)
    counts = shown.counts.tolist()
    picture = Picture(WIDTH, TOP + PLOT_HEIGHT + 44, title)
    bottom = TOP + PLOT_HEIGHT
    ticks = logarithmic_ticks(1, max(*counts, shown.apart or 0, 10))
    scale = Scale([_LEAST_COUNT, *ticks], bottom, TOP, True)
    for tick, text in zip(ticks, tick_numbers(ticks), strict=True):
        picture.line(LEFT, scale(tick), WIDTH - RIGHT, scale(tick), "grid")
        picture.text(LEFT - 8, scale(tick) + 4, text, "number", "end")
    picture.text(14, (TOP + bottom) / 2, "how many", "axis", "middle", -90)
    left = LEFT + (0 if shown.apart is None else _GAP)
    low, high, ticks_along = _axis(shown, floats)
    along = Scale((low, high), left, WIDTH - RIGHT)
    marks = [(along(value + 0.5), text) for value, text in ticks_along]
    if shown.apart is not None:
        y = scale(shown.apart) if shown.apart else bottom
        picture.add(filled(slab(LEFT + 4, y, _ZEROS, bottom - y), "s0 fill"))
        near = LEFT + _GAP + _ZEROS
        marks = [(LEFT + 4 + _ZEROS / 2, "0"), *(mark for mark in marks if mark[0] > near)]
    for x, text in marks:
        picture.line(x, bottom, x, bottom + 4, "grid")
        anchor = "end" if x > WIDTH - RIGHT - text_width(text, FONT) / 2 else "middle"
        picture.text(x, bottom + 17, text, "number", anchor)
    picture.text((left + WIDTH - RIGHT) / 2, bottom + 38, axis, "axis", "middle")
    step = along(low + shown.bin_width) - left
    picture.centre = along(shown.first) + step * counts.index(max(counts))
    moved = f"translate({place(along(shown.first))} 0)scale({step:.5g} 1)"
    outline = _steps(counts, bottom, scale)
    picture.add(f'<path class="s0 fill" transform="{moved}" d="{outline}"/>')
    return picture


def _axis(shown: Histogram, floats: FloatAxis | None) -> tuple[int, int, list[tuple[int, str]]]:
    """Return the ends of an axis, and its marks."""
    last = max(shown.end - 1, shown.first + 10 * shown.bin_width)
    if floats is not None:
        margin = max((last - shown.first) // 50, 1)
        low, high = max(shown.first - margin, 0), last + margin
        return low, high, floats.ticks(low, high)
    ends = nice_ticks(shown.first, last, 30)
    low, high = round(ends[0]), round(ends[-1]) + 1
    marks = [
        tick for tick in nice_ticks(low, high - 1, 10) if low <= tick < high and tick == round(tick)
    ]
    return low, high, list(zip(map(round, marks), tick_numbers(marks), strict=True))


def _steps(counts: Sequence[int], bottom: float, scale: Scale) -> str:
    """Return the outline of bars side by side, each 1 wide."""
    parts, before, waiting = [f"M0 {place(bottom)}"], place(bottom), 0
    for y in [*(place(scale(count) if count else bottom) for count in counts), place(bottom)]:
        if y != before:
            parts.append(f"h{waiting}" * bool(waiting) + f"V{y}")
            before, waiting = y, 0
        waiting += 1
    return "".join([*parts, "z"])


def small_histograms(title: str, many: Sequence[Small]) -> Picture:
    """Draw histograms side by side, each on a logarithmic scale and an axis of its own."""
    columns = min(len(many), _CELLS)
    rows = math.ceil(len(many) / columns)
    across, down = _CELL_WIDTH + 8, _HEAD + _CELL_HEIGHT + _FOOT
    picture = Picture(across * columns, down * rows, title)
    characters = int(_CELL_WIDTH / text_width("n", FONT)) - 2
    names = [visible(one.name) for one in many]
    labels = short_names(names, characters)
    picture.has_cut = labels != names
    for i, (one, label) in enumerate(zip(many, labels, strict=True)):
        x, y = across * (i % columns), down * (i // columns)
        top, bottom = y + _HEAD, y + _HEAD + _CELL_HEIGHT
        shown = _padded(one.histogram.joined(_CELL_BINS))
        elements = filled(slab(x, top, _CELL_WIDTH, _CELL_HEIGHT), "cell")
        elements += _small_bars(shown, x, bottom)
        if shown.first < 0 < shown.end:
            zero = x + _CELL_WIDTH * -shown.first / (shown.end - shown.first)
            elements += filled(f"M{place(zero)} {top}V{bottom}", "reference")
        ends = _ends(shown, one.floats)
        elements += f'<text x="{x + 1}" y="{y + 11}">{safe(label)}</text>'
        elements += f'<text class="number small" x="{x + 1}" y="{bottom + 12}">{ends}</text>'
        if others := _others(shown):
            corner = f'x="{x + _CELL_WIDTH - 3}" y="{top + 11}"'
            elements += f'<text class="number small end" {corner}>{others}</text>'
        picture.add(told(elements, one.text))
    return picture


def _padded(histogram: Histogram) -> Histogram:
    """Return a histogram of few bins with empty ones beside them."""
    lacking = _LEAST_BINS - histogram.counts.size
    if lacking <= 0:
        return histogram
    before = lacking // 2 if histogram.first < 0 else 0
    return histogram.padded(before, lacking - before)


def _ends(shown: Histogram, floats: FloatAxis | None) -> str:
    """Write the least and the greatest value that occur, with digits that there is room for."""
    if not shown.total:
        return "none"
    texts = [
        "; ".join(filter(None, ("0" * bool(shown.apart), span(shown, floats, digits))))
        for digits in (4, 3)
    ]
    return next((text for text in texts if text_width(text, _SMALL_FONT) <= _CELL_WIDTH), texts[-1])


def _others(shown: Histogram) -> str:
    """Name what occurs, and is no finite number."""
    return ", ".join(filter(None, ("NaN" * bool(shown.nans), "inf" * bool(shown.infinities))))


def span(histogram: Histogram, floats: FloatAxis | None, digits: int = 4) -> str:
    """Write the least and the greatest value in a bin; nothing where all bins are empty."""
    if histogram.range is None:
        return ""
    if floats is None:
        ends = [whole_number(value) for value in histogram.range]
    else:
        ends = [plain_number(float(f"{floats.value(w):.{digits}g}")) for w in histogram.range]
    return " to ".join(dict.fromkeys(ends))


def _small_bars(shown: Histogram, x: float, bottom: float) -> str:
    """Return bars as outlines in steps of a bin and of a pixel, relative to each other: short."""
    counts = shown.counts.tolist()
    top = max(*counts, shown.apart or 0, 10)
    left, drawn = 0, ""
    if shown.apart is not None:
        left = _SMALL_GAP
        drawn = filled(
            f"M{x + 2} {bottom}v-{_height(shown.apart, top)}h{_SMALL_ZEROS}V{bottom}z", "s0 fill"
        )
    parts, before, waiting = ["M0 0"], 0, 0
    for high in [*(_height(count, top) for count in counts), 0]:
        if high != before:
            parts.append(f"h{waiting}" * bool(waiting) + f"v{before - high}")
            before, waiting = high, 0
        waiting += 1
    outline = "".join([*parts, "z"])
    moved = f"translate({x + left} {bottom})scale({(_CELL_WIDTH - left) / len(counts):.4g} 1)"
    return f'{drawn}<path class="s0 fill" transform="{moved}" d="{outline}"/>'


def _height(count: int, top: int) -> int:
    """Return a bar's height in a cell; `top` is the greatest count."""
    if not count:
        return 0
    share = math.log10(count / _LEAST_COUNT) / math.log10(top / _LEAST_COUNT)
    return round((_CELL_HEIGHT - 2) * share)
