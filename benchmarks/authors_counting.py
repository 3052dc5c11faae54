"""Bits as the EBPC paper's own evaluation code counts them: a model for comparison, not a codec.

The authors published the code behind their figures. Its counts differ from what their hardware
writes, rule by rule; `Rules` switches each of these rules on and off. With all of them off, the
counts are those of the hardware's streams before padding. There are block size 8 and bursts of
up to 16 zeros, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK_WORDS = 8
BURST_WORDS = 16
BURST_BITS = 4  # of a run's length
HEADROOM = 0.75


@dataclass(frozen=True, slots=True)
class Rules:
    """The authors' rules, each of them on, or as the hardware has it.

    Attributes
    ----------
    wrapped_differences : bool
        Differences wrap to w bits, so a block has w planes, not w + 1.
    swapped_run_codes : bool
        A single plane of zeros costs 3 bits, a run of them 2 and the run's field; the hardware's
        codes are the other way round.
    short_last_block : bool
        The last block is as short as its words, and so are its planes; else it is filled up
        with zeros.
    lone_word_left_out : bool
        A last block of a single word costs nothing.
    trailing_zeros_left_out : bool
        In EBPC, the zeros at the end cost nothing, however many they are.
    long_full_burst : bool
        In zero-RLE, a burst of 16 zeros costs 6 bits, not 5.
    """

    wrapped_differences: bool = True
    swapped_run_codes: bool = True
    short_last_block: bool = True
    lone_word_left_out: bool = True
    trailing_zeros_left_out: bool = True
    long_full_burst: bool = True


AUTHORS = Rules()
HARDWARE = Rules(*[False] * 6)


class Counts(NamedTuple):
    """Bits of a frame's words, by method."""

    zero_rle: int
    zvc: int
    bpc: int
    ebpc: int


def authors_words(
    values: NDArray[Any], word_bits: int, by_maximum: bool = False
) -> NDArray[np.int64]:
    """Quantise a layer of all frames to fixed point, as the authors do, in float32.

    Parameters
    ----------
    values : ndarray of floats
    word_bits : int
        w, up to 16.
    by_maximum : bool
        Whether the maximum becomes 0.75 of full scale, not the largest magnitude. Where a
        negative value is far larger, words wrap then, as in the integers that hold them.

    Returns
    -------
    ndarray of int64
        From -2^(w-1) to 2^(w-1) - 1, of the same shape.
    """
    floats = values.astype(np.float32)
    largest = np.float32(max(floats.max() if by_maximum else np.abs(floats).max(), 0))
    if largest == 0:
        return np.zeros(values.shape, np.int64)
    full_scale = np.float32(2 ** (word_bits - 1) - 1)
    scaled = floats * (np.float32(HEADROOM) / largest) * full_scale
    return _wrapped(np.trunc(scaled).astype(np.int64), word_bits)


def counts(
    words: NDArray[Any], word_bits: int, rules: Rules = AUTHORS, float_differences: bool = False
) -> Counts:
    """Count the bits of one frame.

    Parameters
    ----------
    words : ndarray of signed integers, or of float16, shape (count,)
    word_bits : int
        w; 16 for float16.
    rules : Rules
    float_differences : bool
        Whether differences of float16 are those of floats, whose patterns are then coded. No
        decoder could undo that.
    """
    size = words.size
    patterns = words if float_differences else _wrapped(_integers(words), word_bits)
    non_zero = patterns[patterns != 0]
    runs = _zero_runs(patterns)
    full, rest = runs // BURST_WORDS, np.count_nonzero(runs % BURST_WORDS)
    burst = 1 + BURST_BITS
    zero_rle = int(full.sum()) * (burst + rules.long_full_burst) + int(rest) * burst
    kept = runs[:-1] if rules.trailing_zeros_left_out else runs
    flags = int((-(-kept // BURST_WORDS)).sum()) * burst + non_zero.size
    return Counts(
        zero_rle=zero_rle + non_zero.size * (1 + word_bits),
        zvc=size + non_zero.size * word_bits,
        bpc=plane_bits(patterns, word_bits, rules),
        ebpc=plane_bits(non_zero, word_bits, rules) + flags,
    )


def plane_bits(words: NDArray[Any], word_bits: int, rules: Rules) -> int:
    """Count the bits of bit-plane blocks; of floats, with differences of floats."""
    full = words.size // BLOCK_WORDS * BLOCK_WORDS
    last = words[full:]
    bits = _bits_of_blocks(words[:full].reshape(-1, BLOCK_WORDS), word_bits, rules)
    if last.size == 0 or (last.size == 1 and rules.lone_word_left_out):
        return bits
    if not rules.short_last_block:
        last = np.concatenate([last, np.zeros(BLOCK_WORDS - last.size, last.dtype)])
    return bits + _bits_of_blocks(last[None], word_bits, rules)


def _bits_of_blocks(blocks: NDArray[Any], word_bits: int, rules: Rules) -> int:
    """Count the bits of blocks of one size, one a row."""
    differences = _integers(np.diff(blocks, axis=1))
    size = blocks.shape[1]
    weights = 1 << np.arange(size - 2, -1, -1, dtype=np.int64)
    symbol_bits, run_bits = _symbol_bits(size), _run_bits(word_bits, rules.swapped_run_codes)
    bits = np.full(len(blocks), word_bits, np.int64)
    run = np.zeros(len(blocks), np.int64)
    below = np.zeros(len(blocks), np.int64)
    for plane in range(word_bits if rules.wrapped_differences else word_bits + 1):
        here = (differences >> plane & 1) @ weights
        changed = here ^ below
        ended = changed != 0
        bits += np.where(ended, symbol_bits[(here == 0) + 0, changed] + run_bits[run], 0)
        run = np.where(ended, 0, run + 1)
        below = here
    return int((bits + run_bits[run]).sum())


@cache
def _symbol_bits(size: int) -> NDArray[np.int64]:
    """Bits of a changed plane, by whether the plane itself is 0, and what has changed in it."""
    everything = (1 << size - 1) - 1
    position = (size - 1).bit_length()
    bits = np.full((2, everything + 1), 5, np.int64)
    for changed in range(1, everything):
        lowest = changed & -changed
        near = changed in (lowest, 3 * lowest)  # a single one, or two side by side
        bits[0, changed] = 5 + position if near else size
    return bits


@cache
def _run_bits(word_bits: int, swapped: bool) -> NDArray[np.int64]:
    """Bits of a run of unchanged planes, by its length."""
    single, several = (3, 2) if swapped else (2, 3)
    field = (word_bits - 1).bit_length()
    return np.array([0, single, *[several + field] * word_bits], np.int64)


def _zero_runs(words: NDArray[Any]) -> NDArray[np.int64]:
    """Return the zeros before each other word, and last, those at the end."""
    places = np.concatenate([[-1], np.flatnonzero(words), [words.size]])
    return np.diff(places).astype(np.int64) - 1


def _integers(words: NDArray[Any]) -> NDArray[np.int64]:
    """Return integers as they are; the patterns of float16."""
    return (words.view(np.int16) if words.dtype == np.float16 else words).astype(np.int64)


def _wrapped(numbers: NDArray[np.int64], word_bits: int) -> NDArray[np.int64]:
    """Return numbers as w bits hold them, as signed ones."""
    half = 1 << word_bits - 1
    return (numbers + half) % (2 * half) - half
