"""Zip archives: their directory, where members lie, and what damaged ones raise."""

from __future__ import annotations

import contextlib
import errno
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from fmcompress.errors import DamagedError, FmcError, UnsupportedError, error_context
from fmcompress.targets import DISK_FULL

# What zipfile and its decompressors raise on damaged archives.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
# For these no archive is to blame.
_SYSTEM = {*DISK_FULL, errno.EIO}
_LOCAL_BYTES = 30  # of a member's own header, but for its name and extra field
_ENCRYPTED = 1


class Member(NamedTuple):
    """Where a member's data lies, in bytes."""

    offset: int
    size: int


def open_archive(file: Path | BinaryIO) -> zipfile.ZipFile:
    """Open an archive: read its directory.

    Raises
    ------
    DamagedError
        If it is cut or damaged.
    """
    try:
        return zipfile.ZipFile(file)
    except _BROKEN as error:
        raise DamagedError(
            f"the zip archive cannot be read ({error})", hint="it is cut: copy it again"
        ) from error


@contextlib.contextmanager
def reading(layer: str | None = None) -> Iterator[None]:
    """Turn what a damaged archive raises into a `DamagedError`."""
    try:
        yield
    except FmcError:
        raise
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno in _SYSTEM:
            raise
        raise DamagedError(f"its zip member cannot be read ({error})", layer=layer) from error


def stored_members(archive: zipfile.ZipFile, file: BinaryIO) -> dict[str, Member]:
    """Find the members, all stored, in the archive's file, by name, in the order of their places.

    Raises
    ------
    DamagedError
        If headers contradict each other.
    UnsupportedError
        If a member is compressed or encrypted.
    """
    found: dict[str, Member] = {}
    at = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        if info.filename in found:
            raise DamagedError("two members of the archive have this name", layer=info.filename)
        if info.flag_bits & _ENCRYPTED or info.compress_type != zipfile.ZIP_STORED:
            raise UnsupportedError(
                "its member of the archive is compressed or encrypted", layer=info.filename
            )
        if not at <= info.header_offset <= archive.start_dir:
            raise DamagedError("its member overlaps another one", layer=info.filename)
        with error_context(layer=info.filename):
            member = Member(data_offset(file, info), info.file_size)
        at = member.offset + member.size
        if info.compress_size != info.file_size or at > archive.start_dir:
            raise DamagedError("its member's sizes contradict each other", layer=info.filename)
        found[info.filename] = member
    return found


def data_offset(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Return where a member's data begins: behind its own header, which tells its own length.

    Raises
    ------
    DamagedError
        If that header is damaged, or another member's.
    """
    file.seek(info.header_offset)
    local = file.read(_LOCAL_BYTES)
    if len(local) < _LOCAL_BYTES or local[:4] != b"PK\x03\x04":
        raise DamagedError("its member's header is damaged")
    name_bytes, extra_bytes = struct.unpack("<2H", local[-4:])
    name = file.read(name_bytes)
    encoding = "utf-8" if info.flag_bits & 0x800 else "cp437"
    if name != info.orig_filename.encode(encoding):
        raise DamagedError("its member has another name in its own header")
    return info.header_offset + _LOCAL_BYTES + int(name_bytes) + int(extra_bytes)
