"""From a dump to a container: `compress`, and `stats` as its dry run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Unpack

from fmcompress import container, dumps
from fmcompress.chunks import code_chunks
from fmcompress.coding import Coding, Options
from fmcompress.contents import Contents, LayerInfo
from fmcompress.dumps import template_pieces
from fmcompress.errors import FmcError, error_context
from fmcompress.files import Sources, Target, keep_apart, listed_sources, name_of, source_paths
from fmcompress.picking import pick
from fmcompress.planning import Plan
from fmcompress.progress import Progress, Step, silent
from fmcompress.reader import File, is_container
from fmcompress.statistics import Stats, stats_of_contents
from fmcompress.targets import replacing, writing


def compress(
    source: Sources,
    target: Target,
    *,
    layers: Sequence[str] | str | None = None,
    raw: Mapping[str, Any] | None = None,
    overwrite: bool = True,
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
        error_context(file=name_of(source)),
        source_paths(source) as paths,
        dumps.open_sources(paths, raw) as dump,
    ):
        plan = Plan(dump, layers, options)
        with replacing(target, overwrite=overwrite) as place, writing(place) as file:
            contents = _write(plan, file, progress)
    return stats_of_contents(contents, name_of(source), plan.picked, plan.warnings, plan.notes)


def stats(
    source: Sources,
    *,
    layers: Sequence[str] | str | None = None,
    raw: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    **coding: Unpack[Coding],
) -> Stats:
    """Measure a dump (a dry run of `compress`, nothing is written) or a container (its index).

    Parameters are those of `compress`; for a container only `layers` counts, the rest is what it
    was written with.

    Raises
    ------
    ParameterError, DamagedError, UnsupportedError, OSError
        As `compress`.
    """
    options = Options(**coding)
    with error_context(file=name_of(source)), source_paths(source) as paths:
        if len(paths) == 1 and is_container(paths[0]):
            with File(paths[0]) as file:
                picked = pick([info.name for info in file.contents.layers], layers)
                warnings = options.idle(raw)
                return stats_of_contents(file.contents, name_of(source), picked, warnings)
        with dumps.open_sources(paths, raw) as dump:
            plan = Plan(dump, layers, options)
            contents = _write(plan, _Nowhere(), progress)
    return stats_of_contents(contents, name_of(source), plan.picked, plan.warnings, plan.notes)


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


def _write(plan: Plan, file: BinaryIO | _Nowhere, progress: Progress) -> Contents:
    """Write the container."""
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
    for tensor in dump.tensors:
        with error_context(layer=tensor.name):
            if tensor.name not in plan.layers:
                carried = {"reason": tensor.carried, "bytes": tensor.stored_bytes}
                writer.layer(LayerInfo(tensor.name, tensor.shape, tensor.label, carried=carried))
                continue
            layer, words, info, blocks = plan.prepare(tensor.name)
            writer.layer(info)
            codec = plan.options.codec(words)
            for chunk in layer.words(blocks(), words, info):
                for coded in code_chunks(chunk, words.bits, codec, chunk.size):
                    writer.chunk(*coded)
                done += chunk.size * tensor.nbytes // max(info.word_count, 1)
                progress(Step(tensor.name, done, total))
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
