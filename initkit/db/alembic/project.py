"""Finds alembic's configuration for a path that people type, and reads it; what revisions say is read elsewhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from initkit.core.errors import PermanentError
from initkit.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.db.alembic.settings import Settings

INI, PYPROJECT, ENV = "alembic.ini", "pyproject.toml", "env.py"


class Project(Record):
    """Where a project's migrations are, with all folders absolute.

    Attributes:
        ini: the path of its alembic.ini, or None.
        pyproject: the path of the pyproject.toml with its ``[tool.alembic]``, or None; both may be there.
        folder: that of the ini or pyproject.toml, or the one with env.py.
        section: of the ini.
        script_location: the folder with env.py; as written (``package:folder``) where `dynamic` says so.
        version_locations: the folders with revisions, in alembic's order; as written where `dynamic` says so.
        prepend_sys_path: what env.py imports from before all else.
        recursive: whether revisions may lie in folders below.
        sourceless: whether compiled revisions without a source count.
        engine_options: the ``sqlalchemy.*`` settings of the section other than the URL, by name.
        dynamic: why the folders are only known once Python has imported something; empty where they are known.
    """

    ini: str | None
    pyproject: str | None
    folder: str
    section: str
    script_location: str
    version_locations: tuple[str, ...]
    prepend_sys_path: tuple[str, ...] = ()
    recursive: bool = False
    sourceless: bool = False
    engine_options: Mapping[str, str] = {}
    dynamic: str = ""

    @property
    def env_py(self) -> str:
        """The path of env.py."""
        return os.path.join(self.script_location, ENV)


def find(path: str, *, section: str = "alembic") -> Project:
    """The project that `path` names: an alembic.ini, a pyproject.toml, a folder that holds one, or one with env.py.

    Raises:
        PermanentError: there is nothing of that kind, or its configuration cannot be read.
    """
    task = f"find the migrations in {path}"
    ini, pyproject = _files(path, task)
    if not ini and not pyproject:
        folder = os.path.abspath(path if os.path.isdir(path) else os.path.dirname(path))
        return Project(None, None, folder, section, folder, (os.path.join(folder, "versions"),))
    from initkit.db.alembic.settings import read  # noqa: PLC0415 - not for a folder with env.py alone

    return _configured(read(ini, pyproject, section, task), ini, pyproject, section, task)


def _files(path: str, task: str) -> tuple[str | None, str | None]:
    """The ini and the pyproject.toml behind `path`; neither where it leads to an env.py.

    The one that is not named counts too where it lies beside: ``alembic`` started there would read both.
    """
    if os.path.isdir(path):
        found = _beside(path)
        if found == (None, None) and not os.path.isfile(os.path.join(path, ENV)):
            cause = f"the folder has neither {INI} nor {ENV}, no {PYPROJECT} with [tool.alembic], and no *.sql"
            raise PermanentError(task, cause, "name or mount the folder that has one")
        return found
    if not os.path.exists(path):
        raise PermanentError(task, "no such file or folder", "mount it there, or mend the path")
    name, folder = os.path.basename(path), os.path.dirname(path) or "."
    if name == PYPROJECT:
        if not _has_section(path):
            raise PermanentError(task, "it has no section [tool.alembic]", f"name {INI} or its folder")
        return _beside(folder)[0], path
    if path.endswith(".ini"):
        return path, _beside(folder)[1]
    if name == ENV:
        return None, None
    raise PermanentError(task, f"expected an {INI} or a folder, got another file", f"name {INI} or its folder")


def _beside(folder: str) -> tuple[str | None, str | None]:
    ini, pyproject = os.path.join(folder, INI), os.path.join(folder, PYPROJECT)
    return ini if os.path.isfile(ini) else None, pyproject if _has_section(pyproject) else None


def _has_section(pyproject: str) -> bool:
    try:
        with open(pyproject, "rb") as file:
            text = file.read()
    except OSError:
        return False
    if b"alembic" not in text:  # most of them: not worth loading a parser
        return False
    import tomllib  # noqa: PLC0415 - see above

    try:
        return isinstance(tomllib.loads(text.decode()).get("tool", {}).get("alembic"), dict)
    except (ValueError, AttributeError):
        return False


def _configured(settings: Settings, ini: str | None, pyproject: str | None, section: str, task: str) -> Project:
    folder = os.path.dirname(os.path.abspath(ini or pyproject or ""))
    written = settings.text("script_location")
    if not written:
        where = f"[{section}] of {ini}" if ini else f"[tool.alembic] of {pyproject}"
        raise PermanentError(task, f"{where} says no script_location", "add it, or see --name for another section")
    location = _placed(written, folder)
    versions = tuple(_placed(one, folder) for one in settings.words("version_locations"))
    loose = [one for one in (location, *versions) if not os.path.isabs(one)]
    return Project(
        ini,
        pyproject,
        folder,
        section,
        location,
        versions or (os.path.join(location, "versions"),),
        tuple(os.path.normpath(os.path.join(folder, one)) for one in settings.words("prepend_sys_path")),
        recursive=settings.flag("recursive_version_locations"),
        sourceless=settings.flag("sourceless"),
        engine_options=settings.engine_options(),
        dynamic=f"{loose[0]} is a package's resource" if loose else "",
    )


def _placed(written: str, folder: str) -> str:
    """An absolute folder where alembic would look in the current one; a package's resource stays as it is.

    People start alembic in the folder of its ini; a container starts in any.
    """
    if os.path.isabs(written):
        return os.path.normpath(written)
    if ":" in written:
        return written
    beside = os.path.normpath(os.path.join(folder, written))
    return beside if os.path.isdir(beside) else os.path.abspath(written)


def kind_of(path: str) -> Literal["alembic", "sql"] | None:
    """What applies the migrations that `path` holds; None where it holds none."""
    if not os.path.isdir(path):
        name = os.path.basename(path)
        known = path.endswith(".ini") or name == ENV or (name == PYPROJECT and _has_section(path))
        return "alembic" if known and os.path.isfile(path) else None
    if _beside(path) != (None, None) or os.path.isfile(os.path.join(path, ENV)):
        return "alembic"
    with os.scandir(path) as entries:
        return "sql" if any(entry.name.endswith(".sql") and entry.is_file() for entry in entries) else None
