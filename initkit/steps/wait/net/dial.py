"""Connecting to every address of a host without blocking; what is spoken then is the business of each scheme."""

from __future__ import annotations

import errno
import math
import os
import select
import socket
import stat
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from initkit.core.breaks import CLOSES, is_break
from initkit.core.errors import InitkitError, SuspectError, TemporaryError
from initkit.steps.wait.net.names import Address, look_up
from initkit.steps.wait.target import AbsentError, ProbeContext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.core.step import Context
    from initkit.core.values import HostPort

SILENT = 0.25  # seconds without an answer after which the next address is tried too (RFC 8305, section 5)
_UNANSWERED = 0.1  # seconds after which an address counts as silent where another one has refused
_TOGETHER = 4  # connections to one address that are waited for at a time
_ABSENT = {errno.ECONNREFUSED, errno.ENOENT}
_KIND = int(socket.SOCK_STREAM) | int(socket.SOCK_NONBLOCK)  # as members of an enum they would be or-ed anew each time
_UNDER_WAY = {0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EISCONN}


class Registration(Protocol):
    """What watches a socket until it can be written to, which is when a connection has succeeded or failed."""

    def add(self, connection: socket.socket) -> None:
        """Begin to watch."""
        ...

    def remove(self, connection: socket.socket) -> None:
        """Watch no more; the socket is still open."""
        ...


class _Pending:
    """A connection that has not been answered yet."""

    def __init__(self, address: Address, connection: socket.socket, began: float) -> None:
        self.address = address
        self.connection = connection
        self.began = began


class Dialer:
    """Connects to one endpoint, attempt after attempt.

    An attempt goes through the addresses in their order; the next one's turn comes when the one before has failed or
    has been silent for a while. Connections without an answer are kept over several attempts, so that a slow network
    still counts, and joined by new ones, so that an address that was silent is noticed soon after it comes up.
    """

    def __init__(self, port: int, registration: Registration, *, patience: float) -> None:
        self._port = port
        self._registration = registration
        self._patience = patience
        self._again = patience / _TOGETHER
        self._pending: list[_Pending] = []
        self._turn: deque[Address] = deque()
        self._tried: list[Address] = []
        # by their numbers: an exception would keep its frames until the next attempt
        self._failed: dict[Address, int] = {}
        self._next_at = 0.0

    def begin(self, addresses: Sequence[Address], now: float) -> None:
        """Begin an attempt; what is still pending of earlier ones stays."""
        for pending in [p for p in self._pending if p.address not in addresses]:
            self._drop(pending)
        # whose turn had not come goes first: attempts may follow one another before silence is sure
        left = [address for address in self._turn if address in addresses]
        self._turn = deque(dict.fromkeys([*left, *addresses]))
        self._tried, self._failed, self._next_at = [], {}, now

    def advance(self, now: float) -> socket.socket | None:
        """Look at what is pending, and go on; the connection that has succeeded, or None while there is none.

        Raises:
            OSError: every address has failed, or some have and the others are silent.
        """
        connected = self._look(now) if self._pending else None
        while connected is None and self._turn and (now >= self._next_at or not self._waits()):
            connected = self._try(self._turn.popleft(), now)
        if connected is None and self._failed and not self._turn and not self._may_still(now):
            raise self._failure()
        return connected

    def wakes_at(self, now: float) -> float:
        """When to look again although nothing was heard."""
        if self._turn:
            return self._next_at
        if self._failed:
            soon = (p.began + _UNANSWERED for p in self._current())
            return min((moment for moment in soon if moment > now), default=math.inf)
        return self.expires_at

    @property
    def expires_at(self) -> float:
        """When the oldest connection that is pending is given up; infinite where none is."""
        return min((p.began + self._patience for p in self._pending), default=math.inf)

    def expire(self, now: float) -> None:
        """Give up what has been pending for too long."""
        for pending in [p for p in self._pending if now - p.began >= self._patience]:
            self._drop(pending)

    @property
    def count(self) -> int:
        """How many connections are pending."""
        return len(self._pending)

    def close(self) -> None:
        """Give up what is pending."""
        for pending in list(self._pending):
            self._drop(pending)

    def _look(self, now: float) -> socket.socket | None:
        for pending in list(self._pending):
            number = pending.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                self._drop(pending)
                self._failed[pending.address] = number
            elif peer := _peer(pending.connection):
                if not _is_itself(pending.connection, peer):
                    self._pending.remove(pending)
                    self._registration.remove(pending.connection)
                    return pending.connection
                self._drop(pending)
                self._failed[pending.address] = errno.ECONNREFUSED
        self.expire(now)
        return None

    def _try(self, address: Address, now: float) -> socket.socket | None:
        self._tried.append(address)
        mine = [p for p in self._pending if p.address == address]
        if mine and now - max(p.began for p in mine) < self._again:
            self._next_at = max(p.began for p in mine) + SILENT
            return None
        if len(mine) >= _TOGETHER:
            self._drop(mine[0])
        self._next_at = now + SILENT
        try:
            connection = socket.socket(address.family, _KIND)
        except OSError as error:
            self._failed[address] = error.errno or errno.EIO
            return None
        number = _begin(connection, address.at(self._port))
        if number not in _UNDER_WAY:
            connection.close()
            self._failed[address] = number
            return None
        if (peer := _peer(connection)) and not _is_itself(connection, peer):
            return connection
        self._registration.add(connection)
        self._pending.append(_Pending(address, connection, now))
        return None

    def _waits(self) -> bool:
        """Whether an address that was tried in this attempt has not answered."""
        return any(address not in self._failed for address in self._tried)

    def _current(self) -> list[_Pending]:
        return [p for p in self._pending if p.address in self._tried and p.address not in self._failed]

    def _may_still(self, now: float) -> bool:
        return any(now - p.began < _UNANSWERED for p in self._current())

    def _failure(self) -> OSError:
        """The worst that was heard: what is not certain weighs more than a refusal."""
        silent = [address for address in self._tried if address not in self._failed]
        if silent:
            return TimeoutError(errno.ETIMEDOUT, f"no answer from {silent[0]}")
        numbers = list(self._failed.values())
        number = next((number for number in numbers if number not in _ABSENT), numbers[0])
        return OSError(number, os.strerror(number))

    def _drop(self, pending: _Pending) -> None:
        self._pending.remove(pending)
        self._registration.remove(pending.connection)
        pending.connection.close()


def _begin(connection: socket.socket, where: tuple[Any, ...]) -> int:
    """Begin to connect; the error's number if it has failed already."""
    number = connection.connect_ex(where)
    if number == errno.EINPROGRESS:  # on this host it may be known already
        number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return number


def _peer(connection: socket.socket) -> object:
    """Who is at the other end; None while nobody is, or no longer."""
    try:
        return connection.getpeername()
    except OSError:
        return None


def _is_itself(connection: socket.socket, peer: object) -> bool:
    """Whether TCP has connected a socket to itself, as it may on a closed port of the ephemeral range (RFC 9293)."""
    return bool(connection.getsockname() == peer)


class _Poll:
    """A poll of its own, for one blocking call."""

    def __init__(self) -> None:
        self.poll = select.poll()

    def add(self, connection: socket.socket) -> None:
        self.poll.register(connection, select.POLLOUT)

    def remove(self, connection: socket.socket) -> None:
        self.poll.unregister(connection)


def connect(context: Context, endpoint: HostPort) -> socket.socket:
    """A TCP connection to any address of a host, within the context's `attempt_timeout`; for probes, which may block.

    The socket's timeout is what is then left of that time.

    Raises:
        AbsentError: every address refuses.
        TemporaryError: the name is unknown, or no address of it accepts or answers in time.
        PermanentError: it can be no name.
    """
    names = context.names if isinstance(context, ProbeContext) else None
    ends = context.clock.now() + max(0.001, context.attempt_timeout)
    addresses = names.resolve(endpoint.host, context.attempt_timeout) if names else look_up(endpoint.host)
    registration = _Poll()
    dialer = Dialer(endpoint.port, registration, patience=max(0.001, context.attempt_timeout))
    try:
        connection = _connected(dialer, addresses, registration, context, ends)
    except OSError as error:
        raise failure(str(endpoint), error) from error
    finally:
        dialer.close()
    connection.settimeout(max(0.001, ends - context.clock.now()))
    if isinstance(context, ProbeContext):
        context.reached()
    return connection


def _connected(
    dialer: Dialer, addresses: Sequence[Address], registration: _Poll, context: Context, ends: float
) -> socket.socket:
    dialer.begin(addresses, context.clock.now())
    heard: OSError | None = None
    while (now := context.clock.now()) < ends:
        try:
            if connection := dialer.advance(now):
                return connection
        except OSError as error:
            heard = error
            if not dialer.count:
                break
        wake = min(ends, dialer.wakes_at(now)) if not heard else ends
        registration.poll.poll(max(1.0, (wake - now) * 1000))
    raise heard or TimeoutError(errno.ETIMEDOUT, "no answer")


def connect_path(context: Context, path: str) -> socket.socket:
    """A connection to a unix socket, within the context's `attempt_timeout`.

    Raises:
        AbsentError: there is no such socket, or nobody listens there.
        TemporaryError: it does not accept just now, or is of another kind.
        SuspectError: it may not be used by us.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(max(0.001, context.attempt_timeout))
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        raise _path_failure(path, error) from error
    if isinstance(context, ProbeContext):
        context.reached()
    return connection


def _path_failure(path: str, error: OSError) -> InitkitError:
    """What a failed connection to a unix socket means (unix(7), connect(2))."""
    task = f"connect to {path.replace(chr(0), '@')}"
    if error.errno == errno.EACCES:
        cause = f"permission denied for UID {os.geteuid()}"
        return SuspectError(task, cause, "check the modes of the socket and its folders, or run as another user")
    if error.errno == errno.EPROTOTYPE:
        return TemporaryError(task, "it is no stream socket", "check which socket the server means")
    if error.errno == errno.EAGAIN:
        return TemporaryError(task, "its queue of connections is full", "look into that server's own log")
    if error.errno == errno.ECONNREFUSED and not path.startswith("\0") and not _is_socket(path):
        return AbsentError(task, "it is there but is no socket", "check the path")
    if error.errno == errno.ENOTDIR:
        return AbsentError(task, "not a directory", "check the path")
    return failure(task.removeprefix("connect to "), error)


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return True


def failure(endpoint: str, error: OSError) -> InitkitError:
    """What a connection that failed means."""
    task = f"connect to {endpoint}"
    if isinstance(error, TimeoutError):
        cause = error.strerror if (error.strerror or "").startswith("no answer") else "no answer"
        return TemporaryError(task, cause or "no answer", "check addresses and network policies")
    cause = CLOSES if is_break(error) else (error.strerror or str(error)).lower()
    if error.errno in _ABSENT:
        return AbsentError(task, cause, "check that it is running")
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return TemporaryError(task, cause, "raise the limit of open files, or wait for fewer targets at once")
    return TemporaryError(task, cause, "check that it is running")
