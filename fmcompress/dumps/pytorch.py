"""PyTorch: the zip archive that `torch.save` writes, read without torch; nothing is unpickled.

Its members are stored, so that a tensor's data is a stretch of the file. The pickle, which says
where tensors are, goes back as the bytes that it is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from fmcompress.contents import LayerInfo
from fmcompress.dumps.base import BLOCK_BYTES, Dump
from fmcompress.dumps.base import Restorer as BaseRestorer
from fmcompress.dumps.pickle_machine import MAX_PICKLE_BYTES
from fmcompress.dumps.pytorch_objects import Strided, read_objects
from fmcompress.dumps.stored_array import ArrayHeader, StoredArray, read_stretch
from fmcompress.dumps.zip_archives import Member, open_archive, stored_members
from fmcompress.errors import DamagedError, UnsupportedError
from fmcompress.files import open_source
from fmcompress.ordering import file_axes

_PICKLE = "/data.pkl"
# LONG1 with the number that torch.save pickled first before version 1.6; before 0.4 it wrote a tar
# archive of these members.
_BEFORE_ZIP = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
_BEFORE_PICKLE = (b"sys_info", b"pickle", b"storages", b"tensors")
_BYTE_ORDERS: dict[bytes, Literal["<", ">"]] = {b"little": "<", b"big": ">"}


class _Stretches:
    """Stretches of the file that do not overlap, each with the name of its tensor."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stretches: list[tuple[int, str]] = []  # end and name

    def owner(self, start: int, end: int) -> str | None:
        """Return the name of a stretch that shares a byte with this one."""
        index = bisect_left(self._starts, end) - 1
        if start < end and index >= 0 and self._stretches[index][0] > start:
            return self._stretches[index][1]
        return None

    def add(self, start: int, end: int, name: str) -> None:
        index = bisect_left(self._starts, start)
        self._starts.insert(index, start)
        self._stretches.insert(index, (end, name))


class _Tensor(StoredArray):
    def __init__(self, archive: _PytorchDump, name: str, tensor: Strided) -> None:
        self._archive = archive
        self._tensor = tensor
        kind = tensor.kind
        self.stretch = archive.stretch(tensor)
        # Strides of axes that are never stepped along may be anything.
        self._strides = tuple(
            stride * kind.bits // 8 if n > 1 and tensor.extent else 0
            for n, stride in zip(tensor.shape, tensor.strides, strict=True)
        )
        dtype = np.dtype(kind.code).newbyteorder(archive.byte_order) if kind.code else None
        order = tensor.order
        self._header = ArrayHeader(
            tensor.shape, dtype, kind.label, max(kind.bits // 8, 1), order or "C", 0
        )
        super().__init__(archive.source, name, self._header, self.stretch[0])
        self._dense = bool(order)
        self.stored_bytes = self.stretch[1] - self.stretch[0]
        self.element_type = kind.element_type
        self.carried = (
            kind.carried
            or (f"still to be changed ({', '.join(tensor.marks)})" if tensor.marks else "")
            or self.carried
            or ("" if order else "strided view")
        )

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Scale and zero point of a quantised tensor; per channel, arrays, and the axis."""
        return {
            key: _Tensor(self._archive, key, value).read() if type(value) is Strided else value
            for key, value in self._tensor.attributes.items()
        }

    def holes(self) -> list[tuple[int, int]]:
        """One stretch, where its data is nobody else's."""
        return [] if self.carried else super().holes()

    def check(self) -> None:
        """Refuse a tensor whose data was taken out of the file under another name.

        Raises
        ------
        UnsupportedError
            If it was.
        """
        owner = self._archive.absent.owner(*self.stretch)
        if owner is not None and owner != self.name:
            raise UnsupportedError(
                f"its data is part of that of layer {owner!r}",
                layer=self.name,
                hint="read that layer, or give back the whole file first",
            )

    @property
    def distinct_bytes(self) -> int:
        """Bytes of the stretch that it is a view of."""
        return self.stretch[1] - self.stretch[0]

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the elements in the file's order; of a strided view, in C order."""
        if self._dense and not self._tensor.marks:
            self.check()
            yield from StoredArray(self._source, self.name, self._header, self.stretch[0]).blocks()
            return
        array = self.read()
        array = array.transpose(file_axes(array.ndim, self.order))
        step = max(1, BLOCK_BYTES // self._itemsize)
        for start in range(0, array.size, step):
            yield array.flat[start : start + step]

    def read(self) -> NDArray[Any]:
        """Return the array; its bytes, in one row, where NumPy has no dtype for the elements.

        Raises
        ------
        UnsupportedError
            If its data is not there, see `check`, or would not fit in memory.
        """
        self.check()
        start, end = self.stretch
        with open_source(self._source) as file:
            data = read_stretch(file, start, end - start, self.name)
        if self.dtype is None:
            return np.frombuffer(data, "u1")
        array: NDArray[Any] = np.ndarray(self.shape, self.dtype, data, strides=self._strides)
        marks = self._tensor.marks
        if marks and array.nbytes > len(data):
            raise UnsupportedError("is expanded and changed lazily", layer=self.name)
        for mark in marks:
            array = (np.conjugate if mark == "conj" else np.negative)(array)
        return array.astype(self.dtype, copy=False)


class _PytorchDump(Dump):
    format = "pytorch"

    def __init__(self, source: Path | BinaryIO, absent: Collection[str]) -> None:
        self.path = source if isinstance(source, Path) else None
        self.source = source
        with open_source(source) as file:
            self.nbytes = file.seek(0, 2)
            _refuse_other_kinds(file)
            archive = open_archive(file)
            self._prefix = _find_prefix(archive.namelist())
            self._members = stored_members(archive, file)
            order = self._content(file, "/byteorder", 16) or b"little"
            if order not in _BYTE_ORDERS:
                raise DamagedError(f"its byte order is {order!r}")
            self.byte_order = _BYTE_ORDERS[order]
            found, self.groups = read_objects(self._content(file, _PICKLE, MAX_PICKLE_BYTES))
        self.absent = _Stretches()
        tensors = [_Tensor(self, name, strided) for name, strided in found.items()]
        self.tensors = [*tensors]
        self._share_out(tensors, absent)

    def _share_out(self, tensors: Sequence[_Tensor], absent: Collection[str]) -> None:
        """Give every stretch of the file to one tensor: the first that can be coded from there."""
        taken = _Stretches()
        for tensor in tensors:
            if tensor.carried:
                continue
            owner = taken.owner(*tensor.stretch)
            if owner is not None:
                tensor.carried = f"shares its storage with {owner}"
                continue
            taken.add(*tensor.stretch, tensor.name)
            if tensor.name in absent:
                self.absent.add(*tensor.stretch, tensor.name)
        for tensor in tensors:
            if not tensor.carried or not tensor.stored_bytes:
                continue
            if taken.owner(*tensor.stretch) is None:
                taken.add(*tensor.stretch, tensor.name)
            else:
                tensor.stored_bytes = 0  # they are counted there

    def _content(self, file: BinaryIO, name: str, most: int) -> bytes:
        member = self._members.get(self._prefix + name)
        if member is None:
            return b""
        if member.size > most:
            raise UnsupportedError(f"its member {name[1:]!r} is too large")
        file.seek(member.offset)
        return file.read(member.size)

    def stretch(self, tensor: Strided) -> tuple[int, int]:
        """Return start and end of the stretch of the file from its first to its last element.

        Raises
        ------
        DamagedError
            If its storage is not in the archive, or shorter than the pickle says.
        """
        storage = tensor.storage
        member = self._members.get(f"{self._prefix}/data/{storage.key}")
        if member is None and storage.nbytes:
            raise DamagedError(f"the archive has no storage {storage.key[:50]!r}")
        offset, size = member or Member(0, 0)
        if storage.nbytes > size:
            raise DamagedError(f"the storage {storage.key[:50]!r} is shorter than the pickle says")
        if not tensor.extent:
            return offset, offset
        start = tensor.offset * tensor.kind.bits // 8
        return offset + start, offset - (-(tensor.offset + tensor.extent) * tensor.kind.bits // 8)


def _refuse_other_kinds(file: BinaryIO) -> None:
    """Refuse the two forms that torch.save wrote before version 1.6."""
    file.seek(0)
    if not file.read(2).startswith(b"PK"):
        raise UnsupportedError(
            "is a PyTorch file of the form before version 1.6",
            hint="load it in torch and save it again, with _use_new_zipfile_serialization=True",
        )


def _find_prefix(names: Sequence[str]) -> str:
    """Return the name under which everything in the archive lies."""
    pickles = [name for name in names if name.endswith(_PICKLE) and name.count("/") == 1]
    if len(pickles) != 1:
        raise UnsupportedError(
            f"the archive has {len(pickles)} members NAME/data.pkl, not one",
            hint="re-save it with torch.save",
        )
    prefix = pickles[0].removesuffix(_PICKLE)
    code = (f"{prefix}/code/", f"{prefix}/constants.pkl")
    if any(name.startswith(code) for name in names):
        raise UnsupportedError(
            "is a TorchScript program",
            hint="save its state_dict, or a plain dict of tensors, with torch.save",
        )
    return prefix


class Restorer(BaseRestorer):
    """Put the file back byte for byte, whole: its pickle names every tensor."""

    def announce(self, layer: LayerInfo, wanted: bool) -> None:
        """Take notice of a coded layer.

        Raises
        ------
        UnsupportedError
            If it is to be left out.
        """
        if not wanted:
            raise UnsupportedError(
                "a PyTorch file is given back whole or not at all",
                layer=layer.name,
                hint="give back all layers, or the ones that you want in another format",
            )


def recognise(file: BinaryIO) -> bool:
    """Look for a pickle among a zip archive's members; NPZ is a zip archive of another kind."""
    file.seek(0)
    start = file.read(512)
    if start[:1] == b"\x80" and _BEFORE_ZIP in start[:32]:
        return True
    if start[257:262] == b"ustar" and start[:100].rstrip(b"\0") in _BEFORE_PICKLE:
        return True
    name = start[30 : 30 + int.from_bytes(start[26:28], "little")]
    if not start.startswith(b"PK\x03\x04") or name.endswith(b".npy"):
        return False
    try:
        names = open_archive(file).namelist()
    except DamagedError:
        return name.endswith(_PICKLE.encode())
    return any(name.endswith(_PICKLE) for name in names) and not any(
        name.endswith(".npy") for name in names
    )


def open(source: Path | BinaryIO, absent: Collection[str], description: Mapping[str, Any]) -> Dump:
    """Open what torch.save wrote, version 1.6 or newer.

    Raises
    ------
    DamagedError
        If archive or pickle are cut or contradict themselves.
    UnsupportedError
        If it holds more than tensors in plain containers, or is of another form.
    """
    return _PytorchDump(source, absent)
