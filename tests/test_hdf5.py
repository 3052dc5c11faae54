"""HDF5: whatever a file holds comes back, and what cannot be coded is carried."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t, h5z
from harness import INTEGER_DTYPES, examples, integer_arrays
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from same_dump import assert_same_hdf5, packed_path, round_trip

import fmcompress
from fmcompress.dumps import hdf5, hdf5_chunks
from fmcompress.dumps.hdf5_chunks import AllocatedChunks, stretches
from fmcompress.errors import DamagedError, FmcError, ParameterError, UnsupportedError
from fmcompress.words.zero_points import ZERO_POINT_NAMES

Maker = Callable[[h5py.File], Any]
MAPS = np.random.default_rng(1).poisson(0.8, (37, 23)).astype("int8") - 1
NOISE = np.random.default_rng(2).integers(-128, 128, (64, 64), "int8")
LIBVERS = ("earliest", "latest")


def made(folder: Path, make: Maker, **options: Any) -> Path:
    """Make a file."""
    path = folder / "dump.h5"
    with h5py.File(path, "w", **options) as file:
        make(file)
    return path


def low(
    group: h5py.Group,
    name: str,
    kind: h5t.TypeID,
    shape: tuple[int, ...],
    plist: h5p.PropDCID | None = None,
) -> h5py.Dataset:
    """Create a dataset as h5py's own functions cannot."""
    space = h5s.create_simple(shape)
    return h5py.Dataset(h5d.create(group.id, name.encode(), kind, space, dcpl=plist))


def chunked(shape: tuple[int, ...]) -> h5p.PropDCID:
    plist = h5p.create(h5p.DATASET_CREATE)
    plist.set_chunk(shape)
    return plist


# --- What is not chunked comes back byte for byte -----------------------------------------


def groups(file: h5py.File) -> None:
    for order in (True, False):
        outer = file.create_group(f"order {order}", track_order=order)
        for name in ("zeta", "alpha", "mid"):
            outer.create_group(f"{name}/deep/deeper", track_order=order)["maps"] = MAPS
        outer.create_group("empty")
        outer["beside"] = MAPS[:3]


def attributes(file: h5py.File) -> None:
    group = file.create_group("group", track_order=True)
    file["maps"] = MAPS
    mixed = np.dtype([("a", "i1"), ("text", h5py.string_dtype()), ("ref", h5py.ref_dtype)])
    values: dict[str, Any] = {
        "zebra": np.int16(-3),
        "empty": h5py.Empty("f4"),
        "no elements": np.zeros((0, 3), "i2"),
        "text": "größer",
        "bytes": np.bytes_(b"fixed\0text"),
        "texts": ["a", "bcd", ""],
        "fixed texts": np.array([b"a", b"bcd"]),
        "compound": np.array([(1, 2.5), (3, 4.5)], [("a", ">i4"), ("b", "<f8")]),
        "compound with pointers": np.array([(1, "x", file["maps"].ref)], mixed),
        "array": np.arange(24, dtype=">u4").reshape(2, 3, 4),
        "bool": np.array([True, False]),
        "complex": np.array([1 + 2j]),
        "half": np.float16(1.5),
        "object": file["maps"].ref,
        "objects": np.array([file["maps"].ref, group.ref], h5py.ref_dtype),
        "region": file["maps"].regionref[2:4, 5:9],
        "points": file["maps"].regionref[np.eye(37, 23, dtype=bool)],
        "large": np.arange(7000, dtype="i8"),
        "name with / and . and ü": 1,
        "zzz": -1,
        "aaa": 1,
    }
    rows = np.empty(2, object)
    rows[:] = [np.arange(3), np.arange(2)]
    for item in (file, group, file["maps"]):
        for name, value in values.items():
            item.attrs[name] = value
        item.attrs.create("enum", 1, dtype=h5py.enum_dtype({"off": 0, "on": 1}, "u1"))
        item.attrs.create("vlen", rows, dtype=h5py.vlen_dtype("i2"))
        item.attrs.create("null reference", h5py.Reference(), dtype=h5py.ref_dtype)
        for number in range(20):
            item.attrs[f"many {number}"] = number


def links(file: h5py.File) -> None:
    file["conv/maps"] = MAPS
    file["again"] = file["conv/maps"]
    file["conv/self"] = file["conv"]
    file["group again"] = file["conv"]
    file["soft"] = h5py.SoftLink("/conv/maps")
    file["relative"] = h5py.SoftLink("conv/../conv")
    file["dangling"] = h5py.SoftLink("/nowhere/at all")
    file["external"] = h5py.ExternalLink("other file.h5", "/maps")
    file["zz"] = MAPS[:2]


def scales(file: h5py.File) -> None:
    file["maps"] = MAPS
    for axis, name in enumerate(("height", "width")):
        file[name] = np.arange(MAPS.shape[axis], dtype="i4")
        file[name].make_scale(f"the {name}")
        file["maps"].dims[axis].label = name
        file["maps"].dims[axis].attach_scale(file[name])


def spaces(file: h5py.File) -> None:
    file["scalar"] = np.int8(-5)
    file["text"] = "a text"
    file["null"] = h5py.Empty("i1")
    file["empty"] = np.zeros((3, 0, 2), "i1")
    file["one"] = np.array([[[7]]], "u2")
    file["many axes"] = np.ones((1,) * 30 + (2, 3), "i1")
    file.create_dataset("unallocated", (5, 6), "i2", fillvalue=7)
    plist = h5p.create(h5p.DATASET_CREATE)
    plist.set_layout(h5d.COMPACT)
    low(file, "compact", h5t.STD_I16BE, (5, 6), plist)[...] = 9


def types(file: h5py.File) -> None:
    file["maps"] = MAPS
    inner = np.dtype([("x", "<f4"), ("y", "i1", (2,))])
    plain = {
        "compound": np.zeros(3, [("a", "i4"), ("b", ">f8"), ("inner", inner)]),
        "array in compound": np.zeros(3, [("x", "i1", (3, 2))]),
        "opaque": np.array([b"ab", b"cd"], "V2"),
        "fixed": np.array([[b"a", b"bcd"]]),
        "bool": MAPS > 0,
        **{name: np.arange(-6, 6).astype(name) for name in ("f2", ">f2", "f4", ">f8", "g")},
        **{name: np.arange(6).astype(name) for name in ("i8", ">i8", "u8", "c8", ">c16")},
    }
    for name, value in plain.items():
        file[name] = value
    file["utf-8"] = ["größer", "日本", ""]
    file.create_dataset(
        "fixed utf-8", data=["ü".encode(), b"b"], dtype=h5py.string_dtype("utf-8", 5)
    )
    file.create_dataset("enum", data=MAPS, dtype=h5py.enum_dtype({"on": 1, "off": 2}, "i1"))
    file.create_dataset("vlen", (3,), h5py.vlen_dtype(">i2"))[1] = [1, 2, 3]
    file.create_dataset("objects", data=[file["maps"].ref], dtype=h5py.ref_dtype)
    regions = [file["maps"].regionref[:2], file["maps"].regionref[3, 4]]
    file.create_dataset("regions", data=regions, dtype=h5py.regionref_dtype)
    times = np.array(["2020", "1999"], "M8[s]")
    file["times"] = times.astype(h5py.opaque_dtype(times.dtype))
    rows = low(file, "array type", h5t.array_create(h5t.STD_I8LE, (3,)), (6,))
    rows.id.write(h5s.ALL, h5s.ALL, np.ones((6, 3), "i1"), mtype=rows.id.get_type())


def precisions(file: h5py.File) -> None:
    """Integers of a precision of their own, which NumPy knows nothing of."""
    for precision, offset in ((12, 0), (12, 4), (7, 1)):
        kind = h5t.STD_I16LE.copy()
        kind.set_precision(precision)
        kind.set_offset(offset)
        dataset = low(file, f"{precision} bits from {offset}", kind, (6, 7))
        dataset.id.write(h5s.ALL, h5s.ALL, np.arange(42, dtype="i2").reshape(6, 7))
    kind = h5t.STD_I32LE.copy()
    kind.set_precision(24)
    kind.set_size(3)
    low(file, "three bytes", kind, (6,)).id.write(h5s.ALL, h5s.ALL, np.arange(6, dtype="i4"))
    bits = low(file, "bits", h5t.STD_B16LE, (6,))
    bits.id.write(h5s.ALL, h5s.ALL, np.arange(6, dtype="u2"), mtype=h5t.STD_B16LE)


def virtual(file: h5py.File) -> None:
    file["maps"] = MAPS
    layout = h5py.VirtualLayout((2, *MAPS.shape), "int8", maxshape=(None, *MAPS.shape))
    layout[0] = h5py.VirtualSource(".", "maps", shape=MAPS.shape)
    layout[1] = h5py.VirtualSource("elsewhere.h5", "maps", shape=MAPS.shape)
    file.create_virtual_dataset("virtual", layout, fillvalue=3)


def external(file: h5py.File) -> None:
    file["maps"] = MAPS
    parts = [("dump.raw1", 0, 100), ("dump.raw2", 3, h5py.h5f.UNLIMITED)]
    file.create_dataset("external", data=MAPS, external=parts)


def committed(file: h5py.File) -> None:
    file["types/short"] = np.dtype("<i2")
    file["types/short"].attrs["unit"] = "steps"
    file["types/point"] = np.dtype([("x", "f4")])
    file.create_dataset("maps", data=MAPS, dtype=file["types/short"])
    file.create_dataset("points", (3,), dtype=file["types/point"])
    file.attrs.create("attribute", 3, dtype=file["types/short"])


def names(file: h5py.File) -> None:
    odd = "a b", " edge ", "ü", "日本", "x.y", "..x", ".hidden", "*", "[z]", "a\\b", "'", '"', "\n"
    for name in (*odd, "n" * 3000, "%s", "{0}", "-", "🙂"):
        file[name] = MAPS[:2]
        file[f"in/{name}/maps"] = MAPS[:3]


def integers(file: h5py.File) -> None:
    for name, order in itertools.product(INTEGER_DTYPES, "<>"):
        file[f"{name}{order}"] = MAPS.astype(np.dtype(name).str.replace("<", order))


def times(file: h5py.File) -> None:
    file.create_dataset("timed", data=MAPS, track_times=True)
    file.create_dataset("untimed", data=MAPS, track_times=False)


WHOLE: tuple[Maker, ...] = (
    groups,
    attributes,
    links,
    scales,
    spaces,
    types,
    precisions,
    external,
    committed,
    names,
    integers,
    times,
)


@pytest.mark.parametrize("libver", LIBVERS)
@pytest.mark.parametrize("make", WHOLE, ids=lambda make: make.__name__)
def test_unchunked(
    make: Maker, libver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where HDF5 looks for the files of `external`
    path = made(tmp_path, make, libver=libver)
    restored = round_trip(path)
    assert_same_hdf5(path, restored)
    assert path.read_bytes() == restored.read_bytes()


def test_virtual(tmp_path: Path) -> None:
    path = made(tmp_path, virtual, libver="latest")
    restored = round_trip(path)
    assert_same_hdf5(path, restored)
    assert path.read_bytes() == restored.read_bytes()


@pytest.mark.parametrize("size", [512, 1024, 2048, 8192])
def test_user_block(size: int, tmp_path: Path) -> None:
    makers = (integers, chunked_odds, partly_written)
    path = made(tmp_path, lambda file: [make(file) for make in makers], userblock_size=size)
    with path.open("r+b") as file:
        file.write(b"#!/usr/bin/env something\n")
    restored = round_trip(path)
    assert_same_hdf5(path, restored)
    assert path.read_bytes() == restored.read_bytes()


def test_empty_files(tmp_path: Path) -> None:
    for make in (lambda file: None, lambda file: file.create_group("a/b")):
        path = made(tmp_path, make)
        assert path.read_bytes() == round_trip(path).read_bytes()
        with fmcompress.open(packed_path(path)) as file:
            assert len(file) == 0


def test_what_is_coded_and_what_is_carried(tmp_path: Path) -> None:
    makers = (spaces, types, integers)
    path = made(tmp_path, lambda file: [make(file) for make in makers])
    round_trip(path)
    with fmcompress.open(packed_path(path)) as file:
        coded = {name for name, layer in file.items() if not layer.carried}
        reasons = {name: layer.carried for name, layer in file.items()}
        with h5py.File(path) as original:
            assert set(file) == set(original)
    both = {f"{name}{order}" for name in INTEGER_DTYPES for order in "<>"}
    floats = {"f2", ">f2", "f4", "bool"}
    assert coded == {"maps", "one", "many axes", "enum", *floats, *both}
    assert reasons["null"] == "null dataspace"
    assert reasons["scalar"] == reasons["empty"] == "scalar or empty"
    assert reasons["compact"] == "compact layout"
    assert reasons["unallocated"] == "no data allocated"
    assert reasons[">f8"] == reasons["i8"] == "dtype has no word format"
    assert reasons["g"] == "dtype has no word format"
    assert reasons["utf-8"] == reasons["vlen"] == "type has no plain NumPy dtype"


def test_each_dataset_is_coded_once(tmp_path: Path) -> None:
    """Links lead around in circles; one to the root makes no second tree."""

    def loops(file: h5py.File) -> None:
        file["a/root"] = file["/"]
        links(file)

    path = made(tmp_path, loops)
    assert path.read_bytes() == round_trip(path).read_bytes()
    with fmcompress.open(packed_path(path)) as file:
        assert list(file) == ["again", "zz"]


def assert_back_or_refused(path: Path) -> None:
    """Whichever it is, it must not be a file that does not come back, nor any other error."""
    try:
        restored = round_trip(path)
    except UnsupportedError:
        assert not packed_path(path).exists()
    else:
        assert path.read_bytes() == restored.read_bytes()


def test_deeply_nested_groups(tmp_path: Path) -> None:
    def nested(file: h5py.File) -> None:
        group: h5py.Group = file
        for _ in range(1200):
            group = group.create_group("g")
        group["maps"] = MAPS

    assert_back_or_refused(made(tmp_path, nested))


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    """Old programs write Latin-1."""

    def latin(file: h5py.File) -> None:
        space = h5s.create_simple((5,))
        file["maps"] = MAPS
        h5d.create(file.id, b"gr\xf6\xdfer", h5t.STD_I8LE, space).write(
            h5s.ALL, h5s.ALL, np.arange(5, dtype="i1")
        )

    assert_back_or_refused(made(tmp_path, latin))


@pytest.mark.parametrize(
    "picked", [["order True/zeta/*"], ["*beside"], ["maps", "zipped"]], ids=str
)
def test_giving_back_some_layers(picked: list[str], tmp_path: Path) -> None:
    """The layers picked, the groups that they are in, and attributes of both; no more."""

    def make(file: h5py.File) -> None:
        attributes(file)
        groups(file)
        file["order True"].attrs["unit"] = "volt"
        file.create_dataset("zipped", data=MAPS, chunks=(7, 5), compression="gzip")
        file["floats"] = MAPS.astype("f4")

    path, some = made(tmp_path, make), tmp_path / "some.h5"
    fmcompress.compress(path, packed_path(path))
    fmcompress.decompress(packed_path(path), some, layers=picked)
    with (
        h5py.File(path) as whole,
        h5py.File(some) as part,
        fmcompress.open(packed_path(path)) as layers,
    ):
        found: list[str] = []
        part.visititems(lambda name, item: found.append(name) if hasattr(item, "shape") else None)
        expected = [name for name in layers if any(fnmatch(name, glob) for glob in picked)]
        assert sorted(found) == sorted(expected) != []
        for name in found:
            np.testing.assert_array_equal(part[name][()], whole[name][()])
            assert part[name].dtype == whole[name].dtype
            assert part[name].chunks == whole[name].chunks
            assert part[name].compression == whole[name].compression
            assert list(part[name].attrs) == list(whole[name].attrs)
        assert part.attrs["text"] == whole.attrs["text"]
        if "order True" in part:
            assert part["order True"].attrs["unit"] == "volt"
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "dump.h5",
        "dump.h5.bin",
        "some.h5",
    ]


def test_many_small_datasets(tmp_path: Path) -> None:
    def many(file: h5py.File) -> None:
        for number in range(1500):
            file[f"layer{number % 30}/maps{number}"] = MAPS[: 1 + number % 5]

    path = made(tmp_path, many)
    assert path.read_bytes() == round_trip(path).read_bytes()


# --- Chunked datasets go through their filters --------------------------------------------

FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"compression": "gzip"},
    {"compression": "gzip", "compression_opts": 9, "shuffle": True, "fletcher32": True},
    {"compression": "lzf", "shuffle": True},
    {"fletcher32": True},
    {"scaleoffset": 0},
    {"scaleoffset": 3, "compression": "gzip"},
)


def filters(file: h5py.File) -> None:
    """All filters, with chunks that fit, that leave edges on every axis, larger than the data."""
    chunks: tuple[Any, ...] = ((7, 5), (37, 23), (1, 23), (37, 1), (36, 22), (1, 1), True)
    dtypes = itertools.cycle(("i1", ">u2", "<i4", "<i2"))
    for number, options in enumerate(FILTERS):
        for shape, dtype in zip(chunks, dtypes, strict=False):
            name = f"{number} {shape} {dtype}"
            file.create_dataset(name, data=MAPS.astype(dtype), chunks=shape, **options)
        more = {"chunks": (50, 40), "maxshape": (None, 90), **options}
        file.create_dataset(f"{number} larger", data=MAPS, **more)


def resized(file: h5py.File) -> None:
    dataset = file.create_dataset("maps", data=MAPS, maxshape=(None, None), chunks=(7, 5))
    dataset.resize((20, 11))
    dataset.resize((40, 41))
    dataset = file.create_dataset("line", data=MAPS[0], maxshape=(None,), compression="gzip")
    dataset.resize((5,))
    file.create_dataset("none left", data=MAPS, maxshape=(None, 23)).resize((0, 23))


def partly_written(file: h5py.File) -> None:
    for number, options in enumerate(FILTERS):
        for fill in (None, 3):
            name, more = f"{number} {fill}", {**options, "fillvalue": fill}
            file.create_dataset(name, (37, 23), ">i2", chunks=(7, 5), **more)[10:12, 3:9] = 1
    file.create_dataset("nothing", (37, 23), "i2", chunks=(7, 5), fillvalue=3)
    plist = chunked((7, 5))
    plist.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    low(file, "early", h5t.STD_I16BE, (37, 23), plist)[3] = 4
    plist = h5p.create(h5p.DATASET_CREATE)
    plist.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    low(file, "early, contiguous", h5t.STD_I16BE, (37, 23), plist)
    plist = chunked((7, 23))
    plist.set_fill_time(h5d.FILL_TIME_NEVER)
    low(file, "never filled", h5t.STD_I16BE, (35, 23), plist)[...] = 4


def noise(file: h5py.File) -> None:
    """Chunks that a filter would make larger, between others that it does not."""
    for number, options in enumerate(FILTERS[1:-1]):
        half = np.where(np.arange(64) < 32, NOISE, 0)
        file.create_dataset(f"{number}", data=half, chunks=(9, 9), **options)


def rare_filters(file: h5py.File) -> None:
    plist = chunked((8, 8))
    plist.set_deflate(1)
    plist.set_deflate(9)
    low(file, "twice", h5t.STD_I16LE, (37, 23), plist)[...] = MAPS
    for number in (h5z.FILTER_NBIT, h5z.FILTER_SZIP):
        if h5z.filter_avail(number):
            plist = chunked((8, 8))
            if number == h5z.FILTER_SZIP:
                plist.set_szip(h5z.SZIP_NN_OPTION_MASK, 8)
            else:
                plist.set_filter(number, h5z.FLAG_OPTIONAL, ())
            low(file, f"{number}", h5t.STD_I16LE, (37, 23), plist)[...] = MAPS


def carried_chunks(file: h5py.File) -> None:
    options: dict[str, Any] = {"chunks": (7, 5), "compression": "gzip", "shuffle": True}
    file.create_dataset("floats", data=MAPS.astype("f4"), **options)
    file.create_dataset("wide", data=MAPS.astype(">i8"), **options)
    file.create_dataset("maps", data=MAPS, **options)
    file.create_dataset("texts", data=["a", "b"] * 9, chunks=(4,), compression="gzip")


def chunked_odds(file: h5py.File) -> None:
    committed(file)
    options: dict[str, Any] = {"compression": "gzip", "track_times": True}
    file.create_dataset("timed", data=MAPS, **options)
    file.create_dataset("short", data=MAPS, dtype=file["types/short"], chunks=(3, 9))
    file.create_dataset("axes", data=np.ones((1,) * 20 + (3,), "i1"), chunks=(1,) * 20 + (2,))
    file.create_dataset("chunks of one", data=np.arange(3000, dtype=">i4"), chunks=(1,))


CHUNKED: tuple[Maker, ...] = (
    filters,
    resized,
    partly_written,
    noise,
    rare_filters,
    carried_chunks,
    chunked_odds,
)


@pytest.mark.parametrize("libver", LIBVERS)
@pytest.mark.parametrize("make", CHUNKED, ids=lambda make: make.__name__)
def test_chunked(make: Maker, libver: str, tmp_path: Path) -> None:
    path = made(tmp_path, make, libver=libver)
    restored = round_trip(path, chunk_words=300)
    assert_same_hdf5(path, restored)
    assert path.stat().st_size == restored.stat().st_size


@pytest.mark.parametrize("strategy", ["fsm", "page", "aggregate", "none"])
def test_file_space(strategy: str, tmp_path: Path) -> None:
    """Files that keep a list of their free space."""
    more = {} if strategy in ("aggregate", "none") else {"fs_persist": True}
    options: dict[str, Any] = {"fs_strategy": strategy, **more}

    def with_holes(file: h5py.File) -> None:
        file.create_dataset("maps", data=MAPS, chunks=(7, 5), compression="gzip")
        file["gone"] = NOISE
        del file["gone"]
        file["wide"] = MAPS.astype("i4")

    path = made(tmp_path, with_holes, **options)
    assert_same_hdf5(path, round_trip(path))


def test_a_chunk_that_skipped_its_filters(tmp_path: Path) -> None:
    """A filter mask says so, and the chunk comes back as it was, byte for byte."""

    def masked(file: h5py.File) -> None:
        options: dict[str, Any] = {"compression": "gzip", "shuffle": True}
        dataset = file.create_dataset("maps", (8, 8), "i1", chunks=(4, 4), **options)
        dataset[...] = 5
        dataset.id.write_direct_chunk((0, 4), bytes(range(16)), 0b11)

    path = made(tmp_path, masked)
    restored = round_trip(path)
    assert_same_hdf5(path, restored)
    with h5py.File(restored) as file:
        assert file["maps"].id.read_direct_chunk((0, 4)) == (0b11, bytes(range(16)))


def test_chunks_too_large_to_be_filtered_here_are_carried(tmp_path: Path) -> None:
    def huge(file: h5py.File) -> None:
        options: dict[str, Any] = {"compression": "gzip", "compression_opts": 1}
        file.create_dataset("maps", (4, 4), "i1", chunks=(4, 4), maxshape=(None, 4), **options)
        file["maps"][...] = 1
        plist = file["maps"].id.get_create_plist()
        plist.set_chunk((2**29, 4))
        space = h5s.create_simple((4, 4), (h5s.UNLIMITED, 4))
        huge_ = h5d.create(file.id, b"huge", h5t.STD_I8LE, space, plist)
        huge_.write_direct_chunk((0, 0), b"no chunk that could be read", 0)

    path = made(tmp_path, huge)
    restored = round_trip(path)
    assert restored.read_bytes() == path.read_bytes()
    with fmcompress.open(packed_path(path)) as file:
        assert "larger than" in file["huge"].carried
        assert not file["maps"].carried


@given(
    integer_arrays(), st.data(), st.sampled_from(FILTERS), st.booleans(), st.sampled_from(LIBVERS)
)
@examples(80)
def test_any_array_any_chunks_any_filters(
    tmp_path_factory: pytest.TempPathFactory,
    array: NDArray[Any],
    data: st.DataObject,
    options: dict[str, Any],
    bounded: bool,
    libver: str,
) -> None:
    def make(file: h5py.File) -> None:
        if not array.shape:
            file["maps"] = array
            return
        # A chunk may only be larger than the dataset if that may grow.
        grows = not bounded or array.size == 0
        sides = [data.draw(st.integers(1, n + 3 if grows else n)) for n in array.shape]
        maxshape = (None,) * array.ndim if grows else None
        more: dict[str, Any] = {"chunks": tuple(sides), "maxshape": maxshape, **options}
        if "scaleoffset" in options:
            more["scaleoffset"] = 0  # loses nothing
        file.create_dataset("maps", data=array, **more)

    path = made(tmp_path_factory.mktemp("any"), make, libver=libver)
    restored = round_trip(path, chunk_words=data.draw(st.integers(1, 200)))
    with h5py.File(restored) as file:
        assert file["maps"].dtype == array.dtype
        np.testing.assert_array_equal(file["maps"][()], array)
    assert path.read_bytes() == restored.read_bytes()


# --- A filter that is not there -----------------------------------------------------------


def missing_filter(file: h5py.File) -> None:
    file.create_group("conv")
    for name, kind in (("strange", h5t.STD_I8LE), ("floats", h5t.IEEE_F32LE)):
        plist = chunked((4, 4))
        plist.set_filter(32001, h5z.FLAG_OPTIONAL, (2, 2, 1))
        for at in range(0, 8, 4):
            low_data = bytes(range(at, at + 29))
            if at == 0:
                dataset = low(file, f"conv/{name}", kind, (8, 4), plist)
            dataset.id.write_direct_chunk((at, 0), low_data)
    file["conv/plain"] = MAPS
    file.create_dataset("zipped", data=MAPS, chunks=(7, 5), compression="gzip")


def test_missing_filter_is_refused_by_name(tmp_path: Path) -> None:
    path = made(tmp_path, missing_filter)
    for action in (fmcompress.stats, lambda path: fmcompress.compress(path, tmp_path / "out")):
        with pytest.raises(UnsupportedError, match=r"filter 32001 \(Blosc\)") as caught:
            action(path)
        assert caught.value.layer == "conv/floats"
        assert caught.value.file == str(path)
        assert "hdf5plugin" in str(caught.value)
    assert [*tmp_path.iterdir()] == [path]


def test_missing_filter_is_carried_where_it_is_not_picked(tmp_path: Path) -> None:
    path = made(tmp_path, missing_filter)
    restored = round_trip(path, layers=["conv/plain", "zip*"])
    assert_same_hdf5(path, restored)
    assert path.read_bytes() == restored.read_bytes()
    with fmcompress.open(packed_path(path)) as file:
        assert file["conv/strange"].carried == "not picked"
        with pytest.raises(FmcError, match="conv/strange"):
            file["conv/strange"][...]
        np.testing.assert_array_equal(file["zipped"], MAPS)


def test_filter_that_only_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the library's szip in some builds: such a dataset cannot be written again."""
    monkeypatch.setattr(h5z, "get_filter_info", lambda _: h5z.FILTER_CONFIG_DECODE_ENABLED)
    path = made(
        tmp_path, lambda file: file.create_dataset("maps", data=MAPS, compression="gzip") and None
    )
    assert path.read_bytes() == round_trip(path).read_bytes()
    with fmcompress.open(packed_path(path)) as file:
        assert file["maps"].carried.endswith("can only be read")


# --- Damaged lists of chunks --------------------------------------------------------------


def damaged_chunks(path: Path, damages: dict[int, tuple[int, int, int]]) -> Path:
    """Make a dataset of 9 chunks of 2 by 3; of some, change offset and address in the B-tree."""
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("group/maps", data=NOISE[:6, :9], chunks=(2, 3))
        chunks = [dataset.id.get_chunk_info(number) for number in range(9)]
    data = path.read_bytes()
    for number, (row, column, address) in damages.items():
        info = chunks[number]
        key = struct.pack("<IIQQQ", info.size, 0, *info.chunk_offset, 0)
        old = key + struct.pack("<Q", info.byte_offset)
        assert data.count(old) == 1
        at = info.byte_offset + address
        data = data.replace(old, struct.pack("<IIQQQQ", info.size, 0, row, column, 0, at))
    path.write_bytes(data)
    return path


LISTED_WRONGLY = "the HDF5 library does not tell where its chunks belong"
CHUNK_DAMAGES = {
    "outside": ({4: (139637976727552, 3, 0)}, "where none can be"),
    "just outside": ({8: (6, 6, 0)}, "where none can be"),
    "off the grid": ({4: (3, 3, 0)}, "where none can be|bad coordinate offset"),
    "twice": ({4: (2, 0, 0)}, "listed twice"),
    "swapped": ({4: (2, 6, 0), 5: (2, 3, 0)}, "not listed in their order"),
    "address": ({4: (2, 3, 1 << 63)}, "cannot lie in any file"),
}


@pytest.mark.parametrize("damage", CHUNK_DAMAGES)
def test_chunks_that_cannot_be_are_damage(damage: str, tmp_path: Path) -> None:
    """What was restored from such a list would be another dataset, or none at all."""
    damages, cause = CHUNK_DAMAGES[damage]
    path = damaged_chunks(tmp_path / "dump.h5", damages)
    with pytest.raises(DamagedError, match=cause) as caught:
        fmcompress.compress(path, packed_path(path))
    assert caught.value.layer == "group/maps"
    assert [*tmp_path.iterdir()] == [path]
    with h5py.File(path) as file:
        for look in (AllocatedChunks, stretches):
            with pytest.raises(DamagedError, match=cause):
                look(file["group/maps"])


def test_chunks_written_beside_the_old_ones_are_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the order of the list is broken: the library does not find them again."""
    path = damaged_chunks(tmp_path / "dump.h5", {4: (139637976727552, 3, 0)})
    with monkeypatch.context() as lenient:
        rows = {0: 0, 2: 1, 4: 2}
        lenient.setattr(hdf5._Dataset, "_edges_are_filtered", lambda *_: True)
        lenient.setattr(
            hdf5_chunks, "_chunk_place", lambda at, *_: (rows.get(at[0], 1), at[1] // 3)
        )
        fmcompress.compress(path, packed_path(path))
        with pytest.raises(DamagedError, match="10 HDF5 chunks instead of 9") as caught:
            fmcompress.decompress(packed_path(path), tmp_path / "back")
    assert caught.value.layer == "group/maps"
    with pytest.raises(DamagedError, match="where none can be"):
        fmcompress.decompress(packed_path(path), tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_file_that_can_only_be_read_is_told_to_be_damaged_before(tmp_path: Path) -> None:
    path = damaged_chunks(tmp_path / "dump.h5", {})
    data = bytearray(path.read_bytes())
    data[55] = 41  # where the driver's information is, which is read to write only
    path.write_bytes(data)
    fmcompress.compress(path, packed_path(path))
    with pytest.raises(DamagedError, match="was damaged before it was compressed, or"):
        fmcompress.decompress(packed_path(path), tmp_path / "back")


@pytest.mark.parametrize("libver", LIBVERS)
@pytest.mark.parametrize(
    "limits",
    [(None, 9), (None, 21), (6, None), (2, None), (9, None), (None, None), (8, 12)],
    ids=str,
)
def test_resized_datasets_are_no_damage(
    limits: tuple[int | None, ...], libver: str, tmp_path: Path
) -> None:
    """Those of which the library does not tell where which chunk belongs are carried."""
    rows = 2 if limits[0] == 2 else 6

    def make(file: h5py.File) -> None:
        options = {"chunks": (2, 3), "maxshape": limits, "compression": "gzip"}
        file.create_dataset("whole", data=NOISE[:rows, :9], **options)
        dataset = file.create_dataset("resized", data=NOISE[:rows, :9], **options)
        dataset.resize((rows - 1, 4))
        dataset.resize((rows, 8))
        dataset[rows - 1, 7] = 1

    path = made(tmp_path, make, libver=libver)
    assert path.read_bytes() == round_trip(path).read_bytes()
    wrong = libver == "latest" and limits in ((6, None), (9, None))
    with fmcompress.open(packed_path(path)) as file:
        for layer in file.values():
            assert layer.carried in (("", LISTED_WRONGLY) if wrong else ("",))


# --- Zero points --------------------------------------------------------------------------


def quantised(dtype: str, zero_point: int, attrs: dict[str, Any]) -> Maker:
    values = (MAPS.astype("i8") * (MAPS > 0) + zero_point).astype(dtype)

    def make(file: h5py.File) -> None:
        for name, options in (("flat", {}), ("zipped", {"compression": "gzip"})):
            file.create_dataset(name, data=values, **options).attrs.update(attrs)

    return make


@pytest.mark.parametrize("chunk_words", [100, 1 << 16])
@pytest.mark.parametrize("source", ["attribute", "found", "option", "none"])
@pytest.mark.parametrize("dtype", ["|i1", "|u1", "<i2", ">i2", "<u2", ">u4", ">i4"])
def test_zero_point(dtype: str, source: str, chunk_words: int, tmp_path: Path) -> None:
    range_ = np.iinfo(dtype)
    zero_point = 0 if source == "none" else int(range_.max) - 9
    attrs = {"attribute": {"zero_point": zero_point}, "option": {"zero_point": 1}}.get(source, {})
    path = made(tmp_path, quantised(dtype, zero_point, attrs))
    option = {"zero_point": zero_point} if source == "option" else {}
    restored = round_trip(path, chunk_words=chunk_words, **option)
    assert path.read_bytes() == restored.read_bytes()
    with fmcompress.open(packed_path(path)) as file, h5py.File(path) as original:
        for name, layer in file.items():
            assert layer.words["zero_point"] == zero_point
            assert layer.words["zero_point_from"] == source
            values = original[name][()]
            assert layer.dtype == values.dtype == np.dtype(dtype)
            np.testing.assert_array_equal(layer, values)
            zeros = sum(chunk.zeros for chunk in layer.chunks)
            assert zeros == np.count_nonzero(values == zero_point)
            assert len(layer.chunks) == -(-values.size // chunk_words)


@pytest.mark.parametrize("name", [*ZERO_POINT_NAMES, "Zero-Point", "zero_points", "output.ZP"][:-1])
def test_zero_point_names(name: str, tmp_path: Path) -> None:
    path = made(tmp_path, quantised("i1", 9, {name: np.array([-3])}))
    stats = fmcompress.stats(path)
    assert {layer.words["zero_point"] for layer in stats.layers} == {-3}


@pytest.mark.parametrize(
    "value", [np.nan, np.inf, 2.5, 1e30, -200, [3, 4], "3", b"3", True, h5py.Empty("i1"), 1 << 63]
)
def test_zero_point_that_means_nothing_here(value: Any, tmp_path: Path) -> None:
    """It is ignored, whatever it is: a search finds one."""
    path = made(tmp_path, quantised("i1", 9, {"zero_point": value}))
    assert path.read_bytes() == round_trip(path).read_bytes()
    for layer in fmcompress.stats(path).layers:
        assert layer.words == {"format": "int8", "zero_point": 9, "zero_point_from": "found"}


def test_zero_point_outside_the_dtype_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path, quantised("u1", 9, {}))
    with pytest.raises(ParameterError, match="300"):
        fmcompress.compress(path, tmp_path / "out", zero_point=300)
    assert [*tmp_path.iterdir()] == [path]


# --- The comparison itself ----------------------------------------------------------------

CHANGES: dict[str, Maker] = {
    "attribute's value": lambda file: file["maps"].attrs.modify("bool", [True, True]),
    "attribute's type": lambda file: file.attrs.create("half", np.float32(1.5)),
    "attribute of a group": lambda file: file["group"].attrs.__delitem__("aaa"),
    "reference": lambda file: file.attrs.create("object", file["group"].ref),
    "region": lambda file: file.attrs.create("region", file["maps"].regionref[2:4, 5:8]),
    "element": lambda file: file["maps"].__setitem__((3, 4), 99),
    "name": lambda file: file.move("maps", "mops"),
    "hard link": lambda file: file.__setitem__("other", file["maps"]),
    "soft link": lambda file: file.__setitem__("other", h5py.SoftLink("/maps")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_comparison_sees(change: str, tmp_path: Path) -> None:
    path, other = made(tmp_path, attributes), tmp_path / "other.h5"
    other.write_bytes(path.read_bytes())
    assert_same_hdf5(path, other)
    with h5py.File(other, "r+") as file:
        CHANGES[change](file)
    with pytest.raises(AssertionError):
        assert_same_hdf5(path, other)


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": (7, 6)},
        {"chunks": (7, 5), "shuffle": True},
        {"chunks": (7, 5), "compression": "gzip", "compression_opts": 5},
        {"chunks": (7, 5), "fillvalue": 1},
        {"chunks": (7, 5), "maxshape": (37, 24)},
        {"chunks": (7, 5), "dtype": ">i2"},
    ],
    ids=str,
)
def test_the_comparison_sees_how_a_dataset_is_kept(options: dict[str, Any], tmp_path: Path) -> None:
    path, other = tmp_path / "dump.h5", tmp_path / "other.h5"
    for file_path, given_ in ((path, {"chunks": (7, 5), "dtype": "<i2"}), (other, options)):
        with h5py.File(file_path, "w") as file:
            file.create_dataset("maps", data=MAPS, **{"dtype": "<i2", **given_})
    assert_same_hdf5(path, path)
    with pytest.raises(AssertionError):
        assert_same_hdf5(path, other)
