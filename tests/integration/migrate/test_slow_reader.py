"""A statement that has to wait for a long reader steps back, so that nobody queues behind it, and tries again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_guard import eventually
from fix_migrations import EngineName, Link, chain, problems, rows, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_program import Running

QUICKLY = ("--interval", "50ms", "--max-interval", "100ms")
ATTEMPTS = "select last_value from attempts where is_called"  # a sequence takes no part in a rollback


@pytest.mark.parametrize("engine", ["alembic", "sql"])
def test_ddl_behind_a_long_reader_is_rolled_back_and_retried_until_the_reader_leaves(
    postgres_url: str, tmp_path: Path, running: Callable[..., Running], engine: EngineName
) -> None:
    links = [
        *chain(2, alone_every=9),
        Link(
            "r02",
            (
                "select nextval('attempts')",
                "create table t_r02 (id integer)",
                "insert into journal values ('r02')",
                "alter table t add column note text",
            ),
        ),
    ]
    folder = write(tmp_path / "migrations", links, engine)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("create table t (id integer)")
        connection.execute("create sequence attempts")
    with psycopg.connect(postgres_url, application_name="report") as reader:
        reader.execute("select id from t")
        program = running(
            "migrate", str(folder), "--ddl-lock-timeout", "200ms", *QUICKLY, env={"DATABASE_URL": postgres_url}
        )
        line = program.line_with(f"pid {reader.info.backend_pid}")
        assert "report" in line
        eventually(lambda: rows(postgres_url, ATTEMPTS) >= [3], "a third attempt")
        assert rows(postgres_url, "select to_regclass('t_r02') is null") == [True]
        with psycopg.connect(postgres_url, autocommit=True, options="-c statement_timeout=5s") as another:
            another.execute("select id from t")  # it is let in between two attempts
        reader.rollback()
    assert program.ended(30) == 0, program.output
    assert problems(postgres_url, links, engine) == []
    columns = "select attname from pg_attribute where attrelid = 't'::regclass and attnum > 0 order by attnum"
    assert rows(postgres_url, columns) == ["id", "note"]


@pytest.mark.parametrize("engine", ["alembic", "sql"])
def test_an_index_made_concurrently_waits_for_longer_than_that(
    postgres_url: str, tmp_path: Path, running: Callable[..., Running], engine: EngineName
) -> None:
    links = chain(3, alone_every=2)
    folder = write(tmp_path / "migrations", links, engine)
    with psycopg.connect(postgres_url) as other:
        other.execute("set transaction isolation level repeatable read")
        other.execute("select 1")
        program = running(
            "migrate", str(folder), "--ddl-lock-timeout", "100ms", *QUICKLY, env={"DATABASE_URL": postgres_url}
        )
        waiting = (
            "select 1 from pg_stat_activity where query ilike '%create index concurrently ix_%' "
            "and pid <> pg_backend_pid() and wait_event_type = 'Lock' and now() - query_start > '1s'"
        )
        eventually(lambda: rows(postgres_url, waiting), "a statement that waits for ten times as long")
        other.rollback()
    assert program.ended(30) == 0, program.output
    assert problems(postgres_url, links, engine) == []
