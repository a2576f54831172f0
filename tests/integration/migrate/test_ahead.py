"""A rollback: the image is older than the database; and a database that belongs to somebody else."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_program import initkit

if TYPE_CHECKING:
    from fix_alembic import Builder


@pytest.fixture
def older(any_url: str, project: Builder) -> Builder:
    """Migrations up to b2; the database has c3 and d4 on top, applied by initkit."""
    project.tables("a1", "b2", "c3", "d4")
    done = initkit("migrate", str(project.folder), env={"DATABASE_URL": any_url})
    assert done.returncode == 0, done.stderr
    for name in ("c3", "d4"):
        (project.folder / "versions" / f"{name}_step.py").unlink()
    return project


def execute(url: str, statement: str) -> None:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file, file:
            file.execute(statement)
        return
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


def test_a_database_that_a_newer_image_has_migrated_is_left_alone_with_a_warning(any_url: str, older: Builder) -> None:
    done = initkit("migrate", str(older.folder), "--log-format", "json", env={"DATABASE_URL": any_url})
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    warned = [line["message"] for line in lines if line["level"] == "warning"]
    assert warned == [f"the database is ahead of {older.folder}: a newer image has applied d4"]
    assert lines[-1]["status"] == "ok"
    assert "ahead, at revision d4" in lines[-1]["detail"]


def test_ahead_may_be_fine_or_a_failure(any_url: str, older: Builder) -> None:
    fine = initkit("migrate", str(older.folder), "--if-ahead", "ok", env={"DATABASE_URL": any_url})
    assert fine.returncode == 0
    assert "warning" not in fine.stderr
    bad = initkit("migrate", str(older.folder), "--if-ahead", "fail", env={"DATABASE_URL": any_url})
    assert bad.returncode == 1
    assert "it is ahead: at revision d4" in bad.stderr


def test_check_finds_nothing_to_do_in_a_database_that_is_ahead(any_url: str, older: Builder) -> None:
    assert initkit("migrate", str(older.folder), "--check", env={"DATABASE_URL": any_url}).returncode == 0


def test_an_unknown_revision_that_initkit_has_no_trace_of_is_another_database(any_url: str, older: Builder) -> None:
    execute(any_url, "drop table initkit_migrations")
    done = initkit("migrate", str(older.folder), env={"DATABASE_URL": any_url})
    assert done.returncode == 1
    assert "it is at revision d4, which" in done.stderr
    assert "check that this is the right database" in done.stderr


def test_a_newer_branch_does_not_hide_that_another_one_is_not_applied(any_url: str, older: Builder) -> None:
    older.revision("z9", "op.create_table('t_z9', sa.Column('id', sa.Integer))", down="b2")
    done = initkit("migrate", str(older.folder), env={"DATABASE_URL": any_url})
    assert done.returncode == 1, "d4 was not applied on top of z9"
    assert "d4" in done.stderr
