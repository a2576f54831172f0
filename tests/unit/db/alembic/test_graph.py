"""What there is to apply and in which order, held against alembic's own answer."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from alembic.runtime.migration import HeadMaintainer, RevisionStep
from alembic.script.revision import Revision as Theirs
from alembic.script.revision import RevisionError, RevisionMap
from hypothesis import given, reject
from hypothesis import strategies as st

from initkit.db.alembic.graph import Graph
from initkit.db.alembic.scripts import Script
from initkit.db.alembic.unsure import Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MODULE = SimpleNamespace(upgrade=lambda: None, downgrade=lambda: None)


class Table(HeadMaintainer):
    """The version table as alembic would keep it, without a database."""

    def __init__(self) -> None:
        super().__init__(None, ())  # type: ignore[arg-type]

    def _insert_version(self, version: str) -> None:
        self.heads.add(version)

    def _delete_version(self, version: str) -> None:
        self.heads.remove(version)

    def _update_version(self, from_: str, to_: str) -> None:
        self.heads.remove(from_)
        self.heads.add(to_)


@contextmanager
def suppress_theirs() -> Iterator[None]:
    """Alembic fails at some graphs with several dependencies; there is nothing to compare then."""
    try:
        yield
    except (KeyError, AssertionError, IndexError):
        reject()


def alembic_map(scripts: Sequence[Script]) -> RevisionMap:
    def generate() -> list[Theirs]:
        found = []
        for script in scripts:
            one = Theirs(script.revision, script.down or None, script.depends_on or None, script.labels or None)
            one.module = MODULE  # type: ignore[attr-defined]
            found.append(one)
        return found

    return RevisionMap(generate)


def alembic_order(map_: RevisionMap, to: str, heads: Sequence[str]) -> list[Any]:
    """What `ScriptDirectory._upgrade_revs` asks."""
    return list(reversed(list(map_.iterate_revisions(to, tuple(heads), implicit_base=True))))


@st.composite
def graphs(draw: st.DrawFn) -> list[Script]:
    count = draw(st.integers(0, 9))
    names = [f"{draw(st.sampled_from(['abcd', 'abce', 'ff']))}{place}" for place in range(count)]
    scripts = []
    for place, name in enumerate(names):
        before = names[:place]
        some = st.lists(st.sampled_from(before), max_size=3, unique=True) if before else st.just([])
        down = draw(some if draw(st.integers(0, 3)) == 0 else st.just(before[-1:]))
        labels = (f"lab{place}el",) if draw(st.integers(0, 4)) == 0 else ()
        needs = draw(some) if draw(st.integers(0, 2)) == 0 else []
        scripts.append(Script(name, tuple(down), labels, tuple(needs), "", f"{name}.py"))
    return list(draw(st.permutations(scripts)))


def targets(scripts: Sequence[Script]) -> list[str]:
    names = [one.revision for one in scripts]
    labels = [label for one in scripts for label in one.labels]
    branches = [*labels, *names]
    ends = [f"{branch}@{end}" for branch in branches for end in ("head", "heads", *names[:2])]
    return ["heads", "head", *names, *labels, *ends, "abcd", "abce", "ff", "lab", "no"]


@given(st.data())
def test_it_agrees_with_alembic_or_is_unsure(drawn: st.DataObject) -> None:
    scripts = drawn.draw(graphs())
    try:
        graph = Graph(scripts)
    except Unsure:
        return  # what that is about is tested below
    map_, table = alembic_map(scripts), Table()
    try:
        way = alembic_order(map_, "heads", ())
    except RevisionError:
        with pytest.raises(Unsure):
            graph.pending((), "heads")
        return
    for step in [None, *way[: drawn.draw(st.integers(0, len(way)))]]:
        with suppress_theirs():
            if step is not None:
                table.update_to_step(RevisionStep(map_, step, is_upgrade=True))
    recorded = tuple(sorted(table.heads))
    to = drawn.draw(st.sampled_from(targets(scripts)))
    try:
        expected = [one.revision for one in alembic_order(map_, to, recorded)]
    except RevisionError:
        with pytest.raises(Unsure):
            graph.pending(recorded, to)
        return
    try:
        found = [one.id for one in graph.pending(recorded, to)]
    except Unsure as unsure:
        assert "in any order" in unsure.reason  # noqa: PT017 - nothing else may be unsure here
        assert expected
        return
    assert found == expected
    assert graph.unknown(recorded) == ()
    ends = set(map_._real_heads)  # what it means by heads
    assert (not graph.beyond(recorded)) is (set(recorded) == ends)


@given(graphs(), st.lists(st.integers(0, 8), max_size=3))
def test_any_rows_at_all_give_alembics_answer_or_none(scripts: list[Script], places: list[int]) -> None:
    try:
        graph = Graph(scripts)
    except Unsure:
        return
    rows = tuple(scripts[place].revision for place in places if place < len(scripts))
    try:
        expected = [one.revision for one in alembic_order(alembic_map(scripts), "heads", rows)]
    except RevisionError:
        with pytest.raises(Unsure):
            graph.pending(rows, "heads")
        return
    try:
        found = [one.id for one in graph.pending(rows, "heads")]
    except Unsure:
        return
    assert found == expected


def chain(*more: Script) -> list[Script]:
    return [Script("a1aa", file="a.py"), Script("b2bb", ("a1aa",), file="b.py"), *more]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (Script("a1aa"), "same revision"),
        (Script("c3cc", ("zzzz",), file="c.py"), "c.py builds upon zzzz, which is missing"),
        (Script("c3cc", ("b2b",), file="c.py"), "missing"),
        (Script("c3cc", (), (), ("zzzz",), file="c.py"), "c.py depends on zzzz, which is missing"),
        (Script("c3cc", ("c3cc",)), "circle"),
        (Script("c3cc", (), ("a1aa",)), "taken twice"),
        (Script("c3cc", (), ("x", "x")), "taken twice"),
        (Script("c3cc", (), ("head",)), "taken twice"),
    ],
)
def test_what_alembic_would_refuse_is_unsure(more: Script, reason: str) -> None:
    with pytest.raises(Unsure, match=reason):
        Graph(chain(more))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it warns of two with the same name, and goes on with the last
        if more.labels != ("head",):
            with pytest.raises((RevisionError, KeyError, UserWarning)):
                _ = alembic_map(chain(more)).heads


@pytest.mark.parametrize("row", ["a1a", "a", "head", "heads", "base", "x@a1aa", "-1", "side", "sid"])
def test_a_row_that_alembic_may_read_as_another_name_is_unsure(row: str) -> None:
    graph = Graph(chain(Script("c3cc", (), ("side",))))
    with pytest.raises(Unsure, match="may take for another name"):
        graph.unknown((row,))
    assert graph.unknown(("b2bb", "ffff")) == ("ffff",)


@pytest.mark.parametrize("rows", [("b2bb", "b2bb"), ("a1aa", "b2bb")])
def test_rows_that_overlap_are_unsure(rows: tuple[str, ...]) -> None:
    with pytest.raises(Unsure):
        Graph(chain()).pending(rows, "heads")
