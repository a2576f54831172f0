"""Alembic projects in which the short cut to "at head already" may lie, and what it says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psycopg
from fix_alembic import INI
from fix_clock import make_context

from initkit.core.assemble import assemble
from initkit.db.alembic import standing
from initkit.db.revisions import Standing
from initkit.steps.migrate.step import STEP, Migrate

if TYPE_CHECKING:
    from fix_alembic import Builder

HEAD = """
import os
import sqlalchemy as sa
from alembic import context
config = context.config
"""
OURS = HEAD + "engine = sa.create_engine(os.environ['DATABASE_URL'])\n"
RUN = "    with context.begin_transaction():\n        context.run_migrations()\n"


def configured(options: str, before: str = "") -> str:
    """An env.py with these arguments to `configure`."""
    return f"{OURS}{before}with engine.connect() as c:\n    context.configure(connection=c{options})\n{RUN}"


class Case(NamedTuple):
    """A project that looks elsewhere than at the table where everything is applied.

    Attributes:
        env: its env.py; FOLDER stands for the project's folder.
        reason: why the short cut is not taken.
        modules: what it imports, by file name.
        ini: more lines of its section in alembic.ini.
        options: of the step.
        environ: more variables.
        files: more files, by name.
    """

    env: str
    reason: str
    modules: dict[str, str] = {}  # noqa: RUF012 - a named tuple's default; nobody writes to it
    ini: str = ""
    options: dict[str, object] = {}  # noqa: RUF012 - as above
    environ: dict[str, str] = {}  # noqa: RUF012 - as above
    files: dict[str, str] = {}  # noqa: RUF012 - as above


def step_for(path: object, url: str, **more: object) -> Migrate:
    return assemble(STEP, {"path": str(path), "url": url} | more)


def apply_by_hand(url: str, *names: str) -> None:
    """As if alembic had applied these, in the table that it uses where nothing else is said."""
    with psycopg.connect(url) as connection:
        connection.execute("create schema ops")
        for schema in ("public", "ops"):
            connection.execute(f"create table {schema}.alembic_version (version_num varchar(32) primary key)")
        for name in names:
            connection.execute("insert into public.alembic_version values (%s)", (name,))


def built(project: Builder, case: Case) -> dict[str, str]:
    """Write the case's project; returns its variables."""
    (project.folder / "second.db").touch()
    project.tables("a1")
    project.env(case.env.replace("FOLDER", str(project.folder)))
    here = "[alembic]\nscript_location = %(here)s\nprepend_sys_path = %(here)s\npath_separator = os\n"
    more = case.ini.replace("FOLDER", str(project.folder))
    project.ini(INI.replace("[alembic]\nscript_location = %(here)s\n", here + more))
    for name, text in (case.files | {f"{name}.py": text for name, text in case.modules.items()}).items():
        file = project.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text.replace("FOLDER", str(project.folder)))
    return {name: value.replace("FOLDER", str(project.folder)) for name, value in case.environ.items()}


def sure(step: Migrate, **more: str) -> Standing:
    context = make_context(environ=more)
    found = standing.look(step, step.database(context.environ), context)
    assert isinstance(found, Standing), found
    return found
