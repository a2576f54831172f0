"""SIGTERM to a migration that is at work: what it was at is cancelled and undone, the lock is free, the code is 143."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_guard import eventually
from fix_migrations import EngineName, at_work, chain, invalid_indices, left_after, problems, rows, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_program import Running

    Start = Callable[..., Running]

GRACE = 10.0  # seconds, of the thirty that a pod has by default


def wrong_at_the_end(url: str, engine: EngineName) -> list[str]:
    return problems(url, chain(4, alone_every=2), engine) + invalid_indices(url) + left_after(url)


@pytest.mark.parametrize("engine", ["alembic", "sql"])
def test_in_a_transaction_it_cancels_and_rolls_back(
    postgres_url: str, tmp_path: Path, running: Start, engine: EngineName
) -> None:
    folder = write(tmp_path / "migrations", chain(2, alone_every=9, seconds=60), engine)
    program = running("migrate", str(folder), env={"DATABASE_URL": postgres_url})
    eventually(lambda: at_work(postgres_url, "select pg_sleep"), "the statement")
    sent = program.signal(signal.SIGTERM)
    assert program.ended() == 143, program.output
    assert time.monotonic() - sent < GRACE
    assert left_after(postgres_url) == []
    assert rows(postgres_url, "select to_regclass('t_r01') is null") == [True]


@pytest.mark.parametrize("engine", ["alembic", "sql"])
def test_an_index_that_waits_for_an_old_snapshot_is_dropped_at_once(
    postgres_url: str, tmp_path: Path, running: Start, engine: EngineName
) -> None:
    links = chain(4, alone_every=2)
    folder = write(tmp_path / "migrations", links, engine)
    with psycopg.connect(postgres_url) as other:
        other.execute("set transaction isolation level repeatable read")
        other.execute("select 1")
        program = running("migrate", str(folder), env={"DATABASE_URL": postgres_url})
        eventually(lambda: at_work(postgres_url, "create index concurrently", blocked=True), "the statement")
        sent = program.signal(signal.SIGTERM)
        assert program.ended() == 143, program.output
        assert time.monotonic() - sent < GRACE
        assert rows(postgres_url, "select to_regclass('ix_r02') is null") == [True]
        assert rows(postgres_url, "select 1 from pg_locks where locktype = 'advisory'") == []
    again = running("migrate", str(folder), env={"DATABASE_URL": postgres_url})
    assert again.ended() == 0, again.output
    assert wrong_at_the_end(postgres_url, engine) == []


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["alembic", "sql"])
def test_an_index_that_waits_for_a_writer_is_dropped_by_the_next_run_at_the_latest(
    postgres_url: str, tmp_path: Path, running: Start, engine: EngineName
) -> None:
    """To drop it takes the lock that the writer keeps from us."""
    links = chain(4, alone_every=2)
    before = running("migrate", str(write(tmp_path / "before", links[:2], engine)), env={"DATABASE_URL": postgres_url})
    assert before.ended() == 0, before.output
    folder = write(tmp_path / "migrations", links, engine)
    with psycopg.connect(postgres_url) as writer:
        writer.execute("insert into big values (0, '')")
        program = running("migrate", str(folder), env={"DATABASE_URL": postgres_url})
        eventually(lambda: at_work(postgres_url, "create index concurrently", blocked=True), "the statement")
        sent = program.signal(signal.SIGTERM)
        assert program.ended() == 143, program.output
        assert time.monotonic() - sent < GRACE
        assert rows(postgres_url, "select 1 from pg_locks where locktype = 'advisory'") == []
    again = running("migrate", str(folder), env={"DATABASE_URL": postgres_url})
    assert again.ended() == 0, again.output
    assert wrong_at_the_end(postgres_url, engine) == []
