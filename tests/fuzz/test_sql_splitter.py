"""SQL text is told apart as the databases themselves do it, and no character is lost on the way."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Literal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from initkit.db.sqlfiles.lexer import tokens
from initkit.db.sqlfiles.splitter import SplitError, agrees, checksum, normalised, split

if TYPE_CHECKING:
    from collections.abc import Iterator

Dialect = Literal["postgres", "sqlite"]
DIALECTS: st.SearchStrategy[Dialect] = st.sampled_from(["postgres", "sqlite"])
PIECES = (
    *("'", "''", '"', "`", "[", "]", "$", "$$", "$a$", "$a_b$", "$1", "a$b$c", "E'", "e'", "U&'", "\\", "\\'"),
    *(
        "--",
        "/*",
        "*/",
        "/",
        "*",
        "-",
        "+",
        ";",
        "(",
        ")",
        ".",
        ",",
        ":",
        "::",
        "=",
        "<=",
        "\n",
        "\r\n",
        "\r",
        " ",
        "\t",
    ),
    *("begin", "BEGIN", "atomic", "end", "END", "case", "as", "create", "or", "replace", "function", "procedure"),
    *(
        "temp",
        "temporary",
        "trigger",
        "explain",
        "query",
        "plan",
        "select",
        "copy",
        "from",
        "x",
        "é",
        "1",
        "2.5e-3",
        "\0",
    ),
)
SOUP = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=40).map("".join)


def pieces(text: str, dialect: Dialect) -> list[str] | None:
    try:
        return [statement.text for statement in split(text, dialect)]
    except SplitError:
        return None


@given(SOUP, DIALECTS)
@settings(max_examples=2000)
def test_no_character_is_lost(text: str, dialect: Dialect) -> None:
    found = list(tokens(text, dialect))
    assert "".join(token.text for token in found) == text
    assert all(token.text and text.startswith(token.text, token.start) for token in found)


@given(SOUP, DIALECTS)
@settings(max_examples=2000)
def test_between_statements_there_is_nothing_but_blanks_and_semicolons(text: str, dialect: Dialect) -> None:
    try:
        found = list(split(text, dialect))
    except SplitError as error:
        lines = range(1, text.count("\n") + 2)
        assert error.line in lines  # noqa: PT017 - most texts are refused, and some are not
        return
    at = 0
    for statement in found:
        assert statement.line == text.count("\n", 0, statement.start) + 1
        assert text.startswith(statement.text, statement.start)
        assert is_nothing(text[at : statement.start], dialect)
        at = statement.start + len(statement.text)
    assert is_nothing(text[at:], dialect)


def is_nothing(gap: str, dialect: Dialect) -> bool:
    return all(token.is_blank or token.text == ";" for token in tokens(gap, dialect))


def as_sqlite_does(text: str) -> list[str]:
    """Cut wherever sqlite3_complete() first says that a statement is complete."""
    found, start = [], 0
    for at, letter in enumerate(text):
        if letter == ";" and sqlite3.complete_statement(text[start : at + 1]):
            found.append(text[start : at + 1])
            start = at + 1
    return [*found, text[start:]]


@given(SOUP)
@settings(max_examples=2000)
def test_statements_end_where_sqlite_says_that_they_are_complete(text: str) -> None:
    # sqlite3_complete does not know that \v and \0 are no blanks, nor does anyone write them
    text = text.replace("\v", " ").replace("\0", " ").replace("\ufeff", " ")
    found = pieces(text, "sqlite")
    if found is None:
        return
    cuts = [list(pieces(piece, "sqlite") or ()) for piece in as_sqlite_does(text)]
    assert all(len(cut) <= 1 for cut in cuts)
    assert [one for cut in cuts for one in cut] == found


STRINGS = st.text(alphabet="ab;'\"$\\-/*é \n()", max_size=8)
TAGS = st.sampled_from(["$$", "$a$", "$é_1$"])


@st.composite
def literal(draw: st.DrawFn) -> str:
    text = draw(STRINGS)
    kind = draw(st.sampled_from(["plain", "escaped", "dollar"]))
    if kind == "plain":
        return "'" + text.replace("'", "''") + "'"
    if kind == "escaped":
        return "E'" + text.replace("\\", "\\\\").replace("'", draw(st.sampled_from(["''", "\\'"]))) + "'"
    tag = draw(TAGS)
    return f"{tag}{text.replace('$', ';')}{tag}"


BLANK = st.sampled_from([" ", "\n", " -- it's; \"a\n", "/* ; /* ' */ $$ */", "\t/**/ ", "\r\n", " --\n"])


@st.composite
def query(draw: st.DrawFn) -> str:
    name = '"' + draw(STRINGS).replace('"', '""') + '_"'
    values = draw(st.lists(literal(), min_size=1, max_size=3))
    forms = [
        "select {} ".format(" , ".join(values)),
        f"select {values[0]} as {name}",
        f"select a$b$c from (values ({values[0]})) as {name} (a$b$c)",
        f"select case when true then {values[0]} end",
        f"select (select {values[0]}),1-1,2*-1",
    ]
    return draw(st.sampled_from(forms)).replace(" ", draw(BLANK), 1) + draw(BLANK)


@pytest.fixture(scope="module")
def connection(postgres_server: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_server, autocommit=True, prepare_threshold=None) as connection:
        yield connection


def results(connection: psycopg.Connection, text: str) -> list[list[tuple[object, ...]]]:
    cursor = connection.execute(text.encode())
    found = []
    while True:
        found.append(cursor.fetchall() if cursor.description else [])
        if not cursor.nextset():
            return found


@given(st.lists(query(), min_size=1, max_size=5), st.lists(BLANK, min_size=5, max_size=5))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_postgres_makes_the_same_statements_of_the_whole_text(
    connection: psycopg.Connection, queries: list[str], blanks: list[str]
) -> None:
    text = "".join(f"{blank}{one};" for blank, one in zip(blanks, queries, strict=False))
    together = results(connection, text)
    found = [statement.text for statement in split(text, "postgres")]
    assert len(found) == len(queries)
    assert [results(connection, one)[0] for one in found] == together


@given(st.lists(query(), min_size=1, max_size=3), BLANK, BLANK)
def test_other_blanks_and_comments_leave_the_checksum_as_it_is(queries: list[str], one: str, other: str) -> None:
    text = f";{one}".join(queries)
    again = f"{other};{other}".join(queries) + other
    assert normalised(text, "postgres") == normalised(again, "postgres")
    assert agrees(checksum(text, "postgres"), again, "postgres")


@given(st.lists(query(), min_size=1, max_size=3))
def test_what_is_normalised_is_normal(queries: list[str]) -> None:
    once = normalised(";".join(queries), "postgres")
    assert normalised(once, "postgres") == once


@given(literal(), literal())
def test_another_string_is_another_checksum(one: str, other: str) -> None:
    texts = [f"select {value}" for value in (one, other)]
    assert agrees(checksum(texts[0], "postgres"), texts[1], "postgres") == (one == other)


@given(SOUP, DIALECTS)
def test_every_text_has_a_checksum_that_it_agrees_with(text: str, dialect: Dialect) -> None:
    assert agrees(checksum(text, dialect), text, dialect)


@pytest.mark.parametrize(
    "text",
    [
        "/*" * 50_000,
        "'" * 100_001,
        "$a$" * 50_001,
        "(" * 100_000,
        "E'\\" * 30_000,
        "-" * 10,
        "+" * 50_000,
        "E'a'" + "--x" * 50_000,
    ],
)
@pytest.mark.parametrize("dialect", ["postgres", "sqlite"])
def test_no_text_takes_for_ever(text: str, dialect: Dialect) -> None:
    assert "".join(token.text for token in tokens(text, dialect)) == text
    pieces(text, dialect)
