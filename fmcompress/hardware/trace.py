"""What the hardware held and showed in each cycle of a window."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

SIDES = ("encoder", "decoder")


@dataclass(frozen=True, eq=False)
class Trace:
    """A row a cycle, as a kernel writes it.

    Parameters
    ----------
    side : str
        ``"encoder"`` or ``"decoder"``.
    first_cycle : int
        Cycle of the first row.
    word_bits, block_size, burst_bits : int
        w, n and z of the hardware.
    columns : tuple of str
        Names of the columns: ``"unit.register"``, or a signal's name.
    rows : ndarray of int64, shape (cycles, columns)
        What holds in each cycle, before the clock edge that ends it.
    """

    side: str
    first_cycle: int
    word_bits: int
    block_size: int
    burst_bits: int
    columns: tuple[str, ...]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def cycles(self) -> range:
        """The cycles of the rows."""
        return range(self.first_cycle, self.first_cycle + len(self.rows))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.columns)}

    def column(self, name: str) -> NDArray[np.int64]:
        """Return a column.

        Parameters
        ----------
        name : str
            One of `columns`.

        Returns
        -------
        ndarray of int64, shape (cycles,)

        Raises
        ------
        KeyError
            If there is no such column.
        """
        return self.rows[:, self._places[name]]
