"""The list of a folder's files, whose bytes lie one behind the other; it may be hostile."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fmcompress.contents import to_json
from fmcompress.errors import DamagedError, UnsupportedError
from fmcompress.records import MAX_DUMP_BYTES, Piece

MAX_FILES = 1 << 18
MAX_PATH_CHARACTERS = 1024
MAX_PARTS = 64
_KEYS = {"path", "bytes", "format", "options", "files"}
_NONE: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a folder.

    Attributes
    ----------
    path : str
        Relative to the folder, with ``/`` between its parts; of an empty folder, with one at
        its end.
    nbytes : int
    start : int
        Where its bytes begin among those of all files.
    description : mapping
        Of a file that is a dump itself, what its format must know: at least ``format`` and
        ``bytes``. Empty for others.
    """

    path: str
    nbytes: int
    start: int
    description: Mapping[str, Any] = field(default_factory=dict)

    @property
    def format(self) -> str:
        """Name of its dump format; empty of a file that is no dump."""
        return str(self.description.get("format", ""))


class FileList:
    """The files of a folder, in the order of their paths.

    Parameters
    ----------
    description : mapping
        Of the dump: ``bytes`` and ``files``, as they stand in a container.

    Attributes
    ----------
    entries : list of Entry
    nbytes : int
        Of all files together.

    Raises
    ------
    DamagedError
        If a path could lead out of the folder, two collide, or sizes do not add up.
    UnsupportedError
        If there are too many files, or keys that this version does not know.
    """

    def __init__(self, description: Mapping[str, Any]) -> None:
        rows = description.get("files", [])
        self.entries: list[Entry] = []
        self.nbytes = 0
        if len(rows) > MAX_FILES:
            raise UnsupportedError(f"lists {len(rows)} files, more than {MAX_FILES}")
        previous = ""
        for row in rows:
            entry = _entry(row, self.nbytes)
            if entry.path <= previous:
                raise DamagedError("the list of its files is not in order")
            previous = entry.path
            self.entries.append(entry)
            self.nbytes += entry.nbytes
        if self.nbytes != description["bytes"]:
            raise DamagedError("its files do not have the size that all have together")
        self._starts = [entry.start for entry in self.entries]
        self._indices = _indices(self.entries)

    def owner(self, name: str) -> tuple[int, str] | None:
        """Return the index of the file that a tensor's name begins with, and the rest of the name.

        The rest is empty where the name is the file's; there is None where no file fits.
        """
        for start in prefixes(name):
            if start in self._indices:
                return self._indices[start], name[len(start) + 1 :]
        return None

    def split(self, offset: int, size: int) -> Iterator[tuple[int, int, int]]:
        """Cut a stretch of the whole at the files' borders.

        Yields
        ------
        tuple of int
            Index of the file, offset in it, and size of the part.
        """
        end = offset + size
        index = bisect_right(self._starts, offset) - 1
        while offset < end:
            entry = self.entries[index]
            part = min(end, entry.start + entry.nbytes) - offset
            if part > 0:
                yield index, offset - entry.start, part
                offset += part
            index += 1

    def split_piece(self, piece: Piece) -> Iterator[tuple[int, Piece]]:
        """Cut a piece of the template at the files' borders, with offsets in each file."""
        current = -1
        segments: list[tuple[int, int]] = []
        parts: list[bytes] = []
        for start, data in piece:
            at = 0
            for index, offset, size in self.split(start, len(data)):
                if index != current and segments:
                    yield current, Piece(tuple(segments), b"".join(parts))
                    segments, parts = [], []
                current = index
                segments.append((offset, size))
                parts.append(data[at : at + size])
                at += size
        if segments:
            yield current, Piece(tuple(segments), b"".join(parts))

    def flat(self) -> FileList:
        """Return the list in which a Zarr store's files stand in its place.

        Its order is that of the bytes, which need not be that of the paths.
        """
        flat = FileList({"bytes": 0})
        for entry in self.entries:
            if "files" not in entry.description:
                flat.entries.append(Entry(entry.path, entry.nbytes, entry.start))
                continue
            for inner in FileList(entry.description).entries:
                path, start = f"{entry.path}/{inner.path}", entry.start + inner.start
                flat.entries.append(Entry(path, inner.nbytes, start))
        flat.nbytes = self.nbytes
        flat._starts = [entry.start for entry in flat.entries]
        return flat


def _entry(row: Any, start: int) -> Entry:
    """Check one row of a list of files."""
    if not isinstance(row, dict):
        raise DamagedError("the list of its files is not valid")
    if unknown := set(row) - _KEYS:
        raise UnsupportedError(
            f"the list of its files has unknown keys {sorted(unknown)}",
            hint="written by a newer version: upgrade fmcompress",
        )
    path, nbytes = row.get("path"), row.get("bytes")
    if not isinstance(path, str) or type(nbytes) is not int or not 0 <= nbytes < 1 << 63:
        raise DamagedError("the list of its files is not valid")
    if problem := path_problem(path):
        raise DamagedError(f"the list of its files has a path that {problem}: {path[:80]!r}")
    fits = (
        isinstance(row.get("format", ""), str),
        isinstance(row.get("options", {}), dict),
        isinstance(row.get("files", []), list),
        "format" in row or len(row) == 2,
        not path.endswith("/") or (nbytes == 0 and len(row) == 2),
    )
    if not all(fits):
        raise DamagedError(f"the list of its files is not valid at {path[:80]!r}")
    return Entry(path, nbytes, start, row if "format" in row else _NONE)


def path_problem(path: str) -> str:
    """Say why a path may not stand in a list of files; empty where it may."""
    parts = path.removesuffix("/").split("/")
    if len(path) > MAX_PATH_CHARACTERS or len(parts) > MAX_PARTS:
        return f"is longer than {MAX_PATH_CHARACTERS} characters or {MAX_PARTS} parts"
    if any(part in ("", ".", "..") for part in parts):
        return "is not relative, or has empty parts, '.' or '..'"
    if "\\" in path or "\0" in path or path[1:2] == ":":
        return "has a backslash, a NUL or a drive"
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return "is not UTF-8"
    return ""


def prefixes(path: str) -> Iterator[str]:
    """Yield the folders of a path, outermost first, then the path itself."""
    at = path.find("/", 0, MAX_PATH_CHARACTERS + 1)
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1, MAX_PATH_CHARACTERS + 1)
    yield path


def _indices(entries: Sequence[Entry]) -> dict[str, int]:
    """Return the index of each path; refuse a file that another one's path takes for a folder."""
    indices = {entry.path.removesuffix("/"): index for index, entry in enumerate(entries)}
    if len(indices) < len(entries):
        raise DamagedError("the list of its files has a file and a folder of one name")
    for index, path in enumerate(indices):
        if any(indices.get(start, index) != index for start in prefixes(path)):
            raise DamagedError(f"the list of its files has a file as a folder: {path[:80]!r}")
    return indices


def check_list(description: Mapping[str, Any]) -> None:
    """Refuse a folder whose list of files has no room in a container.

    Raises
    ------
    UnsupportedError
        If it has none.
    """
    if len(to_json(description)) > MAX_DUMP_BYTES:
        raise UnsupportedError(
            f"the names of its files take more than {MAX_DUMP_BYTES} bytes",
            hint="compress its folders one by one",
        )
