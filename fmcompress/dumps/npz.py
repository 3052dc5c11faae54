"""NPZ: a zip archive of NPY members, stored or deflated.

Members that are stored keep their data in one stretch of the archive, which is put back byte for
byte. An archive with deflated members is written anew, member by member, with the same names,
order, methods and dates; levels and extra fields are those of Python's zipfile.
"""

from __future__ import annotations

import base64
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from fmcompress.dumps.base import BLOCK_BYTES, Dump, Tensor
from fmcompress.dumps.npy import read_header
from fmcompress.dumps.npz_restoring import Restorer
from fmcompress.dumps.npz_writing import Writer
from fmcompress.dumps.stored_array import ArrayHeader, StoredArray
from fmcompress.dumps.uncoded import AbsentTensor, UncodedTensor
from fmcompress.dumps.zip_archives import data_offset, open_archive, reading
from fmcompress.errors import DamagedError, UnsupportedError, error_context

__all__ = ["Restorer", "Writer", "open"]

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


class _NpzDump(Dump):
    format = "npz"

    def __init__(self, source: Path | BinaryIO, absent: Collection[str]) -> None:
        self.path = source if isinstance(source, Path) else None
        self._source = source
        self._file = source.open("rb") if isinstance(source, Path) else source
        try:
            self.nbytes = self._file.seek(0, 2)
            self.archive = open_archive(self._file)
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
                AbsentTensor(name) if name in absent else self._tensor(name, member)
                for name, member in zip(names, members, strict=True)
            ]
        except BaseException:
            self.close()
            raise

    def _tensor(self, name: str, member: zipfile.ZipInfo) -> Tensor:
        if not member.filename.endswith(".npy"):
            if self._packed:  # it will have to be copied: can it?
                with reading(name), self.archive.open(member) as stream:
                    while stream.read(1 << 20):
                        pass
            return _OtherMember(self.archive, name, member)
        with error_context(layer=name):
            if member.flag_bits & 1 or member.compress_type not in _METHODS:
                raise UnsupportedError("its member is encrypted or compressed in an unknown way")
            with reading(), self.archive.open(member) as stream:
                header = read_header(stream)
            if header.size + header.data_bytes > member.file_size:
                raise DamagedError("its member is shorter than its header promises")
            if self._packed:
                return _PackedArray(self.archive, self._file, name, member, header)
            start = data_offset(self._file, member)
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
        start = data_offset(file, member)
        super().__init__(file, name, header, start)
        self._archive = archive
        self._member = member
        self.stored_bytes = member.compress_size
        self._header_bytes = header.size
        self._data_bytes = header.data_bytes
        with reading(), archive.open(member) as stream:
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
        with reading(self.name), self._archive.open(self._member) as stream:
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
        with reading(self.name), self._archive.open(self._member) as stream:
            while part := stream.read(1 << 20):
                data += part
            if len(data) < self._header_bytes + self._data_bytes:
                raise EOFError("it ends too early")
        dtype = self.dtype or np.dtype(f"V{self._itemsize}")
        order: Literal["C", "F"] = "F" if self.order == "F" else "C"
        return np.ndarray(self.shape, dtype, data, self._header_bytes, order=order)


class _OtherMember(UncodedTensor):
    """A member that is no array; it is carried."""

    def __init__(self, archive: zipfile.ZipFile, name: str, member: zipfile.ZipInfo) -> None:
        super().__init__(name, "file", (member.file_size,), member.compress_size, "not an array")
        self._archive = archive
        self._member = member

    def read(self) -> bytes:
        """Return the member's content."""
        with reading(self.name):
            return self._archive.read(self._member)


def open(source: Path | BinaryIO, absent: Collection[str], description: Mapping[str, Any]) -> Dump:
    """Open an NPZ file.

    Raises
    ------
    DamagedError
        If the archive or a member is cut or damaged.
    UnsupportedError
        If it is no NPZ, or a member holds pickled objects or is encrypted.
    """
    return _NpzDump(source, absent)
