"""How one tensor is coded: what its elements are, how they are quantised, in what order they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fmcompress.codecs import Codec
from fmcompress.contents import LayerInfo
from fmcompress.dumps import Tensor
from fmcompress.element_types import FOUR_BIT, holding_dtype
from fmcompress.in_order import Each
from fmcompress.ordering import Stretch, WordOrder, cut, file_axes
from fmcompress.quantizing import Quantization
from fmcompress.words import WORD_BITS, Subject, Wishes, WordFormat, format_for
from fmcompress.words.integers import IntegerWords, type_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(slots=True)
class LayerPlan:
    """How one tensor is coded."""

    tensor: Tensor
    element_type: str
    packed: bool
    quantization: Quantization | None = None
    axes: tuple[int, ...] = ()  # empty: as in the file, or to be tried
    serpentine: bool = False
    own_zero_point: bool = False  # that of the options does not fit

    @property
    def file_order(self) -> WordOrder:
        """The order of the tensor's elements in the file."""
        shape = self.tensor.shape
        return WordOrder(shape, file_axes(len(shape), self.tensor.order))

    @property
    def word_order(self) -> WordOrder:
        """The order of its words."""
        plain = self.file_order
        return replace(plain, axes=self.axes or plain.axes, serpentine=self.serpentine)

    def quantized(self, elements: NDArray[Any], stretch: Stretch) -> NDArray[Any]:
        """Return elements as they are coded."""
        return (
            elements if self.quantization is None else self.quantization.quantize(elements, stretch)
        )

    def describe(self, words: WordFormat, codec: Codec, chunk_words: int) -> LayerInfo:
        """Return the layer's description."""
        tensor, how = self.tensor, self.quantization
        assert tensor.dtype is not None
        order = self.word_order
        return LayerInfo(
            name=tensor.name,
            shape=tensor.shape,
            dtype=tensor.dtype.str if how is None else how.dtype.str,
            order=tensor.order,
            axes=() if order.axes == self.file_order.axes else order.axes,
            serpentine=self.serpentine,
            quantized={} if how is None else how.describe(),
            words=words.describe(),
            codec=codec.describe(),
            chunk_words=chunk_words,
            place=tensor.place,
        )

    def words(
        self, blocks: Iterator[NDArray[Any]], words: WordFormat, info: LayerInfo
    ) -> Iterator[NDArray[Any]]:
        """Yield the layer's words chunk by chunk; `blocks` are its elements in file order."""
        for elements, stretch in self.in_word_order(blocks, info.chunk_elements):
            yield self.to_words(elements, words, stretch)

    def in_word_order(
        self, blocks: Iterator[NDArray[Any]], size: int
    ) -> Iterator[tuple[NDArray[Any], Stretch]]:
        """Yield the layer's elements `size` at a time, in word order, and where they stand."""
        assert self.tensor.dtype is not None
        order = self.word_order
        push = order.to_words(self.tensor.order, self.tensor.dtype)
        ordered = (part for block in blocks for part in push(block))
        at = 0
        for elements in cut(ordered, size):
            yield elements, Stretch(order, at)
            at += elements.size

    def words_in_file_order(
        self, blocks: Iterator[NDArray[Any]], words: WordFormat
    ) -> Iterator[NDArray[Any]]:
        """Yield the layer's words block by block, where their order does not matter."""
        order, at = self.file_order, 0
        for elements in blocks:
            yield self.to_words(elements, words, Stretch(order, at))
            at += elements.size

    def to_words(self, elements: NDArray[Any], words: WordFormat, stretch: Stretch) -> NDArray[Any]:
        """Turn elements in word order to words; to be called in any thread."""
        return words.to_words(self.quantized(elements, stretch), stretch)

    def choose_words(
        self, wishes: Wishes, blocks: Callable[[], Iterator[NDArray[Any]]], each: Each = map
    ) -> WordFormat:
        """Choose the word format.

        Parameters
        ----------
        wishes : Wishes
            The user's.
        blocks : callable
            Returns an iterator over the elements, in file order; read only where needed.
        each : callable
            With which they are looked at: `map`, or that of `Workers`.
        """
        how = self.quantization
        if self.own_zero_point:
            wishes = replace(wishes, zero_point=None)
        if how is not None:  # its zero is 0
            wishes = replace(wishes, zero_point=0, word_bits=how.bits)
            order, file_blocks = self.file_order, blocks
            blocks = lambda: _quantized(how, order, file_blocks())
        elif wishes.word_bits is None:
            wishes = replace(wishes, word_bits=self._known_bits(blocks))
        subject = Subject(
            element_type=self.element_type,
            shape=self.tensor.shape,
            attributes=self.tensor.attributes,
            blocks=lambda: _as_type(blocks(), self.element_type),
            packed=self.packed and self.element_type in FOUR_BIT,
            each=each,
        )
        format_ = format_for(self.element_type)
        assert format_ is not None
        chosen = format_.choose(subject, wishes)
        if how is not None and isinstance(chosen, IntegerWords):
            chosen = replace(chosen, zero_point_from="none")
        return chosen

    def _known_bits(self, blocks: Callable[[], Iterator[NDArray[Any]]]) -> int | None:
        """Return the width of narrow words that the dump itself tells, if it is true."""
        if self.tensor.word_bits:
            return self.tensor.word_bits
        noted: Any = self.tensor.attributes.get(WORD_BITS)
        whole = format_for(self.element_type) is IntegerWords and not self.packed
        if not whole or not isinstance(noted, int | np.integer):
            return None
        if noted not in range(2, type_bits(self.element_type)):
            return None
        words = IntegerWords(self.element_type, word_bits=int(noted))
        return int(noted) if all(map(words.fits, blocks())) else None


def _as_type(blocks: Iterator[NDArray[Any]], element_type: str) -> Iterator[NDArray[Any]]:
    """See opaque bytes or integers as what the user says they are, where NumPy has that."""
    held = holding_dtype(element_type)
    yield from (_viewed(block, held) for block in blocks)


def _viewed(block: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    return block.view(dtype.newbyteorder(block.dtype.byteorder if block.dtype.kind != "V" else "<"))


def _quantized(
    how: Quantization, order: WordOrder, blocks: Iterator[NDArray[Any]]
) -> Iterator[NDArray[Any]]:
    at = 0
    for block in blocks:
        yield how.quantize(block, Stretch(order, at))
        at += block.size
