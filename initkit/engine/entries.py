"""The steps of a run and what each of them needs; how a plan's text becomes that is the business of `plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.errors import UsageError
from initkit.core.record import Record
from initkit.core.step import Stays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.core.step import Step


class Entry(Record):
    """One step of a plan.

    Attributes:
        name: unique in the plan.
        step: what to do.
        needs: names of earlier steps without whose success it does not run.
    """

    name: str
    step: Step
    needs: tuple[str, ...] = ()


def unique(name: str, taken: Sequence[str]) -> str:
    """`name`, or ``name-2`` and so on where it is taken."""
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate


def chain(parts: Sequence[Sequence[Entry]]) -> list[Entry]:
    """Several plans one after another: what needs nothing in its own part needs all of the part before."""
    entries: list[Entry] = []
    before: tuple[str, ...] = ()
    for part in parts:
        renamed: dict[str, str] = {}
        for entry in part:
            renamed[entry.name] = unique(entry.name, [known.name for known in entries])
            needs = tuple(renamed[name] for name in entry.needs) or before
            entries.append(Entry(renamed[entry.name], entry.step, needs))
        before = tuple(renamed.values())
    return entries


def single(step: Step) -> list[Entry]:
    """The plan of one step, named after its kind."""
    return [Entry(step.kind, step)]


def goes_on(entry: Entry) -> bool:
    """Whether the step never ends by itself."""
    return isinstance(entry.step, Stays) and entry.step.stays


def refuse_what_never_comes(plan: Sequence[Entry], command: Sequence[str]) -> None:
    """Raise where something stands behind a step that never ends.

    Args:
        plan: in the order in which it runs.
        command: what is to follow once all succeeded; may be empty.

    Raises:
        UsageError: something does.
    """
    at = next((number for number, entry in enumerate(plan) if goes_on(entry)), None)
    if at is None:
        return
    later = [entry.name for entry in plan[at + 1 :]] + list(command[:1])
    if later:
        raise UsageError(
            f"run {later[0]}",
            f"{plan[at].name}, which comes before it, is to stay and never ends",
            "let it end (--once), or run it as a sidecar of its own",
        )
