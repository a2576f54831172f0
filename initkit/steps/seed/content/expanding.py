"""`${NAME}` and `${file:PATH}` in values, where a dataset opts in; how they are written is known to `core.secrets`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.secrets import expand
from initkit.steps.seed.content.faults import bad_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from initkit.steps.seed.content.reading import Batch
    from initkit.steps.seed.dataset import Dataset


def expanded(batch: Batch, columns: Sequence[str], dataset: Dataset, environ: Mapping[str, str]) -> Batch:
    """The rows with references replaced.

    Raises:
        PermanentError: one cannot be.
    """
    rows = [
        [expanded_value(value, dataset, line, column, environ) for value, column in zip(row, columns, strict=True)]
        if any(value and "$" in value for value in row)
        else row
        for row, line in zip(batch.rows, batch.lines, strict=True)
    ]
    return batch._replace(rows=rows)


def expanded_value(
    value: str | None, dataset: Dataset, line: int, column: str, environ: Mapping[str, str]
) -> str | None:
    """A value with references replaced.

    Raises:
        PermanentError: one cannot be.
    """
    if not value or "$" not in value:
        return value
    try:
        return expand(value, environ)
    except ValueError as error:
        reason, _, advice = str(error).partition("; ")
        raise bad_row(dataset, line, reason, column=column, advice=advice) from error
