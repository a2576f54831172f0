"""Sessions of our own runs, by their tags, and who is in their way; sessions in general: `db.pg.sessions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.db.pg.sessions import COLUMNS, Session, first
from initkit.steps.migrate.guard.tag import LOCK

if TYPE_CHECKING:
    from initkit.db import postgres

# The state of other roles' sessions is null, and "disabled" with track_activities off; but who is in a transaction
# holds the lock on its number: https://www.postgresql.org/docs/current/view-pg-locks.html
# a session whose run holds a lock is no orphan: that is one of another number, of which the name has but 8 digits
_AT_WORK = f"""
select {COLUMNS} from pg_stat_activity a
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
select {COLUMNS} from pg_stat_activity w, unnest(pg_blocking_pids(w.pid)) blocking
  join pg_stat_activity a on a.pid = blocking
where w.application_name = %s and coalesce(w.wait_event_type, 'Lock') = 'Lock' and w.datname = current_database()
limit 1
"""  # noqa: S608 - the columns are ours


def work_of(connection: postgres.Connection, lock: Session) -> Session | None:
    """What whoever holds a lock of ours is doing, in another session of the same run."""
    if not lock.name.endswith(LOCK):
        return None
    return at_work(connection, lock.name.removesuffix(LOCK))


def at_work(connection: postgres.Connection, beginning: str, *, orphaned: bool = False) -> Session | None:
    """The oldest session at work, or in a transaction, whose tag begins so; or only of those whose run is gone."""
    return first(connection.execute(_AT_WORK, (beginning, orphaned)).fetchall())


def blocker(connection: postgres.Connection, tag: str) -> Session | None:
    """Who holds a lock that a session with this tag waits for."""
    return first(connection.execute(_BLOCKER, (tag,)).fetchall())
