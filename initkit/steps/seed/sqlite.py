"""SQLite as a store: rows come in by executemany, in one transaction, under a lock beside the file.

What the catalog says is read in `sqlite_catalog`, what values become is decided in `sqlite_feed`.
"""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from initkit.core.errors import SuspectError
from initkit.db import sqlite
from initkit.steps.seed import sqlite_catalog as catalog
from initkit.steps.seed.ledger import TABLE, Entry
from initkit.steps.seed.rows import bad_row, batches, open_rows, with_values
from initkit.steps.seed.sqlite_feed import Feed, refusal
from initkit.steps.seed.sqlite_merge import inserting, updating
from initkit.steps.seed.staging import KEYS, LINE, STAGING, KeySets, refuse_bad_keys
from initkit.steps.seed.store import Counts
from initkit.steps.seed.tables import listed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from initkit.core.errors import PermanentError
    from initkit.core.step import Context
    from initkit.steps.seed.datasets import Dataset
    from initkit.steps.seed.tables import Table


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
        _keep_temporary_files_beside(connection, path)
        connection.execute("begin immediate")
        connection.execute("pragma defer_foreign_keys = on")
        store = SqliteStore(connection, context)
        yield store
        store.commit()


def _expect(path: str) -> None:
    if not os.path.exists(path):
        raise SuspectError(f"open {path}", "there is no such file", "run initkit migrate first, or mend the URL")


def _keep_temporary_files_beside(connection: sqlite3.Connection, path: str) -> None:
    """Where the database is we may write; with a read-only root there may be no other place."""
    folder = os.path.dirname(os.path.abspath(path)).replace("'", "''")
    connection.execute(f"pragma temp_store_directory = '{folder}'")


class SqliteStore:
    """An open database; see `store.Store`."""

    def __init__(self, connection: sqlite3.Connection, context: Context) -> None:
        self._connection = connection
        self._context = context
        self._loaded: list[tuple[Dataset, Table]] = []

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

    def insert(self, dataset: Dataset, table: Table) -> Counts:
        """Insert every row of a dataset."""
        count = 0
        for columns, rows in batches(open_rows(dataset, table, self._context), table):
            marks = ", ".join("?" * len(columns))
            statement = f"insert into {table.sql} ({listed(columns)}) values ({marks})"  # noqa: S608 - identifiers are quoted
            count += self._load(statement, Feed(dataset, table, columns, rows))
        return Counts(inserted=count)

    def _load(self, statement: str, feed: Feed) -> int:
        import sqlite3  # noqa: PLC0415 - the driver is loaded when a database is met

        try:
            self._connection.executemany(statement, feed)
        except (sqlite3.IntegrityError, sqlite3.DataError) as error:
            raise refusal(error, feed.dataset, feed.line) from error
        return feed.count

    def upsert(self, dataset: Dataset, table: Table) -> Counts:
        """Insert the rows whose key is new and update those that differ, by way of a temporary table."""
        rows = open_rows(dataset, table, self._context)
        sets = KeySets(dataset, table)
        self._connection.execute(
            f"create temporary table {STAGING} as "  # noqa: S608 - identifiers are quoted
            f"select {listed(rows.columns)}, 0 as {LINE}, 0 as {KEYS} from {table.sql} where 0"
        )
        marks = ", ".join("?" * (len(rows.columns) + 2))
        statement = f"insert into temp.{STAGING} values ({marks})"  # noqa: S608 - a constant
        count = self._load(statement, Feed(dataset, table, rows.columns, rows.stream, sets))
        self._connection.execute(f"create index temp.{STAGING}_key on {STAGING} ({listed(table.key)})")
        refuse_bad_keys(dataset, table, lambda query: self._connection.execute(query).fetchone())
        counts = self._merged(dataset, table, sets, count)
        self._connection.execute(f"drop table temp.{STAGING}")
        return counts

    def _merged(self, dataset: Dataset, table: Table, sets: KeySets, rows: int) -> Counts:
        import sqlite3  # noqa: PLC0415 - the driver is loaded when a database is met

        inserted = updated = 0
        for number, given in sets:
            try:
                if update := updating(table, number, given):
                    updated += self._connection.execute(update).rowcount
                inserted += self._connection.execute(inserting(table, number, given)).rowcount
            except sqlite3.IntegrityError as error:
                raise refusal(error, dataset) from error
        return Counts(inserted, updated, rows - inserted - updated)

    def settle(self, loaded: Iterable[tuple[Dataset, Table]]) -> None:
        """Remember what was loaded, for the check of foreign keys; SQLite moves its sequences on by itself."""
        self._loaded = list(loaded)

    def commit(self) -> None:
        """End the transaction, which checks the foreign keys that were put off."""
        import sqlite3  # noqa: PLC0415 - the driver is loaded when a database is met

        try:
            self._connection.execute("commit")
        except sqlite3.IntegrityError as error:
            raise self._broken_reference() or error from error

    def _broken_reference(self) -> PermanentError | None:
        for dataset, table in self._loaded:
            broken = catalog.broken_reference(self._connection, table)
            if broken is None:
                continue
            parent, columns, values = broken
            row = with_values(dataset, table, columns, values, self._context)
            return bad_row(
                dataset,
                row.line if row else 0,
                f"{', '.join(values) or 'a value'} is not present in table {parent}",
                column=", ".join(columns),
                advice="add the row that it refers to, or mend the file",
            )
        return None
