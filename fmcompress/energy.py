"""What it takes to move a bit to off-chip memory: published figures, none of them a default.

Such figures differ by more than ten, and not all of them include the same: rows opened, the
device's own wires, the interface. So those of two sources do not compare, not even of one memory.
They are for orders of magnitude; `note` says what each is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fmcompress.errors import ParameterError
from fmcompress.numbers import MOST, real

_SECOND_HAND = "value as later work cites it, not checked against the paper's text"
_MALLADI = (
    "Malladi et al., Towards Energy-Proportional Datacenter Memory with Mobile DRAM, ISCA 2012, "
    "doi:10.1145/2366231.2337164"
)
_OCONNOR = (
    "O'Connor et al., Fine-Grained DRAM: Energy-Efficient DRAM for Extreme Bandwidth Systems, "
    "MICRO 2017, doi:10.1145/3123939.3124545"
)
_JOUPPI = "Jouppi et al., Ten Lessons From Three Generations Shaped Google's TPUv4i, ISCA 2021"
_ANDRI = (
    "Andri et al., Hyperdrive: A Multi-Chip Systolically Scalable Binary-Weight CNN Inference "
    "Engine, arXiv 1804.00623"
)
GIVEN = "given"


class Energy(NamedTuple):
    """The energy of a bit that is moved.

    Attributes
    ----------
    name : str
        Of the preset; ``given`` where the user gave a number.
    title : str
    pj_per_bit : float
    source, note : str or None
        Where the number is from, and what it is; None where the user gave it.
    """

    name: str
    title: str
    pj_per_bit: float
    source: str | None = None
    note: str | None = None

    def microjoules(self, moved_bytes: float) -> float:
        """Return the energy of some bytes, in µJ."""
        return 8 * moved_bytes * self.pj_per_bit * 1e-6

    def to_json(self) -> dict[str, Any]:
        """Return the preset."""
        return self._asdict()


PRESETS: dict[str, Energy] = {
    preset.name: preset
    for preset in (
        Energy(
            *("ddr3", "DDR3 DRAM", 70.0, _MALLADI),
            "DRAM access in servers; the source of ddr4, which is another one, has less than a third "
            f"of this for DDR3; {_SECOND_HAND}",
        ),
        Energy("lpddr2", "LPDDR2 DRAM", 40.0, _MALLADI, f"DRAM access; {_SECOND_HAND}"),
        Energy(
            *("ddr4", "DDR3 or DDR4 DRAM, one figure for both", 1300 / 64, _JOUPPI),
            "DRAM access, 1300 pJ for 64 bits; the source of ddr3, which is another one, has more "
            f"than three times this; {_SECOND_HAND}",
        ),
        Energy(
            "gddr5", "GDDR5 DRAM", 14.0, _OCONNOR, f"DRAM access, figure 1a there; {_SECOND_HAND}"
        ),
        Energy(
            *("gddr6", "GDDR6 DRAM", 480 / 64, _JOUPPI),
            f"DRAM access, the upper end of 350 to 480 pJ for 64 bits; {_SECOND_HAND}",
        ),
        Energy(
            *("hbm2", "HBM2 DRAM", 3.9, _OCONNOR),
            f"DRAM access: rows opened, the device's wires, the interface; {_SECOND_HAND}",
        ),
        Energy(
            *("io21", "chip-to-chip interface", 21.0, _ANDRI),
            f"the interface alone, without a memory; {_SECOND_HAND}",
        ),
    )
}


def energy_of(preset: str | None, pj_per_bit: float | None) -> Energy | None:
    """Return the energy of a bit, by its preset's name or as a number; None where neither is given.

    Raises
    ------
    ParameterError
        If both are given, there is no such preset, or the number is not above 0.
    """
    if preset is not None and pj_per_bit is not None:
        raise ParameterError("energy and pj_per_bit are both given", hint="give one of them")
    if pj_per_bit is not None:
        value = real("pj_per_bit", pj_per_bit, most=MOST)
        return Energy(GIVEN, "as given", value)
    if preset is None:
        return None
    if preset not in PRESETS:
        raise ParameterError(f"energy is {preset!r}", hint=f"choose from {', '.join(PRESETS)}")
    return PRESETS[preset]
