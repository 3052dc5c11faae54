"""Booleans as words of one bit: a ZNZ stream and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fmcompress.ordering import Stretch
from fmcompress.words.protocol import Subject, Wishes, misfit


@dataclass(frozen=True, slots=True)
class FlagWords:
    """Booleans, a byte each, 0 or 1: the word is that bit.

    Parameters
    ----------
    format : str
        ``bool``.
    """

    format: str

    @property
    def bits(self) -> int:
        """Word width w."""
        return 1

    @property
    def words_per_element(self) -> int:
        """Always 1."""
        return 1

    @property
    def difference(self) -> str:
        """No difference is ever formed."""
        return "unsigned"

    def describe(self) -> dict[str, Any]:
        """Return the parameters as they stand in the container."""
        return {"format": self.format}

    def holds(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
        """Tell whether elements of this dtype are single bytes."""
        return dtype.kind in "?biuV" and dtype.itemsize == 1

    def to_words(self, elements: NDArray[Any], stretch: Stretch | None = None) -> NDArray[Any]:
        """Map a 1-D array of bytes to words; refuse any that is neither 0 nor 1."""
        bits = elements.view("u1")
        if not is_plain(bits):
            number = int(np.argmax(bits > 1))
            raise misfit(
                number,
                int(bits[number]),
                "which is neither 0 nor 1",
                stretch,
                "pick other layers with --layers",
            )
        return bits

    def to_elements(
        self, words: NDArray[Any], dtype: np.dtype[Any], stretch: Stretch | None = None
    ) -> NDArray[Any]:
        """Undo `to_words`."""
        return words.astype("u1").view(dtype)

    @classmethod
    def choose(cls, subject: Subject, wishes: Wishes) -> Self:
        """There is nothing to choose."""
        return cls(subject.element_type)


def is_plain(elements: NDArray[Any]) -> bool:
    """Tell whether every byte of booleans is 0 or 1, as it need not be in a file."""
    bits = elements.view("u1")
    return not bits.size or bool(bits.max() <= 1)
