"""What loading a dataset would do, counted by way of a staging table; nothing else is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.steps.seed.content.faults import bad_row
from initkit.steps.seed.postgres.merging import STAGED
from initkit.steps.seed.postgres.task import Task
from initkit.steps.seed.staging import NULL_ADVICE, TWICE_ADVICE
from initkit.steps.seed.store import Counts
from initkit.steps.seed.tables import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.core.errors import PermanentError
    from initkit.steps.seed.postgres.stage import Stage

# bits of tgtype: https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_trigger.h
_BEFORE_ROW = """
select exists (select from pg_trigger where tgrelid = %s::regclass and tgtype & 3 = 3 and tgenabled <> 'D')
"""


class Comparison(Task):
    """What would be done with one dataset."""

    def run(self) -> Counts:
        """Count; only a temporary table is written.

        Raises:
            PermanentError: as a load does, as far as that can be seen.
        """
        self.refuse_unfit()
        self.refuse_ambiguous_key()
        stage = self.staged()
        self._refuse_nulls(stage)
        if self.loading.how == "insert":
            self._refuse_present(stage)
            return Counts(inserted=stage.rows)
        if not self.loading.key:
            difference = self.difference(stage)
            inserted, deleted = self.count(difference.missing()), self.count(difference.surplus())
            return Counts(inserted, 0, deleted, stage.rows - inserted)
        merging = self.merging(stage)
        inserted, updated = self.connection.execute(merging.counting()).fetchall()[0]
        deletes = self.loading.how == "replace" or self.loading.prune
        deleted = self.count(merging.left("1")) if deletes else 0
        return Counts(inserted, updated, deleted, stage.rows - inserted - updated)

    def _refuse_nulls(self, stage: Stage) -> None:
        """Refuse NULL where it is written into a column that cannot hold it."""
        if self.loading.how == "insert-missing" or self._may_fill_in():
            return
        for name in stage.columns:
            if name not in self.relation.required:
                continue
            mentioned = [number for number, given in stage.sets if name in given]
            if name not in self.loading.table.defaults and self.loading.how == "insert":
                mentioned = [number for number, _ in stage.sets]
            self._refuse_null(stage, name, mentioned)

    def _may_fill_in(self) -> bool:
        """Whether triggers see each row before its constraints are checked."""
        found = self.connection.execute(_BEFORE_ROW, (self.relation.identity,)).fetchall()
        return bool(found[0][0])

    def _refuse_null(self, stage: Stage, name: str, sets: list[int]) -> None:
        of_sets = f"initkit_keys in ({', '.join(map(str, sets))}) and " if len(stage.sets) > 1 and sets else ""
        row = self.connection.execute(
            f"select s.ctid::text from {STAGED} s where {of_sets}{quoted(name)} is null order by s.ctid limit 1"  # noqa: S608 - quoted
        ).fetchone()
        if row is not None and sets:
            line, _ = self.loading.content.place(self.loading.table, stage.number(row[0]))
            raise bad_row(self.loading.content.dataset, line, "it must not be NULL", column=name, advice=NULL_ADVICE)

    def _refuse_present(self, stage: Stage) -> None:
        """Refuse a row whose key is in the table, or stands in the file twice."""
        for key in self.loading.table.unique:
            if not set(key) <= set(stage.columns):
                continue
            stage.refuse_twice(key)
            same = " and ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in key)
            row = self.connection.execute(
                f"select s.ctid::text from {STAGED} s "  # noqa: S608 - quoted
                f"where exists (select from {self.relation.only} t where {same}) order by s.ctid limit 1"
            ).fetchone()
            if row is not None:
                raise self._present(key, stage.number(row[0]))

    def _present(self, key: Sequence[str], number: int) -> PermanentError:
        line, values = self.loading.content.place(self.loading.table, number)
        value = values.get(key[0]) if len(key) == 1 else None
        reason = "a row with this key is there already"
        dataset = self.loading.content.dataset
        return bad_row(dataset, line, reason, column=", ".join(key), value=value, advice=TWICE_ADVICE)
