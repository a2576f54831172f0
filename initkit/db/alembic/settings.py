"""Reads alembic's own settings from alembic.ini and pyproject.toml as alembic does; what they mean is `project`'s.

The rules are those of ``alembic/config.py``: the ini counts before ``[tool.alembic]``, and only the ini knows sections:
https://alembic.sqlalchemy.org/en/latest/tutorial.html#using-pyproject-toml-for-configuration
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from initkit.core.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from configparser import ConfigParser

_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}
# how alembic splits where no separator is set
_LOOSE = {"version_locations": re.compile(r", *|(?: +)"), "prepend_sys_path": re.compile(r", *|(?: +)|\:")}
_NAMED_BY = {
    "version_locations": ("path_separator", "version_path_separator"),
    "prepend_sys_path": ("path_separator",),
}


class Settings:
    """One section of an ini, and ``[tool.alembic]``."""

    def __init__(self, ini: ConfigParser | None, section: str, toml: Mapping[str, Any], here: str, task: str) -> None:
        self._ini = ini
        self._section = section
        self._toml = toml
        self._here = here
        self._task = task

    def _of_ini(self, name: str) -> str | None:
        if self._ini is None or not self._ini.has_option(self._section, name):
            return None
        from configparser import Error  # noqa: PLC0415 - only where there is an ini

        try:
            return self._ini.get(self._section, name)
        except Error as error:
            raise _unreadable(self._task, f"{name}: {_line(error)}") from error

    def text(self, name: str) -> str:
        """A setting; empty where there is none."""
        found = self._of_ini(name)
        return self._substituted(self._toml.get(name, "")) if found is None else found

    def flag(self, name: str) -> bool:
        """Whether a setting is on."""
        found = self._of_ini(name)
        return self._toml.get(name) is True if found is None else found == "true"

    def words(self, name: str) -> list[str]:
        """The folders of a setting that names several."""
        found = self._of_ini(name)
        if found:
            return [word for word in self._split(name, found) if word]
        listed = self._toml.get(name) or []
        return [self._substituted(word) for word in ([listed] if isinstance(listed, str) else listed)]

    def _split(self, name: str, text: str) -> list[str]:
        for by in _NAMED_BY[name]:
            separator = self._of_ini(by)
            if separator is not None:
                if separator not in _SEPARATORS:
                    known = ", ".join(_SEPARATORS)
                    raise _unreadable(self._task, f"expected {known} for {by}, got {separator!r}")
                return [word.strip() for word in text.split(_SEPARATORS[separator])]
        return _LOOSE[name].split(text.strip())

    def _substituted(self, value: object) -> str:
        try:
            return str(value) % {"here": self._here}
        except (KeyError, ValueError, TypeError) as error:
            raise _unreadable(self._task, f"cannot substitute in {value!r}") from error

    def engine_options(self) -> dict[str, str]:
        """What ``engine_from_config`` would be given besides the URL."""
        if self._ini is None or not self._ini.has_section(self._section):
            return {}
        names = [name for name in self._ini.options(self._section) if name.startswith("sqlalchemy.")]
        return {name: self._ini.get(self._section, name, raw=True) for name in names if name != "sqlalchemy.url"}


def read(ini: str | None, pyproject: str | None, section: str, task: str) -> Settings:
    """The settings that the two files hold.

    Raises:
        PermanentError: one cannot be read, or the ini has no such section.
    """
    parsed = _ini(ini, section, task, needed=not pyproject) if ini else None
    toml = _toml(pyproject, task) if pyproject else {}
    return Settings(parsed, section, toml, os.path.dirname(os.path.abspath(pyproject or "")), task)


def _ini(path: str, section: str, task: str, *, needed: bool) -> ConfigParser:
    from configparser import ConfigParser, Error  # noqa: PLC0415 - only where there is an ini

    # one more %: the folder itself is not to be interpolated
    parser = ConfigParser({"here": os.path.dirname(os.path.abspath(path)).replace("%", "%%")})
    try:
        with open(path, encoding="locale") as file:
            parser.read_file(file)
    except OSError as error:
        raise PermanentError(f"read {path}", error.strerror or str(error), "make it readable") from error
    except (Error, UnicodeDecodeError) as error:
        raise _unreadable(task, _line(error)) from error
    if needed and not parser.has_section(section):
        others = ", ".join(parser.sections()) or "none at all"
        raise PermanentError(task, f"{path} has no section [{section}], but {others}", "mend --name")
    return parser


def _toml(path: str, task: str) -> Mapping[str, Any]:
    import tomllib  # noqa: PLC0415 - only where there is a pyproject.toml

    try:
        with open(path, "rb") as file:
            found = tomllib.load(file)
    except OSError as error:
        raise PermanentError(f"read {path}", error.strerror or str(error), "make it readable") from error
    except ValueError as error:
        raise _unreadable(task, f"{path}: {error}") from error
    section: Mapping[str, Any] = found.get("tool", {}).get("alembic", {})
    return section


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _unreadable(task: str, cause: str) -> PermanentError:
    return PermanentError(task, cause, "mend alembic's configuration")
