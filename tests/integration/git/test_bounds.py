"""What hostile repositories and servers would take without end: time, memory, room on the volume."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_git_submodules import head
from fix_need import need_program

from initkit.core.errors import PermanentError, TemporaryError
from initkit.steps.git.calling import limits
from initkit.steps.git.content import bare
from initkit.steps.git.content.checkout import Checkout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_git import Origin
    from fix_git_hostile import Entry, Forge
    from fix_git_submodules import Family

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]


def _bomb(forge: Forge) -> Entry:
    """Ten thousand million files in a few hundred bytes."""
    entry = forge.file(b"f")
    for _ in range(10):
        entry = forge.folder(b"d", [(entry[0], b"d%d" % number, entry[2]) for number in range(10)])
    return entry


@pytest.mark.parametrize("option", ["submodules", "lfs"])
def test_a_bomb_beside_the_subpath_is_not_read_for_what_goes_into_it(
    forge: Forge, make_git: MakeGit, dest: Path, option: str
) -> None:
    if option == "lfs":
        need_program("git-lfs")
    forge.publish([_bomb(forge), forge.folder(b"site", [forge.file(b"page")])])
    given = {"submodules": "shallow"} if option == "submodules" else {"lfs": "true"}
    make_git(ref="evil", subpath="site", **given).apply(make_context())
    assert os.listdir(dest / "current") == ["page"]


@pytest.mark.parametrize(
    "attributes", [b"a ident working-tree-encoding=UTF-32\n", b"* ident working-tree-encoding=UTF-32\n"]
)
def test_files_that_attributes_make_larger_than_allowed_are_refused(
    forge: Forge, make_git: MakeGit, dest: Path, attributes: bytes
) -> None:
    forge.publish([forge.file(b".gitattributes", attributes), forge.file(b"a", b"$Id$" * 50_000)])
    with pytest.raises(PermanentError, match="larger than 1M in all; allow more by --max-size"):
        make_git(ref="evil", max_size="1M").apply(make_context())
    assert not (dest / "current").exists()
    make_git(ref="evil", max_size="10M").apply(make_context())
    assert (dest / "current" / "a").stat().st_size > 9_000_000


@pytest.mark.parametrize("ref", ["main", "1" * 40])
def test_refs_without_end_are_a_permanent_error(
    make_git: MakeGit, endless_refs: str, ref: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_FOR_REFS", 64 << 20)
    monkeypatch.setattr(limits, "_FOR_OBJECTS", 64 << 20)
    with pytest.raises(PermanentError, match=r"Out of memory.*; check the server"):
        make_git(repository=endless_refs, ref=ref, max_size="1").apply(make_context())


def test_a_commit_that_is_small_only_on_its_way_is_refused(
    origin: Origin, make_git: MakeGit, git_daemon: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_FOR_OBJECTS", 64 << 20)
    origin.git("commit", "--quiet", "--allow-empty", "-F", "-", feed=b"x\n" * (48 << 20))
    with pytest.raises(PermanentError, match=r"Out of memory.*; check the server"):
        make_git(repository=git_daemon, max_size="1").apply(make_context())


def test_a_child_of_gits_that_the_kernel_ended_is_a_temporary_error(
    make_git: MakeGit, git_daemon: str, tmp_path: Path
) -> None:
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nkill -9 $$\n")
    fake.chmod(0o755)
    with pytest.raises(TemporaryError, match="died of signal 9; give the container more memory"):
        make_git(repository=git_daemon).apply(make_context(environ={"PATH": f"{fake.parent}:{os.environ['PATH']}"}))


def test_a_volume_that_is_full_of_what_was_refused_is_cleared(
    origin: Origin, make_git: MakeGit, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_git().apply(make_context())
    origin.commit({"index.html": "two"})

    def full(self: Checkout) -> None:  # noqa: ARG001 - it has room for nothing
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Checkout, "run", full)
        with pytest.raises(TemporaryError, match="the volume was full; it is made anew"):
            make_git().apply(make_context())
        with pytest.raises(PermanentError, match="No space left on device; free some space"):
            make_git().apply(make_context())
    make_git().apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "two"


def test_submodules_that_were_never_published_do_not_keep_a_volume_full(
    make_git: MakeGit, family: Family, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family.link(family.origin, {"lib": ("../lib", head(family.lib))})
    whole = Checkout.run

    def full(self: Checkout) -> object:
        if "/.initkit/modules/" in self.git.variables["GIT_DIR"]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(self)

    monkeypatch.setattr(Checkout, "run", full)
    with pytest.raises(PermanentError, match="No space left on device; free some space"):
        make_git(submodules="shallow").apply(make_context())
    assert not list(dest.glob(".initkit/modules/*"))


def test_what_somebody_put_into_the_store_leads_git_nowhere_else(
    make_git: MakeGit, origin: Origin, dest: Path, tmp_path: Path
) -> None:
    origin.commit({".gitattributes": "* filter=own\n"})
    make_git().apply(make_context())
    store, other, canary = dest / ".initkit" / "repository", tmp_path / "other", tmp_path / "canary"
    bare.prepare(str(other), 40)
    with (other / "config").open("a") as config:
        config.write(f'[filter "own"]\n\tsmudge = touch {canary}; cat\n')
    (store / "commondir").write_text(str(other))
    origin.commit({"index.html": "two"})
    make_git().apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "two"
    assert not canary.exists()


def test_a_link_in_the_stores_place_is_removed_and_not_what_it_leads_to(
    make_git: MakeGit, origin: Origin, dest: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "hooks").mkdir(parents=True)
    (other / "hooks" / "theirs").write_text("x")
    make_git().apply(make_context())
    store = dest / ".initkit" / "repository"
    store.rename(tmp_path / "moved")
    store.symlink_to(other)
    origin.commit({"index.html": "two"})
    make_git().apply(make_context())
    assert [str(path.relative_to(other)) for path in other.rglob("*")] == ["hooks", "hooks/theirs"]
