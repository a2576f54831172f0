"""The files of a repository of our own, made by ourselves (gitrepository-layout(5)); what is fetched is in `store`."""

from __future__ import annotations

import os

from initkit.steps.git import remove

_SHA1_DIGITS = 40
_OURS = {"HEAD", "config", "lfs", "objects", "packed-refs", "refs", "shallow"}


def prepare(path: str, digits: int) -> None:
    """Make a bare repository, or make one fit for use after a run that was killed.

    ``git init`` would cost a process. Configuration is made anew each time, and what git could find elsewhere by
    (`commondir`, alternates, attributes) is removed: whoever shares the volume could have a filter or a proxy command
    run by them.

    Args:
        path: the folder.
        digits: how long the names of its objects are.
    """
    if os.path.islink(path):  # what it leads to is not ours
        remove.file(path)
    clear_stale(path)
    for name in ("objects/pack", "refs/heads"):
        os.makedirs(os.path.join(path, name), exist_ok=True)
    for name in (*(name for name in os.listdir(path) if name not in _OURS), "objects/info"):
        remove.anything(os.path.join(path, name))
    put(os.path.join(path, "config"), config(digits, bare=True))
    put(os.path.join(path, "HEAD"), "ref: refs/heads/main\n")


def clear_stale(path: str) -> None:
    """Remove what git left unfinished; only the holder of the lock may do so."""
    for folder, _, names in os.walk(path):
        for name in names:
            if name.endswith((".lock", ".keep")) or name.startswith(("tmp_", ".tmp-")):
                remove.file(os.path.join(folder, name))


def put(path: str, text: str) -> None:
    """Write a file in place of the one that may be there, whatever that is."""
    remove.anything(path)
    with open(path, "x", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)


def config(digits: int, *, bare: bool, sparse: bool = False) -> str:
    """The configuration that says what kind of repository it is."""
    version, extensions = (0, "") if digits == _SHA1_DIGITS else (1, "[extensions]\n\tobjectFormat = sha256\n")
    core = f"[core]\n\trepositoryFormatVersion = {version}\n\tfileMode = true\n\tbare = {str(bare).lower()}\n"
    core += "\tsparseCheckout = true\n\tsparseCheckoutCone = false\n" if sparse else ""
    return core + extensions


def packs(path: str) -> list[str]:
    """The names of the files that make up a repository's packs."""
    return os.listdir(os.path.join(path, "objects", "pack"))


def count_packs(path: str) -> int:
    """How many packs a repository has."""
    return sum(name.endswith(".pack") for name in packs(path))


def is_partial(path: str) -> bool:
    """Whether objects may be missing because a filter left them out once (partial clone, gitformat-pack(5))."""
    return any(name.endswith(".promisor") for name in packs(path))


def largest_unfinished(path: str) -> int:
    """Bytes of the largest pack that was not finished: git itself does not say that a limit of the system ended it."""
    folder = os.path.join(path, "objects", "pack")
    unfinished = (os.path.join(folder, name) for name in packs(path) if name.startswith("tmp_"))
    return max(map(os.path.getsize, unfinished), default=0)
