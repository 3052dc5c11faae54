"""Read the words of a dump's layers, floats quantised on the way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from inputs import Layer
from numpy.typing import NDArray

from fmcompress import dumps
from fmcompress.chunks import LayerDecoder
from fmcompress.coding import Coding
from fmcompress.layer_words import LayerWords, open_words
from fmcompress.quantizing import FLOAT_TYPES
from fmcompress.stream_words import word_dtype
from fmcompress.words import FloatWords, format_for, type_of

ROOT = Path(__file__).parents[1]
QUANTIZE = ("fixed8", "fixed16", "none")


def default_dumps() -> list[Path]:
    """Return the dumps of real networks beside the checkout; without these, the samples."""
    real = sorted((ROOT.parent / "shared" / "dumps").glob("*.h5"))
    return real or sorted((ROOT / "samples").glob("*.[hn]*"))


def has_floats(path: Path) -> bool:
    """Tell whether a dump has layers that can be quantised."""
    with dumps.open_dump(path) as dump:
        return any(
            type_of(tensor.dtype, tensor.element_type) in FLOAT_TYPES
            for tensor in dump.tensors
            if not tensor.carried
        )


def load(path: Path, quantize: str = "fixed8") -> list[Layer]:
    """Read every layer that `fmcompress.compress` would code.

    Parameters
    ----------
    path : Path
        A dump.
    quantize : {"fixed8", "fixed16", "none"}
        What floats become; other layers stay as they are.

    Raises
    ------
    FmcError, OSError
        As `fmcompress.compress`.
    """
    coding = Coding(quantize=quantize) if quantize != "none" and has_floats(path) else Coding()
    with open_words(path, None, None, coding) as words:
        return [_layer(layer) for layer in words.layers()]


def _layer(layer: LayerWords) -> Layer:
    chunks = [*layer.chunks()]
    words = np.concatenate(chunks) if chunks else np.empty(0, word_dtype(layer.word_bits))
    return Layer(
        name=layer.info.name,
        words=words,
        word_bits=layer.word_bits,
        difference=layer.difference,
        is_relu=_is_relu(layer, chunks),
    )


def _is_relu(layer: LayerWords, chunks: Sequence[NDArray[Any]]) -> bool:
    decoder = LayerDecoder(layer.info)
    if format_for(str(layer.info.words["format"])) is FloatWords:
        return bool(layer.info.words["mapping"] == "bits")  # chosen where no sign bit is set
    if decoder.words.words_per_element > 1:
        return False

    def values(number: int, words: NDArray[np.uint32]) -> NDArray[Any]:
        return decoder.elements(number, words)

    return all(
        bool((values(number, words) >= values(number, np.zeros_like(words))).all())
        for number, words in enumerate(chunks)
    )
