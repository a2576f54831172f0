"""Files outside transactions that end in the middle: killed, stopped or refused; what the next run makes of it."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from fix_guard import eventually
from fix_program import initkit

from initkit.core.errors import PermanentError, Stopped, TemporaryError
from initkit.steps.migrate.sql.on_postgres import PostgresSession
from initkit.steps.migrate.sql.on_sqlite import SqliteSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fix_program import Running
    from fix_sqlfiles import SqlFolder

LOOSE = "-- initkit: no-transaction\n"
VALID = "select indisvalid from pg_index where indexrelid = to_regclass('i')"


@contextmanager
def old_snapshot(pg: SqlFolder) -> Iterator[None]:
    """Somebody who keeps an index from being finished, without a lock on its table."""
    with psycopg.connect(pg.url) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("select 1")
        yield


AT_WORK = (
    "select 1 from pg_stat_activity where application_name like 'initkit/%' and datname = current_database() "
    "and state = 'active' and query like"
)


def begin_index(pg: SqlFolder, running: Callable[..., Running]) -> Running:
    pg.add("1_t.sql", "create table t (id int);")
    pg.apply()
    pg.add("2_i.sql", f"{LOOSE}create index concurrently i on t (id);")
    program = running("migrate", str(pg.path), "--url", pg.url)
    eventually(lambda: pg.rows(f"{AT_WORK} 'create index%' and wait_event = 'virtualxid'"))
    return program


def test_a_killed_runs_index_is_dropped_and_made_again(pg: SqlFolder, running: Callable[..., Running]) -> None:
    with old_snapshot(pg):
        program = begin_index(pg, running)
        program.child.kill()
        assert pg.ledger() == [("1", "applied"), ("2", "started")]
    pg.apply()
    assert pg.rows(VALID) == [(True,)]
    assert pg.ledger() == [("1", "applied"), ("2", "applied")]
    assert any('its index "public"."i" is undone' in note for note in pg.voice.notes)


def test_an_index_that_was_finished_but_not_recorded_is_made_again(pg: SqlFolder) -> None:
    pg.tables(1)
    pg.add("0002_i.sql", f"{LOOSE}create index concurrently i on t1 (id);")
    pg.apply()
    first = pg.rows("select 'i'::regclass::oid")
    left = '[{"statement": "create index", "index": "\\"public\\".\\"i\\"", "before": ""}]'
    pg.do(f"update initkit_migrations set state = 'started', left_behind = '{left}' where revision = '0002'")
    assert pg.pending() == ["0002"]
    pg.apply()
    assert pg.rows("select 'i'::regclass::oid") != first
    assert pg.rows(VALID) == [(True,)]


def test_an_index_that_was_there_before_is_never_dropped(pg: SqlFolder) -> None:
    pg.add("1_t.sql", "create table t (id int); create index i on t (id);")
    pg.apply()
    before = pg.rows("select 'i'::regclass::oid")
    pg.add("2_i.sql", f"{LOOSE}create index concurrently i on t (id);")
    with pytest.raises(PermanentError, match='relation "i" already exists'):
        pg.apply()
    assert pg.rows("select 'i'::regclass::oid") == before
    pg.add("2_i.sql", f"{LOOSE}create index concurrently if not exists i on t (id);")
    pg.apply()
    assert pg.rows("select 'i'::regclass::oid") == before


def test_an_index_that_cannot_be_made_is_not_left_invalid(pg: SqlFolder) -> None:
    pg.add("1_t.sql", "create table t (id int); insert into t values (1), (1);")
    pg.add("2_i.sql", f"{LOOSE}create unique index concurrently i on t (id);")
    with pytest.raises(PermanentError, match="could not create unique index"):
        pg.apply()
    assert not pg.rows(VALID)
    assert pg.ledger() == [("1", "applied")]


def test_an_invalid_index_of_somebody_else_is_not_taken_for_made(pg: SqlFolder) -> None:
    pg.add("1_t.sql", "create table t (id int); insert into t values (1), (1);")
    pg.apply()
    with pytest.raises(psycopg.errors.UniqueViolation):
        pg.do("create unique index concurrently i on t (id)")
    pg.add("2_i.sql", f"{LOOSE}create unique index concurrently if not exists i on t (id);")
    with pytest.raises(PermanentError, match=r'the index "public"."i" is not valid'):
        pg.apply()
    assert pg.ledger() == [("1", "applied")]
    assert pg.rows(VALID) == [(False,)]


def test_a_signal_drops_the_index_that_is_being_made(pg: SqlFolder, running: Callable[..., Running]) -> None:
    with old_snapshot(pg):
        program = begin_index(pg, running)
        program.signal(signal.SIGTERM)
        assert program.ended(timeout=9) == 143
        assert pg.rows("select to_regclass('i')") == [(None,)]
        assert pg.ledger() == [("1", "applied")]


def test_a_signal_ends_the_wait_for_a_table_whose_half_made_index_is_to_go(
    pg: SqlFolder, running: Callable[..., Running]
) -> None:
    with old_snapshot(pg):
        begin_index(pg, running).child.kill()
    with psycopg.connect(pg.url) as reader:
        reader.execute("select from t")
        program = running("migrate", str(pg.path), "--url", pg.url)
        eventually(lambda: pg.rows(f"{AT_WORK} 'drop index%' and wait_event_type = 'Lock'"))
        program.signal(signal.SIGTERM)
        assert program.ended(timeout=8) == 143  # a run that cannot end its statement is let go after 10 s
        assert pg.ledger() == [("1", "applied"), ("2", "started")]
    pg.apply()
    assert pg.rows(VALID) == [(True,)]


def test_an_index_that_a_later_file_drops_or_renames_is_not_missed(pg: SqlFolder) -> None:
    pg.tables(1)
    pg.add("0002_i.sql", f"{LOOSE}create index concurrently i on t1 (id);")
    pg.add("0003_j.sql", f"{LOOSE}create index concurrently j on t1 (id);")
    pg.add("0004_other.sql", "drop index i; alter index j rename to k;")
    pg.apply()
    assert not pg.pending()


def test_a_signal_rolls_a_long_statement_back(pg: SqlFolder, running: Callable[..., Running]) -> None:
    pg.add("1_long.sql", "create table t (id int);\nselect pg_sleep(60);")
    program = running("migrate", str(pg.path), "--url", pg.url)
    eventually(lambda: pg.rows(f"{AT_WORK} '%pg_sleep%'"))
    program.signal(signal.SIGTERM)
    assert program.ended(timeout=8) == 143  # a run that cannot end its statement is let go after 10 s
    assert not pg.names()
    eventually(lambda: pg.rows("select 1 where not exists (select from pg_locks where locktype = 'advisory')"))
    assert not pg.ledger()


def half_done(pg: SqlFolder, running: Callable[..., Running]) -> None:
    pg.add("1_two.sql", f"{LOOSE}create table a (id int);\nselect pg_sleep(60);\ncreate table b (id int);")
    program = running("migrate", str(pg.path), "--url", pg.url)
    eventually(lambda: pg.rows(f"{AT_WORK} 'select pg_sleep%'"))
    program.child.kill()
    program.child.wait()


def test_a_killed_run_of_several_statements_is_a_persons_to_repair(
    pg: SqlFolder, running: Callable[..., Running]
) -> None:
    half_done(pg, running)
    run = initkit("migrate", str(pg.path), "--url", pg.url)
    assert run.returncode == 1
    assert "cannot apply 1_two.sql" in run.stderr
    assert "in the middle of it, outside transactions, at select pg_sleep(60)" in run.stderr
    assert "(done before: create table a (id int))" in run.stderr
    assert "run once with --repair" in run.stderr
    seen = initkit("migrate", str(pg.path), "--url", pg.url, "--check")
    assert seen.returncode == 3
    assert "1 two (half done: needs --repair)" in seen.stdout + seen.stderr
    pg.do("drop table a")
    pg.add("1_two.sql", f"{LOOSE}create table a (id int);\ncreate table b (id int);")
    pg.apply(repair=True)
    assert pg.names() == {"a", "b"}
    assert pg.ledger() == [("1", "applied")]
    assert pg.rows("select applied_by like '% (after --repair)' from initkit_migrations") == [(True,)]


def test_a_failure_after_the_first_statement_says_what_is_done(sql: SqlFolder) -> None:
    sql.add("1_two.sql", f"{LOOSE}create table a (id int);\ninsert into nowhere values (1);")
    with pytest.raises(PermanentError) as caught:
        sql.apply()
    assert "nowhere" in caught.value.cause
    assert caught.value.done == "create table a (id int)"
    assert caught.value.advice.endswith("undo that by hand, mend the file, and run once with --repair")
    assert sql.ledger() == [("1", "started")]
    with pytest.raises(PermanentError, match="--repair"):
        sql.apply()
    sql.do("drop table a")
    sql.add("1_two.sql", f"{LOOSE}create table a (id int);")
    sql.apply(repair=True)
    assert sql.names() == {"a"}


def test_a_failure_of_the_first_statement_leaves_nothing_to_repair(sql: SqlFolder) -> None:
    sql.add("1_bad.sql", f"{LOOSE}insert into nowhere values (1);\ncreate table a (id int);")
    with pytest.raises(PermanentError, match="nowhere"):
        sql.apply()
    assert not sql.ledger()
    sql.add("1_bad.sql", f"{LOOSE}create table a (id int);")
    sql.apply()
    assert sql.ledger() == [("1", "applied")]


def test_a_signal_between_two_statements_forgets_nothing_of_the_first(
    sql: SqlFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql.add("1_two.sql", f"{LOOSE}create table a (id int);\ncreate table b (id int);")
    context = sql.context()
    session: Any = SqliteSession if sql.is_sqlite else PostgresSession
    run = session.run

    def run_and_stop(self: object, statement: object) -> None:
        run(self, statement)
        context.stop.request(signal.SIGTERM)

    monkeypatch.setattr(session, "run", run_and_stop)
    with pytest.raises(Stopped):
        sql.step().apply(context)
    assert sql.names() == {"a"}
    assert sql.ledger() == [("1", "started")]


def test_what_does_no_harm_twice_is_run_again_by_itself(sql: SqlFolder) -> None:
    sql.tables(1)
    sql.add("0002_v.sql", f"{LOOSE}vacuum;")
    sql.apply()
    left = '[{"statement": "vacuum", "index": "", "before": ""}]'
    sql.do(f"update initkit_migrations set state = 'started', left_behind = '{left}' where revision = '0002'")
    sql.apply()
    assert sql.ledger() == [("0001", "applied"), ("0002", "applied")]


def test_a_connection_that_is_lost_in_the_middle_of_an_index_is_tried_again(
    pg: SqlFolder, running: Callable[..., Running]
) -> None:
    with old_snapshot(pg):
        program = begin_index(pg, running)
        pg.do(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where query like 'create index%' and datname = current_database()"
        )
    assert program.ended() == 0, program.output
    assert pg.rows(VALID) == [(True,)]
    assert pg.ledger() == [("1", "applied"), ("2", "applied")]


def test_a_connection_that_is_lost_in_a_transaction_rolls_all_back_and_is_tried_again(pg: SqlFolder) -> None:
    pg.add("1_t.sql", "create table t (id int); select pg_terminate_backend(pg_backend_pid());")
    with pytest.raises(TemporaryError, match=r"apply 1_t.sql: line 1: "):
        pg.apply()
    assert not pg.names()


def test_a_connection_that_is_lost_among_several_statements_is_a_persons(pg: SqlFolder) -> None:
    pg.add("1_t.sql", f"{LOOSE}create table t (id int); select pg_terminate_backend(pg_backend_pid());")
    with pytest.raises(PermanentError, match=r"--repair"):
        pg.apply()
