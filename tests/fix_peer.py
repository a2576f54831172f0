"""Servers that do what no real one can be made to do: say nothing, nonsense, too little, too much."""

from __future__ import annotations

import random
import socket
import struct
import threading
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Behaviour = Callable[[socket.socket, threading.Event], object]


@pytest.fixture
def peer() -> Iterator[Callable[[Behaviour], int]]:
    """Starts a server that does this to every connection, and closes it; returns its port."""
    with ExitStack() as servers:
        yield lambda behaviour: servers.enter_context(_running(behaviour))


@contextmanager
def _running(behaviour: Behaviour) -> Iterator[int]:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        thread = threading.Thread(target=_serve, args=(server, behaviour, over), daemon=True)
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            over.set()
            thread.join(10)


def _serve(server: socket.socket, behaviour: Behaviour, over: threading.Event) -> None:
    while not over.is_set():
        with suppress(OSError):
            connection, _ = server.accept()
            connection.settimeout(5)
            with connection, suppress(OSError):
                behaviour(connection, over)


def silent(connection: socket.socket, over: threading.Event) -> None:
    """Say nothing, until the other side leaves."""
    connection.settimeout(0.05)
    while not over.is_set():
        with suppress(TimeoutError):
            if not connection.recv(4096):
                return


def closes(connection: socket.socket, over: threading.Event) -> None:
    """Close at once."""


def resets(connection: socket.socket, over: threading.Event) -> None:  # noqa: ARG001 - a behaviour
    """Break off with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def garbage(connection: socket.socket, over: threading.Event) -> None:
    """Some bytes of no protocol, the same ones each time; then nothing."""
    connection.sendall(bytes([255]) + random.Random(7).randbytes(500).replace(b"\n", b"") + b"\n")
    silent(connection, over)


def echoes(connection: socket.socket, over: threading.Event) -> None:
    """Say what is said to it."""
    while not over.is_set() and (data := connection.recv(4096)):
        connection.sendall(data)


def http(connection: socket.socket, over: threading.Event) -> None:  # noqa: ARG001 - a behaviour
    """What a web server says to what it does not understand."""
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    connection.shutdown(socket.SHUT_WR)
    connection.recv(4096)


def begins(words: bytes, then: Behaviour = silent) -> Behaviour:
    """Say this first."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(words)
        then(connection, over)

    return behave


def trickles(connection: socket.socket, over: threading.Event) -> None:
    """A byte now and then, without end."""
    while not over.wait(0.02):
        connection.sendall(b"\1")


def floods(words: bytes) -> Behaviour:
    """Say this again and again, as fast as it is taken."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        while not over.is_set():
            connection.sendall(words)

    return behave


def answers(*words: bytes) -> Behaviour:
    """Wait for something, and say the first of these; for something more, and say the next; then nothing."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        for word in words:
            connection.recv(4096)
            connection.sendall(word)
        silent(connection, over)

    return behave
