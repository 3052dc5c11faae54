"""Chunked datasets: walked through so that no chunk is decoded twice, in bounded memory.

A *row* is the least stretch of the elements, in C order, that is made of whole chunks. Rows of
chunks as people make them are small and are held in memory; larger ones go through a file.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import numpy as np
from h5py import h5s
from numpy.typing import NDArray

from fmcompress.dumps.base import BLOCK_BYTES
from fmcompress.dumps.hdf5_objects import library_errors
from fmcompress.errors import DamagedError
from fmcompress.spool import Box, extents, grid

# Rows that are larger go through a temporary file.
ROW_BYTES = 1 << 26
# The library takes about 7 kB of memory for every chunk that one read or write touches.
BRICK_CHUNKS = 1 << 10
_MAX_INT64 = (1 << 63) - 1


def rows(shape: Sequence[int], chunk: Sequence[int], itemsize: int) -> Iterator[Box]:
    """Cut a chunked dataset into stretches of whole chunks, in C order, of about `BLOCK_BYTES`.

    One is larger only where it is a single row.
    """
    depth = 0
    while (
        depth < len(shape) - 1
        and min(chunk[depth], shape[depth]) == 1
        and math.prod(shape[depth + 1 :]) * itemsize > BLOCK_BYTES
    ):
        depth += 1
    row_bytes = chunk[depth] * math.prod(shape[depth + 1 :]) * itemsize
    step = max(1, BLOCK_BYTES // row_bytes) * chunk[depth]
    steps = (*(1 for _ in range(depth)), step)
    behind = tuple(slice(0, length) for length in shape[depth + 1 :])
    for box in grid(tuple(slice(0, length) for length in shape[: depth + 1]), steps):
        yield (*box, *behind)


def bricks(box: Box, chunk: Sequence[int], itemsize: int) -> Iterator[Box]:
    """Cut a box of whole chunks into boxes of whole chunks, of about `BLOCK_BYTES` at most.

    Each of `BRICK_CHUNKS` chunks at most, too; one chunk is never cut.
    """
    sides = [min(side, length) for side, length in zip(chunk, extents(box), strict=True)]
    most = min(BLOCK_BYTES // (math.prod(sides) * itemsize), BRICK_CHUNKS)
    for axis in range(len(sides) - 1, -1, -1):
        count = min(-(-extents(box)[axis] // sides[axis]), max(most, 1))
        sides[axis] *= count
        most //= count
    return grid(box, sides)


def is_large(row: Box, itemsize: int) -> bool:
    """Tell whether a row has to go through a temporary file."""
    return math.prod(extents(row)) * itemsize > ROW_BYTES


def is_one_brick(row: Box, chunk: Sequence[int]) -> bool:
    """Tell whether a row of bounded size can be read at once."""
    sides = zip(extents(row), chunk, strict=True)
    return math.prod(-(-length // side) for length, side in sides) <= BRICK_CHUNKS


def read_box(dataset: h5py.Dataset, box: Box, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read a box of a dataset, bits as they lie in the file.

    Raises
    ------
    DamagedError
        If the library cannot.
    """
    found = np.zeros(extents(box), dtype)
    with library_errors():
        space = dataset.id.get_space()
        space.select_hyperslab(tuple(part.start for part in box), found.shape)
        memory = h5s.create_simple(found.shape)
        dataset.id.read(memory, space, found, dataset.id.get_type())
    return found


def _endless_axis(dataset: h5py.Dataset) -> int | None:
    """Return the axis that alone has no end; None where none has, or several have."""
    endless = [axis for axis, length in enumerate(dataset.maxshape) if length is None]
    return endless[0] if len(endless) == 1 else None


def are_listed_wrongly(dataset: h5py.Dataset) -> bool:
    """Tell whether the library may say of chunks that they are where they are not.

    HDF5 2.0 does where one axis has no end and is not the first, in files of its newer formats: it
    counts as if no other axis stood before that one.
    """
    endless = _endless_axis(dataset)
    if endless is None:
        return False
    before = range(endless)
    if all(dataset.maxshape[axis] <= dataset.chunks[axis] for axis in before):
        return False

    def look(chunk: Any) -> Any:
        # Anything but None ends the search.
        return True if any(chunk.chunk_offset[axis] for axis in before) else None

    with library_errors():
        return dataset.id.chunk_iter(look) is None


def _chunk_counts(dataset: h5py.Dataset) -> tuple[int, ...]:
    """Return how many chunks a dataset has along each axis."""
    sizes = zip(dataset.shape, dataset.chunks, strict=True)
    return tuple(-(-length // side) for length, side in sizes)


def _chunk_place(
    offset: Sequence[int], chunk: Sequence[int], counts: Sequence[int]
) -> tuple[int, ...]:
    """Return which chunk it is, along each axis, that begins at an offset.

    Raises
    ------
    DamagedError
        If none does.
    """
    place = tuple(at // side for at, side in zip(offset, chunk, strict=True))
    for at, number, side, count in zip(offset, place, chunk, counts, strict=True):
        if number * side != at or not 0 <= number < count:
            raise DamagedError(f"it has an HDF5 chunk at {tuple(offset)}, where none can be")
    return place


def _chunk_number(place: Sequence[int], counts: Sequence[int]) -> int:
    """Return the number of a chunk in C order."""
    number = 0
    for at, count in zip(place, counts, strict=True):
        number = number * count + at
    return number


def _are_in_order(numbers: NDArray[np.int64], counts: Sequence[int], endless: int | None) -> bool:
    """Tell whether chunks are listed as the library lists them: it searches for one by halving.

    That is C order, but for the index of its newer formats where one axis alone has no end: that
    axis comes first there.
    """
    if np.all(numbers[1:] > numbers[:-1]):
        return True
    if endless is None:
        return False
    inner = math.prod(counts[endless + 1 :])
    before, rest = np.divmod(numbers, counts[endless] * inner)
    along, behind = np.divmod(rest, inner)
    keys = (along * math.prod(counts[:endless]) + before) * inner + behind
    return bool(np.all(keys[1:] > keys[:-1]))


class AllocatedChunks:
    """The chunks of a dataset that have a place in the file, by their number in C order.

    Parameters
    ----------
    dataset : h5py.Dataset
        A chunked one.

    Attributes
    ----------
    offsets, sizes : ndarray of int64
        Where they lie in the file, in bytes.

    Raises
    ------
    DamagedError
        If the library cannot read that, or one is where none can be, or there twice, or they are
        not in order: a dataset written by such a list of chunks would be another one.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._chunk = dataset.chunks
        self._counts = _chunk_counts(dataset)
        # Millions of chunks must not become millions of objects.
        numbers, masks, offsets, sizes = array("q"), array("L"), array("q"), array("q")

        def note(chunk: Any) -> None:
            place = _chunk_place(chunk.chunk_offset, self._chunk, self._counts)
            number = _chunk_number(place, self._counts)
            if max(number, chunk.byte_offset + chunk.size) > _MAX_INT64:
                raise DamagedError(f"chunk {chunk.chunk_offset} cannot lie in any file")
            numbers.append(number)
            masks.append(chunk.filter_mask)
            offsets.append(chunk.byte_offset)
            sizes.append(chunk.size)

        with library_errors():
            dataset.id.chunk_iter(note)
        found = np.array(numbers, np.int64)
        order = np.argsort(found, kind="stable")
        self._numbers = found[order]
        if np.any(self._numbers[1:] == self._numbers[:-1]):
            raise DamagedError("one of its HDF5 chunks is listed twice")
        if not _are_in_order(found, self._counts, _endless_axis(dataset)):
            raise DamagedError("its HDF5 chunks are not listed in their order: none is found")
        self._masks = np.array(masks, np.uint32)[order]
        self.offsets = np.array(offsets, np.int64)[order]
        self.sizes = np.array(sizes, np.int64)[order]

    def __len__(self) -> int:
        return int(self._numbers.size)

    def within(self, box: Box) -> Iterator[tuple[tuple[int, ...], int]]:
        """Yield offset and filter mask of those in a box of whole rows, in C order."""
        sides = zip(box, self._chunk, strict=True)
        first = tuple(part.start // side for part, side in sides)
        last = tuple((part.stop - 1) // side for part, side in zip(box, self._chunk, strict=True))
        start = np.searchsorted(self._numbers, _chunk_number(first, self._counts), "left")
        stop = np.searchsorted(self._numbers, _chunk_number(last, self._counts), "right")
        for index in range(int(start), int(stop)):
            number = int(self._numbers[index])
            place = []
            for count in reversed(self._counts):
                number, at = divmod(number, count)
                place.append(at)
            offset = (at * c for at, c in zip(reversed(place), self._chunk, strict=True))
            yield tuple(offset), int(self._masks[index])


def stretches(dataset: h5py.Dataset) -> list[tuple[int, int]]:
    """Return offset and size of the stretches of the file that its chunks take, neighbours as one.

    Raises
    ------
    DamagedError
        If the library cannot read where they are, or they cannot be those of the dataset.
    """
    found = AllocatedChunks(dataset)
    starts, lengths = found.offsets, found.sizes
    order = np.argsort(starts, kind="stable")
    starts, lengths = starts[order], lengths[order]
    ends = starts + lengths
    first = np.ones(starts.size, bool)
    first[1:] = starts[1:] != ends[:-1]
    last = np.ones(starts.size, bool)
    last[:-1] = first[1:]
    return list(zip(starts[first].tolist(), (ends[last] - starts[first]).tolist(), strict=True))
