"""All entries of a tree by descriptors of its folders, children first; what is done with them is known to `acting`.

No name is ever looked up through more than one folder, and no link is followed (``O_NOFOLLOW``), so whoever rewrites
the tree meanwhile cannot lead the walk out of it. Folders are listed as a stream, a thousand names at a time, and only
the nearest ones stay open: the way back up is ``..``, believed only when it is the very folder that the walk came from.

Parts of it may be given away to another walk over the same tree (`Sharing`). A folder of which something is given away
waits, and its own turn comes when all of that is done; so it does for the folders above it.
"""

from __future__ import annotations

import os
import stat
from itertools import islice
from typing import TYPE_CHECKING

from initkit.steps.perms import settle
from initkit.steps.perms.making.leftovers import is_new
from initkit.steps.perms.stamp import is_stamp
from initkit.steps.perms.walking.acting import CHANGED, Batch
from initkit.steps.perms.walking.folder import Folder, open_folder, reopen

if TYPE_CHECKING:
    from collections.abc import Callable

    from initkit.steps.perms.asked.places import Place, Places
    from initkit.steps.perms.walking.acting import Acting
    from initkit.steps.perms.walking.sharing import Sharing

_OPEN_FOLDERS = 32  # nearest ones that stay open: a process may have 1024 descriptors by default
_WAITING = 32  # folders that may wait with a descriptor
_BATCH = 1024  # names


class Walk:
    """One walk over a tree, or over a part of one."""

    def __init__(self, acting: Acting, places: Places, sharing: Sharing) -> None:
        """Nothing is to be done yet.

        Args:
            acting: what is done with entries, and where they are counted.
            places: what is asked of which.
            sharing: who does parts of it.
        """
        self._acting = acting
        self._terms = acting.terms
        self._tally = acting.tally
        self._places = places
        self._sharing = sharing
        self._way: list[Folder] = []
        self._waiting: set[Folder] = set()

    def begin(self, parent: int, name: str) -> None:
        """Take on the root, a folder of that name in an open one."""
        self._enter_as(None, parent, name, "", self._places.root())

    def take(self, fd: int, path: str, names: list[str] | None, token: bytes) -> None:
        """Take on what another walk gives away: a folder, or names of it that are no folders."""
        folder = Folder(None, path, fd, os.fstat(fd), self._places.at(path))
        folder.token = token
        self._way.append(folder)
        if names is None:
            self._open_list(folder)
        else:
            folder.settled = True
            self._plain(folder, names)

    def run(self) -> None:
        """Go on until there is nothing to do; folders may be left that wait for others.

        Raises:
            Enough: the walk need not go on.
        """
        way = self._way
        while way:
            here = way[-1]
            if here.below:
                self._enter(here, here.below.pop())
            elif here.listing is not None:
                self._sharing.tick()
                if self._sharing.is_wanted():
                    self._give()
                self._list(here)
            else:
                self._leave(here)

    def returned(self, owner: Folder) -> None:
        """Something that was given away is done."""
        owner.given -= 1
        self._paid(owner)

    @property
    def is_waiting(self) -> bool:
        """Whether folders wait for what was given away."""
        return bool(self._waiting)

    def close(self) -> None:
        """Close what is open; the walk is over, or will not go on."""
        for folder in (*self._way, *self._waiting):
            folder.close()
        self._way.clear()
        self._waiting.clear()

    # into folders

    def _enter(self, above: Folder, name: str) -> None:
        self._enter_as(above, above.fd, name, name, above.place.below(name))

    def _enter_as(self, above: Folder | None, parent: int, name: str, known_as: str, place: Place) -> None:
        folder = self._opened(above, parent, name, known_as, place)
        if folder is None:
            return
        self._way.append(folder)
        if len(self._way) > _OPEN_FOLDERS:
            self._close_far()
        self._open_list(folder)

    def _opened(self, above: Folder | None, parent: int, name: str, known_as: str, place: Place) -> Folder | None:
        """A folder that is to be walked, open; None where it is not, which is counted."""

        def path() -> str:
            return known_as if above is None else above.path_of(known_as)

        if not place.entered:
            self._alone(parent, name, place, path)
            return None
        settled = False
        try:
            fd, found = open_folder(parent, name)
        except PermissionError:
            # it may be closed to us, and to be opened: its own turn comes first then
            if place.wanted is not None:
                self._acting.single(parent, name, place.wanted, path)
                settled = True
            again = self._again(parent, name, path)
            if again is None:
                return None
            fd, found = again
        except OSError as error:
            if not self._turned(above, parent, name, path, error):
                return None
            again = self._again(parent, name, path)
            if again is None:
                return None
            fd, found = again
        if self._terms.one_file_system and settle.is_elsewhere(fd, found, self._terms):
            os.close(fd)
            self._tally.elsewhere += 1
            return None
        folder = Folder(above, known_as, fd, found, place)
        folder.settled = settled
        return folder

    def _alone(self, parent: int, name: str, place: Place, path: Callable[[], str]) -> None:
        """A folder that is not entered."""
        if place.wanted is None:
            self._tally.excluded += 1
        else:
            self._acting.single(parent, name, place.wanted, path)

    def _again(self, parent: int, name: str, path: Callable[[], str]) -> tuple[int, os.stat_result] | None:
        try:
            return open_folder(parent, name)
        except OSError as error:
            if error.errno in CHANGED and self._way:
                self._tally.vanished += 1
            else:
                self._acting.failed(self._acting.shown(path()), "read", error, parent)
        return None

    def _turned(self, above: Folder | None, parent: int, name: str, path: Callable[[], str], error: OSError) -> bool:
        """A folder is none any more: look once more at what it is; whether it is a folder again."""
        if error.errno not in CHANGED or above is None:
            self._acting.failed(self._acting.shown(path()), "read", error, parent)
            return False
        self._tally.vanished += 1
        try:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except OSError:
            return False
        if stat.S_ISDIR(found.st_mode):
            return True
        wanted = above.place.of(name)
        if wanted is not None:
            self._acting.single(parent, name, wanted, path)
        return False

    def _close_far(self) -> None:
        far = self._way[-_OPEN_FOLDERS]
        while far.listing is not None:  # it is a descriptor too
            self._list(far)
        far.close()

    # through folders

    def _open_list(self, folder: Folder) -> None:
        try:
            folder.listing = os.scandir(folder.fd)
        except OSError as error:
            self._acting.failed(self._acting.shown(folder.whole_path()), "read", error, folder.fd)

    def _list(self, folder: Folder) -> None:
        """The next names of a folder: what is no folder at once, folders later."""
        listing = folder.listing
        if listing is None:
            return
        try:
            batch = list(islice(listing, _BATCH))
            names = [item.name for item in batch if not item.is_dir(follow_symlinks=False)]
        except OSError as error:
            self._acting.failed(self._acting.shown(folder.whole_path()), "read", error, folder.fd)
            folder.listing = None
            return
        if len(names) < len(batch):
            folder.below += [i.name for i in batch if i.is_dir(follow_symlinks=False) and not is_new(i.name)]
        if len(batch) < _BATCH:
            folder.listing = None
        if folder.is_root:
            names = [name for name in names if not is_stamp(name)]
        if not names:
            return
        is_more = folder.listing is not None or bool(folder.below)
        if is_more and self._sharing.is_wanted() and self._given(folder, names, folder):
            return
        self._plain(folder, names)

    def _plain(self, folder: Folder, names: list[str]) -> None:
        """What is no folder."""
        plain = folder.place.plain
        if isinstance(plain, tuple):
            folder.below += self._acting.plain(Batch(folder.fd, folder.whole_path, names, plain))
        elif plain is None:
            self._tally.excluded += len(names)
        else:
            self._various(folder, names)

    def _various(self, folder: Folder, names: list[str]) -> None:
        """The same where it depends on the name what is asked for."""
        alike: dict[int, list[str]] = {}
        asked = {}
        for name in names:
            wanted = folder.place.of(name)
            if wanted is None:
                self._tally.excluded += 1
            else:
                asked[id(wanted)] = wanted
                alike.setdefault(id(wanted), []).append(name)
        for number, some in alike.items():
            folder.below += self._acting.plain(Batch(folder.fd, folder.whole_path, some, asked[number]))

    # out of folders

    def _leave(self, here: Folder) -> None:
        """All of it is walked or given away: back to the one above, and the folder itself if nothing is owed."""
        way = self._way
        way.pop()
        above = here.above
        is_back = above is None or above.fd >= 0 or reopen(above, here.fd)
        if here.owed:
            self._wait(here)
            if not here.given and len(self._waiting) > _WAITING:
                here.close()
        else:
            self._finish(here)
        if not is_back:
            self._give_up()

    def _wait(self, folder: Folder) -> None:
        folder.waits = True
        self._waiting.add(folder)
        if folder.above is not None:
            folder.above.owed += 1

    def _finish(self, folder: Folder) -> None:
        """The folder itself, its turn having come."""
        if folder.fd >= 0 and not folder.settled:
            if folder.place.wanted is None:
                self._tally.excluded += 1
            else:
                act = self._acting.undone if folder.is_root and self._sharing.has_failed() else self._acting.folder
                act(folder.fd, folder.found, folder.place.wanted, folder.whole_path)
        folder.close()
        if folder.token:
            self._sharing.done(folder.token)

    def _paid(self, folder: Folder) -> None:
        """A part that a folder was owed is done: it is its turn if that was the last, and so on upwards."""
        here: Folder | None = folder
        while here is not None:
            here.owed -= 1
            if here.owed or not here.waits:
                return
            self._waiting.discard(here)
            above = here.above
            if here.fd < 0:
                self._tally.vanished += 1  # someone moved it away, and there is no way back to it
            elif above is not None and above.waits and above.fd < 0:
                reopen(above, here.fd)
            self._finish(here)
            here = above

    def _give_up(self) -> None:
        """Someone moved a folder away while the walk was deep in it: go on from the nearest one that is still open."""
        while self._way and self._way[-1].fd < 0:
            lost = self._way.pop()
            if lost.owed:
                self._wait(lost)
                continue
            self._tally.vanished += 1
            if lost.token:
                self._sharing.done(lost.token)

    # to others

    def _give(self) -> None:
        """Give away the highest folder that can be spared."""
        if len(self._waiting) >= _WAITING:
            return
        for folder in self._way[-_OPEN_FOLDERS:]:
            spare = len(folder.below) - (folder is self._way[-1])
            if folder.fd >= 0 and spare > 0:
                name = folder.below.pop()
                below = self._opened(folder, folder.fd, name, name, folder.place.below(name))
                if below is not None and not self._given(below, None, folder):
                    self._way.append(below)
                    self._open_list(below)
                return

    def _given(self, folder: Folder, names: list[str] | None, owner: Folder) -> bool:
        if folder.settled and names is None:
            return False  # it is walked by whoever has opened it
        if not self._sharing.give(folder, names, owner):
            return False
        owner.given += 1
        owner.owed += 1
        if names is None:
            folder.close()
        return True
