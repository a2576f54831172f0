"""A folder of SQL migrations: which files there are, in which order, what is to be run of each; not what is applied."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.core.record import Record
from initkit.db.sqlfiles.forbidden import prelude, refuse
from initkit.db.sqlfiles.naming import Name, read_name
from initkit.db.sqlfiles.sections import Section, section_of
from initkit.db.sqlfiles.splitter import SplitError, agrees, checksum

if TYPE_CHECKING:
    from initkit.db.sqlfiles.lexer import Dialect
    from initkit.db.sqlfiles.naming import Key
    from initkit.db.sqlfiles.splitter import Statement

_SUFFIX = ".sql"
_RULES = "name it like 0001_add_orders.sql, V1__add_orders.sql or R__views.sql, or move it away"


class Script(Record):
    """One migration.

    Attributes:
        name: what its file's name says.
        section: what is to be run of it.
        dialect: of the database that it is for.
    """

    name: Name
    section: Section
    dialect: Dialect

    @property
    def id(self) -> str:
        """Its version as it is written, or its name where it is repeatable."""
        return str(self.name.id)

    @property
    def key(self) -> Key:
        """Its version as it is compared."""
        return tuple(self.name.key)

    @property
    def file(self) -> str:
        """Its file, without the folder."""
        return str(self.name.file)

    @property
    def checksum(self) -> str:
        """Of what is to be run."""
        return checksum(self.section.text, self.dialect)

    def agrees(self, recorded: str) -> bool:
        """Whether a checksum is its own, but for comments and white space."""
        return agrees(recorded, self.section.text, self.dialect)

    def statements(self) -> tuple[Statement, ...]:
        """Its statements.

        Raises:
            PermanentError: there is something in it that cannot be applied; the message says where.
        """
        try:
            found = tuple(self.section.statements(self.dialect))
            for statement in found[prelude(found, self.dialect) :]:
                refuse(statement, self.dialect, in_transaction=self.section.in_transaction)
        except SplitError as error:
            raise PermanentError(f"read {self.file}", f"line {error.line}: {error.cause}", error.advice) from error
        return found


class Folder(Record):
    """A folder of migrations.

    Attributes:
        path: as it was given.
        versioned: in order of their versions.
        repeatable: in order of their names.
        warnings: what is there and not read.
    """

    path: str
    versioned: tuple[Script, ...] = ()
    repeatable: tuple[Script, ...] = ()
    warnings: tuple[str, ...] = ()


def read_folder(path: str, dialect: Dialect) -> Folder:
    """The migrations in a folder; those in folders below it are not read, and a warning says so.

    Raises:
        PermanentError: a file's name says nothing, two have one version, or a file cannot be read.
    """
    names, below = _listed(path)
    found = [_named(path, file) for file in names]
    scripts = [_read(path, name, dialect) for name in found if not name.is_ignored]
    versioned = sorted((script for script in scripts if script.key), key=lambda script: script.key)
    for one, other in pairwise(versioned):
        if one.key == other.key:
            cause = f"{one.file} and {other.file} both have version {one.id}"
            raise PermanentError(f"read the migrations in {path}", cause, "give one of them another version")
    repeatable = tuple(script for script in scripts if not script.key)
    warnings = tuple(
        f"{os.path.join(path, folder)} holds .sql files that are not read: move them up" for folder in below
    )
    if not scripts and not below:
        warnings = (f"{path} holds no migrations",)
    return Folder(path, tuple(versioned), repeatable, warnings)


def _listed(path: str) -> tuple[list[str], list[str]]:
    # what begins with a dot is an editor's, or the kubelet's: a ConfigMap's files stand in ..data, too
    try:
        with os.scandir(path) as entries:
            seen = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
        below = [name for name, is_folder in seen if is_folder and _holds_sql(os.path.join(path, name))]
    except OSError as error:
        cause = (error.strerror or str(error)).lower()
        raise PermanentError(f"read the migrations in {path}", cause, "mount the folder") from error
    return [name for name, is_folder in seen if not is_folder and name.lower().endswith(_SUFFIX)], below


def _holds_sql(folder: str) -> bool:
    try:
        return any(name.lower().endswith(_SUFFIX) and not name.startswith(".") for name in os.listdir(folder))
    except OSError:
        return False  # lost+found of a volume, say


def _named(path: str, file: str) -> Name:
    name = read_name(file)
    if name is None:
        raise PermanentError(f"read the migrations in {path}", f"the name of {file} says no version", _RULES)
    return name


def _read(path: str, name: Name, dialect: Dialect) -> Script:
    task = f"read {os.path.join(path, name.file)}"
    try:
        with open(os.path.join(path, name.file), encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except OSError as error:
        raise PermanentError(task, (error.strerror or str(error)).lower(), "make it readable") from error
    except UnicodeDecodeError as error:
        raise PermanentError(task, f"it is not UTF-8 (at byte {error.start})", "save it as UTF-8") from error
    try:
        return Script(name, section_of(text, dialect), dialect)
    except SplitError as error:
        raise PermanentError(task, f"line {error.line}: {error.cause}", error.advice) from error
