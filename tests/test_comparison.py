"""`compare`: its sizes are those of real streams, its bounds and advice are right."""

from __future__ import annotations

import io
import math
import zlib
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import fmcompress
from fmcompress import comparison
from fmcompress import general_compressors as general
from fmcompress.best_codecs import AUTO
from fmcompress.codecs import CODECS
from fmcompress.compared import CODEC, EBPC, STORED, Comparison
from fmcompress.configurations import Space
from fmcompress.errors import ParameterError

SAMPLES = ("digits_int8.h5", "digits_uint8.npz", "digits_f32.h5")
CHUNK_WORDS = 1 << 12


def feature_map(shape: tuple[int, ...], dtype: str = "int8", zeros: float = 0.5) -> np.ndarray:
    """Values around zero, some of them zero."""
    random = np.random.default_rng(8)
    values = np.abs(random.normal(0, 20, shape))
    return np.where(random.random(shape) < zeros, 0, values).astype(dtype)


def compared(tmp_path: Path, *, name: str = "maps.npz", **arrays: np.ndarray) -> Comparison:
    np.savez(tmp_path / name, **arrays)
    return fmcompress.compare(tmp_path / name, chunk_words=CHUNK_WORDS)


# --- Sizes --------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_sizes_are_those_of_a_file(samples: Path, sample: str, codec: str) -> None:
    """Layer by layer what `compress` with that codec writes, stored chunks at their size."""
    coding: Any = {"chunk_words": CHUNK_WORDS, "block_size": 16, "max_burst": 8}
    fitting = {
        key: coding[key] for key in coding if key in (*CODECS[codec].parameters(), "chunk_words")
    }
    found = fmcompress.compare(samples / sample, codecs=["ebpc", "zrle", codec], **coding)
    file = io.BytesIO()
    written = fmcompress.compress(samples / sample, file, codec=codec, **fitting)
    layers = {layer.name: layer.sizes for layer in written.layers if not layer.carried}
    assert [layer.name for layer in found.layers] == list(layers)
    for layer in found.layers:
        sizes, sums = layers[layer.name], layer.sums
        method = sums.methods[codec]
        assert method is not None
        assert method.bits == sizes.compressed_bits
        assert sums.ratio(codec) == sizes.ratio
        assert (sums.words, sums.zero_words) == (sizes.words, sizes.zero_words)
        assert (sums.word_bits, sums.chunks) == (sizes.word_bits, sizes.chunks)
        if codec not in (AUTO, STORED):
            assert method.larger_chunks == sizes.stored_chunks
    total = found.total.methods[codec]
    assert total is not None
    assert total.bits == written.total.compressed_bits
    assert found.total.ratio(codec) == written.total.ratio


@pytest.mark.parametrize("codec", [name for name in CODECS if name != AUTO])
def test_without_an_escape_streams_count_as_they_are(tmp_path: Path, codec: str) -> None:
    """Noise, which most codecs make larger: all chunks as they are coded."""
    words = np.random.default_rng(2).integers(1, 256, 10_000).astype(np.uint8)
    np.save(tmp_path / "noise.npy", words)
    options: Any = {"zero_point": 0, "chunk_words": 3000, "codecs": codec}
    found = fmcompress.compare(tmp_path / "noise.npy", never_store=True, **options)
    sizes = found.layers[0].sums.methods[codec]
    assert sizes is not None
    coder = fmcompress.codecs.codec_named(codec, difference="unsigned").fitted(lambda: [words], 8)
    streams = coder.encode_chunks(words, 8, 3000)
    bits = 8 * sum(len(first) + len(second) for first, second in streams) + coder.table_bits
    assert sizes.bits == sizes.own_bits == bits
    stored = fmcompress.compare(tmp_path / "noise.npy", **options).layers[0].sums.methods[codec]
    assert stored is not None
    assert stored.own_bits == bits
    assert stored.bits <= 80_000 + coder.table_bits


def test_of_a_container_the_words_are_what_it_holds(samples: Path) -> None:
    """Whatever it is coded with, and the same numbers as of its dump."""
    dump = samples / "digits_int8.h5"
    expected = fmcompress.compare(dump, chunk_words=CHUNK_WORDS)
    for codec in ("ebpc", "zvc"):
        file = io.BytesIO()
        fmcompress.compress(dump, file, codec=codec, chunk_words=1000)
        found = fmcompress.compare(io.BytesIO(file.getvalue()), chunk_words=CHUNK_WORDS)
        assert [layer.sums for layer in found.layers] == [layer.sums for layer in expected.layers]


def test_a_container_has_one_ratio_in_every_command(tmp_path: Path) -> None:
    """That of its words, however it was coded; options that make another are not warned of."""
    walk = np.cumsum(np.random.default_rng(2).integers(-9, 10, (2, 4, 16, 16)), axis=-1)
    path = save(tmp_path / "a.npy", walk.astype(np.int8))
    coded = {"difference": "unsigned", "block_size": 4, "zero_point": 0}
    fmcompress.compress(path, tmp_path / "a.fmc", **coded)  # type: ignore[arg-type]
    seen = set()
    changes: list[Any] = [{}, {"difference": "unsigned"}, {"block_size": 4}, {"chunk_words": 64}]
    for given in changes:
        of_container, of_dump = (
            fmcompress.compare(source, codecs="ebpc", **more, **given)
            for source, more in ((tmp_path / "a.fmc", {}), (path, {"zero_point": 0}))
        )
        assert of_container.warnings == []
        assert of_container.total == of_dump.total
        by_layer = fmcompress.distribution(tmp_path / "a.fmc", by="layer", **given)
        assert by_layer.warnings == []
        assert by_layer.layers[0].pieces.bits == of_dump.total.methods["ebpc"].bits  # type: ignore[union-attr]
        seen.add(of_dump.total.methods["ebpc"])
    assert len(seen) == len(changes)  # each changes something
    expected = fmcompress.sweep(path, space=Space(codecs="ebpc"), zero_point=0)
    assert fmcompress.sweep(tmp_path / "a.fmc", space=Space(codecs="ebpc")).rows == [
        row._replace(layer="arr_0") for row in expected.rows
    ]
    moved = [
        fmcompress.traffic(source, **more).total
        for source, more in (  # type: ignore[arg-type]
            (tmp_path / "a.fmc", {}),
            (path, {"zero_point": 0}),
        )
    ]
    assert moved[0] == moved[1]


def test_ebpc_by_its_name_with_parameters(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npy", feature_map((2, 4, 16, 16)))
    found = fmcompress.compare(path, codecs=["ebpc:block_size=16", "zvc"])
    plain = fmcompress.compare(path, codecs=["ebpc", "zvc"], block_size=16)
    gain = found.total.ebpc_gain(found.methods)
    assert gain is not None
    assert gain == plain.total.ebpc_gain(plain.methods)
    both = fmcompress.compare(path, codecs=["ebpc", "ebpc:block_size=16", "zvc"])
    assert both.total.ebpc_gain(both.methods) is None


def test_threads_change_nothing(samples: Path) -> None:
    found = [fmcompress.compare(samples / "digits_f32.h5", threads=n).to_json() for n in (1, 3)]
    assert found[0] == found[1]


# --- Bounds and models --------------------------------------------------------------------


def test_entropy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against its definition, over batches of a chunk each."""
    monkeypatch.setattr(comparison, "chunks_in_batch", lambda chunk_words, word_bits: 1)
    words = feature_map((3, 40, 500), "uint8")
    sums = compared(tmp_path, a=words).layers[0].sums
    flat = words.reshape(-1).tolist()
    single, pairs = Counter(flat), Counter(pairwise(flat))
    left = Counter(flat[:-1])
    bits = -sum(count * math.log2(count / len(flat)) for count in single.values())
    given = -sum(count * math.log2(count / left[pair[0]]) for pair, count in pairs.items())
    assert sums.entropy_bits == pytest.approx(bits, rel=1e-12)
    assert sums.conditional_entropy_bits == pytest.approx(given, rel=1e-12)
    for method in ("huffman", "apack"):
        sizes = sums.methods[method]
        assert sizes is not None
        assert bits < sizes.bits < 1.1 * bits
        assert sums.over_entropy(method) == pytest.approx(sizes.bits / bits - 1)


def test_of_wide_words_there_is_no_model_and_no_bound(tmp_path: Path) -> None:
    found = compared(tmp_path, a=feature_map((40, 50), "int8"), b=feature_map((40, 50), "float32"))
    narrow, wide = (layer.sums for layer in found.layers)
    assert narrow.methods["apack"] is not None
    assert narrow.entropy_bits is not None
    assert (wide.methods["apack"], wide.entropy_bits, wide.over_entropy("ebpc")) == (None,) * 3
    assert found.total.methods["apack"] is None
    assert found.total.ratio("apack") is None
    assert found.total.entropy_bits is None


# --- Methods ------------------------------------------------------------------------------


def test_best_and_gain(tmp_path: Path) -> None:
    """Among single codecs; EBPC against the others."""
    found = compared(tmp_path, a=feature_map((8, 64, 64), "uint8", 0.7))
    sums = found.layers[0].sums
    bits = {m.name: sums.methods[m.name].bits for m in found.methods if m.kind == CODEC}  # type: ignore[union-attr]
    existing = {name: size for name, size in bits.items() if name not in (EBPC, AUTO, STORED)}
    best = min(existing, key=lambda name: existing[name])
    assert sums.best_existing(found.methods) == best
    assert sums.ebpc_gain(found.methods) == existing[best] / bits[EBPC] - 1
    assert bits[sums.best(found.methods)] == min(size for n, size in bits.items() if n != AUTO)  # type: ignore[index]
    assert bits[AUTO] <= min(bits["ebpc"], bits["bpc"], bits["zvc"], bits[STORED])


def test_the_best_is_marked_where_there_is_one(tmp_path: Path) -> None:
    """Of zeros alone, some codecs take nothing at all: a ratio that is none is not the best."""
    from fmcompress.cli.render_comparison import comparison_text

    map_ = feature_map((2, 4, 8, 8))
    found = compared(tmp_path, zeros=np.zeros((2, 4, 8, 8), np.int8), some=map_)
    text = comparison_text(found, None)
    lines = {line.split()[0]: line for line in text.splitlines() if "x" in line.partition(" ")[2]}
    assert "*" not in lines["zeros"]
    assert lines["some"].count("*") == 1


@pytest.mark.parametrize("codec", CODECS)
def test_a_table_is_said_to_count_where_there_is_one(tmp_path: Path, codec: str) -> None:
    from fmcompress.cli.render_comparison import comparison_text

    words = feature_map((4, 40), "uint8")
    np.save(tmp_path / "a.npy", words)
    text = comparison_text(fmcompress.compare(tmp_path / "a.npy", codecs=codec), None)
    fitted = fmcompress.codecs.codec_named(codec).fitted(lambda: [words.reshape(-1)], 8)
    assert (f"{codec}'s table of a layer counts, too" in text) == (fitted.table_bits > 0)


def test_codecs_picked(samples: Path) -> None:
    found = fmcompress.compare(samples / "digits_int8.h5", codecs=["zvc:group=8", "zvc", "zvc"])
    assert [method.name for method in found.methods] == ["zvc:group=8", "zvc"]
    assert found.total.best_existing(found.methods) is not None
    assert found.total.ebpc_gain(found.methods) is None
    one = fmcompress.compare(samples / "digits_int8.h5", codecs="ebpc")
    assert [method.name for method in one.methods] == ["ebpc"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codecs": "lzma"}, "codec is 'lzma'"),
        ({"codecs": ["zvc"], "block_size": 16}, "block_size is a parameter of none"),
        ({"codecs": ["ebpc"], "block_size": 7}, "block_size is 7"),
        ({"layers": "labels"}, "nothing can be compared: dtype has no word format"),
        ({"layers": "nothing"}, "no layer matches 'nothing'"),
    ],
)
def test_what_cannot_be_compared(samples: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        fmcompress.compare(samples / "digits_int8.h5", **options)


def test_empty_layers_are_left_out(tmp_path: Path) -> None:
    found = compared(tmp_path, a=feature_map((4, 4)), b=np.zeros((0, 3), np.int8))
    assert [layer.name for layer in found.layers] == ["a"]
    assert found.left_out == {"b": "scalar or empty"}
    np.savez(tmp_path / "none.npz", b=np.zeros((0, 3), np.int8))
    with pytest.raises(ParameterError, match="scalar or empty"):
        fmcompress.compare(tmp_path / "none.npz")


def test_general_compressors_are_optional(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of packages that are not there are named, and left out."""

    def missing() -> general.GeneralCompressor:
        raise ImportError

    makers = tuple((name, missing if name else make) for name, make in general._MAKERS)
    monkeypatch.setattr(general, "_MAKERS", makers)
    found = compared(tmp_path, a=feature_map((9, 9, 9)))
    names = [method.name for method in found.methods if method.kind == "compressor"]
    assert names == ["zlib-6"]
    assert found.notes[-1] == f"not installed: lz4, zstandard, blosc2; {general.HOW_TO_GET}"


def test_general_compressors_get_words_without_gaps(tmp_path: Path) -> None:
    """Where words are no whole bytes: packed, if that is shorter than as they lie in memory."""
    flags = np.random.default_rng(5).random((4, 100, 100)) < 0.3
    found = compared(tmp_path, flags=flags)
    bits = found.total.methods["zlib-6"]
    assert bits is not None
    packed = np.packbits(flags.reshape(-1))
    chunks = [packed[at : at + CHUNK_WORDS // 8] for at in range(0, packed.size, CHUNK_WORDS // 8)]
    assert bits.own_bits <= 8 * sum(len(zlib.compress(chunk.tobytes(), 6)) for chunk in chunks)


def test_layers_without_words_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from fmcompress.cli.main import main

    np.savez(tmp_path / "a.npz", maps=feature_map((4, 32)), names=np.array(["a", "b"]))
    for command in (["compare", "--codec", "zvc"], ["traffic"], ["stats", "--by", "frame"]):
        with pytest.raises(SystemExit):
            main([*command, str(tmp_path / "a.npz")])
        assert "fmc: left out: names: dtype has no word format" in capsys.readouterr().err


def test_each_general_compressor_gives_a_size() -> None:
    """Of words that are read-only and of every width; never without a title."""
    compressors, _ = general.general_compressors()
    assert compressors[0].name == "zlib-6"
    for compressor in compressors:
        assert compressor.title
        for dtype in ("u1", "u2", "u4"):
            words = np.zeros(5000, dtype)
            words.flags.writeable = False
            assert 0 < compressor.size(words) < 1000


# --- Advice -------------------------------------------------------------------------------


def save(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def advice(tmp_path: Path, array: np.ndarray, **options: Any) -> str:
    np.save(tmp_path / "a.npy", array)
    return "\n".join(fmcompress.compare(tmp_path / "a.npy", **options).advice)


def test_advice_on_a_zero_point(tmp_path: Path) -> None:
    """Where most elements are another value than the word 0, and only there."""
    relu = np.where(feature_map((4, 32, 32)) > 20, feature_map((4, 32, 32)), -128).astype(np.int8)
    said = advice(tmp_path, relu, zero_point=0)
    assert "try --zero-point -128" in said
    assert "--zero-point" not in advice(tmp_path, relu)
    assert "--zero-point" not in advice(tmp_path, relu, zero_point=-128)
    unsigned = (relu.astype(np.int16) + 200).astype(np.uint8)
    assert "try --zero-point 72" in advice(tmp_path, unsigned, zero_point=5)


def test_advice_on_a_dense_layer(tmp_path: Path) -> None:
    smooth = (np.cumsum(np.random.default_rng(1).integers(-2, 3, 9000)) % 101 + 20).astype(np.uint8)
    assert "bpc codes it" in advice(tmp_path, smooth, zero_point=0)
    assert "bpc codes it" not in advice(tmp_path, smooth * (smooth % 3 > 0), zero_point=0)
    assert "bpc codes it" not in advice(tmp_path, smooth, zero_point=0, codecs="ebpc")


def test_advice_on_half_of_the_range(tmp_path: Path) -> None:
    ramp = (np.arange(5000) % 60).astype(np.uint8)
    assert "--word-bits 6 would do" in advice(tmp_path, ramp)
    assert "--word-bits" not in advice(tmp_path, ramp + 100, zero_point=100)
    assert advice(tmp_path, ramp[:200]) == ""  # of so few words chance says too much
    assert "; --dtype uint8 --word-bits 6 would do" in advice(tmp_path, ramp.astype(np.int8))
    said = advice(tmp_path, (ramp / 10).astype(np.float32), quantize="fixed8")
    assert "; --quantize ufixed8 would keep one more bit of each value" in said
    both = (ramp.astype(np.int16) - 30).astype(np.int8)
    assert "use half of their range or less; --word-bits 6 would do" in advice(
        tmp_path, both, zero_point=0
    )
    assert "range" not in advice(
        tmp_path, (both.astype(np.int16) * 3).astype(np.int8), zero_point=0
    )
    wide = both.astype(np.int16) * 4
    assert "--word-bits 8 would do" in advice(tmp_path, wide, zero_point=0)
    assert "range" not in advice(tmp_path, both, zero_point=0, word_bits=6)
    assert "range" not in advice(tmp_path, ramp * 4)
    assert "range" not in advice(tmp_path, (ramp / 10).astype(np.float32))
    assert advice(tmp_path, np.zeros(100, np.uint8)) == ""


def test_advice_can_be_followed(tmp_path: Path) -> None:
    """Then the layer is smaller, and nothing more is advised; of a container nothing can be."""
    ramp = (np.arange(5000) % 60).astype(np.int8)
    before = fmcompress.compare(save(tmp_path / "a.npy", ramp), codecs="zvc")
    after = fmcompress.compare(tmp_path / "a.npy", codecs="zvc", dtype="uint8", word_bits=6)
    assert (len(before.advice), after.advice) == (1, [])
    assert after.total.methods["zvc"].bits < before.total.methods["zvc"].bits  # type: ignore[union-attr]
    fmcompress.compress(tmp_path / "a.npy", tmp_path / "a.fmc")
    [line] = fmcompress.compare(tmp_path / "a.fmc", codecs="zvc").advice
    assert line == "layer 'arr_0': no word is negative, half of the range is never used"


def test_advice_for_some_layers_says_so(tmp_path: Path) -> None:
    """An option is for a whole dump, and would harm the others."""
    ramp = (np.arange(5000) % 60).astype(np.uint8)
    of_one = compared(tmp_path, a=ramp, b=ramp * 4).advice
    assert "--word-bits 6 would do, with --layers for it alone" in of_one[-1]
    of_two = compared(tmp_path, a=ramp, b=ramp * 4, c=ramp).advice
    assert "--word-bits 6 would do, with --layers for these alone" in of_two[-1]
    assert compared(tmp_path, a=ramp).advice[-1].endswith("--word-bits 6 would do")


def test_advice_is_one_line_for_many_layers(tmp_path: Path) -> None:
    ramp = (np.arange(5000) % 60).astype(np.uint8)
    found = compared(tmp_path, a=ramp, b=ramp * 4, c=ramp)
    lines = [line for line in found.advice if "half of their range" in line]
    assert len(lines) == 1
    assert lines[0].startswith("layer 'a' (and 1 more like it): ")


def test_advice_on_channels_last(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = feature_map((1, 8, 8, 3))
        file["a"].attrs["layout"] = "NHWC"
    found = fmcompress.compare(tmp_path / "a.h5")
    assert "channels last (NHWC)" in found.to_json()["advice"][0]
    assert found.warnings == []
    assert "(NHWC)" not in "".join(fmcompress.compare(tmp_path / "a.h5", order="auto").advice)


# --- The command --------------------------------------------------------------------------


def test_rows_have_what_the_document_has(samples: Path) -> None:
    found = fmcompress.compare(samples / "digits_int8.h5")
    document = found.to_json()
    rows = [*found.rows()]
    assert len(rows) == sum(len(layer["methods"]) for layer in document["layers"])
    for row in rows:
        layer = next(one for one in document["layers"] if one["name"] == row["layer"])
        method = next(one for one in layer["methods"] if one["name"] == row["method"])
        for key in ("bits", "own_bits", "larger_chunks", "ratio", "bits_per_word"):
            assert row[key] == method[key]
        assert row["raw_bits"] == layer["word_bits"]
