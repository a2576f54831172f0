"""The migration lock on MySQL and MariaDB: GET_LOCK in a session of its own; connecting is the business of `db`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from initkit.core.printable import printable
from initkit.core.values import show_duration
from initkit.db import postgres
from initkit.db.mysql_direct import translated
from initkit.db.pg.sessions import shown_query
from initkit.db.turns import Obstacle
from initkit.steps.migrate.guard.tag import tag
from initkit.steps.migrate.guard.watch import LostError
from initkit.steps.migrate.guard.words import TAKING, WHAT

if TYPE_CHECKING:
    from pymysql.connections import Connection

    from initkit.core.step import Context
    from initkit.db.revisions import VersionTable

_HOLDER = """
select id, user, coalesce(host, ''), coalesce(command, ''), coalesce(time, 0), coalesce(info, '')
from information_schema.processlist where id = %s
"""


def lock_name(database: str, key: int) -> str:
    """The lock's name; "the server enforces a maximum length on lock names of 64 characters", and it is server-wide.

    https://dev.mysql.com/doc/refman/8.4/en/locking-functions.html
    """
    return f"initkit/{hashlib.sha256(database.encode()).hexdigest()[:16]}/{key}"


class MysqlLock:
    """The lock, in a session that is there.

    Args:
        connection: whoever opened it closes it, and so gives back the lock.
        context: of the running step.
        table: that tells what is applied; its schema is a database.
        key: the lock's number where one is given; else it is made for the table.

    Attributes:
        name: of the lock.
        key: its number.
        tag: of this run.
    """

    def __init__(self, connection: Connection[Any], context: Context, table: VersionTable, key: int | None) -> None:
        self._connection = connection
        self._context = context
        # the server's own spelling of it: lower_case_table_names may make two of ours one
        home = table.schema or str(self._row("select database()")[0])
        self.key = postgres.lock_key("migrate", home, table.name) if key is None else key
        self.name = lock_name(home, self.key)
        self.tag = tag(self.key, context.environ)
        self._ask("set session wait_timeout = 2147483")  # seconds; a short one would end this session, which is silent
        context.voice.note(
            f"{WHAT} is {self.name}, for the table {home}.{table.name}; we are {self.tag}", key=self.key, tag=self.tag
        )

    def take(self) -> bool:
        """Whether it is ours now."""
        return bool(self._row("select get_lock(%s, 0)", self.name)[0])

    def obstacle(self) -> Obstacle:
        """Who holds it."""
        number = self._row("select is_used_lock(%s)", self.name)[0]
        advice = f"wait for it to end, or end it: kill {number}" if number else "wait for it to end"
        found = self._ask(_HOLDER, number) if number else ()
        if not found:  # other users' sessions are shown to those who have PROCESS only
            short = f"held by connection {number}" if number else "held by a session that has just ended"
            return Obstacle(short, f"{short} (lock {self.name})", advice)
        _, user, host, command, seconds, query = found[0]
        short = f"held by connection {number} ({printable(str(user))} from {printable(str(host))})"
        # a string may stand in double quotes here: https://dev.mysql.com/doc/refman/8.4/en/string-literals.html
        query = str(query).replace('"', "'")
        doing = f", query: {shown_query(query)}" if query else ""
        long = f"{short}, {command} for {show_duration(round(float(seconds)))}{doing} (lock {self.name})"
        return Obstacle(short, long, advice, number)

    def look(self) -> str:
        """That it is still held, as the watching thread asks; see `Watched`."""
        import pymysql  # noqa: PLC0415 - loaded already

        try:
            with self._connection.cursor() as cursor:
                cursor.execute("select is_used_lock(%s) = connection_id()", (self.name,))
                row = cursor.fetchone()
        except (pymysql.err.MySQLError, OSError) as error:
            words = printable(str(error.args[-1] if error.args else error))
            raise LostError(f"the session that holds it was ended, or does not answer ({words})") from error
        if not row or not row[0]:
            raise LostError("its session does not hold it any more")
        return ""

    def _row(self, sql: str, *values: object) -> tuple[Any, ...]:
        return self._ask(sql, *values)[0]

    def _ask(self, sql: str, *values: object) -> tuple[tuple[Any, ...], ...]:
        self._context.stop.check()
        with translated(self._context, TAKING), self._connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return tuple(cursor.fetchall())
