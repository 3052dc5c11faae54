"""EBPC on arrays: `fmcompress.encode` and `fmcompress.decode`, for every dtype, shape and layout."""

from __future__ import annotations

import doctest
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from harness import INTEGER_DTYPES, Transmission, examples, golden, integer_arrays
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import fmcompress
from fmcompress import arrays, reference
from fmcompress.arrays import Encoded
from fmcompress.errors import (
    DamagedError,
    FmcError,
    ParameterError,
    StreamError,
    StreamFault,
    UnsupportedError,
)
from fmcompress.reference import BLOCK_SIZES, DIFFERENCES, MAX_BURSTS


def check_array(array: Any, **options: Any) -> Encoded:
    """Encode and decode: same dtype with byte order, same shape, same values."""
    before = np.array(array)
    encoded = fmcompress.encode(array, **options)
    decoded = fmcompress.decode(encoded)
    assert decoded.dtype.str == before.dtype.str
    assert decoded.shape == before.shape == encoded.shape
    assert decoded.tobytes() == before.tobytes()
    assert np.asarray(array).tobytes() == before.tobytes()
    assert encoded.count == before.size
    assert encoded.nbytes == len(encoded.znz) + len(encoded.bpc)
    return encoded


def stream_words(stream: bytes, word_bits: int) -> list[int]:
    """Cut a stream into stream words, the most significant byte first."""
    width = word_bits // 8
    return [int.from_bytes(stream[i : i + width]) for i in range(0, len(stream), width)]


# --- The hardware's streams ---------------------------------------------------------------


@pytest.mark.parametrize("number", range(71))
def test_golden(number: int) -> None:
    """Signed arrays give the hardware's stream words, and those give the arrays."""
    case, znz, bpc = golden()[number]
    w = case.word_bits
    array = np.array(case.words, f"u{w // 8}").view(f"i{w // 8}")
    encoded = check_array(array, block_size=case.block_size, max_burst=case.max_burst)
    assert (encoded.znz, encoded.bpc) == (znz, bpc)
    assert encoded.word_bits == w
    for words, stream in ((encoded.znz_words, znz), (encoded.bpc_words, bpc)):
        assert words.dtype == np.dtype(f"u{w // 8}")
        assert words.tolist() == stream_words(stream, w)
    recorded = replace(fmcompress.encode(array[:0]), znz=znz, bpc=bpc)
    recorded = replace(recorded, shape=array.shape, codec=encoded.codec)
    np.testing.assert_array_equal(fmcompress.decode(recorded), array)


# --- Dtypes, shapes and layouts -----------------------------------------------------------


@examples(400)
@given(
    integer_arrays(),
    st.sampled_from(BLOCK_SIZES),
    st.sampled_from(MAX_BURSTS),
    st.sampled_from([None, *DIFFERENCES]),
)
def test_any_array(
    array: NDArray[Any], block_size: int, max_burst: int, difference: str | None
) -> None:
    """Any array comes back; its streams are the reference's for its elements in C order."""
    options = {"block_size": block_size, "max_burst": max_burst}
    encoded = check_array(array, **options, difference=difference)
    w = 8 * array.dtype.itemsize
    words = [value % 2**w for value in array.flatten(order="C").tolist()]
    rule = difference or ("signed" if array.dtype.kind == "i" else "unsigned")
    case = Transmission(words, w, block_size, max_burst, rule)
    assert (encoded.znz, encoded.bpc) == reference.encode(*case)
    assert encoded.codec.difference == rule


@examples(200)
@given(integer_arrays(), st.data())
def test_any_zero_point(array: NDArray[Any], data: st.DataObject) -> None:
    """Elements equal to the zero point have no word in the BPC stream."""
    range_ = np.iinfo(array.dtype)
    inside = st.sampled_from(array.flatten().tolist() or [0])
    zero_point = data.draw(inside | st.integers(int(range_.min), int(range_.max)))
    encoded = check_array(array, zero_point=zero_point)
    assert (encoded.bpc == b"") == bool((array == zero_point).all())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", INTEGER_DTYPES)
def test_layouts(name: str, order: str) -> None:
    """The order of the words is C order, whatever the layout or byte order in memory."""
    range_ = np.iinfo(name)
    values = [0, 1, int(range_.max), int(range_.min), 0, 7] * 10
    array = np.array(values, np.dtype(name).newbyteorder(order)).reshape(3, 4, 5)
    encoded = check_array(array)
    doubled = np.repeat(array, 2, axis=1)
    for other in (
        np.asfortranarray(array),
        doubled[:, ::2],
        array[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
        array.byteswap().view(array.dtype.newbyteorder()),
    ):
        again = check_array(other)
        assert (again.znz, again.bpc) == (encoded.znz, encoded.bpc)
    array.flags.writeable = False
    check_array(array)


@pytest.mark.parametrize("name", INTEGER_DTYPES)
@pytest.mark.parametrize(
    "shape", [(), (0,), (1,), (0, 3), (3, 0, 2), (1, 1, 1, 1), (2, 3, 4, 5), (1,) * 32], ids=str
)
def test_shapes(name: str, shape: tuple[int, ...]) -> None:
    """From no dimension to many, and no elements at all."""
    check_array(np.zeros(shape, name))
    encoded = check_array(np.full(shape, 3, name))
    assert encoded.ratio > 0
    if encoded.count == 0:
        assert (encoded.znz, encoded.bpc, encoded.ratio) == (b"", b"", 1.0)
        assert encoded.znz_words.size == encoded.bpc_words.size == 0


def test_scalar() -> None:
    """A NumPy scalar is an array of no dimension."""
    encoded = check_array(np.int8(1))
    assert (encoded.znz.hex(), encoded.bpc.hex()) == ("80", "011838")


def test_decoded_array_is_writable() -> None:
    """The result belongs to the caller."""
    for name in INTEGER_DTYPES:
        decoded = fmcompress.decode(fmcompress.encode(np.arange(3, dtype=name)))
        decoded[0] = 5
        assert decoded.tolist() == [5, 1, 2]


def test_sizes_by_hand() -> None:
    """Five bytes of words, two of ZNZ, seven of BPC."""
    encoded = fmcompress.encode(np.array([5, 7, 0, 9, -1], np.int8))
    assert (encoded.count, encoded.word_bits, encoded.nbytes) == (5, 8, 9)
    assert encoded.ratio == 40 / 72
    assert encoded.znz_words.tolist() == [0xC1, 0x80]
    wide = fmcompress.encode(np.array([1], ">i4"), block_size=32, max_burst=64)
    assert wide.znz_words.tolist() == [0x80000000]
    assert wide.bpc_words.tolist() == [1, 0x180F8000]
    assert wide.bpc_words.dtype.isnative


# --- Refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(3, np.float64),
        np.zeros(3, np.int64),
        np.zeros(3, np.uint64),
        np.zeros(3, np.complex64),
        np.zeros(3, object),
        np.zeros(3, "S4"),
        np.zeros(3, "U4"),
        np.zeros(3, "datetime64[s]"),
        np.zeros(3, "i4,i4"),
        np.zeros(0, np.float64),
        [1.5, 2.5],
        3.0,
        "text",
        None,
    ],
    ids=repr,
)
def test_unsupported(array: Any) -> None:
    """What has no words is refused by the name of its dtype, before anything else."""
    with pytest.raises(UnsupportedError, match="word format") as raised:
        fmcompress.encode(array)
    assert np.asarray(array).dtype.name in raised.value.cause


@pytest.mark.parametrize(
    "wrong",
    [
        {"block_size": 12},
        {"max_burst": 1},
        {"difference": "other"},
        {"zero_point": 128},
        {"zero_point": -129},
        {"zero_point": 0.5},
        {"word_bits": 9},
        {"mapping": "rotate"},
    ],
    ids=str,
)
def test_parameter_out_of_range(wrong: dict[str, Any]) -> None:
    """Each parameter is refused by its name."""
    with pytest.raises(ParameterError, match=next(iter(wrong)).replace("zero_", "zero ")):
        fmcompress.encode(np.zeros(3, np.int8), **wrong)


def test_decode_is_strict() -> None:
    """Streams from elsewhere must be exactly those that the words need."""
    encoded = fmcompress.encode(np.array([5, 7, 0, 9, -1], np.int8))
    wrong = {
        "ZNZ_PADDING": replace(encoded, znz=bytes.fromhex("c181")),
        "ZNZ_LEFT_OVER": replace(encoded, znz=encoded.znz + b"\0"),
        "BPC_LEFT_OVER": replace(encoded, bpc=encoded.bpc + b"\0"),
        "BPC_TRUNCATED": replace(encoded, bpc=encoded.bpc[:-1]),
        "ZNZ_RUN_TOO_LONG": replace(encoded, znz=bytes.fromhex("c7c0")),
        "ZNZ_TRUNCATED": replace(encoded, shape=(5, 2)),
    }
    for fault, damaged in wrong.items():
        with pytest.raises(StreamError) as raised:
            fmcompress.decode(damaged)
        assert raised.value.fault == StreamFault[fault]


@pytest.mark.parametrize("shape", [(2**40,), (2**31, 2**31, 2**31), (-1,), (-5, -1), (5, -1)])
def test_lying_shape(shape: tuple[int, ...]) -> None:
    """Neither a huge nor a negative shape costs memory, or another kind of error."""
    encoded = fmcompress.encode(np.array([5, 7, 0, 9, -1], np.int8))
    with pytest.raises(DamagedError):
        fmcompress.decode(replace(encoded, shape=shape))


def test_errors_have_one_base() -> None:
    """A caller who catches `FmcError` catches all of the above."""
    for error in (DamagedError, ParameterError, StreamError, UnsupportedError):
        assert issubclass(error, FmcError)


def test_docstring_examples() -> None:
    """The examples in the docstrings run."""
    results = doctest.testmod(arrays)
    assert results.attempted >= 5
    assert results.failed == 0
