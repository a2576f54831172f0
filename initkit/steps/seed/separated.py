"""CSV: RFC 4180 with a header line, UTF-8. An empty field is NULL, a quoted one ("") is the empty string.

It is read here and not by Python's csv, which cannot tell those two apart before 3.13, takes ``5" disk`` for a quote
that opens, and does not know on which line a row begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.steps.seed.lines import LONGEST, numbered_lines
from initkit.steps.seed.rows import Row, Rows, bad_row, refuse_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initkit.core.step import Context
    from initkit.steps.seed.datasets import Dataset
    from initkit.steps.seed.tables import Table

Fields = list[str | None]


def open_rows(dataset: Dataset, table: Table, context: Context) -> Rows:
    """The rows of a CSV file; its header is read at once, and says which columns they have.

    Raises:
        PermanentError: the file is empty or malformed, or the header names columns that the table does not have.
    """
    records = _records(dataset, context)
    line, fields = next(records, (0, []))
    if not fields:
        raise PermanentError(
            f"load {dataset.path} into {dataset.table}", "it is empty", "write a header line, or remove the file"
        )
    columns = _header(dataset, table, line, fields)
    return Rows(columns, _rows(dataset, columns, records))


def _header(dataset: Dataset, table: Table, line: int, fields: Fields) -> tuple[str, ...]:
    names = [field or "" for field in fields]
    if "" in names:
        raise bad_row(dataset, line, f"column {names.index('') + 1} of the header has no name")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise bad_row(dataset, line, f"the header names {', '.join(twice)} twice")
    if len(names) == 1 and names[0] not in table.columns:
        for separator, spoken in ((";", "semicolons"), ("\t", "tabs")):
            if separator in names[0]:
                reason = f"its fields seem to be separated by {spoken}"
                raise bad_row(dataset, line, reason, advice="separate them by commas")
    refuse_columns(dataset, table, names, line)
    return tuple(names)


def _rows(dataset: Dataset, columns: Sequence[str], records: Iterator[tuple[int, Fields]]) -> Iterator[Row]:
    given = frozenset(columns)
    width = len(columns)
    for line, fields in records:
        if len(fields) != width:
            reason = f"expected {width} fields as in the header, got {len(fields)}"
            raise bad_row(dataset, line, reason, advice="quote values that hold commas")
        yield Row(line, given, fields)


def _records(dataset: Dataset, context: Context) -> Iterator[tuple[int, Fields]]:
    """Each record's fields, with the line where it begins; empty lines are passed over."""
    lines = numbered_lines(dataset, context)
    for number, line in lines:
        if '"' in line:
            yield number, _Record(dataset, lines, number, line).fields()
            continue
        content = line.removesuffix("\r")
        if "\r" in content:
            raise bad_row(dataset, number, "a carriage return stands inside a line", advice=_LINE_ENDS)
        if content:
            yield number, [field or None for field in content.split(",")]


_LINE_ENDS = "end the lines with LF or CRLF, or quote the value"
_QUOTES = "quote the whole value, and write each quote inside it twice"


class _Record:
    """One record with quotes in it; a quoted field may go on over several lines."""

    def __init__(self, dataset: Dataset, lines: Iterator[tuple[int, str]], number: int, line: str) -> None:
        self._dataset = dataset
        self._lines = lines
        self._number = number
        self._line = line
        self._place = 0

    def fields(self) -> Fields:
        fields: Fields = []
        while True:
            if self._line.startswith('"', self._place):
                fields.append(self._quoted())
            else:
                fields.append(self._bare())
            if self._at_end():
                return fields
            self._place += 1  # past the comma

    def _at_end(self) -> bool:
        return self._place >= len(self._line) or (self._line[self._place :] == "\r")

    def _bare(self) -> str | None:
        end = self._line.find(",", self._place)
        value = self._line[self._place :].removesuffix("\r") if end < 0 else self._line[self._place : end]
        if '"' in value:
            raise self._wrong("a quote stands inside a value that is not quoted", self._number)
        if "\r" in value:
            raise bad_row(self._dataset, self._number, "a carriage return stands inside a line", advice=_LINE_ENDS)
        self._place += len(value)
        return value or None

    def _quoted(self) -> str:
        opened = self._number
        parts: list[str] = []
        size = 0
        start = self._place + 1
        while True:
            end = self._line.find('"', start)
            if end < 0:
                parts += [self._line[start:], "\n"]
                size += len(self._line) - start
                self._next_line(opened, size)
                start = 0
                continue
            parts.append(self._line[start:end])
            if not self._line.startswith('"', end + 1):
                break
            parts.append('"')
            start = end + 2
        self._place = end + 1
        if not self._at_end() and self._line[self._place] != ",":
            raise self._wrong("text follows the quote that closes a value", opened)
        return "".join(parts)

    def _next_line(self, opened: int, size: int) -> None:
        following = next(self._lines, None) if size <= LONGEST else None
        if following is None:
            raise self._wrong("the quote that opens here is never closed", opened)
        self._number, self._line = following

    def _wrong(self, reason: str, line: int) -> PermanentError:
        return bad_row(self._dataset, line, reason, advice=_QUOTES)
