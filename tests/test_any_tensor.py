"""Any element type, shape, order and parameter: every bit comes back, whole and in slices."""

from __future__ import annotations

import io
import itertools
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import JIT
from harness import INTEGER_DTYPES, examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

import fmcompress
from fmcompress.codecs import CODECS
from fmcompress.errors import ParameterError
from fmcompress.quantizing import TARGETS
from fmcompress.reference import BLOCK_SIZES, DIFFERENCES, MAX_BURSTS


class Case(NamedTuple):
    """An array, and how it is coded."""

    array: NDArray[Any]
    coding: dict[str, Any]


def saved(array: NDArray[Any]) -> bytes:
    """Save an array as NPY."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def packed(dump: bytes, **coding: Any) -> bytes:
    """Compress a dump."""
    target = io.BytesIO()
    fmcompress.compress(io.BytesIO(dump), target, **coding)
    return target.getvalue()


def restored(container: bytes, **options: Any) -> bytes:
    """Decompress a container, after a check."""
    assert fmcompress.verify(io.BytesIO(container)).ok
    target = io.BytesIO()
    fmcompress.decompress(io.BytesIO(container), target, **options)
    return target.getvalue()


# --- Cases --------------------------------------------------------------------------------

# Element type -> the dtypes in which its bits may lie.
HELD = {
    "bfloat16": ("<u2", ">u2", "<i2", "V2"),
    "float8_e4m3fn": ("u1", "i1", "V1"),
    "float8_e5m2": ("u1", "V1"),
}
OWN = (*INTEGER_DTYPES, "float16", "float32", "bool")


def patterns(bits: int) -> st.SearchStrategy[int]:
    """Choose bits: near zero, at the ends, or any; NaN payloads and −0.0 are among them."""
    ends = [0, 0, 0, 1, 2, 2 ** (bits - 1) - 1, 2 ** (bits - 1), 2 ** (bits - 1) + 1, 2**bits - 1]
    return st.sampled_from(ends) | st.integers(0, 2**bits - 1)


@st.composite
def tensors(draw: st.DrawFn, names: tuple[str, ...] = (*OWN, *HELD, "int4", "uint4")) -> Case:
    """Choose elements of any type, with options that suit it."""
    name = draw(st.sampled_from(names))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5))
    coding: dict[str, Any] = {}
    if name in HELD:
        dtype = np.dtype(draw(st.sampled_from(HELD[name])))
        coding["dtype"] = name
    elif name in ("int4", "uint4"):
        dtype = np.dtype(draw(st.sampled_from(["i1", "u1", "V1"])))
        coding = {"dtype": name, "packed": draw(st.booleans())}
    else:
        dtype = np.dtype(name).newbyteorder(draw(st.sampled_from("<>")))
    bits = 8 * dtype.itemsize
    if name == "bool":
        element = st.integers(0, 1)
    elif coding.get("packed") or name not in ("int4", "uint4"):
        element = patterns(bits)
    elif name == "int4":  # with the sign above, or with zeros
        mask = draw(st.sampled_from([0xFF, 0x0F]))
        element = st.integers(-8, 7).map(lambda value: value & mask)
    else:
        element = st.integers(0, 15)
    raw = draw(hnp.arrays(f"u{dtype.itemsize}", shape, elements=element, fill=st.just(0)))
    order: Any = ">" if dtype.str[0] == ">" else "<"
    array = raw.astype(f"{order}u{dtype.itemsize}").view(dtype)
    if name in INTEGER_DTYPES:
        array, more = draw(integer_options(array))
        coding |= more
    elif name not in ("bool", "int4", "uint4"):
        coding["mapping"] = draw(st.sampled_from([None, "bits", "rotate"]))
    if draw(st.booleans()):
        array = np.asfortranarray(array)
    return Case(array, coding | draw(any_coding(len(shape))))


@st.composite
def integer_options(draw: st.DrawFn, array: NDArray[Any]) -> tuple[NDArray[Any], dict[str, Any]]:
    """Choose zero points, of the layer or of channels, and perhaps a narrower width."""
    own = 8 * array.dtype.itemsize
    bits = draw(st.sampled_from([own, own, *range(2, own)]))
    signed = array.dtype.kind == "i"
    least, greatest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if bits < own:
        array = np.clip(array, least, greatest).astype(array.dtype)
    points = st.integers(least, greatest)
    options: dict[str, Any] = {} if bits == own else {"word_bits": bits}
    choice = draw(st.sampled_from(["none", "one", "channels"]))
    if choice == "one":
        options["zero_point"] = draw(points)
    elif choice == "channels":
        axis = draw(st.integers(-array.ndim, array.ndim - 1))
        count = array.shape[axis]
        options["zero_point"] = draw(st.lists(points, min_size=count, max_size=count))
        options["zero_point_axis"] = axis
    return array, options


@st.composite
def any_coding(draw: st.DrawFn, rank: int) -> dict[str, Any]:
    """Choose the parameters that every tensor has."""
    codec = draw(st.just("ebpc") | st.sampled_from([*CODECS]))
    parameters = {
        "block_size": st.sampled_from(BLOCK_SIZES),
        "max_burst": st.sampled_from(MAX_BURSTS),
        "difference": st.sampled_from([None, *DIFFERENCES]),
    }
    coding: dict[str, Any] = {
        "codec": codec,
        **{
            name: draw(parameters[name])
            for name in parameters
            if name in CODECS[codec].parameters()
        },
        "chunk_words": draw(st.sampled_from([2, 4, 10, 30, 1 << 16])),
    }
    order = draw(st.sampled_from(["none", "auto", "axes"]))
    if order == "auto":
        coding["order"] = "auto"
    elif order == "axes":
        coding["order"] = draw(st.permutations(range(rank)))
    if rank > 1:
        coding["serpentine"] = draw(st.booleans())
    return coding


def basic_keys(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    """Choose what NumPy calls basic indices."""
    return hnp.basic_indices(shape, allow_newaxis=True)


# --- There and back -----------------------------------------------------------------------


@examples(400)
@given(tensors(), st.data())
def test_every_bit_comes_back(case: Case, data: st.DataObject) -> None:
    """The file byte for byte; the layer, and any slice of it, by its bits."""
    dump = saved(case.array)
    container = packed(dump, **case.coding)
    assert restored(container) == dump
    with fmcompress.open(io.BytesIO(container)) as file:
        layer = file["arr_0"]
        assert layer.carried == ""
        assert layer[...].tobytes() == case.array.tobytes()
        assert layer.dtype == case.array.dtype
        key = data.draw(basic_keys(case.array.shape))
        native = case.array.dtype.newbyteorder("=")
        expected = np.asarray(case.array[key], native)
        found = np.asarray(layer[key], native)
        assert (found.shape, found.tobytes()) == (expected.shape, expected.tobytes())
        mask = np.arange(case.array.size).reshape(case.array.shape) % 3 == 1
        assert layer[mask].tobytes() == case.array[mask].tobytes()


@examples(150)
@given(tensors())
def test_streams_of_an_array_come_back(case: Case) -> None:
    """`encode` and `decode` know the same element types."""
    known = ("zero_point", "zero_point_axis", "dtype", "word_bits", "packed", "mapping")
    options = {key: case.coding[key] for key in known if key in case.coding}
    encoded = fmcompress.encode(case.array, **options)
    decoded = fmcompress.decode(encoded)
    assert decoded.dtype == case.array.dtype
    assert decoded.tobytes() == case.array.tobytes()


@pytest.mark.parametrize("mapping", ["bits", "rotate"])
@pytest.mark.parametrize("name", ["float16", *HELD])
def test_every_pattern(name: str, mapping: str) -> None:
    """All that 8 and 16 bits can be: NaN payloads, infinities, −0.0, subnormals.

    Plain Python takes every 15th of 16 bits, of which the kernels, behind the mapping, see no kinds.
    """
    bits = 16 if name in ("float16", "bfloat16") else 8
    array = np.arange(0, 1 << bits, 1 if JIT or bits == 8 else 15).astype(f"u{bits // 8}")
    options = {"mapping": mapping, "chunk_words": 1 << 12, "dtype": name}
    container = packed(saved(array), **options)
    assert restored(container) == saved(array)


def test_float32_edges() -> None:
    edges = [0, 1 << 31, 1, 0x7F800000, 0xFF800000, 0x7FC00001, 0xFFC12345, 0x7F800001, 0x00800000]
    array = np.array(edges * 5, "<u4").view("<f4").reshape(5, -1)
    for mapping in ("bits", "rotate", None):
        assert restored(packed(saved(array), mapping=mapping)) == saved(array)


def test_mapping_is_chosen_by_the_sign() -> None:
    """A sign bit of −0.0 or of a NaN is one, too."""
    for value, mapping in ((1.0, "bits"), (-1.0, "rotate"), (-0.0, "rotate"), (-np.nan, "rotate")):
        array = np.array([0.0, value, 2.0], np.float32)
        with fmcompress.open(io.BytesIO(packed(saved(array)))) as file:
            assert file["arr_0"].words["mapping"] == mapping


def test_rotate_by_hand() -> None:
    """The sign is the lowest bit of a word: −0.0 is the word 1."""
    array = np.array([0x8000, 0x0001, 0x3F80, 0xBF80], np.uint16)
    words = fmcompress.encode(array, dtype="bfloat16", mapping="rotate").words.to_words(array)
    assert words.tolist() == [0x0001, 0x0002, 0x7F00, 0x7F01]


def test_booleans_have_no_bpc_stream() -> None:
    array = np.arange(100) % 7 == 0
    encoded = fmcompress.encode(array)
    assert encoded.bpc == b""
    assert encoded.word_bits == 1
    noise = np.random.default_rng(0).random(4000) < 0.5
    with fmcompress.open(io.BytesIO(packed(saved(noise)))) as file:
        assert [chunk.codec for chunk in file["arr_0"].chunks] == [0]  # stored: that is smaller
        assert file["arr_0"].compressed_nbytes == 500


# --- What does not fit --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<i4"])
@pytest.mark.parametrize(("value", "where"), [(2048, (1, 2, 3)), (-2049, (0, 0, 1))])
def test_narrow_words_name_what_does_not_fit(
    dtype: str, value: int, where: tuple[int, ...]
) -> None:
    """Layer, index and value, whatever the order of words."""
    array = np.zeros((2, 3, 4), dtype)
    array[where] = value
    for order in (None, (2, 0, 1), (1, 2, 0)):
        for serpentine in (False, True):
            with pytest.raises(ParameterError) as raised:
                packed(saved(array), word_bits=12, order=order, serpentine=serpentine)
            message = f"layer 'arr_0': element {list(where)} is {value}, which does not fit 12-bit"
            assert message in str(raised.value)


def test_the_first_that_does_not_fit_is_named() -> None:
    array = np.zeros(200_000, np.int16)
    array[[70_000, 150_000]] = 999
    with pytest.raises(ParameterError, match=r"element \[70000\] is 999"):
        packed(saved(array), word_bits=8)


@pytest.mark.parametrize(("name", "value"), [("int4", 16), ("int4", -9), ("uint4", 16)])
def test_four_bits_that_are_more(name: str, value: int) -> None:
    array = np.array([0, value, 1]).astype(np.int8)
    with pytest.raises(ParameterError, match=rf"element \[1\] is {value}"):
        packed(saved(array), dtype=name)


def test_a_boolean_byte_that_is_neither() -> None:
    """It could not come back as a bit: the layer is carried."""
    array = np.array([0, 1, 2, 1], np.uint8).view(bool)
    container = packed(saved(array))
    assert restored(container) == saved(array)
    with fmcompress.open(io.BytesIO(container)) as file:
        assert file["arr_0"].carried == "holds bytes that are neither 0 nor 1"


# --- Quantised ----------------------------------------------------------------------------


@examples(120)
@given(
    hnp.arrays(
        st.sampled_from(["<f2", ">f4", "<f8"]),
        hnp.array_shapes(min_dims=1, max_dims=3, max_side=6),
        elements=st.floats(-100, 100, width=16),
    ),
    st.sampled_from([*TARGETS]),
    st.sampled_from([1.0, 0.75, 0.3]),
    st.sampled_from(["truncate", "nearest"]),
    st.booleans(),
    st.data(),
)
def test_dequantised_within_the_bound(
    array: NDArray[Any],
    target: str,
    headroom: float,
    rounding: str,
    by_axis: bool,
    data: st.DataObject,
) -> None:
    """Through the container, in any order of words, with a scale a layer or a frame."""
    if target == "ufixed8":
        array = np.abs(array)
    coding = data.draw(any_coding(array.ndim))
    coding |= {"quantize": target, "headroom": headroom, "rounding": rounding}
    coding |= {"headroom_axis": 0} if by_axis else {}
    container = packed(saved(array), **coding)
    with fmcompress.open(io.BytesIO(container)) as file:
        how = file["arr_0"].quantized
        scales = np.array(how["scale"])
    result = np.load(io.BytesIO(restored(container, dequantize=True)))
    assert result.dtype == (np.float64 if array.dtype.itemsize == 8 else np.float32)
    if by_axis:
        scales = scales.reshape(-1, *[1] * (array.ndim - 1))
    values = array.astype(np.float64)
    errors = np.abs(result.astype(np.float64) - values)
    slack = np.abs(values) * 2.0**-22
    assert errors.max() <= how["largest_error"] * (1 + 1e-9) + slack.max()
    if target.startswith(("fixed", "ufixed")):
        bound = scales if rounding == "truncate" else scales / 2
        assert (errors <= bound * (1 + 1e-9) + slack).all()


@pytest.mark.parametrize(
    ("target", "dtype"),
    [("fixed8", "|i1"), ("fixed12", "<i2"), ("fixed16", "<i2"), ("ufixed8", "|u1")],
)
def test_quantised_words_come_back(target: str, dtype: str) -> None:
    values = np.maximum(np.random.default_rng(5).normal(size=(4, 60)), 0).astype(np.float32)
    container = packed(saved(values), quantize=target)
    result = np.load(io.BytesIO(restored(container)))
    assert result.dtype.str == dtype
    with fmcompress.open(io.BytesIO(container)) as file:
        np.testing.assert_array_equal(file["arr_0"][...], result)
        assert file["arr_0"].quantized["target"] == target
        scale = file["arr_0"].quantized["scale"]
    expected = np.trunc(values.astype(np.float64) / scale)
    np.testing.assert_array_equal(result, expected)


def test_all_permutations_of_a_map() -> None:
    """NHWC coded as NCHW is the same as NCHW."""
    maps = np.random.default_rng(1).integers(0, 9, (2, 3, 4, 5), np.int8)
    for axes in itertools.permutations(range(4)):
        turned = np.ascontiguousarray(maps.transpose(np.argsort(axes)))
        ours = fmcompress.stats(io.BytesIO(saved(turned)), order=axes)
        plain = fmcompress.stats(io.BytesIO(saved(maps)))
        assert ours.total.znz_bits == plain.total.znz_bits
        assert ours.total.bpc_bits == plain.total.bpc_bits
