"""HDF5 types: which elements can be read as they lie in the file, and what they are.

Every read and write passes the file's own type, so that the library converts nothing: of an enum,
a boolean or a float that NumPy lacks, the bits come and go as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import h5py
import numpy as np
from h5py import h5t

from fmcompress.dumps.file_dtypes import held_types
from fmcompress.element_types import holding_dtype, is_held


class ElementKind(NamedTuple):
    """What the elements of a dataset are.

    Attributes
    ----------
    dtype : dtype or None
        How they lie in the file; None where NumPy has none for it.
    element_type : str
        What they are where the dtype does not tell.
    label : str
        For people.
    """

    dtype: np.dtype[Any] | None
    element_type: str
    label: str


class _FloatLayout(NamedTuple):
    """A float of `size` bytes: where sign, exponent and mantissa stand, in bits, and the bias."""

    size: int
    fields: tuple[int, int, int, int, int]  # sign; exponent: first bit, bits; mantissa: the same
    bias: int


_FLOATS = {
    "bfloat16": _FloatLayout(2, (15, 7, 8, 0, 7), 127),
    "float8_e4m3fn": _FloatLayout(1, (7, 3, 4, 0, 3), 7),
    "float8_e5m2": _FloatLayout(1, (7, 2, 5, 0, 2), 15),
}


def element_kind(kind: h5t.TypeID) -> ElementKind:
    """Tell what elements of an HDF5 type are."""
    if held := _held_float(kind):
        return held
    try:
        dtype = kind.dtype
        plain = dtype.metadata is None and h5t.py_create(dtype) == kind
    except (TypeError, ValueError):
        return ElementKind(None, "", "unknown")
    label = _label(dtype)
    if kind.get_class() == h5t.OPAQUE and dtype.kind == "V":
        plain = True  # whatever its tag says
    elif kind.get_class() == h5t.ENUM:
        base = element_kind(kind.get_super())
        if dtype.kind != "b":
            return ElementKind(base.dtype, "", label)
        plain = base.dtype is not None and base.dtype.itemsize == dtype.itemsize
    return ElementKind(dtype if plain else None, "", label)


def kind_by_attribute(kind: ElementKind, attributes: Mapping[str, Any]) -> ElementKind:
    """Return what the elements are if an attribute names a type that NumPy lacks; else `kind`."""
    dtype = kind.dtype
    if dtype is None or kind.element_type or dtype.kind not in "iuV" or dtype.itemsize > 2:
        return kind
    for name in held_types(attributes):
        holding = holding_dtype(name)
        if dtype.fields is None and holding.itemsize == dtype.itemsize:
            big = dtype.byteorder == ">"
            return ElementKind(holding.newbyteorder(">" if big else "<"), name, name)
    return kind


def bits_dtype(itemsize: int) -> np.dtype[Any]:
    """Return a dtype for elements of which only the bits count: copying it changes none."""
    return np.dtype(f"u{itemsize}" if itemsize in (1, 2, 4, 8) else f"V{itemsize}")


def file_type(name: str, dtype: np.dtype[Any]) -> tuple[h5t.TypeID, bool]:
    """Return the HDF5 type in which a new file keeps elements, and whether it says what they are.

    Raises
    ------
    TypeError
        If HDF5 has none.
    """
    # As HDF5 reads an E4M3, its largest values are infinite: it is no float8_e4m3fn.
    if name in _FLOATS and name != "float8_e4m3fn":
        layout = _FLOATS[name]
        little = sys.byteorder == "little"
        kind = (h5t.IEEE_F32LE if little else h5t.IEEE_F32BE).copy()
        kind.set_fields(*layout.fields)  # before the size: there is no room for them later
        kind.set_size(layout.size)
        kind.set_precision(8 * layout.size)
        kind.set_ebias(layout.bias)
        return kind, True
    return h5t.py_create(dtype, logical=True), not is_held(name)


def _held_float(kind: h5t.TypeID) -> ElementKind | None:
    if kind.get_class() != h5t.FLOAT or kind.get_norm() != h5t.NORM_IMPLIED:
        return None
    whole = kind.get_offset() == 0 and kind.get_precision() == 8 * kind.get_size()
    known_order = kind.get_order() in (h5t.ORDER_LE, h5t.ORDER_BE)
    layout = _FloatLayout(kind.get_size(), kind.get_fields(), kind.get_ebias())
    for name, known in _FLOATS.items():
        if layout == known and whole and known_order:
            big = kind.get_order() == h5t.ORDER_BE
            return ElementKind(holding_dtype(name).newbyteorder(">" if big else "<"), name, name)
    return None


def _label(dtype: np.dtype[Any]) -> str:
    if h5py.check_string_dtype(dtype) is not None:
        return "string"
    if h5py.check_vlen_dtype(dtype) is not None:
        return "vlen"
    if h5py.check_ref_dtype(dtype) is not None:
        return "reference"
    if h5py.check_enum_dtype(dtype) is not None:
        return "enum"
    if dtype.fields is not None:
        return "compound"
    if dtype.kind == "V" and dtype.subdtype is None:
        return f"opaque {dtype.itemsize} bytes"
    return str(dtype.name)
