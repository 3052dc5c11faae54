"""The reference codec: examples worked by hand, the hardware's vectors, properties, faults."""

from __future__ import annotations

import ast
import doctest
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vectors import Case, load

from fmcompress import reference
from fmcompress.errors import ParameterError, StreamError, StreamFault
from fmcompress.reference import (
    BLOCK_SIZES,
    DIFFERENCES,
    MAX_BURSTS,
    WORD_BITS,
    decode,
    encode,
    encode_bits,
)

ROOT = Path(__file__).parents[1]
SOURCE = (ROOT / "fmcompress" / "reference.py").read_text(encoding="utf-8")
DOCUMENT = (ROOT / "docs" / "EBPC.md").read_text(encoding="utf-8")


def streams(znz: str, bpc: str) -> tuple[bytes, bytes]:
    """Give both streams from hex."""
    return bytes.fromhex(znz), bytes.fromhex(bpc)


# --- By hand ------------------------------------------------------------------------------


def test_worked_example_bit_by_bit() -> None:
    """Non-zero 5 7 9 -1 0 0 0 0, differences 2 2 -10 1 0 0 0."""
    words = [0x05, 0x07, 0x00, 0x09, 0xFF]
    znz, bpc = encode_bits(words, 8)
    assert znz == "110000011"  # 1, 1, a run of one: 0 0000, 1, 1
    codes = [
        "00000101",  # base 5
        "00011011",  # X_0 = 0001000: single one at 3
        "11111000",  # X_1 = 1111000: raw
        "00010000",  # X_2 = 1100000: two ones at 0
        "00001",  # P_3 = 0000000: plane zero goes before the single one of X_3
        "00011010",  # X_4 = 0010000: single one at 2
        "001010",  # planes 5 to 8: run of 4
    ]
    assert bpc == "".join(codes)
    assert encode(words, 8) == streams("c180", "051bf81008d140")
    assert decode(*streams("c180", "051bf81008d140"), 5, 8) == words


ONES = [1] * 8

# Worked out with pencil from the symbol table, not by running the code.
BY_HAND = {
    # name: words, w, n, R, ZNZ, BPC
    "no words": ([], 8, 8, 16, "", ""),
    "one zero": ([0], 8, 8, 16, "00", ""),
    "one word": ([1], 8, 8, 16, "80", "01 18 38"),
    # d_1 = 0 + 128: P_7 = 1000000; X_8 = 1000000, but P_8 = 0 goes first.
    "lowest word": ([0x80], 8, 8, 16, "80", "80 34 60 20"),
    # d_1 = 127 + 128 = 255 and d_2 = -127: needs nine bits.
    "widest difference": ([0x80, 0x7F], 8, 8, 16, "c0", "80 10 19 2c 64 60"),
    "run of R": ([0] * 16, 8, 8, 16, "78", ""),
    "run of R + 1": ([0] * 17, 8, 8, 16, "78 00", ""),
    "runs of 16, 16, 11": ([0] * 43, 8, 8, 16, "7b d4", ""),
    "run of R = 2": ([0] * 2, 8, 8, 2, "40", ""),
    "run of R + 1 = 3": ([0] * 3, 8, 8, 2, "40", ""),
    "run of R = 64": ([0] * 64, 8, 8, 64, "7e", ""),
    "run of R + 1 = 65": ([0] * 65, 8, 8, 64, "7e 00", ""),
    "zeros around": ([0, 1, 0], 8, 8, 16, "04 00", "01 18 38"),
    "full block": (ONES, 8, 8, 16, "ff", "01 3c"),
    "two full blocks": (ONES * 2, 8, 8, 16, "ff ff", "01 3c 04 f0"),
    "block and one word": ([*ONES, 1], 8, 8, 16, "ff 80", "01 3c 04 60 e0"),
    # 32 and 56 bits: both streams end with a stream word, none is added.
    "no padding": (ONES * 4, 8, 8, 16, "ff ff ff ff", "01 3c 04 f0 13 c0 4f"),
    # X_0 = X_1 = 1111111 and P_1 = 0: all ones goes before plane zero.
    "all ones first": ([1, 2, 3, 4, 5, 6, 7, 8], 8, 8, 16, "ff", "01 00 0d"),
    "n = 4, single one": ([1], 8, 4, 16, "80", "01 18 70"),
    "n = 4, two ones at 0": ([1, 2, 3, 3], 8, 4, 16, "f0", "01 10 13 40"),
    "n = 4, two ones at 1": ([3, 3, 2, 1], 8, 4, 16, "f0", "03 12 70"),
    # lw = 1. Differences -2 1 0 in three bits; X = 010, 110, 000.
    "w = 2": ([1, 0, 3], 2, 4, 2, "90", "46 88 40"),
    "w = 2, longest plane run": ([3] * 4, 2, 4, 2, "f0", "cc"),
    "w = 3": ([1], 3, 4, 16, "80", "23 0a"),
    "w = 10": ([1], 10, 4, 2, "80", "00 46 18"),
    "w = 16": ([1], 16, 8, 16, "80 00", "00 01 18 3c"),
    "w = 16, one zero": ([0], 16, 16, 16, "00 00", ""),
    # lw = 5: a run of 32 planes is field 30; 31 + 8 bits.
    "w = 31": ([1] * 4, 31, 4, 16, "f0", "00 00 00 02 7c"),
    "w = 32": ([1], 32, 32, 64, "80 00 00 00", "00 00 00 01 18 0f 80 00"),
}


@pytest.mark.parametrize(
    ("words", "w", "n", "burst", "znz", "bpc"), BY_HAND.values(), ids=BY_HAND.keys()
)
def test_by_hand(words: list[int], w: int, n: int, burst: int, znz: str, bpc: str) -> None:
    """Each line of the list, both ways."""
    assert encode(words, w, n, burst) == streams(znz, bpc)
    assert decode(*streams(znz, bpc), len(words), w, n, burst) == words


@pytest.mark.parametrize(
    ("difference", "bpc"),
    [
        # X_8 = 0100000, 1000000 and 0000000; all before it is the same.
        ("signed", "01 1a d0 2c 44 64"),
        ("unsigned", "01 1a d0 2c 44 60"),
        ("modular", "01 1a d0 2c 45"),
    ],
)
def test_differences_by_hand(difference: str, bpc: str) -> None:
    """The words 01 ff 7f, where the three rules give three different top planes."""
    assert encode([0x01, 0xFF, 0x7F], 8, difference=difference) == streams("e0", bpc)
    assert decode(*streams("e0", bpc), 3, 8) == [0x01, 0xFF, 0x7F]


UNUSUAL = {
    # name: count, ZNZ, BPC, words
    "zero runs not joined": (2, "00 00", "", [0, 0]),
    "zero for planes in a row": (1, "80", "01 18 55 55", [1]),
    "plane run in two parts": (1, "80", "01 18 20 c0", [1]),
    "raw for single one": (1, "80", "01 c0 38", [1]),
    "plane zero for zero": (8, "ff", "01 09 c0", ONES),
    "other top plane": (1, "80", "01 18 34 20", [1]),
    "filling not 0": (1, "80", "01 3c", [1]),
    "zero flagged as non-zero": (1, "80", "00 3c", [0]),
}


@pytest.mark.parametrize(("count", "znz", "bpc", "words"), UNUSUAL.values(), ids=UNUSUAL.keys())
def test_legal_but_unusual(count: int, znz: str, bpc: str, words: list[int]) -> None:
    """What no encoder writes, a strict decoder still reads."""
    assert decode(*streams(znz, bpc), count, 8) == words
    for difference in DIFFERENCES:
        assert encode(words, 8, difference=difference) != streams(znz, bpc)


# --- Faults by hand -----------------------------------------------------------------------

FAULTS = [
    # fault, word, bit, count, w, n, ZNZ, BPC
    ("ZNZ_TRUNCATED", 0, 0, 1, 8, 8, "", ""),
    ("ZNZ_TRUNCATED", 8, 8, 9, 8, 8, "ff", "01 3c"),
    ("ZNZ_TRUNCATED", 5, 5, 6, 8, 8, "f8", "01 1c 38"),  # 0 00: two bits of the field missing
    ("ZNZ_TRUNCATED", 5, 5, 6, 8, 8, "fb", "01 1c 38"),  # 0 11: too long, if it were complete
    ("ZNZ_TRUNCATED", 1, 1, 1, 16, 8, "80", "00 01 18 3c"),  # half a stream word
    ("ZNZ_RUN_TOO_LONG", 0, 0, 1, 8, 8, "08", ""),
    ("ZNZ_RUN_TOO_LONG", 1, 1, 2, 8, 8, "84", "01 18 38"),
    ("ZNZ_LEFT_OVER", 0, 0, 0, 8, 8, "00", ""),
    ("ZNZ_LEFT_OVER", 1, 8, 1, 8, 8, "00 00", ""),
    ("ZNZ_LEFT_OVER", 1, 8, 1, 8, 8, "01 00", ""),  # goes before the padding
    ("ZNZ_LEFT_OVER", 1, 16, 1, 16, 8, "80 00 00", "00 01 18 3c"),  # half a stream word
    ("ZNZ_LEFT_OVER", 1, 8, 1, 12, 8, "80 00", "00 11 83 40"),  # w = 12: bytes
    ("ZNZ_PADDING", 1, 7, 1, 8, 8, "81", "01 18 38"),
    ("ZNZ_PADDING", 1, 5, 1, 8, 8, "07", ""),  # the first of three
    ("ZNZ_PADDING", 1, 15, 1, 16, 8, "80 01", "00 01 18 3c"),
    ("BPC_TRUNCATED", 0, 0, 1, 8, 8, "80", ""),
    ("BPC_TRUNCATED", 2, 0, 3, 8, 8, "0c", ""),  # two zero words before it
    ("BPC_TRUNCATED", 0, 0, 1, 16, 8, "80 00", "00"),  # half a base
    ("BPC_TRUNCATED", 0, 16, 1, 8, 8, "80", "01 18"),
    ("BPC_TRUNCATED", 0, 14, 1, 8, 8, "80", "01 54"),  # 00: no symbol yet
    ("BPC_TRUNCATED", 0, 10, 1, 8, 8, "80", "01 47"),  # 00011 1: illegal, if complete
    ("BPC_TRUNCATED", 0, 10, 1, 8, 8, "80", "01 6f"),  # 1 01111: two bits of raw missing
    ("BPC_TRUNCATED", 0, 12, 1, 8, 8, "80", "01 53"),  # 001 1: two bits of the run missing
    ("BPC_TRUNCATED", 8, 14, 9, 8, 8, "ff 80", "01 3c"),  # the second block
    ("BPC_TRUNCATED", 8, 23, 8, 16, 8, "ff 00", "00 01 3e"),  # half a stream word
    ("BPC_RUN_TOO_LONG", 0, 16, 1, 8, 8, "80", "01 18 3c"),
    ("BPC_RUN_TOO_LONG", 8, 30, 9, 8, 8, "ff 80", "01 3c 04 60 f0"),  # the second block
    ("BPC_RUN_TOO_LONG", 0, 3, 1, 3, 4, "80", "27"),  # w = 3: five of four planes
    ("BPC_POSITION", 0, 8, 1, 8, 8, "80", "01 1f 38"),  # single one at 7
    ("BPC_POSITION", 0, 8, 1, 8, 8, "80", "01 16 38"),  # two ones at 6
    ("BPC_POSITION", 0, 8, 1, 8, 8, "80", "01 17 38"),  # two ones at 7
    ("BPC_POSITION", 0, 8, 1, 8, 4, "80", "01 1e 70"),  # single one at 3 of 0 to 2
    ("BPC_POSITION", 0, 8, 1, 8, 4, "80", "01 14 70"),  # two ones at 2 of 0 to 1
    ("BPC_LEFT_OVER", 0, 0, 0, 8, 8, "", "00"),
    ("BPC_LEFT_OVER", 1, 0, 1, 8, 8, "00", "00"),
    ("BPC_LEFT_OVER", 1, 24, 1, 8, 8, "80", "01 18 38 00"),
    ("BPC_LEFT_OVER", 1, 24, 1, 8, 8, "80", "01 18 39 00"),  # goes before the padding
    ("BPC_LEFT_OVER", 1, 32, 1, 16, 8, "80 00", "00 01 18 3c 00"),
    ("BPC_PADDING", 1, 23, 1, 8, 8, "80", "01 18 39"),
    ("BPC_PADDING", 1, 22, 1, 8, 8, "80", "01 18 3b"),  # the first of two
    # Several faults: symbols go before ends, earlier words before later ones, ZNZ before BPC.
    ("BPC_TRUNCATED", 0, 16, 1, 8, 8, "81 00", "01 18"),
    ("BPC_TRUNCATED", 0, 0, 2, 8, 8, "84", ""),
    ("ZNZ_LEFT_OVER", 1, 8, 1, 8, 8, "80 00", "01 18 38 00"),
    ("ZNZ_PADDING", 1, 7, 1, 8, 8, "81", "01 18 38 00"),
]


def assert_fault(
    fault: str, word: int, bit: int, znz: bytes, bpc: bytes, count: int, w: int, n: int, burst: int
) -> None:
    """Expect exactly this from the decoder."""
    with pytest.raises(StreamError) as raised:
        decode(znz, bpc, count, w, n, burst)
    assert (raised.value.fault.name, raised.value.word, raised.value.bit) == (fault, word, bit)


@pytest.mark.parametrize(("fault", "word", "bit", "count", "w", "n", "znz", "bpc"), FAULTS)
def test_fault(
    fault: str, word: int, bit: int, count: int, w: int, n: int, znz: str, bpc: str
) -> None:
    """Each line of the list: what is wrong, and where."""
    assert_fault(fault, word, bit, *streams(znz, bpc), count, w, n, 16)


def test_every_fault_has_a_case() -> None:
    """The list above names all of `StreamFault`."""
    assert {row[0] for row in FAULTS} == {fault.name for fault in StreamFault}


@pytest.mark.parametrize(
    "wrong",
    [
        {"word_bits": 0},
        {"word_bits": 33},
        {"word_bits": 8.0},
        {"block_size": 2},
        {"block_size": 12},
        {"block_size": 64},
        {"max_burst": 1},
        {"max_burst": 12},
        {"max_burst": 128},
    ],
    ids=str,
)
def test_parameter_out_of_range(wrong: dict[str, Any]) -> None:
    """Both directions refuse it, and name it."""
    parameters = {"word_bits": 8} | wrong
    for call in (lambda: encode([], **parameters), lambda: decode(b"", b"", 0, **parameters)):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            call()


def test_argument_out_of_range() -> None:
    """What only one direction takes."""
    with pytest.raises(ParameterError, match="difference"):
        encode([], 8, difference="other")
    with pytest.raises(ParameterError, match="count"):
        decode(b"", b"", -1, 8)
    for word in (-1, 256):
        with pytest.raises(ParameterError, match="word 1"):
            encode([0, word], 8)


# --- The hardware's vectors ---------------------------------------------------------------


@pytest.mark.parametrize("case", load(), ids=lambda case: case.id)
def test_golden(case: Case) -> None:
    """Every transmission of the hardware, both ways, and under each difference."""
    parameters = (case.word_bits, case.block_size, case.max_burst)
    for words, znz, bpc in zip(case.words, case.znz, case.bpc, strict=True):
        assert encode(words, *parameters) == (znz, bpc)
        assert decode(znz, bpc, len(words), *parameters) == words
        for difference in DIFFERENCES:
            other = encode(words, *parameters, difference)
            assert decode(*other, len(words), *parameters) == words


def test_golden_is_complete() -> None:
    """A shortened file must not pass unnoticed."""
    cases = load()
    assert len(cases) == 61
    assert sum(len(words) for case in cases for words in case.words) == 7279
    assert len({case.id for case in cases}) == len(cases)


# --- Properties ---------------------------------------------------------------------------

# The reference is slow on purpose: time is not what these tests are about.
SLOW = settings(deadline=None)


@dataclass(frozen=True)
class Encoded:
    """A sequence of words, its parameters and its streams."""

    words: list[int]
    parameters: tuple[int, int, int]
    difference: str
    znz: bytes
    bpc: bytes


@st.composite
def encoded(draw: st.DrawFn) -> Encoded:
    """Any parameters; words that give zero runs, flat planes, extremes and noise."""
    w = draw(st.sampled_from(WORD_BITS))
    parameters = (w, draw(st.sampled_from(BLOCK_SIZES)), draw(st.sampled_from(MAX_BURSTS)))
    difference = draw(st.sampled_from(DIFFERENCES))
    extremes = st.sampled_from([1, 2 ** (w - 1) - 1, 2 ** (w - 1), 2**w - 1])
    word = st.just(0) | st.integers(0, min(3, 2**w - 1)) | extremes | st.integers(0, 2**w - 1)
    pieces = st.tuples(word, st.sampled_from([1, 1, 1, 2, 3, 5, 8, 17, 65]))
    words = [word for word, times in draw(st.lists(pieces, max_size=40)) for _ in range(times)]
    return Encoded(words, parameters, difference, *encode(words, *parameters, difference))


@SLOW
@given(encoded())
def test_round_trip(case: Encoded) -> None:
    """The same words come back, and the same bytes every time."""
    assert decode(case.znz, case.bpc, len(case.words), *case.parameters) == case.words
    assert encode(case.words, *case.parameters, case.difference) == (case.znz, case.bpc)


@SLOW
@given(encoded())
def test_every_difference_decodes_alike(case: Encoded) -> None:
    """The decoder is not told the difference."""
    for difference in DIFFERENCES:
        znz, bpc = encode(case.words, *case.parameters, difference)
        assert znz == case.znz
        assert decode(znz, bpc, len(case.words), *case.parameters) == case.words


@SLOW
@given(encoded())
def test_sizes(case: Encoded) -> None:
    """The bounds of the document's section on sizes, and the padding of its section 2."""
    w, n, burst = case.parameters
    znz, bpc = encode_bits(case.words, *case.parameters, case.difference)
    count, values = len(case.words), sum(word != 0 for word in case.words)
    z, lw, ln = ((x - 1).bit_length() for x in (burst, w, n))
    blocks = -(-values // n) if w > 1 else 0
    assert len(znz) <= (1 + z) * ((count + 1) // 2) + count // 2
    assert blocks * (w + 3 + lw) <= len(bpc) <= blocks * (w + (w + 1) * max(n, 5 + ln))
    unit = w if w in (8, 16, 32) else 8
    for bits, stream in ((znz, case.znz), (bpc, case.bpc)):
        assert len(stream) * 8 == -(-len(bits) // unit) * unit


@SLOW
@given(encoded(), st.data())
def test_damage_at_the_end(case: Encoded, data: st.DataObject) -> None:
    """A cut, an extra byte and a padding bit are found, and at the right place."""
    znz_bits, bpc_bits = encode_bits(case.words, *case.parameters, case.difference)
    bits = {"ZNZ": znz_bits, "BPC": bpc_bits}
    whole = {"ZNZ": case.znz, "BPC": case.bpc}
    count = len(case.words)
    for name, stream in whole.items():

        def check(fault: str, bit: int, damaged: bytes, name: str = name) -> None:
            both = whole | {name: damaged}
            assert_fault(
                f"{name}_{fault}", count, bit, both["ZNZ"], both["BPC"], count, *case.parameters
            )

        check("LEFT_OVER", 8 * len(stream), stream + data.draw(st.binary(min_size=1, max_size=5)))
        if len(bits[name]) < 8 * len(stream):
            bit = data.draw(st.integers(len(bits[name]), 8 * len(stream) - 1))
            damaged = bytearray(stream)
            damaged[bit // 8] |= 0x80 >> bit % 8
            check("PADDING", bit, bytes(damaged))
        if stream:
            both = whole | {name: stream[: data.draw(st.integers(0, len(stream) - 1))]}
            with pytest.raises(StreamError) as raised:
                decode(both["ZNZ"], both["BPC"], count, *case.parameters)
            assert raised.value.fault.name == f"{name}_TRUNCATED"


@SLOW
@given(
    st.binary(max_size=40),
    st.binary(max_size=120),
    st.integers(0, 100),
    st.tuples(*map(st.sampled_from, (WORD_BITS, BLOCK_SIZES, MAX_BURSTS))),
)
def test_any_bytes(znz: bytes, bpc: bytes, count: int, parameters: tuple[int, int, int]) -> None:
    """Noise gives words in range or a `StreamError` in range, and nothing else."""
    fault = None
    try:
        words = decode(znz, bpc, count, *parameters)
    except StreamError as error:
        fault = error
    if fault is None:
        assert len(words) == count
        assert all(0 <= word < 2 ** parameters[0] for word in words)
    else:
        assert 0 <= fault.word <= count
        assert 0 <= fault.bit <= 8 * len(znz if fault.fault.stream == "ZNZ" else bpc)


@st.composite
def any_legal_block(draw: st.DrawFn) -> tuple[tuple[int, int], list[int], str]:
    """One block, each plane coded by any legal symbol, so not by the encoder's choice."""
    w, n = draw(st.sampled_from(WORD_BITS[1:])), draw(st.sampled_from(BLOCK_SIZES))
    lw, ln = (w - 1).bit_length(), (n - 1).bit_length()
    ones = (1 << n - 1) - 1
    some = st.sampled_from([0, 0, ones, 1, 1 << n - 2, 3, 3 << n - 3]) | st.integers(0, ones)
    changes = draw(st.lists(some, min_size=w + 1, max_size=w + 1))
    words = [draw(st.integers(0, 2**w - 1))]
    bits = format(words[0], f"0{w}b")
    planes, plane, covered = [], 0, 0
    for j, change in enumerate(changes):
        plane ^= change
        planes.append(plane)
        if covered > j:  # by the run of an earlier plane
            continue
        text = format(change, f"0{n - 1}b")
        codes = [(1, "1" + text)]
        if plane == 0:
            codes.append((1, "00001"))
        if change == 0:
            codes.append((1, "01"))
        if change == ones:
            codes.append((1, "00000"))
        if text.strip("0") in ("1", "11"):
            prefix = "00011" if change.bit_count() == 1 else "00010"
            codes.append((1, prefix + format(text.index("1"), f"0{ln}b")))
        zeros = next((k for k, x in enumerate([*changes[j:], 1]) if x), 0)
        codes += [(run, "001" + format(run - 2, f"0{lw}b")) for run in range(2, zeros + 1)]
        run, code = draw(st.sampled_from(codes))
        covered = j + run
        bits += code
    for k in reversed(range(n - 1)):
        d = sum((plane >> k & 1) << j for j, plane in enumerate(planes))
        words.append((words[-1] + d) % 2**w)
    return (w, n), words, bits


@SLOW
@given(any_legal_block())
def test_any_legal_symbols(case: tuple[tuple[int, int], list[int], str]) -> None:
    """A decoder reads every legal choice of symbols, not only the encoder's."""
    (w, n), words, bits = case
    unit = w if w in (8, 16, 32) else 8
    znz, bpc = (text + "0" * (-len(text) % unit) for text in ("1" * n, bits))
    znz_bytes, bpc_bytes = (int(text, 2).to_bytes(len(text) // 8, "big") for text in (znz, bpc))
    assert decode(znz_bytes, bpc_bytes, n, w, n) == words


# --- The document and the source ----------------------------------------------------------


def tables(header: str) -> list[list[str]]:
    """Rows of all of the document's tables whose header starts with `header`, as cells."""
    rows = []
    for table in re.findall(r"(?:^\|.*\n)+", DOCUMENT, flags=re.MULTILINE):
        first, _, *rest = table.splitlines()
        if first.startswith(header):
            rows += [[cell.strip() for cell in row.split("|")[1:-1]] for row in rest]
    return rows


def listed(text: str, times: str = " x ") -> list[int]:
    """Words as the document writes them: ``05 07``, or ``17 x 00``."""
    count, _, word = text.rpartition(times)
    return [int(word, 16)] * int(count) if count else [int(word, 16) for word in text.split()]


EXAMPLES = tables("| w | n | R | difference | words | ZNZ | BPC |")
BAD_EXAMPLES = tables("| w | L | ZNZ | BPC | fault | word | bit |")


def test_document_has_its_examples() -> None:
    """Guards the two tests below against a parser that finds nothing."""
    assert len(EXAMPLES) == 16
    assert ["8", "8", "16", "signed", "05 07 00 09 ff", "c1 80", "05 1b f8 10 08 d1 40"] in EXAMPLES
    assert {row[4] for row in BAD_EXAMPLES} == {fault.name for fault in StreamFault}


@pytest.mark.parametrize("row", EXAMPLES, ids=" ".join)
def test_document_example(row: list[str]) -> None:
    """An example of the document, both ways."""
    w, n, burst = map(int, row[:3])
    words = listed(row[4])
    assert encode(words, w, n, burst, row[3]) == streams(row[5], row[6])
    assert decode(*streams(row[5], row[6]), len(words), w, n, burst) == words


@pytest.mark.parametrize("row", BAD_EXAMPLES, ids=" ".join)
def test_document_bad_example(row: list[str]) -> None:
    """A bad stream of the document, all of them with n = 8 and R = 16."""
    w, count, znz, bpc, fault, word, bit = row
    assert_fault(fault, int(word), int(bit), *streams(znz, bpc), int(count), int(w), 8, 16)


def test_worked_example_table() -> None:
    """The codes in the document's table of planes are the stream, padded as it says."""
    codes = [row[-1] for row in tables("| plane | P_j | X_j | symbol | code |")]
    bits = re.sub("[` ]", "", "".join(codes))
    assert bits == encode_bits([0x05, 0x07, 0x00, 0x09, 0xFF], 8)[1]
    assert len(bits) == 51
    padded = re.search(r"`((?:[01]{8} ){6}[01]{8})`", DOCUMENT)
    assert padded is not None
    assert padded[1].replace(" ", "") == bits + "00000"


def test_document_is_quoted_faithfully() -> None:
    """Every ``§4.1 "..."`` of the source stands in that section of the document."""
    sections: dict[str, str] = {}
    pattern = r"^##+ ([\d.]+) (.*?)(?=^##|\Z)"
    for heading, text in re.findall(pattern, DOCUMENT, flags=re.MULTILINE | re.DOTALL):
        sections[heading.rstrip(".")] = " ".join(text.split())
    comments = " ".join(line.strip().removeprefix("# ") for line in SOURCE.splitlines())
    quotes = re.findall(r'§([\d.]+)((?: "[^"]+")+)', comments)
    found = 0
    for section, text in quotes:
        for quote in re.findall(r'"([^"]+)"', text):
            if quote != "...":
                assert " ".join(quote.split()) in sections[section], (section, quote)
                found += 1
    assert found > 30


def test_document_and_source_are_short() -> None:
    """Short enough to be read in one sitting, side by side."""
    assert len(DOCUMENT.splitlines()) < 300
    assert len(SOURCE.splitlines()) <= 350


def test_reference_imports_only_the_standard_library() -> None:
    """It must not share a line with what it checks."""
    modules = set()
    for node in ast.walk(ast.parse(SOURCE)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            modules.add(node.module or "")
    modules.remove("fmcompress.errors")
    assert {module.split(".")[0] for module in modules} <= sys.stdlib_module_names


def test_docstring_examples() -> None:
    """The examples in the docstrings run."""
    results = doctest.testmod(reference)
    assert results.attempted >= 3
    assert results.failed == 0
