"""mysql and mariadb: a server that lets this user in and answers a query."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.options import Arg, Declared, Opt, Parser, declared
from initkit.db.queries import Query
from initkit.steps.wait.mysql.url import CHECKED, Address, parse_url
from initkit.steps.wait.net.lent import LentSocket
from initkit.steps.wait.net.tls import TlsOptions
from initkit.steps.wait.net.urls import UrlTarget
from initkit.steps.wait.net.wire import Wire
from initkit.steps.wait.target import Pace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.core.step import Context
    from initkit.db.mysql import Login, Server
    from initkit.steps.wait.net.trust import Trust

_SHARE = 0.9  # of the time left, so that the server's own words for the end of it still come
_ADVICE = "check that it is running, and its log"

MysqlUrl = Annotated[Address, Parser("URL", parse_url, schema={"type": "string", "pattern": "://"})]


def parse_table(text: str) -> str:
    """A table's name, perhaps with its database: ``t`` or ``shop.t``.

    Raises:
        ValueError: it is none.
    """
    parts = text.strip().split(".")
    if len(parts) > 2 or not all(parts) or "\0" in text:  # noqa: PLR2004 - database and table
        raise ValueError(f"expected TABLE or DATABASE.TABLE, got {text!r}")
    return text.strip()


Table = Annotated[
    str, Parser("TABLE", parse_table, schema={"type": "string", "pattern": r"^\s*[^.\x00]+(\.[^.\x00]+)?\s*$"})
]


class _AnyName(TlsOptions):
    """Checks who has signed a certificate, and not whom it is for."""

    def trust(self, alpn: Sequence[str] = ()) -> Trust:
        return super().trust(alpn).but(is_named=False)


@declared
class Mysql(UrlTarget[Address], Declared):
    """A MySQL or MariaDB server that accepts this user, password and database, and answers SELECT 1.

    TLS is used where the server offers it; its certificate is checked with --ca, --server-name or --cert, or where the
    URL says so (ssl-mode=VERIFY_CA, VERIFY_IDENTITY).
    """

    schemes: ClassVar[tuple[str, ...]] = ("mysql", "mariadb")
    pace: ClassVar[Pace] = Pace(interval=0.25, max_interval=1.0)

    url: Annotated[
        MysqlUrl | None, Arg("The server's URL (better: --url-env or --url-file, for it holds a password).", "URL")
    ] = None
    table: Annotated[
        Table | None, Opt("Wait for this table or view too: TABLE in the URL's database, or DATABASE.TABLE.")
    ] = None
    query: Annotated[
        Query | None, Opt("Wait until the first column of this query's first row is neither NULL nor 0 nor false.")
    ] = None
    expect: Annotated[str | None, Opt("What --query is to give instead, as the server prints it.", "VALUE")] = None
    writable: Annotated[bool, Opt("Wait until it may be written to: read_only is off.")] = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: not one source of a URL, or options that need or contradict others.
        """
        if self.expect is not None and self.query is None:
            raise ValueError("expected --query with --expect, got --expect alone")
        super().__post_init__()

    def probe(self, context: Context) -> str:
        """Log in, and look at what was asked for.

        Raises:
            AbsentError: nobody listens, or there is no such table, no such answer, or writes are refused.
            TemporaryError: no answer, or one that means that it is not ready.
            SuspectError: it refuses user, password, database or host, or its certificate is not trusted.
            PermanentError: the query is no SQL, or does not only read.
        """
        from initkit.db import mysql  # noqa: PLC0415 - it loads the driver

        address = self.address(context.environ)
        task, where = f"log in to {address}", address.url.endpoint
        with (
            Wire.to(where, context, task=task, advice=_ADVICE, path=address.path) as wire,
            closing(mysql.log_in(LentSocket(wire), self._login(address, wire), task)) as server,
        ):
            wire.task = f"query {address}"
            return self._look(server, wire, context)

    def _parse(self, text: str) -> Address:
        return parse_url(text)

    def _check(self, url: Address) -> None:
        if self.table is not None and "." not in self.table and not url.url.path:
            raise ValueError("expected a database in the URL, or --table DATABASE.TABLE, got neither")
        own = next((name for name in ("ca", "cert", "server_name", "insecure") if getattr(self, name)), None)
        if own and url.mode == "DISABLED":
            raise ValueError(f"expected TLS with --{own.replace('_', '-')}, got ssl-mode=DISABLED")
        if self.insecure and url.mode in CHECKED:
            raise ValueError(f"expected no --insecure with ssl-mode={url.mode}, got it")

    def _login(self, address: Address, wire: Wire) -> Login:
        from initkit.db.mysql import Login  # noqa: PLC0415 - loaded already

        mode, url = self._mode(address), address.url
        options = self._tls(address, mode)
        return Login(
            user=url.user or "",
            password=url.password or "",
            database=url.path,
            secure=None if mode == "DISABLED" else lambda: wire.secure(options, url.endpoint.host),
            tls_required=mode != "PREFERRED",
            confidential=mode in CHECKED or address.path is not None,
            local=address.path is not None,
        )

    def _mode(self, address: Address) -> str:
        """How much TLS: options ask for all checks; a file in the URL for that of the CA, as MySQL's clients do."""
        if self.insecure:
            return "REQUIRED"
        if address.mode in ("DISABLED", *CHECKED):
            return address.mode or ""
        if self.ca or self.cert or self.server_name:
            return "VERIFY_IDENTITY"
        if address.tls:
            return "VERIFY_CA"
        # as MySQL's clients do: a unix socket needs no TLS
        return address.mode or ("DISABLED" if address.path else "PREFERRED")

    def _tls(self, address: Address, mode: str) -> TlsOptions:
        files = {name: getattr(self, name) or address.tls.get(name) for name in ("ca", "cert", "key")}
        kind = _AnyName if mode == "VERIFY_CA" else TlsOptions
        return kind(server_name=self.server_name, insecure=mode not in CHECKED, **files)

    def _look(self, server: Server, wire: Wire, context: Context) -> str:
        from initkit.steps.wait.mysql import looks  # noqa: PLC0415 - needed with a server only

        server.row("select 1", wire.task)
        if self.writable:
            looks.see_writable(server, wire.task)
        if self.table is not None or self.query is not None:
            server.limit((wire.ends - context.clock.now()) * _SHARE)
        if self.table is not None:
            looks.see_table(server, self.table, wire.task)
        if self.query is not None:
            looks.see_answer(server, self.query, self.expect, wire.task)
        return self._found()

    def _found(self) -> str:
        found = [
            *(["is writable"] if self.writable else []),
            *([f"has {self.table}"] if self.table else []),
            *(["answers the query"] if self.query else []),
        ]
        return ", ".join(found) or "lets us in"


TARGET = Mysql
