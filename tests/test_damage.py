"""Damage anywhere in a container is found; hostile containers with right checksums are refused."""

from __future__ import annotations

import bz2
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import hostile
import numpy as np
import pytest
from conftest import AGAIN
from hostile import EBPC, INT8, assert_refused, chunk, container, dump, layers, npy, row, template
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fmcompress
from fmcompress import records
from fmcompress.errors import (
    DamagedError,
    FmcError,
    StreamError,
    StreamFault,
    UnsupportedError,
)
from fmcompress.listing import list_layers
from fmcompress.records import Kind
from fmcompress.reference import encode

WORDS = [1, 0, 0, 5]
HEAD = hostile.npy_head(len(WORDS))
END = len(HEAD) + len(WORDS)
AT_HEAD: dict[str, Any] = {"place": {"offset": len(HEAD)}}
# Under another Python, a few steps will do, spread over the file.
STRIDE = 23 if AGAIN else 1


def small_dump() -> bytes:
    """Make an NPZ: several chunks, a chunk that is stored, a layer that is carried."""
    noise = np.random.default_rng(5).integers(-128, 128, 24, np.int8)
    maps = np.zeros(40, np.int8)
    maps[::3] = 7
    file = io.BytesIO()
    np.savez(file, maps=maps, noise=noise, scales=np.float64([0.5]))
    return file.getvalue()


@pytest.fixture(scope="module")
def dumped() -> bytes:
    return small_dump()


@pytest.fixture(scope="module")
def packed(dumped: bytes) -> bytes:
    """Give the small dump's container: under 3 kB, so that each of its bits can be flipped."""
    target = io.BytesIO()
    fmcompress.compress(io.BytesIO(dumped), target, chunk_words=16)
    data = target.getvalue()
    with fmcompress.open(io.BytesIO(data)) as file:
        assert [chunk.codec for chunk in file["maps"].chunks] == [1, 1, 1]
        assert [chunk.codec for chunk in file["noise"].chunks] == [0, 0]
        assert file["scales"].carried
    assert len(data) < 3000
    return data


def check_found(data: bytes, folder: Path, codes: tuple[int, ...] = (3, 4)) -> str:
    """Check that verify and decompress both find the damage; return all that they say."""
    reports: list[str] = []
    try:
        reports += [str(damage) for damage in fmcompress.verify(io.BytesIO(data)).damages]
    except (DamagedError, UnsupportedError) as error:
        reports.append(str(error))
    assert reports, "verify found nothing"
    with pytest.raises(FmcError) as caught:
        fmcompress.decompress(io.BytesIO(data), folder / "restored")
    assert caught.value.exit_code in codes
    assert not [*folder.iterdir()]
    return "\n".join([*reports, str(caught.value)])


# --- Accidents -----------------------------------------------------------------------------


def test_the_whole_file_is_whole(packed: bytes, dumped: bytes) -> None:
    target = io.BytesIO()
    fmcompress.decompress(io.BytesIO(packed), target)
    assert target.getvalue() == dumped
    assert fmcompress.verify(io.BytesIO(packed)).damages == []


@pytest.mark.parametrize("eighth", range(8))
def test_every_flipped_bit(packed: bytes, tmp_path: Path, eighth: int) -> None:
    for at in range(0, len(packed), STRIDE):
        check_found(flipped(packed, at, eighth), tmp_path)


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)


def test_every_cut(packed: bytes, tmp_path: Path) -> None:
    for size in range(0, len(packed), STRIDE):
        text = check_found(packed[:size], tmp_path, (3,))
        for line in text.splitlines():
            assert re.search(r"ends within|empty", line), (size, line)
        assert re.search("interrupted|cut", text), (size, text)
        with pytest.raises(DamagedError, match=r"interrupted|cut"):
            fmcompress.open(io.BytesIO(packed[:size]))


@pytest.mark.parametrize("more", [b"\0", b"\xff", b"inserted"])
def test_bytes_inserted_anywhere(packed: bytes, tmp_path: Path, more: bytes) -> None:
    for at in range(0, len(packed) + 1, 3 * STRIDE):
        check_found(packed[:at] + more + packed[at:], tmp_path, (3,))


def test_bytes_left_out_anywhere(packed: bytes, tmp_path: Path) -> None:
    for at in range(0, len(packed), 3 * STRIDE):
        check_found(packed[:at] + packed[at + 1 :], tmp_path, (3,))


def test_bytes_zeroed_anywhere(packed: bytes, tmp_path: Path) -> None:
    for at in range(0, len(packed) - 16, 7 * STRIDE):
        check_found(packed[:at] + bytes(16) + packed[at + 16 :], tmp_path, (3,))


def test_trailing_garbage(packed: bytes, tmp_path: Path) -> None:
    for garbage in (b"\n", b"\0" * 4096, packed[-records.TRAILER_BYTES :]):
        text = check_found(packed + garbage, tmp_path, (3,))
        assert f"more data behind the end, from byte {len(packed)} on" in text


def test_two_containers_one_after_the_other(packed: bytes, tmp_path: Path) -> None:
    check_found(packed + packed, tmp_path, (3,))
    check_found(packed + npy(WORDS), tmp_path, (3,))


def test_records_swapped_doubled_or_lost(packed: bytes, tmp_path: Path) -> None:
    spans = hostile.record_spans(packed)
    parts = [packed[start:end] for _, start, end in spans]
    start, end = spans[0][1], spans[-1][2]
    for i in range(len(parts)):
        without = [*parts[:i], *parts[i + 1 :]]
        changed = [without, [*parts[: i + 1], *parts[i:]]]
        for j in range(i + 1, len(parts)):
            swapped = [*parts]
            swapped[i], swapped[j] = parts[j], parts[i]
            changed.append(swapped)
        for order in changed:
            check_found(packed[:start] + b"".join(order) + packed[end:], tmp_path, (3,))


def chunk_spans(data: bytes) -> list[tuple[int, int]]:
    return [(start, end) for kind, start, end in hostile.record_spans(data) if kind == Kind.CHUNK]


def test_a_chunk_of_the_same_size_in_anothers_place(packed: bytes, tmp_path: Path) -> None:
    (first, end), (second, end2) = chunk_spans(packed)[3], chunk_spans(packed)[0]
    size = min(end - first, end2 - second)
    check_found(
        packed[:first] + packed[second : second + size] + packed[first + size :], tmp_path, (3,)
    )


def test_verify_names_layer_and_chunk(packed: bytes) -> None:
    places = [("maps", 0), ("maps", 1), ("maps", 2), ("noise", 0), ("noise", 1)]
    for (start, end), place in zip(chunk_spans(packed), places, strict=True):
        for at in (start, start + 9, start + records.HEAD_BYTES, end - 1):
            result = fmcompress.verify(io.BytesIO(flipped(packed, at)))
            assert [(d.layer, d.chunk) for d in result.damages] == [place]
            assert str(result.damages[0]).startswith(f"layer '{place[0]}', chunk {place[1]}: ")
            assert (result.layers, result.chunks) == (3, 4)


def test_verify_goes_on_behind_a_damage(packed: bytes) -> None:
    spans = chunk_spans(packed)
    data = flipped(flipped(packed, spans[1][1] - 1), spans[4][0] + 20)
    result = fmcompress.verify(io.BytesIO(data))
    assert [(d.layer, d.chunk) for d in result.damages] == [("maps", 1), ("noise", 1)]
    assert not result.ok
    template_at = next(start for kind, start, _ in hostile.record_spans(packed) if kind == 2)
    result = fmcompress.verify(io.BytesIO(flipped(data, template_at + 40)))
    assert [(d.layer, d.chunk) for d in result.damages[1:]] == [("maps", 1), ("noise", 1)]
    assert result.damages[0].layer is None


def test_verify_of_a_pipe_names_the_first_damage(packed: bytes) -> None:
    data = flipped(packed, chunk_spans(packed)[3][1] - 1)
    result = fmcompress.verify(hostile.Pipe(data))  # type: ignore[arg-type]
    assert [(d.layer, d.chunk) for d in result.damages] == [("noise", 0)]


def test_other_layers_of_a_damaged_file_can_still_be_read(packed: bytes, dumped: bytes) -> None:
    data = flipped(packed, chunk_spans(packed)[3][1] - 1)
    with fmcompress.open(io.BytesIO(data)) as file, np.load(io.BytesIO(dumped)) as arrays:
        assert np.array_equal(file["maps"], arrays["maps"])
        assert np.array_equal(file["noise"][16:], arrays["noise"][16:])
        with pytest.raises(DamagedError, match=r"layer 'noise': chunk 0: .*checksum"):
            file["noise"][:3]


def test_a_restored_layer_is_not_left_when_a_later_one_is_damaged(
    packed: bytes, tmp_path: Path
) -> None:
    (tmp_path / "old").write_bytes(b"precious")
    data = flipped(packed, chunk_spans(packed)[-1][1] - 1)
    with pytest.raises(DamagedError, match="record at byte"):
        fmcompress.decompress(io.BytesIO(data), tmp_path / "old")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("old", b"precious")]


# --- Right checksums, wrong content --------------------------------------------------------


@pytest.fixture(autouse=True, scope="module")
def _warm() -> None:
    """Load all that decoding loads, so that it is not counted as memory."""
    target = io.BytesIO()
    fmcompress.decompress(io.BytesIO(npy(WORDS)), target)
    assert target.getvalue() == HEAD + bytes(WORDS)


def streams(words: list[int], flip: tuple[int, int] | None = None) -> tuple[bytes, bytes]:
    znz, bpc = encode(words, 8)
    if flip is not None:
        bpc = flipped(bpc, *flip)
    return znz, bpc


def lying_chunks() -> Iterator[Any]:
    znz, bpc = streams(WORDS)
    yield pytest.param(hostile.raw_chunk(4, 1, znz, bpc), "number of zero words", id="zero count")
    yield pytest.param(hostile.raw_chunk(4, 5, znz, bpc), "impossible sizes", id="zeros > words")
    yield pytest.param(hostile.raw_chunk(3, 2, znz, bpc), "holds 3 words, not 4", id="words")
    yield pytest.param(hostile.raw_chunk(0, 0, znz, bpc), "impossible sizes", id="no words")
    huge = hostile.raw_chunk(2**32 - 1, 2, znz, bpc)
    yield pytest.param(huge, "impossible sizes", id="2^32 words")
    payload = (4).to_bytes(4, "little") + (2).to_bytes(4, "little") + b"\xff" * 4 + znz + bpc
    yield pytest.param(hostile.Part(Kind.CHUNK, 1, payload), "impossible", id="znz past the end")
    yield pytest.param(
        hostile.raw_chunk(4, 2, b"", bpc), "word 0, bit 0: the stream ends too early", id="no znz"
    )
    yield pytest.param(chunk(WORDS)._replace(code=99), "unknown codec number 99", id="codec")
    other = chunk(WORDS)._replace(code=9)
    yield pytest.param(other, "mask-rice is not how its layer is coded", id="another codec")
    stored = hostile.raw_chunk(4, 2, b"", bytes(WORDS) + b"\0", codec=0)
    yield pytest.param(stored, "do not take", id="stored too long")
    stored = hostile.raw_chunk(4, 2, b"x", bytes(WORDS), codec=0)
    yield pytest.param(stored, "do not take", id="stored with znz")


@pytest.mark.parametrize(("part", "message"), [*lying_chunks()])
def test_a_chunk_that_lies(part: hostile.Part, message: str, tmp_path: Path) -> None:
    error = assert_refused(npy(WORDS, part), tmp_path)
    assert message in str(error)


@pytest.mark.parametrize(
    ("cut", "fault"),
    [
        (lambda znz, bpc: (znz, bpc[:-1]), StreamFault.BPC_TRUNCATED),
        (lambda znz, bpc: (znz, bpc[:1]), StreamFault.BPC_TRUNCATED),
        (lambda znz, bpc: (znz, b""), StreamFault.BPC_TRUNCATED),
        (lambda znz, bpc: (znz[:-1], bpc), StreamFault.ZNZ_TRUNCATED),
        (lambda znz, bpc: (znz + b"\0", bpc), StreamFault.ZNZ_LEFT_OVER),
        (lambda znz, bpc: (znz, bpc + b"\0"), StreamFault.BPC_LEFT_OVER),
        (lambda znz, bpc: (flipped(znz, -1), bpc), StreamFault.ZNZ_PADDING),
    ],
)
def test_streams_that_end_early_or_late(
    cut: Callable[[bytes, bytes], tuple[bytes, bytes]], fault: StreamFault, tmp_path: Path
) -> None:
    words = [3, 0, 9, 1, 0, 0, 250, 8, 1, 2] * 2
    second = words[10:]
    bad = hostile.raw_chunk(10, second.count(0), *cut(*encode(second, 8)))
    data = npy(words, chunk(words[:10]), bad, chunk_words=10)
    error = assert_refused(data, tmp_path)
    assert isinstance(error, StreamError)
    assert error.fault == fault
    where = f"layer 'arr_0': chunk 1: {fault.stream} stream, word {error.word}, bit {error.bit}: "
    assert where in str(error)
    assert 0 <= error.word <= 10
    with fmcompress.open(io.BytesIO(data)) as file, pytest.raises(StreamError) as caught:
        file["arr_0"][...]
    assert caught.value.cause == error.cause
    damages = fmcompress.verify(io.BytesIO(data)).damages
    assert [(d.layer, d.chunk) for d in damages] == [("arr_0", 1)]


INT4 = {**INT8, "format": "int4"}
QUANTIZED = {
    "target": "fixed8",
    "source": "float16",
    "source_dtype": "<f2",
    "scale": 0.5,
    "headroom": 0.75,
    "rounding": "truncate",
    "largest_error": 0.0,
    "rms_error": 0.0,
}


def wrong_descriptions() -> Iterator[Any]:
    for name, change, codes in (
        ("2^60 elements", {"shape": [2**60]}, (3,)),
        ("2^60 elements in one chunk", {"shape": [2**60], "chunk_words": 1 << 24}, (3,)),
        ("2^60 twice", {"shape": [2**60, 2**60]}, (3,)),
        ("2^62 words of one axis each", {"shape": [1] * 64 + [2]}, (3,)),
        ("negative length", {"shape": [-4]}, (3,)),
        ("length is a float", {"shape": [4.0]}, (3,)),
        ("huge chunks", {"chunk_words": 2**40}, (3,)),
        ("empty chunks", {"chunk_words": 0}, (3,)),
        ("negative offset", {"place": {"offset": -1}}, (3,)),
        ("offset outside", {"place": {"offset": 2**62}}, (3,)),
        ("offset a little outside", {"place": {"offset": len(HEAD) + 1}}, (3,)),
        ("offset is text", {"place": {"offset": "0"}}, (3,)),
        ("no offset", {"place": {}}, (3,)),
        ("bytes, but no offset", {"place": {"bytes": len(WORDS)}}, (4,)),
        ("place over the template", {"place": {"offset": len(HEAD) - 1}}, (3,)),
        ("dtype O", {"dtype": "O"}, (3,)),
        ("dtype |O", {"dtype": "|O"}, (3,)),
        ("dtype |O8", {"dtype": "|O8"}, (3,)),
        ("dtype of another kind", {"dtype": "|b1"}, (3,)),
        ("dtype that is wider", {"dtype": "<i4"}, (3,)),
        ("dtype list", {"dtype": "i1,i1"}, (3,)),
        ("unknown word format", {"words": {"format": "posit8"}}, (3, 4)),
        ("word format is a list", {"words": {"format": []}}, (3, 4)),
        ("no word format", {"words": {}}, (3, 4)),
        ("newer word format", {"words": {**INT8, "scale": 2}}, (4,)),
        ("zero point outside", {"words": {**INT8, "zero_point": 128}}, (3,)),
        ("zero point is text", {"words": {**INT8, "zero_point": "7"}}, (3,)),
        ("unknown codec", {"codec": {"name": "zstd"}}, (4,)),
        ("codec is a list", {"codec": {"name": []}}, (3, 4)),
        ("codec without name", {"codec": {"block_size": 8}}, (3, 4)),
        ("newer codec", {"codec": {**EBPC, "planes": 2}}, (4,)),
        ("block size", {"codec": {**EBPC, "block_size": 7}}, (3,)),
        ("block size is a float", {"codec": {**EBPC, "block_size": 8.0}}, (3,)),
        ("burst is a float", {"codec": {**EBPC, "max_burst": 16.0}}, (3,)),
        ("burst 0", {"codec": {**EBPC, "max_burst": 0}}, (3,)),
        ("difference", {"codec": {**EBPC, "difference": "xor"}}, (3, 4)),
        ("both coded and carried", {"carried": {"reason": "x", "bytes": 1}}, (3,)),
        ("neither", {"codec": {}}, (3,)),
        ("order", {"order": "K"}, (3,)),
        ("order of other axes", {"order": [1]}, (3,)),
        ("order is a number", {"order": 0}, (3,)),
        ("axes twice", {"axes": [0, 0]}, (3,)),
        ("axes of another rank", {"axes": [0, 1]}, (3,)),
        ("axis is true", {"axes": [False]}, (3,)),
        ("axes are text", {"axes": "0"}, (3,)),
        ("serpentine is text", {"serpentine": "yes"}, (3,)),
        ("word width 0", {"words": {**INT8, "word_bits": 0}}, (3,)),
        ("word width of the dtype", {"words": {**INT8, "word_bits": 8}}, (3,)),
        ("word width is a float", {"words": {**INT8, "word_bits": 4.0}}, (3,)),
        ("packed 8-bit words", {"words": {**INT8, "packed": True}}, (3,)),
        ("packed is a number", {"words": {**INT8, "format": "int4", "packed": 1}}, (3,)),
        ("packed, odd chunks", {"words": {**INT4, "packed": True}, "chunk_words": 3}, (3,)),
        ("packed, half the words", {"words": {**INT4, "packed": True}}, (3,)),
        ("channels without axis", {"words": {**INT8, "zero_point": [0] * 4}}, (3,)),
        ("channels of no axis", {"words": {**INT8, "zero_point": [0] * 4, "axis": 1}}, (3,)),
        ("channels that are few", {"words": {**INT8, "zero_point": [0], "axis": 0}}, (3,)),
        ("channels outside", {"words": {**INT8, "zero_point": [0, 0, 0, 128], "axis": 0}}, (3,)),
        ("no channels", {"words": {**INT8, "zero_point": [], "axis": 0}}, (3,)),
        ("axis of no channels", {"words": {**INT8, "axis": 0}}, (3,)),
        ("floats in an int8", {"words": {"format": "float16", "mapping": "bits"}}, (3,)),
        ("unknown mapping", {"words": {"format": "float8_e5m2", "mapping": "x"}}, (3,)),
        ("bool with a zero point", {"words": {"format": "bool", "zero_point": 1}}, (4,)),
        ("quantised in secret", {"quantized": QUANTIZED}, (3,)),
        ("newer key", {"sparsity": 1}, (4,)),
    ):
        yield pytest.param(change, codes, id=name)


@pytest.mark.parametrize(("change", "codes"), [*wrong_descriptions()])
def test_a_description_that_lies(
    change: dict[str, Any], codes: tuple[int, ...], tmp_path: Path
) -> None:
    # Where a layer goes is the affair of decompress: verify puts nothing back.
    assert_refused(npy(WORDS, **change), tmp_path, codes, verified="place" in change)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"source_dtype": "<f4"}, 3),
        ({"source_dtype": "|O8"}, 3),
        ({"source_dtype": 2}, 3),
        ({"target": "fixed16"}, 3),
        ({"target": "ufixed8"}, 3),
        ({"scale": [0.5, 0.5], "axis": 0}, 3),
        ({"scale": [0.5] * 4, "axis": 1}, 3),
        ({"scale": 0}, 3),
        ({"scale": float("nan")}, 3),
        ({"scale": 1e400}, 3),
        ({"dither": 1}, 4),
    ],
    ids=str,
)
def test_a_quantisation_that_lies(change: dict[str, Any], code: int, tmp_path: Path) -> None:
    head = hostile.npy_head(len(WORDS))

    def quantized(how: dict[str, Any]) -> bytes:
        place = {"offset": len(head)}
        description = hostile.row("arr_0", [len(WORDS)], place=place, quantized=how)
        return container(
            hostile.dump(len(head) + 2 * len(WORDS), quantized=True),
            hostile.template((0, head)),
            hostile.layers(description),
            hostile.chunk(WORDS),
        )

    assert fmcompress.verify(io.BytesIO(quantized(QUANTIZED))).ok
    assert_refused(quantized({**QUANTIZED, **change}), tmp_path, (code,))


def test_a_short_stream_that_promises_many_zeros(tmp_path: Path) -> None:
    part = hostile.raw_chunk(1 << 24, 1 << 24, b"\0" * 8, b"")
    shape = {"shape": [1 << 24], "chunk_words": 1 << 24}
    error = assert_refused(npy(WORDS, part, **shape, place={"offset": 0}), tmp_path)
    assert error.exit_code == 3
    head = hostile.npy_head(1 << 24)
    data = container(
        dump(len(head) + (1 << 24)),
        template((0, head)),
        layers(row("a", **shape, place={"offset": len(head)})),
        part,
    )
    assert "the stream ends too early" in str(assert_refused(data, tmp_path))


def one_layer(*parts: hostile.Part, **kwargs: Any) -> bytes:
    """Make a container of an NPY file's dump and header, and the parts given."""
    return container(dump(END), template((0, HEAD)), *parts, **kwargs)


def whole_parts() -> tuple[hostile.Part, hostile.Part]:
    return layers(row("a", **AT_HEAD)), chunk(WORDS)


@pytest.mark.parametrize(
    ("pieces", "verified"),
    [
        pytest.param([template((0, HEAD), (END - 1, b"xx"))], True, id="past the end"),
        pytest.param([template((0, HEAD), (2**63, b"xx"))], True, id="far past the end"),
        pytest.param([template((0, HEAD), (4, b"xx"))], True, id="overlapping"),
        pytest.param([template((0, HEAD)), template((0, HEAD))], True, id="twice"),
        pytest.param([template((0, HEAD[:-5]))], True, id="too little"),
        pytest.param([template((0, HEAD + b"xx"))], True, id="over a layer"),
        pytest.param([], True, id="none"),
        pytest.param(
            [hostile.raw_template([(0, len(HEAD))], HEAD[:-1])], False, id="less than its table"
        ),
        pytest.param(
            [hostile.raw_template([(0, len(HEAD))], HEAD + b"x")], False, id="more than its table"
        ),
        pytest.param([hostile.raw_template([(0, 2**60)], HEAD)], False, id="2^60 bytes"),
        pytest.param([hostile.raw_template([(0, 1)] * 9, b"")], False, id="cut table"),
        pytest.param(
            [hostile.Part(Kind.TEMPLATE, 0, b"\xff" * 4 + HEAD)], False, id="2^32 segments"
        ),
        pytest.param([hostile.raw_template([(0, 9)], b"123456789", 7)], False, id="encoding"),
        pytest.param([hostile.raw_template([(0, 9)], b"no bzip2 ", 1)], False, id="no bzip2"),
        pytest.param(
            [hostile.raw_template([(0, 9)], bz2.compress(b"123456789") + b"x", 1)],
            False,
            id="bzip2 and more",
        ),
        pytest.param(
            [hostile.raw_template([(0, 9)], bz2.compress(bytes(1 << 26)), 1)], False, id="bomb"
        ),
        pytest.param(
            [hostile.raw_template([(0, 1 << 26)], bz2.compress(bytes(1 << 26)), 1)],
            False,
            id="bomb that says so",
        ),
    ],
)
def test_a_template_that_lies(pieces: list[hostile.Part], verified: bool, tmp_path: Path) -> None:
    assert_refused(container(dump(END), *pieces, *whole_parts()), tmp_path, verified=verified)


def test_layers_that_share_a_place(tmp_path: Path) -> None:
    both = layers(row("a", **AT_HEAD), row("b", **AT_HEAD))
    assert_refused(one_layer(both, chunk(WORDS), chunk(WORDS)), tmp_path, (3,), verified=True)


def wrong_orders() -> Iterator[Any]:
    about, coded = whole_parts()
    shape = template((0, HEAD))
    yield pytest.param([], id="nothing")
    yield pytest.param([shape, about, coded], id="no dump")
    yield pytest.param([shape, dump(END), about, coded], id="dump late")
    yield pytest.param([dump(END), dump(END), shape, about, coded], id="two dumps")
    yield pytest.param([dump(END), shape, coded, about], id="chunk without layer")
    yield pytest.param([dump(END), shape, about], id="no chunk")
    yield pytest.param([dump(END), shape, about, coded, coded], id="a chunk too many")
    yield pytest.param([dump(END), shape, about, about, coded], id="layers in layers")
    twins = layers(row("a", **AT_HEAD), row("a", **AT_HEAD))
    yield pytest.param([dump(END), shape, twins, coded, coded], id="one name twice")
    yield pytest.param([dump(END), shape, about, coded, about, coded], id="one name twice, later")
    yield pytest.param([dump(END, "posit"), shape, about, coded], id="unknown dump format")
    yield pytest.param([dump(-1), shape, about, coded], id="negative dump")
    yield pytest.param([dump(2**64), shape, about, coded], id="2^64 bytes of dump")
    no_bytes = hostile.Part(Kind.DUMP, 0, b'{"format":"npy"}')
    yield pytest.param([no_bytes, shape, about, coded], id="no size of the dump")
    for i, text in enumerate(
        (b"", b"[" * 100_000, b"\xff", b"7", b'{"layers":7}', b'{"layers":[7]}')
    ):
        yield pytest.param([dump(END), shape, hostile.json_layers(text)], id=f"json {i}")
        yield pytest.param([hostile.Part(Kind.DUMP, 0, text[: 1 << 16])], id=f"dump json {i}")


@pytest.mark.parametrize("parts", [*wrong_orders()])
def test_records_that_do_not_fit_together(parts: list[hostile.Part], tmp_path: Path) -> None:
    assert_refused(container(*parts), tmp_path)


def test_deep_json_in_a_good_place(tmp_path: Path) -> None:
    text = json.dumps({"layers": [row("a", **AT_HEAD)]}).encode()
    deep = text.replace(b'{"offset": ', b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b', "offset": ')
    assert_refused(one_layer(hostile.json_layers(deep), chunk(WORDS)), tmp_path, (3,))


@pytest.mark.parametrize("inner", [b"[],", b" " * 64])
def test_a_layers_record_that_expands(inner: bytes, tmp_path: Path) -> None:
    """A few kB of file must not take a GB of memory."""
    text = b'{"layers":[' + inner * (20_000_000 // len(inner)) + b"0]}"
    packed = tmp_path / "packed"
    packed.write_bytes(one_layer(hostile.Part(Kind.LAYERS, 1, bz2.compress(text))))
    script = (
        "import resource, fmcompress, fmcompress.decompression, fmcompress.dumps.npy\n"
        "from fmcompress.errors import DamagedError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        f"    fmcompress.decompress({str(packed)!r}, {str(tmp_path / 'out')!r})\n"
        "except DamagedError:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert int(done.stdout) < 200 << 10
    assert [path.name for path in tmp_path.iterdir()] == ["packed"]


def indexes() -> Iterator[Any]:
    def entry(kind: int, size: int, *sizes: int, code: int = 0) -> bytes:
        head = bytes([kind, code, 0, 0]) + size.to_bytes(4, "little")
        return head + b"".join(number.to_bytes(4, "little") for number in sizes)

    yield pytest.param(lambda e: b"", id="empty")
    yield pytest.param(lambda e: b"".join(e[:-1]), id="one missing")
    yield pytest.param(lambda e: b"".join([*e, e[-1]]), id="one too many")
    yield pytest.param(lambda e: b"".join([*e[:2], e[3], e[2]]), id="another order")
    yield pytest.param(lambda e: b"".join(e)[:-1], id="cut")
    yield pytest.param(lambda e: b"".join(e) + b"\0", id="too long")
    yield pytest.param(
        lambda e: b"".join([entry(1, 9), entry(2, 9), *e[2:]]), id="overlapping records"
    )
    yield pytest.param(lambda e: b"".join([*e[:3], entry(4, 2**31)]), id="a chunk past the end")
    yield pytest.param(
        lambda e: b"".join([*e[:3], e[3][:8] + entry(4, 12)[:4] * 3]), id="other sizes of a chunk"
    )
    yield pytest.param(
        lambda e: b"".join([*e[:3], e[3][:8] + (2**20).to_bytes(4, "little") + e[3][12:]]),
        id="wrong count of words",
    )
    yield pytest.param(
        lambda e: b"".join([*e[:3], e[3][:12] + (3).to_bytes(4, "little") + e[3][16:]]),
        id="wrong count of zeros",
    )
    yield pytest.param(lambda e: b"".join([*e[:3], b"\x04\x00" + e[3][2:]]), id="another codec")
    yield pytest.param(lambda e: b"".join([*e, entry(5, 0)]), id="an index in the index")


@pytest.mark.parametrize("index", [*indexes()])
def test_an_index_that_lies(index: Callable[[list[bytes]], bytes], tmp_path: Path) -> None:
    data = one_layer(*whole_parts(), index=index)
    assert assert_refused(data, tmp_path, (3,)).exit_code == 3
    error = hostile.error_of(lambda: fmcompress.open(io.BytesIO(data))["a"][...])
    assert error is not None
    assert error.exit_code == 3


def test_an_index_of_an_unknown_kind(tmp_path: Path) -> None:
    """It is whole, so a newer version wrote it."""
    data = one_layer(*whole_parts(), index=lambda e: b"".join([*e[:3], b"\x09" + e[3][1:]]))
    with pytest.raises(UnsupportedError, match="unknown kind"):
        fmcompress.open(io.BytesIO(data))
    assert_refused(data, tmp_path, (3, 4))


@pytest.mark.parametrize("offset", [0, 24, 100, 2**63, 2**64 - 1])
def test_a_trailer_that_points_elsewhere(offset: int, tmp_path: Path) -> None:
    data = one_layer(*whole_parts(), index_offset=offset)
    assert_refused(data, tmp_path, (3,))
    with pytest.raises(DamagedError):
        fmcompress.open(io.BytesIO(data))


@pytest.mark.parametrize("size", [2**40, 2**45, 2**60, 2**63 - 1])
def test_a_dump_larger_than_any_disk(size: int, tmp_path: Path) -> None:
    data = container(dump(size), template((0, HEAD)), *whole_parts())
    with pytest.raises((OSError, DamagedError)):
        fmcompress.decompress(io.BytesIO(data), tmp_path / "out")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("extra", [{"bytes": "x"}, {"bytes": -5}, {"bytes": [1]}, {"reason": []}])
def test_a_carried_layer_that_lies(extra: dict[str, Any], tmp_path: Path) -> None:
    carried = {"reason": "no word format", "bytes": 4, **extra}
    about = layers(row("a", words=None, codec=None, carried=carried))
    (tmp_path / "packed").write_bytes(
        container(dump(END), template((0, HEAD + bytes(WORDS))), about)
    )
    read_in_every_way(tmp_path / "packed", tmp_path / "out")


def test_an_unknown_word_format_of_a_layer_without_words(tmp_path: Path) -> None:
    nothing = row("none", [0], words={"format": "posit8"}, **AT_HEAD)
    data = one_layer(layers(nothing, row("a", **AT_HEAD)), chunk(WORDS))
    assert_refused(data, tmp_path, verified=True)


# --- Hostile templates ---------------------------------------------------------------------


def npz_of(text: bytes, **more: Any) -> bytes:
    """Make a container of an NPZ of deflated members, whose template is `text`."""
    head = {"member": "a.npy", "bytes": 0, "header": "", **more}
    return container(
        dump(len(text), "npz"), template((0, text)), layers(row("a", place=head)), chunk(WORDS)
    )


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return file.getvalue()


def test_an_npz_that_is_no_zip(tmp_path: Path) -> None:
    error = assert_refused(npz_of(b"certainly no zip archive"), tmp_path, (3,), verified=True)
    assert "zip" in str(error)


@pytest.mark.parametrize(
    "place",
    [
        {"member": []},
        {"member": "b.npy"},
        {"header": 7},
        {"header": "ä"},
        {"header": "!!!!"},
        {"bytes": -1},
        {"bytes": "1"},
        {"bytes": 2**60},
        {"bytes": 3},
    ],
)
def test_a_member_that_is_not_there(place: dict[str, Any], tmp_path: Path) -> None:
    text = zipped(("a.npy", HEAD + bytes(4)), ("c.npy", HEAD + bytes(4)))
    assert_refused(npz_of(text, **place), tmp_path, (3,), verified=True)


@pytest.mark.parametrize("seed", range(4))
def test_a_zip_with_any_byte_changed(seed: int, tmp_path: Path) -> None:
    """Members to be copied, and the archive's directory, are what the template says they are."""
    text = zipped(("z.npy", HEAD + b"zzzz" * 9), ("a.npy", HEAD), ("b.npy", HEAD + bytes(999)))
    for at in range(seed, len(text), 40 if AGAIN else 4):
        for value in (0xFF, text[at] ^ 0x40):
            changed = text[:at] + bytes([value]) + text[at + 1 :]
            error = hostile.error_of(
                partial(fmcompress.decompress, io.BytesIO(npz_of(changed)), tmp_path / "out")
            )
            assert error is None or error.exit_code in (3, 4)
            for left in tmp_path.iterdir():
                assert left.name == "out"
                left.unlink()


def hdf5_file(path: Path, **datasets: Any) -> bytes:
    with h5py.File(path, "w", libver="latest") as file:
        for name, value in datasets.items():
            file[name] = value
    data = path.read_bytes()
    path.unlink()
    return data


def hdf5_of(text: bytes, name: str = "a", **more: Any) -> bytes:
    """Make a container of an HDF5 file with a chunked layer, whose template is `text`."""
    about = row(name, **{"place": {"chunks": [4], "bytes": 0}, **more})
    return container(dump(len(text), "hdf5"), template((0, text)), layers(about), chunk(WORDS))


def test_an_hdf5_file_that_is_none(tmp_path: Path) -> None:
    data = hdf5_of(b"\x89HDF\r\n\x1a\n is how it starts, and that is all")
    assert "no HDF5" in str(assert_refused(data, tmp_path, (3,), verified=True))
    with fmcompress.open(io.BytesIO(data)) as file, pytest.raises(DamagedError):
        _ = file["a"].attrs


@pytest.mark.parametrize(
    "name", ["missing", "group", "type", "scalar", "short", "floats", "whole", "", ".", "/", "a\0b"]
)
def test_an_hdf5_file_without_such_a_dataset(name: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file.create_group("group")
        file["type"] = np.dtype(np.int8)
        file["scalar"] = np.int8(3)
        file.create_dataset("short", (3,), np.int8, chunks=(3,))
        file.create_dataset("floats", (4,), np.float16, chunks=(4,))
        file["whole"] = np.zeros(4, np.int8)
    text = (tmp_path / "t.h5").read_bytes()
    (tmp_path / "t.h5").unlink()
    assert_refused(hdf5_of(text, name), tmp_path, (3,), verified=True)


@pytest.mark.parametrize("kind", ["external", "soft to external"])
def test_an_external_link_does_not_lead_out_of_the_dump(kind: str, tmp_path: Path) -> None:
    """A hostile container must not write into other files of its reader."""
    folder = tmp_path / "work"
    folder.mkdir()
    victim = tmp_path / "victim.h5"
    with h5py.File(victim, "w") as file:
        file.create_dataset("a", data=np.full(4, 77, np.int8), chunks=(4,))
    before = victim.read_bytes()
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["out"] = h5py.ExternalLink(str(victim), "/a")
        file["soft"] = h5py.SoftLink("/out")
        file["groups"] = h5py.ExternalLink(str(victim), "/")
    text = (tmp_path / "t.h5").read_bytes()
    for name in ("out", "groups/a") if kind == "external" else ("soft",):
        assert_refused(hdf5_of(text, name), folder, (3,), verified=True)
        assert victim.read_bytes() == before


def test_a_dataset_of_2_to_the_60_elements(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file.create_dataset("a", (1, 2**60), np.int8, chunks=(1, 4))
    text = (tmp_path / "t.h5").read_bytes()
    (tmp_path / "t.h5").unlink()
    big = [0] * (1 << 16)
    about = row("a", [1, 2**60], place={"chunks": [1, 4], "bytes": 0})
    data = container(dump(len(text), "hdf5"), template((0, text)), layers(about), chunk(big))
    # NumPy counts what it asked for and did not get: the test of memory would see 2^60 bytes.
    assert_refused(data, tmp_path, most_bytes=2**62)


def test_a_filter_that_is_missing_when_restoring(tmp_path: Path) -> None:
    """Compressed where the plugin is, restored where it is not."""
    hostile.write_filtered(tmp_path / "t.h5", 32015, mandatory=True)
    text = (tmp_path / "t.h5").read_bytes()
    (tmp_path / "t.h5").unlink()
    error = assert_refused(hdf5_of(text), tmp_path, (4,), verified=True)
    assert re.search(
        r"layer 'a': filter 32015 \(Zstandard\) is not installed; .*plugin", str(error)
    )


# --- Junk ----------------------------------------------------------------------------------


def read_in_every_way(packed: Path, target: Path) -> None:
    """Read a container that may be hostile in every way; only `FmcError` may come out."""
    size = packed.stat().st_size
    for action in (
        lambda: fmcompress.decompress(packed, target),
        lambda: fmcompress.verify(packed),
        lambda: fmcompress.stats(packed).to_json(),
        lambda: list_layers(packed).to_json(),
        lambda: [layer[...] for layer in fmcompress.open(packed).values() if layer.size < 99],
        lambda: [(a.nbytes, a.dtype_name, str(a)) for a in fmcompress.open(packed).values()],
    ):
        error = hostile.error_of(action)
        assert error is None or error.exit_code in (3, 4), repr(error)
        if action.__code__.co_names[:2] == ("fmcompress", "decompress") and error is not None:
            assert not target.exists()
    target.unlink(missing_ok=True)
    assert packed.stat().st_size == size
    assert [path.name for path in packed.parent.iterdir()] == [packed.name]


_json: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 300)
    | st.sampled_from([2**31, 2**63, 2**64, 10**30])
    | st.floats()
    | st.sampled_from(
        ["", "ebpc", "stored", "int8", "uint8", "|i1", "|u1", "C", "F", "a", "\ud800"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "format", "zero_point", "offset", "bytes", "chunks", "reason"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@settings(
    deadline=None,
    max_examples=80 if AGAIN else 250,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    key=st.sampled_from([*row(), "carried", "order", "words.zero_point", "words.format", "codec.name",
                     "codec.block_size", "codec.max_burst", "codec.difference", "place.offset"]),
    value=_json,
    name=st.sampled_from(["npy", "npz", "hdf5"]),
)  # fmt: skip
def test_any_junk_in_a_description(key: str, value: Any, name: str, tmp_path: Path) -> None:
    about = row("a", **AT_HEAD)
    outer, _, inner = key.partition(".")
    about[outer] = {**about[outer], inner: value} if inner else value
    (tmp_path / "packed").write_bytes(
        container(dump(END, name), template((0, HEAD)), layers(about), chunk(WORDS))
    )
    read_in_every_way(tmp_path / "packed", tmp_path / "out")
