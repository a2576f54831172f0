"""Killed at any instant, a step has done all or nothing, and the next one comes to the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_guard import eventually
from fix_seed import run
from fix_seed_runs import each_until, fill
from fix_sqlite import leave_hot_journal

from initkit.core.outcome import Pending

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from fix_seed import Shop
    from fix_seed_runs import Ask, Runner

KILLS = {"once": 34, "upsert": 33, "replace": 33}
LEFT_ALONE = 10  # after each so many kills, a run is
ROWS = 500
TABLES = ("customers", "orders", "parcels")
PARCELS = (
    "create table parcels (id integer primary key, order_id integer not null references orders (id), weight integer)"
)
COLUMNS = {"customers": "id, name, email", "orders": "id, customer_id, item", "parcels": "id, order_id, weight"}


def fill_three(shop: Shop) -> None:
    """Three datasets; alphabetically they are not in the order of their foreign keys."""
    shop.sql.execute(PARCELS)
    fill(shop, ROWS)
    parcels = "".join(f"{number},{number},{number % 9}\n" for number in range(ROWS))
    shop.write("parcels.csv", "id,order_id,weight\n" + parcels)


def have_older_rows(shop: Shop, mode: str) -> None:
    """What is there before: for upsert some rows of the file, some as they were earlier; for replace others too."""
    if mode == "once":
        return
    step = 2 if mode == "upsert" else 1
    values = {
        "customers": "({0}, case when {0} % 4 = 0 then 'earlier' else 'customer ' || {0} end, {0} || '@example.org')",
        "orders": "({0}, {0}, 'thing {0}')",
        "parcels": "({0}, {0}, {0} % 7)",
    }
    numbers = range(0, ROWS + (100 if mode == "replace" else 0), step)
    for table in TABLES:
        rows = ", ".join(values[table].format(number) for number in numbers)
        shop.sql.execute(f"insert into {table} ({COLUMNS[table]}) values {rows}")


def keep(shop: Shop) -> None:
    """Remember the tables."""
    shop.sql.execute("; ".join(f"create table kept_{table} as select * from {table}" for table in TABLES))


def bring_back(shop: Shop) -> None:
    """The tables as they were, and no ledger."""
    gone = [f"delete from {table}" for table in reversed(TABLES)]
    if shop.dialect == "postgres":
        gone = [f"truncate {', '.join(TABLES)}"]  # rows that are only deleted would make it slower every time
    back = [f"insert into {table} select * from kept_{table}" for table in TABLES]
    shop.sql.execute("; ".join(["begin", *gone, *back, "drop table if exists initkit_seed", "commit"]))


def undisturbed(shop: Shop, ask: Ask) -> float:
    """The seconds of a whole run."""
    bring_back(shop)
    return float(ask()["seconds"])


def seen(shop: Shop) -> list[object]:
    """Everything that a step could have written."""
    tables = [shop.sql.rows(f"select {COLUMNS[table]} from {table} order by id") for table in TABLES]
    ledger = "initkit_seed" in shop.tables() and shop.sql.rows("select count(*) from initkit_seed")[0][0]
    return [*tables, int(ledger)]


def is_left(shop: Shop) -> bool:
    """Whether the server is still at what a killed client has asked for."""
    if shop.dialect == "sqlite":
        return False
    left = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    return bool(shop.sql.rows(left)[0][0])


@pytest.mark.slow
@pytest.mark.parametrize("mode", KILLS)
def test_a_kill_at_any_instant_leaves_all_or_nothing_and_the_next_run_converges(
    shop: Shop, mode: str, seed_runner: Runner, chance: random.Random
) -> None:
    fill_three(shop)
    have_older_rows(shop, mode)
    keep(shop)
    ask = seed_runner(shop, mode=mode)
    before = seen(shop)
    length = min(undisturbed(shop, ask) for _ in range(4))  # what comes after a run's end hits nothing
    after = seen(shop)
    assert after[:3] != before[:3]
    kills = 0

    def killed(instant: float) -> bool:
        nonlocal kills
        # nothing is tidied up where nothing was done: the next run meets whatever the last one left
        if seen(shop) != before:
            bring_back(shop)
        was_killed = bool(ask(instant)["killed"])
        kills += was_killed
        eventually(lambda: not is_left(shop), "the end of the killed client's session")
        assert seen(shop) in (before, after), f"killed after {instant:.4f} of {length:.4f} s"
        if kills % LEFT_ALONE == 0:
            ask()
            assert seen(shop) == after
        return was_killed

    each_until(KILLS[mode], chance, length, killed)
    ask()
    assert seen(shop) == after
    assert ask()["status"] == "ok"
    assert seen(shop) == after


def test_what_another_program_left_half_written_is_rolled_back(sqlite_shop: Shop, tmp_path: Path) -> None:
    fill(sqlite_shop, 10)
    leave_hot_journal(tmp_path / "shop.db", "insert into orders (customer_id, item) values (1, 'lost')")
    finding = sqlite_shop.step().check(make_context())
    assert isinstance(finding, Pending)
    assert run(sqlite_shop.step(), make_context()).detail.startswith("2 datasets loaded")
    assert [sqlite_shop.sql.rows(f"select count(*) from {table}") for table in TABLES[:2]] == [[(10,)], [(10,)]]
