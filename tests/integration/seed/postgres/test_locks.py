from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_clock import make_context
from fix_guard import Acting, eventually

from initkit.core.errors import TemporaryError
from initkit.db import postgres
from initkit.db.dsn import Database
from initkit.steps.seed.postgres import store
from initkit.steps.seed.store import Counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_seed_postgres import Seeding

    from initkit.steps.seed.store import How

HOLDER = r"pid \d+ \(the application from .*, idle in transaction\)"


@pytest.fixture
def tables(seeding: Seeding) -> Seeding:
    seeding.sql(
        "create table parents (id int primary key); insert into parents values (1);"
        "create table t (id int primary key, parent int references parents, v int)"
    )
    return seeding


@pytest.mark.parametrize(
    ("lock", "locked", "how"),
    [
        ("lock table t in access exclusive mode", "t", "insert"),
        ("lock table t in access exclusive mode", "t", "upsert"),
        ("insert into t values (7)", "t", "replace"),
        ("select from parents for update", "parents", "upsert"),
        ("lock table parents in access exclusive mode", "parents", "insert"),
    ],
)
def test_who_has_locked_a_table_is_told_at_the_deadline(tables: Seeding, lock: str, locked: str, how: How) -> None:
    given = tables.csv("t", "id,parent,v\n1,1,1\n", how)
    with psycopg.connect(tables.url, application_name="the application") as other:
        other.execute(lock)
        with pytest.raises(TemporaryError, match=f"x.csv into t: public.{locked} is locked by {HOLDER}; wait for it"):
            tables.load(given, context=make_context(timeout=0.2))
        other.rollback()
    assert tables.load(given) == [Counts(inserted=1)]


def test_a_look_waits_for_a_locked_table_until_the_deadline(tables: Seeding) -> None:
    given = tables.csv("t", "id,v\n1,1\n")

    def count() -> None:
        tables.compare(given, make_context(timeout=0.2))

    def see_if_empty() -> None:
        context = make_context(timeout=0.2)
        with store.reading(Database("postgres", tables.url, "the test"), context) as opened:
            found = opened.table("t")
            assert found is not None
            opened.is_empty(found)

    attempts: list[Callable[[], None]] = [count, see_if_empty]
    for attempt in attempts:
        with psycopg.connect(tables.url, application_name="the application") as other:
            other.execute("lock table t in access exclusive mode")
            with pytest.raises(TemporaryError, match=f"public.t is locked by {HOLDER}"):
                attempt()


def test_a_run_that_is_killed_holds_the_lock_no_longer_than_a_moment(tables: Seeding) -> None:
    tables.sql(
        "create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(600); return new; end $$;"
        "create trigger slow before insert on t for each row execute function slow()"
    )
    path = tables.file("t.csv", "id\n1\n")
    command = [sys.executable, "-m", "initkit", "seed", str(path), "--table", "t", "--mode", "upsert"]
    here = "(select oid from pg_database where datname = current_database())"
    holders = f"select from pg_locks where locktype = 'advisory' and granted and database = {here}"
    with subprocess.Popen([*command, "--url", tables.url], stderr=subprocess.DEVNULL) as child:
        try:
            asleep = "select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
            eventually(lambda: tables.rows(asleep), "the statement that is under way")
            assert tables.rows(holders)
        finally:
            child.kill()
    eventually(lambda: not tables.rows(holders), "the end of the lock")


def test_a_role_that_may_not_idle_in_a_transaction_waits_for_the_lock_all_the_same(tables: Seeding) -> None:
    database = tables.rows("select current_database()")[0][0]
    tables.sql(f"alter database {database} set idle_in_transaction_session_timeout = '10ms'")
    with psycopg.connect(tables.url, options="-c idle_in_transaction_session_timeout=0") as other:
        other.execute("select pg_advisory_xact_lock(%s)", (postgres.lock_key("seed"),))
        voice = Acting(other.rollback)
        assert tables.load(tables.csv("t", "id\n1\n"), context=make_context(voice=voice)) == [Counts(inserted=1)]
    assert voice.missed
