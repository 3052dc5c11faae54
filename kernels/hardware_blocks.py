"""What a transmission's time depends on where no port stalls: its blocks, and its streams' sizes.

kernels/hardware_timing.py makes cycles of them. A transmission is gone through in pieces that fit
the processor's nearest memory: first its words that are not zero and their places are gathered,
then a block's planes are looked at, all at once: a bit of an integer is a plane.
"""

from collections import namedtuple

import numpy as np
from numba import njit

PIECE = 4096

# Columns of `rows`, a row a transmission. Its words; whether the last one is not zero. ZNZ words;
# of these, those that are not full before the last flag; whether zeros are pending behind it. BPC
# words; bits in the last one, 0 if it is full; blocks; zeros that fill the last block up; codes.
# Where the decoder has room for its last ZNZ word: behind the flag of the word at `znz_place`, -1 for
# at once, and how many words up to it are not zero. Where it has room for the last BPC word: so many blocks
# before the last one, so many cycles behind the base.
Row = namedtuple(
    "Row",
    "words ends_coded znz_words znz_closing znz_pending bpc_words bpc_rest blocks pads codes "
    "znz_place znz_coded bpc_back bpc_step",
)
# Room for words that are not zero, and their places in the transmission; words of the last two
# blocks.
Work = namedtuple("Work", "words places tail")
# What is known of all planes: DBX is not zero; its symbol has 5 bits; DBX has a one only, or two in
# a row.
Planes = namedtuple("Planes", "coded short ones")


@njit(cache=True, nogil=True)
def measure(words, ends, word_bits, block_size, burst_bits, rows, firsts, lasts, extra):
    """Measure transmissions.

    Parameters
    ----------
    words : ndarray of uint32
        Words of whole transmissions, of less than 2**31 words each.
    ends : ndarray of int64, shape (transmissions,)
        Where each ends in `words`; none is empty.
    word_bits, block_size, burst_bits : int
        w, n and z of the hardware.
    rows : ndarray of int64, shape (transmissions, 14)
        Receives a `Row` for each transmission.
    firsts, lasts, extra : ndarray of int32, shape (words // n + transmissions,)
        Receive, for each block, the places of its first and last word in its transmission, those
        of the zeros that fill it up being behind all words; and how many cycles more than w + 2 it
        keeps the plane coder.

    Returns
    -------
    blocks : int
    """
    n = block_size
    work = Work(
        np.empty(PIECE + 2 * n, np.uint32),
        np.empty(PIECE + 2 * n, np.int32),
        np.zeros(2 * n, np.uint32),
    )
    start = blocks = np.int64(0)
    for t in range(ends.size):
        at = (firsts[blocks:], lasts[blocks:], extra[blocks:])
        row = _measure(words[start : ends[t]], word_bits, n, burst_bits, work, at)
        for column, value in enumerate(row):
            rows[t, column] = value
        blocks += row.blocks
        start = ends[t]
    return blocks


@njit(cache=True, nogil=True)
def _measure(words, w, n, z, work, out):
    """Measure a transmission."""
    ones = bursts = held = blocks = pads = bits = codes = np.int64(0)
    last = np.int64(-1)
    for first in range(0, words.size, PIECE):
        count = _gather(words[first : first + PIECE], first, work.words, work.places, held)
        bursts += _count_bursts(work.places, last, held, count, z)
        ones += count - held
        last = np.int64(work.places[count - 1]) if count > held else last
        if first + PIECE >= words.size:
            bursts += _bursts(words.size - 1 - last, z)
            pads = -count % n
            work.words[count : count + pads] = 0
            for k in range(pads):
                work.places[count + k] = words.size + k
            count += pads
        full = count // n
        more_bits, more_codes = _look_at_blocks(work.words, out[2][blocks:], full, w, n)
        bits += more_bits
        codes += more_codes
        _note_places(work.places, out[0][blocks:], out[1][blocks:], full, n)
        blocks += full
        held = count - full * n
        _keep(work, full * n, held, n)
    znz_bits = ones + (1 + z) * bursts
    znz_words, bpc_words = (znz_bits + w - 1) // w, (bits + w - 1) // w
    last_bits, pending = _last_flag(words, z)
    place, coded = np.int64(-1), np.int64(0)
    if znz_words > 1:
        place, coded = _find_flag(words, ones, znz_bits - (znz_words - 2) * w, z)
    back, step = np.int64(0), np.int64(0)
    if blocks > 0:
        back, step = _find_step(work.tail, bits - (bpc_words - 2) * w, w, n)
    return Row(
        words.size,
        np.int64(words[words.size - 1] != 0),
        znz_words,
        znz_words - (znz_bits - last_bits) // w,
        pending,
        bpc_words,
        bits % w,
        blocks,
        pads,
        codes,
        place,
        coded,
        back,
        step,
    )


@njit(cache=True, nogil=True)
def _gather(words, first, gathered, places, held):
    """Put words that are not zero, and their places, behind those that are held."""
    count = np.uint64(held)
    for i in range(words.size):
        word = words[i]
        gathered[count] = word
        places[count] = first + i
        count += np.uint64(word != 0)
    return np.int64(count)


@njit(cache=True, nogil=True)
def _bursts(zeros, z):
    """Count the codes of a run of zeros."""
    return (zeros + (np.int64(1) << z) - 1) >> z


@njit(cache=True, nogil=True)
def _count_bursts(places, last, held, count, z):
    """Count the zero-run codes in front of the words gathered last."""
    if count == held:
        return np.int64(0)
    bursts = _bursts(places[held] - last - 1, z)
    for i in range(np.uint64(held) + np.uint64(1), np.uint64(count)):
        before = np.int64(places[i - np.uint64(1)])
        bursts += _bursts(np.int64(places[i]) - before - 1, z)
    return bursts


@njit(cache=True, nogil=True)
def _note_places(places, firsts, lasts, full, n):
    """Note where blocks begin and end."""
    step = np.uint64(n)
    for b in range(full):
        first = np.uint64(b) * step
        firsts[b] = places[first]
        lasts[b] = places[first + step - np.uint64(1)]


@njit(cache=True, nogil=True)
def _keep(work, first, held, n):
    """Keep the last two blocks, and move the words held behind them to the front."""
    words, places, tail = work.words, work.places, work.tail
    if first == n:
        tail[:n] = tail[n:]
        tail[n:] = words[:n]
    elif first > n:
        tail[:] = words[first - 2 * n : first]
    for k in range(held):
        words[k], places[k] = words[first + k], places[first + k]


# --- Blocks ------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _look_at_blocks(words, extra, full, w, n):
    """Count bits and codes of blocks, and the plane coder's extra cycles."""
    bits, codes = full * w, full
    if n == 8:
        for b in range(full):
            planes = _look_at_8(words, 8 * b, w)
            more_bits, more_codes, extra[b] = _size(planes, w, 8)
            bits += more_bits
            codes += more_codes
    else:
        for b in range(full):
            planes = _look(words, n * b, w, n)
            more_bits, more_codes, extra[b] = _size(planes, w, n)
            bits += more_bits
            codes += more_codes
    return bits, codes


@njit(cache=True, nogil=True)
def _size(planes, w, n):
    """Return bits and codes of a block but for its base, and the plane coder's extra cycles."""
    position_bits, field_bits = _log2(n), _log2(w)
    zero = planes.coded ^ ((np.int64(1) << (w + 1)) - 1)
    run_ends = zero & ~(zero >> 1)
    coded, runs = _count(planes.coded), _count(run_ends)
    bits = n * coded - (n - 5) * _count(planes.short)
    bits -= (n - 5 - position_bits) * _count(planes.ones & ~planes.short)
    bits += (3 + field_bits) * runs - (1 + field_bits) * _count(run_ends & ~(zero << 1))
    return bits, coded + runs, runs - (zero >> w)  # a run that ends the block costs none


@njit(cache=True, nogil=True)
def _look(words, at, w, n):
    """Find how a block's planes are coded, all planes at once."""
    every = (np.int64(1) << (w + 1)) - 1
    sign = np.int64(1) << (w - 1)
    any_plane = one = two = three = in_row = dbx_before = np.int64(0)
    all_dbx = np.int64(-1)
    at = np.uint64(at)
    before = np.int64(words[at]) ^ sign
    for k in range(at + np.uint64(1), at + np.uint64(n)):
        word = np.int64(words[k]) ^ sign
        difference = word - before
        before = word
        dbx = difference ^ (difference << 1)
        any_plane |= difference
        all_dbx &= dbx
        three |= two & dbx
        two |= one & dbx
        one |= dbx
        in_row |= dbx & dbx_before
        dbx_before = dbx
    coded = one & every
    ones = coded & ~three & (~two | in_row)
    return Planes(coded, coded & (all_dbx | ~any_plane), ones)


@njit(cache=True, nogil=True)
def _look_at_8(words, at, w):
    """Do the same for n = 8, where it makes no difference whether DBX has few ones."""
    sign = np.int64(1) << (w - 1)
    any_dbx = any_plane = np.int64(0)
    all_dbx = np.int64(-1)
    at = np.uint64(at)
    before = np.int64(words[at]) ^ sign
    for k in range(1, 8):
        word = np.int64(words[at + np.uint64(k)]) ^ sign
        difference = word - before
        before = word
        dbx = difference ^ (difference << 1)
        any_plane |= difference
        any_dbx |= dbx
        all_dbx &= dbx
    coded = any_dbx & ((np.int64(1) << (w + 1)) - 1)
    return Planes(coded, coded & (all_dbx | ~any_plane), np.int64(0))


@njit(cache=True, nogil=True)
def _count(bits):
    """Count ones; compilers know it as an instruction."""
    bits = int(bits)
    bits -= bits >> 1 & 0x5555555555555555
    bits = (bits & 0x3333333333333333) + (bits >> 2 & 0x3333333333333333)
    bits = bits + (bits >> 4) & 0x0F0F0F0F0F0F0F0F
    return np.int64(bits * 0x0101010101010101 >> 56 & 0xFF)


@njit(cache=True, nogil=True)
def _log2(power):
    """Take the logarithm of 8, 16 or 32."""
    return np.int64(3) + (power > 8) + (power > 16)


# --- Ends of streams ---------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _last_flag(words, z):
    """Return bits that the ZNZ coder has from the last flag on, and whether zeros are pending."""
    at = words.size - 1
    if words[at]:
        at -= 1
        ends_coded = True
    else:
        ends_coded = False
    zeros = np.int64(0)
    while at >= 0 and words[at] == 0:
        zeros += 1
        at -= 1
    pending = np.int64(zeros & ((1 << z) - 1) > 0)
    if ends_coded:
        return 1 + (1 + z) * pending, np.int64(0)
    return np.int64(1 + z), pending


@njit(cache=True, nogil=True)
def _find_flag(words, ones, needed, z):
    """Find the first flag of the code behind which less than `needed` bits of the stream are left.

    Returns its place, and how many words up to it are not zero.
    """
    at = words.size
    left = np.int64(0)
    coded = False
    while left < needed:
        ones -= coded
        coded = words[at - 1] != 0
        if coded:
            at -= 1
            left += 1
            continue
        first = at - 1
        while first > 0 and words[first - 1] == 0:
            first -= 1
        bursts = (at - first + (1 << z) - 1) >> z
        bursts = min(bursts, (needed - left + z) // (1 + z))
        at -= (at - first - 1) % (1 << z) + 1 + ((bursts - 1) << z)
        left += bursts * (1 + z)
    return at, ones


@njit(cache=True, nogil=True)
def _find_step(tail, needed, w, n):
    """Find the symbol behind which less than `needed` bits of the stream are left.

    Returns how many blocks it is before the last one, and how many cycles behind its base.
    """
    position_bits, field_bits = _log2(n), _log2(w)
    left, back, step = np.int64(0), np.int64(-1), np.int64(0)
    planes = Planes(np.int64(0), np.int64(0), np.int64(0))
    while left < needed:
        step -= 1
        if step < 0:
            back, step = back + 1, np.int64(w + 1)
            planes = _look(tail, n * (1 - back), w, n)
        plane = np.int64(1) << step >> 1
        if step == 0:
            left += w
        elif planes.coded & plane:
            length = 5 + position_bits if planes.ones & plane else n
            left += 5 if planes.short & plane else length
        elif (step > w) | (planes.coded & plane << 1 > 0):
            single = (step == 1) | (planes.coded & plane >> 1 > 0)
            left += 2 if single else 3 + field_bits
    return back, step
