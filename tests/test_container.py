"""The container: written in one pass, read by its index or front to back, always the same."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import hostile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fmcompress
from fmcompress import container, records
from fmcompress.container import Assembly, Scanner, Writer
from fmcompress.contents import (
    ChunkInfo,
    Contents,
    LayerInfo,
    layers_to_json,
    parse_dump,
    parse_json,
    parse_layers,
)
from fmcompress.dumps import Dump, Tensor, template_pieces
from fmcompress.errors import DamagedError, UnsupportedError
from fmcompress.records import TEMPLATE_PIECE_BYTES, Kind, Piece, Record

STORED = {"name": "stored"}
UINT8 = {"format": "uint8", "zero_point": 0, "zero_point_from": "none"}


def layer(name: str, words: int, chunk_words: int = 1 << 18, **more: Any) -> LayerInfo:
    coded: dict[str, Any] = {"words": UINT8, "codec": STORED, "place": {"offset": 0}}
    return LayerInfo(name, (words,), "|u1", chunk_words=chunk_words, **{**coded, **more})


def carried(name: str) -> LayerInfo:
    return LayerInfo(name, (3,), "float32", carried={"reason": "no word format", "bytes": 12})


def data_of(info: LayerInfo, chunk: int) -> bytes:
    seed = hashlib.sha256(f"{info.name} {chunk}".encode("utf-8", "surrogatepass")).digest()[0]
    return bytes((i * 7 + seed) & 255 for i in range(256)) * (info.words_in_chunk(chunk) // 256 + 1)


def write(infos: Sequence[LayerInfo], sink: Any = None) -> tuple[bytes, Contents]:
    """Write a container whose layers are stored, chunk by chunk."""
    sink = io.BytesIO() if sink is None else sink
    writer = Writer(sink)
    writer.dump({"format": "npy", "bytes": 5})
    writer.template(Piece(((0, 5),), b"shell"))
    for info in infos:
        writer.layer(info)
        for number in range(info.chunks):
            words = info.words_in_chunk(number)
            data = data_of(info, number)[:words]
            writer.chunk(0, words, data.count(0), b"", data)
    contents = writer.finish()
    return (sink.getvalue() if isinstance(sink, io.BytesIO) else bytes(sink.data)), contents


class Counting(io.BytesIO):
    """Note the sizes of what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def write(self, data: Any) -> int:
        self.sizes.append(len(data))
        return super().write(data)


def test_what_is_written_is_neither_small_nor_kept() -> None:
    """Chunks go to the file many at a time; large pieces of a template one by one."""
    sink = Counting()
    write([layer("maps", 1 << 24, chunk_words=1 << 14)], sink)
    assert len(sink.sizes) < 20
    assert max(sink.sizes) < 2 << 20
    sink = Counting()
    writer = Writer(sink)
    writer.dump({"format": "npy", "bytes": 9 << 20})
    for number in range(9):
        assert sink.tell() >= number << 20
        writer.template(Piece(((number << 20, 1 << 20),), bytes(1 << 20)))


def scan(source: Any) -> tuple[Contents, list[tuple[Record, bytes]]]:
    """Read a container front to back, as `decompress` does."""
    scanner = Scanner(source)
    assembly = Assembly(scanner.contents)
    seen = []
    for record, payload in scanner.records():
        seen.append((record, payload))
        if record.kind == Kind.DUMP:
            assembly.dump(payload)
        elif record.kind == Kind.TEMPLATE:
            assembly.template(record)
        elif record.kind == Kind.LAYERS:
            assembly.layers(record, payload)
        else:
            assembly.chunk(records.parse_chunk(record, payload))
    assembly.check_complete()
    assert scanner.complete
    return scanner.contents, seen


def kinds(data: bytes) -> list[Kind]:
    return [Kind(record.kind) for record, _ in scan(io.BytesIO(data))[1]]


def check_read_alike(infos: Sequence[LayerInfo]) -> bytes:
    """Write layers; what both ways of reading find must be what was written."""
    data, written = write(infos)
    scanned, seen = scan(io.BytesIO(data))
    with fmcompress.open(io.BytesIO(data)) as file:
        assert written == scanned == file.contents
        assert [record for record, _ in seen] == file.records
        assert list(file) == [info.name for info in infos]
        for info in infos:
            if not info.carried:
                expected = b"".join(
                    data_of(info, i)[: info.words_in_chunk(i)] for i in range(info.chunks)
                )
                assert np.asarray(file[info.name]).tobytes() == expected
    return data


# --- One pass ------------------------------------------------------------------------------


def test_a_pipe_takes_it_and_gives_it_back() -> None:
    infos = [layer("a", 700, 256), carried("b"), layer("c", 5)]
    data, contents = write(infos, hostile.Pipe())
    assert data == write(infos)[0]
    assert scan(hostile.Pipe(data, most=3))[0] == contents
    assert contents.total_bytes == len(data)


def test_writing_starts_where_the_file_stands() -> None:
    sink = io.BytesIO(b"before")
    sink.seek(0, io.SEEK_END)
    data, _ = write([layer("a", 9)], sink)
    source = io.BytesIO(data)
    source.seek(6)
    assert scan(source)[0].layers == [layer("a", 9)]


def test_compress_and_decompress_through_pipes(tmp_path: Path) -> None:
    head = hostile.npy_head(50)
    sink, back = hostile.Pipe(), hostile.Pipe()
    fmcompress.compress(hostile.Pipe(head + bytes(50), most=11), sink, chunk_words=16)
    fmcompress.decompress(hostile.Pipe(bytes(sink.data)), back)
    assert back.data == head + bytes(50)
    assert fmcompress.verify(hostile.Pipe(bytes(sink.data))).chunks == 4


# --- Grouping ------------------------------------------------------------------------------


def test_many_small_layers_share_one_record() -> None:
    data = check_read_alike([layer(f"layer{i}", 40) for i in range(300)])
    assert kinds(data) == [Kind.DUMP, Kind.TEMPLATE, Kind.LAYERS] + [Kind.CHUNK] * 300


def test_small_layers_behind_a_large_one() -> None:
    big, small = layer("big", 3 << 19), [layer(f"small{i}", 10) for i in range(5)]
    data = check_read_alike([big, *small])
    groups = [Kind.LAYERS] + [Kind.CHUNK] * 6, [Kind.LAYERS] + [Kind.CHUNK] * 5
    assert kinds(data) == [Kind.DUMP, Kind.TEMPLATE, *groups[0], *groups[1]]


def test_a_large_layer_behind_small_ones() -> None:
    data = check_read_alike([layer("a", 10), layer("b", 10), layer("big", 3 << 19)])
    assert kinds(data) == [Kind.DUMP, Kind.TEMPLATE, Kind.LAYERS] + [Kind.CHUNK] * 8


@pytest.mark.parametrize(
    "infos",
    [
        pytest.param([], id="no layers"),
        pytest.param([carried("only")], id="one carried"),
        pytest.param([layer("none", 0)], id="one without words"),
        pytest.param(
            [layer("none", 0), layer("big", 5 << 18), layer("none2", 0)], id="none around"
        ),
        pytest.param([carried("c"), layer("big", 5 << 18), carried("c2")], id="carried around"),
        pytest.param([layer("big", 5 << 18), layer("big2", 5 << 18)], id="two large"),
        pytest.param([layer("full", 4 << 18), layer("s", 1)], id="one that just fills a group"),
    ],
)
def test_orders_of_layers(infos: list[LayerInfo]) -> None:
    check_read_alike(infos)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12), st.booleans()), max_size=12),
    st.integers(1, 200),
)
def test_any_grouping_reads_the_same(sizes: list[tuple[int, int, bool]], group_bytes: int) -> None:
    infos = [
        carried(f"n{i}") if carry else layer(f"n{i}", words, chunk_words)
        for i, (words, chunk_words, carry) in enumerate(sizes)
    ]
    with mock.patch.object(container, "GROUP_BYTES", group_bytes):
        check_read_alike(infos)


def test_many_layers_do_not_take_forever() -> None:
    start = time.monotonic()
    data, _ = write([carried(f"layer {i}") for i in range(20_000)])
    assert len(fmcompress.open(io.BytesIO(data))) == 20_000
    assert time.monotonic() - start < 60  # squared in their number, it would be minutes


# --- Descriptions --------------------------------------------------------------------------

_names = st.text(st.characters(codec=None), max_size=8)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
_objects = st.dictionaries(st.text(max_size=6), _json, max_size=3)
_infos = st.builds(
    LayerInfo,
    _names,
    st.lists(st.integers(0, 9), max_size=5).map(tuple),
    st.sampled_from(["|i1", "<u2", ">i4"]),
    order=st.sampled_from("CF"),
    words=_objects.filter(lambda words: "packed" not in words),  # needs an even chunk_words
    codec=_objects.filter(bool),
    chunk_words=st.integers(1, 1 << 24),
    place=_objects,
)


@settings(deadline=None, max_examples=60)
@given(st.lists(_infos, min_size=1, max_size=5))
def test_descriptions_come_back_with_or_without_defaults(infos: list[LayerInfo]) -> None:
    assert parse_layers(layers_to_json(infos)) == infos


def test_what_layers_share_stands_once() -> None:
    text = layers_to_json([layer("a", 3), layer("b", 3), layer("c", 3)])
    assert json.loads(text)["layers"] == [{"name": name} for name in "abc"]
    own = layers_to_json([layer("a", 3), layer("b", 4)])
    assert json.loads(own)["layers"] == [{"name": "a", "shape": [3]}, {"name": "b", "shape": [4]}]


def test_a_default_of_one_layer_is_not_taken_for_the_others() -> None:
    infos = [layer("a", 3, order="F"), layer("b", 3), layer("c", 3, chunk_words=9)]
    assert parse_layers(layers_to_json(infos)) == infos
    assert parse_layers(layers_to_json(infos[::-1])) == infos[::-1]


@pytest.mark.parametrize(
    "name", ["", "größe/層", "a\nb\x00c", "\ud800lone", "\udcff", "😀", "/", "x" * 10_000]
)
def test_any_name(name: str) -> None:
    check_read_alike([layer(name, 9), layer(name + "2", 9), carried(name + "3")])


def test_the_same_bytes_in_every_process() -> None:
    script = (
        "import sys, hashlib\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_container as t\n"
        "infos = [t.layer('a', 700, 256), t.carried('b'), t.layer('c', 5)]\n"
        "print(hashlib.sha256(t.write(infos)[0]).hexdigest())\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    here = write([layer("a", 700, 256), carried("b"), layer("c", 5)])[0]
    assert digests == {hashlib.sha256(here).hexdigest() + "\n"}


def test_compress_gives_the_same_bytes_twice() -> None:
    targets = [io.BytesIO(), io.BytesIO()]
    head = hostile.npy_head(300)
    for target in targets:
        fmcompress.compress(io.BytesIO(head + bytes(range(100)) * 3), target, chunk_words=100)
    assert targets[0].getvalue() == targets[1].getvalue()


def test_two_layers_of_one_name_cannot_be_written() -> None:
    writer = Writer(io.BytesIO())
    writer.layer(layer("a", 1))
    with pytest.raises(DamagedError, match="two layers are named 'a'"):
        writer.layer(carried("a"))


def test_unknown_keys_are_not_supported_yet() -> None:
    data = hostile.npy([1, 2, 3], scales=[0.5])
    for read in (fmcompress.open, fmcompress.verify):
        with pytest.raises(UnsupportedError, match=r"unknown keys \['scales'\].*upgrade"):
            read(io.BytesIO(data))


def test_a_newer_version_is_not_supported_yet(tmp_path: Path) -> None:
    data = hostile.newer_version(hostile.npy([1, 2, 3]))
    for read in (fmcompress.open, fmcompress.verify, Scanner):
        with pytest.raises(UnsupportedError, match=r"version 2 is newer than 1; upgrade"):
            read(io.BytesIO(data))
    with pytest.raises(UnsupportedError):
        fmcompress.decompress(io.BytesIO(data), tmp_path / "out")
    assert not list(tmp_path.iterdir())


# --- Index ---------------------------------------------------------------------------------


def test_the_index_is_the_records() -> None:
    data, contents = write([layer("a", 700, 256), carried("b"), layer("c", 5)])
    index_offset = records.parse_trailer(data[-records.TRAILER_BYTES :], len(data))
    index = data[index_offset + records.HEAD_BYTES : -records.TRAILER_BYTES]
    _, seen = scan(io.BytesIO(data))
    chunks = [
        records.parse_chunk(record, payload) if record.kind == Kind.CHUNK else None
        for record, payload in seen
    ]
    assert records.parse_index(index, index_offset) == [
        (record, chunk) for (record, _), chunk in zip(seen, chunks, strict=True)
    ]
    assert [chunk for chunk in chunks if chunk] == [c for row in contents.chunks for c in row]
    assert contents.chunks[0] == [ChunkInfo(0, n, z, 0, n) for n, z in counts("a", (256, 256, 188))]


def counts(name: str, sizes: Sequence[int]) -> list[tuple[int, int]]:
    info = layer(name, sum(sizes), max(sizes))
    return [(n, data_of(info, i)[:n].count(0)) for i, n in enumerate(sizes)]


# --- Templates -----------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 2**62), st.binary(max_size=40)), max_size=30),
    st.booleans(),
)
def test_a_piece_comes_back(segments: list[tuple[int, bytes]], long: bool) -> None:
    parts = [(at, data * 500 if long else data) for at, data in segments]
    piece = Piece(tuple((at, len(d)) for at, d in parts), b"".join(d for _, d in parts))
    code, payload = records.format_template(piece)
    parsed = records.parse_template(Record(Kind.TEMPLATE, code, len(payload), 24), payload)
    assert parsed == piece
    assert list(parsed) == parts


@pytest.mark.parametrize("size", [TEMPLATE_PIECE_BYTES - 1, TEMPLATE_PIECE_BYTES])
def test_a_piece_of_the_largest_size(size: int) -> None:
    piece = Piece(((5, size),), np.random.default_rng(1).bytes(size))
    code, payload = records.format_template(piece)
    records.format_record(Kind.TEMPLATE, code, payload, 24)
    assert records.parse_template(Record(2, code, len(payload), 24), payload) == piece


class _Holes(Dump):
    """A dump of one coded tensor whose data lies scattered."""

    format = "hdf5"
    path = None

    def __init__(self, nbytes: int, holes: list[tuple[int, int]]) -> None:
        self.nbytes = nbytes
        tensor = mock.Mock(spec=Tensor)
        tensor.holes.return_value = holes
        self.tensors = [tensor]

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("hole", "gap"), [(8, 8), (100, 16), (4096, 64), (64, 5000)])
def test_many_segments(hole: int, gap: int) -> None:
    data = np.random.default_rng(2).bytes(5 << 19)
    holes = [(at, hole) for at in range(0, len(data) - hole, hole + gap)]
    dump = _Holes(len(data), holes)
    restored = bytearray(len(data))
    for piece in template_pieces(dump, dump.tensors, io.BytesIO(data)):
        code, payload = records.format_template(piece)
        records.format_record(Kind.TEMPLATE, code, payload, 24)  # refuses what is too large
        for offset, part in records.parse_template(Record(2, code, len(payload), 24), payload):
            restored[offset : offset + len(part)] = part
    for at, size in holes:
        restored[at : at + size] = data[at : at + size]
    assert restored == data


@pytest.mark.parametrize("holes", [[(0, 8), (4, 8)], [(95, 10)], [(3, 5), (3, 5)]])
def test_holes_that_overlap_are_refused(holes: list[tuple[int, int]]) -> None:
    dump = _Holes(100, holes)
    with pytest.raises(DamagedError, match="overlaps"):
        list(template_pieces(dump, dump.tensors, io.BytesIO(bytes(100))))


def test_a_template_of_several_pieces(tmp_path: Path) -> None:
    noise = np.random.default_rng(3)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["floats"] = noise.random(200_000)
        file["maps"] = noise.integers(0, 3, 90, np.int8)
        file["more"] = noise.random(300_000)
    fmcompress.compress(tmp_path / "in.h5", tmp_path / "packed")
    fmcompress.decompress(tmp_path / "packed", tmp_path / "out.h5")
    assert (tmp_path / "out.h5").read_bytes() == (tmp_path / "in.h5").read_bytes()
    with fmcompress.open(tmp_path / "packed") as file:
        assert sum(record.kind == Kind.TEMPLATE for record in file.records) == 4
        with h5py.File(tmp_path / "in.h5") as dump:
            for name in dump:
                assert np.array_equal(file[name][...], dump[name][...])


def test_a_dump_without_layers(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.attrs["why"] = "nothing recorded"
    fmcompress.compress(tmp_path / "in.h5", tmp_path / "packed")
    assert fmcompress.verify(tmp_path / "packed").ok
    with fmcompress.open(tmp_path / "packed") as packed:
        assert not packed
    fmcompress.decompress(tmp_path / "packed", tmp_path / "out.h5")
    assert (tmp_path / "out.h5").read_bytes() == (tmp_path / "in.h5").read_bytes()


def test_a_layer_without_words() -> None:
    data, _ = write([layer("none", 0), LayerInfo("flat", (4, 0, 2), "|u1", "C", UINT8, STORED)])
    with fmcompress.open(io.BytesIO(data)) as file:
        assert file["flat"][...].shape == (4, 0, 2)
        assert file["flat"].compressed_nbytes == file["none"].nbytes == 0
    assert fmcompress.verify(io.BytesIO(data)).ok


# --- Junk ----------------------------------------------------------------------------------

_KEYS = (
    *("name", "shape", "dtype", "order", "words", "codec", "chunk_words", "place", "carried"),
    *("axes", "serpentine", "quantized"),
)


@settings(deadline=None, max_examples=150)
@given(_json | st.dictionaries(st.sampled_from([*_KEYS, "other"]), _json))
def test_junk_is_no_description(value: Any) -> None:
    error = hostile.error_of(lambda: LayerInfo.from_json(value))
    assert error is None or error.exit_code in (3, 4)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(_KEYS), _json | st.integers(-(2**70), 2**70) | st.lists(st.integers()))
def test_a_description_with_one_wrong_value(key: str, value: Any) -> None:
    found: list[LayerInfo] = []
    error = hostile.error_of(
        lambda: found.append(LayerInfo.from_json({**hostile.row(), key: value}))
    )
    assert error is None or error.exit_code in (3, 4)
    for info in found:
        assert 0 <= info.size < 2**63
        assert info.chunks >= 0
        assert parse_layers(layers_to_json([info])) == [info]


@settings(deadline=None, max_examples=150)
@given(
    st.binary(max_size=80),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 3),
    st.integers(0, 2**33),
)
def test_parsers_on_junk(data: bytes, wide: bytes, code: int, number: int) -> None:
    record = Record(Kind.TEMPLATE, code, len(data), 24)
    chunk = Record(Kind.CHUNK, code, len(wide), 24)
    for parse in (
        lambda: records.check_header(data[:24]),
        lambda: records.check_header((records.MAGIC + data)[:24]),
        lambda: records.check_record(wide[:16], data, number),
        lambda: records.parse_head(wide[:16], number),
        lambda: records.parse_index(data, number),
        lambda: records.parse_trailer(wide, number),
        lambda: records.parse_template(record, data),
        lambda: records.parse_template(record, b"\x02\0\0\0" + wide + data),
        lambda: records.parse_chunk(chunk, wide),
        lambda: records.unpack_layers(record, data),
        lambda: records.unpack(1, b"BZh9" + data, 1000),
        lambda: parse_json(data),
        lambda: parse_layers(data),
        lambda: parse_dump(data),
        lambda: list(Scanner(io.BytesIO(records.format_header() + data)).records()),
        lambda: fmcompress.open(io.BytesIO(records.format_header() + data)),
    ):
        error = hostile.error_of(parse)
        assert error is None or error.exit_code in (3, 4)


@settings(deadline=None, max_examples=150)
@given(_json | st.fixed_dictionaries({"layers": _json, "defaults": _json}))
def test_json_junk(value: Any) -> None:
    for parse in (parse_dump, parse_layers):
        error = hostile.error_of(partial(parse, json.dumps(value).encode()))
        assert error is None or error.exit_code in (3, 4)


def test_json_of_deep_brackets_or_long_numbers() -> None:
    for text in (b"[" * 200_000, b'{"a":' * 200_000, b"9" * 100_000, b"\xff\xfe", b"\x80"):
        with pytest.raises(DamagedError):
            parse_json(text)
