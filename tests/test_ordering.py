"""Orders of words: NumPy's own transposes are the oracle; memory is bounded by pieces."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from harness import examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fmcompress import ordering, spool
from fmcompress.coding import parse_order
from fmcompress.errors import ParameterError
from fmcompress.ordering import Stretch, WordOrder, cut, file_axes
from fmcompress.spool import Spool, pieces

SHAPES = [(5,), (3, 4), (2, 3, 4), (2, 3, 5, 4), (1, 7, 1, 3), (6, 1), (1,)]


@pytest.fixture(params=[1 << 25, 64], ids=["in memory", "spooled"])
def piece_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(ordering, "PIECE_BYTES", request.param)
    monkeypatch.setattr(spool, "PIECE_BYTES", request.param)
    return int(request.param)


def expected(array: NDArray[Any], axes: tuple[int, ...], serpentine: bool) -> NDArray[Any]:
    """Order an array with NumPy alone."""
    turned = array.transpose(axes).copy()
    if serpentine and array.ndim > 1:
        turned[..., 1::2, :] = turned[..., 1::2, ::-1]
    return turned.reshape(-1)


def pushed(push: Any, elements: NDArray[Any], step: int) -> NDArray[Any]:
    """Hand elements on in steps of a size that fits nothing."""
    parts = [
        part for at in range(0, elements.size, step) for part in push(elements[at : at + step])
    ]
    return np.concatenate(parts)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("serpentine", [False, True])
@pytest.mark.parametrize("file_order", ["C", "F"])
def test_there_and_back(
    shape: tuple[int, ...], serpentine: bool, file_order: Any, piece_bytes: int
) -> None:
    array = np.random.default_rng(0).integers(0, 1000, shape).astype("<i2")
    for axes in itertools.permutations(range(len(shape))):
        order = WordOrder(shape, axes, serpentine)
        elements = array.ravel(order=file_order)
        words = pushed(order.to_words(file_order, array.dtype), elements, 7)
        np.testing.assert_array_equal(words, expected(array, axes, serpentine))
        back = pushed(order.to_file(file_order, array.dtype), words, 5)
        np.testing.assert_array_equal(back, elements)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("serpentine", [False, True])
def test_places(shape: tuple[int, ...], serpentine: bool) -> None:
    """A stretch knows where in the tensor its elements are."""
    array = np.arange(math.prod(shape)).reshape(shape)
    for axes in itertools.permutations(range(len(shape))):
        words = expected(array, axes, serpentine)
        start = array.size // 3
        stretch = Stretch(WordOrder(shape, axes, serpentine), start)
        indices = [stretch.index_of(number) for number in range(array.size - start)]
        assert [array[index] for index in indices] == words[start:].tolist()
        for axis in range(len(shape)):
            along = stretch.along(axis, array.size - start).tolist()
            assert along == [index[axis] for index in indices]
        places = stretch.order.forth(np.arange(array.size))
        np.testing.assert_array_equal(stretch.order.forth(places), np.arange(array.size))


def test_file_axes() -> None:
    assert file_axes(3, "C") == (0, 1, 2)
    assert file_axes(3, "F") == (2, 1, 0)
    assert file_axes(0, "C") == ()


@examples(100)
@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 7))
def test_cut(sizes: list[int], size: int) -> None:
    elements = np.arange(sum(sizes))
    blocks = np.split(elements, np.cumsum(sizes)[:-1]) if sizes else []
    parts = [*cut(iter(blocks), size)]
    assert [part.size for part in parts[:-1]] == [size] * (len(parts) - 1)
    assert all(0 < part.size <= size for part in parts)
    assert [x for part in parts for x in part.tolist()] == elements.tolist()


# --- Spools -------------------------------------------------------------------------------


@examples(200)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(1, 40), st.integers(1, 3))
def test_pieces_follow_each_other(shape: list[int], most: int, multiple: int) -> None:
    array = np.arange(math.prod(shape)).reshape(shape)
    boxes = [*pieces(shape, most, multiple)]
    assert np.concatenate([array[box].ravel() for box in boxes]).tolist() == array.ravel().tolist()
    if multiple == 1:
        assert all(array[box].size <= max(most, 1) for box in boxes)


def test_spool_in_any_order(piece_bytes: int) -> None:
    for shape, axes in (((3, 4, 5), (2, 0, 1)), ((2, 30, 7), (1, 2, 0)), ((1, 100), (1, 0))):
        array = np.random.default_rng(1).integers(0, 99, shape).astype("<i4")
        with Spool(shape, array.dtype) as kept:
            for box in pieces(shape, 11):
                kept.append(array[box])
            blocks = [*kept.blocks(axes)]
            np.testing.assert_array_equal(np.concatenate(blocks), array.transpose(axes).ravel())
            assert all(block.nbytes <= max(piece_bytes, 4) for block in blocks)
            np.testing.assert_array_equal(np.concatenate([*kept.blocks()]), array.ravel())


def test_spool_takes_boxes() -> None:
    array = np.arange(60).reshape(3, 4, 5)
    with Spool(array.shape, array.dtype) as kept:
        for box in pieces(array.shape, 7):
            kept[box] = array[box]
        inner = (slice(1, 3), slice(0, 2), slice(2, 5))
        np.testing.assert_array_equal(kept[inner], array[inner])


def test_spool_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="are free"):
        Spool((1 << 40, 1 << 10), np.dtype("u4"))


# --- What users write ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "axes"),
    [
        ("nhwc:nchw", (0, 3, 1, 2)),
        ("NCHW:NHWC", (0, 2, 3, 1)),
        ("hwc:chw", (2, 0, 1)),
        ("0,3,1,2", (0, 3, 1, 2)),
        (" 1, 0", (1, 0)),
        ([2, 1, 0], (2, 1, 0)),
        (np.array([1, 0]), (1, 0)),
    ],
    ids=str,
)
def test_order(text: Any, axes: tuple[int, ...]) -> None:
    assert parse_order(text) == axes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0,2",
        "0,0,1",
        "-1,0",
        "a,b",
        "nhwc",
        "nhwc:nchx",
        "nn:nn",
        "nhw:nhwc",
        ":",
        "1",
        "0,1.5",
        "٠,١",
        "0,1_0",
    ],
)
def test_order_that_is_none(text: str) -> None:
    with pytest.raises(ParameterError, match="order") as raised:
        parse_order(text)
    assert "nhwc:nchw" in str(raised.value.hint)
