from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest
from fix_clock import make_context
from fix_sqlite import leave_hot_journal

from initkit.core.errors import PermanentError, TemporaryError
from initkit.steps.seed.content.content import Content
from initkit.steps.seed.dataset import Dataset
from initkit.steps.seed.ledger import Entry
from initkit.steps.seed.sqlite import store
from initkit.steps.seed.store import Counts, Loading

if TYPE_CHECKING:
    from pathlib import Path

    from fix_seed_sqlite import SqliteDesk

    from initkit.steps.seed.tables import Table


def described(desk: SqliteDesk, name: str) -> Table | None:
    with store.reading(str(desk.path), make_context()) as opened:
        return opened.table(name)


def twice(desk: SqliteDesk, name: str, **given: Any) -> Counts:
    """The counts of the first of two loads, once it is clear that the second wrote nothing."""
    counts = desk.load(name, **given)
    stamp = desk.stamp()
    assert not desk.load(name, **given).changed
    assert desk.stamp() == stamp
    return counts


def test_a_table_is_described(desk: SqliteDesk) -> None:
    desk.execute(
        "create table T (Id integer primary key, a text not null, b text not null default 'x', c json, "
        "d integer as (id * 2), e text, p integer references Users, unique (a, b));"
        "create unique index some on t (e) where e <> ''; create unique index any_case on t (lower(e))"
    )
    found = described(desk, "main.t")
    assert found
    assert (found.identity, found.resolved, found.key) == ("t", "main.T", ("Id",))
    assert list(found.columns) == ["Id", "a", "b", "c", "d", "e", "p"]
    assert [name for name, column in found.columns.items() if column.required] == ["a"]
    assert found.defaults == {"Id", "b"}
    assert found.columns["D"].generated
    assert found.columns["C"].shape == "json"
    assert set(found.unique) == {("Id",), ("a", "b")}
    assert [reference.parent for reference in found.references] == ["users"]


def test_what_is_no_table_is_not_found(desk: SqliteDesk) -> None:
    desk.execute("create view seen as select * from users")
    assert described(desk, "nothing") is None
    assert described(desk, "public.users") is None
    assert described(desk, "temp.users") is None
    with pytest.raises(PermanentError, match="cannot seed seen: it is a view; name the table behind it"):
        described(desk, "seen")


@pytest.mark.parametrize("how", ["insert", "upsert", "replace"])
def test_names_are_the_same_in_small_and_capital_letters(desk: SqliteDesk, how: str) -> None:
    desk.execute('create table "Big Words" ("Id" integer primary key, "Größe" text, "order" text)')
    desk.write("BIG words.csv", "ID,Größe,ORDER\n1,x,y\n")
    desk.write("big WORDS.ndjson", '{"iD": 2, "Größe": "x", "Order": "y"}\n')
    desk.load("BIG words.csv", how=how)
    desk.load("big WORDS.ndjson", how="upsert")
    assert desk.rows('select * from "Big Words"') == [(1, "x", "y"), (2, "x", "y")]
    desk.write("BIG words.csv", "id,GRÖSSE\n1,x\n")
    assert "has no column 'GRÖSSE'" in desk.refused("BIG words.csv")


def test_a_table_without_row_numbers_is_merged(desk: SqliteDesk) -> None:
    desk.execute(
        "create table t (a text, b integer, v text, primary key (a, b)) without rowid;"
        "insert into t values ('x', 1, 'old'), ('x', 2, 'same'), ('y', 1, 'gone')"
    )
    desk.write("t.csv", "a,b,v\nx,1,new\nx,2,same\nz,1,added\n")
    assert twice(desk, "t.csv", how="replace") == Counts(1, 1, 1, 1)
    desk.write("t.csv", "a,b,v\nx,1,new\nx,1,newer\n")
    assert "line 3, column a, b" in desk.refused("t.csv")
    desk.write("t.csv", "a,b,v\nx,1,new\n")
    assert twice(desk, "t.csv", how="replace", key=()) == Counts(0, 0, 2, 1)


def test_columns_that_are_called_as_row_numbers_are_do_not_confuse(desk: SqliteDesk) -> None:
    desk.execute(
        "create table t (rowid text unique, oid text); create table u (rowid text, _rowid_ text, oid text primary key)"
    )
    desk.write("t.csv", "rowid,oid\na,1\nb,2\n")
    desk.write("u.csv", "rowid,_rowid_,oid\na,1,x\nb,2,y\n")
    assert twice(desk, "t.csv", key=["rowid"]) == Counts(inserted=2)
    assert twice(desk, "u.csv") == Counts(inserted=2)
    desk.write("t.csv", "rowid,oid\na,1\nb,3\n")
    desk.write("u.csv", "rowid,_rowid_,oid\nq,1,x\nb,2,y\n")
    assert twice(desk, "t.csv", key=["rowid"], prune=True) == Counts(0, 1, 0, 1)
    assert twice(desk, "u.csv", how="replace") == Counts(0, 1, 0, 1)


def test_a_column_that_the_database_computes_follows(desk: SqliteDesk) -> None:
    desk.execute(
        "create table t (id integer primary key, a integer, b integer as (a * 2), c integer as (a * 3) stored);"
        "insert into t (id, a) values (1, 1)"
    )
    desk.write("t.csv", "id,a\n1,5\n2,6\n")
    assert twice(desk, "t.csv") == Counts(1, 1)
    assert desk.rows("select * from t") == [(1, 5, 10, 15), (2, 6, 12, 18)]
    assert twice(desk, "t.csv", how="replace", key=()) == Counts(unchanged=2)
    desk.write("t.csv", "id,a,b\n1,5,10\n")
    assert "the database computes b itself" in desk.refused("t.csv")


def test_numbers_that_the_database_gives_go_on_after_the_greatest(desk: SqliteDesk) -> None:
    desk.execute("create table t (id integer primary key autoincrement, v text)")
    desk.write("t.csv", "id,v\n41,a\n7,b\n")
    assert twice(desk, "t.csv") == Counts(inserted=2)
    desk.execute("insert into t (v) values ('next')")
    assert desk.rows("select max(id) from t") == [(42,)]
    desk.write("t.csv", "v\nx\n")
    desk.load("t.csv", how="insert")
    assert desk.rows("select max(id) from t") == [(43,)]


def test_nulls_in_a_unique_column_are_no_duplicates(desk: SqliteDesk) -> None:
    desk.execute("create table t (id integer primary key, u text unique)")
    desk.write("t.csv", "id,u\n1,\n2,\n3,x\n")
    assert desk.compare("t.csv", how="insert") == Counts(inserted=3)
    assert desk.load("t.csv", how="insert") == Counts(inserted=3)
    assert desk.load("t.csv") == Counts(unchanged=3)


def test_a_key_without_case_is_the_same_in_any_case(desk: SqliteDesk) -> None:
    desk.execute("create table t (word text collate nocase primary key, n text collate nocase)")
    desk.write("t.csv", "word,n\nAda,x\nada,y\n")
    for _ in range(2):
        assert "line 3, column word, value 'ada': the same key stands in line 2" in desk.refused("t.csv")
        desk.execute("insert or ignore into t values ('ADA', 'x')")
    desk.write("t.csv", "word,n\nada,X\n")
    assert twice(desk, "t.csv") == Counts(updated=1)
    assert desk.rows("select * from t") == [("ADA", "X")]
    assert desk.load("t.csv", how="insert-missing", prune=True) == Counts(unchanged=1)


def test_an_index_without_case_is_no_index_of_a_key_with_case(desk: SqliteDesk) -> None:
    desk.execute("create table t (w text, n integer); create index i on t (w collate nocase)")
    desk.execute("insert into t values ('ada', 1), ('Ada', 2)")
    desk.write("t.csv", "w,n\nAda,3\n")
    assert twice(desk, "t.csv", key=["w"]) == Counts(updated=1)
    assert desk.rows("select * from t") == [("ada", 1), ("Ada", 3)]


def test_a_row_that_is_there_is_never_replaced_by_a_clause_of_the_table(desk: SqliteDesk) -> None:
    desk.execute("create table t (id integer primary key on conflict replace, u text unique on conflict ignore)")
    desk.execute("insert into t values (1, 'a')")
    desk.write("t.csv", "id,u\n1,b\n")
    assert "UNIQUE constraint failed: t.id" in desk.refused("t.csv", how="insert")
    desk.write("t.csv", "id,u\n2,a\n")
    assert "UNIQUE constraint failed: t.u" in desk.refused("t.csv")


def test_triggers_see_every_row_that_is_written_and_no_other(desk: SqliteDesk) -> None:
    desk.execute(
        "create table seen (what text); insert into users values (1, 'Ada', 36), (2, 'G.', 7), (3, 'gone', 1);"
        "create trigger i after insert on users begin insert into seen values ('+' || new.id); end;"
        "create trigger u after update on users begin insert into seen values ('=' || new.id); end;"
        "create trigger d after delete on users begin insert into seen values ('-' || old.id); end"
    )
    desk.write("users.csv", "id,name,age\n1,Ada,36\n2,Grace,7\n4,Alan,41\n")
    assert twice(desk, "users.csv", how="replace") == Counts(1, 1, 1, 1)
    assert desk.rows("select what from seen") == [("-3",), ("=2",), ("+4",)]


def test_a_row_that_a_trigger_passes_over_is_not_counted(desk: SqliteDesk) -> None:
    desk.execute("create trigger i before insert on users when new.id = 2 begin select raise(ignore); end")
    desk.write("users.csv", "id,name\n1,a\n2,b\n3,c\n")
    assert desk.load("users.csv", how="insert") == Counts(inserted=2)


def test_a_table_of_many_columns_and_sets_is_loaded(desk: SqliteDesk) -> None:
    columns = [f"c{number}" for number in range(900)]
    desk.execute(f"create table t (id integer primary key, {', '.join(columns)})")
    lines = [",".join(["id", *columns])] + [",".join([str(row), *columns]) for row in range(30)]
    desk.write("t.csv", "\n".join(lines))
    assert twice(desk, "t.csv") == Counts(inserted=30)
    desk.write("t.ndjson", "".join(f'{{"id": {row}, "c{row}": "x", "c{row + 1}": "y"}}\n' for row in range(40)))
    assert twice(desk, "t.ndjson") == Counts(10, 30)


def test_statements_run_in_the_same_transaction(desk: SqliteDesk) -> None:
    desk.write("more.sql", "create table log (line text);\n-- two\ninsert into log values ('a;b');\nselect 1;\n")
    assert run(desk, "more.sql") == 3
    assert desk.rows("select * from log") == [("a;b",)]
    desk.write("more.sql", "insert into log values ('c');\n\ninsert into nowhere values (1);\n")
    with pytest.raises(PermanentError, match=r"line 3: no such table: nowhere, in insert into .*; mend the statement"):
        run(desk, "more.sql")
    assert desk.rows("select * from log") == [("a;b",)]


def run(desk: SqliteDesk, name: str) -> int:
    context = make_context()
    with store.writing(str(desk.path), context) as opened:
        return opened.run(Content(Dataset(str(desk.folder / name), "", "sql"), context))


def test_the_ledger_is_written_with_the_rows(desk: SqliteDesk) -> None:
    with store.reading(str(desk.path), make_context()) as opened:
        assert opened.ledger() == []
    entry = Entry("seed/users.csv", "main.users", "abc", rows=3)
    for digest in ("abc", "def"):
        with store.writing(str(desk.path), make_context()) as opened:
            opened.record(Entry("seed/users.csv", "main.users", digest, rows=3))
    with store.reading(str(desk.path), make_context()) as opened:
        (found,) = opened.ledger()
    assert (found.dataset, found.table, found.sha256, found.rows) == (entry.dataset, entry.table, "def", 3)
    assert found.seeded_at.endswith("UTC")


def test_a_look_needs_no_right_to_write(desk: SqliteDesk) -> None:
    desk.write("users.csv", "id,name\n1,Ada\n")
    desk.execute("pragma journal_mode = wal; insert into users values (1, 'x', 1)")
    desk.path.chmod(0o444)
    desk.path.parent.chmod(0o555)
    try:
        assert desk.compare("users.csv") == Counts(updated=1)
    finally:
        desk.path.parent.chmod(0o755)


def test_the_commit_waits_for_those_who_still_read(desk: SqliteDesk) -> None:
    desk.write("users.csv", "id,name\n1,Ada\n")
    with closing(sqlite3.connect(desk.path, isolation_level=None, check_same_thread=False)) as reader:
        reader.execute("begin")
        reader.execute("select * from users").fetchall()
        with pytest.raises(TemporaryError, match="locked"):
            desk.load("users.csv", context=make_context(timeout=0.5, attempt_timeout=0.2))
    assert desk.rows("select * from users") == []
    assert desk.load("users.csv") == Counts(inserted=1)


def test_a_look_rolls_back_what_a_killed_program_left_and_counts(desk: SqliteDesk) -> None:
    desk.write("users.csv", "id,name\n1,Ada\n")
    leave_hot_journal(desk.path, "insert into users (name) values ('lost')")
    assert desk.compare("users.csv") == Counts(inserted=1)
    assert desk.rows("select * from users") == []


def test_temporary_files_lie_where_the_database_is(desk: SqliteDesk) -> None:
    lines = "".join(f"{number},{'x' * 500}\n" for number in range(20_000))
    desk.write("users.csv", "id,name\n" + lines)
    desk.execute("insert into users values (1, 'x', 1)")
    places: set[str] = set()
    context = make_context()
    with store.writing(str(desk.path), context) as opened:
        table = opened.table("users")
        assert table
        content = Content(Dataset(str(desk.folder / "users.csv"), "users", "csv"), context)
        opened.load(Loading(content, table, "upsert", ("id",)))
        for number in os.listdir("/proc/self/fd"):
            with suppress(FileNotFoundError):  # the folder's own
                place, name = os.path.split(os.readlink(f"/proc/self/fd/{number}"))
                places |= {place} if name.startswith("etilqs_") else set()
    assert places == {str(desk.path.parent)}


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(PermanentError, match="it is a folder; name the file in it, or mend the URL"),
        store.reading(str(tmp_path), make_context()),
    ):
        pass
