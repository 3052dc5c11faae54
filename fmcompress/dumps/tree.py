"""Folders as dumps: what folders of dumps and Zarr stores share.

Finding the files, reading all of them as one, and writing them anew.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from fmcompress.dumps.file_list import MAX_FILES, FileList, path_problem
from fmcompress.errors import DamagedError, FmcError, UnsupportedError
from fmcompress.records import Piece
from fmcompress.targets import check_room
from fmcompress.views import View

# A folder that holds one of these is a Zarr array or group; where there are two, the first counts.
NODE_NAMES = ("zarr.json", ".zarray", ".zgroup")


@dataclass(frozen=True, slots=True)
class Found:
    """A file that was found: `inside` are those of a Zarr store, which is one dump of its own."""

    path: str
    source: Path
    nbytes: int
    inside: tuple[Found, ...] | None = None

    def files(self) -> Iterable[Found]:
        """Yield the file itself, or those of the store."""
        return (self,) if self.inside is None else self.inside

    def row(self) -> dict[str, Any]:
        """Return its row in a list of files."""
        return {"path": self.path, "bytes": self.nbytes}


def is_zarr(folder: Path) -> bool:
    """Tell whether a folder is a Zarr array or group."""
    return any((folder / name).is_file() for name in NODE_NAMES)


def find_files(root: Path, *, stores: bool = True) -> list[Found]:
    """Find all files below a folder, and the empty folders, in the order of their paths.

    A symbolic link to a file is taken for the file; who opens the folder says so.

    Parameters
    ----------
    root : Path
    stores : bool
        Take a Zarr store for one file, with the files `inside`.

    Raises
    ------
    UnsupportedError
        If there is something that would not come back: a link to a folder, a device, a name that
        is not UTF-8; or too much.
    """
    found: list[Found] = []
    waiting = [("", root)]
    count = 0
    while waiting:
        prefix, folder = waiting.pop()
        with os.scandir(folder) as items:
            names = sorted(item.name for item in items)
        if not names and prefix:
            found.append(Found(prefix, folder, 0))
        for name in names:
            source = folder / name
            _refuse_name(prefix + name, source)
            status = _status(source)
            count += 1
            if count > MAX_FILES:
                raise UnsupportedError(
                    f"holds more than {MAX_FILES} files", hint="compress its folders one by one"
                )
            if not stat.S_ISDIR(status.st_mode):
                found.append(Found(prefix + name, source, status.st_size))
            elif stores and is_zarr(source):
                found.append(find_store(prefix + name, source))
                count += len(found[-1].inside or ())
            else:
                waiting.append((f"{prefix}{name}/", source))
    return sorted(found, key=lambda file: file.path)


def find_store(path: str, folder: Path) -> Found:
    """Take the folder of a Zarr store for one file."""
    inside = tuple(find_files(folder, stores=False))
    return Found(path, folder, sum(file.nbytes for file in inside), inside)


def notes_of_links(found: Sequence[Found]) -> list[str]:
    """Return what is to be said of the files that are reached through links."""
    links = sum(file.source.is_symlink() for whole in found for file in whole.files())
    return [f"symbolic links are packed as the files that they lead to: {links}"] if links else []


def found_file(path: str, source: Path) -> Found:
    """Take one file that was named.

    Raises
    ------
    FmcError
        If it is none.
    """
    _refuse_name(path, source)
    status = source.stat()
    if not stat.S_ISREG(status.st_mode):
        raise FmcError("is no regular file", file=str(source), hint="name files and folders")
    return Found(path, source, status.st_size)


def _status(source: Path) -> os.stat_result:
    """Return what a file is, through a link; refuse what is neither file nor folder."""
    status = source.lstat()
    kind = "is neither a file nor a folder"
    if stat.S_ISLNK(status.st_mode):
        kind = "is a symbolic link that leads to no file"
        try:
            status = source.stat()
        except OSError:
            status = source.lstat()
        if stat.S_ISDIR(status.st_mode):
            status = source.lstat()
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise UnsupportedError(
            kind, file=str(source), hint="remove it from the folder: it would not come back"
        )
    return status


def _refuse_name(path: str, source: Path) -> None:
    if problem := path_problem(path):
        shown = os.fsencode(source).decode("utf-8", "backslashreplace")
        raise UnsupportedError(f"its path {problem}", file=shown, hint="rename it")


class JoinedFile(View):
    """Many files read as one; only one is open at a time."""

    def __init__(self, found: Iterable[Found]) -> None:
        self._found = list(found)
        *self._starts, size = itertools.accumulate((file.nbytes for file in self._found), initial=0)
        super().__init__(size)
        self._index = -1
        self._file: BinaryIO | None = None

    def bytes_at(self, offset: int, size: int) -> bytes:
        """Return bytes up to the end of a file, at most."""
        index = bisect_right(self._starts, offset) - 1
        if index != self._index:
            self._close_file()
            self._file = self._found[index].source.open("rb")
            self._index = index
        assert self._file is not None
        inner = offset - self._starts[index]
        self._file.seek(inner)
        return self._file.read(min(size, self._found[index].nbytes - inner))

    def close(self) -> None:
        """Close the file that is open."""
        self._close_file()
        super().close()

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._index = None, -1


class TreeWriter:
    """Write the files of a folder, in any order; one is open at a time.

    Parameters
    ----------
    root : Path
        An empty folder.
    files : FileList
        What it is to hold; a file is made, with its final size, when it is first needed.

    Raises
    ------
    OSError
        If the disk has no room for all of them.
    """

    def __init__(self, root: Path, files: FileList) -> None:
        self.files = files
        self._root = root
        self._made: set[int] = set()
        self._index = -1
        self._file: BinaryIO | None = None
        check_room(root, files.nbytes)

    def template(self, piece: Piece) -> None:
        """Write a piece of the template, whose offsets are those of all files as one."""
        for start, data in piece:
            at = 0
            for index, offset, size in self.files.split(start, len(data)):
                file = self._open(index)
                file.seek(offset)
                file.write(data[at : at + size])
                at += size

    def make(self, index: int) -> Path:
        """Make a file of the list, or an empty folder, if it was not made yet; return its path.

        Raises
        ------
        UnsupportedError
            If another file of the list has this name on this system.
        """
        entry = self.files.entries[index]
        path = self._root / entry.path
        if index in self._made:
            return path
        self._made.add(index)
        if entry.path.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                file.truncate(entry.nbytes)
        except FileExistsError as error:
            raise UnsupportedError(
                f"two of its files have the name {entry.path!r} here",
                hint="names that differ in case only are one on this system: use another",
            ) from error
        return path

    def close(self) -> None:
        """Close the file that is open."""
        if self._file is not None:
            self._file.close()
        self._file, self._index = None, -1

    def _open(self, index: int) -> BinaryIO:
        if self._file is None or index != self._index:
            self.close()
            self._file = self.make(index).open("r+b")
            self._index = index
        return self._file


class TreeReader:
    """Read files of a folder one by one, on disk or where their bytes lie one behind the other.

    Parameters
    ----------
    files : FileList
    source : sequence of Found, or binary file
        The same files on disk, or the file in which they lie.
    """

    def __init__(self, files: FileList, source: Sequence[Found] | BinaryIO) -> None:
        self.files = files
        self._source = source

    def read(self, index: int, most_bytes: int) -> bytes:
        """Return the bytes of a file.

        Raises
        ------
        UnsupportedError
            If there are more than `most_bytes`.
        DamagedError
            If there are fewer than when it was found.
        """
        entry = self.files.entries[index]
        if entry.nbytes > most_bytes:
            raise UnsupportedError(f"its {entry.path} has {entry.nbytes} bytes: too many")
        if isinstance(self._source, Sequence):
            with self._source[index].source.open("rb") as file:
                data = file.read(entry.nbytes)
        else:
            self._source.seek(entry.start)
            data = self._source.read(entry.nbytes)
        if len(data) < entry.nbytes:
            raise DamagedError(f"its {entry.path} became shorter while it was read")
        return data


def remove_empty_folders(root: Path) -> None:
    """Remove the folders, below a root, that hold nothing or only such folders."""
    for folder, _, _ in os.walk(root, topdown=False):
        if folder != str(root):
            with contextlib.suppress(OSError):  # it is not empty
                os.rmdir(folder)
