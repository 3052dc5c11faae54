"""The hardware's decoder, one clock cycle a loop iteration (docs/HARDWARE.md, "Decoder").

It is made as kernels/hardware_encoder.py is: registers are tuples, signals of one bit are 0 or 1,
`&`, `|`, `^` are gates. Shift registers are right-aligned, the newest bit is the lowest.
"""

from collections import namedtuple

import numpy as np
from numba import literal_unroll, njit

# When `decode` stops: as soon as the last transmission is out; when the last number of words is
# accepted (that of a transmission whose words follow); or when the gates end.
ALL_OUT, ALL_ACCEPTED, GATES_END = range(3)
# Of the memory behind both producers: what a word costs, and the most that can be saved up.
CREDIT_UNIT = 1 << 32
MOST_CREDIT = 16 * CREDIT_UNIT
# A stream's word comes with two numbers above its 32 bits: from bit LAST on, whether it is its
# transmission's last (one bit); from bit NEEDED on, how many numbers of words have to be accepted
# before it may be offered.
LAST, NEEDED = 32, 33
WORD = (1 << LAST) - 1

# Symbols are told by their first five bits; behind these 32, what stands before a block's symbols.
BASE = 32
# Columns of the table of symbols: length; which of its bits are DBX; what DBX is besides; which bits
# of the plane are left as DBX makes them; which of its bits are a base; whether it is a run of
# planes; which of its bits say where ones are.
LENGTH, DBX_BITS, DBX, KEPT, BASE_BITS, IS_RUN, ONES_BITS = range(7)

# What does not change during a run: w, n and z; when to stop; what both producers together may
# offer a cycle, 0 for no limit; whether the RTL's faults are wanted.
Setup = namedtuple("Setup", "word_bits block_size burst_bits until credit_rate quirks")

# Registers. The test bench: numbers of what is next at each port; whether it was `offered` and not
# accepted in the cycle before; what the producers may offer; how many words are out.
Bench = namedtuple(
    "Bench",
    "cycle number_at number_offered znz_at znz_offered bpc_at bpc_offered credit out_words",
)
# Whom a wait is charged to: how many cycles `late` the symbol decoder is because of the BPC port;
# for how many the slice has had room, but for those charged to the port.
Debt = namedtuple("Debt", "late room")
# Top control (RTL: ebpc_decoder). `ended`: the last word of this stream is in (RTL: blkZ, blkB).
Control = namedtuple("Control", "running left znz_ended bpc_ended")
# ZNZ decoder (RTL: zrle_decoder). `run`: zeros that are left in ZRUN (RTL: zc + 1); `held`: bits.
Znz = namedtuple("Znz", "run bits held")
# Unpacker. `held`: bits.
Unpacker = namedtuple("Unpacker", "bits held")
# Symbol decoder (RTL: symbol_decoder, expander). `number` of what is next: 0 for the base, j + 1 for
# plane j; `run`: planes that are left in ZRUN (RTL: zc + 1); when the block began.
Symbol = namedtuple("Symbol", "number run previous began_in")
# Plane collector (RTL: buffer), but for what it holds.
Collector = namedtuple("Collector", "full")
# Slice (RTL: fifo_slice) and delta integrator (RTL: delta_reverse). `place`: word of the block.
Slice = namedtuple("Slice", "full place")
Units = namedtuple("Units", "bench debt control znz unpacker symbol collector slice")

# Signals. The ZNZ decoder shows a flag or not, `flag` is 1 for a word that is not zero; a word is
# `given`; at `finish` the transmission is out, and all units are cleared, the BPC side at `clear`.
# The symbol decoder `pushes` base or plane into the collector and consumes the symbol or not, or is
# `starved`: it lacks bits. The slice `loads` a block and is rid of it at `pop`. The control waits
# for a `word` that is not there, which is charged to the port or not.
Signals = namedtuple(
    "Signals",
    "number_valid number_ready number_data znz_valid znz_ready znz_last znz_data "
    "bpc_valid bpc_ready bpc_last bpc_data out_valid out_ready out_last "
    "flag_valid flag given finish clear pushes consumes starved ends_block symbol_blocked loads pop "
    "number_taken znz_taken bpc_taken waits_word waits_port",
)

# Columns of the trace.
REGISTERS = (Bench, Debt, Control, Znz, Unpacker, Symbol, Collector, Slice)
COLUMNS = (
    *(f"{u}.{r}" for u, t in zip(Units._fields, REGISTERS, strict=True) for r in t._fields),
    *Signals._fields,
    *("out_data", "code_bits", "code"),
)

# What `profile` tells apart: bit i of a row's number is the i-th of these. The control waits for
# one of three, or for a number of words; a word may be charged to the BPC port. A unit that is
# blocked could give, and may not.
PROFILE = (
    *("waits_consumer", "waits_znz", "waits_word", "waits_port", "znz_blocked"),
    *("unpacker_gives", "symbol_pushes", "symbol_blocked", "slice_full", "slice_gives"),
)
# Places in `counts`: the cycles behind the last handshakes of transmissions; blocks that the symbol
# decoder is through with, the one that took it longest, and how long.
COUNTS = 7
NUMBER_END, ZNZ_END, BPC_END, OUT_END, BLOCKS, WORST_BLOCK, WORST_BLOCK_CYCLES = range(COUNTS)


@njit(cache=True, nogil=True)
def decode(
    numbers,
    znz_in,
    bpc_in,
    gates,
    setup,
    units,
    profile,
    counts,
    planes,
    block,
    outputs,
    trace,
    state,
):
    """Run the decoder for some cycles.

    Parameters
    ----------
    numbers : ndarray of int64, shape (transmissions + 1,)
        Numbers of words; the last element is not looked at.
    znz_in : ndarray of int64, shape (ZNZ words + 1,)
    bpc_in : ndarray of int64, shape (BPC words + 1,)
        Words, with what stands above them. For the last element, which is never offered, more
        numbers are needed than there are.
    gates : tuple of 4 ndarrays of uint8, shape (cycles,)
        1 in each cycle in which the producers of the numbers, of BPC words and of ZNZ words may
        begin to offer one; in which the consumer is ready.
    setup : Setup
    units : Units
        All 0 after reset; not changed.
    profile : ndarray of int64, shape (2**10,)
        Counts cycles by what holds in them; added to.
    counts : ndarray of int64, shape (COUNTS,)
        All 0 after reset.
    planes : ndarray of int64, shape (w + 3,)
        The collector's: base, delta bit-planes, and a place for what it does not take.
    block : ndarray of int64, shape (n,)
        Words of the block in the slice.
    outputs : tuple of 1 ndarray of uint32
        Receives the words, behind those counted so far, with room for one more; of size 0:
        nothing is kept.
    trace : ndarray of int64, shape (rows, columns), or None
        Receives what holds in each cycle, a row a cycle; `COLUMNS` names the columns.
    state : ndarray of int64, shape (registers,)
        Receives the registers of all units. They are not returned: to make named tuples of them,
        Numba runs Python code, and dies where a signal interrupts that.
    """
    w, n = setup.word_bits, setup.block_size
    symbols, ones = _symbols(w, n), _ones(n)
    most = numbers.size - 1
    u = units
    for c in range(gates[0].size):
        if u.bench.number_at == most and setup.until != GATES_END:
            if setup.until == ALL_ACCEPTED or u.control.running == 0:
                break
        head = np.uint64(_head(u.symbol, u.unpacker))
        length = symbols[head, LENGTH]
        open_ = (np.int64(gates[0][c]), np.int64(gates[1][c]), np.int64(gates[2][c]))
        znz, bpc = znz_in[np.uint64(u.bench.znz_at)], bpc_in[np.uint64(u.bench.bpc_at)]
        offers = _offer(u, setup, most, znz >> NEEDED, bpc >> NEEDED, open_)
        s = _look(
            u,
            setup,
            offers,
            np.int64(gates[3][c]),
            numbers[np.uint64(u.bench.number_at)],
            znz,
            bpc,
            symbols[head, IS_RUN],
            length,
        )
        word = block[np.uint64(u.slice.place)] & -s.flag
        rest = _rest(u.unpacker.held, length)
        code = u.unpacker.bits >> rest
        dbx = (code & symbols[head, DBX_BITS]) | symbols[head, DBX]
        dbx |= ones[np.uint64(code & symbols[head, ONES_BITS])]
        plane = (u.symbol.previous ^ dbx) & symbols[head, KEPT]
        if trace is not None:
            _write(trace, c, u, s, word, length, code)
        if outputs[0].size > 0:
            outputs[0][np.uint64(u.bench.out_words)] = word
        profile[np.uint64(_profile(u, s))] += 1
        _count(counts, u, s, setup.quirks)

        # The clock edge.
        debt = _clock_debt(u, s)
        if s.loads:
            _make_words(planes, block, w, n)
            # If the symbol decoder lacks bits in this cycle, it lacks those of the next block.
            starved = (s.pushes | u.control.bpc_ended) ^ 1
            debt = Debt(min(debt.late, debt.room) + starved, np.int64(0))
        place = u.symbol.number if s.pushes else w + 2
        planes[np.uint64(place)] = plane | (code & symbols[head, BASE_BITS])
        u = Units(
            _clock_bench(u.bench, s, offers),
            debt,
            _clock_control(u.control, s, setup),
            _clock_znz(u.znz, s, setup),
            _clock_unpacker(u.unpacker, s, rest, w),
            _clock_symbol(u, s, symbols[head, IS_RUN], code, plane, w),
            Collector(s.ends_block | (u.collector.full ^ s.loads)),
            _clock_slice(u.slice, s),
        )
        if s.finish | s.number_taken:
            u = _turn(u, s)
    _store(state, u)


@njit(cache=True, nogil=True)
def _head(symbol, unpacker):
    """Return the first five bits of what stands at the top of the unpacker's window."""
    held = unpacker.held
    head = unpacker.bits >> (held - 5) if held >= 5 else unpacker.bits << (5 - held)
    return head & 31 if symbol.number else np.int64(BASE)


@njit(cache=True, nogil=True)
def _offer(u, setup, most, znz_needs, bpc_needs, gates):
    """Find which producers offer, and what credit is left."""
    bench = u.bench
    number = np.int64(0)
    if bench.number_at < most:
        number = bench.number_offered | gates[0]
    bpc = (bpc_needs <= bench.number_at) & (bench.bpc_offered | gates[1])
    znz = (znz_needs <= bench.number_at) & (bench.znz_offered | gates[2])
    credit = bench.credit
    if setup.credit_rate > 0:  # a word is paid for when it is offered first, ZNZ words first
        credit = min(credit + setup.credit_rate, MOST_CREDIT)
        znz = znz & (bench.znz_offered | (credit >= CREDIT_UNIT))
        credit -= CREDIT_UNIT * (znz & (bench.znz_offered ^ 1))
        bpc = bpc & (bench.bpc_offered | (credit >= CREDIT_UNIT))
        credit -= CREDIT_UNIT * (bpc & (bench.bpc_offered ^ 1))
    return number, znz, bpc, credit


@njit(cache=True, nogil=True)
def _look(u, setup, offers, out_ready, number, znz_in, bpc_in, is_run, length):
    """Find what units and ports show."""
    number_valid, znz_valid, bpc_valid, _ = offers
    w, z = setup.word_bits, setup.burst_bits
    _, debt, control, znz, unpacker, symbol, collector, block = u
    # The output.
    top = znz.bits >> (znz.held - (znz.held > 0)) & 1
    runs = np.int64(znz.run > 0)
    flag = top & (runs ^ 1)
    flag_valid = runs | top | (znz.held > z)
    out_valid = control.running & flag_valid & (block.full | (flag ^ 1))
    given = out_valid & out_ready
    is_last = np.int64(control.left == 0)
    finish = given & is_last
    clear = finish & (setup.quirks | control.bpc_ended)
    pop = given & flag & (block.place == setup.block_size - 1)
    # Ready, from the output to the ports.
    slice_ready = (block.full ^ 1) | pop | clear
    collector_ready = (collector.full ^ 1) | slice_ready
    enough = np.int64(unpacker.held >= length)
    pushes = (unpacker.held > 0) & enough & ((symbol.number > 0) | collector_ready)
    starved = (pushes | collector.full | control.bpc_ended) ^ 1
    # A run's symbol stays until its last plane.
    consumes = pushes & ((is_run ^ 1) | (symbol.run == 1))
    room = (unpacker.held < w) | (consumes & (unpacker.held - length < w))
    bpc_ready = room & ((control.bpc_ended | clear) ^ 1)
    room = (znz.held < w) | (given & (znz.held - 1 - z * (top ^ 1) < w))
    znz_ready = room & ((control.znz_ended | finish | runs) ^ 1)
    number_ready = control.running ^ 1
    waits_word = control.running & flag_valid & (out_valid ^ 1)
    return Signals(
        *(number_valid, number_ready, number, znz_valid, znz_ready, znz_in >> LAST & znz_valid),
        *(znz_in & WORD, bpc_valid, bpc_ready, bpc_in >> LAST & bpc_valid, bpc_in & WORD),
        *(out_valid, out_ready, control.running & flag_valid & is_last, flag_valid, flag, given),
        *(finish, clear, pushes, consumes, starved, pushes & (symbol.number > w)),
        *(collector.full & (pushes ^ 1), collector.full & slice_ready, pop),
        *(number_valid & number_ready, znz_valid & znz_ready, bpc_valid & bpc_ready, waits_word),
        waits_word & (debt.late + starved > 0),
    )


@njit(cache=True, nogil=True)
def _rest(held, length):
    """Return how many bits are left behind the first `length`."""
    rest = held - length
    return rest if rest > 0 else np.int64(0)


@njit(cache=True, nogil=True)
def _symbols(w, n):
    """Make the table of symbols."""
    ones = (np.int64(1) << (n - 1)) - 1
    rows = np.zeros((33, 7), np.int64)
    rows[:, KEPT] = ones
    rows[0b10000:, LENGTH], rows[0b10000:, DBX_BITS] = n, ones
    rows[0b01000:0b10000, LENGTH] = 2  # a zero plane
    rows[0b00100:0b01000, LENGTH], rows[0b00100:0b01000, IS_RUN] = 3 + _log2(w), 1
    rows[0b00010:0b00100, LENGTH], rows[0b00010:0b00100, ONES_BITS] = 5 + _log2(n), 4 * n - 1
    rows[0b00001, LENGTH], rows[0b00001, KEPT] = 5, 0
    rows[0b00000, LENGTH], rows[0b00000, DBX] = 5, ones
    rows[BASE] = 0
    rows[BASE, LENGTH], rows[BASE, BASE_BITS] = w, (np.int64(1) << w) - 1
    return rows


@njit(cache=True, nogil=True)
def _ones(n):
    """Make the table of DBX by the last bits of a symbol that says where ones are."""
    table = np.zeros(4 * n, np.int64)  # 0 for symbols that do not
    for position in range(n):
        table[2 * n + position] = np.int64(3) << max(n - 3 - position, 0)
        table[3 * n + position] = np.int64(1) << max(n - 2 - position, 0)
    return table


# --- Units at the clock edge --------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _clock_bench(bench, s, offers):
    return Bench(
        bench.cycle + 1,
        bench.number_at + s.number_taken,
        s.number_valid ^ s.number_taken,
        bench.znz_at + s.znz_taken,
        s.znz_valid ^ s.znz_taken,
        bench.bpc_at + s.bpc_taken,
        s.bpc_valid ^ s.bpc_taken,
        offers[3],
        bench.out_words + s.given,
    )


@njit(cache=True, nogil=True)
def _clock_debt(u, s):
    return Debt(
        u.debt.late + s.starved - s.waits_port,
        u.debt.room + (u.slice.full ^ 1) - s.waits_port,
    )


@njit(cache=True, nogil=True)
def _clock_control(control, s, setup):
    left = control.left - s.given
    if (s.number_taken | s.finish | s.znz_last | s.bpc_last) == 0:
        return Control(control.running, left, control.znz_ended, control.bpc_ended)
    # The RTL looks at last flags only while it runs.
    heeds = control.running | (setup.quirks ^ 1)
    forgets = s.number_taken & setup.quirks
    znz_ended = control.znz_ended | (s.znz_taken & s.znz_last & heeds)
    bpc_ended = control.bpc_ended | (s.bpc_taken & s.bpc_last & heeds)
    return Control(
        s.number_taken | (control.running & (s.finish ^ 1)),
        s.number_data - 1 if s.number_taken else left & -(s.finish ^ 1),
        znz_ended & ((s.finish | forgets) ^ 1),
        bpc_ended & ((s.clear | forgets) ^ 1),
    )


@njit(cache=True, nogil=True)
def _clock_znz(znz, s, setup):
    w, z = setup.word_bits, setup.burst_bits
    runs = np.int64(znz.run > 0)
    taken = s.given & (runs ^ 1)
    zero = taken & (s.flag ^ 1)
    rest = _rest(znz.held, taken + z * zero)
    run = znz.bits >> rest & ~(np.int64(-1) << z) if zero else znz.run - (s.given & runs)
    bits = znz.bits & ~(np.int64(-1) << rest)
    bits = bits << w | s.znz_data if s.znz_taken else bits
    return Znz(run, bits, rest + w * s.znz_taken)


@njit(cache=True, nogil=True)
def _clock_unpacker(unpacker, s, rest, w):
    rest = rest if s.consumes else unpacker.held
    bits = unpacker.bits & ~(np.int64(-1) << rest)
    bits = bits << w | s.bpc_data if s.bpc_taken else bits
    return Unpacker(bits, rest + w * s.bpc_taken)


@njit(cache=True, nogil=True)
def _clock_symbol(u, s, is_run, code, plane, w):
    symbol = u.symbol
    # The field of a run's symbol is its length - 2, and its first plane is pushed now.
    field = code & (w - 1)
    run = symbol.run - 1 if symbol.run else (field + 1) & -is_run
    begins = s.pushes & (symbol.number == 0)
    keep = -(s.ends_block ^ 1)
    return Symbol(
        symbol.number + s.pushes & keep,
        (run if s.pushes else symbol.run) & keep,
        (plane if s.pushes else symbol.previous) & keep,
        u.bench.cycle if begins else symbol.began_in,
    )


@njit(cache=True, nogil=True)
def _clock_slice(block, s):
    place = block.place + (s.given & s.flag)
    return Slice(s.loads | (block.full ^ s.pop), place & -((s.loads | s.pop) ^ 1))


@njit(cache=True, nogil=True)
def _turn(u, s):
    """Clear the ZNZ decoder, and the BPC side but for a block that the slice loads just now.

    That is at the end of a transmission. At its beginning, the first BPC word takes a cycle.
    """
    no = np.int64(0)
    if s.number_taken:
        debt = Debt(np.int64(-1), no)
        return Units(u.bench, debt, u.control, u.znz, u.unpacker, u.symbol, u.collector, u.slice)
    znz = Znz(no, no, no)
    if s.clear == 0:
        return Units(u.bench, u.debt, u.control, znz, u.unpacker, u.symbol, u.collector, u.slice)
    symbol = Symbol(no, no, no, u.symbol.began_in)
    unpacker, collector, block = Unpacker(no, no), Collector(no), Slice(s.loads, no)
    return Units(u.bench, u.debt, u.control, znz, unpacker, symbol, collector, block)


@njit(cache=True, nogil=True, forceinline=True)
def _make_words(planes, block, w, n):
    """Integrate the differences of a block, an 8 by 8 square of their bits at a time."""
    block[0] = planes[0]
    for first in range(0, n, 8):
        for low in range(0, w, 8):
            square = np.int64(0)
            for j in range(low + 8, low, -1):
                square = square << 8 | (planes[j] >> (n - 8 - first) & 0xFF)
            swap = (square ^ (square >> 7)) & 0x00AA00AA00AA00AA
            square ^= swap ^ (swap << 7)
            swap = (square ^ (square >> 14)) & 0x0000CCCC0000CCCC
            square ^= swap ^ (swap << 14)
            swap = (square ^ (square >> 28)) & 0x00000000F0F0F0F0
            square ^= swap ^ (swap << 28)
            for k in range(first, first + 8):
                bits = (square >> 8 * (first + 7 - k) & 0xFF) << low
                if k > 0:
                    block[k] = bits if low == 0 else block[k] | bits
    for k in range(1, n):
        block[k] = (block[k - 1] + block[k]) & ~(np.int64(-1) << w)


@njit(cache=True, nogil=True)
def _log2(power):
    """Take the logarithm of 8, 16 or 32."""
    return np.int64(3) + (power > 8) + (power > 16)


# --- Counts and trace ---------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _profile(u, s):
    """Return the number of the profile's row that a cycle counts for."""
    bits = s.given & s.flag
    bits = 2 * bits + u.slice.full
    bits = 2 * bits + s.symbol_blocked
    bits = 2 * bits + s.pushes
    bits = 2 * bits + s.consumes
    bits = 2 * bits + (s.flag_valid ^ s.given)
    bits = 2 * bits + s.waits_port
    bits = 2 * bits + s.waits_word
    bits = 2 * bits + (u.control.running & (s.flag_valid ^ 1))
    return 2 * bits + (s.out_valid ^ s.given)


@njit(cache=True, nogil=True)
def _count(counts, u, s, quirks):
    """Count a block that the symbol decoder is through with, and note last handshakes."""
    end = u.bench.cycle + 1
    if s.ends_block:
        if end - u.symbol.began_in > counts[WORST_BLOCK_CYCLES]:
            counts[WORST_BLOCK_CYCLES] = end - u.symbol.began_in
            counts[WORST_BLOCK] = counts[BLOCKS]
        counts[BLOCKS] += 1
    # Rare, but for words that the RTL swallows.
    if s.finish | s.number_taken | s.znz_last | s.bpc_last | quirks:
        counts[NUMBER_END] = end if s.number_taken else counts[NUMBER_END]
        counts[ZNZ_END] = end if s.znz_taken else counts[ZNZ_END]
        counts[BPC_END] = end if s.bpc_taken else counts[BPC_END]
        counts[OUT_END] = end if s.given else counts[OUT_END]


@njit(cache=True, nogil=True)
def _write(trace, row, u, signals, word, length, code):
    """Write a row: all registers, all signals, then three more."""
    at = _store(trace[row], u)
    for signal in signals:
        trace[row, at] = signal
        at += 1
    trace[row, at] = word if signals.out_valid else 0
    trace[row, at + 1] = length if signals.pushes else 0
    trace[row, at + 2] = code if signals.pushes else 0


@njit(cache=True, nogil=True)
def _store(row, u):
    """Write all registers, and return how many there are."""
    at = 0
    for unit in literal_unroll(u):
        for register in unit:
            row[at] = register
            at += 1
    return at
