"""Layers cut to frames, or to channels of frames, each a transmission of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fmcompress.axes import (
    CHANNEL_AXIS_NAMES,
    FRAME_AXIS_NAMES,
    channel_axis,
    frame_axis,
    unusable,
)
from fmcompress.errors import ParameterError
from fmcompress.layer_words import LayerWords
from fmcompress.numbers import whole
from fmcompress.stream_words import MOST_TRANSMISSION_WORDS

FRAME, CHANNEL, LAYER = KINDS = ("frame", "channel", "layer")


@dataclass(frozen=True, slots=True)
class Cut:
    """Along which axes layers are cut.

    Parameters
    ----------
    by : {"frame", "channel", "layer"}
    frame_axis, channel_axis : int, optional
        Where layers have these axes; else `axes` finds them.

    Raises
    ------
    ParameterError
        If one of these is none.
    """

    by: str = FRAME
    frame_axis: int | None = None
    channel_axis: int | None = None

    def __post_init__(self) -> None:
        if self.by not in KINDS:
            raise ParameterError(f"by is {self.by!r}", hint=f"choose from {', '.join(KINDS)}")
        for name in ("frame_axis", "channel_axis"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else whole(name, value))

    def front(self, shape: Sequence[int], attributes: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the axes of a layer that are to run slowest."""
        if self.by == LAYER:
            return ()
        axes = [frame_axis(shape, attributes, self.frame_axis)]
        if self.by == CHANNEL:
            axes.append(channel_axis(shape, attributes, self.channel_axis, self.frame_axis))
        found = tuple(axis for axis in axes if axis is not None)
        if len(set(found)) < len(found):
            raise ParameterError(
                f"axis {found[0]} cannot hold both frames and channels",
                hint="give --frame-axis and --channel-axis",
            )
        return found

    def doubts(self, shape: Sequence[int], attributes: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with attributes that should name these axes."""
        names: tuple[str, ...] = ()
        if self.by != LAYER and self.frame_axis is None:
            names += FRAME_AXIS_NAMES
        if self.by == CHANNEL and self.channel_axis is None:
            names += CHANNEL_AXIS_NAMES
        return unusable(shape, attributes, names) if names else []

    def lengths(self, layer: LayerWords) -> tuple[int, int]:
        """Return the numbers of frames, and of the pieces that each has."""
        if self.by == LAYER:
            return 1, 1
        shape, attributes = layer.info.shape, layer.attributes()
        frames = frame_axis(shape, attributes, self.frame_axis)
        others = [axis for axis in self.front(shape, attributes) if axis != frames]
        return 1 if frames is None else shape[frames], shape[others[0]] if others else 1

    def piece_words(self, layer: LayerWords, most: int = MOST_TRANSMISSION_WORDS) -> int:
        """Return the words of a piece; a layer as a whole is none.

        Parameters
        ----------
        layer : LayerWords
        most : int
            How many there may be: by default, as many as in a transmission.

        Raises
        ------
        ParameterError
            If there are more.
        """
        frames, parts = self.lengths(layer)
        words = layer.info.word_count // (frames * parts)
        if self.by != LAYER and words > most:
            raise ParameterError(
                f"a {self.by} has {words} words, more than {most}",
                hint="give another --frame-axis, or pick other layers with --layers",
            )
        return words
