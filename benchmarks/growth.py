"""How cost grows with the input: the same maps, from 1 MB to 1000, on one and on two threads."""

from __future__ import annotations

from collections.abc import Sequence

from codec import Codec
from inputs import MB, Layer, of_size
from rich.table import Table
from timing import measured, thread_pools, work_of

SIZES = (1, 10, 100, 1000)
THREADS = (1, 2)
# A run over less is repeated: one of a millisecond says little.
LEAST_BYTES = 10 * MB


def growth_table(
    name: str, codec: Codec, layers: Sequence[Layer], sizes: Sequence[int], rounds: int
) -> Table:
    """Measure one codec on inputs of these sizes, in MB, in alternating runs."""
    table = Table(title=f"{name}: {codec.name}, growth of cost", title_justify="left")
    for heading in ("MB", "threads", "compress\nMB/s", "ns/byte", "decompress\nMB/s", "ns/byte"):
        table.add_column(heading, justify="right")
    with thread_pools(THREADS) as pools:
        works = {
            size: work_of(codec, of_size(name, layers, size * MB), THREADS, pools) for size in sizes
        }
        speeds = measured(works, THREADS, rounds, LEAST_BYTES)
    for size in sizes:
        for threads in THREADS:
            cells = [f"{size:,}", str(threads)]
            for speed in (speeds[size].compress[threads], speeds[size].decompress[threads]):
                cells += [f"{speed:,.1f}", f"{1000 / speed:.3f}"]
            table.add_row(*cells)
    return table
