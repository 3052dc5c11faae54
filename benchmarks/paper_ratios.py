"""Ratios of networks, frame by frame, by the product's codecs and by the authors' counting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import rivals
from authors_counting import AUTHORS, Counts, Rules, counts
from numpy.typing import NDArray
from paper_maps import Words

from fmcompress.codecs import CODECS, codec_named

# As the product names them, as `Counts` does, and as the paper does, in its order.
METHODS = {
    "zrle": ("zero_rle", "zero-RLE"),
    "zvc": ("zvc", "ZVC"),
    "bpc": ("bpc", "BPC"),
    "ebpc": ("ebpc", "EBPC"),
}
# A general compressor, to compare with.
GENERAL = "zstd-3"
# Of a method or a way of counting: the ratio of each frame.
Ratios = Mapping[str, NDArray[np.float64]]


def general_codec() -> Any:
    """Return `GENERAL`, as benchmarks/compare.py has it; None where it is not installed."""
    found, _ = rivals.codecs()
    return next((codec for codec in found if codec.name == GENERAL), None)


def product_ratios(
    layers: Iterable[Words], methods: Sequence[str] = tuple(METHODS), general: Any = None
) -> Ratios:
    """Measure streams: each layer's frame is a transmission of its own.

    Parameters
    ----------
    layers : iterable of Words
        Of one network.
    methods : sequence of str
        Codecs as users name them; those that this version lacks are left out.
    general : benchmarks' Codec, optional
        A general compressor, which is given the same words in memory, a layer's frame a piece.
    """
    known = [method for method in methods if method.partition(":")[0] in CODECS]
    bits: dict[str, Any] = dict.fromkeys(known, 0)
    if general is not None:
        bits[general.name] = 0
    size: Any = 0
    for layer in layers:
        words = layer.patterns
        size = size + np.full(len(words), words.shape[1] * layer.word_bits)
        for method in known:
            codec = codec_named(method, difference=layer.difference)
            measured = codec.measure_chunks(words.ravel(), layer.word_bits, words.shape[1])
            bits[method] = bits[method] + 8 * np.array(measured).sum(axis=1)
        if general is not None:
            packed = [general.packed_bytes(general.compress(frame)) for frame in words]
            bits[general.name] = bits[general.name] + 8 * np.array(packed)
    return {method: size / found for method, found in bits.items()}


def authors_counts(
    layers: Iterable[NDArray[Any]], word_bits: int, rules: Rules = AUTHORS, **options: bool
) -> NDArray[np.int64]:
    """Count the bits of a network's frames.

    Parameters
    ----------
    layers : iterable of ndarray, shape (frames, count)
        As `counts` takes words.
    word_bits : int
        w.
    rules : Rules
    **options
        As of `counts`.

    Returns
    -------
    ndarray of int64, shape (frames, 5)
        Of the words themselves, and by each of the methods of `Counts`.
    """
    total: Any = 0
    for layer in layers:
        total = total + np.array(
            [
                (frame.size * word_bits, *counts(frame, word_bits, rules, **options))
                for frame in layer
            ]
        )
    return np.asarray(total, np.int64)


def authors_ratios(counted: NDArray[np.int64]) -> Ratios:
    """Return what `authors_counts` gives, as ratios, by the product's names of the methods.

    They are infinite where nothing is counted: by the authors' rules, zeros alone are free.
    """
    places = {field: number for number, field in enumerate(Counts._fields, 1)}
    with np.errstate(divide="ignore"):
        return {
            method: counted[:, 0] / counted[:, places[METHODS[method][0]]] for method in METHODS
        }
