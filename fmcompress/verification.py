"""Check a whole container: every checksum, and every chunk decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, BinaryIO

from fmcompress.batches import Batch, Chunk, in_batches
from fmcompress.chunks import LayerDecoders, check_description, dump_item_bytes
from fmcompress.container import Assembly, Scanner
from fmcompress.contents import LayerInfo
from fmcompress.dumps import Layout, format_named
from fmcompress.errors import DamagedError, FmcError, error_context
from fmcompress.files import Source, name_of, open_source
from fmcompress.in_order import Task, Workers
from fmcompress.picking import matches, pick
from fmcompress.progress import Progress, Step, silent
from fmcompress.reader import File
from fmcompress.records import Kind, parse_chunk, parse_template

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

    def take(self, found: _Found) -> None:
        """Add what was found in a part of the file."""
        self.layers += found.layers
        self.chunks += found.chunks
        self.words += found.words
        self.damages += found.damages

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


@dataclass(slots=True)
class _Found:
    """What was found up to byte `end`: layers, chunks and words that are whole, and damages."""

    layer: str
    end: int
    layers: int = 0
    chunks: int = 0
    words: int = 0
    damages: list[Damage] = field(default_factory=list)


def verify(
    source: Source,
    *,
    layers: Sequence[str] | str | None = None,
    threads: int = 1,
    progress: Progress = silent,
) -> Verification:
    """Check every checksum of a container and decode everything, writing nothing.

    Parameters
    ----------
    source : path or binary file
        A pipe is checked up to its first damage; of a file, every damaged chunk is found.
    layers : glob or globs, optional
        Decode these layers only; checksums are checked all the same.
    threads : int
        How many decode; 0 is as many as the process may use processors.
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
    with (
        Workers(threads) as workers,
        error_context(file=name_of(source)),
        open_source(source) as file,
    ):
        opened = _by_index(file)
        if opened is None:
            _verify_in_order(file, layers, result, workers, progress)
        else:
            _verify_by_index(opened, layers, result, workers, progress)
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
    opened: File,
    layers: Sequence[str] | str | None,
    result: Verification,
    workers: Workers,
    progress: Progress,
) -> None:
    """Check every record that the index lists, whatever is wrong with others."""
    contents = opened.contents
    result.layers = len(contents.layers)
    pick([info.name for info in contents.layers], layers)
    layout = format_named(contents.dump["format"]).layout(contents.dump)
    for found in workers.results(_checks(_by_record(opened, layout), layers)):
        result.take(found)
        if found.end:
            progress(Step(found.layer, found.end, contents.total_bytes))
    try:
        for info in contents.layers:
            _check_layer(info, layout)
        if result.ok:  # of a damaged template it is known already that it is not whole
            layout.check_whole()
    except DamagedError as error:
        result.damages.append(Damage(error.layer, None, error.cause))


def _by_record(opened: File, layout: Layout) -> Iterator[_Found | Chunk]:
    """Yield the chunks that are whole as records, and what was found where records are not."""
    contents = opened.contents
    places = (
        (layer, chunk) for layer, info in enumerate(contents.layers) for chunk in range(info.chunks)
    )
    decoders = LayerDecoders()
    for record in opened.records:
        place = next(places) if record.kind == Kind.CHUNK else None
        name = contents.layers[place[0]].name if place else None
        try:
            payload = opened.read_record(record)
            if record.kind == Kind.TEMPLATE:
                layout.template(parse_template(record, payload))
            if place is not None:
                layer, number = place
                sizes = parse_chunk(record, payload)
                if sizes != contents.chunks[layer][number]:
                    raise DamagedError("differs from the index")
                decoder = decoders.of(contents.layers[layer])
                yield Chunk(decoder, number, sizes, payload, record.end)
                continue
        except DamagedError as error:
            damage = Damage(name, place[1] if place else None, error.cause)
            yield _Found(name or "", record.end, damages=[damage])
        else:
            yield _Found("", record.end)


def _check_layer(info: LayerInfo, layout: Layout) -> None:
    if not info.carried:
        check_description(info)
        layout.layer(info, info.size * dump_item_bytes(info))


def _verify_in_order(
    file: BinaryIO,
    layers: Sequence[str] | str | None,
    result: Verification,
    workers: Workers,
    progress: Progress,
) -> None:
    """Check record after record up to the first damage; the header's is an error of its own."""
    parts = _front_to_back(Scanner(file), layers)
    for found in workers.results(_checks(parts, layers, first_only=True)):
        result.take(found)
        if found.damages:
            return
        if found.chunks:
            progress(Step(found.layer, found.end, 0))


def _front_to_back(
    scanner: Scanner, layers: Sequence[str] | str | None
) -> Iterator[_Found | Chunk]:
    """Yield the chunks as they come, at last the damage that a record has."""
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
                infos = assembly.layers(record, payload)
                for info in infos:
                    _check_layer(info, layout)
                yield _Found("", record.end, layers=len(infos))
            elif record.kind == Kind.CHUNK:
                sizes = parse_chunk(record, payload)
                place = assembly.chunk(sizes)
                decoder = decoders.of(contents.layers[place[0]])
                yield Chunk(decoder, place[1], sizes, payload, record.end)
            place = None
        assembly.check_complete()
        layout.check_whole()
        pick([info.name for info in contents.layers], layers)
    except DamagedError as error:
        place = place or assembly.expected
        name = contents.layers[place[0]].name if place else error.layer
        yield _Found("", 0, damages=[Damage(name, place[1] if place else None, error.cause)])


def _checks(
    parts: Iterator[_Found | Chunk],
    layers: Sequence[str] | str | None,
    *,
    first_only: bool = False,
) -> Iterator[_Found | Task[_Found]]:
    for part in in_batches(parts):
        if isinstance(part, Batch):
            decode = matches(part.decoder.info.name, layers)
            yield Task(partial(_check, part, decode, first_only))
        else:
            yield part


def _check(batch: Batch, decode: bool, first_only: bool) -> _Found:
    """Decode the chunks of a batch, if they are to be decoded; count up to the first damage only."""
    name = batch.decoder.info.name
    found = _Found(name, batch.chunks[-1].end)
    decoded = batch.decode() if decode else [None] * len(batch.chunks)
    for chunk, words in zip(batch.chunks, decoded, strict=True):
        if isinstance(words, DamagedError):
            found.damages.append(Damage(name, chunk.number, words.cause))
            if first_only:
                break
        elif isinstance(words, FmcError):
            raise words
        else:
            found.chunks += 1
            found.words += chunk.sizes.words
    return found
