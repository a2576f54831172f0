"""The migration lock on MariaDB: who has it, who waits for it, and how it is lost."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, VirtualClock, make_context
from fix_guard import Acting

from initkit.core.errors import PermanentError, SuspectError, TemporaryError, TimedOutError
from initkit.db import mysql_direct
from initkit.db.dsn import find, parse_dsn
from initkit.db.postgres import lock_key
from initkit.db.revisions import VersionTable
from initkit.steps.migrate.guard import watch
from initkit.steps.migrate.guard.mysql_lock import lock_name

if TYPE_CHECKING:
    from fix_guard import Hold
    from fix_mysql import MariaDb
    from fix_tls import PrivateCa

TABLE = VersionTable()
KEY = lock_key("migrate", "shop", TABLE.name)
NAME = lock_name("shop", KEY)


def is_free(server: MariaDb, name: str = NAME) -> bool:
    return server.ask(f"select is_free_lock('{name}')") == [(1,)]


def test_it_is_a_named_lock_of_the_databases_own(mariadb: MariaDb, hold: Hold, voice: RecordingVoice) -> None:
    with hold(mariadb.url(), make_context(voice=voice), TABLE) as guard:
        assert not is_free(mariadb)
        assert guard.key == KEY
        with guard.watching(lambda: pytest.fail("it is held")):
            pass
    assert is_free(mariadb)
    assert f"the migration lock is {NAME}, for the table shop.alembic_version" in voice.notes[-1]
    assert len(NAME) <= 64


def test_databases_of_one_server_do_not_share_it(mariadb: MariaDb, hold: Hold, clock: VirtualClock) -> None:
    mariadb.ask("create database if not exists other")
    for more in ({}, {"lock_key": "7"}):
        with hold(mariadb.url("root"), make_context(), TABLE, **more):
            voice = RecordingVoice()
            with hold(mariadb.url("root", "/other"), make_context(voice=voice), TABLE, **more):
                assert voice.missed == []
            elsewhere = VersionTable(schema="shop")
            again = hold(mariadb.url("root", "/other"), make_context(clock=clock), elsewhere, **more)
            with pytest.raises(TimedOutError), again:
                pass


def test_a_holder_is_named_and_waited_for_until_the_timeout(
    mariadb: MariaDb, hold: Hold, clock: VirtualClock, voice: RecordingVoice
) -> None:
    context = make_context(clock=clock, voice=voice, timeout=100, attempt_timeout=5)
    with hold(mariadb.url(), table=TABLE):
        number = mariadb.ask(f"select is_used_lock('{NAME}')")[0][0]
        with pytest.raises(TimedOutError) as caught, hold(mariadb.url(), context, TABLE, lock_timeout="40s"):
            pass
    assert re.search(
        rf"cannot acquire the migration lock: held by connection {number} \(app from \S+\), Sleep for \S+ "
        rf"\(lock {NAME}\); waited for 40s; wait for it to end, or end it: kill {number}",
        str(caught.value),
    ), caught.value
    assert voice.missed[0][1].startswith(f"held by connection {number} (app from ")
    assert len([note for note in voice.notes if note.startswith("still waiting")]) == 2


def test_who_waits_gets_it_once_it_is_free(mariadb: MariaDb, hold: Hold) -> None:
    with mariadb.root() as holder, holder.cursor() as cursor:
        cursor.execute(f"select get_lock('{NAME}', 0)")
        voice = Acting(lambda: cursor.execute("select release_all_locks()"))
        with hold(mariadb.url(), make_context(voice=voice), TABLE) as guard:
            assert guard.waited > 0
    assert voice.missed[0][0] == "the migration lock"


def test_a_lost_session_stops_the_work_and_is_temporary(
    mariadb: MariaDb, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_PAUSE", 0.05)
    stopped = threading.Event()

    def work() -> None:
        number = mariadb.ask(f"select is_used_lock('{NAME}')")[0][0]
        mariadb.ask(f"kill {number}")
        assert stopped.wait(10)

    with hold(mariadb.url(), table=TABLE) as guard:
        message = "cannot keep the migration lock: the session that holds it was ended"
        with pytest.raises(TemporaryError, match=message), guard.watching(stopped.set):
            work()
    with hold(mariadb.url(), table=TABLE):
        pass


def test_errors_are_told_without_the_password(mariadb: MariaDb, hold: Hold) -> None:
    for url, kind in (
        (mariadb.url("app:hunter3"), SuspectError),
        (mariadb.url(path="/nowhere"), SuspectError),
        (mariadb.url("app:hunter2").replace(str(mariadb.port), "1"), TemporaryError),
        (mariadb.url(path=""), PermanentError),
        (mariadb.url(path="/shop?ssl-mode=maybe"), PermanentError),
        (mariadb.url(path="/shop?ssl_ca=/nowhere.pem"), PermanentError),
    ):
        with pytest.raises(kind) as caught, hold(url, make_context(), TABLE):
            pass
        assert "hunter" not in str(caught.value)


@pytest.mark.parametrize("options", ["ssl-mode=REQUIRED", "ssl_ca={ca}", "ssl_ca={ca}&ssl-mode=VERIFY_IDENTITY"])
def test_tls_is_what_the_url_says(mariadb: MariaDb, options: str, private_ca: PrivateCa) -> None:
    url = mariadb.url(path="/shop?" + options.format(ca=private_ca.ca)).replace("127.0.0.1", "localhost")
    connection = mysql_direct.connect(find(parse_dsn(url), "--url"), make_context(), answer=5)
    with connection, connection.cursor() as cursor:
        cursor.execute("show session status like 'Ssl_cipher'")
        assert cursor.fetchall()[0][1]
    url = mariadb.url(path="/shop?ssl-mode=DISABLED", scheme="mysql+pymysql")
    connection = mysql_direct.connect(find(parse_dsn(url), "--url"), make_context(), answer=5)
    with connection, connection.cursor() as cursor:
        cursor.execute("show session status like 'Ssl_cipher'")
        assert not cursor.fetchall()[0][1]


def test_a_socket_is_found_by_its_path(mariadb: MariaDb) -> None:
    database = find(parse_dsn(f"mariadb://root@localhost/shop?unix_socket={mariadb.socket}"), "--url")
    with mysql_direct.connect(database, make_context(), answer=5) as connection, connection.cursor() as cursor:
        cursor.execute("select database()")
        assert cursor.fetchall() == (("shop",),)
    assert mysql_direct.target_of(database) == f"{mariadb.socket}/shop"
