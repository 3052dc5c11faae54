"""Instructions for eight words: compiled they do what their Python does."""

from __future__ import annotations

import operator
from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np
import pytest
from conftest import BOUNDS, JIT
from numba import njit
from numpy.typing import NDArray

from fmcompress.codecs import ebpc_paths
from fmcompress.kernels.bits import extract_bits, ones_of
from fmcompress.kernels.eight_words import (
    INSTRUCTIONS,
    any_high,
    in_registers,
    leading_zeros,
    load_big,
    load_eight,
    look_up,
    store_eight,
    store_word,
    turned,
)

pytestmark = pytest.mark.skipif(
    not JIT or ebpc_paths.fastest() != ebpc_paths.FAST,
    reason="nothing is compiled, or the processor has no such instructions",
)


def given(parts: int) -> list[NDArray[np.uint64]]:
    """Words among which there are equal, small and large ones."""
    random = np.random.default_rng(parts)
    words = random.integers(0, 2**64, (parts, 8), np.uint64)
    words[:, 1:3] >>= np.uint64(60)
    words[:, 3] = 0
    words[-1, 4] = words[0, 4]
    return list(words)


@pytest.mark.parametrize(
    "function",
    [function for function in INSTRUCTIONS if function not in (any_high, turned)],
    ids=lambda function: function.__name__,
)
def test_instruction(function: Callable[..., Any]) -> None:
    """An instruction, on registers."""
    parts = 1 if function is operator.invert else len(signature(function).parameters)
    words = given(parts)
    if function in (operator.lshift, operator.rshift):
        words[1] &= np.uint64(63)
    expected = function(*[word.copy() for word in words])

    @njit
    def one(a: Any, result: Any) -> None:
        store_eight(result, 0, function(load_eight(a, 0)))

    @njit
    def two(a: Any, b: Any, result: Any) -> None:
        store_eight(result, 0, function(load_eight(a, 0), load_eight(b, 0)))

    @njit
    def three(a: Any, b: Any, c: Any, result: Any) -> None:
        store_eight(result, 0, function(load_eight(a, 0), load_eight(b, 0), load_eight(c, 0)))

    @njit
    def four(a: Any, b: Any, c: Any, d: Any, result: Any) -> None:
        first = function(load_eight(a, 0), load_eight(b, 0), load_eight(c, 0), load_eight(d, 0))
        store_eight(result, 0, first)

    result = np.zeros(8, np.uint64)
    (one, two, three, four)[parts - 1](*words, result)
    assert result.tolist() == expected.tolist()


def test_turned() -> None:
    """Every bit to its place."""

    @njit
    def compiled(squares: Any, wanted: np.uint64, result: Any) -> None:
        store_eight(result, 0, turned(load_eight(squares, 0), wanted))

    squares = given(1)[0]
    for wanted in (0x0102040810204080, 0x8040201008040201, 0x0102040810204000):
        result = np.zeros(8, np.uint64)
        compiled(squares, np.uint64(wanted), result)
        assert result.tolist() == turned(squares, np.uint64(wanted)).tolist()
    one = np.zeros(8, np.uint64)
    one[2] = 1 << (8 * 7 + 5)  # bit 5 of the highest octet: bit 0 of where 1 << 5 is wanted
    assert turned(one, np.uint64(0x20 << 16))[2] == 1 << 16


def test_any_high() -> None:
    """The highest bit of any octet, and no other."""

    @njit
    def compiled(words: Any) -> bool:
        return any_high(load_eight(words, 0))

    for value, expected in ((0x7F7F7F7F7F7F7F7F, False), (0x80, True), (1 << 63, True)):
        words = np.zeros(8, np.uint64)
        words[5] = value
        assert compiled(words) is expected is any_high(words)


def test_memory_and_tables() -> None:
    """Loads from eight places, a store, and a table in registers."""

    @njit
    def compiled(octets: Any, places: Any, table: Any, result: Any) -> None:
        found = load_big(octets, load_eight(places, 0))
        store_eight(result, 0, found)
        store_eight(result, 8, look_up(in_registers(table), found))
        store_word(octets, places[3], result[0])

    random = np.random.default_rng(0)
    octets = random.integers(0, 256, 100, np.uint8)
    places = np.array([0, 92, 3, 50, 51, 7, 8, 9], np.uint64)
    table = random.integers(0, 256, 128, np.uint8)
    result = np.zeros(16, np.uint64)
    before = octets.copy()
    compiled(octets, places, table, result)
    found = load_big(before, places)
    assert result[:8].tolist() == found.tolist()
    assert int(found[1]) == int.from_bytes(before[92:].tobytes(), "big")
    assert result[8:].tolist() == look_up(table, found).tolist()
    store_word(before, places[3], found[0])
    assert (octets == before).all()


@pytest.mark.skipif(not BOUNDS, reason="bounds are not checked")
def test_bounds_are_checked() -> None:
    """Of loads and stores of eight words, of one, and of eight loads at once."""

    @njit
    def load(words: Any, octets: Any, at: int) -> None:
        store_eight(words, 0, load_eight(words, at))

    @njit
    def store(words: Any, octets: Any, at: int) -> None:
        store_eight(words, at, load_eight(words, 0))

    @njit
    def store_one(words: Any, octets: Any, at: int) -> None:
        store_word(octets, np.uint64(8 * at), words[0])

    @njit
    def gather(words: Any, octets: Any, at: int) -> None:
        words[5] = 8 * at
        store_eight(words, 0, load_big(octets, load_eight(words, 0)))

    for compiled, too_large in ((load, 9), (store, 9), (store_one, 16), (gather, 16)):
        compiled(np.zeros(16, np.uint64), np.zeros(128, np.uint8), too_large - 1)
        with pytest.raises(IndexError):
            compiled(np.zeros(16, np.uint64), np.zeros(128, np.uint8), too_large)


def test_single_words() -> None:
    """Bits are counted, and brought together."""

    @njit
    def compiled(word: np.uint64, mask: np.uint64) -> tuple[np.uint64, np.uint64]:
        return ones_of(mask), extract_bits(word, mask)

    some, mask = (np.uint64(n) for n in given(1)[0][[0, 5]])
    for pair in ((some, mask), (some, np.uint64(0)), (some, ~np.uint64(0))):
        assert compiled(*pair) == (ones_of(pair[1]), extract_bits(*pair))
    assert extract_bits(np.uint64(0b1010), np.uint64(0b1100)) == 0b10


def test_scalars_are_repeated() -> None:
    """An operator between eight words and one, as NumPy has it."""

    @njit
    def compiled(words: Any, result: Any) -> None:
        eight = load_eight(words, 0)
        store_eight(result, 0, (eight + np.uint64(3)) & np.uint64(0xFFFF))

    words = given(1)[0]
    result = np.zeros(8, np.uint64)
    compiled(words, result)
    assert result.tolist() == ((words + np.uint64(3)) & np.uint64(0xFFFF)).tolist()


def test_leading_zeros_of_nothing() -> None:
    """A word of 0 has 64 of them."""
    assert leading_zeros(np.zeros(8, np.uint64)).tolist() == [64] * 8
