"""Statements as people write them, told apart; and what makes no difference to a checksum."""

from __future__ import annotations

from typing import Literal

import pytest

from initkit.db.sqlfiles.lexer import tokens
from initkit.db.sqlfiles.splitter import SplitError, agrees, checksum, shown, split

Dialect = Literal["postgres", "sqlite"]


def texts(text: str, dialect: Dialect = "postgres") -> list[str]:
    return [statement.text for statement in split(text, dialect)]


@pytest.mark.parametrize(
    "one",
    [
        "select 'a;''b'",
        r"select 'C:\'",
        r"select E'it\'s; so'",
        "select E'a'\n  'b\\';c'",
        "select U&'d;e' uescape '!'",
        'select 1 as "a;""b"',
        "do $$ begin a; b; end $$",
        "do $body$ a; $$; $other$; b $body$",
        "select a$b$c from t where x = $1",
        "select 1 /* ; /* ; */ ; */ + 1",
        "select 1 -- ; '\n + 1",
        "create rule r as on insert to t do also (select 1; select 2)",
        "create function f() returns int begin atomic select 1; select case when a then b end; end",
        "create or replace procedure f() language sql BEGIN ATOMIC select 1; select 2 as end; END",
        "create function f(begin int, x int default 1) returns int language sql return 1",
        "create table begin (atomic int)",
        "select array[1,2][1]",
    ],
)
def test_semicolons_within_a_statement_do_not_end_it_on_postgres(one: str) -> None:
    assert texts(f"{one};\nselect 2;\n") == [one, "select 2"]


@pytest.mark.parametrize(
    "one",
    [
        "select 'a;''b'",
        r"select 'C:\'",
        'select "a;b", `c;d`, [e;f]',
        "select 1 /* ; /* ; */ + 1",
        "create trigger t after insert on a begin select 1; update a set b = case when c then d end; end",
        "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT ';'; END",
        "create temporary trigger if not exists t after insert on a begin select 1;\n-- so;\nend",
    ],
)
def test_semicolons_within_a_statement_do_not_end_it_on_sqlite(one: str) -> None:
    assert texts(f"{one};\nselect 2;\n", "sqlite") == [one, "select 2"]


def test_a_dollar_is_no_quote_on_sqlite() -> None:
    assert texts("select $a$; select $b$", "sqlite") == ["select $a$", "select $b$"]


def test_empty_statements_and_comments_alone_are_none() -> None:
    assert texts(";; -- nothing\n ; /* nothing */ ;") == []


def test_each_statement_knows_its_line() -> None:
    found = split("\n-- why\nselect 1;\r\n\r\n  select\n2; select 3", "postgres", line=10)
    assert [statement.line for statement in found] == [12, 14, 15]


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ("select 1;\nselect 'a", 2, "what begins with ' does not end"),
        ('select "a', 1, 'what begins with " does not end'),
        ("\n\n/* a /* b */", 3, "what begins with /* does not end"),
        ("do $x$ begin end $y$", 1, "what begins with $x$ does not end"),
        ("select 1;\n\\dt", 2, "a command of psql"),
        ("select 1;\ncopy t (a, b) from stdin with (format csv);\nit's\n\\.\n", 2, "COPY from or to the client"),
        ("copy t from stdin;\n", 1, "COPY from or to the client"),
        ("copy (select 1) to stdout", 1, "COPY from or to the client"),
        ("a\n\0", 2, "a NUL character"),
    ],
)
def test_what_is_no_sql_is_refused_with_its_line(text: str, line: int, cause: str) -> None:
    with pytest.raises(SplitError) as caught:
        texts(text)
    assert caught.value.line == line
    assert caught.value.cause.startswith(cause)


def test_what_is_shown_of_a_statement_ends_before_its_first_string() -> None:
    assert shown("create role\n app -- so\n login password 'hunter2'") == "create role app login password '…"
    assert shown("do $x$ begin 'hunter2' end $x$") == "do $x$…"
    assert shown("select " + "a" * 100) == "select " + "a" * 53 + "…"


def test_copy_between_server_and_file_is_the_servers_business() -> None:
    assert texts("copy t from '/stdin'; copy t to program 'to stdout'") == [
        "copy t from '/stdin'",
        "copy t to program 'to stdout'",
    ]


def test_a_command_of_the_sqlite3_shell_is_refused() -> None:
    with pytest.raises(SplitError, match="sqlite3 shell"):
        texts(".mode csv", "sqlite")


SAME = "create table a (b int default -1, c text default 'x  y');\ninsert into a values (1);"


@pytest.mark.parametrize(
    "other",
    [
        "create table a(b int default -1,c text default 'x  y') ;insert into a values(1)",
        SAME.replace("\n", "\r\n"),
        SAME.replace(" ", "\n\t").replace("'x\n\t\n\ty'", "'x  y'"),
        f"-- first\n{SAME}\n/* last */\n",
        SAME.replace("(b", "( -- the column b;\nb"),
    ],
)
def test_blanks_and_comments_make_no_difference(other: str) -> None:
    assert agrees(checksum(SAME, "postgres"), other, "postgres")


@pytest.mark.parametrize(
    "other",
    [
        SAME.replace("x  y", "x y"),
        SAME.replace("-1", "- 1") + " select 1",
        SAME.replace("a (", '"a" ('),
        SAME.replace("int", "bigint"),
        SAME.replace("(1)", "(1 1)"),
        SAME.replace(";", "", 1),
    ],
)
def test_all_else_makes_one(other: str) -> None:
    assert not agrees(checksum(SAME, "postgres"), other, "postgres")


def test_blanks_and_comments_within_a_body_make_a_difference() -> None:
    one = checksum("do $$ begin end $$", "postgres")
    assert not agrees(one, "do $$ begin  end $$", "postgres")
    assert not agrees(one, "do $$ begin -- x\n end $$", "postgres")
    assert agrees(checksum("do $$\nbegin\nend $$", "postgres"), "do $$\r\nbegin\r\nend $$", "postgres")


@pytest.mark.parametrize(("one", "other"), [("a=-1", "a = -1"), ("a*-1", "a * - 1"), ("1+/**/2", "1 + 2")])
def test_operators_are_told_apart_as_the_server_does(one: str, other: str) -> None:
    assert agrees(checksum(f"select {one}", "postgres"), f"select {other}", "postgres")


def test_two_operators_are_not_one() -> None:
    assert not agrees(checksum("select a <= b", "postgres"), "select a < = b", "postgres")


@pytest.mark.parametrize("number", ["12", "1.5e-3", "0x1F", "1_000", "10."])
@pytest.mark.parametrize("dialect", ["postgres", "sqlite"])
def test_a_number_is_one_token(number: str, dialect: Dialect) -> None:
    found = [token.text for token in tokens(f"select {number},{number} ;", dialect) if token.kind == "number"]
    assert found == [number, number]


def test_a_string_that_goes_on_after_a_lines_end_must_end_there() -> None:
    assert [token.kind for token in tokens("E'a' -- b\n 'c", "postgres")] == ["unended"]
