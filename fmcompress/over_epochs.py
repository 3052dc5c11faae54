"""Ratio and sparsity over epochs: several dumps of one network, each with its epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Unpack

import numpy as np

from fmcompress.coding import Coding, Options
from fmcompress.compression import Attributes, measured
from fmcompress.errors import ParameterError
from fmcompress.files import Sources, listed_sources
from fmcompress.in_order import Workers
from fmcompress.numbers import plain, shortest
from fmcompress.progress import Progress, silent
from fmcompress.statistics import Sizes, Stats

EPOCH = "epoch"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One dump.

    Attributes
    ----------
    epoch : float
        What its attribute says.
    stats : Stats
    """

    epoch: float
    stats: Stats


@dataclass(slots=True)
class Epochs:
    """Several dumps, by ascending epoch.

    Attributes
    ----------
    epochs : list of Epoch
    warnings, notes : list of str
        Those of all dumps.
    """

    epochs: list[Epoch] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def layers(self) -> dict[str, list[Sizes | None]]:
        """Of each layer its sizes epoch by epoch; None where a dump does not have it."""
        names = dict.fromkeys(
            layer.name for one in self.epochs for layer in one.stats.layers if not layer.carried
        )
        tables = [{layer.name: layer.sizes for layer in one.stats.layers} for one in self.epochs]
        return {name: [table.get(name) for table in tables] for name in names}

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``fmc stats --by epoch --json`` prints (docs/JSON.md)."""
        return {
            "schema": "fmcompress.epochs/1",
            "epochs": [
                {
                    "epoch": one.epoch,
                    "file": one.stats.file,
                    **_numbers(one.stats.total),
                    "layers": [
                        {"name": layer.name, **_numbers(layer.sizes)}
                        for layer in one.stats.layers
                        if not layer.carried
                    ],
                }
                for one in self.epochs
            ],
            "warnings": self.warnings,
            "notes": self.notes,
        }


def _numbers(sizes: Sizes) -> dict[str, Any]:
    return {
        "words": sizes.words,
        "zero_words": sizes.zero_words,
        "raw_bits": sizes.word_bits,
        "bits": sizes.compressed_bits,
        "ratio": sizes.ratio,
        "sparsity": sizes.sparsity,
    }


def epochs(
    sources: Sources,
    *,
    layers: Sequence[str] | str | None = None,
    raw: Mapping[str, Any] | None = None,
    threads: int = 1,
    progress: Progress = silent,
    **coding: Unpack[Coding],
) -> Epochs:
    """Measure several dumps or containers that have an attribute ``epoch``, a number.

    Parameters
    ----------
    sources : sequence of paths
        The attribute is that of the file, or of all its layers.
    layers, raw, threads, progress, **coding
        As of `compress`.

    Raises
    ------
    ParameterError
        If a dump has no such attribute, or two have the same.
    DamagedError, UnsupportedError, OSError
        As `compress`.
    """
    options = Options(**coding)
    numbers: list[float] = []
    found: list[Stats] = []

    def look(groups: Mapping[str, Attributes], of_layers: Sequence[Attributes]) -> None:
        epoch = _epoch_of(groups, of_layers)
        if epoch in numbers:
            other = found[numbers.index(epoch)].file
            raise ParameterError(f"its epoch is {shortest(epoch)}, as that of {other}")
        numbers.append(epoch)

    with Workers(threads) as workers:
        for source in listed_sources(sources):
            found.append(measured(source, options, layers, raw, workers, progress, look=look))
    ordered = sorted(map(Epoch, numbers, found), key=lambda one: one.epoch)
    names = [{layer.name for layer in one.stats.layers if not layer.carried} for one in ordered]
    warnings = [
        f"{one.stats.file} has other layers than {ordered[0].stats.file}: totals are of different things"
        for one, own in zip(ordered, names, strict=True)
        if own != names[0]
    ]
    warnings += [f"{one.stats.file}: {line}" for one in ordered for line in one.stats.warnings]
    notes = [f"{one.stats.file}: {line}" for one in ordered for line in one.stats.notes]
    return Epochs(ordered, warnings, notes)


def _epoch_of(groups: Mapping[str, Attributes], of_layers: Sequence[Attributes]) -> float:
    """Return the epoch that a dump's attributes name: its own, or those of all its layers."""
    own = _number(groups.get("", {}))
    if own is not None:
        return own
    named = [
        attributes[EPOCH] for attributes in (groups.get("", {}), *of_layers) if EPOCH in attributes
    ]
    if named and all(_number({EPOCH: value}) is None for value in named):
        value = f"{plain(named[0])!r:.40}"
        raise ParameterError(f"its attribute {EPOCH!r} is {value}, no number", hint="write another")
    values = {_number(attributes) for attributes in of_layers}
    if len(values) == 1 and (epoch := next(iter(values))) is not None:
        return epoch
    raise ParameterError(
        f"has no attribute {EPOCH!r}, nor have all its layers the same", hint="write one to it"
    )


def _number(attributes: Attributes) -> float | None:
    if EPOCH not in attributes:
        return None
    value = np.asarray(attributes[EPOCH])
    if value.size != 1 or value.dtype.kind not in "iuf" or not np.isfinite(value.item()):
        return None
    return float(value.item())
