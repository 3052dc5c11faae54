"""EBPC, extended bit-plane compression (docs/EBPC.md): parameters checked, then the kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fmcompress.errors import ParameterError, StreamError, StreamFault
from fmcompress.kernel_loading import kernel, kernel_words

if TYPE_CHECKING:
    import numpy as np
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

    def encode(self, words: NDArray[np.uint32], word_bits: int) -> tuple[bytes, bytes]:
        """Encode one transmission.

        Parameters
        ----------
        words : ndarray of uint32, shape (count,)
            Unsigned bit patterns below ``2**word_bits``.
        word_bits : int
            w, 1 to 32.

        Returns
        -------
        znz, bpc : bytes
            The streams, padded as docs/EBPC.md says.
        """
        import numpy as np

        _check_word_bits(word_bits)
        words = kernel_words(words)
        blocks = -(-words.size // self.block_size)
        longest_symbol = max(self.block_size, 4 + self.block_size.bit_length())
        most_bits = blocks * (word_bits + (word_bits + 1) * longest_symbol)
        znz = np.empty(words.size * (1 + self._run_bits) // 8 + 8, np.uint8)
        bpc = np.empty(most_bits // 8 + 8, np.uint8)
        znz_bits, bpc_bits = kernel("ebpc", "encode")(
            words,
            word_bits,
            self.block_size,
            self._run_bits,
            DIFFERENCES.index(self.difference),
            znz,
            bpc,
        )
        return _padded(znz, znz_bits, word_bits), _padded(bpc, bpc_bits, word_bits)

    def decode(self, znz: bytes, bpc: bytes, count: int, word_bits: int) -> NDArray[np.uint32]:
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
        ndarray of uint32, shape (count,)

        Raises
        ------
        StreamError
            If the streams do not hold exactly the symbols that `count` words need.
        """
        import numpy as np

        _check_word_bits(word_bits)
        if count < 0:
            raise ParameterError(f"the number of words is {count}, less than 0")
        # One symbol covers at most max_burst words: of a lying count no more than the stream
        # can hold is allocated, and one word over, at which decoding will fail.
        most = 8 * len(znz) // (1 + self._run_bits) * self.max_burst + 8 * len(znz)
        words = np.empty(min(count, most + 1), np.uint32)
        status, word, bit = kernel("ebpc", "decode")(
            np.frombuffer(znz, np.uint8),
            np.frombuffer(bpc, np.uint8),
            word_bits,
            self.block_size,
            self._run_bits,
            words,
        )
        if status:
            raise StreamError(StreamFault(status), int(word), int(bit))
        return words

    @property
    def _run_bits(self) -> int:
        return self.max_burst.bit_length() - 1


def stream_unit_bits(word_bits: int) -> int:
    """Bits of a stream word: the hardware's w where it has one, else a byte."""
    return word_bits if word_bits in (8, 16, 32) else 8


def _check_word_bits(word_bits: int) -> None:
    if not MIN_WORD_BITS <= word_bits <= MAX_WORD_BITS:
        raise ParameterError(
            f"word width is {word_bits} bits, not {MIN_WORD_BITS} to {MAX_WORD_BITS}"
        )


def _padded(stream: NDArray[np.uint8], bits: int, word_bits: int) -> bytes:
    unit = stream_unit_bits(word_bits)
    whole = stream[: (bits + 7) // 8].tobytes()
    return whole + bytes(-(-bits // unit) * unit // 8 - len(whole))
