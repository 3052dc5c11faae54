"""Names of element types, and the NumPy dtype in which each one's bits are held.

NumPy has no bfloat16, 8-bit float or 4-bit integer: such elements are held as bit patterns in an
unsigned integer of their size (4-bit integers as 8-bit ones).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fmcompress.errors import ParameterError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike

# Name -> NumPy's code of the dtype that holds its bits, without byte order.
ELEMENT_TYPES = {
    "bool": "?",
    "int4": "i1",
    "uint4": "u1",
    "int8": "i1",
    "uint8": "u1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "int64": "i8",
    "uint64": "u8",
    "float8_e4m3fn": "u1",
    "float8_e5m2": "u1",
    "float16": "f2",
    "bfloat16": "u2",
    "float32": "f4",
    "float64": "f8",
}
FOUR_BIT = ("int4", "uint4")
_ALIASES = {
    "bf16": "bfloat16",
    "e4m3": "float8_e4m3fn",
    "e4m3fn": "float8_e4m3fn",
    "e5m2": "float8_e5m2",
    "fp16": "float16",
    "fp32": "float32",
    "fp64": "float64",
    "half": "float16",
}


def element_type(name: DTypeLike) -> str:
    """Return the proper name of an element type; NumPy's codes (``i2``) and aliases are known.

    Parameters
    ----------
    name : str or dtype_like

    Raises
    ------
    ParameterError
        If there is none of that name.
    """
    if not isinstance(name, str):
        import numpy as np

        try:
            plain = str(np.dtype(name).name)
        except TypeError as error:
            raise ParameterError(f"{name!r} is no dtype", hint="give a name as bfloat16") from error
    else:
        plain = name.strip().lower().lstrip("<>=|")
    plain = _ALIASES.get(plain, plain)
    if plain in ELEMENT_TYPES:
        return plain
    for known, code in ELEMENT_TYPES.items():
        if code == plain and not is_held(known):
            return known
    raise ParameterError(f"unknown dtype {name!r}", hint=f"known are {', '.join(ELEMENT_TYPES)}")


def is_held(name: str) -> bool:
    """Tell whether an element type is none of NumPy's, and its bits are held by another dtype."""
    return name in (*FOUR_BIT, "float8_e4m3fn", "float8_e5m2", "bfloat16")


def holding_dtype(name: str) -> np.dtype[Any]:
    """Return the NumPy dtype, in native byte order, that holds the bits of an element type."""
    import numpy as np

    return np.dtype(ELEMENT_TYPES[name])
