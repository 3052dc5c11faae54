"""Codes of the two streams, in words (docs/EBPC.md, sections 3 and 4.4)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=1 << 16)
def plane_symbol(code: int, code_bits: int, word_bits: int, block_size: int) -> tuple[str, str]:
    """Name the symbol of a plane, or of a run of zero planes.

    Parameters
    ----------
    code, code_bits : int
        The code and its length, first bit uppermost.
    word_bits, block_size : int
        w and n.

    Returns
    -------
    name : str
        What it says, such as ``"two ones at 3"``.
    bits : str
        Its bits, a blank between its fields: ``"00010 011"``.
    """
    run_bits = (word_bits - 1).bit_length()
    position_bits = (block_size - 1).bit_length()
    bits = f"{code:0{code_bits}b}"
    if bits.startswith("1"):
        return f"raw {bits[1:]}", f"1 {bits[1:]}"
    if bits == "01":
        return "1 zero plane", bits
    if bits.startswith("001"):
        return f"{code - (1 << run_bits) + 2} zero planes", f"001 {bits[3:]}"
    if code_bits == 5:
        return ("plane zero" if code else "all ones"), bits
    what = "single one" if code >> position_bits == 3 else "two ones"
    return f"{what} at {code & (1 << position_bits) - 1}", f"{bits[:5]} {bits[5:]}"


def plane_of(code: int, code_bits: int, before: int, block_size: int) -> tuple[int, int]:
    """Decode the symbol of a plane that is no run of zero planes.

    Parameters
    ----------
    code, code_bits : int
        The code and its length.
    before : int
        The plane before it, DBP.
    block_size : int
        n.

    Returns
    -------
    dbx, dbp : int
        The plane as sent, and as it is.
    """
    ones = (1 << block_size - 1) - 1
    if code >> code_bits - 1:
        dbx = code & ones
    elif code_bits == 5:
        dbx = before if code else ones
    else:
        position_bits = (block_size - 1).bit_length()
        pattern = 0b1 if code >> position_bits == 3 else 0b11
        # The position is that of the left one, from the left.
        shift = block_size - 1 - (code & (1 << position_bits) - 1) - pattern.bit_length()
        dbx = pattern << max(shift, 0)
    return dbx, before ^ dbx


def is_plane_run(
    codes: NDArray[np.int64], code_bits: NDArray[np.int64], word_bits: int
) -> NDArray[np.bool_]:
    """Tell which codes of planes stand for zero planes.

    Parameters
    ----------
    codes, code_bits : ndarray of int64
        Codes and their lengths; length 0: none.
    word_bits : int
        w.

    Returns
    -------
    ndarray of bool
    """
    run_bits = (word_bits - 1).bit_length()
    runs: NDArray[np.bool_] = (code_bits == 2) | (
        (code_bits == 3 + run_bits) & (codes >> run_bits == 1)
    )
    return runs


def zero_run(zeros: int, burst_bits: int) -> str:
    """Return the bits of a run of zero words in the ZNZ stream: ``"0 0011"`` for four.

    Parameters
    ----------
    zeros : int
        1 to 2**z.
    burst_bits : int
        z.
    """
    return f"0 {zeros - 1:0{burst_bits}b}"
