"""What is asked of a driver's own connection, whichever it is, behind SQLAlchemy's; what for: its neighbours."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from initkit.db.dsn import Database
    from initkit.db.ledger import Execute

Raw = Any
"""psycopg's Connection or AsyncConnection, sqlite3's or pymysql's Connection, or another driver's."""

Home = tuple[str, str]
"""The dialect, and the database's name or file."""

_CONNECTING = 10  # seconds
_SERVERS_ERRORS = (
    2000  # https://dev.mysql.com/doc/mysql-errors/8.4/en/error-reference-introduction.html: a client's from there
)


def raw_of(connection: Any) -> Raw:  # noqa: ANN401 - any driver's
    """The driver's own connection, also behind SQLAlchemy's adapter for asynchronous drivers."""
    return getattr(connection, "driver_connection", connection)


def dialect_of(raw: Raw) -> Literal["postgres", "sqlite", "mysql", ""]:
    """Which database it is; empty for a driver that is not known here."""
    if isinstance(raw, sqlite3.Connection):
        return "sqlite"
    if hasattr(raw, "pgconn"):
        return "postgres"
    return "mysql" if type(raw).__module__.startswith("pymysql") else ""


def place_of(raw: Raw) -> str:
    """``host:port/name`` or the file, for messages."""
    kind, name = dialect_of(raw), name_of(raw)
    if kind == "sqlite":
        return name or "a SQLite database in memory"
    if kind == "postgres":
        return f"{raw.info.host}:{raw.info.port}/{name}"
    return f"{raw.unix_socket or f'{raw.host}:{raw.port}'}/{name}" if kind == "mysql" else type(raw).__name__


def name_of(raw: Raw) -> str:
    """The database's name, or the file, with nothing of it left to be followed."""
    kind = dialect_of(raw)
    if kind == "sqlite":
        file = next((row[2] for row in raw.execute("pragma database_list") if row[1] == "main"), "")
        return os.path.realpath(file) if file else ""
    if kind == "postgres":
        return str(raw.info.dbname)
    name = getattr(raw, "db", "") or ""
    return name.decode() if isinstance(name, bytes) else str(name)


def home_of(database: Database, environ: Mapping[str, str]) -> Home | None:
    """The same of the database that we were told of; None where only libpq itself would know."""
    if database.dialect == "sqlite":
        return "sqlite", os.path.realpath(database.address)
    if database.dialect == "mysql":
        from initkit.db import mysql_direct  # noqa: PLC0415 - only where it is MySQL

        return "mysql", str(mysql_direct.parameters(database)["database"])
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - the driver is loaded when a database is met

    name = conninfo_to_dict(database.address).get("dbname") or environ.get("PGDATABASE")
    return ("postgres", str(name)) if name else None


def is_autocommit(raw: Raw) -> bool:
    """Whether each statement is committed by itself."""
    kind = dialect_of(raw)
    if kind == "sqlite":
        return raw.isolation_level is None and not raw.in_transaction
    if kind == "mysql":
        return bool(raw.get_autocommit())
    return getattr(raw, "autocommit", False) is True


def cancel(raw: Raw) -> None:
    """End the statement under way, from another thread."""
    kind = dialect_of(raw)
    if kind == "sqlite":
        raw.interrupt()
    elif kind == "mysql":
        _kill_query(raw)
    elif type(raw).__name__ == "AsyncConnection":
        raw.cancel()  # cancel_safe is a coroutine there, and the loop is another thread's
    elif hasattr(raw, "cancel_safe"):
        raw.cancel_safe(timeout=2)


def _kill_query(raw: Raw) -> None:
    other = _another_mysql(raw)
    try:
        with other.cursor() as cursor:
            cursor.execute(f"kill query {int(raw.thread_id())}")
    finally:
        other.close()


def setting(raw: Raw, name: str) -> str:
    """A setting of a PostgreSQL session, in its own unit, whatever its connection is in the middle of."""
    sql = f"select setting from pg_catalog.pg_settings where name = '{name}'"  # noqa: S608 - a name of ours
    result = raw.pgconn.exec_(sql.encode())
    value = result.get_value(0, 0) if result.ntuples else None
    return value.decode() if value else ""


def set_setting(raw: Raw, name: str, value: str) -> None:
    """Change a setting of a PostgreSQL session; only outside a transaction, which would take it back with it."""
    raw.pgconn.exec_(f"select pg_catalog.set_config('{name}', '{int(value)}', false)".encode())


def search_path(raw: Raw) -> str:
    """That of a PostgreSQL session, as SQL writes it."""
    result = raw.pgconn.exec_(b"select pg_catalog.current_setting('search_path')")
    value = result.get_value(0, 0) if result.ntuples else None
    return value.decode() if value else ""


def has_answered(error: BaseException | None) -> bool:
    """Whether a server's answer says that the statement failed: it is done with, and left nothing."""
    if state := getattr(error, "sqlstate", None):
        return not str(state).startswith(("08", "57P"))  # the connection, or the server, goes down
    number = error.args[0] if error and error.args else None
    return type(error).__module__.startswith("pymysql") and isinstance(number, int) and number < _SERVERS_ERRORS


def another(raw: Raw, settings: Mapping[str, str]) -> Any:  # noqa: ANN401 - either driver's
    """One more connection to where this one leads, as the same user, in autocommit mode; None where there is none."""
    kind = dialect_of(raw)
    if kind == "mysql":
        return _another_mysql(raw)
    return _another_postgres(raw, settings) if kind == "postgres" else None


def _another_postgres(raw: Raw, settings: Mapping[str, str]) -> Any:  # noqa: ANN401 - psycopg is not loaded here
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    from initkit.steps.migrate.guard.session import apply_settings  # noqa: PLC0415 - only where it is PostgreSQL

    info = raw.info
    given = _told(raw) | {"host": info.host, "port": str(info.port)}
    given |= {"password": info.password} if info.password else {}
    given |= {"connect_timeout": str(_CONNECTING), "target_session_attrs": "any"}
    connection = psycopg.connect(**given, autocommit=True)
    with suppress(psycopg.Error):
        connection.execute("select pg_catalog.set_config('search_path', %s, false)", (search_path(raw),))
    apply_settings(connection, settings, connection.info.server_version)
    return connection


def _told(raw: Raw) -> dict[str, str]:
    """What libpq was told, by whomever; psycopg's own `get_parameters` fails for a user without a home folder."""
    return {
        option.keyword.decode(): option.val.decode()
        for option in raw.pgconn.info
        if option.val is not None and option.val != option.compiled and option.keyword != b"password"
    }


def _another_mysql(raw: Raw) -> Any:  # noqa: ANN401 - pymysql is not loaded here
    import pymysql  # noqa: PLC0415 - the driver is loaded when a database is met

    where = {"unix_socket": raw.unix_socket} if raw.unix_socket else {"host": raw.host, "port": raw.port}
    # a context makes TLS a must, which the driver prefers by itself: a server without it lets nobody in then
    context = {"ssl": raw.ctx} if _is_encrypted(raw) else {"ssl_disabled": True}
    return pymysql.connect(
        **where, **context, user=raw.user, password=raw.password, database=raw.db, autocommit=True,
        connect_timeout=_CONNECTING,
    )  # fmt: skip


def _is_encrypted(raw: Raw) -> bool:
    import ssl  # noqa: PLC0415 - the driver has loaded it

    return isinstance(raw._sock, ssl.SSLSocket)  # noqa: SLF001 - what it was told is public, what came of it is not


def execute_by(connection: Any) -> Execute:  # noqa: ANN401 - either driver's
    """`Execute` by a connection of `another`."""
    from initkit.db.ledger import execute_on_postgres  # noqa: PLC0415 - only where something is executed

    if dialect_of(connection) == "postgres":
        return execute_on_postgres(connection)
    return _execute_by_mysql(connection)


def _execute_by_mysql(connection: Any) -> Execute:  # noqa: ANN401 - pymysql is not loaded here
    import re  # noqa: PLC0415 - only where something is executed

    def execute(sql: str, values: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        with connection.cursor() as cursor:
            cursor.execute(re.sub(r":(\w+)", r"%(\1)s", sql) if values else sql, dict(values) or None)
            return list(cursor.fetchall())

    return execute
