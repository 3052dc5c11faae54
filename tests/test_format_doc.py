"""docs/FORMAT.md: its example is real, and a reader written from it reads what we write."""

from __future__ import annotations

import io
import re
import textwrap
from pathlib import Path

import minimal_reader
import numpy as np
import pytest

import fmcompress
from fmcompress.codecs import CODECS
from fmcompress.contents import LayerInfo

# The worked example of docs/EBPC.md, and zeros behind it.
EXAMPLE = np.array([5, 7, 0, 9, -1, *[0] * 27], np.int8)
DOC = Path(__file__).parents[1] / "docs" / "FORMAT.md"


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def container(dump: bytes, **options: object) -> bytes:
    file = io.BytesIO()
    fmcompress.compress(io.BytesIO(dump), file, **options)  # type: ignore[arg-type]
    return file.getvalue()


def test_example() -> None:
    """Every byte of the example, as hex with what it is."""
    block = re.search(r"```text\n(.*?)```", DOC.read_text(), re.DOTALL)
    assert block is not None
    rows = [line.split("  ", 1)[0] for line in block[1].splitlines()]
    shown = bytes.fromhex("".join(rows))
    dump = npy(EXAMPLE)
    assert len(dump) == 160
    assert shown == container(dump)
    assert minimal_reader.restore(minimal_reader.read(shown)) == dump


def test_keys_are_documented() -> None:
    text = DOC.read_text()
    for key in LayerInfo.__slots__:
        assert f"| `{key}` |" in text


@pytest.mark.parametrize("dtype", ["|i1", "|u1", "<i2", ">u2", "<u4", ">i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_minimal_reader_reads_npy(dtype: str, order: str) -> None:
    random = np.random.default_rng(1)
    array = random.integers(0, 100, (3, 20, 7)) * (random.random((3, 20, 7)) < 0.4)
    dump = npy(np.asarray(array.astype(dtype), order=order))  # type: ignore[call-overload]
    packed = container(dump, chunk_words=100, block_size=4, max_burst=8)
    assert minimal_reader.restore(minimal_reader.read(packed)) == dump


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        ("<f2", {"mapping": "rotate", "order": (2, 0, 1)}),
        (">f4", {"order": (0, 2, 1), "serpentine": True}),
        ("<u2", {"dtype": "bfloat16"}),
        ("|V1", {"dtype": "float8_e4m3fn", "serpentine": True}),
        ("|b1", {"order": (1, 2, 0)}),
        ("<i2", {"word_bits": 9, "zero_point": -3}),
        ("|u1", {"word_bits": 7, "zero_point": [1, 2, 3], "zero_point_axis": 0}),
        ("|i1", {"dtype": "int4", "order": (2, 1, 0)}),
        ("|u1", {"dtype": "int4", "packed": True, "zero_point": 3}),
        ("|u1", {"dtype": "uint4", "packed": True, "order": (1, 0, 2), "serpentine": True}),
        *((dtype, {"codec": name}) for name in CODECS for dtype in ("|i1", "<u2", "<f4")),
    ],
    ids=str,
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_minimal_reader_reads_any_words(dtype: str, options: dict[str, object], order: str) -> None:
    random = np.random.default_rng(4)
    values = random.integers(0, 100, (3, 4, 7)) * (random.random((3, 4, 7)) < 0.6)
    size = np.dtype(dtype).itemsize
    if options.get("dtype") == "int4" and "packed" not in options:
        values = values % 16 - 8
    elif dtype == "|b1":
        values = values % 2
    elif dtype != "<i2" and "word_bits" not in options:
        values = values + (random.random((3, 4, 7)) < 0.1) * 2 ** (8 * size - 1)
    array = (values % 2 ** (8 * size)).astype(f"u{size}").astype(f"{dtype[0]}u{size}").view(dtype)
    dump = npy(np.asarray(array, order=order))  # type: ignore[call-overload]
    read = minimal_reader.read(container(dump, chunk_words=32, **options))
    assert "carried" not in read.layers["arr_0"]
    assert minimal_reader.restore(read) == dump


def test_minimal_reader_reads_quantised_words() -> None:
    values = np.random.default_rng(6).normal(size=(3, 5)).astype(np.float32)
    read = minimal_reader.read(container(npy(values), quantize="fixed12", headroom_axis=0))
    layer = read.layers["arr_0"]
    assert read.dump["quantized"]
    data = minimal_reader.elements(layer, read.words["arr_0"])
    words = np.frombuffer(data, layer["dtype"]).reshape(layer["shape"])
    scale = np.array(layer["quantized"]["scale"])[:, None]
    assert (words == np.trunc(values.astype(np.float64) / scale)).all()


def test_minimal_reader_reads_npz() -> None:
    random = np.random.default_rng(2)
    file = io.BytesIO()
    np.savez(
        file,
        noise=random.integers(-128, 128, 3000).astype(np.int8),
        relu=np.maximum(random.normal(0, 9, (4, 500)), 0).astype(np.int16),
        text=np.array(["a", "b"]),
        floats=random.random(10),
    )
    packed = container(file.getvalue(), chunk_words=700)
    read = minimal_reader.read(packed)
    assert list(read.layers) == ["noise", "relu", "text", "floats"]
    assert minimal_reader.restore(read) == file.getvalue()


def test_minimal_reader_reads_samples(samples: Path) -> None:
    """The HDF5 sample's datasets, by value: chunked ones have no single place."""
    h5py = pytest.importorskip("h5py")
    path = samples / "digits_int8.h5"
    read = minimal_reader.read(container(path.read_bytes()))
    with h5py.File(path) as file:
        for name, layer in read.layers.items():
            if "carried" not in layer:
                assert minimal_reader.elements(layer, read.words[name]) == file[name][...].tobytes()


def example_text() -> str:
    """Write the example of section 11 anew: ``python tests/test_format_doc.py``."""
    data = container(npy(EXAMPLE))
    rows: list[str] = []

    def show(start: int, end: int, what: str) -> None:
        for at in range(start, end, 16):
            row = data[at : min(at + 16, end)].hex(" ")
            rows.append(f"{row:47}  {what}" if at == start else row)

    show(0, 8, "magic")
    show(8, 16, "version 1")
    show(16, 24, "checksum")
    at, kinds = 24, ["", "DUMP", "TEMPLATE", "LAYERS", "CHUNK", "INDEX"]
    while True:
        kind, size = data[at], int.from_bytes(data[at + 4 : at + 8], "little")
        show(at, at + 16, f"{kinds[kind]} record, {size} bytes, and checksum")
        start, end = at + 16, at + 16 + size
        if kind == 2:
            show(start, start + 4, "segments")
            show(start + 4, start + 20, "offset, bytes")
            show(start + 20, end, "the NPY header" + ", bzip2" * data[at + 1])
        elif kind == 4:
            show(start, start + 12, "words, zero words, bytes of ZNZ stream")
            middle = start + 12 + int.from_bytes(data[start + 8 : start + 12], "little")
            show(start + 12, middle, "ZNZ stream")
            show(middle, end, "BPC stream")
        else:
            show(start, end, "heads, sizes" if kind == 5 else "JSON" + ", bzip2" * data[at + 1])
        at = end
        if kind == 5:
            break
    show(at, at + 16, "trailer: offset of INDEX, size of the file")
    show(at + 16, at + 24, '"FMC.END\\n"')
    show(at + 24, at + 32, "checksum")
    return textwrap.dedent("\n".join(rows)) + "\n"


if __name__ == "__main__":
    text = DOC.read_text()
    DOC.write_text(
        re.sub(r"```text\n.*?```", lambda _: f"```text\n{example_text()}```", text, flags=re.DOTALL)
    )
