"""Options of off-chip memory, for the commands that tell what moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from fmcompress.cli.options import F
from fmcompress.energy import PRESETS


def memory(command: F) -> F:
    """Add the options of off-chip memory."""
    for option in (
        click.option(
            "--passes",
            type=click.IntRange(1),
            metavar="INT",
            default=2,
            show_default=True,
            help="How often each frame of each layer moves: written once and read once are 2.",
        ),
        click.option(
            "--no-index",
            is_flag=True,
            help="Leave out the index that says how many bursts each tile takes.",
        ),
        click.option(
            "--pj-per-bit", type=float, metavar="FLOAT", help="The same, as a number, in pJ."
        ),
        click.option(
            "--energy",
            type=click.Choice(list(PRESETS)),
            help="What a bit takes that moves, by a published figure.  [default: no energy is given]",
        ),
        click.option(
            "--fps",
            "frames_per_second",
            type=float,
            metavar="FLOAT",
            help="Frames a second, for bandwidth and power.  [default: none are given]",
        ),
        click.option(
            "--burst",
            "burst_bytes",
            type=click.IntRange(1),
            metavar="BYTES",
            default=64,
            show_default=True,
            help="Bytes of a memory access, as 32 or 64: every stream of every tile begins with a new "
            "one.",
        ),
        click.option(
            "--tile",
            metavar="CxHxW",
            help="Lengths of a tile along the last axes of a frame, as the words run; axes before these "
            "are whole.  [default: a frame]",
        ),
    ):
        command = option(command)
    return command


def one_energy(given: Mapping[str, Any]) -> None:
    """Refuse two energies of a bit."""
    if given["energy"] is not None and given["pj_per_bit"] is not None:
        raise click.UsageError("--energy and --pj-per-bit exclude each other.")
