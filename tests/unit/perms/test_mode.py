"""Modes as they are written, against chmod itself."""

from __future__ import annotations

import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from fix_need import need_program
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from initkit.steps.perms.mode import Mode, parse_mode

if TYPE_CHECKING:
    from pathlib import Path

_MODES = st.integers(0, 0o7777)
_PERMISSIONS = st.lists(st.sampled_from("rwxXst"), max_size=4).map("".join) | st.sampled_from("ugo")
_CLAUSES = st.builds(
    lambda who, actions: who + "".join(actions),
    st.lists(st.sampled_from("ugoa"), min_size=1, max_size=3).map("".join),
    st.lists(st.builds(str.__add__, st.sampled_from("+-="), _PERMISSIONS), min_size=1, max_size=2),
)
SYMBOLIC = st.lists(_CLAUSES, min_size=1, max_size=3).map(",".join)


def settled(text: str) -> Mode | None:
    try:
        return parse_mode(text)
    except ValueError:
        return None


@pytest.mark.parametrize(("text", "bits"), [("0640", 0o640), ("640", 0o640), ("2770", 0o2770), ("0o755", 0o755)])
def test_octal_modes_are_exact(text: str, bits: int) -> None:
    assert {parse_mode(text).over(old, folder=folder) for old in (0, 0o6777) for folder in (True, False)} == {bits}


@pytest.mark.parametrize(
    ("text", "old", "folder", "new"),
    [
        ("u=rwX,g=rX,o=", 0o644, False, 0o640),
        ("u=rwX,g=rX,o=", 0o711, False, 0o750),
        ("u=rwX,g=rX,o=", 0o644, True, 0o750),
        ("g+s", 0o750, True, 0o2750),
        ("g=rwX", 0o2755, True, 0o2775),
        ("g=u", 0o740, False, 0o770),
        ("a-x,u+t", 0o1755, False, 0o1644),
    ],
)
def test_symbolic_modes(text: str, old: int, folder: bool, new: int) -> None:  # noqa: FBT001 - a table
    assert parse_mode(text).over(old, folder=folder) == new


@given(SYMBOLIC, _MODES, st.booleans())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_symbolic_modes_do_what_chmod_does(tmp_path: Path, text: str, old: int, folder: bool) -> None:  # noqa: FBT001
    mode = settled(text)
    if mode is None:
        return
    subject = tmp_path / ("folder" if folder else "file")
    if folder:
        subject.mkdir(exist_ok=True)
    else:
        subject.touch()
    subject.chmod(old)
    was = stat.S_IMODE(subject.stat().st_mode)  # the kernel drops setgid for who is not in the group
    expected = mode.over(was, folder=folder)
    subprocess.run([need_program("chmod", "coreutils"), text, str(subject)], check=True)
    assert f"{stat.S_IMODE(subject.stat().st_mode):04o}" == f"{expected:04o}"


@given(SYMBOLIC, _MODES, st.booleans())
def test_a_mode_changes_nothing_the_second_time(text: str, old: int, folder: bool) -> None:  # noqa: FBT001
    mode = settled(text)
    if mode is not None:
        once = mode.over(old, folder=folder)
        assert mode.over(once, folder=folder) == once


@given(SYMBOLIC)
def test_a_mode_is_shown_as_it_is_parsed(text: str) -> None:
    mode = settled(text)
    assert mode is None or parse_mode(str(mode)) == mode


@pytest.mark.parametrize("text", ["g=X,u+x", "g=u,u=o", "g=u,u=o,o=g"])
def test_modes_that_never_settle_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="changes nothing when it is applied again"):
        parse_mode(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a mode such as 0640"),
        ("rw-r-----", "expected a mode such as 0640"),
        ("u=rwq", "expected a mode such as 0640"),
        ("64", "expected an octal mode"),
        ("17777", "expected an octal mode"),
        ("488", r"decimal for 0750: quote modes in YAML"),
        ("²", "expected a mode such as 0640"),
        ("+x", "say for whom: u, g, o or a"),
    ],
)
def test_what_is_no_mode_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_mode(text)


@pytest.mark.parametrize(
    ("text", "gives"), [("4755", True), ("ug+s", True), ("g=rs", True), ("u-s", False), ("o+s", False), ("1755", False)]
)
def test_modes_that_give_set_id_bits_are_known(text: str, gives: bool) -> None:  # noqa: FBT001 - a table
    assert parse_mode(text).sets_ids is gives
