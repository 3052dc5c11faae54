"""The numbers of a report: those of `compare`, `sweep` and `traffic`, and of words themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fmcompress.coding import Coding, Options
from fmcompress.compared import EBPC, Comparison
from fmcompress.comparison import compare
from fmcompress.configurations import DEFAULT_CODECS, FILE, NATIVE, Space, coding_in
from fmcompress.cutting import Cut
from fmcompress.distributions import Pieces
from fmcompress.energy import energy_of
from fmcompress.errors import ParameterError
from fmcompress.in_order import Workers
from fmcompress.layer_words import open_words
from fmcompress.off_chip import traffic
from fmcompress.progress import Progress, Step
from fmcompress.reader import are_container
from fmcompress.reporting.charts import Box
from fmcompress.reporting.word_details import DetailsSurvey, LayerDetails
from fmcompress.surveying import survey
from fmcompress.sweep_rows import Row, Sweep
from fmcompress.sweeping import sweep
from fmcompress.tile_traffic import Traffic
from fmcompress.tiling import tile_lengths

# What floats are quantised to unless the user says otherwise: as in the EBPC paper's figures.
FLOAT_FORMATS = ("fixed8", "fixed16", "float16")
# Floats of which these are an approximation, and not the same or more.
_WIDE_FLOATS = ("float32",)


@dataclass(slots=True)
class FormatNumbers:
    """One number format.

    Attributes
    ----------
    name : str
        ``native``, or a target of quantising.
    comparison : Comparison
    traffic : Traffic
    details : list of LayerDetails
    frames : dict
        How many frames each layer has, by name.
    ratios : dict
        By codec and layer, where the frames' ratios lie.
    network_ratios : dict
        By codec, where ratios of frames of all layers together lie; empty where layers have
        different numbers of frames.
    sparsities : dict
        By layer, where shares of zero words lie.
    heat : dict
        EBPC's ratio over all layers and frames, by block size and burst.
    """

    name: str
    comparison: Comparison
    traffic: Traffic
    details: list[LayerDetails]
    frames: dict[str, int] = field(default_factory=dict)
    ratios: dict[str, dict[str, Box]] = field(default_factory=dict)
    network_ratios: dict[str, Box] = field(default_factory=dict)
    sparsities: dict[str, Box] = field(default_factory=dict)
    heat: dict[tuple[int, int], float] = field(default_factory=dict)

    @property
    def lossy(self) -> bool:
        """Whether values were quantised."""
        return any(layer.quantized for layer in self.comparison.layers)


@dataclass(slots=True)
class Numbers:
    """All that a report shows.

    Attributes
    ----------
    file, digest : str
        What was measured, and of its bytes.
    codecs : tuple of str
        Of the box plots.
    formats : list of FormatNumbers
    sweep : Sweep
    options : Options
        How words are made and coded, but for the format.
    left_out : dict
        Why layers are missing in a format.
    warnings, notes : list of str
    """

    file: str
    digest: str
    codecs: tuple[str, ...]
    formats: list[FormatNumbers]
    sweep: Sweep
    options: Options
    left_out: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def part(self, one: FormatNumbers) -> str:
        """Say how many layers a format has, where another one has more; else nothing."""
        count, most = len(one.details), max(len(other.details) for other in self.formats)
        return f"{count} of {most} layers" if count < most else ""


class Asked(NamedTuple):
    """What to look at, and how: as `report` has it."""

    formats: tuple[str, ...] | None
    codecs: tuple[str, ...] | None
    frame_axis: int | None
    layers: Sequence[str] | str | None
    raw: Mapping[str, Any] | None
    threads: int
    traffic: dict[str, Any]
    coding: Coding


def collect(paths: list[Path], file: str, asked: Asked, progress: Progress) -> Numbers:
    """Measure what a report shows.

    Parameters
    ----------
    paths : list of Path
        The dump's.
    file : str
        Its name, for the report.
    asked : Asked
    progress : callable
        Called with a `Step` now and then.

    Raises
    ------
    ParameterError, DamagedError, UnsupportedError, OSError
        As `compress`; ParameterError also where no layer has any of the formats.
    """
    order = asked.coding.get("order") or FILE
    order = order if isinstance(order, str) else ",".join(map(str, order))
    codecs = asked.codecs or DEFAULT_CODECS
    idle: list[str] = []
    if are_container(paths):
        space, idle = Space(asked.formats or (NATIVE,), (order,), codecs).of_container()
        asked, order = asked._replace(formats=space.formats), FILE
    native: list[LayerDetails] = []
    if asked.formats is None or NATIVE in asked.formats:
        native = _details(paths, asked, NATIVE, order, asked.layers, progress)
    formats = asked.formats or _usual_formats(native)
    space = Space(formats, (order,), codecs)
    # What a sweep goes through itself, and what does not count there.
    idle_there = ["block_size", "max_burst", "order", "chunk_words"]
    idle_there += [] if space.has("difference") else ["difference"]
    swept = sweep(
        paths,
        space=space,
        frame_axis=asked.frame_axis,
        layers=asked.layers,
        raw=asked.raw,
        threads=asked.threads,
        progress=progress,
        **_without(asked.coding, *idle_there),
    )
    # With a format that loses, if there is any: what concerns quantising is an error without.
    shown = next((name for name in formats if name != NATIVE), NATIVE)
    options = Options(**coding_in(shown, order, asked.coding))
    found = Numbers(file, swept.digest, codecs, [], swept, options, warnings=idle)
    for format_ in space.formats:
        rows = [row for row in swept.rows if row.format == format_]
        if not rows:
            continue
        layers = list(dict.fromkeys(row.layer for row in rows))
        details = native
        if format_ != NATIVE:
            details = _details(paths, asked, format_, order, layers, progress)
        one = _measured(paths, asked, format_, order, layers, details, progress)
        _add_frames(one, rows, options.hardware.block_size, options.hardware.max_burst)
        found.formats.append(one)
    # A comparison says as advice what is a warning elsewhere.
    said = {line for one in found.formats for line in one.comparison.advice}
    for part in (swept, *(p for one in found.formats for p in (one.comparison, one.traffic))):
        found.notes += [note for note in part.notes if note not in found.notes]
        found.warnings += [w for w in part.warnings if w not in (*found.warnings, *said)]
    found.left_out = swept.left_out
    return found


def _usual_formats(native: Sequence[LayerDetails]) -> tuple[str, ...]:
    if not native:  # floats of 64 bits have no words of their own
        return FLOAT_FORMATS
    wide = any(layer.element_type in _WIDE_FLOATS for layer in native)
    return (NATIVE, *FLOAT_FORMATS) if wide else (NATIVE,)


def _without(coding: Coding, *names: str) -> Coding:
    return {name: value for name, value in coding.items() if name not in names}  # type: ignore[return-value]


def _details(
    paths: list[Path],
    asked: Asked,
    format_: str,
    order: str,
    layers: Sequence[str] | str | None,
    progress: Progress,
) -> list[LayerDetails]:
    coding = coding_in(format_, order, asked.coding)
    chunk_words = Options(**coding).chunk_words
    with (
        Workers(asked.threads) as workers,
        open_words(paths, layers, asked.raw, coding) as words,
    ):
        begin = partial(DetailsSurvey, chunk_words=chunk_words)
        show = _named(progress, format_)
        return [one.result() for one in survey(words, begin, workers, show)]


def _measured(
    paths: list[Path],
    asked: Asked,
    format_: str,
    order: str,
    layers: Sequence[str],
    details: list[LayerDetails],
    progress: Progress,
) -> FormatNumbers:
    coding = coding_in(format_, order, asked.coding)
    usual: Any = {"layers": layers, "raw": asked.raw, "threads": asked.threads}
    usual["progress"] = _named(progress, format_)
    of_tiles = _without(coding, "chunk_words")
    return FormatNumbers(
        format_,
        compare(paths, **usual, **coding),
        traffic(paths, frame_axis=asked.frame_axis, **asked.traffic, **usual, **of_tiles),
        details,
    )


def _named(progress: Progress, format_: str) -> Progress:
    return lambda step: progress(Step(f"{format_} {step.layer}", step.done, step.total))


def _pieces(rows: Sequence[Row]) -> Pieces:
    """Return frames as pieces; a table of the whole layer is in no frame."""
    columns = [(row.words, row.raw_bits, row.bits - row.table_bits, row.zero_words) for row in rows]
    return Pieces(*np.array(columns, np.int64).T)


def _add_frames(found: FormatNumbers, rows: list[Row], block_size: int, max_burst: int) -> None:
    """Add what rows of a sweep tell of frames."""
    by_codec: dict[str, dict[str, list[Row]]] = {}
    heat: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        if row.block_size in (None, block_size) and row.max_burst in (None, max_burst):
            by_codec.setdefault(row.codec, {}).setdefault(row.layer, []).append(row)
        if row.codec == EBPC and row.block_size is not None and row.max_burst is not None:
            sums = heat.setdefault((row.block_size, row.max_burst), [0, 0])
            sums[0] += row.raw_bits
            sums[1] += row.bits
    found.heat = {key: raw / bits for key, (raw, bits) in heat.items() if bits}
    for codec, layers in by_codec.items():
        pieces = {name: _pieces(frames) for name, frames in layers.items()}
        found.frames = {name: one.bits.size for name, one in pieces.items()}
        found.sparsities = {name: Box.of(one.sparsities) for name, one in pieces.items()}
        # Of frames that take no bits, as those of zeros may, there is no ratio.
        ratios = {name: one.ratios for name, one in pieces.items()}
        found.ratios[codec] = {name: Box.of(some) for name, some in ratios.items() if some.size}
        if len({*found.frames.values()}) == 1:
            together = Pieces.together([*pieces.values()]).ratios
            if together.size:
                found.network_ratios[codec] = Box.of(together)


def checked(asked: Asked) -> Asked:
    """Refuse what a report chooses itself, and what would fail only after a while.

    Raises
    ------
    ParameterError
        If a codec or a format is given as `compress` takes it, or there is no such thing.
    """
    if asked.coding.get("quantize") is not None:
        raise ParameterError("quantize is given", hint="give formats, as fixed8")
    if asked.coding.get("codec") not in (None, EBPC):
        raise ParameterError("codec is given", hint="give codecs")
    _ = Cut(frame_axis=asked.frame_axis)
    _ = Space(asked.formats or (NATIVE,), (FILE,), asked.codecs or DEFAULT_CODECS)
    _ = tile_lengths(asked.traffic["tile"])
    _ = energy_of(asked.traffic["energy"], asked.traffic["pj_per_bit"])
    return asked
