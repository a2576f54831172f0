"""A dataset's content as often as it is needed: its rows, its hash, and how far reading it has come."""

from __future__ import annotations

import gc
from array import array
from bisect import bisect_right
from contextlib import contextmanager
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.steps.seed.content.faults import refuse_missing, task
from initkit.steps.seed.content.progress import Progress
from initkit.steps.seed.content.reading import Plain
from initkit.steps.seed.content.source import Source, is_repeatable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initkit.core.step import Context
    from initkit.db.sqlfiles.lexer import Dialect
    from initkit.db.sqlfiles.splitter import Statement
    from initkit.steps.seed.content.reading import Batch, Reading
    from initkit.steps.seed.dataset import Dataset
    from initkit.steps.seed.tables import Table

_WORKING = "; the database merges them"


class Content:
    """The content of one dataset; every pass over it is told to ``voice.progress``.

    Attributes:
        dataset: whose it is.
        repeatable: whether it can be read again, which standard input cannot.
    """

    def __init__(self, dataset: Dataset, context: Context) -> None:
        self.dataset = dataset
        self.repeatable = is_repeatable(dataset)
        self._context = context
        self._source: Source | None = None
        self._sha256 = ""
        self._places = _Places()

    def read(self, table: Table, *, complete: bool) -> Reading:
        """A pass from the beginning; headers are read, and columns that the table does not have refused, at once.

        Args:
            table: where the rows go.
            complete: whether rows are inserted as they are, so that columns that a new row must have are asked for.

        Raises:
            PermanentError: it cannot be read, or what stands there is no good; or standard input was read already.
        """
        progress = Progress(self.dataset.name, self._context)
        source = self._begin(progress)
        self._places = _Places()
        reading = _reading(source, table, self._context, complete=complete)
        return _Pass(reading, progress, None if self.repeatable else self._places)

    def _begin(self, progress: Progress) -> Source:
        if self._source and not self.repeatable:
            cause, advice = "it was read already, and cannot be read again", "write it to a file, and seed that"
            raise PermanentError(task(self.dataset), cause, advice)
        if self._source and self._source.sha256:
            self._sha256 = self._source.sha256
        self._source = Source(self.dataset, self._context, progress)
        return self._source

    def statements(self, dialect: Dialect) -> Iterator[Statement]:
        """The statements of an SQL dataset, each with its line.

        Raises:
            PermanentError: it cannot be read, or something in it may not stand there.
        """
        from initkit.steps.seed.content import sql  # noqa: PLC0415 - only the format that is met

        progress = Progress(self.dataset.name, self._context, "statements")
        source = self._begin(progress)
        for statement in sql.statements(self.dataset, source.blocks(), dialect, self._context.environ):
            progress.rows += 1
            yield statement
        progress.end()

    def sha256(self) -> str:
        """The SHA-256 of the decompressed content in hexadecimal; it takes a pass where none has come to the end."""
        if self._source and self._source.sha256:
            return self._source.sha256
        if not self._sha256:
            progress = Progress(self.dataset.name, self._context)
            source = self._begin(progress)
            for _ in source.blocks():
                pass
            return source.sha256
        return self._sha256

    def place(self, table: Table, number: int) -> tuple[int, dict[str, str | None]]:
        """The line and the values of the row with that number, from 1; line 0 where it cannot be told any more."""
        if not self.repeatable:
            return self._places.line(number), {}
        reading = _reading(Source(self.dataset, self._context), table, self._context, complete=False)
        before = 0
        for batch in reading.batches():
            if number <= before + len(batch.rows):
                row, line = batch.rows[number - before - 1], batch.lines[number - before - 1]
                values = zip(reading.columns, row, strict=True)
                return line, {name: value for name, value in values if name in batch.given}
            before += len(batch.rows)
        return 0, {}

    def finished(self) -> None:
        """Its rows are in the database: progress is no longer shown."""
        self._context.voice.done(self.dataset.name)


def _reading(source: Source, table: Table, context: Context, *, complete: bool) -> Reading:
    dataset, environ = source.dataset, context.environ
    if dataset.format == "csv":
        from initkit.steps.seed.content.separated import Separated  # noqa: PLC0415 - only the format that is met

        reading = Separated(dataset, table, source.blocks(), environ)
        if complete:
            refuse_missing(dataset, table, reading.columns, reading.line)
        return reading
    from initkit.steps.seed.content.objects import Objects  # noqa: PLC0415 - only the format that is met

    objects = Objects(dataset, table, environ, complete=complete)
    if dataset.format == "ndjson":
        from initkit.steps.seed.content.ndjson import Ndjson  # noqa: PLC0415 - only the format that is met

        return Ndjson(objects, source.blocks())
    if dataset.format == "json":
        from initkit.steps.seed.content.json_array import JsonArray  # noqa: PLC0415 - only the format that is met

        return JsonArray(objects, source.blocks())
    from initkit.steps.seed.content.yaml_list import YamlList  # noqa: PLC0415 - only the format that is met

    return YamlList(objects, source.blocks())


class _Pass:
    """A reading that is told of, and whose lines are kept where it cannot be repeated."""

    def __init__(self, reading: Reading, progress: Progress, places: _Places | None) -> None:
        self.columns = reading.columns
        self._reading = reading
        self._progress = progress
        self._places = places

    def batches(self) -> Iterator[Batch]:
        with _uncollected():
            for batch in self._reading.batches():
                if self._places is not None:
                    self._places.add(batch.lines)
                self._progress.rows += len(batch.rows)
                yield batch
        self._progress.end(_WORKING)

    def plain(self) -> Plain | None:
        found = self._reading.plain() if self._places is None else None
        return found and Plain(found.delimiter, found.quote, found.null, self._counted(found.blocks))

    def _counted(self, blocks: Iterator[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
        for block, count in blocks:
            self._progress.rows += count
            yield block, count
        self._progress.end(_WORKING)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of garbage, which rows never are: looking at them all takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Places:
    """Which row begins on which line; of rows that follow each other line by line, only the first is kept."""

    def __init__(self) -> None:
        self._numbers = array("q")
        self._lines = array("q")
        self._number = 0

    def add(self, lines: Sequence[int]) -> None:
        number = self._number
        self._number += len(lines)
        if isinstance(lines, range):
            self._begin(number + 1, lines[0])
            return
        for line in lines:
            number += 1
            self._begin(number, line)

    def _begin(self, number: int, line: int) -> None:
        if not self._lines or line - self._lines[-1] != number - self._numbers[-1]:
            self._numbers.append(number)
            self._lines.append(line)

    def line(self, number: int) -> int:
        place = bisect_right(self._numbers, number) - 1
        return self._lines[place] + number - self._numbers[place] if place >= 0 and number <= self._number else 0
