"""Plain advice where the data calls for it: what makes words larger than they need to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from fmcompress.compared import EBPC, LayerComparison, Method
from fmcompress.words import IntegerWords, WordFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A value other than the word 0 is worth a zero point where so many words have it.
_FREQUENT = 0.1
# A layer is dense where fewer words are zero: ReLU leaves more.
_DENSE = 0.1
# Of fewer words chance says too much.
_FEW_WORDS = 256
# What is gained for less is not worth a word.
_WORTH = 0.01


# What is alike is said once: its kind, and the text of one of them.
_Advice: TypeAlias = tuple[str, str]
_NONE: _Advice = ("", "")
_NEVER_NEGATIVE = "no word is negative, half of the range is never used"


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
        self._seen: dict[tuple[int, str], list[tuple[str, str]]] = {}

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
        if compared.sums.words < _FEW_WORDS:
            return
        layer = _Layer(compared, format_, histogram, self._methods)
        for number, rule in enumerate(_RULES):
            kind, text = rule(layer)
            if text:
                self._seen.setdefault((number, kind), []).append((compared.name, text))

    def advice(self) -> list[str]:
        """Return a line for each kind of advice: for its first layer, and how many are alike."""
        lines = []
        for key in sorted(self._seen):
            name, text = self._seen[key][0]
            count = len(self._seen[key])
            more = f" (and {count - 1} more like it)" if count > 1 else ""
            lines.append(f"layer {name!r}{more}: {text}")
        return lines


def _zero_point(layer: _Layer) -> _Advice:
    """See whether another value than the word 0 is what most words are."""
    format_, histogram = layer.format, layer.histogram
    if not isinstance(format_, IntegerWords) or histogram is None or layer.compared.quantized:
        return _NONE
    word = int(histogram.argmax())
    share = histogram[word] / max(layer.compared.sums.words, 1)
    if word == 0 or share < _FREQUENT or isinstance(format_.zero_point, tuple):
        return _NONE
    least, _ = format_.range
    value = (word + format_.zero_point - least) % 2**format_.bits + least
    return "", (
        f"{100 * share:.0f} % of its elements are {value}, which is not its word 0: "
        f"its zero point is not handled; try --zero-point {value}"
    )


def _dense(layer: _Layer) -> _Advice:
    """See whether bit planes alone do better than with a stream of zeros."""
    sums = layer.compared.sums
    ebpc, bpc = sums.methods.get(EBPC), sums.methods.get("bpc")
    if ebpc is None or bpc is None or sums.sparsity >= _DENSE:
        return _NONE
    gain = ebpc.bits / max(bpc.bits, 1) - 1
    if gain < _WORTH:
        return _NONE
    return "", (
        f"dense, {100 * sums.sparsity:.1f} % zeros, as without ReLU: bpc codes it {100 * gain:.0f} % "
        "better than ebpc; --codec auto takes whichever is smaller"
    )


def _half_range(layer: _Layer) -> _Advice:
    """See whether the highest bit of words tells nothing."""
    histogram, format_ = layer.histogram, layer.format
    if not isinstance(format_, IntegerWords) or format_.bits < 3:
        return _NONE
    if histogram is None or not histogram[1:].any():
        return _NONE
    half = histogram.size // 2
    if histogram[half:].any():
        return _NONE
    greatest = int(np.flatnonzero(histogram)[-1])
    if format_.difference == "signed":
        quantized = layer.compared.quantized
        if quantized.get("target") == "fixed8":
            return "fixed8", f"{_NEVER_NEGATIVE}: --quantize ufixed8 would use all of it"
        if quantized or format_.zero_point or format_.word_bits:
            return "signed", _NEVER_NEGATIVE
        return format_.format, f"{_NEVER_NEGATIVE}: --dtype u{format_.format} would use all of it"
    if format_.zero_point or layer.compared.quantized:  # of elements, the range is another
        return "unsigned", "its words use half of their range or less"
    bits = greatest.bit_length()
    return str(bits), f"its words use half of their range or less: --word-bits {bits} would do"


_RULES = (_zero_point, _dense, _half_range)
