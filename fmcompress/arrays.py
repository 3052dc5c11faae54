"""EBPC on arrays: `encode` shows both streams of one transmission, `decode` reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmcompress.codecs.ebpc import Ebpc
from fmcompress.element_types import element_type
from fmcompress.errors import DamagedError, ParameterError, UnsupportedError
from fmcompress.ordering import Stretch, WordOrder
from fmcompress.stream_words import stream_unit_bits
from fmcompress.words import (
    FloatWords,
    IntegerWords,
    Subject,
    Wishes,
    WordFormat,
    format_for,
    type_of,
)


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One transmission: both streams, and what is needed to decode them.

    Attributes
    ----------
    znz, bpc : bytes
        The streams, as docs/EBPC.md defines them.
    shape : tuple of int
        Of the array; its C order is the order of the words.
    dtype : dtype
    words : WordFormat
        How elements became words.
    codec : Ebpc
        Block size, maximum burst, difference.
    """

    znz: bytes
    bpc: bytes
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    words: WordFormat
    codec: Ebpc

    @property
    def word_bits(self) -> int:
        """Word width w."""
        return self.words.bits

    @property
    def count(self) -> int:
        """L, the number of words."""
        return math.prod(self.shape) * self.words.words_per_element

    @property
    def znz_words(self) -> NDArray[Any]:
        """The ZNZ stream as stream words, as the hardware's port shows them."""
        return self._stream_words(self.znz)

    @property
    def bpc_words(self) -> NDArray[Any]:
        """The BPC stream as stream words, as the hardware's port shows them."""
        return self._stream_words(self.bpc)

    @property
    def nbytes(self) -> int:
        """Bytes of both streams."""
        return len(self.znz) + len(self.bpc)

    @property
    def ratio(self) -> float:
        """Bits of the words ÷ bits of both streams."""
        return self.count * self.word_bits / (8 * self.nbytes) if self.nbytes else 1.0

    def _stream_words(self, stream: bytes) -> NDArray[Any]:
        width = stream_unit_bits(self.word_bits) // 8
        return np.frombuffer(stream, f">u{width}").astype(f"u{width}")


def encode(
    array: ArrayLike,
    *,
    block_size: int = 8,
    max_burst: int = 16,
    difference: str | None = None,
    zero_point: int | Sequence[int] = 0,
    zero_point_axis: int | None = None,
    dtype: str | None = None,
    word_bits: int | None = None,
    packed: bool = False,
    mapping: str | None = None,
) -> Encoded:
    """Encode an array as one EBPC transmission.

    Parameters
    ----------
    array : array_like
        Integers or floats of 8 to 32 bits, booleans, or the bits of such; of any shape, taken in
        C order.
    block_size : {8, 4, 16, 32}
        Non-zero words per BPC block.
    max_burst : {16, 2, 4, 8, 32, 64}
        Longest zero run in one ZNZ symbol.
    difference : {"signed", "unsigned", "modular"}, optional
        By default as the dtype. The RTL's own encoder is ``signed``.
    zero_point : int or sequence of int
        The value that becomes the word 0; a sequence has one for every index along
        `zero_point_axis`.
    zero_point_axis : int, optional
    dtype : str, optional
        What the elements are where their dtype does not tell: ``bfloat16`` in uint16, say.
    word_bits : int, optional
        Width of integers that are narrower than their dtype.
    packed : bool
        With dtype ``int4`` or ``uint4``: a byte holds two, the first in its low half.
    mapping : {"bits", "rotate"}, optional
        How floats become words; by default ``rotate`` where any sign bit is set.

    Returns
    -------
    Encoded

    Raises
    ------
    ParameterError
        If a parameter is outside its range.
    UnsupportedError
        If the dtype has no word format.

    Examples
    --------
    The worked example of docs/EBPC.md:

    >>> import numpy as np
    >>> import fmcompress
    >>> encoded = fmcompress.encode(np.array([5, 7, 0, 9, -1], np.int8))
    >>> encoded.znz.hex(), encoded.bpc.hex()
    ('c180', '051bf81008d140')
    >>> fmcompress.decode(encoded)
    array([ 5,  7,  0,  9, -1], dtype=int8)
    """
    elements = np.asarray(array)
    kind = type_of(elements.dtype, element_type(dtype) if dtype else "")
    format_ = format_for(kind)
    if format_ is None:
        raise UnsupportedError(
            f"{elements.dtype.name} has no word format", hint="view its bits as an integer dtype"
        )
    flat = elements.reshape(-1)
    words = format_.choose(
        Subject(kind, elements.shape, blocks=lambda: [flat], packed=packed),
        Wishes(zero_point, zero_point_axis, word_bits, mapping),
    )
    if not words.holds(elements.dtype, elements.shape):
        raise ParameterError(f"{elements.dtype.name} elements cannot be {kind}")
    whole = isinstance(words, IntegerWords)
    idle = {
        "word_bits": word_bits is not None and word_bits != words.bits,
        "zero_point": np.any(np.asarray(zero_point) != 0) and not whole,
        "mapping": mapping is not None and not isinstance(words, FloatWords),
    }
    if any(idle.values()):
        name = next(name for name, given in idle.items() if given)
        raise ParameterError(f"{name} does not fit {kind} elements", hint=f"leave {name} out")
    codec = Ebpc(block_size, max_burst, difference or words.difference)
    stretch = _whole(elements.shape)
    znz, bpc = codec.encode(words.to_words(flat, stretch), words.bits)
    return Encoded(znz, bpc, elements.shape, elements.dtype, words, codec)


def _whole(shape: tuple[int, ...]) -> Stretch:
    return Stretch(WordOrder(shape, tuple(range(len(shape)))), 0)


def decode(encoded: Encoded) -> NDArray[Any]:
    """Decode what `encode` returned, strictly.

    Parameters
    ----------
    encoded : Encoded
        Streams recorded elsewhere go in through ``dataclasses.replace(encoded, znz=…, bpc=…)``.

    Returns
    -------
    ndarray
        Of the original shape and dtype.

    Raises
    ------
    StreamError
        If the streams do not hold exactly the symbols that the words need; it says where.
    """
    if any(n < 0 for n in encoded.shape):
        raise DamagedError(f"shape {encoded.shape} has a negative length")
    words = encoded.codec.decode(encoded.znz, encoded.bpc, encoded.count, encoded.word_bits)
    elements = encoded.words.to_elements(words, encoded.dtype, _whole(encoded.shape))
    return elements.reshape(encoded.shape)
