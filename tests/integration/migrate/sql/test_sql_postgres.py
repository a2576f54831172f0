"""What SQL files meet on PostgreSQL alone: its refusals, sessions, settings and files as its tools write them."""

from __future__ import annotations

import threading
import uuid
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_guard import eventually

from initkit.core.errors import PermanentError, TemporaryError, UsageError
from initkit.db.dsn import Database, find
from initkit.steps.migrate.sql.engine import SqlEngine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from fix_pgbouncer import StartBouncer
    from fix_sqlfiles import SqlFolder


@pytest.mark.parametrize(
    "statement",
    ["create index concurrently i on t1 (id);", "vacuum t1;", "do $$ begin commit; end $$;"],
)
def test_what_cannot_run_in_a_transaction_says_what_to_write(pg: SqlFolder, statement: str) -> None:
    pg.tables(1)
    pg.add("0002_loose.sql", statement)
    with pytest.raises(PermanentError, match=r"apply 0002_loose.sql: line 1: .*put -- initkit: no-transaction into"):
        pg.apply()
    pg.add("0002_loose.sql", f"-- initkit: no-transaction\n{statement}")
    pg.apply()
    assert pg.ledger() == [("0001", "applied"), ("0002", "applied")]


@pytest.mark.parametrize("mark", ["-- migrate:up transaction:false", "-- +goose no transaction\n-- +goose up"])
def test_other_tools_marks_keep_transactions_away_too(pg: SqlFolder, mark: str) -> None:
    pg.add("1_t.sql", "create table t (id int);")
    pg.add("2_i.sql", f"{mark}\ncreate index concurrently i on t (id);")
    pg.apply()
    assert pg.rows("select indisvalid from pg_index where indexrelid = 'i'::regclass") == [(True,)]


def test_a_new_value_of_an_enum_is_not_used_where_it_was_made(pg: SqlFolder) -> None:
    pg.add("1_e.sql", "create type e as enum ('a'); create table t (v e);")
    pg.add("2_e.sql", "alter type e add value 'b';\ninsert into t values ('b');")
    with pytest.raises(PermanentError, match=r"line 2: .*use the new value in the next file"):
        pg.apply()


def test_the_servers_position_and_hint_are_told(pg: SqlFolder) -> None:
    pg.add("1_e.sql", "select\n1;\nselect\n\n  lenght('a');")
    with pytest.raises(PermanentError) as caught:
        pg.apply()
    assert caught.value.cause.startswith("line 5: function lenght(unknown) does not exist")
    assert caught.value.advice.startswith("No function matches the given name")


def test_a_dump_that_empties_the_search_path_and_roles_that_a_file_takes_leave_the_ledger_alone(pg: SqlFolder) -> None:
    pg.add(
        "1_dump.sql",
        "SET statement_timeout = 0;\nSET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n"
        "SELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.t (id integer);\n",
    )
    pg.add("2_role.sql", "set role pg_monitor; select 1;")
    pg.add("3_more.sql", "create table more (id int);")
    pg.apply()
    assert pg.names() == {"t", "more"}
    assert pg.rows("select tableowner from pg_tables where tablename = 'more'") == [("postgres",)]


def test_letters_beyond_ascii_arrive_whatever_the_clients_encoding_is(
    pg: SqlFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    pg.add("1_t.sql", "create table t as select 'zażółć €'::text as a;")
    pg.apply()
    assert pg.rows("select length(a) from t") == [(8,)]


def test_percent_signs_and_backslashes_are_the_files_own(pg: SqlFolder) -> None:
    pg.add("1_t.sql", r"create table t as select '100%s %(a)s \n' as a, E'it\'s; so' as b;")
    pg.apply()
    assert pg.rows("select a, b from t") == [(r"100%s %(a)s \n", "it's; so")]


def test_what_goose_marks_as_one_statement_may_not_end_the_transaction_either(pg: SqlFolder) -> None:
    pg.add("1_t.sql", "-- +goose Up\n-- +goose StatementBegin\nselect 1;\ncommit;\n-- +goose StatementEnd\n")
    with pytest.raises(PermanentError, match="line 4: commit is no business of a migration"):
        pg.apply()


def test_an_index_of_a_missing_table_drops_no_other_of_its_name(pg: SqlFolder) -> None:
    pg.add("1_t.sql", "create table t (id int); create index i on t (id);")
    pg.add("2_i.sql", "-- initkit: no-transaction\ncreate index concurrently i on nowhere (id);")
    with pytest.raises(PermanentError, match="nowhere"):
        pg.apply()
    assert pg.rows("select to_regclass('i')") == [("i",)]
    assert pg.ledger() == [("1", "applied")]


def test_notices_are_details(pg: SqlFolder) -> None:
    pg.add("1_n.sql", "do $$ begin raise notice 'hello %', 1; end $$;")
    pg.apply()
    assert "NOTICE: hello 1" in pg.voice.details


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("create table t (id int);\n\\connect other\n", r"line 2: a command of psql, which is no SQL"),
        ("create table t (id int);\ncopy t from stdin;\n1\n\\.\n", r"line 2: COPY from or to the client.*initkit seed"),
        ("select 1;\nselect 'open", "line 2: what begins with ' does not end"),
        ("select 1;\n\n\0", "line 3: a NUL character"),
        ("set standard_conforming_strings = off;", "line 1: strings in which a backslash escapes"),
        ("  -- migrate:down\ndrop table t;", "line 1: -- migrate:down is not at the beginning of its line"),
    ],
)
def test_what_is_no_sql_is_refused_with_its_line_before_anything_is_run(pg: SqlFolder, text: str, message: str) -> None:
    pg.tables(1)
    pg.add("0002_odd.sql", text)
    with pytest.raises(PermanentError, match=f"(?s)0002_odd.sql: {message}"):
        pg.apply()
    assert not pg.names()


@contextmanager
def read(pg: SqlFolder) -> Iterator[None]:
    """A table ``t`` that somebody reads while the block runs."""
    pg.add("1_t.sql", "create table t (id int);")
    pg.apply()
    with psycopg.connect(pg.url) as reader:
        reader.execute("select * from t")
        yield


def test_a_locked_table_is_given_up_in_time_all_is_rolled_back_and_it_may_be_tried_again(pg: SqlFolder) -> None:
    with read(pg):
        pg.add("2_a.sql", "create table before (id int); alter table t add column a int;")
        with pytest.raises(TemporaryError, match=r"apply 2_a.sql: line 1: canceling statement due to lock timeout"):
            pg.apply(ddl_lock_timeout="200ms")
    assert pg.names() == {"t"}
    pg.apply()
    assert pg.names() == {"t", "before"}


class Guard:
    """A lock that nobody takes, and somebody who is always in the way."""

    waited = 0.0
    tag = "initkit/00000000/pod"
    key = 0

    def __init__(self, database: Database) -> None:
        self.database = database

    def watching(self, stop_work: object) -> AbstractContextManager[None]:  # noqa: ARG002 - the protocol's
        return nullcontext()

    def blocker(self) -> str:
        return "pid 42 (psql from local, idle in transaction)"


def test_who_was_in_the_way_is_named(pg: SqlFolder) -> None:
    with read(pg):
        pg.add("2_a.sql", "alter table t add column a int;")
        engine = pg.engine(ddl_lock_timeout="100ms")
        with pytest.raises(TemporaryError, match=r"lock timeout; it was blocked by pid 42 \(psql from local, idle"):
            engine.upgrade(engine.look(), Guard(find(pg.url, "--url")))


def test_an_index_made_concurrently_waits_for_others_longer_than_tables_are_waited_for(pg: SqlFolder) -> None:
    pg.add("1_t.sql", "create table t (id int);")
    pg.apply()
    pg.add("2_i.sql", "-- initkit: no-transaction\ncreate index concurrently i on t (id);")
    with psycopg.connect(pg.url) as writer:
        writer.execute("insert into t values (1)")
        thread = threading.Thread(target=pg.apply, kwargs={"ddl_lock_timeout": "100ms"})
        thread.start()
        waiting = (
            "select 1 from pg_stat_activity where query like 'create index%' and wait_event_type = 'Lock' "
            "and now() - query_start > '500ms'"
        )
        eventually(lambda: pg.rows(waiting), "a statement that waits for five times as long")
        writer.commit()
        thread.join()
    assert pg.ledger()[-1] == ("2", "applied")


def test_who_may_not_write_is_told_so_with_the_file(pg: SqlFolder, postgres_server: str) -> None:
    pg.tables(1)
    role = f"reader_{uuid.uuid4().hex}"
    pg.do(f"create role {role} login")
    try:
        pg.url = pg.url.replace("postgres:@", f"{role}@")
        with pytest.raises(TemporaryError, match="permission denied for schema public"):
            pg.apply()
    finally:
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(f"drop role {role}")


def test_mysql_is_refused(pg: SqlFolder) -> None:
    pg.tables(1)
    with pytest.raises(UsageError, match="SQL files are applied to PostgreSQL and SQLite; use alembic for MySQL"):
        SqlEngine(pg.step(), Database("mysql", "mysql://db/shop", "--url"), pg.context())


EMPTIED = "select pg_catalog.set_config('search_path', '', false);\n"


@pytest.mark.parametrize("start", [None, "base"])
def test_offline_sql_goes_on_where_files_leave_the_search_path_and_role_changed(
    pg: SqlFolder, start: str | None
) -> None:
    pg.add("0001_dump.sql", f"{EMPTIED}create table public.x (a int);\nset role pg_monitor;")
    pg.add("0002_y.sql", "create table y (a int);")
    pg.add("0003_i.sql", f"-- initkit: no-transaction\n{EMPTIED}create index concurrently i on public.y (a);")
    pg.run_by_hand(pg.engine().offline(start))
    assert pg.ledger() == [("0001", "applied"), ("0002", "applied"), ("0003", "applied")]
    assert not pg.pending()
    pg.apply()
    assert pg.names() == {"x", "y"}


def test_offline_sql_names_the_schema_that_the_ledger_lies_in(pg: SqlFolder) -> None:
    pg.do("create schema app")
    pg.url += ("&" if "?" in pg.url else "?") + "options=-csearch_path%3Dapp"
    pg.tables(1)
    assert '"app"."initkit_migrations"' in pg.engine().offline(None)
    pg.run_by_hand(pg.engine().offline(None))
    assert not pg.pending()


def test_behind_a_pool_of_sessions_every_files_session_carries_the_tag(
    pg: SqlFolder, start_bouncer: StartBouncer
) -> None:
    pg.url = start_bouncer("session").url(pg.url)
    for number in (1, 2):
        name = "select current_setting('application_name') as name"
        pg.add(f"{number}_n.sql", f"create table n{number} as {name};")
    pg.apply()
    found = pg.rows("select n1.name = n2.name, n2.name ~ '^initkit/[0-9a-f]{8}/' from n1, n2")
    assert found == [(True, True)]
