"""A connection to an HTTP server: dialled, tunnelled, in TLS, over at one moment; what goes over it is `visit`'s."""

from __future__ import annotations

import http.client
import io
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, cast

from initkit.core.errors import InitkitError, SuspectError, TemporaryError
from initkit.core.record import Record
from initkit.steps.wait.net.dial import connect, connect_path

if TYPE_CHECKING:
    import socket

    from initkit.core.clock import Clock
    from initkit.core.step import Context
    from initkit.core.values import HostPort
    from initkit.steps.wait.net.tls import TlsOptions
    from initkit.steps.wait.web.proxies import Proxy

_AT_ONCE = 64 * 1024  # bytes
_OK = range(200, 300)
_REFUSED = {401, 403, 407}


class Line:
    """As much of a socket as `http.client` needs; all reading and writing together ends at one moment.

    A timeout of the socket's own would begin anew with every byte that arrives.
    """

    def __init__(self, connection: socket.socket, clock: Clock, ends: float) -> None:
        self._connection = connection
        self._clock = clock
        self._ends = ends

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def sendall(self, data: bytes) -> None:
        """Send all of it. Where the other side has closed, reading tells so, after its last words."""
        rest = memoryview(data).cast("B")
        try:
            while rest:
                rest = rest[self._bounded().send(rest[:_AT_ONCE]) :]
        except TimeoutError:
            raise
        except OSError:
            return

    def recv_into(self, buffer: memoryview) -> int:
        """Read some, at least one byte; 0 at the end."""
        return self._bounded().recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """For reading answers."""
        return io.BufferedReader(_Incoming(self))

    def settimeout(self, _seconds: float | None) -> None:
        """Keep to the one end."""

    def close(self) -> None:
        """Stay open: an answer is read on after its connection was closed; `__exit__` ends it."""

    def _bounded(self) -> socket.socket:
        self._connection.settimeout(left(self._clock, self._ends))
        return self._connection


class _Incoming(io.RawIOBase):
    def __init__(self, line: Line) -> None:
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - the base's
        return self._line.recv_into(buffer)


def left(clock: Clock, ends: float) -> float:
    """Seconds left until `ends`, more than none.

    Raises:
        TimeoutError: there are none.
    """
    seconds = ends - clock.now()
    if seconds <= 0:
        raise TimeoutError
    return seconds


class Route(Record):
    """How a server is reached.

    Attributes:
        endpoint: the server's.
        tls: None where it is spoken to without.
        path: of a unix socket to connect to instead.
        proxy: through whom; with TLS by a tunnel.
    """

    endpoint: HostPort
    tls: TlsOptions | None = None
    path: str | None = None
    proxy: Proxy | None = None

    @property
    def task(self) -> str:
        """For messages."""
        return f"connect to {self.path or self.endpoint}"

    @property
    def is_forwarded(self) -> bool:
        """Whether it is the proxy that is asked, and answers."""
        return self.proxy is not None and self.tls is None

    def open(self, context: Context, ends: float) -> Line:
        """Connect.

        Raises:
            AbsentError: nobody listens there.
            TemporaryError: it, its name server or the proxy does not answer, or refuses, or breaks off.
            SuspectError: a certificate is refused, its file cannot be used, or the proxy refuses us.
            PermanentError: the name can be none.
        """
        try:
            connection = self._connection(context.but(attempt_timeout=left(context.clock, ends)))
            try:
                return Line(self._secured(connection, context.clock, ends), context.clock, ends)
            except BaseException:
                connection.close()
                raise
        except TimeoutError as error:
            raise TemporaryError(self.task, "no answer", "check that it is running and may be reached") from error

    def _connection(self, context: Context) -> socket.socket:
        if self.path is not None:
            return connect_path(context, self.path)
        if self.proxy is None:
            return connect(context, self.endpoint)
        try:
            return connect(context, self.proxy.endpoint)
        except InitkitError as error:  # that the proxy is not there says nothing about the server
            task = f"connect to the proxy {self.proxy}"
            raise TemporaryError(task, error.cause, "check the proxy, or mend no_proxy") from error

    def _secured(self, connection: socket.socket, clock: Clock, ends: float) -> socket.socket:
        if self.tls is None:
            return connection
        if self.proxy is not None:
            self._tunnel(self.proxy, Line(connection, clock, ends))
        host = self.endpoint.host.partition("%")[0].rstrip(".")  # no certificate has a zone or a root's dot
        return self.tls.wrap(connection, host, self.task, left=lambda: left(clock, ends), alpn=("http/1.1",))

    def _tunnel(self, proxy: Proxy, line: Line) -> None:
        """Have the proxy connect to the server (RFC 9110, section 9.3.6)."""
        head = [f"CONNECT {self.endpoint} HTTP/1.1", f"Host: {self.endpoint}"]
        head += [f"Proxy-Authorization: {proxy.authorization}"] if proxy.authorization else []
        line.sendall("\r\n".join([*head, "", ""]).encode("latin-1"))
        answer = http.client.HTTPResponse(cast("socket.socket", line), method="CONNECT")
        task = f"{self.task} through the proxy {proxy}"
        try:
            answer.begin()
            status = answer.status
        except (http.client.HTTPException, ConnectionError) as error:
            raise TemporaryError(task, "it does not answer as a proxy does", "check the proxy") from error
        finally:
            with suppress(OSError):
                answer.close()
        if status not in _OK:
            kind = SuspectError if status in _REFUSED else TemporaryError
            raise kind(task, f"it answers {status}", "check the proxy, its credentials and what it lets through")
