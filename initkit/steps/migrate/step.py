"""The step that brings a database to its newest revision; how revisions are read and run: see its neighbours."""

from __future__ import annotations

import re
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.errors import InitkitError
from initkit.core.options import Arg, Opt, Parser, declared
from initkit.core.outcome import Outcome, Pending, Satisfied
from initkit.core.retry import RetryPolicy
from initkit.db.dsn import DatabaseOptions

if TYPE_CHECKING:
    from initkit.core.outcome import Finding
    from initkit.core.step import Context
    from initkit.db.revisions import Heads, Revision
    from initkit.steps.migrate.alembic import Alembic

_PATIENCE = RetryPolicy(timeout=600.0)  # a migration of another replica may take its time
_RELATIVE = re.compile(r".*[+-]\d+|base|.*:.*|\s*")


def parse_revision(text: str) -> str:
    """A revision to go up to: its identifier, the beginning of it, a branch's ``label@head``, ``head`` or ``heads``.

    Raises:
        ValueError: it says how far to go (``+1``), which would go on with each run, or names a range.
    """
    if _RELATIVE.fullmatch(text):
        raise ValueError(f"expected a revision, head or heads, got {text!r}")
    return text.strip()


RevisionName = Annotated[str, Parser("REVISION", parse_revision)]


@declared
class Migrate(DatabaseOptions):
    """Bring a database's schema to its newest revision, once, whoever else tries at the same time.

    Alembic on PostgreSQL and SQLite: env.py runs as it is, under an advisory lock; what is applied is read again once
    the lock is held, and verified afterwards.
    """

    kind: ClassVar[str] = "migrate"

    path: Annotated[str, Arg("An alembic.ini, a folder that holds one, or a folder with env.py.", "PATH")]
    to: Annotated[RevisionName, Opt("Go up to this revision; heads is the newest of all branches.")] = "heads"
    retry: RetryPolicy = _PATIENCE

    def check(self, context: Context) -> Finding:
        """Which revisions there are to apply; it only reads."""
        alembic = self._alembic(context)
        heads = alembic.recorded(read_only=True)
        if heads is None:
            return Pending("env.py writes before it reads: what there is to apply is known once it runs")
        todo = alembic.pending(heads)
        if not todo:
            return Satisfied(_at(alembic, heads), {"revision": list(heads)})
        facts = {"from": list(heads), "to": _ids(todo), "pending": [revision.id for revision in todo]}
        return Pending(f"{_count(todo)} to apply: {_way(heads, todo)}", tuple(map(str, todo)), facts)

    def apply(self, context: Context) -> Outcome:
        """Apply them under the lock, unless whoever held it before has done so."""
        from initkit.steps.migrate.blocked import told  # noqa: PLC0415 - only where there is something to apply
        from initkit.steps.migrate.lock import migration_lock  # noqa: PLC0415 - only where there is something to apply

        alembic = self._alembic(context)
        with migration_lock(self.database(context.environ), alembic.table, context) as lock:
            heads = alembic.recorded(read_only=True)
            if heads is not None and not alembic.pending(heads):
                return Outcome.ok(
                    f"{_at(alembic, heads)}; another run got there first",
                    {"revision": list(heads), "lock_waited_s": round(lock.waited, 3)},
                )
            with told(lock.connection, alembic.sessions, context) if lock.connection else nullcontext():
                _upgrade(alembic, heads)
            alembic.verify()
        return _outcome(alembic, heads or (), lock.waited)

    def _alembic(self, context: Context) -> Alembic:
        from initkit.steps.migrate.alembic import Alembic  # noqa: PLC0415 - the driver's neighbours come with it

        return Alembic(self.path, self.database(context.environ), context, self.to)


def _upgrade(alembic: Alembic, heads: Heads | None) -> None:
    """Upgrade; an error also says what is applied all the same, as the database has it."""
    try:
        alembic.upgrade(heads)
    except InitkitError as error:
        with suppress(InitkitError):  # the first error matters, and the server may be what is gone
            before = {revision.id for revision in alembic.pending(heads or ())}
            left = {revision.id for revision in alembic.pending(alembic.recorded(read_only=True) or ())}
            applied = tuple(revision for revision in alembic.all if revision.id in before - left)
            error.done = f"{_count(applied)} applied: {_way(heads or (), applied)}" if applied else ""
        raise


def _outcome(alembic: Alembic, heads: Heads, waited: float) -> Outcome:
    applied = tuple(revision for revision, _ in alembic.progress.applied)
    facts: dict[str, object] = {"lock_waited_s": round(waited, 3)}
    if not applied:
        return Outcome.ok("nothing to apply", facts)
    facts |= {"from": list(heads), "to": _ids(applied)}
    facts["applied"] = [
        {"revision": revision.id, "message": revision.message, "seconds": round(seconds, 3)}
        for revision, seconds in alembic.progress.applied
    ]
    return Outcome.changed(f"{_count(applied)} applied: {_way(heads, applied, messages=True)}", facts)


def _at(alembic: Alembic, heads: Heads) -> str:
    if not alembic.all:
        return "there are no revisions"
    return f"at {'head' if alembic.is_newest(heads) else 'revision'} {', '.join(heads)}"


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
