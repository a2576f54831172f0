"""A server that breaks off: everything passes to the real one behind it, until so many bytes of answers have."""

from __future__ import annotations

import re
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class BreakingOff:
    """A TCP proxy on loopback.

    Attributes:
        port: where it listens.
        passed: bytes of the server's answers that went through since `whole` or `breaks_off`, over all connections.
        broke: whether something was kept back since then.
        without_length: whether answers of HTTP lose their Content-Length, so that their end is the connection's.
    """

    def __init__(self, server: int) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.passed = 0
        self.broke = False
        self.without_length = False
        self._most: int | None = None
        self._with_reset = False
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def whole(self) -> None:
        """Let everything pass from now on."""
        self.passed, self.broke, self._most = 0, False, None

    def breaks_off(self, after: int, *, with_reset: bool) -> None:
        """Pass so many more bytes, and then close or reset every connection."""
        self.passed, self.broke, self._most, self._with_reset = 0, False, after, with_reset

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._server), 10) as server:
            threading.Thread(target=_pass_on, args=(client, server), daemon=True).start()
            with suppress(OSError):
                self._answer(server, client)
            for one in (client, server):  # wakes the other thread
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        while piece := server.recv(65536):
            if self.without_length and piece.startswith(b"HTTP/"):
                piece = re.sub(rb"Content-Length: \d+\r\n", b"", piece)
            with self._lock:
                room = len(piece) if self._most is None else max(0, self._most - self.passed)
                self.passed += len(piece[:room])
            if room < len(piece):
                self.broke = True
            client.sendall(piece[:room])
            if room < len(piece):
                if self._with_reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.shutdown(socket.SHUT_RD)  # or the other thread, reading, would keep it open
                    client.close()
                return


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)  # or the server's child waits for more, and git's daemon has 32 of them at most


@pytest.fixture
def breaking_off() -> Iterator[Callable[[int], BreakingOff]]:
    """Puts such a proxy before the server on a port."""
    made: list[BreakingOff] = []

    def make(port: int) -> BreakingOff:
        made.append(BreakingOff(port))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()
