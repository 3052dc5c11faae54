"""How much ratio and sparsity vary: from frame to frame, channel to channel, layer to layer.

A frame is one transmission, as in the EBPC paper's figures; so is a channel of a frame. As in a
file, one that would grow is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np

from fmcompress.batches import chunks_in_batch
from fmcompress.codecs.stored import Stored
from fmcompress.coding import Coding, Options
from fmcompress.cutting import CHANNEL, FRAME, LAYER, Cut
from fmcompress.files import Sources
from fmcompress.in_order import Workers
from fmcompress.layer_words import RECODING, LayerWords, open_words
from fmcompress.progress import Progress, silent
from fmcompress.surveying import LayerSurvey, nothing_left, survey

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Spread(NamedTuple):
    """Where values lie: percentiles, interpolated linearly, and extremes."""

    median: float
    percentile_1: float
    percentile_99: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Spread | None:
        """Return those of some values; None of none."""
        return (
            None if not values.size else cls(*np.percentile(values, [50, 1, 99, 0, 100]).tolist())
        )


@dataclass(frozen=True, slots=True)
class Pieces:
    """Pieces of words: frames, channels or layers.

    Attributes
    ----------
    words, bits, zero_words : ndarray of int64, shape (pieces,)
        Of each piece, its words, the bits of its streams, and its words that are zero.
    word_bits : ndarray of int64, shape (pieces,)
        Bits of all words of each piece.
    """

    words: NDArray[np.int64]
    word_bits: NDArray[np.int64]
    bits: NDArray[np.int64]
    zero_words: NDArray[np.int64]

    @classmethod
    def together(cls, many: Sequence[Pieces]) -> Pieces:
        """Return as many pieces as each of many has, each of all of them together."""
        return cls._joined(many, partial(np.sum, axis=0))

    @classmethod
    def side_by_side(cls, many: Sequence[Pieces]) -> Pieces:
        """Return the pieces of all of many."""
        return cls._joined(many, np.concatenate)

    @classmethod
    def _joined(cls, many: Sequence[Pieces], join: Callable[[Any], NDArray[np.int64]]) -> Pieces:
        return cls(*(join([getattr(one, each.name) for one in many]) for each in fields(cls)))

    @property
    def ratios(self) -> NDArray[np.float64]:
        """Bits of the words ÷ bits of the streams, of each piece that has streams."""
        coded = self.bits > 0
        ratios: NDArray[np.float64] = self.word_bits[coded] / self.bits[coded]
        return ratios

    @property
    def sparsities(self) -> NDArray[np.float64]:
        """Share of zero words, piece by piece."""
        return self.zero_words / self.words

    @property
    def ratio(self) -> Spread | None:
        """Where the ratios lie; None where no piece has streams."""
        return Spread.of(self.ratios)

    @property
    def sparsity(self) -> Spread:
        """Where the sparsities lie."""
        found = Spread.of(self.sparsities)
        assert found is not None
        return found

    def to_json(self) -> dict[str, Any]:
        """Return all values, and where they lie."""
        return {
            "pieces": self.bits.size,
            "ratio": self.ratio._asdict() if self.ratio else None,
            "sparsity": self.sparsity._asdict(),
            "words": self.words.tolist(),
            "zero_words": self.zero_words.tolist(),
            "raw_bits": self.word_bits.tolist(),
            "bits": self.bits.tolist(),
        }


@dataclass(frozen=True, slots=True)
class LayerDistribution:
    """One layer.

    Attributes
    ----------
    name, shape, dtype
        As in the dump.
    lossy : bool
        Whether it was quantised.
    axis : int or None
        The axis along which it is cut; None where it is whole.
    pieces : Pieces
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    lossy: bool
    axis: int | None
    pieces: Pieces


@dataclass(slots=True)
class Distribution:
    """All layers, cut to pieces.

    Attributes
    ----------
    file : str
    by : {"frame", "channel", "layer"}
    codec : str
        As it was named.
    layers : list of LayerDistribution
        In file order.
    left_out : dict
        Why picked layers have no words, by name.
    warnings, notes : list of str
    """

    file: str
    by: str
    codec: str
    layers: list[LayerDistribution] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def total(self) -> Pieces | None:
        """The network as a whole: by frame, each of all layers together; else all pieces.

        None where layers have different numbers of frames.
        """
        pieces = [layer.pieces for layer in self.layers]
        if self.by == FRAME:
            alike = len({piece.bits.size for piece in pieces}) == 1
            return Pieces.together(pieces) if alike else None
        return Pieces.side_by_side(pieces)

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``fmc stats --by … --json`` prints (docs/JSON.md)."""
        total = self.total
        return {
            "schema": "fmcompress.distribution/1",
            "file": self.file,
            "by": self.by,
            "codec": self.codec,
            "layers": [
                {
                    "name": layer.name,
                    "shape": list(layer.shape),
                    "dtype": layer.dtype,
                    "lossy": layer.lossy,
                    "axis": layer.axis,
                    **layer.pieces.to_json(),
                }
                for layer in self.layers
            ],
            "total": total.to_json() if total else None,
            "left_out": self.left_out,
            "warnings": self.warnings,
            "notes": self.notes,
        }


def distribution(
    source: Sources,
    *,
    by: str = FRAME,
    frame_axis: int | None = None,
    channel_axis: int | None = None,
    layers: Sequence[str] | str | None = None,
    raw: Mapping[str, Any] | None = None,
    threads: int = 1,
    progress: Progress = silent,
    **coding: Unpack[Coding],
) -> Distribution:
    """Measure how ratio and sparsity vary between frames, channels or layers.

    Parameters
    ----------
    source : path or binary file, or sequence of paths
        A dump, several, or a container.
    by : {"frame", "channel", "layer"}
        What a piece is. Layers are cut to chunks, as in a file.
    frame_axis, channel_axis : int, optional
        Which axes hold them; by default attributes say so, or they are the usual ones. They are
        made to run slowest.
    layers, raw, threads, progress, **coding
        As of `compress`.

    Raises
    ------
    ParameterError, DamagedError, UnsupportedError, OSError
        As `compress`.
    """
    cut = Cut(by, frame_axis, channel_axis)
    options = Options(**coding)
    counting = (*RECODING, "chunk_words") if by == LAYER else RECODING
    with (
        Workers(threads) as workers,
        open_words(source, layers, raw, coding, cut, counting) as words,
    ):
        found = Distribution(
            words.file,
            by,
            options.codec,
            left_out=words.left_out,
            warnings=words.warnings,
            notes=words.notes,
        )
        begin = partial(_Layer, cut=cut, options=options)
        for layer in survey(words, begin, workers, progress):
            found.layers.append(layer.result())
    if not found.layers:
        raise nothing_left("measured", found.left_out, found.file)
    return found


class _Layer(LayerSurvey["NDArray[np.int64]"]):
    """A layer's pieces."""

    def __init__(self, layer: LayerWords, cut: Cut, options: Options) -> None:
        self._cut = cut
        self._frames, self._parts = cut.lengths(layer)
        self._piece_words = cut.piece_words(layer)
        if cut.by == LAYER:
            self._piece_words = min(options.chunk_words, layer.info.word_count)
        batch = chunks_in_batch(self._piece_words, layer.word_bits)
        super().__init__(layer, batch * self._piece_words)
        self._codec = options.codec_for(layer.format).fitted(self.words, layer.word_bits)
        self._measured: list[NDArray[np.int64]] = []

    def measure(self, words: NDArray[Any]) -> NDArray[np.int64]:
        """Return bits and zero words of some pieces."""
        size, bits = self._piece_words, self.layer.word_bits
        sizes = self._codec.chunk_bytes(words, bits, size)
        stored = Stored().chunk_bytes(words, bits, size)
        pieces = [words[at : at + size] for at in range(0, words.size, size)]
        zeros = [piece.size - np.count_nonzero(piece) for piece in pieces]
        return np.array([8 * np.minimum(sizes, stored), zeros], np.int64)

    def add(self, measured: NDArray[np.int64]) -> None:
        """Add the pieces that come next."""
        self._measured.append(measured)

    def result(self) -> LayerDistribution:
        """Return the layer's pieces; of a channel, those of all frames are one."""
        info, whole_layer = self.layer.info, self._cut.by == LAYER
        bits, zeros = np.concatenate(self._measured, axis=1)
        if whole_layer:
            bits = bits.sum(keepdims=True) + self._codec.table_bits
            zeros = zeros.sum(keepdims=True)
        elif self._cut.by == CHANNEL:
            bits, zeros = (
                values.reshape(self._frames, self._parts).sum(axis=0) for values in (bits, zeros)
            )
        words = np.full(bits.size, info.word_count // bits.size)
        front = () if whole_layer else self._cut.front(info.shape, self.layer.attributes())
        return LayerDistribution(
            info.name,
            info.shape,
            info.dtype,
            bool(info.quantized),
            front[-1] if front else None,
            Pieces(words, words * self.layer.word_bits, bits, zeros),
        )
