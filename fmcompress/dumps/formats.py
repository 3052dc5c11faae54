"""The registry of dump formats, and how a file is recognised: by content, not by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from fmcompress.dumps.base import Dump, GroupAttributes, Restorer, TensorSpec, Writer
from fmcompress.dumps.layout import Layout
from fmcompress.dumps.tree import is_zarr
from fmcompress.errors import DamagedError, ParameterError, UnsupportedError
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
    picks : bool
        Whether its `Restorer` can put some tensors back without the others.
    writes : bool
        Whether tensors of any dump can be written in this format.
    own_layout : bool
        Whether its module has a ``Layout`` of its own.
    title : str
        What people call it; empty where that is its name in capitals.
    """

    name: str
    suffixes: tuple[str, ...]
    recognise: Callable[[BinaryIO], bool]
    places: tuple[frozenset[str], ...]
    folder: bool = False
    picks: bool = False
    writes: bool = True
    own_layout: bool = False
    title: str = ""

    def layout(self, description: Mapping[str, Any]) -> Layout:
        """Prepare to check that template and layers make up a dump of this format."""
        kind = self._module().Layout if self.own_layout else Layout
        layout: Layout = kind(description, self.places)
        return layout

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

    def writer(self, path: Path, tensors: Sequence[TensorSpec], groups: GroupAttributes) -> Writer:
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


def _as_its_module_tells(name: str) -> Callable[[BinaryIO], bool]:
    def recognise(file: BinaryIO) -> bool:
        found: bool = import_module(f"fmcompress.dumps.{name}").recognise(file)
        return found

    return recognise


def _never(file: BinaryIO) -> bool:
    """Of folders, and of what only the user can tell."""
    return False


_STRETCH = frozenset({"offset"})
_CHUNKS = frozenset({"chunks", "bytes"})
_MEMBER = frozenset({"member", "header", "bytes"})
_ARRAY = frozenset({"array", "chunks", "bytes"})
_LINES = frozenset({"digits", "upper", "newline", "bytes"})
_PYTORCH, _SAFETENSORS = _as_its_module_tells("pytorch"), _as_its_module_tells("safetensors")
_ONNX, _HEX = _as_its_module_tells("onnx"), _as_its_module_tells("hex")
FORMATS = (
    Format("hdf5", (".h5", ".hdf5"), _is_hdf5, (_STRETCH, _CHUNKS), picks=True),
    Format("npy", (".npy",), _starts_with(b"\x93NUMPY"), (_STRETCH,), picks=True),
    Format("pytorch", (".pt", ".pth"), _PYTORCH, (_STRETCH,), writes=False, title="PyTorch"),
    Format(
        "npz",
        (".npz",),
        _starts_with(b"PK\x03\x04", b"PK\x05\x06"),
        (_STRETCH, _MEMBER),
        picks=True,
    ),
    Format(
        "safetensors",
        (".safetensors",),
        _SAFETENSORS,
        (_STRETCH,),
        picks=True,
        title="safetensors",
    ),
    Format("zarr", (".zarr",), _never, (_ARRAY,), folder=True, picks=True, own_layout=True),
    Format("folder", ("",), _never, (), folder=True, picks=True, writes=False, own_layout=True),
    # Those without a signature come last: telling them takes a look at more than the first bytes.
    Format("onnx", (".pb",), _ONNX, (_STRETCH,), picks=True, title="ONNX tensor"),
    Format("raw", (".raw",), _never, (_STRETCH,), picks=True, own_layout=True, title="raw"),
    Format("hex", (".hex", ".mem"), _HEX, (_LINES,), picks=True, own_layout=True, title="hex text"),
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
    *titles, last = (f.title or f.name.upper() for f in FORMATS if f.recognise is not _never)
    raise UnsupportedError(
        f"not an {', '.join(titles)} or {last} file (it starts with {start!r})",
        hint="convert it to one of these, or say what it holds with --raw",
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


def format_for_name(suffix: str) -> Format | None:
    """Return the format that files with this suffix have, if any."""
    for format_ in FORMATS:
        if suffix and suffix.lower() in format_.suffixes:
            return format_
    return None


def open_dump(path: Path, raw: Mapping[str, Any] | None = None) -> Dump:
    """Open a dump of any known format.

    Parameters
    ----------
    path : Path
    raw : mapping, optional
        What `fmcompress.dumps.raw.layout_options` gave: the file is words without any header, of
        this dtype, shape and byte order.

    Raises
    ------
    OSError, DamagedError, UnsupportedError
        If it cannot be read, is damaged, or is of no known format.
    ParameterError
        If `raw` does not fit the file.
    """
    if raw is not None:
        known = isinstance(raw, Mapping) and {"dtype"} <= set(raw) <= {"dtype", "shape", "endian"}
        if not known or not isinstance(raw.get("shape", ()), Sequence):
            raise ParameterError(
                f"raw is {raw!r}", hint="give dtype, and possibly a list shape, and endian"
            )
        return format_named("raw").open(path, description={"options": dict(raw)})
    if path.is_dir():
        return format_named("zarr" if is_zarr(path) else "folder").open(path)
    with path.open("rb") as file:
        format_ = recognise(file)
    return format_.open(path)


def open_sources(paths: Sequence[Path], raw: Mapping[str, Any] | None = None) -> Dump:
    """Open what a user names: one dump, or several as one folder of dumps.

    Raises
    ------
    ParameterError
        If `raw` is given for several.
    OSError, DamagedError, UnsupportedError, ParameterError
        As `open_dump` and `open_dumps`.
    """
    if len(paths) == 1:
        return open_dump(paths[0], raw)
    if raw is not None:
        raise ParameterError("raw files are taken one by one", hint="give a single input")
    return open_dumps(paths)


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
