"""Every row of a dataset straight into its table, where none can be there already, or none may."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from initkit.steps.seed.sqlite.catalog import has_triggers
from initkit.steps.seed.sqlite.refusing import RefusedRowError, blamed, refusal
from initkit.steps.seed.sqlite.values import checked, kinds, marks
from initkit.steps.seed.sqlite.writing import Rows
from initkit.steps.seed.staging import KeySets, expect_key, key_is_null
from initkit.steps.seed.tables import listed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from initkit.core.errors import PermanentError
    from initkit.steps.seed.content.reading import Batch
    from initkit.steps.seed.sqlite.values import Value
    from initkit.steps.seed.store import Loading


class ThereAlreadyError(Exception):
    """A row has what only one may have.

    Attributes:
        number: which one, from 1.
        columns: of which it is; none where they are not told.
        told: the error for a person.
    """

    def __init__(self, number: int, columns: tuple[str, ...], told: PermanentError) -> None:
        super().__init__(number, columns, told)
        self.number = number
        self.columns = columns
        self.told = told


def insert(connection: sqlite3.Connection, loading: Loading) -> int:
    """Insert every row of a dataset; return how many.

    Raises:
        ThereAlreadyError: a row is there already, or stands in the file twice.
        PermanentError: a row is refused for another reason.
    """
    reading = loading.content.read(loading.table, complete=True)
    expect_key(loading, reading.columns)
    insertion = _Insertion(connection, loading, reading.columns)
    for batch in reading.batches():
        insertion.add(batch)
    return insertion.inserted


class _Insertion:
    """Batches on their way into a table; a column that they say nothing about gets its default."""

    def __init__(self, connection: sqlite3.Connection, loading: Loading, columns: tuple[str, ...]) -> None:
        self.inserted = 0
        self._connection = connection
        self._loading = loading
        self._columns = columns
        self._kinds = kinds(loading.table, columns)
        self._marks = dict(zip(columns, marks(len(columns), self._kinds), strict=True))
        self._is_alone = not has_triggers(connection, loading.table)
        self._sets = KeySets(loading)
        self._statements: dict[tuple[str, ...], Rows] = {}
        self._before = 0  # rows of earlier batches
        merges = loading.how != "insert"
        self._key = [place for place, name in enumerate(columns) if merges and name in loading.key]

    def add(self, batch: Batch) -> None:
        self._sets.number(batch)
        self._refuse_null(batch)
        rows = checked(self._loading.content.dataset, self._columns, batch, self._kinds)
        names = tuple(name for name in self._columns if name in batch.given)
        try:
            self.inserted += self._statement(names).write(self._only(names, rows))
        except RefusedRowError as error:
            values = dict(zip(self._columns, batch.rows[error.place], strict=True))
            told = refusal(error.error, self._loading, batch.lines[error.place], values)
            if error.is_unique:
                columns = blamed(error.error, self._loading.table)
                raise ThereAlreadyError(self._before + error.place + 1, columns, told) from error.error
            raise told from error.error
        self._before += len(batch.rows)

    def _refuse_null(self, batch: Batch) -> None:
        for place in self._key:
            column = [row[place] for row in batch.rows]
            if None in column:
                number = self._before + column.index(None) + 1
                raise key_is_null(self._loading, number, self._columns[place])

    def _only(self, names: tuple[str, ...], rows: Sequence[Sequence[Value]]) -> Sequence[Sequence[Value]]:
        if len(names) == len(self._columns):
            return rows
        places = [self._columns.index(name) for name in names]
        if len(places) == 1:
            return [(row[places[0]],) for row in rows]
        return list(map(itemgetter(*places), rows))

    def _statement(self, names: tuple[str, ...]) -> Rows:
        if names not in self._statements:
            head = f"insert or abort into {self._loading.table.sql} ({listed(names)}) values "  # noqa: S608 - identifiers are quoted
            row = f"({', '.join(self._marks[name] for name in names)})"
            width = len(names) if self._is_alone else 0
            self._statements[names] = Rows(self._connection, head, row, width=width)
        return self._statements[names]
