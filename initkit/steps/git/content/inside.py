"""Places in a tree, reached so that no link that the repository put on the way can lead out of it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def folder_of(root: str, path: str) -> Iterator[tuple[int, str]]:
    """A descriptor of the folder that `path` stands in, and its name there.

    Args:
        root: the tree.
        path: a path in it, as git has it.

    Raises:
        PermanentError: the path leads upwards.
        OSError: a folder on the way is missing (ENOENT) or no folder but a link or a file (ENOTDIR, ELOOP).
    """
    *folders, name = path.split("/")
    if not {"", ".", "..", ".git"}.isdisjoint(part.lower() for part in (*folders, name)):
        raise PermanentError(f"write {printable(path)}", "it leads out of the tree", "have it taken out")
    descriptor = os.open(root, _FOLDER)
    try:
        for folder in folders:
            inner = os.open(folder, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor, name
    finally:
        os.close(descriptor)
