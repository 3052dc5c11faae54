"""What a NumPy index selects of a layer that is not in memory: places of elements, no data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fmcompress.ordering import WordOrder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fmcompress.contents import LayerInfo

# Elements gathered at a time when a selection is not one stretch.
_GATHER = 1 << 20


def strides(info: LayerInfo) -> tuple[int, ...]:
    """Strides of the layer in elements, as they follow each other as words."""
    return WordOrder(info.shape, info.word_axes).strides


def strided(info: LayerInfo, key: Any) -> tuple[tuple[int, ...], tuple[int, ...], int] | None:
    """Return shape, strides and first flat index of a basic selection; None of an advanced one.

    NumPy itself applies the key, to an array of that shape and these strides without memory of
    its own: nothing is read but the geometry of the result.
    """
    import numpy as np
    from numpy.lib.stride_tricks import as_strided

    parts = key if isinstance(key, tuple) else (key,)
    basic = (slice, type(None), type(Ellipsis), int, np.integer)
    if not all(isinstance(part, basic) and not isinstance(part, bool | np.bool_) for part in parts):
        return None
    ghost = as_strided(np.zeros(1, np.int8), info.shape, strides(info), writeable=False)
    view = ghost[(*parts, Ellipsis)] if Ellipsis not in parts else ghost[parts]
    start = view.__array_interface__["data"][0] - ghost.__array_interface__["data"][0]
    return view.shape, view.strides, start


def flat_indices(info: LayerInfo, key: Any) -> NDArray[np.int64]:
    """Return the flat index of every element of any NumPy selection."""
    import numpy as np

    flat: Any = 0
    for axis, stride in enumerate(strides(info)):
        along = np.arange(info.shape[axis], dtype=np.int64) * stride
        column = along.reshape([-1 if i == axis else 1 for i in range(len(info.shape))])
        flat = flat + np.broadcast_to(column, info.shape)[key]
    return np.asarray(flat, dtype=np.int64)


def fill(
    result: NDArray[Any],
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    start: int,
    gather: Any,
) -> None:
    """Fill `result` with a strided selection, a bounded number of elements at a time."""
    import numpy as np

    if result.size <= _GATHER or len(shape) == 1:
        step = _GATHER if len(shape) == 1 else max(shape[0], 1)
        for first in range(0, shape[0], step):
            part = result[first : first + step]
            flat: Any = start
            for axis, stride in enumerate(strides):
                low = first if axis == 0 else 0
                along = (low + np.arange(part.shape[axis], dtype=np.int64)) * stride
                flat = flat + along.reshape([-1 if i == axis else 1 for i in range(len(shape))])
            part[...] = gather(flat)
    else:
        for i in range(shape[0]):
            fill(result[i], shape[1:], strides[1:], start + i * strides[0], gather)
