"""What statements do to a transaction, told by their first words."""

from __future__ import annotations

import pytest

from initkit.steps.migrate.alembic import kinds


@pytest.mark.parametrize(
    "statement",
    [
        "select 1",
        "  -- a comment\n/* and\nanother */ SELECT id from t",
        "SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class WHERE f(relname)",
        "show lock_timeout",
        "SET search_path = app",
        "savepoint a",
    ],
)
def test_what_changes_nothing_is_known(statement: str) -> None:
    assert kinds.reads(statement)


@pytest.mark.parametrize(
    "statement", ["select make_hypertable('t')", "insert into t values (1)", "with a as (delete from t) select 1"]
)
def test_what_may_change_something_is_taken_for_it(statement: str) -> None:
    assert not kinds.reads(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP INDEX CONCURRENTLY IF EXISTS i",
        "alter type mood add value if not exists 'soso'",
        "vacuum t",
        "drop table if exists t",
    ],
)
def test_what_can_simply_be_run_again_is_known(statement: str) -> None:
    assert kinds.repeats(statement)


@pytest.mark.parametrize(
    "statement", ["drop index i", "alter type mood add value 'soso'", "create index concurrently i on t (a)"]
)
def test_what_cannot_be_run_again_is_not_taken_for_it(statement: str) -> None:
    assert not kinds.repeats(statement)


def test_commits_by_hand_are_seen() -> None:
    assert kinds.commits("COMMIT")
    assert kinds.commits("/* now */ end;")
    assert not kinds.commits("comment on table t is 'x'")
    assert not kinds.commits("endless()")


@pytest.mark.parametrize(
    ("statement", "commits"),
    [
        ("create table t (id int)", True),
        ("alter table t add a int", True),
        ("insert into t values (1)", False),
        ("select f()", False),
    ],
)
def test_mysql_commits_around_whatever_is_no_work_on_rows(statement: str, commits: bool) -> None:  # noqa: FBT001 - a case
    assert kinds.commits_in_mysql(statement) == commits
