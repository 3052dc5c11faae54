"""What a container says of its dump and layers: descriptions in JSON, and sizes of chunks.

It imports neither numpy nor numba, so that a file's contents are listed at once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fmcompress.errors import DamagedError, UnsupportedError
from fmcompress.stream_words import MOST_TRANSMISSION_WORDS

MAX_CHUNK_WORDS = MOST_TRANSMISSION_WORDS
DEFAULT_CHUNK_WORDS = 1 << 16
MAX_AXES = 64

_LAYER_KEYS = {
    "name",
    "shape",
    "dtype",
    "order",
    "axes",
    "serpentine",
    "quantized",
    "words",
    "codec",
    "chunk_words",
    "place",
    "carried",
}


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """One layer's description, as it stands in a LAYERS record.

    Attributes
    ----------
    name : str
        Unique in the file.
    shape : tuple of int
        Of the tensor.
    dtype : str
        NumPy's ``dtype.str`` of a coded layer, with byte order; free text of a carried one.
    order : {"C", "F"} or tuple of int
        Which index runs fastest in the dump: the last (C) or the first (F); or the axes as they
        run there, slowest first.
    words, codec : dict
        Descriptions of the word format and of the codec; empty for a carried layer.
    chunk_words : int
        Words of every chunk but the last.
    place : dict
        Where in the dump the elements belong; the dump format's own affair.
    carried : dict
        Empty for a coded layer; else ``reason`` and ``bytes``: why the tensor stays in the
        dump's template as it is, and how many bytes it takes there.
    axes : tuple of int
        The tensor's axes as they run in the words, slowest first; empty where as in the dump.
    serpentine : bool
        Whether rows of words with an odd index in their plane run backwards.
    quantized : dict
        How the layer was quantised; empty where it was not, and nothing is lost.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    order: str | tuple[int, ...] = "C"
    words: dict[str, Any] = field(default_factory=dict)
    codec: dict[str, Any] = field(default_factory=dict)
    chunk_words: int = DEFAULT_CHUNK_WORDS
    place: dict[str, Any] = field(default_factory=dict)
    carried: dict[str, Any] = field(default_factory=dict)
    axes: tuple[int, ...] = ()
    serpentine: bool = False
    quantized: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Elements of the tensor."""
        return math.prod(self.shape)

    @property
    def words_per_element(self) -> int:
        """Words that an element of the dump holds: 2 where they are packed."""
        return 2 if self.words.get("packed") else 1

    @property
    def word_count(self) -> int:
        """Words of the layer."""
        return self.size * self.words_per_element

    @property
    def chunk_elements(self) -> int:
        """Elements of every chunk but the last."""
        return self.chunk_words // self.words_per_element

    @property
    def word_axes(self) -> tuple[int, ...]:
        """The axes as they run in the words, slowest first."""
        if self.axes:
            return self.axes
        if not isinstance(self.order, str):
            return self.order
        axes = tuple(range(len(self.shape)))
        return axes if self.order == "C" else axes[::-1]

    @property
    def chunks(self) -> int:
        """Number of chunks that the layer has."""
        return 0 if self.carried else -(-self.word_count // self.chunk_words)

    def words_in_chunk(self, index: int) -> int:
        """Words of chunk `index`: all chunks are full, but for the last."""
        return min(self.chunk_words, self.word_count - index * self.chunk_words)

    def to_json(self) -> dict[str, Any]:
        """Return the description without the keys that have their default value."""
        plain = LayerInfo("", (), "")
        keys = (key for key in self.__slots__ if key in ("name", "shape", "dtype"))
        others = (
            key
            for key in self.__slots__
            if key not in ("name", "shape", "dtype") and getattr(self, key) != getattr(plain, key)
        )
        return {key: getattr(self, key) for key in (*keys, *others)}

    @classmethod
    def from_json(cls, value: Any) -> LayerInfo:
        """Check a description and build it.

        Raises
        ------
        DamagedError
            If a value has the wrong type or is outside its range.
        UnsupportedError
            If there are keys that this version does not know.
        """
        if not isinstance(value, dict):
            raise DamagedError("a layer description is not an object")
        _refuse_unknown(value, _LAYER_KEYS, "a layer description")
        shape = value.get("shape")
        checks = (
            isinstance(value.get("name"), str),
            isinstance(value.get("dtype"), str),
            isinstance(shape, list) and len(shape) <= MAX_AXES,
            value.get("order", "C") in ("C", "F") or isinstance(value["order"], list),
            isinstance(value.get("axes", []), list),
            isinstance(value.get("serpentine", False), bool),
            all(
                isinstance(value.get(key, {}), dict)
                for key in ("quantized", "words", "codec", "place", "carried")
            ),
            _is_count(value.get("chunk_words", 1), 1, MAX_CHUNK_WORDS),
        )
        if not all(checks) or not all(_is_count(n, 0, 2**63 - 1) for n in shape or ()):
            raise DamagedError(f"the description of layer {value.get('name')!r} is not valid")
        axes, order = value.get("axes", []), value.get("order", "C")
        tuples = {"shape": tuple(shape or ()), "axes": tuple(axes)}
        info = cls(
            **{**value, **tuples, "order": order if isinstance(order, str) else tuple(order)}
        )
        _refuse_unknown(info.carried, {"reason", "bytes"}, "a layer description")
        carried = (info.carried.get("reason", ""), info.carried.get("bytes", 0))
        consistent = (
            info.size * info.words_per_element < 2**63,
            info.chunk_words % info.words_per_element == 0,
            not axes or _is_permutation(axes, len(info.shape)),
            isinstance(order, str) or _is_permutation(order, len(info.shape)),
            bool(info.carried) != bool(info.codec),
            isinstance(carried[0], str) and _is_count(carried[1], 0, 2**63 - 1),
        )
        if not all(consistent):
            raise DamagedError(f"the description of layer {info.name!r} is not valid")
        return info


def _refuse_unknown(value: dict[str, Any], known: set[str], what: str) -> None:
    """Refuse what a newer version may have written."""
    if unknown := set(value) - known:
        raise UnsupportedError(
            f"{what} has unknown keys {sorted(unknown)}",
            hint="written by a newer version: upgrade fmcompress",
        )


def _is_permutation(axes: list[Any], rank: int) -> bool:
    return all(type(axis) is int for axis in axes) and sorted(axes) == list(range(rank))


def _is_count(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


@dataclass(frozen=True, slots=True)
class ChunkInfo:
    """Sizes of one chunk: all that statistics need, known without decoding.

    The first stream is EBPC's ZNZ stream; the second its BPC stream, or the one there is.
    """

    codec: int
    words: int
    zeros: int
    first_bytes: int
    second_bytes: int


@dataclass(slots=True)
class Contents:
    """What a container holds: of the dump, and of every layer with its chunks."""

    dump: dict[str, Any] = field(default_factory=dict)
    layers: list[LayerInfo] = field(default_factory=list)
    chunks: list[list[ChunkInfo]] = field(default_factory=list)
    template_bytes: int = 0
    total_bytes: int = 0
    _names: set[str] = field(default_factory=set)

    def add_layers(self, layers: Sequence[LayerInfo]) -> None:
        """Append layers; refuse a name that is there already."""
        for layer in layers:
            if layer.name in self._names:
                raise DamagedError(f"two layers are named {layer.name!r}")
            self._names.add(layer.name)
            self.layers.append(layer)
            self.chunks.append([])


def to_json(value: Any) -> bytes:
    """Write JSON in its one canonical form: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def layers_to_json(layers: Sequence[LayerInfo]) -> bytes:
    """Write descriptions; what all layers have in common stands once, under ``defaults``."""
    rows = [layer.to_json() for layer in layers]
    shared = {
        key: value
        for key, value in rows[0].items()
        if len(rows) > 1 and key != "name" and all(row.get(key) == value for row in rows)
    }
    own = [{key: value for key, value in row.items() if key not in shared} for row in rows]
    return to_json({"defaults": shared, "layers": own} if shared else {"layers": own})


def parse_json(payload: bytes) -> Any:
    """Read JSON that may be hostile.

    Raises
    ------
    DamagedError
        If it is none.
    """
    try:
        return json.loads(payload.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"a description is no JSON: {error}") from error


def parse_layers(payload: bytes) -> list[LayerInfo]:
    """Read a LAYERS record.

    Raises
    ------
    DamagedError, UnsupportedError
        As `LayerInfo.from_json`.
    """
    value = parse_json(payload)
    rows = value.get("layers") if isinstance(value, dict) else None
    defaults = value.get("defaults", {}) if isinstance(value, dict) else None
    if isinstance(value, dict):
        _refuse_unknown(value, {"layers", "defaults"}, "a LAYERS record")
    if not isinstance(rows, list) or not isinstance(defaults, dict):
        raise DamagedError("a LAYERS record has no list of layers")
    if not all(isinstance(row, dict) for row in rows):
        raise DamagedError("a layer description is not an object")
    return [LayerInfo.from_json({**defaults, **row}) for row in rows]


def parse_dump(payload: bytes) -> dict[str, Any]:
    """Read a DUMP record: at least ``format`` and ``bytes``.

    Raises
    ------
    DamagedError
        If these are not there.
    """
    value = parse_json(payload)
    if not (
        isinstance(value, dict)
        and isinstance(value.get("format"), str)
        and _is_count(value.get("bytes"), 0, 2**63 - 1)
    ):
        raise DamagedError("the description of the dump is not valid")
    _refuse_unknown(
        value, {"format", "bytes", "options", "files", "quantized"}, "the description of the dump"
    )
    if not isinstance(value.get("quantized", False), bool):
        raise DamagedError("the description of the dump is not valid")
    if not isinstance(value.get("options", {}), dict) or not isinstance(
        value.get("files", []), list
    ):
        raise DamagedError("the description of the dump is not valid")
    return value
