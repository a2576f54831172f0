"""So many replicas at once on a fresh database, one of whose revisions makes an index CONCURRENTLY.

    python benchmarks/migrate/replicas.py [--replicas 50] [--revisions 20] [--server wheel|debian|URL]

Plain `alembic upgrade heads` does the same in the same run. CPU is that of the programs, without the server's.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from project import chain, write_alembic, write_ini, write_sql
from runs import Run, environment, ours, plain
from server import serving
from verdict import gone_after, problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from project import Revision

_SETTLED = 5.0  # seconds after which nothing may be left


class Result(NamedTuple):
    """What became of them all."""

    codes: Counter[int]
    seconds: float
    cpu: float
    applied: Counter[str]
    words: str


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--replicas", type=int, default=50)
    parser.add_argument("--revisions", type=int, default=20)
    parser.add_argument("--server", default="wheel", help="wheel, debian, or the URL of one")
    parser.add_argument("--lone", type=int, default=1, help="how many of the revisions make an index CONCURRENTLY")
    asked = parser.parse_args()
    revisions = chain(asked.revisions, alone_every=asked.revisions // (asked.lone + 1) + 1 if asked.lone else 0)
    with serving(asked.server) as server, tempfile.TemporaryDirectory() as folder:
        lone = sum(one.alone for one in revisions)
        load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
        print(f"{server.version}; {asked.replicas} replicas, {len(revisions)} revisions, {lone} of them CONCURRENTLY;")
        print(f"{os.cpu_count()} cores; load before: {load}")
        project = write_alembic(os.path.join(folder, "alembic"), revisions)
        files = write_sql(os.path.join(folder, "sql"), revisions)
        for name, path in (("initkit, alembic", project), ("initkit, SQL files", files)):
            with server.database("replicas") as url:
                result = _at_once(ours(path), url, asked.replicas)
                _show(name, result, problems(url, revisions, alembic=path is project))
                _show_times(result.applied, revisions)
                _show_left(url)
        with server.database("replicas") as url:
            result = _at_once(plain(write_ini(project, url)), url, asked.replicas)
            # what they have left, if they have finished at all
            _show("alembic upgrade heads", result, [])


def _at_once(command: Sequence[str], url: str, replicas: int) -> Result:
    with ExitStack() as stack:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        environs = [environment(url, f"shop-{number}") for number in range(replicas)]
        started = [stack.enter_context(Run(command, env)) for env in environs]
        codes = [one.code() for one in started]
        seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        failed = next((one.words() for one, code in zip(started, codes, strict=True) if code), "")
        applied = Counter(name for one in started for name in one.applied())
    return Result(Counter(codes), seconds, cpu, applied, failed)


def _show(name: str, result: Result, wrong: list[str]) -> None:
    codes = ", ".join(f"{count} x exit {code}" for code, count in sorted(result.codes.items()))
    print(f"\n{name}: {codes}; all ended after {result.seconds:.1f} s, CPU {result.cpu:.1f} s")
    for line in wrong:
        print(f"  WRONG: {line}")
    if result.words:
        print("  the last words of one that failed: " + result.words.strip()[-700:].replace("\n", "\n    "))


def _show_times(applied: Counter[str], revisions: Sequence[Revision]) -> None:
    """What the replicas themselves say, next to what the database says."""
    unlike = {count for _, count in applied.items()} | {0 for _ in range(len(revisions) - len(applied))}
    verdict = "each revision once" if unlike == {1} else f"WRONG: {dict(applied)}"
    print(f"  their summaries: {verdict}")


def _show_left(url: str) -> None:
    seconds, rest = gone_after(url, _SETTLED)
    print(f"  nothing left after {seconds:.2f} s" if not rest else f"  WRONG: left after {_SETTLED} s: {rest}")


if __name__ == "__main__":
    main()
