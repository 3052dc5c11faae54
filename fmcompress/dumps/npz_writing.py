"""New NPZ files: one stored member a tensor, as `numpy.savez` writes them."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fmcompress.dumps.base import GroupAttributes, TensorSpec
from fmcompress.dumps.base import Writer as BaseWriter
from fmcompress.dumps.npy import new_header, note_held_type
from fmcompress.errors import UnsupportedError
from fmcompress.targets import reserve

# Attributes without which quantised values mean nothing: they become arrays of their own.
_KEPT = ("scale", "zero_point")
# Members that may reach zip's limit of 2 GiB (of signed 32 bits), header and all, get 64-bit sizes.
ZIP64_BYTES = 1 << 30
_MAX_NAME_BYTES = (1 << 16) - 1


class Writer(BaseWriter):
    """Write a new NPZ file; what is known of attributes is known before the first tensor."""

    def __init__(self, path: Path, tensors: Sequence[TensorSpec], groups: GroupAttributes) -> None:
        super().__init__(path, tensors, groups)
        if not tensors:
            raise UnsupportedError(
                "an NPZ file without arrays is none", hint="pick at least one layer"
            )
        self._headers = {tensor.name: new_header(tensor) for tensor in tensors}
        self._kept: dict[str, dict[str, NDArray[Any]]] = {}
        for name, attributes in groups.items():
            self.losses.attributes(attributes, name)
        for tensor in tensors:
            _check_name(tensor.name)
            note_held_type(tensor, self.losses)
            self._kept[tensor.name] = self._attributes(tensor)
        with path.open("r+b") as file:
            reserve(file, sum(tensor.nbytes for tensor in tensors))
        self._stream: IO[bytes] | None = None
        self._now = ""
        self._archive = zipfile.ZipFile(path, "w")

    def _attributes(self, tensor: TensorSpec) -> dict[str, NDArray[Any]]:
        """Return the members that attributes of a tensor become, by name."""
        found = {}
        for key, value in tensor.attributes.items():
            array = None
            with contextlib.suppress(ValueError, TypeError):  # a ragged list, say
                array = np.asarray(value) if key in _KEPT else None
            name = f"{tensor.name}.{key}"
            if array is None or array.dtype.kind not in "biuf" or name in self._headers:
                self.losses.attributes([key], tensor.name)
            else:
                found[name] = array
        return found

    def begin(self, tensor: TensorSpec) -> None:
        """Start with the next tensor."""
        self._now = tensor.name
        self._stream = self._member(tensor.name, tensor.nbytes)
        self._stream.write(self._headers[tensor.name])

    def _member(self, name: str, nbytes: int) -> IO[bytes]:
        # Of zipfile's own date, 1980: same input, same bytes.
        member = zipfile.ZipInfo(f"{name}.npy")
        return self._archive.open(member, "w", force_zip64=nbytes >= ZIP64_BYTES)

    def write(self, elements: NDArray[Any]) -> None:
        """Take its next elements."""
        assert self._stream is not None
        self._stream.write(elements.view("u1").data)

    def end(self) -> None:
        """End the tensor; its scale and zero point follow."""
        assert self._stream is not None
        self._stream.close()
        self._stream = None
        for name, array in self._kept[self._now].items():
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            with self._member(name, array.nbytes) as stream:
                stream.write(content.getvalue())

    def finish(self) -> None:
        """Complete the archive."""
        self._archive.close()

    def close(self) -> None:
        """Close the archive."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._archive.close()


def _check_name(name: str) -> None:
    """Refuse a name that no member can have."""
    try:
        size = len(f"{name}.npy".encode())
    except UnicodeEncodeError:
        size = _MAX_NAME_BYTES + 1
    if "\0" in name or size > _MAX_NAME_BYTES:
        raise UnsupportedError(
            "NPZ cannot have this name", layer=name, hint="pick other layers with --layers"
        )
