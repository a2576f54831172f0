"""An exchange of a few bytes with a server, bounded in time and length; what the bytes mean is each scheme's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from initkit.core.breaks import CLOSES, is_break
from initkit.core.errors import InitkitError, TemporaryError
from initkit.core.printable import printable
from initkit.steps.wait.net.dial import connect, connect_path

if TYPE_CHECKING:
    import socket

    from initkit.core.clock import Clock
    from initkit.core.step import Context
    from initkit.core.values import HostPort
    from initkit.steps.wait.net.tls import TlsOptions

LIMIT = 64 * 1024  # bytes that a server may say in one exchange
_CHUNK = 4096
_TLS_ALERT = b"\x15\x03"  # RFC 8446, section 5.1: what a TLS server answers to anything else


class Wire:
    """One connection, to be closed by a ``with`` block; everything on it together ends at one moment.

    Every call raises `TemporaryError` once that moment has come, the other side has closed, or has said too much.
    """

    def __init__(self, connection: socket.socket, clock: Clock, ends: float, task: str, advice: str) -> None:
        """Take over a connection.

        Args:
            connection: connected.
            clock: what `ends` is told by.
            ends: the moment at which the exchange must be over.
            task: for messages, a verb and its object: ``use memcached://cache:11211``.
            advice: for messages: what to do where the other side says nothing, or nothing that makes sense.
        """
        self.ends = ends
        self.task = task
        self.advice = advice
        self._connection = connection
        self._clock = clock
        self._is_tls = False
        self._unread = b""
        self._first = b""
        self._heard = 0
        self._heard_since_send = False

    @classmethod
    def to(cls, endpoint: HostPort, context: Context, *, task: str, advice: str, path: str | None = None) -> Self:
        """Connect; the exchange ends with the context's `attempt_timeout`, counted from now.

        Args:
            endpoint: where to.
            context: the probe's.
            task: as above.
            advice: as above.
            path: of a unix socket to connect to instead.

        Raises:
            AbsentError: every address refuses, or there is no such socket.
            TemporaryError: the name is unknown, or no address of it accepts or answers in time.
            SuspectError: the socket may not be used by us.
            PermanentError: it can be no name.
        """
        ends = context.clock.now() + max(0.001, context.attempt_timeout)
        connection = connect(context, endpoint) if path is None else connect_path(context, path)
        return cls(connection, context.clock, ends, task, advice)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; it may be closed already."""
        self._connection.close()

    def secure(self, tls: TlsOptions, host: str) -> None:
        """Speak TLS from now on.

        Raises:
            SuspectError: the certificate is not trusted, the server wants another one of us, or a file cannot be used.
            TemporaryError: the other side does not speak TLS, breaks off, is silent, or has said something already.
        """
        if self._unread:  # whoever can write into the connection could have put it there
            raise self.nonsense("it goes on without TLS")
        try:
            self._connection = tls.wrap(self._connection, host, self.task, left=self._left)
        except TimeoutError as error:
            raise self._silent() from error
        self._is_tls = True

    def send(self, data: bytes) -> None:
        """Send all of it. Where the other side has closed, that is told by what is read next, after its last words."""
        self._heard_since_send = False
        try:
            self._connection.settimeout(self._left())
            self._connection.sendall(data)
        except TimeoutError as error:
            raise self._silent() from error
        except OSError:
            return

    def some(self) -> bytes:
        """What comes next: at least one byte."""
        if not self._unread:
            self._receive()
        found, self._unread = self._unread, b""
        return found

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes."""
        while len(self._unread) < count:
            self._receive()
        found, self._unread = self._unread[:count], self._unread[count:]
        return found

    def line(self) -> bytes:
        """The next line, without its end: a line feed, and a carriage return before it."""
        while b"\n" not in self._unread:
            self._receive()
        found, _, self._unread = self._unread.partition(b"\n")
        return found.removesuffix(b"\r")

    def nonsense(self, cause: str) -> TemporaryError:
        """To be raised where the other side does not keep to the protocol."""
        if self._first == _TLS_ALERT and not self._is_tls:
            cause = "it speaks TLS"
        return TemporaryError(self.task, cause, self.advice)

    def _receive(self) -> None:
        if self._heard >= LIMIT:
            raise self.nonsense("its answer does not end")
        try:
            self._connection.settimeout(self._left())
            data = self._connection.recv(min(_CHUNK, LIMIT - self._heard))
        except TimeoutError as error:
            raise self._silent() from error
        except OSError as error:
            raise self._broken(error) from error
        if not data:
            raise self.nonsense(CLOSES)
        self._first += data[: len(_TLS_ALERT) - len(self._first)]
        self._heard += len(data)
        self._heard_since_send = True
        self._unread += data

    def _left(self) -> float:
        """Seconds left, for a socket's timeout, where 0 would mean another thing."""
        left = self.ends - self._clock.now()
        if left <= 0:
            raise TimeoutError
        return left

    def _silent(self) -> TemporaryError:
        return self.nonsense("its answer stops in the middle" if self._heard_since_send else "no answer")

    def _broken(self, error: OSError) -> InitkitError:
        if self._is_tls and not is_break(error):
            from initkit.steps.wait.net.tls import tls_failure  # noqa: PLC0415 - it is there where TLS is spoken

            return tls_failure(error, self.task)  # a server may refuse our certificate only after the handshake
        return self.nonsense(CLOSES)


def said(words: bytes | str) -> str:
    """A server's words, fit for a message: one line, printable, not endless."""
    return printable(words)
