"""What readers of all formats give to stores; the formats have files of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, overload

if TYPE_CHECKING:
    from collections.abc import Iterator


class ByColumn(Sequence[tuple["str | None", ...]]):
    """Rows that came column by column, and can be taken so again.

    Attributes:
        columns: the values of all rows in one column after the other; all as long.
    """

    def __init__(self, columns: Sequence[Sequence[str | None]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns[0])

    def __iter__(self) -> Iterator[tuple[str | None, ...]]:
        return zip(*self.columns, strict=True)

    @overload
    def __getitem__(self, place: int) -> tuple[str | None, ...]: ...

    @overload
    def __getitem__(self, place: slice) -> ByColumn: ...

    def __getitem__(self, place: int | slice) -> tuple[str | None, ...] | ByColumn:
        if isinstance(place, slice):
            return ByColumn([column[place] for column in self.columns])
        return tuple(column[place] for column in self.columns)


class Batch(NamedTuple):
    """Rows that say something about the same columns. All values are text: the database gives them their types.

    Attributes:
        given: the columns that these rows say something about.
        rows: each in the order of `Reading.columns`; None is NULL, or nothing where the column is not in `given`.
        lines: where each row begins, from 1; a range where each has one line.
    """

    given: frozenset[str]
    rows: Sequence[Sequence[str | None]]
    lines: Sequence[int]


class UnplainError(Exception):
    """Something stands in the file that COPY would perhaps read otherwise than we do: it is to be read by `batches`."""


@dataclass(frozen=True)
class Plain:
    """CSV that PostgreSQL's COPY reads exactly as we do: UTF-8, LF, no header, no blank line, quotes where they belong.

    Attributes:
        null: the one text that is NULL where it is not quoted.
        blocks: whole records, with how many; raises `UnplainError` as soon as it does not hold, and `PermanentError`.
    """

    delimiter: str
    quote: str
    null: str
    blocks: Iterator[tuple[bytes, int]] = field(repr=False)


class Reading(Protocol):
    """One pass over a dataset's content; whoever iterates meets the errors of what stands there.

    Attributes:
        columns: those that rows have values for.
    """

    columns: tuple[str, ...]

    def batches(self) -> Iterator[Batch]:
        """The rows, in their order; a batch holds some 1,000 of them, and a few MB at most."""
        ...

    def plain(self) -> Plain | None:
        """The same for COPY to read, instead of `batches`; None where that is not certain from the beginning."""
        ...
