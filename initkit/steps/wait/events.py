"""What a wait sleeps on: answers of threads, and sockets that connect; what they mean is known to `watch`."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import socket

    from initkit.core.clock import Clock

T = TypeVar("T")


class EventQueue(Generic[T]):
    """Answers come in from any thread; sockets are watched for whoever they belong to."""

    def __init__(self) -> None:
        self._answers: deque[T] = deque()
        self._poll = select.epoll()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._bell, select.EPOLLIN)
        self._owners: dict[int, int] = {}
        self._lock = threading.Lock()
        self._is_open = True

    def post(self, answer: T) -> None:
        """Hand in an answer."""
        self._answers.append(answer)
        self.ring()

    def ring(self) -> None:
        """Wake who waits; nothing once the queue is closed, when the descriptor may be somebody else's."""
        with self._lock:
            if self._is_open:
                os.eventfd_write(self._bell, 1)

    def wait(self, clock: Clock, seconds: float) -> tuple[list[T], list[int]]:
        """The answers that came, and the owners of sockets that have connected or failed, within `seconds`.

        Raises:
            Stopped: the end was asked for.
        """
        owners = []
        for number, _ in clock.poll(self._poll, seconds):
            if number == self._bell:
                os.eventfd_read(self._bell)
            elif number in self._owners:
                owners.append(self._owners[number])
        answers = [self._answers.popleft() for _ in range(len(self._answers))]
        return answers, owners

    def registration(self, owner: int) -> Registration:
        """Where an owner's sockets are plugged in."""
        return Registration(self._poll, self._owners, owner)

    @property
    def sockets(self) -> int:
        """How many sockets are watched."""
        return len(self._owners)

    def close(self) -> None:
        """Watch nothing any more."""
        with self._lock:
            self._is_open = False
            self._poll.close()
            os.close(self._bell)


class Registration:
    """The sockets of one owner."""

    def __init__(self, poll: select.epoll, owners: dict[int, int], owner: int) -> None:
        self._poll = poll
        self._owners = owners
        self._owner = owner

    def add(self, connection: socket.socket) -> None:
        """Watch until it has connected or failed."""
        self._owners[connection.fileno()] = self._owner
        self._poll.register(connection.fileno(), select.EPOLLOUT)

    def remove(self, connection: socket.socket) -> None:
        """Watch no more; the socket is still open."""
        if self._owners.pop(connection.fileno(), None) is not None and not self._poll.closed:
            self._poll.unregister(connection.fileno())
