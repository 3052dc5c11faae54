"""Plain advice where the data calls for it: what makes words larger than they need to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fmcompress.compared import EBPC, LayerComparison, Method
from fmcompress.words import IntegerWords, WordFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A value other than the word 0 is worth a zero point where so many words have it.
_FREQUENT = 0.1
# A layer is dense where fewer words are zero: ReLU leaves more.
_DENSE = 0.1
# What is gained for less is not worth a word.
_WORTH = 0.01


class _Layer(NamedTuple):
    """What advice is based on."""

    compared: LayerComparison
    format: WordFormat
    histogram: NDArray[np.int64] | None
    methods: Sequence[Method]


class Advisor:
    """Looks at one layer after the other, and says in the end what was seen in several at once.

    Parameters
    ----------
    methods : sequence of Method
        Of the comparison.
    """

    def __init__(self, methods: Sequence[Method]) -> None:
        self._methods = methods
        self._seen: dict[Callable[[_Layer], str], list[tuple[str, str]]] = {}

    def look_at(
        self, compared: LayerComparison, format_: WordFormat, histogram: NDArray[np.int64] | None
    ) -> None:
        """Look at a layer.

        Parameters
        ----------
        compared : LayerComparison
        format_ : WordFormat
            How its elements became words.
        histogram : ndarray of int64, optional
            How often each word occurs, where it is known.
        """
        layer = _Layer(compared, format_, histogram, self._methods)
        for rule in _RULES:
            text = rule(layer)
            if text:
                self._seen.setdefault(rule, []).append((compared.name, text))

    def advice(self) -> list[str]:
        """Return a line for each rule that fits: of its first layer, and how many more."""
        lines = []
        for rule in _RULES:
            found = self._seen.get(rule, [])
            if found:
                name, text = found[0]
                more = f" and {len(found) - 1} more" if len(found) > 1 else ""
                lines.append(f"layer {name!r}{more}: {text}")
        return lines


def _zero_point(layer: _Layer) -> str:
    """See whether another value than the word 0 is what most words are."""
    format_, histogram = layer.format, layer.histogram
    if not isinstance(format_, IntegerWords) or histogram is None or layer.compared.quantized:
        return ""
    word = int(histogram.argmax())
    share = histogram[word] / max(layer.compared.sums.words, 1)
    if word == 0 or share < _FREQUENT or isinstance(format_.zero_point, tuple):
        return ""
    least, _ = format_.range
    value = (word + format_.zero_point - least) % 2**format_.bits + least
    return (
        f"{100 * share:.0f} % of its elements are {value}, which is not its word 0: "
        f"its zero point is not handled; try --zero-point {value}"
    )


def _dense(layer: _Layer) -> str:
    """See whether bit planes alone do better than with a stream of zeros."""
    sums = layer.compared.sums
    ebpc, bpc = sums.methods.get(EBPC), sums.methods.get("bpc")
    if ebpc is None or bpc is None or sums.sparsity >= _DENSE:
        return ""
    gain = ebpc.bits / max(bpc.bits, 1) - 1
    if gain < _WORTH:
        return ""
    return (
        f"dense, {100 * sums.sparsity:.1f} % zeros, as without ReLU: bpc codes it {100 * gain:.0f} % "
        "better than ebpc; --codec auto takes whichever is smaller"
    )


def _half_range(layer: _Layer) -> str:
    """See whether the highest bit of words tells nothing."""
    histogram, format_ = layer.histogram, layer.format
    if not isinstance(format_, IntegerWords) or format_.bits < 3:
        return ""
    if histogram is None or not histogram[1:].any():
        return ""
    half = histogram.size // 2
    if histogram[half:].any():
        return ""
    greatest = int(np.flatnonzero(histogram)[-1])
    signed = format_.difference == "signed"
    if signed:
        quantized = layer.compared.quantized
        better = "--quantize ufixed8" if quantized.get("target") == "fixed8" else "unsigned words"
        return f"no word is negative, half of the range is never used: {better} would use all of it"
    return (
        f"its words use half of their range or less: --word-bits {greatest.bit_length()} would do"
    )


_RULES = (_zero_point, _dense, _half_range)
