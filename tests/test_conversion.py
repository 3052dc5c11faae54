"""From any dump to any format, and back through a container: values, attributes, what is lost."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from conftest import SHARED
from hostile import Pipe
from numpy.typing import NDArray

import fmcompress
from fmcompress.dumps import FORMATS
from fmcompress.errors import ParameterError, UnsupportedError

MANY = ("hdf5", "npz", "safetensors", "zarr")  # formats that hold several tensors
SINGLE = ("npy", "onnx", "raw", "hex")


def bits(array: Any) -> bytes:
    """The bits of an array's elements, little-endian, in C order."""
    array = np.ascontiguousarray(array)
    if array.dtype.itemsize > 1 and array.dtype.str[0] == ">":
        array = array.byteswap()
    return array.tobytes()


def packed(source: Any, target: Path, **options: Any) -> Path:
    fmcompress.compress(source, target, **options)
    return target


def converted(source: Path, target: Path, **options: Any) -> Any:
    """Write a new dump; return the statistics, which say what is lost."""
    return fmcompress.decompress(source, target, **options)


def layers_of(path: Path, **options: Any) -> dict[str, bytes]:
    """Bits of all layers of a dump that is compressed and opened again; it comes back, too."""
    container = path.with_name(path.name + ".fmc")
    fmcompress.compress(path, container, **options)
    back = path.with_name(path.name + ".back")
    fmcompress.decompress(container, back)
    assert content(back) == content(path)
    with fmcompress.open(container) as file:
        return {name: bits(layer[...]) for name, layer in file.items()}


def content(path: Path) -> Any:
    """All bytes of a file, or of the files in a folder."""
    if path.is_file():
        return path.read_bytes()
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def skip_without(name: str) -> None:
    if name == "zarr":
        pytest.importorskip("zarr")


RANDOM = np.random.default_rng(3)
TENSORS: dict[str, tuple[str, NDArray[Any]]] = {
    "int8": ("int8", RANDOM.integers(-9, 9, (2, 3, 4, 5)).astype(np.int8)),
    "big": ("uint16", RANDOM.integers(0, 999, (3, 7)).astype(">u2")),
    "half": ("float16", RANDOM.normal(size=(4, 4)).astype(np.float16)),
    "single": ("float32", np.array([[0.0, -0.0, np.inf, np.nan, 1e-40]], np.float32)),
    "double": ("float64", RANDOM.normal(size=5)),
    "flags": ("bool", RANDOM.random((3, 5)) < 0.5),
    "long": ("int64", np.arange(4)),
}


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """An HDF5 dump with attributes, groups, and something that is no plain tensor."""
    path = tmp_path / "in.h5"
    with h5py.File(path, "w") as file:
        file.attrs["network"] = "tiny"
        for name, (_, array) in TENSORS.items():
            file[f"block/{name}"] = array
        file["block"].attrs["depth"] = 2
        file["block/int8"].attrs["scale"] = 0.25
        file["text"] = ["a", "b"]
    return path


# --- To every format ----------------------------------------------------------------------


@pytest.mark.parametrize("name", MANY)
def test_to_formats_that_hold_many(name: str, dump: Path, tmp_path: Path) -> None:
    skip_without(name)
    container = packed(dump, tmp_path / "packed")
    stats = converted(container, tmp_path / "new", to=name)
    # Of its own format it comes back as it was, texts and all.
    assert any("'text'" in warning for warning in stats.warnings) == (name != "hdf5")
    found = layers_of(tmp_path / "new")
    expected = {f"block/{key}": bits(array) for key, (_, array) in TENSORS.items()}
    assert {key: found[key] for key in expected} == expected
    with fmcompress.open(tmp_path / "new.fmc") as file:
        for key, (_, array) in TENSORS.items():
            assert file[f"block/{key}"].shape == array.shape
        if name in ("hdf5", "zarr", "safetensors"):
            assert float(file["block/int8"].attrs["scale"]) == 0.25


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("key", TENSORS)
def test_to_formats_that_hold_one(name: str, key: str, dump: Path, tmp_path: Path) -> None:
    kind, array = TENSORS[key]
    container = packed(dump, tmp_path / "packed")
    with pytest.raises((UnsupportedError, ParameterError), match=r"one|several|layers"):
        converted(container, tmp_path / "new", to=name)
    if name == "hex" and array.dtype.itemsize > 4:
        with pytest.raises(UnsupportedError):
            converted(container, tmp_path / "new", to=name, layers=f"block/{key}")
        return
    converted(container, tmp_path / "new", to=name, layers=f"block/{key}")
    options: dict[str, Any] = {}
    if name == "raw":
        options["raw"] = {"dtype": kind, "shape": array.shape, "endian": "little"}
        if kind in ("float64", "int64"):
            assert (tmp_path / "new").read_bytes() == bits(array)
            return
    [found] = layers_of(tmp_path / "new", **options).values()
    assert found == bits(array)


def test_the_suffix_decides(dump: Path, tmp_path: Path) -> None:
    container = packed(dump, tmp_path / "packed")
    converted(container, tmp_path / "new.npz", layers="block/*")
    assert np.load(tmp_path / "new.npz")["block/half"].dtype == np.float16
    converted(container, tmp_path / "same.hdf5")
    converted(container, tmp_path / "same.bin")
    for name in ("same.hdf5", "same.bin"):
        assert (tmp_path / name).read_bytes() == dump.read_bytes()
    converted(container, tmp_path / "other.npz", to="hdf5")
    assert (tmp_path / "other.npz").read_bytes() == dump.read_bytes()


@pytest.mark.parametrize("name", ["pytorch", "folder", "", "hdf"])
def test_formats_that_are_not_written(name: str, dump: Path, tmp_path: Path) -> None:
    container = packed(dump, tmp_path / "packed")
    with pytest.raises(ParameterError) as raised:
        converted(container, tmp_path / "new", to=name)
    assert raised.value.hint
    assert not (tmp_path / "new").exists()


def test_suffixes_name_formats(dump: Path, tmp_path: Path) -> None:
    container = packed(dump, tmp_path / "packed")
    converted(container, tmp_path / "new", to="h5")
    assert (tmp_path / "new").read_bytes() == dump.read_bytes()


@pytest.mark.parametrize("name", MANY)
def test_strided_views_are_written(name: str, tmp_path: Path) -> None:
    skip_without(name)
    source = Path(__file__).parent / "golden" / "pytorch" / "views.pt"
    converted(packed(source, tmp_path / "packed"), tmp_path / "new", to=name)
    found = layers_of(tmp_path / "new")
    with fmcompress.open(tmp_path / "packed") as file:
        strided = [key for key, layer in file.items() if layer.carried == "strided view"]
        assert strided
        for key in strided:
            try:
                expected = bits(file[key][...])
            except UnsupportedError:  # its data is part of that of another one
                continue
            assert found[key] == expected


@pytest.mark.parametrize("name", [*MANY, "onnx", "npy"])
def test_an_odd_number_of_packed_elements(name: str, tmp_path: Path) -> None:
    skip_without(name)
    source = Path(__file__).parent / "golden" / "onnx" / "uint4_odd_raw.pb"
    converted(packed(source, tmp_path / "packed"), tmp_path / "new", to=name)
    fmcompress.compress(tmp_path / "new", tmp_path / "again")
    with fmcompress.open(tmp_path / "again") as file:
        [layer] = file.values()
        assert layer.shape == ((3, 3) if name != "onnx" else (5,))


def test_views_that_repeat_their_data_are_left_out(tmp_path: Path) -> None:
    """A small file does not fill the disk."""
    from test_pytorch import archive, pickled, tensor

    (tmp_path / "in.pt").write_bytes(archive(pickled(tensor(1 << 28, 4, strides=(0, 1)))))
    container = packed(tmp_path / "in.pt", tmp_path / "packed")
    with pytest.raises(UnsupportedError, match="it repeats its data too many times"):
        converted(container, tmp_path / "new", to="npz")
    assert not (tmp_path / "new").exists()


def test_a_pattern_that_matches_nothing_is_said_first(tmp_path: Path) -> None:
    source = Path(__file__).parent / "golden" / "pytorch" / "views.pt"
    with pytest.raises(ParameterError, match="no layer matches"):
        converted(packed(source, tmp_path / "packed"), tmp_path / "new", layers="nope")


def test_from_a_pipe(dump: Path, tmp_path: Path) -> None:
    data = packed(dump, tmp_path / "packed").read_bytes()
    fmcompress.decompress(Pipe(data, 1000), tmp_path / "new.npz", layers="block/*")  # type: ignore[arg-type]
    assert bits(np.load(tmp_path / "new.npz")["block/int8"]) == bits(TENSORS["int8"][1])
    target = io.BytesIO()
    fmcompress.decompress(Pipe(data, 1000), target)  # type: ignore[arg-type]
    assert target.getvalue() == dump.read_bytes()


# --- From every order, packing and loss ---------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"order": (0, 3, 1, 2)}, {"serpentine": True}], ids=str)
@pytest.mark.parametrize("fortran", [False, True])
def test_from_any_order(options: dict[str, Any], fortran: bool, tmp_path: Path) -> None:
    maps = RANDOM.integers(0, 99, (2, 5, 4, 3), np.uint8)
    np.save(tmp_path / "in.npy", np.asfortranarray(maps) if fortran else maps)
    packed(tmp_path / "in.npy", tmp_path / "packed", chunk_words=16, **options)
    converted(tmp_path / "packed", tmp_path / "new.h5")
    with h5py.File(tmp_path / "new.h5") as file:
        np.testing.assert_array_equal(file["arr_0"][...], maps)


@pytest.mark.parametrize("name", ["int4", "uint4"])
def test_packed_halves_are_written_one_a_byte(name: str, tmp_path: Path) -> None:
    codes = np.array([[0x21, 0xF3], [0x80, 0x07]], np.uint8)
    np.save(tmp_path / "in.npy", codes)
    packed(tmp_path / "in.npy", tmp_path / "packed", dtype=name, packed=True)
    converted(tmp_path / "packed", tmp_path / "new.h5")
    expected = {"int4": [[1, 2, 3, -1], [0, -8, 7, 0]], "uint4": [[1, 2, 3, 15], [0, 8, 7, 0]]}
    with h5py.File(tmp_path / "new.h5") as file:
        assert file["arr_0"][...].tolist() == expected[name]


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("axis", [None, 0])
def test_quantised_tensors_come_with_their_scale(
    name: str, axis: int | None, tmp_path: Path
) -> None:
    skip_without(name)
    values = np.abs(RANDOM.normal(size=(3, 8))).astype(np.float32)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["maps"] = values
        file["maps"].attrs["layout"] = "NC"
    packed(tmp_path / "in.h5", tmp_path / "packed", quantize="fixed8", headroom_axis=axis)
    converted(tmp_path / "packed", tmp_path / "new", to=name)
    container = packed(tmp_path / "new", tmp_path / "again")
    with fmcompress.open(container) as file:
        words = file["maps"][...]
        if name == "npz":
            scale, zero = file["maps.scale"][...], file["maps.zero_point"][...]
        else:
            scale, zero = file["maps"].attrs["scale"], file["maps"].attrs["zero_point"]
            assert file["maps"].attrs["layout"] == "NC"
    assert words.dtype == np.int8
    assert int(zero) == 0
    scale = np.asarray(scale, np.float64)
    scale = scale.reshape(-1, 1) if axis == 0 else scale
    assert (np.abs(words * scale - values) <= scale * (1 + 1e-9)).all()


def test_dequantised_into_every_format(tmp_path: Path) -> None:
    values = RANDOM.normal(size=(3, 8)).astype(np.float32)
    np.save(tmp_path / "in.npy", values)
    packed(tmp_path / "in.npy", tmp_path / "packed", quantize="bfloat16")
    for name in ("npy", "npz", "hdf5", "safetensors", "onnx"):
        converted(tmp_path / "packed", tmp_path / "new", to=name, dequantize=True)
        [found] = layers_of(tmp_path / "new").values()
        errors = np.abs(np.frombuffer(found, "<f4").reshape(3, 8) - values)
        assert errors.max() <= np.abs(values).max() / 128


def test_nothing_to_dequantise(dump: Path, tmp_path: Path) -> None:
    container = packed(dump, tmp_path / "packed")
    with pytest.raises(ParameterError, match="no layer is quantised"):
        converted(container, tmp_path / "new", dequantize=True)


def test_a_layer_that_matches_nothing(dump: Path, tmp_path: Path) -> None:
    container = packed(dump, tmp_path / "packed")
    with pytest.raises(ParameterError, match="no layer matches"):
        converted(container, tmp_path / "new.npz", layers="nope")
    assert not (tmp_path / "new.npz").exists()


def test_damage_leaves_nothing(dump: Path, tmp_path: Path) -> None:
    data = bytearray(packed(dump, tmp_path / "packed").read_bytes())
    with fmcompress.open(tmp_path / "packed") as file:
        place = next(r.end - 1 for r in file.records if r.kind == 4)
    data[place] ^= 1
    (tmp_path / "packed").write_bytes(data)
    with pytest.raises(fmcompress.errors.DamagedError, match="block/"):
        converted(tmp_path / "packed", tmp_path / "new.npz")
    assert not (tmp_path / "new.npz").exists()


# --- Real dumps, in each format that can hold them ----------------------------------------


def small_dumps() -> list[str]:
    folder = SHARED / "dumps" / "small"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def plain_reader(path: Path) -> dict[str, bytes]:
    """Read a dump without the product."""
    if path.suffix == ".npy":
        return {"arr_0": bits(np.load(path))}
    if path.suffix == ".npz":
        return {name: bits(array) for name, array in np.load(path).items()}
    found: dict[str, bytes] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: bits(item[()])}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found


@pytest.mark.compiled
@pytest.mark.parametrize("format_", MANY)
@pytest.mark.parametrize("name", small_dumps())
def test_real_dumps_in_every_format(name: str, format_: str, tmp_path: Path) -> None:
    """Through a container to the format, and from that through another one back: the same bits."""
    skip_without(format_)
    source = SHARED / "dumps" / "small" / name
    expected = plain_reader(source)
    container = packed(source, tmp_path / "packed")
    converted(container, tmp_path / "new", to=format_)
    found = layers_of(tmp_path / "new")
    assert {key: found[key] for key in expected} == expected
    more = {key.rpartition(".")[2] for key in found.keys() - expected.keys()}
    assert more <= ({"scale", "zero_point"} if format_ == "npz" else set())


@pytest.mark.compiled
@pytest.mark.skipif(not SHARED.is_dir(), reason="no folder of further dumps beside the checkout")
@pytest.mark.parametrize("format_", SINGLE)
def test_a_real_layer_in_every_format(format_: str, tmp_path: Path) -> None:
    source = SHARED / "dumps" / "small" / "squeezenet_fire5_conv1x1_f32.npy"
    array = np.load(source)
    container = packed(source, tmp_path / "packed")
    converted(container, tmp_path / "new", to=format_)
    raw = {"dtype": "float32", "shape": array.shape}
    options: dict[str, Any] = {"raw": raw} if format_ == "raw" else {}
    [found] = layers_of(tmp_path / "new", **options).values()
    assert found == bits(array)


@pytest.mark.compiled
@pytest.mark.skipif(not SHARED.is_dir(), reason="no folder of further dumps beside the checkout")
@pytest.mark.parametrize("rounding", ["truncate", "nearest"])
def test_float16_streams_decode_to_the_same_bits(rounding: str, tmp_path: Path) -> None:
    """Unlike the authors' float16 figures, ours are lengths of streams that can be decoded."""
    source = SHARED / "dumps" / "small" / "squeezenet_f32.h5"
    container = packed(source, tmp_path / "packed", quantize="float16", rounding=rounding)
    converted(container, tmp_path / "new.h5")
    with h5py.File(source) as before, h5py.File(tmp_path / "new.h5") as after:
        for name in before:
            values = before[name][...]
            expected = values.astype(np.float16)
            if rounding == "truncate":
                over = np.abs(expected.astype(np.float64)) > np.abs(values.astype(np.float64))
                expected = (expected.view(np.uint16) - over).view(np.float16)
            assert bits(after[name][...]) == bits(expected)
    assert layers_of(tmp_path / "new.h5") == plain_reader(tmp_path / "new.h5")


def test_every_format_is_tested() -> None:
    assert {f.name for f in FORMATS if f.writes} == {*MANY, *SINGLE}
