"""Sessions on a PostgreSQL server as `pg_stat_activity` shows them, and who holds a lock; acting on it is others'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from initkit.core.printable import printable
from initkit.core.record import Record
from initkit.core.redact import redact
from initkit.core.values import show_duration
from initkit.db.sqlfiles.splitter import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.db import postgres

_LONGEST = 80  # characters of a query
COLUMNS = """a.pid, coalesce(a.application_name, ''), coalesce(a.client_addr::text, 'local'), coalesce(a.state, ''),
  coalesce(extract(epoch from clock_timestamp() - a.backend_start), 0)::float,
  coalesce(extract(epoch from clock_timestamp() - a.state_change), 0)::float,
  coalesce(a.query, '')"""
_HOLDER = f"""
select {COLUMNS} from pg_locks l join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and l.classid = %s::bigint::oid
  and l.objid = %s::bigint::oid and l.database = (select oid from pg_database where datname = current_database())
limit 1
"""  # noqa: S608 - the columns are ours
_TABLE_HOLDER = f"""
select {COLUMNS} from pg_locks l join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'relation' and l.granted and l.mode = 'AccessExclusiveLock' and l.relation = to_regclass(%s)
limit 1
"""  # noqa: S608 - the columns are ours


class Session(Record):
    """A session on the server.

    Attributes:
        pid: of its backend.
        name: its application_name.
        address: of its client.
        state: as the server calls it; empty where it does not show it to us.
        age: seconds since it was connected.
        since: seconds for which it has been in that state.
        query: the one under way, or the last one.
    """

    pid: int
    name: str
    address: str = "local"
    state: str = ""
    age: float = 0.0
    since: float = 0.0
    query: str = ""

    def __str__(self) -> str:
        """``pid 42 (psql from 10.0.0.7, idle in transaction)``."""
        name = printable(self.name) or "no application_name"
        return f"pid {self.pid} ({name} from {self.address}, {self.state or 'state not shown to us'})"

    @property
    def at_length(self) -> str:
        """With how long it has been there, and what it does; nothing of it is secret."""
        state = f"{self.state or 'state not shown to us'} for {_shown(self.since)}"
        query = f", query: {shown_query(self.query)}" if self.query else ""
        return (
            f"pid {self.pid} ({printable(self.name) or 'no application_name'} from {self.address}, {state}, "
            f"connected for {_shown(self.age)}{query})"
        )


def shown_query(query: str) -> str:
    """The beginning of a query, up to the first string in it, which may be anybody's secret."""
    line = redact(shown(query, 4 * _LONGEST))  # before it is cut: half a secret is not known for one
    return printable(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…")


def _shown(seconds: float) -> str:
    return show_duration(round(max(0.0, seconds)))


def holder(connection: postgres.Connection, key: int) -> Session | None:
    """Who holds an advisory lock; None where nobody does any more."""
    return first(connection.execute(_HOLDER, halves(key)).fetchall())


def halves(key: int) -> tuple[int, int]:
    """An advisory lock's number as pg_locks tells it: https://www.postgresql.org/docs/current/view-pg-locks.html."""
    return (key >> 32) & 0xFFFFFFFF, key & 0xFFFFFFFF


def table_holder(connection: postgres.Connection, table: str) -> Session | None:
    """Who keeps everybody else from a table, whose name is as SQL writes it; None where nobody does any more."""
    return first(connection.execute(_TABLE_HOLDER, (table,)).fetchall())


def first(rows: Sequence[tuple[Any, ...]]) -> Session | None:
    """The session of the first of rows with `COLUMNS`; None where there is none."""
    return Session(*rows[0]) if rows else None
