"""How long an application's reads are held up behind an ALTER TABLE that itself waits for a long reader.

    python benchmarks/migrate/lag.py [--seconds 12] [--server wheel|debian|URL]

A session keeps a transaction open in which it has read a table; a migration wants to alter that table; meanwhile others
read it every 10 ms, as an application does. A statement that waits for its lock makes all of them queue behind it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import psycopg
from project import Revision, chain, write_alembic, write_ini, write_sql
from runs import Run, environment, ours, plain
from server import serving

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD_START = 0.5  # seconds that the application reads for before the migration starts
_EVERY = 0.01


class Result(NamedTuple):
    """What was seen: seconds, and the exit code."""

    longest_read: float
    reads: int
    after_reader: float
    code: int


class Readers(threading.Thread):
    """An application that reads all the time."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._over = threading.Event()
        self.longest = 0.0
        self.reads = 0

    def run(self) -> None:
        """Read until told to stop."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._over.wait(_EVERY):
                began = time.monotonic()
                connection.execute("select i from big limit 1")
                self.longest = max(self.longest, time.monotonic() - began)
                self.reads += 1

    def stop(self) -> None:
        """Read no more."""
        self._over.set()
        self.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=12.0, help="how long the long reader stays")
    parser.add_argument("--server", default="wheel", help="wheel, debian, or the URL of one")
    asked = parser.parse_args()
    before = chain(1)
    revisions = [*before, Revision("r001", "add a column", ("alter table big add column note text",))]
    with serving(asked.server) as server, tempfile.TemporaryDirectory() as folder:
        print(f"{server.version}; the long reader stays for {asked.seconds:.0f} s; load: {os.getloadavg()[0]:.1f}")
        project = write_alembic(os.path.join(folder, "alembic"), revisions)
        files = write_sql(os.path.join(folder, "sql"), revisions)
        with server.database("lag") as url:
            _show("alembic upgrade heads", _measured(plain(write_ini(project, url)), url, before, asked.seconds))
        starts = {
            project: write_alembic(os.path.join(folder, "alembic-before"), before),
            files: write_sql(os.path.join(folder, "sql-before"), before),
        }
        for name, path in (("initkit, alembic", project), ("initkit, SQL files", files)):
            for limit in ("5s", "200ms"):
                with server.database("lag") as url:
                    if not _done(ours(starts[path]), url):
                        continue
                    command = ours(path, "--ddl-lock-timeout", limit)
                    _show(f"{name}, --ddl-lock-timeout {limit}", _measured(command, url, [], asked.seconds))


def _measured(command: Sequence[str], url: str, before: list[Revision], seconds: float) -> Result:
    """Run it while a long reader is there; `before` is applied by hand."""
    _prepare(url, before)
    with psycopg.connect(url) as long_reader:
        long_reader.execute("select i from big limit 1")
        readers = Readers(url)
        readers.start()
        time.sleep(_HEAD_START)
        with Run(command, environment(url)) as run:
            if run.ends_within(seconds):
                print("  it ended before the long reader left: " + run.words()[-500:])
            long_reader.rollback()
            left = time.monotonic()
            code = run.code()
            after = time.monotonic() - left
        readers.stop()
    return Result(readers.longest, readers.reads, after, code)


def _prepare(url: str, before: list[Revision]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for one in before:
            for statement in one.statements:
                connection.execute(statement.encode())
        if before:
            connection.execute("create table alembic_version (version_num varchar(32) primary key)")
            connection.execute("insert into alembic_version values (%s)", (before[-1].name,))


def _done(command: Sequence[str], url: str) -> bool:
    with Run(command, environment(url)) as run:
        if not run.code():
            return True
        print("  WRONG: the first revision was not applied: " + run.words()[-500:])
        return False


def _show(name: str, result: Result) -> None:
    verdict = "" if result.code == 0 else f"; WRONG: exit {result.code}"
    print(
        f"{name:44} longest read {result.longest_read:6.2f} s of {result.reads}; "
        f"done {result.after_reader:.2f} s after the long reader left{verdict}",
        flush=True,
    )


if __name__ == "__main__":
    main()
