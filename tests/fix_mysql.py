"""Real MariaDB servers: one for the session with users, databases and TLS, and others that a test starts and stops."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql
import pytest
from fix_daemon import daemon, free_port
from fix_need import need, need_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fix_tls import PrivateCa

_USERS = """
create database shop;
create table shop.orders (id int primary key, total decimal(9, 2));
insert into shop.orders values (1, 2.50), (2, 0);
create table shop.empty (id int);
create table shop.large (content longtext);
insert into shop.large values (repeat('x', 100000));
create user app@'%' identified by 'hunter2';
grant all on shop.* to app@'%';
create user narrow@'%' identified by 'hunter2';
grant select on shop.orders to narrow@'%';
create user bare@'%';
create user crowd@'%' identified by 'hunter2' with max_user_connections 1;
create user elsewhere@'203.0.113.7' identified by 'hunter2';
create user shut@'%' identified by 'hunter2' account lock;
create user secured@'%' identified by 'hunter2' require ssl;
create user known@'%' identified by 'hunter2' require x509;
create user ünï@'%' identified by 'pä$$wörd€';
grant all on shop.* to ünï@'%';
flush privileges;
"""


class MariaDb:
    """A server on loopback, with a folder of its own; its superuser is root without a password.

    Attributes:
        port: of TCP.
        socket: the path of its unix socket.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.socket = str(folder / "s")
        self._running = contextlib.ExitStack()

    def start(self, *options: str) -> MariaDb:
        """Start it, and wait until it lets root in."""
        program = need_program("mariadbd", "mariadb-server")
        words = [
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--socket={self.socket}",
            f"--pid-file={self.folder / 'pid'}",
            "--innodb-flush-log-at-trx-commit=0",  # what is tested is killed, not unplugged
            *(["--user=root"] if os.getuid() == 0 else []),
            *options,
        ]
        self._running.enter_context(
            daemon([program, *words], self._lets_root_in, self.folder / "log", patience=60, cwd=self.folder)
        )
        return self

    def stop(self) -> None:
        """Have it end, and see that it has."""
        self._running.close()

    def root(self) -> pymysql.connections.Connection[Any]:
        """A connection of the superuser."""
        connection = pymysql.connect(user="root", autocommit=True, ssl_disabled=True, defer_connect=True)
        with contextlib.ExitStack() as failed:
            own = failed.enter_context(socket.socket(socket.AF_UNIX))  # the driver leaves open what does not connect
            own.connect(self.socket)
            connection.connect(own)
            failed.pop_all()
        return connection

    def ask(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """What the superuser is answered."""
        with self.root() as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def status(self, name: str) -> int:
        """A counter of ``show global status``."""
        return int(self.ask(f"show global status like '{name}'")[0][1])

    def url(self, user: str = "app:hunter2", path: str = "/shop", scheme: str = "mysql") -> str:
        """A URL of it by TCP."""
        return f"{scheme}://{user}@127.0.0.1:{self.port}{path}"

    def _lets_root_in(self) -> bool:
        try:
            self.ask("select 1")
        except (OSError, pymysql.err.OperationalError):
            return False
        return True


@pytest.fixture(scope="session")
def mariadb_installed() -> Iterator[Path]:
    """A folder of data as it is before the first start; to be copied."""
    program = need_program("mariadb-install-db", "mariadb-server")
    with tempfile.TemporaryDirectory(prefix="initkit-mariadb-") as folder:
        data = Path(folder) / "data"
        words = ["--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"]
        words += ["--user=root"] if os.getuid() == 0 else []
        ended = subprocess.run([program, *words], capture_output=True, text=True, check=False)
        need(ended.returncode == 0, f"a mariadb-install-db that works: {ended.stdout}{ended.stderr}")
        yield data


@pytest.fixture(scope="session")
def mariadb(mariadb_installed: Path, private_ca: PrivateCa) -> Iterator[MariaDb]:
    """A server with TLS, a database ``shop``, and users of every sort; see the top of this file."""
    with _server(mariadb_installed) as server:
        tls = private_ca.server
        server.start(f"--ssl-ca={private_ca.ca}", f"--ssl-cert={tls.cert}", f"--ssl-key={tls.key}")
        for statement in _USERS.strip().split(";\n"):
            server.ask(statement.removesuffix(";"))
        yield server


@pytest.fixture(scope="session")
def mariadb_without_tls(mariadb_installed: Path) -> Iterator[MariaDb]:
    """A server as Debian has it; its users are the superuser and ``app``, who may do everything."""
    with _server(mariadb_installed) as server:
        server.start("--skip-ssl")
        server.ask("create user app@'%' identified by 'hunter2'")
        server.ask("grant all on *.* to app@'%'")
        yield server


@pytest.fixture
def start_mariadb(mariadb_installed: Path) -> Iterator[Callable[[], MariaDb]]:
    """Makes servers of the test's own, which it may start and stop; they have root only."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(_server(mariadb_installed))


@contextlib.contextmanager
def _server(installed: Path) -> Iterator[MariaDb]:
    # a socket's path may be no longer than 107 bytes, so not below pytest's own folder
    with tempfile.TemporaryDirectory(prefix="initkit-mariadb-") as folder:
        shutil.copytree(installed, Path(folder) / "data")
        server = MariaDb(Path(folder))
        try:
            yield server
        finally:
            server.stop()
