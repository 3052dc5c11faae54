"""The code that `huffman` chooses, and what its streams and descriptions must not be."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from pathlib import Path

import hostile
import numpy as np
import pytest
from harness import examples
from hypothesis import given
from hypothesis import strategies as st
from test_codecs import array, check, fitted

from fmcompress.codecs import codec_from_description, codec_named, huffman, prefix_codes
from fmcompress.codecs.huffman import Huffman
from fmcompress.errors import CodeFault, DamagedError, ParameterError, StreamError
from fmcompress.kernels import huffman as kernels

LONGEST = prefix_codes.LONGEST


def test_constants_agree() -> None:
    """Codec and kernels share no line, but these numbers."""
    assert kernels.MOST_SYMBOL_BITS == huffman.MOST_SYMBOL_BITS
    assert (kernels.LONGEST, kernels.FIRST) == (LONGEST, prefix_codes.FIRST)


# --- Lengths ------------------------------------------------------------------------------


def kraft(lengths: Sequence[int]) -> int:
    """Of the room of 2^15 codes of 15 bits, how much these take."""
    return sum(1 << (LONGEST - length) for length in lengths if length)


def unlimited(counts: Sequence[int]) -> tuple[int, int]:
    """Bits of a Huffman code without a limit, and its longest code, the shortest that can be."""
    heap = [(count, 0) for count in counts if count]
    heapq.heapify(heap)
    bits = 0
    while len(heap) > 1:
        (one, depth), (other, deeper) = heapq.heappop(heap), heapq.heappop(heap)
        bits += one + other
        heapq.heappush(heap, (one + other, 1 + max(depth, deeper)))
    return bits, heap[0][1]


def total(counts: Sequence[int], lengths: Sequence[int]) -> int:
    return sum(count * length for count, length in zip(counts, lengths, strict=True))


any_counts = st.lists(
    st.integers(0, 20) | st.sampled_from([0, 1, 1, 1]) | st.integers(0, 1 << 40), max_size=256
)


@examples(200)
@given(any_counts)
def test_lengths(counts: list[int]) -> None:
    """Codes for what occurs, no room left, and the fewest bits where the limit does not count."""
    lengths = prefix_codes.limited_lengths(counts)
    assert [length > 0 for length in lengths] == [count > 0 for count in counts]
    assert max(lengths, default=0) <= LONGEST
    occur = len(counts) - counts.count(0)
    if occur > 1:
        assert kraft(lengths) == 1 << LONGEST
        bits, longest = unlimited(counts)
        assert total(counts, lengths) >= bits
        if longest <= LONGEST:
            assert total(counts, lengths) == bits
    else:
        assert sum(lengths) == occur


@pytest.mark.parametrize("occur", [16, 17, 25, 60])
def test_limit(occur: int) -> None:
    """Counts that grow as Fibonacci's numbers ask for one bit more a symbol."""
    counts = [1, 1]
    while len(counts) < occur:
        counts.append(counts[-1] + counts[-2])
    _, longest = unlimited(counts)
    lengths = prefix_codes.limited_lengths(counts)
    assert longest == occur - 1
    assert max(lengths) == LONGEST
    assert kraft(lengths) == 1 << LONGEST
    assert lengths == sorted(lengths, reverse=True)
    assert (total(counts, lengths) > unlimited(counts)[0]) == (longest > LONGEST)


def test_limit_is_kept_in_the_best_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """All lengths of five symbols that there are, under a limit of three bits."""
    monkeypatch.setattr(prefix_codes, "LONGEST", 3)
    grids = np.meshgrid(*[np.arange(1, 4)] * 5)
    all_lengths = np.stack([grid.ravel() for grid in grids])
    legal = all_lengths[:, (1 << (3 - all_lengths)).sum(axis=0) <= 8]
    for counts in ([1, 1, 2, 4, 8], [1, 2, 3, 100, 1000], [5, 5, 5, 5, 5], [1, 1, 1, 1, 9]):
        lengths = prefix_codes.limited_lengths(counts)
        assert max(lengths) <= 3
        assert total(counts, lengths) == (np.array(counts) @ legal).min()


def test_all_symbols() -> None:
    """As many as there are, all alike: the words as they are."""
    assert prefix_codes.limited_lengths([7] * 256) == [8] * 256


# --- Streams ------------------------------------------------------------------------------


def steep(w: int) -> list[int]:
    """Words of ever rarer symbols, so that their codes have all lengths up to the longest."""
    symbols = range(1 << w) if w <= 8 else [0, *(1 << c for c in range(w))]
    return [word for c, word in enumerate(symbols) for _ in range(max(1, (1 << 11) >> c))]


@pytest.mark.parametrize("w", [5, 8, 16, 32])
@pytest.mark.parametrize("name", ["huffman", "huffman:signed=no"])
def test_long_codes(name: str, w: int) -> None:
    """Those longer than the first look, behind one another and among short ones."""
    numbers = steep(w)
    codec = fitted(codec_named(name), numbers, w)
    assert isinstance(codec, Huffman)
    assert max(map(int, codec.lengths, [16] * len(codec.lengths))) > prefix_codes.FIRST
    check(codec_named(name), numbers, w)
    check(codec_named(name), numbers[::-1], w)


def bits(text: str) -> bytes:
    """A stream of these bits, padded."""
    text = text.replace(" ", "")
    text += "0" * (-len(text) % 8)
    return int("0" + text, 2).to_bytes(len(text) // 8, "big")


def lengths_of(symbols: int, **lengths: int) -> str:
    """Lengths of some symbols, ``c3=2``, of so many."""
    return "".join(f"{lengths.get(f'c{symbol}', 0):x}" for symbol in range(symbols))


# Categories 0, 1, 8 and 9 of words of 9 bits: codes 0, 10, 110 and 111.
NINE = lengths_of(10, c0=1, c1=2, c8=3, c9=3)
SYMBOL, TRUNCATED = CodeFault.SYMBOL, CodeFault.TRUNCATED
FAULTS = [
    # w, signed, lengths, stream, the word and the bit at fault
    (9, True, NINE, "0 111 011111110", SYMBOL, 1, 4),  # -257
    (9, True, NINE, "0 111 000000000", SYMBOL, 1, 4),
    (9, True, NINE, "111 100000000", SYMBOL, 0, 3),  # 256
    (9, True, NINE, "111 111111111", SYMBOL, 0, 3),
    (9, False, NINE, "10 1 10 0", SYMBOL, 1, 5),  # -1
    (9, False, NINE, "110 01111111", SYMBOL, 0, 3),
    (9, False, NINE, "111 011111111", SYMBOL, 0, 3),
    (9, True, NINE, "0 111 0111", TRUNCATED, 1, 1),
    (9, True, NINE, "0000 110 1", TRUNCATED, 4, 4),
    (2, True, "1200", "0 10 11", SYMBOL, 2, 3),  # no code begins so
    (2, True, "1000", "0 1", SYMBOL, 1, 1),
    (2, True, "1000", "00000000", TRUNCATED, 8, 8),
    (2, True, "0000", "", SYMBOL, 0, 0),
    (2, True, "2000", "0000001", SYMBOL, 3, 6),  # so much of a code that there is none
    (8, True, lengths_of(256, c0=1, c1=15, c2=15), "0 100000000000001 1000000001", SYMBOL, 2, 16),
    (8, True, lengths_of(256, c0=1, c1=15), "0 100000000000010", SYMBOL, 1, 1),
    (8, True, lengths_of(256, c0=1, c1=15), "0 10000000000000 0", TRUNCATED, 2, 16),
]


@pytest.mark.parametrize(("w", "signed", "lengths", "text", "fault", "word", "bit"), FAULTS)
def test_fault(
    w: int, signed: bool, lengths: str, text: str, fault: CodeFault, word: int, bit: int
) -> None:
    """Each found with pencil; what lies before it is right."""
    with pytest.raises(StreamError) as caught:
        Huffman(signed, lengths).decode(b"", bits(text), 100, w)
    error = caught.value
    assert (error.fault, error.word, error.bit) == (fault, word, bit)


def test_extremes_of_each_category() -> None:
    """The words on both sides of every power of two, and no others are of that category."""
    for w in (9, 16, 32):
        for signed in (True, False):
            edges = {abs((1 << c) + step) for c in range(w + 1) for step in (-1, 0, 1)}
            edges |= {-edge for edge in edges}
            check(Huffman(signed), sorted({edge % 2**w for edge in edges}), w)


# --- Descriptions -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lengths", ["111", "12333", "2" * 5, "0" * 257, "0F", "1g", " 1", "-1", "٣", "1\n"]
)
def test_lengths_that_are_no_code(lengths: str) -> None:
    with pytest.raises(ParameterError, match="lengths"):
        Huffman(True, lengths)
    with pytest.raises(DamagedError, match="lengths"):
        codec_from_description({"name": "huffman", "signed": True, "lengths": lengths})


@pytest.mark.parametrize(("w", "symbols"), [(1, 2), (2, 4), (8, 256), (9, 10), (32, 33)])
def test_lengths_for_other_words(w: int, symbols: int) -> None:
    """A layer's description that does not fit its words is damaged, whatever its streams are."""
    for number in {0, 1, symbols - 1, symbols + 1, 256} - {symbols, 257}:
        codec = Huffman(True, "1".ljust(number, "0")[:number])
        with pytest.raises(DamagedError, match=f"{number} lengths, not {symbols}, for {w}-bit"):
            codec.decode(b"", b"", 0, w)
    assert Huffman(True, "1".ljust(symbols, "0")).decode(b"", b"\0", 8, w).tolist() == [0] * 8


CODES = {
    "none": "",
    "a few": "11",
    "no code": "1" * 256,
    "no end": "1" * 8_000_000,
    "a number": 7,
}


@pytest.mark.parametrize("lengths", CODES.values(), ids=CODES.keys())
def test_container_with_a_damaged_code(lengths: object, tmp_path: Path) -> None:
    """Its checksums are right, and it is refused."""
    head = hostile.npy_head(4)
    codec = {"name": "huffman", "signed": True, "lengths": lengths}
    about = hostile.layers(hostile.row("a", codec=codec, place={"offset": len(head)}))
    parts = hostile.template((0, head)), about, hostile.raw_chunk(4, 4, b"", b"\0", codec=10)
    data = hostile.container(hostile.dump(len(head) + 4), *parts)
    hostile.assert_refused(data, tmp_path, (3,), most_bytes=1 << 27)


@pytest.mark.parametrize("w", [8, 16])
def test_words_that_have_no_code(w: int) -> None:
    """A codec that was fitted to nothing, or to other words, cannot code these."""
    for ready, first in ((Huffman(), 0), (fitted(Huffman(), [9, 9, 0], w), 2)):
        for call in (ready.encode, lambda words, w: ready.measure_chunks(words, w, 2)):  # noqa: B023
            with pytest.raises(ParameterError, match=f"word {first}, .* no code; fit the codec"):
                call(array([9, 0, 100, 9], w), w)
    assert Huffman().encode(array([], w), w) == (b"", b"")
    for wide in (1 << w, 1 << 31):
        with pytest.raises(ParameterError, match="no code"):
            Huffman(False, "1" * 2).encode(np.array([wide], np.uint32), w)
        with pytest.raises(ParameterError, match=f"word {wide} has more than {w} bits"):
            Huffman(False).fitted(lambda: [np.array([0, wide], np.uint32)], w)  # noqa: B023


def test_fitted() -> None:
    """Counted over all arrays of a layer; the table's size is told."""
    codec = Huffman(False)
    assert codec.table_bits == 0
    parts = [array([1] * 4, 2), array([], 2), array([2, 2, 3, 0], 2)]
    ready = codec.fitted(lambda: parts, 2)
    assert ready == Huffman(False, "3123")
    assert ready.table_bits == 16
    assert codec.fitted(list, 2) == Huffman(False, "0000")
    assert codec.fitted(lambda: [array([5, 5], 9)], 9) == Huffman(False, "0001000000")
    for w in (0, 33):
        with pytest.raises(ParameterError, match=f"{w} bits"):
            codec.fitted(lambda: parts, w)
