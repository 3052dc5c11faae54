"""The encoder's blk_done_o (RTL: done_gen), from a trace of what the other units did.

It is an output that no unit depends on, so it is found only where a trace is wanted.
"""

from collections import namedtuple

import numpy as np
from numba import njit

# What is looked at: columns of the encoder's trace.
COLUMNS = (
    *("control.owes_znz", "control.word", "control.last", "through", "bpc_idle", "was_last"),
    *("znz_gives", "znz_last", "bpc_gives", "bpc_last", "packer_gives", "buffer.full"),
)
# State of the RTL; numbers of transmissions whose ZNZ words are out, and whose BPC words are or
# that have none; of those without any behind one whose words are not out; of those awaited; and
# whether the transmission has a non-zero word.
Done = namedtuple("Done", "state znz_out bpc_out silent awaited coded")
# In the specification's order: I, ZBw, ZB, Bw, Z, B.
IDLE, ANY, BOTH, BPC_OPEN, ZNZ_ONLY, BPC_ONLY = range(6)


@njit(cache=True, nogil=True)
def blk_done(rows, registers, quirks, pulses):
    """Find blk_done_o of each cycle.

    Parameters
    ----------
    rows : ndarray of int64, shape (cycles, 12)
        `COLUMNS` of the trace.
    registers : ndarray of int64, shape (6,)
        Those of `Done`, all 0 after reset; changed.
    quirks : int
        0: one pulse a transmission, when its last word is out. 1: as the RTL has it.
    pulses : ndarray of int64, shape (cycles,)
        Receives blk_done_o.
    """
    r = registers
    done = Done(r[0], r[1], r[2], r[3], r[4], r[5])
    for c in range(rows.shape[0]):
        through = rows[c, 3]
        ends = through & rows[c, 2]
        znz_end = rows[c, 6] & rows[c, 7]
        bpc_end = rows[c, 8] & rows[c, 9]
        left = rows[c, 5] & (rows[c, 10] | (rows[c, 11] ^ 1))
        state, rtl_pulse = _step(
            done.state, rows[c, 0], rows[c, 4], znz_end, rows[c, 7], bpc_end, left
        )
        before = min(done.znz_out, done.bpc_out)
        coded = done.coded | (through & (rows[c, 1] != 0))
        awaited = done.awaited + (ends & coded)
        none = ends & (coded ^ 1)
        bpc_out = done.bpc_out + (none & (awaited == 0))
        silent = done.silent + (none & (awaited > 0))
        if bpc_end:
            awaited, bpc_out, silent = awaited - 1, bpc_out + 1 + silent, np.int64(0)
        done = Done(state, done.znz_out + znz_end, bpc_out, silent, awaited, coded & (ends ^ 1))
        pulse = np.int64(min(done.znz_out, bpc_out) > before)
        pulses[c] = rtl_pulse if quirks else pulse
    r[0], r[1], r[2], r[3], r[4], r[5] = done


@njit(cache=True, nogil=True)
def _step(state, to_znz, bpc_idle, znz_end, znz_last, bpc_end, left):
    """Return the RTL's next state, and its pulse: the first condition that holds decides."""
    following, pulse = state, 0
    if state == IDLE:
        if to_znz:
            following = ANY
    elif state == ANY:
        if bpc_idle == 0:
            if znz_end:
                following = BPC_ONLY
            elif znz_last == 0:
                following = BOTH
        elif left:
            following = ZNZ_ONLY
        elif znz_end:
            following = BPC_OPEN
    elif state == BOTH:
        if znz_end & bpc_end:
            following, pulse = IDLE, 1
        elif znz_end:
            following = BPC_ONLY
        elif bpc_end:
            following = ZNZ_ONLY
    elif state == BPC_OPEN:
        if bpc_idle == 0:
            following = BPC_ONLY
        elif left:
            following, pulse = IDLE, 1
    elif (state == ZNZ_ONLY and znz_end) or (state == BPC_ONLY and bpc_end):
        following, pulse = IDLE, 1
    return np.int64(following), np.int64(pulse)
