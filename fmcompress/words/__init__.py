"""Word formats: from a tensor's elements to words (unsigned bit patterns) and back, bit for bit.

To add a format, write a class with the methods of `WordFormat` in a module beside this one, and
an entry in `WORD_FORMATS`: CONTRIBUTING.md shows how.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fmcompress.element_types import element_type
from fmcompress.errors import DamagedError, ParameterError, UnsupportedError
from fmcompress.words.flags import FlagWords
from fmcompress.words.floats import FloatWords
from fmcompress.words.integers import IntegerWords
from fmcompress.words.protocol import MAPPINGS, Subject, Wishes, WordFormat

__all__ = [
    "MAPPINGS",
    "NO_WORD_FORMAT",
    "WORD_BITS",
    "WORD_FORMATS",
    "FlagWords",
    "FloatWords",
    "IntegerWords",
    "Subject",
    "Wishes",
    "WordFormat",
    "format_for",
    "format_from_description",
    "type_of",
]

# Why a tensor of another dtype is carried.
NO_WORD_FORMAT = "dtype has no word format"
# Attribute of a tensor of integers that tells how many of their bits are used.
WORD_BITS = "word_bits"

AnyWords = IntegerWords | FloatWords | FlagWords
# Element type -> its word format.
WORD_FORMATS: dict[str, type[AnyWords]] = {
    **dict.fromkeys(
        ("int4", "uint4", "int8", "uint8", "int16", "uint16", "int32", "uint32"), IntegerWords
    ),
    **dict.fromkeys(("float8_e4m3fn", "float8_e5m2", "float16", "bfloat16", "float32"), FloatWords),
    "bool": FlagWords,
}


def type_of(dtype: np.dtype[Any] | None, element_type_: str = "") -> str:
    """Return the element type of a tensor: what its format says, else what its dtype is.

    Empty where there is none: for opaque bytes, text, structures and the like.
    """
    if element_type_:
        return element_type_
    if dtype is None or dtype.fields is not None or dtype.subdtype is not None:
        return ""
    try:
        return element_type(dtype.name)
    except ParameterError:
        return ""


def format_for(element_type_: str) -> type[AnyWords] | None:
    """Return the word format of an element type, or None where it has none and is carried."""
    return WORD_FORMATS.get(element_type_)


def format_from_description(description: Mapping[str, Any]) -> WordFormat:
    """Build the word format that `WordFormat.describe` described.

    Raises
    ------
    UnsupportedError
        If the format or one of its parameters is unknown to this version.
    DamagedError
        If a parameter is outside its range.
    """
    name = description.get("format")
    if not isinstance(name, str) or name not in WORD_FORMATS:
        raise UnsupportedError(f"unknown word format {name!r}", hint="upgrade fmcompress")
    try:
        return WORD_FORMATS[name](**description)
    except TypeError as error:
        raise UnsupportedError(
            f"unknown parameter of word format {name!r}: {sorted(description)}",
            hint="upgrade fmcompress",
        ) from error
    except ParameterError as error:
        raise DamagedError(f"the word format is not valid: {error.cause}") from error
