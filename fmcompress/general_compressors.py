"""General compressors beside the codecs, to compare with: bytes in, a size out.

They are given each chunk by itself, as the codecs are, in an array of the words' dtype. Nothing
that they make is kept.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOW_TO_GET = "pip install 'fmcompress[bench]'"


@dataclass(frozen=True, slots=True)
class GeneralCompressor:
    """One of them, with its settings.

    Attributes
    ----------
    name, title : str
        For tables.
    size : callable
        From a chunk of words to the bytes that it becomes.
    """

    name: str
    title: str
    size: Callable[[NDArray[Any]], int]


def _zlib() -> GeneralCompressor:
    return GeneralCompressor(
        "zlib-6",
        f"zlib {zlib.ZLIB_RUNTIME_VERSION}, level 6",
        lambda words: len(zlib.compress(words.tobytes(), 6)),
    )


def _lz4() -> GeneralCompressor:
    block: Any = import_module("lz4.block")
    version = import_module("lz4").library_version_string()
    return GeneralCompressor(
        "lz4", f"LZ4 {version}", lambda words: len(block.compress(words, store_size=False))
    )


def _zstd() -> GeneralCompressor:
    zstandard: Any = import_module("zstandard")
    kept = threading.local()  # no compressor may be used by two threads at once

    def size(words: NDArray[Any]) -> int:
        if not hasattr(kept, "compressor"):
            kept.compressor = zstandard.ZstdCompressor(level=3)
        return len(kept.compressor.compress(words))

    version = ".".join(map(str, zstandard.ZSTD_VERSION))
    return GeneralCompressor("zstd-3", f"Zstandard {version}, level 3", size)


def _blosc2() -> GeneralCompressor:
    blosc2: Any = import_module("blosc2")

    def size(words: NDArray[Any]) -> int:
        settings = {"codec": blosc2.Codec.ZSTD, "clevel": 5, "filters": [blosc2.Filter.BITSHUFFLE]}
        return len(blosc2.compress2(words, typesize=words.itemsize, nthreads=1, **settings))

    title = f"Blosc2 {blosc2.blosclib_version.split()[0]}, bit shuffle and Zstandard, level 5"
    return GeneralCompressor("blosc2", title, size)


# The package that each needs, and what makes it.
_MAKERS: tuple[tuple[str, Callable[[], GeneralCompressor]], ...] = (
    ("", _zlib),
    ("lz4", _lz4),
    ("zstandard", _zstd),
    ("blosc2", _blosc2),
)


def general_compressors() -> tuple[list[GeneralCompressor], list[str]]:
    """Return those that are installed, and the names of the packages that are not."""
    found, missing = [], []
    for package, make in _MAKERS:
        try:
            found.append(make())
        except ImportError:
            missing.append(package)
    return found, missing
