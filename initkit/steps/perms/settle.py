"""One entry: what differs from what it should have, and making it so; which entries there are is known to `walk`.

Everything is done to a descriptor, never to a name, so that the three calls of a change reach the same file, and that
the one that was looked at last. A descriptor that is opened with O_PATH opens no device and waits for no fifo; that
chown(2) and chmod(2) reach it by /proc/self/fd/N is documented in open(2) (O_PATH) and proc(5). A symbolic link that is
held in this way has its own owner changed, like ``chown -h``.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from initkit.steps.perms.mode import SET_IDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.steps.perms.mode import Mode
    from initkit.steps.perms.rules import Wanted
    from initkit.steps.perms.walk import Entry

Target = int | str
_PIN = os.O_PATH | os.O_NOFOLLOW


class Difference(NamedTuple):
    """What an entry is to get; None for what is already right, or nobody asked for."""

    found: os.stat_result
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None

    def __bool__(self) -> bool:
        return self.uid is not None or self.gid is not None or self.mode is not None

    def __str__(self) -> str:
        """``owner 0 -> 1000, mode 0644 -> 0640``."""
        texts = []
        if self.uid is not None:
            texts.append(f"owner {self.found.st_uid} -> {self.uid}")
        if self.gid is not None:
            texts.append(f"group {self.found.st_gid} -> {self.gid}")
        if self.mode is not None:
            texts.append(f"mode {stat.S_IMODE(self.found.st_mode):04o} -> {self.mode:04o}")
        return ", ".join(texts)


class Refused(Exception):  # noqa: N818 - it carries an error of the system's to whoever can tell what it means
    """A call that failed, and which one it was, as `causes.failure_of` knows them."""

    def __init__(self, operation: str, error: OSError) -> None:
        super().__init__(operation, error)
        self.operation = operation
        self.error = error


class Vanished(Exception):  # noqa: N818 - no error: others may work in the tree
    """The entry is gone, or has become something else."""


def difference(found: os.stat_result, wanted: Wanted) -> Difference:
    """What is to be changed so that what was found becomes what is wanted."""
    uid = None if wanted.uid == found.st_uid else wanted.uid
    gid = None if wanted.gid == found.st_gid else wanted.gid
    mode = wanted.mode_of(found)
    if mode is None:
        return Difference(found, uid, gid)
    old = stat.S_IMODE(found.st_mode)
    new = _goal(mode, old, found, moved=uid is not None or gid is not None)
    return Difference(found, uid, gid, None if new == old else new)


def _goal(mode: Mode, old: int, found: os.stat_result, *, moved: bool) -> int:
    folder = stat.S_ISDIR(found.st_mode)
    new = mode.over(old, folder=folder)
    # a program that was setuid for its old owner must not be so for the new one: chown(2) clears it, and it stays clear
    return new & ~SET_IDS if moved and not folder else new


class Settled(NamedTuple):
    """What was changed of an entry, and what still differs: someone else changes it too, or it was not kept."""

    changed: Difference
    rest: Difference

    def then(self, again: Settled) -> Settled:
        """The same after another go."""
        return Settled(self.changed or again.changed, again.rest)


@contextmanager
def pinned(entry: Entry) -> Iterator[tuple[Target, int]]:
    """What stands for the entry in chown and chmod, and its descriptor.

    Raises:
        Vanished: it is gone, or of another type than it was.
    """
    if entry.fd >= 0:
        yield entry.fd, entry.fd
        return
    try:
        fd = os.open(entry.name, _PIN, dir_fd=entry.folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Vanished from error
    try:
        found = os.stat(fd)
        same_type = stat.S_IFMT(found.st_mode) == stat.S_IFMT(entry.found.st_mode)
        if not same_type or found.st_dev != entry.found.st_dev:
            raise Vanished
        yield f"/proc/self/fd/{fd}", fd
    finally:
        os.close(fd)


def settle(entry: Entry, wanted: Wanted) -> Settled:
    """Make one entry what is wanted, and look at it again.

    Raises:
        Vanished: it is gone, or has become something else.
        Refused: the system did not let it be done.
    """
    with pinned(entry) as (target, fd):
        found = os.stat(fd)
        change = difference(found, wanted)
        if not change:
            return Settled(change, change)
        _change(target, change, wanted.mode_of(found))
        return Settled(change, difference(os.stat(fd), wanted))


def not_kept(rest: Difference) -> Refused:
    """Why a change did not last that was not refused: without CAP_FSETID setgid is dropped silently (chmod(2))."""
    found = stat.S_IMODE(rest.found.st_mode)
    only_setgid = rest.uid is None and rest.gid is None and rest.mode == found | stat.S_ISGID
    return Refused("setgid" if only_setgid else "keep", PermissionError(errno.EPERM, "not kept"))


def _change(target: Target, change: Difference, mode: Mode | None) -> None:
    """Narrow the mode to what old and new share, change the owner, set the final mode.

    In that order nobody, old owner or new, may do more on the way than before and after.
    """
    if change.uid is not None or change.gid is not None:
        _move(target, change, mode)
    if change.mode is not None:
        _chmod(target, change.mode)


def _move(target: Target, change: Difference, mode: Mode | None) -> None:
    old = stat.S_IMODE(change.found.st_mode)
    narrowed = old
    if mode is not None and change.mode is not None:
        narrowed = narrow(mode, old, change.mode, folder=stat.S_ISDIR(change.found.st_mode))
    if narrowed != old:
        _chmod(target, narrowed)
    try:
        _chown(target, change)
    except Refused:
        if narrowed != old:
            _chmod(target, old)
        raise


def narrow(mode: Mode, old: int, new: int, *, folder: bool) -> int:
    """A mode with no more than `old` and `new` share, if `mode` would still turn it into `new`.

    A step may be killed between its calls, and what a symbolic mode reads (``X``, ``g=u``) must still be there for the
    next run: where it would not be, the execute bits stay, or all of `old`.
    """
    shared = old & new
    for narrowed in (shared, shared | old & 0o111):
        if mode.over(narrowed, folder=folder) == new:
            return narrowed
    return old


def _chown(target: Target, change: Difference) -> None:
    try:
        os.chown(target, -1 if change.uid is None else change.uid, -1 if change.gid is None else change.gid)
    except OSError as error:
        raise Refused("own", error) from error


def _chmod(target: Target, mode: int) -> None:
    try:
        os.chmod(target, mode)
    except OSError as error:
        raise Refused("mode", error) from error
