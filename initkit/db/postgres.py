"""PostgreSQL: connecting, what its errors mean. What is done there belongs to the steps."""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from initkit.core.errors import PermanentError, Stopped, TemporaryError
from initkit.core.record import Record
from initkit.db.dsn import Database
from initkit.db.pg import refusals
from initkit.db.pg.address import named
from initkit.db.pg.hosts import understood
from initkit.db.pg.login import Dial, Wanted, log_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import psycopg
    from psycopg.pq.abc import PGconn

    from initkit.core.step import Context
    from initkit.db.pg.bounded import BoundedConnection
    from initkit.db.pg.hosts import Endpoint

    Connection = psycopg.Connection[Any]

classify = refusals.classify
DIAL = Dial()
_AGAIN = 0.5  # seconds until a statement is cancelled once more
# libpq's own are the system's, two hours: https://www.postgresql.org/docs/current/libpq-connect.html
KEEPALIVES = {
    "keepalives_idle": "5",  # seconds
    "keepalives_interval": "3",  # seconds
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",  # milliseconds
}


def target_of(database: Database, environ: Mapping[str, str]) -> str:
    """``host:port/name`` of a database, for messages."""
    return named(database.address, environ)


def connect(  # noqa: PLR0913 - what differs from caller to caller, all with defaults
    database: Database,
    context: Context,
    *,
    role: str,
    application_name: str = "",
    autocommit: bool = False,
    prepare_threshold: int | None = 5,
    dial: Dial = DIAL,
) -> Connection:
    """A connection; its attempt ends with the context's `attempt_timeout`.

    All that libpq knows counts: several hosts, service and password files, ``PG*``, SSL modes. Each host and address
    has its share of the time, and no more than the address's ``connect_timeout``.

    Args:
        database: where.
        context: of the running step.
        role: what it is for; shown in ``pg_stat_activity`` as ``initkit/ROLE``, unless the address names another.
        application_name: shown there instead, whatever the address names; such a session also finds out within
            seconds that its server cannot be reached any more.
        autocommit: as psycopg has it.
        prepare_threshold: as psycopg has it.
        dial: how to reach a server.

    Raises:
        PermanentError: the address cannot be read, or names no user where the system has no name for ours.
        NotThereError: nobody listens, on any host; a `TemporaryError`.
        TemporaryError: the server cannot be reached, does not answer in time, or is starting up.
        SuspectError: it refuses this user, password or database.
    """
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    names = _Names(role, application_name)
    pgconn = _logged_in(database, context, names, dial, _ends(context), task_of(database, context))
    connection = psycopg.Connection[Any](pgconn)
    connection.autocommit = autocommit
    connection.prepare_threshold = prepare_threshold
    return connection


def connect_bounded(  # noqa: PLR0913 - what differs from caller to caller, all with defaults
    database: Database,
    context: Context,
    *,
    role: str,
    application_name: str = "",
    task: str = "",
    dial: Dial = DIAL,
) -> BoundedConnection:
    """A connection in autocommit mode that, with all that is asked of it, ends with the context's `attempt_timeout`.

    Args:
        database: where.
        context: of the running step.
        role: as `connect` has it.
        application_name: as `connect` has it.
        task: what questions are for, in messages: ``query db:5432/shop``.
        dial: how to reach a server.

    Raises:
        InitkitError: as `connect` has it.
    """
    from initkit.db.pg.bounded import BoundedConnection  # noqa: PLC0415 - it loads the driver

    ends, connecting = _ends(context), task_of(database, context)
    names = _Names(role, application_name)
    connection = BoundedConnection(_logged_in(database, context, names, dial, ends, connecting))
    connection.bound(context, ends, task or connecting)
    connection.autocommit = True
    return connection


def task_of(database: Database, context: Context) -> str:
    """``connect to host:port/name``, for messages."""
    return f"connect to {target_of(database, context.environ)}"


def _ends(context: Context) -> float:
    return context.clock.now() + max(0.001, min(context.attempt_timeout, context.remaining))


class _Names(Record):
    """What a session is called: by its role, or in full."""

    role: str
    full: str = ""

    def options(self, given: Mapping[str, str]) -> dict[str, str]:
        """As keywords of libpq's, next to those that are given already."""
        if self.full:
            missing = {name: value for name, value in KEEPALIVES.items() if name not in given}
            return {"application_name": self.full} | missing
        return {} if "application_name" in given else {"application_name": f"initkit/{self.role}"}


def _logged_in(  # noqa: PLR0913, PLR0917 - passed on
    database: Database, context: Context, names: _Names, dial: Dial, ends: float, task: str
) -> PGconn:
    context.stop.check()
    plan = understood(database, context.environ)
    return log_in(Wanted(database.address, plan, task, ends, names.options(plan.options), dial), context)


def each_host(database: Database, context: Context) -> list[tuple[Endpoint, Database]]:
    """Each of its hosts, and the same database there alone, whatever role (target_session_attrs) was asked for.

    Raises:
        PermanentError: the address cannot be read.
    """
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415 - the driver is loaded when a database is met

    found = understood(database, context.environ).endpoints
    alone = {"target_session_attrs": "any"}
    return [
        (
            endpoint,
            Database("postgres", make_conninfo(database.address, **endpoint.options(), **alone), database.source),
        )
        for endpoint in found
    ]


def see_address(database: Database, environ: Mapping[str, str]) -> None:
    """See that libpq can read an address, without connecting.

    Raises:
        PermanentError: it cannot be read, or names no user where the system has no name for ours.
        SuspectError: its service is not defined.
    """
    understood(database, environ)


def lock_key(*parts: str) -> int:
    """The number of the advisory lock for what `parts` name: 63 bits, so that it fits a signed bigint."""
    import hashlib  # noqa: PLC0415 - loads OpenSSL, and most runs have nothing to lock

    digest = hashlib.sha256("\0".join(("initkit", *parts)).encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


_LONGEST_LOCK_TIMEOUT = 86_400_000  # milliseconds: the setting holds 31 bits


def limit_waits(connection: Connection, seconds: float) -> None:
    """Have statements of this transaction wait for a table that another has locked for so long; inf for ever.

    It ends with the transaction: behind a pooler, a session's settings would become those of others.
    """
    connection.execute("select set_config('lock_timeout', %s, true)", (milliseconds(seconds),))


def milliseconds(seconds: float) -> str:
    """Seconds as ``lock_timeout`` is given them; inf is written 0, which it takes for no limit."""
    return "0" if math.isinf(seconds) else str(min(max(1, round(seconds * 1000)), _LONGEST_LOCK_TIMEOUT))


@contextmanager
def reading_table(connection: Connection, context: Context, table: str) -> Iterator[None]:
    """Read a table, in a transaction of its own; waiting for its lock ends with the attempt.

    Args:
        connection: in autocommit mode.
        context: of the running step.
        table: its name, as SQL writes it.

    Raises:
        TemporaryError: another session has locked it; the message names which.
        PermanentError: a pooler of statements lets nobody have a transaction.
    """
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    try:
        with connection.transaction():
            limit_waits(connection, min(context.attempt_timeout, context.remaining))
            yield
    except psycopg.errors.LockNotAvailable as error:
        from initkit.db.pg.sessions import table_holder  # noqa: PLC0415 - only where somebody is in the way

        holder = table_holder(connection, table) or "a session that has just ended"
        raise TemporaryError(
            f"read the table {table}", f"it is locked by {holder}", "wait for it to end, or end it"
        ) from error
    except psycopg.errors.ProtocolViolation as error:
        # pgbouncer's words: transaction blocks not allowed in statement pooling mode
        advice = "name the server itself, or a pool of sessions (migrate: --direct-url, or DIRECT_URL)"
        raise PermanentError(f"read the table {table}", f"a pooler is in the way: {error}", advice) from error


@contextmanager
def cancelled_on_stop(connection: Connection, context: Context, task: str) -> Iterator[None]:
    """Run statements so that a signal cancels the one under way; a driver's error comes out as ours.

    A request to cancel reaches what runs just then, and nothing else, so it is repeated to the end of the block.

    Raises:
        Stopped: the end was asked for.
        InitkitError: what `classify` makes of a driver's error.
    """
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    over, cancelling = threading.Event(), threading.Lock()

    def cancel() -> None:
        while not over.is_set() and not connection.closed:
            with cancelling, suppress(psycopg.Error):
                if not over.is_set():
                    connection.cancel_safe(timeout=2)
            over.wait(_AGAIN)

    with context.stop.in_flight(), context.stop.calling(cancel):
        try:
            yield
        except psycopg.Error as error:
            if context.stop.signum is not None:
                raise Stopped(context.stop.signum) from error
            raise classify(error, task) from error
        finally:
            over.set()
            with cancelling:  # what comes after the block must not be cancelled
                pass
