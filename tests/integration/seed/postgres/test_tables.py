from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from initkit.core.errors import PermanentError
from initkit.steps.seed.store import Counts

if TYPE_CHECKING:
    from fix_seed_postgres import Seeding

    from initkit.steps.seed.store import How

HOWS: tuple[How, ...] = ("insert", "upsert", "insert-missing", "replace")
TYPES = """
create type mood as enum ('glad', 'sad');
create domain positive as int check (value > 0) not null;
create domain tags as text[] default '{}';
create domain doc as jsonb;
create type pair as (a int, b text);
create table t (
    id int primary key, m mood, p positive default 1, g tags, grid int[][], j json, js json[], b jsonb, d doc,
    n numeric, at timestamptz, raw bytea, flag boolean, c char(5), pt point, bx box, pr pair, r int4range, ip inet,
    u uuid, label text, dbl double precision, span interval, doubled int generated always as (id * 2) stored);
"""
ROWS = (
    '{"id": 1, "m": "sad", "g": ["a", "b \\"c\\" \\\\, {d}", null, ""], "grid": [[1, 2], [3, 4]],'
    ' "j": {"a": 1.10, "b": [true, null]}, "js": [{"a": 1}], "b": {"z": 1, "a": [2]},'
    ' "d": [12345678901234567890], "n": 1.10, "at": "2026-01-31T12:00:00Z", "raw": "\\\\x00ff",'
    ' "flag": true, "c": "ab", "pt": "(1,2)",'
    ' "bx": "(1,1),(0,0)", "pr": "(1,x)", "r": "[1,5)", "ip": "10.0.0.1", "u": "c0ffee00-0000-0000-0000-000000000000",'
    ' "label": {"k": 1.0}, "dbl": 0.1, "span": "30 days"}\n'
    '{"id": 2, "p": 7, "b": null, "j": 5, "label": 1.50, "dbl": "NaN"}\n'
)


@pytest.mark.parametrize("how", HOWS)
def test_every_type_is_compared_as_it_is_meant(seeding: Seeding, how: How) -> None:
    seeding.sql(TYPES)
    assert seeding.load(seeding.ndjson("t", ROWS, how)) == [Counts(inserted=2)]
    shown = "select m::text, p, g::text, grid, j::text, b::text, d::text, n::text, raw, flag, c, label, doubled from t"
    assert seeding.rows(f"{shown} order by id") == [
        ("sad", 1, '{a,"b \\"c\\" \\\\, {d}",NULL,""}', [[1, 2], [3, 4]], '{"a": 1.10, "b": [true, null]}',
         '{"a": [2], "z": 1}', "[12345678901234567890]", "1.10", b"\x00\xff", True, "ab   ", '{"k": 1.0}', 2),
        (None, 7, "{}", None, "5", None, None, None, None, None, None, "1.50", 4),
    ]  # fmt: skip
    assert seeding.rows("select to_char(at at time zone 'UTC', 'HH24:MI') from t where id = 1") == [("12:00",)]
    if how == "insert":
        return
    stamp = seeding.stamp()
    # the same values, written otherwise
    same = ROWS.replace('"n": 1.10', '"n": 1.1').replace("12:00:00Z", "13:00:00+01").replace('"ab"', '"ab  "')
    assert seeding.load(seeding.ndjson("t", same, how)) == [Counts(unchanged=2)]
    assert seeding.stamp() == stamp


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ('"bx": "(1,1),(0,0)"', '"bx": "(2,1),(1,0)"', "bx"),  # of the same area
        ('"a": 1.10', '"a": 1.1', "j"),
        ('"pt": "(1,2)"', '"pt": "(1,3)"', "pt"),
        ('"pr": "(1,x)"', '"pr": "(1,)"', "pr"),
        ('"js": [{"a": 1}]', '"js": [{"a": 2}]', "js"),
        ('"m": "sad"', '"m": null', "m"),
        ('"span": "30 days"', '"span": "1 mon"', "span"),  # which the server takes for equal
    ],
)
def test_what_differs_is_written(seeding: Seeding, old: str, new: str, column: str) -> None:
    seeding.sql(TYPES)
    seeding.load(seeding.ndjson("t", ROWS))
    before = seeding.rows(f"select {column}::text from t where id = 1")
    assert old in ROWS
    changed = seeding.ndjson("t", ROWS.replace(old, new))
    assert seeding.compare(changed) == Counts(updated=1, unchanged=1)
    assert seeding.load(changed) == [Counts(updated=1, unchanged=1)]
    assert seeding.rows(f"select {column}::text from t where id = 1") != before
    assert seeding.load(changed) == [Counts(unchanged=2)]


@pytest.mark.parametrize(
    ("kind", "script"),
    [
        ("citext", "create extension citext"),
        (
            "text collate nocase",
            "create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        ),
    ],
)
def test_a_change_of_case_is_written_where_case_does_not_count(debian_seeding: Seeding, kind: str, script: str) -> None:
    seeding = debian_seeding
    seeding.sql(script)
    seeding.sql(f"create table t (code {kind} primary key, name {kind})")
    seeding.load(seeding.csv("t", "code,name\na,Ada\nb,Bob\n"))
    changed = seeding.csv("t", "code,name\nA,ADA\nb,Bob\n")
    assert seeding.load(changed) == [Counts(updated=1, unchanged=1)]
    assert seeding.load(changed) == [Counts(unchanged=2)]
    with pytest.raises(PermanentError, match="line 3, column code, value 'A': the same key stands in line 2"):
        seeding.load(seeding.csv("t", "code,name\na,Ada\nA,Bob\n"))


def test_xml_is_compared_as_text(debian_seeding: Seeding) -> None:
    seeding = debian_seeding
    seeding.sql("create table t (id int primary key, x xml)")
    seeding.load(seeding.csv("t", "id,x\n1,<a/>\n2,<b/>\n"))
    assert seeding.load(seeding.csv("t", "id,x\n1,<a/>\n2,<c/>\n")) == [Counts(updated=1, unchanged=1)]


@pytest.mark.parametrize("how", HOWS)
def test_a_domain_that_refuses_null_need_not_be_mentioned(seeding: Seeding, how: How) -> None:
    seeding.sql(
        "create domain few as varchar(3) not null default 'd' check (value <> 'no');"
        "create table t (id int primary key, x few, y few default 'y')"
    )
    lines = '{"id": 1, "x": "a"}\n{"id": 2, "y": "b"}\n{"id": 3}\n{"id": 4, "x": "a", "y": "b"}\n'
    assert seeding.load(seeding.ndjson("t", lines, how)) == [Counts(inserted=4)]
    assert seeding.rows("select x, y from t order by id") == [("a", "y"), ("d", "b"), ("d", "y"), ("a", "b")]
    if how != "insert":
        assert seeding.load(seeding.ndjson("t", lines, how)) == [Counts(unchanged=4)]
    for bad in ('{"id": 5, "x": "no"}', '{"id": 5, "x": null}', '{"id": 5, "x": "long"}'):
        with pytest.raises(PermanentError, match="into t: line 2"):
            seeding.load(seeding.ndjson("t", f'{{"id": 6}}\n{bad}\n', how))


@pytest.mark.parametrize("how", HOWS)
def test_partitions_are_filled_and_rows_move_between_them(seeding: Seeding, how: How) -> None:
    seeding.sql(
        "create table p (id int, region text, x text, primary key (id, region)) partition by list (region);"
        "create table p_eu partition of p for values in ('eu'); create table p_us partition of p for values in ('us');"
        "create table q (id int primary key, at int) partition by range (id);"
        "create table q_low partition of q for values from (0) to (100); create table q_rest partition of q default"
    )
    p = seeding.csv("p", "id,region,x\n1,eu,a\n2,us,b\n3,us,c\n", how)
    q = seeding.csv("q", "id,at\n1,1\n1000,2\n", how)
    assert seeding.load(p, q) == [Counts(inserted=3), Counts(inserted=2)]
    assert seeding.rows("select (select count(*) from only p_eu), (select count(*) from q_rest)") == [(1, 1)]
    if how == "insert":
        with pytest.raises(PermanentError, match=r"line 2.* duplicate key value"):
            seeding.load(p)
        return
    stamp = seeding.stamp()
    assert seeding.load(p, q) == [Counts(unchanged=3), Counts(unchanged=2)]
    assert seeding.stamp() == stamp
    seeding.sql("alter table p add code int; update p set code = id")
    if how == "upsert":
        moved = seeding.csv("p", "code,id,region\n1,1,us\n2,2,eu\n", how, ["code"])
        assert seeding.load(moved) == [Counts(updated=2)]
        assert seeding.rows("select id from p_us order by id") == [(1,), (3,)]
    pruned = seeding.csv("q", "id,at\n1000,2\n", "upsert", prune=True)
    assert seeding.load(pruned) == [Counts(deleted=1, unchanged=1)]
    assert seeding.rows("select id from q") == [(1000,)]


def test_a_table_does_not_count_the_rows_of_those_that_inherit_from_it(seeding: Seeding) -> None:
    seeding.sql("create table base (id int primary key, x text); create table heir () inherits (base)")
    seeding.sql("insert into heir values (1, 'heir'), (2, 'heir')")
    given = seeding.csv("base", "id,x\n1,base\n3,base\n", "replace")
    assert seeding.load(given) == [Counts(inserted=2)]
    assert seeding.load(given) == [Counts(unchanged=2)]
    assert seeding.rows("select * from heir order by id") == [(1, "heir"), (2, "heir")]


@pytest.mark.parametrize("name", ['My "Table"', "a.b", "initkit_staging", "Select"])
def test_any_name_can_be_a_tables(seeding: Seeding, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    seeding.sql(f'create table {quoted} ("Id" int primary key, "a,""b" text, "select" int)')
    content = '"Id","a,""b",select\n1,x,1\n2,y,2\n'
    assert seeding.load(seeding.csv(name, content)) == [Counts(inserted=2)]
    assert seeding.load(seeding.csv(name, content.replace("y", "z"))) == [Counts(updated=1, unchanged=1)]
    assert seeding.load(seeding.csv(name, content, "replace")) == [Counts(updated=1, unchanged=1)]
    with pytest.raises(PermanentError, match="line 3, column select, value 'x'"):
        seeding.load(seeding.csv(name, '"Id",select\n3,1\n4,x\n', "insert"))


def test_any_name_can_be_a_columns(seeding: Seeding) -> None:
    names = ("t", "s", "tab", "tid", "fresh", "v", "w", "content", "number", "order", 'a "b": c')
    columns = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    typed = columns.replace(",", " int,")
    seeding.sql(f"create table x (id int primary key, {typed} int)")
    seeding.sql(f"insert into x select n{', n' * len(names)} from generate_series(1, 2000) n")
    rows = [[1, *range(len(names))], [3000, *range(len(names))]]
    content = f"id,{columns}\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    given = seeding.csv("x", content)
    assert seeding.compare(given) == Counts(inserted=1, updated=1)
    assert seeding.load(given) == [Counts(inserted=1, updated=1)]
    assert seeding.rows(f"select id, {columns} from x where id in (1, 3000) order by id") == [
        tuple(row) for row in rows
    ]
    assert seeding.load(given) == [Counts(unchanged=2)]


def test_a_schema_is_named_before_the_table(seeding: Seeding) -> None:
    seeding.sql(
        'create schema "S"; create table "S".t (id int primary key); create table t (id int primary key, x int)'
    )
    assert seeding.load(seeding.csv("S.t", "id\n1\n"), seeding.csv("public.t", "id,x\n1,2\n")) == [
        Counts(inserted=1),
        Counts(inserted=1),
    ]


def test_what_is_no_table_is_told(seeding: Seeding) -> None:
    seeding.sql(
        "create table t (id int primary key); create view v as select * from t; create sequence s;"
        "create materialized view m as select * from t"
    )
    for name, what in {"v": "a view", "m": "a materialized view", "s": "a sequence", "t_pkey": "an index"}.items():
        with pytest.raises(PermanentError, match=f"cannot load into {name}: it is {what}"):
            seeding.load(seeding.csv(name, "id\n1\n"))


def test_sequences_of_loaded_columns_go_on_after_the_greatest_value(seeding: Seeding) -> None:
    seeding.sql(
        "create table a (id serial primary key, x text, y serial);"
        "create table b (id int generated always as identity primary key, x text);"
        "create table c (id bigint generated by default as identity (start with 1000) primary key, x text);"
        "create table d (id int generated by default as identity (increment -1) primary key, x text);"
        "create table e (id smallint generated by default as identity (maxvalue 100) primary key, x text);"
        "create table f (id serial primary key, x text);"
    )
    seeding.load(
        *(seeding.csv(table, "id,x\n1,\n41,\n7,\n", "insert") for table in "abc"),
        seeding.csv("d", "id,x\n-5,\n-41,\n", "insert"),
        seeding.csv("e", "id,x\n5,\n1000,\n", "insert"),
        seeding.csv("f", "x\nfirst\nsecond\n", "insert"),
    )
    for table in "abcdef":
        seeding.sql(f"insert into {table} (x) values ('next')")
    found = {table: seeding.rows(f"select id from {table} where x = 'next'")[0][0] for table in "abcdef"}
    assert found == {"a": 42, "b": 42, "c": 1000, "d": -42, "e": 1, "f": 3}
    assert seeding.rows("select y from a where x = 'next'") == [(4,)]


def test_an_identity_that_is_always_generated_cannot_be_changed(seeding: Seeding) -> None:
    seeding.sql(
        "create table t (id int generated always as identity, code text primary key, x int);"
        "insert into t (code, x) values ('a', 1), ('b', 2)"
    )
    assert seeding.load(seeding.csv("t", "id,code,x\n1,a,9\n7,c,3\n")) == [Counts(1, 1, 0, 0)]
    for attempt in (seeding.load, seeding.compare):
        with pytest.raises(PermanentError, match="line 3, column id: id is GENERATED ALWAYS"):
            attempt(seeding.csv("t", "id,code,x\n1,a,9\n8,b,3\n"))


@pytest.mark.parametrize("how", ["insert", "upsert", "replace"])
def test_triggers_see_every_row_that_is_written_and_no_other(seeding: Seeding, how: How) -> None:
    seeding.sql(
        "create table t (id int primary key, x text); create table seen (what text, id int);"
        "create function note() returns trigger language plpgsql as $$"
        " begin insert into seen values (tg_op, new.id); new.x = upper(new.x);"
        " return case when new.id = 13 then null else new end; end $$;"
        "create trigger note before insert or update on t for each row execute function note()"
    )
    seeding.load(seeding.csv("t", "id,x\n1,A\n2,b\n13,C\n", how))
    assert seeding.rows("select * from t order by id") == [(1, "A"), (2, "B")]
    if how != "insert":
        seeding.sql("truncate seen")
        seeding.load(seeding.csv("t", "id,x\n1,A\n2,c\n", how))
        assert set(seeding.rows("select * from seen")) == {("UPDATE", 2)}


def test_a_look_leaves_to_triggers_what_they_may_fill_in(seeding: Seeding) -> None:
    seeding.sql(
        "create table t (id int primary key, slug text not null);"
        "create function fill() returns trigger language plpgsql as $$"
        " begin new.slug := coalesce(new.slug, 's' || new.id); return new; end $$;"
        "create trigger fill before insert on t for each row execute function fill()"
    )
    given = seeding.csv("t", "id,slug\n1,\n2,two\n", "insert")
    assert seeding.compare(given) == Counts(inserted=2)
    assert seeding.load(given) == [Counts(inserted=2)]
    assert seeding.rows("select slug from t order by id") == [("s1",), ("two",)]


def test_row_security_holds_for_what_is_seeded(seeding: Seeding) -> None:
    role = "seeder_" + seeding.rows("select current_database()")[0][0]
    seeding.sql(
        "create table t (id int primary key, tenant text, x text); alter table t enable row level security;"
        "create policy own on t using (tenant = 'ours') with check (tenant = 'ours');"
        f"create role {role} login; grant all on t to {role}; grant all on schema public to {role};"
        "insert into t values (1, 'theirs', 'x')"
    )
    url = seeding.url
    try:
        seeding.url = url.replace("postgres:@", f"{role}:@") if "postgres:@" in url else f"{url}&user={role}"
        assert seeding.rows("select current_user") == [(role,)]
        for how in ("insert", "upsert"):
            given = seeding.csv("t", "id,tenant,x\n2,ours,a\n3,ours,b\n", how)
            assert seeding.load(given)[0].rows == 2
        with pytest.raises(PermanentError, match=r"line 3.*row-level security policy|row-level security"):
            seeding.load(seeding.csv("t", "id,tenant,x\n4,ours,a\n5,theirs,b\n"))
    finally:
        seeding.url = url
        seeding.sql(f"drop owned by {role}; drop role {role}")


def test_rules_are_followed_by_inserts_and_refused_by_merges(seeding: Seeding) -> None:
    seeding.sql(
        "create table t (id int primary key, x text); create table other (id int, x text);"
        "create rule elsewhere as on insert to t where new.id > 10 do instead insert into other values (new.*)"
    )
    seeding.load(seeding.csv("t", "id,x\n1,a\n11,b\n", "insert"))
    assert (seeding.rows("select id from t"), seeding.rows("select id from other")) == ([(1,)], [(11,)])
    with pytest.raises(PermanentError, match="it has rules"):
        seeding.load(seeding.csv("t", "id,x\n1,a\n"))
