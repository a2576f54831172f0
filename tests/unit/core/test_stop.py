"""How the end is asked for, and how a running step hears of it."""

from __future__ import annotations

import queue
import threading
import time

import pytest

from initkit.core.clock import SystemClock
from initkit.core.errors import Stopped
from initkit.core.stop import Stop


def joined(name: str = "stop") -> None:
    """Wait for the threads that call callbacks."""
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(10)


def test_nothing_is_asked_at_first() -> None:
    stop = Stop()
    stop.check()
    stop.wait(0)
    assert stop.signum is None


def test_the_first_request_counts() -> None:
    stop = Stop()
    stop.request(15)
    stop.request(2)
    with pytest.raises(Stopped) as caught:
        stop.check()
    assert (stop.signum, caught.value.signum, caught.value.exit_code) == (15, 15, 143)


def test_stopped_is_no_exception_that_a_driver_would_swallow() -> None:
    assert not issubclass(Stopped, Exception)


def test_a_request_wakes_a_sleeper_at_once() -> None:
    stop = Stop()
    clock = SystemClock(stop)
    began = time.monotonic()
    threading.Timer(0.05, stop.request, [15]).start()
    with pytest.raises(Stopped):
        clock.sleep(float("inf"))
    assert time.monotonic() - began < 30


def test_a_request_wakes_who_waits_for_an_answer() -> None:
    stop = Stop()
    clock = SystemClock(stop)
    mailbox: queue.SimpleQueue[str] = queue.SimpleQueue()
    began = time.monotonic()
    threading.Timer(0.05, stop.request, [15]).start()
    with pytest.raises(Stopped):
        clock.receive(mailbox, float("inf"))
    assert time.monotonic() - began < 30


def test_the_system_clock_receives_what_arrives_or_nothing_in_time() -> None:
    clock = SystemClock(Stop())
    mailbox: queue.SimpleQueue[str] = queue.SimpleQueue()
    assert clock.receive(mailbox, 0.01) is None
    assert clock.receive(mailbox, -1) is None
    mailbox.put("hello")
    assert clock.receive(mailbox, 10) == "hello"


def test_the_system_clock_tells_the_time() -> None:
    clock = SystemClock(Stop())
    before = clock.now()
    clock.sleep(0.01)
    clock.sleep(-1)
    assert clock.now() - before >= 0.009
    assert clock.wall() > 1_700_000_000
    assert all(0 <= clock.chance() < 1 for _ in range(100))


def test_a_callback_is_called_in_another_thread() -> None:
    stop = Stop()
    called: queue.SimpleQueue[int] = queue.SimpleQueue()
    with stop.calling(lambda: called.put(threading.get_ident())):
        stop.request(15)
        assert called.get(timeout=10) != threading.get_ident()


def test_a_callback_whose_block_has_ended_is_not_called() -> None:
    stop = Stop()
    called: list[int] = []
    with stop.calling(lambda: called.append(1)):
        pass
    stop.request(15)
    joined()
    assert called == []


def test_no_block_is_entered_once_the_end_was_asked_for() -> None:
    stop = Stop()
    stop.request(2)
    for block in (stop.calling(lambda: None), stop.in_flight()):
        with pytest.raises(Stopped), block:
            pytest.fail("it was entered")


def test_a_request_between_the_look_and_the_registration_is_not_lost() -> None:
    stop = Stop()
    called: list[int] = []

    class Late(list[object]):
        def append(self, item: object) -> None:
            stop.signum = 15
            super().append(item)

    stop._callbacks = Late()  # type: ignore[assignment]
    with pytest.raises(Stopped), stop.calling(lambda: called.append(1)):
        pytest.fail("what cannot be called off must not begin")
    assert (called, list(stop._callbacks)) == ([], [])


def test_a_callback_that_fails_disturbs_nobody() -> None:
    """What it would cancel may be closed by now; a traceback on stderr would only hide the reason."""
    stop = Stop()
    called = threading.Event()

    def fail() -> None:
        called.set()
        raise ValueError("cannot operate on a closed database")

    with stop.calling(fail):
        stop.request(15)
        assert called.wait(10)
        joined()


def test_work_in_flight_is_known_until_it_ends() -> None:
    stop = Stop()
    with stop.in_flight(), stop.in_flight():
        assert stop.has_work_in_flight
    assert not stop.has_work_in_flight
    with pytest.raises(ValueError, match="boom"), stop.in_flight():
        raise ValueError("boom")
    assert not stop.has_work_in_flight


def test_a_request_may_come_while_the_same_thread_holds_the_lock() -> None:
    stop = Stop()
    with stop._lock:
        stop.request(15)
    assert stop.signum == 15


def test_settling_waits_for_what_is_in_flight_but_not_for_ever() -> None:
    stop = Stop()
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        with stop.in_flight():
            begun.set()
            go_on.wait(10)

    worker = threading.Thread(target=work)
    worker.start()
    assert begun.wait(10)
    stop.settle(0.01)
    assert stop.has_work_in_flight
    go_on.set()
    stop.settle(10)
    assert not stop.has_work_in_flight
    worker.join(10)
