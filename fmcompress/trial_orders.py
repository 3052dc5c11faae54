"""Try orders of axes on a sample of a layer, and see what each is worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fmcompress.chunks import code_chunks
from fmcompress.ordering import Stretch
from fmcompress.spool import extents, pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmcompress.codecs import Codec
    from fmcompress.layer_plan import LayerPlan
    from fmcompress.words import WordFormat

# Elements of a sample in all, and of each of the boxes that it is made of.
SAMPLE_ELEMENTS = 1 << 20
BOX_ELEMENTS = 1 << 18


def candidates(rank: int, axes: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the orders worth trying for a tensor whose axes run as `axes` in its file.

    As it is; as the shape has it; with the axis that runs fastest moved before the others (behind the axis of frames,
    where there is one), as from NHWC to NCHW; and the other way round.
    """
    if rank < 2:
        return [axes]
    first = 1 if rank > 3 else 0
    plain = tuple(range(rank))
    kept, moved = axes[:first], axes[first:]
    found = [axes, plain, (*kept, moved[-1], *moved[:-1]), (*kept, *moved[1:], moved[0])]
    return list(dict.fromkeys(found))


def best_axes(
    plan: LayerPlan,
    words: WordFormat,
    codec: Codec,
    blocks: Callable[[], Iterator[NDArray[Any]]],
    kept: bool,
) -> tuple[int, ...]:
    """Return the axes that make a sample of the layer smallest; empty where the file's do.

    Parameters
    ----------
    plan : LayerPlan
        Of the layer.
    words, codec
        With which it will be coded.
    blocks : callable
        Returns an iterator over its elements, in file order.
    kept : bool
        Whether the elements are in memory; else the sample is taken from their beginning.
    """
    axes = plan.file_order.axes
    sizes = dict.fromkeys(candidates(len(axes), axes), 0)
    if len(sizes) < 2:
        return ()
    for shape, sample in _samples(plan, words, blocks, kept):
        box = sample.reshape(*shape, words.words_per_element)
        for candidate in sizes:
            turned = box.transpose(*(axes.index(axis) for axis in candidate), len(axes))
            for chunk in code_chunks(turned.reshape(-1), words.bits, codec, 1 << 16):
                sizes[candidate] += len(chunk.first) + len(chunk.second)
    best = min(sizes, key=lambda candidate: sizes[candidate])
    return () if sizes[best] == sizes[axes] else best


def _samples(
    plan: LayerPlan,
    words: WordFormat,
    blocks: Callable[[], Iterator[NDArray[Any]]],
    kept: bool,
) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
    """Yield shape and words of boxes of the layer, each one stretch of its file."""
    order = plan.file_order
    boxes = [extents(box) for box in _boxes(order.lengths, kept)]
    starts = np.cumsum([0, *(math.prod(box) for box in boxes)])
    wanted = range(len(boxes))
    most = max(1, SAMPLE_ELEMENTS // max(math.prod(boxes[0]), 1))
    if len(boxes) > most:
        wanted = range(0, len(boxes), -(-len(boxes) // most))
    needed: list[NDArray[Any]] = []
    have = 0
    for block in blocks():
        needed.append(block)
        have += block.size
        if have >= starts[-1]:
            break
    elements = np.concatenate(needed)
    for number in wanted:
        part = elements[starts[number] : starts[number + 1]]
        stretch = Stretch(order, int(starts[number]))
        yield boxes[number], words.to_words(plan.quantized(part, stretch), stretch)


def _boxes(lengths: tuple[int, ...], kept: bool) -> list[tuple[slice, ...]]:
    """Return the boxes of a layer, or the first few of a large one."""
    found = []
    for box in pieces(lengths, BOX_ELEMENTS):
        found.append(box)
        if not kept and len(found) == SAMPLE_ELEMENTS // BOX_ELEMENTS:
            break
    return found
