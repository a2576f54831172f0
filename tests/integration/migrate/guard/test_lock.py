"""The migration lock on PostgreSQL: who has it, who waits for it, and how it is lost."""

from __future__ import annotations

import re
import signal
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest
from fix_clock import RecordingVoice, VirtualClock, make_context
from fix_guard import Acting, eventually, left_behind, rows
from fix_proxy import STALLS, to_port

from initkit.core.errors import PermanentError, Stopped, TemporaryError, TimedOutError
from initkit.core.stop import Stop
from initkit.db.postgres import lock_key
from initkit.db.revisions import VersionTable
from initkit.steps.migrate.guard import postgres_lock, watch
from initkit.steps.migrate.guard.postgres_lock import PostgresLock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_guard import Hold
    from fix_pg_clusters import Cluster
    from fix_proxy import Connect, Proxy

KEY = lock_key("migrate", "public", "t")
END = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s"


def test_it_is_an_advisory_lock_of_a_session_that_says_what_it_is(postgres_url: str, hold: Hold) -> None:
    context = make_context(environ={"HOSTNAME": "shop-7f9c"})
    with hold(postgres_url, context) as guard:
        assert guard.tag == f"initkit/{KEY & 0xFFFFFFFF:08x}/shop-7f9c"
        found = rows(
            postgres_url,
            "select a.application_name, a.state from pg_locks l join pg_stat_activity a using (pid) "
            "where l.locktype = 'advisory' and ((l.classid::bigint << 32) | l.objid::bigint) = %s",
            KEY,
        )
        assert found == [(f"{guard.tag}#lock", "idle")]
    assert left_behind(postgres_url) == []


def test_its_number_is_told_and_may_be_given(postgres_url: str, hold: Hold, voice: RecordingVoice) -> None:
    with hold(postgres_url, make_context(voice=voice), lock_key="-5") as guard:
        assert guard.key == -5
        assert rows(postgres_url, "select pg_try_advisory_lock(-5)") == [(False,)]
        with guard.watching(lambda: None):
            pass
    assert "advisory lock -5, for the table public.t" in voice.notes[-1]


@pytest.mark.parametrize(
    ("path", "before", "schema"),
    [
        ("public", "", "public"),
        ("app, public", "create schema app", "app"),
        ("app, public", "create schema app; create table public.t ()", "public"),
        ('"App"', "", "App"),  # which the first migration may make, while the next pod starts
        ("app, public", "create schema app; create table app.t (); create table public.t ()", "app"),
    ],
)
def test_a_table_has_one_lock_however_its_schema_is_written(
    postgres_url: str, hold: Hold, path: str, before: str, schema: str
) -> None:
    name = urlsplit(postgres_url).path[1:]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(before or "select 1")
        connection.execute(f"alter database {name} set search_path = {path}")
    with hold(postgres_url, table=VersionTable("t")) as guard:
        assert guard.key == lock_key("migrate", schema, "t")
    with hold(postgres_url, table=VersionTable("t", schema)) as guard:
        assert guard.key == lock_key("migrate", schema, "t")


def test_a_holder_is_named_with_what_it_does_but_not_its_secrets(
    postgres_url: str, hold: Hold, clock: VirtualClock, voice: RecordingVoice
) -> None:
    with psycopg.connect(postgres_url, autocommit=True, application_name="other-tool") as holder:
        holder.execute("select pg_advisory_lock(%s::bigint), 'hunter2'", (KEY,))
        with pytest.raises(TimedOutError) as caught, hold(postgres_url, make_context(clock=clock, voice=voice)):
            pass
        pid = holder.info.backend_pid
    message = str(caught.value)
    assert re.search(
        rf"cannot acquire the migration lock: held by pid {pid} \(other-tool from local, idle for \d+s?, connected "
        rf"for \d+s?, query: select pg_advisory_lock\(\$1::bigint\), '…\) \(lock {KEY}\); waited for [\w.]+; wait for "
        rf"it to end, or end it: select pg_terminate_backend\({pid}\)",
        message,
    ), message
    assert voice.missed[0] == ("the migration lock", f"held by pid {pid} (other-tool from local, idle)")
    assert "hunter2" not in message + str(voice)
    assert left_behind(postgres_url) == []


def test_every_fifteen_seconds_a_line_says_who_holds_it_and_what_its_work_is(
    postgres_url: str, hold: Hold, clock: VirtualClock, voice: RecordingVoice
) -> None:
    with hold(postgres_url) as guard, psycopg.connect(postgres_url, application_name=guard.tag) as work:
        pid = work.info.backend_pid
        work.execute("create table orders ()")
        context = make_context(clock=clock, voice=voice, timeout=50, attempt_timeout=5)
        with pytest.raises(TimedOutError), hold(postgres_url, context):
            pass
    assert len(voice.notes) == 4, "its number, and a line after 15, 30 and 45 s"
    assert voice.notes[1].startswith("still waiting for the migration lock after 1")
    assert f"({guard.tag}#lock from local, idle for" in voice.notes[1]
    assert f"it is at work as pid {pid}" in voice.notes[1]
    assert "query: create table orders ()" in voice.notes[1]
    assert 0.08 <= clock.sleeps[0] <= 0.12
    assert max(clock.sleeps) <= 2.4


def test_it_is_waited_for_no_longer_than_its_own_timeout(postgres_url: str, hold: Hold, clock: VirtualClock) -> None:
    began = clock.now()
    patient = hold(postgres_url, make_context(clock=clock, timeout=500), lock_timeout="30s")
    with hold(postgres_url), pytest.raises(TimedOutError), patient:
        pass
    assert clock.now() - began == pytest.approx(30, abs=0.01)


def test_who_waits_gets_it_once_it_is_free(postgres_url: str, hold: Hold) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as holder:
        holder.execute("select pg_advisory_lock(%s)", (KEY,))
        voice = Acting(lambda: holder.execute("select pg_advisory_unlock_all()"))
        with hold(postgres_url, make_context(voice=voice)) as guard:
            assert guard.waited > 0
    assert voice.missed[0][0] == "the migration lock"
    assert voice.founds == ["the migration lock"]


def test_a_signal_ends_the_wait(postgres_url: str, hold: Hold) -> None:
    stop = Stop()
    with hold(postgres_url):
        voice = Acting(lambda: stop.request(signal.SIGTERM))
        with pytest.raises(Stopped), hold(postgres_url, make_context(stop=stop, voice=voice)):
            pass
    assert left_behind(postgres_url) == []


def test_a_lost_session_stops_the_work_and_is_temporary(
    postgres_url: str, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_PAUSE", 0.05)
    stopped = threading.Event()
    calls: list[None] = []

    def stop_work() -> None:
        calls.append(None)
        stopped.set()

    def work(session: str) -> None:
        assert rows(postgres_url, END, session) == [(True,)]
        assert stopped.wait(10)
        raise PermanentError("apply", "the statement was cancelled", done="1 revision")

    with hold(postgres_url) as guard:
        message = "cannot keep the migration lock: the session that holds it was ended"
        with pytest.raises(TemporaryError, match=message) as caught, guard.watching(stop_work):
            work(f"{guard.tag}#lock")
        assert caught.value.done == "1 revision"
        with pytest.raises(TemporaryError, match="keep the migration lock"), guard.watching(stop_work):
            pytest.fail("nothing is begun without the lock")
    assert len(calls) == 1
    assert left_behind(postgres_url) == []
    with hold(postgres_url):
        assert not [thread for thread in threading.enumerate() if thread.name == "migration-lock"]


def test_a_lock_that_its_session_gave_back_is_lost(
    postgres_url: str, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_PAUSE", 0.05)
    stopped = threading.Event()
    with hold(postgres_url) as guard:
        assert guard._watch
        lock = guard._watch._lock
        assert isinstance(lock, PostgresLock)
        lock.connection.execute("select pg_advisory_unlock_all()")
        with pytest.raises(TemporaryError, match=r"pid \d+ does not hold it any more"), guard.watching(stopped.set):
            assert stopped.wait(10)


def test_a_question_that_is_cancelled_loses_nothing(
    postgres_url: str, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_PAUSE", 0.001)
    cancel = "select pg_cancel_backend(pid) from pg_stat_activity where application_name = %s"
    with (
        psycopg.connect(postgres_url, autocommit=True) as other,
        hold(postgres_url) as guard,
        guard.watching(lambda: pytest.fail("it is held")),
    ):
        for _ in range(200):
            other.execute(cancel, (f"{guard.tag}#lock",))


def test_who_blocks_a_session_of_ours_is_told_while_it_does(
    postgres_url: str, hold: Hold, voice: RecordingVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_PAUSE", 0.05)
    with (
        psycopg.connect(postgres_url, application_name="reader") as reader,
        hold(postgres_url, make_context(voice=voice)) as guard,
        psycopg.connect(postgres_url, application_name=guard.tag) as ours,
    ):
        ours.execute("create table t (i int)")
        ours.commit()
        reader.execute("select * from t")
        with guard.watching(lambda: pytest.fail("it is held")):
            blocked = threading.Thread(target=ours.execute, args=("alter table t add j int",))
            blocked.start()
            eventually(guard.blocker)
            reader.rollback()
            blocked.join(10)
            eventually(lambda: voice.founds)
        pid = reader.info.backend_pid
        assert guard.blocker() == f"pid {pid} (reader from local, idle in transaction)"
    assert voice.missed[0] == ("the migration under way", f"waits for a lock held by {guard.blocker()}")
    assert voice.founds == ["the migration under way"]


def test_an_index_is_made_concurrently_while_others_wait_for_the_lock(postgres_url: str, hold: Hold) -> None:
    with hold(postgres_url) as guard, psycopg.connect(postgres_url, autocommit=True) as ours:
        ours.execute("create table t (i int)")
        stop = Stop()

        def wait() -> None:
            with pytest.raises(Stopped), hold(postgres_url, make_context(stop=stop)):
                pass

        waiting = threading.Thread(target=wait)
        waiting.start()
        there = "select from pg_stat_activity where application_name = %s"
        eventually(lambda: len(rows(postgres_url, there, f"{guard.tag}#lock")) == 2)
        ours.execute("set statement_timeout = '20s'")
        ours.execute("create index concurrently i on t (i)")
        stop.request(signal.SIGTERM)
        waiting.join(10)


def test_a_server_that_does_not_answer_any_more_has_lost_it(
    new_cluster: Callable[[str], Cluster],
    hold: Hold,
    proxy: Callable[[Connect], Proxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "_PAUSE", 0.05)
    monkeypatch.setattr(postgres_lock, "ANSWER", 0.5)
    monkeypatch.setattr(postgres_lock, "_FAREWELL", 0.2)
    cluster = new_cluster("silent")
    with cluster.running():
        between = proxy(to_port(cluster.port))
        stopped = threading.Event()

        def work() -> None:
            between.become(STALLS)
            assert stopped.wait(10)

        with hold(cluster.url().replace(str(cluster.port), str(between.port))) as guard:
            message = r"the session that holds it does not answer any more \(no answer to the query\)"
            with pytest.raises(TemporaryError, match=message), guard.watching(stopped.set):
                work()


def test_a_file_is_locked_for_as_long_as_its_own_timeout_says(tmp_path: Path, hold: Hold, clock: VirtualClock) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    patient = hold(url, make_context(clock=clock, timeout=500), lock_timeout="30s")
    with hold(url) as guard:
        began = clock.now()
        with pytest.raises(TimedOutError, match="held by another run on this volume"), patient:
            pass
        assert clock.now() - began == pytest.approx(30, abs=0.01)
        with guard.watching(lambda: pytest.fail("it cannot be lost")):
            assert guard.blocker() == ""
