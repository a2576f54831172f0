"""How a dataset comes into its table in each mode; counting what that would do is `comparing`'s business."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from initkit.core.errors import PermanentError
from initkit.steps.seed.postgres.blame import UNIQUE, blames, refusal
from initkit.steps.seed.postgres.culprit import dangling, first_refused, foreign_key, is_of_a_row
from initkit.steps.seed.postgres.deletes import Deletion
from initkit.steps.seed.postgres.inserting import Straight
from initkit.steps.seed.postgres.merging import DELTA, FRESH, STAGED, Merging
from initkit.steps.seed.postgres.savepoint import savepoint
from initkit.steps.seed.postgres.stage import Stage
from initkit.steps.seed.postgres.task import Task
from initkit.steps.seed.store import Counts
from initkit.steps.seed.tables import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from initkit.db.postgres import Connection
    from initkit.steps.seed.store import Loading


_FEW = 8  # rows are few where the table is so many times as large
_JOINS = ("enable_hashjoin", "enable_mergejoin")


class Load(Task):
    """The loading of one dataset, in a transaction.

    Attributes:
        deletion: rows that have to go once all datasets are in, because others still refer to them; None without.
    """

    def __init__(self, connection: Connection, loading: Loading, number: int) -> None:
        super().__init__(connection, loading)
        self._number = number
        self.deletion: Deletion | None = None

    def run(self) -> Counts:
        """Bring the rows in.

        Raises:
            PermanentError: something about the file or a row is wrong.
        """
        self.refuse_unfit()
        if self.loading.how == "insert":
            return self._insert()
        self._guard()
        if self._may_go_straight() and (rows := self._straight()) is not None:
            return Counts(inserted=rows)
        return self._merge()

    # straight into the table

    def _insert(self) -> Counts:
        straight = Straight(self.connection, self.loading, self.relation)
        if self.relation.indirect:
            return self._insert_staged()
        rows = straight.plainly()
        if rows is None:
            rows = self._insert_exactly(straight)
        self.columns = straight.columns
        return Counts(inserted=rows)

    def _insert_exactly(self, straight: Straight) -> int:
        import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

        try:
            with savepoint(self.connection):
                rows = straight.exactly()
                if straight.rest is not None:
                    merging = self.merging(straight.rest)
                    rows += self._blaming(straight.rest, lambda upto: _insert(self.connection, merging, upto))
                    straight.rest.drop()
                return rows
        except PermanentError as error:
            if isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                self._look_for_twins()
            raise
        except psycopg.Error as error:
            if not blames(error):
                raise
            raise self._explained(error) from error

    def _look_for_twins(self) -> None:
        """Where two rows of the file have the same key, both are told: COPY names only the second."""
        if self.loading.content.repeatable:
            stage = Stage(self.connection, self.loading, self.relation)
            stage.fill()
            self._refuse_twice(stage)
            stage.drop()

    def _explained(self, error: psycopg.Error) -> PermanentError:
        """An error that blames a row and names no line: the rows are staged, to look for it among them."""
        if not self.loading.content.repeatable:
            return refusal(error, self.loading)
        stage = Stage(self.connection, self.loading, self.relation)
        stage.fill()
        merging = self.merging(stage)
        return self._found(error, stage, lambda upto: _insert(self.connection, merging, upto))

    def _insert_staged(self) -> Counts:
        stage = Stage(self.connection, self.loading, self.relation)
        stage.fill()
        self.columns = stage.columns
        merging = self.merging(stage)
        inserted = self._blaming(stage, lambda upto: _insert(self.connection, merging, upto))
        stage.drop()
        return Counts(inserted=inserted)

    def _may_go_straight(self) -> bool:
        loading = self.loading
        certain = self.unique or (loading.how == "replace" and not loading.key)
        direct = certain and not self.relation.indirect and loading.content.repeatable
        return direct and self.connection.execute(f"select 1 from {self.relation.only} limit 1").fetchone() is None  # noqa: S608 - quoted

    def _straight(self) -> int | None:
        """Into an empty table; None where something is in the way, which a merge finds out: then nothing was done."""
        import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

        straight = Straight(self.connection, self.loading, self.relation)
        try:
            with savepoint(self.connection):
                rows = straight.plainly()
                if rows is None:
                    rows = straight.exactly()
                self._see_that_all_went(straight)
        except (_InTheWayError, PermanentError):
            return None
        except psycopg.Error as error:
            if not blames(error):
                raise
            return None
        self.columns = straight.columns
        return rows

    def _see_that_all_went(self, straight: Straight) -> None:
        if straight.rest is not None or self._has_null_key():
            raise _InTheWayError

    def _has_null_key(self) -> bool:
        names = [name for name in self.loading.key if name not in self.relation.required]
        missing = " or ".join(f"{quoted(name)} is null" for name in names)
        return bool(names) and self.one(f"select exists (select from {self.relation.only} where {missing})")  # noqa: S608 - quoted

    # by way of a staging table

    def _guard(self) -> None:
        """Keep others from writing rows that we could not see, where no unique index would stop them."""
        if self.loading.how == "replace" or not self.arbiter:
            self.connection.execute(f"lock table {self.relation.only} in share row exclusive mode")
        self.refuse_ambiguous_key()

    def _merge(self) -> Counts:
        stage = self.staged(writing=True)
        counts = self._merge_by_key(stage) if self.loading.key else self._replace_all(stage)
        stage.drop()
        return counts

    def _merge_by_key(self, stage: Stage) -> Counts:
        deleted = 0
        merging = self.merging(stage)
        if self.loading.how == "replace" or self.loading.prune:
            deleted = self._delete(merging.left("t.tableoid as tab, t.ctid as tid") + " for update of t")
        inserted, updated = self._blaming(stage, lambda upto: self._merged(stage, upto))
        return Counts(inserted, updated, deleted, stage.rows - inserted - updated)

    def _merged(self, stage: Stage, upto: str) -> tuple[int, int]:
        """Update and insert; an application may insert the same key, or change a row, between look and write."""
        import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

        merging = self.merging(stage)
        try:
            with savepoint(self.connection):
                if upto:  # the row is looked for that is to blame
                    return _merge(self.connection, merging, upto)
                if self.index_tells(stage):
                    return self._merge_new(stage, merging)
                small = self.is_small_beside(stage)
                return _merge(self.connection, merging, upto) if small else self._merge_delta(merging)
        except psycopg.errors.UniqueViolation:
            if not self.arbiter:
                raise
            stage.refuse_bad_keys(indexed=False)
        except psycopg.errors.NotNullViolation:
            if not upto:  # it may be the key, which is told otherwise
                stage.refuse_bad_keys(indexed=False)
            raise
        except psycopg.errors.ForeignKeyViolation:
            # a row that is there may have to refer to one that is new
            inserted = _insert(self.connection, merging, upto)
            return inserted, _update(self.connection, merging, upto)
        return _merge(self.connection, replace(merging, yielding=True), upto)

    def _merge_delta(self, merging: Merging) -> tuple[int, int]:
        self.connection.execute(merging.delta())
        with self._by_place():
            updated = _update(self.connection, merging, "", DELTA)
        inserted = _insert(self.connection, merging, "", DELTA)
        if updated != self.count(f"select from {DELTA} where not {FRESH}"):
            updated += _update(self.connection, replace(merging, yielding=True), "", DELTA)
        self.connection.execute(f"drop table {DELTA}")
        return inserted, updated

    @contextmanager
    def _by_place(self) -> Iterator[None]:
        """Have few rows fetched by their places: the planner takes the whole table for cheaper to read."""
        size = self.one(f"select pg_relation_size('{DELTA}')")
        if size * _FEW >= self.relation.size:
            self.connection.execute(f"analyze {DELTA}")
            yield
            return
        for join in _JOINS:
            self.connection.execute(f"set local {join} = off")
        yield
        for join in _JOINS:
            self.connection.execute(f"set local {join} to default")

    def _merge_new(self, stage: Stage, merging: Merging) -> tuple[int, int]:
        """One pass finds the few rows that are not new; of the others the table's index refuses what stands twice."""
        self.connection.execute(merging.meeting())
        if self.one(merging.meets_twice()):
            stage.refuse_bad_keys(indexed=False)
        updated = _update(self.connection, replace(merging, yielding=True), "", DELTA)
        self.connection.execute(f"drop table {DELTA}")
        return _insert(self.connection, merging, ""), updated

    def _replace_all(self, stage: Stage) -> Counts:
        difference = self.difference(stage)
        deleted = self._delete(difference.surplus())
        inserted = self._blaming(stage, lambda upto: self.connection.execute(difference.inserting(upto)).rowcount)
        return Counts(inserted, 0, deleted, stage.rows - inserted)

    def _delete(self, places: str) -> int:
        deletion = Deletion(self.connection, self.loading, self.relation, self._number)
        deletion.gather(places)
        if deletion.count:
            try:
                deletion.attempt()
            except PermanentError:
                self.deletion = deletion
        return deletion.count

    # what both need

    def _blaming(self, stage: Stage, merge: Any) -> Any:  # noqa: ANN401 - what `merge` returns
        """Merge the rows; where one is refused, say which."""
        import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

        try:
            with savepoint(self.connection):
                return merge("")
        except psycopg.Error as error:
            if not is_of_a_row(self.connection, error, merge):
                raise
            raise self._found(error, stage, merge) from error

    def _refuse_twice(self, stage: Stage) -> None:
        """Refuse two rows of the file that no unique index lets be together."""
        for key in self.loading.table.unique:
            if set(key) <= set(stage.columns):
                stage.refuse_twice(key)

    def _found(self, error: psycopg.Error, stage: Stage, merge: Any) -> PermanentError:  # noqa: ANN401 - as above
        key = foreign_key(self.connection, error)
        if key is not None and key.child == self.relation.identity:
            number = dangling(self.connection, stage, key)
            if number:
                return refusal(error, self.loading, number)
        if error.sqlstate == UNIQUE:
            self._refuse_twice(stage)
        number, refused = first_refused(self.connection, stage, merge)
        return refusal(refused or error, self.loading, number)


class _InTheWayError(Exception):
    """Rows cannot go straight into the table."""


def _merge(connection: Connection, merging: Merging, upto: str, source: str = STAGED) -> tuple[int, int]:
    updated = _update(connection, merging, upto, source)
    return _insert(connection, merging, upto, source), updated


def _update(connection: Connection, merging: Merging, upto: str, source: str = STAGED) -> int:
    statements = [merging.updating(number, given, source, upto) for number, given in merging.sets]
    return sum(connection.execute(statement).rowcount for statement in statements if statement)


def _insert(connection: Connection, merging: Merging, upto: str, source: str = STAGED) -> int:
    statements = [merging.inserting(number, given, source, upto) for number, given in merging.sets]
    return sum(connection.execute(statement).rowcount for statement in statements)
