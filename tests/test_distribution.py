"""Frames, channels, layers and epochs: which axes they are, and how their ratios lie."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import fmcompress
from fmcompress.axes import channel_axis, frame_axis
from fmcompress.codecs import codec_named
from fmcompress.codecs.stored import stored_bytes
from fmcompress.configurations import Space
from fmcompress.cutting import Cut
from fmcompress.distributions import Pieces, Spread
from fmcompress.errors import ParameterError


def maps(shape: tuple[int, ...], dtype: str = "uint8") -> np.ndarray:
    """Noise of which each frame has more zeros than the one before."""
    random = np.random.default_rng(5)
    values = random.integers(1, 9, shape)
    share = np.arange(1, shape[0] + 1).reshape(-1, *[1] * (len(shape) - 1)) / (shape[0] + 1)
    return np.where(random.random(shape) < share, 0, values).astype(dtype)


def bits_of(words: np.ndarray, codec: str = "ebpc", difference: str = "unsigned") -> int:
    """What a transmission takes in a file."""
    coder = codec_named(codec, difference=difference)
    streams = coder.encode(np.ascontiguousarray(words).reshape(-1), 8)
    return 8 * min(sum(map(len, streams)), stored_bytes(words.size, 8))


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["a"] = maps((6, 3, 8, 8))
        file["b"] = maps((6, 5, 4, 4))
    return tmp_path / "maps.h5"


# --- Axes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "attributes", "frames", "channels"),
    [
        ((8, 3, 5, 5), {}, 0, 1),
        ((8, 3), {}, 0, 1),
        ((3, 5, 5), {}, None, 0),
        ((7,), {}, None, 0),
        ((), {}, None, None),
        ((2, 8, 3, 5, 5), {}, 0, 1),
        ((8, 5, 5, 3), {"layout": "NHWC"}, 0, 3),
        ((5, 5, 8, 3), {"data_format": b"HWNC"}, 2, 3),
        ((3, 5, 5), {"layout": "CHW"}, None, 0),
        ((5, 5, 3), {"Layout": "hwc"}, None, 2),
        ((5, 5), {"layout": "HW"}, None, None),
        ((8, 3, 5, 5), {"layout": "NHC"}, 0, 1),
        ((8, 3, 5, 5), {"layout": "NCC?"}, 0, 1),
        ((8, 3, 5, 5), {"frame_axis": 2}, 2, 3),
        ((8, 3, 5, 5), {"frame_axis": np.int64(1), "layout": "NCHW"}, 1, 1),
        ((8, 3, 5, 5), {"batch axis": "7"}, 0, 1),
        ((8, 3, 5, 5), {"channel_axis": 3}, 0, 3),
        ((8, 3, 5, 5), {"frame_axis": np.array([1]), "channel_axis": -1}, 1, 3),
        ((8, 3, 5, 5), {"frame_axis": "-5", "channel_axis": "9" * 5000}, 0, 1),
        ((8, 3, 5, 5), {"other": 3}, 0, 1),
    ],
)
def test_axes(
    shape: tuple[int, ...], attributes: dict[str, Any], frames: int | None, channels: int | None
) -> None:
    assert frame_axis(shape, attributes) == frames
    assert channel_axis(shape, attributes) == channels


@pytest.mark.parametrize(
    ("attributes", "by", "wanted", "doubts"),
    [
        ({"frame_axis": 4}, "frame", None, ["frame_axis is 4, no axis of shape (8, 3, 5, 5)"]),
        ({"batch_dim": "x" * 99}, "channel", None, ["batch_dim is '" + "x" * 39 + ", no axis"]),
        ({"channel_axis": -5}, "channel", None, ["channel_axis is -5, no axis"]),
        ({"layout": "QQ"}, "frame", None, ["layout is 'QQ', no layout of 4 axes"]),
        ({"layout": b"NHC"}, "channel", None, ["layout is b'NHC', no layout of 4 axes"]),
        ({"frame_axis": 4, "layout": "NC"}, "frame", 0, []),
        ({"frame_axis": 4, "layout": "NC"}, "layer", None, []),
        ({"channel_axis": 4}, "frame", None, []),
        ({"layout": "NCW", "order": "C", "frame_axis": "1"}, "frame", None, []),
        ({"layout": "strided", "data_format": "channels_last"}, "frame", None, []),
    ],
)
def test_attributes_that_name_no_axis(
    attributes: dict[str, Any], by: str, wanted: int | None, doubts: list[str]
) -> None:
    found = Cut(by, wanted).doubts((8, 3, 5, 5), attributes)
    assert len(found) == len(doubts)
    for line, doubt in zip(found, doubts, strict=True):
        assert line.startswith(f"its attribute {doubt}")
        assert line.endswith("; it is ignored")


def test_attributes_that_name_no_axis_are_warned_of(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["a"] = np.ones((2, 2, 3, 3), np.int8)
        file["a"].attrs["frame_axis"] = "QQ"
    fmcompress.compress(tmp_path / "in.h5", tmp_path / "in.fmc")
    expected = "layer 'a': its attribute frame_axis is 'QQ', no axis of shape (2, 2, 3, 3)"
    for source in (tmp_path / "in.h5", tmp_path / "in.fmc"):
        for found in (
            fmcompress.distribution(source),
            fmcompress.traffic(source),
            fmcompress.sweep(source, space=Space(codecs="zvc")),
        ):
            [warning] = found.warnings
            assert warning.startswith(expected)
        assert fmcompress.distribution(source, by="layer").warnings == []


def test_axes_that_are_named() -> None:
    assert frame_axis((4, 5, 6), {"layout": "NCW"}, -1) == 2
    assert channel_axis((4, 5, 6), {}, 0) == 0
    for wanted in (3, -4):
        with pytest.raises(ParameterError, match=f"frame axis is {wanted}"):
            frame_axis((4, 5, 6), {}, wanted)
        with pytest.raises(ParameterError, match=f"channel axis is {wanted}"):
            channel_axis((4, 5, 6), {}, wanted)


# --- Pieces -------------------------------------------------------------------------------


def test_frames(dump: Path) -> None:
    """Each one a transmission; in total, those of all layers together."""
    found = fmcompress.distribution(dump)
    with h5py.File(dump) as file:
        arrays = [file[name][()] for name in ("a", "b")]
    total = np.zeros(6, np.int64)
    for layer, array in zip(found.layers, arrays, strict=True):
        bits = [bits_of(frame) for frame in array]
        total += bits
        assert layer.axis == 0
        assert layer.pieces.bits.tolist() == bits
        assert layer.pieces.zero_words.tolist() == [int((frame == 0).sum()) for frame in array]
        assert layer.pieces.words.tolist() == [array[0].size] * 6
        assert layer.pieces.ratios.tolist() == [8 * array[0].size / size for size in bits]
    assert found.total is not None
    assert found.total.bits.tolist() == total.tolist()
    assert found.total.words.tolist() == [sum(array[0].size for array in arrays)] * 6


def test_channels(dump: Path) -> None:
    """Those of all frames are one piece, each channel of a frame a transmission."""
    found = fmcompress.distribution(dump, by="channel", codec="zvc")
    with h5py.File(dump) as file:
        array = file["a"][()]
    layer = found.layers[0]
    bits = [sum(bits_of(frame[channel], "zvc") for frame in array) for channel in range(3)]
    assert (layer.axis, layer.pieces.bits.tolist()) == (1, bits)
    assert layer.pieces.zero_words.tolist() == [int((array[:, c] == 0).sum()) for c in range(3)]
    assert found.total is not None
    assert found.total.bits.size == 3 + 5


def test_layers(dump: Path) -> None:
    """As a file has them."""
    found = fmcompress.distribution(dump, by="layer", chunk_words=100)
    expected = fmcompress.stats(dump, chunk_words=100)
    assert [layer.pieces.bits.tolist() for layer in found.layers] == [
        [layer.sizes.compressed_bits] for layer in expected.layers
    ]
    assert [layer.pieces.zero_words.tolist() for layer in found.layers] == [
        [layer.sizes.zero_words] for layer in expected.layers
    ]
    assert found.layers[0].axis is None


@pytest.mark.parametrize("by", ["frame", "channel"])
def test_any_order_of_axes(tmp_path: Path, by: str) -> None:
    """Frames that run fastest in the file are moved to the front; the rest keeps its order."""
    plain = maps((6, 3, 8, 8))
    expected = None
    for number, axes in enumerate([(0, 1, 2, 3), (1, 2, 3, 0), (2, 3, 0, 1)]):
        path = tmp_path / f"{number}.h5"
        with h5py.File(path, "w") as file:
            file["a"] = plain.transpose(axes)
            file["a"].attrs["layout"] = "".join("NCHW"[axis] for axis in axes)
        order = (
            {}
            if by == "channel"
            else {"order": ",".join(str(axes.index(axis)) for axis in range(4))}
        )
        found = fmcompress.distribution(path, by=by, **order)
        expected = expected or found.layers[0].pieces.to_json()
        assert found.layers[0].pieces.to_json() == expected


def test_channels_lie_behind_the_frames_that_are_given(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, maps((3, 2, 4, 5)))
    found = fmcompress.distribution(path, by="channel", frame_axis=1, zero_point=0)
    assert (found.layers[0].axis, found.layers[0].pieces.bits.size) == (2, 4)


def test_frame_axis_given(tmp_path: Path) -> None:
    array = maps((4, 6, 50))
    np.save(tmp_path / "a.npy", array)
    assert fmcompress.distribution(tmp_path / "a.npy").layers[0].pieces.bits.size == 1
    found = fmcompress.distribution(tmp_path / "a.npy", frame_axis=1).layers[0]
    assert found.pieces.bits.tolist() == [bits_of(array[:, n]) for n in range(6)]
    with pytest.raises(ParameterError, match="both frames and channels"):
        fmcompress.distribution(tmp_path / "a.npy", by="channel", frame_axis=1, channel_axis=1)
    with pytest.raises(ParameterError, match="frame axis is 3"):
        fmcompress.distribution(tmp_path / "a.npy", frame_axis=3)
    with pytest.raises(ParameterError, match="frame_axis"):
        fmcompress.distribution(tmp_path / "a.npy", frame_axis="1")  # type: ignore[arg-type]


def test_packed_words(tmp_path: Path) -> None:
    """A byte has two: frames of bytes."""
    array = maps((4, 3, 2, 10))
    np.save(tmp_path / "a.npy", array)
    found = fmcompress.distribution(tmp_path / "a.npy", dtype="uint4", packed=True, zero_point=0)
    pieces = found.layers[0].pieces
    assert pieces.words.tolist() == [120] * 4
    assert pieces.word_bits.tolist() == [480] * 4
    assert pieces.zero_words.sum() == (array == 0).sum() + array.size


def test_of_a_container(dump: Path) -> None:
    """Its words run as they do."""
    file = io.BytesIO()
    fmcompress.compress(dump, file)
    found = fmcompress.distribution(io.BytesIO(file.getvalue())).to_json()["layers"]
    assert found == fmcompress.distribution(dump).to_json()["layers"]
    file = io.BytesIO()
    fmcompress.compress(dump, file, order="1,0,2,3")
    with pytest.raises(ParameterError, match=r"along the axes 1, 0, 2, 3.*decompress it first"):
        fmcompress.distribution(io.BytesIO(file.getvalue()))


def test_layers_with_other_numbers_of_frames(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=maps((4, 30)), b=maps((6, 30)))
    found = fmcompress.distribution(tmp_path / "a.npz")
    assert found.total is None
    assert found.to_json()["total"] is None
    assert fmcompress.distribution(tmp_path / "a.npz", by="channel").total is not None


def test_a_frame_too_long(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 1 << 12, 1 << 12), np.uint8))
    with pytest.raises(ParameterError, match="a frame has 33554432 words"):
        fmcompress.distribution(tmp_path / "a.npy")
    assert fmcompress.distribution(tmp_path / "a.npy", frame_axis=0).layers[0].pieces.bits.size == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "word"}, "choose from frame, channel, layer"),
        ({"layers": "labels"}, "nothing can be measured: dtype has no word format"),
    ],
)
def test_what_cannot_be_measured(samples: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        fmcompress.distribution(samples / "digits_int8.h5", **options)


def test_spread_is_numpys() -> None:
    values = np.random.default_rng(1).random(250)
    spread = Spread.of(values)
    assert spread.median == np.median(values)
    assert spread.percentile_1 == pytest.approx(np.quantile(values, 0.01))
    assert spread.percentile_99 == pytest.approx(np.quantile(values, 0.99))
    assert (spread.least, spread.greatest) == (values.min(), values.max())


def test_pieces_to_json() -> None:
    pieces = Pieces(*(np.array(values) for values in ([4, 4], [32, 32], [16, 8], [1, 3])))
    document = pieces.to_json()
    assert document["ratio"]["median"] == 3
    assert document["sparsity"]["greatest"] == 0.75
    assert (document["pieces"], document["bits"], document["raw_bits"]) == (2, [16, 8], [32, 32])


def test_gradients_are_as_good_as_activations(samples: Path) -> None:
    """Signed maps, normalised by their largest magnitude: no sign is lost."""
    path = samples / "digits_grad_f32.h5"
    found = fmcompress.distribution(path, quantize="fixed16")
    packed = io.BytesIO()
    fmcompress.compress(path, packed, quantize="fixed16")
    with fmcompress.open(io.BytesIO(packed.getvalue())) as file:
        for layer in found.layers:
            values = file[layer.name][()]
            assert np.abs(values.astype(np.int32)).max() == int(0.75 * (2**15 - 1))
            assert values.min() < 0 < values.max()
            words = values.view(np.uint16).reshape(len(values), -1)
            streams = [codec_named("ebpc").encode(frame, 16) for frame in words]
            bits = [8 * min(sum(map(len, both)), 2 * words[0].size) for both in streams]
            assert layer.pieces.bits.tolist() == bits
            assert layer.lossy


# --- Epochs -------------------------------------------------------------------------------


def trained(folder: Path, name: str, epoch: Any, zeros: float, on: str = "file") -> str:
    array = np.where(np.random.default_rng(1).random((4, 90)) < zeros, 0, 77).astype(np.uint8)
    with h5py.File(folder / name, "w") as file:
        file["a"], file["b"] = array, array
        if on == "file":
            file.attrs["epoch"] = epoch
        elif on == "layers":
            file["a"].attrs["epoch"] = file["b"].attrs["epoch"] = epoch
    return str(folder / name)


def test_epochs(tmp_path: Path) -> None:
    """By ascending epoch, whatever the order of the files; the attribute of file or layers."""
    late = trained(tmp_path, "late.h5", 10, 0.9)
    early = trained(tmp_path, "early.h5", np.float32(0.5), 0.2, "layers")
    middle = str(tmp_path / "middle.fmc")
    fmcompress.compress(trained(tmp_path, "middle.h5", 2, 0.5), middle)
    found = fmcompress.epochs([late, early, middle], codec="zvc")
    assert [one.epoch for one in found.epochs] == [0.5, 2, 10]
    ratios = [one.stats.total.ratio for one in found.epochs]
    assert ratios[0] < ratios[2]  # type: ignore[operator]
    document = found.to_json()
    for one, name in zip(document["epochs"], (early, middle, late), strict=True):
        expected = fmcompress.stats(name, codec="zvc").total
        assert (one["ratio"], one["sparsity"]) == (expected.ratio, expected.sparsity)
        assert [layer["name"] for layer in one["layers"]] == ["a", "b"]
    assert found.layers["a"][1] == found.epochs[1].stats.layers[0].sizes


@pytest.mark.parametrize(
    ("epoch", "on"), [("one", "file"), ([1, 2], "file"), (np.nan, "layers"), (1, "")]
)
def test_a_dump_without_epoch(tmp_path: Path, epoch: Any, on: str) -> None:
    name = trained(tmp_path, "a.h5", epoch, 0.5, on)
    message = "its attribute 'epoch' is .*, no number" if on else "has no attribute 'epoch'"
    with pytest.raises(ParameterError, match=rf"a\.h5: {message}"):
        fmcompress.epochs([name])


def test_epoch_of_a_stream(tmp_path: Path) -> None:
    """It can be read once only, and so is every dump."""
    data = Path(trained(tmp_path, "a.h5", 3, 0.5)).read_bytes()
    assert [one.epoch for one in fmcompress.epochs(io.BytesIO(data)).epochs] == [3]


def test_large_epochs_are_shown_in_full(tmp_path: Path) -> None:
    from fmcompress.cli.render_distribution import epochs_text

    names = [trained(tmp_path, f"{e}.h5", e, 0.5) for e in (1234567, 1234568, 0.25)]
    text = epochs_text(fmcompress.epochs(names), False, None)
    assert "epoch 0.25  epoch 1234567  epoch 1234568" in text


def test_two_dumps_of_one_epoch(tmp_path: Path) -> None:
    names = [trained(tmp_path, name, 3, 0.5) for name in ("a.h5", "b.h5")]
    with pytest.raises(ParameterError, match=r"b\.h5: its epoch is 3, as that of .*a\.h5"):
        fmcompress.epochs(names)
