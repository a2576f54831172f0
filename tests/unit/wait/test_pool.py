"""Threads for probes: as many as are needed, up to a limit; a job that hangs costs one of them."""

from __future__ import annotations

import queue
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from initkit.steps.wait.pool import ThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Hanging:
    """Jobs that hang until they are let go."""

    def __init__(self) -> None:
        self.begun: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.go_on = threading.Event()

    def __call__(self) -> None:
        self.begun.put(threading.get_ident())
        self.go_on.wait(20)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    one = Hanging()
    yield one
    one.go_on.set()


def test_jobs_that_hang_are_done_side_by_side_up_to_the_limit(hanging: Hanging) -> None:
    pool = ThreadPool(most=3)
    for _ in range(3):
        assert pool.has_room
        pool.launch(hanging)
    assert len({hanging.begun.get(timeout=20) for _ in range(3)}) == 3
    assert not pool.has_room
    pool.close()


def test_a_job_beyond_the_limit_is_done_once_a_thread_is_free(hanging: Hanging) -> None:
    pool = ThreadPool(most=1)
    pool.launch(hanging)
    hanging.begun.get(timeout=20)
    done: queue.SimpleQueue[str] = queue.SimpleQueue()
    for word in ("first", "second"):
        pool.launch(partial(done.put, word))
    assert not pool.has_room
    with pytest.raises(queue.Empty):
        done.get(timeout=0.05)
    hanging.go_on.set()
    assert [done.get(timeout=20) for _ in range(2)] == ["first", "second"]
    until(lambda: pool.has_room, "room again")
    pool.close()


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.001)


def test_one_that_hangs_keeps_nobody_from_leaving(hanging: Hanging) -> None:
    pool = ThreadPool()
    pool.launch(hanging)
    stuck = hanging.begun.get(timeout=20)
    pool.launch(hanging)
    hanging.begun.get(timeout=20)
    pool.close()
    workers = [thread for thread in threading.enumerate() if thread.ident == stuck]
    assert all(worker.daemon for worker in workers)
    hanging.go_on.set()
    for worker in workers:
        worker.join(20)
        assert not worker.is_alive()


def test_there_is_no_thread_before_there_is_a_job() -> None:
    before = threading.active_count()
    pool = ThreadPool()
    assert (pool.has_room, threading.active_count()) == (True, before)
    pool.close()


def test_many_short_jobs_need_few_threads() -> None:
    pool, done = ThreadPool(), queue.SimpleQueue[int]()
    for _ in range(200):
        pool.launch(lambda: done.put(threading.get_ident()))
        done.get(timeout=20)
        until(lambda: pool._idle > 0, "an idle thread")
    assert pool._threads == 1
    pool.close()
