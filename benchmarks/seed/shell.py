"""How fast `initkit seed` fills SQLite, next to `.import` of the sqlite3 shell.

    python benchmarks/seed/shell.py [--rows 1000000] [--rounds 7]

The shell puts text as it stands into the table and asks nothing about it; an empty value is empty text there, and NULL
here.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import statistics
import tempfile
from contextlib import ExitStack, closing

import figures
import files
from programs import Cost, measure, ours

AIM = 0.55


def main() -> None:
    """Measure and print."""
    asked = figures.timed(__doc__ or "").parse_args()
    shell = shutil.which("sqlite3")
    if not shell:
        raise SystemExit("cannot compare with the sqlite3 shell: there is none; install Debian's package sqlite3")
    with ExitStack() as stack:
        folder = asked.folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="initkit-seed-"))
        file = os.path.join(stack.enter_context(tempfile.TemporaryDirectory(prefix="initkit-seed-")), "shop.db")
        path, lines = files.write(folder, asked.rows), files.write(folder, asked.rows, "ndjson")
        print(f"SQLite {sqlite3.sqlite_version}; {figures.circumstances(asked.rows)}")

        def imported() -> Cost:
            _fresh(file)
            return measure([shell, "-bail", file], stdin=f".import --csv --skip 1 {path} users\n")

        def seeded(path: str, *more: str, rows: str = "") -> Cost:
            _fresh(file, rows)
            return measure(ours(path, f"sqlite:///{file}", *more), asked.tree)

        tasks = {
            "sqlite3 .import": imported,
            "seed, once": lambda: seeded(path),
            "seed, upsert, one row there": lambda: seeded(path, "--mode", "upsert", rows=files.ONE_ROW),
            "seed, NDJSON": lambda: seeded(lines),
        }
        runs: dict[str, list[Cost]] = {name: [] for name in tasks}
        for number in range(-1, asked.rounds):
            for name, task in tasks.items():
                cost = task()
                if number >= 0:  # the first one compiles
                    runs[name].append(cost)
                _look(file, asked.rows, name)
        figures.show(runs, "sqlite3 .import", {})
        _rates(runs, asked.rows)


def _fresh(path: str, more: str = "") -> None:
    for name in (path, f"{path}-wal", f"{path}-shm", f"{path}-journal"):
        if os.path.exists(name):
            os.unlink(name)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"{files.TABLE};{more}")


def _look(path: str, rows: int, name: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("select count(*) from users").fetchone()[0]
    if found != rows:
        print(f"WRONG: {name} has left {found} rows in the table")


def _rates(runs: dict[str, list[Cost]], rows: int) -> None:
    base = runs["sqlite3 .import"]
    for name, costs in runs.items():
        rate = statistics.median(rows / cost.wall for cost in costs)
        share = statistics.median(other.wall / cost.wall for cost, other in zip(costs, base, strict=True))
        aim = f" (aim: {AIM})" if name == "seed, once" else ""
        print(f"{name:34} {rate:12,.0f} rows/s, {share:.2f} x .import{aim}")


if __name__ == "__main__":
    main()
