"""Folders in one another, made under a name that nobody knows and renamed once they are right; where is not asked here.

Nobody ever sees them under their names with another owner, group or mode. mkdir(2) alone cannot do that: its mode is
cut by the umask or mixed with a default ACL, the group is whatever the folder above has, and the owner comes later.
"""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from initkit.steps.perms import kernel
from initkit.steps.perms.making.dressing import Disturbed, dress, meaning
from initkit.steps.perms.making.leftovers import claim, new_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initkit.steps.perms.asked.wanted import Wanted

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_CANNOT = frozenset({errno.EINVAL, errno.ENOSYS})  # what a file system says that knows no RENAME_NOREPLACE
_THERE = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR})


class Level(NamedTuple):
    """A folder that is being made.

    Attributes:
        above: a descriptor of the folder that it is in.
        name: its name there.
        fd: its own descriptor.
        born: what it was when it was new.
    """

    above: int
    name: str
    fd: int
    born: os.stat_result


def build(base: int, names: Sequence[str], wanted: Wanted) -> bool:
    """Make folders in one another, each as it is wanted; whether they were made: False where the first one is there.

    Where that fails nothing is left behind.

    Args:
        base: a descriptor of the folder that the first one is to be in; O_PATH will do.
        names: of all of them, the outermost first.
        wanted: what each is to have. Without a mode it is 0755, and setgid as the folder above has it; without an
            owner it is this process's, without a group as mkdir(2) gives it.

    Raises:
        NotBuilt: the system did not let it be done, or did not keep it.
        Disturbed: somebody else came between; it may be tried again.
    """
    with meaning("create", base):
        if kernel.attributes(base) & kernel.APPEND_ONLY:
            # what is made there can neither be renamed nor removed
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
    with _row(base, names) as levels:
        for level in reversed(levels):
            dress(level.fd, level.born, wanted)
        first = levels[0]
        with meaning("create", base):
            if not _rename(base, first.name, names[0]):
                return False
            found = os.stat(names[0], dir_fd=base, follow_symlinks=False)
            if not os.path.samestat(found, first.born):
                raise Disturbed
        levels.clear()  # nothing is to be removed any more
        return True


@contextmanager
def _row(base: int, names: Sequence[str]) -> Iterator[list[Level]]:
    """New folders in one another, the first one under a name of its own; those still in the list are removed after."""
    levels: list[Level] = []
    with ExitStack() as stack:
        try:
            above = base
            for name in [new_name(), *names[1:]]:
                levels.append(_born(above, name, stack))
                above = levels[-1].fd
                if len(levels) == 1:
                    _claim(levels[0])
            yield levels
        finally:
            _remove(levels)


def _born(above: int, name: str, stack: ExitStack) -> Level:
    """A new folder that only this user may enter, empty."""
    with meaning("create", above):
        os.mkdir(name, 0o700, dir_fd=above)
        try:
            fd = os.open(name, _FOLDER, dir_fd=above)
        except OSError:
            with suppress(OSError):
                os.rmdir(name, dir_fd=above)
            raise
        stack.callback(os.close, fd)
        # someone who may write here may have put another folder in its place: one that holds something is not ours
        with os.scandir(fd) as listing:
            if any(True for _ in listing):
                raise Disturbed
        return Level(above, name, fd, os.fstat(fd))


def _claim(level: Level) -> None:
    """Have no other run take it for something that was left behind."""
    try:
        claimed = claim(level.fd)
    except OSError:
        return  # where there are no locks nobody removes anything
    with meaning("create", level.above):
        found = os.stat(level.name, dir_fd=level.above, follow_symlinks=False)
    if not claimed or not os.path.samestat(found, level.born):
        raise Disturbed


def _rename(base: int, hidden: str, name: str) -> bool:
    """Give it its name; False if there is something of that name."""
    try:
        kernel.rename_new(base, hidden, base, name)
    except OSError as error:
        if error.errno == errno.EEXIST:
            return False
        if error.errno not in _CANNOT:
            raise
        return _rename_plainly(base, hidden, name)
    return True


def _rename_plainly(base: int, hidden: str, name: str) -> bool:
    """The same by rename(2), which would also take the place of an empty folder: that of another replica."""
    try:
        os.stat(name, dir_fd=base, follow_symlinks=False)
    except FileNotFoundError:
        pass
    else:
        return False
    try:
        os.rename(hidden, name, src_dir_fd=base, dst_dir_fd=base)
    except OSError as error:
        if error.errno in _THERE:
            return False
        raise
    return True


def _remove(levels: list[Level]) -> None:
    """Remove folders that nobody needs: take them back, so that what was given away can be looked into, and go."""
    for level in levels:
        with suppress(OSError):
            os.fchown(level.fd, level.born.st_uid, level.born.st_gid)
        with suppress(OSError):
            os.fchmod(level.fd, 0o700)
    for level in reversed(levels):
        with suppress(OSError):
            os.rmdir(level.name, dir_fd=level.above)
