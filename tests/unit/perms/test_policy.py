"""When a root need not be walked, as its owner, group and mode tell."""

from __future__ import annotations

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initkit.steps.perms.asked.mode import parse_mode
from initkit.steps.perms.asked.wanted import Wanted
from initkit.steps.perms.policy import ALWAYS, ON_ROOT_MISMATCH, STAMP, blind, stands
from initkit.steps.perms.roots import Root
from initkit.steps.perms.stamp import is_stamp, name_of

DIGEST = "0123456789abcdef" * 4
_SAYS_SO = "root as it should be (on-root-mismatch)"


def root(mode: int, uid: int = 1000, gid: int = 1000) -> Root:
    """A root that nothing but its stat is asked of: its descriptor is none."""
    return Root("/volume", -1, "volume", os.stat_result((mode, 2, 3, 2, uid, gid, 0, 0, 0, 0)))


def folder(mode: int, uid: int = 1000, gid: int = 1000) -> Root:
    return root(stat.S_IFDIR | mode, uid, gid)


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(uid=1000),
        Wanted(gid=1000),
        Wanted(1000, 1000, parse_mode("2770")),
        Wanted(dir_mode=parse_mode("2770")),
        Wanted(dir_mode=parse_mode("g+rwxs")),
        Wanted(gid=1000, file_mode=parse_mode("0000")),
        Wanted(umask=0o007),
    ],
)
def test_a_root_that_is_what_the_rules_say_of_it_need_not_be_walked(wanted: Wanted) -> None:
    assert stands(folder(0o2770), wanted, DIGEST, ON_ROOT_MISMATCH) == _SAYS_SO
    assert blind(folder(0o2770), wanted, ON_ROOT_MISMATCH) is None


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(uid=1001),
        Wanted(gid=1001),
        Wanted(1000, 1000, parse_mode("2750")),
        Wanted(1000, 1000, parse_mode("0770")),  # setgid counts, as all twelve bits
        Wanted(1000, 1000, parse_mode("o+r")),
        Wanted(1000, 1000, None, None, 0o070),
    ],
)
def test_a_root_that_differs_in_anything_is_walked(wanted: Wanted) -> None:
    for policy in (ON_ROOT_MISMATCH, STAMP):
        assert stands(folder(0o2770), wanted, DIGEST, policy) is None


def test_more_rights_than_asked_differ_where_the_kubelet_would_not_mind() -> None:
    assert stands(folder(0o2775), Wanted(gid=1000, dir_mode=parse_mode("2770")), DIGEST, ON_ROOT_MISMATCH) is None
    assert stands(folder(0o2775), Wanted(gid=1000, dir_mode=parse_mode("ug+rwx,g+s")), DIGEST, ON_ROOT_MISMATCH)


@pytest.mark.parametrize("wanted", [None, Wanted(), Wanted(file_mode=parse_mode("0640"))])
def test_rules_that_say_nothing_of_the_root_are_warned_of_and_all_is_walked(wanted: Wanted | None) -> None:
    assert stands(folder(0o755), wanted, DIGEST, ON_ROOT_MISMATCH) is None
    assert "of which the rules say nothing" in str(blind(folder(0o755), wanted, ON_ROOT_MISMATCH))
    assert blind(folder(0o755), wanted, STAMP) is None
    assert blind(folder(0o755), wanted, ALWAYS) is None


def test_a_root_that_is_a_file_is_compared_as_one_and_takes_no_stamp() -> None:
    file = root(stat.S_IFREG | 0o640)
    assert stands(file, Wanted(file_mode=parse_mode("0640")), DIGEST, ON_ROOT_MISMATCH) == _SAYS_SO
    assert stands(file, Wanted(file_mode=parse_mode("0644")), DIGEST, ON_ROOT_MISMATCH) is None
    assert stands(file, Wanted(dir_mode=parse_mode("0640")), DIGEST, ON_ROOT_MISMATCH) is None
    assert "a stamp needs a folder" in str(blind(file, Wanted(uid=1000), STAMP))


@given(st.integers(0, 0o7777), st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_always_is_always(mode: int, uid: int, gid: int, silent: bool) -> None:  # noqa: FBT001 - hypothesis
    wanted = None if silent else Wanted(uid, gid, parse_mode(f"{mode:04o}"))
    assert stands(folder(mode, uid, gid), wanted, DIGEST, ALWAYS) is None


def test_a_stamp_is_known_by_its_name() -> None:
    assert name_of(DIGEST) == ".initkit-perms-" + DIGEST[:32]
    assert is_stamp(name_of(DIGEST))
    for other in (".initkit-perms-", name_of(DIGEST) + "0", name_of(DIGEST).upper(), ".initkit-perms-" + "g" * 32):
        assert not is_stamp(other)
