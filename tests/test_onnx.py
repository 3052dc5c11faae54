"""ONNX tensors: what the onnx package writes is read, comes back, and is written as it writes it."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from same_dump import packed_path, round_trip

import fmcompress
from fmcompress import conversion, dumps
from fmcompress.dumps import Tensor, TensorSpec, format_named
from fmcompress.dumps.protobuf import bytes_head, number_field, varint, varints
from fmcompress.errors import DamagedError, FmcError, UnsupportedError

GOLDEN = Path(__file__).parent / "golden" / "onnx"
FLOATS = np.float32([[0, -1.5, 2.25], [1e-3, np.inf, -0.0]])
INTEGERS = np.int8([[3, 0, -1], [0, 5, -128]])
BFLOAT16 = np.uint16([[0, 0xBFC0, 0x4010], [0x3A83, 0x7F80, 0x8000]])
VARINTS, SCALAR = "its elements are varints", "scalar or empty"
NO_FORMAT = "dtype has no word format"

# File -> what it reads as, its element type, and why it is carried.
READ: dict[str, tuple[Any, str, str]] = {
    "int8_raw": (INTEGERS, "", ""),
    "int8_int32_data": (INTEGERS, "", VARINTS),
    "float32_raw": (FLOATS, "", ""),
    "float32_float_data": (FLOATS, "", ""),
    "float64_double_data": (FLOATS.astype("f8"), "", ""),
    "int64_int64_data": (np.int64([0, -1, 2**62, 300]), "", VARINTS),
    "uint32_uint64_data": (np.uint32([0, 2**32 - 1, 300]), "", VARINTS),
    "bool_int32_data": (np.array([True, False, True]), "", VARINTS),
    "float16_int32_data": (np.float16([1.0, -2.5]), "", VARINTS),
    "bfloat16_raw": (BFLOAT16, "bfloat16", ""),
    "float8_e4m3fn_raw": (np.uint8([0x38, 0xC0, 0x30, 0x7E]), "float8_e4m3fn", ""),
    "float8_e5m2_raw": (np.uint8([0x3C, 0xC0, 0x38, 0x7C]), "float8_e5m2", ""),
    "int4_even_raw": (np.uint8([[0xE1, 0x83], [0x07, 0xF0]]), "int4", ""),
    "uint4_odd_raw": (np.uint8([0x21, 0xF3, 0x90, 0x54, 0x06]), "uint4", ""),
    "complex64_raw": (np.complex64([1 + 2j, 3]), "", ""),
    "scalar": (np.int32(7), "", SCALAR),
    "empty": (np.zeros((0, 3), "i4"), "", SCALAR),
    "string": (np.array([b"cat", b""], object), "", "its elements are strings"),
    "float8_e4m3fnuz_raw": (np.uint8([0x40, 0xC8, 0x38, 0x48]).view("V1"), "", ""),
}


def raw(data: bytes, dims: Sequence[int] = (4,), code: int = 3, name: bytes = b"") -> bytes:
    """Put a TensorProto together."""
    head = b"".join(number_field(1, length) for length in dims) + number_field(2, code)
    named = bytes_head(8, len(name)) + name if name else b""
    return head + named + bytes_head(9, len(data)) + data


def saved(folder: Path, data: bytes, name: str = "input_0.pb") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def only(path: Path) -> Tensor:
    with dumps.open_dump(path) as dump:
        assert dump.format == "onnx"
        (tensor,) = dump.tensors
    return tensor


def written(tensor: TensorSpec, elements: Any, path: Path, step: int = 1000) -> list[str]:
    """Write a tensor, so many elements at a time; return what is lost."""
    path.touch()
    writer = format_named("onnx").writer(path, [tensor], {})
    try:
        writer.begin(tensor)
        flat = np.asarray(elements).reshape(-1)
        for start in range(0, flat.size, step):
            writer.write(flat[start : start + step])
        writer.end()
        writer.finish()
    finally:
        writer.close()
    return writer.lost


# --- Reading -------------------------------------------------------------------------------


def test_every_golden_file_has_its_test() -> None:
    files = {path.stem for path in GOLDEN.glob("*.pb")}
    assert files == set(READ)


@pytest.mark.parametrize("name", READ)
def test_what_onnx_writes(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path, (GOLDEN / f"{name}.pb").read_bytes())
    expected, element_type, carried = READ[name]
    tensor = only(path)
    found = tensor.read()
    assert found.dtype == expected.dtype
    assert found.shape == tensor.shape == expected.shape
    assert found.tolist() == expected.tolist()
    assert (tensor.element_type, tensor.carried) == (element_type, carried)
    assert tensor.packed == name.startswith(("int4", "uint4"))
    if not carried and tensor.dtype is not None:
        (block,) = tensor.blocks()
        assert block.tobytes() == expected.tobytes()
    assert round_trip(path).read_bytes() == path.read_bytes()
    with fmcompress.open(packed_path(path)) as file:
        (layer,) = file.values()
        assert np.asarray(layer).tolist() == expected.tolist()
        assert layer.carried in (carried, NO_FORMAT)


def test_names_labels_attributes(tmp_path: Path) -> None:
    tensor = only(GOLDEN / "int8_raw.pb")
    assert (tensor.name, tensor.label, tensor.order) == ("conv1/out:0", "int8", "C")
    assert dict(tensor.attributes) == {"doc_string": "after ReLU"}
    assert tensor.holes() == [(0x15, 6)]
    assert tensor.place == {"offset": 0x15}
    assert only(GOLDEN / "float64_double_data.pb").name == "tensor"
    assert only(GOLDEN / "int4_even_raw.pb").label == "int4 packed"
    assert dict(only(GOLDEN / "bfloat16_raw.pb").attributes) == {}
    for name in (b"\xff", b"a\nb", b"a" * 2000, b""):
        assert only(saved(tmp_path, raw(bytes(4), name=name))).name == "tensor"
    assert only(saved(tmp_path, raw(bytes(4), name="größe".encode()))).name == "größe"


def test_attributes_of_a_container(tmp_path: Path) -> None:
    fmcompress.compress(GOLDEN / "int8_raw.pb", tmp_path / "packed")
    with fmcompress.open(tmp_path / "packed") as file:
        layer = file["conv1/out:0"]
        assert not layer.carried
        assert dict(layer.attrs) == {"doc_string": "after ReLU"}
        np.testing.assert_array_equal(layer, INTEGERS)


OTHER_WAYS = {
    "dims packed": b"\x0a\x02\x02\x03\x10\x03\x4a\x06" + INTEGERS.tobytes(),
    "data first": b"\x4a\x06" + INTEGERS.tobytes() + b"\x10\x03\x08\x02\x08\x03",
    "varints not packed": b"\x08\x02\x08\x03\x10\x03"
    + b"".join(b"\x28" + varint(int(n) % 2**64) for n in INTEGERS.reshape(-1)),
    "varints in two stretches": b"\x08\x02\x08\x03\x10\x03"
    + b"".join(
        bytes_head(5, len(part)) + part
        for row in INTEGERS
        for part in [b"".join(varint(int(n) % 2**64) for n in row)]
    ),
    "empty fields beside": raw(INTEGERS.tobytes(), (2, 3)) + b"\x22\x00\x2a\x00",
    "metadata": raw(INTEGERS.tobytes(), (2, 3)) + bytes_head(16, 2) + b"\x0a\x00",
    "location said": raw(INTEGERS.tobytes(), (2, 3)) + number_field(14, 0),
    "long varint": b"\x08\x82\x00\x08\x03\x10\x03\x4a\x06" + INTEGERS.tobytes(),
}


@pytest.mark.parametrize("way", OTHER_WAYS)
def test_other_ways_to_write_the_same(way: str, tmp_path: Path) -> None:
    path = saved(tmp_path, OTHER_WAYS[way])
    np.testing.assert_array_equal(only(path).read(), INTEGERS)
    assert only(path).read().dtype == np.int8
    np.testing.assert_array_equal(np.concatenate([*only(path).blocks()]), INTEGERS.reshape(-1))
    assert round_trip(path).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("way", OTHER_WAYS)
def test_large_ones_are_converted(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too large to be read as a whole, and is carried, is not taken for plain bytes."""
    monkeypatch.setattr(conversion, "_WHOLE_BYTES", 0)
    fmcompress.compress(saved(tmp_path, OTHER_WAYS[way]), tmp_path / "packed")
    fmcompress.decompress(tmp_path / "packed", tmp_path / "new.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "new.npy"), INTEGERS)


@pytest.mark.parametrize("packed", [1, 2, 6])
def test_floats_in_pieces(packed: int, tmp_path: Path) -> None:
    data = b"\x08\x02\x08\x03\x10\x01"
    values = FLOATS.astype("<f4").tobytes()
    for at in range(0, 24, 24 // packed):
        part = values[at : at + 24 // packed]
        data += b"\x25" + part if packed == 6 else bytes_head(4, len(part)) + part
    path = saved(tmp_path, data)
    tensor = only(path)
    np.testing.assert_array_equal(tensor.read(), FLOATS)
    np.testing.assert_array_equal(np.concatenate([*tensor.blocks()]), FLOATS.reshape(-1))
    assert tensor.carried == ("" if packed == 1 else "its elements are not in one stretch")
    assert round_trip(path).read_bytes() == data


def test_many_varints(tmp_path: Path) -> None:
    """More than are decoded at a time, of all lengths, one crossing the limit."""
    values = np.random.default_rng(1).integers(0, 64, 300_000)
    expected = (np.uint64(1) << values.astype("u8")).view("i8")
    data = b"".join(varint(int(n) % 2**64) for n in expected.tolist())
    path = saved(tmp_path, number_field(1, expected.size) + b"\x10\x07" + bytes_head(7, len(data)))
    path.write_bytes(path.read_bytes() + data)
    np.testing.assert_array_equal(only(path).read(), expected)
    assert round_trip(path).read_bytes() == path.read_bytes()


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_varints(values: list[int]) -> None:
    assert varints(b"".join(map(varint, values))).tolist() == values


def test_large_tensor_in_bounded_memory(tmp_path: Path) -> None:
    maps = np.random.default_rng(2).integers(-3, 3, 50_000_000, np.int8)
    path = saved(tmp_path, raw(maps.tobytes(), (50, 1_000_000)))
    tracemalloc.start()
    try:
        total = sum(int(block.sum(dtype="i8")) for block in only(path).blocks())
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()
    assert total == int(maps.sum(dtype="i8"))


# --- What is refused -----------------------------------------------------------------------


def test_whole_model(tmp_path: Path) -> None:
    for action in (fmcompress.stats, lambda path: fmcompress.compress(path, tmp_path / "out")):
        with pytest.raises(UnsupportedError, match="whole ONNX model") as caught:
            action(GOLDEN / "model.onnx")
        assert caught.value.hint == "dump tensors as TensorProto, one a file"


def test_data_in_another_file(tmp_path: Path) -> None:
    entry = b"\x0a\x08location\x12\x05a.bin"
    data = b"\x08\x04\x10\x03" + bytes_head(13, len(entry)) + entry + number_field(14, 1)
    path = saved(tmp_path, data)
    tensor = only(path)
    assert tensor.carried == "its data is in another file"
    with pytest.raises(UnsupportedError, match="another file"):
        tensor.read()
    assert round_trip(path).read_bytes() == data


REFUSED = {
    "a segment": (raw(bytes(4), (400,)) + bytes_head(3, 2) + b"\x08\x04", "segment"),
    "cut data": (raw(bytes(400), (400,))[:-1], "ends within its data"),
    "cut floats": (b"\x08\x64\x10\x01" + bytes_head(4, 400) + bytes(399), "ends within its data"),
    "very many fields": (b"\x08\x7f\x10\x01" + b"\x25abcd" * 70_000, "65536 fields"),
    "too few varints": (b"\x08\x03\x10\x03\x2a\x03\x01\x80\x01", "2 varints for 3"),
    "last varint cut": (b"\x08\x03\x10\x03\x2a\x04\x01\x01\x01\x80", "varints"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tmp_path: Path) -> None:
    data, cause = REFUSED[case]
    with pytest.raises((DamagedError, UnsupportedError), match=cause):
        fmcompress.compress(saved(tmp_path, data), tmp_path / "out")


NOT_ONNX = {
    "no data type": b"\x08\x04\x4a\x04abcd",
    "unknown data type": raw(bytes(4), code=99),
    "undefined data type": raw(bytes(4), code=0),
    "too little data": raw(bytes(3)),
    "too much data": raw(bytes(5)),
    "no data": b"\x08\x04\x10\x03",
    "data of another type": b"\x08\x01\x10\x03\x25abcd",
    "data twice": raw(bytes(4)) + b"\x4a\x04abcd",
    "data in two fields": raw(bytes(4)) + b"\x2a\x04abcd",
    "wire type": raw(bytes(4)) + b"\x11" + bytes(8),
    "unknown field": raw(bytes(4)) + number_field(15, 1),
    "group": raw(bytes(4)) + b"\x0b\x0c",
    "bytes behind": raw(bytes(4)) + b"\0",
    "huge shape": raw(bytes(4), (2**62, 2**62)),
    "negative length": raw(bytes(4), (2**64 - 1, 2**64 - 4)),
    "very many axes": raw(bytes(4), (1,) * 70 + (4,)),
    "long packed shape": bytes_head(1, 10_000) + b"\x01" * 10_000 + b"\x10\x03\x4a\x01a",
    "varint too long": raw(bytes(4)) + b"\xff" * 10 + b"\x01",
    "text": b"\n0123456789012345678901234567890123456789\n",
    "numbers": b"0 1 2 3\n",
}


@pytest.mark.parametrize("case", NOT_ONNX)
def test_not_recognised(case: str) -> None:
    assert not format_named("onnx").recognise(io.BytesIO(NOT_ONNX[case]))


def test_other_formats_are_not_taken(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", INTEGERS)
    np.savez(tmp_path / "a.npz", INTEGERS)
    for path in tmp_path.iterdir():
        with path.open("rb") as file:
            assert not format_named("onnx").recognise(file)


def small_files() -> Iterator[bytes]:
    for path in sorted(GOLDEN.iterdir()):
        if path.suffix != ".md":
            yield path.read_bytes()
    yield from OTHER_WAYS.values()


def taken(data: bytes, folder: Path) -> bool:
    """Say whether a file is taken; if it is, it must come back."""
    path = saved(folder, data)
    try:
        with dumps.open_dump(path) as dump:
            (tensor,) = dump.tensors
            if not tensor.carried and tensor.dtype is not None:
                assert sum(block.nbytes for block in tensor.blocks()) == tensor.nbytes
                assert all(offset + size <= len(data) for offset, size in tensor.holes())
            tensor.read()
    except FmcError:
        return False
    return True


def test_cut_files(tmp_path: Path) -> None:
    for data in small_files():
        for end in range(len(data)):
            taken(data[:end], tmp_path)


def test_changed_bytes(tmp_path: Path) -> None:
    found = set()
    tracemalloc.start()
    try:
        for data in small_files():
            for at in range(len(data)):
                for value in (0, 0x7F, 0xFF, data[at] ^ 1, data[at] ^ 8):
                    changed = data[:at] + bytes([value]) + data[at + 1 :]
                    found.add(taken(changed, tmp_path))
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()
    assert found == {True, False}


def test_changed_files_come_back(tmp_path: Path) -> None:
    """Whole: the changes that are taken."""
    data = (GOLDEN / "int8_raw.pb").read_bytes()
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 2]) + data[at + 1 :]
        if taken(changed, tmp_path):
            path = saved(tmp_path, changed)
            assert round_trip(path).read_bytes() == changed


# --- Writing -------------------------------------------------------------------------------


def spec(name: str, elements: Any, element_type: str = "", **attributes: Any) -> TensorSpec:
    array = np.asarray(elements)
    return TensorSpec(name, array.shape, array.dtype, element_type or array.dtype.name, attributes)


WRITTEN = {
    "int8_raw": ("conv1/out:0", INTEGERS, "int8"),
    "float32_raw": ("input", FLOATS, "float32"),
    "bfloat16_raw": ("y", BFLOAT16, "bfloat16"),
    "float8_e4m3fn_raw": ("y", READ["float8_e4m3fn_raw"][0], "float8_e4m3fn"),
    "float8_e5m2_raw": ("y", READ["float8_e5m2_raw"][0], "float8_e5m2"),
    "int4_even_raw": ("y", np.int8([[1, -2, 3, -8], [7, 0, 0, -1]]), "int4"),
    "uint4_odd_raw": ("y", np.uint8([[1, 2, 3], [15, 0, 9], [4, 5, 6]]), "uint4"),
    "scalar": ("y", np.int32(7), "int32"),
    "empty": ("y", np.zeros((0, 3), "i4"), "int32"),
}


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
@pytest.mark.parametrize("name", WRITTEN)
def test_written_as_onnx_writes(name: str, step: int, tmp_path: Path) -> None:
    tensor = spec(*WRITTEN[name], **({"doc_string": "after ReLU"} if name == "int8_raw" else {}))
    path = tmp_path / "new.pb"
    assert written(tensor, WRITTEN[name][1], path, step) == []
    assert path.read_bytes() == (GOLDEN / f"{name}.pb").read_bytes()


@pytest.mark.parametrize(
    "dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "?"]
)
def test_every_dtype_is_read_back(dtype: str, tmp_path: Path) -> None:
    maps = np.random.default_rng(4).integers(0, 2, (3, 5, 2)).astype(dtype)
    path = tmp_path / "new.pb"
    written(spec("a", maps), maps, path, 7)
    tensor = only(path)
    assert tensor.label == maps.dtype.name
    np.testing.assert_array_equal(tensor.read(), maps)


def test_what_is_lost(tmp_path: Path) -> None:
    tensor = spec("a", INTEGERS, scale=0.5, zero_point=3, doc_string="said")
    path = tmp_path / "new.pb"
    assert written(tensor, INTEGERS, path) == [
        "attribute 'scale' of 'a'",
        "attribute 'zero_point' of 'a'",
    ]
    assert dict(only(path).attributes) == {"doc_string": "said"}
    assert written(spec("a", INTEGERS, doc_string=3), INTEGERS, path) == [
        "attribute 'doc_string' of 'a'"
    ]
    writer = format_named("onnx").writer(path, [tensor], {"": {"model": "x"}})
    writer.finish()
    assert writer.lost[0] == "attribute 'model' of the file"


def test_attributes_named_as_what_is_kept_are_lost(tmp_path: Path) -> None:
    tensor = spec("a", INTEGERS)
    tensor = replace(tensor, attributes={"name": "x", "dtype": "y"})
    assert written(tensor, INTEGERS, tmp_path / "new.pb") == [
        "attribute 'name' of 'a'",
        "attribute 'dtype' of 'a'",
    ]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    onnx, path = format_named("onnx"), tmp_path / "new.pb"
    one = spec("a", INTEGERS)
    for tensors in ([], [one, one]):
        with pytest.raises(UnsupportedError, match="holds one tensor") as caught:
            onnx.writer(path, tensors, {})
        assert "--layers" in (caught.value.hint or "")
    with pytest.raises(UnsupportedError, match="no type for text"):
        onnx.writer(path, [spec("a", INTEGERS, "text")], {})
    huge = TensorSpec("a", (1 << 31,), np.dtype("i1"), "int8")
    writer = onnx.writer(path, [huge], {})
    with pytest.raises(UnsupportedError, match="protobuf"):
        writer.begin(huge)
    writer.close()


def test_elements_must_fill_the_shape(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="do not fill"):
        written(spec("a", INTEGERS), INTEGERS[0], tmp_path / "new.pb")


# --- With the onnx package -----------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", WRITTEN)
def test_onnx_reads_what_is_written(name: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    written(spec(*WRITTEN[name]), WRITTEN[name][1], tmp_path / "new.pb")
    tensor = onnx.TensorProto.FromString((tmp_path / "new.pb").read_bytes())
    onnx.checker.check_tensor(tensor)
    found = onnx.numpy_helper.to_array(tensor)
    assert found.shape == np.shape(WRITTEN[name][1])
    if found.dtype.itemsize == np.asarray(WRITTEN[name][1]).itemsize and "int4" not in name:
        assert found.tobytes() == np.asarray(WRITTEN[name][1]).tobytes()
    else:
        assert found.astype(int).tolist() == WRITTEN[name][1].tolist()


@pytest.mark.filterwarnings("ignore")
def test_read_as_onnx_reads() -> None:
    onnx = pytest.importorskip("onnx")
    for name, (expected, element_type, _) in READ.items():
        tensor = onnx.TensorProto.FromString((GOLDEN / f"{name}.pb").read_bytes())
        found = onnx.numpy_helper.to_array(tensor)
        if not element_type and "fnuz" not in name and name != "string":
            assert found.tolist() == expected.tolist()
            assert found.dtype == expected.dtype


def test_packed_elements_that_were_not_coded_are_no_bytes(tmp_path: Path) -> None:
    """They are left out and named, not given as other numbers."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.pb").write_bytes((GOLDEN / "int4_even_raw.pb").read_bytes())
    np.save(folder / "b.npy", INTEGERS)
    fmcompress.compress(folder, tmp_path / "packed", layers="b*")
    told = fmcompress.decompress(tmp_path / "packed", tmp_path / "new.safetensors", layers="*")
    assert any("two a byte" in text for text in told.warnings)
    with dumps.open_dump(tmp_path / "new.safetensors") as dump:
        assert len(dump.tensors) == 1
        np.testing.assert_array_equal(dump.tensors[0].read(), INTEGERS)
