"""What the step does to a database, on PostgreSQL and on SQLite alike."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_clock import RecordingVoice, make_context
from fix_sqlite import leave_hot_journal

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError, SuspectError
from initkit.core.outcome import Pending, Satisfied, Status
from initkit.steps.migrate.step import STEP, Migrate

if TYPE_CHECKING:
    from fix_alembic import Builder

EXAMPLE = Path(__file__).parents[3] / "examples" / "quickstart" / "migrations"


def step_for(path: object, **more: object) -> Migrate:
    return assemble(STEP, {"path": str(path)} | more)


def tables(url: str) -> set[str]:
    """All but the ledger."""
    return everything(url) - {"initkit_migrations"}


def everything(url: str) -> set[str]:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            return {row[0] for row in file.execute("select name from sqlite_master where type = 'table'")}
    with psycopg.connect(url) as connection:
        rows = connection.execute("select tablename from pg_tables where schemaname = 'public'")
        return {row[0] for row in rows}


def test_a_fresh_database_gets_everything_and_a_second_run_finds_nothing_to_do(any_url: str) -> None:
    step, context = step_for(EXAMPLE, url=any_url), make_context()
    finding = step.check(context)
    assert isinstance(finding, Pending)
    assert finding.detail == "4 revisions to apply: (base) → 4d5e"
    assert finding.changes[0] == "1a2b create customers"
    assert finding.changes[-1] == "4d5e add order notes"
    outcome = step.apply(context)
    assert outcome.status is Status.CHANGED
    assert outcome.detail.rpartition(" (")[0] == "4 revisions applied: (base) → 4d5e add order notes"
    assert outcome.facts["from"] == []
    assert outcome.facts["to"] == ["4d5e"]
    assert [entry["revision"] for entry in outcome.facts["applied"]] == ["1a2b", "2b3c", "3c4d", "4d5e"]  # type: ignore[attr-defined]
    assert tables(any_url) == {"customers", "orders", "alembic_version"}
    again = step.check(context)
    assert again == Satisfied("at head 4d5e", {"revision": ["4d5e"]})
    assert step.apply(context).status is Status.OK


def test_check_makes_neither_file_nor_table(any_url: str, project: Builder, tmp_path: Path) -> None:
    project.tables("a1")
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    assert isinstance(step_for(project.folder, url=any_url).check(make_context()), Pending)
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before
    if any_url.startswith("postgres"):
        assert everything(any_url) == set()


def test_it_goes_up_to_the_revision_that_is_asked_for_and_no_further(any_url: str, project: Builder) -> None:
    project.tables("a1", "b2", "c3")
    step = step_for(project.folder, url=any_url, to="b2")
    assert step.apply(make_context()).detail.rpartition(" (")[0] == "2 revisions applied: (base) → b2 make b2"
    assert step.check(make_context()) == Satisfied("at revision b2", {"revision": ["b2"]})
    assert tables(any_url) == {"t_a1", "t_b2", "alembic_version"}
    assert (
        step_for(project.folder, url=any_url).apply(make_context()).detail.rpartition(" (")[0]
        == "1 revision applied: b2 → c3 make c3"
    )
    assert isinstance(step.check(make_context()), Satisfied)


def test_two_heads_are_both_reached(any_url: str, project: Builder) -> None:
    project.tables("a1", "b2")
    project.revision("c3", "op.create_table('t_c3', sa.Column('id', sa.Integer))", down="a1")
    step = step_for(project.folder, url=any_url)
    outcome = step.apply(make_context())
    assert sorted(outcome.facts["to"]) == ["b2", "c3"]  # type: ignore[call-overload]
    assert step.check(make_context()) == Satisfied("at head b2, c3", {"revision": ["b2", "c3"]})
    with pytest.raises(PermanentError, match="use --to heads"):
        step_for(project.folder, url=any_url, to="head").check(make_context())


def test_merges_and_dependencies_end_at_one_head(any_url: str, project: Builder) -> None:
    project.tables("a1", "b2")
    project.revision("c3", "pass", down="a1", extra="branch_labels = 'side'")
    project.revision("d4", "pass", down=("b2", "c3"))
    project.revision("e5", "pass", down=None, extra="depends_on = 'd4'")
    step = step_for(project.folder, url=any_url)
    step.apply(make_context())
    assert isinstance(step.check(make_context()), Satisfied)


def test_no_revisions_at_all_is_nothing_to_do(any_url: str, project: Builder) -> None:
    assert step_for(project.folder, url=any_url).check(make_context()) == Satisfied(
        "there are no revisions", {"revision": []}
    )


def test_a_database_ahead_of_the_migrations_is_told_and_left_alone(
    any_url: str, project: Builder, voice: RecordingVoice
) -> None:
    project.tables("a1", "b2")
    step_for(project.folder, url=any_url).apply(make_context())
    (project.folder / "versions" / "b2_step.py").unlink()
    step = step_for(project.folder, url=any_url)
    assert step.check(make_context(voice=voice)) == Satisfied("ahead, at revision b2", {"revision": ["b2"]})
    assert "a newer image has applied b2" in voice.warnings[0]
    with pytest.raises(PermanentError, match=r"it is ahead: at revision b2, which .* does not have"):
        step_for(project.folder, url=any_url, **{"if-ahead": "fail"}).check(make_context())


def test_a_broken_revision_is_named_with_its_reason_and_is_rolled_back(any_url: str, project: Builder) -> None:
    project.tables("a1")
    project.revision(
        "b2", "op.create_table('half', sa.Column('id', sa.Integer))\nop.execute('insert into nowhere values (1)')"
    )
    project.tables("c3")
    step = step_for(project.folder, url=any_url)
    with pytest.raises(PermanentError, match=r"cannot apply revision b2 \(b2_step.py\): .*nowhere") as caught:
        step.apply(make_context())
    assert "half" not in tables(any_url)
    if any_url.startswith("sqlite"):  # a transaction for each revision there
        assert caught.value.done == "1 revision applied: (base) → a1"
        assert tables(any_url) == {"t_a1", "alembic_version"}
    else:
        assert not caught.value.done
    project.revision("b2", "pass", down="a1")
    assert isinstance(step.check(make_context()), Pending)
    assert step.apply(make_context()).status is Status.CHANGED


def test_what_was_applied_before_the_broken_revision_is_told(postgres_url: str, project: Builder) -> None:
    env = (project.folder / "env.py").read_text()
    project.env(env.replace("target_metadata=None", "transaction_per_migration=True"))
    project.tables("a1", "b2")
    project.revision("c3", "raise ValueError('no such thing')")
    with pytest.raises(PermanentError, match=r"ValueError: no such thing \(versions/c3_step.py, line 11\)") as caught:
        step_for(project.folder, url=postgres_url).apply(make_context())
    assert caught.value.done == "2 revisions applied: (base) → b2"


def test_a_transaction_of_env_pys_own_that_commits_nothing_is_an_error(any_url: str, project: Builder) -> None:
    env = (project.folder / "env.py").read_text()
    early = "    connection.exec_driver_sql('select 1')\n    context.configure("
    project.env(env.replace("    context.configure(", early))
    project.tables("a1", "b2")
    with pytest.raises(PermanentError, match=r"ended without an error, but .* does not have a1, b2"):
        step_for(project.folder, url=any_url).apply(make_context())
    assert "t_a1" not in tables(any_url)


def test_env_py_that_connects_elsewhere_is_an_error(any_url: str, project: Builder, tmp_path: Path) -> None:
    env = (project.folder / "env.py").read_text()
    elsewhere = f"config.set_main_option('sqlalchemy.url', 'sqlite:///{tmp_path}/elsewhere.db')\nconnectable ="
    project.tables("a1")
    step_for(project.folder, url=any_url).apply(make_context())
    project.tables("b2")
    project.env(env.replace("connectable =", elsewhere))
    with pytest.raises(PermanentError, match=r"env.py of .* connects to .*elsewhere.db instead; env.py must take its"):
        step_for(project.folder, url=any_url).apply(make_context())
    assert tables(f"sqlite:///{tmp_path}/elsewhere.db") == set()


def test_env_py_may_read_database_url_when_a_file_holds_it(any_url: str, project: Builder, tmp_path: Path) -> None:
    project.env(
        "import os\nfrom alembic import context\nfrom sqlalchemy import create_engine\n"
        "engine = create_engine(os.environ['DATABASE_URL'].replace('postgres://', 'postgresql://'))\n"
        "with engine.begin() as connection:\n"
        "    context.configure(connection=connection)\n    context.run_migrations()\n"
    )
    project.tables("a1")
    (tmp_path / "secret").write_text(any_url + "\n")
    before = dict(os.environ)
    step = step_for(project.folder, **{"url-file": f"{tmp_path}/secret"})
    assert step.apply(make_context(environ={"DATABASE_URL": "postgres://other/db"})).status is Status.CHANGED
    assert "t_a1" in tables(any_url)
    assert dict(os.environ) == before


def test_an_engine_of_the_users_own_modules_is_used_again_and_again(
    postgres_url: str, project: Builder, tmp_path: Path
) -> None:
    (tmp_path / "shop_engine_module.py").write_text(
        "import os\nfrom sqlalchemy import create_engine\nengine = create_engine(os.environ['DATABASE_URL'])\n"
    )
    project.env(
        "from shop_engine_module import engine\nfrom alembic import context\n"
        "def run(options):\n    with engine.connect() as connection:\n"
        "        context.configure(connection=connection, **options)\n"
        "        with context.begin_transaction():\n            context.run_migrations()\n"
        "run({'version_table': 'shop_version'})\n"
    )
    project.tables("a1")
    step = step_for(project.folder, url=postgres_url, pythonpath=(str(tmp_path),))
    assert isinstance(step.check(make_context()), Pending)
    assert step.apply(make_context()).status is Status.CHANGED
    assert step.check(make_context()) == Satisfied("at head a1", {"revision": ["a1"]})
    assert tables(postgres_url) == {"t_a1", "shop_version"}


def test_a_version_table_in_another_schema_is_found_directly(postgres_url: str, project: Builder) -> None:
    env = (project.folder / "env.py").read_text()
    named = "version_table='versions', version_table_schema='ops'"
    project.env(env.replace("target_metadata=None", named))
    project.tables("a1")
    with psycopg.connect(postgres_url) as connection:
        connection.execute("create schema ops")
    step = step_for(project.folder, url=postgres_url)
    assert isinstance(step.check(make_context()), Pending)
    step.apply(make_context())
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("select version_num from ops.versions").fetchall() == [("a1",)]
    project.env("raise RuntimeError('check runs nothing of env.py where it is certain')\n" + env.replace(
        "target_metadata=None", named))  # fmt: skip
    assert isinstance(step.check(make_context()), Satisfied)


def test_a_search_path_set_by_env_py_is_asked_of_env_py(postgres_url: str, project: Builder) -> None:
    env = (project.folder / "env.py").read_text()
    moved = "    connection.exec_driver_sql('set search_path = app')\n    connection.commit()\n    context.configure("
    project.env(env.replace("    context.configure(", moved))
    project.tables("a1")
    with psycopg.connect(postgres_url) as connection:
        connection.execute("create schema app")
    step = step_for(project.folder, url=postgres_url)
    assert isinstance(step.check(make_context()), Pending)
    step.apply(make_context())
    assert isinstance(step.check(make_context()), Satisfied)
    assert tables(postgres_url) == set()


def test_env_py_that_makes_its_schema_first_is_not_let_by_check_but_converges(
    postgres_url: str, project: Builder
) -> None:
    env = (project.folder / "env.py").read_text()
    made = "    connection.exec_driver_sql('create schema if not exists ' + name)\n    connection.commit()\n"
    project.env("name = 'app'\n" + env.replace("    context.configure(", made + "    context.configure(").replace(
        "target_metadata=None", "version_table_schema=name"))  # fmt: skip
    project.tables("a1")
    step = step_for(project.folder, url=postgres_url)
    finding = step.check(make_context())
    assert isinstance(finding, Pending)
    assert "env.py writes before it reads" in finding.detail
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("select 1 from pg_namespace where nspname = 'app'").fetchall() == []
    assert step.apply(make_context()).status is Status.CHANGED
    assert step.apply(make_context()).status is Status.OK


def test_the_log_survives_file_config_and_prints_become_details(
    any_url: str, project: Builder, voice: RecordingVoice, capfd: pytest.CaptureFixture[str]
) -> None:
    import logging  # noqa: PLC0415 - only looked at here

    project.revision("a1", "print('printed', end='')\nop.execute('select 1')")
    before = list(logging.root.handlers), logging.root.level, logging.getLogger("some.other").disabled
    step_for(project.folder, url=any_url).apply(make_context(voice=voice))
    assert voice.notes[-1] == "applying a1 make a1"
    assert any("Running upgrade" in line for line in voice.details)
    assert "printed" in voice.details
    assert (list(logging.root.handlers), logging.root.level, logging.getLogger("some.other").disabled) == before
    assert capfd.readouterr() == ("", "")


def test_nothing_is_imported_from_or_left_in_the_migrations_folder(any_url: str, project: Builder) -> None:
    import sys  # noqa: PLC0415 - only looked at here

    project.tables("a1")
    path = list(sys.path)
    before = sorted(project.folder.rglob("*"))
    step_for(project.folder, url=any_url).apply(make_context())
    assert sys.path == path
    assert sorted(project.folder.rglob("*")) == before


def test_models_beside_the_ini_are_imported_and_missing_ones_are_named(any_url: str, project: Builder) -> None:
    root = project.folder.parent
    (root / "alembic.ini").write_text("[alembic]\nscript_location = migrations\nprepend_sys_path = .\n")
    env = (project.folder / "env.py").read_text().replace("fileConfig(config.config_file_name)", "pass")
    project.env("import shop_models_of_this_test\n" + env)
    project.tables("a1")
    step = step_for(root, url=any_url)
    with pytest.raises(
        PermanentError, match=r"no module 'shop_models_of_this_test' \(migrations/env.py, line 1\); build"
    ):
        step.apply(make_context())
    (root / "shop_models_of_this_test.py").write_text("")
    assert step.apply(make_context()).status is Status.CHANGED


def test_a_folder_with_env_py_alone_is_enough(any_url: str, project: Builder) -> None:
    (project.folder / "alembic.ini").unlink()
    project.tables("a1")
    assert step_for(project.folder, url=any_url).apply(make_context()).status is Status.CHANGED
    assert isinstance(step_for(project.folder / "env.py", url=any_url).check(make_context()), Satisfied)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise SystemExit(3)", r"it called exit\(3\) \(env.py, line 1\)"),
        ("{}['SHOP']", r"KeyError: 'SHOP' \(env.py, line 1\)"),
        ("import psycopg2", "no module 'psycopg2'; install that driver|no module 'psycopg2' .*write the URL without"),
        ("def broken(:", "SyntaxError"),
        ("from sqlalchemy import create_engine; create_engine('nosuch://x')", "NoSuchModuleError"),
        ("x = 1", "ended without an error, but|never calls context.run_migrations"),
    ],
)  # fmt: skip
def test_an_env_py_that_fails_is_told_with_its_line(any_url: str, project: Builder, text: str, message: str) -> None:
    project.tables("a1")
    project.env(text + "\n# context.configure(connection=1)\n")
    if any_url.startswith("sqlite"):
        Path(any_url.removeprefix("sqlite:///")).touch()
    with pytest.raises(PermanentError, match=message):
        step_for(project.folder, url=any_url).apply(make_context())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nowhere", "no such file or folder"),
        (lambda folder: folder / "versions", "neither alembic.ini nor env.py"),
        (lambda folder: folder / "versions" / "a1_step.py", "got another file"),
    ],
)
def test_a_path_without_migrations_is_refused(project: Builder, make: object, message: str) -> None:
    project.tables("a1")
    path = make(project.folder)  # type: ignore[operator]
    with pytest.raises(PermanentError, match=message):
        step_for(path, url="sqlite:///x.db").check(make_context())


def test_an_ini_with_a_plain_percent_sign_is_told_with_the_way_out(any_url: str, project: Builder) -> None:
    project.ini("[alembic]\nscript_location = %(nowhere)s\n")
    with pytest.raises(PermanentError, match="Bad value substitution"):
        step_for(project.folder, url=any_url).check(make_context())


def test_a_missing_revision_to_go_to_is_told(any_url: str, project: Builder) -> None:
    project.tables("a1")
    with pytest.raises(PermanentError, match="check --to"):
        step_for(project.folder, url=any_url, to="zzzz").check(make_context())


def test_a_missing_folder_for_sqlite_is_suspect_and_no_server_temporary(project: Builder, tmp_path: Path) -> None:
    project.tables("a1")
    with pytest.raises(SuspectError, match="check that the folder exists"):
        step_for(project.folder, url=f"sqlite:///{tmp_path}/nowhere/x.db").apply(make_context())


def test_a_password_with_percent_signs_reaches_env_py(postgres_url: str, project: Builder) -> None:
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - for this test only

    found = conninfo_to_dict(postgres_url)
    project.env(
        (project.folder / "env.py").read_text()
        + "\nassert connectable.url.password == 'p%zz:@%25 x', 'another password'\n"
    )
    project.tables("a1")
    words = " ".join(f"{name}='{value}'" for name, value in found.items() if name != "password" and value)
    url = words + " password='p%zz:@%25 x'"
    step = step_for(project.folder, url=url)
    assert step.apply(make_context()).status is Status.CHANGED


def test_libpqs_variables_alone_are_enough(
    postgres_url: str, project: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - for this test only

    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    found = conninfo_to_dict(postgres_url)
    environ = {names[key]: str(value) for key, value in found.items() if value and key in names}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    project.tables("a1")
    step = step_for(project.folder)
    assert step.apply(make_context(environ=environ)).status is Status.CHANGED
    assert isinstance(step.check(make_context(environ=environ)), Satisfied)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg"])
def test_every_way_to_write_the_scheme_reaches_psycopg(postgres_url: str, project: Builder, scheme: str) -> None:
    project.tables("a1")
    project.revision("b2", "assert op.get_bind().dialect.driver == 'psycopg'")
    url = scheme + postgres_url[postgres_url.index("://") :]
    project.env(
        "import os\nfrom alembic import context\nfrom sqlalchemy import create_engine\n"
        "with create_engine(os.environ['DATABASE_URL']).begin() as connection:\n"
        "    context.configure(connection=connection)\n    context.run_migrations()\n"
    )
    assert step_for(project.folder).apply(make_context(environ={"DATABASE_URL": url})).status is Status.CHANGED


def test_sessions_carry_our_name(postgres_url: str, project: Builder) -> None:
    project.revision(
        "a1",
        "name = op.get_bind().exec_driver_sql('show application_name').scalar()\n"
        "import re\nassert re.fullmatch('initkit/[0-9a-f]{8}/.+', name), name",
    )
    assert step_for(project.folder, url=postgres_url).apply(make_context()).status is Status.CHANGED


def test_ddl_on_sqlite_is_rolled_back_and_pragmas_still_work(project: Builder, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    project.revision(
        "a1",
        "op.execute('PRAGMA foreign_keys = ON')\n"
        "op.create_table('p', sa.Column('id', sa.Integer, primary_key=True))\n"
        "op.create_table('c', sa.Column('p', sa.Integer, sa.ForeignKey('p.id', ondelete='CASCADE')))\n"
        "op.execute('insert into p values (1)')\nop.execute('insert into c values (1)')",
    )
    project.revision(
        "b2",
        "op.execute('create table x (id integer)')\nop.execute('PRAGMA foreign_keys = OFF')\n"
        "with op.batch_alter_table('p', recreate='always') as p:\n    p.add_column(sa.Column('more', sa.Text))\n"
        "op.execute('PRAGMA foreign_keys = ON')",
    )
    step_for(project.folder, url=url).apply(make_context())
    with closing(sqlite3.connect(tmp_path / "shop.db")) as file:
        assert file.execute("select count(*) from c").fetchone() == (1,)
        assert file.execute("select id, more from p").fetchone() == (1, None)


def test_what_another_program_left_half_written_is_rolled_back(project: Builder, tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    step = step_for(project.folder, url=f"sqlite:///{path}")
    project.tables("a1")
    step.apply(make_context())
    project.tables("b2")
    leave_hot_journal(path, "insert into t_a1 values (null)")
    finding = step.check(make_context())
    assert isinstance(finding, Pending)
    assert finding.changes == ("b2 make b2",)
    assert step.apply(make_context()).status is Status.CHANGED
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("select count(*) from t_a1").fetchone() == (0,)
