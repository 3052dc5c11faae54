"""What the hardware takes for the layers of a dump: cycles, stalls, time, bandwidth."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Unpack

from fmcompress.coding import Coding
from fmcompress.errors import ParameterError, error_context
from fmcompress.files import Source, Sources, Target, keep_apart, listed_sources
from fmcompress.hardware.settings import Settings
from fmcompress.layer_simulation import (
    LayerResult,
    SideResult,
    simulate_layer,
    with_worst_block,
)
from fmcompress.layer_words import check_hardware, difference_note, open_words
from fmcompress.progress import Progress, silent
from fmcompress.surveying import nothing_left
from fmcompress.targets import replacing, writing

if TYPE_CHECKING:
    from fmcompress.hardware.trace import Trace


@dataclass(slots=True)
class Simulation:
    """What `simulate` found.

    Attributes
    ----------
    file : str
    settings : Settings
    inputs : list of path or binary file
        What was read: the dump, and the files of stall patterns.
    layers : list of LayerResult
    traces : list of Trace
        Of the first layer, one for each side, where wanted; of its first unit.
    warnings, notes : list of str
        What a reader of the numbers should know; what was decided on the way.
    """

    file: str
    settings: Settings
    inputs: list[Source]
    layers: list[LayerResult] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def total(self, side: str) -> SideResult | None:
        """Add the layers up; None without layers."""
        results = [layer.sides[side] for layer in self.layers]
        return sum(results[1:], results[0]) if results else None

    def worst_layer(self, side: str) -> LayerResult | None:
        """Return the layer with the block that took longest; None without layers."""
        return with_worst_block(self.layers, side) if self.layers else None

    def write_vcd(self, target: Target, *, overwrite: bool = True) -> None:
        """Write the waveform of the traces.

        Parameters
        ----------
        target : path or binary file
        overwrite : bool
            Replace an existing file.

        Raises
        ------
        FmcError
            If no trace was wanted, the file exists, or it is one that was read.
        OSError
            If it cannot be written.
        """
        from fmcompress.hardware.waveform import write_vcd

        if not self.traces:
            raise ParameterError("there is no trace", hint="give the settings a trace")
        keep_apart(self.inputs, target)
        with replacing(target, overwrite=overwrite) as place, writing(place) as file:
            text = io.TextIOWrapper(file, encoding="ascii", newline="\n")
            write_vcd(self.traces, text, self.settings.clock_mhz)
            text.detach()  # flushed, and the file stays open

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``fmc simulate --json`` prints (docs/JSON.md)."""
        settings = self.settings
        clock = settings.clock_mhz
        return {
            "schema": "fmcompress.simulation/1",
            "file": self.file,
            "clock_mhz": clock,
            "stalls": {port: str(pattern) for port, pattern in settings.stalls.items()},
            "dram_mb_per_s": settings.dram_mb_per_s,
            "units": settings.units,
            "channel_axis": settings.channel_axis,
            "sample": settings.sample,
            "seed": settings.seed,
            "rtl_quirks": settings.rtl_quirks,
            "wait_idle": settings.wait_idle,
            "layers": [
                {
                    "name": layer.name,
                    "shape": list(layer.shape),
                    "parameters": asdict(layer.parameters),
                    "frames": layer.frames,
                    "units": layer.units,
                    "words": layer.words,
                    "chunks": layer.chunks,
                    "simulated_chunks": layer.simulated_chunks,
                    **{
                        side: side_to_json(result, clock, layer.frames)
                        for side, result in layer.sides.items()
                    },
                }
                for layer in self.layers
            ],
            "total": {
                side: side_to_json(result, clock) | {"worst_layer": worst.name}
                for side in settings.sides
                if (result := self.total(side)) and (worst := self.worst_layer(side))
            },
            "warnings": self.warnings,
            "notes": self.notes,
        }


def side_to_json(result: SideResult, clock_mhz: float, frames: int = 1) -> dict[str, Any]:
    """Return one side's numbers."""
    run, seconds = result.run, result.seconds(clock_mhz)
    raw, compressed = result.mb_per_s(clock_mhz)
    return {
        "cycles": result.cycles,
        "cycles_error": result.cycles_error,
        "words": result.words,
        "znz_words": result.znz_words,
        "bpc_words": result.bpc_words,
        "word_bits": result.word_bits,
        "stream_bits": result.stream_bits,
        "ratio": result.ratio,
        "words_per_cycle": result.words_per_cycle,
        "seconds": seconds,
        "seconds_per_frame": seconds / frames,
        "raw_mb_per_s": raw,
        "compressed_mb_per_s": compressed,
        "slowest_unit": {
            "cycles": run.cycles,
            "works": run.works,
            "waits": dict(run.waits),
            "units": [asdict(unit) for unit in run.units],
            "blocks": run.blocks,
            "worst_block": run.worst_block,
            "worst_block_cycles": run.worst_block_cycles,
            "last_handshakes": dict(run.last_handshakes),
            "buffer_cycles": run.buffer_cycles,
        },
    }


def inputs_of(source: Sources, settings: Settings) -> list[Source]:
    """Return what a simulation reads: no waveform may go there."""
    return [*listed_sources(source), *settings.files]


def simulate(
    source: Sources,
    *,
    layers: Sequence[str] | str | None = None,
    raw: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    progress: Progress = silent,
    **coding: Unpack[Coding],
) -> Simulation:
    """Run the words of a dump's or a container's layers through the hardware's models.

    Each layer is a session from reset on, and each of its chunks is a transmission.

    Parameters
    ----------
    source : path or binary file, or sequence of paths
    layers : glob or globs, optional
        Layers to simulate.
    raw : mapping, optional
        As `compress`.
    settings : Settings, optional
        How the hardware is set up.
    progress : callable
        Called with a `Step` now and then.
    **coding
        How words are made, and the hardware's block size and longest burst, by default a
        container's own: `fmcompress.coding.Coding`.

    Returns
    -------
    Simulation

    Raises
    ------
    ParameterError
        If the hardware cannot have these parameters, or nothing can be simulated.
    DeadlockError
        If a stall pattern never lets a port go.
    DamagedError, UnsupportedError, OSError
        As `compress`.
    """
    if settings is not None and not isinstance(settings, Settings):
        raise ParameterError(
            f"settings is {settings!r}", hint="give Settings, as Settings(units=2)"
        )
    settings = settings or Settings()
    left_out: dict[str, ParameterError] = {}
    others: Counter[str] = Counter()
    check_hardware(coding)
    with open_words(source, layers, raw, coding) as words:
        found = Simulation(
            words.file,
            settings,
            inputs_of(source, settings),
            warnings=words.warnings,
            notes=words.notes,
        )
        found.warnings += settings.idle
        for layer in words.layers():
            try:
                parameters = layer.parameters()
            except ParameterError as error:
                if layers:
                    error.layer = layer.info.name
                    raise
                left_out[layer.info.name] = error
                continue
            with error_context(layer=layer.info.name):
                traces = None if found.layers else found.traces
                result = simulate_layer(layer, parameters, settings, traces, progress)
                if settings.trace_only:
                    return found
                found.layers.append(result)
            if layer.own_difference != "signed":
                others[layer.own_difference] += 1
        reasons = {name: error.cause for name, error in left_out.items()} | words.left_out
        if not found.layers:
            first = next(iter(left_out.values()), None)
            hint = first.hint if first else "pick layers of integers, or --quantize"
            raise nothing_left("simulated", reasons, words.file, hint)
        for name, why in reasons.items():
            found.notes.append(f"layer {name!r} is left out: {why}")
        idle = sum(layer.units < settings.units for layer in found.layers)
        if idle:
            found.notes.append(
                f"some of {settings.units} units have no channel, and nothing to do: in {idle} of "
                f"{len(found.layers)} layers"
            )
        for difference, count in others.items():
            where = f"in {count} of {len(found.layers)} layers"
            found.notes.append(difference_note(difference, where))
    return found
