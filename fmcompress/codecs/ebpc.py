"""EBPC, extended bit-plane compression (docs/EBPC.md): parameters checked, then coded by one of the paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fmcompress.codecs import ebpc_blocks, ebpc_paths, ebpc_plain
from fmcompress.codecs.choices import DIFFERENCES, check_choice
from fmcompress.codecs.codec import Codec, check_counts
from fmcompress.stream_words import check_word_bits, check_words, padded_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmcompress.errors import DamagedError

BLOCK_SIZES = (4, 8, 16, 32)
MAX_BURSTS = (2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Ebpc(Codec):
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
    title: ClassVar[str] = "extended bit-plane compression (Cavigelli et al., 2019)"

    block_size: int = 8
    max_burst: int = 16
    difference: str = "signed"

    def __post_init__(self) -> None:
        check_choice(self, "block_size", BLOCK_SIZES)
        check_choice(self, "max_burst", MAX_BURSTS)
        check_choice(self, "difference", DIFFERENCES)

    def encode_chunks(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> list[tuple[bytes, bytes]]:
        """Encode words as transmissions: each a ZNZ and a BPC stream, padded as docs/EBPC.md says."""
        check_words(words, word_bits)
        path = ebpc_paths.chosen()
        if path == ebpc_paths.PLAIN:
            return ebpc_plain.encode(words, word_bits, chunk_words, self)
        return ebpc_blocks.encode(
            words, word_bits, chunk_words, self, vector=path == ebpc_paths.FAST
        )

    def measure_chunks(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> list[tuple[int, int]]:
        """Return the bytes of both streams of each transmission."""
        check_words(words, word_bits)
        path = ebpc_paths.chosen()
        if path == ebpc_paths.PLAIN:
            streams = ebpc_plain.encode(words, word_bits, chunk_words, self)
            return [(len(znz), len(bpc)) for znz, bpc in streams]
        return ebpc_blocks.measure(
            words, word_bits, chunk_words, self, vector=path == ebpc_paths.FAST
        )

    def most_bytes(self, count: int, word_bits: int) -> tuple[int, int]:
        """Return the bounds of docs/EBPC.md, section 9: of w = 1 there is no BPC stream."""
        flags = count // 2
        znz_bits = (1 + self.run_bits) * (count - flags) + flags
        bpc = ebpc_plain.most_bytes(count, word_bits, self.block_size) if word_bits > 1 else 0
        return padded_bytes(znz_bits, word_bits), bpc

    def decode_chunks(
        self, transmissions: Sequence[tuple[bytes, bytes, int]], word_bits: int
    ) -> list[NDArray[Any] | DamagedError]:
        """Decode transmissions (znz, bpc, count): of each its words, or a `StreamError`."""
        check_word_bits(word_bits)
        check_counts(transmissions)
        path = ebpc_paths.chosen()
        if path == ebpc_paths.PLAIN:
            return ebpc_plain.decode(transmissions, word_bits, self)
        return ebpc_blocks.decode(transmissions, word_bits, self, vector=path == ebpc_paths.FAST)

    @property
    def run_bits(self) -> int:
        """z, bits of a zero run's length."""
        return self.max_burst.bit_length() - 1
