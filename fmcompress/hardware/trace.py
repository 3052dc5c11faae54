"""What the hardware held and showed in each cycle of a window."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Signal:
    """What one register or wire is in each cycle.

    Parameters
    ----------
    name : str
        The RTL's name for a port's wire; ours within a unit.
    bits : int
        Its width.
    values : ndarray of int64 or uint64, shape (cycles,)
        Its values; `UNKNOWN` where the window does not tell.
    words : tuple of str, optional
        The values' names, for a state; `values` are places in it.
    """

    name: str
    bits: int
    values: NDArray[np.int64] | NDArray[np.uint64]
    words: tuple[str, ...] | None = None

    def text(self, row: int) -> str:
        """Return the name of a value."""
        return self.words[int(self.values[row])] if self.words else str(self.values[row])


@dataclass(frozen=True, eq=False)
class Scope:
    """What a unit of the hardware holds and shows, or one of its ports.

    Parameters
    ----------
    name : str
    signals : tuple of Signal
        Of a unit: its state first, where it has one. Of a port: valid, ready, last and data, with
        the RTL's names, then `handshake` and `words`: those that passed before, in this window.
    is_port : bool
    """

    name: str
    signals: tuple[Signal, ...]
    is_port: bool = False

    def __getitem__(self, name: str) -> Signal:
        for signal in self.signals:
            if signal.name == name:
                return signal
        raise KeyError(name)


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
        found: NDArray[np.int64] = self.rows[:, self._places[name]]
        return found


# --- For what is derived from columns -------------------------------------------------------------


def state(names: tuple[str, ...], places: NDArray[np.int64]) -> Signal:
    """Return a unit's state; `places` are places in `names`."""
    return Signal("state", (len(names) - 1).bit_length(), places, names)


def pick(
    *choices: tuple[NDArray[np.bool_], int],
    otherwise: int,
) -> NDArray[np.int64]:
    """Return, of each row, the number of the first condition that holds."""
    conditions, numbers = zip(*choices, strict=True)
    picked: NDArray[np.int64] = np.select(conditions, numbers, otherwise).astype(np.int64)
    return picked


def shift_register(
    bits: NDArray[np.int64], held: NDArray[np.int64], word_bits: int
) -> NDArray[np.uint64]:
    """Return a shift register of two words as the hardware has it: the oldest bit uppermost."""
    shifts = (2 * word_bits - held).astype(np.uint64)
    # A shift by all 64 bits would leave what it is given: there is nothing held, and no bit set.
    return np.where(held > 0, bits.astype(np.uint64) << (shifts & np.uint64(63)), np.uint64(0))


def port(trace: Trace, name: str, column: str, wires: tuple[str, str, str, str]) -> Scope:
    """Return a port, whose columns begin with `column`; its `wires` are valid, ready, last, data."""
    found = [trace.column(f"{column}_{wire}") for wire in ("valid", "ready", "last", "data")]
    found[3] = found[3] * found[0]  # where no word is offered, there is none
    signals = [
        Signal(wire, trace.word_bits if kind == 3 else 1, values)
        for kind, (wire, values) in enumerate(zip(wires, found, strict=True))
    ]
    return Scope(name, (*signals, *handshakes(found[0] & found[1])), is_port=True)


def handshakes(happen: NDArray[np.int64]) -> tuple[Signal, Signal]:
    """Return in which cycles a port's words pass, and how many passed before."""
    return Signal("handshake", 1, happen), Signal("words", 32, count_before(happen))


def count_before(flags: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count what holds in the rows before each row."""
    counts: NDArray[np.int64] = np.cumsum(flags) - flags
    return counts
