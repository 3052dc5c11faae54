"""Word formats: from a tensor's elements to words (unsigned bit patterns) and back, bit for bit.

The only place that knows dtypes. To add a format, write a class with the methods of
`WordFormat` and an entry in `WORD_FORMATS`: CONTRIBUTING.md shows how.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from fmcompress.errors import DamagedError, ParameterError, UnsupportedError

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
ZERO_POINT_SOURCES = ("none", "option", "attribute", "found")
# Why a tensor of another dtype is carried.
NO_WORD_FORMAT = "dtype has no word format"
# Values kept a block when a zero point is searched in words too wide for a full histogram.
_CANDIDATES = 16


class WordFormat(Protocol):
    """How the elements of one layer become words."""

    @property
    def bits(self) -> int:
        """Word width w."""
        ...

    @property
    def difference(self) -> str:
        """The difference rule that suits these words."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return the parameters as they stand in the container, with ``format``."""
        ...

    def to_words(self, elements: NDArray[Any]) -> NDArray[np.uint32]:
        """Map a 1-D array of elements to words."""
        ...

    def to_elements(self, words: NDArray[np.uint32], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Undo `to_words`; `dtype` gives the byte order."""
        ...


@dataclass(frozen=True, slots=True)
class IntegerWords:
    """Integers, two's complement: a word is ``(value - zero_point) mod 2**w``.

    Parameters
    ----------
    format : str
        Name of the dtype, as ``int8``.
    zero_point : int
        The value that becomes the word 0; within the dtype's range.
    zero_point_from : {"none", "option", "attribute", "found"}
        Who said so; it does not touch the words.

    Raises
    ------
    ParameterError
        If the zero point is outside the dtype's range.
    """

    format: str
    zero_point: int = 0
    zero_point_from: str = "none"

    def __post_init__(self) -> None:
        range_ = np.iinfo(self.format)
        whole = isinstance(self.zero_point, int | np.integer) and not isinstance(
            self.zero_point, bool
        )
        if not whole or not range_.min <= self.zero_point <= range_.max:
            raise ParameterError(
                f"zero point {self.zero_point!r} is outside {self.format}",
                hint=f"give one from {range_.min} to {range_.max}",
            )
        object.__setattr__(self, "zero_point", int(self.zero_point))
        if self.zero_point_from not in ZERO_POINT_SOURCES:
            raise ParameterError(f"zero_point_from is {self.zero_point_from!r}")

    @property
    def bits(self) -> int:
        """Word width w, that of the dtype."""
        return int(np.iinfo(self.format).bits)

    @property
    def difference(self) -> str:
        """``signed`` for signed dtypes, ``unsigned`` for unsigned ones."""
        return "signed" if np.iinfo(self.format).min < 0 else "unsigned"

    def describe(self) -> dict[str, Any]:
        """Return the parameters as they stand in the container."""
        return {
            "format": self.format,
            "zero_point": self.zero_point,
            "zero_point_from": self.zero_point_from,
        }

    def to_words(self, elements: NDArray[Any]) -> NDArray[np.uint32]:
        """Map a 1-D array of elements, of either byte order, to words."""
        native = elements.astype(self.format, copy=False).view(f"u{self.bits // 8}")
        if self.zero_point:
            # Unsigned arithmetic of w bits wraps: this is the mod 2**w.
            native = native - native.dtype.type(self.zero_point % 2**self.bits)
        return native.astype(np.uint32)

    def to_elements(self, words: NDArray[np.uint32], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Undo `to_words`, in the byte order of `dtype`."""
        native = words.astype(f"u{self.bits // 8}")
        if self.zero_point:
            native += native.dtype.type(self.zero_point % 2**self.bits)
        return native.view(self.format).astype(dtype, copy=False)

    @classmethod
    def choose(
        cls,
        dtype: np.dtype[Any],
        zero_point: int | None,
        attributes: Mapping[str, Any],
        blocks: Iterable[NDArray[Any]],
    ) -> Self:
        """Choose the parameters for a layer: given, else from an attribute, else found.

        Parameters
        ----------
        dtype : dtype
            Of the elements.
        zero_point : int or None
            The user's, which wins.
        attributes : mapping
            Of the layer; `ZERO_POINT_NAMES` are looked for.
        blocks : iterable of 1-D arrays
            The elements; read only where the zero point must be found.

        Raises
        ------
        ParameterError
            If the zero point given is outside the dtype's range.
        """
        plain = cls(dtype.newbyteorder("=").name)
        if zero_point is not None:
            return replace(plain, zero_point=zero_point, zero_point_from="option")
        noted = zero_point_attribute(attributes)
        if noted is not None:
            # An attribute that cannot be true is no reason to refuse the data.
            with suppress(ParameterError):
                return replace(plain, zero_point=noted, zero_point_from="attribute")
        found = most_frequent(blocks)
        return replace(plain, zero_point=found, zero_point_from="found") if found else plain


WORD_FORMATS: dict[str, type[IntegerWords]] = dict.fromkeys(
    ("int8", "uint8", "int16", "uint16", "int32", "uint32"), IntegerWords
)


def format_for(dtype: np.dtype[Any]) -> type[IntegerWords] | None:
    """Return the word format of a dtype, or None where it has none and is carried unchanged."""
    return WORD_FORMATS.get(dtype.newbyteorder("=").name)


def format_from_description(description: Mapping[str, Any]) -> WordFormat:
    """Build the word format that `WordFormat.describe` described.

    Raises
    ------
    UnsupportedError
        If the format or one of its parameters is unknown to this version.
    DamagedError
        If a parameter is outside its range.
    """
    name = description.get("format")
    if not isinstance(name, str) or name not in WORD_FORMATS:
        raise UnsupportedError(f"unknown word format {name!r}", hint="upgrade fmcompress")
    try:
        return WORD_FORMATS[name](**description)
    except TypeError as error:
        raise UnsupportedError(
            f"unknown parameter of word format {name!r}: {sorted(description)}",
            hint="upgrade fmcompress",
        ) from error
    except ParameterError as error:
        raise DamagedError(f"the word format is not valid: {error.cause}") from error


def zero_point_attribute(attributes: Mapping[str, Any]) -> int | None:
    """Return the zero point that attributes name, if it is one whole number."""
    for name in attributes:
        if name.lower().translate({ord(c): None for c in "_-."}) in ZERO_POINT_NAMES:
            try:
                value = np.asarray(attributes[name])
            except ValueError:  # a ragged list
                continue
            if value.size == 1 and value.dtype.kind in "iuf" and float(value.item()).is_integer():
                return int(value.item())
    return None


def _histogram(block: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the values that occur, and how often."""
    native = block.astype(block.dtype.newbyteorder("="), copy=False)
    bits = 8 * native.itemsize
    if bits > 16:
        return np.unique(native, return_counts=True)
    # Counting is 20 times as fast as the sorting of 8-bit values in np.unique.
    patterns = native.view(f"u{native.itemsize}")
    times = np.zeros(1 << bits, np.int64)
    for start in range(0, patterns.size, 1 << 18):
        times += np.bincount(patterns[start : start + (1 << 18)], minlength=1 << bits)
    found = np.flatnonzero(times)
    return found.astype(patterns.dtype).view(native.dtype), times[found]


def most_frequent(blocks: Iterable[NDArray[Any]]) -> int:
    """Return the most frequent value, or 0 where none is more frequent than 0.

    Exact for words up to 16 bits. Of wider ones each block adds its most frequent values only,
    so a value that is frequent nowhere may be missed: any answer is lossless.

    Parameters
    ----------
    blocks : iterable of 1-D integer arrays
        The elements, in pieces of bounded size.
    """
    counts: Counter[int] = Counter()
    for block in blocks:
        values, times = _histogram(block)
        if block.dtype.itemsize > 2:
            best = np.argsort(times, kind="stable")[-_CANDIDATES:]
            best = np.union1d(best, np.flatnonzero(values == 0))
            values, times = values[best], times[best]
        counts.update(dict(zip(values.tolist(), times.tolist(), strict=True)))
    if not counts:
        return 0
    value, times_ = min(counts.items(), key=lambda item: (-item[1], item[0]))
    return value if times_ > counts[0] else 0
