"""The figures of values and of differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import groupby
from operator import add

from fmcompress.reporting.collecting import FormatNumbers, Numbers
from fmcompress.reporting.counting import Histogram
from fmcompress.reporting.figure import Figure
from fmcompress.reporting.float_axis import FloatAxis
from fmcompress.reporting.histograms import Small, histogram_chart, small_histograms, span
from fmcompress.reporting.vector_graphics import plain_number, whole_number
from fmcompress.reporting.word_details import LayerDetails

_SMALL = (
    "The same, layer by layer, each on a logarithmic scale and an axis of its own; below it the least "
    "and the greatest that occurs"
)
_LOGARITHMIC = "The scale of the bars is logarithmic."


def values(_: Numbers, one: FormatNumbers) -> Iterator[Figure]:
    """Yield how often words occur."""
    for kind, layers in _alike(one.details):
        floats = None if layers[0].floats is None else FloatAxis(layers[0].floats)
        total = _sum([layer.values for layer in layers])
        yield Figure(
            *("values", f"together{kind}", one.name, one.lossy),
            histogram_chart(
                "How often values occur, all layers",
                total,
                "word" if floats is None else floats.title,
                floats,
            ),
            f"How often each value occurs among the words of {_layers(len(layers), kind)}. "
            f"{_span(total, floats)}{_most(total, floats)} {_patterns(floats)}{_zero_points(layers)}"
            f"{_LOGARITHMIC}",
        )
        small = [
            Small(
                layer.name, layer.values, _said(layer.name, layer.values, "words", floats), floats
            )
            for layer in layers
        ]
        yield Figure(
            *("values", f"by layer{kind}", one.name, one.lossy),
            small_histograms("How often values occur, layer by layer", small),
            f"{_SMALL}{_zero([layer.values for layer in layers])}. {_patterns(floats)}"
            f"{_zero_points(layers)}".rstrip(),
        )


def differences(_: Numbers, one: FormatNumbers) -> Iterator[Figure]:
    """Yield how often differences occur."""
    for kind, layers in _alike(one.details):
        total = _sum([layer.differences for layer in layers])
        if not total.total:
            continue
        floats = layers[0].floats is not None
        what = "difference of bit patterns, as whole numbers" if floats else "difference"
        patterns = "Words are the bit patterns of floats, read as whole numbers. " if floats else ""
        yield Figure(
            *("differences", f"together{kind}", one.name, one.lossy),
            histogram_chart("How often differences occur, all layers", total, what),
            "Differences between each non-zero word and the one before it in its layer; bit planes are "
            f"made of those within a block{_of(kind)}. {_span(total)}{_most(total)} {patterns}"
            f"{_zero_points(layers)}{_LOGARITHMIC}",
        )
        small = [
            Small(
                layer.name, layer.differences, _said(layer.name, layer.differences, "differences")
            )
            for layer in layers
        ]
        yield Figure(
            *("differences", f"by layer{kind}", one.name, one.lossy),
            small_histograms("How often differences occur, layer by layer", small),
            f"{_SMALL}{_zero([layer.differences for layer in layers])}. {patterns}"
            f"{_zero_points(layers)}".rstrip(),
        )


def _zero(histograms: Sequence[Histogram]) -> str:
    """Say what the line is, where there is one."""
    return "; the dashed line is 0" if any(one.first < 0 < one.end for one in histograms) else ""


def _patterns(floats: FloatAxis | None) -> str:
    if floats is None:
        return ""
    sign = ", with the sign moved to the lowest place" if floats.rotated else ""
    return (
        f"Words are the bit patterns of {floats.words.format}{sign}: the axis is even in these, and so "
        "nearly logarithmic in values. Zeros, with −0.0, have the bar at the left. "
    )


def _zero_points(layers: Sequence[LayerDetails]) -> str:
    """Say what words of values with a zero point are."""
    if not any(layer.has_zero_point for layer in layers):
        return ""
    modulus = 1 << layers[0].word_bits
    wrapped = f"values below it become words near {modulus:,}"
    read = "read as two's complement" if layers[0].signed else wrapped
    return f"Words are values less their layer's zero point, modulo {modulus:,}: {read}. "


def _layers(count: int, kind: str) -> str:
    """Return how many layers there are, of a kind if there are others."""
    layers = "one layer" if count == 1 else f"{count:,} layers"
    return f"{layers}{_of(kind)}" if kind or count == 1 else f"all {layers}"


def _alike(details: Sequence[LayerDetails]) -> list[tuple[str, list[LayerDetails]]]:
    """Put layers whose words mean the same together; what they are is said where it differs.

    Those with most words come first.
    """
    groups = [list(group) for _, group in groupby(sorted(details, key=_kind), _kind)]
    groups.sort(key=lambda group: -sum(layer.values.total for layer in group))
    if len(groups) == 1:
        return [("", groups[0])]
    return [(f", {_kind_text(group[0])}", group) for group in groups]


def _kind(layer: LayerDetails) -> tuple[int, bool, str, str]:
    floats = layer.floats
    own = ("", "") if floats is None else (floats.format, floats.mapping)
    return (layer.word_bits, layer.signed, *own)


def _kind_text(layer: LayerDetails) -> str:
    if layer.floats is None:
        return f"{layer.word_bits}-bit {'signed' if layer.signed else 'unsigned'}"
    return f"{layer.floats.format}{' rotated' if layer.floats.mapping == 'rotate' else ''}"


def _of(kind: str) -> str:
    return f"{kind} words" if kind else ""


def _sum(histograms: Sequence[Histogram]) -> Histogram:
    return reduce(add, histograms)


def _span(histogram: Histogram, floats: FloatAxis | None = None) -> str:
    """Say what the least and the greatest are."""
    ends = span(histogram, floats)
    if not ends:
        return ""
    others = " other than 0" if histogram.apart else ""
    if " to " not in ends:
        return f"All{others} are {ends}. "
    what = "Magnitudes" if floats is not None and floats.rotated else "Those" if others else "They"
    return f"{what}{others} run from {ends}. "


def _most(histogram: Histogram, floats: FloatAxis | None = None) -> str:
    """Say what occurs most often, and what is in no bar."""
    count, whole = int(histogram.counts.max()), max(histogram.total, 1)
    share = _share(count, whole)
    first = histogram.first + int(histogram.counts.argmax()) * histogram.bin_width
    last = first + histogram.bin_width - 1
    if floats is not None:
        apart = [(histogram.apart or 0, "zero"), (histogram.nans, "NaN")]
        apart.append((histogram.infinities, "infinite"))
        said = ", ".join(
            f"{_share(some, whole)} are {what}" for some, what in apart if some or what == "zero"
        )
        if not count:
            return f"{said}."
        near = plain_number(float(f"{floats.value(first):.3g}"))
        return f"{said}; of others most lie near {near}, with {share} in one bar."
    most = " to ".join(dict.fromkeys((whole_number(first), whole_number(last))))
    return f"Most frequent is {most}, with {share}."


def _share(count: int, whole: int) -> str:
    """Write a share; one that would be written as nothing is less than the least."""
    share = f"{100 * count / whole:.1f} %"
    return "less than 0.1 %" if count and share == "0.0 %" else share


def _said(name: str, histogram: Histogram, what: str, floats: FloatAxis | None = None) -> str:
    """Return what a small histogram says when it is pointed at."""
    count = histogram.total
    return f"{name}\n{count:,} {what}\n{_most(histogram, floats) if count else ''}".rstrip()
