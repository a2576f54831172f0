"""Alembic as an engine: reads what it can without running anybody's code, and has a child do the rest."""

from __future__ import annotations

import math
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError, PermanentError, Stopped, UsageError
from initkit.db import postgres
from initkit.db.alembic import project as projects
from initkit.db.alembic import standing as standings
from initkit.db.alembic.unsure import Unsure
from initkit.db.revisions import VersionTable
from initkit.steps.migrate.alembic import wire
from initkit.steps.migrate.alembic.progress import Progress

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.db.alembic.project import Project
    from initkit.db.dsn import Database
    from initkit.db.revisions import Revision, Standing
    from initkit.steps.migrate.alembic.errands import Errands
    from initkit.steps.migrate.alembic.halfway import Halfway
    from initkit.steps.migrate.engine import Applied, Guard
    from initkit.steps.migrate.step import Migrate

_AFTERWARDS = 10.0  # seconds: the least time to connect once the upgrade has begun
_SHOWN = 3


class AlembicEngine:
    """One alembic project on one database, for one attempt."""

    def __init__(self, options: Migrate, database: Database, context: Context) -> None:
        self._options, self._database, self._context = options, database, context
        self._progress = Progress(context.voice)
        self._is_certain = False
        self._asked: Progress | None = None

    # what follows is made when it is asked for: at head, `quick` is all there is

    @cached_property
    def _project(self) -> Project:
        return projects.find(self._options.path, section=standings.section_of(self._options))

    @cached_property
    def _table(self) -> VersionTable | None:
        """The version table; None where only env.py can tell."""
        try:
            return standings.table_of(self._options, self._project, self._database, self._context)
        except Unsure:
            return None

    @cached_property
    def _errands(self) -> Errands:
        from initkit.steps.migrate.alembic.errands import Errands  # noqa: PLC0415 - only where alembic runs

        return Errands(self._options, self._project, self._database)

    @property
    def _halfway(self) -> Halfway:
        from initkit.steps.migrate.alembic.halfway import Halfway  # noqa: PLC0415 - only where alembic runs

        return Halfway(self._table, self._database, self._told)

    def _told(self, context: Context) -> Progress:
        """What env.py tells; most runs need nobody to be sent for that."""
        return self._errands.ask(context)

    @property
    def table(self) -> VersionTable:
        """The version table, as far as env.py says it plainly."""
        return self._table or VersionTable()

    @property
    def applied(self) -> list[Applied]:
        """What this attempt has applied."""
        return self._progress.applied

    def quick(self) -> Standing | None:
        """How far the database is, where that is certain without running anybody's code."""
        found = standings.look(self._options, self._database, self._context)
        self._is_certain = not isinstance(found, Unsure)
        return None if isinstance(found, Unsure) else found

    def look(self) -> Standing | None:
        """How far it is; env.py is asked, as ``alembic current`` would do it, where that cannot be read."""
        if self._asked is None and (certain := self.quick()) is not None:
            return certain
        asked = self._asked or self._errands.ask(self._context)
        self._asked = None
        found = [wire.standing_of(event["standing"]) for event in asked.standings]
        # env.py may go through several databases: they are as far as the one that has the most to do
        return max(found, key=lambda one: (len(one.unknown), len(one.pending)), default=None)

    def recover(self, guard: Guard) -> None:
        """Under the lock: undo what a run before left half done outside transactions."""
        self._asked = self._halfway.settle(self._context, guard.tag)

    def upgrade(self, standing: Standing | None, guard: Guard) -> None:
        """Apply what is pending."""
        from initkit.steps.migrate.alembic.aftermath import Aftermath  # noqa: PLC0415 - only where alembic runs

        expected = standing.heads if standing and self._is_certain else None
        # work is under way, which no deadline cuts off, nor the look at the database that must follow it
        patience = max(self._context.attempt_timeout, _AFTERWARDS)
        self._context = context = self._context.but(deadline=math.inf, attempt_timeout=patience)
        child, request = self._errands.upgrade(context, guard.tag, expected)
        with context.stop.in_flight(), guard.watching(child.end):
            try:
                child.run(request, self._progress.hear)
            except (InitkitError, Stopped) as error:
                if child.was_ended:  # the lock is lost, and whatever is left is its next holder's
                    raise
                raise Aftermath(self._progress, self._halfway, guard).of(error, child.state, context) from error

    def verify(self) -> None:
        """Look on a fresh connection whether all is really recorded: a migration may run and commit nothing.

        Raises:
            PermanentError: it is not.
        """
        standing = self.look()
        if standing and standing.pending:
            places = ", ".join(self._progress.places) or "nothing"
            raise PermanentError(
                f"apply the migrations in {self._options.path}",
                f"alembic ended without an error, but {self._database.shown} does not have {_names(standing.pending)} "
                f"(env.py connected to {places})",
                "env.py must take its URL from sqlalchemy.url or DATABASE_URL, and execute nothing before it calls "
                "context.configure, or commit itself",
            )
        made = [left.index for left in self._progress.left if left.index]
        if made:
            self._see_indexes(made)

    def _see_indexes(self, made: list[str]) -> None:
        from initkit.db.pg import indexes  # noqa: PLC0415 - only where an index was made outside transactions

        task = f"see that the indexes of {self._database.shown} are whole"
        with (
            closing(postgres.connect(self._database, self._context, role="look", autocommit=True)) as connection,
            postgres.cancelled_on_stop(connection, self._context, task),
        ):
            broken = [index for index in made if indexes.is_broken(connection, indexes.parse(index))]
        if broken:
            raise PermanentError(
                f"apply the migrations in {self._options.path}",
                f"the index {', '.join(broken)} is there, but not valid",
                f"drop it: DROP INDEX CONCURRENTLY {broken[0]}; and have a revision make it again",
            )

    def offline(self, start: str | None) -> str:
        """The SQL of what is pending, as ``alembic upgrade --sql`` prints it."""
        starts: tuple[str, ...] = () if start in {None, "base"} else (str(start),)
        if start is None:
            starts = self._recorded()
        return self._errands.sql(self._context, starts)

    def _recorded(self) -> tuple[str, ...]:
        task = f"print the SQL of what {self._database.shown} lacks"
        standing = self.look()
        if standing is None:
            raise UsageError(task, "env.py writes before it can be asked", "use --from REVISION, or --from base")
        if len(standing.heads) > 1:
            cause = f"it is at several revisions: {', '.join(standing.heads)}"
            raise UsageError(task, cause, "alembic starts from one: use --from REVISION")
        return standing.heads


def _names(missing: tuple[Revision, ...]) -> str:
    first = ", ".join(revision.id for revision in missing[:_SHOWN])
    return first + (f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else "")
