"""What a database must be like after a migration, and what must not be left of one; both are only looked at."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from project import Revision

_LEFT = """
select 'backend ' || pid || ' (' || application_name || ', ' || coalesce(state, '-') || '): ' || left(query, 60)
from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
union all
select mode || ' of ' || pid || ' on an advisory lock' from pg_locks
where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
"""
_INVALID = "select indexrelid::regclass::text from pg_index where not (indisvalid and indisready)"
_INDICES = "select indexrelid::regclass::text from pg_index"
_NOT_APPLIED = "select revision || ' is ' || state from initkit_migrations where state <> 'applied'"


def problems(url: str, revisions: Sequence[Revision], *, alembic: bool = True, ledger: bool = True) -> list[str]:
    """What is not as it must be: each revision applied once and recorded once, each index there and valid.

    Args:
        url: of the database.
        revisions: all of them.
        alembic: whether alembic's version table is to be there.
        ledger: whether initkit's is to name each revision once.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            return [
                *_journal(_column(connection, "select name from journal"), revisions),
                *_indices(connection, revisions),
                *(_version(connection, revisions) if alembic else ()),
                *(_ledger(connection, len(revisions)) if ledger else ()),
            ]
        except psycopg.errors.UndefinedTable as error:
            return [str(error).splitlines()[0]]


def is_half_made(url: str) -> bool:
    """Whether a revision is recorded as begun outside transactions, and not as finished."""
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            return bool(_column(connection, _NOT_APPLIED))
        except psycopg.errors.UndefinedTable:
            return False


def gone_after(url: str, patience: float) -> tuple[float, list[str]]:
    """Seconds until nothing is left of a run, and what is left all the same after `patience`."""
    began = time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection:
        while rest := _column(connection, _LEFT):
            if time.monotonic() - began > patience:
                break
            time.sleep(0.01)
        return time.monotonic() - began, rest


def _column(connection: psycopg.Connection[Any], query: str) -> list[str]:
    return [str(row[0]) for row in connection.execute(query).fetchall()]


def _journal(names: list[str], revisions: Sequence[Revision]) -> list[str]:
    found = Counter(names)
    wanted = [one.name for one in revisions if not one.alone]
    return [f"{name} was applied {found[name]} times" for name in wanted if found[name] != 1]


def _indices(connection: psycopg.Connection[Any], revisions: Sequence[Revision]) -> list[str]:
    there = set(_column(connection, _INDICES))
    missing = [f"index {one.index} is missing" for one in revisions if one.alone and one.index not in there]
    return missing + [f"index {name} is invalid" for name in _column(connection, _INVALID)]


def _version(connection: psycopg.Connection[Any], revisions: Sequence[Revision]) -> list[str]:
    heads = _column(connection, "select version_num from alembic_version")
    return [] if heads == [revisions[-1].name] else [f"alembic_version says {heads}"]


def _ledger(connection: psycopg.Connection[Any], count: int) -> list[str]:
    rows = int(_column(connection, "select count(*) from initkit_migrations")[0])
    wrong = [] if rows == count else [f"initkit_migrations has {rows} rows for {count} revisions"]
    return wrong + _column(connection, _NOT_APPLIED)
