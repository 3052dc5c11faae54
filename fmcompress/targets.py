"""Targets: files and folders that are complete or not there, and room for them."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

from fmcompress.errors import FmcError
from fmcompress.files import Target, name_of

# What the system says where there is no room.
DISK_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
# Beyond so many files, syncing each one takes longer than syncing all that waits to be written.
_MOST_SYNCED = 256
# So much is written before it is sent to the disk.
_WAITING_BYTES = 1 << 24
# Seconds between attempts to remove a folder that other threads may still write to.
_PAUSES = (0.02, 0.02, 0.05, 0.05, 0.1, 0.2, 0.5, 1.0, 1.0)


@contextlib.contextmanager
def replacing(
    target: Target, *, overwrite: bool = True, folder: bool = False
) -> Iterator[Path | BinaryIO]:
    """Give a place to write to that becomes `target` only when all went well.

    Parameters
    ----------
    target : path or binary file
    overwrite : bool
        Replace what is there.
    folder : bool
        Make a folder.

    Yields
    ------
    Path or binary file
        For a path to a regular file (or to none yet): the path of an empty temporary file beside
        it, which is synced and renamed to `target` at the end, and removed on any error. For a
        device, a pipe or a file object: a binary file to write to, front to back. For a folder:
        the path of an empty temporary folder.

    Raises
    ------
    FmcError
        If the target exists and `overwrite` is False; if it is a directory and no folder is to be
        made; if a folder is to be made where none can be.
    """
    if folder:
        with _replacing_folder(target, overwrite) as made:
            yield made
        return
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
            error.filename = name_of(target) if error.errno in DISK_FULL else error.filename
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
        if isinstance(error, OSError) and (error.errno in DISK_FULL or error.filename == temporary):
            error.filename = name_of(target)  # nobody knows the temporary file's name
            _explain(error, path.parent)
        raise


def _explain(error: OSError, folder: Path) -> None:
    """Say why nothing can be made in a folder, where the system only says that nothing is there."""
    if error.errno != errno.ENOENT:
        return
    named = os.path.dirname(os.fspath(error.filename)) or os.curdir
    # Behind a symbolic link the folder is another than the one that was named.
    shown = folder if os.path.isdir(named) else named
    there = folder.is_dir()
    error.strerror = f"no files can be made in {shown}" if there else f"there is no folder {shown}"


def _refuse_existing(path: Path, target: Target, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise FmcError("exists already", file=name_of(target), hint="use --force to overwrite it")


@contextlib.contextmanager
def _replacing_folder(target: Target, overwrite: bool) -> Iterator[Path]:
    """Give an empty folder beside the target; what the target was is moved aside and removed."""
    if not isinstance(target, str | os.PathLike):
        raise FmcError(
            "a folder cannot go to a stream", file=name_of(target), hint="name a folder to be made"
        )
    path = Path(os.path.realpath(target))
    _refuse_as_folder(path, target, overwrite)
    start = path.parent / f".{path.name[:50]}.{secrets.token_hex(8)}"
    temporary, aside = start.with_name(f"{start.name}.part"), start.with_name(f"{start.name}.old")
    try:
        temporary.mkdir(0o700)
        yield temporary
        _sync_folder(temporary)
        temporary.chmod(_mode(path, 0o777))
        _refuse_as_folder(path, target, overwrite)
        _swap(temporary, path, aside)
        _sync(path.parent, os.O_RDONLY)
    except BaseException as error:
        _remove_folder(temporary)
        if isinstance(error, OSError):
            named = os.fspath(error.filename) if isinstance(error.filename, str | Path) else ""
            if named.startswith(str(temporary)):  # nobody knows the temporary folder's name
                error.filename = name_of(target) + named[len(str(temporary)) :]
                if named == str(temporary):
                    _explain(error, path.parent)
            elif error.errno in DISK_FULL:
                error.filename = name_of(target)
        raise
    if aside.is_dir():
        shutil.rmtree(aside)
    else:
        aside.unlink(missing_ok=True)


def _remove_folder(folder: Path) -> None:
    """Remove a folder, and again for a while what other threads, of a library, still write there.

    They make the folder anew where it is gone: it has to be so twice.
    """
    shutil.rmtree(folder, ignore_errors=True)
    was_gone = False
    for pause in _PAUSES if threading.active_count() > 1 else ():
        time.sleep(pause)
        if not folder.exists():
            if was_gone:
                return
            was_gone = True
            continue
        was_gone = False
        shutil.rmtree(folder, ignore_errors=True)


def _refuse_as_folder(path: Path, target: Target, overwrite: bool) -> None:
    """Refuse to make a folder where there is something that should stay."""
    if not path.exists():
        return
    name = name_of(target)
    if not path.is_dir():
        if not path.is_file():
            raise FmcError("is neither a file nor a folder", file=name, hint="name another output")
        _refuse_existing(path, target, overwrite)
        return
    if Path.cwd().is_relative_to(path) or path.is_mount():
        raise FmcError("cannot be replaced: it is in use", file=name, hint="name a new folder")
    with os.scandir(path) as items:
        empty = next(items, None) is None
    if not empty and not overwrite:
        raise FmcError(
            "is a folder that is not empty", file=name, hint="use --force to replace it, whole"
        )


def _swap(temporary: Path, path: Path, aside: Path) -> None:
    """Put the new folder in the place of what is there, which is moved aside."""
    try:
        if path.exists():
            path.rename(aside)
        temporary.rename(path)
    except BaseException:
        if aside.exists() and not path.exists():
            aside.rename(path)
        raise


def _sync_folder(folder: Path) -> None:
    """Sync everything in a folder; where that is much, all that the system has to write."""
    found = [Path(at, name) for at, _, names in os.walk(folder) for name in names]
    if len(found) > _MOST_SYNCED and hasattr(os, "sync"):
        os.sync()
        return
    for file in found:
        _sync(file, os.O_RDWR)
    for at, _, _ in os.walk(folder):
        _sync(Path(at), os.O_RDONLY)


def _mode(path: Path, plain: int) -> int:
    """Return the permissions of what is there, or those that a new file or folder has."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode) == bool(plain & 0o100):
            return stat.S_IMODE(status.st_mode)
    except OSError:
        pass
    umask = os.umask(0)
    os.umask(umask)
    return plain & ~umask


def _finish(temporary: Path, path: Path) -> None:
    """Sync the data and give the file the permissions that it would have had."""
    os.chmod(temporary, _mode(path, 0o666))
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


def open_target(path: Path) -> io.BufferedRandom:
    """Open a file that is there, to be written to from its beginning on, or anywhere."""
    return io.BufferedRandom(_WrittenBack(path))


class _WrittenBack(io.FileIO):
    """A file that goes to the disk while it is written: else all of it is waited for at the end."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "r+b")
        self._forget()

    def _forget(self) -> None:
        self._waiting, self._start, self._end = 0, sys.maxsize, 0

    def write(self, data: Any) -> int:
        start = self.tell()
        written = super().write(data)
        self._waiting += written
        self._start, self._end = min(self._start, start), max(self._end, start + written)
        if self._waiting >= _WAITING_BYTES:
            if hasattr(os, "posix_fadvise"):
                size = self._end - self._start
                # Linux begins to write what is said not to be needed; nothing is lost by that.
                with contextlib.suppress(OSError):
                    os.posix_fadvise(self.fileno(), self._start, size, os.POSIX_FADV_DONTNEED)
            self._forget()
        return written


@contextlib.contextmanager
def writing(place: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Open what `replacing` gave, to be written front to back."""
    if isinstance(place, Path):
        with open_target(place) as file:
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
    has_bytes = getattr(os.fstat(file.fileno()), "st_blocks", 0) * 512
    check_room(Path(file.name), size - has_bytes)
    file.truncate(size)


def check_room(path: Path, size: int) -> None:
    """Fail where the disk on which a file or folder lies has no room for `size` bytes more.

    Raises
    ------
    OSError
        If it has none.
    """
    free = shutil.disk_usage(os.path.dirname(os.path.abspath(path))).free
    if size > free:
        raise OSError(errno.ENOSPC, f"{size} bytes are needed, {free} are free", os.fspath(path))
