"""Numbers that users give: Python's or NumPy's, never text, never True or False."""

from __future__ import annotations

import math
import sys
from numbers import Real
from operator import index
from typing import Any

from fmcompress.errors import ParameterError

# More than this nobody means, and products of such numbers stay finite.
MOST = 1e12
# However Python is set up, it makes a number of so many digits.
_MOST_DIGITS = sys.int_info.str_digits_check_threshold


def whole(name: str, value: Any, least: int | None = None, most: int | None = None) -> int:
    """Return a whole number as Python's.

    Parameters
    ----------
    name : str
        What the number is of, for the error.
    value : int or NumPy integer
    least, most : int, optional
        Its bounds.

    Raises
    ------
    ParameterError
        If it is none, or outside of its bounds.
    """
    try:
        number = None if isinstance(value, bool) else index(value)
    except TypeError:
        number = None
    low = number is not None and least is not None and number < least
    high = number is not None and most is not None and number > most
    if number is None or low or high:
        bounds = "" if least is None else f" from {least} on"
        bounds = bounds if most is None else f" from {least} to {most}"
        raise ParameterError(f"{name} is {value!r}", hint=f"give a whole number{bounds}")
    return number


def real(name: str, value: Any, *, zero: bool = False, most: float = math.inf) -> float:
    """Return a finite number above 0 as a Python float.

    Parameters
    ----------
    name : str
        What the number is of, for the error.
    value : float, int or NumPy's
    zero : bool
        Whether 0 is allowed, too.
    most : float
        The greatest that is allowed.

    Raises
    ------
    ParameterError
        If it is none.
    """
    try:
        is_real = isinstance(value, Real) and not isinstance(value, bool)
        number = float(value) if is_real else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero) or number > most:
        bounds = "from 0 on" if zero else "above 0"
        bounds += "" if most == math.inf else f", up to {most:g}"
        raise ParameterError(f"{name} is {value!r}", hint=f"give a number {bounds}")
    return number


def switch(name: str, value: Any) -> bool:
    """Return True or False, be it NumPy's.

    Raises
    ------
    ParameterError
        If it is anything else.
    """
    if not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"):
        raise ParameterError(f"{name} is {value!r}", hint="give True or False")
    return bool(value)


def plain(value: Any) -> Any:
    """Return NumPy's numbers and arrays as Python's numbers and lists; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def shortest(value: float) -> str:
    """Return the shortest text that means a number, and no other."""
    return repr(float(value)).removesuffix(".0")


def counted(count: int, what: str) -> str:
    """Say how many, of a word that takes an s."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def is_digits(text: str) -> bool:
    """Tell whether a text is digits 0 to 9, and few enough for `int`.

    Python takes digits of other scripts for numbers, too.
    """
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS


def from_digits(text: str) -> int:
    """Return the whole number that digits 0 to 9 make, with a sign or not, blanks around it or not.

    Raises
    ------
    ValueError
        If a text is anything else, as one of digits of other scripts, or of thousands of digits.
    """
    stripped = text.strip()
    if not is_digits(stripped[1:] if stripped[:1] in ("+", "-") else stripped):
        raise ValueError(f"{text!r} is no whole number")
    return int(stripped)
