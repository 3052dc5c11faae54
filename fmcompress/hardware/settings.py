"""How the hardware is set up for a simulation."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fmcompress.errors import ParameterError
from fmcompress.hardware.checks import checked_trace
from fmcompress.hardware.listed import Listed
from fmcompress.hardware.patterns import Pattern
from fmcompress.hardware.ports import PORTS, SEEDS, read_stalls, seeded
from fmcompress.hardware.session import SLOWEST_RATE
from fmcompress.numbers import real, switch, whole

SIDES = tuple(PORTS)
MOST_UNITS = 4096
LEAST_CLOCK_MHZ, MOST_CLOCK_MHZ = 1e-6, 5e5


@dataclass(frozen=True, slots=True)
class Settings:
    """How the hardware is set up, checked.

    Parameters
    ----------
    sides : sequence of str
        ``"encoder"``, ``"decoder"`` or both.
    clock_mhz : float
        Clock frequency, 1e-6 to 500,000.
    stalls : mapping
        Stall patterns, or their texts, by port: ``in``, ``znz``, ``bpc`` of the encoder;
        ``number``, ``znz``, ``bpc``, ``out`` of the decoder; ``encoder.znz`` is that of one.
    dram_mb_per_s : float, optional
        What a memory takes or gives of both streams, over all units that have work: 10^6 bytes a
        second.
    units : int
        Coders in parallel, each with its share of the channels.
    channel_axis : int, optional
        The axis of channels; by default 1, and 0 where there are three axes or one.
    sample : float
        Share of the chunks that is simulated, above 0 up to 1.
    seed : int
        Of the sample.
    rtl_quirks, wait_idle : bool
        As `fmcompress.hardware.Encoder` has them.
    trace : range, optional
        Cycles of the first layer of which a trace is wanted.
    trace_only : bool
        Simulate nothing behind these cycles, and no other layer: there are no numbers then.

    Raises
    ------
    ParameterError
        If a value is outside its range, or two contradict each other.
    """

    sides: Sequence[str] = SIDES
    clock_mhz: float = 600.0
    stalls: Mapping[str, Pattern | str] = field(default_factory=dict)
    dram_mb_per_s: float | None = None
    units: int = 1
    channel_axis: int | None = None
    sample: float = 1.0
    seed: int = 0
    rtl_quirks: bool = False
    wait_idle: bool = False
    trace: range | None = None
    trace_only: bool = False

    def __post_init__(self) -> None:
        self._check_sides()
        for name in ("clock_mhz", "sample", "dram_mb_per_s"):
            if name != "dram_mb_per_s" or self.dram_mb_per_s is not None:
                self._set(name, real(name, getattr(self, name)))
        self._set("units", whole("units", self.units, 1, MOST_UNITS))
        self._set("seed", whole("seed", self.seed, 0))
        if self.channel_axis is not None:
            self._set("channel_axis", whole("channel_axis", self.channel_axis))
        for name in ("rtl_quirks", "wait_idle", "trace_only"):
            self._set(name, switch(name, getattr(self, name)))
        checked_trace(self.trace)
        if not LEAST_CLOCK_MHZ <= self.clock_mhz <= MOST_CLOCK_MHZ:
            raise ParameterError(
                f"clock_mhz is {self.clock_mhz!r}",
                hint=f"give {LEAST_CLOCK_MHZ:f} to {MOST_CLOCK_MHZ:,.0f}",
            )
        if self.sample > 1:
            raise ParameterError(f"sample is {self.sample!r}", hint="give a share of up to 1")
        if self.sample < 1 and self.units > 1:
            raise ParameterError(
                "a sample says nothing of units that get none of its words",
                hint="give sample or units, not both",
            )
        if self.trace_only and self.trace is None:
            raise ParameterError("trace_only is set, but there is no trace", hint="give its cycles")
        self._set("stalls", read_stalls(self.stalls))
        for port in self.stalls:
            if port not in SEEDS and not any(port in ports for ports in PORTS.values()):
                raise ParameterError(
                    f"there is no port {port!r}",
                    hint="choose from "
                    + "; or ".join(
                        f"{', '.join(ports)} of the {side}" for side, ports in PORTS.items()
                    ),
                )

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_sides(self) -> None:
        given = (self.sides,) if isinstance(self.sides, str) else self.sides
        listed = isinstance(given, Sequence) and all(isinstance(side, str) for side in given)
        sides = tuple(given) if listed else ()
        if not sides or not set(sides) <= set(SIDES) or len(set(sides)) < len(sides):
            raise ParameterError(
                f"sides is {self.sides!r}", hint=f"give {' or '.join(SIDES)}, or both, once each"
            )
        self._set("sides", sides)

    def stalls_of(self, side: str) -> dict[str, Pattern]:
        """Return the patterns of one side's ports, those that are random with a seed."""
        found: dict[str, Any] = {port: p for port, p in self.stalls.items() if port in PORTS[side]}
        own = f"{side}."
        found |= {p.removeprefix(own): g for p, g in self.stalls.items() if p.startswith(own)}
        return seeded(side, found)

    @property
    def idle(self) -> list[str]:
        """Warn of what is set and means nothing beside the rest."""
        sides, names = " and ".join(self.sides), []
        for port in self.stalls:
            if not any(port.removeprefix(f"{side}.") in PORTS[side] for side in self.sides):
                names.append(f"the stall pattern of {port} (only the {sides} is simulated)")
        if self.wait_idle and "encoder" not in self.sides:
            names.append("wait_idle (it is the encoder's)")
        if self.channel_axis is not None and self.units == 1:
            names.append("channel_axis (there is one unit)")
        if self.seed and self.sample == 1:
            names.append("seed (all chunks are simulated)")
        return [f"these do not count: {', '.join(names)}"] if names else []

    @property
    def files(self) -> list[str]:
        """Names of the files that stall patterns were read from."""
        return [given.name for given in self.stalls.values() if isinstance(given, Listed)]

    def rate(self, word_bits: int, units: int) -> float:
        """Return the stream words a cycle that the memory lets each unit have; 0 for any.

        Parameters
        ----------
        word_bits : int
        units : int
            That share it: those which have work.

        Raises
        ------
        ParameterError
            If they are nearly none.
        """
        if self.dram_mb_per_s is None:
            return 0
        rate = self.dram_mb_per_s / self.clock_mhz / (word_bits / 8) / units
        if rate < SLOWEST_RATE:
            raise ParameterError(
                f"dram_mb_per_s is {self.dram_mb_per_s!r}: that is {rate:.2g} words a cycle",
                hint=f"give more: at least a word in {round(1 / SLOWEST_RATE):,} cycles",
            )
        return min(rate, sys.float_info.max)
