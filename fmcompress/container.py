"""Write a container in one pass; read one front to back (docs/FORMAT.md).

It imports neither numpy nor numba, so that a file's contents are listed at once.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from fmcompress import records
from fmcompress.contents import (
    ChunkInfo,
    Contents,
    LayerInfo,
    layers_to_json,
    parse_dump,
    parse_layers,
    to_json,
)
from fmcompress.errors import DamagedError
from fmcompress.records import Kind, Piece, Record

# A LAYERS record is written once its layers' chunks or their descriptions reach these sizes.
GROUP_BYTES = 1 << 20
GROUP_JSON_BYTES = 1 << 18


class Writer:
    """Write a container in one pass: `dump`, `template`…, then `layer`, `chunk`… each, `finish`.

    Parameters
    ----------
    target : binary file
        Written from its present position on; need not be seekable.
    """

    def __init__(self, target: BinaryIO) -> None:
        self.contents = Contents()
        self._target = target
        self._offset = 0
        self._index: list[bytes] = []
        self._waiting_layers: list[LayerInfo] = []
        self._waiting_chunks: list[tuple[int, bytes, bytes, bytes]] = []
        self._waiting_bytes = 0
        self._waiting_json_bytes = 0
        self._parts: list[bytes] = []
        self._put(records.format_header())

    def dump(self, description: dict[str, Any]) -> None:
        """Begin with what kind of dump this is and how many bytes it has."""
        self.contents.dump = description
        self._record(Kind.DUMP, 0, to_json(description))

    def template(self, piece: Piece) -> None:
        """Add a piece of the dump's template."""
        encoding, payload = records.format_template(piece)
        self.contents.template_bytes += len(payload)
        self._record(Kind.TEMPLATE, encoding, payload)
        self._write()

    def layer(self, info: LayerInfo) -> None:
        """Begin a layer; its chunks follow."""
        if self._waiting_chunks and not self._waiting_layers:
            self._flush()  # the rest of a large layer, whose description is written already
        self.contents.add_layers([info])
        self._waiting_layers.append(info)
        self._waiting_json_bytes += len(to_json(info.to_json()))
        if self._waiting_json_bytes >= GROUP_JSON_BYTES:
            self._flush()

    def chunk(self, codec: int, words: int, zeros: int, first: bytes, second: bytes) -> None:
        """Add the next chunk of the layer begun last."""
        self.contents.chunks[-1].append(ChunkInfo(codec, words, zeros, len(first), len(second)))
        start = records.format_chunk(words, zeros, len(first))
        self._waiting_chunks.append((codec, start, first, second))
        self._waiting_bytes += len(start) + len(first) + len(second)
        if self._waiting_bytes >= GROUP_BYTES:
            self._flush()

    def finish(self) -> Contents:
        """Write what waits, the index and the trailer; return what was written."""
        self._flush()
        index_offset = self._offset
        self._record(Kind.INDEX, 0, b"".join(self._index))
        self._put(records.format_trailer(index_offset, self._offset + records.TRAILER_BYTES))
        self._write()
        self.contents.total_bytes = self._offset
        return self.contents

    def _flush(self) -> None:
        if self._waiting_layers:
            self._record(Kind.LAYERS, *records.pack(layers_to_json(self._waiting_layers)))
        for codec, *payload in self._waiting_chunks:
            self._record(Kind.CHUNK, codec, *payload)
        self._write()
        self._waiting_layers, self._waiting_chunks = [], []
        self._waiting_bytes = self._waiting_json_bytes = 0

    def _record(self, kind: Kind, code: int, payload: bytes, *streams: bytes) -> None:
        head, entry = records.format_record(kind, code, payload, self._offset, *streams)
        self._index.append(entry)
        self._put(head, payload, *streams)

    def _put(self, *parts: bytes) -> None:
        self._parts += parts
        self._offset += sum(map(len, parts))

    def _write(self) -> None:
        """Write what is there at once: each call of the system costs as much as many bytes."""
        self._target.write(b"".join(self._parts))
        self._parts = []


def peek(source: BinaryIO) -> tuple[dict[str, Any], BinaryIO]:
    """Look at what dump a container holds, without losing anything of a pipe.

    Returns
    -------
    description : dict
        As in the DUMP record.
    source : binary file
        To be read instead, from the container's first byte on.

    Raises
    ------
    DamagedError, UnsupportedError
        As `Scanner`.
    """
    recorder = _Recorder(source)
    for record, payload in Scanner(recorder).records():  # type: ignore[arg-type]
        if record.kind != Kind.DUMP:
            break
        return parse_dump(payload), _replayed(source, bytes(recorder.data))
    raise DamagedError("the file does not begin with what dump it holds")


class _Recorder:
    """Remember what is read."""

    def __init__(self, source: BinaryIO) -> None:
        self.data = bytearray()
        self._source = source

    def read(self, size: int) -> bytes:
        data = self._source.read(size)
        self.data += data
        return data


class _Replay(io.RawIOBase):
    """Give again what was read of a pipe, then the rest of it."""

    def __init__(self, data: bytes, rest: BinaryIO) -> None:
        self._data = memoryview(data)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._data[: len(buffer)] if self._data else self._rest.read(len(buffer))
        self._data = self._data[len(data) :]
        buffer[: len(data)] = data
        return len(data)


def _replayed(source: BinaryIO, data: bytes) -> BinaryIO:
    try:
        source.seek(-len(data), io.SEEK_CUR)
    except (OSError, AttributeError, ValueError):
        return io.BufferedReader(_Replay(data, source), 1 << 20)
    return source


class Scanner:
    """Read a container front to back, from a file or a pipe, checking every byte.

    Parameters
    ----------
    source : binary file
        Read from its present position on.

    Raises
    ------
    DamagedError
        If this is no container, or its header is damaged.
    UnsupportedError
        If its version is newer.
    """

    def __init__(self, source: BinaryIO) -> None:
        self.contents = Contents()
        self.complete = False
        self._source = source
        self._offset = 0
        self._index: list[bytes] = []
        records.check_header(self._read(records.HEADER_BYTES, "header"))

    def records(self) -> Iterator[tuple[Record, bytes]]:
        """Yield every record with its payload, up to the index; then check index and trailer.

        Raises
        ------
        DamagedError
            If a checksum is wrong, or the file ends before its trailer.
        """
        while True:
            record, payload, entry = self._next()
            if record.kind == Kind.INDEX:
                break
            self._index.append(entry)
            yield record, payload
        if payload != b"".join(self._index):
            raise DamagedError("the index does not list the records that are in the file")
        self._check_trailer(record.offset)
        self.contents.total_bytes = self._offset
        self.complete = True

    def _next(self) -> tuple[Record, bytes, bytes]:
        offset = self._offset
        head = self._read(records.HEAD_BYTES, "record")
        record = records.parse_head(head, offset)
        payload = self._read(record.payload_bytes, "record")
        records.check_record(head, payload, offset)
        return record, payload, records.index_entry(head, payload)

    def _check_trailer(self, index_offset: int) -> None:
        trailer = self._read(records.TRAILER_BYTES, "trailer")
        if records.parse_trailer(trailer, self._offset) != index_offset:
            raise DamagedError("the trailer points beside the index")
        if self._source.read(1):
            raise DamagedError(f"there is more data behind the end, from byte {self._offset} on")

    def _read(self, size: int, what: str) -> bytes:
        data = read_up_to(self._source, size)
        if len(data) < size:
            self._offset += len(data)
            if what == "header":
                records.check_header(data)
            raise DamagedError(
                f"the file ends within a {what}, at byte {self._offset}",
                hint="its writing was interrupted, or it was cut: make or fetch it again",
            )
        self._offset += size
        return data


def read_up_to(source: BinaryIO, size: int) -> bytes:
    """Read `size` bytes, or what is left; never allocate much more than there is."""
    parts = []
    while size > 0 and (part := source.read(min(size, 1 << 20))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class Assembly:
    """Put descriptions and chunks, in file order, together to `Contents`, checking that they fit."""

    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self._layer = 0  # the layer that the next chunk belongs to

    def dump(self, payload: bytes) -> None:
        """Take the DUMP record, which comes first and once."""
        if self.contents.dump:
            raise DamagedError("the file holds more than one dump")
        self.contents.dump = parse_dump(payload)

    def template(self, record: Record) -> None:
        """Take notice of a TEMPLATE record, which comes before all layers."""
        self._check_begun()
        if self.contents.layers:
            raise DamagedError("a piece of the template stands among the layers")
        self.contents.template_bytes += record.payload_bytes

    def layers(self, record: Record, payload: bytes) -> list[LayerInfo]:
        """Take a LAYERS record and return its descriptions."""
        self._check_begun()
        self._check_full()
        infos = parse_layers(records.unpack_layers(record, payload))
        for info in infos:
            if info.quantized and not self.contents.dump.get("quantized"):
                raise DamagedError("is quantised, but the dump is not said to be", layer=info.name)
        self.contents.add_layers(infos)
        self._skip_full()
        return infos

    def chunk(self, info: ChunkInfo) -> tuple[int, int]:
        """Take the next chunk; return the numbers of its layer and of the chunk in it."""
        if self._layer == len(self.contents.layers):
            raise DamagedError("a chunk belongs to no layer")
        chunks = self.contents.chunks[self._layer]
        layer, number = self._layer, len(chunks)
        expected = self.contents.layers[layer].words_in_chunk(number)
        if info.words != expected:
            raise DamagedError(
                f"chunk {number} holds {info.words} words, not {expected}",
                layer=self.contents.layers[layer].name,
            )
        chunks.append(info)
        self._skip_full()
        return layer, number

    @property
    def expected(self) -> tuple[int, int] | None:
        """Numbers of the layer and the chunk that come next; None where none must."""
        if self._layer == len(self.contents.layers):
            return None
        return self._layer, len(self.contents.chunks[self._layer])

    def check_complete(self) -> None:
        """Refuse what lacks its dump, or some of its last layer's chunks."""
        self._check_begun()
        self._check_full()

    def _check_begun(self) -> None:
        if not self.contents.dump:
            raise DamagedError("the file does not begin with what dump it holds")

    def _check_full(self) -> None:
        if self._layer < len(self.contents.layers):
            info = self.contents.layers[self._layer]
            have = len(self.contents.chunks[self._layer])
            raise DamagedError(f"holds {have} of its {info.chunks} chunks", layer=info.name)

    def _skip_full(self) -> None:
        layers, chunks = self.contents.layers, self.contents.chunks
        while self._layer < len(layers) and len(chunks[self._layer]) == layers[self._layer].chunks:
            self._layer += 1
