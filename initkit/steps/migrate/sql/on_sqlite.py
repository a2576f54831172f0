"""A session that applies SQL files to SQLite; in which order, and what is recorded when, is the engine's."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.db import sqlite
from initkit.db.ledger import Ledger, Left, execute_on_sqlite
from initkit.db.sqlfiles.forbidden import prelude
from initkit.db.sqlfiles.recorded import SOURCE
from initkit.db.sqlfiles.splitter import shown
from initkit.steps.migrate.sql.session import KEPT, LOOSE
from initkit.steps.migrate.sql.work import Work, ended_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initkit.core.errors import InitkitError
    from initkit.core.step import Context
    from initkit.db.sqlfiles.splitter import Statement

# "cannot VACUUM from within a transaction", "Safety level may not be changed inside a transaction"
_IN_TRANSACTION = re.compile(r"(within|inside) a transaction")


class SqliteSession:
    """See `initkit.steps.migrate.sql.session.Session`."""

    def __init__(self, path: str, context: Context) -> None:
        import sqlite3  # noqa: PLC0415 - the driver is loaded when a database is met

        self.errors: type[Exception] = sqlite3.Error
        self._path = path
        self._broken_before = Counter[tuple[str, str]]()
        self._context = context
        self.work = Work()
        self._connection = sqlite.connect(path, context)
        self.ledger = self._made()

    def _made(self) -> Ledger:
        ledger = Ledger(execute_on_sqlite(self._connection), "sqlite", SOURCE)
        try:
            with sqlite.interrupted_on_stop(self._connection, self._context, "record migrations"):
                ledger.make()
        except BaseException:
            self._connection.close()
            raise
        return ledger

    def refresh(self) -> None:
        """See `Session`: a setting may be the connection's, so there is a new one."""
        self._connection.close()
        self._connection = sqlite.connect(self._path, self._context)
        self._broken_before.clear()
        self.ledger = Ledger(execute_on_sqlite(self._connection), "sqlite", SOURCE)

    def begin(self, statements: Sequence[Statement]) -> Sequence[Statement]:
        """See `Session`: whether keys are looked at, which a file that makes a table anew must turn off."""
        count = prelude(statements, "sqlite")
        if count:
            self._note_keys()
        for statement in statements[:count]:
            self._connection.execute(statement.text)
        return statements[count:]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Session`."""
        self._connection.execute("begin immediate")
        try:
            yield
            self._see_keys()
            self._connection.execute("commit")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("rollback")

    def _note_keys(self) -> None:
        """Keep in mind what is broken before a file turns the checks off, and so is not its fault."""
        with suppress(self.errors):  # a key that fits no table's columns, which the file may be there to mend
            self._broken_before = self._broken()

    def _broken(self) -> Counter[tuple[str, str]]:
        # how many, and not which: a table that is made anew numbers its rows and keys anew
        rows = self._connection.execute("pragma foreign_key_check")
        return Counter((str(table), str(parent)) for table, _, parent, _ in rows)

    def _see_keys(self) -> None:
        if self._connection.execute("pragma foreign_keys").fetchone()[0]:
            return  # they were looked at all the time
        found = self._broken() - self._broken_before
        if found:
            table, parent = min(found)
            cause = f"rows of {table} refer to rows of {parent} that are not there"
            raise PermanentError("apply migrations", cause, "keep them, or remove the rows that refer to them")

    def run(self, statement: Statement) -> None:
        """See `Session`."""
        is_within = self._connection.in_transaction
        if not is_within and prelude([statement], "sqlite"):
            self._note_keys()
        with self.work.under_way():
            self._connection.execute(statement.text).fetchall()
        if is_within and not self._connection.in_transaction:
            raise ended_by(statement)

    def settle(self) -> None:
        """See `Session`: there is nobody to be."""

    def stop(self) -> None:
        """See `Session`."""
        self.work.stop(self._connection.interrupt)

    def explain(self, error: Exception, task: str, statement: Statement | None, *, loose: bool) -> InitkitError:
        """See `Session`."""
        found = sqlite.classify(error, task)
        cause = f"line {statement.line}: {found.cause}" if statement else found.cause
        is_refused = not loose and _IN_TRANSACTION.search(found.cause)
        return type(found)(task, cause, LOOSE if is_refused else found.advice)

    def is_there_already(self, error: Exception) -> bool:
        """See `Session`."""
        return str(error).endswith("already exists")

    def intent(self, statement: Statement) -> Left:
        """See `Session`."""
        return Left(shown(statement.text, KEPT))

    def is_whole(self, left: Left) -> bool:  # noqa: ARG002 - the protocol's
        """See `Session`: indexes are whole here."""
        return True

    def undo(self, left: Left, *, seconds: float) -> None:
        """See `Session`: there is nothing to undo."""

    def is_connected(self) -> bool:
        """See `Session`."""
        return True

    def close(self) -> None:
        """See `Session`."""
        self._connection.close()
