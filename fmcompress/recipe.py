"""From what a user asked of quantising to how one layer is quantised."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmcompress.errors import FmcError, ParameterError
from fmcompress.in_order import Each
from fmcompress.ordering import Stretch, WordOrder
from fmcompress.quantizing import (
    MAX_SCALES,
    ROUNDINGS,
    TARGETS,
    Quantization,
    Target,
    is_finite,
    small_steps,
    stretches,
    to_float64,
)
from fmcompress.small_floats import SMALL_FLOATS

DEFAULT_HEADROOM = 0.75


class Unquantizable(FmcError):
    """The values of a layer cannot be quantised so; the cause says why, in one clause."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a user asked of quantising.

    Parameters
    ----------
    target : str
        One of `TARGETS`.
    headroom : float, optional
        Share of the full scale that the largest magnitude becomes, above 0, at most 1. By default
        0.75 for fixed point; floats are not scaled then.
    axis : int, optional
        Scale every index along this axis by its own largest magnitude.
    rounding : {"truncate", "nearest"}

    Raises
    ------
    ParameterError
        If one of them is outside its range.
    """

    target: str
    headroom: float | None = None
    axis: int | None = None
    rounding: str = "truncate"

    def __post_init__(self) -> None:
        if isinstance(self.headroom, np.floating | np.integer):
            object.__setattr__(self, "headroom", self.headroom.item())
        if isinstance(self.axis, np.integer):
            object.__setattr__(self, "axis", int(self.axis))
        if self.target not in list(TARGETS):
            raise ParameterError(
                f"cannot quantise to {self.target!r}", hint=f"choose from {', '.join(TARGETS)}"
            )
        if self.headroom is not None and not (is_finite(self.headroom) and 0 < self.headroom <= 1):
            raise ParameterError(
                f"headroom is {self.headroom!r}", hint="give a number above 0, at most 1"
            )
        if self.axis is not None and type(self.axis) is not int:
            raise ParameterError(f"headroom_axis is {self.axis!r}", hint="give a whole number")
        if self.rounding not in ROUNDINGS:
            raise ParameterError(
                f"rounding is {self.rounding!r}", hint=f"choose from {', '.join(ROUNDINGS)}"
            )
        if self.axis is not None and self.headroom is None and TARGETS[self.target].is_float:
            raise ParameterError(
                f"{self.target} is not scaled without headroom", hint="give --headroom, too"
            )

    def quantization(
        self,
        source: str,
        dtype: np.dtype[Any],
        order: WordOrder,
        blocks: Callable[[], Iterable[NDArray[Any]]],
        each: Each = map,
    ) -> Quantization:
        """Settle how a layer is quantised, looking at all its elements twice.

        Parameters
        ----------
        source : str
            Its element type.
        dtype : dtype
            Of the elements in the file.
        order : WordOrder
            The order in which `blocks` come.
        blocks : callable
            Returns an iterator over the layer's elements.
        each : callable
            With which they are looked at: `map`, or that of `Workers`.

        Raises
        ------
        Unquantizable
            If values are not finite, negative or too large where they cannot be.
        ParameterError
            If the layer has no such axis.
        """
        target = TARGETS[self.target]
        if self.axis is not None and not -len(order.shape) <= self.axis < len(order.shape):
            raise ParameterError(
                f"shape {order.shape} has no axis {self.axis}", hint="give another --headroom-axis"
            )
        axis = None if self.axis is None else self.axis % len(order.shape)
        if axis is not None and order.shape[axis] > MAX_SCALES:
            raise ParameterError(
                f"axis {axis} has more than {MAX_SCALES} indices",
                hint="give another --headroom-axis",
            )
        largest = np.zeros(1 if axis is None else order.shape[axis])
        find = partial(self._largest, source, axis, largest.size)
        for found in each(find, stretches(blocks(), order)):
            np.maximum(largest, found, out=largest)
        headroom = self._headroom(target, float(largest.max(initial=0.0)))
        scales = [1.0] * largest.size
        if headroom is not None:
            scales = [_scale(each, headroom * target.full_scale) for each in largest.tolist()]
        how = Quantization(
            target=self.target,
            source=source,
            source_dtype=dtype.str,
            scale=tuple(scales) if axis is not None else scales[0],
            axis=axis,
            headroom=headroom,
            rounding=self.rounding,
        )
        return how.with_errors(blocks(), order, each)

    def _largest(
        self, source: str, axis: int | None, count: int, part: tuple[NDArray[Any], Stretch]
    ) -> NDArray[np.float64]:
        """Return the largest magnitude of elements, or `count` of them, along an axis."""
        largest = np.zeros(count)
        for elements, stretch in small_steps(part):
            values = to_float64(elements, source)
            _check(values, stretch, self.target, TARGETS[self.target])
            magnitude = np.abs(values)
            magnitude[~np.isfinite(magnitude)] = 0.0
            if axis is None:
                largest[0] = max(largest[0], magnitude.max(initial=0.0))
            else:
                np.maximum.at(largest, stretch.along(axis, values.size), magnitude)
        return largest

    def _headroom(self, target: Target, largest: float) -> float | None:
        if not target.is_float:
            return DEFAULT_HEADROOM if self.headroom is None else float(self.headroom)
        greatest = SMALL_FLOATS[target.element_type].greatest
        if self.headroom is None and largest > greatest:
            raise Unquantizable(
                f"its largest magnitude {largest:g} exceeds the {greatest:g} of {self.target}",
                hint="give --headroom, which scales",
            )
        return None if self.headroom is None else float(self.headroom)


def _check(values: NDArray[np.float64], stretch: Stretch, name: str, target: Target) -> None:
    """Refuse the first value that the target cannot hold at any scale."""
    wrong = np.zeros(values.shape, bool)
    if not target.is_float:
        wrong = ~np.isfinite(values)
    elif not SMALL_FLOATS[target.element_type].has_infinity:
        wrong = np.isinf(values)
    if target.least == 0:
        wrong |= values < 0
    if wrong.any():
        number = int(np.argmax(wrong))
        raise Unquantizable(
            f"element {list(stretch.index_of(number))} is {values[number]:g}, "
            f"which {name} cannot hold"
        )


def _scale(largest: float, unit: float) -> float:
    """Return what one quantum is worth; 1 in a layer of zeros."""
    if not largest:
        return 1.0
    # Where this underflows, all becomes 0: an error less than the smallest normal number.
    scale = max(largest / unit, float(np.finfo(np.float64).tiny))
    # Rounded up, it would make the largest magnitude itself fall short of a whole number.
    return scale if largest / scale >= unit else math.nextafter(scale, 0.0)
