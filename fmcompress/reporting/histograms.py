"""Histograms: one that fills a page, or many small ones side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from fmcompress.reporting.charts import FONT, LEFT, PLOT_HEIGHT, RIGHT, TOP, WIDTH
from fmcompress.reporting.vector_graphics import (
    Picture,
    Scale,
    count_number,
    filled,
    logarithmic_ticks,
    nice_ticks,
    place,
    plain_number,
    safe,
    shortened,
    slab,
    text_width,
    told,
)
from fmcompress.reporting.word_details import Histogram

_CELL_WIDTH, _CELL_HEIGHT, _CELL_BINS = 134, 66, 64
_CELLS = 8  # in a row


class Small(NamedTuple):
    """One of many histograms.

    Attributes
    ----------
    name : str
    histogram : Histogram
    text : str
        What it says when it is pointed at.
    """

    name: str
    histogram: Histogram
    text: str


def histogram_chart(title: str, histogram: Histogram, axis: str) -> Picture:
    """Draw how often values occur, on a logarithmic scale."""
    counts = histogram.counts.tolist()
    picture = Picture(WIDTH, TOP + PLOT_HEIGHT + 44, title)
    bottom = TOP + PLOT_HEIGHT
    ticks = logarithmic_ticks(1, max(*counts, 10))
    # A value that occurs once is to be seen, too.
    scale = Scale(ticks, bottom - 4, TOP, True)
    for tick in ticks:
        picture.line(LEFT, scale(tick), WIDTH - RIGHT, scale(tick), "grid")
        picture.text(LEFT - 8, scale(tick) + 4, count_number(tick), "number", "end")
    picture.text(14, (TOP + bottom) / 2, "words", "axis", "middle", -90)
    step = (WIDTH - LEFT - RIGHT) / len(counts)
    # In bins: they are the words themselves, or their highest bits.
    first = histogram.first // histogram.bin_width
    last = first + len(counts) - 1
    for tick in nice_ticks(first, last, 10):
        x = LEFT + (tick - first + 0.5) * step
        if first <= tick <= last and tick == round(tick):
            picture.line(x, bottom, x, bottom + 4, "grid")
            picture.text(x, bottom + 17, plain_number(tick), "number", "middle")
    picture.text((LEFT + WIDTH - RIGHT) / 2, bottom + 38, axis, "axis", "middle")
    picture.add(filled(_steps(counts, LEFT, bottom, step, scale), "s0 fill"))
    return picture


def _steps(counts: Sequence[int], left: float, bottom: float, step: float, scale: Scale) -> str:
    """Return the outline of bars side by side."""
    parts, before = [f"M{place(left)} {place(bottom)}"], bottom
    for i, count in enumerate(counts):
        y = scale(count) if count else bottom
        if place(y) != place(before):
            parts.append(f"V{place(y)}")
            before = y
        parts.append(f"H{place(left + step * (i + 1))}")
    joined = "".join(parts)
    return f"{joined}V{place(bottom)}Z"


def small_histograms(title: str, many: Sequence[Small]) -> Picture:
    """Draw histograms side by side, each on a logarithmic scale of its own."""
    columns = min(len(many), _CELLS)
    rows = math.ceil(len(many) / columns)
    picture = Picture((_CELL_WIDTH + 8) * columns, (_CELL_HEIGHT + 26) * rows, title)
    characters = int(_CELL_WIDTH / text_width("n", FONT)) - 2
    for i, one in enumerate(many):
        x, y = (_CELL_WIDTH + 8) * (i % columns), (_CELL_HEIGHT + 26) * (i // columns)
        bottom = y + _CELL_HEIGHT + 16
        joined = one.histogram.joined(_CELL_BINS)
        counts = joined.counts.tolist()
        step = _CELL_WIDTH / len(counts)
        zero = x + (-joined.first) / joined.bin_width * step
        outline = _small_outline(counts, x, bottom, step)
        elements = filled(slab(x, y + 16, _CELL_WIDTH, _CELL_HEIGHT), "cell")
        elements += filled(outline, "s0 fill")
        if joined.first:
            elements += filled(f"M{place(zero)} {y + 16}V{bottom}", "reference")
        name = safe(shortened(one.name, characters))
        picture.add(told(f'{elements}<text x="{x + 1}" y="{y + 11}">{name}</text>', one.text))
    return picture


def _small_outline(counts: Sequence[int], x: float, bottom: float, step: float) -> str:
    """Return an outline in steps of whole pixels, relative to each other: short."""
    top = math.log10(max(*counts, 10))
    heights = [
        round(2 + (_CELL_HEIGHT - 4) * math.log10(count) / top) if count else 0 for count in counts
    ]
    parts, before, waiting, at = [f"M{place(x)} {place(bottom)}"], 0, 0, 0.0
    for height in [*heights, 0]:
        if height != before:
            if waiting:
                parts.append(f"H{place(x + at)}")
            parts.append(f"v{before - height}")
            before, waiting = height, 0
        waiting += 1
        at += step
    return "".join([*parts, "Z"])
