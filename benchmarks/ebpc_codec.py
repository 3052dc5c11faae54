"""EBPC as a codec to measure, by each of its paths through the kernels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from codec import Codec
from inputs import Input
from numpy.typing import NDArray

from fmcompress.codecs import ebpc_paths
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.codecs.stored import stored_bytes
from fmcompress.contents import DEFAULT_CHUNK_WORDS

# A thread is given about so many bytes at a time: a thread pool has its price.
BATCH_BYTES = 1 << 21
BATCH_CHUNKS = 32


class Stretch(NamedTuple):
    """Whole chunks of one layer that follow each other; the last may be short."""

    words: NDArray[Any]
    word_bits: int
    codec: Ebpc


class Coded(NamedTuple):
    """Streams and number of words of each chunk of a stretch."""

    chunks: list[tuple[bytes, bytes, int]]
    word_bits: int
    codec: Ebpc


def paths() -> tuple[str, ...]:
    """Return the paths that this processor can take, the fastest last."""
    return ebpc_paths.PATHS[: ebpc_paths.PATHS.index(ebpc_paths.fastest()) + 1]


class EbpcCodec(Codec):
    """EBPC by one path: words in memory to streams and back, in chunks of the default size.

    Parameters
    ----------
    path : {"plain", "portable", "fast"}
    """

    def __init__(self, path: str) -> None:
        self.name = f"EBPC {path}"
        self._path = path

    def prepare(self, threads: int) -> None:
        """Choose the path."""
        os.environ[ebpc_paths.VARIABLE] = self._path

    def cut(self, given: Input) -> Sequence[list[Stretch]]:
        """Return lists of stretches of about `BATCH_BYTES` together."""
        batches: list[list[Stretch]] = [[]]
        size = 0
        step = DEFAULT_CHUNK_WORDS * BATCH_CHUNKS
        for layer in given.layers:
            codec = Ebpc(difference=layer.difference)
            for at in range(0, layer.words.size, step):
                part = layer.words[at : at + step]
                if batches[-1] and size + part.nbytes > BATCH_BYTES:
                    batches.append([])
                    size = 0
                batches[-1].append(Stretch(part, layer.word_bits, codec))
                size += part.nbytes
        return batches

    def compress(self, piece: list[Stretch]) -> list[Coded]:
        """Encode every stretch."""
        return [
            Coded(
                [
                    (znz, bpc, min(DEFAULT_CHUNK_WORDS, words.size - number * DEFAULT_CHUNK_WORDS))
                    for number, (znz, bpc) in enumerate(
                        codec.encode_chunks(words, word_bits, DEFAULT_CHUNK_WORDS)
                    )
                ],
                word_bits,
                codec,
            )
            for words, word_bits, codec in piece
        ]

    def decompress(self, packed: list[Coded]) -> list[list[NDArray[Any]]]:
        """Decode every stretch, with all checks of a strict decoder; alike ones side by side."""
        alike: dict[tuple[int, Ebpc], list[tuple[bytes, bytes, int]]] = {}
        for coded in packed:
            alike.setdefault((coded.word_bits, coded.codec), []).extend(coded.chunks)
        found: dict[tuple[int, Ebpc], Iterator[Any]] = {
            key: iter(key[1].decode_chunks(chunks, key[0])) for key, chunks in alike.items()
        }
        return [
            [next(found[coded.word_bits, coded.codec]) for _ in coded.chunks] for coded in packed
        ]

    def packed_bytes(self, packed: list[Coded]) -> int:
        """Return the bytes of the streams; a chunk that would grow counts as stored."""
        return sum(
            min(len(znz) + len(bpc), stored_bytes(count, coded.word_bits))
            for coded in packed
            for znz, bpc, count in coded.chunks
        )

    def is_same(self, piece: list[Stretch], back: list[list[NDArray[Any]]]) -> bool:
        """Compare the words of every stretch."""
        return all(
            np.array_equal(stretch.words, np.concatenate(chunks))
            for stretch, chunks in zip(piece, back, strict=True)
        )
