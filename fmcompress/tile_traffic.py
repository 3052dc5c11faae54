"""What `traffic` finds: bytes per layer and frame, raw and compressed, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fmcompress.energy import Energy
from fmcompress.hardware_costs import hardware_costs

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TileBytes(NamedTuple):
    """How large tiles are: sizes that half of them, 99 % and all of them do not exceed."""

    median: int
    percentile_99: int
    greatest: int

    @classmethod
    def of(cls, sizes: NDArray[np.int64]) -> TileBytes:
        """Return those of some tiles; each is a size that a tile has."""
        return cls(*np.percentile(sizes, [50, 99, 100], method="inverted_cdf").tolist())


@dataclass(frozen=True, slots=True)
class FrameBytes:
    """Bytes that move when one frame is written, or read, once.

    Attributes
    ----------
    raw_bytes : int
        Of the words, packed.
    raw_memory_bytes : int
        Of the words, each tile in whole bursts.
    stream_bytes : float
        Of the compressed streams, stored tiles at the size of their words: a mean over frames.
    memory_bytes : float
        Of the same, each stream in whole bursts.
    index_bytes : int
        Of the index, in whole bursts.
    table_bytes : int
        Of what the codec has to know of a layer, in whole bursts.
    """

    raw_bytes: int = 0
    raw_memory_bytes: int = 0
    stream_bytes: float = 0.0
    memory_bytes: float = 0.0
    index_bytes: int = 0
    table_bytes: int = 0

    def __add__(self, other: FrameBytes) -> FrameBytes:
        names = [one.name for one in fields(FrameBytes)]
        return FrameBytes(*(getattr(self, name) + getattr(other, name) for name in names))

    @property
    def total_bytes(self) -> float:
        """All that moves, compressed: streams in whole bursts, index and table."""
        return self.memory_bytes + self.index_bytes + self.table_bytes

    @property
    def nominal_ratio(self) -> float | None:
        """Bytes of the words ÷ bytes of the streams, nothing rounded up to bursts; None of none."""
        return self.raw_bytes / self.stream_bytes if self.stream_bytes else None

    @property
    def ratio(self) -> float | None:
        """Bytes that move raw ÷ bytes that move compressed; None where nothing does."""
        return self.raw_memory_bytes / self.total_bytes if self.total_bytes else None

    def to_json(self) -> dict[str, Any]:
        """Return all of these."""
        return {
            **asdict(self),
            "total_bytes": self.total_bytes,
            "nominal_ratio": self.nominal_ratio,
            "ratio": self.ratio,
        }


@dataclass(frozen=True, slots=True)
class LayerTraffic:
    """One layer.

    Attributes
    ----------
    name, shape, dtype
        As in the dump.
    lossy : bool
        Whether it was quantised.
    word_bits : int
        Word width w.
    axis : int or None
        The axis of frames; None where the layer is one frame.
    frame_shape, tile : tuple of int
        In words, axes in the order in which they run.
    raw_bytes, raw_memory_bytes, index_bytes, table_bytes : int
        As in `FrameBytes`; of every frame.
    stream_bytes, memory_bytes, stored_tiles : ndarray of int64, shape (frames,)
        As in `FrameBytes`, frame by frame; and the tiles that are stored.
    tiles_per_frame : int
    tile_stream_bytes, tile_memory_bytes : TileBytes
        Where tiles lie, as they are and in whole bursts.
    most_tile_bytes : int
        What a tile takes at most, in whole bursts: it is stored then.
    most_coded_bytes : tuple of int
        What each of the codec's streams could take of a tile, in whole bursts, if none were stored.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    lossy: bool
    word_bits: int
    axis: int | None
    frame_shape: tuple[int, ...]
    tile: tuple[int, ...]
    raw_bytes: int
    raw_memory_bytes: int
    index_bytes: int
    table_bytes: int
    stream_bytes: NDArray[np.int64]
    memory_bytes: NDArray[np.int64]
    stored_tiles: NDArray[np.int64]
    tiles_per_frame: int
    tile_stream_bytes: TileBytes
    tile_memory_bytes: TileBytes
    most_tile_bytes: int
    most_coded_bytes: tuple[int, ...]

    @property
    def frames(self) -> int:
        """How many there are."""
        return self.stream_bytes.size

    @property
    def stored_share(self) -> float:
        """Share of the tiles that are stored, 0 to 1."""
        return int(self.stored_tiles.sum()) / (self.frames * self.tiles_per_frame)

    @property
    def total_bytes(self) -> NDArray[np.int64]:
        """All that moves, compressed, frame by frame."""
        return self.memory_bytes + (self.index_bytes + self.table_bytes)

    @property
    def mean(self) -> FrameBytes:
        """A frame's bytes, as means."""
        return FrameBytes(
            self.raw_bytes,
            self.raw_memory_bytes,
            float(self.stream_bytes.mean()),
            float(self.memory_bytes.mean()),
            self.index_bytes,
            self.table_bytes,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the layer's numbers."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "lossy": self.lossy,
            "word_bits": self.word_bits,
            "axis": self.axis,
            "frames": self.frames,
            "frame_shape": list(self.frame_shape),
            "tile": list(self.tile),
            "tiles_per_frame": self.tiles_per_frame,
            **self.mean.to_json(),
            "frame_stream_bytes": self.stream_bytes.tolist(),
            "frame_memory_bytes": self.memory_bytes.tolist(),
            "frame_total_bytes": self.total_bytes.tolist(),
            "frame_stored_tiles": self.stored_tiles.tolist(),
            "tile_stream_bytes": self.tile_stream_bytes._asdict(),
            "tile_memory_bytes": self.tile_memory_bytes._asdict(),
            "most_tile_bytes": self.most_tile_bytes,
            "most_coded_bytes": list(self.most_coded_bytes),
        }


@dataclass(slots=True)
class Traffic:
    """All layers, in off-chip memory.

    Attributes
    ----------
    file : str
    codec : str
        As it was named.
    burst_bytes : int
    tile : tuple of int
        As it was asked for; empty where a tile is a frame.
    index : bool
        Whether there is one.
    passes : int
        How often each frame of each layer moves.
    frames_per_second : float or None
    energy : Energy or None
        Of a bit that moves.
    layers : list of LayerTraffic
        In file order.
    left_out : dict
        Why picked layers have no words, by name.
    warnings, notes : list of str
    """

    file: str
    codec: str
    burst_bytes: int
    tile: tuple[int, ...]
    index: bool
    passes: int
    frames_per_second: float | None
    energy: Energy | None
    layers: list[LayerTraffic] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def total(self) -> FrameBytes:
        """One frame of every layer, moved once."""
        return sum((layer.mean for layer in self.layers), FrameBytes())

    @property
    def times(self) -> str:
        """How often a frame of a layer moves, in words."""
        return {1: "once", 2: "twice (written and read)"}.get(self.passes, f"{self.passes} times")

    @property
    def moved_bytes(self) -> tuple[float, float]:
        """Bytes that move for a frame, all passes and layers: raw, and compressed."""
        total = self.total
        return self.passes * total.raw_memory_bytes, self.passes * total.total_bytes

    @property
    def megabytes_per_second(self) -> tuple[float, float] | None:
        """The bandwidth raw and compressed, in 10^6 bytes a second; None without a frame rate."""
        if self.frames_per_second is None:
            return None
        raw, compressed = (moved * self.frames_per_second * 1e-6 for moved in self.moved_bytes)
        return raw, compressed

    @property
    def microjoules(self) -> tuple[float, float] | None:
        """The energy of a frame's bytes, raw and compressed, in µJ; None where a bit has none."""
        if self.energy is None:
            return None
        raw, compressed = map(self.energy.microjoules, self.moved_bytes)
        return raw, compressed

    @property
    def milliwatts(self) -> tuple[float, float] | None:
        """The power that they take, in mW; None without an energy or a frame rate."""
        energy, rate = self.microjoules, self.frames_per_second
        return (
            None
            if energy is None or rate is None
            else (energy[0] * rate / 1e3, energy[1] * rate / 1e3)
        )

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``fmc traffic --json`` prints (docs/JSON.md)."""
        return {
            "schema": "fmcompress.traffic/1",
            "file": self.file,
            "codec": self.codec,
            "burst_bytes": self.burst_bytes,
            "tile": list(self.tile) or None,
            "index": self.index,
            "passes": self.passes,
            "frames_per_second": self.frames_per_second,
            "layers": [layer.to_json() for layer in self.layers],
            "total": self.total.to_json(),
            "moved_bytes": _pair(self.moved_bytes),
            "megabytes_per_second": _pair(self.megabytes_per_second),
            "energy": None if self.energy is None else self.energy.to_json(),
            "microjoules": _pair(self.microjoules),
            "milliwatts": _pair(self.milliwatts),
            "hardware": [cost.to_json() for cost in hardware_costs()],
            "left_out": self.left_out,
            "warnings": self.warnings,
            "notes": self.notes,
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield what ``fmc traffic --csv`` prints: a row for each layer and frame."""
        for layer in self.layers:
            for frame in range(layer.frames):
                yield {
                    "file": self.file,
                    "layer": layer.name,
                    "frame": frame,
                    "codec": self.codec,
                    "burst_bytes": self.burst_bytes,
                    "tile": "x".join(map(str, layer.tile)),
                    "tiles": layer.tiles_per_frame,
                    "stored_tiles": int(layer.stored_tiles[frame]),
                    "raw_bytes": layer.raw_bytes,
                    "raw_memory_bytes": layer.raw_memory_bytes,
                    "stream_bytes": int(layer.stream_bytes[frame]),
                    "memory_bytes": int(layer.memory_bytes[frame]),
                    "index_bytes": layer.index_bytes,
                    "table_bytes": layer.table_bytes,
                    "total_bytes": int(layer.total_bytes[frame]),
                }


def _pair(values: tuple[float, float] | None) -> dict[str, float] | None:
    return None if values is None else {"raw": values[0], "compressed": values[1]}
