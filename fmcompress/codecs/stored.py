"""Words as they are: what a chunk becomes that a codec would make larger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fmcompress.codecs.codec import Codec
from fmcompress.errors import DamagedError
from fmcompress.stream_words import check_words, stream_of, word_dtype, words_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


def stored_bytes(count: int, word_bits: int) -> int:
    """Bytes that `count` words of `word_bits` bits take, packed without gaps."""
    return (count * word_bits + 7) // 8


@dataclass(frozen=True, slots=True)
class Stored(Codec):
    """Words packed without gaps, most significant bit first, zero bits up to the last byte."""

    name: ClassVar[str] = "stored"
    number: ClassVar[int] = 0
    title: ClassVar[str] = "words as they are"

    def encode(self, words: NDArray[Any], word_bits: int) -> tuple[bytes, bytes]:
        """Pack the words; the second stream holds them, the first is empty."""
        import numpy as np

        check_words(words, word_bits)
        if word_bits in (8, 16, 32):
            return b"", stream_of(words, word_bits)
        octets = words.astype(">u4")[:, None].view(np.uint8)
        bits = np.unpackbits(octets, axis=1)[:, 32 - word_bits :]
        return b"", np.packbits(bits).tobytes()

    def encode_chunks(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> list[tuple[bytes, bytes]]:
        """Pack words, `chunk_words` at a time."""
        starts = range(0, words.size, chunk_words)
        return [self.encode(words[at : at + chunk_words], word_bits) for at in starts]

    def measure_chunks(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> list[tuple[int, int]]:
        """Return the bytes of each chunk, behind an empty stream."""
        starts = range(0, words.size, chunk_words)
        return [(0, stored_bytes(min(chunk_words, words.size - at), word_bits)) for at in starts]

    def most_bytes(self, count: int, word_bits: int) -> tuple[int, int]:
        """Return the bytes of the packed words, which do not depend on these."""
        return 0, stored_bytes(count, word_bits)

    def decode(self, first: bytes, second: bytes, count: int, word_bits: int) -> NDArray[Any]:
        """Unpack `count` words.

        Raises
        ------
        DamagedError
            If the size is not that of `count` words, or a padding bit is not 0.
        """
        import numpy as np

        if first or len(second) != stored_bytes(count, word_bits):
            raise DamagedError(f"{count} stored words do not take {len(first) + len(second)} bytes")
        if word_bits in (8, 16, 32):
            return words_of(second, word_bits)
        bits = np.unpackbits(np.frombuffer(second, np.uint8))
        if bits[count * word_bits :].any():
            raise DamagedError("a padding bit of stored words is not 0")
        wide = np.zeros((count, 32), np.uint8)
        wide[:, 32 - word_bits :] = bits[: count * word_bits].reshape(count, word_bits)
        return np.packbits(wide, axis=1).view(">u4")[:, 0].astype(word_dtype(word_bits))

    def decode_chunks(
        self, transmissions: Sequence[tuple[bytes, bytes, int]], word_bits: int
    ) -> list[NDArray[Any] | DamagedError]:
        """Unpack several chunks: of each its words, or what `decode` would raise."""
        return [self._tried(*transmission, word_bits) for transmission in transmissions]

    def _tried(
        self, first: bytes, second: bytes, count: int, word_bits: int
    ) -> NDArray[Any] | DamagedError:
        try:
            return self.decode(first, second, count, word_bits)
        except DamagedError as error:
            return error
