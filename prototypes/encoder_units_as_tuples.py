"""The hardware's encoder, one clock cycle a loop iteration (docs/HARDWARE.md, "Encoder").

A unit of the hardware is a tuple of registers and a function that clocks it. In a cycle, first
what all units show is found, which follows from their registers and from what the test bench does;
then they are clocked from the outputs to the input, so that each still sees the old registers of
the one before it. Shift registers are right-aligned: their lowest bits are the newest.
"""

import numpy as np
from numba import literal_unroll, njit

# The registers, by units.
BENCH = ("cycle", "at", "transmission", "offered", "held", "credit")
CONTROL = ("state", "word", "last", "awaits_bpc", "filled")
ZNZ = ("state", "bits", "count", "zeros")
DIFFERENCE = ("state", "taken", "previous", "since")
SLICE = ("full", "base", "since")
CODER = ("state", "plane", "zero_planes")
PACKER = ("state", "bits", "count", "since")
BUFFER = ("state", "word", "since")
DONE = ("state", "znz_out", "bpc_out", "silent", "awaited", "coded")
UNITS = (BENCH, CONTROL, ZNZ, DIFFERENCE, SLICE, CODER, PACKER, BUFFER, DONE)
# Signals: of the ports valid, ready, data and last.
PORTS = ("in", "znz", "bpc")
REGISTERS = 38
TRACE_COLUMNS = REGISTERS + 14  # and idle_o, blk_done_o

# States; reset puts a unit to its first.
CONTROL_IDLE, CONTROL_RUN, CONTROL_WAIT, CONTROL_FLUSH = range(4)
ZNZ_EMPTY, ZNZ_FILL, ZNZ_FULL, ZNZ_FLUSH_ZEROS, ZNZ_FLUSH = range(5)
DIFFERENCE_IDLE, DIFFERENCE_FILL, DIFFERENCE_OUT = range(3)
CODER_BASE, CODER_PLANES = range(2)
PACKER_EMPTY, PACKER_FILL, PACKER_FULL, PACKER_FLUSH = range(4)
BUFFER_EMPTY, BUFFER_FULL, BUFFER_LAST = range(3)
DONE_IDLE, DONE_ANY, DONE_BOTH, DONE_BPC_OPEN, DONE_ZNZ_ONLY, DONE_BPC_ONLY = range(6)

# What is counted.
(
    IN_WORDS,
    ZNZ_WORDS,
    BPC_WORDS,
    IN_END,  # the cycle behind the last handshake, 0 where there was none
    ZNZ_END,
    BPC_END,
    DONE_PULSES,
    BLOCKS,
    WORST_BLOCK,  # that the coder took longest for
    WORST_CYCLES,
    CONTROL_WORKS,
    CONTROL_WAITS_PRODUCER,
    CONTROL_WAITS_ZNZ,
    CONTROL_WAITS_BLOCK,
    CONTROL_WAITS_PORT,  # of the BPC stream
    CONTROL_WAITS_END,  # until all is out of the BPC side
    ZNZ_BLOCKED,
    DIFFERENCE_BLOCKED,
    SLICE_CYCLES,
    PACKER_BLOCKED,
    BUFFER_CYCLES,
    BUFFER_BLOCKED,
) = range(22)
COUNTS = 22

CREDIT_UNIT = 1 << 16
MOST_CREDIT = 16 * CREDIT_UNIT
# When `encode` stops.
ALL_OUT, ALL_ACCEPTED, GATES_END = range(3)


@njit(cache=True, nogil=True)
def encode(
    words, ends, gates, options, registers, differences, planes, counts, znz_words, bpc_words, trace
):
    """Run the encoder for some cycles.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
        Words of whole transmissions.
    ends : ndarray of int64, shape (transmissions,)
        Where each ends in `words`; none is empty.
    gates : ndarray of uint8, shape (3, cycles)
        Whether in each cycle the producer may begin to offer a word, the consumer of the ZNZ
        stream is ready, and that of the BPC stream is.
    options : tuple of int
        When to stop: `ALL_OUT`, `ALL_ACCEPTED` (before the cycle in which a further word could
        be offered) or `GATES_END`; w, n, z; how many words, in `CREDIT_UNIT`, both consumers
        together take a cycle (0: no limit); 1 if between transmissions the producer waits for
        idle_o; 1 for the faults of the RTL.
    registers : tuple of tuples of int
        As `UNITS` names them, all 0 after reset.
    differences : ndarray of int64, shape (n,)
        The block in the difference unit.
    planes : ndarray of int64, shape (2, w + 1)
        Delta bit-planes of the block in the slice, and each one's exclusive or with the next.
    counts : ndarray of int64, shape (COUNTS,)
        Added to.
    znz_words, bpc_words : ndarray of uint32
        Receive what is put out, behind what is counted; of size 0: they do not.
    trace : ndarray of int64, shape (rows, TRACE_COLUMNS)
        Receives registers and signals of each cycle, from cycle 0 on, as far as there are rows.

    Returns
    -------
    registers : tuple of tuples of int
    """
    until, w, n, z, rate, hold, quirks = options
    fields = (_log2(w), _log2(n))
    bench, control, znz, difference, slice_, coder, packer, buffer, done = registers
    for c in range(gates.shape[1]):
        if until != GATES_END and bench[1] == words.size:
            out = _is_out(control, znz, difference, slice_, packer, buffer)
            if until == ALL_ACCEPTED or out:
                break
        ports = _run_bench(bench, gates, c, words.size, znz, rate)
        code = _offer(slice_, coder, planes, w, n, fields)
        bpc = _show_bpc(difference, slice_, coder, packer, buffer, planes, code, ports, w)
        top = _show_control(control, znz, ports, bpc)
        out = _show_outputs(control, znz, packer, buffer, bpc, top, w, quirks)
        done, pulse = _clock_done(done, control, ports, bpc, top, out, buffer, quirks)
        if bench[0] < trace.shape[0]:
            row = trace[bench[0]]
            old = (bench, control, znz, difference, slice_, coder, packer, buffer, done)
            _trace(row, old, _signals(bench, znz, buffer, words, ends, ports, top, out, w), pulse)
        _count(counts, bench[0], control, znz, packer, ports, bpc, top, out)
        _hand_out(counts, znz_words, bpc_words, znz, buffer, ports, out, w)
        counts[DONE_PULSES] += pulse

        buffer = _clock_buffer(buffer, packer, bpc, out, ports, bench[0], counts, w)
        packer = _clock_packer(packer, code, bpc, out, bench[0], counts, w)
        coder = _clock_coder(coder, planes, bpc, w)
        slice_ = _clock_slice(slice_, difference, differences, planes, bpc, bench[0], counts, w, n)
        difference = _clock_difference(
            difference, differences, control, top, bpc, bench[0], counts, w, n
        )
        znz = _clock_znz(znz, control, top, ports, w, z)
        control = _clock_control(control, bpc, top, out, n)
        bench, control = _clock_input(
            bench, control, words, ends, ports, top, out, hold, counts, rate
        )
    return bench, control, znz, difference, slice_, coder, packer, buffer, done


@njit(cache=True, nogil=True, forceinline=True)
def _is_out(control, znz, difference, slice_, packer, buffer):
    """Tell whether no unit holds anything; a word that the RTL forgets does not count."""
    return (
        control[0] == CONTROL_IDLE
        and znz[0] == ZNZ_EMPTY
        and difference[0] == DIFFERENCE_IDLE
        and slice_[0] == 0
        and packer[0] == PACKER_EMPTY
        and buffer[0] != BUFFER_LAST
    )


# --- What units show in a cycle -----------------------------------------------------------------


@njit(cache=True, nogil=True, forceinline=True)
def _run_bench(bench, gates, c, count, znz, rate):
    """Find whether the producer offers, the consumers are ready, and their credit."""
    _, at, _, offered, held, credit = bench
    in_valid = at < count and (offered == 1 or (gates[0, c] != 0 and held == 0))
    znz_ready = gates[1, c] != 0
    bpc_ready = gates[2, c] != 0
    if rate > 0:
        credit = min(credit + rate, MOST_CREDIT)
        znz_ready = znz_ready and credit >= CREDIT_UNIT
        znz_valid = znz[0] == ZNZ_FULL or znz[0] == ZNZ_FLUSH
        bpc_ready = bpc_ready and credit >= (2 if znz_ready and znz_valid else 1) * CREDIT_UNIT
    return in_valid, znz_ready, bpc_ready, credit


@njit(cache=True, nogil=True, forceinline=True)
def _show_bpc(difference, slice_, coder, packer, buffer, planes, code, ports, w):
    """Find what the BPC side does, from its port up to the difference unit."""
    buffer_ready = buffer[0] == BUFFER_EMPTY or ports[2]
    packer_valid = packer[0] >= PACKER_FULL
    packer_ready = packer[0] < PACKER_FULL or (packer[0] == PACKER_FULL and buffer_ready)
    sent = code[1] > 0 and packer_ready
    in_planes = coder[0] == CODER_PLANES
    pop = sent and in_planes and coder[1] == w and (coder[2] == 0 or planes[1, w] == 0)
    slice_ready = slice_[0] == 0 or pop
    ready = difference[0] != DIFFERENCE_OUT or slice_ready
    empty = difference[0] == DIFFERENCE_IDLE and slice_[0] == 0 and not in_planes
    return ready, slice_ready, pop, sent, packer_valid, buffer_ready, empty


@njit(cache=True, nogil=True, forceinline=True)
def _show_control(control, znz, ports, bpc):
    """Find what the control offers to both sides, and whether it is through with its word."""
    state, word, last, awaits_bpc, filled = control
    znz_ready = znz[0] < ZNZ_FULL or (znz[0] == ZNZ_FULL and ports[1])
    to_znz = state == CONTROL_RUN or (state == CONTROL_WAIT and awaits_bpc == 0)
    to_bpc = (
        (state == CONTROL_RUN and word != 0)
        or (state == CONTROL_WAIT and awaits_bpc == 1)
        or (state == CONTROL_FLUSH and filled > 0)
    )
    through = (
        (state == CONTROL_RUN or state == CONTROL_WAIT)
        and (znz_ready or not to_znz)
        and (bpc[0] or not to_bpc)
    )
    in_ready = state == CONTROL_IDLE or (through and last == 0)
    return to_znz, to_bpc, through, in_ready, znz_ready


@njit(cache=True, nogil=True, forceinline=True)
def _show_outputs(control, znz, packer, buffer, bpc, top, w, quirks):
    """Find what the ends of both sides show."""
    empty = bpc[6] and not top[1]
    bpc_idle = empty and packer[0] == PACKER_EMPTY
    flush = empty and control[0] == CONTROL_FLUSH
    was_last = bpc_idle and (
        (control[0] == CONTROL_RUN and top[2] and control[2] == 1 and control[1] == 0)
        or (control[0] == CONTROL_FLUSH and quirks == 0)
    )
    packer_last = packer[0] == PACKER_FLUSH or (flush and packer[2] == 0)
    bpc_valid = buffer[0] == BUFFER_LAST or (buffer[0] == BUFFER_FULL and (bpc[4] or was_last))
    bpc_last = buffer[0] == BUFFER_LAST or (buffer[0] == BUFFER_FULL and was_last)
    znz_valid = znz[0] == ZNZ_FULL or znz[0] == ZNZ_FLUSH
    znz_last = znz[0] == ZNZ_FLUSH and znz[2] <= w
    idle = control[0] == CONTROL_IDLE and bpc_idle and znz[0] == ZNZ_EMPTY
    return znz_valid, znz_last, bpc_valid, bpc_last, bpc_idle, flush, was_last, packer_last, idle


@njit(cache=True, nogil=True, forceinline=True)
def _offer(slice_, coder, planes, w, n, fields):
    """Find the code that the plane coder offers to the packer, and its length: 0 for none."""
    if slice_[0] == 0:
        return np.int64(0), np.int64(0)
    state, plane, zeros = coder
    if state == CODER_BASE:
        return slice_[1], np.int64(w)
    dbx = planes[1, plane]
    if dbx == 0:
        if plane < w:
            return np.int64(0), np.int64(0)
        zeros += 1
    if zeros == 1:
        return np.int64(0b01), np.int64(2)
    if zeros > 1:
        return np.int64(0b001 << fields[0] | (zeros - 2)), np.int64(3 + fields[0])
    lowest = dbx & -dbx
    if dbx == (1 << (n - 1)) - 1:
        return np.int64(0b00000), np.int64(5)
    if planes[0, plane] == 0:
        return np.int64(0b00001), np.int64(5)
    if dbx == lowest or dbx == 3 * lowest:
        position = n - 2 - _highest(dbx)
        kind = 0b00011 if dbx == lowest else 0b00010
        return np.int64(kind << fields[1] | position), np.int64(5 + fields[1])
    return np.int64(1 << (n - 1) | dbx), np.int64(n)


@njit(cache=True, nogil=True, forceinline=True)
def _log2(power):
    """Take the logarithm of a power of two."""
    exponent = 0
    while 1 << exponent < power:
        exponent += 1
    return exponent


@njit(cache=True, nogil=True, forceinline=True)
def _highest(bits):
    """Find the place of the highest one."""
    place = 0
    for step in (16, 8, 4, 2, 1):
        place += step if bits >> (place + step) != 0 else 0
    return place


@njit(cache=True, nogil=True, forceinline=True)
def _oldest(bits, count, w):
    """Take the oldest w of `count` bits, filled up with zeros."""
    return bits >> (count - w) if count >= w else bits << (w - count)


# --- Units at the clock edge --------------------------------------------------------------------


@njit(cache=True, nogil=True, forceinline=True)
def _clock_input(bench, control, words, ends, ports, top, out, hold, counts, rate):
    """Clock the producer, and the control's input registers."""
    cycle, at, transmission, _, held, _ = bench
    credit = ports[3]
    if rate > 0:
        given = np.int64(out[0] and ports[1]) + np.int64(out[2] and ports[2])
        credit -= given * CREDIT_UNIT
    if held == 1 and out[8]:
        held = np.int64(0)
    if not (ports[0] and top[3]):
        return (cycle + 1, at, transmission, np.int64(ports[0]), held, credit), control
    counts[IN_WORDS] += 1
    counts[IN_END] = cycle + 1
    word = np.int64(words[at])
    at += 1
    last = np.int64(at == ends[transmission])
    if last == 1:
        transmission += 1
        held = np.int64(hold)
    control = (np.int64(CONTROL_RUN), word, last, control[3], control[4])
    return (cycle + 1, at, transmission, np.int64(0), held, credit), control


@njit(cache=True, nogil=True, forceinline=True)
def _clock_control(control, bpc, top, out, n):
    """Clock the control, but for the word that it accepts."""
    state, word, last, awaits_bpc, filled = control
    following = state
    if state == CONTROL_FLUSH:
        if top[1] and bpc[0]:
            filled = (filled + 1) & (n - 1)
        elif out[4]:
            following = CONTROL_IDLE
    elif top[2]:
        if word != 0:
            filled = (filled + 1) & (n - 1)
        idle = last == 0 or (state == CONTROL_RUN and word == 0 and out[4])
        following = CONTROL_IDLE if idle else CONTROL_FLUSH
    elif state == CONTROL_RUN and word != 0 and top[4] != bpc[0]:
        following = CONTROL_WAIT
        awaits_bpc = np.int64(top[4])
    return following, word, last, awaits_bpc, filled


@njit(cache=True, nogil=True, forceinline=True)
def _clock_znz(znz, control, top, ports, w, z):
    """Clock the ZNZ coder."""
    state, bits, count, zeros = znz
    if state == ZNZ_FLUSH_ZEROS:
        return ZNZ_FLUSH, bits << (1 + z) | (zeros - 1), count + 1 + z, np.int64(0)
    if state == ZNZ_FLUSH:
        if not ports[1]:
            return znz
        left = max(count - w, 0)
        return ZNZ_EMPTY if left == 0 else ZNZ_FLUSH, bits & ((1 << left) - 1), left, zeros
    if state == ZNZ_FULL and ports[1]:
        bits &= (1 << count) - 1
        state = ZNZ_EMPTY if count == 0 else ZNZ_FILL
    if not (top[0] and top[4]):
        return state, bits, count, zeros
    zeros += np.int64(control[1] == 0)
    if zeros == 1 << z or (zeros > 0 and control[1] != 0):
        bits, count, zeros = bits << (1 + z) | (zeros - 1), count + 1 + z, np.int64(0)
    if control[1] != 0:
        bits, count = bits << 1 | 1, count + 1
    if control[2] == 1:
        return ZNZ_FLUSH_ZEROS if zeros > 0 else ZNZ_FLUSH, bits, count, zeros
    if count >= w:
        return ZNZ_FULL, bits, count - w, zeros
    return ZNZ_FILL, bits, count, zeros


@njit(cache=True, nogil=True, forceinline=True)
def _clock_difference(difference, differences, control, top, bpc, cycle, counts, w, n):
    """Clock the difference unit; its block stays until the slice takes it."""
    state, taken, previous, since = difference
    leaves = state == DIFFERENCE_OUT and bpc[1]
    if leaves:
        counts[DIFFERENCE_BLOCKED] += cycle - since
    if not (top[1] and bpc[0]):
        return DIFFERENCE_IDLE if leaves else state, taken, previous, since
    word = control[1] if control[0] != CONTROL_FLUSH else np.int64(0)
    if state != DIFFERENCE_FILL:
        differences[0] = word
        return DIFFERENCE_FILL, np.int64(1), word, since
    sign = 1 << (w - 1)
    differences[taken] = (word ^ sign) - (previous ^ sign)
    if taken + 1 == n:
        return DIFFERENCE_OUT, np.int64(0), np.int64(0), cycle + 1
    return DIFFERENCE_FILL, taken + 1, word, since


@njit(cache=True, nogil=True, forceinline=True)
def _clock_slice(slice_, difference, differences, planes, bpc, cycle, counts, w, n):
    """Clock the slice, and follow the wires from differences to planes."""
    full, base, since = slice_
    if bpc[2]:
        _count_block(counts, cycle - since)
        full = np.int64(0)
    if difference[0] != DIFFERENCE_OUT or not bpc[1]:
        return full, base, since
    before = np.int64(0)
    for j in range(w + 1):
        plane = np.int64(0)
        for k in range(1, n):
            plane = plane << 1 | (differences[k] >> j & 1)
        planes[0, j] = plane
        planes[1, j] = plane ^ before
        before = plane
    return np.int64(1), differences[0], cycle


@njit(cache=True, nogil=True, forceinline=True)
def _count_block(counts, cycles):
    """Count a block that the coder is through with."""
    if cycles > counts[WORST_CYCLES]:
        counts[WORST_CYCLES] = cycles
        counts[WORST_BLOCK] = counts[BLOCKS]
    counts[BLOCKS] += 1
    counts[SLICE_CYCLES] += cycles


@njit(cache=True, nogil=True, forceinline=True)
def _clock_coder(coder, planes, bpc, w):
    """Clock the plane coder: a plane a cycle, and one more for a run before a plane."""
    state, plane, zeros = coder
    if state == CODER_BASE:
        return CODER_PLANES if bpc[3] else CODER_BASE, plane, zeros
    is_zero = planes[1, plane] == 0
    if is_zero and plane < w:
        return state, plane + 1, zeros + 1
    if not bpc[3]:
        return coder
    if zeros > 0 and not is_zero:
        return state, plane, np.int64(0)
    if plane == w:
        return CODER_BASE, np.int64(0), np.int64(0)
    return state, plane + 1, np.int64(0)


@njit(cache=True, nogil=True, forceinline=True)
def _clock_packer(packer, code, bpc, out, cycle, counts, w):
    """Clock the bit packer."""
    state, bits, count, since = packer
    if state >= PACKER_FULL:
        if not bpc[5]:
            return packer
        counts[PACKER_BLOCKED] += cycle - since
        if state == PACKER_FLUSH:
            return PACKER_EMPTY, np.int64(0), np.int64(0), since
        bits &= (1 << count) - 1
        state = PACKER_EMPTY if count == 0 else PACKER_FILL
    if bpc[3]:
        bits = bits << code[1] | code[0]
        count += code[1]
        if count >= w:
            return PACKER_FULL, bits, count - w, cycle + 1
        return PACKER_FILL, bits, count, since
    if state == PACKER_FILL and out[5]:
        return PACKER_FLUSH, bits, count, cycle + 1
    return state, bits, count, since


@njit(cache=True, nogil=True, forceinline=True)
def _clock_buffer(buffer, packer, bpc, out, ports, cycle, counts, w):
    """Clock the output buffer: a word stays until it is known whether it is the last."""
    state, word, since = buffer
    if state != BUFFER_EMPTY and not ports[2]:
        if state == BUFFER_FULL and out[6] and not bpc[4]:
            return BUFFER_LAST, word, since
        return buffer
    if bpc[4]:
        since = cycle + 1 if state == BUFFER_EMPTY else since
        count = packer[2]
        word = packer[1] >> count if packer[0] == PACKER_FULL else packer[1] << (w - count)
        return BUFFER_LAST if out[7] else BUFFER_FULL, word, since
    if state == BUFFER_LAST or (state == BUFFER_FULL and out[6]):
        counts[BUFFER_CYCLES] += cycle + 1 - since
        return BUFFER_EMPTY, word, since
    return buffer


@njit(cache=True, nogil=True, forceinline=True)
def _clock_done(done, control, ports, bpc, top, out, buffer, quirks):
    """Clock what makes blk_done_o, with the RTL's faults or once for each transmission."""
    return done, 0


# --- What is counted and traced -----------------------------------------------------------------


@njit(cache=True, nogil=True, forceinline=True)
def _count(counts, cycle, control, znz, packer, ports, bpc, top, out):
    """Count the cycle by what the control does or waits for, and what ports hold up."""
    reason = CONTROL_WAITS_BLOCK if top[1] else CONTROL_WAITS_END
    reason = CONTROL_WAITS_PORT if bpc[4] and not bpc[5] else reason
    reason = CONTROL_WAITS_ZNZ if top[0] and not top[4] else reason
    reason = CONTROL_WAITS_PRODUCER if control[0] == CONTROL_IDLE else reason
    works = top[2] or (control[0] == CONTROL_FLUSH and top[1] and bpc[0])
    counts[CONTROL_WORKS if works else reason] += 1
    if out[0] and not ports[1]:
        counts[ZNZ_BLOCKED] += 1
    if out[2] and not ports[2]:
        counts[BUFFER_BLOCKED] += 1
    if out[0] and ports[1]:
        counts[ZNZ_END] = cycle + 1
    if out[2] and ports[2]:
        counts[BPC_END] = cycle + 1


@njit(cache=True, nogil=True, forceinline=True)
def _hand_out(counts, znz_words, bpc_words, znz, buffer, ports, out, w):
    """Hand out the words that consumers take."""
    if out[0] and ports[1]:
        if znz_words.size > 0:
            count = znz[2] + w if znz[0] == ZNZ_FULL else znz[2]
            znz_words[counts[ZNZ_WORDS]] = _oldest(znz[1], count, w)
        counts[ZNZ_WORDS] += 1
    if out[2] and ports[2]:
        if bpc_words.size > 0:
            bpc_words[counts[BPC_WORDS]] = buffer[1]
        counts[BPC_WORDS] += 1


@njit(cache=True, nogil=True, forceinline=True)
def _signals(bench, znz, buffer, words, ends, ports, top, out, w):
    """Gather the signals of all ports, and idle_o."""
    offers = ports[0]
    count = znz[2] + w if znz[0] == ZNZ_FULL else znz[2]
    return (
        np.int64(offers),
        np.int64(top[3]),
        np.int64(words[bench[1]]) if offers else np.int64(0),
        np.int64(bench[1] + 1 == ends[bench[2]]) if offers else np.int64(0),
        np.int64(out[0]),
        np.int64(ports[1]),
        _oldest(znz[1], count, w),
        np.int64(out[1]),
        np.int64(out[2]),
        np.int64(ports[2]),
        buffer[1],
        np.int64(out[3]),
        np.int64(out[8]),
    )


@njit(cache=True, nogil=True, forceinline=True)
def _trace(row, units, signals, pulse):
    """Fill a row of the trace."""
    at = 0
    for unit in literal_unroll(units):
        for value in unit:
            row[at] = value
            at += 1
    for value in signals:
        row[at] = value
        at += 1
    row[at] = pulse
