"""Every codec but EBPC: its kernels against a reader written from docs/CODECS.md; counts; faults."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from typing import Any

import minimal_codecs
import numpy as np
import pytest
from conftest import JIT, USUAL
from harness import examples, words
from hypothesis import given
from hypothesis import strategies as st

from fmcompress.codecs import (
    CODECS,
    Codec,
    by_transmission,
    codec_from_description,
    codec_named,
)
from fmcompress.codecs.auto import Auto
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.codecs.signed_words import all_fitted
from fmcompress.codecs.stored import Stored
from fmcompress.errors import CodeFault, DamagedError, ParameterError, StreamError
from fmcompress.kernels.bits import BEHIND, SECOND
from fmcompress.reference import WORD_BITS
from fmcompress.stream_words import word_dtype

# As users name them: each with its defaults, and with other parameters.
NAMED = (
    *("bpc", "bpc:block_size=4,difference=unsigned", "bpc:block_size=32,difference=modular"),
    *("zrle", "zrle:max_burst=2", "zrle:max_burst=64"),
    *("zvc", "zvc:group=8", "zvc:group=64"),
    *("huffman", "huffman:signed=no"),
    *("shapeshifter", "shapeshifter:group=8,signed=no", "shapeshifter:group=256"),
    *("rice", "rice:block=8,signed=no", "rice:block=128"),
    *("mask-rice", "mask-rice:block=8", "mask-rice:block=128,signed=no"),
    "bdi",
    *("csc", "csc:distance=2", "csc:distance=256"),
    *("rlc", "rlc:run_bits=2", "rlc:run_bits=8"),
)
if not USUAL:  # what differs by parameters alone has no lines of its own, but for these
    NAMED = tuple(name for name in NAMED if ":" not in name or name == "huffman:signed=no")
EACH = [codec_named(name) for name in NAMED]
each_codec = pytest.mark.parametrize("codec", EACH, ids=NAMED)
# Kernels are slow as plain Python, and wide words take long there.
WIDTHS = WORD_BITS if JIT else (1, 2, 3, 8, 11, 16, 32)
# Around every length that a field can hold.
RUNS = (1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97, 128, 255, 256, 257, 512, 513)


def test_every_codec_is_here() -> None:
    """EBPC and stored words have tests of their own: test_codec.py."""
    assert {codec.name for codec in EACH} | {"ebpc", "stored", "auto"} == set(CODECS)


def test_constants_agree() -> None:
    """Codecs and kernels share no line, but these numbers."""
    assert (by_transmission.BEHIND, by_transmission._SECOND) == (BEHIND, SECOND)


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

    @examples(90)
    @given(cases())
    def run(case: tuple[list[int], int]) -> None:
        check(codec, *case)

    run()


@each_codec
@pytest.mark.parametrize("w", [1, 2, 7, 8, 9, 16, 24, 31, 32] if JIT else [1, 7, 9, 32])
def test_edges(codec: Codec, w: int) -> None:
    """No words, one, all alike; the extremes; runs."""
    full, lowest = 2**w - 1, 2 ** (w - 1)
    for numbers in (
        *([], [0], [1], [full], [lowest], [full] * 70, [lowest] * 9, [1, full, lowest, 0] * 20),
        [lowest - 1, lowest] * 40,
        [1 << bit for bit in range(w)] * 3,
        *([0] * zeros for zeros in RUNS),
        *([1, *[0] * zeros, full] for zeros in RUNS),
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

    @examples(120)
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

    @examples(120)
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


@pytest.mark.parametrize("name", ["shapeshifter", "rice", "mask-rice", "huffman"])
def test_the_sign_is_what_suits_the_words(name: str) -> None:
    """Whatever elements were: the smaller one, unless a user says which."""
    around_zero = [0, 1, 0xFFFE, 2, 0xFFFF, 0, 0, 0xFFFD, 3, 0xFFF8] * 20
    from_zero = [0, 1, 9, 0x7100, 0x6004, 0, 0, 3, 0x40FF, 0x7FFE] * 20
    for numbers, signed in ((around_zero, True), (from_zero, False)):
        for difference in ("signed", "unsigned"):
            found = fitted(codec_named(name, {}, difference), numbers, 16)
            assert found.describe()["signed"] is signed
            told = fitted(codec_named(f"{name}:signed={'no' if signed else 'yes'}"), numbers, 16)
            assert told.describe()["signed"] is not signed
            sizes = {
                codec: sum(map(len, codec.encode(array(numbers, 16), 16)))
                for codec in (found, told)
            }
            # A positive number is of one category, be it signed or not.
            assert sizes[found] < sizes[told] + (name == "huffman")
            check(found, numbers, 16)


@pytest.mark.parametrize("codec", [*EACH, Ebpc(), Stored()], ids=str)
def test_words_wider_than_w(codec: Codec) -> None:
    """Refused, the first of them by its index; none is cut to w bits."""
    for numbers, w in (([1, 300, 2, 301], 8), ([0, 8, 9], 3), ([0, 2**31], 31)):
        ready = fitted(codec, [0, 1, 2], w)
        words = np.array(numbers, np.uint8 if w == 3 else np.uint32)
        refused = f"word 1, which is {numbers[1]}, has "
        with pytest.raises(ParameterError, match=refused):
            ready.encode(words, w)
        if codec != Stored():  # whose sizes do not depend on words
            with pytest.raises(ParameterError, match=refused):
                ready.measure_chunks(words, w, 2)
    most = np.full(9, 2**32 - 1, np.uint32)
    assert fitted(codec, most.tolist(), 32).encode(most, 32) != (b"", b"")


def test_a_transmission_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the transmission that counts, not all words."""
    monkeypatch.setattr(by_transmission, "MOST_TRANSMISSION_WORDS", 10)
    words = np.ones(25, np.uint8)
    assert len(codec_named("zvc").encode_chunks(words, 8, 10)) == 3
    for longest, chunk_words in ((11, 11), (25, 1000)):
        with pytest.raises(ParameterError, match=f"has {longest} words, more than 10"):
            codec_named("zvc").measure_chunks(words, 8, chunk_words)


def test_codecs_are_fitted_together() -> None:
    """As each by itself; words are read for their sign once, and once more for Huffman's table."""
    looked: list[int] = []
    numbers = [0, 1, 2, 255, 3, 0, 254]

    def words() -> list[np.ndarray]:
        looked.append(1)
        return [array(numbers, 8)]

    assert all_fitted(EACH, words, 8) == [fitted(codec, numbers, 8) for codec in EACH]
    assert len(looked) == 1 + sum(codec.name == "huffman" for codec in EACH)


@each_codec
def test_description(codec: Codec) -> None:
    """A codec is built again from what it says of itself; what is unknown there is refused."""
    for ready in (codec, fitted(codec, [1, 2, 2, 0, 255], 8)):
        described = ready.describe()
        assert codec_from_description(described) == ready
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
        pytest.param(f"zvc:group={'9' * 5000}", "group is '9{5000}', not one of", id="digits"),
        ("zvc:group=8,group=8", "group is given twice"),
        ("zvc:burst=8", "no parameter 'burst'; it has group"),
        ("huffman:lengths=11", "no parameter 'lengths'; it has signed"),
        ("huffman:signed=1", "signed is 1, not one of yes, no"),
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


def streams_of(bits: str) -> tuple[bytes, bytes]:
    """Both streams, padded to bytes: the second alone, or both with a ``|`` between them."""
    *first, second = bits.replace(" ", "").split("|")
    padded = [text + "0" * (-len(text) % 8) for text in ("".join(first), second)]
    one, two = (
        bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8)) for text in padded
    )
    return one, two


AROUND_1000 = [1000, 1001, 999, 3, 2**32 - 1, *[1000] * 11]
NOISE = [0x9E3779B9 * i % 2**32 for i in range(1, 17)]
BY_HAND: dict[str, tuple[str, int, list[int], str]] = {
    # Two groups of eight: masks 01000001 and 100, words of 4 bits.
    "zvc": ("zvc:group=8", 4, [0, 5, 0, 0, 0, 0, 0, 15, 9, 0, 0], "01000001 0101 1111 100 1001"),
    # Runs of four and one, 5, a run of two, 15, a run of one: 1 + 2 or 1 + 4 bits each.
    "zrle": (
        *("zrle:max_burst=4", 4, [0, 0, 0, 0, 0, 5, 0, 0, 15, 0]),
        "011 000 10101 001 11111 000",
    ),
    # The code of docs/CODECS.md: lengths 3, 1, 2, 3.
    "huffman": ("huffman", 2, [1, 2, 0, 1, 1, 3, 2, 1], "0 10 110 0 0 111 10 0"),
    # The same code for categories 0, 1, 3 and 9: 0, 1, -1, 5, 0, -256, 0, 0.
    "huffman of wide words": (
        *("huffman", 9, [0, 1, 511, 5, 0, 256, 0, 0]),
        "0 101 100 110101 0 111011111111 0 0",
    ),
    # Magnitudes 5, 1, 2: 3 bits; a group of zeros; -8, 4 bits, in a group of two.
    "shapeshifter": (
        *("shapeshifter:group=8", 4, [0, 5, 15, 0, 0, 0, 0, 14, *[0] * 8, 8, 0]),
        "01100001 10 0101 1001 1010 00000000 10 11 11000",
    ),
    # Without signs; 1 and 2 take 2 bits.
    "shapeshifter unsigned": (
        *("shapeshifter:group=8,signed=no", 4, [0, 5, 15, 0, 0, 0, 0, 14, 1, 2]),
        "01100001 11 0101 1111 1110 11 01 01 10",
    ),
    # u is 0 to 4, 0, 0, 254: 49 bits with k = 0, 50 with k = 1, where 127 ones are too many, too;
    # then 10, 11, 8: 15 bits with k = 2 and with k = 3.
    "rice": (
        *("rice:block=8", 8, [0, 255, 1, 254, 2, 0, 0, 127, 5, 250, 4]),
        f"000 0 10 110 1110 11110 0 0 {'1' * 24} 11111110  010 11010 11011 11000",
    ),
    # 23 ones still are a code; 24 are not: 44 bits, as with k = 1.
    "rice unsigned": (
        *("rice:block=16,signed=no", 5, [23, *[0] * 15, 24, *[0] * 15]),
        f"000 {'1' * 23}0 {'0' * 15}  000 {'1' * 24} 11000 {'0' * 15}",
    ),
    # u - 1 is 1, 0, 5: 8 bits with k = 1.
    "mask-rice": ("mask-rice:block=8", 8, [0, 1, 255, 0, 0, 3, 0], "0110010 | 001 01 00 1101"),
    # Eight words of a block are full before the last zeros, and none begins.
    "mask-rice unsigned": (
        *("mask-rice:block=8,signed=no", 2, [1, 1, 2, 1, 0, 1, 1, 1, 1, 0, 0, 0]),
        "111101111000 | 0 0 0 10 0 0 0 0 0",
    ),
    # Zeros; a value of 8 bytes; 1000 and around, and 3 and -1, by bytes; noise as it is; and a line
    # with one word and a gap behind it.
    "bdi": (
        *("bdi", 32, [*[0] * 16, *[7, 9] * 8, *AROUND_1000, *NOISE, 2**31]),
        (
            f"0000 00000000  0001 {7:032b} {9:032b}"
            f"  0101 11100{'1' * 11} {1000:032b} {0:08b} {1:08b} {255:08b} {3:08b} {255:08b} {0:088b}"
            f"  1111 {''.join(f'{word:032b}' for word in NOISE)}"
            f"  0010 1{'0' * 7} {2**31:032b} {0:032b} {0:064b}"
        ),
    ),
    # Elements of two bytes, near 0 or 0x1000, would take 308 bits as do these of four.
    "bdi tie": (
        *("bdi", 32, [0x10000001, 0x10001001, 0x10001001, 0x10000001] * 4),
        f"0110 {'1' * 16} {0x10000001:032b} "
        + f"{0:016b} {0x1000:016b} {0x1000:016b} {0:016b}" * 4,
    ),
    # 5 behind one zero; 9 behind none; four zeros as a filler and 15 behind two more; zeros.
    "csc": (
        *("csc:distance=4", 4, [0, 5, 9, 0, 0, 0, 0, 0, 0, 15, 0, 0, 0]),
        "010101 001001 110000 101111",
    ),
    # Three pairs of 5 + 16 bits; then 40 zeros as 32 and 8, no third pair, and the end.
    "rlc": (
        *("rlc", 16, [0, 1, 2, 3, *[0] * 40]),
        f"00001 {1:016b} 00000 {2:016b} 00000 {3:016b} 0 11111 {0:016b} 00111 {0:016b} {0:021b} 1",
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
    streams = check(codec_named(name), numbers, w)
    assert streams == streams_of(bits)


# How many words, the streams, and what is wrong with one: of which word, in which bit.
FAULTS: dict[str, tuple[str, int, int, str, CodeFault, int, int]] = {
    "a mask cut short": ("shapeshifter", 4, 9, "00000000", CodeFault.TRUNCATED, 0, 0),
    "no room for a width": ("shapeshifter", 4, 7, "00001110", CodeFault.TRUNCATED, 4, 7),
    "a width above w": ("shapeshifter", 5, 3, "001 101 00", CodeFault.SYMBOL, 2, 3),
    "a word cut short": ("shapeshifter", 8, 2, "11 010 0 11", CodeFault.TRUNCATED, 0, 5),
    "a magnitude of 0": ("shapeshifter", 4, 2, "11 01 0 10 0 00 000000", CodeFault.SYMBOL, 1, 7),
    "as positive as none": ("shapeshifter", 4, 1, "1 11 01000", CodeFault.SYMBOL, 0, 3),
    "a width too large": ("shapeshifter", 4, 2, "11 10 0001 1011", CodeFault.SYMBOL, 0, 2),
    "no room for a k": ("rice:block=8", 17, 9, "00000 00000000", CodeFault.TRUNCATED, 8, 13),
    "k above w": ("rice", 5, 1, "101 0 0000", CodeFault.SYMBOL, 0, 0),
    "ones to the end": ("rice", 4, 3, "00 0 0 1111", CodeFault.TRUNCATED, 2, 4),
    "u above w bits": ("rice", 4, 2, "01 00 1111111101", CodeFault.SYMBOL, 1, 4),
    "an escape for nothing": ("rice", 5, 1, f"000 {'1' * 24} 10111", CodeFault.SYMBOL, 0, 3),
    "an escape cut short": ("rice", 8, 1, f"000 {'1' * 24} 11000", CodeFault.TRUNCATED, 0, 3),
    "a Rice code left": ("rice", 2, 2, "0 0 0 0 0 0 0 0 0", CodeFault.LEFT_OVER, 2, 8),
    "a mask without end": ("mask-rice", 8, 9, "00000000 |", CodeFault.TRUNCATED, 8, 8),
    "a mask of more": ("mask-rice", 8, 8, "00000000 0 |", CodeFault.LEFT_OVER, 8, 8),
    "a mask of one more": ("mask-rice", 8, 7, "00000001 |", CodeFault.PADDING, 7, 7),
    "a mask alone": ("mask-rice", 8, 7, "0000010 |", CodeFault.TRUNCATED, 5, 0),
    "a word for no mask": ("mask-rice", 8, 7, "0000000 | 000 00000", CodeFault.LEFT_OVER, 7, 0),
    "u - 1 too large": ("mask-rice", 2, 2, "11 | 1 00 101", CodeFault.SYMBOL, 1, 3),
    "a run too long": ("zrle:max_burst=4", 4, 2, "10101 001", CodeFault.RUN_TOO_LONG, 1, 5),
    "a zero as a word": ("zrle:max_burst=4", 4, 2, "000 10000", CodeFault.SYMBOL, 1, 3),
    "a run cut short": ("zrle:max_burst=4", 4, 4, "001 000 00", CodeFault.TRUNCATED, 3, 6),
    "a flag alone": ("zrle:max_burst=4", 4, 3, "000 000 11", CodeFault.TRUNCATED, 2, 6),
    "no room for a line": ("bdi", 8, 65, "0000 00000000 000", CodeFault.TRUNCATED, 64, 12),
    "a line cut short": ("bdi", 8, 64, f"0001 {0:060b}", CodeFault.TRUNCATED, 0, 0),
    "no such scheme": ("bdi", 24, 22, f"0000 {0:08b} 1000 0000", CodeFault.SYMBOL, 21, 12),
    "the next but none": ("bdi", 8, 1, f"1110 {0:012b}", CodeFault.SYMBOL, 0, 0),
    "zeros that are ones": ("bdi", 8, 1, "0000 00000001", CodeFault.SYMBOL, 0, 4),
    "words behind the last": ("bdi", 8, 63, f"1111 {1:0512b}", CodeFault.PADDING, 63, 0),
    "a line too many": ("bdi", 8, 64, f"0000 {0:020b}", CodeFault.LEFT_OVER, 64, 16),
    "something before lines": ("bdi", 8, 1, f"0 | {0:012b}", CodeFault.LEFT_OVER, 0, 0),
    "a zero behind a zero": ("csc:distance=4", 4, 9, "001001 010000 0000", CodeFault.SYMBOL, 1, 6),
    "a zero behind none": ("csc:distance=4", 4, 9, "001001 000000 0001", CodeFault.SYMBOL, 1, 6),
    "a filler at the end": ("csc:distance=4", 4, 9, "001001 110000 0000", CodeFault.SYMBOL, 5, 6),
    "a long filler": ("csc:distance=4", 4, 4, "001001 110000 0000", CodeFault.RUN_TOO_LONG, 1, 6),
    "a word too far": ("csc:distance=4", 4, 4, "001001 110001 0000", CodeFault.RUN_TOO_LONG, 1, 6),
    "half a pair": ("csc:distance=4", 4, 9, "001001 01", CodeFault.TRUNCATED, 1, 6),
    "a byte of zeros": ("csc:distance=4", 4, 9, "001001 00 00000000", CodeFault.LEFT_OVER, 9, 8),
    "a level of zero": ("rlc:run_bits=2", 4, 9, f"010101 110000 {1:052b}", CodeFault.SYMBOL, 6, 12),
    "a run beyond the last": (
        "rlc:run_bits=2",
        4,
        3,
        f"010101 010101 {1:052b}",
        CodeFault.RUN_TOO_LONG,
        2,
        6,
    ),
    "padding of 1": ("rlc:run_bits=2", 4, 2, f"010101 {3:058b}", CodeFault.PADDING, 2, 62),
    "no last bus word": ("rlc:run_bits=2", 4, 2, f"010101 {0:058b}", CodeFault.SYMBOL, 2, 63),
    "half a bus word": ("rlc:run_bits=2", 4, 2, f"010101 {1:050b}", CodeFault.TRUNCATED, 0, 0),
    "a byte behind": (
        "rlc:run_bits=2",
        4,
        2,
        f"010101 {1:058b} {0:08b}",
        CodeFault.LEFT_OVER,
        2,
        64,
    ),
    "the last one first": (
        "rlc:run_bits=8",
        32,
        2,
        f"{5:040b} {1:024b} {5:040b} {1:024b}",
        CodeFault.SYMBOL,
        1,
        63,
    ),
    "zeros, then a bit": ("shapeshifter", 4, 2, "00 000100", CodeFault.PADDING, 2, 5),
}


@pytest.mark.parametrize(
    ("name", "w", "count", "bits", "fault", "word", "bit"), FAULTS.values(), ids=FAULTS.keys()
)
def test_faults_by_hand(
    name: str, w: int, count: int, bits: str, fault: CodeFault, word: int, bit: int
) -> None:
    """Refused, and where."""
    codec = codec_named(name)
    assert minimal(codec, *streams_of(bits), count, w) is None
    with pytest.raises(StreamError) as caught:
        codec.decode(*streams_of(bits), count, w)
    assert (caught.value.fault, caught.value.word, caught.value.bit) == (fault, word, bit)


@pytest.mark.parametrize("w", [1, 2, 5, 8, 16, 32])
def test_rice_takes_the_best_k(w: int) -> None:
    """Readers take any k; the one written is that with the fewest bits, the smallest of several."""
    random = np.random.default_rng(w)
    field_bits = (w - 1).bit_length()
    for most in range(1, w + 1):
        numbers = random.integers(0, 2**most, 16).tolist()
        sizes = [
            sum((u >> k) + 1 + k if u >> k < 24 else 24 + w for u in numbers) for k in range(w)
        ]
        _, stream = check(codec_named("rice:block=16,signed=no"), numbers, w)
        assert stream[0] >> (8 - field_bits) == sizes.index(min(sizes))
        assert len(stream) == -(-(field_bits + min(sizes)) // 8)


@pytest.mark.parametrize(
    ("scheme", "size", "delta_size", "bits"),
    [
        (2, 8, 1, 140),
        (3, 8, 2, 204),
        (4, 8, 4, 332),
        (5, 4, 1, 180),
        (6, 4, 2, 308),
        (7, 2, 1, 308),
    ],
)
def test_bdi_has_each_scheme(scheme: int, size: int, delta_size: int, bits: int) -> None:
    """Elements at both ends of what a delta holds, by zero and by a base; one beyond does not fit."""
    half, base = 256**delta_size // 2, 256**size // 3
    near = [-half, half - 1, base, base - half, base + half - 1, *[base] * 59][: 64 // size]
    for last, fits in ((base, True), (base + half, False), (base - half - 1, False)):
        elements = [element % 256**size for element in (*near[:-1], last)]
        line = b"".join(element.to_bytes(size, "big") for element in elements)
        _, stream = check(codec_named("bdi"), [*line], 8)
        assert (stream[0] >> 4 == scheme) == fits
        assert (len(stream) == -(-bits // 8)) == fits


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
