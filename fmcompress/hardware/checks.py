"""What encoder and decoder are given, checked: words, streams, the cycles of a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fmcompress.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from fmcompress.hardware.parameters import Parameters

MOST_TRACE_CYCLES = 1 << 20


def checked_words(given: ArrayLike, word_bits: int, what: str = "words") -> NDArray[np.uint32]:
    """Return words as the kernels take them.

    Parameters
    ----------
    given : array_like of integers, shape (count,)
        Bit patterns below ``2**word_bits``.
    word_bits : int
    what : str
        What they are, for the error.

    Raises
    ------
    ParameterError
        If they are anything else.
    """
    try:
        words: NDArray[Any] = np.asarray(given)
    except (ValueError, TypeError, OverflowError):  # as of lists of lists of several lengths
        words = np.empty((0, 0))
    if words.ndim != 1:
        raise ParameterError(
            f"{what} have {words.ndim} axes", hint="give an array with one, as words.reshape(-1)"
        )
    if not words.size:
        return np.zeros(0, np.uint32)
    wanted = f"give bit patterns from 0 to {2**word_bits - 1:,}"
    if words.dtype.kind not in "ui":
        raise ParameterError(f"{what} are {words.dtype}, no integers", hint=wanted)
    for extreme in map(int, (words.max(), words.min() if words.dtype.kind == "i" else 0)):
        if not 0 <= extreme < 1 << word_bits:
            raise ParameterError(
                f"{extreme:,} is no word of {word_bits} bits: it is among the {what}", hint=wanted
            )
    return words.astype(np.uint32, copy=False)


def check_streams(words: int, znz: int, bpc: int, parameters: Parameters) -> None:
    """Refuse streams of sizes that no words have.

    Parameters
    ----------
    words, znz, bpc : int
        Words of a transmission, and of its streams.

    Raises
    ------
    ParameterError
        If a stream is too long or too short.
    """
    w, n, z = parameters.word_bits, parameters.block_size, parameters.burst_bits
    runs, rest = divmod(words, parameters.max_burst)
    code = z + 1
    least, most = runs * code + min(rest, code), (words + 1) // 2 * code + words // 2
    _check_size("ZNZ", words, znz, -(-least // w), -(-most // w))
    if bpc == 0:  # all words are zero: runs of them
        zeros = -(-(runs + (rest > 0)) * code // w)
        _check_size("ZNZ", words, znz, zeros, zeros, " that are all zero")
        return
    blocks, symbol = -(-words // n), max(n, 4 + n.bit_length())
    # A base, and at least a symbol more.
    _check_size("BPC", words, bpc, 2, -(-blocks * (w + (w + 1) * symbol) // w))


def _check_size(name: str, words: int, size: int, least: int, most: int, kind: str = "") -> None:
    if not least <= size <= most:
        bounds = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        raise ParameterError(
            f"a {name} stream of {size:,} words for {words:,} words{kind}",
            hint=f"it has {bounds}: give both streams of one transmission whole",
        )


def checked_trace(cycles: range | None) -> range | None:
    """Return the cycles of which a trace is wanted.

    Raises
    ------
    ParameterError
        If they are not one stretch from 0 on, or too many.
    """
    if cycles is None:
        return None
    if not isinstance(cycles, range) or cycles.step != 1 or cycles.start < 0:
        raise ParameterError(
            f"trace is {cycles!r}", hint="give a range of cycles from 0 on, as range(100, 200)"
        )
    # Not its `len`, which is none beyond 2^63.
    count = cycles.stop - cycles.start
    if count > MOST_TRACE_CYCLES:
        raise ParameterError(
            f"a trace of {count:,} cycles", hint=f"give at most {MOST_TRACE_CYCLES:,}"
        )
    return cycles
