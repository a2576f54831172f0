"""Gives a folder that is being made its group, mode and owner, and says what it means where that is refused.

What is made, and where, is the concern of `building`.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from initkit.steps.perms.denied.causes import failure_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.steps.perms.asked.wanted import Wanted
    from initkit.steps.perms.denied.causes import Failure

_USUAL = 0o755  # of a folder of which no mode is asked
_ACL = "system.posix_acl_access"
_NO_ACL = frozenset({errno.ENODATA, errno.EOPNOTSUPP, errno.ENOSYS})
_DISTURBED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EEXIST})


class Disturbed(Exception):  # noqa: N818 - no error: others work there too
    """Somebody else has moved or removed what was being made, or taken the way to it."""


class NotBuilt(Exception):  # noqa: N818 - it carries what it means to whoever can tell of what
    """The system did not let it be done, or did not keep it."""

    def __init__(self, operation: str, failure: Failure) -> None:
        super().__init__(operation, failure)
        self.operation = operation
        self.failure = failure


def dress(fd: int, born: os.stat_result, wanted: Wanted) -> None:
    """Give a folder its group, then its mode, then its owner.

    As long as it is ours its mode is ours to set, so CAP_CHOWN is enough to make it for someone else; and whoever sees
    it meanwhile may do no more than later. Of folders chown(2) leaves the mode as it is.

    Raises:
        NotBuilt: the system did not let it be done, or did not keep it.
    """
    mode = _goal(wanted, born)
    gid = born.st_gid if wanted.gid is None else wanted.gid
    uid = born.st_uid if wanted.uid is None else wanted.uid
    with meaning("own", fd):
        if gid != born.st_gid:
            os.fchown(fd, -1, gid)
    with meaning("mode", fd):
        _drop_acl(fd)
        os.fchmod(fd, mode)
    with meaning("own", fd):
        if uid != born.st_uid:
            os.fchown(fd, uid, -1)
    _refuse_other(fd, (uid, gid, mode))


def _goal(wanted: Wanted, born: os.stat_result) -> int:
    usual = stat.S_IFDIR | _USUAL | born.st_mode & stat.S_ISGID
    return wanted.goal(os.stat_result((usual, *born[1:10])))


def _drop_acl(fd: int) -> None:
    """Take away what a default ACL of the folder above has given: with it the group's bits are not the group's.

    What the folder is to pass on to others, its own default ACL, stays.
    """
    try:
        os.removexattr(fd, _ACL)
    except OSError as error:
        if error.errno not in _NO_ACL:
            raise


def _refuse_other(fd: int, asked: tuple[int, int, int]) -> None:
    """Without CAP_FSETID setgid is dropped silently (chmod(2)), and some file systems keep nothing.

    Raises:
        NotBuilt: a folder has not come to be as it was told to.
    """
    uid, gid, mode = asked
    found = os.fstat(fd)
    kept = stat.S_IMODE(found.st_mode)
    owned = (found.st_uid, found.st_gid) == (uid, gid)
    if owned and kept == mode:
        return
    with meaning("setgid" if owned and mode == kept | stat.S_ISGID else "keep", fd):
        raise PermissionError(errno.EPERM, "not kept")


@contextmanager
def meaning(operation: str, fd: int) -> Iterator[None]:
    """Turn an error into what it means, which depends on what `fd` holds: what it was done to, or done in."""
    try:
        yield
    except OSError as error:
        if operation == "create" and error.errno in _DISTURBED:
            raise Disturbed from error
        raise NotBuilt(operation, failure_of(operation, error, fd)) from error
