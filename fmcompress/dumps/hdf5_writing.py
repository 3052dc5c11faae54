"""New HDF5 files: groups, attributes, and tensors as contiguous datasets.

All but the data is written first, by the library; the data then goes where it has set room aside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s
from numpy.typing import NDArray

from fmcompress.dumps.base import GroupAttributes, TensorSpec
from fmcompress.dumps.base import Writer as BaseWriter
from fmcompress.dumps.file_dtypes import TYPE_ATTRIBUTES
from fmcompress.dumps.hdf5_types import file_type
from fmcompress.errors import UnsupportedError
from fmcompress.targets import reserve

_MAX_AXES = 32
# Since 1.8 (2008), HDF5 keeps attributes of more than 64 kB; newer files than that serve nothing.
_VERSIONS = ("v108", "v110")


class Writer(BaseWriter):
    """Write a new HDF5 file."""

    def __init__(self, path: Path, tensors: Sequence[TensorSpec], groups: GroupAttributes) -> None:
        super().__init__(path, tensors, groups)
        self._offsets: dict[str, int] = {}
        _check_names([tensor.name for tensor in tensors])
        for tensor in tensors:
            if len(tensor.shape) > _MAX_AXES:
                raise UnsupportedError(
                    f"has {len(tensor.shape)} axes, and HDF5 {_MAX_AXES} at most",
                    layer=tensor.name,
                )
        with path.open("r+b") as file:
            reserve(file, sum(tensor.nbytes for tensor in tensors))
            file.truncate(0)
        with h5py.File(path, "w", libver=_VERSIONS) as hdf5:
            self._attributes(hdf5, "", groups.get("", {}))
            for tensor in tensors:
                self._create(hdf5, tensor)
        self._file = path.open("r+b")

    def _create(self, hdf5: h5py.File, tensor: TensorSpec) -> None:
        *parents, name = tensor.name.split("/")
        group: h5py.Group = hdf5
        for depth, parent in enumerate(parents, 1):
            path = "/".join(parents[:depth])
            if parent not in group:
                self._attributes(group.create_group(parent), path, self.groups.get(path, {}))
            group = group[parent]
        try:
            kind, told = file_type(tensor.element_type, tensor.dtype)
        except (TypeError, NotImplementedError) as error:
            raise UnsupportedError(
                f"HDF5 has no type for {tensor.element_type}", layer=tensor.name
            ) from error
        plist = h5p.create(h5p.DATASET_CREATE)
        plist.set_layout(h5d.CONTIGUOUS)
        plist.set_alloc_time(h5d.ALLOC_TIME_EARLY)
        plist.set_fill_time(h5d.FILL_TIME_NEVER)
        plist.set_obj_track_times(False)  # same input, same bytes
        space = h5s.create_simple(tensor.shape) if tensor.shape else h5s.create(h5s.SCALAR)
        dataset = h5d.create(group.id, name.encode(), kind, space, plist)
        if tensor.nbytes:
            self._offsets[tensor.name] = dataset.get_offset()
        attributes = dict(tensor.attributes)
        if not told:
            attributes[TYPE_ATTRIBUTES[0]] = tensor.element_type
        self._attributes(h5py.Dataset(dataset), tensor.name, attributes)

    def _attributes(self, item: h5py.HLObject, name: str, attributes: Mapping[str, Any]) -> None:
        for key, value in attributes.items():
            try:
                item.attrs.create(key, value, dtype=_attribute_dtype(value))
            except (TypeError, ValueError, OSError, RuntimeError, NotImplementedError):
                self.losses.attributes([key], name)

    def begin(self, tensor: TensorSpec) -> None:
        """Start with the next tensor."""
        self._file.seek(self._offsets.get(tensor.name, 0))

    def write(self, elements: NDArray[Any]) -> None:
        """Take its next elements."""
        self._file.write(elements.view("u1").data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _check_names(names: Sequence[str]) -> None:
    """Refuse names that HDF5 cannot have, alone or beside each other."""
    datasets = set(names)
    for name in names:
        parts = name.split("/")
        if {"", "."} & set(parts) or "\0" in name or not _is_text(name):
            raise UnsupportedError(
                "HDF5 cannot have this name",
                layer=name,
                hint="pick other layers with --layers, or another format",
            )
        for depth in range(1, len(parts)):
            if (parent := "/".join(parts[:depth])) in datasets:
                raise UnsupportedError(
                    f"HDF5 cannot have it beside {parent!r}, which would have to be a group",
                    layer=name,
                    hint="pick one of them with --layers, or another format",
                )


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _attribute_dtype(value: Any) -> Any:
    """Return the dtype in which HDF5 keeps an attribute; None for h5py to choose.

    Raises
    ------
    TypeError
        If the value means nothing in another file, as a reference to an object.
    """
    if isinstance(value, h5py.Empty):
        return None
    array = np.asarray(value)
    if array.dtype.kind == "U":
        return h5py.string_dtype()
    if not array.dtype.hasobject:
        return getattr(value, "dtype", None)
    if array.dtype.fields or not all(isinstance(item, str | bytes) for item in array.reshape(-1)):
        raise TypeError("no plain value")
    return h5py.string_dtype()
