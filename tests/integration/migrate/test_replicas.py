"""Many at once, killed at any instant, told to stop, or kept waiting by a holder of the lock."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_clock import RecordingVoice, VirtualClock, make_context
from fix_guard import eventually, rows

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError, Stopped, TemporaryError, TimedOutError
from initkit.core.outcome import Satisfied
from initkit.core.stop import Stop
from initkit.db.postgres import lock_key
from initkit.steps.migrate.step import STEP, Migrate

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fix_alembic import Builder, Spawn

REPLICAS = 5  # there are fifty in test_fifty.py
SLEEPS = "select pid from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'"


def step_for(path: object, url: str) -> Migrate:
    return assemble(STEP, {"path": str(path), "url": url})


def counting(project: Builder, count: int) -> None:
    """Revisions that fail when they are applied twice, and write down each time that they are."""
    project.revision("r00", "op.create_table('journal', sa.Column('name', sa.Text))")
    for number in range(1, count):
        name = f"r{number:02}"
        project.revision(
            name,
            f"op.create_table('t_{name}', sa.Column('id', sa.Integer))\n"
            f"op.execute(\"insert into journal values ('{name}')\")",
        )


def journal(url: str) -> list[str]:
    text = "select name from journal order by name"
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            return [row[0] for row in file.execute(text)]
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(text)]


def finished(child: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = child.communicate(timeout=60)
    return child.returncode, out + err


def test_replicas_at_once_apply_each_revision_once(any_url: str, project: Builder, spawn: Spawn) -> None:
    counting(project, 6)
    children = [spawn(project.folder, any_url) for _ in range(REPLICAS)]
    results = [finished(child) for child in children]
    assert [code for code, _ in results] == [0] * REPLICAS, results
    assert sum("6 revisions applied" in text for _, text in results) == 1
    assert journal(any_url) == [f"r{number:02}" for number in range(1, 6)]


def test_killed_at_random_instants_it_converges(any_url: str, project: Builder, spawn: Spawn) -> None:
    project.env(
        (project.folder / "env.py").read_text().replace("target_metadata=None", "transaction_per_migration=True")
    )
    counting(project, 12)
    chance = random.Random(4)
    for _ in range(4):
        pair = [spawn(project.folder, any_url) for _ in range(2)]
        time.sleep(chance.uniform(0.6, 1.2))
        for child in pair:
            child.kill()
            child.communicate()
    code, text = finished(spawn(project.folder, any_url))
    assert code == 0, text
    assert journal(any_url) == [f"r{number:02}" for number in range(1, 12)]
    assert isinstance(step_for(project.folder, any_url).check(make_context()), Satisfied)


def test_killed_between_any_two_statements_it_converges(any_url: str, project: Builder, spawn: Spawn) -> None:
    """Random instants mostly hit the start: here all of it dies in each revision, between its table and its row."""
    project.env(
        (project.folder / "env.py").read_text().replace("target_metadata=None", "transaction_per_migration=True")
    )
    project.revision("r00", "op.create_table('journal', sa.Column('name', sa.Text))")
    for number in range(1, 5):
        name = f"r{number:02}"
        marker = project.folder / f"killed_{name}"
        project.revision(
            name,
            f"op.create_table('t_{name}', sa.Column('id', sa.Integer))\n"
            "import os, signal\n"
            f"if not os.path.exists({str(marker)!r}):\n"
            f"    open({str(marker)!r}, 'w').close()\n"
            "    os.kill(os.getppid(), signal.SIGKILL)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
            f"op.execute(\"insert into journal values ('{name}')\")",
        )
    codes = [finished(spawn(project.folder, any_url))[0] for _ in range(5)]
    assert codes == [-signal.SIGKILL] * 4 + [0]
    assert journal(any_url) == ["r01", "r02", "r03", "r04"]


def test_a_holder_of_the_lock_is_named_and_waited_for_until_the_deadline(
    postgres_url: str, project: Builder, clock: VirtualClock, voice: RecordingVoice
) -> None:
    project.tables("a1")
    with psycopg.connect(postgres_url, autocommit=True, application_name="other-tool") as holder:
        holder.execute("select pg_advisory_lock(%s)", (lock_key("migrate", "public", "alembic_version"),))
        with pytest.raises(TimedOutError, match=r"acquire the migration lock: held by pid \d+ \(other-tool from"):
            step_for(project.folder, postgres_url).apply(make_context(clock=clock, voice=voice))
    assert voice.missed[0][0] == "the migration lock"
    assert "other-tool" in voice.missed[0][1]


def test_a_holder_that_hangs_is_named_with_its_work_and_once_it_is_killed_the_next_run_succeeds(
    postgres_url: str, project: Builder, spawn: Spawn, clock: VirtualClock
) -> None:
    slow(project, postgres_url)
    child = spawn(project.folder, postgres_url)
    eventually(lambda: rows(postgres_url, SLEEPS), "the statement")
    child.send_signal(signal.SIGSTOP)
    message = (
        r"held by pid \d+ \(initkit/[0-9a-f]{8}/\S+#lock from local, idle for .*; it is at work as pid \d+ .*"
        r"query: select pg_sleep\(60\)\)"
    )
    with pytest.raises(TimedOutError, match=message):
        step_for(project.folder, postgres_url).apply(make_context(clock=clock))
    child.kill()
    child.communicate()
    project.revision("a1", "op.create_table('t', sa.Column('i', sa.Integer))", down=None)
    outcome = step_for(project.folder, postgres_url).apply(make_context())
    assert outcome.detail.rpartition(" (")[0] == "1 revision applied: (base) → a1 make a1"


def test_a_holder_of_the_files_lock_is_waited_for_until_the_deadline(
    project: Builder, tmp_path: Path, clock: VirtualClock
) -> None:
    project.tables("a1")
    with open(tmp_path / "shop.db.initkit-lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TimedOutError, match="acquire the migration lock: held by another run"):
            step_for(project.folder, f"sqlite:///{tmp_path}/shop.db").apply(make_context(clock=clock))


def test_who_waited_for_the_lock_finds_the_work_done(any_url: str, project: Builder) -> None:
    project.tables("a1")
    step = step_for(project.folder, any_url)
    assert not isinstance(step.check(make_context()), Satisfied)
    step.apply(make_context())
    outcome = step.apply(make_context())
    assert outcome.detail == "at head a1; another run got there first"
    assert "lock_waited_s" in outcome.facts


SLOW_SQLITE = (
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000000000) insert into t select i from n"
)


def slow(project: Builder, url: str) -> None:
    statement = SLOW_SQLITE if url.startswith("sqlite") else "select pg_sleep(60)"
    project.revision("a1", f"op.create_table('t', sa.Column('i', sa.Integer))\nop.execute({statement!r})")


def is_at_work(url: str) -> bool:
    """Whether the statement of `slow` is: on SQLite it has written more than is kept in memory."""
    if url.startswith("sqlite"):
        file = url.removeprefix("sqlite:///")
        return os.path.exists(file) and os.path.getsize(file) > 1_000_000
    return bool(rows(url, SLEEPS))


@contextmanager
def stopped_once(condition: Callable[[], object], stop: Stop) -> Iterator[None]:
    """While the block runs, the end is asked for as soon as something is so."""

    def stopping() -> None:
        eventually(condition, "the work under way")
        stop.request(signal.SIGTERM)

    thread = threading.Thread(target=stopping)
    thread.start()
    yield
    thread.join()


def test_a_signal_cancels_the_statement_and_rolls_back(any_url: str, project: Builder) -> None:
    slow(project, any_url)
    stop = Stop()
    with stopped_once(lambda: is_at_work(any_url), stop), pytest.raises(Stopped):
        step_for(project.folder, any_url).apply(make_context(stop=stop))
    assert not stop.has_work_in_flight
    project.revision("a1", "op.create_table('t', sa.Column('i', sa.Integer))", down=None)
    assert (
        step_for(project.folder, any_url).apply(make_context()).detail.rpartition(" (")[0]
        == "1 revision applied: (base) → a1 make a1"
    )


def test_a_process_ends_on_sigterm_and_frees_the_lock(postgres_url: str, project: Builder, spawn: Spawn) -> None:
    slow(project, postgres_url)
    child = spawn(project.folder, postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        eventually(lambda: connection.execute(SLEEPS).fetchall(), "the statement")
        child.send_signal(signal.SIGTERM)
        code, text = finished(child)
        assert code == 143, text
        assert connection.execute("select count(*) from pg_locks where locktype = 'advisory'").fetchone() == (0,)
        assert connection.execute("select to_regclass('t')").fetchone() == (None,)


def test_a_signal_while_python_runs_stops_before_the_next_statement(any_url: str, project: Builder) -> None:
    marker = project.folder / "began"
    began = f"open({str(marker)!r}, 'w').close()\nimport time\ntime.sleep(1)\n"
    project.revision("a1", f"{began}op.create_table('t', sa.Column('i', sa.Integer))")
    stop = Stop()
    with stopped_once(marker.exists, stop), pytest.raises(Stopped):
        step_for(project.folder, any_url).apply(make_context(stop=stop))
    assert not isinstance(step_for(project.folder, any_url).check(make_context()), Satisfied)


def test_a_connection_lost_in_a_transaction_is_temporary_and_the_next_attempt_succeeds(
    postgres_url: str, project: Builder
) -> None:
    marker = project.folder / "lost"
    project.revision(
        "a1",
        "op.create_table('t', sa.Column('i', sa.Integer))\nimport os\n"
        f"if not os.path.exists({str(marker)!r}):\n    open({str(marker)!r}, 'w').close()\n"
        "    op.execute('select pg_terminate_backend(pg_backend_pid())')",
    )
    with pytest.raises(TemporaryError, match="cannot apply revision a1"):
        step_for(project.folder, postgres_url).apply(make_context())
    assert step_for(project.folder, postgres_url).apply(make_context()).facts["to"] == ["a1"]


def test_what_failed_outside_a_transaction_is_not_tried_again(postgres_url: str, project: Builder) -> None:
    project.revision(
        "a1",
        "with op.get_context().autocommit_block():\n    op.execute('create table half (id integer)')\n"
        "    op.execute('select pg_terminate_backend(pg_backend_pid())')",
    )
    with pytest.raises(PermanentError, match=r"cannot apply revision a1 .* works outside transactions"):
        step_for(project.folder, postgres_url).apply(make_context())


def test_another_writer_in_the_sqlite_file_is_temporary(project: Builder, tmp_path: Path) -> None:
    project.env(
        (project.folder / "env.py").read_text().replace("poolclass=", "connect_args={'timeout': 0.1}, poolclass=")
    )
    project.tables("a1")
    with closing(sqlite3.connect(tmp_path / "shop.db", isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(TemporaryError, match="locked"):
            step_for(project.folder, f"sqlite:///{tmp_path}/shop.db").apply(make_context())
        other.execute("rollback")
    assert step_for(project.folder, f"sqlite:///{tmp_path}/shop.db").apply(make_context()).facts["to"] == ["a1"]
