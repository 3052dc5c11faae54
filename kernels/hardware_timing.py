"""The hardware's time where no port ever stalls, a step a block (docs/HARDWARE.md, "Timing").

Stepping (kernels/hardware_encoder.py, kernels/hardware_decoder.py) gives the same numbers. Here they
follow from three facts. A word passes the control in each cycle, but for the first one of a block,
which may have to wait. A block keeps the plane coder for w + 2 cycles and one for each run of zero
planes within, the symbol decoder for w + 2. The slice holds one block. So it is enough to know how
many blocks there are, where each begins and ends, and its extra cycles: kernels/hardware_blocks.py.
"""

from collections import namedtuple

import numpy as np
from numba import njit

# Blocks whose times are remembered: the decoder takes its last ZNZ word within the last 2w flags,
# thus within the last 2w/n + 1 blocks.
REMEMBERED = 16

# Columns of `rows`, as kernels/hardware_blocks.py writes them.
Row = namedtuple(
    "Row",
    "words ends_coded znz_words znz_closing znz_pending bpc_words bpc_rest blocks pads codes "
    "znz_place znz_coded bpc_back bpc_step",
)
# What is carried from transmission to transmission; all 0 after reset. A run that ends here takes
# `cycle` cycles. The encoder accepted its last word before the cycle `in_end`; it accepts the next
# one in `ready`, and can take its flag from `znz_ready` on; its output buffer `keeps` a word that
# the RTL has lost. The decoder accepts the next number of words in `cycle`. The others count what
# passed the ports, and are named as those of the test benches of the stepping kernels.
Encoder = namedtuple("Encoder", "cycle at znz_words bpc_words in_end ready znz_ready keeps")
Decoder = namedtuple("Decoder", "cycle number_at znz_at bpc_at out_words")
# Within a transmission. Its word i passes in the cycle `origin` + i, where `before` was the origin
# up to the last block. The first and the last block were loaded into the slice in the cycles
# `first_loaded` and `loaded`, the last one left it in `left`. All blocks together waited for the
# slice for `blocked` cycles, and were in it for `full`.
Flow = namedtuple("Flow", "origin before first_loaded loaded left blocked full")

# Places in `profile`, in the order of PROFILE of the stepping kernels, and in `counts`, likewise.
WAITS_PRODUCER, WAITS_ZNZ, WAITS_BPC, _, _, DIFFERENCE_BLOCKED, PACKER_TAKES = range(7)
BUFFER_FULL = 8
ZNZ_END, BPC_END, WAITS_END, _, CODER_FULL, CODER_WORKS = range(6)
BLOCKS, WORST_BLOCK, WORST_BLOCK_CYCLES = range(6, 9)
_, WAITS_FLAG, WAITS_WORD, _, ZNZ_BLOCKED = range(5)
UNPACKER_GIVES, SYMBOL_PUSHES, SYMBOL_BLOCKED, SLICE_FULL, SLICE_GIVES = range(5, 10)
IN_NUMBER_END, IN_ZNZ_END, IN_BPC_END, OUT_END, OUT_BLOCKS, OUT_WORST, OUT_WORST_CYCLES = range(7)


@njit(cache=True, nogil=True)
def time_encoder(rows, firsts, lasts, extra, setup, registers, profile, counts):
    """Time the encoder with a producer that always offers and consumers that are always ready.

    Parameters
    ----------
    rows : ndarray of int64, shape (transmissions, 14)
    firsts, lasts, extra : ndarray of int32
        As hardware_blocks.measure finds them.
    setup : hardware_encoder.Setup
        Only w, n, `wait_idle` and `quirks` are looked at.
    registers : ndarray of int64, shape (8,)
        Those of `Encoder`, all 0 after reset; changed.
    profile : ndarray of int64, shape (10,)
        Receives in how many cycles each of hardware_encoder.PROFILE holds, as if the run ended
        behind these transmissions; added to.
    counts : ndarray of int64, shape (9,)
        As those of `encode`.
    """
    r = registers
    state = Encoder(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7])
    block = np.int64(0)
    for t in range(rows.shape[0]):
        row = _read(rows, t)
        origin = max(state.ready + 1, state.znz_ready)
        flow = Flow(origin, origin, origin, origin, origin, np.int64(0), np.int64(0))
        if row.blocks > 0:
            end = block + row.blocks
            blocks = (firsts[block:end], lasts[block:end], extra[block:end])
            flow = _encode_blocks(flow, blocks, setup.word_bits + 2, counts)
            block = end
        state = _end_encoding(row, flow, origin, setup, state, profile, counts)
    r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7] = state


@njit(cache=True, nogil=True)
def time_decoder(rows, firsts, lasts, setup, registers, profile, counts):
    """Time the decoder, coupled, with producers and a consumer as those of `time_encoder`.

    Parameters
    ----------
    rows : ndarray of int64, shape (transmissions, 14)
    firsts, lasts : ndarray of int32
        As hardware_blocks.measure finds them for the words that come out.
    setup : hardware_decoder.Setup
        Only w and n are looked at: the RTL has no fault that matters here.
    registers : ndarray of int64, shape (5,)
        Those of `Decoder`, all 0 after reset; changed.
    profile : ndarray of int64, shape (10,)
        Receives in how many cycles each of hardware_decoder.PROFILE holds; added to.
    counts : ndarray of int64, shape (7,)
        As those of `decode`.
    """
    loaded, origins = np.zeros(REMEMBERED, np.int64), np.zeros(REMEMBERED, np.int64)
    r = registers
    state = Decoder(r[0], r[1], r[2], r[3], r[4])
    block = np.int64(0)
    for t in range(rows.shape[0]):
        row = _read(rows, t)
        begins = state.cycle + 2  # the first flag is there, and the first base is pushed
        flow = Flow(begins, begins, begins, begins, begins, np.int64(0), np.int64(0))
        if row.blocks > 0:
            end = block + row.blocks
            blocks = (firsts[block:end], lasts[block:end])
            flow = _decode_blocks(flow, blocks, setup.word_bits + 2, loaded, origins)
            block = end
        state = _end_decoding(row, flow, begins, setup, state, profile, counts, loaded, origins)
    r[0], r[1], r[2], r[3], r[4] = state


@njit(cache=True, nogil=True)
def _read(rows, t):
    """Return a row."""
    r = rows[t]
    return Row(
        *(r[0], r[1], r[2], r[3], r[4], r[5], r[6]),
        *(r[7], r[8], r[9], r[10], r[11], r[12], r[13]),
    )


# --- Encoder ------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _encode_blocks(flow, blocks, least, counts):
    """Time a transmission's blocks."""
    firsts, lasts, extra = blocks
    origin, before, first_loaded, loaded, left, blocked, full = flow
    first_loaded = origin + lasts[0] + 1
    worst, worst_block = counts[WORST_BLOCK_CYCLES], np.int64(-1)
    for b in range(firsts.size):
        before = origin
        origin = max(origin, loaded - firsts[b])
        complete = origin + lasts[b] + 1
        loaded = max(complete, left)
        blocked += loaded - complete
        cycles = np.int64(least + extra[b])
        left = loaded + cycles
        full += cycles
        if cycles > worst:
            worst, worst_block = cycles, np.int64(b)
    if worst_block >= 0:
        counts[WORST_BLOCK] = counts[BLOCKS] + worst_block
        counts[WORST_BLOCK_CYCLES] = worst
    counts[BLOCKS] += firsts.size
    return Flow(origin, before, first_loaded, loaded, left, blocked, full)


@njit(cache=True, nogil=True)
def _end_encoding(row, flow, origin, setup, state, profile, counts):
    """Settle a transmission's end, and count."""
    offered = state.ready + 1
    ends = flow.origin + row.words - 1  # the last word passes
    through = ends + 1 + row.pads
    # The ZNZ coder takes the flag of a word at once, though it may have to wait for its block.
    alone = row.ends_coded & (row.pads == setup.block_size - 1)
    flagged = (flow.before if alone else flow.origin) + row.words - 1
    znz_ready = flagged + 1 + row.znz_pending + row.znz_closing
    if row.blocks > 0:
        ready, bpc_end, keeps = _end_blocks(row, flow.left, ends, through, setup.quirks)
    else:
        ready, bpc_end, keeps = through, through, np.int64(0)
    # What the RTL kept leaves with the next word, or with a last zero.
    bpc_words = row.bpc_words + state.keeps - keeps
    counts[ZNZ_END] = znz_ready
    if bpc_words > 0:
        counts[BPC_END] = bpc_end
        # The first code leaves the plane coder a cycle after the block is loaded.
        full_from = state.cycle if state.keeps else flow.first_loaded + 3
        profile[BUFFER_FULL] += bpc_end - full_from
    cycle = max(ready, znz_ready)
    if keeps:
        profile[BUFFER_FULL] += cycle - bpc_end

    profile[WAITS_PRODUCER] += cycle - state.cycle - (ready - offered)
    profile[WAITS_ZNZ] += origin - offered
    profile[WAITS_BPC] += flow.origin - origin
    counts[WAITS_END] += ready - through
    profile[DIFFERENCE_BLOCKED] += flow.blocked
    counts[CODER_WORKS] += flow.full
    counts[CODER_FULL] += flow.full
    profile[PACKER_TAKES] += row.codes
    return Encoder(
        cycle,
        state.at + row.words,
        state.znz_words + row.znz_words,
        state.bpc_words + bpc_words,
        flagged if row.words > 1 else offered,
        cycle + 1 if setup.wait_idle else ready,
        znz_ready,
        keeps,
    )


@njit(cache=True, nogil=True)
def _end_blocks(row, left, ends, through, quirks):
    """Find when the control is ready again and the last BPC word out, and whether it is lost."""
    done = max(through, left + 1)  # the plane coder has nothing left, and the control pads no more
    if row.bpc_rest > 0:
        return done + 3, done + 3, np.int64(0)  # the packer closes, then gives, the buffer gives
    if (row.ends_coded == 0) & (left + 2 <= ends):
        return through, through, np.int64(0)  # the last zero finds all empty but the buffer
    if done == left + 1:
        return done + 2, done + 2, np.int64(0)  # the packer gives, the buffer gives
    if quirks:
        return done + 1, done, np.int64(1)  # the packer's last word put out the one before
    return done + 1, done + 1, np.int64(0)


# --- Decoder ------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _decode_blocks(flow, blocks, cycles, all_loaded, origins):
    """Time a transmission's blocks, and remember the last ones."""
    firsts, lasts = blocks
    origin, before, first_loaded, loaded, left, blocked, full = flow
    for b in range(firsts.size):
        complete = loaded + cycles  # its base was pushed when the one before was loaded
        loaded = max(complete, left)
        blocked += loaded - complete
        before = origin
        origin = max(origin, loaded + 1 - firsts[b])
        left = origin + lasts[b]
        full += left - loaded
        kept = b % REMEMBERED
        all_loaded[kept], origins[kept] = loaded, origin
    return Flow(origin, before, first_loaded, loaded, left, blocked, full)


@njit(cache=True, nogil=True)
def _end_decoding(row, flow, begins, setup, state, profile, counts, loaded, origins):
    """Settle a transmission's end, and count."""
    w, n = setup.word_bits, setup.block_size
    ends = flow.origin + row.words - 1
    counts[IN_NUMBER_END] = state.cycle + 1
    counts[OUT_END] = ends + 1
    flag_origin = origins[(row.znz_coded - 1) // n % REMEMBERED] if row.znz_coded else begins
    counts[IN_ZNZ_END] = flag_origin + row.znz_place + 1
    if row.blocks > 0:
        # A base is pushed when the block before is loaded.
        pushed = loaded[(row.blocks - 2) % REMEMBERED] if row.blocks > 1 else begins
        one_before = loaded[(row.blocks - 3) % REMEMBERED] if row.blocks > 2 else begins
        counts[IN_BPC_END] = (one_before if row.bpc_back else pushed) + row.bpc_step + 1
        counts[OUT_BLOCKS] += row.blocks
        counts[OUT_WORST_CYCLES] = w + 2  # for all, thus the first one
        # When the last block is loaded, there is no base to be pushed.
        profile[SYMBOL_BLOCKED] += flow.blocked + 1
        # The last word clears a block that zeros fill up.
        profile[SLICE_FULL] += flow.full - row.pads
    profile[WAITS_FLAG] += 1
    profile[WAITS_WORD] += flow.origin - begins
    profile[ZNZ_BLOCKED] += flow.origin - begins
    profile[UNPACKER_GIVES] += row.codes
    profile[SYMBOL_PUSHES] += row.blocks * (w + 2)
    profile[SLICE_GIVES] += row.blocks * n - row.pads
    return Decoder(
        ends + 1,
        state.number_at + 1,
        state.znz_at + row.znz_words,
        state.bpc_at + row.bpc_words,
        state.out_words + row.words,
    )
