"""env.py and revisions that misbehave: they hang, close our streams, exit, or end the transaction they are given."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest
from fix_alembic import ENV_STANDARD
from fix_clock import RecordingVoice, make_context
from fix_guard import eventually

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError, Stopped, TemporaryError
from initkit.core.outcome import Status
from initkit.core.stop import Stop
from initkit.steps.migrate.step import STEP, Migrate

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_alembic import Builder
    from fix_program import Running

PATIENCE = 20.0  # seconds, far less than what hangs here would take
HANGS = "import time\ntime.sleep(1000)\n" + ENV_STANDARD


def step_for(project: Builder, url: str, **more: object) -> Migrate:
    return assemble(STEP, {"path": str(project.folder), "url": url} | more)


def ledger(url: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return connection.execute("select revision, state from initkit_migrations order by 1").fetchall()


@pytest.mark.parametrize("more", [{}, {"sql": "true"}, {"sql": "true", "from": "base"}], ids=["look", "sql", "from"])
def test_an_env_py_that_hangs_while_it_is_looked_at_is_told_and_ended_at_the_deadline(
    postgres_url: str, project: Builder, more: dict[str, str]
) -> None:
    project.env(HANGS)
    project.tables("a1")
    voice, began = RecordingVoice(), time.monotonic()
    context = make_context(voice=voice, timeout=1.0, attempt_timeout=0.5)
    step = step_for(project, postgres_url, **more)
    with pytest.raises(TemporaryError, match=r"env\.py has not answered; .*--timeout"):
        step.apply(context) if more else step.check(context)
    assert 1.0 <= time.monotonic() - began < PATIENCE
    assert voice.missed == [(f"env.py of {project.folder}", "has not answered")]


def test_an_env_py_that_takes_longer_than_an_attempt_is_waited_for(postgres_url: str, project: Builder) -> None:
    project.env("import time\ntime.sleep(0.5)\n" + ENV_STANDARD)  # after a start that takes some time as well
    project.tables("a1")
    voice = RecordingVoice()
    assert (
        step_for(project, postgres_url).apply(make_context(voice=voice, attempt_timeout=0.5)).status is Status.CHANGED
    )
    assert set(voice.missed) == {(f"env.py of {project.folder}", "has not answered")}
    assert set(voice.founds) == {f"env.py of {project.folder}"}


def test_check_ends_at_the_timeout_with_124(
    postgres_url: str, project: Builder, running: Callable[..., Running]
) -> None:
    project.env(HANGS)
    project.tables("a1")
    words = ("migrate", str(project.folder), "--check", "--timeout", "1s", "--attempt-timeout", "500ms")
    program = running(*words, env={"DATABASE_URL": postgres_url})
    assert program.ended() == 124, program.output
    assert "has not answered" in program.output


def test_a_signal_ends_an_env_py_that_hangs(postgres_url: str, project: Builder) -> None:
    marker = project.folder / "began"
    project.env(f"open({str(marker)!r}, 'w').close()\n{HANGS}")
    project.tables("a1")
    stop = Stop()

    def stopping() -> None:
        eventually(marker.exists, "env.py under way")
        stop.request(signal.SIGTERM)

    thread = threading.Thread(target=stopping)
    thread.start()
    with pytest.raises(Stopped):
        step_for(project, postgres_url).check(make_context(stop=stop, timeout=0))
    thread.join()


STREAMS = {
    "closed": "import sys\nsys.stdout.close()\nsys.stderr.close()\n",
    "none": "import sys\nsys.stdout = sys.stderr = None\n",
    "replaced": "import sys\nsys.stdout = sys.stderr = object()\n",
    "closed below": "import os\nos.close(1)\nos.close(2)\n",
}
STREAMS["closed, and a thread goes on"] = (
    STREAMS["closed"] + "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()\n"
)


@pytest.mark.parametrize("streams", STREAMS)
def test_whatever_env_py_does_to_the_streams_it_succeeds(any_url: str, project: Builder, streams: str) -> None:
    env = ENV_STANDARD.replace("if config.config_file_name is not None:", "if False:")
    project.env(env + STREAMS[streams])
    project.tables("a1")
    assert step_for(project, any_url).apply(make_context()).status is Status.CHANGED


def test_an_env_py_that_exits_is_told_what_to_do_instead(any_url: str, project: Builder) -> None:
    project.env("import sys\nsys.exit(0)\n")
    project.tables("a1")
    with pytest.raises(
        PermanentError, match=r"exit\(0\) \(env\.py, line 2\); let it run .*context\.run_migrations\(\)"
    ):
        step_for(project, any_url).apply(make_context())


COMMITS = "op.create_table('half', sa.Column('id', sa.Integer))\nop.execute('insert into half values (1)')\n"


def test_a_revision_that_commits_by_itself_is_named_with_what_it_left(any_url: str, project: Builder) -> None:
    project.tables("a1")
    project.revision("b2", COMMITS + "op.get_bind().commit()")
    with pytest.raises(PermanentError, match=r"apply revision b2 \(b2_step.py\): .*version row") as caught:
        step_for(project, any_url).apply(make_context())
    assert "may have left is: CREATE TABLE half" in caught.value.cause
    assert "insert into half" in caught.value.cause
    assert "DATABASE_URL" not in str(caught.value)


def test_a_file_that_such_a_revision_has_written_is_as_it_was_told(project: Builder, tmp_path: Path) -> None:
    project.revision("a1", COMMITS + "op.get_bind().commit()")
    with pytest.raises(PermanentError, match="CREATE TABLE half"):
        step_for(project, f"sqlite:///{tmp_path}/shop.db").apply(make_context())
    with closing(sqlite3.connect(tmp_path / "shop.db")) as file:
        assert file.execute("select id from half").fetchall() == [(1,)]


@pytest.mark.parametrize("before", ["op.execute('COMMIT')\n", "", COMMITS + "op.execute('COMMIT')\n"])
def test_an_index_made_concurrently_in_a_transaction_brings_alembics_own_way(
    postgres_url: str, project: Builder, before: str
) -> None:
    project.tables("a1")
    project.revision("b2", before + "op.execute('create index concurrently i on t_a1 (id)')")
    with pytest.raises(
        PermanentError, match=r"transaction block.*with op\.get_context\(\)\.autocommit_block\(\):"
    ) as caught:
        step_for(project, postgres_url).apply(make_context())
    assert ("CREATE TABLE half" in caught.value.cause) is before.startswith(COMMITS)


# what Python says to an arbitrary UID without HOME: https://docs.python.org/3/library/pathlib.html#pathlib.Path.home
HOMELESS = """
import pathlib
def home(cls):
    raise RuntimeError("Could not determine home directory.")
pathlib.Path.home = classmethod(home)
"""


def test_a_user_without_a_home_folder_keeps_the_record_too(postgres_url: str, project: Builder, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(HOMELESS)
    project.tables("a1")
    project.revision("b2", "with op.get_context().autocommit_block():\n    op.execute('create table more (id int)')")
    environ = {"DATABASE_URL": postgres_url, "PYTHONPATH": f"{tmp_path / 'site'}:{Path(__file__).parents[3]}"}
    run = [sys.executable, "-m", "initkit", "migrate", str(project.folder)]
    ended = subprocess.run(run, env=environ, capture_output=True, text=True, check=False, timeout=60, cwd="/")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "no trace" not in ended.stdout + ended.stderr
    assert ledger(postgres_url) == [("a1", "applied"), ("b2", "applied")]


def test_a_second_connection_goes_where_the_first_went_with_the_same_password(
    postgres_scram: str, project: Builder
) -> None:
    def url_of(user: str) -> str:
        return str(urlsplit(postgres_scram)._replace(netloc=f"{user}@").geturl())

    url = url_of("app:hunter2")
    with psycopg.connect(url_of("postgres"), autocommit=True) as root:
        root.execute("grant all on schema public to app")
    project.tables("a1")
    step_for(project, url).apply(make_context())
    assert ledger(url) == [("a1", "applied")]
