"""PostgreSQL as a store: rows come in by COPY, under a lock that ends with the transaction.

How a dataset is loaded is `loading`'s business; what the server refuses is explained in `blame`.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from initkit.db import postgres
from initkit.db.pg.advisory import acquire
from initkit.steps.seed.content.faults import task
from initkit.steps.seed.ledger import TABLE, Entry
from initkit.steps.seed.postgres import catalog, recording, sequences, statements
from initkit.steps.seed.postgres.comparing import Comparison
from initkit.steps.seed.postgres.loading import Load
from initkit.steps.seed.postgres.locked import naming_holder
from initkit.steps.seed.postgres.settling import check_constraints

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.steps.seed.content.content import Content
    from initkit.steps.seed.store import Counts, Loading
    from initkit.steps.seed.tables import Table

# As far as this server has them: timeouts of roles and databases do not count, since a load takes as long as it takes;
# statements are not compiled, which costs more than it saves where they mostly read and write;
# and once we are killed, the statement under way ends too, and with it the lock, which otherwise is held to its end.
# https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-CLIENT-CONNECTION-CHECK-INTERVAL
_SETTINGS = """
select set_config(
    name, case name when 'client_connection_check_interval' then '1s' when 'jit' then 'off' else '0' end, true)
from pg_settings
where name in ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout', 'jit')
    or (name = 'client_connection_check_interval' and version() like '%linux%')
"""


@contextmanager
def reading(database: Database, context: Context) -> Iterator[PostgresStore]:
    """The database, to look only."""
    connection = postgres.connect(database, context, role="seed", autocommit=True, prepare_threshold=None)
    with closing(connection), postgres.cancelled_on_stop(connection, context, "look at what is seeded"):
        if connection.info.encoding != "utf-8":  # poolers know of this one, and give each client its own
            connection.execute("set client_encoding = 'UTF8'")
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
        connection.execute(_SETTINGS)  # waiting for the lock is idling in a transaction
        acquire(connection, postgres.lock_key("seed"), context, "the seed lock")
        _prepare(connection, context)
        connection.execute("set constraints all deferred")
        yield PostgresStore(connection, context)
        connection.commit()


def _prepare(connection: postgres.Connection, context: Context) -> None:
    """Settings that end with the transaction."""
    # waiting for a table that another has locked ends at our deadline; work under way never does
    postgres.limit_waits(connection, context.remaining)
    connection.execute("set local client_encoding = 'UTF8'")
    connection.execute("set local standard_conforming_strings = on")


class PostgresStore:
    """An open database; see `store.Store`."""

    def __init__(self, connection: postgres.Connection, context: Context) -> None:
        self._connection = connection
        self._context = context
        self._loads: list[tuple[Loading, Load]] = []

    def ledger(self) -> list[Entry]:
        """What was recorded."""
        if not self._connection.autocommit:
            return recording.entries(self._connection)
        with postgres.reading_table(self._connection, self._context, TABLE):
            return recording.entries(self._connection)

    def table(self, name: str) -> Table | None:
        """What the catalog says about a table."""
        return catalog.table(self._connection, name)

    def table_names(self) -> list[str]:
        """The tables that an unqualified name finds."""
        return catalog.table_names(self._connection)

    def is_empty(self, table: Table) -> bool:
        """Whether a table has no row."""
        with self._waiting(f"read the table {table.name}", table), self._connection.transaction():
            postgres.limit_waits(self._connection, self._context.remaining)
            only = catalog.relation(self._connection, table).only
            return self._connection.execute(f"select 1 from {only} limit 1").fetchone() is None  # noqa: S608 - quoted

    def record(self, entry: Entry) -> None:
        """Write a row of the ledger."""
        recording.record(self._connection, entry)

    def load(self, loading: Loading) -> Counts:
        """Bring a dataset's rows into its table."""
        with self._waiting(task(loading.content.dataset), loading.table):
            load = Load(self._connection, loading, len(self._loads))
            counts = load.run()
        self._loads.append((loading, load))
        return counts

    def compare(self, loading: Loading) -> Counts:
        """Count what `load` would do, in a transaction that comes to nothing."""
        waiting = self._waiting(task(loading.content.dataset), loading.table)
        with waiting, self._connection.transaction(force_rollback=True):
            self._connection.execute(_SETTINGS)
            _prepare(self._connection, self._context)
            return Comparison(self._connection, loading).run()

    def run(self, content: Content) -> int:
        """Run the statements of an SQL dataset."""
        return statements.run(self._connection, content)

    def settle(self, loaded: Sequence[Loading]) -> None:
        """Delete what others still referred to, check what was put off, and move sequences on."""
        with self._waiting("settle what was seeded", *(loading.table for loading in loaded)):
            for _, load in reversed(self._loads):
                if load.deletion is not None:
                    load.deletion.attempt()
            check_constraints(self._connection, loaded)
        self._advance_sequences()

    def _advance_sequences(self) -> None:
        columns: dict[str, set[str]] = {}
        tables = {loading.table.identity: loading.table for loading, _ in self._loads}
        for loading, load in self._loads:
            columns.setdefault(loading.table.identity, set()).update(load.columns)
        for identity, table in tables.items():
            sequences.advance(self._connection, table, columns[identity])

    def _waiting(self, task: str, *tables: Table) -> AbstractContextManager[None]:
        return naming_holder(self._connection, task, tables)
