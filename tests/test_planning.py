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
    assert stats.notes == ["order auto chose the file's for 1 layers, 0,3,1,2 for 1 layers"]
    plain = layers(fmcompress.stats(npz(last=last)))["last"].sizes
    assert layers(stats)["last"].sizes.compressed_bits < plain.compressed_bits


def test_auto_of_what_has_no_order() -> None:
    stats = fmcompress.stats(npz(flat=np.arange(50, dtype=np.int16)), order="auto")
    assert layers(stats)["flat"].axes == (0,)


def test_candidates() -> None:
    assert candidates(1, (0,)) == [(0,)]
    assert candidates(2, (0, 1)) == [(0, 1), (1, 0)]
    assert candidates(3, (0, 1, 2)) == [(0, 1, 2), (2, 0, 1), (1, 2, 0)]
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
    [warning] = fmcompress.stats(npz(a=last, b=last)).warnings
    assert warning.startswith("layer 'a' and 1 more seem to lie with channels last (NHWC)")
    assert "--order nhwc:nchw" in warning
    assert fmcompress.stats(npz(a=last), order="nhwc:nchw").warnings == []
    assert fmcompress.stats(npz(a=last), layers="a", order="auto").warnings == []


# --- Options ------------------------------------------------------------------------------


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
