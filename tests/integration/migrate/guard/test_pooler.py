"""Poolers before PostgreSQL: what is safe behind them, what is refused, and how a direct URL leads past them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_clock import RecordingVoice, make_context
from fix_guard import all_leave, eventually, rows

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError, TemporaryError, UsageError
from initkit.steps.migrate.guard import pooler
from initkit.steps.migrate.step import STEP

if TYPE_CHECKING:
    from pathlib import Path

    from fix_guard import Client, Hold
    from fix_pgbouncer import StartBouncer

LOCKS = "select count(*) from pg_locks where locktype = 'advisory' and granted"


def test_a_pool_of_sessions_is_found_out_and_holds_the_lock(
    postgres_url: str, hold: Hold, start_bouncer: StartBouncer, voice: RecordingVoice
) -> None:
    url = start_bouncer("session").url(postgres_url)
    with hold(url, make_context(voice=voice)) as guard:
        with guard.watching(lambda: pytest.fail("it is held")):
            assert rows(postgres_url, "select pg_try_advisory_lock(%s)", guard.key) == [(False,)]
        assert guard.database.address == url
    assert any("lets sessions keep their backend" in detail for detail in voice.details)
    assert rows(postgres_url, LOCKS) == [(0,)]


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("more", ["server_round_robin = 0", "server_round_robin = 1"])
def test_a_pool_of_transactions_is_refused_with_advice(
    postgres_url: str, hold: Hold, start_bouncer: StartBouncer, mode: str, more: str
) -> None:
    bouncer = start_bouncer(mode, more=more)
    url = bouncer.url(postgres_url)
    message = f"127.0.0.1:{bouncer.port}/test_.* is a pooler .*--direct-url, MIGRATION_DATABASE_URL or DIRECT_URL"
    with pytest.raises(PermanentError, match=message), hold(url):
        pass
    for _ in range(3):  # of other clients, with idle sessions to choose from
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as other:
            other.execute("select 1")
            with pytest.raises(PermanentError, match="is a pooler"), hold(url):
                pass
    assert rows(postgres_url, LOCKS) == [(0,)]


@pytest.mark.parametrize("variable", ["MIGRATION_DATABASE_URL", "DIRECT_URL"])
def test_a_variable_leads_past_it(
    postgres_url: str, hold: Hold, start_bouncer: StartBouncer, voice: RecordingVoice, variable: str
) -> None:
    environ = {"DATABASE_URL": start_bouncer("transaction").url(postgres_url), variable: postgres_url}
    with hold("", make_context(environ=environ, voice=voice)) as guard:
        assert guard.database.source == f"the environment variable {variable}"
        assert rows(postgres_url, LOCKS) == [(1,)]
    assert not any("pooler" in note for note in voice.notes)


def test_a_typed_direct_url_goes_before_everything(postgres_url: str, hold: Hold, start_bouncer: StartBouncer) -> None:
    pool = start_bouncer("transaction").url(postgres_url)
    environ = {"DATABASE_URL": pool, "DIRECT_URL": pool, "REAL": postgres_url}
    with hold(pool, make_context(environ=environ), direct_url_env="REAL") as guard:
        assert guard.database.address == postgres_url
    with pytest.raises(PermanentError, match="is a pooler"), hold("", make_context(environ=environ)):
        pass


def test_past_a_typed_url_a_variable_leads_only_from_a_pooler_and_to_the_same_database(
    postgres_url: str, postgres_server: str, hold: Hold, start_bouncer: StartBouncer, voice: RecordingVoice
) -> None:
    pool = start_bouncer("transaction").url(postgres_url)
    with hold(pool, make_context(environ={"DIRECT_URL": postgres_url}, voice=voice)) as guard:
        assert guard.database.address == postgres_url
    assert "migrating by the environment variable DIRECT_URL" in voice.notes[0]
    with hold(postgres_url, make_context(environ={"DIRECT_URL": "postgres://nowhere.invalid/x"})) as guard:
        assert guard.database.address == postgres_url
    elsewhere = make_context(environ={"DIRECT_URL": postgres_server})
    with pytest.raises(PermanentError, match="is a pooler"), hold(pool, elsewhere):
        pass
    with pytest.raises(UsageError, match="DIRECT_URL: expected"), hold(pool, make_context(environ={"DIRECT_URL": "x"})):
        pass


def test_a_direct_url_that_is_a_pooler_too_is_refused(
    postgres_url: str, hold: Hold, start_bouncer: StartBouncer
) -> None:
    first, second = (start_bouncer("transaction") for _ in range(2))
    context = make_context(environ={"DIRECT_URL": second.url(postgres_url)})
    message = rf"127.0.0.1:{second.port}/\S+ is a pooler"
    with pytest.raises(PermanentError, match=message), hold(first.url(postgres_url), context):
        pass


def test_a_pool_of_one_session_is_temporary_and_named(
    postgres_url: str, hold: Hold, start_bouncer: StartBouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooler, "ANSWER", 1.0)
    url = start_bouncer("session", size=1).url(postgres_url)
    message = r"the pooler gives us no second session .* let the pool be larger"
    with pytest.raises(TemporaryError, match=message), hold(url):
        pass


def test_a_pooler_that_passes_on_the_servers_number_is_found_out_under_the_lock_which_it_frees(
    postgres_url: str, hold: Hold, start_bouncer: StartBouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooler, "answers_logins", lambda *_: False)
    with pytest.raises(PermanentError, match="is a pooler"), hold(start_bouncer("transaction").url(postgres_url)):
        pass
    eventually(lambda: rows(postgres_url, LOCKS) == [(0,)])


def test_a_client_killed_behind_a_pool_of_sessions_leaves_no_lock(
    postgres_url: str, hold: Hold, start_bouncer: StartBouncer, client: Client
) -> None:
    url = start_bouncer("session").url(postgres_url)
    child = client(
        postgres_url, "initkit/killed", "select pg_advisory_lock(1), pg_sleep(60)", careful=True, through=url
    )
    assert rows(postgres_url, LOCKS) == [(1,)]
    child.kill()
    all_leave(postgres_url)
    with hold(url):
        pass


def test_a_pool_of_statements_is_refused_at_the_first_look(
    postgres_url: str, start_bouncer: StartBouncer, tmp_path: Path
) -> None:
    (tmp_path / "1_t.sql").write_text("create table t (id int);")
    step = assemble(STEP, {"path": str(tmp_path), "url": start_bouncer("statement").url(postgres_url)})
    with pytest.raises(PermanentError, match=r"a pooler is in the way.*DIRECT_URL"):
        step.check(make_context())
