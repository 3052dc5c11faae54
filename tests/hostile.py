"""Containers built record by record: damaged, or lying with right checksums."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import h5py
import numpy as np

import fmcompress
from fmcompress import records
from fmcompress.errors import FmcError
from fmcompress.records import Kind, Piece
from fmcompress.reference import encode

INT8 = {"format": "int8", "zero_point": 0, "zero_point_from": "none"}
EBPC = {"name": "ebpc", "block_size": 8, "max_burst": 16, "difference": "signed"}
# More than any of these small files needs; far less than what the hostile ones promise.
MOST_BYTES = 40 << 20
MOST_SECONDS = 60.0


class Part(NamedTuple):
    """A record to be written: whatever it says, its checksum will be right."""

    kind: Kind
    code: int
    payload: bytes


class Pipe(io.RawIOBase):
    """A source that gives a few bytes at a time, or a sink; it cannot seek."""

    def __init__(self, data: bytes = b"", most: int = 7) -> None:
        self.data = bytearray(data)
        self._most = most
        self._at = 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, buffer: Any) -> int:
        part = self.data[self._at : self._at + min(len(buffer), self._most)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)


# --- Records -------------------------------------------------------------------------------


def dump(nbytes: int, name: str = "npy", **more: Any) -> Part:
    """Say what dump it is."""
    return Part(Kind.DUMP, 0, json.dumps({"format": name, "bytes": nbytes, **more}).encode())


def template(*segments: tuple[int, bytes]) -> Part:
    """Make a template piece as the writer does."""
    places = tuple((offset, len(data)) for offset, data in segments)
    piece = Piece(places, b"".join(data for _, data in segments))
    return Part(Kind.TEMPLATE, *records.format_template(piece))


def raw_template(places: Sequence[tuple[int, int]], data: bytes, code: int = 0) -> Part:
    """Make a template piece whose table may lie; `data` is taken as it is."""
    table = b"".join(
        offset.to_bytes(8, "little") + size.to_bytes(8, "little") for offset, size in places
    )
    return Part(Kind.TEMPLATE, code, len(places).to_bytes(4, "little") + table + data)


def row(name: str = "a", shape: Iterable[int] = (4,), **more: Any) -> dict[str, Any]:
    """Describe an int8 layer in a JSON-able way; `None` removes a key."""
    value = {
        "name": name,
        "shape": list(shape),
        "dtype": "|i1",
        "words": INT8,
        "codec": EBPC,
        "chunk_words": 1 << 16,
        "place": {"offset": 0},
        **more,
    }
    return {key: value for key, value in value.items() if value is not None}


def layers(*rows: Any, defaults: Any = None) -> Part:
    """Describe layers."""
    value: dict[str, Any] = {"layers": list(rows)}
    if defaults is not None:
        value["defaults"] = defaults
    return json_layers(json.dumps(value).encode())


def json_layers(text: bytes) -> Part:
    """Make a LAYERS record of any text."""
    return Part(Kind.LAYERS, *records.pack(text))


def chunk(words: Sequence[int], word_bits: int = 8, codec: int = 1) -> Part:
    """Code words as the writer does, with the default parameters of EBPC."""
    streams = encode(words, word_bits) if codec == 1 else (b"", bytes(words))
    return raw_chunk(len(words), list(words).count(0), *streams, codec=codec)


def raw_chunk(words: int, zeros: int, znz: bytes, bpc: bytes, codec: int = 1) -> Part:
    """Make a chunk that may lie."""
    return Part(Kind.CHUNK, codec, records.format_chunk(words, zeros, len(znz)) + znz + bpc)


# --- Containers ----------------------------------------------------------------------------


def container(
    *parts: Part,
    index: Callable[[list[bytes]], bytes] = b"".join,
    index_offset: int | None = None,
) -> bytes:
    """Put records together with right checksums, index and trailer.

    `index` makes the index of the right entries; `index_offset` is what the trailer says.
    """
    data = records.format_header()
    entries = []
    for part in parts:
        head, entry = records.format_record(part.kind, part.code, part.payload, len(data))
        data += head + part.payload
        entries.append(entry)
    at = len(data)
    payload = index(entries)
    data += records.format_record(Kind.INDEX, 0, payload, at)[0] + payload
    end = len(data) + records.TRAILER_BYTES
    return data + records.format_trailer(at if index_offset is None else index_offset, end)


def npy_head(count: int) -> bytes:
    """Return the NPY header of a 1-D int8 array."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "|i1", "fortran_order": False, "shape": (count,)}
    )
    return file.getvalue()


def npy(values: Sequence[int], /, *chunks: Part, **more: Any) -> bytes:
    """Make a container of an NPY file of these int8 words; `more` goes into the description."""
    head = npy_head(len(values))
    return container(
        dump(len(head) + len(values)),
        template((0, head)),
        layers(row("arr_0", **{"shape": [len(values)], "place": {"offset": len(head)}, **more})),
        *(chunks or (chunk(values),)),
    )


def record_spans(data: bytes) -> list[tuple[int, int, int]]:
    """Return kind, start and end of every record of a whole container, without its index."""
    index_offset = records.parse_trailer(data[-records.TRAILER_BYTES :], len(data))
    payload = data[index_offset + records.HEAD_BYTES : -records.TRAILER_BYTES]
    return [
        (record.kind, record.offset, record.end)
        for record, _ in records.parse_index(payload, index_offset)
    ]


def newer_version(data: bytes) -> bytes:
    """Make a container of the next version of the format."""
    with mock.patch.object(records, "VERSION", records.VERSION + 1):
        return records.format_header() + data[records.HEADER_BYTES :]


def write_filtered(path: Path, number: int, *, mandatory: bool) -> None:
    """Write an HDF5 file with a dataset ``a`` of a filter that is not installed."""
    with h5py.File(path, "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((4,))
        plist.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (3,))
        space = h5py.h5s.create_simple((4,))
        dataset = h5py.h5d.create(file.id, b"a", h5py.h5t.STD_I8LE, space, plist)
        dataset.write_direct_chunk((0,), b"filtered", 0)
    if mandatory:  # the library writes no such file without the filter
        data = path.read_bytes()
        at = data.index(number.to_bytes(2, "little")) + 4
        assert data[at] == h5py.h5z.FLAG_OPTIONAL
        path.write_bytes(data[:at] + b"\0" + data[at + 1 :])


# --- What must happen ----------------------------------------------------------------------


def error_of(action: Callable[[], Any]) -> FmcError | None:
    """Return the `FmcError` that an action raises; any other passes."""
    try:
        action()
    except FmcError as error:
        return error
    return None


def assert_refused(
    data: bytes,
    folder: Path,
    codes: tuple[int, ...] = (3, 4),
    *,
    verified: bool = False,
    most_bytes: int = MOST_BYTES,
) -> FmcError:
    """Check that a container is refused quickly, without allocating, and leaves nothing behind.

    `verified` says that `verify`, which puts nothing back, may find it whole.
    """
    whole: list[bool] = []
    target = folder / "restored"
    start = time.monotonic()
    tracemalloc.start()
    try:
        checked = error_of(lambda: whole.append(fmcompress.verify(io.BytesIO(data)).ok))
        error = error_of(lambda: fmcompress.decompress(io.BytesIO(data), target))
        error_of(lambda: list(fmcompress.open(io.BytesIO(data))))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error is not None, "decompress took it"
    assert error.exit_code in codes, repr(error)
    assert checked is None or checked.exit_code in (3, 4), repr(checked)
    assert verified or whole != [True], "verify found nothing"
    assert peak < most_bytes
    assert time.monotonic() - start < MOST_SECONDS
    assert [path.name for path in folder.iterdir()] == []
    return error
