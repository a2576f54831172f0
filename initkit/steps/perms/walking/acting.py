"""What looking at entries and changing them have in common; which entries there are is known to `walk`.

Entries of one folder come many at a time. Most are as they should be, and many differ in the same way: what a mode, a
device, an owner and a group mean for what is wanted is worked out once, not once an entry.
"""

from __future__ import annotations

import errno
import os
import stat
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from initkit.steps.perms import settle
from initkit.steps.perms.denied.causes import failure_of, shown
from initkit.steps.perms.differing import difference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from initkit.steps.perms.asked.wanted import Terms, Wanted
    from initkit.steps.perms.differing import Difference
    from initkit.steps.perms.walking.tally import Tally

    Key = tuple[int, int, int, int]

_PIN = os.O_PATH | os.O_NOFOLLOW
CHANGED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})  # gone, no folder any more, or a link now
# all that decides what an entry needs, but for hard links: st_mode, st_dev, st_uid, st_gid
key_of: Callable[[os.stat_result], Key] = itemgetter(0, 2, 4, 5)


def pin(folder: int, name: str) -> tuple[int, os.stat_result]:
    """A descriptor that holds whatever is of that name, and what it is.

    Raises:
        OSError: there is nothing, or it may not be looked at; ESTALE where a server knows it no more.
    """
    fd = os.open(name, _PIN, dir_fd=folder)
    try:
        return fd, os.fstat(fd)
    except OSError:
        os.close(fd)
        raise


class Enough(Exception):  # noqa: N818 - no error: what the walk was to find out is known
    """The walk need not go on."""


class Batch(NamedTuple):
    """Entries of one folder that are no folders, or were none when it was listed.

    Attributes:
        folder: its descriptor.
        path: its path from the root.
        names: in it.
        wanted: what all of them are to have.
    """

    folder: int
    path: Callable[[], str]
    names: Sequence[str]
    wanted: Wanted


class Acting:
    """What looking and changing have in common."""

    def __init__(
        self, terms: Terms, tally: Tally, *, enough: bool = False, each: Callable[[str], object] | None = None
    ) -> None:
        """Begin.

        Args:
            terms: of the walk.
            tally: where everything is counted.
            enough: whether the first difference ends the walk.
            each: is told of every difference, not only of the first few.
        """
        self.terms = terms
        self.tally = tally
        self.each = each
        self._enough = enough
        self._fine: dict[Wanted, set[Key]] = {}

    def plain(self, batch: Batch) -> list[str]:
        """Do it with entries that are no folders; return the names of those that have become one.

        Raises:
            Enough: the walk need not go on.
        """
        raise NotImplementedError

    def folder(self, fd: int, found: os.stat_result, wanted: Wanted, path: Callable[[], str]) -> None:
        """Do it with a folder, whatever is in it being done.

        Args:
            fd: its descriptor.
            found: what it was when the walk came to it.
            wanted: what it is to have.
            path: of it, from the root.

        Raises:
            Enough: the walk need not go on.
        """
        self.tally.seen += 1
        fine = self._fine.setdefault(wanted, set())
        if key_of(found) in fine:
            return
        if difference(found, wanted):
            self.differing(fd, found, wanted, path)
        else:
            fine.add(key_of(found))

    def undone(self, fd: int, found: os.stat_result, wanted: Wanted, path: Callable[[], str]) -> None:
        """Do it with the root where something below it could not be done.

        Raises:
            Enough: the walk need not go on.
        """
        self.folder(fd, found, wanted, path)

    def single(self, folder: int, name: str, wanted: Wanted, path: Callable[[], str]) -> None:
        """Do it with one entry, whatever it is, by what a descriptor holds; a folder is not entered.

        Raises:
            Enough: the walk need not go on.
        """
        self.tally.seen += 1
        batch = Batch(folder, path, [name], wanted)
        if not self.pinned(batch, name, path):
            self.tally.vanished += 1
            if not self.pinned(batch, name, path):
                self.tally.seen -= 1

    def differing(self, fd: int, found: os.stat_result, wanted: Wanted, path: Callable[[], str]) -> None:
        """Do it with what differs, and is held by a descriptor (-1 where looking needed none).

        The path is worked out only where it is to be shown, here and below: in a deep tree it takes longer than all
        the rest.

        Raises:
            Enough: the walk need not go on.
        """
        raise NotImplementedError

    def failed(self, path: Callable[[], str], operation: str, error: OSError, fd: int = -1) -> None:
        """Count what was refused; `fd` is of something near it.

        Raises:
            Enough: it was to be done to everything, or to nothing more.
        """
        self.tally.failed(partial(self._shown, path), failure_of(operation, error, fd))
        if not self.terms.keep_going:
            raise Enough

    def differs(self, due: Difference, path: Callable[[], str]) -> None:
        """Count what differs, or was changed, and tell it where each is to be told.

        Raises:
            Enough: one is enough.
        """
        self.tally.differs(partial(self._shown, path), due)
        if self.each is not None:
            self.each(f"{self._shown(path)}: {due}")
        if self._enough:
            raise Enough

    def _shown(self, path: Callable[[], str]) -> str:
        """A path from the root as people read it."""
        return shown(self.terms.full_path(path()))

    def path_of(self, batch: Batch, name: str) -> str:
        """That of an entry, from the root."""
        folder = batch.path()
        return f"{folder}/{name}" if folder else name

    # one entry

    def pinned(self, batch: Batch, name: str, path: Callable[[], str]) -> bool:
        """Do it with what is of that name now; whether there is something."""
        try:
            fd, found = pin(batch.folder, name)
        except OSError as error:
            if error.errno in CHANGED:
                return False
            self.failed(path, "read", error, batch.folder)
            return True
        try:
            self.held(fd, found, batch.wanted, path)
        finally:
            os.close(fd)
        return True

    def held(self, fd: int, found: os.stat_result, wanted: Wanted, path: Callable[[], str]) -> bool:
        """Do it with one entry; whether it differs and is to be changed."""
        if self.is_odd(found) and settle.is_elsewhere(fd, found, self.terms):
            self.tally.seen -= 1
            self.tally.elsewhere += 1
            return False
        if not difference(found, wanted):
            return False
        if settle.linked(found, wanted, self.terms):
            self.tally.linked.add(partial(self._shown, path))
            return False
        self.differing(fd, found, wanted, path)
        return True

    def is_odd(self, found: os.stat_result) -> bool:
        """Whether only a descriptor tells if it is on the root's mount."""
        return self.terms.mounted or found.st_dev != self.terms.device

    def learnt(self, fine: set[Key], found: os.stat_result, wanted: Wanted) -> bool:
        """Whether all entries like this one are as they should be.

        A file of another device is at home where nothing is mounted: overlay has such (see `settle.is_elsewhere`).
        """
        at_home = found.st_dev == self.terms.device or not self.terms.mounted
        if stat.S_ISDIR(found.st_mode) or not at_home or difference(found, wanted):
            return False
        fine.add(key_of(found))
        return True

    def once_more(self, batch: Batch, name: str, error: OSError) -> bool:
        """An entry could not be looked at: whether it has become a folder."""
        if error.errno not in CHANGED:
            self.failed(partial(self.path_of, batch, name), "read", error, batch.folder)
            return False
        self.tally.vanished += 1
        try:
            found = os.stat(name, dir_fd=batch.folder, follow_symlinks=False)
        except OSError:
            self.tally.seen -= 1
            return False
        return self.odd(batch, name, found)

    def odd(self, batch: Batch, name: str, found: os.stat_result) -> bool:
        """Something that is not like what was fine so far; whether it is a folder, with which nothing is done."""
        if stat.S_ISDIR(found.st_mode):
            self.tally.seen -= 1
            return True
        if not self.pinned(batch, name, partial(self.path_of, batch, name)):
            self.tally.seen -= 1
            self.tally.vanished += 1
        return False
