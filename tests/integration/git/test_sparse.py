"""Only a part of a repository is published, and only that is fetched: patterns, sub-folders and filters."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context

from initkit.core.errors import PermanentError, SuspectError
from initkit.core.outcome import Satisfied
from initkit.steps.git.content import store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_git import GitOverHttp, Origin

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]

_PAGES = {
    "README": "read me",
    "docs/a.html": "a",
    "docs/a.txt": "a",
    "docs/deep/b.html": "b",
    "src/c.html": "c",
    "src/c.py": "c",
}


def _names(folder: Path) -> set[str]:
    root = folder.resolve()
    return {os.path.relpath(os.path.join(top, name), root) for top, _, names in os.walk(root) for name in names}


@pytest.fixture
def pages(origin: Origin) -> Origin:
    origin.git("rm", "-rq", ".")
    origin.commit(_PAGES)
    return origin


@pytest.fixture
def filtering(pages: Origin) -> Origin:
    pages.git("config", "uploadpack.allowFilter", "true")
    return pages


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["*.html"], {"docs/a.html", "docs/deep/b.html", "src/c.html"}),
        (["/docs/"], {"docs/a.html", "docs/a.txt", "docs/deep/b.html"}),
        (["/docs/*.html", "/README"], {"docs/a.html", "README"}),
        (["/docs/", "!*.txt"], {"docs/a.html", "docs/deep/b.html"}),
        (["/*", "!/docs/deep/"], {"README", "docs/a.html", "docs/a.txt", "src/c.html", "src/c.py"}),
    ],
)
def test_what_matches_a_pattern_is_published(
    make_git: MakeGit, pages: Origin, dest: Path, patterns: list[str], names: set[str]
) -> None:
    del pages
    step = make_git(sparse=patterns)
    step.apply(make_context())
    assert _names(dest / "current") == names
    assert isinstance(step.check(make_context()), Satisfied)


def test_patterns_and_a_subpath_choose_what_both_have(make_git: MakeGit, pages: Origin, dest: Path) -> None:
    pages.commit({".gitattributes": "*.html text eol=crlf\n", "docs/deep/b.html": "b\n"})
    make_git(sparse=["*.html"], subpath="docs").apply(make_context())
    assert _names(dest / "current") == {"a.html", "deep/b.html"}
    assert (dest / "current" / "deep" / "b.html").read_bytes() == b"b\r\n"
    make_git(sparse=["/docs/deep/"], subpath="docs").apply(make_context())
    assert _names(dest / "current") == {"deep/b.html"}


def test_other_patterns_of_the_same_commit_are_another_tree(make_git: MakeGit, pages: Origin, dest: Path) -> None:
    del pages
    make_git(sparse=["*.html"]).apply(make_context())
    make_git(sparse=["*.py"]).apply(make_context())
    assert _names(dest / "current") == {"src/c.py"}
    make_git().apply(make_context())
    assert _names(dest / "current") == set(_PAGES)


def test_patterns_that_match_nothing_are_suspect(make_git: MakeGit, pages: Origin, dest: Path) -> None:
    del pages
    with pytest.raises(SuspectError, match="nothing in it matches --sparse"):
        make_git(sparse=["*.nothing"]).apply(make_context())
    assert not (dest / "current").exists()


def test_what_is_left_out_does_not_count_for_the_size(make_git: MakeGit, pages: Origin, dest: Path) -> None:
    pages.commit({"large": "x" * 10_000})
    with pytest.raises(PermanentError, match="larger than 1000 in all; allow more by --max-size"):
        make_git(max_size="1000").apply(make_context())
    assert not (dest / "current").exists()
    make_git(max_size="1000", sparse=["*.html"]).apply(make_context())
    make_git(max_size="1000", subpath="docs").apply(make_context())
    with pytest.raises(PermanentError, match="larger than 1000 in all"):
        make_git(max_size="1000", sparse=["*.html", "/large"]).apply(make_context())


def test_more_files_than_allowed_are_refused(make_git: MakeGit, pages: Origin, dest: Path) -> None:
    del pages
    with pytest.raises(PermanentError, match="more than 3 files and folders; allow more by --max-files"):
        make_git(max_files="3").apply(make_context())
    assert not (dest / "current").exists()
    make_git(max_files="3", subpath="docs/deep").apply(make_context())
    assert _names(dest / "current") == {"b.html"}


def _missing(origin: Origin, dest: Path) -> set[str]:
    """The files of the published commit that are not in our repository."""
    store = f"--git-dir={dest}/.initkit/repository"
    sha = os.readlink(dest / "current").split("/")[1].split("-")[0]
    lines = origin.git(store, "ls-tree", "-r", "-l", sha).splitlines()
    return {line.split("\t")[1] for line in lines if " BAD\t" in line}


@pytest.mark.parametrize("depth", ["1", "0"])
def test_a_filter_leaves_out_what_is_not_published(
    make_git: MakeGit, filtering: Origin, dest: Path, depth: str
) -> None:
    filtering.commit({".gitattributes": "*.html text eol=crlf\n", "src/.gitattributes": "x\n", "docs/a.html": "a\n"})
    make_git(filter="blob:none", subpath="docs", depth=depth).apply(make_context())
    assert _names(dest / "current") == {"a.html", "a.txt", "deep/b.html"}
    assert (dest / "current" / "a.html").read_bytes() == b"a\r\n"
    assert {"README", "src/c.py"} <= _missing(filtering, dest)
    make_git(filter="blob:none", sparse=["*.py"], depth=depth).apply(make_context())
    assert _names(dest / "current") == {"src/c.py"}
    assert "README" in _missing(filtering, dest)


def test_a_filter_by_size_fetches_large_files_where_they_are_published(
    make_git: MakeGit, filtering: Origin, dest: Path
) -> None:
    filtering.commit({"docs/large": "x" * 5000, "src/large": "y" * 5000})
    make_git(filter="blob:limit=1k", subpath="docs").apply(make_context())
    assert (dest / "current" / "large").read_text() == "x" * 5000
    assert _missing(filtering, dest) == {"src/large"}


def test_what_a_filter_left_out_is_fetched_once_it_is_given_no_more(
    make_git: MakeGit, filtering: Origin, dest: Path
) -> None:
    make_git(filter="blob:none", subpath="docs").apply(make_context())
    assert "src/c.py" in _missing(filtering, dest)
    make_git().apply(make_context())
    assert _names(dest / "current") == set(_PAGES)
    filtering.commit({"README": "two"})
    make_git().apply(make_context())
    assert (dest / "current" / "README").read_text() == "two"
    assert not _missing(filtering, dest)


def test_missing_files_are_fetched_all_at_once(
    make_git: MakeGit, filtering: Origin, git_over_http: GitOverHttp, dest: Path
) -> None:
    filtering.commit({f"many/{number}": f"file {number}" for number in range(100)})
    make_git(repository=git_over_http.url, filter="blob:none", subpath="many").apply(make_context())
    assert len(_names(dest / "current")) == 100
    assert len(git_over_http.authorizations) < 12


def test_a_filter_that_the_server_does_not_know_does_no_harm(make_git: MakeGit, pages: Origin, dest: Path) -> None:
    make_git(filter="blob:none", subpath="docs").apply(make_context())
    pages.commit({"docs/a.txt": "two"})
    make_git(filter="blob:none", subpath="docs").apply(make_context())
    assert (dest / "current" / "a.txt").read_text() == "two"


def test_the_size_of_files_that_are_fetched_late_counts(make_git: MakeGit, filtering: Origin, dest: Path) -> None:
    filtering.commit({"docs/large": "x" * 5000})
    with pytest.raises(PermanentError, match="larger than 4000 in all"):
        make_git(filter="blob:none", max_size="4000").apply(make_context())
    assert not (dest / "current").exists()
    make_git(filter="blob:none", max_size="4000", sparse=["*.html"]).apply(make_context())


def test_submodules_and_attributes_are_known_where_files_are_left_out(
    make_git: MakeGit, filtering: Origin, dest: Path
) -> None:
    module = f"160000,{filtering.git('rev-parse', 'HEAD')},docs/sub"
    filtering.write({".gitmodules": '[submodule "s"]\n\tpath = docs/sub\n\turl = ./\n', "docs/.gitattributes": "x\n"})
    filtering.git("add", ".")
    filtering.git("update-index", "--add", "--cacheinfo", module)
    filtering.git("commit", "--quiet", "-m", "submodule")
    filtering.git("checkout", "--quiet", "--detach")  # the submodule is the repository itself, at an older commit
    make_git(filter="blob:none", subpath="docs", submodules="shallow").apply(make_context())
    assert (dest / "current" / "sub" / "src" / "c.py").read_text() == "c"
    make_git(filter="blob:none", sparse=["/docs/"], submodules="shallow").apply(make_context())
    assert (dest / "current" / "docs" / "sub" / "src" / "c.py").read_text() == "c"
    make_git(filter="blob:none", sparse=["/src/"], submodules="shallow").apply(make_context())
    assert _names(dest / "current") == {"src/c.html", "src/c.py"}


def test_a_filtered_repository_is_tidied_and_loses_nothing(
    make_git: MakeGit, filtering: Origin, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_MOST_PACKS", 2)
    for number in range(6):
        filtering.commit({"docs/large": os.urandom(50_000).hex(), "src/c.py": str(number)})
        make_git(filter="blob:none", subpath="docs").apply(make_context())
        make_git(filter="blob:none", subpath="src", link="other").apply(make_context())
    assert (dest / "other" / "c.py").read_text() == "5"
    packs = list((dest / ".initkit" / "repository" / "objects" / "pack").glob("*.pack"))
    assert len(packs) <= 5
    assert sum(pack.stat().st_size for pack in packs) < 5 * 50_000
