r"""How fast `initkit seed` fills PostgreSQL, next to `\copy` and to inserts row by row, and what a repetition costs.

    python benchmarks/seed/speed.py [--rows 1000000] [--rounds 7] [--server wheel|debian|URL] [--part NAME]...

All run by turns. What is slower than psql is told as a multiple of its time in the same round.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import figures
import files
import psycopg
from programs import HASH, ROW_WISE, Cost, measure, ours, python
from server import serving  # in benchmarks/migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COPY = r"\copy {} from {} with (format csv, header true)"
PARTS = ("load", "repeat", "changes", "wal")
_ROW_WISE = 50_000  # rows: a million takes its minutes
_CHANGED = 0.01
_SHARES = (0.001, _CHANGED, 0.1)
_SETTINGS = {  # what the server does by itself would hit one or the other
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
    "max_wal_size": "32GB",
}


@dataclass(frozen=True)
class Bench:
    """What is measured on.

    Attributes:
        psql: the program.
        files: of `rows` rows, by what is in them: ``base``, ``ndjson``, or a share of changed rows.
        few: with the rows that are inserted one by one.
    """

    url: str
    psql: str
    tree: str
    rows: int
    rounds: int
    files: Mapping[str, str]
    few: str

    def seed(self, path: str, *more: str) -> Cost:
        return measure(ours(path, self.url, *more), self.tree)

    def copy(self, path: str, table: str = "users") -> Cost:
        return measure([self.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", COPY.format(table, path), self.url])

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def whole_pages(self, *, wanted: bool) -> None:
        """Whether the first change of a page after a checkpoint writes all of it, from the next checkpoint on."""
        self.execute(f"alter system set full_page_writes = {'on' if wanted else 'off'}", "select pg_reload_conf()")

    def fresh(self, *more: str) -> None:
        """An empty table, no ledger, and nothing left to write of what was before."""
        self.execute("drop table if exists users, initkit_seed", files.TABLE, *more, "checkpoint")

    def content(self) -> object:
        """Something that differs where the table does."""
        with psycopg.connect(self.url) as connection:
            return connection.execute("select count(*), sum(hashtextextended(users::text, 0)) from users").fetchone()

    def changed(self) -> int:
        """How many rows are as the file with changed ones has them."""
        with psycopg.connect(self.url) as connection:
            found = connection.execute("select count(*) from users where city like '% 2'").fetchone()
        return int(found[0]) if found else 0

    def position(self) -> int:
        """How many bytes of WAL were written so far."""
        with psycopg.connect(self.url) as connection:
            found = connection.execute("select pg_current_wal_insert_lsn() - '0/0'").fetchone()
        return int(found[0]) if found else 0


def main() -> None:
    """Measure and print."""
    parser = figures.timed(__doc__ or "")
    parser.add_argument("--server", default="wheel", help="wheel, debian, or the URL of one that runs (default: wheel)")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this one")
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = asked.folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="initkit-seed-"))
        server = stack.enter_context(serving(asked.server))
        url = stack.enter_context(server.database("initkit_seed_bench"))
        _settle(server.url)
        psql = _psql(server.programs)
        few = files.write(folder, min(_ROW_WISE, asked.rows))
        written = _written(folder, asked.rows)
        bench = Bench(url, psql, asked.tree, asked.rows, asked.rounds, written, few)
        print(f"{server.version}; {figures.circumstances(asked.rows)}")
        parts: dict[str, Callable[[Bench], None]] = dict(zip(PARTS, (_load, _repeat, _changes, _wal), strict=True))
        for part in asked.part or PARTS:
            parts[part](bench)


def _psql(programs: str) -> str:
    own = os.path.join(programs, "psql")
    found = own if os.path.exists(own) else shutil.which("psql")
    if not found:
        raise SystemExit("cannot compare with psql: there is none; install Debian's package postgresql-client")
    return found


def _settle(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for name, text in _SETTINGS.items():
            connection.execute(f"alter system set {name} = '{text}'".encode())
        connection.execute("select pg_reload_conf()")


def _written(folder: str, rows: int) -> dict[str, str]:
    found = {"base": files.write(folder, rows), "ndjson": files.write(folder, rows, "ndjson")}
    return found | {str(share): files.write(folder, rows, changed=share) for share in _SHARES}


def _rounds(bench: Bench, tasks: Mapping[str, Callable[[], Cost]]) -> dict[str, list[Cost]]:
    """Everything by turns, each round beginning with another one."""
    for task in tasks.values():
        task()  # compiles, and brings the files into memory
    runs: dict[str, list[Cost]] = {name: [] for name in tasks}
    names = list(tasks)
    for number in range(bench.rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            runs[name].append(tasks[name]())
    return runs


def _load(bench: Bench) -> None:
    base = bench.files["base"]
    seen: dict[str, object] = {}

    def copied() -> Cost:
        bench.fresh()
        return _noting("copy", lambda: bench.copy(base))

    def seeded(*more: str, path: str = base, before: tuple[str, ...] = ()) -> Cost:
        bench.fresh(*before)
        return _noting(" ".join([path, *more]), lambda: bench.seed(path, *more))

    def row_wise() -> Cost:
        bench.fresh()
        cost = measure(python(ROW_WISE, bench.url, bench.few))
        scale = bench.rows / min(_ROW_WISE, bench.rows)
        return cost._replace(wall=cost.wall * scale, cpu=cost.cpu * scale)

    def _noting(name: str, task: Callable[[], Cost]) -> Cost:
        cost = task()
        if name not in seen:
            seen[name] = bench.content()
        return cost

    print(f"\nfirst load; executemany: {min(_ROW_WISE, bench.rows):,} rows, its time scaled")
    runs = _rounds(
        bench,
        {
            "psql \\copy": copied,
            "seed, once": seeded,
            "seed, upsert, one row there": lambda: seeded("--mode", "upsert", before=(files.ONE_ROW,)),
            "seed, NDJSON": lambda: seeded(path=bench.files["ndjson"]),
            "executemany": row_wise,
        },
    )
    aims = {"seed, once": 1.15, "seed, upsert, one row there": 1.7, "seed, NDJSON": 2.5}
    figures.show(runs, "psql \\copy", aims)
    for name, content in seen.items():
        if content != seen["copy"]:
            print(f"WRONG: {name} has left {content} in the table, psql {seen['copy']}")


def _repeat(bench: Bench) -> None:
    base = bench.files["base"]
    bench.fresh()
    bench.seed(base)
    before = bench.position()
    runs = _rounds(
        bench,
        {
            "python, connect, sha256": lambda: measure(python(HASH, bench.url, base)),
            "seed, once, unchanged": lambda: bench.seed(base),
        },
    )
    print(f"\nagain, unchanged; bytes of WAL meanwhile: {bench.position() - before:,}")
    figures.show(runs, "python, connect, sha256", {"seed, once, unchanged": 1.2})


def _changes(bench: Bench) -> None:
    """The file that has 1 % of its rows changed and the one that has not take turns: either changes the same rows."""
    base, other = bench.files["base"], bench.files[str(_CHANGED)]
    bench.execute("drop table if exists copied", files.TABLE.replace("users", "copied", 1))
    bench.fresh()
    bench.seed(base, "--mode", "upsert")
    loaded = [base]

    def copied() -> Cost:
        bench.execute("truncate copied", "checkpoint")
        return bench.copy(base, "copied")

    def upserted(path: str, *, whole_pages: bool = False) -> Cost:
        bench.whole_pages(wanted=whole_pages)
        bench.execute("vacuum users", "checkpoint")
        cost = bench.seed(path, "--mode", "upsert")
        loaded[0] = path
        if (found := bench.changed()) != (wanted := 0 if path == base else round(bench.rows * _CHANGED)):
            print(f"WRONG: {found} rows are changed, not {wanted}")
        return cost

    runs = _rounds(
        bench,
        {
            "psql \\copy": copied,
            "seed, upsert, 1 % changed": lambda: upserted(other if loaded[0] == base else base),
            "the same, whole pages": lambda: upserted(other if loaded[0] == base else base, whole_pages=True),
            "seed, upsert, nothing changed": lambda: upserted(loaded[0]),
        },
    )
    print("\nagain, changed")
    figures.show(runs, "psql \\copy", {"seed, upsert, 1 % changed": 1.4})
    bench.whole_pages(wanted=True)


def _wal(bench: Bench) -> None:
    """Whole pages are left out: after a checkpoint each page's first change writes all of it, whoever makes it."""
    print("\nbytes of WAL of an upsert, without whole pages (full_page_writes off)")
    bench.whole_pages(wanted=False)
    bench.fresh()
    bench.seed(bench.files["base"], "--mode", "upsert")
    bench.execute("vacuum users")
    print(f"  {'rows changed':>14} {'seed':>14} {'a row':>8} {'plain UPDATE':>14}")
    for share in (0.0, *_SHARES):
        path = bench.files[str(share)] if share else bench.files["base"]
        seeded = _written_by(bench, lambda path=path: bench.seed(path, "--mode", "upsert"))  # type: ignore[misc]
        back = _written_by(bench, lambda share=share: _plainly(bench, share))  # type: ignore[misc]
        changed = round(bench.rows * share)
        each = f"{seeded / changed:8.0f}" if changed else f"{'':8}"
        print(f"  {changed:>14,} {seeded:>14,} {each} {back:>14,}")
    bench.whole_pages(wanted=True)


def _written_by(bench: Bench, task: Callable[[], object]) -> int:
    bench.execute("vacuum users", "checkpoint")
    before = bench.position()
    task()
    return bench.position() - before


def _plainly(bench: Bench, share: float) -> None:
    """Take the changes back, by one statement that names the rows."""
    if share:
        every = round(1 / share)
        bench.execute(f"update users set city = replace(city, ' 2', '') where id % {every} = 0")  # noqa: S608 - ours


if __name__ == "__main__":
    main()
