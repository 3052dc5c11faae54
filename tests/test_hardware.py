"""The hardware's models: every recorded handshake, every case of the codec, and what stalls do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import (
    Transmission,
    check_round_trip,
    edge_words,
    examples,
    golden,
    transmissions,
)
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from vectors import Run as Recorded
from vectors import load_runs

from fmcompress.codecs.ebpc import Ebpc
from fmcompress.hardware import Decoder, Encoder, Parameters, pattern
from fmcompress.hardware import decoder as decoder_module
from fmcompress.hardware import session
from fmcompress.hardware.patterns import Random
from fmcompress.hardware.run import Run

SHARED = Path(__file__).parents[2] / "shared" / "vectors" / "rtl_vectors.jsonl.gz"


def handshakes(trace: Any, port: str) -> list[int]:
    both = trace.column(f"{port}_valid") & trace.column(f"{port}_ready")
    return (np.flatnonzero(both) + trace.first_cycle).tolist()


def at_handshakes(trace: Any, port: str, what: str) -> list[int]:
    return trace.column(f"{port}_{what}")[handshakes(trace, port)].tolist()


def ends_of(lengths: list[int]) -> list[int]:
    """Places of last words, one behind the other; streams without words have none."""
    return [int(end) - 1 for end, n in zip(np.cumsum(lengths), lengths, strict=True) if n]


def check_units(run: Run) -> None:
    """What units and reasons are said to have taken adds up to the total."""
    assert run.works + sum(run.waits.values()) == run.cycles
    assert min(run.waits.values()) >= 0
    for unit in run.units:
        parts = (unit.works, unit.waits_for_input, unit.waits_for_output)
        assert sum(parts) == run.cycles, unit
        assert min(parts) >= 0, unit
