"""Sequences that columns own: after a load they go on beyond what was loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.errors import SuspectError
from initkit.steps.seed.tables import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from initkit.db.postgres import Connection
    from initkit.steps.seed.tables import Table

# serial columns (auto) and identities (internal): https://www.postgresql.org/docs/current/catalog-pg-depend.html
_OWNED = """
select a.attname, format('%%I.%%I', n.nspname, s.relname), q.seqincrement > 0, q.seqmin, q.seqmax
from pg_depend d
join pg_class s on s.oid = d.objid and s.relkind = 'S'
join pg_namespace n on n.oid = s.relnamespace
join pg_sequence q on q.seqrelid = s.oid
join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = %s::regclass
    and d.deptype in ('a', 'i') and a.attname = any (%s)
"""


def advance(connection: Connection, table: Table, columns: Iterable[str]) -> None:
    """Have the sequences of these columns continue after their greatest values; none is ever moved back.

    Raises:
        SuspectError: this user may not move one.
    """
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    for column, sequence, rises, least, most in connection.execute(_OWNED, (table.identity, list(columns))).fetchall():
        extreme, beyond = ("max", ">") if rises else ("min", "<")
        try:
            connection.execute(
                f"select setval('{sequence.replace(chr(39), chr(39) * 2)}'::regclass, found.value) "  # noqa: S608 - quoted
                f"from (select {extreme}({quoted(column)})::bigint as value from {table.identity}) found, {sequence} s "
                f"where found.value between {least} and {most} "
                f"and (found.value {beyond} s.last_value or (found.value = s.last_value and not s.is_called))"
            )
        except psycopg.errors.InsufficientPrivilege as error:
            raise SuspectError(
                f"have {sequence} go on beyond what was loaded into {table.name}",
                error.diag.message_primary or str(error),
                f"grant SELECT, UPDATE on the sequence {sequence} to this user",
            ) from error
