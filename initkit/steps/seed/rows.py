"""The rows of a dataset as every format gives them, and how a bad one is reported; formats have files of their own."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from initkit.core.errors import PermanentError
from initkit.core.options import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from initkit.core.step import Context
    from initkit.steps.seed.datasets import Dataset
    from initkit.steps.seed.tables import Table

_LONGEST_REASON = 200  # characters


class Row(NamedTuple):
    """One row: all values are text, and the database gives them their types.

    Attributes:
        line: the line of the file where it begins, counted from 1.
        given: the columns that it says something about.
        values: in the order of `Rows.columns`; None is NULL, or nothing where the column is not in `given`.
    """

    line: int
    given: frozenset[str]
    values: Sequence[str | None]


class Rows(NamedTuple):
    """The rows of one dataset, read as they are asked for; whoever iterates meets the errors of what stands there."""

    columns: tuple[str, ...]
    stream: Iterator[Row]


def open_rows(dataset: Dataset, table: Table, context: Context) -> Rows:
    """The rows of a dataset for a table.

    Raises:
        PermanentError: it cannot be read, or something in it is wrong, here or while the rows are read.
    """
    if dataset.format == "csv":
        from initkit.steps.seed import separated  # noqa: PLC0415 - only the format that is met

        return separated.open_rows(dataset, table, context)
    from initkit.steps.seed import ndjson  # noqa: PLC0415 - only the format that is met

    return ndjson.open_rows(dataset, table, context)


def batches(rows: Rows, table: Table) -> Iterator[tuple[tuple[str, ...], Iterable[Row]]]:
    """The rows in their order, cut where the set of columns changes that must be left out so that a default applies.

    NULL can be written for any other column that a row does not mention, so that nearly always there is one batch.
    """
    defaults = table.defaults
    for given, batch in groupby(rows.stream, key=lambda row: row.given & defaults):
        columns = tuple(name for name in rows.columns if name not in defaults or name in given)
        yield columns, _projected(batch, rows.columns, columns)


def _projected(batch: Iterable[Row], columns: Sequence[str], chosen: Sequence[str]) -> Iterator[Row]:
    if columns == chosen:
        yield from batch
        return
    places = [columns.index(name) for name in chosen]
    for row in batch:
        yield Row(row.line, row.given, [row.values[place] for place in places])


def with_values(
    dataset: Dataset, table: Table, columns: Sequence[str], values: Sequence[str], context: Context
) -> Row | None:
    """The first row that has these values, as they are written; the file is read again for it."""
    rows = open_rows(dataset, table, context)
    if not set(columns) <= set(rows.columns):
        return None
    places = [rows.columns.index(name) for name in columns]
    return next((row for row in rows.stream if [row.values[place] for place in places] == list(values)), None)


def cut(text: str, longest: int = _LONGEST_REASON) -> str:
    """`text` in one line, and no longer than a person wants to read: a value may be a megabyte."""
    line = " ".join(text[: longest * 2].split())
    return line if len(line) <= longest else line[: longest - 2] + "…" + line[-1]


def bad_row(dataset: Dataset, line: int, reason: str, *, column: str = "", advice: str = "") -> PermanentError:
    """The error for something wrong in a dataset; `line` 0 where it is not known."""
    where = f"line {line}" if line else ""
    if column:
        where += f", column {column}" if where else f"column {column}"
    cause = f"{where}: {cut(reason)}" if where else cut(reason)
    return PermanentError(f"load {dataset.path} into {dataset.table}", cause, advice or "mend the file")


def refuse_columns(dataset: Dataset, table: Table, names: Sequence[str], line: int) -> None:
    """Refuse names that are no columns of the table, or of columns that the database itself computes.

    Raises:
        PermanentError: with all of them.
    """
    unknown = [name for name in names if name not in table.columns]
    if unknown:
        word = "column" if len(unknown) == 1 else "columns"
        said = ", ".join(repr(cut(name, 60)) for name in unknown)
        near = [hint.removeprefix("; ") for name in unknown if (hint := did_you_mean(name, table.writable))]
        advice = " ".join(near) or f"its columns are {', '.join(table.writable)}"
        raise bad_row(dataset, line, f"table {table.name} has no {word} {said}", advice=advice)
    generated = [name for name in names if table.columns[name].generated]
    if generated:
        reason = f"the database computes {', '.join(generated)} itself"
        raise bad_row(dataset, line, reason, advice="leave it out of the file")
