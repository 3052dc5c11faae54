"""The command as its users run it: files, pipes, terminals, options, exit codes."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import h5py
import numpy as np
import pytest

import fmcompress
from fmcompress import reference
from fmcompress.cli import main as main_module
from fmcompress.cli import progress, render
from fmcompress.cli.main import main
from fmcompress.codecs.choices import DIFFERENCES
from fmcompress.codecs.ebpc import BLOCK_SIZES, MAX_BURSTS, Ebpc
from fmcompress.coding import MIN_WORD_BITS, Options
from fmcompress.in_order import Workers
from fmcompress.off_chip import BURST_BYTES, PASSES
from fmcompress.progress import Step
from fmcompress.quantizing import ROUNDINGS, TARGETS
from fmcompress.stream_words import MAX_WORD_BITS, MOST_TRANSMISSION_WORDS
from fmcompress.words import MAPPINGS

COMMAND = (sys.executable, "-m", "fmcompress.cli")
DUMPS = ("maps.h5", "maps.npz", "maps.npy")
SAMPLES = (
    "digits_f32.h5",
    "digits_grad_f32.h5",
    pytest.param("digits_int8.h5", marks=pytest.mark.compiled),
    "digits_relu_int8.npy",
    pytest.param("digits_uint8.npz", marks=pytest.mark.compiled),
)
pytestmark = pytest.mark.usefixtures("compiling_was_said")
posix = pytest.mark.skipif(os.name != "posix", reason="the system has no such files or terminals")


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: bytes
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


Fmc = Callable[..., Ran]


@pytest.fixture
def fmc(
    capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Fmc]:
    """Run the command in this process; ``stdin=`` is what it finds there."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object, stdin: bytes | None = None) -> Ran:
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        logging.getLogger("fmcompress").handlers.clear()
        out, err = capsysbinary.readouterr()
        assert isinstance(exit_.value.code, int)
        return Ran(exit_.value.code, out, err.decode())

    yield run
    signal.signal(signal.SIGTERM, before)


def feature_map(shape: tuple[int, ...], dtype: str, zero: int = 0, seed: int = 1) -> Any:
    """About half of the elements are `zero`, the others near it."""
    rng = np.random.default_rng(seed)
    values = zero + rng.integers(0, 12, shape) * rng.integers(0, 2, shape)
    return values.astype(dtype)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a small dump of each format."""
    monkeypatch.chdir(tmp_path)
    conv, noise = feature_map((4, 5, 25), "i1", -9), np.arange(256, dtype=np.uint8)
    with h5py.File("maps.h5", "w") as file:
        file.attrs["network"] = "none"
        file["conv/1"] = conv
        file["conv/1"].attrs["zero_point"] = -9
        file.create_dataset("conv/2", data=feature_map((6, 50), ">i2"), chunks=(2, 50))
        file["noise"] = np.random.default_rng(0).permutation(noise)
        file["weights"] = np.linspace(0, 1, 25)
    np.savez("maps.npz", conv1=conv, conv2=feature_map((99,), "u2"), weights=np.ones(9))
    np.save("maps.npy", conv)
    return tmp_path


def save_npz(name: str, arrays: dict[str, Any]) -> None:
    """Save arrays whose names are no identifiers."""
    np.savez(name, **arrays)


def names(folder: Path | str = ".") -> list[str]:
    """What is in a folder."""
    return sorted(os.listdir(folder))


def listed(fmc: Fmc, *arguments: str) -> list[dict[str, Any]]:
    """Layers of ``list --json``."""
    layers: list[dict[str, Any]] = fmc("list", "--json", *arguments).document["layers"]
    return layers


# --- Names of outputs ---------------------------------------------------------------------


@pytest.mark.parametrize("name", DUMPS)
def test_default_names_there_and_back(fmc: Fmc, name: str) -> None:
    dump = Path(name).read_bytes()
    ran = fmc("compress", name)
    assert (ran.code, ran.out) == (0, b"")
    assert ran.err.startswith(f"{name} -> {name}.fmc: ")
    assert ran.err.count("\n") == 1
    assert names() == sorted([*DUMPS, f"{name}.fmc"])
    assert Path(name).read_bytes() == dump
    packed = Path(f"{name}.fmc").read_bytes()
    Path(name).unlink()
    ran = fmc("decompress", f"{name}.fmc")
    assert (ran.code, ran.out) == (0, b"")
    assert ran.err.startswith(f"{name}.fmc -> {name}: ")
    assert Path(name).read_bytes() == dump
    assert Path(f"{name}.fmc").read_bytes() == packed
    assert names() == sorted([*DUMPS, f"{name}.fmc"])


def test_names_given(fmc: Fmc) -> None:
    assert fmc("compress", "maps.h5", "out.bin").code == 0
    assert fmc("decompress", "out.bin", "back.h5").code == 0
    assert Path("back.h5").read_bytes() == Path("maps.h5").read_bytes()


def test_no_suffix_no_default_name(fmc: Fmc) -> None:
    fmc("compress", "maps.npy", "out.bin")
    for name in ("out.bin", ".fmc"):
        ran = fmc("decompress", name)
        assert (ran.code, ran.out) == (2, b"")
        assert ran.err.startswith(f"fmc: {name}: ")
        assert "name an output" in ran.err


def test_summary_counts_layers_in_english(fmc: Fmc) -> None:
    assert "1 layer coded" in fmc("compress", "maps.npy").err
    assert "1 layer," in fmc("decompress", "maps.npy.fmc", "back.npy").err
    assert "1 layer," in fmc("verify", "maps.npy.fmc").out.decode()


def test_threads(fmc: Fmc, monkeypatch: pytest.MonkeyPatch) -> None:
    """All processors by default, as many as are asked for with -T; the output is the same."""
    given: list[int] = []
    begin = Workers.__init__

    def noting(workers: Workers, threads: int = 1) -> None:
        given.append(threads)
        begin(workers, threads)

    monkeypatch.setattr(Workers, "__init__", noting)
    found = set()
    for arguments in ((), ("-T", "1"), ("--threads", "3")):
        assert fmc("compress", "-f", *arguments, "maps.h5", "packed").code == 0
        assert fmc("decompress", "-f", *arguments, "packed", "back.h5").code == 0
        assert fmc("verify", *arguments, "packed").code == 0
        table = fmc("stats", *arguments, "maps.h5").out
        found.add((Path("packed").read_bytes(), Path("back.h5").read_bytes(), table))
    assert len(found) == 1
    assert given == [0] * 4 + [1] * 4 + [3] * 4
    ran = fmc("compress", "-T", "-1", "maps.h5", "new")
    assert ran.code == 2
    assert "'-T' / '--threads'" in ran.err


# --- Outputs that exist, are links, have permissions -------------------------------------


@pytest.mark.parametrize("command", ["compress", "decompress"])
def test_existing_output_is_kept_without_force(fmc: Fmc, command: str) -> None:
    source = "maps.npy"
    if command == "decompress":
        source = "maps.npy.fmc"
        fmc("compress", "maps.npy")
    Path("out").write_bytes(b"precious")
    before = names()
    ran = fmc(command, source, "out")
    assert (ran.code, ran.out) == (1, b"")
    assert ran.err.startswith("fmc: out: ")
    assert "--force" in ran.err
    assert Path("out").read_bytes() == b"precious"
    for flag in ("-f", "--force"):
        Path("out").write_bytes(b"precious")
        assert fmc(command, source, "out", flag).code == 0
        assert Path("out").stat().st_size > 100
    assert names() == before


def test_output_equal_to_input_is_refused(fmc: Fmc) -> None:
    fmc("compress", "maps.npy")
    os.link("maps.npy", "hard.npy")
    os.symlink("maps.npy.fmc", "soft.fmc")
    for command, source, target in (
        ("compress", "maps.npy", "maps.npy"),
        ("compress", "maps.npy", "hard.npy"),
        ("decompress", "maps.npy.fmc", "./maps.npy.fmc"),
        ("decompress", "maps.npy.fmc", "soft.fmc"),
    ):
        before = Path(source).read_bytes()
        ran = fmc(command, "-f", source, target)
        assert ran.code == 1
        assert "both input and output" in ran.err
        assert Path(source).read_bytes() == before


def test_symlink_as_output_is_followed(fmc: Fmc) -> None:
    os.mkdir("other")
    os.symlink("other/target.fmc", "link.fmc")
    assert fmc("compress", "maps.npy", "link.fmc").code == 0  # it pointed nowhere yet
    assert fmc("compress", "maps.npy", "link.fmc").code == 1
    packed = Path("other/target.fmc").read_bytes()
    Path("other/target.fmc").write_bytes(b"old")
    assert fmc("compress", "-f", "maps.npy", "link.fmc").code == 0
    assert os.readlink("link.fmc") == "other/target.fmc"
    assert Path("other/target.fmc").read_bytes() == packed
    assert names("other") == ["target.fmc"]


@posix
def test_permissions_of_the_output(fmc: Fmc) -> None:
    before = os.umask(0o027)
    try:
        fmc("compress", "maps.npy")
        fmc("decompress", "maps.npy.fmc", "back.npy")
    finally:
        os.umask(before)
    for name in ("maps.npy.fmc", "back.npy"):
        assert stat.S_IMODE(os.stat(name).st_mode) == 0o640
    os.chmod("maps.npy.fmc", 0o604)
    fmc("compress", "-f", "maps.npy")
    assert stat.S_IMODE(os.stat("maps.npy.fmc").st_mode) == 0o604


@posix
def test_devices_as_output(fmc: Fmc) -> None:
    device = os.stat("/dev/null")
    fmc("compress", "maps.npy")
    assert fmc("compress", "maps.npy", "/dev/null").code == 0
    for name in ("maps.npy", "maps.h5"):
        fmc("compress", "-f", name)
        assert fmc("decompress", f"{name}.fmc", "/dev/null").code == 0
    assert os.stat("/dev/null").st_rdev == device.st_rdev
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@posix
def test_named_streams_as_output(fmc: Fmc) -> None:
    """What shells give for ``>(command)`` is such a name, too."""
    fmc("compress", "maps.npy")
    packed = Path("maps.npy.fmc").read_bytes()
    for name in ("/dev/stdout", "/dev/fd/1"):
        ran = piped("compress", "maps.npy", name)
        assert (ran.code, ran.out) == (0, packed), ran.err


@posix
def test_named_pipe_as_input(fmc: Fmc) -> None:
    fmc("compress", "maps.npy")
    for name in ("maps.npy", "maps.npy.fmc"):
        content = Path(name).read_bytes()
        ran = piped("stats", "--json", "/dev/stdin", stdin=content)
        assert ran.code == 0
        assert ran.document["total"] == fmc("stats", "--json", name).document["total"]


# --- Pipes --------------------------------------------------------------------------------


def piped(*arguments: object, stdin: Any = b"", **environment: str) -> Ran:
    """Run the command in a process of its own, between pipes or (an open file) redirected."""
    given: dict[str, Any] = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        check=False,
        timeout=100,
        env={**os.environ, **environment},
        **given,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


@pytest.mark.parametrize("name", DUMPS)
def test_pipes_give_the_same_bytes(fmc: Fmc, name: str) -> None:
    dump = Path(name).read_bytes()
    fmc("compress", name)
    packed = Path(f"{name}.fmc").read_bytes()
    for arguments, source, expected in (
        (("compress", name, "-"), None, packed),
        (("compress", "-"), dump, packed),
        (("compress", "-", "-"), dump, packed),
        (("decompress", f"{name}.fmc", "-"), None, dump),
        (("decompress", "-"), packed, dump),
    ):
        ran = fmc(*arguments, stdin=source)
        assert (ran.code, ran.out) == (0, expected)
        assert "-> (stdout): " in ran.err
    assert fmc("compress", "-", "out.fmc", stdin=dump).code == 0
    assert Path("out.fmc").read_bytes() == packed
    assert fmc("decompress", "-", "back", stdin=packed).code == 0
    assert Path("back").read_bytes() == dump


def test_real_pipes_and_redirection() -> None:
    dump = Path("maps.h5").read_bytes()
    first = piped("compress", "-q", "-", stdin=dump)
    assert (first.code, first.err) == (0, "")
    Path("packed").write_bytes(first.out)
    back = piped("decompress", "-q", "-", stdin=first.out)
    assert (back.code, back.out, back.err) == (0, dump, "")
    with open("maps.h5", "rb") as file:
        assert piped("compress", "-q", "-", stdin=file).out == first.out
    with open("packed", "rb") as file:
        assert piped("decompress", "-q", "-", stdin=file).out == dump
    with open("packed", "rb") as file:
        assert piped("verify", "-", stdin=file).code == 0


def test_stdin_of_other_commands(fmc: Fmc) -> None:
    fmc("compress", "maps.h5")
    for name in ("maps.h5", "maps.h5.fmc"):
        content = Path(name).read_bytes()
        for command in ("stats", "list") if name == "maps.h5" else ("stats", "list", "verify"):
            ours = fmc(command, "--json", "-", stdin=content)
            theirs = fmc(command, "--json", name)
            assert ours.code == theirs.code == 0
            assert {**ours.document, "file": name} == theirs.document


@posix
@pytest.mark.parametrize("arguments", [("list", "--json", "maps.h5"), ("compress", "maps.h5", "-")])
def test_reader_that_goes_away(arguments: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, *arguments], stdout=write, stderr=subprocess.PIPE, check=False, timeout=100
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@posix
def test_reader_that_goes_away_in_the_middle_of_a_trace() -> None:
    with subprocess.Popen(
        [*COMMAND, "simulate", "-q", "--trace", "--cycles", "0:500", "maps.h5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait(100)) == (b"", 141)


@posix
@pytest.mark.parametrize(
    ("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGKILL", -signal.SIGKILL)]
)
def test_stopped_halfway_leaves_the_old_file(fmc: Fmc, name: str, code: int) -> None:
    """It has half of its input, and waits for the rest, when the signal comes."""
    fmc("compress", "maps.npy")
    packed = Path("maps.npy.fmc").read_bytes()
    os.mkdir("here")
    Path("here/out.npy").write_bytes(b"precious")
    command = [*COMMAND, "decompress", "-f", "-", "here/out.npy"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(packed[: len(packed) // 2])
        process.stdin.flush()
        patience = time.monotonic() + 60
        while len(names("here")) == 1 and time.monotonic() < patience:
            time.sleep(0.01)
        process.send_signal(getattr(signal, name))
        process.wait(60)
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert process.returncode == code
    assert Path("here/out.npy").read_bytes() == b"precious"
    if name != "SIGKILL":
        assert names("here") == ["out.npy"]
    if name == "SIGINT":
        assert said.strip() == "fmc: interrupted"


# --- Quiet, verbose, debug ----------------------------------------------------------------


def test_quiet_says_nothing_but_errors(fmc: Fmc) -> None:
    assert fmc("compress", "-q", "maps.h5") == Ran(0, b"", "")
    assert fmc("decompress", "--quiet", "maps.h5.fmc", "back.h5") == Ran(0, b"", "")
    assert fmc("verify", "-q", "maps.h5.fmc") == Ran(0, b"", "")
    ran = fmc("compress", "-q", "nothing.h5")
    assert (ran.code, ran.err.count("\n")) == (1, 1)


def test_verbose_shows_the_table(fmc: Fmc) -> None:
    ran = fmc("compress", "-v", "maps.h5")
    assert (ran.code, ran.out) == (0, b"")
    table = fmc("stats", "--per-layer", "maps.h5.fmc").out.decode()
    assert table.partition("\n\n")[0] in ran.err
    assert fmc("stats", "--verbose", "maps.h5.fmc").out.decode() == table
    assert table.startswith("layer ")
    assert not fmc("stats", "maps.h5").out.decode().startswith("layer ")


def test_warnings_unless_quiet(fmc: Fmc) -> None:
    with h5py.File("maps.h5", "r+") as file:
        file["conv/1"].attrs["zero_point"] = 1000
    ran = fmc("compress", "maps.h5")
    assert "fmc: warning: layer 'conv/1'" in ran.err
    assert "1000" in ran.err
    assert fmc("compress", "-f", "-q", "maps.h5").err == ""
    ran = fmc("stats", "maps.h5")
    assert "fmc: warning: layer 'conv/1'" in ran.err
    assert "warning" not in ran.out.decode()
    assert len(fmc("stats", "--json", "maps.h5").document["warnings"]) == 1


def test_debug_shows_where(fmc: Fmc) -> None:
    plain, debug = fmc("stats", "nothing.h5"), fmc("stats", "--debug", "nothing.h5")
    assert plain.code == debug.code == 1
    assert plain.err.count("\n") == 1
    assert "Traceback" in debug.err
    assert debug.err.endswith(plain.err)


# --- Layers -------------------------------------------------------------------------------


def test_compress_codes_only_layers_picked(fmc: Fmc) -> None:
    assert fmc("compress", "maps.h5", "--layers", "conv/1", "--layers", "no*").code == 0
    carried = {e["name"]: e["carried"] for e in listed(fmc, "maps.h5.fmc")}
    assert carried == {
        "conv/1": None,
        "conv/2": "not picked",
        "noise": None,
        "weights": "not picked",
    }
    fmc("decompress", "maps.h5.fmc", "back.h5")
    assert Path("back.h5").read_bytes() == Path("maps.h5").read_bytes()


def test_decompress_gives_layers_picked_hdf5(fmc: Fmc) -> None:
    fmc("compress", "maps.h5")
    ran = fmc("decompress", "maps.h5.fmc", "back.h5", "--layers", "conv/2", "--layers", "w*")
    assert ran.code == 0
    assert "2 layers" in ran.err
    with h5py.File("maps.h5") as old, h5py.File("back.h5") as new:
        found: list[str] = []
        new.visititems(lambda name, item: found.append(name))
        assert found == ["conv", "conv/2", "weights"]
        for name in ("conv/2", "weights"):
            np.testing.assert_array_equal(new[name][()], old[name][()])
            assert new[name].dtype == old[name].dtype
        assert new["conv/2"].chunks == (2, 50)


def test_decompress_gives_layers_picked_npz_and_npy(fmc: Fmc) -> None:
    fmc("compress", "maps.npz")
    fmc("decompress", "maps.npz.fmc", "back.npz", "--layers", "conv2", "--layers", "weights")
    with np.load("maps.npz") as old, np.load("back.npz") as new:
        assert new.files == ["conv2", "weights"]
        for name in new.files:
            np.testing.assert_array_equal(new[name], old[name])
    fmc("compress", "maps.npy")
    assert fmc("decompress", "maps.npy.fmc", "back.npy", "--layers", "arr*").code == 0
    assert Path("back.npy").read_bytes() == Path("maps.npy").read_bytes()


def test_layers_shown(fmc: Fmc) -> None:
    fmc("compress", "maps.h5")
    globs = ("--layers", "conv*", "--layers", "weights")
    for name in ("maps.h5", "maps.h5.fmc"):
        for command in ("list", "stats"):
            shown = fmc(command, "--json", name, *globs).document["layers"]
            assert [layer["name"] for layer in shown] == ["conv/1", "conv/2", "weights"]
            text = fmc(command, "-v", name, *globs).out.decode()
            assert "conv/1" in text
            assert "noise" not in text
    assert fmc("verify", "maps.h5.fmc", *globs).code == 0


@pytest.mark.parametrize("command", ["compress", "decompress", "stats", "list", "verify"])
def test_glob_that_matches_nothing(fmc: Fmc, command: str) -> None:
    fmc("compress", "maps.h5")
    before = names()
    output = ["out"] if "compress" in command else []
    source = "maps.h5" if command == "compress" else "maps.h5.fmc"
    ran = fmc(command, source, *output, "--layers", "conv*", "--layers", "con")
    assert (ran.code, ran.out) == (2, b"")
    assert ran.err.startswith(f"fmc: {source}: no layer matches 'con'; ")
    assert names() == before


# --- Codec options ------------------------------------------------------------------------

OPTIONS: dict[str, dict[str, Any]] = {
    "--block-size": {"block_size": 16},
    "--max-burst": {"max_burst": 2},
    "--difference": {"difference": "modular"},
    "--zero-point": {"zero_point": -3},
    "--chunk-words": {"chunk_words": 150},
}


@pytest.mark.parametrize("option", OPTIONS)
def test_coding_options_are_recorded_and_effective(fmc: Fmc, option: str) -> None:
    """The reference codec, given the same, makes the very same streams."""
    [(key, value)] = OPTIONS[option].items()
    assert fmc("compress", "maps.npy", option, value).code == 0
    given: dict[str, Any] = {
        "block_size": 8,
        "max_burst": 16,
        "difference": "signed",
        "zero_point": -9,
    }
    given |= {"chunk_words": 1 << 16, key: value}
    [layer] = fmc("stats", "--json", "maps.npy.fmc").document["layers"]
    assert layer["word_format"] == {
        "format": "int8",
        "zero_point": given["zero_point"],
        "zero_point_from": "option" if option == "--zero-point" else "found",
    }
    assert layer["codec"] == {"name": "ebpc"} | {
        key: given[key] for key in ("block_size", "max_burst", "difference")
    }
    words = ((np.load("maps.npy").astype(int) - given["zero_point"]) % 256).reshape(-1).tolist()
    size = given.pop("chunk_words")
    del given["zero_point"]
    chunks = [words[at : at + size] for at in range(0, len(words), size)]
    streams = [reference.encode(chunk, 8, **given) for chunk in chunks]
    assert layer["chunks"] == len(chunks)
    assert layer["zero_words"] == words.count(0)
    assert layer["znz_bits"] == 8 * sum(len(znz) for znz, _ in streams)
    assert layer["bpc_bits"] == 8 * sum(len(bpc) for _, bpc in streams)
    content = Path("maps.npy.fmc").read_bytes()
    assert all(znz + bpc in content for znz, bpc in streams)
    fmc("decompress", "maps.npy.fmc", "back.npy")
    assert Path("back.npy").read_bytes() == Path("maps.npy").read_bytes()
    assert fmc("stats", "--json", "maps.npy", option, value).document["layers"] == [layer]


def test_zero_point_from(fmc: Fmc) -> None:
    def sources(*options: object) -> dict[str, str]:
        layers = fmc("stats", "--json", "maps.h5", *options).document["layers"]
        return {
            layer["name"]: layer["word_format"]["zero_point_from"]
            for layer in layers
            if not layer["carried"]
        }

    assert sources() == {"conv/1": "attribute", "conv/2": "none", "noise": "none"}
    assert set(sources("--zero-point", 7).values()) == {"option"}
    assert set(sources("--zero-point", 0).values()) == {"option"}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--block-size", "7"),
        ("--max-burst", "3"),
        ("--difference", "xor"),
        ("--chunk-words", "0"),
        ("--chunk-words", str(1 << 40)),
        ("--zero-point", "1.5"),
        ("--zero-point", "40000"),
        ("--nonsense", "1"),
    ],
)
def test_wrong_options(fmc: Fmc, option: str, value: str) -> None:
    for command in ("compress", "stats"):
        ran = fmc(command, "maps.h5", option, value)
        assert (ran.code, ran.out) == (2, b"")
        assert option.strip("-").replace("-", " ") in ran.err.replace("_", " ").replace("-", " ")
    assert names() == sorted(DUMPS)


# What commands repeat of the library, most of which they import only once they run: of each option
# its choices or its range, and its default.
REPEATED: dict[str, tuple[Any, Any]] = {
    "codec": (None, Options().codec),
    "block_size": (list(map(str, BLOCK_SIZES)), None),
    "max_burst": (list(map(str, MAX_BURSTS)), None),
    "difference": (list(DIFFERENCES), None),
    "quantize": (list(TARGETS), None),
    "rounding": (list(ROUNDINGS), Options().rounding),
    "mapping": (list(MAPPINGS), None),
    "word_bits": ((MIN_WORD_BITS, MAX_WORD_BITS), None),
    "chunk_words": ((1, MOST_TRANSMISSION_WORDS), Options().chunk_words),
    "burst_bytes": (None, BURST_BYTES),
    "passes": (None, PASSES),
}
# By default None, and the library's own default is in the help.
IN_HELP = {
    "block_size": Ebpc().block_size,
    "max_burst": Ebpc().max_burst,
    "block_sizes": ",".join(map(str, BLOCK_SIZES)),
    "max_bursts": ",".join(map(str, MAX_BURSTS)),
}


def options_of(name: str) -> list[click.Option]:
    """An option of all commands that have it."""
    modules = [
        import_module(f"fmcompress.cli.{module}") for module, _ in main_module.COMMANDS.values()
    ]
    found = [one for module in modules for one in module.command.params if one.name == name]
    assert found, "no command has it"
    return [one for one in found if isinstance(one, click.Option) and not one.multiple]


@pytest.mark.parametrize("name", REPEATED)
def test_choices_and_defaults_are_the_library_s(name: str) -> None:
    values, default = REPEATED[name]
    for option in options_of(name):
        kind, said = option.type, option.to_info_dict()["default"]
        assert said == default
        if isinstance(kind, click.Choice):
            assert sorted(kind.choices) == sorted(values)
        elif values is not None:
            assert isinstance(kind, click.IntRange)
            assert (kind.min, kind.max) == values


@pytest.mark.parametrize("name", IN_HELP)
def test_defaults_in_the_help_are_the_library_s(name: str) -> None:
    for option in options_of(name):
        assert f"[default: {IN_HELP[name]}]" in (option.help or "")


def test_wrong_usage(fmc: Fmc) -> None:
    assert fmc("compres", "maps.h5").code == 2
    assert fmc("decompress", "maps.h5", "out", "more").code == 2
    assert fmc("compress", "-", "maps.h5", "out").code == 2
    assert fmc("compress", "maps.npy", "--endian", "big").code == 2
    assert fmc("stats", "maps.npy", "--raw").code == 2
    assert names() == sorted(DUMPS)


def test_version(fmc: Fmc) -> None:
    assert fmc("--version") == Ran(0, f"fmc {fmcompress.__version__}\n".encode(), "")


# --- JSON ---------------------------------------------------------------------------------

SUMS = (
    "original_bits",
    *("words", "zero_words", "word_bits", "znz_bits", "bpc_bits", "other_bits", "stored_bits"),
    "table_bits",
    *("chunks", "stored_chunks", "coded_words", "coded_nonzero_words"),
)


def check_stats(document: dict[str, Any]) -> None:
    """Totals are sums, and ratios follow from the counts beside them."""
    assert document["schema"] == "fmcompress.stats/1"
    layers, total = document["layers"], document["total"]
    for key in SUMS:
        assert total[key] == sum(layer[key] for layer in layers), key
    assert set(total) == {*SUMS, *RATIOS}
    for sizes in (*layers, total):
        parts = ("znz_bits", "bpc_bits", "other_bits", "stored_bits", "table_bits")
        streams = sum(sizes[part] for part in parts)
        ratios = {"ratio": (sizes["word_bits"], streams)}
        ratios |= {"original_ratio": (sizes["original_bits"], streams)}
        ratios |= {"bits_per_word": (streams, sizes["words"])}
        for key, counts in {**RATIOS, **ratios}.items():
            over, under = (sizes.get(c, c) for c in counts)
            assert sizes[key] == (over / under if under else None), key
    assert document["file_ratio"] == document["dump_bytes"] / document["compressed_bytes"]


RATIOS: dict[str, tuple[Any, Any]] = {
    "ratio": (0, 0),
    "original_ratio": (0, 0),
    "bits_per_word": (0, 0),
    "sparsity": ("zero_words", "words"),
    "znz_bits_per_word": ("znz_bits", "coded_words"),
    "bpc_bits_per_nonzero_word": ("bpc_bits", "coded_nonzero_words"),
}


@pytest.mark.parametrize("name", [*DUMPS, *SAMPLES])
def test_stats_of_a_dump_are_those_of_its_container(fmc: Fmc, samples: Path, name: str) -> None:
    path = Path(name) if name in DUMPS else samples / name
    dry = fmc("stats", "--json", path)
    assert (dry.code, dry.err) == (0, "")
    check_stats(dry.document)
    assert fmc("compress", path, "out.fmc").code == 0
    wet = fmc("stats", "--json", "out.fmc")
    assert {**wet.document, "file": str(path)} == dry.document
    assert dry.document["compressed_bytes"] == Path("out.fmc").stat().st_size
    assert dry.document["dump_bytes"] == path.stat().st_size
    idle = fmc("stats", "--json", "out.fmc", "--block-size", 32).document
    assert idle["warnings"] == ["it is compressed already, so these do not count: block_size"]
    assert {**idle, "warnings": []} == wet.document
    dense = sum(layer["stored_chunks"] for layer in dry.document["layers"])
    assert bool(dense) == (name in ("maps.h5", "digits_int8.h5", "digits_f32.h5"))


@pytest.mark.parametrize("name", [*DUMPS, "digits_f32.h5"])
def test_list_of_a_dump_is_that_of_its_container(fmc: Fmc, samples: Path, name: str) -> None:
    path = Path(name) if name in DUMPS else samples / name
    fmc("compress", path, "out.fmc")
    dump, packed = (fmc("list", "--json", p).document for p in (path, "out.fmc"))
    for document, kind in ((dump, "dump"), (packed, "container")):
        assert document["schema"] == "fmcompress.list/1"
        assert document["kind"] == kind
    assert dump["format"] == packed["format"]
    stats = fmc("stats", "--json", "out.fmc").document["layers"]
    for ours, theirs, sizes in zip(dump["layers"], packed["layers"], stats, strict=True):
        for key in ("name", "shape", "dtype", "carried", "nbytes"):
            assert ours[key] == theirs[key], key
        for key in ("name", "shape", "dtype", "carried", "word_format", "codec", "chunks"):
            assert theirs[key] == sizes[key], key
        bits = sizes["znz_bits"] + sizes["bpc_bits"] + sizes["stored_bits"]
        assert theirs["compressed_nbytes"] == bits // 8 + sizes["carried_bytes"]


@pytest.mark.parametrize("command", ["stats", "list", "verify"])
def test_json_is_all_there_is_on_stdout(fmc: Fmc, command: str) -> None:
    fmc("compress", "maps.h5")
    plain = fmc(command, "--json", "maps.h5.fmc")
    assert (plain.code, plain.err) == (0, "")
    assert list(plain.document)[:2] == ["schema", "file"]
    assert plain.document["schema"] == f"fmcompress.{command}/1"
    assert fmc(command, "--json", "-v", "maps.h5.fmc").out == plain.out
    assert fmc(command, "--json", "-q", "maps.h5.fmc").out == plain.out
    wrong = fmc(command, "--json", "nothing")
    assert (wrong.code, wrong.out) == (1, b"")


def test_verify_counts_and_names_damage(fmc: Fmc) -> None:
    fmc("compress", "maps.h5", "--chunk-words", 100)
    whole = fmc("verify", "--json", "maps.h5.fmc").document
    assert (whole["ok"], whole["damages"]) == (True, [])
    assert (whole["layers"], whole["chunks"], whole["words"]) == (4, 11, 1056)
    content = bytearray(Path("maps.h5.fmc").read_bytes())
    with fmcompress.open("maps.h5.fmc") as file:
        places = [r.end - 1 for r in file.records if r.kind == 4][5:7]
    for place in places:
        content[place] ^= 1
    Path("bad.fmc").write_bytes(content)
    ran = fmc("verify", "--json", "bad.fmc")
    assert (ran.code, ran.err, ran.document["ok"]) == (3, "", False)
    found = [(d["layer"], d["chunk"]) for d in ran.document["damages"]]
    assert found == [("conv/2", 0), ("conv/2", 1)]
    text = fmc("verify", "bad.fmc")
    assert (text.code, text.out) == (3, b"")
    for chunk, line in enumerate(text.err.splitlines()):
        assert line.startswith(f"fmc: bad.fmc: layer 'conv/2', chunk {chunk}: the checksum ")
    assert fmc("verify", "-q", "bad.fmc") == text


# --- Terminals ----------------------------------------------------------------------------


PATIENT = """
from fmcompress.cli import main, progress
progress.PATIENCE_SECONDS = {patience}
main.main()
"""


def in_terminal(
    *arguments: object, output: Path | None = None, columns: int = 80, patience: float = 1e9
) -> Ran:
    """Run the command in a terminal; ``out`` and ``err`` are its screen, whole and as text."""
    import pty
    import termios
    import tty

    forget = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CI", "TTY_COMPATIBLE")
    clean = {key: value for key, value in os.environ.items() if key not in forget}
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    termios.tcsetwinsize(theirs, (24, columns))
    with open(output or os.devnull, "wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", PATIENT.format(patience=patience), *map(str, arguments)],
            stdin=theirs,
            stdout=theirs if output is None else file,
            stderr=theirs,
            env={**clean, "TERM": "xterm-256color"},
        )
    os.close(theirs)
    screen = b""
    try:
        while part := os.read(ours, 1 << 16):
            screen += part
    except OSError:  # how a terminal ends
        pass
    os.close(ours)
    return Ran(process.wait(60), screen, screen.decode("utf-8", "replace"))


@posix
def test_binary_is_not_written_to_a_terminal(fmc: Fmc) -> None:
    fmc("compress", "maps.npy")
    packed = Path("maps.npy.fmc").read_bytes()
    ran = in_terminal("compress", "maps.npy", "-")
    assert ran.code == 1
    assert ran.out.startswith(b"fmc: binary data is not written to a terminal")
    assert b"--force" in ran.out
    assert in_terminal("decompress", "maps.npy.fmc", "-").code == 1
    assert in_terminal("compress", "-q", "-f", "maps.npy", "-") == Ran(
        0, packed, packed.decode("utf-8", "replace")
    )


@posix
def test_terminal_is_no_input() -> None:
    ran = in_terminal("stats", "-")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert ran.err.startswith("fmc: stdin is a terminal; ")


@posix
@pytest.mark.parametrize("columns", [80, 120])
def test_tables_fit_the_terminal(fmc: Fmc, columns: int) -> None:
    fmc("compress", "maps.h5")
    for command in (("stats", "--per-layer"), ("list",)):
        ran = in_terminal(*command, "maps.h5.fmc", columns=columns)
        assert ran.code == 0
        assert max(map(len, ran.err.splitlines())) <= columns
        assert "\x1b" not in ran.err


@posix
def test_table_of_compress_fits_the_terminal() -> None:
    ran = in_terminal("compress", "-v", "maps.h5")
    assert ran.code == 0
    table = ran.err[: ran.err.index("\n\n")]
    assert max(map(len, table.splitlines())) <= 80


def test_an_interrupt_that_python_swallows_is_raised_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that comes while an object is dropped goes nowhere; the next step of progress raises it."""
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    state = main_module.State()
    interrupt = main_module._interrupting(state)

    class Dropped:
        def __del__(self) -> None:
            interrupt()

    bar = progress.ProgressBar(state)
    bar(Step("layer", 1, 2))
    Dropped()
    assert capsys.readouterr().err == ""
    with pytest.raises(KeyboardInterrupt):
        bar(Step("layer", 2, 2))


def test_no_number_is_cut_on_a_narrow_terminal() -> None:
    """Lines are wrapped then; each layer's name and every digit are there."""
    columns = [("layer", "left"), *((f"number\n{n}", "right") for n in range(6))]
    rows = [("a/long/name/of/a/layer", *(f"{n}23,456.789" for n in range(6)))]
    text = render.table(columns, rows, 40)
    assert all(cell in text for cell in rows[0][1:])
    assert "a/long" in text


@posix
def test_bar_in_a_real_terminal() -> None:
    for patience in (1e9, 0):
        ran = in_terminal("compress", "-f", "maps.npy", "out", output=Path("o"), patience=patience)
        assert ran.code == 0
        said = ran.err.splitlines()[-1]
        assert ("\x1b[" in ran.err) == (patience == 0)
        assert said.removeprefix("\x1b[?25h").lstrip("\r").removeprefix("\x1b[1A\x1b[2K") == (
            "maps.npy -> out: 1 layer coded, ratio 1.880; 628 -> 826 bytes, file ratio 0.760"
        )


class Terminal(io.StringIO):
    """A terminal in this process."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def bar(fmc: Fmc, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run the command on a terminal, with little patience, and show what it writes there."""

    def run(*arguments: object, patience: float = 0.0, **environment: str) -> str:
        screen = Terminal()
        for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "CI"):
            monkeypatch.delenv(name, raising=False)
        settings = {"TERM": "xterm-256color", "COLUMNS": "100", **environment}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stderr", screen)
        monkeypatch.setattr(progress, "PATIENCE_SECONDS", patience)
        assert fmc(*arguments).code == 0
        return screen.getvalue()

    return run


def test_bar_on_a_terminal_only_for_long_work(fmc: Fmc, bar: Callable[..., str]) -> None:
    assert progress.PATIENCE_SECONDS == 1
    screen = bar("compress", "maps.h5", "--chunk-words", 10)
    for shown in ("noise", "1.4/1.4 kB"):  # speed and time left need some time
        assert shown in screen
    assert "maps.h5 -> maps.h5.fmc: " in screen.splitlines()[-1]
    for command in ("verify", "stats", "decompress"):
        source = "maps.h5" if command == "stats" else "maps.h5.fmc"
        output = ["back.h5"] if command == "decompress" else []
        assert "\x1b[" in bar(command, source, *output), command
    assert "\x1b[" not in bar("stats", "maps.h5", patience=1e9)
    assert bar("stats", "-q", "maps.h5") == ""


def test_no_bar_in_a_log(fmc: Fmc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.0)
    assert fmc("compress", "maps.h5").err.count("\n") == 1
    assert fmc("stats", "maps.h5").err == ""


def test_no_color(bar: Callable[..., str]) -> None:
    color = "\x1b[3"  # starts a foreground colour
    assert color in bar("stats", "maps.h5")
    assert color not in bar("stats", "maps.h5", NO_COLOR="1").replace("\x1b[39m", "")


def test_bar_shows_names_as_they_are(bar: Callable[..., str]) -> None:
    save_npz("odd.npz", {"[red]conv[0]": np.arange(50, dtype=np.int8)})
    assert "[red]conv[0]" in bar("stats", "odd.npz")
    assert "\\[red]" not in bar("stats", "odd.npz")
    save_npz("odd.npz", {"a\x1b]0;b": np.arange(50, dtype=np.int8)})
    assert "\x1b]0;" not in bar("stats", "odd.npz")


@pytest.mark.parametrize("globs", [[], ["conv*"]])
def test_progress_keeps_within_its_total(globs: list[str]) -> None:
    """A dump may be smaller than its layers, where it is compressed itself, or larger."""
    layer = np.zeros((16, 1000), dtype=np.int8)
    with h5py.File("maps.h5", "r+") as file:
        file.create_dataset("conv/packed", data=layer, chunks=(4, 1000), compression="gzip")
    operations: list[tuple[Any, list[str]]] = [
        (fmcompress.stats, ["maps.h5"]),
        (fmcompress.compress, ["maps.h5", "out.fmc"]),
        (fmcompress.decompress, ["out.fmc", "back.h5"]),
        (fmcompress.verify, ["out.fmc"]),
    ]
    for operation, arguments in operations:
        steps: list[Any] = []
        operation(*arguments, layers=globs, progress=steps.append)
        done = [step.done for step in steps]
        assert done == sorted(done), operation
        assert [step for step in steps if step.done > step.total] == [], operation
        if operation in (fmcompress.stats, fmcompress.compress):  # the others see no end
            assert {step.total for step in steps} == {done[-1]}, operation


# --- Compiling ----------------------------------------------------------------------------


@pytest.mark.compiled
@pytest.mark.parametrize(("first", "path"), [("compress", ""), ("verify", "plain")])
def test_compiling_is_said_once(fmc: Fmc, folder: Path, first: str, path: str) -> None:
    """Of several kernels, and of the one that the plain path has for each way."""
    fmc("compress", "maps.npy")
    compress = ("compress", "-f", "maps.npy", "out.fmc")
    commands = [compress, ("verify", "maps.npy.fmc")]
    if first == "verify":
        commands.reverse()
    environment = {"NUMBA_CACHE_DIR": str(folder / "cache"), "FMC_KERNELS": path}
    ran = piped(*commands[0], **environment)
    assert ran.code == 0
    assert ran.err.count("compiling kernels") == 1
    assert ran.err.startswith("fmc: compiling kernels")
    again = piped(*commands[0], **environment)
    assert "compiling kernels" not in again.err
    other = piped(*commands[1], **environment)
    assert other.err.count("compiling kernels") <= 1
    assert "compiling kernels" not in piped(*commands[1], **environment).err


@pytest.mark.compiled
def test_compiling_is_not_said_if_quiet(fmc: Fmc, folder: Path) -> None:
    fmc("compress", "maps.npy")
    environment = {"NUMBA_CACHE_DIR": str(folder / "cache"), "FMC_KERNELS": "plain"}
    ran = piped("verify", "-q", "maps.npy.fmc", **environment)
    assert ran == Ran(0, b"", "")
