"""The benchmark programs: what is pure in them, and one short run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import compare
import end_to_end
import guard
import inputs
import loading
import memory
import numpy as np
import pytest
import rivals
import tables
import timing
from blosc2_codec import Blosc2
from codec import Codec
from ebpc_codec import EbpcCodec, paths
from inputs import Input, Layer

from fmcompress.codecs import ebpc_paths

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def _same_path_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codecs to measure choose their kernels for the whole process."""
    monkeypatch.setenv(ebpc_paths.VARIABLE, "")


def layer(name: str, words: list[int] | int, **fields: Any) -> Layer:
    """A layer of 8-bit words: given ones, or so many."""
    if isinstance(words, int):
        words = (RNG.integers(0, 256, words) * RNG.integers(0, 2, words)).tolist()
    return Layer(name, np.array(words, np.uint8), fields.pop("word_bits", 8), **fields)


# --- Input --------------------------------------------------------------------------------


def test_layers_without_negative_values_are_chosen() -> None:
    layers = [layer("a", [0, 1]), layer("b", [0, 200, 7], is_relu=False), layer("c", [3, 5])]
    chosen, about = inputs.choose(layers, "relu")
    assert [one.name for one in chosen] == ["a", "c"]
    assert about == "2 of 3 layers without negative values, 4 bytes of words, 25.0% zeros"
    assert len(inputs.choose(layers, "all")[0]) == 3
    chosen, about = inputs.choose(layers[1:2], "relu")
    assert [one.name for one in chosen] == ["b"]
    assert about.startswith("1 of 1 layers, ")


def test_layers_without_negative_values_are_recognised(samples: Path, tmp_path: Path) -> None:
    found = {one.name: one.is_relu for one in loading.load(samples / "digits_int8.h5")}
    assert {name for name, is_relu in found.items() if is_relu} == {
        name for name in found if "relu" in name
    }
    floats = {"a": np.float32([0, 1, 2]), "b": np.float32([0, -1, 2]), "c": np.int16([-3, 0, 0])}
    np.savez(tmp_path / "maps.npz", **floats)
    for quantize, bits in (("none", [32, 32, 16]), ("fixed8", [8, 8, 16]), ("fixed16", [16] * 3)):
        layers = loading.load(tmp_path / "maps.npz", quantize)
        assert [one.is_relu for one in layers] == [True, False, False]
        assert [one.word_bits for one in layers] == bits
        assert [8 * one.words.itemsize for one in layers] == bits


def test_input_is_repeated_copy_by_copy() -> None:
    wide = Layer("w", np.arange(300, dtype=np.uint16), 9)
    given = inputs.repeated("d", [layer("a", 5000), wide, layer("b", 100)], "some", 20_000)
    assert given.about == "some, 4 times: 22,800 bytes"
    assert given.nbytes == 22_800
    assert given.word_bits == 9
    assert len(given.layers) == 12
    assert [buffer.size for buffer in given.buffers] == [4 * 5100, 4 * 300]
    for one in given.layers:
        assert any(np.shares_memory(one.words, buffer) for buffer in given.buffers)
    pieces = inputs.cut_bytes(given, 2048)
    assert [piece.size for piece in pieces] == [2048, 2048, 1004] * 4 + [300] * 4
    assert np.array_equal(pieces[0], pieces[3])


def test_inputs_of_a_size_are_alike() -> None:
    layers = [layer("zeros", [0] * 100_000), layer("ones", [1] * 50_000)]
    for size in (30_000, 150_000, 400_000):
        given = inputs.of_size("d", layers, size)
        assert given.nbytes == pytest.approx(size, rel=0.001)
        assert np.count_nonzero(given.buffers[0]) == pytest.approx(size / 3, rel=0.01)
        assert len(given.layers) == 1


# --- Time ---------------------------------------------------------------------------------


def test_runs_alternate_and_medians_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    costs = {"a": iter([1.0, 50.0, 2.0]), "b": iter([5.0, 4.0, 3.0])}
    said: list[str] = []
    monkeypatch.setitem(timing.CLOCKS, "wall", lambda: now[0])

    def run(name: str) -> Any:
        def body() -> None:
            said.append(name)
            now[0] += next(costs[name])

        return body

    runs = {name: run(name) for name in costs}
    found = timing.medians(runs, 3, {"b": lambda: said.append("ready")})
    assert found == {"a": 2.0, "b": 4.0}
    assert said == ["a", "ready", "b"] * 3


class Liar(EbpcCodec):
    """Gives other words back."""

    def decompress(self, packed: Any) -> Any:
        return [[words ^ 1 for words in chunks] for chunks in super().decompress(packed)]


def test_round_trip_is_checked_before_anything_is_timed() -> None:
    given = inputs.repeated("d", [layer("a", 3000)], "", 1)
    with pytest.raises(ValueError, match="EBPC plain does not give piece 0 back"):
        timing.measure([Liar("plain")], given, (1,), 1)


def test_short_runs_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    count = [0]
    work = timing.Work(EbpcCodec("plain"), 100, 1.5, {("compress", 1): lambda: count.append(1)})
    seconds = {("compress", 1): 2.0, ("decompress", 1): 4.0}
    speeds = work.speeds(seconds, (1,))
    assert (speeds.compress[1], speeds.decompress[1]) == (100 / 2e6, 100 / 4e6)
    both = timing.Work(work.codec, 100, 1.5, dict.fromkeys(seconds, work.runs["compress", 1]))
    timing.measured({"x": both}, (1,), 2, 1000)
    assert len(count) == 1 + 2 * 2 * 10


# --- Codecs -------------------------------------------------------------------------------


def test_every_codec_gives_everything_back() -> None:
    given = inputs.repeated("d", [layer("a", 70_000), layer("b", 9)], "", 300_000)
    wide = Layer("w", np.arange(3000, dtype=np.uint16), 12)
    both = Input("d", [*given.layers, wide], [*given.buffers, wide.words], copies=1)
    found, _ = rivals.codecs()
    assert {"EBPC plain", "memcpy", "zlib-1"} <= {codec.name for codec in found}
    speeds = timing.measure(found, both, (1, 2), 1)
    assert speeds["memcpy"].ratio == 1
    assert all(speed.ratio > 0.7 for speed in speeds.values())


def test_ebpc_is_given_whole_chunks_in_batches() -> None:
    given = inputs.repeated("d", [layer("a", 700_000), layer("b", 9)], "", 1)
    batches = EbpcCodec("plain").cut(given)
    sizes = [[stretch.words.size for stretch in batch] for batch in batches]
    assert sizes == [[700_000, 9]]


def test_dense_noise_counts_as_stored() -> None:
    noise = Layer("n", RNG.integers(1, 256, 70_000).astype(np.uint8), 8)
    given = inputs.repeated("d", [noise], "", 1)
    assert timing.measure([EbpcCodec("plain")], given, (1,), 1)["EBPC plain"].ratio == 1


def test_paths_are_those_that_can_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ebpc_paths, "fastest", lambda: "portable")
    assert paths() == ("plain", "portable")


def test_a_missing_rival_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("zstandard", "lz4.block", "blosc2", "bitshuffle"):
        monkeypatch.setitem(sys.modules, package, None)
    found, missing = rivals.codecs()
    assert {codec.name for codec in found} == {
        *(f"EBPC {path}" for path in paths()),
        "memcpy",
        "zlib-1",
    }
    assert [line.split()[0] for line in missing] == ["lz4", "zstandard", "blosc2", "bitshuffle"]
    assert all("pip install '.[bench]'" in line for line in missing)


def test_small_copies_are_super_chunks_of_their_own() -> None:
    pytest.importorskip("blosc2")
    given = inputs.repeated("d", [layer("a", 5000)], "", 10_000)
    assert [piece.size for piece in Blosc2("LZ4").cut(given)] == [5000, 5000]


def test_peak_memory_is_that_of_a_piece() -> None:
    [codec] = [codec for codec in rivals.codecs()[0] if codec.name == "memcpy"]
    given = inputs.repeated("d", [layer("a", 50_000)], "", 16_000_000)
    needed = memory.peaks([codec], given)["memcpy"]
    assert 0 <= needed < 8_000_000


# --- What is printed ----------------------------------------------------------------------


def made_up(names: dict[str, tuple[float, float]]) -> dict[str, timing.Speeds]:
    """Speeds of one thread."""
    return {
        name: timing.Speeds(1.5, {1: compress}, {1: decompress})
        for name, (compress, decompress) in names.items()
    }


def text_of(table: Any) -> str:
    """What a table looks like."""
    out = tables.console()
    with out.capture() as shown:
        out.print(table)
    return shown.get()


def test_table_has_a_line_for_each_codec() -> None:
    found: list[Codec] = [EbpcCodec("plain"), EbpcCodec("fast")]
    speeds = {
        "EBPC plain": timing.Speeds(1.25, {1: 100.4, 2: 190}, {1: 120, 2: 233}, 2_100_000),
        "EBPC fast": timing.Speeds(1.25, {1: 1045, 2: 2000}, {1: 1648, 2: 3001}),
    }
    text = text_of(tables.codec_table(Input("maps", [], [], "some"), found, speeds, (1, 2)))
    rows = [line.strip("│\n ").split() for line in text.splitlines() if line.startswith("│")]
    cells = [[cell for cell in row if cell != "│"] for row in rows]
    assert cells == [
        ["EBPC", "plain", "1.250", "100", "120", "190", "233", "2.1", "pool"],
        ["EBPC", "fast", "1.250", "1,045", "1,648", "2,000", "3,001", "pool"],
    ]
    assert text.startswith("maps: some")


def test_machine_and_versions_are_told() -> None:
    text = "\n".join(tables.machine())
    assert f"{timing.processors()} processors" in text
    assert "fmcompress 0." in text
    assert "numba 0." in text
    assert rivals.versions()[0].startswith("zlib 1.")


def test_a_run_is_put_between_the_markers() -> None:
    document = f"above\n{tables.BEGIN}\nold\n{tables.END}\nbelow\n"
    written = tables.put_between_markers(document, "\na run  \nof two lines\n")
    assert "above\n" in written
    assert "```text\na run\nof two lines\n```" in written
    assert written.endswith(f"{tables.END}\nbelow\n")
    assert "old" not in written
    assert tables.put_between_markers(written, "a run\nof two lines") == written
    with pytest.raises(ValueError, match="it has no lines"):
        tables.put_between_markers("nothing", "")


def test_document_has_the_markers() -> None:
    document = Path(compare.__file__).parents[1] / "docs" / "performance.md"
    tables.put_between_markers(document.read_text(encoding="utf-8"), "")


def test_brackets_are_shown_as_they_are() -> None:
    assert text_of("pip install '.[bench]'") == "pip install '.[bench]'\n"


def test_a_short_run(samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = tmp_path / "document.md"
    document.write_text(f"{tables.BEGIN}\n{tables.END}\n", encoding="utf-8")
    sample = str(samples / "digits_relu_int8.npy")
    wanted = ["--rounds", "1", "--mb", "1", "--no-memory", "--write", str(document)]
    assert compare.main([sample, *wanted, "--growth", "1,2", "--codecs", "[Emz]*"]) == 0
    text = capsys.readouterr().out
    for piece in ("digits_relu_int8.npy: 1 of 1 layers", "EBPC plain", "zlib-1", "growth of cost"):
        assert piece in text
        assert piece in document.read_text(encoding="utf-8")


def test_processor_time_is_that_of_one_thread(
    samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = str(samples / "digits_relu_int8.npy")
    options = ["--clock", "cpu", "--threads", "2", "--codecs", "memcpy", "--no-memory"]
    assert compare.main([sample, "--rounds", "1", "--mb", "1", *options]) == 0
    text = capsys.readouterr().out
    assert "processor time" in text
    assert "1 thread" in text
    assert "2 threads" not in text


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["nothing.h5"], "nothing.h5"),
        (["--codecs", "LZW"], "no codec is named 'LZW': there are EBPC plain"),
        (["README.md"], "not an HDF5, NPY"),
    ],
)
def test_bad_arguments_are_one_line(
    arguments: list[str],
    cause: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").write_text("no dump", encoding="utf-8")
    assert compare.main(arguments) in (1, 2, 3, 4)
    error = capsys.readouterr().err
    assert error.startswith("compare.py: ")
    assert cause in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("option", ["--rounds=0", "--growth=1,x", "--end-to-end=-1", "--mb=many"])
def test_bad_numbers_are_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        compare.main([option])
    assert "give " in capsys.readouterr().err


# --- Guard --------------------------------------------------------------------------------


def test_guard_compares_ratios() -> None:
    rules = [
        guard.Rule("compress", 8, "fast", "zstd-1", 2.2),
        guard.Rule("decompress", 8, "fast", "zstd-1", 0.9),
        guard.Rule("compress", 8, "fast", "Blosc2 bitshuffle+LZ4", 1.4),
        guard.Rule("compress", 8, "portable", "zstd-1", 1.1),
    ]
    speeds = made_up({"EBPC fast": (1000, 700), "zstd-1": (450, 800)})
    verdicts = guard.judge("maps", rules, speeds)
    assert [verdict.is_fine for verdict in verdicts] == [True, False, None, False]
    assert verdicts[0].text == "maps: EBPC fast compress / zstd-1 = 2.22, at least 2.2"
    assert verdicts[1].text == "maps: EBPC fast decompress / zstd-1 = 0.88, at least 0.9"
    assert verdicts[2].text.endswith("the rival is not installed")
    assert verdicts[3].text.endswith("there is no such path")
    slow = made_up({"EBPC portable": (1000, 700), "zstd-1": (450, 800)})
    [verdict] = guard.judge("maps", rules[:1], slow, {"EBPC fast"})
    assert verdict.is_fine is None
    assert verdict.text.endswith("not on this processor")


def test_rules_are_valid_and_name_codecs_that_exist() -> None:
    rules = guard.read_rules()
    found, missing = rivals.codecs()
    if not missing:
        assert {rule.rival for rule in rules} <= {codec.name for codec in found}
    goals = {(r.direction, r.rival): r.at_least for r in rules if r.path == "fast"}
    halves = {(r.direction, r.rival): r.at_least for r in rules if r.path == "portable"}
    assert len(goals) >= len(halves) > 0
    with pytest.raises(ValueError, match="no valid rule"):
        guard.Rule("sideways", 8, "fast", "zstd-1", 1)


def test_guard_fails_with_a_line_a_rule(
    samples: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = [
        guard.Rule("compress", 8, "plain", "zlib-1", 0.001),
        guard.Rule("compress", 8, "plain", "zlib-1", 1000),
        guard.Rule("compress", 16, "plain", "zlib-1", 1000),
    ]
    monkeypatch.setattr(guard, "read_rules", lambda: rules)
    monkeypatch.setattr(guard, "repeated", lambda *given: inputs.repeated(*given, 1))
    sample = str(samples / "digits_relu_int8.npy")
    assert guard.main([sample, "--rounds", "1"]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "EBPC" in line]
    assert [line.split()[0] for line in lines] == ["fine", "FAILED"]
    rules[1:2] = []
    assert guard.main([sample, "--rounds", "1"]) == 0
    assert guard.main(["nothing.h5"]) == 2
    rules.clear()
    assert guard.main([sample]) == 2
    assert "no rule could be tried" in capsys.readouterr().err


# --- End to end ---------------------------------------------------------------------------


def test_disk_copies_read_one_file_and_write_another_size(tmp_path: Path) -> None:
    source, sizes, target = (tmp_path / name for name in "abc")
    source.write_bytes(bytes(range(256)) * 10_000)
    for size in (0, 5, 3_000_001):
        sizes.write_bytes(bytes(size))
        end_to_end.copy_file(source, sizes, target, synced=True)
        assert target.stat().st_size == size


def test_end_to_end_compares_what_comes_back(tmp_path: Path) -> None:
    files = end_to_end.Files(tmp_path)
    dump, packed = files.of("compress", False, 1)
    dump.write_bytes(b"maps")
    for threads in (1, 2):
        packed = files.of("compress", False, threads)[1]
        assert files.of("decompress", False, threads)[0] == packed
        packed.write_bytes(b"packed")
        files.of("decompress", False, threads)[1].write_bytes(b"maps")
    end_to_end.compare(files, (1, 2))
    packed.write_bytes(b"other")
    with pytest.raises(end_to_end.EndToEndError, match="another file"):
        end_to_end.compare(files, (1, 2))
    files.of("decompress", False, 2)[1].write_bytes(b"maps, and more")
    with pytest.raises(end_to_end.EndToEndError, match="does not give the file back"):
        end_to_end.compare(files, (1, 2))


def test_end_to_end_table_shows_start_up_and_disk_apart() -> None:
    seconds = {
        (direction, kind, threads): taken / (threads or 1)
        for direction in timing.DIRECTIONS
        for kind, threads, taken in (
            *(("maps", threads, 5.0) for threads in (1, 2)),
            *(("tiny", threads, 1.0) for threads in (1, 2)),
            ("disk", 0, 0.25),
            ("fsync", 0, 0.75),
        )
    }
    text = text_of(end_to_end.table_of("maps", 500, (1, 2), seconds))
    rows = [line for line in text.splitlines() if line.startswith("│")]
    assert rows[1].replace("│", "").split() == (
        ["compress", "2", "2.50", "200.0", "0.50", "0.25", "0.75", "250.0", "2.00"]
    )
    assert len(rows) == 4


# Copies its first file to the second; knows threads.
COPY = """
import shutil, sys
names = [word for word in sys.argv if word.endswith((".npy", ".fmc"))]
shutil.copy(*names) if names else print("--threads")
"""


def test_end_to_end_runs_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end_to_end, "FMC", (sys.executable, "-S", "-c", COPY))
    table = end_to_end.end_to_end_table("maps", [layer("a", 70_000)], 1, 1, tmp_path)
    assert len(table.rows) == 4
    assert str(table.title).startswith("maps, end to end: 1,000,128 bytes of NPY, 1,000,128 compr")
    assert not list(tmp_path.iterdir())


def test_a_command_that_fails_is_told() -> None:
    with pytest.raises(end_to_end.EndToEndError, match=r"^compress nothing\.npy: fmc: "):
        end_to_end.run([*end_to_end.FMC, "compress", "nothing.npy"])
