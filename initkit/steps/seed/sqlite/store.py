"""SQLite as a store, in one transaction, under a lock beside the file; how rows come in is told by the other files.

Foreign keys are checked here whether or not the application ever turns that on: what a file refers to must be there.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError, SuspectError
from initkit.db import sqlite
from initkit.steps.seed.content.faults import task
from initkit.steps.seed.ledger import TABLE, Entry
from initkit.steps.seed.sqlite import catalog
from initkit.steps.seed.sqlite.deleting import InUseError
from initkit.steps.seed.sqlite.loading import compare, is_empty, load
from initkit.steps.seed.sqlite.settling import commit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initkit.core.step import Context
    from initkit.steps.seed.content.content import Content
    from initkit.steps.seed.sqlite.deleting import Deletion
    from initkit.steps.seed.store import Counts, Loading
    from initkit.steps.seed.tables import Table

_CACHE = 8 << 10  # KiB: indexes are written here and there


@contextmanager
def reading(path: str, context: Context) -> Iterator[SqliteStore]:
    """The file, to look only."""
    _expect(path)
    connection = sqlite.connect(path, context, read_only=True)
    with closing(connection), sqlite.interrupted_on_stop(connection, context, "look at what is seeded"):
        yield SqliteStore(connection, context)


@contextmanager
def writing(path: str, context: Context) -> Iterator[SqliteStore]:
    """The file in one transaction, under the seed lock; it is committed when the block ends well."""
    _expect(path)
    with (
        sqlite.locked(path, context, "the seed lock"),
        closing(sqlite.connect(path, context)) as connection,
        sqlite.interrupted_on_stop(connection, context, f"seed {path}"),
    ):
        keep_temporary_files_beside(connection)
        connection.execute(f"pragma main.cache_size = -{_CACHE}")
        connection.execute("begin immediate")
        connection.execute("pragma defer_foreign_keys = on")
        store = SqliteStore(connection, context)
        yield store
        commit(connection, store.loaded, context)


def _expect(path: str) -> None:
    if not os.path.exists(path):
        raise SuspectError(f"open {path}", "there is no such file", "run initkit migrate first, or mend the URL")
    if os.path.isdir(path):
        raise PermanentError(f"open {path}", "it is a folder", "name the file in it, or mend the URL")


def keep_temporary_files_beside(connection: sqlite3.Connection) -> None:
    """Where the database is we may write; with a read-only root there may be no other place."""
    file = connection.execute("pragma database_list").fetchone()[2]
    folder = os.path.dirname(file)
    if folder and os.access(folder, os.W_OK):
        connection.execute("pragma temp_store_directory = '{}'".format(folder.replace("'", "''")))


class SqliteStore:
    """An open database; see `store.Store`.

    Attributes:
        loaded: what the check of foreign keys at the end may blame.
    """

    def __init__(self, connection: sqlite3.Connection, context: Context) -> None:
        self.loaded: Sequence[Loading] = ()
        self._connection = connection
        self._context = context
        self._count = 0
        self._deletions: list[Deletion] = []

    def ledger(self) -> list[Entry]:
        """What was recorded."""
        if TABLE not in self.table_names():
            return []
        columns = "dataset, table_name, sha256, options, mode, rows, seeded_at"
        return [Entry(*row) for row in self._connection.execute(f"select {columns} from {TABLE}")]  # noqa: S608 - constants

    def table(self, name: str) -> Table | None:
        """What the catalog says about a table."""
        return catalog.table(self._connection, name)

    def table_names(self) -> list[str]:
        """All tables of the file."""
        return catalog.table_names(self._connection)

    def is_empty(self, table: Table) -> bool:
        """Whether a table has no row."""
        return is_empty(self._connection, table)

    def record(self, entry: Entry) -> None:
        """Write a row of the ledger."""
        self._connection.execute(
            f"create table if not exists {TABLE} (dataset text not null, table_name text not null, "
            "sha256 text not null, options text not null, mode text not null, rows integer not null, "
            "seeded_at text not null, primary key (dataset, table_name))"
        )
        self._connection.execute(
            f"insert or replace into {TABLE} (dataset, table_name, sha256, options, mode, rows, seeded_at) "  # noqa: S608 - a constant
            "values (?, ?, ?, ?, ?, ?, strftime('%Y-%m-%d %H:%M UTC', 'now'))",
            (entry.dataset, entry.table, entry.sha256, entry.options, entry.mode, entry.rows),
        )

    def load(self, loading: Loading) -> Counts:
        """See `Store`."""
        counts, deletion = load(self._connection, loading, self._context, self._count)
        self._count += 1
        if deletion:
            self._deletions.append(deletion)
        return counts

    def compare(self, loading: Loading) -> Counts:
        """See `Store`."""
        keep_temporary_files_beside(self._connection)
        # where the file could not be opened for reading alone, temporary tables count as writing too
        self._connection.execute("pragma query_only = off")
        self._connection.execute("begin")
        try:
            counts = compare(self._connection, loading, self._context)
        finally:
            self._connection.execute("rollback")
            self._connection.execute("pragma query_only = on")
        return counts

    def run(self, content: Content) -> int:
        """See `Store`."""
        count = 0
        for statement in content.statements("sqlite"):
            count += 1
            try:
                for _ in self._connection.execute(statement.text):
                    pass
            except sqlite3.Error as error:
                self._context.stop.check()
                found = sqlite.classify(error, task(content.dataset))
                cause = f"line {statement.line}: {found.cause}, in {statement.shown}"
                raise type(found)(found.task, cause, found.advice or "mend the statement") from error
            if not self._connection.in_transaction:
                raise PermanentError(
                    task(content.dataset),
                    f"line {statement.line}: {statement.shown} ends the transaction",
                    "remove it: a dataset is seeded in one transaction",
                )
        return count

    def settle(self, loaded: Sequence[Loading]) -> None:
        """Delete what others still referred to; the commit checks foreign keys, and sequences move on by themselves."""
        self.loaded = loaded
        for deletion in reversed(self._deletions):
            try:
                deletion.attempt()
            except InUseError as error:
                raise error.told from error
