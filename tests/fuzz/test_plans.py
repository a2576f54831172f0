"""Whatever a plan's file holds, what comes of it is steps or a plan error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from fix_plan import EXAMPLE
from hypothesis import example, given
from hypothesis import strategies as st

from initkit.engine import termination
from initkit.engine.plan import PlanError, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.engine.entries import Entry

WORDS = st.sampled_from(
    """
    steps retry wait migrate seed perms git name needs targets any http tcp file postgres url status path paths rules
    timeout interval attempts jitter repository dest ref mode owner group file-mode type not-empty url-env address
    __init__ __class__ schemes pace kind
    """.split()  # noqa: SIM905 - a line for each would be a page
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | WORDS
    | st.sampled_from(
        [
            "db:5432",
            "http://x/",
            "${NAME}",
            "${",
            "${file:/nowhere}",
            "0640",
            "5m",
            "**",
            "/x",
            "postgres://",
            "sqlite://",
            "sqlite:///x",
            "file:",
            "a\0b:80",
            "a..b:80",
            "http://[",
            "ssh://-o/",
            "1:1",
            "__init__:x",
        ]
    )
)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | SCALARS.map(str), inner, max_size=4)
)
STEPS = st.fixed_dictionaries(
    {"steps": st.lists(st.dictionaries(WORDS, TREES, min_size=1, max_size=3), min_size=1, max_size=3)},
    optional={"retry": TREES},
)
ENVIRON = {"NAME": "db:5432", "INITKIT_WAIT_ATTEMPTS": "3"}


def read(text: str) -> Sequence[Entry] | PlanError:
    """The steps, or the mistakes; anything else that is raised ends the test."""
    try:
        return parse(text, "plan.yaml", ENVIRON)
    except PlanError as refused:
        return refused


def is_told(found: Sequence[Entry] | PlanError) -> bool:
    """Whether there are steps, or mistakes that a person can be told, each with its line."""
    if not isinstance(found, PlanError):
        return len(found) > 0
    said = len(str(found).encode()) > 0 and len(termination.refusal(found).encode()) <= termination.LIMIT
    return said and len(found.problems) > 0 and all(line >= 1 for line, _, _ in found.problems)


@given(st.text())
@example("[" * 400)
@example("{" * 400)
@example("? " * 400)
@example("&a [*a]")
@example('"\\UFFFFFFFF"')
@example('steps: [{wait: "\\ud800:80"}]')
@example("%YAML " + "9" * 5000 + ".1\n---\n")
@example("!!python/object/apply:os.system ['true']")
@example("steps: [{wait: {targets: [{__init__: x}, {'http ': y}]}}]")
def test_any_text(text: str) -> None:
    assert is_told(read(text))


@given(TREES)
def test_any_tree(tree: object) -> None:
    assert is_told(read(yaml.safe_dump(tree, allow_unicode=True)))


@given(STEPS)
def test_any_tree_that_looks_like_a_plan(tree: object) -> None:
    found = read(yaml.safe_dump(tree, allow_unicode=True))
    assert is_told(found)
    for entry in () if isinstance(found, PlanError) else found:
        assert entry.step.kind in {"wait", "migrate", "seed", "perms", "git"}
        assert entry.name


@given(st.integers(0, len(EXAMPLE)), st.integers(0, 30), st.text(max_size=5))
def test_the_example_with_a_piece_replaced(at: int, length: int, piece: str) -> None:
    assert is_told(read(EXAMPLE[:at] + piece + EXAMPLE[at + length :]))


@pytest.mark.parametrize("end", range(0, len(EXAMPLE), 7))
def test_the_example_cut_off(end: int) -> None:
    assert is_told(read(EXAMPLE[:end]))
