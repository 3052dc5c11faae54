"""What no other command shows: which values words have, and which symbols their bits go to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fmcompress.batches import chunks_in_batch
from fmcompress.codecs.choices import DIFFERENCES
from fmcompress.kernel_loading import kernel, kernel_words
from fmcompress.layer_words import LayerWords
from fmcompress.surveying import LayerSurvey

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Histograms tell so many of a word's highest bits apart.
HISTOGRAM_BITS = 8
# As kernels/bpc_symbols.py counts them.
SYMBOLS = (
    "base",
    "zero",
    "zero run",
    "all ones",
    "plane zero",
    "two ones",
    "single one",
    "raw",
)


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often values occur.

    Attributes
    ----------
    first : int
        The least value of the first bin.
    bin_width : int
        Values of a bin.
    counts : ndarray of int64, shape (bins,)
    """

    first: int
    bin_width: int
    counts: NDArray[np.int64]

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(self.first, self.bin_width, self.counts + other.counts)

    def joined(self, bins: int) -> Histogram:
        """Return it with bins put together until there are `bins` at most."""
        times = max(1, -(-self.counts.size // bins))
        padded = np.pad(self.counts, (0, -self.counts.size % times))
        return Histogram(self.first, self.bin_width * times, padded.reshape(-1, times).sum(axis=1))


@dataclass(frozen=True, slots=True)
class LayerDetails:
    """One layer's words.

    Attributes
    ----------
    name : str
    word_bits : int
        Word width w.
    element_type : str
        Of the words, as ``int8``.
    signed : bool
        Whether words are two's complement numbers.
    nonzero_words : int
    values : Histogram
        Of all words.
    differences : Histogram
        Of non-zero words, each less the non-zero word before it.
    symbol_counts, symbol_bits : ndarray of int64, shape (len(SYMBOLS),)
        Of EBPC's BPC streams, every chunk coded, before padding.
    """

    name: str
    word_bits: int
    element_type: str
    signed: bool
    nonzero_words: int
    values: Histogram
    differences: Histogram
    symbol_counts: NDArray[np.int64]
    symbol_bits: NDArray[np.int64]


class Counted(NamedTuple):
    """Some chunks, counted.

    Attributes
    ----------
    ends : tuple of int
        The first and the last word that is not zero; empty without such.
    """

    values: NDArray[np.int64]
    differences: NDArray[np.int64]
    ends: Sequence[int]
    nonzero_words: int
    symbol_counts: NDArray[np.int64]
    symbol_bits: NDArray[np.int64]


class DetailsSurvey(LayerSurvey[Counted]):
    """Counts values, differences and symbols of a layer.

    Parameters
    ----------
    layer : LayerWords
    chunk_words : int
        Words of a transmission.
    """

    def __init__(self, layer: LayerWords, chunk_words: int) -> None:
        super().__init__(layer, chunks_in_batch(chunk_words, layer.word_bits) * chunk_words)
        self._chunk_words = chunk_words
        self._shift = max(0, layer.word_bits - HISTOGRAM_BITS)
        self._bins = 1 << (layer.word_bits - self._shift)
        self._signed = layer.format.difference == "signed"
        self._counted: list[Counted] = []

    def measure(self, words: NDArray[Any]) -> Counted:
        """Count some chunks."""
        bits = self.layer.word_bits
        counts, sizes = (np.zeros(len(SYMBOLS), np.int64) for _ in range(2))
        kernel("bpc_symbols", "count")(
            kernel_words(words),
            self._chunk_words,
            bits,
            self.layer.block_size,
            DIFFERENCES.index(self.layer.difference),
            counts,
            sizes,
        )
        nonzero = words[words != 0].astype(np.int64)
        if self._signed:
            sign = 1 << (bits - 1)
            nonzero = (nonzero ^ sign) - sign
        return Counted(
            np.bincount(words >> self._shift, minlength=self._bins),
            self._binned(np.diff(nonzero)),
            nonzero[[0, -1]].tolist() if nonzero.size else (),
            nonzero.size,
            counts,
            sizes,
        )

    def _binned(self, differences: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount((differences >> self._shift) + self._bins, minlength=2 * self._bins)

    def add(self, measured: Counted) -> None:
        """Add the chunks that come next."""
        self._counted.append(measured)

    def result(self) -> LayerDetails:
        """Return the layer's counts."""
        bits, parts = self.layer.word_bits, self._counted
        ends = [end for part in parts for end in part.ends]
        # Between one part and the next.
        seams = np.array(ends[2::2], np.int64) - np.array(ends[1:-1:2], np.int64)
        values = np.sum([part.values for part in parts], axis=0)
        differences = np.sum([part.differences for part in parts], axis=0) + self._binned(seams)
        width = 1 << self._shift
        first = 0
        if self._signed:
            values = np.roll(values, self._bins // 2)
            first = -(1 << (bits - 1))
        return LayerDetails(
            self.layer.info.name,
            bits,
            str(self.layer.format.describe()["format"]),
            self._signed,
            sum(part.nonzero_words for part in parts),
            Histogram(first, width, values),
            Histogram(-self._bins * width, width, differences),
            np.sum([part.symbol_counts for part in parts], axis=0),
            np.sum([part.symbol_bits for part in parts], axis=0),
        )
