"""The migration lock as a step takes it, and what is left of it on a server."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
import pytest
from fix_clock import RecordingVoice, make_context

from initkit.core.assemble import assemble
from initkit.db.dsn import find, parse_dsn
from initkit.db.revisions import VersionTable
from initkit.steps.migrate.guard.direct import database_of
from initkit.steps.migrate.guard.held import Held, held
from initkit.steps.migrate.step import STEP, Migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from initkit.core.step import Context

TABLE = VersionTable("t", "public")
PATIENCE = 30.0  # seconds that polling goes on for before a test gives up
SOON = 15.0  # seconds: far less than what a test leaves at work would take
LEFT = """
select 'pid ' || pid || ' ' || application_name from pg_stat_activity
where datname = current_database() and application_name like 'initkit/%' and state <> 'idle'
union all
select 'lock of pid ' || pid from pg_locks
where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
"""
# a client that cannot take leave: it asks one thing, and is killed meanwhile
_CLIENT = """
import sys, psycopg
connection = psycopg.connect(sys.argv[1], application_name=sys.argv[2], autocommit=True)
if len(sys.argv) > 4:
    from initkit.steps.migrate.guard.session import LOCKING, apply_settings
    assert apply_settings(connection, LOCKING, connection.info.server_version) == []
connection.execute(sys.argv[3])
"""


class Hold(Protocol):
    def __call__(
        self, url: str, context: Context | None = None, table: VersionTable = TABLE, **options: str
    ) -> AbstractContextManager[Held]:
        """The lock of a step with these options."""
        ...


def options_for(**options: str) -> Migrate:
    given = {name.replace("_", "-"): value for name, value in options.items()}
    return assemble(STEP, {"path": "/migrations"} | given)


@contextmanager
def _hold(url: str, context: Context | None = None, table: VersionTable = TABLE, **options: str) -> Iterator[Held]:
    context = context or make_context()
    step = options_for(**({"url": url} if url else {}), **options)
    database = database_of(step, context.environ) if "mysql" not in url else find(parse_dsn(url), "--url")
    with held(step, database, table, context) as guard:
        yield guard


@pytest.fixture
def hold() -> Hold:
    """Takes the lock, for a table ``public.t``, as a step does that was given this URL."""
    return _hold


def comes(condition: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Poll; whether it holds within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def eventually(condition: Callable[[], object], what: str = "what is waited for", seconds: float = PATIENCE) -> None:
    """Poll until it holds, or fail."""
    if not comes(condition, seconds):
        pytest.fail(f"{what} did not come about within {seconds:.0f} s")


class Acting(RecordingVoice):
    """Does something as soon as it is told that something is missing."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self._act = act

    def missing(self, name: str, why: str, *, attempts: int) -> None:
        super().missing(name, why, attempts=attempts)
        if len(self.missed) == 1:
            self._act()


def rows(url: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(sql, values or None).fetchall()


def left_behind(url: str) -> list[str]:
    """What is at work or locked still, in a database."""
    return [row[0] for row in rows(url, LEFT)]


def all_leave(url: str) -> None:
    """See that soon nothing is at work or locked any more."""
    eventually(lambda: not left_behind(url), "the end of all that was at work", SOON)


class Client(Protocol):
    def __call__(
        self, url: str, name: str, sql: str, *, careful: bool = False, through: str = ""
    ) -> subprocess.Popen[bytes]:
        """Start it, connected directly or `through` another place; it returns once the statement is under way."""
        ...


@pytest.fixture
def client() -> Iterator[Client]:
    """Starts a program that runs one statement, by that application_name, with the settings of a migration or not."""
    with ExitStack() as stack:

        def start(
            url: str, name: str, sql: str, *, careful: bool = False, through: str = ""
        ) -> subprocess.Popen[bytes]:
            words = [sys.executable, "-c", _CLIENT, through or url, name, sql, *(["careful"] if careful else [])]
            child = subprocess.Popen(words, stdin=subprocess.DEVNULL)
            stack.callback(child.wait)
            stack.callback(child.kill)
            there = "select 1 from pg_stat_activity where application_name = %s and state = 'active' and query = %s"
            eventually(lambda: rows(url, there, name, sql))
            return child

        yield start
