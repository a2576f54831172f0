"""Sessions of runs that are gone, whose statements outlive their lock; the lock itself is another module's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.db import postgres
from initkit.db.turns import Obstacle, Wording, wait_for
from initkit.steps.migrate.guard import sessions
from initkit.steps.migrate.guard.tag import family
from initkit.steps.migrate.guard.words import ANSWER

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.db.pg.bounded import BoundedConnection
    from initkit.db.pg.sessions import Session

_WHAT = "what an earlier run left at work"
_WORDING = Wording(_WHAT, f"wait for {_WHAT}", "gone")


class _Orphans:
    """Our turn has come once none of them is at work any more."""

    def __init__(self, connection: BoundedConnection, key: int, context: Context, *, kill: bool) -> None:
        self._connection = connection
        self._family = family(key)
        self._context = context
        self._kill = kill
        self._found: Session | None = None
        self._ended: set[int] = set()  # a backend takes a moment to leave

    def take(self) -> bool:
        self._found = self._oldest()
        if self._found and self._kill and self._found.pid not in self._ended:
            self._end(self._found)
        return self._found is None

    def obstacle(self) -> Obstacle:
        if self._found is None:
            return Obstacle("", "", "")
        pid = self._found.pid
        return Obstacle(
            f"{self._found} is still at work",
            f"{self._found.at_length} is still at work",
            f"wait for it, or end it: --kill-stale, or select pg_terminate_backend({pid})",
        )

    def _oldest(self) -> Session | None:
        self._bound()
        with postgres.cancelled_on_stop(self._connection, self._context, _WORDING.task):
            return sessions.at_work(self._connection, self._family, orphaned=True)

    def _end(self, found: Session) -> None:
        """End a session.

        Raises:
            PermanentError: we may not.
        """
        import psycopg  # noqa: PLC0415 - loaded already

        self._bound()
        self._context.voice.warn(f"ending {found.at_length}: {_WHAT}")
        try:
            self._connection.execute("select pg_terminate_backend(%s)", (found.pid,))
            self._ended.add(found.pid)
        except psycopg.errors.InsufficientPrivilege as error:
            raise PermanentError(
                f"end {_WHAT}",
                f"{found} belongs to another role, and ours may not end it",
                "migrate as that role, or grant ours pg_signal_backend",
            ) from error
        except psycopg.Error as error:
            raise postgres.classify(error, f"end {_WHAT}") from error

    def _bound(self) -> None:
        self._connection.bound(self._context, self._context.clock.now() + ANSWER, _WORDING.task)


def clear(connection: BoundedConnection, key: int, context: Context, *, kill: bool) -> float:
    """Wait until nobody who once had the lock `key` is at work any more; return the seconds.

    Nobody else can have begun under it: it is ours. Those of a killed run that were in the middle of a transaction hold
    its locks, and are waited for too.

    Args:
        connection: that holds the lock.
        key: of the lock.
        context: its deadline is when to give up.
        kill: whether to end them instead.

    Raises:
        TimedOutError: one of them was at work until the deadline; the message names it.
        PermanentError: it is to be ended, and our role may not.
    """
    return wait_for(_Orphans(connection, key, context, kill=kill), context, _WORDING)
