"""Headers of compressed Zarr chunks, checked before a decoder sees them.

Blosc believes its header: of a chunk that was cut it reads on behind the end, and gives what lies
there as elements. The sizes in the headers of LZ4 and Zstandard are what their decoders allocate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fmcompress.errors import DamagedError

_CHECKED = ("blosc", "lz4", "zstd")
_CHECKSUMS = ("crc32", "crc32c", "adler32", "fletcher32")
_CHECKSUM_BYTES = 4
_BLOSC_HEADER_BYTES = 16
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_UNCHANGED_SIZE = ("bytes", "transpose", "shuffle")


@dataclass(frozen=True, slots=True)
class Packing:
    """How a chunk's file is compressed at last.

    Attributes
    ----------
    codec : str
    tail_bytes : int
        Of checksums behind what the codec gave.
    yields : int
        Bytes that the codec decodes to.
    """

    codec: str
    tail_bytes: int
    yields: int

    def check(self, data: bytes, key: str) -> None:
        """Check that what a chunk's header says fits its bytes.

        Raises
        ------
        DamagedError
            If it does not.
        """
        data = data[: len(data) - self.tail_bytes]
        least = _BLOSC_HEADER_BYTES if self.codec == "blosc" else 4
        if len(data) < least:
            raise DamagedError(f"its chunk {key!r} is cut")
        if self.codec == "blosc":
            stored, size = (
                int.from_bytes(data[12:16], "little"),
                int.from_bytes(data[4:8], "little"),
            )
            if stored != len(data):
                raise DamagedError(
                    f"its chunk {key!r} has {len(data)} bytes where its header says {stored}"
                )
            fits = size == self.yields
        elif self.codec == "lz4":
            size = int.from_bytes(data[:4], "little")
            fits = size == self.yields
        else:
            size = _zstd_size(data)
            fits = size <= self.yields
        if not fits:
            raise DamagedError(
                f"its chunk {key!r} decodes to {size} bytes where it must be {self.yields}"
            )


def packing(codecs: Sequence[tuple[str, Any]], chunk_bytes: int) -> Packing | str:
    """Tell how chunks are compressed at last, where that has a header that is to be checked.

    Parameters
    ----------
    codecs : sequence of (str, settings)
        In the order in which they encode.
    chunk_bytes : int
        Bytes of the elements of a chunk.

    Returns
    -------
    Packing or str
        Text says why such a header cannot be checked; it is empty where there is none.
    """
    names = [name for name, _ in codecs]
    at = next((place for place, name in enumerate(names) if name in _CHECKED), None)
    if at is None:
        return ""
    size = chunk_bytes
    for name, settings in codecs[:at]:
        known = _encoded_bytes(name, settings, size)
        if known is None:
            return f"codec {names[at]!r} behind codec {name!r}"
        size = known
    outer = names[at + 1 :]
    if other := [name for name in outer if name not in _CHECKSUMS]:
        return f"codec {names[at]!r} within codec {other[0]!r}"
    return Packing(names[at], _CHECKSUM_BYTES * len(outer), size)


def _encoded_bytes(name: str, settings: Any, size: int) -> int | None:
    """Return the size of what a codec makes of `size` bytes; None where that depends on them."""
    if name in _UNCHANGED_SIZE:
        return size
    if name in _CHECKSUMS:
        return size + _CHECKSUM_BYTES
    if name == "packbits":
        return 1 + -(-size // 8)
    if name == "delta":
        before: int = np.dtype(settings["dtype"]).itemsize
        after: int = np.dtype(settings.get("astype") or settings["dtype"]).itemsize
        return size // before * after
    return None


def _zstd_size(data: bytes) -> int:
    """Return the size that a Zstandard frame says it decodes to; 0 where it says none."""
    if len(data) < 5 or data[:4] != _ZSTD_MAGIC:
        return 0
    flags = data[4]
    is_single = bool(flags & 0x20)
    at = 5 + (not is_single) + (0, 1, 2, 4)[flags & 3]
    width = (1 if is_single else 0, 2, 4, 8)[flags >> 6]
    size = int.from_bytes(data[at : at + width], "little")
    return size + 256 if width == 2 else size
