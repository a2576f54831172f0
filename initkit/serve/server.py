"""A small HTTP server in one thread, for probes and scrapes: it answers GET and HEAD, and closes the connection.

Whoever reaches the pod may connect, so nothing grows with what they do: so many connections, each with so many bytes
and so much time. What it answers is known to `pages` and to whoever gives them.
"""

from __future__ import annotations

import errno
import os
import select
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from initkit.core.errors import Stopped
from initkit.core.redact import redact
from initkit.serve.address import listening
from initkit.serve.connection import Connection
from initkit.serve.pages import answer, refusal

if TYPE_CHECKING:
    import socket
    from types import TracebackType

    from initkit.core.clock import Clock
    from initkit.core.step import Voice
    from initkit.core.values import HostPort
    from initkit.serve.pages import Pages

MOST = 64  # connections at once; one more ends the oldest, so that a probe always gets through
PATIENCE = 5.0  # seconds that a connection may take, from beginning to end
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_TICK = 0.5  # seconds between two looks at who has taken too long
_RESTED = 0.2  # seconds until connections are taken again, where there is no descriptor for them


class Server:
    """Listens for as long as the block lasts.

    Args:
        address: where.
        pages: asked for each request, in the server's thread.
        clock: time; its `Stopped` ends the server.
        voice: told if an answer could not be made.

    Raises:
        PermanentError: the address cannot be had (from ``__enter__``).
    """

    def __init__(self, address: HostPort, pages: Pages, clock: Clock, voice: Voice) -> None:
        self._address = address
        self._pages = pages
        self._clock = clock
        self._voice = voice
        self._open: dict[int, Connection] = {}  # by descriptor, the oldest first
        self._listening: dict[int, socket.socket] = {}
        self._rests_until = 0.0

    def __enter__(self) -> Self:
        self._listening = {one.fileno(): one for one in listening(self._address)}
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll = select.epoll()
        for descriptor in (*self._listening, self._wake):
            self._epoll.register(descriptor, select.EPOLLIN)
        self._thread = threading.Thread(target=self._serve, daemon=True, name="serve")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        for connection in self._open.values():
            connection.close()
        for listener in self._listening.values():
            listener.close()
        self._epoll.close()
        os.close(self._wake)

    @property
    def numbers(self) -> list[int]:
        """The port of each socket that listens."""
        return [int(one.getsockname()[1]) for one in self._listening.values()]

    def _serve(self) -> None:
        with suppress(Stopped):
            while True:
                events = self._clock.poll(self._epoll, _TICK)
                if any(descriptor == self._wake for descriptor, _ in events):
                    return
                for descriptor, _ in events:
                    self._act(descriptor)
                self._end_overdue()

    def _act(self, descriptor: int) -> None:
        if descriptor in self._listening:
            self._accept(self._listening[descriptor])
        elif descriptor in self._open:
            self._go_on(self._open[descriptor])

    def _accept(self, listener: socket.socket) -> None:
        if self._clock.now() < self._rests_until:
            return
        try:
            made, _ = listener.accept()
        except OSError as error:  # whoever called may have gone already (accept(2))
            if error.errno in _EXHAUSTED:
                self._rest()
            return
        if len(self._open) >= MOST:
            self._end(next(iter(self._open.values())))
        connection = Connection(made, self._clock.now() + PATIENCE)
        self._open[connection.descriptor] = connection
        self._epoll.register(connection.descriptor, select.EPOLLIN)

    def _rest(self) -> None:
        """Let go of the oldest, if any, and do not ask for the next at once: it would be refused again."""
        for connection in list(self._open.values())[:1]:
            self._end(connection)
        self._rests_until = self._clock.now() + _RESTED
        self._watch_listening(0)

    def _watch_listening(self, events: int) -> None:
        for descriptor in self._listening:
            self._epoll.modify(descriptor, events)

    def _go_on(self, connection: Connection) -> None:
        try:
            if not connection.answer and connection.has_asked():
                connection.answer = self._answer(connection)
            if connection.answer and connection.go_on():
                self._epoll.modify(connection.descriptor, connection.awaited)
        except (EOFError, OSError):  # it is over, or was broken off
            self._end(connection)

    def _answer(self, connection: Connection) -> bytes:
        wall = self._clock.wall()
        if connection.is_too_long:
            return refusal(431, wall)
        try:
            return answer(bytes(connection.head), self._pages, wall)
        except Exception as error:  # noqa: BLE001 - a bug in a page must not end the server
            self._voice.warn(redact(f"cannot answer a request: {type(error).__name__}: {error}"))
            return refusal(500, wall)

    def _end_overdue(self) -> None:
        now = self._clock.now()
        for connection in [one for one in self._open.values() if one.until <= now]:
            self._end(connection)
        if self._rests_until and now >= self._rests_until:
            self._rests_until = 0.0
            self._watch_listening(select.EPOLLIN)

    def _end(self, connection: Connection) -> None:
        del self._open[connection.descriptor]
        connection.close()  # which takes it out of the epoll too
