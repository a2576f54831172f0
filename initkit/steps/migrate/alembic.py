"""Runs a project's alembic: which revisions there are, which are recorded, the upgrade itself; it takes no locks."""

from __future__ import annotations

import math
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from initkit.core.errors import InitkitError, PermanentError
from initkit.db import revisions
from initkit.db.revisions import Heads, Revision, VersionTable
from initkit.steps.migrate import address, failure
from initkit.steps.migrate.borrowed import borrowed
from initkit.steps.migrate.connections import Connections
from initkit.steps.migrate.env_py import version_table
from initkit.steps.migrate.project import find_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import Script, ScriptDirectory

    from initkit.core.step import Context
    from initkit.db.dsn import Database

_AFTERWARDS = 10.0  # seconds: the least time to connect once the upgrade has begun


@dataclass
class Progress:
    """What an upgrade has come to.

    Attributes:
        current: the revision under way, or None.
        applied: those that were run, each with its seconds; they count once they are committed.
    """

    current: Revision | None = None
    applied: list[tuple[Revision, float]] = field(default_factory=list)


class Alembic:
    """One project's alembic, for one database and one attempt."""

    def __init__(self, path: str, database: Database, context: Context, to: str) -> None:
        self.path = path
        self.to = to
        self.progress = Progress()
        self._database = database
        self._context = context
        self._project = find_project(path)
        self._connections = Connections(context, read_only=False)
        with self._theirs(lambda: f"read the migrations in {path}") as config:
            self._scripts = _load(config)
            self.all = tuple(as_revision(script) for script in self._scripts.walk_revisions())
        self._literal_table = self._read_table()

    @property
    def table(self) -> VersionTable:
        """The version table, as far as env.py says it literally."""
        return self._literal_table or VersionTable()

    def sessions(self) -> list[int]:
        """The server's process ids of the connections that env.py has open."""
        return self._connections.sessions()

    def recorded(self, *, read_only: bool) -> Heads | None:
        """What the version table says; None where env.py must write before it can be asked, and may not.

        It is looked at directly, without a line of the user's code, where that is certain to be the same; else env.py
        is run as ``alembic current`` would run it.
        """
        task = f"read which revisions {self._database.shown} has"
        if self._literal_table is not None:
            return revisions.recorded(self._database, self._context, self._literal_table, task=task)
        if self._database.dialect == "sqlite" and not os.path.exists(self._database.address):
            return ()  # connecting would make the file
        try:
            return self._ask_env(task, read_only=read_only)
        except InitkitError as error:
            if read_only and failure.is_read_only(error.__cause__):
                return None
            raise

    def pending(self, heads: Heads) -> tuple[Revision, ...]:
        """What is to be applied, in order, to a database that has `heads`.

        Raises:
            PermanentError: the database is ahead of these migrations, or `to` names nothing that can be reached.
        """
        self._refuse_unknown(heads)
        if not self.all:
            return ()
        with self._theirs(lambda: f"find the way to {self.to}"):
            return tuple(as_revision(step.revision) for step in self._steps(heads))

    def is_newest(self, heads: Heads) -> bool:
        """Whether there is no revision beyond `heads`."""
        return set(self._scripts.get_heads()) <= set(heads)

    def upgrade(self, expected: Heads | None) -> None:
        """Apply all that is pending; `progress` tells how far it came.

        Args:
            expected: what was recorded, to be sure that env.py looks at the same database; None where that is unknown.
        """

        def steps(heads: Heads | None, _context: MigrationContext) -> Iterator[Any]:
            self._agree(tuple(sorted(heads or ())), expected)
            for step in self._steps(tuple(heads or ())):
                self._context.stop.check()
                yield from self._timed(step)

        # work is under way, which no deadline cuts off, nor the look at the database that must follow it
        patience = max(self._context.attempt_timeout, _AFTERWARDS)
        self._context = self._context.but(deadline=math.inf, attempt_timeout=patience)
        self._connections = Connections(self._context, read_only=False)
        with self._theirs(self._task) as config:
            self._run_env(config, steps, dont_mutate=False)

    def verify(self) -> None:
        """Look on a fresh connection whether all is really recorded: a migration may run and commit nothing.

        Raises:
            PermanentError: it is not.
        """
        missing = self.pending(self.recorded(read_only=False) or ())
        if not missing:
            return
        places = ", ".join(sorted(self._connections.places)) or "nothing"
        raise PermanentError(
            f"apply the migrations in {self.path}",
            f"alembic ended without an error, but {self._database.shown} does not have {_names(missing)} "
            f"(env.py connected to {places})",
            "env.py must take its URL from sqlalchemy.url or DATABASE_URL, and execute nothing before it calls "
            "context.configure, or commit itself",
        )

    def _timed(self, step: Any) -> Iterator[Any]:  # noqa: ANN401 - alembic's RevisionStep
        revision, began = as_revision(step.revision), self._context.clock.now()
        self.progress.current = revision
        self._connections.begin_revision()
        self._context.voice.note(f"applying {revision}", revision=revision.id)
        yield step
        self.progress.applied.append((revision, self._context.clock.now() - began))
        self.progress.current = None

    def _task(self) -> str:
        revision = self.progress.current
        return f"apply revision {revision.id} ({revision.file})" if revision else f"run env.py of {self.path}"

    def _steps(self, heads: Heads) -> list[Any]:
        # what alembic.command.upgrade itself calls: its public forms raise other errors and leave the order to us
        return self._scripts._upgrade_revs(self.to, heads)  # type: ignore[arg-type]  # noqa: SLF001

    def _refuse_unknown(self, heads: Heads) -> None:
        unknown = sorted(set(heads) - {revision.id for revision in self.all})
        if unknown:
            raise PermanentError(
                f"migrate {self._database.shown}",
                f"it is at revision {', '.join(unknown)}, which {self.path} does not have",
                "a newer image has migrated it: deploy that one, or mount its migrations",
            )

    def _agree(self, found: Heads, expected: Heads | None) -> None:
        if self._literal_table is None or expected is None or found == expected:
            return
        raise PermanentError(
            f"apply the migrations in {self.path}",
            f"env.py finds revision {', '.join(found) or '(base)'} where {self._database.shown} has "
            f"{', '.join(expected) or '(base)'}",
            "env.py connects elsewhere: it must take its URL from sqlalchemy.url or DATABASE_URL",
        )

    def _ask_env(self, task: str, *, read_only: bool) -> Heads:
        seen: list[Heads] = []

        def note(heads: Heads | None, _context: MigrationContext) -> list[Any]:
            seen.append(tuple(sorted(heads or ())))
            return []

        self._connections = Connections(self._context, read_only=read_only)
        with self._theirs(lambda: task) as config:
            self._run_env(config, note, dont_mutate=True)
        if not seen:
            raise PermanentError(task, f"env.py of {self.path} never calls context.run_migrations()", "mend env.py")
        # env.py may go through several databases: they are as far as the one that has the most to do
        return max(seen, key=lambda heads: len(self.pending(heads)))

    def _run_env(self, config: Config, work: Callable[..., Any], *, dont_mutate: bool) -> None:
        from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415 - only where alembic runs

        options = {"as_sql": False, "starting_rev": None, "destination_rev": self.to, "tag": None}
        environment = EnvironmentContext(config, self._scripts, fn=work, dont_mutate=dont_mutate, **options)
        with self._connections.watched(), environment:
            self._scripts.run_env()

    @contextmanager
    def _theirs(self, task: Callable[[], str]) -> Iterator[Config]:
        """Where code of alembic and of the user runs: in a borrowed process, and all it raises is understood."""
        folder = os.path.abspath(self._project.folder)
        with failure.understood(self._context, task, folder, lambda: self._connections.loose):
            config = self._project.config(address.sqlalchemy_url(self._database))
            address.register_dialects()
            environ = address.environment(self._database, self._context.environ, self._context.attempt_timeout)
            with borrowed(self._context, environ, self._project.import_folders(config)):
                yield config

    def _read_table(self) -> VersionTable | None:
        env_py = os.path.join(self._scripts.dir, "env.py")
        try:
            with open(env_py, encoding="utf-8", errors="replace") as file:
                table = version_table(file.read())
        except OSError as error:
            raise PermanentError(f"read {env_py}", error.strerror or str(error), "mount it") from error
        # a schema is an attached file there, and only env.py can tell which
        return None if table and table.schema and self._database.dialect == "sqlite" else table


def _load(config: Config) -> ScriptDirectory:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - only where alembic runs

    return ScriptDirectory.from_config(config)


def as_revision(script: Script) -> Revision:
    """What initkit knows of one of alembic's scripts."""
    message = (script.doc or "").strip().partition("\n")[0]
    down = script._all_down_revisions  # noqa: SLF001 - depends_on included, which the public attribute leaves out
    return Revision(script.revision, message, os.path.basename(script.path), tuple(down))


def _names(missing: tuple[Revision, ...]) -> str:
    first = ", ".join(revision.id for revision in missing[:_SHOWN])
    return first + (f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else "")


_SHOWN = 3
