"""Files in DEST itself, for readers that cannot follow a link: what is ours comes and goes, all else is left alone."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_git import Origin, snapshot

from initkit.core.errors import PermanentError
from initkit.core.outcome import Pending, Satisfied, Status
from initkit.steps.git.publish.moving import Move

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]


@pytest.fixture
def make_plain(make_git: MakeGit) -> MakeGit:
    return lambda **given: make_git(**{"layout": "plain"} | given)


def _files(dest: Path) -> dict[str, str]:
    """The contents of all files in DEST but the house's, by path."""
    found = (path for path in dest.rglob("*") if path.is_file() and ".initkit" not in path.parts)
    return {str(path.relative_to(dest)): path.read_text() for path in found}


_FIRST = {"index.html": "one", "site/page.html": "page one", "site/deep/leaf": "leaf"}


def test_files_stand_in_the_folder_itself_and_a_second_run_changes_nothing(make_plain: MakeGit, dest: Path) -> None:
    step = make_plain()
    assert isinstance(step.check(make_context()), Pending)
    assert step.apply(make_context()).status is Status.CHANGED
    assert _files(dest) == _FIRST
    assert sorted(os.listdir(dest)) == [".initkit", "index.html", "site"]
    before = snapshot(dest)
    assert isinstance(step.check(make_context()), Satisfied)
    assert snapshot(dest) == before


def test_a_sub_folder_stands_in_the_folder_itself(make_plain: MakeGit, dest: Path) -> None:
    make_plain(subpath="site").apply(make_context())
    assert _files(dest) == {"page.html": "page one", "deep/leaf": "leaf"}


def test_the_folder_may_be_reached_by_a_link(make_plain: MakeGit, origin: Origin, dest: Path, tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    dest.symlink_to(tmp_path / "volume")
    step = make_plain()
    for text in ("one", "two"):
        origin.commit({"index.html": text})
        step.apply(make_context())
        assert _files(tmp_path / "volume") == _FIRST | {"index.html": text}
        assert isinstance(step.check(make_context()), Satisfied)


def test_what_a_volume_brings_along_is_no_content(make_plain: MakeGit, dest: Path) -> None:
    (dest / "lost+found").mkdir(parents=True)
    (dest / "lost+found" / "#12").write_text("found")
    make_plain().apply(make_context())
    assert _files(dest) == _FIRST | {"lost+found/#12": "found"}


@pytest.mark.parametrize("name", ["mine.txt", "site"])
def test_a_folder_that_is_not_empty_is_refused(make_plain: MakeGit, dest: Path, name: str) -> None:
    dest.mkdir()
    (dest / name).write_text("mine")
    before = snapshot(dest)
    for act in (make_plain().check, make_plain().apply):
        with pytest.raises(PermanentError, match=f"{name} is a file that initkit did not make; give an empty folder"):
            act(make_context())
    assert snapshot(dest) == before


def test_an_update_takes_away_what_left_and_leaves_what_is_unchanged(
    make_plain: MakeGit, origin: Origin, dest: Path
) -> None:
    origin.commit({"site/old/a": "a", "site/old/b": "b", "same": "same", "swap": "file", "turn/inner": "inner"})
    step = make_plain()
    step.apply(make_context())
    same, marker = (dest / "same").stat(), dest / ".initkit" / "published"
    assert json.loads(marker.read_text())["sha"] == origin.git("rev-parse", "HEAD")
    origin.git("rm", "--quiet", "-r", "site/old", "swap", "turn")
    origin.commit({"index.html": "two", "swap/inner": "folder", "turn": "file", "new/deep/x": "x"})
    assert step.apply(make_context()).status is Status.CHANGED
    wanted = {"index.html": "two", "same": "same", "swap/inner": "folder", "turn": "file", "new/deep/x": "x"}
    assert _files(dest) == _FIRST | wanted
    assert not (dest / "site" / "old").exists()
    assert ((dest / "same").stat().st_ino, (dest / "same").stat().st_mtime_ns) == (same.st_ino, same.st_mtime_ns)
    assert json.loads(marker.read_text())["sha"] == origin.git("rev-parse", "HEAD")
    assert isinstance(step.check(make_context()), Satisfied)


def test_what_others_put_into_the_folder_later_stays(make_plain: MakeGit, origin: Origin, dest: Path) -> None:
    origin.commit({"gone/file": "x"})
    step = make_plain()
    step.apply(make_context())
    (dest / "cache").mkdir()
    (dest / "cache" / "entry").write_text("cached")
    (dest / "gone" / "mine").write_text("mine")
    assert isinstance(step.check(make_context()), Satisfied)
    assert isinstance(make_plain(verify="full").check(make_context()), Pending)  # only for want of digests
    origin.git("rm", "--quiet", "-r", "gone")
    origin.commit({"cache/ours": "ours"})
    step.apply(make_context())
    assert _files(dest) == _FIRST | {"cache/entry": "cached", "cache/ours": "ours", "gone/mine": "mine"}
    origin.git("rm", "--quiet", "-r", "cache")
    origin.commit({"gone/file": "again"})
    step.apply(make_context())
    assert _files(dest) == _FIRST | {"cache/entry": "cached", "gone/mine": "mine", "gone/file": "again"}


@pytest.mark.parametrize("theirs", ["taken", "site/taken", "deep", "index.html/inner"])
def test_a_file_of_others_in_the_way_is_named_before_anything_changes(
    make_plain: MakeGit, origin: Origin, dest: Path, theirs: str
) -> None:
    step = make_plain()
    step.apply(make_context())
    if theirs == "index.html/inner":  # ours was exchanged for a folder with something in it
        (dest / "index.html").unlink()
        (dest / "index.html").mkdir()
    (dest / theirs).write_text("mine")
    before = {path: path.lstat().st_ctime_ns for path in dest.rglob("*") if ".initkit" not in path.parts}
    origin.commit({"index.html": "two", "taken": "x", "site/taken": "x", "deep/a/b": "x"})
    with pytest.raises(PermanentError, match=f"cannot publish the new content: {theirs} is in the way"):
        step.apply(make_context())
    assert {path: path.lstat().st_ctime_ns for path in dest.rglob("*") if ".initkit" not in path.parts} == before
    assert (dest / ".initkit" / "published").exists()
    (dest / theirs).unlink()
    step.apply(make_context())
    assert (dest / "deep" / "a" / "b").read_text() == "x"
    assert (dest / "index.html").read_text() == "two"


def test_a_folder_that_was_exchanged_for_a_link_is_not_followed(
    make_plain: MakeGit, origin: Origin, dest: Path, tmp_path: Path
) -> None:
    step = make_plain()
    step.apply(make_context())
    outside = tmp_path / "outside"
    (dest / "site").rename(outside)
    (dest / "site").symlink_to(outside)
    before = snapshot(outside)
    finding = step.check(make_context())
    assert isinstance(finding, Pending)
    assert "site was changed" in finding.detail
    origin.git("rm", "--quiet", "-r", "site/deep")
    origin.commit({"site/page.html": "page two"})
    step.apply(make_context())
    assert snapshot(outside) == before
    assert _files(dest) == {"index.html": "one", "site/page.html": "page two"}
    assert not (dest / "site").is_symlink()


def test_a_repository_is_exchanged_as_a_whole(make_plain: MakeGit, origin: Origin, dest: Path) -> None:
    step = make_plain(git_dir="keep")
    for text in ("two", "three"):
        sha = origin.commit({"index.html": text})
        step.apply(make_context())
        assert origin.git("-c", "safe.directory=*", "-C", str(dest), "rev-parse", "HEAD") == sha
        assert isinstance(step.check(make_context()), Satisfied)
    origin.commit({"index.html": "four"})
    make_plain().apply(make_context())
    assert sorted(os.listdir(dest)) == [".initkit", "index.html", "site"]


def test_links_are_published_as_they_are(make_plain: MakeGit, origin: Origin, dest: Path) -> None:
    (origin.path / "link").symlink_to("site")
    origin.commit()
    step = make_plain()
    step.apply(make_context())
    assert os.readlink(dest / "link") == "site"
    (origin.path / "link").unlink()
    (origin.path / "link").symlink_to("index.html")
    origin.commit()
    step.apply(make_context())
    assert (dest / "link").read_text() == "one"
    assert isinstance(step.check(make_context()), Satisfied)


def test_the_same_text_with_another_mode_is_a_change(make_plain: MakeGit, origin: Origin, dest: Path) -> None:
    step = make_plain()
    step.apply(make_context())
    (origin.path / "index.html").chmod(0o755)
    origin.commit()
    step.apply(make_context())
    assert os.access(dest / "index.html", os.X_OK)


def test_the_commits_time_is_given_to_what_is_unchanged_too(make_plain: MakeGit, origin: Origin, dest: Path) -> None:
    step = make_plain(mtime="commit")
    for time in (1_500_000_000, 1_600_000_000):
        commit = f"commit refs/heads/main\ncommitter A <a@example.org> {time} +0000\ndata 1\nx\n"
        change = f"from refs/heads/main^0\nM 100644 inline index.html\ndata 10\n{time}\n"
        origin.git("fast-import", "--quiet", feed=(commit + change).encode())
        step.apply(make_context())
        ours = [path for path in dest.rglob("*") if ".initkit" not in path.parts]
        assert {path.stat().st_mtime for path in ours} == {time}
        assert isinstance(step.check(make_context()), Satisfied)


@pytest.mark.parametrize("moved", [0, 1, 2, 3])
def test_a_run_that_was_killed_while_it_moved_files_is_completed(
    make_plain: MakeGit, origin: Origin, dest: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    step = make_plain()
    step.apply(make_context())
    origin.git("rm", "--quiet", "-r", "site/deep")
    origin.commit({"index.html": "two", "new/a": "a", "new/b": "b"})
    _die_after(moved, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        step.apply(make_context())
    monkeypatch.undo()
    assert not (dest / ".initkit" / "published").exists()
    origin.git("rm", "--quiet", "-r", "new")
    origin.commit({"index.html": "three", "last": "last"})
    assert isinstance(step.check(make_context()), Pending)
    step.apply(make_context())
    assert _files(dest) == {"index.html": "three", "site/page.html": "page one", "last": "last"}
    assert not (dest / "new").exists()
    assert isinstance(step.check(make_context()), Satisfied)


def _die_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the run end, as by a kill, in the middle of its changes: before the files, or after so many of them."""
    left = [count]
    settle = Move._file

    def die(self: Move, *arguments: object) -> object:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return settle(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Move, "_file", die)


@pytest.mark.parametrize("damage", ["removed", "changed", "marker"])
def test_what_was_damaged_is_made_whole_file_by_file(make_plain: MakeGit, dest: Path, damage: str) -> None:
    step = make_plain()
    step.apply(make_context())
    untouched = (dest / "site" / "page.html").stat().st_ino
    if damage == "marker":
        (dest / ".initkit" / "published").write_text("{")
    elif damage == "removed":
        (dest / "index.html").unlink()
    else:
        (dest / "index.html").write_text("mine")
    assert isinstance(step.check(make_context()), Pending)
    assert step.apply(make_context()).status is Status.CHANGED
    assert _files(dest) == _FIRST
    assert (dest / "site" / "page.html").stat().st_ino == untouched
    assert isinstance(step.check(make_context()), Satisfied)


def test_a_repository_with_a_folder_of_our_name_is_refused(make_plain: MakeGit, origin: Origin, dest: Path) -> None:
    origin.commit({".initkit/x": "x"})
    with pytest.raises(PermanentError, match=r"the repository has \.initkit too.*--layout link"):
        make_plain().apply(make_context())
    assert os.listdir(dest) == [".initkit"]


@pytest.mark.parametrize(("first", "second"), [("link", "plain"), ("plain", "link")])
def test_one_folder_has_one_layout(make_git: MakeGit, dest: Path, first: str, second: str) -> None:
    make_git(layout=first).apply(make_context())
    before = snapshot(dest)
    for act in (make_git(layout=second).check, make_git(layout=second).apply):
        with pytest.raises(PermanentError, match=f"published (in it )?with --layout {first}; give another DEST"):
            act(make_context())
    assert snapshot(dest) == before


def test_a_damaged_list_of_files_is_told_and_nothing_is_touched(
    make_plain: MakeGit, origin: Origin, dest: Path
) -> None:
    step = make_plain()
    step.apply(make_context())
    (dest / ".initkit" / "files").write_bytes(b"")
    origin.commit({"index.html": "two"})
    with pytest.raises(PermanentError, match="list of our files in it, is damaged; empty the folder"):
        step.apply(make_context())
    assert _files(dest) == _FIRST
