"""The same bytes, values and errors for any number of threads; bounded memory; interrupts.

Batches are made small, so that small dumps have many.
"""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import hostile
import numpy as np
import pytest
from conftest import running_threads, wait_for_threads
from hostile import Pipe
from numpy.typing import NDArray

import fmcompress
from fmcompress import batches, planning
from fmcompress.dumps import stored_array
from fmcompress.errors import DamagedError, FmcError, ParameterError
from fmcompress.in_order import Workers
from fmcompress.records import HEAD_BYTES, Kind

STRIDE = 7


@pytest.fixture
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_WORDS", 150)


def maps(dtype: Any, shape: tuple[int, ...] = (3, 5, 7, 9), lam: float = 1) -> NDArray[Any]:
    return np.random.default_rng(3).poisson(lam, shape).astype(dtype)


def write_npy(path: Path, array: NDArray[Any]) -> Path:
    np.save(path, array)
    return path


def write_hdf5(path: Path) -> Path:
    """Write many layers: small, large, in chunks, with attributes, and some that are carried."""
    with h5py.File(path, "w") as file:
        for number in range(20):
            file[f"small/{number:02}"] = maps("i1", (2, number + 1))
        file.create_dataset("large", data=maps("<i2", (40, 50)), chunks=(16, 7), compression="gzip")
        file["channels"] = maps("u1")
        file["channels"].attrs["zero_point"] = np.arange(5)
        file["channels"].attrs["axis"] = 1
        file["floats"] = maps("<f4") - 1
        file["halves"] = maps(">f2") - 1
        file["flags"] = maps("i1") > 1
        file["wide"] = maps(">u4", lam=5000)
        file["names"] = [b"carried"]
        file["doubles"] = maps("f8")
    return path


DUMPS: dict[str, Callable[[Path], Path]] = {
    "maps.npy": partial(write_npy, array=maps("u1")),
    "fortran.npy": partial(write_npy, array=np.asfortranarray(maps(">i2") - 1)),
    "one_word.npy": partial(write_npy, array=maps("i1", (1,))),
    "maps.h5": write_hdf5,
}
CODINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "quantised": {"quantize": "fixed8"},
    "channels": {"quantize": "fixed12", "headroom_axis": 0, "rounding": "nearest"},
    "floats": {"quantize": "bfloat16"},
    "auto": {"order": "auto", "serpentine": True},
    "chunks of one": {"chunk_words": 1, "block_size": 4},
}


@pytest.mark.usefixtures("_small_batches")
@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("name", DUMPS)
def test_threads_change_nothing(name: str, coding: str, tmp_path: Path) -> None:
    path = DUMPS[name](tmp_path / name)
    options = {"chunk_words": 30, **CODINGS[coding]}
    if name.startswith(("maps.npy", "fortran", "one")):
        options = {k: v for k, v in options.items() if k not in ("quantize", "headroom_axis")}
        options.pop("rounding", None)
        if name.startswith("one"):
            options.pop("serpentine", None)
    results = []
    for threads in (1, 2, 3):
        packed = tmp_path / f"{threads}.fmc"
        stats = fmcompress.compress(path, packed, threads=threads, **options)
        assert fmcompress.stats(path, threads=threads, **options).to_json() == stats.to_json()
        back, anew = tmp_path / f"{threads}.back", tmp_path / f"{threads}.npz"
        fmcompress.decompress(packed, back, threads=threads)
        lossy = any(info.quantized for info in fmcompress.open(packed).values())
        fmcompress.decompress(packed, anew, threads=threads, dequantize=lossy)
        checked = fmcompress.verify(packed, threads=threads)
        assert checked.ok
        if not lossy and name.endswith("npy"):
            assert back.read_bytes() == path.read_bytes()
        with np.load(anew) as arrays:
            values = {name: (array.dtype, array.tobytes()) for name, array in arrays.items()}
        results.append((packed.read_bytes(), checked.to_json() | {"file": ""}, values))
    assert results[0] == results[1] == results[2]


def test_batches_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_hdf5(tmp_path / "maps.h5")
    found = set()
    for words, chunks in ((1, 1), (100, 256), (1000, 2), (1 << 20, 256)):
        monkeypatch.setattr(batches, "BATCH_WORDS", words)
        monkeypatch.setattr(batches, "BATCH_CHUNKS", chunks)
        fmcompress.compress(path, tmp_path / "packed", chunk_words=30, quantize="fixed8")
        found.add((tmp_path / "packed").read_bytes())
    assert len(found) == 1


# --- Damage ---------------------------------------------------------------------------------


@pytest.fixture
def packed(tmp_path: Path) -> bytes:
    """A container of two layers, of 8 and 5 chunks."""
    target = io.BytesIO()
    source = tmp_path / "source.npz"
    np.savez(source, first=maps("i1", (8, 30)), second=maps("i1", (5, 30)))
    fmcompress.compress(source, target, chunk_words=30)
    return target.getvalue()


def said(data: bytes, threads: int, folder: Path, pipe: bool = False) -> list[str]:
    """What verify and decompress say of a container."""
    reports = []
    for make in (io.BytesIO, Pipe) if pipe else (io.BytesIO,):
        try:
            result = fmcompress.verify(make(data), threads=threads)
            reports += [str(result.to_json())]
        except FmcError as error:
            reports.append(f"{type(error).__name__} {error}")
        for to in ("npz", "hdf5"):
            try:
                fmcompress.decompress(make(data), folder / "back", to=to, threads=threads)
                (folder / "back").unlink()
                reports.append("fine")
            except FmcError as error:
                reports.append(f"{type(error).__name__} {error}")
    assert not (folder / "back").exists()
    return [re.sub(r"\S*fmc-\w+", "(copy)", report) for report in reports]


@pytest.mark.usefixtures("_small_batches")
def test_damage_is_said_alike(packed: bytes, tmp_path: Path) -> None:
    for at in range(0, len(packed), STRIDE):
        changed = bytearray(packed)
        changed[at] ^= 4
        one, three = (said(bytes(changed), threads, tmp_path, pipe=True) for threads in (1, 3))
        assert one == three, at
    for size in range(0, len(packed), 5 * STRIDE):
        one, three = (said(packed[:size], threads, tmp_path) for threads in (1, 3))
        assert one == three, size


def wrong_zeros(data: bytes, wanted: set[int]) -> bytes:
    """Let chunks say a wrong number of zero words, all checksums right."""
    chunks, parts = 0, []
    for kind, start, end in hostile.record_spans(data):
        payload = bytearray(data[start + HEAD_BYTES : end])
        if kind == Kind.CHUNK:
            if chunks in wanted:
                payload[4] ^= 1
            chunks += 1
        parts.append(hostile.Part(Kind(kind), data[start + 1], bytes(payload)))
    return hostile.container(*parts)


@pytest.mark.usefixtures("_small_batches")
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_first_damaged_chunk_is_named_and_all_are_listed(
    packed: bytes, threads: int, tmp_path: Path
) -> None:
    data = wrong_zeros(packed, {3, 4, 7, 8, 12})
    places = [("first", 3), ("first", 4), ("first", 7), ("second", 0), ("second", 4)]
    result = fmcompress.verify(io.BytesIO(data), threads=threads)
    assert [(damage.layer, damage.chunk) for damage in result.damages] == places
    assert (result.layers, result.chunks, result.words) == (2, 8, 240)
    result = fmcompress.verify(Pipe(data), threads=threads)  # type: ignore[arg-type]
    assert [(damage.layer, damage.chunk) for damage in result.damages] == places[:1]
    assert (result.layers, result.chunks, result.words) == (2, 3, 90)
    for to in (None, "hdf5"):
        with pytest.raises(DamagedError, match="number of zero words") as caught:
            fmcompress.decompress(io.BytesIO(data), tmp_path / "back", to=to, threads=threads)
        assert caught.value.layer == "first"
        assert caught.value.cause.startswith("chunk 3: ")
        assert not (tmp_path / "back").exists()


# --- Errors and interrupts ------------------------------------------------------------------


@pytest.mark.usefixtures("_small_batches")
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_value_that_does_not_fit(threads: int, tmp_path: Path) -> None:
    array = maps("i2", (20, 90))
    array[7, 3] = array[9, 9] = 1000
    np.savez(tmp_path / "maps.npz", fits=maps("i2"), not_all=array, later=array)
    before = running_threads()
    with pytest.raises(ParameterError, match=r"element \[7, 3\] is 1000") as caught:
        fmcompress.compress(
            tmp_path / "maps.npz", tmp_path / "packed", word_bits=5, chunk_words=30, threads=threads
        )
    assert caught.value.layer == "not_all"
    wait_for_threads(before)
    assert not (tmp_path / "packed").exists()


@pytest.mark.parametrize("threads", [-1, True, "2", 1.5])
def test_what_is_no_number_of_threads(threads: Any, tmp_path: Path) -> None:
    path = write_npy(tmp_path / "maps.npy", maps("i1"))
    fmcompress.compress(path, tmp_path / "packed", threads=0)
    for action in (
        partial(fmcompress.compress, path, tmp_path / "new"),
        partial(fmcompress.stats, path),
        partial(fmcompress.stats, tmp_path / "packed"),
        partial(fmcompress.decompress, tmp_path / "packed", tmp_path / "new"),
        partial(fmcompress.verify, tmp_path / "packed"),
    ):
        with pytest.raises(ParameterError, match="threads is"):
            action(threads=threads)
    assert not (tmp_path / "new").exists()


PROGRAM = """
import _thread, os, signal, sys, time
import fmcompress
from fmcompress import batches

batches.BATCH_WORDS = 1 << 16
source, packed, target = sys.argv[1:]


def stop(*_):
    raise KeyboardInterrupt


actions = [
    lambda: fmcompress.compress(source, target, threads=2),
    lambda: fmcompress.decompress(packed, target, threads=2),
    lambda: fmcompress.decompress(packed, target, to="hdf5", threads=2),
    lambda: fmcompress.verify(packed, threads=2),
]
signal.signal(signal.SIGALRM, stop)
stopped = 0
for action in actions:
    action()  # nothing is compiled behind here
    if os.path.exists(target):
        os.unlink(target)
    for attempt in range(10):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.002 + 0.003 * attempt)
            action()
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            stopped += 1
            assert {*os.listdir(os.path.dirname(target))} <= {"out"}  # which is complete
        patience = time.monotonic() + 20
        while _thread._count():
            assert time.monotonic() < patience
            time.sleep(0.001)
        if os.path.exists(target):
            os.unlink(target)
print("through", stopped > 0)
"""


@pytest.mark.compiled
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no timers")
def test_an_interrupt_leaves_neither_threads_nor_files(tmp_path: Path) -> None:
    source = write_npy(tmp_path / "maps.npy", maps("i1", (4, 512, 1024)))
    packed = tmp_path / "packed"
    fmcompress.compress(source, packed)
    (tmp_path / "here").mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, source, packed, tmp_path / "here" / "out"],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert (ran.returncode, ran.stdout) == (0, "through True\n"), ran.stderr


# --- Memory ---------------------------------------------------------------------------------


@pytest.mark.compiled
@pytest.mark.parametrize("action", ["compress", "decompress", "convert", "verify"])
def test_memory_is_that_of_the_batches(
    action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that of the file: 64 MB of zeros, blocks and batches of 256 KiB, three threads."""
    monkeypatch.setattr(stored_array, "BLOCK_BYTES", 1 << 18)
    monkeypatch.setattr(planning, "_KEPT_BYTES", 1 << 18)
    monkeypatch.setattr(batches, "BATCH_WORDS", 1 << 18)
    source = tmp_path / "maps.npy"
    with source.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (64, 1000, 1000)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 64_000_000)
    packed, target = tmp_path / "packed", tmp_path / "target"
    actions: dict[str, Callable[..., Any]] = {
        "compress": partial(fmcompress.compress, source, target),
        "decompress": partial(fmcompress.decompress, packed, target),
        "convert": partial(fmcompress.decompress, packed, target, to="safetensors"),
        "verify": partial(fmcompress.verify, packed),
    }
    fmcompress.compress(source, packed)
    tracemalloc.start()
    try:
        actions[action](threads=3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < (16 if action == "compress" else 8) << 20


def test_more_threads_than_work(tmp_path: Path) -> None:
    path = write_npy(tmp_path / "maps.npy", maps("i1"))
    fmcompress.compress(path, tmp_path / "packed", threads=50)
    assert fmcompress.verify(tmp_path / "packed", threads=50).ok
    with Workers(50) as workers:
        assert [*workers.map(abs, [-1])] == [1]
