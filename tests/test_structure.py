"""House rules that no other tool keeps: who imports what, sizes, names, docstrings, packages."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fmcompress
from fmcompress.cli.main import COMMANDS
from fmcompress.kernels import bits

ROOT = Path(__file__).parents[1]
SHARED = {"fmcompress.kernels.bits", "fmcompress.kernels.eight_words"}
FOLDERS = {"fmcompress": "fmcompress", "cli": "fmcompress.cli", "kernels": "fmcompress.kernels"}
MOST_FILE_LINES = 400
# A kernel file stands alone, so all that one kernel calls is in one.
MOST_KERNEL_LINES = 500
MOST_FUNCTION_LINES = 60


def sources(*folders: str) -> list[Path]:
    """The package's own modules; links from one folder to another are not followed."""
    found = []
    for folder in folders or FOLDERS:
        for path, _, files in os.walk(ROOT / folder, followlinks=False):
            found += [Path(path, name) for name in files if name.endswith(".py")]
    return sorted(found)


def shown(path: Path) -> str:
    """A path as in messages."""
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    """The name under which a source file is imported."""
    folder, *rest = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([FOLDERS[folder], *(part for part in rest if part != "__init__")])


SOURCES = sources()
each_source = pytest.mark.parametrize("path", SOURCES, ids=shown)


def tree_of(path: Path) -> ast.Module:
    """Parse a source file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> set[str]:
    """Every module imported anywhere in a file; relative ones begin with a dot."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return found


def test_sources_are_found() -> None:
    assert {"cli/main.py", "kernels/ebpc.py", "fmcompress/dumps/npy.py"} < set(map(shown, SOURCES))


# --- Imports ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sources("kernels"), ids=shown)
def test_kernel_files_stand_alone(path: Path) -> None:
    """Numba's cache on disk looks at the file that defines a function and at no other."""
    names = set(imports_of(path))
    allowed = {"numba", "llvmlite", "numpy", "collections"}
    if module_of(path) in SHARED:
        allowed |= {"operator", "hashlib", "pathlib"}
    elif names & SHARED:
        # A change of those changes this one, too, or this one is not imported any more.
        assert f'\nexpect("{bits.DIGEST}")\n' in path.read_text(encoding="utf-8")
    tops = {name.partition(".")[0] for name in names - SHARED}
    assert tops <= allowed


@pytest.mark.parametrize("path", sources("cli"), ids=shown)
def test_command_touches_no_codec(path: Path) -> None:
    """Options in, one library call, text out."""
    tops = {name.partition(".")[0] for name in imports_of(path)}
    assert not tops & {"numpy", "numba", "h5py", "xxhash", ""}
    ours = {name for name in imports_of(path) if name.startswith("fmcompress.")}
    deep = ("kernels", "codecs", "dumps", "words", "container", "records", "contents", "reader")
    assert not {name for name in ours if name.split(".")[1] in deep}


@pytest.mark.parametrize("path", sources("fmcompress", "cli"), ids=shown)
def test_numba_is_imported_in_one_place(path: Path) -> None:
    """Two threads that import it at once find it half done, or wait forever."""
    if path.name != "kernel_loading.py":
        assert not {name for name in imports_of(path) if name.partition(".")[0] == "numba"}


@each_source
def test_imports_are_absolute(path: Path) -> None:
    assert not [name for name in imports_of(path) if name.startswith(".")]


# --- Sizes and names ----------------------------------------------------------------------


@each_source
def test_file_size(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= (MOST_KERNEL_LINES if path.parent.name == "kernels" else MOST_FILE_LINES)


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body and body[-1].end_lineno else 0


@each_source
def test_function_size(path: Path) -> None:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    sizes = {n.name: body_lines(n) for n in ast.walk(tree_of(path)) if isinstance(n, functions)}
    assert {name: size for name, size in sizes.items() if size > MOST_FUNCTION_LINES} == {}


def test_no_two_files_share_a_name() -> None:
    """But for packages' own files, commands, and a codec beside its kernels."""
    counts = Counter(path.name for path in SOURCES)
    allowed = {"__init__.py", "progress.py", *(f"{module}.py" for module, _ in COMMANDS.values())}
    kernels = {path.name for path in sources("kernels")}
    allowed |= {p.name for p in SOURCES if p.parent.name == "codecs" and p.name in kernels}
    assert {name for name, count in counts.items() if count > 1} <= allowed


# --- Docstrings and public names ----------------------------------------------------------


Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Public classes, functions and methods of a module."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, Definition):
            continue
        if node.name.startswith("_"):
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from public(node, f"{prefix}{node.name}.")


def inherits(path: Path, name: str) -> bool:
    """Whether a method's docstring is that of the method that it overrides."""
    owner, _, method = name.rpartition(".")
    module = importlib.import_module(module_of(path))
    return bool(owner) and bool(inspect.getdoc(getattr(getattr(module, owner), method)))


@each_source
def test_docstrings(path: Path) -> None:
    tree = tree_of(path)
    assert ast.get_docstring(tree) or path.name == "__main__.py", "the module has no docstring"
    bare = [
        name
        for name, node in public(tree)
        if not ast.get_docstring(node) and not inherits(path, name)
    ]
    assert bare == []


def test_public_names_resolve_and_nothing_else_leaks() -> None:
    assert sorted(fmcompress.__all__) == dir(fmcompress) == fmcompress.__all__
    for name in fmcompress.__all__:
        value = getattr(fmcompress, name)
        assert callable(value)
        assert inspect.getdoc(value)
    submodules = {module.split(".")[1] for module in map(module_of, SOURCES) if "." in module}
    imported = {"Any", "TYPE_CHECKING", "import_module"}
    leaked = {name for name in vars(fmcompress) if not name.startswith("_")}
    assert leaked <= submodules | imported | set(fmcompress.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = fmcompress.nonsense


def test_public_names_are_not_shadowed_by_submodules() -> None:
    """After ``import fmcompress.x``, ``fmcompress.x`` is the module."""
    submodules = {module.split(".")[1] for module in map(module_of, SOURCES) if "." in module}
    assert not submodules & set(fmcompress.__all__)


# --- Packages -----------------------------------------------------------------------------


def settings() -> Any:
    """The ``[tool]`` table."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]


def test_every_folder_is_a_package_that_is_installed() -> None:
    """A folder that is not listed would be missing from the wheel, silently."""
    folders = {module_of(path.parent / "__init__.py") for path in SOURCES}
    assert set(settings()["setuptools"]["packages"]) == folders
    assert not [path for path in SOURCES if not (path.parent / "__init__.py").exists()]


def test_links_lead_to_the_folders() -> None:
    for name in ("cli", "kernels"):
        link = ROOT / "fmcompress" / name
        if link.is_symlink():  # on Windows, git may write a text file
            assert link.resolve() == ROOT / name


def test_every_module_is_in_the_house() -> None:
    """Named in CONTRIBUTING.md, where a reader looks for what there is."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)(?:\.py|/)?`", text))
    modules = {module_of(path).split(".")[1] for path in SOURCES if "." in module_of(path)}
    assert modules - named == set()


def test_every_module_stands_on_a_floor() -> None:
    """Of the import contract; a module that is on none could import anything."""
    contracts = [c for c in settings()["importlinter"]["contracts"] if c["type"] == "layers"]
    floors = {name.strip() for c in contracts for floor in c["layers"] for name in floor.split("|")}
    modules = {".".join(module_of(path).split(".")[:2]) for path in SOURCES} - {"fmcompress"}
    assert modules - floors == set()
    assert floors - modules == set(), "no such modules"
