"""The ledger's table on real databases."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from typing import TYPE_CHECKING

import psycopg
import pytest

from initkit.db.ledger import Ledger, Left, Row, execute_on_postgres, execute_on_sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.db.ledger import Execute

LEFT = (Left("create index concurrently \"i\" on t (a) where b = ':x %s'", 'public."i"', "16384"),)


@pytest.fixture(params=["postgres", "sqlite"])
def execute(request: pytest.FixtureRequest) -> Iterator[Execute]:
    if request.param == "sqlite":
        with closing(sqlite3.connect(":memory:")) as file:
            yield execute_on_sqlite(file)
        return
    with psycopg.connect(request.getfixturevalue("postgres_url")) as connection:
        yield execute_on_postgres(connection)


@pytest.fixture
def ledger(request: pytest.FixtureRequest, execute: Execute) -> Ledger:
    return Ledger(execute, "sqlite" if "sqlite" in request.node.name else "postgres", "public.alembic_version")


def test_no_table_means_no_rows_and_none_is_made(ledger: Ledger) -> None:
    assert ledger.rows() == []
    assert not ledger.exists()


def test_what_is_written_is_read_back_in_order(ledger: Ledger) -> None:
    ledger.make()
    ledger.make()
    first = Row(
        "b2", name="add orders; 100 % 'x' :y", down=("a1", "x0"), checksum="ab", seconds=1.5, applied_by="shop-0"
    )
    ledger.write(first)
    ledger.write(Row("a1", state="started", left=LEFT))
    assert ledger.rows() == [first.but(position=1), Row("a1", state="started", left=LEFT, position=2)]


def test_a_row_is_replaced_and_removed_by_its_revision(ledger: Ledger) -> None:
    ledger.make()
    ledger.write(Row("a1", state="started", left=LEFT, position=7))
    ledger.write(Row("a1", position=7, seconds=0.25))
    assert ledger.rows() == [Row("a1", position=7, seconds=0.25)]
    ledger.remove("a1")
    assert ledger.rows() == []


def test_sources_do_not_see_each_other(ledger: Ledger, execute: Execute) -> None:
    other = Ledger(execute, ledger.dialect, "sql")
    other.make()
    other.write(Row("a1"))
    ledger.write(Row("a1", name="mine"))
    assert [row.name for row in other.rows()] == [""]
    other.remove("a1")
    assert [row.name for row in ledger.rows()] == ["mine"]


def test_whoever_makes_the_table_at_the_same_moment_makes_it_too(postgres_url: str) -> None:
    together = Barrier(4)

    def make(table: str) -> None:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            together.wait()
            Ledger(execute_on_postgres(connection), "postgres", "sql", table=table).make()

    names = [f"ledger{number}" for number in range(10)]
    with ThreadPoolExecutor(4) as pool:
        for name in names:
            list(pool.map(make, [name] * 4))
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("select tablename from pg_tables where schemaname = 'public' order by 1").fetchall()
        ledgers = [Ledger(execute_on_postgres(connection), "postgres", "sql", table=name) for name in names]
        assert [ledger.rows() for ledger in ledgers] == [[]] * 10
    assert [row[0] for row in found] == names


def test_a_schema_and_a_name_that_need_quotes(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute('create schema "My ""schema"')
        ledger = Ledger(execute_on_postgres(connection), "postgres", "sql", schema='My "schema', table="Led ger")
        ledger.make()
        ledger.write(Row("a1"))
        found = connection.execute('select revision from "My ""schema"."Led ger"').fetchall()
    assert found == [("a1",)]
