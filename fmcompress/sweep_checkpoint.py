"""Rows of a sweep that is not complete, kept so that it can be taken up again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeAlias

from fmcompress.sweep_rows import Row

Group: TypeAlias = tuple[str, str, str]  # format, order, layer


class Checkpoint:
    """A file of JSON lines: what is swept, then all rows of a layer at a time; a context manager.

    Parameters
    ----------
    path : Path, optional
        None keeps nothing.
    key : mapping
        What the numbers depend on. Rows of another sweep are dropped.

    Attributes
    ----------
    groups : dict
        The rows that are there already, by format, order and layer.
    """

    def __init__(self, path: Path | None, key: dict[str, Any]) -> None:
        self._path, self._key = path, key
        self._file: IO[str] | None = None
        self.groups: dict[Group, list[Row]] = {}

    def __enter__(self) -> Self:
        if self._path is None:
            return self
        lines = self._lines(self._path)
        if lines and lines[0] == self._key:
            for line in lines[1:]:
                self.groups[tuple(line["group"])] = [Row(*row) for row in line["rows"]]
        self._file = self._path.open("w", encoding="utf-8")
        self._write(self._key)
        for group, rows in self.groups.items():
            self.add(group, rows)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, group: Group, rows: Iterable[Row]) -> None:
        """Keep the rows of a layer."""
        self._write({"group": list(group), "rows": [list(row) for row in rows]})

    def _write(self, value: Any) -> None:
        if self._file is not None:
            self._file.write(json.dumps(value) + "\n")
            self._file.flush()

    @staticmethod
    def _lines(path: Path) -> list[Any]:
        """Return the lines that are whole: the last one need not be."""
        found = []
        try:
            for line in path.read_text(encoding="utf-8").splitlines():
                found.append(json.loads(line))
        except FileNotFoundError:
            return []
        except ValueError:
            pass
        return found

    def remove(self) -> None:
        """Remove the file: the sweep is complete."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
