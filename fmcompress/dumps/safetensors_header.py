"""The header of a safetensors file: its dtypes, its JSON, and whether it fits the file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from json import decoder
from typing import Any, BinaryIO, NamedTuple

from fmcompress.contents import MAX_AXES
from fmcompress.dumps.file_dtypes import FileDtype, complex_numbers, known, opaque
from fmcompress.errors import DamagedError, UnsupportedError

METADATA = "__metadata__"
# The library's own limit.
MAX_HEADER_BYTES = 100_000_000
MAX_TENSORS = 1 << 17
_ALIGNMENT = 8  # of data in the file, as the library has it
_SPACE = re.compile(r"[ \t\n\r]*")
_COUNT = re.compile(r"(?:0|[1-9][0-9]{0,18})(?![0-9.eE])")


TYPES = {
    "BOOL": known("bool"),
    "U8": known("uint8"),
    "I8": known("int8"),
    "U16": known("uint16"),
    "I16": known("int16"),
    "U32": known("uint32"),
    "I32": known("int32"),
    "U64": known("uint64"),
    "I64": known("int64"),
    "F16": known("float16"),
    "F32": known("float32"),
    "F64": known("float64"),
    "BF16": known("bfloat16"),
    "F8_E4M3": known("float8_e4m3fn"),
    "F8_E5M2": known("float8_e5m2"),
    "F8_E8M0": opaque(8, "float8_e8m0fnu"),
    "F8_E4M3FNUZ": opaque(8, "float8_e4m3fnuz"),
    "F8_E5M2FNUZ": opaque(8, "float8_e5m2fnuz"),
    "F6_E2M3": opaque(6, "float6_e2m3fn"),
    "F6_E3M2": opaque(6, "float6_e3m2fn"),
    "F4": opaque(4, "float4_e2m1fn"),
    "C64": complex_numbers(64),
}
TYPE_NAMES = {kind.label: name for name, kind in TYPES.items()}


# --- The header ---------------------------------------------------------------------------


class Entry(NamedTuple):
    """One tensor of the header; `start` and `end` of its data count from the header's end."""

    name: str
    type_name: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def kind(self) -> FileDtype:
        """What its elements are; carried where this version does not know the dtype."""
        return TYPES.get(self.type_name) or FileDtype(
            "", 0, self.type_name, carried=f"its dtype {self.type_name!r} is unknown"
        )


class _Json:
    """A reader of the only JSON that a header may be: nothing else takes memory, or nests."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def take(self, mark: str) -> bool:
        """Skip white space, then a mark if it is there."""
        self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
        found = self._text.startswith(mark, self._at)
        self._at += len(mark) * found
        return found

    def need(self, mark: str) -> None:
        if not self.take(mark):
            raise DamagedError(
                f"its header is no JSON of this format: {mark!r} is missing at byte {self._at}"
            )

    def string(self) -> str:
        self.need('"')
        try:
            text: str
            text, self._at = decoder.scanstring(self._text, self._at, True)  # type: ignore[attr-defined]
            text.encode("utf-8")  # no halves of surrogate pairs
        except ValueError as error:
            raise DamagedError(f"its header has a string that is none ({error})") from error
        return text

    def keys(self) -> Iterator[str]:
        """Yield the keys of an object; whoever asks takes the value behind each."""
        seen = set()
        self.need("{")
        if self.take("}"):
            return
        while True:
            key = self.string()
            if key in seen:
                raise DamagedError(f"its header has the key {key!r} twice")
            seen.add(key)
            self.need(":")
            yield key
            if self.take("}"):
                return
            self.need(",")

    def counts(self) -> list[int]:
        """Take a list of non-negative integers."""
        found: list[int] = []
        self.need("[")
        if self.take("]"):
            return found
        while True:
            self.take("")
            match = _COUNT.match(self._text, self._at)
            if match is None or int(match[0]) >= 1 << 63:
                raise DamagedError("its header has a shape or offset that is no whole number")
            found.append(int(match[0]))
            if len(found) > MAX_AXES:
                raise UnsupportedError(f"its header has a list of more than {MAX_AXES} numbers")
            self._at = match.end()
            if self.take("]"):
                return found
            self.need(",")

    def end(self) -> None:
        self.take("")
        if self._at < len(self._text):
            raise DamagedError(f"its header goes on behind its JSON, at byte {self._at}")


def read_header(file: BinaryIO, size: int) -> tuple[list[Entry], dict[str, str], int]:
    """Return tensors in the header's order, the metadata, and where data begins in the file.

    Parameters
    ----------
    file : binary file
    size : int
        Of the file, in bytes.

    Raises
    ------
    DamagedError
        If it is cut or no JSON of this format.
    UnsupportedError
        If it has more, or other things, than this version knows.
    """
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise DamagedError("the file ends within its header", hint="it is cut: copy it again")
    if length > MAX_HEADER_BYTES:
        raise UnsupportedError(f"a header of {length} bytes is too large")
    try:
        json_ = _Json(file.read(length).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DamagedError("its header is not UTF-8") from error
    entries: list[Entry] = []
    metadata: dict[str, str] = {}
    for name in json_.keys():  # noqa: SIM118 - no mapping
        if name == METADATA:
            for key in json_.keys():  # noqa: SIM118
                metadata[key] = json_.string()
            continue
        entries.append(_read_entry(json_, name))
        if len(entries) > MAX_TENSORS:
            raise UnsupportedError(f"holds more than {MAX_TENSORS} tensors")
    json_.end()
    return entries, metadata, 8 + length


def _read_entry(json_: _Json, name: str) -> Entry:
    type_name: str | None = None
    lists: dict[str, list[int]] = {}
    for key in json_.keys():  # noqa: SIM118
        if key == "dtype":
            type_name = json_.string()
        elif key in ("shape", "data_offsets"):
            lists[key] = json_.counts()
        else:
            raise UnsupportedError(f"its header has an unknown key {key!r}", layer=name)
    if type_name is None or len(lists) < 2 or len(lists["data_offsets"]) != 2:
        raise DamagedError("its header lacks dtype, shape or offsets", layer=name)
    return Entry(name, type_name, tuple(lists["shape"]), *lists["data_offsets"])


def check_offsets(entries: Sequence[Entry], data_bytes: int) -> None:
    """Check that tensors' data follow each other without gaps, up to the file's end.

    Raises
    ------
    DamagedError
        If they do not, or are not of the size that shape and dtype demand.
    """
    at = 0
    for entry in sorted(entries, key=lambda entry: (entry.start, entry.end)):
        if entry.end < entry.start or entry.start < at:
            raise DamagedError("its data overlaps that of another tensor", layer=entry.name)
        if entry.start > at:
            raise DamagedError("there is a hole before its data", layer=entry.name)
        at = entry.end
        has = 8 * (entry.end - entry.start)
        bits_each = max(entry.kind.bits, 1)
        bits = math.prod(entry.shape) * bits_each
        if math.prod(n for n in entry.shape if n) * bits_each >= 1 << 63:
            # Also of an array without elements: NumPy cannot make it.
            raise DamagedError("its shape is too large", layer=entry.name)
        # Elements of an unknown dtype have a bit at least.
        if bits > has or (bits < has and entry.type_name in TYPES):
            raise DamagedError(
                f"its shape and dtype do not fit its {has // 8} bytes", layer=entry.name
            )
    if at > data_bytes:
        raise DamagedError(
            f"holds {data_bytes} of the {at} bytes of data that its header promises",
            hint="it is cut: copy it again",
        )
    if at < data_bytes:
        raise DamagedError(f"goes on for {data_bytes - at} bytes behind its tensors' data")


def arrange(tensors: Sequence[tuple[str, str, tuple[int, ...]]]) -> list[Entry]:
    """Give tensors (name, dtype, shape), in their order, offsets at which each one is aligned.

    Wider dtypes come first in the data, as the library has it.
    """
    sizes = [math.prod(shape) * TYPES[type_name].bits // 8 for _, type_name, shape in tensors]
    starts = [0] * len(tensors)
    at = 0
    for number in sorted(range(len(tensors)), key=lambda n: -TYPES[tensors[n][1]].bits):
        starts[number] = at
        at += sizes[number]
    return [
        Entry(*tensor, start, start + size)
        for tensor, start, size in zip(tensors, starts, sizes, strict=True)
    ]


def format_header(entries: Sequence[Entry], metadata: Mapping[str, str]) -> bytes:
    """Return length and JSON, with spaces behind it so that data begins at a multiple of 8.

    Raises
    ------
    UnsupportedError
        If it becomes too large, or a name is no proper text.
    """
    value: dict[str, Any] = {METADATA: dict(metadata)} if metadata else {}
    for entry in entries:
        value[entry.name] = {
            "dtype": entry.type_name,
            "shape": list(entry.shape),
            "data_offsets": [entry.start, entry.end],
        }
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnsupportedError("a tensor's name is no proper text") from error
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > MAX_HEADER_BYTES or len(entries) > MAX_TENSORS:
        raise UnsupportedError("too many tensors or attributes for one safetensors file")
    return len(text).to_bytes(8, "little") + text
