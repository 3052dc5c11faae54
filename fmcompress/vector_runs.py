"""How transmissions run through the hardware, cycle by cycle, as recorded vectors say it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from fmcompress.hardware import Decoder, Encoder, Parameters
from fmcompress.hardware.decoder import Transmission
from fmcompress.hardware.patterns import Random
from fmcompress.stream_words import words_of
from fmcompress.vector_cases import Case, delta_string

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmcompress.hardware.trace import Trace

# Modes of the recorded vectors: thresholds of the gates, of 256; None: drawn from these.
IDEAL, STALL_A, STALL_B = "ideal", "stallA", "stallB"
THRESHOLDS = (32, 64, 96, 128, 160, 200, 230, 256)
# A run that takes longer is not recorded: its trace would take much memory.
MOST_CYCLES = 1 << 18
# Up to so many cycles behind the last handshake, edges of idle_o are recorded.
_IDLE_CYCLES = 32
# Ports as the file names them, and as the models do.
_ENCODER_PORTS = {"in": "in", "znz": "znz", "bpc": "bpc"}
_DECODER_PORTS = {"nw": "number", "bpc": "bpc", "znz": "znz", "out": "out"}

Gates = Mapping[str, Sequence[int]]


def gates_of(mode: str, seeds: Sequence[int]) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Return seeds and thresholds of the encoder's gates and of the decoder's.

    Parameters
    ----------
    mode : str
        `IDEAL`, `STALL_A` or `STALL_B`.
    seeds : sequence of int
        Eight of 32 bits: four of gates, four of which thresholds are made.
    """
    if mode == IDEAL:
        drawn = [[0, 256]] * 4
    elif mode == STALL_A:
        drawn = [[seed, 128] for seed in seeds[:4]]
    else:
        drawn = [
            [seed, THRESHOLDS[other % len(THRESHOLDS)]]
            for seed, other in zip(seeds[:4], seeds[4:8], strict=True)
        ]
    return (
        dict(zip(_ENCODER_PORTS, drawn[:3], strict=True)),
        dict(zip(_DECODER_PORTS, drawn, strict=True)),
    )


def record(case: Case, seeds: Callable[[str], Sequence[int]], rtl_quirks: bool) -> bool:
    """Put the runs of every mode into a case.

    Parameters
    ----------
    case : Case
    seeds : callable
        Returns the eight seeds of a mode.
    rtl_quirks : bool
        Whether to do what the RTL does where it is wrong.

    Returns
    -------
    bool
        Whether all are there: those of more than `MOST_CYCLES` are not.
    """
    if sum(words.size for words in case.words) > MOST_CYCLES:
        return False
    whole = True
    for mode in (IDEAL, STALL_A, STALL_B):
        to_encoder, to_decoder = gates_of(mode, seeds(mode))
        for side, found in (
            (case.enc, encoder_run(case, to_encoder, rtl_quirks=rtl_quirks)),
            (case.dec, decoder_run(case, to_decoder, rtl_quirks=rtl_quirks)),
        ):
            if found is None:
                whole = False
            else:
                side[mode] = found
    return whole


def encoder_run(
    case: Case, gates: Gates, *, wait_idle: bool = False, rtl_quirks: bool = False
) -> dict[str, Any] | None:
    """Run the encoder.

    Parameters
    ----------
    case : Case
    gates : mapping
        Seed and threshold by port.
    wait_idle : bool
        Whether the next transmission is offered only behind idle_o.
    rtl_quirks : bool
        Whether to do what the RTL does where it is wrong.

    Returns
    -------
    dict or None
        As it stands in the file; None where it takes more than `MOST_CYCLES`.
    """
    model = Encoder(
        _parameters(case),
        stalls=_stalls(gates, _ENCODER_PORTS),
        wait_idle=wait_idle,
        rtl_quirks=rtl_quirks,
        trace=range(MOST_CYCLES),
    )
    model.feed(*case.words)
    run, output = model.finish()
    trace = output.trace
    assert trace is not None
    if run.cycles > len(trace):
        return None
    total = 1 + max(run.last_handshakes["znz"], run.last_handshakes["bpc"])
    done = np.flatnonzero(trace.column("blk_done")).tolist()
    found = {
        "gates": {port: list(gates[port]) for port in _ENCODER_PORTS},
        "wait_idle": int(wait_idle),
        "status": "ok",
        "total": total,
        **{port: delta_string(_cycles(trace, name)) for port, name in _ENCODER_PORTS.items()},
        "idle": _idle_edges(trace, total),
        "done": done,
    }
    taken = _cycles(trace, "bpc")
    words, last = (trace.column(name)[taken] for name in ("bpc_data", "bpc_last"))
    expected = [words_of(stream, case.word_bits) for stream in case.bpc]
    ends = [end - 1 for end, part in zip(_ends(expected), expected, strict=True) if part.size]
    lasts = np.flatnonzero(last).tolist()
    if words.tolist() != np.concatenate(expected).tolist() or lasts != ends:
        digits = case.word_bits // 4
        found["status"] = "hang" if len(taken) < _ends(expected)[-1] else "ok"
        found["bpc_rtl"] = "".join(f"{word:0{digits}x}" for word in words.tolist())
        found["bpc_last_rtl"] = lasts
        found["rtl_bug"] = "lost_last_bpc"
    if len(done) != len(case.words):
        found["rtl_bug_done"] = f"blk_done_o count {len(done)} != {len(case.words)} transmissions"
    return found


def decoder_run(
    case: Case, gates: Gates, *, coupled: bool = True, rtl_quirks: bool = False
) -> dict[str, Any] | None:
    """Run the decoder.

    Parameters
    ----------
    case : Case
    gates : mapping
        Seed and threshold by port.
    coupled : bool
        Whether words of a transmission are offered only behind its number of words.
    rtl_quirks : bool
        Whether to do what the RTL does where it is wrong.

    Returns
    -------
    dict or None
        As it stands in the file; None where it takes more than `MOST_CYCLES`.
    """
    model = Decoder(
        _parameters(case),
        stalls=_stalls(gates, _DECODER_PORTS),
        rtl_quirks=rtl_quirks,
        trace=range(MOST_CYCLES),
    )
    given = [
        Transmission(words.size, words_of(znz, case.word_bits), words_of(bpc, case.word_bits))
        for words, znz, bpc in zip(case.words, case.znz, case.bpc, strict=True)
    ]
    if coupled:
        model.feed(*given)
        run, output = model.finish()
    else:
        run, output = model.run_uncoupled(*given, cycles=MOST_CYCLES + 1)
    trace = output.trace
    assert trace is not None
    if run.cycles > len(trace):
        return None
    return {
        "gates": {port: list(gates[port]) for port in _DECODER_PORTS},
        "coupled": int(coupled),
        "status": "ok",
        "total": 1 + run.last_handshakes["out"],
        **{port: delta_string(_cycles(trace, name)) for port, name in _DECODER_PORTS.items()},
    }


def _parameters(case: Case) -> Parameters:
    return Parameters(case.word_bits, case.block_size, case.burst_bits)


def _stalls(gates: Gates, ports: Mapping[str, str]) -> dict[str, Random]:
    return {name: Random(gates[port][1], gates[port][0]) for port, name in ports.items()}


def _cycles(trace: Trace, port: str) -> list[int]:
    """Return the cycles of a port's handshakes; the trace begins in cycle 0."""
    cycles: list[int] = np.flatnonzero(
        trace.column(f"{port}_valid") & trace.column(f"{port}_ready")
    ).tolist()
    return cycles


def _ends(parts: Sequence[NDArray[np.uint32]]) -> list[int]:
    return [*accumulate(part.size for part in parts)]


def _idle_edges(trace: Trace, total: int) -> list[int]:
    """Return edges of idle_o, +(cycle + 1) for rising ones; where the trace ends, it is idle."""
    levels = np.concatenate([[0], trace.column("idle"), [1]])
    edges = np.diff(levels)
    cycles = np.flatnonzero(edges)
    cycles = cycles[cycles < total + _IDLE_CYCLES]
    signed: list[int] = (edges[cycles] * (cycles + 1)).tolist()
    return signed
