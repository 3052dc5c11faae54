"""From a container back to the dump: `decompress`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeAlias

from fmcompress.batches import Batch, Chunk, in_batches
from fmcompress.chunks import LayerDecoder, check_description, dump_item_bytes
from fmcompress.container import Assembly, Scanner, peek
from fmcompress.contents import LayerInfo
from fmcompress.conversion import convert
from fmcompress.dumps import FORMATS, Format, Layout, Restorer, format_for_name, format_named
from fmcompress.errors import DamagedError, ParameterError, error_context
from fmcompress.files import Source, Target, keep_apart, name_of, open_source, size_of
from fmcompress.in_order import Task, Workers
from fmcompress.picking import matches, pick
from fmcompress.progress import Progress, Step, silent
from fmcompress.records import Kind, Record, parse_chunk, parse_template
from fmcompress.statistics import Stats, stats_of_contents
from fmcompress.targets import replacing, writing_anywhere

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmcompress.ordering import Push


def decompress(
    source: Source,
    target: Target,
    *,
    layers: Sequence[str] | str | None = None,
    to: str | None = None,
    dequantize: bool = False,
    overwrite: bool = True,
    threads: int = 1,
    progress: Progress = silent,
) -> Stats:
    """Give back the dump that a container holds; every byte read is checked.

    A dump comes back as it was, unless another format is wanted, or layers of it were quantised:
    then a new dump is written, with quantised layers as they are in the container and their
    ``scale`` and ``zero_point`` as attributes.

    Parameters
    ----------
    source : path or binary file
        The container; read front to back, so it may be a pipe. It is kept.
    target : path or binary file
        The dump. A path is written beside and renamed when complete.
    layers : glob or globs, optional
        Give back these layers only.
    to : str, optional
        Write this format: ``hdf5``, ``npy``, ``npz``, …. By default that of the target's suffix,
        where it has one of a known format; else the dump's own.
    dequantize : bool
        Give floats for quantised layers.
    overwrite : bool
        Replace an existing target.
    threads : int
        How many decode; 0 is as many as the process may use processors.
    progress : callable
        Called with a `Step` now and then.

    Returns
    -------
    Stats
        Of what was read.

    Raises
    ------
    ParameterError
        If a glob matches no layer, or there is nothing to dequantise.
    DamagedError
        If the container is cut or damaged; no target is left then.
    UnsupportedError
        If it was written by a newer version, or the format cannot hold the layers.
    OSError
        If reading or writing fails.
    """
    with (
        Workers(threads) as workers,
        error_context(file=name_of(source)),
        open_source(source) as stream,
    ):
        description, file = peek(stream)
        own = format_named(description["format"])
        wanted = _wanted(own, target, to)
        new = wanted is not own or dequantize or bool(description.get("quantized"))
        keep_apart(source, target, folder=wanted.folder)
        with (
            replacing(target, overwrite=overwrite, folder=wanted.folder) as place,
            writing_anywhere(place) as path,
        ):
            if new or (layers and not own.picks):
                return convert(
                    file,
                    path,
                    wanted,
                    name=name_of(source),
                    layers=layers,
                    dequantize=dequantize,
                    workers=workers,
                    progress=progress,
                )
            unpacking = _Unpacking(file, path, layers, progress)
            unpacking.run(workers)
    contents = unpacking.scanner.contents
    picked = [info.name in unpacking.picked for info in contents.layers]
    return stats_of_contents(contents, name_of(source), picked)


def _wanted(own: Format, target: Target, to: str | None) -> Format:
    """Return the format to be written: the one asked for, else that of the target's name."""
    if to is None:
        suffix = Path(target).suffix if isinstance(target, str | os.PathLike) else ""
        wanted = own if suffix in own.suffixes else format_for_name(suffix) or own
    elif to in [format_.name for format_ in FORMATS]:
        wanted = format_named(to)
    elif (named := format_for_name(f".{to}")) is not None:
        wanted = named
    else:
        known = ", ".join(format_.name for format_ in FORMATS if format_.writes)
        raise ParameterError(f"unknown format {to!r}", hint=f"known are {known}")
    if wanted is not own and not wanted.writes:
        raise ParameterError(
            f"{wanted.name} files are not written",
            hint="give --to with another format, or another name",
        )
    return wanted


class _Skipped(NamedTuple):
    """A record that is no chunk to be decoded, and the layers that it describes."""

    record: Record
    payload: bytes
    infos: list[LayerInfo]


class _Decoded(NamedTuple):
    """Consecutive chunks of a layer, decoded; `end` is the offset behind the last one's record."""

    decoder: LayerDecoder
    number: int
    chunks: int
    words: int
    elements: NDArray[Any]
    end: int


_Part: TypeAlias = _Skipped | _Decoded


class _Unpacking:
    """One pass over a container, with the dump growing beside.

    Records are read, checked and put in relation to each other ahead of what is decoded; what they
    mean for the dump happens behind, in the same order.
    """

    def __init__(
        self,
        file: BinaryIO,
        path: Path,
        layers: Sequence[str] | str | None,
        progress: Progress,
    ) -> None:
        self.scanner = Scanner(file)
        self.picked: set[str] = set()
        self._assembly = Assembly(self.scanner.contents)
        self._path = path
        self._patterns = layers
        self._progress = progress
        self._layout: Layout
        self._push: Push
        self._restorer: Restorer | None = None
        self._done = 0
        self._source_bytes = size_of(file)

    def run(self, workers: Workers) -> None:
        try:
            parts: Iterator[_Part] = workers.results(self._parts())
            for part in parts:
                if isinstance(part, _Decoded):
                    self._write(part)
                else:
                    self._take(part)
            self._assembly.check_complete()
            assert self._restorer is not None
            names = [info.name for info in self.scanner.contents.layers]
            pick(names, self._patterns)  # a pattern that matches nothing is a mistake
            kept = [name for name in names if name in self.picked] if self._patterns else None
            self._layout.check_whole()
            restorer, self._restorer = self._restorer, None
            try:
                restorer.finish(kept)
            finally:
                restorer.close()
        finally:
            if self._restorer is not None:
                self._restorer.close()

    def _parts(self) -> Iterator[_Part | Task[_Part]]:
        for part in in_batches(self._read()):
            yield Task(partial(_decoded, part)) if isinstance(part, Batch) else part

    def _read(self) -> Iterator[_Skipped | Chunk]:
        """Read the records; of chunks, yield those to be decoded."""
        contents, assembly = self.scanner.contents, self._assembly
        decoder: LayerDecoder | None = None
        for record, payload in self._records():
            infos: list[LayerInfo] = []
            if record.kind == Kind.DUMP:
                assembly.dump(payload)
            elif not contents.dump:
                raise DamagedError("the file does not begin with what dump it holds")
            elif record.kind == Kind.TEMPLATE:
                assembly.template(record)
            elif record.kind == Kind.LAYERS:
                infos = assembly.layers(record, payload)
            elif record.kind == Kind.CHUNK:
                sizes = parse_chunk(record, payload)
                layer, number = assembly.chunk(sizes)
                info = contents.layers[layer]
                if not matches(info.name, self._patterns):
                    continue
                if decoder is None or number == 0:
                    decoder = LayerDecoder(info)
                yield Chunk(decoder, number, sizes, payload, record.end)
                continue
            yield _Skipped(record, payload, infos)

    def _records(self) -> Iterator[tuple[Record, bytes]]:
        """Yield the records; name layer and chunk where one is damaged."""
        try:
            yield from self.scanner.records()
        except DamagedError as error:
            place = self._assembly.expected
            if place is not None and error.layer is None:
                error.layer = self.scanner.contents.layers[place[0]].name
                error.cause = f"chunk {place[1]}: {error.cause}"
            raise

    def _take(self, part: _Skipped) -> None:
        """Let the dump begin, take a piece of its template, or descriptions of layers."""
        record, payload, infos = part
        if record.kind == Kind.DUMP:
            description = self.scanner.contents.dump
            format_ = format_named(description["format"])
            self._layout = format_.layout(description)
            self._restorer = format_.restorer(self._path, description)
            return
        assert self._restorer is not None
        if record.kind == Kind.TEMPLATE:
            piece = parse_template(record, payload)
            self._layout.template(piece)
            self._restorer.template(piece)
        for info in infos:
            wanted = matches(info.name, self._patterns)
            if wanted:
                self.picked.add(info.name)
            if not info.carried:
                check_description(info)
                self._layout.layer(info, info.size * dump_item_bytes(info))
                self._restorer.announce(info, wanted)

    def _write(self, part: _Decoded) -> None:
        """Write elements to the dump."""
        decoder, restorer = part.decoder, self._restorer
        info = decoder.info
        assert restorer is not None
        with error_context(layer=info.name):
            if part.number == 0:
                self._push = decoder.order.to_file(info.order, decoder.dtype)
                restorer.begin(info, decoder.dtype)
            for elements in self._push(part.elements):
                restorer.write(elements)
            self._done += info.size * decoder.dtype.itemsize * part.words // info.word_count
            # How much there will be is not known in a single pass: so far, for so many bytes read.
            total = self._done * self._source_bytes // part.end
            self._progress(Step(info.name, self._done, total))
            if part.number + part.chunks == info.chunks:
                restorer.end()


def _decoded(batch: Batch) -> _Decoded:
    elements = batch.elements()
    end = batch.chunks[-1].end
    return _Decoded(batch.decoder, batch.number, len(batch.chunks), batch.words, elements, end)
