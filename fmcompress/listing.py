"""What is in a dump or a compressed file, without decoding anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from fmcompress import records
from fmcompress.errors import error_context
from fmcompress.files import Source, name_of, source_path
from fmcompress.picking import pick
from fmcompress.reader import File


@dataclass(frozen=True, slots=True)
class Entry:
    """One layer; `compressed_nbytes` and `chunks` are 0 in a dump."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    words: dict[str, Any]
    codec: dict[str, Any]
    carried: str
    nbytes: int
    compressed_nbytes: int
    chunks: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A file's layers, in file order."""

    file: str
    kind: str
    format: str
    layers: list[Entry] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``fmc list --json`` prints (docs/JSON.md)."""
        return {
            "schema": "fmcompress.list/1",
            "file": self.file,
            "kind": self.kind,
            "format": self.format,
            "layers": [
                {
                    **asdict(entry),
                    "shape": list(entry.shape),
                    "words": entry.words or None,
                    "codec": entry.codec or None,
                    "carried": entry.carried or None,
                }
                for entry in self.layers
            ],
        }


def list_layers(source: Source, layers: Sequence[str] | str | None = None) -> Listing:
    """List the layers of a dump or a container.

    Raises
    ------
    ParameterError, DamagedError, UnsupportedError, OSError
        As `fmcompress.stats`.
    """
    with error_context(file=name_of(source)), source_path(source) as path:
        with path.open("rb") as file:
            packed = records.is_container(file.read(len(records.MAGIC)))
        if packed:
            with File(path) as opened:
                entries = [
                    Entry(
                        layer.name,
                        layer.shape,
                        layer.dtype_name,
                        layer.words,
                        layer.codec,
                        layer.carried,
                        layer.nbytes,
                        layer.compressed_nbytes,
                        len(layer.chunks),
                    )
                    for layer in opened.values()
                ]
                format_ = opened.contents.dump["format"]
        else:
            from fmcompress import dumps
            from fmcompress.words import format_for

            with dumps.open_dump(path) as dump:
                entries = [
                    Entry(
                        tensor.name,
                        tensor.shape,
                        tensor.label if tensor.dtype is None else tensor.dtype.str,
                        {},
                        {},
                        tensor.carried
                        or (
                            ""
                            if tensor.dtype is not None and format_for(tensor.dtype)
                            else NO_FORMAT
                        ),
                        tensor.stored_bytes,
                        0,
                        0,
                    )
                    for tensor in dump.tensors
                ]
                format_ = dump.format
    picked = pick([entry.name for entry in entries], layers)
    kept = [entry for entry, keep in zip(entries, picked, strict=True) if keep]
    return Listing(name_of(source), "container" if packed else "dump", format_, kept)


NO_FORMAT = "dtype has no word format"
