"""Modes, owners and times are as asked, whatever the umask; links are never followed."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_need import need

from initkit.core.errors import PermanentError
from initkit.core.outcome import Satisfied
from initkit.steps.git.publish import dressing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fix_git import Origin

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]

LAYOUTS = pytest.mark.parametrize("layout", ["link", "plain"])


@pytest.fixture(params=[0o022, 0o077, 0o000])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def _root(dest: Path, layout: str) -> Path:
    return (dest / "current").resolve() if layout == "link" else dest


def _modes(root: Path) -> dict[str, int]:
    found = (path for path in root.rglob("*") if not path.is_symlink())
    return {str(path.relative_to(root)): stat.S_IMODE(path.stat().st_mode) & 0o777 for path in found}


def _below(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if ".initkit" not in path.relative_to(root).parts]


@pytest.mark.usefixtures("umask")
@LAYOUTS
@pytest.mark.parametrize("more", [0, 0o020])
def test_modes_do_not_depend_on_the_umask(
    make_git: MakeGit, origin: Origin, dest: Path, layout: str, more: int
) -> None:
    (origin.path / "site" / "run").write_text("x")
    (origin.path / "site" / "run").chmod(0o755)
    origin.commit()
    step = make_git(layout=layout, group_write=str(bool(more)).lower())
    step.apply(make_context())
    found = {name: mode for name, mode in _modes(_root(dest, layout)).items() if not name.startswith(".initkit")}
    assert found == {
        "index.html": 0o644 | more,
        "site": 0o755 | more,
        "site/page.html": 0o644 | more,
        "site/run": 0o755 | more,
        "site/deep": 0o755 | more,
        "site/deep/leaf": 0o644 | more,
    }
    assert isinstance(step.check(make_context()), Satisfied)


@pytest.mark.usefixtures("umask")
def test_every_folder_on_the_way_can_be_entered_by_others(make_git: MakeGit, tmp_path: Path) -> None:
    dest = tmp_path / "made" / "dest"
    make_git(dest=str(dest), subpath="site/deep").apply(make_context())
    folder = (dest / "current").resolve()
    while folder != tmp_path.resolve():
        assert stat.S_IMODE(folder.stat().st_mode) & 0o755 == 0o755, folder
        folder = folder.parent


@LAYOUTS
def test_the_volumes_group_is_inherited(make_git: MakeGit, dest: Path, layout: str) -> None:
    others = sorted(set(os.getgroups()) - {os.getegid()})
    group = others[0] if others else os.getegid()
    if os.geteuid() == 0:
        group = 4242
    dest.mkdir()
    os.chown(dest, -1, group)
    dest.chmod(0o2775)  # as the kubelet leaves a volume with fsGroup
    need(dest.stat().st_mode & stat.S_ISGID, "a file system that keeps setgid")
    make_git(layout=layout).apply(make_context())
    for path in _below(_root(dest, layout)):
        assert path.lstat().st_gid == group
        assert not path.is_dir() or path.stat().st_mode & stat.S_ISGID


@LAYOUTS
def test_the_content_is_given_away_but_not_what_links_lead_to(
    make_git: MakeGit, origin: Origin, dest: Path, tmp_path: Path, layout: str
) -> None:
    need(os.geteuid() == 0, "root, to give files away")
    outside = tmp_path / "outside"
    outside.write_text("x")
    (origin.path / "out").symlink_to(outside)
    sha = origin.commit()
    step = make_git(layout=layout, links="keep", owner="12345:23456", ref=sha)
    step.apply(make_context())
    root = _root(dest, layout)
    owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in _below(root)}
    assert owners == {(12345, 23456)}
    assert layout == "plain" or (root.stat().st_uid, root.stat().st_gid) == (12345, 23456)
    assert outside.stat().st_uid == 0
    assert isinstance(step.check(make_context()), Satisfied)
    origin.commit({"index.html": "two"})
    later = make_git(layout=layout, links="keep", owner="12345:23456", keep_for="0")
    later.apply(make_context())
    assert {path.lstat().st_uid for path in _below(_root(dest, layout))} == {12345}
    assert layout == "plain" or not root.exists()


def test_an_unknown_owner_is_told(make_git: MakeGit) -> None:
    with pytest.raises(PermanentError, match="this image knows no user of that name; give the number"):
        make_git(owner="no-such-user").apply(make_context())


def test_an_owner_that_it_has_already_needs_no_right(make_git: MakeGit) -> None:
    step = make_git(owner=f"{os.geteuid()}:{os.getegid()}")
    step.apply(make_context())
    assert isinstance(step.check(make_context()), Satisfied)


def test_another_owner_or_mode_is_another_content(make_git: MakeGit, dest: Path) -> None:
    make_git().apply(make_context())
    make_git(group_write="true").apply(make_context())
    assert (dest / "current" / "index.html").stat().st_mode & stat.S_IWGRP


def test_everything_has_the_commits_time_if_asked(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    (origin.path / "link").symlink_to("site")
    origin.commit()
    step = make_git(mtime="commit")
    step.apply(make_context())
    time = int(origin.git("log", "-1", "--format=%ct"))
    root = (dest / "current").resolve()
    assert {path.lstat().st_mtime for path in [root, *root.rglob("*")]} == {time}
    assert isinstance(step.check(make_context()), Satisfied)


def test_what_a_published_repository_shares_with_ours_is_left_alone(make_git: MakeGit, dest: Path) -> None:
    given = {"owner": "12345"} if os.geteuid() == 0 else {}
    make_git(git_dir="keep", mtime="commit", **given).apply(make_context())
    packs = list((dest / ".initkit").glob("repository*/objects/pack/*"))
    assert packs
    assert {path.stat().st_uid for path in packs} == {os.geteuid()}
    assert all(path.stat().st_mtime % 1 for path in packs)  # a commit's time is a whole number of seconds


def test_where_nothing_is_to_change_no_file_is_opened(make_git: MakeGit, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0o022)
    changed: list[object] = []
    monkeypatch.setattr(dressing.Walk, "_change", lambda *arguments: changed.append(arguments[1]))
    try:
        make_git().apply(make_context())
    finally:
        os.umask(before)
    assert changed in ([], ["."])  # the folder of the tree itself may be made with another mode
