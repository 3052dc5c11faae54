"""Bit-plane compression without a zero stream: the BPC stream of EBPC, over all words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fmcompress.codecs import ebpc_paths, ebpc_plain, plane_blocks
from fmcompress.codecs.choices import DIFFERENCES, check_choice
from fmcompress.codecs.codec import Codec, check_counts
from fmcompress.codecs.ebpc import BLOCK_SIZES
from fmcompress.codecs.plane_blocks import GAP
from fmcompress.kernel_loading import kernel_words
from fmcompress.stream_words import check_word_bits, check_words, word_dtype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fmcompress.errors import DamagedError


@dataclass(frozen=True, slots=True)
class Bpc(Codec):
    """Parameters of bit-plane compression, beside the word width.

    Kim et al. (ISCA 2016) code other symbols and blocks; this is what the EBPC paper shows as BPC:
    EBPC's own second stream, with zeros in it.

    Parameters
    ----------
    block_size : {8, 4, 16, 32}
        n, words per block.
    difference : {"signed", "unsigned", "modular"}
        As of EBPC.

    Raises
    ------
    ParameterError
        If a parameter is none of these.
    """

    name: ClassVar[str] = "bpc"
    number: ClassVar[int] = 2
    title: ClassVar[str] = "bit-plane compression (Kim et al., 2016), with EBPC's symbols"

    block_size: int = 8
    difference: str = "signed"

    def __post_init__(self) -> None:
        check_choice(self, "block_size", BLOCK_SIZES)
        check_choice(self, "difference", DIFFERENCES)

    def encode_chunks(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> list[tuple[bytes, bytes]]:
        """Encode words as transmissions: each a BPC stream, behind an empty one."""
        check_words(words, word_bits)
        if not _in_blocks(word_bits):
            return ebpc_plain.encode_blocks(words, word_bits, chunk_words, self)
        bpc, bits = self._encode(words, word_bits, chunk_words)
        return [(b"", stream) for stream in plane_blocks.cut(bpc, bits, word_bits)]

    def measure_chunks(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> list[tuple[int, int]]:
        """Return the bytes of both streams of each transmission."""
        check_words(words, word_bits)
        if not _in_blocks(word_bits):
            streams = ebpc_plain.encode_blocks(words, word_bits, chunk_words, self)
            return [(0, len(bpc)) for _, bpc in streams]
        _, bits = self._encode(words, word_bits, chunk_words)
        return [(0, size) for size in plane_blocks.padded_bytes(bits, word_bits)]

    def most_bytes(self, count: int, word_bits: int) -> tuple[int, int]:
        """Return the bound of a BPC stream of so many words, behind an empty one."""
        return 0, ebpc_plain.most_bytes(count, word_bits, self.block_size)

    def _encode(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        import numpy as np

        given = kernel_words(words, word_dtype(word_bits))
        chunks = -(-given.size // chunk_words)
        sizes = np.zeros((chunks, 2), np.int64)
        values = plane_blocks.scratch.take("values", given.size + (chunks + 2) * GAP, given.dtype)
        for number in range(chunks):
            chunk = given[number * chunk_words : (number + 1) * chunk_words]
            place = number * (chunk_words + GAP)
            values[place : place + chunk.size] = chunk
            sizes[number, 0] = chunk.size
        vector = ebpc_paths.chosen() == ebpc_paths.FAST
        with np.errstate(over="ignore"):  # of kernels as plain Python
            return plane_blocks.encode(values, sizes, word_bits, self, vector)

    def decode_chunks(
        self, transmissions: Sequence[tuple[bytes, bytes, int]], word_bits: int
    ) -> list[NDArray[Any] | DamagedError]:
        """Decode transmissions ("", bpc, count): of each its words, or a `StreamError`."""
        check_counts(transmissions)
        found: dict[int, NDArray[Any]] = {}
        if _in_blocks(word_bits):
            likely = [
                number
                for number, (first, bpc, count) in enumerate(transmissions)
                if not first and -(-count // self.block_size) * (word_bits + 4) <= 8 * len(bpc)
            ]
            decoded = self._decode([transmissions[number][1:] for number in likely], word_bits)
            found = {
                number: words
                for number, words in zip(likely, decoded, strict=True)
                if words is not None
            }
        return [
            found[number] if number in found else self._decode_plainly(*transmission, word_bits)
            for number, transmission in enumerate(transmissions)
        ]

    def _decode(
        self, transmissions: Sequence[tuple[bytes, int]], word_bits: int
    ) -> list[NDArray[Any] | None]:
        """Decode transmissions of likely sizes; give None for those whose streams are not valid."""
        import numpy as np

        if not transmissions:
            return []
        counts = [count for _, count in transmissions]
        blocks = -(-np.array(counts, np.int64) // self.block_size)
        vector = (
            ebpc_paths.chosen() == ebpc_paths.FAST
            and len(transmissions) >= plane_blocks.LEAST_IN_VECTORS
        )
        with np.errstate(over="ignore"):  # of kernels as plain Python
            values, places, valid = plane_blocks.decode(
                [bpc for bpc, _ in transmissions], blocks, word_bits, self.block_size, vector
            )
        return [
            values[place : place + count].copy() if fine else None
            for place, count, fine in zip(places.tolist(), counts, valid.tolist(), strict=False)
        ]

    def _decode_plainly(
        self, first: bytes, bpc: bytes, count: int, word_bits: int
    ) -> NDArray[Any] | DamagedError:
        return ebpc_plain.decode_blocks(first, bpc, count, word_bits, self.block_size)


def _in_blocks(word_bits: int) -> bool:
    """Tell whether the fast kernels have such words on this machine."""
    check_word_bits(word_bits)
    return word_bits > 1 and ebpc_paths.chosen() != ebpc_paths.PLAIN
