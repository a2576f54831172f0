"""PostgreSQL as a store: rows come in by COPY, under a lock that ends with the transaction.

What the catalog says is read in `postgres_catalog`, what the server refuses is explained in `refusals`.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from initkit.db import postgres
from initkit.db.pg.advisory import acquire
from initkit.steps.seed import postgres_catalog as catalog
from initkit.steps.seed.ledger import TABLE, Entry
from initkit.steps.seed.postgres_merge import inserting, updating
from initkit.steps.seed.refusals import Loading, blaming
from initkit.steps.seed.rows import batches, open_rows
from initkit.steps.seed.staging import KEYS, LINE, STAGING, KeySets, refuse_bad_keys
from initkit.steps.seed.store import Counts
from initkit.steps.seed.tables import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.steps.seed.datasets import Dataset
    from initkit.steps.seed.rows import Row
    from initkit.steps.seed.tables import Table


@contextmanager
def reading(database: Database, context: Context) -> Iterator[PostgresStore]:
    """The database, to look only."""
    connection = postgres.connect(database, context, role="seed", autocommit=True, prepare_threshold=None)
    with closing(connection), postgres.cancelled_on_stop(connection, context, "look at what is seeded"):
        yield PostgresStore(connection, context)


@contextmanager
def writing(database: Database, context: Context) -> Iterator[PostgresStore]:
    """The database in one transaction, under the seed lock; it is committed when the block ends well.

    Otherwise the connection is closed, which ends the transaction at once, also in the middle of a COPY.
    """
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    # a pooler may give each transaction to another server, which does not know what was prepared
    connection = postgres.connect(database, context, role="seed", prepare_threshold=None)
    with closing(connection), postgres.cancelled_on_stop(connection, context, "seed"):
        # what another replica committed while we waited for the lock must be visible after it
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        acquire(connection, postgres.lock_key("seed"), context, "the seed lock")
        # waiting for a table that another has locked ends at our deadline; work under way never does
        postgres.limit_waits(connection, context.remaining)
        connection.execute("set local statement_timeout = 0")
        connection.execute("set constraints all deferred")
        yield PostgresStore(connection, context)
        connection.commit()


class PostgresStore:
    """An open database; see `store.Store`."""

    def __init__(self, connection: postgres.Connection, context: Context) -> None:
        self._connection = connection
        self._context = context

    def ledger(self) -> list[Entry]:
        """What was recorded."""
        if not self._connection.autocommit:
            return self._entries()
        with postgres.reading_table(self._connection, self._context, TABLE):
            return self._entries()

    def _entries(self) -> list[Entry]:
        if self._connection.execute("select 1 where to_regclass(%s) is null", (TABLE,)).fetchone():
            return []
        rows = self._connection.execute(
            "select dataset, table_name, sha256, options, mode, rows, "  # noqa: S608 - a constant
            f"to_char(seeded_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI UTC') from {TABLE}"
        )
        return [Entry(*row) for row in rows]

    def table(self, name: str) -> Table | None:
        """What the catalog says about a table."""
        return catalog.table(self._connection, name)

    def table_names(self) -> list[str]:
        """The tables that an unqualified name finds."""
        return catalog.table_names(self._connection)

    def record(self, entry: Entry) -> None:
        """Write a row of the ledger."""
        self._connection.execute(
            f"create table if not exists {TABLE} (dataset text, table_name text, sha256 text not null, "
            "options text not null, mode text not null, rows bigint not null, "
            "seeded_at timestamptz not null default now(), primary key (dataset, table_name))"
        )
        self._connection.execute(
            f"insert into {TABLE} (dataset, table_name, sha256, options, mode, rows) "  # noqa: S608 - a constant
            "values (%s, %s, %s, %s, %s, %s) on conflict (dataset, table_name) do update set sha256 = excluded.sha256, "
            "options = excluded.options, mode = excluded.mode, rows = excluded.rows, seeded_at = now()",
            (entry.dataset, entry.table, entry.sha256, entry.options, entry.mode, entry.rows),
        )

    def insert(self, dataset: Dataset, table: Table) -> Counts:
        """Insert every row of a dataset, by COPY straight into the table."""
        loading = Loading(dataset, table, self._context)
        with blaming(loading):
            for columns, rows in batches(open_rows(dataset, table, self._context), table):
                loading.next_batch()
                self._copy(f"copy {table.sql} ({listed(columns)}) from stdin", rows, loading)
        return Counts(inserted=loading.count)

    def _copy(self, statement: str, rows: Iterable[Row], loading: Loading, extra: KeySets | None = None) -> None:
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                loading.count += 1
                loading.row = row
                values: Sequence[Any] = row.values
                copy.write_row(values if extra is None else [*values, row.line, extra.number(row)])

    def upsert(self, dataset: Dataset, table: Table) -> Counts:
        """Insert the rows whose key is new and update those that differ, by way of a temporary table."""
        rows = open_rows(dataset, table, self._context)
        loading = Loading(dataset, table, self._context)
        sets = KeySets(dataset, table)
        columns = listed(rows.columns)
        self._connection.execute(
            f"create temporary table {STAGING} on commit drop as "  # noqa: S608 - identifiers are quoted
            f"select {columns}, 0::bigint as {LINE}, 0 as {KEYS} from {table.sql} with no data"
        )
        with blaming(loading):
            self._copy(f"copy {STAGING} ({columns}, {LINE}, {KEYS}) from stdin", rows.stream, loading, sets)
        self._connection.execute(f"analyze {STAGING}")
        refuse_bad_keys(dataset, table, self._pair)
        with blaming(loading):
            counts = self._merged(table, sets, loading.count)
        self._connection.execute(f"drop table {STAGING}")
        return counts

    def _merged(self, table: Table, sets: KeySets, rows: int) -> Counts:
        inserted = updated = 0
        for number, given in sets:
            if update := updating(table, number, given):
                updated += self._connection.execute(update).rowcount
            inserted += self._connection.execute(inserting(table, number, given)).rowcount
        return Counts(inserted, updated, rows - inserted - updated)

    def settle(self, loaded: Iterable[tuple[Dataset, Table]]) -> None:
        """Check what was put off, while the server's answer can still be told, and move sequences on."""
        pairs = list(loaded)
        with blaming(*(Loading(dataset, table, self._context) for dataset, table in pairs)):
            self._connection.execute("set constraints all immediate")
        for table in {table.identity: table for _, table in pairs}.values():
            for column in table.defaults & set(table.writable):
                self._advance(table, column)

    def _advance(self, table: Table, column: str) -> None:
        """Have the sequence that a column owns continue after its greatest value; never move it back."""
        owned = self._connection.execute(
            "select s, s::regclass::oid from pg_get_serial_sequence(%s, %s) s where s is not null", (table.sql, column)
        ).fetchone()
        if owned is None:
            return
        sequence, oid = owned
        self._connection.execute(
            f"select setval({oid}::regclass, top) "  # noqa: S608 - identifiers are quoted
            f"from (select max({quoted(column)})::bigint as top from {table.sql}) t, {sequence} s, pg_sequence q "
            f"where seqrelid = {oid} and seqincrement > 0 and (top, true) > (last_value, is_called)"
        )

    def _pair(self, statement: str) -> tuple[int, int] | None:
        return self._connection.execute(statement).fetchone()
