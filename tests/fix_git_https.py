"""git over HTTP and HTTPS with a login, and with redirects; who was told what is remembered."""

from __future__ import annotations

import base64
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psutil
import pytest
from fix_git import GitOverHttp, arguments_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from fix_git import Origin
    from fix_tls import PrivateCa


def basic(user: str, password: str) -> str:
    """The value of the header Authorization (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class GuardedGit(GitOverHttp):
    """`git http-backend` that wants a certain header Authorization, behind TLS where a context is given.

    Attributes:
        wanted: the header's value; None lets everyone in.
        redirect: method and status of the requests that are sent away, and what their path's beginning is replaced
            by: another server's URL, or another path.
        arguments: those of every process below this one, looked at during each request.
    """

    def __init__(self, root: Path, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(root)
        self.wanted: str | None = None
        self.redirect: tuple[str, int, str] | None = None
        self.arguments: set[str] = set()
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/origin/.git"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        for process in psutil.Process().children(recursive=True):
            self.arguments.update(arguments_of(process))
        method, status, location = self.redirect or ("", 0, "")
        header = request.headers.get("Authorization")
        if method == request.command and request.path.startswith("/origin/.git"):
            self.authorizations.append(header)
            # the body is read, or the connection is reset before the answer is
            request.rfile.read(int(request.headers.get("Content-Length") or 0))
            self._end(request, status, {"Location": location + request.path.removeprefix("/origin/.git")})
        elif self.wanted and header != self.wanted:
            self.authorizations.append(header)
            request.rfile.read(int(request.headers.get("Content-Length") or 0))
            self._end(request, 401, {"WWW-Authenticate": 'Basic realm="git"'})
        else:
            super().answer(request)


@pytest.fixture
def guarded(origin: Origin) -> Iterator[GuardedGit]:
    """The origin over plain HTTP."""
    with GuardedGit(origin.path.parent).running() as server:
        assert isinstance(server, GuardedGit)
        yield server


@pytest.fixture
def other_guarded(origin: Origin) -> Iterator[GuardedGit]:
    """The origin over plain HTTP, at another port: for credentials that is another host."""
    with GuardedGit(origin.path.parent).running() as server:
        assert isinstance(server, GuardedGit)
        yield server


@pytest.fixture
def serve_tls(origin: Origin) -> Iterator[Callable[[PrivateCa], GuardedGit]]:
    """Serve the origin over HTTPS with a certificate of this CA."""
    with ExitStack() as running:

        def serve(ca: PrivateCa) -> GuardedGit:
            server = GuardedGit(origin.path.parent, ca.server_context())
            running.enter_context(server.running())
            return server

        yield serve
