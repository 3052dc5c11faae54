"""Of several codecs the one that makes a chunk smallest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fmcompress.codecs.bpc import Bpc
from fmcompress.codecs.codec import Codec
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.codecs.zvc import Zvc
from fmcompress.errors import DamagedError, ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Auto(Codec):
    """EBPC, BPC or ZVC, whichever makes a chunk smallest; or stored, as with any codec.

    Parameters
    ----------
    block_size, max_burst, difference
        As of `Ebpc`; BPC has them, too.

    Raises
    ------
    ParameterError
        If a parameter is none that EBPC has.
    """

    name: ClassVar[str] = "auto"
    number: ClassVar[int] = -1  # no chunk has it: each has that of its part
    title: ClassVar[str] = "the smallest of EBPC, BPC and ZVC, chunk by chunk"

    block_size: int = 8
    max_burst: int = 16
    difference: str = "signed"

    def __post_init__(self) -> None:
        Ebpc(self.block_size, self.max_burst, self.difference)

    @property
    def parts(self) -> tuple[Codec, ...]:
        """The codecs; of several that are equally good, the first."""
        return (
            Ebpc(self.block_size, self.max_burst, self.difference),
            Bpc(self.block_size, self.difference),
            Zvc(),
        )

    def encode_chunks(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> list[tuple[bytes, bytes]]:
        """Refuse: of which codec streams are stands in a chunk's record alone."""
        raise ParameterError("auto is a choice among codecs: use its parts")

    def measure_chunks(
        self, words: NDArray[Any], word_bits: int, chunk_words: int
    ) -> list[tuple[int, int]]:
        """Return the bytes of both streams of each transmission, by the best part."""
        sizes = [part.measure_chunks(words, word_bits, chunk_words) for part in self.parts]
        return [min(chunk, key=sum) for chunk in zip(*sizes, strict=True)]

    def most_bytes(self, count: int, word_bits: int) -> tuple[int, int]:
        """Return of each stream the bound of the part that can make it longest."""
        bounds = [part.most_bytes(count, word_bits) for part in self.parts]
        return max(first for first, _ in bounds), max(second for _, second in bounds)

    def decode_chunks(
        self, transmissions: Sequence[tuple[bytes, bytes, int]], word_bits: int
    ) -> list[NDArray[Any] | DamagedError]:
        """Refuse, as `encode_chunks` does."""
        raise ParameterError("auto is a choice among codecs: use its parts")
