"""Rows of a table that are not in the file: which they are, and their end, which must not be that of others.

Deleting never cascades. Rows that others refer to still may be free of them once all datasets are in: then is tried
again, children before parents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.steps.seed.content.faults import bad_row, task
from initkit.steps.seed.postgres.blame import FOREIGN_KEY, RESTRICT, without_secrets
from initkit.steps.seed.postgres.savepoint import savepoint
from initkit.steps.seed.tables import quoted

if TYPE_CHECKING:
    from initkit.db.postgres import Connection
    from initkit.steps.seed.postgres.catalog import Relation
    from initkit.steps.seed.store import Loading

_CASCADING = """
select format('%%I.%%I', n.nspname, c.relname),
       array(select a.attname::text from unnest(f.conkey) with ordinality k (number, place)
             join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.number order by k.place),
       array(select a.attname::text from unnest(f.confkey) with ordinality k (number, place)
             join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.number order by k.place)
from pg_constraint f join pg_class c on c.oid = f.conrelid join pg_namespace n on n.oid = c.relnamespace
where f.contype = 'f' and f.confdeltype in ('c', 'n', 'd') and f.confrelid = %s::regclass
order by f.conparentid, f.oid
"""


class Deletion:
    """The end of rows that are not in the file.

    Attributes:
        count: how many they are.
    """

    def __init__(self, connection: Connection, loading: Loading, relation: Relation, number: int) -> None:
        self._connection = connection
        self.loading = loading
        self._relation = relation
        self._victims = f"pg_temp.initkit_victims_{number}"
        self.count = 0

    def gather(self, places: str) -> None:
        """Note which rows they are, and lock them, so that nobody begins to refer to them.

        Args:
            places: the query for their ``tab`` and ``tid``.
        """
        self._connection.execute(f"create temp table {self._victims} on commit drop as {places}")
        row = self._connection.execute(
            f"select count(*) from (select from {self._relation.only} t {self._joined('t')} for update of t) locked"  # noqa: S608 - identifiers are quoted
        ).fetchone()
        self.count = row[0] if row else 0

    def attempt(self) -> None:
        """Delete them, or leave all as it was.

        Raises:
            PermanentError: other rows refer to them.
        """
        import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

        try:
            with savepoint(self._connection):
                self._refuse_cascades()
                self._connection.execute(
                    f"delete from {self._relation.only} t using {self._victims} v "  # noqa: S608 - as above
                    "where t.ctid = v.tid and t.tableoid = v.tab"
                )
        except psycopg.Error as error:
            if error.sqlstate not in {FOREIGN_KEY, RESTRICT}:
                raise
            why = without_secrets(error.diag.message_detail or "").removesuffix(".") or error.diag.message_primary
            reason = f"a row that is not in the file cannot be deleted: {why}"
            advice = "delete first what refers to it, or keep it in the file"
            raise bad_row(self.loading.content.dataset, 0, reason, advice=advice) from error

    def _joined(self, alias: str) -> str:
        return f"join {self._victims} v on {alias}.ctid = v.tid and {alias}.tableoid = v.tab"

    def _refuse_cascades(self) -> None:
        for child, columns, referred in self._connection.execute(_CASCADING, (self._relation.identity,)).fetchall():
            same = " and ".join(f"c.{quoted(c)} = t.{quoted(r)}" for c, r in zip(columns, referred, strict=True))
            query = (
                f"select count(*) from {child} c join {self._relation.identity} t on {same} {self._joined('t')} "  # noqa: S608 - as above
                f"where not exists (select from {self._victims} w where w.tid = c.ctid and w.tab = c.tableoid)"
            )
            row = self._connection.execute(query).fetchone()
            if row and row[0]:
                raise PermanentError(
                    task(self.loading.content.dataset),
                    f"{self.count} rows are not in the file, and deleting them would change {row[0]} rows of {child}",
                    "delete those first, or keep in the file what they refer to",
                )
