"""The registry of dump formats, and how a file is recognised: by content, not by name."""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from fmcompress.dumps.base import Dump, Layout, Restorer
from fmcompress.errors import DamagedError, UnsupportedError
from fmcompress.records import is_container


class Format(NamedTuple):
    """One dump format. Its module is loaded on first use; it offers ``open`` and ``Restorer``."""

    name: str
    suffix: str
    recognise: Callable[[BinaryIO], bool]
    places: tuple[frozenset[str], ...]  # the keys of the kinds of places that its layers have

    def layout(self, nbytes: int) -> Layout:
        """Prepare to check that template and layers make up a dump of this format."""
        return Layout(nbytes, self.places)

    def open(self, source: Path | BinaryIO, absent: Collection[str] = ()) -> Dump:
        """Open a dump of this format; the data of the tensors named `absent` is not there."""
        dump: Dump = self._module().open(source, absent)
        return dump

    def restorer(self, path: Path, nbytes: int) -> Restorer:
        """Prepare to put a dump of this format back."""
        restorer: Restorer = self._module().Restorer(path, nbytes)
        return restorer

    def _module(self) -> Any:
        return import_module(f"fmcompress.dumps.{self.name}")


def _starts_with(*signatures: bytes) -> Callable[[BinaryIO], bool]:
    def recognise(file: BinaryIO) -> bool:
        file.seek(0)
        return file.read(8).startswith(signatures)

    return recognise


def _is_hdf5(file: BinaryIO) -> bool:
    """HDF5's signature stands at byte 0, or behind a user block of 512, 1024, 2048, … bytes."""
    at, size = 0, file.seek(0, 2)
    while at < size:
        file.seek(at)
        if file.read(8) == b"\x89HDF\r\n\x1a\n":
            return True
        at = max(512, 2 * at)
    return False


_STRETCH = frozenset({"offset"})
_CHUNKS = frozenset({"chunks", "bytes"})
_MEMBER = frozenset({"member", "header", "bytes"})
FORMATS = (
    Format("hdf5", ".h5", _is_hdf5, (_STRETCH, _CHUNKS)),
    Format("npy", ".npy", _starts_with(b"\x93NUMPY"), (_STRETCH,)),
    Format("npz", ".npz", _starts_with(b"PK\x03\x04", b"PK\x05\x06"), (_STRETCH, _MEMBER)),
)


def recognise(file: BinaryIO) -> Format:
    """Tell a dump's format from its content.

    Raises
    ------
    DamagedError
        If the file is empty.
    UnsupportedError
        If it is none that we know.
    """
    for format_ in FORMATS:
        if format_.recognise(file):
            return format_
    file.seek(0)
    start = file.read(8)
    if not start:
        raise DamagedError("the file is empty", hint="was its writing interrupted?")
    if is_container(start):
        raise UnsupportedError("is a compressed file already", hint="use 'fmc decompress'")
    raise UnsupportedError(
        f"not an HDF5, NPY or NPZ file (it starts with {start!r})",
        hint="convert it to one of these",
    )


def format_named(name: str) -> Format:
    """Return the format of a name.

    Raises
    ------
    UnsupportedError
        If this version has none of that name.
    """
    for format_ in FORMATS:
        if format_.name == name:
            return format_
    raise UnsupportedError(f"unknown dump format {name!r}", hint="upgrade fmcompress")


def open_dump(path: Path) -> Dump:
    """Open a dump of any known format.

    Raises
    ------
    OSError, DamagedError, UnsupportedError
        If it cannot be read, is damaged, or is of no known format.
    """
    with path.open("rb") as file:
        format_ = recognise(file)
    return format_.open(path)
