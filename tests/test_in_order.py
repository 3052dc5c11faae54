"""`Workers`: results in order whatever ends first, few tasks at a time, nothing left running.

Tasks wait for events that the tests set, so nothing depends on how fast anything is.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from conftest import running_threads, wait_for_threads

from fmcompress import in_order
from fmcompress.errors import ParameterError
from fmcompress.in_order import Task, Workers, usable_processors

PATIENCE = 60.0


class Gate:
    """A task that waits until it is opened, and says whether it ran."""

    def __init__(self, name: Any) -> None:
        self.name = name
        self.begun = threading.Event()
        self.opened = threading.Event()
        self.ended = threading.Event()

    def __call__(self) -> Any:
        self.begun.set()
        assert self.opened.wait(PATIENCE)
        self.ended.set()
        return self.name


def fail() -> Any:
    raise ValueError("task")


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = running_threads()
    yield
    wait_for_threads(before)


def test_results_come_in_order_whatever_ends_first() -> None:
    gates = [Gate(number) for number in range(4)]
    found: list[int] = []
    with Workers(4) as workers:

        def open_backwards() -> None:
            for gate in gates:
                gate.begun.wait(PATIENCE)
            for gate in reversed(gates):
                gate.opened.set()

        opener = threading.Thread(target=open_backwards)
        opener.start()
        found += workers.results(map(Task, gates))
        opener.join()
    assert found == [0, 1, 2, 3]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_what_is_no_task_keeps_its_place(threads: int) -> None:
    items: list[Any] = [1, Task(lambda: 2), 3, 4, Task(lambda: 5), Task(lambda: 6), 7]
    with Workers(threads) as workers:
        assert [*workers.results(items)] == [1, 2, 3, 4, 5, 6, 7]
        assert [*workers.results([])] == []
        assert [*workers.map(str, range(100))] == [*map(str, range(100))]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_single_item_does_not_wait_for_tasks(threads: int) -> None:
    with Workers(threads) as workers:
        found = [*workers.map(lambda _: threading.get_ident(), ["item"])]
        assert found == [threading.get_ident()]
        assert [*workers.map(str, [])] == []

        def broken() -> Iterator[int]:
            yield 1
            raise KeyError("items")

        with pytest.raises(KeyError, match="items"):
            found.extend(workers.map(lambda _: threading.get_ident(), broken()))
        assert len(found) == 2
        with pytest.raises(ValueError, match="task"):
            next(iter(workers.map(lambda _: fail(), broken())))


def test_items_in_front_of_all_tasks_do_not_wait() -> None:
    gate = Gate("task")
    with Workers(2) as workers:
        results = workers.results(["item", Task(gate), "last"])
        assert next(results) == "item"
        gate.opened.set()
        assert [*results] == ["task", "last"]


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_few_tasks_are_taken_ahead(threads: int) -> None:
    taken = 0

    def items() -> Iterator[Task[int]]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield Task(lambda number=number: number)

    with Workers(threads) as workers:
        for given, found in enumerate(workers.results(items())):
            assert found == given
            assert taken - given <= 2 * threads


def test_items_behind_a_task_are_few_too() -> None:
    gate = Gate("task")
    taken: list[int] = []

    def items() -> Iterator[Any]:
        yield Task(gate)
        for number in range(10_000):
            taken.append(number)
            if len(taken) == 50:
                gate.opened.set()
            yield number

    with Workers(2) as workers:
        assert next(workers.results(items())) == "task"
        assert len(taken) <= 64


def test_one_thread_is_no_thread_beside() -> None:
    seen: list[Any] = []

    def items() -> Iterator[Task[None]]:
        for number in range(3):
            seen.append(number)
            yield Task(lambda: seen.append(threading.get_ident()))

    with Workers(1) as workers:
        for _ in workers.results(items()):
            seen.append("out")
    here = threading.get_ident()
    assert seen == [0, here, "out", 1, here, "out", 2, here, "out"]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_an_error_comes_at_its_place(threads: int) -> None:
    tasks = [Task(lambda: 1), Task(lambda: 2), Task(fail), Task(lambda: 4)]
    found: list[Any] = []
    with Workers(threads) as workers, pytest.raises(ValueError, match="task"):
        found.extend(workers.results(tasks))
    assert found == [1, 2]


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("fails", [False, True])
def test_an_error_of_the_items_comes_behind_the_tasks(threads: int, fails: bool) -> None:
    def items() -> Iterator[Task[int]]:
        yield Task(lambda: 1)
        yield Task(fail) if fails else Task(lambda: 2)
        raise KeyError("items")

    found: list[Any] = []
    error, text = (ValueError, "task") if fails else (KeyError, "items")
    with Workers(threads) as workers, pytest.raises(error, match=text):
        found.extend(workers.results(items()))
    assert found == ([1] if fails else [1, 2])


def test_a_task_that_fails_cancels_those_that_wait() -> None:
    """What runs beside it is waited for; what was not begun never begins."""
    beside, others = Gate("beside"), [Gate(number) for number in range(8)]
    for other in others:
        other.opened.set()

    def fail_beside() -> Any:
        beside.begun.wait(PATIENCE)
        beside.opened.set()
        raise ValueError("task")

    tasks = [Task(fail_beside), Task(beside), *map(Task, others)]
    with Workers(2) as workers:
        with pytest.raises(ValueError, match="task"):
            next(workers.results(tasks))
        assert beside.ended.is_set()
        begun = [other for other in others if other.begun.is_set()]
        assert all(other.ended.is_set() for other in begun)
    assert [other for other in others if other.begun.is_set()] == begun
    assert not any(other.begun.is_set() for other in others[2:])


@pytest.mark.parametrize("how", ["close", "leave", "interrupt"])
def test_nothing_runs_behind_an_early_end(how: str) -> None:
    gates = [Gate(number) for number in range(9)]
    for gate in gates:
        gate.opened.set()

    def use() -> None:
        with Workers(2) as workers:
            results = workers.results(map(Task, gates))
            assert next(results) == 0
            if how == "interrupt":
                raise KeyboardInterrupt
            if how == "close":
                results.close()  # type: ignore[attr-defined]
                assert all(gate.ended.is_set() for gate in gates if gate.begun.is_set())

    if how == "interrupt":
        with pytest.raises(KeyboardInterrupt):
            use()
    else:
        use()
    assert all(gate.ended.is_set() for gate in gates if gate.begun.is_set())
    assert not any(gate.begun.is_set() for gate in gates[5:])


def test_an_interrupt_while_items_are_read_is_not_put_off() -> None:
    gate = Gate("task")

    def items() -> Iterator[Task[Any]]:
        yield Task(gate)
        gate.begun.wait(PATIENCE)
        gate.opened.set()
        raise KeyboardInterrupt

    with Workers(2) as workers, pytest.raises(KeyboardInterrupt):
        next(workers.results(items()))


def test_several_at_a_time_with_the_same_workers() -> None:
    with Workers(2) as workers:
        outer = workers.map(lambda number: 10 * number, range(20))
        inner = [[*workers.map(str, range(number))] for number in outer]
    assert [len(found) for found in inner] == [10 * number for number in range(20)]


@pytest.mark.parametrize("threads", [-1, True, 1.0, 2.5, "2", None])
def test_what_is_no_number_of_threads(threads: Any) -> None:
    with pytest.raises(ParameterError, match=r"threads is .*give a whole number from 0 on"):
        Workers(threads)


def test_numbers_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Workers().threads == 1
    assert Workers(np.int64(3)).threads == 3
    assert Workers(0).threads == usable_processors() >= 1
    for name in ("process_cpu_count", "sched_getaffinity"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_processors() == 1
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_processors() == 6
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 4, 5}, raising=False)
    assert usable_processors() == 3
    monkeypatch.setattr(os, "process_cpu_count", lambda: 2, raising=False)
    assert usable_processors() == 2


@pytest.mark.parametrize("there", [0, 1])
def test_no_thread_can_be_started(there: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one of three all is done; without any it is said, and nothing waits."""
    start, begun = in_order.start_new_thread, []

    def limited(*arguments: Any) -> int:
        if len(begun) == there:
            raise RuntimeError("can't start new thread")
        begun.append(1)
        return start(*arguments)

    monkeypatch.setattr(in_order, "start_new_thread", limited)
    tasks = [Task(partial(int, number)) for number in range(20)]
    with Workers(3) as workers:
        if there:
            assert [*workers.results(tasks)] == [*range(20)]
        else:
            with pytest.raises(RuntimeError, match="can't start"):
                [*workers.results(tasks)]
