"""The hardware's encoder, one clock cycle a loop iteration (docs/HARDWARE.md, "Encoder").

One function is one unit of the hardware. All registers stand in one array, by the names below.
What a unit shows to others in a cycle follows from the registers; then the units are clocked from
the outputs to the input, so that each sees the old registers of the one before it. Shift
registers are right-aligned: their lowest bits are the newest.
"""

import numpy as np
from numba import njit

# Registers: first those of the test bench, then those of the units.
(
    CYCLE,
    AT,  # number of the next word to offer
    TRANSMISSION,  # number of the one that it belongs to
    OFFERED,  # the word was offered in the cycle before, and not accepted
    HELD,  # the producer waits for idle_o
    CREDIT,  # of the memory that takes both streams, in words of `CREDIT_UNIT`
    CONTROL,
    CONTROL_WORD,
    CONTROL_LAST,
    CONTROL_AWAITS_BPC,  # in WAIT: the BPC side is missing, else the ZNZ side
    CONTROL_COUNT,  # words in the current block
    CONTROL_CODED,  # the transmission has non-zero words
    ZNZ,
    ZNZ_BITS,
    ZNZ_COUNT,
    ZNZ_ZEROS,
    DIFFERENCE,
    DIFFERENCE_COUNT,
    DIFFERENCE_PREVIOUS,
    SLICE,
    SLICE_BASE,
    CODER,
    CODER_PLANE,
    CODER_ZEROS,
    PACKER,
    PACKER_BITS,
    PACKER_COUNT,
    BUFFER,
    BUFFER_WORD,
    DONE,  # as the hardware has it
    DONE_ZNZ,  # transmissions whose ZNZ streams are out
    DONE_BPC,  # transmissions whose BPC streams, if they have any, are out
    DONE_SILENT,  # without any, behind one whose BPC stream is not out
    DONE_AWAITED,  # ended with BPC words that are not all out: 0 to 2
) = range(34)

# States; reset puts a unit to its first.
CONTROL_IDLE, CONTROL_RUN, CONTROL_WAIT, CONTROL_FLUSH = range(4)
ZNZ_EMPTY, ZNZ_FILL, ZNZ_FULL, ZNZ_FLUSH_ZEROS, ZNZ_FLUSH = range(5)
DIFFERENCE_IDLE, DIFFERENCE_FILL, DIFFERENCE_OUT = range(3)
CODER_BASE, CODER_PLANES = range(2)
PACKER_EMPTY, PACKER_FILL, PACKER_FULL, PACKER_FLUSH = range(4)
BUFFER_EMPTY, BUFFER_FULL, BUFFER_LAST = range(3)
DONE_IDLE, DONE_ANY, DONE_BOTH, DONE_BPC_OPEN, DONE_ZNZ_ONLY, DONE_BPC_ONLY = range(6)

# What a trace holds of a cycle behind the registers: ports and two more signals.
(
    IN_VALID,
    IN_READY,
    IN_DATA,
    IN_LAST,
    ZNZ_VALID,
    ZNZ_READY,
    ZNZ_DATA,
    ZNZ_LAST,
    BPC_VALID,
    BPC_READY,
    BPC_DATA,
    BPC_LAST,
    IDLE_SIGNAL,
    DONE_SIGNAL,
) = range(34, 48)
TRACE_COLUMNS = 48

# Counts.
(
    IN_WORDS,
    ZNZ_WORDS,
    BPC_WORDS,
    IN_CYCLE,  # behind the last handshake: 0 where there was none
    ZNZ_CYCLE,
    BPC_CYCLE,
    BUFFER_CYCLES,  # in which the output buffer holds a word
    DONE_PULSES,
    BLOCKS,
    BLOCK_CYCLES,  # of the block that the coder is at
    WORST_BLOCK,
    WORST_CYCLES,
    WAITS_PRODUCER,  # cycles in which the control cannot go on, by what it waits for
    WAITS_ZNZ,
    WAITS_CODER,
    WAITS_PORT,
    WAITS_END,
    WORKS,  # cycles by what they are to each of the seven units: this one is the control's
) = range(18)
# Units are in this order, each with three counts: works, waits for input, waits for output.
UNITS = 7
COUNTS = WORKS + 3 * UNITS
UNIT_CONTROL, UNIT_ZNZ, UNIT_DIFFERENCE, UNIT_SLICE, UNIT_CODER, UNIT_PACKER, UNIT_BUFFER = range(7)
WORK, INPUT, OUTPUT = range(3)

CREDIT_UNIT = 1 << 16
MOST_CREDIT = 16 * CREDIT_UNIT
# How long `encode` goes on.
UNTIL_OUT, UNTIL_ACCEPTED, UNTIL_GATES_END = range(3)


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
    s,
    counts,
    differences,
    planes,
    znz,
    bpc,
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
        Whether in each cycle the producer may offer a word, the consumer of the ZNZ stream is
        ready, and that of the BPC stream.
    until : int
        `UNTIL_OUT`: stop when all is out; `UNTIL_ACCEPTED`: stop before the cycle in which the
        word behind the last one could be offered; `UNTIL_GATES_END`.
    sizes : tuple of int
        w, n and z.
    rate : int
        What both consumers together take a cycle, in words of `CREDIT_UNIT`; 0 for no limit.
    hold : int
        1: between two transmissions the producer waits for idle_o.
    quirks : int
        1: with the faults of the RTL.
    s : ndarray of int64, shape (registers,)
        The registers, all 0 after reset.
    counts : ndarray of int64, shape (COUNTS,)
    differences : ndarray of int64, shape (n,)
        Registers of the difference unit.
    planes : ndarray of int64, shape (2, w + 1)
        Of the block in the slice: delta bit-planes, and each one's exclusive or with the next.
    znz, bpc : ndarray of uint32
        Receive the words that are put out, from the counts' place on; of size 0 for none.
    trace : ndarray of int64, shape (rows, TRACE_COLUMNS)
        Receives the registers before each cycle and the signals in it, from cycle 0 of this run.

    Returns
    -------
    cycles : int
        How many cycles were run.
    """
    w, n, z = sizes
    for c in range(gates.shape[1]):
        if until == UNTIL_ACCEPTED and s[AT] == words.size:
            return c
        if until == UNTIL_OUT and s[AT] == words.size and _is_out(s, quirks):
            return c
        # The test bench.
        may_offer = s[OFFERED] == 1 or (gates[0, c] == 1 and s[HELD] == 0)
        in_valid = s[AT] < words.size and may_offer
        znz_ready = gates[1, c] == 1
        bpc_ready = gates[2, c] == 1
        znz_valid = s[ZNZ] == ZNZ_FULL or s[ZNZ] == ZNZ_FLUSH
        if rate > 0:
            s[CREDIT] = min(s[CREDIT] + rate, MOST_CREDIT)
            znz_ready = znz_ready and s[CREDIT] >= CREDIT_UNIT
            takes = CREDIT_UNIT if znz_valid and znz_ready else 0
            bpc_ready = bpc_ready and s[CREDIT] >= CREDIT_UNIT + takes

        # Ready, from the BPC port up to the control.
        buffer_ready = s[BUFFER] == BUFFER_EMPTY or bpc_ready
        packer_valid = s[PACKER] >= PACKER_FULL
        packer_ready = s[PACKER] < PACKER_FULL or (s[PACKER] == PACKER_FULL and buffer_ready)
        code, length = _offer(s, planes, w, n)
        sent = length > 0 and packer_ready
        ends_plane = s[CODER_ZEROS] == 0 or planes[1, s[CODER_PLANE]] == 0
        pop = sent and s[CODER] == CODER_PLANES and s[CODER_PLANE] == w and ends_plane
        slice_ready = s[SLICE] == 0 or pop
        difference_ready = s[DIFFERENCE] != DIFFERENCE_OUT or slice_ready
        coder_ready = s[ZNZ] < ZNZ_FULL or (s[ZNZ] == ZNZ_FULL and znz_ready)

        # What the control offers, and whether it is through with its word.
        zero = s[CONTROL_WORD] == 0
        to_znz = s[CONTROL] == CONTROL_RUN or (
            s[CONTROL] == CONTROL_WAIT and s[CONTROL_AWAITS_BPC] == 0
        )
        to_bpc = (
            (s[CONTROL] == CONTROL_RUN and not zero)
            or (s[CONTROL] == CONTROL_WAIT and s[CONTROL_AWAITS_BPC] == 1)
            or (s[CONTROL] == CONTROL_FLUSH and s[CONTROL_COUNT] > 0)
        )
        through = (
            (s[CONTROL] == CONTROL_RUN or s[CONTROL] == CONTROL_WAIT)
            and (coder_ready or not to_znz)
            and (difference_ready or not to_bpc)
        )
        in_ready = s[CONTROL] == CONTROL_IDLE or (through and s[CONTROL_LAST] == 0)

        # Idle, flush, last.
        bpc_idle = (
            s[DIFFERENCE] == DIFFERENCE_IDLE
            and not to_bpc
            and s[CODER] == CODER_BASE
            and s[SLICE] == 0
            and s[PACKER] == PACKER_EMPTY
        )
        flush = (
            s[CONTROL] == CONTROL_FLUSH
            and not to_bpc
            and s[DIFFERENCE] == DIFFERENCE_IDLE
            and s[CODER] == CODER_BASE
            and s[SLICE] == 0
        )
        is_last = s[CONTROL_LAST] == 1
        was_last = bpc_idle and (
            (through and is_last and zero and s[CONTROL] == CONTROL_RUN)
            or (quirks == 0 and s[CONTROL] == CONTROL_FLUSH)
        )
        packer_last = s[PACKER] == PACKER_FLUSH or (flush and s[PACKER_COUNT] == 0)
        bpc_valid = s[BUFFER] == BUFFER_LAST or (
            s[BUFFER] == BUFFER_FULL and (packer_valid or was_last)
        )
        bpc_last = s[BUFFER] == BUFFER_LAST or (s[BUFFER] == BUFFER_FULL and was_last)
        znz_last = s[ZNZ] == ZNZ_FLUSH and s[ZNZ_COUNT] <= w
        idle = s[CONTROL] == CONTROL_IDLE and bpc_idle and s[ZNZ] == ZNZ_EMPTY
        znz_out = znz_valid and znz_ready
        bpc_out = bpc_valid and bpc_ready
        accepted = in_valid and in_ready

        if s[CYCLE] < trace.shape[0]:
            row = trace[s[CYCLE]]
            row[: s.size] = s
            row[IN_VALID] = in_valid
            row[IN_READY] = in_ready
            if in_valid:
                row[IN_DATA] = words[s[AT]]
                row[IN_LAST] = s[AT] + 1 == ends[s[TRANSMISSION]]
            row[ZNZ_VALID] = znz_valid
            row[ZNZ_READY] = znz_ready
            row[ZNZ_DATA] = _znz_word(s, w)
            row[ZNZ_LAST] = znz_last
            row[BPC_VALID] = bpc_valid
            row[BPC_READY] = bpc_ready
            row[BPC_DATA] = s[BUFFER_WORD]
            row[BPC_LAST] = bpc_last
            row[IDLE_SIGNAL] = idle

        # Count.
        if znz_out:
            if znz.size > 0:
                znz[counts[ZNZ_WORDS]] = _znz_word(s, w)
            counts[ZNZ_WORDS] += 1
            counts[ZNZ_CYCLE] = s[CYCLE] + 1
        if bpc_out:
            if bpc.size > 0:
                bpc[counts[BPC_WORDS]] = s[BUFFER_WORD]
            counts[BPC_WORDS] += 1
            counts[BPC_CYCLE] = s[CYCLE] + 1
        if rate > 0:
            s[CREDIT] -= CREDIT_UNIT * (np.int64(znz_out) + np.int64(bpc_out))
        works = through or (s[CONTROL] == CONTROL_FLUSH and to_bpc and difference_ready)
        blocked = (length > 0 and not sent) or (packer_valid and not buffer_ready)
        _count_control(s, counts, works, to_znz, to_bpc, coder_ready, difference_ready, blocked)
        flag = to_znz and coder_ready
        word = to_bpc and difference_ready
        loads = s[DIFFERENCE] == DIFFERENCE_OUT and slice_ready
        flushes = s[ZNZ] == ZNZ_FLUSH_ZEROS or (s[ZNZ] == ZNZ_FLUSH and znz_out)
        _count(counts, UNIT_ZNZ, flag or flushes, znz_valid and not znz_ready)
        _count(counts, UNIT_DIFFERENCE, word, s[DIFFERENCE] == DIFFERENCE_OUT and not slice_ready)
        _count(counts, UNIT_SLICE, loads, s[SLICE] == 1 and not pop)
        codes = s[SLICE] == 1 and (length == 0 or sent)
        _count(counts, UNIT_CODER, codes, length > 0 and not sent)
        _count(
            counts,
            UNIT_PACKER,
            sent or (s[PACKER] == PACKER_FLUSH and buffer_ready),
            packer_valid and not buffer_ready,
        )
        takes = packer_valid and buffer_ready
        gives = bpc_out and not packer_valid
        _count(counts, UNIT_BUFFER, takes or gives, bpc_valid and not bpc_ready)
        _count_block(s, counts, pop)
        counts[BUFFER_CYCLES] += s[BUFFER] != BUFFER_EMPTY

        # The clock edge, from the outputs to the input.
        left = was_last and (takes or s[BUFFER] == BUFFER_EMPTY)
        pulse = _clock_done(
            s,
            quirks,
            znz_out and znz_last,
            bpc_out and bpc_last,
            left,
            to_znz,
            bpc_idle,
            znz_last,
            through and is_last,
        )
        if s[CYCLE] < trace.shape[0]:
            trace[s[CYCLE], DONE_SIGNAL] = pulse
        counts[DONE_PULSES] += pulse
        _clock_buffer(s, packer_valid, packer_last, was_last, bpc_ready, w)
        _clock_packer(s, code, length, sent, buffer_ready, flush, w)
        _clock_coder(s, planes, sent, w)
        _clock_slice(s, differences, planes, loads, pop, w, n)
        _clock_difference(s, differences, word, loads, w, n)
        _clock_znz(s, flag, znz_out, w, z)
        _clock_control(s, through, to_bpc, coder_ready, difference_ready, bpc_idle, n)
        _clock_input(s, words, ends, in_valid, in_ready, hold, idle, counts)
        s[CYCLE] += 1
    return gates.shape[1]


@njit(cache=True, nogil=True)
def _is_out(s, quirks):
    """Tell whether nothing is left in any unit."""
    return (
        s[CONTROL] == CONTROL_IDLE
        and s[ZNZ] == ZNZ_EMPTY
        and s[DIFFERENCE] == DIFFERENCE_IDLE
        and s[SLICE] == 0
        and s[PACKER] == PACKER_EMPTY
        and s[BUFFER] != BUFFER_LAST
        and (s[BUFFER] == BUFFER_EMPTY or quirks == 1)
    )


@njit(cache=True, nogil=True)
def _log2(power):
    """Logarithm of a power of two up to 64."""
    exponent = 0
    while 1 << exponent < power:
        exponent += 1
    return exponent


# --- What units show --------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _znz_word(s, w):
    """The ZNZ coder's output: the oldest w bits, filled up with zeros."""
    count = s[ZNZ_COUNT]
    if s[ZNZ] == ZNZ_FULL:
        return s[ZNZ_BITS] >> count
    if count >= w:
        return s[ZNZ_BITS] >> (count - w)
    return s[ZNZ_BITS] << (w - count)


@njit(cache=True, nogil=True)
def _packer_word(s, w):
    """The packer's output: the oldest w bits, filled up with zeros."""
    if s[PACKER] == PACKER_FULL:
        return s[PACKER_BITS] >> s[PACKER_COUNT]
    return s[PACKER_BITS] << (w - s[PACKER_COUNT])


@njit(cache=True, nogil=True)
def _offer(s, planes, w, n):
    """The code that the plane coder offers to the packer, and its length: 0 for none."""
    if s[SLICE] == 0:
        return np.int64(0), np.int64(0)
    if s[CODER] == CODER_BASE:
        return s[SLICE_BASE], np.int64(w)
    plane = s[CODER_PLANE]
    dbx = planes[1, plane]
    zeros = s[CODER_ZEROS]
    if dbx == 0:
        if plane < w:
            return np.int64(0), np.int64(0)
        zeros += 1
    if zeros == 1:
        return np.int64(0b01), np.int64(2)
    if zeros > 1:
        field_bits = _log2(w)
        return np.int64(0b001 << field_bits | (zeros - 2)), np.int64(3 + field_bits)
    lowest = dbx & -dbx
    if dbx == (1 << (n - 1)) - 1:
        return np.int64(0b00000), np.int64(5)
    if planes[0, plane] == 0:
        return np.int64(0b00001), np.int64(5)
    if dbx == lowest or dbx == 3 * lowest:
        position_bits = _log2(n)
        position = n - 2 - _highest(dbx)
        kind = 0b00011 if dbx == lowest else 0b00010
        return np.int64(kind << position_bits | position), np.int64(5 + position_bits)
    return np.int64(1 << (n - 1) | dbx), np.int64(n)


@njit(cache=True, nogil=True)
def _highest(bits):
    """Place of the highest one."""
    place = 0
    while bits >> place > 1:
        place += 1
    return place


# --- Units at the clock edge --------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _clock_input(s, words, ends, in_valid, in_ready, hold, idle, counts):
    """The test bench's producer, and the control's input register."""
    if s[HELD] == 1 and idle:
        s[HELD] = 0
    if not (in_valid and in_ready):
        s[OFFERED] = in_valid
        return
    s[OFFERED] = 0
    s[CONTROL] = CONTROL_RUN
    s[CONTROL_WORD] = words[s[AT]]
    s[AT] += 1
    s[CONTROL_LAST] = s[AT] == ends[s[TRANSMISSION]]
    if s[CONTROL_LAST] == 1:
        s[TRANSMISSION] += 1
        s[HELD] = hold
    counts[IN_WORDS] += 1
    counts[IN_CYCLE] = s[CYCLE] + 1


@njit(cache=True, nogil=True)
def _clock_control(s, through, to_bpc, coder_ready, difference_ready, bpc_idle, n):
    """Spec: A1."""
    if s[CONTROL] == CONTROL_FLUSH:
        if to_bpc and difference_ready:
            s[CONTROL_COUNT] = (s[CONTROL_COUNT] + 1) & (n - 1)
        elif bpc_idle:
            s[CONTROL] = CONTROL_IDLE
        return
    if s[CONTROL] == CONTROL_IDLE:
        return
    zero = s[CONTROL_WORD] == 0
    if not through:
        if s[CONTROL] == CONTROL_RUN and not zero and coder_ready != difference_ready:
            s[CONTROL] = CONTROL_WAIT
            s[CONTROL_AWAITS_BPC] = coder_ready
        return
    if not zero:
        s[CONTROL_COUNT] = (s[CONTROL_COUNT] + 1) & (n - 1)
        s[CONTROL_CODED] = 1
    if s[CONTROL_LAST] == 0:
        s[CONTROL] = CONTROL_IDLE
        return
    s[CONTROL_CODED] = 0
    if s[CONTROL] == CONTROL_RUN and zero and bpc_idle:
        s[CONTROL] = CONTROL_IDLE
    else:
        s[CONTROL] = CONTROL_FLUSH


@njit(cache=True, nogil=True)
def _clock_znz(s, accepts, out, w, z):
    """The ZNZ coder."""
    if s[ZNZ] == ZNZ_FLUSH_ZEROS:
        _put_zeros(s, z)
        s[ZNZ] = ZNZ_FLUSH
        return
    if s[ZNZ] == ZNZ_FLUSH:
        if out:
            left = max(s[ZNZ_COUNT] - w, 0)
            s[ZNZ_BITS] &= (1 << left) - 1
            s[ZNZ_COUNT] = left
            if left == 0:
                s[ZNZ] = ZNZ_EMPTY
        return
    if s[ZNZ] == ZNZ_FULL and out:
        s[ZNZ_BITS] &= (1 << s[ZNZ_COUNT]) - 1
        if not accepts:
            s[ZNZ] = ZNZ_EMPTY if s[ZNZ_COUNT] == 0 else ZNZ_FILL
    if not accepts:
        return
    if s[CONTROL_WORD] == 0:
        s[ZNZ_ZEROS] += 1
        if s[ZNZ_ZEROS] == 1 << z:
            _put_zeros(s, z)
    else:
        if s[ZNZ_ZEROS] > 0:
            _put_zeros(s, z)
        s[ZNZ_BITS] = s[ZNZ_BITS] << 1 | 1
        s[ZNZ_COUNT] += 1
    if s[CONTROL_LAST] == 1:
        s[ZNZ] = ZNZ_FLUSH_ZEROS if s[ZNZ_ZEROS] > 0 else ZNZ_FLUSH
    elif s[ZNZ_COUNT] >= w:
        s[ZNZ] = ZNZ_FULL
        s[ZNZ_COUNT] -= w
    else:
        s[ZNZ] = ZNZ_FILL


@njit(cache=True, nogil=True)
def _put_zeros(s, z):
    """Append the code of the pending zeros."""
    s[ZNZ_BITS] = s[ZNZ_BITS] << (1 + z) | (s[ZNZ_ZEROS] - 1)
    s[ZNZ_COUNT] += 1 + z
    s[ZNZ_ZEROS] = 0


@njit(cache=True, nogil=True)
def _clock_difference(s, differences, takes, loads, w, n):
    """The difference unit: a word in; its block stays until the slice takes it."""
    if not takes:
        if loads:
            s[DIFFERENCE] = DIFFERENCE_IDLE
        return
    word = s[CONTROL_WORD] if s[CONTROL] != CONTROL_FLUSH else np.int64(0)
    if s[DIFFERENCE] != DIFFERENCE_FILL:
        differences[0] = word
        s[DIFFERENCE_COUNT] = 1
        s[DIFFERENCE_PREVIOUS] = word
        s[DIFFERENCE] = DIFFERENCE_FILL
        return
    sign = 1 << (w - 1)
    differences[s[DIFFERENCE_COUNT]] = (word ^ sign) - (s[DIFFERENCE_PREVIOUS] ^ sign)
    s[DIFFERENCE_COUNT] += 1
    s[DIFFERENCE_PREVIOUS] = word
    if s[DIFFERENCE_COUNT] == n:
        s[DIFFERENCE] = DIFFERENCE_OUT
        s[DIFFERENCE_COUNT] = 0
        s[DIFFERENCE_PREVIOUS] = 0


@njit(cache=True, nogil=True)
def _clock_slice(s, differences, planes, loads, pop, w, n):
    """One block between difference unit and plane coder, and the wires that make planes of it."""
    if not loads:
        if pop:
            s[SLICE] = 0
        return
    s[SLICE] = 1
    s[SLICE_BASE] = differences[0]
    previous = np.int64(0)
    for j in range(w + 1):
        plane = np.int64(0)
        for k in range(1, n):
            plane = plane << 1 | (differences[k] >> j & 1)
        planes[0, j] = plane
        planes[1, j] = plane ^ previous
        previous = plane


@njit(cache=True, nogil=True)
def _clock_coder(s, planes, sent, w):
    """The plane coder: base, then a plane a cycle, and one more for a run before a plane."""
    if s[CODER] == CODER_BASE:
        if sent:
            s[CODER] = CODER_PLANES
            s[CODER_PLANE] = 0
        return
    is_zero = planes[1, s[CODER_PLANE]] == 0
    if is_zero and s[CODER_PLANE] < w:
        s[CODER_ZEROS] += 1
        s[CODER_PLANE] += 1
        return
    if not sent:
        return
    before = s[CODER_ZEROS] > 0 and not is_zero
    s[CODER_ZEROS] = 0
    if before:
        return
    if s[CODER_PLANE] == w:
        s[CODER] = CODER_BASE
        s[CODER_PLANE] = 0
    else:
        s[CODER_PLANE] += 1


@njit(cache=True, nogil=True)
def _clock_packer(s, code, length, sent, buffer_ready, flush, w):
    """The bit packer."""
    if s[PACKER] == PACKER_FLUSH:
        if buffer_ready:
            s[PACKER] = PACKER_EMPTY
            s[PACKER_BITS] = 0
            s[PACKER_COUNT] = 0
        return
    if s[PACKER] == PACKER_FULL:
        if not buffer_ready:
            return
        s[PACKER_BITS] &= (1 << s[PACKER_COUNT]) - 1
        s[PACKER] = PACKER_EMPTY if s[PACKER_COUNT] == 0 else PACKER_FILL
    if sent:
        s[PACKER_BITS] = s[PACKER_BITS] << length | code
        s[PACKER_COUNT] += length
        if s[PACKER_COUNT] >= w:
            s[PACKER_COUNT] -= w
            s[PACKER] = PACKER_FULL
        else:
            s[PACKER] = PACKER_FILL
    elif s[PACKER] == PACKER_FILL and flush:
        s[PACKER] = PACKER_FLUSH


@njit(cache=True, nogil=True)
def _clock_buffer(s, packer_valid, packer_last, was_last, bpc_ready, w):
    """The output buffer, which holds a word back until it is known whether it is the last."""
    if s[BUFFER] != BUFFER_EMPTY and not bpc_ready:
        if s[BUFFER] == BUFFER_FULL and was_last and not packer_valid:
            s[BUFFER] = BUFFER_LAST
        return
    if packer_valid:
        s[BUFFER_WORD] = _packer_word(s, w)
        s[BUFFER] = BUFFER_LAST if packer_last else BUFFER_FULL
    elif s[BUFFER] == BUFFER_LAST or was_last:
        s[BUFFER] = BUFFER_EMPTY


@njit(cache=True, nogil=True)
def _clock_done(s, quirks, znz_end, bpc_end, left, to_znz, bpc_idle, znz_last, ends_now):
    """The pulse of blk_done_o: with the RTL's faults, or once when a transmission is out."""
    before = min(s[DONE_ZNZ], s[DONE_BPC])
    if ends_now:
        if s[CONTROL_CODED] == 1 or s[CONTROL_WORD] != 0:
            s[DONE_AWAITED] += 1
        elif s[DONE_AWAITED] == 0:
            s[DONE_BPC] += 1
        else:
            s[DONE_SILENT] += 1
    if bpc_end:
        s[DONE_AWAITED] -= 1
        s[DONE_BPC] += 1 + s[DONE_SILENT]
        s[DONE_SILENT] = 0
    s[DONE_ZNZ] += znz_end
    if quirks == 0:
        return min(s[DONE_ZNZ], s[DONE_BPC]) > before
    state = s[DONE]
    if state == DONE_IDLE:
        if to_znz:
            s[DONE] = DONE_ANY
    elif state == DONE_ANY:
        if not bpc_idle:
            s[DONE] = DONE_BPC_ONLY if znz_end else (DONE_ANY if znz_last else DONE_BOTH)
        elif left:
            s[DONE] = DONE_ZNZ_ONLY
        elif znz_end:
            s[DONE] = DONE_BPC_OPEN
    elif state == DONE_BOTH:
        if znz_end and bpc_end:
            s[DONE] = DONE_IDLE
            return True
        if znz_end:
            s[DONE] = DONE_BPC_ONLY
        elif bpc_end:
            s[DONE] = DONE_ZNZ_ONLY
    elif state == DONE_BPC_OPEN:
        if not bpc_idle:
            s[DONE] = DONE_BPC_ONLY
        elif left:
            s[DONE] = DONE_IDLE
            return True
    elif (state == DONE_ZNZ_ONLY and znz_end) or (state == DONE_BPC_ONLY and bpc_end):
        s[DONE] = DONE_IDLE
        return True
    return False


# --- What is counted --------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _count_control(s, counts, works, to_znz, to_bpc, coder_ready, difference_ready, blocked):
    """The control's cycle: it works, or waits for one of five."""
    if works:
        counts[WORKS] += 1
    elif s[CONTROL] == CONTROL_IDLE:
        counts[WAITS_PRODUCER] += 1
    elif to_znz and not coder_ready:
        counts[WAITS_ZNZ] += 1
    elif blocked:
        counts[WAITS_PORT] += 1
    elif to_bpc and not difference_ready:
        counts[WAITS_CODER] += 1
    else:
        counts[WAITS_END] += 1


@njit(cache=True, nogil=True)
def _count(counts, unit, works, waits_for_output):
    """A unit's cycle."""
    kind = 0 if works else (2 if waits_for_output else 1)
    counts[WORKS + 3 * unit + kind] += 1


@njit(cache=True, nogil=True)
def _count_block(s, counts, pop):
    """How long the plane coder takes for a block."""
    if s[SLICE] == 0:
        return
    counts[BLOCK_CYCLES] += 1
    if pop:
        if counts[BLOCK_CYCLES] > counts[WORST_CYCLES]:
            counts[WORST_CYCLES] = counts[BLOCK_CYCLES]
            counts[WORST_BLOCK] = counts[BLOCKS]
        counts[BLOCKS] += 1
        counts[BLOCK_CYCLES] = 0
