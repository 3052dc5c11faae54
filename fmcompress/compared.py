"""What `compare` finds: sizes by layer and method, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from fmcompress.best_codecs import AUTO, best_codecs, is_choice

# Kinds of methods: what decodes; what only counts; and what no accelerator has.
CODEC, MODEL, COMPRESSOR = "codec", "size model", "compressor"
EBPC, STORED = "ebpc", "stored"


class Method(NamedTuple):
    """What words are measured with.

    Attributes
    ----------
    name : str
        As in tables, and as users give it.
    kind : {"codec", "size model", "compressor"}
    title : str
        Its name in full.
    """

    name: str
    kind: str
    title: str

    @property
    def is_existing(self) -> bool:
        """Whether EBPC is compared with it: a codec, and neither EBPC nor a choice with it."""
        base = self.name.partition(":")[0]
        return self.kind == CODEC and base not in (EBPC, AUTO, STORED)


def ebpc_among(methods: Sequence[Method]) -> str | None:
    """Return EBPC's name, with parameters or not; None where it is not there once."""
    found = [method.name for method in methods if method.name.partition(":")[0] == EBPC]
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class MethodSizes:
    """What a method makes of some words.

    Attributes
    ----------
    bits : int
        Of its streams; of a chunk that it would make larger, the bits of its words, unless such
        chunks were to count at their size.
    own_bits : int
        Of its streams, all chunks coded.
    larger_chunks : int
        Chunks that it makes larger.
    """

    bits: int = 0
    own_bits: int = 0
    larger_chunks: int = 0

    def __add__(self, other: MethodSizes) -> MethodSizes:
        return MethodSizes(
            self.bits + other.bits,
            self.own_bits + other.own_bits,
            self.larger_chunks + other.larger_chunks,
        )


@dataclass(frozen=True, slots=True)
class Sums:
    """Words, and what each method makes of them: of a layer, or of all together.

    Attributes
    ----------
    words, zero_words, chunks : int
    word_bits : int
        Of all words together.
    methods : dict
        `MethodSizes` by the method's name; None where it has no such words.
    entropy_bits, conditional_entropy_bits : float or None
        Order-0 entropy, and that given the left neighbour, of all words together; None where
        words are too wide.
    """

    words: int
    zero_words: int
    chunks: int
    word_bits: int
    methods: dict[str, MethodSizes | None]
    entropy_bits: float | None
    conditional_entropy_bits: float | None

    @property
    def sparsity(self) -> float:
        """Share of zero words, 0 to 1."""
        return self.zero_words / max(self.words, 1)

    def ratio(self, method: str) -> float | None:
        """Bits of the words ÷ bits of the method's streams."""
        sizes = self.methods[method]
        return self.word_bits / sizes.bits if sizes is not None and sizes.bits else None

    def bits_per_word(self, method: str) -> float | None:
        """Bits of the method's streams per word."""
        sizes = self.methods[method]
        return None if sizes is None else sizes.bits / max(self.words, 1)

    def over_entropy(self, method: str) -> float | None:
        """By what share the method's streams are longer than the order-0 entropy."""
        sizes = self.methods[method]
        if sizes is None or not self.entropy_bits:
            return None
        return sizes.bits / self.entropy_bits - 1

    def best(self, methods: Sequence[Method]) -> str | None:
        """Return the name of the codec with the fewest bits; a choice among codecs is none."""
        sizes = self._codec_bits(methods)
        return min(sizes, key=lambda name: sizes[name]) if sizes else None

    def outstanding(self, methods: Sequence[Method]) -> list[str]:
        """Return the names of the codecs that `best_codecs` finds."""
        return best_codecs(self._codec_bits(methods))

    def _codec_bits(self, methods: Sequence[Method]) -> dict[str, int]:
        return {
            method.name: sizes.bits
            for method in methods
            if method.kind == CODEC and not is_choice(method.name)
            if (sizes := self.methods[method.name]) is not None
        }

    def best_existing(self, methods: Sequence[Method]) -> str | None:
        """Return the name of the best codec beside EBPC."""
        return self.best([method for method in methods if method.is_existing])

    def ebpc_gain(self, methods: Sequence[Method]) -> float | None:
        """By what share the ratio of EBPC exceeds that of the best existing method.

        None without one of them, and where there are several of EBPC.
        """
        existing, name = self.best_existing(methods), ebpc_among(methods)
        ebpc = None if name is None else self.methods[name]
        if existing is None or ebpc is None or not ebpc.bits:
            return None
        sizes = self.methods[existing]
        assert sizes is not None
        return sizes.bits / ebpc.bits - 1 if sizes.bits else None

    def to_json(self, methods: Sequence[Method]) -> dict[str, Any]:
        """Return the numbers, with what follows from them."""
        return {
            "words": self.words,
            "zero_words": self.zero_words,
            "sparsity": self.sparsity,
            "chunks": self.chunks,
            "word_bits": self.word_bits,
            "methods": [
                {
                    "name": method.name,
                    **asdict(sizes),
                    "ratio": self.ratio(method.name),
                    "bits_per_word": self.bits_per_word(method.name),
                    "over_entropy": self.over_entropy(method.name),
                }
                for method in methods
                if (sizes := self.methods[method.name]) is not None
            ],
            "entropy_bits": self.entropy_bits,
            "conditional_entropy_bits": self.conditional_entropy_bits,
            "best": self.best(methods),
            "best_existing": self.best_existing(methods),
            "ebpc_gain": self.ebpc_gain(methods),
        }


@dataclass(frozen=True, slots=True)
class LayerComparison:
    """One layer.

    Attributes
    ----------
    name, shape, dtype
        As in the dump.
    words : dict
        Word format with its parameters.
    quantized : dict
        How the layer was quantised; empty where it was not.
    sums : Sums
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    words: dict[str, Any]
    quantized: dict[str, Any]
    sums: Sums


@dataclass(slots=True)
class Comparison:
    """All layers, by all methods.

    Attributes
    ----------
    file : str
        Name of what was measured.
    methods : list of Method
    chunk_words : int
        Words of a chunk; each is a transmission.
    never_store : bool
        Whether chunks that a method makes larger count at that size.
    layers : list of LayerComparison
        In file order.
    left_out : dict
        Why picked layers have no words, by name.
    advice : list of str
        What the data calls for.
    warnings, notes : list of str
        What a reader of the numbers should know; what was decided on the way.
    """

    file: str
    methods: list[Method]
    chunk_words: int
    never_store: bool = False
    layers: list[LayerComparison] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def total(self) -> Sums:
        """All layers together; a method that lacks one has no total."""
        sums = [layer.sums for layer in self.layers]
        return Sums(
            words=sum(one.words for one in sums),
            zero_words=sum(one.zero_words for one in sums),
            chunks=sum(one.chunks for one in sums),
            word_bits=sum(one.word_bits for one in sums),
            methods={
                method.name: _total(one.methods[method.name] for one in sums)
                for method in self.methods
            },
            entropy_bits=_sum([one.entropy_bits for one in sums]),
            conditional_entropy_bits=_sum([one.conditional_entropy_bits for one in sums]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``fmc compare --json`` prints (docs/JSON.md)."""
        return {
            "schema": "fmcompress.comparison/1",
            "file": self.file,
            "chunk_words": self.chunk_words,
            "never_store": self.never_store,
            "methods": [method._asdict() for method in self.methods],
            "layers": [
                {
                    "name": layer.name,
                    "shape": list(layer.shape),
                    "dtype": layer.dtype,
                    "word_format": layer.words,
                    "lossy": bool(layer.quantized),
                    **layer.sums.to_json(self.methods),
                }
                for layer in self.layers
            ],
            "total": self.total.to_json(self.methods),
            "left_out": self.left_out,
            "advice": self.advice,
            "warnings": self.warnings,
            "notes": self.notes,
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield what ``fmc compare --csv`` prints: a row for each layer and method."""
        for layer in self.layers:
            sums = layer.sums
            for method in self.methods:
                sizes = sums.methods[method.name]
                if sizes is None:
                    continue
                yield {
                    "file": self.file,
                    "layer": layer.name,
                    "method": method.name,
                    "kind": method.kind,
                    "words": sums.words,
                    "zero_words": sums.zero_words,
                    "raw_bits": sums.word_bits,
                    "bits": sizes.bits,
                    "own_bits": sizes.own_bits,
                    "larger_chunks": sizes.larger_chunks,
                    "ratio": sums.ratio(method.name),
                    "bits_per_word": sums.bits_per_word(method.name),
                    "entropy_bits": sums.entropy_bits,
                    "conditional_entropy_bits": sums.conditional_entropy_bits,
                }


def _total(sizes: Iterator[MethodSizes | None]) -> MethodSizes | None:
    total = MethodSizes()
    for one in sizes:
        if one is None:
            return None
        total += one
    return total


def _sum(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return sum(numbers) if len(numbers) == len(values) else None
