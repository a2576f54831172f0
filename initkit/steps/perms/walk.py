"""All entries of a tree by descriptors of its folders, children first; what is done with them is not known here.

No name is ever looked up through more than one folder, and no link is followed (``O_NOFOLLOW``), so whoever rewrites
the tree meanwhile cannot lead the walk out of it. Folders are listed as a stream, one after the other, and only the
nearest ones stay open: the way back up is ``..``, believed only when it is the very folder that the walk came from.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from initkit.steps.perms.causes import failure_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.steps.perms.roots import Root
    from initkit.steps.perms.tally import Tally

_READ = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_CHANGED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})  # gone, no folder any more, or a link now
_OPEN_FOLDERS = 32  # a process may have 1024 descriptors by default


class Entry(NamedTuple):
    """Something in the tree.

    Attributes:
        path: from the root, ``""`` for the root itself.
        name: its name in the folder that it is in.
        folder: a descriptor of that folder; -1 where it is closed, then `fd` is open.
        fd: its own descriptor, if it is a folder that is open; otherwise -1.
        found: what it was when the walk came to it.
    """

    path: str
    name: str
    folder: int
    fd: int
    found: os.stat_result


@dataclass
class Folder:
    """A folder that the walk is in; -1 as `fd` while it is closed."""

    path: str
    name: str
    fd: int
    found: os.stat_result
    settled: bool
    below: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Close it, if it is open."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def path_of(self, name: str) -> str:
        """The path of something in it."""
        return f"{self.path}/{name}" if self.path else name


class Walk:
    """One walk over a tree. What it cannot look at is counted in `tally`."""

    def __init__(self, root: Root, tally: Tally) -> None:
        self._root = root
        self._tally = tally
        self._way: list[Folder] = []

    def entries(self) -> Iterator[Entry]:
        """All entries: a folder after all that is in it, the root last.

        A folder that may not be read comes first, once, so that it can be made readable; then what is in it follows.
        """
        root = self._root
        try:
            if not stat.S_ISDIR(root.found.st_mode):
                yield Entry("", root.name, root.parent, -1, root.found)
                return
            yield from self._enter(root.parent, root.name, "")
            while self._way:
                here = self._way[-1]
                if here.below:
                    name = here.below.pop()
                    yield from self._enter(here.fd, name, here.path_of(name))
                else:
                    yield from self._leave()
        finally:
            for folder in self._way:
                folder.close()

    def full_path(self, path: str) -> str:
        """A path of this tree as the system has it."""
        return f"{self._root.path.rstrip('/')}/{path}" if path else self._root.path

    def _enter(self, parent: int, name: str, path: str) -> Iterator[Entry]:
        """Open a folder and list it; what is no folder comes at once, folders are kept for later."""
        settled = False
        try:
            fd, found = _open(parent, name)
        except PermissionError:
            yield from self._closed(parent, name, path)
            settled = True
            try:
                fd, found = _open(parent, name)
            except OSError as error:
                self._lost(path, error)
                return
        except OSError as error:
            self._lost(path, error)
            return
        if found.st_dev != self._root.found.st_dev:
            os.close(fd)
            self._tally.elsewhere += 1
            return
        folder = Folder(path, name, fd, found, settled)
        self._way.append(folder)
        if len(self._way) > _OPEN_FOLDERS + 1:
            self._way[-_OPEN_FOLDERS - 1].close()
        yield from self._list(folder)

    def _closed(self, parent: int, name: str, path: str) -> Iterator[Entry]:
        """A folder that may not be opened, as an entry."""
        try:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except OSError:
            return  # opening it once more tells
        if stat.S_ISDIR(found.st_mode) and found.st_dev == self._root.found.st_dev:
            yield Entry(path, name, parent, -1, found)

    def _list(self, folder: Folder) -> Iterator[Entry]:
        try:
            with os.scandir(folder.fd) as listing:
                for item in listing:
                    if item.is_dir(follow_symlinks=False):
                        folder.below.append(item.name)
                    else:
                        yield from self._plain(folder, item)
        except OSError as error:
            self._lost(folder.path, error)

    def _plain(self, folder: Folder, item: os.DirEntry[str]) -> Iterator[Entry]:
        path = folder.path_of(item.name)
        try:
            found = item.stat(follow_symlinks=False)
        except OSError as error:
            self._lost(path, error)
            return
        if stat.S_ISDIR(found.st_mode):
            folder.below.append(item.name)  # it was none when the folder was listed
        elif found.st_dev != self._root.found.st_dev:
            self._tally.elsewhere += 1
        else:
            yield Entry(path, item.name, folder.fd, -1, found)

    def _leave(self) -> Iterator[Entry]:
        """The folder itself, all in it being done, and back to the one above."""
        here = self._way[-1]
        above = self._way[-2] if len(self._way) > 1 else None
        # before the folder's own mode is set, which may close it to this process
        found_back = above is None or above.fd >= 0 or _reopen(above, here.fd)
        if not here.settled:
            yield Entry(here.path, here.name, -1, here.fd, here.found)
        self._way.pop().close()
        if not found_back:
            self._give_up()

    def _give_up(self) -> None:
        """Someone moved a folder away while the walk was deep in it: go on from the nearest one that is still open."""
        while self._way and self._way[-1].fd < 0:
            self._tally.vanished += 1
            self._way.pop()

    def _lost(self, path: str, error: OSError) -> None:
        if error.errno in _CHANGED and path:
            self._tally.vanished += 1
        else:
            self._tally.failed(self.full_path(path), failure_of("read", error))


def _open(parent: int, name: str) -> tuple[int, os.stat_result]:
    """A folder's descriptor, and what it is; it must be both readable and searchable."""
    fd = os.open(name, _READ, dir_fd=parent)
    try:
        return fd, os.stat(".", dir_fd=fd)
    except OSError:
        os.close(fd)
        raise


def _reopen(above: Folder, here: int) -> bool:
    """Open the folder above by ``..``, if that is still the same one."""
    try:
        fd, found = _open(here, "..")
    except OSError:
        return False
    if not os.path.samestat(found, above.found):
        os.close(fd)
        return False
    above.fd = fd
    return True
