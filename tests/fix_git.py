"""Repositories to read from, made with git itself, and servers that serve them on loopback."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from initkit.core.assemble import assemble
from initkit.steps.git.step import STEP, Git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_IDENTITY = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "LC_ALL": "C",
}


def _need_git() -> None:
    from fix_need import need_program  # noqa: PLC0415 - pytest rewrites it only if no plugin before it imported it

    need_program("git")


class Origin:
    """A repository that others read from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        _need_git()
        self.git("init", "--quiet", "--initial-branch=main", str(path))

    def git(self, *arguments: str, feed: bytes = b"") -> str:
        directory = self.path if self.path.exists() else None
        environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **_IDENTITY}
        done = subprocess.run(
            ["git", *arguments], cwd=directory, env=environ, check=True, capture_output=True, input=feed
        )
        return done.stdout.decode().strip()

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(text)

    def commit(self, files: Mapping[str, str] | None = None, message: str = "change") -> str:
        """Commit what is in the work tree and these files; returns the commit's SHA."""
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    made = Origin(tmp_path / "origin")
    made.commit({"index.html": "one", "site/page.html": "page one", "site/deep/leaf": "leaf"})
    return made


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "dest"


@pytest.fixture
def make_git(origin: Origin, dest: Path) -> Callable[..., Git]:
    """Make the step from text, as the command line would."""

    def make(**given: object) -> Git:
        values = {"repository": str(origin.path), "dest": str(dest)} | given
        return assemble(STEP, {key.replace("_", "-"): value for key, value in values.items()})

    return make


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Inode, change time and size of everything below a folder."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        found[str(path)] = (status.st_ino, status.st_ctime_ns, status.st_size)
    return found


def arguments_of(process: psutil.Process) -> list[str]:
    """A process's arguments; none once it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture
def git_daemon(origin: Origin) -> Iterator[str]:
    """The URL that `git daemon` serves the origin at."""
    _need_git()
    with guarded_port() as port:
        arguments = ["--reuseaddr", "--listen=127.0.0.1", f"--port={port}", "--export-all", "--informative-errors"]
        arguments.append(f"--base-path={origin.path.parent}")
        daemon = subprocess.Popen(
            ["git", "-c", f"safe.directory={origin.path}/.git", "daemon", *arguments],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **_IDENTITY},
        )
        try:
            _wait_for_port(port)
            yield f"git://127.0.0.1:{port}/origin"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(daemon.pid, 15)
            daemon.wait(30)


@contextmanager
def guarded_port() -> Iterator[int]:
    """A port that who asks for it with SO_REUSEADDR can listen on, and that nobody gets by chance meanwhile."""
    with socket.socket() as guard:
        guard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        guard.bind(("127.0.0.1", 0))
        yield int(guard.getsockname()[1])


def _wait_for_port(port: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


class GitOverHttp:
    """`git http-backend` behind an HTTP server.

    Attributes:
        account: ``user:password`` that it asks for, or None.
        status: what it answers instead, where set.
        location: where it redirects to, where set.
        stall: whether it stops in the middle of its answer to a fetch.
        stalled: whether it has.
        authorizations: the Authorization header of each request, None without.
        paths: the path of each request.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.account: str | None = None
        self.status: int | None = None
        self.location: str | None = None
        self.stall = threading.Event()
        self.stalled = threading.Event()
        self.release = threading.Event()
        self.authorizations: list[str | None] = []
        self.paths: list[str] = []
        self.received = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/origin/.git"

    def url_as(self, userinfo: str) -> str:
        return self.url.replace("://", f"://{userinfo}@")

    @contextmanager
    def running(self) -> Iterator[GitOverHttp]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.release.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join(10)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def do_POST(self) -> None:
                server.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        header = request.headers.get("Authorization")
        self.authorizations.append(header)
        self.paths.append(request.path)
        wanted = "Basic " + base64.b64encode((self.account or "").encode()).decode()
        if self.location:
            path = request.path.removeprefix("/origin/.git")
            self._end(request, 301, {"Location": self.location + path})
        elif self.status:
            self._end(request, self.status, {})
        elif self.account and header != wanted:
            self._end(request, 401, {"WWW-Authenticate": 'Basic realm="git"'})
        else:
            self._backend(request)

    @staticmethod
    def _end(request: BaseHTTPRequestHandler, status: int, headers: Mapping[str, str]) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def _backend(self, request: BaseHTTPRequestHandler) -> None:
        path, _, query = request.path.partition("?")
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        variables = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
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
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=variables, check=False, capture_output=True
        ).stdout
        head, _, content = done.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        request.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if self.stall.is_set() and request.command == "POST" and b"command=fetch" in body:
            request.wfile.write(content[:20])
            request.wfile.flush()
            self.stalled.set()
            self.release.wait(120)
            return
        self.received += len(content)
        request.wfile.write(content)


@pytest.fixture
def git_over_http(origin: Origin) -> Iterator[GitOverHttp]:
    _need_git()
    with GitOverHttp(origin.path.parent).running() as server:
        yield server


@pytest.fixture
def silent_git_port() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])
