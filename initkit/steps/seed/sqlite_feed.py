"""Rows as SQLite's executemany asks for them, and what it says when it refuses one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.steps.seed.rows import bad_row
from initkit.steps.seed.sqlite_values import converters

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from initkit.core.errors import PermanentError
    from initkit.steps.seed.datasets import Dataset
    from initkit.steps.seed.rows import Row
    from initkit.steps.seed.staging import KeySets
    from initkit.steps.seed.tables import Table

Value = str | int | None
_ADVICE = {
    "UNIQUE": "remove it from the file, or use --mode upsert",
    "NOT NULL": 'give it a value; in CSV the empty string is ""',
}


class Feed:
    """The values of rows as executemany asks for them.

    Attributes:
        count: rows that were asked for.
        line: where the last of them stands.
    """

    def __init__(
        self,
        dataset: Dataset,
        table: Table,
        columns: Sequence[str],
        rows: Iterable[Row],
        sets: KeySets | None = None,
    ) -> None:
        self.dataset = dataset
        self.count = 0
        self.line = 0
        self._rows = rows
        self._sets = sets
        self._converters = converters(dataset, table, columns)

    def __iter__(self) -> Iterator[list[Value]]:
        for row in self._rows:
            self.count += 1
            self.line = row.line
            values: list[Value] = list(row.values)
            for place, convert in self._converters:
                text = row.values[place]
                if text is not None:
                    values[place] = convert(text, row.line)
            if self._sets is not None:
                values += [row.line, self._sets.number(row)]
            yield values


def refusal(error: sqlite3.Error, dataset: Dataset, line: int = 0) -> PermanentError:
    """What SQLite refuses, told as file, line and column."""
    # NOT NULL constraint failed: customers.name
    constraint, _, what = str(error).partition(" constraint failed: ")
    column = ", ".join(name.rpartition(".")[2] for name in what.split(", ")) if constraint in _ADVICE else ""
    return bad_row(dataset, line, str(error), column=column, advice=_ADVICE.get(constraint, ""))
