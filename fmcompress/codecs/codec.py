"""What every codec offers, and what follows from that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

from fmcompress.errors import DamagedError, ParameterError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Codec(ABC):
    """From the words of a transmission to two streams and back.

    A subclass is a frozen dataclass, whose fields are the codec's parameters. Words are bit
    patterns, in arrays of `word_dtype`; of the two streams, one may stay empty.

    Attributes
    ----------
    name : str
        As users and containers name it.
    number : int
        Of chunks, in the container.
    title : str
        Its name in full, and where it comes from.
    """

    __slots__ = ()

    name: ClassVar[str]
    number: ClassVar[int]
    title: ClassVar[str]

    @classmethod
    def parameters(cls) -> list[str]:
        """Return the names of the parameters that a user may give."""
        return [field.name for field in fields(cls) if "fitted" not in field.metadata]  # type: ignore[arg-type]

    def describe(self) -> dict[str, Any]:
        """Return the parameters as they stand in the container, with ``name``; None stands nowhere."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {"name": self.name, **{k: v for k, v in values.items() if v is not None}}

    @property
    def parts(self) -> tuple[Codec, ...]:
        """The codecs of which each chunk gets the smallest: one, but for `Auto`."""
        return (self,)

    def fitted(self, words: Callable[[], Iterable[NDArray[Any]]], word_bits: int) -> Self:
        """Return the codec with what it has to know of a whole layer; most need nothing.

        Parameters
        ----------
        words : callable
            Returns an iterator over the layer's words, as arrays; may be called again.
        word_bits : int
            w, 1 to 32.
        """
        return self

    @property
    def table_bits(self) -> int:
        """Bits that `fitted` added to the layer's description, where they have to count."""
        return 0

    @abstractmethod
    def encode_chunks(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> list[tuple[bytes, bytes]]:
        """Encode words as transmissions of `chunk_words` words each; the last may be shorter.

        Parameters
        ----------
        words : ndarray of unsigned integers, shape (count,)
            Bit patterns below ``2**word_bits``.
        word_bits : int
            w, 1 to 32.
        chunk_words : int

        Returns
        -------
        list of (first, second)
            Both streams of each, padded to whole bytes or stream words.

        Raises
        ------
        ParameterError
            If the word width is another.
        """

    @abstractmethod
    def measure_chunks(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> list[tuple[int, int]]:
        """Return the bytes of the streams that `encode_chunks` would return, without these."""

    def chunk_bytes(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> NDArray[np.int64]:
        """Return what `measure_chunks` does, both streams together: shape (transmissions,)."""
        import numpy as np

        sizes = self.measure_chunks(words, word_bits, chunk_words)
        total: NDArray[np.int64] = np.array(sizes, np.int64).reshape(-1, 2).sum(axis=1)
        return total

    @abstractmethod
    def most_bytes(self, count: int, word_bits: int) -> tuple[int, int]:
        """Return a bound of each stream: the most bytes that `count` words can make of it.

        Of a stream that stays empty, whatever the words, it is 0. Both streams need not reach
        their bounds with the same words.
        """

    @abstractmethod
    def decode_chunks(
        self, transmissions: Sequence[tuple[bytes, bytes, int]], word_bits: int
    ) -> list[NDArray[Any] | DamagedError]:
        """Decode several transmissions, strictly.

        Parameters
        ----------
        transmissions : sequence of (first, second, count)
            Both streams, and the number of words.
        word_bits : int
            w, 1 to 32.

        Returns
        -------
        list of ndarray or DamagedError
            Of each transmission its words, or what `decode` would raise.
        """

    def encode(self, words: NDArray[Any], word_bits: int) -> tuple[bytes, bytes]:
        """Encode the words of one transmission to both streams."""
        (streams,) = self.encode_chunks(words, word_bits, max(words.size, 1)) or [(b"", b"")]
        return streams

    def decode(self, first: bytes, second: bytes, count: int, word_bits: int) -> NDArray[Any]:
        """Decode one transmission, strictly.

        Returns
        -------
        ndarray of `word_dtype`, shape (count,)

        Raises
        ------
        DamagedError
            If the streams do not hold exactly what `count` words need; mostly a `StreamError`,
            which says where.
        """
        (words,) = self.decode_chunks([(first, second, count)], word_bits)
        if isinstance(words, DamagedError):
            raise words
        return words


def check_counts(transmissions: Sequence[tuple[bytes, bytes, int]]) -> None:
    """Refuse numbers of words that are none."""
    for _, _, count in transmissions:
        if count < 0:
            raise ParameterError(f"the number of words is {count}, less than 0")
