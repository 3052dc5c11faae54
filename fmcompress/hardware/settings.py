"""How the hardware is set up for a simulation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fmcompress.errors import ParameterError
from fmcompress.hardware.decoder import PORTS as DECODER_PORTS
from fmcompress.hardware.encoder import PORTS as ENCODER_PORTS
from fmcompress.hardware.patterns import Pattern, pattern

SIDES = ("encoder", "decoder")
MOST_UNITS = 4096
PORTS: dict[str, Sequence[str]] = {"encoder": ENCODER_PORTS, "decoder": DECODER_PORTS}


@dataclass(frozen=True, slots=True)
class Settings:
    """How the hardware is set up, checked.

    Parameters
    ----------
    sides : sequence of str
        ``"encoder"``, ``"decoder"`` or both.
    clock_mhz : float
        Clock frequency.
    stalls : mapping
        Stall patterns, or their texts, by port: ``in``, ``znz``, ``bpc`` of the encoder;
        ``number``, ``znz``, ``bpc``, ``out`` of the decoder; ``encoder.znz`` is that of one.
    dram_mb_per_s : float, optional
        What a memory takes or gives of both streams, over all units: 10^6 bytes a second.
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
        sides = (self.sides,) if isinstance(self.sides, str) else tuple(self.sides)
        object.__setattr__(self, "sides", sides)
        if not sides or not set(sides) <= set(SIDES):
            raise ParameterError(f"sides is {sides!r}", hint=f"give {' or '.join(SIDES)}, or both")
        for name, low in (("clock_mhz", 0), ("sample", 0), ("dram_mb_per_s", 0)):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > low):
                raise ParameterError(f"{name} is {value!r}", hint=f"give more than {low}")
        if self.sample > 1:
            raise ParameterError(f"sample is {self.sample!r}", hint="give a share of up to 1")
        if self.sample < 1 and self.units > 1:
            raise ParameterError(
                "a sample says nothing of units that get none of its words",
                hint="give sample or units, not both",
            )
        if self.trace_only and self.trace is None:
            raise ParameterError("trace_only is set, but there is no trace", hint="give its cycles")
        if not 1 <= self.units <= MOST_UNITS:
            raise ParameterError(f"units is {self.units!r}", hint=f"give 1 to {MOST_UNITS}")
        stalls = {
            port: pattern(given) if isinstance(given, str) else given
            for port, given in self.stalls.items()
        }
        object.__setattr__(self, "stalls", stalls)
        known = {f"{side}.{port}" for side, ports in PORTS.items() for port in ports}
        for port in stalls:
            if port not in known and not any(port in ports for ports in PORTS.values()):
                raise ParameterError(
                    f"there is no port {port!r}",
                    hint="choose from in, znz, bpc of the encoder, number, znz, bpc, out of the "
                    "decoder",
                )

    def stalls_of(self, side: str) -> dict[str, Pattern]:
        """Return the patterns of one side's ports."""
        found: dict[str, Any] = {port: p for port, p in self.stalls.items() if port in PORTS[side]}
        own = f"{side}."
        found |= {p.removeprefix(own): g for p, g in self.stalls.items() if p.startswith(own)}
        return found

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

    def rate(self, word_bits: int) -> float:
        """Return the stream words a cycle that the memory lets each unit have; 0 for any."""
        if self.dram_mb_per_s is None:
            return 0
        return self.dram_mb_per_s / self.clock_mhz / (word_bits / 8) / self.units
