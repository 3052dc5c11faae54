"""The hardware's encoder, one clock cycle a loop iteration (docs/HARDWARE.md, "Encoder").

A unit of the hardware is a tuple of registers, and a function that gives the registers behind the
clock edge. What the units show each other in a cycle are signals: they follow from the registers
and from the ports. All are integers, those of one bit 0 or 1, and `&`, `|`, `^` are gates: they
evaluate both sides, so that no stall costs the processor a mispredicted branch. Shift registers
are right-aligned, the newest bit is the lowest.
"""

from collections import namedtuple

import numpy as np
from numba import literal_unroll, njit

# When `encode` stops: as soon as all is out; before the cycle in which a word behind the last one
# could be offered; or when the gates end.
ALL_OUT, ALL_ACCEPTED, GATES_END = range(3)
# Of the memory behind both consumers: what a word costs, and the most that can be saved up.
CREDIT_UNIT = 1 << 32
MOST_CREDIT = 16 * CREDIT_UNIT
# Place of the only one in a power of two, found with a de Bruijn sequence.
_SEQUENCE = 0x077CB531
_PLACE = np.argsort([(_SEQUENCE << place & 0xFFFFFFFF) >> 27 for place in range(32)])

# What does not change during a run: w, n and z; when to stop; what both consumers together may take
# a cycle, 0 for no limit; whether the producer waits for idle_o between transmissions; whether the
# RTL's faults are wanted.
Setup = namedtuple("Setup", "word_bits block_size burst_bits until credit_rate wait_idle quirks")

# Registers. The test bench: numbers of the next word and of its transmission; whether it was
# `offered` and not accepted in the cycle before; whether it is `held` until idle_o; what the
# consumers may take; how many words they took.
Bench = namedtuple("Bench", "cycle at transmission offered held credit znz_words bpc_words")
# Whom a wait is charged to: how many cycles `late` the plane coder is because of the BPC port; for
# how many the next block has waited for it, but for those charged to the port.
Debt = namedtuple("Debt", "late waited")
# Top control (RTL: ebpc_encoder). `busy`: RUN or WAIT; `owes`: the word is still to go to this side.
Control = namedtuple("Control", "busy flushing word last owes_znz owes_bpc")
# ZNZ coder (RTL: zrle). `valid`: FULL or FLUSH; `closing`: FLUSHZ or FLUSH; `held`: bits.
Znz = namedtuple("Znz", "valid closing bits held zeros")
# Difference block (RTL: dbp_dbx_enc), but for its shift register. `out`: a block is complete;
# `taken`: words of the next one.
Difference = namedtuple("Difference", "out taken")
# Slice (RTL: fifo_slice) and plane coder (RTL: seq_coder, dbx_compressor).
Coder = namedtuple("Coder", "full step steps loaded_in")
# Bit packer (RTL: shift_streamer). `valid`: FULL or FLUSH; `closing`: FLUSH; `held`: bits.
Packer = namedtuple("Packer", "valid closing bits held")
# Output buffer (RTL: bpc_buffer).
Buffer = namedtuple("Buffer", "full last word")
Units = namedtuple("Units", "bench debt control znz difference coder packer buffer")

# Signals. A unit `takes` what comes, `gives` what it has. The control is `through` with its word,
# `pads` the last block with zeros; the slice `loads` a block, which the plane coder `pops` at its
# end; the plane coder `moves` on, and sends a code or not. The control waits for the ZNZ or the BPC
# side, which is charged to the BPC port or not.
Signals = namedtuple(
    "Signals",
    "in_valid in_ready in_last in_data znz_valid znz_ready znz_last bpc_valid bpc_ready bpc_last "
    "accepted through pads znz_takes znz_gives difference_takes loads moves sent pops "
    "packer_gives packer_last bpc_gives bpc_idle flush was_last waits_znz waits_bpc waits_port",
)

# Columns of the trace.
REGISTERS = (Bench, Debt, Control, Znz, Difference, Coder, Packer, Buffer)
COLUMNS = (
    *(f"{u}.{r}" for u, t in zip(Units._fields, REGISTERS, strict=True) for r in t._fields),
    *Signals._fields,
    *("idle", "previous", "znz_data", "bpc_data", "code_bits", "code"),
)

# What `profile` tells apart: bit i of a row's number is the i-th of these. The control waits for
# one of three, or at the end; what waits for the BPC side may be charged to the BPC port. A unit
# that is blocked could give, and may not.
PROFILE = (
    *("waits_producer", "waits_znz", "waits_bpc", "waits_port", "znz_blocked"),
    *("difference_blocked", "packer_takes", "packer_blocked", "buffer_full", "buffer_blocked"),
)
# Places in `counts`: the cycles behind the last handshakes of transmissions; cycles in which the
# control waits at the end, those of them that are charged to the BPC port; cycles in which the
# plane coder had the blocks that it is through with, and made a step; these blocks, the one that it
# had longest, and how long.
COUNTS = 9
ZNZ_END, BPC_END, WAITS_END, END_AT_PORT, CODER_FULL, CODER_WORKS = range(6)
BLOCKS, WORST_BLOCK, WORST_BLOCK_CYCLES = range(6, COUNTS)


@njit(cache=True, nogil=True)
def encode(
    words, ends, gates, setup, units, profile, counts, block, steps, planes, outputs, trace, state
):
    """Run the encoder for some cycles.

    Parameters
    ----------
    words : ndarray of uint32, shape (count + 1,)
        Words of whole transmissions, and one that is not looked at.
    ends : ndarray of int64, shape (transmissions + 1,)
        Where each transmission ends in `words`, and one that is not looked at.
    gates : tuple of 3 ndarrays of uint8, shape (cycles,)
        1 in each cycle in which the producer may begin to offer a word, the consumer of the ZNZ
        stream is ready, that of the BPC stream is.
    setup : Setup
    units : Units
        All 0 after reset; not changed.
    profile : ndarray of int64, shape (2**10,)
        Counts cycles by what holds in them; added to.
    counts : ndarray of int64, shape (COUNTS,)
        All 0 after reset.
    block : ndarray of int64, shape (n + 1,)
        The difference block's shift register, and a place for what it does not take: words, of
        which it makes differences when the slice loads them.
    steps : ndarray of int64, shape (2 * w + 3, 2)
        What the plane coder does with the block in the slice, a row a cycle: bits of the code
        that it sends (0: none, a zero plane is passed), and the code.
    planes : ndarray of int64, shape (w + 1,)
        Delta bit-planes of that block.
    outputs : tuple of 2 ndarrays of uint32
        Receive the words of both streams, behind those counted so far, with room for one more; of
        size 0: nothing is kept.
    trace : ndarray of int64, shape (rows, columns), or None
        Receives what holds in each cycle, a row a cycle; `COLUMNS` names the columns.
    state : ndarray of int64, shape (registers,)
        Receives the registers of all units. They are not returned: to make named tuples of them,
        Numba runs Python code, and dies where a signal interrupts that.
    """
    w, count = setup.word_bits, words.size - 1
    cost = np.int64(CREDIT_UNIT if setup.credit_rate else 0)
    u = units
    for c in range(gates[0].size):
        if u.bench.at == count and _stops(u, setup):
            break
        step, at = np.uint64(u.coder.step), np.uint64(u.bench.at)
        length, code = steps[step, 0], steps[step, 1]
        last = np.int64(u.bench.at + 1 == ends[np.uint64(u.bench.transmission)])
        open_ = (np.int64(gates[0][c]), np.int64(gates[1][c]), np.int64(gates[2][c]))
        offers = np.int64(u.bench.at < count) & (u.bench.offered | (open_[0] & (u.bench.held ^ 1)))
        credit, znz_ready, bpc_ready = _grant(u, setup, open_[1], open_[2])
        signals = _look(
            u, setup, offers, np.int64(words[at]), last, znz_ready, bpc_ready, np.int64(length > 0)
        )
        if trace is not None:
            _write(trace, c, u, signals, block, w, length, code)
        if outputs[0].size > 0:
            outputs[0][np.uint64(u.bench.znz_words)] = _oldest(u.znz.bits, u.znz.held, w)
            outputs[1][np.uint64(u.bench.bpc_words)] = u.buffer.word
        profile[np.uint64(_profile(u, signals))] += 1
        if signals.pops:
            _count_block(counts, u.bench.cycle - u.coder.loaded_in, u.coder.steps)
        debt = _clock_debt(u, signals)
        # Rare, but for the word that the RTL loses, which none marked last follows.
        if u.znz.closing | signals.bpc_last | u.control.flushing | setup.quirks:
            debt = _count_end(counts, u, signals, debt)

        # The clock edge.
        word = u.control.word & (u.control.flushing - 1)
        coder = _clock_coder(u.coder, signals)
        if signals.loads:
            steps_taken = _make_steps(block, planes, steps, w, setup.block_size)
            coder = Coder(np.int64(1), np.int64(0), steps_taken, u.bench.cycle)
            debt = Debt(min(debt.late, debt.waited), np.int64(0))
        place = _mux(signals.difference_takes, u.difference.taken, setup.block_size)
        block[np.uint64(place)] = word
        u = Units(
            _clock_bench(u, signals, setup, credit, cost),
            debt,
            _clock_control(u.control, signals),
            _clock_znz(u.znz, u.control, signals, setup),
            _clock_difference(u.difference, signals, setup.block_size),
            coder,
            _clock_packer(u.packer, signals, code, length, w),
            _clock_buffer(u.buffer, signals, _oldest(u.packer.bits, u.packer.held, w)),
        )
    _store(state, u)


@njit(cache=True, nogil=True)
def _stops(u, setup):
    """Tell whether the run stops, where all words are accepted."""
    if setup.until != ALL_OUT:
        return setup.until == ALL_ACCEPTED
    busy = u.control.busy | u.control.flushing | u.znz.closing | u.znz.held | u.znz.zeros
    busy |= u.difference.out | u.difference.taken | u.coder.full | u.packer.held
    # A word that the RTL loses stays in its buffer.
    return busy | (u.buffer.full & (u.buffer.last | (setup.quirks ^ 1))) == 0


@njit(cache=True, nogil=True)
def _grant(u, setup, znz_ready, bpc_ready):
    """Let the memory behind both consumers take what it can: ZNZ words first."""
    if setup.credit_rate == 0:
        return u.bench.credit, znz_ready, bpc_ready
    credit = min(u.bench.credit + setup.credit_rate, MOST_CREDIT)
    znz_ready = znz_ready & (credit >= CREDIT_UNIT)
    needed = CREDIT_UNIT * (1 + (u.znz.valid & znz_ready))
    return credit, znz_ready, bpc_ready & (credit >= needed)


@njit(cache=True, nogil=True)
def _look(u, setup, in_valid, word, in_last, znz_ready, bpc_ready, has_code):
    """Find what units and ports show."""
    _, debt, control, znz, difference, coder, packer, buffer = u
    # Ready, from the BPC port up to the control.
    buffer_ready = (buffer.full ^ 1) | bpc_ready
    packer_ready = (packer.closing ^ 1) & ((packer.valid ^ 1) | buffer_ready)
    moves = coder.full & ((has_code ^ 1) | packer_ready)
    pops = moves & (coder.step + 1 == coder.steps)
    slice_ready = (coder.full ^ 1) | pops
    difference_ready = (difference.out ^ 1) | slice_ready
    znz_gives = znz.valid & znz_ready
    znz_takes = control.owes_znz & (znz.closing ^ 1) & ((znz.valid ^ 1) | znz_ready)
    pads = control.flushing & (difference.taken > 0)
    to_bpc = control.owes_bpc | pads
    difference_takes = to_bpc & difference_ready
    waits_znz = control.owes_znz ^ znz_takes
    waits_bpc = to_bpc ^ difference_takes
    through = control.busy & ((waits_znz | waits_bpc) ^ 1)
    waits_bpc &= waits_znz ^ 1
    idle = (control.busy | control.flushing) ^ 1
    in_ready = idle | (through & (control.last ^ 1))
    bpc_empty = (difference.taken == 0) & ((difference.out | to_bpc | coder.full) ^ 1)
    bpc_idle = bpc_empty & (packer.held == 0)
    flush = was_last = packer_last = np.int64(0)
    if control.last | control.flushing:
        flush = bpc_empty & control.flushing
        ends = through & control.last & (control.word == 0)
        was_last = bpc_idle & (ends | (control.flushing & (setup.quirks ^ 1)))
        packer_last = packer.closing | (flush & (packer.held == setup.word_bits))
    bpc_valid = buffer.full & (buffer.last | packer.valid | was_last)
    return Signals(
        *(in_valid, in_ready, in_valid & in_last, word & -in_valid, znz.valid, znz_ready),
        *(znz.valid & znz.closing & (znz.held <= setup.word_bits), bpc_valid, bpc_ready),
        *(buffer.full & (buffer.last | was_last), in_valid & in_ready, through, pads, znz_takes),
        *(znz_gives, difference_takes, difference.out & slice_ready, moves, moves & has_code, pops),
        *(packer.valid & buffer_ready, packer_last, bpc_valid & bpc_ready, bpc_idle, flush),
        *(was_last, waits_znz, waits_bpc, waits_bpc & (debt.late + (coder.full ^ moves) > 0)),
    )


@njit(cache=True, nogil=True)
def _is_idle(u, bpc_idle):
    """Tell whether control, ZNZ coder and BPC side are empty: idle_o."""
    busy = u.control.busy | u.control.flushing | u.znz.closing | u.znz.held | u.znz.zeros
    return bpc_idle & (busy == 0)


@njit(cache=True, nogil=True)
def _oldest(bits, held, w):
    """Return the oldest w of the bits held, filled up with zeros."""
    return bits >> (held - w) if held >= w else bits << (w - held)


@njit(cache=True, nogil=True)
def _rest(held, gives, w):
    """Return how many bits a unit holds behind a word that it gives, or not."""
    rest = held - w if gives else held
    return rest if rest > 0 else np.int64(0)


@njit(cache=True, nogil=True)
def _mux(select, one, zero):
    """Multiplex: `one` where `select` is 1, `zero` where it is 0."""
    return one if select else zero


# --- Units at the clock edge --------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _clock_bench(u, s, setup, credit, cost):
    bench = u.bench
    ends = s.accepted & s.in_last
    held = _is_idle(u, s.bpc_idle) ^ 1 if bench.held else ends & setup.wait_idle
    return Bench(
        bench.cycle + 1,
        bench.at + s.accepted,
        bench.transmission + ends,
        s.in_valid & (s.accepted ^ 1),
        held,
        credit - cost * (s.znz_gives + s.bpc_gives),
        bench.znz_words + s.znz_gives,
        bench.bpc_words + s.bpc_gives,
    )


@njit(cache=True, nogil=True)
def _clock_debt(u, s):
    return Debt(
        u.debt.late + (u.coder.full ^ s.moves) - s.waits_port,
        u.debt.waited + (u.difference.out ^ s.loads) - s.waits_port,
    )


@njit(cache=True, nogil=True)
def _clock_control(control, s):
    leaves = (control.word == 0) & s.bpc_idle
    ends = s.through & control.last & (leaves ^ 1)
    return Control(
        s.accepted | (control.busy & (s.through ^ 1)),
        ends | (control.flushing & (s.bpc_idle ^ 1)),
        _mux(s.accepted, s.in_data, control.word),
        _mux(s.accepted, s.in_last, control.last),
        s.accepted | (control.owes_znz ^ s.znz_takes),
        (s.accepted & (s.in_data != 0)) | (control.owes_bpc & (s.difference_takes ^ 1)),
    )


@njit(cache=True, nogil=True)
def _clock_znz(znz, control, s, setup):
    w, z = setup.word_bits, setup.burst_bits
    held = _rest(znz.held, s.znz_gives, w)
    bits = znz.bits & ~(np.int64(-1) << held)
    zero = s.znz_takes & (control.word == 0)
    one = s.znz_takes ^ zero
    zeros = znz.zeros + zero
    put = (zero & (zeros == 1 << z)) | ((one | znz.closing) & (zeros > 0))
    length = (1 + z) & -put
    bits = bits << length | ((zeros - 1) & -put)
    bits = bits << one | one
    held += length + one
    zeros &= put - 1
    closing = (znz.closing | (s.znz_takes & control.last)) & (held + zeros > 0)
    valid = _mux(closing, np.int64(zeros == 0), np.int64(held >= w))
    return Znz(valid, closing, bits, held, zeros)


@njit(cache=True, nogil=True)
def _clock_difference(difference, s, n):
    taken = difference.taken + s.difference_takes
    return Difference(
        (taken == n) | (difference.out & (s.loads ^ 1)),
        taken & -np.int64(taken < n),
    )


@njit(cache=True, nogil=True)
def _clock_coder(coder, s):
    step = coder.step + s.moves
    return Coder(coder.full & (s.pops ^ 1), step & (s.pops - 1), coder.steps, coder.loaded_in)


@njit(cache=True, nogil=True)
def _clock_packer(packer, s, code, length, w):
    held = _rest(packer.held, s.packer_gives, w)
    bits = packer.bits & ~(np.int64(-1) << held)
    closing = (packer.closing | s.flush) & (held > 0) & (held < w)
    length = length & -s.sent
    bits = bits << length | (code & -s.sent)
    held += length
    return Packer(closing | (held >= w), closing, bits, held)


@njit(cache=True, nogil=True)
def _clock_buffer(buffer, s, word):
    stays = buffer.full & (s.bpc_gives ^ 1)
    return Buffer(
        s.packer_gives | stays,
        _mux(s.packer_gives, s.packer_last, stays & (buffer.last | s.was_last)),
        _mux(s.packer_gives, word, buffer.word),
    )


@njit(cache=True, nogil=True, forceinline=True)
def _make_steps(block, planes, steps, w, n):
    """Settle what the plane coder does with a block (RTL: seq_coder): how many cycles it takes."""
    sign = np.int64(1) << (w - 1)
    for k in range(n - 1, 0, -1):
        block[k] = (block[k] ^ sign) - (block[k - 1] ^ sign)
    _make_planes(block, planes, w, n)
    field_bits, position_bits = _place(w), _place(n)
    ones = (1 << (n - 1)) - 1
    steps[0, 0], steps[0, 1] = w, block[0]
    count = 1
    run = 0
    before = np.int64(0)
    for j in range(w + 1):
        plane = planes[j] & ones  # the base has no part in it
        dbx = plane ^ before
        before = plane
        is_zero = dbx == 0
        is_top = j == w
        run += is_zero
        # The code of a run that ends here is overwritten where none does.
        steps[count, 0] = 2 if run == 1 else 3 + field_bits
        steps[count, 1] = 1 if run == 1 else 1 << field_bits | (run - 2)
        if_run = (run > 0) & (is_top | (not is_zero))
        count += if_run
        run = 0 if if_run else run
        lowest = dbx & -dbx
        one, two = dbx == lowest, dbx == 3 * lowest
        position = n - 2 - _place(lowest) - (not one)
        length = 5 + position_bits if one | two else n
        code = (3 if one else 2) << position_bits | position if one | two else 1 << (n - 1) | dbx
        fixed = (dbx == ones) | (plane == 0)
        length = 5 if fixed else length
        code = np.int64(dbx != ones) if fixed else code
        steps[count, 0] = 0 if is_zero else length
        steps[count, 1] = code
        count += not (is_zero & is_top)
    return count


@njit(cache=True, nogil=True, forceinline=True)
def _make_planes(differences, planes, w, n):
    """Wire the differences' bits to planes, an 8 by 8 square of bits at a time."""
    for low in range(0, w, 8):
        for first in range(0, n, 8):
            square = np.int64(0)
            for k in range(first, first + 8):
                square = square << 8 | (differences[k] >> low & 0xFF)
            swap = (square ^ (square >> 7)) & 0x00AA00AA00AA00AA
            square ^= swap ^ (swap << 7)
            swap = (square ^ (square >> 14)) & 0x0000CCCC0000CCCC
            square ^= swap ^ (swap << 14)
            swap = (square ^ (square >> 28)) & 0x00000000F0F0F0F0
            square ^= swap ^ (swap << 28)
            for j in range(8):
                older = planes[low + j] << 8 if first > 0 else np.int64(0)
                planes[low + j] = older | (square >> 8 * j & 0xFF)
    sign = np.int64(0)
    for k in range(n):
        sign = sign << 1 | (differences[k] >> w & 1)
    planes[w] = sign


@njit(cache=True, nogil=True)
def _place(power):
    """Return the place of the one in a power of two below 2**32; 0 for 0."""
    return _PLACE[(power * _SEQUENCE & 0xFFFFFFFF) >> 27]


# --- Counts and trace --------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _profile(u, s):
    """Return the number of the profile's row that a cycle counts for."""
    bits = s.bpc_valid ^ s.bpc_gives
    bits = bits << 1 | u.buffer.full
    bits = bits << 1 | (u.packer.valid ^ s.packer_gives)
    bits = bits << 1 | s.sent
    bits = bits << 1 | (u.difference.out ^ s.loads)
    bits = bits << 1 | (u.znz.valid ^ s.znz_gives)
    bits = bits << 1 | s.waits_port
    bits = bits << 1 | s.waits_bpc
    bits = bits << 1 | s.waits_znz
    return bits << 1 | ((u.control.busy | u.control.flushing) ^ 1)


@njit(cache=True, nogil=True)
def _count_block(counts, cycles, steps):
    """Count a block that the plane coder is through with."""
    counts[CODER_FULL] += cycles
    counts[CODER_WORKS] += steps
    if cycles > counts[WORST_BLOCK_CYCLES]:
        counts[WORST_BLOCK_CYCLES] = cycles
        counts[WORST_BLOCK] = counts[BLOCKS]
    counts[BLOCKS] += 1


@njit(cache=True, nogil=True)
def _count_end(counts, u, s, debt):
    """Note last handshakes, and what a wait at the end is charged to: first to the port."""
    counts[ZNZ_END] = u.bench.cycle + 1 if s.znz_gives else counts[ZNZ_END]
    counts[BPC_END] = u.bench.cycle + 1 if s.bpc_gives else counts[BPC_END]
    if u.control.flushing == 0 or s.pads:
        return debt
    # Once the plane coder is empty, the packer's words are what is late.
    late = debt.late + ((u.coder.full ^ 1) & (u.packer.valid ^ s.packer_gives))
    at_port = np.int64(late > 0)
    counts[WAITS_END] += 1
    counts[END_AT_PORT] += at_port
    return Debt(late - at_port, debt.waited)


@njit(cache=True, nogil=True)
def _write(trace, row, u, signals, block, w, length, code):
    """Write a row: all registers, all signals, then six more."""
    at = _store(trace[row], u)
    for signal in signals:
        trace[row, at] = signal
        at += 1
    taken = u.difference.taken
    trace[row, at] = _is_idle(u, signals.bpc_idle)
    trace[row, at + 1] = block[taken - 1] if taken else 0
    trace[row, at + 2] = _oldest(u.znz.bits, u.znz.held, w) if u.znz.valid else 0
    trace[row, at + 3] = u.buffer.word if signals.bpc_valid else 0
    trace[row, at + 4] = length if signals.sent else 0
    trace[row, at + 5] = code if signals.sent else 0


@njit(cache=True, nogil=True)
def _store(row, u):
    """Write all registers, and return how many there are."""
    at = 0
    for unit in literal_unroll(u):
        for register in unit:
            row[at] = register
            at += 1
    return at
