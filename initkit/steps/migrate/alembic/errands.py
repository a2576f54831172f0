"""What a child is sent for, with one project and one database; what comes of it is the engine's business."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from initkit.db import postgres
from initkit.steps.migrate.alembic import wire
from initkit.steps.migrate.alembic.progress import Progress
from initkit.steps.migrate.alembic.running import Child
from initkit.steps.migrate.guard.session import WATCHFUL, settings_for
from initkit.steps.migrate.guard.tag import LOOKING, pod

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.db.alembic.project import Project
    from initkit.db.dsn import Database
    from initkit.db.revisions import Heads
    from initkit.steps.migrate.alembic.wire import Request
    from initkit.steps.migrate.step import Migrate

_LOOKING = WATCHFUL | {"application_name": LOOKING}


class Errands:
    """A child for each task."""

    def __init__(self, options: Migrate, project: Project, database: Database) -> None:
        self._options, self._project, self._database = options, project, database

    def ask(self, context: Context) -> Progress:
        """What each of env.py's databases says: nothing where it must write before it can be asked."""
        here = self._database.dialect != "sqlite" or os.path.exists(self._database.address)
        heard = Progress(context.voice)
        # who has locked the version table for long is not waited for
        settings = _LOOKING | {"lock_timeout": postgres.milliseconds(context.attempt_timeout)}
        request = self._request("ask", context, settings=settings, is_here=here)
        Child(context, f"read which revisions {self._database.shown} has").run(request, heard.hear, is_look=True)
        return heard

    def upgrade(self, context: Context, tag: str, expected: Heads | None) -> tuple[Child, Request]:
        """A child that upgrades, and what to run it with.

        Args:
            context: of the running step.
            tag: the name of its sessions.
            expected: the heads that are recorded; None where that is unknown.
        """
        settings = settings_for(self._options) | {"application_name": tag}
        child = Child(context, f"apply the migrations in {self._options.path}")
        return child, self._request("upgrade", context, settings=settings, expected=expected)

    def sql(self, context: Context, starts: Heads) -> str:
        """The SQL of all that comes after `starts`."""
        heard = Progress(context.voice)
        child = Child(context, f"print the SQL of {self._options.path}")
        child.run(self._request("sql", context, settings=_LOOKING, starts=starts), heard.hear, is_look=True)
        return heard.sql

    def _request(self, task: str, context: Context, **more: Any) -> Request:  # noqa: ANN401 - its fields
        project, options, database = self._project, self._options, self._database
        return wire.Request(
            task=task,
            path=options.path,
            ini=project.ini or "",
            toml=project.pyproject or "",
            folder=project.folder,
            script_location=project.script_location,
            version_locations=project.version_locations,
            name=project.section,
            x=options.x,
            import_folders=(*map(os.path.abspath, options.pythonpath), *project.prepend_sys_path),
            to=options.to,
            single_head=options.single_head,
            dialect=database.dialect,
            address=database.address,
            source=database.source,
            shown=database.shown,
            environ=dict(context.environ),
            export=options.export,
            pod=pod(context.environ),
            attempt_timeout=context.attempt_timeout,
            **more,
        )
