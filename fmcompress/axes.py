"""Which axis of a layer holds frames, and which channels: options, attributes, or the usual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fmcompress.channels_last import LAYOUT_NAMES, LAYOUTS, plain_text
from fmcompress.errors import ParameterError
from fmcompress.numbers import is_digits, plain

# What dump scripts call the axis itself, lower case and without "_", "-", "." and blanks.
FRAME_AXIS_NAMES = ("frameaxis", "framesaxis", "batchaxis", "batchdim")
CHANNEL_AXIS_NAMES = ("channelaxis", "channelsaxis", "channeldim")
FRAME, CHANNEL = "n", "c"
# A longer text is no layout that names axes by letters.
_MOST_LETTERS = 6
_MOST_DIGITS = 4


def frame_axis(
    shape: Sequence[int], attributes: Mapping[str, Any], wanted: int | None = None
) -> int | None:
    """Return the axis of frames; None where the whole layer is one.

    Parameters
    ----------
    shape : sequence of int
        Of the layer.
    attributes : mapping
        Of the layer: one may name the axis, or a layout, as NCHW.
    wanted : int, optional
        The axis that the user names, from 0, or from -1.

    Returns
    -------
    int or None
        Where nobody says: the first of two axes, or of four and more.

    Raises
    ------
    ParameterError
        If the layer has no such axis.
    """
    if wanted is not None:
        return _checked(wanted, shape, "frame")
    found = _noted(shape, attributes, FRAME_AXIS_NAMES, FRAME)
    if found is not None:
        return found if found >= 0 else None
    return 0 if len(shape) == 2 or len(shape) > 3 else None


def channel_axis(
    shape: Sequence[int],
    attributes: Mapping[str, Any],
    wanted: int | None = None,
    wanted_frames: int | None = None,
) -> int | None:
    """Return the axis of channels, as `frame_axis` does; by default the one behind the frames.

    Parameters
    ----------
    shape, attributes, wanted
        As of `frame_axis`.
    wanted_frames : int, optional
        The axis of frames that the user names.
    """
    if wanted is not None:
        return _checked(wanted, shape, "channel")
    found = _noted(shape, attributes, CHANNEL_AXIS_NAMES, CHANNEL)
    if found is not None:
        return found if found >= 0 else None
    frames = frame_axis(shape, attributes, wanted_frames)
    axis = 0 if frames is None else frames + 1
    return axis if axis < len(shape) else None


def _checked(wanted: int, shape: Sequence[int], what: str) -> int:
    if not -len(shape) <= wanted < len(shape):
        raise ParameterError(
            f"the {what} axis is {wanted}, but its shape {tuple(shape)} has {len(shape)} axes",
            hint="pick other layers with --layers",
        )
    return wanted % len(shape)


def unusable(
    shape: Sequence[int], attributes: Mapping[str, Any], names: Sequence[str]
) -> list[str]:
    """Return what is wrong with attributes that should name an axis, or a layout.

    Parameters
    ----------
    shape : sequence of int
        Of the layer.
    attributes : mapping
    names : sequence of str
        What attributes are called that name the axis itself.
    """
    found = []
    for name in attributes:
        key, value = plain_text(name), attributes[name]
        if key in names and _axis(value, shape) is None:
            what = f"no axis of shape {tuple(shape)}"
        elif key in LAYOUT_NAMES and _is_unknown_layout(value, shape):
            what = f"no layout of {len(shape)} axes"
        else:
            continue
        found.append(f"its attribute {name} is {plain(value)!r:.40}, {what}; it is ignored")
    return found


def _noted(
    shape: Sequence[int], attributes: Mapping[str, Any], names: Sequence[str], letter: str
) -> int | None:
    """Return the axis that an attribute names, -1 if one says that there is none, or None."""
    layout = None
    for name in attributes:
        key = plain_text(name)
        if key in names:
            axis = _axis(attributes[name], shape)
            if axis is not None:
                return axis
        elif key in LAYOUT_NAMES and _is_layout(plain_text(attributes[name]), shape):
            layout = plain_text(attributes[name])
    return None if layout is None else layout.find(letter)


def _axis(value: Any, shape: Sequence[int]) -> int | None:
    """Return the axis that a number or a text of digits means; a negative one counts from the end."""
    value = value.item() if getattr(value, "size", 0) == 1 else value
    text = str(value.decode("ascii", "replace") if isinstance(value, bytes) else value).strip()
    if len(text) > _MOST_DIGITS or not is_digits(text.removeprefix("-")):
        return None
    axis = int(text)
    return axis % len(shape) if -len(shape) <= axis < len(shape) else None


def _is_layout(value: str, shape: Sequence[int]) -> bool:
    """Tell whether a text has a letter for each axis."""
    return len(value) == len(shape) and len({*value}) == len(value) and value.isalpha()


def _is_unknown_layout(value: Any, shape: Sequence[int]) -> bool:
    """Tell whether a value looks like a layout, in capitals, and is none, of whatever shape.

    Where a network's layers all say NCHW, those of other ranks are no reason to warn.
    """
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    if not isinstance(text, str) or not (text.isalpha() and text.isupper()):
        return False
    layout = plain_text(text)
    known = layout in LAYOUTS or _is_layout(layout, shape)
    return 1 < len(layout) <= _MOST_LETTERS and not known
