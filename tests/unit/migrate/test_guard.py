"""What keeps migrations apart, as far as it needs no server: names, words, whose turn it is, and which database."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from fix_clock import RecordingVoice, VirtualClock, make_context
from fix_guard import options_for

from initkit.core.errors import PermanentError, SuspectError, TimedOutError, UsageError
from initkit.db import mysql_direct
from initkit.db.dsn import find, parse_dsn
from initkit.db.pg.sessions import Session, halves, shown_query
from initkit.db.turns import Obstacle, wait_for, within
from initkit.steps.migrate.guard.direct import database_of
from initkit.steps.migrate.guard.mysql_lock import lock_name
from initkit.steps.migrate.guard.session import settings_for
from initkit.steps.migrate.guard.tag import LOCK, LOOK, family, tag
from initkit.steps.migrate.guard.words import WORDING

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("key", "pod", "expected"),
    [
        (0x0123456789ABCDEF, "shop-7f9c", "initkit/89abcdef/shop-7f9c"),
        (-1, "shop", "initkit/ffffffff/shop"),
        (5, "x" * 10 + "y" * 40, "initkit/00000005/" + "y" * 40),
        (5, "lädchen shop#lock", "initkit/00000005/l?dchen?shop?lock"),
    ],
)
def test_a_tag_tells_the_lock_and_the_pod(key: int, pod: str, expected: str) -> None:
    made = tag(key, {"HOSTNAME": pod})
    assert made == expected
    assert made.startswith(family(key))


def test_two_small_numbers_that_people_give_as_keys_are_told_apart() -> None:
    assert family(1) != family(2)


@pytest.mark.parametrize("pod", ["a" * 253, "ä" * 253, "-" * 40])
def test_a_tag_is_whole_on_the_server(pod: str) -> None:
    for ending in (LOCK, LOOK):
        assert len((tag(2**63 - 1, {"HOSTNAME": pod}) + ending).encode()) <= 63


def test_without_a_pods_name_it_is_the_hosts() -> None:
    assert len(tag(1, {})) > len(family(1))
    assert tag(1, {}) == tag(1, {"HOSTNAME": ""})


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("create index concurrently i on t (x)", "create index concurrently i on t (x)"),
        ("alter role app password 'hunter2'", "alter role app password '…"),
        ("select $secret$hunter2$secret$, 1", "select $secret$…"),
        ("select $$hunter2$$", "select $$…"),
        ("select $1, $2 from t", "select $1, $2 from t"),
        ("/* it's */ select -- don't\n  'hunter2'", "select '…"),
        ("select \"it's\", E'a\\'hunter2'", "select \"it's\", E'…"),
        ("insert into t\n\tvalues (1)", "insert into t values (1)"),
        ("select " + "x" * 200, "select " + "x" * 73 + "…"),
        ("select 'cut off by the server", "select '…"),
        ("/* cut off hunter2", "/*…"),
        ("comment on x is E'", "comment on x is E'…"),
        ("\x1b[31m", "[31m"),
    ],
)
def test_a_query_is_shown_up_to_the_first_string(query: str, shown: str) -> None:
    assert shown_query(query) == shown


def test_a_session_is_told_in_words() -> None:
    session = Session(42, "psql", "10.0.0.7", "idle in transaction", 120.2, 61.0, "select 1")
    assert str(session) == "pid 42 (psql from 10.0.0.7, idle in transaction)"
    assert session.at_length == (
        "pid 42 (psql from 10.0.0.7, idle in transaction for 1m1s, connected for 2m, query: select 1)"
    )
    assert str(Session(7, "")) == "pid 7 (no application_name from local, state not shown to us)"


@pytest.mark.parametrize("key", [0, 1, 2**63 - 1, -1, -(2**63), 0x0123456789ABCDEF])
def test_a_locks_number_comes_back_from_its_halves(key: int) -> None:
    high, low = halves(key)
    assert 0 <= high < 2**32
    assert 0 <= low < 2**32
    assert int.from_bytes(((high << 32) | low).to_bytes(8), signed=True) == key


class Turn:
    """It is ours at a moment of the clock."""

    def __init__(self, clock: VirtualClock, moment: float) -> None:
        self.clock = clock
        self.moment = moment
        self.holder = "A"

    def take(self) -> bool:
        return self.clock.now() >= self.moment

    def obstacle(self) -> Obstacle:
        return Obstacle(f"held by {self.holder}", f"held by {self.holder} for long", "end it", self.holder)


def test_pauses_grow_with_jitter_and_every_fifteen_seconds_there_is_a_line(
    clock: VirtualClock, voice: RecordingVoice
) -> None:
    clock.chances = [0.0, 1.0]
    waited = wait_for(Turn(clock, clock.now() + 40), make_context(clock=clock, voice=voice, timeout=100), WORDING)
    assert [round(pause, 2) for pause in clock.sleeps[:7]] == [0.08, 0.24, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert 40 <= waited <= 42
    assert [note.partition(" after")[0] for note in voice.notes] == ["still waiting for the migration lock"] * 2
    assert voice.notes[0].endswith("held by A for long")
    assert voice.founds == ["the migration lock"]


def test_once_the_queue_moves_it_is_asked_more_often(clock: VirtualClock) -> None:
    turn = Turn(clock, clock.now() + 40)
    clock.after(20, lambda: setattr(turn, "holder", "B"))
    wait_for(turn, make_context(clock=clock, timeout=100), WORDING)
    assert [pause for pause in clock.sleeps if pause < 0.15] == [0.1, 0.1]


def test_at_the_deadline_there_is_one_more_look(clock: VirtualClock, voice: RecordingVoice) -> None:
    end = clock.now() + 10
    assert wait_for(Turn(clock, end), make_context(clock=clock, voice=voice, timeout=10), WORDING) == pytest.approx(10)
    with pytest.raises(TimedOutError, match="held by A for long; waited for 10s; end it"):
        wait_for(Turn(clock, clock.now() + 11), make_context(clock=clock, voice=voice, timeout=10), WORDING)


def test_the_locks_timeout_and_the_steps_both_count(clock: VirtualClock) -> None:
    context = make_context(clock=clock, timeout=100)
    assert within(context, 30).remaining == 30
    assert within(context, 300).remaining == 100
    assert within(context, 0).remaining == 100
    assert within(make_context(clock=clock, timeout=0), math.inf).remaining == math.inf


@pytest.mark.parametrize(("given", "expected"), [("5s", "5000"), ("0", "0"), ("1ms", "1")])
def test_a_statements_patience_is_a_setting(given: str, expected: str) -> None:
    settings = settings_for(options_for(ddl_lock_timeout=given))
    assert settings["lock_timeout"] == expected
    assert settings["statement_timeout"] == "0"
    assert settings["client_connection_check_interval"] == "1000"


A, B, C, D = (f"postgres://{name}/shop" for name in "abcd")


@pytest.mark.parametrize(
    ("options", "environ", "host"),
    [
        ({}, {"DATABASE_URL": A}, "a"),
        ({}, {"PGHOST": "a", "DIRECT_URL": B}, "b"),
        ({}, {"DATABASE_URL": A, "DIRECT_URL": B}, "b"),
        ({}, {"DATABASE_URL": A, "DIRECT_URL": B, "MIGRATION_DATABASE_URL": C}, "c"),
        ({}, {"DATABASE_URL": A, "DIRECT_URL": " "}, "a"),
        ({"url": D}, {"DATABASE_URL": A, "DIRECT_URL": B}, "d"),
        ({"url_env": "X"}, {"X": D, "DIRECT_URL": B}, "d"),
        ({"url": D, "direct_url": C}, {"DIRECT_URL": B}, "c"),
        ({"direct_url": C}, {}, "c"),
        ({"url": D, "direct_url_env": "X"}, {"X": C, "DIRECT_URL": B}, "c"),
    ],
)
def test_which_database_is_meant(options: dict[str, str], environ: dict[str, str], host: str) -> None:
    assert f"//{host}/" in database_of(options_for(**options), environ).address


def test_a_direct_url_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "url"
    options = options_for(url=A, direct_url_file=str(path))
    with pytest.raises(SuspectError, match="mend --direct-url-file; it may still be on its way"):
        database_of(options, {})
    path.write_text(f"{C}\n")
    assert "//c/" in database_of(options, {}).address


@pytest.mark.parametrize(
    ("options", "environ", "message"),
    [
        ({"direct_url_env": "X"}, {"DATABASE_URL": A}, "the environment variable X is not set"),
        ({}, {"DATABASE_URL": A, "DIRECT_URL": "hunter2"}, "the environment variable DIRECT_URL: expected a postgres"),
        ({}, {}, "no address was given"),
    ],
)
def test_what_leads_nowhere_is_a_usage_error(options: dict[str, str], environ: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        database_of(options_for(**options), environ)
    assert "hunter2" not in str(caught.value)


def mysql(url: str) -> dict[str, Any]:
    return mysql_direct.parameters(find(parse_dsn(url), "--url"))


def test_a_mysql_url_is_read_as_sqlalchemy_has_it() -> None:
    assert mysql("mysql+pymysql://%C3%BCni:p%40ss%2Fw%C3%B6rd@db:3307/my%20shop?charset=utf8mb4") == {
        "user": "üni",
        "password": "p@ss/wörd".encode(),
        "host": "db",
        "port": 3307,
        "database": "my shop",
    }
    assert mysql("mariadb://db/shop")["port"] == 3306
    assert mysql("mysql://[::1]/shop")["host"] == "::1"
    assert mysql("mysql://db/shop?ssl-mode=disabled")["ssl_disabled"] is True
    told = mysql("mysql://db/shop?ssl_ca=/ca.pem&ssl_cert=/c.pem&ssl_key=/k.pem")
    assert (told["ssl_ca"], told["ssl_verify_cert"], told["ssl_verify_identity"]) == ("/ca.pem", True, False)


@pytest.mark.parametrize(
    "url",
    ["mysql://db", "mysql://db/", "mysql://db:x/shop", "mysql://db:99999/shop", "mysql://db/shop?ssl-mode=perhaps"],
)
def test_a_mysql_url_that_cannot_be_used_is_permanent(url: str) -> None:
    with pytest.raises(PermanentError, match="read the database's address: --url: expected"):
        mysql(url)


def test_a_mysql_locks_name_fits_and_is_the_databases_own() -> None:
    names = {lock_name(database, -(2**63)) for database in ("shop", "Shop", "x" * 64, "ü")}
    assert len(names) == 4
    assert all(len(name) <= 64 for name in names)
