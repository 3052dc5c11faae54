"""What bad input gets: one clear line, the documented exit code, nothing left, nothing lost."""

from __future__ import annotations

import csv
import ctypes
import io
import logging
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import h5py
import hostile
import numpy as np
import pytest
from hostile import chunk, container, dump, layers, npy, row, template

import fmcompress
from fmcompress.cli.main import main

FMC = [sys.executable, "-m", "fmcompress.cli"]
COMMANDS = ("compress", "decompress", "stats", "list", "verify")
# Of 20 kB: more than `LIMIT`, the largest file that a test of full disks allows.
NOISE = np.random.default_rng(6).integers(-128, 128, 20_000, np.int8)
LIMIT = 9_000


class Files(NamedTuple):
    """Everything under a folder: what stands there before must be all that stands there after."""

    folder: Path

    def content(self) -> dict[str, bytes | None]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else None
            for path in sorted(self.folder.rglob("*"))
        }


def run(
    *arguments: str | Path, preexec: Callable[[], object] | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run ``fmc`` as a user does: in a process of its own, where that makes a difference."""
    if preexec is None and not more:
        return run_here([*map(str, arguments)])
    return subprocess.run(
        [*FMC, *map(str, arguments)],
        stdin=more.pop("stdin", subprocess.DEVNULL),
        stdout=more.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        errors="surrogateescape",
        timeout=120,
        preexec_fn=preexec,
        check=False,
        **more,
    )


def run_here(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run ``fmc`` in this process, which takes no half second to start."""
    out, err = (
        io.TextIOWrapper(io.BytesIO(), "utf-8", errors, write_through=True)
        for errors in ("surrogateescape", "backslashreplace")
    )
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with (
        open(os.devnull, encoding="utf-8") as nothing,
        mock.patch.multiple(sys, stdin=nothing, stdout=out, stderr=err),
        pytest.raises(SystemExit) as exit_,
    ):
        main(arguments)
    logging.getLogger("fmcompress").handlers.clear()
    for number, handler in before.items():
        signal.signal(number, handler)
    assert isinstance(exit_.value.code, int)
    texts = (file.buffer.getvalue().decode("utf-8", "surrogateescape") for file in (out, err))
    return subprocess.CompletedProcess(arguments, exit_.value.code, *texts)


def refused(
    folder: Path,
    code: int,
    *arguments: str | Path,
    names: tuple[str | Path, ...],
    remedy: bool = True,
    **more: Any,
) -> str:
    """Check that ``fmc`` refuses, in one line with all `names` and a remedy, and touches nothing.

    Returns
    -------
    str
        The line.
    """
    before = Files(folder).content()
    done = run(*arguments, **more)
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr
    assert not done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("fmc: ")
    assert "internal error" not in lines[0]
    for name in names:
        assert str(name) in lines[0]
    assert not remedy or re.search(r"; \S", lines[0]), f"no remedy: {lines[0]}"
    assert Files(folder).content() == before
    return lines[0]


@pytest.fixture
def dumped(tmp_path: Path) -> Path:
    """Give a small dump."""
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["conv/one"] = np.int8([3, 0, 0, 1])
        file["conv/two"] = np.int8([0, 0, 7])
    return tmp_path / "maps.h5"


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Give a small compressed file, written without any kernel."""
    path = tmp_path / "maps.npy.fmc"
    path.write_bytes(npy([1, 0, 0, 5]))
    return path


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, bytes]]:
    """Give dumps that compress to about their own size, and what they compress to."""
    folder = tmp_path_factory.mktemp("noisy")
    np.save(folder / "npy", NOISE)
    np.savez_compressed(folder / "npz", a=NOISE)
    with h5py.File(folder / "h5", "w") as file:
        file["a"] = NOISE
    with h5py.File(folder / "chunked", "w") as file:
        file.create_dataset("a", data=NOISE, chunks=(2000,), compression="gzip")
    pairs = {}
    for path in sorted(folder.iterdir()):
        target = io.BytesIO()
        fmcompress.compress(path, target)
        pairs[path.name.split(".")[0]] = (path.read_bytes(), target.getvalue())
    assert all(min(map(len, pair)) > 2 * LIMIT for pair in pairs.values())
    return pairs


# --- Files that are not what they should be ------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_missing_file(command: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing.fmc"
    line = refused(tmp_path, 1, command, missing, names=(missing,))
    assert "No such file" in line


@pytest.mark.parametrize("command", ["decompress", "verify"])
def test_directory(command: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder.fmc"
    folder.mkdir()
    line = refused(tmp_path, 1, command, folder, names=(folder,))
    assert "is a directory; name a file" in line


@pytest.mark.parametrize("command", ["compress", "list", "stats"])
def test_directory_without_dumps(command: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    line = refused(tmp_path, 4, command, folder, names=(folder,))
    assert "no file in it is a dump; name a folder of dumps" in line


def test_directory_as_output(dumped: Path, packed: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for arguments in (("compress", "-f", dumped), ("decompress", "-f", packed)):
        line = refused(tmp_path, 1, *arguments, tmp_path / "folder", names=(tmp_path / "folder",))
        assert "is a directory" in line


def test_output_in_a_missing_directory(dumped: Path, packed: Path, tmp_path: Path) -> None:
    out = tmp_path / "nowhere" / "out"
    for arguments in (("compress", dumped), ("decompress", packed)):
        line = refused(tmp_path, 1, *arguments, out, names=(out,))
        assert line.endswith(f"{out}: there is no folder {out.parent}; check the name")
        (tmp_path / "link").symlink_to(out)
        line = refused(tmp_path, 1, *arguments, "link", names=("link",), cwd=tmp_path)
        assert line.endswith(f"link: there is no folder {out.parent}; check the name")
        (tmp_path / "link").unlink()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
@pytest.mark.parametrize(
    "arguments",
    [("report", "-o", "/proc/x"), ("sweep", "-o", "/proc/x"), ("compress", "-o", "/proc/x")],
)
def test_output_where_no_files_can_be_made(
    dumped: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    line = refused(tmp_path, 1, *arguments, dumped, names=("/proc/x",))
    assert line.endswith("/proc/x: no files can be made in /proc; check the name")


@pytest.mark.parametrize("command", ["compress", "decompress", "verify"])
def test_empty_file(command: str, tmp_path: Path) -> None:
    path = tmp_path / "empty.fmc"
    path.touch()
    line = refused(tmp_path, 3, command, path, names=(path,))
    assert "the file is empty" in line


@pytest.mark.parametrize("command", ["compress", "stats", "list"])
def test_text_file_named_h5(command: str, tmp_path: Path) -> None:
    path = tmp_path / "maps.h5"
    path.write_text("Layer,Mean\nconv1,0.5\n")
    line = refused(tmp_path, 4, command, path, names=(path,))
    assert "not an HDF5, NPY" in line


def dumps(folder: Path) -> dict[str, bytes]:
    """Make a dump of every format."""
    maps = np.arange(600, dtype=np.int16).reshape(20, 30)
    with h5py.File(folder / "contiguous.h5", "w") as file:
        file["maps"] = maps
    with h5py.File(folder / "chunked.h5", "w") as file:
        file.create_dataset("maps", data=maps, chunks=(5, 30), compression="gzip")
    np.save(folder / "array.npy", maps)
    np.savez(folder / "plain.npz", maps=maps)
    np.savez_compressed(folder / "packed.npz", maps=maps)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "name", ["contiguous.h5", "chunked.h5", "array.npy", "plain.npz", "packed.npz"]
)
def test_truncated_dump(name: str, tmp_path: Path) -> None:
    data = dumps(tmp_path)[name]
    path = tmp_path / name
    path.write_bytes(data[: len(data) // 2])
    line = refused(tmp_path, 3, "compress", path, names=(path,))
    assert re.search(r"cut|ends|damaged|truncated|cannot be", line)
    sizes = {*range(8, 130, 3), *range(130, len(data), len(data) // 40), len(data) - 1}
    for size in sorted(sizes):
        path.write_bytes(data[:size])
        error = hostile.error_of(lambda: fmcompress.compress(path, tmp_path / "out"))
        assert error is not None, size
        assert error.exit_code == 3, (size, error)
    assert not (tmp_path / "out").exists()


def change_bytes(path: Path, step: int) -> None:
    """Change bytes of a dump: compress must refuse it with an error of its own, or bring it back.

    A member that zipfile writes anew need not have the same head.
    """
    data = path.read_bytes()
    for at in range(step // 2, len(data), step):
        for value in {0xFF, data[at] ^ 0x40} - {data[at]}:
            changed = data[:at] + bytes([value]) + data[at + 1 :]
            packed, back = io.BytesIO(), io.BytesIO()
            try:
                if hostile.error_of(partial(fmcompress.compress, io.BytesIO(changed), packed)):
                    continue
                fmcompress.decompress(io.BytesIO(packed.getvalue()), back)
            except Exception as error:  # noqa: BLE001 - to be told, with where it was
                print(f"byte {at} = {value}: {type(error).__name__}: {error}")
                continue
            if not same(back, io.BytesIO(changed), path.name):
                print(f"byte {at} = {value}: came back changed")


def same(back: io.BytesIO, changed: io.BytesIO, name: str) -> bool:
    if name == "chunked.h5":  # the library wrote its chunks, and may put its own head right
        with h5py.File(back) as ours, h5py.File(changed) as theirs:
            return set(ours) == set(theirs) and all(
                np.array_equal(ours[key][()], theirs[key][()]) for key in theirs
            )
    return name == "packed.npz" or back.getvalue() == changed.getvalue()


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("contiguous.h5", 71),
        ("chunked.h5", 101),
        ("array.npy", 29),
        ("plain.npz", 29),
        ("packed.npz", 23),
    ],
)
def test_changed_byte_in_a_dump(name: str, step: int, tmp_path: Path) -> None:
    """In a process of its own: the HDF5 library might not survive everything."""
    dumps(tmp_path)
    script = (
        f"import sys, pathlib; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        f"import test_bad_input as t; t.change_bytes(pathlib.Path({str(tmp_path / name)!r}), {step})"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr


def test_pickled_npy(tmp_path: Path) -> None:
    path = tmp_path / "objects.npy"
    np.save(path, np.array([{"a": 1}, None]), allow_pickle=True)
    line = refused(tmp_path, 4, "compress", path, names=(path,))
    assert "pickled Python objects, which are never loaded; save it as a plain array" in line


def test_pickled_array_in_npz(tmp_path: Path) -> None:
    path = tmp_path / "objects.npz"
    np.savez(path, fine=np.int8([1, 2]), worse=np.array([{"a": 1}, None]))
    line = refused(tmp_path, 4, "compress", path, names=(path, "layer 'worse'"))
    assert "pickled" in line


@pytest.mark.parametrize("mandatory", [True, False])
def test_missing_filter_plugin(mandatory: bool, tmp_path: Path) -> None:
    path = tmp_path / "blosc.h5"
    hostile.write_filtered(path, 32001, mandatory=mandatory)
    line = refused(tmp_path, 4, "compress", path, names=(path, "layer 'a'"))
    assert "filter 32001 (Blosc) is not installed; 'pip install hdf5plugin'" in line
    assert "--layers" in line
    with h5py.File(path, "r+") as file:
        file["other"] = np.int8([1, 0, 2])
    fmcompress.compress(path, tmp_path / "packed", layers="other")
    fmcompress.decompress(tmp_path / "packed", tmp_path / "back.h5")
    assert (tmp_path / "back.h5").read_bytes() == path.read_bytes()


def test_a_member_that_could_not_be_put_back(tmp_path: Path) -> None:
    """What compress takes, decompress gives back: better refused now than lost later."""
    path = tmp_path / "packed.npz"
    np.savez_compressed(path, a=np.int8([1, 0, 0, 5]), b=np.float32([1, 2]))
    data = path.read_bytes()
    at = data.rindex(b"b.npy")  # the archive's directory; the member's own head says b.npy still
    path.write_bytes(data[:at] + b"b/npy" + data[at + 5 :])
    check_taken_or_refused(path)


@pytest.mark.parametrize("field", ["version", "allocation", "fill time", "defined"])
def test_odd_fill_values(field: str, tmp_path: Path) -> None:
    """An undefined fill value is legal: programs in C write it."""
    path = tmp_path / "maps.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=np.arange(60, dtype=np.int8), chunks=(20,))
    data = bytearray(path.read_bytes())
    (message,) = re.finditer(rb"\x05\x00.\x00.\x00\x00\x00(\x02[\x00-\x03][\x00-\x02]\x01)", data)
    at = message.start(1) + ["version", "allocation", "fill time", "defined"].index(field)
    data[at] = 0
    path.write_bytes(data)
    check_taken_or_refused(path)


def test_two_dumps_put_back_at_once(tmp_path: Path) -> None:
    """A library's user may restore in threads, or again after an error."""
    path = tmp_path / "maps.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=np.arange(60, dtype=np.int8), chunks=(20,))
    fmcompress.compress(path, tmp_path / "packed", chunk_words=20)
    inner = []

    def meanwhile(step: Any) -> None:
        if not inner:
            inner.append(io.BytesIO())
            fmcompress.decompress(tmp_path / "packed", inner[0])

    outer = io.BytesIO()
    fmcompress.decompress(tmp_path / "packed", outer, progress=meanwhile)
    assert outer.getvalue() == inner[0].getvalue() == path.read_bytes()


def check_taken_or_refused(path: Path) -> None:
    """Check that a dump is refused, or comes back."""
    packed, back = io.BytesIO(), io.BytesIO()
    if hostile.error_of(lambda: fmcompress.compress(path, packed)) is None:
        fmcompress.decompress(io.BytesIO(packed.getvalue()), back)
        assert same(
            back,
            io.BytesIO(path.read_bytes()),
            "chunked.h5" if path.suffix == ".h5" else "packed.npz",
        )


# --- Zero points ---------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["128", "-129", "99999999999999999999"])
def test_zero_point_outside_the_dtype(value: str, dumped: Path, tmp_path: Path) -> None:
    option = f"--zero-point={value}"
    line = refused(tmp_path, 2, "compress", option, dumped, names=(dumped, "layer 'conv/one'"))
    assert f"zero point {value} is outside int8; give one from -128 to 127" in line


def test_attribute_zero_point_outside_the_dtype_is_a_warning(dumped: Path, tmp_path: Path) -> None:
    with h5py.File(dumped, "r+") as file:
        file["conv/one"].attrs["zero_point"] = 300
    done = run("compress", dumped)
    assert done.returncode == 0, done.stderr
    warning, summary = (line for line in done.stderr.splitlines() if "compiling" not in line)
    assert warning.startswith("fmc: warning: ")
    assert "layer 'conv/one': its attribute says zero point 300, which is outside int8" in warning
    assert str(dumped) in summary
    fmcompress.decompress(f"{dumped}.fmc", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == dumped.read_bytes()


@pytest.mark.parametrize("value", ["abc", True, [b"1"]])
def test_a_zero_point_attribute_that_is_no_number(tmp_path: Path, value: Any) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["a"] = np.array([3, 3, 4], np.int8)
        file["a"].attrs["zero_point"] = value
    [warning] = fmcompress.stats(tmp_path / "in.h5").warnings
    assert re.match(r"layer 'a': its attribute zero_point is .*, no number; it is ignored", warning)
    assert fmcompress.stats(tmp_path / "in.h5", zero_point=3).warnings == []


@pytest.mark.parametrize(
    "value",
    [
        300,
        -(2**63),
        2**64 - 1,
        1e30,
        np.nan,
        np.inf,
        -np.inf,
        0.5,
        "7",
        b"\xff",
        True,
        1j,
        [1, 2],
        np.int8([5]),
        np.zeros(0, np.int8),
        h5py.Empty("i1"),
        np.array([(1, 2)], "i1,i1"),
    ],
    ids=repr,
)
def test_any_attribute_zero_point_is_survived(value: Any, dumped: Path, tmp_path: Path) -> None:
    with h5py.File(dumped, "r+") as file:
        file["conv/one"].attrs["zero_point"] = value
    fmcompress.compress(dumped, tmp_path / "packed")
    fmcompress.decompress(tmp_path / "packed", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == dumped.read_bytes()


# --- No space, no permission ---------------------------------------------------------------


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


@pytest.mark.parametrize(
    ("kind", "existing"), [("npy", True), ("npz", False), ("h5", False), ("chunked", True)]
)
def test_no_space_left(
    kind: str, existing: bool, noisy: dict[str, tuple[bytes, bytes]], tmp_path: Path
) -> None:
    for command, data in zip(("compress", "decompress"), noisy[kind], strict=True):
        source, target = tmp_path / "in", tmp_path / "out"
        source.write_bytes(data)
        if existing:
            target.write_bytes(b"precious")
        line = refused(
            tmp_path, 1, command, "-f", source, target, names=(target,), preexec=limit_file_size
        )
        assert "File too large; free some space" in line


@pytest.mark.parametrize("kind", ["npy", "npz", "chunked"])
def test_no_space_left_in_a_small_file_system(
    kind: str, noisy: dict[str, tuple[bytes, bytes]], tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12k", "none", small], capture_output=True, check=False
    ).returncode:
        pytest.skip("only root can mount a small file system")
    try:
        for command, data in zip(("compress", "decompress"), noisy[kind], strict=True):
            (tmp_path / "in").write_bytes(data)
            target = small / "out"
            line = refused(tmp_path, 1, command, tmp_path / "in", target, names=(target,))
            assert "free some space" in line
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize("command", ["compress", "decompress"])
def test_no_space_left_on_a_device(
    command: str, noisy: dict[str, tuple[bytes, bytes]], tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(noisy["npy"][command == "decompress"])
    line = refused(tmp_path, 1, command, tmp_path / "in", "/dev/full", names=("/dev/full",))
    assert "No space left on device; free some space" in line


@pytest.mark.parametrize("command", ["compress", "decompress", "list"])
def test_no_space_left_for_stdout(
    command: str, noisy: dict[str, tuple[bytes, bytes]], tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(noisy["npy"][command == "decompress"])
    target = [] if command == "list" else ["-"]
    with Path("/dev/full").open("wb") as full:
        line = refused(tmp_path, 1, command, tmp_path / "in", *target, names=(), stdout=full)
    assert "No space left on device; free some space" in line


def without_privileges() -> None:
    """Let root meet permissions like anybody else."""
    if os.geteuid() == 0:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            if prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
                raise OSError(ctypes.get_errno(), "prctl")


@pytest.mark.parametrize("command", COMMANDS)
def test_no_permission_to_read(command: str, dumped: Path, packed: Path, tmp_path: Path) -> None:
    path = dumped if command == "compress" else packed
    before = path.read_bytes()
    path.chmod(0)
    try:
        done = run(command, path, preexec=without_privileges)
    finally:
        path.chmod(0o600)
    assert done.returncode == 1
    assert re.fullmatch(f"fmc: {path}: Permission denied; .+\n", done.stderr)
    assert not done.stdout
    assert {p.name for p in tmp_path.iterdir()} == {dumped.name, packed.name}
    assert path.read_bytes() == before


def test_no_permission_to_write(dumped: Path, packed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "out").write_bytes(b"precious")
    folder.chmod(0o500)
    for arguments in (("compress", dumped), ("decompress", packed)):
        for name in ("out", "new"):
            line = refused(
                tmp_path,
                1,
                *arguments[:1],
                "-f",
                *arguments[1:],
                folder / name,
                names=(folder / name,),
                preexec=without_privileges,
            )
            assert "Permission denied" in line


# --- Containers ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["decompress", "verify"])
def test_wrong_magic(command: str, packed: Path, tmp_path: Path) -> None:
    packed.write_bytes(b"\x88FMC" + packed.read_bytes()[4:])
    line = refused(tmp_path, 3, command, packed, names=(packed,))
    assert "not an fmcompress file, or its first bytes are damaged" in line


@pytest.mark.parametrize("command", ["decompress", "verify"])
def test_a_dump_where_a_compressed_file_should_be(
    command: str, packed: Path, tmp_path: Path
) -> None:
    for start in (b"\x89HDF\r\n\x1a\n", b"\x93NUMPY", b"PK\x03\x04"):
        packed.write_bytes(start + bytes(50))
        line = refused(tmp_path, 4, command, packed, names=(packed,))
        assert "is a dump, not a compressed file; use 'fmc compress' first" in line


@pytest.mark.parametrize("command", ["decompress", "stats", "list", "verify"])
def test_newer_version(command: str, packed: Path, tmp_path: Path) -> None:
    packed.write_bytes(hostile.newer_version(packed.read_bytes()))
    line = refused(tmp_path, 4, command, packed, names=(packed,))
    assert "format version 2 is newer than 1; upgrade fmcompress" in line


def check_damaged(packed: Path, message: str, *names: str) -> None:
    """Check that decompress and verify each say, in one line, what is damaged."""
    for command in ("decompress", "verify"):
        # What verify prints is a list of what it found, not an order that failed.
        line = refused(
            packed.parent, 3, command, packed, names=(packed, *names), remedy=command != "verify"
        )
        assert re.search(message, line)


@pytest.mark.parametrize("at", [9, 30, 300, -40])
def test_flipped_bit(at: int, packed: Path) -> None:
    data = bytearray(packed.read_bytes())
    data[at] ^= 4
    packed.write_bytes(data)
    check_damaged(packed, "checksum|trailer|index|record|header")


def test_flipped_bit_in_a_layer(packed: Path) -> None:
    data = bytearray(packed.read_bytes())
    data[hostile.record_spans(bytes(data))[-1][2] - 1] ^= 1
    packed.write_bytes(data)
    check_damaged(packed, "checksum", "layer 'arr_0'", "chunk 0")


@pytest.mark.parametrize("size", [1, 24, 200, -1])
def test_cut_file(size: int, packed: Path) -> None:
    packed.write_bytes(packed.read_bytes()[:size])
    check_damaged(packed, r"the file ends within a|its writing was interrupted, or it was cut")


def test_a_header_that_promises_2_to_the_60_elements(packed: Path) -> None:
    packed.write_bytes(npy([1, 0, 0, 5], shape=[2**60]))
    check_damaged(packed, "", "layer 'arr_0'")


def test_a_compressed_file_that_promises_2_to_the_60_bytes(packed: Path, tmp_path: Path) -> None:
    packed.write_bytes(container(dump(2**60), template((0, b"x"))))
    before = Files(tmp_path).content()
    done = run("decompress", packed)
    assert done.returncode in (1, 3)
    assert re.fullmatch(r"fmc: .+; .+\n", done.stderr)
    assert Files(tmp_path).content() == before


def promise(path: Path) -> None:
    """Write a dump whose header promises 2^60 elements."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "|i1", "fortran_order": False, "shape": (2**60,)}
    )
    npy_data = head.getvalue() + b"\x01" * 50
    if path.suffix == ".npy":
        path.write_bytes(npy_data)
    elif path.suffix == ".npz":
        import zipfile

        method = zipfile.ZIP_DEFLATED if path.stem == "packed" else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("a.npy", npy_data)
    else:
        shape = (2**60,) if path.stem == "long" else (1, 2**60)
        with h5py.File(path, "w") as file:
            maps = file.create_dataset("a", shape, np.int8, chunks=(1,) * (len(shape) - 1) + (64,))
            maps[..., :50] = 1


@pytest.mark.parametrize("name", ["array.npy", "plain.npz", "packed.npz"])
def test_a_dump_that_promises_2_to_the_60_elements(name: str, tmp_path: Path) -> None:
    promise(tmp_path / name)
    for command in ("compress", "list"):
        line = refused(tmp_path, 3, command, tmp_path / name, names=(tmp_path / name,))
        assert "promises" in line


@pytest.mark.parametrize("name", ["long.h5", "wide.h5"])
def test_a_dataset_of_2_to_the_60_elements_mostly_unwritten(name: str, tmp_path: Path) -> None:
    """It is legal, and must come back or be refused, but not take for ever or all memory."""
    promise(tmp_path / name)
    before = (tmp_path / name).read_bytes()
    done = subprocess.run(
        [*FMC, "compress", str(tmp_path / name), str(tmp_path / "packed")],
        capture_output=True,
        timeout=15,
        check=False,
    )
    if done.returncode:
        assert done.returncode in (3, 4), done.stderr
        assert not (tmp_path / "packed").exists()
    else:
        fmcompress.decompress(tmp_path / "packed", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == before


def test_chunks_that_overlap(packed: Path, tmp_path: Path) -> None:
    head = hostile.npy_head(4)
    at_head: dict[str, Any] = {"place": {"offset": len(head)}}
    about = layers(row("a", **at_head), row("b", **at_head))
    parts = (dump(len(head) + 4), template((0, head)), about, chunk([1, 2, 3, 4]))
    packed.write_bytes(container(*parts, parts[-1]))
    line = refused(tmp_path, 3, "decompress", packed, names=(packed,))
    assert "overlap" in line


def test_an_index_of_records_that_overlap(packed: Path) -> None:
    packed.write_bytes(
        container(
            dump(5),
            template((0, b"hello")),
            index=lambda entries: bytes([1, 0, 0, 0, 9, 0, 0, 0]) + entries[1],
        )
    )
    check_damaged(packed, "index")


def test_a_stream_that_ends_early_although_its_checksum_is_right(packed: Path) -> None:
    znz, bpc = hostile.encode([1, 0, 0, 5], 8)
    packed.write_bytes(npy([1, 0, 0, 5], hostile.raw_chunk(4, 2, znz, bpc[:-1])))
    check_damaged(
        packed,
        r"BPC stream, word 0, bit \d+: the stream ends too early",
        "layer 'arr_0'",
        "chunk 0",
    )


# --- Usage ---------------------------------------------------------------------------------


def test_output_exists(dumped: Path, packed: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("out")
    for arguments in (("compress", dumped), ("decompress", packed)):
        for out in ("out", "link"):
            line = refused(tmp_path, 1, *arguments, tmp_path / out, names=(tmp_path / out,))
            assert "exists already; use --force" in line


@pytest.mark.parametrize("command", ["compress", "decompress"])
@pytest.mark.parametrize("way", ["plain", "dot", "symlink", "hard link"])
def test_input_is_output(
    command: str, way: str, dumped: Path, packed: Path, tmp_path: Path
) -> None:
    source = dumped if command == "compress" else packed
    target = tmp_path / "other"
    if way == "plain":
        target = source
    elif way == "dot":
        target = Path(f"{tmp_path}/../{tmp_path.name}/{source.name}")
    elif way == "symlink":
        target.symlink_to(source)
    else:
        target.hardlink_to(source)
    line = refused(tmp_path, 1, command, "-f", source, target, names=(source,))
    assert "is both input and output; name another output" in line


@pytest.mark.parametrize("command", COMMANDS)
def test_unknown_glob(command: str, dumped: Path, packed: Path, tmp_path: Path) -> None:
    source, hint = (packed, "arr_0") if command in ("decompress", "verify") else (dumped, "conv/")
    options = ("--layers", f"{hint}*", "--layers", "pool*")
    line = refused(tmp_path, 2, command, source, *options, names=(source, "'pool*'"))
    assert f"layers here: {hint}" in line


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["compress", "--block-size", "7"], "--block-size"),
        (["compress", "--max-burst", "3"], "--max-burst"),
        (["compress", "--difference", "xor"], "--difference"),
        (["compress", "--chunk-words", "many"], "--chunk-words"),
        (["compress", "--chunk-words", "0"], "--chunk-words"),
        (["compress", "--chunk-words", "-3"], "--chunk-words"),
        (["compress", "--chunk-words", str(1 << 25)], "--chunk-words"),
        (["compress", "--zero-point", "x"], "--zero-point"),
        (["stats", "--block-size", "7"], "--block-size"),
        (["decompress", "--block-size", "8"], "--block-size"),
        (["verify", "--force"], "--force"),
        (["list", "--nonsense"], "--nonsense"),
        (["squeeze"], "squeeze"),
    ],
)
def test_unknown_option_values(
    arguments: list[str], named: str, dumped: Path, tmp_path: Path
) -> None:
    before = Files(tmp_path).content()
    done = run(*arguments, dumped)
    assert done.returncode == 2
    assert named in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not done.stdout
    assert Files(tmp_path).content() == before


def test_a_name_that_says_nothing_of_the_output(dumped: Path, tmp_path: Path) -> None:
    line = refused(tmp_path, 2, "decompress", dumped, names=(dumped,))
    assert "its name does not end in .fmc; name an output" in line


def test_debug_shows_the_traceback(packed: Path, tmp_path: Path) -> None:
    packed.write_bytes(packed.read_bytes()[:-5])
    for arguments, code in ((["verify", tmp_path / "none"], 1), (["decompress", packed], 3)):
        done = run(*arguments, "--debug")
        assert done.returncode == code
        assert done.stderr.startswith("Traceback (most recent call last):")
        assert done.stderr.splitlines()[-1].startswith("fmc: ")


@pytest.mark.parametrize("name", ["new\nline.fmc", "\x1b[31mred.fmc", "\udcff.fmc", "ü.fmc"])
def test_names_that_could_spoil_the_line(name: str, tmp_path: Path) -> None:
    refused(tmp_path, 1, "verify", tmp_path / name, names=(), cwd=tmp_path)


# --- Stall patterns -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "code", "names"),
    [
        ("file:gates", 1, ["gates", "Is a directory; name a file in it"]),
        ("file:none", 1, ["none", "No such file"]),
        ("file:maps.h5/x", 1, ["maps.h5/x", "Not a directory"]),
        ("file:" + "x" * 300, 1, ["x" * 300, "too long; check the name"]),
        ("file:/proc/self/mem", 1, ["/proc/self/mem"]),
        ("file:maps.h5", 3, ["maps.h5", "line 1"]),
        ("random:0.001", 2, ["random:0.001", "256ths"]),
        ("periodic:1/1000000000", 2, ["periodic:1/1000000000", "at most 268,435,456 cycles"]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_stall_patterns(
    pattern: str, code: int, names: list[str], dumped: Path, tmp_path: Path
) -> None:
    (tmp_path / "gates").mkdir()
    arguments = ("simulate", dumped, "--stall", f"bpc={pattern}")
    refused(tmp_path, code, *arguments, names=tuple(names), cwd=tmp_path)


# --- Killed, interrupted, cut off ----------------------------------------------------------


def obey_interrupts() -> None:
    """Undo what shells do to processes in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(
    *arguments: str | Path, preexec: Callable[[], None] = obey_interrupts, **more: Any
) -> subprocess.Popen[bytes]:
    """Start ``fmc`` where signals do what they do in a terminal."""
    return subprocess.Popen(
        [*FMC, *map(str, arguments)],
        stderr=subprocess.PIPE,
        preexec_fn=preexec,  # noqa: PLW1509 - no threads here
        **more,
    )


def wait_for_temporary(folder: Path, process: subprocess.Popen[bytes]) -> Path:
    """Wait until the output is being written."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if found := list(folder.glob(".*.part")):
            return found[0]
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    raise AssertionError("nothing was written")


SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("existing", [True, False])
def test_a_signal_during_compress(
    number: signal.Signals, code: int, existing: bool, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.npy", tmp_path / "out"
    with source.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|i1", "fortran_order": False, "shape": (1 << 26,)}
        )
        file.truncate(file.tell() + (1 << 26))
    if existing:
        target.write_bytes(b"precious")
    with started("compress", "-f", source, target) as process:
        wait_for_temporary(tmp_path, process)
        process.send_signal(number)
        _, text = process.communicate(timeout=60)
    check_killed(process.returncode, code, text, tmp_path, target, existing)


def check_killed(
    got: int, code: int, text: bytes, folder: Path, target: Path, existing: bool
) -> None:
    assert got == code, text
    assert b"Traceback" not in text
    assert b"Exception ignored" not in text
    assert (target.read_bytes() if target.exists() else None) == (b"precious" if existing else None)
    left = {path.name for path in folder.iterdir()} - {"in.npy", "out"}
    if code > 0:  # nobody can clean up behind SIGKILL
        assert left == set()
    if code == 130:
        assert text.decode().strip().splitlines()[-1:] == ["fmc: interrupted"]


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("existing", [True, False])
def test_a_signal_during_decompress(
    number: signal.Signals, code: int, existing: bool, tmp_path: Path
) -> None:
    """The first half of a compressed file comes through a pipe; then nothing more."""
    target = tmp_path / "out"
    if existing:
        target.write_bytes(b"precious")
    data = npy([1, 0, 0, 5])
    with started("decompress", "-f", "-", target, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(data[:-60])
        process.stdin.flush()
        wait_for_temporary(tmp_path, process)
        process.send_signal(number)
        process.wait(60)
        _, text = process.communicate()
    check_killed(process.returncode, code, text, tmp_path, target, existing)


@pytest.mark.parametrize("command", ["compress", "decompress", "stats", "list", "verify"])
def test_a_broken_pipe(command: str, noisy: dict[str, tuple[bytes, bytes]], tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(noisy["npy"][command in ("decompress", "verify")])
    target = ["-"] if command in ("compress", "decompress") else []
    with started(command, path, *target, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        text = process.stderr.read() if process.stderr is not None else b""
    assert process.returncode == 141, text
    assert text == b""
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


# --- Names that a terminal would obey ------------------------------------------------------


@pytest.mark.parametrize("command", ["compare", "sweep", "traffic"])
def test_csv_holds_nothing_that_a_terminal_obeys(command: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["a\x1b[31m\nb"] = np.ones((2, 9), np.int8)
    done = run(command, "--csv", "--codec", "zvc", tmp_path / "in.h5")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == done.stdout.count("\n") > 1
    rows = [*csv.DictReader(io.StringIO(done.stdout))]
    assert {row["layer"] for row in rows} == {"a\\x1b[31m\\x0ab"}
    if command == "sweep":
        run(command, "-o", tmp_path / "out.csv", "--codec", "zvc", tmp_path / "in.h5")
        assert (tmp_path / "out.csv").read_text() == done.stdout


# --- Options without effect ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--by", "frame", "--chunk-words", "64"),
            "--chunk-words has no effect: by frame, each frame",
        ),
        (("--by", "channel", "--chunk-words", "65536"), "--chunk-words has no effect: by channel"),
        (("--by", "frame", "--per-layer"), "--per-layer has no effect: --by frame"),
        (("--by", "layer", "--per-layer"), "--per-layer has no effect: --by frame"),
        (
            ("--by", "layer", "--frame-axis", "0"),
            "--frame-axis has no effect: it is for --by frame",
        ),
        (("--by", "frame", "--channel-axis", "0"), "--channel-axis has no effect: it is for --by"),
        (("--channel-axis", "0"), "--channel-axis has no effect: it is for --by frame or channel"),
    ],
)
def test_options_without_effect(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    done = run("stats", *options, tmp_path / "in.npy")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr.splitlines()[-1]


def test_sweep_has_nothing_to_overwrite_without_an_output(tmp_path: Path) -> None:
    done = run("sweep", "-f", tmp_path / "in.npy")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("--force has no effect: it is for -o.\n")


@pytest.mark.parametrize(
    "options", [("--by", "layer", "--chunk-words", "2"), ("--by", "channel", "--channel-axis", "0")]
)
def test_options_that_have_an_effect(tmp_path: Path, options: tuple[str, ...]) -> None:
    np.save(tmp_path / "in.npy", np.array([[1, 0], [0, 5]], np.int8))
    more = ("--frame-axis", "1") if "channel" in options else ()
    assert run("stats", *options, *more, tmp_path / "in.npy").returncode == 0
