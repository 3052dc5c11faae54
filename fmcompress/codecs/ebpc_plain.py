"""EBPC through the plain kernels, word by word: what every other path is held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from fmcompress.codecs.choices import difference_number
from fmcompress.errors import DamagedError, StreamError, StreamFault
from fmcompress.kernel_loading import kernel, kernel_words
from fmcompress.stream_words import padded_bytes, word_dtype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class BlockParameters(Protocol):
    """What of `Ebpc` and `Bpc` counts for a BPC stream."""

    @property
    def block_size(self) -> int:
        """n, words of a block."""
        ...

    @property
    def difference(self) -> str:
        """How differences are formed."""
        ...


class Parameters(BlockParameters, Protocol):
    """What of `Ebpc` counts here."""

    @property
    def run_bits(self) -> int:
        """z, bits of a zero run's length."""
        ...


def encode(
    words: NDArray[Any], word_bits: int, chunk_words: int, parameters: Parameters
) -> list[tuple[bytes, bytes]]:
    """Encode words as transmissions of `chunk_words` words, as `Ebpc.encode_chunks` does."""
    starts = range(0, words.size, chunk_words)
    wide = kernel_words(words)
    return [_encode(wide[at : at + chunk_words], word_bits, parameters) for at in starts]


def _encode(
    words: NDArray[np.uint32], word_bits: int, parameters: Parameters
) -> tuple[bytes, bytes]:
    import numpy as np

    n, z = parameters.block_size, parameters.run_bits
    most_bits = -(-words.size // n) * block_bits(word_bits, n)
    znz = np.empty(words.size * (1 + z) // 8 + 8, np.uint8)
    bpc = np.empty(most_bits // 8 + 8, np.uint8)
    znz_bits, bpc_bits = kernel("ebpc", "encode")(
        words, word_bits, n, z, difference_number(parameters.difference), znz, bpc
    )
    return _padded(znz, znz_bits, word_bits), _padded(bpc, bpc_bits, word_bits)


def block_bits(word_bits: int, block_size: int) -> int:
    """Return the most bits that a block takes (docs/EBPC.md, section 9)."""
    return word_bits + (word_bits + 1) * max(block_size, 4 + block_size.bit_length())


def most_bytes(count: int, word_bits: int, block_size: int) -> int:
    """Return the most bytes that the BPC stream of `count` words takes, padded."""
    return padded_bytes(-(-count // block_size) * block_bits(word_bits, block_size), word_bits)


def decode(
    transmissions: Sequence[tuple[bytes, bytes, int]], word_bits: int, parameters: Parameters
) -> list[NDArray[Any] | DamagedError]:
    """Decode transmissions (znz, bpc, count), as `Ebpc.decode_chunks` does."""
    return [_decode(*transmission, word_bits, parameters) for transmission in transmissions]


def _decode(
    znz: bytes, bpc: bytes, count: int, word_bits: int, parameters: Parameters
) -> NDArray[Any] | StreamError:
    import numpy as np

    # Of a lying count no more than the stream can hold is allocated, and one word over, at which
    # decoding will fail.
    words = np.empty(min(count, most_words(len(znz), parameters.run_bits) + 1), np.uint32)
    status, word, bit = kernel("ebpc", "decode")(
        np.frombuffer(znz, np.uint8),
        np.frombuffer(bpc, np.uint8),
        word_bits,
        parameters.block_size,
        parameters.run_bits,
        words,
    )
    if status:
        return StreamError(StreamFault(status), int(word), int(bit))
    return words.astype(word_dtype(word_bits), copy=False)


def encode_blocks(
    words: NDArray[Any], word_bits: int, chunk_words: int, parameters: BlockParameters
) -> list[tuple[bytes, bytes]]:
    """Encode words as BPC streams, `chunk_words` at a time, as `Bpc.encode_chunks` does."""
    import numpy as np

    wide, n = kernel_words(words), parameters.block_size
    streams = []
    for at in range(0, words.size, chunk_words):
        chunk = wide[at : at + chunk_words]
        bpc = np.empty(-(-chunk.size // n) * block_bits(word_bits, n) // 8 + 8, np.uint8)
        bits = kernel("ebpc", "encode_blocks")(
            chunk, word_bits, n, difference_number(parameters.difference), bpc
        )
        streams.append((b"", _padded(bpc, bits, word_bits)))
    return streams


def decode_blocks(
    znz: bytes, bpc: bytes, count: int, word_bits: int, block_size: int
) -> NDArray[Any] | DamagedError:
    """Decode the words of a BPC stream, as `Bpc.decode_chunks` does; there is no ZNZ stream."""
    import numpy as np

    if znz:
        return StreamError(StreamFault.ZNZ_LEFT_OVER, 0, 0)

    # A block takes no less than its base and a symbol; of a lying count no more is allocated.
    most = (8 * len(bpc) // (word_bits + 2) + 1) * block_size
    words = np.empty(min(count, most), np.uint32)
    status, word, bit = kernel("ebpc", "decode_blocks")(
        np.frombuffer(bpc, np.uint8), word_bits, block_size, words
    )
    if status or words.size < count:
        fault = StreamFault(status) if status else StreamFault.BPC_TRUNCATED
        return StreamError(fault, int(word), int(bit))
    return words.astype(word_dtype(word_bits), copy=False)


def most_words(znz_bytes: int, run_bits: int) -> int:
    """Return the most words that a ZNZ stream of so many bytes can hold: runs, and a flag a bit."""
    return (8 * znz_bytes // (1 + run_bits) << run_bits) + 8 * znz_bytes


def _padded(stream: NDArray[np.uint8], bits: int, word_bits: int) -> bytes:
    whole = stream[: (bits + 7) // 8].tobytes()
    return whole + bytes(padded_bytes(bits, word_bits) - len(whole))
