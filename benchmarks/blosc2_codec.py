"""Blosc2 with the bit shuffle, as its users call it, and in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from codec import OWN_THREADS, Codec
from inputs import Input, cut_bytes
from numpy.typing import NDArray

# Its default level.
LEVEL = 5
# Where a piece's memory is used again for the next one, these were the fastest.
PIECE_BYTES = 4 << 20
NAMES = {"LZ4": "LZ4", "ZSTD": "Zstd"}


class Blosc2(Codec):
    """Super-chunks, cut to chunks and blocks by Blosc2 itself; typesize is that of the words.

    Parameters
    ----------
    compressor : {"LZ4", "ZSTD"}
    """

    threading: ClassVar[str] = OWN_THREADS

    def __init__(self, compressor: str) -> None:
        self.name = f"Blosc2 bitshuffle+{NAMES[compressor]}"
        self._blosc2: Any = import_module("blosc2")
        self._codec = getattr(self._blosc2.Codec, compressor)
        self._threads = 1
        self._out = np.empty(0, np.uint8)

    def prepare(self, threads: int) -> None:
        """Set the number of Blosc2's threads."""
        self._threads = threads
        self._blosc2.set_nthreads(threads)

    def settings(self, piece: NDArray[Any]) -> dict[str, Any]:
        """Return the parameters of compression."""
        return {
            "codec": self._codec,
            "clevel": LEVEL,
            "typesize": piece.itemsize,
            "filters": [self._blosc2.Filter.BITSHUFFLE],
            "filters_meta": [0],
            "nthreads": self._threads,
        }

    def cut(self, given: Input) -> Sequence[Any]:
        """Return an array for each dtype, or copies of small dumps one by one."""
        pieces = cut_bytes(given, PIECE_BYTES)
        return given.buffers if len(pieces) > given.copies * len(given.buffers) else pieces

    def compress(self, piece: NDArray[Any]) -> Any:
        """Return a super-chunk."""
        cparams = self._blosc2.CParams(**self.settings(piece))
        dparams = self._blosc2.DParams(nthreads=self._threads)
        return self._blosc2.SChunk(data=piece, cparams=cparams, dparams=dparams)

    def decompress(self, packed: Any) -> Any:
        """Give the bytes back, in memory that is used again in the next run."""
        if self._out.size != packed.nbytes:
            self._out = np.empty(packed.nbytes, np.uint8)
        packed.dparams = self._blosc2.DParams(nthreads=self._threads)
        packed.get_slice(out=self._out)
        return self._out

    def packed_bytes(self, packed: Any) -> int:
        """Return the bytes of all chunks."""
        return int(packed.cbytes)

    def is_same(self, piece: NDArray[Any], back: Any) -> bool:
        """Compare bytes."""
        return bool(piece.tobytes() == bytes(back))


class Blosc2Pieces(Blosc2):
    """The same in pieces of `PIECE_BYTES`, each a chunk of its own."""

    def __init__(self, compressor: str) -> None:
        super().__init__(compressor)
        self.name += f", {PIECE_BYTES >> 20} MiB"

    def cut(self, given: Input) -> Sequence[Any]:
        """Return the pieces."""
        return cut_bytes(given, PIECE_BYTES)

    def compress(self, piece: NDArray[Any]) -> bytes:
        """Return a chunk."""
        return bytes(self._blosc2.compress2(piece, **self.settings(piece)))

    def decompress(self, packed: bytes) -> Any:
        """Give its bytes back."""
        return self._blosc2.decompress2(packed, nthreads=self._threads)

    def packed_bytes(self, packed: bytes) -> int:
        """Return the chunk's size."""
        return len(packed)
