"""From a dump to a container: `compress`, and `stats` as its dry run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from fmcompress import container, dumps
from fmcompress.chunks import code_chunk
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.contents import DEFAULT_CHUNK_WORDS, MAX_CHUNK_WORDS, Contents, LayerInfo
from fmcompress.dumps import Dump, Tensor, template_pieces
from fmcompress.errors import FmcError, ParameterError, error_context
from fmcompress.files import (
    Source,
    Target,
    inside,
    name_of,
    replacing,
    same_file,
    source_path,
    writing,
)
from fmcompress.picking import pick
from fmcompress.progress import Progress, Step, silent
from fmcompress.reader import File, is_container
from fmcompress.statistics import Stats, stats_of_contents
from fmcompress.words import NO_WORD_FORMAT, WordFormat, format_for, zero_point_attribute

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
# A layer of up to this size is read once and kept while its zero point is searched.
_KEPT_BYTES = 1 << 27


@dataclass(frozen=True, slots=True)
class _Options:
    block_size: int
    max_burst: int
    difference: str | None
    zero_point: int | None
    chunk_words: int

    def __post_init__(self) -> None:
        Ebpc(self.block_size, self.max_burst, self.difference or "signed")
        if type(self.chunk_words) is not int or not 1 <= self.chunk_words <= MAX_CHUNK_WORDS:
            raise ParameterError(
                f"chunk_words is {self.chunk_words!r}, not from 1 to {MAX_CHUNK_WORDS}"
            )

    def codec(self, words: WordFormat) -> Ebpc:
        return Ebpc(self.block_size, self.max_burst, self.difference or words.difference)


def compress(
    source: Source,
    target: Target,
    *,
    layers: Sequence[str] | str | None = None,
    block_size: int = 8,
    max_burst: int = 16,
    difference: str | None = None,
    zero_point: int | None = None,
    chunk_words: int = DEFAULT_CHUNK_WORDS,
    overwrite: bool = True,
    progress: Progress = silent,
) -> Stats:
    """Compress a dump (HDF5, NPY or NPZ, recognised by content) to a container.

    Parameters
    ----------
    source : path or binary file
        The dump. It is kept.
    target : path or binary file
        The container. A path is written beside and renamed when complete.
    layers : glob or globs, optional
        Layers to code; the others are carried unchanged, so the whole dump still comes back.
    block_size : {8, 4, 16, 32}
        Non-zero words per BPC block.
    max_burst : {16, 2, 4, 8, 32, 64}
        Longest zero run in one ZNZ symbol.
    difference : {"signed", "unsigned", "modular"}, optional
        By default as the dtype. The RTL's own encoder is ``signed``.
    zero_point : int, optional
        By default from the layer's attributes, else found.
    chunk_words : int
        Words per chunk; each is a transmission of its own.
    overwrite : bool
        Replace an existing target.
    progress : callable
        Called with a `Step` now and then.

    Returns
    -------
    Stats
        Of what was written.

    Raises
    ------
    ParameterError
        If a parameter is outside its range or does not fit the data.
    DamagedError
        If the dump is cut or damaged.
    UnsupportedError
        If the file or something in it cannot be carried.
    OSError
        If reading or writing fails.
    """
    options = _Options(block_size, max_burst, difference, zero_point, chunk_words)
    if same_file(source, target):
        raise FmcError("is both input and output", file=name_of(source), hint="name another output")
    if inside(source, target):
        raise FmcError("lies in the input", file=name_of(target), hint="name another output")
    with (
        error_context(file=name_of(source)),
        source_path(source, folders=True) as path,
        dumps.open_dump(path) as dump,
    ):
        plan = _Plan(dump, layers, options)
        with replacing(target, overwrite=overwrite) as place, writing(place) as file:
            contents = plan.write(path, file, progress)
    return stats_of_contents(contents, name_of(source), plan.picked, plan.warnings)


def stats(
    source: Source,
    *,
    layers: Sequence[str] | str | None = None,
    block_size: int = 8,
    max_burst: int = 16,
    difference: str | None = None,
    zero_point: int | None = None,
    chunk_words: int = DEFAULT_CHUNK_WORDS,
    progress: Progress = silent,
) -> Stats:
    """Measure a dump (a dry run of `compress`, nothing is written) or a container (its index).

    Parameters are those of `compress`; for a container only `layers` counts, the rest is what it
    was written with.

    Raises
    ------
    ParameterError, DamagedError, UnsupportedError, OSError
        As `compress`.
    """
    options = _Options(block_size, max_burst, difference, zero_point, chunk_words)
    with error_context(file=name_of(source)), source_path(source, folders=True) as path:
        if is_container(path):
            with File(path) as opened:
                picked = pick([info.name for info in opened.contents.layers], layers)
                return stats_of_contents(opened.contents, name_of(source), picked)
        with dumps.open_dump(path) as dump:
            plan = _Plan(dump, layers, options)
            contents = plan.write(path, _Nowhere(), progress)
    return stats_of_contents(contents, name_of(source), plan.picked, plan.warnings)


class _Nowhere:
    """A binary file that forgets what is written to it."""

    def write(self, data: bytes) -> int:
        return len(data)


class _Plan:
    """What is to be done with every tensor of a dump, settled before anything is written."""

    def __init__(self, dump: Dump, layers: Sequence[str] | str | None, options: _Options) -> None:
        self.dump = dump
        self.options = options
        self.warnings: list[str] = []
        self.picked = pick([tensor.name for tensor in dump.tensors], layers)
        self._coded = []
        for tensor, picked in zip(dump.tensors, self.picked, strict=True):
            if picked and self._format(tensor) is not None:
                tensor.check()
            if not picked:
                tensor.carried = tensor.carried or "not picked"
            elif not tensor.carried and self._format(tensor) is None:
                tensor.carried = NO_WORD_FORMAT
            if not tensor.carried:
                self._coded.append(tensor)
                if options.zero_point is not None:
                    with error_context(layer=tensor.name):
                        self._choose_words(tensor, iter(()))

    @staticmethod
    def _format(tensor: Tensor) -> Any:
        return None if tensor.dtype is None else format_for(tensor.dtype)

    def _choose_words(self, tensor: Tensor, blocks: Iterator[NDArray[Any]]) -> WordFormat:
        assert tensor.dtype is not None
        words: WordFormat = self._format(tensor).choose(
            tensor.dtype, self.options.zero_point, tensor.attributes, blocks
        )
        return words

    def write(self, path: Path, file: BinaryIO | _Nowhere, progress: Progress) -> Contents:
        writer = container.Writer(file)  # type: ignore[arg-type]
        writer.dump(self.dump.describe())
        with self.dump.open_bytes() as source:
            for piece in template_pieces(self.dump, self._coded, source):
                writer.template(piece)
        total = sum(tensor.nbytes for tensor in self._coded)
        done = 0
        for tensor in self.dump.tensors:
            with error_context(layer=tensor.name):
                if tensor.carried:
                    carried = {"reason": tensor.carried, "bytes": tensor.stored_bytes}
                    writer.layer(
                        LayerInfo(tensor.name, tensor.shape, tensor.label, carried=carried)
                    )
                    continue
                for words in self._write_layer(tensor, writer):
                    assert tensor.dtype is not None
                    done += words * tensor.dtype.itemsize
                    progress(Step(tensor.name, done, total))
        contents = writer.finish()
        packed = sum(tensor.stored_bytes for tensor in self._coded)
        if packed < total and contents.total_bytes > self.dump.nbytes:
            self.warnings.append(
                "the compressed file is larger than the dump, which is compressed already: "
                f"{packed:,} bytes for {total:,} bytes of words"
            )
        return contents

    def _write_layer(self, tensor: Tensor, writer: container.Writer) -> Iterator[int]:
        """Code one layer; yield the number of words after each chunk."""
        assert tensor.dtype is not None
        kept = [*tensor.blocks()] if tensor.nbytes <= _KEPT_BYTES else None
        words = self._choose_words(tensor, iter(kept) if kept is not None else tensor.blocks())
        noted = zero_point_attribute(tensor.attributes)
        if noted is not None and getattr(words, "zero_point_from", "") in ("none", "found"):
            self.warnings.append(
                f"layer {tensor.name!r}: its attribute says zero point {noted}, "
                f"which is outside {tensor.label}; it is ignored"
            )
        codec = self.options.codec(words)
        info = LayerInfo(
            name=tensor.name,
            shape=tensor.shape,
            dtype=tensor.dtype.str,
            order=tensor.order,
            words=words.describe(),
            codec=codec.describe(),
            chunk_words=self.options.chunk_words,
            place=tensor.place,
        )
        writer.layer(info)
        blocks = iter(kept) if kept is not None else tensor.blocks()
        for elements in _chunks(blocks, info.chunk_words):
            writer.chunk(*code_chunk(words.to_words(elements), words.bits, codec))
            yield elements.size


def _chunks(blocks: Iterator[NDArray[Any]], size: int) -> Iterator[NDArray[Any]]:
    """Cut blocks of any size anew to chunks of `size`; the last may be shorter."""
    rest: list[NDArray[Any]] = []
    have = 0
    for block in blocks:
        at = 0
        while at < block.size:
            part = block[at : at + size - have]
            rest.append(part)
            have += part.size
            at += part.size
            if have == size:
                yield rest[0] if len(rest) == 1 else np.concatenate(rest)
                rest, have = [], 0
    if rest:
        yield rest[0] if len(rest) == 1 else np.concatenate(rest)
