"""The decoder's ports and units, derived from the columns of its trace."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fmcompress.hardware.symbols import plane_symbol
from fmcompress.hardware.trace import (
    Scope,
    Signal,
    Trace,
    handshakes,
    pick,
    port,
    shift_register,
    state,
)

NUMBER_BITS = 24


def decoder_scopes(trace: Trace) -> list[Scope]:
    """Derive ports and units, along the flow of data.

    Parameters
    ----------
    trace : Trace
        Of a decoder.

    Returns
    -------
    list of Scope
    """
    return [
        _numbers(trace),
        port(trace, "znz", "znz", _input("znz")),
        _znz_decoder(trace),
        port(trace, "bpc", "bpc", _input("bpc")),
        _unpacker(trace),
        _symbol_decoder(trace),
        _collector(trace),
        _slice(trace),
        _integrator(trace),
        _control(trace),
        port(trace, "output", "out", ("vld_o", "rdy_i", "last_o", "data_o")),
    ]


def _input(name: str) -> tuple[str, str, str, str]:
    return f"{name}_vld_i", f"{name}_rdy_o", f"{name}_last_i", f"{name}_i"


def _numbers(trace: Trace) -> Scope:
    """Return the port for numbers of words, which has no last flag; the RTL wants one word less."""
    c = trace.column
    valid, ready = c("number_valid"), c("number_ready")
    return Scope(
        "num_words",
        (
            Signal("num_words_vld_i", 1, valid),
            Signal("num_words_rdy_o", 1, ready),
            _number("num_words_i", (c("number_data") - 1) * valid),
            *handshakes(valid & ready),
        ),
        is_port=True,
    )


def _number(name: str, values: NDArray[np.int64]) -> Signal:
    """Return a number of words; a model may be given more than the hardware can have."""
    most = int(values.max(initial=0))
    return Signal(name, max(NUMBER_BITS, most.bit_length()), values)


def _control(trace: Trace) -> Scope:
    c = trace.column
    return Scope(
        "control",
        (
            state(("IDLE", "RUN"), c("control.running")),
            _number("left", c("control.left")),
            Signal("block_bpc", 1, c("control.bpc_ended")),
            Signal("block_znz", 1, c("control.znz_ended")),
            Signal("finish", 1, c("finish")),
            Signal("clear", 1, c("clear")),
        ),
    )


def _znz_decoder(trace: Trace) -> Scope:
    c, w = trace.column, trace.word_bits
    held = c("znz.held")
    places = pick((c("znz.run") > 0, 3), (held >= w, 1), (held == 0, 0), otherwise=2)
    return Scope(
        "znz_decoder",
        (
            state(("EMPTY", "FULL", "FILL", "ZRUN"), places),
            Signal("fill", (2 * w).bit_length(), held),
            Signal("zeros_left", trace.burst_bits, c("znz.run")),
            Signal("shift_register", 2 * w, shift_register(c("znz.bits"), held, w)),
            Signal("flag_valid", 1, c("flag_valid")),
            Signal("flag", 1, c("flag")),
        ),
    )


def _unpacker(trace: Trace) -> Scope:
    c, w = trace.column, trace.word_bits
    held = c("unpacker.held")
    places = pick((held >= w, 1), (held == 0, 0), otherwise=2)
    return Scope(
        "unpacker",
        (
            state(("EMPTY", "FULL", "FILL"), places),
            Signal("fill", (2 * w).bit_length(), held),
            Signal("shift_register", 2 * w, shift_register(c("unpacker.bits"), held, w)),
        ),
    )


def _symbol_decoder(trace: Trace) -> Scope:
    c, w = trace.column, trace.word_bits
    number, run = c("symbol.number"), c("symbol.run")
    names, places = _symbols(trace)
    return Scope(
        "symbol_decoder",
        (
            state(("BASE", "PLANES", "ZRUN"), pick((number == 0, 0), (run == 0, 1), otherwise=2)),
            Signal("plane", w.bit_length(), np.maximum(number - 1, 0)),
            Signal("previous_plane", trace.block_size - 1, c("symbol.previous")),
            Signal("zero_planes_left", w.bit_length(), run),
            Signal("symbol", 1, places, names),
            Signal("consume", 1, c("consumes")),
        ),
    )


def _symbols(trace: Trace) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Name what the symbol decoder reads in each cycle."""
    c, w = trace.column, trace.word_bits
    at_base = c("pushes") & (c("symbol.number") == 0)
    keys = np.stack([c("code_bits"), c("code"), at_base], axis=1)
    found, places = np.unique(keys, axis=0, return_inverse=True)
    names = []
    for code_bits, code, is_base in found.tolist():
        if is_base:
            names.append(f"base {code:0{w // 4}x}")
        else:
            symbol = plane_symbol(code, code_bits, w, trace.block_size) if code_bits else ("-", "")
            names.append(symbol[0])
    return tuple(names), places.reshape(-1)


def _collector(trace: Trace) -> Scope:
    c = trace.column
    full = c("collector.full")
    # It holds a base exactly while the symbol decoder is at that block's planes.
    places = pick((full == 1, 2), (c("symbol.number") > 0, 1), otherwise=0)
    return Scope("collector", (state(("BASE", "PLANES", "FULL"), places),))


def _slice(trace: Trace) -> Scope:
    return Scope("slice", (state(("EMPTY", "FULL"), trace.column("slice.full")),))


def _integrator(trace: Trace) -> Scope:
    place = trace.column("slice.place")
    return Scope(
        "integrator",
        (
            state(("BASE", "STREAM"), (place > 0).astype(np.int64)),
            Signal("place", trace.block_size.bit_length(), place),
        ),
    )
