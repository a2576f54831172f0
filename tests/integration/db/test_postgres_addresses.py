"""Which PostgreSQL servers an address leads to: several hosts, names, service files, variables, users."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from fix_daemon import free_port
from fix_need import need, need_program
from fix_peer import silent
from fix_pg_clusters import connect, refused

from initkit.core.errors import PermanentError, SuspectError, TemporaryError
from initkit.db import postgres
from initkit.db.dsn import Database
from initkit.db.pg.login import Dial
from initkit.db.pg.refusals import NotThereError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_peer import Behaviour
    from fix_pg_clusters import Cluster

    Peer = Callable[[Behaviour], int]

PASSWORD = "check user and password"


# several hosts


def hosts(cluster: Cluster, *ports: int, **options: str) -> str:
    """The URL of several servers on loopback."""
    return cluster.url("app:hunter2", **options).replace(str(cluster.port), f"{ports[0]}", 1).replace(
        "/shop", "".join(f",127.0.0.1:{port}" for port in ports[1:]) + "/shop"
    )  # fmt: skip


def port_of(connection: postgres.Connection) -> int:
    with connection:
        return connection.info.port


def test_nobody_on_any_host_is_certain() -> None:
    closed = free_port()
    error = refused(f"postgres://app:hunter2@127.0.0.1:{closed},localhost:{closed}/shop")
    assert isinstance(error, NotThereError)
    assert error.task == f"connect to 127.0.0.1:{closed},localhost:{closed}/shop"
    assert (error.cause, error.advice) == ("connection refused", "check that it is running")
    missing = refused("host=/not-there user=app")
    assert isinstance(missing, NotThereError)
    assert missing.cause == "no such file or directory"


def test_a_host_that_does_not_answer_or_is_not_ready_does_not_hide_the_next(
    english: Cluster, starting: Cluster, peer: Peer
) -> None:
    ports = (free_port(), peer(silent), starting.port, english.port)
    assert port_of(connect(hosts(english, *ports), attempt_timeout=4.0)) == english.port


def test_where_hosts_differ_each_is_told(starting: Cluster) -> None:
    closed = free_port()
    error = refused(hosts(starting, closed, starting.port))
    assert type(error) is TemporaryError
    assert error.cause == (
        f"127.0.0.1:{closed}: connection refused, 127.0.0.1:{starting.port}: the database system is starting up"
    )
    assert error.advice == "if it stays so, see the server's log"


def test_a_refused_login_is_not_tried_on_the_next_host(english: Cluster, peer: Peer) -> None:
    asked = threading.Event()
    other = peer(lambda _connection, _over: asked.set())
    url = hosts(english, english.port, other).replace("hunter2", "wrong-hunter2")
    assert refused(url).advice == PASSWORD
    assert not asked.is_set()


def test_the_wanted_role_of_the_server_is_found(english: Cluster, standby: Cluster) -> None:
    def found(*clusters: Cluster, role: str) -> int:
        ports = [cluster.port for cluster in clusters]
        return port_of(connect(hosts(english, *ports, target_session_attrs=role)))

    assert found(standby, english, role="read-write") == english.port
    assert found(english, standby, role="standby") == standby.port
    assert found(english, standby, role="prefer-standby") == standby.port
    assert found(english, role="prefer-standby") == english.port
    error = refused(hosts(english, standby.port, target_session_attrs="primary"))
    assert type(error) is TemporaryError
    assert error.cause == "server is in hot standby mode"


def test_hosts_may_be_tried_by_chance(english: Cluster, standby: Cluster) -> None:
    url = hosts(english, english.port, standby.port, load_balance_hosts="random")
    deadline = time.monotonic() + 20
    found: set[int] = set()
    while len(found) < 2 and time.monotonic() < deadline:
        found.add(port_of(connect(url)))
    assert found == {english.port, standby.port}


def test_connect_timeout_of_the_address_is_an_upper_limit(peer: Peer, english: Cluster) -> None:
    began = time.monotonic()
    url = hosts(english, peer(silent), english.port, connect_timeout="1")
    assert port_of(connect(url, attempt_timeout=20.0)) == english.port
    assert time.monotonic() - began < 15


# names


def test_a_name_that_is_not_known_is_temporary() -> None:
    error = refused("postgres://app@db.invalid/shop")
    assert type(error) is TemporaryError
    assert error.task == "connect to db.invalid:5432/shop"
    assert error.cause.startswith("cannot resolve db.invalid: ")


def test_names_are_resolved_by_whom_we_are_told_and_all_addresses_tried(english: Cluster) -> None:
    asked, reached = [], []

    def resolve(host: str, _seconds: float) -> list[str]:
        asked.append(host)
        return ["127.0.0.3", "127.0.0.1"]

    dial = Dial(resolve, lambda: reached.append(True))
    with connect(english.url("app:hunter2", host="db.example"), dial=dial) as connection:
        assert (connection.info.host, connection.info.hostaddr) == ("db.example", "127.0.0.1")
    assert (asked, reached) == (["db.example"], [True])


def several(port: int, *names: str, **options: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"postgres://app:hunter2@{','.join(f'{name}:{port}' for name in names)}/shop?{query}"


def test_a_name_is_asked_for_when_its_turn_has_come(english: Cluster) -> None:
    asked = []

    def resolve(host: str, _seconds: float) -> list[str]:
        asked.append(host)
        return ["127.0.0.3" if host == "first" else "127.0.0.1"]

    dial = Dial(resolve)
    connect(several(english.port, "127.0.0.1", "first", "second"), dial=dial).close()
    assert not asked
    with connect(several(english.port, "first", "second", "third"), dial=dial) as connection:
        assert connection.info.host == "second"
    assert asked == ["first", "second"]


def test_a_look_up_has_no_more_than_its_host_s_share_of_the_time(english: Cluster) -> None:
    shares = []

    def resolve(host: str, seconds: float) -> list[str]:
        shares.append(seconds)
        if host == "good":
            return ["127.0.0.1"]
        time.sleep(seconds)
        raise TemporaryError("resolve it", f"cannot resolve {host}: no answer")

    with connect(several(english.port, "a", "b", "good"), dial=Dial(resolve), attempt_timeout=6.0) as connection:
        assert connection.info.host == "good"
    assert shares == pytest.approx([2.0] * 3, abs=0.5)


def test_names_without_an_answer_take_no_more_than_the_attempt() -> None:
    shares = []

    def resolve(host: str, seconds: float) -> list[str]:
        shares.append(seconds)
        time.sleep(seconds)
        raise TemporaryError("resolve it", f"cannot resolve {host}: no answer")

    error = refused(several(1, "a", "b", "c"), dial=Dial(resolve), attempt_timeout=0.6)
    assert type(error) is TemporaryError
    assert sum(shares) <= 0.6
    assert error.cause.startswith("a:1: cannot resolve a: no answer, b:1: cannot resolve b: no answer, c:1: ")


def test_a_name_without_an_address_is_temporary() -> None:
    error = refused("postgres://app@db.example/shop", dial=Dial(lambda *_: []))
    assert (type(error), error.cause) == (TemporaryError, "db.example has no address")


@pytest.mark.parametrize("options", [{"target_session_attrs": "prefer-standby"}, {"load_balance_hosts": "random"}])
def test_hosts_that_are_tried_in_another_order_are_all_asked_for(english: Cluster, options: dict[str, str]) -> None:
    def resolve(host: str, _seconds: float) -> list[str]:
        if host == "bad":
            raise TemporaryError("resolve it", "cannot resolve bad: not known")
        return ["127.0.0.3", "127.0.0.1"]

    with connect(several(english.port, "bad", "good", **options), dial=Dial(resolve)) as connection:
        assert (connection.info.host, connection.info.hostaddr) == ("good", "127.0.0.1")


def test_nobody_is_reached_on_a_closed_port() -> None:
    reached: list[bool] = []
    refused(f"postgres://app@127.0.0.1:{free_port()}/x", dial=Dial(None, lambda: reached.append(True)))
    assert not reached


def test_a_resolver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        over.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    error = refused("postgres://app@db.example/x", attempt_timeout=0.3)
    over.set()
    assert error.cause == "cannot resolve db.example: no answer"
    assert time.monotonic() - began < 15, "it hangs for 20 s"


def test_a_name_that_can_be_none_is_permanent() -> None:
    assert isinstance(refused("postgres://app@a\u06dd.\u0661b/x"), PermanentError)


# where the address comes from


def test_service_files_say_all(english: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "services"
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    error = refused("service=shop")
    assert isinstance(error, SuspectError)
    assert error.advice == "define it in the file that PGSERVICEFILE names"
    ports = f"{free_port()},{english.port}"
    file.write_text(f"[shop]\nhost=127.0.0.1,127.0.0.1\nport={ports}\nuser=app\npassword=hunter2\ndbname=shop\n")
    assert port_of(connect("service=shop")) == english.port
    file.write_text(file.read_text().replace("hunter2", "wrong-hunter2"))
    error = refused("postgres:///?service=shop")
    assert (error.task, error.advice) == ("connect to the service shop", PASSWORD)


def test_variables_and_a_password_file_fill_in_what_is_left_out(
    english: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pgpass"
    file.write_text(f"127.0.0.1:{english.port}:shop:app:hunter2\n")
    file.chmod(0o600)
    values = {"HOST": "127.0.0.1", "PORT": str(english.port), "USER": "app", "PASSFILE": str(file)}
    for name, value in values.items():
        monkeypatch.setenv(f"PG{name}", value)
    assert port_of(connect("postgres:///shop")) == english.port


@pytest.mark.parametrize(
    ("address", "cause"),
    [
        ("host=db password='hunter2", "unterminated quoted string"),
        ("postgres://db/x?sslmode=nonsense", "invalid sslmode value"),
        ("postgres://db/x?load_balance_hosts=nonsense", "load_balance_hosts"),
        ("host=a,b port=1,2,3", "could not match 3 port numbers to 2 hosts"),
        ("postgres://u:hunter2%zz@db/shop", "write / as %2F"),
        ("postgres://u@db:99999/shop", "expected a port from 1 to 65535, got 99999; mend the port"),
        ("host=a,b port=5432,0", "expected a port from 1 to 65535, got 0; mend the port"),
    ],
)
def test_an_address_that_libpq_cannot_read_is_permanent(address: str, cause: str) -> None:
    error = refused(address)
    assert isinstance(error, PermanentError)
    assert str(error).startswith("cannot read the database's address: --url")
    assert cause in str(error)


PROBE = """
import sys
from fix_clock import make_context
from initkit.core.errors import InitkitError
from initkit.db import postgres
from initkit.db.dsn import find
try:
    environ = dict(word.split("=") for word in sys.argv[2:])
    postgres.connect(find(sys.argv[1], "--url"), make_context(environ=environ), role="test")
except InitkitError as error:
    print(error)
"""


def test_a_uid_without_a_passwd_entry_needs_a_user_and_no_more() -> None:
    unshare = need_program("unshare", "util-linux")
    command = [unshare, "-U", "--map-user=12345", "--map-group=0", sys.executable]
    works = subprocess.run([*command, "-c", ""], check=False, capture_output=True).returncode == 0
    need(works, "user namespaces")
    search = {"PYTHONPATH": ":".join(path for path in sys.path if path), "PATH": os.environ["PATH"]}

    def said(address: str, **environ: str) -> str:
        words = [*command, "-c", PROBE, address, *(f"{name}={value}" for name, value in environ.items())]
        ended = subprocess.run(words, check=True, capture_output=True, text=True, env=search | environ)
        return ended.stdout.strip()

    assert said("postgres://127.0.0.1:1/shop") == (
        "cannot connect to 127.0.0.1:1/shop: the address names no user, and this UID has no name in /etc/passwd; "
        "put a user into the URL, or set PGUSER"
    )
    assert "connection refused" in said("postgres://app@127.0.0.1:1/shop")
    assert "connection refused" in said("postgres://127.0.0.1:1/shop", PGUSER="app")


def test_targets_are_named_without_user_and_password() -> None:
    def named(address: str, **environ: str) -> str:
        return postgres.target_of(Database("postgres", address, "x"), environ)

    assert named("postgresql://app:hunter2@db/shop") == "db:5432/shop"
    assert named("postgresql://app:hunter2@db:5433") == "db:5433/app"
    assert named("") == "the local socket:5432"
    assert named("", PGHOST="db", PGPORT="1", PGDATABASE="shop") == "db:1/shop"
    assert named("hostaddr=10.0.0.1 dbname=shop") == "10.0.0.1:5432/shop"
    assert named("", PGUSER="app") == "the local socket:5432/app"
