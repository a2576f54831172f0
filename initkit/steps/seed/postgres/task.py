"""What loading a dataset and looking at what that would do have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from initkit.core.errors import PermanentError
from initkit.steps.seed.content.faults import bad_row, task
from initkit.steps.seed.postgres import catalog
from initkit.steps.seed.postgres.merging import Difference, Merging
from initkit.steps.seed.postgres.stage import Stage
from initkit.steps.seed.staging import key_is_ambiguous
from initkit.steps.seed.tables import listed, quoted

if TYPE_CHECKING:
    from initkit.db.postgres import Connection
    from initkit.steps.seed.store import Loading

_SMALL = 4  # a table is small where the file is so many times as large
_MEMORY = "64MB"  # for the joins of a merge, which otherwise spill to disk early


class Task:
    """One dataset, on its way into a table, in a transaction.

    Attributes:
        unique: whether the database sees to it that the key is unique.
        arbiter: whether it does so by an index of exactly the key.
        columns: that the dataset has values for, once it was read.
    """

    def __init__(self, connection: Connection, loading: Loading) -> None:
        self.connection = connection
        self.loading = loading
        self.relation = catalog.relation(connection, loading.table)
        key = set(loading.key)
        self.unique = any(set(columns) <= key for columns in loading.table.unique)
        self.arbiter = any(set(columns) == key for columns in loading.table.unique)
        self.columns: tuple[str, ...] = ()

    def refuse_unfit(self) -> None:
        """Refuse what no statement of ours could do right."""
        how, kind = self.loading.how, self.relation.kind
        if how != "insert" and kind == "f":
            self.refuse("a foreign table can only be loaded with --mode once or if-empty", "choose one of them")
        if how != "insert" and self.relation.indirect == "rules":
            self.refuse(
                "it has rules, which see nothing of what a merge does", "load into the tables that it stands for"
            )

    def refuse_ambiguous_key(self) -> None:
        """See that the key is unique in the table, where no index sees to it.

        Raises:
            PermanentError: with a value that is there more than once.
        """
        if self.unique or not self.loading.key:
            return
        key = self.loading.key
        known = " and ".join(f"{quoted(name)} is not null" for name in key)
        row = self.connection.execute(
            f"select {listed(key)} from {self.relation.only} where {known} "  # noqa: S608 - identifiers are quoted
            f"group by {listed(key)} having count(*) > 1 limit 1"
        ).fetchone()
        if row is not None:
            raise key_is_ambiguous(self.loading, row)

    def refuse(self, cause: str, advice: str) -> None:
        """Raise that it cannot be loaded."""
        raise PermanentError(task(self.loading.content.dataset), cause, advice)

    def staged(self, *, writing: bool = False) -> Stage:
        """A staging table with all rows of the dataset, each with a key of its own where it has to have one.

        Args:
            writing: whether the rows are going to be inserted, so that a unique index may see to keys that are new.

        Raises:
            PermanentError: something in the file is no good.
        """
        self.connection.execute("select set_config('work_mem', %s, true)", (_MEMORY,))
        stage = Stage(self.connection, self.loading, self.relation)
        stage.fill()
        self.columns = stage.columns
        if self.loading.key and self.loading.how != "insert":
            if not (writing and self.index_tells(stage)):
                stage.refuse_bad_keys(indexed=not self.is_small_beside(stage))
            self._refuse_moved(stage)
        return stage

    def index_tells(self, stage: Stage) -> bool:
        """Whether next to all keys are new, and the table's own index refuses one that is missing or stands twice."""
        return self.is_small_beside(stage) and self.arbiter and self.relation.required >= set(self.loading.key)

    def is_small_beside(self, stage: Stage) -> bool:
        """Whether the table is much smaller than the file: then next to everything is new."""
        return self.relation.size * _SMALL < stage.size

    def _refuse_moved(self, stage: Stage) -> None:
        query = self.merging(stage).moved()
        row = self.connection.execute(query).fetchone() if query else None
        if row is not None:
            line, _ = self.loading.content.place(self.loading.table, stage.number(row[0]))
            names = ", ".join(sorted(self.relation.fixed))
            reason = f"{names} is GENERATED ALWAYS, and another one than in the table"
            raise bad_row(self.loading.content.dataset, line, reason, column=names, advice="leave it out of the file")

    def difference(self, stage: Stage) -> Difference:
        """What replacing a table without a key takes.

        Raises:
            PermanentError: rows leave this and that to defaults.
        """
        defaults = self.loading.table.defaults
        sets = {defaults.difference(given) for _, given in stage.sets}
        if len(sets) > 1:
            self.refuse(
                "its rows leave out different columns, so that without a key it cannot be told which are there",
                "give every row the same columns, or name a key",
            )
        left_out = next(iter(sets), frozenset())
        return Difference(self.relation, tuple(name for name in stage.columns if name not in left_out))

    def merging(self, stage: Stage) -> Merging:
        """What merging by key takes."""
        return Merging(self.loading, self.relation, tuple(stage.sets))

    def count(self, query: str) -> int:
        """How many rows a query has."""
        return int(self.one(f"select count(*) from ({query}) counted"))  # noqa: S608 - identifiers are quoted

    def one(self, query: str) -> Any:  # noqa: ANN401 - whatever it asks for
        """The one value of a query."""
        return self.connection.execute(query).fetchall()[0][0]
