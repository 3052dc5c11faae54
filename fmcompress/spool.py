"""Arrays too large for memory, in a temporary file: written in one order, read in another.

The file is mapped piece by piece and let go again, so that it is never resident as a whole.
"""

from __future__ import annotations

import itertools
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fmcompress.targets import check_room

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# What is in memory of such an array at a time, about.
PIECE_BYTES = 1 << 25
# Touching a byte of a mapped file makes so many around it resident (Linux: 16 pages), and those of
# the next page where it lies at an edge.
_AROUND_BYTES = 1 << 17
Box = tuple[slice, ...]


def extents(box: Box) -> tuple[int, ...]:
    """Return the shape of a box."""
    return tuple(part.stop - part.start for part in box)


def inside(box: Box, outer: Box) -> Box:
    """Return where in an outer box a box lies."""
    return tuple(
        slice(part.start - whole.start, part.stop - whole.start)
        for part, whole in zip(box, outer, strict=True)
    )


def grid(box: Box, sides: Sequence[int]) -> Iterator[Box]:
    """Cut a box into boxes of these sides, in C order; the last of an axis may be shorter."""
    if not box:
        yield ()
        return
    for start in range(box[0].start, box[0].stop, sides[0]):
        part = slice(start, min(start + sides[0], box[0].stop))
        for rest in grid(box[1:], sides[1:]):
            yield (part, *rest)


def pieces(shape: Sequence[int], most: int, multiple: int = 1) -> Iterator[Box]:
    """Cut an array into boxes that follow each other in C order, each one stretch of it.

    Parameters
    ----------
    shape : sequence of int
        Of the array; not empty.
    most : int
        Elements of a box, at most (but for `multiple`).
    multiple : int
        Boxes that hold several indices of the first axis hold a multiple of so many.

    Yields
    ------
    tuple of slice
        One slice an axis.
    """
    axis = (
        0  # the axis that is cut: what lies behind it fits whole, what lies before goes one by one
    )
    while axis < len(shape) - 1 and math.prod(shape[axis + 1 :]) * multiple > most:
        axis += 1
        multiple = 1
    inner = math.prod(shape[axis + 1 :])
    step = max(1, most // max(inner * multiple, 1)) * multiple
    whole = tuple(slice(0, length) for length in shape[axis + 1 :])
    for outer in itertools.product(*map(range, shape[:axis])):
        before = tuple(slice(at, at + 1) for at in outer)
        for start in range(0, shape[axis], step):
            yield (*before, slice(start, min(start + step, shape[axis])), *whole)


class Spool:
    """An array in a temporary file (in ``TMPDIR``), which is gone when it is closed.

    Parameters
    ----------
    shape : sequence of int
    dtype : dtype

    Raises
    ------
    OSError
        If there is no room for it.
    """

    def __init__(self, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        self.shape = tuple(shape)
        self.dtype = dtype
        self._file = tempfile.TemporaryFile(prefix="fmc-spool-")  # noqa: SIM115 - see close
        self._end = 0
        size = math.prod(self.shape) * dtype.itemsize
        try:
            check_room(Path(tempfile.gettempdir(), "spool"), size)
            self._file.truncate(size)
            if size and hasattr(os, "posix_fallocate"):
                # Else a disk that becomes full would end the process, in the middle of a mapping.
                os.posix_fallocate(self._file.fileno(), 0, size)
        except BaseException:
            self.close()
            raise

    def append(self, elements: NDArray[Any]) -> None:
        """Write the next elements, in C order."""
        self._file.seek(self._end)
        data = elements.astype(self.dtype, copy=False).reshape(-1).view("u1").data
        self._file.write(data)
        self._file.flush()
        self._end += len(data)

    def __setitem__(self, box: Box, elements: NDArray[Any]) -> None:
        for part in self._parts(box):
            self._map("r+")[part] = elements[inside(part, box)]

    def __getitem__(self, box: Box) -> NDArray[Any]:
        import numpy as np

        found = np.empty(extents(box), self.dtype)
        for part in self._parts(box):
            found[inside(part, box)] = self._map("r")[part]
        return found

    def _parts(self, box: Box) -> Iterator[Box]:
        """Cut a box to parts that make `PIECE_BYTES` of the file resident at a time, about."""
        span, runs = self.dtype.itemsize, 1
        stride = self.dtype.itemsize
        for part, length in zip(reversed(box), reversed(self.shape), strict=True):
            span += (part.stop - part.start - 1) * stride
            stride *= length
            runs *= part.stop - part.start
        run = box[-1].stop - box[-1].start
        touched = runs // max(run, 1) * (run * self.dtype.itemsize + _AROUND_BYTES)
        axis = next((at for at, part in enumerate(box) if part.stop - part.start > 1), None)
        if min(span, touched) <= PIECE_BYTES or axis is None:
            yield box
            return
        middle = (box[axis].start + box[axis].stop) // 2
        for half in (slice(box[axis].start, middle), slice(middle, box[axis].stop)):
            yield from self._parts((*box[:axis], half, *box[axis + 1 :]))

    def blocks(self, axes: Sequence[int] | None = None) -> Iterator[NDArray[Any]]:
        """Yield the elements in C order of the array transposed by `axes`, in 1-D pieces."""
        order = tuple(axes) if axes is not None else tuple(range(len(self.shape)))
        most = max(1, PIECE_BYTES // self.dtype.itemsize)
        for box in pieces([self.shape[axis] for axis in order], most):
            found = self[tuple(box[order.index(axis)] for axis in range(len(order)))]
            yield found.transpose(order).reshape(-1)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _map(self, mode: Any) -> NDArray[Any]:
        import numpy as np

        return np.memmap(self._file, self.dtype, mode, shape=self.shape)
