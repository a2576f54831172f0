"""migrations: a database that has every revision that is mounted; who applies them is another's business."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.errors import PermanentError, TemporaryError
from initkit.core.options import Arg, Opt, Parser, declared
from initkit.db.dsn import DIRECT_VARIABLES
from initkit.db.migration_options import MigrationOptions
from initkit.steps.wait.target import AbsentError, Pace, ProbeContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.db.revisions import Standing
    from initkit.steps.wait.child import Ended

_SHOWN = 3  # revisions that a message names
_FAILED, _WOULD_CHANGE = 1, 3  # exit codes
_ADVICE = "see how the Job that applies them fares"

Path = Annotated[str, Parser("PATH", lambda text: text.removeprefix("migrations:"))]


@declared
class Migrations(MigrationOptions):
    """A database whose schema has all revisions of PATH, or is ahead of them; nothing is written, and no lock taken."""

    schemes: ClassVar[tuple[str, ...]] = ("migrations",)
    pace: ClassVar[Pace] = Pace(interval=0.5, max_interval=2.0)  # each look is a login

    path: Annotated[Path, Arg("As `initkit migrate` takes it.", "PATH")]
    section: Annotated[str, Opt("The section of alembic.ini to use.", "SECTION", short="n")] = "alembic"

    @property
    def name(self) -> str:
        """``migrations:PATH``."""
        return f"migrations:{self.path}"

    def probe(self, context: Context) -> str:
        """Read what is there to apply, and what is applied.

        Raises:
            AbsentError: something is still to be applied.
            TemporaryError: the database cannot be reached or asked.
            SuspectError: it refuses user, password or database.
            PermanentError: the migrations cannot be read, or it has others.
        """
        if isinstance(context, ProbeContext):
            context.reached()  # one look at a time: it may run somebody's env.py
        database = self.database(context.environ)
        standing = self._look(database, context)
        if standing is None:
            return self._ask(database, context)
        return self._judged(standing, database)

    def _look(self, database: Database, context: Context) -> Standing | None:
        """How far it is; None where only alembic itself can tell."""
        from initkit.db.alembic.project import kind_of  # noqa: PLC0415 - what reads migrations comes with it

        if (self.engine if self.engine != "auto" else kind_of(self.path)) == "sql":
            from initkit.db.sqlfiles import standing as of_files  # noqa: PLC0415 - only where it is asked for

            return of_files.look(self, database, context)
        from initkit.db.alembic import standing  # noqa: PLC0415 - only where it is asked for

        found = standing.look(self, database, context)
        return None if isinstance(found, standing.Unsure) else found

    def _judged(self, standing: Standing, database: Database) -> str:
        if standing.is_ahead:
            return f"is ahead, at {', '.join(standing.unknown)}"
        if standing.unknown:
            cause = f"it is at revision {', '.join(standing.unknown)}, which {self.path} does not have"
            raise PermanentError(f"compare {database.shown}", cause, "check that this is the right database")
        if standing.pending:
            first = ", ".join(revision.id for revision in standing.pending[:_SHOWN])
            more = "…" if len(standing.pending) > _SHOWN else ""
            count = f"{len(standing.pending)} revision{'s' if len(standing.pending) > 1 else ''} to be applied"
            raise AbsentError(f"find all revisions in {database.shown}", f"{count}: {first}{more}", _ADVICE)
        return f"has {', '.join(standing.heads)}" if standing.heads else "needs none"

    def _ask(self, database: Database, context: Context) -> str:
        """Have the step itself look, in a program of its own: alembic belongs to that kind."""
        from initkit.steps.wait import child  # noqa: PLC0415 - only where it is asked for

        ended = child.run(self._words(context), self._environment(context.environ), context, keep=0)
        said = _last_words(ended)
        if ended.code == 0:
            return said or "has all revisions"
        if ended.code == _WOULD_CHANGE:
            raise AbsentError(f"find all revisions in {database.shown}", said, _ADVICE)
        if ended.code == _FAILED:
            raise PermanentError(f"read the migrations in {self.path}", said, "see what `initkit migrate --check` says")
        cause = said or "no answer in time"
        raise TemporaryError(f"read the migrations in {self.path}", cause, "raise --attempt-timeout")

    def _words(self, context: Context) -> list[str]:
        words = [sys.executable, "-m", "initkit", "migrate", self.path, "--check", "--log-format", "json"]
        words += ["--termination-log", os.devnull, "--attempt-timeout", f"{context.attempt_timeout}s"]
        words += ["--engine", self.engine, "--to", self.to, "--name", self.section, "--if-ahead", "ok"]
        for option, values in (("--x", self.x), ("--pythonpath", self.pythonpath), ("--export", self.export)):
            words += [word for value in values for word in (option, value)]
        if self.url_env is not None:
            words += ["--url-env", self.url_env]
        if self.url_file is not None:
            words += ["--url-file", self.url_file]
        return words

    def _environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        # what is said to this program is not said to the other, which is to look where we look
        ours = {name for name in environ if name.startswith("INITKIT_") or name in DIRECT_VARIABLES} - {self.url_env}
        found = {name: value for name, value in environ.items() if name not in ours}
        return found if self.url is None else found | {"INITKIT_MIGRATE_URL": self.url}


def _last_words(ended: Ended) -> str:
    """What the other program's summary says of how its step ended: on standard output where it only looks."""
    for stream in (ended.out, ended.err):
        with suppress(ValueError):
            summary = json.loads(stream.last_line())
            return str(summary["detail"]) if isinstance(summary, dict) and "detail" in summary else ""
    return ""


TARGET = Migrations
