"""Text that no terminal obeys: names from dumps in messages, tables and CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from typing import IO, Any


def printable(text: str) -> str:
    """Show what a terminal would obey, a new line or worse, as the number of its character."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def write_csv(file: IO[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as CSV, their keys as the first line; nothing where there are no rows."""
    writer = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow(
            {
                key: printable(value) if isinstance(value, str) else value
                for key, value in row.items()
            }
        )
