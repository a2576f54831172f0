"""Savepoints: what fails after one is undone, and the transaction goes on."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.db.postgres import Connection

_NAME = "initkit"  # an inner one hides an outer one of the same name


@contextmanager
def savepoint(connection: Connection, *, undone: bool = False) -> Iterator[None]:
    """Statements that are undone where one of them fails, or in any case.

    psycopg's own would log a warning to standard error where the connection is lost.
    """
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    connection.execute(f"savepoint {_NAME}")
    try:
        yield
    except BaseException:
        with suppress(psycopg.Error):  # the first error is the one to be told
            _undo(connection)
        raise
    if undone:
        _undo(connection)
    else:
        connection.execute(f"release savepoint {_NAME}")


def _undo(connection: Connection) -> None:
    connection.execute(f"rollback to savepoint {_NAME}")
    connection.execute(f"release savepoint {_NAME}")
