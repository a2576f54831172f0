"""PostgreSQL servers of the tests' own, each in a state that an ordinary one is in too briefly to be met."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest
from fix_clock import make_context
from fix_daemon import free_port
from fix_need import need, need_program

from initkit.core.errors import InitkitError
from initkit.db import postgres
from initkit.db.dsn import find, parse_dsn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from fix_tls import PrivateCa

    from initkit.db.pg.login import Dial

ROLES = """
create role app login password 'hunter2';
create role stranger login;
create role sleeper;
create role tlsonly login password 'hunter2';
create role few login connection limit 0;
create database shop;
create database closed allow_connections false;
create database private;
revoke connect on database private from public;
"""
RULES = """
host all stranger all reject
local all stranger reject
hostssl all tlsonly all scram-sha-256
host all tlsonly all reject
host replication admin all trust
host all admin all trust
local all admin trust
host all sleeper,nobody_knows,few all trust
host all app all scram-sha-256
local all app scram-sha-256
"""


class Cluster:
    """A server on loopback, and on a socket in its folder: ``admin`` is its superuser, ``app:hunter2`` a user."""

    def __init__(self, programs: Path, folder: Path, account: Mapping[str, Any]) -> None:
        self.programs = programs
        self.folder = folder
        self.port = free_port()
        self.account = account
        self.environ: dict[str, str] = {}

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def url(self, user: str = "admin", database: str = "shop", *, host: str = "127.0.0.1", **options: str) -> str:
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
        return f"postgres://{user}@{host}:{self.port}/{database}" + (f"?{query}" if query else "")

    def connect(self, **options: str) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(**options), autocommit=True)

    def configure(self, rules: str = RULES, **settings: str) -> None:
        lines = [f"{name} = '{value}'" for name, value in (self._defaults() | settings).items()]
        self._write("postgresql.auto.conf", "\n".join(lines) + "\n")
        self._write("pg_hba.conf", rules)

    def take(self, file: str, name: str) -> str:
        """A copy of a file that only the server may read; its path."""
        self._write(name, Path(file).read_text(), mode=0o600)
        return str(self.data / name)

    def touch(self, name: str) -> None:
        self._write(name, "")

    def run(self, program: str, *words: str) -> None:
        """One of the server's programs, or another one by its path, as the server's user."""
        ended = subprocess.run(
            [str(self.programs / program), *words],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.folder,
            **self.account,
        )
        assert ended.returncode == 0, ended.stderr

    def says(self) -> str:
        """``ready``, or why it is not."""
        try:
            self.connect(database="postgres").close()
        except psycopg.OperationalError as error:
            return str(error)
        return "ready"

    @contextmanager
    def running(self, until: str = "ready") -> Iterator[Cluster]:
        """Until the end of the block; it begins once the server says `until`."""
        with (self.folder / "log").open("wb") as log:
            child = subprocess.Popen(
                [str(self.programs / "postgres"), "-D", str(self.data)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.environ,
                cwd=self.folder,
                **self.account,
            )
        try:
            _until(lambda: until in self.says() or child.poll() is not None, self)
            yield self
        finally:
            child.send_signal(signal.SIGQUIT)  # without a word to its clients
            child.wait(20)

    def _defaults(self) -> dict[str, str]:
        return {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "shared_buffers": "1MB",
            "max_wal_size": "64MB",
            "autovacuum": "off",
        }

    def _write(self, name: str, text: str, mode: int = 0o644) -> None:
        path = self.data / name
        path.touch()
        path.chmod(mode)
        path.write_text(text)
        if "user" in self.account:
            shutil.chown(path, self.account["user"])


def _until(condition: Callable[[], bool], cluster: Cluster) -> None:
    until = time.monotonic() + 20
    while not condition():
        if time.monotonic() > until:
            pytest.fail(f"the server says {cluster.says()!r}; its log:\n{cluster.log[-2000:]}")
        time.sleep(0.02)


@pytest.fixture(scope="session")
def new_cluster() -> Iterator[Callable[[str], Cluster]]:
    """Makes a cluster by name: a copy of one that has been set up once, configured and not started."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    programs = found[-1].parent if found else Path(need_program("initdb", "postgresql")).resolve().parent
    account: dict[str, Any] = {}
    if os.getuid() == 0:  # as whom the server refuses to run
        account = {"user": "nobody", "group": "nogroup", "extra_groups": []}
    with tempfile.TemporaryDirectory(prefix="initkit-pg-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - the server may run as another user
        root = Path(folder)
        template = _template(Cluster(programs, _folder(root, "template", account), account))

        def make(name: str) -> Cluster:
            cluster = Cluster(programs, _folder(root, name, account), account)
            cluster.run("/bin/cp", "-a", str(template.data), "data")
            cluster.configure()
            return cluster

        yield make


def _folder(root: Path, name: str, account: Mapping[str, Any]) -> Path:
    folder = root / name
    folder.mkdir()
    if "user" in account:
        shutil.chown(folder, account["user"])
    return folder


def _template(cluster: Cluster) -> Cluster:
    words = ["--username=admin", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    cluster.run("initdb", *words, "--pgdata", str(cluster.data))
    cluster.configure()
    with cluster.running(), cluster.connect(database="postgres") as connection:
        for statement in ROLES.strip().splitlines():
            connection.execute(statement)
        connection.execute("checkpoint")
    # ended without a word, as all of these are; what is copied is whole all the same, after recovery
    with cluster.running():
        cluster.run("pg_ctl", "stop", "--mode=fast", "--pgdata", str(cluster.data))
    return cluster


@pytest.fixture(scope="session")
def english(new_cluster: Callable[[str], Cluster], private_ca: PrivateCa) -> Iterator[Cluster]:
    """A server with SSL, by `private_ca`, and with few places."""
    cluster = new_cluster("english")
    cluster.configure(
        ssl="on",
        ssl_cert_file=cluster.take(private_ca.server.cert, "server.pem"),
        ssl_key_file=cluster.take(private_ca.server.key, "server.key"),
        ssl_ca_file=cluster.take(private_ca.ca, "ca.pem"),
        max_connections="8",
        superuser_reserved_connections="2",
    )
    with cluster.running():
        yield cluster


@pytest.fixture(scope="session")
def german(new_cluster: Callable[[str], Cluster]) -> Iterator[Cluster]:
    """A server without SSL that speaks German."""
    yield from _speaking(new_cluster("german"), "de_DE.UTF-8")


@pytest.fixture(scope="session")
def latin(new_cluster: Callable[[str], Cluster]) -> Iterator[Cluster]:
    """A server without SSL that speaks German in ISO 8859-1 as long as it does not know who asks."""
    yield from _speaking(new_cluster("latin"), "de_DE.ISO-8859-1")


def _speaking(cluster: Cluster, language: str) -> Iterator[Cluster]:
    localedef = need_program("localedef", "locales")
    need(Path("/usr/share/i18n/locales/de_DE").exists(), "the sources of locales (Debian package locales)")
    messages = Path("/usr/share/locale/de/LC_MESSAGES").glob("postgres-*.mo")
    need(any(messages), "PostgreSQL's messages in German (Debian package postgresql)")
    # LC_ALL is no locale here: C would turn all translation off
    charset = language.partition(".")[2]
    cluster.run(localedef, "-i", "de_DE", "-f", charset, str(cluster.folder / language))
    cluster.environ = {"LOCPATH": str(cluster.folder), "LC_ALL": language}
    cluster.configure(lc_messages=language)
    with cluster.running():
        yield cluster


@pytest.fixture(scope="session")
def standby(new_cluster: Callable[[str], Cluster], english: Cluster) -> Iterator[Cluster]:
    """A hot standby of `english`."""
    cluster = new_cluster("standby")
    shutil.rmtree(cluster.data)
    source = english.url(database="postgres")
    cluster.run("pg_basebackup", "--dbname", source, "--pgdata", str(cluster.data), "--checkpoint=fast", "--no-sync")
    cluster.configure(primary_conninfo=source, max_connections="8")
    cluster.touch("standby.signal")
    with cluster.running():
        yield cluster


@pytest.fixture(scope="session")
def starting(new_cluster: Callable[[str], Cluster]) -> Iterator[Cluster]:
    """A server that is starting up, and stays so: it waits for the first piece of its archive as long as it lives."""
    cluster = new_cluster("starting")
    cluster.configure(restore_command="while kill -0 $PPID; do sleep 1; done")
    cluster.touch("standby.signal")
    with cluster.running(until="starting up"):
        yield cluster


@pytest.fixture(scope="session")
def recovering(new_cluster: Callable[[str], Cluster]) -> Iterator[Cluster]:
    """A server in recovery that lets nobody in meanwhile."""
    cluster = new_cluster("recovering")
    cluster.configure(hot_standby="off")
    cluster.touch("standby.signal")
    with cluster.running(until="not accepting connections"):
        yield cluster


@contextmanager
def crowded(cluster: Cluster) -> Iterator[None]:
    """All places that are not for superusers are taken."""
    with ExitStack() as guests:
        for _ in range(100):
            try:
                guests.enter_context(cluster.connect(user="app:hunter2"))
            except psycopg.OperationalError:
                break
        yield


def connect(url: str, *, dial: Dial = postgres.DIAL, **options: Any) -> postgres.Connection:
    """As a step connects; `options` are those of the context."""
    context = make_context(**{"attempt_timeout": 5.0, **options})
    return postgres.connect(find(parse_dsn(url), "--url"), context, role="test", autocommit=True, dial=dial)


def refused(url: str, **options: Any) -> InitkitError:
    """The error of a connection that fails: one line, without the password."""
    with pytest.raises(InitkitError) as caught:
        connect(url, **options).close()
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value
