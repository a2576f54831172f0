"""Real Redis servers, started with the options that a test asks for."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fix_daemon import daemon, free_port
from fix_need import need_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class RedisServer:
    """A server on loopback, with a folder of its own that outlives a restart.

    Attributes:
        port: of TCP; of TLS, where it was started with `tls`.
        socket: the path of its unix socket.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.socket = str(folder / "s")
        self._running = contextlib.ExitStack()

    def start(self, *options: str, tls: bool = False) -> RedisServer:
        """Start it, and wait until it answers; it may be loading still."""
        program = need_program("redis-server", "redis-server")
        ports = ["--port", "0", "--tls-port", str(self.port)] if tls else ["--port", str(self.port)]
        words = [*ports, "--bind", "127.0.0.1", "--unixsocket", self.socket, "--dir", str(self.folder)]
        words += ["--save", "", "--appendonly", "no", *options]
        self._running.enter_context(daemon([program, *words], self._answers, self.folder / "log", cwd=self.folder))
        return self

    def stop(self) -> None:
        """Have it end, and see that it has."""
        self._running.close()

    def tell(self, *words: str) -> bytes:
        """Send a command to its unix socket; the first piece of its answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(self.socket)
            parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
            connection.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())
            return connection.recv(65536)

    def url(self, user: str = "", path: str = "", scheme: str = "redis") -> str:
        """A URL of it by TCP; `user` with its password."""
        return f"{scheme}://{user + '@' if user else ''}127.0.0.1:{self.port}{path}"

    def _answers(self) -> bool:
        try:
            return self.tell("PING") != b""
        except OSError:
            return False


@contextlib.contextmanager
def _server() -> Iterator[RedisServer]:
    # a socket's path may be no longer than 107 bytes, so not below pytest's own folder
    with tempfile.TemporaryDirectory(prefix="initkit-redis-") as folder:
        server = RedisServer(Path(folder))
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def redis_plain() -> Iterator[RedisServer]:
    """A server that asks for no password."""
    with _server() as server:
        yield server.start()


@pytest.fixture(scope="session")
def redis_users() -> Iterator[RedisServer]:
    """A server with the password ``hunter2``, and ACL users.

    ``app`` (secret42) may do all, ``pinger`` (secret42) only PING, ``blind`` (secret42) nothing.
    """
    users = [
        ("app", "on", ">secret42", "~*", "+@all"),
        ("pinger", "on", ">secret42", "+ping"),
        ("blind", "on", ">secret42"),
    ]
    with _server() as server:
        options = [word for user in users for word in ("--user", *user)]
        yield server.start("--requirepass", "hunter2", *options)


@pytest.fixture
def start_redis() -> Iterator[Callable[..., RedisServer]]:
    """Starts servers of the test's own; the arguments are those of `RedisServer.start`."""
    with contextlib.ExitStack() as stack:

        def start(*options: str, tls: bool = False) -> RedisServer:
            return stack.enter_context(_server()).start(*options, tls=tls)

        yield start
