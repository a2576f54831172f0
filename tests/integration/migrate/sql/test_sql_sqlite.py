"""What SQL files meet on SQLite alone."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from fix_guard import eventually
from fix_sqlite import leave_hot_journal

from initkit.core.errors import PermanentError, TemporaryError
from initkit.steps.migrate.sql import engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_program import Running
    from fix_sqlfiles import SqlFolder

LONG = (
    "create table n as with recursive c(x) as (select 1 union all select x + 1 from c where x < 2000000000) "
    "select max(x) from c;"
)


def test_foreign_keys_are_looked_at(lite: SqlFolder) -> None:
    lite.add("1_t.sql", "create table a (id integer primary key); create table b (a references a);")
    lite.add("2_bad.sql", "insert into b values (7);")
    with pytest.raises(PermanentError, match=r"2_bad.sql: line 1: FOREIGN KEY constraint failed"):
        lite.apply()


REMADE = """
pragma foreign_keys = off;
create table new (id integer primary key, more text);
insert into new (id) select id from a{};
drop table a;
alter table new rename to a;
"""


def make_parents(lite: SqlFolder) -> None:
    lite.add(
        "1_t.sql",
        "create table a (id integer primary key); create table b (a references a on delete cascade);"
        "insert into a values (1); insert into b values (1);",
    )


def test_a_table_is_made_anew_with_keys_off_in_one_transaction(lite: SqlFolder) -> None:
    make_parents(lite)
    lite.add("2_new.sql", REMADE.format(""))
    lite.add("3_more.sql", "create table keys as select foreign_keys as kept from pragma_foreign_keys;")
    lite.apply()
    assert lite.rows("select * from b") == [(1,)]
    assert lite.rows("select * from a") == [(1, None)]
    assert lite.rows("select kept from keys") == [(1,)]


def test_offline_sql_turns_keys_off_before_the_transaction(lite: SqlFolder) -> None:
    make_parents(lite)
    lite.add("2_new.sql", REMADE.format(""))
    text = lite.engine().offline(None)
    with closing(sqlite3.connect(lite.url.removeprefix("sqlite:///"), isolation_level=None)) as file:
        file.executescript("pragma foreign_keys = on;" + text)
    assert lite.rows("select * from b") == [(1,)]
    assert not lite.pending()


def test_keys_that_led_nowhere_before_are_not_the_files_fault(lite: SqlFolder) -> None:
    make_parents(lite)
    lite.apply()
    lite.do("create table lost (a integer references a(id))")
    lite.do("insert into lost values (77)")
    lite.add("2_new.sql", REMADE.format(""))
    lite.apply()
    lite.add("3_worse.sql", "pragma foreign_keys = off;\ninsert into lost values (78);")
    with pytest.raises(PermanentError, match="rows of lost refer to rows of a that are not there"):
        lite.apply()
    assert lite.rows("select a from lost") == [(77,)]


def test_keys_that_lead_nowhere_afterwards_roll_it_back(lite: SqlFolder) -> None:
    make_parents(lite)
    lite.add("2_new.sql", REMADE.format(" where 1 = 2"))
    with pytest.raises(PermanentError, match="rows of b refer to rows of a that are not there"):
        lite.apply()
    assert lite.rows("select * from a") == [(1,)]
    assert lite.ledger() == [("1", "applied")]


@pytest.mark.parametrize("statement", ["vacuum;", "pragma journal_mode = wal;"])
def test_what_needs_no_transaction_says_what_to_write(lite: SqlFolder, statement: str) -> None:
    lite.add("1_t.sql", "create table t (id int);")
    lite.add("2_v.sql", statement)
    with pytest.raises(PermanentError, match="initkit: no-transaction"):
        lite.apply()
    lite.add("2_v.sql", f"-- initkit: no-transaction\n{statement}")
    lite.apply()
    assert lite.ledger()[-1] == ("2", "applied")


def test_a_pragma_that_would_do_nothing_is_refused(lite: SqlFolder) -> None:
    lite.add("1_t.sql", "create table t (id int);\npragma foreign_keys = off;")
    with pytest.raises(PermanentError, match=r"line 2: pragma foreign_keys = off does nothing inside a transaction"):
        lite.apply()


def test_another_program_that_writes_is_waited_for_and_then_told_of(
    lite: SqlFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_AFTERWARDS", 0.2)
    lite.tables(1)
    lite.apply()
    lite.tables(2)
    with closing(sqlite3.connect(lite.url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(TemporaryError, match="database is locked; another program is writing to it"):
            lite.step().apply(lite.context().but(attempt_timeout=0.2))
    lite.apply()
    assert lite.names() == {"t1", "t2"}


def test_what_a_killed_program_left_is_rolled_back_first(lite: SqlFolder) -> None:
    lite.add("1_t.sql", "create table t (id text);")
    lite.apply()
    path = lite.path.parent / "shop.db"
    leave_hot_journal(path, "insert into t values (hex(randomblob(500)))")
    lite.tables(2)
    assert lite.pending() == ["0002"]
    lite.apply()
    assert lite.rows("select count(*) from t") == [(0,)]


def begin(lite: SqlFolder, running: Callable[..., Running]) -> Running:
    lite.add("1_long.sql", f"create table t (id int);\n{LONG}")
    program = running("migrate", str(lite.path), "--url", lite.url)
    program.line_with("applying 1 long")
    # its table is made; whether the next statement has begun nobody can be asked: both ways it must end so
    eventually((lite.path.parent / "shop.db-journal").exists, "the transaction under way")
    return program


def test_a_signal_ends_a_long_statement_and_rolls_it_back(lite: SqlFolder, running: Callable[..., Running]) -> None:
    program = begin(lite, running)
    program.signal(signal.SIGTERM)
    assert program.ended(timeout=8) == 143  # a run that cannot end its statement is let go after 10 s
    assert not lite.names()
    assert not lite.ledger()


def test_a_killed_run_leaves_nothing_but_the_ledger(lite: SqlFolder, running: Callable[..., Running]) -> None:
    program = begin(lite, running)
    program.child.kill()
    program.child.wait()
    lite.add("1_long.sql", "create table t (id int);")
    lite.apply()
    assert lite.names() == {"t"}


def test_a_killed_run_outside_transactions_is_a_persons_to_repair(
    lite: SqlFolder, running: Callable[..., Running]
) -> None:
    lite.add("1_long.sql", f"-- initkit: no-transaction\ncreate table t (id int);\n{LONG}")
    program = running("migrate", str(lite.path), "--url", lite.url)
    left = "select left_behind from initkit_migrations"
    eventually(lambda: lite.names() and "max" in str(lite.rows(left)), "the statement")
    program.child.kill()
    program.child.wait()
    with pytest.raises(PermanentError, match="--repair") as caught:
        lite.apply()
    assert caught.value.done == "create table t (id int)"
    lite.do("drop table t")
    lite.add("1_long.sql", "create table t (id int);")
    lite.apply(repair=True)
    assert lite.ledger() == [("1", "applied")]


def test_a_statement_that_ends_the_transaction_is_told(lite: SqlFolder) -> None:
    lite.add("1_t.sql", "create table t (id integer primary key); insert into t values (1);")
    lite.add("2_t.sql", "create table u (id int); insert or rollback into t values (1);")
    with pytest.raises(PermanentError, match="UNIQUE constraint failed"):
        lite.apply()
    assert lite.names() == {"t"}


def test_check_from_the_command_line_neither_makes_nor_locks(lite: SqlFolder, running: Callable[..., Running]) -> None:
    lite.tables(1)
    program = running("--check", "migrate", str(lite.path), "--url", lite.url)
    assert program.ended() == 3
    assert sorted(path.name for path in lite.path.parent.iterdir()) == ["migrations"]


def test_a_folder_of_sql_is_found_without_being_named(lite: SqlFolder) -> None:
    lite.tables(1)
    assert lite.pending(engine="auto") == ["0001"]
