"""MySQL and MariaDB: a connection of the driver's own, for whoever works there; what waiting needs is in `mysql`."""

from __future__ import annotations

import math
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from initkit.core.errors import PermanentError, Stopped, TemporaryError
from initkit.db.mysql_errors import classify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymysql.connections import Connection

    from initkit.core.step import Context
    from initkit.db.dsn import Database

_URL = re.compile(
    r"mysql://(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?(?P<host>\[[^\]]+\]|[^:@/?#]*)(?::(?P<port>\d+))?"
    r"(?:/(?P<name>[^?#]*))?(?:\?(?P<query>[^#]*))?"
)
_PORT, _LAST_PORT = 3306, 65535
_FILES = ("ca", "cert", "key")
_MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")


def parameters(database: Database) -> dict[str, Any]:
    """What the driver must be told to connect there: ``mysql://USER:PASSWORD@HOST:PORT/NAME?ssl_ca=FILE&ssl-mode=MODE``.

    Raises:
        PermanentError: it cannot be read, or names no database.
    """
    match = _URL.fullmatch(database.address)
    if not match or not match["name"] or int(match["port"] or _PORT) > _LAST_PORT:
        cause = f"{database.source}: expected mysql://USER:PASSWORD@HOST:PORT/DATABASE"
        raise PermanentError("read the database's address", cause, "in a password write / as %2F, @ as %40, % as %25")
    query = {name.lower().replace("_", "-"): value for name, value in parse_qsl(match["query"] or "")}
    found: dict[str, Any] = {
        "user": unquote(match["user"] or "") or None,
        "password": unquote(match["password"] or "").encode(),  # the driver would make Latin-1 of it
        "host": unquote(match["host"].strip("[]")) or "localhost",
        "port": int(match["port"] or _PORT),
        "database": unquote(match["name"]),
    }
    if query.get("unix-socket"):
        found["unix_socket"] = query["unix-socket"]
    return found | _tls(query, database)


def _tls(query: dict[str, str], database: Database) -> dict[str, Any]:
    """As MySQL's clients have it: https://dev.mysql.com/doc/refman/8.4/en/connection-options.html#option_general_ssl-mode."""
    files = {f"ssl_{name}": query[f"ssl-{name}"] for name in _FILES if query.get(f"ssl-{name}")}
    mode = query.get("ssl-mode", "VERIFY_CA" if "ssl_ca" in files else "PREFERRED").upper().replace("-", "_")
    if mode not in _MODES:
        cause = f"{database.source}: expected ssl-mode to be one of {', '.join(_MODES)}"
        raise PermanentError("read the database's address", cause, "mend it")
    if mode == "DISABLED":
        return {"ssl_disabled": True}
    if mode == "PREFERRED" and not files:
        return {}
    if mode == "REQUIRED" and not files:
        return {"ssl": _unchecked()}
    return files | {"ssl_verify_cert": mode.startswith("VERIFY"), "ssl_verify_identity": mode == "VERIFY_IDENTITY"}


def _unchecked() -> Any:  # noqa: ANN401 - an SSLContext, which is not loaded here
    """TLS whoever answers: it must be there, and no more was asked for."""
    import ssl  # noqa: PLC0415 - only where it is asked for

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(database: Database, context: Context, *, answer: float, name: str = "initkit/migrate") -> Connection[Any]:
    """A connection in autocommit mode; connecting takes no longer than an attempt may.

    Args:
        database: where.
        context: of the running step.
        answer: seconds that each answer is waited for.
        name: by which the server's performance schema knows it (``program_name``).

    Raises:
        PermanentError: the address cannot be read.
        SuspectError: the server refuses this user, password or database.
        TemporaryError: it cannot be reached, or does not answer in time.
    """
    import pymysql  # noqa: PLC0415 - the driver is loaded when a database is met

    context.stop.check()
    seconds = max(1, math.ceil(min(context.attempt_timeout, context.remaining)))
    told: dict[str, Any] = parameters(database) | {
        "connect_timeout": seconds,
        "read_timeout": answer,
        "write_timeout": answer,
        "program_name": name,
    }
    with translated(context, f"connect to {target_of(database)}"):
        return pymysql.connect(autocommit=True, charset="utf8mb4", **told)


def target_of(database: Database) -> str:
    """``host:port/name``, for messages."""
    told = parameters(database)
    return f"{told.get('unix_socket') or '{host}:{port}'.format(**told)}/{told['database']}"


@contextmanager
def translated(context: Context, task: str) -> Iterator[None]:
    """Where the driver is used: what it raises comes out as ours.

    Raises:
        InitkitError: what `mysql_errors.classify` makes of it.
        Stopped: the end was asked for.
    """
    import pymysql  # noqa: PLC0415 - loaded already

    try:
        yield
    except pymysql.err.MySQLError as error:
        if context.stop.signum is not None:
            raise Stopped(context.stop.signum) from error
        if error.args[:1] == (2003,):  # the driver's own: it wraps whatever the system said
            raise TemporaryError(task, str(error.args[-1]), "check that it is running and may be reached") from error
        raise classify(error.args, task) from error
    except (OSError, RuntimeError) as error:  # a certificate's file is missing, or an authentication needs a package
        raise PermanentError(task, str(error), "mend the options in the URL, or the account's plugin") from error
