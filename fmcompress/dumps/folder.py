"""A folder of dumps as one dump: every file comes back, and tensors are named after their files.

A tensor ``conv1`` of the file ``run1/a.h5`` is named ``run1/a.h5/conv1``. Files that are no dump
are carried. What a folder has besides files' names and bytes (dates, permissions) is not kept.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from fmcompress.dumps.base import Dump, Tensor
from fmcompress.dumps.file_list import Entry, FileList, check_list
from fmcompress.dumps.folder_members import CarriedFile, Groups, Members, MemberTensor
from fmcompress.dumps.folder_restoring import Layout, Restorer, inside_file
from fmcompress.dumps.formats import FORMATS, Format, format_named
from fmcompress.dumps.tree import (
    Found,
    JoinedFile,
    find_files,
    find_store,
    found_file,
    is_zarr,
    notes_of_links,
)
from fmcompress.errors import DamagedError, FmcError, ParameterError, UnsupportedError
from fmcompress.views import Window

__all__ = ["Layout", "Restorer", "open", "open_several"]

NO_DUMP = "not a dump"
_BUFFER_BYTES = 1 << 16


class _FolderDump(Dump):
    """What a folder on disk and one in a container have in common."""

    format = "folder"
    path: Path | None = None

    def _take(self, entries: Sequence[Entry], tensors: list[Tensor], members: Members) -> None:
        self.entries = entries
        self.nbytes = sum(entry.nbytes for entry in entries)
        self.tensors = tensors
        self.groups = Groups(members, entries)
        self._members = members

    def close(self) -> None:
        """Close the dumps that are open."""
        self._members.close()


class _DiskFolder(_FolderDump):
    """Files on disk."""

    def __init__(self, root: Path, found: Sequence[Found]) -> None:
        self.path = root
        self._found = found
        self._formats: list[Format | None] = []
        members = Members(self._open_member, self._context)
        self.files: list[dict[str, Any]] = []
        tensors: list[Tensor] = []
        try:
            for index in range(len(found)):
                tensors += self._look(index, members)
        except BaseException:
            members.close()
            raise
        if not any(self._formats):
            raise UnsupportedError("no file in it is a dump", hint="name a folder of dumps")
        self.notes = notes_of_links(found)
        description = {"bytes": sum(file.nbytes for file in found), "files": self.files}
        check_list({"format": self.format, **description})
        entries = FileList(description).entries
        for tensor in tensors:
            if isinstance(tensor, MemberTensor):
                tensor.starts_at(entries[tensor.place["file"]].start)
        self._take(entries, tensors, members)

    def _look(self, index: int, members: Members) -> list[Tensor]:
        """Note what a file is, and return its tensors."""
        found = self._found[index]
        format_ = _format_of(found)
        reason = NO_DUMP
        self._formats.append(format_)
        if format_ is not None:
            try:
                with members.use(index) as dump:
                    if dump.nbytes != found.nbytes:
                        raise DamagedError("the file was changed while it was read")
                    self.files.append({"path": found.path, **dump.describe()})
                    return [
                        MemberTensor(members, index, found.path, number, own)
                        for number, own in enumerate(dump.tensors)
                    ]
            except UnsupportedError as error:
                if found.inside is not None:
                    raise
                self._formats[index], reason = None, error.cause
        self.files.append(found.row())
        if found.path.endswith("/"):
            return []
        entry = Entry(found.path, found.nbytes, 0)
        return [CarriedFile(entry, reason, lambda: found.source.open("rb"))]

    def _open_member(self, index: int) -> Dump:
        format_ = self._formats[index]
        assert format_ is not None
        return format_.open(self._found[index].source)

    @contextlib.contextmanager
    def _context(self, index: int) -> Iterator[None]:
        try:
            yield
        except FmcError as error:
            error.file = error.file or str(self._found[index].source)
            raise

    def open_bytes(self) -> BinaryIO:
        """Open the bytes of all files, one behind the other."""
        joined = JoinedFile(file for found in self._found for file in found.files())
        return io.BufferedReader(joined, _BUFFER_BYTES)


def _format_of(found: Found) -> Format | None:
    """Tell what a file is; None of what is no dump."""
    if found.inside is not None:
        return format_named("zarr")
    if not found.nbytes:
        return None
    with found.source.open("rb") as file:
        return next((format_ for format_ in FORMATS if format_.recognise(file)), None)


class _FolderView(_FolderDump):
    """A folder as it lies in a container: the data of coded tensors is not there."""

    def __init__(
        self, source: BinaryIO, absent: Collection[str], description: Mapping[str, Any]
    ) -> None:
        self._source = source
        files = FileList(description)
        entries = files.entries
        self._absent: dict[int, list[str]] = {}
        for name in absent:
            if owner := files.owner(name):
                self._absent.setdefault(owner[0], []).append(owner[1])
        self.files = description.get("files", [])
        members = Members(self._open_member, lambda index: inside_file(entries[index]))
        self._take(entries, [], members)
        try:
            for index, entry in enumerate(entries):
                self.tensors += self._look(index, entry)
        except BaseException:
            self.close()
            raise

    def _look(self, index: int, entry: Entry) -> list[Tensor]:
        if entry.path.endswith("/"):
            return []
        if not entry.format:
            return [CarriedFile(entry, NO_DUMP, lambda: self._window(entry))]
        with self._members.use(index) as dump:
            return [
                MemberTensor(self._members, index, entry.path, number, own)
                for number, own in enumerate(dump.tensors)
            ]

    def _window(self, entry: Entry) -> BinaryIO:
        return io.BufferedReader(Window(self._source, entry.start, entry.nbytes), _BUFFER_BYTES)

    def _open_member(self, index: int) -> Dump:
        entry = self.entries[index]
        absent = self._absent.get(index, ())
        return format_named(entry.format).open(self._window(entry), absent, entry.description)


def open(source: Path | BinaryIO, absent: Collection[str], description: Mapping[str, Any]) -> Dump:
    """Open a folder of dumps, or the bytes of all its files.

    Raises
    ------
    OSError
        If something cannot be read.
    DamagedError
        If one of its dumps is damaged.
    UnsupportedError
        If it holds no dump, or something that would not come back.
    """
    if not isinstance(source, Path):
        return _FolderView(source, absent, description)
    return _DiskFolder(source, find_files(source))


def open_several(paths: Sequence[Path]) -> Dump:
    """Open files and folders as the folder that holds them all.

    Raises
    ------
    ParameterError
        If there is none, or one is named twice.
    OSError, DamagedError, UnsupportedError
        As `open`.
    """
    if not paths:
        raise ParameterError("no file is named")
    whole = [Path(os.path.abspath(path)) for path in paths]
    try:
        root = Path(os.path.commonpath([path.parent for path in whole]))
    except ValueError as error:  # Windows has several drives
        raise ParameterError("the files have no folder in common") from error
    found: dict[str, Found] = {}
    for path in whole:
        name = path.relative_to(root).as_posix()
        for file in _found_at(name, path):
            if file.path in found:
                raise ParameterError("is named twice", file=str(file.source))
            found[file.path] = file
    for file in found.values():
        if any(parent.as_posix() in found for parent in PurePosixPath(file.path).parents):
            raise ParameterError("lies in another one that is named", file=str(file.source))
    return _DiskFolder(root, sorted(found.values(), key=lambda file: file.path))


def _found_at(name: str, path: Path) -> list[Found]:
    if not path.is_dir():
        return [found_file(name, path)]
    if is_zarr(path):
        return [find_store(name, path)]
    inside = find_files(path) or [Found("", path, 0)]
    return [replace(file, path=f"{name}/{file.path}") for file in inside]
