from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_clock import make_context

from initkit.core.errors import PermanentError, TemporaryError
from initkit.db.dsn import Database
from initkit.steps.seed.content.content import Content
from initkit.steps.seed.dataset import Dataset
from initkit.steps.seed.ledger import Entry
from initkit.steps.seed.postgres import store

if TYPE_CHECKING:
    from fix_seed_postgres import Seeding


def test_statements_are_run_in_their_order(seeding: Seeding) -> None:
    script = (
        "create table t (a text);\ninsert into t values ('50%'), ('a;b'), ('%s');\n-- the end\nselect count(*) from t;"
    )
    assert seeding.run(script) == 3
    assert seeding.rows("select a from t order by 1") == [("%s",), ("50%",), ("a;b",)]


def test_a_statement_that_is_refused_is_told_with_its_line_and_all_is_undone(seeding: Seeding) -> None:
    script = "create table t (a int);\n\ninsert into t values\n  (1),\n  (nothing);\n"
    with pytest.raises(PermanentError, match=r'line 5: column "nothing" does not exist .*42703\), in insert into t'):
        seeding.run(script)
    assert seeding.rows("select to_regclass('t')") == [(None,)]
    with pytest.raises(PermanentError, match="line 2: division by zero"):
        seeding.run("select 1;\nselect 1/0;")


@pytest.mark.parametrize("word", ["commit", "BEGIN", "rollback", "end", "start transaction", "abort"])
def test_the_transaction_is_not_the_files(seeding: Seeding, word: str) -> None:
    with pytest.raises(PermanentError, match=rf"(?i)line 3: {word}.*; remove it"):
        seeding.run(f"create table t (a int);\n\n{word};\n")
    assert seeding.rows("select to_regclass('t')") == [(None,)]


def test_a_savepoint_is(seeding: Seeding) -> None:
    seeding.run("create table t (a int); savepoint s; insert into t values (1); rollback to savepoint s; release s")
    assert seeding.rows("select count(*) from t") == [(0,)]


def test_what_a_file_sets_does_not_last(seeding: Seeding) -> None:
    """As pg_dump begins its files."""
    seeding.sql("create table t (id int primary key, at date)")
    dump = (
        "SELECT pg_catalog.set_config('search_path', '', false);\nSET row_security = off;\n"
        "SET datestyle = 'SQL, DMY';\nSET statement_timeout = 1000;\nset my.own = 'x';\n"
        "create role r{0};\ngrant r{0} to current_user;\nset role r{0};\n"
    ).format(seeding.rows("select current_database()")[0][0])
    context = make_context()
    script = Dataset(str(seeding.file("x.sql", dump)), "", "sql")
    given = seeding.csv("t", "id,at\n1,01/02/2026\n")
    with store.writing(Database("postgres", seeding.url, "the test"), context) as opened:
        assert opened.run(Content(script, context)) == 8
        loading = given.loading(opened, context)
        opened.load(loading)
        opened.settle([loading])
        opened.record(Entry("d", "t", "0"))
    assert seeding.rows("select at::text, (select count(*) from initkit_seed) from t") == [("2026-01-02", 1)]
    seeding.sql(f"drop role r{seeding.rows('select current_database()')[0][0]}")


@pytest.mark.parametrize("other", ["table initkit_seed (x int)", "view initkit_seed as select 1 as x"])
def test_what_is_no_ledger_is_told(seeding: Seeding, other: str) -> None:
    seeding.sql(f"create {other}")
    with (
        store.reading(Database("postgres", seeding.url, "the test"), make_context()) as opened,
        pytest.raises(PermanentError, match=r"initkit_seed is not the ledger of seed: .*; rename what has"),
    ):
        opened.ledger()


def test_a_ledger_that_is_there_takes_no_right_to_create(seeding: Seeding) -> None:
    name = seeding.rows("select current_database()")[0][0]
    context = make_context()
    database = Database("postgres", seeding.url, "the test")
    with store.writing(database, context) as opened:
        opened.record(Entry("d", "t", "0"))
    seeding.sql(
        f"create role r{name}; revoke create on schema public from public;"
        f"grant select, insert, update on initkit_seed to r{name}; alter database {name} set role = r{name}"
    )
    try:
        with store.writing(database, context) as opened:
            opened.record(Entry("d", "t", "1", "{}", "once", 5))
        with store.reading(database, context) as opened:
            assert [(entry.sha256, entry.rows) for entry in opened.ledger()] == [("1", 5)]
    finally:
        seeding.sql(f"set role none; drop owned by r{name}; drop role r{name}")


def test_timeouts_of_a_role_do_not_end_a_load(seeding: Seeding) -> None:
    name = seeding.rows("select current_database()")[0][0]
    seeding.sql(
        f"alter database {name} set statement_timeout = '500ms'; create table t (id int primary key);"
        f"alter database {name} set idle_in_transaction_session_timeout = '500ms';"
        "create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.7); return new; end $$;"
        "create trigger slow before insert on t for each row execute function slow()"
    )
    assert seeding.load(seeding.csv("t", "id\n1\n"))[0].inserted == 1


def test_a_table_that_is_locked_is_waited_for_until_the_deadline(seeding: Seeding) -> None:
    seeding.sql("create table t (id int primary key); insert into t values (1)")
    with psycopg.connect(seeding.url) as other:
        other.execute("lock table t in access exclusive mode")
        for how in ("insert", "upsert", "replace"):
            with pytest.raises(TemporaryError, match=r"public\.t is locked by pid"):
                seeding.load(seeding.csv("t", "id\n1\n2\n", how), context=make_context(timeout=0.3))
