"""Rows of a table that are not in the file: which they are, and their end, which must not be that of others.

Deleting never cascades. Rows that others refer to still may be free of them once all datasets are in: then is tried
again, children before parents.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.steps.seed.content.faults import task
from initkit.steps.seed.sqlite.catalog import children
from initkit.steps.seed.tables import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.steps.seed.sqlite.catalog import Child
    from initkit.steps.seed.store import Loading

_ADVICE = "delete first what refers to them, or keep them in the file"


class InUseError(Exception):
    """Deleting rows would change others; `told` is the error for a person."""

    def __init__(self, told: PermanentError) -> None:
        super().__init__(told)
        self.told = told


class Deletion:
    """The end of rows that are not in the file.

    Attributes:
        count: how many they are.
    """

    def __init__(self, connection: sqlite3.Connection, loading: Loading, handle: Sequence[str], number: int) -> None:
        """Begin with none.

        Args:
            connection: to the database.
            loading: whose table loses rows.
            handle: the columns by which they are known, quoted.
            number: tells it from others of this transaction.
        """
        self.count = 0
        self._connection = connection
        self._loading = loading
        self._handle = handle
        self._name = f"initkit_victims_{number}"
        self._victims = f"temp.{self._name}"

    def gather(self, which: str) -> None:
        """Note which rows they are: of the table, as ``t``, those for which `which` holds."""
        named = ", ".join(f"t.{column} as h{place}" for place, column in enumerate(self._handle))
        self._connection.execute(
            f"create temporary table {self._name} as select {named} from {self._loading.table.sql} t where {which}"  # noqa: S608 - identifiers are quoted
        )
        (self.count,) = self._connection.execute(f"select count(*) from {self._victims}").fetchone()  # noqa: S608 - as above

    def attempt(self) -> int:
        """Delete them, or leave all as it was; return how many went.

        Raises:
            InUseError: other rows would be deleted or changed.
            PermanentError: a trigger forbids it.
        """
        self._refuse_cascades()
        columns = ", ".join(self._handle)
        places = ", ".join(f"h{place}" for place in range(len(self._handle)))
        try:
            # RESTRICT too waits for the commit, as foreign keys are put off
            self._connection.execute(
                f"delete from {self._loading.table.sql} where ({columns}) in (select {places} from {self._victims})"  # noqa: S608 - identifiers are quoted
            )
        except sqlite3.IntegrityError as error:
            cause = f"{self._rows} in the file, and deleting {self._them} is refused: {error}"
            raise PermanentError(task(self._loading.content.dataset), cause, "keep them in the file") from error
        return self._gone()

    def _gone(self) -> int:
        # one may go with another of them, and a trigger may keep one: neither shows in what SQLite counts
        (left,) = self._connection.execute(
            f"select count(*) from {self._victims} v join {self._loading.table.sql} t on {self._same('t', 'v')}"  # noqa: S608 - identifiers are quoted
        ).fetchone()
        self._connection.execute(f"drop table {self._victims}")
        return self.count - int(left)

    def _same(self, alias: str, victims: str) -> str:
        return " and ".join(f"{alias}.{column} = {victims}.h{place}" for place, column in enumerate(self._handle))

    @property
    def _rows(self) -> str:
        return "1 row is not" if self.count == 1 else f"{self.count} rows are not"

    @property
    def _them(self) -> str:
        return "it" if self.count == 1 else "them"

    def _refuse_cascades(self) -> None:
        for child in children(self._connection, self._loading.table):
            if not child.destroys:
                continue
            (count,) = self._connection.execute(self._counting(child)).fetchone()
            if count:
                changed = f"{count} row{'' if count == 1 else 's'} of {child.table} (ON DELETE {child.on_delete})"
                cause = f"{self._rows} in the file, and deleting {self._them} would change {changed}"
                raise InUseError(PermanentError(task(self._loading.content.dataset), cause, _ADVICE))

    def _counting(self, child: Child) -> str:
        """The query that counts rows that refer to victims and are none themselves."""
        refers = " and ".join(f"t.{quoted(to)} = c.{quoted(column)}" for column, to in child.pairs)
        itself = ""
        if child.table.lower() == self._loading.table.identity:
            itself = f" where not exists (select 1 from {self._victims} o where {self._same('c', 'o')})"  # noqa: S608 - identifiers are quoted
        return (
            f"select count(*) from {self._victims} v cross join {self._loading.table.sql} t on {self._same('t', 'v')} "  # noqa: S608 - as above
            f"join main.{quoted(child.table)} c on {refers}{itself}"
        )
