"""Sizes per layer and in total: one arithmetic for dumps and for compressed files.

The compression ratio is defined here, once: bits of the words ÷ bits of both streams, where a
stored chunk counts at its stored size. Streams count as the hardware sends them, padded to whole
stream words. The file ratio (bytes of the dump ÷ bytes of the compressed file) is another number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from fmcompress.chunks import dump_item_bytes, word_format
from fmcompress.codecs.stored import Stored
from fmcompress.contents import ChunkInfo, Contents, LayerInfo


@dataclass(frozen=True, slots=True)
class Sizes:
    """Counts that add up, of a layer or of many.

    Attributes
    ----------
    words, zero_words : int
        Words, and those with all bits zero.
    word_bits : int
        Bits of all words together.
    original_bits : int
        Bits of the elements as they lie in the dump: more than `word_bits` where words are
        narrower than their dtype, or the layer was quantised.
    znz_bits, bpc_bits : int
        Of both streams, padded as the hardware pads them.
    stored_bits : int
        Of the chunks that are stored because coding would make them larger.
    chunks, stored_chunks : int
        Chunks in all, and those stored.
    coded_words, coded_nonzero_words : int
        Words, and non-zero words, of the chunks that are not stored.
    """

    words: int = 0
    zero_words: int = 0
    word_bits: int = 0
    original_bits: int = 0
    znz_bits: int = 0
    bpc_bits: int = 0
    stored_bits: int = 0
    chunks: int = 0
    stored_chunks: int = 0
    coded_words: int = 0
    coded_nonzero_words: int = 0

    def __add__(self, other: Sizes) -> Sizes:
        return Sizes(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Sizes)))

    @property
    def compressed_bits(self) -> int:
        """Bits of both streams and of stored chunks."""
        return self.znz_bits + self.bpc_bits + self.stored_bits

    @property
    def ratio(self) -> float | None:
        """Bits of the words ÷ bits of both streams; None without words."""
        return self.word_bits / self.compressed_bits if self.compressed_bits else None

    @property
    def original_ratio(self) -> float | None:
        """Bits of the elements in the dump ÷ bits of both streams; None without words."""
        return self.original_bits / self.compressed_bits if self.compressed_bits else None

    @property
    def sparsity(self) -> float | None:
        """Share of zero words, 0 to 1; None without words."""
        return self.zero_words / self.words if self.words else None

    @property
    def znz_bits_per_word(self) -> float | None:
        """Bits of the ZNZ stream per word, over the chunks that are not stored."""
        return self.znz_bits / self.coded_words if self.coded_words else None

    @property
    def bpc_bits_per_nonzero_word(self) -> float | None:
        """Bits of the BPC stream per non-zero word, over the chunks that are not stored."""
        return self.bpc_bits / self.coded_nonzero_words if self.coded_nonzero_words else None

    @classmethod
    def of_chunks(
        cls, chunks: Sequence[ChunkInfo], word_bits: int, original_bits: int = 0
    ) -> Sizes:
        """Add up the chunks of a layer with words of `word_bits` bits."""
        stored = [chunk for chunk in chunks if chunk.codec == Stored.number]
        coded = [chunk for chunk in chunks if chunk.codec != Stored.number]
        words = sum(chunk.words for chunk in chunks)
        coded_words = sum(chunk.words for chunk in coded)
        return cls(
            words=words,
            zero_words=sum(chunk.zeros for chunk in chunks),
            word_bits=words * word_bits,
            original_bits=original_bits or words * word_bits,
            znz_bits=8 * sum(chunk.znz_bytes for chunk in coded),
            bpc_bits=8 * sum(chunk.bpc_bytes for chunk in coded),
            stored_bits=8 * sum(chunk.bpc_bytes for chunk in stored),
            chunks=len(chunks),
            stored_chunks=len(stored),
            coded_words=coded_words,
            coded_nonzero_words=coded_words - sum(chunk.zeros for chunk in coded),
        )


@dataclass(frozen=True, slots=True)
class LayerStats:
    """One layer: what it is, and its sizes.

    Attributes
    ----------
    name, shape, dtype
        As in the dump.
    words, codec : dict
        Word format and codec with their parameters; empty for a carried layer.
    quantized : dict
        How the layer was quantised; empty where it was not, and nothing is lost.
    axes : tuple of int
        The axes as they run in the words, slowest first.
    serpentine : bool
        Whether every other row of words runs backwards.
    carried : str
        Why the layer is carried unchanged; empty where it is coded.
    carried_bytes : int
        Bytes that a carried layer takes.
    sizes : Sizes
        All zero for a carried layer.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    words: dict[str, Any]
    codec: dict[str, Any]
    carried: str
    carried_bytes: int
    sizes: Sizes
    quantized: dict[str, Any] = field(default_factory=dict)
    axes: tuple[int, ...] = ()
    serpentine: bool = False

    @property
    def reordered(self) -> bool:
        """Whether the words run in another order than the axes of the shape."""
        return self.axes != tuple(range(len(self.shape)))


@dataclass(frozen=True, slots=True)
class Stats:
    """A dump or a compressed file: its layers, and totals.

    Attributes
    ----------
    file : str
        Name of what was measured.
    format : str
        Dump format.
    dump_bytes, compressed_bytes : int
        Size of the dump, and of the compressed file (that it is or would become).
    template_bytes : int
        Bytes of the compressed file that hold the rest of the dump.
    layers : list of LayerStats
        In file order; only those picked.
    warnings : list of str
        What a reader of the numbers should know.
    notes : list of str
        What was decided on the way.
    """

    file: str
    format: str
    dump_bytes: int
    compressed_bytes: int
    template_bytes: int
    layers: list[LayerStats] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def total(self) -> Sizes:
        """Sum over the layers."""
        return sum((layer.sizes for layer in self.layers), Sizes())

    @property
    def file_ratio(self) -> float | None:
        """Bytes of the dump ÷ bytes of the compressed file."""
        return self.dump_bytes / self.compressed_bytes if self.compressed_bytes else None

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``fmc stats --json`` prints (docs/JSON.md)."""
        return {
            "schema": "fmcompress.stats/1",
            "file": self.file,
            "format": self.format,
            "dump_bytes": self.dump_bytes,
            "compressed_bytes": self.compressed_bytes,
            "template_bytes": self.template_bytes,
            "file_ratio": self.file_ratio,
            "layers": [
                {
                    "name": layer.name,
                    "shape": list(layer.shape),
                    "dtype": layer.dtype,
                    "word_format": layer.words or None,
                    "codec": layer.codec or None,
                    "quantized": quantized_to_json(layer.quantized),
                    "axes": list(layer.axes),
                    "serpentine": layer.serpentine,
                    "carried": layer.carried or None,
                    "carried_bytes": layer.carried_bytes,
                    **_sizes_to_json(layer.sizes),
                }
                for layer in self.layers
            ],
            "total": _sizes_to_json(self.total),
            "warnings": self.warnings,
            "notes": self.notes,
        }


def _sizes_to_json(sizes: Sizes) -> dict[str, Any]:
    derived = (
        "ratio",
        "original_ratio",
        "sparsity",
        "znz_bits_per_word",
        "bpc_bits_per_nonzero_word",
    )
    return {**asdict(sizes), **{name: getattr(sizes, name) for name in derived}}


def quantized_to_json(quantized: dict[str, Any]) -> dict[str, Any] | None:
    """Return how a layer was quantised with every field, or None."""
    return {"axis": None, "headroom": None, **quantized} if quantized else None


def layer_stats(info: LayerInfo, chunks: Sequence[ChunkInfo], word_bits: int) -> LayerStats:
    """Put a layer's description and the sizes of its chunks together."""
    original_bits = 0 if info.carried else 8 * info.size * dump_item_bytes(info)
    return LayerStats(
        name=info.name,
        shape=info.shape,
        dtype=info.dtype,
        words=info.words,
        codec=info.codec,
        carried=info.carried.get("reason", ""),
        carried_bytes=info.carried.get("bytes", 0),
        sizes=Sizes.of_chunks(chunks, word_bits, original_bits),
        quantized=info.quantized,
        axes=() if info.carried else info.word_axes,
        serpentine=info.serpentine,
    )


def stats_of_contents(
    contents: Contents,
    file: str,
    picked: Sequence[bool],
    warnings: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Stats:
    """Measure a container's contents, of the layers `picked` only."""
    rows = zip(contents.layers, contents.chunks, picked, strict=True)
    return Stats(
        file=file,
        format=contents.dump["format"],
        dump_bytes=contents.dump["bytes"],
        compressed_bytes=contents.total_bytes,
        template_bytes=contents.template_bytes,
        layers=[
            layer_stats(info, chunks, 0 if info.carried else word_format(info).bits)
            for info, chunks, pick in rows
            if pick
        ],
        warnings=list(warnings),
        notes=list(notes),
    )
