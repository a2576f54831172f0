"""SQLite: opening a file, what its errors mean, and a lock beside it. What is done there belongs to the steps."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from initkit.core.errors import InitkitError, PermanentError, Stopped, SuspectError, TemporaryError
from initkit.db.turns import Obstacle, Wording, wait_for

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from initkit.core.step import Context

_PAUSE = 0.1  # seconds between two looks at a lock that another holds
_INSTRUCTIONS = 100_000  # of SQLite's virtual machine between two looks at whether to go on: some milliseconds


def connect(path: str, context: Context, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode, with foreign keys on; without `read_only` the file is made where it is missing.

    Raises:
        SuspectError: the file or its folder is missing, or may not be opened.
        PermanentError: it is no SQLite database.
    """
    if not read_only:
        return _opened(path, "mode=rwc", context)
    try:
        return _opened(path, "mode=ro", context)
    except InitkitError as error:
        other = _other_way(path, error.__cause__)
        if other is None:
            raise
    connection = _opened(path, other, context)
    connection.execute("pragma query_only = on")
    return connection


def _opened(path: str, how: str, context: Context) -> sqlite3.Connection:
    import sqlite3  # noqa: PLC0415 - the driver is loaded when a database is met

    connection = None
    try:
        connection = sqlite3.connect(
            f"file:{quote(path)}?{how}",
            uri=True,
            timeout=min(context.attempt_timeout, 5.0),
            isolation_level=None,
            check_same_thread=False,  # a signal interrupts from another thread
        )
        connection.execute("pragma foreign_keys = on")
        connection.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise classify(error, f"open {path}") from error
    return connection


def _other_way(path: str, error: BaseException | None) -> str | None:
    """How else to look at a file that could not be opened just for reading, or None."""
    if _is_unfinished(error):
        return "mode=rw"  # the first read rolls back what a killed program left
    if not os.path.exists(path) or os.access(os.path.dirname(path) or ".", os.W_OK):
        return None
    # WAL mode makes two files beside the database, where nobody can: https://www.sqlite.org/wal.html#read_only_databases
    left = any(os.path.exists(path + suffix) for suffix in ("-wal", "-journal"))
    return None if left else "mode=ro&immutable=1"


def _is_unfinished(error: BaseException | None) -> bool:
    import sqlite3  # noqa: PLC0415 - the driver is loaded when a database is met

    unfinished = {sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY}
    return getattr(error, "sqlite_errorcode", 0) in unfinished


def classify(error: Exception, task: str, *, done: str = "") -> InitkitError:
    """What a driver's error means for us: https://www.sqlite.org/rescode.html."""
    import sqlite3  # noqa: PLC0415 - the driver is loaded when a database is met

    if not isinstance(error, sqlite3.Error):
        raise error
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    cause = str(error)
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return TemporaryError(task, cause, "another program is writing to it", done=done)
    if code == sqlite3.SQLITE_CANTOPEN:
        return SuspectError(task, cause, "check that the folder exists and may be written by this user", done=done)
    if _is_unfinished(error):
        advice = "a program was killed while it wrote: mount the volume writable for this user, to roll that back"
        return SuspectError(task, cause, advice, done=done)
    advice = {
        sqlite3.SQLITE_READONLY: "mount the volume writable for this user",
        sqlite3.SQLITE_PERM: "mount the volume writable for this user",
        sqlite3.SQLITE_FULL: "make room on the volume",
        sqlite3.SQLITE_NOTADB: "name a SQLite database, or move this file away",
    }.get(code, "")
    return PermanentError(task, cause, advice, done=done)


@contextmanager
def interrupted_on_stop(connection: sqlite3.Connection, context: Context, task: str) -> Iterator[None]:
    """Run statements so that a signal ends the one under way; a driver's error comes out as ours.

    ``interrupt`` ends what runs just then, and nothing else (https://www.sqlite.org/c3ref/interrupt.html): a statement
    that begins after it is ended by the progress handler.

    Raises:
        Stopped: the end was asked for.
        InitkitError: what `classify` makes of a driver's error.
    """
    import sqlite3  # noqa: PLC0415 - the driver is loaded when a database is met

    stop = context.stop
    with stop.in_flight(), stop.calling(connection.interrupt):
        connection.set_progress_handler(lambda: stop.signum is not None, _INSTRUCTIONS)
        try:
            yield
        except sqlite3.Error as error:
            if stop.signum is not None:
                raise Stopped(stop.signum) from error
            raise classify(error, task) from error
        finally:
            connection.set_progress_handler(None, 0)


@contextmanager
def locked(path: str, context: Context, what: str) -> Iterator[float]:
    """Hold the lock for a database file: flock(2) on ``PATH.initkit-lock``, which the kernel frees when we are killed.

    Yields the seconds waited for it. The file stays: removing it would let two holders in.

    Raises:
        TimedOutError: another held it until the deadline.
        SuspectError: the lock's file cannot be made.
    """
    lock = f"{path}.initkit-lock"
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        advice = "check that the folder exists and may be written by this user"
        raise SuspectError(f"open {lock}", error.strerror or str(error), advice) from error
    try:
        task = f"acquire {what}"
        yield wait_for(_FileLock(descriptor, task), context, Wording(what, task), longest=_PAUSE)
    finally:
        os.close(descriptor)


class _FileLock:
    """flock(2) on an open file."""

    def __init__(self, descriptor: int, task: str) -> None:
        self._descriptor, self._task = descriptor, task

    def take(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EWOULDBLOCK, errno.EINTR}:
                raise PermanentError(self._task, error.strerror or str(error)) from error
            return False
        return True

    def obstacle(self) -> Obstacle:
        held = "held by another run on this volume"  # by which, the kernel does not say
        return Obstacle(held, held, "wait for it to end, or end it")
