"""All entries of a tree by descriptors of its folders, children first; what is done with them is known to `acting`.

No name is ever looked up through more than one folder, and no link is followed (``O_NOFOLLOW``), so whoever rewrites
the tree meanwhile cannot lead the walk out of it. Folders are listed as a stream, a thousand names at a time, and only
the nearest ones stay open: the way back up is ``..``, believed only when it is the very folder that the walk came from.

Parts of it may be given away to another walk over the same tree (`Sharing`). A folder of which something is given away
waits, and its own turn comes when all of that is done; so it does for the folders above it.
"""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING

from initkit.steps.perms.making.leftovers import is_being_made
from initkit.steps.perms.stamp import is_one
from initkit.steps.perms.walking.acting import Batch
from initkit.steps.perms.walking.folder import Folder, regain, reopen
from initkit.steps.perms.walking.opening import Entrance, Opening, into

if TYPE_CHECKING:
    from initkit.steps.perms.asked.places import Places
    from initkit.steps.perms.walking.acting import Acting
    from initkit.steps.perms.walking.pool import Part
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
        self._tally = acting.tally
        self._places = places
        self._opening = Opening(acting)
        self._sharing = sharing
        self._way: list[Folder] = []
        self._waiting: set[Folder] = set()

    def begin(self, parent: int, name: str) -> None:
        """Take on the root, a folder of that name in an open one."""
        self._enter(Entrance(None, parent, name, self._places.root()))

    def take(self, part: Part) -> None:
        """Take on what another walk gives away; the folder that it is in stays that one's."""
        folder = Folder(None, part.path, part.fd, os.fstat(part.fd), self._places.at(part.path))
        folder.token = part.token
        folder.settled = True
        self._way.append(folder)
        if part.folders:
            folder.below = part.names
        else:
            self._plain(folder, part.names)

    def run(self) -> None:
        """Go on until there is nothing to do; folders may be left that wait for others.

        Raises:
            Enough: the walk need not go on.
        """
        way = self._way
        while way:
            here = way[-1]
            if here.below:
                self._enter(into(here, here.below.pop()))
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

    def _enter(self, entrance: Entrance) -> None:
        folder = self._opening.opened(entrance)
        if folder is None:
            return
        self._way.append(folder)
        if len(self._way) > _OPEN_FOLDERS:
            self._close_far()
        self._open_list(folder)

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
            self._acting.failed(folder.whole_path, "read", error, folder.fd)

    def _list(self, folder: Folder) -> None:
        """The next names of a folder: what is no folder at once, folders later."""
        listing = folder.listing
        if listing is None:
            return
        try:
            batch = list(islice(listing, _BATCH))
            names = [item.name for item in batch if not item.is_dir(follow_symlinks=False)]
        except OSError as error:
            self._acting.failed(folder.whole_path, "read", error, folder.fd)
            folder.listing = None
            return
        if len(names) < len(batch):
            below = [item.name for item in batch if item.is_dir(follow_symlinks=False)]
            settled = [name for name in below if not is_being_made(folder.fd, name)]
            self._tally.vanished += len(below) - len(settled)  # such a name does not last
            folder.below += settled
        if len(batch) < _BATCH:
            folder.listing = None
        if folder.is_root:
            names = [name for name in names if not is_one(folder.fd, name)]
        if not names:
            return
        is_more = folder.listing is not None or bool(folder.below)
        if is_more and self._sharing.is_wanted() and self._given(folder, names, folders=False):
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
            if not here.given and above is not None and len(self._waiting) > _WAITING:
                here.close()
        else:
            self._finish(here)
        if not is_back:
            self._go_on()

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
            if here.fd < 0 and not regain(here):
                self._tally.vanished += 1  # someone moved it away, and there is no way back to it
            elif above is not None and above.waits and above.fd < 0:
                reopen(above, here.fd)
            self._finish(here)
            here = above

    def _go_on(self) -> None:
        """No way leads back by ``..``, as where a folder was moved away: go on with the nearest that is still there."""
        regain(self._way[-1])
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
        """Give away half of the folders that are still to come in the highest folder that has some to spare."""
        if len(self._waiting) >= _WAITING:
            return
        for folder in self._way[-_OPEN_FOLDERS:]:
            spare = len(folder.below) - (folder is self._way[-1])
            if folder.fd >= 0 and spare > 0:
                count = min((spare + 1) // 2, _BATCH)
                if self._given(folder, folder.below[:count], folders=True):
                    del folder.below[:count]
                return

    def _given(self, owner: Folder, names: list[str], *, folders: bool) -> bool:
        if not self._sharing.give(owner, names, folders=folders):
            return False
        owner.given += 1
        owner.owed += 1
        return True
