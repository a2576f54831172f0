"""Alembic projects as people write them, on disk; and runs of the step, in this program or in one of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ENV_STANDARD = """
from logging.config import fileConfig
from alembic import context
from sqlalchemy import engine_from_config, pool
config = context.config
if config.config_file_name is not None:
    fileConfig(config.config_file_name)
connectable = engine_from_config(
    config.get_section(config.config_ini_section, {}), prefix="sqlalchemy.", poolclass=pool.NullPool)
with connectable.connect() as connection:
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()
"""

INI = """
[alembic]
script_location = %(here)s
[loggers]
keys = root,alembic
[handlers]
keys = console
[formatters]
keys = plain
[logger_root]
level = INFO
handlers = console
[logger_alembic]
level = INFO
handlers =
qualname = alembic
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = plain
[formatter_plain]
format = %(levelname)s %(message)s
"""


# the connection may be handed over by another program: https://alembic.sqlalchemy.org/en/latest/cookbook.html#connection-sharing
ENV_SHARED = """
from alembic import context
from sqlalchemy import engine_from_config, pool
config = context.config
def run(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
given = config.attributes.get("connection", None)
if given is None:
    connectable = engine_from_config(config.get_section(config.config_ini_section), prefix="sqlalchemy.")
    with connectable.connect() as connection:
        run(connection)
else:
    run(given)
"""

ENV_ENVIRONMENT = """
import os
from alembic import context
from sqlalchemy import create_engine
engine = create_engine(os.environ[{name!r}])
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

# its transaction is begun by the select, so that alembic takes it for the caller's and commits nothing
ENV_SELECTS = ENV_STANDARD.replace(
    "    context.configure(", "    connection.exec_driver_sql('select 1')\n    context.configure("
)


def template(name: str) -> str:
    """The env.py of one of alembic's own templates."""
    import alembic  # noqa: PLC0415 - only where one is asked for

    return (Path(alembic.__file__).parent / "templates" / name / "env.py").read_text(encoding="utf-8")


class Builder:
    """Writes one project; each revision builds on the one before unless told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "versions").mkdir(parents=True)
        self.env(ENV_STANDARD)
        self.ini(INI)
        self.last: str | None = None

    def env(self, text: str) -> None:
        (self.folder / "env.py").write_text(text)

    def ini(self, text: str) -> None:
        (self.folder / "alembic.ini").write_text(text)

    def revision(self, name: str, body: str, *, down: object = ..., extra: str = "") -> None:
        down = self.last if down is ... else down
        lines = "\n    ".join(body.strip().splitlines())
        (self.folder / "versions" / f"{name}_step.py").write_text(
            f'"""make {name}\n\nRevision ID: {name}\n"""\nimport sqlalchemy as sa\nfrom alembic import op\n'
            f"revision = {name!r}\ndown_revision = {down!r}\n{extra}\ndef upgrade():\n    {lines}\n"
        )
        self.last = name

    def tables(self, *names: str) -> None:
        for name in names:
            self.revision(name, f"op.create_table('t_{name}', sa.Column('id', sa.Integer, primary_key=True))")


@pytest.fixture
def project(tmp_path: Path) -> Builder:
    return Builder(tmp_path / "migrations")


@pytest.fixture(params=["postgres", "sqlite"])
def any_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database of each kind that is migrated in full."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shop.db"
    return str(request.getfixturevalue("postgres_url"))


Spawn = Callable[..., subprocess.Popen[str]]

_RUN = Path(__file__).parent / "integration" / "migrate" / "run_step.py"


@pytest.fixture
def spawn() -> Spawn:
    """Start the step in a program of its own: check, and apply where there is something to do."""

    def start(path: object, url: str, *more: str) -> subprocess.Popen[str]:
        environ = os.environ | {"PYTHONPATH": f"{_RUN.parents[2]}:{_RUN.parents[3]}", "DATABASE_URL": url}
        return subprocess.Popen(
            [sys.executable, str(_RUN), str(path), *more],
            env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return start
