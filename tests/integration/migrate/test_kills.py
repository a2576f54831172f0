"""A pod that is killed at any instant, with its children or without them, comes to the same end once started again."""

from __future__ import annotations

import random
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from fix_guard import eventually
from fix_migrations import EngineName, Pod, Victim, at_work, chain, left_after, problems, rows, schema, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from fix_migrations import Link

    Start = Callable[..., Pod]

KILLS = 15
SEED = 4
LINKS = chain(9, alone_every=3, seconds=0.05, rows=20_000)


@contextmanager
def database(server: str) -> Iterator[str]:
    """One of several that a test needs."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
        try:
            yield urlunsplit(urlsplit(server)._replace(path="/" + quote(name)))
        finally:
            connection.execute(f"drop database {name} with (force)")


def succeeds(run: Pod) -> bool:
    return run.ends_within(60) and run.child.returncode == 0


def wrong_at_the_end(url: str, links: Sequence[Link], engine: EngineName) -> list[str]:
    return problems(url, links, engine) + left_after(url)


def undisturbed(server: str, folder: Path, pod: Start) -> tuple[float, str]:
    """The seconds that it takes, and the schema that it makes."""
    with database(server) as url:
        began = time.monotonic()
        one = pod(folder, url)
        assert succeeds(one), one.output
        return time.monotonic() - began, schema(url)


def instants(length: float) -> list[float]:
    """One in each part of `length`, in any order, so that no part of a run is spared by chance."""
    chance = random.Random(SEED)
    found = [(number + chance.random()) / KILLS * length for number in range(KILLS)]
    chance.shuffle(found)
    return found


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("engine", ["alembic", "sql"])
def test_killed_at_random_instants_it_comes_to_the_same_end(
    postgres_server: str, tmp_path: Path, pod: Start, engine: EngineName
) -> None:
    folder = write(tmp_path / "migrations", LINKS, engine)
    length, wanted = undisturbed(postgres_server, folder, pod)
    times = instants(length)
    kills = 0
    while times:
        with database(postgres_server) as url:
            run = pod(folder, url)
            while times and not run.ends_within(times.pop()):
                run.kill("parent" if kills % 2 else "all")
                kills += 1
                run = pod(folder, url)
            assert succeeds(run), f"after {kills} kills: {run.output}"
            assert wrong_at_the_end(url, LINKS, engine) == []
            assert schema(url) == wanted
    assert kills > KILLS / 2


@pytest.mark.parametrize("victim", ["all", "parent"])
@pytest.mark.parametrize("engine", ["alembic", "sql"])
def test_what_a_killed_pod_was_at_ends_within_seconds(
    postgres_url: str, tmp_path: Path, pod: Start, engine: EngineName, victim: Victim
) -> None:
    """The server looks at its client only between statements, unless it is asked to look more often."""
    folder = write(tmp_path / "migrations", chain(2, alone_every=9, seconds=60, rows=1), engine)
    run = pod(folder, postgres_url)
    eventually(lambda: at_work(postgres_url, "select pg_sleep"), "the statement")
    run.kill(victim)
    assert left_after(postgres_url) == []
    assert rows(postgres_url, "select to_regclass('t_r01') is null") == [True]


@pytest.mark.parametrize("victim", ["all", "parent"])
@pytest.mark.parametrize("engine", ["alembic", "sql"])
def test_an_index_that_a_killed_pod_was_making_is_made_by_the_next(
    postgres_url: str, tmp_path: Path, pod: Start, engine: EngineName, victim: Victim
) -> None:
    links = chain(4, alone_every=2)
    folder = write(tmp_path / "migrations", links, engine)
    with psycopg.connect(postgres_url) as other:  # an old snapshot, for which the index has to wait
        other.execute("set transaction isolation level repeatable read")
        other.execute("select 1")
        run = pod(folder, postgres_url)
        eventually(lambda: rows(postgres_url, "select 1 from pg_index where not indisvalid"), "an index half made")
        run.kill(victim)
        following = pod(folder, postgres_url)
        other.rollback()
        assert succeeds(following), following.output
    assert wrong_at_the_end(postgres_url, links, engine) == []


GATE = """
create table gate (id integer);
insert into gate values (1);
create function pass() returns trigger language plpgsql as $$
begin
    if exists (select from gate) then perform pg_sleep(60); end if;
    return new;
end $$;
create trigger gate before insert or update on
"""
RECORDS: dict[EngineName, str] = {
    "alembic": "alembic_version for each row",
    "sql": "initkit_migrations for each row when (new.state = 'applied')",
}


@pytest.mark.parametrize("victim", ["all", "parent"])
@pytest.mark.parametrize("engine", ["alembic", "sql"])
def test_killed_between_an_index_and_its_record_it_does_not_stumble_over_the_index(
    postgres_url: str, tmp_path: Path, pod: Start, engine: EngineName, victim: Victim
) -> None:
    links = chain(4, alone_every=2)
    before = pod(write(tmp_path / "before", links[:2], engine), postgres_url)
    assert succeeds(before), before.output
    folder = write(tmp_path / "migrations", links, engine)
    with psycopg.connect(postgres_url) as connection:
        connection.execute(f"{GATE} {RECORDS[engine]} execute function pass()".encode())
    run = pod(folder, postgres_url)
    eventually(lambda: rows(postgres_url, "select 1 from pg_stat_activity where wait_event = 'PgSleep'"), "the record")
    assert rows(postgres_url, "select indisvalid from pg_index where indexrelid = 'ix_r02'::regclass") == [True]
    run.kill(victim)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("delete from gate")
    following = pod(folder, postgres_url)
    assert succeeds(following), following.output
    assert wrong_at_the_end(postgres_url, links, engine) == []
