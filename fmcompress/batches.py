"""Batches: consecutive chunks of one layer that are coded or decoded by one task.

A batch is large enough that the codec counts and Python does not, and small enough that as many as
there are threads fit into memory, twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from fmcompress.chunks import LayerDecoder, chunk_context
from fmcompress.contents import ChunkInfo
from fmcompress.errors import FmcError, error_context
from fmcompress.stream_words import word_dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")

# A batch ends where one chunk more would exceed these; of wider words than 8 bits it has fewer.
BATCH_WORDS, BATCH_CHUNKS = 1 << 21, 256
# Of streams: they are longer than words only where somebody wants to do harm.
_BATCH_BYTES = 1 << 23


def chunks_in_batch(chunk_words: int, word_bits: int) -> int:
    """Return how many chunks make a batch; at least one does, however large it is."""
    return min(max(_most_words(word_bits) // chunk_words, 1), BATCH_CHUNKS)


def _most_words(word_bits: int) -> int:
    """Return how many words a batch may have: as many bytes of them, as kernels take them."""
    return BATCH_WORDS // word_dtype(word_bits).itemsize


class Chunk(NamedTuple):
    """One chunk to be decoded.

    Attributes
    ----------
    decoder : LayerDecoder
        Of its layer.
    number : int
        In its layer.
    sizes : ChunkInfo
    payload : bytes
        Of the CHUNK record.
    end : int
        Offset of the byte behind that record.
    """

    decoder: LayerDecoder
    number: int
    sizes: ChunkInfo
    payload: bytes
    end: int


class Batch:
    """Consecutive chunks of one layer.

    Attributes
    ----------
    decoder : LayerDecoder
        Of the layer.
    chunks : list of Chunk
    words : int
        How many they hold.
    """

    def __init__(self, first: Chunk) -> None:
        self.decoder = first.decoder
        self.chunks = [first]
        self.words = first.sizes.words
        self._bytes = len(first.payload)
        self._most_words = _most_words(first.decoder.words.bits)

    @property
    def number(self) -> int:
        """Number of the first chunk in the layer."""
        return self.chunks[0].number

    def take(self, chunk: Chunk) -> bool:
        """Add a chunk, if it is of this layer, comes next, and there is room for it."""
        words, size = self.words + chunk.sizes.words, self._bytes + len(chunk.payload)
        fits = (
            chunk.decoder is self.decoder
            and chunk.number == self.number + len(self.chunks)
            and words <= self._most_words
            and size <= _BATCH_BYTES
            and len(self.chunks) < BATCH_CHUNKS
        )
        if fits:
            self.chunks.append(chunk)
            self.words, self._bytes = words, size
        return fits

    def decode(self) -> list[NDArray[Any] | FmcError]:
        """Return of each chunk its words, or what is wrong with it."""
        return self.decoder.decode_chunks([(chunk.sizes, chunk.payload) for chunk in self.chunks])

    def elements(self) -> NDArray[Any]:
        """Decode the chunks to elements, in word order.

        Raises
        ------
        DamagedError, UnsupportedError
            If one of them is damaged: of the first, with layer and chunk.
        """
        import numpy as np

        decoded = []
        with error_context(layer=self.decoder.info.name):
            for chunk, words in zip(self.chunks, self.decode(), strict=True):
                if isinstance(words, FmcError):
                    with chunk_context(chunk.number):
                        raise words
                decoded.append(words)
        words = decoded[0] if len(decoded) == 1 else np.concatenate(decoded)
        return self.decoder.elements(self.number, words)


def in_batches(items: Iterable[Chunk | T]) -> Iterator[Batch | T]:
    """Collect consecutive chunks of one layer; pass on what is no chunk, at its place."""
    batch: Batch | None = None
    try:
        for item in items:
            if isinstance(item, Chunk) and batch is not None and batch.take(item):
                continue
            if batch is not None:
                yield batch
            batch = Batch(item) if isinstance(item, Chunk) else None
            if not isinstance(item, Chunk):
                yield item
    except Exception:
        if batch is not None:  # what is wrong with these chunks comes first
            yield batch
        raise
    if batch is not None:
        yield batch
