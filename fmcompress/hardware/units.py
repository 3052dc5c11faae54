"""Ports and units of a trace, under the specification's and the RTL's names."""

from __future__ import annotations

from fmcompress.hardware.decoder_units import decoder_units
from fmcompress.hardware.encoder_units import encoder_units
from fmcompress.hardware.trace import Trace, Unit


def units_of(trace: Trace) -> dict[str, Unit]:
    """Return ports and units by name, along the flow of data.

    Parameters
    ----------
    trace : Trace

    Returns
    -------
    dict of str to Unit
    """
    units = encoder_units(trace) if trace.side == "encoder" else decoder_units(trace)
    return {unit.name: unit for unit in units}
