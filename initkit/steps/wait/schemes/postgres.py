"""postgres: a server that lets this user in and answers a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.options import Arg, Declared, declared
from initkit.db.dsn import Database, Dsn, find
from initkit.steps.wait.target import Pace

if TYPE_CHECKING:
    from initkit.core.step import Context


@declared
class Postgres(Declared):
    """A PostgreSQL server that accepts this user, password and database, and answers SELECT 1."""

    schemes: ClassVar[tuple[str, ...]] = ("postgres", "postgresql")
    pace: ClassVar[Pace] = Pace(interval=0.25, max_interval=1.0)

    url: Annotated[Dsn, Arg("The database's URL; what it leaves out comes from libpq's PG* variables.", "URL")] = (
        "postgres://"
    )

    def __post_init__(self) -> None:
        """Refuse another database's URL.

        Raises:
            ValueError: it is sqlite's, say.
        """
        if self.url.partition(":")[0].partition("+")[0].lower() == "sqlite":
            raise ValueError("expected a postgres:// URL, got one of another database")

    def _database(self) -> Database:
        return find(self.url, "the target")

    @property
    def name(self) -> str:
        """``postgres://host:port/name``, without user and password."""
        from initkit.db.postgres import target_of  # noqa: PLC0415 - it loads the driver

        target = target_of(self._database(), {})
        return f"postgres://{target}" if "local socket" not in target else "postgres:// (PG* variables)"

    def probe(self, context: Context) -> str:
        """Log in and ask ``SELECT 1``.

        Raises:
            TemporaryError: no connection, or the server is starting up.
            SuspectError: it refuses user, password or database.
        """
        from initkit.db import postgres  # noqa: PLC0415 - it loads the driver

        with (
            postgres.connect(self._database(), context, role="wait", autocommit=True) as connection,
            postgres.cancelled_on_stop(connection, context, f"query {self.name}"),
        ):
            connection.execute("select 1")
        return "lets us in"


TARGET = Postgres
