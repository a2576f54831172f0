"""A real PostgreSQL: what the errors of statements mean, the advisory lock, and a signal in the middle."""

from __future__ import annotations

import re
import threading
import time
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from fix_clock import RecordingVoice, make_context

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
from initkit.db.dsn import find, parse_dsn
from initkit.db.pg import sessions
from initkit.db.pg.advisory import acquire
from initkit.db.revisions import VersionTable, recorded_by


def connect(url: str, **options: Any) -> postgres.Connection:
    context = make_context(**{"attempt_timeout": 5.0, **options})
    return postgres.connect(find(parse_dsn(url), "--url"), context, role="test", autocommit=True)


def as_user(url: str, user: str, *, database: str = "") -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}@{host}", path=f"/{database}" if database else parts.path))


def test_a_full_name_goes_before_the_addresss_and_such_a_session_notices_a_server_that_is_gone(
    postgres_url: str,
) -> None:
    address = f"{postgres_url}&application_name=theirs&keepalives_idle=77"
    database, context = find(parse_dsn(address), "--url"), make_context()
    with postgres.connect(database, context, role="x", application_name="initkit/ours", autocommit=True) as connection:
        assert connection.execute("show application_name").fetchone() == ("initkit/ours",)
        told = connection.info.get_parameters()
        assert (told["keepalives_idle"], told["keepalives_count"], told["tcp_user_timeout"]) == ("77", "3", "15000")
    with postgres.connect(database, context, role="x", autocommit=True) as connection:
        assert connection.execute("show application_name").fetchone() == ("theirs",)
        assert "tcp_user_timeout" not in connection.info.get_parameters()


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


def begun(url: str) -> postgres.Connection:
    """A connection whose first statement begins a transaction."""
    connection = connect(url)
    connection.autocommit = False
    return connection


def test_a_free_lock_is_had_at_once(postgres_url: str) -> None:
    voice = RecordingVoice()
    key = postgres.lock_key("x")
    with begun(postgres_url) as connection:
        waited = acquire(connection, key, make_context(voice=voice), "the lock")
    assert waited < 15
    assert (voice.missed, voice.founds) == ([], [])


def test_a_lock_that_is_held_is_waited_for_and_its_holder_named(postgres_url: str) -> None:
    key = postgres.lock_key("x")
    voice = RecordingVoice()
    with begun(postgres_url) as holder, begun(postgres_url) as connection:
        acquire(holder, key, make_context(), "the lock")
        threading.Timer(0.3, holder.close).start()
        waited = acquire(connection, key, make_context(voice=voice), "the lock")
    assert waited >= 0.2
    assert voice.founds == ["the lock"]
    name, why = voice.missed[0]
    assert name == "the lock"
    assert re.fullmatch(r"held by pid \d+ \(initkit/test from local, idle in transaction\)", why)


def test_a_lock_that_stays_held_times_out_at_the_deadline_and_names_its_holder(postgres_url: str) -> None:
    key = postgres.lock_key("x")
    with begun(postgres_url) as holder, begun(postgres_url) as connection:
        acquire(holder, key, make_context(), "the lock")
        began = time.monotonic()
        with pytest.raises(TimedOutError) as caught:
            acquire(connection, key, make_context(timeout=0.5), "the lock")
        assert 0.5 <= time.monotonic() - began < 15
        pid = holder.info.backend_pid
        assert re.match(
            rf"cannot acquire the lock: held by pid {pid} \(initkit/test from local, idle in transaction for .*"
            rf"\(lock {key}\); waited for .*; wait for it to end, or end it: select pg_terminate_backend\({pid}\)",
            str(caught.value),
        )


def test_locks_of_other_databases_and_keys_do_not_matter(postgres_url: str, postgres_server: str) -> None:
    key = postgres.lock_key("x")
    with begun(postgres_url) as other, begun(postgres_server) as elsewhere, begun(postgres_url) as connection:
        acquire(other, postgres.lock_key("y"), make_context(), "the lock")
        acquire(elsewhere, key, make_context(), "the lock")
        assert sessions.holder(connection, key) is None
        assert acquire(connection, key, make_context(timeout=10), "the lock") < 10


def test_a_signal_ends_the_wait_for_a_lock(postgres_url: str) -> None:
    stop = Stop()
    key = postgres.lock_key("x")
    with begun(postgres_url) as holder, begun(postgres_url) as connection:
        acquire(holder, key, make_context(), "the lock")
        threading.Timer(0.2, stop.request, [15]).start()
        with pytest.raises(Stopped):
            acquire(connection, key, make_context(stop=stop), "the lock")


# the locks of tables


def test_a_table_that_another_has_locked_is_told_with_its_holder(postgres_url: str) -> None:
    table = VersionTable()
    with connect(postgres_url) as holder, connect(postgres_url) as connection:
        holder.execute("create table alembic_version (version_num text)")
        with holder.transaction():
            holder.execute("lock table alembic_version in access exclusive mode")
            with pytest.raises(TemporaryError) as caught:
                recorded_by(connection, make_context(timeout=0.3), table)
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
        assert time.monotonic() - began < 15
        assert caught.value.exit_code == 143
        assert not stop.has_work_in_flight
        assert connection.execute("select 1").fetchone() == (1,), "the connection itself is whole"


def test_a_signal_between_two_statements_cancels_the_next_one(postgres_url: str) -> None:
    stop = Stop()
    asked = threading.Event()

    class Cancelled(psycopg.Connection[Any]):
        def cancel_safe(self, *, timeout: float = 30.0) -> None:
            super().cancel_safe(timeout=timeout)
            asked.set()

    def sleep(connection: postgres.Connection) -> None:
        with postgres.cancelled_on_stop(connection, make_context(stop=stop), "sleep"):
            stop.request(15)
            assert asked.wait(10), "the first request has come, and there was nothing to cancel"
            connection.execute("select pg_sleep(60)")

    with Cancelled.connect(postgres_url, autocommit=True) as connection:
        with pytest.raises(Stopped) as caught:
            sleep(connection)
        assert caught.value.exit_code == 143
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_signal_after_the_connection_was_closed_does_no_harm(postgres_url: str) -> None:
    stop = Stop()
    with connect(postgres_url) as connection, postgres.cancelled_on_stop(connection, make_context(stop=stop), "x"):
        connection.close()
        stop.request(15)
        for thread in threading.enumerate():
            if thread.name == "stop":
                thread.join(10)
    assert stop.signum == 15
