"""What no other command shows: which values words have, and which symbols their bits go to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fmcompress.batches import chunks_in_batch
from fmcompress.codecs.choices import difference_number
from fmcompress.kernel_loading import kernel, kernel_words
from fmcompress.layer_words import LayerWords
from fmcompress.reporting.counting import MOST_BINS, Histogram
from fmcompress.reporting.float_axis import FLOATS
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
    has_zero_point : bool
        Whether words are values less a zero point that is not 0 everywhere.
    nonzero_words : int
    values : Histogram
        Of all words; of bit patterns, zeros are apart, those with a sign, too, and so is what is not
        finite.
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
    has_zero_point: bool
    nonzero_words: int
    values: Histogram
    differences: Histogram
    symbol_counts: NDArray[np.int64]
    symbol_bits: NDArray[np.int64]


class Counted(NamedTuple):
    """Some chunks, counted.

    Attributes
    ----------
    values, differences : ndarray of int64
        By bin.
    value_range, difference_range : tuple of int
        The least and the greatest of these; empty without any.
    apart : ndarray of int64, shape (3,)
        Of floats, how many words are zeros, NaN and infinities: these are not among the values.
    seam : tuple of int
        The first and the last word that is not zero; empty without such.
    nonzero_words : int
    symbol_counts, symbol_bits : ndarray of int64
    """

    values: NDArray[np.int64]
    differences: NDArray[np.int64]
    value_range: Sequence[int]
    difference_range: Sequence[int]
    apart: NDArray[np.int64]
    seam: Sequence[int]
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
        self._shift = max(0, layer.word_bits - _COUNTED_BITS)
        self._bins = 1 << (layer.word_bits - self._shift)
        self._signed = layer.format.difference == "signed"
        self._values = np.zeros(self._bins, np.int64)
        self._differences = np.zeros(2 * self._bins, np.int64)
        self._symbols = np.zeros((2, len(SYMBOLS)), np.int64)
        self._apart = np.zeros(3, np.int64)
        self._nonzero_words = 0
        self._floats = layer.format if isinstance(layer.format, FloatWords) else None
        self._seams: list[int] = []
        self._value_range: Sequence[int] = ()
        self._difference_range: Sequence[int] = ()

    def measure(self, words: NDArray[Any]) -> Counted:
        """Count some chunks."""
        bits = self.layer.word_bits
        counts, sizes = (np.zeros(len(SYMBOLS), np.int64) for _ in range(2))
        kernel("bpc_symbols", "count")(
            kernel_words(words),
            self._chunk_words,
            bits,
            self.layer.block_size,
            difference_number(self.layer.difference),
            counts,
            sizes,
        )
        nonzero = self._numbers(words[words != 0])
        differences = np.diff(nonzero)
        binned, apart = words, np.zeros(3, np.int64)
        if self._floats is not None:
            binned, apart = _finite(words, self._floats)
        return Counted(
            np.bincount(binned >> self._shift, minlength=self._bins),
            self._binned(differences),
            _range(self._numbers(binned)),
            _range(differences),
            apart,
            nonzero[[0, -1]].tolist() if nonzero.size else (),
            nonzero.size,
            counts,
            sizes,
        )

    def _numbers(self, words: NDArray[Any]) -> NDArray[np.int64]:
        """Return words as the numbers that they are: two's complement ones, where the format is."""
        numbers = words.astype(np.int64)
        if self._signed:
            sign = 1 << (self.layer.word_bits - 1)
            numbers = (numbers ^ sign) - sign
        return numbers

    def _binned(self, differences: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount((differences >> self._shift) + self._bins, minlength=2 * self._bins)

    def add(self, measured: Counted) -> None:
        """Add the chunks that come next."""
        self._values += measured.values
        self._differences += measured.differences
        self._value_range = _both(self._value_range, measured.value_range)
        self._difference_range = _both(self._difference_range, measured.difference_range)
        self._apart += measured.apart
        self._symbols += [measured.symbol_counts, measured.symbol_bits]
        self._nonzero_words += measured.nonzero_words
        self._seams += measured.seam

    def result(self) -> LayerDetails:
        """Return the layer's counts."""
        bits, width = self.layer.word_bits, 1 << self._shift
        # Between one part and the next.
        seams = np.array(self._seams[2::2], np.int64) - np.array(self._seams[1:-1:2], np.int64)
        differences = self._differences + self._binned(seams)
        values, first = self._values, 0
        if self._signed:
            values, first = np.roll(values, self._bins // 2), -(1 << (bits - 1))
        zeros, nans, infinities = self._apart.tolist()
        description = self.layer.format.describe()
        return LayerDetails(
            self.layer.info.name,
            bits,
            str(description["format"]),
            self._signed,
            self.layer.difference,
            self._floats,
            bool(np.any(description.get("zero_point", 0))),
            self._nonzero_words,
            Histogram(
                first,
                width,
                values,
                None if self._floats is None else zeros,
                _pair(self._value_range),
                nans,
                infinities,
            ).joined(MOST_BINS),
            Histogram(
                -self._bins * width,
                width,
                differences,
                ends=_pair(_both(self._difference_range, _range(seams))),
            ).joined(MOST_BINS),
            *self._symbols,
        )


def _finite(words: NDArray[Any], floats: FloatWords) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return words that stand for other numbers than 0; how many stand for 0, NaN and infinity."""
    rotated = floats.mapping == "rotate"
    magnitudes = words >> 1 if rotated else words & words.dtype.type((1 << (floats.bits - 1)) - 1)
    known = FLOATS[floats.format]
    zero, finite = magnitudes == 0, magnitudes < known.infinity
    infinities = np.count_nonzero(magnitudes == known.infinity) if known.has_infinity else 0
    apart = (np.count_nonzero(zero), words.size - np.count_nonzero(finite) - infinities, infinities)
    return words[finite & ~zero], np.array(apart, np.int64)


def _range(numbers: NDArray[np.int64]) -> Sequence[int]:
    """Return the least and the greatest; nothing of none."""
    return (int(numbers.min()), int(numbers.max())) if numbers.size else ()


def _both(first: Sequence[int], second: Sequence[int]) -> Sequence[int]:
    """Return the least and the greatest of two pairs of these, either of which may be empty."""
    found = (*first, *second)
    return (min(found), max(found)) if found else ()


def _pair(ends: Sequence[int]) -> tuple[int, int] | None:
    return (ends[0], ends[1]) if ends else None
