"""Alembic's own objects for a project, as its command line makes them; where the project is: the request says it."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from initkit.steps.migrate.alembic.address import sqlalchemy_url

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from initkit.steps.migrate.alembic.wire import Request


def config_for(request: Request) -> Config:
    """Alembic's configuration, with the database's URL as its ``sqlalchemy.url``."""
    from alembic.config import CommandLine, Config  # noqa: PLC0415 - only where alembic runs

    words = ["-n", request.name, "upgrade", *(["--sql"] if request.task == "sql" else []), request.to]
    options = CommandLine(prog="alembic").parser.parse_args(words)
    options.config = [file for file in (request.ini, request.toml) if file] or None
    options.x = list(request.x) or None
    config = Config(
        request.ini or None,
        request.toml or None,
        request.name,
        output_buffer=io.StringIO() if request.task == "sql" else None,
        stdout=sys.stdout,
        cmd_opts=options,
    )
    config.set_main_option("script_location", _literal(request.script_location))
    config.set_main_option("sqlalchemy.url", _literal(sqlalchemy_url(request.database)))
    return config


def _literal(value: str) -> str:
    """`value` as ConfigParser reads it back: its interpolation takes ``%`` for its own."""
    return value.replace("%", "%%")


def scripts_for(config: Config, request: Request) -> ScriptDirectory:
    """The revisions."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - only where alembic runs

    # alembic puts its own reading of prepend_sys_path before that, which is the same in the current folder
    sys.path[:0] = request.import_folders
    scripts = ScriptDirectory.from_config(config)
    sys.path[:0] = request.import_folders
    scripts.version_locations = list(request.version_locations)
    return scripts
