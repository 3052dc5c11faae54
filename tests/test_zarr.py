"""Zarr stores: every file comes back, chunks through the codecs of their arrays."""

from __future__ import annotations

import builtins
import io
import json
import os
import tracemalloc
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import Part, assert_refused, chunk, container, dump, error_of, layers, row, template

import fmcompress
from fmcompress import dumps, targets
from fmcompress.dumps import TensorSpec, format_named, zarr_metadata, zarr_store
from fmcompress.dumps.zarr_metadata import ArrayInfo, parse_node
from fmcompress.errors import DamagedError, UnsupportedError

zarr = pytest.importorskip("zarr")
NEW = int(zarr.__version__.split(".")[0]) >= 3
VERSIONS = (2, 3) if NEW else (2,)
RANDOM = np.random.default_rng(12)


def maps(*shape: int, dtype: str = "i1") -> np.ndarray[Any, Any]:
    """Make feature maps: about half of them zeros."""
    return (RANDOM.integers(-20, 20, shape) * (RANDOM.random(shape) < 0.5)).astype(dtype)


def group_at(path: Path, version: int) -> Any:
    """Make a group."""
    return zarr.open_group(str(path), mode="w", **({"zarr_format": version} if NEW else {}))


def put(group: Any, name: str, data: Any, **options: Any) -> Any:
    """Make an array of some data."""
    data = np.asarray(data)
    create = group.create_array if NEW else group.create_dataset
    array = create(name, shape=data.shape, dtype=data.dtype, **options)
    array[...] = data
    return array


def files_in(root: Path) -> dict[str, bytes | None]:
    """Tell a folder: bytes by path; of a folder, None."""
    return {
        path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
    }


def timeless(files: dict[str, bytes | None]) -> dict[str, bytes | None]:
    """Take the times at which chunks were written out of their gzip headers."""
    return {
        name: data[:4] + bytes(4) + data[8:] if data and data[:3] == b"\x1f\x8b\x08" else data
        for name, data in files.items()
    }


def test_how_an_attribute_may_name_a_held_type(tmp_path: Path) -> None:
    """As in HDF5: by any of its names; what is no name means nothing."""
    root = group_at(tmp_path / "store", VERSIONS[-1])
    named = {"short": "bf16", "list": ["bfloat16"], "ragged": [[1], [2, 3]], "number": 5}
    for name, value in named.items():
        put(root, name, maps(4, 4, dtype="u2"), chunks=(4, 4)).attrs["dtype"] = value
    with dumps.open_dump(tmp_path / "store") as dump:
        found = {tensor.name: tensor.element_type for tensor in dump.tensors}
    assert found == {"short": "bfloat16", "list": "bfloat16", "ragged": "", "number": ""}


@pytest.fixture(params=VERSIONS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A store with arrays of several types and chunks, and other files."""
    path = tmp_path / f"store{request.param}"
    root = group_at(path, request.param)
    root.attrs["net"] = "tiny"
    block = root.create_group("block")
    block.attrs["depth"] = 2
    put(root, "conv1", maps(5, 8, 9), chunks=(2, 3, 9)).attrs["scale"] = 0.25
    put(block, "conv2", maps(7, 6, dtype="i2"), chunks=(2, 6))
    put(block, "float", maps(7, 6, dtype="f8"), chunks=(7, 6))
    put(block, "big", maps(7, 6, dtype=">i4"), chunks=(7, 6))
    put(root, "held", maps(4, 4, dtype="u2"), chunks=(3, 3)).attrs["dtype"] = "bfloat16"
    put(root, "not held", maps(4, 4, dtype="u1"), chunks=(4, 4)).attrs["dtype"] = "bfloat16"
    part = put(root, "part", np.full((10, 4), 3, np.uint8), chunks=(2, 2), fill_value=3)
    part[0:2, 0:2] = 7
    part[4:5] = 9
    (path / "README").write_text("what this is")
    (path / "nothing here").mkdir()
    (path / "block" / "empty").touch()
    return path


def there_and_back(path: Path, **options: Any) -> Path:
    """Compress a store, verify that, decompress it beside; return the new one."""
    packed, back = path.with_name("packed"), path.with_name("back")
    fmcompress.compress(path, packed, **options)
    assert fmcompress.verify(packed).damages == []
    fmcompress.decompress(packed, back)
    return back


def test_links_are_said(tmp_path: Path) -> None:
    put(group_at(tmp_path / "store", 2), "a", maps(4, 4), chunks=(4, 4))
    (tmp_path / "notes").touch()
    (tmp_path / "store" / "link").symlink_to(tmp_path / "notes")
    notes = fmcompress.compress(tmp_path / "store", tmp_path / "packed").notes
    assert notes == ["symbolic links are packed as the files that they lead to: 1"]


# --- There and back -----------------------------------------------------------------------


def test_a_store_comes_back_whole(store: Path) -> None:
    before = files_in(store)
    back = there_and_back(store)
    assert files_in(back) == before == files_in(store)
    with fmcompress.open(store.with_name("packed")) as file:
        whole = zarr.open_group(str(store), mode="r")
        names = ["block/big", "block/conv2", "block/float", "conv1", "held", "not held", "part"]
        assert [*file] == names
        assert [name for name in file if file[name].carried] == ["block/float"]
        for name, layer in file.items():
            assert (layer[...] == whole[name][...]).all()
            assert dict(layer.attrs) == dict(whole[name].attrs)


def test_a_store_in_a_folder(store: Path, tmp_path: Path) -> None:
    root = tmp_path / "maps"
    (root / "run1").mkdir(parents=True)
    store.rename(root / "run1" / "net.zarr")
    np.save(root / "run1" / "net.npy", maps(4, 4))
    np.save(root / "run1" / "net.zarr-b.npy", maps(4, 4))
    before = files_in(root)
    assert files_in(there_and_back(root)) == before
    with fmcompress.open(tmp_path / "packed") as file:
        assert "run1/net.zarr/block/conv2" in file
        assert dict(file["run1/net.zarr/conv1"].attrs) == {"scale": 0.25}
        assert file["run1/net.zarr/block/float"].shape == (7, 6)
        entries = file.contents.dump["files"]
    assert [entry["path"] for entry in entries] == [
        *("run1/net.npy", "run1/net.zarr", "run1/net.zarr-b.npy")
    ]
    with dumps.open_dump(root) as dump:
        assert dump.groups["run1/net.zarr"]["net"] == "tiny"
        assert dump.groups["run1/net.zarr/block"]["depth"] == 2
    fmcompress.decompress(tmp_path / "packed", tmp_path / "part", layers="*/conv2")
    names = [name for name, data in files_in(tmp_path / "part").items() if data is not None]
    assert all(name.startswith("run1/net.zarr/") for name in names)
    ours = zarr.open_group(str(tmp_path / "part" / "run1" / "net.zarr"), mode="r")
    theirs = zarr.open_group(str(root / "run1" / "net.zarr"), mode="r")
    assert (ours["block/conv2"][...] == theirs["block/conv2"][...]).all()
    assert [*ours["block"]] == ["conv2"]


def test_a_store_is_all_that_a_folder_holds(store: Path, tmp_path: Path) -> None:
    fmcompress.compress(store, tmp_path / "packed", layers="nothing") if False else None
    root = tmp_path / "maps"
    root.mkdir()
    store.rename(root / "net.zarr")
    before = files_in(root)
    assert files_in(there_and_back(root, layers="*/block/float")) == before  # all is carried


def test_what_the_dump_says(store: Path) -> None:
    with dumps.open_dump(store) as dump:
        assert (dump.format, dump.path) == ("zarr", store)
        tensors = {tensor.name: tensor for tensor in dump.tensors}
        assert {path: dict(attributes) for path, attributes in dump.groups.items()} == {
            "": {"net": "tiny"},
            "block": {"depth": 2},
        }
        assert dump.nbytes == sum(len(data) for data in files_in(store).values() if data)
        for tensor in tensors.values():
            tensor.check()
            assert {block.dtype for block in tensor.blocks()} == {tensor.dtype}
            blocks = np.concatenate([*tensor.blocks()])
            assert (blocks.reshape(tensor.shape) == tensor.read()).all()
            assert sum(size for _, size in tensor.holes()) == tensor.stored_bytes > 0
    held = tensors["held"]
    assert (held.element_type, held.label, held.dtype) == ("bfloat16", "bfloat16", np.dtype("u2"))
    assert (tensors["not held"].element_type, tensors["not held"].label) == ("", "uint8")
    assert tensors["conv1"].place["chunks"] == [2, 3, 9]
    assert (tensors["conv1"].attributes["scale"], len(tensors["conv1"].attributes)) == (0.25, 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_array_without_a_group(version: int, tmp_path: Path) -> None:
    path = tmp_path / "array"
    options = {"zarr_format": version} if NEW else {}
    array = zarr.open_array(
        store=str(path), mode="w", shape=(6, 6), chunks=(4, 4), dtype="i1", **options
    )
    array[...] = maps(6, 6)
    array.attrs["scale"] = 2
    assert files_in(there_and_back(path)) == files_in(path)
    with fmcompress.open(tmp_path / "packed") as file:
        assert [*file] == ["arr_0"]
        assert dict(file["arr_0"].attrs) == {"scale": 2}
        assert (file["arr_0"][...] == array[...]).all()
    fmcompress.decompress(tmp_path / "packed", tmp_path / "part", layers="arr_0")
    assert files_in(tmp_path / "part") == files_in(path)


def test_picked_layers_only(store: Path, tmp_path: Path) -> None:
    if NEW:
        with warnings.catch_warnings():  # about files that are no part of it
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(str(store), zarr_format=int(store.name[-1]))
    fmcompress.compress(store, tmp_path / "packed")
    for patterns, groups in ((["block/*"], ["block"]), (["part", "block/float"], ["block"])):
        back = tmp_path / "back"
        fmcompress.decompress(tmp_path / "packed", back, layers=patterns)
        ours = zarr.open_group(str(back), mode="r")
        theirs = zarr.open_group(str(store), mode="r")
        with fmcompress.open(tmp_path / "packed") as file:
            kept = [n for n in file if n in patterns or n.split("/")[0] + "/*" in patterns]
        assert sorted(kept) == sorted(
            [*ours.array_keys(), *(f"block/{name}" for name in ours["block"].array_keys())]
        )
        assert [*ours.group_keys()] == groups
        for name in kept:
            assert (ours[name][...] == theirs[name][...]).all()
        assert dict(ours.attrs) == {"net": "tiny"}
        assert not [*back.glob("**/README"), *back.glob("not*")]


CODECS_2 = [
    {"compressor": None},
    {"compressor": {"id": "zlib", "level": 1}},
    {"compressor": {"id": "gzip", "level": 5}},
    {"compressor": {"id": "bz2", "level": 1}},
    {"compressor": {"id": "zstd", "level": 3}},
    {"compressor": {"id": "lz4", "acceleration": 1}},
    {"compressor": {"id": "lzma", "format": 1, "check": -1, "preset": None, "filters": None}},
    {"compressor": None, "order": "F"},
    {"compressor": None, "filters": [{"id": "delta", "dtype": "<i2"}], "dimension_separator": "/"},
    {"compressor": {"id": "zstd", "level": 1}, "filters": [{"id": "shuffle", "elementsize": 2}]},
    {"compressor": None, "filters": [{"id": "crc32"}]},
]


@pytest.mark.parametrize("codec", CODECS_2, ids=str)
def test_codecs_of_version_2(codec: dict[str, Any], tmp_path: Path) -> None:
    """The metadata is written by hand: no library offers to write all of it."""
    path = tmp_path / "array"
    path.mkdir()
    document = {
        "zarr_format": 2,
        "shape": [7, 5],
        "chunks": [3, 4],
        "dtype": "<i2",
        "fill_value": 1,
        "order": "C",
        "filters": None,
        **codec,
    }
    (path / ".zarray").write_text(json.dumps(document))
    array = zarr.open_array(store=str(path), mode="r+")
    data = maps(7, 5, dtype="i2")
    array[...] = data
    assert len(files_in(path)) > 6
    back = files_in(there_and_back(path))
    assert back == timeless(back) == timeless(files_in(path))
    with fmcompress.open(tmp_path / "packed") as file:
        assert not file["arr_0"].carried
        assert (file["arr_0"][...] == data).all()


@pytest.mark.skipif(not NEW, reason="this zarr knows no version 3")
@pytest.mark.parametrize(
    "codec", ["none", "big", "gzip", "blosc", "crc32c", "transpose", "v2 keys"]
)
def test_codecs_of_version_3(codec: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "none": {"compressors": None},
        "big": {"compressors": None, "serializer": zarr.codecs.BytesCodec(endian="big")},
        "gzip": {"compressors": zarr.codecs.GzipCodec()},
        "blosc": {"compressors": zarr.codecs.BloscCodec(cname="zlib", shuffle="bitshuffle")},
        "crc32c": {"compressors": [zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()]},
        "transpose": {"filters": zarr.codecs.TransposeCodec(order=(1, 0))},
        "v2 keys": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    }[codec]
    path = tmp_path / "store"
    data = maps(7, 5, dtype="i2")
    put(group_at(path, 3), "a", data, chunks=(3, 4), **options)
    before = files_in(path)
    assert len(before) > 6
    back = files_in(there_and_back(path))
    assert back == timeless(back) == timeless(before)
    with fmcompress.open(tmp_path / "packed") as file:
        assert not file["a"].carried
        assert file["a"].dtype == np.dtype(">i2" if codec == "big" else "<i2")
        assert (file["a"][...] == data).all()


# --- Rows larger than memory ------------------------------------------------------------------


def test_rows_of_chunks_that_go_through_a_file(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zarr_store, "MOST_ROW_BYTES", 10)
    assert files_in(there_and_back(store)) == files_in(store)
    with dumps.open_dump(store) as dump:
        for tensor in dump.tensors:
            assert (np.concatenate([*tensor.blocks()]) == tensor.read().reshape(-1)).all()


@pytest.mark.compiled
def test_memory_does_not_grow_with_the_data(tmp_path: Path) -> None:
    path = tmp_path / "store"
    root = group_at(path, VERSIONS[-1])
    put(root, "wide", np.tile(maps(1 << 20), 136).reshape(136, 1 << 20), chunks=(136, 1 << 14))
    peaks = []
    for action in (
        partial(fmcompress.compress, path, tmp_path / "packed"),
        partial(fmcompress.decompress, tmp_path / "packed", tmp_path / "back"),
    ):
        tracemalloc.start()
        action()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert files_in(tmp_path / "back") == files_in(path)
    assert max(peaks) < 110 << 20, peaks


# --- What cannot be coded ---------------------------------------------------------------------

PLAIN_2 = {
    "zarr_format": 2,
    "shape": [4],
    "chunks": [2],
    "dtype": "|i1",
    "fill_value": 0,
    "order": "C",
    "filters": None,
    "compressor": None,
}
PLAIN_3 = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [4],
    "data_type": "int8",
    "fill_value": 0,
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "codecs": [{"name": "bytes"}],
}
_SHARDS = {"codecs": [{"name": "bytes"}], "index_codecs": [{"name": "crc32c"}], "chunk_shape": [1]}
_OPEN_SHARDS = {
    **_SHARDS,
    "codecs": [{"name": "bytes"}, {"name": "blosc"}],
    "index_location": "start",
}
CARRIED: dict[str, tuple[int, dict[str, Any], str]] = {
    "pickled": (2, {"dtype": "|O", "filters": [{"id": "pickle"}]}, "no plain NumPy dtype"),
    "pickle": (2, {"filters": [{"id": "pickle"}]}, "codec 'pickle'"),
    "compressor": (2, {"compressor": {"id": "zfpy"}}, "codec 'zfpy'"),
    "lossy": (2, {"filters": [{"id": "quantize", "digits": 1}]}, "codec 'quantize'"),
    "objects": (2, {"filters": [{"id": "delta", "dtype": "|O"}]}, "dtype of its own"),
    "large lzma": (2, {"compressor": {"id": "lzma", "preset": 9}}, "settings of its own"),
    "strings": (2, {"dtype": "<U4"}, "no plain NumPy dtype"),
    "compound": (2, {"dtype": [["a", "<i2"]]}, "no plain NumPy dtype"),
    "scalar": (2, {"shape": [], "chunks": []}, "scalar or empty"),
    "empty": (2, {"shape": [0]}, "scalar or empty"),
    "large chunks": (2, {"chunks": [1 << 31]}, "larger than"),
    "far larger chunks": (2, {"chunks": [1 << 28]}, "far larger"),
    "unwritten": (2, {"shape": [1 << 60], "chunks": [1 << 20]}, "mostly unwritten"),
    "many unwritten": (2, {"shape": [1 << 30], "chunks": [1]}, "mostly unwritten"),
    "sharded": (3, {"codecs": [{"name": "sharding_indexed", "configuration": _SHARDS}]}, "sharded"),
    "open shards": (
        3,
        {"codecs": [{"name": "sharding_indexed", "configuration": _OPEN_SHARDS}]},
        "unguarded shards",
    ),
    "blosc within": (
        3,
        {"codecs": [{"name": name} for name in ("bytes", "blosc", "gzip")]},
        "codec 'blosc' within codec 'gzip'",
    ),
    "zstd behind": (
        3,
        {"codecs": [{"name": name} for name in ("bytes", "gzip", "zstd")]},
        "codec 'zstd' behind codec 'gzip'",
    ),
    "codec": (3, {"codecs": [{"name": "bytes"}, {"name": "new"}]}, "codec 'new'"),
    "bfloat16": (3, {"data_type": "bfloat16"}, "no plain NumPy dtype"),
    "type with settings": (3, {"data_type": {"name": "datetime"}}, "no plain NumPy dtype"),
    "grid": (3, {"chunk_grid": {"name": "rectilinear", "configuration": {}}}, "chunk grid"),
    "keys": (3, {"chunk_key_encoding": {"name": "hashed"}}, "chunk key encoding"),
    "transformers": (3, {"storage_transformers": [{"name": "x"}]}, "storage transformers"),
}


def by_hand(path: Path, version: int, changes: dict[str, Any]) -> None:
    """Write an array of two chunks whose metadata says what it likes."""
    plain, name = (PLAIN_2, ".zarray") if version == 2 else (PLAIN_3, "zarr.json")
    (path / "a" / "c").mkdir(parents=True)
    (path / "a" / name).write_text(json.dumps({**plain, **changes}))
    group = {"zarr_format": version, **({"node_type": "group"} if version == 3 else {})}
    (path / (".zgroup" if version == 2 else "zarr.json")).write_text(json.dumps(group))
    for key, data in ((0, b"\1\2"), (1, b"\0\3")):
        (path / "a" / (str(key) if version == 2 else f"c/{key}")).write_bytes(data)


BLOSC = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}
ZSTD = {"id": "zstd", "level": 1}
LZ4 = {"id": "lz4", "acceleration": 1}
DELTA = {"id": "delta", "dtype": "<i2", "astype": "<i4"}


def two_chunks(path: Path, version: int, **changes: Any) -> Any:
    """Make an array of two chunks of noise, which Blosc copies as they are; return its elements."""
    by_hand(path, version, {})
    for key in "01":
        (path / "a" / (key if version == 2 else f"c/{key}")).unlink()
    by = {"shape": [4096], **changes}
    if version == 2:
        by |= {"dtype": "<i2", "chunks": [2048]}
    else:
        by |= {
            "data_type": "int16",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2048]}},
        }
    document = {**(PLAIN_2 if version == 2 else PLAIN_3), **by}
    (path / "a" / (".zarray" if version == 2 else "zarr.json")).write_text(json.dumps(document))
    data = RANDOM.integers(-(1 << 15), 1 << 15, 4096).astype("<i2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.open_array(store=str(path / "a"), mode="r+")[...] = data
    return data


def settings_3(*codecs: str) -> dict[str, Any]:
    """Tell codecs of version 3."""
    known = {
        "blosc": {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": 2, "blocksize": 0},
        "bytes": {"endian": "little"},
        "gzip": {"level": 1},
    }
    return {"codecs": [{"name": name, "configuration": known.get(name, {})} for name in codecs]}


@pytest.mark.parametrize("version", [2, 3])
def test_the_carried_ones_differ_from_a_plain_one(version: int, tmp_path: Path) -> None:
    if version in VERSIONS:
        by_hand(tmp_path / "store", version, {})
        assert files_in(there_and_back(tmp_path / "store")) == files_in(tmp_path / "store")
        with fmcompress.open(tmp_path / "packed") as file:
            assert file["a"][...].tolist() == [1, 2, 0, 3]
            assert not file["a"].carried


@pytest.mark.parametrize("name", CARRIED)
def test_carried(name: str, tmp_path: Path) -> None:
    version, changes, reason = CARRIED[name]
    by_hand(tmp_path / "store", version, changes)
    assert files_in(there_and_back(tmp_path / "store")) == files_in(tmp_path / "store")
    with fmcompress.open(tmp_path / "packed") as file:
        assert reason in file["a"].carried
        if name not in ("scalar", "empty", "sharded", "far larger chunks"):
            with pytest.raises(UnsupportedError):
                file["a"][...]
        assert dict(file["a"].attrs) == {}


@pytest.mark.parametrize(
    "codec",
    [
        {**BLOSC, "clevel": None},
        {**BLOSC, "cname": "none"},
        {**BLOSC, "clevel": 1 << 40},
        {"id": "zlib", "level": 99},
    ],
    ids=str,
)
def test_codecs_that_decode_but_cannot_encode(codec: dict[str, Any], tmp_path: Path) -> None:
    """What nobody could restore is carried."""
    good = BLOSC if codec["id"] == "blosc" else {"id": "zlib", "level": 1}
    data = two_chunks(tmp_path / "store", 2, compressor=good)
    path = tmp_path / "store" / "a" / ".zarray"
    path.write_text(json.dumps({**json.loads(path.read_text()), "compressor": codec}))
    assert files_in(there_and_back(tmp_path / "store")) == files_in(tmp_path / "store")
    with fmcompress.open(tmp_path / "packed") as file:
        assert "zarr library cannot" in file["a"].carried
        assert (file["a"][...] == data).all()


@pytest.mark.skipif(not NEW, reason="this zarr knows no version 3")
def test_a_codec_of_version_3_that_is_not_set_up(tmp_path: Path) -> None:
    two_chunks(tmp_path / "store", 3, **settings_3("bytes", "blosc"))
    path = tmp_path / "store" / "a" / "zarr.json"
    path.write_text(path.read_text().replace('"lz4"', '"none"'))
    assert files_in(there_and_back(tmp_path / "store")) == files_in(tmp_path / "store")
    with fmcompress.open(tmp_path / "packed") as file:
        assert "zarr library cannot" in file["a"].carried


def test_codecs_are_tried_on_a_chunk_that_fits_them(tmp_path: Path) -> None:
    shuffle = [{"id": "shuffle", "elementsize": 1024}]
    data = two_chunks(tmp_path / "store", 2, filters=shuffle)
    there_and_back(tmp_path / "store")
    with fmcompress.open(tmp_path / "packed") as file:
        assert not file["a"].carried
        assert (file["a"][...] == data).all()


@pytest.mark.skipif(not NEW, reason="this zarr knows no version 3")
def test_a_sharded_array_is_carried_and_read(tmp_path: Path) -> None:
    data = maps(8, 8)
    put(group_at(tmp_path / "store", 3), "a", data, chunks=(2, 2), shards=(4, 4))
    assert files_in(there_and_back(tmp_path / "store")) == files_in(tmp_path / "store")
    with fmcompress.open(tmp_path / "packed") as file:
        assert file["a"].carried == "sharded"
        assert (file["a"][...] == data).all()


def test_a_chunk_that_is_too_large(tmp_path: Path) -> None:
    by_hand(tmp_path / "store", 2, {"compressor": {"id": "zlib", "level": 1}})
    (tmp_path / "store" / "a" / "1").write_bytes(b"\0" * (1 << 17))
    assert files_in(there_and_back(tmp_path / "store")) == files_in(tmp_path / "store")


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_hand(tmp_path / "store", 2, {})
    fmcompress.compress(tmp_path / "store", tmp_path / "good")
    real = builtins.__import__

    def broken(name: str, *arguments: Any, **options: Any) -> Any:
        if name.split(".")[0] == "zarr":
            raise RuntimeError("NumPy's version does not fit")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", broken)
    for action in (
        lambda: fmcompress.compress(tmp_path / "store", tmp_path / "packed"),
        lambda: fmcompress.decompress(tmp_path / "good", tmp_path / "back"),
    ):
        error = error_of(action)
        assert isinstance(error, UnsupportedError)
        assert error.hint == "pip install fmcompress[zarr]"
        assert error.layer == "a"
    assert {path.name for path in tmp_path.iterdir()} == {"store", "good"}
    with fmcompress.open(tmp_path / "good") as file:
        assert file["a"][...].tolist() == [1, 2, 0, 3]
    with dumps.open_dump(tmp_path / "store") as dump:
        assert [tensor.name for tensor in dump.tensors] == ["a"]


# --- Damage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [2, 3])
def test_metadata_that_cannot_be_understood(version: int) -> None:
    plain, name = (PLAIN_2, ".zarray") if version == 2 else (PLAIN_3, "zarr.json")
    text = json.dumps(plain).encode()
    assert isinstance(parse_node(name, text), ArrayInfo)
    for length in range(len(text)):
        assert isinstance(error_of(partial(parse_node, name, text[:length])), DamagedError)
    for key in plain:
        for value in (None, 7, -1, "x", [], {}, [None], {"name": "x"}, [{"id": []}], [-1], 1e9):
            document = json.dumps({**plain, key: value}).encode()
            error = error_of(partial(parse_node, name, document))
            assert error is None or isinstance(error, DamagedError | UnsupportedError)
        rest = {other: value for other, value in plain.items() if other != key}
        error_of(partial(parse_node, name, json.dumps(rest).encode()))
    for change in ({"shape": [4] * 65, "chunks": [1] * 65}, {"zarr_format": 4}):
        document = json.dumps({**plain, **change}).encode()
        assert isinstance(error_of(partial(parse_node, name, document)), UnsupportedError)
    assert parse_node(".zgroup", b'{"zarr_format": 2}') is None


def test_chunk_names() -> None:
    info = parse_node(
        ".zarray", json.dumps({**PLAIN_2, "shape": [9, 4], "chunks": [2, 4]}).encode()
    )
    assert info is not None
    assert info.grid == (5, 1)
    assert (info.key((4, 0)), info.numbers("4.0")) == ("4.0", (4, 0))
    for key in ("5.0", "4.1", "04.0", "4", "4.0.0", "4/0", "c.4.0", "-1.0", ".0", "٤.0", "4.0 "):
        assert info.numbers(key) is None, key
    info = parse_node("zarr.json", json.dumps(PLAIN_3).encode())
    assert info is not None
    assert (info.key((1,)), info.numbers("c/1"), info.numbers("1")) == ("c/1", (1,), None)


def test_damaged_stores(tmp_path: Path) -> None:
    path = tmp_path / "store"
    by_hand(path, 2, {"compressor": {"id": "zlib", "level": 1}})
    error = error_of(lambda: fmcompress.compress(path, tmp_path / "packed"))
    assert isinstance(error, DamagedError)  # its chunks are not zlib's
    assert error.layer == "a"
    (path / "a" / ".zattrs").write_text("[]")
    error = error_of(lambda: fmcompress.compress(path, tmp_path / "packed"))
    assert isinstance(error, DamagedError)
    (path / "a" / ".zarray").write_text('{"zarr_format": 2}')
    error = error_of(lambda: fmcompress.compress(path, tmp_path / "packed"))
    assert isinstance(error, DamagedError)
    assert error.layer == "a"
    assert [entry.name for entry in tmp_path.iterdir()] == ["store"]


META = json.dumps(PLAIN_2).encode()
FILES = [
    {"path": ".zarray", "bytes": len(META)},
    {"path": "0", "bytes": 2},
    {"path": "1", "bytes": 2},
]


CHECKED = {
    "blosc": (2, {"compressor": BLOSC}),
    "blosc of wider": (2, {"compressor": BLOSC, "filters": [DELTA, {"id": "crc32"}]}),
    "lz4": (2, {"compressor": LZ4}),
    "zstd": (2, {"compressor": ZSTD}),
    "blosc 3": (3, settings_3("bytes", "blosc")),
    "blosc with a checksum": (3, settings_3("bytes", "crc32c", "blosc", "crc32c")),
    "lz4 3": (3, settings_3("bytes", "numcodecs.lz4")),
}


@pytest.mark.parametrize("name", CHECKED)
def test_chunks_that_are_cut_or_lie(name: str, tmp_path: Path) -> None:
    """Blosc reads behind the end of what was cut, and believes its header."""
    version, changes = CHECKED[name]
    if version not in VERSIONS:
        pytest.skip("this zarr knows no version 3")
    data = two_chunks(tmp_path / "store", version, **changes)
    there_and_back(tmp_path / "store")
    with fmcompress.open(tmp_path / "packed") as file:
        assert not file["a"].carried
        assert (file["a"][...] == data).all()
    key = "1" if version == 2 else "c/1"
    chunk_file = tmp_path / "store" / "a" / key
    whole = chunk_file.read_bytes()
    bad = [whole[: len(whole) // 2], whole[:7], b"", whole + b"\0"]
    if "blosc" in name:
        assert whole[2] & 2, "it is not copied"
        for at in (4, 5, 7, 12, 15):
            bad.append(whole[:at] + bytes([whole[at] ^ 64]) + whole[at + 1 :])
    else:
        at = 0 if "lz4" in name else 6
        bad.append(whole[:at] + b"\xff\xff\xff\x7f" + whole[at + 4 :])
    for number, content in enumerate(bad):
        if content == whole + b"\0" and "blosc" not in name:
            continue
        chunk_file.write_bytes(content)
        error = error_of(partial(fmcompress.compress, tmp_path / "store", tmp_path / "bad"))
        assert isinstance(error, DamagedError), number
        assert error.layer == "a"
        assert repr(key) in error.cause or "blosc" not in name
        with dumps.open_dump(tmp_path / "store") as dump, pytest.raises(DamagedError):
            dump.tensors[0].read()


@pytest.mark.parametrize("size", [None, 100, 300, 1 << 17])
def test_sizes_that_zstandard_frames_say(size: int | None) -> None:
    from numcodecs.zstd import Zstd

    from fmcompress.dumps.zarr_packing import Packing

    if size is None:
        frame = bytes.fromhex("28b52ffd0058000000")  # it says none: its decoder counts
        Packing("zstd", 0, 0).check(frame, "0")
        Packing("zstd", 0, 0).check(b"none", "0")
        return
    frame = Zstd(1).encode(bytes(size))
    Packing("zstd", 0, size).check(frame, "0")
    with pytest.raises(DamagedError):
        Packing("zstd", 0, size - 1).check(frame, "0")


def hostile(
    *parts: Part,
    files: list[dict[str, Any]] | None = None,
    meta: bytes = META,
    place: dict[str, Any] | None = None,
    **more: Any,
) -> bytes:
    """Make a container of an array of two chunks."""
    files = files or [{**FILES[0], "bytes": len(meta)}, *FILES[1:]]
    layer = {
        "name": "arr_0",
        "place": {"array": "", "bytes": 4, "chunks": [2], **(place or {})},
        **more,
    }
    parts = parts or (template((0, meta)), layers(row(**layer)), chunk([1, 2, 0, 3]))
    return container(dump(sum(file["bytes"] for file in files), "zarr", files=files), *parts)


def test_the_hostile_ones_differ_from_a_good_one(tmp_path: Path) -> None:
    fmcompress.decompress(io.BytesIO(hostile()), tmp_path / "back")
    assert files_in(tmp_path / "back") == {".zarray": META, "0": b"\1\2", "1": b"\0\3"}


def changed(**changes: Any) -> bytes:
    """Make metadata that says something else."""
    return json.dumps({**PLAIN_2, **changes}).encode()


HOSTILE = {
    "other array": hostile(place={"array": "b"}),
    "no array": hostile(place={"array": None}),
    "fewer bytes": hostile(place={"bytes": 3}),
    "no bytes": hostile(place={"bytes": None}),
    "another key": hostile(place={"file": 0}),
    "other name": hostile(name="arr_1"),
    "other shape": hostile(meta=changed(shape=[5])),
    "other type": hostile(meta=changed(dtype="|u1")),
    "no metadata": hostile(meta=b"[]"),
    "metadata missing": hostile(template((len(META), b"1234")), layers(row("arr_0"))),
    "pickle": hostile(meta=changed(filters=[{"id": "pickle"}])),
    "unwritten": hostile(meta=changed(shape=[1 << 62]), shape=[1 << 62]),
    "large chunks": hostile(meta=changed(chunks=[1 << 28])),
    "a file that is no chunk": hostile(files=[{**FILES[0]}, FILES[1], {**FILES[2], "path": "2"}]),
    "a dump within": hostile(files=[{**FILES[0], "format": "npy"}, *FILES[1:]]),
    "half a chunk in the template": hostile(
        template((0, META), (len(META) + 3, b"x")),
        layers(row("arr_0", place={"array": "", "bytes": 3, "chunks": [2]})),
        chunk([1, 2, 0, 3]),
    ),
    "half a chunk in the template, behind which nothing comes": hostile(
        template((0, META), (len(META), b"x")),
        layers(row("arr_0", place={"array": "", "bytes": 3, "chunks": [2]})),
        chunk([1, 2, 0, 3]),
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str, tmp_path: Path) -> None:
    found_by_decompress_alone = name not in (
        *("fewer bytes", "no bytes", "another key", "a dump within"),
        *("half a chunk in the template", "metadata missing"),
        "half a chunk in the template, behind which nothing comes",
    )
    assert_refused(HOSTILE[name], tmp_path, verified=found_by_decompress_alone)


def test_every_cut_and_flip_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "_PAUSES", ())  # no other thread writes into the folder
    data = hostile()
    cut = [data[:length] for length in range(len(data))]
    flipped = [data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :] for at in range(len(data))]
    for bad in cut + flipped:
        assert error_of(partial(fmcompress.decompress, io.BytesIO(bad), tmp_path / "back"))
    assert files_in(tmp_path) == {}


def test_hostile_attributes(tmp_path: Path) -> None:
    files = [{"path": ".zarray", "bytes": len(META)}, {"path": ".zattrs", "bytes": 6}, *FILES[1:]]
    for text in (b"[" * 6, b'"text"', b"123456"):
        data = hostile(
            template((0, META), (len(META), text)),
            layers(row("arr_0", place={"array": "", "bytes": 4, "chunks": [2]})),
            chunk([1, 2, 0, 3]),
            files=files,
        )
        with fmcompress.open(io.BytesIO(data)) as file, pytest.raises(DamagedError):
            dict(file["arr_0"].attrs)


def test_a_store_with_large_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_hand(tmp_path / "store", 2, {})
    monkeypatch.setattr(zarr_store, "MAX_METADATA_BYTES", 50)
    with pytest.raises(UnsupportedError, match="too many"):
        dumps.open_dump(tmp_path / "store")
    assert zarr_metadata.MAX_METADATA_BYTES > 1 << 20


# --- New stores -------------------------------------------------------------------------------


def write(path: Path, tensors: dict[TensorSpec, Any], groups: Any = None) -> list[str]:
    """Write a new store; return what was lost."""
    path.mkdir()
    specs = [*tensors]
    writer = format_named("zarr").writer(path, specs, groups or {})
    for spec, data in tensors.items():
        writer.begin(spec)
        flat = np.asarray(data, spec.dtype).reshape(-1)
        for start in range(0, flat.size, 100_003):
            writer.write(flat[start : start + 100_003])
        writer.end()
    writer.finish()
    writer.close()
    writer.close()
    return writer.lost


class Spec(TensorSpec):
    """A specification that can be a key."""

    __hash__ = object.__hash__  # type: ignore[assignment]


def spec(name: str, data: Any, element_type: str = "", **attributes: Any) -> Spec:
    """Describe an array."""
    data = np.asarray(data)
    return Spec(name, data.shape, data.dtype, element_type or data.dtype.name, attributes)


@pytest.mark.compiled
def test_a_new_store(tmp_path: Path) -> None:
    arrays = {
        "conv1": maps(3000, 700, dtype="i2"),
        "block/conv2": maps(3, 2, 1 << 20),
        "block/float": maps(5, 5, dtype="f4"),
        "block/deep/bool": maps(5, 5) > 0,
        "scalar": np.float32(2.5),
        "empty": np.zeros((0, 3), np.int8),
    }
    specs = {spec(name, data, scale=np.float32(0.25)): data for name, data in arrays.items()}
    held = spec("held", maps(4, dtype="u2"), "bfloat16")
    groups = {"": {"net": "tiny"}, "block": {"depth": np.int64(2), "list": np.arange(3)}}
    assert write(tmp_path / "new", {**specs, held: np.arange(4)}, groups) == []
    root = zarr.open_group(str(tmp_path / "new"), mode="r")
    for name, data in arrays.items():
        assert root[name].dtype == data.dtype
        assert (root[name][...] == data).all()
        assert dict(root[name].attrs) == {"scale": 0.25}
    assert root["conv1"].chunks == (748, 700)  # of nearly 1 MiB
    assert root["block/conv2"].chunks == (1, 1, 1 << 20)
    assert (dict(root.attrs), dict(root["block"].attrs)) == (
        {"net": "tiny"},
        {"depth": 2, "list": [0, 1, 2]},
    )
    assert dict(root["held"].attrs) == {"dtype": "bfloat16"}
    with dumps.open_dump(tmp_path / "new") as dump:
        found = {tensor.name: tensor for tensor in dump.tensors}
        assert {*found} == {*arrays, "held"}
        assert found["held"].element_type == "bfloat16"
        assert {path: dict(value) for path, value in dump.groups.items() if value} == {
            "": {"net": "tiny"},
            "block": {"depth": 2, "list": [0, 1, 2]},
        }
    back = there_and_back(tmp_path / "new")
    assert [*files_in(back)] == [*files_in(tmp_path / "new")]
    again = zarr.open_group(str(back), mode="r")
    assert all((again[name][...] == data).all() for name, data in arrays.items())


@pytest.mark.compiled
def test_restored_bytes_are_the_same_every_time(tmp_path: Path) -> None:
    """Blosc's threads leave its blocks in any order."""
    by_hand(tmp_path / "store", 2, {})
    blosc = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}
    meta = {**PLAIN_2, "shape": [1 << 22], "chunks": [1 << 21], "compressor": blosc}
    (tmp_path / "store" / "a" / ".zarray").write_text(json.dumps(meta))
    for key in "01":
        (tmp_path / "store" / "a" / key).unlink()
    array = zarr.open_array(store=str(tmp_path / "store" / "a"), mode="r+")
    array[...] = maps(1 << 22)
    fmcompress.compress(tmp_path / "store", tmp_path / "packed")
    for name in "xyz":
        fmcompress.decompress(tmp_path / "packed", tmp_path / name)
    assert files_in(tmp_path / "x") == files_in(tmp_path / "y") == files_in(tmp_path / "z")


def test_what_a_new_store_cannot_hold(tmp_path: Path) -> None:
    one = np.arange(2, dtype="i1")
    names = ["a", "a/b", "/x", "../up", "__c", "b/c", "b", "c//d"]
    tensors = {spec(name, one + number): one + number for number, name in enumerate(names)}
    bad = spec("attributes", one, text=b"\xff", good=b"good", what=object())
    lost = write(tmp_path / "new", {**tensors, bad: one}, {"a": {"k": 1}, "b": {"x": object()}})
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    root = zarr.open_group(str(tmp_path / "new"), mode="r")
    given = ["a", "a.b_2", "_/x", "_../up", "___c", "b/c", "b_2", "c/_/d"]
    for number, name in enumerate(given):
        assert root[name][...].tolist() == (one + number).tolist()
    for old, new in zip(names, given, strict=True):
        assert (f"the name of {old!r}: it is {new!r} now" in lost) == (old != new)
    assert "attribute 'text' of 'attributes'" in lost
    assert "attribute 'what' of 'attributes'" in lost
    assert "attribute 'x' of 'b'" in lost
    assert dict(root["attributes"].attrs) == {"good": "good"}


def test_names_that_are_files_of_zarr_or_too_long(tmp_path: Path) -> None:
    one = np.arange(2, dtype="i1")
    long = "n" * 300
    given = {
        "zarr.json": "_zarr.json",
        "x/zarr.json": "x/_zarr.json",
        ".zarray/y": "_.zarray/y",
        "x/.zattrs": "x/_.zattrs",
        ".zgroup": "_.zgroup",
        "c": "c",
        "x/c": "x/c",
        "p\\q": "p_q",
        "p_q": "p_q_2",
        long: long[:255],
        f"{long}2": f"{long[:235]}_2",
        "ä" * 150 + "/z": "ä" * 127 + "/z",
        f"{long}/inner": f"{long[:235]}_3",
        "_zarr.json": "_zarr.json_2",
    }
    tensors = {spec(name, one): one + number for number, name in enumerate(given)}
    groups = {".zgroup": {"k": 1}, "g\\h": {"k": 1}, "g_h": {"m": 2}, "c/below": {"n": 3}}
    lost = write(tmp_path / "new", tensors, groups)
    root = zarr.open_group(str(tmp_path / "new"), mode="r")
    for number, (old, new) in enumerate(given.items()):
        assert root[new][...].tolist() == (one + number).tolist()
        assert (f"the name of {old!r}: it is {new!r} now" in lost) == (old != new)
    assert dict(root["g_h"].attrs) == {"k": 1}
    assert "attribute 'm' of 'g_h'" in lost
    assert "attribute 'n' of 'c/below'" in lost
    with dumps.open_dump(tmp_path / "new") as dump:
        assert {tensor.name for tensor in dump.tensors} == {*given.values()}


def test_a_type_that_zarr_has_not(tmp_path: Path) -> None:
    odd = spec("a", np.zeros(2, [("x", "O")]))
    with pytest.raises(UnsupportedError, match="Zarr cannot hold it"):
        write(tmp_path / "new", {odd: odd})
    assert os.listdir(tmp_path) == ["new"]
