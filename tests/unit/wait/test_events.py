"""What a wait sleeps on: answers from threads, and sockets, each with its owner."""

from __future__ import annotations

import signal
import socket
import threading
import time

import pytest
from fix_clock import VirtualClock, make_context

from initkit.core.clock import SystemClock
from initkit.core.errors import Stopped
from initkit.core.stop import Stop
from initkit.steps.wait.events import EventQueue


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock(Stop())


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def connecting(port: int) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(0)
    connection.connect_ex(("127.0.0.1", port))
    return connection


def test_an_answer_ends_the_sleep(clock: SystemClock) -> None:
    events: EventQueue[str] = EventQueue()
    timer = threading.Timer(0.05, events.post, ["here"])
    timer.start()
    began = time.monotonic()
    assert events.wait(clock, 20) == (["here"], [])
    assert time.monotonic() - began < 10
    timer.join()
    events.close()


def test_answers_of_many_threads_all_arrive_once(clock: SystemClock) -> None:
    events: EventQueue[int] = EventQueue()
    threads = [threading.Thread(target=events.post, args=[number]) for number in range(50)]
    for thread in threads:
        thread.start()
    found: list[int] = []
    until = time.monotonic() + 20
    while len(found) < 50 and time.monotonic() < until:
        found += events.wait(clock, 1)[0]
    assert sorted(found) == list(range(50))
    for thread in threads:
        thread.join()
    events.close()


def test_without_an_answer_the_time_passes() -> None:
    clock, events = VirtualClock(), EventQueue[str]()
    assert events.wait(clock, 7) == ([], [])
    assert clock.now() == 1007
    events.close()


def test_a_socket_that_has_connected_or_failed_is_told_by_its_owner(clock: SystemClock) -> None:
    events: EventQueue[str] = EventQueue()
    with socket.create_server(("127.0.0.1", 0)) as server:
        good, bad = connecting(server.getsockname()[1]), connecting(closed_port())
        events.registration(7).add(good)
        events.registration(9).add(bad)
        assert events.sockets == 2
        owners: set[int] = set()
        until = time.monotonic() + 20
        while owners != {7, 9} and time.monotonic() < until:
            owners.update(events.wait(clock, 1)[1])
        assert owners == {7, 9}
        events.registration(7).remove(good)
        assert (events.sockets, events.wait(clock, 1)[1]) == (1, [9])
        events.registration(9).remove(bad)
        good.close()
        bad.close()
    events.close()


def test_to_remove_twice_or_after_the_end_is_no_harm() -> None:
    events: EventQueue[str] = EventQueue()
    with socket.socket() as first, socket.socket() as second:
        registration = events.registration(1)
        registration.add(first)
        registration.add(second)
        registration.remove(first)
        registration.remove(first)
        events.close()
        registration.remove(second)
    assert events.sockets == 0


def test_a_late_answer_disturbs_no_descriptor_that_came_after() -> None:
    events: EventQueue[str] = EventQueue()
    events.close()
    with socket.socket() as first, socket.socket():
        # whoever opens something now may get the number of the events's own
        events.post("late")
        events.ring()
        assert first.fileno() >= 0


def test_a_request_to_end_wakes_it() -> None:
    stop, events = Stop(), EventQueue[str]()
    clock = SystemClock(stop)
    timer = threading.Timer(0.05, stop.request, [signal.SIGTERM])
    timer.start()
    with stop.calling(events.ring), pytest.raises(Stopped):
        events.wait(clock, 20)
    timer.join()
    events.close()


def test_a_context_of_the_tests_has_a_clock_that_can_wait() -> None:
    events: EventQueue[str] = EventQueue()
    events.post("x")
    assert events.wait(make_context().clock, 20) == (["x"], [])
    events.close()
