"""Submodules from real repositories: found, fetched and put in their places without `git submodule`."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_git import Origin
from fix_git_submodules import head, tree_of

from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError
from initkit.core.outcome import Satisfied

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_git import GitOverHttp
    from fix_git_submodules import Family

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]


def test_a_submodule_is_written_where_it_belongs(make_git: MakeGit, family: Family, dest: Path) -> None:
    origin, lib = family.origin, family.lib
    family.link(origin, {"deep/lib": ("../lib", head(lib))})
    step = make_git(submodules="shallow")
    step.apply(make_context())
    assert tree_of(dest / "current") == {
        ".gitmodules": (origin.path / ".gitmodules").read_text(),
        "index.html": "one",
        "site/page.html": "page one",
        "site/deep/leaf": "leaf",
        "deep/lib/lib.txt": "lib one",
    }
    assert isinstance(step.check(make_context()), Satisfied)


def test_submodules_are_left_empty_unless_asked_for(make_git: MakeGit, family: Family, dest: Path) -> None:
    origin, lib = family.origin, family.lib
    family.link(origin, {"lib": ("../lib", head(lib))})
    make_git().apply(make_context())
    assert tree_of(dest / "current")["lib"] == "/"


@pytest.mark.parametrize(("asked", "inner"), [("shallow", "/"), ("recursive", None)])
def test_submodules_of_submodules_come_if_asked_for(
    make_git: MakeGit, family: Family, dest: Path, asked: str, inner: str | None
) -> None:
    origin, lib = family.origin, family.lib
    middle = family.make("middle", {"middle.txt": "middle"})
    family.link(middle, {"in/lib": ("../lib", head(lib))})
    family.link(origin, {"middle": ("./../middle", head(middle))})
    make_git(submodules=asked).apply(make_context())
    tree = tree_of(dest / "current" / "middle")
    assert tree["middle.txt"] == "middle"
    assert tree.get("in/lib") == inner
    assert ("in/lib/lib.txt" in tree) == (asked == "recursive")


def test_a_second_publication_fetches_only_the_submodule_that_moved(
    make_git: MakeGit, family: Family, git_over_http: GitOverHttp, dest: Path
) -> None:
    origin, lib = family.origin, family.lib
    other = family.make("other", {"o": "other"})
    family.link(origin, {"lib": ("../../lib/.git", head(lib)), "other": ("../../other/.git", head(other))})
    step = make_git(repository=git_over_http.url, submodules="recursive")
    step.apply(make_context())
    moved = lib.commit({"lib.txt": "lib two"})
    family.link(origin, {"lib": ("../../lib/.git", moved)}, listed=(origin.path / ".gitmodules").read_text())
    git_over_http.paths.clear()
    step.apply(make_context())
    assert tree_of(dest / "current" / "lib") == {"lib.txt": "lib two"}
    assert tree_of(dest / "current" / "other") == {"o": "other"}
    assert any(path.startswith("/lib/") for path in git_over_http.paths)
    assert not any(path.startswith("/other/") for path in git_over_http.paths)


def test_one_repository_may_stand_at_two_places_at_two_commits(make_git: MakeGit, family: Family, dest: Path) -> None:
    origin, lib = family.origin, family.lib
    first, second = head(lib), lib.commit({"lib.txt": "lib two"})
    family.link(origin, {"a": ("../lib", first), "b": ("../lib", second)})
    make_git(submodules="shallow").apply(make_context())
    assert (dest / "current" / "a" / "lib.txt").read_text() == "lib one"
    assert (dest / "current" / "b" / "lib.txt").read_text() == "lib two"
    assert len(_modules(dest)) == 1


def test_what_a_submodule_needed_goes_with_it(make_git: MakeGit, family: Family, dest: Path) -> None:
    origin, lib = family.origin, family.lib
    family.link(origin, {"lib": ("../lib", head(lib))})
    step = make_git(submodules="shallow")
    step.apply(make_context())
    assert len(_modules(dest)) == 1
    origin.git("rm", "--quiet", "--cached", "lib")
    origin.git("commit", "--quiet", "-m", "without")
    step.apply(make_context())
    assert not (dest / "current" / "lib").exists()
    assert _modules(dest) == []


def test_a_submodule_that_another_link_publishes_stays(make_git: MakeGit, family: Family, dest: Path) -> None:
    origin, lib = family.origin, family.lib
    family.link(origin, {"lib": ("../lib", head(lib))})
    make_git(submodules="shallow", link="one").apply(make_context())
    make_git(submodules="shallow", link="two").apply(make_context())
    make_git(submodules="off", link="one").apply(make_context())
    assert len(_modules(dest)) == 1
    make_git(submodules="off", link="two").apply(make_context())
    assert _modules(dest) == []


def test_a_submodule_that_moved_in_the_tree_is_not_fetched_again(
    make_git: MakeGit, family: Family, git_over_http: GitOverHttp, dest: Path
) -> None:
    origin, lib = family.origin, family.lib
    family.link(origin, {"lib": ("../../lib/.git", head(lib))})
    step = make_git(repository=git_over_http.url, submodules="shallow")
    step.apply(make_context())
    origin.git("rm", "--quiet", "--cached", "lib")
    family.link(origin, {"vendor/lib": ("../../lib/.git", head(lib))})
    git_over_http.paths.clear()
    step.apply(make_context())
    assert not (dest / "current" / "lib").exists()
    assert tree_of(dest / "current" / "vendor") == {"lib/lib.txt": "lib one"}
    assert not any(path.startswith("/lib/") for path in git_over_http.paths)


def test_a_commit_that_is_on_no_branch_is_fetched(make_git: MakeGit, family: Family, dest: Path) -> None:
    origin, lib = family.origin, family.lib
    gone = lib.commit({"lib.txt": "amended away"})
    lib.git("reset", "--quiet", "--hard", "HEAD~1")
    family.link(origin, {"lib": ("../lib", gone)})
    make_git(submodules="shallow").apply(make_context())
    assert (dest / "current" / "lib" / "lib.txt").read_text() == "amended away"


def test_a_commit_that_was_never_pushed_is_suspect_and_named(make_git: MakeGit, family: Family, dest: Path) -> None:
    origin, lib = family.origin, family.lib
    family.link(origin, {"libs/lib": (f"../{lib.path.name}", "1" * 40)})
    with pytest.raises(SuspectError, match=f"{'1' * 40}.* for the submodule libs/lib: ") as caught:
        make_git(submodules="shallow").apply(make_context())
    assert str(lib.path) in str(caught.value)
    assert not (dest / "current").exists()


@pytest.mark.parametrize("account", ["u:canary-word", None])
def test_a_private_submodule_beside_a_private_repository_gets_its_credentials(
    make_git: MakeGit, family: Family, git_over_http: GitOverHttp, dest: Path, account: str
) -> None:
    origin, lib = family.origin, family.lib
    git_over_http.account = "u:canary-word"
    family.link(origin, {"lib": (git_over_http.url.replace("/origin/", "/lib/"), head(lib))})
    step = make_git(repository=git_over_http.url_as(account or "u:wrong"), submodules="shallow")
    if not account:
        with pytest.raises(SuspectError):
            step.apply(make_context())
        return
    step.apply(make_context())
    assert (dest / "current" / "lib" / "lib.txt").read_text() == "lib one"


def test_a_submodule_on_another_host_gets_no_credentials_of_this_one(
    make_git: MakeGit, family: Family, git_over_http: GitOverHttp, another_server: GitOverHttp, dest: Path
) -> None:
    origin, lib = family.origin, family.lib
    git_over_http.account = "u:canary-word"
    family.link(origin, {"lib": (another_server.url.replace("/origin/", "/lib/"), head(lib))})
    make_git(repository=git_over_http.url_as("u:canary-word"), submodules="shallow").apply(make_context())
    assert (dest / "current" / "lib" / "lib.txt").read_text() == "lib one"
    assert another_server.authorizations
    assert set(another_server.authorizations) == {None}


def test_only_submodules_below_the_subpath_are_fetched(make_git: MakeGit, family: Family, dest: Path) -> None:
    origin, lib = family.origin, family.lib
    family.link(origin, {"site/lib": ("../lib", head(lib)), "elsewhere": ("../not-there", "2" * 40)})
    make_git(submodules="shallow", subpath="site").apply(make_context())
    assert tree_of(dest / "current") == {"page.html": "page one", "deep/leaf": "leaf", "lib/lib.txt": "lib one"}


def test_only_submodules_that_the_patterns_choose_are_fetched(make_git: MakeGit, family: Family, dest: Path) -> None:
    origin, lib = family.origin, family.lib
    family.link(origin, {"site/lib": ("../lib", head(lib)), "elsewhere": ("../not-there", "2" * 40)})
    make_git(submodules="shallow", sparse=["/site/"]).apply(make_context())
    assert (dest / "current" / "site" / "lib" / "lib.txt").read_text() == "lib one"
    assert not (dest / "current" / "elsewhere").exists()


def test_a_submodule_that_gitmodules_does_not_know_is_refused_by_name(make_git: MakeGit, family: Family) -> None:
    origin, lib = family.origin, family.lib
    family.link(origin, {"libs/lib": ("../lib", head(lib))}, listed='[submodule "x"]\n\tpath = x\n\turl = ../lib\n')
    with pytest.raises(PermanentError, match=r"submodule libs/lib: \.gitmodules has no URL for its path"):
        make_git(submodules="shallow").apply(make_context())


def test_limits_count_over_submodules_too(make_git: MakeGit, family: Family, dest: Path) -> None:
    origin, lib = family.origin, family.lib
    lib.commit({f"many/{number}": "" for number in range(50)})
    family.link(origin, {"lib": ("../lib", head(lib))})
    with pytest.raises(PermanentError, match="--max-files"):
        make_git(submodules="shallow", max_files="40").apply(make_context())
    assert not (dest / "current").exists()
    make_git(submodules="off", max_files="40").apply(make_context())


def test_a_chain_of_submodules_ends(make_git: MakeGit, family: Family) -> None:
    origin, lib = family.origin, family.lib
    inner = lib
    for number in range(12):
        outer = family.make(f"level{number}", {"f": str(number)})
        family.link(outer, {"in": (f"../{inner.path.name}", head(inner))})
        inner = outer
    family.link(origin, {"in": (f"../{inner.path.name}", head(inner))})
    with pytest.raises(PermanentError, match="more than 10 deep"):
        make_git(submodules="recursive").apply(make_context())


def test_a_link_in_a_submodule_may_not_leave_the_tree(make_git: MakeGit, family: Family, dest: Path) -> None:
    origin, lib = family.origin, family.lib
    os.symlink("../../../../etc/passwd", lib.path / "out")
    family.link(origin, {"lib": ("../lib", lib.commit())})
    with pytest.raises(PermanentError, match="leads out of the tree"):
        make_git(submodules="shallow").apply(make_context())
    assert not (dest / "current").exists()
    make_git(submodules="shallow", links="none").apply(make_context())
    assert tree_of(dest / "current" / "lib") == {"lib.txt": "lib one"}


def test_a_module_repository_that_was_damaged_is_made_anew(make_git: MakeGit, family: Family, dest: Path) -> None:
    origin, lib = family.origin, family.lib
    family.link(origin, {"lib": ("../lib", head(lib))})
    step = make_git(submodules="shallow")
    step.apply(make_context())
    (module,) = _modules(dest)
    shutil.rmtree(dest / ".initkit" / "modules" / module / "objects")
    origin.git("commit", "--quiet", "--allow-empty", "-m", "two")
    with pytest.raises(TemporaryError, match="made anew"):
        step.apply(make_context())
    step.apply(make_context())
    assert isinstance(step.check(make_context()), Satisfied)
    assert (dest / "current" / "lib" / "lib.txt").read_text() == "lib one"


def test_a_filter_that_somebody_put_into_a_module_repository_is_not_run(
    make_git: MakeGit, family: Family, dest: Path, tmp_path: Path
) -> None:
    origin, lib = family.origin, family.lib
    lib.commit({".gitattributes": "* filter=own\n"})
    family.link(origin, {"lib": ("../lib", head(lib))})
    step = make_git(submodules="shallow")
    step.apply(make_context())
    (module,) = _modules(dest)
    canary = tmp_path / "canary"
    with (dest / ".initkit" / "modules" / module / "config").open("a") as config:
        config.write(f'[filter "own"]\n\tsmudge = touch {canary}; cat\n')
    origin.git("commit", "--quiet", "--allow-empty", "-m", "two")
    step.apply(make_context())
    assert (dest / "current" / "lib" / "lib.txt").read_text() == "lib one"
    assert not canary.exists()


_HOSTILE = {
    "runs a command": "ext::sh -c touch% CANARY",
    "is an option": "--upload-pack=touch CANARY",
    "is a short option": "-u./CANARY",
    "has a line end in it": '"http://127.0.0.1:1/a\\nhost=example.org"',
    "has another protocol": "ftp://127.0.0.1/a",
    "is a host that is an option": "ssh://-oProxyCommand=touch-CANARY/x",
    "is an address that is an option": "git@-oProxyCommand=touch-CANARY:x",
    "leads above the host": "../../../../../../../../../../../../etc",
}


@pytest.mark.parametrize("url", _HOSTILE.values(), ids=_HOSTILE.keys())
def test_a_hostile_url_is_refused_and_nothing_is_run(
    make_git: MakeGit, family: Family, dest: Path, tmp_path: Path, url: str
) -> None:
    origin, lib = family.origin, family.lib
    family.link(origin, {"lib": (url.replace("CANARY", str(tmp_path / "canary")), head(lib))})
    with pytest.raises(PermanentError):
        make_git(submodules="shallow").apply(make_context())
    assert not (tmp_path / "canary").exists()
    assert not (dest / "current").exists()


@pytest.mark.parametrize("url", ["PATH", "file://PATH", "git://127.0.0.1:1/lib"])
def test_a_repository_of_a_server_cannot_have_protocols_used_that_nobody_gave(
    make_git: MakeGit, family: Family, git_over_http: GitOverHttp, dest: Path, url: str
) -> None:
    origin, lib = family.origin, family.lib
    family.link(origin, {"lib": (url.replace("PATH", str(lib.path)), head(lib))})
    with pytest.raises(PermanentError, match=r"for the submodule lib: expected https or ssh.*change.*--submodules off"):
        make_git(repository=git_over_http.url, submodules="shallow").apply(make_context())
    assert not (dest / "current").exists()


def test_a_command_in_gitmodules_is_ignored(make_git: MakeGit, family: Family, dest: Path, tmp_path: Path) -> None:
    origin, lib = family.origin, family.lib
    canary = tmp_path / "canary"
    inner = tmp_path / "inner"
    inner.write_text(f'[submodule "lib"]\n\turl = {canary}\n')
    text = f'[submodule "lib"]\n\tpath = lib\n\turl = ../lib\n\tbranch = no\n[include]\n\tpath = {inner}\n'
    family.link(origin, {"lib": ("../lib", head(lib))}, listed=text)
    make_git(submodules="shallow").apply(make_context())
    assert tree_of(dest / "current" / "lib") == {"lib.txt": "lib one"}
    assert not canary.exists()


def test_gitmodules_that_is_a_link_is_refused(make_git: MakeGit, family: Family, dest: Path) -> None:
    origin, lib = family.origin, family.lib
    family.link(origin, {"lib": ("../lib", head(lib))})
    listing = origin.git("ls-tree", "HEAD").replace("100644 blob", "120000 blob", 1)
    assert listing.startswith("120000")
    tree = origin.git("mktree", feed=f"{listing}\n".encode())
    origin.git("reset", "--soft", origin.git("commit-tree", "-m", "link", tree))
    with pytest.raises(PermanentError):
        make_git(submodules="shallow").apply(make_context())
    assert not (dest / "current").exists()


def test_an_address_for_ssh_needs_the_options_for_ssh_and_says_which(
    make_git: MakeGit, family: Family, git_over_http: GitOverHttp
) -> None:
    family.link(family.origin, {"lib": ("git@127.0.0.1:lib.git", head(family.lib))})
    with pytest.raises(InitkitError, match=r"submodule lib: .*--ssh-key-file"):
        make_git(repository=git_over_http.url, submodules="shallow").apply(make_context())


def test_submodules_over_gits_own_protocol(make_git: MakeGit, family: Family, git_daemon: str, dest: Path) -> None:
    family.link(family.origin, {"lib": ("../lib", head(family.lib))})
    make_git(repository=git_daemon, submodules="recursive").apply(make_context())
    assert tree_of(dest / "current" / "lib") == {"lib.txt": "lib one"}


def test_submodules_with_names_of_sha_256(make_git: MakeGit, family: Family, dest: Path, tmp_path: Path) -> None:
    for name in ("new-lib", "new"):
        family.origin.git("init", "--quiet", "--object-format=sha256", "-b", "main", str(tmp_path / name))
    lib, top = (Origin(tmp_path / name) for name in ("new-lib", "new"))
    sha = lib.commit({"lib.txt": "of sha-256"})
    family.link(top, {"lib": ("../new-lib", sha)})
    make_git(repository=str(top.path), submodules="shallow").apply(make_context())
    assert tree_of(dest / "current" / "lib") == {"lib.txt": "of sha-256"}


def test_what_a_killed_run_left_is_no_hindrance(make_git: MakeGit, family: Family, dest: Path) -> None:
    origin, lib = family.origin, family.lib
    family.link(origin, {"lib": ("../lib", head(lib))})
    step = make_git(submodules="shallow")
    step.apply(make_context())
    (module,) = _modules(dest)
    path = dest / ".initkit" / "modules" / module
    (path / "shallow.lock").touch()
    (path / "refs" / "initkit" / "other").mkdir(parents=True)
    (path / "refs" / "initkit" / "other" / f"{head(lib)}.lock").touch()
    (dest / ".initkit" / "tmp-0123456789abcdef").mkdir()
    family.link(origin, {"lib": ("../lib", lib.commit({"lib.txt": "lib two"}))})
    step.apply(make_context())
    assert tree_of(dest / "current" / "lib") == {"lib.txt": "lib two"}
    assert not [name for name in os.listdir(dest / ".initkit") if name.startswith("tmp-")]


def _modules(dest: Path) -> list[str]:
    return sorted(os.listdir(dest / ".initkit" / "modules"))
