"""What every word format offers, and what it is told when it is chosen for a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fmcompress.errors import ParameterError
from fmcompress.in_order import Each
from fmcompress.ordering import Stretch

MAPPINGS = ("bits", "rotate")


class WordFormat(Protocol):
    """How the elements of one layer become words."""

    @property
    def bits(self) -> int:
        """Word width w."""
        ...

    @property
    def words_per_element(self) -> int:
        """Words that one element of the file holds: more than 1 where they are packed."""
        ...

    @property
    def difference(self) -> str:
        """The difference rule that suits these words."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return the parameters as they stand in the container, with ``format``."""
        ...

    def holds(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
        """Tell whether a tensor of this dtype and shape can have this word format."""
        ...

    def to_words(self, elements: NDArray[Any], stretch: Stretch | None = None) -> NDArray[Any]:
        """Map elements that follow each other in word order to words.

        Parameters
        ----------
        elements : ndarray, shape (count,)
            Of the layer's dtype, in either byte order.
        stretch : Stretch, optional
            Where in the layer they stand; needed where words depend on that, and by errors.

        Returns
        -------
        ndarray of `word_dtype`, shape (words,)

        Raises
        ------
        ParameterError
            If an element does not fit; index and value are named.
        """
        ...

    def to_elements(
        self, words: NDArray[Any], dtype: np.dtype[Any], stretch: Stretch | None = None
    ) -> NDArray[Any]:
        """Undo `to_words`; `dtype` gives the byte order."""
        ...


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a user asked of word formats; None is no wish.

    Attributes
    ----------
    zero_point : int or sequence of int
        Of integers; a sequence gives one to every channel.
    zero_point_axis : int
        The axis of channels.
    word_bits : int
        Width of integers that are narrower than their dtype.
    mapping : {"bits", "rotate"}
        Of floats.
    """

    zero_point: int | Sequence[int] | None = None
    zero_point_axis: int | None = None
    word_bits: int | None = None
    mapping: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.zero_point, np.ndarray) and not self.zero_point.ndim:
            object.__setattr__(self, "zero_point", self.zero_point.item())
        elif isinstance(self.zero_point, Iterable):
            object.__setattr__(self, "zero_point", tuple(self.zero_point))


@dataclass(frozen=True, slots=True)
class Subject:
    """The layer for which a word format is chosen.

    Attributes
    ----------
    element_type : str
        What its elements are.
    shape : tuple of int
    attributes : mapping
    blocks : callable
        Returns an iterator over its elements, in any order, as 1-D arrays; may be called again.
    packed : bool
        Whether a byte holds two elements of 4 bits.
    each : callable
        With which blocks are looked at: `map`, or that of `Workers`.
    """

    element_type: str
    shape: tuple[int, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    blocks: Callable[[], Iterable[NDArray[Any]]] = lambda: ()
    packed: bool = False
    each: Each = map


def patterns(elements: NDArray[Any]) -> NDArray[Any]:
    """Return the bits of elements of 1, 2, 4 or 8 bytes as native unsigned integers."""
    dtype = elements.dtype
    # Opaque bytes have no byte order: theirs is little-endian, as everybody writes them.
    order = ">" if dtype.byteorder == ">" or (dtype.byteorder == "=" and _BIG) else "<"
    bits: NDArray[Any] = elements.view(f"{order}u{dtype.itemsize}")
    return bits.astype(f"u{dtype.itemsize}", copy=False)


def unpatterns(bits: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Undo `patterns`."""
    order = ">" if dtype.byteorder == ">" or (dtype.byteorder == "=" and _BIG) else "<"
    elements: NDArray[Any] = bits.astype(f"{order}u{dtype.itemsize}", copy=False).view(dtype)
    return elements


_BIG = np.dtype("u2").newbyteorder("=").str[0] == ">"


def misfit(number: int, value: Any, why: str, stretch: Stretch | None, hint: str) -> ParameterError:
    """Say which element does not fit."""
    index = stretch.index_of(number) if stretch is not None else (number,)
    return ParameterError(f"element {list(index)} is {value}, {why}", hint=hint)
