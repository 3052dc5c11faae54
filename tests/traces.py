"""Traces for tests, straight from the kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fmcompress import reference
from fmcompress.hardware.trace import Trace
from fmcompress.kernels import hardware_decoder as decoder
from fmcompress.kernels import hardware_done as done
from fmcompress.kernels import hardware_encoder as kernel

I = np.int64


def open_gates(ports: int, cycles: int):
    return np.ones((ports, cycles), np.uint8)


def zeros(registers: type) -> tuple:
    return registers(*(I(0) for _ in registers._fields))


def encoder_trace(
    transmissions: Sequence[Sequence[int]],
    word_bits: int = 8,
    block_size: int = 8,
    burst_bits: int = 4,
    *,
    gates=None,
    cycles: int = 200,
    first: int = 0,
    quirks: int = 0,
) -> Trace:
    """Run the encoder until the gates end, and trace it from cycle `first` on."""
    gates = open_gates(3, cycles) if gates is None else gates
    words = [word for transmission in transmissions for word in transmission]
    ends = np.cumsum([len(t) for t in transmissions])
    rows = np.zeros((gates.shape[1], len(kernel.COLUMNS)), np.int64)
    kernel.encode(
        np.array([*words, 0], np.uint32),
        np.append(ends, 0).astype(np.int64),
        gates,
        kernel.Setup(
            *map(I, (word_bits, block_size, burst_bits, kernel.GATES_END, 0, 0, quirks, 0))
        ),
        kernel.Units(*map(zeros, kernel.REGISTERS)),
        np.zeros(1 << 12, np.int64),
        np.zeros(5, np.int64),
        np.zeros(block_size + 1, np.int64),
        np.zeros((2 * word_bits + 3, 2), np.int64),
        np.zeros(word_bits + 1, np.int64),
        np.zeros(0, np.uint32),
        np.zeros(0, np.uint32),
        rows,
    )
    pulses = np.zeros(len(rows), np.int64)
    looked_at = [kernel.COLUMNS.index(name) for name in done.COLUMNS]
    done.blk_done(np.ascontiguousarray(rows[:, looked_at]), zeros(done.Done), I(quirks), pulses)
    columns = (*kernel.COLUMNS, "blk_done")
    rows = np.column_stack([rows, pulses])
    return Trace("encoder", first, word_bits, block_size, burst_bits, columns, rows[first:])


def decoder_trace(
    transmissions: Sequence[Sequence[int]],
    word_bits: int = 8,
    block_size: int = 8,
    burst_bits: int = 4,
    *,
    gates=None,
    cycles: int = 200,
    first: int = 0,
    coupled: int = 1,
) -> Trace:
    """Run the decoder until the gates end, and trace it from cycle `first` on."""
    gates = open_gates(4, cycles) if gates is None else gates
    dtype = f">u{word_bits // 8}"
    streams = [
        [
            np.frombuffer(stream, dtype).tolist()
            for stream in reference.encode(t, word_bits, block_size, 1 << burst_bits, "signed")
        ]
        for t in transmissions
    ]
    znz, bpc = ([word for pair in streams for word in pair[i]] for i in (0, 1))
    znz_ends = np.cumsum([len(pair[0]) for pair in streams])
    bpc_ends = np.cumsum([len(pair[1]) for pair in streams])
    owners = [i for i, pair in enumerate(streams) if pair[1]]
    rows = np.zeros((gates.shape[1], len(decoder.COLUMNS)), np.int64)
    decoder.decode(
        np.array([*map(len, transmissions), 0], np.int64),
        np.array([*znz, 0], np.uint32),
        np.append(znz_ends, 0).astype(np.int64),
        np.array([*bpc, 0], np.uint32),
        np.array([*((bpc_ends[i], i) for i in owners), (0, 1 << 60)], np.int64),
        gates,
        decoder.Setup(
            *map(I, (word_bits, block_size, burst_bits, decoder.GATES_END, 0, coupled, 0, 0))
        ),
        decoder.Units(*map(zeros, decoder.REGISTERS)),
        np.zeros(1 << 10, np.int64),
        np.zeros(7, np.int64),
        np.zeros(word_bits + 3, np.int64),
        np.zeros(block_size, np.int64),
        np.zeros(0, np.uint32),
        rows,
    )
    columns = decoder.COLUMNS
    return Trace("decoder", first, word_bits, block_size, burst_bits, columns, rows[first:])
