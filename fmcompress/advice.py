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


# What is alike is said once: its kind, what is seen in one of them, and the option that mends it.
_Advice: TypeAlias = tuple[str, str, str]
_NONE: _Advice = ("", "", "")
_NEVER_NEGATIVE = "no word is negative, half of the range is never used"
_HALF = "its words use half of their range or less"
_AUTO = "--codec auto takes whichever is smaller"
# An option is for a whole dump.
_ALONE = ", with --layers for {} alone"


class _Layer(NamedTuple):
    """What advice is based on."""

    compared: LayerComparison
    format: WordFormat
    histogram: NDArray[np.int64] | None
    methods: Sequence[Method]


class _Seen(NamedTuple):
    """What was seen in a layer, and what would mend it."""

    layer: str
    text: str
    option: str


class Advisor:
    """Looks at one layer after the other, and says in the end what was seen in several at once.

    Parameters
    ----------
    methods : sequence of Method
        Of the comparison.
    has_options : bool
        Whether options can change what is seen: the words of a container are as they are.
    """

    def __init__(self, methods: Sequence[Method], has_options: bool = True) -> None:
        self._methods = methods
        self._has_options = has_options
        self._layers = 0
        self._seen: dict[tuple[int, str], list[_Seen]] = {}

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
        self._layers += 1
        if compared.sums.words < _FEW_WORDS:
            return
        layer = _Layer(compared, format_, histogram, self._methods)
        for number, rule in enumerate(_RULES):
            kind, text, option = rule(layer)
            if text:
                found = _Seen(compared.name, text, option if self._has_options else "")
                self._seen.setdefault((number, kind), []).append(found)

    def advice(self) -> list[str]:
        """Return a line for each kind of advice: for its first layer, and how many are alike."""
        lines = []
        for key in sorted(self._seen):
            first, count = self._seen[key][0], len(self._seen[key])
            more = f" (and {count - 1} more like it)" if count > 1 else ""
            option = f"; {first.option}" if first.option else ""
            if option and first.option != _AUTO and count < self._layers:
                option += _ALONE.format("these" if count > 1 else "it")
            lines.append(f"layer {first.layer!r}{more}: {first.text}{option}")
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
    seen = f"{100 * share:.0f} % of its elements are {value}, which is not its word 0"
    return "", f"{seen}: its zero point is not handled", f"try --zero-point {value}"


def _dense(layer: _Layer) -> _Advice:
    """See whether bit planes alone do better than with a stream of zeros."""
    sums = layer.compared.sums
    ebpc, bpc = sums.methods.get(EBPC), sums.methods.get("bpc")
    if ebpc is None or bpc is None or sums.sparsity >= _DENSE:
        return _NONE
    gain = ebpc.bits / max(bpc.bits, 1) - 1
    if gain < _WORTH:
        return _NONE
    seen = f"dense, {100 * sums.sparsity:.1f} % zeros"
    return "", f"{seen}: bpc codes it {100 * gain:.0f} % better than ebpc", _AUTO


def _half_range(layer: _Layer) -> _Advice:
    """See whether the highest bit of words tells nothing: it is 0, or the bit below it repeats it."""
    histogram, format_ = layer.histogram, layer.format
    if not isinstance(format_, IntegerWords) or format_.bits < 3:
        return _NONE
    if histogram is None or not histogram[1:].any():
        return _NONE
    words = np.flatnonzero(histogram)
    is_signed, quantized = format_.difference == "signed", layer.compared.quantized
    # Of elements, the range is another; of words that are narrow, it was chosen.
    told = bool(quantized or format_.zero_point or format_.word_bits)
    if words[-1] >= histogram.size // 2:
        numbers = np.where(words < histogram.size // 2, words, words - histogram.size)
        bits = max(int(numbers.max()).bit_length(), int(-numbers.min() - 1).bit_length()) + 1
        if not is_signed or bits >= format_.bits:
            return _NONE
        return f"signed {bits}", _HALF, "" if told else f"--word-bits {bits} would do"
    bits = int(words[-1]).bit_length()
    if not is_signed:
        return f"unsigned {bits}", _HALF, "" if told else f"--word-bits {bits} would do"
    if quantized.get("target") == "fixed8":
        return "fixed8", _NEVER_NEGATIVE, "--quantize ufixed8 would keep one more bit of each value"
    option = f"--dtype u{format_.format} --word-bits {bits} would do"
    return f"positive {bits}", _NEVER_NEGATIVE, "" if told else option


_RULES = (_zero_point, _dense, _half_range)
