"""Stall patterns: what they open, and what is said of those that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import examples
from hypothesis import given
from hypothesis import strategies as st

from fmcompress.errors import DamagedError, FmcError, ParameterError
from fmcompress.hardware import Pattern, listed, pattern
from fmcompress.hardware.listed import Listed
from fmcompress.hardware.patterns import MOST_CLOSED_CYCLES, PATTERNS, Dram, Periodic, Random


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


@pytest.mark.parametrize(("share", "threshold"), [("0.002", 1), ("0.5", 128), ("0.998", 255)])
def test_shares_are_in_256ths(share: str, threshold: int) -> None:
    assert pattern(f"random:{share}") == Random(threshold)
    assert pattern(f"random:{threshold}/256") == Random(threshold)


def test_random_without_a_seed() -> None:
    assert Random(96).gates(5, 100).tolist() == Random(96, 1).gates(5, 100).tolist()


# --- Texts, and how long a gate is closed -------------------------------------------------------


@st.composite
def periodics(draw: st.DrawFn) -> Periodic:
    period = draw(st.integers(1, 9))
    return Periodic(draw(st.integers(0, period)), period, draw(st.integers(0, 12)))


@st.composite
def drams(draw: st.DrawFn) -> Dram:
    period, interval = draw(st.integers(1, 9)), draw(st.integers(1, 30))
    return Dram(draw(st.integers(0, period)), period, draw(st.integers(0, interval)), interval)


made = st.one_of(
    st.just(pattern("always")),
    st.builds(Random, st.integers(0, 256), st.none() | st.integers(0, 2**32 - 1)),
    periodics(),
    drams(),
    st.lists(st.booleans(), min_size=1, max_size=12).map(lambda gates: Listed(bytes(gates), "-")),
)


@examples(200)
@given(made)
def test_text_is_read_back(given_: Pattern) -> None:
    if not isinstance(given_, Listed):
        assert pattern(str(given_)) == given_


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("always", "always"),
        ("random:0.5:7", "random:128/256:7"),
        ("random:0.5:0x10", "random:128/256:16"),
        ("random:1/3", "random:85/256"),
        ("periodic:1/4:2", "periodic:1/4:2"),
        ("periodic:01/4:0", "periodic:1/4"),
        ("dram:8/10:210/4680", "dram:8/10:210/4680"),
    ],
)
def test_text(text: str, canonical: str) -> None:
    assert str(pattern(text)) == canonical


def test_text_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name as it was given."""
    monkeypatch.chdir(tmp_path)
    Path("a:b.txt").write_text("1 0 1")
    found = pattern("file:./a:b.txt")
    assert str(found) == "file:./a:b.txt"
    assert pattern(str(found)) == found


def longest(gates: list[int]) -> int:
    return max(map(len, "".join(map(str, gates)).split("1")))


@examples(300)
@given(made)
def test_longest_closed_is_the_longest_stretch(given_: Pattern) -> None:
    """Of all cycles but those of `random`, where it is a bound."""
    gates = given_.gates(0, 1000).tolist()
    if given_.longest_closed is None:
        assert not any(gates)
    elif isinstance(given_, Random):
        assert longest(gates) <= given_.longest_closed
    else:
        assert longest(gates) == given_.longest_closed


def test_longest_closed_of_long_lists() -> None:
    gates = bytearray(5 << 20)
    for at in (100, (1 << 20) - 1, 1 << 20, (3 << 20) + 5, 4 << 20):
        gates[at] = 1
    assert Listed(bytes(gates), "-").longest_closed == (2 << 20) + 4
    gates[100:] = bytes(len(gates) - 100)
    gates[0] = 1
    assert Listed(bytes(gates), "-").longest_closed == (5 << 20) - 1


@pytest.mark.parametrize(
    "text",
    [
        f"periodic:1/{MOST_CLOSED_CYCLES + 2}",
        f"periodic:1/4:{MOST_CLOSED_CYCLES + 1}",
        f"periodic:0/4:{10**30}",
        f"dram:1/2:{MOST_CLOSED_CYCLES + 1}/{2**39}",
        f"dram:1/{2**39}:1/{2**39 + 2}",
    ],
)
def test_nothing_is_closed_nearly_for_ever(text: str) -> None:
    with pytest.raises(ParameterError, match=r"closed for .* opens after at most 268,435,456 cyc"):
        pattern(text)


@pytest.mark.parametrize(
    ("kind", "numbers", "why"),
    [
        (Random, (257,), "threshold is 257"),
        (Random, (0.5,), "threshold is 0.5"),
        (Random, (5, 2**32), "seed is 4294967296"),
        (Periodic, (1, 0), "period is 0"),
        (Periodic, (5, 4), "opened is 5"),
        (Periodic, (1, 4, -1), "offset is -1"),
        (Dram, (1, 2, 9, 8), "refresh is 9"),
    ],
)
def test_numbers_that_cannot_be(kind: type, numbers: tuple[Any, ...], why: str) -> None:
    with pytest.raises(ParameterError, match=why):
        kind(*numbers)


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
    found = pattern(f"file:{path}")
    assert found.gates(0, 12).tolist() == [1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 1]
    assert found.gates(3, 4).tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sometimes", "no stall pattern 'sometimes'; choose from always, random, "),
        ("always:1", "always needs nothing"),
        ("random", r"random needs SHARE\[:SEED\]"),
        ("random:2", "a share from 0 to 1"),
        ("random:nan", "a share from 0 to 1"),
        ("random:0.001", r"a share in 256ths: 0, 1/256 \(0.0039\)"),
        ("random:0.999", r"a share in 256ths: .* 255/256 \(0.9961\), 1"),
        ("random:1/0", "random needs SHARE"),
        ("random:0.5:x", "random needs SHARE"),
        ("random:0.5:4294967296", "a seed of 32 bits"),
        ("periodic:1", "periodic needs OPEN/PERIOD"),
        ("periodic:3/2", "the first number is at most the second"),
        ("periodic:1/0", "periodic needs OPEN/PERIOD"),
        ("periodic:1/4:x", "periodic needs OPEN/PERIOD"),
        ("periodic:1/4:\u0663", "periodic needs OPEN/PERIOD"),
        ("periodic:\u0661/4", "periodic needs OPEN/PERIOD"),
        ("random:0.\u0665", "random needs SHARE"),
        ("random:0.5:\u0663", "random needs SHARE"),
        (5, "stall pattern is 5; give its text"),
        (None, "stall pattern is None; give its text"),
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


@pytest.mark.parametrize("length", [5, 8, 9, 40])
def test_comments_longer_than_what_is_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setattr(listed, "_MOST_LINE_BYTES", 8)
    path = tmp_path / "gates.txt"
    path.write_text("1 # " + "0" * length + "#\n01\n#" + "1" * length + "\n0")
    assert gates(f"file:{path}", 4) == "1010"
    path.write_text("1 # " + "0" * length + "\n2\n")
    with pytest.raises(DamagedError, match="line 2 has other characters"):
        pattern(f"file:{path}")


def test_file_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed, "MOST_FILE_CYCLES", 10)
    path = tmp_path / "gates.txt"
    path.write_text("1111\n" * 3)
    with pytest.raises(DamagedError, match="line 3: more than 10 cycles"):
        pattern(f"file:{path}")


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pattern(f"file:{tmp_path / 'nothing'}")
    with pytest.raises(ParameterError, match="file needs the name of a file"):
        pattern("file:a\0b")


def test_file_that_fails_names_it() -> None:
    """As it does when it is read, not opened: then errors have no name by themselves."""
    with pytest.raises(OSError, match="/proc/self/mem"):
        pattern("file:/proc/self/mem")


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_has_its_texts(name: str) -> None:
    kind: type[Pattern] = PATTERNS[name]
    with pytest.raises((ValueError, FmcError, OSError)):
        kind.parse("what it never needs")
