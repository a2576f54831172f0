"""What a run that is gone has left at work: that it ends soon, and what happens to it where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import pytest
from fix_clock import RecordingVoice, VirtualClock, make_context
from fix_guard import SOON, Acting, comes, left_behind, options_for, rows

from initkit.core.errors import PermanentError, TimedOutError
from initkit.db.postgres import lock_key
from initkit.steps.migrate.guard.session import LOCKING, apply_settings, settings_for
from initkit.steps.migrate.guard.tag import family

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_guard import Client, Hold
    from fix_pg_clusters import Cluster

KEY = lock_key("migrate", "public", "t")
ORPHAN = f"{family(KEY)}shop-6d5f"
STILL = "select 1 from pg_stat_activity where application_name = %s"


@pytest.fixture(scope="module")
def cluster(new_cluster: Callable[[str], Cluster]) -> Cluster:
    return new_cluster("orphans")


@pytest.mark.parametrize("statement", ["select pg_sleep(60)", "lock table t"])
@pytest.mark.parametrize("way", ["socket", "tcp"])
def test_a_killed_clients_statement_ends_within_seconds(
    cluster: Cluster, client: Client, statement: str, way: str
) -> None:
    with cluster.running():
        url = cluster.url(host=quote(str(cluster.folder), safe="")) if way == "socket" else cluster.url()
        with psycopg.connect(url) as holder:
            holder.execute("create table if not exists t ()")
            holder.commit()
            holder.execute("lock table t")
            child = client(url, ORPHAN, f"begin; {statement}", careful=True)
            child.kill()
            child.wait()
            assert comes(lambda: not rows(url, STILL, ORPHAN), SOON)


def test_settings_that_a_server_refuses_cost_nothing_but_themselves(postgres_url: str) -> None:
    settings = settings_for(options_for(url=postgres_url, ddl_lock_timeout="250ms"))
    for autocommit in (True, False):
        with psycopg.connect(postgres_url, autocommit=autocommit) as connection:
            refused = apply_settings(connection, settings | {"no_such_setting": "1"}, connection.info.server_version)
            assert refused == ["no_such_setting"]
            assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
            connection.rollback()
            found = connection.execute("select current_setting('lock_timeout'), current_setting('statement_timeout')")
            assert found.fetchone() == ("250ms", "0")


def test_a_server_is_not_asked_for_what_its_version_does_not_know(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        assert apply_settings(connection, LOCKING, 110000) == []
        assert connection.execute("show client_connection_check_interval").fetchone() == ("0",)
        assert apply_settings(connection, LOCKING, connection.info.server_version) == []
        assert connection.execute("show client_connection_check_interval").fetchone() == ("1s",)


def test_who_waits_for_the_lock_waits_for_what_is_still_at_work(postgres_url: str, hold: Hold, client: Client) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(77)")
        client(postgres_url, ORPHAN, "select pg_advisory_lock(77)")
        voice = Acting(lambda: other.execute("select pg_advisory_unlock(77)"))
        with hold(postgres_url, make_context(voice=voice)) as guard:
            assert not rows(postgres_url, STILL, ORPHAN)
            assert guard.waited > 0
    assert voice.missed[0][0] == "what an earlier run left at work"
    assert f"({ORPHAN} from local, active) is still at work" in voice.missed[0][1]
    assert voice.founds == ["what an earlier run left at work"]


def test_what_stays_at_work_is_named_at_the_deadline(postgres_url: str, hold: Hold, clock: VirtualClock) -> None:
    with psycopg.connect(postgres_url, application_name=ORPHAN) as orphan:
        orphan.execute("create table half ()")  # it sits in its transaction, and does nothing
        pid = orphan.info.backend_pid
        with pytest.raises(TimedOutError) as caught, hold(postgres_url, make_context(clock=clock)):
            pass
    message = str(caught.value)
    assert message.startswith(f"cannot wait for what an earlier run left at work: pid {pid} ({ORPHAN} from local, idle")
    assert "create table half ()" in message
    assert f"--kill-stale, or select pg_terminate_backend({pid})" in message
    assert left_behind(postgres_url) == []


def test_it_is_ended_where_that_is_asked_for(
    postgres_url: str, hold: Hold, client: Client, voice: RecordingVoice
) -> None:
    child = client(postgres_url, ORPHAN, "select pg_sleep(60)")
    with hold(postgres_url, make_context(voice=voice), kill_stale="true"):
        assert not rows(postgres_url, STILL, ORPHAN)
    assert child.wait(10) != 0
    assert len(voice.warnings) == 1
    assert voice.warnings[0].startswith("ending pid ")
    assert "select pg_sleep(60)" in voice.warnings[0]


@pytest.mark.parametrize(
    "name", [f"{ORPHAN}#look", f"{ORPHAN}#lock", "initkit/00000000/other", "initkit/migrate", "psql"]
)
def test_others_are_not_taken_for_it(postgres_url: str, hold: Hold, client: Client, name: str) -> None:
    client(postgres_url, name, "select pg_sleep(60)")
    with hold(postgres_url, make_context(), kill_stale="true"):
        assert rows(postgres_url, STILL, name)


def test_an_idle_session_is_not_waited_for(postgres_url: str, hold: Hold) -> None:
    with psycopg.connect(postgres_url, application_name=ORPHAN, autocommit=True) as idle:
        idle.execute("select 1")
        with hold(postgres_url, make_context()):
            assert idle.execute("select 1").fetchone() == (1,)


def test_one_of_another_role_that_may_not_be_ended_is_permanent(
    cluster: Cluster, hold: Hold, client: Client, clock: VirtualClock
) -> None:
    with cluster.running():
        url = cluster.url(user="app:hunter2")
        client(cluster.url(), ORPHAN, "select pg_sleep(60)")
        message = "shop-6d5f from local, state not shown to us"
        with pytest.raises(TimedOutError, match=message), hold(url, make_context(clock=clock)):
            pass
        message = "belongs to another role, and ours may not end it; migrate as that role"
        with pytest.raises(PermanentError, match=message), hold(url, make_context(), kill_stale="true"):
            pass
        assert all(ORPHAN in row for row in left_behind(cluster.url()))


def test_an_idle_session_of_another_role_is_not_waited_for(cluster: Cluster, hold: Hold) -> None:
    with (
        cluster.running(),
        psycopg.connect(cluster.url(), application_name=ORPHAN, autocommit=True) as idle,
    ):
        idle.execute("select 1")
        with hold(cluster.url(user="app:hunter2"), make_context()):
            assert idle.execute("select 1").fetchone() == (1,)


def test_where_the_server_does_not_track_activities_work_is_told_by_its_transaction(
    postgres_url: str, hold: Hold, clock: VirtualClock
) -> None:
    with psycopg.connect(postgres_url, application_name=ORPHAN, autocommit=True) as orphan:
        orphan.execute("set track_activities = off")
        with hold(postgres_url, make_context()):
            assert orphan.execute("select 1").fetchone() == (1,)
        orphan.execute("begin")
        with pytest.raises(TimedOutError, match="disabled"), hold(postgres_url, make_context(clock=clock)):
            pass


def test_the_work_of_a_run_under_a_number_with_the_same_end_is_left_alone(
    postgres_url: str, hold: Hold, client: Client
) -> None:
    with hold(postgres_url, lock_key="1") as other:
        client(postgres_url, other.tag, "select pg_sleep(60)")
        with hold(postgres_url, make_context(), lock_key=str(2**32 + 1), kill_stale="true") as guard:
            assert guard.tag == other.tag
            assert rows(postgres_url, STILL, other.tag)
