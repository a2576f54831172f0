"""Finds what runs left half done outside transactions, wherever env.py works; what is done then: `recovery.py`."""

from __future__ import annotations

import math
from contextlib import closing
from typing import TYPE_CHECKING, Any

from initkit.core.errors import PermanentError
from initkit.db import postgres
from initkit.db.alembic.standing import source_of
from initkit.db.ledger import Execute, Ledger, execute_on_postgres
from initkit.db.revisions import VersionTable
from initkit.steps.migrate.alembic.recovery import Recovery, unfinished

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.db.ledger import Row
    from initkit.steps.migrate.alembic.progress import Progress

_ANSWER = 60.0  # seconds that an answer of MySQL's may take


class Halfway:
    """One project's ledger, on one database.

    Args:
        table: the version table; None where only env.py can tell.
        database: the database.
        ask: has env.py tell where it stands.
    """

    def __init__(self, table: VersionTable | None, database: Database, ask: Callable[[Context], Progress]) -> None:
        self._table, self._database, self._ask = table, database, ask

    def settle(self, context: Context, tag: str, *, seconds: float = math.inf) -> Progress | None:
        """Undo what can be undone; return what env.py told, where it was asked and nothing was changed since.

        Args:
            context: of the running step.
            tag: the name of a session that changes something.
            seconds: the longest that dropping one index may take.

        Raises:
            PermanentError: a person must finish or undo something.
            InitkitError: the database cannot be reached.
        """
        if self._database.dialect == "sqlite":
            return None  # nothing is written down there: all but a pragma is in a transaction
        if self._table is not None:
            self._settle_in(self._table, self._table.schema or "", None, context, tag, seconds)
            return None
        asked = self._ask(context)
        found = [event for event in asked.standings if event["started"]]
        for event in found:
            place = event["place"]
            table = VersionTable(place["name"], place["in"])
            self._settle_in(table, place["schema"], event["started"], context, tag, seconds)
        return None if found else asked

    def _settle_in(  # noqa: PLR0913, PLR0917 - passed on
        self, table: VersionTable, schema: str, pending: list[str] | None, context: Context, tag: str, seconds: float
    ) -> None:  # fmt: skip
        with closing(self._connected(context, tag)) as connection, self._understood(connection, context):
            source = source_of(table)
            ledger = self._ledger(connection, source, schema)
            rows = self._unfinished(ledger, context)
            if pending is None and rows:
                pending = [one for event in self._ask(context).standings for one in event["started"]]
            elsewhere = set(pending or ()) - {row.revision for row in rows}
            if elsewhere:
                raise PermanentError(
                    f"undo what was left of revision {', '.join(sorted(elsewhere))}",
                    f"env.py has run it in another database than {self._database.shown}",
                    "finish or undo it there, and delete its row in initkit_migrations",
                )
            index_connection = connection if self._database.dialect == "postgres" else None
            if not rows:
                return
            Recovery(ledger, index_connection, context.voice, source, seconds=seconds).settle(pending or ())

    def _unfinished(self, ledger: Ledger, context: Context) -> list[Row]:
        """The rows, as far as we may read them."""
        if self._database.dialect != "postgres":
            return unfinished(ledger)
        from psycopg.errors import InsufficientPrivilege  # noqa: PLC0415 - the driver is loaded when a database is met

        try:
            return unfinished(ledger)
        except InsufficientPrivilege as error:
            context.voice.warn(
                f"initkit cannot see what runs before may have left half done: {error.diag.message_primary}"
            )
            return []

    def _understood(self, connection: Any, context: Context) -> AbstractContextManager[None]:  # noqa: ANN401 - either driver's
        task = f"undo what was left half done in {self._database.shown}"
        if self._database.dialect == "postgres":
            return postgres.cancelled_on_stop(connection, context, task)
        from initkit.db import mysql_direct  # noqa: PLC0415 - it loads the driver

        return mysql_direct.translated(context, task)

    def _connected(self, context: Context, tag: str) -> Any:  # noqa: ANN401 - either driver's
        if self._database.dialect == "postgres":
            return postgres.connect(self._database, context, role="migrate", application_name=tag, autocommit=True)
        from initkit.db import mysql_direct  # noqa: PLC0415 - it loads the driver

        return mysql_direct.connect(self._database, context, answer=_ANSWER, name=tag)

    def _ledger(self, connection: Any, source: str, schema: str) -> Ledger:  # noqa: ANN401 - either driver's
        if self._database.dialect == "postgres":
            return Ledger(execute_on_postgres(connection), "postgres", source, schema=schema or None)
        from initkit.steps.migrate.alembic.drivers import execute_by  # noqa: PLC0415 - only where it is MySQL

        execute: Execute = execute_by(connection)
        return Ledger(execute, "mysql", source)
