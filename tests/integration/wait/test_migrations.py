"""wait migrations: replicas beside a Job that migrates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_alembic import ENV_STANDARD, Builder
from fix_program import INITKIT, Running, initkit

if TYPE_CHECKING:
    from fix_mysql import MariaDb


@pytest.fixture(params=["certain", "only alembic can tell"])
def waited(request: pytest.FixtureRequest, project: Builder) -> Builder:
    if request.param != "certain":
        project.env(ENV_STANDARD.replace("context.configure(", "context.configure(**{'version_table': 'elsewhere'}, "))
    project.tables("a1", "b2")
    return project


def test_it_goes_on_once_all_revisions_are_applied(waited: Builder, postgres_url: str) -> None:
    env = {"DATABASE_URL": postgres_url}
    waiting = Running([*INITKIT, "wait", "migrations", str(waited.folder), "--timeout", "60s"], env)
    waiting.line_with("2 revisions to")
    assert initkit("migrate", str(waited.folder), env=env).returncode == 0
    assert waiting.child.wait(30) == 0


def test_it_writes_nothing_and_takes_no_lock(waited: Builder, postgres_url: str) -> None:
    done = initkit("wait", "migrations", str(waited.folder), "--check", env={"DATABASE_URL": postgres_url})
    assert done.returncode == 3, done.stderr
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchall() == [(0,)]
        assert connection.execute("select count(*) from pg_locks where locktype = 'advisory'").fetchall() == [(0,)]


def test_a_database_that_is_ahead_is_ready(waited: Builder, postgres_url: str) -> None:
    env = {"DATABASE_URL": postgres_url}
    assert initkit("migrate", str(waited.folder), env=env).returncode == 0
    (waited.folder / "versions" / "b2_step.py").unlink()
    done = initkit("wait", f"migrations:{waited.folder}", "--timeout", "20s", env=env)
    assert done.returncode == 0, done.stderr


def test_a_missing_folder_is_told_at_once(postgres_url: str) -> None:
    done = initkit("wait", "migrations", "/nowhere/at/all", env={"DATABASE_URL": postgres_url})
    assert done.returncode == 1
    assert "cannot find the migrations in /nowhere/at/all: no such file or folder" in done.stderr


def test_without_an_address_nothing_is_attempted() -> None:
    done = initkit("wait", "migrations", "/nowhere")
    assert done.returncode == 2
    assert "no address was given" in done.stderr


def test_the_address_does_not_stand_in_argv(project: Builder, postgres_url: str, tmp_path: object) -> None:
    source = ENV_STANDARD.replace("context.configure(", "context.configure(**{}, ")
    seen = f"{tmp_path}/seen"
    project.env(f"import os\nopen({seen!r}, 'w').write(open(f'/proc/{{os.getppid()}}/cmdline').read())\n" + source)
    project.tables("a1")
    done = initkit("wait", "migrations", str(project.folder), "--url", postgres_url, "--check", env={})
    assert done.returncode == 3, done.stderr
    with open(seen, encoding="utf-8") as file:
        assert postgres_url not in file.read()


def test_a_variable_of_any_name_reaches_alembic(project: Builder, postgres_url: str) -> None:
    project.env(ENV_STANDARD.replace("context.configure(", "context.configure(**{}, "))  # only alembic can tell
    project.tables("a1")
    env = {"INITKIT_ADDRESS": postgres_url}
    done = initkit("wait", "migrations", str(project.folder), "--url-env", "INITKIT_ADDRESS", "--check", env=env)
    assert "1 revision to apply" in done.stderr


def test_sql_files_are_waited_for_too(postgres_url: str, tmp_path: object) -> None:
    with open(f"{tmp_path}/0001_users.sql", "w", encoding="utf-8") as file:
        file.write("create table users (id int);\n")
    env = {"DATABASE_URL": postgres_url}
    assert initkit("wait", "migrations", str(tmp_path), "--check", env=env).returncode == 3
    assert initkit("migrate", str(tmp_path), env=env).returncode == 0
    assert initkit("wait", "migrations", str(tmp_path), "--check", env=env).returncode == 0


def test_mariadb_is_waited_for_too(mariadb: MariaDb, project: Builder) -> None:
    project.tables("a1")
    env = {"DATABASE_URL": mariadb.url()}
    done = initkit("wait", "migrations", str(project.folder), "--check", env=env)
    assert done.returncode == 3, done.stderr
    assert "1 revision to apply" in done.stderr
