"""CSV and its kin, UTF-8: which columns a file has and how it separates them; its fields are read in `records`.

An empty field is NULL, a quoted one ("") is the empty string, unless something else is said to stand for NULL.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.core.options import did_you_mean
from initkit.steps.seed.content.columns import Rows, rows_of
from initkit.steps.seed.content.expanding import expanded
from initkit.steps.seed.content.faults import bad_row, refuse_columns, task
from initkit.steps.seed.content.lines import decoded, whole_records, without_mark
from initkit.steps.seed.content.plain import is_plain, plain_blocks
from initkit.steps.seed.content.reading import Batch, Plain
from initkit.steps.seed.content.records import Dialect, Records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from initkit.steps.seed.dataset import Dataset
    from initkit.steps.seed.tables import Table

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_MOST_ROWS = 2000  # of a batch


class Separated:
    """One pass over a CSV file; its header is read at once.

    Attributes:
        columns: of the table, in the file's order, without those that are left out.
        line: of the header; 0 where there is none.
    """

    def __init__(self, dataset: Dataset, table: Table, blocks: Iterable[bytes], environ: Mapping[str, str]) -> None:
        """Read the header.

        Raises:
            PermanentError: the file is empty or malformed, or names columns that the table does not have.
        """
        self._dataset = dataset
        self._environ = environ
        self._first = 1  # the number of the first line in `_blocks`
        self._blocks = whole_records(dataset, without_mark(blocks), dataset.form.quote.encode())
        self._dialect = Dialect(dataset.form.delimiter or ",", dataset.form.quote, frozenset(dataset.form.nulls))
        line, header = self._header(table)
        self.line = line
        names = _meant(dataset, header, line)
        refuse_columns(dataset, table, [name for name in names if name], line)
        self._width = len(names)
        self._chosen = [place for place, name in enumerate(names) if name]
        self.columns = tuple(table.columns[name].name for name in names if name)
        _refuse_twice(dataset, self.columns, line)

    def _header(self, table: Table) -> tuple[int, Sequence[str]]:
        """The names, and the line where they stand, 0 where they were given; what follows is left in `_blocks`."""
        dataset = self._dataset
        for block in self._blocks:
            text = decoded(dataset, block, self._first)
            if not text.strip("\r\n"):
                self._first += text.count("\n")
                continue
            delimiter = dataset.form.delimiter or _sniffed(dataset, text, table)
            self._dialect = self._dialect._replace(delimiter=delimiter)
            if dataset.form.header:
                self._blocks = chain([block], self._blocks)
                return 0, dataset.form.header
            records = Records(dataset, text, self._first, self._dialect._replace(nulls=()))
            line, fields = next(iter(records))
            lines = block.split(b"\n", records.line - self._first + 1)
            if records.line < self._first + len(lines) - 1:
                self._blocks = chain(lines[-1:], self._blocks)
            self._first = records.line + 1
            return line, [field or "" for field in fields]
        if not dataset.form.header:
            raise PermanentError(task(dataset), "it is empty", "write a header line, or remove the file")
        return 0, dataset.form.header

    def batches(self) -> Iterator[Batch]:
        """The rows.

        Raises:
            PermanentError: one is malformed.
        """
        given = frozenset(self.columns)
        for block in self._blocks:
            text = decoded(self._dataset, block, self._first)
            rows, lines = self._quickly(text) or self._exactly(text)
            self._first += text.count("\n")
            for start in range(0, len(rows), _MOST_ROWS):
                part = slice(start, start + _MOST_ROWS)
                batch = Batch(given, rows[part], lines[part])
                if self._dataset.form.expand:
                    batch = expanded(batch, self.columns, self._dataset, self._environ)
                yield batch

    def _quickly(self, text: str) -> Rows | None:
        if not text.endswith("\n"):
            if self._dialect.quote and text.count(self._dialect.quote) % 2:
                return None  # a quote that is never closed, and perhaps all of a large file behind it
            text += "\n"
        return rows_of(text, self._first, self._dialect, self._width, self._chosen)

    def _exactly(self, text: str) -> Rows:
        found, lines = [], []
        for line, fields in Records(self._dataset, text, self._first, self._dialect):
            if len(fields) != self._width:
                expected = f"expected {self._width} fields{'' if self._dataset.form.header else ' as in the header'}"
                spoken = _SEPARATORS.get(self._dialect.delimiter, repr(self._dialect.delimiter))
                signs = "use another delimiter than" if not self._dialect.quote else "quote values that hold"
                advice = f"{signs} {spoken}"
                raise bad_row(self._dataset, line, f"{expected}, got {len(fields)}", advice=advice)
            found.append([fields[place] for place in self._chosen])
            lines.append(line)
        return Rows(found, lines)

    def plain(self) -> Plain | None:
        """The rows as COPY reads them."""
        form = self._dataset.form
        delimiter = self._dialect.delimiter
        if form.expand or len(self.columns) < self._width or not is_plain(delimiter, form.quote, form.nulls):
            return None
        blocks = plain_blocks(self._blocks, delimiter, form.quote, self._width)
        return Plain(delimiter, form.quote, form.nulls[0], blocks)


def _meant(dataset: Dataset, header: Sequence[str], line: int) -> list[str]:
    """The columns that the names in a file mean; empty where they are left out.

    Raises:
        PermanentError: there is one without a name, or one that is spoken of is not there.
    """
    if "" in header:
        raise bad_row(dataset, line, f"column {list(header).index('') + 1} of the header has no name")
    _refuse_twice(dataset, header, line)
    renamed = dict(dataset.form.renamed)
    absent = [name for name in renamed if name not in header]
    if absent:
        reason = f"the header has no {', '.join(absent)}{did_you_mean(absent[0], header)}"
        raise bad_row(dataset, line, reason, advice="mend the header, or what is said about its columns")
    return [renamed.get(name, name) for name in header]


def _refuse_twice(dataset: Dataset, names: Sequence[str], line: int) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise bad_row(dataset, line, f"the header names {', '.join(twice)} twice")


def _sniffed(dataset: Dataset, text: str, table: Table) -> str:
    """What separates the fields: what makes most columns of the first line, and else most fields."""
    line = next(line for line in text.split("\n") if line.strip("\r"))
    renamed = dict(dataset.form.renamed)
    wanted = len(dataset.form.header)

    def merit(delimiter: str) -> tuple[int, int]:
        fields = [field.strip(dataset.form.quote + "\r") for field in line.split(delimiter)]
        known = sum(renamed.get(field, field) in table.columns for field in fields)
        return (-abs(len(fields) - wanted) if wanted else known), len(fields)

    return max(_SEPARATORS, key=merit)
