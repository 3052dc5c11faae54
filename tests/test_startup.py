"""What is loaded before anything happens: importing Numba alone takes about a second."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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


def loaded(code: str) -> set[str]:
    """Run code in a fresh interpreter; return what is loaded then."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(code=code)],
        capture_output=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr.decode()
    return set(json.loads(done.stderr.splitlines()[-1]))


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
