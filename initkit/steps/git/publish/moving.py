"""Moves a tree into a folder that readers and others use meanwhile, file by file; what is not ours is never touched.

Every folder is entered by descriptors, one name at a time and never through a link: others may exchange them.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.steps.git import remove
from initkit.steps.git.publish.manifest import Entry, opened, shown
from initkit.steps.git.publish.ways import Ways, is_same, look, make_like, writable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPAQUE = ".git"  # its files are not listed: it is moved as a whole


class Move:
    """One tree that takes the place of what is ours in a folder.

    Attributes:
        old: what is ours in the folder, or may be; by path.
        new: what is in the tree; each folder stands before what is in it.
    """

    def __init__(
        self, target: int, source: int, old: Mapping[str, Entry], new: Mapping[str, Entry], *, timed: bool
    ) -> None:
        self.old = old
        self.new = new
        self._target = target
        self._ways = Ways(target)
        self._source = source
        self._timed = timed
        self._times: dict[str, int] = {}  # of the tree's folders, before anything was moved out of them

    @classmethod
    @contextmanager
    def opened(
        cls, target: str, source: str, old: Mapping[str, Entry], new: Mapping[str, Entry], *, timed: bool
    ) -> Iterator[Move]:
        """A move from the folder `source` into `target`; with `timed`, what is the same is given its time too."""
        into = os.open(target, _FOLDER & ~os.O_NOFOLLOW)
        try:
            with opened(source, into, _FOLDER) as from_:
                move = cls(into, from_, old, new, timed=timed)
                try:
                    yield move
                finally:
                    move._ways.close()
        finally:
            os.close(into)

    def refuse_strangers(self) -> None:
        """Raise where something that is not ours stands where a file is to come, before anything is changed.

        Raises:
            PermanentError: it does.
        """
        for folder, entries in _by_folder(self.new):
            descriptor = self._ways.to(folder)
            for entry in entries if descriptor is not None else ():
                self._refuse_stranger(entry, descriptor)

    def _refuse_stranger(self, entry: Entry, folder: int | None) -> None:
        status = look(os.path.basename(entry.path), folder)
        if status is None:
            return
        is_folder = stat.S_ISDIR(status.st_mode)
        if is_folder and entry.kind == "d" and entry.path != _OPAQUE:
            return
        if entry.path not in self.old:
            raise _in_the_way(entry.path)
        if is_folder and entry.path != _OPAQUE:
            self._refuse_within(entry.path, folder)

    def _refuse_within(self, top: str, above: int | None) -> None:
        """Raise where a folder that is to become a file holds what is not ours."""
        ways = Ways(above if above is not None else self._target)
        folders = [os.path.basename(top)]
        try:
            while folders:
                folder = folders.pop()
                descriptor = ways.to(folder)
                for name in os.listdir(descriptor) if descriptor is not None else ():
                    path = f"{folder}/{name}"
                    if os.path.join(os.path.dirname(top), path) not in self.old:
                        raise _in_the_way(os.path.join(os.path.dirname(top), path))
                    status = look(name, descriptor)
                    if status is not None and stat.S_ISDIR(status.st_mode):
                        folders.append(path)
        finally:
            ways.close()

    def run(self) -> list[Entry]:
        """Take away what left the content, and bring in what is new; returns what is ours then.

        A folder that somebody else made, or has put files in, is used as it is, and stays.
        """
        self._take_away()
        settled = []
        for folder, entries in _by_folder(self.new):
            target = self._ways.to(folder)
            if target is None:
                raise _in_the_way(folder)
            with opened(folder or ".", self._source, _FOLDER) as source, writable(source), writable(target):
                for entry in entries:
                    if entry.kind != "d":
                        settled.append(self._file(entry, source, target))
                    elif self._folder(entry, source, target):
                        settled.append(entry)
        for path, mtime in reversed(self._times.items()) if self._timed else ():
            descriptor = self._ways.to(path)
            if descriptor is not None:
                with writable(descriptor):
                    os.utime(descriptor, ns=(mtime, mtime))
        return settled

    def _take_away(self) -> None:
        gone = [entry for entry in self.old.values() if self._is_gone(entry)]
        for entry in sorted(gone, key=lambda entry: entry.path.count("/"), reverse=True):
            folder, name = os.path.split(entry.path)
            descriptor = self._ways.to(folder)
            if descriptor is not None:
                with writable(descriptor):
                    self._take_one_away(entry, name, descriptor)

    @staticmethod
    def _take_one_away(entry: Entry, name: str, folder: int) -> None:
        status = look(name, folder)
        if status is None:
            return
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=folder)
        elif entry.path == _OPAQUE:
            remove.anything(name, folder)
        elif entry.kind == "d":
            with suppress(OSError):  # somebody else has put something in it
                os.rmdir(name, dir_fd=folder)

    def _is_gone(self, entry: Entry) -> bool:
        """Whether what was ours is no longer, or is a folder no longer, or is one now."""
        new = self.new.get(entry.path)
        return new is None or (new.kind == "d") != (entry.kind == "d")

    def _folder(self, entry: Entry, source: int, target: int) -> bool:
        """Make a folder like the tree's; says whether it is ours."""
        name = os.path.basename(entry.path)
        status = look(name, target)
        ours = entry.path in self.old
        if entry.path == _OPAQUE:
            remove.anything(name, target)
            with opened(name, source, _FOLDER) as itself, writable(itself):  # its `..` is to change
                os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
            return True
        if status is not None and not stat.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=target)
            status = None
        if status is None:
            os.mkdir(name, stat.S_IRWXU, dir_fd=target)
        elif not ours:
            return False
        like = os.stat(name, dir_fd=source, follow_symlinks=False)
        self._times[entry.path] = like.st_mtime_ns
        with opened(name, target, _FOLDER) as descriptor:
            make_like(like, descriptor)
        return True

    def _file(self, entry: Entry, source: int, target: int) -> Entry:
        """Bring in a file or a link, unless the very same is there already and has no other time to be given."""
        name = os.path.basename(entry.path)
        if self._timed or not is_same(name, source, target):
            status = look(name, target)
            if status is not None and stat.S_ISDIR(status.st_mode):
                os.rmdir(name, dir_fd=target)
            os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
            return entry
        status = os.stat(name, dir_fd=target, follow_symlinks=False)
        return entry.but(mtime=status.st_mtime_ns if entry.kind == "f" else 0)


def _by_folder(entries: Mapping[str, Entry]) -> Iterator[tuple[str, list[Entry]]]:
    """The entries of each folder, in the order of the folders' first entries."""
    folders: dict[str, list[Entry]] = {}
    for path, entry in entries.items():
        folders.setdefault(os.path.dirname(path), []).append(entry)
    yield from folders.items()


def _in_the_way(path: str) -> PermanentError:
    cause = f"{shown(path)} is in the way, and initkit did not make it"
    return PermanentError("publish the new content", cause, "move it away, or give another DEST")
