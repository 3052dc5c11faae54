"""What codecs are given: words in memory, layer by layer, repeated until caches do not flatter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmcompress.contents import DEFAULT_CHUNK_WORDS

MB = 1_000_000
# Several times the last level of most caches.
LEAST_BYTES = 32 * MB


@dataclass(frozen=True, slots=True)
class Layer:
    """Words of one layer.

    Attributes
    ----------
    name : str
    words : ndarray of uint8, uint16 or uint32, shape (count,)
        The narrowest of these that holds the words.
    word_bits : int
        w.
    difference : str
        How `fmcompress.compress` forms the layer's differences.
    is_relu : bool
        Whether no element is below the one whose word is 0.
    """

    name: str
    words: NDArray[Any]
    word_bits: int
    difference: str = "signed"
    is_relu: bool = True


@dataclass(frozen=True, slots=True)
class Input:
    """The same words for every codec.

    Attributes
    ----------
    name : str
        Of the dump.
    layers : sequence of Layer
        Their words lie one behind the other in `buffers`.
    buffers : sequence of ndarray
        All words of a dtype, one array for each dtype.
    about : str
        What was chosen of the dump.
    copies : int
        How many times the dump's words stand in each buffer.
    """

    name: str
    layers: Sequence[Layer]
    buffers: Sequence[NDArray[Any]]
    about: str = ""
    copies: int = 1

    @property
    def nbytes(self) -> int:
        """Bytes of all words in memory."""
        return sum(buffer.nbytes for buffer in self.buffers)

    @property
    def word_bits(self) -> int:
        """The widest w."""
        return max(layer.word_bits for layer in self.layers)


def choose(layers: Sequence[Layer], which: str) -> tuple[list[Layer], str]:
    """Choose layers.

    Parameters
    ----------
    layers : sequence of Layer
    which : {"relu", "all"}
        ``relu`` takes those with `Layer.is_relu`, and all of them where there is none.

    Returns
    -------
    chosen : list of Layer
    about : str
        How many they are, in words.
    """
    chosen = [layer for layer in layers if layer.is_relu and layer.words.size]
    kind = "layers without negative values"
    if which == "all" or not chosen:
        chosen = [layer for layer in layers if layer.words.size]
        kind = "layers"
    size = sum(layer.words.nbytes for layer in chosen)
    zeros = sum(layer.words.size - np.count_nonzero(layer.words) for layer in chosen)
    share = zeros / max(sum(layer.words.size for layer in chosen), 1)
    return chosen, (
        f"{len(chosen)} of {len(layers)} {kind}, {size:,} bytes of words, {share:.1%} zeros"
    )


def repeated(
    name: str, layers: Sequence[Layer], about: str, least_bytes: int = LEAST_BYTES
) -> Input:
    """Repeat a dump's layers, as distinct copies in memory, to at least `least_bytes`."""
    size = sum(layer.words.nbytes for layer in layers)
    copies = -(-least_bytes // size)
    if copies > 1:
        about += f", {copies} times: {copies * size:,} bytes"
    whole = [layer for _ in range(copies) for layer in layers]
    return _laid_out(name, whole, about, copies)


def of_size(name: str, layers: Sequence[Layer], nbytes: int) -> Input:
    """Take a share of every chunk of a dump, or repeat it, to about `nbytes`.

    So inputs of different sizes are alike. Layers of the same kind of words become one.
    """
    chunks = [
        replace(layer, words=layer.words[at : at + DEFAULT_CHUNK_WORDS])
        for layer in layers
        for at in range(0, layer.words.size, DEFAULT_CHUNK_WORDS)
    ]
    total = sum(chunk.words.nbytes for chunk in chunks)
    copies, rest = divmod(nbytes, total)
    parts = chunks * copies
    parts += [replace(c, words=c.words[: round(c.words.size * rest / total)]) for c in chunks]
    kinds: dict[tuple[int, str], list[NDArray[Any]]] = {}
    for part in parts:
        kinds.setdefault((part.word_bits, part.difference), []).append(part.words)
    joined = [
        Layer(name, np.concatenate(words), bits, difference)
        for (bits, difference), words in kinds.items()
    ]
    return _laid_out(name, joined, f"{nbytes:,} bytes")


def cut_bytes(given: Input, piece_bytes: int) -> list[NDArray[Any]]:
    """Return all words of the input in pieces of up to `piece_bytes` bytes.

    No piece holds parts of two copies: a codec would find the one in the other.
    """
    return [
        copy[at : at + piece_bytes // copy.itemsize]
        for buffer in given.buffers
        for copy in np.split(buffer, given.copies)
        for at in range(0, copy.size, piece_bytes // copy.itemsize)
    ]


def _laid_out(name: str, layers: Iterable[Layer], about: str, copies: int = 1) -> Input:
    """Copy layers into one array for each dtype."""
    by_dtype: dict[str, list[Layer]] = {}
    for layer in layers:
        by_dtype.setdefault(layer.words.dtype.str, []).append(layer)
    buffers, placed = [], []
    for group in by_dtype.values():
        buffer = np.concatenate([layer.words for layer in group])
        ends = np.cumsum([layer.words.size for layer in group])
        parts = np.split(buffer, ends[:-1])
        placed += [replace(layer, words=part) for layer, part in zip(group, parts, strict=True)]
        buffers.append(buffer)
    return Input(name, placed, buffers, about, copies)
