"""EBPC, extended bit-plane compression (docs/EBPC.md): parameters checked, then coded by one of the paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fmcompress.codecs import ebpc_blocks, ebpc_paths, ebpc_plain
from fmcompress.errors import ParameterError, StreamError

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_SIZES = (4, 8, 16, 32)
MAX_BURSTS = (2, 4, 8, 16, 32, 64)
# In the order of the kernels' constants SIGNED, UNSIGNED, MODULAR.
DIFFERENCES = ("signed", "unsigned", "modular")
MIN_WORD_BITS, MAX_WORD_BITS = 1, 32


@dataclass(frozen=True, slots=True)
class Ebpc:
    """Parameters of EBPC, beside the word width.

    Parameters
    ----------
    block_size : {8, 4, 16, 32}
        n, non-zero words per BPC block.
    max_burst : {16, 2, 4, 8, 32, 64}
        R, the longest zero run that one ZNZ symbol holds.
    difference : {"signed", "unsigned", "modular"}
        How the encoder forms differences; the decoder needs no knowledge of it. ``signed`` is
        what the hardware does.

    Raises
    ------
    ParameterError
        If a parameter is none of these.
    """

    name: ClassVar[str] = "ebpc"
    number: ClassVar[int] = 1

    block_size: int = 8
    max_burst: int = 16
    difference: str = "signed"

    def __post_init__(self) -> None:
        for parameter, allowed in (
            ("block_size", BLOCK_SIZES),
            ("max_burst", MAX_BURSTS),
            ("difference", DIFFERENCES),
        ):
            value = getattr(self, parameter)
            if not isinstance(value, type(allowed[0])) or value not in allowed:
                choices = ", ".join(map(str, allowed))
                raise ParameterError(f"{parameter} is {value!r}, not one of {choices}")

    def describe(self) -> dict[str, Any]:
        """Return the parameters as they stand in the container."""
        return {
            "name": self.name,
            "block_size": self.block_size,
            "max_burst": self.max_burst,
            "difference": self.difference,
        }

    def encode(self, words: NDArray[Any], word_bits: int) -> tuple[bytes, bytes]:
        """Encode one transmission.

        Parameters
        ----------
        words : ndarray of unsigned integers, shape (count,)
            Bit patterns below ``2**word_bits``.
        word_bits : int
            w, 1 to 32.

        Returns
        -------
        znz, bpc : bytes
            The streams, padded as docs/EBPC.md says.
        """
        (streams,) = self.encode_chunks(words, word_bits, max(words.size, 1)) or [(b"", b"")]
        return streams

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
        list of (znz, bpc)
            As `encode` returns them, of each.
        """
        check_word_bits(word_bits)
        path = ebpc_paths.chosen()
        if path == ebpc_paths.PLAIN:
            return ebpc_plain.encode(words, word_bits, chunk_words, self)
        return ebpc_blocks.encode(
            words, word_bits, chunk_words, self, vector=path == ebpc_paths.FAST
        )

    def decode(self, znz: bytes, bpc: bytes, count: int, word_bits: int) -> NDArray[Any]:
        """Decode one transmission, strictly.

        Parameters
        ----------
        znz, bpc : bytes
            The streams.
        count : int
            L, the number of words.
        word_bits : int
            w, 1 to 32.

        Returns
        -------
        ndarray of `word_dtype`, shape (count,)

        Raises
        ------
        StreamError
            If the streams do not hold exactly the symbols that `count` words need.
        """
        (words,) = self.decode_chunks([(znz, bpc, count)], word_bits)
        if isinstance(words, StreamError):
            raise words
        return words

    def decode_chunks(
        self, transmissions: Sequence[tuple[bytes, bytes, int]], word_bits: int
    ) -> list[NDArray[Any] | StreamError]:
        """Decode several transmissions, strictly.

        Parameters
        ----------
        transmissions : sequence of (znz, bpc, count)
        word_bits : int
            w, 1 to 32.

        Returns
        -------
        list of ndarray or StreamError
            Of each transmission its words, or what `decode` would raise.
        """
        check_word_bits(word_bits)
        for _, _, count in transmissions:
            if count < 0:
                raise ParameterError(f"the number of words is {count}, less than 0")
        path = ebpc_paths.chosen()
        if path == ebpc_paths.PLAIN:
            return ebpc_plain.decode(transmissions, word_bits, self)
        return ebpc_blocks.decode(transmissions, word_bits, self, vector=path == ebpc_paths.FAST)

    @property
    def run_bits(self) -> int:
        """z, bits of a zero run's length."""
        return self.max_burst.bit_length() - 1

    @property
    def difference_number(self) -> int:
        """The difference, as kernels know it."""
        return DIFFERENCES.index(self.difference)


def check_word_bits(word_bits: int) -> None:
    """Refuse a word width that EBPC does not have."""
    if not MIN_WORD_BITS <= word_bits <= MAX_WORD_BITS:
        raise ParameterError(
            f"word width is {word_bits} bits, not {MIN_WORD_BITS} to {MAX_WORD_BITS}"
        )
