"""The migration lock while a step holds it: taking it, watching it, and clearing away who outlived theirs."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager, nullcontext
from typing import TYPE_CHECKING

from initkit.db import postgres, sqlite
from initkit.db.turns import wait_for, within
from initkit.steps.migrate.guard import direct, orphans, pooler
from initkit.steps.migrate.guard.postgres_lock import PostgresLock, open_session
from initkit.steps.migrate.guard.tag import tag
from initkit.steps.migrate.guard.watch import Watch
from initkit.steps.migrate.guard.words import ANSWER, WHAT, WORDING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.db.pg.bounded import BoundedConnection
    from initkit.db.revisions import VersionTable
    from initkit.steps.migrate.step import Migrate


class Held:
    """See `initkit.steps.migrate.engine.Guard`.

    Attributes:
        waited: seconds waited for the lock, and for what earlier runs left at work.
        tag: the ``application_name`` that every session carries which changes something under this lock.
        database: which is migrated; another one than was asked for where a variable leads past a pooler.
        key: the lock's number.
    """

    def __init__(self, waited: float, tag: str, database: Database, key: int, watch: Watch | None = None) -> None:
        self.waited = waited
        self.tag = tag
        self.database = database
        self.key = key
        self._watch = watch

    def watching(self, stop_work: Callable[[], object]) -> AbstractContextManager[None]:
        """See `Guard`; what the kernel holds for us cannot be lost."""
        return self._watch.watching(stop_work) if self._watch else nullcontext()

    def blocker(self) -> str:
        """See `Guard`."""
        return self._watch.blocker if self._watch else ""


@contextmanager
def held(options: Migrate, database: Database, table: VersionTable, context: Context) -> Iterator[Held]:
    """Hold the lock.

    Raises:
        TimedOutError: another held it, or an earlier run was still at work, for too long; the message names who.
        PermanentError: a pooler is in the way that would leave the lock to strangers.
        TemporaryError: the server cannot be reached.
    """
    waiting = within(context, options.lock_timeout)
    hold = {"postgres": _on_postgres, "sqlite": _on_sqlite, "mysql": _on_mysql}[database.dialect]
    with hold(options, database, table, waiting) as guard:
        yield guard


@contextmanager
def _on_sqlite(options: Migrate, database: Database, table: VersionTable, context: Context) -> Iterator[Held]:
    key = options.lock_key if options.lock_key is not None else postgres.lock_key("migrate", "", table.name)
    with sqlite.locked(database.address, context, WHAT) as waited:
        yield Held(waited, tag(key, context.environ), database, key)


@contextmanager
def _on_postgres(options: Migrate, database: Database, table: VersionTable, context: Context) -> Iterator[Held]:
    with ExitStack() as stack:
        connection, there = _past_poolers(options, database, context, stack)
        lock = PostgresLock(connection, context, table, options.lock_key)
        stack.callback(lock.release)
        waited = wait_for(lock, context, WORDING)
        pooler.check_lock(connection, there, context, lock.key)
        waited += orphans.clear(connection, lock.key, context, kill=options.kill_stale)
        watch = Watch(lock, context, waits=options.ddl_lock_timeout)
        yield Held(waited, lock.tag, there, lock.key, watch)


def _past_poolers(
    options: Migrate, database: Database, context: Context, stack: ExitStack
) -> tuple[BoundedConnection, Database]:
    """A session of our own, and the database that it is of."""
    connection = stack.enter_context(closing(open_session(database, context)))
    if not pooler.is_transaction_pooler(connection, database, context):
        return connection, database
    connection.close()
    other = direct.past_pooler(options, database, context.environ)
    if other is None:
        raise pooler.refusal(database, context)
    where = postgres.target_of(other, context.environ)
    context.voice.note(
        f"{postgres.target_of(database, context.environ)} is a pooler that gives sessions away: migrating by "
        f"{other.source}, at {where}"
    )
    connection = stack.enter_context(closing(open_session(other, context)))
    if pooler.is_transaction_pooler(connection, other, context):
        raise pooler.refusal(other, context)
    return connection, other


@contextmanager
def _on_mysql(options: Migrate, database: Database, table: VersionTable, context: Context) -> Iterator[Held]:
    from initkit.db import mysql_direct  # noqa: PLC0415 - it loads the driver
    from initkit.steps.migrate.guard.mysql_lock import MysqlLock  # noqa: PLC0415 - only where it is asked for

    with closing(mysql_direct.connect(database, context, answer=ANSWER)) as connection:
        lock = MysqlLock(connection, context, table, options.lock_key)
        waited = wait_for(lock, context, WORDING)
        yield Held(waited, lock.tag, database, lock.key, Watch(lock, context))
