"""Rows of a dataset into a table of PostgreSQL by COPY: as they stand in the file, or exactly as we read them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from initkit.steps.seed.content.faults import bad_row
from initkit.steps.seed.content.reading import UnplainError
from initkit.steps.seed.postgres.encoding import encode
from initkit.steps.seed.tables import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg import Copy

    from initkit.core.errors import PermanentError
    from initkit.db.postgres import Connection
    from initkit.steps.seed.content.reading import Batch, Plain
    from initkit.steps.seed.store import Loading

_WORTH = 1 << 16  # bytes


def copy_plain(connection: Connection, target: str, columns: Sequence[str], plain: Plain) -> int:
    """Have the server read the file's own text; return how many rows it took.

    Raises:
        UnplainError: it is not certain that the server reads what we would.
    """
    statement = (
        f"copy {target} ({listed(columns)}) from stdin (format csv, delimiter {_literal(plain.delimiter)}, "
        f"quote {_literal(plain.quote)}, null {_literal(plain.null)}, encoding 'UTF8')"
    )
    records = 0
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for block, count in plain.blocks:
                records += count
                copy.write(block)
        if cursor.rowcount != records:
            raise UnplainError
    return records


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class Copied:
    """How far the COPYs of one dataset have come: what the server calls a line is told by it as a row's number.

    Attributes:
        before: rows that earlier COPYs took.
        given: rows that were given to all of them.
        taken: those that the server says it took: a trigger may drop some.
    """

    def __init__(self, before: int = 0) -> None:
        self.before = before
        self.given = before
        self.taken = 0

    @contextmanager
    def into(self, connection: Connection, target: str, columns: Sequence[str]) -> Iterator[Sink]:
        """One COPY of rows with these columns."""
        self.before = self.given
        statement = f"copy {target} ({listed(columns)}) from stdin (encoding 'UTF8')"
        with connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                sink = Sink(copy, self)
                yield sink
                sink.flush()
            self.taken += cursor.rowcount


class Sink:
    """Takes batches, and writes them in pieces that are worth the way."""

    def __init__(self, copy: Copy, copied: Copied) -> None:
        self._copy = copy
        self._copied = copied
        self._kept: list[bytes] = []
        self._size = 0

    def write(self, loading: Loading, batch: Batch, places: Sequence[int] | None, last: str = "") -> None:
        """Take the rows of a batch; see `encode`.

        Raises:
            PermanentError: a value is no text.
        """
        try:
            text = encode(batch.rows, places, last)
        except UnicodeEncodeError:
            raise _no_text(loading, batch) from None
        self._copied.given += len(batch.rows)
        self._kept.append(text)
        self._size += len(text)
        if self._size >= _WORTH:
            self.flush()

    def flush(self) -> None:
        """Write what is kept."""
        if self._kept:
            self._copy.write(b"".join(self._kept))
        self._kept, self._size = [], 0


def _no_text(loading: Loading, batch: Batch) -> PermanentError:
    for line, row in zip(batch.lines, batch.rows, strict=True):
        for value in row:
            try:
                (value or "").encode()
            except UnicodeEncodeError:
                reason = "half of a surrogate pair is no character"
                return bad_row(loading.content.dataset, line, reason, advice="write the character itself")
    return bad_row(loading.content.dataset, batch.lines[0], "it is no text")
