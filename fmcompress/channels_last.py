"""Does a tensor lie with its channels last? EBPC does worse then: neighbours differ more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# What dump scripts call the attribute, lower case and without "_", "-" and ".".
LAYOUT_NAMES = (
    "layout",
    "dataformat",
    "memoryformat",
    "dataorder",
    "dimorder",
    "axisorder",
    "order",
)
_LAST = ("nhwc", "hwc", "ndhwc", "nwc", "channelslast", "channellast", "nhwcb")
_FIRST = ("nchw", "chw", "ncdhw", "ncw", "channelsfirst", "channelfirst")
LAYOUTS = _LAST + _FIRST


def is_channels_last(
    shape: Sequence[int], order: str | tuple[int, ...], attributes: Mapping[str, Any]
) -> bool:
    """Tell whether attributes say, or else the shape shows, that channels come last.

    A tensor of four axes that runs in the `order` 0, 2, 3, 1 in its file shows it, too.
    The shape of a layer of four axes shows it where the second and third are equal, and the
    last is another: maps are mostly square. Where there is one channel or one pixel, it does not
    matter.
    """
    if len(shape) < 3 or order == "F":
        return False
    if not isinstance(order, str):
        return order == (0, 2, 3, 1)
    pixels = shape[-3] * shape[-2]
    if shape[-1] < 2 or pixels < 2:
        return False
    for name in attributes:
        if plain_text(name) in LAYOUT_NAMES:
            value = plain_text(attributes[name])
            if value in _FIRST:
                return False
            if value in _LAST:
                return True
    return len(shape) == 4 and shape[1] == shape[2] != shape[3]


def channels_first(shape: Sequence[int], order: str | tuple[int, ...]) -> str:
    """Return what to give as ``--order`` where `is_channels_last`, or an order is not C."""
    if order != "C":
        return ",".join(map(str, range(len(shape))))
    return {3: "hwc:chw", 4: "nhwc:nchw", 5: "ndhwc:ncdhw"}.get(len(shape), "auto")


def plain_text(value: Any) -> str:
    """Return a name or a value in lower case, without what people put between words."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return str(value).lower().translate({ord(c): None for c in "_-. "})
