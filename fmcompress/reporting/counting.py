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
    ends : tuple of int, optional
        The least and the greatest value in a bin; where they are not known, the bins' edges count.
    nans, infinities : int
        How many values are no numbers and infinite: these are in no bin.
    """

    first: int
    bin_width: int
    counts: NDArray[np.int64]
    apart: int | None = None
    ends: tuple[int, int] | None = None
    nans: int = 0
    infinities: int = 0

    @property
    def total(self) -> int:
        """How many values there are."""
        return int(self.counts.sum()) + (self.apart or 0) + self.nans + self.infinities

    @property
    def range(self) -> tuple[int, int] | None:
        """The least and the greatest value in a bin; None where all bins are empty."""
        found = np.flatnonzero(self.counts)
        if not found.size:
            return None
        edges = (self.first + self.bin_width * int(at) for at in (found[0], found[-1] + 1))
        return self.ends or (next(edges), next(edges) - 1)

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
        ranges = [one.range for one in (self, other) if one.range is not None]
        ends = (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None
        nans, infinities = self.nans + other.nans, self.infinities + other.infinities
        return Histogram(first, width, counts, zeros, ends, nans, infinities)

    def widened(self, bin_width: int) -> Histogram:
        """Return it with bins put together; their width is a multiple of what it was."""
        times = bin_width // self.bin_width
        before = self.first // self.bin_width % times
        padded = self.padded(before, -(before + self.counts.size) % times)
        counts = padded.counts.reshape(-1, times).sum(axis=1)
        return replace(padded, bin_width=bin_width, counts=counts)

    def padded(self, before: int, after: int) -> Histogram:
        """Return it with empty bins more."""
        first = self.first - before * self.bin_width
        return replace(self, first=first, counts=np.pad(self.counts, (before, after)))

    def joined(self, bins: int) -> Histogram:
        """Return it from the first to the last value that occurs, in `bins` bins at most."""
        found = np.flatnonzero(self.counts)
        start, end = (found[0], found[-1] + 1) if found.size else (0, 1)
        joined = replace(
            self,
            first=self.first + int(start) * self.bin_width,
            counts=self.counts[start:end],
            ends=self.range,
        )
        while joined.counts.size > bins:
            joined = joined.widened(2 * joined.bin_width)
        return joined
