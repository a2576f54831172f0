from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from initkit.core.errors import PermanentError

if TYPE_CHECKING:
    from fix_seed_sqlite import SqliteDesk

T = "create table t (id integer primary key, a text not null, n integer check (n < 10), u text unique)"
WAYS: list[dict[str, Any]] = [{"how": "insert"}, {"how": "upsert"}, {"how": "insert-missing"}, {"how": "replace"}]


@pytest.fixture
def table(desk: SqliteDesk) -> SqliteDesk:
    desk.execute(T)
    return desk


@pytest.mark.parametrize("is_empty", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_null_is_told_with_its_line(table: SqliteDesk, way: dict[str, Any], *, is_empty: bool) -> None:
    begin(table, is_empty=is_empty)
    table.write("t.csv", 'id,a\n1,x\n2,"y\nz"\n3,\n')
    assert 'line 5, column a: NOT NULL constraint failed: t.a; give it a value; in CSV the empty string is ""' in (
        table.refused("t.csv", **way)
    )


@pytest.mark.parametrize("is_empty", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_a_check_is_told_with_its_line(table: SqliteDesk, way: dict[str, Any], *, is_empty: bool) -> None:
    begin(table, is_empty=is_empty)
    content = "id,a,n\n" + "".join(f"{number},x,{number % 10}\n" for number in range(1, 250)) + "250,y,10\n251,y,11\n"
    table.write("t.csv", content)
    assert "line 251: CHECK constraint failed: n < 10; mend the file" in table.refused("t.csv", **way)


@pytest.mark.parametrize("is_empty", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_what_must_be_unique_is_told_with_its_line(table: SqliteDesk, way: dict[str, Any], *, is_empty: bool) -> None:
    begin(table, is_empty=is_empty)
    table.write("t.csv", "id,a,u\n1,x,same\n2,y,other\n3,z,same\n")
    said = table.refused("t.csv", **way)
    assert "line 4, column u, value 'same': " in said
    if way["how"] == "insert":
        assert "the same key stands in line 2; remove one of them" in said
    else:
        assert "give it another value, or change the row that has this one already" in said


def test_an_update_that_is_refused_is_told_with_its_line(table: SqliteDesk) -> None:
    table.execute("insert into t values (1, 'x', 1, 'a'), (2, 'y', 2, 'b')")
    table.write("t.csv", "id,n\n1,3\n2,12\n")
    assert "line 3: CHECK constraint failed" in table.refused("t.csv")
    table.write("t.csv", "id,u\n2,a\n")
    assert "line 2, column u, value 'a': UNIQUE constraint failed: t.u; give it another" in table.refused("t.csv")


def begin(desk: SqliteDesk, *, is_empty: bool) -> None:
    if not is_empty:
        desk.execute("insert into t (id, a) values (1000, 'x')")


def test_a_row_that_is_in_the_table_already_is_told_with_its_line(table: SqliteDesk) -> None:
    table.execute("insert into t (id, a) values (2, 'x')")
    table.write("t.csv", "id,a\n1,x\n2,y\n")
    said = table.refused("t.csv", how="insert")
    assert "line 3, column id, value '2': UNIQUE constraint failed: t.id; remove it from the file, or use" in said
    with pytest.raises(PermanentError) as caught:
        table.compare("t.csv", how="insert")
    assert str(caught.value).replace(f"{table.folder}/", "") == said


@pytest.mark.parametrize(
    "content",
    ["id,a\n1,x\n1,y\n", "id,a\n1,x\n2,\n", "id,a,u\n1,x,q\n2,y,\n3,y,\n4,y,q\n", "id,a\nx,y\n", "id,u\n1,x\n"],
)
def test_a_look_at_what_is_loaded_once_refuses_what_the_load_does(table: SqliteDesk, content: str) -> None:
    table.write("t.csv", content)
    said = table.refused("t.csv", how="insert")
    with pytest.raises(PermanentError) as caught:
        table.compare("t.csv", how="insert")
    assert str(caught.value).replace(f"{table.folder}/", "") == said


@pytest.mark.parametrize("verb", ["abort", "fail", "rollback"])
@pytest.mark.parametrize("way", WAYS)
def test_what_a_trigger_says_is_told_with_the_line(table: SqliteDesk, way: dict[str, Any], verb: str) -> None:
    table.execute(
        "create trigger guard before insert on t when new.id = 3 "
        f"begin select raise({verb}, 'no threes here'); end; insert into t (id, a) values (1000, 'x')"
    )
    table.write("t.csv", "id,a\n1,x\n2,x\n3,x\n4,x\n")
    assert "line 4: no threes here" in table.refused("t.csv", **way)


def test_a_parent_that_is_not_there_is_told_with_the_line(desk: SqliteDesk) -> None:
    desk.execute("create table pets (id integer primary key, owner integer references users (id), name text)")
    desk.execute("pragma foreign_keys = off; insert into pets values (1000, 77, 'lost long ago')")
    desk.write("users.csv", "id,name\n1,Ada\n")
    desk.write("pets.csv", "id,name,owner\n1,a,1\n2,b,\n3,c,05\n4,d,6\n")
    said = desk.refused("pets.csv", "users.csv")
    assert said == (
        "cannot load pets.csv into pets: line 4, column owner, value '05': there is no such row in table users; "
        "add the row that it refers to, or mend the file"
    )
    desk.write("pets.csv", "id,name,owner\n1,a,1\n2,b,\n")
    desk.load("pets.csv", "users.csv")


def test_a_parent_by_several_columns_is_told(desk: SqliteDesk) -> None:
    desk.execute(
        "create table p (a integer, b text, primary key (a, b));"
        "create table c (id integer primary key, pa integer, pb text, foreign key (pa, pb) references p)"
    )
    desk.write("p.csv", "a,b\n1,x\n")
    desk.write("c.csv", "id,pa,pb\n1,1,x\n2,1,y\n")
    assert "line 3, column pa, pb, value '1, y': there is no such row in table p" in desk.refused("p.csv", "c.csv")


def test_an_unusual_row_number_is_refused(desk: SqliteDesk) -> None:
    desk.execute("create table t (id integer primary key, at datetime)")
    desk.write("t.csv", "id\n1\n2.5\n")
    assert "line 3, column id, value '2.5': expected a whole number" in desk.refused("t.csv")


def test_a_column_whose_name_is_secret_shows_no_value(desk: SqliteDesk) -> None:
    desk.execute("create table t (id integer primary key, api_key integer)")
    desk.write("t.csv", "id,api_key\n1,canary\n")
    assert "canary" not in desk.refused("t.csv")
    desk.execute("create table u (api_key text, n integer); insert into u values ('canary', 1), ('canary', 2)")
    desk.write("u.csv", "api_key,n\ncanary,3\n")
    assert "*** stands there more than once" in desk.refused("u.csv", key=["api_key"])
