"""The migration lock on PostgreSQL: an advisory lock in a session of its own; who else is about is asked elsewhere."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError
from initkit.core.stop import Stop
from initkit.db import postgres
from initkit.db.pg.advisory import obstacle_of
from initkit.db.pg.sessions import halves, holder
from initkit.steps.migrate.guard import sessions
from initkit.steps.migrate.guard.session import LOCKING, apply_settings
from initkit.steps.migrate.guard.tag import LOCK, tag
from initkit.steps.migrate.guard.watch import LostError
from initkit.steps.migrate.guard.words import ANSWER, TAKING, WHAT

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.db.pg.bounded import BoundedConnection
    from initkit.db.revisions import VersionTable
    from initkit.db.turns import Obstacle

_FAREWELL = 2.0  # seconds for giving back the lock; closing the connection does so, too
# Where the table does not exist yet, it will be made in the first schema of the search path. A schema that does not
# exist yet counts by its name: the first migration may make it, and whoever starts meanwhile must find the same lock.
_SCHEMA = """
select coalesce(
  (select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.oid = to_regclass(quote_ident(%s))),
  current_schema(),
  trim(both '" ' from split_part(current_setting('search_path'), ',', 1)))::text
"""
_NAMED = "select pg_backend_pid(), set_config('application_name', %s, false)"
_HELD = """
select pg_backend_pid(), exists (
  select from pg_locks where locktype = 'advisory' and granted and pid = pg_backend_pid() and objsubid = 1
    and classid = %s::bigint::oid and objid = %s::bigint::oid)
"""


def open_session(database: Database, context: Context) -> BoundedConnection:
    """A connection for the lock: in autocommit mode, since an open transaction would hold back VACUUM and CONCURRENTLY.

    Raises:
        InitkitError: as `postgres.connect` has it.
    """
    connection = postgres.connect_bounded(
        database, context, role="migrate", application_name=f"initkit/migrate{LOCK}", task=TAKING
    )
    connection.prepare_threshold = None  # a pooler may lead the next question to another session
    return connection


class PostgresLock:
    """The lock, in a session that is there.

    Args:
        connection: of `open_session`; whoever opened it closes it.
        context: of the running step.
        table: that tells what is applied.
        key: the lock's number where one is given; else it is made for the table.

    Attributes:
        key: the lock's number.
        tag: of sessions that work under this lock.
    """

    def __init__(self, connection: BoundedConnection, context: Context, table: VersionTable, key: int | None) -> None:
        self.connection = connection
        self._context = context
        self._bound(TAKING)
        with postgres.cancelled_on_stop(connection, context, TAKING):
            refused = apply_settings(connection, LOCKING, connection.info.server_version)
            schema = table.schema or str(connection.execute(_SCHEMA, (table.name,)).fetchall()[0][0])
            self.key = postgres.lock_key("migrate", schema, table.name) if key is None else key
            self.tag = tag(self.key, context.environ)
            self._pid = connection.execute(_NAMED, (self.tag + LOCK,)).fetchall()[0][0]
        self._is_held = False
        context.voice.note(
            f"{WHAT} is advisory lock {self.key}, for the table {schema}.{table.name}; we are {self.tag}",
            key=self.key,
            tag=self.tag,
            not_set=refused,
        )

    def take(self) -> bool:
        """Whether it is ours now."""
        self._bound(TAKING)
        with postgres.cancelled_on_stop(self.connection, self._context, TAKING):
            self._is_held = self.connection.execute("select pg_try_advisory_lock(%s)", (self.key,)).fetchall()[0][0]
        return self._is_held

    def obstacle(self) -> Obstacle:
        """Who holds it."""
        self._bound(TAKING)
        with postgres.cancelled_on_stop(self.connection, self._context, TAKING):
            found = holder(self.connection, self.key)
            work = sessions.work_of(self.connection, found) if found else None
        return obstacle_of(found, self.key, work)

    def look(self) -> str:
        """Who blocks a session of ours, as the watching thread asks; see `Watched`."""
        import psycopg  # noqa: PLC0415 - loaded already

        try:
            self._bound(f"keep {WHAT}", aside=True)
            pid, holds = self.connection.execute(_HELD, halves(self.key)).fetchall()[0]
            blocker = sessions.blocker(self.connection, self.tag) if holds else None
        except InitkitError as error:
            raise LostError(f"the session that holds it does not answer any more ({error.cause})") from error
        except psycopg.Error as error:
            if self.connection.closed:
                raise LostError(f"the session that holds it was ended ({_reason(error)})") from error
            return ""  # that question was cancelled, and the session is still there
        if pid != self._pid:
            raise LostError(f"its connection has come to another backend, pid {pid} instead of {self._pid}: a pooler")
        if not holds:
            raise LostError(f"pid {self._pid} does not hold it any more")
        return str(blocker or "")

    def release(self) -> None:
        """Give it back, as far as there is somebody to give it to."""
        import psycopg  # noqa: PLC0415 - loaded already

        if not self._is_held:
            return
        with suppress(psycopg.Error, InitkitError):
            self._bound(f"release {WHAT}", aside=True, seconds=_FAREWELL)
            self.connection.execute("select pg_advisory_unlock(%s)", (self.key,))

    def _bound(self, task: str, *, aside: bool = False, seconds: float = 0.0) -> None:
        """Give the next question its time.

        Args:
            task: for messages.
            aside: whether it is asked while work is under way, which neither a deadline nor a signal cuts off.
            seconds: at most; 0 for as long as any.
        """
        context = self._context.but(stop=Stop(), deadline=math.inf) if aside else self._context
        self.connection.bound(context, context.clock.now() + (seconds or ANSWER), task)


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
