"""Off-chip traffic: tiles, bursts, index and bounds, against pencil and against real streams."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from test_docs import run

import fmcompress
from fmcompress import off_chip
from fmcompress.codecs import CODECS, Codec, codec_named
from fmcompress.codecs.stored import stored_bytes
from fmcompress.codecs.zvc import Zvc
from fmcompress.energy import PRESETS
from fmcompress.errors import ParameterError
from fmcompress.hardware_costs import PUBLISHED, hardware_costs
from fmcompress.tile_traffic import Traffic
from fmcompress.tiling import tile_lengths, tile_shape, tile_sizes, tiles_by_shape


def written(folder: Path, **arrays: NDArray[Any]) -> Path:
    """A dump of some arrays."""
    path = folder / "maps.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def maps(seed: int, *shape: int) -> NDArray[np.uint8]:
    """Maps with zeros, as a ReLU makes them, and a corner of noise, which is stored."""
    random = np.random.default_rng(seed)
    values = np.maximum(random.normal(-1, 6, shape), 0).astype(np.uint8)
    values[..., : shape[-1] // 3] = random.integers(0, 256, (*shape[:-1], shape[-1] // 3))
    return values


def rounded(size: int, burst: int) -> int:
    """A size in whole bursts."""
    return math.ceil(size / burst) * burst


# --- Tiles --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "lengths", "tile", "sizes"),
    [
        ((5,), (), (5,), {5: 1}),
        ((5,), (2,), (2,), {2: 2, 1: 1}),
        ((5,), (16, 8, 2), (2,), {2: 2, 1: 1}),
        ((3, 4, 6), (4, 4), (3, 4, 4), {48: 1, 24: 1}),
        ((3, 4, 6), (2, 9, 3), (2, 4, 3), {24: 2, 12: 2}),
        ((2, 2, 2), (1, 1, 1), (1, 1, 1), {1: 8}),
        ((3, 5, 7), (2, 2, 4), (2, 2, 4), {16: 2, 12: 2, 8: 3, 6: 3, 4: 1, 3: 1}),
    ],
)
def test_tiles(
    shape: tuple[int, ...], lengths: tuple[int, ...], tile: tuple[int, ...], sizes: dict[int, int]
) -> None:
    assert tile_shape(shape, lengths) == tile
    assert tile_sizes(shape, tile) == sizes
    frames = np.arange(2 * math.prod(shape)).reshape(2, *shape)
    groups = list(tiles_by_shape(frames, tile))
    seen = np.concatenate([group.reshape(2, -1) for group in groups], axis=1)
    assert np.sort(seen, axis=1).tolist() == frames.reshape(2, -1).tolist()
    found: dict[int, int] = {}
    for group in groups:
        found[group.shape[2]] = found.get(group.shape[2], 0) + group.shape[1]
    assert found == sizes


def test_tiles_by_hand() -> None:
    """A frame of 2 x 5 in tiles of 2 x 2: two whole ones and the edge."""
    whole, edge = tiles_by_shape(np.arange(10).reshape(1, 2, 5), (2, 2))
    assert whole.tolist() == [[[0, 1, 5, 6], [2, 3, 7, 8]]]
    assert edge.tolist() == [[[4, 9]]]


@pytest.mark.parametrize(
    "tile", ["", "x", "8x", "8,8", "0x8", "-1x8", "8x8.5", "٣x8", [], [0], [2.5], [True], 8]
)
def test_a_tile_that_is_none(tile: Any) -> None:
    with pytest.raises(ParameterError, match="tile"):
        tile_lengths(tile)
    assert tile_lengths("16x8x8") == tile_lengths([16, np.int64(8), 8]) == (16, 8, 8)


# --- By hand ------------------------------------------------------------------------------


def by_hand(folder: Path, **options: Any) -> Traffic:
    """Two frames of 2 x 5 words of 8 bits, tiles of 2 x 2, bursts of 2 bytes, ZVC in groups of 8."""
    frames = np.array(
        [[[0, 0, 7, 0, 0], [0, 0, 0, 0, 0]], [[1, 2, 0, 0, 5], [3, 4, 0, 0, 6]]], np.uint8
    )
    path = written(folder, a=frames)
    arguments: dict[str, Any] = {"burst_bytes": 2, "frame_axis": 0, "zero_point": 0}
    return fmcompress.traffic(path, codec="zvc:group=8", tile="2x2", **arguments | options)


def test_by_hand(tmp_path: Path) -> None:
    """With pencil: a tile of four words is 4 bits of mask and a byte for each that is not zero.

    Frame 0 has tiles of 4, 12 and 2 bits: 1, 2 and 1 bytes, a burst each. Frame 1 has 36, 4 and 18
    bits: 5 bytes where the words are 4, so stored; 1; and 3 where the words are 2, so stored.
    An entry is a flag and 0 to 2 bursts, so 3 bits; three of them are 9 bits, 2 bytes.
    """
    found = by_hand(tmp_path)
    [layer] = found.layers
    assert (layer.axis, layer.frame_shape, layer.tile) == (0, (2, 5), (2, 2))
    assert (layer.tiles_per_frame, layer.raw_bytes, layer.raw_memory_bytes) == (3, 10, 10)
    assert layer.stream_bytes.tolist() == [1 + 2 + 1, 4 + 1 + 2]
    assert layer.memory_bytes.tolist() == [2 + 2 + 2, 4 + 2 + 2]
    assert layer.stored_tiles.tolist() == [0, 2]
    assert (layer.index_bytes, layer.table_bytes) == (2, 0)
    assert layer.total_bytes.tolist() == [8, 10]
    assert layer.tile_stream_bytes == (1, 4, 4)
    assert layer.tile_memory_bytes == (2, 4, 4)
    assert (layer.most_tile_bytes, layer.most_coded_bytes) == (4, (6,))
    total = found.total
    assert (total.raw_bytes, total.raw_memory_bytes, total.total_bytes) == (10, 10, 9)
    assert (total.nominal_ratio, total.ratio) == (10 / 5.5, 10 / 9)
    assert found.moved_bytes == (20, 18)


def test_without_an_index(tmp_path: Path) -> None:
    [layer] = by_hand(tmp_path, index=False).layers
    assert layer.index_bytes == 0
    assert layer.total_bytes.tolist() == [6, 8]


def test_stored_words_need_no_index(tmp_path: Path) -> None:
    [layer] = fmcompress.traffic(written(tmp_path, a=maps(1, 2, 3, 4, 5)), codec="stored").layers
    assert layer.total_bytes.tolist() == [layer.raw_memory_bytes] * 2 == [64] * 2


def test_a_table_counts_in_every_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Zvc, "table_bits", property(lambda codec: 33))
    found = by_hand(tmp_path)
    assert found.layers[0].table_bytes == 6
    assert found.layers[0].total_bytes.tolist() == [14, 16]
    assert found.total.table_bytes == 6


# --- Against real streams -----------------------------------------------------------------


def expected(
    codec: Codec, frame: NDArray[Any], tile: tuple[int, ...], burst: int, w: int
) -> dict[str, Any]:
    """A frame's tiles, each encoded by itself."""
    starts = [range(0, length, step) for length, step in zip(frame.shape, tile, strict=True)]
    streams, memory = [], []
    for place in np.ndindex(*map(len, starts)):
        cut = (
            slice(steps[at], steps[at] + step)
            for steps, at, step in zip(starts, place, tile, strict=True)
        )
        words = np.ascontiguousarray(frame[tuple(cut)]).reshape(-1)
        in_bursts = lambda sizes: sum(rounded(size, burst) for size in sizes)
        coded = [[len(stream) for stream in part.encode(words, w)] for part in codec.parts]
        raw = stored_bytes(words.size, w)
        streams.append(min(raw, *map(sum, coded)))
        memory.append(min(rounded(raw, burst), *map(in_bursts, coded)))
        bounds = codec.most_bytes(words.size, w)
        for sizes in coded:
            assert all(size <= most for size, most in zip(sizes, bounds, strict=True))
    return {"streams": streams, "memory": memory}


@pytest.mark.parametrize("name", ["ebpc", "ebpc:block_size=4", "bpc", "zvc", "zrle", "auto"])
@pytest.mark.parametrize(("tile", "burst"), [((2, 3, 4), 32), ((5, 4, 4), 64), ((4, 6, 9), 32)])
def test_sums_are_those_of_real_streams(
    tmp_path: Path, name: str, tile: tuple[int, ...], burst: int
) -> None:
    array = maps(2, 3, 4, 6, 9)
    path = written(tmp_path, a=array)
    found = fmcompress.traffic(path, codec=name, tile=tile, burst_bytes=burst, zero_point=0)
    [layer] = found.layers
    codec = codec_named(name, {}, "unsigned")
    parts = [expected(codec, frame, layer.tile, burst, 8) for frame in array]
    assert layer.stream_bytes.tolist() == [sum(part["streams"]) for part in parts]
    assert layer.memory_bytes.tolist() == [sum(part["memory"]) for part in parts]
    for sizes, shown in (
        ([size for part in parts for size in part["streams"]], layer.tile_stream_bytes),
        ([size for part in parts for size in part["memory"]], layer.tile_memory_bytes),
    ):
        levels = [np.percentile(sizes, level, method="inverted_cdf") for level in (50, 99, 100)]
        assert list(shown) == levels
    assert layer.tile_memory_bytes.greatest <= layer.most_tile_bytes
    assert len(parts[0]["memory"]) == layer.tiles_per_frame


@pytest.mark.parametrize(
    ("name", "entry_bits"),
    # Tiles of 9 x 9 are 81 bytes, 3 bursts: 2 bits for each stream, and how the tile is coded.
    [("zvc", 1 + 2), ("ebpc", 1 + 2 * 2), ("auto", 2 + 2 * 2)],
)
def test_index(tmp_path: Path, name: str, entry_bits: int) -> None:
    path = written(tmp_path, a=maps(3, 2, 90, 90))
    arguments: dict[str, Any] = {"tile": "9x9", "burst_bytes": 32, "frame_axis": 0}
    [layer] = fmcompress.traffic(path, codec=name, **arguments).layers
    assert layer.tiles_per_frame == 100
    assert layer.index_bytes == rounded(math.ceil(100 * entry_bits / 8), 32)


def test_bytes_of_streams_do_not_depend_on_bursts(tmp_path: Path) -> None:
    path = written(
        tmp_path, a=np.random.default_rng(1).integers(0, 256, (3, 2, 90, 90)).astype("u1")
    )
    found = [
        fmcompress.traffic(path, tile="5x7", burst_bytes=burst, frame_axis=0).layers[0].stream_bytes
        for burst in (1, 32, 4096)
    ]
    assert found[0].tolist() == found[1].tolist() == found[2].tolist()
    assert found[0].max() <= 2 * 90 * 90


def test_auto_takes_the_fewest_bursts(tmp_path: Path) -> None:
    """EBPC's two streams round up twice: fewer bytes may be more bursts."""
    path = written(tmp_path, a=maps(2, 3, 90, 90))
    options: dict[str, Any] = {"tile": "9x9", "index": False, "frame_axis": 0}
    moved = {
        name: fmcompress.traffic(path, codec=name, **options).layers[0].memory_bytes.sum()
        for name in ("ebpc", "bpc", "zvc", "auto")
    }
    assert moved["auto"] <= min(moved.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"burst_bytes": 1 << 62}, "burst_bytes is"),
        ({"passes": 10**24}, "passes is"),
        ({"frames_per_second": 1e308}, r"give a number above 0, up to 1e\+12"),
        ({"pj_per_bit": 1e308}, r"up to 1e\+12"),
    ],
)
def test_numbers_that_nobody_means(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        fmcompress.traffic(written(tmp_path, a=maps(2, 3, 9, 9)), **options)


def test_words_of_one_bit_have_one_stream(tmp_path: Path) -> None:
    """Of w = 1, EBPC has no second stream, and no index of one; a word is a bit."""
    flags = np.random.default_rng(4).random((2, 1, 40, 40)) < 0.1
    [layer] = fmcompress.traffic(written(tmp_path, a=flags), burst_bytes=32).layers
    assert (layer.word_bits, layer.raw_bytes, layer.raw_memory_bytes) == (1, 200, 224)
    assert len(layer.most_coded_bytes) == 1
    streams = codec_named("ebpc").measure_chunks(flags.astype(np.uint8).reshape(-1), 1, 1600)
    assert layer.stream_bytes.tolist() == [sum(pair) for pair in streams]


# --- Frames, axes, words ------------------------------------------------------------------


def test_channels_last(tmp_path: Path) -> None:
    """An attribute says where frames are; a tile's lengths follow the words, as does --order."""
    array = maps(5, 6, 7, 5, 4)  # C, H, W, N
    path = tmp_path / "maps.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=array).attrs["layout"] = "CHWN"
    [layer] = fmcompress.traffic(path, tile="4x4x4", zero_point=0).layers
    assert (layer.axis, layer.frame_shape, layer.frames) == (3, (6, 7, 5), 4)
    frames = np.moveaxis(array, 3, 0)
    parts = [expected(codec_named("ebpc", {}, "unsigned"), one, (4, 4, 4), 64, 8) for one in frames]
    assert layer.memory_bytes.tolist() == [sum(part["memory"]) for part in parts]
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=frames.transpose(0, 2, 3, 1)).attrs["layout"] = "NHWC"
    [last] = fmcompress.traffic(path, tile="4x4x4", zero_point=0).layers
    assert (last.axis, last.frame_shape) == (0, (7, 5, 6))
    [first] = fmcompress.traffic(path, tile="4x4x4", zero_point=0, order="nhwc:nchw").layers
    assert first.frame_shape == (6, 7, 5)
    assert first.memory_bytes.tolist() == layer.memory_bytes.tolist()


def test_a_large_frame_in_small_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tile is a transmission, not its frame."""
    monkeypatch.setattr(off_chip, "MOST_TRANSMISSION_WORDS", 1000)
    path = written(tmp_path, a=maps(1, 2, 3, 40, 40))
    assert fmcompress.traffic(path, tile="3x10x10").layers[0].tiles_per_frame == 16
    with pytest.raises(ParameterError, match="a tile has 4800 words, more than the 1000"):
        fmcompress.traffic(path)
    monkeypatch.setattr(off_chip, "MOST_FRAME_WORDS", 2000)
    with pytest.raises(ParameterError, match="a frame has 4800 words, more than 2000"):
        fmcompress.traffic(path, tile="3x10x10")


def test_no_frame_axis(tmp_path: Path) -> None:
    """A layer of three axes is one frame; of one axis, too, unless it is said to be that of frames."""
    path = written(tmp_path, a=maps(6, 4, 6, 9), b=maps(7, 50))
    found = fmcompress.traffic(path, tile="2x3x4")
    assert [layer.axis for layer in found.layers] == [None] * 2
    assert [layer.frame_shape for layer in found.layers] == [(4, 6, 9), (50,)]
    assert [layer.tile for layer in found.layers] == [(2, 3, 4), (4,)]
    assert [layer.frames for layer in found.layers] == [1] * 2
    assert "fewer axes than the tile, whose last ones count: b" in " ".join(found.notes)
    [layer] = fmcompress.traffic(path, layers="b", frame_axis=0).layers
    assert (layer.axis, layer.frame_shape, layer.frames) == (0, (1,), 50)


def test_packed(tmp_path: Path) -> None:
    """Two words in a byte: the axis that runs fastest is twice as long."""
    array = maps(8, 2, 3, 4, 5)
    options: dict[str, Any] = {"dtype": "uint4", "packed": True, "zero_point": 0}
    found = fmcompress.traffic(written(tmp_path, a=array), tile="3x4x4", **options)
    [layer] = found.layers
    assert (layer.word_bits, layer.frame_shape, layer.tiles_per_frame) == (4, (3, 4, 10), 3)
    words = np.stack([array & 15, array >> 4], axis=-1).reshape(2, 3, 4, 10)
    codec = codec_named("ebpc", {}, "unsigned")
    parts = [expected(codec, frame, (3, 4, 4), 64, 4) for frame in words]
    assert layer.memory_bytes.tolist() == [sum(part["memory"]) for part in parts]


def test_container(tmp_path: Path) -> None:
    """The words of a container are coded anew, and that the codec counts needs no warning."""
    path = written(tmp_path, a=maps(9, 3, 4, 6, 9), b=np.ones((3, 2)))
    fmcompress.compress(path, tmp_path / "packed", codec="zvc")
    arguments: dict[str, Any] = {"codec": "bpc", "tile": "4x4x4"}
    of_dump = fmcompress.traffic(path, **arguments)
    found = fmcompress.traffic(tmp_path / "packed", **arguments)
    assert found.warnings == []
    assert set(found.left_out) == {"b"}
    assert found.layers[0].to_json() == of_dump.layers[0].to_json()
    spread = fmcompress.distribution(tmp_path / "packed", codec="bpc")
    assert spread.warnings == []
    assert (
        "rounding"
        in fmcompress.traffic(tmp_path / "packed", quantize="fixed8", rounding="nearest").warnings[
            0
        ]
    )


def test_threads_and_batches_make_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, a=maps(10, 7, 3, 6, 9), b=maps(11, 7, 20))
    alone = fmcompress.traffic(path, tile="2x4x4").to_json()
    monkeypatch.setattr("fmcompress.batches.BATCH_WORDS", 400)
    assert fmcompress.traffic(path, tile="2x4x4", threads=2).to_json() == alone


def test_serpentine(tmp_path: Path) -> None:
    """Whole frames may run forth and back; of tiles it would not be clear what that means."""
    array = maps(12, 2, 3, 4, 9)
    path = written(tmp_path, a=array)
    [layer] = fmcompress.traffic(path, serpentine=True, zero_point=0).layers
    turned = array.copy()
    turned[:, :, 1::2] = turned[:, :, 1::2, ::-1]
    parts = [expected(codec_named("ebpc", {}, "unsigned"), one, (3, 4, 9), 64, 8) for one in turned]
    assert layer.memory_bytes.tolist() == [sum(part["memory"]) for part in parts]
    with pytest.raises(ParameterError, match="forth and back"):
        fmcompress.traffic(path, serpentine=True, tile="2x2x2")


# --- Bandwidth, energy, hardware ----------------------------------------------------------


def test_bandwidth_and_energy(tmp_path: Path) -> None:
    """18 of 20 bytes a frame, written and read."""
    found = by_hand(tmp_path, frames_per_second=50, pj_per_bit=10)
    assert found.megabytes_per_second == pytest.approx((20 * 50 / 1e6, 18 * 50 / 1e6))
    assert found.microjoules == pytest.approx((20 * 8 * 10 / 1e6, 18 * 8 * 10 / 1e6))
    assert found.milliwatts == pytest.approx((20 * 80 * 50 / 1e9, 18 * 80 * 50 / 1e9))
    once = by_hand(tmp_path, passes=1, energy="hbm2")
    assert once.microjoules == pytest.approx((10 * 8 * 3.9 / 1e6, 9 * 8 * 3.9 / 1e6))
    assert (once.megabytes_per_second, once.milliwatts) == (None, None)


def test_no_hidden_defaults(tmp_path: Path) -> None:
    document = by_hand(tmp_path).to_json()
    for name in ("energy", "microjoules", "milliwatts", "megabytes_per_second"):
        assert document[name] is None


def test_layers_with_different_numbers_of_frames(tmp_path: Path) -> None:
    path = written(tmp_path, a=maps(13, 3, 2, 4, 6), b=maps(14, 2, 2, 4, 6))
    found = fmcompress.traffic(path)
    assert "(2, 3)" in found.notes[-1]
    means = [float(layer.total_bytes.mean()) for layer in found.layers]
    assert found.total.total_bytes == pytest.approx(sum(means))


def test_presets_name_their_sources() -> None:
    assert {"ddr3", "lpddr2", "gddr5", "hbm2"} < set(PRESETS)
    for name, preset in PRESETS.items():
        assert preset.name == name
        assert preset.pj_per_bit > 0
        assert preset.source
        assert preset.note


def test_hardware_names_every_codec() -> None:
    """What is not published stays empty, and what is has a source."""
    costs = {cost.codec: cost for cost in hardware_costs()}
    assert set(costs) == set(CODECS) - {"stored", "auto"}
    assert (costs["ebpc"].encoder_kge, costs["ebpc"].decoder_kge) == (2.8, 3.0)
    for name, cost in costs.items():
        figures = list(cost)[1:]
        assert all(figure is None for figure in figures) == (name not in PUBLISHED)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames_per_second": 0}, "frames_per_second is 0"),
        ({"frames_per_second": -1.0}, "frames_per_second is -1.0"),
        ({"pj_per_bit": 0}, "pj_per_bit is 0"),
        ({"energy": "ddr9"}, "energy is 'ddr9'.*lpddr2"),
        ({"energy": "ddr3", "pj_per_bit": 3}, "both given"),
        ({"burst_bytes": 0}, "burst_bytes is 0"),
        ({"passes": 0}, "passes is 0"),
        ({"index": 1}, "index is 1"),
        ({"frame_axis": 3}, "frame axis is 3"),
        ({"tile": "2x"}, "tile is '2x'"),
        ({"codec": "zvc:group=9"}, "group is 9"),
    ],
)
def test_what_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    path = written(tmp_path, a=maps(15, 2, 4, 9))
    with pytest.raises(ParameterError, match=message):
        fmcompress.traffic(path, **options)


def test_nothing_to_measure(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"nothing can be measured: .*empty"):
        fmcompress.traffic(written(tmp_path, a=np.ones((0, 3), np.uint8)))


# --- The command --------------------------------------------------------------------------

NINES = "9" * 5000  # of more digits than Python makes a number
OPTIONS = ("--tile", "2x4x4", "--burst", "32", "--fps", "30", "--energy", "lpddr2")


@pytest.fixture
def dump(tmp_path: Path) -> str:
    return str(written(tmp_path, a=maps(16, 3, 2, 6, 9), b=maps(17, 3, 12)))


def test_json(dump: str) -> None:
    code, out, err = run("traffic", dump, "--json", *OPTIONS)
    assert code == 0, err
    found = fmcompress.traffic(
        dump, tile="2x4x4", burst_bytes=32, frames_per_second=30, energy="lpddr2"
    )
    assert json.loads(out) == json.loads(json.dumps(found.to_json()))
    assert json.loads(out)["energy"]["pj_per_bit"] == 40


def test_csv(dump: str) -> None:
    code, _, err = run("traffic", dump, "--csv", *OPTIONS)
    assert (code, "--fps has no effect: --csv has bytes alone" in err) == (2, True)
    code, out, err = run("traffic", dump, "--csv", "--tile", "2x4x4", "--burst", "32")
    assert code == 0, err
    rows = list(csv.DictReader(io.StringIO(out)))
    found = fmcompress.traffic(dump, tile="2x4x4", burst_bytes=32)
    shown = [(row["layer"], int(row["frame"]), int(row["total_bytes"])) for row in rows]
    assert shown == [
        (layer.name, frame, int(size))
        for layer in found.layers
        for frame, size in enumerate(layer.total_bytes)
    ]
    assert rows[0]["tile"] == "2x4x4"


def test_text(dump: str) -> None:
    code, out, err = run("traffic", dump, "--per-layer", "--hardware", *OPTIONS)
    assert code == 0, err
    found = fmcompress.traffic(
        dump, tile="2x4x4", burst_bytes=32, frames_per_second=30, energy="lpddr2"
    )
    lines = out.splitlines()
    [total] = [line for line in lines if line.startswith("total")]
    assert total.split()[-1] == f"{found.total.ratio:.3f}"
    assert any("Malladi" in line for line in lines)
    assert any(line.startswith("power") for line in lines)
    assert any(line.split()[:3] == ["ebpc", "2.8", "3.0"] for line in lines)
    assert any(line.split()[:3] == ["zvc", "n/a", "n/a"] for line in lines)
    assert "whose last ones count: b" in err
    plain = run("traffic", dump)[1]
    for word in ("energy", "bandwidth", "power", "kGE"):
        assert word not in plain
    assert "each layer twice (written and read)" in plain
    given = run("traffic", dump, "--pj-per-bit", "21", "--passes", "3", "--no-index")[1]
    assert "21 pJ/bit, as given" in given
    assert "each layer 3 times" in given
    assert "no index" in given


def test_hardware_needs_no_input() -> None:
    code, out, err = run("traffic", "--hardware")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("codec")
    assert any(line.split()[:3] == ["ebpc", "2.8", "3.0"] for line in out.splitlines())
    rows = list(csv.DictReader(io.StringIO(run("traffic", "--hardware", "--csv")[1])))
    assert [row["codec"] for row in rows] == [cost.codec for cost in hardware_costs()]
    document = json.loads(run("traffic", "--hardware", "--json")[1])
    assert [cost["codec"] for cost in document["hardware"]] == [row["codec"] for row in rows]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--json",), "Name the input: IN."),
        (("--hardware", "--fps", "3"), "--fps has no effect: without IN, --hardware"),
    ],
)
def test_without_input(options: tuple[str, ...], message: str) -> None:
    code, out, err = run("traffic", *options)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--energy", "ddr3", "--pj-per-bit", "3"), "exclude each other"),
        (("--json", "--csv"), "exclude each other"),
        (("--fps", "0"), "frames_per_second is 0"),
        (("--tile", "8by8"), "tile is '8by8'"),
        pytest.param(("--tile", f"{NINES}x8"), f"tile is '{NINES}x8'", id="digits"),
        (("--burst", "0"), "0 is not in the range"),
        (("--energy", "ddr9"), "ddr9"),
        (("--chunk-words", "64"), "No such option '--chunk-words'"),
    ],
)
def test_wrong_usage(dump: str, options: tuple[str, ...], message: str) -> None:
    code, out, err = run("traffic", dump, *options)
    assert (code, out) == (2, "")
    assert message in err
