"""Git LFS: pointers in a tree become files; which are fetched from where, and how, is known to `objects`."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.steps.git.content import gitmodules, pointers
from initkit.steps.git.content.inside import folder_of
from initkit.steps.git.content.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.core.stop import Stop
    from initkit.steps.git.calling.program import Program
    from initkit.steps.git.content.store import Store
    from initkit.steps.git.content.writing import Workshop

_CONFIG = ".lfsconfig"
_ATTRIBUTES = ".gitattributes"
_READ = 1 << 16  # bytes of attributes, which are enough for a hint
_AT_ONCE = 5000  # paths in one command line: far from the limit of execve(2) even where they are long
_BLOCK = 1 << 26  # bytes that are copied between two looks at whether to stop


def fill(store: Store, sha: str, tree: str, workshop: Workshop) -> None:
    """Replace the pointers in a tree by what they point to, or tell that they stay.

    Args:
        store: where the commit is.
        sha: the commit.
        tree: the folder that it, or a part of it, was written into, with git's index beside it in `TREE.index`.
        workshop: how other remotes are reached, and within which limits.

    Raises:
        InitkitError: git-lfs is missing, or cannot bring them.
    """
    objects = Objects(store.path, workshop.slot)
    if not workshop.asked.lfs:
        objects.clear()
        _tell(store, os.path.join(tree, workshop.asked.subpath))
        return
    stop, task = store.git.context.stop, f"replace the pointers of Git LFS in {store.git.remote}"
    found = dict(pointers.find(store, tree, task))
    workshop.caps.take(task, 0, sum(pointer.size for pointer in found.values()))
    wanted = {pointer for pointer in found.values() if pointer.size}  # no server is asked for an empty file
    if missing := objects.missing(wanted, stop):
        with _server(store, sha, task, workshop) as (git, endpoint):
            objects.fetch(git, endpoint, missing, f"{tree}.lfs")
    for path, pointer in found.items():
        _replace(tree, path, objects.path(pointer) if pointer.size else os.devnull, stop)
    if workshop.keep_git:
        _settle(store, tree, list(found), task)
    objects.retire(wanted)


@contextmanager
def _server(store: Store, sha: str, task: str, workshop: Workshop) -> Iterator[tuple[Program, str]]:
    """How the LFS server is reached, and its URL where the repository names one; by the same rules as a submodule's.

    Of all that may stand in the file only this is read: git-lfs itself never sees it.
    """
    url = gitmodules.setting(store, sha, _CONFIG, "lfs.url", task)
    if not url:
        yield store.git, ""
        return
    try:
        remote = gitmodules.remote_of(url, store.git.remote, workshop.asked.repository)
    except ValueError as error:
        advice = f"have lfs.url in {_CONFIG} changed, or publish without --lfs"
        raise PermanentError(f"fetch from {gitmodules.shown(url)}", str(error), advice) from error
    with workshop.reach(remote) as git:
        yield git, remote.url


def _replace(tree: str, path: str, source: str, stop: Stop) -> None:
    """Write a file's content where its pointer is; its mode stays."""
    flags = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with (
        folder_of(tree, path) as (folder, name),
        open(source, "rb") as original,
        open(os.open(name, flags, dir_fd=folder), "wb") as file,
    ):
        _copy(original.fileno(), file.fileno(), stop)


def _copy(source: int, target: int, stop: Stop) -> None:
    """Copy a whole file; the blocks are shared where the file system can (copy_file_range(2))."""
    size = os.fstat(source).st_size
    with suppress(OSError):  # not between these file systems, or not at all
        while os.lseek(source, 0, os.SEEK_CUR) < size and os.copy_file_range(source, target, _BLOCK):
            stop.check()
    while os.lseek(source, 0, os.SEEK_CUR) < size and os.sendfile(target, source, None, _BLOCK):
        stop.check()


def _settle(store: Store, tree: str, paths: list[str], task: str) -> None:
    """Have the index that is published in `.git` take the files as they are: for git they are changed pointers."""
    more = {"GIT_WORK_TREE": tree, "GIT_INDEX_FILE": f"{tree}.index"}
    git = store.git.but(variables={**store.git.variables, **more})
    for start in range(0, len(paths), _AT_ONCE):
        part = paths[start : start + _AT_ONCE]
        git.ask(task, "update-index", "--assume-unchanged", "--", *part, directory=tree)


def _tell(store: Store, folder: str) -> None:
    """Say that pointers are published as they are, where the attributes at the top show that there are some."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with suppress(OSError), open(os.open(os.path.join(folder, _ATTRIBUTES), flags), "rb") as file:
        if b"filter=lfs" in file.read(_READ):
            store.git.context.voice.warn(
                f"{store.git.remote} has files in Git LFS, and their pointers are published; give --lfs for the files"
            )
