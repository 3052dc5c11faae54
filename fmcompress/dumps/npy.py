"""NPY: one array behind a short header; ``numpy.lib.format`` documents it."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fmcompress.contents import MAX_AXES
from fmcompress.dumps.base import UNNAMED, Dump, GroupAttributes, Restorer, TensorSpec
from fmcompress.dumps.losses import Losses
from fmcompress.dumps.single import SingleWriter
from fmcompress.dumps.stored_array import ArrayHeader, StoredArray
from fmcompress.element_types import is_held
from fmcompress.errors import DamagedError, UnsupportedError
from fmcompress.files import open_source
from fmcompress.targets import reserve

__all__ = ["Restorer", "Writer", "new_header", "open", "read_header"]

_MAX_HEADER_BYTES = 1 << 16


def read_header(file: IO[bytes]) -> ArrayHeader:
    """Read the header of an array at the file's position; never unpickle.

    Raises
    ------
    DamagedError
        If it is cut or contradicts itself.
    UnsupportedError
        If it is of a newer version, or announces pickled objects.
    """
    start = file.read(8)
    if len(start) < 8 or start[:6] != b"\x93NUMPY":
        raise DamagedError("no NPY header where one should be")
    if start[6] not in (1, 2, 3):
        raise UnsupportedError(f"NPY version {start[6]}.{start[7]} is unknown")
    width = 2 if start[6] == 1 else 4
    size = int.from_bytes(file.read(width), "little")
    if size > _MAX_HEADER_BYTES:
        raise UnsupportedError(f"an NPY header of {size} bytes is too large")
    text = file.read(size)
    if len(text) < size:
        raise DamagedError("the file ends within its NPY header", hint="copy it again")
    try:
        header = _literal(text.decode("latin1" if start[6] < 3 else "utf-8"))
        shape, fortran, descr = header["shape"], header["fortran_order"], header["descr"]
        fits = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
        if not fits or set(header) != {"shape", "fortran_order", "descr"}:
            raise ValueError("wrong keys or shape")
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError) as error:
        raise DamagedError("its NPY header cannot be understood") from error
    if len(shape) > MAX_AXES:
        raise UnsupportedError(f"has {len(shape)} axes, more than {MAX_AXES}")
    order = "F" if fortran and len(shape) > 1 else "C"
    dtype, kind, label, itemsize = _dtype(descr)
    return ArrayHeader(shape, dtype, label, itemsize, order, 8 + width + size, kind)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except SyntaxError:
        # Python 2 wrote its long integers with an L, which no later Python reads.
        return ast.literal_eval(re.sub(r"(?<=\d)L\b", "", text))


def _dtype(descr: Any) -> tuple[np.dtype[Any] | None, str, str, int]:
    """Return dtype, element type, label and item size.

    NumPy writes some descriptions that it cannot read.
    """
    if isinstance(descr, str) and descr.lstrip("<>=|") == "f1":
        # What ml_dtypes' float8_e5m2 is saved as, and no other type.
        return np.dtype("u1"), "float8_e5m2", "float8_e5m2", 1
    try:
        dtype = np.lib.format.descr_to_dtype(descr)
    except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
        digits = descr[2:] if isinstance(descr, str) else ""
        if not digits.isdecimal() or len(digits) > 9:
            raise DamagedError(f"the dtype {descr!r} of its NPY header is unknown") from error
        return None, "", str(descr), int(digits)
    if dtype.hasobject:
        raise UnsupportedError(
            "holds pickled Python objects, which are never loaded",
            hint="save it as a plain array (allow_pickle=False)",
        )
    opaque = dtype.kind == "V" and dtype.fields is None and dtype.subdtype is None
    return dtype, "", f"opaque {dtype.itemsize} bytes" if opaque else dtype.name, dtype.itemsize


def new_header(tensor: TensorSpec) -> bytes:
    """Return the NPY header of a tensor that is to be written; what NumPy lacks is opaque.

    Raises
    ------
    UnsupportedError
        If NPY has no such dtype.
    """
    if tensor.dtype.hasobject:
        raise UnsupportedError(f"NPY has no {tensor.element_type}", layer=tensor.name)
    descr: Any = np.lib.format.dtype_to_descr(tensor.dtype)
    if is_held(tensor.element_type):
        descr = "|V1" if tensor.dtype.itemsize == 1 else f"<V{tensor.dtype.itemsize}"
    header = io.BytesIO()
    value = {"descr": descr, "fortran_order": False, "shape": tensor.shape}
    np.lib.format.write_array_header_1_0(header, value)
    return header.getvalue()


def note_held_type(tensor: TensorSpec, losses: Losses) -> None:
    """Note that a file of arrays does not name a type that NumPy lacks."""
    if is_held(tensor.element_type):
        losses.note(f"the dtype {tensor.element_type} (opaque bytes to NumPy)", tensor.name)


class Writer(SingleWriter):
    """Write a new NPY file."""

    title = "an NPY file"
    keeps = ("name", "dtype", "shape")  # the file has a name of its own

    def __init__(self, path: Path, tensors: Sequence[TensorSpec], groups: GroupAttributes) -> None:
        super().__init__(path, tensors, groups)
        note_held_type(tensors[0], self.losses)
        try:
            self._header = new_header(tensors[0])
            reserve(self._file, len(self._header) + tensors[0].nbytes)
        except BaseException:
            self.close()
            raise

    def begin(self, tensor: TensorSpec) -> None:
        """Start with the tensor."""
        self._file.write(self._header)

    def write(self, elements: NDArray[Any]) -> None:
        """Take its next elements."""
        self._file.write(elements.view("u1").data)


class _NpyDump(Dump):
    format = "npy"

    def __init__(self, source: Path | BinaryIO) -> None:
        self.path = source if isinstance(source, Path) else None
        with open_source(source) as file:
            self.nbytes = file.seek(0, 2)
            file.seek(0)
            header = read_header(file)
        if header.size + header.data_bytes > self.nbytes:
            raise DamagedError(
                f"holds {self.nbytes - header.size} of the {header.data_bytes} bytes of data "
                "that its header promises",
                hint="it is cut: copy it again",
            )
        self.tensors = [StoredArray(source, UNNAMED, header, header.size)]


def open(source: Path | BinaryIO, absent: Collection[str], description: Mapping[str, Any]) -> Dump:
    """Open an NPY file.

    Raises
    ------
    DamagedError
        If its header or its data is cut.
    UnsupportedError
        If it holds pickled objects.
    """
    return _NpyDump(source)
