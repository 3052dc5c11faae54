"""Area and clock of the codecs' hardware, where somebody published them.

Nothing here is estimated: of a codec of which no figure is known that could be checked, there is
none. docs/HARDWARE.md, section 10, has our own estimates for EBPC.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fmcompress.codecs import CODECS
from fmcompress.codecs.auto import Auto
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.codecs.stored import Stored


class HardwareCost(NamedTuple):
    """What was published of a codec's hardware; None where nothing was.

    Attributes
    ----------
    codec : str
    encoder_kge, decoder_kge : float or None
        Area in thousands of gate equivalents.
    clock_mhz : float or None
    technology_nm : int or None
    words_per_cycle : float or None
        Throughput, of 8-bit words.
    source : str or None
    """

    codec: str
    encoder_kge: float | None = None
    decoder_kge: float | None = None
    clock_mhz: float | None = None
    technology_nm: int | None = None
    words_per_cycle: float | None = None
    source: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the figures."""
        return self._asdict()


PUBLISHED: dict[str, HardwareCost] = {
    Ebpc.name: HardwareCost(
        codec=Ebpc.name,
        encoder_kge=2.8,
        decoder_kge=3.0,
        clock_mhz=600.0,
        technology_nm=65,
        words_per_cycle=1.0,
        source="Cavigelli, Rutishauser, Benini, arXiv 1908.11645v2, abstract",
    )
}


def hardware_costs() -> list[HardwareCost]:
    """Return a row for every codec that could be hardware: neither stored words nor a choice."""
    names = [name for name, codec in CODECS.items() if codec not in (Stored, Auto)]
    return [PUBLISHED.get(name, HardwareCost(name)) for name in names]


def hardware_to_json() -> dict[str, Any]:
    """Return the document that ``fmc traffic --hardware --json`` prints without input."""
    return {
        "schema": "fmcompress.hardware/1",
        "hardware": [cost.to_json() for cost in hardware_costs()],
    }
