from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from initkit.steps.seed.store import Counts

if TYPE_CHECKING:
    from fix_seed_sqlite import SqliteDesk

DELETING: list[dict[str, Any]] = [{"prune": True}, {"how": "replace"}, {"how": "replace", "key": ()}]


@pytest.fixture
def pair(desk: SqliteDesk) -> SqliteDesk:
    desk.execute("insert into users values (1, 'Ada', 36), (2, 'Grace', 7), (3, 'Edsger', 72)")
    desk.write("users.csv", "id,name,age\n1,Ada,36\n")
    return desk


@pytest.mark.parametrize("way", DELETING)
@pytest.mark.parametrize("action", ["cascade", "set null", "set default"])
def test_rows_of_another_table_never_go_or_change_with_those_that_left(
    pair: SqliteDesk, action: str, way: dict[str, Any]
) -> None:
    pair.execute(
        f"create table pets (name text, owner integer default 1 references users on delete {action});"
        "insert into pets values ('a', 1), ('b', 2), ('c', 2)"
    )
    said = pair.refused("users.csv", **way)
    assert said == (
        "cannot load users.csv into users: 2 rows are not in the file, and deleting them would change 2 rows of pets "
        f"(ON DELETE {action.upper()}); delete first what refers to them, or keep them in the file"
    )
    pair.execute("delete from pets where owner = 2")
    assert pair.load("users.csv", **way) == Counts(deleted=2, unchanged=1)
    assert pair.rows("select * from pets") == [("a", 1)]


@pytest.mark.parametrize("way", DELETING)
@pytest.mark.parametrize("action", ["no action", "restrict"])
def test_rows_that_others_need_are_not_deleted(pair: SqliteDesk, action: str, way: dict[str, Any]) -> None:
    pair.execute(
        f"create table pets (name text, owner integer references users on delete {action});"
        "insert into pets values ('a', 1), ('b', 2)"
    )
    said = pair.refused("users.csv", **way)
    assert said == (
        "cannot commit what was seeded: rows would refer to rows that are not there: 1 of pets refer to rows of users; "
        "keep the rows that others refer to, or delete those others first"
    )


@pytest.mark.parametrize("action", ["no action", "restrict", "cascade", "set null"])
def test_rows_may_leave_together_with_those_that_refer_to_them(pair: SqliteDesk, action: str) -> None:
    pair.execute(
        f"create table pets (id integer primary key, owner integer references users on delete {action});"
        "insert into pets values (1, 2)"
    )
    pair.write("pets.csv", "id,owner\n")
    assert pair.load("users.csv", how="upsert") == Counts(unchanged=1)
    pair.load("users.csv", "pets.csv", how="replace")
    assert pair.rows("select count(*) from users") == [(1,)]


def test_a_tree_may_lose_a_branch_but_no_leaf_that_is_to_stay(desk: SqliteDesk) -> None:
    desk.execute(
        "create table tree (id integer primary key, up integer references tree on delete cascade);"
        "insert into tree values (1, null), (2, 1), (3, 2), (4, 3)"
    )
    desk.write("tree.csv", "id,up\n1,\n2,1\n4,3\n")
    assert "1 row is not in the file, and deleting it would change 1 row of tree (ON DELETE CASCADE)" in desk.refused(
        "tree.csv", prune=True
    )
    desk.write("tree.csv", "id,up\n1,\n2,1\n")
    assert desk.load("tree.csv", prune=True) == Counts(deleted=2, unchanged=2)
    assert desk.rows("select id from tree") == [(1,), (2,)]


def test_a_trigger_that_forbids_deleting_is_heard(pair: SqliteDesk) -> None:
    pair.execute("create trigger guard before delete on users begin select raise(abort, 'kept for ever'); end")
    said = pair.refused("users.csv", prune=True)
    assert "2 rows are not in the file, and deleting them is refused: kept for ever" in said


def test_a_key_that_is_null_in_the_table_is_not_in_the_file(desk: SqliteDesk) -> None:
    desk.execute("create table t (k text unique, v text); insert into t values (null, 'a'), ('x', 'b')")
    desk.write("t.csv", "k,v\nx,b\n")
    assert desk.load("t.csv", key=["k"]) == Counts(unchanged=1)
    assert desk.load("t.csv", key=["k"], prune=True) == Counts(deleted=1, unchanged=1)
