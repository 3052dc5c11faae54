"""What happens before anything happens: modules are loaded, kernels found or compiled."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fmcompress
from fmcompress.cli.main import COMMANDS

HEAVY = {"numba", "llvmlite", "numpy", "h5py", "rich"}

PROBE = """
import json, sys
{code}
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})), file=sys.stderr)
"""
RUN = """
from fmcompress.cli.main import main
try:
    main({arguments!r})
except SystemExit as exit_:
    assert exit_.code == 0, exit_.code
"""


def python(code: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter; what of the environment is None is not set."""
    changed = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        check=False,
        timeout=300,
        encoding="utf-8",
        env={name: value for name, value in changed.items() if value is not None},
    )


def told(code: str) -> Any:
    """Run code in a fresh interpreter; return the JSON in the last line of its stderr."""
    done = python(code)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr.splitlines()[-1])


def loaded(code: str) -> set[str]:
    """Run code in a fresh interpreter; return what is loaded then."""
    return set(told(PROBE.format(code=code)))


def loaded_by(*arguments: str) -> set[str]:
    """Run the command in a fresh interpreter; return what is loaded then."""
    return loaded(RUN.format(arguments=[*arguments]))


@pytest.fixture(scope="module")
def packed(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A compressed file with a coded layer and a carried one."""
    path = tmp_path_factory.mktemp("packed") / "digits.fmc"
    fmcompress.compress(samples / "digits_int8.h5", path, layers="head/*")
    return str(path)


HELP = [("--help",), ("-h",), ("--version",), *((command, "--help") for command in COMMANDS)]


@pytest.mark.parametrize("arguments", HELP, ids=" ".join)
def test_help_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not loaded_by(*arguments) & HEAVY


def test_import_loads_nothing_heavy() -> None:
    assert not loaded("import fmcompress") & {*HEAVY, "click"}
    assert not loaded("import fmcompress.errors; fmcompress.__version__, dir(fmcompress)") & HEAVY


def test_list_of_a_container_needs_no_arrays(packed: str) -> None:
    assert loaded_by("list", packed) & HEAVY == {"rich"}
    assert not loaded_by("list", "--json", packed) & HEAVY


def test_stats_of_a_container_needs_no_kernels(packed: str) -> None:
    assert not loaded_by("stats", "--per-layer", packed) & {"numba", "llvmlite", "h5py"}


def test_opening_a_container_needs_no_arrays(packed: str) -> None:
    code = f"import fmcompress; [fmcompress.open({packed!r})[n].nbytes for n in ('head/logits',)]"
    assert not loaded(code) & HEAVY


def test_probe_sees_what_is_loaded(samples: Path) -> None:
    assert {"numpy", "h5py", "rich"} <= loaded_by("list", str(samples / "digits_int8.h5"))


@pytest.mark.usefixtures("warm")
def test_a_small_file_takes_little_longer_than_loading_numba(samples: Path) -> None:
    """Of processor time, all included, interpreter's end too."""
    codes = ["import numba, h5py", RUN.format(arguments=["stats", str(samples / "digits_int8.h5")])]
    least = [min(seconds(code) for _ in range(3)) for code in codes]
    assert least[1] < 2 * least[0]


def seconds(code: str) -> float:
    """Processor time that code takes in a fresh interpreter."""
    before = os.times()
    assert python(code).returncode == 0
    after = os.times()
    return after.children_user + after.children_system - before[2] - before[3]


# --- Kernels: compiled once ---------------------------------------------------------------

ROOT = Path(__file__).parents[1]
# After some commands: what was compiled, and for how many kinds of arguments kernels are loaded.
COMPILED = """
import json, sys
import numpy as np
import fmcompress
from fmcompress.cli.main import main
from fmcompress.kernel_loading import telling
compiled = []
with telling(compiled.append):
    for arguments in {commands!r}:
        try:
            main(arguments)
        except SystemExit as exit_:
            assert exit_.code == 0, arguments
{code}
from numba.core.dispatcher import Dispatcher
kinds = {{
    f"{{module.removeprefix('fmcompress.kernels.')}}.{{name}}": len(kernel.signatures)
    for module in list(sys.modules) if module.startswith("fmcompress.kernels.")
    for name, kernel in vars(sys.modules[module]).items()
    if isinstance(kernel, Dispatcher) and kernel.stats.cache_hits
}}
print(json.dumps([[each.name for each in compiled], kinds]), file=sys.stderr)
"""
ARRAYS = """
    bits = np.arange(100, dtype=np.uint32)
    read_only = np.frombuffer(bits.tobytes(), np.uint32)
    unaligned = np.frombuffer(b"\\0" + bits.tobytes(), np.uint32, offset=1)
    for array in (bits, read_only, unaligned, bits[::2]):
        fmcompress.decode(fmcompress.encode(array))
"""
MODELS = """
    from fmcompress.hardware import Decoder, Encoder, Parameters
    words = np.frombuffer(bytes(range(100)) * 4, np.uint32) & 255
    words.flags.writeable = False
    Encoder(Parameters(8, 8, 4)).feed(words)
    for keep in (False, True):  # timed, and stepped
        Decoder(Parameters(8, 8, 4), keep_words=keep).feed_words(words)
"""


@pytest.fixture(scope="module")
def maps(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of dumps of all kinds of words."""
    folder = tmp_path_factory.mktemp("maps")
    values = np.arange(70_000) % 7 * (np.arange(70_000) % 3)
    for dtype in ("uint8", "int16", "uint32", "float16", "float32"):
        np.save(folder / f"{dtype}.npy", values.astype(dtype))
    shutil.copy(samples / "digits_int8.h5", folder)
    return folder


@pytest.fixture(scope="module")
def warm() -> None:
    """All kernels compiled, and kept where those of all tests are."""
    done = python(RUN.format(arguments=["warmup"]))
    assert done.returncode == 0, done.stderr
    assert "all kernels" in done.stdout.splitlines()[-1]


@pytest.mark.usefixtures("warm")
def test_files_and_arrays_need_one_kind_of_each_kernel(maps: Path, tmp_path: Path) -> None:
    commands = []
    for dump in sorted(map(str, maps.iterdir())):
        packed = str(tmp_path / "maps.fmc")
        back = str(tmp_path / "back")
        for block_size in ("8", "16"):
            commands += [
                ["stats", "--block-size", block_size, dump],
                ["compress", "-q", "-f", "--block-size", block_size, dump, packed],
                ["verify", packed],
                ["decompress", "-q", "-f", packed, back],
            ]
    commands.append(
        ["stats", "--quantize", "fixed16", "--order", "auto", str(maps / "float32.npy")]
    )
    narrow = ["--word-bits", "4", str(maps / "uint8.npy")]
    commands.append(["compress", "-q", "-f", *narrow, packed])
    commands.append(["decompress", "-q", "-f", packed, back])
    compiled, kinds = told(COMPILED.format(commands=commands, code=ARRAYS))
    assert compiled == []
    # Words of three dtypes; planes of blocks of 8 and of 16.
    most = {"znz_decoder.read": 1, "bpc_encoder.encode": 6}
    assert {"znz_encoder.encode", *most} <= set(kinds)
    assert {name: count for name, count in kinds.items() if count > most.get(name, 3)} == {}


@pytest.mark.usefixtures("warm")
def test_a_report_needs_no_further_kernels(maps: Path, tmp_path: Path) -> None:
    """Nor do `compare`, `sweep` and `traffic`, whose numbers it has."""
    commands = [
        ["report", "-q", "-f", str(dump), "-o", str(tmp_path / "report.html")]
        for dump in sorted(maps.iterdir())
    ]
    compiled, kinds = told(COMPILED.format(commands=commands, code=""))
    assert compiled == []
    assert kinds["bpc_symbols.count"] == 1


@pytest.mark.usefixtures("warm")
def test_simulation_needs_two_kinds_of_kernels_at_most(maps: Path, tmp_path: Path) -> None:
    """With a trace, and without."""
    dump, small = str(maps / "digits_int8.h5"), ["--layers", "head/*", str(maps / "digits_int8.h5")]
    commands = [
        ["simulate", dump],
        ["simulate", "--stall", "bpc=periodic:1/2", "--stall", "number=random:1/2", *small],
        ["simulate", "--dram", "100", "--units", "2", "--rtl-quirks", *small],
        ["simulate", "--vcd", str(tmp_path / "waves.vcd"), *small],
        ["simulate", "--trace", *small],
        ["vectors", "-q", *small, str(tmp_path / "vectors")],
    ]
    compiled, kinds = told(COMPILED.format(commands=commands, code=MODELS))
    assert compiled == []
    traced = {name for name, count in kinds.items() if count == 2}
    assert traced <= {"hardware_encoder.encode", "hardware_decoder.decode"}
    assert {name: count for name, count in kinds.items() if count > 2} == {}


# Two threads that need Numba, one after the other by a part of the time that its import takes.
TWO_THREADS = """
import faulthandler, os, threading, time
from fmcompress.codecs import ebpc_paths
from fmcompress.kernel_loading import kernels
faulthandler.dump_traceback_later(60, exit=True)
failed = []
def run(function, *arguments):
    try:
        function(*arguments)
    except BaseException as error:
        failed.append(error)
first = threading.Thread(target=run, args=(ebpc_paths.fastest,))
second = threading.Thread(target=run, args=(kernels, "histogram"))
first.start()
time.sleep({seconds})
second.start()
first.join()
second.join()
assert not failed, failed
"""


@pytest.mark.parametrize("milliseconds", [0, 10, 25, 40, 55, 70, 90])
def test_two_threads_begin_at_once(milliseconds: int) -> None:
    done = python(TWO_THREADS.format(seconds=milliseconds / 1000))
    assert done.returncode == 0, done.stderr


# --- Kernels: where they are kept ---------------------------------------------------------

# A kernel that is compiled in no time, instead of all that there are.
FEW = """
from fmcompress import warmup
from fmcompress.kernel_loading import kernel
warmup.WORK = (lambda: kernel("ebpc", "_ceil_log2")(5),)
"""


def warmup(*options: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
    """Run ``fmc warmup`` of one kernel."""
    return python(FEW + RUN.format(arguments=["warmup", *options]), **environment)


def test_warmup_says_what_it_compiles(tmp_path: Path) -> None:
    first = warmup(NUMBA_CACHE_DIR=str(tmp_path))
    assert first.returncode == 0, first.stderr
    kernel, summary = first.stdout.splitlines()
    assert kernel.startswith("ebpc._ceil_log2: compiled in ")
    assert summary.startswith("all kernels are compiled, in ")
    folder = Path(summary.partition("kept in ")[2])
    assert tmp_path in folder.parents
    assert list(folder.glob("ebpc._ceil_log2-*.nbi"))
    again = warmup(NUMBA_CACHE_DIR=str(tmp_path))
    assert (again.stdout, again.stderr) == (
        f"all kernels were compiled already; kept in {folder}\n",
        "",
    )


def test_warmup_can_be_quiet(tmp_path: Path) -> None:
    done = warmup("-q", NUMBA_CACHE_DIR=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_processors_of_two_kinds_share_a_folder(tmp_path: Path) -> None:
    """Files of the other kind were taken for those that are needed, and compiling was not said."""
    said = [
        "compiling kernels" in warmup(NUMBA_CACHE_DIR=str(tmp_path), NUMBA_CPU_NAME=name).stderr
        for name in (None, "generic", None, "generic")
    ]
    assert said == [True, True, False, False]


@pytest.fixture
def read_only(tmp_path: Path) -> dict[str, str | None]:
    """An installation where no folder can be made beside the kernels, not even by root."""
    site = tmp_path / "site"
    built = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "fmcompress", site / "fmcompress", ignore=built)
    (site / "fmcompress" / "kernels" / "__pycache__").write_bytes(b"")
    home = tmp_path / "home"
    home.mkdir()
    unset = dict.fromkeys(["NUMBA_CACHE_DIR", "XDG_CACHE_HOME"])
    return {**unset, "PYTHONPATH": str(site), "HOME": str(home), "LOCALAPPDATA": str(home)}


def test_read_only_installation_keeps_kernels_with_the_user(
    read_only: dict[str, str | None], tmp_path: Path
) -> None:
    first = warmup(**read_only)
    assert first.returncode == 0, first.stderr
    assert tmp_path / "home" in Path(first.stdout.splitlines()[-1].partition("kept in ")[2]).parents
    assert "compiled already" in warmup(**read_only).stdout


def test_without_any_folder_kernels_are_compiled_each_time(
    read_only: dict[str, str | None], samples: Path, tmp_path: Path
) -> None:
    (tmp_path / "home").rmdir()
    (tmp_path / "home").write_bytes(b"")
    refused = warmup(**read_only)
    assert refused.returncode != 0
    assert refused.stderr.startswith("fmc: compiled kernels cannot be kept; set NUMBA_CACHE_DIR")
    done = python(RUN.format(arguments=["stats", str(samples / "digits_int8.h5")]), **read_only)
    assert done.returncode == 0, done.stderr
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("fmc: compiled kernels cannot be kept: set NUMBA_CACHE_DIR")


def test_warmup_where_nothing_is_compiled() -> None:
    done = warmup(NUMBA_DISABLE_JIT="1")
    assert done.returncode != 0
    assert done.stderr.startswith("fmc: kernels are not compiled; unset NUMBA_DISABLE_JIT")
