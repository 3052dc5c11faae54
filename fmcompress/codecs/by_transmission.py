"""What codecs have in common whose kernels take one transmission at a time (docs/CODECS.md)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from fmcompress.codecs.codec import Codec, check_counts
from fmcompress.errors import CodeFault, ParameterError, StreamError
from fmcompress.kernel_loading import kernel, kernel_words
from fmcompress.stream_words import (
    MOST_TRANSMISSION_WORDS,
    check_word_bits,
    check_words,
    word_dtype,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fmcompress.errors import DamagedError

# As `BEHIND` and `SECOND` in kernels/bits.py.
BEHIND = 8
_SECOND = 8


class ByTransmission(Codec):
    """A codec with two kernels in the file `kernels`: by default, ``encode`` and ``decode``.

    ``encode(words, *numbers, *streams)`` writes words (uint32) to streams (uint8, zeros, 8 bytes
    longer than the longest ones; or empty: then it only counts), and returns the bits of each.
    ``decode(*streams, *numbers, words)`` is given streams with 8 zero bytes behind, and returns a
    status, a word and a bit, as kernels/bits.py has them. Kernels of one stream know no other: it
    is the second of the transmission, whose first is empty.

    Attributes
    ----------
    kernels : str
        The file's name.
    encoder, decoder : str
        The kernels' names.
    streams : tuple of str
        What each stream of the kernels holds, for messages: one, or two.
    """

    __slots__ = ()

    kernels: ClassVar[str]
    encoder: ClassVar[str] = "encode"
    decoder: ClassVar[str] = "decode"
    streams: ClassVar[tuple[str, ...]]

    @abstractmethod
    def numbers(self, word_bits: int) -> tuple[Any, ...]:
        """Return what the encoder is told: integers, or arrays."""

    def decoder_numbers(self, word_bits: int) -> tuple[Any, ...]:
        """Return what the decoder is told: the same, unless a codec says otherwise."""
        return self.numbers(word_bits)

    @abstractmethod
    def most_bits(self, count: int, word_bits: int) -> tuple[int, int]:
        """Return the most bits that both streams of `count` words can have."""

    @abstractmethod
    def most_words(self, first_bits: int, second_bits: int, word_bits: int) -> int:
        """Return how many words streams of so many bits can hold at most, or a number above."""

    def encode_chunks(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> list[tuple[bytes, bytes]]:
        """Encode words as transmissions: their streams, padded to whole bytes."""
        import numpy as np

        coded = []
        for chunk in chunks_of(words, word_bits, chunk_words):
            streams = [
                np.zeros(-(-bits // 8) + BEHIND, np.uint8)
                for bits in self.most_bits(chunk.size, word_bits)
            ]
            used = self._encode(chunk, word_bits, streams)
            for stream, bits in zip(streams, used, strict=True):
                assert bits <= 8 * (stream.size - BEHIND), "longer than most_bits"
            first, second = (s[: -(-b // 8)].tobytes() for s, b in zip(streams, used, strict=True))
            coded.append((first, second))
        return coded

    def measure_chunks(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> list[tuple[int, int]]:
        """Return the bytes of both streams of each transmission; nothing is written."""
        import numpy as np

        nowhere = [np.zeros(0, np.uint8)] * 2
        sizes = []
        for chunk in chunks_of(words, word_bits, chunk_words):
            first, second = self._encode(chunk, word_bits, nowhere)
            sizes.append((-(-first // 8), -(-second // 8)))
        return sizes

    def _encode(
        self, words: NDArray[np.uint32], word_bits: int, streams: Sequence[NDArray[np.uint8]]
    ) -> tuple[int, int]:
        """Write one transmission to both streams, or count; return the bits of both."""
        encode = kernel(self.kernels, self.encoder)
        numbers = self.numbers(word_bits)
        if len(self.streams) == 1:
            return 0, int(encode(words, *numbers, streams[1]))
        first, second = encode(words, *numbers, *streams)
        return int(first), int(second)

    def most_bytes(self, count: int, word_bits: int) -> tuple[int, int]:
        """Return the most bits of each stream, in whole bytes."""
        first, second = self.most_bits(count, word_bits)
        return -(-first // 8), -(-second // 8)

    def decode_chunks(
        self, transmissions: Sequence[tuple[bytes, bytes, int]], word_bits: int
    ) -> list[NDArray[Any] | DamagedError]:
        """Decode transmissions: of each its words, or a `StreamError`."""
        check_word_bits(word_bits)
        check_counts(transmissions)
        return [self._decode(*transmission, word_bits) for transmission in transmissions]

    def _decode(
        self, first: bytes, second: bytes, count: int, word_bits: int
    ) -> NDArray[Any] | DamagedError:
        import numpy as np

        streams: tuple[bytes, ...] = (first, second)
        if len(self.streams) == 1:
            if first:
                return StreamError(CodeFault.LEFT_OVER, 0, 0, self.streams[0])
            streams = (second,)
        # Of a lying count no more is allocated than the streams can hold, and one word over, at
        # which decoding fails.
        most = min(
            self.most_words(8 * len(first), 8 * len(second), word_bits) + 1, MOST_TRANSMISSION_WORDS
        )
        words = np.empty(min(count, most), np.uint32)
        status, word, bit = kernel(self.kernels, self.decoder)(
            *map(readable, streams), *self.decoder_numbers(word_bits), words
        )
        if status:
            fault, stream = CodeFault(status % _SECOND), self.streams[status // _SECOND]
            return StreamError(fault, int(word), int(bit), stream)
        if words.size < count:
            return StreamError(CodeFault.TRUNCATED, words.size, int(bit), self.streams[-1])
        return words.astype(word_dtype(word_bits), copy=False)


def chunks_of(words: NDArray[Any], word_bits: int, chunk_words: int) -> list[NDArray[np.uint32]]:
    """Return the words of each transmission, as kernels read them.

    Raises
    ------
    ParameterError
        If the word width is none, a word is wider, or a transmission would be too long.
    """
    check_words(words, word_bits)
    longest = min(words.size, chunk_words)
    if longest > MOST_TRANSMISSION_WORDS:
        raise ParameterError(
            f"a transmission has {longest} words, more than {MOST_TRANSMISSION_WORDS}"
        )
    wide = kernel_words(words)
    return [wide[at : at + chunk_words] for at in range(0, wide.size, chunk_words)]


def readable(stream: bytes) -> NDArray[np.uint8]:
    """Return a stream with room behind, as kernels read it."""
    import numpy as np

    return np.frombuffer(stream + bytes(BEHIND), np.uint8)
