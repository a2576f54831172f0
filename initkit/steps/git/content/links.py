"""Symbolic links that lead out of a tree, and so show a reader something else than the repository."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.core.stop import Stop

_MOST_LINKS = 40  # on the way of one path: the kernel follows no more either (path_resolution(7))
_MOST_STEPS = 1000  # far more than what makes sense; else a million links could keep us for days


def escaping(root: str, stop: Stop) -> Iterator[tuple[str, str]]:
    """The links below `root` that lead out of it, each with its target; dangling ones inside are none.

    Links are resolved on disk: a comparison of words lets ``a/link/..`` through, where `link` leads up.
    """
    real = os.path.realpath(root)
    folders = [root]
    while folders:
        stop.check()
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    path = os.path.relpath(entry.path, root)
                    if _leaves(path, real):
                        yield path, os.readlink(entry.path)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)


def _leaves(path: str, root: str) -> bool:
    """Whether a path leads above `root` at any point, or is too long to be followed; a loop leads nowhere."""
    place, ahead = root, path.split("/")[::-1]
    seen: set[tuple[str, ...]] = set()
    for _ in range(_MOST_STEPS):
        if not ahead or (place == root and ahead[-1] == ".."):
            return bool(ahead)
        place = os.path.normpath(os.path.join(place, ahead.pop()))
        if os.path.islink(place):
            ahead += os.readlink(place).split("/")[::-1]
            place = os.path.dirname(place)
            state = (place, *ahead)
            if ahead[-1] == "" or state in seen or len(seen) == _MOST_LINKS:
                return state not in seen
            seen.add(state)
    return True


def refuse_escaping(root: str, task: str, stop: Stop) -> None:
    """Raise at the first link that leads out of the tree.

    Raises:
        PermanentError: there is one.
    """
    for path, target in escaping(root, stop):
        cause = f"the link {printable(path)} leads out of the tree, to {printable(target)}"
        raise PermanentError(task, cause, "have it taken out, or trust it with --links keep")
