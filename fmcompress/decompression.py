"""From a container back to the dump: `decompress`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fmcompress.chunks import LayerDecoder, check_description, chunk_context, dump_item_bytes
from fmcompress.container import Assembly, Scanner, peek
from fmcompress.conversion import convert
from fmcompress.dumps import FORMATS, Format, Layout, Restorer, format_for_name, format_named
from fmcompress.errors import DamagedError, ParameterError, error_context
from fmcompress.files import Source, Target, keep_apart, name_of, open_source, size_of
from fmcompress.picking import matches, pick
from fmcompress.progress import Progress, Step, silent
from fmcompress.records import Kind, Record, parse_chunk, parse_template
from fmcompress.statistics import Stats, stats_of_contents
from fmcompress.targets import replacing, writing_anywhere

if TYPE_CHECKING:
    from fmcompress.ordering import Push


def decompress(
    source: Source,
    target: Target,
    *,
    layers: Sequence[str] | str | None = None,
    to: str | None = None,
    dequantize: bool = False,
    overwrite: bool = True,
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
    keep_apart(source, target)
    with error_context(file=name_of(source)), open_source(source) as stream:
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
                    progress=progress,
                )
            unpacking = _Unpacking(file, path, layers, progress)
            unpacking.run()
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


class _Unpacking:
    """One pass over a container, with the dump growing beside."""

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
        self._decoder: LayerDecoder
        self._push: Push
        self._restorer: Restorer | None = None
        self._done = 0
        self._source_bytes = size_of(file)

    def run(self) -> None:
        try:
            for record, payload in self._records():
                self._take(record, payload)
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

    def _take(self, record: Record, payload: bytes) -> None:
        contents = self.scanner.contents
        if record.kind == Kind.DUMP:
            self._assembly.dump(payload)
            format_ = format_named(contents.dump["format"])
            self._layout = format_.layout(contents.dump)
            self._restorer = format_.restorer(self._path, contents.dump)
        elif self._restorer is None:
            raise DamagedError("the file does not begin with what dump it holds")
        elif record.kind == Kind.TEMPLATE:
            self._assembly.template(record)
            piece = parse_template(record, payload)
            self._layout.template(piece)
            self._restorer.template(piece)
        elif record.kind == Kind.LAYERS:
            for info in self._assembly.layers(record, payload):
                wanted = matches(info.name, self._patterns)
                if wanted:
                    self.picked.add(info.name)
                if not info.carried:
                    check_description(info)
                    self._layout.layer(info, info.size * dump_item_bytes(info))
                    self._restorer.announce(info, wanted)
        elif record.kind == Kind.CHUNK:
            self._take_chunk(record, payload, self._restorer)

    def _take_chunk(self, record: Record, payload: bytes, restorer: Restorer) -> None:
        sizes = parse_chunk(record, payload)
        layer, number = self._assembly.chunk(sizes)
        info = self.scanner.contents.layers[layer]
        if info.name not in self.picked:
            return
        with error_context(layer=info.name):
            if number == 0:
                self._decoder = LayerDecoder(info)
                self._push = self._decoder.order.to_file(info.order, self._decoder.dtype)
                restorer.begin(info, self._decoder.dtype)
            with chunk_context(number):
                words = self._decoder.decode(sizes, payload)
            for elements in self._push(self._decoder.elements(number, words)):
                restorer.write(elements)
            self._done += info.size * self._decoder.dtype.itemsize * sizes.words // info.word_count
            # How much there will be is not known in a single pass: so far, for so many bytes read.
            total = self._done * self._source_bytes // record.end
            self._progress(Step(info.name, self._done, total))
            if number == info.chunks - 1:
                restorer.end()
