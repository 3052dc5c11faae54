"""The feature maps that the paper's figures are made of, and their words, by both recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from authors_counting import HEADROOM
from numpy.typing import NDArray

from fmcompress.ordering import Stretch, WordOrder
from fmcompress.quantizing import TARGETS
from fmcompress.recipe import Recipe
from fmcompress.stream_words import word_dtype

FORMATS = ("fixed8", "fixed12", "fixed16", "float16")
GRADIENT = "gradient"


@dataclass(frozen=True, slots=True)
class Maps:
    """One layer's maps, or gradients.

    Attributes
    ----------
    name : str
    values : ndarray, shape (frames, ...)
        As they stand in the dump, channels before rows and columns.
    scale, zero_point : float, int
        Of integers.
    """

    name: str
    values: NDArray[Any]
    scale: float = 1.0
    zero_point: int = 0

    @property
    def floats(self) -> NDArray[np.float32]:
        """The values, dequantised where they are integers."""
        if self.values.dtype.kind == "f":
            return self.values.astype(np.float32)
        numbers = self.values.astype(np.float64) - self.zero_point
        return (numbers * self.scale).astype(np.float32)

    def channels_last(self) -> Maps:
        """Return the same maps in the order of NHWC."""
        return replace(self, values=np.ascontiguousarray(np.moveaxis(self.values, 1, -1)))


@dataclass(frozen=True, slots=True)
class Network:
    """What a dump holds of a network.

    Attributes
    ----------
    file : str
        The dump's name.
    about : dict
        Its attributes.
    layers : sequence of Maps
        Those behind a ReLU; of gradients all.
    is_gradients : bool
    """

    file: str
    about: dict[str, Any]
    layers: Sequence[Maps]
    is_gradients: bool

    @property
    def name(self) -> str:
        """What the dump calls the network; else its own name."""
        return str(self.about.get("network", Path(self.file).stem))

    @property
    def frames(self) -> int:
        """How many there are."""
        return len(self.layers[0].values)

    @property
    def is_float(self) -> bool:
        """Whether the maps are floats."""
        return self.layers[0].values.dtype.kind == "f"


def read(path: Path) -> Network:
    """Read a dump, as HDF5.

    Raises
    ------
    ValueError
        If no layer has an attribute `op` that names a ReLU, or layers do not belong together.
    OSError
        If it is no HDF5 file.
    """
    layers: list[Maps] = []
    kinds: set[bool] = set()
    with h5py.File(path) as dump:
        about = {str(key): value for key, value in dump.attrs.items()}
        for name, found in dump.items():
            if not isinstance(found, h5py.Dataset) or "relu" not in str(found.attrs.get("op", "")):
                continue
            scale = float(found.attrs.get("scale", 1.0))
            zero_point = int(found.attrs.get("zero_point", 0))
            layers.append(Maps(str(name), found[...], scale, zero_point))
            kinds.add(found.attrs.get("kind") == GRADIENT)
    if len({len(layer.values) for layer in layers}) > 1:
        raise ValueError(f"{path.name}: layers differ in their number of frames")
    if not layers:
        raise ValueError(f"{path.name}: no layer's attribute 'op' names a ReLU")
    if len(kinds) > 1:
        raise ValueError(f"{path.name}: maps and gradients are to be in dumps of their own")
    return Network(path.name, about, layers, kinds.pop())


@dataclass(frozen=True, slots=True)
class Words:
    """Words of a layer, as the product codes them.

    Attributes
    ----------
    patterns : ndarray of `word_dtype`, shape (frames, count)
    word_bits : int
        w.
    difference : str
        That which the product forms of such words.
    """

    patterns: NDArray[Any]
    word_bits: int
    difference: str = "signed"

    @property
    def signed(self) -> NDArray[np.int64]:
        """The same, as signed numbers."""
        half = 1 << self.word_bits - 1
        return (self.patterns.astype(np.int64) + half) % (2 * half) - half


def quantised(
    values: NDArray[np.float32], target: str, headroom: float = HEADROOM, by_frame: bool = False
) -> Words:
    """Quantise a layer as ``fmc compress --quantize`` does.

    Parameters
    ----------
    values : ndarray of float32, shape (frames, ...)
    target : str
        One of `FORMATS`.
    headroom : float
        Share of the full scale that the largest magnitude becomes.
    by_frame : bool
        Whether that is each frame's own.
    """
    order = WordOrder(values.shape, tuple(range(values.ndim)))
    elements = values.ravel()
    recipe = Recipe(target, headroom, axis=0 if by_frame else None)
    how = recipe.quantization("float32", elements.dtype, order, lambda: [elements])
    held = how.quantize(elements, Stretch(order, 0))
    bits = TARGETS[target].bits
    patterns = held.view(word_dtype(bits)) & np.array((1 << bits) - 1, word_dtype(bits))
    difference = "unsigned" if TARGETS[target].is_float else "signed"
    return Words(patterns.reshape(len(values), -1), bits, difference)


def native(layer: Maps) -> Words:
    """Return 8-bit integers less their zero point, as ``fmc compress`` codes them."""
    patterns = (layer.values.astype(np.int64) - layer.zero_point) % 256
    difference = "signed" if layer.values.dtype.kind == "i" else "unsigned"
    return Words(patterns.astype(np.uint8).reshape(len(layer.values), -1), 8, difference)
