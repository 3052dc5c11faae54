"""Which axis of a layer holds frames, and which channels: options, attributes, or the usual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fmcompress.channels_last import LAYOUT_NAMES, plain_text
from fmcompress.errors import ParameterError

# What dump scripts call the axis itself, lower case and without "_", "-", "." and blanks.
FRAME_AXIS_NAMES = ("frameaxis", "framesaxis", "batchaxis", "batchdim")
CHANNEL_AXIS_NAMES = ("channelaxis", "channelsaxis", "channeldim")
FRAME, CHANNEL = "n", "c"


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
    shape: Sequence[int], attributes: Mapping[str, Any], wanted: int | None = None
) -> int | None:
    """Return the axis of channels, as `frame_axis` does; by default the one behind the frames."""
    if wanted is not None:
        return _checked(wanted, shape, "channel")
    found = _noted(shape, attributes, CHANNEL_AXIS_NAMES, CHANNEL)
    if found is not None:
        return found if found >= 0 else None
    frames = frame_axis(shape, attributes)
    axis = 0 if frames is None else frames + 1
    return axis if axis < len(shape) else None


def _checked(wanted: int, shape: Sequence[int], what: str) -> int:
    if not -len(shape) <= wanted < len(shape):
        raise ParameterError(
            f"the {what} axis is {wanted}, but its shape {tuple(shape)} has {len(shape)} axes",
            hint="pick other layers with --layers",
        )
    return wanted % len(shape)


def _noted(
    shape: Sequence[int], attributes: Mapping[str, Any], names: Sequence[str], letter: str
) -> int | None:
    """Return the axis that an attribute names, -1 if one says that there is none, or None."""
    layout = None
    for name in attributes:
        key = plain_text(name)
        if key not in (*names, *LAYOUT_NAMES):
            continue
        value = plain_text(attributes[name])
        if key in names:
            if value.isascii() and value.isdigit() and int(value) < len(shape):
                return int(value)
        elif len(value) == len(shape) and len({*value}) == len(value) and value.isalpha():
            layout = value
    return None if layout is None else layout.find(letter)
