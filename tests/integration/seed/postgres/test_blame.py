from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from initkit.core.errors import PermanentError

if TYPE_CHECKING:
    from fix_seed_postgres import Seeding

    from initkit.steps.seed.store import How

TABLES = """
create table parents (id int primary key);
insert into parents values (1), (2);
create table t (
    id int primary key, parent int references parents, name text not null, age int check (age < 200), at date,
    other int unique, span int4range, exclude using gist (span with &&));
create function refuse() returns trigger language plpgsql as $$
begin if new.name = 'bad' then raise 'no % here', new.name using errcode = 'U0815'; end if; return new; end $$;
create trigger refuse before insert or update on t for each row execute function refuse();
create function refuse_all() returns trigger language plpgsql as $$
begin if exists (select from t where name = 'late') then raise 'late is too late'; end if; return null; end $$;
create trigger refuse_all after insert or update on t execute function refuse_all();
"""
HEAD = "id,parent,name,age,at,other,span\n"
GOOD = "".join(f"{n},1,n,{n},2026-01-01,{n},\n" for n in range(10, 60))

# what stands in the row, and what is said of it
CASES = {
    "value": ("3,1,n,x1,,,", r"line 52, column age, value 'x1': invalid input syntax for type integer"),
    "date": ("3,1,n,1,31.12.2026,,", r"line 52, column at, value '31.12.2026': date/time field value out of range"),
    "too large": (
        "99999999999,1,n,1,,,",
        r'line 52, column id, value \'99999999999\': value "99999999999" is out of range',
    ),
    "null": ("3,1,,1,,,", r'line 52, column name: null value in column "name".*; give it a value'),
    "check": ("3,1,n,500,,,", r'line 52: new row for relation "t" violates check constraint "t_age_check"'),
    "foreign key": (
        "3,77,n,1,,,",
        r"line 52, column parent, value '77': .* violates foreign key.*\(parent\)=\(77\) is not present.*; add the row",
    ),
    "trigger": ("3,1,bad,1,,,", r"line 52: no bad here"),
    "statement trigger": ("3,1,late,1,,,", r"line 52: late is too late"),
    "unique": (
        "3,1,n,1,,10,",
        r"line 52, column other, value '10': duplicate key value.*\(other\)=\(10\) already exists",
    ),
    "exclusion": ('3,1,n,1,,,"[100,200)"', r"line 52.*conflicting key value violates exclusion constraint"),
}


@pytest.fixture
def tables(seeding: Seeding) -> Seeding:
    seeding.sql(TABLES)
    return seeding


@pytest.mark.parametrize("how", ["insert", "upsert", "replace"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_bad_row_is_told_with_its_line(tables: Seeding, how: How, case: str, full: bool) -> None:  # noqa: FBT001
    line, said = CASES[case]
    span = '7,1,n,7,2026-01-01,7,"[150,160)"\n'
    if full and how != "insert":
        tables.sql("insert into t select n, 1, 'm', n, '2026-01-01', n from generate_series(10, 59) n")
    before = tables.rows("select * from t order by id")
    content = HEAD + GOOD + line + "\n" + span.replace("7,1,n", "8,1,n")
    if case == "exclusion":
        content = HEAD + span + GOOD.split("\n", 1)[1] + line + "\n"
    if case == "unique":
        said = "line 52, column other, value '10': the same key stands in line 2"
    with pytest.raises(PermanentError, match=f"^cannot load .*x.csv into t: {said}"):
        tables.load(tables.csv("t", content, how))
    assert tables.rows("select * from t order by id") == before


def test_a_bad_row_of_ndjson_is_told_with_its_line(tables: Seeding) -> None:
    lines = "".join(f'{{"id": {n}, "name": "n", "{"age" if n % 2 else "other"}": {n}}}\n' for n in range(1, 101))
    for bad, said in {
        '{"id": 200, "name": "n", "age": "old"}': "line 101, column age, value 'old'",
        '{"id": 200, "name": "n", "parent": 5}': "line 101, column parent, value '5'",
        '{"id": 200, "name": null}': "line 101, column name: null value",
    }.items():
        hows: tuple[How, ...] = ("insert", "upsert")
        for how in hows:
            with pytest.raises(PermanentError, match=said):
                tables.load(tables.ndjson("t", f"{lines}{bad}\n", how))


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("how", ["upsert", "insert-missing", "replace"])
def test_two_rows_with_one_key_are_told_with_both_lines(tables: Seeding, how: How, full: bool) -> None:  # noqa: FBT001
    if full:
        tables.sql("insert into t (id, name) values (10, 'n'), (11, 'n')")
    given = tables.csv("t", 'id,name\n9,"two\nlines"\n10,a\n11,b\n12,c\n11,d\n10,e\n', how)
    for attempt in (tables.load, tables.compare):
        with pytest.raises(
            PermanentError, match=r"line 7, column id, value '11': the same key stands in line 5; remove"
        ):
            attempt(given)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("how", ["upsert", "insert-missing", "replace"])
def test_a_row_without_its_key_is_told(seeding: Seeding, how: How, full: bool) -> None:  # noqa: FBT001
    seeding.sql("create table k (a text, b text unique)")
    if full:
        seeding.sql("insert into k values ('a', 'b')")
    for attempt in (seeding.load, seeding.compare):
        with pytest.raises(PermanentError, match="line 3, column b: the key is NULL"):
            attempt(seeding.csv("k", "a,b\nx,1\ny,\nz,3\n", how, ["b"]))
        with pytest.raises(PermanentError, match="there is no b, by which rows are known"):
            attempt(seeding.ndjson("k", '{"b": "1"}\n{"a": "y"}\n', how, ["b"]))
        with pytest.raises(PermanentError, match="the file has no b, by which rows are known"):
            attempt(seeding.csv("k", "a\nx\n", how, ["b"]))
    with pytest.raises(PermanentError, match="the table has no primary key"):
        seeding.load(seeding.csv("k", "a,b\nx,1\n", "upsert"))


def test_a_look_sees_what_an_insert_would_meet(tables: Seeding) -> None:
    tables.sql("drop trigger refuse on t")  # it might fill in what must not be NULL
    tables.sql("insert into t (id, name, other) values (5, 'n', 8)")
    for content, said in {
        "id,name,other\n1,a,\n5,b,\n": "line 3, column id, value '5': a row with this key is there already",
        "id,name,other\n1,a,1\n2,b,8\n": "line 3, column other, value '8': a row with this key is there already",
        "id,name,other\n1,a,1\n2,b,2\n1,b,3\n": "line 4, column id, value '1': the same key stands in line 2",
        "id,name,other\n1,a,\n2,,\n": "line 3, column name: it must not be NULL",
        "id,name,age\n1,a,1\n2,b,x\n": "line 3, column age, value 'x'",
    }.items():
        with pytest.raises(PermanentError, match=said):
            tables.compare(tables.csv("t", content, "insert"))


@pytest.mark.parametrize("language", ["de_DE", "ja_JP", "C"])
def test_the_servers_language_does_not_matter(tables: Seeding, language: str) -> None:
    """Where the server has no such language it stays English, and the test the same."""
    name = tables.rows("select current_database()")[0][0]
    tables.sql(
        f"do $$ begin execute 'alter database {name} set lc_messages = ''{language}.UTF-8'''; "
        "exception when others then null; end $$"
    )
    for how in ("insert", "upsert"):
        for case in ("value", "null", "check", "foreign key"):
            line, _ = CASES[case]
            with pytest.raises(PermanentError, match=r"into t: line 52\b"):
                tables.load(tables.csv("t", HEAD + GOOD + line + "\n", how))


def test_a_secret_is_not_shown(seeding: Seeding) -> None:
    seeding.sql("create table t (id int primary key, password int)")
    with pytest.raises(PermanentError) as caught:
        seeding.load(seeding.csv("t", "id,password\n1,hunter2\n"))
    assert re.search("line 2, column password", str(caught.value))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("how", ["insert", "upsert"])
def test_a_secret_is_not_shown_in_the_servers_own_words(seeding: Seeding, how: How) -> None:
    """As it writes it, or a part of it, or among the values of other columns."""
    secret = "c0ffee00-0000-0000-0000-000000000000"
    seeding.sql(
        "create table t (id int primary key, tenant int, secret uuid, tokens int[], unique (tenant, secret));"
        "create table late (id int primary key, secret uuid unique deferrable initially deferred);"
        f"insert into t values (1, 1, '{secret}'); insert into late values (1, '{secret}')"
    )
    for table, content in (
        ("t", f"id,tenant,secret\n2,1,{secret.upper()}\n"),
        ("late", f"id,secret\n2,{secret.upper()}\n"),
        ("t", 'id,tokens\n2,"{1,hunter2}"\n'),
    ):
        with pytest.raises(PermanentError) as caught:
            seeding.load(seeding.csv(table, content, how))
        assert re.search("secret|tokens", str(caught.value))
        assert "c0ffee" not in str(caught.value).lower()
        assert "hunter2" not in str(caught.value)


def test_a_secret_that_stands_twice_in_the_table_is_not_shown(seeding: Seeding) -> None:
    seeding.sql("create table t (token text, v int); insert into t values ('hunter2', 1), ('hunter2', 2)")
    with pytest.raises(PermanentError, match="the key token is not unique in the table") as caught:
        seeding.load(seeding.csv("t", "token,v\nother,3\n", "upsert", ["token"]))
    assert "hunter2" not in str(caught.value)


def test_rows_that_exchange_unique_values_need_a_constraint_that_waits(seeding: Seeding) -> None:
    seeding.sql("create table t (id int primary key, place int unique)")
    seeding.load(seeding.csv("t", "id,place\n1,1\n2,2\n"))
    exchanged = seeding.csv("t", "id,place\n1,2\n2,1\n")
    with pytest.raises(PermanentError, match=r"line 2, column place, value '2': .*make that constraint DEFERRABLE"):
        seeding.load(exchanged)
    seeding.sql("alter table t drop constraint t_place_key, add unique (place) deferrable")
    seeding.load(exchanged)
    assert seeding.rows("select id, place from t order by id") == [(1, 2), (2, 1)]


def test_a_deferred_key_is_checked_before_the_end_and_told(seeding: Seeding) -> None:
    seeding.sql(
        "create table a (id int primary key, b int);"
        "create table b (id int primary key, a int references a deferrable);"
        "alter table a add foreign key (b) references b deferrable initially deferred"
    )
    good = [seeding.csv("a", "id,b\n1,2\n2,1\n"), seeding.csv("b", "id,a\n1,1\n2,2\n")]
    assert [counts.inserted for counts in seeding.load(*good)] == [2, 2]
    bad = [seeding.csv("a", "id,b\n3,3\n4,3\n"), seeding.csv("b", "id,a\n3,3\n4,3\n5,9\n6,1\n")]
    with pytest.raises(PermanentError, match=r"into b: line 4, column a, value '9': .*\(a\)=\(9\) is not present"):
        seeding.load(*bad)
    assert seeding.rows("select count(*) from a") == [(2,)]


def test_a_deferred_unique_constraint_is_told(seeding: Seeding) -> None:
    seeding.sql("create table t (id int primary key, x int unique deferrable initially deferred)")
    with pytest.raises(PermanentError, match=r"into t: column x: duplicate key value .*\(x\)=\(1\) already exists"):
        seeding.load(seeding.csv("t", "id,x\n1,1\n2,1\n", "insert"))
