"""NPY and NPZ: arrays of any dtype and order come back; nothing is ever unpickled."""

from __future__ import annotations

import errno
import io
import itertools
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import INTEGER_DTYPES, examples, integer_arrays
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from same_dump import assert_same_npy, assert_same_npz, packed_path, round_trip

import fmcompress
from fmcompress import conversion
from fmcompress.dumps.zip_archives import reading
from fmcompress.errors import DamagedError, FmcError, UnsupportedError

MAPS = np.random.default_rng(1).poisson(0.8, (6, 7, 5)).astype("int8") - 1
STORED, DEFLATED, BZIP2, LZMA = 0, 8, 12, 14
METHODS = (STORED, DEFLATED, BZIP2, LZMA)

Member = tuple[str, "NDArray[Any] | bytes", int]


def npy_bytes(array: NDArray[Any], version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), version)
    return file.getvalue()


def by_hand(header: str, data: bytes, version: int = 1) -> bytes:
    """Put an NPY file together of any header."""
    text = header.encode("utf-8" if version == 3 else "latin1")
    width = 2 if version == 1 else 4
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(width, "little") + text + data


def head(descr: object, shape: tuple[int, ...], order: object = False) -> str:
    return f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def saved(folder: Path, content: bytes | NDArray[Any], name: str = "dump.npy") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else npy_bytes(content))
    return path


def zipped(folder: Path, *members: Member, comment: bytes = b"") -> Path:
    """Make an archive: name, content and method of each member."""
    path = folder / "dump.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content, method in members:
            info = zipfile.ZipInfo(name, (2024, 2, 29, 12, 30, 58))
            info.compress_type = method
            info.external_attr = 0o640 << 16
            archive.writestr(info, content if isinstance(content, bytes) else npy_bytes(content))
        archive.comment = comment
    return path


class Payload:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


# --- NPY ----------------------------------------------------------------------------------

CODED = [
    np.dtype(name).str.replace("<", order)
    for name, order in itertools.product(INTEGER_DTYPES, "<>")
    if order == "<" or np.dtype(name).itemsize > 1
] + ["<f2", ">f4", "|b1"]
CARRIED: list[Any] = [
    *("<i8", ">u8", "<f8", "g", "<c8", ">c16", "G", "S3", "<U3", ">U2"),
    *("V3", "M8[s]", "m8[ns]", ">M8[D]"),
    [("a", "i1"), ("b", ">i4", (2,))],
    np.dtype({"names": ["x"], "formats": ["<u2"], "offsets": [3], "itemsize": 9}),
]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [*CODED, *CARRIED], ids=str)
def test_dtypes(dtype: Any, order: Any, tmp_path: Path) -> None:
    raw = np.random.default_rng(3).integers(0, 5, 60 * np.dtype(dtype).itemsize, "u1").tobytes()
    if np.dtype(dtype).kind == "U":
        raw = ("aé日" * 60)[: 60 * np.dtype(dtype).itemsize // 4].encode("utf-32-le")
        raw = np.frombuffer(raw, "<u4").astype(np.dtype(dtype).byteorder + "u4").tobytes()
    if np.dtype(dtype) == bool:
        raw = bytes([0, 1]) * 30
    array = np.frombuffer(raw, dtype, 60).reshape((3, 4, 5), order=order)
    path = saved(tmp_path, array)
    assert_same_npy(path, round_trip(path))
    with fmcompress.open(packed_path(path)) as file:
        layer = file["arr_0"]
        assert layer.carried == ("" if dtype in CODED else "dtype has no word format")
        assert layer.dtype == array.dtype
        assert layer.shape == array.shape
        found = np.asarray(layer)
        # As they lie in memory: a copy in another order leaves padding undefined.
        assert found.strides == array.strides
        assert found.tobytes("A") == array.tobytes("A")


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (1, 1, 1), (7,), (1,) * 32])
@pytest.mark.parametrize("dtype", ["i1", ">u2", "f4"])
def test_shapes(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    array = np.full(shape, 3, dtype)
    path = saved(tmp_path, array)
    assert_same_npy(path, round_trip(path))
    with fmcompress.open(packed_path(path)) as file:
        assert file["arr_0"].shape == shape
        np.testing.assert_array_equal(file["arr_0"], array)
        expected = "scalar or empty" if not shape or 0 in shape else None
        assert file["arr_0"].carried in (expected, "dtype has no word format", "")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_versions(version: int, tmp_path: Path) -> None:
    path = saved(tmp_path, npy_bytes(MAPS, (version, 0)))
    assert_same_npy(path, round_trip(path))
    with fmcompress.open(packed_path(path)) as file:
        assert not file["arr_0"].carried


def test_field_names_of_version_3(tmp_path: Path) -> None:
    path = saved(tmp_path, by_hand(head([("größe", "<i2")], (3,)), bytes(6), 3))
    assert_same_npy(path, round_trip(path))
    with fmcompress.open(packed_path(path)) as file:
        assert file["arr_0"].dtype.names == ("größe",)


ODD = {
    "bytes behind the array": (head("<i2", (3, 4)), bytes(range(24)) + b"something else"),
    "order as a number": (head("<i2", (3, 4), 1), bytes(range(24))),
    "order of one axis": (head("<i2", (12,), True), bytes(range(24))),
    "native order": (head("=i2", (3, 4)), bytes(range(24))),
    "dtype's name": (head("int16", (3, 4)), bytes(range(24))),
    "spaces": (head("<i2", (3, 4)) + " " * 70 + "\n", bytes(range(24))),
    "empty text": (head("<U0", (3, 4)), b""),
    "float8 e5m2": (head("<f1", (3, 4)), bytes(range(12))),
    "float8 e4m3": (head("<V1", (3, 4)), bytes(range(12))),
    "bfloat16": (head("<V2", (3, 4)), bytes(range(24))),
    "subarray": (head(("<i2", (3,)), (2,)), bytes(range(12))),
    "no elements, huge axes": (head("<i2", (2**40, 0, 2**40)), b""),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_headers(case: str, tmp_path: Path) -> None:
    path = saved(tmp_path, by_hand(*ODD[case]))
    assert_same_npy(path, round_trip(path))


def test_what_numpy_cannot_read_is_carried_and_read_as_opaque_items(tmp_path: Path) -> None:
    path = saved(tmp_path, by_hand(*ODD["float8 e5m2"]))
    with pytest.raises((ValueError, TypeError)):
        np.load(path)
    assert_same_npy(path, round_trip(path))
    with fmcompress.open(packed_path(path)) as file:
        assert file["arr_0"][...].view("u1").tolist() == np.arange(12).reshape(3, 4).tolist()


def test_header_of_python_2(tmp_path: Path) -> None:
    """It writes numbers as 3L; NumPy still reads them."""
    text = "{'descr': '<i2', 'fortran_order': False, 'shape': (3L, 4L), }\n"
    path = saved(tmp_path, by_hand(text, bytes(range(24))))
    assert_same_npy(path, round_trip(path))
    with fmcompress.open(packed_path(path)) as file:
        assert file["arr_0"].shape == (3, 4)


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (head("<i2", (3, 4)), bytes(23)),
        (head("<i2", (2**60, 4)), bytes(24)),
        (head("<i2", (-3, 4)), bytes(24)),
        (head("<i2", (True, 4)), bytes(24)),
        (head("<i2", [3, 4]), bytes(24)),  # type: ignore[arg-type]
        (head("<q7", (3, 4)), bytes(24)),
        (head(None, (3, 4)), bytes(24)),
        ("{'descr': '<i2', 'shape': (3, 4)}", bytes(24)),
        ("[1, 2]", bytes(24)),
        ("__import__('os').getcwd()", bytes(24)),
        ("(" * 3000, bytes(24)),
        ("", bytes(24)),
    ],
)
def test_bad_headers(header: str, data: bytes, tmp_path: Path) -> None:
    path = saved(tmp_path, by_hand(header, data))
    with pytest.raises(DamagedError):
        fmcompress.compress(path, tmp_path / "out")
    assert [*tmp_path.iterdir()] == [path]


def test_more_axes_than_a_container_takes_are_refused_at_once(tmp_path: Path) -> None:
    path = saved(tmp_path, by_hand(head("<i2", (1,) * 70), bytes(2)))
    with pytest.raises(FmcError):
        fmcompress.compress(path, tmp_path / "out")
    assert [*tmp_path.iterdir()] == [path]


def test_unknown_version(tmp_path: Path) -> None:
    path = saved(tmp_path, by_hand(head("<i2", (3, 4)), bytes(24), 4))
    with pytest.raises(UnsupportedError, match=r"version 4\.0"):
        fmcompress.compress(path, tmp_path / "out")


@pytest.mark.parametrize("dtype", ["O", [("x", "i1"), ("y", "O")]], ids=str)
def test_pickled_arrays_are_refused_and_never_loaded(dtype: Any, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    array = np.zeros((2, 3), dtype)
    (array if dtype == "O" else array["y"])[...] = Payload(trace)
    path = saved(tmp_path, npy_bytes(array))
    for action in (fmcompress.stats, lambda path: fmcompress.compress(path, tmp_path / "out")):
        with pytest.raises(UnsupportedError, match="pickled"):
            action(path)
    assert [*tmp_path.iterdir()] == [path]
    np.load(path, allow_pickle=True)
    assert trace.is_dir()  # it would have worked


@given(integer_arrays(), st.integers(1, 300))
@examples(100)
def test_any_array(
    tmp_path_factory: pytest.TempPathFactory, array: NDArray[Any], chunk_words: int
) -> None:
    path = saved(tmp_path_factory.mktemp("any"), array)
    restored = round_trip(path, chunk_words=chunk_words)
    assert_same_npy(path, restored)
    loaded = np.load(restored)
    assert loaded.dtype == array.dtype
    np.testing.assert_array_equal(loaded, array)


# --- NPZ ----------------------------------------------------------------------------------

CUBE = np.asfortranarray(MAPS.astype(">i2"))


def members(*methods: int) -> list[Member]:
    """Arrays coded and carried, and files of other kinds, by these methods in turn."""
    contents: list[tuple[str, NDArray[Any] | bytes]] = [
        ("z.npy", MAPS),
        ("a.npy", CUBE),
        ("sub/folder/maps.npy", MAPS.astype("u4")),
        ("größe 日本.npy", MAPS[::2]),
        ("floats.npy", MAPS.astype("f4")),
        ("scalar.npy", np.array(3, "i2")),
        ("empty.npy", np.zeros((0, 3), "i1")),
        ("text.npy", np.array(["a", "bcd"])),
        ("notes.txt", b"not an array " * 9),
        ("sub/", b""),
        ("behind.npy", npy_bytes(MAPS) + b"more"),
        ("last one.npy", MAPS + 1),
        (".npy", MAPS[:1]),
    ]
    return [
        (name, content, method)
        for (name, content), method in zip(contents, itertools.cycle(methods), strict=False)
    ]


MIXTURES = [
    *((method,) for method in METHODS),
    *itertools.permutations((STORED, DEFLATED)),
    (STORED, STORED, DEFLATED),
    (DEFLATED, DEFLATED, STORED),
    METHODS,
    METHODS[::-1],
]


def layer_name(member: str) -> str:
    return member.removesuffix(".npy")


@pytest.mark.parametrize("comment", [b"", b"a comment"])
@pytest.mark.parametrize("methods", MIXTURES, ids=str)
def test_archives(methods: Sequence[int], comment: bytes, tmp_path: Path) -> None:
    contents = members(*methods)
    path = zipped(tmp_path, *contents, comment=comment)
    restored = round_trip(path, chunk_words=50)
    assert_same_npz(path, restored)
    if set(methods) == {STORED}:
        assert path.read_bytes() == restored.read_bytes()
    with fmcompress.open(packed_path(path)) as file:
        assert list(file) == [layer_name(name) for name, _, _ in contents]
        coded = {name for name, layer in file.items() if not layer.carried}
        assert {"z", "a", "sub/folder/maps", "größe 日本", "last one"} <= coded


@pytest.mark.parametrize("methods", MIXTURES, ids=str)
def test_reading_archives(methods: Sequence[int], tmp_path: Path) -> None:
    contents = members(*methods)
    packed = packed_path(zipped(tmp_path, *contents))
    fmcompress.compress(tmp_path / "dump.npz", packed, chunk_words=50)
    with fmcompress.open(packed) as file:
        for name, content, _ in contents:
            layer = file[layer_name(name)]
            assert dict(layer.attrs) == {}
            if isinstance(content, np.ndarray):
                np.testing.assert_array_equal(layer, content)
                assert layer.dtype == content.dtype
        np.testing.assert_array_equal(file["behind"], MAPS)
        assert file["notes.txt"][...].item() == b"not an array " * 9


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_numpys_own_archives(save: Any, tmp_path: Path) -> None:
    path = tmp_path / "dump.npz"
    arrays = {"z": MAPS, "a": CUBE, "f": MAPS.astype("f4"), "k": np.array(3)}
    save(path, MAPS, **arrays)
    restored = round_trip(path)
    assert_same_npz(path, restored)
    assert save is np.savez_compressed or path.read_bytes() == restored.read_bytes()
    with np.load(restored) as loaded:
        assert loaded.files == ["z", "a", "f", "k", "arr_0"]
        for name, array in arrays.items():
            np.testing.assert_array_equal(loaded[name], array)
            assert loaded[name].flags.f_contiguous == array.flags.f_contiguous


@pytest.mark.parametrize("methods", MIXTURES, ids=str)
@pytest.mark.parametrize("picked", [["z"], ["a"], ["*one", "sub*"], ["floats"]], ids=str)
def test_coding_some_layers(methods: Sequence[int], picked: list[str], tmp_path: Path) -> None:
    path = zipped(tmp_path, *members(*methods))
    assert_same_npz(path, round_trip(path, layers=picked))


@pytest.mark.parametrize("methods", MIXTURES, ids=str)
@pytest.mark.parametrize("picked", [["z"], ["a"], ["*one", "sub*"], ["floats"]], ids=str)
def test_giving_back_some_layers(methods: Sequence[int], picked: list[str], tmp_path: Path) -> None:
    path = zipped(tmp_path, *members(*methods))
    out = tmp_path / "some.npz"
    fmcompress.compress(path, packed_path(path))
    fmcompress.decompress(packed_path(path), out, layers=picked)
    full = {["*one", "sub*"][0]: ["sub/folder/maps.npy", "sub/", "last one.npy"]}
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(out) as some:
        assert some.namelist() == full.get(picked[0], [f"{picked[0]}.npy"])
        for name in some.namelist():
            assert some.read(name) == whole.read(name)
            assert some.getinfo(name).compress_type == whole.getinfo(name).compress_type
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dump.npz", "dump.npz.bin", "some.npz"]


@pytest.mark.parametrize("method", METHODS)
def test_pickled_member_is_refused_by_name(method: int, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    pickled = npy_bytes(np.array([Payload(trace)], object))
    path = zipped(tmp_path, ("fine.npy", MAPS, method), ("bad.npy", pickled, method))
    with pytest.raises(UnsupportedError, match="pickled") as caught:
        fmcompress.compress(path, tmp_path / "out")
    assert caught.value.layer == "bad"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("methods", [(STORED,), (DEFLATED,)])
def test_a_member_named_like_another_without_suffix(methods: Sequence[int], tmp_path: Path) -> None:
    contents: list[Member] = [("a.npy", MAPS, methods[0]), ("a", b"some text", methods[0])]
    path = zipped(tmp_path, *contents)
    try:
        restored = round_trip(path)
    except UnsupportedError:
        assert [*tmp_path.iterdir()] == [path]
    else:
        assert_same_npz(path, restored)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused_by_name(tmp_path: Path) -> None:
    path = zipped(tmp_path, ("twice.npy", MAPS, STORED), ("twice.npy", CUBE, STORED))
    with pytest.raises(FmcError, match="twice"):
        fmcompress.compress(path, tmp_path / "out")
    assert [*tmp_path.iterdir()] == [path]


def test_archive_without_arrays_is_no_dump(tmp_path: Path) -> None:
    for contents in ((), (("notes.txt", b"text", STORED),)):
        path = zipped(tmp_path, *contents)
        with pytest.raises(UnsupportedError, match="NPZ"):
            fmcompress.compress(path, tmp_path / "out")


class Stream(io.RawIOBase):
    """What zipfile cannot seek in: it puts sizes and checksums behind the members."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += bytes(data)
        return len(data)


@pytest.mark.parametrize("methods", [(STORED,), (DEFLATED,), (STORED, DEFLATED)])
def test_archive_written_to_a_pipe(methods: Sequence[int], tmp_path: Path) -> None:
    stream = Stream()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content, method in members(*methods):
            data = content if isinstance(content, bytes) else npy_bytes(content)
            archive.writestr(name, data, method)
    path = saved(tmp_path, stream.data, "dump.npz")
    restored = round_trip(path)
    assert_same_npz(path, restored)
    assert methods != (STORED,) or path.read_bytes() == restored.read_bytes()


def test_archive_with_gaps_and_bytes_behind(tmp_path: Path) -> None:
    """Members' heads with extra fields, a removed member's rest, bytes behind the end."""
    path = tmp_path / "dump.npz"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("a.npy")
        info.extra = b"\x99\x99\x02\x00ab"
        archive.writestr(info, npy_bytes(MAPS))
        archive.writestr("gone.npy", npy_bytes(CUBE))
        archive.writestr("b.npy", npy_bytes(CUBE))
        del archive.NameToInfo["gone.npy"]
        archive.filelist.pop(1)
    with path.open("ab") as file:
        file.write(b"behind")
    assert path.read_bytes() == round_trip(path).read_bytes()


@pytest.mark.parametrize("place", [2, 20, -20])
@pytest.mark.parametrize("method", [DEFLATED, BZIP2, LZMA])
def test_a_packed_member_is_damaged(method: int, place: int, tmp_path: Path) -> None:
    path = zipped(tmp_path, ("a.npy", MAPS, method))
    data = bytearray(path.read_bytes())
    start, end = data.index(b"a.npy") + 5, data.index(b"PK\x01\x02")
    data[end + place if place < 0 else start + place] ^= 0x55
    path.write_bytes(data)
    with pytest.raises(DamagedError):
        fmcompress.compress(path, tmp_path / "out")
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EIO])
def test_a_full_disk_is_no_damage(number: int) -> None:
    """Members are read and written in one go: only what reading says is the archive's fault."""
    with pytest.raises(OSError, match="full") as caught, reading("a"):
        raise OSError(number, "full")
    assert caught.value.errno == number
    for error in (OSError("Invalid data stream"), OSError(errno.EINVAL, "Invalid argument")):
        with pytest.raises(DamagedError), reading("a"):
            raise error


def test_well_compressed_members_are_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a filter packed tightly is no view that repeats its data."""
    monkeypatch.setattr(conversion, "_WHOLE_BYTES", 0)
    zeros = np.zeros((100, 1000))
    np.savez_compressed(tmp_path / "maps.npz", a=zeros)
    fmcompress.compress(tmp_path / "maps.npz", tmp_path / "packed")
    fmcompress.decompress(tmp_path / "packed", tmp_path / "new.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "new.npy"), zeros)
