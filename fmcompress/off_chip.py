"""What compression saves where feature maps go to off-chip memory and back: `traffic`.

Memory is accessed in bursts, and an accelerator fetches tiles: each tile is a transmission of its
own, whose streams begin at a burst, and an index says where. So less is saved than ratios say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np

from fmcompress.batches import chunks_in_batch
from fmcompress.codecs.stored import Stored, stored_bytes
from fmcompress.coding import Coding, Options
from fmcompress.cutting import Cut
from fmcompress.energy import energy_of
from fmcompress.errors import ParameterError
from fmcompress.files import Sources
from fmcompress.in_order import Workers
from fmcompress.layer_words import RECODING, LayerWords, open_words
from fmcompress.numbers import MOST, real, switch, whole
from fmcompress.progress import Progress, silent
from fmcompress.stream_words import MOST_TRANSMISSION_WORDS
from fmcompress.surveying import LayerSurvey, nothing_left, survey
from fmcompress.tile_traffic import LayerTraffic, TileBytes, Traffic
from fmcompress.tiling import tile_lengths, tile_shape, tile_sizes, tiles_by_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray


BURST_BYTES, PASSES = 64, 2
MOST_BURST_BYTES, MOST_PASSES = 1 << 20, 1 << 20
# A frame is in memory as a whole, however small its tiles are.
MOST_FRAME_WORDS = 1 << 26


def traffic(
    source: Sources,
    *,
    tile: str | Sequence[int] | None = None,
    burst_bytes: int = BURST_BYTES,
    index: bool = True,
    passes: int = PASSES,
    frames_per_second: float | None = None,
    energy: str | None = None,
    pj_per_bit: float | None = None,
    frame_axis: int | None = None,
    layers: Sequence[str] | str | None = None,
    raw: Mapping[str, Any] | None = None,
    threads: int = 1,
    progress: Progress = silent,
    **coding: Unpack[Coding],
) -> Traffic:
    """Measure what each frame of each layer moves to and from off-chip memory.

    Parameters
    ----------
    source : path or binary file, or sequence of paths
        A dump, several, or a container, whose words are coded anew.
    tile : str or sequence of int, optional
        Lengths of a tile along the last axes of a frame, as the words run: ``"16x8x8"``. Axes
        before these are whole; by default a tile is a frame.
    burst_bytes : int
        Bytes of a memory access.
    index : bool
        Whether an index says where tiles are.
    passes : int
        How often a frame of a layer moves: twice where it is written and read once.
    frames_per_second : float, optional
        For bandwidth and power.
    energy : str, optional
        What a bit takes, by the name of one of `energy.PRESETS`; by default no energy is given.
    pj_per_bit : float, optional
        The same, as a number.
    frame_axis : int, optional
        The axis of frames; by default attributes say so, or it is the usual one.
    layers, raw, threads, progress, **coding
        As of `compress`; each tile is a transmission, so `chunk_words` does not count.

    Raises
    ------
    ParameterError, DamagedError, UnsupportedError, OSError
        As `compress`.
    """
    cut, options = Cut(frame_axis=frame_axis), Options(**coding)
    found = Traffic(
        "",
        options.codec,
        whole("burst_bytes", burst_bytes, 1, MOST_BURST_BYTES),
        tile_lengths(tile),
        switch("index", index),
        whole("passes", passes, 1, MOST_PASSES),
        None
        if frames_per_second is None
        else real("frames_per_second", frames_per_second, most=MOST),
        energy_of(energy, pj_per_bit),
    )
    with (
        Workers(threads) as workers,
        open_words(source, layers, raw, coding, cut, RECODING) as words,
    ):
        found.file, found.left_out = words.file, words.left_out
        found.warnings, found.notes = words.warnings, words.notes
        begin = partial(_Layer, cut=cut, options=options, found=found)
        found.layers += [one.result() for one in survey(words, begin, workers, progress)]
    if not found.layers:
        raise nothing_left("measured", found.left_out, found.file)
    found.notes += _notes(found)
    return found


def _notes(found: Traffic) -> list[str]:
    short = [one.name for one in found.layers if len(one.frame_shape) < len(found.tile)]
    frames = sorted({one.frames for one in found.layers})
    notes = []
    if short:
        notes.append(
            f"frames have fewer axes than the tile, whose last ones count: {', '.join(short)}"
        )
    if len(frames) > 1:
        counts = ", ".join(map(str, frames))
        notes.append(
            f"layers have different numbers of frames ({counts}): totals are sums of means"
        )
    return notes


class _Tiles(NamedTuple):
    """Some frames' tiles.

    Attributes
    ----------
    stream_bytes, memory_bytes : ndarray of int64, shape (frames, tiles)
        Of each tile the fewest bytes, as if there were no bursts; and the fewest in whole bursts.
    stored : ndarray of bool, shape (frames, tiles)
        Whether it takes fewer bursts as it is than coded.
    """

    stream_bytes: NDArray[np.int64]
    memory_bytes: NDArray[np.int64]
    stored: NDArray[np.bool_]


class _Layer(LayerSurvey[list[_Tiles]]):
    """A layer's tiles."""

    def __init__(self, layer: LayerWords, cut: Cut, options: Options, found: Traffic) -> None:
        info, bits = layer.info, layer.word_bits
        self._found = found
        front = cut.front(info.shape, layer.attributes())
        self._axis = front[0] if front else None
        self._frame_words = cut.piece_words(layer, MOST_FRAME_WORDS)
        self._frame_shape = _frame_shape(layer, self._axis)
        self._tile = tile_shape(self._frame_shape, found.tile)
        if math.prod(self._tile) > MOST_TRANSMISSION_WORDS:
            raise ParameterError(
                f"a tile has {math.prod(self._tile)} words, more than the {MOST_TRANSMISSION_WORDS} of a "
                "transmission",
                hint="give a smaller --tile, or pick other layers with --layers",
            )
        if info.serpentine and self._tile != self._frame_shape:
            raise ParameterError(
                "its words run forth and back, but tiles are cut from rows that run forth",
                hint="leave --tile or --serpentine out; decompress what is compressed first",
            )
        batch = chunks_in_batch(self._frame_words, bits)
        super().__init__(layer, batch * self._frame_words)
        self._codec = options.codec_for(layer.format).fitted(self.words, bits)
        self._measured: list[list[_Tiles]] = []

    def measure(self, words: NDArray[Any]) -> list[_Tiles]:
        """Measure the tiles of some frames, those of one shape together."""
        frames = words.reshape(-1, *self._frame_shape)
        return [self._tiles(tiles) for tiles in tiles_by_shape(frames, self._tile)]

    def _tiles(self, tiles: NDArray[Any]) -> _Tiles:
        count, bits = tiles.shape[2], self.layer.word_bits
        raw = stored_bytes(count, bits)
        raw_memory = self._in_bursts(raw)
        # Of several codecs the one with the fewest bursts, which need not have the fewest bytes.
        streams = np.full(tiles.shape[:2], raw)
        memory = np.full(tiles.shape[:2], np.iinfo(np.int64).max)
        for part in self._codec.parts:
            measured = part.measure_chunks(tiles.reshape(-1), bits, count)
            sizes = np.array(measured, np.int64).reshape(*tiles.shape[:2], 2)
            streams = np.minimum(streams, sizes.sum(axis=2))
            memory = np.minimum(memory, self._in_bursts(sizes).sum(axis=2))
        stored = memory > raw_memory
        return _Tiles(streams, np.where(stored, raw_memory, memory), stored)

    def _in_bursts(self, size: Any) -> Any:
        """Round bytes up to whole bursts: a number, or an array of them."""
        burst = self._found.burst_bytes
        return -(-size // burst) * burst

    def add(self, measured: list[_Tiles]) -> None:
        """Add the frames that come next."""
        self._measured.append(measured)

    def result(self) -> LayerTraffic:
        """Return the layer's bytes."""
        info, bits = self.layer.info, self.layer.word_bits
        streams, memory, stored = (
            np.concatenate([np.concatenate(batch, axis=1) for batch in batches])
            for batches in zip(*(zip(*batch, strict=True) for batch in self._measured), strict=True)
        )
        counts = tile_sizes(self._frame_shape, self._tile)
        raw = [(stored_bytes(words, bits), count) for words, count in counts.items()]
        largest = max(counts)
        coded = [size for size in self._codec.most_bytes(largest, bits) if size]
        return LayerTraffic(
            name=info.name,
            shape=info.shape,
            dtype=info.dtype,
            lossy=bool(info.quantized),
            word_bits=bits,
            axis=self._axis,
            frame_shape=self._frame_shape,
            tile=self._tile,
            raw_bytes=sum(size * count for size, count in raw),
            raw_memory_bytes=sum(self._in_bursts(size) * count for size, count in raw),
            index_bytes=self._index_bytes(
                streams.shape[1], stored_bytes(largest, bits), len(coded)
            ),
            table_bytes=self._in_bursts(-(-self._codec.table_bits // 8)),
            stream_bytes=streams.sum(axis=1),
            memory_bytes=memory.sum(axis=1),
            stored_tiles=stored.sum(axis=1),
            tiles_per_frame=streams.shape[1],
            tile_stream_bytes=TileBytes.of(streams),
            tile_memory_bytes=TileBytes.of(memory),
            most_tile_bytes=self._in_bursts(stored_bytes(largest, bits)),
            most_coded_bytes=tuple(self._in_bursts(size) for size in coded),
        )

    def _index_bytes(self, tiles: int, largest_bytes: int, streams: int) -> int:
        """Return the bytes of a frame's index.

        A tile's entry says how it is coded, or that it is stored, and of each stream how many bursts it
        takes: none, or up to those of the largest tile as it is.
        """
        if not self._found.index or isinstance(self._codec, Stored):
            return 0
        bursts = self._in_bursts(largest_bytes) // self._found.burst_bytes
        entry_bits = len(self._codec.parts).bit_length() + streams * bursts.bit_length()
        size: int = self._in_bursts(-(-tiles * entry_bits // 8))
        return size


def _frame_shape(layer: LayerWords, frames: int | None) -> tuple[int, ...]:
    """Return the lengths of a frame's axes in words, in the order in which they run."""
    info = layer.info
    axes = [info.shape[axis] for axis in info.word_axes if axis != frames] or [1]
    axes[-1] *= info.words_per_element
    return tuple(axes)
