"""Submodules, fetched one by one as `.gitmodules` and the tree say; `git submodule` is a shell script."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError, PermanentError
from initkit.core.printable import printable
from initkit.steps.git import remove
from initkit.steps.git.calling.refs import Wanted
from initkit.steps.git.content import bare, gitmodules, lfs
from initkit.steps.git.content.inside import folder_of
from initkit.steps.git.content.shelf import Shelf, holds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.steps.git.asked.remote import Remote
    from initkit.steps.git.content.store import Store
    from initkit.steps.git.content.writing import Workshop

_DEEPEST = 10  # submodules in submodules
_MOST = 1000  # in all: each costs a fetch
_WITHOUT = "or leave submodules out with --submodules off"
_TAKEN = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.ELOOP}


def fill(store: Store, sha: str, tree: str, workshop: Workshop) -> None:
    """Write the submodules of a commit where they belong in its tree, and forget those that are gone.

    Args:
        store: where the commit is.
        sha: the commit.
        tree: the folder that it was written into; submodules that have no folder there were not asked for.
        workshop: how other remotes are reached, and within which limits.

    Raises:
        InitkitError: one of them is refused or cannot be fetched.
    """
    shelf = Shelf(workshop.house, workshop.slot)
    if workshop.asked.submodules != "off":
        _Filling(workshop, shelf).fill(store, sha, tree, below=workshop.asked.subpath)
    shelf.retire()


class _Filling:
    """One tree, while its submodules are written."""

    def __init__(self, workshop: Workshop, shelf: Shelf) -> None:
        self._workshop = workshop
        self._shelf = shelf
        self._count = 0

    def fill(self, store: Store, sha: str, tree: str, above: tuple[str, ...] = (), below: str = "") -> None:
        """Write the submodules of one commit.

        Args:
            store: where it is.
            sha: the commit.
            tree: the folder that it was written into.
            above: the paths of the submodules that it is in.
            below: the folder of it that was written; all where it is empty.
        """
        task = f"read the submodules of {store.git.remote}"
        links = self._links(store, tree, task, (sha, below))
        urls = gitmodules.urls(store, sha, task) if links else {}
        for path, commit in links:
            with _named("/".join((*above, path))):
                self._count_one(task, above)
                remote = _remote(urls.get(path, ""), store.git.remote, self._workshop.asked.repository)
                self._put(remote, commit, tree, (*above, path))

    def _links(self, store: Store, tree: str, task: str, written: tuple[str, str]) -> list[tuple[str, str]]:
        """Path and commit of each submodule that has a folder in the tree.

        Nothing is listed but the commit and the folder of it that were `written`, whose size is known to be sane.
        """
        sha, below = written
        listed = store.git.each(task, "ls-tree", "-r", "-z", "--full-tree", f"{sha}:{below}")
        found = (record.split(b"\t", 1) for record in listed if record.startswith(b"160000 "))
        links = ((os.path.join(below, os.fsdecode(path)), head.split(b" ")[2].decode()) for head, path in found)
        return [(path, commit) for path, commit in links if _is_expected(tree, path)]

    def _count_one(self, task: str, above: tuple[str, ...]) -> None:
        self._count += 1
        if self._count > _MOST:
            raise PermanentError(task, f"there are more than {_MOST}", f"have some taken out, {_WITHOUT}")
        if len(above) >= _DEEPEST:
            cause = f"they are more than {_DEEPEST} deep"
            raise PermanentError(task, cause, "have some taken out, or give --submodules shallow")

    def _put(self, remote: Remote, commit: str, tree: str, path: tuple[str, ...]) -> None:
        """Write one beside the tree, with all that is in it, and move it to its place."""
        made = self._shelf.new_name()
        try:
            with self._workshop.reach(remote) as git:
                store = self._shelf.store(git, commit)
                _fetch(store, commit, self._workshop.asked.depth)
                os.mkdir(made)
                self._write(store, commit, made, path)
            _move(made, tree, path[-1])
        finally:
            with suppress(OSError):  # the next run clears what stays
                remove.file(f"{made}.index")
                remove.anything(made)

    def _write(self, store: Store, commit: str, made: str, path: tuple[str, ...]) -> None:
        store.write(commit, made, "", self._workshop.terms)
        if self._workshop.asked.submodules == "recursive":
            self.fill(store, commit, made, path)
        lfs.fill(store, commit, made, self._workshop)


def _remote(url: str, parent: Remote, home: Remote) -> Remote:
    if not url:
        cause = f"{gitmodules.FILE} has no URL for its path"
        raise PermanentError("fetch it", cause, f"have an entry added there, {_WITHOUT}")
    try:
        return gitmodules.remote_of(url, parent, home)
    except ValueError as error:
        task = f"fetch {gitmodules.shown(url)}"
        raise PermanentError(task, str(error), f"have the URL in {gitmodules.FILE} changed, {_WITHOUT}") from error


def _fetch(store: Store, commit: str, depth: int) -> None:
    if holds(store, commit):
        bare.prepare(store.path, len(commit))
    else:
        store.fetch(Wanted(commit, commit), depth)


def _is_expected(tree: str, path: str) -> bool:
    """Whether there is a folder for it: the checkout makes one for each that is asked for."""
    with _refusing(path):
        try:
            with folder_of(tree, path) as (folder, name):
                mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return False
    if not stat.S_ISDIR(mode):
        raise _taken(path)
    return True


def _move(made: str, tree: str, path: str) -> None:
    """Put a folder in the place of an empty one; the kernel refuses any other (rename(2))."""
    with _refusing(path), folder_of(tree, path) as (folder, name):
        os.rename(made, name, dst_dir_fd=folder)


@contextmanager
def _refusing(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _TAKEN:
            raise _taken(path) from error
        raise


def _taken(path: str) -> PermanentError:
    return PermanentError(f"write the submodule {printable(path)}", "something else is at its path", "have it moved")


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Say in an error which submodule it is about; its type and all else stay."""
    try:
        yield
    except InitkitError as error:
        if "submodule " not in error.task:
            error.task = f"{error.task} for the submodule {printable(path)}"
        raise
