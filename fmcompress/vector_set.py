"""A folder of vectors: what its manifest says, and the names and digests of its files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fmcompress.errors import DamagedError, FmcError, UnsupportedError
from fmcompress.progress import Progress, Step, silent

MANIFEST, CASES = "manifest.json", "vectors.jsonl"
SCHEMA = "fmcompress.vectors/1"
# Ports whose words are in files, as these are named, and the RTL's names of the outputs.
DATA, ZNZ, BPC = "data", "znz", "bpc"
OUTPUT_PORTS = {ZNZ: "znz_data_o", BPC: "bpc_data_o", DATA: "data_o"}
# Numbers of each transmission, and their bits: for num_words_i (RTL: LOG_MAX_WORDS), and how many BPC
# words there are, which may be none.
NUM_WORDS, NUM_WORDS_BITS = "num_words", 24
BPC_WORDS, BPC_WORDS_BITS = "bpc_words", 32
_ID = re.compile(r"[A-Za-z0-9_]{1,100}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_]{1,100}(\.[a-z_]{1,20}){1,2}")
_MOST_MANIFEST_BYTES = 1 << 28


@dataclass(frozen=True, slots=True)
class VectorTransmission:
    """One transmission.

    Attributes
    ----------
    chunk : int
        Number of the chunk in its layer.
    first_word : int
        Where in the chunk it begins.
    words, znz_words, bpc_words : int
        Words of the ports.
    """

    chunk: int
    first_word: int
    words: int
    znz_words: int
    bpc_words: int


@dataclass(frozen=True, slots=True)
class VectorLayer:
    """One layer: a group of files.

    Attributes
    ----------
    id : str
        What the names of its files begin with.
    name : str
        In the dump.
    word_bits, block_size, burst_bits : int
        w, n and z (RTL: DATA_W, BLOCK_SIZE, LOG_MAX_ZRLE_LEN).
    word_format : dict
        How elements became words.
    own_difference : str
        How `compress` would form differences; here they are always ``signed``, as in the RTL.
    transmissions : list of VectorTransmission
        In the order in which they stand in the files.
    """

    id: str
    name: str
    word_bits: int
    block_size: int
    burst_bits: int
    word_format: dict[str, Any]
    own_difference: str
    transmissions: list[VectorTransmission]

    def file_name(self, port: str, form: str) -> str:
        """Name the file of a port."""
        return f"{self.id}.{port}{form}"

    def port_words(self, port: str) -> list[int]:
        """Return the number of words of each transmission at a port."""
        counts = {DATA: "words", ZNZ: "znz_words", BPC: "bpc_words"}
        return [getattr(transmission, counts[port]) for transmission in self.transmissions]


@dataclass(slots=True)
class VectorSet:
    """A folder of vectors.

    Attributes
    ----------
    source : str
        Name of the dump, without its folder.
    version : str
        Of the program that wrote it.
    chunks : str or None
        Which were picked; None for all.
    max_words, seed : int or None
        As they were given.
    rtl_quirks : bool
        Whether the recorded runs are wrong where the RTL is.
    layers : list of VectorLayer
        In file order.
    files : dict
        Bytes and SHA-256 of every file but the manifest, by name.
    left_out : dict
        Why picked layers are not there, by name.
    warnings, notes : list of str
        What a reader should know, and what was decided.
    """

    source: str
    version: str
    chunks: str | None
    max_words: int | None
    seed: int | None
    rtl_quirks: bool
    layers: list[VectorLayer] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the manifest, which ``fmc vectors --json`` prints, too (docs/JSON.md)."""
        return {
            "schema": SCHEMA,
            "version": self.version,
            "source": self.source,
            "chunks": self.chunks,
            "max_words": self.max_words,
            "seed": self.seed,
            "rtl_quirks": self.rtl_quirks,
            "difference": "signed",
            "layers": [asdict(layer) for layer in self.layers],
            "left_out": [
                {"name": name, "reason": reason} for name, reason in self.left_out.items()
            ],
            "warnings": self.warnings,
            "notes": self.notes,
            "files": [{"name": name, **digest} for name, digest in self.files.items()],
        }


def layer_id(name: str, taken: Sequence[str]) -> str:
    """Make a layer's name one that files can have on any system, and none of those `taken`."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:60] or "layer"
    folded = {other.casefold() for other in taken}
    found, number = plain, 1
    while found.casefold() in folded:
        number += 1
        found = f"{plain}_{number}"
    return found


class DigestedFile:
    """A file that is written front to back, and its digest."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._file = path.open("wb")
        self._hash = hashlib.sha256()
        self._bytes = 0

    def write(self, data: bytes) -> None:
        """Write on."""
        self._file.write(data)
        self._hash.update(data)
        self._bytes += len(data)

    def close(self) -> dict[str, Any]:
        """Close it; return size and digest."""
        self._file.close()
        return {"bytes": self._bytes, "sha256": self._hash.hexdigest()}


def write_manifest(folder: Path, made: VectorSet) -> None:
    """Write what is in a folder."""
    text = json.dumps(made.to_json(), indent=2) + "\n"
    (folder / MANIFEST).write_bytes(text.encode("ascii"))


def read_manifest(folder: Path) -> VectorSet:
    """Read what is in a folder.

    Raises
    ------
    FmcError
        If there is no manifest.
    DamagedError
        If it cannot be understood.
    UnsupportedError
        If a newer version wrote it.
    OSError
        If it cannot be read.
    """
    path = folder / MANIFEST
    if not path.exists():
        raise FmcError(
            f"has no {MANIFEST}", file=str(folder), hint="name a folder that 'fmc vectors' wrote"
        )
    with path.open("rb") as file:
        text = file.read(_MOST_MANIFEST_BYTES)
    try:
        fields = json.loads(text)
        schema = fields["schema"]
        if schema == SCHEMA:
            return _from_json(fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        line = f"line {error.lineno}: " if isinstance(error, json.JSONDecodeError) else ""
        raise DamagedError(f"{line}is no manifest of vectors", file=str(path)) from error
    if isinstance(schema, str) and schema.startswith(SCHEMA.partition("/")[0] + "/"):
        raise UnsupportedError(
            f"is of schema {schema!r}, newer than this program", file=str(path), hint="update it"
        )
    raise DamagedError("is no manifest of vectors", file=str(path))


def _from_json(fields: dict[str, Any]) -> VectorSet:
    """Take what is needed, and see that it is what it should be; `ValueError` where not."""
    return VectorSet(
        source=_checked(fields["source"], str),
        version=_checked(fields["version"], str),
        chunks=None if fields["chunks"] is None else _checked(fields["chunks"], str),
        max_words=None if fields["max_words"] is None else _count(fields["max_words"]),
        seed=None if fields["seed"] is None else _checked(fields["seed"], int),
        rtl_quirks=bool(fields["rtl_quirks"]),
        layers=[_layer(layer) for layer in fields["layers"]],
        files={
            _file_name(file["name"]): {
                "bytes": _count(file["bytes"]),
                "sha256": _checked(file["sha256"], str),
            }
            for file in fields["files"]
        },
        left_out={layer["name"]: layer["reason"] for layer in fields["left_out"]},
        warnings=[_checked(text, str) for text in fields["warnings"]],
        notes=[_checked(text, str) for text in fields["notes"]],
    )


def _layer(fields: dict[str, Any]) -> VectorLayer:
    if not _ID.fullmatch(_checked(fields["id"], str)):
        raise ValueError("no name for files")
    if fields["word_bits"] not in (8, 16, 32):
        raise ValueError("no width of the hardware")
    transmissions = [
        VectorTransmission(**{name: _count(number) for name, number in transmission.items()})
        for transmission in fields["transmissions"]
    ]
    return VectorLayer(
        id=fields["id"],
        name=_checked(fields["name"], str),
        word_bits=fields["word_bits"],
        block_size=_count(fields["block_size"]),
        burst_bits=_count(fields["burst_bits"]),
        word_format=_checked(fields["word_format"], dict),
        own_difference=_checked(fields["own_difference"], str),
        transmissions=transmissions,
    )


def _file_name(value: Any) -> str:
    """Take the name of a file in the folder: what lies elsewhere is not looked at."""
    name: str = _checked(value, str)
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no file of vectors")
    return name


def _checked(value: Any, kind: type) -> Any:
    if isinstance(value, kind) and not isinstance(value, bool):
        return value
    raise ValueError(f"{value!r} is no {kind.__name__}")


def _count(value: Any) -> int:
    number: int = _checked(value, int)
    if not 0 <= number < 1 << 62:
        raise ValueError(f"{number} is no count")
    return number


def check_digests(folder: Path, made: VectorSet, progress: Progress = silent) -> None:
    """See that every file of the set is as it was written.

    Raises
    ------
    DamagedError
        If one is not, or is not there.
    OSError
        If one cannot be read.
    """
    for name, written in made.files.items():
        path = folder / name
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise DamagedError(
                "is not there", file=str(path), hint="write the vectors again"
            ) from None
        if digest != written["sha256"]:
            raise DamagedError(
                f"is not as it was written: its SHA-256 is not that in {MANIFEST}",
                file=str(path),
                hint="write the vectors again",
            )
        progress(Step(name, written["bytes"], 0))
