"""Words in arrays; and in streams, most significant byte first (docs/EBPC.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fmcompress.errors import ParameterError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_WORD_BITS, MAX_WORD_BITS = 1, 32
# Of one transmission, and so of a chunk; a stream of a few bytes may stand for as many zeros as it
# likes.
MOST_TRANSMISSION_WORDS = 1 << 24


def check_word_bits(word_bits: int) -> None:
    """Refuse a word width that no codec has."""
    if not MIN_WORD_BITS <= word_bits <= MAX_WORD_BITS:
        raise ParameterError(
            f"word width is {word_bits} bits, not {MIN_WORD_BITS} to {MAX_WORD_BITS}"
        )


def check_words(words: NDArray[Any], word_bits: int) -> None:
    """Refuse words that are wider than w bits, so that none is cut.

    Parameters
    ----------
    words : ndarray of unsigned integers
    word_bits : int
        w.

    Raises
    ------
    ParameterError
        If one is, or the word width is none.
    """
    check_word_bits(word_bits)
    # Of a dtype of w bits no word can be wider.
    if 8 * words.itemsize > word_bits and words.size and int(words.max()) >> word_bits:
        index = int((words >> word_bits != 0).argmax())
        raise ParameterError(
            f"word {index}, which is {words[index]}, has more than {word_bits} bits"
        )


def word_dtype(word_bits: int) -> np.dtype[Any]:
    """Return the dtype of words in arrays: the narrowest unsigned integer that holds w bits."""
    import numpy as np

    return np.dtype(f"u{1 if word_bits <= 8 else 2 if word_bits <= 16 else 4}")


def stream_unit_bits(word_bits: int) -> int:
    """Bits of a stream word: the hardware's w where it has one, else a byte."""
    return word_bits if word_bits in (8, 16, 32) else 8


def padded_bytes(bits: int, word_bits: int) -> int:
    """Return the bytes of a stream of so many bits, padded to whole stream words."""
    unit = stream_unit_bits(word_bits)
    return -(-bits // unit) * unit // 8


def words_of(stream: bytes, word_bits: int) -> NDArray[Any]:
    """Return the words of a stream.

    Parameters
    ----------
    stream : bytes
        Whole words.
    word_bits : {8, 16, 32}
    """
    import numpy as np

    return np.frombuffer(stream, f">u{word_bits // 8}").astype(word_dtype(word_bits))


def stream_of(words: NDArray[Any], word_bits: int) -> bytes:
    """Undo `words_of`."""
    return words.astype(f">u{word_bits // 8}").tobytes()


def position_bits(word_bits: int) -> int:
    """Bits of a field that tells the positions in a word apart, ⌈log2 w⌉; none for w = 1."""
    return (word_bits - 1).bit_length()
