"""Rows into a statement of SQLite, and which of them it refuses; what the statement says is up to others."""

from __future__ import annotations

import sqlite3
from itertools import chain
from operator import length_hint
from typing import TYPE_CHECKING

from initkit.steps.seed.sqlite.refusing import RefusedRowError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.steps.seed.sqlite.values import Value

_MOST_AT_ONCE = 100  # rows of a statement: more of them are not faster


class Rows:
    """An INSERT statement, or one that takes each row by itself."""

    def __init__(self, connection: sqlite3.Connection, head: str, marks: str, *, width: int = 0) -> None:
        """Prepare it.

        Args:
            connection: to the database.
            head: of the statement, up to and with VALUES.
            marks: what stands for a row: ``(?, ?)``.
            width: how many values a row has, where several rows may stand in one statement: a refusal must then undo
                all of them, so no trigger may be there that could decide otherwise.
        """
        self._connection = connection
        self._one = head + marks
        most = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // width if width else 1
        self._count = max(1, min(most, _MOST_AT_ONCE))
        self._many = head + ", ".join([marks] * self._count)

    def write(self, rows: Sequence[Sequence[Value]]) -> int:
        """Write rows; return how many were written, which triggers may decide.

        Raises:
            RefusedRowError: one of them is refused.
        """
        whole = len(rows) - len(rows) % self._count if self._count > 1 else 0
        for start in range(0, whole, self._count):
            some = rows[start : start + self._count]
            try:
                self._connection.execute(self._many, list(chain.from_iterable(some)))
            except (sqlite3.IntegrityError, sqlite3.DataError):
                self._one_by_one(some, start)
                raise
        return whole + self._one_by_one(rows[whole:], whole)

    def _one_by_one(self, rows: Sequence[Sequence[Value]], before: int) -> int:
        rest = iter(rows)
        try:
            return self._connection.executemany(self._one, rest).rowcount if rows else 0
        except (sqlite3.IntegrityError, sqlite3.DataError) as error:
            raise RefusedRowError(before + len(rows) - length_hint(rest) - 1, error) from error
