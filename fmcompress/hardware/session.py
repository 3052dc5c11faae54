"""What encoder and decoder have in common: gates, stepping, the watch for deadlocks, the trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from fmcompress.errors import FmcError, ParameterError
from fmcompress.hardware.checks import checked_trace
from fmcompress.hardware.parameters import Parameters
from fmcompress.hardware.patterns import ALWAYS, MOST_CLOSED_CYCLES, Pattern
from fmcompress.hardware.ports import port_patterns
from fmcompress.hardware.run import Output, Run, cycles_in_all
from fmcompress.hardware.trace import Trace
from fmcompress.kernel_loading import kernel, kernels
from fmcompress.numbers import real

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Cycles stepped at a time; with a trace.
GATE_CYCLES = 1 << 16
TRACE_CYCLES = 1 << 12
# Without any handshake in so many cycles, and those for which ports may be closed, none will come.
DEADLOCK_CYCLES = 1 << 21
# Words a cycle of the slowest memory: no wait is longer than that for a gate.
SLOWEST_RATE = 1 / MOST_CLOSED_CYCLES


class DeadlockError(FmcError):
    """No port can go on: whoever is awaited never comes."""


class Gates:
    """The gates of all ports, block by block.

    Parameters
    ----------
    patterns : sequence of Pattern
        Of the ports, in the kernel's order.
    """

    def __init__(self, patterns: tuple[Pattern, ...]) -> None:
        self._patterns = patterns
        self._first = self._end = 0
        self._blocks: tuple[NDArray[np.uint8], ...] = ()

    def at(self, cycle: int, most: int) -> tuple[NDArray[np.uint8], ...]:
        """Return gates from a cycle on, of so many cycles at most; cycles never go back."""
        if cycle >= self._end:
            self._first, self._end = cycle, cycle + GATE_CYCLES
            made = {p: p.gates(cycle, GATE_CYCLES) for p in set(self._patterns)}
            self._blocks = tuple(made[p] for p in self._patterns)
        low = cycle - self._first
        return tuple(block[low : low + most] for block in self._blocks)


class Watch:
    """Tells when nothing has happened for too long.

    Parameters
    ----------
    patterns : sequence of Pattern
        Of all ports.
    credit : int
        What `credit_of` a memory gives.
    """

    def __init__(self, patterns: Sequence[Pattern], credit: int) -> None:
        # Until one of the ports that are waited for opens, and the memory has a word for both.
        closed = max(pattern.longest_closed or 0 for pattern in patterns)
        unit: int = kernels("hardware_encoder").CREDIT_UNIT
        self._most = DEADLOCK_CYCLES + closed + (2 * unit // credit if credit else 0)
        self._seen = -1
        self._since = 0

    def look(self, cycle: int, handshakes: int, waits: Callable[[], str]) -> None:
        """Look at the number of handshakes that there have been.

        Raises
        ------
        DeadlockError
            If it has not changed for longer than gates and memory account for.
        """
        if handshakes != self._seen:
            self._seen, self._since = handshakes, cycle
        elif cycle - self._since >= self._most:
            raise DeadlockError(
                f"no handshake for {cycle - self._since:,} cycles: {waits()}",
                hint="give a stall pattern, or a memory, that lets this port go",
            )


def credit_of(rate: float) -> int:
    """Return the credit that a memory gains in a cycle; 0 for one that never limits.

    Parameters
    ----------
    rate : float
        Words that it moves in a cycle. More than the credit may ever be count as that.

    Raises
    ------
    ParameterError
        If it is no number from 0 on, or not 0 and below `SLOWEST_RATE`.
    """
    rate = real("rate", rate, zero=True)
    if 0 < rate < SLOWEST_RATE:
        raise ParameterError(
            f"rate is {rate!r}",
            hint=f"give 0 for no limit, or at least a word in {MOST_CLOSED_CYCLES:,} cycles",
        )
    module = kernels("hardware_encoder")
    unit: int = module.CREDIT_UNIT
    most: int = module.MOST_CREDIT
    return round(min(rate, most // unit) * unit)


def zeros(kind: Any) -> Any:
    """Return a kernel's tuple of integers, all 0."""
    return kind(*(np.int64(0) for _ in kind._fields))


def padded(values: NDArray[Any]) -> NDArray[Any]:
    """Return an array with one more element, which kernels do not look at."""
    return np.append(values, values.dtype.type(0))


class Window:
    """Collects the rows of a trace.

    Parameters
    ----------
    side : str
    columns : tuple of str
        Of the kernel.
    cycles : range or None
        Those wanted; None for no trace.

    Raises
    ------
    ParameterError
        If these are too many, or not one stretch.
    """

    def __init__(self, side: str, columns: tuple[str, ...], cycles: range | None) -> None:
        cycles = checked_trace(cycles)
        self.side = side
        self._columns = columns
        self.cycles = range(0) if cycles is None else cycles
        self._wanted = cycles is not None
        self._kept: list[NDArray[np.int64]] = []

    def open_at(self, cycle: int) -> bool:
        """Whether rows are still to come at this cycle, or before the window: some look back."""
        return self._wanted and cycle < self.cycles.stop

    def room(self) -> NDArray[np.int64]:
        """Return rows for a block of cycles."""
        return np.zeros((TRACE_CYCLES, len(self._columns)), np.int64)

    def keep(self, first: int, rows: NDArray[np.int64]) -> None:
        """Keep those rows of a block that lie in the window."""
        low, high = self.cycles.start - first, self.cycles.stop - first
        kept = rows[max(low, 0) : max(high, 0)]
        if len(kept):
            self._kept.append(kept.copy())

    def trace(self, parameters: Parameters, more: tuple[str, ...] = ()) -> Trace | None:
        """Return the trace, None where none was wanted.

        Parameters
        ----------
        parameters : Parameters
        more : tuple of str
            Names of further columns that the kept rows have.
        """
        if not self._wanted:
            return None
        columns = (*self._columns, *more)
        empty = np.zeros((0, len(columns)), np.int64)
        return Trace(
            side=self.side,
            first_cycle=self.cycles.start,
            word_bits=parameters.word_bits,
            block_size=parameters.block_size,
            burst_bits=parameters.burst_bits,
            columns=columns,
            rows=np.concatenate([empty, *self._kept]),
        )


class Session:
    """One side and its test bench, from reset on, stepped by its kernel.

    Parameters
    ----------
    side : str
        ``"encoder"`` or ``"decoder"``, whose kernel is ``encode`` or ``decode``.
    parameters : Parameters
    stalls : mapping or None
        Patterns, or their texts, by port.
    rate : float
        Words of both streams together that a memory moves in a cycle; 0 for no limit.
    switches : mapping
        More of what the kernel's `Setup` has, by name.
    scratch : callable
        Returns the kernel's registers that are arrays, of these parameters.
    outputs : mapping
        The counter of the words that leave, by port.
    keep : bool
        Whether these words are wanted.
    trace : range or None
        Cycles of which a trace is wanted.

    Raises
    ------
    ParameterError
        If the parameters are none, there is no such port or pattern, the rate cannot be, or the
        trace.
    """

    # Of the trace, beside the kernel's: what `_keep_rows` adds.
    _more_columns: tuple[str, ...] = ()
    # Where it is timed instead of stepped.
    _timing: Any = None

    def __init__(
        self,
        side: str,
        parameters: Parameters,
        *,
        stalls: Mapping[str, Pattern | str] | None,
        rate: float,
        switches: Mapping[str, bool],
        scratch: Callable[[Parameters], Sequence[NDArray[np.int64]]],
        outputs: Mapping[str, str],
        keep: bool,
        trace: range | None,
    ) -> None:
        if not isinstance(parameters, Parameters):
            raise ParameterError(f"parameters is {parameters!r}", hint="give Parameters")
        p, module = parameters, kernels(f"hardware_{side}")
        patterns = port_patterns(side, stalls if stalls is not None else {})
        credit = credit_of(rate)
        self._parameters = p
        self._kernel = (f"hardware_{side}", side.removesuffix("r"))
        self._gates = Gates(patterns)
        self._watch = Watch(patterns, credit)
        self._window = Window(side, module.COLUMNS, trace)
        self._rows = self._window.room() if trace is not None else None
        shape = {name: getattr(p, name) for name in ("word_bits", "block_size", "burst_bits")}
        setup = {**shape, "until": 0, "credit_rate": credit, **switches}
        self._setup = module.Setup(**{name: np.int64(value) for name, value in setup.items()})
        self._kinds = module.REGISTERS
        self._units = module.Units(*map(zeros, self._kinds))
        self._profile = np.zeros(1 << len(module.PROFILE), np.int64)
        self._counts = np.zeros(module.COUNTS, np.int64)
        self._scratch = scratch(p)
        self._outputs = outputs
        self._keep = keep
        self._kept: dict[str, list[NDArray[np.uint32]]] = {port: [] for port in outputs}
        # Nothing is looked at but totals, and no port ever stalls: it need not be stepped.
        stalled = credit > 0 or any(each != ALWAYS for each in patterns)
        self._is_timed = not (stalled or keep or trace is not None)
        self._is_over = False

    def _check_open(self) -> None:
        """Refuse to go on behind `finish`."""
        if self._is_over:
            raise ParameterError(
                f"the {self._window.side} has finished", hint="make another one for more words"
            )

    def finish(self) -> tuple[Run, Output]:
        """Step until all is out; then it takes no more.

        Raises
        ------
        ParameterError
            If it has finished before.
        DeadlockError
            If a port never goes.
        """
        self._check_open()
        self._is_over = True
        timing = self._timing
        if timing is not None:
            return self._run(timing.cycles_of, timing.counts.tolist(), timing.state), Output()
        self._drain()
        cycles_of = cycles_in_all(kernels(self._kernel[0]).PROFILE, self._profile)
        return self._run(cycles_of, self._counts.tolist(), None), self._output()

    def _step(
        self,
        inputs: Sequence[NDArray[Any]],
        until: int,
        places: Mapping[str, int],
        last_cycle: int = 1 << 62,
    ) -> None:
        """Step until the kernel stops by itself, or for so many cycles.

        Parameters
        ----------
        inputs : sequence of ndarray
            What the producers offer.
        until : int
            When the kernel stops.
        places : mapping
            Registers of the test bench that say where in the inputs it is.
        """
        self._place(places)
        while True:
            first = int(self._units.bench.cycle)
            rows = self._rows if self._window.open_at(first) else None
            most = GATE_CYCLES if rows is None else len(rows)
            gates = self._gates.at(first, min(most, last_cycle - first))
            self._call(inputs, gates, until, rows)
            now = int(self._units.bench.cycle)
            if rows is not None:
                self._keep_rows(first, rows[: now - first])
            if now - first < gates[0].size or now == last_cycle:
                return
            self._watch.look(now, self._handshakes(), self._waits)

    def _place(self, registers: Mapping[str, int]) -> None:
        """Set registers of the test bench."""
        values = {name: np.int64(value) for name, value in registers.items()}
        self._units = self._units._replace(bench=self._units.bench._replace(**values))

    def _call(
        self,
        inputs: Sequence[NDArray[Any]],
        gates: tuple[NDArray[np.uint8], ...],
        until: int,
        rows: NDArray[np.int64] | None,
    ) -> None:
        room = gates[0].size + 1 if self._keep else 0
        left = {port: np.zeros(room, np.uint32) for port in self._outputs}
        before = {name: getattr(self._units.bench, name) for name in self._outputs.values()}
        if self._keep:  # the kernel writes behind the words counted so far
            self._place(dict.fromkeys(before, 0))
        registers = np.empty(sum(len(kind._fields) for kind in self._kinds), np.int64)
        kernel(*self._kernel)(
            *inputs,
            gates,
            self._setup._replace(until=np.int64(until)),
            self._units,
            self._profile,
            self._counts,
            *self._scratch,
            tuple(left.values()),
            rows,
            registers,
        )
        values = iter(registers)
        self._units = type(self._units)(
            *(kind._make(islice(values, len(kind._fields))) for kind in self._kinds)
        )
        if self._keep:
            counted = {port: getattr(self._units.bench, n) for port, n in self._outputs.items()}
            for port, count in counted.items():
                self._kept[port].append(left[port][:count])
            self._place({n: before[n] + counted[port] for port, n in self._outputs.items()})

    def _keep_rows(self, first: int, rows: NDArray[np.int64]) -> None:
        """Keep the rows of a block of cycles."""
        self._window.keep(first, rows)

    def _handshakes(self) -> int:
        """Return how many handshakes there were."""
        raise NotImplementedError

    def _waits(self) -> str:
        """Say who waits for whom."""
        raise NotImplementedError

    def _drain(self) -> None:
        """Step until all that was fed is out."""
        raise NotImplementedError

    def _run(self, cycles_of: Mapping[str, int], counts: Sequence[int], timed: Any) -> Run:
        """Return what it took; `timed` is the state of the timing, where it was not stepped."""
        raise NotImplementedError

    def _output(self) -> Output:
        """Return what came out, where it was wanted."""
        streams = {
            port: np.concatenate([np.zeros(0, np.uint32), *parts])
            for port, parts in self._kept.items()
        }
        trace = self._window.trace(self._parameters, self._more_columns)
        return Output(streams if self._keep else {}, trace)
