"""Faults that users met, or would have: each test fails without its fix."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t
from same_dump import assert_same_hdf5

import fmcompress
from fmcompress.errors import StreamError, StreamFault

DONT_FILTER_PARTIAL_CHUNKS = 2  # H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS
MAPS = np.maximum(np.random.default_rng(3).integers(-60, 60, (50, 70)), 0).astype(np.int8)


def set_chunk_options(plist: Any, options: int) -> None:
    """Call ``H5Pset_chunk_opts``, which h5py does not offer, in the library that h5py uses."""
    folder = Path(h5py.__file__).parent
    names = [*folder.parent.glob("h5py.libs/libhdf5-*"), *folder.glob(".dylibs/libhdf5.*")]
    if not names:
        pytest.skip("the HDF5 library of h5py is not where its wheels have it")
    function = ctypes.CDLL(str(names[0])).H5Pset_chunk_opts
    function.argtypes = [ctypes.c_int64, ctypes.c_uint]
    assert function(plist.id, options) >= 0


@pytest.mark.parametrize("deflate", [True, False])
def test_edge_chunks_that_are_not_filtered(deflate: bool, tmp_path: Path) -> None:
    """They were filtered when they were put back, and read as other values."""
    path, packed, back = (tmp_path / name for name in ("maps.h5", "packed", "back.h5"))
    with h5py.File(path, "w", libver="latest") as file:
        plist = h5p.create(h5p.DATASET_CREATE)
        plist.set_chunk((16, 16))
        plist.set_shuffle()
        if deflate:
            plist.set_deflate(4)
        set_chunk_options(plist, DONT_FILTER_PARTIAL_CHUNKS)
        space = h5s.create_simple(MAPS.shape)
        h5d.create(file.id, b"odd", h5t.STD_I8LE, space, plist).write(h5s.ALL, h5s.ALL, MAPS)
        file.create_dataset("even", data=MAPS, chunks=(16, 16), compression="gzip")
    fmcompress.compress(path, packed)
    fmcompress.decompress(packed, back)
    with h5py.File(back) as file:
        assert (file["odd"][...] == MAPS).all()
        assert (file["even"][...] == MAPS).all()
    with fmcompress.open(packed) as opened:
        assert not opened["even"].carried


def test_bytes_behind_the_end_of_hdf5(tmp_path: Path) -> None:
    """The library cuts them off when chunks are put back."""
    path, packed, back = (tmp_path / name for name in ("maps.h5", "packed", "back.h5"))
    with h5py.File(path, "w") as file:
        file.create_dataset("maps", data=MAPS, chunks=(16, 16), compression="gzip")
    with path.open("ab") as file_:
        file_.write(b"more" * 100)
    fmcompress.compress(path, packed)
    fmcompress.decompress(packed, back)
    assert_same_hdf5(path, back)
    assert back.stat().st_size == path.stat().st_size
    assert back.read_bytes().endswith(b"more" * 100)


@pytest.mark.compiled
def test_threads_share_an_open_file(tmp_path: Path) -> None:
    """Reads of one thread moved the file's position under another's."""
    arrays = {f"l{i}": np.roll(MAPS, i).repeat(9) for i in range(6)}
    np.savez(tmp_path / "maps.npz", **arrays)
    fmcompress.compress(tmp_path / "maps.npz", tmp_path / "packed", chunk_words=2000)
    wrong: list[object] = []

    def read(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(60):
            name = f"l{random.integers(6)}"
            try:
                if not np.array_equal(file[name], arrays[name]):
                    wrong.append(name)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
                wrong.append(error)

    with fmcompress.open(tmp_path / "packed") as file:
        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "fmcompress.cli", *arguments]
    return subprocess.run(command, capture_output=True, check=False, timeout=120, **options)


@pytest.mark.compiled
def test_no_folder_to_keep_kernels_in(tmp_path: Path) -> None:
    """A read-only installation without a home was of no use."""
    np.save(tmp_path / "maps.npy", MAPS)
    broken = (
        "import numba.core.caching as c\n"
        "named = [k for k in c.CacheImpl._locator_classes if 'UserProvided' in k.__name__]\n"
        "c.CacheImpl._locator_classes = named\n"
        "from fmcompress.cli.main import main\n"
        "main()"
    )
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", broken, "stats", str(tmp_path / "maps.npy")],
        capture_output=True,
        check=False,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert b"set NUMBA_CACHE_DIR to a writable folder" in done.stderr
    assert b"ratio" in done.stdout


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_closed_standard_streams(closed: str, tmp_path: Path) -> None:
    np.save(tmp_path / "maps.npy", MAPS)
    command = f"exec {sys.executable} -m fmcompress.cli list maps.npy {closed}"
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert b"error" not in done.stderr


@pytest.mark.compiled
def test_hanging_up_leaves_nothing_behind(tmp_path: Path) -> None:
    np.save(tmp_path / "maps.npy", np.tile(MAPS, (2000, 4)))
    command = [sys.executable, "-m", "fmcompress.cli", "compress", "maps.npy", "packed"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not [*tmp_path.glob(".packed.*")] and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 143
    assert [path.name for path in tmp_path.iterdir()] == ["maps.npy"]


def test_a_name_with_brackets_is_no_pattern(tmp_path: Path) -> None:
    np.savez(tmp_path / "maps.npz", **{"a[0]": MAPS, "a0": MAPS})
    stats = fmcompress.stats(tmp_path / "maps.npz", layers="a[0]")
    assert [layer.name for layer in stats.layers] == ["a[0]", "a0"]
    assert [x.name for x in fmcompress.stats(tmp_path / "maps.npz", layers="a[[]*").layers] == [
        "a[0]"
    ]


def test_stream_errors_travel_between_processes() -> None:
    error = StreamError(StreamFault.BPC_POSITION, 7, 19)
    error.layer = "conv1"
    again = pickle.loads(pickle.dumps(error))
    assert (again.fault, again.word, again.bit) == (StreamFault.BPC_POSITION, 7, 19)
    assert str(again) == str(error)


def test_a_file_that_is_being_written_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "maps.h5"
    with h5py.File(path, "w") as file:
        file["maps"] = MAPS
        file.flush()
        done = run("list", str(path))
    if done.returncode:  # not every file system locks
        assert done.returncode == 1
        assert b"another program has it open for writing; close that program" in done.stderr
        assert os.fsencode(path) in done.stderr
