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
