"""Many codecs, block sizes, zero bursts, number formats and orders on a dump: `sweep`.

Each frame of a layer is one transmission, as in the EBPC paper. Bits are counted without streams
being made, and are those of the streams (tests hold them together).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np

from fmcompress import __version__
from fmcompress.batches import chunks_in_batch
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.codecs.signed_words import all_fitted
from fmcompress.codecs.stored import stored_bytes
from fmcompress.coding import Coding
from fmcompress.configurations import FILE, NATIVE, Space, coding_in, measure_all
from fmcompress.cutting import Cut
from fmcompress.digests import digest_of
from fmcompress.errors import ParameterError, error_context
from fmcompress.files import Sources, name_of, source_paths
from fmcompress.in_order import Workers
from fmcompress.layer_words import LayerWords, open_words
from fmcompress.numbers import plain, switch
from fmcompress.progress import Progress, Step, silent
from fmcompress.reader import are_container
from fmcompress.surveying import LayerSurvey, nothing_left, survey
from fmcompress.sweep_checkpoint import Checkpoint
from fmcompress.sweep_rows import Row, Sweep

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Options of `compress` that a space has, and what they are where they are not given.
_SWEPT = {
    "codec": Ebpc.name,
    "block_size": None,
    "max_burst": None,
    "quantize": None,
    "order": None,
}


def sweep(
    source: Sources,
    *,
    space: Space | None = None,
    frame_axis: int | None = None,
    layers: Sequence[str] | str | None = None,
    raw: Mapping[str, Any] | None = None,
    checkpoint: str | Path | None = None,
    overwrite: bool = False,
    threads: int = 1,
    progress: Progress = silent,
    **coding: Unpack[Coding],
) -> Sweep:
    """Count the bits of every frame of every layer in every configuration.

    Parameters
    ----------
    source : path or binary file, or sequence of paths
        A dump, several, or a container.
    space : Space, optional
        The configurations; by default those of the EBPC paper, in the dump's own number format.
    frame_axis : int, optional
        Which axis holds frames; by default an attribute says so, or it is the usual one.
    layers, raw, threads, progress
        As of `compress`.
    checkpoint : path, optional
        Where rows are kept while the sweep runs. Those of an interrupted sweep of the same bytes
        with the same parameters are taken from there. It is left, complete, for the caller to
        remove once the rows are kept elsewhere.
    overwrite : bool
        Drop rows of another sweep that are there.
    **coding
        How the words are made, but for what is swept.

    Returns
    -------
    Sweep

    Raises
    ------
    FmcError
        If the checkpoint is another sweep's, or one is running with it, or it is no checkpoint.
    ParameterError, DamagedError, UnsupportedError, OSError
        As `compress`; ParameterError also where no layer has any of the formats, or an option
        concerns none of them.
    """
    space = space or Space()
    for name, usual in _SWEPT.items():
        if coding.get(name, usual) != usual:
            raise ParameterError(f"{name} is what is swept", hint="give it in space")
    space.check(coding)
    cut = Cut(frame_axis=frame_axis)
    with source_paths(source) as paths, Workers(threads) as workers:
        idle: list[str] = []
        if are_container(paths):
            space, idle = space.of_container()
        found = Sweep(name_of(source), digest_of(paths), space.describe(), warnings=idle)
        key = {
            "version": __version__,
            "digest": found.digest,
            "space": found.space,
            "coding": repr((sorted((k, plain(v)) for k, v in coding.items()), cut, raw)),
        }
        path = None if checkpoint is None else Path(checkpoint)
        with Checkpoint(path, key, switch("overwrite", overwrite)) as kept:
            for format_, order in ((f, o) for f in space.formats for o in space.orders):
                pass_ = _Pass(space, cut, format_, order)
                with error_context(file=found.file):
                    _sweep(pass_, paths, layers, raw, coding, kept, workers, progress, found)
            if not found.rows:
                raise nothing_left("swept", found.left_out, found.file, hint=None)
    return found


class _Pass(NamedTuple):
    """One number format and order."""

    space: Space
    cut: Cut
    format: str
    order: str


def _sweep(
    pass_: _Pass,
    paths: list[Path],
    layers: Sequence[str] | str | None,
    raw: Mapping[str, Any] | None,
    coding: Coding,
    kept: Checkpoint,
    workers: Workers,
    progress: Progress,
    found: Sweep,
) -> None:
    """Go through all layers in one format and order."""
    own = coding_in(pass_.format, pass_.order, coding)
    with ExitStack() as stack:
        try:
            words = stack.enter_context(
                open_words(paths, layers, raw, own, pass_.cut, ("difference",))
            )
        except ParameterError as error:
            if pass_.format == NATIVE:
                raise
            found.left_out[f"all ({pass_.format})"] = error.cause
            in_order = "" if pass_.order == FILE else f" in the order {pass_.order}"
            found.warnings.append(f"{pass_.format}{in_order} has no rows: {error.cause}")
            return
        groups: dict[str, list[Row]] = {}
        unlike = 0

        def begin(layer: LayerWords) -> _Layer | None:
            nonlocal unlike
            name = layer.info.name
            if pass_.format != NATIVE and not layer.info.quantized:
                found.left_out[f"{name} ({pass_.format})"] = "is not quantised"
                unlike += 1
                return None
            there = kept.groups.get((pass_.format, pass_.order, name))
            if there is not None:
                groups[name] = there
                found.resumed_rows += len(there)
                return None
            groups[name] = []
            return _Layer(layer, pass_)

        show = lambda step: progress(
            Step(f"{pass_.format} {pass_.order} {step.layer}", step.done, step.total)
        )
        for layer in survey(words, begin, workers, show):
            name = layer.layer.info.name
            groups[name] = layer.rows()
            kept.add((pass_.format, pass_.order, name), groups[name])
        found.rows += [row for rows in groups.values() for row in rows]
        if unlike and groups:
            layers_ = "1 layer, which is" if unlike == 1 else f"{unlike} layers, which are"
            note = f"{pass_.format} has no rows of {layers_} not quantised"
            found.notes += [note] * (note not in found.notes)
        left_out = {f"{name} ({pass_.format})": why for name, why in words.left_out.items()}
        found.left_out |= left_out
        found.warnings += [line for line in words.warnings if line not in found.warnings]
        found.notes += [line for line in words.notes if line not in found.notes]


class _Measured(NamedTuple):
    """Some frames: bytes of both streams by codec, frame and stream; zero words by frame."""

    sizes: NDArray[np.int64]
    zero_words: NDArray[np.int64]


class _Layer(LayerSurvey[_Measured]):
    """A layer in one format and order."""

    def __init__(self, layer: LayerWords, pass_: _Pass) -> None:
        self._pass = pass_
        self._frame_words = pass_.cut.piece_words(layer)
        batch = chunks_in_batch(self._frame_words, layer.word_bits)
        super().__init__(layer, batch * self._frame_words)
        self._configurations = pass_.space.configurations
        built = [one.build(layer.difference) for one in self._configurations]
        self._codecs = all_fitted(built, self.words, layer.word_bits)
        self._measured: list[_Measured] = []

    def measure(self, words: NDArray[Any]) -> _Measured:
        """Measure some frames."""
        frames = words.reshape(-1, self._frame_words)
        return _Measured(
            measure_all(self._codecs, words, self.layer.word_bits, self._frame_words),
            self._frame_words - np.count_nonzero(frames, axis=1),
        )

    def add(self, measured: _Measured) -> None:
        """Add the frames that come next."""
        self._measured.append(measured)

    def rows(self) -> list[Row]:
        """Return a row for each configuration and frame.

        What a codec knows of the whole layer counts with its first frame.
        """
        info, bits = self.layer.info, self.layer.word_bits
        sizes = np.concatenate([part.sizes for part in self._measured], axis=1)
        zeros = np.concatenate([part.zero_words for part in self._measured]).tolist()
        raw_bits = 8 * stored_bytes(self._frame_words, bits)
        rows = []
        for configuration, codec, frames in zip(
            self._configurations, self._codecs, (8 * sizes).tolist(), strict=True
        ):
            for frame, (first, second) in enumerate(frames):
                table_bits = 0 if frame else codec.table_bits
                coded = min(first + second, raw_bits) + table_bits
                rows.append(
                    Row(
                        layer=info.name,
                        shape="x".join(map(str, info.shape)),
                        frame=frame,
                        format=self._pass.format,
                        order=self._pass.order,
                        axes=",".join(map(str, info.word_axes)),
                        codec=configuration.codec,
                        block_size=configuration.block_size,
                        max_burst=configuration.max_burst,
                        word_bits=bits,
                        words=self._frame_words,
                        zero_words=zeros[frame],
                        raw_bits=self._frame_words * bits,
                        first_stream_bits=first,
                        second_stream_bits=second,
                        bits=coded,
                        table_bits=table_bits,
                        ratio=self._frame_words * bits / coded if coded else None,
                    )
                )
        return rows
