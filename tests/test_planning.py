"""Which options apply to which layers; what is chosen, carried, refused, and said."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import fmcompress
from fmcompress import trial_orders
from fmcompress.channels_last import is_channels_last
from fmcompress.coding import Options
from fmcompress.errors import ParameterError
from fmcompress.statistics import Stats
from fmcompress.trial_orders import candidates

RANDOM = np.random.default_rng(7)


def smooth(shape: tuple[int, ...]) -> NDArray[Any]:
    """Maps (frames, channels, height, width): channels differ, neighbours in a map do not."""
    n, c, h, w = shape
    rows, columns = np.mgrid[0:h, 0:w]
    offsets = np.random.default_rng(1).integers(0, 90, (n, c, 1, 1))
    values: NDArray[Any] = (offsets + rows // 2 + columns // 2).astype(np.uint8)
    return values


def npz(**arrays: Any) -> io.BytesIO:
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    return file


def layers(stats: Stats) -> dict[str, Any]:
    return {layer.name: layer for layer in stats.layers}


MIXED = {
    "maps": np.abs(RANDOM.normal(size=(2, 3, 4, 4))).astype(np.float32),
    "labels": np.arange(2, dtype=np.int64),
    "codes": np.arange(16, dtype=np.uint8),
}


# --- An option applies to what it fits ----------------------------------------------------


def test_quantising_leaves_integers_alone() -> None:
    found = layers(fmcompress.stats(npz(**MIXED), quantize="fixed8"))
    assert found["maps"].quantized["target"] == "fixed8"
    assert found["codes"].quantized == {}
    assert found["codes"].words["format"] == "uint8"
    assert found["labels"].carried == "dtype has no word format"


@pytest.mark.parametrize(
    ("options", "fitting", "names"),
    [
        ({"quantize": "fixed8"}, "maps", "codes"),
        ({"word_bits": 5}, "codes", "maps"),
        ({"order": (0, 2, 3, 1)}, "maps", "codes"),
        ({"dtype": "float8_e5m2"}, "codes", "maps"),
        ({"serpentine": True}, "maps", "codes"),
    ],
    ids=str,
)
def test_named_layers_must_fit(options: dict[str, Any], fitting: str, names: str) -> None:
    """Without names it is enough that some layer does."""
    fmcompress.stats(npz(**MIXED), **options)
    fmcompress.stats(npz(**MIXED), layers=fitting, **options)
    with pytest.raises(ParameterError) as raised:
        fmcompress.stats(npz(**MIXED), layers=[fitting, names], **options)
    assert raised.value.layer == names
    assert raised.value.hint
    others = {name: array for name, array in MIXED.items() if name != fitting}
    with pytest.raises(ParameterError) as raised:
        fmcompress.stats(npz(**others), **options)
    assert raised.value.exit_code == 2


def test_an_option_of_no_layer() -> None:
    file = io.BytesIO()
    with h5py.File(file, "w"):
        pass
    with pytest.raises(ParameterError, match="no layer fits --word-bits"):
        fmcompress.stats(io.BytesIO(file.getvalue()), word_bits=4)


def test_integers_are_not_quantised() -> None:
    file = npz(codes=MIXED["codes"])
    with pytest.raises(ParameterError, match="only floats are quantised"):
        fmcompress.stats(file, quantize="fixed8")


# --- Values that cannot be quantised ------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_layers_that_are_not_finite_are_carried(bad: float) -> None:
    maps = MIXED["maps"].copy()
    maps[1, 2, 3, 0] = bad
    file = npz(good=MIXED["maps"], bad=maps)
    stats = fmcompress.stats(file, quantize="fixed8")
    assert layers(stats)["good"].quantized
    assert layers(stats)["bad"].carried.startswith("cannot be quantised: element [1, 2, 3, 0] is ")
    [warning] = stats.warnings
    assert "'bad' is stored unchanged" in warning
    with pytest.raises(ParameterError, match=r"element \[1, 2, 3, 0\]"):
        fmcompress.stats(npz(good=MIXED["maps"], bad=maps), quantize="fixed8", layers="*")
    with pytest.raises(ParameterError, match="which fixed8 cannot hold"):
        fmcompress.stats(npz(bad=maps), quantize="fixed8")


def test_layers_of_zeros_and_empty_ones() -> None:
    file = npz(zeros=np.zeros((2, 9), np.float32), empty=np.zeros((0, 9), np.float32))
    stats = fmcompress.stats(file, quantize="fixed8")
    assert layers(stats)["zeros"].quantized["scale"] == 1.0
    assert layers(stats)["zeros"].sizes.sparsity == 1.0
    assert layers(stats)["empty"].carried == "scalar or empty"


def test_lossy_layers_are_counted_in_both_ratios() -> None:
    stats = fmcompress.stats(npz(maps=MIXED["maps"]), quantize="fixed12")
    total = stats.total
    assert total.word_bits == 12 * 96
    assert total.original_bits == 32 * 96
    assert total.original_ratio == pytest.approx(32 / 12 * (total.ratio or 0))


# --- Zero points --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "options", "message"),
    [
        (
            {},
            {"zero_point_axis": 1},
            r"no attribute has zero points along axis 1 of shape \(2, 3\)",
        ),
        ({"zero_point": 3}, {"zero_point_axis": 1}, "no attribute has zero points along axis 1"),
        ({"zero_point": [1, 2]}, {"zero_point_axis": 1}, "no attribute has zero points along"),
        ({}, {"zero_point_axis": 1, "zero_point": 3}, "zero_point_axis is for several zero points"),
    ],
)
def test_an_axis_of_zero_points_that_are_not_there(
    tmp_path: Path, attributes: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["a"] = np.ones((2, 3), np.int8)
        file["a"].attrs.update(attributes)
    for named in ({}, {"layers": "a"}):
        with pytest.raises(ParameterError, match=message):
            fmcompress.stats(tmp_path / "in.h5", **options, **named)


def test_zero_points_of_channels_from_attributes(tmp_path: Path) -> None:
    codes = np.zeros((2, 3, 4), np.int8) + np.array([5, -7, 0], np.int8)[:, None]
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["named"] = codes
        file["named"].attrs["zero_point"] = np.array([5, -7, 0])
        file["named"].attrs["quantized_dimension"] = 1
        file["alone"] = codes
        file["alone"].attrs["zp"] = [5, -7, 0]
        file["ambiguous"] = codes[:, :, :3]
        file["ambiguous"].attrs["zp"] = [5, -7, 0]
        file["elsewhere"] = codes
        file["elsewhere"].attrs["zero_point"] = [5, -7]
        file["elsewhere"].attrs["axis"] = 1
    found = layers(fmcompress.stats(tmp_path / "in.h5"))
    for name in ("named", "alone"):
        assert found[name].words["zero_point"] == [5, -7, 0]
        assert (found[name].words["axis"], found[name].words["zero_point_from"]) == (1, "attribute")
        assert found[name].sizes.sparsity == 1.0
    for name in ("ambiguous", "elsewhere"):
        assert found[name].words["zero_point_from"] != "attribute"
    chosen = layers(fmcompress.stats(tmp_path / "in.h5", layers="ambiguous", zero_point_axis=1))
    assert chosen["ambiguous"].words["axis"] == 1


@pytest.mark.parametrize(
    ("points", "axis", "message"),
    [
        ([1, 2], None, "need an axis"),
        ([1, 2], 1, "2 zero points do not fit axis 1"),
        ([1, 2, 3], 2, "do not fit axis 2"),
        ([1, 2, 300], 1, "outside uint8"),
        ([1, 2, None], 1, "outside uint8"),
    ],
    ids=str,
)
def test_zero_points_of_channels_that_do_not_fit(
    points: list[Any], axis: int | None, message: str
) -> None:
    with pytest.raises(ParameterError, match=message) as raised:
        fmcompress.stats(
            npz(codes=np.zeros((2, 3), np.uint8)), zero_point=points, zero_point_axis=axis
        )
    assert raised.value.layer == "codes"


# --- Orders -------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [True, False], ids=["in memory", "from the beginning"])
@pytest.mark.parametrize("boxes", [1 << 18, 900], ids=["one box", "many boxes"])
def test_auto_finds_the_better_order(
    kept: bool, boxes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_orders, "BOX_ELEMENTS", boxes)
    monkeypatch.setattr(trial_orders, "SAMPLE_ELEMENTS", 8 * boxes)
    if not kept:
        monkeypatch.setattr("fmcompress.planning._KEPT_BYTES", 0)
    maps = smooth((6, 8, 12, 12))
    last = np.ascontiguousarray(maps.transpose(0, 2, 3, 1))
    stats = fmcompress.stats(npz(first=maps, last=last), order="auto")
    assert layers(stats)["first"].axes == (0, 1, 2, 3)
    assert layers(stats)["last"].axes == (0, 3, 1, 2)
    assert layers(stats)["first"].sizes == layers(stats)["last"].sizes
    assert stats.notes == ["order auto chose, by layers: the file's for 1, 0,3,1,2 for 1"]
    plain = layers(fmcompress.stats(npz(last=last)))["last"].sizes
    assert layers(stats)["last"].sizes.compressed_bits < plain.compressed_bits


def test_auto_of_what_has_no_order() -> None:
    stats = fmcompress.stats(npz(flat=np.arange(50, dtype=np.int16)), order="auto")
    assert layers(stats)["flat"].axes == (0,)


def test_candidates() -> None:
    assert candidates(1, (0,)) == [(0,)]
    assert candidates(2, (0, 1)) == [(0, 1), (1, 0)]
    assert candidates(3, (0, 1, 2)) == [(0, 1, 2), (2, 0, 1), (1, 2, 0)]
    assert candidates(2, (1, 0)) == [(1, 0), (0, 1)]
    assert candidates(4, (0, 1, 2, 3)) == [(0, 1, 2, 3), (0, 3, 1, 2), (0, 2, 3, 1)]
    assert (0, 1, 2, 3) in candidates(4, (0, 2, 3, 1))


@pytest.mark.parametrize(
    ("shape", "order", "attributes", "last"),
    [
        ((1, 56, 56, 64), "C", {}, True),
        ((1, 64, 56, 56), "C", {}, False),
        ((1, 56, 56, 56), "C", {}, False),
        ((1, 7, 7, 1), "C", {}, False),
        ((9, 1, 1, 64), "C", {}, False),
        ((56, 56, 64), "C", {}, False),
        ((56, 56, 64), "C", {"layout": "HWC"}, True),
        ((1, 9, 17, 64), "C", {"data_format": "NHWC"}, True),
        ((1, 56, 56, 64), "C", {"layout": "NCHW"}, False),
        ((1, 56, 56, 64), "C", {"layout": "?", "memory.format": b"channels_last"}, True),
        ((1, 56, 56, 64), "F", {}, False),
        ((2, 8, 4, 4), (0, 2, 3, 1), {}, True),
        ((2, 8, 4, 4), (0, 2, 1, 3), {}, False),
        ((), "C", {"layout": "NHWC"}, False),
    ],
    ids=str,
)
def test_channels_last(shape: Any, order: Any, attributes: dict[str, Any], last: bool) -> None:
    assert is_channels_last(shape, order, attributes) == last


def test_channels_last_is_said() -> None:
    last = np.ascontiguousarray(smooth((2, 3, 6, 6)).transpose(0, 2, 3, 1))
    [warning] = fmcompress.stats(npz(a=last)).warnings
    assert warning.startswith("layer 'a' seems to lie with channels last (NHWC)")
    [warning] = fmcompress.stats(npz(a=last, b=last)).warnings
    assert warning.startswith("layer 'a' and 1 more seem to lie with channels last (NHWC)")
    assert "--order nhwc:nchw" in warning
    assert fmcompress.stats(npz(a=last), order="nhwc:nchw").warnings == []
    assert fmcompress.stats(npz(a=last), layers="a", order="auto").warnings == []


def test_the_order_that_is_advised_fits(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        for layout in ("HWC", "NHWC", "NDHWC"):
            file[layout] = np.arange(4 ** len(layout), dtype=np.int16).reshape([4] * len(layout))
            file[layout].attrs["layout"] = layout
    for layout in ("HWC", "NHWC", "NDHWC"):
        [warning] = fmcompress.stats(tmp_path / "in.h5", layers=layout).warnings
        order = warning.partition("--order ")[2].partition(",")[0]
        assert fmcompress.stats(tmp_path / "in.h5", layers=layout, order=order).warnings == []
    # Layers that an order leaves as they are stay worth a word.
    [warning] = fmcompress.stats(tmp_path / "in.h5", order="nhwc:nchw").warnings
    assert "'HWC' and 1 more seem" in warning


def test_fortran_order_is_said_and_mended() -> None:
    maps = np.asfortranarray(smooth((4, 8, 12, 12)))
    [warning] = fmcompress.stats(npz(maps=maps)).warnings
    assert "in Fortran order" in warning
    assert "--order 0,1,2,3, or auto" in warning
    auto = fmcompress.stats(npz(maps=maps), order="auto")
    assert layers(auto)["maps"].axes == (0, 1, 2, 3)
    assert auto.total == fmcompress.stats(npz(maps=np.ascontiguousarray(maps))).total


# --- What is said -------------------------------------------------------------------------


def test_zero_points_that_are_ignored_are_said(tmp_path: Path) -> None:
    codes = np.zeros((4, 4, 6), np.int8)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        for name, point in (("square", [1, 2, 3, 4]), ("short", [1, 2]), ("half", 3.5)):
            file[name] = codes
            file[name].attrs["zero_point"] = point
        file["outside"] = codes
        file["outside"].attrs["zero_point"] = [1, 2, 3, 300]
        file["outside"].attrs["axis"] = 1
        file["scalar"] = codes
        file["scalar"].attrs["zero_point"] = 300
    for name in ("square", "short", "half", "outside"):
        [warning] = fmcompress.stats(tmp_path / "in.h5", layers=name).warnings
        assert f"'{name}': its attribute's zero points fit no axis" in warning
    [warning] = fmcompress.stats(tmp_path / "in.h5", layers="scalar").warnings
    assert "zero point 300, which is outside int8" in warning


def test_values_that_vanish_are_said() -> None:
    small = np.full((4, 100), 1e-9, np.float32)
    small[0] = 1.0
    [warning] = fmcompress.stats(npz(maps=small), quantize="float8_e4m3fn").warnings
    assert "75.0 % of its values are not 0 but become 0" in warning
    assert "--headroom" in warning
    [warning] = fmcompress.stats(npz(maps=small), quantize="fixed8").warnings
    assert "75.0 %" in warning
    assert (
        fmcompress.stats(npz(maps=np.ones((4, 9), np.float32)), quantize="float16").warnings == []
    )
    denormal = np.full(9, 1e-312)
    stats = fmcompress.stats(npz(maps=denormal), quantize="fixed8")
    assert layers(stats)["maps"].quantized["vanished"] == 9
    assert len(stats.warnings) == 1


def test_options_of_a_container_are_said_to_be_idle(tmp_path: Path) -> None:
    fmcompress.compress(npz(**MIXED), tmp_path / "packed")
    plain = fmcompress.stats(tmp_path / "packed")
    assert plain.warnings == []
    stats = fmcompress.stats(tmp_path / "packed", quantize="fixed8", word_bits=5)
    assert stats.total == plain.total
    [warning] = stats.warnings
    assert "is compressed already, so these do not count: word_bits, quantize" in warning


def test_the_width_of_narrow_words_comes_along(tmp_path: Path) -> None:
    """A dump of quantised words is coded as it was in the container that it came from."""
    values = np.abs(RANDOM.normal(size=(3, 400))).astype(np.float32)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["maps"] = values
    before = fmcompress.compress(tmp_path / "in.h5", tmp_path / "packed", quantize="fixed12")
    fmcompress.decompress(tmp_path / "packed", tmp_path / "words.h5")
    after = fmcompress.stats(tmp_path / "words.h5")
    assert layers(after)["maps"].words["word_bits"] == 12
    assert after.total.ratio == before.total.ratio
    with h5py.File(tmp_path / "words.h5", "r+") as file:
        file["maps"].attrs["word_bits"] = 3  # is not true
    assert "word_bits" not in layers(fmcompress.stats(tmp_path / "words.h5"))["maps"].words


# --- Options ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "layer"),
    [
        ({"zero_point": 3}, "maps"),
        ({"zero_point": 300}, "codes"),
        ({"zero_point": 3, "quantize": "fixed8"}, "maps"),
        ({"mapping": "rotate"}, "codes"),
        ({"mapping": "rotate", "quantize": "fixed8"}, "maps"),
        ({"dtype": "bool"}, "codes"),
        ({"dtype": "float64"}, "labels"),
        ({"quantize": "fixed8", "headroom_axis": 4}, "maps"),
        ({"word_bits": 9}, "codes"),
    ],
    ids=str,
)
def test_options_that_would_do_nothing(options: dict[str, Any], layer: str) -> None:
    with pytest.raises(ParameterError) as raised:
        fmcompress.stats(npz(**MIXED), layers=layer, **options)
    assert raised.value.layer == layer


def test_options_that_fit_some_layers_leave_the_others() -> None:
    file = {"bytes": np.full(9, 7, np.uint8), "shorts": np.full(9, 300, np.int16)}
    found = layers(fmcompress.stats(npz(**file), zero_point=300))
    assert found["shorts"].words["zero_point_from"] == "option"
    assert found["bytes"].words == {"format": "uint8", "zero_point": 7, "zero_point_from": "found"}
    stats = fmcompress.stats(
        npz(flat=np.ones(9, np.float32), **MIXED), quantize="fixed8", headroom_axis=1
    )
    assert layers(stats)["flat"].quantized == {}
    assert layers(stats)["maps"].quantized["axis"] == 1
    assert "'flat' is not quantised" in stats.warnings[0]


def test_the_misfit_that_is_told_is_of_a_coded_layer() -> None:
    with pytest.raises(ParameterError, match="uint8 elements: only floats") as raised:
        fmcompress.stats(npz(a=np.arange(3), codes=MIXED["codes"]), quantize="fixed8")
    assert raised.value.layer == "codes"


@pytest.mark.parametrize(
    "options",
    [
        {"word_bits": np.int64(5), "layers": "codes", "block_size": np.int32(8)},
        {"dtype": np.dtype("u1"), "layers": "codes"},
        {"dtype": np.uint8, "layers": "codes"},
        {"zero_point": np.array(3), "layers": "codes"},
        {"zero_point": np.uint8(3), "layers": "codes"},
        {"order": np.array([0, 2, 3, 1]), "layers": "maps", "serpentine": np.True_},
        {"quantize": "fixed8", "headroom": np.float32(0.5), "headroom_axis": np.int64(1)},
        {"chunk_words": np.int64(100)},
    ],
    ids=str,
)
def test_numbers_of_numpy_are_numbers(options: dict[str, Any]) -> None:
    fmcompress.stats(npz(**MIXED), **options)


@pytest.mark.parametrize(
    "wrong",
    [
        {"zero_point_axis": "1"},
        {"zero_point_axis": 1.0},
        {"quantize": ["fixed8"]},
        {"order": (0.9, 2.2, 1.1, 3.0)},
        {"order": 5},
        {"serpentine": "no"},
        {"packed": 1},
        {"dtype": 3.5},
        {"mapping": ["bits"]},
        {"chunk_words": True},
    ],
    ids=str,
)
def test_arguments_of_other_types(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        fmcompress.stats(npz(**MIXED), **wrong)


@pytest.mark.parametrize(
    "raw", [True, {}, {"shape": 5, "dtype": "int8"}, {"dtype": "int8", "x": 1}]
)
def test_raw_layouts_of_other_types(raw: Any, tmp_path: Path) -> None:
    (tmp_path / "in.raw").write_bytes(bytes(20))
    with pytest.raises(ParameterError):
        fmcompress.stats(tmp_path / "in.raw", raw=raw)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"word_bits": value} for value in (1, 33, 8.0, "8")),
        *({"dtype": value} for value in ("float12", "", "i3")),
        *({"mapping": value} for value in ("", "ordered", 1)),
        *({"packed": True, "dtype": value} for value in (None, "int8")),
        {"packed": True, "dtype": "int4", "chunk_words": 65535},
        {"headroom": 0.5},
        {"headroom_axis": 0},
        {"rounding": "nearest"},
        {"quantize": "fixed9"},
        {"quantize": "fixed8", "headroom": float("nan")},
        {"quantize": "bfloat16", "headroom_axis": 0},
        {"order": "nhwc"},
    ],
    ids=str,
)
def test_options_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        Options(**wrong)


def test_dtype_names() -> None:
    for name, proper in (("bf16", "bfloat16"), ("E4M3", "float8_e4m3fn"), ("<i2", "int16")):
        assert Options(dtype=name).dtype == proper
    with pytest.raises(ParameterError):  # another format, with infinities
        Options(dtype="float8_e4m3")
