"""Indexes that are made concurrently, looked up and dropped on a real server."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from initkit.db.pg import indexes
from initkit.db.pg.indexes import IndexName, concurrent_index

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def connection(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with closing(psycopg.connect(postgres_url, autocommit=True)) as connection:
        connection.execute('create schema "S 1"')
        connection.execute('create table "S 1"."T" (a int)')
        connection.execute("create table t (a int)")
        connection.execute("insert into t values (1), (1)")
        yield connection


def named(statement: str) -> IndexName:
    found = concurrent_index(statement)
    assert found
    return found


@pytest.mark.parametrize(
    "statement",
    [
        "create index concurrently i on t (a)",
        'create index concurrently "I ""x" on "S 1"."T" (a)',
        f"create index concurrently {'n' * 70} on t (a)",
    ],
)
def test_an_index_is_found_in_its_tables_schema_and_dropped(
    connection: psycopg.Connection[Any], statement: str
) -> None:
    index = named(statement)
    assert not indexes.identify(connection, index)
    assert not indexes.is_valid(connection, index)
    connection.execute(statement.encode())
    assert indexes.identify(connection, index).isdigit()
    assert indexes.is_valid(connection, index)
    assert indexes.identify(connection, indexes.parse(indexes.resolved(connection, index).sql))
    indexes.drop(connection, index)
    assert not indexes.identify(connection, index)
    indexes.drop(connection, index)


def test_one_that_could_not_be_finished_is_not_valid(connection: psycopg.Connection[Any]) -> None:
    statement = "create unique index concurrently i on t (a)"
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(statement)
    assert indexes.identify(connection, named(statement))
    assert not indexes.is_valid(connection, named(statement))
    assert indexes.invalid_indexes(connection) == {'"public"."i"'}


def test_a_partitioned_tables_index_that_waits_for_its_parts_is_not_counted(
    connection: psycopg.Connection[Any],
) -> None:
    connection.execute("create table p (a int) partition by list (a)")
    connection.execute("create index p_i on only p (a)")
    connection.execute("create table p1 partition of p for values in (1)")
    assert indexes.invalid_indexes(connection) == set()


def test_dropping_ends_in_time_and_leaves_the_settings_as_they_were(
    connection: psycopg.Connection[Any], postgres_url: str
) -> None:
    connection.execute("create index i on t (a)")
    connection.execute("set lock_timeout = '7s'")
    with psycopg.connect(postgres_url) as reader:
        reader.execute("select * from t")
        with pytest.raises(psycopg.errors.QueryCanceled):
            indexes.drop(connection, IndexName("i", "public"), seconds=0.2)
    row = connection.execute("select current_setting('lock_timeout'), current_setting('statement_timeout')").fetchone()
    assert row == ("7s", "0")
    indexes.drop(connection, IndexName("i", "public"))
    assert not indexes.identify(connection, IndexName("i", "public"))


def test_an_index_of_a_table_that_is_not_there_is_none(connection: psycopg.Connection[Any]) -> None:
    index = named("create index concurrently i on nowhere (a)")
    assert indexes.resolved(connection, index) == index
    assert not indexes.identify(connection, index)
