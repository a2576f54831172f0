"""HTTP servers and proxies on loopback that answer as they are told; for other behaviour see `fix_peer`."""

from __future__ import annotations

import contextlib
import http.server
import socket
import socketserver
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from fix_clock import make_context

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError
from initkit.steps.wait.schemes.http import Http

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from email.message import Message

    from fix_peer import Behaviour


@dataclass(frozen=True)
class Request:
    """What a server was asked."""

    method: str
    path: str
    headers: Message[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What a server answers."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Site:
    """A server's answers by path; of other paths ``/204`` is answered with that status, and all else with 200."""

    replies: dict[str, Reply | Callable[[Request], Reply]] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    address: str = ""  # host and port, or the path of a unix socket

    def reply(self, request: Request) -> Reply:
        self.asked.append(request)
        found = self.replies.get(request.path)
        if found is None:
            word = request.path.strip("/")
            return Reply(int(word) if word.isdigit() else 200)
        return found if isinstance(found, Reply) else found(request)


def http_target(url: str, **options: object) -> Http:
    """A target with options as a plan has them: ``body_matches=["x"]``."""
    return assemble(Http, {"url": url, **{key.replace("_", "-"): value for key, value in options.items()}})


def probed(url: str, *, environ: Mapping[str, str] | None = None, seconds: float = 5, **options: object) -> str:
    """What a look finds."""
    return http_target(url, **options).probe(make_context(attempt_timeout=seconds, environ=environ))


def failed(
    url: str, *, environ: Mapping[str, str] | None = None, seconds: float = 5, **options: object
) -> InitkitError:
    """What a look raises; no secret is in it."""
    with pytest.raises(InitkitError) as caught:
        probed(url, environ=environ, seconds=seconds, **options)
    assert "hunter2" not in str(caught.value)
    return caught.value


class _Handler(http.server.BaseHTTPRequestHandler):
    site: Site

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = self.site.reply(Request(self.command, self.path, self.headers, body))
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        if not any(name.lower() in {"content-length", "transfer-encoding"} for name, _ in reply.headers):
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # a client that reads no further
            self.wfile.write(reply.body)

    do_GET = do_POST = do_PUT = do_HEAD = do_OPTIONS = _answer  # noqa: N815 - the library's names

    def address_string(self) -> str:
        """Of a unix socket's client there is none."""
        return ""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


class _Quiet(socketserver.ThreadingMixIn):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """Let clients go away, and handshakes fail."""


class _Tcp(_Quiet, socketserver.TCPServer):
    allow_reuse_address = True
    request_queue_size = 50


class _Unix(_Quiet, socketserver.UnixStreamServer):
    pass


class _Tls(_Tcp):
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        # in the connection's own thread, so that a client in mid-handshake keeps nobody waiting
        with self.context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)


@pytest.fixture
def http_server() -> Iterator[Callable[..., Site]]:
    """Starts servers: ``http_server({path: Reply(…)}, port=…, context=…, path=…)``."""
    servers: list[socketserver.BaseServer] = []

    def start(
        replies: dict[str, Reply | Callable[[Request], Reply]] | None = None,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        context: ssl.SSLContext | None = None,
        path: str = "",
        protocol: str = "HTTP/1.1",
    ) -> Site:
        site = Site(replies or {})
        members = {"site": site, "protocol_version": protocol, "disable_nagle_algorithm": not path}
        handler = type("Handler", (_Handler,), members)
        server: _Tcp | _Unix
        if path:
            server = _Unix(path, handler)
            site.address = path
        else:
            family = {"address_family": socket.AF_INET6 if ":" in host else socket.AF_INET}
            kind = type("Server", (_Tls if context else _Tcp,), family | ({"context": context} if context else {}))
            server = kind((host, port), handler)
            number = server.socket.getsockname()[1]
            site.address = f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return site

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def http_proxy(peer: Callable[[Behaviour], int]) -> Callable[..., tuple[str, list[bytes]]]:
    """Starts a proxy that passes everything on, or with `refusal` nothing; gives its address and the heads it read."""

    def start(refusal: bytes = b"") -> tuple[str, list[bytes]]:
        heads: list[bytes] = []

        def pass_on(client: socket.socket, _over: threading.Event) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (more := client.recv(4096)):
                    return
                head += more
            heads.append(head)
            if refusal:
                client.sendall(refusal)
                return
            method, where = head.split(b" ")[:2]
            host, _, port = where.removeprefix(b"http://").partition(b"/")[0].decode().rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port))) as server:
                if method == b"CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    server.sendall(head)
                threading.Thread(target=_copy, args=(client, server), daemon=True).start()
                _copy(server, client)

        return f"127.0.0.1:{peer(pass_on)}", heads

    return start


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
