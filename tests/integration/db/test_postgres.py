"""A real PostgreSQL: connecting, what its errors mean, the advisory lock, and a signal in the middle."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from fix_clock import RecordingVoice, make_context
from fix_need import need, need_program

from initkit.core.errors import (
    InitkitError,
    PermanentError,
    Stopped,
    SuspectError,
    TemporaryError,
    TimedOutError,
)
from initkit.core.stop import Stop
from initkit.db import postgres
from initkit.db.dsn import Database, find, parse_dsn
from initkit.db.revisions import VersionTable, recorded_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def connect(url: str, **options: Any) -> postgres.Connection:
    context = make_context(**{"attempt_timeout": 5.0, **options})
    return postgres.connect(find(parse_dsn(url), "--url"), context, role="test", autocommit=True)


def refused(url: str, **options: Any) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        connect(url, **options).close()
    assert "hunter2" not in str(caught.value)
    return caught.value


def as_user(url: str, user: str, *, database: str = "") -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}@{host}", path=f"/{database}" if database else parts.path))


# connecting


def test_it_connects_and_says_who_it_is(postgres_url: str) -> None:
    with connect(postgres_url) as connection:
        assert connection.execute("show application_name").fetchone() == ("initkit/test",)


def test_an_address_may_name_another_application(postgres_url: str) -> None:
    mark = "&" if "?" in postgres_url else "?"
    with connect(f"{postgres_url}{mark}application_name=mine") as connection:
        assert connection.execute("show application_name").fetchone() == ("mine",)


def test_the_right_password_lets_us_in(postgres_scram: str) -> None:
    with connect(as_user(postgres_scram, "app:hunter2")) as connection:
        assert connection.execute("select current_user").fetchone() == ("app",)


@pytest.mark.parametrize(
    ("user", "cause", "advice"),
    [
        ("app:wrong-hunter2", 'password authentication failed for user "app"', "check user and password"),
        ("app", "no password supplied", "give a password in the URL, or as PGPASSWORD"),
        ("nobody-knows", 'role "nobody-knows" does not exist', "create the role, or mend the user's name"),
        ("sleeper", 'role "sleeper" is not permitted to log in', "give the role the LOGIN attribute"),
        ("stranger", "pg_hba.conf rejects connection", "the server has no rule that lets this user and host in"),
    ],
)
def test_a_refused_login_is_suspect_and_says_what_to_do(
    postgres_scram: str, user: str, cause: str, advice: str
) -> None:
    error = refused(as_user(postgres_scram, user))
    assert isinstance(error, SuspectError)
    assert cause in error.cause
    assert error.advice == advice
    assert isinstance(error.__cause__, psycopg.Error)


def test_a_missing_database_is_suspect(postgres_server: str) -> None:
    error = refused(urlunsplit(urlsplit(postgres_server)._replace(path="/not_there")))
    assert isinstance(error, SuspectError)
    assert error.cause == 'database "not_there" does not exist'
    assert error.advice == "create the database, or mend its name"
    assert error.task.endswith("/not_there")


def test_a_closed_port_is_temporary(free_port: int) -> None:
    error = refused(f"postgres://app:hunter2@127.0.0.1:{free_port}/shop")
    assert type(error) is TemporaryError
    assert error.task == f"connect to 127.0.0.1:{free_port}/shop"
    assert "onnection refused" in error.cause


def test_a_name_that_is_not_known_is_temporary() -> None:
    error = refused("postgres://app@db.invalid/shop")
    assert type(error) is TemporaryError
    assert "\n" not in str(error)


def test_several_hosts_that_refuse_are_temporary(free_port: int) -> None:
    error = refused(f"postgres://app:hunter2@127.0.0.1:{free_port},localhost:{free_port}/shop")
    assert type(error) is TemporaryError
    assert "\n" not in str(error)


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def speaking() -> Iterator[Callable[[bytes | None], int]]:
    """Starts servers that are no PostgreSQL: they send something to whoever connects, or keep silent."""
    servers: list[socket.socket] = []

    def start(words: bytes | None) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)
        threading.Thread(target=serve, args=(server, words), daemon=True).start()
        return int(server.getsockname()[1])

    def serve(server: socket.socket, words: bytes | None) -> None:
        kept = []
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                break
            kept.append(client)
            if words is not None:
                client.recv(1024)
                client.sendall(words)
                client.close()
        for client in kept:
            client.close()

    yield start
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.2\r\n", b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"N\0\0\0"])
def test_what_is_no_postgresql_is_temporary(speaking: Callable[[bytes | None], int], words: bytes) -> None:
    error = refused(f"postgres://app:hunter2@127.0.0.1:{speaking(words)}/shop")
    assert type(error) is TemporaryError
    assert error.cause
    assert "\n" not in error.cause


def test_a_server_that_keeps_silent_is_given_up_in_time(speaking: Callable[[bytes | None], int]) -> None:
    began = time.monotonic()
    silent = f"127.0.0.1:{speaking(None)}"
    error = refused(f"postgres://app:hunter2@{silent},{silent}/shop?connect_timeout=20", attempt_timeout=0.3)
    assert type(error) is TemporaryError
    assert error.cause == "no answer within 300ms"
    assert error.advice == "check that it is running and may be reached"
    assert 0.3 <= time.monotonic() - began < 1.8, "libpq itself takes 2 s at least, for each host"


def test_the_deadline_ends_an_attempt_too(speaking: Callable[[bytes | None], int]) -> None:
    error = refused(f"postgres://app:hunter2@127.0.0.1:{speaking(None)}/shop", timeout=0.2)
    assert type(error) is TemporaryError
    assert re.fullmatch(r"no answer within \d+ms", error.cause)


def test_a_signal_ends_the_wait_for_an_answer(speaking: Callable[[bytes | None], int]) -> None:
    stop = Stop()
    threading.Timer(0.2, stop.request, [15]).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        connect(f"postgres://app:hunter2@127.0.0.1:{speaking(None)}/shop", stop=stop)
    assert time.monotonic() - began < 2


def test_a_connection_that_comes_too_late_is_closed(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    really, late, go_on = psycopg.connect, [], threading.Event()

    def dawdle(*words: Any, **options: Any) -> postgres.Connection:
        go_on.wait(10)
        late.append(really(*words, **options))
        return late[0]

    monkeypatch.setattr(psycopg, "connect", dawdle)
    threads = set(threading.enumerate())
    assert refused(postgres_url, attempt_timeout=0.1).cause == "no answer within 100ms"
    go_on.set()
    for thread in set(threading.enumerate()) - threads:
        thread.join(10)
    assert late[0].closed


def test_an_address_that_libpq_cannot_read_is_permanent() -> None:
    error = refused("host=db password='hunter2")
    assert isinstance(error, PermanentError)
    assert "unterminated quoted string" in str(error)
    assert str(error).startswith("cannot read the database's address: --url: ")


def test_no_connection_is_begun_once_the_end_was_asked_for(postgres_url: str) -> None:
    stop = Stop()
    stop.request(15)
    with pytest.raises(Stopped):
        connect(postgres_url, stop=stop)


def test_targets_are_named_without_user_and_password() -> None:
    def named(address: str, **environ: str) -> str:
        return postgres.target_of(Database("postgres", address, "x"), environ)

    assert named("postgresql://app:hunter2@db/shop") == "db:5432/shop"
    assert named("postgresql://app:hunter2@db:5433") == "db:5433/app"
    assert named("") == "the local socket:5432"
    assert named("", PGHOST="db", PGPORT="1", PGDATABASE="shop") == "db:1/shop"
    assert named("hostaddr=10.0.0.1 dbname=shop") == "10.0.0.1:5432/shop"
    assert named("", PGUSER="app") == "the local socket:5432/app"


PROBE = """
import sys
from fix_clock import make_context
from initkit.core.errors import PermanentError
from initkit.db import postgres
from initkit.db.dsn import find
try:
    postgres.connect(find(sys.argv[1], "--url"), make_context(), role="test")
except PermanentError as error:
    print(error)
"""


def test_a_uid_without_a_passwd_entry_needs_a_user() -> None:
    unshare = need_program("unshare", "util-linux")
    command = [unshare, "-U", "--map-user=12345", "--map-group=0", sys.executable]
    works = subprocess.run([*command, "-c", ""], check=False, capture_output=True).returncode == 0
    need(works, "user namespaces")
    found = subprocess.run(
        [*command, "-c", PROBE, "postgres://127.0.0.1:1/shop"],
        check=False,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
    )
    assert found.stdout.strip() == (
        "cannot connect to 127.0.0.1:1/shop: the address names no user, and this UID has no name in /etc/passwd; "
        "put a user into the URL, or set PGUSER"
    ), found.stderr


# what errors mean


@pytest.mark.parametrize(
    ("statement", "kind", "cause"),
    [
        ("select 1 / 0", PermanentError, "division by zero (SQLSTATE 22012)"),
        ("selec", PermanentError, 'syntax error at or near "selec" (SQLSTATE 42601)'),
        ("select * from missing", PermanentError, 'relation "missing" does not exist (SQLSTATE 42P01)'),
        ("set role nobody_knows", PermanentError, 'role "nobody_knows" does not exist'),
        ("create table nowhere.x (a int)", SuspectError, 'schema "nowhere" does not exist'),
        ("begin read only; create table x (a int)", TemporaryError, "read-only transaction"),
        ("set statement_timeout = 10; select pg_sleep(10)", TemporaryError, "statement timeout"),
        ("insert into pairs values (1), (1)", PermanentError, "(Key (id)=(1) already exists.)"),
        ("select pg_terminate_backend(pg_backend_pid())", TemporaryError, "terminating connection"),
    ],
)
def test_errors_of_statements(postgres_url: str, statement: str, kind: type[InitkitError], cause: str) -> None:
    with connect(postgres_url) as connection:
        connection.execute("create table pairs (id int primary key)")
        with (
            pytest.raises(InitkitError) as caught,
            postgres.cancelled_on_stop(connection, make_context(), "do it"),
        ):
            connection.execute(statement)
        connection.close()
    assert type(caught.value) is kind
    assert caught.value.task == "do it"
    assert cause in caught.value.cause


def test_no_rights_are_suspect(postgres_scram: str) -> None:
    with (
        connect(as_user(postgres_scram, "app:hunter2")) as connection,
        pytest.raises(SuspectError, match="permission denied"),
        postgres.cancelled_on_stop(connection, make_context(), "read"),
    ):
        connection.execute("select * from pg_authid")


def test_another_error_is_nobody_elses_business() -> None:
    with pytest.raises(ZeroDivisionError):
        postgres.classify(ZeroDivisionError(), "do it")
    bare = postgres.classify(psycopg.InterfaceError("the connection is closed"), "do it", done="half")
    assert isinstance(bare, PermanentError)
    assert (bare.cause, bare.done) == ("the connection is closed", "half")
    assert postgres.classify(psycopg.OperationalError(), "do it").cause == "OperationalError"


# the advisory lock


def test_lock_keys_differ_and_fit_a_bigint() -> None:
    keys = {postgres.lock_key("migrate", str(i)) for i in range(1000)}
    assert len(keys) == 1000
    assert all(0 <= key < 2**63 for key in keys)
    assert postgres.lock_key("a", "b") != postgres.lock_key("ab")
    assert postgres.lock_key("a") == postgres.lock_key("a")


@pytest.mark.parametrize("transaction", [False, True])
def test_a_free_lock_is_had_at_once(postgres_url: str, *, transaction: bool) -> None:
    voice = RecordingVoice()
    key = postgres.lock_key("x")
    with connect(postgres_url) as connection, connection.transaction():
        waited = postgres.acquire(connection, key, make_context(voice=voice), "the lock", transaction=transaction)
    assert waited < 5
    assert (voice.missed, voice.founds) == ([], [])


def test_a_lock_that_is_held_is_waited_for_and_its_holder_named(postgres_url: str) -> None:
    key = postgres.lock_key("x")
    voice = RecordingVoice()
    with connect(postgres_url) as holder, connect(postgres_url) as connection:
        postgres.acquire(holder, key, make_context(), "the lock")
        threading.Timer(0.3, holder.close).start()
        waited = postgres.acquire(connection, key, make_context(voice=voice), "the lock")
    assert waited >= 0.2
    assert voice.founds == ["the lock"]
    name, why = voice.missed[0]
    assert name == "the lock"
    assert re.fullmatch(r"held by pid \d+ \(initkit/test from local, idle\)", why)


def test_a_lock_that_stays_held_times_out_at_the_deadline_and_names_its_holder(postgres_url: str) -> None:
    key = postgres.lock_key("x")
    with connect(postgres_url) as holder, connect(postgres_url) as connection:
        postgres.acquire(holder, key, make_context(), "the lock")
        began = time.monotonic()
        with pytest.raises(TimedOutError) as caught:
            postgres.acquire(connection, key, make_context(timeout=0.5), "the lock")
        assert 0.5 <= time.monotonic() - began < 3
        assert str(caught.value) == (
            f"cannot acquire the lock: held by pid {holder.info.backend_pid} (initkit/test from local, idle); "
            "wait for it to end, or end it"
        )


def test_locks_of_other_databases_and_keys_do_not_matter(postgres_url: str, postgres_server: str) -> None:
    key = postgres.lock_key("x")
    with connect(postgres_url) as other, connect(postgres_server) as elsewhere, connect(postgres_url) as connection:
        postgres.acquire(other, postgres.lock_key("y"), make_context(), "the lock")
        postgres.acquire(elsewhere, key, make_context(), "the lock")
        assert postgres._holder(connection, key) == "a session that has just ended"
        assert postgres.acquire(connection, key, make_context(timeout=1), "the lock") < 1


def test_a_signal_ends_the_wait_for_a_lock(postgres_url: str) -> None:
    stop = Stop()
    key = postgres.lock_key("x")
    with connect(postgres_url) as holder, connect(postgres_url) as connection:
        postgres.acquire(holder, key, make_context(), "the lock")
        threading.Timer(0.2, stop.request, [15]).start()
        began = time.monotonic()
        with pytest.raises(Stopped):
            postgres.acquire(connection, key, make_context(stop=stop), "the lock")
        assert time.monotonic() - began < 2


# the locks of tables


def test_a_table_that_another_has_locked_is_told_with_its_holder(postgres_url: str) -> None:
    table = VersionTable()
    with connect(postgres_url) as holder, connect(postgres_url) as connection:
        holder.execute("create table alembic_version (version_num text)")
        with holder.transaction():
            holder.execute("lock table alembic_version in access exclusive mode")
            began = time.monotonic()
            with pytest.raises(TemporaryError) as caught:
                recorded_by(connection, make_context(timeout=0.3), table)
        assert time.monotonic() - began < 3
        assert str(caught.value) == (
            f'cannot read the table "alembic_version": it is locked by pid {holder.info.backend_pid} '
            "(initkit/test from local, idle in transaction); wait for it to end, or end it"
        )
        assert recorded_by(connection, make_context(timeout=0), table) == ()
        assert connection.execute("show lock_timeout").fetchone() == ("0",), "the session's own is as it was"


# a signal in the middle


def test_a_signal_cancels_the_statement_under_way(postgres_url: str) -> None:
    stop = Stop()
    with connect(postgres_url) as connection:
        threading.Timer(0.2, stop.request, [15]).start()
        began = time.monotonic()
        with (
            pytest.raises(Stopped) as caught,
            postgres.cancelled_on_stop(connection, make_context(stop=stop), "sleep"),
        ):
            connection.execute("select pg_sleep(30)")
        assert time.monotonic() - began < 3
        assert caught.value.exit_code == 143
        assert not stop.has_work_in_flight
        assert connection.execute("select 1").fetchone() == (1,), "the connection itself is whole"


def test_a_signal_after_the_connection_was_closed_does_no_harm(postgres_url: str) -> None:
    stop = Stop()
    with connect(postgres_url) as connection, postgres.cancelled_on_stop(connection, make_context(stop=stop), "x"):
        connection.close()
        stop.request(15)
        for thread in threading.enumerate():
            if thread.name == "stop":
                thread.join(10)
    assert stop.signum == 15
