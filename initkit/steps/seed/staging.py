"""Upsert by way of a staging table: what both databases need for it; running the statements is the stores' business.

Beside a row's values the staging table has the line that it stands on, and the number of its set of columns: rows
that mention different columns update different ones, and are merged set by set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.steps.seed.rows import bad_row
from initkit.steps.seed.tables import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from initkit.steps.seed.datasets import Dataset
    from initkit.steps.seed.rows import Row
    from initkit.steps.seed.tables import Table

STAGING = "initkit_staging"
LINE = "initkit_line"
KEYS = "initkit_keys"


class KeySets:
    """The sets of columns that the rows of a dataset mention, numbered as they are met."""

    def __init__(self, dataset: Dataset, table: Table) -> None:
        if not table.key:
            raise PermanentError(
                f"upsert {dataset.path} into {table.name}",
                "the table has no primary key",
                "give it one, or use --mode once",
            )
        self._dataset = dataset
        self._table = table
        self._numbers: dict[frozenset[str], int] = {}

    def __iter__(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Each number with its columns, in the table's order."""
        for given, number in self._numbers.items():
            yield number, tuple(name for name in self._table.columns if name in given)

    def number(self, row: Row) -> int:
        """The number of a row's set.

        Raises:
            PermanentError: it lacks a column of the primary key.
        """
        if row.given not in self._numbers:
            missing = [name for name in self._table.key if name not in row.given]
            if missing:
                reason = f"there is no {', '.join(missing)}, which the primary key needs"
                raise bad_row(self._dataset, row.line, reason, advice="add it, or use --mode once")
            self._numbers[row.given] = len(self._numbers)
        return self._numbers[row.given]


def refuse_bad_keys(dataset: Dataset, table: Table, first: Callable[[str], Sequence[int] | None]) -> None:
    """Refuse a key that is NULL or stands in the file twice.

    Raises:
        PermanentError: with the line, or with both.
    """
    without = " or ".join(f"{quoted(name)} is null" for name in table.key)
    key = ", ".join(table.key)
    row = first(f"select min({LINE}), 0 from {STAGING} where {without}")  # noqa: S608 - identifiers are quoted
    if row and row[0]:
        raise bad_row(dataset, row[0], "the primary key is NULL", column=key)
    row = first(
        f"select min({LINE}), max({LINE}) from {STAGING} group by {listed(table.key)} "  # noqa: S608 - identifiers are quoted
        "having count(*) > 1 order by 1 limit 1"
    )
    if row:
        raise bad_row(dataset, row[1], f"the same key stands in line {row[0]}", column=key, advice="remove one of them")
