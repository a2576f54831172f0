"""Tables that others have locked: who they are, once waiting for them took too long."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from initkit.core.errors import TemporaryError
from initkit.db.pg import sessions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg

    from initkit.db.postgres import Connection
    from initkit.steps.seed.tables import Table

# with its partitions; whoever only reads is in nobody's way
_HOLDER = f"""
with wanted as (select to_regclass(name) as relation from unnest(%s::text[]) name)
select format('%%I.%%I', n.nspname, c.relname), {sessions.COLUMNS}
from pg_locks l
join pg_stat_activity a on a.pid = l.pid
join pg_class c on c.oid = l.relation
join pg_namespace n on n.oid = c.relnamespace
where l.locktype = 'relation' and l.granted and l.mode <> 'AccessShareLock'
    and l.pid <> pg_backend_pid()
    and (l.relation in (select relation from wanted)
         or l.relation in (select p.relid from wanted, pg_partition_tree(relation) p))
order by l.mode <> 'AccessExclusiveLock', l.mode = 'RowShareLock', a.backend_start limit 1
"""  # noqa: S608 - the columns are ours


@contextmanager
def naming_holder(connection: Connection, task: str, tables: Sequence[Table]) -> Iterator[None]:
    """Have the end of waiting for a lock say whose it is; the transaction has come to nothing then.

    Args:
        connection: that waits.
        task: for messages.
        tables: that are written; those that they refer to may be locked, too.

    Raises:
        TemporaryError: another session has locked a table, or a row.
    """
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise _locked(connection, error, task, tables) from error


def _locked(connection: Connection, error: psycopg.Error, task: str, tables: Sequence[Table]) -> TemporaryError:
    names = [table.identity for table in tables]
    names += [reference.parent for table in tables for reference in table.references]
    connection.rollback()
    found = connection.execute(_HOLDER, (names,)).fetchone()
    connection.rollback()
    if found is None:
        return TemporaryError(task, error.diag.message_primary or str(error), "try again")
    name, *session = found
    cause = f"{name} is locked by {sessions.Session(*session)}"
    return TemporaryError(task, cause, "wait for it to end, or end it")
