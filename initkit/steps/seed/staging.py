"""What merging by way of a staging table needs in both databases; running the statements is the stores' business.

Beside a row's values the staging table may have the number of its set of columns: rows that mention different columns
update different ones, and are merged set by set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.steps.seed.content.faults import bad_row, shown_value, task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initkit.steps.seed.content.reading import Batch
    from initkit.steps.seed.store import Loading

STAGING = "initkit_staging"
KEYS = "initkit_keys"
NULL_ADVICE = 'give it a value; in CSV the empty string is ""'
ABSENT_ADVICE = "add the column, which a new row must have"
TWICE_ADVICE = "remove it from the file, or use --mode upsert"


class KeySets:
    """The sets of columns that the rows of a dataset mention, numbered as they are met."""

    def __init__(self, loading: Loading) -> None:
        self._loading = loading
        self._numbers: dict[frozenset[str], int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Each number with its columns, in the table's order."""
        for given, number in self._numbers.items():
            yield number, tuple(name for name in self._loading.table.columns if name in given)

    def number(self, batch: Batch) -> int:
        """The number of a batch's set.

        Raises:
            PermanentError: it lacks a column of the key by which its rows are to be known.
        """
        known = self._numbers.get(batch.given)
        if known is None:
            known = self._numbers[batch.given] = len(self._numbers)
            if self._loading.how != "insert":
                self._expect_key(batch)
        return known

    def _expect_key(self, batch: Batch) -> None:
        missing = [name for name in self._loading.key if name not in batch.given]
        if missing:
            reason = f"there is no {', '.join(missing)}, by which rows are known"
            raise bad_row(self._loading.content.dataset, batch.lines[0], reason, advice="add it, or use --mode once")


def expect_key(loading: Loading, columns: Sequence[str]) -> None:
    """See that rows with these columns can be known again, where that is needed.

    Raises:
        PermanentError: there is no key, or the dataset has no such column.
    """
    if loading.how == "insert" or (loading.how == "replace" and not loading.key):
        return
    dataset, table = loading.content.dataset, loading.table
    task = f"{'upsert' if loading.how == 'upsert' else 'merge'} {dataset.shown} into {table.name}"
    if not loading.key:
        advice = "give it one, name columns by --key, or use --mode once"
        raise PermanentError(task, "the table has no primary key", advice)
    missing = [name for name in loading.key if name not in columns]
    if missing:
        cause = f"the file has no {', '.join(missing)}, by which rows are known"
        raise PermanentError(task, cause, "add it, or use --mode once")


def key_is_null(loading: Loading, number: int, column: str) -> PermanentError:
    """The error for a row, by its number from 1, whose key is NULL."""
    line, _ = loading.content.place(loading.table, number)
    return bad_row(loading.content.dataset, line, "the key is NULL", column=column, advice="give it a value")


def key_is_ambiguous(loading: Loading, values: Sequence[object]) -> PermanentError:
    """The error for a key that stands in the table more than once, with the values of one: which row would be meant?"""
    told = ", ".join(shown_value(name, str(value)) for name, value in zip(loading.key, values, strict=True))
    cause = f"the key {', '.join(loading.key)} is not unique in the table: {told} stands there more than once"
    advice = "name other columns by --key, or remove what is there twice"
    return PermanentError(task(loading.content.dataset), cause, advice)


def key_stands_twice(loading: Loading, first: int, second: int, key: Sequence[str] = ()) -> PermanentError:
    """The error for two rows, by their numbers from 1, that have the same key, or the same values in other columns."""
    content, table, names = loading.content, loading.table, key or loading.key
    earlier, _ = content.place(table, first)
    line, values = content.place(table, second)
    reason = f"the same key stands in line {earlier}" if earlier else f"rows {first} and {second} have the same key"
    value = values.get(names[0]) if len(names) == 1 else None
    return bad_row(content.dataset, line, reason, column=", ".join(names), value=value, advice="remove one of them")
