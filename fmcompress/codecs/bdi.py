"""Base-delta-immediate compression, of words packed to lines (docs/CODECS.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fmcompress.codecs.by_transmission import BEHIND, chunks_of, readable
from fmcompress.codecs.codec import Codec, check_counts
from fmcompress.codecs.stored import Stored, stored_bytes
from fmcompress.errors import CodeFault, StreamError
from fmcompress.kernel_loading import kernel
from fmcompress.stream_words import MOST_TRANSMISSION_WORDS, check_word_bits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fmcompress.errors import DamagedError

LINE_BYTES = 64
# Of a line of zeros, and of one as it is.
FEWEST_BITS, MOST_BITS = 4 + 8, 4 + 8 * LINE_BYTES


@dataclass(frozen=True, slots=True)
class Bdi(Codec):
    """Base-delta-immediate compression; it has no parameters.

    Its kernels know no words, but the bytes that stored words take.
    """

    name: ClassVar[str] = "bdi"
    number: ClassVar[int] = 11
    title: ClassVar[str] = "base-delta-immediate compression (Pekhimenko et al., 2012)"

    def encode_chunks(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> list[tuple[bytes, bytes]]:
        """Encode words as transmissions: each a stream, behind an empty one."""
        import numpy as np

        coded = []
        for chunk in chunks_of(words, word_bits, chunk_words):
            lines = _lines(chunk, word_bits)
            most_bits = lines.size // LINE_BYTES * MOST_BITS
            stream = np.zeros(-(-most_bits // 8) + BEHIND, np.uint8)
            bits = _kernel("encode", lines, stream)
            coded.append((b"", stream[: -(-bits // 8)].tobytes()))
        return coded

    def measure_chunks(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> list[tuple[int, int]]:
        """Return the bytes of both streams of each transmission; nothing is written."""
        import numpy as np

        nowhere = np.zeros(0, np.uint8)
        chunks = chunks_of(words, word_bits, chunk_words)
        bits = [_kernel("encode", _lines(chunk, word_bits), nowhere) for chunk in chunks]
        return [(0, -(-int(each) // 8)) for each in bits]

    def most_bytes(self, count: int, word_bits: int) -> tuple[int, int]:
        """Return the bytes where no line has a scheme."""
        lines = -(-stored_bytes(count, word_bits) // LINE_BYTES)
        return 0, -(-lines * MOST_BITS // 8)

    def decode_chunks(
        self, transmissions: Sequence[tuple[bytes, bytes, int]], word_bits: int
    ) -> list[NDArray[Any] | DamagedError]:
        """Decode transmissions: of each its words, or a `StreamError`."""
        check_word_bits(word_bits)
        check_counts(transmissions)
        return [_decode(*transmission, word_bits) for transmission in transmissions]


def _lines(words: NDArray[Any], word_bits: int) -> NDArray[np.uint8]:
    """Return words without gaps, and zeros up to a whole line."""
    import numpy as np

    _, packed = Stored().encode(words, word_bits)
    lines = np.zeros(len(packed) + -len(packed) % LINE_BYTES, np.uint8)
    lines[: len(packed)] = np.frombuffer(packed, np.uint8)
    return lines


def _decode(first: bytes, second: bytes, count: int, word_bits: int) -> NDArray[Any] | DamagedError:
    import numpy as np

    if first:
        return StreamError(CodeFault.LEFT_OVER, 0, 0, "line")
    if count > MOST_TRANSMISSION_WORDS:
        return StreamError(CodeFault.TRUNCATED, MOST_TRANSMISSION_WORDS, 8 * len(second), "line")
    # Of a lying count no more is allocated than the stream can hold, and one line over, at which
    # decoding fails.
    size = stored_bytes(count, word_bits)
    lines = min(-(-size // LINE_BYTES), 8 * len(second) // FEWEST_BITS + 1)
    octets = np.empty(lines * LINE_BYTES, np.uint8)
    status, word, bit = _kernel("decode", readable(second), count, word_bits, octets)
    if status:
        return StreamError(CodeFault(status), int(word), int(bit), "line")
    return Stored().decode(b"", octets[:size].tobytes(), count, word_bits)


def _kernel(name: str, *arguments: Any) -> Any:
    import numpy as np

    with np.errstate(over="ignore"):  # of kernels as plain Python
        return kernel("bdi", name)(*arguments)
