"""The teaching view: what each unit does in each cycle, in words."""

from __future__ import annotations

from collections.abc import Iterator

from fmcompress.hardware.decoder_text import DecoderText
from fmcompress.hardware.encoder_text import EncoderText
from fmcompress.hardware.trace import Trace
from fmcompress.hardware.trace_line import TraceLine


def trace_lines(trace: Trace) -> Iterator[TraceLine]:
    """Say what happens, a line a cycle and unit, along the flow of data.

    Parameters
    ----------
    trace : Trace

    Yields
    ------
    TraceLine
        Of each unit in each cycle, also of those with nothing to do.
    """
    text = EncoderText(trace) if trace.side == "encoder" else DecoderText(trace)
    for row in range(len(trace)):
        yield from text.lines(row)
