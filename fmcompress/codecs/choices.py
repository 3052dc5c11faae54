"""Parameters of codecs, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fmcompress.errors import ParameterError

# In the order of the kernels' constants SIGNED, UNSIGNED, MODULAR.
DIFFERENCES = ("signed", "unsigned", "modular")


def check_choice(codec: object, parameter: str, allowed: Sequence[Any]) -> None:
    """Refuse a codec whose parameter is none of those allowed; its type counts, too.

    Raises
    ------
    ParameterError
        If it is not.
    """
    value = getattr(codec, parameter)
    if type(value) is not type(allowed[0]) or value not in allowed:
        choices = "yes, no" if isinstance(allowed[0], bool) else ", ".join(map(str, allowed))
        raise ParameterError(f"{parameter} is {value!r}, not one of {choices}")


def difference_number(difference: str) -> int:
    """Return how kernels know a difference."""
    return DIFFERENCES.index(difference)
