"""Advisory locks of PostgreSQL, asked for again and again; what they are for is known to whoever takes one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.db.pg import sessions
from initkit.db.turns import Obstacle, Wording, wait_for

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.db import postgres
    from initkit.db.pg.sessions import Session


def obstacle_of(holder: Session | None, key: int, work: Session | None = None) -> Obstacle:
    """Who is in the way of the lock `key`.

    Args:
        holder: the session that holds it; None where that has just ended.
        key: the lock's number.
        work: the session in which the holder's run does its work, where that is another.
    """
    if holder is None:
        short = "held by a session that has just ended"
        return Obstacle(short, f"{short} (lock {key})", "wait for it to end")
    doing = f"; it is at work as {work.at_length}" if work else ""
    advice = f"wait for it to end, or end it: select pg_terminate_backend({(work or holder).pid})"
    return Obstacle(f"held by {holder}", f"held by {holder.at_length}{doing} (lock {key})", advice, holder.pid)


class _OfTransaction:
    """A lock that ends with the transaction of its connection."""

    def __init__(self, connection: postgres.Connection, key: int) -> None:
        self._connection, self._key = connection, key

    def take(self) -> bool:
        return bool(self._connection.execute("select pg_try_advisory_xact_lock(%s)", (self._key,)).fetchall()[0][0])

    def obstacle(self) -> Obstacle:
        return obstacle_of(sessions.holder(self._connection, self._key), self._key)


def acquire(connection: postgres.Connection, key: int, context: Context, what: str) -> float:
    """Take an advisory lock until the end of the connection's transaction; return the seconds waited for it.

    Args:
        connection: whose transaction holds it.
        key: of `postgres.lock_key`.
        context: its deadline is when to give up.
        what: for messages: ``the seed lock``.

    Raises:
        TimedOutError: another held it until the deadline; the message names who.
    """
    return wait_for(_OfTransaction(connection, key), context, Wording(what, f"acquire {what}"))
