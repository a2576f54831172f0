from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fix_clock import make_context
from fix_seed import run
from fix_sqlite import leave_hot_journal

from initkit.core.errors import Stopped
from initkit.core.outcome import Pending
from initkit.core.stop import Stop
from initkit.steps.seed.store import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fix_seed import Shop

KILLS = 25
HERE = Path(__file__).parent


@contextmanager
def runner(shop: Shop, **given: object) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Ask for a run, or for one that is killed after so many seconds."""
    step = json.dumps({"paths": [str(shop.folder)], "url": shop.sql.url, **given})
    places = os.pathsep.join([str(HERE.parents[1]), str(HERE.parents[2]), *filter(None, sys.path)])
    with subprocess.Popen(
        [sys.executable, str(HERE / "run_step.py"), step],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": places},
    ) as child:
        assert child.stdin
        assert child.stdout
        stdin, stdout = child.stdin, child.stdout

        def ask(what: str) -> dict[str, Any]:
            stdin.write(what + "\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
            return answer

        yield ask
        stdin.close()


def fill(shop: Shop, rows: int) -> None:
    customers = "".join(f"{number},customer {number},{number}@example.org\n" for number in range(rows))
    shop.write("customers.csv", "id,name,email\n" + customers)
    line = '{{"id": {0}, "customer_id": {0}, "item": "thing {0}", "price": {0}.50}}\n'
    shop.write("orders.ndjson", "".join(line.format(number) for number in range(rows)))


def counted(shop: Shop) -> tuple[int, int, int]:
    ledger = shop.sql.rows("select count(*) from initkit_seed")[0][0] if "initkit_seed" in shop.tables() else 0
    return (
        shop.sql.rows("select count(*) from customers")[0][0],
        shop.sql.rows("select count(*) from orders")[0][0],
        ledger,
    )


@pytest.mark.parametrize("mode", ["once", "upsert"])
def test_a_kill_at_any_instant_leaves_all_or_nothing(shop: Shop, mode: str) -> None:
    rows = 2000
    fill(shop, rows)
    chance = random.Random(5)
    seen = set()
    with runner(shop, mode=mode) as ask:
        ask("0")  # it has started when it answers
        began = time.monotonic()
        ask("run")
        longest = time.monotonic() - began
        for _ in range(KILLS):
            if counted(shop) != (0, 0, 0):
                shop.sql.execute("delete from orders; delete from customers; drop table initkit_seed")
            ask(str(chance.uniform(0, longest)))
            seen.add(counted(shop))
        assert seen <= {(0, 0, 0), (rows, rows, 2)}
        assert ask("run")["detail"]
        assert counted(shop) == (rows, rows, 2)
        assert ask("run")["detail"] == "2 datasets up to date"


def test_what_another_program_left_half_written_is_rolled_back(sqlite_shop: Shop, tmp_path: Path) -> None:
    fill(sqlite_shop, 10)
    leave_hot_journal(tmp_path / "shop.db", "insert into orders (customer_id, item) values (1, 'lost')")
    finding = sqlite_shop.step().check(make_context())
    assert isinstance(finding, Pending)
    assert run(sqlite_shop.step(), make_context()).detail.startswith("2 datasets loaded")
    assert counted(sqlite_shop) == (10, 10, 2)


@pytest.mark.parametrize("mode", ["once", "upsert"])
def test_memory_does_not_grow_with_the_file(shop: Shop, mode: str) -> None:
    fill(shop, 1000)
    with runner(shop, mode=mode) as ask:
        few = ask("run")["kilobytes"]
        shop.sql.execute("delete from orders; delete from customers; drop table initkit_seed")
        (shop.folder / "orders.ndjson").unlink()
        lines = (f"{number},{'x' * 100},{number}@example.org" for number in range(200_000))
        size = shop.write("customers.csv", "id,name,email\n" + "\n".join(lines)).stat().st_size
        many = ask("run")["kilobytes"]
    assert counted(shop)[0] == 200_000
    assert size > 24e6
    assert many - few < 12_000  # SQLite's caches, of the table and of the staging table, fill up to 2 MB each


def stop_after(stop: Stop, seconds: float) -> list[float]:
    """Ask for the end after a while; the list then holds when that was."""
    asked: list[float] = []

    def ask() -> None:
        asked.append(time.monotonic())
        stop.request(signal.SIGTERM)

    timer = threading.Timer(seconds, ask)
    timer.daemon = True
    timer.start()
    return asked


def test_a_signal_ends_a_long_load_within_a_second(shop: Shop) -> None:
    fill(shop, 300_000)
    stop = Stop()
    step = shop.step()
    asked = stop_after(stop, 0.7)
    with pytest.raises(Stopped):
        step.apply(make_context(stop=stop))
    assert time.monotonic() - asked[0] < 1
    assert not stop.has_work_in_flight
    assert counted(shop) == (0, 0, 0)


def test_a_signal_cancels_a_copy_that_the_server_is_slow_with(postgres_shop: Shop) -> None:
    postgres_shop.sql.execute(
        "create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.1); return new; end $$;"
        "create trigger slow before insert on customers for each row execute function slow()"
    )
    fill(postgres_shop, 600)
    stop = Stop()
    asked = stop_after(stop, 0.5)
    with pytest.raises(Stopped):
        postgres_shop.step().apply(make_context(stop=stop))
    assert time.monotonic() - asked[0] < 1
    assert counted(postgres_shop) == (0, 0, 0)


def test_a_signal_interrupts_a_statement_of_sqlite(sqlite_shop: Shop) -> None:
    sqlite_shop.sql.execute(
        "create trigger slow before insert on customers begin select count(*) from (with recursive n (i) as "
        "(select 1 union all select i + 1 from n where i < 1000000000) select i from n); end"
    )
    fill(sqlite_shop, 10)
    stop = Stop()
    asked = stop_after(stop, 0.5)
    with pytest.raises(Stopped):
        sqlite_shop.step().apply(make_context(stop=stop))
    assert time.monotonic() - asked[0] < 1
    assert counted(sqlite_shop) == (0, 0, 0)


def test_a_signal_ends_waiting_for_the_lock(shop: Shop) -> None:
    fill(shop, 10)
    step = shop.step()
    stop = Stop()
    with writing(step.database({}), make_context()):
        asked = stop_after(stop, 0.3)
        with pytest.raises(Stopped):
            step.apply(make_context(stop=stop))
    assert time.monotonic() - asked[0] < 1
    assert counted(shop) == (0, 0, 0)
