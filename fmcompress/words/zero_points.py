"""Zero points of quantised integers: what attributes say of them, and the most frequent value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmcompress.in_order import Each
from fmcompress.kernel_loading import kernel, kernel_words, kernels

# What frameworks and dump scripts call a zero point, lower case and without "_", "-" and ".".
ZERO_POINT_NAMES = (
    "zeropoint",
    "zeropoints",
    "zp",
    "qzeropoint",
    "quantzeropoint",
    "quantizationzeropoint",
    "outputzeropoint",
    "xzeropoint",
    "yzeropoint",
)
# And the axis along which a vector of them runs, one a channel.
AXIS_NAMES = (
    "axis",
    "channelaxis",
    "chaxis",
    "quantaxis",
    "quantizationaxis",
    "quantizeddimension",
    "zeropointaxis",
)
ZERO_POINT_SOURCES = ("none", "option", "attribute", "found")
# Values kept a block when a zero point is searched in words too wide for a full histogram.
_CANDIDATES = 16
# Elements that are looked at at a time: of up to 16 bits they are counted, wider ones are sorted.
_COUNTED, _SORTED = 1 << 21, 1 << 19


def zero_point_attribute(attributes: Mapping[str, Any]) -> int | None:
    """Return the zero point that attributes name, if it is one whole number."""
    for value in _named(attributes, ZERO_POINT_NAMES):
        if value.size == 1 and _is_whole(value):
            return int(value.item())
    return None


def noted_zero_point(attributes: Mapping[str, Any]) -> Any:
    """Return whatever numbers attributes call a zero point, be it usable or not; None if none."""
    return next(
        (v if v.size != 1 else v.item() for v in _named(attributes, ZERO_POINT_NAMES)), None
    )


def unreadable_zero_point(attributes: Mapping[str, Any]) -> str | None:
    """Return the name of an attribute that should be a zero point and is no number; None if none."""
    return next(
        (name for name, value in _values(attributes, ZERO_POINT_NAMES) if value is None), None
    )


def zero_points_attribute(
    attributes: Mapping[str, Any], shape: Sequence[int], axis: int | None
) -> tuple[tuple[int, ...], int] | None:
    """Return the zero points of channels that attributes name, and their axis.

    Parameters
    ----------
    attributes : mapping
        Of the layer.
    shape : sequence of int
        Of the layer.
    axis : int or None
        The axis of channels, if the user named one. Else an attribute does, or it is the one
        axis that is as long as the vector.

    Returns
    -------
    tuple or None
        None where there is no such vector, or it fits no axis.
    """
    if axis is None:
        for value in _named(attributes, AXIS_NAMES):
            if value.size == 1 and _is_whole(value):
                axis = int(value.item())
                break
    for value in _named(attributes, ZERO_POINT_NAMES):
        if value.ndim != 1 or value.size < 2 or not _is_whole(value):
            continue
        if axis is not None:
            fitting = [axis % len(shape)] if shape and -len(shape) <= axis < len(shape) else []
        else:
            fitting = list(range(len(shape)))
        fitting = [found for found in fitting if shape[found] == value.size]
        if len(fitting) == 1:
            return tuple(int(point) for point in value.tolist()), fitting[0]
    return None


def _named(attributes: Mapping[str, Any], names: Sequence[str]) -> Iterable[NDArray[Any]]:
    """Yield the numeric attributes that have one of these names, however it is spelled."""
    return (value for _, value in _values(attributes, names) if value is not None)


def _values(
    attributes: Mapping[str, Any], names: Sequence[str]
) -> Iterator[tuple[str, NDArray[Any] | None]]:
    """Yield the attributes that have one of these names, and their numbers; None for other values."""
    for name in attributes:
        plain = name.lower().translate({ord(c): None for c in "_-."})
        if plain not in names or attributes[name] is None:
            continue
        try:
            value = np.asarray(attributes[name])
        except ValueError:  # a ragged list
            yield name, None
            continue
        yield name, value if value.dtype.kind in "iuf" else None


def _is_whole(value: NDArray[Any]) -> bool:
    numbers = value.astype(np.float64)
    return bool(np.isfinite(numbers).all() and (numbers == np.trunc(numbers)).all())


def most_frequent(blocks: Iterable[NDArray[Any]], each: Each = map) -> int:
    """Return the most frequent value, or 0 where none is more frequent than 0.

    Exact for words up to 16 bits. Of wider ones each piece adds its most frequent values only,
    so a value that is frequent nowhere may be missed: any answer is lossless.

    Parameters
    ----------
    blocks : iterable of 1-D integer arrays
        The elements, in pieces of bounded size.
    each : callable
        With which they are looked at: `map`, or that of `Workers`.
    """
    counts: Counter[int] = Counter()
    all_values, all_times = np.empty(0, np.int64), np.empty(0, np.int64)
    for values, times in each(_frequent, _pieces(blocks)):
        if values.dtype.itemsize > 2:
            counts.update(dict(zip(values.tolist(), times.tolist(), strict=True)))
        else:
            all_values, all_times = values, times + (all_times if all_times.size else 0)
    found = np.flatnonzero(all_times)
    counts.update(dict(zip(all_values[found].tolist(), all_times[found].tolist(), strict=True)))
    if not counts:
        return 0
    value, times_ = min(counts.items(), key=lambda item: (-item[1], item[0]))
    return value if times_ > counts[0] else 0


def _frequent(block: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return how often values occur: of all values of narrow ones, of wide ones the most frequent."""
    native = block.astype(block.dtype.newbyteorder("="), copy=False)
    if native.itemsize > 2:
        values, times = np.unique(native, return_counts=True)
        best = np.argsort(times, kind="stable")[-_CANDIDATES:]
        best = np.union1d(best, np.flatnonzero(values == 0))
        return values[best], times[best]
    patterns = kernel_words(native.view(f"u{native.itemsize}"), f"u{native.itemsize}")
    number = 1 << 8 * native.itemsize
    rows = np.zeros((kernels("histogram").ROWS, number), np.uint32)
    kernel("histogram", "count")(patterns, rows)
    values = np.arange(number, dtype=patterns.dtype).view(native.dtype)
    return values, rows.sum(axis=0, dtype=np.int64)


def _pieces(blocks: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Cut blocks so that several threads share one, and each needs little memory."""
    for block in blocks:
        step = _COUNTED if block.dtype.itemsize <= 2 else _SORTED
        for start in range(0, block.size, step):
            yield block[start : start + step]
