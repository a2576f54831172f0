"""Links: symbolic ones are not followed, and hard ones of others are left alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_perms import need_root, perms, snapshot

from initkit.core.errors import PermanentError, SuspectError

if TYPE_CHECKING:
    from pathlib import Path

    from initkit.steps.perms.step import Perms


def refusal(step: Perms) -> str:
    with pytest.raises(PermanentError) as raised:
        step.apply(make_context())
    return str(raised.value)


def test_a_root_that_is_a_symbolic_link_is_refused_with_what_it_leads_to(tree: Path) -> None:
    link = tree.parent / "data"
    link.symlink_to(tree)
    for path in (link, f"{link}/", f"{tree}/../data"):
        text = refusal(perms(path, file_mode="0600"))
        assert f"it is a symbolic link to {tree}, and links are not followed; name what it leads to" in text


def test_links_above_a_root_are_followed_once(tree: Path) -> None:
    (tree.parent / "data").symlink_to(tree)
    outcome = perms(tree.parent / "data/bin", file_mode="0600").apply(make_context())
    assert outcome.facts["mode"] == 1


def test_a_link_to_the_systems_folders_is_no_way_to_them(volume: Path) -> None:
    (volume / "etc").symlink_to("/etc")
    (volume / "root").symlink_to("/")
    assert "symbolic link to /etc" in refusal(perms(volume / "etc", dir_mode="0755"))
    for path in (f"{volume}/etc/.", f"{volume}/root/etc", f"{volume}/etc/../etc"):
        assert "it is /etc, which belongs to the system" in refusal(perms(path, dir_mode="0755"))


def test_a_magic_link_is_no_way_to_the_systems_folders(volume: Path) -> None:
    (volume / "self").symlink_to("/proc/self")
    for path in (f"{volume}/self/root/etc", f"{volume}/self/root/."):
        assert "belongs to the system" in refusal(perms(path, dir_mode="0755"))


def test_a_part_of_the_path_that_is_no_folder(tree: Path) -> None:
    with pytest.raises(SuspectError, match="a part of the path is a file"):
        perms(tree / "readme/below", file_mode="0600").check(make_context())


def test_a_hard_link_to_a_file_of_someone_elses_is_left_alone(tree: Path) -> None:
    need_root()
    outside = tree.parent / "outside"
    os.link(outside, tree / "mine")
    before = snapshot(outside.parent)[os.fsencode(outside)]
    step = perms(tree, owner="1000:1000", file_mode="0600")
    outcome = step.apply(make_context())
    assert outcome.facts["hard_links"] == 1
    assert f"1 with other names (hard links), left alone ({tree}/mine)" in outcome.detail
    assert snapshot(outside.parent)[os.fsencode(outside)] == before
    # nothing else is left to do
    again = step.apply(make_context())
    assert again.status == "ok"
    assert again.detail.startswith("10 entries as they should be; 1 with other names")


def test_hard_links_are_changed_where_it_is_allowed(tree: Path) -> None:
    outside = tree.parent / "outside"
    os.link(outside, tree / "mine")
    os.chown(outside, os.geteuid(), -1)
    outcome = perms(tree, file_mode="0600", hard_links="allow").apply(make_context())
    assert outcome.facts["hard_links"] == 0
    assert outside.stat().st_mode & 0o777 == 0o600


def test_hard_links_that_are_owned_rightly_are_changed(tree: Path) -> None:
    os.link(tree / "readme", tree / "bin/readme")
    outcome = perms(tree, file_mode="0600").apply(make_context())
    assert outcome.facts["hard_links"] == 0
    assert (tree / "bin/readme").stat().st_mode & 0o777 == 0o600


def test_a_hard_link_that_is_right_is_not_counted(tree: Path) -> None:
    os.link(tree / "readme", tree / "bin/readme")
    outcome = perms(tree, file_mode="0644").apply(make_context())
    assert (outcome.status, outcome.facts["hard_links"]) == ("ok", 0)


def test_a_symbolic_link_gets_the_owner_itself(tree: Path) -> None:
    need_root()
    outside = os.stat(tree.parent / "outside")
    perms(tree, owner="1000:1000").apply(make_context())
    link = os.lstat(tree / "link")
    assert (link.st_uid, link.st_gid) == (1000, 1000)
    assert os.stat(tree.parent / "outside") == outside
