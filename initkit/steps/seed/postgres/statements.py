"""The statements of an SQL dataset, in the transaction of all datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.db import postgres
from initkit.steps.seed.content.faults import cut

if TYPE_CHECKING:
    import psycopg

    from initkit.core.errors import InitkitError
    from initkit.db.postgres import Connection
    from initkit.db.sqlfiles.splitter import Statement
    from initkit.steps.seed.content.content import Content
    from initkit.steps.seed.dataset import Dataset

_ADVICE = "remove it: all datasets are loaded in one transaction"
_SETTINGS = "select name, setting, reset_val from pg_settings where context in ('user', 'superuser')"


def run(connection: Connection, content: Content) -> int:
    """Run them; return how many there were. What they have set is put back: pg_dump's set search_path to nothing.

    Raises:
        InitkitError: with the line of the statement that is refused.
    """
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    before = _settings(connection)
    count = 0
    for statement in content.statements("postgres"):
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement.text.encode())
        except psycopg.Error as error:
            raise _explained(error, content.dataset, statement) from error
        if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            raise _wrong(content.dataset, statement, "it ended the transaction", _ADVICE)
        count += 1
    _put_back(connection, before)
    return count


def _explained(error: psycopg.Error, dataset: Dataset, statement: Statement) -> InitkitError:
    told = postgres.classify(error, _task(dataset))
    told.cause = f"line {_line(error, statement)}: {cut(told.cause)}, in {statement.shown}"
    told.args = (told.task, told.cause, told.advice or "mend the statement")
    told.advice = told.advice or "mend the statement"
    return told


def _line(error: psycopg.Error, statement: Statement) -> int:
    position = error.diag.statement_position
    return statement.line + (statement.text.count("\n", 0, int(position) - 1) if position else 0)


def _wrong(dataset: Dataset, statement: Statement, cause: str, advice: str) -> PermanentError:
    return PermanentError(_task(dataset), f"line {statement.line}: {cause}", advice)


def _task(dataset: Dataset) -> str:
    return f"run {dataset.shown}"


def _settings(connection: Connection) -> tuple[str, dict[str, tuple[str, str]]]:
    settings = {name: (value, usual) for name, value, usual in connection.execute(_SETTINGS)}
    return connection.execute("select current_user").fetchall()[0][0], settings


def _put_back(connection: Connection, before: tuple[str, dict[str, tuple[str, str]]]) -> None:
    role, settings = before
    if connection.execute("select current_user").fetchall()[0][0] != role:
        connection.execute("reset session authorization")
        connection.execute("reset role")
    for name, (value, _) in _settings(connection)[1].items():
        earlier, usual = settings.get(name, (value, value))
        if value == earlier:
            continue
        # first for the session: behind a pooler it is that of others, too
        connection.execute("select set_config(%s, %s, false)", (name, usual))
        connection.execute("select set_config(%s, %s, true)", (name, earlier))
