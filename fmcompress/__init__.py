"""Lossless compression of neural-network feature maps with EBPC, as the hardware does it.

The names below are the public API, with the errors of `fmcompress.errors`. They are loaded on
first use: importing Numba takes about a second, and ``fmc --help`` passes through this file.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fmcompress.arrays import decode, encode
    from fmcompress.comparison import compare
    from fmcompress.compression import compress, stats
    from fmcompress.decompression import decompress
    from fmcompress.distributions import distribution
    from fmcompress.off_chip import traffic
    from fmcompress.over_epochs import epochs
    from fmcompress.reader import open
    from fmcompress.reporting.making import report
    from fmcompress.simulation import simulate
    from fmcompress.sweeping import sweep
    from fmcompress.vector_check import check_vectors
    from fmcompress.vectors import write_vectors
    from fmcompress.verification import verify
    from fmcompress.warmup import warm_up

__all__ = [
    "check_vectors",
    "compare",
    "compress",
    "decode",
    "decompress",
    "distribution",
    "encode",
    "epochs",
    "open",
    "report",
    "simulate",
    "stats",
    "sweep",
    "traffic",
    "verify",
    "warm_up",
    "write_vectors",
]
__version__ = "0.1.0"

_HOME = {
    "check_vectors": "vector_check",
    "compare": "comparison",
    "compress": "compression",
    "decode": "arrays",
    "decompress": "decompression",
    "distribution": "distributions",
    "encode": "arrays",
    "epochs": "over_epochs",
    "open": "reader",
    "report": "reporting.making",
    "simulate": "simulation",
    "stats": "compression",
    "sweep": "sweeping",
    "traffic": "off_chip",
    "verify": "verification",
    "warm_up": "warmup",
    "write_vectors": "vectors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
