"""A database's address as SQLAlchemy reads it, on the drivers that are here; where it was found: see `db.dsn`."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from initkit.core.errors import PermanentError, UsageError
from initkit.db import dsn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from initkit.db.dsn import Database

PSYCOPG = "postgresql+psycopg"
_HOST = re.compile(r"[\w.:-]+")
_PLAIN = re.compile(r"[\w.-]+")
PYMYSQL = "mysql+pymysql"
_VARIABLES = ("DATABASE_URL", "SQLALCHEMY_DATABASE_URI")


def sqlalchemy_url(database: Database, drivername: str = "") -> str:
    """The URL for SQLAlchemy, its password included.

    libpq takes more forms than SQLAlchemy (several hosts, ``key=value``, sockets as a host's name), so libpq takes it
    apart, and all that has no place of its own in the URL goes into its query, which reaches libpq again.
    """
    from sqlalchemy import URL  # noqa: PLC0415 - only where alembic runs

    if database.dialect == "sqlite":
        return URL.create("sqlite", database=database.address).render_as_string(hide_password=False)
    if database.dialect == "mysql":
        return f"{drivername or PYMYSQL}://{database.address.partition('://')[2]}"
    drivername = drivername or PSYCOPG
    rest = _parameters(database)
    userinfo = quote(rest.pop("user", ""), safe="")
    if "password" in rest:
        userinfo += ":" + quote(rest.pop("password"), safe="")
    # whether a database's name is percent-decoded differs between versions of SQLAlchemy; the query always is
    name = rest.pop("dbname") if _PLAIN.fullmatch(rest.get("dbname", "")) else ""
    url = f"{drivername}://{userinfo}{'@' if userinfo else ''}{_place(rest)}{'/' if name or rest else ''}{name}"
    return url + (f"?{urlencode(rest, quote_via=quote)}" if rest else "")


def _place(rest: dict[str, str]) -> str:
    """``host:port``, taken out of `rest`; nothing where several hosts or a socket must stay in the query."""
    host, port = rest.get("host", ""), rest.get("port", "")
    if not _HOST.fullmatch(host) or "," in port:
        return ""
    rest.pop("host")
    rest.pop("port", None)
    return (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")


def _parameters(database: Database) -> dict[str, str]:
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - the driver is loaded when a database is met

    try:
        found: Mapping[str, Any] = conninfo_to_dict(database.address)
    except psycopg.ProgrammingError as error:
        cause = str(error).strip().splitlines()[0]
        raise PermanentError("read the database's address", f"{database.source}: {cause}", "mend it") from error
    return {name: str(value) for name, value in found.items() if value is not None}


def environment(
    database: Database,
    environ: Mapping[str, str],
    connect_timeout: float,
    *,
    export: Sequence[str] = (),
    name: str = "",
) -> dict[str, str]:
    """The environment that env.py runs in: ours, with the variables that usually say the URL set for this database.

    One that already says so stays as the user wrote it, because env.py may rewrite it in its own way. ``PGAPPNAME`` and
    ``PGCONNECT_TIMEOUT`` are libpq's defaults for a session, which need no change of the URL.

    Args:
        database: for the variables.
        environ: ours.
        connect_timeout: seconds, for each host and address; libpq counts whole ones, and takes 1 for 2.
        export: more variables to set.
        name: of the session, where the environment has none.
    """
    ours = dict(environ)
    ours.setdefault("PGCONNECT_TIMEOUT", str(max(2, math.ceil(connect_timeout))))
    ours.setdefault("PGAPPNAME", name or "initkit/migrate")
    url = sqlalchemy_url(database, "mysql" if database.dialect == "mysql" else "postgresql")
    for variable in (*_VARIABLES, *export):
        given = environ.get(variable, "").strip()
        if not given or not _is_same(given, database):
            ours[variable] = url
    return ours


def _is_same(given: str, database: Database) -> bool:
    try:
        found = dsn.find(dsn.parse_dsn(given), database.source)
    except (ValueError, UsageError):
        return False
    return found == database
