"""Removes what initkit made, also where a later step took the right to write from a folder; never follows a link."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

_HERE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_IN_THE_WAY = frozenset({errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENAMETOOLONG})


def file(path: str) -> None:
    """Remove a file that may be gone already."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def anything(path: str, above: int | None = None) -> None:
    """Remove a file, a link or a whole folder that may be gone already.

    Args:
        path: where it is.
        above: a descriptor of the folder that `path` begins in; without, the working directory.

    Raises:
        OSError: something in it cannot be removed.
    """
    import shutil  # noqa: PLC0415 - brings the compressors along, and --help needs none of it

    try:
        is_folder = stat.S_ISDIR(os.stat(path, dir_fd=above, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return
    if not is_folder:
        with suppress(FileNotFoundError):
            os.unlink(path, dir_fd=above)
        return
    try:
        shutil.rmtree(path, dir_fd=above)
    except RecursionError:
        _thoroughly(path, above)
    except OSError as error:
        if error.errno not in _IN_THE_WAY:
            raise
        _thoroughly(path, above)


def _thoroughly(path: str, above: int | None = None) -> None:
    """Remove a folder that is protected, or nested deeper than there are descriptors.

    Each folder in it is made our own and then brought up to the top, so that only two are open at a time.
    """
    top = _entered(path, above)
    try:
        _empty(top)
    finally:
        os.close(top)
    os.rmdir(path, dir_fd=above)


def _empty(top: int) -> None:
    count = 0
    while folders := _without_files(top):
        for name in folders:
            inner = _entered(name, top)
            try:
                for deeper in _without_files(inner):
                    count += 1
                    os.close(_entered(deeper, inner))  # a folder that is moved must be writable itself
                    os.rename(deeper, f".initkit-{os.getpid()}-{count}", src_dir_fd=inner, dst_dir_fd=top)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=top)


def _without_files(folder: int) -> list[str]:
    """Remove what is no folder; returns the names of the folders that are left."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                os.unlink(entry.name, dir_fd=folder)
    return folders


def _entered(name: str, above: int | None) -> int:
    """A descriptor of a folder, from `above` on, once its mode and its owner let us remove what is in it.

    perms may have made it 0555, or `--owner` have given it away by a root that only has CHOWN.
    """
    found = os.open(name, _HERE, dir_fd=above)
    try:
        itself = f"/proc/self/fd/{found}"  # fchmod(2) takes no descriptor of this sort
        if os.fstat(found).st_uid != os.geteuid():
            with suppress(PermissionError):
                os.chown(itself, os.geteuid(), -1)
        with suppress(PermissionError):
            os.chmod(itself, stat.S_IRWXU)
        return os.open(itself, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        os.close(found)
