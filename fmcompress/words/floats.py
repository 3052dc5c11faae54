"""Floats as words: their bit patterns, or these with the sign moved to the lowest place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fmcompress.element_types import holding_dtype
from fmcompress.errors import ParameterError
from fmcompress.ordering import Stretch
from fmcompress.stream_words import word_dtype
from fmcompress.words.protocol import MAPPINGS, Subject, Wishes, patterns, unpatterns


@dataclass(frozen=True, slots=True)
class FloatWords:
    """Floats of 8, 16 or 32 bits; NaN payloads, infinities and −0.0 are bit patterns like any.

    Parameters
    ----------
    format : str
        Element type, as ``bfloat16``.
    mapping : {"bits", "rotate"}
        ``bits``: the word is the bit pattern b. ``rotate``: it is
        ``(b << 1 | b >> (w - 1)) mod 2**w``, so that the sign is the lowest bit.

    Raises
    ------
    ParameterError
        If the mapping is none of these.
    """

    format: str
    mapping: str = "bits"

    def __post_init__(self) -> None:
        if not isinstance(self.mapping, str) or self.mapping not in MAPPINGS:
            raise ParameterError(f"mapping is {self.mapping!r}", hint=f"give one of {MAPPINGS}")

    @property
    def bits(self) -> int:
        """Word width w, that of the element type."""
        return 8 * holding_dtype(self.format).itemsize

    @property
    def words_per_element(self) -> int:
        """Always 1."""
        return 1

    @property
    def difference(self) -> str:
        """Bit patterns are unsigned: where no sign bit is set, the same as ``signed``."""
        return "unsigned"

    def describe(self) -> dict[str, Any]:
        """Return the parameters as they stand in the container."""
        return {"format": self.format, "mapping": self.mapping}

    def holds(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
        """Tell whether elements of this dtype have the format's size."""
        return dtype.kind in "fiuV" and 8 * dtype.itemsize == self.bits

    def to_words(self, elements: NDArray[Any], stretch: Stretch | None = None) -> NDArray[Any]:
        """Map a 1-D array of elements, of either byte order, to words."""
        words = patterns(elements)
        if self.mapping == "rotate":
            words = words << 1 | words >> (self.bits - 1)
        return words.astype(word_dtype(self.bits), copy=False)

    def to_elements(
        self, words: NDArray[Any], dtype: np.dtype[Any], stretch: Stretch | None = None
    ) -> NDArray[Any]:
        """Undo `to_words`, in the byte order of `dtype`."""
        bits = words.astype(f"u{dtype.itemsize}", copy=False)
        if self.mapping == "rotate":
            bits = bits >> 1 | bits << (self.bits - 1)
        return unpatterns(bits, dtype)

    @classmethod
    def choose(cls, subject: Subject, wishes: Wishes) -> Self:
        """Take the mapping given; else ``rotate`` if any sign bit is set, ``bits`` if none is."""
        if wishes.mapping is not None:
            return cls(subject.element_type, wishes.mapping)
        signed = any(has_sign(block) for block in subject.blocks())
        return cls(subject.element_type, "rotate" if signed else "bits")


def has_sign(elements: NDArray[Any]) -> bool:
    """Tell whether any sign bit is set, be it that of a NaN or of −0.0."""
    bits = patterns(elements)
    return bool(bits.size) and bool(bits.max() >> (8 * bits.dtype.itemsize - 1))
