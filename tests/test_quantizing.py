"""Quantising: exact small floats, the paper's recipe, errors within their bounds."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from conftest import SHARED
from harness import examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fmcompress.errors import DamagedError, ParameterError, UnsupportedError
from fmcompress.ordering import Stretch, WordOrder
from fmcompress.quantizing import (
    FLOAT_TYPES,
    TARGETS,
    Quantization,
    quantization_from_description,
    to_float64,
)
from fmcompress.recipe import Recipe, Unquantizable
from fmcompress.small_floats import SMALL_FLOATS, table

FIXED = ("fixed8", "fixed12", "fixed16", "ufixed8")
ROUNDINGS = ("truncate", "nearest")


def order_of(array: NDArray[Any]) -> WordOrder:
    return WordOrder(array.shape, tuple(range(array.ndim)))


def quantized(
    array: NDArray[Any], recipe: Recipe, source: str = ""
) -> tuple[Quantization, NDArray[Any], NDArray[Any]]:
    """Quantise an array; return how, the result, and what that is dequantised to."""
    order = order_of(array)
    how = recipe.quantization(
        source or array.dtype.name, array.dtype, order, lambda: [array.reshape(-1)]
    )
    result = how.quantize(array.reshape(-1), Stretch(order, 0))
    back = how.dequantize(result, Stretch(order, 0))
    return how, result.reshape(array.shape), back.reshape(array.shape)


# --- Small floats -------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL_FLOATS)
def test_every_pattern_is_its_value(name: str) -> None:
    """Values against ml_dtypes' own, NaN and signs of zeros included."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    small = SMALL_FLOATS[name]
    patterns = np.arange(1 << small.bits).astype(f"u{small.bits // 8}")
    with np.errstate(all="ignore"):
        values = patterns.view(getattr(ml_dtypes, name, name)).astype(np.float64)
    np.testing.assert_array_equal(table(name), values)
    numbers = ~np.isnan(values)
    np.testing.assert_array_equal(np.signbit(table(name))[numbers], np.signbit(values)[numbers])


@pytest.mark.parametrize("name", SMALL_FLOATS)
@pytest.mark.parametrize("nearest", [False, True])
def test_values_are_fixed_points(name: str, nearest: bool) -> None:
    """What can be held exactly is; infinities and NaN where there are some."""
    small = SMALL_FLOATS[name]
    patterns = np.arange(1 << small.bits)
    numbers = ~np.isnan(table(name))
    found = small.to_patterns(table(name)[numbers], nearest)
    np.testing.assert_array_equal(found, patterns[numbers])
    nan = small.to_patterns(np.array([np.nan, -np.nan]), nearest)
    assert np.isnan(table(name)[nan]).all()


@pytest.mark.parametrize("name", SMALL_FLOATS)
def test_rounding(name: str) -> None:
    """To the nearest as ml_dtypes does it; truncated never past the value, nor a step away."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    small = SMALL_FLOATS[name]
    random = np.random.default_rng(3)
    values = random.normal(size=50_000) * 10.0 ** random.integers(-9, 3, 50_000)
    values = values.astype(np.float32).astype(np.float64)
    values = values[np.abs(values) <= small.greatest]
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    expected = values.astype(np.float32).astype(dtype).view(f"u{dtype.itemsize}")
    np.testing.assert_array_equal(small.to_patterns(values, nearest=True), expected)
    down = small.to_patterns(values, nearest=False)
    assert (np.abs(table(name)[down]) <= np.abs(values)).all()
    up = table(name)[(down & ((1 << small.bits) - 1)) + 1]
    inside = np.isfinite(up)
    assert (np.abs(up[inside]) > np.abs(values[inside])).all()


def test_greatest() -> None:
    assert {name: small.greatest for name, small in SMALL_FLOATS.items()} == {
        "float16": 65504.0,
        "bfloat16": pytest.approx(3.3895e38, rel=1e-4),
        "float8_e4m3fn": 448.0,
        "float8_e5m2": 57344.0,
    }


# --- Fixed point --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "values", "words"),
    [
        ("fixed8", [0.0, 1.0, -1.0, 0.5, 0.01, -0.01], [0, 95, -95, 47, 0, 0]),
        ("ufixed8", [0.0, 2.0, 1.0], [0, 191, 95]),
        ("fixed12", [4.0, -1.0], [1535, -383]),
        ("fixed16", [4.0, -1.0], [24575, -6143]),
    ],
)
def test_the_papers_recipe_by_hand(target: str, values: list[float], words: list[int]) -> None:
    """0.75 of full scale (127, 255, 2047, 32767) for the largest magnitude; truncated."""
    how, result, _ = quantized(np.array(values, np.float32), Recipe(target))
    assert result.tolist() == words
    assert how.headroom == 0.75


def test_nearest_by_hand() -> None:
    values = np.array([127, 0.5, 1.5, 2.4, -2.6], np.float64)
    how, result, back = quantized(values, Recipe("fixed8", headroom=1.0, rounding="nearest"))
    assert result.tolist() == [127, 0, 2, 2, -3]
    assert how.scale == 1.0
    assert back.dtype == np.float64
    assert (how.largest_error, how.rms_error) == (0.5, pytest.approx(math.sqrt(0.82 / 5)))


@pytest.mark.parametrize("target", FIXED)
def test_headroom_1_reaches_full_scale_exactly(target: str) -> None:
    """Whatever rounding of the scale: the largest magnitude is the largest word."""
    random = np.random.default_rng(0)
    for _ in range(300):
        values = np.abs(random.normal(size=4)).astype(np.float32) * np.float32(random.random())
        _, result, _ = quantized(values, Recipe(target, headroom=1.0))
        assert result.max() == TARGETS[target].full_scale


numbers = st.floats(-(2.0**99), 2.0**99, width=32) | st.floats(-1.0, 1.0, width=32) | st.just(0.0)


@pytest.mark.parametrize("target", FIXED)
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("source", ["float16", "float32", "float64"])
def test_errors_are_within_the_bound(target: str, rounding: str, source: str) -> None:
    """One quantum when truncating, half a quantum to the nearest; the errors said are true."""

    @examples(60)
    @given(
        st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=9),
        st.sampled_from([1.0, 0.75, 0.5, 0.01]),
        st.sampled_from([None, 0, 1, -1]),
    )
    def check(rows: list[list[float]], headroom: float, axis: int | None) -> None:
        array = np.array(rows, np.float64)
        if source == "float16":
            array = np.clip(array, -60000, 60000)
        array = np.abs(array.astype(source)) if target == "ufixed8" else array.astype(source)
        how, result, back = quantized(array, Recipe(target, headroom, axis, rounding))
        scales = np.broadcast_to(np.array(how.scale), () if axis is None else array.shape[axis])
        if axis == 0:
            scales = scales[:, None]
        bound = scales if rounding == "truncate" else scales / 2
        exact = result.astype(np.float64) * scales
        errors = np.abs(exact - array.astype(np.float64))
        # A saturated word is a quantum off at the most, and only where headroom is 1.
        assert (errors <= bound * (1 + 1e-9) + (scales * 1e-9)).all()
        assert errors.max() <= how.error_bound * (1 + 1e-9)
        # What is said is of the floats that come back, float32 mostly.
        real = np.abs(back.astype(np.float64) - array.astype(np.float64))
        assert how.largest_error == real.max()
        assert how.rms_error == pytest.approx(math.sqrt((real**2).mean()), rel=1e-9)
        assert how.vanished == np.count_nonzero(array) - np.count_nonzero(result)
        assert TARGETS[target].least <= result.min()
        assert result.max() <= TARGETS[target].full_scale
        # Below the normal floats, half a step is more than that share.
        np.testing.assert_allclose(back, exact, rtol=1e-6, atol=2.0**-149)
        if rounding == "truncate":
            assert (np.abs(exact) <= np.abs(array.astype(np.float64)) * (1 + 1e-12)).all()

    check()


def test_layers_of_zeros() -> None:
    for target in TARGETS:
        how, result, back = quantized(np.zeros((2, 3), np.float32), Recipe(target, 0.5))
        assert how.scale == 1.0
        assert not result.any()
        assert not back.any()
        assert how.largest_error == 0.0


def test_frames_of_zeros() -> None:
    array = np.array([[0, 0], [1, -3]], np.float32)
    how, result, _ = quantized(array, Recipe("fixed8", 1.0, axis=0))
    assert how.scale == (1.0, pytest.approx(3 / 127))
    assert result.tolist() == [[0, 0], [42, -127]]


@pytest.mark.parametrize("largest", [5e-324, 1e-310, 1e-38, 1e308])
def test_extreme_magnitudes(largest: float) -> None:
    how, result, _ = quantized(np.array([largest, -largest, 0.0]), Recipe("fixed16"))
    assert how.largest_error <= how.error_bound
    assert result[2] == 0


# --- Floats -------------------------------------------------------------------------------


@pytest.mark.parametrize("target", SMALL_FLOATS)
def test_floats_are_cast_unless_headroom_scales(target: str) -> None:
    values = np.array([1.0, -0.375, 0.0, -0.0, 0.03125], np.float32)
    how, result, back = quantized(values, Recipe(target))
    assert (how.scale, how.headroom, how.largest_error) == (1.0, None, 0.0)
    np.testing.assert_array_equal(back, values)
    assert np.signbit(back[3])
    how, result, _ = quantized(values, Recipe(target, headroom=0.75))
    scaled = to_float64(result, target)
    assert scaled.max() == pytest.approx(0.75 * TARGETS[target].full_scale, rel=0.13)


def test_not_finite_where_it_can_be() -> None:
    values = np.array([np.nan, np.inf, -np.inf, 2.0], np.float32)
    for target in ("float16", "bfloat16", "float8_e5m2"):
        how, _, back = quantized(values, Recipe(target, headroom=1.0))
        np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
        np.testing.assert_array_equal(back[1:3], values[1:3])
        assert how.largest_error == 0.0
    _, _, back = quantized(np.array([np.nan, 1.0], np.float32), Recipe("float8_e4m3fn"))
    assert np.isnan(back[0])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1.0])
def test_values_that_cannot_be(target: str, bad: float) -> None:
    """The first one is named, by index and value."""
    values = np.zeros((2, 3, 4), np.float32)
    values[1, 2, 0:2] = bad
    wrong = (
        target == "ufixed8"
        or (target in FIXED and not np.isfinite(bad))
        or (target == "float8_e4m3fn" and np.isinf(bad))
    )
    if not wrong:
        quantized(values, Recipe(target))
        return
    with pytest.raises(Unquantizable) as raised:
        quantized(values, Recipe(target))
    assert f"element [1, 2, 0] is {bad:g}, which {target} cannot hold" in str(raised.value)


def test_too_large_for_a_float() -> None:
    values = np.array([1.0, 500.0])
    with pytest.raises(Unquantizable, match="largest magnitude 500 exceeds the 448") as raised:
        quantized(values, Recipe("float8_e4m3fn"))
    assert "--headroom" in str(raised.value)
    how, _, _ = quantized(values, Recipe("float8_e4m3fn", headroom=1.0))
    assert how.scale == pytest.approx(500 / 256)


@pytest.mark.parametrize("source", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize("dtype", ["u", ">u", "V"])
def test_sources_that_numpy_lacks(source: str, dtype: str) -> None:
    """Their bits, in either byte order, are taken for what they are."""
    bits = np.arange(1 << SMALL_FLOATS[source].bits)
    bits = bits[np.isfinite(table(source))]
    size = SMALL_FLOATS[source].bits // 8
    array = bits.astype(f"{'<' if dtype == 'V' else dtype[:-1]}u{size}").view(f"{dtype}{size}")
    how, result, back = quantized(array, Recipe("fixed16", 1.0), source)
    assert how.source == source
    assert back.dtype == np.float32
    assert result.max() == 32767
    np.testing.assert_array_equal(to_float64(array, source), table(source)[bits])


# --- Parameters and descriptions ----------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        *({"headroom": value} for value in (0, -0.5, 1.01, math.nan, math.inf, "1", True)),
        *({"rounding": value} for value in ("up", "", None)),
        *({"axis": value} for value in (0.5, "0", True)),
        *({"target": value} for value in ("fixed9", "", "int8")),
    ],
    ids=str,
)
def test_recipe_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        Recipe(**{"target": "fixed8", **wrong})


def test_axis_of_unscaled_floats() -> None:
    with pytest.raises(ParameterError, match="not scaled without headroom"):
        Recipe("bfloat16", axis=0)
    with pytest.raises(ParameterError, match="has no axis 2"):
        quantized(np.zeros((2, 3)), Recipe("fixed8", axis=2))


def descriptions() -> list[dict[str, Any]]:
    array = np.array([[1.0, -2.0], [3.0, 4.0]], np.float32)
    recipes = [
        Recipe("fixed8"),
        Recipe("fixed12", 0.5, 0, "nearest"),
        Recipe("bfloat16"),
        Recipe("float16", 0.75, -1),
    ]
    return [quantized(array, recipe)[0].describe() for recipe in recipes]


@pytest.mark.parametrize("description", descriptions(), ids=lambda d: d["target"])
def test_description_round_trip(description: dict[str, Any]) -> None:
    assert quantization_from_description(description).describe() == description


@pytest.mark.parametrize(
    "wrong",
    [
        *({"target": value} for value in ("fixed9", None, 8, [])),
        *({"source": value} for value in ("int8", None, [])),
        *({"source_dtype": value} for value in ("<i4x", "<f8", "", "<f")),
        *({"scale": value} for value in (0, -1.0, math.nan, math.inf, None, "1", True, [], [1.0])),
        *({"scale": [1.0, value], "axis": 0} for value in (0.0, math.nan, None)),
        *({"axis": value} for value in (0, -1, "0")),
        *({"headroom": value} for value in (0, 2, math.nan, "1")),
        *({"rounding": value} for value in ("up", None, [])),
        *({"largest_error": value} for value in (-1.0, math.nan, None)),
    ],
    ids=str,
)
def test_descriptions_that_lie(wrong: dict[str, Any]) -> None:
    whole = quantized(np.array([1.0], np.float32), Recipe("fixed8"))[0].describe()
    with pytest.raises(DamagedError):
        quantization_from_description({**whole, **wrong})


def test_description_of_a_newer_version() -> None:
    whole = quantized(np.array([1.0], np.float32), Recipe("fixed8"))[0].describe()
    with pytest.raises(UnsupportedError, match="unknown parameters"):
        quantization_from_description({**whole, "dither": True})


def test_every_float_is_a_source() -> None:
    assert set(SMALL_FLOATS) < set(FLOAT_TYPES)


# --- The authors' own counts --------------------------------------------------------------


@pytest.mark.compiled
@pytest.mark.skipif(not SHARED.is_dir(), reason="no folder of further dumps beside the checkout")
@pytest.mark.parametrize("name", ["resnet20_f32.h5", "squeezenet_grad_f32.h5"])
def test_zeros_are_those_that_the_authors_count(name: str) -> None:
    """Per frame, with the maximum taken over all frames of a layer."""
    path = SHARED / "expected" / "authors_counts.csv"
    with path.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["dump"] == name]
    layers = sorted({(row["dataset"], row["format"]) for row in rows})[:20]
    checked = 0
    with h5py.File(SHARED / "dumps" / Path(name)) as dump:
        for dataset, target in layers:
            _, result, _ = quantized(dump[dataset][...], Recipe(target))
            for row in rows:
                if (row["dataset"], row["format"]) == (dataset, target):
                    zeros = int((result[int(row["frame"])] == 0).sum())
                    assert zeros == int(row["zero_words"])
                    checked += 1
    assert checked >= 20
