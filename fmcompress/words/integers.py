"""Integers as words: as wide as their dtype or narrower, with zero points, packed or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fmcompress.element_types import holding_dtype
from fmcompress.errors import ParameterError
from fmcompress.ordering import Stretch
from fmcompress.stream_words import word_dtype
from fmcompress.words.protocol import Subject, Wishes, misfit, patterns, unpatterns
from fmcompress.words.zero_points import (
    ZERO_POINT_SOURCES,
    most_frequent,
    zero_point_attribute,
    zero_points_attribute,
)

MIN_NARROW_BITS = 2
MAX_CHANNELS = 1 << 16


@dataclass(frozen=True, slots=True)
class IntegerWords:
    """Integers, two's complement: a word is ``(value - zero_point) mod 2**w``.

    Parameters
    ----------
    format : str
        Element type, as ``int8`` or ``uint4``.
    zero_point : int or tuple of int
        The value that becomes the word 0; within the range of w bits. A tuple has one for every
        index along `axis`.
    zero_point_from : {"none", "option", "attribute", "found"}
        Who said so; it does not touch the words.
    word_bits : int, optional
        w, where that is less than the element type has.
    axis : int, optional
        The axis of channels, where `zero_point` is a tuple.
    packed : bool
        Whether a byte holds two elements of 4 bits, the first in its low half.
    zero_extended : bool
        Whether the high half of the byte of an ``int4`` is 0, as in ``ml_dtypes`` arrays, and not
        full of its sign.

    Raises
    ------
    ParameterError
        If a zero point is outside the range, or the parameters contradict each other.
    """

    format: str
    zero_point: int | tuple[int, ...] = 0
    zero_point_from: str = "none"
    word_bits: int | None = None
    axis: int | None = None
    packed: bool = False
    zero_extended: bool = False

    def __post_init__(self) -> None:
        own = type_bits(self.format)
        narrow = self.word_bits
        if narrow is not None and not (
            type(narrow) is int and MIN_NARROW_BITS <= narrow < own and not self.packed
        ):
            raise ParameterError(
                f"word_bits is {narrow!r}", hint=f"give {MIN_NARROW_BITS} to {own - 1}"
            )
        if type(self.packed) is not bool or (self.packed and own != 4):
            raise ParameterError(f"{self.format} cannot be packed")
        if type(self.zero_extended) is not bool or (
            self.zero_extended and (self.format != "int4" or self.packed)
        ):
            raise ParameterError(f"{self.format} cannot be zero-extended")
        if self.zero_point_from not in ZERO_POINT_SOURCES:
            raise ParameterError(f"zero_point_from is {self.zero_point_from!r}")
        listed = isinstance(self.zero_point, list | tuple)
        if listed and self.axis is None:
            self._checked(self.zero_point)  # is none
        known = self.axis is None or (type(self.axis) is int and self.axis >= 0)
        if listed != (self.axis is not None) or not known or (listed and self.packed):
            raise ParameterError("a vector of zero points and an axis need each other")
        points = tuple(self.zero_point) if listed else (self.zero_point,)  # type: ignore[arg-type]
        if not 1 <= len(points) <= MAX_CHANNELS:
            raise ParameterError(f"there are {len(points)} zero points", hint="give one a channel")
        checked = tuple(self._checked(point) for point in points)
        object.__setattr__(self, "zero_point", checked if listed else checked[0])

    def _checked(self, point: Any) -> int:
        least, greatest = self.range
        whole = isinstance(point, int | np.integer) and not isinstance(point, bool)
        if not whole or not least <= point <= greatest:
            what = f"{self.bits}-bit {self.format}" if self.word_bits else self.format
            raise ParameterError(
                f"zero point {point!r} is outside {what}",
                hint=f"give one from {least} to {greatest}",
            )
        return int(point)

    @property
    def bits(self) -> int:
        """Word width w."""
        return self.word_bits or type_bits(self.format)

    @property
    def range(self) -> tuple[int, int]:
        """Least and greatest value that w bits hold."""
        if self.format.startswith("u"):
            return 0, 2**self.bits - 1
        return -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1

    @property
    def words_per_element(self) -> int:
        """2 where they are packed, else 1."""
        return 2 if self.packed else 1

    @property
    def difference(self) -> str:
        """``signed`` for signed element types, ``unsigned`` for unsigned ones."""
        return "unsigned" if self.format.startswith("u") else "signed"

    def describe(self) -> dict[str, Any]:
        """Return the parameters as they stand in the container."""
        listed = isinstance(self.zero_point, tuple)
        description: dict[str, Any] = {
            "format": self.format,
            "zero_point": list(self.zero_point) if listed else self.zero_point,  # type: ignore[arg-type]
            "zero_point_from": self.zero_point_from,
        }
        for key in ("word_bits", "axis", "packed", "zero_extended"):
            value = getattr(self, key)
            if value is not None and value is not False:
                description[key] = value
        return description

    def holds(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
        """Tell whether elements of this dtype have the format's size, and channels fit."""
        if dtype.kind not in "iuV" or dtype.itemsize != holding_dtype(self.format).itemsize:
            return False
        if self.axis is None:
            return True
        points = self.zero_point
        assert isinstance(points, tuple)
        return self.axis < len(shape) and shape[self.axis] == len(points)

    def to_words(self, elements: NDArray[Any], stretch: Stretch | None = None) -> NDArray[Any]:
        """Map a 1-D array of elements, of either byte order, to words."""
        words = patterns(elements)
        if self.packed:
            words = np.stack([words & 15, words >> 4], axis=-1).reshape(-1)
        elif self.bits < 8 * words.dtype.itemsize:
            self._check_range(words, stretch)
        if self.axis is not None or self.zero_point:
            # Unsigned arithmetic wraps: with a mask for narrow words, this is the mod 2**w.
            words = words - self._points(words, stretch)
        if self.bits < 8 * words.dtype.itemsize:
            words = words & words.dtype.type(2**self.bits - 1)
        narrow: NDArray[Any] = words.astype(word_dtype(self.bits), copy=False)
        return narrow

    def to_elements(
        self, words: NDArray[Any], dtype: np.dtype[Any], stretch: Stretch | None = None
    ) -> NDArray[Any]:
        """Undo `to_words`, in the byte order of `dtype`."""
        native = words.astype(f"u{dtype.itemsize}", copy=False)
        if self.axis is not None or self.zero_point:
            native = native + self._points(native, stretch)
        own = 8 * dtype.itemsize
        if self.bits < own:
            native = native & native.dtype.type(2**self.bits - 1)
            if self.range[0] < 0 and not (self.packed or self.zero_extended):
                sign = native.dtype.type(2 ** (self.bits - 1))
                native = (native ^ sign) - sign
        if self.packed:
            native = native[::2] | native[1::2] << 4
        return unpatterns(native, dtype)

    def _points(self, words: NDArray[Any], stretch: Stretch | None) -> Any:
        """Return what is subtracted: one pattern, or one for each word."""
        unsigned = words.dtype.type
        if self.axis is None:
            assert isinstance(self.zero_point, int)
            return unsigned(self.zero_point % 2 ** (8 * words.dtype.itemsize))
        assert isinstance(self.zero_point, tuple)
        if stretch is None:
            raise ParameterError("zero points of channels need to know where elements stand")
        modulus = 2 ** (8 * words.dtype.itemsize)
        points = np.array([point % modulus for point in self.zero_point], unsigned)
        return points[stretch.along(self.axis, words.size)]

    def fits(self, elements: NDArray[Any]) -> bool:
        """Tell whether w bits hold every value."""
        values, least, greatest = self._values(patterns(elements))
        return not values.size or bool(values.min() >= least and values.max() <= greatest)

    def _values(self, bits: NDArray[Any]) -> tuple[NDArray[Any], int, int]:
        """Return elements as they are compared, and the least and the greatest that fit."""
        if self.zero_extended:
            return bits, 0, 15
        least, greatest = self.range
        return (bits if least == 0 else bits.view(f"i{bits.dtype.itemsize}")), least, greatest

    def _check_range(self, bits: NDArray[Any], stretch: Stretch | None) -> None:
        """Refuse the first value that w bits do not hold."""
        values, least, greatest = self._values(bits)
        if not self.fits(bits):
            number = int(np.argmax((values < least) | (values > greatest)))
            raise misfit(
                number,
                int(values[number]),
                f"which does not fit {self.bits}-bit words ({least} to {greatest})",
                stretch,
                "give another word width or dtype, or pick other layers with --layers",
            )

    @classmethod
    def choose(cls, subject: Subject, wishes: Wishes) -> Self:
        """Choose the parameters for a layer: given, else from an attribute, else found.

        Parameters
        ----------
        subject : Subject
            The layer. Its elements are read only where the zero point must be found.
        wishes : Wishes
            The user's, which win.

        Raises
        ------
        ParameterError
            If the zero point given is outside the range, or does not fit the layer.
        """
        bits = wishes.word_bits
        narrow = bits if bits is not None and bits < type_bits(subject.element_type) else None
        packed = subject.packed
        plain = cls(subject.element_type, word_bits=None if packed else narrow, packed=packed)
        if subject.element_type == "int4" and not packed:
            plain = plain._extended(subject)
        if wishes.zero_point is not None:
            return plain._with_option(wishes.zero_point, wishes.zero_point_axis, subject.shape)
        noted = zero_point_attribute(subject.attributes)
        # An attribute that cannot be true is no reason to refuse the data.
        with suppress(ParameterError):
            if noted is not None:
                return replace(plain, zero_point=noted, zero_point_from="attribute")
            vector = zero_points_attribute(
                subject.attributes, subject.shape, wishes.zero_point_axis
            )
            if vector is not None and not packed:
                points, axis = vector
                return replace(plain, zero_point=points, zero_point_from="attribute", axis=axis)
        found = 0 if packed else most_frequent(subject.blocks(), subject.each)
        least, greatest = plain.range
        if not found or not least <= found <= greatest:
            return plain
        return replace(plain, zero_point=found, zero_point_from="found")

    def _extended(self, subject: Subject) -> Self:
        """Find out what is in the high halves of bytes."""
        zeros = replace(self, zero_extended=True)
        signed = all(map(self.fits, subject.blocks()))
        return zeros if not signed and all(map(zeros.fits, subject.blocks())) else self

    def _with_option(
        self, given: int | Sequence[int], axis: int | None, shape: tuple[int, ...]
    ) -> Self:
        if not isinstance(given, Sequence):
            return replace(self, zero_point=given, zero_point_from="option")
        if axis is None:
            raise ParameterError(
                "zero points of channels need an axis", hint="give --zero-point-axis"
            )
        place = axis % len(shape) if shape else 0
        if not -len(shape) <= axis < len(shape) or shape[place] != len(given):
            raise ParameterError(
                f"{len(given)} zero points do not fit axis {axis} of shape {shape}",
                hint="give one for every index along --zero-point-axis",
            )
        return replace(self, zero_point=tuple(given), zero_point_from="option", axis=place)


def small_fit(name: str, blocks: Callable[[], Iterable[NDArray[Any]]]) -> bool:
    """Tell whether all bytes are 4-bit integers, whatever is in their high halves."""
    formats = [IntegerWords(name)]
    formats += [IntegerWords(name, zero_extended=True)] if name == "int4" else []
    return any(all(map(words.fits, blocks())) for words in formats)


def type_bits(name: str) -> int:
    """Bits of an integer type, from its name."""
    return int(name.lstrip("uint"))
