"""The EBPC hardware, cycle by cycle (docs/HARDWARE.md): encoder, decoder, and what stalls them.

The models know words, streams and cycles; files are the business of `fmcompress.simulation`.
"""

from fmcompress.hardware.decoder import Decoder
from fmcompress.hardware.encoder import Encoder
from fmcompress.hardware.parameters import Parameters
from fmcompress.hardware.patterns import Pattern, pattern
from fmcompress.hardware.run import Run, Unit
from fmcompress.hardware.session import DeadlockError
from fmcompress.hardware.settings import Settings
from fmcompress.hardware.trace_text import trace_lines

__all__ = [
    "DeadlockError",
    "Decoder",
    "Encoder",
    "Parameters",
    "Pattern",
    "Run",
    "Settings",
    "Unit",
    "pattern",
    "trace_lines",
]
