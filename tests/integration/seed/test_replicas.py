"""Twenty programs at once on one database: each row is there once, and all of them end well."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from fix_program import INITKIT, environment
from fix_seed_runs import fill

if TYPE_CHECKING:
    from pathlib import Path

    from fix_seed import Shop

REPLICAS = 20
ROWS = 3000


def at_once(shop: Shop, logs: Path, *options: str, replicas: int = REPLICAS) -> list[tuple[int, str]]:
    """The exit code of each, and all that it has said."""
    words = [*INITKIT, "seed", str(shop.folder), *options, "--log-format", "json"]
    logs.mkdir()
    with ExitStack() as stack:
        files = [stack.enter_context((logs / str(number)).open("w+")) for number in range(replicas)]
        children = [
            subprocess.Popen(
                words,
                env=environment({"DATABASE_URL": shop.sql.url}),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
            for file in files
        ]
        codes = [child.wait(90) for child in children]
        for file in files:
            file.seek(0)
        return [(code, file.read()) for code, file in zip(codes, files, strict=True)]


def summary(said: str) -> dict[str, Any]:
    events = [json.loads(line) for line in said.splitlines()]
    found: dict[str, Any] = next(event for event in events if event["event"] == "summary")
    return found


def expect_one_at_work(results: list[tuple[int, str]]) -> None:
    assert [code for code, _ in results] == [0] * REPLICAS, [said[-500:] for code, said in results if code]
    statuses = Counter(summary(said)["status"] for _, said in results)
    assert statuses == {"changed": 1, "ok": REPLICAS - 1}


def expect_each_row_once(shop: Shop) -> None:
    for table in ("customers", "orders"):
        found = shop.sql.rows(f"select count(*), count(distinct id), min(id), max(id) from {table}")
        assert found == [(ROWS, ROWS, 0, ROWS - 1)]
        if shop.dialect == "postgres":
            assert shop.sql.rows(f"select count(distinct xmin::text) from {table}") == [(1,)], "by one transaction"


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["once", "upsert"])
def test_twenty_replicas_at_once_load_each_row_once(shop: Shop, tmp_path: Path, mode: str) -> None:
    fill(shop, ROWS)
    expect_one_at_work(at_once(shop, tmp_path / "logs", "--mode", mode))
    expect_each_row_once(shop)
    before = shop.sql.stamp()
    ((_, said),) = at_once(shop, tmp_path / "again", "--mode", mode, replicas=1)
    assert summary(said)["status"] == "ok"
    assert shop.sql.stamp() == before


@pytest.mark.slow
def test_of_twenty_replicas_one_brings_in_what_has_changed(shop: Shop, tmp_path: Path) -> None:
    shop.sql.execute("insert into customers (id, name, email) values (7, 'earlier', 'x'), (5000, 'not ours', 'y')")
    fill(shop, ROWS)
    expect_one_at_work(at_once(shop, tmp_path / "logs", "--mode", "upsert"))
    assert shop.sql.rows("select name from customers where id in (7, 5000) order by id") == [
        ("customer 7",),
        ("not ours",),
    ]
    assert shop.sql.rows("select count(*) from customers") == [(ROWS + 1,)]
