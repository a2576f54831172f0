"""Sessions on a PostgreSQL server as `pg_stat_activity` shows them; what follows from them is known elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from initkit.core.printable import printable
from initkit.core.record import Record
from initkit.core.redact import redact
from initkit.core.values import show_duration
from initkit.db.sqlfiles.splitter import shown
from initkit.steps.migrate.guard.tag import LOCK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.db import postgres

_LONGEST = 80  # characters of a query
_COLUMNS = """a.pid, coalesce(a.application_name, ''), coalesce(a.client_addr::text, 'local'), coalesce(a.state, ''),
  coalesce(extract(epoch from clock_timestamp() - a.backend_start), 0)::float,
  coalesce(extract(epoch from clock_timestamp() - a.state_change), 0)::float,
  coalesce(a.query, '')"""
_HOLDER = f"""
select {_COLUMNS} from pg_locks l join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and l.classid = %s::bigint::oid
  and l.objid = %s::bigint::oid and l.database = (select oid from pg_database where datname = current_database())
limit 1
"""  # noqa: S608 - the columns are ours
# The state of other roles' sessions is null, and "disabled" with track_activities off; but who is in a transaction
# holds the lock on its number: https://www.postgresql.org/docs/current/view-pg-locks.html
# a session whose run holds a lock is no orphan: that is one of another number, of which the name has but 8 digits
_AT_WORK = f"""
select {_COLUMNS} from pg_stat_activity a
where strpos(a.application_name, %s) = 1 and strpos(a.application_name, '#') = 0
  and case when a.state is null or a.state = 'disabled'
    then exists (select from pg_locks l where l.pid = a.pid and l.locktype = 'virtualxid') else a.state <> 'idle' end
  and a.datname = current_database() and a.pid <> pg_backend_pid()
  and not (%s and exists (select from pg_stat_activity h join pg_locks l on l.pid = h.pid
    where h.application_name = a.application_name || '#lock' and h.pid <> pg_backend_pid()
      and l.locktype = 'advisory' and l.granted))
order by a.backend_start limit 1
"""  # noqa: S608 - the columns are ours
# asked for those only that wait: "frequent calls to this function could have some impact on database performance",
# https://www.postgresql.org/docs/current/functions-info.html
_BLOCKER = f"""
select {_COLUMNS} from pg_stat_activity w, unnest(pg_blocking_pids(w.pid)) blocking
  join pg_stat_activity a on a.pid = blocking
where w.application_name = %s and coalesce(w.wait_event_type, 'Lock') = 'Lock' and w.datname = current_database()
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
    return printable(shown(redact(query), _LONGEST))


def _shown(seconds: float) -> str:
    return show_duration(round(max(0.0, seconds)))


def holder(connection: postgres.Connection, key: int) -> Session | None:
    """Who holds an advisory lock; None where nobody does any more."""
    return _first(connection.execute(_HOLDER, halves(key)).fetchall())


def halves(key: int) -> tuple[int, int]:
    """An advisory lock's number as pg_locks tells it: https://www.postgresql.org/docs/current/view-pg-locks.html."""
    return (key >> 32) & 0xFFFFFFFF, key & 0xFFFFFFFF


def work_of(connection: postgres.Connection, lock: Session) -> Session | None:
    """What whoever holds a lock of ours is doing, in another session of the same run."""
    if not lock.name.endswith(LOCK):
        return None
    return at_work(connection, lock.name.removesuffix(LOCK))


def at_work(connection: postgres.Connection, beginning: str, *, orphaned: bool = False) -> Session | None:
    """The oldest session at work, or in a transaction, whose tag begins so; or only of those whose run is gone."""
    return _first(connection.execute(_AT_WORK, (beginning, orphaned)).fetchall())


def blocker(connection: postgres.Connection, tag: str) -> Session | None:
    """Who holds a lock that a session with this tag waits for."""
    return _first(connection.execute(_BLOCKER, (tag,)).fetchall())


def _first(rows: Sequence[tuple[Any, ...]]) -> Session | None:
    return Session(*rows[0]) if rows else None
