"""Options that were given and count for nothing: none is taken in silence."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import click
from click.core import ParameterSource


def without_effect(ctx: click.Context, reasons: Mapping[str, str]) -> None:
    """Refuse options that were given and count for nothing.

    Parameters
    ----------
    reasons : mapping
        Why they do not, by the parameter's name.
    """
    for parameter in ctx.command.params:
        name = str(parameter.name)
        if name in reasons and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[-1]} has no effect: {reasons[name]}.")


def only(ctx: click.Context, names: Collection[str], reason: str) -> None:
    """Refuse options other than these, named as parameters, for they count for nothing."""
    others = (str(parameter.name) for parameter in ctx.command.params if parameter.expose_value)
    without_effect(ctx, {name: reason for name in others if name not in names})
