"""What was changed in the published content by others is noticed and made whole; what may change is let be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context

from initkit.core.outcome import Pending, Satisfied, Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_git import Origin

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]

_NAME = "site/page.html"


def _finding(step: Git) -> str:
    found = step.check(make_context())
    return found.detail if isinstance(found, Pending) else ""


def _longer(root: Path) -> None:
    (root / _NAME).write_text("more than it was")


def _same_size(root: Path) -> None:
    before = (root / _NAME).stat().st_mtime_ns
    (root / _NAME).write_text("page ONE")
    os.utime(root / _NAME, ns=(before, before + 1_000_000))  # a kernel's clock may stand still for 10 ms


def _emptied(root: Path) -> None:
    """As a crash of the node leaves what had not reached the disk."""
    status = (root / _NAME).stat()
    os.truncate(root / _NAME, 0)
    os.utime(root / _NAME, ns=(status.st_atime_ns, status.st_mtime_ns))


def _removed(root: Path) -> None:
    (root / _NAME).unlink()


def _folder_removed(root: Path) -> None:
    (root / "site").rename(root.parent.parent / "taken away")


def _exchanged(root: Path) -> None:
    (root / _NAME).unlink()
    (root / _NAME).mkdir()


def _linked(root: Path) -> None:
    (root / _NAME).rename(root.parent.parent / "page")
    (root / _NAME).symlink_to(root.parent.parent / "page")


def _relinked(root: Path) -> None:
    (root / "link").unlink()
    (root / "link").symlink_to("/etc")


_DAMAGES: dict[Callable[[Path], None], str] = {
    _longer: "site/page.html was changed",
    _same_size: "site/page.html was changed",
    _emptied: "site/page.html was changed",
    _removed: "site/page.html is missing",
    _folder_removed: "site is missing",
    _exchanged: "site/page.html was changed",
    _linked: "site/page.html was changed",
    _relinked: "link was changed",
}


@pytest.mark.parametrize("layout", ["link", "plain"])
@pytest.mark.parametrize("damage", _DAMAGES)
def test_damage_is_named_and_made_whole(
    make_git: MakeGit, origin: Origin, dest: Path, layout: str, damage: Callable[[Path], None]
) -> None:
    (origin.path / "link").symlink_to("site/deep")
    origin.commit()
    step = make_git(layout=layout, ref="main")
    step.apply(make_context())
    root = dest / "current" if layout == "link" else dest
    shown = root.resolve()
    damage(shown)
    assert f"({_DAMAGES[damage]})" in _finding(step)
    assert step.apply(make_context()).status is Status.CHANGED
    assert _finding(step) == ""
    assert (root / _NAME).read_text() == "page one"
    assert (root / "link" / "leaf").read_text() == "leaf"
    assert (root.resolve() == shown) == (layout == "plain")  # never repaired under those who read it


def test_a_full_sha_is_looked_after_without_the_remote(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    step = make_git(ref=origin.git("rev-parse", "HEAD"))
    step.apply(make_context())
    origin.path.rename(origin.path.with_name("away"))
    assert isinstance(step.check(make_context()), Satisfied)
    _removed(dest / "current")
    assert "is missing" in _finding(step)


def test_modes_and_additional_files_are_let_be(make_git: MakeGit, dest: Path) -> None:
    step = make_git()
    step.apply(make_context())
    os.chmod((dest / "current").resolve() / _NAME, 0o600)
    os.chmod((dest / "current" / "site").resolve(), 0o700)
    (dest / "current" / "cache").write_text("cached")
    assert isinstance(step.check(make_context()), Satisfied)


def test_what_may_not_be_looked_into_any_more_is_let_be(make_git: MakeGit, dest: Path) -> None:
    step = make_git()
    step.apply(make_context())
    tree = (dest / "current").resolve()
    (tree / "site").chmod(0o000)
    tree.chmod(0o111)
    try:
        assert isinstance(step.check(make_context()), Satisfied)
    finally:
        tree.chmod(0o755)
        (tree / "site").chmod(0o755)


def test_full_notices_contents_with_the_same_size_and_time(make_git: MakeGit, dest: Path) -> None:
    step = make_git(verify="full")
    step.apply(make_context())
    assert isinstance(step.check(make_context()), Satisfied)
    page = dest / "current" / _NAME
    status = page.stat()
    _same_size(dest / "current")
    os.utime(page, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert isinstance(make_git().check(make_context()), Satisfied)
    assert "(site/page.html was changed)" in _finding(step)
    step.apply(make_context())
    assert page.read_text() == "page one"
    assert isinstance(step.check(make_context()), Satisfied)


def test_full_notices_what_is_not_from_the_repository(make_git: MakeGit, dest: Path) -> None:
    step = make_git(verify="full")
    step.apply(make_context())
    (dest / "current" / "site" / "back\ndoor.php").write_text("x")
    assert r"(site/back\ndoor.php is not from the repository)" in _finding(step)
    step.apply(make_context())
    assert sorted(os.listdir(dest / "current" / "site")) == ["deep", "page.html"]


def test_full_does_not_trust_what_was_published_without_it(make_git: MakeGit) -> None:
    make_git().apply(make_context())
    step = make_git(verify="full")
    assert "it was not published with --verify full" in _finding(step)
    step.apply(make_context())
    assert isinstance(step.check(make_context()), Satisfied)
    assert isinstance(make_git().check(make_context()), Satisfied)


@pytest.mark.parametrize("text", [None, b"", b"initkit files 1\0f 1 1 - x\0", b"\0\0\0"])
def test_a_tree_without_a_whole_list_is_made_anew(make_git: MakeGit, dest: Path, text: bytes | None) -> None:
    step = make_git()
    step.apply(make_context())
    [manifest] = (dest / ".initkit").glob("*.files")
    manifest.unlink() if text is None else manifest.write_bytes(text)
    assert "the list of its files is damaged" in _finding(step)
    step.apply(make_context())
    assert isinstance(step.check(make_context()), Satisfied)


def test_a_tree_before_that_was_damaged_is_not_gone_back_to(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    first = origin.git("rev-parse", "HEAD")
    make_git(ref=first).apply(make_context())
    _longer((dest / "current").resolve())
    make_git(ref=origin.commit({"index.html": "two"})).apply(make_context())
    make_git(ref=first).apply(make_context())
    assert (dest / "current" / _NAME).read_text() == "page one"


def test_a_repository_that_is_worked_with_is_no_fault(make_git: MakeGit, dest: Path) -> None:
    step = make_git(git_dir="keep", verify="full")
    step.apply(make_context())
    assert isinstance(step.check(make_context()), Satisfied)
    (dest / "current" / ".git" / "index").write_text("refreshed")
    (dest / "current" / ".git" / "ORIG_HEAD").write_text("x")
    assert isinstance(step.check(make_context()), Satisfied)
