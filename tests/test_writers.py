"""New dumps: what the format's own library reads of them, and what they say they lost."""

from __future__ import annotations

import os
import tracemalloc
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from fmcompress import targets
from fmcompress.dumps import TensorSpec, format_named, npz_writing, open_dump
from fmcompress.element_types import ELEMENT_TYPES, holding_dtype, is_held
from fmcompress.errors import FmcError, UnsupportedError

FORMATS = ("hdf5", "npy", "npz")
MAPS = np.random.default_rng(1).integers(-9, 9, (3, 4, 5)).astype("i1")


def bits_of(name: str) -> NDArray[Any]:
    """Return elements of a type: every pattern of 16 bits, or of the bytes that are valid."""
    dtype = holding_dtype(name)
    bits = np.arange(1 << 16, dtype="u2").view("u1") & {"bool": 1, "int4": 15, "uint4": 15}.get(
        name, 255
    )
    if name == "int4":
        bits -= 8
    return bits.view(dtype).reshape(2, -1)


def written(
    format_: str,
    path: Path,
    tensors: Mapping[str, NDArray[Any]],
    groups: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    types: Mapping[str, str] | None = None,
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
    step: int = 1000,
) -> list[str]:
    """Write a new dump, in pieces; return what it lost."""
    specs = [
        TensorSpec(
            name,
            array.shape,
            array.dtype,
            (types or {}).get(name, array.dtype.name),
            (attributes or {}).get(name, {}),
        )
        for name, array in tensors.items()
    ]
    path.touch()
    writer = format_named(format_).writer(path, specs, groups or {})
    try:
        for spec in specs:
            flat = tensors[spec.name].reshape(-1)
            writer.begin(spec)
            for start in range(0, flat.size, step):
                writer.write(flat[start : start + step])
            writer.end()
        writer.finish()
    finally:
        writer.close()
    writer.close()
    return writer.lost


def refused(format_: str, folder: Path, names: Sequence[str]) -> UnsupportedError:
    """Check that a format refuses tensors of these names before anything is written."""
    path = folder / "refused"
    with pytest.raises(UnsupportedError) as caught:
        written(format_, path, dict.fromkeys(names, MAPS))
    assert path.stat().st_size == 0
    assert caught.value.hint
    return caught.value


# --- Every type, every shape ------------------------------------------------------------------


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("name", ELEMENT_TYPES)
def test_every_element_type_comes_back_as_bits(name: str, format_: str, tmp_path: Path) -> None:
    bits = bits_of(name)
    path = tmp_path / "new"
    lost = written(format_, path, {"maps": bits}, types={"maps": name})
    with open_dump(path) as dump:
        (tensor,) = dump.tensors
        assert dump.format == format_
        assert tensor.shape == bits.shape
        assert tensor.dtype is not None
        assert tensor.dtype.itemsize == bits.dtype.itemsize
        assert b"".join(block.tobytes() for block in tensor.blocks()) == bits.tobytes()
        if not is_held(name) or format_ == "hdf5":
            assert tensor.dtype == bits.dtype
            assert tensor.element_type == (name if is_held(name) else "")
            assert lost == []
        else:
            assert tensor.dtype.kind == "V"
            assert len(lost) == 1
            assert name in lost[0]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (1,) * 32, (2, 3, 4)])
def test_every_shape(shape: tuple[int, ...], format_: str, tmp_path: Path) -> None:
    array = np.arange(np.prod(shape, dtype=int), dtype="i2").reshape(shape)
    path = tmp_path / "new"
    assert written(format_, path, {"a": array}, step=5) == []
    found = read_by_its_library(format_, path)
    assert found.shape == shape
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def read_by_its_library(format_: str, path: Path) -> Any:
    if format_ == "hdf5":
        with h5py.File(path) as file:
            return np.asarray(file["a"][()])
    with path.open("rb") as stream:
        found = np.load(stream, allow_pickle=False)
        return found["a"] if format_ == "npz" else found


@pytest.mark.parametrize("format_", FORMATS)
def test_same_input_same_bytes(format_: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        attributes = {"a": {"scale": 0.5, "text": "x"}}
        written(format_, tmp_path / name, {"a": MAPS}, {"": {"b": 1}}, attributes=attributes)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("format_", FORMATS)
def test_a_tensor_is_never_in_memory_as_a_whole(format_: str, tmp_path: Path) -> None:
    spec = TensorSpec("a", (64, 1 << 20), np.dtype("u1"), "uint8")
    piece = np.zeros(1 << 18, "u1")
    (tmp_path / "new").touch()
    tracemalloc.start()
    try:
        writer = format_named(format_).writer(tmp_path / "new", [spec], {})
        writer.begin(spec)
        for _ in range(256):
            writer.write(piece)
        writer.end()
        writer.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    writer.close()
    assert peak < 4 << 20
    with open_dump(tmp_path / "new") as dump:
        assert dump.tensors[0].nbytes == 1 << 26


@pytest.mark.parametrize("format_", FORMATS)
def test_no_room_is_said_before_anything_is_written(format_: str, tmp_path: Path) -> None:
    spec = TensorSpec("a", (1 << 30, 1 << 30), np.dtype("u1"), "uint8")
    path = tmp_path / "new"
    path.touch()
    with pytest.raises(OSError, match="free"):
        format_named(format_).writer(path, [spec], {})
    assert path.stat().st_size == 0


@pytest.mark.parametrize("format_", FORMATS)
def test_closing_what_is_incomplete(format_: str, tmp_path: Path) -> None:
    spec = TensorSpec("a", MAPS.shape, MAPS.dtype, "int8")
    (tmp_path / "new").touch()
    writer = format_named(format_).writer(tmp_path / "new", [spec], {})
    writer.begin(spec)
    writer.write(MAPS.reshape(-1)[:7])
    writer.close()
    writer.close()


# --- HDF5 ---------------------------------------------------------------------------------------


def test_hdf5_groups_and_attributes(tmp_path: Path) -> None:
    values = {
        "scale": np.float32(0.5),
        "zero_point": -3,
        "scales": np.arange(3.0),
        "text": "größer",
        "texts": ["a", "bcd"],
        "text array": np.array(["a", "bcd"]),
        "bytes": b"abc",
        "empty": h5py.Empty("f4"),
        "bool": np.array([True, False]),
        "large": np.zeros(20_000),
    }
    lost = written(
        "hdf5",
        tmp_path / "new",
        {"top": MAPS, "net/conv/one": MAPS, "net/conv/two": MAPS},
        {"": values, "net": values, "net/conv": {"a": 1}, "not/there": {"b": 2}},
        attributes={"net/conv/two": values},
    )
    assert lost == []
    with h5py.File(tmp_path / "new") as file:
        for item in (file, file["net"], file["net/conv/two"]):
            assert list(item.attrs) == sorted(values)
            assert item.attrs["scale"] == np.float32(0.5)
            assert item.attrs["scale"].dtype == np.float32
            assert item.attrs["zero_point"] == -3
            assert item.attrs["text"] == "größer"
            assert [*item.attrs["texts"]] == [*item.attrs["text array"]] == ["a", "bcd"]
            assert item.attrs["large"].shape == (20_000,)
            assert item.attrs["empty"] == h5py.Empty("f4")
        assert dict(file["net/conv"].attrs) == {"a": 1}
        assert "not" not in file
        assert file["net/conv/one"].chunks is None
        np.testing.assert_array_equal(file["net/conv/one"], MAPS)


def test_hdf5_says_what_it_cannot_hold(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other", "w") as other:
        values: dict[str, Any] = {
            "nothing": None,
            "dictionary": {"a": 1},
            "ragged": [[1], [2, 3]],
            "time": np.datetime64("2020-01-01"),
            "large": 1 << 70,
            "nul": "a\0b",
            "reference": other.ref,
            "references": np.array([other.ref], h5py.ref_dtype),
            "": 3,
        }
        lost = written(
            "hdf5",
            tmp_path / "new",
            {"a": MAPS, "b": MAPS},
            {"": {"good": 1, "bad": None}},
            attributes={"a": {**values, "good": 1}, "b": {"nothing": None}},
        )
    assert lost[0] == "attribute 'bad' of the file"
    assert lost[1] == "attribute 'nothing' of 2 tensors and groups"
    assert lost[2:] == [f"attribute {name!r} of 'a'" for name in values if name != "nothing"]
    with h5py.File(tmp_path / "new") as file:
        assert dict(file["a"].attrs) == dict(file.attrs) == {"good": 1}


@pytest.mark.parametrize("name", ["bfloat16", "float8_e5m2"])
def test_hdf5_reads_its_own_floats(name: str, tmp_path: Path) -> None:
    types = pytest.importorskip("ml_dtypes")
    bits = bits_of(name)
    written("hdf5", tmp_path / "new", {"a": bits}, types={"a": name})
    with h5py.File(tmp_path / "new") as file:
        assert dict(file["a"].attrs) == {}
        assert file["a"].dtype.kind == "f"
        found = file["a"][()].astype("f4")
    np.testing.assert_array_equal(found, bits.view(getattr(types, name)).astype("f4"))


@pytest.mark.parametrize("name", ["float8_e4m3fn", "int4", "uint4"])
def test_hdf5_says_in_an_attribute_what_it_has_no_type_for(name: str, tmp_path: Path) -> None:
    bits = bits_of(name)
    attributes = {"a": {"dtype": "what it was", "scale": 2.0}}
    written("hdf5", tmp_path / "new", {"a": bits}, types={"a": name}, attributes=attributes)
    with h5py.File(tmp_path / "new") as file:
        assert dict(file["a"].attrs) == {"dtype": name, "scale": 2.0}
        np.testing.assert_array_equal(file["a"][()], bits)


def test_hdf5_booleans_are_those_of_h5py(tmp_path: Path) -> None:
    written("hdf5", tmp_path / "new", {"a": MAPS > 0})
    with h5py.File(tmp_path / "new") as file:
        assert file["a"].dtype == bool
        np.testing.assert_array_equal(file["a"], MAPS > 0)


@pytest.mark.parametrize(
    "names", [["a", "a/b"], ["a/b/c", "a/b"], ["x", "a/b/c/d", "a"]], ids="+".join
)
def test_hdf5_has_no_dataset_that_is_a_group(names: list[str], tmp_path: Path) -> None:
    error = refused("hdf5", tmp_path, names)
    assert "beside" in error.cause


@pytest.mark.parametrize("name", ["", "/", "/a", "a/", "a//b", ".", "a/./b", "a\0b", "\udc80"])
def test_names_that_hdf5_has_not(name: str, tmp_path: Path) -> None:
    assert refused("hdf5", tmp_path, ["fine", name]).layer == name


def test_names_that_hdf5_has(tmp_path: Path) -> None:
    names = ["..", "a/..", "ü", "日本/🙂", " ", "a.b", "n" * 3000, "%s", "\n"]
    assert written("hdf5", tmp_path / "new", dict.fromkeys(names, MAPS)) == []
    with open_dump(tmp_path / "new") as dump:
        assert sorted(tensor.name for tensor in dump.tensors) == sorted(names)


def test_hdf5_has_at_most_32_axes(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="33 axes"):
        written("hdf5", tmp_path / "new", {"a": np.zeros(1, "i1").reshape((1,) * 33)})


def test_groups_of_a_dump_are_those_of_its_writer(tmp_path: Path) -> None:
    groups = {"": {"a": 1}, "net": {"b": 2}, "net/conv": {"c": 3}}
    written("hdf5", tmp_path / "new", {"net/conv/one": MAPS, "top": MAPS}, groups)
    with open_dump(tmp_path / "new") as dump:
        assert {name: dict(found) for name, found in dump.groups.items()} == groups


# --- NPY ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 2])
def test_npy_holds_one_array(count: int, tmp_path: Path) -> None:
    error = refused("npy", tmp_path, [f"{number}" for number in range(count)])
    assert error.hint is not None
    assert "--layers" in error.hint


@pytest.mark.parametrize("dtype", ["i1", "u2", "f4", "?", "f2", "c8"])
def test_npy_is_as_numpy_saves_it(dtype: str, tmp_path: Path) -> None:
    array = MAPS.astype(dtype)
    written("npy", tmp_path / "new", {"a": array})
    np.save(tmp_path / "other.npy", array)
    assert (tmp_path / "new").read_bytes() == (tmp_path / "other.npy").read_bytes()


def test_a_bfloat16_is_as_numpy_saves_it(tmp_path: Path) -> None:
    types = pytest.importorskip("ml_dtypes")
    array = MAPS.astype(types.bfloat16)
    written("npy", tmp_path / "new", {"a": array.view("u2")}, types={"a": "bfloat16"})
    np.save(tmp_path / "other.npy", array)
    assert (tmp_path / "new").read_bytes() == (tmp_path / "other.npy").read_bytes()


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "int4", "uint4", "bfloat16"])
def test_numpy_reads_what_it_lacks_as_opaque_items(name: str, tmp_path: Path) -> None:
    types = pytest.importorskip("ml_dtypes")
    bits = bits_of(name)
    written("npy", tmp_path / "new.npy", {"a": bits}, types={"a": name})
    found = np.load(tmp_path / "new.npy", allow_pickle=False)
    assert found.dtype == np.dtype(f"V{bits.itemsize}")
    values = found.view(getattr(types, name)).astype("f4")
    if name in ("int4", "uint4"):
        np.testing.assert_array_equal(values, bits)
    else:
        np.testing.assert_array_equal(values, bits.view(getattr(types, name)).astype("f4"))


def test_npy_says_what_it_lost(tmp_path: Path) -> None:
    attributes = {"a": {"scale": 1.0, "unit": "volt"}}
    lost = written("npy", tmp_path / "new", {"a": MAPS}, {"": {"c": 1}}, attributes=attributes)
    assert lost == [
        "attribute 'c' of the file",
        "attribute 'scale' of 'a'",
        "attribute 'unit' of 'a'",
    ]


# --- NPZ ----------------------------------------------------------------------------------------


def test_npz_members(tmp_path: Path) -> None:
    attributes = {
        "net/one": {"scale": np.float32([0.5, 2]), "zero_point": -3, "unit": "volt"},
        "two": {"scale": "a text", "zero_point": [[1], [2, 3]], "zero_points": [3]},
    }
    lost = written(
        "npz",
        tmp_path / "new",
        {"net/one": MAPS, "two": MAPS},
        {"net": {"a": 1}},
        attributes=attributes,
    )
    assert lost == [
        "attribute 'a' of 'net'",
        "attribute 'unit' of 'net/one'",
        "attribute 'scale' of 'two'",
        "attribute 'zero_point' of 'two'",
        "attribute 'zero_points' of 'two'",
    ]
    with zipfile.ZipFile(tmp_path / "new") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "net/one.npy",
            "net/one.scale.npy",
            "net/one.zero_point.npy",
            "two.npy",
        ]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    with np.load(tmp_path / "new", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["net/one"], MAPS)
        np.testing.assert_array_equal(arrays["net/one.scale"], np.float32([0.5, 2]))
        assert arrays["net/one.zero_point"] == -3
    with open_dump(tmp_path / "new") as dump:
        assert dump.tensors[0].name == "net/one"


def test_no_two_members_have_one_name(tmp_path: Path) -> None:
    attributes = {"a": {"scale": 1.0}}
    lost = written("npz", tmp_path / "new", {"a": MAPS, "a.scale": MAPS}, attributes=attributes)
    assert lost == ["attribute 'scale' of 'a'"]
    with np.load(tmp_path / "new") as arrays:
        np.testing.assert_array_equal(arrays["a.scale"], MAPS)


def test_an_npz_without_arrays_is_none(tmp_path: Path) -> None:
    refused("npz", tmp_path, [])


@pytest.mark.parametrize("name", ["a\0b", "\udc80", "n" * 70_000])
def test_names_that_npz_has_not(name: str, tmp_path: Path) -> None:
    assert refused("npz", tmp_path, ["fine", name]).layer == name


def test_names_that_npz_has(tmp_path: Path) -> None:
    names = ["", "..", "/a", "a//b", "ü", "a", "a.npy", "日本/🙂"]
    arrays = {name: MAPS + number for number, name in enumerate(names)}
    assert written("npz", tmp_path / "new", arrays) == []
    with zipfile.ZipFile(tmp_path / "new") as archive:
        assert archive.namelist() == [f"{name}.npy" for name in names]
    with open_dump(tmp_path / "new") as dump:
        for tensor, array in zip(dump.tensors, arrays.values(), strict=True):
            np.testing.assert_array_equal(tensor.read(), array)


def test_large_members_have_64_bit_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if 60 bytes were more than zip's 32-bit sizes could tell."""
    monkeypatch.setattr(npz_writing, "ZIP64_BYTES", MAPS.nbytes)
    written("npz", tmp_path / "new", {"a": MAPS})
    assert b"\x01\x00\x10\x00" in (tmp_path / "new").read_bytes()[:60]
    with np.load(tmp_path / "new") as arrays:
        np.testing.assert_array_equal(arrays["a"], MAPS)


@pytest.mark.parametrize("format_", FORMATS)
def test_python_objects_are_refused(format_: str, tmp_path: Path) -> None:
    with pytest.raises(FmcError):
        written(format_, tmp_path / "new", {"a": np.array([{}], object)})


# --- Writing back ---------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="the system cannot be told")
@pytest.mark.parametrize("works", [True, False])
def test_a_file_goes_to_the_disk_while_it_is_written(
    works: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[int, int]] = []

    def note(_: int, start: int, size: int, how: int) -> None:
        assert how == os.POSIX_FADV_DONTNEED
        sent.append((start, size))
        if not works:
            raise OSError

    monkeypatch.setattr(targets, "_WAITING_BYTES", 30_000)
    monkeypatch.setattr(os, "posix_fadvise", note)
    path = tmp_path / "target"
    path.write_bytes(b"")
    with targets.open_target(path) as file:
        for number in (1, 2, 3, 0, 4, 5):
            file.seek(10_000 * number)
            file.write(bytes([number]) * 10_000)
    assert sent == [(10_000, 30_000), (0, 60_000)]
    assert path.read_bytes() == b"".join(bytes([number]) * 10_000 for number in range(6))
