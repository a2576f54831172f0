"""The step that brings a database to its newest revision; how revisions are read and run: see its neighbours."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from initkit.core.errors import InitkitError, PermanentError, TemporaryError
from initkit.core.options import Opt, Parser, declared
from initkit.core.outcome import Outcome, Pending, Satisfied
from initkit.core.retry import RetryPolicy
from initkit.core.values import Duration, show_duration
from initkit.db.dsn import Dsn
from initkit.db.migration_options import MigrationOptions, RevisionName, parse_revision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from initkit.core.outcome import Finding
    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.db.revisions import Heads, Revision, Standing
    from initkit.steps.migrate.engine import Applied, Engine, Guard

_PATIENCE = RetryPolicy(timeout=600.0)  # a migration of another replica may take its time
_BIGINT = 63
_WORTH_TELLING = 1.0  # seconds of waiting
_TOLD = 5  # revisions whose times are in the summary; all are among the facts


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
        engine = self._engine(context, self.database(context.environ))
        if self.from_ is not None:
            return Pending(f"--sql prints everything after {self.from_}")
        standing = engine.quick() or engine.look(read_only=True)
        if standing is None:
            return Pending("env.py writes before it reads: what there is to apply is known once it runs")
        for warning in standing.warnings:  # `apply` comes after, and need not say them again
            context.voice.warn(warning)
        self._judge(standing, context)
        if standing.is_ahead or not standing.pending:
            return Satisfied(_at(standing), {"revision": list(standing.heads)})
        todo = standing.pending
        facts = {
            "from": list(standing.heads),
            "to": _ids(todo),
            "pending": [revision.id for revision in todo],
        }
        return Pending(f"{_count(todo)} to apply: {_way(standing.heads, todo)}", tuple(map(str, todo)), facts)

    def apply(self, context: Context) -> Outcome:
        """Apply them under the lock, unless whoever held it before has done so."""
        from initkit.steps.migrate.guard.held import held  # noqa: PLC0415 - only where there is something to apply

        if self.sql:
            return self._print(context)
        database = self.database(context.environ)
        engine = self._engine(context, database)
        with held(self, database, engine.table, context) as guard:
            if guard.database != database:  # a pooler was in between
                engine = self._engine(context, guard.database)
            engine.recover(guard)
            standing = engine.look(read_only=True)
            if standing is not None:
                self._judge(standing, context)
                if standing.is_ahead or not standing.pending:
                    return Outcome.ok(
                        f"{_at(standing)}; another run got there first",
                        {"revision": list(standing.heads), "lock_waited_s": round(guard.waited, 3)},
                    )
            try:
                engine.upgrade(standing, guard)
                engine.verify()
            except InitkitError as error:
                error.done = error.done or _done(engine, standing)
                if isinstance(error, TemporaryError):  # the next attempt will say again what it applies
                    context.voice.note("broken off: what is recorded stays, the next attempt goes on from there")
                raise
        return _outcome(engine, standing.heads if standing else (), guard)

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


def _done(engine: Engine, before: Standing | None) -> str:
    """What is applied all the same after a failure, as the database has it."""
    with suppress(InitkitError):  # the first error matters, and the server may be what is gone
        after = engine.look(read_only=True)
        if before is not None and after is not None:
            left = {revision.id for revision in after.pending}
            applied = tuple(revision for revision in before.pending if revision.id not in left)
            return f"{_count(applied)} applied: {_way(before.heads, applied)}" if applied else ""
    return ""


def _outcome(engine: Engine, heads: Heads, guard: Guard) -> Outcome:
    applied = tuple(one.revision for one in engine.applied)
    facts: dict[str, object] = {"lock_waited_s": round(guard.waited, 3), "lock_key": guard.key}
    if not applied:
        return Outcome.ok("nothing to apply", facts)
    facts |= {"from": list(heads), "to": _ids(applied)}
    facts["applied"] = [
        {"revision": one.revision.id, "message": one.revision.message, "seconds": round(one.seconds, 3)}
        for one in engine.applied
    ]
    text = f"{_count(applied)} applied: {_way(heads, applied, messages=True)} ({_times(engine.applied)})"
    if guard.waited >= _WORTH_TELLING:
        text += f", after {show_duration(round(guard.waited, 1))} of waiting for the lock"
    return Outcome.changed(text, facts)


def _times(applied: Sequence[Applied]) -> str:
    """How long each took; of many the longest."""
    told = applied if len(applied) <= _TOLD else sorted(applied, key=lambda one: one.seconds, reverse=True)[:_TOLD]
    times = ", ".join(f"{one.revision.id} {show_duration(round(one.seconds, 3))}" for one in told)
    return times if len(applied) <= _TOLD else f"the longest: {times}"


def _at(standing: Standing) -> str:
    if standing.is_ahead:
        return f"ahead, at revision {', '.join(standing.heads)}"
    if standing.is_empty:
        return "there are no revisions"
    return f"at {'head' if standing.is_newest else 'revision'} {', '.join(standing.heads)}"


def _count(revisions: tuple[Revision, ...]) -> str:
    return "1 revision" if len(revisions) == 1 else f"{len(revisions)} revisions"


def _ids(todo: tuple[Revision, ...]) -> list[str]:
    from initkit.db.revisions import tips  # noqa: PLC0415 - not needed for --help

    return [revision.id for revision in tips(todo)]


def _way(heads: Heads, todo: tuple[Revision, ...], *, messages: bool = False) -> str:
    from initkit.db.revisions import tips  # noqa: PLC0415 - not needed for --help

    ends = [str(revision) if messages else revision.id for revision in tips(todo)]
    return f"{', '.join(heads) or '(base)'} → {', '.join(ends)}"


STEP = Migrate
