"""Stall patterns: what they open, and what is said of those that cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from harness import examples
from hypothesis import given
from hypothesis import strategies as st

from fmcompress.errors import DamagedError, FmcError, ParameterError
from fmcompress.hardware import Pattern, pattern
from fmcompress.hardware import patterns as module
from fmcompress.hardware.patterns import PATTERNS, Random


def gates(text: str, count: int) -> str:
    return "".join(map(str, pattern(text).gates(0, count)))


@pytest.mark.parametrize(
    ("text", "opened"),
    [
        ("always", "1111111111111"),
        ("periodic:1/4", "1000100010001"),
        ("periodic:3/4:2", "0011101110111"),
        ("periodic:0/1", "0000000000000"),
        ("dram:2/3:4/10", "0000110110000"),
        ("dram:1/1:0/5", "1111111111111"),
        ("random:1", "1111111111111"),
        ("random:0", "0000000000000"),
    ],
)
def test_pattern(text: str, opened: str) -> None:
    assert gates(text, len(opened)) == opened


def test_random_is_that_of_the_vectors() -> None:
    """s := s * 1664525 + 1013904223 mod 2^32 before each cycle, then s >> 24 < threshold."""
    state, expected = 7, []
    for _ in range(1000):
        state = (state * 1664525 + 1013904223) % 2**32
        expected.append(int(state >> 24 < 96))
    assert Random(96, 7).gates(0, 1000).tolist() == expected
    assert pattern("random:96/256:7") == Random(96, 7)
    assert pattern("random:0.375:0x7") == Random(96, 7)


@examples(60)
@given(
    st.sampled_from(
        ["random:0.3:9", "periodic:2/7:3", "dram:3/5:7/31", "always", "random:200/256"]
    ),
    st.integers(0, 10_000),
    st.integers(0, 300),
)
def test_gates_do_not_depend_on_where_they_are_asked_from(
    text: str, first: int, count: int
) -> None:
    whole = pattern(text).gates(0, first + count)
    part = pattern(text).gates(first, count)
    assert part.dtype == np.uint8
    assert part.tolist() == whole[first:].tolist()


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "gates.txt"
    path.write_text("# a burst\n110 1\n\n0 # and a pause\n")
    made = pattern(f"file:{path}")
    assert made.gates(0, 12).tolist() == [1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 1]
    assert made.gates(3, 4).tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sometimes", "no stall pattern 'sometimes'; choose from always, random, "),
        ("always:1", "always needs nothing"),
        ("random", r"random needs SHARE\[:SEED\]"),
        ("random:2", "a share from 0 to 1"),
        ("random:nan", "a share from 0 to 1"),
        ("random:1/0", "random needs SHARE"),
        ("random:0.5:x", "random needs SHARE"),
        ("random:0.5:4294967296", "a seed of 32 bits"),
        ("periodic:1", "periodic needs OPEN/PERIOD"),
        ("periodic:3/2", "the first number is at most the second"),
        ("periodic:1/0", "periodic needs OPEN/PERIOD"),
        ("periodic:1/4:x", "periodic needs OPEN/PERIOD"),
        ("periodic:1/99999999999999999999", "periodic needs OPEN/PERIOD"),
        ("dram:8/10", "dram needs BURST/PERIOD:REFRESH/INTERVAL"),
        ("file", "file needs the name of a file"),
    ],
)
def test_pattern_that_cannot_be(text: str, why: str) -> None:
    with pytest.raises(ParameterError, match=why):
        pattern(text)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"1 0\n102\n", "line 2 has other characters than 0 and 1"),
        (b"\xff\n", "line 1 has other characters"),
        (b"# nothing\n", "has no cycle"),
    ],
)
def test_file_that_cannot_be_read(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "gates.txt"
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=f"gates.txt: {why}"):
        pattern(f"file:{path}")


def test_file_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILE_CYCLES", 10)
    path = tmp_path / "gates.txt"
    path.write_text("1111\n" * 3)
    with pytest.raises(DamagedError, match="line 3: more than 10 cycles"):
        pattern(f"file:{path}")


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pattern(f"file:{tmp_path / 'nothing'}")


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_has_its_texts(name: str) -> None:
    made: type[Pattern] = PATTERNS[name]
    with pytest.raises((ValueError, FmcError, OSError)):
        made.parse("what it never needs")
