"""Files in: any source as a path; how files are named, and how in and out are kept apart."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, TypeAlias

from fmcompress.errors import FmcError

Source: TypeAlias = "str | os.PathLike[str] | BinaryIO"
Sources: TypeAlias = "Source | Sequence[str | os.PathLike[str]]"
Target: TypeAlias = "str | os.PathLike[str] | BinaryIO"


def name_of(file: Sources | Target) -> str:
    """Name a file, or several, for messages."""
    if isinstance(file, list | tuple):
        return ", ".join(map(os.fspath, file))
    if isinstance(file, str | os.PathLike):
        return os.fspath(file)
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else "(stream)"


@contextlib.contextmanager
def source_path(source: Source, *, folders: bool = False) -> Iterator[Path]:
    """Give the source as a path; a pipe or a file object is copied to a temporary file first.

    Raises
    ------
    FmcError
        If it is a folder, and `folders` are not allowed.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir():
            if not folders:
                raise FmcError("is a directory", hint="name a file")
            yield path
        elif path.exists() and not path.is_file():
            with path.open("rb") as pipe, _spooled(pipe) as spooled:
                yield spooled
        else:
            yield path
    else:
        with _spooled(source) as spooled:
            yield spooled


def listed_sources(sources: Sources | Sequence[Source]) -> Sequence[Source]:
    """Return one source, or several, as a list."""
    return list(sources) if isinstance(sources, list | tuple) else [sources]  # type: ignore[list-item]


@contextlib.contextmanager
def source_paths(sources: Sources) -> Iterator[list[Path]]:
    """Give one source, or several, as paths of files or folders."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(source_path(source, folders=True))
            for source in listed_sources(sources)
        ]


@contextlib.contextmanager
def _spooled(source: BinaryIO) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fmc-") as folder:
        path = Path(folder, "source")
        with path.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        yield path


@contextlib.contextmanager
def seekable(file: BinaryIO) -> Iterator[BinaryIO]:
    """Give a file that can seek; a pipe is copied to a temporary file first."""
    if file.seekable():
        yield file
        return
    with _spooled(file) as path, path.open("rb") as copy:
        yield copy


@contextlib.contextmanager
def open_source(source: Source) -> Iterator[BinaryIO]:
    """Open a path to be read; leave a file object, which may be a pipe, as it is."""
    if isinstance(source, str | os.PathLike):
        if Path(source).is_dir():
            raise FmcError("is a directory", hint="name a file")
        with Path(source).open("rb") as file:
            yield file
    else:
        yield source


def size_of(file: BinaryIO) -> int:
    """Return the size of a file; 0 of a pipe."""
    try:
        at = file.tell()
        size = file.seek(0, os.SEEK_END)
        file.seek(at)
    except (OSError, AttributeError, ValueError):
        return 0
    return size


def same_file(source: Source, target: Target) -> bool:
    """Tell whether both are one and the same existing regular file."""
    try:
        ours, theirs = (
            os.stat(f) if isinstance(f, str | os.PathLike) else os.fstat(f.fileno())
            for f in (source, target)
        )
    except (OSError, AttributeError, ValueError):
        return False
    return stat.S_ISREG(ours.st_mode) and os.path.samestat(ours, theirs)


def inside(source: Source, target: Target) -> bool:
    """Tell whether the target lies in the source, a folder, or is that folder."""
    if not isinstance(source, str | os.PathLike) or not isinstance(target, str | os.PathLike):
        return False
    ours, theirs = os.path.realpath(source), os.path.realpath(target)
    return os.path.isdir(ours) and Path(theirs).is_relative_to(ours)


def keep_apart(
    sources: Sources | Sequence[Source], target: Target, *, folder: bool = False
) -> None:
    """Refuse to write to what is read, or into it; to replace a folder in which it lies.

    Parameters
    ----------
    sources : path or binary file, or sequence of paths
    target : path or binary file
    folder : bool
        Whether the target is a folder that will be replaced, whole.

    Raises
    ------
    FmcError
        If one is the other, or lies in it.
    """
    for each in listed_sources(sources):
        if same_file(each, target):
            raise FmcError(
                "is both input and output", file=name_of(each), hint="name another output"
            )
        if inside(each, target):
            raise FmcError("lies in the input", file=name_of(target), hint="name another output")
        if folder and inside(target, each):
            raise FmcError("holds the input", file=name_of(target), hint="name another output")
