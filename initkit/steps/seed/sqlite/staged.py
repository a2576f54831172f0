"""A dataset's rows in a temporary table, where they can be compared; their numbers there are those in the file."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from initkit.steps.seed.sqlite.catalog import collations, covers
from initkit.steps.seed.sqlite.refusing import RefusedRowError, refusal
from initkit.steps.seed.sqlite.values import checked, kinds, marks
from initkit.steps.seed.sqlite.writing import Rows
from initkit.steps.seed.staging import (
    KEYS,
    STAGING,
    KeySets,
    expect_key,
    key_is_ambiguous,
    key_is_null,
    key_stands_twice,
)
from initkit.steps.seed.tables import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.steps.seed.store import Loading

TEMPORARY = f"temp.{STAGING}"
NUMBER = "initkit_number"  # of a row in the file, from 1


class Staged:
    """A dataset in the temporary table.

    Attributes:
        columns: that its rows have values for.
        count: how many rows there are.
        sets: the sets of columns that rows mention; each row has the number of its own in the column `KEYS`.
    """

    def __init__(self, connection: sqlite3.Connection, loading: Loading) -> None:
        """Read all rows of a dataset.

        Raises:
            PermanentError: it cannot be read, or a value is no good.
        """
        self.count = 0
        self.sets = KeySets(loading)
        self._connection = connection
        self._loading = loading
        reading = loading.content.read(loading.table, complete=loading.how == "insert")
        expect_key(loading, reading.columns)
        self.columns = reading.columns
        self._make()
        self._kinds = kinds(loading.table, self.columns)
        statements: dict[int, Rows] = {}
        for batch in reading.batches():
            number = self.sets.number(batch)
            if number not in statements:
                statements[number] = self._statement(number)
            rows = checked(loading.content.dataset, self.columns, batch, self._kinds)
            try:
                statements[number].write(rows)
            except RefusedRowError as error:
                raise refusal(error.error, loading, batch.lines[error.place]) from error
            self.count += len(batch.rows)
        if len(self.sets) > 1:
            connection.execute(f"create index temp.initkit_staging_sets on {STAGING} ({KEYS})")

    def _make(self) -> None:
        """Make the table, with the affinities of the other, and nothing else of it: no constraint, no collation."""
        self._connection.execute(
            f"create temporary table initkit_affinities as select {listed(self.columns)} "  # noqa: S608 - identifiers are quoted
            f"from {self._loading.table.sql} where 0"
        )
        found = self._connection.execute("pragma temp.table_info(initkit_affinities)").fetchall()
        self._connection.execute("drop table temp.initkit_affinities")
        columns = ", ".join(f"{quoted(row[1])} {row[2]}" for row in found)
        self._connection.execute(
            f"create temporary table {STAGING} ({NUMBER} integer primary key, {columns}, {KEYS} integer)"
        )

    def _statement(self, number: int) -> Rows:
        row = ", ".join([*marks(len(self.columns), self._kinds), str(number)])
        head = f"insert into {TEMPORARY} ({listed(self.columns)}, {KEYS}) values "  # noqa: S608 - identifiers are quoted
        return Rows(self._connection, head, f"({row})", width=len(self.columns))

    def refuse_bad_keys(self) -> None:
        """See that rows can be told apart by the key, in the file and in the table; an index for it is made.

        Raises:
            PermanentError: a key is NULL, stands in the file twice, or is not unique in the table.
        """
        key = self._loading.key
        for name in key:
            (number,) = self._connection.execute(
                f"select min({NUMBER}) from {TEMPORARY} where {quoted(name)} is null"  # noqa: S608 - an identifier, quoted
            ).fetchone()
            if number:
                raise key_is_null(self._loading, number, name)
        ways = collations(self._connection, self._loading.table, key)
        try:
            self._connection.execute(f"create unique index temp.initkit_staging_key on {STAGING} ({collated(ways)})")
        except sqlite3.IntegrityError as error:
            first, second = self.twice(ways) or (0, 0)
            raise key_stands_twice(self._loading, first, second) from error
        self._refuse_ambiguous(ways)

    def twice(self, ways: Mapping[str, str], number: int | None = None) -> tuple[int, int] | None:
        """The first row whose values stand in an earlier one, after the number of that; `number`: of this row only."""
        row: tuple[int, int] | None = self._connection.execute(
            f"select earlier, number from (select {NUMBER} as number, "  # noqa: S608 - identifiers are quoted
            f"lag({NUMBER}) over (partition by {collated(ways)} order by {NUMBER}) as earlier from {TEMPORARY} "
            f"where {' and '.join(f'{quoted(name)} is not null' for name in ways)}) "
            "where earlier is not null and (?1 is null or number = ?1) order by number limit 1",
            (number,),
        ).fetchone()
        return row

    def _refuse_ambiguous(self, ways: Mapping[str, str]) -> None:
        """Refuse a key that stands in the table more than once: which row would be meant?"""
        loading = self._loading
        if covers(self._connection, loading.table, dict(ways)):
            return
        names = ", ".join(f"cast({quoted(name)} as text)" for name in ways)
        some = " and ".join(f"{quoted(name)} is not null" for name in ways)
        row = self._connection.execute(
            f"select {names} from {loading.table.sql} where {some} "  # noqa: S608 - identifiers are quoted
            f"group by {listed(tuple(ways))} having count(*) > 1 limit 1"
        ).fetchone()
        if row:
            raise key_is_ambiguous(loading, row)

    def drop(self) -> None:
        """Remove it, and its indexes with it."""
        self._connection.execute(f"drop table if exists {TEMPORARY}")


def collated(ways: Mapping[str, str]) -> str:
    """Columns, each to be compared in its way."""
    return ", ".join(f"{quoted(name)} collate {way}" for name, way in ways.items())
