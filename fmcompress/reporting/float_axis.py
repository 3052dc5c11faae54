"""Which floats words are the bit patterns of, for axes of histograms."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from fmcompress.reporting.vector_graphics import tick_numbers
from fmcompress.small_floats import SMALL_FLOATS, SmallFloat
from fmcompress.words.floats import FloatWords

FLOATS = {**SMALL_FLOATS, "float32": SmallFloat(8, 23)}
# What ticks are at, times powers of ten; and of so many of these one.
_STEPS: tuple[tuple[tuple[int, ...], int], ...] = (
    ((1, 2, 5), 1),
    *(((1,), every) for every in (1, 2, 5, 10, 20)),
)


@dataclass(frozen=True, slots=True)
class FloatAxis:
    """From words to the values that they stand for.

    Parameters
    ----------
    words : FloatWords
    """

    words: FloatWords

    @property
    def rotated(self) -> bool:
        """Whether the sign is a word's lowest bit, so that the rest is the magnitude."""
        return self.words.mapping == "rotate"

    @property
    def title(self) -> str:
        """What the axis is."""
        what = "magnitude" if self.rotated else "value"
        return f"{what}, spaced as the bit patterns of {self.words.format} are"

    def value(self, word: int) -> float:
        """Return the value of a word; of one with the sign below, its magnitude."""
        pattern = word >> 1 if self.rotated else word
        return float(FLOATS[self.words.format].to_values(np.array([pattern]))[0])

    def word(self, value: float) -> int:
        """Return the first word whose value is not below a positive one."""
        return bisect_left(range(self._infinity), value, key=self.value)

    @property
    def _infinity(self) -> int:
        return FLOATS[self.words.format].infinity << self.rotated

    def ticks(self, first: int, last: int, most: int = 12) -> list[tuple[int, str]]:
        """Return round positive values from one word to another, with how they are written."""
        least, greatest = (
            self.value(min(max(word, 1 << self.rotated), self._infinity - 1))
            for word in (first, last)
        )
        low, high = (math.floor(math.log10(value)) for value in (least, greatest))
        values: list[float] = []
        for factors, every in _STEPS:
            powers = range(low - low % every, high + 1, every)
            values = [factor * 10.0**power for power in powers for factor in factors]
            values = [value for value in values if least <= value <= greatest]
            if len(values) <= most:
                break
        return list(zip(map(self.word, values), tick_numbers(values), strict=True))
