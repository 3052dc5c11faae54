"""Frames cut to tiles, each a transmission of its own, as an accelerator fetches them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fmcompress.errors import ParameterError
from fmcompress.numbers import is_digits, whole

if TYPE_CHECKING:
    from numpy.typing import NDArray


def tile_lengths(tile: str | Sequence[int] | None) -> tuple[int, ...]:
    """Read the lengths of a tile: ``"16x8x8"``, or a sequence of numbers.

    Returns
    -------
    tuple of int
        Empty where a tile is a whole frame.

    Raises
    ------
    ParameterError
        If it is no tile.
    """
    if tile is None:
        return ()
    if isinstance(tile, str):
        parts = tile.split("x")
        if not all(map(is_digits, parts)):
            raise ParameterError(f"tile is {tile!r}", hint="give lengths of axes, as 16x8x8")
        tile = [int(part) for part in parts]
    if not isinstance(tile, Sequence) or not tile:
        raise ParameterError(f"tile is {tile!r}", hint="give lengths of axes, as 16x8x8")
    return tuple(whole("a length of the tile", length, 1) for length in tile)


def tile_shape(frame_shape: Sequence[int], lengths: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of a whole tile in a frame.

    The lengths are those of the frame's last axes; axes before these stay whole, lengths without
    an axis are left out, and no tile is longer than the frame.
    """
    axes = len(frame_shape)
    kept = tuple(lengths)[-axes:] if axes else ()
    asked = (*frame_shape[: axes - len(kept)], *kept)
    return tuple(min(pair) for pair in zip(asked, frame_shape, strict=True))


def tile_sizes(frame_shape: Sequence[int], shape: Sequence[int]) -> dict[int, int]:
    """Return how many tiles of a frame have how many words."""
    counts: dict[int, int] = {}
    for parts in _parts(frame_shape, shape):
        words = math.prod(length for _, _, length in parts)
        counts[words] = counts.get(words, 0) + math.prod(number for _, number, _ in parts)
    return counts


def tiles_by_shape(frames: NDArray[Any], shape: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Cut frames to tiles; those at the end of an axis may be shorter.

    Parameters
    ----------
    frames : ndarray, shape (frames, *frame_shape)
    shape : sequence of int
        Of a tile.

    Yields
    ------
    ndarray, shape (frames, tiles, words)
        All tiles of one shape, their words in the order of the frame's axes.
    """
    count, *frame_shape = frames.shape
    for parts in _parts(frame_shape, shape):
        places = (slice(start, start + number * length) for start, number, length in parts)
        block = frames[(slice(None), *places)]
        split = [length for _, number, words in parts for length in (number, words)]
        numbers, lengths = range(1, 2 * len(parts), 2), range(2, 2 * len(parts) + 1, 2)
        tiles = block.reshape(count, *split).transpose(0, *numbers, *lengths)
        words = math.prod(length for _, _, length in parts)
        yield tiles.reshape(count, -1, words)


def _parts(
    frame_shape: Sequence[int], shape: Sequence[int]
) -> Iterator[tuple[tuple[int, int, int], ...]]:
    """Yield tiles of one shape: of each axis where they begin, their number, and their length."""
    axes = []
    for axis, length in zip(frame_shape, shape, strict=True):
        number, rest = divmod(axis, length)
        axes.append([(0, number, length), *([(axis - rest, 1, rest)] if rest else [])])
    yield from itertools.product(*axes)
