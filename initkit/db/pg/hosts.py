"""Which servers an address means, as libpq sees it with service files and ``PG*``; connecting is not done here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from initkit.core.errors import PermanentError, SuspectError
from initkit.core.record import Record
from initkit.core.redact import MASK, learn
from initkit.db.dsn import needs_user
from initkit.db.pg.address import at, named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from initkit.db.dsn import Database

_IMPOSSIBLE = "initkit-only-asks"  # a value that no option can have
_ADVICE = "in a URL's password write / as %2F, @ as %40, % as %25; quote a value that has spaces"


class Endpoint(Record):
    """One server of an address.

    Attributes:
        host: a name, an address or the folder of a socket; empty where only `address` is given, and for the
            default folder of sockets.
        address: numeric, where the address has one (``hostaddr``).
        port: as text; may be empty.
    """

    host: str = ""
    address: str = ""
    port: str = ""

    def __str__(self) -> str:
        return at(self.host or self.address or "the local socket", self.port)

    @property
    def is_named(self) -> bool:
        """Whether its addresses must be looked up."""
        if not self.host or self.address or self.host.startswith(("/", "@")):
            return False
        return not re.fullmatch(r"[\d.]+|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(%\w+)?", self.host)

    def options(self) -> dict[str, str]:
        """What names it to libpq, and nothing else; none for what libpq would take anyway."""
        if not self.host and not self.address:
            return {}
        return {"host": self.host, "hostaddr": self.address, "port": self.port}


class Plan(Record):
    """What libpq makes of an address.

    Attributes:
        options: by keyword, those of the service file, of ``PG*`` and libpq's defaults included; secret.
        endpoints: its servers, in order.
    """

    options: Mapping[str, str]
    endpoints: Sequence[Endpoint]


def understood(database: Database, environ: Mapping[str, str]) -> Plan:
    """What libpq makes of an address; nothing is connected to, and no name is looked up.

    Raises:
        PermanentError: it cannot be read, has an option that libpq does not take, or names no user where the system
            has no name for our UID.
        SuspectError: its service is not defined; the file may be mounted late.
    """
    given = _given(database)
    options, complaint = _asked(database.address, "sslmode")
    _learn_password(given, options)
    if "port" not in options:  # a default is always there once the service was found
        advice = "define it in the file that PGSERVICEFILE names"
        raise SuspectError("read the database's address", complaint, advice)
    if "user" not in options and needs_user(environ, given.get("user")):
        raise PermanentError(
            f"connect to {named(database.address, environ)}",
            "the address names no user, and this UID has no name in /etc/passwd",
            "put a user into the URL, or set PGUSER",
        )
    complaints = (complaint, _asked(database.address, _last_option())[1], _own_complaint(options))
    if wrong := next((text for text in complaints if _IMPOSSIBLE not in text), None):
        raise PermanentError("read the database's address", f"{database.source}: {wrong}", "mend the options")
    return Plan(options, _endpoints(options))


def _learn_password(given: Mapping[str, Any], options: Mapping[str, str]) -> None:
    """Mask a password that a service file has; one of the address is known, and one that is shown anyway is none."""
    password = options.get("password", "")
    if "password" not in given and password not in {
        options.get(name) for name in ("user", "dbname", "host", "service")
    }:
        learn(password)


def _given(database: Database) -> dict[str, Any]:
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        found = dict(conninfo_to_dict(database.address))
    except psycopg.ProgrammingError as error:
        # libpq quotes what it stumbles over, which may be a part of a password
        cause = re.sub(r'"[^"]*"', _harmless, str(error).strip().splitlines()[0])
        raise PermanentError("read the database's address", f"{database.source}: {cause}", _ADVICE) from error
    if not re.fullmatch(r"[0-9,]*", str(found.get("port") or "")):
        raise PermanentError("read the database's address", f"{database.source}: its port is no number", _ADVICE)
    _check_ports(str(found.get("port") or ""), database.source)
    return found


def _check_ports(ports: str, source: str) -> None:
    for port in filter(None, ports.split(",")):
        if not 1 <= int(port[:9]) <= 65535:  # noqa: PLR2004 - the 16 bits of RFC 9293
            cause = f"{source}: expected a port from 1 to 65535, got {port[:20]}"
            raise PermanentError("read the database's address", cause, "mend the port")


def _harmless(quoted: re.Match[str]) -> str:
    return quoted[0] if len(quoted[0]) <= len('"="') else MASK  # a part of a password, perhaps


def _asked(address: str, keyword: str) -> tuple[dict[str, str], str]:
    """All options as libpq has filled them in, and what it says against them: at least that `keyword` is impossible.

    It fills them in before it looks at what they say, and gives up before it connects.
    """
    from psycopg import pq  # noqa: PLC0415 - loaded already
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415 - loaded already

    # without a password file: libpq writes to stderr what it thinks of its mode, each time
    conninfo = make_conninfo(address, **{keyword: _IMPOSSIBLE}, passfile="/dev/null/none")
    asked = pq.PGconn.connect_start(conninfo.encode())
    try:
        found = {option.keyword.decode(): option.val.decode() for option in asked.info if option.val}
        complaint = asked.error_message.decode(errors="replace").strip()
    finally:
        asked.finish()
    return found, " ".join(complaint.split())


def _own_complaint(options: Mapping[str, str]) -> str:
    """What there is against the option that libpq was asked with."""
    order = options.get("load_balance_hosts", "disable")
    return _IMPOSSIBLE if order in {"disable", "random"} else f'invalid load_balance_hosts value: "{order}"'


def _last_option() -> str:
    """The option that libpq looks at last, so that it has something against all others first."""
    from psycopg import pq  # noqa: PLC0415 - loaded already

    return "load_balance_hosts" if pq.version() >= 160000 else "target_session_attrs"  # noqa: PLR2004 - where it is new


def _endpoints(options: Mapping[str, str]) -> list[Endpoint]:
    hosts, addresses, ports = (
        options[keyword].split(",") if options.get(keyword) else [] for keyword in ("host", "hostaddr", "port")
    )
    count = max(len(hosts), len(addresses), 1)
    if len(ports) == 1:
        ports *= count
    columns = ([*column, *[""] * count][:count] for column in (hosts, addresses, ports))
    return [Endpoint(*row) for row in zip(*columns, strict=True)]
