"""The paper reproduced: the authors' counting, rule by rule and to the bit; the script's tables."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import authors_counting
import h5py
import loading
import numpy as np
import paper
import paper_maps
import paper_ratios
import published
import pytest
from authors_counting import AUTHORS, HARDWARE, Counts, Rules, authors_words, counts
from numpy.typing import NDArray

from fmcompress.codecs import CODECS, codec_named
from fmcompress.stream_words import stream_unit_bits, word_dtype

RNG = np.random.default_rng(8)
RULES = [field.name for field in fields(Rules)]


def only(name: str) -> Rules:
    """One of the authors' rules, all else as in the hardware."""
    return replace(HARDWARE, **{name: True})


def planes(words: Sequence[int], rules: Rules, word_bits: int = 8) -> int:
    return authors_counting.plane_bits(np.array(words, np.int64), word_bits, rules)


def counted(words: Sequence[int], rules: Rules) -> Counts:
    return counts(np.array(words, np.int64), 8, rules)


# --- Each rule, by hand -------------------------------------------------------------------


def test_differences_wrap() -> None:
    """-128 - 127 = -255: ones in planes 0 and 8 of 9 bits; in 8 bits it is 1.

    Base 8, plane 0 with a single one 8, plane 1 zero 5; six planes without change 3 + 3, and the
    sign with a single one 8; or, of 8 bits, those six planes alone.
    """
    words = [127, *[-128] * 7]
    assert planes(words, HARDWARE) == 8 + 8 + 5 + 6 + 8
    assert planes(words, only("wrapped_differences")) == 8 + 8 + 5 + 6


def test_codes_of_runs_are_swapped() -> None:
    """A difference of 51 = 0b00110011: changes at planes 0, 2, 4, 6, single planes between."""
    words = [0, *[51] * 7]
    assert planes(words, HARDWARE) == 8 + 8 + 2 + 5 + 2 + 8 + 2 + 5 + (3 + 3)
    assert planes(words, only("swapped_run_codes")) == 8 + 8 + 3 + 5 + 3 + 8 + 3 + 5 + (2 + 3)


def test_the_last_block_is_not_filled_up() -> None:
    """With zeros behind, 5 5 5 has a difference of -5 = 0b111111011; without, none at all."""
    short = only("short_last_block")
    assert planes([5, 5, 5], HARDWARE) == 8 + 8 + 2 + 5 + 8 + (3 + 3)
    assert planes([5, 5, 5], short) == 8 + (3 + 3)
    # Four words have three differences: 2 bits say which, and a plane as it is takes 1 + 3.
    assert planes([5, 6, 6, 6], short) == 8 + (5 + 2) + 5 + (3 + 3)
    assert planes([5, 6, 6, 7], short) == 8 + (1 + 3) + 5 + (3 + 3)
    assert planes([0] * 8 + [5] * 8, short) == planes([0] * 8 + [5] * 8, HARDWARE)


def test_a_last_block_of_one_word_costs_nothing() -> None:
    alone = only("lone_word_left_out")
    assert planes([5], HARDWARE) == 8 + 8 + 2 + 5 + 8 + (3 + 3)
    assert planes([5], alone) == 0
    assert planes([5, 5], alone) == planes([5, 5], HARDWARE)
    assert planes([5] * 9, alone) == planes([5] * 8, HARDWARE) == 8 + (3 + 3)


def test_zeros_at_the_end_cost_nothing() -> None:
    """Twenty of them are two bursts of 5 bits each, elsewhere, and in zero-RLE."""
    words, left_out = [0] * 20 + [5] * 8 + [0] * 20, only("trailing_zeros_left_out")
    with_all, without = counted(words, HARDWARE), counted(words, left_out)
    assert with_all.ebpc == 2 * 5 + 8 + 2 * 5 + planes([5] * 8, HARDWARE)
    assert without == with_all._replace(ebpc=with_all.ebpc - 2 * 5)


@pytest.mark.parametrize(("zeros", "bits"), [(15, 5), (16, 6), (17, 6 + 5), (32, 6 + 6)])
def test_a_full_burst_costs_six_bits(zeros: int, bits: int) -> None:
    rules = only("long_full_burst")
    assert counted([0] * zeros, rules).zero_rle == bits
    assert counted([0] * zeros, HARDWARE).zero_rle == -(-zeros // 16) * 5
    assert counted([0] * zeros + [5], rules).zero_rle == bits + 9
    assert counted([0] * zeros, rules).ebpc == counted([0] * zeros, HARDWARE).ebpc


def test_all_rules_together() -> None:
    """Of 127 -128 0 0 0: three words are not there for the flags; two make a block of w planes."""
    found = counted([127, -128, 0, 0, 0], AUTHORS)
    # Plane 0: its only bit; plane 1 all ones again; six without change.
    assert found.ebpc == 1 + 1 + 8 + 5 + 5 + (2 + 3)
    assert found.zero_rle == 9 + 9 + 5
    assert found.zvc == 5 + 2 * 8


def test_differences_of_floats_are_another_thing() -> None:
    """2 - 1 is 1, whose bits are 0x3C00; the bits of 2 and 1 differ by 0x0400."""
    words = np.array([1, *[2] * 7], np.float16)
    assert counts(words, 16, HARDWARE).bpc == 16 + (3 + 4) + 8 + 5 + (3 + 4)
    of_floats = counts(words, 16, HARDWARE, float_differences=True)
    assert of_floats.bpc == 16 + (3 + 4) + 8 + (3 + 4) + 5 + (3 + 4)


@pytest.mark.parametrize("word_bits", [8, 12, 16])
@pytest.mark.parametrize("size", [1, 7, 8, 9, 500])
def test_without_these_rules_counts_are_those_of_streams(size: int, word_bits: int) -> None:
    numbers = RNG.integers(0, 1 << word_bits, size) * RNG.integers(0, 2, size)
    words = numbers.astype(word_dtype(word_bits))
    found = counts(words, word_bits, HARDWARE)
    block_bits = authors_counting.plane_bits(
        paper_maps.Words(words[words != 0], word_bits).signed, word_bits, HARDWARE
    )
    unit = stream_unit_bits(word_bits)

    def padded(bits: int) -> int:
        return -(-bits // unit) * unit // 8

    def measured(name: str) -> list[tuple[int, int]]:
        return codec_named(name).measure_chunks(words, word_bits, size)

    assert measured("ebpc") == [(padded(found.ebpc - block_bits), padded(block_bits))]
    assert measured("bpc") == [(0, padded(found.bpc))]
    assert measured("zvc") == [(0, -(-found.zvc // 8))]
    if "zrle" in CODECS:
        assert measured("zrle") == [(0, -(-found.zero_rle // 8))]


# --- Words --------------------------------------------------------------------------------


def test_the_authors_recipe() -> None:
    values = np.array([[4, 2], [-1, 0]], np.float32)
    assert authors_words(values, 8).tolist() == [[95, 47], [-23, 0]]  # 0.75 * 127 = 95.25
    assert authors_words(values, 16).tolist() == [[24575, 12287], [-6143, 0]]
    assert not authors_words(np.zeros((2, 2), np.float32), 8).any()


def test_the_maximum_as_normaliser_lets_words_wrap() -> None:
    values = np.array([1, -1, -4], np.float32)
    assert authors_words(values, 8).tolist() == [23, -23, -95]
    assert authors_words(values, 8, by_maximum=True).tolist() == [95, -95, 256 - 381]
    assert not authors_words(-np.abs(values), 8, by_maximum=True).any()


@pytest.mark.parametrize("target", ["fixed8", "fixed12", "fixed16"])
def test_both_recipes_make_the_same_words(target: str) -> None:
    """But for rounding: the authors' is in float32, the product's in float64."""
    values = RNG.standard_normal((2, 3, 20, 20)).astype(np.float32)
    ours = paper_maps.quantised(values, target)
    theirs = authors_words(values, ours.word_bits).reshape(2, -1)
    differing = np.abs(ours.signed - theirs)
    assert differing.max() <= 1
    assert np.count_nonzero(differing) <= 0.001 * differing.size
    assert int(np.abs(theirs).max()) == int(0.75 * (2 ** (ours.word_bits - 1) - 1))


def test_words_are_those_of_the_command(samples: Path) -> None:
    for layer in loading.load(samples / "digits_f32.h5", "fixed16"):
        with h5py.File(samples / "digits_f32.h5") as file:
            values = file[layer.name][...].astype(np.float32)
        assert np.array_equal(paper_maps.quantised(values, "fixed16").patterns.ravel(), layer.words)


def test_integers_lose_their_zero_point() -> None:
    values = np.array([[-128, 127], [0, -127]], np.int8)
    maps = paper_maps.Maps("a", values, scale=0.5, zero_point=-128)
    words = paper_maps.native(maps)
    assert (words.patterns.tolist(), words.difference) == ([[0, 255], [128, 1]], "signed")
    assert maps.floats.tolist() == [[0.0, 127.5], [64.0, 0.5]]


def test_ratios_are_by_frame() -> None:
    """Eight words of 1 and eight of 0: 16 masks of a bit, and the words that are not 0."""
    words = paper_maps.Words(np.array([[1] * 8 + [0] * 8, [0] * 16], np.uint8), 8)
    ours = paper_ratios.product_ratios([words, words], ["zvc", "not a codec"])
    assert {name: ratios.tolist() for name, ratios in ours.items()} == {"zvc": [128 / 80, 8.0]}
    found = paper_ratios.authors_ratios(paper_ratios.authors_counts([words.signed] * 2, 8))
    assert found["zvc"].tolist() == [128 / 80, 8.0]
    assert found["ebpc"].tolist() == [128 / (8 + 8 + (2 + 3)), np.inf]


# --- The counts of real dumps -------------------------------------------------------------


class Row(NamedTuple):
    """A line of the counts that are given."""

    dump: str
    dataset: str
    form: str
    words: NDArray[Any]
    word_bits: int
    given: Counts


def given_rows(folder: Path, pattern: str = "") -> Iterator[Row]:
    """Read the given counts, of dumps whose names hold a pattern, and the words that they are of."""
    layers: dict[tuple[str, str, str], NDArray[Any]] = {}
    path = folder.parent / "expected" / "authors_counts.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            dump, dataset, form, word_bits = *_key(line), int(line["word_bits"])
            if pattern not in dump:
                continue
            if (dump, dataset, form) not in layers:
                layers = {(dump, dataset, form): words_of(folder / dump, dataset, form, word_bits)}
            words = layers[dump, dataset, form][int(line["frame"])].ravel()
            given = Counts(*(int(line[f"{method}_bits"]) for method in Counts._fields))
            assert np.count_nonzero(words == 0) == int(line["zero_words"])
            yield Row(dump, dataset, form, words, word_bits, given)


def _key(line: dict[str, str]) -> tuple[str, str, str]:
    return line["dump"], line["dataset"], line["format"]


def words_of(dump: Path, dataset: str, form: str, word_bits: int) -> NDArray[Any]:
    with h5py.File(dump) as file:
        layer = file[dataset]
        if form.startswith("fixed"):
            return authors_words(layer[...], word_bits)
        zero_point = int(layer.attrs["zero_point"]) if form == "native8-zp" else 0
        return np.asarray(layer[...].astype(np.int64) - zero_point)


def test_every_given_count_is_met_to_the_bit(shared_dumps: Path) -> None:
    rows = 0
    for row in given_rows(shared_dumps):
        rows += 1
        assert counts(row.words, row.word_bits) == row.given, row[:3]
    assert rows == 962


@pytest.mark.parametrize("name", RULES)
def test_no_rule_can_be_left_out(name: str, shared_dumps: Path) -> None:
    rules = replace(AUTHORS, **{name: False})
    rows = given_rows(shared_dumps, "resnet20_grad")
    assert any(counts(row.words, row.word_bits, rules) != row.given for row in rows)


# --- The script ---------------------------------------------------------------------------


def dump(path: Path, kind: str, values: Sequence[NDArray[Any]], op: str = "conv+relu") -> Path:
    """Write a dump whose layers say what they are behind."""
    with h5py.File(path, "w") as file:
        file.attrs["network"] = "resnet20_cifar10"
        for number, layer in enumerate(values):
            written = file.create_dataset(f"layer{number}", data=layer)
            written.attrs.update(op=op, kind=kind, scale=0.5, zero_point=0)
        file.create_dataset("no_relu", data=values[0]).attrs["op"] = "conv"
    return path


def maps_of(frames: int) -> NDArray[np.float32]:
    return np.maximum(RNG.standard_normal((frames, 4, 8, 8)), 0).astype(np.float32)


def test_only_layers_behind_a_relu_are_read(tmp_path: Path) -> None:
    network = paper_maps.read(dump(tmp_path / "a.h5", "post-activation", [maps_of(2)] * 3))
    assert [layer.name for layer in network.layers] == ["layer0", "layer1", "layer2"]
    assert (network.name, network.frames) == ("resnet20_cifar10", 2)
    assert not network.is_gradients
    with pytest.raises(ValueError, match="no layer's attribute 'op' names a ReLU"):
        paper_maps.read(dump(tmp_path / "b.h5", "other", [maps_of(1)], op="conv"))
    with pytest.raises(ValueError, match="layers differ in their number of frames"):
        paper_maps.read(dump(tmp_path / "c.h5", "other", [maps_of(1), maps_of(2)]))


def test_the_script_writes_its_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FMC_KERNELS", "")  # codecs to compare with choose another
    document = tmp_path / "paper.md"
    document.write_text("before\n<!-- run: begin -->\nold\n<!-- run: end -->\nbehind\n")
    gradients = RNG.standard_normal((2, 4, 8, 8)).astype(np.float32)
    paths = [
        dump(tmp_path / "maps.h5", "post-activation", [maps_of(2)]),
        dump(tmp_path / "gradients.h5", "gradient", [gradients], op="grad_relu_in"),
        dump(tmp_path / "int8.h5", "post-activation", [(maps_of(2) * 10).astype(np.int8)]),
    ]
    assert paper.main([*map(str, paths), "--write", str(document)]) == 0
    printed = capsys.readouterr().out.strip()
    written = document.read_text(encoding="utf-8")
    assert written.startswith("before\n<!-- run: begin -->\n\n### What was measured\n")
    assert written.endswith("|\n\n<!-- run: end -->\nbehind\n")
    assert printed in written
    assert "old" not in written
    tables = [line for line in printed.splitlines() if line.startswith("| resnet20_cifar10 |")]
    assert sum("| streams |" in line for line in tables) == 4 + 2 + 1
    assert all(line.count("|") > 3 for line in tables)


def test_what_cannot_be_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert paper.main([str(tmp_path / "nothing.h5")]) == 1
    assert capsys.readouterr().err.startswith("paper.py: ")


def test_orders_and_medians() -> None:
    ratios = {"zvc": 1.0, "bpc": 2.0, "zrle": 1.995, "ebpc": 3.0}
    named = {method: np.array([ratio]) for method, ratio in ratios.items()}
    assert paper.order(named) == "EBPC > BPC ≈ zero-RLE > ZVC"
    assert paper.median(np.array([1.0, 2.0, 4.0])) == "2.00"
    assert paper.median(np.array([1.0, 2.0, 4.0]), spread=True) == "2.00 [1.02–3.96]"
    assert paper.median(np.array([2.0]), spread=True) == "2.00"


def test_published_figures() -> None:
    assert published.PUBLISHED["AlexNet"]["fixed8"].cells() == (
        ["3.54", "3.19", "2.41", "4.65 [3.93–5.67]", "5.1"]
    )
    assert published.PUBLISHED["VGG-16"]["float16"].cells() == [
        "2.19",
        "2.15",
        "1.47*",
        "2.21*",
        "",
    ]
    assert set(published.NEAREST.values()) <= set(published.PUBLISHED)
    for of_formats in published.PUBLISHED.values():
        assert list(of_formats) == list(paper_maps.FORMATS)
