"""Datagrams to any of several addresses, and what comes back; what the bytes mean is the business of each scheme."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from initkit.core.errors import TemporaryError
from initkit.core.record import Record
from initkit.core.values import HostPort
from initkit.steps.wait.target import ProbeContext

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from initkit.core.step import Context
    from initkit.steps.wait.net.names import Address

SILENT = 0.25  # seconds without an answer after which the next address is tried too, as `dial` does for connections
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 0.5  # seconds after which a datagram is sent again: networks lose some
_LARGEST = 65535  # bytes: what one datagram can hold

T = TypeVar("T")


class Endpoint(Record):
    """An address and a port to send to."""

    address: Address
    port: int

    def __str__(self) -> str:
        """``10.0.0.7:53``, an IPv6 address in brackets."""
        return str(HostPort(str(self.address), self.port))


class _Line:
    """One endpoint that is being asked. `error` is why its turn is over; what still comes is heard all the same."""

    def __init__(self, endpoint: Endpoint, now: float) -> None:
        self.endpoint = endpoint
        self.connection = socket.socket(endpoint.address.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.error: OSError | TemporaryError | None = None
        self.send_at = now
        self._pause = _FIRST_PAUSE
        # connected, so that only this endpoint is heard, its refusals (ICMP port unreachable) too: udp(7)
        number = self.connection.connect_ex(endpoint.address.at(endpoint.port))
        if number:
            self.error = OSError(number, os.strerror(number))

    def send_if_due(self, payload: bytes, now: float) -> None:
        if self.error or now < self.send_at:
            return
        self.send_at, self._pause = now + self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        try:
            self.connection.send(payload)
        except BlockingIOError:
            pass  # the queue is full: it is sent again soon
        except OSError as error:
            self.error = error

    def receive(self) -> bytes | None:
        """The next datagram, None where there is none."""
        try:
            return self.connection.recv(_LARGEST)
        except BlockingIOError:
            return None
        except OSError as error:
            self.error = self.error or error
            return None


class Conversation(Generic[T]):
    """One question to several endpoints, any of which may answer it.

    The next endpoint's turn comes when the one before has failed or has been silent for a while.
    """

    def __init__(self, context: Context, endpoints: Sequence[Endpoint], ends: float, *, grace: float = 0.0) -> None:
        """Be ready to ask.

        Args:
            context: its clock, and whom to tell that somebody answers.
            endpoints: in the order in which to ask them.
            ends: when to give up, on the context's clock.
            grace: seconds that are listened for another datagram where only wrong ones have come.
        """
        self._context = context
        self._turn = deque(endpoints)
        self._ends = ends
        self._grace = grace
        self._lines: list[_Line] = []
        self._next_at = context.clock.now()
        self._poll = select.poll()

    def ask(self, payload: bytes, read: Callable[[Endpoint, bytes], T | None]) -> T:
        """Send `payload`, again and again, until `read` takes an answer.

        Args:
            payload: the datagram.
            read: makes something of a datagram; None: it is no answer to this. A `TemporaryError` that it raises ends
                the turn of that endpoint.

        Raises:
            TimeoutError: an endpoint is silent.
            OSError: sending failed; ConnectionRefusedError: there was nothing else.
            TemporaryError: what `read` raised, where no endpoint is silent.
        """
        try:
            while (now := self._context.clock.now()) < self._ends:
                self._go_on(payload, now)
                if not self._is_open(now):
                    break
                for line in self._heard(now):
                    if (answer := self._read(line, read)) is not None:
                        return answer
        finally:
            for line in self._lines:
                line.connection.close()
        raise self._failure()

    def _go_on(self, payload: bytes, now: float) -> None:
        while self._turn and (now >= self._next_at or all(line.error for line in self._lines)):
            self._lines.append(_Line(self._turn.popleft(), now))
            self._poll.register(self._lines[-1].connection, select.POLLIN)
            self._next_at = now + SILENT
            self._lines[-1].send_if_due(payload, now)
        for line in self._lines:
            line.send_if_due(payload, now)

    def _is_open(self, now: float) -> bool:
        """Whether an answer may still come."""
        if self._turn or any(line.error is None for line in self._lines):
            return True
        answered = any(isinstance(line.error, TemporaryError) for line in self._lines)
        if not self._grace or not answered:
            return False
        self._ends, self._grace = min(self._ends, now + self._grace), 0.0
        return self._ends > now

    def _heard(self, now: float) -> list[_Line]:
        wakes = [self._ends, *(line.send_at for line in self._lines if not line.error)]
        if self._turn:
            wakes.append(self._next_at)
        ready = {number for number, _ in self._poll.poll(max(1.0, (min(wakes) - now) * 1000))}
        return [line for line in self._lines if line.connection.fileno() in ready]

    def _read(self, line: _Line, read: Callable[[Endpoint, bytes], T | None]) -> T | None:
        datagram = line.receive()
        if datagram is None:
            return None
        if isinstance(self._context, ProbeContext):
            self._context.reached()
        try:
            return read(line.endpoint, datagram)
        except TemporaryError as error:
            line.error = error
            return None

    def _failure(self) -> Exception:
        """The worst that was heard: what is not certain weighs more than a wrong answer, and that more than none."""
        silent = [str(line.endpoint) for line in self._lines if line.error is None] or [str(e) for e in self._turn]
        if silent:
            return TimeoutError(errno.ETIMEDOUT, f"no answer from {silent[0]}")
        errors = [line.error for line in self._lines if line.error]
        return min(errors, key=_weight, default=TimeoutError(errno.ETIMEDOUT, "no answer"))


def _weight(error: Exception) -> int:
    return 2 if isinstance(error, ConnectionRefusedError) else int(isinstance(error, TemporaryError))
