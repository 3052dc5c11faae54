"""From a dump to a container: `compress`, and `stats` as its dry run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeAlias, Unpack

from fmcompress import container, dumps
from fmcompress.batches import chunks_in_batch
from fmcompress.chunks import CodedChunk, auto_bits, code_chunks
from fmcompress.coding import Coding, Options
from fmcompress.contents import Contents, LayerInfo
from fmcompress.dumps import template_pieces
from fmcompress.errors import FmcError, error_context
from fmcompress.files import Sources, Target, keep_apart, listed_sources, name_of, source_paths
from fmcompress.in_order import Task, Workers
from fmcompress.numbers import switch
from fmcompress.picking import pick
from fmcompress.planning import Plan
from fmcompress.progress import Progress, Step, silent
from fmcompress.reader import File, are_container, is_container
from fmcompress.statistics import Stats, Tried, stats_of_contents
from fmcompress.targets import replacing, writing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmcompress.codecs import Codec
    from fmcompress.codecs.auto import Auto
    from fmcompress.layer_plan import LayerPlan
    from fmcompress.ordering import Stretch
    from fmcompress.words import WordFormat


def compress(
    source: Sources,
    target: Target,
    *,
    layers: Sequence[str] | str | None = None,
    raw: Mapping[str, Any] | None = None,
    overwrite: bool = True,
    threads: int = 1,
    progress: Progress = silent,
    **coding: Unpack[Coding],
) -> Stats:
    """Compress a dump, recognised by its content, to a container.

    Parameters
    ----------
    source : path or binary file, or sequence of paths
        The dump: a file, or a folder. Several become one dump of files. They are kept.
    target : path or binary file
        The container. A path is written beside and renamed when complete.
    layers : glob or globs, optional
        Layers to code; the others are carried unchanged, so the whole dump still comes back.
    raw : mapping, optional
        Take the dump for nothing but words: ``dtype``, ``shape`` and ``endian`` say of what kind.
    overwrite : bool
        Replace an existing target.
    threads : int
        How many code; 0 is as many as the process may use processors. The bytes are the same.
    progress : callable
        Called with a `Step` now and then.
    **coding
        How layers are coded: `fmcompress.coding.Coding` lists the arguments.

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
    options = Options(**coding)
    keep_apart(source, target)
    _keep_dumps(source, target)
    with (
        Workers(threads) as workers,
        error_context(file=name_of(source)),
        source_paths(source) as paths,
        dumps.open_sources(paths, raw) as dump,
    ):
        plan = Plan(dump, layers, options, workers.map)
        with replacing(target, overwrite=overwrite) as place, writing(place) as file:
            contents = _write(plan, file, workers, progress)
    return stats_of_contents(contents, name_of(source), plan.picked, plan.warnings, plan.notes)


Attributes: TypeAlias = Mapping[str, Any]


def stats(
    source: Sources,
    *,
    layers: Sequence[str] | str | None = None,
    raw: Mapping[str, Any] | None = None,
    threads: int = 1,
    progress: Progress = silent,
    recommend: bool = False,
    **coding: Unpack[Coding],
) -> Stats:
    """Measure a dump (a dry run of `compress`, nothing is written) or a container (its index).

    Parameters are those of `compress`; for a container only `layers` counts, the rest is what it
    was written with. With `recommend`, which codec makes each layer of a dump smallest is found
    out, too: of those among which ``auto`` chooses.

    Raises
    ------
    ParameterError, DamagedError, UnsupportedError, OSError
        As `compress`.
    """
    options, recommended = Options(**coding), switch("recommend", recommend)
    with Workers(threads) as workers:
        return measured(source, options, layers, raw, workers, progress, recommend=recommended)


def measured(
    source: Sources,
    options: Options,
    layers: Sequence[str] | str | None,
    raw: Mapping[str, Any] | None,
    workers: Workers,
    progress: Progress,
    *,
    recommend: bool = False,
    look: Callable[[Mapping[str, Attributes], Sequence[Attributes]], object] | None = None,
) -> Stats:
    """Measure as `stats` does, and let somebody look at attributes before.

    Parameters
    ----------
    look : callable, optional
        Called with the attributes of groups, by path, that of the file ``""``, and those of each
        layer.
    """
    with error_context(file=name_of(source)), source_paths(source) as paths:
        if are_container(paths):
            with File(paths[0]) as file:
                if look is not None:
                    look(file.groups, [layer.attrs for layer in file.values()])
                picked = pick([info.name for info in file.contents.layers], layers)
                warnings = options.idle(raw)
                return stats_of_contents(file.contents, name_of(source), picked, warnings)
        with dumps.open_sources(paths, raw) as dump:
            if look is not None:
                look(dump.groups, [tensor.attributes for tensor in dump.tensors])
            plan = Plan(dump, layers, options, workers.map)
            tried: Tried | None = {} if recommend else None
            contents = _write(plan, _Nowhere(), workers, progress, tried)
    return stats_of_contents(
        contents, name_of(source), plan.picked, plan.warnings, plan.notes, tried or {}
    )


def _keep_dumps(source: Sources, target: Target) -> None:
    """Refuse to replace what may well be the last of several inputs, as of ``*.npz``."""
    if len(listed_sources(source)) < 2 or not isinstance(target, str | os.PathLike):
        return
    if Path(target).is_file() and not is_container(Path(target)):
        raise FmcError(
            "exists, and is no compressed file: was it meant as an input",
            file=name_of(target),
            hint="name the output last, or remove that file first",
        )


class _Nowhere:
    """A binary file that forgets what is written to it."""

    def write(self, data: bytes) -> int:
        return len(data)


class _CodedBatch(NamedTuple):
    """Consecutive chunks of a layer, and the bytes that their words had in the dump.

    `tried` is what `auto_bits` says of them, where that is asked for.
    """

    layer: str
    nbytes: int
    chunks: list[CodedChunk]
    tried: dict[str, int]


_Part: TypeAlias = LayerInfo | _CodedBatch


def _write(
    plan: Plan,
    file: BinaryIO | _Nowhere,
    workers: Workers,
    progress: Progress,
    tried: Tried | None = None,
) -> Contents:
    """Write the container; add to `tried`, if it is there, what `auto_bits` says of each layer."""
    dump = plan.dump
    writer = container.Writer(file)  # type: ignore[arg-type]
    description = dump.describe()
    if any(layer.quantization for layer in plan.layers.values()):
        description["quantized"] = True
    writer.dump(description)
    with dump.open_bytes() as source:
        for piece in template_pieces(dump, plan.coded, source):
            writer.template(piece)
    total = sum(tensor.nbytes for tensor in plan.coded)
    done = 0
    parts: Iterator[_Part] = workers.results(_parts(plan, tried is not None))
    for part in parts:
        if isinstance(part, LayerInfo):
            writer.layer(part)
            continue
        for chunk in part.chunks:
            writer.chunk(*chunk)
        if tried is not None:
            tried.setdefault(part.layer, Counter()).update(part.tried)
        done += part.nbytes
        progress(Step(part.layer, done, total))
    plan.say_orders()
    contents = writer.finish()
    if not plan.layers and any(plan.picked):
        reasons = sorted({t.carried for t, p in zip(dump.tensors, plan.picked, strict=True) if p})
        plan.warnings.append(f"no layer is coded: {'; '.join(reasons)}")
    packed = sum(tensor.stored_bytes for tensor in plan.coded)
    if packed < total and contents.total_bytes > dump.nbytes:
        plan.warnings.append(
            "the compressed file is larger than the dump, which is compressed already: "
            f"{packed:,} bytes for {total:,} bytes of words"
        )
    return contents


def _parts(plan: Plan, recommend: bool) -> Iterator[_Part | Task[_Part]]:
    """Yield the layers in file order: of each its description, and its chunks as tasks."""
    for tensor in plan.dump.tensors:
        with error_context(layer=tensor.name):
            if tensor.name not in plan.layers:
                carried = {"reason": tensor.carried, "bytes": tensor.stored_bytes}
                yield LayerInfo(tensor.name, tensor.shape, tensor.label, carried=carried)
                continue
            layer, words, codec, info, blocks = plan.prepare(tensor.name)
            yield info
            auto = plan.options.auto_for(words) if recommend else None
            size = chunks_in_batch(info.chunk_words, words.bits) * info.chunk_elements
            for batch in layer.in_word_order(blocks(), size):
                yield Task(partial(_coded, layer, words, info, codec, auto, batch))


def _coded(
    layer: LayerPlan,
    words: WordFormat,
    info: LayerInfo,
    codec: Codec,
    auto: Auto | None,
    batch: tuple[NDArray[Any], Stretch],
) -> _CodedBatch:
    """Code elements that follow each other in word order."""
    elements, stretch = batch
    with error_context(layer=info.name):
        coded = layer.to_words(elements, words, stretch)
        chunks = code_chunks(coded, words.bits, codec, info.chunk_words)
        tried = auto_bits(coded, words.bits, auto, info.chunk_words) if auto else {}
    return _CodedBatch(info.name, elements.size * layer.tensor.nbytes // info.size, chunks, tried)
