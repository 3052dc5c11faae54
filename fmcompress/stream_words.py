"""Words of 8, 16 or 32 bits as a stream has them: most significant byte first (docs/EBPC.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def words_of(stream: bytes, word_bits: int) -> NDArray[np.uint32]:
    """Return the words of a stream.

    Parameters
    ----------
    stream : bytes
        Whole words.
    word_bits : {8, 16, 32}
    """
    import numpy as np

    return np.frombuffer(stream, f">u{word_bits // 8}").astype(np.uint32)


def stream_of(words: NDArray[np.uint32], word_bits: int) -> bytes:
    """Undo `words_of`."""
    return words.astype(f">u{word_bits // 8}").tobytes()
