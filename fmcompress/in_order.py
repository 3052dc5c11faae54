"""Tasks in threads, their results in order, few of them in memory at a time."""

from __future__ import annotations

import os
from _thread import allocate_lock, start_new_thread
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from queue import SimpleQueue
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


class _Job:
    """A task that was given to a thread; of its lock, only the one who waits for it waits."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self.cancelled = False
        self._run = run
        self._result: Any = None
        self._error: BaseException | None = None
        self._done = allocate_lock()
        self._done.acquire()

    def work(self) -> None:
        """Run the task, in a thread of the pool."""
        try:
            if not self.cancelled:
                self._result = self._run()
        except BaseException as error:  # noqa: BLE001 - raised again, by `result`
            self._error = error
        finally:
            del self._run
            self._done.release()

    @property
    def is_done(self) -> bool:
        """Whether the result is there."""
        return not self._done.locked()

    def wait(self) -> None:
        """Wait until it is done; to be called once."""
        self._done.acquire()

    def result(self) -> Any:
        """Wait for the result, and return or raise it; to be called once."""
        self.wait()
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # which holds this frame
        return self._result


class _Pool:
    """Threads that run jobs in the order in which they come.

    Python's own pools, and its `Thread`, take locks in Python code, where Ctrl-C may leave them
    locked: then the threads wait forever. Here an interrupt of the main thread finds nothing half
    done.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._started = 0
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._running: list[Any] = []  # a lock of each thread, while it runs

    def begin(self, run: Callable[[], Any]) -> _Job:
        """Have a task run by the next thread that is free."""
        if self._started < self._threads:
            try:
                start_new_thread(self._work, ())
            except RuntimeError:  # no thread more: those that are there will do
                if not self._started:
                    raise
            self._started += 1
        job = _Job(run)
        self._jobs.put(job)
        return job

    def _work(self) -> None:
        running = allocate_lock()
        running.acquire()
        self._running.append(running)
        try:
            while (job := self._jobs.get()) is not None:
                job.work()
                del job  # and what it holds, while the next one is waited for
        finally:
            running.release()

    def close(self) -> None:
        """Wait until all jobs are done, and the threads end."""
        for _ in range(self._threads):
            self._jobs.put(None)
        for running in [*self._running]:
            running.acquire()


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
        self._pool: _Pool | None = None

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

    def _begun(self, task: Task[T]) -> _Job:
        if self._pool is None:
            self._pool = _Pool(self.threads)
        return self._pool.begin(task.run)

    def _is_full(self, waiting: deque[Any]) -> bool:
        tasks = sum(isinstance(item, _Job) for item in waiting)
        return tasks >= _MOST_TASKS * self.threads or len(waiting) >= _MOST_ITEMS * self.threads

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()


def _with_failure(items: Iterable[T]) -> Iterator[T | _Failure]:
    """Let what the items themselves raise wait for its turn; what stops the program does not."""
    try:
        yield from items
    except Exception as error:  # noqa: BLE001 - raised again, by `_result`
        yield _Failure(error)


def _run(item: Any) -> Any:
    return _result(item.run() if isinstance(item, Task) else item)


def _is_there(item: Any) -> bool:
    return not isinstance(item, _Job) or item.is_done


def _result(item: Any) -> Any:
    if isinstance(item, _Failure):
        raise item.error
    return item.result() if isinstance(item, _Job) else item


def _stop(waiting: Iterable[Any]) -> None:
    """Cancel tasks; wait for those that run already."""
    jobs = [item for item in waiting if isinstance(item, _Job)]
    for job in jobs:
        job.cancelled = True
    for job in jobs:
        job.wait()


def usable_processors() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "process_cpu_count"):
        found = os.process_cpu_count()
    elif hasattr(os, "sched_getaffinity"):
        found = len(os.sched_getaffinity(0))
    else:
        found = os.cpu_count()
    return found or 1
