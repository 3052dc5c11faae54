"""The container's bytes: header, records, index, trailer (docs/FORMAT.md, in its order).

The only module with offsets and checksums; pure functions on bytes.
"""

from __future__ import annotations

import bz2
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import xxhash

from fmcompress.contents import MAX_CHUNK_WORDS, ChunkInfo
from fmcompress.errors import DamagedError, FmcError, UnsupportedError

MAGIC = b"\x89FMC\r\n\x1a\n"
END_MAGIC = b"FMC.END\n"
VERSION = 1
TEMPLATE_PIECE_BYTES = 1 << 20
TEMPLATE_PIECE_SEGMENTS = 1 << 13
MAX_DUMP_BYTES = MAX_LAYERS_BYTES = 1 << 23  # of JSON

_HEADER = struct.Struct("<8sHHIQ")  # magic, version, 0, 0, checksum of the 16 bytes before it
_HEAD = struct.Struct("<BBHI")  # kind, code, 0, payload bytes; then the record's checksum
_CHECKSUM = struct.Struct("<Q")
_CHUNK = struct.Struct("<III")  # words, zero words, bytes of the ZNZ stream
_SEGMENT = struct.Struct("<QQ")  # offset in the dump, bytes
_TRAILER = struct.Struct("<QQ8sQ")  # index offset, file bytes, end magic, checksum of these
HEADER_BYTES = _HEADER.size
HEAD_BYTES = _HEAD.size + _CHECKSUM.size
TRAILER_BYTES = _TRAILER.size

_MAX_PAYLOAD_BYTES = {
    1: MAX_DUMP_BYTES,
    2: TEMPLATE_PIECE_BYTES + (1 << 18),
    3: MAX_LAYERS_BYTES,
    4: 1 << 28,
    5: (1 << 32) - 1,
}
_RAW, _BZIP2 = 0, 1


class Kind(IntEnum):
    """What a record holds."""

    DUMP = 1
    TEMPLATE = 2
    LAYERS = 3
    CHUNK = 4
    INDEX = 5


@dataclass(frozen=True, slots=True)
class Record:
    """One record's head; `offset` is its place in the container."""

    kind: int
    code: int
    payload_bytes: int
    offset: int

    @property
    def end(self) -> int:
        """Offset of the byte behind the record."""
        return self.offset + HEAD_BYTES + self.payload_bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a dump's template: `data` is cut into `segments` (offset, bytes) of the dump."""

    segments: tuple[tuple[int, int], ...]
    data: bytes

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        start = 0
        for offset, size in self.segments:
            yield offset, self.data[start : start + size]
            start += size


def format_header() -> bytes:
    """Return the file header."""
    start = struct.pack("<8sHHI", MAGIC, VERSION, 0, 0)
    return start + _CHECKSUM.pack(xxhash.xxh3_64_intdigest(start))


def format_trailer(index_offset: int, end: int) -> bytes:
    """Return the trailer of a file of `end` bytes."""
    trailer = struct.pack("<QQ8s", index_offset, end, END_MAGIC)
    return trailer + _CHECKSUM.pack(xxhash.xxh3_64_intdigest(trailer))


def format_record(
    kind: Kind, code: int, payload: bytes, offset: int, *streams: bytes
) -> tuple[bytes, bytes]:
    """Return a record's head, with checksum, and its entry in the index.

    Parameters
    ----------
    kind, code, offset
        Of the record.
    payload : bytes
        All of it; or of a chunk what `format_chunk` returns.
    *streams : bytes
        What of the payload comes behind that: it is not copied here.
    """
    size = len(payload) + sum(map(len, streams))
    if size > _MAX_PAYLOAD_BYTES[kind]:
        raise FmcError(f"a {kind.name} record of {size} bytes is too large")
    head = _HEAD.pack(kind, code, 0, size)
    checksum = record_checksum(offset, head, payload, *streams)
    return head + _CHECKSUM.pack(checksum), index_entry(head, payload)


def index_entry(head: bytes, payload: bytes) -> bytes:
    """Return a record's entry in the index: its head without checksum; of a chunk also its sizes."""
    entry = head[: _HEAD.size]
    return entry + payload[: _CHUNK.size] if entry[0] == Kind.CHUNK else entry


def format_chunk(words: int, zeros: int, first_bytes: int) -> bytes:
    """Return the start of a CHUNK record's payload; both streams follow."""
    return _CHUNK.pack(words, zeros, first_bytes)


def record_checksum(offset: int, head: bytes, *payload: bytes) -> int:
    """Checksum of a record: XXH3-64 of head and payload, seeded with its offset in the file."""
    state = xxhash.xxh3_64(head, seed=offset)
    for part in payload:
        state.update(part)
    return state.intdigest()


def is_container(start: bytes) -> bool:
    """Tell whether a file that starts so is a container (or was one)."""
    return start[: len(MAGIC)] == MAGIC


def check_header(header: bytes) -> None:
    """Check the file header.

    Raises
    ------
    DamagedError
        If this is no container, or its header is damaged.
    UnsupportedError
        If its version is newer.
    """
    if not header:
        raise DamagedError("the file is empty", hint="was its writing interrupted?")
    if header.startswith((b"\x89HDF\r\n\x1a\n", b"\x93NUMPY", b"PK\x03\x04")):
        raise UnsupportedError("is a dump, not a compressed file", hint="use 'fmc compress' first")
    if header[: len(MAGIC)] != MAGIC[: len(header)]:
        raise DamagedError(
            "not an fmcompress file, or its first bytes are damaged",
            hint="only files written by 'fmc compress' can be read here",
        )
    if len(header) < _HEADER.size:
        raise DamagedError(
            f"the file ends within its header, at byte {len(header)}",
            hint="its writing was interrupted, or it was cut: make or fetch it again",
        )
    _, version, zero, zeros, checksum = _HEADER.unpack(header)
    if checksum != xxhash.xxh3_64_intdigest(header[:16]):
        raise DamagedError("the header's checksum is wrong")
    if version > VERSION:
        raise UnsupportedError(
            f"format version {version} is newer than {VERSION}", hint="upgrade fmcompress"
        )
    if version != VERSION or zero or zeros:
        raise DamagedError("the header is not valid")


def parse_head(head: bytes, offset: int) -> Record:
    """Read a record's head and check its ranges; of an unknown kind, see `check_known`.

    Raises
    ------
    DamagedError
        If it cannot be a head.
    """
    kind, code, zero, size = _HEAD.unpack(head[: _HEAD.size])
    if not kind or zero:
        raise DamagedError(f"no record starts at byte {offset}")
    most = _MAX_PAYLOAD_BYTES.get(kind, 1 << 28)
    if size > most or (kind == Kind.CHUNK and size < _CHUNK.size):
        raise DamagedError(f"the record at byte {offset} has an impossible size")
    return Record(kind, code, size, offset)


def check_known(record: Record) -> None:
    """Refuse a record, whose checksum is right, of a kind or code that is unknown.

    Raises
    ------
    UnsupportedError
        If it is.
    """
    plain = record.kind in (Kind.DUMP, Kind.INDEX) and record.code == 0
    if not plain and record.kind not in (Kind.TEMPLATE, Kind.LAYERS, Kind.CHUNK):
        raise UnsupportedError(
            f"the record at byte {record.offset} is of an unknown kind ({record.kind}, "
            f"{record.code})",
            hint="written by a newer version: upgrade fmcompress",
        )


def check_record(head: bytes, payload: bytes, offset: int) -> None:
    """Compare a record with its checksum.

    Raises
    ------
    DamagedError
        If they differ.
    UnsupportedError
        If its kind is unknown to this version.
    """
    (checksum,) = _CHECKSUM.unpack(head[_HEAD.size :])
    if checksum != record_checksum(offset, head[: _HEAD.size], payload):
        raise DamagedError(f"the checksum of the record at byte {offset} is wrong")
    check_known(parse_head(head, offset))


def parse_trailer(trailer: bytes, end: int) -> int:
    """Check the trailer of a file of `end` bytes and return the index's offset.

    Raises
    ------
    DamagedError
        If this is no trailer, or that of another file.
    """
    index_offset, file_bytes, magic, checksum = _TRAILER.unpack(trailer)
    if magic != END_MAGIC or checksum != xxhash.xxh3_64_intdigest(trailer[: -_CHECKSUM.size]):
        raise DamagedError(
            "the file does not end with a trailer",
            hint="its writing was interrupted, or it was cut or damaged: try 'fmc verify'",
        )
    if file_bytes != end or not _HEADER.size <= index_offset < end:
        raise DamagedError("the trailer does not fit the file")
    return int(index_offset)


def pack(data: bytes) -> tuple[int, bytes]:
    """Return `data` compressed with bzip2 if that is smaller, and the code that says so."""
    packed = bz2.compress(data)
    return (_BZIP2, packed) if len(packed) < len(data) else (_RAW, data)


def unpack(code: int, data: bytes, most_bytes: int) -> bytes:
    """Undo `pack`.

    Raises
    ------
    DamagedError
        If it cannot be undone, or gives more than `most_bytes`.
    UnsupportedError
        If the code is unknown.
    """
    if code not in (_RAW, _BZIP2):
        raise UnsupportedError(f"unknown encoding {code} of a record", hint="upgrade fmcompress")
    if code == _BZIP2:
        unpacker = bz2.BZ2Decompressor()
        try:
            data = unpacker.decompress(data, max_length=most_bytes + 1)
        except (OSError, ValueError) as error:
            raise DamagedError("a record cannot be unpacked") from error
        if not unpacker.eof or unpacker.unused_data:
            raise DamagedError("a record cannot be unpacked: it is cut, too large or too long")
    return data


def format_template(piece: Piece) -> tuple[int, bytes]:
    """Return a TEMPLATE record's encoding and payload."""
    table = struct.pack("<I", len(piece.segments))
    table += b"".join(_SEGMENT.pack(*segment) for segment in piece.segments)
    # A piece out of the middle of one long segment is bulk data, slow to compress in vain.
    bulk = len(piece.segments) == 1 and len(piece.data) == TEMPLATE_PIECE_BYTES
    code, data = (_RAW, piece.data) if bulk else pack(piece.data)
    return code, table + data


def unpack_layers(record: Record, payload: bytes) -> bytes:
    """Return the JSON of a LAYERS record."""
    return unpack(record.code, payload, MAX_LAYERS_BYTES)


def parse_template(record: Record, payload: bytes) -> Piece:
    """Read a TEMPLATE record.

    Raises
    ------
    DamagedError
        If its table and its data contradict each other.
    """
    count = int.from_bytes(payload[:4], "little")
    end = 4 + count * _SEGMENT.size
    if len(payload) < max(end, 4):
        raise DamagedError("a template's table is cut")
    segments = tuple(_SEGMENT.iter_unpack(payload[4:end]))
    size = sum(length for _, length in segments)
    if size > TEMPLATE_PIECE_BYTES:
        raise DamagedError("a template piece is too large")
    data = unpack(record.code, payload[end:], size)
    if len(data) != size:
        raise DamagedError("a template's table does not fit its data")
    return Piece(segments, data)


def parse_chunk(record: Record, payload: bytes) -> ChunkInfo:
    """Read the sizes at the start of a CHUNK record's payload.

    Raises
    ------
    DamagedError
        If they contradict each other.
    """
    words, zeros, first_bytes = _CHUNK.unpack(payload[: _CHUNK.size])
    second_bytes = record.payload_bytes - _CHUNK.size - first_bytes
    if not 1 <= words <= MAX_CHUNK_WORDS or zeros > words or second_bytes < 0:
        raise DamagedError(f"the chunk at byte {record.offset} has impossible sizes")
    return ChunkInfo(record.code, words, zeros, first_bytes, second_bytes)


def chunk_streams(info: ChunkInfo, payload: bytes) -> tuple[bytes, bytes]:
    """Return the ZNZ and the BPC stream of a CHUNK record's payload."""
    middle = _CHUNK.size + info.first_bytes
    return payload[_CHUNK.size : middle], payload[middle:]


def parse_index(payload: bytes, index_offset: int) -> list[tuple[Record, ChunkInfo | None]]:
    """Read the index: every record's head, and its sizes where it is a chunk.

    Offsets are not stored: records follow each other without gaps, so they cannot overlap.

    Raises
    ------
    DamagedError
        If the records do not end where the index starts.
    """
    entries: list[tuple[Record, ChunkInfo | None]] = []
    at, offset = 0, _HEADER.size
    while at < len(payload):
        head = payload[at : at + _HEAD.size]
        if len(head) < _HEAD.size:
            raise DamagedError("the index is cut")
        record = parse_head(head, offset)
        check_known(record)
        at += _HEAD.size
        chunk = None
        if record.kind == Kind.CHUNK:
            sizes = payload[at : at + _CHUNK.size]
            if len(sizes) < _CHUNK.size:
                raise DamagedError("the index is cut")
            chunk = parse_chunk(record, sizes)
            at += _CHUNK.size
        entries.append((record, chunk))
        offset = record.end
        if offset > index_offset:
            raise DamagedError("the index describes more than the file holds")
    if offset != index_offset:
        raise DamagedError("the records of the index do not end where the index starts")
    return entries
