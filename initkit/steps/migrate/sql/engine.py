"""SQL files as an engine: applies them in order and sees that they are recorded; how, its neighbours know."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, closing, contextmanager
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError, Stopped, TemporaryError, UsageError
from initkit.db.ledger import TABLE, Row
from initkit.db.revisions import Standing, VersionTable
from initkit.db.sqlfiles.files import read_folder
from initkit.db.sqlfiles.recorded import Recorded, look_up_schema, recorded
from initkit.db.sqlfiles.standing import Plan, Wish, dialect_of, plan, version_of
from initkit.steps.migrate.engine import Applied
from initkit.steps.migrate.guard.tag import LOOKING, pod
from initkit.steps.migrate.sql.work import ledger_is_gone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.db.ledger import Left
    from initkit.db.revisions import Revision
    from initkit.db.sqlfiles.files import Script
    from initkit.db.sqlfiles.splitter import Statement
    from initkit.steps.migrate.engine import Guard
    from initkit.steps.migrate.sql.session import Session
    from initkit.steps.migrate.step import Migrate

_BASELINE = "where the database was made in another way, say with --baseline VERSION which files it has already"
_AFTERWARDS = 10.0  # seconds: the least time to connect once the work has begun


class SqlEngine:
    """One folder of SQL files on one database, for one attempt."""

    table = VersionTable(TABLE)

    def __init__(self, options: Migrate, database: Database, context: Context) -> None:
        self._options = options
        self._database = database
        self._context = context
        self._dialect = dialect_of(database)
        self._folder = read_folder(options.path, self._dialect)
        self._wish = Wish(options.to, options.baseline, options.out_of_order, options.on_drift)
        self._plan = Plan(Standing())
        self._is_locked = False
        self._made: list[Left] = []
        self._repaired: set[str] = set()
        self.applied: list[Applied] = []

    def quick(self) -> Standing:
        """How far the database is, which is certain always."""
        return self.look()

    def look(self) -> Standing:
        """How far it is."""
        self._plan = plan(self._folder, self._recorded(), self._wish)
        return self._plan.standing

    def _recorded(self) -> Recorded:
        # what is looked at under the lock belongs to the work, which no deadline cuts off
        context = self._patient if self._is_locked else self._context
        return recorded(self._database, context, self.table, application_name=LOOKING)

    def recover(self, guard: Guard) -> None:
        """Undo what a run before left half done outside transactions."""
        from initkit.steps.migrate.sql.loose import recover  # noqa: PLC0415 - only where something is changed

        self._is_locked = True
        started = [row for row in self._recorded().rows if row.state == "started"]
        if not started:
            return
        with self._session(guard) as session:
            for row in started:
                with self._understood(session, f"undo what {row.name} has left"):
                    recover(session, row, self._dialect, self._context, repair=self._options.repair)
                self._repaired.add(row.revision)

    def upgrade(self, standing: Standing | None, guard: Guard) -> None:  # noqa: ARG002 - `look` has kept more than that
        """Apply what is pending, each file with its row in the ledger."""
        found = self._plan
        revisions = found.standing.pending[len(found.taken) :]
        with self._session(guard) as session:
            self._take(session, found)
            for number, (script, revision) in enumerate(zip(found.todo, revisions, strict=True)):
                self._context.stop.check()
                if number:
                    with self._understood(session, f"apply {script.file}"):
                        session.refresh()
                self._apply(session, script, revision)

    def verify(self) -> None:
        """On a fresh connection: see that all is recorded, and every index whole that was made outside transactions."""
        found = plan(self._folder, self._recorded(), self._wish)
        missing = ", ".join(revision.id for revision in found.standing.pending)
        if missing:
            cause = f"all ran without an error, but {self._database.shown} does not have {missing}"
            raise PermanentError(f"apply the migrations in {self._folder.path}", cause, "see who takes rows out of it")
        if self._made:
            from initkit.steps.migrate.sql.on_postgres import broken_indexes  # noqa: PLC0415 - only where there are any

            broken = broken_indexes(self._database, self._patient, self._made)
            if broken:
                cause = f"the index {', '.join(broken)} is not valid"
                raise PermanentError(f"apply the migrations in {self._folder.path}", cause, "drop it and make it again")

    def offline(self, start: str | None) -> str:
        """The SQL of what is pending, or of everything after the version `start` (``base``: of all) without a look."""
        from initkit.steps.migrate.sql.offline import written  # noqa: PLC0415 - only where it is asked for

        if start is None:
            known, wish = self._recorded(), self._wish
            schema = look_up_schema(self._database, self._context, TABLE, application_name=LOOKING)
        else:
            schema = None
            known = Recorded(tuple(self._row(script, "applied", ()) for script in self._up_to(start)))
            wish = self._wish.but(baseline=None, on_drift="ignore")
        found = plan(self._folder, known, wish)
        position = max((row.position for row in known.rows), default=0) or len(known.rows)
        rows: dict[str, Row] = {}
        for number, (script, revision) in enumerate(
            zip((*found.taken, *found.todo), found.standing.pending, strict=True), position + 1
        ):
            state = "baseline" if number <= position + len(found.taken) else "applied"
            rows[script.id] = self._row(script, state, revision.down).but(position=number)
        return written(found.taken, found.todo, rows, self._dialect, schema)

    def _up_to(self, start: str) -> tuple[Script, ...]:
        if start == "base":
            return ()
        key = version_of(start, "--from")
        found = tuple(script for script in self._folder.versioned if script.key <= key)
        if not found or found[-1].key != key:
            raise UsageError("migrate", f"--from: {self._folder.path} has no version {start}")
        return found

    @property
    def _pod(self) -> str:
        return pod(self._context.environ)

    @property
    def _patient(self) -> Context:
        """For work that no deadline cuts off, nor the look that follows it."""
        return self._context.but(deadline=math.inf, attempt_timeout=max(self._context.attempt_timeout, _AFTERWARDS))

    @contextmanager
    def _session(self, guard: Guard) -> Iterator[Session]:
        with (
            closing(self._opened(guard)) as session,
            self._context.stop.in_flight(),
            self._context.stop.calling(session.stop),
            guard.watching(session.stop),
        ):
            yield session

    def _opened(self, guard: Guard) -> Session:
        if self._dialect == "sqlite":
            from initkit.steps.migrate.sql.on_sqlite import SqliteSession  # noqa: PLC0415 - only where it is met

            return SqliteSession(self._database.address, self._patient)
        from initkit.steps.migrate.sql.on_postgres import PostgresSession  # noqa: PLC0415 - only where it is met

        return PostgresSession(self._options, self._database, self._patient, guard)

    @contextmanager
    def _understood(
        self, session: Session, task: str, statement: Statement | None = None, *, loose: bool = False
    ) -> Iterator[None]:
        """A driver's error comes out as ours, or as the end that was asked for."""
        try:
            yield
        except TemporaryError:
            self._context.stop.check()  # then it was the signal that kept a statement from being begun
            raise
        except session.errors as error:
            if self._context.stop.signum is not None:
                raise Stopped(self._context.stop.signum) from error
            found = session.explain(error, task, statement, loose=loose)
            if not self._plan.standing.heads and not self.applied and session.is_there_already(error):
                found.advice = _BASELINE
            raise found from error

    def _take(self, session: Session, found: Plan) -> None:
        """Record a baseline."""
        with self._understood(session, "record the baseline"), session.transaction():
            for script, revision in zip(found.taken, found.standing.pending, strict=False):
                session.ledger.write(self._row(script, "baseline", revision.down))
        for revision in found.standing.pending[: len(found.taken)]:
            self.applied.append(Applied(revision, 0.0))

    def _apply(self, session: Session, script: Script, revision: Revision) -> None:
        began = self._context.clock.now()
        self._context.voice.note(f"applying {revision}", revision=revision.id, file=script.file)
        row = self._row(script, "applied", revision.down or self._plan.standing.heads)
        if script.section.in_transaction:
            self._apply_whole(session, script, row, began)
        else:
            self._apply_loose(session, script, row, began)
        self.applied.append(Applied(revision, self._context.clock.now() - began))

    def _apply_whole(self, session: Session, script: Script, row: Row, began: float) -> None:
        task = f"apply {script.file}"
        with self._understood(session, task):
            statements = session.begin(script.statements())
        with self._understood(session, task), session.transaction():
            for statement in statements:
                self._context.stop.check()
                with self._understood(session, task, statement):
                    session.run(statement)
            self._record(session, row, began)

    def _record(self, session: Session, row: Row, began: float) -> None:
        session.settle()
        if not session.ledger.exists():
            raise ledger_is_gone(row)
        session.ledger.write(row.but(seconds=self._context.clock.now() - began))

    def _apply_loose(self, session: Session, script: Script, row: Row, began: float) -> None:
        from initkit.steps.migrate.sql.loose import Loose  # noqa: PLC0415 - few files are

        task = f"apply {script.file}"

        def understood(statement: Statement | None) -> AbstractContextManager[None]:
            return self._understood(session, task, statement, loose=True)

        loose = Loose(session, script, understood, self._context)
        loose.run(row)
        self._made += loose.made
        with self._understood(session, task, loose=True), session.transaction():
            self._record(session, row, began)

    def _row(self, script: Script, state: str, down: tuple[str, ...]) -> Row:
        by = f"{self._pod} (after --repair)" if script.id in self._repaired and self._options.repair else self._pod
        return Row(
            revision=script.id, state=state, name=script.file, down=down, checksum=script.checksum, applied_by=by
        )
