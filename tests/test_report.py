"""`report`: its pictures, by hand and as XML; its page, its policy, its numbers."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from test_docs import run

import fmcompress
from fmcompress.coding import Coding
from fmcompress.errors import FmcError, ParameterError
from fmcompress.layer_words import open_words
from fmcompress.reference import encode_bits
from fmcompress.reporting.bar_charts import Bar, Stack, lying_bars, stacked_bars
from fmcompress.reporting.charts import Box, Series, box_plot, heat_map, legend_end
from fmcompress.reporting.collecting import Asked, Numbers, collect
from fmcompress.reporting.colours import DARK, LIGHT, codec_colours
from fmcompress.reporting.counting import Histogram
from fmcompress.reporting.figures import figures
from fmcompress.reporting.float_axis import FloatAxis
from fmcompress.reporting.histograms import Small, histogram_chart, small_histograms
from fmcompress.reporting.making import Report
from fmcompress.reporting.page import picture_style
from fmcompress.reporting.short_names import short_names, shortened
from fmcompress.reporting.vector_graphics import (
    Picture,
    Scale,
    logarithmic_ticks,
    nice_ticks,
    place,
    plain_number,
    safe,
    tick_numbers,
    whole_number,
)
from fmcompress.reporting.word_details import SYMBOLS, DetailsSurvey
from fmcompress.words.floats import FloatWords

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\x01"
SVG = "{http://www.w3.org/2000/svg}"
MOST_BYTES = 1_000_000


def collected(path: Path, coding: Coding | None = None, **more: Any) -> Numbers:
    """The numbers of a report."""
    given: dict[str, Any] = dict.fromkeys(("formats", "codecs", "frame_axis", "layers", "raw"))
    asked = Asked(**{**given, "threads": 1, "traffic": {}, "coding": coding or {}, **more})
    return collect([path], path.name, asked, lambda _: None)


# --- Pictures -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 2.9, [0, 0.5, 1, 1.5, 2, 2.5, 3]),
        (0, 1204, [0, 500, 1000, 1500]),
        (-128, 127, [-150, -100, -50, 0, 50, 100, 150]),
        (0, 0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (3, 3, [3, 3.5, 4, 4.5, 5, 5.5, 6]),
        (0, 0.0007, [0, 0.0002, 0.0004, 0.0006, 0.0008]),
    ],
)
def test_ticks_are_round_and_hold_all(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1, 40, [1, 2, 5, 10, 20, 50]),
        (1.2, 9, [1, 2, 5, 10]),
        (1, 5000, [1, 10, 100, 1000, 10000]),
        (0.3, 2, [0.2, 0.5, 1, 2]),
    ],
)
def test_logarithmic_ticks(low: float, high: float, ticks: list[float]) -> None:
    assert logarithmic_ticks(low, high) == pytest.approx(ticks)


def test_scales_go_from_their_first_tick_to_their_last() -> None:
    scale = Scale([0, 1, 2], 100, 20)
    assert [scale(0), scale(0.5), scale(2)] == [100, 80, 20]
    scale = Scale([1, 10, 100], 0, 20, True)
    assert [scale(1), scale(10), scale(100), scale(0)] == pytest.approx([0, 10, 20, 0])


def test_numbers_of_ticks() -> None:
    shown = [plain_number(value) for value in (0, 0.2, 1.5, 40, 1500, -200, 2e9, 2.5e9, 1e6)]
    assert shown == ["0", "0.2", "1.5", "40", "1,500", "−200", "2·10⁹", "2.5·10⁹", "10⁶"]
    assert [whole_number(value) for value in (-207, 1234567, -(10**7))] == [
        "−207",
        "1,234,567",
        "−10⁷",
    ]
    # Those of an axis are alike.
    assert tick_numbers([0, 5e4, 1e5, 1.5e5]) == ["0", "5·10⁴", "10⁵", "1.5·10⁵"]
    assert tick_numbers([1e-4, 0.01, 1, 10, 1e4]) == ["10⁻⁴", "10⁻²", "1", "10", "10⁴"]
    assert tick_numbers([-1e4, 0.01, 100]) == ["−10,000", "0.01", "100"]
    assert [place(value) for value in (1, 1.25, -0.01, 10.96)] == ["1", "1.2", "0", "11"]


def test_long_names_lose_their_middle() -> None:
    assert shortened("01_conv.relu", 12) == "01_conv.relu"
    assert shortened("01_features.conv.relu", 12) == "01_fe…v.relu"
    assert len(shortened("x" * 99, 22)) == 22


def test_short_names_keep_what_differs() -> None:
    names = [f"{i:02}_model.expand_conv_{i}.{kind}_conv_relu6" for i in range(9) for kind in "ab"]
    assert short_names(names, 50) == names
    short = short_names([*names, "99_head"], 14)
    assert len(set(short)) == len(names) + 1
    assert short[:3] + short[-1:] == ["00_model…0.a…", "00_model…0.b…", "01_model…1.a…", "99_head"]
    assert short_names(["x" * 99, "y"], 5) == ["xx…xx", "y"]


def test_text_is_escaped_and_controls_are_named() -> None:
    assert safe(HOSTILE) == (
        "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp;⟨U+0001⟩"
    )
    assert safe("שלום\u202e\ud800a\nb") == "שלום⟨U+202E⟩⟨U+D800⟩a\nb"
    picture = Picture(10, 10, HOSTILE)
    picture.text(1, 2, HOSTILE)
    root = ET.fromstring(picture.svg())
    assert root.attrib["aria-label"] == root[0].text == HOSTILE.replace("\x01", "⟨U+0001⟩")


def paths(picture: Picture, kind: str) -> list[str]:
    """What paths of a class draw."""
    root = ET.fromstring(picture.svg())
    return [one.attrib["d"] for one in root.iter(f"{SVG}path") if one.attrib["class"] == kind]


def wide(picture: Picture, kind: str) -> str:
    """How wide the lines of a class are, of which there is one path."""
    root = ET.fromstring(picture.svg())
    (found,) = (one for one in root.iter(f"{SVG}path") if one.attrib["class"] == kind)
    return found.attrib["stroke-width"]


def test_boxes_are_where_their_numbers_are() -> None:
    box = Box.of(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert box == (1.04, 2.0, 3.0, 4.0, 4.96)
    series = [Series("one", {"a": box}, {"a": "a text"})]
    picture = box_plot("boxes", ["a", "b"], series, "ratio", reference=1.0)
    root = ET.fromstring(picture.svg())
    # Ticks run from 0 to 5, over 280 pixels from 294 up; a slot has 110 pixels, from 64 on.
    assert paths(picture, "whisker") == [f"M119 {294 - 56 * 1.04:.1f}V{294 - 56 * 4.96:.1f}"]
    assert paths(picture, "box") == [f"M119 {294 - 2 * 56}V{294 - 4 * 56}"]
    assert wide(picture, "box") == "18"
    assert paths(picture, "median") == [f"M110 {294 - 3 * 56}h18"]
    assert paths(picture, "reference") == ["M64 238L284 238"]
    assert [title.text for title in root.iter(f"{SVG}title")] == ["a\na text", "b"]


def test_boxes_of_one_value_are_lines() -> None:
    series = [Series(name, {"a": Box.of(np.array([2.0]))}, {"a": ""}) for name in ("x", "y")]
    picture = box_plot("boxes", ["a"], series, "ratio", numbers=True)
    assert len(paths(picture, "median")) == 2
    assert paths(picture, "whisker") == []
    assert ">2.00</text>" in picture.svg()


def test_an_axis_is_logarithmic_where_ratios_are_far_apart() -> None:
    texts = {"a": "", "b": ""}
    boxes = {name: Box.of(np.array([value])) for name, value in (("a", 1.0), ("b", 30.0))}
    svg = box_plot("boxes", ["a", "b"], [Series("x", boxes, texts)], "ratio").svg()
    assert [f">{tick}</text>" in svg for tick in (1, 2, 5, 10, 20, 50)] == [True] * 6


def test_many_layers_have_room_each() -> None:
    names = [f"{i:03}_a_layer_with_a_long_name" for i in range(200)]
    boxes = {name: Box.of(np.array([1.5])) for name in names}
    picture = box_plot("many", names, [Series("x", boxes, boxes.fromkeys(names, ""))], "ratio")
    assert picture.width >= 200 * 15
    assert "rotate(-65" in picture.svg()


def test_bars_are_as_high_as_their_parts() -> None:
    picture = stacked_bars("bars", ["a"], ["x", "y"], [Stack((2.0, 3.0), "")], "bits", 4.0)
    (first,), (second,) = (paths(picture, f"s{i} mute") for i in range(2))
    # With a legend the plot ends at 320; a bit is 56 pixels.
    assert first == f"M119 320V{320 - 2 * 56}"
    assert second == f"M119 {320 - 2 * 56}V{320 - 5 * 56}"
    assert wide(picture, "s0 mute") == wide(picture, "s1 mute") == "40"
    assert paths(picture, "reference") == [f"M64 {320 - 4 * 56}L174 {320 - 4 * 56}"]


def test_a_line_runs_through_no_label() -> None:
    bars = [Bar("a", 1.0, "s0", "1.000", "a note", ""), Bar("b", 0.2, "s0", "0.200", "", "")]
    picture = lying_bars("bars", bars, "ratio", [], (1.1, "bound"))
    # Ticks run from 0 to 1.5, over 176 pixels from 174 on; rows begin at 54 and are 22 high.
    assert paths(picture, "reference") == ["M303.1 48V54M303.1 76V102"]
    assert {"1.000", "0.200", "a note"} <= set(texts(picture))
    picture = lying_bars("bars", bars[1:], "ratio", [], (1.1, "bound"))
    assert paths(picture, "reference") == ["M303.1 48V80"]


@pytest.mark.parametrize(
    ("ratios", "framed"),
    [
        ((1.5, 2.5, 2.0, 1.0), ["n 4, R 4: 2.5000"]),
        ((2.5, 2.5, 2.0, 1.0), ["n 4, R 2: 2.5000", "n 4, R 4: 2.5000"]),
        ((2.0, 2.0, 2.0, 2.0), []),
    ],
)
def test_the_best_cells_are_framed(ratios: tuple[float, ...], framed: list[str]) -> None:
    cells = dict(zip(((4, 2), (4, 4), (8, 2), (8, 4)), ratios, strict=True))
    svg = heat_map("heat", [4, 8], [2, 4], cells, ("n", "R")).svg()
    assert re.findall(r'class="heat best"[^>]*"0.56"[^>]*><title>([^<]*)</title>', svg) == framed


def test_a_codec_keeps_its_colour() -> None:
    usual = {"ebpc": "s0", "bpc": "s1", "zrle": "s2", "zvc": "s3"}
    assert codec_colours(list(usual)) == usual
    late = codec_colours(["huffman", "zvc:group=64", "zvc", "auto", "ebpc"])
    assert {name: late[name] for name in ("ebpc", "zvc")} == {"ebpc": "s0", "zvc": "s3"}
    assert list(late) == ["huffman", "zvc:group=64", "zvc", "auto", "ebpc"]
    assert len(set(late.values())) == 5
    assert codec_colours(["huffman"])["huffman"] == codec_colours(["zvc", "huffman"])["huffman"]
    many = codec_colours([f"zvc:group={n}" for n in range(20)]).values()
    assert len(set(many)) == 20
    assert {look.split()[0] for look in many} <= set(LIGHT)


def test_histograms_show_what_occurs_once() -> None:
    picture = histogram_chart("h", Histogram(0, 1, np.array([5, 1, 0, 100])), "word")
    (outline,) = paths(picture, "s0 fill")
    heights = [float(y) for y in re.findall(r"V([\d.]+)", outline)]
    # Of the scale, from 0.5 to 100, which has 280 pixels.
    assert heights[1] == pytest.approx(294 - 280 * math.log10(2) / math.log10(200), abs=0.1)
    assert heights[2:] == [294, 14, 294]
    many = Small("a", Histogram(0, 1, np.array([1, 10**6])), "")
    (small,) = paths(small_histograms("h", [many]), "s0 fill")
    assert small.startswith("M0 0v-3")


def test_labels_have_room_for_what_is_made_visible() -> None:
    names = ["\u202e" * 9, "b"]
    boxes = {name: Box.of(np.array([1.5])) for name in names}
    picture = box_plot("h", names, [Series("x", boxes, boxes.fromkeys(names, ""))], "ratio")
    (label,) = (text for text in texts(picture) if text.startswith("⟨"))
    assert len(label) == 26
    assert picture.has_cut


def texts(picture: Picture) -> list[str]:
    return [str(one.text) for one in ET.fromstring(picture.svg()).iter(f"{SVG}text")]


def test_an_axis_is_cut_to_what_occurs() -> None:
    """Not the range of 16-bit words."""
    counts = np.zeros(1 << 16, np.int64)
    counts[(1 << 15) - 40 : (1 << 15) + 261] = 7
    histogram = Histogram(-(1 << 15), 1, counts)
    shown = texts(histogram_chart("h", histogram, "word"))
    assert [tick for tick in shown if tick in ("-100", "0", "250", "300")] == ["0", "250"]
    assert not [text for text in shown if text.startswith(("−1", "10,", "32,"))]
    # What occurs, and not edges of bins.
    assert "−40 to 260" in texts(small_histograms("h", [Small("a", histogram, "")]))


def test_floats_have_an_axis_of_values() -> None:
    axis = FloatAxis(FloatWords("float32", "rotate"))
    low, high = axis.word(0.5), axis.word(8.0)
    assert (axis.value(low), axis.value(high)) == (0.5, 8.0)
    assert [text for _, text in axis.ticks(low, high)] == ["0.5", "1", "2", "5"]
    assert [text for _, text in axis.ticks(0, axis.word(3e38))][-1] == "10³⁰"
    width = 1 << 17
    bins = Histogram(low // width * width, width, np.full((high - low) // width, 3), apart=9)
    picture = histogram_chart("h", bins, axis.title, axis)
    assert {"0", "0.5", "1", "2", "5"} <= set(texts(picture))
    zeros, _ = paths(picture, "s0 fill")
    assert re.fullmatch(r"M68 \S+h9v\S+h-9z", zeros)  # at the left
    bins = replace(bins, ends=(low, axis.word(7.7777)), nans=1, infinities=2)
    shown = texts(small_histograms("h", [Small("a", bins, "", axis)]))
    assert {"0; 0.5 to 7.778", "NaN, inf"} <= set(shown)
    assert bins.total == bins.counts.sum() + 12


@pytest.mark.parametrize(
    ("format_", "mapping"),
    [("float16", "bits"), ("bfloat16", "rotate"), ("float8_e4m3fn", "bits"), ("float32", "bits")],
)
def test_axes_know_the_words_of_values(format_: str, mapping: str) -> None:
    axis = FloatAxis(FloatWords(format_, mapping))
    for value in (0.25, 1.0, 24.0):
        assert axis.value(axis.word(value)) == value
        assert axis.value(axis.word(value) - 1) < value


def test_histograms_are_added_and_joined() -> None:
    fine, wide_ = Histogram(-3, 1, np.arange(1, 6)), Histogram(4, 4, np.array([1, 0, 2]), apart=3)
    joined = fine.joined(3)
    assert (joined.first, joined.bin_width, joined.counts.tolist()) == (-4, 2, [1, 5, 9])
    both = fine + wide_
    assert (both.first, both.bin_width, both.counts.tolist()) == (-4, 4, [6, 9, 1, 0, 2])
    assert (fine.range, both.range) == ((-3, 1), (-3, 15))
    assert (replace(wide_, ends=(5, 13)) + fine).joined(2).range == (-3, 13)
    cut = Histogram(0, 2, np.array([0, 0, 3, 0, 1, 0])).joined(9)
    assert (cut.first, cut.end, cut.counts.tolist()) == (4, 10, [3, 0, 1])
    nothing = Histogram(8, 2, np.zeros(4, np.int64), apart=5).joined(9)
    assert (nothing.counts.tolist(), nothing.total) == ([0], 5)


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(f * c for f, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_colours_have_contrast(colours: dict[str, str]) -> None:
    """As WCAG asks: 4.5 for text, 3 for what is drawn."""

    def contrast(name: str, paper: str) -> float:
        pair = sorted((luminance(colours[name]), luminance(colours[paper])), reverse=True)
        return (pair[0] + 0.05) / (pair[1] + 0.05)

    for paper in ("paper", "card", "stripe"):
        assert min(contrast(name, paper) for name in ("ink", "quiet", "link")) >= 4.5
        assert min(contrast(f"s{i}", paper) for i in range(8)) >= 3
    assert LIGHT.keys() == DARK.keys()


# --- Numbers ------------------------------------------------------------------------------


def maps(path: Path, **layers: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in layers.items():
            file[name.replace("/", "∕")] = values
    return path


def some(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    values = np.abs(random.normal(0, 20, shape))
    return np.where(random.random(shape) < 0.4, 0, values).astype(dtype)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float32"])
def test_histograms_and_symbols_are_those_of_the_words(tmp_path: Path, dtype: str) -> None:
    """Also across the pieces in which a layer is read."""
    values = some((3, 5, 40), dtype)
    if dtype.startswith("int"):
        values[::2] *= -1
    path = maps(tmp_path / "maps.h5", a=values)
    coding: Coding = {"zero_point": 0} if dtype != "float32" else {}
    with open_words(path, None, None, coding) as opened:
        (layer,) = opened.layers()
        survey = DetailsSurvey(layer, 40)
        pieces = [piece() for piece in layer.pieces(120)]
        for piece in pieces:
            survey.add(survey.measure(piece))
        found = survey.result()
        words = np.concatenate(pieces).astype(np.int64)
        bits, difference = layer.word_bits, layer.difference
    streams = [
        encode_bits(words[at : at + 40].tolist(), bits, 8, 16, difference)[1]
        for at in range(0, words.size, 40)
    ]
    assert int(found.symbol_bits.sum()) == sum(map(len, streams))
    if found.signed:
        words = np.where(words >> (bits - 1), words - (1 << bits), words)
    nonzero = words[words != 0]
    assert found.nonzero_words == nonzero.size
    floats = dtype == "float32"
    assert found.values.apart == (words.size - nonzero.size if floats else None)
    assert found.values.bin_width == found.differences.bin_width == 1 or bits > 8
    binned = nonzero if floats else words
    for histogram, expected in ((found.values, binned), (found.differences, np.diff(nonzero))):
        width = histogram.bin_width
        bins = Counter((expected // width).tolist())
        first = histogram.first // width
        shown = {first + i: n for i, n in enumerate(histogram.counts.tolist()) if n}
        assert shown == dict(bins)
        assert histogram.range == (expected.min(), expected.max())


@pytest.mark.parametrize("mapping", ["bits", "rotate"])
def test_zeros_with_a_sign_are_apart_too(tmp_path: Path, mapping: str) -> None:
    values = np.array([0.0, -0.0, -0.0, 1.5, 0.0, -0.0, 2.0], np.float32)
    found = collected(
        maps(tmp_path / "maps.h5", a=values), {"mapping": mapping}, formats=("native",)
    )
    (layer,) = found.formats[0].details
    assert (layer.values.apart, layer.nonzero_words, layer.values.total) == (5, 5, 7)
    (floats,) = {layer.floats}
    assert floats is not None
    assert FloatAxis(floats).value(layer.values.first) == 1.5


@pytest.mark.parametrize("mapping", ["bits", "rotate"])
def test_what_is_not_finite_is_apart(tmp_path: Path, mapping: str) -> None:
    """And the greatest finite value has a bar, and is written as it is."""
    greatest = np.finfo(np.float32).max
    values = np.array([np.nan, np.inf, -np.nan, 0.0, 1.0, greatest], np.float32)
    path = maps(tmp_path / "maps.h5", a=values, b=np.full(9, np.nan, np.float32))
    text = made(path, tmp_path / "r.html", mapping=mapping, formats=("native", "bfloat16"))[1]
    check_page(text)
    assert ">0; 1 to 3.403·10³⁸</text>" in text
    assert ">NaN, inf</text>" in text
    assert ">NaN</text>" in text
    assert "6.7 % are zero, 73.3 % are NaN, 6.7 % are infinite; of others most lie near 1" in text


def test_words_of_values_with_a_zero_point_are_explained(tmp_path: Path) -> None:
    path = maps(tmp_path / "maps.h5", a=some((3, 50), "uint8"))
    said = "less their layer&#x27;s zero point, modulo 256: values below it become words near 256"
    assert said in made(path, tmp_path / "r.html", zero_point=7)[1]
    assert "modulo" not in made(path, tmp_path / "r.html", zero_point=0)[1]


def test_numbers_are_those_of_the_commands(samples: Path) -> None:
    path = samples / "digits_int8.h5"
    found = collected(path)
    (one,) = found.formats
    assert (one.name, one.lossy, found.codecs) == ("native", False, ("ebpc", "bpc", "zrle", "zvc"))
    compared = fmcompress.compare(path)
    assert one.comparison.total == compared.total
    assert one.comparison.advice == compared.advice
    assert one.traffic.total == fmcompress.traffic(path).total
    spread = fmcompress.distribution(path, by="frame")
    for layer in spread.layers:
        box, sparsity = one.ratios["ebpc"][layer.name], one.sparsities[layer.name]
        assert (box.median, box.percentile_1, box.percentile_99) == pytest.approx(
            layer.pieces.ratio[:3]
        )
        assert sparsity.median == pytest.approx(layer.pieces.sparsity.median)
    assert spread.total is not None
    assert one.network_ratios["ebpc"].median == pytest.approx(spread.total.ratio.median)
    best = next(row for row in fmcompress.sweep(path).best if row.codec == "ebpc")
    assert max(one.heat.values()) == pytest.approx(best.ratio)
    assert one.heat[best.block_size, best.max_burst] == max(one.heat.values())  # type: ignore[index]


def test_symbols_fill_the_streams(samples: Path) -> None:
    """Of one chunk a layer, all but the padding."""
    found = collected(samples / "digits_uint8.npz", {"chunk_words": 1 << 24, "block_size": 16})
    stats = fmcompress.compare(
        samples / "digits_uint8.npz", codecs=["ebpc"], chunk_words=1 << 24, block_size=16
    )
    for layer, compared in zip(found.formats[0].details, stats.layers, strict=True):
        assert len(layer.symbol_bits) == len(SYMBOLS)
        sizes = compared.sums.methods["ebpc"]
        assert sizes is not None
        nonzero = compared.sums.words - compared.sums.zero_words
        assert layer.nonzero_words == nonzero
        znz = sizes.own_bits - int(layer.symbol_bits.sum())
        assert nonzero <= znz <= nonzero + 5 * compared.sums.zero_words + 16


def test_floats_are_quantised_too_and_marked(samples: Path) -> None:
    found = collected(samples / "digits_f32.h5")
    assert [(one.name, one.lossy) for one in found.formats] == [
        ("native", False),
        ("fixed8", True),
        ("fixed16", True),
        ("float16", True),
    ]
    drawn = list(figures(found))
    assert {(one.format, one.lossy) for one in drawn if one.format} == {
        (one.name, one.lossy) for one in found.formats
    }
    assert len({one.file for one in drawn}) == len(drawn)
    assert {"ratio_per_layer_fixed8.svg", "values_by_layer_float32_native.svg"} <= {
        o.file for o in drawn
    }


def test_layers_of_several_kinds(tmp_path: Path) -> None:
    """Integers are in no lossy format; histograms are of words that mean the same."""
    path = maps(
        tmp_path / "maps.h5",
        a=some((3, 50), "float32"),
        b=some((2, 60), "uint8", 1),
        c=some((3, 40), "int8", 2),
        d=np.array([b"text"]),
    )
    found = collected(path, formats=("native", "fixed8"))
    native, fixed8 = found.formats
    assert list(native.frames.items()) == [("a", 3), ("b", 2), ("c", 3)]
    assert list(fixed8.frames) == [layer.name for layer in fixed8.details] == ["a"]
    assert native.network_ratios == {}
    assert set(fixed8.network_ratios) == {"ebpc", "bpc", "zrle", "zvc"}
    assert found.left_out["b (fixed8)"] == "is not quantised"
    views = [one.view for one in figures(found) if one.section == "values" and one.format]
    # Those with most words first.
    assert views[::2] == [
        "together, float32",
        "together, 8-bit unsigned",
        "together, 8-bit signed",
        "together",
    ]
    assert "by layer, float32" in views


def test_only_what_is_asked_for(samples: Path) -> None:
    found = collected(samples / "digits_f32.h5", {"headroom": 1.0}, formats=("fixed8",))
    assert [one.name for one in found.formats] == ["fixed8"]
    assert [one.word_bits for one in found.formats[0].details] == [8] * 7
    assert {row.format for row in found.sweep.rows} == {"fixed8"}
    assert found.options.headroom == 1.0
    both = collected(samples / "digits_f32.h5", {"headroom": 1.0}, formats=("native", "fixed8"))
    assert both.formats[1].comparison.total == found.formats[0].comparison.total


def test_floats_of_64_bits_have_no_native_words(tmp_path: Path) -> None:
    path = maps(tmp_path / "maps.h5", a=some((3, 50), "float64"))
    assert [one.name for one in collected(path).formats] == ["fixed8", "fixed16", "float16"]


# --- The page -----------------------------------------------------------------------------

VOID = {"meta", "img", "br"}
REQUESTS = {"src", "href", "action", "data", "poster", "srcset", "xlink:href", "background"}


class Page(HTMLParser):
    """A page, checked to be well-formed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def made(source: Path, target: Path, **options: Any) -> tuple[Report, str]:
    found = fmcompress.report(source, target, **options)
    text = target.read_text(encoding="utf-8")
    assert found.report_bytes == target.stat().st_size
    return found, text


def check_page(text: str) -> Page:
    """What is true of every page."""
    page = Page(text)
    head, *_ = page.attributes("html")
    assert head["lang"] == "en"
    policies = [a["content"] for a in page.attributes("meta") if "http-equiv" in a]
    (policy,) = policies
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules.keys() == {"default-src", "style-src", "script-src", "base-uri", "form-action"}
    assert not re.search(r"url\(|[\"']data:", text)
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        (inline,) = page.texts[tag]
        digest = b64encode(sha256(inline.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        for name in REQUESTS & set(attributes):
            assert (tag, name) == ("a", "href")
            assert str(attributes[name]).startswith("#")
        assert tag not in ("img", "link", "iframe", "object", "embed", "form", "image", "use")
    ids = [str(attributes["id"]) for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {str(a["href"])[1:] for a in page.attributes("a")} <= set(ids)
    for attributes in page.attributes("svg"):
        assert attributes["role"] == "img"
        assert attributes["aria-label"]
    return page


@pytest.mark.parametrize("sample", ["digits_int8.h5", "digits_uint8.npz", "digits_f32.h5"])
def test_pages_stand_alone(samples: Path, tmp_path: Path, sample: str) -> None:
    found, text = made(samples / sample, tmp_path / "report.html")
    page = check_page(text)
    assert found.report_bytes < MOST_BYTES
    assert len(page.attributes("svg")) == found.figures
    assert page.texts["title"][0] == f"Feature maps of {sample}"
    total = fmcompress.compare(samples / sample).total
    assert f"<b>{total.ratio('ebpc'):.3f}</b><span>ratio of EBPC</span>" in text


def test_the_same_bytes_each_time(samples: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"energy": "lpddr2", "frames_per_second": 30, "tile": "8x4x4"}
    first = made(samples / "digits_int8.h5", tmp_path / "a.html", **options)[1]
    assert first == made(samples / "digits_int8.h5", tmp_path / "b.html", threads=2, **options)[1]
    for shown in ("energy a frame, µJ", "power, mW", "MB/s at 30 frames/s", "Malladi et al."):
        assert shown in first


def test_names_cannot_do_harm(tmp_path: Path) -> None:
    path = maps(
        tmp_path / "<b>maps&amp;.h5", **{HOSTILE: some((4, 60), "uint8"), "β": some((4, 9), "int8")}
    )
    text = made(path, tmp_path / "report.html", svg=tmp_path / "svg")[1]
    page = check_page(text)
    assert page.texts["h1"] == ["Feature maps of "]
    assert page.texts["bdi"] == ["<b>maps&amp;.h5"]
    shown = HOSTILE.replace("/", "∕").replace("\x01", "⟨U+0001⟩")
    assert shown in page.texts["th"]
    assert "<img" not in text
    for file in (tmp_path / "svg").iterdir():
        ET.parse(file)


def test_all_that_is_asked_for_is_said(samples: Path, tmp_path: Path) -> None:
    options: Any = {
        "layers": ["stage*"],
        "codecs": ["ebpc", "zvc:group=64"],
        "block_size": 16,
        "max_burst": 8,
        "order": (0, 2, 3, 1),
        "zero_point": 3,
        "chunk_words": 4096,
    }
    text = made(samples / "digits_int8.h5", tmp_path / "report.html", **options)[1]
    said = dict(re.findall(r"<dt>(\w+)</dt><dd><code>(.*?)</code></dd>", text))
    assert said["version"] == f"fmcompress {fmcompress.__version__}"
    assert re.fullmatch(r"[0-9a-f]{32} \(XXH3, 128 bits\)", said["digest"])
    expected = {
        "layers": "stage*",
        "codecs": "ebpc, zvc:group=64",
        "block_size": "16",
        "max_burst": "8",
        "order": "0, 2, 3, 1",
        "zero_point": "3",
        "chunk_words": "4096",
    }
    assert {name: unescape(said[name]) for name in expected} == expected
    assert "Block size 16, longest burst 8." in text


def test_a_compressed_file_is_as_its_dump(samples: Path, tmp_path: Path) -> None:
    fmcompress.compress(samples / "digits_f32.h5", tmp_path / "maps.fmc")
    found = collected(tmp_path / "maps.fmc")
    assert [one.name for one in found.formats] == ["native"]
    dump = collected(samples / "digits_f32.h5", formats=("native",))
    assert found.formats[0].comparison.total == dump.formats[0].comparison.total
    assert found.formats[0].ratios == dump.formats[0].ratios


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantize": "fixed8"}, "quantize is given"),
        ({"codec": "zvc"}, "codec is given"),
        ({"formats": ["fixed7"]}, "format is 'fixed7'"),
        ({"codecs": ["nonsense"]}, "codec is 'nonsense'"),
        ({"energy": "ddr9"}, "energy is 'ddr9'"),
        ({"tile": "4xy"}, "tile"),
        ({"formats": "fixed8"}, "nothing can be swept"),
        ({"layers": "nowhere"}, "no layer matches"),
    ],
)
def test_what_cannot_be(
    samples: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    target = tmp_path / "report.html"
    with pytest.raises(ParameterError, match=message):
        fmcompress.report(samples / "digits_int8.h5", target, svg=tmp_path / "svg", **options)
    assert list(tmp_path.iterdir()) == []


# --- Pictures in files, and the command ---------------------------------------------------


def test_each_picture_is_a_file(samples: Path, tmp_path: Path) -> None:
    found, text = made(samples / "digits_f32.h5", tmp_path / "report.html", svg=tmp_path / "svg")
    files = sorted((tmp_path / "svg").iterdir())
    assert len(files) == found.figures == text.count("<svg ")
    style = picture_style()
    assert "var(" not in style
    for file in files:
        svg = file.read_text(encoding="utf-8")
        root = ET.fromstring(svg)
        assert root.tag == f"{SVG}svg"
        assert root[0].tag == f"{SVG}style"
        known = set(re.findall(r"\.([a-z]\w*)", style)) | {"key", "axis"}
        used = {name for one in root.iter() for name in one.attrib.get("class", "").split()}
        assert used <= known


def test_the_command(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = str(samples / "digits_int8.h5")
    code, out, err = run("report", source, "-o", "report.html", "--svg", "svg", "--codec", "zvc")
    assert (code, out) == (0, "")
    size = (tmp_path / "report.html").stat().st_size
    count = len(list((tmp_path / "svg").iterdir()))
    assert err.splitlines()[-1] == (
        f"{source} -> report.html: 7 layers, {size:,} bytes; {count} figures -> svg"
    )
    code, _, err = run("report", source, "-o", "report.html")
    assert (code, err) == (1, "fmc: report.html: exists already; use --force to overwrite it\n")
    assert run("report", "-q", source, "-f", "-o", "report.html", "--format", "native")[0] == 0
    both = ("--energy", "ddr3", "--pj-per-bit", "3")
    assert run("report", source, *both)[0] == 2


def test_where_a_report_cannot_go(samples: Path, tmp_path: Path) -> None:
    """Neither page nor pictures are left where one of them fails."""
    source = tmp_path / "maps.h5"
    source.write_bytes((samples / "digits_int8.h5").read_bytes())
    with pytest.raises(FmcError, match="both input and output"):
        fmcompress.report(source, source)
    with pytest.raises(FmcError, match="holds the input"):
        fmcompress.report(source, tmp_path / "r.html", svg=tmp_path)
    (tmp_path / "svg").mkdir()
    (tmp_path / "svg" / "mine").touch()
    with pytest.raises(FmcError, match="holds other files than figures"):
        fmcompress.report(source, tmp_path / "r.html", svg=tmp_path / "svg", overwrite=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["maps.h5", "svg"]


@pytest.mark.compiled
def test_real_networks_stay_small(shared_dumps: Path, tmp_path: Path) -> None:
    """The one with most layers and formats is below the limit."""
    found, text = made(shared_dumps / "resnet56_f32.h5", tmp_path / "report.html", threads=2)
    check_page(text)
    assert found.report_bytes < MOST_BYTES


# --- What a reader stumbled over -----------------------------------------------------------


def test_a_legend_has_its_room() -> None:
    """Of many names with few categories, too."""
    names = [f"a codec number {n}" for n in range(9)]
    series = [Series(name, {"layer": Box(1, 2, 3, 4, 5)}, {"layer": name}) for name in names]
    picture = box_plot("title", ["layer"], series, "ratio")
    legend = [(name, "s0") for name in names]
    assert legend_end(legend) < picture.width + 1


@pytest.mark.parametrize("codec", ["huffman", "csc"])
def test_boxes_are_those_of_stats(tmp_path: Path, codec: str) -> None:
    """A table of a whole layer is in no frame, and what takes no bits has no ratio."""
    maps = np.random.default_rng(3).integers(0, 4, (6, 4, 16, 16)).astype(np.int8)
    maps[1::2] = 0
    np.savez(tmp_path / "maps.npz", maps=maps, zeros=np.zeros_like(maps))
    [one] = collected(tmp_path / "maps.npz", codecs=(codec,)).formats
    expected = fmcompress.distribution(tmp_path / "maps.npz", codec=codec)
    spreads = {layer.name: layer.pieces.ratio for layer in expected.layers}
    assert set(one.ratios[codec]) == {name for name, spread in spreads.items() if spread}
    for name, box in one.ratios[codec].items():
        spread = spreads[name]
        assert spread is not None
        found = (box.percentile_1, box.median, box.percentile_99)
        assert found == (spread.percentile_1, spread.median, spread.percentile_99)
    assert expected.total is not None
    assert expected.total.ratio is not None
    assert one.network_ratios[codec].median == expected.total.ratio.median


def test_a_layer_that_takes_no_bits(tmp_path: Path) -> None:
    np.save(tmp_path / "zeros.npy", np.zeros((3, 4, 16, 16), np.int8))
    text = made(tmp_path / "zeros.npy", tmp_path / "r.html", codecs=("csc",))[1]
    assert "No frame has a ratio: csc takes no bits for zeros alone." in text


def test_captions_of_one_layer_and_of_unlike_ones(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", a=np.arange(600, dtype=np.uint8).reshape(4, 150) % 7)
    _, text = made(tmp_path / "one.npz", tmp_path / "one.html")
    assert "among the words of one layer" in text
    assert text.count("the dashed line is 0") == 1  # of differences; words begin there
    assert "1 layers" not in text
    random = np.random.default_rng(0)
    unlike = {
        "a": random.integers(-9, 9, (3, 400)).astype(np.int8),
        "b": random.random((4, 400)).astype(np.float32),
    }
    np.savez(tmp_path / "unlike.npz", **unlike)
    _, text = made(tmp_path / "unlike.npz", tmp_path / "unlike.html")
    assert "native is missing: layers have different numbers of frames" in text
    assert "1 of 2 layers" in text
    assert "within a block, 8-bit signed words" in text


def test_several_dumps_are_in_the_title(samples: Path, tmp_path: Path) -> None:
    sources = [samples / "digits_int8.h5", samples / "digits_uint8.npz"]
    fmcompress.report(sources, tmp_path / "r.html")
    title = (tmp_path / "r.html").read_text().partition("<title>")[2].partition("<")[0]
    assert title == "Feature maps of digits_int8.h5, digits_uint8.npz"


def test_a_name_with_a_comma_is_one_name(tmp_path: Path) -> None:
    (tmp_path / "a, run 1").mkdir()
    path = maps(tmp_path / "a, run 1" / "conv, relu.h5", a=some((4, 60), "uint8"))
    page = check_page(made(path, tmp_path / "report.html")[1])
    assert page.texts["title"][0] == "Feature maps of conv, relu.h5"
    assert page.texts["bdi"] == ["conv, relu.h5"]


def test_boxes_can_be_read_as_numbers(samples: Path, tmp_path: Path) -> None:
    """Without a pointer, and without the script."""
    path = samples / "digits_int8.h5"
    _, text = made(path, tmp_path / "r.html")
    (one,) = collected(path).formats
    for codec in ("ebpc", "zvc"):
        box = one.ratios[codec]["stem/relu"]
        shown = f"{box.median:.3f} ({box.percentile_1:.3f} to {box.percentile_99:.3f})"
        assert f"<td>{shown}</td>" in text
    sparsity = one.sparsities["stem/relu"].times(100)
    assert f"<td>{sparsity.median:.1f} (" in text
    box = one.network_ratios["bpc"]
    shown = f"{box.median:.3f} ({box.percentile_1:.3f} to {box.percentile_99:.3f})"
    assert f'<th scope="row">bpc</th><td>{shown}</td>' in text
    assert text.count("<details>") == text.count("</summary>") == 4


def test_of_zeros_alone_nothing_is_best(tmp_path: Path) -> None:
    path = maps(tmp_path / "maps.h5", a=np.zeros((3, 40), np.uint8), b=np.zeros((3, 4), np.uint8))
    _, text = made(path, tmp_path / "r.html")
    check_page(text)
    assert "All words are zero: ratios tell no more than how each method writes zeros." in text
    assert "No bar: csc, which writes nothing of zeros alone." in text
    assert "would give EBPC" not in text
    assert "BPC streams are empty" in text
    assert "there are no differences" in text
    assert text.count('<td class="left">uint8, all zero</td>') == 2
    assert "–</td>" in text  # of CSC, which writes nothing
    assert not re.search(r'"best"[^>]*>–', text)
    assert "Symbols of the BPC streams of all layers" not in text


def test_where_codecs_are_alike_none_is_best(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    noise = random.integers(1, 256, (2, 3000)).astype(np.uint8)
    path = maps(tmp_path / "maps.h5", a=noise)
    found = fmcompress.compare(path, codecs=["ebpc", "zvc", "zrle"], zero_point=0)
    assert found.total.outstanding(found.methods) == []
    found = fmcompress.compare(path, codecs=["ebpc", "zvc"], never_store=True, zero_point=0)
    assert found.total.outstanding(found.methods) == [found.total.best(found.methods)]
    found = fmcompress.compare(
        path, codecs=["zvc", "stored", "rlc"], never_store=True, zero_point=0
    )
    assert found.total.outstanding(found.methods) == ["stored"]


def test_a_missing_picture_is_explained(samples: Path, tmp_path: Path) -> None:
    _, text = made(samples / "digits_int8.h5", tmp_path / "r.html", codecs=["zvc"])
    section = text.partition('<section id="sweep">')[2].partition("</section>")[0]
    assert "among the codecs asked for, zvc, there is no ebpc" in section
    assert "<svg" not in section
    _, text = made(samples / "digits_int8.h5", tmp_path / "all.html")
    assert "No picture" not in text


def test_what_holds_where_nothing_was_given_is_said(samples: Path, tmp_path: Path) -> None:
    text = made(samples / "digits_f32.h5", tmp_path / "r.html", formats=["native", "fixed8"])[1]
    said = dict(re.findall(r"<dt>(\w+)</dt><dd><code>(.*?)</code></dd>", text))
    expected = {
        "block_size": "8",
        "max_burst": "16",
        "frame_axis": "0",
        "tile": "a frame",
        "burst_bytes": "64",
        "word_bits": "native: 32; fixed8: 8",
        "difference": "native: unsigned; fixed8: signed",
        "mapping": "native: rotate, bits; fixed8: none: no floats",
        "headroom": "native: none: nothing is scaled; fixed8: 0.75",
        "index": "yes",
        "passes": "2",
        "packed": "no",
        "energy": "none",
    }
    assert {name: said[name] for name in expected} == expected
    assert "default" not in said.values()


def test_tiles_are_said(samples: Path, tmp_path: Path) -> None:
    path = samples / "digits_int8.h5"
    text = made(path, tmp_path / "r.html", tile="16x4x4")[1]
    assert "tiles, each one transmission, of 16x4x4 words" in text
    layer = fmcompress.traffic(path, tile="16x4x4").layers[1]
    sizes = [*layer.tile_memory_bytes, layer.most_tile_bytes]
    assert "".join(f"<td>{size:,}</td>" for size in sizes) in text
    again = made(path, tmp_path / "r.html", tile="16x4x4", passes=3, index=False)[1]
    assert "bytes a frame, 3 times" in again
    assert "with the index" not in again
    assert "a tile, which is one transmission, is a frame" in made(path, tmp_path / "f.html")[1]


def test_warnings_are_on_the_page(tmp_path: Path) -> None:
    """And one comes to them from its top."""
    values = np.where(np.arange(600) % 3, 1e-9, 1).astype(np.float32)
    path = maps(tmp_path / "maps.h5", a=values.reshape(3, 200))
    found, text = made(path, tmp_path / "r.html", formats=("float16",))
    (warning,) = found.warnings
    assert "66.7 % of its values are not 0 but become 0 as float16" in warning
    assert safe(warning) in text.partition('<h3 id="warnings">')[2]
    assert '<a href="#warnings">1 warning</a>' in text
    assert "#warnings" not in made(path, tmp_path / "n.html", formats=("native",))[1]


def test_formats_that_lack_layers_say_so(tmp_path: Path) -> None:
    layers = {"a": some((3, 50), "float32"), "b": some((3, 60), "uint8", 1)}
    path = maps(tmp_path / "maps.h5", **layers)
    text = made(path, tmp_path / "r.html", formats=("native", "fixed8"))[1]
    section = text.partition('<section id="ratio_of_network">')[2].partition("</section>")[0]
    assert "all layers together (fixed8: 1 of 2 layers), frame by frame" in section
    assert ">fixed8 LOSSY, 1 of 2 layers</text>" in section
    assert ">fixed8, 1 of 2 layers</th>" in section


def test_a_better_setting_is_said(samples: Path, tmp_path: Path) -> None:
    path = samples / "digits_f32.h5"
    text = made(path, tmp_path / "r.html", formats=("native",))[1]
    best = next(row for row in fmcompress.sweep(path).best if row.codec == "ebpc")
    said = f"block size {best.block_size} and longest burst {best.max_burst} would give EBPC"
    assert f"{said} {best.ratio:.3f} instead of " in text
    options: Any = {"block_size": best.block_size, "max_burst": best.max_burst}
    text = made(path, tmp_path / "b.html", formats=("native",), **options)[1]
    assert "would give EBPC" not in text


def test_names_of_blanks_can_be_seen() -> None:
    assert safe("  ") == "␣␣"
    assert safe(" a") == " a"


def test_advice_is_no_warning_too(tmp_path: Path) -> None:
    np.save(tmp_path / "maps.npy", np.arange(4 * 8 * 8 * 32).reshape(4, 8, 8, 32).astype("u1"))
    found = collected(tmp_path / "maps.npy")
    assert any("channels last" in line for line in found.formats[0].comparison.advice)
    assert found.warnings == []


def test_a_compressed_file_has_one_format(samples: Path, tmp_path: Path) -> None:
    """As `compare`: what is quantised already is not quantised again, and a warning says so."""
    fmcompress.compress(samples / "digits_f32.h5", tmp_path / "maps.fmc", quantize="fixed8")
    found = collected(tmp_path / "maps.fmc", formats=("fixed16", "native"))
    assert [one.name for one in found.formats] == ["native"]
    assert {row.format for row in found.sweep.rows} == {"native"}
    assert found.warnings == ["it is compressed already, so these do not count: fixed16"]
