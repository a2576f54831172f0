from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fix_seed_sqlite import SqliteDesk

GOOD: list[tuple[str, str, Any]] = [
    ("integer", "12", 12),
    ("integer", " +07 ", 7),
    ("bigint", "-9223372036854775808", -(2**63)),
    ("int", "true", 1),
    ("real", "1.10", 1.1),
    ("double precision", "-.5e3", -500.0),
    ("numeric(10, 2)", "3", 3),
    ("decimal(10, 2)", "12.50", 12.5),
    ("text", "007", "007"),
    ("varchar(3)", "true", "true"),
    ("boolean", "true", 1),
    ("boolean", "No", 0),
    ("bool", " T ", 1),
    ("date", "2024-02-29", "2024-02-29"),
    ("datetime", "1700000000", 1700000000),
    ("timestamp", "2024-08-25 12:28:00+00", "2024-08-25 12:28:00+00"),
    ("timestamptz", "2024-08-25T12:28:00.5 Z", "2024-08-25T12:28:00.5 Z"),
    ("time", "12:28", "12:28"),
    ("blob", "\\xDEADbeef", b"\xde\xad\xbe\xef"),
    ("blob", "é", "é".encode()),
    ("json", '{"a": [1.10, null]}', '{"a": [1.10, null]}'),
    ("interval", "3 days", "3 days"),
    ("string", "abc", "abc"),
    ("string", "1234567890123456789", 1234567890123456789),
    ("uuid", "12.5", 12.5),
    ("point", "(1,2)", "(1,2)"),
    ("", "x", "x"),
]
BAD: list[tuple[str, str, str]] = [
    ("integer", "abc", "a whole number of at most 64 bits"),
    ("integer", "1,2", "a whole number"),
    ("integer", "1.5", "a whole number"),
    ("integer", "", "a whole number"),
    ("integer", "9223372036854775808", "a whole number"),
    ("integer", "9" * 5000, "a whole number"),
    ("integer", "٣", "a whole number"),
    ("real", "nan", "a number"),
    ("real", "1e999", "a number"),
    ("numeric", "1,5", "a number"),
    ("boolean", "perhaps", "true or false"),
    ("boolean", "2", "true or false"),
    ("date", "31.12.2024", "a date as 2026-01-31"),
    ("date", "2023-02-29", "a date"),
    ("date", "2024-W01-1", "a date"),
    ("timestamp", "2024-08-25 25:00", "a date as 2026-01-31 or a time as 2026-01-31 12:00:00"),
    ("timestamp", "2024-08-25 noon", "a date"),
    ("time", "noon", "a time as 12:00:00"),
    ("blob", "\\xabc", "bytes: text, or \\x and hexadecimal digits"),
    ("string", "0049", "no number that SQLite would rewrite (declare the column TEXT)"),
    ("string", "1.10", "no number that SQLite would rewrite"),
    ("uuid", "12e400", "no number that SQLite would rewrite"),
    ("json", "{a: 1}", "JSON"),
    ("json", "NaN", "JSON"),
]


def rows(*values: str) -> str:
    quoted = ('"' + value.replace('"', '""') + '"' for value in values)
    return "id,v\n" + "".join(f"{number},{value}\n" for number, value in enumerate(quoted))


@pytest.mark.parametrize(("type_", "text", "value"), GOOD)
@pytest.mark.parametrize("how", ["insert", "upsert"])
def test_text_becomes_what_the_column_holds(desk: SqliteDesk, type_: str, text: str, value: Any, how: str) -> None:
    desk.execute(f"create table t (id integer primary key, v {type_}); insert into t values (99, null)")
    desk.write("t.csv", rows(text) + "1,\n")
    desk.load("t.csv", how=how)
    assert desk.rows("select v, typeof(v) = typeof(?1) from t where id < 9".replace("?1", literal(value))) == [
        (value, 1),
        (None, 0),
    ]
    assert not desk.load("t.csv").changed


def literal(value: Any) -> str:
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return repr(value) if isinstance(value, int | float) else "'" + value + "'"


@pytest.mark.parametrize(("type_", "text", "expected"), BAD)
@pytest.mark.parametrize("how", ["insert", "upsert"])
def test_text_that_does_not_fit_is_told_with_line_column_and_value(
    desk: SqliteDesk, type_: str, text: str, expected: str, how: str
) -> None:
    desk.execute(f"create table t (id integer primary key, v {type_}); insert into t values (99, null)")
    good = next(good for other, good, _ in GOOD if other.partition("(")[0] == type_)
    desk.write("t.csv", rows(good, good, text, good))
    said = desk.refused("t.csv", how=how)
    assert said.startswith("cannot load t.csv into t: line 4, column v, value '")
    assert f"': expected {expected}" in said
    assert len(said) < 300


def test_objects_become_json_where_the_column_is_of_it(desk: SqliteDesk) -> None:
    desk.execute("create table t (id integer primary key, v json, w text)")
    desk.write("t.ndjson", '{"id": 1, "v": {"a": [1.10, null]}, "w": [1]}\n{"id": 2, "v": "x"}\n')
    desk.load("t.ndjson")
    assert desk.rows("select v, w from t") == [('{"a": [1.10, null]}', "[1]"), ('"x"', None)]


def test_a_number_keeps_what_its_column_can_hold(desk: SqliteDesk) -> None:
    desk.execute("create table t (id integer primary key, v real, w numeric, x text)")
    desk.write("t.csv", "id,v,w,x\n1,0.1,9007199254740993,1.10\n2,1e-7,-0,12345678901234567890\n")
    desk.load("t.csv")
    assert desk.rows("select v, w, x from t") == [
        (0.1, 9007199254740993, "1.10"),
        (1e-7, 0, "12345678901234567890"),
    ]


def test_a_strict_table_takes_what_its_types_say(desk: SqliteDesk) -> None:
    desk.execute("create table t (id integer primary key, r real, t text, b blob, a any) strict")
    desk.write("t.csv", "id,r,t,b,a\n1,2,3,\\x00ff,5\n")
    desk.load("t.csv")
    assert desk.rows("select * from t") == [(1, 2.0, "3", b"\x00\xff", "5")]
    assert not desk.load("t.csv").changed
    desk.write("t.csv", "id,r\n2,1\n3,x\n")
    assert "line 3, column r, value 'x': expected a number" in desk.refused("t.csv")


def test_values_are_compared_as_they_are_stored(desk: SqliteDesk) -> None:
    desk.execute("create table t (id integer primary key, n numeric, r real, f boolean, s text)")
    desk.write("t.csv", "id,n,r,f,s\n1,1.10,2,yes,1.0\n")
    desk.load("t.csv")
    desk.write("t.csv", "id,n,r,f,s\n01,1.1,2.00,true,1.0\n")
    assert not desk.load("t.csv").changed
    desk.write("t.csv", "id,s\n1,1.00\n")
    assert desk.load("t.csv").updated == 1
