"""What the hardware takes where no port ever stalls, block by block (docs/HARDWARE.md, "Timing")."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def time_encoder(words, ends, sizes, start, counts):
    """Time transmissions that are offered without a pause, to consumers that are always ready.

    `start` is the cycle in which the first word is accepted and that from which on the ZNZ coder
    is ready. Returns the same for what follows, and the cycle in which all is out.
    """
    w, n, z = sizes
    differences = np.zeros(n, np.int64)
    accepted, znz_free = start
    out = accepted
    first = 0
    sign = 1 << (w - 1)
    for end in ends:
        t = accepted + 1  # when the word is processed
        late = max(znz_free - t, 0)
        counts[1] += 1  # the control waits for the word
        counts[2] += late
        t += late
        moved = np.int64(-1)  # when the last block went into the slice
        popped = np.int64(-1)  # when the coder was through with it
        first_moved = np.int64(-1)
        filled = 0
        previous = np.int64(0)
        bits = 0
        held, zeros, znz_words = 0, 0, 0  # of the ZNZ coder: bits, pending zeros, full words
        blocks = 0
        flagged = t
        for i in range(first, end):
            word = np.int64(words[i])
            flagged = t  # when the ZNZ coder takes the flag: it need not wait for the block
            if word == 0:
                zeros += 1
                if zeros == 1 << z:
                    held += 1 + z
                    zeros = 0
            else:
                held += 2 + z if zeros > 0 else 1
                zeros = 0
                if filled == 0:
                    differences[0] = word
                    if t < moved:
                        counts[3] += moved - t
                        t = moved
                else:
                    differences[filled] = (word ^ sign) - (previous ^ sign)
                previous = word
                filled += 1
                if filled == n:
                    cycles, length = _block(differences, w, n)
                    bits += length
                    moved = max(t + 1, popped)
                    first_moved = moved if blocks == 0 else first_moved
                    popped = moved + cycles
                    blocks += 1
                    _count_block(counts, cycles)
                    filled = 0
            if held >= w and i + 1 < end:
                held -= w
                znz_words += 1
            t += 1
        t -= 1  # of the last word
        counts[0] += end - first
        # The ZNZ stream.
        flush_from = flagged + 1
        if zeros > 0:
            held += 1 + z
            flush_from += 1
        flushes = max((held + w - 1) // w, 1)
        znz_free = flush_from + flushes
        counts[6] += znz_words + flushes
        counts[8] = znz_free
        # The BPC stream.
        if blocks == 0 and filled == 0:
            accepted = t + 1
        else:
            ready = t + 1
            if filled > 0:
                ready = t + 1 + (n - filled)
                counts[0] += n - filled
                while filled < n:
                    differences[filled] = (0 ^ sign) - (previous ^ sign)
                    previous = np.int64(0)
                    filled += 1
                cycles, length = _block(differences, w, n)
                bits += length
                moved = max(ready, popped)
                first_moved = moved if blocks == 0 else first_moved
                popped = moved + cycles
                blocks += 1
                _count_block(counts, cycles)
            through = ready
            ready = max(ready, popped + 1)
            if bits % w == 0 and words[end - 1] == 0 and popped + 2 <= t:
                bpc_end = t + 1
                accepted = t + 1
            elif bits % w == 0 and ready == popped + 1:
                bpc_end = ready + 2
                accepted = ready + 2
            elif bits % w == 0:
                bpc_end = ready + 1
                accepted = ready + 1
            else:
                bpc_end = ready + 3
                accepted = ready + 3
            counts[4] += max(accepted - through, 0)
            counts[7] += (bits + w - 1) // w
            counts[9] = bpc_end
            counts[10] += bpc_end - (first_moved + 3)
            out = max(out, bpc_end)
        out = max(out, accepted, znz_free)
        first = end
    return accepted, znz_free, out


@njit(cache=True, nogil=True)
def _count_block(counts, cycles):
    if cycles > counts[12]:
        counts[12] = cycles
        counts[13] = counts[11]
    counts[11] += 1
    counts[14] += cycles


@njit(cache=True, nogil=True)
def _block(differences, w, n):
    """Count the cycles that the coder takes for a block, and the bits that it makes."""
    field_bits = 3 if w == 8 else (4 if w == 16 else 5)
    position_bits = 3 if n == 8 else (4 if n == 16 else 5)
    ones = (1 << (n - 1)) - 1
    before = np.int64(0)
    run = 0
    bits = w
    cycles = w + 2
    for j in range(w + 1):
        plane = np.int64(0)
        for k in range(1, n):
            plane = plane << 1 | (differences[k] >> j & 1)
        dbx = plane ^ before
        before = plane
        if dbx == 0:
            run += 1
            continue
        if run > 0:
            bits += 2 if run == 1 else 3 + field_bits
            cycles += 1
            run = 0
        lowest = dbx & -dbx
        if dbx == ones or plane == 0:
            bits += 5
        elif dbx == lowest or dbx == 3 * lowest:
            bits += 5 + position_bits
        else:
            bits += n
    if run > 0:
        bits += 2 if run == 1 else 3 + field_bits
    return cycles, bits
