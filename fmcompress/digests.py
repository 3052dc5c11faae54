"""Digests of dumps: whether numbers are those of the same bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import xxhash

_PIECE_BYTES = 1 << 20


def digest_of(paths: Sequence[Path]) -> str:
    """Return XXH3 with 128 bits, in hex, of files, and of what is in folders, by name.

    Of a single file it is that of its bytes, as ``xxhsum -H2`` prints it. Of several, or of a
    folder, it is that of lines of such a digest, two blanks and the relative name, in the order of
    the names.
    """
    if len(paths) == 1 and not paths[0].is_dir():
        return _of_file(paths[0])
    lines = []
    for path in paths:
        for file in sorted(_files(path)):
            name = file.relative_to(path.parent).as_posix() if path.is_dir() else path.name
            lines.append(f"{_of_file(file)}  {name}\n")
    return xxhash.xxh3_128_hexdigest(os.fsencode("".join(lines)))


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, _, names in os.walk(path):
        yield from (Path(folder, name) for name in names)


def _of_file(path: Path) -> str:
    state = xxhash.xxh3_128()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            state.update(piece)
    return state.hexdigest()
