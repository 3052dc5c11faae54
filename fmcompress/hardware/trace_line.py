"""A line of the teaching view, and what lines of both sides share."""

from __future__ import annotations

from dataclasses import dataclass

from fmcompress.hardware.scopes import scopes_of
from fmcompress.hardware.trace import Trace

# A word passes a port; a unit does something; it could, but another unit does not let it; it keeps
# something on purpose; it has nothing to do.
HANDSHAKE, WORKS, WAITS, HOLDS, IDLE = KINDS = ("handshake", "works", "waits", "holds", "idle")
Said = tuple[str, str]
Row = dict[str, int]


@dataclass(frozen=True)
class TraceLine:
    """What a unit does in a cycle.

    Parameters
    ----------
    cycle : int
    unit : str
        Name of the unit or port.
    state : str
        The specification's name of its state; empty for ports.
    action : str
        What it does, in words.
    kind : str
        One of `KINDS`.
    """

    cycle: int
    unit: str
    state: str
    action: str
    kind: str

    def __str__(self) -> str:
        return " ".join(filter(None, (f"c{self.cycle}", self.unit, self.state, self.action)))


class TraceText:
    """Puts the rows of a trace into words: what both sides need for that.

    Parameters
    ----------
    trace : Trace
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.scopes = scopes_of(trace)
        self.digits = trace.word_bits // 4

    def _row(self, row: int) -> Row:
        """Return a row by column."""
        return dict(zip(self.trace.columns, self.trace.rows[row].tolist(), strict=True))

    def _number_of(self, port: str, row: int) -> int | None:
        """Return the number of a port's word, where the window has all that went before."""
        return None if self.trace.first_cycle else int(self.scopes[port]["words"].values[row])

    def _state(self, unit: str, row: int) -> str:
        return self.scopes[unit]["state"].text(row)

    def _hex(self, word: int) -> str:
        return f"{word:0{self.digits}x}"


def bits_count(bits: int) -> str:
    """Say how many bits."""
    return "1 bit" if bits == 1 else f"{bits} bits"


def port_line(row: Row, column: str, number: int | None, digits: int, comes: bool) -> Said:
    """Say what a port does.

    Parameters
    ----------
    row : dict of str to int
        Columns of the cycle.
    column : str
        What the port's columns begin with.
    number : int or None
        Number of its word, if it is known.
    digits : int
        Hexadecimal digits of a word.
    comes : bool
        Whether words come in.

    Returns
    -------
    action, kind : str
    """
    valid, ready = row[f"{column}_valid"], row[f"{column}_ready"]
    if not valid:
        return ("ready, no word" if ready else "no word"), IDLE
    last = ", marked last" if row[f"{column}_last"] else ""
    what = "word" if number is None else f"word {number}:"
    word = f"{what} {row[f'{column}_data']:0{digits}x}"
    if ready:
        return f"{word} {'comes in' if comes else 'leaves'}{last}", HANDSHAKE
    return f"{word} {'is offered' if comes else 'waits for the consumer'}{last}", WAITS
