"""Floats of 8 and 16 bits as bit patterns: to them and from them, in float64 arithmetic.

NumPy has float16 only, and rounds to nearest only; accelerators also truncate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SmallFloat:
    """A binary floating-point format: sign, exponent, mantissa.

    Attributes
    ----------
    exponent_bits, mantissa_bits : int
        Widths of the fields.
    has_infinity : bool
        Whether the highest exponent is kept for infinities and NaN, as IEEE 754 has it. Where
        not, only the pattern of all ones is NaN (the ``fn`` of ``float8_e4m3fn``).
    """

    exponent_bits: int
    mantissa_bits: int
    has_infinity: bool = True

    @property
    def bits(self) -> int:
        """Width of a pattern."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def bias(self) -> int:
        """What the exponent field has more than the exponent."""
        return int(2 ** (self.exponent_bits - 1) - 1)

    @property
    def nan(self) -> int:
        """The pattern of a quiet NaN without sign."""
        if not self.has_infinity:
            return int(2 ** (self.bits - 1) - 1)
        return self.infinity | 1 << (self.mantissa_bits - 1)

    @property
    def infinity(self) -> int:
        """The pattern of infinity; without infinities, that of NaN."""
        if not self.has_infinity:
            return self.nan
        return ((1 << self.exponent_bits) - 1) << self.mantissa_bits

    @property
    def greatest(self) -> float:
        """The greatest finite value."""
        return float(self.to_values(np.array([self.infinity - 1]))[0])

    def to_patterns(self, values: NDArray[np.float64], nearest: bool) -> NDArray[np.uint16]:
        """Round values to patterns.

        Parameters
        ----------
        values : ndarray of float64
            Finite ones must not exceed `greatest`. The sign of a zero is kept; a NaN becomes
            `nan` with its sign.
        nearest : bool
            To the nearest, ties to even; else towards zero.
        """
        magnitude = np.abs(values)
        finite = np.isfinite(magnitude)
        magnitude[~finite] = 0.0
        # What stands in the exponent field; 1 also stands for subnormal numbers, whose quantum
        # is that of the smallest normal ones.
        exponent = np.frexp(magnitude)[1].astype(np.int64) - 1 + self.bias
        exponent = np.where(magnitude > 0, np.maximum(exponent, 1), 1)
        quanta = np.ldexp(magnitude, self.bias + self.mantissa_bits - exponent)
        quanta = np.rint(quanta) if nearest else np.trunc(quanta)
        # A mantissa that was rounded up to the next power of two carries into the exponent.
        patterns = ((exponent - 1) << self.mantissa_bits) + quanta.astype(np.int64)
        patterns[~finite] = np.where(np.isnan(values[~finite]), self.nan, self.infinity)
        patterns |= np.signbit(values).astype(np.int64) << (self.bits - 1)
        return patterns.astype(np.uint16)

    def to_values(self, patterns: NDArray[Any]) -> NDArray[np.float64]:
        """Return the value of every pattern, exactly."""
        bits = patterns.astype(np.int64)
        magnitude = bits & ((1 << (self.bits - 1)) - 1)
        exponent = np.maximum(magnitude >> self.mantissa_bits, 1)
        quanta = magnitude - ((exponent - 1) << self.mantissa_bits)
        shift = exponent - self.bias - self.mantissa_bits
        values = np.ldexp(quanta.astype(np.float64), shift.astype(np.int32))
        if self.has_infinity:
            values[magnitude == self.infinity] = np.inf
            values[magnitude > self.infinity] = np.nan
        else:
            values[magnitude == self.nan] = np.nan
        signs = np.where(bits >> (self.bits - 1), -1.0, 1.0)
        signed: NDArray[np.float64] = np.copysign(values, signs)
        return signed


SMALL_FLOATS = {
    "float16": SmallFloat(5, 10),
    "bfloat16": SmallFloat(8, 7),
    "float8_e4m3fn": SmallFloat(4, 3, has_infinity=False),
    "float8_e5m2": SmallFloat(5, 2),
}


@cache
def table(name: str) -> NDArray[np.float64]:
    """Return the values of all patterns of a small float, in order."""
    small = SMALL_FLOATS[name]
    return small.to_values(np.arange(1 << small.bits))
