"""A published `.git` is a repository that git works with, by itself and without anything secret."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context

from initkit.core.options import Invalid
from initkit.core.outcome import Pending, Satisfied

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_git import GitOverHttp, Origin

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]


@pytest.fixture
def keeping(make_git: MakeGit) -> MakeGit:
    return lambda **given: make_git(git_dir="keep", **given)


@pytest.fixture
def ask(dest: Path) -> Callable[..., str]:
    """Ask git about what is published, as its owner would."""

    def run(*arguments: str) -> str:
        environ = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent", "LC_ALL": "C"}
        command = ["git", "-C", str((dest / "current").resolve()), *arguments]
        done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
        assert not done.stderr
        return done.stdout.strip()

    return run


def test_a_branch_is_checked_out_and_clean(
    keeping: MakeGit, origin: Origin, dest: Path, ask: Callable[..., str]
) -> None:
    sha = origin.git("rev-parse", "HEAD")
    step = keeping(ref="main")
    step.apply(make_context())
    assert ask("status", "--porcelain=v2", "--branch").splitlines()[:2] == [f"# branch.oid {sha}", "# branch.head main"]
    assert ask("status", "--porcelain") == ""
    assert ask("log", "--format=%H") == sha
    assert ask("rev-parse", "origin/main") == sha
    assert ask("remote", "get-url", "origin") == str(origin.path)
    assert ask("describe", "--always") == sha[:7]
    assert ask("fsck", "--strict") == ""
    ask("update-index", "--force-write-index")
    assert isinstance(step.check(make_context()), Satisfied)
    assert not list((dest / "current" / ".git").rglob("*.sample"))


@pytest.mark.parametrize("annotation", [(), ("-m", "release")])
def test_a_tag_is_known_by_its_name(
    keeping: MakeGit, origin: Origin, ask: Callable[..., str], annotation: tuple[str, ...]
) -> None:
    origin.git("tag", *annotation, "v1")
    keeping(ref="v1").apply(make_context())
    assert ask("describe", "--tags") == "v1"
    assert ask("rev-parse", "--abbrev-ref", "HEAD") == "HEAD"
    assert ask("status", "--porcelain") == ""


@pytest.mark.parametrize(("depth", "commits"), [("1", 1), ("2", 2), ("0", 3)])
def test_as_much_history_as_was_asked_for_is_there(
    keeping: MakeGit, origin: Origin, ask: Callable[..., str], depth: str, commits: int
) -> None:
    for text in ("two", "three"):
        origin.commit({"index.html": text})
    keeping().apply(make_context())
    keeping(depth=depth).apply(make_context())
    assert len(ask("log", "--format=%H").splitlines()) == commits


def test_it_needs_neither_our_repository_nor_the_origin(
    keeping: MakeGit, origin: Origin, dest: Path, ask: Callable[..., str]
) -> None:
    keeping().apply(make_context())
    origin.path.rename(origin.path.with_name("away"))
    shutil.rmtree(dest / ".initkit" / "repository")
    assert ask("show", "HEAD:index.html") == "one"
    assert ask("status", "--porcelain") == ""
    assert ask("fsck", "--strict") == ""


def test_it_costs_no_room_where_there_are_hard_links(keeping: MakeGit, dest: Path) -> None:
    keeping().apply(make_context())
    kept = sorted((dest / "current" / ".git" / "objects" / "pack").iterdir())
    store = dest / ".initkit" / "repository" / "objects" / "pack"
    assert kept
    assert [path.stat().st_ino for path in kept] == [(store / path.name).stat().st_ino for path in kept]


def test_it_is_copied_where_there_are_none(
    keeping: MakeGit, ask: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    keeping().apply(make_context())
    assert ask("fsck", "--strict") == ""


@pytest.mark.parametrize("given", [{"links": "none"}, {"sparse": ["/site/"]}, {"sparse": ["*.html"], "links": "none"}])
def test_what_was_left_out_does_not_count_as_removed(
    keeping: MakeGit, origin: Origin, dest: Path, ask: Callable[..., str], given: dict[str, object]
) -> None:
    (origin.path / "site" / "link.html").symlink_to("/etc/passwd" if "links" in given else "page.html")
    origin.commit()
    keeping(**given).apply(make_context())
    assert ask("status", "--porcelain") == ""
    assert (dest / "current" / "site" / "link.html").is_symlink() == ("links" not in given)


def test_credentials_are_not_in_it(
    keeping: MakeGit, git_over_http: GitOverHttp, dest: Path, ask: Callable[..., str]
) -> None:
    git_over_http.account = "user:canary-4711"
    keeping(repository=git_over_http.url_as("user:canary-4711")).apply(make_context())
    assert ask("remote", "get-url", "origin") == git_over_http.url
    files = [path for path in (dest / ".initkit").rglob("*") if path.is_file()]
    assert not [path for path in files if b"canary-4711" in path.read_bytes()]


def test_a_filtered_one_knows_where_the_rest_is(keeping: MakeGit, origin: Origin, ask: Callable[..., str]) -> None:
    origin.git("config", "uploadpack.allowFilter", "true")
    origin.commit({"old": "old"})
    origin.commit({"old": "new"})
    keeping(filter="blob:none", depth="0").apply(make_context())
    assert ask("status", "--porcelain") == ""
    assert ask("show", "HEAD~1:old") == "old"  # fetched now, from the origin


def test_with_a_subpath_it_is_refused_before_anything_is_done(keeping: MakeGit) -> None:
    with pytest.raises(Invalid, match="expected git-dir keep without subpath"):
        keeping(subpath="site")


def test_a_sha256_repository_is_kept(keeping: MakeGit, origin: Origin, tmp_path: Path, ask: Callable[..., str]) -> None:
    other = type(origin)(tmp_path / "other")
    other.git("init", "--quiet", "--object-format=sha256", str(tmp_path / "origin256"))
    other.path = tmp_path / "origin256"
    sha = other.commit({"a": "a"})
    keeping(repository=str(other.path)).apply(make_context())
    assert ask("log", "--format=%H") == sha
    assert ask("status", "--porcelain") == ""


def test_without_a_link_our_own_folder_is_no_change_of_it(
    keeping: MakeGit, dest: Path, ask: Callable[..., str]
) -> None:
    keeping(layout="plain", ref="main").apply(make_context())
    (dest / "current").symlink_to(".")  # where `ask` looks
    assert ask("status", "--porcelain") == "?? current"


def test_the_same_commit_from_elsewhere_names_the_new_place(
    keeping: MakeGit, origin: Origin, tmp_path: Path, ask: Callable[..., str]
) -> None:
    keeping(ref="main").apply(make_context())
    moved = origin.path.rename(tmp_path / "moved")
    step = keeping(repository=str(moved), ref="main")
    assert isinstance(step.check(make_context()), Pending)
    step.apply(make_context())
    assert ask("remote", "get-url", "origin") == str(moved)
