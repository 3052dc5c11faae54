"""Check a whole container: every checksum, and every chunk decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

from fmcompress.chunks import LayerDecoder, LayerDecoders, check_description, dump_item_bytes
from fmcompress.container import Assembly, Scanner
from fmcompress.contents import LayerInfo
from fmcompress.dumps import Layout, format_named
from fmcompress.errors import DamagedError, error_context
from fmcompress.files import Source, name_of, open_source
from fmcompress.picking import matches, pick
from fmcompress.progress import Progress, Step, silent
from fmcompress.reader import File
from fmcompress.records import Kind, Record, parse_chunk, parse_template

__all__ = ["Damage", "Verification", "verify"]


@dataclass(frozen=True, slots=True)
class Damage:
    """One damaged place.

    Attributes
    ----------
    layer : str or None
        The layer, where it is known.
    chunk : int or None
        Number of the chunk in its layer.
    problem : str
        What is wrong.
    """

    layer: str | None
    chunk: int | None
    problem: str

    def __str__(self) -> str:
        layer = f"layer {self.layer!r}" if self.layer is not None else None
        chunk = f"chunk {self.chunk}" if self.chunk is not None else None
        return ": ".join([", ".join(filter(None, (layer, chunk))), self.problem]).lstrip(": ")


@dataclass(slots=True)
class Verification:
    """What `verify` found.

    Attributes
    ----------
    file : str
    layers, chunks, words : int
        How many were checked.
    damages : list of Damage
        Empty where the file is whole.
    """

    file: str
    layers: int = 0
    chunks: int = 0
    words: int = 0
    damages: list[Damage] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damages

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``fmc verify --json`` prints (docs/JSON.md)."""
        return {
            "schema": "fmcompress.verify/1",
            "file": self.file,
            "ok": self.ok,
            "layers": self.layers,
            "chunks": self.chunks,
            "words": self.words,
            "damages": [asdict(damage) for damage in self.damages],
        }


def verify(
    source: Source,
    *,
    layers: Sequence[str] | str | None = None,
    progress: Progress = silent,
) -> Verification:
    """Check every checksum of a container and decode everything, writing nothing.

    Parameters
    ----------
    source : path or binary file
        A pipe is checked up to its first damage; of a file, every damaged chunk is found.
    layers : glob or globs, optional
        Decode these layers only; checksums are checked all the same.
    progress : callable
        Called with a `Step` now and then.

    Returns
    -------
    Verification

    Raises
    ------
    OSError
        If it cannot be read.
    ParameterError
        If a glob matches no layer.
    DamagedError, UnsupportedError
        If this is no container at all, or one of a newer version.
    """
    result = Verification(name_of(source))
    with error_context(file=name_of(source)), open_source(source) as file:
        opened = _by_index(file)
        if opened is None:
            _verify_in_order(file, layers, result, progress)
        else:
            _verify_by_index(opened, layers, result, progress)
    return result


def _by_index(file: BinaryIO) -> File | None:
    """Open a file by its index; None for a pipe, or where the index leads nowhere."""
    if not file.seekable():
        return None
    try:
        return File(file)
    except DamagedError:
        file.seek(0)
        return None


def _verify_by_index(
    opened: File, layers: Sequence[str] | str | None, result: Verification, progress: Progress
) -> None:
    """Check every record that the index lists, whatever is wrong with others."""
    contents = opened.contents
    result.layers = len(contents.layers)
    pick([info.name for info in contents.layers], layers)
    places = (
        (layer, chunk) for layer, info in enumerate(contents.layers) for chunk in range(info.chunks)
    )
    layout = format_named(contents.dump["format"]).layout(contents.dump)
    decoders = LayerDecoders()
    for record in opened.records:
        place = next(places) if record.kind == Kind.CHUNK else None
        name = contents.layers[place[0]].name if place else None
        try:
            payload = opened.read_record(record)
            if record.kind == Kind.TEMPLATE:
                layout.template(parse_template(record, payload))
            if place is not None:
                info = contents.layers[place[0]]
                if parse_chunk(record, payload) != contents.chunks[place[0]][place[1]]:
                    raise DamagedError("differs from the index")
                _check_chunk(decoders.of(info), record, payload, layers, result)
        except DamagedError as error:
            result.damages.append(Damage(name, place[1] if place else None, error.cause))
        progress(Step(name or "", record.end, contents.total_bytes))
    try:
        for info in contents.layers:
            _check_layer(info, layout)
        if result.ok:  # of a damaged template it is known already that it is not whole
            layout.check_whole()
    except DamagedError as error:
        result.damages.append(Damage(error.layer, None, error.cause))


def _check_layer(info: LayerInfo, layout: Layout) -> None:
    if not info.carried:
        check_description(info)
        layout.layer(info, info.size * dump_item_bytes(info))


def _verify_in_order(
    file: BinaryIO, layers: Sequence[str] | str | None, result: Verification, progress: Progress
) -> None:
    """Check record after record up to the first damage; the header's is an error of its own."""
    scanner = Scanner(file)
    contents = scanner.contents
    assembly = Assembly(contents)
    decoders = LayerDecoders()
    place: tuple[int, int] | None = None
    try:
        for record, payload in scanner.records():
            if record.kind == Kind.DUMP:
                assembly.dump(payload)
                layout = format_named(contents.dump["format"]).layout(contents.dump)
            elif record.kind == Kind.TEMPLATE:
                assembly.template(record)
                layout.template(parse_template(record, payload))
            elif record.kind == Kind.LAYERS:
                for info in assembly.layers(record, payload):
                    _check_layer(info, layout)
                result.layers = len(contents.layers)
            elif record.kind == Kind.CHUNK:
                place = assembly.chunk(parse_chunk(record, payload))
                decoder = decoders.of(contents.layers[place[0]])
                _check_chunk(decoder, record, payload, layers, result)
                progress(Step(contents.layers[place[0]].name, record.end, 0))
            place = None
        assembly.check_complete()
        layout.check_whole()
        pick([info.name for info in contents.layers], layers)
    except DamagedError as error:
        place = place or assembly.expected
        name = contents.layers[place[0]].name if place else error.layer
        result.damages.append(Damage(name, place[1] if place else None, error.cause))


def _check_chunk(
    decoder: LayerDecoder,
    record: Record,
    payload: bytes,
    layers: Sequence[str] | str | None,
    result: Verification,
) -> None:
    sizes = parse_chunk(record, payload)
    if matches(decoder.info.name, layers):
        decoder.decode(sizes, payload)
    result.chunks += 1
    result.words += sizes.words
