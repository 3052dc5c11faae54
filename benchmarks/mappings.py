"""What each mapping of floats to words is worth: a table for dumps of floats.

Run as ``python benchmarks/mappings.py DUMP...``. Every layer of floats is taken as it is, and rounded
to the nearest float of fewer bits: bfloat16 without scaling, the others, whose range is narrow, so
that the largest magnitude is full scale (unscaled, small gradients would become 0, and the ratio
would say little of the mapping). The ratio is that of all layers together, at block size 8 and 16.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import fmcompress

FORMATS: dict[str, dict[str, Any]] = {
    "float32": {},
    "float16": {"quantize": "float16", "headroom": 1.0, "rounding": "nearest"},
    "bfloat16": {"quantize": "bfloat16", "rounding": "nearest"},
    "float8_e4m3fn": {"quantize": "float8_e4m3fn", "headroom": 1.0, "rounding": "nearest"},
    "float8_e5m2": {"quantize": "float8_e5m2", "headroom": 1.0, "rounding": "nearest"},
}


def ratio(path: Path, **options: Any) -> float:
    """Measure the ratio over the layers of floats."""
    return fmcompress.stats(path, **options).total.ratio or 0.0


def main() -> None:
    """Print the table."""
    print("| dump | words | bits, n = 8 | rotate, n = 8 | bits, n = 16 | rotate, n = 16 |")
    print("|---|---|---:|---:|---:|---:|")
    for path in map(Path, sys.argv[1:]):
        for name, options in FORMATS.items():
            cells = [
                f"{ratio(path, mapping=mapping, block_size=block_size, **options):.3f}"
                for block_size in (8, 16)
                for mapping in ("bits", "rotate")
            ]
            print(f"| {path.stem} | {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
