"""Removes what initkit made, also where a later step took the right to write from a folder; never follows a link."""

from __future__ import annotations

import os
import stat
from contextlib import suppress


def file(path: str) -> None:
    """Remove a file that may be gone already."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def anything(path: str) -> None:
    """Remove a file, a link or a whole folder that may be gone already.

    Raises:
        OSError: something in it cannot be removed.
    """
    import shutil  # noqa: PLC0415 - brings the compressors along, and --help needs none of it

    try:
        is_folder = stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    if not is_folder:
        file(path)
        return
    try:
        shutil.rmtree(path)
    except PermissionError:
        _unprotect(path)
        shutil.rmtree(path)


def _unprotect(path: str) -> None:
    """A folder's mode decides what can be removed from it (unlink(2)); perms may have made it 0555."""
    os.chmod(path, stat.S_IRWXU)
    for folder, names, _ in os.walk(path):
        for name in names:
            inner = os.path.join(folder, name)
            if not os.path.islink(inner):
                os.chmod(inner, stat.S_IRWXU)
