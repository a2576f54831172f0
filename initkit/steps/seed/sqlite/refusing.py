"""What SQLite says when it refuses a row, told as file, line, column and value."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from initkit.steps.seed.content.faults import bad_row
from initkit.steps.seed.staging import ABSENT_ADVICE, NULL_ADVICE, TWICE_ADVICE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.core.errors import PermanentError
    from initkit.steps.seed.store import Loading
    from initkit.steps.seed.tables import Table

UNIQUE = frozenset(
    {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID}
)
_DATATYPE = 3091  # SQLITE_CONSTRAINT_DATATYPE, which Python 3.11 does not name
_TWICE_OTHERWISE = "give it another value, or change the row that has this one already"


class RefusedRowError(Exception):
    """A row was refused.

    Attributes:
        place: which one of those that were given, from 0.
        error: what SQLite says.
    """

    def __init__(self, place: int, error: sqlite3.Error) -> None:
        super().__init__(place, error)
        self.place = place
        self.error = error

    @property
    def is_unique(self) -> bool:
        """Whether it is there already."""
        return self.error.sqlite_errorcode in UNIQUE


def refusal(
    error: sqlite3.Error, loading: Loading, line: int, values: Mapping[str, str | None] | None = None
) -> PermanentError:
    """What SQLite refuses; the line is 0 and there are no values where they are not known."""
    columns = blamed(error, loading.table)
    value = (values or {}).get(columns[0]) if len(columns) == 1 else None
    advice = ""
    if error.sqlite_errorcode in UNIQUE:
        advice = TWICE_ADVICE if loading.how == "insert" else _TWICE_OTHERWISE
    elif error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_NOTNULL:
        advice = ABSENT_ADVICE if values and not set(columns) <= set(values) else NULL_ADVICE
    return bad_row(loading.content.dataset, line, str(error), column=", ".join(columns), value=value, advice=advice)


def blamed(error: sqlite3.Error, table: Table) -> tuple[str, ...]:
    """The columns that SQLite names; those of a CHECK are not told from the words around them."""
    text = str(error)
    if error.sqlite_errorcode == sqlite3.SQLITE_MISMATCH:  # datatype mismatch: of a row's number
        return table.key
    if error.sqlite_errorcode == _DATATYPE:
        names = [text.rpartition(".")[2]]  # cannot store TEXT value in INTEGER column t.a
    else:
        # NOT NULL constraint failed: customers.name
        constraint, _, what = text.partition(" constraint failed: ")
        names = [name.rpartition(".")[2] for name in what.split(", ")] if constraint in {"UNIQUE", "NOT NULL"} else []
    return tuple(name for name in names if name in table.columns)
