"""What is installed: a wheel and an sdist, built offline from a copy of the tree."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import fmcompress

ROOT = Path(__file__).parents[1]
FOLDERS = {"fmcompress": "fmcompress", "cli": "fmcompress/cli", "kernels": "fmcompress/kernels"}
LEFT_OUT = shutil.ignore_patterns(
    ".*", "build", "dist", "*.egg-info", "__pycache__", "*.nbi", "*.nbc", "venv*"
)


def setuptools_version() -> int:
    """Major version of setuptools; 0 where there is none."""
    try:
        return int(importlib.metadata.version("setuptools").partition(".")[0])
    except importlib.metadata.PackageNotFoundError:
        return 0


pytestmark = pytest.mark.skipif(
    setuptools_version() < 77, reason="setuptools 77 or newer is not installed"
)


FILES = (".py", ".css", ".js")


def modules() -> set[str]:
    """Every module of the three folders, and what reports need, as it lies in site-packages."""
    found = set()
    for folder, place in FOLDERS.items():
        for path, _, files in os.walk(ROOT / folder, followlinks=False):
            inner = Path(place, os.path.relpath(path, ROOT / folder))
            found |= {(inner / name).as_posix() for name in files if name.endswith(FILES)}
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree without anything that was built."""
    copy = tmp_path_factory.mktemp("tree") / "copy"
    return Path(shutil.copytree(ROOT, copy, symlinks=True, ignore=LEFT_OUT))


def build(kind: str, tree: Path) -> Path:
    """Call the build backend as pip does, without an index."""
    code = f"from setuptools import build_meta; print(build_meta.build_{kind}('dist'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tree, capture_output=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr.decode()
    return tree / "dist" / done.stdout.decode().splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(tree: Path) -> Path:
    """The wheel."""
    return build("wheel", tree)


@pytest.fixture(scope="module")
def sdist(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", tree)) as archive:
        archive.extractall(folder, filter="data")
    [unpacked] = folder.iterdir()
    return unpacked


def test_wheel_holds_every_module_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    info = f"fmcompress-{fmcompress.__version__}.dist-info/"
    ours = {name for name in names if not name.startswith(info)}
    assert ours == modules() | {"fmcompress/py.typed"}
    assert len(names) == len(set(names))


def metadata(wheel: Path, name: str) -> str:
    """Read a file of the dist-info folder."""
    with zipfile.ZipFile(wheel) as archive:
        [path] = [n for n in archive.namelist() if n.endswith(f".dist-info/{name}")]
        return archive.read(path).decode()


def test_wheel_says_what_it_is(wheel: Path) -> None:
    assert wheel.name == f"fmcompress-{fmcompress.__version__}-py3-none-any.whl"
    said: Message = Parser().parsestr(metadata(wheel, "METADATA"))
    assert said["Version"] == fmcompress.__version__
    assert said["License-Expression"] == "Apache-2.0"
    assert said["Requires-Python"] == ">=3.11"
    needs = said.get_all("Requires-Dist", [])
    needed = {re.split("[^a-z0-9]", text)[0] for text in needs if "extra ==" not in text}
    assert needed == {"click", "h5py", "numba", "numpy", "pyvcd", "rich", "xxhash"}
    assert set(said.get_all("Provides-Extra", [])) == {"bench", "zarr"}
    assert "fmc compress" in str(said.get_payload())
    scripts = metadata(wheel, "entry_points.txt").split()
    assert scripts == ["[console_scripts]", "fmc", "=", "fmcompress.cli.main:main"]
    assert "Apache License" in metadata(wheel, "licenses/LICENSE")


def test_wheel_works_elsewhere(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import fmcompress.kernels.ebpc, fmcompress.cli.main as m, fmcompress.dumps.hdf5\n"
        "print(m.__file__)\n"
        "m.main(['--version'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    where, version = done.stdout.splitlines()
    assert Path(where) == tmp_path / "site" / "fmcompress" / "cli" / "main.py"
    assert version == f"fmc {fmcompress.__version__}"


def test_sdist_holds_what_a_checkout_holds(sdist: Path) -> None:
    for name in ("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile"):
        assert (sdist / name).is_file(), name
    for folder in ("docs", "samples", "tests", "benchmarks"):
        expected = {
            path.relative_to(ROOT)
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and path.name[0] != "."
        }
        assert expected <= {path.relative_to(sdist) for path in (sdist / folder).rglob("*")}


def test_sdist_gives_the_same_wheel(sdist: Path, wheel: Path) -> None:
    again = build("wheel", sdist)
    with zipfile.ZipFile(wheel) as ours, zipfile.ZipFile(again) as theirs:
        assert sorted(ours.namelist()) == sorted(theirs.namelist())
        for name in modules():
            assert ours.read(name) == theirs.read(name)
