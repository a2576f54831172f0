"""The whole step, with either engine, where its lock is lost or a pooler is in its way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_alembic import Builder
from fix_clock import RecordingVoice, VirtualClock, make_context
from fix_guard import all_leave, eventually, options_for, rows

from initkit.core.errors import PermanentError, TemporaryError, TimedOutError
from initkit.core.outcome import Satisfied, Status
from initkit.steps.migrate.guard import watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_guard import Client
    from fix_pgbouncer import StartBouncer

    Write = Callable[[str], str]

SLEEPS = "select pid from pg_stat_activity where state = 'active' and query like %s and pid <> pg_backend_pid()"
END = "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'initkit/%#lock'"


@pytest.fixture(params=["alembic", "sql"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    """Writes migrations with one revision, ``1``, that makes a table ``orders`` and then runs a statement; the path."""
    folder = tmp_path / "migrations"
    if request.param == "alembic":
        project = Builder(folder)

    def alembic(statement: str) -> str:
        project.revision("1", f"op.execute('create table orders (i int)')\nop.execute({statement!r})", down=None)
        return str(folder)

    def sql(statement: str) -> str:
        folder.mkdir(exist_ok=True)
        (folder / "1_orders.sql").write_text(f"create table orders (i int);\n{statement};\n")
        return str(folder)

    return alembic if request.param == "alembic" else sql


def is_done(url: str) -> bool:
    return rows(url, "select to_regclass('orders') is not null") == [(True,)]


def test_a_lost_lock_stops_the_migration_rolls_it_back_and_the_next_attempt_succeeds(
    postgres_url: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_PAUSE", 0.1)

    def lose() -> None:
        eventually(lambda: rows(postgres_url, SLEEPS, "%pg_sleep(60)%"))
        rows(postgres_url, END)

    losing = threading.Thread(target=lose)
    losing.start()
    step = options_for(path=write("select pg_sleep(60)"), url=postgres_url)
    with pytest.raises(TemporaryError, match="cannot keep the migration lock: the session that holds it was ended"):
        step.apply(make_context())
    losing.join()
    all_leave(postgres_url)
    assert not is_done(postgres_url)
    outcome = options_for(path=write("select 1"), url=postgres_url).apply(make_context())
    assert outcome.status is Status.CHANGED
    assert is_done(postgres_url)


def test_our_sessions_carry_the_locks_tag(postgres_url: str, write: Write) -> None:
    path = write("create table told as select application_name from pg_stat_activity where pid = pg_backend_pid()")
    options_for(path=path, url=postgres_url).apply(make_context(environ={"HOSTNAME": "shop-1"}))
    ((name,),) = rows(postgres_url, "select * from told")
    assert name.startswith("initkit/")
    assert name.endswith("/shop-1")
    assert len(name) == len("initkit/12345678/shop-1")


def test_it_waits_for_what_a_killed_run_has_left_and_then_goes_on(
    postgres_url: str, write: Write, client: Client, clock: VirtualClock, voice: RecordingVoice
) -> None:
    path = write("create table told as select application_name from pg_stat_activity where pid = pg_backend_pid()")
    options_for(path=path, url=postgres_url).apply(make_context(environ={"HOSTNAME": "old"}))
    ((name,),) = rows(postgres_url, "select * from told")
    rows_gone = ("drop table orders, told", "drop table if exists alembic_version, initkit_migrations")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for statement in rows_gone:
            connection.execute(statement)
    client(postgres_url, name, "select pg_sleep(60)")
    step = options_for(path=path, url=postgres_url)
    with pytest.raises(TimedOutError, match=r"wait for what an earlier run left at work: .*/old from local, active"):
        step.apply(make_context(clock=clock, environ={"HOSTNAME": "new"}))
    step = options_for(path=path, url=postgres_url, kill_stale="true")
    assert step.apply(make_context(environ={"HOSTNAME": "new"}, voice=voice)).status is Status.CHANGED
    assert any("ending pid" in warning for warning in voice.warnings)


def test_through_a_pool_of_sessions_it_migrates(postgres_url: str, write: Write, start_bouncer: StartBouncer) -> None:
    step = options_for(path=write("select 1"), url=start_bouncer("session").url(postgres_url))
    assert step.apply(make_context()).status is Status.CHANGED
    assert isinstance(step.check(make_context()), Satisfied)
    all_leave(postgres_url)


def test_through_a_pool_of_transactions_it_is_refused_and_a_direct_url_helps(
    postgres_url: str, write: Write, start_bouncer: StartBouncer
) -> None:
    pool = start_bouncer("transaction").url(postgres_url)
    path = write("select 1")
    typed, told = options_for(path=path, url=pool), options_for(path=path)
    with pytest.raises(PermanentError, match=r"is a pooler .*by --direct-url, MIGRATION_DATABASE_URL or DIRECT_URL"):
        typed.apply(make_context())
    assert not is_done(postgres_url)
    all_leave(postgres_url)
    outcome = typed.apply(make_context(environ={"DIRECT_URL": postgres_url}))
    assert outcome.status is Status.CHANGED
    environ = {"DATABASE_URL": pool, "MIGRATION_DATABASE_URL": postgres_url}
    assert isinstance(told.check(make_context(environ=environ)), Satisfied)
    assert isinstance(typed.check(make_context()), Satisfied)
    all_leave(postgres_url)
