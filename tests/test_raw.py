"""Raw words: what the user says of a file must fit it; what a container says is not trusted."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import assert_refused, chunk, container, dump, layers, row

import fmcompress
from fmcompress import dumps
from fmcompress.dumps import TensorSpec, format_named
from fmcompress.dumps.raw import layout_options
from fmcompress.errors import DamagedError, ParameterError, UnsupportedError

MAPS = np.random.default_rng(5).poisson(0.8, (4, 6, 5)).astype("i2") - 1


def saved(folder: Path, array: Any) -> Path:
    path = folder / "maps.raw"
    path.write_bytes(array if isinstance(array, bytes) else array.tobytes())
    return path


def opened(
    path: Path, dtype: str, shape: Sequence[int] | None = None, endian: str = "little"
) -> dumps.Dump:
    return dumps.open_dump(path, raw=layout_options(dtype, shape, endian))


# --- What fits ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        (None, (120,)),
        ((120,), (120,)),
        ((-1,), (120,)),
        ((4, 6, 5), (4, 6, 5)),
        ((4, -1, 5), (4, 6, 5)),
        ((-1, 1, 1), (120, 1, 1)),
        ((1,) * 63 + (-1,), (1,) * 63 + (120,)),
    ],
)
@pytest.mark.parametrize("endian", ["little", "big"])
def test_shapes(
    endian: str, shape: Sequence[int] | None, found: tuple[int, ...], tmp_path: Path
) -> None:
    path = saved(tmp_path, MAPS.astype("<i2" if endian == "little" else ">i2"))
    with opened(path, "int16", shape, endian) as dump_:
        (tensor,) = dump_.tensors
        assert (tensor.name, tensor.shape, tensor.label) == ("raw", found, "int16")
        assert tensor.dtype == np.dtype("<i2" if endian == "little" else ">i2")
        assert tensor.place == {"offset": 0}
        assert tensor.holes() == [(0, 240)]
        assert (tensor.carried, tensor.element_type, dict(tensor.attributes)) == ("", "", {})
        np.testing.assert_array_equal(tensor.read(), MAPS.reshape(found))
        np.testing.assert_array_equal(np.concatenate([*tensor.blocks()]), MAPS.reshape(-1))
        assert dump_.describe() == {
            "format": "raw",
            "bytes": 240,
            "options": {"dtype": "int16", "endian": endian, "shape": [*found]},
        }


@pytest.mark.parametrize(
    ("name", "dtype", "element_type"),
    [
        ("int8", "|i1", ""),
        ("u4", "<u4", ""),
        ("float32", "<f4", ""),
        ("fp16", "<f2", ""),
        ("bool", "|b1", ""),
        ("bf16", "<u2", "bfloat16"),
        ("e4m3", "|u1", "float8_e4m3fn"),
        ("float8_e5m2", "|u1", "float8_e5m2"),
        ("int4", "|i1", "int4"),
        ("uint4", "|u1", "uint4"),
        ("FLOAT64", "<f8", ""),
    ],
)
def test_dtypes(name: str, dtype: str, element_type: str, tmp_path: Path) -> None:
    with opened(saved(tmp_path, bytes(range(16))), name) as dump_:
        (tensor,) = dump_.tensors
        assert tensor.dtype is not None
        assert tensor.dtype.str == dtype
        assert tensor.element_type == element_type
        assert tensor.nbytes == 16


@pytest.mark.parametrize("name", ["int4", "uint4"])
def test_bytes_that_are_no_4_bit_integers(name: str, tmp_path: Path) -> None:
    """It is the user who says what they are, so it is an error; a dump that says so may be wrong."""
    path = saved(tmp_path, b"\x01\x02\x6f")
    with pytest.raises(ParameterError, match=r"element \[2\] is 111, which does not fit 4-bit"):
        fmcompress.stats(path, raw={"dtype": name})


@pytest.mark.parametrize(
    ("code", "endian", "found"),
    [("<i2", "little", "little"), (">i2", "little", "big"), (">i2", "big", "big")],
)
def test_byte_order_in_the_dtype(code: str, endian: str, found: str) -> None:
    assert layout_options(code, None, endian) == {"dtype": "int16", "endian": found}


# --- What does not --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "shape", "endian", "cause"),
    [
        ("int17", None, "little", "unknown dtype 'int17'"),
        ("complex64", None, "little", "unknown dtype"),
        ("int16", (), "little", "0 axes"),
        ("int16", (1,) * 65, "little", "65 axes"),
        ("int16", (4, 0), "little", "length of 0"),
        ("int16", (4, -2), "little", "length of -2"),
        ("int16", (4, 1.5), "little", r"length of 1\.5"),
        ("int16", (True, 4), "little", "length of True"),
        ("int16", (-1, -1), "little", "more than one -1"),
        ("int16", None, "middle", "endian is 'middle'"),
        ("<i2", None, "big", "little-endian, endian is 'big'"),
    ],
)
def test_options_that_are_none(dtype: str, shape: Any, endian: str, cause: str) -> None:
    with pytest.raises(ParameterError, match=cause) as caught:
        layout_options(dtype, shape, endian)
    assert caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("nbytes", "dtype", "shape", "cause", "hint"),
    [
        (241, "int16", None, "241 bytes are no multiple of the 2 bytes of int16", "another dtype"),
        (3, "float32", (1,), "3 bytes are no multiple of the 4 bytes", "another dtype"),
        (240, "int16", (5, 5, 5), r"240 bytes are 120 elements .* has 125", "120 alone"),
        (240, "int16", (3, 6, 5), r"2 bytes each.* has 90", "4,6,5 would fit"),
        (240, "int16", (7, -1), "does not divide", "must divide 120"),
        (240, "int16", (2**62, 2**62), "has ", "120 alone"),
        (240, "int16", (2**62, -1), "does not divide", "must divide 120"),
    ],
)
def test_options_that_do_not_fit(
    nbytes: int, dtype: str, shape: Any, cause: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(ParameterError, match=cause) as caught:
        opened(saved(tmp_path, bytes(nbytes)), dtype, shape)
    assert hint in (caught.value.hint or "")


def test_empty_file(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="empty"):
        opened(saved(tmp_path, b""), "int8")


def test_raw_is_never_recognised(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="--raw"):
        dumps.open_dump(saved(tmp_path, MAPS))
    with pytest.raises(ParameterError, match="needs a dtype"):
        format_named("raw").open(saved(tmp_path, MAPS))


# --- Whole ----------------------------------------------------------------------------------


def compressed(path: Path, target: Path, **options: Any) -> None:
    """Compress a raw file."""
    fmcompress.compress(path, target, chunk_words=50, raw=layout_options(**options))


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "float32", "bfloat16", "bool"])
@pytest.mark.parametrize("endian", ["little", "big"])
def test_round_trip(endian: str, dtype: str, tmp_path: Path) -> None:
    path, packed = saved(tmp_path, MAPS & 1), tmp_path / "packed"
    compressed(path, packed, dtype=dtype, shape=(4, -1), endian=endian)
    assert fmcompress.verify(packed).damages == []
    fmcompress.decompress(packed, tmp_path / "back.raw")
    assert (tmp_path / "back.raw").read_bytes() == path.read_bytes()
    with fmcompress.open(packed) as file:
        assert dict(file["raw"].attrs) == {}
        assert np.asarray(file["raw"]).tobytes() == path.read_bytes()
        assert file["raw"].shape[0] == 4


OPTIONS = {"dtype": "int8", "endian": "little", "shape": [4]}


def packed_with(options: Any, nbytes: int = 4, **more: Any) -> bytes:
    described = {} if options is None else {"options": options}
    return container(
        dump(nbytes, "raw", **described),
        layers(row("raw", **more)),
        chunk([1, 0, 0, 5]),
    )


def test_container_by_hand(tmp_path: Path) -> None:
    data = packed_with(OPTIONS)
    assert fmcompress.verify(io.BytesIO(data)).ok
    fmcompress.decompress(io.BytesIO(data), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"\1\0\0\5"
    with fmcompress.open(io.BytesIO(data)) as file:
        assert dict(file["raw"].attrs) == {}


HOSTILE = {
    "none": None,
    "empty": {},
    "no dtype": {"endian": "little", "shape": [4]},
    "no endian": {"dtype": "int8", "shape": [4]},
    "no shape": {"dtype": "int8", "endian": "little"},
    "unknown key": {**OPTIONS, "more": 1},
    "unknown dtype": {**OPTIONS, "dtype": "int9"},
    "alias": {**OPTIONS, "dtype": "i1"},
    "dtype of another kind": {**OPTIONS, "dtype": ["int8"]},
    "endian": {**OPTIONS, "endian": "<"},
    "endian of another kind": {**OPTIONS, "endian": {}},
    "shape of another kind": {**OPTIONS, "shape": "4"},
    "shape to be found": {**OPTIONS, "shape": [-1]},
    "no axes": {**OPTIONS, "shape": []},
    "many axes": {**OPTIONS, "shape": [1] * 64 + [4]},
    "zero": {**OPTIONS, "shape": [4, 0]},
    "bool": {**OPTIONS, "shape": [4, True]},
    "float": {**OPTIONS, "shape": [4.0]},
    "too large": {**OPTIONS, "shape": [5]},
    "huge": {**OPTIONS, "shape": [2**62, 2**62]},
    "two bytes each": {**OPTIONS, "dtype": "int16"},
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_options(case: str, tmp_path: Path) -> None:
    data = packed_with(HOSTILE[case])
    assert_refused(data, tmp_path)
    with fmcompress.open(io.BytesIO(data)) as file, pytest.raises((DamagedError, UnsupportedError)):
        _ = file["raw"].attrs


@pytest.mark.parametrize("place", [{"offset": 1}, {"offset": -1}, {"bytes": 4}, {}])
def test_hostile_places(place: dict[str, Any], tmp_path: Path) -> None:
    assert_refused(packed_with(OPTIONS, place=place), tmp_path)


def test_a_raw_dump_larger_than_its_words(tmp_path: Path) -> None:
    options = {**OPTIONS, "shape": [2**20]}
    assert_refused(packed_with(options, 2**20), tmp_path)


# --- Writing --------------------------------------------------------------------------------


def test_written(tmp_path: Path) -> None:
    path = tmp_path / "new.raw"
    path.touch()
    big = MAPS.astype(">i2")
    spec = TensorSpec("conv1", MAPS.shape, big.dtype, "int16", {"scale": 0.5, "axis": 1})
    writer = format_named("raw").writer(path, [spec], {"": {"a": 1}})
    writer.begin(spec)
    for part in big.reshape(-1)[:50], big.reshape(-1)[50:]:
        writer.write(part)
    writer.end()
    writer.finish()
    writer.close()
    assert path.read_bytes() == MAPS.astype("<i2").tobytes()
    assert writer.lost == [
        "the name 'conv1'",
        "the dtype int16 of 'conv1'",
        "the shape [4, 6, 5] of 'conv1'",
        "attribute 'a' of the file",
        "attribute 'scale' of 'conv1'",
        "attribute 'axis' of 'conv1'",
    ]


def test_one_tensor_a_file(tmp_path: Path) -> None:
    spec = TensorSpec("a", (3,), np.dtype("i1"), "int8")
    for specs in ([], [spec, spec]):
        with pytest.raises(UnsupportedError, match=f"holds one tensor, not {len(specs)}"):
            format_named("raw").writer(tmp_path / "new.raw", specs, {})
