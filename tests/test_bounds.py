"""Entropy and APack's size, against sums over words one by one and over all divisions."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from conftest import JIT
from harness import examples
from hypothesis import given
from hypothesis import strategies as st

from fmcompress.apack import PROBABILITY_BITS, RANGES, apack_size, probabilities
from fmcompress.bounds import Bounds
from fmcompress.errors import ParameterError
from fmcompress.kernels import value_ranges
from fmcompress.stream_words import word_dtype


def counted(words: Sequence[int], w: int, pieces: int = 1) -> Bounds:
    """The bounds of these words, fed in so many arrays."""
    bounds = Bounds(w)
    for piece in np.array_split(np.array(words, word_dtype(w)), pieces):
        bounds.add(piece)
    return bounds


# --- Entropy ------------------------------------------------------------------------------


def entropy_bits(words: Sequence[int]) -> float:
    """Word by word, how surprising each one is."""
    counts = Counter(words)
    return sum(-math.log2(counts[word] / len(words)) for word in words)


def given_left_bits(words: Sequence[int]) -> float:
    """The words that follow each value, on their own."""
    behind: dict[int, list[int]] = {}
    for left, word in itertools.pairwise(words):
        behind.setdefault(left, []).append(word)
    return sum(map(entropy_bits, behind.values()))


@examples(150)
@given(st.data())
def test_any_words(data: st.DataObject) -> None:
    """However many arrays they come in."""
    w = data.draw(st.integers(1, 16))
    most = data.draw(st.sampled_from([2, 2**w]))
    words = data.draw(st.lists(st.integers(0, min(most, 2**w) - 1), min_size=1, max_size=120))
    bounds = counted(words, w, data.draw(st.integers(1, 5)))
    assert bounds.words == len(words)
    assert bounds.order0_bits == pytest.approx(entropy_bits(words), abs=1e-9)
    assert bounds.order0_bits_per_word == pytest.approx(entropy_bits(words) / len(words), abs=1e-9)
    assert bounds.times is not None
    assert {int(v): int(bounds.times[v]) for v in np.flatnonzero(bounds.times)} == Counter(words)
    if w > 8:
        assert bounds.given_left_bits is bounds.given_left_bits_per_word is None
        return
    expected = given_left_bits(words)
    assert bounds.given_left_bits == pytest.approx(expected, abs=1e-9)
    assert bounds.given_left_bits_per_word == pytest.approx(expected / len(words), abs=1e-9)
    assert bounds.given_left_bits <= bounds.order0_bits + 1e-9


def test_by_hand() -> None:
    """Half zeros: a bit a word; a word tells the next one, but behind a 0 half of the time."""
    bounds = counted([0, 0, 1, 2, 0, 0, 1, 2], 3)
    assert bounds.order0_bits == 8 * 1.5
    assert bounds.given_left_bits == 4
    assert bounds.given_left_bits_per_word == 0.5


def test_no_words() -> None:
    for w in (8, 16, 32):
        bounds = counted([], w)
        assert bounds.words == 0
        assert bounds.order0_bits == (0 if w <= 16 else None)
        assert bounds.given_left_bits == (0 if w <= 8 else None)
        assert bounds.order0_bits_per_word is bounds.given_left_bits_per_word is None


def test_wide_words() -> None:
    """Of which there are too many values: they are only counted."""
    bounds = counted([1, 2**32 - 1, 7], 32)
    assert bounds.words == 3
    for none in (
        bounds.times,
        bounds.order0_bits,
        bounds.order0_bits_per_word,
        bounds.given_left_bits,
        bounds.given_left_bits_per_word,
    ):
        assert none is None


@pytest.mark.parametrize("w", [0, 33])
def test_word_width_out_of_range(w: int) -> None:
    with pytest.raises(ParameterError, match=f"{w} bits"):
        Bounds(w)


@pytest.mark.parametrize("w", [1, 8, 16, 17])
def test_word_out_of_range(w: int) -> None:
    """Before anything is counted."""
    bounds = counted([1, 0], w)
    with pytest.raises(ParameterError, match=f"word {2**w} has more than {w} bits"):
        bounds.add(np.array([0, 2**w], np.uint32))
    assert bounds.words == 2


# --- APack --------------------------------------------------------------------------------


def divisions(values: int, most_ranges: int) -> Iterator[list[int]]:
    """The starts of the ranges of all divisions."""
    for ranges in range(1, most_ranges + 1):
        for inner in itertools.combinations(range(1, values), ranges - 1):
            yield [0, *inner]


def bits_of(times: Sequence[int], starts: Sequence[int]) -> float:
    """Bits of range and offset, word by word."""
    bits = 0.0
    for start, end in itertools.pairwise([*starts, len(times)]):
        words = sum(times[start:end])
        if words:
            offset_bits = math.ceil(math.log2(end - start))
            bits += words * (math.log2(sum(times) / words) + offset_bits)
    return bits


@examples(120)
@given(st.data())
def test_best_division(data: st.DataObject) -> None:
    """No other one is better, for any number of ranges."""
    values = data.draw(st.sampled_from([1, 2, 4, 7, 8]))
    count = st.sampled_from([0, 1, 100]) | st.integers(0, 50)
    times = data.draw(st.lists(count, min_size=values, max_size=values).filter(any))
    most_ranges = data.draw(st.integers(1, 8))
    found = value_ranges.divide(np.array(times, np.int64), most_ranges).tolist()
    assert found[0] == 0
    assert found == sorted(set(found))
    assert len(found) <= most_ranges
    best = min(bits_of(times, starts) for starts in divisions(values, most_ranges))
    assert bits_of(times, found) == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize(
    "words", [[1], [0, 3, 0], [1, 1, 1], [1000, 1, 0, 1], [10**9, 1], [5, 4, 3, 2, 1], [7] * 16]
)
def test_probabilities(words: list[int]) -> None:
    """They add up, each range with words has one, and moving one elsewhere saves nothing."""
    found = probabilities(words)
    assert sum(found) == 1 << PROBABILITY_BITS
    assert [number > 0 for number in found] == [count > 0 for count in words]

    def bits(numbers: Sequence[int]) -> float:
        pairs = zip(words, numbers, strict=True)
        return sum(count * -math.log2(number / 1024) for count, number in pairs if count)

    for one, other in itertools.permutations(range(len(words)), 2):
        moved = list(found)
        moved[one] -= 1
        moved[other] += 1
        if words[other] and moved[one] > 0:
            assert bits(moved) >= bits(found) - 1e-6


def test_two_values() -> None:
    """Each has a range, or shares one with values that do not occur: no offsets at all, or some."""
    times = np.zeros(256, np.int64)
    times[[0, 77]] = 3000, 1000
    size = apack_size(times, 8)
    held = [each for each in size.ranges if each.words]
    assert [(each.words, each.probability, each.offset_bits) for each in held] == [
        (3000, 768, 0),
        (1000, 256, 0),
    ]
    assert {each.probability for each in size.ranges if not each.words} == {0}
    assert size.code_bits == math.ceil(3000 * math.log2(4 / 3) + 1000 * 2)
    assert (size.offset_bits, size.table_bits) == (0, 16 * (8 + 8 + 10))
    assert size.bits == size.code_bits + size.table_bits


def test_one_value_and_none() -> None:
    times = np.zeros(16, np.int64)
    assert apack_size(times, 4) == ((), 0, 0, 16 * (4 + 4 + 10))
    times[15] = 9
    assert apack_size(times, 4).bits == 16 * (4 + 4 + 10)
    both = apack_size(np.array([1, 1]), 1)
    assert both.code_bits + both.offset_bits == 2


@examples(40 if JIT else 8)
@given(st.integers(1, 8 if JIT else 5), st.data())
def test_never_below_order_0_entropy(w: int, data: st.DataObject) -> None:
    """And the ranges are a division, at most sixteen."""
    count = st.sampled_from([0, 0, 1]) | st.integers(0, 10**6)
    times = data.draw(st.lists(count, min_size=2**w, max_size=2**w).filter(any))
    size = apack_size(np.array(times), w)
    entropy = sum(n * math.log2(sum(times) / n) for n in times if n)
    assert size.code_bits + size.offset_bits >= entropy - 1e-6
    assert len(size.ranges) <= RANGES
    ends = [each.start + each.size for each in size.ranges]
    assert [0, *ends] == [*(each.start for each in size.ranges), 2**w]
    for each, end in zip(size.ranges, ends, strict=True):
        assert each.words == sum(times[each.start : end])


def test_like_activations() -> None:
    """Words of a Laplace distribution: little above the order-0 entropy."""
    values = np.random.default_rng(4).laplace(0, 12, 100_000).round().astype(np.int64)
    bounds = counted((values & 255).tolist(), 8)
    assert bounds.times is not None
    assert bounds.order0_bits is not None
    size = apack_size(bounds.times, 8)
    least = bounds.order0_bits + size.table_bits
    assert least <= size.bits <= 1.03 * least


@pytest.mark.parametrize(("values", "w"), [(512, 9), (1, 0), (255, 8), (16, 8)])
def test_counts_of_other_words(values: int, w: int) -> None:
    with pytest.raises(ParameterError, match=f"{values} counts for words of {w} bits"):
        apack_size(np.ones(values, np.int64), w)
