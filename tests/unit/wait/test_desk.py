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
from initkit.steps.wait.desk import Desk


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
    desk: Desk[str] = Desk()
    timer = threading.Timer(0.05, desk.post, ["here"])
    timer.start()
    began = time.monotonic()
    assert desk.wait(clock, 20) == (["here"], [])
    assert time.monotonic() - began < 10
    timer.join()
    desk.close()


def test_answers_of_many_threads_all_arrive_once(clock: SystemClock) -> None:
    desk: Desk[int] = Desk()
    threads = [threading.Thread(target=desk.post, args=[number]) for number in range(50)]
    for thread in threads:
        thread.start()
    found: list[int] = []
    until = time.monotonic() + 20
    while len(found) < 50 and time.monotonic() < until:
        found += desk.wait(clock, 1)[0]
    assert sorted(found) == list(range(50))
    for thread in threads:
        thread.join()
    desk.close()


def test_without_an_answer_the_time_passes() -> None:
    clock, desk = VirtualClock(), Desk[str]()
    assert desk.wait(clock, 7) == ([], [])
    assert clock.now() == 1007
    desk.close()


def test_a_socket_that_has_connected_or_failed_is_told_by_its_owner(clock: SystemClock) -> None:
    desk: Desk[str] = Desk()
    with socket.create_server(("127.0.0.1", 0)) as server:
        good, bad = connecting(server.getsockname()[1]), connecting(closed_port())
        desk.plug(7).add(good)
        desk.plug(9).add(bad)
        assert desk.sockets == 2
        owners: set[int] = set()
        until = time.monotonic() + 20
        while owners != {7, 9} and time.monotonic() < until:
            owners.update(desk.wait(clock, 1)[1])
        assert owners == {7, 9}
        desk.plug(7).remove(good)
        assert (desk.sockets, desk.wait(clock, 1)[1]) == (1, [9])
        desk.plug(9).remove(bad)
        good.close()
        bad.close()
    desk.close()


def test_to_remove_twice_or_after_the_end_is_no_harm() -> None:
    desk: Desk[str] = Desk()
    with socket.socket() as first, socket.socket() as second:
        plug = desk.plug(1)
        plug.add(first)
        plug.add(second)
        plug.remove(first)
        plug.remove(first)
        desk.close()
        plug.remove(second)
    assert desk.sockets == 0


def test_a_late_answer_disturbs_no_descriptor_that_came_after() -> None:
    desk: Desk[str] = Desk()
    desk.close()
    with socket.socket() as first, socket.socket():
        # whoever opens something now may get the number of the desk's own
        desk.post("late")
        desk.ring()
        assert first.fileno() >= 0


def test_a_request_to_end_wakes_it() -> None:
    stop, desk = Stop(), Desk[str]()
    clock = SystemClock(stop)
    timer = threading.Timer(0.05, stop.request, [signal.SIGTERM])
    timer.start()
    with stop.calling(desk.ring), pytest.raises(Stopped):
        desk.wait(clock, 20)
    timer.join()
    desk.close()


def test_a_context_of_the_tests_has_a_clock_that_can_wait() -> None:
    desk: Desk[str] = Desk()
    desk.post("x")
    assert desk.wait(make_context().clock, 20) == (["x"], [])
    desk.close()
