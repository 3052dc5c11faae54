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
from fmcompress.reporting.counting import MOST_BINS, Histogram
from fmcompress.surveying import LayerSurvey
from fmcompress.words.floats import FloatWords

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many of a word's highest bits are told apart when words are counted.
_COUNTED_BITS = 16
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
    difference : str
        How EBPC forms differences.
    floats : FloatWords or None
        Whose bit patterns words are; None of numbers.
    nonzero_words : int
    values : Histogram
        Of all words; of bit patterns, zeros are apart, those with a sign, too.
    differences : Histogram
        Of non-zero words, each less the non-zero word before it.
    symbol_counts, symbol_bits : ndarray of int64, shape (len(SYMBOLS),)
        Of EBPC's BPC streams, every chunk coded, before padding.
    """

    name: str
    word_bits: int
    element_type: str
    signed: bool
    difference: str
    floats: FloatWords | None
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
    negative_zeros : int
        Of floats, which are words other than 0.
    """

    values: NDArray[np.int64]
    differences: NDArray[np.int64]
    ends: Sequence[int]
    nonzero_words: int
    negative_zeros: int
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
        self._shift = max(0, layer.word_bits - _COUNTED_BITS)
        self._bins = 1 << (layer.word_bits - self._shift)
        self._signed = layer.format.difference == "signed"
        self._values = np.zeros(self._bins, np.int64)
        self._differences = np.zeros(2 * self._bins, np.int64)
        self._symbols = np.zeros((2, len(SYMBOLS)), np.int64)
        self._nonzero_words = self._negative_zeros = 0
        self._floats = layer.format if isinstance(layer.format, FloatWords) else None
        self._negative_zero = None
        if self._floats is not None:
            rotated = self._floats.mapping == "rotate"
            self._negative_zero = 1 if rotated else 1 << (layer.word_bits - 1)
        self._ends: list[int] = []

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
            0 if self._negative_zero is None else int(np.sum(words == self._negative_zero)),
            counts,
            sizes,
        )

    def _binned(self, differences: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount((differences >> self._shift) + self._bins, minlength=2 * self._bins)

    def add(self, measured: Counted) -> None:
        """Add the chunks that come next."""
        self._values += measured.values
        self._differences += measured.differences
        self._symbols += [measured.symbol_counts, measured.symbol_bits]
        self._nonzero_words += measured.nonzero_words
        self._negative_zeros += measured.negative_zeros
        self._ends += measured.ends

    def result(self) -> LayerDetails:
        """Return the layer's counts."""
        bits, width, ends = self.layer.word_bits, 1 << self._shift, self._ends
        # Between one part and the next.
        seams = np.array(ends[2::2], np.int64) - np.array(ends[1:-1:2], np.int64)
        differences = self._differences + self._binned(seams)
        values, first, apart = self._values, 0, None
        if self._signed:
            values, first = np.roll(values, self._bins // 2), -(1 << (bits - 1))
        elif self._negative_zero is not None:
            zeros = int(values.sum()) - self._nonzero_words
            apart = zeros + self._negative_zeros
            values = values.copy()
            values[0] -= zeros
            values[self._negative_zero >> self._shift] -= self._negative_zeros
        return LayerDetails(
            self.layer.info.name,
            bits,
            str(self.layer.format.describe()["format"]),
            self._signed,
            self.layer.difference,
            self._floats,
            self._nonzero_words,
            Histogram(first, width, values, apart).joined(MOST_BINS),
            Histogram(-self._bins * width, width, differences).joined(MOST_BINS),
            *self._symbols,
        )
