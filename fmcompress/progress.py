"""How long operations report where they are, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias


class Step(NamedTuple):
    """One report: `layer` is being worked on; `done` of `total` bytes are.

    `total` is 0 where it is not known, and an estimate where a file is read in one pass.
    """

    layer: str
    done: int
    total: int


Progress: TypeAlias = Callable[[Step], None]


def silent(step: Step) -> None:
    """Report to nobody."""
