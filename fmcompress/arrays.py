"""EBPC on arrays: `encode` shows both streams of one transmission, `decode` reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmcompress.codecs.ebpc import Ebpc, stream_unit_bits
from fmcompress.errors import DamagedError, UnsupportedError
from fmcompress.words import WordFormat, format_for


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
        size = 1
        for n in self.shape:
            size *= n
        return size

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
    zero_point: int = 0,
) -> Encoded:
    """Encode an array as one EBPC transmission.

    Parameters
    ----------
    array : array_like
        Of dtype int8, uint8, int16, uint16, int32 or uint32, any shape; taken in C order.
    block_size : {8, 4, 16, 32}
        Non-zero words per BPC block.
    max_burst : {16, 2, 4, 8, 32, 64}
        Longest zero run in one ZNZ symbol.
    difference : {"signed", "unsigned", "modular"}, optional
        By default as the dtype. The RTL's own encoder is ``signed``.
    zero_point : int
        The value that becomes the word 0.

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
    format_ = format_for(elements.dtype)
    if format_ is None:
        raise UnsupportedError(
            f"{elements.dtype.name} has no word format", hint="view its bits as an integer dtype"
        )
    words = format_(elements.dtype.newbyteorder("=").name, zero_point)
    codec = Ebpc(block_size, max_burst, difference or words.difference)
    znz, bpc = codec.encode(words.to_words(elements.reshape(-1)), words.bits)
    return Encoded(znz, bpc, elements.shape, elements.dtype, words, codec)


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
    return encoded.words.to_elements(words, encoded.dtype).reshape(encoded.shape)
