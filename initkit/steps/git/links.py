"""Symbolic links that lead out of a tree, and so show a reader something else than the repository."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.core.stop import Stop


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
                    if _leaves(entry.path, real):
                        yield os.path.relpath(entry.path, root), os.readlink(entry.path)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)


def _leaves(path: str, root: str) -> bool:
    target = os.readlink(path)
    if os.path.isabs(target):
        return True
    resolved = os.path.realpath(path)
    return resolved != root and not resolved.startswith(f"{root}/")
