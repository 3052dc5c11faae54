"""NPZ: a zip archive of NPY members, stored or deflated.

Members that are stored keep their data in one stretch of the archive, which is put back byte for
byte. An archive with deflated members is written anew, member by member, with the same names,
order, compression and dates.
"""

from __future__ import annotations

import base64
import contextlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fmcompress.contents import LayerInfo
from fmcompress.dumps.base import BLOCK_BYTES, Dump, Tensor
from fmcompress.dumps.base import Restorer as BaseRestorer
from fmcompress.dumps.npy import ArrayHeader, StoredArray, read_header
from fmcompress.errors import DamagedError, UnsupportedError, error_context

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


class _NpzDump(Dump):
    format = "npz"

    def __init__(self, source: Path | BinaryIO) -> None:
        self.path = source if isinstance(source, Path) else None
        self._file = source.open("rb") if isinstance(source, Path) else source
        try:
            self.nbytes = self._file.seek(0, 2)
            try:
                self.archive = zipfile.ZipFile(self._file)
            except (zipfile.BadZipFile, ValueError, OSError) as error:
                raise DamagedError(
                    f"the zip archive cannot be read ({error})", hint="it is cut: copy it again"
                ) from error
            members = sorted(self.archive.infolist(), key=lambda member: member.header_offset)
            if not any(member.filename.endswith(".npy") for member in members):
                raise UnsupportedError("a zip archive without .npy members is no NPZ file")
            self.tensors = [self._tensor(source, member) for member in members]
        except BaseException:
            self.close()
            raise

    def _tensor(self, source: Path | BinaryIO, member: zipfile.ZipInfo) -> Tensor:
        name = member.filename.removesuffix(".npy")
        if not member.filename.endswith(".npy"):
            return _OtherMember(self.archive, member)
        with error_context(layer=name):
            if member.flag_bits & 1 or member.compress_type not in _METHODS:
                raise UnsupportedError("its member is encrypted or compressed in an unknown way")
            try:
                with self.archive.open(member) as stream:
                    header = read_header(stream)  # type: ignore[arg-type]
            except _BROKEN as error:
                raise DamagedError(f"its member cannot be read ({error})") from error
            if header.size + header.data_bytes > member.file_size:
                raise DamagedError("its member is shorter than its header promises")
            if member.compress_type == zipfile.ZIP_STORED:
                start = _data_offset(self._file, member)
                if start + member.file_size > self.nbytes:
                    raise DamagedError("its member reaches past the end of the archive")
                return StoredArray(source, name, header, start + header.size)
            return _PackedArray(self.archive, self._file, member, name, header)

    def close(self) -> None:
        """Close the archive."""
        if self.path is not None:
            self._file.close()


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
        member: zipfile.ZipInfo,
        name: str,
        header: ArrayHeader,
    ) -> None:
        start = _data_offset(file, member)
        super().__init__(file, name, header, start)
        self._archive = archive
        self._member = member
        self.stored_bytes = member.compress_size
        self._data_bytes = header.data_bytes
        with archive.open(member) as stream:
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
        try:
            with self._archive.open(self._member) as stream:
                stream.read(self._member.file_size - left)
                while left:
                    data = stream.read(min(step, left))
                    if len(data) < min(step, left):
                        raise EOFError("it ends too early")
                    left -= len(data)
                    yield np.frombuffer(data, self.dtype)
                stream.read(1)  # reaching the end makes zipfile compare the checksum
        except _BROKEN as error:
            raise DamagedError(f"its member cannot be read ({error})", layer=self.name) from error

    def read(self) -> NDArray[Any]:
        """Return the array."""
        try:
            with self._archive.open(self._member) as stream:
                data = bytearray(stream.read())
        except _BROKEN as error:
            raise DamagedError(f"its member cannot be read ({error})", layer=self.name) from error
        dtype = self.dtype or np.dtype(f"V{self._itemsize}")
        start = self._member.file_size - self._data_bytes
        return np.ndarray(self.shape, dtype, data, start, order="F" if self.order == "F" else "C")


class _OtherMember(Tensor):
    """A member that is no array; it is carried."""

    def __init__(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
        self.name = member.filename
        self.shape = (member.file_size,)
        self.dtype = None
        self.label = "file"
        self.order = "C"
        self.carried = "not an array"
        self.stored_bytes = member.compress_size
        self.place = {}
        self._archive = archive
        self._member = member

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def holes(self) -> list[tuple[int, int]]:
        """Nothing is coded."""
        return []

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Nothing is coded."""
        return iter(())

    def read(self) -> bytes:
        """Return the member's content."""
        return self._archive.read(self._member)


class Restorer(BaseRestorer):
    """Put an NPZ back: in place where its members are stored, else member by member."""

    def __init__(self, path: Path, nbytes: int) -> None:
        super().__init__(path, nbytes)
        self._template_path = path.with_name(path.name + ".template")
        self._template: zipfile.ZipFile | None = None
        self._output: zipfile.ZipFile | None = None
        self._members: Iterator[zipfile.ZipInfo] = iter(())
        self._stream: IO[bytes] | None = None
        self._skipped: set[str] = set()

    def announce(self, layer: LayerInfo, nbytes: int, wanted: bool) -> None:
        """Take notice of a coded layer; a member whose data will not come is left out."""
        super().announce(layer, nbytes, wanted)
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
        self._stream = self._output.open(member, "w", force_zip64=member.file_size >= 2**31)
        self._stream.write(header)

    def write(self, elements: NDArray[Any]) -> None:
        """Take the next elements of the layer."""
        if self._stream is None:
            super().write(elements)
        else:
            self._stream.write(elements.data.cast("B"))

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
        except (zipfile.BadZipFile, ValueError, OSError) as error:
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
            with self._template.open(member) as old, self._output.open(fresh, "w") as new:
                while data := old.read(1 << 20):
                    new.write(data)
        if name is not None:
            raise DamagedError(f"the archive's template has no member {name!r}", layer=layer)
        return zipfile.ZipInfo()

    def _pick(self, names: set[str]) -> None:
        whole = self.path.rename(self._template_path)
        try:
            with zipfile.ZipFile(whole) as old, zipfile.ZipFile(self.path, "w") as new:
                for member in old.infolist():
                    if member.filename in names:
                        fresh = _same_head(member)
                        with old.open(member) as source, new.open(fresh, "w") as target:
                            while data := source.read(1 << 20):
                                target.write(data)
        finally:
            whole.unlink()


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


def open(source: Path | BinaryIO) -> Dump:
    """Open an NPZ file.

    Raises
    ------
    DamagedError
        If the archive or a member is cut or damaged.
    UnsupportedError
        If it is no NPZ, or a member holds pickled objects or is encrypted.
    """
    return _NpzDump(source)
