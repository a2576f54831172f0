"""How a run over datasets is told, to people and to programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from initkit.core.outcome import Outcome, Pending, Satisfied
from initkit.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.core.outcome import Finding
    from initkit.steps.seed.ledger import Entry
    from initkit.steps.seed.planning import Work
    from initkit.steps.seed.store import Counts

_TOLD = 10  # datasets in the summary; all are among the facts
_WORDS = {"loaded": "up to date", "ignored": "changed since it was loaded, ignored", "not empty": "not empty"}


class Done(Record):
    """A dataset, and what was or would be done.

    Attributes:
        counts: of its rows; None where nothing was to be done, and for SQL.
        statements: of SQL, that were run.
        entry: what is recorded of it.
        size: of its file in bytes.
    """

    work: Work
    counts: Counts | None = None
    statements: int = 0
    entry: Entry | None = None
    seconds: float = 0.0
    size: int | None = None

    @property
    def changed(self) -> bool:
        """Whether anything is, or would be, written besides the ledger; a first load always counts."""
        if not self.work.is_due:
            return False
        return self.counts is None or self.counts.changed or (self.work.how == "insert")


def satisfied(done: Sequence[Done]) -> Satisfied:
    """That there is nothing to do."""
    return Satisfied(_up_to_date(done), _facts(done))


def compared(done: Sequence[Done]) -> Finding:
    """What would be done, dataset by dataset."""
    todo = [one for one in done if one.changed]
    if not todo:
        return satisfied(done)
    labels = _labels(done)
    lines = tuple(f"{labels[one.work.dataset.path]}: {_would(one)}" for one in done)
    return Pending(f"{count(len(todo), 'dataset')} to load", lines, _facts(done))


def outcome(done: Sequence[Done]) -> Outcome:
    """What was done."""
    todo = [one for one in done if one.changed]
    if not todo:
        return Outcome.ok(_up_to_date(done), _facts(done))
    labels = _labels(done)
    said = [f"{labels[one.work.dataset.path]} {_did(one)}" for one in todo]
    more = [f"and {len(said) - _TOLD} more"] if len(said) > _TOLD else []
    text = f"{count(len(todo), 'dataset')} loaded: {', '.join([*said[:_TOLD], *more])}"
    if len(todo) < len(done):
        text += f"; {len(done) - len(todo)} up to date"
    return Outcome.changed(text, _facts(done))


def count(number: int, what: str) -> str:
    """So many of them."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _up_to_date(done: Sequence[Done]) -> str:
    return f"{count(len(done), 'dataset')} up to date"


def _labels(done: Sequence[Done]) -> dict[str, str]:
    """What each is called: its table, or its file where that does not tell it from others."""
    tables = Counter(one.work.dataset.table for one in done)
    return {
        one.work.dataset.path: one.work.dataset.name
        if not one.work.dataset.table or tables[one.work.dataset.table] > 1
        else one.work.dataset.table
        for one in done
    }


def _would(one: Done) -> str:
    if one.work.idle:
        return _WORDS[one.work.idle]
    if one.counts is None:
        return "to run"
    counts = {"insert": one.counts.inserted, "update": one.counts.updated, "delete": one.counts.deleted}
    said = [f"{number} to {what}" for what, number in counts.items() if number]
    return ", ".join(said) or ("0 to insert" if one.work.how == "insert" else "up to date")


def _did(one: Done) -> str:
    if one.counts is None:
        return count(one.statements, "statement")
    if one.work.how == "insert":
        return count(one.counts.inserted, "row")
    counts = {"inserted": one.counts.inserted, "updated": one.counts.updated, "deleted": one.counts.deleted}
    return ", ".join(
        f"{number} {what}" for what, number in [*counts.items(), ("unchanged", one.counts.unchanged)] if number
    )


def _facts(done: Sequence[Done]) -> dict[str, object]:
    return {"datasets": [_fact(one) for one in done]}


def _fact(one: Done) -> dict[str, object]:
    dataset = one.work.dataset
    facts: dict[str, object] = {"dataset": dataset.name, "table": dataset.table, "mode": dataset.mode}
    if one.work.idle:
        return facts | {"skipped": _WORDS[one.work.idle]}
    if one.counts is not None:
        facts |= {name: getattr(one.counts, name) for name in ("inserted", "updated", "deleted", "unchanged")}
    if one.statements:
        facts["statements"] = one.statements
    if one.size is not None:
        facts["bytes"] = one.size
    if one.seconds:
        facts["seconds"] = round(one.seconds, 3)
    return facts
