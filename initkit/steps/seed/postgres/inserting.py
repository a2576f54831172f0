"""Rows of a dataset straight into their table by COPY, where nothing that is there can be in their way."""

from __future__ import annotations

from itertools import chain, groupby
from typing import TYPE_CHECKING

from initkit.steps.seed.content.reading import UnplainError
from initkit.steps.seed.postgres.blame import blames, of_copy
from initkit.steps.seed.postgres.copying import Copied, copy_plain
from initkit.steps.seed.postgres.savepoint import savepoint
from initkit.steps.seed.postgres.stage import Stage
from initkit.steps.seed.staging import KeySets, expect_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initkit.db.postgres import Connection
    from initkit.steps.seed.content.reading import Batch, Reading
    from initkit.steps.seed.postgres.catalog import Relation
    from initkit.steps.seed.store import Loading

_SWITCHES = 16  # COPYs, each with a set of columns of its own, after which a staging table is cheaper


class Straight:
    """One dataset by COPY into its table.

    Attributes:
        columns: that the dataset has values for, once it was read.
        rest: rows that came to be staged, because rows that leave out this and that default alternate.
    """

    def __init__(self, connection: Connection, loading: Loading, relation: Relation) -> None:
        self._connection = connection
        self._loading = loading
        self._relation = relation
        self.columns: tuple[str, ...] = ()
        self.rest: Stage | None = None

    def read(self) -> Reading:
        """A pass over the dataset."""
        reading = self._loading.content.read(self._loading.table, complete=self._loading.how == "insert")
        expect_key(self._loading, reading.columns)
        self.columns = reading.columns
        return reading

    def plainly(self) -> int | None:
        """As the file's text stands there, or None where that is not the same for certain; then nothing was done.

        Raises:
            psycopg.Error: the server refuses something, which does not blame a row.
        """
        import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

        plain = self.read().plain() if self._loading.content.repeatable else None
        if plain is None:
            return None
        try:
            with savepoint(self._connection):
                return copy_plain(self._connection, self._relation.identity, self.columns, plain)
        except UnplainError:
            return None
        except psycopg.Error as error:
            if not blames(error):
                raise
            return None

    def exactly(self) -> int:
        """As we read it; return how many rows came into the table, without those of `rest`.

        Raises:
            PermanentError: the server refuses a row, and says in which line of the COPY.
            psycopg.Error: it refuses something else.
        """
        reading = self.read()
        copied = Copied()
        sets = KeySets(self._loading)
        runs = _runs(reading.batches(), self._loading.table.defaults)
        with of_copy(self._loading, copied):
            for switches, (left_out, batches) in enumerate(runs):
                if switches == _SWITCHES:
                    self._stage_rest(chain(batches, _all(runs)), reading.columns, copied.given)
                    break
                places = [place for place, name in enumerate(reading.columns) if name not in left_out]
                self._copy(batches, places, copied, sets)
        return copied.taken

    def _copy(self, batches: Iterator[Batch], places: Sequence[int], copied: Copied, sets: KeySets) -> None:
        names = [self.columns[place] for place in places]
        chosen = None if len(names) == len(self.columns) else places
        with copied.into(self._connection, self._relation.identity, names) as sink:
            for batch in batches:
                sets.number(batch)  # it sees that the key is there
                sink.write(self._loading, batch, chosen)

    def _stage_rest(self, batches: Iterator[Batch], columns: Sequence[str], before: int) -> None:
        self.rest = Stage(self._connection, self._loading, self._relation)
        self.rest.make(columns)
        self.rest.take(batches, columns, before)


def _runs(batches: Iterator[Batch], defaults: frozenset[str]) -> Iterator[tuple[frozenset[str], Iterator[Batch]]]:
    """The batches, cut where the set of columns changes that must be left out so that a default applies.

    NULL can be written for any other column that a row does not mention, so that nearly always there is one run.
    """
    return groupby(batches, key=lambda batch: defaults - batch.given)


def _all(runs: Iterator[tuple[frozenset[str], Iterator[Batch]]]) -> Iterator[Batch]:
    for _, batches in runs:
        yield from batches
