"""Modes as they are written, against chmod itself."""

from __future__ import annotations

import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from fix_need import need_program
from hypothesis import given, settings
from hypothesis import strategies as st

from initkit.steps.perms.asked.mode import Mode, parse_mode, parse_umask, settles, show_umask

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


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, int]:
    """Files and folders, and the modes to begin with: many combinations, with special bits and without."""
    top = tmp_path_factory.mktemp("chmod")
    modes = [u << 6 | g << 3 | o for u, g, o in [(0, 0, 0), (6, 4, 4), (7, 5, 1), (1, 2, 4), (6, 6, 0), (4, 0, 1)]]
    begin = [special << 9 | mode for special in range(8) for mode in modes]
    for mode in begin:
        (top / f"file-{mode:04o}").touch()
        (top / f"folder-{mode:04o}").mkdir()
    return {top / f"{kind}-{mode:04o}": mode for kind in ("file", "folder") for mode in begin}


def chmod(text: str, subjects: dict[Path, int]) -> list[tuple[Path, int, int]]:
    """What became of each subject: its mode before, and after what chmod did."""
    for path, mode in subjects.items():
        path.chmod(mode)
    before = [stat.S_IMODE(path.stat().st_mode) for path in subjects]  # who is not in the group gives no setgid
    subprocess.run([need_program("chmod", "coreutils"), "--", text, *map(str, subjects)], check=True)
    after = [stat.S_IMODE(path.stat().st_mode) for path in subjects]
    return list(zip(subjects, before, after, strict=True))


def assert_as_chmod(text: str, subjects: dict[Path, int]) -> None:
    mode = parse_mode(text)
    wrong = [
        f"{path.name}: {before:04o} -> {mode.over(before, folder=path.is_dir()):04o}, chmod {after:04o}"
        for path, before, after in chmod(text, subjects)
        if mode.over(before, folder=path.is_dir()) != after
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    [
        "u=rwX,g=rX,o=",
        "a+X",
        "a=X",
        "a-x+X",
        "u-x,a+X",
        "g=u",
        "o=g",
        "ug=o",
        "a=u",
        "g=u-w",
        "g+u",
        "o-u",
        "ugo=rX",
        "u=s",
        "g=s",
        "ug=s",
        "ug+s",
        "u-s",
        "a-s",
        "o+s",
        "a=s",
        "g=rxs",
        "g=rwX",
        "a=",
        "u=",
        "a+t",
        "o+t",
        "u+t",
        "o=t",
        "a-t",
        "o=rt",
        "a=rwxXst",
        "u+w-w,g=u,o=",
        "g+s,g=rx",
        "g=rx,g+s",
        "u=rwx,go=rX,a-s,g+s",
    ],
)
def test_symbolic_modes_are_those_of_chmod(subjects: dict[Path, int], text: str) -> None:
    assert_as_chmod(text, subjects)


@given(SYMBOLIC)
@settings(max_examples=60, deadline=None)
def test_any_symbolic_mode_is_that_of_chmod(subjects: dict[Path, int], text: str) -> None:
    if settled(text) is not None:
        assert_as_chmod(text, subjects)


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
        ("9" * 5000, "expected an octal mode"),
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


@given(SYMBOLIC, st.integers(0, 0o777), _MODES, st.booleans())
def test_what_a_mode_and_a_umask_come_to_is_known_to_settle(text: str, umask: int, old: int, folder: bool) -> None:  # noqa: FBT001
    mode = settled(text)
    if mode is not None and settles(mode, umask):
        once = mode.over(old, folder=folder) & ~umask
        assert mode.over(once, folder=folder) & ~umask == once


@pytest.mark.parametrize(
    ("text", "umask", "answer"),
    [("u=g", 0o070, False), ("u=g", 0o007, True), ("g=u", 0o070, True), ("a=rX", 0o111, True), ("0640", 0o777, True)],
)
def test_a_umask_may_take_away_what_a_mode_reads(text: str, umask: int, answer: bool) -> None:  # noqa: FBT001 - a table
    assert settles(parse_mode(text), umask) is answer


@pytest.mark.parametrize(
    ("text", "bits"), [("0027", 0o27), ("027", 0o27), (" 0o027 ", 0o27), ("000", 0), ("777", 0o777)]
)
def test_umasks_are_octal(text: str, bits: int) -> None:
    assert parse_umask(text) == bits
    assert parse_umask(show_umask(bits)) == bits


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected an octal umask of three permission digits such as 0027, got ''"),
        ("2027", "got '2027'"),
        ("27", "got '27'"),
        ("g-w", "got 'g-w'"),
        ("0028", "got '0028'"),
        ("00027", "got '00027'"),
        ("23", "decimal for 0027: quote modes in YAML"),
        ("²", "got '²'"),
        ("9" * 5000, "got '999"),
    ],
)
def test_what_is_no_umask_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="expected an octal umask") as caught:
        parse_umask(text)
    assert message in str(caught.value)
