"""PyTorch: what torch wrote is read right and comes back; what is hostile is refused, never run.

`tests/golden/pytorch/` holds torch's own files. Others are put together here, operation by
operation: nothing needs torch.
"""

from __future__ import annotations

import io
import itertools
import os
import pickle
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import hostile
import numpy as np
import pytest
from numpy.typing import NDArray
from same_dump import packed_path, round_trip

import fmcompress
from fmcompress import dumps
from fmcompress.contents import LayerInfo
from fmcompress.dumps import format_named, pickle_machine, pytorch_objects, template_pieces
from fmcompress.errors import DamagedError, FmcError, UnsupportedError
from fmcompress.ordering import file_axes

GOLDEN = Path(__file__).parent / "golden" / "pytorch"
READ = ("dtypes", "protocol_5", "state_dict", "views", "nested", "quantised", "lone")
REFUSED = ("legacy", "torchscript", "module")


# --- Files put together -------------------------------------------------------------------


def name(module: str, attribute: str) -> bytes:
    return b"c" + f"{module}\n{attribute}\n".encode()


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def number(value: int) -> bytes:
    data = value.to_bytes(9, "little", signed=True)
    return b"\x8a\x09" + data


def several(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def counts(*values: int) -> bytes:
    return several(*map(number, values))


def table(**items: bytes) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def storage(type_: str = "CharStorage", key: str = "0", count: int = 4) -> bytes:
    kind = name("torch" if type_ != "UntypedStorage" else "torch.storage", type_)
    return several(text("storage"), kind, text(key), text("cpu"), number(count)) + b"Q"


def tensor(
    *shape: int,
    of: bytes = b"",
    offset: int = 0,
    strides: tuple[int, ...] | None = None,
    dtype: str = "",
    more: bytes = b"",
) -> bytes:
    """Make a tensor; by default int8, in C order, of the storage 0 of 4 bytes."""
    if strides is None:
        strides = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    maker = name("torch._utils", "_rebuild_tensor_v3" if dtype else "_rebuild_tensor_v2")
    hooks = name("collections", "OrderedDict") + b")R"
    parts = [of or storage(), number(offset), counts(*shape), counts(*strides), b"\x89", hooks]
    if dtype:
        parts.append(name("torch", dtype))
    return maker + several(*parts, more) + b"R"


def pickled(value: bytes) -> bytes:
    return b"\x80\x02" + value + b"."


def archive(
    data_pkl: bytes,
    storages: Mapping[str, bytes] | None = None,
    *,
    byteorder: bytes | None = b"little",
    method: int = zipfile.ZIP_STORED,
    prefix: str = "maps",
    more: Mapping[str, bytes] | None = None,
) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as zip_:
        zip_.writestr(f"{prefix}/data.pkl", data_pkl)
        if byteorder is not None:
            zip_.writestr(f"{prefix}/byteorder", byteorder)
        for key, data in ({"0": b"\x01\x00\x02\x00"} if storages is None else storages).items():
            zip_.writestr(f"{prefix}/data/{key}", data)
        zip_.writestr(f"{prefix}/version", b"3\n")
        for key, data in (more or {}).items():
            zip_.writestr(key, data)
    return file.getvalue()


def opened(content: bytes) -> dumps.Dump:
    file = io.BytesIO(content)
    return dumps.recognise(file).open(file)


def tensors_of(content: bytes) -> dict[str, dumps.Tensor]:
    return {tensor.name: tensor for tensor in opened(content).tensors}


def one(value: bytes, storages: Mapping[str, bytes] | None = None) -> dumps.Tensor:
    (found,) = opened(archive(pickled(value), storages)).tensors
    return found


def there_and_back(content: bytes) -> bytes:
    packed, back = io.BytesIO(), io.BytesIO()
    fmcompress.compress(io.BytesIO(content), packed)
    assert fmcompress.verify(io.BytesIO(packed.getvalue())).damages == []
    fmcompress.decompress(io.BytesIO(packed.getvalue()), back)
    return back.getvalue()


def bounded(action: Callable[[], Any], most_bytes: int = hostile.MOST_BYTES) -> FmcError:
    """Return the error that an action must raise, quickly, and in little memory."""
    start = time.monotonic()
    tracemalloc.start()
    try:
        error = hostile.error_of(action)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error is not None, "it was taken"
    assert error.exit_code in (3, 4), repr(error)
    assert peak < most_bytes
    assert time.monotonic() - start < hostile.MOST_SECONDS
    return error


# --- Torch's own files --------------------------------------------------------------------


def golden_path(stem: str, folder: Path) -> Path:
    """Copy a golden file to where files may be written beside it."""
    copy = folder / f"{stem}.pt"
    copy.write_bytes((GOLDEN / f"{stem}.pt").read_bytes())
    return copy


def expected(stem: str) -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN / f"{stem}.npz") as file:
        return dict(file)


def bits(array: Any) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def test_the_golden_files_are_those_of_the_readme() -> None:
    readme = (GOLDEN / "README.md").read_text(encoding="utf-8")
    listed = {stem for stem in (*READ, *REFUSED) if f"`{stem}.pt`" in readme}
    assert listed == {path.stem for path in GOLDEN.glob("*.pt")} == {*READ, *REFUSED}


@pytest.mark.parametrize("stem", READ)
def test_tensors_are_those_that_torch_had(stem: str, tmp_path: Path) -> None:
    with dumps.open_dump(golden_path(stem, tmp_path)) as dump:
        assert dump.format == "pytorch"
        arrays = expected(stem)
        assert [tensor.name for tensor in dump.tensors] == [*arrays]
        for tensor in dump.tensors:
            array = arrays[tensor.name]
            assert bits(tensor.read()) == bits(array), tensor.name
            if "complex" not in tensor.label:
                assert tensor.read().shape == tensor.shape == array.shape
            blocks = np.concatenate([np.zeros(0, tensor.dtype), *tensor.blocks()])
            axes = file_axes(array.ndim, tensor.order)
            assert bits(blocks) == bits(array.transpose(axes).reshape(-1))


@pytest.mark.parametrize("stem", READ)
def test_files_come_back(stem: str, tmp_path: Path) -> None:
    path = golden_path(stem, tmp_path)
    assert round_trip(path, chunk_words=7).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("stem", READ)
def test_template_and_tensors_make_up_the_file(stem: str, tmp_path: Path) -> None:
    path = golden_path(stem, tmp_path)
    whole = bytearray(path.stat().st_size)
    with dumps.open_dump(path) as dump, path.open("rb") as file:
        coded = [tensor for tensor in dump.tensors if not tensor.carried]
        assert coded
        for piece in template_pieces(dump, coded, file):
            for offset, data in piece:
                whole[offset : offset + len(data)] = data
        for tensor in coded:
            at = tensor.place["offset"]
            assert not any(whole[at : at + tensor.nbytes])
            for block in tensor.blocks():
                whole[at : at + block.nbytes] = block.tobytes()
                at += block.nbytes
    assert whole == path.read_bytes()


def test_dtypes() -> None:
    found = {tensor.name: tensor for tensor in dumps.open_dump(GOLDEN / "dtypes.pt").tensors}
    held = {"bfloat16": "<u2", "float8_e4m3fn": "u1", "float8_e5m2": "u1"}
    for label, tensor in found.items():
        assert tensor.label == label
        assert tensor.dtype == np.dtype(held.get(label, label)).newbyteorder("<")
        assert tensor.element_type == (label if label in held else "")
        assert bool(tensor.carried) == (label == "complex64")


def test_views_and_shared_storages(tmp_path: Path) -> None:
    path = golden_path("views", tmp_path)
    with dumps.open_dump(path) as dump:
        reasons = {tensor.name: tensor.carried for tensor in dump.tensors}
        orders = {tensor.name: tensor.order for tensor in dump.tensors}
        assert (orders["transposed"], orders["channels_last"]) == ("F", (0, 2, 3, 1))
    assert reasons == {
        "base": "",
        "row": "shares its storage with base",
        "same": "shares its storage with base",
        "transposed": "",
        "channels_last": "",
        "steps": "strided view",
        "expanded": "strided view",
        "tail": "",
        "scalar": "scalar or empty",
        "empty": "scalar or empty",
        "first_half": "",
        "second_half": "",
    }
    taken = {tensor.name: tensor.stored_bytes for tensor in dump.tensors}
    assert taken["row"] == taken["same"] == taken["empty"] == 0
    assert (taken["base"], taken["steps"], taken["expanded"]) == (48, 44, 3)
    round_trip(path)
    arrays = expected("views")
    with fmcompress.open(packed_path(path)) as file:
        for layer in file.values():
            if layer.carried.startswith("shares"):
                # Its data was coded under another name, and is not in the template.
                with pytest.raises(UnsupportedError, match="part of that of layer 'base'"):
                    layer[...]
            else:
                assert bits(layer[...]) == bits(arrays[layer.name]), layer.name
    fmcompress.compress(path, packed_path(path), layers="tail")
    with fmcompress.open(packed_path(path)) as file:
        assert all(bits(layer[...]) == bits(arrays[layer.name]) for layer in file.values())


def test_quantised_tensors(tmp_path: Path) -> None:
    path = golden_path("quantised", tmp_path)
    with dumps.open_dump(path) as dump:
        per_tensor, per_channel, wide = (dict(tensor.attributes) for tensor in dump.tensors)
    assert per_tensor == {"scale": 0.25, "zero_point": 3}
    assert wide == {"scale": 0.125, "zero_point": 0}
    assert per_channel["scale"].tolist() == [0.25, 0.5, 1.0]
    assert per_channel["zero_point"].tolist() == [0, 3, 1]
    assert per_channel["axis"] == 0
    round_trip(path)
    with fmcompress.open(packed_path(path)) as file:
        assert file["per_tensor"].words["zero_point"] == 3
        assert file["per_tensor"].words["zero_point_from"] == "attribute"
        assert file["per_channel"].attrs["scale"].tolist() == [0.25, 0.5, 1.0]


def test_plain_values_beside_tensors() -> None:
    with dumps.open_dump(GOLDEN / "nested.pt") as dump:
        assert dump.groups == {
            "": {"epoch": 3, "name": "a net", "rate": 0.5},
            "optimizer": {"step": 1},
        }
        noted = {tensor.name: tensor.attributes for tensor in dump.tensors if tensor.attributes}
        assert noted == {"noted": {"scale": 0.25}}


@pytest.mark.parametrize(
    ("stem", "cause"),
    [
        ("legacy", "before version 1.6; load it in torch and save it again"),
        ("torchscript", "is a TorchScript program; save its state_dict"),
        ("module", r"needs 'torch\.nn\.modules\.linear\.Linear'; save a plain dict of tensors"),
    ],
)
def test_other_kinds_are_refused_with_a_hint(stem: str, cause: str, tmp_path: Path) -> None:
    path = golden_path(stem, tmp_path)
    with pytest.raises(UnsupportedError, match=cause):
        fmcompress.compress(path, tmp_path / "out")
    assert [*tmp_path.iterdir()] == [path]


def test_the_form_before_0_4_is_refused() -> None:
    import tarfile

    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("sys_info"))
    with pytest.raises(UnsupportedError, match=r"before version 1\.6"):
        opened(file.getvalue())


def test_a_file_is_given_back_whole_or_not_at_all(tmp_path: Path) -> None:
    path = golden_path("dtypes", tmp_path)
    fmcompress.compress(path, tmp_path / "packed")
    with pytest.raises(UnsupportedError):
        fmcompress.decompress(tmp_path / "packed", tmp_path / "out", layers="int8")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").touch()
    restorer = format_named("pytorch").restorer(tmp_path / "out", {"bytes": 9})
    info = LayerInfo("a", (4,), "|i1", place={"offset": 0})
    restorer.announce(info, True)
    with pytest.raises(UnsupportedError, match="whole or not at all"):
        restorer.announce(info, False)
    restorer.close()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_form_before_1_6_in_any_protocol(protocol: int) -> None:
    content = pickle.dumps(0x1950A86A20F9469CFC6C, protocol) + b"more"
    with pytest.raises(UnsupportedError, match=r"before version 1\.6"):
        opened(content)


def test_a_view_before_what_it_is_a_view_of() -> None:
    """Every byte is counted once, and read from where it is."""
    value = table(steps=tensor(2, strides=(2,)), whole=tensor(4), end=tensor(2, offset=2))
    content = archive(pickled(value))
    found = tensors_of(content)
    assert [tensor.carried for tensor in found.values()] == [
        "strided view",
        "",
        "shares its storage with whole",
    ]
    assert [tensor.stored_bytes for tensor in found.values()] == [0, 4, 0]
    assert [tensor.read().tolist() for tensor in found.values()] == [[1, 2], [1, 0, 2, 0], [2, 0]]
    assert there_and_back(content) == content


def test_there_is_no_writer() -> None:
    assert not format_named("pytorch").writes


# --- Other files that are right -----------------------------------------------------------


def test_a_file_by_hand() -> None:
    content = archive(pickled(table(a=tensor(2, 2))))
    found = one(table(a=tensor(2, 2)))
    assert (found.name, found.shape, found.dtype, found.carried) == ("a", (2, 2), "i1", "")
    assert found.read().tolist() == [[1, 0], [2, 0]]
    assert content[found.place["offset"] :][:4] == b"\x01\x00\x02\x00"
    assert there_and_back(content) == content


def test_big_endian() -> None:
    value = table(
        a=tensor(2, of=storage("ShortStorage", "0", 2)),
        b=tensor(1, of=storage("UntypedStorage", "1", 2), dtype="bfloat16"),
    )
    data = {"0": b"\x00\x01\xff\xfe", "1": b"\x3f\x80"}
    content = archive(pickled(value), data, byteorder=b"big")
    found = tensors_of(content)
    assert found["a"].dtype == found["a"].read().dtype == np.dtype(">i2")
    assert found["a"].read().tolist() == [1, -2]
    assert found["b"].dtype == np.dtype(">u2")
    assert found["b"].read().tolist() == [0x3F80]
    assert there_and_back(content) == content
    old = archive(pickled(value), data, byteorder=None)
    assert tensors_of(old)["a"].read().tolist() == [256, -257]


def test_containers_of_every_kind() -> None:
    plain = tensor(4)
    bytes_ = name("_codecs", "encode") + several(text("ab"), text("latin1")) + b"R"
    kinds = {
        "list": b"](" + plain + b"e",
        "list of a mark": b"(" + plain + b"l",
        "appended": b"]" + plain + b"a",
        "tuple": plain + b"\x85",
        "pair": plain + b"N\x86",
        "triple": plain + b"NN\x87",
        "frozenset": b"(" + plain + b"\x91",
        "set": b"\x8f(" + plain + b"\x90",
        "set of a list": name("__builtin__", "set") + b"]" + plain + b"a\x85R",
        "dict of a mark": b"(" + text("0") + plain + b"d",
        "item": b"}" + text("0") + plain + b"s",
        "ordered": name("collections", "OrderedDict") + b")R" + text("0") + plain + b"s}b",
        "number": b"}K\x00" + plain + b"s",
        "remembered": b"](" + plain + b"q\x05" + b"0h\x05" + b"e",
        "popped": b"](" + plain + b"N0" + b"e",
        "doubled": b"](" + plain + b"20" + b"e",
        "marked and dropped": b"](" + plain + b"(NN1" + b"e",
        "bytes beside": b"]("
        + plain
        + b"C\x01aB\x01\0\0\0a\x8e\x01"
        + bytes(7)
        + b"a"
        + bytes_
        + b"e",
        "numbers beside": b"]("
        + plain
        + b"M\x01\x02J\1\2\3\4\x8a\x00\x8b\1\0\0\0\7G"
        + bytes(8)
        + b"e",
    }
    for kind, value in kinds.items():
        assert [*tensors_of(archive(pickled(value)))] == ["0"], kind
    for kind, value in kinds.items():
        found = tensors_of(archive(pickled(table(outer=value))))
        assert [*found] == ["outer/0"], kind
        assert found["outer/0"].read().tolist() == [1, 0, 2, 0]


def test_newer_protocols() -> None:
    short = b"\x8c\x01a"
    names = b"\x8c\x0btorch._utils\x8c\x12_rebuild_tensor_v2\x93"
    names = b"\x8c" + bytes([len("torch._utils")]) + names[2:]
    value = tensor(4)
    value = names + value[len(name("torch._utils", "_rebuild_tensor_v2")) :]
    body = b"}" + short + b"\x94" + value + b"s."
    framed = b"\x80\x05\x95" + len(body).to_bytes(8, "little") + body
    assert [*tensors_of(archive(framed))] == ["a"]


def test_a_storage_saved_by_itself() -> None:
    assert one(storage()).read().tolist() == [1, 0, 2, 0]
    assert one(storage()).name == "tensor"
    untyped = tensors_of(archive(pickled(table(a=storage("UntypedStorage")))))["a"]
    assert (untyped.label, untyped.read().tolist()) == ("uint8", [1, 0, 2, 0])


def test_parameters_and_tensors_with_state() -> None:
    state = table(scale=b"G" + struct.pack(">d", 0.5), layout=text("NHWC"), other=b"]")
    for value in (
        name("torch._utils", "_rebuild_parameter") + several(tensor(4), b"\x88", b"N") + b"R",
        name("torch._utils", "_rebuild_parameter_with_state")
        + several(tensor(4), b"\x88", b"N", state)
        + b"R",
    ):
        assert one(value).read().tolist() == [1, 0, 2, 0]
    assert one(value).attributes == {"scale": 0.5, "layout": "NHWC"}


@pytest.mark.parametrize("order", [b"little", b"big"])
def test_what_is_still_to_be_changed_is_carried_and_read_right(order: bytes) -> None:
    sign = "<" if order == b"little" else ">"
    data = {"0": np.array([1 + 2j, 3 - 4j], f"{sign}c8").tobytes()}
    numbers = storage("ComplexFloatStorage", "0", 2)
    value = table(
        conjugated=tensor(2, of=numbers, more=table(conj=b"\x88")),
        both=tensor(2, of=numbers, more=table(conj=b"\x88", neg=b"\x88")),
        neither=tensor(2, of=numbers, more=table(conj=b"\x89")),
        imaginary=tensor(
            *(1, 2),
            of=storage("FloatStorage", "0", 4),
            offset=1,
            strides=(4, 2),
            more=table(neg=b"\x88"),
        ),
        negative=tensor(
            2, 2, of=storage("FloatStorage", "0", 4), strides=(1, 2), more=table(neg=b"\x88")
        ),
        plain=tensor(4, of=storage("FloatStorage", "0", 4), more=b"N"),
    )
    content = archive(pickled(value), data, byteorder=order)
    found = tensors_of(content)
    right = {
        "conjugated": [1 - 2j, 3 + 4j],
        "both": [-1 + 2j, -3 - 4j],
        "neither": [1 + 2j, 3 - 4j],
        "imaginary": [[-2, 4]],
        "negative": [[-1, -3], [-2, 4]],
        "plain": [1, 2, 3, -4],
    }
    assert {name_: tensor.read().tolist() for name_, tensor in found.items()} == right
    assert [name_ for name_, tensor in found.items() if not tensor.carried] == ["plain"]
    assert all(tensor.read().dtype == tensor.dtype for tensor in found.values())
    blocks = {name_: np.concatenate([*tensor.blocks()]) for name_, tensor in found.items()}
    assert blocks["negative"].tolist() == [-1, -2, -3, 4]  # in the file's order
    assert blocks["conjugated"].tolist() == right["conjugated"]
    assert there_and_back(content) == content


def test_marks_that_are_not_known() -> None:
    for value in (tensor(4, more=table(neg=b"\x88")), tensor(4, more=table(other=b"\x88"))):
        with pytest.raises(UnsupportedError, match="unknown marks"):
            one(value)
    huge = tensor(2**40, of=storage("FloatStorage", "0", 1), strides=(0,), more=table(neg=b"\x88"))
    with pytest.raises(UnsupportedError, match="expanded"):
        one(huge).read()


@pytest.mark.parametrize(
    ("type_", "label"),
    [("QUInt4x2Storage", "quint4x2"), ("ComplexFloatStorage", "complex64")],
)
def test_types_that_are_carried(type_: str, label: str) -> None:
    found = one(tensor(1, of=storage(type_, "0", 1)), {"0": bytes(range(8))})
    assert found.carried
    assert found.label == label
    assert found.holes() == []
    assert found.read().tobytes() == bytes(range(found.stored_bytes))


def test_strides_that_are_never_stepped_along() -> None:
    for shape, strides in (((1, 4), (2**62, 1)), ((0, 4), (2**62, 2**62)), ((4, 1), (1, 0))):
        assert one(tensor(*shape, strides=strides)).read().shape == shape
    assert one(tensor(4, 1, strides=(1, 0))).carried == ""


def test_a_view_of_more_elements_than_memory_has() -> None:
    found = one(tensor(2**40, 2, strides=(0, 1)))
    assert found.stored_bytes == 2
    assert found.read()[2**39].tolist() == [1, 0]
    assert next(found.blocks())[:4].tolist() == [1, 0, 1, 0]


def test_zip64() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zip_:
        for member, data in (("m/data.pkl", pickled(tensor(4))), ("m/data/0", b"1234")):
            with zip_.open(member, "w", force_zip64=True) as stream:
                stream.write(data)
    content = file.getvalue()
    assert tensors_of(content)["tensor"].read().tobytes() == b"1234"
    assert there_and_back(content) == content


def test_archives_are_told_apart(tmp_path: Path) -> None:
    def kind(content: bytes) -> str:
        return dumps.recognise(io.BytesIO(content)).name

    assert kind(archive(pickled(tensor(4)))) == "pytorch"
    assert kind(archive(pickled(b"N"))[:-30]) == "pytorch"
    np.savez(tmp_path / "a.npz", a=np.int8([1]))
    plain = (tmp_path / "a.npz").read_bytes()
    assert kind(plain) == kind(plain[:-30]) == "npz"
    mixed = archive(pickled(b"N"), more={"a.npy": plain})
    assert kind(mixed) == "npz"
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as zip_:
        zip_.writestr("notes.txt", b"text")
        zip_.writestr("m/data.pkl", pickled(tensor(4)))
        zip_.writestr("m/data/0", b"1234")
    assert kind(other.getvalue()) == "pytorch"
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as zip_:
        zip_.writestr("notes.txt", b"text")
    with pytest.raises(UnsupportedError, match="no NPZ and no PyTorch file"):
        opened(empty.getvalue())


# --- Hostile pickles ----------------------------------------------------------------------


class Payload:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_is_ever_run(protocol: int, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    data = pickle.dumps({"a": Payload(trace)}, protocol)
    path = tmp_path / "hostile.pt"
    path.write_bytes(archive(data))
    for action in (fmcompress.stats, lambda path: fmcompress.compress(path, tmp_path / "out")):
        with pytest.raises(UnsupportedError, match=r"needs '(posix|nt)\.mkdir'") as caught:
            action(path)
        assert "nothing in a pickle is ever run" in str(caught.value)
    assert [*tmp_path.iterdir()] == [path]
    pickle.loads(data)
    assert trace.is_dir()  # it would have worked


SYSTEM = several(text("touch /tmp/trace"))
V2 = name("torch._utils", "_rebuild_tensor_v2")
RUNNING = {
    "os.system": name("os", "system") + SYSTEM + b"R",
    "posix.system": name("posix", "system") + SYSTEM + b"R",
    "eval": name("builtins", "eval") + SYSTEM + b"R",
    "Python 2's eval": name("__builtin__", "eval") + SYSTEM + b"R",
    "getattr": name("builtins", "getattr") + several(name("os", "system"), text("a")) + b"R",
    "a name by itself": name("os", "system"),
    "by the stack": text("os") + text("system") + b"\x93" + SYSTEM + b"R",
    "dots in a name": text("torch._utils") + text("os.system") + b"\x93" + SYSTEM + b"R",
    "dots behind a name": text("torch") + text("Size.__class__") + b"\x93",
    "module of a known name": name("torch.storage", "_load_from_bytes") + SYSTEM + b"R",
    "a name of numbers": b"K\x01K\x02\x93",
    "a name made of a name": name("torch", "Size") + text("x") + b"\x93",
    "nested pickle": name("pickle", "loads") + several(text("x")) + b"R",
    "torch.load": name("torch", "load") + SYSTEM + b"R",
    "a call of text": text("eval") + SYSTEM + b"R",
    "a call of a tensor": tensor(4) + SYSTEM + b"R",
    "a call of a mere name": name("torch", "FloatStorage") + SYSTEM + b"R",
    "a call of a dtype": name("torch", "float32") + b")R",
    "a call with no tuple": name("torch", "Size") + b"]R",
    "a new object": name("collections", "OrderedDict") + b")\x81",
    "a new object with keywords": name("collections", "OrderedDict") + b")}\x92",
    "an instance": b"(" + text("x") + b"ios\nsystem\n",
    "an object": b"(" + name("collections", "OrderedDict") + text("x") + b"o",
    "an extension": b"\x82\x01",
    "state of a tensor": tensor(4) + table(__setstate__=b"N") + b"b",
    "state of a name": V2 + table(__reduce__=b"N") + b"b",
    "state of a list": b"]N\x86b",
    "items of a name": V2 + text("a") + b"Ns",
    "items of a list": b"]K\x00Ns",
    "appended to a name": V2 + b"Na",
    "appended to a dict": b"}Na",
    "a persistent name": b"Pos.system\n",
    "an identity of another kind": text("module") + b"Q",
    "a type that is none": name("torch._tensor", "_rebuild_from_type_v2")
    + several(name("torch", "Size"), name("torch", "Tensor"), several(), b"N")
    + b"R",
    "a type that calls itself": name("torch._tensor", "_rebuild_from_type_v2")
    + several(name("torch._tensor", "_rebuild_from_type_v2"), b"N", several(), b"N")
    + b"R",
    "a buffer": b"\x97",
    "text of protocol 0": b"S'a'\n",
    "a higher protocol": b"\x80\x06",
}


@pytest.mark.parametrize("case", RUNNING)
def test_what_could_run_is_refused(case: str) -> None:
    error = bounded(lambda: opened(archive(pickled(RUNNING[case] + b"0N"))))
    assert isinstance(error, UnsupportedError | DamagedError)


def nested(depth: int, start: bytes, end: bytes) -> bytes:
    return start * depth + b"N" + end * depth


LAUGHS = (
    b"]q\x00"
    + b"0"
    + b"".join(
        b"](" + b"h" + bytes([level]) + b"2" * 9 + b"eq" + bytes([level + 1]) + b"0"
        for level in range(60)
    )
)
WORDS = text("a" * 60_000)
BOMBS = {
    "a billion laughs": LAUGHS + b"h\x3c",
    "a billion laughs in dicts": b"}q\x00" + b"".join(text(f"{n}") + b"h\x00s" for n in range(9)),
    "a list that holds itself": b"]q\x00h\x00a",
    "many in itself": b"]q\x00(" + b"h\x00" * 5000 + b"e",
    "deep tuples": nested(30_000, b"", b"\x85"),
    "deep lists": b"](" * 900 + b"N" + b"e" * 900,
    "deep marks": b"(" * 100_000,
    "many lists": b"](" + b"]" * 40_000 + b"e",
    "many memos": b"N" + b"".join(b"r" + n.to_bytes(4, "little") for n in range(40_000)),
    "many constants": b"N" * 300_000,
    "a long integer": b"\x8b\xff\xff\xff\x7f",
    "a negative length": b"\x8b\xff\xff\xff\xff",
    "an integer of 4 KB": b"\x8b\x00\x10\x00\x00" + bytes(4096),
    "a long text": b"\x8d" + b"\xff" * 7 + b"\x7f",
    "long bytes": b"\x8e" + b"\xff" * 8,
    "a long bytearray": b"\x96" + b"\xff" * 8,
    "a long frame": b"\x95" + b"\xff" * 8,
    "a name without end": b"c" + b"a" * 100_000,
    "a path without end": b"}" + text("a" * 60_000) + tensor(4) + b"s",
    "a long key again and again": WORDS
    + b"q\x000]q\x01("
    + (b"}h\x00" + tensor(4) + b"s")
    + b"}h\x00h\x01s" * 1000
    + b"e",
    "a key of texts": WORDS + b"q\x00" + b"0}(" + b"h\x00" * 500 + b"tNs",
    "bytes again and again": WORDS
    + b"q\x000"
    + b"("
    + (name("_codecs", "encode") + b"q\x01h\x00" + text("latin1") + b"\x86R")
    + b"h\x01h\x00h\x00\x86R" * 5_000
    + b"t",
    "lists made of a list": b"]("
    + b"N" * 50_000
    + b"e\x85q\x000("
    + name("builtins", "set")
    + b"q\x01"
    + b"h\x01h\x00R" * 5_000
    + b"t",
}


@pytest.mark.parametrize("case", BOMBS)
def test_bombs(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused or taken: in bounded memory, and soon. Limits are a sixteenth of what they are."""
    monkeypatch.setattr(pickle_machine, "MAX_OPERATIONS", pickle_machine.MAX_OPERATIONS // 16)
    monkeypatch.setattr(pickle_machine, "MAX_OBJECTS", pickle_machine.MAX_OBJECTS // 16)
    monkeypatch.setattr(pytorch_objects, "_MAX_VISITS", pytorch_objects._MAX_VISITS // 16)
    content = archive(pickled(BOMBS[case]))

    def action() -> None:
        opened(content)
        raise DamagedError("taken")

    bounded(action, 12 << 20)


def test_many_names_of_one_tensor() -> None:
    value = b"]q\x00(" + tensor(4) + b"q\x01" + b"h\x01" * 70_000 + b"e"
    error = bounded(lambda: opened(archive(pickled(value))), 4 * hostile.MOST_BYTES)
    assert "tensors" in str(error)


# --- Tensors that contradict themselves ---------------------------------------------------

WRONG = {
    "past the end": tensor(5),
    "offset past the end": tensor(3, offset=2),
    "strides past the end": tensor(2, strides=(4,)),
    "huge": tensor(2**62, strides=(1,)),
    "huge, without step": tensor(2**62, 2**62, strides=(0, 0)),
    "huge, without elements": tensor(2**62, 2**62, 0, strides=(0, 0, 0)),
    "axis of 2**63": tensor(2**63, strides=(0,)),
    "negative axis": tensor(-1, -4, strides=(1, 1)),
    "negative stride": tensor(2, strides=(-1,), offset=1),
    "negative offset": tensor(2, offset=-1),
    "fewer strides than axes": tensor(2, 2, strides=(1,)),
    "many axes": tensor(*(1,) * 65),
    "numel is a lie": tensor(8, of=storage(count=8)),
    "numel is negative": tensor(0, of=storage(count=-1)),
    "storage of wider elements": tensor(2, of=storage("LongStorage", "0", 2)),
    "missing storage": tensor(4, of=storage(key="7")),
    "storage elsewhere": tensor(4, of=storage(key="../data.pkl")),
    "no storage": tensor(4, of=b"N"),
    "a tensor as storage": tensor(4, of=tensor(4)),
    "no dtype": tensor(4, dtype="per_tensor_affine"),
    "too few arguments": V2 + several(storage()) + b"R",
    "too many arguments": V2 + several(*[b"N"] * 20) + b"R",
    "a shape of text": V2
    + several(storage(), number(0), several(text("4")), counts(1), b"\x89", b"N")
    + b"R",
    "a shape of truth": V2
    + several(storage(), number(0), several(b"\x88"), counts(1), b"\x89", b"N")
    + b"R",
    "a shape of lists": V2 + several(storage(), number(0), b"]", b"]", b"\x89", b"N") + b"R",
    "an unknown storage": storage("FloatTensor"),
    "two of one path": b"}(" + text("1") + tensor(4) + b"K\x01" + tensor(4) + b"u",
    "a parameter that is none": name("torch._utils", "_rebuild_parameter")
    + several(b"N", b"\x88", b"N")
    + b"R",
    "cut": b"](" + tensor(4),
    "nothing": b"",
    "a missing memo": b"h\x07",
    "an empty stack": b"00",
    "a mark that is none": b"t",
    "an odd number of items": b"}(N" + b"u",
    "text that is not UTF-8": b"X\x01\x00\x00\x00\xff",
    "a list as key": b"}]Ns",
    "a tensor as key": b"}" + tensor(4) + b"Ns",
}


def quantised(*quantizer: bytes) -> bytes:
    parts = (storage("QInt8Storage"), number(0), counts(2, 2), counts(2, 1))
    hooks = (b"\x89", b"N")
    maker = name("torch._utils", "_rebuild_qtensor")
    return maker + several(*parts, several(*quantizer), *hooks) + b"R"


SCALE = b"G" + struct.pack(">d", 0.5)
PER_TENSOR, PER_CHANNEL = (
    name("torch", "per_tensor_affine"),
    name("torch", "per_channel_affine"),
)
HALVES = tensor(2, of=storage("FloatStorage", "1", 2))
WRONG |= {
    "scale of text": quantised(PER_TENSOR, text("a"), number(0)),
    "zero point of text": quantised(PER_TENSOR, SCALE, text("a")),
    "an axis per tensor": quantised(PER_TENSOR, SCALE, number(0), number(0)),
    "no axis": quantised(PER_CHANNEL, HALVES, HALVES),
    "an axis too high": quantised(PER_CHANNEL, HALVES, HALVES, number(2)),
    "an axis too low": quantised(PER_CHANNEL, HALVES, HALVES, number(-1)),
    "numbers per channel": quantised(PER_CHANNEL, SCALE, number(0), number(0)),
    "scales of another length": quantised(PER_CHANNEL, tensor(4), HALVES, number(0)),
    "scales without a step": quantised(PER_CHANNEL, tensor(2, strides=(0,)), HALVES, number(0)),
    "no scheme": quantised(SCALE, SCALE, number(0)),
    "nothing at all": quantised(),
}


@pytest.mark.parametrize("case", WRONG)
def test_contradictions_are_refused(case: str) -> None:
    content = archive(pickled(WRONG[case]), {"0": bytes(4), "1": bytes(8)})
    bounded(lambda: opened(content))


def test_quantised_by_hand() -> None:
    content = archive(
        pickled(quantised(PER_CHANNEL, HALVES, HALVES, number(1))),
        {"0": bytes(4), "1": np.float32([0.5, 2]).tobytes()},
    )
    attributes = tensors_of(content)["tensor"].attributes
    assert attributes["scale"].tolist() == attributes["zero_point"].tolist() == [0.5, 2]
    assert attributes["axis"] == 1
    assert there_and_back(content) == content


def test_scales_that_are_not_in_the_archive() -> None:
    lost = archive(pickled(quantised(PER_CHANNEL, HALVES, HALVES, number(1))), {"0": bytes(4)})
    with pytest.raises(DamagedError, match="no storage '1'"):
        _ = tensors_of(lost)["tensor"].attributes
    error = hostile.error_of(lambda: fmcompress.compress(io.BytesIO(lost), io.BytesIO()))
    assert error is None or error.exit_code == 3


# --- Archives that lie --------------------------------------------------------------------


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_compressed_members_are_refused(method: int) -> None:
    with pytest.raises(UnsupportedError, match="compressed"):
        opened(archive(pickled(tensor(4)), {"0": bytes(4000)}, method=method))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name() -> None:
    with pytest.raises(DamagedError, match="have this name"):
        opened(archive(pickled(tensor(4)), more={"maps/data/0": b"more"}))


@pytest.mark.parametrize("more", ["other/data.pkl", "maps/constants.pkl", "maps/code/x.py"])
def test_members_of_other_kinds_of_archive(more: str) -> None:
    with pytest.raises(UnsupportedError):
        opened(archive(pickled(tensor(4)), more={more: b"x"}))


@pytest.mark.parametrize("order", [b"", b"middle", b"little ", b"big" * 9])
def test_unknown_byte_order(order: bytes) -> None:
    if order:
        with pytest.raises(FmcError):
            opened(archive(pickled(tensor(4)), byteorder=order))


def changed(content: bytes, at: int, value: int, size: int = 4) -> bytes:
    return content[:at] + value.to_bytes(size, "little") + content[at + size :]


# Offsets in an entry of the directory: flags, method, sizes, name's length, local header.
FIELDS = {"flags": (8, 2), "method": (10, 2), "packed": (20, 4), "size": (24, 4), "local": (42, 4)}


@pytest.mark.parametrize("value", [0, 1, 5, 1000, 0xFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("member", ["maps/data.pkl", "maps/data/0"])
def test_a_directory_that_lies(member: str, field: str, value: int) -> None:
    content = archive(pickled(table(a=tensor(4))))
    entry = content.rindex(member.encode()) - 46
    place, size = FIELDS[field]
    if value >= 1 << 8 * size:
        return
    lying = changed(content, entry + place, value, size)
    try:
        back = there_and_back(lying)
    except FmcError as error:
        assert error.exit_code in (3, 4)  # noqa: PT017
    else:
        assert back == lying


def test_members_that_overlap() -> None:
    content = archive(pickled(table(a=tensor(4), b=tensor(4, of=storage(key="1")))),
                      {"0": b"1234", "1": b"5678"})  # fmt: skip
    first, second = (content.index(b"maps/data/" + key) - 30 for key in (b"0", b"1"))
    entry = content.rindex(b"maps/data/1") - 46
    assert content[entry + 42 : entry + 46] == second.to_bytes(4, "little")
    with pytest.raises(DamagedError, match=r"another (one|name)"):
        opened(changed(content, entry + 42, first))


def test_a_local_header_of_another_name() -> None:
    content = bytearray(archive(pickled(tensor(4))))
    content[content.index(b"maps/data/0") + 10] ^= 1
    with pytest.raises(DamagedError, match="another name"):
        opened(bytes(content))


@pytest.mark.parametrize("extra", [4, 60, 200, 0xFFFF])
def test_a_local_header_that_is_longer(extra: int) -> None:
    """Alignment makes it so in torch's files; it may not reach into what follows."""
    content = archive(pickled(tensor(4)))
    at = content.index(b"maps/data/0") - 2
    with pytest.raises(DamagedError):
        opened(changed(content, at, extra, 2))


@pytest.mark.parametrize("stem", ["lone", "quantised"])
def test_every_truncation(stem: str, tmp_path: Path) -> None:
    content = (GOLDEN / f"{stem}.pt").read_bytes()
    for size in range(0, len(content), 1 if stem == "lone" else 7):
        error = hostile.error_of(
            lambda size=size: fmcompress.compress(io.BytesIO(content[:size]), tmp_path / "out")
        )
        assert error is not None, size
        assert error.exit_code in (3, 4), (size, error)
        assert error.exit_code == 3 or size < 60, (size, error)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("stem", ["quantised", "nested", "protocol_5"])
def test_every_changed_byte_of_the_pickle(stem: str) -> None:
    """What is still a pickle of tensors gives them, from within the file; the rest is refused."""
    content = (GOLDEN / f"{stem}.pt").read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as zip_:
        info = next(info for info in zip_.infolist() if info.filename.endswith("data.pkl"))
        data = zip_.read(info)
    start = content.index(data)
    for at, change in itertools.product(range(start, start + len(data)), (0x01, 0x40, 0xFF)):
        lying = content[:at] + bytes([content[at] ^ change]) + content[at + 1 :]
        try:
            for tensor_ in opened(lying).tensors:
                _ = tensor_.attributes
                tensor_.read()
        except FmcError as error:
            assert error.exit_code in (3, 4)  # noqa: PT017


@pytest.mark.parametrize("stem", ["lone", "views"])
def test_changed_bytes_come_back_or_are_refused(stem: str) -> None:
    content = (GOLDEN / f"{stem}.pt").read_bytes()
    for at in range(0, len(content), 5 if stem == "lone" else 23):
        for value in {0xFF, content[at] ^ 0x41} - {content[at]}:
            lying = content[:at] + bytes([value]) + content[at + 1 :]
            try:
                back = there_and_back(lying)
            except FmcError as error:
                assert error.exit_code in (3, 4)  # noqa: PT017
            else:
                assert back == lying


def test_a_container_whose_template_is_no_archive(tmp_path: Path) -> None:
    """Restoring needs no archive; reading a carried layer from it does."""
    data = hostile.container(
        hostile.dump(34, "pytorch"),
        hostile.template((0, b"PK" + bytes(28))),
        hostile.layers(
            hostile.row("a", place={"offset": 30}),
            {"name": "b", "shape": [2], "dtype": "int8", "carried": {"reason": "", "bytes": 2}},
        ),
        hostile.chunk([1, 0, 0, 5]),
    )
    with fmcompress.open(io.BytesIO(data)) as file:
        assert file["a"][...].tolist() == [1, 0, 0, 5]
        with pytest.raises(FmcError):
            file["b"][...]
