"""What has to become of a table so that it agrees with a dataset: found first, then written row by row.

Only temporary tables are written until it is all found, so that a look and the work itself come to the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.steps.seed.sqlite.catalog import handle, has_triggers
from initkit.steps.seed.sqlite.deleting import Deletion, InUseError
from initkit.steps.seed.sqlite.refusing import RefusedRowError, refusal
from initkit.steps.seed.sqlite.staged import NUMBER, TEMPORARY, Staged
from initkit.steps.seed.sqlite.writing import Rows
from initkit.steps.seed.staging import KEYS
from initkit.steps.seed.store import Counts
from initkit.steps.seed.tables import listed, quoted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from initkit.core.step import Context
    from initkit.steps.seed.store import Loading

_AT_ONCE = 1000  # rows
CHANGES = "temp.initkit_changes"
_PAIRS = "temp.initkit_pairs"
_PRESENT = "temp.initkit_present"


class Merge:
    """One dataset and one table: `find` what differs, then `write` it.

    Attributes:
        deletion: rows that have to go once all datasets are in, because others still refer to them; None without.
    """

    def __init__(self, connection: sqlite3.Connection, loading: Loading, context: Context, number: int = 0) -> None:
        """Read the dataset into a temporary table.

        Args:
            connection: to the database.
            loading: which dataset, into which table.
            context: of the step.
            number: tells it from others of this transaction.
        """
        self._connection = connection
        self._loading = loading
        self._context = context
        self._table = loading.table.sql
        # a found row is found again by these, in the columns h0, h1 … of temporary tables
        self._handle = handle(connection, loading.table)
        self._places = tuple(f"h{number}" for number in range(len(self._handle)))
        self.deletion: Deletion | None = None
        if loading.how == "replace" or loading.prune:
            self.deletion = Deletion(connection, loading, self._handle, number)
        self._staged = Staged(connection, loading)

    def find(self) -> Counts:
        """Compare; return what is to be written.

        Raises:
            PermanentError: keys are no good.
        """
        if self._loading.key:
            self._staged.refuse_bad_keys()
        places = ", ".join(self._places)
        self._connection.execute(f"create temporary table initkit_changes (number integer primary key, {places})")
        if self._loading.key:
            self._find_by_key()
        else:
            self._find_by_rows()
        inserted, updated = self._one(f"select count(*) - count(h0), count(h0) from {CHANGES}")  # noqa: S608 - a constant
        deleted = self.deletion.count if self.deletion else 0
        return Counts(inserted, updated, deleted, self._staged.count - inserted - updated)

    def _one(self, query: str) -> tuple[int, ...]:
        row: tuple[int, ...] = self._connection.execute(query).fetchone()
        return row

    def _find_by_key(self) -> None:
        same = " and ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in self._loading.key)
        found = ", ".join(f"t.{column}" for column in self._handle)
        for number, given in self._staged.sets:
            # the table's column stands first in what is to be the same, so that its collation decides; ours in what
            # differs, for it has none: a column with NOCASE still sees that a letter's case has changed
            is_new = f"t.{self._handle[0]} is null"
            self._connection.execute(
                f"insert into {CHANGES} select s.{NUMBER}, {found} "  # noqa: S608 - identifiers are quoted
                f"from {TEMPORARY} s left join {self._table} t on {same} "
                f"where s.{KEYS} = {number} and ({is_new} or {self._differs(given)})"
            )
        if self.deletion:
            self.deletion.gather(f"not exists (select 1 from {TEMPORARY} s where {same})")  # noqa: S608 - identifiers are quoted

    def _differs(self, given: Sequence[str]) -> str:
        others = self._others(given)
        if self._loading.how == "insert-missing" or not others:
            return "0"
        if len(others) == 1:
            return f"s.{quoted(others[0])} is not t.{quoted(others[0])}"
        return f"({_of('s', others)}) is not ({_of('t', others)})"

    def _others(self, given: Sequence[str]) -> list[str]:
        return [name for name in given if name not in self._loading.key]

    def _named(self) -> str:
        pairs = zip(self._handle, self._places, strict=True)
        return ", ".join(f"{column} as {place}" for column, place in pairs)

    def _find_by_rows(self) -> None:
        """Without a key rows are the same where they read the same, as often as they stand on both sides."""
        places = ", ".join(self._places)
        self._connection.execute(f"create temporary table initkit_pairs (number integer primary key, {places})")
        self._connection.execute(f"create index temp.initkit_pairs_places on initkit_pairs ({places})")
        # rows that say the most choose first: others could take what only these can
        for number, given in sorted(self._staged.sets, key=lambda pair: (-len(pair[1]), pair)):
            self._pair(number, given)
        self._connection.execute(f"insert into {CHANGES} select * from {_PAIRS} where h0 is null")  # noqa: S608 - constants
        if self.deletion:
            self.deletion.gather(f"not exists (select 1 from {_PAIRS} p where {self._is_paired('t')})")  # noqa: S608 - as above

    def _is_paired(self, alias: str) -> str:
        return " and ".join(
            f"p.{place} = {alias}.{column}" for place, column in zip(self._places, self._handle, strict=True)
        )

    def _pair(self, number: int, given: Sequence[str]) -> None:
        binary = ", ".join(f"{quoted(name)} collate binary" for name in given)
        columns = ", ".join(f"{quoted(name)} as c{place}" for place, name in enumerate(given))
        content = [f"c{place}" for place in range(len(given))]
        order = ", ".join(self._handle)
        self._connection.execute(
            f"create temporary table initkit_present as select {self._named()}, {columns}, "  # noqa: S608 - identifiers are quoted
            f"row_number() over (partition by {binary} order by {order}) as turn from {self._table} t "
            f"where not exists (select 1 from {_PAIRS} p where {self._is_paired('t')})"
        )
        self._connection.execute(
            f"create index temp.initkit_turns on initkit_present ({', '.join([*content, 'turn'])})"
        )
        same = " and ".join(f"p.{name} is s.{name}" for name in [*content, "turn"])
        self._connection.execute(
            f"insert into {_PAIRS} select s.number, {', '.join(f'p.{place}' for place in self._places)} from ("  # noqa: S608 - as above
            f"select {NUMBER} as number, {columns}, "
            f"row_number() over (partition by {binary} order by {NUMBER}) as turn "
            f"from {TEMPORARY} where {KEYS} = {number}) s left join {_PRESENT} p on {same}"
        )
        self._connection.execute(f"drop table {_PRESENT}")

    def write(self) -> Counts:
        """Write what was found; return what was written.

        Raises:
            PermanentError: a row is refused.
        """
        # first what makes room: a unique value that is given up here may be taken there
        deleted = self._delete()
        updated = sum(self._update(number, given) for number, given in self._staged.sets)
        inserted = sum(self._insert(number, given) for number, given in self._staged.sets)
        return Counts(inserted, updated, deleted, self._staged.count - inserted - updated)

    def _delete(self) -> int:
        if self.deletion is None:
            return 0
        try:
            deleted = self.deletion.attempt()
        except InUseError:
            return self.deletion.count
        self.deletion = None
        return deleted

    def _update(self, number: int, given: Sequence[str]) -> int:
        others = self._others(given)
        if self._loading.how == "insert-missing" or not others or not self._loading.key:
            return 0
        values = ", ".join(f"{quoted(name)} = ?" for name in others)
        found = " and ".join(f"{column} = ?" for column in self._handle)
        statement = f"update or abort {self._table} set {values} where {found}"  # noqa: S608 - identifiers are quoted
        source = self._source(number, f"{_of('s', others)}, {_plain('c', self._places)}", "c.h0 is not null")
        return self._write(Rows(self._connection, statement, ""), source)

    def _insert(self, number: int, given: Sequence[str]) -> int:
        head = f"insert or abort into {self._table} ({listed(given)}) values "  # noqa: S608 - identifiers are quoted
        width = 0 if has_triggers(self._connection, self._loading.table) else len(given)
        rows = Rows(self._connection, head, f"({', '.join('?' * len(given))})", width=width)
        return self._write(rows, self._source(number, _of("s", given), "c.h0 is null"))

    def _source(self, number: int, columns: str, which: str) -> str:
        """The query for values of what was found, in the order of the file; the rows' numbers stand last."""
        return (
            f"select {columns}, c.number from {CHANGES} c join {TEMPORARY} s on s.{NUMBER} = c.number "  # noqa: S608 - identifiers are quoted
            f"where {which} and s.{KEYS} = {number} order by c.number"
        )

    def _write(self, rows: Rows, source: str) -> int:
        count = 0
        for some in self._fetched(source):
            try:
                count += rows.write([row[:-1] for row in some])
            except RefusedRowError as error:
                content, table = self._loading.content, self._loading.table
                line, values = content.place(table, some[error.place][-1])
                raise refusal(error.error, self._loading, line, values) from error.error
        return count

    def _fetched(self, source: str) -> Iterator[list[tuple[int, ...]]]:
        cursor = self._connection.execute(source)
        while some := cursor.fetchmany(_AT_ONCE):
            self._context.stop.check()
            yield some

    def drop(self) -> None:
        """Remove all temporary tables."""
        for name in (CHANGES, _PAIRS):
            self._connection.execute(f"drop table if exists {name}")
        self._staged.drop()


def _of(alias: str, names: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{quoted(name)}" for name in names)


def _plain(alias: str, names: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)
