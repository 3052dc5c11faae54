"""Count how often values occur."""

from numba import njit

# A value that follows itself would have to wait for its count, were there only one.
ROWS = 4


@njit(cache=True, nogil=True)
def count(patterns, times):
    """Count patterns.

    Parameters
    ----------
    patterns : ndarray of uint8 or uint16, shape (count,)
    times : ndarray of uint32, shape (ROWS, 256 or 65536)
        How often each occurs is added here, to any of the rows.
    """
    whole = patterns.size // ROWS * ROWS
    for at in range(0, whole, ROWS):
        for row in range(ROWS):
            times[row, patterns[at + row]] += 1
    for at in range(whole, patterns.size):
        times[0, patterns[at]] += 1
