"""Counts of BPC symbols, against streams read symbol by symbol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from harness import examples
from hypothesis import given
from hypothesis import strategies as st

from fmcompress.codecs.choices import DIFFERENCES
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.kernel_loading import kernel_words
from fmcompress.kernels import bpc_symbols
from fmcompress.reference import BLOCK_SIZES, encode_bits
from fmcompress.stream_words import word_dtype

# As docs/EBPC.md, section 4.4, has them; raw comes last there, too.
CODES = {"01": 1, "001": 2, "00000": 3, "00001": 4, "00010": 5, "00011": 6, "1": 7}


def counted(
    words: Sequence[int], w: int, n: int, difference: str, transmission: int
) -> tuple[list[int], list[int]]:
    """What the kernel counts: symbols, and their bits."""
    counts, bits = (np.zeros(bpc_symbols.KINDS, np.int64) for _ in range(2))
    bpc_symbols.count(
        kernel_words(np.array(words, word_dtype(w))),
        transmission,
        w,
        n,
        DIFFERENCES.index(difference),
        counts,
        bits,
    )
    return counts.tolist(), bits.tolist()


def read(stream: str, w: int, n: int) -> tuple[list[int], list[int]]:
    """Read a stream as docs/EBPC.md says, symbol by symbol."""
    run_bits, position_bits = (w - 1).bit_length(), (n - 1).bit_length()
    counts, bits = [0] * bpc_symbols.KINDS, [0] * bpc_symbols.KINDS
    more = {2: run_bits, 5: position_bits, 6: position_bits, 7: n - 1}
    at = 0
    while at < len(stream):
        counts[0], bits[0] = counts[0] + 1, bits[0] + w
        at += w
        planes = 0
        while planes <= w:
            code = next(code for code in CODES if stream.startswith(code, at))
            kind = CODES[code]
            size = len(code) + more.get(kind, 0)
            field = stream[at + len(code) : at + size]
            planes += int(field, 2) + 2 if kind == 2 else 1
            counts[kind], bits[kind] = counts[kind] + 1, bits[kind] + size
            at += size
        assert planes == w + 1
    return counts, bits


@examples(200)
@given(st.data())
def test_counts_are_those_of_a_stream_read(data: st.DataObject) -> None:
    w = data.draw(st.integers(1, 32))
    n = data.draw(st.sampled_from(BLOCK_SIZES))
    difference = data.draw(st.sampled_from(DIFFERENCES))
    top = data.draw(st.sampled_from([1, 3, 2 ** (w // 2), 2**w - 1]))
    words = data.draw(st.lists(st.integers(0, min(top, 2**w - 1)), max_size=80))
    transmission = data.draw(st.integers(1, 100))
    found = [0] * bpc_symbols.KINDS, [0] * bpc_symbols.KINDS
    for at in range(0, len(words), transmission):
        stream = encode_bits(words[at : at + transmission], w, n, 16, difference)[1]
        for sums, values in zip(found, read(stream, w, n), strict=True):
            sums[:] = np.add(sums, values).tolist()
    assert counted(words, w, n, difference, transmission) == found


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        ([], [0] * 8),
        ([0, 0], [0] * 8),
        # docs/EBPC.md, section 6: single one, raw, two ones, plane zero, single one, zero run.
        ([5, 7, 0, 9, 255], [1, 0, 1, 0, 1, 1, 2, 1]),
        # A block of equal words: planes of zeros alone.
        ([1] * 8, [1, 0, 1, 0, 0, 0, 0, 0]),
        # Differences of 1: the lowest plane is all ones, and so is its change to the next.
        (list(range(1, 9)), [1, 0, 1, 2, 0, 0, 0, 0]),
        # One filling word, 128 below the last: its sign plane is as the plane below, a zero alone.
        ([128] * 7, [1, 1, 1, 0, 0, 0, 1, 0]),
    ],
)
def test_by_hand(words: list[int], counts: list[int]) -> None:
    assert counted(words, 8, 8, "unsigned" if 128 in words else "signed", 99)[0] == counts


@pytest.mark.parametrize("w", [8, 16, 32])
def test_bits_are_those_of_the_streams(w: int) -> None:
    """Up to the padding of each."""
    random = np.random.default_rng(4)
    words = np.where(random.random(900) < 0.4, 0, random.integers(0, 60, 900)).astype(f"u{w // 8}")
    streams = Ebpc(16, 8, "unsigned").encode_chunks(words, w, 400)
    for (_, stream), at in zip(streams, (0, 400, 800), strict=True):
        bits = sum(counted(words[at : at + 400].tolist(), w, 16, "unsigned", 400)[1])
        assert 0 <= 8 * len(stream) - bits < w
