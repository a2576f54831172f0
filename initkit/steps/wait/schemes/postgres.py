"""postgres: a server that lets this user in and answers; what is asked, and how, is the business of `initkit.db`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.errors import InitkitError, PermanentError, SuspectError, UsageError
from initkit.core.options import Arg, Opt, Parser, declared
from initkit.core.redact import redact
from initkit.db.dsn import PG_VARIABLES, Database, find, parse_dsn
from initkit.db.pg.address import UNREADABLE, named
from initkit.db.pg.questions import parse_table
from initkit.steps.wait.net.urls import UrlSource
from initkit.steps.wait.target import AbsentError, Pace, ProbeContext

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from initkit.core.step import Context
    from initkit.db.pg.bounded import BoundedConnection
    from initkit.db.pg.hosts import Endpoint
    from initkit.db.pg.login import Dial

_SOURCES = "DATABASE_URL or PG*"


def parse_address(text: str) -> str:
    """A URL or ``key=value`` words, also behind ``postgres:``; its password is masked in all output from then on.

    Raises:
        ValueError: it is neither, or of another database.
    """
    scheme, _, rest = text.strip().partition(":")
    if scheme.lower() in {"postgres", "postgresql"} and not rest.startswith("//"):
        text = rest
    try:
        address = parse_dsn(text)
    except ValueError as error:
        if "sqlite" not in str(error):
            raise
        begins = text.strip().partition("://")
        what = f"one that begins with {begins[0]}://" if begins[1] else "neither"
        raise ValueError(f"expected a postgres:// URL or key=value words, got {what}") from None
    written = address.partition("://")[0]
    if written.partition("+")[0].lower() in {"mysql", "mariadb"}:
        raise ValueError(f"expected a postgres:// URL or key=value words, got one that begins with {written}://")
    if written.partition(":")[0].partition("+")[0].lower() == "sqlite":
        raise ValueError("expected a postgres:// URL or key=value words, got a URL of another database")
    return address


def _parse_query(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError(f"expected a query in SQL, got {text!r}")
    return text


Address = Annotated[str, Parser("URL", parse_address, show=redact, schema={"type": "string", "pattern": "[:=]"})]
TableName = Annotated[str, Parser("TABLE", parse_table)]
Query = Annotated[str, Parser("SQL", _parse_query)]


@declared
class Postgres(UrlSource):
    """A PostgreSQL server that lets this user into this database, and answers SELECT 1.

    Without an address it is that of DATABASE_URL, else of libpq's PG* variables, which also fill in what a URL leaves
    out.
    """

    schemes: ClassVar[tuple[str, ...]] = ("postgres", "postgresql")
    pace: ClassVar[Pace] = Pace(interval=0.25, max_interval=1.0)

    url: Annotated[Address | None, Arg("The database's URL, or key=value words as libpq has them.", "URL")] = None
    table: Annotated[TableName | None, Opt("Wait for this table or view too, as SQL writes its name.")] = None
    query: Annotated[
        Query | None, Opt("Wait until the first column of this query's first row is neither null nor false.")
    ] = None
    expect: Annotated[str | None, Opt("What --query is to give instead, as psql prints it.", "VALUE")] = None
    writable: Annotated[
        bool, Opt("Wait until it, or one of the URL's hosts, may be written to: not in recovery, not read-only.")
    ] = False
    all_hosts: Annotated[bool, Opt("Wait for every host of the URL, each by itself, not for any of them.")] = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant together.

        Raises:
            ValueError: several addresses, or --expect without --query.
        """
        if any(source is not None for source in (self.url, self.url_env, self.url_file)):
            self.check_source(self.url)
        if self.expect is not None and self.query is None:
            raise ValueError("expected --query with --expect, got --expect alone")

    @property
    def name(self) -> str:
        """``postgres://host:port/name``, without user and password, or where the address will come from."""
        if self.url is None:
            given = self.url_env is not None or self.url_file is not None
            return self.shown_source(None, "postgres") if given else f"postgres ({_SOURCES})"
        address = find(self.url, "").address
        shown = named(address, {})
        if shown.startswith(("the ", UNREADABLE)):
            return f"postgres:// ({shown if 'local socket' not in shown else 'PG* variables'})"
        return f"postgres://{shown}"

    def prepare(self, environ: Mapping[str, str]) -> None:
        """See that there is an address that libpq can read; files may still be on their way.

        Raises:
            UsageError: there is none, or none that can be meant.
        """
        if self.url_file is not None:
            return
        from initkit.db.postgres import see_address  # noqa: PLC0415 - it loads the driver

        try:
            see_address(self._database(environ), environ)
        except SuspectError:
            return
        except PermanentError as error:
            raise UsageError(error.task, error.cause, error.advice) from error

    def _database(self, environ: Mapping[str, str]) -> Database:
        source = self
        if self.url is None and self.url_env is None and self.url_file is None:
            if not environ.get("DATABASE_URL"):
                return _of_variables(environ)
            source = Postgres(url_env="DATABASE_URL")
        where = source.shown_source(None if source.url is None else "the target", "postgres")
        return find(source.sourced(source.url, environ, parse_address), where)

    def probe(self, context: Context) -> str:
        """Log in, and ask what is to be asked.

        Raises:
            AbsentError: nobody listens, or what is asked for is certainly not so.
            TemporaryError: no connection, no answer in time, or the server is starting up.
            SuspectError: it refuses user, password or database.
            PermanentError: the address cannot be read, or --query is no query that reads.
        """
        from initkit.db import postgres  # noqa: PLC0415 - it loads the driver
        from initkit.db.pg.refusals import NotThereError  # noqa: PLC0415 - loaded with it

        database = self._database(context.environ)
        try:
            hosts = postgres.each_host(database, context) if self.all_hosts or self.writable else []
            if len(hosts) > 1 or (self.all_hosts and hosts):
                self._ask_each(hosts, context)
            else:
                self._ask(database, context)
        except NotThereError as error:
            raise AbsentError(error.task, error.cause, error.advice) from error
        return self._found(len(hosts) if self.all_hosts else 0)

    def _ask_each(self, hosts: Sequence[tuple[Endpoint, Database]], context: Context) -> None:
        """Ask host by host: all, or until one may be written to; of a primary and its standbys libpq would take any."""
        from initkit.db.pg.refusals import together  # noqa: PLC0415 - loaded already

        failures: list[tuple[Endpoint, InitkitError]] = []
        for endpoint, database, shared in _shared(hosts, context):
            try:
                self._ask(database, shared)
            except InitkitError as error:
                failures.append((endpoint, error))
            else:
                if not self.all_hosts:
                    return
        if failures:
            raise together(failures, failures[0][1].task, hosts=len({endpoint for endpoint, _ in hosts}))

    def _ask(self, database: Database, context: Context) -> None:
        from initkit.db.pg import questions as ask  # noqa: PLC0415 - loaded already

        with _connected(database, context) as connection:
            ask.ask_alive(connection)
            if self.writable:
                ask.ask_writable(connection)
            if self.table is not None:
                ask.ask_table(connection, self.table)
            if self.query is not None:
                ask.ask_query(connection, self.query, self.expect)

    def _found(self, hosts: int) -> str:
        more = [
            *(["is writable"] if self.writable else []),
            *([f"has {self.table}"] if self.table else []),
            *(["answers the query"] if self.query else []),
        ]
        found = ", ".join(more) or "lets us in"
        return f"{found} (on {hosts} hosts)" if hosts > 1 else found


TARGET = Postgres


def _of_variables(environ: Mapping[str, str]) -> Database:
    if not any(environ.get(name) for name in PG_VARIABLES):
        advice = "give a URL, --url-env NAME or --url-file PATH, or set DATABASE_URL or PGHOST"
        raise UsageError("find the target", "no address was given", advice)
    return Database("postgres", "", "PG* variables")


def _shared(
    hosts: Sequence[tuple[Endpoint, Database]], context: Context
) -> Iterator[tuple[Endpoint, Database, Context]]:
    """Each with its share of the attempt's time."""
    ends = context.clock.now() + context.attempt_timeout
    for number, (endpoint, database) in enumerate(hosts):
        left = max(0.001, ends - context.clock.now())
        yield endpoint, database, context.but(attempt_timeout=left / (len(hosts) - number))


@contextmanager
def _connected(database: Database, context: Context) -> Iterator[BoundedConnection]:
    from initkit.db import postgres  # noqa: PLC0415 - loaded already

    task = f"query {postgres.target_of(database, context.environ)}"
    connection = postgres.connect_bounded(database, context, role="wait", task=task, dial=_dial(context))
    try:
        yield connection
    finally:
        connection.close()


def _dial(context: Context) -> Dial:
    from initkit.db.pg.login import Dial  # noqa: PLC0415 - loaded already

    if not isinstance(context, ProbeContext):
        return Dial()
    names = context.names
    if names is None:
        return Dial(reached=context.reached)
    return Dial(lambda host, seconds: [str(address) for address in names.resolve(host, seconds)], context.reached)
