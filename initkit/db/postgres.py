"""PostgreSQL: connecting, what its errors mean, advisory locks. What is done there belongs to the steps."""

from __future__ import annotations

import hashlib
import math
import queue
import re
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from initkit.core.errors import (
    InitkitError,
    PermanentError,
    Stopped,
    SuspectError,
    TemporaryError,
    TimedOutError,
)
from initkit.core.values import show_duration
from initkit.db.dsn import needs_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import psycopg

    from initkit.core.step import Context
    from initkit.db.dsn import Database

    Connection = psycopg.Connection[Any]
    _Mailbox = queue.SimpleQueue[Connection | BaseException | None]

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_TEMPORARY_STATES = ("08", "40", "53", "57", "58", "55P03", "25006")
_SUSPECT_STATES = ("28", "3D", "3F", "42501")
# What a server or libpq says when a connection is refused for a reason that a person must probably mend. psycopg gives
# no SQLSTATE for these, and servers translate them.
_SUSPECT_WORDS = {
    "password authentication failed": "check user and password",
    "no password supplied": "give a password in the URL, or as PGPASSWORD",
    "pg_hba.conf": "the server has no rule that lets this user and host in",
    "does not support ssl": "set sslmode=disable, or turn SSL on in the server",
    "certificate": "check sslrootcert and the name that the certificate is for",
    "is not permitted to log in": "give the role the LOGIN attribute",
    'role "': "create the role, or mend the user's name",
    'database "': "create the database, or mend its name",
}
_MISSING = ("does not exist", "is not permitted")


def target_of(database: Database, environ: Mapping[str, str]) -> str:
    """``host:port/name`` of a database, for messages."""
    found = _parameters(database)
    host = found.get("host") or found.get("hostaddr") or environ.get("PGHOST") or "the local socket"
    port = found.get("port") or environ.get("PGPORT") or "5432"
    name = found.get("dbname") or environ.get("PGDATABASE") or found.get("user") or environ.get("PGUSER") or ""
    return f"{host}:{port}/{name}".rstrip("/")


def _parameters(database: Database) -> dict[str, Any]:
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    advice = "in a URL's password write / as %2F, @ as %40, % as %25; quote a value that has spaces"
    try:
        found = dict(conninfo_to_dict(database.address))
    except psycopg.ProgrammingError as error:
        # libpq quotes what it stumbles over, which may be a part of a password
        cause = re.sub(r'"[^"]*"', _harmless, str(error).strip().splitlines()[0])
        raise PermanentError("read the database's address", f"{database.source}: {cause}", advice) from error
    if not re.fullmatch(r"[0-9,]*", str(found.get("port") or "")):
        raise PermanentError("read the database's address", f"{database.source}: its port is no number", advice)
    return found


def _harmless(quoted: re.Match[str]) -> str:
    return quoted[0] if len(quoted[0]) <= len('"="') else "a part of it"


def connect(database: Database, context: Context, *, role: str, **options: Any) -> Connection:  # noqa: ANN401 - psycopg's
    """A connection; its attempt ends with the context's `attempt_timeout`.

    Args:
        database: where.
        context: of the running step.
        role: what it is for; shown in ``pg_stat_activity`` as ``initkit/ROLE``, unless the address names another.
        options: passed on to `psycopg.connect`.

    Raises:
        PermanentError: the address cannot be read, or names no user where the system has no name for ours.
        TemporaryError: the server cannot be reached, does not answer in time, or is starting up.
        SuspectError: it refuses this user, password or database.
    """
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    parameters = _parameters(database)
    if "service" not in parameters and needs_user(context.environ, parameters.get("user")):
        raise PermanentError(
            f"connect to {target_of(database, context.environ)}",
            "the address names no user, and this UID has no name in /etc/passwd",
            "put a user into the URL, or set PGUSER",
        )
    ours: dict[str, Any] = {
        "application_name": f"initkit/{role}",
        # whole seconds, and libpq takes 1 for 2
        "connect_timeout": max(2, math.ceil(min(context.attempt_timeout, context.remaining))),
    }
    given = {name: value for name, value in ours.items() if name not in parameters} | options
    task = f"connect to {target_of(database, context.environ)}"
    try:
        return _in_time(lambda: psycopg.connect(database.address, **given), context, task)
    except psycopg.Error as error:
        raise classify(error, task) from error


def _in_time(open_one: Callable[[], Connection], context: Context, task: str) -> Connection:
    """What `open_one` returns or raises, unless the attempt's time is over before.

    libpq cannot be left to keep the time: its connect_timeout is 2 s at least, counts anew for each host and address,
    and does not cover the look-up of names. A thread that hangs for ever keeps no one from leaving.

    Raises:
        TemporaryError: the time is over; a connection that comes later is closed.
    """
    limit = min(context.attempt_timeout, context.remaining)
    context.stop.check()
    given_up = threading.Event()
    mailbox = _begin(open_one, given_up)
    answer = None
    try:
        answer = context.clock.receive(mailbox, limit)
    finally:
        if answer is None:
            given_up.set()
            _close_all(mailbox)
    if answer is None:
        cause = f"no answer within {show_duration(round(limit, 3))}"
        raise TemporaryError(task, cause, "check that it is running and may be reached")
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _begin(open_one: Callable[[], Connection], given_up: threading.Event) -> _Mailbox:
    mailbox: _Mailbox = queue.SimpleQueue()

    def work() -> None:
        try:
            mailbox.put(open_one())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is received
            mailbox.put(error)
        if given_up.is_set():
            _close_all(mailbox)

    threading.Thread(target=work, daemon=True, name="connect").start()
    return mailbox


def _close_all(mailbox: _Mailbox) -> None:
    with suppress(queue.Empty):
        while True:
            late = mailbox.get_nowait()
            if late is not None and not isinstance(late, BaseException):
                late.close()


def classify(error: Exception, task: str, *, done: str = "") -> InitkitError:
    """What a driver's error means for us: temporary, suspect or permanent."""
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    if not isinstance(error, psycopg.Error):
        raise error
    cause = _cause(error)
    state = error.sqlstate or ""
    if not state and isinstance(error, psycopg.OperationalError):
        return _refused(task, cause, done)
    if state.startswith(_TEMPORARY_STATES):
        return TemporaryError(task, cause, done=done)
    if state.startswith(_SUSPECT_STATES):
        return SuspectError(task, cause, "check the user's rights and the names", done=done)
    return PermanentError(task, f"{cause} (SQLSTATE {state})" if state else cause, done=done)


def _cause(error: psycopg.Error) -> str:
    primary = error.diag.message_primary
    if primary:
        detail = error.diag.message_detail
        return f"{primary} ({detail})" if detail else primary
    # libpq: connection to server at "db" (10.0.0.7), port 5432 failed: FATAL:  the reason, and perhaps a line of advice
    refused = [line.rpartition(" failed: ")[2] for line in str(error).splitlines() if " failed: " in line]
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"^[A-Z]+: +", "", (refused or lines or [type(error).__name__])[-1])


def _refused(task: str, cause: str, done: str) -> InitkitError:
    lowered = cause.lower()
    for words, advice in _SUSPECT_WORDS.items():
        named = words.endswith('"')
        if words in lowered and (not named or any(missing in lowered for missing in _MISSING)):
            return SuspectError(task, cause, advice, done=done)
    return TemporaryError(task, cause, done=done)


def lock_key(*parts: str) -> int:
    """The number of the advisory lock for what `parts` name: 63 bits, so that it fits a signed bigint."""
    digest = hashlib.sha256("\0".join(("initkit", *parts)).encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


_HOLDER = """
select a.pid, coalesce(a.application_name, ''), coalesce(a.client_addr::text, 'local'), coalesce(a.state, '')
from pg_locks l join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'advisory' and l.granted and l.objsubid = 1
  and l.classid = %s::bigint::oid and l.objid = %s::bigint::oid
  and l.database = (select oid from pg_database where datname = current_database())
limit 1
"""
_TABLE_HOLDER = """
select a.pid, coalesce(a.application_name, ''), coalesce(a.client_addr::text, 'local'), coalesce(a.state, '')
from pg_locks l join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'relation' and l.granted and l.mode = 'AccessExclusiveLock' and l.relation = to_regclass(%s)
limit 1
"""
_LONGEST_LOCK_TIMEOUT = 86_400_000  # milliseconds: the setting holds 31 bits
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two looks at a lock that another holds


def acquire(connection: Connection, key: int, context: Context, what: str, *, transaction: bool = False) -> float:
    """Take an advisory lock; return the seconds waited for it.

    It asks again and again instead of blocking: a statement that waits for a lock is itself waited for by
    ``CREATE INDEX CONCURRENTLY``, and the two would stand still for ever.

    Args:
        connection: which session holds it.
        key: of `lock_key`.
        context: its deadline is when to give up.
        what: for messages: ``the migration lock``.
        transaction: whether it ends with the transaction instead of the session.

    Raises:
        TimedOutError: another held it until the deadline; the message names who.
    """
    function = "pg_try_advisory_xact_lock" if transaction else "pg_try_advisory_lock"
    began, pause, attempts = context.clock.now(), _FIRST_PAUSE, 0
    while True:
        attempts += 1
        row = connection.execute(f"select {function}(%s)", (key,)).fetchone()
        waited = context.clock.now() - began
        if row and row[0]:
            if attempts > 1:
                context.voice.found(what, "acquired", attempts=attempts, seconds=waited)
            return waited
        holder = _holder(connection, key)
        context.voice.missing(what, f"held by {holder}", attempts=attempts)
        if context.remaining <= 0:
            raise TimedOutError(f"acquire {what}", f"held by {holder}", "wait for it to end, or end it")
        context.clock.sleep(min(pause * (0.8 + 0.4 * context.clock.chance()), context.remaining))
        pause = min(pause * 2, _LONGEST_PAUSE)


def _holder(connection: Connection, key: int) -> str:
    return shown(connection.execute(_HOLDER, (key >> 32, key & 0xFFFFFFFF)).fetchone())


def shown(session: tuple[Any, ...] | None) -> str:
    """A session for messages, from its pid, application_name, address and state in pg_stat_activity."""
    if session is None:
        return "a session that has just ended"
    pid, application, address, state = session
    return f"pid {pid} ({application or 'no application_name'} from {address}, {state})"


def limit_waits(connection: Connection, seconds: float) -> None:
    """Have statements of this transaction wait for a table that another has locked for so long; inf for ever.

    It ends with the transaction: behind a pooler, a session's settings would become those of others.
    """
    milliseconds = 0 if math.isinf(seconds) else min(max(1, round(seconds * 1000)), _LONGEST_LOCK_TIMEOUT)
    connection.execute("select set_config('lock_timeout', %s, true)", (str(milliseconds),))


@contextmanager
def reading_table(connection: Connection, context: Context, table: str) -> Iterator[None]:
    """Read a table, in a transaction of its own; waiting for its lock ends with the attempt.

    Args:
        connection: in autocommit mode.
        context: of the running step.
        table: its name, as SQL writes it.

    Raises:
        TemporaryError: another session has locked it; the message names which.
    """
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    try:
        with connection.transaction():
            limit_waits(connection, min(context.attempt_timeout, context.remaining))
            yield
    except psycopg.errors.LockNotAvailable as error:
        holder = shown(connection.execute(_TABLE_HOLDER, (table,)).fetchone())
        raise TemporaryError(
            f"read the table {table}", f"it is locked by {holder}", "wait for it to end, or end it"
        ) from error


@contextmanager
def cancelled_on_stop(connection: Connection, context: Context, task: str) -> Iterator[None]:
    """Run statements so that a signal cancels the one under way; a driver's error comes out as ours.

    Raises:
        Stopped: the end was asked for.
        InitkitError: what `classify` makes of a driver's error.
    """
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    def cancel() -> None:
        if not connection.closed:
            connection.cancel_safe(timeout=2)

    with context.stop.in_flight(), context.stop.calling(cancel):
        try:
            yield
        except psycopg.Error as error:
            if context.stop.signum is not None:
                raise Stopped(context.stop.signum) from error
            raise classify(error, task) from error
