"""What a user can ask of `compress` and `stats`, checked once."""

from __future__ import annotations

import string
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import index
from typing import Any, TypedDict

from fmcompress.codecs import Codec, codec_named
from fmcompress.codecs.auto import Auto
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.contents import DEFAULT_CHUNK_WORDS, MAX_CHUNK_WORDS
from fmcompress.element_types import FOUR_BIT, element_type
from fmcompress.errors import ParameterError
from fmcompress.numbers import from_digits, plain, switch, whole
from fmcompress.recipe import Recipe
from fmcompress.stream_words import MAX_WORD_BITS
from fmcompress.words import MAPPINGS, Wishes, WordFormat

MIN_WORD_BITS = 2
AUTO = "auto"
COMPRESSED_ALREADY = "it is compressed already, so these do not count: {}"
# What concerns quantising alone, and its defaults.
QUANTIZING = {"headroom": None, "headroom_axis": None, "rounding": "truncate"}


class Coding(TypedDict, total=False):
    """Keyword arguments of `compress` and `stats` that say how layers are coded.

    Each applies to the layers that it fits; a layer that is picked by name and does not fit is an
    error, and so is an option that fits no layer.

    Attributes
    ----------
    codec : str
        ``ebpc`` by default; or another one's name, and possibly parameters, as ``zvc:group=64``.
        ``auto`` takes for each chunk the smallest of EBPC, BPC and ZVC.
    block_size : {8, 4, 16, 32}
        Non-zero words per BPC block, for codecs that have such.
    max_burst : {16, 2, 4, 8, 32, 64}
        Longest zero run in one symbol, for codecs that have such.
    difference : {"signed", "unsigned", "modular"}, optional
        By default as the words. The RTL's own encoder is ``signed``.
    chunk_words : int
        Words per chunk; each is a transmission of its own.
    dtype : str, optional
        What elements are that lie in the dump as opaque bytes or integers of the same size:
        ``bfloat16``, ``float8_e4m3fn``, ``int4``, ….
    word_bits : int, optional
        Width of integers that are narrower than their dtype, 2 to 32.
    packed : bool
        With dtype ``int4`` or ``uint4``: a byte holds two, the first in its low half.
    zero_point : int or sequence of int, optional
        By default from the layer's attributes, else found. A sequence has one for every channel.
    zero_point_axis : int, optional
        The axis of channels.
    mapping : {"bits", "rotate"}, optional
        How floats become words; by default ``rotate`` where any sign bit is set.
    quantize : str, optional
        Quantise floats, which loses: to ``fixed8``, ``fixed12``, ``fixed16``, ``ufixed8``,
        ``float16``, ``bfloat16``, ``float8_e4m3fn`` or ``float8_e5m2``.
    headroom : float, optional
        Share of the full scale that the largest magnitude becomes: 0.75 by default for fixed
        point; floats are scaled only if it is given.
    headroom_axis : int, optional
        Scale every index along this axis on its own.
    rounding : {"truncate", "nearest"}
        Of quantising; ``truncate`` is the paper's.
    order : str or sequence of int, optional
        The axes as they are to run in the words, slowest first, as ``0,3,1,2`` or ``nhwc:nchw``;
        ``auto`` tries some on a sample.
    serpentine : bool
        Let every other row of words run backwards.
    """

    codec: str
    block_size: int | None
    max_burst: int | None
    difference: str | None
    chunk_words: int
    dtype: str | None
    word_bits: int | None
    packed: bool
    zero_point: int | Sequence[int] | None
    zero_point_axis: int | None
    mapping: str | None
    quantize: str | None
    headroom: float | None
    headroom_axis: int | None
    rounding: str
    order: str | Sequence[int] | None
    serpentine: bool


@dataclass(frozen=True, slots=True)
class Options:
    """`Coding` with its defaults, checked.

    Raises
    ------
    ParameterError
        If a value is outside its range, or two contradict each other.
    """

    codec: str = Ebpc.name
    block_size: int | None = None
    max_burst: int | None = None
    difference: str | None = None
    chunk_words: int = DEFAULT_CHUNK_WORDS
    dtype: str | None = None
    word_bits: int | None = None
    packed: bool = False
    zero_point: int | Sequence[int] | None = None
    zero_point_axis: int | None = None
    mapping: str | None = None
    quantize: str | None = None
    headroom: float | None = None
    headroom_axis: int | None = None
    rounding: str = "truncate"
    order: str | Sequence[int] | None = None
    serpentine: bool = False

    def __post_init__(self) -> None:
        for name in ("block_size", "max_burst", "chunk_words", "word_bits", "zero_point_axis"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else whole(name, value))
        for name in ("packed", "serpentine"):
            object.__setattr__(self, name, switch(name, getattr(self, name)))
        codec_named(self.codec, self._codec_parameters)
        if not 1 <= self.chunk_words <= MAX_CHUNK_WORDS:
            raise ParameterError(
                f"chunk_words is {self.chunk_words!r}, not from 1 to {MAX_CHUNK_WORDS}"
            )
        if self.dtype is not None:
            object.__setattr__(self, "dtype", element_type(self.dtype))
        if self.word_bits is not None and not MIN_WORD_BITS <= self.word_bits <= MAX_WORD_BITS:
            raise ParameterError(
                f"word_bits is {self.word_bits!r}", hint=f"give {MIN_WORD_BITS} to {MAX_WORD_BITS}"
            )
        self._check_packed()
        object.__setattr__(self, "zero_point", plain(self.zero_point))
        one = self.zero_point is not None and not isinstance(self.zero_point, Sequence)
        if one and self.zero_point_axis is not None:
            raise ParameterError(
                "zero_point_axis is for several zero points", hint="leave --zero-point-axis out"
            )
        if self.mapping is not None and self.mapping not in list(MAPPINGS):
            raise ParameterError(
                f"mapping is {self.mapping!r}", hint=f"choose from {', '.join(MAPPINGS)}"
            )
        if self.quantize is None and any(
            getattr(self, name) != usual for name, usual in QUANTIZING.items()
        ):
            raise ParameterError(
                "headroom and rounding are for quantising", hint="give --quantize, too"
            )
        _ = self.recipe
        if self.order is not None and not (isinstance(self.order, str) and self.order == AUTO):
            object.__setattr__(self, "order", parse_order(self.order))

    def _check_packed(self) -> None:
        if not self.packed:
            return
        if self.dtype not in FOUR_BIT:
            raise ParameterError(
                "only 4-bit integers are packed", hint="give --dtype int4 or uint4"
            )
        if self.chunk_words % 2:
            raise ParameterError("a chunk would end within a byte", hint="give even --chunk-words")
        if self.word_bits is not None:
            raise ParameterError("packed words have 4 bits", hint="leave --word-bits out")

    @property
    def recipe(self) -> Recipe | None:
        """How to quantise, if at all."""
        if self.quantize is None:
            return None
        return Recipe(self.quantize, self.headroom, self.headroom_axis, self.rounding)

    @property
    def given(self) -> list[str]:
        """Names of the options that are not at their default."""
        plain = Options()
        return [
            f.name for f in fields(self) if not _same(getattr(self, f.name), getattr(plain, f.name))
        ]

    def idle(self, raw: Mapping[str, Any] | None, counting: Collection[str] = ()) -> list[str]:
        """Warn of options that mean nothing to what is compressed already.

        Parameters
        ----------
        raw : mapping, optional
            What is known of a raw file: of a container, nothing.
        counting : collection of str
            Names of options that do count.
        """
        names = [name for name in self.given if name not in counting]
        names += ["raw"] * (raw is not None)
        if not names:
            return []
        return [COMPRESSED_ALREADY.format(", ".join(names))]

    @property
    def wishes(self) -> Wishes:
        """What concerns word formats."""
        return Wishes(
            zero_point=self.zero_point,
            zero_point_axis=self.zero_point_axis,
            word_bits=self.word_bits,
            mapping=self.mapping,
        )

    @property
    def _codec_parameters(self) -> dict[str, Any]:
        names = ("block_size", "max_burst", "difference")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def codec_for(self, words: WordFormat) -> Codec:
        """Return the codec of a layer with these words."""
        return codec_named(self.codec, self._codec_parameters, words.difference)

    def auto_for(self, words: WordFormat) -> Auto:
        """Return the choice among codecs, with the parameters that it has."""
        return Auto(**self._codec_parameters | {"difference": self.difference or words.difference})

    @property
    def hardware(self) -> Ebpc:
        """EBPC as the hardware has it, with block size and burst as they were asked for."""
        return Ebpc(self.block_size or Ebpc().block_size, self.max_burst or Ebpc().max_burst)


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and a == b


def parse_order(order: str | Sequence[int]) -> tuple[int, ...]:
    """Read an order of axes: ``"0,3,1,2"``, ``"nhwc:nchw"``, or a sequence of numbers.

    Raises
    ------
    ParameterError
        If it is no permutation.
    """
    hint = "give axes as 0,3,1,2, names as nhwc:nchw, or auto"
    axes: list[int]
    if isinstance(order, str) and ":" in order:
        before, _, after = order.lower().partition(":")
        letters = set(before) <= set(string.ascii_lowercase) and len(set(before)) == len(before)
        if not before or not letters or sorted(before) != sorted(after):
            raise ParameterError(f"order {order!r} does not name the same axes twice", hint=hint)
        axes = [before.index(letter) for letter in after]
    else:
        try:
            parts: Sequence[Any] = order.split(",") if isinstance(order, str) else list(order)
            axes = [from_digits(part) if isinstance(part, str) else index(part) for part in parts]
        except (ValueError, TypeError) as error:
            raise ParameterError(f"order {order!r} cannot be understood", hint=hint) from error
    if not axes or sorted(axes) != list(range(len(axes))):
        raise ParameterError(f"order {order!r} is no permutation of axes", hint=hint)
    return tuple(axes)
