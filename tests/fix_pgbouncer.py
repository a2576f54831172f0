"""Real pgbouncers before the session's PostgreSQL, one for each way of pooling."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from fix_daemon import daemon, free_port
from fix_need import need_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    StartBouncer = Callable[..., "Bouncer"]

_INI = """
[databases]
* = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 500
ignore_startup_parameters = extra_float_digits
{more}
"""


class Bouncer:
    """A pgbouncer on loopback; every user is let in, and is the server's superuser.

    Attributes:
        port: on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, behind: str) -> str:
        """The URL by which a database of the server is found here, made from that of the server."""
        return f"postgresql://postgres@127.0.0.1:{self.port}{urlsplit(behind).path}"


@pytest.fixture
def start_bouncer(postgres_server: str) -> Iterator[StartBouncer]:
    """Starts a pgbouncer in a mode: ``session``, ``transaction`` or ``statement``."""
    with ExitStack() as stack:
        yield lambda mode, **options: stack.enter_context(_running(postgres_server, mode, **options))


@contextmanager
def _running(server: str, mode: str, *, size: int = 50, more: str = "") -> Iterator[Bouncer]:
    program = need_program("pgbouncer")
    port = free_port()
    account: dict[str, Any] = {}
    if os.getuid() == 0:  # as whom it refuses to run; the server's socket may be for the server's own user only
        host = _host(server)
        owner = os.stat(host).st_uid if host.startswith("/") else 0
        account = {"user": owner or "nobody", "group": "nogroup", "extra_groups": []}
    with tempfile.TemporaryDirectory(prefix="initkit-pgbouncer-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - it may run as another user
        ini = Path(folder) / "pgbouncer.ini"
        ini.write_text(_INI.format(server=_place(server), port=port, mode=mode, size=size, more=more))
        if account:
            shutil.chown(ini, account["user"])
        with daemon([program, str(ini)], lambda: _answers(port), Path(folder) / "log", **account):
            yield Bouncer(port)


def _place(server: str) -> str:
    """As pgbouncer names a server."""
    parts = urlsplit(server)
    return f"host={_host(server)} port={parts.port or 5432} user={parts.username or 'postgres'}"


def _host(server: str) -> str:
    """Its name, or the folder of its socket."""
    parts = urlsplit(server)
    return parts.hostname or parse_qs(parts.query).get("host", ["/tmp"])[0]


def _answers(port: int) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres", connect_timeout=2).close()
        return True
    return False
