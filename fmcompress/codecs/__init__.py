"""The codecs: from the words of one chunk to two streams and back.

To add one, write a module beside this one and name it in `CODECS`: CONTRIBUTING.md shows how.
Importing this package imports no kernel; a codec loads its own on first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fmcompress.codecs.auto import Auto
from fmcompress.codecs.bdi import Bdi
from fmcompress.codecs.bpc import Bpc
from fmcompress.codecs.codec import Codec
from fmcompress.codecs.csc import Csc
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.codecs.huffman import Huffman
from fmcompress.codecs.mask_rice import MaskRice
from fmcompress.codecs.rice import Rice
from fmcompress.codecs.rlc import Rlc
from fmcompress.codecs.shapeshifter import ShapeShifter
from fmcompress.codecs.stored import Stored
from fmcompress.codecs.zrle import Zrle
from fmcompress.codecs.zvc import Zvc
from fmcompress.errors import DamagedError, ParameterError, UnsupportedError
from fmcompress.numbers import is_digits

__all__ = [
    "CODECS",
    "CODEC_NAMES",
    "Codec",
    "codec_from_description",
    "codec_named",
    "free_parameters",
]

# Name in the container's layer descriptions -> class, in the order of tables.
_CODECS: tuple[type[Codec], ...] = (
    Stored,
    Ebpc,
    Bpc,
    Zrle,
    Zvc,
    Csc,
    Rlc,
    ShapeShifter,
    Rice,
    MaskRice,
    Huffman,
    Bdi,
    Auto,
)
CODECS: dict[str, type[Codec]] = {codec.name: codec for codec in _CODECS}
# Number in chunk records -> name.
CODEC_NAMES: dict[int, str] = {c.number: name for name, c in CODECS.items() if c is not Auto}


def codec_named(
    text: str, parameters: Mapping[str, Any] | None = None, difference: str = "signed"
) -> Codec:
    """Build a codec as users name it: its name, and possibly parameters, as ``zvc:group=64``.

    Parameters
    ----------
    text : str
    parameters : mapping, optional
        Further ones.
    difference : str
        That which suits the words, for codecs that form one and are not told which.

    Raises
    ------
    ParameterError
        If there is no such codec, it has no such parameter, or a value is outside its range.
    """
    name, told = _split(text)
    given = dict(parameters or {})
    for key, value in told:
        if key in given:
            raise ParameterError(f"{key} is given twice", hint=f"codec is {text!r}")
        given[key] = _value(value)
    known = CODECS[name].parameters()
    for key in given:
        if key not in known:
            has = ", ".join(known) or "none"
            raise ParameterError(f"codec {name} has no parameter {key!r}", hint=f"it has {has}")
    suiting = {"difference": difference} if "difference" in known else {}
    return CODECS[name](**suiting | given)


def free_parameters(text: str) -> list[str]:
    """Return the parameters that a codec has, and whose values its name does not tell.

    Raises
    ------
    ParameterError
        If there is no such codec.
    """
    name, told = _split(text)
    keys = {key for key, _ in told}
    return [parameter for parameter in CODECS[name].parameters() if parameter not in keys]


def _split(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Return a codec's name, and the parameters said with it, as they are written."""
    name, colon, rest = text.partition(":") if isinstance(text, str) else (text, "", "")
    if name not in CODECS:
        raise ParameterError(f"codec is {name!r}", hint=f"choose from {', '.join(CODECS)}")
    parts = rest.split(",") if colon else []
    return name, [(key, value) for key, _, value in (part.partition("=") for part in parts)]


def _value(text: str) -> Any:
    """Read a parameter: a whole number, yes or no, or a name."""
    if text.lower() in ("yes", "no", "true", "false"):
        return text.lower() in ("yes", "true")
    return int(text) if is_digits(text) else text


def codec_from_description(description: dict[str, Any]) -> Codec:
    """Build the codec that `Codec.describe` described.

    Raises
    ------
    UnsupportedError
        If the codec or one of its parameters is unknown to this version.
    DamagedError
        If a parameter is outside its range.
    """
    parameters = dict(description)
    name = parameters.pop("name", None)
    if not isinstance(name, str) or name not in CODECS:
        raise UnsupportedError(f"unknown codec {name!r}", hint="upgrade fmcompress")
    for key, value in parameters.items():
        if value is None:
            raise DamagedError(f"the codec's description is not valid: {key} is null")
    try:
        return CODECS[name](**parameters)
    except TypeError as error:
        raise UnsupportedError(
            f"unknown parameter of codec {name!r}: {sorted(parameters)}", hint="upgrade fmcompress"
        ) from error
    except ParameterError as error:
        raise DamagedError(f"the codec's description is not valid: {error.cause}") from error
