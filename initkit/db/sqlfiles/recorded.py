"""What a database's ledger says of SQL migrations, read without writing or a lock; what follows is `standing`'s."""

from __future__ import annotations

from contextlib import closing
from types import MappingProxyType
from typing import TYPE_CHECKING

from initkit.core.record import Record
from initkit.db import postgres
from initkit.db.ledger import Ledger, execute_on_postgres, execute_on_sqlite
from initkit.db.revisions import reading_sqlite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.db.ledger import Execute, Row
    from initkit.db.postgres import Connection
    from initkit.db.revisions import VersionTable

SOURCE = "sql"
_SCHEMA = """
select coalesce((select n.nspname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = pg_catalog.to_regclass(%s)), pg_catalog.current_schema())
"""
# whatever is the server's own, or an extension's, does not make a database one in use
_IN_USE = """
select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%' and c.relkind in ('r', 'p', 'v', 'm')
and c.relname <> :name and not exists (select from pg_catalog.pg_depend d where d.objid = c.oid and d.deptype = 'e'))
"""
_IN_USE_SQLITE = "select exists (select 1 from sqlite_master where type in ('table', 'view') and name <> :name)"


class Recorded(Record):
    """What a database says.

    Attributes:
        rows: of the ledger, in the order in which they were applied.
        moments: when each was written, by revision.
        is_bare: whether the database holds nothing at all, neither a ledger nor a table of anybody's.
    """

    rows: tuple[Row, ...] = ()
    moments: Mapping[str, str] = MappingProxyType({})
    is_bare: bool = False


def recorded(database: Database, context: Context, table: VersionTable, *, application_name: str = "") -> Recorded:
    """What the ledger says; a table or SQLite file that is missing says nothing, and none is made.

    Raises:
        InitkitError: the database cannot be reached, or does not let us read.
    """
    task = f"read which migrations {database.shown} has"
    if database.dialect == "sqlite":
        return _in_sqlite(database.address, context, table, task)
    connection = postgres.connect(
        database, context, role="migrate", application_name=application_name, autocommit=True, prepare_threshold=None
    )
    with (
        closing(connection),
        postgres.cancelled_on_stop(connection, context, task),
        postgres.reading_table(connection, context, table.name),
    ):
        ledger = Ledger(execute_on_postgres(connection), "postgres", SOURCE, schema=table.schema, table=table.name)
        return _of_ledger(ledger, execute_on_postgres(connection), _IN_USE, table.name)


def schema_of(connection: Connection, table: str) -> str | None:
    """The schema that a PostgreSQL has the ledger in, or would make it in; None where its search path has none."""
    row = connection.execute(_SCHEMA, (table,)).fetchone()
    return row[0] if row else None


def look_up_schema(database: Database, context: Context, table: str, *, application_name: str) -> str | None:
    """The same over a connection of its own; None for SQLite."""
    if database.dialect == "sqlite":
        return None
    connection = postgres.connect(
        database, context, role="migrate", application_name=application_name, autocommit=True, prepare_threshold=None
    )
    with closing(connection), postgres.cancelled_on_stop(connection, context, "look where migrations are recorded"):
        return schema_of(connection, table)


def _in_sqlite(path: str, context: Context, table: VersionTable, task: str) -> Recorded:
    with reading_sqlite(path, context, task) as connection:
        if connection is None:
            return Recorded(is_bare=True)
        execute = execute_on_sqlite(connection)
        return _of_ledger(Ledger(execute, "sqlite", SOURCE, table=table.name), execute, _IN_USE_SQLITE, table.name)


def _of_ledger(ledger: Ledger, execute: Execute, in_use: str, name: str) -> Recorded:
    rows = tuple(ledger.rows())
    if not rows:
        return Recorded(is_bare=not execute(in_use, {"name": name})[0][0])
    # the name is ours, and quoted
    sql = f"select revision, recorded_at from {ledger.table} where source = :source"  # noqa: S608
    moments = {str(revision): str(moment)[:19] for revision, moment in execute(sql, {"source": SOURCE})}
    return Recorded(rows, moments)
