"""A static Huffman code, one table a layer (docs/CODECS.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from fmcompress.codecs.by_transmission import ByTransmission
from fmcompress.codecs.codec import check_counts
from fmcompress.codecs.prefix_codes import (
    LONGEST,
    check_lengths,
    digits,
    limited_lengths,
    tables,
)
from fmcompress.codecs.signed_words import SignedWords
from fmcompress.errors import DamagedError, ParameterError
from fmcompress.kernel_loading import kernel, kernel_words
from fmcompress.stream_words import check_word_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_SYMBOL_BITS = 8  # of words that are symbols themselves; as in kernels/huffman.py


@dataclass(frozen=True, slots=True)
class Huffman(SignedWords):
    """Parameters of a static Huffman code, and the code.

    Parameters
    ----------
    signed : bool, optional
        Whether words of more than 8 bits are two's complement numbers; by default, `fitted` finds
        what makes a layer shorter, and until then they are.
    lengths : str
        One hexadecimal digit for each symbol, the length of its code; 0 for a symbol that does
        not occur. Empty before `fitted`.

    Raises
    ------
    ParameterError
        If `signed` is neither, or no code has these lengths.
    """

    name: ClassVar[str] = "huffman"
    number: ClassVar[int] = 10
    title: ClassVar[str] = "static Huffman code, canonical, one table a layer"
    kernels: ClassVar[str] = "huffman"
    streams: ClassVar[tuple[str, ...]] = ("code",)

    signed: bool | None = None
    lengths: str = field(default="", metadata={"fitted": True})

    def __post_init__(self) -> None:
        SignedWords.__post_init__(self)
        check_lengths(self.lengths)

    def fitted(self, words: Callable[[], Iterable[NDArray[Any]]], word_bits: int) -> Huffman:
        """Return the codec with the best code for a layer's words.

        Raises
        ------
        ParameterError
            If the word width is another, or a word is wider.
        """
        import numpy as np

        check_word_bits(word_bits)
        told = SignedWords.fitted(self, words, word_bits)
        times = np.zeros(_symbols(word_bits), np.int64)
        for part in words():
            wide = kernel_words(part)
            index = kernel(self.kernels, "count")(wide, word_bits, told.is_signed, times)
            if index >= 0:
                raise ParameterError(f"word {wide[index]} has more than {word_bits} bits")
        return replace(told, lengths=digits(limited_lengths(times.tolist())))

    @property
    def table_bits(self) -> int:
        """Four bits for each symbol's length."""
        return 4 * len(self.lengths)

    def numbers(self, word_bits: int) -> tuple[Any, ...]:
        """Return w, whether words are signed, and the code as it is written."""
        return word_bits, self.is_signed, tables(self.lengths)[0]

    def decoder_numbers(self, word_bits: int) -> tuple[Any, ...]:
        """Return w, whether words are signed, and the code as it is read."""
        return word_bits, self.is_signed, tables(self.lengths)[1]

    def most_bits(self, count: int, word_bits: int) -> tuple[int, int]:
        """Return the bits where all have the longest code that there can be."""
        return 0, count * (LONGEST + (0 if word_bits <= MOST_SYMBOL_BITS else word_bits))

    def most_words(self, first_bits: int, second_bits: int, word_bits: int) -> int:
        """Return the words where all have a code of one bit, and nothing behind."""
        return second_bits

    def encode_chunks(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> list[tuple[bytes, bytes]]:
        """Encode words as transmissions; ParameterError, too, where a word has no code."""
        self._check_words(words, word_bits)
        return ByTransmission.encode_chunks(self, words, word_bits, chunk_words)

    def measure_chunks(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> list[tuple[int, int]]:
        """Return the bytes of both streams of each transmission, or refuse as `encode_chunks`."""
        self._check_words(words, word_bits)
        return ByTransmission.measure_chunks(self, words, word_bits, chunk_words)

    def _check_words(self, words: NDArray[Any], word_bits: int) -> None:
        check_word_bits(word_bits)
        codes, _ = tables(self.lengths)
        wide = kernel_words(words)
        index = kernel(self.kernels, "without_code")(wide, word_bits, self.is_signed, codes)
        if index >= 0:
            raise ParameterError(
                f"word {index}, which is {wide[index]}, has no code",
                hint="fit the codec to all words of the layer first",
            )

    def decode_chunks(
        self, transmissions: Sequence[tuple[bytes, bytes, int]], word_bits: int
    ) -> list[NDArray[Any] | DamagedError]:
        """Decode transmissions; where the code is one for other words, all are damaged."""
        check_word_bits(word_bits)
        symbols = _symbols(word_bits)
        if len(self.lengths) == symbols:
            return ByTransmission.decode_chunks(self, transmissions, word_bits)
        check_counts(transmissions)
        cause = (
            f"the code has {len(self.lengths)} lengths, not {symbols}, for {word_bits}-bit words"
        )
        return [DamagedError(cause) for _ in transmissions]


def _symbols(word_bits: int) -> int:
    """Return how many symbols there are: words, or numbers of bits from 0 to w."""
    return 1 << word_bits if word_bits <= MOST_SYMBOL_BITS else word_bits + 1
