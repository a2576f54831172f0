"""Lets one run at a time migrate a database; the kernel or the server frees the lock of a killed holder."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initkit.db import postgres, sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.db.revisions import VersionTable

_WHAT = "the migration lock"


@dataclass(frozen=True)
class Held:
    """The lock, held.

    Attributes:
        waited: seconds waited for it.
        connection: the session that holds it, on PostgreSQL.
    """

    waited: float
    connection: postgres.Connection | None = None


@contextmanager
def migration_lock(database: Database, table: VersionTable, context: Context) -> Iterator[Held]:
    """Hold the lock.

    The server keeps an advisory lock per database, so the key needs no name of it. It lives in a session of its own, in
    autocommit mode: an open transaction would hold back VACUUM and ``CREATE INDEX CONCURRENTLY`` as long as it waits.

    Raises:
        TimedOutError: another held it until the context's deadline; the message names who.
    """
    if database.dialect == "sqlite":
        with sqlite.locked(database.address, context, _WHAT) as waited:
            yield Held(waited)
        return
    with closing(postgres.connect(database, context, role="migrate-lock", autocommit=True)) as connection:
        key = postgres.lock_key("migrate", table.schema or "", table.name)
        with postgres.cancelled_on_stop(connection, context, f"acquire {_WHAT}"):
            waited = postgres.acquire(connection, key, context, _WHAT)
        yield Held(waited, connection)
