"""How often values occur: histograms that keep to the range in which any do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of a histogram that fills a page.
MOST_BINS = 512


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often values occur.

    Attributes
    ----------
    first : int
        The least value of the first bin, a multiple of `bin_width`.
    bin_width : int
        Values of a bin.
    counts : ndarray of int64, shape (bins,)
    apart : int or None
        How many values are 0, where these are in no bin.
    """

    first: int
    bin_width: int
    counts: NDArray[np.int64]
    apart: int | None = None

    @property
    def total(self) -> int:
        """How many values there are."""
        return int(self.counts.sum()) + (self.apart or 0)

    @property
    def end(self) -> int:
        """The value behind the last bin."""
        return self.first + self.bin_width * self.counts.size

    def __add__(self, other: Histogram) -> Histogram:
        """Return both together, in bins as wide as the wider ones."""
        width = max(self.bin_width, other.bin_width)
        both = [self.widened(width), other.widened(width)]
        first, end = min(one.first for one in both), max(one.end for one in both)
        counts = np.zeros((end - first) // width, np.int64)
        for one in both:
            at = (one.first - first) // width
            counts[at : at + one.counts.size] += one.counts
        zeros = None if self.apart is None else self.apart + (other.apart or 0)
        return Histogram(first, width, counts, zeros)

    def widened(self, bin_width: int) -> Histogram:
        """Return it with bins put together; their width is a multiple of what it was."""
        times = bin_width // self.bin_width
        before = self.first // self.bin_width % times
        padded = self.padded(before, -(before + self.counts.size) % times)
        counts = padded.counts.reshape(-1, times).sum(axis=1)
        return Histogram(padded.first, bin_width, counts, self.apart)

    def padded(self, before: int, after: int) -> Histogram:
        """Return it with empty bins more."""
        first = self.first - before * self.bin_width
        return replace(self, first=first, counts=np.pad(self.counts, (before, after)))

    def joined(self, bins: int) -> Histogram:
        """Return it from the first to the last value that occurs, in `bins` bins at most."""
        found = np.flatnonzero(self.counts)
        start, end = (found[0], found[-1] + 1) if found.size else (0, 1)
        joined = replace(
            self, first=self.first + int(start) * self.bin_width, counts=self.counts[start:end]
        )
        while joined.counts.size > bins:
            joined = joined.widened(2 * joined.bin_width)
        return joined
