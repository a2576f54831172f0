"""The revision under way, and what of it no rollback would undo; where that is written down: `trace.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from initkit.core.errors import PermanentError
from initkit.db.ledger import Left
from initkit.steps.migrate.alembic import drivers, kinds, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from initkit.db.revisions import Revision
    from initkit.steps.migrate.alembic.drivers import Raw
    from initkit.steps.migrate.alembic.trace import Trace

_LONGEST = 1000  # characters of a statement that are kept
_MOST = 10  # statements of one transaction that are kept


class Undertaking:
    """Sees what a revision executes and commits.

    Before something of it is out of reach of a rollback, that is written down on another connection: so a run that is
    killed tells its successor.

    Attributes:
        revision: the one whose code runs; None between two.
        left: of it, what is or may be committed while its version row is not, in order.
    """

    def __init__(self, say: Callable[..., object]) -> None:
        self.revision: Revision | None = None
        self.left: list[Left] = []
        self._say = say
        self._trace: Trace | None = None
        self._is_inside = False
        self._unfinished: dict[int, list[str]] = {}
        self._recorded: list[Revision] = []
        self._committed: list[Revision] = []
        self._lost: list[Revision] = []
        self._leaves: set[str] = set()

    def begin(self, revision: Revision, trace: Trace) -> None:
        """The code of `revision` begins."""
        self._forget()
        if trace is not self._trace:  # another database, of whose commits nothing is known about this one
            self._recorded = []
        self.revision, self._trace = revision, trace
        self._is_inside = True
        self.left.clear()
        self._unfinished.clear()

    def returned(self) -> None:
        """Its code has ended; alembic writes its version row.

        Raises:
            PermanentError: an index is not whole; once that row is there, nobody would look at it again.
        """
        self._is_inside = False
        broken = [left.index for left in self.left if self._trace and self._trace.is_broken(left)]
        if broken and self.revision:
            raise PermanentError(
                f"apply revision {self.revision.id} ({self.revision.file})",
                f"the index {', '.join(broken)} is there, but not valid",
                f"see why; where it was there before, drop it: DROP INDEX CONCURRENTLY {broken[0]}",
            )

    def recorded(self) -> None:
        """Its version row is written; who commits that commits the whole revision."""
        if self.revision:
            self._recorded.append(self.revision)

    def _forget(self) -> None:
        """What is committed with its version row is not half done: say so, now that the commit has succeeded."""
        if self._committed:
            self._say("recorded", revisions=[revision.id for revision in self._committed])
            self._lost = [revision for revision in self._lost if revision not in self._committed]
            self._committed = []

    def end(self) -> None:
        """It is recorded, or will be with the transaction that it is in."""
        self.revision = None
        self.left.clear()

    def executes(self, raw: Raw, statement: str) -> None:
        """A statement is about to be executed."""
        self._forget()
        if not self._is_inside or kinds.reads(statement):
            return
        if kinds.commits(statement):
            self.commits(raw)
        elif drivers.dialect_of(raw) == "mysql" and kinds.commits_in_mysql(statement):
            self.commits(raw)
            self._leave(raw, statement)
        elif not drivers.is_autocommit(raw):
            before = self._unfinished.setdefault(id(raw), [])
            before += [statement] if len(before) < _MOST else []
        elif not kinds.repeats(statement):
            self._leave(raw, statement)

    def commits(self, raw: Raw) -> None:
        """What was executed on a connection is about to be committed."""
        before = self._unfinished.pop(id(raw), [])
        if self._trace and self._trace.is_kept_by(raw):
            self._committed, self._recorded = [*self._committed, *self._recorded], []
        if self._is_inside and before:
            self._leave(raw, *before, is_done=True)

    def rolled_back(self, raw: Raw) -> None:
        """What was executed on a connection is undone."""
        self._unfinished.pop(id(raw), None)
        if self._trace and self._trace.is_kept_by(raw):
            self._lost += self._recorded + self._committed
            self._recorded, self._committed = [], []

    def see_recorded(self) -> None:
        """See that no version row was taken back whose revision has committed something by itself.

        Raises:
            PermanentError: one was.
        """
        self._forget()
        lost = [revision for revision in self._lost if revision.id in self._leaves]
        if lost:
            raise PermanentError(
                f"apply revision {lost[0].id} ({lost[0].file})",
                "it has ended the transaction that it was given, and nobody has committed its version row",
                "a revision leaves COMMIT to env.py, or uses `with op.get_context().autocommit_block():`",
            )

    def failed(self, statement: str, error: BaseException | None) -> None:
        """A statement failed: where the server says so, nothing is left of it, but for an index."""
        if not (self.left and self.left[-1].statement == statement[:_LONGEST] and drivers.has_answered(error)):
            return
        if not kinds.is_concurrent(statement):
            self.left.pop()
            self._write_down(None)

    def _leave(self, raw: Raw, *statements: str, is_done: bool = False) -> None:
        for statement in statements:
            left = Left(statement[:_LONGEST])
            if self._trace and not is_done:
                left = self._trace.identified(raw, statement).but(statement=statement[:_LONGEST])
            self.left.append(left)
        if self.revision:
            self._leaves.add(self.revision.id)
        self._write_down(raw)

    def _write_down(self, raw: Any) -> None:  # noqa: ANN401 - a `Raw`, or None where it is connected already
        is_traced = bool(self._trace and self.revision and self._trace.started(raw, self.revision, self.left))
        left = [wire.left_event(one) for one in self.left]
        self._say("left", revision=self.revision.id if self.revision else "", left=left, traced=is_traced)
