"""The hardware's encoder, one clock cycle a loop iteration (docs/HARDWARE.md, "Encoder").

The loop of `encode` first finds what every unit shows in a cycle, which follows from the registers
and the gates of the test bench. Then it clocks one unit after the other, a function each, from the
outputs to the input: so each still sees the old registers of the one before it. Shift registers
are right-aligned: their lowest bits are the newest.
"""

import numpy as np
from numba import njit

# The registers, in the order of `registers` and of the columns of `trace`.
REGISTERS = (
    *("cycle", "at", "transmission", "offered", "held", "credit"),  # of the test bench
    *("control", "word", "last", "awaits_bpc", "filled", "coded"),
    *("znz", "znz_bits", "znz_count", "zeros"),
    *("difference", "taken", "previous"),
    *("full", "base", "block_cycles"),  # of the slice, and how long it holds its block
    *("coder", "plane", "run"),
    *("packer", "packer_bits", "packer_count"),
    *("buffer", "buffer_word"),
    *("done", "znz_done", "bpc_done", "silent", "awaited"),
)
# The signals, in the columns behind.
SIGNALS = (
    *("in_valid", "in_ready", "in_data", "in_last"),
    *("znz_valid", "znz_ready", "znz_data", "znz_last"),
    *("bpc_valid", "bpc_ready", "bpc_data", "bpc_last"),
    *("idle_o", "blk_done_o"),
)

# States; reset puts a unit to its first.
CONTROL_IDLE, CONTROL_RUN, CONTROL_WAIT, CONTROL_FLUSH = range(4)
ZNZ_EMPTY, ZNZ_FILL, ZNZ_FULL, ZNZ_FLUSH_ZEROS, ZNZ_FLUSH = range(5)
DIFFERENCE_IDLE, DIFFERENCE_FILL, DIFFERENCE_OUT = range(3)
CODER_BASE, CODER_PLANES = range(2)
PACKER_EMPTY, PACKER_FILL, PACKER_FULL, PACKER_FLUSH = range(4)
BUFFER_EMPTY, BUFFER_FULL, BUFFER_LAST = range(3)
DONE_IDLE, DONE_ANY, DONE_BOTH, DONE_BPC_OPEN, DONE_ZNZ_ONLY, DONE_BPC_ONLY = range(6)

# What is counted, in the order of `counts`.
(
    IN_WORDS,
    ZNZ_WORDS,
    BPC_WORDS,
    IN_END,  # the cycle behind the last handshake, 0 where there was none
    ZNZ_END,
    BPC_END,
    DONE_PULSES,
    BLOCKS,
    WORST_BLOCK,  # the one that the coder took longest for, and the cycles
    WORST_CYCLES,
    CONTROL_WORKS,
    CONTROL_WAITS_PRODUCER,
    CONTROL_WAITS_ZNZ,
    CONTROL_WAITS_BLOCK,
    CONTROL_WAITS_PORT,  # of the BPC stream
    CONTROL_WAITS_END,  # until all is out of the BPC side
    ZNZ_FLAGS,
    ZNZ_FLUSHES,
    ZNZ_BLOCKED,
    DIFFERENCE_WORDS,
    DIFFERENCE_BLOCKED,
    SLICE_CYCLES,
    CODER_BLOCKED,
    PACKER_CODES,
    PACKER_FLUSHES,
    PACKER_BLOCKED,
    BUFFER_CYCLES,
    BUFFER_TAKES,
    BUFFER_GIVES,  # without taking one
    BUFFER_BLOCKED,
) = range(30)
COUNTS = 30

CREDIT_UNIT = 1 << 16
MOST_CREDIT = 16 * CREDIT_UNIT
# When `encode` stops.
ALL_OUT, ALL_ACCEPTED, GATES_END = range(3)


@njit(cache=True, nogil=True)
def encode(
    words,
    ends,
    gates,
    until,
    sizes,
    rate,
    hold,
    quirks,
    bench,
    registers,
    counts,
    differences,
    planes,
    znz_out,
    bpc_out,
    trace,
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
    until : int
        When to stop: `ALL_OUT`, `ALL_ACCEPTED` (before the cycle in which a further word could
        be offered) or `GATES_END`.
    sizes : tuple of int
        w, n and z.
    rate : int
        Words that both consumers together take a cycle, times `CREDIT_UNIT`; 0 for no limit.
    hold : int
        1: between transmissions the producer waits for idle_o.
    quirks : int
        1: with the faults of the RTL.
    registers : tuple of int
        All 0 after reset.
    counts : ndarray of int64, shape (COUNTS,)
        What is counted, added to.
    differences : ndarray of int64, shape (n,)
        Registers of the difference unit.
    planes : ndarray of int64, shape (2, w + 1)
        Delta bit-planes of the block in the slice, and each one's exclusive or with the next.
    znz_out, bpc_out : ndarray of uint32
        Receive the words that are put out, from the counted ones on; of size 0: they do not.
    trace : ndarray of int64, shape (rows, registers and signals)
        Receives what holds in each cycle, from cycle 0 on, as far as there are rows.

    Returns
    -------
    registers : tuple of int
    """
    w, n, z = sizes
    field_bits, position_bits = _log2(w), _log2(n)
    (cycle, at, transmission, offered, held, credit, znz_done, bpc_done, silent, awaited) = bench
    (
        control,
        word,
        last,
        awaits_bpc,
        filled,
        coded,
        znz,
        znz_bits,
        znz_count,
        zeros,
        difference,
        taken,
        previous,
        full,
        base,
        block_cycles,
        coder,
        plane,
        run,
        packer,
        packer_bits,
        packer_count,
        buffer,
        buffer_word,
        done,
    ) = registers
    znz_words, bpc_words = counts[ZNZ_WORDS], counts[BPC_WORDS]
    znz_blocked = difference_blocked = slice_cycles = coder_blocked = np.int64(0)
    packer_blocked = buffer_cycles = buffer_blocked = np.int64(0)
    for c in range(gates.shape[1]):
        if at == words.size and until != GATES_END:
            if until == ALL_ACCEPTED:
                break
            if (
                control == CONTROL_IDLE
                and znz == ZNZ_EMPTY
                and difference == DIFFERENCE_IDLE
                and full == 0
                and packer == PACKER_EMPTY
                and (buffer == BUFFER_EMPTY or (buffer == BUFFER_FULL and quirks == 1))
            ):
                break

        # The test bench.
        in_valid = at < words.size and (offered == 1 or (gates[0, c] != 0 and held == 0))
        znz_ready = gates[1, c] != 0
        bpc_ready = gates[2, c] != 0
        znz_valid = znz == ZNZ_FULL or znz == ZNZ_FLUSH
        if rate > 0:
            credit = min(credit + rate, MOST_CREDIT)
            znz_ready = znz_ready and credit >= CREDIT_UNIT
            both = 2 * CREDIT_UNIT if znz_valid and znz_ready else CREDIT_UNIT
            bpc_ready = bpc_ready and credit >= both

        # Ready signals, from the BPC port up to the control.
        buffer_ready = buffer == BUFFER_EMPTY or bpc_ready
        packer_valid = packer >= PACKER_FULL
        packer_ready = packer < PACKER_FULL or (packer == PACKER_FULL and buffer_ready)
        code, length = _offer(
            full, base, coder, plane, run, planes, w, n, field_bits, position_bits
        )
        sent = length > 0 and packer_ready
        pop = sent and coder == CODER_PLANES and plane == w and (run == 0 or planes[1, plane] == 0)
        slice_ready = full == 0 or pop
        difference_ready = difference != DIFFERENCE_OUT or slice_ready
        coder_ready = znz < ZNZ_FULL or (znz == ZNZ_FULL and znz_ready)

        # What the control offers, and whether it is through with its word.
        zero = word == 0
        to_znz = control == CONTROL_RUN or (control == CONTROL_WAIT and awaits_bpc == 0)
        to_bpc = (
            (control == CONTROL_RUN and not zero)
            or (control == CONTROL_WAIT and awaits_bpc == 1)
            or (control == CONTROL_FLUSH and filled > 0)
        )
        through = (
            (control == CONTROL_RUN or control == CONTROL_WAIT)
            and (coder_ready or not to_znz)
            and (difference_ready or not to_bpc)
        )
        in_ready = control == CONTROL_IDLE or (through and last == 0)

        # Idle, flush, last.
        bpc_empty = (
            difference == DIFFERENCE_IDLE and not to_bpc and coder == CODER_BASE and full == 0
        )
        bpc_idle = bpc_empty and packer == PACKER_EMPTY
        flush = bpc_empty and control == CONTROL_FLUSH
        was_last = bpc_idle and (
            (through and last == 1 and zero and control == CONTROL_RUN)
            or (quirks == 0 and control == CONTROL_FLUSH)
        )
        packer_last = packer == PACKER_FLUSH or (flush and packer_count == 0)
        bpc_valid = buffer == BUFFER_LAST or (buffer == BUFFER_FULL and (packer_valid or was_last))
        bpc_last = buffer == BUFFER_LAST or (buffer == BUFFER_FULL and was_last)
        znz_last = znz == ZNZ_FLUSH and znz_count <= w
        idle = control == CONTROL_IDLE and bpc_idle and znz == ZNZ_EMPTY

        flag = to_znz and coder_ready
        takes = to_bpc and difference_ready
        loads = difference == DIFFERENCE_OUT and slice_ready
        traced = cycle < trace.shape[0]
        if traced:
            row = trace[cycle]
            _write(
                row,
                0,
                (
                    cycle,
                    at,
                    transmission,
                    offered,
                    held,
                    credit,
                    znz_done,
                    bpc_done,
                    silent,
                    awaited,
                ),
            )
            _write(
                row,
                10,
                (
                    control,
                    word,
                    last,
                    awaits_bpc,
                    filled,
                    coded,
                    znz,
                    znz_bits,
                    znz_count,
                    zeros,
                    difference,
                    taken,
                    previous,
                    full,
                    base,
                    block_cycles,
                    coder,
                    plane,
                    run,
                    packer,
                    packer_bits,
                    packer_count,
                    buffer,
                    buffer_word,
                    done,
                ),
            )
            _write(
                row,
                35,
                (
                    np.int64(in_valid),
                    np.int64(in_ready),
                    np.int64(words[at]) if in_valid else np.int64(0),
                    np.int64(at + 1 == ends[transmission]) if in_valid else np.int64(0),
                    np.int64(znz_valid),
                    np.int64(znz_ready),
                    _oldest(znz_bits, znz_count + w if znz == ZNZ_FULL else znz_count, w),
                    np.int64(znz_last),
                    np.int64(bpc_valid),
                    np.int64(bpc_ready),
                    buffer_word,
                    np.int64(bpc_last),
                    np.int64(idle),
                ),
            )

        # Count.
        if znz_valid:
            if znz_ready:
                if znz_out.size > 0:
                    width = znz_count + w if znz == ZNZ_FULL else znz_count
                    znz_out[znz_words] = _oldest(znz_bits, width, w)
                znz_words += 1
                credit -= CREDIT_UNIT
                counts[ZNZ_END] = cycle + 1
            else:
                znz_blocked += 1
        if bpc_valid:
            if bpc_ready:
                if bpc_out.size > 0:
                    bpc_out[bpc_words] = buffer_word
                bpc_words += 1
                credit -= CREDIT_UNIT
                counts[BPC_END] = cycle + 1
                if not packer_valid:
                    counts[BUFFER_GIVES] += 1
            else:
                buffer_blocked += 1
        blocked = packer_valid and not buffer_ready
        reason = CONTROL_WAITS_BLOCK if to_bpc else CONTROL_WAITS_END
        reason = CONTROL_WAITS_PORT if blocked else reason
        reason = CONTROL_WAITS_ZNZ if to_znz and not coder_ready else reason
        reason = CONTROL_WAITS_PRODUCER if control == CONTROL_IDLE else reason
        works = through or (takes and control == CONTROL_FLUSH)
        reason = CONTROL_WORKS if works else reason
        counts[reason] += 1
        if pop:
            _count_block(counts, cycle - block_cycles)
            slice_cycles += cycle - block_cycles

        # The clock edge.
        if through and last == 1:
            pass
        buffer, buffer_word = _clock_buffer(
            buffer,
            buffer_word,
            packer_valid,
            packer_last,
            packer,
            packer_bits,
            packer_count,
            was_last,
            bpc_ready,
            w,
        )
        packer, packer_bits, packer_count = _clock_packer(
            packer, packer_bits, packer_count, code, length, sent, buffer_ready, flush, w
        )
        coder, plane, run = _clock_coder(coder, plane, run, planes, sent, w)
        if loads:
            base = differences[0]
            _make_planes(differences, planes, w, n)
            full = np.int64(1)
            block_cycles = cycle
        elif pop:
            full = np.int64(0)
        if takes or loads:
            value = word if control != CONTROL_FLUSH else np.int64(0)
            difference, taken, previous = _clock_difference(
                difference, taken, previous, differences, value, takes, w, n
            )
        znz, znz_bits, znz_count, zeros = _clock_znz(
            znz, znz_bits, znz_count, zeros, flag, zero, last, znz_ready, w, z
        )
        control, filled, awaits_bpc = _clock_control(
            control,
            filled,
            awaits_bpc,
            through,
            takes,
            zero,
            last,
            bpc_idle,
            coder_ready,
            difference_ready,
            n,
        )
        if held == 1 and idle:
            held = np.int64(0)
        if in_valid and in_ready:
            control = np.int64(CONTROL_RUN)
            word = np.int64(words[at])
            at += 1
            last = np.int64(at == ends[transmission])
            offered = np.int64(0)
            if last == 1:
                transmission += 1
                held = np.int64(hold)
        else:
            offered = np.int64(in_valid)
        cycle += 1
    counts[ZNZ_WORDS] = znz_words
    counts[BPC_WORDS] = bpc_words
    counts[ZNZ_BLOCKED] += znz_blocked
    counts[DIFFERENCE_BLOCKED] += difference_blocked
    counts[SLICE_CYCLES] += slice_cycles
    counts[CODER_BLOCKED] += coder_blocked
    counts[PACKER_BLOCKED] += packer_blocked
    counts[BUFFER_CYCLES] += buffer_cycles
    counts[BUFFER_BLOCKED] += buffer_blocked
    return (cycle, at, transmission, offered, held, credit, znz_done, bpc_done, silent, awaited), (
        control,
        word,
        last,
        awaits_bpc,
        filled,
        coded,
        znz,
        znz_bits,
        znz_count,
        zeros,
        difference,
        taken,
        previous,
        full,
        base,
        block_cycles,
        coder,
        plane,
        run,
        packer,
        packer_bits,
        packer_count,
        buffer,
        buffer_word,
        done,
    )


@njit(cache=True, nogil=True)
def _write(row, first, values):
    """Fill a row of the trace from a column on."""
    for k, value in enumerate(values):
        row[first + k] = value


@njit(cache=True, nogil=True)
def _log2(power):
    """Take the logarithm of a power of two."""
    exponent = 0
    while 1 << exponent < power:
        exponent += 1
    return exponent


@njit(cache=True, nogil=True)
def _oldest(bits, count, w):
    """Take the oldest w of `count` bits, filled up with zeros."""
    return bits >> (count - w) if count >= w else bits << (w - count)


# --- Units --------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _clock_control(
    control,
    filled,
    awaits_bpc,
    through,
    takes,
    zero,
    last,
    bpc_idle,
    coder_ready,
    difference_ready,
    n,
):
    """Clock the control, but for a word that it accepts."""
    if control == CONTROL_FLUSH:
        if takes:
            return control, (filled + 1) & (n - 1), awaits_bpc
        return CONTROL_IDLE if bpc_idle else CONTROL_FLUSH, filled, awaits_bpc
    if through:
        if not zero:
            filled = (filled + 1) & (n - 1)
        if last == 0 or (control == CONTROL_RUN and zero and bpc_idle):
            return CONTROL_IDLE, filled, awaits_bpc
        return CONTROL_FLUSH, filled, awaits_bpc
    if control == CONTROL_RUN and not zero and coder_ready != difference_ready:
        return CONTROL_WAIT, filled, np.int64(coder_ready)
    return control, filled, awaits_bpc


@njit(cache=True, nogil=True)
def _clock_znz(znz, bits, count, zeros, accepts, zero, last, ready, w, z):
    """Clock the ZNZ coder."""
    if znz == ZNZ_FLUSH_ZEROS:
        return ZNZ_FLUSH, bits << (1 + z) | (zeros - 1), count + 1 + z, np.int64(0)
    if znz == ZNZ_FLUSH:
        if not ready:
            return znz, bits, count, zeros
        left = max(count - w, 0)
        return ZNZ_EMPTY if left == 0 else ZNZ_FLUSH, bits & ((1 << left) - 1), left, zeros
    if znz == ZNZ_FULL and ready:
        bits &= (1 << count) - 1
        znz = ZNZ_EMPTY if count == 0 else ZNZ_FILL
    if not accepts:
        return znz, bits, count, zeros
    if not zero:
        if zeros > 0:
            bits, count, zeros = bits << (1 + z) | (zeros - 1), count + 1 + z, np.int64(0)
        bits, count = bits << 1 | 1, count + 1
    else:
        zeros += 1
        if zeros == 1 << z:
            bits, count, zeros = bits << (1 + z) | (zeros - 1), count + 1 + z, np.int64(0)
    if last == 1:
        return ZNZ_FLUSH_ZEROS if zeros > 0 else ZNZ_FLUSH, bits, count, zeros
    if count >= w:
        return ZNZ_FULL, bits, count - w, zeros
    return ZNZ_FILL, bits, count, zeros


@njit(cache=True, nogil=True)
def _clock_difference(state, taken, previous, differences, word, takes, w, n):
    """Clock the difference unit, where it takes a word or gives its block away."""
    if not takes:
        return DIFFERENCE_IDLE, taken, previous
    if state != DIFFERENCE_FILL:
        differences[0] = word
        return DIFFERENCE_FILL, np.int64(1), word
    sign = 1 << (w - 1)
    differences[taken] = (word ^ sign) - (previous ^ sign)
    if taken + 1 == n:
        return DIFFERENCE_OUT, np.int64(0), np.int64(0)
    return DIFFERENCE_FILL, taken + 1, word


@njit(cache=True, nogil=True)
def _make_planes(differences, planes, w, n):
    """Follow the wires from differences to planes."""
    before = np.int64(0)
    for j in range(w + 1):
        plane = np.int64(0)
        for k in range(1, n):
            plane = plane << 1 | (differences[k] >> j & 1)
        planes[0, j] = plane
        planes[1, j] = plane ^ before
        before = plane


@njit(cache=True, nogil=True)
def _offer(full, base, coder, plane, zeros, planes, w, n, field_bits, position_bits):
    """Find the code that the plane coder offers, and its length: 0 for none."""
    if full == 0:
        return np.int64(0), np.int64(0)
    if coder == CODER_BASE:
        return base, np.int64(w)
    dbx = planes[1, plane]
    if dbx == 0:
        if plane < w:
            return np.int64(0), np.int64(0)
        zeros += 1
    if zeros == 1:
        return np.int64(0b01), np.int64(2)
    if zeros > 1:
        return np.int64(0b001 << field_bits | (zeros - 2)), np.int64(3 + field_bits)
    lowest = dbx & -dbx
    if dbx == (1 << (n - 1)) - 1:
        return np.int64(0b00000), np.int64(5)
    if planes[0, plane] == 0:
        return np.int64(0b00001), np.int64(5)
    if dbx == lowest or dbx == 3 * lowest:
        position = n - 2 - _highest(dbx)
        kind = 0b00011 if dbx == lowest else 0b00010
        return np.int64(kind << position_bits | position), np.int64(5 + position_bits)
    return np.int64(1 << (n - 1) | dbx), np.int64(n)


@njit(cache=True, nogil=True)
def _highest(bits):
    """Find the place of the highest one."""
    place = 0
    for step in (16, 8, 4, 2, 1):
        place += step if bits >> (place + step) != 0 else 0
    return place


@njit(cache=True, nogil=True)
def _clock_coder(coder, plane, run, planes, sent, w):
    """Clock the plane coder: a plane a cycle, and one more for a run before a plane."""
    if coder == CODER_BASE:
        return CODER_PLANES if sent else CODER_BASE, np.int64(0), run
    is_zero = planes[1, plane] == 0
    if is_zero and plane < w:
        return coder, plane + 1, run + 1
    if not sent:
        return coder, plane, run
    if run > 0 and not is_zero:
        return coder, plane, np.int64(0)
    if plane == w:
        return CODER_BASE, np.int64(0), np.int64(0)
    return coder, plane + 1, np.int64(0)


@njit(cache=True, nogil=True)
def _clock_packer(packer, bits, count, code, length, sent, buffer_ready, flush, w):
    """Clock the bit packer."""
    if packer == PACKER_FLUSH:
        if buffer_ready:
            return PACKER_EMPTY, np.int64(0), np.int64(0)
        return packer, bits, count
    if packer == PACKER_FULL:
        if not buffer_ready:
            return packer, bits, count
        bits &= (1 << count) - 1
        packer = PACKER_EMPTY if count == 0 else PACKER_FILL
    if sent:
        bits = bits << length | code
        count += length
        if count >= w:
            return PACKER_FULL, bits, count - w
        return PACKER_FILL, bits, count
    if packer == PACKER_FILL and flush:
        return PACKER_FLUSH, bits, count
    return packer, bits, count


@njit(cache=True, nogil=True)
def _clock_buffer(
    buffer, word, packer_valid, packer_last, packer, bits, count, was_last, bpc_ready, w
):
    """Clock the output buffer, which holds a word back until it is known whether it is last."""
    if buffer != BUFFER_EMPTY and not bpc_ready:
        if buffer == BUFFER_FULL and was_last and not packer_valid:
            return BUFFER_LAST, word
        return buffer, word
    if packer_valid:
        word = bits >> count if packer == PACKER_FULL else bits << (w - count)
        return BUFFER_LAST if packer_last else BUFFER_FULL, word
    if buffer == BUFFER_LAST or was_last:
        return BUFFER_EMPTY, word
    return buffer, word


# --- What is counted ----------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _count_wait(counts, control, znz_blocks, port_blocks, to_bpc):
    """Count a cycle in which the control cannot go on."""
    if control == CONTROL_IDLE:
        counts[CONTROL_WAITS_PRODUCER] += 1
    elif znz_blocks:
        counts[CONTROL_WAITS_ZNZ] += 1
    elif port_blocks:
        counts[CONTROL_WAITS_PORT] += 1
    elif to_bpc:
        counts[CONTROL_WAITS_BLOCK] += 1
    else:
        counts[CONTROL_WAITS_END] += 1


@njit(cache=True, nogil=True)
def _count_block(counts, cycles):
    """Count a block that the coder is through with."""
    if cycles > counts[WORST_CYCLES]:
        counts[WORST_CYCLES] = cycles
        counts[WORST_BLOCK] = counts[BLOCKS]
    counts[BLOCKS] += 1
