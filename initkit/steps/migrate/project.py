"""Finds alembic's configuration for a path that people type; what the revisions say is read elsewhere."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError

if TYPE_CHECKING:
    from alembic.config import Config

_SEPARATORS = re.compile(rf"[\s,;{os.pathsep}]+")


@dataclass(frozen=True)
class Project:
    """Where a project's migrations are.

    Attributes:
        ini: the path of its alembic.ini, or None where only a folder with env.py was given.
        folder: that of the ini, or the one with env.py.
    """

    ini: str | None
    folder: str

    def config(self, url: str) -> Config:
        """Alembic's configuration, with `url` as its ``sqlalchemy.url``."""
        from alembic.config import Config  # noqa: PLC0415 - only where alembic runs

        config = Config(self.ini) if self.ini else Config()
        location = self._script_location(config)
        if location:
            config.set_main_option("script_location", _literal(location))
        config.set_main_option("sqlalchemy.url", _literal(url))
        return config

    def _script_location(self, config: Config) -> str | None:
        """An absolute folder where the configuration's own entry would be looked for in the current folder.

        People start alembic in the folder of its ini; a container starts in any.
        """
        if self.ini is None:
            return os.path.abspath(self.folder)
        written = config.get_main_option("script_location")
        beside = os.path.join(os.path.abspath(self.folder), written or "")
        return beside if written and ":" not in written and os.path.isdir(beside) else None

    def import_folders(self, config: Config) -> list[str]:
        """What ``prepend_sys_path`` means when it is read from the ini's folder; alembic adds the current folder's."""
        written = config.get_main_option("prepend_sys_path") if self.ini else None
        words = _SEPARATORS.split(written.strip()) if written else []
        return [os.path.normpath(os.path.join(os.path.abspath(self.folder), word)) for word in words if word]


def _literal(value: str) -> str:
    """`value` as ConfigParser reads it back: its interpolation takes ``%`` for its own."""
    return value.replace("%", "%%")


def find_project(path: str) -> Project:
    """The project that `path` names: an alembic.ini, a folder that holds one, or a folder with env.py.

    Raises:
        PermanentError: there is nothing of that kind.
    """
    task = f"find the migrations in {path}"
    if os.path.isdir(path):
        if os.path.isfile(os.path.join(path, "alembic.ini")):
            return Project(os.path.join(path, "alembic.ini"), path)
        if os.path.isfile(os.path.join(path, "env.py")):
            return Project(None, path)
        raise PermanentError(
            task, "the folder has neither alembic.ini nor env.py", "name or mount the folder that has one"
        )
    if not os.path.exists(path):
        raise PermanentError(task, "no such file or folder", "mount it there, or mend the path")
    if path.endswith(".ini"):
        return Project(path, os.path.dirname(path))
    if os.path.basename(path) == "env.py":
        return Project(None, os.path.dirname(path) or ".")
    raise PermanentError(
        task, "expected an alembic.ini or a folder, got another file", "name alembic.ini or its folder"
    )
