"""The encoder's ports and units, derived from the columns of its trace."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmcompress.hardware.symbols import is_plane_run, plane_symbol
from fmcompress.hardware.trace import (
    UNKNOWN,
    Scope,
    Signal,
    Trace,
    count_before,
    pick,
    port,
    shift_register,
    state,
)

Column = NDArray[np.int64]


def encoder_scopes(trace: Trace) -> list[Scope]:
    """Derive ports and units, along the flow of data.

    Parameters
    ----------
    trace : Trace
        Of an encoder.

    Returns
    -------
    list of Scope
    """
    return [
        port(trace, "input", "in", ("vld_i", "rdy_o", "last_i", "data_i")),
        _control(trace),
        _znz_coder(trace),
        port(trace, "znz", "znz", _output("znz")),
        _difference(trace),
        _slice(trace),
        _plane_coder(trace),
        _packer(trace),
        _buffer(trace),
        port(trace, "bpc", "bpc", _output("bpc")),
    ]


def _output(name: str) -> tuple[str, str, str, str]:
    return f"{name}_vld_o", f"{name}_rdy_i", f"{name}_last_o", f"{name}_data_o"


def _control(trace: Trace) -> Scope:
    c = trace.column
    busy, flushing, word = c("control.busy"), c("control.flushing"), c("control.word")
    both = c("control.owes_znz") & c("control.owes_bpc")
    runs = (busy == 1) & ((word == 0) | (both == 1))
    names = ("IDLE", "RUN", "WAIT", "FLUSH")
    places = pick((flushing == 1, 3), (busy == 0, 0), (runs, 1), otherwise=2)
    return Scope(
        "control",
        (
            state(names, places),
            Signal("word", trace.word_bits, word),
            Signal("last", 1, c("control.last")),
            Signal("owes_znz", 1, c("control.owes_znz")),
            Signal("owes_bpc", 1, c("control.owes_bpc")),
            Signal("was_last", 1, c("was_last")),
        ),
    )


def _znz_coder(trace: Trace) -> Scope:
    c, w = trace.column, trace.word_bits
    closing, zeros, held = c("znz.closing") == 1, c("znz.zeros"), c("znz.held")
    full = ~closing & (c("znz.valid") == 1)
    places = pick(
        (closing & (zeros > 0), 3),
        (closing, 4),
        (full, 2),
        (held + zeros == 0, 0),
        otherwise=1,
    )
    return Scope(
        "znz_coder",
        (
            state(("EMPTY", "FILL", "FULL", "FLUSHZ", "FLUSH"), places),
            Signal("count", (2 * w).bit_length(), held - w * full),
            Signal("pending_zeros", trace.burst_bits, zeros),
            Signal("shift_register", 2 * w, shift_register(c("znz.bits"), held, w)),
        ),
    )


def _difference(trace: Trace) -> Scope:
    c = trace.column
    taken = c("difference.taken")
    places = pick((c("difference.out") == 1, 2), (taken > 0, 1), otherwise=0)
    return Scope(
        "difference",
        (
            state(("IDLE", "FILL", "OUT"), places),
            Signal("words", trace.block_size.bit_length(), taken),
            # A block's first word is subtracted from nothing.
            Signal("previous", trace.word_bits, c("previous")),
        ),
    )


def _slice(trace: Trace) -> Scope:
    full = trace.column("coder.full")
    return Scope("slice", (state(("EMPTY", "FULL"), full),))


def _plane_coder(trace: Trace) -> Scope:
    c, w = trace.column, trace.word_bits
    planes = c("coder.full") & (c("coder.step") > 0)
    plane, pending = plane_numbers(trace)
    names, places = _symbols(trace)
    return Scope(
        "plane_coder",
        (
            state(("BASE", "PLANES"), planes),
            Signal("plane", w.bit_length(), plane),
            Signal("pending_zero_planes", w.bit_length(), pending),
            Signal("symbol", 1, places, names),
            Signal("code", w, c("code")),
            Signal("code_bits", w.bit_length(), c("code_bits")),
        ),
    )


def _packer(trace: Trace) -> Scope:
    c, w = trace.column, trace.word_bits
    held, closing = c("packer.held"), c("packer.closing") == 1
    full = ~closing & (c("packer.valid") == 1)
    places = pick((closing, 3), (full, 2), (held == 0, 0), otherwise=1)
    return Scope(
        "packer",
        (
            state(("EMPTY", "FILL", "FULL", "FLUSH"), places),
            Signal("count", w.bit_length(), held - w * full),
            Signal("shift_register", 2 * w, shift_register(c("packer.bits"), held, w)),
        ),
    )


def _buffer(trace: Trace) -> Scope:
    full, last = trace.column("buffer.full"), trace.column("buffer.last")
    return Scope(
        "buffer",
        (
            state(("EMPTY", "FULL", "LAST"), full + (full & last)),
            Signal("word", trace.word_bits, trace.column("buffer.word")),
        ),
    )


def plane_numbers(trace: Trace) -> tuple[Column, Column]:
    """Find the plane that the plane coder is at, and how many zero planes it has to send.

    The kernel counts steps; what they are follows from the codes. Of a block that began before the
    window, it follows from what is sent later; if the window ends before that, it is `UNKNOWN`.

    Parameters
    ----------
    trace : Trace
        Of an encoder.

    Returns
    -------
    plane, pending_zero_planes : ndarray of int64, shape (cycles,)
        0 outside of blocks and at the base.
    """
    c, w = trace.column, trace.word_bits
    full, step, moves, pops = c("coder.full"), c("coder.step"), c("moves"), c("pops")
    codes, code_bits = c("code"), c("code_bits")
    rows = np.arange(len(trace))
    runs = (step > 0) & is_plane_run(codes, code_bits, w)
    passes = moves & (step > 0) & ~(runs & (pops == 0))
    skips = moves & (code_bits == 0)
    passed, skipped = count_before(passes), count_before(skips)

    # A block begins at step 0. What comes before the window's first one is counted from its end.
    at_base = (full == 0) | (step == 0)
    begins = np.maximum.accumulate(np.where(at_base, rows, -1))
    plane = passed - passed[begins]
    sent = moves & (code_bits > 0)
    resets = np.maximum(begins, np.maximum.accumulate(np.where(_earlier(sent), rows, -1)))
    pending = skipped - skipped[resets]
    cut = begins < 0
    if cut.any():
        plane[cut] = _count_down(passed, np.flatnonzero(cut & (pops == 1)), w, cut)
        unsure = resets < 0
        ends = np.flatnonzero(unsure & (sent == 1))
        run = _run_length(int(codes[ends[0]]), int(code_bits[ends[0]]), w) if ends.size else 0
        run -= int(pops[ends[0]]) if ends.size and runs[ends[0]] else 0
        pending[unsure] = _count_down(skipped, ends, run, unsure)
    inside = (full == 1) & (step > 0)
    return np.where(inside, plane, 0), np.where(inside, pending, 0)


def _earlier(flags: Column) -> NDArray[np.bool_]:
    """Tell whether it held in the row before."""
    return np.concatenate([[False], flags[:-1] == 1])


def _count_down(counts: Column, ends: Column, at_end: int, rows: NDArray[np.bool_]) -> Any:
    """Count back from the row where the number is known, if there is one."""
    if ends.size == 0:
        return UNKNOWN
    return at_end - (counts[ends[0]] - counts[rows])


def _run_length(code: int, code_bits: int, word_bits: int) -> int:
    """Return how many zero planes a code stands for; 0 for any other symbol."""
    run_bits = (word_bits - 1).bit_length()
    if code_bits == 2:
        return 1
    is_run = code_bits == 3 + run_bits and code >> run_bits == 1
    return code - (1 << run_bits) + 2 if is_run else 0


def _symbols(trace: Trace) -> tuple[tuple[str, ...], Column]:
    """Name what the plane coder sends in each cycle."""
    c = trace.column
    at_base = c("coder.step") == 0
    skips = c("moves") & (c("code_bits") == 0)
    keys = np.stack([c("code_bits"), c("code"), at_base & (c("code_bits") > 0), skips], axis=1)
    found, places = np.unique(keys, axis=0, return_inverse=True)
    names = []
    for code_bits, code, is_base, is_skipped in found.tolist():
        if is_base:
            names.append(f"base {code:0{trace.word_bits // 4}x}")
        elif code_bits:
            names.append(plane_symbol(code, code_bits, trace.word_bits, trace.block_size)[0])
        else:
            names.append("(zero plane)" if is_skipped else "-")
    return tuple(names), places.reshape(-1)
