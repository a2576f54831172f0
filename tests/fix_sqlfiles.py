"""Folders of SQL migrations as people write them, and what is in a database afterwards."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from fix_clock import RecordingVoice, make_context

from initkit.core.assemble import assemble
from initkit.core.outcome import Pending
from initkit.db.dsn import find
from initkit.db.sqlfiles.splitter import split
from initkit.steps.migrate.sql.engine import SqlEngine
from initkit.steps.migrate.step import STEP, Migrate

if TYPE_CHECKING:
    from pathlib import Path

    from initkit.core.outcome import Outcome
    from initkit.core.step import Context


class SqlFolder:
    """A folder of migrations, and the database that they are for."""

    def __init__(self, path: Path, url: str) -> None:
        self.path = path
        self.url = url
        self.voice = RecordingVoice()
        path.mkdir(exist_ok=True)

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    def add(self, name: str, text: str | bytes) -> Path:
        file = self.path / name
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def tables(self, *numbers: int) -> None:
        for number in numbers:
            self.add(f"{number:04}_make_t{number}.sql", f"create table t{number} (id integer);\n")

    def step(self, **options: Any) -> Migrate:
        given = {name.replace("_", "-"): str(value).lower() for name, value in options.items()}
        return assemble(STEP, {"path": str(self.path), "url": self.url, "engine": "sql"} | given)

    def context(self) -> Context:
        return make_context(voice=self.voice)

    def engine(self, context: Context | None = None, **options: Any) -> SqlEngine:
        return SqlEngine(self.step(**options), find(self.url, "--url"), context or self.context())

    def pending(self, **options: Any) -> list[str]:
        finding = self.step(**options).check(self.context())
        return list(finding.facts["pending"]) if isinstance(finding, Pending) else []  # type: ignore[call-overload]

    def apply(self, **options: Any) -> Outcome:
        return self.step(**options).apply(self.context())

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        if self.is_sqlite:
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as file:
                return list(file.execute(query).fetchall())
        with psycopg.connect(self.url, autocommit=True) as connection:
            return list(connection.execute(query.encode()).fetchall())

    def do(self, statement: str) -> None:
        if self.is_sqlite:
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as file, file:
                file.execute(statement)
            return
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def run_by_hand(self, text: str, url: str = "") -> None:
        """Statement by statement, as psql and the sqlite3 shell do it."""
        if self.is_sqlite:
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"), isolation_level=None)) as file:
                file.executescript(text)
            return
        with psycopg.connect(url or self.url, autocommit=True, prepare_threshold=None) as connection:
            for statement in split(text, "postgres"):
                connection.execute(statement.text.encode())

    def names(self) -> set[str]:
        """The tables that there are, without the ledger."""
        if self.is_sqlite:
            query = "select name from sqlite_master where type = 'table'"
        else:
            query = "select tablename from pg_tables where schemaname = 'public'"
        return {row[0] for row in self.rows(query)} - {"initkit_migrations"}

    def ledger(self) -> list[tuple[str, str]]:
        """Revision and state of each row, in order."""
        return [
            (row[0], row[1]) for row in self.rows("select revision, state from initkit_migrations order by position")
        ]


@pytest.fixture(params=["postgres", "sqlite"])
def sql(request: pytest.FixtureRequest, tmp_path: Path) -> SqlFolder:
    """A folder for each database that SQL files can be applied to."""
    if request.param == "sqlite":
        return SqlFolder(tmp_path / "migrations", f"sqlite:///{tmp_path}/shop.db")
    return SqlFolder(tmp_path / "migrations", str(request.getfixturevalue("postgres_url")))


@pytest.fixture
def pg(postgres_url: str, tmp_path: Path) -> SqlFolder:
    """A folder for PostgreSQL."""
    return SqlFolder(tmp_path / "migrations", postgres_url)


@pytest.fixture
def lite(tmp_path: Path) -> SqlFolder:
    """A folder for SQLite."""
    return SqlFolder(tmp_path / "migrations", f"sqlite:///{tmp_path}/shop.db")
