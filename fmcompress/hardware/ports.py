"""The ports of both sides, and what stalls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fmcompress.errors import ParameterError
from fmcompress.hardware.patterns import ALWAYS, Pattern, Random, pattern

# In the kernels' order.
PORTS = {"encoder": ("in", "znz", "bpc"), "decoder": ("number", "bpc", "znz", "out")}
# Of random patterns that are given none, so that no two ports go at the same times.
SEEDS = {
    f"{side}.{port}": seed
    for seed, (side, port) in enumerate(
        ((side, port) for side, ports in PORTS.items() for port in ports), 1
    )
}


def read_stalls(stalls: Mapping[str, Pattern | str]) -> dict[str, Pattern]:
    """Return stall patterns, some of which are given as texts.

    Raises
    ------
    ParameterError
        If it is no mapping, or holds anything else.
    DamagedError, OSError
        As `pattern`.
    """
    if not isinstance(stalls, Mapping):
        raise ParameterError(
            f"stalls is {stalls!r}", hint="give a dictionary, as {'bpc': 'random:0.5'}"
        )
    found: dict[str, Pattern] = {}
    for port, given in stalls.items():
        made = pattern(given) if isinstance(given, str) else given
        if isinstance(made, type) or not isinstance(made, Pattern):
            raise ParameterError(
                f"what stalls {port} is {given!r}", hint="give a pattern, or its text"
            )
        found[port] = made
    return found


def seeded(side: str, stalls: Mapping[str, Pattern]) -> dict[str, Pattern]:
    """Return one side's patterns, those that are random with a seed.

    Parameters
    ----------
    side : str
    stalls : mapping
        Patterns by port, all of this side.
    """
    return {
        port: replace(given, seed=SEEDS[f"{side}.{port}"])
        if isinstance(given, Random) and given.seed is None
        else given
        for port, given in stalls.items()
    }


def port_patterns(side: str, stalls: Mapping[str, Pattern | str]) -> tuple[Pattern, ...]:
    """Return the patterns of one side's ports in their order; those not named are always open.

    Parameters
    ----------
    side : str
    stalls : mapping
        Patterns, or their texts, by port.

    Raises
    ------
    ParameterError
        If there is no such port, or no such pattern.
    DamagedError, OSError
        As `pattern`.
    """
    ports = PORTS[side]
    given = read_stalls(stalls)
    for name in given:
        if name not in ports:
            raise ParameterError(
                f"there is no port {name!r}", hint=f"choose from {', '.join(ports)}"
            )
    made = seeded(side, given)
    return tuple(made.get(name, ALWAYS) for name in ports)
