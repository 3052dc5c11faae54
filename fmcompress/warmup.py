"""Compile all kernels ahead, so that nothing that users do later waits for it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmcompress.apack import apack_size
from fmcompress.arrays import decode, encode
from fmcompress.bounds import Bounds
from fmcompress.codecs import CODECS, codec_named, ebpc_plain
from fmcompress.codecs.ebpc import BLOCK_SIZES, Ebpc
from fmcompress.compression import compress, stats
from fmcompress.decompression import decompress
from fmcompress.kernel_loading import Compiled, kernel, kernel_folder, kernel_words, telling
from fmcompress.reader import open as open_container
from fmcompress.reporting.word_details import SYMBOLS
from fmcompress.verification import verify
from fmcompress.words.zero_points import most_frequent

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Some chunks, and a shorter one at the end.
WORDS, CHUNK_WORDS = 9000, 1024
# A kernel may be another one for each width of words.
DTYPES = ("uint8", "uint16", "uint32")
# Layers, and w where it is not the dtype's: 8-bit words have kernels of their own.
CODED = (("*", None), ("uint16", 12), ("narrow", 4))


@dataclass(frozen=True, slots=True)
class WarmUp:
    """What `warm_up` did.

    Attributes
    ----------
    compiled : tuple of Compiled
        Kernels that were not there, in the order in which they were compiled; a kernel stands
        here twice if it takes two kinds of arguments.
    seconds : float
        What it took in all.
    folder : str
        Where compiled kernels are kept.
    """

    compiled: tuple[Compiled, ...]
    seconds: float
    folder: str


def warm_up(tell: Callable[[Compiled], None] | None = None) -> WarmUp:
    """Compile all kernels that are not there yet, and keep them.

    Parameters
    ----------
    tell : callable, optional
        Called with every kernel as soon as it is compiled.

    Returns
    -------
    WarmUp

    Raises
    ------
    FmcError
        If compiled kernels cannot be kept, or `NUMBA_DISABLE_JIT` is set.
    OSError
        If a small file cannot be written to the folder for temporary files.
    """
    start = time.monotonic()
    folder = kernel_folder()
    compiled: list[Compiled] = []

    def note(kernel: Compiled) -> None:
        compiled.append(kernel)
        if tell is not None:
            tell(kernel)

    with telling(note):
        for work in WORK:
            work()
    return WarmUp(tuple(compiled), time.monotonic() - start, folder)


def _code_files() -> None:
    """Compress and decompress a dump of all kinds of words, with blocks of all sizes."""
    import numpy as np

    with tempfile.TemporaryDirectory(prefix="fmc-") as name:
        dump, container, back = (Path(name, file) for file in ("maps.npz", "maps.fmc", "back.npz"))
        maps: dict[str, Any] = {dtype: _maps(dtype) for dtype in DTYPES}
        maps["narrow"] = _maps("uint8") & 15
        np.savez(dump, **maps)
        for block_size in BLOCK_SIZES:
            for picked, word_bits in CODED:
                coding: Any = {"block_size": block_size, "word_bits": word_bits}
                coding |= {"chunk_words": CHUNK_WORDS, "zero_point": 0, "layers": picked}
                stats(dump, **coding)
                compress(dump, container, **coding)
                verify(container)
                decompress(container, back)
                with open_container(container) as file:
                    file["uint16"][CHUNK_WORDS // 2 : 2 * CHUNK_WORDS]


def _find_zero_points() -> None:
    """Count values."""
    for dtype in DTYPES:
        most_frequent([_maps(dtype)])


def _find_bounds() -> None:
    """Count words and pairs of them, and divide values into ranges."""
    for word_bits in (8, 16):
        bounds = Bounds(word_bits)
        bounds.add(_maps(f"uint{word_bits}"))
        if word_bits == 8 and bounds.times is not None:
            apack_size(bounds.times, word_bits)


def _count_symbols() -> None:
    """Count the symbols of BPC streams."""
    import numpy as np

    counts, bits = (np.zeros(len(SYMBOLS), np.int64) for _ in range(2))
    words = kernel_words(_maps("uint8"))
    kernel("bpc_symbols", "count")(words, CHUNK_WORDS, 8, BLOCK_SIZES[0], 0, counts, bits)


def _code_arrays() -> None:
    """Encode and decode arrays."""
    for dtype in DTYPES:
        for block_size in BLOCK_SIZES:
            decode(encode(_maps(dtype), block_size=block_size))


def _code_by_each_codec() -> None:
    """Encode, measure and decode with every codec."""
    for name in CODECS:
        for dtype, word_bits in zip(DTYPES, (8, 16, 32), strict=True):
            words = _maps(dtype)
            for part in codec_named(name).fitted(partial(list, [words]), word_bits).parts:
                for chunk_words in (CHUNK_WORDS, words.size):
                    streams = part.encode_chunks(words, word_bits, chunk_words)
                    part.measure_chunks(words, word_bits, chunk_words)
                    counts = [chunk_words] * (words.size // chunk_words)
                    counts += [words.size % chunk_words] * (words.size % chunk_words > 0)
                    transmissions = zip(streams, counts, strict=True)
                    part.decode_chunks([(*both, count) for both, count in transmissions], word_bits)


def _code_plainly() -> None:
    """Encode and decode word by word, as is done to say where a stream is damaged."""
    words = _maps("uint32")
    (streams,) = ebpc_plain.encode(words, 8, words.size, Ebpc())
    ebpc_plain.decode([(*streams, words.size)], 8, Ebpc())
    ((_, blocks),) = ebpc_plain.encode_blocks(words, 8, words.size, Ebpc())
    ebpc_plain.decode_blocks(b"", blocks, words.size, 8, Ebpc().block_size)


def _simulate() -> None:
    """Time the hardware's models, step them, and trace them."""
    import numpy as np

    from fmcompress.hardware import Settings
    from fmcompress.simulation import simulate

    with tempfile.TemporaryDirectory(prefix="fmc-") as name:
        dump = Path(name, "maps.npy")
        np.save(dump, _maps("uint8"))
        for settings in (
            Settings(),
            Settings(stalls={"bpc": "periodic:1/2"}),
            Settings(trace=range(10)),
        ):
            simulate(dump, settings=settings, zero_point=0, chunk_words=CHUNK_WORDS)


def _maps(dtype: str) -> NDArray[Any]:
    """Return elements with zeros among them, of 8 bits each."""
    import numpy as np

    values = np.random.default_rng(0).integers(0, 256, WORDS)
    return np.where(values < 100, 0, values).astype(dtype)


# Everything that calls kernels, done once in small. What is missing here, somebody waits for:
# tests/test_startup.py compares it with what the commands do.
WORK: tuple[Callable[[], None], ...] = (
    _code_files,
    _find_zero_points,
    _find_bounds,
    _count_symbols,
    _code_arrays,
    _code_by_each_codec,
    _code_plainly,
    _simulate,
)
