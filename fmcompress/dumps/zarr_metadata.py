"""What a Zarr array's metadata says: shape, dtype, chunks and their names; versions 2 and 3.

Read without the zarr library, so that a store can be listed without it, and so that nothing in
metadata that may be hostile decides which codec runs: only those named here do.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from fmcompress.contents import MAX_AXES, parse_json
from fmcompress.dumps.zarr_packing import Packing, packing
from fmcompress.errors import DamagedError, FmcError, UnsupportedError

MAX_METADATA_BYTES = 1 << 24
MAX_CHUNK_BYTES = 1 << 30
_PLAIN = re.compile(r"[<>|=]?[biufc]\d{1,2}")
_CODECS_2 = {"zlib", "gzip", "bz2", "blosc", "zstd", "lz4", "lzma"}
_FILTERS_2 = {"delta", "shuffle", "crc32", "crc32c", "adler32", "fletcher32", "packbits"}
_CODECS_3 = {"bytes", "transpose", "gzip", "zstd", "blosc", "crc32c"} | {
    f"numcodecs.{name}" for name in ("zlib", "bz2", "lz4", "shuffle")
}
# Where shards do not guard their index, a cut one shows only within its chunks.
_UNGUARDED = "unguarded shards of codec"
_NO_DTYPE = "type has no plain NumPy dtype"
_SHARDED = "sharded"


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """One array.

    Attributes
    ----------
    version : int
        Of the format, 2 or 3.
    shape, chunks : tuple of int
    dtype : dtype or None
        With the byte order in which elements are stored; None where NumPy has none.
    label : str
        The dtype for people.
    separator : str
        Between the numbers in a chunk's name.
    prefix : str
        Of a chunk's name: ``"c"`` or nothing.
    carried : str
        Why it cannot be coded; empty where it can.
    readable : bool
        Whether the zarr library may be asked for its elements.
    packing : Packing or None
        How chunks are compressed at last, where their header is to be checked.
    last_codec : str
        That makes the bytes of the file; empty where there is none.
    """

    version: int
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any] | None
    label: str
    separator: str
    prefix: str
    carried: str
    readable: bool
    packing: Packing | None = None
    last_codec: str = ""

    @property
    def document(self) -> str:
        """Name of the file that says this."""
        return "zarr.json" if self.version == 3 else ".zarray"

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of chunks along each axis."""
        return tuple(-(-n // c) for n, c in zip(self.shape, self.chunks, strict=True))

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return math.prod(self.shape) * (self.dtype.itemsize if self.dtype else 1)

    @property
    def chunk_bytes(self) -> int:
        """Bytes of the elements of one chunk."""
        return math.prod(self.chunks) * (self.dtype.itemsize if self.dtype else 1)

    def key(self, numbers: tuple[int, ...]) -> str:
        """Return the path, in the array's folder, of a chunk."""
        parts = [self.prefix] if self.prefix else []
        parts += [str(number) for number in numbers]
        return self.separator.join(parts) if parts else "0"

    def numbers(self, key: str) -> tuple[int, ...] | None:
        """Return a chunk's numbers from its path; None of what is no chunk."""
        if not re.fullmatch(r"[c0-9./]+", key):
            return None
        parts = key.split(self.separator)
        if self.prefix:
            if parts[0] != self.prefix:
                return None
            parts = parts[1:]
        elif not self.shape:
            return () if parts == ["0"] else None
        grid = self.grid
        if len(parts) != len(grid) or not all(p.isdecimal() and len(p) < 20 for p in parts):
            return None
        numbers = tuple(int(part) for part in parts)
        inside = all(number < count for number, count in zip(numbers, grid, strict=True))
        return numbers if inside and self.key(numbers) == key else None


def parse_node(name: str, document: bytes) -> ArrayInfo | None:
    """Read a metadata file of one of the `NODE_NAMES` of `tree`; None of a group.

    Raises
    ------
    DamagedError
        If it cannot be understood.
    UnsupportedError
        If it is of a version that is unknown here, or has too many axes.
    """
    value = parse_json(document)
    version = 3 if name == "zarr.json" else 2
    if not isinstance(value, dict):
        raise DamagedError(f"its {name} is no object")
    if value.get("zarr_format") != version:
        raise UnsupportedError(f"its {name} is of Zarr version {value.get('zarr_format')!r}")
    if name == ".zgroup" or (version == 3 and value.get("node_type") == "group"):
        return None
    try:
        return _array_3(value) if version == 3 else _array_2(value)
    except FmcError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise DamagedError(f"its {name} cannot be understood") from error


def _array_2(value: dict[str, Any]) -> ArrayInfo:
    shape, chunks = _lengths(value["shape"], 0), _lengths(value["chunks"], 1)
    separator = value.get("dimension_separator") or "."
    dtype, label = _dtype(value["dtype"])
    reason = "" if dtype is not None else _NO_DTYPE
    compressor, filters = value.get("compressor"), value.get("filters") or []
    reason = reason or _codec_2(compressor, _CODECS_2)
    for filter_ in filters:
        reason = reason or _codec_2(filter_, _FILTERS_2)
    codecs = [(config["id"], config) for config in (*filters, compressor) if config is not None]
    return _checked(2, shape, chunks, dtype, label, separator, "", reason, codecs)


def _codec_2(config: Any, known: set[str]) -> str:
    """Say why a codec keeps an array from being coded; empty where it does not."""
    if config is None:
        return ""
    name = config["id"]
    if name not in known:
        return f"codec {str(name)[:40]!r}"
    types = [config[key] for key in ("dtype", "astype") if config.get(key) is not None]
    if not all(isinstance(type_, str) and _PLAIN.fullmatch(type_) for type_ in types):
        return f"codec {name!r} with a dtype of its own"
    # Its own settings may take gigabytes.
    if name == "lzma" and (config.get("filters") or config.get("preset") not in (None, *range(7))):
        return "codec 'lzma' with settings of its own"
    return ""


def _array_3(value: dict[str, Any]) -> ArrayInfo:
    if value.get("node_type") != "array":
        raise DamagedError("its zarr.json is of no known kind of node")
    shape = _lengths(value["shape"], 0)
    grid, keys = value["chunk_grid"], value["chunk_key_encoding"]
    regular = grid["name"] == "regular"
    chunks = _lengths(grid["configuration"]["chunk_shape"], 1) if regular else (1,) * len(shape)
    default = keys["name"] == "default"
    separator = keys.get("configuration", {}).get("separator", "/" if default else ".")
    codecs, big, sharded, guarded = _codecs_3(value["codecs"])
    names = [name for name, _ in codecs]
    dtype, label = _dtype_3(value["data_type"], big)
    reason = "" if dtype is not None else _NO_DTYPE
    if not regular:
        reason = f"chunk grid {str(grid['name'])[:40]!r}"
    if not default and keys["name"] != "v2":
        reason = f"chunk key encoding {str(keys['name'])[:40]!r}"
    if value.get("storage_transformers"):
        reason = "storage transformers"
    if unknown := [name for name in names if name not in _CODECS_3]:
        reason = reason or f"codec {unknown[0][:40]!r}"
    if sharded and not guarded and "blosc" in names:
        reason = reason or f"{_UNGUARDED} 'blosc'"
    if sharded:
        reason = reason or _SHARDED
    codecs = [(name.removeprefix("numcodecs."), settings) for name, settings in codecs]
    prefix = "c" if default else ""
    return _checked(3, shape, chunks, dtype, label, separator, prefix, reason, codecs)


def _codecs_3(codecs: Any) -> tuple[list[tuple[str, Any]], bool, bool, bool]:
    """Return the codecs with their settings, those in shards too, and what they say.

    That is whether elements are big-endian, whether they are in shards, and whether of every
    shard that is cut the index shows it: it is at the end, and has a checksum.
    """
    found: list[tuple[str, Any]] = []
    big, sharded, guarded = False, False, True
    for codec in codecs:
        name = str(codec if isinstance(codec, str) else codec["name"])
        settings = {} if isinstance(codec, str) else codec.get("configuration", {})
        if name == "sharding_indexed":
            inner = [_codecs_3(settings[key]) for key in ("codecs", "index_codecs")]
            found += [*inner[0][0], *inner[1][0]]
            big, sharded = inner[0][1], True
            guarded = (
                guarded
                and inner[0][3]
                and settings.get("index_location", "end") == "end"
                and any(index == "crc32c" for index, _ in inner[1][0])
            )
        else:
            found.append((name, settings))
            big = big or (name == "bytes" and settings.get("endian") == "big")
    return found, big, sharded, guarded


def _checked(
    version: int,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    dtype: np.dtype[Any] | None,
    label: str,
    separator: str,
    prefix: str,
    reason: str,
    codecs: list[tuple[str, Any]],
) -> ArrayInfo:
    if len(shape) != len(chunks) or math.prod(shape) >= 1 << 63 or separator not in (".", "/"):
        raise DamagedError("its metadata contradicts itself")
    size = math.prod(chunks) * (dtype.itemsize if dtype else 1)
    if size > MAX_CHUNK_BYTES:
        reason = reason or f"its chunks are larger than {MAX_CHUNK_BYTES} bytes"
    packed = "" if reason else packing(codecs, size)
    if isinstance(packed, str):
        reason = reason or packed
    readable = not reason or reason == _SHARDED
    if not shape or 0 in shape:
        reason = reason or "scalar or empty"
    last = codecs[-1][0] if codecs else ""
    return ArrayInfo(
        *(version, shape, chunks, dtype, label, separator, prefix, reason, readable),
        packing=None if isinstance(packed, str) else packed,
        last_codec=last,
    )


def _lengths(value: Any, least: int) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(
        type(length) is int and least <= length < 1 << 63 for length in value
    ):
        raise DamagedError("its metadata contradicts itself")
    if len(value) > MAX_AXES:
        raise UnsupportedError(f"has {len(value)} axes, more than {MAX_AXES}")
    return tuple(value)


def _dtype(text: Any) -> tuple[np.dtype[Any] | None, str]:
    if not isinstance(text, str) or not _PLAIN.fullmatch(text):
        return None, text[:40] if isinstance(text, str) else "compound"
    try:
        dtype = np.dtype(text)
    except TypeError:
        return None, text
    return dtype, dtype.name


def _dtype_3(name: Any, big: bool) -> tuple[np.dtype[Any] | None, str]:
    if not isinstance(name, str):
        return None, str(name.get("name"))[:40]
    if not re.fullmatch(r"bool|u?int\d{1,2}|float\d{2}|complex\d{2,3}", name):
        return None, name[:40]
    try:
        dtype = np.dtype(name)
    except TypeError:
        return None, name
    return dtype.newbyteorder(">" if big else "<"), dtype.name
