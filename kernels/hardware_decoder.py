"""The hardware's decoder, one clock cycle a loop iteration (docs/HARDWARE.md, "Decoder").

The loop of `decode` is made as that of the encoder: what units show follows from the registers and
from what the consumer does; then they are clocked from the output to the inputs, a function each.
Shift registers are right-aligned: their lowest bits are the newest.
"""

import numpy as np
from numba import njit

# States; reset puts a unit to its first.
ZNZ_EMPTY, ZNZ_FULL, ZNZ_FILL, ZNZ_RUN = range(4)
UNPACKER_EMPTY, UNPACKER_FULL, UNPACKER_FILL = range(3)
SYMBOL_BASE, SYMBOL_PLANES, SYMBOL_RUN = range(3)
COLLECTOR_BASE, COLLECTOR_PLANES, COLLECTOR_FULL = range(3)

# What is counted, in the order of `counts`.
(
    COUNT_WORDS,  # transmissions begun
    ZNZ_WORDS,
    BPC_WORDS,
    OUT_WORDS,
    COUNT_END,  # the cycle behind the last handshake, 0 where there was none
    ZNZ_END,
    BPC_END,
    OUT_END,
    BLOCKS,
    WORST_BLOCK,
    WORST_CYCLES,
    CONTROL_WAITS_COUNT,  # for the number of words
    CONTROL_WAITS_CONSUMER,
    CONTROL_WAITS_ZNZ,
    CONTROL_WAITS_BLOCK,
    CONTROL_WAITS_PORT,  # of the BPC stream
    ZNZ_FLAGS,
    ZNZ_BLOCKED,
    UNPACKER_GIVES,
    UNPACKER_BLOCKED,
    SYMBOL_PUSHES,
    SYMBOL_BLOCKED,
    COLLECTOR_BLOCKED,
    SLICE_CYCLES,
    INTEGRATOR_WORDS,
    INTEGRATOR_BLOCKED,
) = range(26)
COUNTS = 26

CREDIT_UNIT = 1 << 16
MOST_CREDIT = 16 * CREDIT_UNIT
ALL_OUT, ALL_ACCEPTED, GATES_END = range(3)


@njit(cache=True, nogil=True)
def decode(
    numbers,
    znz_in,
    znz_ends,
    bpc_in,
    bpc_ends,
    gates,
    until,
    sizes,
    rate,
    coupled,
    quirks,
    bench,
    registers,
    counts,
    planes,
    block,
    words,
    trace,
):
    """Run the decoder for some cycles."""
    w, n, z = sizes
    field_bits, position_bits = _log2(w), _log2(n)
    (
        cycle,
        started,
        number_offered,
        znz_at,
        znz_transmission,
        znz_offered,
        bpc_at,
        bpc_transmission,
        bpc_offered,
        credit,
    ) = bench
    (
        running,
        left,
        znz_ended,
        bpc_ended,
        znz,
        znz_bits,
        znz_fill,
        zeros,
        unpacker,
        bits,
        fill,
        symbol,
        plane_number,
        plane,
        run,
        block_cycles,
        collector,
        full,
        place,
    ) = registers
    out_words = counts[OUT_WORDS]
    for c in range(gates.shape[1]):
        if until == ALL_OUT and started == numbers.size and running == 0:
            break
        # The test bench.
        number_valid = started < numbers.size and (number_offered == 1 or gates[0, c] != 0)
        bpc_offers = bpc_at < bpc_in.size and (
            bpc_offered == 1 or (gates[1, c] != 0 and (coupled == 0 or bpc_transmission < started))
        )
        znz_offers = znz_at < znz_in.size and (
            znz_offered == 1 or (gates[2, c] != 0 and (coupled == 0 or znz_transmission < started))
        )
        out_ready = gates[3, c] != 0
        if rate > 0:
            credit = min(credit + rate, MOST_CREDIT)
            if znz_offers and znz_offered == 0:
                znz_offers = credit >= CREDIT_UNIT
                credit -= CREDIT_UNIT if znz_offers else 0
            if bpc_offers and bpc_offered == 0:
                bpc_offers = credit >= CREDIT_UNIT
                credit -= CREDIT_UNIT if bpc_offers else 0

        # The output.
        top = znz_fill > 0 and znz_bits >> (znz_fill - 1) == 1
        flag = znz != ZNZ_RUN and top
        flag_valid = (
            znz == ZNZ_FULL or znz == ZNZ_RUN or (znz == ZNZ_FILL and (top or znz_fill > z))
        )
        out_valid = running == 1 and flag_valid and (full == 1 or not flag)
        out_last = running == 1 and flag_valid and left == 0
        given = out_valid and out_ready
        word_given = given and flag
        finish = given and left == 0
        clear = finish and (quirks == 1 or bpc_ended == 1)

        # Ready, from the output to the BPC port.
        pop = word_given and place == n - 1
        slice_ready = full == 0 or pop or clear
        collector_ready = collector != COLLECTOR_FULL or slice_ready
        kind, length = _look(symbol, bits, fill, w, n, field_bits, position_bits)
        pushes = (
            unpacker != UNPACKER_EMPTY
            and (symbol == SYMBOL_RUN or fill >= length)
            and (symbol != SYMBOL_BASE or collector_ready)
        )
        consumes = pushes and not (
            (symbol == SYMBOL_PLANES and kind == 2) or (symbol == SYMBOL_RUN and run > 0)
        )
        ends_block = pushes and symbol != SYMBOL_BASE and plane_number == w
        bpc_ready = (
            bpc_ended == 0
            and not clear
            and (unpacker != UNPACKER_FULL or (consumes and fill - length < w))
        )
        znz_length = 1 if top else 1 + z
        flag_ready = (
            znz_ended == 0
            and not finish
            and (
                znz == ZNZ_EMPTY
                or znz == ZNZ_FILL
                or (znz == ZNZ_FULL and given and znz_fill - znz_length < w)
            )
        )
        bpc_taken = bpc_offers and bpc_ready
        znz_taken = znz_offers and flag_ready
        number_taken = number_valid and running == 0

        if cycle < trace.shape[0]:
            row = trace[cycle]
            row[0], row[1] = number_valid, running == 0
            row[2], row[3] = bpc_offers, bpc_ready
            row[4], row[5] = znz_offers, flag_ready
            row[6], row[7], row[8], row[9] = (
                out_valid,
                out_ready,
                block[place] if flag else 0,
                out_last,
            )

        # Count.
        if given:
            if words.size > 0:
                words[out_words] = block[place] if flag else 0
            out_words += 1
            counts[OUT_END] = cycle + 1
        elif running == 0:
            counts[CONTROL_WAITS_COUNT] += 1
        elif out_valid:
            counts[CONTROL_WAITS_CONSUMER] += 1
        elif not flag_valid:
            counts[CONTROL_WAITS_ZNZ] += 1
        elif not pushes and collector_ready:
            counts[CONTROL_WAITS_PORT] += 1
        else:
            counts[CONTROL_WAITS_BLOCK] += 1

        # The clock edge.
        loads = collector == COLLECTOR_FULL and slice_ready
        if loads:
            _make_words(planes, block, w, n)
            full = np.int64(1)
            place = np.int64(0)
        elif pop or clear:
            full = np.int64(0)
            place = np.int64(0)
        elif word_given:
            place += 1
        if clear:
            collector = np.int64(COLLECTOR_BASE)
            symbol, plane_number, plane, run = (
                np.int64(SYMBOL_BASE),
                np.int64(0),
                np.int64(0),
                np.int64(0),
            )
            unpacker, bits, fill = np.int64(UNPACKER_EMPTY), np.int64(0), np.int64(0)
        else:
            if ends_block:
                collector = np.int64(COLLECTOR_FULL)
            elif pushes and symbol == SYMBOL_BASE:
                collector = np.int64(COLLECTOR_PLANES)
            elif loads:
                collector = np.int64(COLLECTOR_BASE)
            if pushes:
                symbol, plane_number, plane, run = _clock_symbol(
                    symbol,
                    plane_number,
                    plane,
                    run,
                    bits,
                    fill,
                    kind,
                    length,
                    planes,
                    w,
                    n,
                    field_bits,
                )
            unpacker, bits, fill = _clock_unpacker(
                unpacker,
                bits,
                fill,
                length if consumes else np.int64(0),
                bpc_taken,
                np.int64(bpc_in[bpc_at]) if bpc_taken else np.int64(0),
                w,
            )
        if finish:
            znz, znz_bits, znz_fill, zeros = (
                np.int64(ZNZ_EMPTY),
                np.int64(0),
                np.int64(0),
                np.int64(0),
            )
        else:
            znz, znz_bits, znz_fill, zeros = _clock_znz(
                znz,
                znz_bits,
                znz_fill,
                zeros,
                given,
                top,
                znz_taken,
                np.int64(znz_in[znz_at]) if znz_taken else np.int64(0),
                w,
                z,
            )
        number_offered = np.int64(number_valid and not number_taken)
        bpc_offered = np.int64(bpc_offers and not bpc_taken)
        znz_offered = np.int64(znz_offers and not znz_taken)
        if bpc_taken:
            bpc_at += 1
            counts[BPC_WORDS] += 1
            counts[BPC_END] = cycle + 1
            if bpc_at == bpc_ends[bpc_transmission]:
                if running == 1 or quirks == 0:
                    bpc_ended = np.int64(1)
            while bpc_transmission < bpc_ends.size and bpc_ends[bpc_transmission] <= bpc_at:
                bpc_transmission += 1
        if znz_taken:
            znz_at += 1
            counts[ZNZ_WORDS] += 1
            counts[ZNZ_END] = cycle + 1
            if znz_at == znz_ends[znz_transmission]:
                znz_transmission += 1
                if running == 1 or quirks == 0:
                    znz_ended = np.int64(1)
        if finish:
            running = np.int64(0)
            znz_ended = np.int64(0)
            if clear:
                bpc_ended = np.int64(0)
        elif given:
            left -= 1
        elif number_taken:
            left = np.int64(numbers[started] - 1)
            running = np.int64(1)
            if quirks == 1:
                znz_ended = bpc_ended = np.int64(0)
        if number_taken:
            started += 1
            counts[COUNT_WORDS] += 1
            counts[COUNT_END] = cycle + 1
        cycle += 1
    counts[OUT_WORDS] = out_words
    return (
        cycle,
        started,
        number_offered,
        znz_at,
        znz_transmission,
        znz_offered,
        bpc_at,
        bpc_transmission,
        bpc_offered,
        credit,
    ), (
        running,
        left,
        znz_ended,
        bpc_ended,
        znz,
        znz_bits,
        znz_fill,
        zeros,
        unpacker,
        bits,
        fill,
        symbol,
        plane_number,
        plane,
        run,
        block_cycles,
        collector,
        full,
        place,
    )


@njit(cache=True, nogil=True)
def _log2(power):
    """Take the logarithm of a power of two."""
    exponent = 0
    while 1 << exponent < power:
        exponent += 1
    return exponent


@njit(cache=True, nogil=True)
def _look(symbol, bits, fill, w, n, field_bits, position_bits):
    """Find kind and length of what stands at the window's top.

    The kind is the number of leading zeros, up to 4, and 5 for five of them.
    """
    if symbol == SYMBOL_BASE:
        return np.int64(0), np.int64(w)
    head = bits >> (fill - 5) if fill >= 5 else bits << (5 - fill)
    if head >= 0b10000:
        return np.int64(0), np.int64(n)
    if head >= 0b01000:
        return np.int64(1), np.int64(2)
    if head >= 0b00100:
        return np.int64(2), np.int64(3 + field_bits)
    if head >= 0b00010:
        return np.int64(3), np.int64(5 + position_bits)
    return np.int64(4) if head == 1 else np.int64(5), np.int64(5)


@njit(cache=True, nogil=True)
def _clock_symbol(symbol, number, plane, run, bits, fill, kind, length, planes, w, n, field_bits):
    """Clock the symbol decoder, where it pushes a base or a plane."""
    code = bits >> (fill - length)
    if symbol == SYMBOL_BASE:
        planes[w + 1] = code
        return SYMBOL_PLANES, np.int64(0), np.int64(0), np.int64(0)
    following = SYMBOL_PLANES
    if symbol == SYMBOL_RUN:
        if run > 0:
            following, run = SYMBOL_RUN, run - 1
    elif kind == 2:
        following, run = SYMBOL_RUN, code & ((1 << field_bits) - 1)
    elif kind == 0:
        plane ^= code & ((1 << (n - 1)) - 1)
    elif kind == 3:
        position = code & (n - 1)
        two = code >> _log2(n) == 0b00010
        plane ^= (3 if two else 1) << max(n - 2 - position - two, 0)
    elif kind == 4:
        plane = np.int64(0)
    elif kind == 5:
        plane ^= (1 << (n - 1)) - 1
    planes[min(number, w)] = plane
    if number == w:
        return SYMBOL_BASE, np.int64(0), np.int64(0), np.int64(0)
    return following, number + 1, plane, run


@njit(cache=True, nogil=True)
def _make_words(planes, block, w, n):
    """Integrate the differences of a block."""
    word = planes[w + 1]
    block[0] = word
    for k in range(1, n):
        delta = np.int64(0)
        for j in range(w):
            delta |= (planes[j] >> (n - 1 - k) & 1) << j
        word = (word + delta) & ((1 << w) - 1)
        block[k] = word


@njit(cache=True, nogil=True)
def _clock_unpacker(state, bits, fill, length, taken, word, w):
    """Clock the unpacker: bits out, a word in."""
    if length > 0:
        fill -= length
        bits &= (1 << fill) - 1
    if taken:
        return UNPACKER_FULL, bits << w | word, fill + w
    if state == UNPACKER_FULL and fill < w:
        return UNPACKER_FILL, bits, fill
    return state, bits, fill


@njit(cache=True, nogil=True)
def _clock_znz(state, bits, fill, zeros, given, top, taken, word, w, z):
    """Clock the ZNZ decoder: a flag out, a word in."""
    if state == ZNZ_RUN:
        if not given:
            return state, bits, fill, zeros
        if zeros > 0:
            return state, bits, fill, zeros - 1
        return ZNZ_FILL if fill < w else ZNZ_FULL, bits, fill, zeros
    field = np.int64(0)
    if given:
        if top:
            fill -= 1
        else:
            fill -= 1 + z
            field = bits >> fill & ((1 << z) - 1)
        bits &= (1 << fill) - 1
    if taken:
        bits = bits << w | word
        fill += w
    if field > 0:
        return ZNZ_RUN, bits, fill, field - 1
    if fill >= w:
        return ZNZ_FULL, bits, fill, zeros
    if fill == 0:
        return ZNZ_EMPTY, bits, fill, zeros
    return ZNZ_FILL, bits, fill, zeros
