"""The step that brings a database to its newest revision; how revisions are read and run: see its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from initkit.core.errors import InitkitError, PermanentError, TemporaryError
from initkit.core.options import Opt, Parser, declared
from initkit.core.outcome import Outcome, Pending
from initkit.core.retry import RetryPolicy
from initkit.core.values import Duration
from initkit.db.dsn import Dsn
from initkit.db.migration_options import MigrationOptions, RevisionName, parse_revision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.core.outcome import Finding
    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.db.revisions import Standing
    from initkit.steps.migrate.engine import Engine

_PATIENCE = RetryPolicy(timeout=600.0)  # a migration of another replica may take its time
_BIGINT = 63


def parse_key(text: str) -> int:
    """The number of an advisory lock: a signed 64-bit whole number.

    Raises:
        ValueError: it is none.
    """
    try:
        key = int(text)
    except ValueError:
        raise ValueError(f"expected a whole number, got {text!r}") from None
    if not -(2**_BIGINT) <= key < 2**_BIGINT:
        raise ValueError(f"expected a number of 64 bits, got {text!r}")
    return key


Start = Annotated[
    str, Parser("REVISION", lambda text: text.strip() if text.strip() == "base" else parse_revision(text))
]
LockKey = Annotated[
    int, Parser("NUMBER", parse_key, schema={"type": ["integer", "string"], "pattern": r"^\s*[-+]?\d+\s*$"})
]


@declared
class Migrate(MigrationOptions):
    """Bring a database's schema to its newest revision, once, whoever else tries at the same time.

    With alembic, whose env.py runs as it is, or from a folder of SQL files; under a lock, once it is held looked at
    again, and verified afterwards.
    """

    kind: ClassVar[str] = "migrate"

    single_head: Annotated[bool, Opt("Refuse migrations that end in more than one head.")] = False
    name: Annotated[str, Opt("The section of alembic.ini to use.", "SECTION", short="n")] = "alembic"
    direct_url: Annotated[
        Dsn | None, Opt("The URL that leads past a pooler (also MIGRATION_DATABASE_URL, DIRECT_URL).")
    ] = None
    direct_url_env: Annotated[str | None, Opt("Environment variable that holds that URL.", "NAME")] = None
    direct_url_file: Annotated[str | None, Opt("File that holds that URL.", "PATH")] = None
    lock_timeout: Annotated[
        Duration,
        Opt("Give up when another run holds the migration lock for this long, within --timeout (0 = no limit)."),
    ] = 600.0
    lock_key: Annotated[LockKey | None, Opt("The advisory lock's number, in place of one made for the table.")] = None
    kill_stale: Annotated[
        bool, Opt("End sessions that a run which is gone left at work, instead of waiting for them.")
    ] = False
    ddl_lock_timeout: Annotated[
        Duration,
        Opt("Longest wait of a statement for a table's lock; then all is rolled back (0 = no limit)."),
    ] = 5.0
    if_ahead: Annotated[
        Literal["ok", "warn", "fail"], Opt("What to do where a newer image has migrated the database.")
    ] = "warn"
    on_drift: Annotated[
        Literal["warn", "fail", "ignore"], Opt("What to do where an SQL file has changed since it was applied.")
    ] = "warn"
    baseline: Annotated[
        RevisionName | None,
        Opt("Where nothing is recorded yet: take SQL files up to this version for applied.", "VERSION"),
    ] = None
    out_of_order: Annotated[bool, Opt("Apply SQL files that come before some that are applied already.")] = False
    repair: Annotated[
        bool, Opt("Run again an SQL file that was left half done outside transactions; what it left must be gone.")
    ] = False
    sql: Annotated[bool, Opt("Print the SQL of what is pending, and apply nothing.")] = False
    from_: Annotated[
        Start | None,
        Opt("With --sql: of all after this one (base: of all), and no look at the database.", "REVISION"),
    ] = None
    retry: RetryPolicy = _PATIENCE

    def __post_init__(self) -> None:
        """See what needs what.

        Raises:
            ValueError: an option stands without the one that it belongs to, or against another.
        """
        if self.from_ is not None and not self.sql:
            raise ValueError("expected --sql with --from, got --from alone")
        if len([one for one in (self.direct_url, self.direct_url_env, self.direct_url_file) if one is not None]) > 1:
            raise ValueError("expected one of --direct-url, --direct-url-env and --direct-url-file, got several")

    def prepare(self, environ: Mapping[str, str]) -> None:
        """See that there is an address before anything is attempted; a file may still be on its way.

        Raises:
            UsageError: nothing says where the database is.
        """
        if self.url_file is None and self.direct_url_file is None:
            self.database(environ)

    def database(self, environ: Mapping[str, str]) -> Database:
        """The database, past a pooler where somebody has said how: see `guard.direct`.

        Raises:
            InitkitError: as `DatabaseOptions.database` has it.
        """
        from initkit.steps.migrate.guard.direct import database_of  # noqa: PLC0415 - not needed for --help

        return database_of(self, environ)

    def check(self, context: Context) -> Finding:
        """Which revisions there are to apply; it only reads."""
        from initkit.steps.migrate import told  # noqa: PLC0415 - not needed for --help

        engine = self._engine(context, self.database(context.environ))
        if self.from_ is not None:
            return Pending(f"--sql prints everything after {self.from_}")
        standing = engine.quick() or engine.look()
        if standing is None:
            return Pending("env.py writes before it reads: what there is to apply is known once it runs")
        for warning in standing.warnings:  # `apply` comes after, and need not say them again
            context.voice.warn(warning)
        self._judge(standing, context)
        if standing.is_ahead or not standing.pending:
            return told.satisfied(standing)
        return told.pending(standing)

    def apply(self, context: Context) -> Outcome:
        """Apply them under the lock, unless whoever held it before has done so."""
        from initkit.steps.migrate import told  # noqa: PLC0415 - not needed for --help
        from initkit.steps.migrate.guard.held import held  # noqa: PLC0415 - only where there is something to apply

        if self.sql:
            return self._print(context)
        database = self.database(context.environ)
        engine = self._engine(context, database)
        with held(self, database, engine.table, context) as guard:
            if guard.database != database:  # a pooler was in between
                engine = self._engine(context, guard.database)
            engine.recover(guard)
            standing = engine.look()
            if standing is not None:
                self._judge(standing, context)
                if standing.is_ahead or not standing.pending:
                    return told.overtaken(standing, guard)
            try:
                engine.upgrade(standing, guard)
                engine.verify()
            except InitkitError as error:
                error.done = error.done or told.done(engine, standing)
                if isinstance(error, TemporaryError):  # the next attempt will say again what it applies
                    context.voice.note("broken off: what is recorded stays, the next attempt goes on from there")
                raise
        return told.changed(engine, standing.heads if standing else (), guard)

    def _engine(self, context: Context, database: Database) -> Engine:
        from initkit.steps.migrate.engines import engine_for  # noqa: PLC0415 - what it needs comes with it

        return engine_for(self, database, context)

    def _judge(self, standing: Standing, context: Context) -> None:
        """See whether what is applied and unknown here may be there; say so where that is asked for.

        Raises:
            PermanentError: the database and the migrations have diverged, or it is ahead and may not be.
        """
        if not standing.unknown:
            return
        task = f"migrate {self.database(context.environ).shown}"
        names = ", ".join(standing.unknown)
        if not standing.is_ahead:
            raise PermanentError(
                task,
                f"it is at revision {names}, which {self.path} does not have, and nothing tells that initkit has "
                "applied it on top of everything that is there",
                "mount the migrations that it was made with, or check that this is the right database",
            )
        if self.if_ahead == "fail":
            advice = "deploy the image that has it, or use --if-ahead warn"
            raise PermanentError(task, f"it is ahead: at revision {names}, which {self.path} does not have", advice)
        if self.if_ahead == "warn":
            context.voice.warn(
                f"the database is ahead of {self.path}: a newer image has applied {names}",
                unknown=list(standing.unknown),
            )

    def _print(self, context: Context) -> Outcome:
        database = self.database(context.environ)
        text = self._engine(context, database).offline(self.from_)
        context.voice.result(text)
        return Outcome.ok("printed the SQL of what is pending; nothing was applied")


STEP = Migrate
