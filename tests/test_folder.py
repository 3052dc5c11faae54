"""Folders of dumps: every file comes back, and nothing outside the folder is ever touched."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hostile import (
    Part,
    assert_refused,
    chunk,
    container,
    dump,
    error_of,
    layers,
    npy_head,
    row,
    template,
)
from same_dump import assert_same_hdf5, assert_same_npz

import fmcompress
from fmcompress import dumps, targets
from fmcompress.dumps import file_list
from fmcompress.dumps.file_list import MAX_FILES, MAX_PARTS, MAX_PATH_CHARACTERS, FileList
from fmcompress.errors import DamagedError, FmcError, ParameterError, UnsupportedError
from fmcompress.listing import list_layers
from fmcompress.picking import matches
from fmcompress.targets import replacing

RANDOM = np.random.default_rng(11)


def maps(*shape: int, dtype: str = "i1") -> np.ndarray[Any, Any]:
    """Make feature maps: about half of them zeros."""
    shape = shape or (4, 8, 8)
    return (RANDOM.integers(-20, 20, shape) * (RANDOM.random(shape) < 0.5)).astype(dtype)


def files_in(root: Path) -> dict[str, bytes | None]:
    """Tell a folder: bytes by path; of a folder, None."""
    return {
        path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a bit of everything, at several depths."""
    root = tmp_path / "maps"
    (root / "run1" / "deep").mkdir(parents=True)
    (root / "run1" / "nothing" / "in it").mkdir(parents=True)
    np.save(root / "run1" / "a.npy", maps())
    np.save(root / "run1" / "a-float.npy", maps(dtype="f4"))
    np.savez(root / "run1" / "two.npz", x=maps(), y=maps(dtype=">i2"))
    np.savez_compressed(root / "run1" / "deep" / "packed.npz", x=maps(), y=maps(dtype="f2"))
    with h5py.File(root / "a.h5", "w") as file:
        file["conv1"] = maps()
        file["conv1"].attrs["scale"] = 0.25
        options = {"chunks": (2, 4, 8), "compression": "gzip"}
        file.create_dataset("block/conv2", data=maps(9, 5, 8), **options)
        file.attrs["net"] = "tiny"
    (root / "README.md").write_text("what this is\0\0")
    (root / "empty").touch()
    (root / "run1" / "cut off").write_bytes(b"\x89FMC\r\n\x1a\n and more")
    return root


def there_and_back(root: Path, **options: Any) -> Path:
    """Compress a folder, verify that, decompress it beside; return the new folder."""
    packed, back = root.with_name(f"{root.name}.fmc"), root.with_name(f"{root.name} back")
    fmcompress.compress(root, packed, **options)
    assert fmcompress.verify(packed).damages == []
    assert fmcompress.verify(io.BytesIO(packed.read_bytes())).damages == []
    fmcompress.decompress(packed, back)
    return back


# --- There and back -----------------------------------------------------------------------


def assert_same_folder(a: Path, b: Path) -> None:
    """Compare two folders: every byte, but of archives that are packed anew."""
    ours, theirs = files_in(a), files_in(b)
    assert [*ours] == [*theirs]
    for name in ours:
        if name.endswith("packed.npz"):
            assert_same_npz(a / name, b / name)
        else:
            assert ours[name] == theirs[name], name


def test_a_folder_comes_back_whole(folder: Path) -> None:
    before = files_in(folder)
    back = there_and_back(folder)
    assert_same_folder(folder, back)
    assert_same_hdf5(folder / "a.h5", back / "a.h5")
    assert files_in(folder) == before
    names = {"maps", "maps back", "maps.fmc"}
    assert {path.name for path in folder.parent.iterdir()} == names


def test_from_a_pipe(folder: Path, tmp_path: Path) -> None:
    packed = io.BytesIO()
    fmcompress.compress(folder, packed)
    fmcompress.decompress(io.BytesIO(packed.getvalue()), tmp_path / "back")
    assert_same_folder(folder, tmp_path / "back")


def test_same_folder_same_bytes(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "other name"
    for name, data in reversed([*files_in(folder).items()]):
        path = copy / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(exist_ok=True) if data is None else path.write_bytes(data)
    packed = io.BytesIO(), io.BytesIO()
    for source, target in zip((folder, copy), packed, strict=True):
        fmcompress.compress(source, target)
    assert packed[0].getvalue() == packed[1].getvalue()


def test_names_and_what_is_carried(folder: Path, tmp_path: Path) -> None:
    there_and_back(folder)
    with fmcompress.open(tmp_path / "maps.fmc") as file:
        carried = {name: layer.carried for name, layer in file.items() if layer.carried}
        assert [*file] == [
            "README.md",
            "a.h5/block/conv2",
            "a.h5/conv1",
            "empty",
            "run1/a-float.npy/arr_0",
            "run1/a.npy/arr_0",
            "run1/cut off",
            "run1/deep/packed.npz/x",
            "run1/deep/packed.npz/y",
            "run1/two.npz/x",
            "run1/two.npz/y",
        ]
        assert {n: r for n, r in carried.items() if "word format" not in r} == {
            "README.md": "not a dump",
            "empty": "not a dump",
            "run1/cut off": "not a dump",
        }
        assert file["README.md"].dtype_name == "file"
        assert bytes(file["README.md"][...]) == b"what this is\0\0"
        assert dict(file["a.h5/conv1"].attrs) == {"scale": 0.25}
        assert list(file["a.h5/conv1"].attrs) == ["scale"]
        for name in ("run1/a-float.npy/arr_0", "run1/a.npy/arr_0"):
            assert (file[name][...] == np.load(folder / name.removesuffix("/arr_0"))).all()
        with np.load(folder / "run1" / "deep" / "packed.npz") as archive:
            assert (file["run1/deep/packed.npz/x"][1:3] == archive["x"][1:3]).all()
            assert (file["run1/deep/packed.npz/y"][...] == archive["y"]).all()
    listed = list_layers(folder)
    assert (listed.format, listed.kind) == ("folder", "dump")
    assert [entry.name for entry in listed.layers] == [
        entry.name for entry in list_layers(tmp_path / "maps.fmc").layers
    ]


def test_only_some_layers_are_coded(folder: Path, tmp_path: Path) -> None:
    assert_same_folder(folder, there_and_back(folder, layers=["*/conv2", "run1/two.npz/*"]))
    with fmcompress.open(tmp_path / "maps.fmc") as file:
        coded = [name for name, layer in file.items() if not layer.carried]
    assert coded == ["a.h5/block/conv2", "run1/two.npz/x", "run1/two.npz/y"]


PICKED = {
    ("*/conv2",): ["a.h5"],
    ("README.md", "run1/two.npz/y"): ["README.md", "run1/two.npz"],
    ("*packed.npz/y",): ["run1/deep/packed.npz"],  # carried, in an archive of which one is coded
    ("empty", "run1/a*"): ["empty", "run1/a-float.npy", "run1/a.npy"],
}


@pytest.mark.parametrize("patterns", PICKED)
def test_only_some_layers_are_given_back(
    patterns: tuple[str, ...], folder: Path, tmp_path: Path
) -> None:
    fmcompress.compress(folder, tmp_path / "packed")
    fmcompress.decompress(tmp_path / "packed", tmp_path / "back", layers=patterns)
    names = [name for name, data in files_in(tmp_path / "back").items() if data is not None]
    assert names == PICKED[patterns]
    with dumps.open_dump(tmp_path / "back") as dump:
        found = {t.name: np.asarray(t.read()).tobytes() for t in dump.tensors}
    with dumps.open_dump(folder) as dump:
        whole = {tensor.name: tensor for tensor in dump.tensors}
        assert len(found) == len([n for n in whole if matches(n, patterns)])
        for name, data in found.items():
            assert np.asarray(whole[name].read()).tobytes() == data, name


def test_groups_and_attributes_of_the_dumps(folder: Path) -> None:
    with dumps.open_dump(folder) as dump:
        tensors = {tensor.name: tensor for tensor in dump.tensors}
        attributes = tensors["a.h5/conv1"].attributes
        assert isinstance(dump.groups, Mapping)
        assert all(path.split("/")[0] in ("a.h5", "run1") for path in dump.groups)
        assert len(dump.groups) == len([*dump.groups])
        description = dump.describe()
        with dump.open_bytes() as file:
            joined = file.read()
    assert attributes["scale"] == 0.25  # a dump that was closed is opened again
    with pytest.raises(KeyError):
        attributes["nothing"]
    assert len(attributes) == 1
    data = {name: data for name, data in files_in(folder).items() if data is not None}
    assert [entry["path"] for entry in description["files"]] == sorted(
        [*data, "run1/nothing/in it/"]
    )
    assert joined == b"".join(data[name] for name in sorted(data))
    assert description["bytes"] == len(joined)


# --- Many files, much data ------------------------------------------------------------------


@pytest.fixture
def few_handles() -> Iterator[None]:
    """Allow few open files."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) + 60, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("few_handles")
def test_many_small_files(tmp_path: Path) -> None:
    root = tmp_path / "many"
    for number in range(2000):
        path = root / f"run{number % 7}" / f"{number}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.full(5, number % 100, np.int8))
    for number in range(80):
        with h5py.File(root / f"{number}.h5", "w") as file:
            file["a"] = np.arange(number + 1, dtype=np.uint8)
            file.create_dataset("b", data=np.arange(99, dtype="i2"), chunks=(10,), shuffle=True)
    back = there_and_back(root)
    assert files_in(root) == files_in(back)
    with fmcompress.open(tmp_path / "many.fmc") as file:
        assert len(file) == 2160
        values = [file[f"{number}.h5/a"].attrs for number in range(80)]
        assert [*map(len, values)] == [0] * 80


@pytest.mark.compiled
def test_memory_does_not_grow_with_the_data(tmp_path: Path) -> None:
    root = tmp_path / "large"
    root.mkdir()
    for name in ("a", "b", "c"):
        np.save(root / f"{name}.npy", np.zeros((60, 1 << 20), np.int8))
        (root / f"{name}.bin").write_bytes(os.urandom(1 << 20) * 40)
    peaks = []
    for action in (
        lambda: fmcompress.compress(root, tmp_path / "packed", chunk_words=1 << 20),
        lambda: fmcompress.verify(tmp_path / "packed"),
        lambda: fmcompress.decompress(tmp_path / "packed", tmp_path / "back"),
    ):
        tracemalloc.start()
        action()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # One layer is kept while its zero point is searched.
    assert peaks[0] < 150 << 20
    assert max(peaks[1:]) < 60 << 20
    assert files_in(root) == files_in(tmp_path / "back")


# --- What is in a folder ----------------------------------------------------------------------


def test_a_damaged_dump_is_named(folder: Path, tmp_path: Path) -> None:
    bad = folder / "run1" / "deep" / "cut.npy"
    np.save(bad, maps())
    bad.write_bytes(bad.read_bytes()[:-1])
    error = error_of(lambda: fmcompress.compress(folder, tmp_path / "packed"))
    assert isinstance(error, DamagedError)
    assert error.file == str(bad)
    assert not (tmp_path / "packed").exists()


def test_a_damaged_layer_is_named(folder: Path, tmp_path: Path) -> None:
    bad = folder / "run1" / "deep" / "packed.npz"
    data = bytearray(bad.read_bytes())
    with zipfile.ZipFile(bad) as archive:
        member = archive.getinfo("x.npy")
    at = member.header_offset + 100 + member.compress_size // 2
    data[at] ^= 0xFF
    bad.write_bytes(data)
    error = error_of(lambda: fmcompress.compress(folder, tmp_path / "packed"))
    assert isinstance(error, DamagedError)
    assert error.file == str(bad)
    assert error.layer == "x"
    assert not (tmp_path / "packed").exists()


def test_what_no_dump_can_be_read_from_is_carried_with_its_reason(
    folder: Path, tmp_path: Path
) -> None:
    np.save(folder / "objects.npy", np.array([{}], object), allow_pickle=True)
    with zipfile.ZipFile(folder / "texts.zip", "w") as archive:
        archive.writestr("a.txt", "text")
    assert_same_folder(folder, there_and_back(folder))
    with fmcompress.open(tmp_path / "maps.fmc") as file:
        assert "pickled" in file["objects.npy"].carried
        assert "is no NPZ" in file["texts.zip"].carried


def test_links_to_files_are_files(folder: Path, tmp_path: Path) -> None:
    (folder / "link.npy").symlink_to(folder / "run1" / "a.npy")
    notes = fmcompress.compress(folder, tmp_path / "packed").notes
    assert notes == ["symbolic links are packed as the files that they lead to: 1"]
    back = there_and_back(folder)
    assert (back / "link.npy").read_bytes() == (folder / "run1" / "a.npy").read_bytes()
    assert not (back / "link.npy").is_symlink()


@pytest.mark.parametrize("kind", ["loop", "folder", "dangling", "pipe"])
def test_what_would_not_come_back_is_refused(kind: str, folder: Path, tmp_path: Path) -> None:
    odd = folder / "run1" / "odd"
    if kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to({"loop": folder, "folder": tmp_path, "dangling": "nowhere"}[kind])
    error = error_of(lambda: fmcompress.compress(folder, tmp_path / "packed"))
    assert isinstance(error, UnsupportedError)
    assert error.file == str(odd)
    assert error.hint
    assert not (tmp_path / "packed").exists()


@pytest.mark.parametrize("name", [b"not utf-8 \xff", b"back\\slash", b"C:"])
def test_names_that_could_not_come_back(name: bytes, folder: Path, tmp_path: Path) -> None:
    try:
        (folder / os.fsdecode(name)).touch()
    except OSError:
        pytest.skip("this system has no such names")
    error = error_of(lambda: fmcompress.compress(folder, tmp_path / "packed"))
    assert isinstance(error, UnsupportedError)
    assert error.hint == "rename it"
    str(error).encode()


def test_folders_without_dumps(tmp_path: Path) -> None:
    root = tmp_path / "texts"
    root.mkdir()
    for _ in range(2):
        error = error_of(lambda: fmcompress.compress(root, tmp_path / "packed"))
        assert isinstance(error, UnsupportedError)
        assert "no file in it is a dump" in str(error)
        (root / "a.txt").write_text("no dump")


def test_a_list_of_files_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "many"
    root.mkdir()
    for number in range(9):
        np.save(root / f"{number}.npy", maps())
    monkeypatch.setattr(file_list, "MAX_DUMP_BYTES", 400)
    error = error_of(lambda: fmcompress.compress(root, tmp_path / "packed"))
    assert isinstance(error, UnsupportedError)
    assert "the names of its files" in str(error)


# --- Several files ----------------------------------------------------------------------------


def test_several_files(folder: Path) -> None:
    paths = [folder / "run1" / "two.npz", folder / "a.h5", folder / "README.md"]
    with dumps.open_dumps(paths) as dump:
        assert dump.path == folder
        names = ["README.md", "a.h5/block/conv2", "a.h5/conv1", "run1/two.npz/x", "run1/two.npz/y"]
        assert [tensor.name for tensor in dump.tensors] == names
        assert [entry["path"] for entry in dump.files] == ["README.md", "a.h5", "run1/two.npz"]
        with np.load(paths[0]) as archive:
            assert (dump.tensors[3].read() == archive["x"]).all()
    with dumps.open_dumps([folder / "run1" / "a.npy"]) as dump:
        assert [tensor.name for tensor in dump.tensors] == ["a.npy/arr_0"]
    with dumps.open_dumps([folder / "run1", folder / "a.h5"]) as dump:
        assert [entry["path"] for entry in dump.files] == [
            *(["a.h5", "run1/a-float.npy", "run1/a.npy", "run1/cut off"]),
            *(["run1/deep/packed.npz", "run1/nothing/in it/", "run1/two.npz"]),
        ]


def test_several_files_that_are_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for paths in (
        [],
        [folder / "a.h5", folder / "run1" / ".." / "a.h5"],
        [folder / "a.h5", Path("a.h5")],
        [folder / "run1", folder / "run1" / "a.npy"],
    ):
        with pytest.raises(ParameterError):
            dumps.open_dumps(paths)
    with pytest.raises(FileNotFoundError):
        dumps.open_dumps([folder / "a.h5", folder / "nothing"])
    os.mkfifo(folder / "pipe")
    with pytest.raises(FmcError, match="no regular file"):
        dumps.open_dumps([folder / "pipe"])


def test_the_last_of_several_inputs_is_no_output(folder: Path, tmp_path: Path) -> None:
    """As of ``*.npz``: not even with --force."""
    paths = [folder / "a.h5", folder / "README.md"]
    before = (folder / "run1" / "two.npz").read_bytes()
    with pytest.raises(FmcError, match="was it meant as an input"):
        fmcompress.compress(paths, folder / "run1" / "two.npz")
    assert (folder / "run1" / "two.npz").read_bytes() == before
    for _ in range(2):  # a compressed file may be replaced
        fmcompress.compress(paths, tmp_path / "new.fmc")


# --- Targets ----------------------------------------------------------------------------------


@pytest.fixture
def packed(folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "packed.fmc"
    fmcompress.compress(folder, path)
    return path


def test_an_empty_folder_may_be_the_target(packed: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "back").mkdir(0o750)
    fmcompress.decompress(packed, tmp_path / "back", overwrite=False)
    assert_same_folder(folder, tmp_path / "back")
    assert (tmp_path / "back").stat().st_mode & 0o777 == 0o750


def test_what_is_there_stays_or_goes_whole(packed: Path, folder: Path, tmp_path: Path) -> None:
    back, taken = tmp_path / "back", tmp_path / "taken"
    back.mkdir()
    (back / "mine").touch()
    taken.write_text("mine")
    for target in (back, taken):
        before = files_in(tmp_path)
        with pytest.raises(FmcError, match="--force"):
            fmcompress.decompress(packed, target, overwrite=False)
        assert files_in(tmp_path) == before
        fmcompress.decompress(packed, target, overwrite=True)
        assert_same_folder(folder, target)
    assert {p.name for p in tmp_path.iterdir()} == {"maps", "packed.fmc", "back", "taken"}


def test_a_file_never_replaces_a_folder(folder: Path, tmp_path: Path) -> None:
    fmcompress.compress(folder / "a.h5", tmp_path / "file.fmc")
    for action in (
        lambda: fmcompress.decompress(tmp_path / "file.fmc", folder),
        lambda: fmcompress.compress(folder / "a.h5", folder),
    ):
        with pytest.raises(FmcError, match="is a directory"):
            action()
    assert (folder / "a.h5").exists()


def test_targets_that_are_in_use(
    packed: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_in(tmp_path)
    with pytest.raises(FmcError, match="lies in the input"):
        fmcompress.compress(folder, folder / "packed.fmc")
    with pytest.raises(FmcError, match="lies in the input"):
        fmcompress.compress(folder, folder)
    with pytest.raises(FmcError, match="holds the input"):
        fmcompress.decompress(packed, tmp_path)
    monkeypatch.chdir(folder)
    for target in (".", "..", folder):
        with pytest.raises(FmcError, match=r"in use|holds the input"):
            fmcompress.decompress(packed, target)
    with pytest.raises(FmcError, match="stream"):
        fmcompress.decompress(packed, io.BytesIO())
    assert files_in(tmp_path) == before


def test_interrupted_writing_leaves_nothing(packed: Path, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(_: Any) -> None:
        raise Stop

    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "mine").touch()
    before = files_in(tmp_path)
    for target in ("back", "new"):
        with pytest.raises(Stop):
            fmcompress.decompress(packed, tmp_path / target, progress=stop)
        assert files_in(tmp_path) == before


def test_threads_that_still_write_leave_nothing(tmp_path: Path) -> None:
    """As those of the zarr library do, which make folders that are gone anew."""

    def go_on(folder: Path) -> None:
        for number in range(12):
            with contextlib.suppress(OSError):
                (folder / "a").mkdir(parents=True, exist_ok=True)
                (folder / "a" / str(number)).write_bytes(b"1")
            time.sleep(0.01)

    threads = []

    def stopped() -> None:
        with replacing(tmp_path / "new", folder=True) as folder:
            assert isinstance(folder, Path)
            threads.append(threading.Thread(target=go_on, args=(folder,)))
            threads[0].start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    threads[0].join()
    assert files_in(tmp_path) == {}


def test_a_failed_rename_brings_back_what_was_there(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "mine").touch()
    before = files_in(tmp_path)
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.name.endswith(".part"):
            raise PermissionError(13, "no", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(PermissionError) as caught:
        fmcompress.decompress(packed, tmp_path / "back")
    assert caught.value.filename == str(tmp_path / "back")
    assert files_in(tmp_path) == before


def fmc(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    command = [sys.executable, "-m", "fmcompress.cli", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_command(folder: Path, tmp_path: Path) -> None:
    run = partial(fmc, folder=tmp_path)
    done = run("compress", "maps/")
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "maps.fmc").exists()
    for arguments in (("list", "maps"), ("list", "maps.fmc"), ("stats", "--per-layer", "maps")):
        assert "run1/two.npz/x" in run(*arguments).stdout
    assert run("verify", "maps.fmc").returncode == 0
    assert "is a directory; name a file" in run("verify", "maps").stderr
    assert run("decompress", "maps.fmc", "back").returncode == 0
    assert_same_folder(folder, tmp_path / "back")
    (tmp_path / "back" / "mine").touch()
    refused = run("decompress", "maps.fmc", "back")
    assert refused.returncode == 1
    assert refused.stderr == (
        "fmc: back: is a folder that is not empty; use --force to replace it, whole\n"
    )
    assert run("decompress", "-f", "maps.fmc", "back").returncode == 0
    assert_same_folder(folder, tmp_path / "back")
    assert run("decompress", "maps.fmc", "-").stderr == (
        "fmc: <stdout>: a folder cannot go to a stream; name a folder to be made\n"
    )


# --- Hostile containers -------------------------------------------------------------------------

HEAD = npy_head(4)
SIZE = len(HEAD) + 4
WORDS = [1, 0, 0, 2]


def hostile(files: Any, *parts: Part, nbytes: int | None = None) -> bytes:
    """Make a container of a folder; by default of one NPY file, ``a.npy``, of four words."""
    total = sum(file["bytes"] for file in files) if nbytes is None else nbytes
    own = parts or (template((0, HEAD)), layers(place()), chunk(WORDS))
    return container(dump(total, "folder", files=files), *own)


def place(name: str = "a.npy/arr_0", file: Any = 0, **more: Any) -> dict[str, Any]:
    """Describe a layer of a file."""
    return row(name, place={"offset": len(HEAD), "file": file, **more})


def npy(path: str, **more: Any) -> dict[str, Any]:
    """Describe an NPY file."""
    return {"path": path, "bytes": SIZE, "format": "npy", **more}


def test_the_hostile_ones_differ_from_a_good_one(tmp_path: Path) -> None:
    fmcompress.decompress(io.BytesIO(hostile([npy("a.npy")])), tmp_path / "back")
    assert files_in(tmp_path / "back") == {"a.npy": HEAD + bytes(WORDS)}


PATHS = {
    "up": "../a.npy",
    "up inside": "b/../../a.npy",
    "dot": "./a.npy",
    "absolute": "/tmp/a.npy",
    "empty": "",
    "empty part": "b//a.npy",
    "only a slash": "/",
    "backslash": "..\\a.npy",
    "drive": "C:a.npy",
    "nul": "a\0.npy",
    "surrogate": "a\udcff.npy",
    "long": "a" * (MAX_PATH_CHARACTERS + 1),
    "deep": "a/" * MAX_PARTS + "a.npy",
    "folder": "a.npy/",
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_hostile_paths(path: str, tmp_path: Path) -> None:
    layer = place(f"{path}/arr_0")
    data = hostile([npy(path)], template((0, HEAD)), layers(layer), chunk(WORDS))
    assert_refused(data, tmp_path, codes=(3,))
    # The same of a file that is no dump.
    assert_refused(
        hostile([{"path": path, "bytes": 4}], template((0, b"data"))), tmp_path, codes=(3,)
    )


def plain(*paths: str) -> list[dict[str, Any]]:
    """Describe files of no bytes."""
    return [{"path": path, "bytes": 0} for path in paths]


LISTS: dict[str, Any] = {
    "twice": plain("a", "a"),
    "not sorted": plain("b", "a"),
    "file as folder": plain("a", "a/b"),
    "file as folder, not beside": plain("a", "a.b", "a/b"),
    "file and folder": plain("a", "a/"),
    "empty folder with a file": plain("a/", "a/b"),
    "no object": ["a"],
    "no path": [{"bytes": 0}],
    "no size": [{"path": "a"}],
    "negative": [{"path": "a", "bytes": -1}],
    "size that is no integer": [{"path": "a", "bytes": 0.0}],
    "true": [{"path": "a", "bytes": False}],
    "unknown key": [{"path": "a", "bytes": 0, "mode": 511}],
    "options without format": [{"path": "a", "bytes": 0, "options": {}}],
    "format that is no text": [{"path": "a", "bytes": 0, "format": 7}],
    "unknown format": [{"path": "a", "bytes": 0, "format": "../npy"}],
    "folder in a folder": [{"path": "a", "bytes": 0, "format": "folder", "files": []}],
    "files of a file": [{"path": "a", "bytes": 0, "format": "npy", "files": []}],
    "zarr without files": [{"path": "a", "bytes": 0, "format": "zarr"}],
    "empty folder that is a dump": [{"path": "a/", "bytes": 0, "format": "npy"}],
}


@pytest.mark.parametrize("name", LISTS)
def test_hostile_lists(name: str, tmp_path: Path) -> None:
    assert_refused(container(dump(0, "folder", files=LISTS[name])), tmp_path)


def test_sizes_that_lie(tmp_path: Path) -> None:
    good = [npy("a.npy")]
    for nbytes in (0, SIZE - 1, SIZE + 1, 1 << 62):
        assert_refused(hostile(good, nbytes=nbytes), tmp_path, codes=(3,))
    for size in (0, 1, SIZE - 1, SIZE + 1):
        assert_refused(hostile([{**good[0], "bytes": size}]), tmp_path, codes=(3,))


def test_sizes_beyond_the_disk(tmp_path: Path) -> None:
    files = [{"path": "a", "bytes": 1 << 62}, {"path": "b", "bytes": (1 << 62) - 1}]
    with pytest.raises(OSError, match="are needed"):
        fmcompress.decompress(io.BytesIO(hostile(files, template((0, b"x")))), tmp_path / "back")
    assert files_in(tmp_path) == {}


def test_too_many_files(tmp_path: Path) -> None:
    files = [{"path": f"{number:06}", "bytes": 0} for number in range(MAX_FILES + 1)]
    with pytest.raises(UnsupportedError, match="lists 262145 files"):
        FileList({"bytes": 0, "files": files})
    # What fits into a container is bounded by its size, too.
    assert len(json.dumps(files[:3], separators=(",", ":"))) // 3 * MAX_FILES > 1 << 22


def test_paths_of_many_parts_take_no_time() -> None:
    files = plain(*sorted("/".join([f"{n:04}", *"a" * 60]) for n in range(4000)))
    assert FileList({"bytes": 0, "files": files}).owner("0007/a" + "/a" * 59 + "/x") == (7, "x")
    assert FileList({"bytes": 0, "files": files}).owner("/" * (1 << 23)) is None


OTHER = {"path": "b", "bytes": 4}
PLACES: dict[str, dict[str, Any]] = {
    "no file": row("a.npy/arr_0", place={"offset": len(HEAD)}),
    "another file": place(file=1),
    "no such file": place(file=2),
    "negative": place(file=-1),
    "true": place(file=True),
    "text": place(file="a.npy"),
    "name of no file": place("c.npy/arr_0"),
    "name of another": place("b/arr_0"),
    "no name": place("arr_0"),
    "past the file": place(offset=len(HEAD) + 1),
    "before": place(offset=-4),
    "unknown key": place(more=1),
}


@pytest.mark.parametrize("name", PLACES)
def test_hostile_places(name: str, tmp_path: Path) -> None:
    data = hostile(
        [npy("a.npy"), OTHER],
        template((0, HEAD), (SIZE, b"data")),
        layers(PLACES[name]),
        chunk(WORDS),
    )
    assert_refused(data, tmp_path)


def test_files_that_nothing_fills(tmp_path: Path) -> None:
    for segment in (b"dat", b""):
        pieces = [(0, HEAD), *([(SIZE, segment)] if segment else [])]
        data = hostile([npy("a.npy"), OTHER], template(*pieces), layers(place()), chunk(WORDS))
        assert_refused(data, tmp_path, codes=(3,))
    data = hostile([npy("a.npy"), npy("b.npy")], template((0, HEAD)), layers(place()), chunk(WORDS))
    assert_refused(data, tmp_path, codes=(3,))


def test_a_template_across_files_and_layers_out_of_order(tmp_path: Path) -> None:
    files = [npy("a.npy"), npy("b.npy")]
    pieces = template((0, HEAD), (SIZE, HEAD))
    first, second = place(), place("b.npy/arr_0", 1)
    good = hostile(files, pieces, layers(first, second), chunk(WORDS), chunk(WORDS))
    fmcompress.decompress(io.BytesIO(good), tmp_path / "back")
    assert files_in(tmp_path / "back")["b.npy"] == HEAD + bytes(WORDS)
    (tmp_path / "refused").mkdir()
    bad = hostile(files, pieces, layers(second, first), chunk(WORDS), chunk(WORDS))
    assert_refused(bad, tmp_path / "refused", codes=(3,))
    whole = HEAD + bytes(WORDS)
    across = hostile(
        [{"path": "a", "bytes": SIZE}, {"path": "b", "bytes": SIZE}], template((0, whole + whole))
    )
    fmcompress.decompress(io.BytesIO(across), tmp_path / "across")
    assert files_in(tmp_path / "across") == {"a": whole, "b": whole}


def test_every_cut_and_flip_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "_PAUSES", ())  # no other thread writes into the folder
    files = [npy("a.npy"), {"path": "b", "bytes": 4}, {"path": "c/", "bytes": 0}]
    pieces = template((0, HEAD), (SIZE, b"data"))
    data = hostile(files, pieces, layers(place()), chunk(WORDS))
    target = tmp_path / "back"
    cut = [data[:length] for length in range(len(data))]
    flipped = [data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :] for at in range(len(data))]
    for bad in cut + flipped:
        assert error_of(partial(fmcompress.decompress, io.BytesIO(bad), target))
    assert files_in(tmp_path) == {}
    fmcompress.decompress(io.BytesIO(data), target)
    assert files_in(target) == {"a.npy": HEAD + bytes(WORDS), "b": b"data", "c": None}
