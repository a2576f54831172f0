"""redis and rediss, valkey and valkeys: a server that lets this user in and has loaded its data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from initkit.core.errors import PermanentError
from initkit.core.options import Arg, Opt, Parser, declared
from initkit.core.record import Record
from initkit.steps.wait.net.urls import ServerUrl, UrlTarget, parse_server_url
from initkit.steps.wait.net.wire import Wire
from initkit.steps.wait.target import AbsentError, Pace

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.steps.wait.resp import Session

_LOCAL = ("redis+socket", "redis+unix")
_SECURE = ("rediss", "valkeys")
_SCHEMES = dict.fromkeys(("redis", *_SECURE, "valkey", *_LOCAL), 6379)
_NO_HOST = r"(?i)^(redis\+(?:socket|unix)://(?:[^/?#]*@)?)/"
_ADVICE = "check host and port, and whether it wants TLS (rediss://)"
_KEY = "initkit"  # of no one; it is only asked whether it is there


class Address(Record):
    """Where a server is.

    Attributes:
        url: host and port, and who logs in.
        database: its number.
        path: of a unix socket, instead of host and port.
    """

    url: ServerUrl
    database: int
    path: str | None

    def __str__(self) -> str:
        """The URL without user, password and query."""
        place = self.path or str(self.url.endpoint)
        return f"{self.url.scheme}://{place}{self._shown_database}"

    @property
    def _shown_database(self) -> str:
        if not self.database:
            return ""
        return f"?db={self.database}" if self.path else f"/{self.database}"


def parse_url(text: str) -> Address:
    """A server's address: ``redis://USER:PASSWORD@HOST:PORT/DATABASE``, or ``redis+socket:///PATH?db=DATABASE``.

    ``?db=`` may also stand in for the path, as redis-py has it; what else a query says is the application's.

    Raises:
        ValueError: it is none, or the database is no number.
    """
    url = parse_server_url(re.sub(_NO_HOST, r"\1localhost/", text.strip()), _SCHEMES)
    local = url.scheme in _LOCAL
    if local and (url.endpoint.host != "localhost" or not url.path):
        raise ValueError(f"expected {url.scheme}:///PATH, got another host, or no path")
    named = url.query.get("db") or url.query.get("virtual_host") or ("" if local else url.path.rstrip("/"))
    if not re.fullmatch(r"\d{0,9}", named, re.ASCII):
        raise ValueError(f"expected a database's number in the URL (redis://HOST/2), got {named!r}")
    return Address(url, int(named or 0), f"/{url.path}" if local else None)


RedisUrl = Annotated[Address, Parser("URL", parse_url, schema={"type": "string", "pattern": "://"})]


@declared
class Redis(UrlTarget[Address]):
    """A Redis or Valkey server that lets this user in, answers PING, and has loaded its data."""

    schemes: ClassVar[tuple[str, ...]] = tuple(_SCHEMES)
    pace: ClassVar[Pace] = Pace(interval=0.25, max_interval=1.0)

    url: Annotated[
        RedisUrl | None, Arg("The server's URL (better: --url-env or --url-file where it holds a password).", "URL")
    ] = None
    writable: Annotated[bool, Opt("Wait until it is a master, and not a replica.")] = False

    def probe(self, context: Context) -> str:
        """Log in, PING, and look at what was asked for.

        Raises:
            AbsentError: nobody listens, or it is no master with `writable`.
            TemporaryError: no answer, or one that means that it is not ready: LOADING, MASTERDOWN, too many clients.
            SuspectError: it refuses user, password or database, or its certificate is not trusted.
        """
        from initkit.steps.wait.resp import Refusal, Session  # noqa: PLC0415 - it loads redis-py: 120 ms

        address = self.address(context.environ)
        task, where = f"use {address}", address.url.endpoint
        with Wire.to(where, context, task=task, advice=_ADVICE, path=address.path) as wire:
            if address.url.scheme in _SECURE:
                wire.secure(self, where.host)
            try:
                return self._look(Session(wire), address, wire)
            except Refusal as refusal:
                raise refusal.meant(wire.task) from refusal

    def _parse(self, text: str) -> Address:
        return parse_url(text)

    def _check(self, url: Address) -> None:
        scheme = url.url.scheme
        self.check_scheme(scheme, scheme if scheme in _SECURE else f"{scheme.partition('+')[0]}s")

    def _look(self, session: Session, address: Address, wire: Wire) -> str:
        if address.url.user or address.url.password:
            _log_in(session, address.url.user, address.url.password or "")
        if address.database:
            session.ask("SELECT", str(address.database))
        if session.ask("PING") != b"PONG":
            raise wire.nonsense("it answers PING by something else than PONG")
        self._see_that_it_serves(session, wire)
        return self._master(session, wire) if self.writable else "answers PING"

    def _see_that_it_serves(self, session: Session, wire: Wire) -> None:
        """Ask what PING does not tell: some answer it while they load, and replicas that have lost their master do.

        A user who may not ask is believed to be let in.
        """
        from initkit.steps.wait.resp import Refusal  # noqa: PLC0415 - loaded already

        for command in (("EXISTS", _KEY), ("INFO", "persistence")):
            try:
                answer: Any = session.ask(*command)
            except Refusal as refusal:
                if refusal.is_not_ready:
                    raise
                continue
            if isinstance(answer, bytes) and re.search(rb"(?m)^loading:1\r?$", answer):
                raise wire.nonsense("it is loading its data")

    def _master(self, session: Session, wire: Wire) -> str:
        answer: Any = session.ask("ROLE")
        role = answer[0] if isinstance(answer, list) and answer else None
        if role == b"master":
            return "is a master"
        if role == b"slave":
            raise AbsentError(wire.task, "it is a replica", "ask the master's name, or wait for a failover")
        if role == b"sentinel":
            raise PermanentError(wire.task, "it is a sentinel, which holds no data", "mend host and port")
        raise wire.nonsense("it has an unknown role")


def _log_in(session: Session, user: str | None, password: str) -> None:
    from initkit.steps.wait.resp import Refusal  # noqa: PLC0415 - loaded already

    if user:
        try:
            session.ask("AUTH", user, password)
        except Refusal as refusal:
            if refusal.kind != "ERR" or refusal.is_not_ready:
                raise
        else:
            return
    # before Redis 6 there were no users: it knows AUTH with one word only, and URLs name any user
    session.ask("AUTH", password)


TARGET = Redis
