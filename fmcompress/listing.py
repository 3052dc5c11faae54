"""What is in a dump or a compressed file, without decoding anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fmcompress.errors import error_context
from fmcompress.files import Source, name_of, source_path
from fmcompress.picking import pick
from fmcompress.reader import File, is_container
from fmcompress.statistics import quantized_to_json


@dataclass(frozen=True, slots=True)
class Entry:
    """One layer; `compressed_nbytes` and `chunks` are None in a dump."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    words: dict[str, Any]
    codec: dict[str, Any]
    carried: str
    nbytes: int
    compressed_nbytes: int | None
    chunks: int | None
    quantized: dict[str, Any] = field(default_factory=dict)
    axes: tuple[int, ...] = ()
    serpentine: bool = False


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
                    "name": entry.name,
                    "shape": list(entry.shape),
                    "dtype": entry.dtype,
                    "word_format": entry.words or None,
                    "codec": entry.codec or None,
                    "quantized": quantized_to_json(entry.quantized),
                    "axes": list(entry.axes),
                    "serpentine": entry.serpentine,
                    "carried": entry.carried or None,
                    "nbytes": entry.nbytes,
                    "compressed_nbytes": entry.compressed_nbytes,
                    "chunks": entry.chunks,
                }
                for entry in self.layers
            ],
        }


def list_layers(
    source: Source,
    layers: Sequence[str] | str | None = None,
    raw: Mapping[str, Any] | None = None,
) -> Listing:
    """List the layers of a dump or a container; parameters as of `fmcompress.stats`.

    Raises
    ------
    ParameterError, DamagedError, UnsupportedError, OSError
        As `fmcompress.stats`.
    """
    with error_context(file=name_of(source)), source_path(source, folders=True) as path:
        packed = is_container(path)
        format_, entries = _of_container(path) if packed else _of_dump(path, raw)
        picked = pick([entry.name for entry in entries], layers)
    kept = [entry for entry, keep in zip(entries, picked, strict=True) if keep]
    return Listing(name_of(source), "container" if packed else "dump", format_, kept)


def _of_container(path: Path) -> tuple[str, list[Entry]]:
    with File(path) as opened:
        entries = [
            Entry(
                name=layer.name,
                shape=layer.shape,
                dtype=layer.dtype_name,
                words=layer.words,
                codec=layer.codec,
                carried=layer.carried,
                nbytes=layer.nbytes,
                compressed_nbytes=layer.compressed_nbytes,
                chunks=len(layer.chunks),
                quantized=layer.quantized,
                axes=() if layer.carried else layer.axes,
                serpentine=layer.serpentine,
            )
            for layer in opened.values()
        ]
        return opened.contents.dump["format"], entries


def _of_dump(path: Path, raw: Mapping[str, Any] | None) -> tuple[str, list[Entry]]:
    from fmcompress import dumps
    from fmcompress.words import NO_WORD_FORMAT, format_for, type_of

    with dumps.open_dump(path, raw) as dump:
        entries = []
        for tensor in dump.tensors:
            codable = format_for(type_of(tensor.dtype, tensor.element_type)) is not None
            carried = tensor.carried or ("" if codable else NO_WORD_FORMAT)
            entries.append(
                Entry(
                    name=tensor.name,
                    shape=tensor.shape,
                    dtype=tensor.dtype.str if not carried and tensor.dtype else tensor.label,
                    words={},
                    codec={},
                    carried=carried,
                    nbytes=tensor.stored_bytes if carried else tensor.nbytes,
                    compressed_nbytes=None,
                    chunks=None,
                )
            )
        return dump.format, entries
