"""NPZ: a zip archive of NPY members, stored or deflated.

Members that are stored keep their data in one stretch of the archive, which is put back byte for
byte. An archive with deflated members is written anew, member by member, with the same names,
order, methods and dates; levels and extra fields are those of Python's zipfile.
"""

from __future__ import annotations

import base64
import contextlib
import lzma
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from fmcompress.contents import LayerInfo
from fmcompress.dumps.base import BLOCK_BYTES, Dump, Tensor
from fmcompress.dumps.base import Restorer as BaseRestorer
from fmcompress.dumps.npy import ArrayHeader, StoredArray, read_header
from fmcompress.dumps.npz_writing import Writer
from fmcompress.errors import DamagedError, FmcError, UnsupportedError, error_context

__all__ = ["Restorer", "Writer", "open"]

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
# What zipfile and its decompressors raise on damaged archives.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    struct.error,
)


@contextlib.contextmanager
def _reading(layer: str | None = None) -> Iterator[None]:
    """Turn what a damaged archive raises into a `DamagedError`."""
    try:
        yield
    except FmcError:
        raise
    except _BROKEN as error:
        raise DamagedError(f"its zip member cannot be read ({error})", layer=layer) from error


class _NpzDump(Dump):
    format = "npz"
    groups: Mapping[str, Mapping[str, Any]] = {}

    def __init__(self, source: Path | BinaryIO, absent: Collection[str]) -> None:
        self.path = source if isinstance(source, Path) else None
        self._source = source
        self._file = source.open("rb") if isinstance(source, Path) else source
        try:
            self.nbytes = self._file.seek(0, 2)
            try:
                self.archive = zipfile.ZipFile(self._file)
            except (*_BROKEN, ValueError) as error:
                raise DamagedError(
                    f"the zip archive cannot be read ({error})", hint="it is cut: copy it again"
                ) from error
            members = sorted(self.archive.infolist(), key=lambda member: member.header_offset)
            arrays = [member for member in members if member.filename.endswith(".npy")]
            if not arrays:
                raise UnsupportedError(
                    "a zip archive with neither .npy members nor a data.pkl is no NPZ and no "
                    "PyTorch file"
                )
            names = _layer_names(members)
            # One compressed array makes all members move when the archive is put back.
            self._packed = any(member.compress_type != zipfile.ZIP_STORED for member in arrays)
            self.tensors = [
                _AbsentArray(name) if name in absent else self._tensor(name, member)
                for name, member in zip(names, members, strict=True)
            ]
        except BaseException:
            self.close()
            raise

    def _tensor(self, name: str, member: zipfile.ZipInfo) -> Tensor:
        if not member.filename.endswith(".npy"):
            if self._packed:  # it will have to be copied: can it?
                with _reading(name), self.archive.open(member) as stream:
                    while stream.read(1 << 20):
                        pass
            return _OtherMember(self.archive, name, member)
        with error_context(layer=name):
            if member.flag_bits & 1 or member.compress_type not in _METHODS:
                raise UnsupportedError("its member is encrypted or compressed in an unknown way")
            with _reading(), self.archive.open(member) as stream:
                header = read_header(stream)  # type: ignore[arg-type]
            if header.size + header.data_bytes > member.file_size:
                raise DamagedError("its member is shorter than its header promises")
            if self._packed:
                return _PackedArray(self.archive, self._file, name, member, header)
            start = _data_offset(self._file, member)
            if start + member.file_size > self.nbytes:
                raise DamagedError("its member reaches past the end of the archive")
            return StoredArray(self._source, name, header, start + header.size)

    def close(self) -> None:
        """Close the archive."""
        if self.path is not None:
            self._file.close()


def _layer_names(members: list[zipfile.ZipInfo]) -> list[str]:
    """Name layers after their members, without ``.npy`` where that leaves them apart."""
    full = set()
    for member in members:
        if member.filename in full:
            raise UnsupportedError("two members have this name", layer=member.filename)
        full.add(member.filename)
    short = [member.filename.removesuffix(".npy") for member in members]
    return [
        member.filename if name in full else name
        for member, name in zip(members, short, strict=True)
    ]


def _data_offset(file: BinaryIO, member: zipfile.ZipInfo) -> int:
    """Offset of a member's data: behind its local header, whose length only itself tells."""
    file.seek(member.header_offset)
    local = file.read(30)
    if len(local) < 30 or local[:4] != b"PK\x03\x04":
        raise DamagedError("its member's header is damaged")
    lengths = (int.from_bytes(local[26:28], "little"), int.from_bytes(local[28:30], "little"))
    return member.header_offset + 30 + sum(lengths)


class _PackedArray(StoredArray):
    """An array in a compressed member: the hole is the member's packed bytes, header and all."""

    def __init__(
        self,
        archive: zipfile.ZipFile,
        file: BinaryIO,
        name: str,
        member: zipfile.ZipInfo,
        header: ArrayHeader,
    ) -> None:
        start = _data_offset(file, member)
        super().__init__(file, name, header, start)
        self._archive = archive
        self._member = member
        self.stored_bytes = member.compress_size
        self._header_bytes = header.size
        self._data_bytes = header.data_bytes
        with _reading(), archive.open(member) as stream:
            text = stream.read(header.size)
        if header.size + header.data_bytes != member.file_size:
            self.carried = "has more data than its header says"
        self.place = {
            "member": member.filename,
            "bytes": member.compress_size,
            "header": base64.b64encode(text).decode("ascii"),
        }

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the elements in the file's order."""
        assert self.dtype is not None
        left = self._data_bytes
        step = max(1, BLOCK_BYTES // self._itemsize) * self._itemsize
        with _reading(self.name), self._archive.open(self._member) as stream:
            stream.read(self._header_bytes)
            while left:
                data = stream.read(min(step, left))
                if len(data) < min(step, left):
                    raise EOFError("it ends too early")
                left -= len(data)
                yield np.frombuffer(data, self.dtype)
            stream.read(1)  # reaching the end makes zipfile compare the checksum

    def read(self) -> NDArray[Any]:
        """Return the array."""
        data = bytearray()  # grows with what comes, not with what the archive promises
        with _reading(self.name), self._archive.open(self._member) as stream:
            while part := stream.read(1 << 20):
                data += part
            if len(data) < self._header_bytes + self._data_bytes:
                raise EOFError("it ends too early")
        dtype = self.dtype or np.dtype(f"V{self._itemsize}")
        order: Literal["C", "F"] = "F" if self.order == "F" else "C"
        return np.ndarray(self.shape, dtype, data, self._header_bytes, order=order)


class _NoData(Tensor):
    """Something that is not coded from here."""

    order = "C"
    dtype = None

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Nothing: NPZ has no attributes."""
        return {}

    def holes(self) -> list[tuple[int, int]]:
        """Nothing is coded."""
        return []

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Nothing is coded."""
        return iter(())


class _AbsentArray(_NoData):
    """An array whose data was taken out of the archive."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.shape = ()
        self.label = ""
        self.carried = "not here"
        self.stored_bytes = 0
        self.place = {}

    def read(self) -> None:
        """Return nothing: there is nothing."""


class _OtherMember(_NoData):
    """A member that is no array; it is carried."""

    def __init__(self, archive: zipfile.ZipFile, name: str, member: zipfile.ZipInfo) -> None:
        self.name = name
        self.shape = (member.file_size,)
        self.label = "file"
        self.carried = "not an array"
        self.stored_bytes = member.compress_size
        self.place = {}
        self._archive = archive
        self._member = member

    def read(self) -> bytes:
        """Return the member's content."""
        with _reading(self.name):
            return self._archive.read(self._member)


class Restorer(BaseRestorer):
    """Put an NPZ back: in place where its members are stored, else member by member."""

    def __init__(self, path: Path, description: Mapping[str, Any]) -> None:
        super().__init__(path, description)
        self._template_path = path.with_name(path.name + ".template")
        self._template: zipfile.ZipFile | None = None
        self._output: zipfile.ZipFile | None = None
        self._members: Iterator[zipfile.ZipInfo] = iter(())
        self._stream: IO[bytes] | None = None
        self._skipped: set[str] = set()

    def announce(self, layer: LayerInfo, wanted: bool) -> None:
        """Take notice of a coded layer; a member whose data will not come is left out."""
        if not wanted:
            self._skipped.add(str(layer.place.get("member")))

    def begin(self, layer: LayerInfo, dtype: np.dtype[Any]) -> None:
        """Start with a coded layer."""
        if "member" not in layer.place:
            if self._output is not None:
                raise DamagedError("its place in the archive is not valid", layer=layer.name)
            super().begin(layer, dtype)
            return
        if self._output is None:
            self._begin_anew()
        try:
            header = base64.b64decode(layer.place["header"], validate=True)
        except (ValueError, TypeError, KeyError) as error:
            raise DamagedError("its place in the archive is not valid", layer=layer.name) from error
        member = self._copy_up_to(layer.place["member"], layer.name)
        assert self._output is not None
        member.file_size = len(header) + layer.size * dtype.itemsize
        with _reading(layer.name):
            self._stream = self._output.open(member, "w", force_zip64=member.file_size >= 2**31)
        self._stream.write(header)

    def write(self, elements: NDArray[Any]) -> None:
        """Take the next elements of the layer."""
        if self._stream is None:
            super().write(elements)
        else:
            self._stream.write(elements.view("u1").data)

    def end(self) -> None:
        """End the layer."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def finish(self, picked: list[str] | None = None) -> None:
        """Complete the archive, or make one of the picked members only."""
        if self._output is not None:
            self._copy_up_to(None, "")
            self._output.close()
            self._output = None
        self.close()
        if picked is not None:
            self._pick({*picked, *(f"{name}.npy" for name in picked)})

    def close(self) -> None:
        """Close and remove what is not the result."""
        for archive in (self._stream, self._output, self._template):
            if archive is not None:
                with contextlib.suppress(ValueError, OSError):  # incomplete: to be removed
                    archive.close()
        self._stream = self._output = self._template = None
        super().close()
        self._template_path.unlink(missing_ok=True)

    def _begin_anew(self) -> None:
        """Put the template aside and start the archive from the first member on."""
        super().close()
        self.path.rename(self._template_path)
        try:
            self._template = zipfile.ZipFile(self._template_path)
        except (*_BROKEN, ValueError) as error:
            raise DamagedError("the archive's template is no zip archive") from error
        self._members = iter(
            sorted(self._template.infolist(), key=lambda member: member.header_offset)
        )
        self._output = zipfile.ZipFile(self.path, "w")
        self._output.comment = self._template.comment

    def _copy_up_to(self, name: str | None, layer: str) -> zipfile.ZipInfo:
        """Copy members unchanged up to the one that is named, and return a new head for it."""
        assert self._template is not None
        assert self._output is not None
        for member in self._members:
            fresh = _same_head(member)
            if member.filename == name:
                return fresh
            if member.filename in self._skipped:
                continue
            with _reading(member.filename):
                _copy_member(self._template, member, self._output, fresh)
        if name is not None:
            raise DamagedError(f"the archive's template has no member {name!r}", layer=layer)
        return zipfile.ZipInfo()

    def _pick(self, names: set[str]) -> None:
        whole = self.path.rename(self._template_path)
        try:
            with zipfile.ZipFile(whole) as old, zipfile.ZipFile(self.path, "w") as new:
                for member in old.infolist():
                    if member.filename in names:
                        with _reading(member.filename):
                            _copy_member(old, member, new, _same_head(member))
        finally:
            whole.unlink()


def _copy_member(
    old: zipfile.ZipFile, member: zipfile.ZipInfo, new: zipfile.ZipFile, fresh: zipfile.ZipInfo
) -> None:
    with old.open(member) as source, new.open(fresh, "w") as target:
        while data := source.read(1 << 20):
            target.write(data)


def _same_head(member: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """Return a member's head without what depends on where it stands."""
    fresh = zipfile.ZipInfo(member.filename, member.date_time)
    for attribute in (
        "compress_type",
        "comment",
        "create_system",
        "external_attr",
        "internal_attr",
    ):
        setattr(fresh, attribute, getattr(member, attribute))
    fresh.file_size = member.file_size
    return fresh


def open(
    source: Path | BinaryIO,
    absent: Collection[str] = (),
    description: Mapping[str, Any] | None = None,
) -> Dump:
    """Open an NPZ file.

    Raises
    ------
    DamagedError
        If the archive or a member is cut or damaged.
    UnsupportedError
        If it is no NPZ, or a member holds pickled objects or is encrypted.
    """
    return _NpzDump(source, absent)
