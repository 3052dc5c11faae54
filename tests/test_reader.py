"""`fmcompress.open`: a mapping of layers, indexed as NumPy does, decoding only what is touched."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from harness import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

import fmcompress
from fmcompress.errors import FmcError, UnsupportedError
from fmcompress.reader import File

RANDOM = np.random.default_rng(4)
MAPS = RANDOM.poisson(0.8, (6, 7, 5, 4)).astype("int8") - 1
LINE = RANDOM.integers(-9, 9, 700).astype(">i2")
WIDE = RANDOM.integers(0, 1 << 32, (40, 13), "<u4")
FLOATS = RANDOM.standard_normal((5, 6))


def packed(source: bytes, **options: Any) -> bytes:
    target = io.BytesIO()
    fmcompress.compress(io.BytesIO(source), target, **options)
    return target.getvalue()


def npy(array: NDArray[Any], **options: Any) -> bytes:
    source = io.BytesIO()
    np.save(source, array)
    return packed(source.getvalue(), **options)


@pytest.fixture(scope="module")
def hdf5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coded and carried layers of every kind, in an order of their own."""
    path = tmp_path_factory.mktemp("reader") / "maps.h5"
    with h5py.File(path, "w", track_order=True) as file:
        file["zeta/maps"] = MAPS
        file["zeta/maps"].attrs.update(scale=0.5, zero_point=-1, layer="conv")
        file.create_dataset("line", data=LINE, chunks=(64,), compression="gzip")
        file["alpha"] = WIDE
        file["floats"] = FLOATS
        file.create_dataset("zipped", data=FLOATS, chunks=(2, 4), compression="gzip")
        file["floats"].attrs["unit"] = "volt"
        file["words"] = ["größer", "b"]
        file["fixed"] = np.array([b"ab", b"c"])
        file["scalar"] = np.int16(-7)
        file["text"] = "hello"
        file["null"] = h5py.Empty("f4")
        file["empty"] = np.zeros((0, 3), "u1")
        file["compound"] = np.array([(1, 2.5), (3, 4.5)], [("a", "i4"), ("b", "f8")])
        file["flags"] = MAPS > 0
        file.create_dataset("rows", (2,), h5py.vlen_dtype("i2"))[0] = [1, 2, 3]
        file.create_dataset("points", data=[file["line"].ref], dtype=h5py.ref_dtype)
        file.create_dataset("unallocated", (3, 4), "i2", fillvalue=5)
        kind = h5py.h5t.STD_I32LE.copy()
        kind.set_precision(24)
        kind.set_size(3)
        h5py.h5d.create(file.id, b"three bytes", kind, h5py.h5s.create_simple((4,)))
        for name, array in (("alpha", WIDE), ("line", LINE), ("floats", FLOATS)):
            layout = h5py.VirtualLayout((2, *array.shape), array.dtype)
            layout[0] = layout[1] = h5py.VirtualSource(".", name, shape=array.shape)
            file.create_virtual_dataset(f"virtual {name}", layout)
        file["soft"] = h5py.SoftLink("/line")
    fmcompress.compress(path, path.with_suffix(".bin"), chunk_words=100)
    return path


@pytest.fixture
def file(hdf5: Path) -> Iterator[File]:
    with fmcompress.open(hdf5.with_suffix(".bin")) as opened:
        yield opened


# --- A mapping ----------------------------------------------------------------------------

NAMES = [
    *("zeta/maps", "line", "alpha", "floats", "zipped", "words", "fixed", "scalar", "text"),
    *("null", "empty", "compound", "flags", "rows", "points", "unallocated", "three bytes"),
    *("virtual alpha", "virtual line", "virtual floats"),
]
# What h5py reads, and the reader with it.
PLAIN = [name for name in NAMES if name not in ("points", "three bytes") and "virtual" not in name]


def test_mapping(file: File) -> None:
    assert list(file) == list(file.keys()) == NAMES
    assert len(file) == len(NAMES)
    assert [name for name, _ in file.items()] == NAMES
    assert [layer.name for layer in file.values()] == NAMES
    assert "line" in file
    assert "zeta" not in file
    assert "/line" not in file
    with pytest.raises(KeyError, match="nothing"):
        file["nothing"]
    assert file.get("nothing") is None
    assert file["line"] is file["line"]


def test_representations(file: File) -> None:
    assert repr(file).startswith("<fmcompress file ")
    assert f"{len(NAMES)} layers" in repr(file)
    assert repr(file["line"]) == "<fmcompress layer 'line': shape (700,), type '>i2'>"


def test_properties_of_a_coded_layer(file: File) -> None:
    layer = file["zeta/maps"]
    assert (layer.shape, layer.ndim, layer.size) == (MAPS.shape, 4, MAPS.size)
    assert (layer.dtype, layer.nbytes, len(layer)) == (MAPS.dtype, MAPS.nbytes, 6)
    assert layer.carried == ""
    assert layer.words == {"format": "int8", "zero_point": -1, "zero_point_from": "attribute"}
    assert layer.codec["name"] == "ebpc"
    assert [chunk.words for chunk in layer.chunks] == [100] * 8 + [40]
    assert sum(chunk.zeros for chunk in layer.chunks) == np.count_nonzero(MAPS == -1)
    streams = sum(chunk.first_bytes + chunk.second_bytes for chunk in layer.chunks)
    assert layer.compressed_nbytes == streams < layer.nbytes
    assert file["line"].dtype == np.dtype(">i2")


def test_attributes(file: File) -> None:
    assert dict(file["zeta/maps"].attrs) == {"scale": 0.5, "zero_point": -1, "layer": "conv"}
    assert dict(file["floats"].attrs) == {"unit": "volt"}
    assert dict(file["line"].attrs) == {}


def test_a_description_cannot_be_changed_by_accident(file: File) -> None:
    file["line"].words.clear()
    file["line"].codec.clear()
    np.testing.assert_array_equal(file["line"], LINE)


@pytest.mark.parametrize("name", PLAIN)
def test_every_layer_reads_as_in_the_dump(name: str, file: File, hdf5: Path) -> None:
    with h5py.File(hdf5) as original:
        expected = original[name][()]
        assert file[name].shape == (original[name].shape or ())
    if isinstance(expected, h5py.Empty):
        assert file[name][...].item() == expected
        return
    actual = np.asarray(file[name])
    if actual.dtype.hasobject:
        assert actual.shape == np.shape(expected)
        for ours, theirs in zip(actual.flat, np.asarray(expected).flat, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    else:
        np.testing.assert_array_equal(actual, expected)
        assert actual.dtype == np.asarray(expected).dtype


def test_carried_layers(file: File) -> None:
    floats = file["floats"]
    assert floats.carried == "dtype has no word format"
    assert (floats.words, floats.codec, floats.chunks) == ({}, {}, ())
    assert floats.dtype == np.float64
    assert floats.nbytes == floats.compressed_nbytes == FLOATS.nbytes
    np.testing.assert_array_equal(floats[1:3, ::2], FLOATS[1:3, ::2])
    assert floats[2, 3] == FLOATS[2, 3]
    with pytest.raises(IndexError):
        floats[5]


@pytest.mark.parametrize("name", ["alpha", "line", "floats"])
def test_virtual_layers_are_read_right_or_refused(name: str, file: File, hdf5: Path) -> None:
    """The data that they are made of may not be in the template."""
    with h5py.File(hdf5) as original:
        expected = original[f"virtual {name}"][()]
    try:
        actual = np.asarray(file[f"virtual {name}"])
    except FmcError as error:
        assert "virtual" in str(error)  # noqa: PT017
    else:
        np.testing.assert_array_equal(actual, expected)


def test_a_type_without_dtype_is_no_crash(file: File) -> None:
    for name in ("words", "points", "three bytes"):
        with pytest.raises(UnsupportedError, match=name):
            file[name].dtype  # noqa: B018
    with pytest.raises(FmcError, match="three bytes"):
        file["three bytes"][...]


# --- Indexing -----------------------------------------------------------------------------

ARRAYS = {
    "C": MAPS,
    "F": np.asfortranarray(MAPS),
    "line": LINE,
    "wide": WIDE,
    "wide F": np.asfortranarray(WIDE),
    "ones": np.ones((1, 3, 1), "u1"),
}
CHUNK_WORDS = 11


@cache
def container_of(name: str) -> bytes:
    return npy(ARRAYS[name], chunk_words=CHUNK_WORDS)


def layer_of(name: str) -> Any:
    return fmcompress.open(io.BytesIO(container_of(name)))["arr_0"]


def assert_same_selection(layer: Any, array: NDArray[Any], key: Any) -> None:
    """Same values, shape and dtype; or the same error."""
    try:
        expected = array[key]
    except IndexError as error:
        with pytest.raises(IndexError) as caught:
            layer[key]
        assert type(caught.value) is type(error)  # noqa: PT017
        return
    actual = layer[key]
    assert np.shape(actual) == np.shape(expected)
    assert isinstance(actual, np.generic) or actual.dtype == array.dtype
    np.testing.assert_array_equal(actual, expected)


KEYS: dict[str, Any] = {
    "everything": ...,
    "nothing given": (),
    "all of it": slice(None),
    "integer": 3,
    "last": -1,
    "NumPy's integer": np.int64(2),
    "element": (1, 2, 3, 1),
    "element from behind": (-1, -2, -3, -1),
    "row": (slice(None), 2),
    "plane": (..., 2),
    "step": slice(None, None, 2),
    "back": slice(None, None, -1),
    "back, stepping": (slice(4, None, -2), slice(None, None, -3), ..., slice(None, None, -1)),
    "empty": slice(3, 3),
    "backwards empty": (slice(4, 1), 2),
    "out of range": (slice(-100, 100), slice(3, 100, 50)),
    "new axes": (None, 2, None, ..., None),
    "only a new axis": None,
    "list": [0, 2, 2, -1],
    "array": np.array([[0, 1], [5, 3]]),
    "unsigned array": np.array([3, 0], "u1"),
    "two arrays": ([0, 1, 5], [2, 2, 0]),
    "arrays apart": ([0, 1, 5], slice(None), [2, 2, 0]),
    "broadcast": (np.array([[0], [3]]), [1, 2]),
    "array and new axis": ([0, 1], None, slice(1, 3), ..., [1, 0]),
    "mask": MAPS > 0,
    "mask of an axis": np.arange(6) % 2 == 0,
    "mask and slice": (slice(1, 4), np.arange(7) % 3 == 1),
    "no element": np.zeros(6, bool),
    "no index": [],
    "true": True,
    "false": False,
    "NumPy's truth": np.True_,
    "nothing, with an array": (..., np.zeros(0, "i8")),
}
BAD_KEYS: dict[str, Any] = {
    "too large": 6,
    "too small": -7,
    "too many": (0, 0, 0, 0, 0),
    "array out of range": [0, 6],
    "no broadcast": ([0, 1], [0, 1, 2]),
    "float": 1.0,
    "float array": [1.5],
    "text": "maps",
    "two ellipses": (..., 0, ...),
    "mask of another size": np.ones(5, bool),
    "mask of other axes": np.ones((7, 6), bool),
}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("key", [*KEYS, *BAD_KEYS])
def test_keys(key: str, order: str) -> None:
    if key in BAD_KEYS:
        with pytest.raises(IndexError):
            MAPS[BAD_KEYS[key]]
    assert_same_selection(layer_of(order), ARRAYS[order], {**KEYS, **BAD_KEYS}[key])


@pytest.mark.parametrize("name", ARRAYS)
@given(st.data())
@examples(60)
def test_basic_keys(name: str, data: st.DataObject) -> None:
    array = ARRAYS[name]
    keys = hnp.basic_indices(array.shape, max_dims=6, allow_newaxis=True, allow_ellipsis=True)
    layer = layer_of(name)
    for _ in range(3):
        assert_same_selection(layer, array, data.draw(keys))


@pytest.mark.parametrize("name", ARRAYS)
@given(st.data())
@examples(40)
def test_advanced_keys(name: str, data: st.DataObject) -> None:
    """Arrays of integers, masks and slices, mixed as they come, errors and all."""
    array = ARRAYS[name]
    indices = hnp.arrays(
        np.int64, hnp.array_shapes(max_dims=2, max_side=4), elements=st.integers(-7, 6)
    )
    sides = st.sampled_from([*array.shape, 3])
    masks = sides.flatmap(lambda side: hnp.arrays(bool, side))
    part = st.one_of(indices, masks, st.slices(5), st.integers(-3, 2), st.sampled_from([None, ...]))
    key = data.draw(st.lists(part, min_size=1, max_size=array.ndim + 1).map(tuple))
    assert_same_selection(layer_of(name), array, key)


@given(hnp.arrays(bool, MAPS.shape))
@examples(20)
def test_masks_of_all_axes(mask: NDArray[np.bool_]) -> None:
    for order in ("C", "F"):
        assert_same_selection(layer_of(order), ARRAYS[order], mask)


@pytest.mark.parametrize("name", ARRAYS)
def test_as_array(name: str) -> None:
    array, layer = ARRAYS[name], layer_of(name)
    for taken in (np.asarray(layer), np.array(layer), layer[...], layer[()]):
        np.testing.assert_array_equal(taken, array)
        assert taken.dtype == array.dtype
        assert taken.flags.writeable
    as_float = np.asarray(layer, np.float64)
    assert as_float.dtype == np.float64
    np.testing.assert_array_equal(as_float, array)
    with pytest.raises(ValueError, match="copy"):
        np.asarray(layer, copy=False)
    np.testing.assert_array_equal([*layer], [*array])
    np.testing.assert_array_equal(np.concatenate([*layer.blocks()]), array.ravel("K"))
    assert (np.asarray(layer) - layer == 0).all()


def test_what_is_returned_is_the_callers_own() -> None:
    """Writing to a selection must not reach what the layer keeps."""
    for name in ("C", "F", "line"):
        layer = layer_of(name)
        for key in (slice(0, 1), slice(3, 4), ..., slice(None, None, 2), [0, 1]):
            taken = layer[key]
            taken[...] = 99
            np.testing.assert_array_equal(layer[key], ARRAYS[name][key])


# --- Only what is touched -----------------------------------------------------------------


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the chunks decoded since, in order."""
    numbers: list[int] = []
    original = File.read_chunk

    def counting(self: File, layer: int, number: int, decoder: Any) -> Any:
        numbers.append(number)
        return original(self, layer, number, decoder)

    monkeypatch.setattr(File, "read_chunk", counting)
    return numbers


def touched(array: NDArray[Any], key: Any, chunk_words: int) -> list[int]:
    places = np.arange(array.size).reshape(
        array.shape, order="F" if array.flags.f_contiguous and array.ndim > 1 else "C"
    )
    return [int(number) for number in np.unique(places[key] // chunk_words)]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("key", KEYS)
def test_only_chunks_touched_are_decoded(key: str, order: str, decoded: list[int]) -> None:
    array = ARRAYS[order]
    layer_of(order)[KEYS[key]]
    assert sorted(set(decoded)) == touched(array, KEYS[key], CHUNK_WORDS)


@pytest.mark.parametrize("order", ["C", "F"])
def test_each_chunk_is_decoded_once(order: str, decoded: list[int]) -> None:
    layer = layer_of(order)
    chunks = list(range(len(layer.chunks)))
    assert len(chunks) > 64
    for key in (..., slice(None, None, -1)):
        decoded.clear()
        layer_of(order)[key]
        assert sorted(decoded) == chunks
    decoded.clear()
    for _ in range(3):
        layer[0, 0, 0, 0]
    assert decoded == [0]


@pytest.mark.compiled
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("key", [..., np.s_[::-1], np.s_[:, ::2], np.s_[:, :, 3:40]], ids=str)
def test_large_selections_decode_each_chunk_once(order: Any, key: Any, decoded: list[int]) -> None:
    array = np.zeros((40, 50, 60, 20), "i1", order=order)
    array[:: 7 if order == "C" else 3, 1::5] = 3
    layer = fmcompress.open(io.BytesIO(npy(array)))["arr_0"]
    np.testing.assert_array_equal(layer[key], array[key])
    assert len(layer.chunks) == 37
    assert len(decoded) <= len(layer.chunks)


def test_iteration_decodes_each_chunk_once(decoded: list[int]) -> None:
    for order in ("C", "line", "wide"):
        decoded.clear()
        layer = layer_of(order)
        assert len([*layer]) == len(ARRAYS[order])
        assert sorted(decoded) == list(range(len(layer.chunks)))


class Counted(io.BytesIO):
    """A file that counts the bytes read from it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def test_bytes_read_are_few() -> None:
    noise = RANDOM.integers(0, 256, (100, 1000), "u1")
    container = npy(noise, chunk_words=1000)
    source = Counted(container)
    layer = fmcompress.open(source)["arr_0"]
    assert source.taken < len(container) / 25  # header, descriptions, index
    source.taken = 0
    np.testing.assert_array_equal(layer[50], noise[50])
    assert 1000 <= source.taken < 1100
    layer[50, ::-1]
    layer[:0]
    assert source.taken < 2200


# --- Sources ------------------------------------------------------------------------------


def test_sources(hdf5: Path) -> None:
    path = hdf5.with_suffix(".bin")
    with path.open("rb") as stream, fmcompress.open(stream) as file:
        np.testing.assert_array_equal(file["alpha"], WIDE)
        np.testing.assert_array_equal(file["floats"], FLOATS)
        assert file.name == str(path)
        file.close()
        assert not stream.closed  # who opened it closes it
    for source in (path, str(path), io.BytesIO(path.read_bytes())):
        with fmcompress.open(source) as file:
            np.testing.assert_array_equal(file["line"], LINE)
            np.testing.assert_array_equal(file["zipped"], FLOATS)
            assert file["zeta/maps"].attrs["layer"] == "conv"


def test_two_readers_of_one_file(hdf5: Path) -> None:
    path = hdf5.with_suffix(".bin")
    with fmcompress.open(path) as one, fmcompress.open(path) as other:
        for row in range(3):
            assert (one["alpha"][row] == other["alpha"][row]).all()
            assert (one["floats"][row] == other["floats"][row]).all()
        one.close()
        np.testing.assert_array_equal(other["floats"], FLOATS)


def test_closed(hdf5: Path) -> None:
    file = fmcompress.open(hdf5.with_suffix(".bin"))
    file["floats"][...]
    file.close()
    file.close()
    assert list(file) == NAMES  # the index was read when it was opened
    with pytest.raises(ValueError, match="closed"):
        file["line"][...]
    with pytest.raises(ValueError, match="closed"):
        file["floats"][...]


@pytest.mark.parametrize("read", ["file['line'][3]", "file['floats'][...]", "dict(layer.attrs)"])
@pytest.mark.parametrize("ending", ["", "raise SystemExit(0)", "del file"])
def test_a_file_left_open_at_the_end(read: str, ending: str, hdf5: Path) -> None:
    path = hdf5.with_suffix(".bin")
    lines = [
        "import fmcompress",
        f"file = fmcompress.open({str(path)!r})",
        "layer = file['zeta/maps']",
        read,
        ending,
    ]
    command = [sys.executable, "-W", "error", "-c", "\n".join(lines)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_layer_outlives_the_name_of_its_file(hdf5: Path) -> None:
    layer = fmcompress.open(hdf5.with_suffix(".bin"))["line"]
    np.testing.assert_array_equal(layer, LINE)
    assert math.prod(layer.shape) == layer.size
