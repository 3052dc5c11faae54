"""From a container back to the dump: `decompress`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from fmcompress.chunks import (
    check_description,
    decode_chunk,
    element_dtype,
    item_bytes,
    word_format,
)
from fmcompress.container import Assembly, Scanner
from fmcompress.contents import parse_dump
from fmcompress.dumps import Layout, Restorer, format_named
from fmcompress.errors import DamagedError, FmcError, error_context
from fmcompress.files import (
    Source,
    Target,
    inside,
    name_of,
    open_source,
    replacing,
    same_file,
    size_of,
    writing_anywhere,
)
from fmcompress.picking import matches, pick
from fmcompress.progress import Progress, Step, silent
from fmcompress.records import Kind, Record, parse_chunk, parse_template
from fmcompress.statistics import Stats, stats_of_contents


def decompress(
    source: Source,
    target: Target,
    *,
    layers: Sequence[str] | str | None = None,
    overwrite: bool = True,
    progress: Progress = silent,
) -> Stats:
    """Give back the dump that a container holds; every byte read is checked.

    Parameters
    ----------
    source : path or binary file
        The container; read front to back, so it may be a pipe. It is kept.
    target : path or binary file
        The dump, in its own format. A path is written beside and renamed when complete.
    layers : glob or globs, optional
        Give back these layers only.
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
        If a glob matches no layer.
    DamagedError
        If the container is cut or damaged; no target is left then.
    UnsupportedError
        If it was written by a newer version.
    OSError
        If reading or writing fails.
    """
    if same_file(source, target):
        raise FmcError("is both input and output", file=name_of(source), hint="name another output")
    with (
        error_context(file=name_of(source)),
        open_source(source) as file,
    ):
        unpacking = _Unpacking(file, layers, progress)
        folder = unpacking.is_folder()
        if folder and inside(target, source):
            raise FmcError("holds the input", file=name_of(target), hint="name another output")
        with (
            replacing(target, overwrite=overwrite, folder=folder) as place,
            writing_anywhere(place) as path,
        ):
            unpacking.run(path)
    contents = unpacking.scanner.contents
    picked = [info.name in unpacking.picked for info in contents.layers]
    return stats_of_contents(contents, name_of(source), picked)


class _Unpacking:
    """One pass over a container, with the dump growing beside."""

    def __init__(
        self,
        file: BinaryIO,
        layers: Sequence[str] | str | None,
        progress: Progress,
    ) -> None:
        self.scanner = Scanner(file)
        self.picked: set[str] = set()
        self._assembly = Assembly(self.scanner.contents)
        self._path: Path
        self._patterns = layers
        self._progress = progress
        self._layout: Layout
        self._restorer: Restorer | None = None
        self._done = 0
        self._source_bytes = size_of(file)
        self._all = self._records()
        self._first: list[tuple[Record, bytes]] = []

    def is_folder(self) -> bool:
        """Tell from the first record what `run` has to be given: a folder or a file."""
        self._first = [*itertools.islice(self._all, 1)]
        dumps = [parse_dump(data) for record, data in self._first if record.kind == Kind.DUMP]
        return any(format_named(dump["format"]).folder for dump in dumps)

    def run(self, path: Path) -> None:
        self._path = path
        try:
            for record, payload in itertools.chain(self._first, self._all):
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
                    self._layout.layer(info, info.size * item_bytes(info))
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
            dtype = element_dtype(info)
            if number == 0:
                restorer.begin(info, dtype)
            try:
                words = decode_chunk(info, sizes, payload)
            except FmcError as error:
                error.cause = f"chunk {number}: {error.cause}"
                raise
            restorer.write(word_format(info).to_elements(words, dtype))
            self._done += sizes.words * dtype.itemsize
            # How much there will be is not known in a single pass: so far, for so many bytes read.
            total = self._done * self._source_bytes // record.end
            self._progress(Step(info.name, self._done, total))
            if number == info.chunks - 1:
                restorer.end()
