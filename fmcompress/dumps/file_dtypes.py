"""What a file format's own dtypes are: the element types that we know, and others, carried."""

from __future__ import annotations

from typing import NamedTuple

from fmcompress.element_types import ELEMENT_TYPES, is_held


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
