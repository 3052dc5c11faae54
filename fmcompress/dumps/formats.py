"""The registry of dump formats, and how a file is recognised: by content, not by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from fmcompress.dumps.base import Dump, Restorer, TensorSpec, Writer
from fmcompress.dumps.layout import Layout
from fmcompress.dumps.tree import is_zarr
from fmcompress.errors import DamagedError, UnsupportedError
from fmcompress.records import is_container


class Format(NamedTuple):
    """One dump format. Its module, loaded on first use, offers `open`, `Restorer` and `Writer`.

    Attributes
    ----------
    name : str
        Also the name of its module.
    suffixes : tuple of str
        Of file names; the first is the usual one.
    recognise : callable
        Tells from an open file whether it is of this format.
    places : tuple of frozenset of str
        The keys of the kinds of places that its layers have.
    folder : bool
        Whether a dump of this format is a folder.
    writes : bool
        Whether tensors of any dump can be written in this format.
    own_layout : bool
        Whether its module has a ``Layout`` of its own.
    """

    name: str
    suffixes: tuple[str, ...]
    recognise: Callable[[BinaryIO], bool]
    places: tuple[frozenset[str], ...]
    folder: bool = False
    writes: bool = True
    own_layout: bool = False

    def layout(self, description: Mapping[str, Any]) -> Layout:
        """Prepare to check that template and layers make up a dump of this format."""
        if self.own_layout:
            layout: Layout = self._module().Layout(description)
            return layout
        return Layout(description["bytes"], self.places)

    def open(
        self,
        source: Path | BinaryIO,
        absent: Collection[str] = (),
        description: Mapping[str, Any] | None = None,
    ) -> Dump:
        """Open a dump of this format; the data of the tensors named `absent` is not there.

        `description` is that of the container, where it is opened from one.
        """
        dump: Dump = self._module().open(source, absent, description or {})
        return dump

    def restorer(self, path: Path, description: Mapping[str, Any]) -> Restorer:
        """Prepare to put a dump of this format back."""
        restorer: Restorer = self._module().Restorer(path, description)
        return restorer

    def writer(
        self,
        path: Path,
        tensors: Sequence[TensorSpec],
        groups: Mapping[str, Mapping[str, Any]],
    ) -> Writer:
        """Prepare to write a new dump of this format."""
        writer: Writer = self._module().Writer(path, tensors, groups)
        return writer

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


def _never(file: BinaryIO) -> bool:
    """Folders are no files."""
    return False


_STRETCH = frozenset({"offset"})
_CHUNKS = frozenset({"chunks", "bytes"})
_MEMBER = frozenset({"member", "header", "bytes"})
_ARRAY = frozenset({"array", "chunks", "bytes"})
FORMATS = (
    Format("hdf5", (".h5", ".hdf5"), _is_hdf5, (_STRETCH, _CHUNKS)),
    Format("npy", (".npy",), _starts_with(b"\x93NUMPY"), (_STRETCH,)),
    Format("npz", (".npz",), _starts_with(b"PK\x03\x04", b"PK\x05\x06"), (_STRETCH, _MEMBER)),
    Format("zarr", (".zarr",), _never, (_ARRAY,), folder=True, own_layout=True),
    Format("folder", ("",), _never, (), folder=True, writes=False, own_layout=True),
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
    """Open a dump of any known format; a folder that is no Zarr store is a folder of dumps.

    Raises
    ------
    OSError, DamagedError, UnsupportedError
        If it cannot be read, is damaged, or is of no known format.
    """
    if path.is_dir():
        return format_named("zarr" if is_zarr(path) else "folder").open(path)
    with path.open("rb") as file:
        format_ = recognise(file)
    return format_.open(path)


def open_dumps(paths: Sequence[Path]) -> Dump:
    """Open several files and folders as one folder of dumps: the folder that holds them all.

    Raises
    ------
    ParameterError
        If two of them are the same file.
    OSError, DamagedError, UnsupportedError
        As `open_dump`.
    """
    dump: Dump = import_module("fmcompress.dumps.folder").open_several(paths)
    return dump
