"""What differs, and the order in which it is changed."""

from __future__ import annotations

import stat

from hypothesis import given
from hypothesis import strategies as st

from initkit.steps.perms.mode import parse_mode
from initkit.steps.perms.settle import narrow

_MODES = st.integers(0, 0o1777)
_TEXTS = ["0640", "0000", "u=rwX,g=rX,o=", "g=u", "u+X,o=", "u=g,o=g", "o=u,g+X", "a+rX", "go-w"]


@given(st.sampled_from(_TEXTS), _MODES, st.booleans())
def test_a_walk_that_is_killed_between_two_calls_is_finished_by_the_next(text: str, old: int, folder: bool) -> None:  # noqa: FBT001
    mode = parse_mode(text)
    new = mode.over(old, folder=folder)
    narrowed = narrow(mode, old, new, folder=folder)
    assert mode.over(narrowed, folder=folder) == new


@given(st.sampled_from(_TEXTS), _MODES, st.booleans())
def test_on_the_way_nothing_is_allowed_that_was_not_before(text: str, old: int, folder: bool) -> None:  # noqa: FBT001
    mode = parse_mode(text)
    assert narrow(mode, old, mode.over(old, folder=folder), folder=folder) & ~old == 0


@given(st.integers(0, 0o1777), _MODES)
def test_with_an_octal_mode_only_what_old_and_new_share_is_allowed_on_the_way(new: int, old: int) -> None:
    assert narrow(parse_mode(f"{new:04o}"), old, new, folder=False) == stat.S_IMODE(old & new)
