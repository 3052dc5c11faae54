"""A progress bar on stderr: for work over a second, on a terminal, and only there."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fmcompress.cli.main import State
from fmcompress.progress import Step

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE_SECONDS = 1.0


class ProgressBar:
    """To be handed to the library as its ``progress``; a context manager."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._wanted = not state.quiet and sys.stderr.isatty()
        self._start = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __call__(self, step: Step) -> None:
        """Show a step; raise an interrupt that Python swallowed."""
        if self._state.interrupted:
            raise KeyboardInterrupt
        if not self._wanted or time.monotonic() - self._start < PATIENCE_SECONDS:
            return
        if self._bar is None:
            self._bar = _bar()
            self._task = self._bar.add_task("", total=step.total or None)
            self._bar.start()
        assert self._task is not None
        self._bar.update(
            self._task, completed=step.done, total=step.total or None, description=step.layer[-40:]
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        ProgressColumn,
        Task,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.text import Text

    from fmcompress.printable import printable

    class LayerColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(printable(task.description), no_wrap=True, overflow="ellipsis")

    return Progress(
        LayerColumn(),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
