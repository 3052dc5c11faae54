"""`fmc vectors`: what it writes for a test bench, and what it says of a simulator's output."""

from __future__ import annotations

import contextlib
import filecmp
import gzip
import hashlib
import io
import json
import logging
import re
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import REFERENCE, examples, golden
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from vectors import COMMITTED, load

import fmcompress
from fmcompress.cli.main import main
from fmcompress.errors import DamagedError, FmcError, ParameterError, UnsupportedError
from fmcompress.stream_words import stream_of, words_of
from fmcompress.vector_cases import (
    Case,
    case_line,
    delta_cycles,
    delta_string,
    read_cases,
)
from fmcompress.vector_check import VectorCheck
from fmcompress.vector_files import BITS, HEX, bit_lines, hex_lines, read_port
from fmcompress.vector_picking import Cut
from fmcompress.vector_set import MANIFEST, layer_id, read_manifest

ROOT = Path(__file__).parents[1]
PORTS = ("data", "znz", "bpc")
pytestmark = pytest.mark.usefixtures("compiling_was_said")


@dataclass(frozen=True)
class Ran:
    """What the command left behind."""

    code: int
    out: str
    err: str


def run(*arguments: object) -> Ran:
    """Run the command in this process."""
    out, err = io.StringIO(), io.StringIO()
    before = signal.getsignal(signal.SIGTERM)
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as exit_,
    ):
        main(["vectors", *map(str, arguments)])
    signal.signal(signal.SIGTERM, before)
    logging.getLogger("fmcompress").handlers.clear()
    assert isinstance(exit_.value.code, int)
    return Ran(exit_.value.code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def maps() -> dict[str, NDArray[Any]]:
    """Layers of every width of the hardware, with runs of zeros and whole chunks of them."""
    rng = np.random.default_rng(0)
    small = rng.integers(-99, 99, (5, 40), np.int8)
    small[rng.random(small.shape) < 0.4] = 0
    small[2] = 0
    return {
        "a/small": small,
        "a small": (rng.integers(0, 9, (3, 30)) // 4).astype(np.uint8),
        "wide": rng.integers(-999, 999, 70, np.int16),
        "floats": np.maximum(rng.normal(size=50), 0).astype(np.float32),
        "double": np.ones(3),
    }


@pytest.fixture
def dump(maps: dict[str, NDArray[Any]], tmp_path: Path) -> Path:
    """A file of them."""
    path = tmp_path / "maps.npz"
    np.savez(path, **maps)
    return path


def layer_words(source: Path, layer: str, **coding: Any) -> tuple[list[list[int]], int]:
    """Words of a layer, chunk by chunk, by another way: those of the container."""
    from fmcompress.layer_words import open_words

    with open_words(source, None, None, coding) as words:
        for one in words.layers():
            if one.info.name == layer:
                return [chunk.tolist() for chunk in one.chunks()], one.word_bits
    raise AssertionError(layer)


def lines_of(path: Path) -> list[str]:
    """Lines of a file that are no comments."""
    return [line for line in path.read_text("ascii").splitlines() if not line.startswith("//")]


def test_container_brings_its_block_size(maps: dict[str, NDArray[Any]], tmp_path: Path) -> None:
    np.save(tmp_path / "wide.npy", maps["wide"])
    path = tmp_path / "wide.fmc"
    fmcompress.compress(tmp_path / "wide.npy", path, block_size=16, max_burst=32)
    (own,) = fmcompress.write_vectors(path, tmp_path / "own").layers
    (given,) = fmcompress.write_vectors(path, tmp_path / "given", block_size=8).layers
    assert (own.block_size, own.burst_bits) == (16, 5)
    assert (given.block_size, given.burst_bits) == (8, 5)


# --- What is written ------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["a/small", "a small", "wide", "floats"])
def test_files_hold_words_and_streams_of_every_transmission(dump: Path, layer: str) -> None:
    """Against the reference codec, and as Verilog and VHDL read them: by their text alone."""
    folder = dump.parent / "out"
    made = fmcompress.write_vectors(dump, folder, chunk_words=40)
    found = next(one for one in made.layers if one.name == layer)
    chunks, w = layer_words(dump, layer, chunk_words=40)
    assert len(chunks) == len(found.transmissions) > 1
    streams = [REFERENCE.encode(words, w, 8, 16, "signed") for words in chunks]
    znz = [words_of(stream, w).tolist() for stream, _ in streams]
    bpc = [words_of(stream, w).tolist() for _, stream in streams]
    for port, expected in (("data", chunks), ("znz", znz), ("bpc", bpc)):
        flagged = [
            (word, int(place == len(words) - 1))
            for words in expected
            for place, word in enumerate(words)
        ]
        texts = lines_of(folder / found.file_name(port, HEX))
        assert texts == [f"{last}{word:0{w // 4}x}" for word, last in flagged]
        texts = lines_of(folder / found.file_name(port, BITS))
        assert texts == [f"{word:0{w}b} {last}" for word, last in flagged]
        for form in (HEX, BITS):
            read = read_port(folder / found.file_name(port, form), w, 10_000)
            assert read.words.tolist() == [word for word, _ in flagged]
            assert read.last is not None
            assert read.last.tolist() == [last for _, last in flagged]
            assert (read.unknown, read.count) == ({}, len(flagged))
        assert found.port_words(port) == [len(words) for words in expected]
    numbers = lines_of(folder / found.file_name("num_words", HEX))
    assert [int(number, 16) for number in numbers] == [len(words) - 1 for words in chunks]
    assert all(len(number) == 6 for number in numbers)
    numbers = lines_of(folder / found.file_name("bpc_words", BITS))
    assert [int(number, 2) for number in numbers] == [len(words) for words in bpc]
    case = next(c for c in read_cases(folder / "vectors.jsonl") if c.id == found.id)
    assert (case.word_bits, case.block_size, case.burst_bits) == (w, 8, 4)
    assert [words.tolist() for words in case.words] == chunks
    assert list(zip(case.znz, case.bpc, strict=True)) == streams


def test_a_transmission_of_zeros_has_no_bpc_words(dump: Path) -> None:
    made = fmcompress.write_vectors(dump, dump.parent / "out", layers="a/small", chunk_words=40)
    assert [t.bpc_words == 0 for t in made.layers[0].transmissions] == [0, 0, 1, 0, 0]


def test_manifest_names_every_file_with_its_digest(dump: Path) -> None:
    folder = dump.parent / "out"
    made = fmcompress.write_vectors(dump, folder, chunk_words=64, seed=5, max_words=30, chunks="0")
    fields = json.loads((folder / MANIFEST).read_text("ascii"))
    assert fields == made.to_json() == read_manifest(folder).to_json()
    names = {file["name"] for file in fields["files"]}
    assert names == {path.name for path in folder.iterdir()} - {MANIFEST}
    for file in fields["files"]:
        content = (folder / file["name"]).read_bytes()
        assert file["bytes"] == len(content)
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert fields["schema"] == "fmcompress.vectors/1"
    assert fields["version"] == fmcompress.__version__
    assert (fields["source"], fields["seed"], fields["max_words"]) == ("maps.npz", 5, 30)
    assert [layer["name"] for layer in fields["layers"]] == ["a/small", "a small", "wide", "floats"]
    assert [layer["id"] for layer in fields["layers"]] == ["a_small", "a_small_2", "wide", "floats"]
    assert fields["left_out"] == [{"name": "double", "reason": "dtype has no word format"}]


def test_differences_are_those_of_the_rtl(dump: Path) -> None:
    """Of words that compress codes otherwise, and of a container, whose layers say so."""
    made = fmcompress.write_vectors(dump, dump.parent / "out")
    own = {layer.name: layer.own_difference for layer in made.layers}
    assert own["a/small"] == "signed"
    others = [name for name, difference in own.items() if difference != "signed"]
    assert others
    notes = [note for note in made.notes if "signed, as in the RTL" in note]
    assert all(any(name in note for note in notes) for name in others)
    fmcompress.compress(dump, dump.parent / "packed", difference="modular")
    again = fmcompress.write_vectors(dump.parent / "packed", dump.parent / "again")
    assert {layer.own_difference for layer in again.layers} == {"modular"}
    for file in made.files:
        if file.endswith(BITS):
            assert filecmp.cmp(dump.parent / "out" / file, dump.parent / "again" / file, False)


def test_options_that_mean_nothing_to_a_container_are_said(dump: Path) -> None:
    fmcompress.compress(dump, dump.parent / "packed")
    made = fmcompress.write_vectors(dump.parent / "packed", dump.parent / "out", chunk_words=9)
    assert made.warnings == ["it is compressed already, so these do not count: chunk_words"]
    made = fmcompress.write_vectors(dump.parent / "packed", dump.parent / "more", max_burst=8)
    assert made.warnings == []
    assert {layer.burst_bits for layer in made.layers} == {3}


# --- Golden vectors -------------------------------------------------------------------------------


def golden_fields() -> list[dict[str, Any]]:
    """The recorded cases, as they stand in the file."""
    with gzip.open(COMMITTED, "rt", encoding="ascii") as lines:
        return [json.loads(line) for line in lines]


def test_recorded_cases_survive_reading_and_writing(tmp_path: Path) -> None:
    """Every field, the runs' cycles included."""
    for fields in golden_fields():
        case = Case.from_json(fields)
        known = {key: fields[key] for key in case.to_json()}
        assert json.loads(case_line(case)) == known
        assert set(fields) - set(known) <= {"rtl_bug"}
        for side in (case.enc, case.dec):
            for its in side.values():
                for port in set(its) & {"in", "znz", "bpc", "nw", "out"}:
                    cycles = delta_cycles(its[port])
                    assert cycles == sorted(cycles)
                    assert delta_string(cycles) == its[port]
    path = tmp_path / "cases.jsonl"
    path.write_bytes(gzip.decompress(COMMITTED.read_bytes()))
    for case, other in zip(read_cases(path), load(), strict=True):
        assert (case.id, case.word_bits, case.block_size) == (
            *(other.id, other.word_bits, other.block_size),
        )
        assert 2**case.burst_bits == other.max_burst
        assert [words.tolist() for words in case.words] == other.words
        assert (case.znz, case.bpc) == (other.znz, other.bpc)


@pytest.mark.parametrize("numbers", sorted({t[1:4] for t, _, _ in golden()}), ids=str)
def test_recorded_transmissions_are_written_as_the_rtl_has_them(
    tmp_path: Path, numbers: tuple[int, int, int]
) -> None:
    """A dump of recorded words gives the recorded streams, in every form."""
    w, n, most = numbers
    cases = [(t, znz, bpc) for t, znz, bpc in golden() if t[1:4] == numbers]
    path = tmp_path / "golden.npz"
    np.savez(path, **{f"x{i}": np.array(c[0].words, f"u{w // 8}") for i, c in enumerate(cases)})
    folder = tmp_path / "out"
    # As they stand, with 0 as the word 0.
    made = fmcompress.write_vectors(
        path, folder, block_size=n, max_burst=most, zero_point=0, chunk_words=1 << 16
    )
    written = {case.id: case for case in read_cases(folder / "vectors.jsonl")}
    for i, (transmission, znz, bpc) in enumerate(cases):
        case = written[f"x{i}"]
        assert case.words[0].tolist() == transmission.words
        assert (case.znz, case.bpc) == ([znz], [bpc])
        layer = next(layer for layer in made.layers if layer.name == f"x{i}")
        for port, stream in (("znz", znz), ("bpc", bpc)):
            read = read_port(folder / layer.file_name(port, HEX), w, 1 << 20)
            assert stream_of(read.words, w) == stream


# --- What is picked -------------------------------------------------------------------------------


def test_chunks_by_number(dump: Path) -> None:
    def chunks(picked: Any) -> dict[str, list[int]]:
        made = fmcompress.write_vectors(
            dump, dump.parent / "out", chunks=picked, chunk_words=20, overwrite=True
        )
        return {layer.name: [t.chunk for t in layer.transmissions] for layer in made.layers}

    assert chunks("0,3,1:3,8:12") == {
        "a/small": [0, 1, 2, 3, 8, 9],
        "a small": [0, 1, 2, 3],
        "wide": [0, 1, 2, 3],
        "floats": [0, 1, 2],
    }
    assert chunks(7) == chunks([7]) == chunks("7") == {"a/small": [7]}
    assert chunks(np.array([1, 0])) == chunks((0, 1)) == chunks("0:2")
    for wrong in (
        "",
        "x",
        "1,",
        "-1",
        "3:3",
        "4:2",
        "1:2:3",
        "random",
        "random:0",
        "random:x",
        [-1],
    ):
        with pytest.raises(ParameterError, match=r"chunks .*|no chunks"):
            chunks(wrong)
    with pytest.raises(ParameterError, match="whole numbers"):
        chunks([0.5])
    with pytest.raises(ParameterError, match="no layer has a chunk 70"):
        chunks("0,70")


def test_layers_without_the_chunks_are_left_out(dump: Path) -> None:
    made = fmcompress.write_vectors(dump, dump.parent / "out", chunks="9", chunk_words=20)
    assert made.left_out["wide"] == "it has none of these chunks"
    with pytest.raises(ParameterError, match="none of these chunks"):
        fmcompress.write_vectors(
            dump, dump.parent / "more", chunks="9", chunk_words=20, layers=["wide", "a/small"]
        )


def windows(dump: Path, **options: Any) -> dict[str, list[tuple[int, int, int]]]:
    """Chunk, first word and words of every transmission."""
    made = fmcompress.write_vectors(
        dump, dump.parent / "out", chunk_words=20, overwrite=True, **options
    )
    return {
        layer.name: [(t.chunk, t.first_word, t.words) for t in layer.transmissions]
        for layer in made.layers
    }


def test_words_are_cut_to_the_first_or_to_a_window(dump: Path) -> None:
    first = windows(dump, max_words=7)
    assert {start for found in first.values() for _, start, _ in found} == {0}
    assert {words for found in first.values() for _, _, words in found} == {7}
    drawn = windows(dump, max_words=7, seed=3)
    assert len({start for found in drawn.values() for _, start, _ in found}) > 3
    assert {words for found in drawn.values() for _, _, words in found} == {7}
    assert all(start + words <= 20 for found in drawn.values() for _, start, words in found)
    assert windows(dump, max_words=7, seed=4) != drawn
    # The same place, whatever else is picked.
    assert windows(dump, max_words=7, seed=3, chunks="2", layers="wide") == {
        "wide": [drawn["wide"][2]]
    }
    assert windows(dump, max_words=20, seed=3) == windows(dump)


def test_window_holds_the_words_from_there(dump: Path) -> None:
    [(_, start, count)] = windows(dump, max_words=7, seed=3, chunks="1", layers="wide")["wide"]
    chunks, _ = layer_words(dump, "wide", chunk_words=20)
    [case] = read_cases(dump.parent / "out" / "vectors.jsonl")
    assert case.words[0].tolist() == chunks[1][start : start + count]


def test_chunks_at_random(dump: Path) -> None:
    def numbers(seed: int | None) -> dict[str, list[int]]:
        found = windows(dump, chunks="random:3", seed=seed)
        return {name: [chunk for chunk, *_ in rows] for name, rows in found.items()}

    drawn = numbers(None)
    assert [*map(len, drawn.values())] == [3, 3, 3, 3]
    assert all(rows == sorted(set(rows)) for rows in drawn.values())
    assert drawn == numbers(None) == numbers(0)
    assert len({tuple(numbers(seed)["a/small"]) for seed in range(6)}) > 2


def test_the_same_seed_gives_the_same_bytes(dump: Path) -> None:
    options: dict[str, Any] = {"seed": 9, "max_words": 11, "chunks": "random:2", "chunk_words": 20}
    folders = [dump.parent / name for name in ("one", "two")]
    for folder in folders:
        made = fmcompress.write_vectors(dump, folder, **options)
    names = [MANIFEST, *made.files]
    assert filecmp.cmpfiles(*folders, names, shallow=False) == (names, [], [])


@given(st.integers(0, 300), st.integers(1, 40), st.none() | st.integers(0, 2**70))
@examples(50)
def test_windows_lie_in_their_chunks(words: int, most: int, seed: int | None) -> None:
    start, end = Cut(max_words=most, seed=seed).window("layer", 3, words)
    assert 0 <= start <= end <= words
    assert end - start == min(words, most)


@pytest.mark.parametrize(
    ("name", "value"), [("max_words", 0), ("max_words", 1.5), ("seed", -1), ("rtl_quirks", "no")]
)
def test_numbers_outside_their_range(dump: Path, name: str, value: Any) -> None:
    options: dict[str, Any] = {name: value}
    with pytest.raises(ParameterError, match=name):
        fmcompress.write_vectors(dump, dump.parent / "out", **options)


# --- What the hardware cannot have ----------------------------------------------------------------


def test_layers_that_the_hardware_cannot_have_are_left_out(dump: Path) -> None:
    made = fmcompress.write_vectors(dump, dump.parent / "out", block_size=16)
    assert [layer.name for layer in made.layers] == ["wide", "floats"]
    assert made.left_out["a small"] == "the hardware has no blocks of 16 words of 8 bits"
    assert any("a/small, a small: the hardware has" in note for note in made.notes)
    made = fmcompress.write_vectors(dump, dump.parent / "more", block_size=32, layers="[wf]*")
    assert [layer.name for layer in made.layers] == ["floats"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"block_size": 4}, "no blocks of 4 words"),
        ({"difference": "modular"}, "difference is 'modular'"),
        ({"block_size": 16, "layers": "a small"}, "no blocks of 16 words of 8 bits"),
        ({"word_bits": 6, "layers": ["a/small", "wide"]}, "no words of 6 bits"),
        ({"layers": "double"}, "dtype has no word format"),
        ({"layers": "dou*"}, "no layer can become vectors: dtype"),
        ({"layers": "nothing"}, "no layer matches"),
    ],
)
def test_what_the_hardware_cannot_have_is_refused(
    dump: Path, options: dict[str, Any], words: str
) -> None:
    if "word_bits" in options:
        np.savez(dump, **{"a/small": np.arange(9, dtype=np.int8), "wide": np.ones(9, np.int16)})
    with pytest.raises(ParameterError, match=words):
        fmcompress.write_vectors(dump, dump.parent / "out", **options)
    assert [path.name for path in dump.parent.iterdir()] == ["maps.npz"]


# --- Where it is written --------------------------------------------------------------------------


def test_folder_that_is_not_empty_is_kept_unless_forced(dump: Path) -> None:
    folder = dump.parent / "out"
    folder.mkdir()
    fmcompress.write_vectors(dump, folder, layers="wide")
    (folder / "mine").write_text("mine")
    with pytest.raises(FmcError, match="is a folder that is not empty; use --force"):
        fmcompress.write_vectors(dump, folder, layers="floats")
    assert (folder / "wide.data.hex").exists()
    fmcompress.write_vectors(dump, folder, layers="floats", overwrite=True)
    assert not (folder / "mine").exists()
    assert not (folder / "wide.data.hex").exists()


def test_input_is_never_replaced(dump: Path) -> None:
    content = dump.read_bytes()
    with pytest.raises(FmcError, match="holds the input"):
        fmcompress.write_vectors(dump, dump.parent, overwrite=True)
    shutil.copytree(dump.parent, dump.parent / "folder")
    with pytest.raises(FmcError, match="lies in the input"):
        fmcompress.write_vectors(dump.parent / "folder", dump.parent / "folder" / "out")
    assert dump.read_bytes() == content


def test_nothing_is_left_where_the_dump_is_cut(dump: Path) -> None:
    content = bytearray(dump.read_bytes())
    at = content.index(np.load(dump)["floats"].tobytes())
    content[at] ^= 1
    dump.write_bytes(content)
    with pytest.raises(DamagedError):
        fmcompress.write_vectors(dump, dump.parent / "out")
    assert [path.name for path in dump.parent.iterdir()] == ["maps.npz"]


@pytest.mark.parametrize(
    ("name", "taken", "expected"),
    [
        ("stage1/relu2", [], "stage1_relu2"),
        ("Stage1.relu2", ["stage1_RELU2"], "Stage1_relu2_2"),
        ("x", ["x", "x_2"], "x_3"),
        ("../../etc/passwd", [], "etc_passwd"),
        ("größe/层", [], "gr_e"),
        ("层", [], "layer"),
        ("", ["layer"], "layer_2"),
        ("a" * 300, [], "a" * 60),
    ],
)
def test_names_of_files(name: str, taken: list[str], expected: str) -> None:
    assert layer_id(name, taken) == expected


# --- Reading what a simulator writes --------------------------------------------------------------


def read(text: str | bytes, tmp_path: Path, w: int = 8, form: str = HEX, most: int = 99) -> Any:
    """Read a file of this text: words, last flags, unknown words, count."""
    path = tmp_path / f"out{form}"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = read_port(path, w, most)
    last = None if found.last is None else found.last.astype(int).tolist()
    return found.words.tolist(), last, found.unknown, found.count


def test_hex_as_readmemh_allows_it(tmp_path: Path) -> None:
    text = """\
// a comment 1ff
@0 0_01 /* of
several 1ff lines */ 0Ff // another
@2
1a0/**/002
@5 103
"""
    assert read(text, tmp_path) == ([1, 255, 160, 2, 0, 3], [0, 0, 1, 0, 0, 1], {4: "nothing"}, 6)
    assert read("05\nff", tmp_path) == ([5, 255], None, {}, 2)
    assert read("05 0 ff 1\n7f 0", tmp_path) == ([5, 255, 127], [0, 1, 0], {}, 3)
    assert read("05", tmp_path) == ([5], None, {}, 1)
    assert read("1dead_beef\r\n0CAFEf00d\r\n", tmp_path, 32) == (
        *([0xDEADBEEF, 0xCAFEF00D], [1, 0], {}, 2),
    )
    assert read("", tmp_path) == ([], [], {}, 0)
    assert read("// nothing", tmp_path) == ([], [], {}, 0)
    assert read("/* never closed 1ff", tmp_path) == ([], [], {}, 0)


def test_bits_as_vhdl_writes_them(tmp_path: Path) -> None:
    assert read("00000101 0\n11111111 1\n", tmp_path, form=BITS) == ([5, 255], [0, 1], {}, 2)
    assert read(" 00000101\n\n11111111", tmp_path, form=BITS) == ([5, 255], None, {}, 2)
    found = read("0000UX01 0\n00000001 Z\n", tmp_path, form=BITS)
    assert found == ([0, 0], [0, 0], {0: "0000ux01 0", 1: "00000001 z"}, 2)


def test_unknown_values_are_kept_as_they_stand(tmp_path: Path) -> None:
    assert read("1xx\nZ05\n0X1\n1ff\n", tmp_path) == (
        *([0, 0, 0, 255], [0, 0, 0, 1], {0: "1xx", 1: "z05", 2: "0x1"}, 4),
    )


def test_words_that_are_too_many_are_counted_and_not_kept(tmp_path: Path) -> None:
    text = "001\n" * 1_000_000
    found = read(text, tmp_path, most=3)
    assert found == ([1, 1, 1], [0, 0, 0], {}, 1_000_000)
    assert read("@ffffffffffff 101", tmp_path, most=2)[3] == 0x1000000000000


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("05\n06\n7", 3, "'7' is no word as those before it"),
        ("05\n6", 2, "'6' is no last flag"),
        ("005\n\n// x\n06\n", 4, "'06' is no word as those before it"),
        ("5\n", 1, "'5' is no word of 2 hex digits"),
        ("0005\n", 1, "'0005' is no word of 2 hex digits"),
        ("005\n/*\n\n*/ 0g6", 4, "'0g6' is no word of 8 bits"),
        ("205\n", 1, "'205' is no word of 8 bits"),
        ("005\n@xyz\n", 2, "'@xyz' is no hex address"),
        ("005\n005\n@1 006\n", 3, "'@1' is an address that goes back"),
        ("05 0\n@1 06 1\n", 2, "'@1' is an address among"),
        ("05 0\n06\n", 2, "'06' is a word without its last flag"),
        ("05 0\n06 x\n07 g", 3, "'g' is no last flag"),
        ("05 0\n06 12\n", 2, "'12' is no last flag"),
        (b"\xff\xfe0\x000\x00", 1, "is no word of"),
        (b"\0" * 3, 1, "is no word of"),
        ("fmc: warning: a log\n", 1, "'fmc:' is no word of"),
        ("9" * 70_000, 1, "is no word of"),
    ],
)
def test_lines_that_cannot_be_understood_are_named(
    tmp_path: Path, text: str | bytes, line: int, what: str
) -> None:
    with pytest.raises(DamagedError, match=f"^{re.escape(str(tmp_path))}.* line {line}: ") as error:
        read(text, tmp_path)
    assert what in str(error.value)
    assert len(str(error.value)) < 300 + len(str(tmp_path))


def test_lines_beyond_the_first_piece_are_named(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="line 600004: 'oops'"):
        read("001\n" * 300_000 + "/*\n\n*/" + "001\n" * 300_001 + "oops\n", tmp_path)


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="lines of more than"):
        read(b"0" * (20 << 20), tmp_path)


@given(st.data())
@examples(60)
def test_words_come_back_from_their_text(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    w = data.draw(st.sampled_from([8, 16, 32]))
    rows = data.draw(st.lists(st.tuples(st.integers(0, 2**w - 1), st.booleans()), max_size=30))
    words = np.array([word for word, _ in rows], np.uint32)
    last = np.array([flag for _, flag in rows], np.bool_)
    flags = data.draw(st.sampled_from([None, last]))
    folder = tmp_path_factory.mktemp("text")
    for form, lines in ((HEX, hex_lines), (BITS, bit_lines)):
        found = read(lines(words, flags, w), folder, w, form)
        assert found[0] == words.tolist()
        assert (found[2], found[3]) == ({}, len(rows))
        if rows:
            assert found[1] == (None if flags is None else last.astype(int).tolist())


@given(st.binary(max_size=200) | st.text("01xz@/*_ \n\t", max_size=60).map(str.encode))
@examples(300)
def test_any_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for form in (HEX, BITS):
        with contextlib.suppress(DamagedError):
            words, last, unknown, count = read(content, folder, form=form)
            assert len(words) == min(count, 99)
            assert last is None or len(last) == len(words)
            assert all(0 <= position < len(words) for position in unknown)


# --- JSON Lines -----------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 400), max_size=40).map(lambda deltas: np.cumsum(deltas).tolist()))
@examples(100)
def test_cycles_come_back_from_their_string(cycles: list[int]) -> None:
    assert delta_cycles(delta_string(cycles)) == cycles


def test_delta_string_is_that_of_the_recordings() -> None:
    assert delta_string([0, 9, 19, 54, 90, 151, 213, 350]) == "09azAZ(62)(137)"


@pytest.mark.parametrize("text", ["-", "(", "()", "(1", "(x)", "(-1)", "1)", "(٣)", "é", "( 1)"])
def test_strings_that_are_no_cycles(text: str) -> None:
    with pytest.raises(DamagedError, match="of the cycles"):
        delta_cycles(text)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"w": 12}, "w is 12"),
        ({"w": None}, "no field 'w'"),
        ({"w": True}, "no field 'w'"),
        ({"id": 3}, "no field 'id'"),
        ({"words": "0"}, "'words' is no hex"),
        ({"znz": "00zz"}, "'znz' is no hex"),
        ({"tx_lens": [2]}, "'tx_lens' do not add up"),
        ({"bpc_lens": [-1]}, "'bpc_lens' are no lengths"),
        ({"bpc_lens": [0.5]}, "'bpc_lens' are no lengths"),
        ({"enc": []}, "no field 'enc'"),
    ],
)
def test_cases_that_contradict_themselves(
    tmp_path: Path, change: dict[str, Any], what: str
) -> None:
    good = golden_fields()[1]
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps(good) + "\n" + json.dumps({**good, **change}) + "\n")
    cases = read_cases(path)
    assert next(cases).id == good["id"]
    with pytest.raises(DamagedError, match=f"line 2: .*{re.escape(what)}"):
        next(cases)


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"3", b"\xff", b"[" * 100_000])
def test_lines_that_are_no_cases(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "x").write_bytes(line + b"\n")
    with pytest.raises(DamagedError, match="line 1: "):
        list(read_cases(tmp_path / "x"))


# --- Checking -------------------------------------------------------------------------------------


@pytest.fixture
def written(dump: Path) -> Path:
    """Vectors, beside which a simulator has put out what it should."""
    folder = dump.parent / "out"
    fmcompress.write_vectors(dump, folder, chunk_words=40, layers=["a/small", "wide"])
    for port in PORTS:
        for id_ in ("a_small", "wide"):
            shutil.copy(folder / f"{id_}.{port}.hex", folder / f"{id_}.{port}.out.hex")
    return folder


def changed(folder: Path, name: str, lines: list[str]) -> VectorCheck:
    """Let an output hold these lines, and check."""
    (folder / name).write_text("".join(f"{line}\n" for line in lines), "ascii")
    return fmcompress.check_vectors(folder)


def test_outputs_that_agree(written: Path) -> None:
    found = fmcompress.check_vectors(written)
    assert found.ok
    assert [output.port for output in found.outputs] == 2 * ["znz_data_o", "bpc_data_o", "data_o"]
    assert all(output.last_checked for output in found.outputs)
    assert all(output.words_found == output.words_expected > 0 for output in found.outputs)
    assert found.not_simulated == []


def test_every_word_and_flag_counts(written: Path) -> None:
    """A change anywhere is found, where it is."""
    name = "a_small.bpc.out.hex"
    lines = lines_of(written / name)
    counts = read_manifest(written).layers[0].port_words("bpc")
    places = [(t, word) for t, count in enumerate(counts) for word in range(count)]
    assert len(places) == len(lines)
    for position, (transmission, word) in enumerate(places):
        for digit in range(3):
            wrong = list(lines[position])
            wrong[digit] = "1" if wrong[digit] == "0" else "0"
            text = "".join(wrong)
            found = changed(written, name, [*lines[:position], text, *lines[position + 1 :]])
            [bad] = [output for output in found.outputs if output.difference]
            assert bad.difference is not None
            assert (bad.file, bad.port, bad.layer) == (str(written / name), "bpc_data_o", "a/small")
            assert (bad.differing, bad.difference.position) == (1, position)
            assert (bad.difference.transmission, bad.difference.word) == (transmission, word)
            assert bad.difference.chunk == transmission
            assert bad.difference.expected == shown(lines[position])
            assert bad.difference.found == shown(text)


def shown(line: str) -> str:
    """A word of a file as in messages."""
    return line[1:] + (" last" if line[0] == "1" else "")


def first_of(found: VectorCheck) -> tuple[Any, ...]:
    """What matters of the only output that differs."""
    [bad] = [output for output in found.outputs if output.difference]
    difference = bad.difference
    assert difference is not None
    assert not found.ok
    place = (difference.transmission, difference.word)
    return bad.words_found, bad.differing, place, difference.expected, difference.found


def test_too_few_words(written: Path) -> None:
    lines = lines_of(written / "wide.data.out.hex")
    assert len(lines) == 70
    found = changed(written, "wide.data.out.hex", lines[:50])
    assert first_of(found) == (50, 20, (1, 10), shown(lines[50]), "nothing")
    assert "50 words where 70 are expected" in str(found.outputs[-1])
    found = changed(written, "wide.data.out.hex", [])
    assert first_of(found) == (0, 70, (0, 0), shown(lines[0]), "nothing")


def test_too_many_words(written: Path) -> None:
    lines = lines_of(written / "wide.data.out.hex")
    found = changed(written, "wide.data.out.hex", [*lines, "00001", "10002", "00003"])
    assert first_of(found) == (73, 3, (1, 30), "nothing", "0001")
    assert found.outputs[-1].difference is not None
    assert found.outputs[-1].difference.chunk is None


def test_a_word_that_is_missing_in_the_middle(written: Path) -> None:
    lines = lines_of(written / "wide.znz.out.hex")
    found = changed(written, "wide.znz.out.hex", [lines[0], *lines[2:]])
    words, differing, place, expected, got = first_of(found)
    assert (words, place, expected) == (len(lines) - 1, (0, 1), shown(lines[1]))
    assert got == shown(lines[2])
    assert differing >= 2


def test_values_that_the_simulator_does_not_know(written: Path) -> None:
    lines = lines_of(written / "wide.bpc.out.hex")
    for text in ("0xxxx", "xxxxx", "0000Z", "x0000"):
        found = changed(written, "wide.bpc.out.hex", [*lines[:2], text, *lines[3:]])
        assert first_of(found) == (len(lines), 1, (0, 2), shown(lines[2]), text.lower())


def test_outputs_without_last_flags(written: Path) -> None:
    lines = lines_of(written / "wide.znz.out.hex")
    found = changed(written, "wide.znz.out.hex", [line[1:] for line in lines])
    assert found.ok
    assert [output.last_checked for output in found.outputs].count(False) == 1


def test_outputs_in_other_forms(written: Path) -> None:
    """Flags behind words, as bits, in another folder."""
    elsewhere = written.parent / "sim"
    elsewhere.mkdir()
    lines = lines_of(written / "a_small.znz.hex")
    text = "".join(f"{line[1:]} {line[0]}\n" for line in lines)
    (elsewhere / "a_small.znz.out.hex").write_text(text)
    shutil.copy(written / "a_small.bpc.bits", elsewhere / "a_small.bpc.out.bits")
    found = fmcompress.check_vectors(written, elsewhere)
    assert found.ok
    assert [Path(output.file).name for output in found.outputs] == [
        *("a_small.znz.out.hex", "a_small.bpc.out.bits"),
    ]
    assert found.not_simulated == ["wide"]
    text = (elsewhere / "a_small.bpc.out.bits").read_text()
    (elsewhere / "a_small.bpc.out.bits").write_text("U" + text[1:])
    assert not fmcompress.check_vectors(written, elsewhere).ok


def test_what_was_not_simulated(written: Path) -> None:
    """A layer, or the decoder, may be left out; of the encoder's outputs both are there."""
    for port in PORTS:
        (written / f"wide.{port}.out.hex").unlink()
    (written / "a_small.data.out.hex").unlink()
    found = fmcompress.check_vectors(written)
    assert found.ok
    assert found.not_simulated == ["wide"]
    assert len(found.outputs) == 2
    (written / "a_small.bpc.out.hex").unlink()
    found = fmcompress.check_vectors(written)
    assert not found.ok
    assert found.outputs[1].file == str(written / "a_small.bpc.out.hex")
    assert found.outputs[1].words_found == 0
    (written / "a_small.znz.out.hex").unlink()
    with pytest.raises(FmcError, match=r"no simulator's output; write files such as a_small\.znz"):
        fmcompress.check_vectors(written)


def test_vectors_that_were_changed_are_not_compared_with(written: Path) -> None:
    path = written / "wide.znz.hex"
    path.write_text(path.read_text().replace("0", "1"))
    with pytest.raises(DamagedError, match=r"wide\.znz\.hex.*not as it was written"):
        fmcompress.check_vectors(written)
    path.unlink()
    with pytest.raises(DamagedError, match=r"wide\.znz\.hex.*is not there"):
        fmcompress.check_vectors(written)


@pytest.mark.parametrize("name", ["vectors.jsonl", "wide.data.bits", "a_small.num_words.hex"])
def test_files_that_are_not_compared_have_to_be_whole_too(written: Path, name: str) -> None:
    assert fmcompress.check_vectors(written).ok
    content = (written / name).read_bytes()
    (written / name).write_bytes(content + b"junk\n")
    with pytest.raises(DamagedError, match=rf"{re.escape(name)}.*not as it was written"):
        fmcompress.check_vectors(written)
    (written / name).unlink()
    with pytest.raises(DamagedError, match=rf"{re.escape(name)}.*is not there"):
        fmcompress.check_vectors(written)
    (written / name).write_bytes(content)
    assert run("--check", written).code == 0


def test_no_vectors_at_all(tmp_path: Path) -> None:
    with pytest.raises(FmcError, match=r"has no manifest\.json"):
        fmcompress.check_vectors(tmp_path)
    with pytest.raises(FmcError, match=r"has no manifest\.json"):
        fmcompress.check_vectors(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields["layers"][0].update(id="../../x"),
        lambda fields: fields["layers"][0].update(word_bits=7),
        lambda fields: fields["layers"][0].update(name=3),
        lambda fields: fields["layers"][0].pop("id"),
        lambda fields: fields["layers"][0]["transmissions"][0].update(words=-1),
        lambda fields: fields["layers"][0]["transmissions"][0].update(words=1e3),
        lambda fields: fields["layers"][0]["transmissions"][0].update(more=1),
        lambda fields: fields["layers"][0]["transmissions"].append(None),
        lambda fields: fields.update(layers=7),
        lambda fields: fields.update(files=[{}]),
        lambda fields: fields["files"][0].update(name="../x.hex"),
        lambda fields: fields.update(notes=[1]),
        lambda fields: fields.update(left_out={"a": "b"}),
        lambda fields: fields.update(schema="something else"),
        lambda fields: fields.pop("schema"),
    ],
)
def test_manifests_that_are_none(written: Path, change: Callable[[Any], Any]) -> None:
    fields = json.loads((written / MANIFEST).read_text())
    change(fields)
    (written / MANIFEST).write_text(json.dumps(fields))
    with pytest.raises(DamagedError, match="is no manifest of vectors"):
        fmcompress.check_vectors(written)


def test_manifest_that_contradicts_the_files(written: Path) -> None:
    fields = json.loads((written / MANIFEST).read_text())
    fields["layers"][0]["transmissions"][0]["znz_words"] += 1
    (written / MANIFEST).write_text(json.dumps(fields))
    with pytest.raises(DamagedError, match="does not hold what its manifest says"):
        fmcompress.check_vectors(written)
    fields["files"] = []
    (written / MANIFEST).write_text(json.dumps(fields))
    with pytest.raises(DamagedError, match=r"lists no 'a_small\.znz\.hex'"):
        fmcompress.check_vectors(written)


def test_manifests_of_other_versions(written: Path) -> None:
    path = written / MANIFEST
    path.write_text(path.read_text().replace("fmcompress.vectors/1", "fmcompress.vectors/2"))
    with pytest.raises(UnsupportedError, match="newer than this program"):
        fmcompress.check_vectors(written)
    for text in (b"", b"[]", b'{\n"schema": }', b"\xff", b"[" * 100_000):
        path.write_bytes(text)
        with pytest.raises(DamagedError, match="is no manifest of vectors"):
            fmcompress.check_vectors(written)


# --- The command ----------------------------------------------------------------------------------


def test_command_writes_and_checks(dump: Path) -> None:
    folder = dump.parent / "out"
    ran = run(dump, folder, "--chunk-words", 40, "--chunks", "0:2", "--max-words", 30, "--seed", 1)
    assert (ran.code, ran.out) == (0, "")
    *notes, line = ran.err.splitlines()
    assert all(note.startswith("fmc: ") for note in notes)
    assert line == f"maps.npz -> {folder}: 4 layers, 8 transmissions, 220 words, 42 files"
    one = run(dump, dump.parent / "one", "--layers", "wide", "--chunks", 0, "--max-words", 1)
    assert "1 layer, 1 transmission, 1 word, 12 files" in one.err
    assert run("--check", folder).code == 1
    for port in ("znz", "bpc"):
        shutil.copy(folder / f"wide.{port}.hex", folder / f"wide.{port}.out.hex")
    ran = run("--check", folder)
    assert (ran.code, ran.err) == (0, "")
    assert "not simulated: a/small, a small, floats" in ran.out
    assert "2 of 2 outputs agree" in ran.out
    path = folder / "wide.znz.out.hex"
    lines = lines_of(path)
    path.write_text("\n".join([*lines[:-1], "1xxxx"]))
    ran = run("--check", folder)
    assert ran.code == 3
    [message] = ran.err.splitlines()
    assert message == (
        f"fmc: {path}: znz_data_o: transmission 1, word {len(lines) // 2 - 1}: "
        f"expected {lines[-1][1:]} last, found 1xxxx"
    )
    assert "1 of 2 outputs agree" in ran.out
    assert run("--check", folder, "-q").out == ""
    ran = run("--check", folder, "--json", "--outputs", folder)
    document = json.loads(ran.out)
    assert (ran.code, ran.err) == (3, "")
    assert (document["schema"], document["ok"]) == ("fmcompress.vectors-check/1", False)
    assert document["outputs"][0]["difference"]["found"] == "1xxxx"
    path.write_text("nonsense\n")
    ran = run("--check", folder)
    assert ran.code == 3
    [message] = ran.err.splitlines()
    assert "wide.znz.out.hex: znz_data_o: line 1: 'nonsense' is no word of 4 hex" in message
    assert message.endswith("digits; docs/VECTORS.md tells how a simulator is to write it")
    assert "1 of 2 outputs agree" in ran.out
    found = fmcompress.check_vectors(folder)
    assert [output.ok for output in found.outputs] == [False, True]
    assert (found.outputs[0].words_found, found.outputs[0].difference) == (0, None)
    assert found.to_json()["outputs"][0]["unreadable"].startswith("line 1: 'nonsense' is no word")


def test_command_prints_the_manifest(dump: Path) -> None:
    folder = dump.parent / "out"
    ran = run(dump, folder, "--json", "--layers", "wide")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out) == json.loads((folder / MANIFEST).read_text())
    assert run(dump, folder, "-q", "-f", "--block-size", 16, "--layers", "w*") == Ran(0, "", "")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("IN",), 2, "Name the input and the folder"),
        (("IN", "out", "--outputs", "x"), 2, "--outputs is for --check"),
        (("--check", "out", "IN"), 2, "maps.npz' has no effect"),
        (("--check", "out", "--chunks", "1"), 2, "--chunks has no effect"),
        (("--check", "out", "--block-size", "8"), 2, "--block-size has no effect"),
        (("--check", "out", "--force"), 2, "--force has no effect"),
        (("--check", "nowhere"), 1, "has no manifest.json"),
        (("IN", "out", "--max-words", "0"), 2, "0 is not in the range"),
        (("IN", "out", "--chunks", "x"), 2, "cannot be understood"),
        (("IN", "out", "--block-size", "4"), 2, "no blocks of 4 words"),
        (("IN", "out", "--difference", "modular"), 2, "leave --difference out"),
        (("IN", "out", "--layers", "double"), 2, "layer 'double': has no words"),
        (("nothing", "out"), 1, "No such file"),
        (("IN", "IN", "--force"), 1, "is both input and output"),
    ],
)
def test_wrong_usage(
    dump: Path, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str], code: int, words: str
) -> None:
    monkeypatch.chdir(dump.parent)
    ran = run(*(dump if argument == "IN" else argument for argument in arguments))
    assert ran.code == code
    assert words in ran.err
    assert "Traceback" not in ran.err
    assert [path.name for path in dump.parent.iterdir()] == ["maps.npz"]
