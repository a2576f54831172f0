"""The steps of a run and what each of them needs; how a plan's text becomes that is the business of `plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.core.step import Step

from initkit.core.record import Record


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
