"""The steps of a run, one part after another."""

from __future__ import annotations

from initkit.core.assemble import assemble
from initkit.engine.entries import Entry, chain, single, unique
from initkit.steps.wait.step import Wait

WAIT = assemble(Wait, {"targets": "a:1"})


def test_parts_of_a_chain_follow_one_another() -> None:
    first = [Entry("wait", WAIT), Entry("free", WAIT)]
    second = [Entry("wait", WAIT), Entry("wait-2", WAIT, ("wait",))]
    entries = chain([first, second, single(WAIT)])
    assert [(entry.name, entry.needs) for entry in entries] == [
        ("wait", ()),
        ("free", ()),
        ("wait-2", ("wait", "free")),
        ("wait-2-2", ("wait-2",)),
        ("wait-3", ("wait-2", "wait-2-2")),
    ]
    assert len({entry.name for entry in entries}) == 5


def test_names_are_made_unique() -> None:
    assert unique("a", []) == "a"
    assert unique("a", ["a", "a-2"]) == "a-3"
