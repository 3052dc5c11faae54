"""Ports and units of a trace, under the specification's and the RTL's names."""

from __future__ import annotations

from fmcompress.hardware.decoder_scopes import decoder_scopes
from fmcompress.hardware.encoder_scopes import encoder_scopes
from fmcompress.hardware.trace import Scope, Trace


def scopes_of(trace: Trace) -> dict[str, Scope]:
    """Return ports and units by name, along the flow of data.

    Parameters
    ----------
    trace : Trace

    Returns
    -------
    dict of str to Scope
    """
    units = encoder_scopes(trace) if trace.side == "encoder" else decoder_scopes(trace)
    return {unit.name: unit for unit in units}
