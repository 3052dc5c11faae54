"""``fmc simulate``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import click

from fmcompress.cli import options
from fmcompress.cli.main import State
from fmcompress.cli.progress import ProgressBar
from fmcompress.numbers import is_digits

DEFAULT_WINDOW = range(10_000)
# The first blocks: what `--trace` shows by default.
FIRST_BLOCKS = range(48)


class _Stall(click.ParamType[Any]):
    """PORT=PATTERN."""

    name = "PORT=PATTERN"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Split at the first equals sign."""
        port, equals, pattern = value.partition("=")
        if not equals or not port or not pattern:
            self.fail(f"{value!r} is no PORT=PATTERN, as bpc=random:0.5", param, ctx)
        return port, pattern


class _Cycles(click.ParamType[Any]):
    """A:B."""

    name = "A:B"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> range:
        """Read two numbers of cycles; the first is 0 where it is missing."""
        first, colon, end = value.partition(":")
        if not colon or not is_digits(first or "0") or not is_digits(end):
            self.fail(f"{value!r} is no A:B, as 0:10000", param, ctx)
        if int(first or 0) >= int(end):
            self.fail(f"{value!r} has no cycle: the second number is the larger", param, ctx)
        return range(int(first or 0), int(end))


def _by_port(stalls: Sequence[tuple[str, str]]) -> dict[str, str]:
    found = dict(stalls)
    if len(found) < len(stalls):
        twice = next(port for port in found if [port_ for port_, _ in stalls].count(port) > 1)
        raise click.UsageError(f"--stall {twice} is given twice.")
    return found


@click.command(
    "simulate",
    epilog="Example: fmc simulate --stall bpc=periodic:1/4 --clock 600 maps.h5",
    no_args_is_help=True,
)
@click.argument("in_", metavar="IN...", nargs=-1, required=True)
@click.option(
    "--side",
    type=click.Choice(["encoder", "decoder", "both"]),
    default="both",
    show_default=True,
    help="What to simulate.",
)
@click.option(
    "--clock", type=float, default=600.0, show_default=True, metavar="MHZ", help="Clock frequency."
)
@click.option(
    "--stall",
    "stalls",
    type=_Stall(),
    multiple=True,
    help="When a port may go: in, znz, bpc of the encoder; number, znz, bpc, out of the decoder; "
    "encoder.znz is that of one only. Patterns: always, random:SHARE[:SEED] (in 256ths), "
    "periodic:OPEN/PERIOD[:OFFSET], dram:BURST/PERIOD:REFRESH/INTERVAL, file:NAME. Repeatable.",
)
@click.option(
    "--dram", type=float, metavar="MB/S", help="What a memory takes or gives of both streams."
)
@click.option(
    "--units",
    type=click.IntRange(1, 4096),
    default=1,
    show_default=True,
    help="Coders in parallel, to which channels are dealt out; not with --sample.",
)
@click.option(
    "--channel-axis",
    type=int,
    metavar="AXIS",
    help="The axis of channels, for --units.  [default: 1; 0 of one or three axes]",
)
@click.option(
    "--sample",
    type=float,
    default=1.0,
    metavar="SHARE",
    help="Share of every layer's chunks to simulate; the rest is estimated, with its error.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the sample.")
@click.option("--wait-idle", is_flag=True, help="Offer a transmission only behind idle_o.")
@click.option("--rtl-quirks", is_flag=True, help="Do what the RTL does where it is wrong.")
@click.option(
    "--vcd", type=click.Path(dir_okay=False), help="Write the first layer's waveform to this file."
)
@click.option("--trace", is_flag=True, help="Print what each unit does in each cycle at first.")
@click.option(
    "--cycles",
    type=_Cycles(),
    help="Cycles of waveform or trace.  [default: the first 10000; the first 48 of a trace]",
)
@options.force
@options.hardware_coding
@options.raw
@options.layers("Simulate these layers only. Repeatable.")
@options.json
@options.common
@click.pass_obj
def command(state: State, /, in_: tuple[str, ...], **given: Any) -> None:
    """Simulate the hardware on IN, cycle by cycle: time, throughput, stalls.

    IN is a dump, or several, or a compressed file, whose own block size and longest burst are the
    default. Each layer is run from reset on, and each of its chunks is a transmission. Where no port ever stalls, blocks are timed instead of cycles
    stepped, which gives the same numbers.
    """
    import fmcompress
    from fmcompress.cli import render, render_simulation
    from fmcompress.files import keep_apart
    from fmcompress.hardware import Settings
    from fmcompress.simulation import inputs_of
    from fmcompress.targets import replacing

    side, vcd, trace, window = (given.pop(name) for name in ("side", "vcd", "trace", "cycles"))
    as_json, layers, force = (given.pop(name) for name in ("as_json", "layers", "force"))
    if window is None and (vcd or trace):
        window = FIRST_BLOCKS if trace and not vcd else DEFAULT_WINDOW
    settings = Settings(
        sides=("encoder", "decoder") if side == "both" else (side,),
        clock_mhz=given.pop("clock"),
        stalls=_by_port(given.pop("stalls")),
        dram_mb_per_s=given.pop("dram"),
        units=given.pop("units"),
        channel_axis=given.pop("channel_axis"),
        sample=given.pop("sample"),
        seed=given.pop("seed"),
        rtl_quirks=given.pop("rtl_quirks"),
        wait_idle=given.pop("wait_idle"),
        trace=window if vcd or trace else None,
        trace_only=trace,
    )
    if window is not None and settings.trace is None:
        raise click.UsageError("--cycles is for --vcd or --trace.")
    if vcd == "-":
        raise click.UsageError("--vcd needs the name of a file: the table goes to stdout.")
    if trace and as_json:
        raise click.UsageError("--trace is text for a terminal: leave it or --json out.")
    sources = options.sources(in_)
    if vcd:
        keep_apart(inputs_of(sources, settings), vcd)
    # Whether the waveform can be written shows before anything is simulated.
    with replacing(vcd, overwrite=force) if vcd else nullcontext() as place:
        with ProgressBar(state) as progress:
            found = fmcompress.simulate(
                sources,
                layers=layers,
                settings=settings,
                progress=progress,
                **options.coding_arguments(given),
            )
        if place is not None:
            found.write_vcd(place)
    if not state.quiet and not as_json:
        render.print_remarks(found)
    if as_json:
        render.print_json(found.to_json())
        return
    width = render.width_of(sys.stdout)
    if trace:
        render_simulation.print_traces(found.traces, window, width)
    else:
        click.echo(render_simulation.simulation_text(found, width, state.verbose))
