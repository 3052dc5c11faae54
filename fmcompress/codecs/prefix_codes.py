"""Prefix codes by the lengths of their codes: the best ones, canonical ones, and tables of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fmcompress.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_SYMBOLS = 256
LONGEST = 15  # bits of a code: a hexadecimal digit tells its length
# As in kernels/huffman.py: bits that the first look takes, and that the second one takes.
FIRST, SECOND = 11, LONGEST - 11
_DIGITS = frozenset("0123456789abcdef")


def check_lengths(lengths: object) -> None:
    """Refuse what are not the lengths of a prefix code, one hexadecimal digit each.

    Raises
    ------
    ParameterError
        If it is no text of up to `MOST_SYMBOLS` such digits, lower case, or no prefix code has
        codes of these lengths.
    """
    if isinstance(lengths, str) and len(lengths) > MOST_SYMBOLS:
        raise ParameterError(f"lengths is for {len(lengths)} symbols, more than {MOST_SYMBOLS}")
    if not isinstance(lengths, str) or not _DIGITS.issuperset(lengths):
        raise ParameterError("lengths is no text of hexadecimal digits")
    if sum(1 << (LONGEST - length) for length in map(_value, lengths) if length) > 1 << LONGEST:
        raise ParameterError("lengths is no code: there are too many short ones")


def limited_lengths(counts: Sequence[int]) -> list[int]:
    """Return the lengths of the codes that take the fewest bits in all, none above `LONGEST`.

    Package-merge (Larmore and Hirschberg, 1990). In each of `LONGEST` levels, the lightest first,
    stand the symbols and pairs of what stands in the level before. Of the last level the first
    2 · symbols - 2 are chosen, and with each pair its two halves: a symbol's length is how often
    it is chosen.

    Parameters
    ----------
    counts : sequence of int
        How often each symbol occurs; of up to `MOST_SYMBOLS`.

    Returns
    -------
    list of int
        0 for a symbol that does not occur; 1 for one that is alone.
    """
    lengths = [0] * len(counts)
    symbols = sorted((s for s, count in enumerate(counts) if count), key=lambda s: counts[s])
    if len(symbols) == 1:
        lengths[symbols[0]] = 1
    if len(symbols) < 2:
        return lengths
    single = [(counts[symbol], 0) for symbol in symbols]
    levels = [single]
    for _ in range(LONGEST - 1):
        before = levels[-1]
        pairs = zip(before[::2], before[1::2], strict=False)  # one without another is left out
        levels.append(sorted([*single, *((one[0] + other[0], 1) for one, other in pairs)]))
    chosen = 2 * len(symbols) - 2
    for level in reversed(levels):
        paired = sum(is_pair for _, is_pair in level[:chosen])
        for symbol in symbols[: chosen - paired]:
            lengths[symbol] += 1
        chosen = 2 * paired
    return lengths


def digits(lengths: Sequence[int]) -> str:
    """Return lengths as they stand in a description."""
    return "".join(f"{length:x}" for length in lengths)


@lru_cache(maxsize=16)
def tables(lengths: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the canonical code of these lengths, to write it and to read it.

    Codes are numbered by length, and those of one length by symbol. The tables are kept, since
    all chunks of a layer have the same.

    Parameters
    ----------
    lengths : str
        Checked, as by `check_lengths`.

    Returns
    -------
    codes : ndarray of int64, shape (symbols,)
        ``code << 4 | length`` of each symbol; 0 where it has none.
    entries : ndarray of uint16
        ``symbol << 4 | length`` at the first `FIRST` bits of a code; of longer codes what is to
        be added to the next `SECOND` bits and ``2**FIRST``, where such an entry stands, then. 0
        where no code begins so.
    """
    import numpy as np

    each = np.array([*map(_value, lengths)], np.int64)
    symbols = np.argsort(each, kind="stable")
    symbols = symbols[each[symbols] > 0]
    length = each[symbols]
    # Of all that LONGEST bits can be, codes take stretches, one behind the other.
    sizes = 1 << (LONGEST - length)
    codes = np.zeros(each.size, np.int64)
    codes[symbols] = (np.cumsum(sizes) - sizes >> LONGEST - length) << 4 | length
    full = np.zeros(1 << LONGEST, np.uint16)
    full[: sizes.sum()] = np.repeat(symbols << 4 | length, sizes)
    rows = full.reshape(-1, 1 << SECOND)
    mixed = (rows != rows[:, :1]).any(axis=1)
    first = np.where(mixed, np.cumsum(mixed) << SECOND, rows[:, 0]).astype(np.uint16)
    entries = np.concatenate([first, np.zeros(1 << SECOND, np.uint16), rows[mixed].ravel()])
    codes.flags.writeable = entries.flags.writeable = False
    return codes, entries


def _value(digit: str) -> int:
    return int(digit, 16)
