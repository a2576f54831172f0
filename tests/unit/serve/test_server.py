"""A server that strangers reach: what it answers, and that they can neither stop it nor make it grow."""

from __future__ import annotations

import errno
import http.client
import os
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice

from initkit.core.clock import SystemClock
from initkit.core.errors import PermanentError
from initkit.core.stop import Stop
from initkit.core.values import HostPort
from initkit.serve import server as server_room
from initkit.serve.pages import LONGEST_HEAD, Page
from initkit.serve.server import MOST, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCAL = "127.0.0.1"


def _page(path: str) -> Page | None:
    if path == "/bug":
        raise RuntimeError("a bug, password=hunter2")
    if path == "/large":
        return Page(200, "text/plain", b"x" * 3_000_000)
    return Page(200, "text/plain", b"well\n") if path == "/here" else None


@contextmanager
def serving(host: str = LOCAL, voice: RecordingVoice | None = None) -> Iterator[int]:
    with Server(HostPort(host, 0), _page, SystemClock(Stop()), voice or RecordingVoice()) as server:
        yield server.numbers[0]


@pytest.fixture
def number() -> Iterator[int]:
    with serving() as number:
        yield number


def ask(number: int, request: bytes, host: str = LOCAL) -> bytes:
    """All that is answered."""
    with socket.create_connection((host, number), 10) as client:
        client.sendall(request)
        return _rest(client)


def _rest(client: socket.socket) -> bytes:
    found = b""
    with suppress(ConnectionResetError):
        while block := client.recv(65536):
            found += block
    return found


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_a_client_of_the_standard_library_gets_the_page(number: int) -> None:
    client = http.client.HTTPConnection(LOCAL, number, timeout=10)
    client.request("GET", "/here?a=b")
    answer = client.getresponse()
    assert (answer.status, answer.read(), answer.headers["Content-Type"]) == (200, b"well\n", "text/plain")
    client.close()


def test_head_is_answered_as_get_would_be_without_the_body(number: int) -> None:
    head, _, body = ask(number, b"HEAD /here HTTP/1.1\r\nHost: x\r\n\r\n").partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: 5" in head
    assert body == b""


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /elsewhere HTTP/1.1\r\n\r\n", 404),
        (b"GET /here/ HTTP/1.1\r\n\r\n", 404),
        (b"GET /here HTTP/1.0\r\n\r\n", 200),
        (b"GET /here HTTP/1.1\n\n", 200),
        (b"GET http://pod:80/here HTTP/1.1\r\n\r\n", 200),
        (b"DELETE /here HTTP/1.1\r\n\r\n", 405),
        (b"POST /here HTTP/1.1\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60000, 405),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /here HTTP/2.0\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\n\n", 400),
        (b"GET /here HTTP/1.1\r\nX: " + b"x" * LONGEST_HEAD, 431),
    ],
)
def test_every_request_gets_its_answer(number: int, request_: bytes, status: int) -> None:
    assert _status(ask(number, request_)) == status


def test_a_request_may_come_byte_by_byte(number: int) -> None:
    with socket.create_connection((LOCAL, number), 10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /here HTTP/1.1\r\n\r\n":
            client.sendall(bytes([byte]))
        assert _rest(client).endswith(b"well\n")


def test_a_large_page_arrives_whole(number: int) -> None:
    assert len(ask(number, b"GET /large HTTP/1.1\r\n\r\n").partition(b"\r\n\r\n")[2]) == 3_000_000


def test_a_page_with_a_bug_does_not_end_the_server() -> None:
    voice = RecordingVoice()
    with serving(voice=voice) as number:
        assert _status(ask(number, b"GET /bug HTTP/1.1\r\n\r\n")) == 500
        assert _status(ask(number, b"GET /here HTTP/1.1\r\n\r\n")) == 200
    assert "RuntimeError" in voice.warnings[0]
    assert "hunter2" not in voice.warnings[0]


def test_a_probe_gets_through_while_others_hold_all_connections(number: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with ExitStack() as held:
        for _ in range(MOST + 20):
            client = held.enter_context(socket.create_connection((LOCAL, number), 10))
            client.sendall(b"GET /here HTTP/1.1\r\nX: ")
        assert _status(ask(number, b"GET /here HTTP/1.1\r\n\r\n")) == 200
        descriptors = len(os.listdir("/proc/self/fd"))
    assert descriptors - before <= 2 * MOST + 20 + 1  # ours and theirs: no more than the most are kept


def test_who_takes_too_long_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_room, "PATIENCE", 0.1)
    with serving() as number, socket.create_connection((LOCAL, number), 10) as client:
        client.sendall(b"GET /here HTTP/1.1\r\n")
        assert _rest(client) == b""


def test_who_never_reads_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_room, "PATIENCE", 0.1)
    with serving() as number, socket.create_connection((LOCAL, number), 10) as client:
        client.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        until = time.monotonic() + 20
        while _is_open(number, client) and time.monotonic() < until:
            time.sleep(0.05)
        assert not _is_open(number, client)


def _is_open(number: int, client: socket.socket) -> bool:
    """Whether the server has its end of the connection still (proc(5), net/tcp)."""
    mine, its = f":{client.getsockname()[1]:04X}", f":{number:04X}"
    with open("/proc/self/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table]
    return any(row[1].endswith(its) and row[2].endswith(mine) and row[3] == "01" for row in rows)


def test_who_goes_away_in_the_middle_leaves_nothing(number: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        with socket.create_connection((LOCAL, number), 10) as client:
            client.sendall(b"GET /large HTTP/1.1\r\n\r\n")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert _status(ask(number, b"GET /here HTTP/1.1\r\n\r\n")) == 200
    until = time.monotonic() + 20
    while len(os.listdir("/proc/self/fd")) > before + 1 and time.monotonic() < until:
        time.sleep(0.02)
    assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_without_a_descriptor_for_it_a_connection_waits_its_turn(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    accept = socket.socket.accept
    refused: list[float] = []

    def exhausted(listener: socket.socket) -> tuple[socket.socket, object]:
        if len(refused) < 3:
            refused.append(time.monotonic())
            raise OSError(errno.EMFILE, "too many open files")
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", exhausted)
    assert _status(ask(number, b"GET /here HTTP/1.1\r\n\r\n")) == 200
    assert refused[2] - refused[0] > 2 * server_room._RESTED * 0.9, "it is not asked for again and again"


def test_nothing_is_left_once_the_block_is_over() -> None:
    threads, descriptors = set(threading.enumerate()), set(os.listdir("/proc/self/fd"))
    with serving() as number, socket.create_connection((LOCAL, number), 10):
        pass
    assert set(threading.enumerate()) <= threads  # those of other tests may end meanwhile
    assert set(os.listdir("/proc/self/fd")) <= descriptors


def test_an_address_that_is_taken_is_told_with_what_to_do() -> None:
    with socket.create_server((LOCAL, 0)) as other:
        taken = other.getsockname()[1]
        with (
            pytest.raises(PermanentError, match=rf"cannot listen on 127\.0\.0\.1:{taken}: .*in use; give another"),
            Server(HostPort(LOCAL, taken), _page, SystemClock(Stop()), RecordingVoice()),
        ):
            pass


def test_everywhere_means_ipv4_too() -> None:
    with serving("::") as number:
        assert _status(ask(number, b"GET /here HTTP/1.1\r\n\r\n")) == 200


def test_without_ipv6_everywhere_means_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket

    def without(family: int, kind: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "no such family")
        return real(family, kind)

    monkeypatch.setattr(socket, "socket", without)
    with serving("::") as number:
        monkeypatch.undo()
        assert _status(ask(number, b"GET /here HTTP/1.1\r\n\r\n")) == 200
