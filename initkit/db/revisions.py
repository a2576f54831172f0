"""What is applied: the version table, read directly without writing; what there is to apply is the tools' business."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initkit.db import postgres, sqlite

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from initkit.core.step import Context
    from initkit.db.dsn import Database

Heads = tuple[str, ...]
"""The revisions that a version table names, sorted; empty for a database that nothing was applied to."""


@dataclass(frozen=True)
class VersionTable:
    """Where it is written down what is applied: alembic's version table, or initkit's ledger for SQL files.

    Attributes:
        name: of the table.
        schema: it lies in, or None for the first of the search path that has it.
    """

    name: str = "alembic_version"
    schema: str | None = None


@dataclass(frozen=True)
class Revision:
    """One revision as people know it.

    Attributes:
        id: what the version table says once it is applied.
        message: the first line of its docstring; may be empty.
        file: its file's name, without the folder.
        down: the revisions that it builds upon or depends on.
    """

    id: str
    message: str = ""
    file: str = ""
    down: tuple[str, ...] = ()

    def __str__(self) -> str:
        """``c3d4 add orders``."""
        return f"{self.id} {self.message}".rstrip()


@dataclass(frozen=True)
class Standing:
    """How far a database is, next to the migrations that there are.

    Attributes:
        heads: what it says is applied.
        pending: what is to be applied, in that order, to come to where it is to be.
        unknown: what is applied and not among the migrations.
        is_ahead: whether all that is unknown was applied by initkit on top of everything that is there: a newer image
            did so. Where something is unknown otherwise, the two have diverged.
        is_newest: whether no migration lies beyond `heads`.
        is_empty: whether there are no migrations at all.
        warnings: what should be looked at but keeps nothing from being applied: files that have changed.
    """

    heads: Heads = ()
    pending: tuple[Revision, ...] = ()
    unknown: tuple[str, ...] = ()
    is_ahead: bool = False
    is_newest: bool = True
    is_empty: bool = False
    warnings: tuple[str, ...] = ()


def tips(revisions: tuple[Revision, ...]) -> tuple[Revision, ...]:
    """Those that no other of them builds upon."""
    below = {down for revision in revisions for down in revision.down}
    return tuple(revision for revision in revisions if revision.id not in below)


def recorded(database: Database, context: Context, table: VersionTable, *, task: str = "read the revisions") -> Heads:
    """What the version table says; a table or SQLite file that is missing says nothing, and none is made.

    Raises:
        InitkitError: the database cannot be reached, or does not let us read.
    """
    if database.dialect == "sqlite":
        return _in_sqlite(database.address, context, table, task)
    with closing(postgres.connect(database, context, role="migrate", autocommit=True)) as connection:
        return recorded_by(connection, context, table, task=task)


def recorded_by(
    connection: postgres.Connection, context: Context, table: VersionTable, *, task: str = "read the revisions"
) -> Heads:
    """What the version table says to a connection that is already there."""
    from psycopg import sql  # noqa: PLC0415 - the driver is loaded when a database is met

    identifier = sql.Identifier(*([table.schema] if table.schema else []), table.name)
    name = identifier.as_string(connection)
    with postgres.cancelled_on_stop(connection, context, task), postgres.reading_table(connection, context, name):
        found = connection.execute("select to_regclass(%s)", (name,)).fetchone()
        if not found or found[0] is None:
            return ()
        rows = connection.execute(sql.SQL("select version_num from {}").format(identifier)).fetchall()
    return tuple(sorted(str(row[0]) for row in rows))


def _in_sqlite(path: str, context: Context, table: VersionTable, task: str) -> Heads:
    quoted = table.name.replace('"', '""')
    with reading_sqlite(path, context, task) as connection:
        if connection is None:
            return ()
        found = connection.execute("select 1 from sqlite_master where name = ?", (table.name,)).fetchone()
        # the name is the user's own, from env.py, and an identifier cannot be a parameter
        rows = connection.execute(f'select version_num from "{quoted}"').fetchall() if found else []  # noqa: S608
    return tuple(sorted(str(row[0]) for row in rows))


@contextmanager
def reading_sqlite(path: str, context: Context, task: str) -> Iterator[sqlite3.Connection | None]:
    """A connection that reads a SQLite file; None where that is missing or empty, which says nothing and stays so.

    Raises:
        InitkitError: it cannot be opened or read.
    """
    # an empty file is what a killed run may have left, and nothing can be read from it
    if not os.path.exists(path) or not os.path.getsize(path):
        yield None
        return
    with (
        closing(sqlite.connect(path, context, read_only=True)) as connection,
        sqlite.interrupted_on_stop(connection, context, task),
    ):
        yield connection
