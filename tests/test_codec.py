"""The codecs: EBPC's kernels against the hardware and the reference; stored words; parameters."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from conftest import JIT
from harness import (
    CODEC_PATHS,
    Fault,
    Transmission,
    check_round_trip,
    check_same_outcome,
    edge_words,
    examples,
    golden,
    transmissions,
)
from hypothesis import given
from hypothesis import strategies as st
from test_reference import BY_HAND, FAULTS, streams

from fmcompress import reference
from fmcompress.codecs import CODEC_NAMES, CODECS, codec_from_description, plane_blocks
from fmcompress.codecs import ebpc as codec_module
from fmcompress.codecs.bpc import Bpc
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.codecs.stored import Stored, stored_bytes
from fmcompress.errors import (
    DamagedError,
    FmcError,
    ParameterError,
    StreamError,
    StreamFault,
    UnsupportedError,
)
from fmcompress.kernels import bits, bpc_encoder, znz_decoder, znz_decoder_sixteen, znz_encoder
from fmcompress.kernels import ebpc as kernels
from fmcompress.reference import BLOCK_SIZES, DIFFERENCES, MAX_BURSTS, WORD_BITS
from fmcompress.stream_words import MAX_WORD_BITS, MIN_WORD_BITS, word_dtype

# --- EBPC: streams ------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(71))
def test_golden(number: int) -> None:
    """Each transmission of the hardware, both ways: its very bytes, its very words."""
    case, znz, bpc = golden()[number]
    for path in CODEC_PATHS:
        assert path.encode(*case) == (znz, bpc)
        assert path.decode(znz, bpc, len(case.words), *case[1:4]) == case.words


def test_golden_is_complete() -> None:
    """The numbers above are all there are."""
    assert len(golden()) == 71


@pytest.mark.parametrize(
    ("words", "w", "n", "burst", "znz", "bpc"), BY_HAND.values(), ids=BY_HAND.keys()
)
def test_by_hand(words: list[int], w: int, n: int, burst: int, znz: str, bpc: str) -> None:
    """What was worked out with pencil for the reference holds for the kernels."""
    assert check_round_trip(words, w, n, burst) == streams(znz, bpc)


@pytest.mark.parametrize(("fault", "word", "bit", "count", "w", "n", "znz", "bpc"), FAULTS)
def test_fault(
    fault: str, word: int, bit: int, count: int, w: int, n: int, znz: str, bpc: str
) -> None:
    """Each fault that was found with pencil: the kernels stop there too."""
    expected = Fault(fault, word, bit)
    assert check_same_outcome(*streams(znz, bpc), count, w, n) == expected


@pytest.mark.parametrize("difference", DIFFERENCES)
@pytest.mark.parametrize("n", BLOCK_SIZES)
@pytest.mark.parametrize("w", [2, 3, 8, 10, 16, 31, 32] if JIT else [3, 8, 32])
def test_edges(w: int, n: int, difference: str) -> None:
    """Each edge of these parameters, with one of the shorter bursts."""
    for words in edge_words(w, n, 4).values():
        check_round_trip(words, w, n, 4, difference)


@pytest.mark.parametrize("burst", MAX_BURSTS)
def test_edges_of_bursts(burst: int) -> None:
    """Zero runs around each burst length, for stream words of one, two and four bytes."""
    for w in (8, 16, 32):
        for words in edge_words(w, 8, burst).values():
            check_round_trip(words, w, 8, burst)


@pytest.mark.parametrize("w", WORD_BITS)
def test_each_width(w: int) -> None:
    """Any words of this width, under any other parameters."""

    @examples(40)
    @given(transmissions(word_bits=[w]))
    def check(case: Transmission) -> None:
        check_round_trip(*case)

    check()


@examples(1200)
@given(transmissions())
def test_any_words(case: Transmission) -> None:
    """Kernels and reference write the same bytes and read the same words."""
    check_round_trip(*case)


@examples(150)
@given(transmissions(word_bits=[2], block_sizes=[4], max_bursts=[2]))
def test_smallest_parameters(case: Transmission) -> None:
    """Where a plane has three bits and a block is smaller than a byte or two."""
    check_round_trip(*case)


@examples(60)
@given(transmissions(word_bits=[32], block_sizes=[32], max_bursts=[64]))
def test_largest_parameters(case: Transmission) -> None:
    """Where symbols have 32 bits and differences 33."""
    check_round_trip(*case)


def activations(count: int, w: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """Words like a feature map's: half of them zero, the others small and of either sign."""
    random = np.random.default_rng(20)
    values = random.normal(0, 2 ** (w - 4), count).astype(np.int64)
    values[random.random(count) < 0.5] = 0
    return (values & 2**w - 1).astype(np.uint32)


def test_long_transmission() -> None:
    """Thousands of blocks: bit positions far beyond a register."""
    check_round_trip(activations(20_000, 8).tolist(), 8)


@pytest.mark.compiled
@pytest.mark.parametrize("w", [8, 16, 32])
def test_longer_transmission(w: int) -> None:
    """A million words, compared with themselves: the reference would take minutes."""
    words = activations(1 << 20, w)
    codec = Ebpc(16, 64, "modular")
    znz, bpc = codec.encode(words, w)
    np.testing.assert_array_equal(codec.decode(znz, bpc, words.size, w), words)
    beginning = reference.encode(words[:1000].tolist(), w, 16, 64, "modular")
    assert znz.startswith(beginning[0][:-8])


def test_bounds_are_reached() -> None:
    """Zeros and words in turn make the longest ZNZ stream, some noise the longest block."""
    codec = Ebpc()
    znz, _ = codec.encode(np.array([0, 1] * 32, np.uint8), 8)
    assert len(znz) == codec.most_bytes(64, 8)[0] == 24  # 5 bits and 1 bit, 32 times
    noise = np.random.default_rng(0).integers(1, 256, 800).astype(np.uint8)
    blocks = [bpc for _, bpc in codec.measure_chunks(noise, 8, 8)]
    assert max(blocks) == codec.most_bytes(8, 8)[1] == 10
    assert Bpc().most_bytes(8, 8) == (0, 10)
    assert Stored().most_bytes(9, 4) == (0, 5)
    assert codec.most_bytes(64, 1) == (24, 0)


# --- EBPC: counts and parameters ----------------------------------------------------------


@pytest.mark.parametrize("count", [2**40, 2**62, 2**100])
@pytest.mark.parametrize("burst", MAX_BURSTS)
def test_lying_count_is_refused_before_allocation(burst: int, count: int) -> None:
    """A few bytes must not cost gigabytes."""
    with pytest.raises(StreamError):  # compiles the kernel, which takes megabytes
        Ebpc(max_burst=burst).decode(b"", b"", 1, 8)
    tracemalloc.start()
    try:
        with pytest.raises(StreamError, match="ends too early"):
            Ebpc(max_burst=burst).decode(bytes(16), b"", count, 8)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1 << 20


@pytest.mark.parametrize("burst", MAX_BURSTS)
def test_fullest_stream_is_not_refused(burst: int) -> None:
    """Nothing but zero runs of R: as many words as a ZNZ stream can hold."""
    symbol_bits = burst.bit_length()
    znz, bpc = check_round_trip([0] * (8 * burst), 8, 8, burst)
    assert (len(znz), bpc) == (symbol_bits, b"")


def test_negative_count() -> None:
    """No number of words at all."""
    with pytest.raises(FmcError):
        Ebpc().decode(b"", b"", -1, 8)


@pytest.mark.parametrize("w", [-1, 0, 33, 64])
def test_word_width_out_of_range(w: int) -> None:
    """Both directions refuse it."""
    with pytest.raises(ParameterError, match=f"{w} bits"):
        Ebpc().encode(np.ones(1, np.uint32), w)
    with pytest.raises(ParameterError, match=f"{w} bits"):
        Ebpc().decode(b"\x80", b"\x01\x18\x38", 1, w)


WRONG_PARAMETERS: list[dict[str, Any]] = [
    *({"block_size": value} for value in (-8, 0, 1, 2, 7, 64, 8.0, "8", None, True, [8], {})),
    *({"max_burst": value} for value in (-2, 0, 1, 3, 128, 16.0, "16", None, True, [16], {})),
    *({"difference": value} for value in ("", "Signed", "other", None, 0, ["signed"], {})),
]


@pytest.mark.parametrize("wrong", WRONG_PARAMETERS, ids=str)
def test_parameter_out_of_range(wrong: dict[str, Any]) -> None:
    """Refused by name; the type counts too. In a description it is damage, not a wrong choice."""
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        Ebpc(**wrong)
    with pytest.raises(DamagedError, match=next(iter(wrong))):
        codec_from_description({"name": "ebpc", **wrong})


def test_constants_agree() -> None:
    """Codec, kernels, errors and reference share no line, but all these numbers."""
    assert codec_module.BLOCK_SIZES == BLOCK_SIZES
    assert codec_module.MAX_BURSTS == MAX_BURSTS
    assert codec_module.DIFFERENCES == DIFFERENCES
    assert (WORD_BITS[0], WORD_BITS[-1]) == (MIN_WORD_BITS, MAX_WORD_BITS)
    assert [getattr(kernels, name.upper()) for name in DIFFERENCES] == [0, 1, 2]
    for number, name in enumerate(("SIGNED", "UNSIGNED", "MODULAR")):
        assert getattr(bits, name) == number
    assert znz_encoder.GAP == bpc_encoder.GAP == plane_blocks.GAP >= znz_decoder.SPAN
    for name in ("MOST_ONES", "POSITION", "END", "COUNT", "DONE", "ONES", "STEP", "STEPS_AT"):
        assert getattr(znz_decoder_sixteen, name) == getattr(znz_decoder, name)
    assert kernels.OK == 0
    assert all(getattr(kernels, fault.name) == fault.value for fault in StreamFault)


# --- Stored words -------------------------------------------------------------------------


@pytest.mark.parametrize("w", WORD_BITS)
def test_stored_round_trip(w: int) -> None:
    """Each width, packed without gaps: the bytes of one long number."""

    @examples(25)
    @given(st.lists(st.integers(0, 2**w - 1), max_size=40))
    def check(words: list[int]) -> None:
        none, packed = Stored().encode(np.array(words, np.uint32), w)
        bits = "".join(format(word, f"0{w}b") for word in words)
        bits += "0" * (-len(bits) % 8)
        assert none == b""
        assert packed == int("0" + bits, 2).to_bytes(len(bits) // 8, "big")
        assert len(packed) == stored_bytes(len(words), w)
        decoded = Stored().decode(b"", packed, len(words), w)
        assert decoded.dtype == word_dtype(w)
        assert decoded.tolist() == words

    check()


@pytest.mark.parametrize("w", WORD_BITS)
def test_stored_is_strict(w: int) -> None:
    """Another size, a first stream, another count or a padding bit: none is let through."""
    words = np.arange(1, 4, dtype=np.uint32) & (2**w - 1)
    _, packed = Stored().encode(words, w)
    for znz, bpc, count in (
        (b"", packed[:-1], 3),
        (b"", packed + b"\0", 3),
        (b"\0", packed, 3),
        (packed, b"", 3),
        (b"", b"", 3),
        (b"", packed, 3 + 8),
        (b"", packed, 2**40),
        (b"", packed, 0),
        (b"", packed, -1),
    ):
        with pytest.raises(DamagedError, match=f"{count} stored words"):
            Stored().decode(znz, bpc, count, w)
    for bit in range(3 * w, 8 * len(packed)):
        damaged = bytearray(packed)
        damaged[bit // 8] |= 0x80 >> bit % 8
        with pytest.raises(DamagedError, match="padding"):
            Stored().decode(b"", bytes(damaged), 3, w)


def test_stored_by_hand() -> None:
    """Five bits each: 00001 11111 10000 0."""
    words = np.array([1, 31, 16], np.uint32)
    assert Stored().encode(words, 5) == (b"", bytes.fromhex("0fe0"))


# --- Descriptions -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "codec",
    [Stored(), Ebpc(), Ebpc(4, 2, "unsigned"), Ebpc(32, 64, "modular")],
    ids=repr,
)
def test_description_round_trip(codec: Ebpc | Stored) -> None:
    """A codec is built again from what it says of itself."""
    assert codec_from_description(codec.describe()) == codec


def test_descriptions_by_hand() -> None:
    """What stands in containers, for good."""
    assert Stored().describe() == {"name": "stored"}
    assert Ebpc().describe() == {
        "name": "ebpc",
        "block_size": 8,
        "max_burst": 16,
        "difference": "signed",
    }
    assert CODEC_NAMES == {
        0: "stored",
        1: "ebpc",
        2: "bpc",
        3: "zvc",
        4: "zrle",
        5: "csc",
        6: "rlc",
        7: "shapeshifter",
        8: "rice",
        9: "mask-rice",
        10: "huffman",
        11: "bdi",
    }
    assert {*CODECS} == {*CODEC_NAMES.values(), "auto"}
    assert [*CODECS][:2] == ["stored", "ebpc"]


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"block_size": 8},
        {"name": None},
        {"name": "EBPC"},
        {"name": "zstd", "level": 3},
        {"name": 1},
        {"name": ["ebpc"]},
        {"name": {}},
        {"name": "ebpc", "planes": 9},
        {"name": "stored", "block_size": 8},
        {"name": "ebpc", "number": 1},
    ],
    ids=str,
)
def test_unknown_description(description: dict[str, Any]) -> None:
    """Another version's codec or parameter is no damage; the description stays as it was."""
    before = dict(description)
    with pytest.raises(UnsupportedError, match="unknown"):
        codec_from_description(description)
    assert description == before
