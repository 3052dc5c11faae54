"""Element types that NumPy lacks, as HDF5, NPY and NPZ files hold them: bits in, bits out."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t
from numpy.typing import NDArray
from same_dump import assert_same_hdf5, assert_same_npz, packed_path, round_trip

import fmcompress
from fmcompress.contents import LayerInfo
from fmcompress.dumps import Tensor, format_named, open_dump, template_pieces

ORDERS = {"<": h5t.IEEE_F32LE, ">": h5t.IEEE_F32BE}
# Sign; exponent: first bit, bits; mantissa: first bit, bits; then the bias, and what holds it.
FLOATS = {
    "bfloat16": ((15, 7, 8, 0, 7), 127, "u2"),
    "float8_e4m3fn": ((7, 3, 4, 0, 3), 7, "u1"),
    "float8_e5m2": ((7, 2, 5, 0, 2), 15, "u1"),
}
LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunks": {"chunk": (4, 5)},
    "shuffled": {"chunk": (4, 5), "shuffle": True},
    "deflated": {"chunk": (5, 64), "deflate": 1},
    "checked": {"chunk": (6, 3), "fletcher": True},
}


def float_type(name: str, order: str) -> h5t.TypeID:
    fields, bias, code = FLOATS[name]
    kind = ORDERS[order].copy()
    kind.set_fields(*fields)
    kind.set_size(int(code[1]))
    kind.set_precision(8 * int(code[1]))
    kind.set_ebias(bias)
    return kind


def create(
    file: h5py.File, name: str, kind: h5t.TypeID, bits: NDArray[Any], **layout: Any
) -> h5py.Dataset:
    """Write bits as they are into a dataset of any type."""
    plist = h5p.create(h5p.DATASET_CREATE)
    if "chunk" in layout:
        plist.set_chunk(layout["chunk"])
    if layout.get("shuffle"):
        plist.set_shuffle()
    if "deflate" in layout:
        plist.set_deflate(layout["deflate"])
    if layout.get("fletcher"):
        plist.set_fletcher32()
    dataset = h5py.Dataset(h5d.create(file.id, name.encode(), kind, _space(bits), plist))
    dataset.id.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(bits), mtype=kind)
    return dataset


def _space(bits: NDArray[Any]) -> h5s.SpaceID:
    return h5s.create_simple(bits.shape)


def all_bits(code: str) -> NDArray[Any]:
    """Return every pattern there is, NaNs of all kinds among them, 128 in a row."""
    bits = np.arange(256**2 if "2" in code else 256 * 8, dtype="u2")
    return bits.astype(code).reshape(-1, 128)


def put_back(path: Path) -> Path:
    """Take a dump apart and put it back, without words between: whatever can be read, is."""
    back = path.with_name("back_" + path.name)
    with open_dump(path) as dump:
        restorer = format_named(dump.format).restorer(_touched(back), dump.describe())
        for tensor in dump.tensors:
            tensor.check()
        coded = [t for t in dump.tensors if not t.carried and t.dtype is not None]
        try:
            with path.open("rb") as file:
                for piece in template_pieces(dump, coded, file):
                    restorer.template(piece)
            infos = [_layer(tensor) for tensor in coded]
            for info in infos:
                restorer.announce(info, True)
            for tensor, info in zip(coded, infos, strict=True):
                assert tensor.dtype is not None
                restorer.begin(info, tensor.dtype)
                for block in tensor.blocks():
                    assert block.dtype == tensor.dtype
                    assert block.ndim == 1
                    restorer.write(block)
                restorer.end()
            restorer.finish()
        finally:
            restorer.close()
    return back


def _touched(path: Path) -> Path:
    path.touch()
    return path


def _layer(tensor: Tensor) -> LayerInfo:
    assert tensor.dtype is not None
    return LayerInfo(tensor.name, tensor.shape, tensor.dtype.str, place=tensor.place)


def bytes_of(tensor: Tensor) -> bytes:
    return b"".join(block.tobytes() for block in tensor.blocks())


def only(path: Path) -> Iterator[Tensor]:
    with open_dump(path) as dump:
        (tensor,) = dump.tensors
        yield tensor


# --- HDF5: floats --------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", FLOATS)
def test_every_pattern_of_a_native_float(
    name: str, order: str, layout: str, tmp_path: Path
) -> None:
    code = FLOATS[name][2]
    bits = all_bits(code).astype(order + code)
    path = tmp_path / "dump.h5"
    with h5py.File(path, "w") as file:
        create(file, "maps", float_type(name, order), bits, **LAYOUTS[layout])
    for tensor in only(path):
        assert (tensor.element_type, tensor.label) == (name, name)
        assert tensor.dtype == np.dtype(order + code)
        assert tensor.nbytes == bits.nbytes
        tensor.check()
        assert not tensor.carried
        assert bytes_of(tensor) == bits.tobytes()
    assert path.read_bytes() == put_back(path).read_bytes()
    assert path.read_bytes() == round_trip(path).read_bytes()


def test_the_bytes_of_a_bfloat16_by_hand(tmp_path: Path) -> None:
    """1.0 is 0x3f80; h5py, which makes a float32 of it, agrees."""
    path = tmp_path / "dump.h5"
    with h5py.File(path, "w") as file:
        create(file, "maps", float_type("bfloat16", ">"), np.array([0x3F80, 0xC000], ">u2"))
        np.testing.assert_array_equal(file["maps"][()], np.float32([1, -2]))
    for tensor in only(path):
        assert bytes_of(tensor) == b"\x3f\x80\xc0\x00"


@pytest.mark.parametrize("fill", [None, 2.5])
@pytest.mark.parametrize("time", [h5d.FILL_TIME_IFSET, h5d.FILL_TIME_ALLOC, h5d.FILL_TIME_NEVER])
def test_what_is_outside_the_dataset_is_fill_value(
    time: int, fill: float | None, tmp_path: Path
) -> None:
    """A fill value of a type that NumPy lacks; where h5py would see a float32."""
    path = tmp_path / "dump.h5"
    with h5py.File(path, "w") as file:
        plist = h5p.create(h5p.DATASET_CREATE)
        plist.set_chunk((4, 4))
        plist.set_deflate(1)
        plist.set_fill_time(time)
        if fill is not None:
            plist.set_fill_value(np.array(fill, "f4"))
        kind = float_type("bfloat16", "<")
        space = h5s.create_simple((9, 9))
        dataset = h5py.Dataset(h5d.create(file.id, b"maps", kind, space, plist))
        dataset[:3] = np.arange(27).reshape(3, 9)
        dataset[8] = 1
    assert path.read_bytes() == put_back(path).read_bytes()
    assert path.read_bytes() == round_trip(path).read_bytes()


def test_other_floats_are_carried(tmp_path: Path) -> None:
    """One bit of layout or bias apart is another type; so is any precision of its own."""
    path = tmp_path / "dump.h5"
    bias, padded, explicit = (float_type("bfloat16", "<") for _ in range(3))
    bias.set_ebias(126)
    padded.set_size(4)
    explicit.set_norm(h5t.NORM_MSBSET)
    with h5py.File(path, "w") as file:
        create(file, "bias", bias, all_bits("u2"))
        create(file, "padded", padded, all_bits("u2").astype("u4"))
        create(file, "explicit", explicit, all_bits("u2"))
    with open_dump(path) as dump:
        for tensor in dump.tensors:
            assert tensor.carried == "type has no plain NumPy dtype"
            assert (tensor.dtype, tensor.element_type) == (None, "")
    assert path.read_bytes() == round_trip(path).read_bytes()


# --- HDF5: booleans, enums, opaque types ----------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_boolean_that_is_neither(layout: str, tmp_path: Path) -> None:
    """Its byte comes through as it is; what to make of it is for others to say."""
    bits = all_bits("u1")
    path = tmp_path / "dump.h5"
    with h5py.File(path, "w") as file:
        kind = h5t.py_create(np.dtype("?"), logical=True)
        create(file, "maps", kind, bits, **LAYOUTS[layout])
        assert file["maps"].dtype == bool
    for tensor in only(path):
        assert (tensor.dtype, tensor.label) == (np.dtype("?"), "bool")
        assert bytes_of(tensor) == bits.tobytes()
        (*blocks,) = tensor.blocks()
        assert b"".join(block.view("u1").tobytes() for block in blocks) == bits.tobytes()
    assert path.read_bytes() == put_back(path).read_bytes()
    assert path.read_bytes() == round_trip(path).read_bytes()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("code", ["|i1", "|u1", "<i2", ">u2", "<u4", ">i4"])
def test_an_enum_is_its_integers(code: str, layout: str, tmp_path: Path) -> None:
    """Values without a name too."""
    values = all_bits("u2")[::37].astype(code)
    path = tmp_path / "dump.h5"
    with h5py.File(path, "w") as file:
        kind = h5t.py_create(h5py.enum_dtype({"off": 1, "on": 2}, code), logical=True)
        create(file, "maps", kind, values, **LAYOUTS[layout])
    for tensor in only(path):
        assert (tensor.dtype, tensor.label) == (np.dtype(code), "enum")
        assert bytes_of(tensor) == values.tobytes()
    assert path.read_bytes() == put_back(path).read_bytes()
    restored = round_trip(path)
    assert_same_hdf5(path, restored)
    assert path.read_bytes() == restored.read_bytes()
    with fmcompress.open(packed_path(path)) as file_:
        assert not file_["maps"].carried


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("tag", [b"", b"a tag"])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_opaque_types(size: int, tag: bytes, layout: str, tmp_path: Path) -> None:
    bits = np.frombuffer(bytes(range(256)) * 3 * size, f"V{size}").reshape(-1, 128)
    path = tmp_path / "dump.h5"
    with h5py.File(path, "w") as file:
        kind = h5t.create(h5t.OPAQUE, size)
        kind.set_tag(tag)
        create(file, "maps", kind, bits, **LAYOUTS[layout])
    for tensor in only(path):
        assert (tensor.dtype, tensor.label) == (np.dtype(f"V{size}"), f"opaque {size} bytes")
        assert bytes_of(tensor) == bits.tobytes()
    assert path.read_bytes() == put_back(path).read_bytes()
    assert path.read_bytes() == round_trip(path).read_bytes()


# --- HDF5: an attribute says what elements are ----------------------------------------------


@pytest.mark.parametrize("key", ["dtype", "element_type"])
@pytest.mark.parametrize(
    ("value", "stored", "expected"),
    [
        ("bfloat16", "<u2", ("<u2", "bfloat16")),
        (b"bf16", ">i2", (">u2", "bfloat16")),
        (np.array([b"bfloat16"]), "V2", ("<u2", "bfloat16")),
        (["float8_e5m2"], "u1", ("u1", "float8_e5m2")),
        ("E4M3FN", "i1", ("u1", "float8_e4m3fn")),
        ("int4", "u1", ("i1", "int4")),
        ("uint4", "i1", ("u1", "uint4")),
    ],
)
def test_an_attribute_names_a_type(
    key: str, value: Any, stored: str, expected: tuple[str, str], tmp_path: Path
) -> None:
    for number, options in enumerate(({}, {"chunks": (3,), "compression": "gzip"})):
        path = tmp_path / f"{number}.h5"
        bits = np.arange(40, dtype="u1").view(stored)
        with h5py.File(path, "w") as file:
            file.create_dataset("maps", data=bits, **options).attrs[key] = value
        for tensor in only(path):
            assert (tensor.dtype, tensor.element_type) == (np.dtype(expected[0]), expected[1])
            assert tensor.label == expected[1]
            assert bytes_of(tensor) == bits.tobytes()
        assert path.read_bytes() == put_back(path).read_bytes()
        assert path.read_bytes() == round_trip(path).read_bytes()


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("bfloat16", "u1"),  # another size
        ("bfloat16", "f2"),  # a float already
        ("float8_e5m2", "?"),
        ("float32", "u2"),
        ("nonsense", "u2"),
        (["bfloat16", "bfloat16"], "u2"),
        ([], "u2"),
        (3, "u2"),
        (h5py.Empty("i1"), "u2"),
        (b"\xff", "u2"),
    ],
)
def test_an_attribute_that_names_none(value: Any, stored: str, tmp_path: Path) -> None:
    path = tmp_path / "dump.h5"
    with h5py.File(path, "w") as file:
        file["maps"] = np.ones(40, stored)
        file["maps"].attrs["dtype"] = value
    for tensor in only(path):
        assert (tensor.dtype, tensor.element_type) == (np.dtype(stored), "")


# --- NPY and NPZ ----------------------------------------------------------------------------


def npy(descr: str, data: bytes, shape: tuple[int, ...]) -> bytes:
    """Write an NPY file by hand, whatever its dtype."""
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


@pytest.mark.parametrize("descr", ["<f1", "|f1", ">f1", "f1"])
def test_a_float_of_one_byte_is_an_e5m2(descr: str, tmp_path: Path) -> None:
    """What NumPy writes and refuses to read."""
    data = bytes(range(256))
    path = tmp_path / "dump.npy"
    path.write_bytes(npy(descr, data, (2, 128)))
    for tensor in only(path):
        assert (tensor.dtype, tensor.element_type) == (np.dtype("u1"), "float8_e5m2")
        assert tensor.label == "float8_e5m2"
        assert bytes_of(tensor) == data
        assert tensor.read().tobytes() == data
    assert path.read_bytes() == put_back(path).read_bytes()
    assert path.read_bytes() == round_trip(path).read_bytes()


@pytest.mark.parametrize(("descr", "size"), [("|V1", 1), ("<V2", 2), ("|V2", 2), ("|V5", 5)])
def test_opaque_items(descr: str, size: int, tmp_path: Path) -> None:
    data = bytes(range(40 * size))
    path = tmp_path / "dump.npy"
    path.write_bytes(npy(descr, data, (40,)))
    for tensor in only(path):
        assert (tensor.dtype, tensor.element_type) == (np.dtype(f"V{size}"), "")
        assert tensor.label == f"opaque {size} bytes"
        assert bytes_of(tensor) == data
    assert path.read_bytes() == put_back(path).read_bytes()
    assert path.read_bytes() == round_trip(path).read_bytes()


# --- Real files -----------------------------------------------------------------------------

NARROW = ("bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4")


def narrow(name: str) -> NDArray[Any]:
    """Make an array of a type of ml_dtypes."""
    types = pytest.importorskip("ml_dtypes")
    values = np.arange(-40, 40).reshape(8, 10) % 16 - (8 if name == "int4" else 0)
    return values.astype(getattr(types, name))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", NARROW)
def test_what_numpy_saves_of_ml_dtypes(name: str, order: Any, tmp_path: Path) -> None:
    array = np.array(narrow(name), order=order)
    path = tmp_path / "dump.npy"
    np.save(path, array)
    for tensor in only(path):
        assert tensor.dtype == np.dtype("u1" if name == "float8_e5m2" else f"V{array.itemsize}")
        assert tensor.order == order
        assert bytes_of(tensor) == array.tobytes(order)
        found = tensor.read().view(array.dtype)
        np.testing.assert_array_equal(found, array)
    assert path.read_bytes() == put_back(path).read_bytes()
    assert path.read_bytes() == round_trip(path).read_bytes()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_saves_of_ml_dtypes_in_an_npz(save: Any, tmp_path: Path) -> None:
    path = tmp_path / "dump.npz"
    save(path, **{name: narrow(name) for name in NARROW})
    with open_dump(path) as dump:
        assert [tensor.name for tensor in dump.tensors] == [*NARROW]
        for tensor in dump.tensors:
            array = narrow(tensor.name)
            assert bytes_of(tensor) == array.tobytes()
            np.testing.assert_array_equal(tensor.read().view(array.dtype), array)
    assert_same_npz(path, put_back(path))
    assert_same_npz(path, round_trip(path))


def test_what_h5py_saves_of_ml_dtypes(tmp_path: Path) -> None:
    path = tmp_path / "dump.h5"
    names = [name for name in NARROW if name != "float8_e5m2"]  # which h5py refuses
    with h5py.File(path, "w") as file:
        for name in names:
            file[name] = narrow(name)
            file.create_dataset(f"{name} chunked", data=narrow(name), chunks=(3, 4))
    with open_dump(path) as dump:
        assert len(dump.tensors) == 2 * len(names)
        for tensor in dump.tensors:
            array = narrow(tensor.name.split()[0])
            assert tensor.label == f"opaque {array.itemsize} bytes"
            assert bytes_of(tensor) == array.tobytes()
    assert path.read_bytes() == put_back(path).read_bytes()
    assert path.read_bytes() == round_trip(path).read_bytes()


def test_ml_dtypes_keeps_an_int4_in_the_low_half_of_a_byte() -> None:
    """A negative one has zeros above: as an int8 it is another number."""
    types = pytest.importorskip("ml_dtypes")
    content = io.BytesIO()
    np.save(content, np.array([-1, -8, 7]).astype(types.int4))
    assert content.getvalue()[-3:] == b"\x0f\x08\x07"


def test_an_attribute_whose_name_is_no_text(tmp_path: Path) -> None:
    """Old programs write Latin-1; it is left alone, in the template."""
    path = tmp_path / "dump.h5"
    with h5py.File(path, "w") as file:
        file["maps"] = np.ones(40, "u2")
        file["maps"].attrs["unit"] = "volt"
        h5py.h5a.create(file["maps"].id, b"gr\xf6\xdfe", h5t.STD_I8LE, h5s.create(h5s.SCALAR))
    for tensor in only(path):
        assert dict(tensor.attributes) == {"unit": "volt"}
        assert len(tensor.attributes) == 1
    assert path.read_bytes() == round_trip(path).read_bytes()
