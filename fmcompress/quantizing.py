"""Quantising floats before they are coded, which loses; asked for explicitly, and recorded.

The recipe is the paper's (section on the evaluation set-up of arXiv 1908.11645, and the authors'
code): a layer's values are scaled so that the largest magnitude becomes `headroom` times the full
scale of the words, then truncated towards zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fmcompress.element_types import holding_dtype, is_held
from fmcompress.errors import DamagedError, ParameterError, UnsupportedError
from fmcompress.in_order import Each
from fmcompress.ordering import Stretch, WordOrder
from fmcompress.small_floats import SMALL_FLOATS, table
from fmcompress.words.protocol import patterns

ROUNDINGS = ("truncate", "nearest")
FLOAT_TYPES = (*SMALL_FLOATS, "float32", "float64")
MAX_SCALES = 1 << 16
_STEP = 1 << 16  # elements quantised at a time
_PART = 16 * _STEP  # by one thread


class Target(NamedTuple):
    """What values can be quantised to.

    `element_type` holds the result in words of `bits` bits; `least` and `full_scale` are the
    ends of fixed-point ranges. Of floats, `full_scale` is what `headroom` is a share of: 1, as in
    the paper, or for 8-bit floats, whose range is narrow, the largest power of two.
    """

    element_type: str
    bits: int
    least: float
    full_scale: float

    @property
    def is_float(self) -> bool:
        """Whether the target is a float."""
        return self.element_type in SMALL_FLOATS


TARGETS = {
    "fixed8": Target("int8", 8, -127, 127),
    "fixed12": Target("int16", 12, -2047, 2047),
    "fixed16": Target("int16", 16, -32767, 32767),
    "ufixed8": Target("uint8", 8, 0, 255),
    "float16": Target("float16", 16, -math.inf, 1.0),
    "bfloat16": Target("bfloat16", 16, -math.inf, 1.0),
    "float8_e4m3fn": Target("float8_e4m3fn", 8, -math.inf, 256.0),
    "float8_e5m2": Target("float8_e5m2", 8, -math.inf, 32768.0),
}


@dataclass(frozen=True, slots=True)
class Quantization:
    """How one layer was quantised: ``value ≈ quantised * scale``.

    Parameters
    ----------
    target : str
        One of `TARGETS`.
    source : str
        Element type of the layer in its dump.
    source_dtype : str
        Its NumPy ``dtype.str`` there.
    scale : float or tuple of float
        One for the layer, or one for every index along `axis`.
    axis : int, optional
        Of the scales, where there are several.
    headroom : float, optional
        Share of the full scale that the largest magnitude became; None where nothing was scaled.
    rounding : {"truncate", "nearest"}
    largest_error, rms_error : float
        The largest and the root-mean-square difference between finite values and what they are
        dequantised to.
    vanished : int
        Values other than 0 that became 0.

    Raises
    ------
    ParameterError
        If one of them is outside its range.
    """

    target: str
    source: str
    source_dtype: str
    scale: float | tuple[float, ...] = 1.0
    axis: int | None = None
    headroom: float | None = None
    rounding: str = "truncate"
    largest_error: float = 0.0
    rms_error: float = 0.0
    vanished: int = 0

    def __post_init__(self) -> None:
        listed = isinstance(self.scale, list | tuple)
        scales: tuple[Any, ...] = tuple(self.scale) if listed else (self.scale,)  # type: ignore[arg-type]
        ranges = (
            isinstance(self.target, str) and self.target in TARGETS,
            isinstance(self.source, str) and self.source in FLOAT_TYPES,
            isinstance(self.source_dtype, str),
            1 <= len(scales) <= MAX_SCALES,
            all(is_finite(s) and s > 0 for s in scales),
            listed == (self.axis is not None),
            self.axis is None or (type(self.axis) is int and self.axis >= 0),
            self.headroom is None or (is_finite(self.headroom) and 0 < self.headroom <= 1),
            self.rounding in ROUNDINGS,
            all(is_finite(e) and e >= 0 for e in (self.largest_error, self.rms_error)),
            type(self.vanished) is int and self.vanished >= 0,
        )
        if not all(ranges):
            raise ParameterError("a quantisation is not valid")
        if self.source_dtype[1:] not in _codes(self.source):
            raise ParameterError(f"a {self.source} is not held by {self.source_dtype!r}")
        numbers = tuple(float(s) for s in scales)
        object.__setattr__(self, "scale", numbers if listed else numbers[0])

    @property
    def element_type(self) -> str:
        """Element type of the result."""
        return TARGETS[self.target].element_type

    @property
    def bits(self) -> int:
        """Word width of the result."""
        return TARGETS[self.target].bits

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype that holds the result, little-endian."""
        return holding_dtype(self.element_type).newbyteorder("<")

    @property
    def error_bound(self) -> float:
        """Largest error that fixed-point words may have; infinite for floats, see docs/TENSORS.md."""
        if TARGETS[self.target].is_float:
            return math.inf
        largest = max(self.scale) if isinstance(self.scale, tuple) else self.scale
        return largest if self.rounding == "truncate" else largest / 2

    def describe(self) -> dict[str, Any]:
        """Return the parameters as they stand in the container."""
        description: dict[str, Any] = {
            "target": self.target,
            "source": self.source,
            "source_dtype": self.source_dtype,
            "scale": list(self.scale) if isinstance(self.scale, tuple) else self.scale,
            "rounding": self.rounding,
            "largest_error": self.largest_error,
            "rms_error": self.rms_error,
            "vanished": self.vanished,
        }
        for key in ("axis", "headroom"):
            if getattr(self, key) is not None:
                description[key] = getattr(self, key)
        return description

    def quantize(self, elements: NDArray[Any], stretch: Stretch) -> NDArray[Any]:
        """Quantise elements that follow each other in word order.

        Returns
        -------
        ndarray
            Of dtype `dtype`, as many.
        """
        quantized = np.empty(elements.size, self.dtype)
        for step, here in small_steps((elements, stretch)):
            at = here.start - stretch.start
            values = to_float64(step, self.source)
            quantized[at : at + step.size] = self._to_target(values, here)
        return quantized

    def _to_target(self, values: NDArray[np.float64], stretch: Stretch) -> NDArray[Any]:
        target = TARGETS[self.target]
        nearest = self.rounding == "nearest"
        if target.is_float:
            if self.headroom is not None:
                values = values / self._scales(values.size, stretch)
            small = SMALL_FLOATS[target.element_type]
            bits = small.to_patterns(values, nearest).astype(f"u{small.bits // 8}")
            return bits.view(self.dtype)
        quanta = values / self._scales(values.size, stretch)
        quanta = np.rint(quanta) if nearest else np.trunc(quanta)
        fixed: NDArray[Any] = np.clip(quanta, target.least, target.full_scale)
        return fixed.astype(self.dtype)

    def dequantize(self, elements: NDArray[Any], stretch: Stretch) -> NDArray[Any]:
        """Return floats: float64 where the source was, else float32."""
        values = to_float64(elements, self.element_type)
        with np.errstate(over="ignore", invalid="ignore"):
            values *= self._scales(elements.size, stretch)
            return values if self.source == "float64" else values.astype(np.float32)

    def _scales(self, count: int, stretch: Stretch) -> Any:
        if self.axis is None:
            return self.scale
        return np.array(self.scale)[stretch.along(self.axis, count)]

    def with_errors(
        self, blocks: Iterable[NDArray[Any]], order: WordOrder, each: Each = map
    ) -> Self:
        """Measure the errors over a layer's elements, in the order given.

        Parameters
        ----------
        blocks : iterable of 1-D arrays
            The elements.
        order : WordOrder
            Theirs.
        each : callable
            With which they are looked at: `map`, or that of `Workers`.
        """
        largest, squares, count, vanished = 0.0, 0.0, 0, 0
        for measured in each(self._errors, stretches(blocks, order)):
            for step in measured:  # one after another: the order is that of a sum of floats
                largest = max(largest, step.largest)
                squares += step.squares
                count += step.finite
                vanished += step.vanished
        rms = self._unit * math.sqrt(squares / count) if count else 0.0
        return replace(self, largest_error=largest, rms_error=rms, vanished=vanished)

    @property
    def _unit(self) -> float:
        """In which squares of errors are counted, so that those of extreme ones stay in range."""
        return max(self.scale) if isinstance(self.scale, tuple) else self.scale

    def _errors(self, part: tuple[NDArray[Any], Stretch]) -> list[_Errors]:
        """Measure the errors of elements that follow each other, step by step."""
        found = []
        for elements, stretch in small_steps(part):
            values = to_float64(elements, self.source)
            after = self.dequantize(self._to_target(values, stretch), stretch).astype(np.float64)
            finite = np.isfinite(values)
            vanished = int(np.count_nonzero(values)) - int(np.count_nonzero(after))
            errors = np.abs(after[finite] - values[finite])
            largest = float(errors.max(initial=0.0))
            errors /= self._unit
            # A dot product has threads of its own, which get into the way of ours.
            squares = float(np.square(errors, out=errors).sum())
            found.append(_Errors(largest, squares, errors.size, vanished))
        return found


def quantization_from_description(description: Mapping[str, Any]) -> Quantization:
    """Build what `Quantization.describe` described.

    Raises
    ------
    UnsupportedError
        If one of its keys is unknown to this version.
    DamagedError
        If a value is outside its range.
    """
    try:
        return Quantization(**description)
    except TypeError as error:
        raise UnsupportedError(
            f"unknown parameters of a quantisation: {sorted(description)}",
            hint="upgrade fmcompress",
        ) from error
    except ParameterError as error:
        raise DamagedError(error.cause) from error


def to_float64(elements: NDArray[Any], element_type: str) -> NDArray[np.float64]:
    """Return the values of elements, exactly; of the bits of floats that NumPy lacks, too."""
    if is_held(element_type) and element_type in SMALL_FLOATS:
        values: NDArray[np.float64] = table(element_type)[patterns(elements)]
        return values
    with np.errstate(invalid="ignore"):  # of a signalling NaN
        return elements.astype(np.float64)


def _codes(source: str) -> tuple[str, ...]:
    """NumPy codes of the dtypes, without byte order, that can hold a float type."""
    size = holding_dtype(source).itemsize
    held = (f"u{size}", f"i{size}", f"V{size}")
    return held if is_held(source) else (f"f{size}", *held)


class _Errors(NamedTuple):
    """Of one step: the largest error, the sum of their squares, of how many, and `vanished`."""

    largest: float
    squares: float
    finite: int
    vanished: int


def stretches(
    blocks: Iterable[NDArray[Any]], order: WordOrder
) -> Iterator[tuple[NDArray[Any], Stretch]]:
    """Cut a layer's blocks to parts for one thread each, and say where these stand."""
    at = 0
    for block in blocks:
        for start in range(0, block.size, _PART):
            yield block[start : start + _PART], Stretch(order, at + start)
        at += block.size


def small_steps(
    part: tuple[NDArray[Any], Stretch],
) -> Iterator[tuple[NDArray[Any], Stretch]]:
    """Cut a part to steps whose float64 copies stay in the processor's cache."""
    elements, (order, first) = part
    for start in range(0, elements.size, _STEP):
        yield elements[start : start + _STEP], Stretch(order, first + start)


def is_finite(value: Any) -> bool:
    """Tell whether a value is a plain, finite number."""
    return type(value) in (int, float) and math.isfinite(value)
