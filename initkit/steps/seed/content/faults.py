"""How something wrong in a dataset is told: the file, the line, the column, the value; finding it is the readers'."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.core.options import did_you_mean
from initkit.core.printable import printable
from initkit.core.redact import MASK, is_secret_name, redact

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from initkit.steps.seed.dataset import Dataset
    from initkit.steps.seed.tables import Table

_LONGEST_REASON = 200  # characters
_LONGEST_VALUE = 60  # characters
_LOOKED_AT = 4000  # characters of a value that are made fit to be shown: it may be a megabyte


def cut(text: str, longest: int = _LONGEST_REASON) -> str:
    """`text` in one line, and no longer than a person wants to read."""
    line = " ".join(text[: longest * 2].split())
    return line if len(line) <= longest else line[: longest - 2] + "…" + line[-1]


def task(dataset: Dataset) -> str:
    """What could not be done, where it is about a dataset."""
    return f"load {dataset.shown} into {dataset.table}" if dataset.table else f"load {dataset.shown}"


def bad_row(  # noqa: PLR0913 - all that is known
    dataset: Dataset, line: int, reason: str, *, column: str = "", value: str | None = None, advice: str = ""
) -> PermanentError:
    """The error for something wrong in a dataset.

    Args:
        dataset: in which.
        line: where; 0 where it is not known.
        reason: what is wrong; it may quote the value.
        column: of which column.
        value: what stands there; of a column whose name says that it is secret it is not shown, in `reason` neither.
        advice: what to do about it.
    """
    where = [f"line {line}"] if line else []
    if column:
        where.append(f"column {cut(column, _LONGEST_VALUE)}")
    if value is not None:
        where.append(f"value '{shown_value(column, value)}'")
        if value and is_secret_name(column):
            reason = reason.replace(value, MASK)
    cause = ": ".join([", ".join(where), cut(reason)]) if where else cut(reason)
    return PermanentError(task(dataset), cause, advice or "mend the file")


def shown_value(column: str, value: str) -> str:
    """What stands in a column, cut and without secrets."""
    if is_secret_name(column):
        return MASK
    return redact(printable(value[:_LOOKED_AT], _LONGEST_VALUE))


def unreadable(path: str, error: OSError) -> PermanentError:
    """The error for a file or folder that the system does not let us read."""
    advice = f"make it readable for UID {os.getuid()}, or mend the path"
    return PermanentError(f"read {path}", error.strerror or str(error), advice)


def refuse_columns(dataset: Dataset, table: Table, names: Sequence[str], line: int) -> None:
    """Refuse names that are no columns of the table, or of columns that the database itself computes.

    Raises:
        PermanentError: with all of them.
    """
    unknown = [name for name in names if name not in table.columns]
    if unknown:
        word = "column" if len(unknown) == 1 else "columns"
        said = ", ".join(map(_spelled, unknown))
        near = [hint.removeprefix("; ") for name in unknown if (hint := _near(name, table.writable))]
        advice = " ".join(near) or f"its columns are {', '.join(table.writable)}"
        raise bad_row(dataset, line, f"table {table.name} has no {word} {said}", advice=advice)
    generated = [name for name in names if table.columns[name].generated]
    if generated:
        reason = f"the database computes {', '.join(generated)} itself"
        raise bad_row(dataset, line, reason, advice="leave it out of the file")


def _spelled(name: str) -> str:
    """A name with every sign in it: a blank that nobody sees may be all that is wrong."""
    whole = redact(name[:_LOOKED_AT])
    return repr(whole if len(whole) <= _LONGEST_VALUE else f"{whole[: _LONGEST_VALUE - 1]}…")


def _near(name: str, columns: Sequence[str]) -> str:
    """Which column is meant: one that differs in blanks and capitals only before all that are written alike."""
    alike = [column for column in columns if column.strip().lower() == name.strip().lower()]
    return did_you_mean(alike[0] if alike else name, alike or columns)


def refuse_missing(dataset: Dataset, table: Table, given: Collection[str], line: int) -> None:
    """Refuse rows without columns that a new row must have.

    Raises:
        PermanentError: with all of them.
    """
    missing = [name for name, column in table.columns.items() if column.required and name not in given]
    if missing:
        word = "column" if len(missing) == 1 else "columns"
        reason = f"{word} {', '.join(missing)} must have a value, and is not there"
        if len(missing) > 1:
            reason = reason.replace("is not", "are not")
        raise bad_row(dataset, line, reason, advice="add it to the file, or give it a default in the table")
