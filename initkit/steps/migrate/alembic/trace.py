"""Writes the ledger for env.py's alembic: who applied what on top of what, what was begun outside transactions."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from initkit.core.errors import InitkitError, Stopped
from initkit.db.alembic.standing import source_of
from initkit.db.ledger import Execute, Ledger, Left, Row
from initkit.db.revisions import VersionTable
from initkit.steps.migrate.alembic import drivers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection

    from initkit.core.step import Voice
    from initkit.db.revisions import Revision
    from initkit.steps.migrate.alembic.drivers import Raw

_SCHEMA = """
select coalesce((select n.nspname from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass(:name)), current_schema())
"""


def executing(connection: Connection) -> Execute:
    """`Execute` by env.py's own connection, in its transaction."""
    from sqlalchemy import text  # noqa: PLC0415 - only where alembic runs

    def execute(sql: str, values: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        result = connection.execute(text(sql), dict(values))
        return result.fetchall() if result.returns_rows else []

    return execute


class Trace:
    """The ledger beside one version table, by env.py's connection to it.

    Attributes:
        table: the version table, as env.py names it.
        schema: that it lies in; empty where the database has no such.
    """

    def __init__(self, context: MigrationContext, voice: Voice, settings: Mapping[str, str], pod: str) -> None:
        assert context.connection is not None  # noqa: S101 - only `--sql` has none
        self._connection = context.connection
        self._raw = drivers.raw_of(self._connection.connection.dbapi_connection)
        self._voice, self._settings, self._pod = voice, settings, pod
        self._dialect = drivers.dialect_of(self._raw)
        self._other: Any = None
        self._is_kept = False
        self.table = VersionTable(context.version_table, context.version_table_schema)
        self.schema = self._found_schema() if self._dialect == "postgres" else (self.table.schema or "")

    def _found_schema(self) -> str:
        from initkit.db.pg.indexes import quoted  # noqa: PLC0415 - only where it is PostgreSQL

        name = ".".join(quoted(part) for part in (self.table.schema, self.table.name) if part)
        return str(executing(self._connection)(_SCHEMA, {"name": name})[0][0] or "")

    def _ledger(self, execute: Execute) -> Ledger:
        # an SQLite schema is an attached file, and a MySQL one a database: the ledger lies in the connection's own
        schema = self.schema if self._dialect == "postgres" else ""
        return Ledger(execute, self._dialect or "postgres", source_of(self.table), schema=schema or None)

    def is_kept_by(self, raw: Raw) -> bool:
        """Whether a connection is the one that the version table is written by."""
        return raw is self._raw

    def rows(self) -> list[Row]:
        """What it says, as far as we may read it."""
        if not self._dialect:
            return []
        try:
            with self._saved():
                return self._ledger(executing(self._connection)).rows()
        except (InitkitError, Stopped):
            raise
        except Exception as error:  # noqa: BLE001 - each driver has its own, and none keeps alembic from working
            self._voice.detail(f"initkit's own record cannot be read: {_line(error)}")
            return []

    def make(self) -> None:
        """Make the table where it is missing; where that is not allowed, go on without."""
        if not self._dialect:
            return
        try:
            if not self._ledger(executing(self._connection)).exists():
                self._made()
        except (InitkitError, Stopped):
            raise
        except Exception as error:  # noqa: BLE001 - each driver has its own, and none is worth the migration
            self._go_without(error)
        else:
            self._is_kept = True

    def _made(self) -> None:
        """On another connection, so that it is there before what it is to tell of.

        In env.py's own transaction on SQLite, and where that has made the schema that nobody else sees yet.
        """
        elsewhere = self._elsewhere(self._raw)
        if elsewhere is not None:
            with suppress(Exception):  # what keeps that from it is told by the next attempt
                self._ledger(elsewhere).make()
                return
        with self._saved():
            self._ledger(executing(self._connection)).make()

    def _elsewhere(self, raw: Raw) -> Execute | None:
        if self._other is None:
            self._other = drivers.another(raw, self._settings)
        return drivers.execute_by(self._other) if self._other else None

    def _go_without(self, error: Exception) -> None:
        self._voice.warn(f"initkit keeps no trace of what it applies: {_line(error)}")
        self._is_kept = False

    def identified(self, raw: Raw, statement: str) -> Left:
        """A statement that is about to run outside transactions, with the index that it makes."""
        from initkit.db.pg import indexes  # noqa: PLC0415 - only where something runs outside transactions

        index = indexes.concurrent_index(statement) if self._dialect == "postgres" else None
        if index is None or not self._is_kept:
            return Left(statement)
        try:
            self._elsewhere(raw)
            index = indexes.resolved(self._other, index)
            return Left(statement, index.sql, indexes.identify(self._other, index)) if index.schema else Left(statement)
        except Exception as error:  # noqa: BLE001 - it is the driver's, and none is worth the migration
            self._go_without(error)
            return Left(statement)

    def is_broken(self, left: Left) -> bool:
        """Whether the index that a statement was to make is there and not valid."""
        from initkit.db.pg import indexes  # noqa: PLC0415 - only where something runs outside transactions

        return bool(left.index and self._other) and indexes.is_broken(self._other, indexes.parse(left.index))

    def started(self, raw: Any, revision: Revision, left: Sequence[Left]) -> bool:  # noqa: ANN401 - a `Raw`
        """Write down on another connection what `revision` leaves; whether that is done."""
        if not self._is_kept or self._dialect == "sqlite":
            return False
        try:
            execute = self._elsewhere(raw)
            if execute is None:
                return False
            if left:
                self._ledger(execute).write(self._row(revision, "started").but(left=tuple(left)))
            else:
                self._ledger(execute).remove(revision.id)
        except Exception as error:  # noqa: BLE001 - each driver has its own, and none is worth the migration
            self._go_without(error)
            return False
        return True

    def applied(self, revision: Revision, seconds: float) -> None:
        """Write down that `revision` is applied, in the transaction of its version row."""
        if not self._is_kept:
            return
        try:
            with self._saved():
                row = self._row(revision, "applied").but(seconds=seconds)
                self._ledger(executing(self._connection)).write(row)
        except (InitkitError, Stopped):
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self._go_without(error)

    @contextmanager
    def _saved(self) -> Iterator[None]:
        """An error inside must not end the transaction that the migration is in."""
        is_alone = drivers.is_autocommit(self._raw)
        with nullcontext() if self._dialect != "postgres" or is_alone else self._connection.begin_nested():
            yield

    def _row(self, revision: Revision, state: str) -> Row:
        name = revision.file if state == "started" else revision.message or revision.file
        return Row(revision.id, state, name, revision.down, applied_by=self._pod)

    def close(self) -> None:
        """Leave no session behind."""
        if self._other is not None:
            self._other.close()
            self._other = None


def _line(error: Exception) -> str:
    return " ".join(str(error).split("\n", 1)[0].split())
