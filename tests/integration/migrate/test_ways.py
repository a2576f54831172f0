"""env.py in the ways that people write it, untouched: what reaches it, and what it runs on."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_alembic import ENV_ENVIRONMENT, ENV_SELECTS, ENV_SHARED, ENV_STANDARD, template
from fix_clock import RecordingVoice, make_context
from fix_guard import eventually, rows

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError, UsageError
from initkit.core.outcome import Pending, Satisfied, Status
from initkit.steps.migrate.step import STEP, Migrate

if TYPE_CHECKING:
    from pathlib import Path

    from fix_alembic import Builder


def step_for(path: object, **more: object) -> Migrate:
    return assemble(STEP, {"path": str(path)} | more)


def tables(url: str) -> set[str]:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            found = {row[0] for row in file.execute("select name from sqlite_master where type = 'table'")}
    else:
        with psycopg.connect(url) as connection:
            rows = connection.execute("select tablename from pg_tables where schemaname = 'public'")
            found = {row[0] for row in rows}
    return found - {"initkit_migrations"}


WAYS = {
    "standard": ENV_STANDARD,
    "generic template": template("generic"),
    "shared connection": ENV_SHARED,
    "environment": ENV_ENVIRONMENT.format(name="DATABASE_URL"),
    "environment of Flask": ENV_ENVIRONMENT.format(name="SQLALCHEMY_DATABASE_URI"),
    "each in a transaction of its own": ENV_STANDARD.replace("target_metadata=None", "transaction_per_migration=True"),
    "no transaction of its own": ENV_STANDARD.replace("connectable.connect()", "connectable.begin()"),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_applies_everything_once_and_then_finds_nothing_to_do(any_url: str, project: Builder, way: str) -> None:
    project.env(WAYS[way])
    project.tables("a1", "b2")
    step = step_for(project.folder, url=any_url)
    assert isinstance(step.check(make_context()), Pending)
    assert step.apply(make_context()).detail.rpartition(" (")[0] == "2 revisions applied: (base) → b2 make b2"
    assert tables(any_url) == {"t_a1", "t_b2", "alembic_version"}
    assert step.check(make_context()) == Satisfied("at head b2", {"revision": ["b2"]})


def test_who_selects_before_the_transaction_gets_an_error_and_never_a_success(any_url: str, project: Builder) -> None:
    project.env(ENV_SELECTS)
    project.tables("a1", "b2")
    step = step_for(project.folder, url=any_url)
    with pytest.raises(PermanentError, match=r"ended without an error, but .* does not have a1, b2"):
        step.apply(make_context())
    assert "t_a1" not in tables(any_url)
    assert isinstance(step.check(make_context()), Pending)


@pytest.mark.parametrize("source", ["template", "asyncpg by hand", "asyncpg's own arguments"])
def test_an_asynchronous_engine_runs_on_psycopg(postgres_url: str, project: Builder, source: str) -> None:
    env = template("async")
    if source != "template":
        env = env.replace(
            "    connectable = async_engine_from_config",
            "    import os\n    url = os.environ['DATABASE_URL'].replace('postgresql://', 'postgresql+asyncpg://')\n"
            "    config.set_main_option('sqlalchemy.url', url.replace('%', '%%'))\n"
            "    connectable = async_engine_from_config",
        )
    if source == "asyncpg's own arguments":
        arguments = "{'statement_cache_size': 0, 'timeout': 10, 'ssl': 'prefer', 'server_settings': {'jit': 'off'}}"
        env = env.replace("poolclass=pool.NullPool,", f"poolclass=pool.NullPool, connect_args={arguments},")
    project.env(env)
    project.tables("a1")
    project.revision("b2", "assert op.get_bind().dialect.is_async and op.get_bind().dialect.driver == 'psycopg'")
    index = "op.create_index('i', 't_a1', ['id'], postgresql_concurrently=True)"
    project.revision("c3", f"with op.get_context().autocommit_block():\n    {index}")
    if source == "asyncpg's own arguments":
        project.revision("d4", "assert op.get_bind().exec_driver_sql('show jit').scalar() == 'off'")
    step = step_for(project.folder, url=postgres_url)
    assert step.apply(make_context()).status is Status.CHANGED
    assert isinstance(step.check(make_context()), Satisfied)


def test_arguments_that_only_psycopg2_knows_are_no_obstacle(postgres_url: str, project: Builder) -> None:
    project.env(
        ENV_ENVIRONMENT.format(name="DATABASE_URL").replace(
            "create_engine(os.environ['DATABASE_URL'])",
            "create_engine(os.environ['DATABASE_URL'].replace('postgresql', 'postgresql+psycopg2'),"
            " executemany_mode='values_plus_batch', client_encoding='utf8', connect_args={'cursor_factory': None})",
        )
    )
    project.revision("a1", "assert op.get_bind().dialect.driver == 'psycopg'")
    assert step_for(project.folder, url=postgres_url).apply(make_context()).status is Status.CHANGED


def test_arguments_of_x_reach_env_py(any_url: str, project: Builder) -> None:
    project.env(
        "from alembic import context\nx = context.get_x_argument(as_dictionary=True)\n"
        "assert x == {'tenant': 'acme', 'dry': ''}, x\nassert context.config.cmd_opts.x == ['tenant=acme', 'dry']\n"
        "assert context.config.cmd_opts.cmd[0].__name__ == 'upgrade'\n" + ENV_STANDARD
    )
    project.tables("a1")
    step = step_for(project.folder, url=any_url, x=("tenant=acme", "dry"))
    assert step.apply(make_context()).status is Status.CHANGED


def test_another_section_of_the_ini_is_used_by_its_name(any_url: str, project: Builder, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (project.folder / "env.py").rename(tmp_path / "other" / "env.py")
    (project.folder / "versions").rename(tmp_path / "other" / "versions")
    project.ini(f"[alembic]\nscript_location = nowhere\n[shop]\nscript_location = {tmp_path}/other\nmood = good\n")
    (tmp_path / "other" / "versions" / "a1.py").write_text(
        "from alembic import context, op\nrevision, down_revision = 'a1', None\n"
        "def upgrade():\n    assert context.config.get_main_option('mood') == 'good'\n"
    )
    (tmp_path / "other" / "env.py").write_text(
        ENV_STANDARD.replace("if config.config_file_name is not None:\n    fileConfig(config.config_file_name)", "")
    )
    assert step_for(project.folder, url=any_url, name="shop").apply(make_context()).facts["to"] == ["a1"]


def test_one_more_variable_holds_the_url(any_url: str, project: Builder) -> None:
    project.env(ENV_ENVIRONMENT.format(name="SHOP_DB"))
    project.tables("a1")
    with pytest.raises(PermanentError, match="KeyError: 'SHOP_DB'"):
        step_for(project.folder, url=any_url).apply(make_context())
    step = step_for(project.folder, url=any_url, export=("SHOP_DB",))
    assert step.apply(make_context(environ={"SHOP_DB": "sqlite:////nowhere/else.db"})).status is Status.CHANGED
    assert "t_a1" in tables(any_url)


def test_models_are_imported_from_pythonpath_and_missing_ones_bring_three_ways_out(
    any_url: str, project: Builder, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"models_{name}.py").write_text("")
    project.env("import models_one, models_two\n" + ENV_STANDARD)
    project.tables("a1")
    with pytest.raises(PermanentError, match="no module 'models_one'") as caught:
        step_for(project.folder, url=any_url).apply(make_context())
    for way in ("FROM this one", "pip install initkit", "--pythonpath"):
        assert way in caught.value.advice
    step = step_for(project.folder, url=any_url, pythonpath=(str(tmp_path / "one"), str(tmp_path / "two")))
    assert step.apply(make_context()).status is Status.CHANGED


def test_pyproject_toml_alone_is_enough(any_url: str, tmp_path: Path, project: Builder) -> None:
    project.tables("a1")
    (project.folder / "alembic.ini").unlink()
    project.env(template("pyproject"))
    (tmp_path / "pyproject.toml").write_text('[tool.alembic]\nscript_location = "%(here)s/migrations"\n')
    step = step_for(tmp_path / "pyproject.toml", url=any_url)
    assert step.apply(make_context()).status is Status.CHANGED
    assert isinstance(step_for(tmp_path, url=any_url).check(make_context()), Satisfied)


def test_several_version_locations_are_all_applied(any_url: str, project: Builder) -> None:
    project.tables("a1")
    (project.folder / "more").mkdir()
    project.revision(
        "b2", "op.create_table('t_b2', sa.Column('id', sa.Integer))", down=None, extra="branch_labels='side'"
    )
    (project.folder / "versions" / "b2_step.py").rename(project.folder / "more" / "b2_step.py")
    project.ini("[alembic]\nscript_location = .\npath_separator = space\nversion_locations = versions more\n")
    project.env(ENV_STANDARD.replace("fileConfig(config.config_file_name)", "pass"))
    step = step_for(project.folder, url=any_url)
    assert sorted(step.apply(make_context()).facts["to"]) == ["a1", "b2"]  # type: ignore[call-overload]
    assert tables(any_url) == {"t_a1", "t_b2", "alembic_version"}
    assert isinstance(step.check(make_context()), Satisfied)


def test_a_branch_label_and_what_it_depends_on_are_reached(any_url: str, project: Builder) -> None:
    project.tables("a1", "b2")
    project.revision("c3", "pass", down=None, extra="branch_labels = 'side'\ndepends_on = 'a1'")
    project.revision("d4", "pass")
    step = step_for(project.folder, url=any_url, to="side@head")
    outcome = step.apply(make_context())
    assert [one["revision"] for one in outcome.facts["applied"]] == ["a1", "c3", "d4"]  # type: ignore[attr-defined]
    assert isinstance(step.check(make_context()), Satisfied)
    assert step_for(project.folder, url=any_url).apply(make_context()).facts["to"] == ["b2"]


def test_a_single_head_may_be_asked_for(any_url: str, project: Builder) -> None:
    project.tables("a1", "b2")
    project.revision("c3", "pass", down="a1")
    step = step_for(project.folder, url=any_url, **{"single-head": "true"})
    for ask in (step.check, step.apply):
        with pytest.raises(PermanentError, match=r"2 heads: b2, c3; .*alembic merge heads"):
            ask(make_context())


MULTIDB = (
    "[alembic]\nscript_location = %(here)s\ndatabases = one, two\n"
    "[one]\nsqlalchemy.url = {one}\n[two]\nsqlalchemy.url = {two}\n"
)


def test_several_databases_are_all_brought_up_to_date(project: Builder, tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path}/{name}.db" for name in ("one", "two")]
    project.env(template("multidb").replace("fileConfig(config.config_file_name)", "pass"))
    project.ini(MULTIDB.format(one=urls[0], two=urls[1]))
    for name in ("a1", "b2"):
        project.revision(name, f"op.create_table('t_{name}', sa.Column('id', sa.Integer))")
        file = project.folder / "versions" / f"{name}_step.py"
        file.write_text(file.read_text().replace("def upgrade():", "def upgrade(engine_name):"))
    step = step_for(project.folder, url=urls[0])
    assert step.apply(make_context()).detail.rpartition(" (")[0] == "2 revisions applied: (base) → b2 make b2"
    for url in urls:
        assert tables(url) == {"t_a1", "t_b2", "alembic_version"}
    (tmp_path / "two.db").unlink()
    assert isinstance(step.check(make_context()), Pending), "one is at head, the other is not"


def test_file_config_that_disables_loggers_keeps_nothing_of_ours_silent(any_url: str, project: Builder) -> None:
    voice = RecordingVoice()
    project.env(ENV_STANDARD.replace("file_name)", "file_name, disable_existing_loggers=True)"))
    project.tables("a1", "b2")
    step_for(project.folder, url=any_url).apply(make_context(voice=voice))
    assert voice.notes[-2:] == ["applying a1 make a1", "applying b2 make b2"]


def test_a_process_that_dies_without_a_word_is_suspect_and_told(any_url: str, project: Builder) -> None:
    project.revision("a1", "import os, sys\nprint('so long')\nos._exit(7)")
    with pytest.raises(SuspectError, match=r"ended without a word, with exit code 7 after it said 'so long'"):
        step_for(project.folder, url=any_url).apply(make_context())
    assert isinstance(step_for(project.folder, url=any_url).check(make_context()), Pending)


def test_what_was_applied_is_traced_with_what_it_was_applied_upon(any_url: str, project: Builder) -> None:
    project.tables("a1", "b2")
    project.revision("c3", "pass", down="a1", extra="depends_on = 'b2'")
    step_for(project.folder, url=any_url).apply(make_context(environ={"HOSTNAME": "shop-0"}))
    sql = "select source, revision, state, down, applied_by from initkit_migrations order by position"
    if any_url.startswith("sqlite"):
        with closing(sqlite3.connect(any_url.removeprefix("sqlite:///"))) as file:
            rows = file.execute(sql).fetchall()
    else:
        with psycopg.connect(any_url) as connection:
            rows = connection.execute(sql.encode()).fetchall()
    assert [(*row[:3], sorted(row[3].split()), row[4]) for row in rows] == [
        ("alembic_version", "a1", "applied", [], "shop-0"),
        ("alembic_version", "b2", "applied", ["a1"], "shop-0"),
        ("alembic_version", "c3", "applied", ["a1", "b2"], "shop-0"),
    ]


def test_where_no_table_may_be_made_it_goes_on_without_a_trace(postgres_url: str, project: Builder) -> None:
    voice = RecordingVoice()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("create table alembic_version (version_num varchar(32) primary key)")
        connection.execute("create schema app")
        connection.execute("create role narrow login")
        try:
            connection.execute("revoke create on schema public from public")
            connection.execute("grant all on alembic_version to narrow")
            connection.execute("grant all on schema app to narrow")
            project.revision("a1", "op.create_table('t_a1', sa.Column('id', sa.Integer), schema='app')")
            project.env("import os\nos.environ['PGUSER'] = 'narrow'\n" + ENV_STANDARD)
            url = postgres_url.replace("//postgres:@", "//narrow@")
            assert step_for(project.folder, url=url).apply(make_context(voice=voice)).status is Status.CHANGED
            assert "keeps no trace" in voice.warnings[0]
            assert len(voice.warnings) == 1
        finally:
            connection.execute("drop owned by narrow cascade")
            connection.execute("drop role narrow")


def test_a_lock_that_is_not_given_in_time_is_rolled_back_and_names_its_holder(
    postgres_url: str, project: Builder
) -> None:
    project.tables("a1")
    step_for(project.folder, url=postgres_url).apply(make_context())
    project.revision("b2", "op.create_table('first', sa.Column('id', sa.Integer))\nop.drop_table('t_a1')")
    step = step_for(project.folder, url=postgres_url, **{"ddl-lock-timeout": "2s"})
    with psycopg.connect(postgres_url, application_name="a-long-reader") as other:
        other.execute("select * from t_a1")
        with pytest.raises(TemporaryError, match=r"b2 .*held by .*a-long-reader"):
            step.apply(make_context())
    assert "first" not in tables(postgres_url)
    assert step.apply(make_context()).facts["to"] == ["b2"]


def test_an_explicit_limit_of_the_users_own_stays(postgres_url: str, project: Builder) -> None:
    see = "op.get_bind().exec_driver_sql('show lock_timeout').scalar()"
    project.revision("a1", f"assert {see} == '5s'\nop.execute(\"set lock_timeout = '7s'\")\nassert {see} == '7s'")
    index = "with op.get_context().autocommit_block():\n    op.execute('create index concurrently i on t_b2 (id)')"
    project.tables("b2")
    project.revision("c3", f"{index}\nassert {see} == '7s', {see}")
    assert step_for(project.folder, url=postgres_url).apply(make_context()).status is Status.CHANGED


def test_offline_sql_begins_after_what_is_recorded_and_applies_nothing(any_url: str, project: Builder) -> None:
    voice = RecordingVoice()
    project.env(template("generic"))
    project.tables("a1", "b2", "c3")
    step_for(project.folder, url=any_url, to="a1").apply(make_context())
    step = step_for(project.folder, url=any_url, sql="true")
    assert step.apply(make_context(voice=voice)).status is Status.OK
    (text,) = voice.results
    assert "CREATE TABLE t_b2" in text
    assert "CREATE TABLE t_c3" in text
    assert "t_a1" not in text
    assert "initkit" not in text
    assert tables(any_url) == {"t_a1", "alembic_version"}


@pytest.mark.parametrize(("start", "first"), [("base", "t_a1"), ("b2", "t_c3")])
def test_offline_sql_begins_where_it_is_told_without_a_look(project: Builder, start: str, first: str) -> None:
    voice = RecordingVoice()
    project.env(template("generic"))
    project.tables("a1", "b2", "c3")
    more = {"url": "postgresql://nobody@127.0.0.1:9/none", "sql": "true", "from": start}
    step_for(project.folder, **more).apply(make_context(voice=voice))
    (text,) = voice.results
    assert text.index("CREATE TABLE t_") == text.index(f"CREATE TABLE {first}")


def test_offline_sql_from_several_heads_must_be_told_where_to_begin(any_url: str, project: Builder) -> None:
    project.env(template("generic"))
    project.tables("a1", "b2")
    project.revision("c3", "pass", down="a1")
    step_for(project.folder, url=any_url).apply(make_context())
    with pytest.raises(UsageError, match="several revisions: b2, c3"):
        step_for(project.folder, url=any_url, sql="true").apply(make_context())


def test_a_bug_in_env_py_is_no_success(any_url: str, project: Builder) -> None:
    project.env(ENV_STANDARD + "\nraise SystemExit(0)\n")
    project.tables("a1")
    with pytest.raises(InitkitError, match=r"it called exit\(0\)"):
        step_for(project.folder, url=any_url).apply(make_context())


def test_the_trace_lies_beside_a_version_table_whose_schema_is_made_in_the_same_transaction(
    postgres_url: str, project: Builder
) -> None:
    project.env(
        ENV_STANDARD.replace("connectable.connect()", "connectable.begin()")
        .replace(
            "    context.configure(",
            "    connection.exec_driver_sql('create schema if not exists app')\n    context.configure(",
        )
        .replace("target_metadata=None", "version_table_schema='app'")
    )
    project.tables("a1")
    assert step_for(project.folder, url=postgres_url).apply(make_context()).status is Status.CHANGED
    with psycopg.connect(postgres_url) as connection:
        rows = connection.execute("select source, revision from app.initkit_migrations").fetchall()
    assert rows == [("app.alembic_version", "a1")]


def test_a_lost_lock_ends_the_migration_and_the_next_attempt_goes_on(postgres_url: str, project: Builder) -> None:
    marker = project.folder / "slept"
    project.revision(
        "a1",
        "op.create_table('t_a1', sa.Column('id', sa.Integer))\nimport os\n"
        f"if not os.path.exists({str(marker)!r}):\n    open({str(marker)!r}, 'w').close()\n"
        "    op.execute('select pg_sleep(60)')",
    )
    step = step_for(project.folder, url=postgres_url)
    end = (
        "select pg_terminate_backend(l.pid) from pg_stat_activity l, pg_stat_activity w where w.state = 'active'"
        " and w.query like 'select pg_sleep%' and l.application_name like '%#lock' and l.datname = current_database()"
    )

    def ending() -> None:
        eventually(lambda: rows(postgres_url, end), "a lock whose run is at work")

    thread = threading.Thread(target=ending)
    thread.start()
    with pytest.raises(TemporaryError, match="keep the migration lock"):
        step.apply(make_context())
    thread.join()
    assert "t_a1" not in tables(postgres_url)
    assert step.apply(make_context()).facts["to"] == ["a1"]
