"""Questions to a PostgreSQL server, each answered in bounded time and without changing anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError
from initkit.core.printable import printable
from initkit.db.pg.refusals import NotThereError, classify

if TYPE_CHECKING:
    import psycopg
    from psycopg.pq.abc import PGresult

    from initkit.db.pg.bounded import BoundedConnection

_BOOLEAN = 16  # the type's OID: https://www.postgresql.org/docs/current/catalog-pg-type.html
_SPELLED = {"t": ("t", "true"), "f": ("f", "false")}
_LONGEST = 60  # characters of a value that is shown
_SHARE = 0.9  # of the time that is left: the server should give up before we do, and leave nothing running

_TABLE = "select 1 from pg_class where oid = to_regclass(%s) and relkind in ('r', 'p', 'v', 'm', 'f')"
_PART = r'(?:[^\W\d][\w$]*|"(?:[^"]|"")+")'


def parse_table(text: str) -> str:
    """A table's name as SQL writes it, with its schema or without.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(rf"{_PART}(?:\.{_PART})?", text.strip()):
        raise ValueError(f'expected a table\'s name such as shop.orders or "Orders", got {text!r}')
    return text.strip()


def ask_alive(connection: BoundedConnection) -> None:
    """See that it answers ``SELECT 1``.

    Raises:
        TemporaryError: it does not, in time.
    """
    _ask(connection, "select 1")


def ask_writable(connection: BoundedConnection) -> None:
    """See that it may be written to.

    Raises:
        NotThereError: it is in recovery, or transactions are read-only by default.
    """
    row = _ask(connection, "select pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'")
    if row and row[0]:
        raise NotThereError(connection.task, "it is in recovery", "wait for its promotion, or name the primary")
    if row and row[1]:
        advice = "see default_transaction_read_only of the server, the database and the role"
        raise NotThereError(connection.task, "its transactions are read-only", advice)


def ask_table(connection: BoundedConnection, table: str) -> None:
    """See that there is a table, a view or a foreign table of this name, in the search path where it has no schema.

    Raises:
        NotThereError: there is none.
        SuspectError: its schema may not be looked into.
    """
    if _ask(connection, _TABLE, table) is None:
        advice = "check who is to create it, and in which database and schema"
        raise NotThereError(connection.task, f"there is no table {table}", advice)


def _ask(connection: BoundedConnection, statement: str, *values: str) -> tuple[object, ...] | None:
    import psycopg  # noqa: PLC0415 - loaded already

    try:
        row: tuple[object, ...] | None = connection.execute(statement, values or None).fetchone()
    except psycopg.Error as error:
        raise classify(error, connection.task) from error
    return row


def ask_query(connection: BoundedConnection, query: str, expected: str | None) -> None:
    """See that the first column of a query's first row is `expected`; without it, that it is neither null nor false.

    The query runs in a read-only transaction, alone (several statements are refused), for the time that is left; what
    it did is rolled back. The connection must be closed afterwards.

    Raises:
        NotThereError: it is not, there is no row, or what the query names does not exist.
        TemporaryError: no answer in time, or a value could not be computed.
        SuspectError: the user may not ask that.
        PermanentError: it is no query that reads.
    """
    import psycopg  # noqa: PLC0415 - loaded already

    try:
        connection.execute("begin read only")
        limit = str(max(1, round(connection.left * _SHARE * 1000)))  # milliseconds; 0 would be none
        connection.execute("select set_config('statement_timeout', %s, true)", (limit,))
        result = _first_row(connection, query)
    except psycopg.Error as error:
        raise _query_failure(error, connection) from error
    _judge(connection, result, expected)


def _first_row(connection: BoundedConnection, query: str) -> PGresult:
    """The first row, or the end of none; others are not read."""
    import psycopg  # noqa: PLC0415 - loaded already
    from psycopg import generators, pq  # noqa: PLC0415 - loaded already

    encoding = connection.info.encoding
    # the extended protocol, which takes one statement only: a second one could end the transaction
    connection.pgconn.send_query_params(query.encode(encoding), None)
    connection.pgconn.set_single_row_mode()
    connection.wait(generators.send(connection.pgconn))
    result = connection.wait(generators.fetch(connection.pgconn))
    if result is None:
        raise psycopg.OperationalError("the connection was lost")
    if result.status == pq.ExecStatus.FATAL_ERROR:
        raise psycopg.errors.error_from_result(result, encoding)
    return cast("PGresult", result)


def _judge(connection: BoundedConnection, result: PGresult, expected: str | None) -> None:
    from psycopg import pq  # noqa: PLC0415 - loaded already

    task = connection.task
    if result.status not in {pq.ExecStatus.SINGLE_TUPLE, pq.ExecStatus.TUPLES_OK} or not result.nfields:
        raise PermanentError(task, "the query gives no column", "write a SELECT of at least one")
    if not result.ntuples:
        raise NotThereError(task, "the query gives no row", "see who is to make it true")
    value = result.get_value(0, 0)
    text = None if value is None else value.decode(connection.info.encoding, errors="replace")
    is_boolean = result.ftype(0) == _BOOLEAN
    if not _holds(text, expected, is_boolean=is_boolean):
        wanted = "something true" if expected is None else _shown(expected)
        raise NotThereError(task, f"the query gives {_shown(text)}, expected {wanted}", "see who is to make it true")


def _holds(text: str | None, expected: str | None, *, is_boolean: bool) -> bool:
    if text is None:
        return False
    if expected is None:
        return not (is_boolean and text == "f")
    return expected.lower() in _SPELLED[text] if is_boolean else text == expected


def _shown(text: str | None) -> str:
    if text is None:
        return "null"
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


# what a query names is made by others, perhaps later: table, column, function, type, schema
_UNDEFINED = {"42P01", "42703", "42883", "42704", "3F000"}
_QUERY_ADVICE = "mend --query: one statement that reads"


def _query_failure(error: psycopg.Error, connection: BoundedConnection) -> InitkitError:
    task = connection.task
    cause = printable(error.diag.message_primary or str(error).strip().partition("\n")[0])
    state = error.sqlstate or ""
    if state in _UNDEFINED:
        return NotThereError(task, cause, "check who is to create it, and in which database and schema")
    if state == "42501":
        return SuspectError(task, cause, "grant the user what the query asks for")
    if state == "57014":  # by our own statement_timeout, say
        return connection.silence()
    if state.startswith(("42", "25", "0A")):
        return PermanentError(task, f"{cause} (SQLSTATE {state})", _QUERY_ADVICE)
    return TemporaryError(task, cause)
