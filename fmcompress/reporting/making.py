"""Measure a dump and write what was found as one HTML page: `report`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

from fmcompress.coding import Coding
from fmcompress.errors import FmcError, error_context
from fmcompress.files import Sources, Target, keep_apart, name_of, source_paths
from fmcompress.off_chip import BURST_BYTES
from fmcompress.progress import Progress, silent
from fmcompress.reporting.collecting import Asked, checked, collect
from fmcompress.reporting.figures import figures
from fmcompress.reporting.page import page, picture_style
from fmcompress.targets import replacing, writing


@dataclass(frozen=True, slots=True)
class Report:
    """What was written.

    Attributes
    ----------
    file : str
        Name of what was measured.
    layers, figures : int
        How many there are, of layers in the first number format.
    report_bytes : int
        Of the page.
    warnings, notes : list of str
        What a reader of numbers should know; what was decided on the way.
    """

    file: str
    layers: int
    figures: int
    report_bytes: int
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def report(
    source: Sources,
    target: Target,
    *,
    svg: str | os.PathLike[str] | None = None,
    formats: Sequence[str] | str | None = None,
    codecs: Sequence[str] | str | None = None,
    tile: str | Sequence[int] | None = None,
    burst_bytes: int = BURST_BYTES,
    index: bool = True,
    passes: int = 2,
    frames_per_second: float | None = None,
    energy: str | None = None,
    pj_per_bit: float | None = None,
    frame_axis: int | None = None,
    layers: Sequence[str] | str | None = None,
    raw: Mapping[str, Any] | None = None,
    overwrite: bool = True,
    threads: int = 1,
    progress: Progress = silent,
    **coding: Unpack[Coding],
) -> Report:
    """Write a report on a dump: one HTML file that needs no other, and no network.

    Parameters
    ----------
    source : path or binary file, or sequence of paths
        A dump, several, or a container, whose words are taken as they are.
    target : path or binary file
        Where the page goes.
    svg : path, optional
        A folder to be made, with each figure as a file of its own.
    formats : str or sequence of str, optional
        Number formats, as of `sweep`; by default ``native``, and where there are floats of 32 bits
        or more ``fixed8``, ``fixed16`` and ``float16``.
    codecs : str or sequence of str, optional
        Of the figures by frame; by default ``ebpc``, ``bpc``, ``zrle`` and ``zvc``.
    tile, burst_bytes, index, passes, frames_per_second, energy, pj_per_bit
        As of `traffic`.
    frame_axis : int, optional
        The axis of frames; by default attributes say so, or it is the usual one.
    layers, raw, threads, progress
        As of `compress`.
    overwrite : bool
        Whether what is there is replaced.
    **coding
        How the words are made, but for codec and format.

    Returns
    -------
    Report

    Raises
    ------
    ParameterError, DamagedError, UnsupportedError, OSError
        As `compress`; ParameterError also where no layer has any of the formats.
    """
    moved: dict[str, Any] = {
        "tile": tile,
        "burst_bytes": burst_bytes,
        "index": index,
        "passes": passes,
        "frames_per_second": frames_per_second,
        "energy": energy,
        "pj_per_bit": pj_per_bit,
    }
    asked = checked(
        Asked(
            _listed(formats),
            _listed(codecs),
            frame_axis,
            layers,
            raw,
            threads,
            moved,
            dict(coding),  # type: ignore[arg-type]
        )
    )
    keep_apart(source, target)
    if svg is not None:
        keep_apart(source, svg, folder=True)
        _keep_others(Path(svg))
    with ExitStack() as stack:
        place = stack.enter_context(replacing(target, overwrite=overwrite))
        folder = None
        if svg is not None:
            folder = stack.enter_context(replacing(svg, overwrite=overwrite, folder=True))
        with error_context(file=name_of(source)), source_paths(source) as paths:
            numbers = collect(paths, name_of(source), asked, progress)
        drawn = list(figures(numbers))
        told = {"layers": layers or "all", "frame_axis": frame_axis, "raw": raw, **moved}
        names = list(map(name_of, source if isinstance(source, list | tuple) else [source]))
        data = page(numbers, names, drawn, told).encode("utf-8")
        with writing(place) as file:
            file.write(data)
        if isinstance(folder, Path):
            for figure in drawn:
                (folder / figure.file).write_text(
                    figure.picture.svg(picture_style()), encoding="utf-8"
                )
    return Report(
        numbers.file,
        len(numbers.formats[0].comparison.layers),
        len(drawn),
        len(data),
        numbers.warnings,
        numbers.notes,
    )


def _keep_others(folder: Path) -> None:
    """Refuse to replace a folder that holds something else than figures."""
    if folder.is_dir() and any(path.suffix != ".svg" for path in folder.iterdir()):
        raise FmcError(
            "holds other files than figures", file=str(folder), hint="name a folder of its own"
        )


def _listed(names: Sequence[str] | str | None) -> tuple[str, ...] | None:
    """Return one name, or several; None where there is none."""
    return (names,) if isinstance(names, str) else tuple(names or ()) or None
