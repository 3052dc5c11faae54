"""Safetensors: every dtype and header, back byte for byte; new files that the library reads."""

from __future__ import annotations

import io
import itertools
import json
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import hostile
import numpy as np
import pytest
from harness import examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from same_dump import packed_path, round_trip

import fmcompress
from fmcompress import dumps
from fmcompress.dumps import TensorSpec, format_named
from fmcompress.errors import DamagedError, FmcError, UnsupportedError

# Name in the file, NumPy's dtype, element type where NumPy has none.
TYPES = [
    ("BOOL", "?", ""),
    ("U8", "u1", ""),
    ("I8", "i1", ""),
    ("U16", "<u2", ""),
    ("I16", "<i2", ""),
    ("U32", "<u4", ""),
    ("I32", "<i4", ""),
    ("U64", "<u8", ""),
    ("I64", "<i8", ""),
    ("F16", "<f2", ""),
    ("F32", "<f4", ""),
    ("F64", "<f8", ""),
    ("BF16", "<u2", "bfloat16"),
    ("F8_E4M3", "u1", "float8_e4m3fn"),
    ("F8_E5M2", "u1", "float8_e5m2"),
]
HELD = {element_type for _, _, element_type in TYPES} - {""}


def made(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """Put a file together of any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def about(type_: str, shape: Sequence[int], start: int, end: int) -> dict[str, Any]:
    return {"dtype": type_, "shape": list(shape), "data_offsets": [start, end]}


def saved(folder: Path, content: bytes) -> Path:
    path = folder / "maps.safetensors"
    path.write_bytes(content)
    return path


def opened(content: bytes) -> dumps.Dump:
    file = io.BytesIO(content)
    return dumps.recognise(file).open(file)


def read_all(content: bytes) -> dict[str, NDArray[Any]]:
    return {tensor.name: tensor.read() for tensor in opened(content).tensors}


# --- Reading ------------------------------------------------------------------------------

# By hand: an int16 tensor of 2 by 3, then a bfloat16 scalar 1.0.
GOLDEN = (
    b'\xa8\x00\x00\x00\x00\x00\x00\x00{"__metadata__":{"maps.scale":"0.5","format":"np"},'
    b'"maps":{"dtype":"I16","shape":[2,3],"data_offsets":[0,12]},'
    b'"one":{"dtype":"BF16","shape":[],"data_offsets":[12,14]}} '
    b"\x01\x00\x00\x00\xff\xff\x00\x00\x00\x80\x02\x00"
    b"\x80\x3f"
)


def test_a_file_by_hand(tmp_path: Path) -> None:
    assert GOLDEN.index(b"\x01\x00\x00\x00\xff") == 8 + 0xA8
    path = saved(tmp_path, GOLDEN)
    with dumps.open_dump(path) as dump:
        assert dump.describe() == {"format": "safetensors", "bytes": len(GOLDEN)}
        assert dump.groups == {"": {"format": "np"}}
        maps, one = dump.tensors
        assert (maps.name, maps.shape, maps.dtype, maps.label) == ("maps", (2, 3), "<i2", "int16")
        assert (maps.order, maps.carried, maps.element_type) == ("C", "", "")
        assert maps.place == {"offset": 176}
        assert maps.holes() == [(176, 12)]
        assert maps.attributes == {"scale": 0.5}
        assert maps.read().tolist() == [[1, 0, -1], [0, -32768, 2]]
        assert np.concatenate([*maps.blocks()]).tolist() == [1, 0, -1, 0, -32768, 2]
        assert (one.shape, one.dtype, one.label) == ((), "<u2", "bfloat16")
        assert (one.element_type, one.carried) == ("bfloat16", "scalar or empty")
        assert one.read() == 0x3F80
    assert round_trip(path).read_bytes() == GOLDEN
    with fmcompress.open(packed_path(path)) as file:
        assert file["maps"][...].tolist() == [[1, 0, -1], [0, -32768, 2]]
        assert file["maps"].attrs == {"scale": 0.5}
        assert file["one"][...] == 0x3F80


@pytest.mark.parametrize(("name", "dtype", "element_type"), TYPES)
def test_dtypes(name: str, dtype: str, element_type: str, tmp_path: Path) -> None:
    data = np.random.default_rng(3).integers(0, 256, 12 * np.dtype(dtype).itemsize, "u1").tobytes()
    if name == "BOOL":
        data = bytes([0, 1, 1]) * 4
    path = saved(tmp_path, made({"a": about(name, (3, 4), 0, len(data))}, data))
    with dumps.open_dump(path) as dump:
        (tensor,) = dump.tensors
        assert tensor.dtype == np.dtype(dtype)
        assert tensor.element_type == element_type
        assert tensor.label == (element_type or np.dtype(dtype).name)
        assert tensor.carried == ""
        assert tensor.nbytes == tensor.stored_bytes == len(data)
        assert tensor.read().shape == (3, 4)
        assert tensor.read().tobytes() == data
        assert b"".join(block.tobytes() for block in tensor.blocks()) == data
    assert round_trip(path).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "count", "size"),
    [
        ("F4", 6, 3),
        ("F6_E2M3", 4, 3),
        ("F6_E3M2", 8, 6),
        ("F8_E8M0", 3, 3),
        ("F8_E4M3FNUZ", 3, 3),
        ("F8_E5M2FNUZ", 3, 3),
        ("Q5_K", 8, 5),
    ],
)
def test_other_dtypes_are_carried(name: str, count: int, size: int, tmp_path: Path) -> None:
    entries = {"a": about(name, (count,), 0, size), "b": about("I8", (2,), size, size + 2)}
    path = saved(tmp_path, made(entries, bytes(range(1, size + 3))))
    with dumps.open_dump(path) as dump:
        tensor = dump.tensors[0]
        assert tensor.dtype is None
        assert tensor.carried
        assert tensor.nbytes == tensor.stored_bytes == size
        assert tensor.read().tolist() == [*range(1, size + 1)]
    assert round_trip(path).read_bytes() == path.read_bytes()


def test_complex_numbers_are_carried() -> None:
    tensor = opened(made({"a": about("C64", (1,), 0, 8)}, np.complex64(1 - 2j).tobytes())).tensors[
        0
    ]
    assert tensor.carried
    assert tensor.read().tolist() == [1 - 2j]


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (7,), (1,) * 30, (2**40, 0)], ids=str)
def test_shapes(shape: tuple[int, ...], tmp_path: Path) -> None:
    size = 2 * int(np.prod(shape))
    path = saved(tmp_path, made({"a": about("I16", shape, 0, size)}, bytes(size)))
    with dumps.open_dump(path) as dump:
        assert dump.tensors[0].read().shape == shape
        expected = "scalar or empty" if not shape or 0 in shape else ""
        assert dump.tensors[0].carried == expected
    assert round_trip(path).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b"{}   ",
        b"{ }\n\t\r ",
        b'{"__metadata__":{}}',
        b'{ "a" :\n{ "shape" : [ 2 ] , "data_offsets" : [ 0 , 2 ] , "dtype" : "I8" } }',
        b'{"\\u0061\\ud83d\\ude00":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}',
        '{"größe":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}'.encode(),
        b'{"":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}',
        (
            b'{"b":{"dtype":"I8","shape":[1],"data_offsets":[1,2]},"a":{"dtype":"I8","shape":[1],'
            b'"data_offsets":[0,1]},"c":{"dtype":"F32","shape":[0],"data_offsets":[1,1]}}'
        ),
    ],
)
def test_odd_headers(text: bytes, tmp_path: Path) -> None:
    data = b"\x05\x00" if b"dtype" in text else b""
    path = saved(tmp_path, made(text, data))
    names = [name for name in json.loads(text) if name != "__metadata__"]
    assert [*read_all(path.read_bytes())] == names
    assert round_trip(path).read_bytes() == path.read_bytes()
    safetensors = pytest.importorskip("safetensors.numpy")
    for name, array in safetensors.load_file(path).items():
        np.testing.assert_array_equal(read_all(path.read_bytes())[name], array)


# --- Attributes ---------------------------------------------------------------------------


def test_attributes() -> None:
    noted = {
        "a.scale": "0.25",
        "a.zero_point": "-128",
        "a.axes": "[0, 2]",
        "a.layout": "NCHW",
        "a.b.scale": "1",
        "a.quoted": '"5"',
        "a.not a number": "NaN",
        "a.": "nothing behind the dot",
        "a.deep": "[" * 5000 + "]" * 5000,
        "a.digits": "9" * 5000,
        "other.scale": "0.5",
        "format": "pt",
        "a": "itself",
    }
    entries = {"a": about("I8", (1,), 0, 1), "a.b": about("I8", (1,), 1, 2)}
    dump = opened(made({"__metadata__": noted, **entries}, b"12"))
    a, b = dump.tensors
    assert a.attributes == {
        "scale": 0.25,
        "zero_point": -128,
        "axes": [0, 2],
        "layout": "NCHW",
        "quoted": "5",
        "not a number": "NaN",
        "deep": noted["a.deep"],
        "digits": noted["a.digits"],
    }
    assert b.attributes == {"scale": 1}
    rest = {"a.": "nothing behind the dot", "other.scale": "0.5", "format": "pt", "a": "itself"}
    assert dump.groups == {"": rest}


def test_zero_point_of_an_attribute_is_used(tmp_path: Path) -> None:
    noted = {"__metadata__": {"a.zero_point": "-3"}, "a": about("I8", (5,), 0, 5)}
    path = saved(tmp_path, made(noted, np.int8([-3, -3, 7, -3, 0]).tobytes()))
    assert round_trip(path).read_bytes() == path.read_bytes()
    with fmcompress.open(packed_path(path)) as file:
        assert file["a"].words["zero_point"] == -3
        assert file["a"].words["zero_point_from"] == "attribute"


# --- Bad headers --------------------------------------------------------------------------

I8 = b'"dtype":"I8"'
BAD: dict[str, bytes] = {
    "key twice": made(
        b'{"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},'
        b'"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}',
        b"12",
    ),
    "metadata twice": made(b'{"__metadata__":{},"__metadata__":{}}'),
    "inner key twice": made(
        b'{"a":{"dtype":"I8","dtype":"I8","shape":[2],"data_offsets":[0,2]}}', b"12"
    ),
    "metadata key twice": made(b'{"__metadata__":{"a":"1","a":"2"}}'),
    "metadata is no text": made({"__metadata__": {"a": 1}}),
    "metadata is no object": made({"__metadata__": "a"}),
    "metadata nests": made({"__metadata__": {"a": {"b": "c"}}}),
    "overlap": made({"a": about("I8", (4,), 0, 4), "b": about("I8", (4,), 2, 6)}, bytes(6)),
    "same place": made({"a": about("I8", (4,), 0, 4), "b": about("I8", (4,), 0, 4)}, bytes(4)),
    "inside": made({"a": about("I8", (4,), 0, 4), "b": about("I8", (2,), 1, 3)}, bytes(4)),
    "backwards": made({"a": about("I8", (2,), 2, 0)}, bytes(2)),
    "hole": made({"a": about("I8", (2,), 0, 2), "b": about("I8", (2,), 3, 5)}, bytes(5)),
    "hole at the start": made({"a": about("I8", (2,), 1, 3)}, bytes(3)),
    "bytes behind": made({"a": about("I8", (2,), 0, 2)}, bytes(3)),
    "bytes behind nothing": made({}, bytes(3)),
    "past the end": made({"a": about("I8", (4,), 0, 4)}, bytes(3)),
    "far past the end": made({"a": about("I8", (2**62,), 0, 2**62)}, bytes(3)),
    "too short": made({"a": about("I16", (2,), 0, 3)}, bytes(3)),
    "too long": made({"a": about("I16", (2,), 0, 5)}, bytes(5)),
    "half a byte": made({"a": about("F4", (3,), 0, 1)}, bytes(1)),
    "unknown dtype, too large": made({"a": about("Q1", (9,), 0, 1)}, bytes(1)),
    "overflow": made({"a": about("I8", (2**32, 2**32), 0, 0)}),
    "overflow without elements": made({"a": about("I8", (2**62, 2**62, 0), 0, 0)}),
    "axis of 2**63": made({"a": about("I8", (2**63, 0), 0, 0)}),
    "axis of 20 digits": made({"a": about("I8", (10**19, 0), 0, 0)}),
    "negative axis": made({"a": about("I8", (-1, -2), 0, 2)}, bytes(2)),
    "fraction": made({"a": {"dtype": "I8", "shape": [2.0], "data_offsets": [0, 2]}}, bytes(2)),
    "exponent": made(b'{"a":{"dtype":"I8","shape":[2e0],"data_offsets":[0,2]}}', bytes(2)),
    "leading zero": made(b'{"a":{"dtype":"I8","shape":[02],"data_offsets":[0,2]}}', bytes(2)),
    "boolean": made({"a": {"dtype": "I8", "shape": [True], "data_offsets": [0, 1]}}, bytes(1)),
    "text": made({"a": {"dtype": "I8", "shape": ["1"], "data_offsets": [0, 1]}}, bytes(1)),
    "null": made({"a": {"dtype": "I8", "shape": None, "data_offsets": [0, 1]}}, bytes(1)),
    "dtype is a number": made({"a": {"dtype": 8, "shape": [1], "data_offsets": [0, 1]}}, bytes(1)),
    "three offsets": made({"a": {"dtype": "I8", "shape": [1], "data_offsets": [0, 1, 1]}}, b"1"),
    "no offsets": made({"a": {"dtype": "I8", "shape": [1]}}, bytes(1)),
    "no dtype": made({"a": {"shape": [1], "data_offsets": [0, 1]}}, bytes(1)),
    "tensor is a list": made({"a": [1, 2]}),
    "comma at the end": made(b'{"__metadata__":{},}'),
    "no comma": made(b'{"__metadata__":{} "a":{}}'),
    "cut": made(b'{"__metadata__":{}'),
    "cut in a text": made(b'{"__meta'),
    "two values": made(b"{}{}"),
    "zero byte behind": made(b"{}\0"),
    "control character": made(b'{"__metadata__":{"a\n":""}}'),
    "bad escape": made(b'{"__metadata__":{"a":"\\x"}}'),
    "half a pair": made(b'{"__metadata__":{"a":"\\ud800"}}'),
    "not UTF-8": made(b'{"__metadata__":{"a":"\xff"}}'),
    "nests deeply": made(b'{"__metadata__":' * 100_000),
    "list nests deeply": made(b'{"a":{"shape":' + b"[" * 100_000),
    "header longer than the file": made({}, length=3),
}
ODD: dict[str, bytes] = {
    "unknown key": made({"a": {**about("I8", (1,), 0, 1), "strides": [1]}}, bytes(1)),
    "many axes": made({"a": about("I8", (1,) * 65, 0, 1)}, bytes(1)),
    "a long list": made(b'{"a":{"shape":[' + b"0," * 500_000 + b"0]}}"),
    "no header at all": made(b" {}"),
    "header of 2**40 bytes": made({}, length=2**40),
    "header of 2**63 bytes": made({}, length=2**63),
}


def bounded(action: Callable[[], Any]) -> FmcError:
    """Return the error that an action must raise, quickly, and in little memory."""
    start = time.monotonic()
    tracemalloc.start()
    try:
        error = hostile.error_of(action)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error is not None, "it was taken"
    assert peak < hostile.MOST_BYTES
    assert time.monotonic() - start < hostile.MOST_SECONDS
    return error


@pytest.mark.parametrize("case", BAD)
def test_bad_headers(case: str, tmp_path: Path) -> None:
    path = saved(tmp_path, BAD[case])
    error = bounded(lambda: fmcompress.compress(path, tmp_path / "out"))
    assert isinstance(error, DamagedError), repr(error)
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("case", ODD)
def test_what_this_version_does_not_take(case: str, tmp_path: Path) -> None:
    path = saved(tmp_path, ODD[case])
    error = bounded(lambda: fmcompress.compress(path, tmp_path / "out"))
    assert isinstance(error, UnsupportedError), repr(error)
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("case", [*BAD, *ODD])
def test_the_library_agrees(case: str) -> None:
    """It refuses these too, but for what it does not look at, and what is merely too large here."""
    safetensors = pytest.importorskip("safetensors.numpy")
    lenient = {"unknown key", "many axes", "overflow without elements", "axis of 2**63"}
    lenient |= {"axis of 20 digits", "metadata twice", "inner key twice", "key twice"}
    lenient |= {"no header at all", "metadata key twice", "unknown dtype, too large"}
    content = {**BAD, **ODD}[case]
    if case in lenient:
        return
    with pytest.raises(Exception):  # noqa: B017, PT011 - its own type is not public everywhere
        safetensors.load(content)


def test_too_many_tensors() -> None:
    entries = {str(number): about("I8", (0,), 0, 0) for number in range((1 << 17) + 1)}
    with pytest.raises(UnsupportedError, match="more than 131072 tensors"):
        opened(made(entries))


def test_every_truncation(tmp_path: Path) -> None:
    for size in range(len(GOLDEN)):
        path = saved(tmp_path, GOLDEN[:size])
        error = hostile.error_of(lambda path=path: fmcompress.compress(path, tmp_path / "out"))
        assert error is not None, size
        assert error.exit_code == (3 if size > 8 or not size else 4), (size, error)


def test_every_changed_byte() -> None:
    for at, value in itertools.product(range(len(GOLDEN)), (0, 0xFF, ord("9"), ord('"'), None)):
        changed = bytearray(GOLDEN)
        changed[at] = changed[at] ^ 1 if value is None else value
        packed, back = io.BytesIO(), io.BytesIO()
        if hostile.error_of(lambda c=changed, p=packed: fmcompress.compress(io.BytesIO(c), p)):
            continue
        fmcompress.decompress(io.BytesIO(packed.getvalue()), back)
        assert back.getvalue() == changed
        hostile.error_of(lambda c=changed: read_all(bytes(c)))


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "__metadata__"]),
        st.dictionaries(
            st.sampled_from(["dtype", "shape", "data_offsets", "x"]),
            st.sampled_from(["I8", "F4", "Q", "1"])
            | st.lists(st.sampled_from([0, 1, 2, 8, -1, 2**63]), max_size=3),
            max_size=3,
        ),
        max_size=3,
    ),
    st.integers(0, 9),
)
@examples(300)
def test_any_header(header: dict[str, Any], size: int) -> None:
    content = made(header, bytes(size))
    try:
        dump = opened(content)
    except FmcError:
        return
    assert sum(tensor.stored_bytes for tensor in dump.tensors) == size
    assert b"".join(tensor.read().tobytes() for tensor in dump.tensors) == bytes(size)


# --- Some layers --------------------------------------------------------------------------


def several(folder: Path) -> Path:
    noted = {"format": "np", "b.scale": "0.5", "c.d.scale": "2"}
    entries = {
        "c.d": about("I16", (3,), 6, 12),
        "b": about("I8", (2, 3), 0, 6),
        "e": about("F32", (2,), 12, 20),
        "f": about("U8", (), 20, 21),
    }
    return saved(folder, made({"__metadata__": noted, **entries}, bytes(range(1, 22))))


@pytest.mark.parametrize("picked", ["b", "c.d", "e", "[be]", "*"])
def test_coding_some_layers(picked: str, tmp_path: Path) -> None:
    path = several(tmp_path)
    assert round_trip(path, layers=picked).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("picked", "names"),
    [("b", "b"), ("c.d", ["c.d"]), ("e", "e"), ("[bf]", "bf"), ("*", ["b", "c.d", "e", "f"])],
)
def test_giving_back_some_layers(picked: str, names: Sequence[str], tmp_path: Path) -> None:
    path, packed, out = several(tmp_path), tmp_path / "packed", tmp_path / "some"
    fmcompress.compress(path, packed)
    fmcompress.decompress(packed, out, layers=picked)
    whole, some = read_all(path.read_bytes()), read_all(out.read_bytes())
    assert sorted(some) == sorted(names)
    for name in names:
        np.testing.assert_array_equal(some[name], whole[name])
        assert some[name].dtype == whole[name].dtype
    dump = opened(out.read_bytes())
    assert dump.groups == {"": {"format": "np"}}
    noted = {tensor.name: tensor.attributes for tensor in dump.tensors if tensor.attributes}
    expected = {"b": {"scale": 0.5}, "c.d": {"scale": 2}}
    assert noted == {name: expected[name] for name in expected if name in names}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([path.name, "packed", "some"])
    safetensors = pytest.importorskip("safetensors.numpy")
    assert sorted(safetensors.load_file(out)) == sorted(names)


def test_a_template_that_is_no_safetensors_file(tmp_path: Path) -> None:
    """Only a hostile container has one; giving back some layers needs its header."""
    part = hostile.chunk([1, 0, 0, 5])
    about_ = hostile.layers(hostile.row("a", place={"offset": 30}), hostile.row("b", [0]))
    data = hostile.container(
        hostile.dump(34, "safetensors"), hostile.template((0, b"\xff" * 30)), about_, part
    )
    with pytest.raises(FmcError):
        fmcompress.decompress(io.BytesIO(data), tmp_path / "out", layers="a")
    assert [*tmp_path.iterdir()] == []


# --- Writing ------------------------------------------------------------------------------


def spec(name: str, array: NDArray[Any], type_: str = "", **attributes: Any) -> TensorSpec:
    return TensorSpec(name, array.shape, array.dtype, type_ or array.dtype.name, attributes)


def write(
    path: Path,
    tensors: Sequence[tuple[TensorSpec, NDArray[Any]]],
    groups: Mapping[str, Mapping[str, Any]] | None = None,
    step: int = 5,
) -> list[str]:
    """Write tensors, some elements at a time; return what was lost."""
    writer = format_named("safetensors").writer(path, [spec for spec, _ in tensors], groups or {})
    try:
        for tensor, array in tensors:
            writer.begin(tensor)
            flat = np.ascontiguousarray(array).reshape(-1)
            for start in range(0, flat.size, step):
                writer.write(flat[start : start + step])
            writer.end()
        writer.finish()
    finally:
        writer.close()
    return writer.lost


def test_a_new_file_byte_for_byte(tmp_path: Path) -> None:
    a, b = np.int8([[1, 2], [3, 4]]), np.uint16([5])
    lost = write(tmp_path / "new", [(spec("a", a, scale=0.5), a), (spec("b", b), b)])
    header = (
        b'{"__metadata__":{"a.scale":"0.5"},"a":{"dtype":"I8","shape":[2,2],"data_offsets":[2,6]},'
        b'"b":{"dtype":"U16","shape":[1],"data_offsets":[0,2]}}'
    )
    header += b" " * (-len(header) % 8)
    assert (tmp_path / "new").read_bytes() == made(header, b"\x05\x00\x01\x02\x03\x04")
    assert lost == []


def arrays() -> list[tuple[TensorSpec, NDArray[Any]]]:
    found = []
    for name, dtype, element_type in TYPES:
        raw = np.random.default_rng(1).integers(0, 2, 6 * np.dtype(dtype).itemsize, "u1")
        array = raw.view(np.dtype(dtype).newbyteorder("=")).reshape(2, 3)
        found.append((spec(f"layer.{name}", array, element_type), array))
    return found


def test_every_element_type(tmp_path: Path) -> None:
    path = tmp_path / "new.safetensors"
    assert write(path, arrays()) == []
    with dumps.open_dump(path) as dump:
        assert [tensor.name for tensor in dump.tensors] == [spec.name for spec, _ in arrays()]
        for tensor, (expected, array) in zip(dump.tensors, arrays(), strict=True):
            assert tensor.label == expected.element_type
            assert tensor.dtype == array.dtype
            np.testing.assert_array_equal(tensor.read(), array)
            assert tensor.place["offset"] % array.dtype.itemsize == 0


def test_the_library_reads_it(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    numpy_side = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "new.safetensors"
    write(path, arrays(), {"": {"format": "np"}})
    with safetensors.safe_open(path, "np") as file:
        assert file.metadata() == {"format": "np"}
        assert sorted(file.keys()) == sorted(spec.name for spec, _ in arrays())
        for expected, array in arrays():
            if expected.element_type not in HELD:
                got = file.get_tensor(expected.name)
                assert got.dtype == array.dtype
                np.testing.assert_array_equal(got, array)
    plain = [(spec, array) for spec, array in arrays() if spec.element_type not in HELD]
    write(path, plain)
    assert {*numpy_side.load_file(path)} == {spec.name for spec, _ in plain}


def test_bit_patterns_are_those_of_ml_dtypes(tmp_path: Path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    safetensors = pytest.importorskip("safetensors")
    values = [0.0, -1.5, 2.0, 0.25]
    for name in sorted(HELD):
        real = np.array(values, getattr(ml_dtypes, name))
        bits = real.view(f"u{real.itemsize}")
        write(tmp_path / name, [(spec("a", bits, name), bits)])
        assert read_all((tmp_path / name).read_bytes())["a"].view(real.dtype).tolist() == values
        (raw,) = safetensors.deserialize((tmp_path / name).read_bytes())
        assert raw[1]["dtype"] == {kind: code for code, _, kind in TYPES}[name]
        assert bytes(raw[1]["data"]) == real.tobytes()


def test_the_librarys_files(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "maps.safetensors"
    plain = {spec.name: array for spec, array in arrays() if spec.element_type not in HELD}
    plain |= {"scalar": np.array(5, "i2"), "empty": np.zeros((0, 3), "f4")}
    safetensors.save_file(plain, path, metadata={"layer.I8.zero_point": "4", "by": "us"})
    assert round_trip(path).read_bytes() == path.read_bytes()
    for name, array in read_all(path.read_bytes()).items():
        assert array.dtype == plain[name].dtype
        np.testing.assert_array_equal(array, plain[name])
    with dumps.open_dump(path) as dump:
        noted = {tensor.name: tensor.attributes for tensor in dump.tensors if tensor.attributes}
        assert noted == {"layer.I8": {"zero_point": 4}}
        assert dump.groups == {"": {"by": "us"}}
        # Bits of bfloat16 and float8 have to be read by hand, and nothing of the rest is lost.
        written = [
            (TensorSpec(t.name, t.shape, t.dtype, t.label, t.attributes), t.read())
            for t in dump.tensors
            if t.dtype is not None
        ]
        assert write(tmp_path / "new", written, dump.groups) == []
    again = safetensors.load_file(tmp_path / "new")
    assert {*again} == {*plain}
    assert all(np.array_equal(again[name], plain[name]) for name in plain)


def test_attributes_come_back(tmp_path: Path) -> None:
    a = np.int8([1])
    noted = {
        "scale": np.float32(0.25),
        "zero_point": np.int64(-3),
        "scales": np.float64([0.1, 0.2]),
        "layout": "NCHW",
        "digits": "5",
        "null": "null",
        "quotes": '"',
        "truth": True,
        "bytes": b"text",
        "names": np.array(["x", "ß"]),
        "nested": {"a": [1, None]},
        "a.b": 7,
    }
    groups = {"": {"model": "net", "count": 3, "number as text": "3"}, "sub": {"x": [1]}}
    assert write(tmp_path / "new", [(spec("a", a, **noted), a)], groups) == []
    dump = opened((tmp_path / "new").read_bytes())
    assert dump.tensors[0].attributes == {
        **noted,
        "scales": [0.1, 0.2],
        "bytes": "text",
        "names": ["x", "ß"],
    }
    rest = {"model": "net", "count": "3", "number as text": "3", "sub.x": "[1]"}
    assert dump.groups == {"": rest}


def test_what_is_lost_is_said(tmp_path: Path) -> None:
    four, plain = np.int8([1, -8]), np.int8([0])
    cycle: list[Any] = []
    cycle.append(cycle)
    noted = {
        "infinite": np.inf,
        "complex": 1j,
        "object": object(),
        "bytes": b"\xff",
        "surrogate": "\ud800",
        "large": np.zeros(1 << 20),
        "cycle": cycle,
        "b.scale": 1,  # would be read as that of the layer a.b
        "": 0,
        "fine": 1,
    }
    tensors = [
        (spec("a", four, "int4", **noted), four),
        (spec("u", four.view("u1"), "uint4"), four.view("u1")),
        (spec("a.b", plain), plain),
    ]
    lost = write(tmp_path / "new", tensors, {"": {"a.x": "of layer a?", "a": "fine"}})
    assert lost[:2] == [
        "the dtype int4 (held one a byte) of 'a'",
        "the dtype uint4 (held one a byte) of 'u'",
    ]
    assert sorted(lost[2:]) == sorted(
        ["attribute 'a.x' of the file"]
        + [f"attribute {key!r} of 'a'" for key in noted if key != "fine"]
    )
    dump = opened((tmp_path / "new").read_bytes())
    assert [tensor.label for tensor in dump.tensors] == ["int8", "uint8", "int8"]
    assert [dict(tensor.attributes) for tensor in dump.tensors] == [{"fine": 1}, {}, {}]
    assert dump.groups == {"": {"a": "fine"}}
    assert dump.tensors[0].read().tolist() == [1, -8]


@pytest.mark.parametrize(
    ("name", "dtype", "type_"),
    [
        ("a", "U3", ""),
        ("a", "S3", ""),
        ("a", "c16", ""),
        ("a", "M8[s]", ""),
        ("__metadata__", "i1", ""),
        ("\udcff", "i1", ""),
        ("a", "u1", "float8_e8m0fnu"),
    ],
)
def test_what_cannot_be_written_is_refused(
    name: str, dtype: str, type_: str, tmp_path: Path
) -> None:
    array = np.zeros(2, dtype)
    with pytest.raises(UnsupportedError):
        write(tmp_path / "new", [(spec(name, array, type_), array)])


@pytest.mark.parametrize("count", [1, 3])
def test_a_tensor_of_another_size_than_announced(count: int, tmp_path: Path) -> None:
    with pytest.raises(DamagedError) as caught:
        write(tmp_path / "new", [(spec("a", np.zeros(2, "i2")), np.zeros(count, "i2"))])
    assert caught.value.layer == "a"


def test_no_tensors(tmp_path: Path) -> None:
    assert write(tmp_path / "new", []) == []
    assert (tmp_path / "new").read_bytes() == made(b"{}      ")
    assert opened((tmp_path / "new").read_bytes()).tensors == []


def test_memory_stays_bounded(tmp_path: Path) -> None:
    """A tensor of 200 MB, written and read in pieces, is never there as a whole."""
    piece = np.zeros(1 << 21, "i2")
    announced = TensorSpec("a", (50 * piece.size,), piece.dtype, "int16")
    tracemalloc.start()
    try:
        writer = format_named("safetensors").writer(tmp_path / "new", [announced], {})
        writer.begin(announced)
        for _ in range(50):
            writer.write(piece)
        writer.end()
        writer.finish()
        with dumps.open_dump(tmp_path / "new") as dump:
            assert sum(block.size for block in dump.tensors[0].blocks()) == 50 * piece.size
        assert tracemalloc.get_traced_memory()[1] < 80 << 20
    finally:
        tracemalloc.stop()
