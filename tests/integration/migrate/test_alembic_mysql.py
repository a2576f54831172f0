"""Alembic on MariaDB, where a change of the schema is in no transaction: what is left is told, never called undone."""

from __future__ import annotations

import signal
import threading
import uuid
from typing import TYPE_CHECKING

import pytest
from fix_alembic import ENV_ENVIRONMENT
from fix_clock import RecordingVoice, make_context
from fix_guard import eventually

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError, Stopped, SuspectError, TemporaryError
from initkit.core.outcome import Pending, Satisfied, Status
from initkit.core.stop import Stop
from initkit.steps.migrate.step import STEP, Migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fix_alembic import Builder
    from fix_mysql import MariaDb


@pytest.fixture
def name(mariadb: MariaDb) -> Iterator[str]:
    """A database of this test's own."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    mariadb.ask(f"create database {name}")
    mariadb.ask(f"grant all on {name}.* to app@'%'")
    yield name
    mariadb.ask(f"drop database {name}")


@pytest.fixture
def url(mariadb: MariaDb, name: str) -> str:
    return mariadb.url(path=f"/{name}")


def step_for(project: Builder, url: str, **more: object) -> Migrate:
    return assemble(STEP, {"path": str(project.folder), "url": url} | more)


def tables(mariadb: MariaDb, name: str) -> set[str]:
    rows = mariadb.ask(f"select table_name from information_schema.tables where table_schema = '{name}'")
    return {str(row[0]) for row in rows} - {"initkit_migrations", "alembic_version"}


def ledger(mariadb: MariaDb, name: str) -> list[tuple[str, str]]:
    return [
        (row[0], row[1]) for row in mariadb.ask(f"select revision, state from {name}.initkit_migrations order by 1")
    ]


def test_it_applies_everything_once(mariadb: MariaDb, url: str, name: str, project: Builder) -> None:
    project.tables("a1", "b2")
    step = step_for(project, url)
    assert isinstance(step.check(make_context()), Pending)
    assert tables(mariadb, name) == set()
    assert step.apply(make_context()).detail.rpartition(" (")[0] == "2 revisions applied: (base) → b2 make b2"
    assert tables(mariadb, name) == {"t_a1", "t_b2"}
    assert ledger(mariadb, name) == [("a1", "applied"), ("b2", "applied")]
    assert isinstance(step.check(make_context()), Satisfied)
    assert step.apply(make_context()).status is Status.OK


@pytest.mark.parametrize("scheme", ["mariadb", "mysql+pymysql", "mysql+mysqldb", "mysql+asyncmy"])
def test_any_scheme_of_it_will_do(mariadb: MariaDb, name: str, project: Builder, scheme: str) -> None:
    project.tables("a1", "b2")
    step = step_for(project, mariadb.url(path=f"/{name}", scheme=scheme))
    assert step.apply(make_context()).detail.rpartition(" (")[0] == "2 revisions applied: (base) → b2 make b2"
    assert tables(mariadb, name) == {"t_a1", "t_b2"}
    assert ledger(mariadb, name) == [("a1", "applied"), ("b2", "applied")]


@pytest.mark.parametrize("query", ["?ssl-mode=DISABLED", "?ssl_mode=REQUIRED"])
def test_tls_is_as_the_url_asks_for_it(mariadb: MariaDb, name: str, project: Builder, query: str) -> None:
    project.revision(
        "a1",
        "cipher = op.get_bind().exec_driver_sql(\"show status like 'Ssl_cipher'\").fetchone()[1]\n"
        f"assert bool(cipher) == {'REQUIRED' in query}, cipher",
    )
    assert step_for(project, mariadb.url(path=f"/{name}{query}")).apply(make_context()).status is Status.CHANGED


@pytest.mark.parametrize("scheme", ["mysql", "mysql+mysqldb", "mariadb", "mariadb+mariadbconnector"])
def test_env_py_that_reads_the_environment_runs_on_pymysql(
    mariadb: MariaDb, name: str, project: Builder, scheme: str
) -> None:
    project.env(ENV_ENVIRONMENT.format(name="DATABASE_URL"))
    project.revision("a1", "assert op.get_bind().dialect.driver == 'pymysql'")
    step = assemble(STEP, {"path": str(project.folder)})
    environ = {"DATABASE_URL": mariadb.url(path=f"/{name}", scheme=scheme)}
    assert step.apply(make_context(environ=environ)).status is Status.CHANGED


ENV_ASYNCHRONOUS = """
import os
from sqlalchemy.ext.asyncio import create_async_engine
create_async_engine(os.environ["DATABASE_URL"].replace("mysql:", "mysql+asyncmy:"))
"""


def test_an_asynchronous_driver_that_is_not_there_is_told(url: str, project: Builder) -> None:
    project.env(ENV_ASYNCHRONOUS)
    project.tables("a1")
    with pytest.raises(PermanentError, match=r"no module 'asyncmy'.*no asynchronous driver for MySQL"):
        step_for(project, url).apply(make_context())


HALF = "op.create_table('half', sa.Column('id', sa.Integer))\n"


def test_what_fails_half_way_is_told_with_what_it_left_and_stays_so_until_a_person_acts(
    mariadb: MariaDb, url: str, name: str, project: Builder
) -> None:
    project.tables("a1")
    project.revision("b2", HALF + "op.execute('insert into nowhere values (1)')")
    step = step_for(project, url)
    with pytest.raises(PermanentError, match=r"b2_step.py\): .*nowhere.*may have left is: CREATE TABLE half") as caught:
        step.apply(make_context())
    assert "rolled back" not in str(caught.value)
    assert tables(mariadb, name) == {"t_a1", "half"}
    project.revision("b2", HALF, down="a1")
    with pytest.raises(PermanentError, match=r"apply revision b2 \(b2_step.py\): .*CREATE TABLE half") as caught:
        step.apply(make_context())
    mariadb.ask(f"drop table {name}.half")
    mariadb.ask("DELETE" + caught.value.advice.partition("DELETE")[2].replace("`init", f"{name}.`init"))
    assert step.apply(make_context()).facts["to"] == ["b2"]


def test_a_first_statement_that_fails_leaves_nothing_to_be_undone(
    mariadb: MariaDb, url: str, name: str, project: Builder
) -> None:
    project.tables("a1")
    project.revision("b2", "op.execute('create table t_a1 (id int)')")
    with pytest.raises(PermanentError, match="already exists") as caught:
        step_for(project, url).apply(make_context())
    assert "may have left" not in str(caught.value)
    assert ledger(mariadb, name) == [("a1", "applied")]


def test_rows_alone_are_rolled_back(mariadb: MariaDb, url: str, name: str, project: Builder) -> None:
    project.tables("a1")
    project.revision("b2", "op.execute('insert into t_a1 values (1)')\nop.execute('insert into nowhere values (1)')")
    with pytest.raises(PermanentError, match="nowhere") as caught:
        step_for(project, url).apply(make_context())
    assert "may have left" not in str(caught.value)
    assert mariadb.ask(f"select count(*) from {name}.t_a1") == [(0,)]


def test_killed_half_way_the_next_run_names_what_was_left(
    mariadb: MariaDb, url: str, name: str, project: Builder
) -> None:
    project.revision("a1", HALF + "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(PermanentError, match=r"killed by SIGKILL.*may have left is: CREATE TABLE half"):
        step_for(project, url).apply(make_context())
    assert ledger(mariadb, name) == [("a1", "started")]
    with pytest.raises(PermanentError, match=r"apply revision a1 .*CREATE TABLE half"):
        step_for(project, url).apply(make_context())


def test_killed_before_anything_was_changed_it_may_be_tried_again(url: str, project: Builder) -> None:
    project.revision("a1", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(SuspectError, match="killed by SIGKILL"):
        step_for(project, url).apply(make_context())


def test_a_lock_that_is_not_given_in_time_is_temporary(mariadb: MariaDb, url: str, name: str, project: Builder) -> None:
    project.tables("a1")
    step_for(project, url).apply(make_context())
    project.revision("b2", "op.execute('set innodb_lock_wait_timeout = 1')\nop.execute('delete from t_a1')")
    mariadb.ask(f"insert into {name}.t_a1 values (1)")
    with mariadb.root() as other, other.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute(f"select * from {name}.t_a1 for update")
        with pytest.raises(TemporaryError, match=r"b2 .*Lock wait timeout"):
            step_for(project, url).apply(make_context())
    assert step_for(project, url).apply(make_context()).facts["to"] == ["b2"]


def test_what_is_committed_with_its_version_row_is_not_called_left(
    mariadb: MariaDb, url: str, name: str, project: Builder
) -> None:
    """Also where nothing can be written down, as by a user who may not make our table."""
    mariadb.ask("create or replace user limited@'%' identified by 'hunter2'")
    mariadb.ask(f"create table {name}.alembic_version (version_num varchar(32) primary key)")
    mariadb.ask(f"grant select, insert, update, delete on {name}.alembic_version to limited@'%'")
    for table in ("t_a1", "half"):
        mariadb.ask(f"grant create on {name}.{table} to limited@'%'")
    project.tables("a1")
    project.revision("b2", HALF + "op.execute('insert into nowhere values (1)')")
    with pytest.raises(PermanentError, match=r"may have left is: CREATE TABLE half") as caught:
        step_for(project, url.replace("app:", "limited:")).apply(make_context())
    assert "TABLE t_a1" not in str(caught.value)  # a name such as test_a1b2c3d4 has the rest of it too


@pytest.fixture
def plain(mariadb_without_tls: MariaDb) -> Iterator[str]:
    """The URL of a database where TLS is not to be had."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    mariadb_without_tls.ask(f"create database {name}")
    yield mariadb_without_tls.url(path=f"/{name}")
    mariadb_without_tls.ask(f"drop database {name}")


def test_without_tls_at_the_server_its_record_is_kept(
    mariadb_without_tls: MariaDb, plain: str, project: Builder
) -> None:
    voice = RecordingVoice()
    project.tables("a1")
    assert step_for(project, plain).apply(make_context(voice=voice)).status is Status.CHANGED
    assert voice.warnings == []
    assert ledger(mariadb_without_tls, plain.rpartition("/")[2]) == [("a1", "applied")]


def what_sleeps_after_a_signal(mariadb: MariaDb, url: str, project: Builder) -> list[str]:
    """The statements that are at work still once a run has ended that was told to while it was at one."""
    project.revision("a1", "op.execute('select sleep(60)')")
    stop = Stop()

    def sleeping() -> list[str]:
        found = mariadb.ask("select info from information_schema.processlist where info like 'select sleep%'")
        return [str(row[0]) for row in found]

    def stopping() -> None:
        eventually(sleeping, "the statement")
        stop.request(signal.SIGTERM)

    thread = threading.Thread(target=stopping)
    thread.start()
    with pytest.raises(Stopped):
        step_for(project, url).apply(make_context(stop=stop))
    thread.join()
    return sleeping()


def test_without_tls_at_the_server_a_signal_ends_the_statement_under_way(
    mariadb_without_tls: MariaDb, plain: str, project: Builder
) -> None:
    assert what_sleeps_after_a_signal(mariadb_without_tls, plain, project) == []


def test_a_signal_ends_the_statement_under_way(mariadb: MariaDb, url: str, project: Builder) -> None:
    assert what_sleeps_after_a_signal(mariadb, url, project) == []


def test_where_the_account_must_use_tls_the_record_is_kept_by_tls_too(
    mariadb: MariaDb, name: str, project: Builder
) -> None:
    mariadb.ask(f"grant all on {name}.* to secured@'%'")
    project.tables("a1")
    url = mariadb.url("secured:hunter2", f"/{name}")
    assert step_for(project, url).apply(make_context()).status is Status.CHANGED
    assert ledger(mariadb, name) == [("a1", "applied")]
