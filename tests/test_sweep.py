"""`sweep`: each row is a real stream's size; what was interrupted is taken up again."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

import fmcompress
from fmcompress import sweep_checkpoint, sweeping
from fmcompress.best_codecs import best_codecs
from fmcompress.chunks import LayerDecoder
from fmcompress.codecs import CODECS
from fmcompress.configurations import Configuration, Space
from fmcompress.errors import FmcError, ParameterError
from fmcompress.sweep_rows import Row, Sweep

SMALL = Space(block_sizes=(4, 16), max_bursts=(2, 64))


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """Two layers of floats, one of integers; three frames each."""
    random = np.random.default_rng(6)
    floats = np.maximum(random.normal(0, 1, (2, 3, 4, 8, 8)), 0).astype(np.float32)
    whole = (floats[0] * 40).astype(np.int8)
    np.savez(tmp_path / "maps.npz", a=floats[0], b=floats[1, :, :2], c=whole)
    return tmp_path / "maps.npz"


def words_of(dump: Path, layer: str, format_: str, order: str) -> tuple[np.ndarray, int, str]:
    """Words of all frames, w and the difference, by way of a container."""
    options: Any = {"quantize": None if format_ == "native" else format_}
    options["order"] = None if order == "file" else order
    file = io.BytesIO()
    fmcompress.compress(dump, file, layers=layer, **options)
    with fmcompress.open(io.BytesIO(file.getvalue())) as opened:
        number = [info.name for info in opened.contents.layers].index(layer)
        info = opened.contents.layers[number]
        decoder = LayerDecoder(info)
        words = [opened.read_words(number, chunk, decoder) for chunk in range(info.chunks)]
        return np.concatenate(words).reshape(3, -1), decoder.words.bits, decoder.words.difference


def check_rows(dump: Path, found: Sweep) -> None:
    """Every row against the streams of its codec."""
    cache: dict[tuple[str, str, str], tuple[np.ndarray, int, str]] = {}
    for row in found.rows:
        key = (row.layer, row.format, row.order)
        if key not in cache:
            cache[key] = words_of(dump, *key)
        frames, w, difference = cache[key]
        configuration = Configuration(row.codec, row.block_size, row.max_burst)
        codec = configuration.build(difference).fitted(lambda frames=frames: [*frames], w)
        words = frames[row.frame]
        both = [part.encode(words, w) for part in codec.parts]
        first, second = min(both, key=lambda pair: len(pair[0]) + len(pair[1]))
        assert (row.first_stream_bits, row.second_stream_bits) == (8 * len(first), 8 * len(second))
        bits = min(8 * (len(first) + len(second)), words.size * w)
        assert row.bits == bits + (codec.table_bits if row.frame == 0 else 0)
        assert (row.words, row.word_bits, row.raw_bits) == (words.size, w, words.size * w)
        assert row.zero_words == words.size - np.count_nonzero(words)
        assert row.ratio == row.raw_bits / row.bits


def test_rows_are_real_streams(dump: Path) -> None:
    space = Space(
        ("native", "fixed8"), ("file", "0,2,3,1"), block_sizes=(4, 16), max_bursts=(2, 64)
    )
    found = fmcompress.sweep(dump, space=space)
    assert len(found.rows) == 2 * (3 + 2) * 3 * (4 + 2 + 2 + 1)
    check_rows(dump, found)
    assert found.left_out == {"c (fixed8)": "is not quantised"}
    assert found.notes[-1:] == ["fixed8 has no rows of 1 layer, which is not quantised"]


def test_rows_of_every_codec(dump: Path) -> None:
    """With parameters said with the name, too."""
    codecs = (*CODECS, "ebpc:block_size=32", "zvc:group=8", "bpc:difference=modular")
    space = Space(("native", "float16"), codecs=codecs, block_sizes=(8,), max_bursts=(16,))
    check_rows(dump, fmcompress.sweep(dump, space=space))


def test_every_configuration_of_ebpc(dump: Path) -> None:
    """Both streams are measured apart: together they are those of one codec."""
    found = fmcompress.sweep(dump, space=Space(codecs=("ebpc",)), layers="c")
    assert len(found.rows) == 4 * 6 * 3
    check_rows(dump, found)


def test_the_best_are_the_same_in_every_table() -> None:
    """No choice among codecs is one; nor is any, where all are alike."""
    assert best_codecs({"ebpc": 5, "auto": 3, "auto:block_size=4": 2, "zvc": 5, "bpc": 7}) == [
        *("ebpc", "zvc")
    ]
    assert best_codecs({"ebpc": 5, "auto": 4}) == []
    assert best_codecs({"csc": 0, "ebpc": 4}) == []
    assert best_codecs({}) == []


def test_totals_and_best(dump: Path) -> None:
    found = fmcompress.sweep(dump, space=SMALL)
    sums: dict[tuple[Any, ...], int] = defaultdict(int)
    for row in found.rows:
        sums[row.codec, row.block_size, row.max_burst] += row.bits
    assert {(t.codec, t.block_size, t.max_burst): t.bits for t in found.totals} == sums
    for best in found.best:
        of_codec = {key: bits for key, bits in sums.items() if key[0] == best.codec}
        assert best.bits == min(of_codec.values())
        assert of_codec[best.codec, best.block_size, best.max_burst] == best.bits
        assert best.ratio == best.raw_bits / best.bits
    assert [best.codec for best in found.best] == ["ebpc", "bpc", "zrle", "zvc"]


def test_threads_change_nothing(dump: Path) -> None:
    found = [fmcompress.sweep(dump, space=SMALL, threads=n).to_json() for n in (1, 3)]
    assert found[0] == found[1]


def test_of_a_container(dump: Path) -> None:
    """Its words as they are; nothing else can be made of them."""
    file = io.BytesIO()
    fmcompress.compress(dump, file)
    found = fmcompress.sweep(io.BytesIO(file.getvalue()), space=SMALL)
    assert found.rows == fmcompress.sweep(dump, space=SMALL).rows
    assert found.warnings == []


def test_a_container_has_one_format_and_order(dump: Path) -> None:
    """A row never has the name of another: such are left out, and a warning says so."""
    file = io.BytesIO()
    fmcompress.compress(dump, file, layers="[ab]", quantize="fixed8")
    given = {"codecs": ("zvc",), "orders": ("0,2,3,1",)}
    found = fmcompress.sweep(
        io.BytesIO(file.getvalue()), space=Space(("fixed8", "fixed16"), **given)
    )
    assert {(row.format, row.order, row.word_bits) for row in found.rows} == {("native", "file", 8)}
    expected = "it is compressed already, so these do not count: fixed8, fixed16, 0,2,3,1"
    assert found.warnings == [expected]


# --- Interrupted --------------------------------------------------------------------------


class Interrupted(Exception):
    pass


def interrupted_after(layers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sweep fail behind so many layers."""
    rows = sweeping._Layer.rows
    done: list[int] = []

    def counting(layer: Any) -> list[Row]:
        if len(done) == layers:
            raise Interrupted
        done.append(1)
        found: list[Row] = rows(layer)
        return found

    monkeypatch.setattr(sweeping._Layer, "rows", counting)


def test_taken_up_again(dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is missing is measured, and the result is the same."""
    space = Space(("native", "fixed8"), block_sizes=(4, 16), max_bursts=(2, 64))
    kept = tmp_path / "sweep.csv.part"
    expected = fmcompress.sweep(dump, space=space)
    for layers in (2, 2):
        with monkeypatch.context() as patch:
            interrupted_after(layers, patch)
            with pytest.raises(Interrupted):
                fmcompress.sweep(dump, space=space, checkpoint=kept)
    with kept.open("a") as file:
        file.write('{"group": ["fixed8", "fi')  # of a write that was cut
    with monkeypatch.context() as patch:
        interrupted_after(1, patch)
        found = fmcompress.sweep(dump, space=space, checkpoint=kept)
    assert found.rows == expected.rows
    assert found.resumed_rows == sum(
        (row.layer, row.format) != ("b", "fixed8") for row in found.rows
    )
    again = fmcompress.sweep(dump, space=space, checkpoint=kept)
    assert (again.rows, again.resumed_rows) == (expected.rows, len(expected.rows))


def test_rows_are_kept_until_they_are_written(
    dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the output cannot be written, all that was measured is there for the next try."""
    from fmcompress.cli.main import main

    def no_space(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def sweep() -> tuple[Any, bool, bool]:
        with pytest.raises(SystemExit) as done:
            main(["sweep", "--codec", "zvc", str(dump), "-o", str(target)])
        return done.value.code, target.exists(), kept.exists()

    target, kept = tmp_path / "all.csv", tmp_path / "all.csv.part"
    with monkeypatch.context() as patch:
        patch.setattr(Sweep, "write", no_space)
        assert sweep() == (1, False, True)
    assert sweep() == (0, True, False)
    assert "of them from before" in capsys.readouterr().out


def test_where_nothing_was_kept_nothing_is_left(dump: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError):
        fmcompress.sweep(dump, space=Space("fixed8"), layers="c", checkpoint=tmp_path / "part")
    assert not (tmp_path / "part").exists()


def test_long_arrays_tell_sweeps_apart(tmp_path: Path) -> None:
    """Of those that print alike, too."""
    np.save(tmp_path / "a.npy", np.arange(2 * 3000, dtype=np.uint8).reshape(2, 3000))
    points = np.zeros(3000, np.int64)
    more: Any = {"space": SMALL, "checkpoint": tmp_path / "part", "zero_point_axis": 1}
    fmcompress.sweep(tmp_path / "a.npy", **more, zero_point=points)
    points[1500] = 1
    with pytest.raises(FmcError, match="another sweep"):
        fmcompress.sweep(tmp_path / "a.npy", **more, zero_point=points)


@pytest.mark.parametrize("change", ["bytes", "space", "coding"])
def test_not_taken_up_if_anything_differs(
    dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    kept = tmp_path / "part"
    with monkeypatch.context() as patch:
        interrupted_after(2, patch)
        with pytest.raises(Interrupted):
            fmcompress.sweep(dump, space=SMALL, checkpoint=kept)
    space, options = SMALL, {}
    if change == "bytes":
        with np.load(dump) as arrays:
            np.savez(dump, **{name: arrays[name] + 1 for name in arrays})
    elif change == "space":
        space = Space(block_sizes=(4, 16), max_bursts=(2, 32))
    else:
        options = {"zero_point": 1}
    rows = kept.read_bytes()
    with pytest.raises(FmcError, match="has rows of another sweep"):
        fmcompress.sweep(dump, space=space, checkpoint=kept, **options)  # type: ignore[arg-type]
    assert kept.read_bytes() == rows
    options["overwrite"] = True
    found = fmcompress.sweep(dump, space=space, checkpoint=kept, **options)  # type: ignore[arg-type]
    assert found.resumed_rows == 0
    assert found.rows == fmcompress.sweep(dump, space=space, **options).rows  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["no JSON\n", "[]\n", '{"version": 1}\n{"group": []}\n', "5"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_that_is_no_checkpoint(
    dump: Path, tmp_path: Path, text: str, overwrite: bool
) -> None:
    """Nobody's notes are lost."""
    kept = tmp_path / "part"
    kept.write_text(text)
    with pytest.raises(FmcError, match="no part of a sweep"):
        fmcompress.sweep(dump, space=SMALL, checkpoint=kept, overwrite=overwrite)
    assert kept.read_text() == text


def test_rows_that_were_changed_are_counted_anew(
    dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "part"
    expected = fmcompress.sweep(dump, space=SMALL, checkpoint=kept).rows
    for change in (
        lambda line: line["rows"][0].__setitem__(-3, line["rows"][0][-3] + 1),
        lambda line: line["rows"].clear(),
        lambda line: line.pop("check"),
    ):
        key, *lines = kept.read_text().splitlines()
        changed = json.loads(lines[1])
        change(changed)
        kept.write_text("\n".join([key, lines[0], json.dumps(changed), *lines[2:]]))
        found = fmcompress.sweep(dump, space=SMALL, checkpoint=kept)
        assert found.rows == expected
        assert found.resumed_rows == len(expected) // 3


@pytest.mark.parametrize(
    "line", ["5", "{}", '{"group": 3}', '{"group": ["a", "b", "c"], "rows": [[1, 2]]}', '{"gro']
)
def test_a_checkpoint_with_a_line_that_is_none(
    dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """It ends what is taken from there."""
    kept = tmp_path / "part"
    with monkeypatch.context() as patch:
        interrupted_after(2, patch)
        with pytest.raises(Interrupted):
            fmcompress.sweep(dump, space=SMALL, checkpoint=kept)
    lines = kept.read_text().splitlines()
    kept.write_text("\n".join([*lines[:2], line, *lines[2:]]))
    found = fmcompress.sweep(dump, space=SMALL, checkpoint=kept)
    expected = fmcompress.sweep(dump, space=SMALL).rows
    assert found.resumed_rows == len([row for row in expected if row.layer == "a"])
    assert found.rows == expected


def test_an_empty_checkpoint(dump: Path, tmp_path: Path) -> None:
    kept = tmp_path / "part"
    kept.touch()
    assert fmcompress.sweep(dump, space=SMALL, checkpoint=kept).resumed_rows == 0


def test_two_sweeps_at_once(dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is refused, and takes nothing from the first; a lock goes with who holds it."""
    kept = tmp_path / "part"
    rows = sweeping._Layer.rows
    refused: list[str] = []

    def meanwhile(layer: Any) -> list[Row]:
        before = kept.read_bytes()
        for overwrite in (False, True):
            with pytest.raises(FmcError, match="another sweep that runs") as raised:
                fmcompress.sweep(dump, space=SMALL, checkpoint=kept, overwrite=overwrite)
            refused.append(str(raised.value))
        assert kept.read_bytes() == before
        found: list[Row] = rows(layer)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(sweeping._Layer, "rows", meanwhile)
        fmcompress.sweep(dump, space=SMALL, checkpoint=kept)
    expected = f"{kept}: another sweep that runs keeps its rows there; wait for it, or name another"
    assert len(refused) == 6
    assert all(line.startswith(expected) for line in refused)
    assert {*tmp_path.iterdir()} == {dump, kept}
    fmcompress.sweep(dump, space=SMALL, checkpoint=kept)


def test_a_checkpoint_that_is_replaced_before_it_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the file that was opened is not the one that others see."""
    path, lock, seen = tmp_path / "part", sweep_checkpoint._lock, []

    def replacing(file: IO[str], name: Path) -> None:
        lock(file, name)
        seen.append(1)
        if len(seen) == 1:
            path.unlink()
        elif len(seen) == 2:
            path.with_name("new").touch()
            path.with_name("new").replace(path)

    monkeypatch.setattr(sweep_checkpoint, "_lock", replacing)
    with sweep_checkpoint._locked(path) as file:
        assert os.path.samestat(os.fstat(file.fileno()), path.stat())
    assert len(seen) == 3


def test_frames_without_streams(tmp_path: Path) -> None:
    """CSC writes nothing of zeros: there is no ratio then, anywhere."""
    np.save(tmp_path / "zeros.npy", np.zeros((2, 90), np.uint8))
    found = fmcompress.sweep(tmp_path / "zeros.npy", space=Space(codecs=("csc", "ebpc")))
    assert [row.ratio for row in found.rows[:2]] == [None, None]
    assert found.best[0].ratio is None
    spread = fmcompress.distribution(tmp_path / "zeros.npy", codec="csc")
    assert (spread.layers[0].pieces.ratio, spread.to_json()["total"]["ratio"]) == (None, None)
    moved = fmcompress.traffic(tmp_path / "zeros.npy", codec="csc", index=False)
    assert (moved.total.nominal_ratio, moved.to_json()["total"]["ratio"]) == (None, None)
    compared = fmcompress.compare(tmp_path / "zeros.npy", codecs=["ebpc", "csc"])
    assert compared.total.ratio("csc") is None
    assert compared.total.ebpc_gain(compared.methods) is None
    json.dumps([found.to_json(), spread.to_json(), moved.to_json()], allow_nan=False)


# --- What cannot be swept -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"formats": ("fixed9",)}, "format is 'fixed9'"),
        ({"formats": ()}, "formats is empty"),
        ({"orders": ("0,0",)}, "no permutation"),
        ({"codecs": ("lzma",)}, "codec is 'lzma'"),
        ({"block_sizes": (8, 5)}, "block_size is 5"),
        ({"max_bursts": 3}, "max_burst is 3"),
        ({"codecs": "zvc", "block_sizes": 4}, "block_size is a free parameter of none"),
        (
            {"codecs": "zvc", "block_sizes": (4, 8, 16, 32)},
            "block_size is a free parameter of none",
        ),
        ({"codecs": ("bpc", "ebpc:max_burst=4"), "max_bursts": 4}, "max_burst is a free parameter"),
    ],
)
def test_no_such_configuration(space: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Space(**space)


def test_single_values_and_repeated_ones() -> None:
    space = Space("native", "auto", "ebpc", (8, 8), 16)
    assert space.configurations == [Configuration("ebpc", 8, 16)]
    assert space.describe()["block_sizes"] == [8]


def test_a_difference_that_no_codec_has(dump: Path) -> None:
    with pytest.raises(ParameterError, match="difference is a free parameter of none"):
        fmcompress.sweep(dump, space=Space(codecs="zvc"), difference="modular")


@pytest.mark.parametrize("name", ["codec", "block_size", "max_burst", "quantize", "order"])
def test_what_is_swept_is_no_option(dump: Path, name: str) -> None:
    options: Any = {name: {"codec": "zvc", "quantize": "fixed8", "order": "auto"}.get(name, 8)}
    with pytest.raises(ParameterError, match=f"{name} is what is swept"):
        fmcompress.sweep(dump, **options)


def test_formats_that_nothing_has(dump: Path) -> None:
    found = fmcompress.sweep(dump, space=Space(("native", "fixed8"), codecs="zvc"), layers="c")
    assert {row.format for row in found.rows} == {"native"}
    assert "only floats are quantised" in found.left_out["all (fixed8)"]
    assert found.warnings == ["fixed8 has no rows: int8 elements: only floats are quantised"]
    with pytest.raises(ParameterError, match="nothing can be swept: int8 elements"):
        fmcompress.sweep(dump, space=Space("fixed8"), layers="c")


def test_an_order_that_no_layer_has(dump: Path) -> None:
    """Among others it is no error: it is said."""
    found = fmcompress.sweep(dump, space=Space("fixed8", ("file", "0,2,1"), "zvc"))
    assert {row.order for row in found.rows} == {"file"}
    assert found.warnings == [
        "fixed8 in the order 0,2,1 has no rows: order 0,2,1 has 3 axes, its shape (3, 4, 8, 8) has 4"
    ]


@pytest.mark.parametrize(
    "given", [{"headroom": 0.5}, {"headroom_axis": 0}, {"rounding": "nearest"}]
)
def test_quantising_where_nothing_is_quantised(dump: Path, given: dict[str, Any]) -> None:
    [name] = given
    with pytest.raises(ParameterError, match=f"{name} is for quantising"):
        fmcompress.sweep(dump, space=SMALL, **given)
    fmcompress.sweep(dump, space=Space(("native", "fixed8"), codecs="zvc"), **given)


# --- Files --------------------------------------------------------------------------------


def test_written_as_csv_and_json(dump: Path, tmp_path: Path) -> None:
    found = fmcompress.sweep(dump, space=SMALL)
    found.write(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert list(rows[0]) == ["file", *Row._fields]
    assert [int(row["bits"]) for row in rows] == [row.bits for row in found.rows]
    assert {row["block_size"] for row in rows} == {"", "4", "16"}
    target = io.BytesIO()
    found.write(target, as_json=True)
    assert json.loads(target.getvalue()) == json.loads(json.dumps(found.to_json()))
