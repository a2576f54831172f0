"""One connection that is read, answered, and then read to its end; what the answer is is not known here."""

from __future__ import annotations

import select
import socket

from initkit.serve.pages import LONGEST_HEAD

_BLOCK = 4096  # bytes that are read at once
_MOST_DRAINED = 1 << 16  # bytes of a body that nobody asked for


class Connection:
    """One client.

    It is not closed while the client may still send: the kernel would then take the answer away from it (RFC 9112,
    section 9.6).

    Attributes:
        until: when it is ended at the latest, on the server's clock.
        head: what came in so far.
        answer: what goes out; empty until that is known.
    """

    def __init__(self, made: socket.socket, until: float) -> None:
        made.setblocking(False)  # noqa: FBT003 - its only argument
        self.descriptor = made.fileno()
        self.until = until
        self.head = bytearray()
        self.answer = b""
        self._socket = made
        self._sent = 0
        self._drained = 0

    @property
    def is_too_long(self) -> bool:
        """Whether its head goes on without an end."""
        return len(self.head) > LONGEST_HEAD

    @property
    def awaited(self) -> int:
        """The event (epoll(7)) after which it can go on."""
        return select.EPOLLOUT if self._sent < len(self.answer) else select.EPOLLIN

    def has_asked(self) -> bool:
        """Take what comes in; whether the head is complete, or is longer than it may be.

        Raises:
            EOFError: nothing more comes.
            OSError: it was broken off.
        """
        self.head += self._receive()
        return self.is_too_long or b"\n\r\n" in self.head or b"\n\n" in self.head

    def go_on(self) -> bool:
        """Send what goes out, or drop what comes in after that; whether another event is awaited now.

        Raises:
            EOFError: it is over.
            OSError: it was broken off.
        """
        if self._sent < len(self.answer):
            return self._send()
        self._drained += len(self._receive())
        if self._drained > _MOST_DRAINED:
            raise EOFError
        return False

    def _receive(self) -> bytes:
        try:
            block = self._socket.recv(_BLOCK)
        except BlockingIOError:
            return b""
        if not block:
            raise EOFError
        return block

    def _send(self) -> bool:
        try:
            self._sent += self._socket.send(memoryview(self.answer)[self._sent :])
        except BlockingIOError:
            return True
        if self._sent == len(self.answer):
            self._socket.shutdown(socket.SHUT_WR)
        return True

    def close(self) -> None:
        """End it."""
        self._socket.close()
