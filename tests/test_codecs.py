"""Every codec but EBPC: its kernels against a reader written from docs/CODECS.md; counts; faults."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from typing import Any

import minimal_codecs
import numpy as np
import pytest
from conftest import JIT
from harness import examples, words
from hypothesis import given
from hypothesis import strategies as st

from fmcompress.codecs import CODECS, Codec, codec_from_description, codec_named
from fmcompress.codecs.auto import Auto
from fmcompress.errors import CodeFault, DamagedError, ParameterError, StreamError
from fmcompress.reference import WORD_BITS
from fmcompress.stream_words import word_dtype

# As users name them: each with its defaults, and with other parameters.
NAMED = (
    *("bpc", "bpc:block_size=4,difference=unsigned", "bpc:block_size=32,difference=modular"),
    *("zrle", "zrle:max_burst=2", "zrle:max_burst=64"),
    *("zvc", "zvc:group=8", "zvc:group=64"),
)
EACH = [codec_named(name) for name in NAMED]
# As EBPC's, these kernels have a second way, for machines without vector instructions.
each_codec = pytest.mark.parametrize("codec", EACH, ids=NAMED)
# Kernels are slow as plain Python, and wide words take long there.
WIDTHS = WORD_BITS if JIT else (1, 2, 3, 8, 11, 16, 32)


def test_every_codec_is_here() -> None:
    """EBPC and stored words have tests of their own: test_codec.py."""
    assert {codec.name for codec in EACH} | {"ebpc", "stored", "auto"} == set(CODECS)


def array(numbers: Sequence[int], w: int) -> np.ndarray[Any, Any]:
    return np.array(numbers, word_dtype(w))


def fitted(codec: Codec, numbers: Sequence[int], w: int) -> Codec:
    """The codec, knowing what it has to know of a layer with these words."""
    return codec.fitted(lambda: [array(numbers, w)], w)


def minimal(codec: Codec, first: bytes, second: bytes, count: int, w: int) -> list[int] | None:
    """What the reader from the documentation reads; None where it refuses."""
    try:
        return minimal_codecs.DECODERS[codec.name](codec.describe(), first, second, count, w)
    except minimal_codecs.Invalid:
        return None


def decoded(codec: Codec, first: bytes, second: bytes, count: int, w: int) -> list[int] | None:
    """What the codec reads; None where it refuses, with an error that says where."""
    try:
        found = codec.decode(first, second, count, w)
    except StreamError as error:
        places = [error.word <= count, error.bit <= 8 * max(len(first), len(second))]
        if not all([error.stream, min(error.word, error.bit) >= 0, *places]):
            raise AssertionError(f"no place in these streams: {error}") from error
        return None
    assert (found.dtype, found.shape) == (word_dtype(w), (count,))
    return found.tolist()


def check(codec: Codec, numbers: list[int], w: int) -> tuple[bytes, bytes]:
    """Both readers read what is written, and its size is what is measured."""
    codec = fitted(codec, numbers, w)
    first, second = codec.encode(array(numbers, w), w)
    assert minimal(codec, first, second, len(numbers), w) == numbers
    assert decoded(codec, first, second, len(numbers), w) == numbers
    sizes = codec.measure_chunks(array(numbers, w), w, max(len(numbers), 1))
    assert (sizes or [(0, 0)]) == [(len(first), len(second))]
    check_bounds(codec, len(numbers), w, first, second)
    return first, second


def check_bounds(codec: Codec, count: int, w: int, first: bytes, second: bytes) -> None:
    """No stream is longer than the codec says, and one without a bound is empty."""
    most_first, most_second = codec.most_bytes(count, w)
    assert len(first) <= most_first
    assert len(second) <= most_second


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[int], int]:
    """Words of any width, with runs and blocks around any of the parameters."""
    w = draw(st.sampled_from(WIDTHS))
    return draw(
        words(w, draw(st.sampled_from([4, 8, 16, 32])), draw(st.sampled_from([4, 16, 32])))
    ), w


@each_codec
def test_any_words(codec: Codec) -> None:
    """There and back, for the product and for the reader from the documentation."""

    @examples(150)
    @given(cases())
    def run(case: tuple[list[int], int]) -> None:
        check(codec, *case)

    run()


@each_codec
@pytest.mark.parametrize("w", [1, 2, 7, 8, 9, 16, 24, 31, 32])
def test_edges(codec: Codec, w: int) -> None:
    """No words, one, all alike; the extremes; runs around every length that a field can hold."""
    full, lowest = 2**w - 1, 2 ** (w - 1)
    for numbers in (
        *([], [0], [1], [full], [lowest], [full] * 70, [lowest] * 9, [1, full, lowest, 0] * 20),
        [lowest - 1, lowest] * 40,
        [1 << bit for bit in range(w)] * 3,
        *([0] * zeros for zeros in (15, 16, 17, 31, 32, 33, 64, 65, 100)),
        *([1, *[0] * zeros, full] for zeros in (15, 16, 17, 31, 32, 33, 63, 64, 65, 97)),
    ):
        check(codec, numbers, w)


@each_codec
def test_chunks_are_transmissions(codec: Codec) -> None:
    """Words cut to chunks are coded as each chunk alone, and decoded together."""
    random = np.random.default_rng(1)
    for w, size in ((8, 100), (8, 64), (5, 33), (16, 7)):
        numbers = (random.integers(0, 2**w, 500) * (random.random(500) < 0.6)).tolist()
        ready = fitted(codec, numbers, w)
        chunks = [numbers[at : at + size] for at in range(0, 500, size)]
        streams = ready.encode_chunks(array(numbers, w), w, size)
        assert streams == [ready.encode(array(chunk, w), w) for chunk in chunks]
        sizes = [(len(first), len(second)) for first, second in streams]
        assert ready.measure_chunks(array(numbers, w), w, size) == sizes
        back = ready.decode_chunks(
            [(*pair, len(chunk)) for pair, chunk in zip(streams, chunks, strict=True)], w
        )
        assert [found.tolist() for found in back] == chunks  # type: ignore[union-attr]


@each_codec
def test_any_layout_of_words(codec: Codec) -> None:
    """Words that are read-only, have gaps or another dtype are the same words."""
    numbers = [0, 5, 0, 0, 200, 255, 1, 0, 0, 0, 7] * 5
    ready = fitted(codec, numbers, 8)
    expected = ready.encode(array(numbers, 8), 8)
    gaps = np.repeat(array(numbers, 8), 2)[::2]
    gaps.flags.writeable = False
    assert ready.encode(gaps, 8) == expected
    assert ready.encode(np.array(numbers, np.uint32), 8) == expected


# --- Faults -------------------------------------------------------------------------------


@each_codec
def test_any_change_of_a_stream(codec: Codec) -> None:
    """A bit flipped, bytes cut, added or replaced: the same words, or refused by both readers."""

    @examples(250)
    @given(cases(), st.data())
    def run(case: tuple[list[int], int], data: st.DataObject) -> None:
        numbers, w = case
        ready = fitted(codec, numbers, w)
        streams = [bytearray(stream) for stream in ready.encode(array(numbers, w), w)]
        stream = streams[data.draw(st.sampled_from([0, 1, 1]))]
        kind = data.draw(st.sampled_from(["flip", "cut", "add", "replace"]))
        if kind == "add":
            stream += data.draw(st.binary(min_size=1, max_size=9))
        elif stream and kind == "cut":
            del stream[data.draw(st.integers(0, len(stream) - 1)) :]
        elif stream and kind == "flip":
            stream[data.draw(st.integers(0, len(stream) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        elif stream:
            at = data.draw(st.integers(0, len(stream) - 1))
            stream[at:] = data.draw(st.binary(max_size=24))
        first, second = map(bytes, streams)
        count = max(0, len(numbers) + data.draw(st.sampled_from([0, 0, 0, -1, 1, 40])))
        expected = minimal(ready, first, second, count, w)
        assert decoded(ready, first, second, count, w) == expected

    run()


@each_codec
def test_any_bytes(codec: Codec) -> None:
    """Streams of anything, for any number of words."""

    @examples(250)
    @given(
        st.sampled_from(WIDTHS),
        st.sampled_from([b"", b"", b"\0", b"\x80"]) | st.binary(max_size=6),
        st.binary(max_size=40),
        st.integers(0, 80),
    )
    def run(w: int, first: bytes, second: bytes, count: int) -> None:
        ready = fitted(codec, [1, 0, 2**w - 1, 2 ** (w - 1)] * 3, w)
        expected = minimal(ready, first, second, count, w)
        assert decoded(ready, first, second, count, w) == expected

    run()


@each_codec
def test_every_cut_and_every_flip(codec: Codec) -> None:
    """One stream, in full."""
    numbers = [*range(0, 250, 7), *[0] * 40, 3, 0, 3, 255, 128, 127]
    ready = fitted(codec, numbers, 8)
    streams = ready.encode(array(numbers, 8), 8)
    for number in (0, 1):
        for at in range(len(streams[number])):
            for changed in (
                streams[number][:at],
                *(
                    bytes(
                        [
                            *streams[number][:at],
                            streams[number][at] ^ 1 << bit,
                            *streams[number][at + 1 :],
                        ]
                    )
                    for bit in range(0, 8, 1 if JIT else 3)
                ),
            ):
                both = (changed, streams[1]) if number == 0 else (streams[0], changed)
                expected = minimal(ready, *both, len(numbers), 8)
                assert decoded(ready, *both, len(numbers), 8) == expected


@each_codec
@pytest.mark.parametrize("count", [2**24 + 1, 2**40, 2**62, 2**100])
def test_lying_count_is_refused_before_allocation(codec: Codec, count: int) -> None:
    """A few bytes must not cost gigabytes: no more than the longest transmission's words."""
    ready = fitted(codec, [1, 2, 3, 0], 8)
    with pytest.raises(DamagedError):
        ready.decode(b"\xff", b"\xff", 100, 8)  # compiles the kernel, which takes megabytes
    tracemalloc.start()
    try:
        with pytest.raises(DamagedError):
            ready.decode(b"", bytes(16), count, 8)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1.1 * (1 << 26)


# --- Parameters ---------------------------------------------------------------------------


@each_codec
def test_word_width_and_count_out_of_range(codec: Codec) -> None:
    for w in (-1, 0, 33, 64):
        with pytest.raises(ParameterError, match=f"{w} bits"):
            codec.encode(np.ones(1, np.uint32), w)
        with pytest.raises(ParameterError, match=f"{w} bits"):
            codec.measure_chunks(np.ones(1, np.uint32), w, 8)
        with pytest.raises(ParameterError, match=f"{w} bits"):
            codec.decode(b"", b"\x80\0\0\0", 1, w)
    with pytest.raises(ParameterError, match="less than 0"):
        codec.decode(b"", b"", -1, 8)


@each_codec
def test_description(codec: Codec) -> None:
    """A codec is built again from what it says of itself; what is unknown there is refused."""
    described = codec.describe()
    assert codec_from_description(described) == codec
    for parameter in set(described) - {"name"}:
        for wrong in (-3, 1 << 40, 2.5, None, [8], {}, "other"):
            with pytest.raises(DamagedError, match=parameter):
                codec_from_description({**described, parameter: wrong})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "choose from stored, ebpc"),
        ("zstd", "choose from stored, ebpc"),
        ("ZVC", "choose from stored, ebpc"),
        ("zvc:", "no parameter ''"),
        ("zvc:group", "group is ''"),
        ("zvc:group=33", "group is 33, not one of"),
        ("zvc:group=-8", "group is '-8'"),
        ("zvc:group=8,group=8", "group is given twice"),
        ("zvc:burst=8", "no parameter 'burst'; it has group"),
        ("stored:group=8", "no parameter 'group'; it has none"),
        ("ebpc:name=3", "no parameter 'name'"),
    ],
)
def test_a_name_that_is_none(text: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        codec_named(text)


def test_parameters_from_elsewhere() -> None:
    """Options, and what suits the words; what is said with the name comes first."""
    assert codec_named("ebpc", {"block_size": 16}, "unsigned").describe() == {
        "name": "ebpc",
        "block_size": 16,
        "max_burst": 16,
        "difference": "unsigned",
    }
    assert codec_named("bpc:difference=modular", {}, "unsigned").difference == "modular"  # type: ignore[attr-defined]
    with pytest.raises(ParameterError, match="block_size is given twice"):
        codec_named("ebpc:block_size=8", {"block_size": 16})
    with pytest.raises(ParameterError, match="no parameter 'max_burst'"):
        codec_named("bpc", {"max_burst": 16})


# --- By hand ------------------------------------------------------------------------------


def bits_of(stream: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in stream)


BY_HAND: dict[str, tuple[str, int, list[int], str]] = {
    # Two groups of eight: masks 01000001 and 100, words of 4 bits.
    "zvc": ("zvc:group=8", 4, [0, 5, 0, 0, 0, 0, 0, 15, 9, 0, 0], "01000001 0101 1111 100 1001"),
    # Runs of four and one, 5, a run of two, 15, a run of one: 1 + 2 or 1 + 4 bits each.
    "zrle": (
        *("zrle:max_burst=4", 4, [0, 0, 0, 0, 0, 5, 0, 0, 15, 0]),
        "011 000 10101 001 11111 000",
    ),
    # Five planes of zeros; then 5 and three words of padding: a difference of -5, 11011.
    "bpc": (
        *("bpc:block_size=4", 4, [5, 5, 5, 5, 5]),
        "0101 00111 0101 0001100 01 00001 0001100 01",
    ),
}


@pytest.mark.parametrize(("name", "w", "numbers", "bits"), BY_HAND.values(), ids=BY_HAND.keys())
def test_by_hand(name: str, w: int, numbers: list[int], bits: str) -> None:
    """Worked out with pencil and paper from the documentation."""
    _, second = check(codec_named(name), numbers, w)
    text = bits.replace(" ", "")
    assert bits_of(second) == text + "0" * (-len(text) % 8)


FAULTS: list[tuple[str, int, int, str, CodeFault, int, int]] = [
    # A run of two where one word is left; a zero as a word; too few bits of a run, and of a word.
    ("zrle:max_burst=4", 4, 2, "10101 001", CodeFault.RUN_TOO_LONG, 1, 5),
    ("zrle:max_burst=4", 4, 2, "000 10000", CodeFault.SYMBOL, 1, 3),
    ("zrle:max_burst=4", 4, 4, "001 000 00", CodeFault.TRUNCATED, 3, 6),
    ("zrle:max_burst=4", 4, 3, "000 000 11", CodeFault.TRUNCATED, 2, 6),
]


@pytest.mark.parametrize(("name", "w", "count", "bits", "fault", "word", "bit"), FAULTS)
def test_fault(
    name: str, w: int, count: int, bits: str, fault: CodeFault, word: int, bit: int
) -> None:
    """Found with pencil: what is wrong, and where."""
    codec, text = codec_named(name), bits.replace(" ", "")
    stream = int("0" + text, 2).to_bytes(len(text) // 8, "big")
    assert minimal(codec, b"", stream, count, w) is None
    with pytest.raises(StreamError) as caught:
        codec.decode(b"", stream, count, w)
    assert (caught.value.fault, caught.value.word, caught.value.bit) == (fault, word, bit)


# --- Auto ---------------------------------------------------------------------------------


def test_auto_takes_the_smallest_of_its_parts() -> None:
    random = np.random.default_rng(3)
    numbers = random.integers(0, 6, 3000) * (random.random(3000) < np.repeat([0.1, 0.5, 1], 1000))
    auto = Auto(16, 8, "unsigned")
    sizes = [part.measure_chunks(array(numbers.tolist(), 8), 8, 500) for part in auto.parts]
    best = [min(map(sum, chunk)) for chunk in zip(*sizes, strict=True)]
    assert [sum(pair) for pair in auto.measure_chunks(array(numbers.tolist(), 8), 8, 500)] == best
    assert [part.name for part in auto.parts] == ["ebpc", "bpc", "zvc"]


@pytest.mark.parametrize("w", [1, 8, 16])
def test_auto_is_bound_by_its_parts(w: int) -> None:
    auto = Auto()
    bounds = np.array([part.most_bytes(100, w) for part in auto.parts])
    assert auto.most_bytes(100, w) == tuple(bounds.max(axis=0))


def test_auto_has_no_streams_of_its_own() -> None:
    for call in (
        lambda: Auto().encode(np.ones(3, np.uint8), 8),
        lambda: Auto().decode(b"", b"", 3, 8),
    ):
        with pytest.raises(ParameterError, match="its parts"):
            call()
    with pytest.raises(ParameterError, match="block_size"):
        Auto(block_size=7)
