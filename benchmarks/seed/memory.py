"""How much memory `initkit seed` takes, whatever the size of the file.

    python benchmarks/seed/memory.py [--sizes 1000000 10000000] [--server wheel|debian|URL]

The peak is told twice: as the kernel tells it once the program has ended (ru_maxrss), and as it was seen meanwhile
(VmHWM).
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import ExitStack, closing, suppress
from itertools import product

import figures
import files
import psycopg
from programs import Cost, measure, ours
from server import serving  # in benchmarks/migrate

AIM = 64.0  # MiB


def main() -> None:
    """Measure and print."""
    parser = figures.options(__doc__ or "")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 10_000_000], help="rows of the files")
    parser.add_argument("--server", default="wheel", help="wheel, debian, or the URL of one that runs (default: wheel)")
    parser.add_argument("--modes", nargs="+", default=["once", "upsert"], help="default: once upsert")
    parser.add_argument("--formats", nargs="+", choices=files.FORMATS, default=files.FORMATS)
    asked = parser.parse_args()
    print(f"{figures.circumstances(max(asked.sizes))}; aim: {AIM:.0f} MiB")
    print(f"{'':12} {'':8} {'':8} {'rows':>12} {'file MB':>8} {'ru_maxrss':>10} {'VmHWM':>8} {'wall s':>8}")
    with ExitStack() as stack:
        folder = asked.folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="initkit-seed-"))
        server = stack.enter_context(serving(asked.server))
        url = stack.enter_context(server.database("initkit_seed_memory"))
        file = os.path.join(stack.enter_context(tempfile.TemporaryDirectory(prefix="initkit-seed-")), "shop.db")
        for style in asked.formats:
            for rows in asked.sizes:
                path = files.write(folder, rows, style)
                for mode, address in product(asked.modes, (url, f"sqlite:///{file}")):
                    _fresh(address, mode)
                    cost = measure(ours(path, address, "--mode", mode), asked.tree, watched=True)
                    _show(f"{address.partition(':')[0]:12} {style:8} {mode:8} {rows:12,}", path, cost)
                if not asked.folder:
                    os.unlink(path)


def _fresh(address: str, mode: str) -> None:
    """An empty table; for upsert with a row in it, or it would be an insert."""
    row = files.ONE_ROW if mode == "upsert" else "select 1"
    if address.startswith("sqlite"):
        path = address.removeprefix("sqlite:///")
        with suppress(FileNotFoundError):
            os.unlink(path)
        with closing(sqlite3.connect(path)) as file:
            file.executescript(f"{files.TABLE}; {row}")
        return
    with psycopg.connect(address, autocommit=True) as connection:
        for statement in ("drop table if exists users, initkit_seed", files.TABLE, row):
            connection.execute(statement.encode())


def _show(what: str, path: str, cost: Cost) -> None:
    size = os.path.getsize(path) / 1e6
    verdict = "" if cost.seen <= AIM else "  MORE THAN WANTED"
    print(f"{what} {size:8.0f} {cost.peak:10.1f} {cost.seen:8.1f} {cost.wall:8.1f}{verdict}", flush=True)


if __name__ == "__main__":
    main()
