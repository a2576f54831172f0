"""What the child does with somebody's alembic: ask where a database is, upgrade it, print SQL; it takes no locks."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

from initkit.core.errors import InitkitError, PermanentError
from initkit.steps.migrate.alembic import dialects, drivers, failure, wire
from initkit.steps.migrate.alembic.config import config_for, scripts_for
from initkit.steps.migrate.alembic.scripts import Scripts, as_revision
from initkit.steps.migrate.alembic.statements import Statements
from initkit.steps.migrate.alembic.trace import Trace
from initkit.steps.migrate.alembic.undertaking import Undertaking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from alembic.runtime.migration import MigrationContext

    from initkit.core.step import Context
    from initkit.db.revisions import Heads, Revision
    from initkit.steps.migrate.alembic.wire import Request


class Work:
    """One task for one project's alembic.

    Args:
        request: what is to be done.
        context: of the child.
        say: tells the parent of an event.
    """

    def __init__(self, request: Request, context: Context, say: Callable[..., object]) -> None:
        self._request, self._context, self._say = request, context, say
        self._undertaking = Undertaking(say)
        self._statements = Statements(context, request.settings, self._undertaking, read_only=request.task == "ask")
        with self._theirs(lambda: f"read the migrations in {request.path}"):
            dialects.register()
            self._config = config_for(request)
            self._scripts = Scripts(scripts_for(self._config, request), request.to)
        if request.single_head:
            self._scripts.see_single_head(request.path)

    def ask(self) -> None:
        """Say how far the database is; nothing, where env.py must write before it can be asked."""
        request = self._request
        if not request.is_here:
            self._say_standing((), None)
            return
        try:
            self._ask_env(f"read which revisions {request.shown} has")
        except InitkitError as error:
            if not failure.is_read_only(error.__cause__):
                raise

    def _ask_env(self, task: str) -> None:
        seen: list[int] = []

        def look(heads: Heads | None, context: MigrationContext) -> list[Any]:
            seen.append(1)
            self._say_standing(tuple(sorted(heads or ())), Trace(context, self._context.voice, {}, ""))
            return []

        with self._theirs(lambda: task):
            self._run_env(look, dont_mutate=True)
        if not seen:
            path = self._request.path
            raise PermanentError(task, f"env.py of {path} never calls context.run_migrations()", "mend env.py")
        self._see_that_it_is_ours()

    def _see_that_it_is_ours(self) -> None:
        """See that env.py has connected to the database that we were told of, whose lock we take.

        Raises:
            PermanentError: it has not.
        """
        request, homes = self._request, self._statements.homes
        ours = drivers.home_of(request.database, request.environ)
        if ours is None or ours in homes or not homes:
            return
        raise PermanentError(
            f"migrate {request.shown}",
            f"env.py of {request.path} connects to {', '.join(sorted(self._statements.places))} instead",
            "env.py must take its URL from sqlalchemy.url or DATABASE_URL; --export NAME sets another variable",
        )

    def _say_standing(self, heads: Heads, trace: Trace | None) -> None:
        rows = trace.rows() if trace else []
        with self._theirs(lambda: f"find the way to {self._request.to}"):
            standing = self._scripts.standing(heads, rows)
        recorded = self._scripts.up_to(set(heads)) | set(heads)
        place = {"name": trace.table.name, "in": trace.table.schema, "schema": trace.schema} if trace else None
        started = [row.revision for row in rows if row.state == "started"]
        self._say(
            "standing",
            standing=wire.standing_event(standing),
            place=place,
            started=[one for one in started if one not in recorded],
        )

    def upgrade(self) -> None:
        """Apply all that is pending."""

        def steps(heads: Heads | None, context: MigrationContext) -> Iterator[Any]:
            found = tuple(sorted(heads or ()))
            self._agree(found)
            trace = Trace(context, self._context.voice, self._request.settings, self._request.pod)
            try:
                trace.make()
                for step in self._scripts.steps(tuple(heads or ())):
                    self._context.stop.check()
                    yield from self._followed(step, context, trace)
            finally:
                trace.close()

        try:
            with self._theirs(self._task):
                self._run_env(steps, dont_mutate=False)
            self._undertaking.see_recorded()
        finally:
            self._say("places", places=sorted(self._statements.places))

    def _followed(self, step: Any, context: MigrationContext, trace: Trace) -> Iterator[Any]:  # noqa: ANN401 - a RevisionStep
        revision, began = as_revision(step.revision), self._context.clock.now()
        step.migration_fn = self._inside(step.migration_fn, revision, trace)

        def recorded(**_: object) -> None:
            trace.applied(revision, self._context.clock.now() - began)
            self._undertaking.recorded()

        theirs = context.on_version_apply_callbacks
        context.on_version_apply_callbacks = (*theirs, recorded)
        yield step
        context.on_version_apply_callbacks = theirs
        self._undertaking.end()
        self._say("applied", revision=wire.revision_event(revision), seconds=self._context.clock.now() - began)

    def _inside(self, function: Callable[..., Any], revision: Revision, trace: Trace) -> Callable[..., Any]:
        @wraps(function)  # alembic tells by its name which way it goes
        def run(**arguments: Any) -> None:  # noqa: ANN401 - what env.py gives to run_migrations
            self._undertaking.begin(revision, trace)
            self._say("begin", revision=wire.revision_event(revision))
            function(**arguments)
            self._undertaking.returned()

        return run

    def _task(self) -> str:
        revision = self._undertaking.revision
        return f"apply revision {revision.id} ({revision.file})" if revision else f"run env.py of {self._request.path}"

    def _agree(self, found: Heads) -> None:
        request = self._request
        if request.expected is None or found == request.expected:
            return
        raise PermanentError(
            f"apply the migrations in {request.path}",
            f"env.py finds revision {', '.join(found) or '(base)'} where {request.shown} has "
            f"{', '.join(request.expected) or '(base)'}",
            "env.py connects elsewhere: it must take its URL from sqlalchemy.url or DATABASE_URL",
        )

    def sql(self) -> None:
        """Say the SQL of what is pending, as ``alembic upgrade --sql`` prints it."""

        def steps(heads: Heads | None, _context: MigrationContext) -> list[Any]:
            return self._scripts.steps(tuple(heads or ()))

        with self._theirs(lambda: f"print the SQL of {self._request.path}"):
            self._run_env(steps, as_sql=True, starting_rev=",".join(self._request.starts) or None)
        buffer = self._config.output_buffer
        self._say("sql", text=buffer.getvalue() if buffer else "")  # type: ignore[attr-defined]

    def _run_env(self, work: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - EnvironmentContext's
        from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415 - only where alembic runs

        options = {"as_sql": False, "starting_rev": None, "destination_rev": self._request.to, "tag": None} | options
        environment = EnvironmentContext(self._config, self._scripts.directory, fn=work, **options)
        with self._statements.watched(), environment:
            self._scripts.directory.run_env()

    @contextmanager
    def _theirs(self, task: Callable[[], str]) -> Iterator[None]:
        """Where code of alembic and of the user runs: all it raises is understood."""
        with failure.understood(self._context, task, os.path.abspath(self._request.folder)):
            yield
