"""Rows of a sweep that is not complete, kept so that it can be taken up again."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeAlias

import xxhash

from fmcompress.errors import FmcError
from fmcompress.sweep_rows import Row

if sys.platform != "win32":
    import fcntl

# Windows neither has such locks nor lets a file be renamed or removed that is open.
_LOCKS = sys.platform != "win32"
SCHEMA = "fmcompress.sweep-part/1"
Group: TypeAlias = tuple[str, str, str]  # format, order, layer


class Checkpoint:
    """A file of JSON lines: what is swept, then all rows of a layer at a time; a context manager.

    The file is locked meanwhile (but on Windows). A lock goes with its process, however that ends.
    Where no rows were kept, none is left.

    Parameters
    ----------
    path : Path, optional
        None keeps nothing.
    key : mapping
        What the numbers depend on.
    overwrite : bool
        Drop rows of another sweep.

    Attributes
    ----------
    groups : dict
        The rows that are there already, by format, order and layer.

    Raises
    ------
    FmcError
        If there are rows of another sweep, or another one is running, or the file is no part of
        one.
    """

    def __init__(self, path: Path | None, key: dict[str, Any], overwrite: bool = False) -> None:
        self._path, self._key = path, {"schema": SCHEMA, **key}
        self._overwrite = overwrite
        self._file: IO[str] | None = None
        self._has_rows = False
        self.groups: dict[Group, list[Row]] = {}

    def __enter__(self) -> Self:
        if self._path is None:
            return self
        with _locked(self._path) if _LOCKS else contextlib.nullcontext():
            self._take_up(self._path)
        return self

    def _take_up(self, path: Path) -> None:
        """Read what is there, and begin the file anew with it."""
        lines = _lines(path)
        if lines and not (isinstance(lines[0], dict) and lines[0].get("schema") == SCHEMA):
            raise FmcError("exists, and is no part of a sweep", file=str(path), hint="move it away")
        if lines and lines[0] != self._key and not self._overwrite:
            raise FmcError(
                "has rows of another sweep",
                file=str(path),
                hint="-f drops them, or name another output",
            )
        if lines and lines[0] == self._key:
            self.groups = _groups(lines[1:])
        # The rows that are there are never gone: what replaces them is complete first.
        new = path.with_name(path.name + ".new")
        self._file = new.open("w", encoding="utf-8")
        try:
            _lock(self._file, path)
            self._write(self._key)
            for group, rows in self.groups.items():
                self.add(group, rows)
            if not _LOCKS:
                self._file.close()
            new.replace(path)
            if not _LOCKS:
                self._file = path.open("a", encoding="utf-8")
        except BaseException:
            self._file.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._path is not None and not self._has_rows:
            self._remove(self._path)
        if self._file is not None:
            self._file.close()

    def add(self, group: Group, rows: Iterable[Row]) -> None:
        """Keep the rows of a layer."""
        self._has_rows = True
        kept = [list(row) for row in rows]
        self._write({"group": list(group), "rows": kept, "check": _check(group, kept)})

    def _write(self, value: Any) -> None:
        if self._file is not None:
            self._file.write(json.dumps(value) + "\n")
            self._file.flush()

    def _remove(self, path: Path) -> None:
        if self._file is not None and not _LOCKS:
            self._file.close()
        path.unlink(missing_ok=True)


def _locked(path: Path) -> IO[str]:
    """Open the file, which is made if need be, and lock it.

    Raises
    ------
    FmcError
        If another sweep has it.
    """
    while True:
        file = path.open("a", encoding="utf-8")
        try:
            _lock(file, path)
            # Whoever had it may have replaced or removed it meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return file
        except BaseException:
            file.close()
            raise
        file.close()


def _lock(file: IO[str], path: Path) -> None:
    """Lock a file where the system can, until it is closed."""
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FmcError(
            "another sweep that runs keeps its rows there",
            file=str(path),
            hint="wait for it, or name another output",
        ) from error
    except OSError:  # a file system without locks
        return


def _lines(path: Path) -> list[Any]:
    """Return the lines that are whole: the last one need not be. None is as of an empty file."""
    found: list[Any] = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            found.append(json.loads(line))
    except FileNotFoundError:
        return []
    except ValueError:
        return found or [None]
    return found


def _groups(lines: list[Any]) -> dict[Group, list[Row]]:
    """Return the rows of layers, up to a line that is none of ours, or was changed."""
    found: dict[Group, list[Row]] = {}
    for line in lines:
        try:
            format_, order, layer = map(str, line["group"])
            if line["check"] != _check((format_, order, layer), line["rows"]):
                break
            found[format_, order, layer] = [Row(*row) for row in line["rows"]]
        except (TypeError, KeyError, ValueError):
            break
    return found


def _check(group: Group, rows: list[Any]) -> str:
    """Return a checksum of a layer's rows."""
    return xxhash.xxh3_64_hexdigest(json.dumps([*group, rows]).encode())
