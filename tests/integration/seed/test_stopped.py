"""A signal ends a step, whatever it is at, and leaves nothing of it."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, make_context
from fix_guard import Acting, eventually
from fix_migrations import at_work
from fix_seed_runs import fill

from initkit.core.errors import Stopped
from initkit.core.stop import Stop
from initkit.steps.seed.store import writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_seed import Shop

GRACE = 10.0  # seconds, of the thirty that a pod has by default


def counted(shop: Shop) -> tuple[int, int, int]:
    ledger = shop.sql.rows("select count(*) from initkit_seed")[0][0] if "initkit_seed" in shop.tables() else 0
    return (
        shop.sql.rows("select count(*) from customers")[0][0],
        shop.sql.rows("select count(*) from orders")[0][0],
        ledger,
    )


def stopped(shop: Shop, happens: Callable[[], bool]) -> float:
    """Run the step, and ask for its end once something has happened; how many seconds that then took."""
    stop = Stop()
    asked: list[float] = []

    def ask() -> None:
        eventually(happens)
        asked.append(time.monotonic())
        stop.request(signal.SIGTERM)

    asking = threading.Thread(target=ask)
    asking.start()
    with pytest.raises(Stopped):
        shop.step().apply(make_context(stop=stop))
    ended = time.monotonic()
    asking.join()
    return ended - asked[0]


class Progressing(RecordingVoice):
    """Asks for the end as soon as it is told of progress."""

    def __init__(self, stop: Stop) -> None:
        super().__init__()
        self._stop = stop

    def progress(self, name: str, text: str, *, share: float | None = None) -> None:
        super().progress(name, text, share=share)
        self._stop.request(signal.SIGTERM)


def test_a_signal_ends_a_long_load_before_its_files_are_read(shop: Shop) -> None:
    fill(shop, 200_000)
    stop = Stop()
    voice = Progressing(stop)
    with pytest.raises(Stopped):
        shop.step().apply(make_context(stop=stop, voice=voice))
    assert len(voice.progressed) == 1
    assert not stop.has_work_in_flight
    assert counted(shop) == (0, 0, 0)


def test_a_signal_cancels_a_copy_that_the_server_is_slow_with(postgres_shop: Shop) -> None:
    postgres_shop.sql.execute(
        "create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.1); return new; end $$;"
        "create trigger slow before insert on customers for each row execute function slow()"
    )
    fill(postgres_shop, 600)
    assert stopped(postgres_shop, lambda: at_work(postgres_shop.sql.url, "copy")) < GRACE
    assert counted(postgres_shop) == (0, 0, 0)


def is_writing(shop: Shop) -> bool:
    """Whether someone has begun to write into SQLite's file."""
    with closing(sqlite3.connect(shop.sql.url.removeprefix("sqlite:///"), timeout=0)) as connection:
        try:
            connection.execute("begin immediate")
        except sqlite3.OperationalError:
            return True
        return False


def test_a_signal_interrupts_a_statement_of_sqlite(sqlite_shop: Shop) -> None:
    sqlite_shop.sql.execute(
        "create trigger slow before insert on customers begin select count(*) from (with recursive n (i) as "
        "(select 1 union all select i + 1 from n where i < 1000000000) select i from n); end"
    )
    fill(sqlite_shop, 10)
    assert stopped(sqlite_shop, lambda: is_writing(sqlite_shop)) < GRACE
    assert counted(sqlite_shop) == (0, 0, 0)


def test_a_signal_ends_waiting_for_the_lock(shop: Shop) -> None:
    fill(shop, 10)
    step = shop.step()
    stop = Stop()
    voice = Acting(lambda: stop.request(signal.SIGTERM))
    with writing(step.database({}), make_context()), pytest.raises(Stopped):
        step.apply(make_context(stop=stop, voice=voice))
    assert [name for name, _ in voice.missed] == ["the seed lock"]
    assert counted(shop) == (0, 0, 0)
