"""Connecting to the addresses of a host: their order, silence, refusal; with real sockets and the test's own time."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import threading
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context

from initkit.core.errors import InitkitError, TemporaryError
from initkit.core.values import HostPort
from initkit.steps.wait.net.dial import SILENT, Dialer, connect, connect_path, failure
from initkit.steps.wait.net.names import Address, Names
from initkit.steps.wait.net.wire import Wire
from initkit.steps.wait.target import AbsentError, ProbeContext

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 8.0  # seconds for an attempt, in the test's time
ONE, TWO, THREE = (Address(socket.AF_INET, (f"127.0.0.{number}", 0)) for number in (11, 12, 13))


class Plugged:
    """Remembers which sockets are watched, and waits until one of them is ready."""

    def __init__(self) -> None:
        self.watched: dict[int, socket.socket] = {}

    def add(self, connection: socket.socket) -> None:
        self.watched[connection.fileno()] = connection

    def remove(self, connection: socket.socket) -> None:
        del self.watched[connection.fileno()]

    def wait(self) -> None:
        ready = select.select([], list(self.watched.values()), [], 10)[1]
        assert ready, "nothing was heard"


@pytest.fixture
def registration() -> Plugged:
    return Plugged()


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def dialer(port: int, registration: Plugged) -> Iterator[Dialer]:
    one = Dialer(port, registration, patience=PATIENCE)
    yield one
    one.close()
    assert registration.watched == {}


@contextmanager
def open_at(address: Address, port: int) -> Iterator[socket.socket]:
    with socket.create_server((str(address), port)) as server:
        server.settimeout(10)
        yield server


@contextmanager
def silent_at(address: Address, port: int) -> Iterator[socket.socket]:
    """A listener whose queue is full, which drops further connections without a word (tcp(7), somaxconn)."""
    with ExitStack() as stack, socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((str(address), port))
        server.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex((str(address), port))
        yield server


def accept(server: socket.socket) -> None:
    """Make room in the queue of a server that was silent; the system sends again after a second what was lost."""
    server.listen(100)
    server.settimeout(0.01)
    with suppress(TimeoutError):
        while True:
            server.accept()[0].close()
    server.settimeout(10)


def connected(dialer: Dialer, registration: Plugged, now: float = 0.0) -> socket.socket:
    """What `advance` gives, at once or once something is heard."""
    connection = dialer.advance(now)
    if connection is None:
        registration.wait()
        connection = dialer.advance(now)
    assert connection is not None
    return connection


def failed(dialer: Dialer, registration: Plugged, now: float = 0.0) -> OSError:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - it is looked at by the test
        connected(dialer, registration, now)
    return caught.value


# one address


def test_an_open_port_is_connected_to(dialer: Dialer, registration: Plugged, port: int) -> None:
    with open_at(ONE, port):
        dialer.begin([ONE], 0.0)
        with connected(dialer, registration) as connection:
            assert connection.getpeername() == (str(ONE), port)


def test_a_closed_port_is_certainly_absent(dialer: Dialer, registration: Plugged) -> None:
    dialer.begin([ONE], 0.0)
    error = failure("x:1", failed(dialer, registration))
    assert isinstance(error, AbsentError)
    assert str(error) == "cannot connect to x:1: connection refused; check that it is running"


def test_a_silent_address_is_waited_for_and_joined_by_three_others(
    dialer: Dialer, registration: Plugged, port: int
) -> None:
    with silent_at(ONE, port):
        counts = []
        for moment in (0.0, 1.0, 2.0, 4.0, 6.0, 7.0, 7.9):
            dialer.begin([ONE], moment)
            assert dialer.advance(moment) is None
            counts.append(dialer.count)
        # another one each quarter of the patience
        assert counts == [1, 1, 2, 3, 4, 4, 4]
        assert len(registration.watched) == 4


def test_silence_beyond_patience_is_given_up(dialer: Dialer, port: int) -> None:
    with silent_at(ONE, port):
        dialer.begin([ONE], 0.0)
        assert dialer.advance(0.0) is None
        assert dialer.wakes_at(0.0) <= PATIENCE
        assert dialer.advance(PATIENCE) is None
        assert dialer.count == 0


def test_a_connection_of_an_earlier_attempt_still_counts(dialer: Dialer, registration: Plugged, port: int) -> None:
    with silent_at(ONE, port) as server:
        dialer.begin([ONE], 0.0)
        assert dialer.advance(0.0) is None
        dialer.begin([ONE], 1.0)
        assert dialer.advance(1.0) is None
        assert dialer.count == 1
        accept(server)
        connected(dialer, registration, 2.0).close()


def test_an_address_that_the_name_has_no_more_is_given_up(dialer: Dialer, port: int) -> None:
    with silent_at(ONE, port), silent_at(TWO, port):
        dialer.begin([ONE], 0.0)
        assert dialer.advance(0.0) is None
        dialer.begin([TWO], 1.0)
        assert dialer.advance(1.0) is None
        assert dialer.count == 1


def test_close_leaves_nothing(dialer: Dialer, registration: Plugged, port: int) -> None:
    with silent_at(ONE, port):
        dialer.begin([ONE], 0.0)
        assert dialer.advance(0.0) is None
        (connection,) = registration.watched.values()
        dialer.close()
        assert (dialer.count, registration.watched, connection.fileno()) == (0, {}, -1)


# several addresses


def test_after_a_refusal_the_next_address_has_its_turn_at_once(
    dialer: Dialer, registration: Plugged, port: int
) -> None:
    with open_at(THREE, port):
        dialer.begin([ONE, TWO, THREE], 0.0)
        connection = dialer.advance(0.0)
        while connection is None:
            registration.wait()
            connection = dialer.advance(0.0)
        with connection:
            assert connection.getpeername()[0] == str(THREE)


def test_after_a_silence_the_next_address_has_its_turn(dialer: Dialer, registration: Plugged, port: int) -> None:
    with silent_at(ONE, port), open_at(TWO, port):
        dialer.begin([ONE, TWO], 0.0)
        assert dialer.advance(0.0) is None
        assert dialer.wakes_at(0.0) == SILENT
        assert dialer.advance(SILENT * 0.9) is None
        assert dialer.count == 1
        with connected(dialer, registration, SILENT) as connection:
            assert connection.getpeername()[0] == str(TWO)


def test_an_address_has_its_turn_although_attempts_join_before(port: int, registration: Plugged) -> None:
    hasty = Dialer(port, registration, patience=SILENT * 2)  # a quarter of which is over before the second one's turn
    with silent_at(ONE, port), open_at(TWO, port) as server:
        for number in range(8):
            moment = number * SILENT / 2
            hasty.begin([ONE, TWO], moment)
            if connection := hasty.advance(moment):
                connection.close()
        hasty.close()
        server.settimeout(0.1)
        try:
            server.accept()[0].close()
        except TimeoutError:
            pytest.fail("nobody came")


def test_the_first_address_may_still_be_the_quicker_one(dialer: Dialer, registration: Plugged, port: int) -> None:
    with silent_at(ONE, port) as server, silent_at(TWO, port):
        dialer.begin([ONE, TWO], 0.0)
        assert dialer.advance(0.0) is None
        assert dialer.advance(SILENT) is None
        assert dialer.count == 2
        accept(server)
        with connected(dialer, registration, 2.0) as connection:
            assert connection.getpeername()[0] == str(ONE)


def test_where_one_refuses_and_another_is_silent_it_is_not_absent(
    dialer: Dialer, registration: Plugged, port: int
) -> None:
    with silent_at(ONE, port):
        dialer.begin([ONE, TWO], 0.0)
        assert dialer.advance(0.0) is None
        error = failed(dialer, registration, SILENT)
    shown = failure("x:1", error)
    assert type(shown) is TemporaryError
    assert shown.cause == f"no answer from {ONE}"


def test_where_one_refuses_the_other_gets_a_moment_to_answer(dialer: Dialer, port: int) -> None:
    with silent_at(TWO, port):
        dialer.begin([ONE, TWO], 0.0)
        with suppress(OSError):
            assert dialer.advance(0.0) is None
        assert dialer.count == 1
        assert 0.0 < dialer.wakes_at(0.0) <= SILENT
        with pytest.raises(OSError) as caught:  # noqa: PT011 - it is looked at below
            dialer.advance(0.1)
        error = failure("x:1", caught.value)
        assert error.cause == f"no answer from {TWO}"


def test_an_address_that_cannot_be_reached_weighs_more_than_a_refusal(dialer: Dialer, registration: Plugged) -> None:
    nowhere = Address(socket.AF_INET, ("255.255.255.255", 0))  # of which connect(2) knows at once
    for addresses in ([ONE, nowhere], [nowhere, ONE]):
        dialer.begin(addresses, 0.0)
        error = failed(dialer, registration)
        assert error.errno != errno.ECONNREFUSED
        assert not isinstance(failure("x:1", error), AbsentError)


def test_every_address_must_refuse_to_be_absent(dialer: Dialer, registration: Plugged) -> None:
    dialer.begin([ONE, TWO, THREE], 0.0)
    assert failed(dialer, registration).errno == errno.ECONNREFUSED


# what breaks in between


class Resets(Plugged):
    """Has the server break off just after a connection was seen to be there."""

    def __init__(self) -> None:
        super().__init__()
        self.server = socket.socket()
        self.seen: list[socket.socket] = []

    def remove(self, connection: socket.socket) -> None:
        super().remove(connection)
        self.seen.append(connection)
        break_off(self.server)
        until_broken(connection)


def break_off(server: socket.socket) -> None:
    accepted = server.accept()[0]
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    accepted.close()


def test_a_connection_that_is_reset_while_it_is_looked_at_is_closed_and_told_as_that(port: int) -> None:
    registration = Resets()
    registration.server.close()
    dialer = Dialer(port, registration, patience=PATIENCE)
    with silent_at(ONE, port) as registration.server:
        dialer.begin([ONE], 0.0)
        assert dialer.advance(0.0) is None
        accept(registration.server)
        registration.wait()
        connection: socket.socket | None = None
        errors: list[int | None] = []
        try:
            connection = dialer.advance(1.0)
        except OSError as error:
            errors.append(error.errno)
        dialer.close()
    still_open = [one for one in registration.seen if one.fileno() != -1]
    for one in registration.seen:
        one.close()
    assert len(registration.seen) == 1
    assert still_open == ([] if connection is None else [connection])
    assert errno.ENOTCONN not in errors


def test_a_reset_is_told_alike_whenever_it_comes(port: int) -> None:
    """Else the reason would change from attempt to attempt, and each change is told."""
    with (
        open_at(ONE, port) as server,
        Wire.to(HostPort(str(ONE), port), make_context(), task="use it", advice="look") as wire,
    ):
        break_off(server)
        with pytest.raises(InitkitError) as late:
            wire.some()
    assert failure("x:1", OSError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))).cause == late.value.cause


def until_broken(connection: socket.socket) -> None:
    poll = select.poll()
    poll.register(connection, select.POLLHUP | select.POLLERR)
    assert poll.poll(10_000), "no RST came"


def test_too_many_open_files_are_told_with_what_to_do() -> None:
    error = failure("x:1", OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
    assert (type(error), error.cause) == (TemporaryError, "too many open files")
    assert error.advice == "raise the limit of open files, or wait for fewer targets at once"


# for probes


def probing(reached: list[str], seconds: float = 5.0) -> ProbeContext:
    plain = make_context(attempt_timeout=seconds)
    return ProbeContext(**vars(plain), names=Names(plain.clock), reached=lambda: reached.append("reached"))


def refused(context: ProbeContext, endpoint: HostPort) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        connect(context, endpoint)
    return caught.value


def test_a_connection_has_the_rest_of_the_time_as_its_timeout(port: int) -> None:
    reached: list[str] = []
    with open_at(ONE, port), connect(probing(reached), HostPort(str(ONE), port)) as connection:
        timeout = connection.gettimeout()
        assert timeout is not None
        assert 0 < timeout <= 5
    assert reached == ["reached"]


def test_a_refusal_is_no_contact(port: int) -> None:
    reached: list[str] = []
    assert isinstance(refused(probing(reached), HostPort(str(ONE), port)), AbsentError)
    assert reached == []


def test_silence_ends_with_the_attempt(port: int) -> None:
    reached: list[str] = []
    with silent_at(ONE, port):
        error = refused(probing(reached, 0.2), HostPort(str(ONE), port))
    assert (type(error), error.cause, reached) == (TemporaryError, "no answer", [])


def test_a_server_that_comes_up_within_the_attempt_is_connected_to(port: int) -> None:
    with silent_at(ONE, port) as server:
        timer = threading.Timer(0.1, accept, [server])
        timer.start()
        with connect(probing([]), HostPort(str(ONE), port)) as connection:
            assert connection.getpeername()[1] == port
        timer.join()


# unix sockets


def missed(path: str, seconds: float = 0.2) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        connect_path(make_context(attempt_timeout=seconds), path)
    return caught.value


def test_a_unix_socket_is_connected_to(tmp_path: Path) -> None:
    path, reached = str(tmp_path / "s"), list[str]()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        connect_path(probing(reached), path).close()
    assert reached == ["reached"]


def test_what_is_no_unix_socket_that_listens_is_absent(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
        found = {name: missed(str(tmp_path / name)) for name in ("nothing", "file", "file/below", "dead")}
    assert all(isinstance(error, AbsentError) for error in found.values())
    assert {name: error.cause for name, error in found.items()} == {
        "nothing": "no such file or directory",
        "file": "it is there but is no socket",
        "file/below": "not a directory",
        "dead": "connection refused",
    }


def test_a_unix_socket_of_datagrams_is_not_absent(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "s"))
        error = missed(str(tmp_path / "s"))
    assert (type(error), error.cause) == (TemporaryError, "it is no stream socket")


def test_a_unix_socket_whose_queue_is_full_is_not_absent(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_UNIX))
        server.bind(path)
        server.listen(0)
        clients = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(5)]
        for client in clients:
            client.settimeout(0)
        assert errno.EAGAIN in [client.connect_ex(path) for client in clients]
        error = missed(path)
    assert type(error) is TemporaryError
