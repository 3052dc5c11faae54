"""One harness for every path through EBPC: cases, paths, and the checks that compare them.

* **Cases** are `Transmission` values: hypothesis strategies (`transmissions`), a list of edges
  (`edge_words`), and the recordings of the hardware (`golden`). They know nothing of the code.
* A **path** is anything with the two functions of `Path`. The reference is one as it stands;
  `CODEC_PATHS` are those of the product's codec. A hardware model is one more path: give it these two
  functions, hand it to the checks, and it inherits every case.
* A **check** compares a path with the reference: `check_round_trip`, `check_same_outcome`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple, Protocol

import numpy as np
import pytest
from conftest import AGAIN, JIT, USUAL
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from vectors import load

from fmcompress import reference
from fmcompress.codecs import ebpc_paths, plane_blocks
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.errors import StreamError
from fmcompress.reference import BLOCK_SIZES, DIFFERENCES, MAX_BURSTS, WORD_BITS
from fmcompress.stream_words import word_dtype

INTEGER_DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32")


def examples(count: int) -> settings:
    """Run a property on `count` examples: the same ones each time, however long they take.

    Half of them will do where kernels are run another way, in plain Python or with bounds checked;
    and a third where all of them were run already, under another Python.
    """
    share = 3 if AGAIN else 1 if USUAL else 2
    return settings(max_examples=-(-count // share), deadline=None, derandomize=True)


# --- Cases --------------------------------------------------------------------------------


class Transmission(NamedTuple):
    """Words of one transmission, as bit patterns, and how to encode them."""

    words: list[int]
    word_bits: int = 8
    block_size: int = 8
    max_burst: int = 16
    difference: str = "signed"


@cache
def golden() -> list[tuple[Transmission, bytes, bytes]]:
    """Every transmission recorded from the hardware, with its two streams."""
    return [
        (Transmission(words, case.word_bits, case.block_size, case.max_burst), znz, bpc)
        for case in load()
        for words, znz, bpc in zip(case.words, case.znz, case.bpc, strict=True)
    ]


def edge_words(word_bits: int, block_size: int, max_burst: int) -> dict[str, list[int]]:
    """Words at the edges of these parameters, each under its name."""
    full = 2**word_bits - 1
    lowest = 2 ** (word_bits - 1)  # as a two's complement number
    highest = lowest - 1
    ramp = [1 + i % full for i in range(block_size)]
    edges: dict[str, list[int]] = {
        "no words": [],
        "one zero": [0],
        "one word": [1],
        "lowest word": [lowest],
        "all bits": [full],
        "lowest and highest": [lowest, highest] * block_size,
        "highest and lowest": [highest, lowest] * block_size,
        "one and all bits": [1, full] * block_size,
        "ramp": ramp,
        "ramp down, zeros between": [x for word in reversed(ramp) for x in (0, word)],
        "word of each bit": [1 << bit for bit in range(word_bits)],
        "zeros and words in turn": [0, full] * 70,
        "as many ZNZ bits as can be": [1] * 15 + [0, 1, 1, 0, 1] + [0, 1] * 6 + [1] * 50,
        "all words equal": [highest] * (2 * block_size),
        "one word stands out": [*[full] * (block_size - 1), lowest, *[full] * block_size],
    }
    for words in (block_size - 1, block_size, block_size + 1, 2 * block_size):
        edges[f"{words} words"] = [1 + (i * i) % full for i in range(words)]
    for zeros in (max_burst - 1, max_burst, max_burst + 1, 2 * max_burst, 2 * max_burst + 1):
        edges[f"{zeros} zeros"] = [0] * zeros
        edges[f"{zeros} zeros between words"] = [full, *[0] * zeros, 1]
        edges[f"{zeros} zeros around a word"] = [*[0] * zeros, lowest, *[0] * zeros]
    return edges


def parameters(
    word_bits: Sequence[int] = WORD_BITS,
    block_sizes: Sequence[int] = BLOCK_SIZES,
    max_bursts: Sequence[int] = MAX_BURSTS,
) -> st.SearchStrategy[tuple[int, int, int]]:
    """Choose w, n and R."""
    return st.tuples(*map(st.sampled_from, (word_bits, block_sizes, max_bursts)))


def words(word_bits: int, block_size: int, max_burst: int) -> st.SearchStrategy[list[int]]:
    """Choose words: noise, runs, constants, slopes and extremes, in pieces one after another.

    The pieces' lengths lie around the block size and the burst lengths.
    """
    full = 2**word_bits - 1
    lowest = 2 ** (word_bits - 1)
    any_word = st.integers(0, full)
    value = st.integers(1, full)  # not zero
    extreme = st.sampled_from(sorted({0, 1, lowest - 1, lowest, lowest + 1 & full, full}))
    step = st.sampled_from([-2, -1, 0, 0, 1, 2])
    lengths = [1, block_size - 1, block_size, block_size + 1]
    bursts = [1, 2, max_burst - 1, max_burst, max_burst + 1, 2 * max_burst + 1]

    piece = st.one_of(
        st.lists(any_word, max_size=2 * block_size),
        st.lists(st.just(0) | value, max_size=block_size),
        st.lists(value, min_size=block_size - 1, max_size=block_size + 1),
        st.lists(extreme, max_size=2 * block_size),
        st.sampled_from(bursts).map(lambda times: [0] * times),
        st.tuples(value, st.sampled_from(lengths)).map(
            lambda constant: [constant[0]] * constant[1]
        ),
        st.tuples(any_word, st.lists(step, max_size=2 * block_size)).map(
            lambda slope: [word & full for word in accumulate(slope[1], initial=slope[0])]
        ),
    )
    return st.lists(piece, max_size=6).map(lambda pieces: [word for p in pieces for word in p])


@st.composite
def transmissions(
    draw: st.DrawFn,
    word_bits: Sequence[int] = WORD_BITS,
    block_sizes: Sequence[int] = BLOCK_SIZES,
    max_bursts: Sequence[int] = MAX_BURSTS,
    differences: Sequence[str] = DIFFERENCES,
) -> Transmission:
    """Choose any words with any of these parameters."""
    chosen = draw(parameters(word_bits, block_sizes, max_bursts))
    return Transmission(draw(words(*chosen)), *chosen, draw(st.sampled_from(differences)))


@st.composite
def integer_arrays(draw: st.DrawFn, dtypes: Sequence[str] = INTEGER_DTYPES) -> NDArray[Any]:
    """Choose an array: any integer dtype, both byte orders, 0 to 4 dimensions, any layout."""
    dtype = np.dtype(draw(st.sampled_from(dtypes))).newbyteorder(draw(st.sampled_from("<>")))
    range_ = np.iinfo(dtype)
    near_zero = st.integers(max(range_.min, -3), 3)
    elements = near_zero | st.integers(int(range_.min), int(range_.max))
    shape = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6)
    array = draw(hnp.arrays(dtype, shape, elements=elements, fill=st.just(0)))
    layout = draw(st.sampled_from(["C", "F", "reversed", "strided"]))
    if layout == "F":
        return np.array(array, order="F")
    if layout == "reversed" and array.ndim:
        return array[::-1].T
    if layout == "strided" and array.ndim:
        return np.repeat(array, 2, axis=-1)[..., ::2]
    return array


# --- Paths --------------------------------------------------------------------------------


class Path(Protocol):
    """One way from words to streams and back; words are bit patterns."""

    def encode(
        self,
        words: Sequence[int],
        word_bits: int,
        block_size: int,
        max_burst: int,
        difference: str,
    ) -> tuple[bytes, bytes]:
        """Return the ZNZ and the BPC stream."""
        ...

    def decode(
        self, znz: bytes, bpc: bytes, count: int, word_bits: int, block_size: int, max_burst: int
    ) -> list[int]:
        """Return the words; raise `StreamError` where the streams are invalid."""
        ...


class CodecPath:
    """The codec of the product, by one of its paths through the kernels."""

    def __init__(self, kernels: str) -> None:
        self.kernels = kernels

    def __repr__(self) -> str:
        return self.kernels

    def encode(
        self,
        words: Sequence[int],
        word_bits: int,
        block_size: int,
        max_burst: int,
        difference: str,
    ) -> tuple[bytes, bytes]:
        codec = Ebpc(block_size, max_burst, difference)
        with self._chosen():
            return codec.encode(np.array(words, word_dtype(word_bits)), word_bits)

    def decode(
        self, znz: bytes, bpc: bytes, count: int, word_bits: int, block_size: int, max_burst: int
    ) -> list[int]:
        with self._chosen():
            decoded = Ebpc(block_size, max_burst).decode(znz, bpc, count, word_bits)
        assert decoded.dtype == word_dtype(word_bits)
        assert decoded.shape == (count,)
        return decoded.tolist()

    @contextmanager
    def _chosen(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(ebpc_paths.VARIABLE, self.kernels)
            patch.setattr(plane_blocks, "LEAST_IN_VECTORS", 1)
            yield


REFERENCE: Path = reference
# Those that this machine has; in plain Python, which is slow, the portable one has tests of its own
# alone (test_fast_kernels.py).
CODEC_PATHS: list[Path] = [
    CodecPath(name)
    for name in ebpc_paths.PATHS[: ebpc_paths.PATHS.index(ebpc_paths.fastest()) + 1]
    if JIT or name != ebpc_paths.PORTABLE
]


# --- Checks -------------------------------------------------------------------------------


def check_round_trip(
    words: Sequence[int],
    word_bits: int = 8,
    block_size: int = 8,
    max_burst: int = 16,
    difference: str = "signed",
    *,
    paths: Sequence[Path] = CODEC_PATHS,
) -> tuple[bytes, bytes]:
    """Encode and decode by `paths` and by the reference: same bytes, same words.

    Returns
    -------
    znz, bpc : bytes
        The streams.
    """
    numbers = (word_bits, block_size, max_burst)
    streams = REFERENCE.encode(words, *numbers, difference)
    assert REFERENCE.decode(*streams, len(words), *numbers) == list(words)
    bounds = Ebpc(block_size, max_burst).most_bytes(len(words), word_bits)
    assert all(len(stream) <= most for stream, most in zip(streams, bounds, strict=True))
    for path in paths:
        assert path.encode(words, *numbers, difference) == streams, path
        assert path.decode(*streams, len(words), *numbers) == list(words), path
    return streams


class Fault(NamedTuple):
    """Where and why a decoder stopped; comparable, unlike the exception."""

    name: str
    word: int
    bit: int


def outcome(path: Path, znz: bytes, bpc: bytes, count: int, *numbers: int) -> list[int] | Fault:
    """Decode any bytes; anything but words or a `StreamError` passes through."""
    try:
        return path.decode(znz, bpc, count, *numbers)
    except StreamError as error:
        return Fault(error.fault.name, error.word, error.bit)


def check_same_outcome(
    znz: bytes,
    bpc: bytes,
    count: int,
    word_bits: int = 8,
    block_size: int = 8,
    max_burst: int = 16,
    *,
    paths: Sequence[Path] = CODEC_PATHS,
) -> list[int] | Fault:
    """Decode any bytes by `paths` and by the reference: same words, or same fault and place.

    Returns
    -------
    list of int or Fault
        What the reference says.
    """
    numbers = (word_bits, block_size, max_burst)
    expected = outcome(REFERENCE, znz, bpc, count, *numbers)
    for path in paths:
        assert outcome(path, znz, bpc, count, *numbers) == expected, path
    return expected
