"""The codecs that EBPC is compared with, and how to get those that are not installed."""

from __future__ import annotations

import os

# Before bitshuffle loads OpenMP, whose threads would be at work in rows of a single thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import threading
import zlib
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from blosc2_codec import Blosc2, Blosc2Pieces
from codec import Codec
from ebpc_codec import EbpcCodec, paths
from inputs import Input, cut_bytes
from numpy.typing import NDArray

PIECE_BYTES = 1 << 20
HOW_TO_GET = "pip install '.[bench]'"


class Bytes(Codec):
    """A codec that knows bytes alone.

    Parameters
    ----------
    name : str
    pack : callable
        From an array to bytes.
    unpack : callable
        From these to bytes.
    """

    def __init__(
        self, name: str, pack: Callable[[Any], bytes], unpack: Callable[[bytes], Any]
    ) -> None:
        self.name = name
        self._pack, self._unpack = pack, unpack

    def cut(self, given: Input) -> Sequence[Any]:
        """Return pieces of 1 MiB."""
        return cut_bytes(given, PIECE_BYTES)

    def compress(self, piece: NDArray[Any]) -> bytes:
        """Compress a piece."""
        return self._pack(piece)

    def decompress(self, packed: bytes) -> Any:
        """Give its bytes back."""
        return self._unpack(packed)

    def packed_bytes(self, packed: bytes) -> int:
        """Return their number."""
        return len(packed)

    def is_same(self, piece: NDArray[Any], back: Any) -> bool:
        """Compare bytes."""
        return bool(piece.tobytes() == bytes(back))


class Arrays(Codec):
    """A copy or a permutation: from an array to another of the same size."""

    def __init__(self, name: str, pack: Callable[[Any], Any], unpack: Callable[[Any], Any]) -> None:
        self.name = name
        self._pack, self._unpack = pack, unpack

    def cut(self, given: Input) -> Sequence[Any]:
        """Return pieces of 1 MiB."""
        return cut_bytes(given, PIECE_BYTES)

    def compress(self, piece: NDArray[Any]) -> Any:
        """Return a new array."""
        return self._pack(piece)

    def decompress(self, packed: NDArray[Any]) -> Any:
        """Return what the array was made of."""
        return self._unpack(packed)

    def packed_bytes(self, packed: NDArray[Any]) -> int:
        """Return the array's size."""
        return packed.nbytes

    def is_same(self, piece: NDArray[Any], back: NDArray[Any]) -> bool:
        """Compare arrays."""
        return np.array_equal(piece, back)


def _copy() -> Codec:
    return Arrays("memcpy", np.copy, np.copy)


def _zlib() -> Codec:
    return Bytes("zlib-1", lambda piece: zlib.compress(piece, 1), zlib.decompress)


def _lz4() -> Codec:
    block: Any = import_module("lz4.block")
    return Bytes("lz4", block.compress, block.decompress)


def _zstd(level: int) -> Codec:
    zstandard: Any = import_module("zstandard")
    kept = threading.local()  # neither object may be used by two threads at once

    def pack(piece: Any) -> bytes:
        if not hasattr(kept, "pack"):
            kept.pack = zstandard.ZstdCompressor(level)
        return bytes(kept.pack.compress(piece))

    def unpack(packed: bytes) -> Any:
        if not hasattr(kept, "unpack"):
            kept.unpack = zstandard.ZstdDecompressor()
        return kept.unpack.decompress(packed)

    return Bytes(f"zstd-{level}", pack, unpack)


def _bitshuffle() -> Codec:
    bitshuffle: Any = import_module("bitshuffle")
    return Arrays("bitshuffle alone", bitshuffle.bitshuffle, bitshuffle.bitunshuffle)


# What is to be installed, and what makes the codec, in the order of tables.
RIVALS: tuple[tuple[str, Callable[[], Codec]], ...] = (
    ("", _copy),
    ("", _zlib),
    ("lz4", _lz4),
    ("zstandard", lambda: _zstd(1)),
    ("zstandard", lambda: _zstd(3)),
    ("blosc2", lambda: Blosc2("LZ4")),
    ("blosc2", lambda: Blosc2Pieces("LZ4")),
    ("blosc2", lambda: Blosc2("ZSTD")),
    ("bitshuffle", _bitshuffle),
)


def codecs() -> tuple[list[Codec], list[str]]:
    """Return all codecs that can be measured here.

    Returns
    -------
    found : list of Codec
        EBPC first.
    missing : list of str
        A line for each package that is not installed.
    """
    found: list[Codec] = [EbpcCodec(path) for path in paths()]
    missing: list[str] = []
    for package, make in RIVALS:
        try:
            found.append(make())
        except ImportError:
            line = f"{package} is not installed, its rows are left out: {HOW_TO_GET}"
            if package == "bitshuffle":
                line += " (up to Python 3.12)"
            if line not in missing:
                missing.append(line)
    return found, missing


def versions() -> list[str]:
    """Return name and version of every package that a codec comes from."""
    names = [package for package, _ in RIVALS if package]
    found = [f"zlib {zlib.ZLIB_RUNTIME_VERSION}"]
    for name in dict.fromkeys(names):
        try:
            found.append(f"{name} {version(name)}")
        except ImportError:  # PackageNotFoundError
            continue
    return found
