"""A TCP proxy before a server, which breaks and mends the connection while somebody waits."""

from __future__ import annotations

import select
import selectors
import socket
import struct
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Connect = Callable[[], socket.socket]

_CHUNK = 65536
_TICK = 0.01  # seconds between two looks at what is delayed


@dataclass(frozen=True)
class Fault:
    """What the proxy does; nothing by default, so that everything passes.

    Attributes:
        refuses: nobody listens; connections that are there are reset.
        closes: connections are accepted and closed.
        resets: connections are accepted and broken off with RST.
        stalls_after: so many of the server's bytes pass, and then nothing in either direction; such a connection stays
            dead, as behind a firewall that forgot it.
        delay: seconds by which each piece comes later.
        trickle: seconds for each byte of the server.
    """

    refuses: bool = False
    closes: bool = False
    resets: bool = False
    stalls_after: int | None = None
    delay: float = 0.0
    trickle: float = 0.0


PASSES = Fault()
REFUSES = Fault(refuses=True)
CLOSES = Fault(closes=True)
RESETS = Fault(resets=True)
STALLS = Fault(stalls_after=0)


class _Way:
    """One direction of a connection."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source = source
        self.sink = sink
        self.pieces: list[tuple[float, bytes]] = []  # each with the moment from which it may go on
        self.passed = 0
        self.is_over = False


class _Pair:
    """A client and the server behind the proxy."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.up = _Way(client, server)
        self.down = _Way(server, client)
        self.is_dead = False


class Proxy:
    """Passes connections to its port on, and does to them what `become` was told last.

    Attributes:
        port: on 127.0.0.1; nobody else gets it while connections are refused.
        accepted: how many connections there were.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._guard = socket.socket()
        self._guard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._guard.bind(("127.0.0.1", 0))
        self.port = int(self._guard.getsockname()[1])
        self.accepted = 0
        self._fault = PASSES
        self._listener: socket.socket | None = None
        self._pairs: list[_Pair] = []
        self._lock = threading.Lock()
        self._bell, self._ear = socket.socketpair()
        self._is_over = False
        self._adapt()
        self._thread = threading.Thread(target=self._run, daemon=True, name="proxy")
        self._thread.start()

    def become(self, fault: Fault) -> None:
        """Do this from now on, to the connections that are there too."""
        with self._lock:
            self._fault = fault
            self._adapt()
        self._bell.send(b"x")

    def close(self) -> None:
        """Close everything."""
        self._is_over = True
        self._bell.send(b"x")
        self._thread.join(10)
        for pair in list(self._pairs):
            self._end(pair)
        for one in (self._listener, self._guard, self._bell, self._ear):
            if one is not None:
                one.close()

    def _adapt(self) -> None:
        if self._fault.refuses and self._listener is not None:
            self._listener.close()
            self._listener = None
        elif not self._fault.refuses and self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._listener.settimeout(0)
        if self._fault.refuses or self._fault.resets or self._fault.closes:
            for pair in list(self._pairs):
                self._end(pair, reset=not self._fault.closes)

    def _run(self) -> None:
        while not self._is_over:
            with self._lock:
                ready = self._watched()
            events = ready.select(_TICK if any(way.pieces for way in self._ways()) else None)
            ready.close()
            with self._lock:
                for key, _ in events:
                    self._advance(key.data)
                for pair in list(self._pairs):
                    self._pass_on(pair)

    def _ways(self) -> Iterator[_Way]:
        for pair in self._pairs:
            yield from (pair.up, pair.down)

    def _watched(self) -> selectors.BaseSelector:
        ready = selectors.DefaultSelector()
        ready.register(self._ear, selectors.EVENT_READ)
        if self._listener is not None:
            ready.register(self._listener, selectors.EVENT_READ)
        for pair in self._pairs:
            for way in (pair.up, pair.down):
                # of a dead connection only the end of the client is of interest
                if not way.is_over and not (pair.is_dead and way is pair.down):
                    ready.register(way.source, selectors.EVENT_READ, (pair, way))
        return ready

    def _advance(self, what: tuple[_Pair, _Way] | None) -> None:
        if what is not None:
            if what[0] in self._pairs:
                self._take(*what)
            return
        with suppress(OSError):
            while select.select([self._ear], [], [], 0)[0]:
                self._ear.recv(100)
        with suppress(OSError):
            if self._listener is not None:
                self._accept(self._listener.accept()[0])

    def _accept(self, client: socket.socket) -> None:
        self.accepted += 1
        if self._fault.resets or self._fault.closes:
            _close(client, reset=self._fault.resets)
            return
        try:
            server = self._connect()
        except OSError:
            _close(client, reset=True)
            return
        for one in (client, server):
            one.settimeout(1)
        self._pairs.append(_Pair(client, server))

    def _take(self, pair: _Pair, way: _Way) -> None:
        try:
            piece = way.source.recv(_CHUNK)
        except OSError:
            self._end(pair, reset=True)
            return
        if pair.is_dead:
            if not piece:
                self._end(pair)
            return
        now, fault = time.monotonic(), self._fault
        if fault.trickle and way is pair.down and piece:
            last = max([now, *(moment for moment, _ in way.pieces)])
            way.pieces += [(last + fault.trickle * (i + 1), piece[i : i + 1]) for i in range(len(piece))]
        else:
            way.pieces.append((now + fault.delay, piece))
        way.is_over = not piece

    def _pass_on(self, pair: _Pair) -> None:
        if not pair.is_dead and self._fault.stalls_after is not None and self._fault.stalls_after <= pair.down.passed:
            pair.is_dead = True
            pair.up.pieces, pair.down.pieces = [], []
        try:
            for way in (pair.up, pair.down):
                self._pass(pair, way)
        except OSError:
            self._end(pair, reset=True)
            return
        if pair.up.is_over and pair.down.is_over and not any(way.pieces for way in (pair.up, pair.down)):
            self._end(pair)

    def _pass(self, pair: _Pair, way: _Way) -> None:
        while way.pieces and way.pieces[0][0] <= time.monotonic():
            piece = way.pieces.pop(0)[1]
            if not piece:
                way.sink.shutdown(socket.SHUT_WR)
                return
            if way is pair.down and self._fault.stalls_after is not None:
                piece = piece[: self._fault.stalls_after - way.passed]
            way.passed += len(piece)
            way.sink.sendall(piece)

    def _end(self, pair: _Pair, *, reset: bool = False) -> None:
        if pair in self._pairs:
            self._pairs.remove(pair)
        _close(pair.client, reset=reset)
        _close(pair.server, reset=False)


def _close(connection: socket.socket, *, reset: bool) -> None:
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextmanager
def _running(connect: Connect) -> Iterator[Proxy]:
    proxy = Proxy(connect)
    try:
        yield proxy
    finally:
        proxy.close()


def to_port(port: int) -> Connect:
    """How to connect to a port of this machine."""
    return lambda: socket.create_connection(("127.0.0.1", port), 5)


def to_path(path: str) -> Connect:
    """How to connect to a unix socket."""

    def connect() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        return connection

    return connect


@pytest.fixture
def proxy() -> Iterator[Callable[[Connect], Proxy]]:
    """Puts a proxy before a server."""
    with ExitStack() as proxies:
        yield lambda connect: proxies.enter_context(_running(connect))
