"""Servers on loopback that serve one bare repository: git's own, and git's HTTP backend behind a small HTTP server."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

_DEADLINE = 10.0  # seconds for a server to listen


@contextmanager
def daemon(path: str) -> Iterator[str]:
    """`git daemon`; gives the URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    base = os.path.dirname(path)
    words = ["--reuseaddr", "--listen=127.0.0.1", f"--port={port}", "--export-all", f"--base-path={base}"]
    child = subprocess.Popen(["git", "-c", "safe.directory=*", "daemon", *words], start_new_session=True)
    until = time.monotonic() + _DEADLINE
    while True:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        if time.monotonic() > until:
            raise SystemExit("git daemon does not listen")
        time.sleep(0.02)
    try:
        yield f"git://127.0.0.1:{port}/{os.path.basename(path)}"
    finally:
        os.killpg(child.pid, 15)
        child.wait()


@contextmanager
def http(path: str) -> Iterator[str]:
    """`git http-backend`; gives the URL."""
    root = os.path.dirname(path)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _backend(self, root)

        def do_POST(self) -> None:
            _backend(self, root)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{os.path.basename(path)}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _backend(request: BaseHTTPRequestHandler, root: str) -> None:
    path, _, query = request.path.partition("?")
    body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
    variables = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": root,
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "REQUEST_METHOD": request.command,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_TYPE": request.headers.get("Content-Type") or "",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding") or "",
        "GIT_PROTOCOL": request.headers.get("Git-Protocol") or "",
    }
    done = subprocess.run(["git", "http-backend"], input=body, env=variables, check=True, capture_output=True).stdout
    head, _, content = done.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    request.send_response(int(headers.pop("Status", "200").split()[0]))
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)


SERVERS: dict[str, Callable[[str], AbstractContextManager[str]]] = {"daemon": daemon, "http": http}
