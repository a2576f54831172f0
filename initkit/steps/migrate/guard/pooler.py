"""Whether a pooler stands before PostgreSQL, and whether it lets a session keep its backend; advice where it does not.

How it is told: https://www.pgbouncer.org/features.html. A pooler answers a login itself, with a process id of its own
making (pgbouncer, pgcat, Supavisor, Odyssey), so that it differs from what ``pg_backend_pid()`` says. Some, as the
proxies of clouds, pass the server's on: they show when two connections come to one backend, or one to several.
RDS Proxy keeps a session to its backend once it has changed a setting, as ours do before they lock
(https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-pinning.html); where it shows itself, it is refused.
"""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError, PermanentError, TemporaryError
from initkit.db import postgres
from initkit.db.pg.sessions import halves
from initkit.steps.migrate.guard.tag import LOOKING
from initkit.steps.migrate.guard.words import ANSWER, TAKING

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.db.pg.bounded import BoundedConnection

_TRIES = 3
_TASK = "find out whether a pooler is between us and the server"
_PID = "select pg_backend_pid()"


def answers_logins(connection: BoundedConnection, context: Context) -> bool:
    """Whether whom we have logged in to is not the backend that answers: then it is a pooler."""
    return _pid(connection, context) != connection.info.backend_pid


def shares_backends(first: BoundedConnection, second: BoundedConnection, context: Context) -> bool:
    """Whether a session's backend is given to another between two transactions.

    Args:
        first: a connection outside transactions.
        second: another one to the same database, in autocommit mode too.
        context: of the running step.

    Raises:
        TemporaryError: the second one is not answered; the pool may be exhausted.
    """
    return any(_meet(first, second, context) for _ in range(_TRIES))


def _meet(first: BoundedConnection, second: BoundedConnection, context: Context) -> bool:
    before = _pid(first, context)
    if not _begin(second, context):
        return True
    # who holds a backend in a transaction has it alone: the first one must be given another now, or has kept its own
    meets = _pid(second, context) == before or _pid(first, context) != before
    _bound(second, context)
    with postgres.cancelled_on_stop(second, context, _TASK):
        second.execute("rollback")
    return meets


def _begin(connection: BoundedConnection, context: Context) -> bool:
    """Begin a transaction; False where a pool of statements has none."""
    import psycopg  # noqa: PLC0415 - loaded already

    _bound(connection, context)
    with postgres.cancelled_on_stop(connection, context, _TASK):
        try:
            connection.execute("begin")
        except psycopg.errors.ProtocolViolation:
            return False  # pgbouncer's words are: transaction blocks not allowed in statement pooling mode
    return True


def _pid(connection: BoundedConnection, context: Context) -> int:
    _bound(connection, context)
    with postgres.cancelled_on_stop(connection, context, _TASK):
        return int(connection.execute(_PID).fetchall()[0][0])


def _bound(connection: BoundedConnection, context: Context) -> None:
    connection.bound(context, context.clock.now() + ANSWER, _TASK)


def second_session(database: Database, context: Context) -> BoundedConnection:
    """Another connection, to compare with.

    Raises:
        InitkitError: as `postgres.connect` has it.
    """
    connection = postgres.connect_bounded(database, context, role="migrate", application_name=LOOKING, task=_TASK)
    connection.prepare_threshold = None
    return connection


def is_transaction_pooler(connection: BoundedConnection, database: Database, context: Context) -> bool:
    """Whether `connection` leads to a pooler that gives backends away between transactions; asked before any lock."""
    if not answers_logins(connection, context):
        return False
    with closing(second_session(database, context)) as second:
        try:
            if shares_backends(connection, second, context):
                return True
        except TemporaryError as error:
            advice = "a migration needs two sessions or more: let the pool be larger, or lead past it by --direct-url"
            raise TemporaryError(_TASK, f"the pooler gives us no second session ({error.cause})", advice) from error
    context.voice.detail("a pooler is before the server, and lets sessions keep their backend: the lock is safe")
    return False


def refusal(database: Database, context: Context) -> PermanentError:
    """The error for a pooler by which nothing can be migrated safely."""
    return PermanentError(
        TAKING,
        f"{postgres.target_of(database, context.environ)} is a pooler that gives each transaction or statement another "
        "session (pgbouncer's pool_mode transaction or statement), in which a lock would be left to strangers",
        "name the server itself (its own port is mostly 5432) or a pool of sessions by --direct-url, "
        "MIGRATION_DATABASE_URL or DIRECT_URL",
    )


def check_lock(connection: BoundedConnection, database: Database, context: Context, key: int) -> None:
    """See, with the lock held, that its backend is not given away by a pooler that does not show itself.

    Only who holds the lock asks this: a second connection of everybody who waits might be too many for the server.

    Raises:
        PermanentError: it is; the lock that is left to strangers is freed.
    """
    with closing(second_session(database, context)) as second:
        if not shares_backends(connection, second, context):
            return
        _free(second, context, key)
    raise refusal(database, context)


_STRANDED = """
select pg_terminate_backend(pid) from pg_locks
where locktype = 'advisory' and granted and objsubid = 1 and classid = %s::bigint::oid and objid = %s::bigint::oid
  and database = (select oid from pg_database where datname = current_database())
"""


def _free(connection: BoundedConnection, context: Context, key: int) -> None:
    """End the backend that keeps our lock: we cannot know how to come to it again."""
    import psycopg  # noqa: PLC0415 - loaded already

    with suppress(psycopg.Error, InitkitError):
        _bound(connection, context)
        connection.execute(_STRANDED, halves(key))
