"""Makes entries what they should be; what looking and changing have in common is `acting`."""

from __future__ import annotations

import os
import stat
from functools import partial
from operator import length_hint
from typing import TYPE_CHECKING

from initkit.steps.perms import kernel, settle
from initkit.steps.perms.asked.mode import SET_IDS
from initkit.steps.perms.differing import difference
from initkit.steps.perms.walking.acting import Acting, key_of, pin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from initkit.steps.perms.asked.wanted import Terms, Wanted
    from initkit.steps.perms.differing import Difference
    from initkit.steps.perms.walking.acting import Batch, Key
    from initkit.steps.perms.walking.tally import Tally

_AT_ONCE = 16  # entries that are held at once; a process may have 64 descriptors
_SAMPLE = 32  # entries of a sort that are changed one by one, and looked at again, before others are believed to follow
_LINKS = 3  # where st_nlink is
_WRITE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class Alike:
    """Entries that differ alike, and in nothing but owner or group."""

    __slots__ = ("count", "due", "gid", "uid")

    def __init__(self, due: Difference) -> None:
        self.due = due
        self.uid = -1 if due.uid is None else due.uid
        self.gid = -1 if due.gid is None else due.gid
        self.count = 1  # of those that were changed one by one


class Changing(Acting):
    """What differs is changed.

    An entry that differs is held by a descriptor before it is touched, so that what was looked at last is what is
    changed, whoever renames it meanwhile; O_PATH, which opens no device and waits for no fifo. Only in a folder that
    none but root may write in a name is believed to mean the same file twice.
    """

    def __init__(
        self, terms: Terms, tally: Tally, *, enough: bool = False, each: Callable[[str], object] | None = None
    ) -> None:
        """See `Acting`."""
        super().__init__(terms, tally, enough=enough, each=each)
        self._alike: dict[Wanted, dict[Key, Alike]] = {}

    def plain(self, batch: Batch) -> list[str]:
        """See `Acting`."""
        alike = self._alike.setdefault(batch.wanted, {})
        self.tally.seen += len(batch.names)
        folders: list[str] = []
        if _is_roots_alone(batch.folder):
            self._trusting(batch, alike, folders)
        else:
            self._holding(batch, alike, folders)
        return folders

    def _holding(self, batch: Batch, alike: dict[Key, Alike], folders: list[str]) -> None:
        """Whoever may write in the folder may exchange its entries at any instant.

        After an entry that had to be changed the next ones are likely to: they are not looked at by name first.
        """
        likely = False
        start = 0
        while start < len(batch.names):
            if likely:
                some = batch.names[start : start + _AT_ONCE]
                count, likely = self._several(batch, some, alike, folders)
                start += count
            else:
                likely = self._by_name(batch, batch.names[start], alike, folders)
                start += 1

    def _trusting(self, batch: Batch, alike: dict[Key, Alike], folders: list[str]) -> None:
        """Nobody exchanges entries of the folder who could not change them himself."""
        fine = self._fine.setdefault(batch.wanted, set())
        counts: dict[Alike, int] = {}
        for name in batch.names:
            try:
                found = os.stat(name, dir_fd=batch.folder, follow_symlinks=False)
                key = key_of(found)
                if key in fine:
                    continue
                known = alike.get(key)
                if known is not None and found[_LINKS] == 1 and known.count >= _SAMPLE:
                    os.chown(name, known.uid, known.gid, dir_fd=batch.folder, follow_symlinks=False)
                    counts[known] = counts.get(known, 0) + 1
                    continue
            except OSError:
                pass  # it is held then, and tells again what is wrong
            self._by_name(batch, name, alike, folders)
        for known, count in counts.items():
            self.tally.differ(known.due, count)

    def _by_name(self, batch: Batch, name: str, alike: dict[Key, Alike], folders: list[str]) -> bool:
        """One entry, looked at first; whether it had to be changed."""
        fine = self._fine.setdefault(batch.wanted, set())
        try:
            found = os.stat(name, dir_fd=batch.folder, follow_symlinks=False)
            if key_of(found) in fine or self.learnt(fine, found, batch.wanted):
                return False
            held = pin(batch.folder, name)
        except OSError as error:
            if self.once_more(batch, name, error):
                folders.append(name)
            return False
        try:
            return self._one(batch, name, held, alike, folders)
        finally:
            os.close(held[0])

    def _one(
        self,
        batch: Batch,
        name: str,
        held: tuple[int, os.stat_result],
        alike: dict[Key, Alike],
        folders: list[str],
    ) -> bool:
        fd, found = held
        if stat.S_ISDIR(found.st_mode):
            self.tally.seen -= 1
            folders.append(name)
            return False
        if not self.held(fd, found, batch.wanted, partial(self.path_of, batch, name)):
            return False
        key = key_of(found)
        if key in alike:
            alike[key].count += 1
        elif self.each is None and not self.terms.mounted and not found.st_mode & SET_IDS:
            due = difference(found, batch.wanted)
            if due.mode is None:
                alike[key] = Alike(due)
        return True

    def _several(
        self, batch: Batch, names: Sequence[str], alike: dict[Key, Alike], folders: list[str]
    ) -> tuple[int, bool]:
        """Entries that probably differ; how many of them were dealt with, and whether it was so."""
        fds: list[int] = []
        all_found: list[os.stat_result] = []
        try:
            for name in names:
                fd, found = pin(batch.folder, name)
                fds.append(fd)
                all_found.append(found)
        except OSError:
            pass  # the next one is looked at by itself
        try:
            same = True
            ready: dict[Alike, list[int]] = {}
            for name, fd, found in zip(names, fds, all_found, strict=False):
                known = alike.get(key_of(found))
                if known is not None and found[_LINKS] == 1 and known.count >= _SAMPLE:
                    ready.setdefault(known, []).append(fd)
                else:
                    same = self._one(batch, name, (fd, found), alike, folders)
            for known, some in ready.items():
                self._move(batch, known, some, names[: len(fds)], fds)
        finally:
            _close(fds)
        return len(fds), same and len(fds) == len(names)

    def _move(self, batch: Batch, alike: Alike, some: list[int], names: Sequence[str], fds: list[int]) -> None:
        """Change owner or group of what is like others that were changed before."""
        rest = iter(some)
        done = 0
        while done < len(some):
            try:
                kernel.chown_all(rest, alike.uid, alike.gid)
            except OSError as error:
                refused = len(some) - length_hint(rest) - 1
                self.tally.differ(alike.due, refused - done)
                done = refused + 1
                name = names[fds.index(some[refused])]
                self.failed(partial(self.path_of, batch, name), "own", error, some[refused])
            else:
                self.tally.differ(alike.due, len(some) - done)
                done = len(some)

    def folder(self, fd: int, found: os.stat_result, wanted: Wanted, path: Callable[[], str]) -> None:  # noqa: ARG002 - it is old now
        """See `Acting`."""
        try:
            now = os.fstat(fd)
        except OSError as error:  # a server says ESTALE of what somebody else has removed
            self.failed(path, "read", error, fd)
        else:
            super().folder(fd, now, wanted, path)

    def undone(self, fd: int, found: os.stat_result, wanted: Wanted, path: Callable[[], str]) -> None:  # noqa: ARG002 - it is not touched
        """Leave the root as it is: whoever looks at it alone, the kubelet too, is to see that there is work left."""
        self.tally.seen += 1
        if difference(found, wanted):
            self.tally.notes.append(f"{self._shown(path)} itself is left as it is until all in it is done")

    def differing(self, fd: int, found: os.stat_result, wanted: Wanted, path: Callable[[], str]) -> None:
        """See `Acting`."""
        try:
            changed = settle.change(fd, found, wanted)
        except settle.Refused as refused:
            self.failed(path, refused.operation, refused.error, fd)
        else:
            if changed:
                self.differs(changed, path)


def _is_roots_alone(folder: int) -> bool:
    """Whether this process is root's, and none but root may write in a folder; an ACL shows in its group's bits."""
    try:
        found = os.fstat(folder)
    except OSError:
        return False
    return os.geteuid() == 0 == found.st_uid and not found.st_mode & _WRITE_BY_OTHERS


def _close(fds: list[int]) -> None:
    """Close them; at once where they follow on one another, so that there is none of another thread's between them."""
    if fds and fds == list(range(fds[0], fds[0] + len(fds))):
        os.closerange(fds[0], fds[-1] + 1)
        return
    for fd in fds:
        os.close(fd)
