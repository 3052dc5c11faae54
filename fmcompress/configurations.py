"""What a sweep goes through: number formats, orders, codecs, block sizes and zero bursts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from fmcompress.codecs import codec_named, free_parameters
from fmcompress.codecs.ebpc import BLOCK_SIZES, MAX_BURSTS, Ebpc
from fmcompress.coding import COMPRESSED_ALREADY, QUANTIZING, Coding, parse_order
from fmcompress.errors import ParameterError
from fmcompress.quantizing import TARGETS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmcompress.codecs import Codec

NATIVE, FILE = "native", "file"
# Those that the EBPC paper shows.
DEFAULT_CODECS = ("ebpc", "bpc", "zrle", "zvc")

_SIZES = {"block_sizes": BLOCK_SIZES, "max_bursts": MAX_BURSTS}


@dataclass(frozen=True, slots=True)
class Configuration:
    """One codec with its parameters.

    Attributes
    ----------
    codec : str
        As it was named.
    block_size, max_burst : int or None
        None where the codec has none.
    """

    codec: str
    block_size: int | None
    max_burst: int | None

    def build(self, difference: str) -> Codec:
        """Return the codec, for words that a difference suits."""
        given = {"block_size": self.block_size, "max_burst": self.max_burst}
        fitting = {name: value for name, value in given.items() if value is not None}
        return codec_named(self.codec, fitting, difference)


@dataclass(frozen=True, slots=True)
class Space:
    """All configurations of a sweep.

    Parameters
    ----------
    formats : sequence of str
        ``native`` and targets of quantising.
    orders : sequence of str
        ``file``, and orders as `compress` takes them.
    codecs : sequence of str
        As `compress` takes them.
    block_sizes, max_bursts : sequence of int, optional
        For the codecs that have such, and are not told theirs; by default all there are.

    Raises
    ------
    ParameterError
        If one of these is none, or sizes or bursts are given and no codec has such.
    """

    formats: tuple[str, ...] = (NATIVE,)
    orders: tuple[str, ...] = (FILE,)
    codecs: tuple[str, ...] = DEFAULT_CODECS
    block_sizes: tuple[int, ...] = ()
    max_bursts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("formats", "orders", "codecs", "block_sizes", "max_bursts"):
            values = getattr(self, name)
            values = (values,) if isinstance(values, str | int) else tuple(values)
            if not values and name not in _SIZES:
                raise ParameterError(f"{name} is empty", hint="leave it out, or give some")
            object.__setattr__(self, name, tuple(dict.fromkeys(values)))
        known = (NATIVE, *TARGETS)
        for format_ in self.formats:
            if format_ not in known:
                raise ParameterError(
                    f"format is {format_!r}", hint=f"choose from {', '.join(known)}"
                )
        for order in self.orders:
            if order not in (FILE, "auto"):
                parse_order(order)
        for configuration in self.configurations:
            configuration.build("signed")
        for name in _SIZES:
            if getattr(self, name):
                self._check_free(name.removesuffix("s"))

    def has(self, parameter: str) -> bool:
        """Tell whether one of the codecs has a parameter, and is not told it with its name."""
        return any(parameter in free_parameters(codec) for codec in self.codecs)

    def _check_free(self, parameter: str) -> None:
        """Refuse a parameter that no codec has, or each is told with its name."""
        if not self.has(parameter):
            raise ParameterError(
                f"{parameter} is a free parameter of none of these codecs: {', '.join(self.codecs)}",
                hint="leave it out, or name another codec",
            )

    @property
    def configurations(self) -> list[Configuration]:
        """Codecs with their parameters, in the order of tables."""
        found = []
        for codec in self.codecs:
            free = free_parameters(codec)
            sizes: Sequence[int | None] = (
                self._sizes("block_sizes") if "block_size" in free else (None,)
            )
            bursts: Sequence[int | None] = (
                self._sizes("max_bursts") if "max_burst" in free else (None,)
            )
            found += [Configuration(codec, *both) for both in product(sizes, bursts)]
        return found

    def check(self, coding: Coding) -> None:
        """Refuse options of quantising where no format is quantised, and a difference that no codec has.

        Raises
        ------
        ParameterError
            If there is one.
        """
        given = [name for name, usual in QUANTIZING.items() if coding.get(name, usual) != usual]
        if given and self.formats == (NATIVE,):
            raise ParameterError(
                f"{given[0]} is for quantising", hint="give a format that is quantised, as fixed8"
            )
        if coding.get("difference") is not None:
            self._check_free("difference")

    def of_container(self) -> tuple[Space, list[str]]:
        """Return what is left of it for words that are as they are, and a warning of what is not."""
        idle = [name for name in (*self.formats, *self.orders) if name not in (NATIVE, FILE)]
        left = replace(self, formats=(NATIVE,), orders=(FILE,))
        return left, [COMPRESSED_ALREADY.format(", ".join(idle))] * bool(idle)

    def describe(self) -> dict[str, Any]:
        """Return all values, for people and to know a sweep again."""
        named = {name: list(getattr(self, name)) for name in self.__slots__}
        return named | {name: list(self._sizes(name)) for name in _SIZES}

    def _sizes(self, name: str) -> tuple[int, ...]:
        return getattr(self, name) or _SIZES[name]


def coding_in(format_: str, order: str, coding: Coding) -> Coding:
    """Return how words are made in a number format and an order, as `Space` names them."""
    own: Coding = {**coding}
    own["quantize"] = None if format_ == NATIVE else format_
    own["order"] = None if order == FILE else order
    if format_ == NATIVE:
        for name in QUANTIZING:
            own.pop(name, None)  # type: ignore[misc]
    return own


def measure_all(
    codecs: Sequence[Codec], words: NDArray[Any], word_bits: int, piece_words: int
) -> NDArray[np.int64]:
    """Return the bytes of both streams of all pieces, by all codecs.

    EBPC's ZNZ stream depends on the burst alone, its BPC stream on the block size: each is measured
    once.

    Returns
    -------
    ndarray of int64, shape (codecs, pieces, 2)
    """
    znz: dict[int, NDArray[np.int64]] = {}
    bpc: dict[tuple[int, str], NDArray[np.int64]] = {}
    sizes = []
    for codec in codecs:
        if not isinstance(codec, Ebpc):
            sizes.append(_measured(codec, words, word_bits, piece_words))
            continue
        blocks = (codec.block_size, codec.difference)
        if codec.max_burst not in znz or blocks not in bpc:
            both = _measured(codec, words, word_bits, piece_words)
            znz[codec.max_burst], bpc[blocks] = both[:, 0], both[:, 1]
        sizes.append(np.stack([znz[codec.max_burst], bpc[blocks]], axis=1))
    return np.stack(sizes)


def _measured(
    codec: Codec, words: NDArray[Any], word_bits: int, piece_words: int
) -> NDArray[np.int64]:
    return np.array(codec.measure_chunks(words, word_bits, piece_words), np.int64).reshape(-1, 2)
