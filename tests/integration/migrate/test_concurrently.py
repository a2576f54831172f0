"""Alembic revisions that work outside transactions: broken off at several points, failing, and run again."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from fix_clock import RecordingVoice, make_context
from fix_guard import eventually

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError, SuspectError
from initkit.core.outcome import Status
from initkit.steps.migrate.step import STEP, Migrate

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from fix_alembic import Builder, Spawn

INDEX = "with op.get_context().autocommit_block():\n    op.execute('create index concurrently i_name on t (name)')"
UNDER_WAY = "select pid from pg_stat_activity where query like 'create %concurrently%' and state = 'active'"


def step_for(project: Builder, url: str, **more: object) -> Migrate:
    return assemble(STEP, {"path": str(project.folder), "url": url} | more)


def asked(url: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(sql.encode()).fetchall()


def table(project: Builder, url: str) -> None:
    """A table that an index is to be made on."""
    project.revision("a1", "op.create_table('t', sa.Column('name', sa.Text))")
    step_for(project, url).apply(make_context())


def kill_once(project: Builder) -> str:
    """The end of a revision that kills alembic's process when it is run for the first time."""
    marker = project.folder / "killed"
    return (
        f"import os, signal\nif not os.path.exists({str(marker)!r}):\n"
        f"    open({str(marker)!r}, 'w').close()\n    os.kill(os.getpid(), signal.SIGKILL)"
    )


@contextmanager
def writing(url: str) -> Iterator[None]:
    """While the block runs, an index cannot be finished."""
    with psycopg.connect(url) as other:
        other.execute("insert into t values ('writing')")
        yield
        other.rollback()


def indexes(url: str) -> list[tuple[str, bool]]:
    return asked(
        url,
        "select c.relname, x.indisvalid from pg_index x join pg_class c on c.oid = x.indexrelid "
        "where x.indrelid = 't'::regclass order by 1",
    )


def ledger(url: str) -> list[tuple[str, str]]:
    return asked(url, "select revision, state from initkit_migrations order by position")


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        found = [int(word) for word in file.read().split()]
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            found += [int(word) for word in file.read().split()]
    return found


def begun(project: Builder, url: str, spawn: Spawn) -> subprocess.Popen[str]:
    """A run that is making the index."""
    run = spawn(project.folder, url)
    eventually(lambda: asked(url, UNDER_WAY), "the index under way")
    return run


def finished(run: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = run.communicate(timeout=60)
    return run.returncode, out + err


def test_an_index_is_made_and_recorded(postgres_url: str, project: Builder) -> None:
    table(project, postgres_url)
    project.revision("b2", INDEX)
    outcome = step_for(project, postgres_url).apply(make_context())
    assert outcome.detail.rpartition(" (")[0] == "1 revision applied: a1 → b2 make b2"
    assert indexes(postgres_url) == [("i_name", True)]
    assert ledger(postgres_url) == [("a1", "applied"), ("b2", "applied")]


def test_the_limit_for_tables_locks_is_lifted_for_the_statement_alone(postgres_url: str, project: Builder) -> None:
    table(project, postgres_url)
    see = "op.get_bind().exec_driver_sql('show lock_timeout').scalar()"
    project.revision("b2", f"{INDEX}\nassert {see} == '100ms', {see}")
    with psycopg.connect(postgres_url) as other:
        other.execute("insert into t values ('writing')")
        waiting = f"{UNDER_WAY} and wait_event_type = 'Lock' and now() - query_start > '500ms'"

        def let_in() -> None:
            eventually(lambda: asked(postgres_url, waiting), "a statement that waits for five times as long")
            other.rollback()

        writer = threading.Thread(target=let_in)
        writer.start()
        step = step_for(project, postgres_url, **{"ddl-lock-timeout": "100ms"})
        assert step.apply(make_context()).status is Status.CHANGED
        writer.join()
    assert indexes(postgres_url) == [("i_name", True)]


@pytest.mark.parametrize("whom", ["parent", "child"])
def test_killed_while_it_makes_an_index_the_next_run_makes_it_anew(
    postgres_url: str, project: Builder, spawn: Spawn, whom: str
) -> None:
    table(project, postgres_url)
    project.revision("b2", INDEX)
    with writing(postgres_url):
        run = begun(project, postgres_url, spawn)
        inner = children(run.pid)
        assert len(inner) == 1
        assert ledger(postgres_url) == [("a1", "applied"), ("b2", "started")]
        os.kill(run.pid if whom == "parent" else inner[0], signal.SIGKILL)
        if whom == "parent":
            assert finished(run)[0] == -signal.SIGKILL
            eventually(lambda: not os.path.exists(f"/proc/{inner[0]}"), "the child's end")
            eventually(lambda: not asked(postgres_url, UNDER_WAY), "the end of the statement")
        else:
            eventually(lambda: not os.path.exists(f"/proc/{inner[0]}"), "the child's end")
    if whom == "parent":
        assert indexes(postgres_url) == [("i_name", False)]
        run = spawn(project.folder, postgres_url)
    code, text = finished(run)
    assert code == 0, text
    assert indexes(postgres_url) == [("i_name", True)]
    assert ledger(postgres_url) == [("a1", "applied"), ("b2", "applied")]


def test_killed_when_the_index_is_whole_and_its_row_is_not_there_it_is_made_anew(
    postgres_url: str, project: Builder, voice: RecordingVoice
) -> None:
    table(project, postgres_url)
    project.revision("b2", f"{INDEX}\n{kill_once(project)}")
    step = step_for(project, postgres_url)
    with pytest.raises(SuspectError, match="alembic's process was killed by SIGKILL"):
        step.apply(make_context(voice=voice))
    assert indexes(postgres_url) == []
    assert any('dropped "public"."i_name"' in note and "b2 will be run again" in note for note in voice.notes)
    assert step.apply(make_context()).status is Status.CHANGED
    assert indexes(postgres_url) == [("i_name", True)]


def test_what_was_broken_off_elsewhere_is_dropped_before_the_revision_runs_again(
    postgres_url: str, project: Builder, voice: RecordingVoice
) -> None:
    """As the run leaves it whose node loses its power."""
    table(project, postgres_url)
    project.revision("b2", INDEX)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("create index i_name on t (name)")
        connection.execute(
            "insert into initkit_migrations (source, revision, state, name, down, checksum, left_behind, position,"
            " seconds, applied_by)"
            " values ('alembic_version', 'b2', 'started', 'b2_step.py', 'a1', '', %s, 2, 0, 'gone')",
            ('[{"statement": "create index", "index": "\\"public\\".\\"i_name\\"", "before": ""}]',),
        )
    assert step_for(project, postgres_url).apply(make_context(voice=voice)).status is Status.CHANGED
    assert any(note.startswith('dropped "public"."i_name"') for note in voice.notes)
    assert ledger(postgres_url) == [("a1", "applied"), ("b2", "applied")]


def test_an_index_that_was_there_before_is_never_dropped(postgres_url: str, project: Builder) -> None:
    table(project, postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("create index i_name on t (name)")
    before = asked(postgres_url, "select 'i_name'::regclass::oid")
    project.revision("b2", INDEX)
    with pytest.raises(PermanentError, match=r'cannot apply revision b2 \(b2_step.py\): relation "i_name" already exi'):
        step_for(project, postgres_url).apply(make_context())
    assert asked(postgres_url, "select 'i_name'::regclass::oid") == before
    assert ledger(postgres_url) == [("a1", "applied")]


def test_a_duplicate_key_leaves_no_index_and_tells_the_servers_reason(postgres_url: str, project: Builder) -> None:
    table(project, postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("insert into t values ('twice'), ('twice')")
    project.revision("b2", INDEX.replace("create index", "create unique index"))
    with pytest.raises(PermanentError, match=r"could not create unique index \"i_name\" .*\(name\)=\(twice\)"):
        step_for(project, postgres_url).apply(make_context())
    assert indexes(postgres_url) == []
    assert ledger(postgres_url) == [("a1", "applied")]


def test_an_index_that_a_revision_left_invalid_on_purpose_is_not_called_migrated(
    postgres_url: str, project: Builder
) -> None:
    table(project, postgres_url)
    asked(postgres_url, "insert into t values ('twice'), ('twice') returning 1")
    swallowed = INDEX.replace("create index", "create unique index").replace("    op", "    try:\n        op")
    project.revision("b2", f"{swallowed}\n    except sa.exc.IntegrityError:\n        pass")
    with pytest.raises(PermanentError, match="is there, but not valid"):
        step_for(project, postgres_url).apply(make_context())


def test_an_invalid_index_that_was_there_before_is_not_forgotten_by_the_next_run(
    postgres_url: str, project: Builder
) -> None:
    table(project, postgres_url)
    asked(postgres_url, "insert into t values ('twice'), ('twice') returning 1")
    with psycopg.connect(postgres_url, autocommit=True) as connection, suppress(psycopg.errors.UniqueViolation):
        connection.execute("create unique index concurrently i_name on t (name)")
    project.revision("b2", INDEX.replace("concurrently", "concurrently if not exists"))
    for _ in range(2):
        with pytest.raises(PermanentError, match=r"b2.*i_name.* is there, but not valid.*DROP INDEX"):
            step_for(project, postgres_url).apply(make_context())
    with psycopg.connect(postgres_url) as connection:
        connection.execute("drop index i_name")
        connection.execute("truncate t")
    step_for(project, postgres_url).apply(make_context())
    assert asked(postgres_url, "select indisvalid from pg_index where indexrelid = 'i_name'::regclass") == [(True,)]


def test_sigterm_cancels_it_and_drops_the_index(postgres_url: str, project: Builder, spawn: Spawn) -> None:
    table(project, postgres_url)
    project.revision("b2", INDEX)
    with writing(postgres_url):
        run = begun(project, postgres_url, spawn)
        run.send_signal(signal.SIGTERM)
        eventually(lambda: not asked(postgres_url, UNDER_WAY), "the end of the statement")
    code, text = finished(run)
    assert code == 143, text
    assert indexes(postgres_url) == []
    assert ledger(postgres_url) == [("a1", "applied")]
    code, text = finished(spawn(project.folder, postgres_url))
    assert (code, indexes(postgres_url)) == (0, [("i_name", True)]), text


@pytest.mark.parametrize(
    "rest", ["op.create_table('more', sa.Column('id', sa.Integer))", "op.execute(\"insert into t values ('x')\")"]
)
def test_a_revision_that_did_more_before_is_named_and_left_to_a_person(
    postgres_url: str, project: Builder, rest: str
) -> None:
    table(project, postgres_url)
    project.revision("b2", f"{rest}\n{INDEX}\n{kill_once(project)}")
    step = step_for(project, postgres_url)
    with pytest.raises(
        PermanentError, match=r"works outside transactions.* may have left is: (CREATE TABLE more|insert)"
    ):
        step.apply(make_context())
    with pytest.raises(
        PermanentError, match=r"apply revision b2 \(b2_step.py\): .*create index concurrently.*alembic stamp b2"
    ) as caught:
        step.apply(make_context())
    sql = caught.value.advice.partition("DELETE")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("drop index i_name")
        connection.execute("drop table if exists more")
        connection.execute((sql[1] + sql[2]).encode())
    assert step.apply(make_context()).status is Status.CHANGED


def test_several_indexes_in_one_revision_are_all_made_anew(postgres_url: str, project: Builder) -> None:
    table(project, postgres_url)
    second = "create index concurrently if not exists i_upper on t (upper(name))"
    project.revision(
        "b2",
        f"{INDEX}\n    op.execute('drop index concurrently if exists i_upper')\n    op.execute({second!r})\n"
        f"{kill_once(project)}",
    )
    step = step_for(project, postgres_url)
    with pytest.raises(SuspectError):
        step.apply(make_context())
    assert indexes(postgres_url) == []
    step.apply(make_context())
    assert indexes(postgres_url) == [("i_name", True), ("i_upper", True)]


def test_a_statement_that_fails_by_itself_leaves_nothing_to_be_undone(postgres_url: str, project: Builder) -> None:
    table(project, postgres_url)
    body = "with op.get_context().autocommit_block():\n    op.execute(\"alter type mood add value 'soso'\")"
    project.revision("b2", body)
    with pytest.raises(PermanentError, match='type "mood" does not exist') as caught:
        step_for(project, postgres_url).apply(make_context())
    assert "outside transactions" not in str(caught.value)
    assert ledger(postgres_url) == [("a1", "applied")]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("create type mood as enum ('good')")
    assert step_for(project, postgres_url).apply(make_context()).status is Status.CHANGED


def test_a_commit_by_hand_counts_as_outside_a_transaction(postgres_url: str, project: Builder) -> None:
    table(project, postgres_url)
    project.revision(
        "b2", "op.create_table('early', sa.Column('id', sa.Integer))\nop.execute('commit')\nop.execute('select 1/0')"
    )
    with pytest.raises(PermanentError, match=r"division by zero.*may have left is: CREATE TABLE early"):
        step_for(project, postgres_url).apply(make_context())


def test_a_later_failure_takes_the_version_row_back_and_the_index_with_it(postgres_url: str, project: Builder) -> None:
    """Without transaction_per_migration, what follows an autocommit_block shares one transaction."""
    table(project, postgres_url)
    project.revision("b2", INDEX)
    project.revision("c3", "op.execute('select 1/0')")
    with pytest.raises(PermanentError, match=r"apply revision c3 .*division by zero"):
        step_for(project, postgres_url).apply(make_context())
    assert indexes(postgres_url) == []
    project.revision("c3", "pass", down="b2")
    assert step_for(project, postgres_url).apply(make_context()).facts["to"] == ["c3"]
    assert indexes(postgres_url) == [("i_name", True)]
