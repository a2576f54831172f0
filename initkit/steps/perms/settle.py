"""One entry that is held is made what it should be; what differs is known to `differing`, which there are to `walk`.

Everything is done to a descriptor, never to a name, so that all calls of a change reach the same file, and the one that
was looked at. A descriptor that is opened with O_PATH opens no device and waits for no fifo. A symbolic link that is
held in this way has its own owner changed, like ``chown -h``.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.steps.perms import kernel
from initkit.steps.perms.asked.mode import SET_IDS
from initkit.steps.perms.differing import difference

if TYPE_CHECKING:
    from initkit.steps.perms.asked.wanted import Terms, Wanted
    from initkit.steps.perms.differing import Difference

_ALWAYS, _EVERY = 32, 64  # changes of a sort: so many are looked at again, and of the later ones one in so many
_GOES = 8  # at one entry: each replica beside this one can come between once
_changes: dict[tuple[int, int, bool, bool, bool], int] = {}


class Refused(Exception):  # noqa: N818 - it carries an error of the system's to whoever can tell what it means
    """A call that failed, and which one it was, as `causes.failure_of` knows them: own, mode, setgid, keep or read."""

    def __init__(self, operation: str, error: OSError) -> None:
        super().__init__(operation, error)
        self.operation = operation
        self.error = error


def linked(found: os.stat_result, wanted: Wanted, terms: Terms) -> bool:
    """Whether it has other names, perhaps outside of the tree, and is to be left alone for that.

    A neighbour may have linked a file of someone else's into the tree (``fs.protected_hardlinks`` is a setting of the
    node), so only what belongs to the wanted owner already, or else to the root's, is believed to belong to the tree.
    """
    if found.st_nlink < 2 or terms.hard_links or stat.S_ISDIR(found.st_mode):  # noqa: PLR2004 - its own name and another
        return False
    return found.st_uid != (terms.owner if wanted.uid is None else wanted.uid)


def is_elsewhere(fd: int, found: os.stat_result, terms: Terms) -> bool:
    """Whether what a descriptor holds is on another file system than the root, or was reached through another mount.

    Of a non-folder the mount alone tells, where it is known: overlay shows files of other layers with numbers of
    devices of their own (``xino=off``). A folder of another device on the same mount is a subvolume of btrfs.
    """
    if not terms.one_file_system:
        return False
    if found.st_dev != terms.device and (terms.mount is None or stat.S_ISDIR(found.st_mode)):
        return True
    return terms.mount is not None and kernel.mount_id(fd) != terms.mount


def change(fd: int, found: os.stat_result, wanted: Wanted) -> Difference:
    """Make what a descriptor holds what is wanted; `found` is what it is now. What was changed is returned.

    Where it was not kept it is tried again: a replica that works on the same entry may have been between its calls.

    Raises:
        Refused: the system did not let it be done, or did not keep it.
    """
    first = difference(found, wanted)
    if not first:
        return first
    _change(fd, first, wanted)
    if _is_looked_at_again(first):
        _make_sure(fd, wanted)
    return first


def _make_sure(fd: int, wanted: Wanted) -> None:
    rest = difference(_state(fd), wanted)
    for _ in range(_GOES):
        if not rest:
            return
        _change(fd, rest, wanted)
        rest = difference(_state(fd), wanted)
    if rest:
        raise _not_kept(rest)


def _state(fd: int) -> os.stat_result:
    try:
        return os.fstat(fd)
    except OSError as error:  # a server says ESTALE of what somebody else has removed
        raise Refused("read", error) from error


def _is_looked_at_again(due: Difference) -> bool:
    """Whether it is looked at whether a change was kept.

    Some file systems say yes and do nothing (CIFS, FUSE, vFAT with ``quiet``), and they do so to all entries of a sort:
    the first ones on each file system tell, and later a few, as it may be remounted. One call in ten would be spent on
    it otherwise. chmod(2) drops setgid silently where CAP_FSETID is missing, which depends on the group of each entry.
    """
    found, uid, gid, mode = due
    if (found.st_mode if mode is None else mode) & SET_IDS:
        return True
    sort = (found.st_dev, stat.S_IFMT(found.st_mode), uid is None, gid is None, mode is None)
    count = _changes.get(sort, 0)
    _changes[sort] = count + 1
    return count < _ALWAYS or count % _EVERY == 0


def _not_kept(rest: Difference) -> Refused:
    old = stat.S_IMODE(rest.found.st_mode)
    only_setgid = rest.uid is None and rest.gid is None and rest.mode == old | stat.S_ISGID
    return Refused("setgid" if only_setgid else "keep", PermissionError(errno.EPERM, "not kept"))


def _change(fd: int, due: Difference, wanted: Wanted) -> None:
    """Narrow the mode to what old and new share, change the owner, set the final mode.

    In that order nobody, old owner or new, may do more on the way than before and after.
    """
    found, uid, gid, mode = due
    if uid is not None or gid is not None:
        old = stat.S_IMODE(found.st_mode)
        narrowed = mode is not None and _narrow(fd, due, wanted)
        if mode is None and old & SET_IDS and stat.S_ISREG(found.st_mode):
            mode = old  # it says setuid itself, and chown(2) takes it away
        _chown(fd, due, old if narrowed else None)
    if mode is not None:
        _set(fd, mode)


def _set(fd: int, mode: int) -> None:
    """Set the final mode, also where it is that already: its old owner may have set another one meanwhile.

    Whoever has just given it away, and has no CAP_FOWNER, may not; which is no matter if it is as it should be.
    """
    try:
        _chmod(fd, mode)
    except Refused:
        if stat.S_IMODE(_state(fd).st_mode) != mode:
            raise


def _narrow(fd: int, due: Difference, wanted: Wanted) -> bool:
    """Whether there was anything to take away."""
    old, new = stat.S_IMODE(due.found.st_mode), due.mode
    narrowed = old if new is None else narrow(wanted, old, new, folder=stat.S_ISDIR(due.found.st_mode))
    if narrowed == old:
        return False
    _chmod(fd, narrowed)
    return True


def narrow(wanted: Wanted, old: int, new: int, *, folder: bool) -> int:
    """A mode with no more than `old` and `new` share, if what is wanted would still turn it into `new`.

    A step may be killed between its calls, and what a symbolic mode reads (``X``, ``g=u``) must still be there for the
    next run: where it would not be, the execute bits stay, or all of `old` but set-id bits, which nothing reads.
    """
    shared = old & new
    for narrowed in (shared, shared | old & 0o111):
        if wanted.over(narrowed, folder=folder) == new:
            return narrowed
    return old & (new | ~SET_IDS)


def _chown(fd: int, due: Difference, before: int | None) -> None:
    """Give it to its owner; `before` is the mode to go back to where that is refused."""
    try:
        kernel.chown(fd, -1 if due.uid is None else due.uid, -1 if due.gid is None else due.gid)
    except OSError as error:
        if before is not None:
            with suppress(OSError):  # the first error tells more
                kernel.chmod(fd, before)
        raise Refused("own", error) from error


def _chmod(fd: int, mode: int) -> None:
    try:
        kernel.chmod(fd, mode)
    except OSError as error:
        raise Refused("mode", error) from error
