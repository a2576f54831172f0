"""A session that applies SQL files to PostgreSQL; in which order, and what is recorded when, is the engine's."""

from __future__ import annotations

import math
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from initkit.core.errors import InitkitError, PermanentError
from initkit.db import postgres
from initkit.db.ledger import TABLE, Ledger, Left, execute_on_postgres
from initkit.db.pg import indexes
from initkit.db.sqlfiles.lexer import significant
from initkit.db.sqlfiles.recorded import SOURCE, schema_of
from initkit.db.sqlfiles.splitter import shown
from initkit.steps.migrate.guard.session import apply_settings, settings_for
from initkit.steps.migrate.sql.session import KEPT, LOOSE, READING
from initkit.steps.migrate.sql.work import Work, ended_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.db.sqlfiles.splitter import Statement
    from initkit.steps.migrate.engine import Guard
    from initkit.steps.migrate.step import Migrate

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_ADVICE = {
    "25001": LOOSE,  # active_sql_transaction: CREATE INDEX CONCURRENTLY, VACUUM, CREATE DATABASE
    "2D000": LOOSE,  # invalid_transaction_termination: COMMIT in a procedure or DO block
    "55P04": f"use the new value in the next file, or {LOOSE}",  # unsafe_new_enum_value_usage
}
# duplicate_table, duplicate_schema, duplicate_object, duplicate_function, duplicate_column
_THERE = ("42P07", "42P06", "42710", "42723", "42701")
_BLOCKED = ("55P03", "40P01", "40001")


class PostgresSession:
    """See `initkit.steps.migrate.sql.session.Session`."""

    def __init__(self, options: Migrate, database: Database, context: Context, guard: Guard) -> None:
        import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

        self.errors: type[Exception] = psycopg.Error
        self._context = context
        self._guard = guard
        # the name, too: what `discard all` leaves behind a pooler is the pooler's own session's, which has none
        self._settings = settings_for(options) | READING | {"application_name": guard.tag}
        self.work = Work()
        self._connection = postgres.connect(
            database, context, role="migrate", application_name=guard.tag, autocommit=True, prepare_threshold=None
        )
        self._connection.add_notice_handler(self._tell)
        try:
            self.ledger = self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> Ledger:
        with postgres.cancelled_on_stop(self._connection, self._context, "prepare to migrate"):
            self._apply_settings()
            schema = schema_of(self._connection, TABLE)
            if schema is None:
                advice = "create the schema, or mend search_path"
                raise PermanentError("record migrations", "no schema of the search path exists", advice)
            # with its schema, for files change the search path: pg_dump's set it to nothing
            ledger = Ledger(execute_on_postgres(self._connection), "postgres", SOURCE, schema=schema)
            ledger.make()
            return ledger

    def _apply_settings(self) -> None:
        apply_settings(self._connection, self._settings, self._connection.info.server_version)

    def _tell(self, diagnostic: Any) -> None:  # noqa: ANN401 - psycopg.errors.Diagnostic, which is not loaded here
        self._context.voice.detail(f"{diagnostic.severity}: {diagnostic.message_primary}")

    def refresh(self) -> None:
        """See `Session`."""
        self._connection.execute("discard all")
        self._apply_settings()

    def begin(self, statements: Sequence[Statement]) -> Sequence[Statement]:
        """See `Session`: there is none."""
        return statements

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Session`."""
        with self._connection.transaction():
            yield

    def run(self, statement: Statement) -> None:
        """See `Session`."""
        is_within = self._status_name() == "INTRANS"
        with self.work.under_way(), self._unhurried(statement):
            # bytes, for a server without an encoding would have psycopg take ASCII only
            self._connection.execute(statement.text.encode())
        if is_within and self._status_name() != "INTRANS":
            raise ended_by(statement)

    def _status_name(self) -> str:
        return self._connection.info.transaction_status.name

    @contextmanager
    def _unhurried(self, statement: Statement) -> Iterator[None]:
        """No limit for tables' locks while something is done concurrently, for it would fail half-way."""
        if not is_concurrent(statement.text):
            yield
            return
        row = self._connection.execute("select current_setting('lock_timeout')").fetchone()
        self._connection.execute("set lock_timeout to 0")
        yield
        self._connection.execute("select set_config('lock_timeout', %s, false)", row)

    def settle(self) -> None:
        """See `Session`."""
        self._connection.execute("reset session authorization")
        self._connection.execute("reset role")

    def stop(self) -> None:
        """See `Session`."""
        self.work.stop(lambda: self._connection.cancel_safe(timeout=2))

    def explain(self, error: Exception, task: str, statement: Statement | None, *, loose: bool) -> InitkitError:
        """See `Session`."""
        found = postgres.classify(error, task)
        diagnostic: Any = getattr(error, "diag", None)
        state = getattr(error, "sqlstate", None) or ""
        cause = f"line {_line(statement, diagnostic)}: {found.cause}" if statement else found.cause
        blocker = self._guard.blocker() if state in _BLOCKED else ""
        if blocker:
            cause += f"; it was blocked by {blocker}"
        hint = (diagnostic.message_hint or "") if diagnostic else ""
        own = "" if loose else _ADVICE.get(state, "")
        return type(found)(task, cause, own or " ".join(hint.split()).rstrip(".") or found.advice)

    def is_there_already(self, error: Exception) -> bool:
        """See `Session`."""
        return getattr(error, "sqlstate", None) in _THERE

    def intent(self, statement: Statement) -> Left:
        """See `Session`."""
        text = shown(statement.text, KEPT)
        index = indexes.concurrent_index(statement.text)
        if index is None:
            return Left(text)
        index = indexes.resolved(self._connection, index)
        return Left(text, index.sql, indexes.identify(self._connection, index))

    def is_whole(self, left: Left) -> bool:
        """See `Session`."""
        return not left.index or indexes.is_valid(self._connection, indexes.parse(left.index))

    def undo(self, left: Left, *, seconds: float = math.inf) -> None:
        """See `Session`."""
        if left.index and not left.before:
            indexes.drop(self._connection, indexes.parse(left.index), seconds=seconds)

    def is_connected(self) -> bool:
        """See `Session`."""
        return not self._connection.closed and not self._connection.broken

    def close(self) -> None:
        """See `Session`."""
        self._connection.close()


def is_concurrent(text: str) -> bool:
    """Whether a statement does something CONCURRENTLY."""
    if "concurrently" not in text.lower():
        return False
    return any(token.kind == "word" and token.text.lower() == "concurrently" for token in significant(text, "postgres"))


def _line(statement: Statement, diagnostic: Any) -> int:  # noqa: ANN401 - psycopg.errors.Diagnostic
    position = diagnostic and diagnostic.statement_position
    return int(statement.line + statement.text.count("\n", 0, int(position) - 1 if position else 0))


def broken_indexes(database: Database, context: Context, made: Sequence[Left]) -> list[str]:
    """Which of the indexes that statements were to make are there and not valid, on a fresh connection.

    One that is not there was dropped or renamed by a later file.
    """
    names = [left.index for left in made if left.index]
    if not names:
        return []
    connection = postgres.connect(database, context, role="migrate", autocommit=True, prepare_threshold=None)
    with closing(connection), postgres.cancelled_on_stop(connection, context, "verify the indexes"):
        return [name for name in names if indexes.is_broken(connection, indexes.parse(name))]
