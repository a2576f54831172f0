"""A stamp in a root says that all in it is as one set of rules wants it; when that is believed is told by `policy`.

It is an empty file whose name carries the hash of the rules, so that one stat tells. It is removed before something
else is done to the tree, and written when a walk has come to its end without a failure: a walk that was killed is
repeated.

It is believed as long as nobody has touched it since: its times of change and of modification are still the same, and
it is a regular file of one name, mode 0444, that belongs to this user or to root. So a stamp that a neighbour has made
is not believed, nor one that was moved or copied here or restored from a backup, nor any after ``chown -R`` or
``chmod -R`` over the tree, as the kubelet does for ``fsGroup`` at each start of a pod (unless its
``fsGroupChangePolicy`` is OnRootMismatch).

What it does not notice: whatever happens in the tree by other ways. Files that the application or a neighbour adds
later or gives other modes to are not looked at before the rules change or the stamp is removed, which whoever may write
in the root can do. A program that wants its folder empty (``initdb``) takes offence at the file.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from initkit.steps.perms.denied.causes import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.steps.perms.roots import Root

_PREFIX = ".initkit-perms-"
_NAME = re.compile(re.escape(_PREFIX) + r"[0-9a-f]{32}")
_DIGITS = 32
_MODE = 0o444
_HELD = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_CONSEQUENCE = "the next run looks at everything again"


def name_of(digest: str) -> str:
    """The name of the stamp for a task with this digest (`Task.digest`)."""
    return _PREFIX + digest[:_DIGITS]


def is_stamp(name: str) -> bool:
    """Whether an entry's name is that of a stamp, for whatever rules."""
    return name.startswith(_PREFIX) and _NAME.fullmatch(name) is not None


def is_one(folder: int, name: str) -> bool:
    """Whether a file in a root is a stamp, for whatever rules and believed or not: it is empty, and so hides nothing.

    A name alone proves nothing, as anybody may choose it.
    """
    if not is_stamp(name):
        return False
    try:
        return _has_form(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except OSError:
        return False  # the walk tells why


def is_there(root: Root, digest: str) -> bool:
    """Whether a root has a stamp for this digest that can be believed."""
    try:
        with _folder(root, _HELD) as folder:
            found = os.stat(name_of(digest), dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return _is_genuine(found)


def could_be_written(root: Root, digest: str) -> bool:
    """Whether this user may write it: not where the root is full, mounted read-only or someone else's."""
    try:
        with _folder(root, _HELD) as folder:
            if not _makes_way(folder, name_of(digest)):
                return False
            return _has_room(folder) and os.access(".", os.W_OK | os.X_OK, dir_fd=folder, effective_ids=True)
    except OSError:
        return False


def _makes_way(folder: int, name: str) -> bool:
    """Whether what has its name already can be removed: no folder, nor a file of others in a sticky root."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return True
    root = os.fstat(folder)
    owned = not root.st_mode & stat.S_ISVTX or os.geteuid() in {0, found.st_uid, root.st_uid}
    return owned and not stat.S_ISDIR(found.st_mode)


def _has_room(folder: int) -> bool:
    """Whether one more file may fit in; some file systems have no number of files (statvfs(3) says 0 of 0 then)."""
    room = os.statvfs(folder)
    return bool(room.f_bfree or not room.f_blocks) and bool(room.f_ffree or not room.f_files)


def begin(root: Root, digest: str) -> str | None:
    """Remove stamps before something is changed; one for this digest stays if it can be believed (a replica's).

    Otherwise rules that were in force before could be believed to be so still, or again.

    Returns:
        What a person should know if that failed: one that stays may be believed.
    """
    if not stat.S_ISDIR(root.found.st_mode):
        return None
    try:
        with _folder(root, _LISTED) as folder, os.scandir(folder) as listing:
            for name in (entry.name for entry in listing if is_stamp(entry.name)):
                _remove(folder, name, digest)
    except OSError as error:
        return (
            f"cannot remove old stamps from {shown(root.path)}: {_said(error)}; a run with the rules of one of them"
            f" may believe it; remove {_PREFIX}* there"
        )
    return None


def finish(root: Root, digest: str) -> str | None:
    """Write the stamp; only after a walk without failures.

    Returns:
        What a person should know if that could not be done, which is no failure.
    """
    if not stat.S_ISDIR(root.found.st_mode):
        return None
    try:
        with _folder(root, _HELD) as folder:
            kept = _write(folder, name_of(digest))
    except OSError as error:
        return f"no stamp is written in {shown(root.path)} ({_said(error)}): {_CONSEQUENCE}"
    if not kept:
        return f"the file system of {shown(root.path)} does not keep a stamp's owner, mode and times: {_CONSEQUENCE}"
    return None


def _said(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


@contextmanager
def _folder(root: Root, flags: int) -> Iterator[int]:
    fd = os.open(root.name or ".", flags, dir_fd=root.parent)
    try:
        if not os.path.samestat(os.fstat(fd), root.found):
            raise OSError(errno.ESTALE, "something else is there now")
        yield fd
    finally:
        os.close(fd)


def _has_form(found: os.stat_result) -> bool:
    return found.st_mode == stat.S_IFREG | _MODE and found.st_nlink == 1 and found.st_size == 0


def _is_genuine(found: os.stat_result) -> bool:
    return (
        _has_form(found)
        and found.st_uid in {0, os.geteuid()}
        # whoever gives it another owner, mode or name changes the one; the other can be set, and that changes the one
        and found.st_ctime_ns == found.st_mtime_ns
    )


def _remove(folder: int, name: str, digest: str) -> None:
    with suppress(FileNotFoundError):
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode) or (name == name_of(digest) and _is_genuine(found)):
            return
        os.unlink(name, dir_fd=folder)


def _write(folder: int, name: str) -> bool:
    """Write it to the disk, the folder too; False if it came to be something that will not be believed."""
    fd = _new(folder, name)
    if fd is None:
        return True
    try:
        os.fchmod(fd, _MODE)  # the umask may have taken something away
        os.utime(fd)  # both times anew, and alike
        os.fsync(fd)
        found = os.fstat(fd)
    finally:
        os.close(fd)
    if found.st_nlink and not _is_genuine(found):
        os.unlink(name, dir_fd=folder)
        return False
    _sync(folder)
    return True


def _new(folder: int, name: str) -> int | None:
    """A descriptor of a new file; None if the stamp is there. One that is not believed makes way."""
    try:
        return os.open(name, _NEW, _MODE, dir_fd=folder)
    except FileExistsError:
        if _is_genuine(os.stat(name, dir_fd=folder, follow_symlinks=False)):
            return None
    try:
        os.unlink(name, dir_fd=folder)
        return os.open(name, _NEW, _MODE, dir_fd=folder)
    except (FileNotFoundError, FileExistsError):
        return None  # a replica was faster, and writes it


def _sync(folder: int) -> None:
    with suppress(OSError):  # a folder that may not be listed, or a file system that has nothing to write
        fd = os.open(".", _LISTED, dir_fd=folder)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
