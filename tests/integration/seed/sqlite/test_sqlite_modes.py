from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from initkit.core.errors import PermanentError
from initkit.steps.seed.store import Counts

if TYPE_CHECKING:
    from fix_seed_sqlite import SqliteDesk

USERS = "id,name,age\n1,Ada,36\n2,Grace,\n3,Edsger,72\n"
BEFORE = "insert into users values (2, 'G.', 1), (3, 'Edsger', 72), (9, 'Alan', 41)"
MODES: list[tuple[dict[str, Any], Counts, str]] = [
    ({"how": "upsert"}, Counts(1, 1, 0, 1), "Ada,Grace,Edsger,Alan"),
    ({"how": "upsert", "prune": True}, Counts(1, 1, 1, 1), "Ada,Grace,Edsger"),
    ({"how": "insert-missing"}, Counts(1, 0, 0, 2), "Ada,G.,Edsger,Alan"),
    ({"how": "replace"}, Counts(1, 1, 1, 1), "Ada,Grace,Edsger"),
    ({"how": "replace", "key": ()}, Counts(2, 0, 2, 1), "Ada,Grace,Edsger"),
]


def names(desk: SqliteDesk) -> str:
    return ",".join(row[0] for row in desk.rows("select name from users order by id"))


@pytest.mark.parametrize(("mode", "counts", "left"), MODES)
def test_a_look_counts_what_the_work_then_does_and_a_second_run_writes_nothing(
    desk: SqliteDesk, mode: dict[str, Any], counts: Counts, left: str
) -> None:
    desk.execute(BEFORE)
    desk.write("users.csv", USERS)
    before = desk.stamp()
    assert desk.compare("users.csv", **mode) == counts
    assert desk.stamp() == before
    assert desk.load("users.csv", **mode) == counts
    assert names(desk) == left
    after = desk.stamp()
    assert desk.compare("users.csv", **mode) == Counts(unchanged=3)
    assert desk.load("users.csv", **mode) == Counts(unchanged=3)
    assert desk.stamp() == after


@pytest.mark.parametrize("mode", [*(mode for mode, _, _ in MODES), {"how": "insert"}])
def test_an_empty_table_is_filled_and_a_look_says_so(desk: SqliteDesk, mode: dict[str, Any]) -> None:
    desk.write("users.csv", USERS)
    assert desk.compare("users.csv", **mode) == Counts(inserted=3)
    assert desk.load("users.csv", **mode) == Counts(inserted=3)
    assert desk.rows("select * from users") == [(1, "Ada", 36), (2, "Grace", None), (3, "Edsger", 72)]


def test_insert_adds_to_what_is_there(desk: SqliteDesk) -> None:
    desk.execute("insert into users values (9, 'Alan', 41)")
    desk.write("users.csv", USERS)
    assert desk.load("users.csv", how="insert") == Counts(inserted=3)
    assert names(desk) == "Ada,Grace,Edsger,Alan"


def test_rows_are_known_by_the_key_that_is_given(desk: SqliteDesk) -> None:
    desk.execute("create unique index by_name on users (name); insert into users values (7, 'Ada', 1), (8, 'X', 2)")
    desk.write("users.csv", "name,age\nAda,36\nGrace,\n")
    assert desk.load("users.csv", key=["name"]) == Counts(1, 1)
    assert desk.rows("select name, age from users order by name") == [("Ada", 36), ("Grace", None), ("X", 2)]
    assert desk.load("users.csv", key=["name"], prune=True) == Counts(0, 0, 1, 2)


def test_a_key_without_an_index_is_taken_where_it_is_unique(desk: SqliteDesk) -> None:
    desk.execute("insert into users values (7, 'Ada', 1), (8, 'X', 2)")
    desk.write("users.csv", "name,age\nAda,36\n")
    assert desk.load("users.csv", key=["name"]) == Counts(updated=1)
    desk.execute("insert into users values (9, 'X', 3)")
    said = desk.refused("users.csv", key=["name"])
    assert said == (
        "cannot load users.csv into users: the key name is not unique in the table: X stands there more than once; "
        "name other columns by --key, or remove what is there twice"
    )


def test_the_key_of_another_column_may_change_the_primary_key(desk: SqliteDesk) -> None:
    desk.execute("insert into users values (7, 'Ada', 1)")
    desk.write("users.csv", "id,name\n8,Ada\n")
    assert desk.load("users.csv", key=["name"]) == Counts(updated=1)
    assert desk.rows("select * from users") == [(8, "Ada", 1)]


def test_objects_change_only_what_they_mention(desk: SqliteDesk) -> None:
    desk.execute("insert into users values (1, 'Ada', 1), (2, 'Grace', 2), (3, 'Edsger', 3)")
    desk.write(
        "users.ndjson",
        '{"id": 1, "age": 36}\n{"id": 2, "name": "G."}\n{"id": 3, "age": null}\n{"id": 4, "name": "N"}\n',
    )
    assert desk.load("users.ndjson") == Counts(1, 3)
    assert desk.rows("select name, age from users") == [("Ada", 36), ("G.", 2), ("Edsger", None), ("N", None)]
    assert desk.load("users.ndjson") == Counts(unchanged=4)


def test_a_default_fills_what_an_object_does_not_mention(desk: SqliteDesk) -> None:
    desk.execute("create table t (id integer primary key, a text default 'x', b text default 'y')")
    desk.write("t.ndjson", '{"id": 1}\n{"id": 2, "a": null}\n{"id": 3, "b": "z"}\n')
    desk.load("t.ndjson")
    assert desk.rows("select * from t") == [(1, "x", "y"), (2, None, "y"), (3, "x", "z")]


def test_replacing_without_a_key_keeps_as_many_of_a_row_as_the_file_has(desk: SqliteDesk) -> None:
    desk.execute(
        "create table log (line text, n integer); insert into log values ('a', 1), ('a', 1), ('a', 1), ('b', 2)"
    )
    desk.write("log.csv", "line,n\na,1\na,1\nc,\nc,\n")
    assert desk.load("log.csv", how="replace") == Counts(2, 0, 2, 2)
    assert desk.rows("select * from log order by line") == [("a", 1), ("a", 1), ("c", None), ("c", None)]
    assert desk.load("log.csv", how="replace") == Counts(unchanged=4)


def test_replacing_without_a_key_lets_objects_that_say_more_choose_first(desk: SqliteDesk) -> None:
    desk.execute("create table log (line text, n integer); insert into log values ('a', 1), ('a', 2)")
    desk.write("log.ndjson", '{"line": "a"}\n{"line": "a", "n": 1}\n')
    assert desk.load("log.ndjson", how="replace") == Counts(unchanged=2)


def test_a_value_that_a_deleted_or_updated_row_gives_up_may_be_taken(desk: SqliteDesk) -> None:
    desk.execute("create unique index by_name on users (name); insert into users values (1, 'a', 0), (2, 'b', 0)")
    desk.write("users.csv", "id,name\n2,c\n3,a\n4,b\n")
    assert desk.load("users.csv", how="replace") == Counts(2, 1, 1)


def test_a_table_of_keys_alone_is_merged(desk: SqliteDesk) -> None:
    desk.execute("create table tags (a integer, b text, primary key (b, a)); insert into tags values (1, 'x')")
    desk.write("tags.csv", "a,b\n1,x\n1,y\n")
    assert desk.load("tags.csv") == Counts(1, 0, 0, 1)


def test_a_merge_without_a_key_is_refused(desk: SqliteDesk) -> None:
    desk.execute("create table log (line text)")
    desk.write("log.csv", "line\nx\n")
    assert "the table has no primary key; give it one, name columns by --key" in desk.refused("log.csv")
    assert "the table has no primary key" in desk.refused("log.csv", how="insert-missing")


def test_an_empty_file_prunes_everything(desk: SqliteDesk) -> None:
    desk.execute(BEFORE)
    desk.write("users.csv", "id,name,age\n")
    assert desk.load("users.csv", prune=True) == Counts(deleted=3)
    assert names(desk) == ""


def test_the_same_key_twice_is_refused_with_both_lines(desk: SqliteDesk) -> None:
    desk.write("users.csv", 'id,name\n1,"A\nB"\n2,x\n1,y\n')
    empty = desk.refused("users.csv")
    assert "line 5, column id, value '1': the same key stands in line 2; remove one of them" in empty
    desk.execute("insert into users values (1, 'x', 0), (2, 'y', 0)")
    assert desk.refused("users.csv") == empty
    assert desk.refused("users.csv", how="insert-missing") == empty
    with pytest.raises(PermanentError, match="line 5, column id"):
        desk.compare("users.csv")


def test_a_key_that_is_null_or_missing_is_refused_with_its_line(desk: SqliteDesk) -> None:
    desk.write("users.csv", "id,name\n1,a\n,b\n")
    desk.write("users.ndjson", '{"id": 1, "name": "a"}\n{"name": "b"}\n')
    for _ in range(2):
        assert "line 3, column id: the key is NULL" in desk.refused("users.csv")
        assert "line 2: there is no id, by which rows are known" in desk.refused("users.ndjson")
        desk.execute("insert or ignore into users values (9, 'x', 0)")  # now it is compared


def test_datasets_may_refer_to_each_other_in_any_order(desk: SqliteDesk) -> None:
    desk.execute(
        "create table pets (id integer primary key, owner integer references users, eats integer references pets)"
    )
    desk.write("pets.csv", "id,owner,eats\n1,1,2\n2,3,\n")
    desk.write("users.csv", USERS)
    desk.load("pets.csv", "users.csv")
    assert desk.rows("select count(*) from pets") == [(2,)]
