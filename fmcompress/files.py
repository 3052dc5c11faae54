"""Files in and out: any source as a path, and targets that are complete or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, TypeAlias

from fmcompress.errors import FmcError

_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)

Source: TypeAlias = "str | os.PathLike[str] | BinaryIO"
Target: TypeAlias = "str | os.PathLike[str] | BinaryIO"


def name_of(file: Source | Target) -> str:
    """Name a file for messages."""
    if isinstance(file, str | os.PathLike):
        return os.fspath(file)
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else "(stream)"


@contextlib.contextmanager
def source_path(source: Source) -> Iterator[Path]:
    """Give the source as a path; a pipe or a file object is copied to a temporary file first."""
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir():
            raise FmcError("is a directory", hint="name a file")
        if path.exists() and not path.is_file():
            with path.open("rb") as pipe, _spooled(pipe) as spooled:
                yield spooled
        else:
            yield path
    else:
        with _spooled(source) as spooled:
            yield spooled


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
    """Open a source to be read front to back; a pipe is read as it comes."""
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


@contextlib.contextmanager
def replacing(target: Target, *, overwrite: bool = True) -> Iterator[Path | BinaryIO]:
    """Give a place to write to that becomes `target` only when all went well.

    Yields
    ------
    Path or binary file
        For a path to a regular file (or to none yet): the path of an empty temporary file beside
        it, which is synced and renamed to `target` at the end, and removed on any error. For a
        device, a pipe or a file object: a binary file to write to, front to back.

    Raises
    ------
    FmcError
        If the target exists and `overwrite` is False, or is a directory.
    """
    if not isinstance(target, str | os.PathLike):
        yield target
        target.flush()
        return
    if os.path.isdir(target):
        raise FmcError("is a directory", file=name_of(target), hint="name a file")
    if os.path.exists(target) and not os.path.isfile(target):
        # As it was named: of a pipe behind /dev/stdout or /dev/fd/63, the real path leads nowhere.
        try:
            with open(target, "wb") as device:
                yield device
        except OSError as error:
            error.filename = name_of(target) if error.errno in _FULL else error.filename
            raise
        return
    path = Path(os.path.realpath(target))
    _refuse_existing(path, target, overwrite)
    # Named before it is made: a signal may come between any two lines.
    temporary = str(path.parent / f".{path.name[:50]}.{secrets.token_hex(8)}.part")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        yield Path(temporary)
        _finish(Path(temporary), path)
        if not overwrite:
            _refuse_existing(path, target, overwrite)
        os.replace(temporary, path)
        _sync(path.parent, os.O_RDONLY)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and (error.errno in _FULL or error.filename == temporary):
            error.filename = name_of(target)  # nobody knows the temporary file's name
        raise


def _refuse_existing(path: Path, target: Target, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise FmcError("exists already", file=name_of(target), hint="use --force to overwrite it")


def _finish(temporary: Path, path: Path) -> None:
    """Sync the data and give the file the permissions that it would have had."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        umask = os.umask(0)
        os.umask(umask)
        mode = 0o666 & ~umask
    os.chmod(temporary, mode)
    _sync(temporary, os.O_RDWR)


def _sync(path: Path, flags: int) -> None:
    """Sync a file, or (where the system can) a folder."""
    if flags == os.O_RDONLY and os.name != "posix":
        return
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def writing(place: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Open what `replacing` gave, to be written front to back."""
    if isinstance(place, Path):
        with place.open("wb") as file:
            yield file
    else:
        yield place


@contextlib.contextmanager
def writing_anywhere(place: Path | BinaryIO) -> Iterator[Path]:
    """Give what `replacing` gave as the path of a file to be filled in any order."""
    if isinstance(place, Path):
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="fmc-") as folder:
        path = Path(folder, "target")
        path.touch()
        yield path
        with path.open("rb") as file:
            shutil.copyfileobj(file, place, 1 << 20)


def reserve(file: IO[bytes], size: int) -> None:
    """Give a file its final size; fail now, not halfway, where the disk has no room for it.

    Raises
    ------
    OSError
        If there is no room, or files cannot be so large.
    """
    free = shutil.disk_usage(os.path.dirname(os.path.abspath(file.name))).free
    if size > free:
        raise OSError(errno.ENOSPC, f"{size} bytes are needed, {free} are free", file.name)
    file.truncate(size)
