"""Tasks in threads, their results in order, few of them in memory at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Any, Generic, Protocol, Self, TypeVar

from fmcompress.numbers import whole

T = TypeVar("T")
A = TypeVar("A")

# For each thread: tasks that run or wait or are done before those in front of them, and all items.
_MOST_TASKS, _MOST_ITEMS = 2, 32


class Each(Protocol):
    """What `map` does: a function of every item, the results in order."""

    def __call__(self, function: Callable[[A], T], items: Iterable[A], /) -> Iterable[T]:
        """Return an iterator over the results."""
        ...


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """What may run in another thread.

    Attributes
    ----------
    run : callable
        Takes nothing and returns the task's result.
    """

    run: Callable[[], T]


@dataclass(frozen=True, slots=True)
class _Failure:
    """What ended the tasks too early; it comes out behind the results of those before."""

    error: Exception


class Workers:
    """Threads that run tasks; a context manager, behind which nothing is running any more.

    Parameters
    ----------
    threads : int
        How many run tasks at a time; 0 is as many as the process may use processors. With 1, tasks
        run where their results are asked for, and there is no thread beside.

    Raises
    ------
    ParameterError
        If it is no whole number, or less than 0.
    """

    def __init__(self, threads: int = 1) -> None:
        self.threads = whole("threads", threads, 0) or usable_processors()
        self._pool: ThreadPoolExecutor | None = None

    def results(self, items: Iterable[Task[T] | T]) -> Iterator[T]:
        """Run tasks and yield their results; what is no task is yielded as it is, at its place.

        Parameters
        ----------
        items : iterable
            Gone through in the calling thread, only a few tasks ahead of what was yielded.

        Raises
        ------
        Exception
            What a task, or the iterable, raised: behind all results that come before. Then, and
            where the iterator is closed early, the tasks left are cancelled, and those that run are
            waited for.
        """
        if self.threads == 1:
            yield from map(_run, items)
        else:
            yield from self._in_threads(_with_failure(items))

    def map(self, function: Callable[[A], T], items: Iterable[A], /) -> Iterator[T]:
        """Return an iterator over a function's results, as `results` yields them.

        A single one has nothing to run beside, and does not wait for other tasks.
        """
        if self.threads == 1:
            yield from map(function, items)
            return
        parts = _with_failure(items)
        first = [*islice(parts, 2)]
        tasks: Iterable[Any] = (
            part if isinstance(part, _Failure) else Task(partial(function, part))
            for part in chain(first, parts)
        )
        yield from map(_run, tasks) if len(first) < 2 else self._in_threads(tasks)

    def _in_threads(self, items: Iterable[Any]) -> Iterator[Any]:
        waiting: deque[Any] = deque()
        try:
            for item in items:
                waiting.append(self._begun(item) if isinstance(item, Task) else item)
                while waiting and (self._is_full(waiting) or _is_there(waiting[0])):
                    yield _result(waiting.popleft())
            while waiting:
                yield _result(waiting.popleft())
        finally:
            _stop(waiting)

    def _begun(self, task: Task[T]) -> Future[T]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads, "fmcompress")
        return self._pool.submit(task.run)

    def _is_full(self, waiting: deque[Any]) -> bool:
        tasks = sum(isinstance(item, Future) for item in waiting)
        return tasks >= _MOST_TASKS * self.threads or len(waiting) >= _MOST_ITEMS * self.threads

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _with_failure(items: Iterable[T]) -> Iterator[T | _Failure]:
    """Let what the items themselves raise wait for its turn; what stops the program does not."""
    try:
        yield from items
    except Exception as error:  # noqa: BLE001 - raised again, by `_result`
        yield _Failure(error)


def _run(item: Any) -> Any:
    return _result(item.run() if isinstance(item, Task) else item)


def _is_there(item: Any) -> bool:
    return not isinstance(item, Future) or item.done()


def _result(item: Any) -> Any:
    if isinstance(item, _Failure):
        raise item.error
    return item.result() if isinstance(item, Future) else item


def _stop(waiting: Iterable[Any]) -> None:
    """Cancel tasks; wait for those that run already."""
    futures = [item for item in waiting if isinstance(item, Future)]
    wait([future for future in futures if not future.cancel()])


def usable_processors() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "process_cpu_count"):
        found = os.process_cpu_count()
    elif hasattr(os, "sched_getaffinity"):
        found = len(os.sched_getaffinity(0))
    else:
        found = os.cpu_count()
    return found or 1
