"""Machine, versions and tables, as text; and their place in a document."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from codec import Codec
from inputs import Input
from rich.console import Console
from rich.table import Table
from timing import Speeds, processors

BEGIN, END = "<!-- run: begin -->", "<!-- run: end -->"
WIDTH = 104


def console() -> Console:
    """Return a console that keeps what it prints; as wide as documents are."""
    return Console(width=WIDTH, record=True, highlight=False, markup=False)


def cpu_model() -> str:
    """Return what the processor calls itself."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    lines = (line.partition(":") for line in text.splitlines())
    models = [value.strip() for name, _, value in lines if name.strip() == "model name"]
    return models[0] if models else platform.machine()


def machine() -> list[str]:
    """Return lines on processor, system, load, and the versions that EBPC depends on."""
    packages = ("fmcompress", "numba", "numpy")
    found = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    load = f", load {os.getloadavg()[0]:.1f} before the run" if hasattr(os, "getloadavg") else ""
    return [
        f"{cpu_model()}, {processors()} processors, {platform.platform(terse=True)}{load}",
        ", ".join([f"Python {platform.python_version()}", *found]),
    ]


def codec_table(
    given: Input, codecs: Iterable[Codec], speeds: Mapping[str, Speeds], threads: Sequence[int]
) -> Table:
    """Return the table of a dump: a line for each codec."""
    table = Table(title=f"{given.name}: {given.about}", title_justify="left")
    table.add_column("codec", no_wrap=True)
    table.add_column("ratio", justify="right")
    for number in threads:
        where = "1 thread" if number == 1 else f"{number} threads"
        for direction in ("compress", "decomp."):
            table.add_column(f"{direction}\nMB/s\n{where}", justify="right", no_wrap=True)
    table.add_column("peak\nMB", justify="right")
    if len(threads) > 1:
        table.add_column("cores")
    for codec in codecs:
        measured = speeds[codec.name]
        cells = [codec.name, f"{measured.ratio:.3f}"]
        for number in threads:
            cells += [f"{measured.compress[number]:,.0f}", f"{measured.decompress[number]:,.0f}"]
        peak = measured.peak_bytes
        cells.append("" if peak is None else f"{peak / 1e6:,.1f}")
        table.add_row(*cells, *([codec.threading] if len(threads) > 1 else []))
    return table


def put_between_markers(document: str, text: str, fenced: bool = True) -> str:
    """Return a document with a run in its place: as text that is fenced off, or Markdown itself.

    Raises
    ------
    ValueError
        If it has no such place.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"it has no lines {BEGIN} and {END}")
    lines = "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
    placed = f"```text\n{lines}\n```" if fenced else lines
    return f"{before}{BEGIN}\n\n{placed}\n\n{END}{after}"
