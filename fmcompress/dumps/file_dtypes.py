"""What a file format's own dtypes are: the element types that we know, and others, carried."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from fmcompress.element_types import ELEMENT_TYPES, element_type, is_held
from fmcompress.errors import FmcError

# What an attribute is called that says what elements are, where their dtype does not.
TYPE_ATTRIBUTES = ("dtype", "element_type")


class FileDtype(NamedTuple):
    """How elements of a dtype lie in a file; see `Tensor` for what is not said here.

    Attributes
    ----------
    code : str
        NumPy's, without byte order; empty where it has none.
    bits : int
        Of an element.
    label, element_type, carried : str
    """

    code: str
    bits: int
    label: str
    element_type: str = ""
    carried: str = ""


def known(name: str) -> FileDtype:
    """Return the dtype of an element type that we know."""
    code = ELEMENT_TYPES[name]
    return FileDtype(code, 8 * int(code[1:] or 1), name, name if is_held(name) else "")


def complex_numbers(bits: int) -> FileDtype:
    """Return the dtype of complex numbers that NumPy knows."""
    reason = "complex numbers are not coded"
    return FileDtype(f"c{bits // 8}", bits, f"complex{bits}", carried=reason)


def opaque(bits: int, label: str) -> FileDtype:
    """Return a dtype that NumPy lacks."""
    return FileDtype("", bits, label, carried=f"{label} has no NumPy dtype")


def held_types(attributes: Mapping[str, Any]) -> Iterator[str]:
    """Yield the element types that NumPy lacks and that attributes name."""
    for key in TYPE_ATTRIBUTES:
        name = ""
        with contextlib.suppress(FmcError, KeyError, ValueError):  # a ragged list, say
            name = element_type(_text(attributes[key]))
        if is_held(name):
            yield name


def _text(value: Any) -> str:
    """Return an attribute's text; what is none is no type's name."""
    items = np.asarray(value).reshape(-1)
    item = items[0] if items.size == 1 else ""
    return item.decode("ascii", "replace") if isinstance(item, bytes) else str(item)
