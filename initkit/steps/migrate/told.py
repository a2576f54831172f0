"""How a migration is told: what there is to apply, what was applied, what is so; deciding is the step's business."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError
from initkit.core.outcome import Outcome, Pending, Satisfied
from initkit.core.values import show_duration
from initkit.db.revisions import tips

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.core.outcome import Facts
    from initkit.db.revisions import Heads, Revision, Standing
    from initkit.steps.migrate.engine import Applied, Engine, Guard

_WORTH_TELLING = 1.0  # seconds of waiting
_TOLD = 5  # revisions whose times are in the summary; all are among the facts


def pending(standing: Standing) -> Pending:
    """What there is to apply."""
    todo = standing.pending
    facts: Facts = {
        "from": list(standing.heads),
        "to": _ids(todo),
        "pending": [revision.id for revision in todo],
    }
    return Pending(f"{_count(todo)} to apply: {_way(standing.heads, todo)}", tuple(map(str, todo)), facts)


def satisfied(standing: Standing) -> Satisfied:
    """That there is nothing to apply."""
    return Satisfied(_at(standing), {"revision": list(standing.heads)})


def overtaken(standing: Standing, guard: Guard) -> Outcome:
    """That whoever held the lock before has applied it all."""
    facts: Facts = {"revision": list(standing.heads), "lock_waited_s": round(guard.waited, 3)}
    return Outcome.ok(f"{_at(standing)}; another run got there first", facts)


def done(engine: Engine, before: Standing | None) -> str:
    """What is applied all the same after a failure, as the database has it."""
    with suppress(InitkitError):  # the first error matters, and the server may be what is gone
        after = engine.look()
        if before is not None and after is not None:
            left = {revision.id for revision in after.pending}
            applied = tuple(revision for revision in before.pending if revision.id not in left)
            return f"{_count(applied)} applied: {_way(before.heads, applied)}" if applied else ""
    return ""


def changed(engine: Engine, heads: Heads, guard: Guard) -> Outcome:
    """What was applied."""
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
    return [revision.id for revision in tips(todo)]


def _way(heads: Heads, todo: tuple[Revision, ...], *, messages: bool = False) -> str:
    ends = [str(revision) if messages else revision.id for revision in tips(todo)]
    return f"{', '.join(heads) or '(base)'} → {', '.join(ends)}"
