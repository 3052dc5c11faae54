"""Sizes per layer and in total: one arithmetic for dumps and for compressed files.

The compression ratio is defined here, once: bits of the words ÷ bits of both streams, where a
stored chunk counts at its stored size. Streams count as the hardware sends them, padded to whole
stream words. The file ratio (bytes of the dump ÷ bytes of the compressed file) is another number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any, TypeAlias

from fmcompress.chunks import dump_item_bytes, word_format
from fmcompress.codecs import CODEC_NAMES, codec_from_description
from fmcompress.codecs.auto import Auto
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.codecs.stored import Stored
from fmcompress.contents import ChunkInfo, Contents, LayerInfo

# Bits of layers by name, by each codec among which ``auto`` chooses.
Tried: TypeAlias = dict[str, Counter[str]]


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
        Of both streams of the chunks that EBPC codes, padded as the hardware pads them.
    other_bits : int
        Of the streams of chunks that other codecs code.
    stored_bits : int
        Of the chunks that are stored because coding would make them larger.
    table_bits : int
        Of what a codec has to know of a whole layer, as Huffman's code lengths.
    chunks, stored_chunks : int
        Chunks in all, and those stored.
    coded_words, coded_nonzero_words : int
        Words, and non-zero words, of the chunks that EBPC codes.
    """

    words: int = 0
    zero_words: int = 0
    word_bits: int = 0
    original_bits: int = 0
    znz_bits: int = 0
    bpc_bits: int = 0
    other_bits: int = 0
    stored_bits: int = 0
    table_bits: int = 0
    chunks: int = 0
    stored_chunks: int = 0
    coded_words: int = 0
    coded_nonzero_words: int = 0

    def __add__(self, other: Sizes) -> Sizes:
        return Sizes(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Sizes)))

    @property
    def compressed_bits(self) -> int:
        """Bits of all streams, of stored chunks and of tables."""
        streams = self.znz_bits + self.bpc_bits + self.other_bits
        return streams + self.stored_bits + self.table_bits

    @property
    def bits_per_word(self) -> float | None:
        """Bits of all streams per word; None without words."""
        return self.compressed_bits / self.words if self.words else None

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
        """Bits of the ZNZ stream per word, over the chunks that EBPC codes."""
        return self.znz_bits / self.coded_words if self.coded_words else None

    @property
    def bpc_bits_per_nonzero_word(self) -> float | None:
        """Bits of the BPC stream per non-zero word, over the chunks that EBPC codes."""
        return self.bpc_bits / self.coded_nonzero_words if self.coded_nonzero_words else None

    @classmethod
    def of_chunks(
        cls,
        chunks: Sequence[ChunkInfo],
        word_bits: int,
        original_bits: int = 0,
        table_bits: int = 0,
    ) -> Sizes:
        """Add up the chunks of a layer with words of `word_bits` bits."""
        stored = [chunk for chunk in chunks if chunk.codec == Stored.number]
        coded = [chunk for chunk in chunks if chunk.codec == Ebpc.number]
        words = sum(chunk.words for chunk in chunks)
        stream_bytes = sum(chunk.first_bytes + chunk.second_bytes for chunk in chunks)
        coded_words = sum(chunk.words for chunk in coded)
        znz_bytes = sum(chunk.first_bytes for chunk in coded)
        bpc_bytes = sum(chunk.second_bytes for chunk in coded)
        stored_bytes = sum(chunk.second_bytes for chunk in stored)
        return cls(
            words=words,
            zero_words=sum(chunk.zeros for chunk in chunks),
            word_bits=words * word_bits,
            original_bits=original_bits or words * word_bits,
            znz_bits=8 * znz_bytes,
            bpc_bits=8 * bpc_bytes,
            other_bits=8 * (stream_bytes - znz_bytes - bpc_bytes - stored_bytes),
            stored_bits=8 * stored_bytes,
            table_bits=table_bits,
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
    chunks_by_codec : dict
        How many chunks each codec codes, by its name.
    tried : dict
        Bits by each codec among which ``auto`` chooses, and by ``auto``; empty where not asked for.
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
    chunks_by_codec: dict[str, int] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)

    @property
    def recommended(self) -> str | None:
        """The codec that makes it smallest, of those among which ``auto`` chooses; None if untried."""
        single = {name: bits for name, bits in self.tried.items() if name != Auto.name}
        return min(single, key=lambda name: single[name]) if single else None

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
    def auto_ratio(self) -> float | None:
        """Ratio with ``auto``; None where that was not asked for."""
        coded = [layer for layer in self.layers if layer.sizes.words]
        bits = sum(layer.tried.get(Auto.name, 0) for layer in coded)
        tried = all(Auto.name in layer.tried for layer in coded)
        return self.total.word_bits / bits if bits and tried else None

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
            "auto_ratio": self.auto_ratio,
            "layers": [
                {
                    "name": layer.name,
                    "shape": list(layer.shape),
                    "dtype": layer.dtype,
                    "word_format": layer.words or None,
                    "codec": layer.codec or None,
                    "chunks_by_codec": layer.chunks_by_codec,
                    "recommended": layer.recommended,
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
        "bits_per_word",
        "sparsity",
        "znz_bits_per_word",
        "bpc_bits_per_nonzero_word",
    )
    return {**asdict(sizes), **{name: getattr(sizes, name) for name in derived}}


def quantized_to_json(quantized: dict[str, Any]) -> dict[str, Any] | None:
    """Return how a layer was quantised with every field, or None."""
    return {"axis": None, "headroom": None, **quantized} if quantized else None


def layer_stats(
    info: LayerInfo, chunks: Sequence[ChunkInfo], word_bits: int, tried: Mapping[str, int]
) -> LayerStats:
    """Put a layer's description and the sizes of its chunks together."""
    original_bits = 0 if info.carried else 8 * info.size * dump_item_bytes(info)
    table_bits = 0 if info.carried else codec_from_description(info.codec).table_bits
    counts = Counter(CODEC_NAMES.get(chunk.codec, str(chunk.codec)) for chunk in chunks)
    return LayerStats(
        name=info.name,
        shape=info.shape,
        dtype=info.dtype,
        words=info.words,
        codec=info.codec,
        carried=info.carried.get("reason", ""),
        carried_bytes=info.carried.get("bytes", 0),
        sizes=Sizes.of_chunks(chunks, word_bits, original_bits, table_bits),
        quantized=info.quantized,
        axes=() if info.carried else info.word_axes,
        serpentine=info.serpentine,
        chunks_by_codec=dict(counts),
        tried=dict(tried),
    )


def stats_of_contents(
    contents: Contents,
    file: str,
    picked: Sequence[bool],
    warnings: Sequence[str] = (),
    notes: Sequence[str] = (),
    tried: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
) -> Stats:
    """Measure a container's contents, of the layers `picked` only; and what was tried besides."""
    rows = zip(contents.layers, contents.chunks, picked, strict=True)
    return Stats(
        file=file,
        format=contents.dump["format"],
        dump_bytes=contents.dump["bytes"],
        compressed_bytes=contents.total_bytes,
        template_bytes=contents.template_bytes,
        layers=[
            layer_stats(
                info,
                chunks,
                0 if info.carried else word_format(info).bits,
                tried.get(info.name, {}),
            )
            for info, chunks, pick in rows
            if pick
        ],
        warnings=list(warnings),
        notes=list(notes),
    )
