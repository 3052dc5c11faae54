"""Streams that the encoder never writes, legal and not: kernels and reference read them alike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from conftest import JIT
from harness import (
    CODEC_PATHS,
    CodecPath,
    Fault,
    check_round_trip,
    check_same_outcome,
    examples,
    golden,
    parameters,
    transmissions,
)
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from test_reference import UNUSUAL, streams

from fmcompress import reference
from fmcompress.errors import StreamError, StreamFault
from fmcompress.kernels import ebpc as kernels
from fmcompress.reference import DIFFERENCES, WORD_BITS

# --- Cases --------------------------------------------------------------------------------


class Streams(NamedTuple):
    """Both streams, and what a decoder must be told; valid or not."""

    znz: bytes
    bpc: bytes
    total: int
    word_bits: int
    block_size: int
    max_burst: int


def stream_bytes(bits: str, word_bits: int) -> bytes:
    """Fill up the last stream word with zeros."""
    bits += "0" * (-len(bits) % (word_bits if word_bits in (8, 16, 32) else 8))
    return int("0" + bits, 2).to_bytes(len(bits) // 8, "big")


@st.composite
def znz_bits(draw: st.DrawFn, values: int, max_burst: int) -> tuple[str, int]:
    """Choose a ZNZ stream with flags for `values` words; return its bits and its word count.

    Zero runs of any length stand anywhere: two in a row, and short where they could be long.
    """
    symbols: list[int] = [0] * values
    runs = st.tuples(st.integers(0, values), st.integers(1, max_burst))
    for place, run in draw(st.lists(runs, max_size=8)):
        symbols.insert(place, run)
    field_bits = max_burst.bit_length() - 1
    bits = "".join(f"0{run - 1:0{field_bits}b}" if run else "1" for run in symbols)
    return bits, sum(run or 1 for run in symbols)


@st.composite
def block_bits(draw: st.DrawFn, w: int, n: int, any_field: bool) -> str:
    """Choose a block's base and symbols, each of the seven kinds wherever it is legal.

    With `any_field` the fields hold anything: positions behind the plane, runs past plane w.
    """
    run_field_bits, position_bits = (w - 1).bit_length(), (n - 1).bit_length()
    last = 2**position_bits - 1 if any_field else n - 2
    bits = format(draw(st.integers(0, 2**w - 1)), f"0{w}b")
    left = w + 1
    while left > 0:
        kind = draw(st.sampled_from(["1", "01", "001", "00000", "00001", "00010", "00011"]))
        if kind == "001":
            longest = 2**run_field_bits + 1 if any_field else left
            if longest < 2:
                continue
            run = draw(st.integers(2, longest))
            bits += kind + format(run - 2, f"0{run_field_bits}b")
            left -= run
            continue
        bits += kind
        left -= 1
        if kind == "1":
            change = st.sampled_from([0, 1, 3, 2 ** (n - 1) - 1]) | st.integers(0, 2 ** (n - 1) - 1)
            bits += format(draw(change), f"0{n - 1}b")
        elif kind in ("00010", "00011"):
            most = last - 1 if kind == "00010" and not any_field else last
            bits += format(draw(st.integers(0, most)), f"0{position_bits}b")
    return bits


@st.composite
def symbol_streams(draw: st.DrawFn, most_blocks: int = 4, any_field: bool = False) -> Streams:
    """Choose streams symbol by symbol: all that is legal, or with `any_field` also some that is not."""
    w, n, burst = draw(parameters(WORD_BITS[1:]))  # for w = 1 there are no blocks
    zeros = f"{0:0{w}b}001{w - 1:0{(w - 1).bit_length()}b}"  # a block that no encoder writes
    block = block_bits(w, n, any_field) | block_bits(w, n, any_field) | st.just(zeros)
    blocks = draw(st.lists(block, max_size=most_blocks))
    values = max(0, len(blocks) * n - draw(st.integers(0, n - 1)))
    flags, count = draw(znz_bits(values, burst))
    znz, bpc = stream_bytes(flags, w), stream_bytes("".join(blocks), w)
    return Streams(znz, bpc, count, w, n, burst)


@st.composite
def encoder_streams(draw: st.DrawFn) -> Streams:
    """Choose streams that the reference encoder writes."""
    case = draw(transmissions())
    return Streams(*reference.encode(*case), len(case.words), *case[1:4])


# The count is mostly one that such a ZNZ stream could hold: else nothing is read at all.
noise = st.binary(max_size=20).flatmap(
    lambda znz: st.builds(
        lambda bpc, count, numbers: Streams(znz, bpc, count, *numbers),
        st.binary(max_size=120),
        st.integers(0, 9 * len(znz)),
        parameters(),
    )
)
valid_streams = symbol_streams() | encoder_streams()
small_streams = symbol_streams(most_blocks=2) | encoder_streams().filter(
    lambda case: len(case.znz) + len(case.bpc) < 60
)


# --- Legal --------------------------------------------------------------------------------


@examples(500)
@given(symbol_streams())
def test_any_legal_symbols(case: Streams) -> None:
    """Every choice of symbols is read, and alike; the words then code like any words."""
    words = check_same_outcome(*case)
    assert isinstance(words, list)
    check_round_trip(words, *case[3:], "modular")


@pytest.mark.parametrize(("count", "znz", "bpc", "words"), UNUSUAL.values(), ids=UNUSUAL.keys())
def test_legal_but_unusual(count: int, znz: str, bpc: str, words: list[int]) -> None:
    """What was worked out with pencil for the reference holds for the kernels."""
    for path in CODEC_PATHS:
        assert path.decode(*streams(znz, bpc), count, 8, 8, 16) == words


def test_generator_leaves_the_encoder_behind() -> None:
    """It finds what no encoder writes: other flags, other planes, zeros flagged as non-zero."""

    def written(case: Streams) -> list[tuple[bytes, bytes]]:
        words = reference.decode(*case)
        return [reference.encode(words, *case[3:], difference) for difference in DIFFERENCES]

    def other_znz(case: Streams) -> bool:
        return all(znz != case.znz and bpc == case.bpc for znz, bpc in written(case))

    def other_bpc(case: Streams) -> bool:
        return all(znz == case.znz and bpc != case.bpc for znz, bpc in written(case))

    def zeros_flagged(case: Streams) -> bool:
        return case.bpc != b"" and not any(reference.decode(*case))

    for condition in (other_znz, other_bpc, zeros_flagged):
        find(
            symbol_streams(), condition, settings=settings(examples(2000), phases=[Phase.generate])
        )


# --- Invalid ------------------------------------------------------------------------------


@examples(250)
@given(small_streams)
def test_cut_at_every_byte(case: Streams) -> None:
    """A stream that ends too early is found out, as such and in the same place."""
    for length in range(len(case.znz)):
        fault = check_same_outcome(case.znz[:length], *case[1:])
        assert isinstance(fault, Fault)
        assert fault.name == "ZNZ_TRUNCATED"
    for length in range(len(case.bpc)):
        fault = check_same_outcome(case.znz, case.bpc[:length], *case[2:])
        assert isinstance(fault, Fault)
        assert fault.name == "BPC_TRUNCATED"


@examples(200)
@given(valid_streams, st.binary(min_size=1, max_size=9))
def test_appended(case: Streams, more: bytes) -> None:
    """Whatever follows is left over, from the first bit behind the last stream word."""
    znz, bpc, *rest = case
    fault = check_same_outcome(znz + more, bpc, *rest)
    assert fault == Fault("ZNZ_LEFT_OVER", case.total, 8 * len(znz))
    fault = check_same_outcome(znz, bpc + more, *rest)
    assert fault == Fault("BPC_LEFT_OVER", case.total, 8 * len(bpc))


@examples(500)
@given(symbol_streams(any_field=True))
def test_any_fields(case: Streams) -> None:
    """Runs past the last plane and positions behind the plane, anywhere in a block."""
    check_same_outcome(*case)


@examples(500)
@given(valid_streams.filter(lambda case: case.znz), st.data())
def test_flipped_bits(case: Streams, data: st.DataObject) -> None:
    """One to three wrong bits: the same words, or the same fault in the same place."""
    znz, bpc = bytearray(case.znz), bytearray(case.bpc)
    for stream in data.draw(st.lists(st.sampled_from([znz, bpc]), min_size=1, max_size=3)):
        if stream:
            bit = data.draw(st.integers(0, 8 * len(stream) - 1))
            stream[bit // 8] ^= 0x80 >> bit % 8
    check_same_outcome(bytes(znz), bytes(bpc), *case[2:])


@examples(500)
@given(valid_streams, st.integers(0, 300), parameters())
def test_wrong_count_or_parameters(case: Streams, count: int, others: tuple[int, int, int]) -> None:
    """Streams read with another word count, or as another configuration's."""
    check_same_outcome(case.znz, case.bpc, count, *case[3:])
    check_same_outcome(case.znz, case.bpc, case.total, *others)


@examples(1000)
@given(noise)
def test_any_bytes(case: Streams) -> None:
    """Noise: the same words, or the same fault in the same place."""
    check_same_outcome(*case)


@examples(300)
@given(st.binary(min_size=60, max_size=300), parameters())
def test_any_bytes_as_blocks(bpc: bytes, numbers: tuple[int, int, int]) -> None:
    """Noise in the BPC stream alone: nothing in the ZNZ stream stops it before its time."""
    count = 4 * numbers[1] + 1
    check_same_outcome(stream_bytes("1" * count, numbers[0]), bpc, count, *numbers)


@pytest.mark.parametrize("number", range(0, 71, 7))
def test_golden_with_each_bit_flipped(number: int) -> None:
    """The hardware's streams, the first 200 bits of each wrong in turn; in plain Python, some."""
    case, *whole = golden()[number]
    for place, stream in enumerate(whole):
        for bit in range(0, min(200, 8 * len(stream)), 1 if JIT else 7):
            damaged = bytearray(stream)
            damaged[bit // 8] ^= 0x80 >> bit % 8
            both = [*whole[:place], bytes(damaged), *whole[place + 1 :]]
            check_same_outcome(*both, len(case.words), *case[1:4])


# --- The kernel alone ---------------------------------------------------------------------


class KernelPath(CodecPath):
    """The decoding kernel without the codec's look at the count before it."""

    def decode(
        self, znz: bytes, bpc: bytes, count: int, word_bits: int, block_size: int, max_burst: int
    ) -> list[int]:
        words = np.zeros(count, np.uint32)
        both = (np.frombuffer(stream, np.uint8) for stream in (znz, bpc))
        run_bits = max_burst.bit_length() - 1
        status, word, bit = kernels.decode(*both, word_bits, block_size, run_bits, words)
        if status:
            raise StreamError(StreamFault(status), int(word), int(bit))
        return words.tolist()


@examples(300)
@given(valid_streams, st.integers(300, 5000))
def test_count_far_too_large(case: Streams, count: int) -> None:
    """The codec may refuse at once; left to itself, the kernel finds the reference's fault."""
    lying = case._replace(total=count)
    assert isinstance(check_same_outcome(*lying), Fault)
    check_same_outcome(*lying, paths=[KernelPath("plain")])


def test_harness_tells_outcomes_apart() -> None:
    """The checks above would see a difference: words, faults and refusals are not alike."""

    class Careless(CodecPath):
        def decode(self, znz: bytes, bpc: bytes, count: int, *numbers: int) -> list[int]:
            return [0] * count

    assert check_same_outcome(b"", b"", 1) == Fault("ZNZ_TRUNCATED", 0, 0)
    for znz, bpc, count in ((b"", b"", 1), (b"\x80", b"\x01\x18\x38", 1)):
        with pytest.raises(AssertionError):
            check_same_outcome(znz, bpc, count, paths=[Careless("plain")])
    with pytest.raises(AssertionError):
        check_round_trip([1], paths=[Careless("plain")])
