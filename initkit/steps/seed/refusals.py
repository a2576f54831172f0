"""What PostgreSQL refuses, told as file, line and column; other errors of the driver pass through untouched."""

from __future__ import annotations

import re
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from initkit.steps.seed.rows import Row, bad_row, open_rows, with_values
from initkit.steps.seed.staging import STAGING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from initkit.core.errors import PermanentError
    from initkit.core.step import Context
    from initkit.steps.seed.datasets import Dataset
    from initkit.steps.seed.tables import Table

# classes of SQLSTATE that blame what is written: data, integrity, WITH CHECK OPTION, a trigger's RAISE
_BLAMING = ("22", "23", "44", "P0")
_UNIQUE, _FOREIGN_KEY, _NOT_NULL = "23505", "23503", "23502"
_ADVICE = {
    _UNIQUE: "remove it from the file, or use --mode upsert",
    _FOREIGN_KEY: "add the row that it refers to, or mend the file",
    _NOT_NULL: 'give it a value; in CSV the empty string is ""',
}
# the detail of other violations shows the whole row
_TELLING_DETAIL = (_UNIQUE, _FOREIGN_KEY)


class Loading:
    """How far a dataset has come: what an error of the server is told by.

    Attributes:
        count: rows that were given to the driver.
        row: the last of them.
    """

    def __init__(self, dataset: Dataset, table: Table, context: Context) -> None:
        self.dataset = dataset
        self.table = table
        self.context = context
        self.count = 0
        self.row: Row | None = None
        self._before = 0

    def next_batch(self) -> None:
        """Another COPY begins: the server counts its rows from 1 again."""
        self._before = self.count

    def nth(self, number: int) -> Row | None:
        """The row that the server calls by its number: the file is read again, so that no row need be remembered."""
        stream = open_rows(self.dataset, self.table, self.context).stream
        return next(islice(stream, self._before + number - 1, None), None)


@contextmanager
def blaming(*loadings: Loading) -> Iterator[None]:
    """Have an error that blames a row of one of these datasets come out as a `PermanentError` that says which."""
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    try:
        yield
    except psycopg.Error as error:
        state = error.sqlstate or ""
        unsent = not state and isinstance(error, psycopg.DataError)
        if not loadings or not (unsent or state.startswith(_BLAMING)):
            raise
        raise _refusal(error, loadings) from error


def _refusal(error: psycopg.Error, loadings: tuple[Loading, ...]) -> PermanentError:
    state = error.sqlstate or ""
    reason = error.diag.message_primary or str(error)
    detail = error.diag.message_detail
    if detail and state in _TELLING_DETAIL:
        reason += f" ({detail})"
    loading = _blamed(error, loadings)
    row, column = _place(error, loading)
    return bad_row(loading.dataset, row.line if row else 0, reason, column=column, advice=_ADVICE.get(state, ""))


def _blamed(error: psycopg.Error, loadings: tuple[Loading, ...]) -> Loading:
    named = [loading for loading in loadings if loading.table.name.rpartition(".")[2] == error.diag.table_name]
    return (named or list(loadings))[0]


def _place(error: psycopg.Error, loading: Loading) -> tuple[Row | None, str]:
    """The row, and the column, as far as the server has told."""
    column = error.diag.column_name or ""
    if not error.sqlstate:  # refused by the driver before it was sent
        return loading.row, column
    # COPY customers, line 3, column id: "x"; servers translate it, but the order stays
    name = re.escape(loading.table.name.rpartition(".")[2])
    told = re.search(rf"COPY (?:{name}|{STAGING})\b\D* (\d+)(?:, \w+ (?P<column>[^:]+):)?", error.diag.context or "")
    if told:
        known = told["column"] if told["column"] in loading.table.columns else ""
        return loading.nth(int(told[1])), column or known
    # Key (customer_id)=(77) is not present in table "customers".
    pair = re.search(r"\((.*?)\)=\((.*?)\)", error.diag.message_detail or "")
    if pair and error.sqlstate in _TELLING_DETAIL:
        columns = [name.strip('"') for name in pair[1].split(", ")]
        row = with_values(loading.dataset, loading.table, columns, pair[2].split(", "), loading.context)
        return row, column or ", ".join(columns)
    return None, column
