"""Folders that are being made, under names of their own, and what is left of them by a run that was killed.

How they are made and what they become is the concern of `building`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from contextlib import suppress

_PREFIX = ".initkit-new-"
_NAME = re.compile(re.escape(_PREFIX) + r"[0-9a-f]{32}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_DEEPEST = 64  # folders in one another that are opened to remove what was left


def new_name() -> str:
    """A name for a folder that is being made, which nobody can foresee."""
    return _PREFIX + os.urandom(16).hex()


def is_new(name: str) -> bool:
    """Whether an entry's name is that of a folder that is being made, or was when its run was killed."""
    return name.startswith(_PREFIX) and _NAME.fullmatch(name) is not None


def is_being_made(folder: int, name: str) -> bool:
    """Whether a folder is one that a living run is making; a name alone proves nothing, as anybody may choose it.

    Where there are no locks it is not believed.

    Args:
        folder: a descriptor of the folder that it is in; O_PATH will do.
        name: its name there.
    """
    if not is_new(name):
        return False
    try:
        fd = os.open(name, _FOLDER, dir_fd=folder)
    except OSError:
        return False  # the walk tells why
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(fd)
    return False


def claim(fd: int) -> bool:
    """Say that whoever has this descriptor works in the folder, by flock(2); False where another says so.

    It ends with the descriptor, however its run ends.

    Raises:
        OSError: the file system has no locks.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sweep(folder: int) -> None:
    """Remove from a folder what killed runs have left there, as far as that is allowed.

    Only empty folders of our own names are removed, by rmdir(2), and what is in them only where it is nothing but one
    empty folder in the other. What a living run holds is left alone, and so is everything where there are no locks. (On
    NFS a run on another node is not noticed. It makes its folder anew.)

    Args:
        folder: a descriptor of it; O_PATH will do.
    """
    with suppress(OSError):
        listed = os.open(".", _FOLDER, dir_fd=folder)
        try:
            with os.scandir(listed) as listing:
                left = [entry.name for entry in listing if is_new(entry.name)]
        finally:
            os.close(listed)
        for name in left:
            with suppress(OSError):
                _remove(folder, name)


def _remove(folder: int, name: str) -> None:
    fd = os.open(name, _FOLDER, dir_fd=folder)
    try:
        if claim(fd):
            _empty(fd)
            os.rmdir(name, dir_fd=folder)
    finally:
        os.close(fd)


def _empty(fd: int) -> None:
    """Remove a row of folders, each alone in the one before, from within a folder.

    Raises:
        OSError: there is something else in it.
    """
    way: list[tuple[int, str]] = []  # each a folder and what is in it
    here = fd
    try:
        while name := _only_folder(here):
            way.append((here, name))
            if len(way) > _DEEPEST:
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
            here = os.open(name, _FOLDER, dir_fd=here)
        for above, name in reversed(way):
            os.rmdir(name, dir_fd=above)
    finally:
        for opened in {here, *(above for above, _ in way)} - {fd}:
            os.close(opened)


def _only_folder(fd: int) -> str:
    """The name of the folder that is all there is in one; ``""`` if there is nothing."""
    name = ""
    with os.scandir(fd) as listing:
        for entry in listing:
            if name or not entry.is_dir(follow_symlinks=False):
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
            name = entry.name
    return name
