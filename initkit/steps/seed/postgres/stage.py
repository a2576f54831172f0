"""The staging table of one dataset in PostgreSQL: filled by COPY, gone with the transaction at the latest.

A row's line is not in it: the rows of a temporary table lie in the order in which they came, so that a row's place
(``ctid``) tells its number, and the number its line, by reading the file again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from initkit.steps.seed.content.reading import Batch, UnplainError
from initkit.steps.seed.postgres.blame import blames, of_copy
from initkit.steps.seed.postgres.copying import Copied, copy_plain
from initkit.steps.seed.postgres.merging import STAGED
from initkit.steps.seed.postgres.savepoint import savepoint
from initkit.steps.seed.staging import KEYS, KeySets, expect_key, key_is_null, key_stands_twice
from initkit.steps.seed.tables import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from initkit.db.postgres import Connection
    from initkit.steps.seed.content.reading import Plain
    from initkit.steps.seed.postgres.catalog import Relation
    from initkit.steps.seed.store import Loading

_INTEGERS = {"smallint", "integer", "bigint"}


class Stage:
    """A staging table, and what came into it.

    Attributes:
        rows: how many it has.
        before: how many of the dataset are not in it, before these.
        sets: the sets of columns that they mention.
        columns: those that it has.
    """

    def __init__(self, connection: Connection, loading: Loading, relation: Relation) -> None:
        self._connection = connection
        self._loading = loading
        self._relation = relation
        self.sets = KeySets(loading)
        self.rows = 0
        self.before = 0
        self.columns: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Its bytes."""
        return int(self._first(f"select pg_relation_size('{STAGED}')"))

    def fill(self) -> None:
        """Make it, and read the whole dataset into it.

        Raises:
            PermanentError: what stands there is no good.
        """
        reading = self._loading.content.read(self._loading.table, complete=self._loading.how == "insert")
        expect_key(self._loading, reading.columns)
        self.make(reading.columns)
        plain = reading.plain() if self._loading.content.repeatable else None
        if plain is None or not self._fill_plain(plain):
            if plain is not None:
                reading = self._loading.content.read(self._loading.table, complete=self._loading.how == "insert")
            self.take(reading.batches(), reading.columns)

    def make(self, columns: Sequence[str]) -> None:
        """Make it for rows that `take` brings."""
        self.columns = tuple(columns)
        strict = self._relation.strict
        types = {name: f"{quoted(name)}::{strict[name]} as {quoted(name)}" for name in columns if name in strict}
        chosen = ", ".join(types.get(name, quoted(name)) for name in columns)
        self._connection.execute(
            f"create temp table {STAGED} on commit drop as "  # noqa: S608 - identifiers are quoted
            f"select {chosen}, 0 as {KEYS} from {self._relation.only} with no data"
        )

    def _fill_plain(self, plain: Plain) -> bool:
        import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

        try:
            with savepoint(self._connection):
                self.rows = copy_plain(self._connection, STAGED, self.columns, plain)
        except UnplainError:
            return False
        except psycopg.Error as error:
            if not blames(error):
                raise
            return False
        self.sets.number(Batch(frozenset(self.columns), (), (1,)))
        return True

    def take(self, batches: Iterable[Batch], columns: Sequence[str], before: int = 0) -> None:
        """Copy rows into it as they are read.

        Args:
            batches: of the dataset.
            columns: that rows have values for.
            before: how many rows of the dataset came before these.

        Raises:
            PermanentError: the server refuses a value.
        """
        copied = Copied(before)
        with of_copy(self._loading, copied), copied.into(self._connection, STAGED, [*columns, KEYS]) as sink:
            for batch in batches:
                sink.write(self._loading, batch, None, str(self.sets.number(batch)))
        self.rows, self.before = copied.given - before, before

    def refuse_bad_keys(self, *, indexed: bool) -> None:
        """See that each row's key is there, and there once.

        Args:
            indexed: whether an index over it is worth while, because much is going to be looked up.

        Raises:
            PermanentError: with the line, or with both.
        """
        if self._keys_are_fine(indexed=indexed):
            return
        key = self._loading.key
        for name in key:
            missing = f"{STAGED} s where s.{quoted(name)} is null order by s.ctid limit 1"
            found = self._first(f"select s.ctid::text from {missing}")  # noqa: S608 - identifiers are quoted
            if found is not None:
                raise key_is_null(self._loading, self.number(found), name)
        self.refuse_twice(key)

    def refuse_twice(self, key: Sequence[str]) -> None:
        """See that no two rows have the same values in these columns; NULL is the same as nothing.

        Raises:
            PermanentError: with both lines.
        """
        known = " and ".join(f"{quoted(name)} is not null" for name in key)
        pair = self._connection.execute(
            f"select places[1]::text, places[2]::text from (select array_agg(ctid order by ctid) as places "  # noqa: S608 - as above
            f"from {STAGED} where {known} group by {listed(key)} having count(*) > 1) twice order by places[2] limit 1"
        ).fetchone()
        if pair is not None:
            raise key_stands_twice(self._loading, self.number(pair[0]), self.number(pair[1]), key)

    def _keys_are_fine(self, *, indexed: bool) -> bool:
        """What is usual, asked in the way that is cheapest: numbers mostly come sorted, and sort quickly."""
        key = self._loading.key
        if len(key) == 1 and self._loading.table.columns[key[0]].type in _INTEGERS:
            if indexed:
                return self._index(quoted(key[0]))
            query = f"select count(*) = count(distinct {quoted(key[0])}) from {STAGED}"  # noqa: S608 - as above
        else:
            wrong = " or ".join(["count(*) > 1", *(f"{quoted(name)} is null" for name in key)])
            query = f"select not exists (select from {STAGED} group by {listed(key)} having {wrong})"  # noqa: S608 - as above
        return bool(self._first(query))

    def _index(self, name: str) -> bool:
        """Make a unique index, if it can be, and let the planner know what it is good for.

        Where both tables lie in the order of the key, walking along two indexes in step takes half the time of a hash.
        """
        import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

        try:
            with savepoint(self._connection):
                self._connection.execute(f"create unique index on {STAGED} ({name})")
        except psycopg.errors.UniqueViolation:
            return False
        # a small sample tells whether the file is in that order
        self._connection.execute("set local default_statistics_target = 10")
        self._connection.execute(f"analyze {STAGED} ({name})")
        self._connection.execute("set local default_statistics_target to default")
        return not self._first(f"select exists (select from {STAGED} where {name} is null)")  # noqa: S608 - as above

    def number(self, place: str) -> int:
        """The number in the dataset of the row at a place, from 1."""
        return self.before + int(self._first(f"select count(*) from {STAGED} where ctid <= '{place}'::tid"))  # noqa: S608 - the server's own word

    def place(self, number: int) -> str:
        """The place of a row by its number in this table, from 1."""
        # scans of temporary tables begin at the beginning, and sorting all places takes longer
        return str(self._first(f"select s.ctid::text from {STAGED} s offset {number - 1} limit 1"))  # noqa: S608 - a number

    def _first(self, query: str) -> Any:  # noqa: ANN401 - whatever it asks for
        row = self._connection.execute(query).fetchone()
        return row[0] if row else None

    def drop(self) -> None:
        """Remove it."""
        self._connection.execute(f"drop table {STAGED}")
