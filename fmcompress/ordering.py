"""The order in which a layer's elements become words: axes permuted, rows forth and back.

Memory is bounded: what must be held to change the order goes to a temporary file once it is large.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from fmcompress.spool import PIECE_BYTES, Spool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Push: TypeAlias = Callable[[NDArray[Any]], Iterator[NDArray[Any]]]


def file_axes(rank: int, order: str | tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes as they run in a file, slowest first: of C order, Fortran's, or as listed."""
    if not isinstance(order, str):
        return order
    axes = tuple(range(rank))
    return axes if order == "C" else axes[::-1]


@dataclass(frozen=True, slots=True)
class WordOrder:
    """How a tensor's elements follow each other as words.

    Attributes
    ----------
    shape : tuple of int
        Of the tensor.
    axes : tuple of int
        A permutation of its axes, the one that runs slowest first.
    serpentine : bool
        Whether, in every plane of the two axes that run fastest, rows with an odd index run
        backwards.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    serpentine: bool = False

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths of the axes in the order in which they run."""
        return tuple(self.shape[axis] for axis in self.axes)

    @property
    def strides(self) -> tuple[int, ...]:
        """Words from one index of a tensor's axis to the next, by axis, rows all running forth."""
        steps = [1] * len(self.axes)
        step = 1
        for axis in reversed(self.axes):
            steps[axis] = step
            step *= max(self.shape[axis], 1)
        return tuple(steps)

    @property
    def row_words(self) -> int:
        """Words of a row, along the axis that runs fastest."""
        return self.shape[self.axes[-1]] if self.axes else 1

    def forth(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Turn places among the words to places with all rows running forth; and the other way."""
        import numpy as np

        if not self.serpentine or len(self.axes) < 2:
            return places
        rows, columns = np.divmod(places, max(self.row_words, 1))
        backwards = rows % max(self.shape[self.axes[-2]], 1) % 2 == 1
        return np.where(
            backwards, rows * self.row_words + self.row_words - 1 - columns, places
        ).astype(np.int64)

    def turned(self, elements: NDArray[Any], first_row: int) -> NDArray[Any]:
        """Turn every odd row of elements that are whole rows, from row `first_row` on."""
        import numpy as np

        if not self.serpentine or len(self.axes) < 2 or not self.row_words:
            return elements
        rows = elements.reshape(-1, self.row_words).copy()
        numbers = (first_row + np.arange(len(rows))) % self.shape[self.axes[-2]]
        rows[numbers % 2 == 1] = rows[numbers % 2 == 1, ::-1]
        return rows.reshape(-1)

    def to_words(self, order: str | tuple[int, ...], dtype: np.dtype[Any]) -> Push:
        """Return a function that takes elements in a file's order and yields them in this one."""
        axes = file_axes(len(self.shape), order)
        transpose = _Transposing(
            [self.shape[axis] for axis in axes], [axes.index(axis) for axis in self.axes], dtype
        )
        return _chain(transpose.push, _Turning(self).push)

    def to_file(self, order: str | tuple[int, ...], dtype: np.dtype[Any]) -> Push:
        """Undo `to_words`."""
        axes = file_axes(len(self.shape), order)
        transpose = _Transposing(self.lengths, [self.axes.index(axis) for axis in axes], dtype)
        return _chain(_Turning(self).push, transpose.push)


class Stretch(NamedTuple):
    """Elements of a layer that follow each other, from place `start` on."""

    order: WordOrder
    start: int

    def along(self, axis: int, count: int) -> NDArray[np.int64]:
        """Return the index along one axis of each of `count` elements."""
        import numpy as np

        places = self.order.forth(np.arange(self.start, self.start + count, dtype=np.int64))
        index: NDArray[np.int64] = places // self.order.strides[axis] % self.order.shape[axis]
        return index

    def index_of(self, number: int) -> tuple[int, ...]:
        """Return the index in the tensor of element `number` of the stretch."""
        import numpy as np

        place = int(self.order.forth(np.array([self.start + number], np.int64))[0])
        pairs = zip(self.order.strides, self.order.shape, strict=True)
        return tuple(place // stride % length for stride, length in pairs)


def cut(blocks: Iterator[NDArray[Any]], size: int) -> Iterator[NDArray[Any]]:
    """Cut blocks of any size anew to pieces of `size` elements; the last may be shorter."""
    rest: list[NDArray[Any]] = []
    have = 0
    for block in blocks:
        at = 0
        while at < block.size:
            part = block[at : at + size - have]
            rest.append(part)
            have += part.size
            at += part.size
            if have == size:
                yield _joined(rest)
                rest, have = [], 0
    if rest:
        yield _joined(rest)


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Join arrays of one dtype; NumPy alone would turn the others to native byte order."""
    import numpy as np

    return parts[0] if len(parts) == 1 else np.concatenate(parts, dtype=parts[0].dtype)


def _chain(first: Push, second: Push) -> Push:
    def push(elements: NDArray[Any]) -> Iterator[NDArray[Any]]:
        for block in first(elements):
            yield from second(block)

    return push


class _Transposing:
    """Take the elements of an array in C order, give those of its transpose in C order.

    Leading axes that stay where they are cut the array to slabs, each transposed on its own:
    several at a time where they are small, by way of a `Spool` where one is large.
    """

    def __init__(self, shape: Sequence[int], axes: Sequence[int], dtype: np.dtype[Any]) -> None:
        kept = 0
        while kept < len(axes) and axes[kept] == kept:
            kept += 1
        self._slab = tuple(shape[kept:])
        self._axes = tuple(axis - kept for axis in axes[kept:])
        self._slab_size = math.prod(self._slab)
        self._slabs_left = math.prod(shape[:kept])
        self._plain = not self._axes or not self._slab_size
        self._dtype = dtype
        self._batch = max(1, PIECE_BYTES // max(self._slab_size * dtype.itemsize, 1))
        self._spooled = self._slab_size * dtype.itemsize > PIECE_BYTES
        self._spool: Spool | None = None
        self._parts: list[NDArray[Any]] = []
        self._have = 0

    def push(self, elements: NDArray[Any]) -> Iterator[NDArray[Any]]:
        if self._plain:
            yield elements
            return
        taken = 0
        while taken < elements.size:
            slabs = 1 if self._spooled else min(self._batch, self._slabs_left)
            part = elements[taken : taken + slabs * self._slab_size - self._have]
            self._keep(part)
            taken += part.size
            if self._have == slabs * self._slab_size:
                self._slabs_left -= slabs
                self._have = 0
                yield from self._give(slabs)

    def _keep(self, part: NDArray[Any]) -> None:
        self._have += part.size
        if not self._spooled:
            self._parts.append(part)
            return
        if self._spool is None:
            self._spool = Spool(self._slab, self._dtype)
        self._spool.append(part)

    def _give(self, slabs: int) -> Iterator[NDArray[Any]]:
        if self._spool is not None:
            spool, self._spool = self._spool, None
            with spool:
                yield from spool.blocks(self._axes)
            return
        whole = _joined(self._parts)
        self._parts = []
        axes = (0, *(axis + 1 for axis in self._axes))
        yield whole.reshape(slabs, *self._slab).transpose(axes).reshape(-1)


class _Turning:
    """Turn odd rows; the same there and back."""

    def __init__(self, order: WordOrder) -> None:
        self._order = order
        self._rest: list[NDArray[Any]] = []
        self._have = 0
        self._row = 0

    def push(self, elements: NDArray[Any]) -> Iterator[NDArray[Any]]:
        if not self._order.serpentine or len(self._order.axes) < 2:
            yield elements
            return
        self._rest.append(elements)
        self._have += elements.size
        rows = self._have // max(self._order.row_words, 1)
        if rows:
            whole = _joined(self._rest)
            size = rows * self._order.row_words
            self._rest, self._have = [whole[size:]], self._have - size
            yield self._order.turned(whole[:size], self._row)
            self._row += rows
