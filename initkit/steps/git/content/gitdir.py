"""The repository in a published tree's `.git`: complete by itself, with nothing from the remote in it but objects."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.steps.git.content import bare

if TYPE_CHECKING:
    from initkit.steps.git.asked.content import Content
    from initkit.steps.git.content.store import Store

_REMOTE = "refs/remotes/origin/"


def keep(store: Store, sha: str, tree: str, asked: Content) -> None:
    """Make a repository in the tree, in which ``git log`` and ``git status`` work.

    Its packs are the store's own files by hard links, so that it costs no room and outlives the store; where the file
    system has no links they are copied. No hooks and no template are in it, and its remote has no credentials.

    Args:
        store: where the commit is.
        sha: the commit.
        tree: the folder that it was written into, with git's index beside it in `TREE.index`.
        asked: the patterns.

    Raises:
        OSError: it cannot be written.
    """
    import shutil  # noqa: PLC0415 - brings the compressors along, and --help needs none of it

    path = os.path.join(tree, ".git")
    os.mkdir(path)
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
        os.makedirs(os.path.join(path, folder))
    for name in bare.packs(store.path):
        _link(*(os.path.join(top, "objects", "pack", name) for top in (store.path, path)))
    with suppress(FileNotFoundError):
        shutil.copyfile(os.path.join(store.path, "shallow"), os.path.join(path, "shallow"))
    bare.put(os.path.join(path, "config"), _config(store, len(sha), asked))
    # what stands beside it in DEST without a link is not the repository's, and no change of it
    bare.put(os.path.join(path, "info", "exclude"), "/.initkit/\n")
    if asked.sparse:
        bare.put(os.path.join(path, "info", "sparse-checkout"), "".join(f"{line}\n" for line in asked.sparse))
    _put_refs(path, store, sha)
    os.rename(f"{tree}.index", os.path.join(path, "index"))


def _link(source: str, target: str) -> None:
    import shutil  # noqa: PLC0415 - as above

    try:
        os.link(source, target)
    except OSError:  # none on this file system, too many of one file, or not its owner (fs.protected_hardlinks)
        shutil.copyfile(source, target)


def _config(store: Store, digits: int, asked: Content) -> str:
    partial = bare.is_partial(store.path)
    text = bare.config(digits, bare=False, sparse=bool(asked.sparse))
    text += f'[remote "origin"]\n\turl = {_quoted(store.git.remote.url)}\n\tfetch = +refs/heads/*:{_REMOTE}*\n'
    return text + ("\tpromisor = true\n\tpartialCloneFilter = blob:none\n" if partial else "")


def _quoted(value: str) -> str:
    escaped = value.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def _put_refs(path: str, store: Store, sha: str) -> None:
    """HEAD on the branch that was asked for, and on the commit itself for everything else."""
    refs = {"HEAD": sha}
    branch = store.fetched.removeprefix("refs/heads/")
    if branch != store.fetched:
        refs = {"HEAD": f"ref: {store.fetched}", store.fetched: sha, f"{_REMOTE}{branch}": sha}
    elif store.fetched.startswith("refs/tags/"):
        with open(os.path.join(store.path, store.ref), encoding="ascii") as file:
            refs[store.fetched] = file.read().strip()  # an annotated tag's own object
    for name, value in refs.items():
        os.makedirs(os.path.dirname(os.path.join(path, name)), exist_ok=True)
        bare.put(os.path.join(path, name), f"{value}\n")
